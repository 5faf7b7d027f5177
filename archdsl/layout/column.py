"""One column, for a paper: title, tower, layers from left to right, facts, below each other.

The column is made for the paper that is asked for, where its smallest text is 6 pt: WIDTH pixels
are 85 mm there. Narrower paper gets tighter boxes, never smaller text. Wider paper gets the same
column with larger text, or, where there is room for both, the tower with the rest at its right: a
figure over both columns of a page is not as high as the page. A tower that needs more than there is
makes the column wider, and so the paper that it is made for.

    Some Model 8B
    8.03B parameters · Somebody · ...
    ┌ tower ┐
    ▮▮▮▮▮▮▮▮▮▮▮▮▮▮▮▮  32 layers
    where the parameters are
"""

import math

from archdsl import text
from archdsl.geometry import Box
from archdsl.layout.arrange import Arranged, arrange
from archdsl.layout.narrow import Limits, legend_rows, narrowed, unnamed
from archdsl.layout.panel import (
    LEAST_GAP,
    NAME_GAP,
    PART_INDENT,
    SUBTITLE_LINE,
    PlacedKind,
    facts_height,
)
from archdsl.record import record, replace
from archdsl.theme import NARROW, SQUEEZED, TIGHT, Sizes
from archdsl.view.types import Panel, View
from archdsl.view.words import short

WIDTH = 440.0
MILLIMETRES = 85.0
"""The width that the column is made for where none is asked for, in pixels and on paper."""
LEAST_WIDTH = 207.0
"""The least width in pixels that a column is laid out for: 40 mm."""
CELL_HEIGHT = 22.0
_BETWEEN = 30.0
"""White between the tower and what stands at its right, and the least width of that."""
_LEAST_SIDE = 300.0
_LAST = replace(SQUEEZED, margin=8.0, lane=5.0, side=4.0, box=50.0, pill=50.0)
"""For a tower of many lanes on the narrowest paper."""
COLUMNS = ("compact", "strip", "facts")
"""The views that are a column."""
_HEADER = 74.0
_GAP = 18.0
_MOST_CELL = 26.0
_LEGEND_GAP = 18.0


_STEPS = (
    (NARROW, Limits(WIDTH, 190.0), True),
    (TIGHT, Limits(WIDTH, 100.0), True),
    (TIGHT, Limits(WIDTH, 100.0), False),
    (TIGHT, Limits(104.0, 90.0), False),
    (TIGHT, Limits(104.0, 90.0, stacked=True), False),
    (SQUEEZED, Limits(72.0, 72.0, stacked=True), False),
    (_LAST, Limits(60.0, 60.0, stacked=True), False),
)
"""Ever tighter towers: sizes, limits, and whether badges stand beside their nodes."""


@record
class Column:
    """A column with positions. `millimetres`: the width on paper that it is made for."""

    view: View
    sizes: Sizes
    width: float
    height: float
    millimetres: float
    subtitle: tuple[text.Line, ...]
    rule: float
    tower: Arranged | None
    strip: Box | None
    legend: tuple[PlacedKind, ...]
    facts: Box | None


def column(view: View) -> Column:
    """Arrange a view as a column, tighter where it would be too wide; on paper that is wide enough,
    with the tower beside the rest.
    """
    needed = _facts_width(view.facts)
    across = math.floor(view.millimetres * WIDTH / MILLIMETRES)
    if across > WIDTH and view.tower.nodes:
        apart = _BETWEEN + max(_LEAST_SIDE, needed - 2 * NARROW.margin)
        for sizes, limits, beside in _STEPS:
            tower = _tower(view, sizes, limits, beside)
            if tower.reach.width + apart + 2 * sizes.margin <= across:
                return _wide(view, sizes, tower, across)
    room = max(_room(view), needed)
    for sizes, limits, beside in _STEPS:
        tower = _tower(view, sizes, limits, beside)
        inner = room - 2 * sizes.margin
        if tower.reach.width <= inner:
            break
    else:
        bare = replace(view, tower=unnamed(view.tower))
        tower = _tower(bare, *_STEPS[-1])
    return _single(view, sizes, tower, max(inner, tower.reach.width))


def _tower(view: View, sizes: Sizes, limits: Limits, beside: bool) -> Arranged:
    """The tower in boxes of these sizes, with its badges beside it or inside its boxes."""
    return arrange(narrowed(view.tower, sizes, limits, not beside), sizes)


def _single(view: View, sizes: Sizes, tower: Arranged, inner: float) -> Column:
    """All below each other."""
    left = sizes.margin
    subtitle, rule = _header(view, sizes, inner)
    y = rule + _GAP
    if tower.placed:
        tower = _at(tower, left + (inner - tower.reach.width) / 2, y)
        y = tower.reach.bottom + _GAP
    strip, kinds, facts, bottom = _below(view, sizes, Box(left, y, inner, 0.0))
    width, height = math.ceil(inner + 2 * left), round(bottom + left)
    paper = MILLIMETRES * width / WIDTH
    shown = tower if tower.placed else None
    return Column(view, sizes, width, height, paper, subtitle, rule, shown, strip, kinds, facts)


def _wide(view: View, sizes: Sizes, tower: Arranged, across: float) -> Column:
    """The tower at the left, layers and facts at its right."""
    left = sizes.margin
    side = min(WIDTH, across - 2 * left - _BETWEEN - tower.reach.width)
    width = round(2 * left + tower.reach.width + _BETWEEN + side)
    subtitle, rule = _header(view, sizes, width - 2 * left)
    top = rule + _GAP
    tower = _at(tower, left, top)
    beside = Box(width - left - side, top, side, 0.0)
    strip, kinds, facts, bottom = _below(view, sizes, beside)
    height = round(max(bottom, tower.reach.bottom) + left)
    paper = MILLIMETRES * width / WIDTH
    return Column(view, sizes, width, height, paper, subtitle, rule, tower, strip, kinds, facts)


def _header(view: View, sizes: Sizes, inner: float) -> tuple[tuple[text.Line, ...], float]:
    """The lines below the title, and where the rule under them is."""
    subtitle = text.wrap(view.subtitle, sizes.body, inner) or ((),)
    return subtitle, _HEADER + SUBTITLE_LINE * (len(subtitle) - 1)


def _at(tower: Arranged, x: float, y: float) -> Arranged:
    return tower.moved(x - tower.reach.x, y - tower.reach.y)


def _below(
    view: View, sizes: Sizes, place: Box
) -> tuple[Box | None, tuple[PlacedKind, ...], Box | None, float]:
    """The strip with its legend and the facts, from the top of a place down, and where they end."""
    left, y, inner = place.x, place.y, place.width
    strip: Box | None = None
    kinds: tuple[PlacedKind, ...] = ()
    if view.strip is not None:
        cells = min(inner, _MOST_CELL * len(view.strip.cells))
        strip = Box(left, y + sizes.small + 6.0, cells, CELL_HEIGHT)
        kinds = legend_rows(view.strip.kinds, strip.bottom + 8.0, left, inner, sizes)
        y = kinds[-1].box.bottom + _GAP
    facts = None
    if view.facts.parts or view.facts.rows:
        facts = Box(left, y, inner, facts_height(view.facts, sizes, True, inner))
        y = facts.bottom
    return strip, kinds, facts, y


def _room(view: View) -> float:
    """The width in pixels that the column may take, whole pixels of the paper asked for."""
    if not view.millimetres:
        return WIDTH
    return max(LEAST_WIDTH, min(WIDTH, math.floor(view.millimetres * WIDTH / MILLIMETRES)))


def _facts_width(facts: Panel) -> float:
    """The least width of a column in which no word and no number of the facts is cut."""
    size = NARROW.body - 1.0
    halves = [
        PART_INDENT
        + text.width(part.name, size)
        + text.width(short(part.params), size, text.SEMIBOLD)
        for part in facts.parts
    ]
    halves += [
        text.widest(text.line(row.name), size)
        + text.widest(text.line(row.value, weight=text.SEMIBOLD), size)
        for row in facts.rows
    ]
    return 2 * (max(halves) + NAME_GAP + NARROW.margin) + LEAST_GAP if halves else 0.0
