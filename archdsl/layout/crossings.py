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
from archdsl.record import replace

HOP = 4.0
"""The radius of a hop."""
_NEAR = 0.5


def marked(wires: Sequence[Wire]) -> tuple[tuple[Wire, ...], tuple[Point, ...]]:
    """The wires with their hops, and the dots of all junctions."""
    nets: dict[str, list[Wire]] = defaultdict(list)
    for wire in wires:
        nets[wire.edge.source].append(wire)
    dots = [dot for net in nets.values() if len(net) > 1 for dot in _junctions(net)]
    upright = sorted({
        (round(a.x, 2), min(a.y, b.y), max(a.y, b.y), wire.edge.source)
        for wire in wires
        for a, b in segments(wire.points)
        if abs(a.x - b.x) < _NEAR
    })  # fmt: skip
    columns = [piece[0] for piece in upright]
    hopping: list[Wire] = []
    for wire in wires:
        hops: list[Point] = []
        for a, b in segments(wire.points):
            if abs(a.y - b.y) >= _NEAR:
                continue
            low, high = sorted((a.x, b.x))
            between = slice(bisect_right(columns, low + 1.0), bisect_left(columns, high - 1.0))
            met = {
                x
                for x, top, bottom, source in upright[between]
                if source != wire.edge.source and top + _NEAR < a.y < bottom - _NEAR
            }
            hops += [Point(x, a.y) for x in sorted(met)]
        hopping.append(replace(wire, hops=tuple(hops)) if hops else wire)
    return tuple(hopping), tuple(dots)


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
