"""The panel of facts and the strip of layers as shapes."""

from collections.abc import Iterator

from archdsl import text
from archdsl.geometry import Box, Point
from archdsl.layout.panel import (
    FACT_LINE,
    FACT_ROW,
    FACTS_GAP,
    FACTS_HEAD,
    LEGEND_LINE,
    NAME_GAP,
    PART_INDENT,
    PART_ROW,
    SWATCH,
    PlacedKind,
    fact_lines,
    row_columns,
    source_lines,
    split_column,
)
from archdsl.layout.schedule import CAPTION, COST_APART, COST_FROM, cost_widths
from archdsl.scene.draw import painted
from archdsl.scene.shapes import Cells, Group, Item, Path, Text
from archdsl.theme import Sizes
from archdsl.view.types import Panel, Part, Row, Strip
from archdsl.view.words import short

_BREAK = 10.0
"""White between the cells of towers in a level strip."""


def strip(schedule: Strip, box: Box, kinds: tuple[PlacedKind, ...], sizes: Sizes) -> Group:
    """One cell a layer, from the first below; thin cells of one kind run together."""
    items: list[Item] = []
    captions = CAPTION * max(0, len(schedule.towers) - 1)
    pitch = (box.height - captions) / len(schedule.cells)
    gap = 2.0 if pitch >= 6.0 else 0.0
    bottom = box.bottom
    for name, begin, cells in _towers(schedule):
        for first, last in _runs(cells) if gap == 0.0 else [(n, n + 1) for n in range(len(cells))]:
            top = bottom - last * pitch + gap / 2
            cell = Box(box.x, top, box.width, (last - first) * pitch - gap)
            items.append(_cell(cell, schedule, begin + first, begin + last, begin))
        places = [bottom - (n + 0.5) * pitch for n in range(len(cells))]
        for layer, y in _numbered(cells, places, sizes):
            spot = Point(box.right + 6.0, y + text.CAPITAL * sizes.small / 2)
            items.append(Text(spot, text.line(f"{layer + 1:,}", "quiet"), sizes.small))
        bottom -= len(cells) * pitch
        if len(schedule.kinds) > 1:
            spot = Point(box.middle.x, bottom - 9.0)
            items.append(Text(spot, text.line(name, "quiet"), sizes.small, "middle"))
        bottom -= CAPTION
    items.extend(_legend(schedule, kinds, sizes))
    return Group(tuple(items), "strip", "strip")


def costs(schedule: Strip, box: Box, sizes: Sizes) -> Group:
    """What the layers cost, beside their cells: of each column a bar in every cell, what idles
    paler. Columns of one name have one scale.
    """
    pitch = box.height / len(schedule.cells)
    gap = 2.0 if pitch >= 6.0 else 0.0
    items: list[Item] = []
    x = box.right + COST_FROM
    for cost, wide in zip(schedule.costs, cost_widths(schedule, sizes), strict=True):
        middle = x + wide / 2
        for words, up, tone in ((cost.name, 34.0, "ink"), (cost.most, 21.5, "quiet")):
            spot = Point(middle, box.y - up)
            items.append(Text(spot, text.line(words, tone), sizes.small, "middle"))
        each = wide / len(cost.columns)
        for number, column in enumerate(cost.columns):
            left, long = x + each * number, each - 4.0
            if column.label:
                spot = Point(left + long / 2, box.y - 9.0)
                items.append(Text(spot, text.line(column.label, "quiet"), sizes.small, "middle"))
            foot = Point(left, box.bottom)
            items.append(Path((Point(left, box.y), foot), stroke="rule", width=0.8))
            bars: dict[str, list[Box]] = {cost.tone: [], "rule": []}
            for layer, (part, whole) in enumerate(column.shares):
                top = box.bottom - (layer + 1) * pitch + gap / 2
                bars["rule"].append(Box(left, top, whole * long, pitch - gap))
                bars[cost.tone].append(Box(left, top, part * long, pitch - gap))
            if all(part == whole for part, whole in column.shares):
                bars["rule"] = []
            for paint in ("rule", cost.tone):
                drawn = tuple(bar for bar in bars[paint] if bar.width > 0.05)
                if drawn:
                    items.append(Cells(drawn, paint))
        x += wide + COST_APART
    return Group(tuple(items), "costs", "costs", "what each layer costs; what idles is paler")


def _towers(schedule: Strip) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """What each tower's cells are called, the number of its first, and these."""
    begin = 0
    for name, count in schedule.towers or (("layers", len(schedule.cells)),):
        yield name, begin, schedule.cells[begin : begin + count]
        begin += count


def level_strip(schedule: Strip, box: Box, kinds: tuple[PlacedKind, ...], sizes: Sizes) -> Group:
    """One cell a layer, from the first at the left, numbers above and the legend below."""
    items: list[Item] = []
    breaks = _BREAK * max(0, len(schedule.towers) - 1)
    pitch = (box.width - breaks) / len(schedule.cells)
    gap = 1.6 if pitch >= 5.0 else 0.0
    start = box.x
    occupied = -100.0
    for _, begin, cells in _towers(schedule):
        count = len(cells)
        for first, last in _runs(cells) if gap == 0.0 else [(n, n + 1) for n in range(count)]:
            left = start + first * pitch + gap / 2
            cell = Box(left, box.y, (last - first) * pitch - gap, box.height)
            items.append(_cell(cell, schedule, begin + first, begin + last, begin))
        wanted = [0, count - 1, *(first for first, _ in _runs(cells))]
        for layer in sorted({*wanted[:2], *(wanted[2:] if len(wanted) <= 8 else [])}):
            x = start + (layer + 0.5) * pitch
            shown = text.line(f"{layer + 1:,}", "quiet")
            wide = text.line_width(shown, sizes.small)
            x = min(max(x, box.x + wide / 2), max(box.right - wide / 2, box.x + wide / 2))
            if x - wide / 2 > occupied + 4.0:
                items.append(Text(Point(x, box.y - 5.0), shown, sizes.small, "middle"))
                occupied = x + wide / 2
        start += count * pitch + _BREAK
    items.extend(_legend(schedule, kinds, sizes))
    return Group(tuple(items), "strip", "strip")


def _legend(schedule: Strip, kinds: tuple[PlacedKind, ...], sizes: Sizes) -> Iterator[Item]:
    """Swatches and lines of the kinds of layers."""
    for placed in kinds:
        swatch = Box(placed.box.x, placed.box.y + 2.0, 10.0, 10.0)
        yield _cell(swatch, schedule, schedule.cells.index(placed.number))
        for number, line in enumerate(placed.lines):
            y = placed.box.y + 11.0 + LEGEND_LINE * number
            yield Text(Point(placed.box.x + SWATCH, y), line, sizes.small)


def _cell(box: Box, schedule: Strip, first: int, last: int = 0, begin: int = 0) -> Group:
    """Layers of one kind, from `first` up to the one before `last`, or the swatch of their kind.
    They are counted from `begin`.
    """
    kind = schedule.kinds[schedule.cells[first]]
    inner = painted(box, kind.tone, kind.hatched, min(2.0, box.height / 4, box.width / 4))
    if last == 0:
        where = f"{kind.count:,} layers" if kind.count > 1 else "1 layer"
    else:
        number, end = first + 1 - begin, last - begin
        where = f"layers {number:,} to {end:,}" if end > number else f"layer {end:,}"
    return Group(tuple(inner), title=" · ".join(part for part in (where, kind.name) if part))


def _runs(cells: tuple[int, ...]) -> list[tuple[int, int]]:
    """Neighbouring layers of one kind, as (first, one past the last)."""
    runs: list[tuple[int, int]] = []
    for number, kind in enumerate(cells):
        if runs and cells[runs[-1][0]] == kind:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs


def _numbered(cells: tuple[int, ...], places: list[float], sizes: Sizes) -> list[tuple[int, float]]:
    """The first and the last layer and those where another kind begins, with their places; none
    nearer to another than a line of text.
    """
    starts = [first for first, _ in _runs(cells)]
    wanted = [0, len(cells) - 1, *(starts if len(starts) <= 4 else [])]
    kept: list[tuple[int, float]] = []
    for layer in wanted:
        if all(abs(places[layer] - other) >= sizes.small + 2.0 for _, other in kept):
            kept.append((layer, places[layer]))
    return kept


def facts(panel: Panel, box: Box, sizes: Sizes, split: bool) -> Group:
    """Where the parameters are, then two quiet columns of names and values, then the sources.

    In a split panel rows stand right of the parts.
    """
    items: list[Item] = []
    y = box.y
    if panel.parts:
        heading = text.line("Where the parameters are", "ink", text.SEMIBOLD)
        items.append(Text(Point(box.x, y + 14.0), heading, sizes.body))
        items.extend(_bar(panel.parts, Box(box.x, y + 26.0, box.width, 16.0)))
        y += FACTS_HEAD
    if split:
        wide = split_column(box.width)
        left = Box(box.x, y, wide, box.height)
        groups = row_columns(panel, sizes, box.width)
        for number, rows in enumerate(groups):
            after = (len(groups) - number - 1) * (wide + FACTS_GAP)
            items.extend(_rows(rows, Box(box.right - wide - after, y, wide, 0.0), sizes)[0])
        shown, y = _parts(panel, left, sizes)
        items.extend(shown)
        items.extend(_sources(panel, Box(left.x, y + 10.0, left.width, 0.0), sizes))
        return Group(tuple(items), "facts", "facts")
    shown, y = _parts(panel, Box(box.x, y, box.width, 0.0), sizes)
    items.extend(shown)
    y += 8.0
    items.append(_rule(box, y))
    shown, y = _rows(panel.rows, Box(box.x, y + 10.0, box.width, 0.0), sizes)
    items.extend(shown)
    items.extend(_sources(panel, Box(box.x, y, box.width, 0.0), sizes))
    return Group(tuple(items), "facts", "facts")


def _rule(box: Box, y: float) -> Path:
    return Path((Point(box.x, y), Point(box.right, y)), stroke="rule", width=1.0)


def _parts(panel: Panel, box: Box, sizes: Sizes) -> tuple[list[Item], float]:
    """The legend of the bar, and the y below it."""
    items: list[Item] = []
    y = box.y
    for part in panel.parts:
        swatch = painted(Box(box.x, y, 11.0, 11.0), part.tone, part.hatched, 2.5)
        items.append(Group(tuple(swatch), title=_share(part, panel.parts)))
        items.extend(_row(part.name, short(part.params), box, y, PART_INDENT, "ink", sizes))
        y += PART_ROW
    return items, y


def _rows(rows: tuple[Row, ...], box: Box, sizes: Sizes) -> tuple[list[Item], float]:
    """Names and values, and the y below them."""
    items: list[Item] = []
    y = box.y
    for fact in rows:
        for number, (name, value) in enumerate(fact_lines(fact, sizes, box.width)):
            y += FACT_LINE if number else 0.0
            shown = text.plain(name), text.plain(value)
            items.extend(_row(*shown, box, y, 0.0, "quiet", sizes))
        y += FACT_ROW
    return items, y


def _sources(panel: Panel, box: Box, sizes: Sizes) -> list[Item]:
    """Where the numbers are from, under a rule; a source that has a page leads there."""
    if not panel.sources:
        return []
    items: list[Item] = [_rule(box, box.y)]
    y = box.y + 3.0
    for source in panel.sources:
        lines: list[Item] = []
        for shown in source_lines(source, sizes, box.width):
            y += FACT_LINE
            lines.append(Text(Point(box.x, y), shown, sizes.small))
        items.append(Group(tuple(lines), "", "source", "", panel.link))
    return items


def _row(
    name: str, value: str, box: Box, y: float, indent: float, tone: str, sizes: Sizes
) -> list[Item]:
    """A name at the left and its value at the right of the panel, where there are such."""
    size = sizes.body - 1.0
    baseline = y + 10.0
    room = box.width - indent - text.width(name, size) - (NAME_GAP if name else 0.0)
    texts: list[Item] = []
    if name:
        texts.append(Text(Point(box.x + indent, baseline), text.line(name, tone), size))
    if value:
        shown = text.line(text.fitted(value, size, room, text.SEMIBOLD), "ink", text.SEMIBOLD)
        texts.append(Text(Point(box.right, baseline), shown, size, "end"))
    return texts


def _bar(parts: tuple[Part, ...], box: Box) -> list[Item]:
    """A bar whose pieces are as long as the parts are large; every piece can be seen."""
    total = sum(part.params for part in parts) or 1
    least = 1.5
    free = box.width - least * len(parts)
    items: list[Item] = []
    x = box.x
    for part in parts:
        width = least + free * part.params / total
        piece = Box(x, box.y, max(0.5, width - 1.0), box.height)
        shown = painted(piece, part.tone, part.hatched)
        items.append(Group(tuple(shown), title=_share(part, parts)))
        x += width
    return items


def _share(part: Part, parts: tuple[Part, ...]) -> str:
    """A part's tooltip: how many parameters it has, and how many of a hundred."""
    total = sum(each.params for each in parts) or 1
    return f"{part.name} · {part.params:,} parameters · {100 * part.params / total:.1f}%"
