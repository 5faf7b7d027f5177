"""Cards in one column: every spec at the widths that columns of papers have."""

import re

import pytest

from archdsl.cli.rendering import Look, draw
from archdsl.pipeline import Variant
from archdsl.scene.shapes import LEAST_POINTS, Scene, smallest, written
from archdsl.scene.verify import faults
from archdsl.view import view
from archdsl.view.choice import ask
from archdsl.view.words import short
from models import variants

COLUMNS = {"ACL": 77.0, "article": 80.0, "ICML": 82.55, "IEEE": 88.9}
"""Widths of a column in millimetres."""


def drawn(variant: Variant, millimetres: float, kind: str = "compact") -> Scene:
    return variant.scene(width=f"{millimetres}mm", view=kind)


@pytest.mark.parametrize("name", variants())
def test_a_column_of_every_width_is_laid_out_for_it(name: str) -> None:
    """Six points on paper, nothing that overlaps, and all numbers of the facts whole."""
    variant = variants()[name]
    for millimetres in COLUMNS.values():
        scene = drawn(variant, millimetres)
        assert scene.millimetres <= millimetres
        assert smallest(scene, millimetres) >= LEAST_POINTS
        assert faults(scene) == [], millimetres
        words = " ".join(written(scene)).split()
        assert [word for word in stated(variant) if word not in words] == [], millimetres


def stated(variant: Variant) -> list[str]:
    """All words and numbers of the panel of facts."""
    facts = view(variant.model, variant.facts, ask(variant.model, "compact")).facts
    parts = [f"{part.name} {short(part.params)}" for part in facts.parts]
    return " ".join([*parts, *(f"{row.name} {row.value}" for row in facts.rows)]).split()


@pytest.mark.parametrize("kind", ["compact", "strip", "facts"])
@pytest.mark.parametrize("name", variants())
def test_paper_that_is_too_narrow_is_told_what_it_needs(name: str, kind: str) -> None:
    """The picture keeps its form, the remark says which width it needs, and that width is right."""
    variant = variants()[name]
    assert faults(drawn(variant, 30, kind)) == []
    _, remark = draw(variant, "svg", Look(width="30mm", view=kind))
    found = re.fullmatch(
        r"at 30mm the smallest text is (\d\.\d) pt; 6 pt need --width (\d+)mm", remark
    )
    assert found and float(found[1]) < LEAST_POINTS
    needed = int(found[2])
    assert draw(variant, "svg", Look(width=f"{needed}mm", view=kind))[1] == ""
    assert draw(variant, "svg", Look(width=f"{needed - 1}mm", view=kind))[1] != ""


def test_a_wider_paper_has_larger_text() -> None:
    variant = next(iter(variants().values()))
    assert drawn(variant, 120) == drawn(variant, 85)


@pytest.mark.parametrize("width", ["0mm", "-3mm", "wide", "85 furlongs"])
def test_what_is_no_width(width: str) -> None:
    with pytest.raises(ValueError, match="is no length"):
        next(iter(variants().values())).scene(width=width)
