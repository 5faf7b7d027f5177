"""Where wires part and where they cross, so that no two lines that meet can be read in two ways.

Wires from one source are one net. A point where a net goes on in three directions or more is a
junction, and has a dot. Where wires of two nets cross, the level one hops over the upright one; it
does so next to no end of its own piece, where a hop would be taken for a corner.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence

from archdsl.geometry import Point, segments
from archdsl.layout.route import Wire
from archdsl.record import record, replace

HOP = 4.0
"""The radius of a hop."""
_NEAR = 0.5


def marked(wires: Sequence[Wire]) -> tuple[tuple[Wire, ...], tuple[Point, ...]]:
    """The wires with their hops, and the dots of all junctions."""
    nets: dict[str, list[Wire]] = defaultdict(list)
    for wire in wires:
        nets[wire.edge.source].append(wire)
    dots = [dot for net in nets.values() if len(net) > 1 for dot in _junctions(net)]
    upright = _uprights(wires)
    hopping: list[Wire] = []
    for wire in wires:
        met = [hop for a, b in segments(wire.points) for hop in upright.met(a, b, wire.edge.source)]
        hopping.append(replace(wire, hops=tuple(met)) if met else wire)
    return tuple(hopping), tuple(dots)


def over(wires: Sequence[Wire], start: Point, end: Point) -> tuple[Point, ...]:
    """Where a level line of its own hops over wires."""
    return tuple(_uprights(wires).met(start, end, ""))


@record
class _Uprights:
    """The upright pieces of wires from left to right, each with its net, and their columns."""

    pieces: list[tuple[float, float, float, str]]
    columns: list[float]

    def met(self, a: Point, b: Point, net: str) -> list[Point]:
        """The points in which a level piece of a net crosses those of others."""
        if abs(a.y - b.y) >= _NEAR:
            return []
        low, high = sorted((a.x, b.x))
        first = bisect_right(self.columns, low + 1.0)
        between = self.pieces[first : bisect_left(self.columns, high - 1.0)]
        crossed = {
            x
            for x, top, bottom, other in between
            if other != net and top + _NEAR < a.y < bottom - _NEAR
        }
        return [Point(x, a.y) for x in sorted(crossed)]


def _uprights(wires: Sequence[Wire]) -> _Uprights:
    pieces = sorted({
        (round(a.x, 2), min(a.y, b.y), max(a.y, b.y), wire.edge.source)
        for wire in wires
        for a, b in segments(wire.points)
        if abs(a.x - b.x) < _NEAR
    })  # fmt: skip
    return _Uprights(pieces, [piece[0] for piece in pieces])


def _junctions(net: list[Wire]) -> list[Point]:
    """The points in which the wires of a net leave in three directions or more."""
    pieces = {piece for wire in net for piece in segments(wire.points)}
    corners = {_rounded(point): point for wire in net for point in wire.points}
    return [point for point in corners.values() if len(_directions(point, pieces)) > 2]


def _rounded(point: Point) -> tuple[float, float]:
    return round(point.x, 1), round(point.y, 1)


def _directions(at: Point, pieces: set[tuple[Point, Point]]) -> set[tuple[int, int]]:
    """In which directions pieces leave a point, as signs of x and y."""
    ways: set[tuple[int, int]] = set()
    for a, b in pieces:
        upright = abs(a.x - b.x) < _NEAR
        across = a.x - at.x if upright else a.y - at.y
        if abs(across) > _NEAR:
            continue
        for end in (a, b):
            along = end.y - at.y if upright else end.x - at.x
            other = a if end is b else b
            beyond = other.y - at.y if upright else other.x - at.x
            if abs(along) > _NEAR and along * beyond <= _NEAR * abs(along):
                sign = 1 if along > 0 else -1
                ways.add((0, sign) if upright else (sign, 0))
    return ways
