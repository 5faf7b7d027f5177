"""Geometry: every card keeps every rule, and every rule can tell when it is broken."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import drawn
from archdsl import text, theme
from archdsl.elaborate.cards import ACCENTS
from archdsl.geometry import Box, Point, crosses, distance_to_border, distance_to_segment
from archdsl.layout.arrange import arrange
from archdsl.layout.columns import rising
from archdsl.record import replace
from archdsl.scene.card import card
from archdsl.scene.shapes import Group, Item, Path, Rect, Scene, Text, shapes
from archdsl.scene.verify import RULES, faults
from archdsl.view import panel
from archdsl.view.types import Diagram, Edge


@pytest.mark.parametrize("family", ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"])
@pytest.mark.parametrize("made", theme.THEMES)
def test_text_is_legible_in_every_hue(made: str, family: str) -> None:
    """Contrast of all text on what lies under it, for every accent that a family can have."""
    assert faults(card(drawn.view(), theme.THEMES[made](family))) == []


def test_families_use_every_hue() -> None:
    assert {theme.hue_of(f"family {n}") for n in range(100)} == set(theme.HUES.values())
    assert tuple(theme.HUES) == ACCENTS
    assert {name: theme.hue_of(name) for name in ACCENTS} == theme.HUES


def test_print_tells_kinds_apart_without_hue() -> None:
    """The fills of layers and parts differ in lightness by a visible step, whatever their hue."""
    palette = theme.THEMES["print"]("any").colours
    tones = sorted({*panel.KIND_TONES, *panel.TONES.values(), "rule"})
    found = sorted(lightness(palette[tone]) for tone in tones)
    assert all(high - low >= theme.GREY_STEP for low, high in itertools.pairwise(found)), found
    greys = [palette[tone] for tone in tones]
    assert all(grey[1:3] == grey[3:5] == grey[5:7] for grey in greys)
    with_hue = theme.light("any").colours
    close = sorted(lightness(with_hue[tone]) for tone in tones)
    assert any(b - a < theme.GREY_STEP for a, b in itertools.pairwise(close)), "the check can fail"


def lightness(rgb: str) -> float:
    """OKLCH lightness of a grey of the same luminance."""
    return float(theme.luminance(rgb) ** (1 / 3))


# Seeded faults: each breaks one rule of a sound scene. A fault is a new list of shapes.


def flat(scene: Scene) -> list[Item]:
    """The scene's shapes without groups."""
    return list(shapes(scene.items))


def labelled(items: list[Item]) -> tuple[int, Text]:
    return next((n, s) for n, s in enumerate(items) if isinstance(s, Text) and s.inside)


def wired(items: list[Item], use: str) -> tuple[int, Path]:
    return next(
        (n, s) for n, s in enumerate(items) if isinstance(s, Path) and s.use == use and s.source
    )


def texts_overlap(items: list[Item]) -> list[Item]:
    _, found = labelled(items)
    return [*items, replace(found, origin=Point(found.origin.x + 3, found.origin.y + 2), inside="")]


def label_outside(items: list[Item]) -> list[Item]:
    number, found = labelled(items)
    items[number] = replace(found, origin=Point(found.origin.x + 300, found.origin.y))
    return items


def end_in_the_air(items: list[Item]) -> list[Item]:
    number, found = wired(items, "wire")
    *rest, last = found.points
    items[number] = replace(found, points=(*rest, Point(last.x, last.y + 9)))
    return items


def through_a_text(items: list[Item]) -> list[Item]:
    _, found = labelled(items)
    box = found.box
    across = (Point(box.x - 50, box.middle.y), Point(box.right + 50, box.middle.y))
    return [*items, Path(across, use="leader")]


def through_a_box(items: list[Item]) -> list[Item]:
    _, label = labelled(items)
    box = next(s.box for s in items if isinstance(s, Rect) and s.id == label.inside)
    edge = box.x + 4
    return [*items, Path((Point(edge, box.y - 9), Point(edge, box.bottom + 9)), use="wire")]


def on_one_line(items: list[Item]) -> list[Item]:
    _, found = wired(items, "wire")
    return [*items, replace(found, source="embed", target="place")]


def leaders_cross(items: list[Item]) -> list[Item]:
    _, found = wired(items, "leader")
    (a, b) = found.points[-2:]
    middle = Point((a.x + b.x) / 2, (a.y + b.y) / 2)
    upright = (Point(middle.x + 1, middle.y - 20), Point(middle.x - 1, middle.y + 20))
    return [*items, replace(found, points=upright)]


def outside_the_canvas(items: list[Item]) -> list[Item]:
    return [*items, Rect(Box(-5, 10, 20, 20), fill="ink")]


def pale(items: list[Item]) -> list[Item]:
    number, found = labelled(items)
    items[number] = replace(found, runs=text.line("pale", "surface"))
    return items


def small(items: list[Item]) -> list[Item]:
    number, found = labelled(items)
    items[number] = replace(found, size=7.9)
    return items


SEEDED: dict[str, Callable[[list[Item]], list[Item]]] = {
    "no two texts overlap": texts_overlap,
    "labels are inside their boxes": label_outside,
    "wires and leaders end on ports": end_in_the_air,
    "no wire or leader through a text": through_a_text,
    "no wire or leader through a box": through_a_box,
    "no two wires on one line": on_one_line,
    "no two leaders cross": leaders_cross,
    "nothing outside the canvas": outside_the_canvas,
    "text is legible": pale,
    "text is large enough on paper": small,
}


@pytest.mark.parametrize("rule", RULES)
def test_a_seeded_fault_is_found(rule: str) -> None:
    sound = card(drawn.view(), theme.light("Made"))
    broken = replace(sound, items=tuple(SEEDED[rule](flat(sound))))
    assert rule in {fault.rule for fault in faults(broken)}


def test_text_that_fades_at_night_is_found() -> None:
    sound = card(drawn.view(), theme.THEMES["auto"]("Made"))
    assert faults(sound) == []
    assert sound.night is not None
    dim = replace(sound, night={**sound.night, "quiet": "#30363d"})
    assert {fault.rule for fault in faults(dim)} == {"text is legible"}


def test_text_that_is_small_on_paper_is_found() -> None:
    sound = card(drawn.view(), theme.light("Made"))
    shrunk = replace(sound, paper=85.0)
    assert {fault.rule for fault in faults(shrunk)} == {"text is large enough on paper"}


def test_groups_hide_nothing_from_the_rules() -> None:
    sound = card(drawn.view(), theme.light("Made"))
    nested = replace(sound, items=(Group((Group(tuple(outside_the_canvas([]))),)),))
    assert [fault.rule for fault in faults(nested)] == ["nothing outside the canvas"]


# Diagrams that nobody drew: the layout keeps the rules on all of them.


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    """A connected graph without cycles, nodes of every simple form."""
    count = draw(st.integers(2, 14))
    forms = st.sampled_from(["box", "box", "pill", "operator"])
    names = ["x", *(f"n{number}" for number in range(1, count))]
    nodes = [drawn.box("x", "x", form="terminal")]
    edges: list[Edge] = []
    for number, name in enumerate(names[1:], 1):
        form = draw(forms)
        low = {draw(st.integers(0, number - 1)) for _ in range(draw(st.integers(1, 2)))}
        label = "" if form == "operator" else name * draw(st.integers(1, 5))
        wide = form == "box" and draw(st.booleans())
        nodes.append(drawn.box(name, label, form=form, mark="+", wide=wide))
        edges += [Edge(names[source], name) for source in sorted(low)]
    return Diagram(tuple(nodes), tuple(edges))


@given(diagrams())
def test_boxes_never_overlap(diagram: Diagram) -> None:
    found = arrange(diagram, theme.Sizes())
    boxes = [placed.box for placed in found.placed]
    for number, one in enumerate(boxes):
        assert not any(one.overlaps(other, 0.01) for other in boxes[number + 1 :])
    assert all(found.reach.holds(one, 0.01) for one in boxes)


@given(diagrams())
def test_wires_end_on_their_nodes_and_have_square_corners(diagram: Diagram) -> None:
    found = arrange(diagram, theme.Sizes())
    boxes = {placed.node.id: placed.box for placed in found.placed}
    assert len(found.wires) == len(diagram.edges)
    for wire in found.wires:
        assert distance_to_border(wire.points[0], boxes[wire.edge.source]) < 0.01
        assert distance_to_border(wire.points[-1], boxes[wire.edge.target]) < 0.01
        for a, b in zip(wire.points, wire.points[1:], strict=False):
            assert abs(a.x - b.x) < 0.01 or abs(a.y - b.y) < 0.01


@given(diagrams())
def test_wires_keep_clear_of_boxes(diagram: Diagram) -> None:
    found = arrange(diagram, theme.Sizes())
    for wire in found.wires:
        for a, b in zip(wire.points, wire.points[1:], strict=False):
            for placed in found.placed:
                if placed.node.id not in (wire.edge.source, wire.edge.target):
                    assert not crosses(a, b, placed.box.grown(-0.5)), (wire, placed)


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 9)), min_size=1, max_size=12))
def test_rising_is_the_nearest_rising_row(wishes: list[tuple[float, float]]) -> None:
    """Against the definition: the max-min formula of isotonic regression."""
    found = rising(wishes)

    def mean(low: int, high: int) -> float:
        part = wishes[low : high + 1]
        return sum(v * w for v, w in part) / sum(w for _, w in part)

    for at, value in enumerate(found):
        best = max(min(mean(low, high) for high in range(at, len(wishes))) for low in range(at + 1))
        assert value == pytest.approx(best, abs=1e-6)


def test_distances() -> None:
    box = Box(10, 10, 20, 10)
    assert distance_to_border(Point(10, 15), box) == 0
    assert distance_to_border(Point(20, 15), box) == 5
    assert distance_to_segment(Point(0, 5), Point(3, 1), Point(3, 9)) == 3
    assert crosses(Point(0, 0), Point(40, 30), box)
    assert not crosses(Point(0, 0), Point(9, 40), box)
    assert not crosses(Point(0, 10), Point(40, 10), box), "along the edge is not through"


def test_a_cycle_is_refused() -> None:
    nodes = (drawn.box("a", "a"), drawn.box("b", "b"))
    with pytest.raises(ValueError, match="cycle"):
        arrange(Diagram(nodes, (Edge("a", "b"), Edge("b", "a"))), theme.Sizes())
