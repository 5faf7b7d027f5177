"""A figure for a place of a given size: what a box of paper holds, in text of at least six points.

Where not all has room, less is shown, in this order: first go the rows of facts, then insets that
nobody asked for, from the least telling one, then the strip, then what is open in the tower. Text
is never smaller than can be read.

    beside                    below
    tower  inset  inset       tower
    tower  inset  facts       layers
                              inset  inset
                              facts
"""

import itertools
import math
from collections.abc import Iterator

from archdsl import text
from archdsl.geometry import Box, Point
from archdsl.layout.arrange import Arranged, arrange
from archdsl.layout.columns import rising
from archdsl.layout.leaders import End, Leader, clashes, leaders, positions
from archdsl.layout.narrow import Limits, legend_rows, narrowed
from archdsl.layout.page import Page, PlacedCallout, PlacedInset, PlacedLine
from archdsl.layout.panel import PlacedKind, facts_height, legend
from archdsl.record import record, replace
from archdsl.theme import FIGURE, FIGURE_FLAT, FIGURE_LOW, FIGURE_TIGHT, Sizes
from archdsl.view.types import Callout, Diagram, Inset, Offer, Panel, View

PIXELS_A_MILLIMETRE = 440.0 / 85.0
"""At this many pixels a millimetre the small text of a figure has six points."""
MOST_MILLIMETRES = 228.0
"""A figure whose height nobody gives is no higher than the column of a page."""
_MOST_HEIGHT = MOST_MILLIMETRES * PIXELS_A_MILLIMETRE
_GAP = 16.0
_LEADER_ROOM = 30.0
_STRIP_WIDTH = 22.0
_STRIP_AT = 7.0
"""How far right of the margin the strip stands, whose caption is wider than it."""
_STRIP_ROOM = _STRIP_AT + _STRIP_WIDTH + 30.0
_LEVEL_STRIP = 18.0
_INSET_PADDING = 9.0
_HEADING = 12.5
_REMARK_LINE = 14.0
_CALLOUT_LINE = 15.0
_LEAST_FACTS, _MOST_FACTS = 190.0, 260.0
_FEW_FACTS = 4
_MOST_SCALE = 1.5
_MOST_STRETCH = 2.2


@record
class Frame:
    """The place for a figure in pixels; without a height it takes the one that suits it best.

    `grow`: how much larger than it has to be a figure may be drawn. `foot`: the height that stays
    free below its tower, None where the tower stands in the middle of its height.
    """

    width: float
    height: float = 0.0
    grow: float = _MOST_SCALE
    foot: float | None = None


_STEPS = (
    (FIGURE, Limits(180.0, 150.0), False),
    (replace(FIGURE_LOW, sketches=True), Limits(240.0, 300.0), False),
    (FIGURE_LOW, Limits(240.0, 300.0), False),
    (FIGURE_FLAT, Limits(240.0, 300.0), False),
    (FIGURE_LOW, Limits(180.0, 200.0), True),
    (FIGURE_FLAT, Limits(180.0, 200.0), True),
    (FIGURE, Limits(110.0, 100.0), True),
    (FIGURE_TIGHT, Limits(84.0, 84.0), True),
    (FIGURE_TIGHT, Limits(62.0, 66.0), True),
    (FIGURE_TIGHT, Limits(84.0, 84.0, stacked=True), True),
)
"""Ever tighter: sizes, how wide words may be, whether wires have names without shapes."""


@record
class _Item:
    """An inset or a callout, or the facts where it is neither, with its size."""

    about: Inset | Callout | Panel
    width: float
    height: float
    diagram: Arranged | None = None
    lines: tuple[text.Line, ...] = ()
    sizes: Sizes = FIGURE


@record
class _Plan:
    """A way to fill the frame: the tower as it is arranged and before, whether the layers are a
    strip, what stands beside or below it in columns or rows, and the size of all.
    """

    offer: Offer
    sizes: Sizes
    diagram: Diagram
    tower: Arranged
    head: tuple[PlacedLine, ...]
    head_height: float
    strip: bool
    legend: tuple[PlacedKind, ...]
    beside: bool
    groups: tuple[tuple[_Item, ...], ...]
    width: float
    height: float
    cost: tuple[float, ...]


def figure(view: View, offers: tuple[Offer, ...], frame: Frame) -> Page:
    """The figure of a view that shows the most in a frame.

    `offers` are towers with the insets that belong to them, the fullest first. Raises ValueError
    where not even the last tower has room, with the size that it needs.
    """
    for offer in offers:
        plans = _all_plans(view, offer, frame)
        if plans:
            return _page(view, min(plans, key=lambda plan: plan.cost), frame)
    raise ValueError(_too_small(view, offers[-1], frame))


def figures(
    views: tuple[View, ...], offers: tuple[tuple[Offer, ...], ...], frame: Frame
) -> tuple[Page, ...]:
    """Figures of several views for frames of one size, composed alike: the same parts, at one
    scale, their towers on one baseline. Raises ValueError where one of them has no room.
    """
    for level in range(max(map(len, offers))):
        chosen = [own[min(level, len(own) - 1)] for own in offers]
        plans = [_all_plans(v, offer, frame) for v, offer in zip(views, chosen, strict=True)]
        if not all(plans):
            continue
        ways = set.intersection(*({_way(plan) for plan in own} for own in plans))
        if not ways:
            continue
        best = [
            {way: min((p for p in own if _way(p) == way), key=lambda p: p.cost) for way in ways}
            for own in plans
        ]
        way = min(
            ways, key=lambda way: [sum(c) for c in zip(*(b[way].cost for b in best), strict=True)]
        )
        alike = [own[way] for own in best]
        grow = min(_grow(v, p, frame) for v, p in zip(views, alike, strict=True))
        scaled = replace(frame, grow=grow)
        pages = [_page(v, p, scaled) for v, p in zip(views, alike, strict=True)]
        foot = max(page.height - page.tower.reach.bottom for page in pages)
        scaled = replace(scaled, foot=foot)
        return tuple(_page(v, p, scaled) for v, p in zip(views, alike, strict=True))
    for view, own in zip(views, offers, strict=True):
        if not _all_plans(view, own[-1], frame):
            raise ValueError(_too_small(view, own[-1], frame))
    raise ValueError("these models have no figure of one form in a box of this size")


def _summed(costs: list[tuple[float, ...]]) -> list[float]:
    return [sum(column) for column in zip(*costs, strict=True)]


def _way(plan: _Plan) -> tuple[bool, bool, int]:
    """How a figure is composed: whether with the strip, beside or below, with how many facts."""
    panels = [i.about for group in plan.groups for i in group if isinstance(i.about, Panel)]
    return plan.strip, plan.beside, sum(len(panel.rows) for panel in panels)


def _all_plans(view: View, offer: Offer, frame: Frame) -> list[_Plan]:
    insets = [
        tuple(_inset(inset, sizes, limits, short) for sizes, limits, short in _STEPS)
        for inset in offer.insets
    ]
    return [plan for step in _STEPS for plan in _plans(view, offer, insets, step, frame)]


def _too_small(view: View, offer: Offer, frame: Frame) -> str:
    """That a frame is too small, and a size that is not, as wide as the frame if that does."""
    sizes_needed: list[tuple[bool, float, float]] = []
    for sizes, limits, short in _STEPS:
        tower = _arranged(offer.tower, sizes, limits, short)
        wide = max(frame.width, tower.reach.width + 2 * sizes.margin)
        head = _header(view, sizes, wide - 2 * sizes.margin)[1]
        high = tower.reach.height + head + 2 * sizes.margin
        sizes_needed.append((wide > frame.width, high if wide == frame.width else wide, high))
    wider, first, high = min(sizes_needed)
    wide = first if wider else frame.width
    size = " × ".join(f"{math.ceil(side / PIXELS_A_MILLIMETRE)} mm" for side in (wide, high))
    return f"{view.title} does not fit: in text of 6 pt it needs a box of {size}"


def _plans(
    view: View,
    offer: Offer,
    insets: list[tuple[_Item, ...]],
    step: tuple[Sizes, Limits, bool],
    frame: Frame,
) -> Iterator[_Plan]:
    """The plans with a tower of these sizes. `insets`: each in ever tighter forms."""
    sizes, limits, short = step
    inner = frame.width - 2 * sizes.margin
    head, head_height = _header(view, sizes, inner)
    most = (frame.height or _MOST_HEIGHT) - 2 * sizes.margin - head_height
    diagram = narrowed(offer.tower, sizes, limits, short)
    tower = arrange(diagram, sizes)
    if tower.reach.width > inner or tower.reach.height > most:
        return
    callouts = [(_callout(callout, inner),) for callout in view.callouts]
    few, all_facts = (_facts(view, rows, inner, sizes) for rows in (1, 2))
    strips = (True, False) if view.strip is not None else (False,)
    ways = (True, False) if tower.placed else (False,)
    for strip, beside in itertools.product(strips, ways):
        base = _base(view, tower, strip, beside, inner, sizes)
        if base is None or base[1] > most:
            continue
        wide, high, kinds = base
        room = _Room(beside, wide, high, inner, most)
        wishes = [*insets[:1], *((item,) for item in few), *callouts, *insets[1:]]
        items = _kept(wishes, offer, room)
        if few and few[0] in items:
            more = [all_facts[0] if item is few[0] else item for item in items]
            items = more if _filled(_ordered(more, offer), room) is not None else items
        filled = _filled(_ordered(items, offer), room)
        assert filled is not None
        groups, used, height = filled
        cost = (
            sum(not inset.optional for inset in offer.insets)
            - sum(isinstance(i.about, Inset) and not i.about.optional for i in items),
            bool(insets) and not any(item in insets[0] for item in items),
            view.strip is not None and not strip,
            bool(few) and not any(isinstance(item.about, Panel) for item in items),
            len(wishes) - len(items),
            few[0] in items if few else 0,
            _STEPS.index(step),
            inner * most - used * height if frame.height else height,
        )
        yield _Plan(
            offer, sizes, diagram, tower, head, head_height, strip, kinds, beside, groups, used,
            height, tuple(map(float, cost)),
        )  # fmt: skip


@record
class _Room:
    """The room for items: beside or below a base of this size, in all so wide and high."""

    beside: bool
    wide: float
    high: float
    inner: float
    most: float


def _kept(wishes: list[tuple[_Item, ...]], offer: Offer, room: _Room) -> list[_Item]:
    """The items that have room together, the first before all others, each in one of its forms: of
    the roomiest, the lowest and the narrowest forms those with which the most fits.
    """
    best: list[_Item | None] = []
    for size in (_any, _height, _width):
        kept: list[_Item | None] = []
        for forms in wishes:
            here = [item for item in kept if item is not None]
            fits = (
                form
                for form in sorted(forms, key=size)
                if _filled(_ordered([*here, form], offer), room) is not None
            )
            kept.append(next(fits, None))
        if [item is not None for item in kept] > [item is not None for item in best]:
            best = kept
    return [item for item in best if item is not None]


def _any(_: _Item) -> float:
    return 0.0


def _height(item: _Item) -> float:
    return item.height


def _width(item: _Item) -> float:
    return item.width


def _ordered(items: list[_Item], offer: Offer) -> list[_Item]:
    """Items from top to bottom: insets in the order of the tower's nodes, callouts, facts."""
    order = {name: number for number, name in enumerate(reversed([*_names(offer.tower)]))}
    last = len(order)

    def place(item: _Item) -> tuple[int, int]:
        match item.about:
            case Inset() as inset:
                return 0, order.get(inset.target, last)
            case Callout():
                return 1, 0
        return 2, 0

    return sorted(items, key=place)


def _names(diagram: Diagram) -> Iterator[str]:
    """The ids of nodes from below to above."""
    for node in diagram.nodes:
        if node.inner is not None:
            yield from _names(node.inner)
        yield from (case.node.id for case in node.cases)
        yield node.id


def _arranged(diagram: Diagram, sizes: Sizes, limits: Limits, short: bool) -> Arranged:
    return arrange(narrowed(diagram, sizes, limits, short), sizes)


def _header(view: View, sizes: Sizes, inner: float) -> tuple[tuple[PlacedLine, ...], float]:
    """The title and the line below it, and their height; nothing where they are left out."""
    if "header" in view.without:
        return (), 0.0
    lines: list[PlacedLine] = []
    y = sizes.margin
    if view.title:
        title = text.fitted(view.title, sizes.title, inner, text.BOLD)
        y += text.CAPITAL * sizes.title + 2.0
        runs = text.line(title, "ink", text.BOLD)
        lines.append(PlacedLine(Point(sizes.margin, y), runs, sizes.title, "title"))
    for number, runs in enumerate(text.wrap(view.subtitle, sizes.small, inner)):
        y += sizes.small + (6.0 if number == 0 else 3.0)
        name = "" if number else "subtitle"
        lines.append(PlacedLine(Point(sizes.margin, y), runs, sizes.small, name))
    return tuple(lines), y - sizes.margin + 12.0 if lines else 0.0


def _base(
    view: View, tower: Arranged, strip: bool, beside: bool, inner: float, sizes: Sizes
) -> tuple[float, float, tuple[PlacedKind, ...]] | None:
    """The size of the tower with the strip and its legend; None where it is too wide."""
    wide, high = tower.reach.width, tower.reach.height
    if not strip or view.strip is None:
        return wide, high, ()
    if beside:
        wide += _STRIP_ROOM
        kinds = legend(view.strip.kinds, 0.0, 0.0, wide, sizes)
        high += 6.0 + kinds[-1].box.bottom
    else:
        kinds = legend_rows(view.strip.kinds, 0.0, 0.0, inner, sizes)
        high += _GAP + sizes.small + 6.0 + _LEVEL_STRIP + 8.0 + kinds[-1].box.bottom
    return (wide, high, kinds) if wide <= inner else None


def _has_facts(view: View) -> bool:
    return bool(view.facts.parts or view.facts.rows) and "facts" not in view.without


def _facts(view: View, rows: int, inner: float, sizes: Sizes) -> tuple[_Item, ...]:
    """All facts, a few of them, or none."""
    if not rows or not _has_facts(view):
        return ()
    panel = view.facts if rows == 2 else Panel((), view.facts.rows[:_FEW_FACTS])
    width = min(inner, _MOST_FACTS if rows == 2 else _LEAST_FACTS)
    return (_Item(panel, width, facts_height(panel, sizes, False, width)),)


def _inset(inset: Inset, sizes: Sizes, limits: Limits, short: bool) -> _Item:
    diagram = _arranged(inset.diagram, sizes, limits, short)
    title = text.balanced(inset.title, _HEADING, max(diagram.reach.width, 150.0))
    inner = max(diagram.reach.width, *(text.line_width(line, _HEADING) for line in title))
    remark = text.balanced(inset.subtitle, sizes.small, inner)
    inner = max([inner, *(text.line_width(line, sizes.small) for line in remark)])
    height = _heading(len(title), len(remark)) + diagram.reach.height + _INSET_PADDING
    return _Item(inset, inner + 2 * _INSET_PADDING, height, diagram, (*title, *remark), sizes)


def _heading(titles: int, remarks: int) -> float:
    return _INSET_PADDING + 15.0 * titles + _REMARK_LINE * remarks + 6.0


def _callout(callout: Callout, inner: float) -> _Item:
    lines = text.balanced(callout.text, FIGURE.small, min(inner, _MOST_FACTS))
    width = max(text.line_width(line, FIGURE.small) for line in lines)
    return _Item(callout, width + 6.0, _CALLOUT_LINE * len(lines) + 5.0, lines=lines)


_Filled = tuple[tuple[tuple[_Item, ...], ...], float, float]
"""Columns or rows of items, and the width and height of all."""


def _filled(items: list[_Item], room: _Room) -> _Filled | None:
    """Items in columns beside the tower or in rows below it; None where they have no room."""
    if not items:
        return (), room.wide, room.high
    return _columns(items, room) if room.beside else _rows(items, room)


def _columns(items: list[_Item], room: _Room) -> _Filled | None:
    columns: list[list[_Item]] = [[]]
    for item in items:
        if columns[-1] and _stacked([*columns[-1], item]) > room.most:
            columns.append([])
        columns[-1].append(item)
    widths = [max(item.width for item in column) for column in columns]
    heights = [_stacked(column) for column in columns]
    used = room.wide + _LEADER_ROOM + sum(widths) + _GAP * (len(widths) - 1)
    if used > room.inner or max(heights) > room.most:
        return None
    return tuple(map(tuple, columns)), used, max(room.high, *heights)


def _stacked(items: list[_Item]) -> float:
    return sum(item.height for item in items) + _GAP * (len(items) - 1)


def _rows(items: list[_Item], room: _Room) -> _Filled | None:
    rows: list[list[_Item]] = [[]]
    for item in items:
        across = sum(other.width + _GAP for other in rows[-1]) + item.width
        if rows[-1] and across > room.inner:
            rows.append([])
        rows[-1].append(item)
    widths = [sum(item.width for item in row) + _GAP * (len(row) - 1) for row in rows]
    height = room.high + sum(_GAP + max(item.height for item in row) for row in rows)
    if max(widths) > room.inner or height > room.most:
        return None
    return tuple(map(tuple, rows)), max(room.wide, *widths), height


def _page(view: View, plan: _Plan, frame: Frame) -> Page:
    """A plan with the place of all, scaled so that it fills the frame."""
    sizes = plan.sizes
    margin = sizes.margin
    head, width, height, top = _scaled(view, plan, frame)
    canvas = (width + 2 * margin, top + height + margin)
    placed = _placed_tower(view, plan, width, height, top, frame.foot)
    tower, strip, kinds, left = placed
    spots = positions(tower, sizes)
    insets: list[PlacedInset] = []
    callouts: list[PlacedCallout] = []
    facts, panel = Box(margin, top, 0.0, 0.0), Panel((), ())
    ends: list[End] = []
    for item, box, first in _places(plan, left, width, height, top, kinds, tower, spots):
        match item.about:
            case Inset() as inset:
                insets.append(_placed_inset(item, inset, box, sizes))
                if first:
                    ends.append(End(inset.target, inset.id, box))
            case Callout() as callout:
                callouts.append(_placed_callout(item, callout, box, sizes))
            case Panel() as shown:
                facts, panel = box, shown
    lines = _leaders(tower, spots, ends, left, sizes) if plan.beside else ()
    return Page(
        view=replace(view, facts=panel),
        width=canvas[0],
        height=canvas[1],
        header=Box(margin, 0.0, width, top),
        head=head,
        tower=tower,
        insets=tuple(insets),
        callouts=tuple(callouts),
        leaders=lines,
        facts=facts,
        split=False,
        strip=strip,
        legend=kinds,
        sizes=sizes,
        level=not plan.beside,
        millimetres=frame.width / PIXELS_A_MILLIMETRE,
        missing=_missing(view, plan, insets, callouts, panel),
    )


def _scaled(
    view: View, plan: _Plan, frame: Frame
) -> tuple[tuple[PlacedLine, ...], float, float, float]:
    """The header, the width and height of what stands below it, and its upper edge, in a frame that
    is as much smaller as all can be larger.
    """
    margin = plan.sizes.margin
    grow = _grow(view, plan, frame)
    across = frame.width / grow - 2 * margin
    head, high = _header(view, plan.sizes, across)
    down = frame.height / grow - 2 * margin - high if frame.height else plan.height
    return head, max(across, plan.width), max(down, plan.height), margin + high


def _grow(view: View, plan: _Plan, frame: Frame) -> float:
    """How much larger a figure can be drawn; its header needs more lines then."""
    margin = plan.sizes.margin
    grow = frame.grow
    least = max([plan.width, *(kind.box.right for kind in plan.legend)])
    while grow > 1.0:
        across = frame.width / grow - 2 * margin
        high = _header(view, plan.sizes, across)[1]
        down = (frame.height or _MOST_HEIGHT) / grow - 2 * margin - high
        if across >= least and down >= plan.height:
            return grow
        grow -= 0.02
    return 1.0


def _missing(
    view: View,
    plan: _Plan,
    insets: list[PlacedInset],
    callouts: list[PlacedCallout],
    panel: Panel,
) -> tuple[str, ...]:
    """What the figure has no room for, in words."""
    shown = {placed.inset.id for placed in insets}
    words = [text.plain(inset.title) for inset in plan.offer.insets if inset.id not in shown]
    kept = {placed.callout.id for placed in callouts}
    words += [f"“{text.plain(c.text)}”" for c in view.callouts if c.id not in kept]
    if view.strip is not None and not plan.strip:
        words.append("the strip of layers")
    if _has_facts(view) and panel != view.facts:
        words.append("some facts" if panel.rows else "the facts")
    if plan.offer.folded:
        words.append("the layers open in the tower")
    return tuple(words)


def _placed_tower(
    view: View, plan: _Plan, width: float, height: float, top: float, foot: float | None
) -> tuple[Arranged, Box | None, tuple[PlacedKind, ...], float]:
    """The tower with its gaps grown into the height that there is, the strip, its legend, and the
    left edge of what stands beside.
    """
    sizes, margin = plan.sizes, plan.sizes.margin
    kinds = plan.legend
    under = kinds[-1].box.bottom + 6.0 if kinds and plan.beside else 0.0
    if foot is not None and plan.beside:
        under = max(under, foot - margin)
    free = height - under if plan.beside else plan.tower.reach.height
    tower = plan.tower
    if plan.beside and tower.gaps:
        more = min((free - tower.reach.height) / tower.gaps, sizes.gap * (_MOST_STRETCH - 1.0))
        grown = arrange(plan.diagram, sizes, sizes.gap + math.floor(more * 2) / 2)
        if grown.reach.height <= free + 0.5 and grown.reach.width <= tower.reach.width + 0.5:
            tower = grown
    beside = _STRIP_ROOM if plan.strip and plan.beside else 0.0
    if plan.beside:
        x = margin + beside
        white = max(0.0, free - tower.reach.height)
        y = top + (white / 2 if foot is None else white)
    else:
        x = margin + (width - tower.reach.width) / 2
        y = top
    tower = tower.moved(x - tower.reach.x, y - tower.reach.y)
    left = margin + beside + tower.reach.width + _LEADER_ROOM
    if not plan.strip or view.strip is None:
        return tower, None, (), left
    if plan.beside:
        cells = len(view.strip.cells)
        high = min(tower.frame.height - 22.0, 24.0 * cells)
        strip = Box(margin + _STRIP_AT, tower.reach.bottom - high, _STRIP_WIDTH, high)
        placed = _moved(kinds, margin, tower.reach.bottom + 6.0)
        return tower, strip, placed, left
    wide = min(width, 24.0 * len(view.strip.cells))
    strip = Box(margin, tower.reach.bottom + _GAP + sizes.small + 6.0, wide, _LEVEL_STRIP)
    return tower, strip, _moved(kinds, margin, strip.bottom + 8.0), left


def _moved(kinds: tuple[PlacedKind, ...], dx: float, dy: float) -> tuple[PlacedKind, ...]:
    return tuple(replace(kind, box=kind.box.moved(dx, dy)) for kind in kinds)


def _places(
    plan: _Plan,
    left: float,
    width: float,
    height: float,
    top: float,
    kinds: tuple[PlacedKind, ...],
    tower: Arranged,
    spots: dict[str, Box],
) -> Iterator[tuple[_Item, Box, bool]]:
    """Every item with its box, and whether a leader can reach it."""
    margin = plan.sizes.margin
    if plan.beside:
        x = left
        widths = [max(item.width for item in column) for column in plan.groups]
        spare = margin + width - left - sum(widths) - _GAP * (len(widths) - 1)
        for number, (column, wide) in enumerate(zip(plan.groups, widths, strict=True)):
            wide += max(0.0, spare) / len(widths)
            yield from (
                (item, box, number == 0) for item, box in _down(column, x, wide, top, height, spots)
            )
            x += wide + _GAP
        return
    y = kinds[-1].box.bottom if kinds else tower.reach.bottom
    free = top + height - y - sum(max(i.height for i in row) + _GAP for row in plan.groups)
    between = _GAP + max(0.0, min(free / max(1, len(plan.groups)), _GAP))
    for row in plan.groups:
        y += between
        high = max(item.height for item in row)
        spare = (width - sum(item.width for item in row) - _GAP * (len(row) - 1)) / len(row)
        x = margin
        for item in row:
            wide = item.width + max(0.0, spare)
            tall = high if isinstance(item.about, Inset) else item.height
            yield item, Box(x, y, wide, tall), False
            x += wide + _GAP
        y += high


def _down(
    column: tuple[_Item, ...],
    x: float,
    wide: float,
    top: float,
    height: float,
    spots: dict[str, Box],
) -> Iterator[tuple[_Item, Box]]:
    """A column of items, each as near to what it is about as the others allow."""
    offsets = list(itertools.accumulate((item.height + _GAP for item in column), initial=0.0))
    room = height - (offsets[-1] - _GAP)
    wishes: list[tuple[float, float]] = []
    for item, offset in zip(column, offsets, strict=False):
        target = item.about.target if not isinstance(item.about, Panel) else ""
        at = spots[target].middle.y - item.height / 2 if target in spots else top + offset + room
        wishes.append((at - offset, 1.0))
    for item, offset, at in zip(column, offsets, rising(wishes), strict=False):
        y = min(top + room, max(top, at)) + offset
        yield item, Box(x, y, wide, item.height)


def _leaders(
    tower: Arranged, spots: dict[str, Box], ends: list[End], left: float, sizes: Sizes
) -> tuple[Leader, ...]:
    """The leaders that can be drawn without crossing one another."""
    ordered = sorted(ends, key=lambda end: end.box.y)
    while ordered:
        lines = leaders(tower, spots, ordered, left, sizes)
        if not clashes(lines):
            return lines
        ordered.pop()
    return ()


def _placed_callout(item: _Item, callout: Callout, box: Box, sizes: Sizes) -> PlacedCallout:
    lines = (
        PlacedLine(Point(box.x + 3.0, box.y + 13.0 + _CALLOUT_LINE * n), runs, sizes.small)
        for n, runs in enumerate(item.lines)
    )
    return PlacedCallout(callout, box, tuple(lines))


def _placed_inset(item: _Item, inset: Inset, box: Box, sizes: Sizes) -> PlacedInset:
    assert item.diagram is not None
    lines: list[PlacedLine] = []
    titles = len(text.balanced(inset.title, _HEADING, max(item.diagram.reach.width, 150.0)))
    y = box.y + _INSET_PADDING
    for number, runs in enumerate(item.lines):
        size, step = (_HEADING, 15.0) if number < titles else (sizes.small, _REMARK_LINE)
        y += step
        spot = Point(box.x + _INSET_PADDING, y - 3.0)
        lines.append(PlacedLine(spot, runs, size))
    reach = item.diagram.reach
    above = _heading(titles, len(item.lines) - titles)
    free = box.height - above - _INSET_PADDING - reach.height
    dx, dy = box.middle.x - reach.middle.x, box.y + above + free / 2 - reach.y
    return PlacedInset(inset, box, tuple(lines), item.diagram.moved(dx, dy), item.sizes)
