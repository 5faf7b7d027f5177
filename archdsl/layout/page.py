"""Where the parts of a card stand: header, strip, tower, insets, callouts, facts.

Insets and callouts stand right of the tower, in the order of the nodes that they speak of, so that
no two leaders cross, and as near to the height of those nodes as there is room. The facts have the
right margin; an inset below them may use their width. Where the insets need more height than the
tower, the tower's gaps grow, not the paper's white.
"""

from archdsl import text
from archdsl.geometry import Box
from archdsl.layout.arrange import Arranged, arrange
from archdsl.layout.columns import rising
from archdsl.layout.leaders import Leader, leader, levels, positions
from archdsl.layout.panel import (
    FACTS_GAP,
    FACTS_WIDTH,
    SUBTITLE_LINE,
    PlacedKind,
    facts_height,
    legend,
)
from archdsl.layout.schedule import legend_width, strip_box
from archdsl.record import record, replace
from archdsl.theme import Sizes
from archdsl.view.types import Callout, Inset, View

INSET_PADDING = 24.0
HEADING = 15.0
CALLOUT_SIZE = 13.0
_HEADER = 100.0
_BELOW_HEADER = 28.0
_COLUMN_GAP = 54.0
_ITEM_GAP = 24.0
_FACTS_APART = 36.0
_CALLOUT_WIDTH = 290.0
_MANY_GAPS = 100
_SLANT_COST = 400.0
_LITTLE_WHITE = 60.0
_MOST_STRETCH = 1.9
_LEAST_WIDTH = 400.0
_MOST_HEIGHT = 2.4
_LEAST_HEIGHT = 640.0


@record
class PlacedInset:
    """An inset's frame, its wrapped subtitle and its diagram in the coordinates of the page."""

    inset: Inset
    box: Box
    subtitle: tuple[text.Line, ...]
    diagram: Arranged


@record
class PlacedCallout:
    """A callout's box and lines."""

    callout: Callout
    box: Box
    lines: tuple[text.Line, ...]


@record
class Page:
    """A card with positions. `facts` and `strip` are the boxes in which these are drawn, `legend`
    stands below the strip.
    """

    view: View
    width: float
    height: float
    header: Box
    subtitle: tuple[text.Line, ...]
    tower: Arranged
    insets: tuple[PlacedInset, ...]
    callouts: tuple[PlacedCallout, ...]
    leaders: tuple[Leader, ...]
    facts: Box
    strip: Box | None
    legend: tuple[PlacedKind, ...] = ()


@record
class _Item:
    """An inset or a callout with its size, before it has a place; `wish` is the y it should be near
    to.
    """

    about: Inset | Callout
    width: float
    height: float
    wish: float
    least: float = 0.0
    diagram: Arranged | None = None
    lines: tuple[text.Line, ...] = ()


def page(view: View, sizes: Sizes) -> Page:
    """Arrange a card at its natural size.

    An item may be moved below the facts, where it can use their width; of the compositions that
    come of this, the one that takes the least paper is the card.
    """
    tower = arrange(view.tower, sizes)
    view, items = _fitting(view, tower, sizes)
    few = items if tower.gaps < _MANY_GAPS and _has_facts(view) else []
    pages = [_page(view, tower, items, sizes)]
    for number, item in enumerate(few):
        below = facts_height(view.facts, sizes, split=number == 0) + _ITEM_GAP
        moved = [*items[:number], replace(item, least=below), *items[number + 1 :]]
        pages.append(_page(view, tower, moved, sizes))
    return min(pages, key=_cost)


def _fitting(view: View, tower: Arranged, sizes: Sizes) -> tuple[View, list[_Item]]:
    """The items that a page of this tower has room for: the last insets that nobody asked for go
    where all would be much higher than it.
    """
    spots = positions(tower, sizes)
    items = _items(view, spots, sizes)
    while _needed(items) > _MOST_HEIGHT * max(tower.reach.height, _LEAST_HEIGHT):
        if len(view.insets) < 2 or not view.insets[-1].optional:
            break
        view = replace(view, insets=view.insets[:-1])
        items = _items(view, spots, sizes)
    return view, items


def _cost(found: Page) -> float:
    """The paper that a composition takes, and what its slanting leaders cost a reader."""
    slant = sum(abs(leader.points[0].y - leader.points[-1].y) for leader in found.leaders)
    return found.width * found.height + _SLANT_COST * slant


def _page(view: View, tower: Arranged, items: list[_Item], sizes: Sizes) -> Page:
    """A composition: the tower stretched to the height of the items, each item near what it is
    about.
    """
    needed = _needed(items)
    if needed > tower.reach.height and tower.gaps:
        most = sizes.gap * _MOST_STRETCH
        gap = min(most, sizes.gap + (needed - tower.reach.height) / tower.gaps)
        tower = arrange(view.tower, sizes, gap)
    subtitle = _subtitle(view, tower, items, sizes)
    top = _HEADER + _BELOW_HEADER + SUBTITLE_LINE * (len(subtitle) - 1)
    left = sizes.margin + (78.0 if view.strip else 0.0)
    height = max(tower.reach.height, needed, facts_height(view.facts, sizes))
    lift = top - tower.reach.y + max(0.0, (height - tower.reach.height) / 2)
    tower = tower.moved(left - tower.reach.x, lift)
    spots = positions(tower, sizes)
    settled = [
        replace(item, wish=_wish(item.about.target, spots), least=top + item.least)
        for item in items
    ]
    return _composed(view, tower, settled, subtitle, height, sizes)


def _has_facts(view: View) -> bool:
    return bool(view.facts.parts or view.facts.rows)


def _subtitle(
    view: View, tower: Arranged, items: list[_Item], sizes: Sizes
) -> tuple[text.Line, ...]:
    """The lines below the title, no wider than what stands under them."""
    beside = max((_COLUMN_GAP + item.width for item in items), default=0.0)
    facts = FACTS_WIDTH + 36.0 if _has_facts(view) else 0.0
    strip = 78.0 if view.strip else 0.0
    room = max(_LEAST_WIDTH, strip + tower.reach.width + beside + facts)
    return text.wrap(view.subtitle, sizes.body + 0.5, room) or ((),)


def _needed(items: list[_Item]) -> float:
    """The height that items take one below the other, none above its `least`."""
    at = 0.0
    for item in items:
        at = max(at, item.least) + item.height + _ITEM_GAP
    return at - _ITEM_GAP if items else 0.0


def _composed(
    view: View,
    tower: Arranged,
    items: list[_Item],
    subtitle: tuple[text.Line, ...],
    height: float,
    sizes: Sizes,
) -> Page:
    header = _HEADER + SUBTITLE_LINE * (len(subtitle) - 1)
    top = header + _BELOW_HEADER
    spots = positions(tower, sizes)
    column = tower.reach.right + _COLUMN_GAP
    tops = _tops(items, top, height)
    beside = FACTS_WIDTH if _has_facts(view) else -_FACTS_APART
    wide = (
        bool(items)
        and _has_facts(view)
        and tops[0] >= top + facts_height(view.facts, sizes, True) + _ITEM_GAP - 0.5
    )
    panel_height = facts_height(view.facts, sizes, wide)
    facts_bottom = top + panel_height + _ITEM_GAP - 0.5
    upper = [item.width for item, y in zip(items, tops, strict=True) if y < facts_bottom]
    lower = [item.width for item, y in zip(items, tops, strict=True) if y >= facts_bottom]
    upper_width = max(upper, default=0.0)
    facts_left = column + (upper_width + _FACTS_APART if upper else 0.0)
    if not items and not _has_facts(view):
        facts_left = tower.reach.right + _FACTS_APART
    size = sizes.body + 0.5
    heading = sizes.margin + max(text.line_width(found, size) for found in subtitle) + 2.0
    right = max([facts_left + beside, heading, *(column + width for width in lower)])
    right = max(right, column + 2 * FACTS_WIDTH + FACTS_GAP) if wide else right
    facts_left = column if wide else right - beside
    insets, callouts = [], []
    for number, (item, y) in enumerate(zip(items, tops, strict=True)):
        edge = facts_left - _FACTS_APART if y < facts_bottom else right
        box = Box(column, y, edge - column, item.height)
        match item.about:
            case Inset():
                below = tops[number + 1] - _ITEM_GAP if number + 1 < len(items) else top + height
                if number == 0 and not wide and 0.0 < y - top < _LITTLE_WHITE:
                    box = Box(box.x, top, box.width, box.bottom - top)
                insets.append(_inset(item, item.about, _stretched(box, below)))
            case Callout():
                tight = Box(box.x, box.y, item.width, box.height)
                callouts.append(PlacedCallout(item.about, tight, item.lines))
    ends = [(found.inset.target, found.inset.id, found.box) for found in insets]
    ends += [(found.callout.target, found.callout.id, found.box) for found in callouts]
    pieces = list(levels(tower))
    leaders = tuple(
        leader(spots, pieces, source, target, box)
        for source, target, box in ends
        if source in spots
    )
    bottom = max(tower.reach.bottom, top + height)
    strip = strip_box(view, tower, sizes)
    kinds: tuple[PlacedKind, ...] = ()
    if strip is not None and view.strip is not None:
        kinds = legend(
            view.strip.kinds, sizes.margin, strip.bottom + 12.0,
            legend_width(tower, strip, sizes), sizes,
        )  # fmt: skip
        bottom = max(bottom, kinds[-1].box.bottom + 2.0)
    return Page(
        view=view,
        width=round(right + sizes.margin),
        height=round(bottom + sizes.margin * 0.8),
        header=Box(sizes.margin, 0.0, right - sizes.margin, header),
        subtitle=subtitle,
        tower=tower,
        insets=tuple(insets),
        callouts=tuple(callouts),
        leaders=leaders,
        facts=Box(facts_left, top, right - facts_left, panel_height),
        strip=strip,
        legend=kinds,
    )


def _items(view: View, spots: dict[str, Box], sizes: Sizes) -> list[_Item]:
    """Insets and callouts with their sizes, from the highest target to the lowest."""
    items = [_measured_inset(inset, spots, sizes) for inset in view.insets]
    for callout in view.callouts:
        lines = text.balanced(callout.text, CALLOUT_SIZE, _CALLOUT_WIDTH)
        width = max((text.line_width(found, CALLOUT_SIZE) for found in lines), default=0.0) + 16.0
        items.append(
            _Item(
                callout, width, 18.0 * len(lines) + 8.0, _wish(callout.target, spots), lines=lines
            )
        )
    return sorted(items, key=lambda item: (round(item.wish), -_right(item.about.target, spots)))


def _right(target: str, spots: dict[str, Box]) -> float:
    return spots[target].right if target in spots else 0.0


def _wish(target: str, spots: dict[str, Box]) -> float:
    return spots[target].middle.y if target in spots else 0.0


def _measured_inset(inset: Inset, spots: dict[str, Box], sizes: Sizes) -> _Item:
    diagram = arrange(inset.diagram, sizes)
    title = text.line_width(inset.title, HEADING)
    remark = min(_CALLOUT_WIDTH, text.line_width(inset.subtitle, sizes.small + 1.0) + 1.0)
    inner = max(diagram.reach.width, title, remark, 220.0)
    lines = text.balanced(inset.subtitle, sizes.small + 1.0, inner)
    height = inset_heading(len(lines)) + diagram.reach.height + INSET_PADDING
    wish = _wish(inset.target, spots)
    return _Item(inset, inner + 2 * INSET_PADDING, height, wish, 0.0, diagram, lines)


def inset_heading(lines: int) -> float:
    """Height of an inset's title with so many lines of subtitle, and of the white above
    and below.
    """
    return INSET_PADDING + HEADING + 17.0 * lines + 16.0


def _tops(items: list[_Item], top: float, height: float) -> list[float]:
    """The items' upper edges: in order, apart, as near to their wishes as can be, within
    the page.
    """
    offsets, at = [], 0.0
    for item in items:
        offsets.append(at)
        at += item.height + _ITEM_GAP
    room = max(0.0, height - (at - _ITEM_GAP)) if items else 0.0
    wishes = [
        (item.wish - item.height / 2 - offset, 1.0)
        for item, offset in zip(items, offsets, strict=True)
    ]
    free = [min(top + room, max(top, value)) for value in rising(wishes)]
    tops: list[float] = []
    for item, value, offset in zip(items, free, offsets, strict=True):
        least = tops[-1] + items[len(tops) - 1].height + _ITEM_GAP if tops else top
        tops.append(max(value + offset, item.least, least))
    return tops


def _stretched(box: Box, below: float) -> Box:
    """A frame that reaches down to the next one where little white would be left between."""
    left_over = below - box.bottom
    return Box(box.x, box.y, box.width, below - box.y) if 0.0 < left_over < _LITTLE_WHITE else box


def _inset(item: _Item, inset: Inset, box: Box) -> PlacedInset:
    assert item.diagram is not None
    heading = inset_heading(len(item.lines))
    free = box.height - heading - INSET_PADDING - item.diagram.reach.height
    reach = item.diagram.reach
    dx = box.middle.x - reach.middle.x
    dy = box.y + heading + free / 2 - reach.y
    return PlacedInset(inset, box, item.lines, item.diagram.moved(dx, dy))
