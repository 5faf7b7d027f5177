"""The ways to compose a card: where the facts stand and which insets have a second column.

Each is tried; heights come first, for the tower's gaps grow to the height of what stands beside it,
then the places of all from top to bottom. Widths are the page's.

    beside                 above               below                second
    tower  inset  facts    tower  facts        tower   inset        tower  inset  facts
    tower  inset           tower  inset        tower   inset        tower  inset  inset
    tower  inset..inset    tower  inset        facts   inset        tower  inset  inset
"""

import math
from collections.abc import Callable, Iterator
from typing import Literal

from archdsl import text
from archdsl.geometry import Box
from archdsl.layout.arrange import Arranged, arrange
from archdsl.layout.items import ITEM_GAP, Item, needed, tops, wish
from archdsl.layout.leaders import CORNER, positions
from archdsl.layout.panel import FACTS_GAP, FACTS_WIDTH, SUBTITLE_LINE, facts_height
from archdsl.layout.schedule import strip_room
from archdsl.record import record, replace
from archdsl.theme import Sizes
from archdsl.view.types import Diagram, View

COLUMN_GAP = 54.0
"""Between the tower and what stands beside it: room for leaders that turn."""
FACTS_APART = 36.0
_HEADER = 100.0
_BELOW_HEADER = 28.0
_WIDE_FACTS = 2 * FACTS_WIDTH + FACTS_GAP
_MOST_STRETCH = 2.3
_LEAST_WIDTH = 400.0


@record
class Composition:
    """Where the facts stand, which item is moved below them, and which stand in a second column
    below them, by their numbers.
    """

    facts: Literal["beside", "above", "below", "second"]
    moved: int = -1
    second: tuple[int, ...] = ()


@record
class Panel:
    """The size of the panel of facts, and whether it has columns; of no size without facts."""

    width: float
    height: float
    split: bool


@record
class Stood:
    """An item, its upper edge, and how far down there is room for it. `through`: the y at which its
    leader passes between the items of the first column.
    """

    item: Item
    y: float
    room: float
    through: float | None = None


@record
class Composed:
    """A composition with the place of all from top to bottom. `spots`: the tower's nodes."""

    view: View
    plan: Composition
    tower: Arranged
    spots: dict[str, Box]
    panel: Panel
    subtitle: tuple[text.Line, ...]
    header: float
    top: float
    height: float
    column: tuple[Stood, ...]
    second: tuple[Stood, ...]


Grown = Callable[[float], Arranged]


def growing(diagram: Diagram, sizes: Sizes) -> Grown:
    """A tower for every height that is asked for: its gaps grow up to a limit, by half a pixel."""
    towers = {0.0: arrange(diagram, sizes)}
    plain = towers[0.0]

    def grown(height: float) -> Arranged:
        more = max(0.0, height - plain.reach.height) / max(1, plain.gaps)
        more = min(sizes.gap * (_MOST_STRETCH - 1.0), math.floor(2.0 * more) / 2.0)
        if more not in towers:
            towers[more] = arrange(diagram, sizes, sizes.gap + more)
        return towers[more]

    return grown


def has_facts(view: View) -> bool:
    """Whether a view has a panel of facts."""
    return bool(view.facts.parts or view.facts.rows)


def compositions(view: View, items: list[Item], few: bool) -> Iterator[Composition]:
    """All ways to arrange the items of a view; one where there are no facts, or not a `few` nodes
    only.
    """
    yield Composition("beside")
    if not (few and items and has_facts(view)):
        return
    yield Composition("above")
    yield from (Composition("beside", number) for number in range(1, len(items)))
    if len(items) > 1:
        yield Composition("below")
    loose = tuple(n for n, item in enumerate(items) if not item.about.target)
    bound = [n for n in range(len(items)) if n not in loose]
    if loose and bound:
        yield Composition("second", second=loose)
    for number in bound[1:-1]:
        yield Composition("second", second=(number, *loose))
        if loose:
            yield Composition("second", second=(*loose, number))


def composed(
    view: View, grown: Grown, items: list[Item], plan: Composition, sizes: Sizes
) -> Composed | None:
    """A composition from top to bottom; None where a leader to the second column would find no gap
    between the items of the first. `grown` is the tower with its gaps grown towards a height.
    """
    tower = grown(0.0)
    left = tower.reach.width + strip_room(view.strip, sizes)
    second = [items[number] for number in plan.second]
    panel = _panel(view, plan, left, items, sizes)
    under = panel.height + ITEM_GAP
    first = 0 if plan.facts == "above" else plan.moved
    column = [
        replace(item, least=under if number == first else 0.0)
        for number, item in enumerate(items)
        if number not in plan.second
    ]
    below = under + FACTS_APART if plan.facts == "below" else 0.0
    high = max(
        needed(column),
        under + needed(second) if second else 0.0,
        0.0 if below else panel.height,
    )
    tower = grown(high - below)
    height = max(high, tower.reach.height + below)
    subtitle = _subtitle(view, plan, left, column, panel, sizes)
    header = _HEADER + SUBTITLE_LINE * (len(subtitle) - 1)
    if "header" in view.without:
        header = 0.0
    top = header + _BELOW_HEADER
    white = max(0.0, (height - below - tower.reach.height) / 2)
    at = sizes.margin + strip_room(view.strip, sizes)
    tower = tower.moved(at - tower.reach.x, top - tower.reach.y + white)
    spots = positions(tower, sizes)
    stood = _stood(column, spots, top, height)
    beside = _second(plan, second, stood, top + under, top + height)
    if beside is None:
        return None
    return Composed(view, plan, tower, spots, panel, subtitle, header, top, height, stood, beside)


def _panel(view: View, plan: Composition, left: float, items: list[Item], sizes: Sizes) -> Panel:
    """The size of the facts: narrow at the margin, as wide as what they stand above or below."""
    match plan.facts:
        case "below":
            width = max(_WIDE_FACTS, left)
        case "above":
            width = max([_WIDE_FACTS, *(item.width for item in items)])
        case "second":
            width = max([FACTS_WIDTH, *(items[number].width for number in plan.second)])
        case _:
            width = FACTS_WIDTH
    split = width >= _WIDE_FACTS
    return Panel(width, facts_height(view.facts, sizes, split, width), split)


def _subtitle(
    view: View, plan: Composition, left: float, column: list[Item], panel: Panel, sizes: Sizes
) -> tuple[text.Line, ...]:
    """The lines below the title, no wider than what stands under them."""
    beside = max((COLUMN_GAP + item.width for item in column), default=0.0)
    apart = has_facts(view) and plan.facts in ("beside", "second")
    facts = panel.width + FACTS_APART if apart else 0.0
    room = max(_LEAST_WIDTH, left + beside + facts)
    return text.wrap(view.subtitle, sizes.body + 0.5, room) or ((),)


def _stood(
    column: list[Item], spots: dict[str, Box], top: float, height: float
) -> tuple[Stood, ...]:
    """The items of the first column, each near what it is about."""
    settled = [
        replace(item, wish=wish(item.about.target, spots), least=top + item.least)
        for item in column
    ]
    heights = tops(settled, top, height)
    ends = [*(y - ITEM_GAP for y in heights[1:]), top + height]
    return tuple(map(Stood, settled, heights, ends))


def _second(
    plan: Composition, items: list[Item], column: tuple[Stood, ...], top: float, bottom: float
) -> tuple[Stood, ...] | None:
    """The items of the second column, the last one as near to its middle as can be. A leader to one
    passes between those of the first column that stand before and after it; None where it would
    miss it, or the column is too short.
    """
    places: list[Stood] = []
    for number, item in zip(plan.second, items, strict=True):
        y, through = top, None
        if item.about.target:
            before = column[number - sum(other < number for other in plan.second) - 1]
            through = before.y + before.item.height + ITEM_GAP / 2
            low, high = max(top, through + CORNER - item.height), through - CORNER
            if low > high:
                return None
            last = number == plan.second[-1]
            y = min(high, max(low, (top + bottom - item.height) / 2)) if last else low
        if y + item.height > bottom + 0.5:
            return None
        places.append(Stood(item, y, bottom, through))
        top = y + item.height + ITEM_GAP
    ends = (*(stood.y - ITEM_GAP for stood in places[1:]), bottom)
    return tuple(replace(stood, room=end) for stood, end in zip(places, ends, strict=False))
