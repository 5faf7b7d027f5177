"""Sizes of the panel of facts, of the strip's legend and of the header's lines.

The panel has two forms: a narrow one, where parts, rows and sources stand below each other, and a
split one of columns, the rows right of the parts, in two columns where there is room.
"""

import re

from archdsl import text
from archdsl.geometry import Box
from archdsl.record import record
from archdsl.theme import Sizes
from archdsl.view.types import LayerKind, Panel, Row

FACTS_WIDTH = 212.0
FACT_ROW = 20.5
FACT_LINE = 15.0
FACTS_HEAD = 58.0
FACTS_GAP = 44.0
PART_ROW = 20.0
PART_INDENT = 19.0
"""Where the name of a part begins, behind its swatch."""
LEAST_GAP = 22.0
"""Between two columns of a split panel, at least."""
NAME_GAP = 10.0
"""Between the name of a fact and its value, at least."""
LEGEND_LINE = 15.0
SUBTITLE_LINE = 18.0
SWATCH = 15.0
"""Width of a swatch with the white after it."""
_MOST_COLUMN = 250.0


def split_column(width: float) -> float:
    """Width of each of the columns of a split panel."""
    if _columns(width) > 2:
        return (width - 2 * FACTS_GAP) / 3
    return min(_MOST_COLUMN, (width - LEAST_GAP) / 2)


def _columns(width: float) -> int:
    """How many columns a split panel has."""
    return 3 if width >= 3 * FACTS_WIDTH + 2 * FACTS_GAP else 2


def row_columns(facts: Panel, sizes: Sizes, width: float) -> tuple[tuple[Row, ...], ...]:
    """The rows of a split panel, column by column: two of about the same height, or one."""
    if _columns(width) < 3:
        return (facts.rows,)
    heights = [_row_height(fact, sizes, split_column(width)) for fact in facts.rows]
    half = len(heights)
    while half > 1 and 2 * sum(heights[: half - 1]) >= sum(heights):
        half -= 1
    return facts.rows[:half], facts.rows[half:]


def _row_height(fact: Row, sizes: Sizes, width: float) -> float:
    return FACT_ROW + FACT_LINE * (len(fact_lines(fact, sizes, width)) - 1)


def facts_height(
    facts: Panel, sizes: Sizes, split: bool = False, width: float = FACTS_WIDTH
) -> float:
    """Height of the panel of facts, 0 without any."""
    if not facts.parts and not facts.rows:
        return 0.0
    column = split_column(width) if split else width
    head = FACTS_HEAD if facts.parts else 0.0
    parts = PART_ROW * len(facts.parts)
    lines = sum(len(source_lines(source, sizes, column)) for source in facts.sources)
    sources = 12.0 + FACT_LINE * lines if lines else 0.0
    if not split:
        rows = sum(_row_height(fact, sizes, column) for fact in facts.rows)
        return head + parts + 18.0 + rows + sources
    groups = row_columns(facts, sizes, width)
    rows = max(sum(_row_height(fact, sizes, column) for fact in group) for group in groups)
    return head + max(parts + sources, rows) + 8.0


def fact_lines(
    fact: Row, sizes: Sizes, width: float = FACTS_WIDTH
) -> tuple[tuple[text.Line, text.Line], ...]:
    """The lines of a fact, its name at the left and its value at the right of each. A name that
    leaves no room for the value is broken before it, so that no number is cut.
    """
    size = sizes.body - 1.0
    shown = text.line(fact.value, "ink", text.SEMIBOLD)
    names = text.balanced(text.line(fact.name), size, width - text.widest(shown, size) - NAME_GAP)
    *before, last = names or ((),)
    room = width - text.line_width(last, size) - NAME_GAP
    first, *more = text.balanced(shown, size, room) or ((),)
    return *((name, ()) for name in before), (last, first), *(((), value) for value in more)


def source_lines(source: str, sizes: Sizes, width: float = FACTS_WIDTH) -> tuple[text.Line, ...]:
    """The lines of a source, at the foot of the panel; an address that is too long for one goes on
    behind a slash or a hyphen.
    """
    lines: list[text.Line] = []
    for whole in text.wrap(text.line(source, "quiet"), sizes.small, width):
        words = text.plain(whole)
        pieces = (
            [words] if text.width(words, sizes.small) <= width else re.split("(?<=[/-])", words)
        )
        shown = ""
        for piece in pieces:
            if shown and text.width(shown + piece, sizes.small) > width:
                lines.append(text.line(text.fitted(shown, sizes.small, width), "quiet"))
                shown = ""
            shown += piece
        lines.append(text.line(text.fitted(shown, sizes.small, width), "quiet"))
    return tuple(lines)


@record
class PlacedKind:
    """A kind of layer in the legend of a strip: the box of its swatch and lines, and these."""

    kind: LayerKind
    number: int
    box: Box
    lines: tuple[text.Line, ...]


def legend(
    kinds: tuple[LayerKind, ...], left: float, top: float, width: float, sizes: Sizes
) -> tuple[PlacedKind, ...]:
    """The kinds of layers below each other, no wider than `width`."""
    placed: list[PlacedKind] = []
    for number, kind in enumerate(kinds):
        label = text.line(kind.label, "ink", text.SEMIBOLD)
        lines = text.wrap(label, sizes.small, width - SWATCH)
        box = Box(left, top, width, LEGEND_LINE * len(lines))
        placed.append(PlacedKind(kind, number, box, lines))
        top = box.bottom + 3.0
    return tuple(placed)
