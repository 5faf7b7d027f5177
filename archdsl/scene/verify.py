"""Geometry checks: a table of rules that every finished scene must keep.

    for fault in faults(scene):
        print(fault.rule, fault.what)

A check knows nothing of layout: it reads shapes, what texts say they are inside of, and what wires
and leaders say they end on. Distances are in pixels; slacks allow for rounding, never for a visible
flaw.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from archdsl import text
from archdsl.geometry import Box, Point, crosses, distance_to_border, distance_to_segment, segments
from archdsl.record import record
from archdsl.scene.shapes import LEAST_POINTS, Circle, Path, Rect, Scene, Text, shapes
from archdsl.theme import MINIMUM_CONTRAST, contrast

_TOUCH = 0.6
_TEXT_PORT = 8.0


@record
class Fault:
    """A rule that is broken, and by what."""

    rule: str
    what: str


@dataclass(frozen=True)
class _Picture:
    """The shapes of a scene, sorted by what the rules ask for."""

    scene: Scene

    @cached_property
    def all(self) -> list[Rect | Circle | Path | Text]:
        return list(shapes(self.scene.items))

    @cached_property
    def texts(self) -> list[Text]:
        return [shape for shape in self.all if isinstance(shape, Text)]

    @cached_property
    def boxes(self) -> list[tuple[Text, Box]]:
        """Every text with the box around its ink."""
        return [(shape, shape.box) for shape in self.texts]

    @cached_property
    def lines(self) -> list[Path]:
        """Wires and leaders."""
        return [shape for shape in self.all if isinstance(shape, Path) and shape.use != "ink"]

    @cached_property
    def named(self) -> dict[str, Rect | Circle | Text]:
        return {s.id: s for s in self.all if not isinstance(s, Path) and s.id}


def faults(scene: Scene, names: Iterable[str] = ()) -> list[Fault]:
    """Everything that is wrong with a scene by the rules of these names, or by all; empty if
    nothing is.
    """
    picture = _Picture(scene)
    return [Fault(name, what) for name in names or RULES for what in RULES[name](picture)]


def text_colours(scene: Scene) -> frozenset[tuple[str, str]]:
    """The roles of each piece of text and of the ground that it stands on, each pair once.

    Positions are the same in all themes, so the pairs are too: `illegible` asks a theme for them.
    """
    return frozenset((tone, ground) for _, tone, ground in _inked(_Picture(scene)))


def illegible(pairs: Iterable[tuple[str, str]], palette: Mapping[str, str]) -> list[str]:
    """What is too pale in a palette, of pairs of a text's role and its ground's."""
    return [
        f"{tone} is too pale on {ground}"
        for tone, ground in sorted(pairs)
        if contrast(palette[tone], palette[ground]) < MINIMUM_CONTRAST
    ]


def _texts_apart(picture: _Picture) -> Iterator[str]:
    order = sorted(picture.boxes, key=lambda pair: pair[1].y)
    for number, (one, box) in enumerate(order):
        for other, below in itertools.islice(order, number + 1, None):
            if below.y >= box.bottom:
                break
            if box.overlaps(below, 0.3):
                yield f"{text.plain(one.runs)!r} overlaps {text.plain(other.runs)!r}"


def _labels_inside(picture: _Picture) -> Iterator[str]:
    for label in picture.texts:
        if not label.inside:
            continue
        owner = picture.named.get(label.inside)
        if owner is None or not owner.box.holds(label.box, -1.0):
            yield f"{text.plain(label.runs)!r} is not inside {label.inside!r}"


def _ends_on_ports(picture: _Picture) -> Iterator[str]:
    for line in picture.lines:
        for name, end in ((line.source, line.points[0]), (line.target, line.points[-1])):
            if not name:
                if not _on_a_wire(end, line, picture):
                    yield f"a {line.use} ends at {_spot(end)}, on nothing"
            elif name in picture.named:
                away = _distance(end, picture.named[name])
                slack = _TEXT_PORT if isinstance(picture.named[name], Text) else _TOUCH
                if away > slack:
                    yield f"a {line.use} ends {away:.1f} pixels from {name!r}"
            elif not _on_a_wire(end, line, picture) and not _on_a_border(end, picture):
                yield f"a {line.use} ends at {_spot(end)}, where {name!r} is not"


def _distance(end: Point, shape: Rect | Circle | Text) -> float:
    if isinstance(shape, Circle):
        dx, dy = end.x - shape.centre.x, end.y - shape.centre.y
        return abs(float((dx * dx + dy * dy) ** 0.5) - shape.radius)
    return distance_to_border(end, shape.box)


def _on_a_wire(end: Point, line: Path, picture: _Picture) -> bool:
    """Whether a wire other than `line` passes the point or ends there."""
    return any(
        distance_to_segment(end, a, b) <= _TOUCH
        for other in picture.lines
        if other is not line and other.use == "wire"
        for a, b in segments(other.points)
    )


def _on_a_border(end: Point, picture: _Picture) -> bool:
    return any(
        isinstance(shape, Rect) and distance_to_border(end, shape.box) <= _TOUCH
        for shape in picture.named.values()
    )


def _texts_free_of_lines(picture: _Picture) -> Iterator[str]:
    inked = [(label, box.grown(-0.2)) for label, box in picture.boxes]
    for line in picture.lines:
        for a, b in segments(line.points):
            for label, box in inked:
                if crosses(a, b, box):
                    yield f"a {line.use} runs through {text.plain(label.runs)!r}"


def _boxes_free_of_lines(picture: _Picture) -> Iterator[str]:
    """No wire or leader through a box with a label, or through an operator, other than at
    its ends.
    """
    labelled = {label.inside for label in picture.texts if label.inside}
    solid = [
        (shape, shape.box.grown(-1.0))
        for name, shape in picture.named.items()
        if isinstance(shape, Circle)
        or (isinstance(shape, Rect) and name in labelled and shape.fill and not shape.dash)
    ]
    for line in picture.lines:
        for a, b in segments(line.points):
            for shape, inside in solid:
                if crosses(a, b, inside) and not _holds_end(shape, line, picture):
                    yield f"a {line.use} to {line.target!r} runs through {shape.id!r}"


def _holds_end(shape: Rect | Circle | Text, line: Path, picture: _Picture) -> bool:
    """Whether the line belongs inside the shape: what it joins on one side lies within."""
    ends = (picture.named.get(line.source), picture.named.get(line.target))
    return any(end is not None and end is not shape and shape.box.holds(end.box) for end in ends)


def _inside_canvas(picture: _Picture) -> Iterator[str]:
    canvas = Box(0, 0, picture.scene.width, picture.scene.height)
    for shape in picture.all:
        if not canvas.holds(shape.box):
            what = text.plain(shape.runs) if isinstance(shape, Text) else type(shape).__name__
            yield f"{what!r} reaches outside the picture"


def _leaders_apart(picture: _Picture) -> Iterator[str]:
    leaders = [line for line in picture.lines if line.use == "leader"]
    for one, other in itertools.combinations(leaders, 2):
        for (a, b), (c, d) in itertools.product(segments(one.points), segments(other.points)):
            if _cross(a, b, c, d):
                yield f"the leaders to {one.target!r} and {other.target!r} cross"


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    def turn(p: Point, q: Point, r: Point) -> float:
        return (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x)

    return turn(a, b, c) * turn(a, b, d) < -1e-6 and turn(c, d, a) * turn(c, d, b) < -1e-6


def _wires_apart(picture: _Picture) -> Iterator[str]:
    """No two wires from different places to different places run along the same line."""
    wires = [line for line in picture.lines if line.use == "wire"]
    pieces = [(wire, a, b) for wire in wires for a, b in segments(wire.points)]
    for (one, a, b), (other, c, d) in itertools.combinations(pieces, 2):
        if one.source == other.source or one.target == other.target:
            continue
        if "" in (one.source, other.source):
            continue
        upright = abs(a.x - b.x) < 0.1 and abs(c.x - d.x) < 0.1 and abs(a.x - c.x) < 1.0
        level = abs(a.y - b.y) < 0.1 and abs(c.y - d.y) < 0.1 and abs(a.y - c.y) < 1.0
        if (upright and _shared(a.y, b.y, c.y, d.y)) or (level and _shared(a.x, b.x, c.x, d.x)):
            yield f"the wires to {one.target!r} and {other.target!r} run on one line"


def _shared(a: float, b: float, c: float, d: float) -> bool:
    return min(max(a, b), max(c, d)) - max(min(a, b), min(c, d)) > 1.0


def _texts_legible(picture: _Picture) -> Iterator[str]:
    """Every text against the topmost filled shape under its middle, by day and by night."""
    palettes = [picture.scene.palette]
    if picture.scene.night is not None:
        palettes.append(picture.scene.night)
    for words, tone, ground in _inked(picture):
        for palette in palettes:
            for what in illegible([(tone, ground)], palette):
                yield f"{words!r}: {what}"


def _inked(picture: _Picture) -> Iterator[tuple[str, str, str]]:
    """Every piece of text that is not blank, the role of its colour and that of its ground."""
    filled: list[tuple[Box, str]] = []
    for shape in picture.all:
        if isinstance(shape, (Rect, Circle)) and shape.fill:
            filled.append((shape.box, shape.fill))
        if isinstance(shape, Text):
            middle = shape.box.middle
            ground = next((fill for box, fill in reversed(filled) if box.has(middle)), "paper")
            for run in shape.runs:
                if run.text.strip():
                    yield run.text, run.tone, ground


def _texts_large_enough(picture: _Picture) -> Iterator[str]:
    """No text below six points, where the picture is as wide as it is made for."""
    scene = picture.scene
    for shape in picture.texts:
        points = shape.size * scene.millimetres / scene.width * 72.0 / 25.4
        if points < LEAST_POINTS - 0.005:
            yield f"{text.plain(shape.runs)!r} is {points:.1f} pt at {scene.millimetres:.0f} mm"


def _spot(point: Point) -> str:
    return f"({point.x:.0f}, {point.y:.0f})"


RULES: dict[str, Callable[[_Picture], Iterator[str]]] = {
    "no two texts overlap": _texts_apart,
    "labels are inside their boxes": _labels_inside,
    "wires and leaders end on ports": _ends_on_ports,
    "no wire or leader through a text": _texts_free_of_lines,
    "no wire or leader through a box": _boxes_free_of_lines,
    "no two wires on one line": _wires_apart,
    "no two leaders cross": _leaders_apart,
    "nothing outside the canvas": _inside_canvas,
    "text is legible": _texts_legible,
    "text is large enough on paper": _texts_large_enough,
}
"""Every rule by its name."""
