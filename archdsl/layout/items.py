"""What stands beside the tower of a card, before it has a place: insets and callouts with sizes.

Items are in the order of the nodes that they speak of, from the highest, so that no two leaders
cross.
"""

from archdsl import text
from archdsl.geometry import Box
from archdsl.layout.arrange import Arranged, arrange
from archdsl.layout.columns import rising
from archdsl.record import record
from archdsl.theme import Sizes
from archdsl.view.types import Callout, Inset, View

INSET_PADDING = 24.0
HEADING = 15.0
CALLOUT_SIZE = 13.0
ITEM_GAP = 24.0
_REMARK = 290.0
_LEAST_INSET = 220.0


@record
class Item:
    """An inset or a callout with its size. `wish` is the y it should be near to, `least` how far
    below the top of its column it begins.
    """

    about: Inset | Callout
    width: float
    height: float
    wish: float
    least: float = 0.0
    diagram: Arranged | None = None
    lines: tuple[text.Line, ...] = ()


def items(view: View, spots: dict[str, Box], sizes: Sizes) -> list[Item]:
    """Insets and callouts with their sizes, from the highest target to the lowest."""
    both = [_inset(inset, spots, sizes) for inset in view.insets]
    both += [_callout(callout, spots) for callout in view.callouts]
    return sorted(both, key=lambda item: (round(item.wish), -_right(item.about.target, spots)))


def _callout(callout: Callout, spots: dict[str, Box]) -> Item:
    lines = text.balanced(callout.text, CALLOUT_SIZE, _REMARK)
    width = max((text.line_width(line, CALLOUT_SIZE) for line in lines), default=0.0) + 16.0
    height = 18.0 * len(lines) + 8.0
    return Item(callout, width, height, wish(callout.target, spots), lines=lines)


def _inset(inset: Inset, spots: dict[str, Box], sizes: Sizes) -> Item:
    diagram = arrange(inset.diagram, sizes)
    title = text.line_width(inset.title, HEADING)
    remark = min(_REMARK, text.line_width(inset.subtitle, sizes.small + 1.0) + 1.0)
    inner = max(diagram.reach.width, title, remark, _LEAST_INSET)
    lines = text.balanced(inset.subtitle, sizes.small + 1.0, inner)
    height = heading(len(lines)) + diagram.reach.height + INSET_PADDING
    at = wish(inset.target, spots)
    return Item(inset, inner + 2 * INSET_PADDING, height, at, 0.0, diagram, lines)


def _right(target: str, spots: dict[str, Box]) -> float:
    return spots[target].right if target in spots else 0.0


def wish(target: str, spots: dict[str, Box]) -> float:
    """The height of what an item speaks of; the lowest for one that speaks of no node."""
    if target in spots:
        return spots[target].middle.y
    return max((spot.bottom for spot in spots.values()), default=0.0)


def heading(lines: int) -> float:
    """Height of an inset's title with so many lines of subtitle, and of the white above
    and below.
    """
    return INSET_PADDING + HEADING + 17.0 * lines + 16.0


def needed(column: list[Item]) -> float:
    """The height that items take one below the other, none above its `least`."""
    at = 0.0
    for item in column:
        at = max(at, item.least) + item.height + ITEM_GAP
    return at - ITEM_GAP if column else 0.0


def tops(column: list[Item], top: float, height: float) -> list[float]:
    """The items' upper edges: in order, apart, as near to their wishes as can be, within
    the page. `least` is here a y of the page.
    """
    offsets, at = [], 0.0
    for item in column:
        offsets.append(at)
        at += item.height + ITEM_GAP
    room = max(0.0, height - (at - ITEM_GAP)) if column else 0.0
    wishes = [
        (item.wish - item.height / 2 - offset, 1.0)
        for item, offset in zip(column, offsets, strict=True)
    ]
    free = [min(top + room, max(top, value)) for value in rising(wishes)]
    edges: list[float] = []
    for item, value, offset in zip(column, free, offsets, strict=True):
        least = edges[-1] + column[len(edges) - 1].height + ITEM_GAP if edges else top
        edges.append(max(value + offset, item.least, least))
    return edges
