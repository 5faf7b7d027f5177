"""Leaders: the dotted lines from nodes of the tower to what speaks of them."""

import itertools
from collections.abc import Iterator

from archdsl import text
from archdsl.geometry import Box, Point, crosses, segments
from archdsl.layout.arrange import Arranged, Placed
from archdsl.layout.measure import CHOICE_LABEL, CHOICE_PADDING, case, is_stacked
from archdsl.record import record
from archdsl.theme import Sizes

_FAR = 10_000.0
_CORNER_OF_NODE = 18.0
"""How far from the right end of a node's lower edge a leader leaves it."""
_ARROW = 12.0
"""How long the head of an arrow is, with some white."""
_MOST_BELOW = 4
_APART = 8.0
"""How far one leader runs below another."""
CORNER = 18.0
"""How far from the corner of a frame a leader arrives at least."""
_SLANT = 0.16
"""The steepest that a leader runs without corners, as a share of its way."""


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
    """The level pieces of all wires, in groups too."""
    for wire in tower.wires:
        yield from ((a, b) for a, b in itertools.pairwise(wire.points) if abs(a.y - b.y) < 0.01)
    for placed in tower.placed:
        if placed.inner is not None:
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
    """What leaders meet in a tower: its nodes, level wires, arrows and labels."""

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
    """From the right edges of nodes to the left edges of frames, on no wire and through no box:
    level or nearly so where that is possible, else with two corners between the tower and the
    column of frames at `column`.
    """
    ground = _Ground(spots, tuple(levels(tower)), tuple(tips(tower)), tuple(labels(tower, sizes)))
    ways: list[tuple[End, tuple[Point, ...], Point]] = []
    below: list[float] = []
    for end in ends:
        if end.source in spots:
            way = _way_out(ground, end.source, below)
            below += [point.y for point in way[1:2]]
            ways.append((end, way, Point(end.box.x, _arrival(end, way[-1].y))))
    bent = [
        number
        for number, (end, way, tip) in enumerate(ways)
        if end.through is not None or _is_steep(way, tip, end.source, spots)
    ]
    tracks = _tracks({n: (ways[n][1][-1].y, ways[n][2].y) for n in bent}, tower, column)
    drawn: list[Leader] = []
    for number, (end, way, tip) in enumerate(ways):
        if number in tracks and abs(way[-1].y - tip.y) > 0.5:
            x = tracks[number]
            way = (*way, Point(x, way[-1].y), Point(x, tip.y))
        drawn.append(Leader(end.source, end.target, (*way, tip)))
    return tuple(drawn)


def _way_out(ground: _Ground, source: str, used: list[float]) -> tuple[Point, ...]:
    """The points of a leader up to where nothing of the tower is in its way: the middle of a
    node's right edge, a place above it where a wire arrives there, or a way below what stands
    right of it, clear of arrows and labels, at none of the heights that are `taken`.
    """
    spots = ground.spots
    start = spots[source]
    high = start.middle.y
    if any(abs(a.y - high) < 3.0 and max(a.x, b.x) > start.right for a, b in ground.wires):
        high = start.y + min(6.0, start.height / 4)
    out = Point(start.right, high)
    if not _is_blocked(out, Point(out.x + _FAR, high), source, spots):
        return (out,)
    x = start.right - min(_CORNER_OF_NODE, start.width / 4)
    near = start.bottom + CHOICE_PADDING / 2
    heads = any(tip.x > x - 1.0 and -1.0 < near - tip.y < _ARROW for tip in ground.arrows)
    heights = [start.bottom + _ARROW, near] if heads else [near]
    heights += [near + _APART * number for number in range(1, _MOST_BELOW)]

    def clear(below: float) -> bool:
        a, b = Point(x, below), Point(x + _FAR, below)
        apart = all(abs(below - other) >= _APART for other in used)
        return apart and not any(crosses(a, b, label) for label in ground.labels)

    below = next(filter(clear, heights), near)
    around_right = max(spot.right for spot in spots.values() if spot.has(Point(x, below)))
    return (Point(x, start.bottom), Point(x, below), Point(around_right, below))


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


def _is_steep(way: tuple[Point, ...], tip: Point, source: str, spots: dict[str, Box]) -> bool:
    """Whether the last piece of a leader is better drawn with corners."""
    last = way[-1]
    if abs(tip.y - last.y) > _SLANT * (tip.x - last.x):
        return True
    return len(way) == 1 and _is_blocked(last, tip, source, spots)


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
