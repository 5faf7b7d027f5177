"""Where the parts of a card stand: header, strip, tower, insets, callouts, facts.

Insets and callouts stand right of the tower, in the order of the nodes that they speak of, so that
no two leaders cross, and as near to the height of those nodes as there is room. Of all compositions
(`composition.py`) the one that takes the least paper and is the easiest to read is the card.
"""

from archdsl import text
from archdsl.geometry import Box, Point
from archdsl.layout.arrange import Arranged
from archdsl.layout.composition import (
    COLUMN_GAP,
    FACTS_APART,
    Composed,
    Stood,
    composed,
    compositions,
    growing,
    has_facts,
)
from archdsl.layout.items import (
    CALLOUT_SIZE,
    HEADING,
    INSET_PADDING,
    ITEM_GAP,
    Item,
    heading,
    items,
    needed,
)
from archdsl.layout.leaders import End, Leader, clashes, leaders, positions
from archdsl.layout.panel import PlacedKind, legend
from archdsl.layout.schedule import legend_width, strip_box
from archdsl.record import record, replace
from archdsl.theme import Sizes
from archdsl.view.types import Callout, Inset, View

_MANY_GAPS = 100
_LITTLE_WHITE = 60.0
_MOST_TITLE = 900.0
_MOST_HEIGHT = 2.4
_LEAST_HEIGHT = 640.0
_SLANT_COST = 400.0
_WHITE_COST = 0.5
_CLASH_COST = 1e7
_WIDE, _HIGH = 1.6, 1.1
"""The shapes, width by height and height by width, beyond which a page costs more than its paper:
text is the smaller the more a picture is scaled to fit a page."""


@record
class PlacedLine:
    """A line of text from its start on its baseline. `id` names it in the picture."""

    at: Point
    line: text.Line
    size: float
    id: str = ""


@record
class PlacedInset:
    """An inset's frame, the lines above its diagram, and this in the coordinates of the page, with
    the sizes that it is arranged for.
    """

    inset: Inset
    box: Box
    lines: tuple[PlacedLine, ...]
    diagram: Arranged
    sizes: Sizes


@record
class PlacedCallout:
    """A callout's box and lines."""

    callout: Callout
    box: Box
    lines: tuple[PlacedLine, ...]


@record
class Page:
    """A card or a figure with positions.

    `head`: the lines of its header, with a rule at the foot of a card's. `facts` and `strip` are
    the boxes in which these are drawn, `split` says that the facts have columns, `legend` stands
    below the strip, which is `level` where its first layer is at the left. `millimetres`: the width
    on paper, 0 where there is none. `missing`: what there was no room for.
    """

    view: View
    width: float
    height: float
    header: Box
    head: tuple[PlacedLine, ...]
    tower: Arranged
    insets: tuple[PlacedInset, ...]
    callouts: tuple[PlacedCallout, ...]
    leaders: tuple[Leader, ...]
    facts: Box
    split: bool
    strip: Box | None
    legend: tuple[PlacedKind, ...] = ()
    sizes: Sizes = Sizes()
    level: bool = False
    millimetres: float = 0.0
    missing: tuple[str, ...] = ()


def page(view: View, sizes: Sizes) -> Page:
    """Arrange a card at its natural size."""
    grown = growing(view.tower, sizes)
    tower = grown(0.0)
    view, placed = _fitting(view, tower, sizes)
    plans = compositions(view, placed, tower.gaps < _MANY_GAPS)
    tried = (composed(view, grown, placed, plan, sizes) for plan in plans)
    return min((_page(way, sizes) for way in tried if way is not None), key=_cost)


def _fitting(view: View, tower: Arranged, sizes: Sizes) -> tuple[View, list[Item]]:
    """The items that a page of this tower has room for: the last insets that nobody asked for go
    where all to which leaders go, or all others, would be much higher than it.
    """
    spots = positions(tower, sizes)
    placed = items(view, spots, sizes)
    most = _MOST_HEIGHT * max(tower.reach.height, _LEAST_HEIGHT)
    while True:
        bound = [item for item in placed if item.about.target]
        loose = [item for item in placed if not item.about.target]
        fits = needed(bound) <= most and needed(loose) <= most
        if fits or len(view.insets) < 2 or not view.insets[-1].optional:
            break
        view = replace(view, insets=view.insets[:-1])
        placed = items(view, spots, sizes)
    return view, placed


def _cost(page: Page) -> float:
    """The paper that a composition takes, what of it is white above and below the tower, and what
    its shape and its leaders cost a reader.
    """
    slant = sum(abs(leader.points[0].y - leader.points[-1].y) for leader in page.leaders)
    shape = max(1.0, page.width / page.height / _WIDE, page.height / page.width / _HIGH)
    tower = page.tower.reach
    white = page.height - page.header.bottom - tower.height
    if page.facts.x < tower.right:
        white -= page.facts.height
    lost = _WHITE_COST * max(0.0, white) * tower.width
    clash = _CLASH_COST * clashes(page.leaders)
    return page.width * page.height * shape + lost + _SLANT_COST * slant + clash


def _page(way: Composed, sizes: Sizes) -> Page:
    """A composition with the place of all from left to right."""
    view, tower, form = way.view, way.tower, way.plan.facts
    column = tower.reach.right + COLUMN_GAP
    facts, right = _facts(way, column, sizes)
    insets: list[PlacedInset] = []
    callouts: list[PlacedCallout] = []
    ends: list[End] = []
    edge = facts.x - FACTS_APART if has_facts(view) and form in ("beside", "second") else right
    pairs = [(stood, column, right if _is_under(way, stood) else edge) for stood in way.column]
    pairs += [(stood, facts.x, facts.right) for stood in way.second]
    for number, (stood, left, far) in enumerate(pairs):
        item, top = stood.item, way.top if number == 0 and form != "above" else stood.y
        box = Box(left, stood.y, far - left, item.height)
        match item.about:
            case Inset():
                box = _stretched(box, top, stood.room)
                insets.append(_inset(item, item.about, box, sizes))
            case Callout():
                box = Box(box.x, box.y, item.width, box.height)
                callouts.append(_callout(item, item.about, box))
        ends.append(End(item.about.target, item.about.id, box, stood.through))
    bottom = max(tower.reach.bottom, way.top + way.height)
    strip = strip_box(view, tower, sizes)
    kinds: tuple[PlacedKind, ...] = ()
    if strip is not None and view.strip is not None:
        width = legend_width(tower, strip, sizes)
        kinds = legend(view.strip.kinds, sizes.margin, strip.bottom + 12.0, width, sizes)
        under = kinds[-1].box.bottom
        if form == "below":
            facts = replace(facts, y=max(facts.y, under + ITEM_GAP))
        bottom = max(bottom, under + 2.0, facts.bottom)
    return Page(
        view=view,
        width=round(right + sizes.margin),
        height=round(bottom + sizes.margin * 0.8),
        header=Box(sizes.margin, 0.0, right - sizes.margin, way.header),
        head=_head(way, right, sizes),
        tower=tower,
        insets=tuple(insets),
        callouts=tuple(callouts),
        leaders=leaders(tower, way.spots, ends, column, sizes),
        facts=facts,
        split=way.panel.split,
        strip=strip,
        legend=kinds,
        sizes=sizes,
    )


def _head(way: Composed, right: float, sizes: Sizes) -> tuple[PlacedLine, ...]:
    """The title and the lines below it, where they are not left out."""
    if "header" in way.view.without:
        return ()
    size = sizes.title
    title = text.fitted(way.view.title, size, right - sizes.margin, text.BOLD)
    under = (
        PlacedLine(
            Point(sizes.margin + 1.0, 82.0 + 18.0 * number),
            runs,
            sizes.body + 0.5,
            "" if number else "subtitle",
        )
        for number, runs in enumerate(way.subtitle)
    )
    first = PlacedLine(Point(sizes.margin, 56.0), text.line(title, "ink", text.BOLD), size, "title")
    return (first, *under)


def _is_under(way: Composed, stood: Stood) -> bool:
    """Whether an item stands below facts at the right margin, and may use their width."""
    facts_bottom = way.top + way.panel.height + ITEM_GAP - 0.5
    return has_facts(way.view) and way.plan.facts == "beside" and stood.y >= facts_bottom


def _facts(way: Composed, column: float, sizes: Sizes) -> tuple[Box, float]:
    """The box of the facts, and the right edge of everything."""
    panel, tower = way.panel, way.tower
    upper = [stood.item.width for stood in way.column if not _is_under(way, stood)]
    lower = [stood.item.width for stood in way.column if _is_under(way, stood)]
    title = min(text.width(way.view.title, sizes.title, text.BOLD), _MOST_TITLE)
    head = max(title, *(text.line_width(line, sizes.body + 0.5) for line in way.subtitle))
    heads = (sizes.margin + head + 2.0, *(column + width for width in lower))
    edge = column + max(upper) if upper else column
    if not has_facts(way.view):
        right = max(edge if upper else tower.reach.right, *heads)
        return Box(right, way.top, 0.0, 0.0), right
    match way.plan.facts:
        case "below":
            right = max(edge, *heads)
            y = way.top + way.height - panel.height
            return Box(sizes.margin, y, panel.width, panel.height), right
        case "above":
            right = max(edge, column + panel.width, *heads)
            return Box(column, way.top, right - column, panel.height), right
        case _:
            at = edge + FACTS_APART if upper else edge
            right = max(at + panel.width, *heads)
            return Box(right - panel.width, way.top, panel.width, panel.height), right


def _stretched(box: Box, top: float, bottom: float) -> Box:
    """A frame that reaches to what is above and below it where little white would be left."""
    if 0.0 < box.y - top < _LITTLE_WHITE:
        box = Box(box.x, top, box.width, box.bottom - top)
    if 0.0 < bottom - box.bottom < _LITTLE_WHITE:
        box = Box(box.x, box.y, box.width, bottom - box.y)
    return box


def _callout(item: Item, callout: Callout, box: Box) -> PlacedCallout:
    lines = (
        PlacedLine(Point(box.x + 8.0, box.y + 16.0 + 18.0 * number), runs, CALLOUT_SIZE)
        for number, runs in enumerate(item.lines)
    )
    return PlacedCallout(callout, box, tuple(lines))


def _inset(item: Item, inset: Inset, box: Box, sizes: Sizes) -> PlacedInset:
    assert item.diagram is not None
    above = heading(len(item.lines))
    reach = item.diagram.reach
    free = box.height - above - INSET_PADDING - reach.height
    dx = box.middle.x - reach.middle.x
    dy = box.y + above + free / 2 - reach.y
    x, y = box.x + INSET_PADDING, box.y + INSET_PADDING + HEADING * text.CAPITAL
    lines = [PlacedLine(Point(x, y), inset.title, HEADING)]
    for number, runs in enumerate(item.lines):
        lines.append(PlacedLine(Point(x, y + 20.0 + 17.0 * number), runs, sizes.small + 1.0))
    return PlacedInset(inset, box, tuple(lines), item.diagram.moved(dx, dy), sizes)
