"""Leaders: the dotted lines from nodes of the tower to what speaks of them."""

import itertools
from collections.abc import Iterator

from archdsl.geometry import Box, Point, crosses
from archdsl.layout.arrange import Arranged, Placed
from archdsl.layout.measure import CHOICE_LABEL, CHOICE_PADDING, case
from archdsl.record import record
from archdsl.theme import Sizes


@record
class Leader:
    """The dotted line from a node of the tower to what speaks of it."""

    source: str
    target: str
    points: tuple[Point, ...]


def positions(found: Arranged, sizes: Sizes) -> dict[str, Box]:
    """The box of every node, also inside groups and choices, by id."""
    boxes: dict[str, Box] = {}
    for placed in found.placed:
        boxes[placed.node.id] = placed.box
        if placed.inner is not None:
            boxes |= positions(placed.inner, sizes)
        boxes |= dict(case_boxes(placed, sizes))
    return boxes


def case_boxes(placed: Placed, sizes: Sizes) -> list[tuple[str, Box]]:
    """The boxes of a choice's blocks, side by side or one above the other."""
    boxes: list[tuple[str, Box]] = []
    x, y = placed.box.x + CHOICE_PADDING, placed.box.y + CHOICE_PADDING
    for found in placed.node.cases:
        width, height = case(found, sizes)
        top = y + CHOICE_LABEL
        if sizes.stacked:
            width = placed.box.width - 2 * CHOICE_PADDING
            y = top + height + CHOICE_PADDING
        else:
            height = placed.box.bottom - CHOICE_PADDING - top
        boxes.append((found.node.id, Box(x, top, width, height)))
        x += 0.0 if sizes.stacked else width + CHOICE_PADDING
    return boxes


def levels(found: Arranged) -> Iterator[tuple[Point, Point]]:
    """The level pieces of all wires, in groups too."""
    for wire in found.wires:
        yield from ((a, b) for a, b in itertools.pairwise(wire.points) if abs(a.y - b.y) < 0.01)
    for placed in found.placed:
        if placed.inner is not None:
            yield from levels(placed.inner)


def leader(
    spots: dict[str, Box],
    wires: list[tuple[Point, Point]],
    source: str,
    target: str,
    box: Box,
) -> Leader:
    """From the right edge of a node to the left edge of a frame, level where that is possible,
    and on no wire.
    """
    start = spots[source]
    high = start.middle.y
    if any(abs(a.y - high) < 3.0 and max(a.x, b.x) > start.right for a, b in wires):
        high = start.y + min(6.0, start.height / 4)
    y = min(
        box.bottom - min(18.0, box.height / 2),
        max(box.y + min(18.0, box.height / 2), high),
    )
    end = Point(box.x, y)
    straight = (Point(start.right, high), end)
    others = [
        spot
        for name, spot in spots.items()
        if name != source and not spot.holds(start) and spot.width
    ]
    if not any(crosses(*straight, spot) for spot in others):
        return Leader(source, target, straight)
    below = start.bottom + CHOICE_PADDING / 2
    x = start.middle.x
    around_right = max(spot.right for spot in spots.values() if spot.has(Point(x, below)))
    return Leader(
        source,
        target,
        (Point(x, start.bottom), Point(x, below), Point(around_right, below), end),
    )
