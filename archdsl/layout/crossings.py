"""Where wires part and where they cross, so that no two lines that meet can be read in two ways.

Wires of one result of one node are one net. A point where a net goes on in three directions or more
is a junction, and has a dot. Where wires of two nets cross, the level one hops over the upright
one; it does so next to no end of its own piece, where a hop would be taken for a corner.
"""

import itertools
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence

from archdsl.geometry import Point
from archdsl.layout.route import Wire
from archdsl.record import record, replace

HOP = 4.0
"""The radius of a hop."""
_NEAR = 0.5


_Net = tuple[str, str]
"""A node, and which of its results: what wires of one net bring."""


def _net(wire: Wire) -> _Net:
    return wire.edge.source, wire.edge.result


def marked(wires: Sequence[Wire]) -> tuple[tuple[Wire, ...], tuple[Point, ...]]:
    """The wires with their hops, and the dots of all junctions."""
    nets: dict[_Net, list[Wire]] = defaultdict(list)
    for wire in wires:
        nets[_net(wire)].append(wire)
    if len(nets) == len(wires) < 2:
        return tuple(wires), ()
    dots = [dot for net in nets.values() if len(net) > 1 for dot in _junctions(net)]
    upright = _uprights(wires)
    hopping: list[Wire] = []
    for wire in wires:
        hops: list[Point] = []
        for a, b in itertools.pairwise(wire.points):
            if a.y == b.y:
                hops += upright.met(a, b, _net(wire))
        hopping.append(replace(wire, hops=tuple(hops)) if hops else wire)
    return tuple(hopping), tuple(dots)


def over(wires: Sequence[Wire], start: Point, end: Point) -> tuple[Point, ...]:
    """Where a level line of its own hops over wires."""
    return tuple(_uprights(wires).met(start, end, ("", "")))


@record
class _Uprights:
    """The upright pieces of wires from left to right, each with its net, and their columns."""

    pieces: list[tuple[float, float, float, _Net]]
    columns: list[float]

    def met(self, a: Point, b: Point, net: _Net) -> list[Point]:
        """The points in which a level piece of a net crosses those of others."""
        low, high = (a.x, b.x) if a.x < b.x else (b.x, a.x)
        first = bisect_right(self.columns, low + 1.0)
        last = bisect_left(self.columns, high - 1.0, first)
        return [
            Point(x, a.y)
            for x in dict.fromkeys(
                x
                for x, top, bottom, other in self.pieces[first:last]
                if top + _NEAR < a.y < bottom - _NEAR and other != net
            )
        ]


def _uprights(wires: Sequence[Wire]) -> _Uprights:
    pieces = sorted({
        (a.x, a.y, b.y, _net(wire)) if a.y < b.y else (a.x, b.y, a.y, _net(wire))
        for wire in wires
        for a, b in itertools.pairwise(wire.points)
        if a.x == b.x
    })  # fmt: skip
    return _Uprights(pieces, [piece[0] for piece in pieces])


def _junctions(net: list[Wire]) -> list[Point]:
    """The points in which the wires of a net leave in three directions or more, also where two of
    them cross.
    """
    rows: dict[float, list[tuple[float, float]]] = defaultdict(list)
    columns: dict[float, list[tuple[float, float]]] = defaultdict(list)
    corners: dict[tuple[float, float], Point] = {}
    for wire in net:
        x, y = round(wire.points[0].x, 1), round(wire.points[0].y, 1)
        if wire.edge.form == "residual":  # it starts where it leaves another wire
            corners[x, y] = wire.points[0]
        for point in wire.points[1:]:
            before_x, before_y, x, y = x, y, round(point.x, 1), round(point.y, 1)
            corners[x, y] = point
            if x == before_x:
                columns[x].append((before_y, y) if before_y < y else (y, before_y))
            elif y == before_y:
                rows[y].append((before_x, x) if before_x < x else (x, before_x))
    if len(rows) > 1:  # else all part at one height
        corners |= {
            (x, y): Point(x, y)
            for y, level in rows.items()
            for x, upright in columns.items()
            if (x, y) not in corners and _ways(x, level) + _ways(y, upright) > 3
        }
    return [
        point
        for (x, y), point in corners.items()
        if _ways(x, rows.get(y, ())) + _ways(y, columns.get(x, ())) > 2
    ]


def _ways(at: float, spans: Sequence[tuple[float, float]]) -> int:
    """In how many directions spans on a line leave a place on it."""
    back = forth = 0
    for low, high in spans:
        if low < at <= high:
            back = 1
        if low <= at < high:
            forth = 1
    return back + forth
