"""Geometry and colours: every view keeps every rule, and each rule can tell when it is broken."""

import itertools
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import drawn
import scenes
from archdsl import text, theme
from archdsl.elaborate.cards import ACCENTS
from archdsl.geometry import Box, Point, crosses, distance_to_border, distance_to_segment
from archdsl.layout.arrange import arrange
from archdsl.layout.columns import rising
from archdsl.record import replace
from archdsl.render.svg import to_svg
from archdsl.scene.card import card
from archdsl.scene.draw import diagram as drawing
from archdsl.scene.shapes import (
    Cells,
    Circle,
    Group,
    Item,
    Path,
    Rect,
    Scene,
    Text,
    shapes,
    written,
)
from archdsl.scene.verify import RULES, faults, illegible, text_colours
from archdsl.theme import Theme
from archdsl.view import panel
from archdsl.view.types import Diagram, Edge
from models import pictured, variants

SVG_BYTES = 150_000


def broken(scene: Scene) -> list[str]:
    """What is wrong with the positions, the lengths and the size of a picture."""
    cut = [line for line in written(scene) if line.endswith("…")]
    large = len(to_svg(scene, fonts="named")) >= SVG_BYTES
    return [*(f"{fault.rule}: {fault.what}" for fault in faults(scene)), *cut, *["large"] * large]


def too_pale(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Of pairs of a text and its ground, what is too pale in which theme and hue."""
    pairs, wrong = frozenset(pairs), dict[str, list[str]]()
    for name, hue in itertools.product(theme.THEMES, theme.HUES):
        colours = theme.THEMES[name](hue)
        palettes = {"": colours.colours, " at night": colours.night}
        for time, palette in palettes.items():
            if palette is not None and (pale := illegible(pairs, palette)):
                wrong[f"{name} {hue}{time}"] = pale
    return wrong


def test_text_of_a_view_with_everything_is_legible() -> None:
    """In every theme, for every accent that a family can have."""
    assert too_pale(text_colours(card(drawn.view(), theme.light("blue")))) == {}


@pytest.mark.parametrize("name", pictured())
def test_every_view_keeps_every_rule(name: str) -> None:
    """Geometry in one theme, for positions are the same in all; colours in all themes and hues."""
    pairs = set[tuple[str, str]]()
    for kind in scenes.views(name):
        scene = scenes.scene(name, kind)
        assert broken(scene) == [], kind
        pairs |= text_colours(scene)
    assert len(pairs) > 5
    assert too_pale(pairs) == {}


def test_cards_that_differ_in_numbers_alone_keep_every_rule() -> None:
    for name in variants().keys() - pictured().keys():
        assert broken(scenes.scene(name, "card")) == [], name


@pytest.mark.parametrize("made", theme.THEMES)
def test_a_theme_changes_colours_and_nothing_else(made: str) -> None:
    """So that one theme's positions are checked for all."""
    for shown in (drawn.view(), replace(drawn.view(), kind="compact", insets=(), callouts=())):
        colours = theme.THEMES[made]("blue")
        scene = card(shown, theme.light("blue"))
        assert scene.palette == theme.light("blue").colours
        repainted = replace(scene, palette=colours.colours, night=colours.night)
        assert card(shown, colours) == repainted


def moved(items: tuple[Item, ...], by: float) -> tuple[Item, ...]:
    """The first label of a box, moved to the right."""
    for number, item in enumerate(items):
        if isinstance(item, Text) and item.inside:
            origin = Point(item.origin.x + by, item.origin.y)
            return (*items[:number], replace(item, origin=origin), *items[number + 1 :])
        if isinstance(item, Group) and (inner := moved(item.items, by)) != item.items:
            return (*items[:number], replace(item, items=inner), *items[number + 1 :])
    return items


@pytest.mark.parametrize("kind", [*scenes.KINDS, "depth 3", "shapes"])
def test_a_label_out_of_its_place_is_found_in_every_view(kind: str) -> None:
    scene = scenes.scene("Llama3_8B", kind)
    if kind in ("strip", "facts"):  # these have no boxes with labels
        first = next(s for s in shapes(scene.items) if isinstance(s, Text))
        broke = replace(scene, items=(*scene.items, replace(first, origin=Point(-9.0, 9.0))))
    else:
        broke = replace(scene, items=moved(scene.items, 300.0))
    assert broken(scene) == []
    assert broken(broke)


def faded(ordinary: Callable[[str], Theme], tone: str, ground: str) -> Callable[[str], Theme]:
    """A theme that in teal alone, at night if it has one, gives a text the colour of its ground."""

    def made(hue: str) -> Theme:
        sound = ordinary(hue)
        if hue != "teal":
            return sound
        if sound.night is not None:
            return replace(sound, night={**sound.night, tone: sound.night[ground]})
        return replace(sound, colours={**sound.colours, tone: sound.colours[ground]})

    return made


def test_a_colour_that_fades_is_found_where_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each text on each ground, in one hue of one theme, by day or by night."""
    pairs = text_colours(scenes.scene("DeepSeekV3_671B", "card"))
    assert too_pale(pairs) == {}
    assert too_pale({*pairs, ("neutral", "surface")}), "a role that is no text's"
    for (tone, ground), name in itertools.product(sorted(pairs), theme.THEMES):
        with monkeypatch.context() as patch:
            patch.setitem(theme.THEMES, name, faded(theme.THEMES[name], tone, ground))
            night = " at night" if name == "auto" else ""
            assert set(too_pale(pairs)) == {f"{name} teal{night}"}, (tone, ground)


def test_families_use_every_hue() -> None:
    assert {theme.hue_of(f"family {n}") for n in range(100)} == set(theme.HUES.values())
    assert tuple(theme.HUES) == ACCENTS
    assert {name: theme.hue_of(name) for name in ACCENTS} == theme.HUES


def test_print_tells_kinds_apart_without_hue() -> None:
    """The fills of layers and parts differ in lightness by a visible step, whatever their hue."""
    palette = theme.THEMES["print"]("any").colours
    spare = {tone for tone, _ in panel.SPARE_KINDS}
    tones = sorted({*spare, *panel.TONES.values(), "rule"})
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


def forked(items: list[Item]) -> tuple[Path, Path]:
    """Two wires of one source that part, of which the first goes up and aside."""
    wires = [s for s in items if isinstance(s, Path) and s.use == "wire" and s.source]
    return next(
        (a, b)
        for a, b in itertools.permutations(wires, 2)
        if a.source == b.source and len(a.points) == 4 and a.points != b.points
    )


def close_together(items: list[Item]) -> list[Item]:
    """A wire of another source, 3 pixels right of one."""
    _, found = wired(items, "wire")
    beside = tuple(Point(p.x + 3, p.y) for p in found.points)
    return [*items, replace(found, points=beside, source="embed", target="place")]


def at_one_point(items: list[Item]) -> list[Item]:
    """A wire from the left to where another one ends."""
    _, found = wired(items, "wire")
    end = found.points[-1]
    return [*items, replace(found, points=(Point(end.x - 90, end.y), end), source="embed")]


def no_hop(items: list[Item]) -> list[Item]:
    """A wire of another source, straight across one that goes up."""
    _, found = wired(items, "wire")
    a, b = found.points[:2]
    high = (a.y + b.y) / 2
    across = (Point(a.x - 40, high), Point(a.x + 40, high))
    return [*items, replace(found, points=across, source="embed", target="place")]


def no_dot(items: list[Item]) -> list[Item]:
    dots = [s for s in items if isinstance(s, Circle) and not s.id]
    return [item for item in items if item is not dots[0]]


def a_dot_at_a_corner(items: list[Item]) -> list[Item]:
    corner = forked(items)[0].points[2]
    return [*items, Circle(corner, 2.2, "ink")]


def a_kink(items: list[Item]) -> list[Item]:
    number, found = wired(items, "wire")
    a, b = found.points[0], found.points[-1]
    high = (a.y + b.y) / 2
    jog = (a, Point(a.x, high), Point(a.x + 9, high), Point(a.x + 9, b.y))
    items[number] = replace(found, points=jog)
    return items


def a_slant(items: list[Item]) -> list[Item]:
    number, found = wired(items, "leader")
    *rest, last = found.points
    items[number] = replace(found, points=(*rest, Point(last.x, last.y + 3)))
    return items


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


def with_cells(items: list[Item]) -> tuple[int, Cells]:
    return next((n, s) for n, s in enumerate(items) if isinstance(s, Cells))


def a_picture_outside(items: list[Item]) -> list[Item]:
    number, found = with_cells(items)
    items[number] = replace(found, boxes=tuple(box.moved(-30, 0) for box in found.boxes))
    return items


def a_picture_under_words(items: list[Item]) -> list[Item]:
    number, found = with_cells(items)
    words = next(s for s in items if isinstance(s, Text) and s.inside == found.inside)
    items[number] = replace(found, boxes=(words.box.grown(-2),))
    return items


SEEDED: dict[str, Callable[[list[Item]], list[Item]]] = {
    "no two texts overlap": texts_overlap,
    "labels are inside their boxes": label_outside,
    "wires and leaders end on ports": end_in_the_air,
    "no wire or leader through a text": through_a_text,
    "no wire or leader through a box": through_a_box,
    "no two wires on one line": on_one_line,
    "no two lines close together": close_together,
    "no two wires end at one point": at_one_point,
    "wires that cross hop": no_hop,
    "wires that part have a dot": no_dot,
    "no line has a kink": a_kink,
    "leaders are level or upright": a_slant,
    "no two leaders cross": leaders_cross,
    "nothing outside the canvas": outside_the_canvas,
    "pictures in boxes are clear": a_picture_outside,
    "text is legible": pale,
    "text is large enough on paper": small,
}


@pytest.mark.parametrize("rule", RULES)
def test_a_seeded_fault_is_found(rule: str) -> None:
    sound = card(drawn.view(), theme.light("Made"))
    broken = replace(sound, items=tuple(SEEDED[rule](flat(sound))))
    assert rule in {fault.rule for fault in faults(broken)}


def test_a_picture_under_words_is_found() -> None:
    sound = card(drawn.view(), theme.light("Made"))
    broken = replace(sound, items=tuple(a_picture_under_words(flat(sound))))
    assert {fault.rule for fault in faults(broken)} == {"pictures in boxes are clear"}


def test_a_dot_where_no_wire_parts_is_found() -> None:
    sound = card(drawn.view(), theme.light("Made"))
    broken = replace(sound, items=tuple(a_dot_at_a_corner(flat(sound))))
    assert {fault.rule for fault in faults(broken)} == {"wires that part have a dot"}


def test_a_wire_between_wires_passes_no_box() -> None:
    """As the wire back of a loop, one without a source and a target of its own."""
    sound = card(drawn.view(), theme.light("Made"))
    items = flat(sound)
    _, label = labelled(items)
    box = next(s.box for s in items if isinstance(s, Rect) and s.id == label.inside)
    _, wire = wired(items, "wire")
    y, left = box.y + 3, box.x + 3
    inside = replace(wire, points=(Point(left, y), Point(left + 9, y)), source="", target="")
    broken = replace(sound, items=(*items, inside))
    assert "no wire or leader through a box" in {fault.rule for fault in faults(broken)}


def test_only_the_end_of_a_wire_without_a_target_joins_another() -> None:
    sound = card(drawn.view(), theme.light("Made"))
    items = flat(sound)
    _, wire = wired(items, "wire")
    a, b = wire.points[:2]
    high = (a.y + b.y) / 2
    for reach, rules in ((0, set()), (40, {"wires that cross hop"})):
        points = (Point(a.x - 40, high), Point(a.x + reach, high))
        drawn_too = replace(wire, points=points, source="embed", target="")
        broken = {f.rule for f in faults(replace(sound, items=(*items, drawn_too)))}
        assert broken & {"wires that cross hop"} == rules


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


WIRES = (
    "no two wires on one line",
    "no two wires end at one point",
    "wires that cross hop",
    "wires that part have a dot",
)


@given(diagrams())
def test_wires_of_any_diagram_are_read_in_one_way(diagram: Diagram) -> None:
    sizes = theme.Sizes()
    found = arrange(diagram, sizes)
    scene = Scene(found.reach.width, found.reach.height, tuple(drawing(found, sizes)), {})
    assert faults(scene, WIRES) == []


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
