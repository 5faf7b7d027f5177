"""Geometry checks: a table of rules that every finished scene must keep.

    for fault in faults(scene):
        print(fault.rule, fault.what)

A check knows nothing of layout: it reads shapes, what texts say they are inside of, and what wires
and leaders say they end on. Distances are in pixels; slacks allow for rounding, never for a visible
flaw.
"""

import itertools
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from archdsl import text
from archdsl.geometry import Box, Point, crosses, distance_to_border, distance_to_segment, segments
from archdsl.record import record
from archdsl.scene.shapes import LEAST_POINTS, Cells, Circle, Path, Rect, Scene, Shape, Text, shapes
from archdsl.theme import MINIMUM_CONTRAST, contrast

_TOUCH = 0.6
_TEXT_PORT = 8.0
_SLACK = 0.5
LEAST_APART, LONGEST_BESIDE = 4.0, 8.0
"""How near a line may come to another one, and for how long where it is nearer."""
LEAST_JOG = 16.0
"""How far a line goes aside at least where it does."""


@record
class Fault:
    """A rule that is broken, and by what."""

    rule: str
    what: str


@record
class _Piece:
    """A straight piece of a line: its column or height, and from where to where it reaches. Wires
    of one `net` bring one tensor.
    """

    line: Path
    net: str
    is_upright: bool
    at: float
    low: float
    high: float
    start: Point
    end: Point


@record
class _Course:
    """A level or upright way of a line, arcs in it not counted, and its length with a sign."""

    is_upright: bool
    start: Point
    length: float


@dataclass(frozen=True)
class _Picture:
    """The shapes of a scene, sorted by what the rules ask for."""

    scene: Scene

    @cached_property
    def all(self) -> list[Shape]:
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
    def nets(self) -> dict[int, str]:
        """The net of each line, by identity: its source and the column in which it leaves, for each
        result of a block has one; or the net of the wire on which it starts. A leader is a net of
        its own.
        """
        pieces = [
            (_net(line), a, b)
            for line in self.lines
            for a, b in segments(line.points)
            if line.use == "wire" and line.source
        ]
        nets: dict[int, str] = {}
        for number, line in enumerate(self.lines):
            name = _net(line) if line.use == "wire" else f"leader {number}"
            if not name:
                start = line.points[0]
                on = (net for net, a, b in pieces if distance_to_segment(start, a, b) <= _TOUCH)
                name = next(on, f"wire {number}")
            nets[id(line)] = name
        return nets

    @cached_property
    def upright(self) -> list[_Piece]:
        """The upright pieces of all lines, from left to right."""
        pieces = (
            _Piece(line, self.nets[id(line)], True, a.x, min(a.y, b.y), max(a.y, b.y), a, b)
            for line in self.lines
            for a, b in segments(line.points)
            if abs(a.x - b.x) < 0.01
        )
        return sorted(pieces, key=lambda piece: piece.at)

    @cached_property
    def level(self) -> list[_Piece]:
        """The level pieces of all lines, from the highest down."""
        pieces = (
            _Piece(line, self.nets[id(line)], False, a.y, min(a.x, b.x), max(a.x, b.x), a, b)
            for line in self.lines
            for a, b in segments(line.points)
            if abs(a.y - b.y) < 0.01
        )
        return sorted(pieces, key=lambda piece: piece.at)

    @cached_property
    def dots(self) -> list[Circle]:
        """The dots where wires part: filled, without a name."""
        return [s for s in self.all if isinstance(s, Circle) and s.fill == "ink" and not s.id]

    @cached_property
    def named(self) -> dict[str, Rect | Circle | Text]:
        return {s.id: s for s in self.all if not isinstance(s, Path | Cells) and s.id}


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
    """Whether the line belongs inside the shape: what it joins on one side lies within, or, where
    it begins and ends on other wires, all of it, in a frame that others lie in too.
    """
    if not line.source and not line.target:
        others = (other for other in picture.named.values() if other is not shape)
        whole = all(shape.box.holds(Box(p.x, p.y, 0.0, 0.0)) for p in line.points)
        return whole and any(shape.box.holds(other.box) for other in others)
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
    """No two wires from different places run along the same line."""
    for one, other, apart, beside in _beside(picture, 1.0):
        if one.line.use == other.line.use == "wire" and apart < 1.0 and beside > 1.0:
            yield f"the wires to {one.line.target!r} and {other.line.target!r} run on one line"


def _lines_apart(picture: _Picture) -> Iterator[str]:
    """No wire or leader so near to another one, for so long, that they are taken for one."""
    for one, other, apart, beside in _beside(picture, LEAST_APART):
        if apart < LEAST_APART - 0.01 and beside > LONGEST_BESIDE:
            yield (
                f"the {one.line.use} to {one.line.target!r} and the {other.line.use} to "
                f"{other.line.target!r} are {apart:.1f} pixels apart for {beside:.0f}"
            )


def _beside(picture: _Picture, most: float) -> Iterator[tuple[_Piece, _Piece, float, float]]:
    """The parallel pieces of lines of two nets that are less than `most` pixels apart, how far
    apart, and for how long.
    """
    for pieces in (picture.upright, picture.level):
        for number, one in enumerate(pieces):
            for other in itertools.islice(pieces, number + 1, None):
                apart = other.at - one.at
                if apart >= most:
                    break
                beside = min(one.high, other.high) - max(one.low, other.low)
                if beside > 0.0 and one.net != other.net:
                    yield one, other, apart, beside


def _net(line: Path) -> str:
    """What a wire brings: from which shape, and from where on its outline. "" of one that starts on
    another wire.
    """
    return f"{line.source} at {line.points[0].x:.0f}" if line.source else ""


def _crossings_hop(picture: _Picture) -> Iterator[str]:
    """Where wires of two nets meet, one makes an arc over the other. Only on a frame's border does
    one wire end where another one starts, and only one without a target ends on another one.
    """
    columns = [piece.at for piece in picture.upright]
    for level in picture.level:
        first = bisect_left(columns, level.low - _SLACK)
        for upright in picture.upright[first : bisect_right(columns, level.high + _SLACK)]:
            if upright.net == level.net or not upright.line.use == level.line.use == "wire":
                continue
            spot = Point(upright.at, level.at)
            met = upright.low - _SLACK <= spot.y <= upright.high + _SLACK
            joins = not level.line.target and _is_near(spot, level.line.points[-1])
            if (
                met
                and not joins
                and not (_is_end(spot, level.line) and _is_end(spot, upright.line))
            ):
                yield (
                    f"the wires to {level.line.target!r} and {upright.line.target!r} meet at "
                    f"{_spot(spot)} without a hop"
                )


def _is_end(spot: Point, line: Path) -> bool:
    return any(
        abs(end.x - spot.x) <= _SLACK and abs(end.y - spot.y) <= _SLACK
        for end in (line.points[0], line.points[-1])
    )


def _forks_dotted(picture: _Picture) -> Iterator[str]:
    """A dot where a net goes on in three directions or more, and nowhere else."""
    nets: dict[str, list[_Piece]] = defaultdict(list)
    for piece in (*picture.level, *picture.upright):
        if piece.line.use == "wire":
            nets[piece.net].append(piece)
    forks = [
        end
        for pieces in nets.values()
        for end in {
            *(end for piece in pieces for end in (piece.start, piece.end)),
            *_crossings(pieces),
        }
        if len(_directions(end, pieces)) > 2
    ]
    for fork in forks:
        if not any(_is_near(fork, dot.centre) for dot in picture.dots):
            yield f"wires part at {_spot(fork)} without a dot"
    for number, dot in enumerate(picture.dots):
        if not any(_is_near(fork, dot.centre) for fork in forks):
            yield f"a dot at {_spot(dot.centre)}, where no wire parts"
        if any(_is_near(dot.centre, other.centre) for other in picture.dots[:number]):
            yield f"a dot at {_spot(dot.centre)} is drawn twice"


def _crossings(pieces: list[_Piece]) -> Iterator[Point]:
    """Where pieces of one net cross."""
    upright = [piece for piece in pieces if piece.is_upright]
    for level in (piece for piece in pieces if not piece.is_upright):
        for other in upright:
            inside = level.low + _SLACK < other.at < level.high - _SLACK
            if inside and other.low + _SLACK < level.at < other.high - _SLACK:
                yield Point(other.at, level.at)


def _is_near(one: Point, other: Point) -> bool:
    return abs(one.x - other.x) <= _SLACK and abs(one.y - other.y) <= _SLACK


def _directions(spot: Point, pieces: list[_Piece]) -> set[tuple[bool, bool]]:
    """In which directions pieces leave a point: upright or level, and forth or back."""
    ways: set[tuple[bool, bool]] = set()
    for piece in pieces:
        across, along = (spot.x, spot.y) if piece.is_upright else (spot.y, spot.x)
        if abs(across - piece.at) > _SLACK:
            continue
        if piece.low - _SLACK <= along < piece.high - _SLACK:
            ways.add((piece.is_upright, True))
        if piece.low + _SLACK < along <= piece.high + _SLACK:
            ways.add((piece.is_upright, False))
    return ways


def _ends_apart(picture: _Picture) -> Iterator[str]:
    """No two wires of different nets end at one point."""
    wires = [line for line in picture.lines if line.use == "wire"]
    for one, other in itertools.combinations(wires, 2):
        end = other.points[-1]
        if _is_near(one.points[-1], end) and picture.nets[id(one)] != picture.nets[id(other)]:
            yield f"the wires from {one.source!r} and {other.source!r} end at {_spot(end)}"


def _no_kinks(picture: _Picture) -> Iterator[str]:
    """No wire that goes up and no leader goes aside by a few pixels, and then on as before."""
    for line in picture.lines:
        courses = _courses(line)
        for before, aside, after in zip(courses, courses[1:], courses[2:], strict=False):
            goes_on = (before.length > 0.0) == (after.length > 0.0)
            counts = before.is_upright or line.use == "leader"
            if counts and goes_on and abs(aside.length) < LEAST_JOG - _SLACK:
                spot, length = _spot(aside.start), abs(aside.length)
                yield f"a {line.use} to {line.target!r} goes aside by {length:.1f} at {spot}"


def _courses(line: Path) -> list[_Course]:
    """The straight courses of a line, one where an arc leads on."""
    courses: list[_Course] = []
    for a, b in segments(line.points):
        is_upright = abs(a.x - b.x) < 0.01
        if not is_upright and abs(a.y - b.y) >= 0.01:
            continue
        if courses and courses[-1].is_upright == is_upright:
            a = courses.pop().start
        courses.append(_Course(is_upright, a, b.y - a.y if is_upright else b.x - a.x))
    return courses


def _leaders_square(picture: _Picture) -> Iterator[str]:
    """Leaders have level and upright pieces only."""
    for line in picture.lines:
        for a, b in segments(line.points) if line.use == "leader" else ():
            if min(abs(a.x - b.x), abs(a.y - b.y)) > 0.01:
                yield f"the leader to {line.target!r} slants at {_spot(a)}"


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


def _pictures_clear(picture: _Picture) -> Iterator[str]:
    """A picture in a box stays inside it, apart from its words."""
    for shape in picture.all:
        if not isinstance(shape, Cells) or not shape.inside:
            continue
        around = picture.named[shape.inside].box
        if not around.holds(shape.box, _TOUCH):
            yield f"a picture leaves {shape.inside}"
        for words, box in picture.boxes:
            if box.overlaps(shape.box):
                yield f"a picture in {shape.inside} lies under {text.plain(words.runs)!r}"


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
    "no two lines close together": _lines_apart,
    "no two wires end at one point": _ends_apart,
    "wires that cross hop": _crossings_hop,
    "wires that part have a dot": _forks_dotted,
    "no line has a kink": _no_kinks,
    "leaders are level or upright": _leaders_square,
    "no two leaders cross": _leaders_apart,
    "nothing outside the canvas": _inside_canvas,
    "pictures in boxes are clear": _pictures_clear,
    "text is legible": _texts_legible,
    "text is large enough on paper": _texts_large_enough,
}
"""Every rule by its name."""
