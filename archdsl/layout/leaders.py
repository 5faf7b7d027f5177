"""Leaders: the dotted lines from nodes of the tower to what speaks of them."""

import itertools
import math
from collections.abc import Iterator

from archdsl import text
from archdsl.geometry import Box, Point, crosses, segments
from archdsl.layout.arrange import Arranged, Placed
from archdsl.layout.measure import CHOICE_LABEL, CHOICE_PADDING, case, is_stacked
from archdsl.layout.routes import LEAST_JOG
from archdsl.record import record
from archdsl.theme import Sizes

_FAR = 10_000.0
_CORNER_OF_NODE = 18.0
"""How far from the right end of a node's lower edge a leader leaves it."""
_ARROW = 12.0
"""How long the head of an arrow is, with some white."""
_MOST_BELOW = 60
_APART = 8.0
"""How far one leader runs below another."""
CORNER = 18.0
"""How far from the corner of a frame a leader arrives at least."""
LEAST_APART, LONGEST_BESIDE = 4.0, 8.0
"""How near a leader may come to a wire, and how far along it where it is nearer."""
_EDGE = 6.0
"""How far from the ends of a node's right edge a leader leaves it at least."""
_SAME = 0.5


@record
class Leader:
    """The dotted line from a node of the tower to what speaks of it."""

    source: str
    target: str
    points: tuple[Point, ...]


def positions(tower: Arranged, sizes: Sizes) -> dict[str, Box]:
    """The box of every node, also inside groups and choices, by id."""
    boxes: dict[str, Box] = {}
    for placed in tower.placed:
        boxes[placed.node.id] = placed.box
        if placed.inner is not None:
            boxes |= positions(placed.inner, sizes)
        boxes |= dict(case_boxes(placed, sizes))
    return boxes


def case_boxes(placed: Placed, sizes: Sizes) -> list[tuple[str, Box]]:
    """The boxes of a choice's blocks, side by side or one above the other."""
    boxes: list[tuple[str, Box]] = []
    x, y = placed.box.x + CHOICE_PADDING, placed.box.y + CHOICE_PADDING
    stacked = is_stacked(placed.node, sizes)
    for block in placed.node.cases:
        width, height = case(block, sizes)
        top = y + CHOICE_LABEL
        if stacked:
            width = placed.box.width - 2 * CHOICE_PADDING
            y = top + height + CHOICE_PADDING
        else:
            height = placed.box.bottom - CHOICE_PADDING - top
        boxes.append((block.node.id, Box(x, top, width, height)))
        x += 0.0 if stacked else width + CHOICE_PADDING
    return boxes


def levels(tower: Arranged) -> Iterator[tuple[Point, Point]]:
    """The level pieces of all wires and frames, in groups too."""
    for wire in tower.wires:
        yield from ((a, b) for a, b in itertools.pairwise(wire.points) if abs(a.y - b.y) < 0.01)
    for placed in tower.placed:
        if placed.inner is not None:
            frame = placed.box
            for y in (frame.y, frame.bottom):
                yield Point(frame.x, y), Point(frame.right, y)
            yield from levels(placed.inner)


def tips(tower: Arranged) -> Iterator[Point]:
    """The ends of all wires, in groups too."""
    yield from (wire.points[-1] for wire in tower.wires)
    for placed in tower.placed:
        if placed.inner is not None:
            yield from tips(placed.inner)


def labels(tower: Arranged, sizes: Sizes) -> Iterator[Box]:
    """The boxes of what stands beside wires, in groups too."""
    for wire in tower.wires:
        if wire.label_at is not None:
            x, y = wire.label_at
            width = text.line_width(wire.edge.label, sizes.small)
            yield Box(x, y - sizes.small, width, 1.3 * sizes.small)
    for placed in tower.placed:
        if placed.inner is not None:
            yield from labels(placed.inner, sizes)


@record
class _Ground:
    """What leaders meet in a tower: its nodes, level wires and borders, arrows and labels."""

    spots: dict[str, Box]
    wires: tuple[tuple[Point, Point], ...]
    arrows: tuple[Point, ...]
    labels: tuple[Box, ...]


@record
class End:
    """Where a leader has to arrive: at the left edge of a frame, at a height of it. `through` is
    that height where the way there leads between two other frames.
    """

    source: str
    target: str
    box: Box
    through: float | None = None


def leaders(
    tower: Arranged, spots: dict[str, Box], ends: list[End], column: float, sizes: Sizes
) -> tuple[Leader, ...]:
    """From the right edges of nodes to the left edges of frames, along no wire and through no box:
    level where that is possible, else with two corners between the tower and the column of frames
    at `column`. None goes from one tower through another, or where a box is in every way.
    """
    ground = _Ground(spots, tuple(levels(tower)), tuple(tips(tower)), tuple(labels(tower, sizes)))
    ways: list[tuple[End, tuple[Point, ...], Point]] = []
    below: list[float] = []
    for end in ends:
        if end.source in spots and not _is_behind(spots[end.source], tower):
            way = _way_out(ground, end, below)
            if not way:
                continue
            below += [point.y for point in way[1:2]]
            ways.append((end, way, Point(end.box.x, _tip(end, way[-1].y))))
    bent = [n for n, (_, way, tip) in enumerate(ways) if way[-1].y != tip.y]
    tracks = _tracks({n: (ways[n][1][-1].y, ways[n][2].y) for n in bent}, tower, column)
    drawn: list[Leader] = []
    for number, (end, way, tip) in enumerate(ways):
        if number in tracks:
            x = tracks[number]
            way = (*way, Point(x, way[-1].y), Point(x, tip.y))
        drawn.append(Leader(end.source, end.target, (*way, tip)))
    return tuple(drawn)


def _is_behind(spot: Box, tower: Arranged) -> bool:
    """Whether a node stands in a frame that has another beside it at its right."""
    frames = [placed.box for placed in tower.placed if placed.inner is not None]
    around_spot = [frame for frame in frames if frame.holds(spot)]
    return any(
        other.x > frame.right and other.y < spot.middle.y < other.bottom
        for frame in around_spot
        for other in frames
    )


def _way_out(ground: _Ground, end: End, used: list[float]) -> tuple[Point, ...]:
    """The points of a leader up to where nothing of the tower is in its way: a place on a node's
    right edge, as near to the height of its frame as can be, away from wires that run there; or a
    way below what stands right of it, clear of arrows and labels, at none of the heights that are
    `used`. None where every way is blocked.
    """
    spots = ground.spots
    start = spots[end.source]
    middle, reach = start.middle.y, start.height / 2 - min(_EDGE, start.height / 4)
    wish = min(middle + reach, max(middle - reach, _arrival(end, middle)))
    if _tip(end, wish) != wish:
        wish = middle
    far = start.right + _FAR
    if not _is_blocked(Point(start.right, middle), Point(far, middle), end.source, spots):
        for high in (wish, middle, middle - reach, middle + reach):
            out, away = Point(start.right, high), Point(far, high)
            if not _runs_along(out, away, ground) and not _is_blocked(out, away, end.source, spots):
                return (out,)
    x = start.right - min(_CORNER_OF_NODE, start.width / 4)
    near = start.bottom + CHOICE_PADDING / 2
    heads = any(tip.x > x - 1.0 and -1.0 < near - tip.y < _ARROW for tip in ground.arrows)
    heights = [start.bottom + _ARROW] if heads else [near]
    heights += [near + _APART * number for number in range(1, _MOST_BELOW)]

    def clear(below: float) -> bool:
        a, b = Point(x, below), Point(x + _FAR, below)
        apart = all(abs(below - other) >= _APART for other in used)
        words = any(crosses(a, b, label) for label in ground.labels)
        return apart and not words and _is_even(end, below) and not _runs_along(a, b, ground)

    def is_open(below: float) -> bool:
        corner = Point(x, below)
        down = _is_blocked(Point(x, start.bottom), corner, end.source, spots)
        return not down and not _is_blocked(corner, Point(far, below), end.source, spots)

    free = filter(clear, heights)
    below = next((below for below in free if is_open(below)), None)
    if below is None:
        return ()
    frames = [spot.right for spot in spots.values() if spot.has(Point(x, below))]
    around_right = max(frames or [spot.right for spot in spots.values()])
    return (Point(x, start.bottom), Point(x, below), Point(around_right, below))


def _is_even(end: End, high: float) -> bool:
    """Whether a leader at this height arrives there, or with a step that is seen."""
    step = abs(_tip(end, high) - high)
    return step <= _SAME or step >= LEAST_JOG


def _runs_along(a: Point, b: Point, ground: _Ground) -> bool:
    """Whether a level line would be taken for one with a level piece of a wire."""
    return any(
        abs(c.y - a.y) < LEAST_APART
        and min(b.x, max(c.x, d.x)) - max(a.x, min(c.x, d.x)) > LONGEST_BESIDE
        for c, d in ground.wires
    )


def _is_blocked(a: Point, b: Point, source: str, spots: dict[str, Box]) -> bool:
    """Whether a line from a node runs through another one that it does not stand in."""
    return any(
        crosses(a, b, spot)
        for name, spot in spots.items()
        if name != source and not spot.holds(spots[source]) and spot.width
    )


def _arrival(end: End, high: float) -> float:
    """The height at which a leader arrives: as near to its own as the frame allows."""
    if end.through is not None:
        return end.through
    corner = min(CORNER, end.box.height / 2)
    return min(end.box.bottom - corner, max(end.box.y + corner, high))


def _tip(end: End, high: float) -> float:
    """The same, at the height of the leader's way or so far from it that its step is seen."""
    arrival = _arrival(end, high)
    if abs(arrival - high) <= _SAME:
        return high
    farther = high + math.copysign(LEAST_JOG, arrival - high)
    if abs(arrival - high) < LEAST_JOG and _arrival(end, farther) == farther:
        return farther
    return arrival


def _tracks(
    bent: dict[int, tuple[float, float]], tower: Arranged, column: float
) -> dict[int, float]:
    """The column of the upright piece of each leader that has one, by its number.

    `bent`: the heights at which it leaves and arrives. Of leaders that go up the lower ones turn
    farther right, of those that go down the upper ones: so none crosses another.
    """
    up = sorted((n for n, (y, to) in bent.items() if to <= y), key=lambda n: bent[n][0])
    down = sorted((n for n, (y, to) in bent.items() if to > y), key=lambda n: -bent[n][0])
    left = tower.reach.right
    tracks: dict[int, float] = {}
    for group in (up, down):
        for number, leader in enumerate(group):
            tracks[leader] = left + (column - left) * (number + 1) / (len(group) + 1)
    return tracks


def clashes(leaders: tuple[Leader, ...]) -> int:
    """How many pairs of leaders cross or share a piece of their way."""
    pieces = [segments(leader.points) for leader in leaders]
    return sum(
        any(_meet(*one, *other) for one, other in itertools.product(a, b))
        for a, b in itertools.combinations(pieces, 2)
    )


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    def turn(p: Point, q: Point, r: Point) -> float:
        return (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x)

    touch = turn(a, b, c) * turn(a, b, d) <= 0.0 and turn(c, d, a) * turn(c, d, b) <= 0.0
    near = (
        max(min(a.x, b.x), min(c.x, d.x)) <= min(max(a.x, b.x), max(c.x, d.x)) + 1.0
        and max(min(a.y, b.y), min(c.y, d.y)) <= min(max(a.y, b.y), max(c.y, d.y)) + 1.0
    )
    return touch and near
