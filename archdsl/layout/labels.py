"""Labels of wires: beside the wire, where they touch no box, no wire and no other label.

Each label tries the upright pieces of its wire from the last to the first, right of it and left of
it, near its end, its middle and its start. One that finds no free place is left out: a label that
cannot be read says nothing, and the tooltips say the same. A label that begins in ink says which
operand a wire brings: it stands at the wire's end, where no other wire runs along, and where there
is no room for all of it, for that alone.
"""

import itertools
from collections.abc import Iterator, Sequence

from archdsl import text
from archdsl.geometry import Box, Point
from archdsl.layout.crossings import HOP
from archdsl.layout.measure import sign
from archdsl.layout.route import Wire
from archdsl.record import replace
from archdsl.theme import Sizes

_BESIDE = 7.0
_BELOW_END = 16.0
_ABOVE_START = 7.0
_LEAST_PIECE = 17.0
_AIR = 2.0
_ARROW = 5.0
_SIGN_AWAY = 6.0
_SIGN_ABOVE = 11.0


def placed(wires: Sequence[Wire], boxes: Sequence[Box], sizes: Sizes) -> tuple[Wire, ...]:
    """The wires with their labels' places. `boxes`: what no label may touch."""
    if not any(wire.edge.label for wire in wires):
        return tuple(wires)
    occupied = [*boxes, *(piece for wire in wires for piece in _pieces(wire))]
    order = sorted(
        (number for number, wire in enumerate(wires) if wire.edge.label),
        key=lambda number: (-_crowd(wires, number), number),
    )
    labelled: dict[int, Wire] = {}
    for number in order:
        wire = wires[number]
        for label in dict.fromkeys((wire.edge.label, sign(wire.edge.label))):
            wide = text.line_width(label, sizes.small)
            places = ((at, label_box(at, wide, sizes).grown(_AIR)) for at in _spots(wire, wide))
            free = ((at, box) for at, box in places if not _touches(box, occupied))
            spot, box = next(free, (None, None)) if label else (None, None)
            if box is not None:
                labelled[number] = replace(
                    wire, edge=replace(wire.edge, label=label), label_at=spot
                )
                occupied.append(box)
                break
    return tuple(labelled.get(number, wire) for number, wire in enumerate(wires))


def _touches(box: Box, occupied: Sequence[Box]) -> bool:
    return any(box.overlaps(other, -0.01) for other in occupied)


def label_box(spot: Point, wide: float, sizes: Sizes) -> Box:
    """What a label covers that starts at a point of its baseline."""
    return Box(spot.x, spot.y - 0.8 * sizes.small, wide, 1.05 * sizes.small)


def _crowd(wires: Sequence[Wire], number: int) -> int:
    """How many wires enter the same node: the labels of these have the least choice."""
    target = wires[number].edge.target
    return sum(1 for wire in wires if wire.edge.target == target)


def _pieces(wire: Wire) -> Iterator[Box]:
    """The boxes of a wire's straight pieces, of its hops and of its arrow."""
    for a, b in itertools.pairwise(wire.points):
        left, top = min(a.x, b.x), min(a.y, b.y)
        yield Box(left, top, abs(a.x - b.x), abs(a.y - b.y))
    for x, y in wire.hops:
        yield Box(x - HOP, y - HOP, 2 * HOP, HOP)
    if wire.arrow:
        end = wire.points[-1]
        yield Box(end.x - _ARROW, end.y - _ARROW, 2 * _ARROW, 2 * _ARROW)


def _spots(wire: Wire, wide: float) -> Iterator[Point]:
    """Where a label may start, the best places first."""
    upright = [
        (a.x, min(a.y, b.y), max(a.y, b.y))
        for a, b in itertools.pairwise(wire.points)
        if abs(a.x - b.x) < 0.01 and abs(a.y - b.y) >= _LEAST_PIECE
    ]
    if sign(wire.edge.label):
        before, end = wire.points[-2:]
        upright = upright[-1:]
        if abs(before.x - end.x) >= 0.01:  # it enters from the side: above its arrow, or outside
            right = before.x > end.x
            inner = end.x + (_SIGN_AWAY if right else -_SIGN_AWAY - wide)
            outer = before.x + (_BESIDE if right else -_BESIDE - wide)
            yield Point(inner, end.y - _SIGN_ABOVE)
            yield from (Point(outer, end.y + below) for below in (_BELOW_END, 2 * _BELOW_END))
    for x, top, bottom in reversed(upright):
        heights = (top + _BELOW_END, (top + bottom) / 2 + 4.0, bottom - _ABOVE_START)
        for y in heights:
            yield Point(x + _BESIDE, y)
        for y in heights:
            yield Point(x - _BESIDE - wide, y)
