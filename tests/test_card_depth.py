"""Blocks open in blocks, as deep as a model goes: the rules of geometry in every composition."""

from functools import cache

import pytest

from archdsl import theme
from archdsl.cli.commands import render
from archdsl.pipeline import Variant
from archdsl.record import replace
from archdsl.scene.card import card
from archdsl.scene.verify import faults
from archdsl.shown import MOST_DEPTH, asked, combined
from archdsl.view import View, view
from archdsl.view.tower import ids, tower
from models import variants

FAMILIES = {variant.model.family: name for name, variant in variants().items()}
"""One variant of each model: cards of all are drawn at these depths in test_geometry.py."""


def seen(variant: Variant, depth: int, kind: str = "card") -> View:
    return view(variant.model, variant.facts, asked(kind, depth=depth))


@cache
def open_nodes(name: str, depth: int) -> int:
    """How many nodes the tower of a card shows."""
    model = variants()[name].model
    return len(list(ids(tower(model, combined(model, asked("card", depth=depth))))))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_depth_keeps_every_rule(family: str) -> None:
    variant = variants()[FAMILIES[family]]
    for depth in (4, 5):
        if depth == 5 and not deep(FAMILIES[family]):
            continue  # the same picture
        block, column = (
            seen(variant, depth, "block"),
            replace(seen(variant, depth, "compact"), millimetres=77.0),
        )
        assert faults(card(block, theme.light(block.maker))) == [], depth
        assert faults(card(column, theme.light(column.maker))) == [], depth


@pytest.mark.parametrize("family", FAMILIES)
def test_a_depth_opens_what_the_one_before_leaves_closed(family: str) -> None:
    counts = [open_nodes(FAMILIES[family], depth) for depth in range(1, MOST_DEPTH + 1)]
    assert counts == sorted(counts)
    assert counts[-1] == counts[-2], "it has blocks that no depth opens"


def test_some_model_is_deeper_than_four_levels() -> None:
    assert any(map(deep, FAMILIES.values()))


def deep(name: str) -> bool:
    """Whether a model has something to open at the fifth level."""
    return open_nodes(name, 5) > open_nodes(name, 4)


def test_the_command_goes_as_deep_as_a_card() -> None:
    depth = next(option.type for option in render.params if option.name == "depth")
    assert (depth.min, depth.max) == (1, MOST_DEPTH)  # type: ignore[attr-defined]
