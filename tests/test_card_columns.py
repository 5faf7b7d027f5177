"""Cards in one column: every spec at the widths that columns of papers have."""

import re

import pytest

from archdsl.cli.rendering import Look, draw
from archdsl.geometry import Box, around
from archdsl.pipeline import Variant
from archdsl.scene.shapes import LEAST_POINTS, Group, Scene, shapes, smallest, written
from archdsl.scene.verify import faults
from archdsl.shown import asked
from archdsl.view import view
from archdsl.view.words import short
from models import pictured, variants

COLUMNS = {"ACL": 77.0, "article": 80.0, "ICML": 82.55, "IEEE": 88.9}
"""Widths of a column in millimetres."""


def drawn(variant: Variant, millimetres: float, kind: str = "compact") -> Scene:
    return variant.scene(width=f"{millimetres}mm", view=kind)


@pytest.mark.parametrize("name", pictured())
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
    facts = view(variant.model, variant.facts, asked("compact")).facts
    parts = [f"{part.name} {short(part.params)}" for part in facts.parts]
    return " ".join([*parts, *(f"{row.name} {row.value}" for row in facts.rows)]).split()


@pytest.mark.parametrize("kind", ["compact", "strip", "facts"])
@pytest.mark.parametrize("name", pictured())
def test_paper_that_is_too_narrow_is_told_what_it_needs(name: str, kind: str) -> None:
    """The picture keeps its form, the remark says which width it needs, and that width is right."""
    variant = variants()[name]
    assert faults(drawn(variant, 30, kind)) == []
    _, remark = draw(variant, "svg", Look(width="30mm", shown=asked(kind)))
    found = re.fullmatch(
        r"at 30mm the smallest text is (\d\.\d) pt; 6 pt need --width (\d+)mm", remark
    )
    assert found and float(found[1]) < LEAST_POINTS
    needed = int(found[2])
    assert draw(variant, "svg", Look(width=f"{needed}mm", shown=asked(kind)))[1] == ""
    assert draw(variant, "svg", Look(width=f"{needed - 1}mm", shown=asked(kind)))[1] != ""


def test_a_wider_column_has_larger_text() -> None:
    variant = next(iter(variants().values()))
    assert written(drawn(variant, 100)) == written(drawn(variant, 85))
    assert smallest(drawn(variant, 100), 100) > smallest(drawn(variant, 85), 85)


@pytest.mark.parametrize("name", pictured())
def test_over_both_columns_the_tower_stands_beside_the_rest(name: str) -> None:
    """A figure as wide as a page is not the column drawn larger, which is higher than the page."""
    variant = variants()[name]
    column = drawn(variant, 85)
    for millimetres in (140.0, 165.0, 178.0):
        scene = drawn(variant, millimetres)
        assert scene.millimetres <= millimetres
        assert smallest(scene, millimetres) >= LEAST_POINTS
        assert faults(scene) == [], millimetres
        words = " ".join(written(scene)).split()
        assert [word for word in stated(variant) if word not in words] == [], millimetres
    assert scene.height / scene.width < 0.6 * column.height / column.width
    facts, tower = (box(scene, kind) for kind in ("facts", "tower"))
    assert facts.x > tower.right and facts.y < tower.bottom


def box(scene: Scene, kind: str) -> Box:
    """What a part of a picture covers."""
    [group] = (item for item in scene.items if isinstance(item, Group) and item.kind == kind)
    return around(shape.box for shape in shapes(group.items))


@pytest.mark.parametrize("width", ["0mm", "-3mm", "wide", "85 furlongs"])
def test_what_is_no_width(width: str) -> None:
    with pytest.raises(ValueError, match="is no length"):
        next(iter(variants().values())).scene(width=width)
