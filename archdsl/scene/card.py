"""A whole card as a scene: header, strip, tower, insets, callouts, leaders and facts."""

from archdsl import text
from archdsl.geometry import Box, Point
from archdsl.layout.page import (
    CALLOUT_SIZE,
    FACT_LINE,
    FACT_ROW,
    FACTS_GAP,
    FACTS_HEAD,
    FACTS_WIDTH,
    HEADING,
    INSET_PADDING,
    LEGEND_LINE,
    Page,
    PlacedCallout,
    PlacedInset,
    fact_lines,
    legend,
    source_lines,
)
from archdsl.layout.page import page as paged
from archdsl.scene import draw
from archdsl.scene.shapes import Group, Item, Path, Rect, Scene, Text
from archdsl.theme import Sizes, Theme
from archdsl.view.types import Facts, Strip, View
from archdsl.view.words import short

DOTTED = (1.6, 4.0)


def card(view: View, theme: Theme) -> Scene:
    """Lay out and draw a view."""
    page = paged(view, theme.sizes)
    sizes = theme.sizes
    items: list[Item] = [
        Rect(Box(0, 0, page.width, page.height), fill="paper", id="paper"),
        _header(page, sizes),
    ]
    if page.strip is not None and view.strip is not None:
        items.append(_strip(view.strip, page.strip, sizes))
    items.extend(_inset_frame(found) for found in page.insets)
    items.append(Group(tuple(draw.diagram(page.tower, sizes)), "tower", "tower"))
    items.extend(_inset(found, sizes) for found in page.insets)
    items.extend(_callout(found) for found in page.callouts)
    items.extend(_leaders(page))
    items.append(_facts(view.facts, page.facts, sizes))
    return Scene(page.width, page.height, tuple(items), theme.colours, view.title, view.description)


def _header(page: Page, sizes: Sizes) -> Group:
    left, right = page.header.x, page.header.right
    limit = right - left
    size = sizes.title
    title = text.fitted(page.view.title, size, limit, text.BOLD)
    return Group(
        (
            Text(Point(left, 56.0), text.line(title, "ink", text.BOLD), size, id="title"),
            Text(Point(left + 1.0, 82.0), page.view.subtitle, sizes.body + 0.5, id="subtitle"),
            Path((Point(left, 100.0), Point(right, 100.0)), stroke="rule", width=1.0),
        ),
        "header",
        "header",
        "",
        page.view.link,
    )


def _inset_frame(found: PlacedInset) -> Rect:
    stroke = "accent" if found.inset.tone == "accent" else "quiet"
    return Rect(found.box, 14.0, "paper", stroke, 1.3, DOTTED, found.inset.id)


def _inset(found: PlacedInset, sizes: Sizes) -> Group:
    x, y = found.box.x + INSET_PADDING, found.box.y + INSET_PADDING + HEADING * text.CAPITAL
    items: list[Item] = [Text(Point(x, y), found.inset.title, HEADING, inside=found.inset.id)]
    for number, runs in enumerate(found.subtitle):
        spot = Point(x, y + 20.0 + 17.0 * number)
        items.append(Text(spot, runs, sizes.small + 1.0, inside=found.inset.id))
    items.extend(draw.diagram(found.diagram, sizes))
    return Group(tuple(items), f"{found.inset.id}.inset", "inset")


def _callout(found: PlacedCallout) -> Group:
    box = found.box
    texts = tuple(
        Text(
            Point(box.x + 8.0, box.y + 16.0 + 18.0 * number),
            runs,
            CALLOUT_SIZE,
            inside=found.callout.id,
        )
        for number, runs in enumerate(found.lines)
    )
    return Group((Rect(box, id=found.callout.id), *texts), f"{found.callout.id}.callout", "callout")


def _leaders(page: Page) -> list[Item]:
    accented = {found.inset.id for found in page.insets if found.inset.tone == "accent"}
    accented |= {found.callout.id for found in page.callouts}
    return [
        Path(
            leader.points,
            use="leader",
            stroke="accent" if leader.target in accented else "quiet",
            width=1.3,
            dash=DOTTED,
            source=leader.source,
            target=leader.target,
        )
        for leader in page.leaders
    ]


def _strip(strip: Strip, box: Box, sizes: Sizes) -> Group:
    """One cell a layer, from the first below; thin cells of one kind run together."""
    count = len(strip.cells)
    pitch = box.height / count
    gap = 2.0 if pitch >= 6.0 else 0.0
    items: list[Item] = []
    runs = _runs(strip.cells) if gap == 0.0 else [(n, n + 1) for n in range(count)]
    for first, last in runs:
        top = box.bottom - last * pitch + gap / 2
        cell = Box(box.x, top, box.width, (last - first) * pitch - gap)
        radius = min(2.0, cell.height / 4)
        items.append(Rect(cell, radius, strip.kinds[strip.cells[first]].tone))
    items.extend(_layer_numbers(strip, box, pitch, sizes))
    middle = box.middle.x
    if len(strip.kinds) > 1:
        spot = Point(middle, box.y - 9.0)
        items.append(Text(spot, text.line("layers", "quiet"), sizes.small, "middle"))
    y = box.bottom + 18.0
    for kind in strip.kinds:
        for said in legend(kind, sizes):
            items.append(Text(Point(middle, y), said, sizes.small, "middle"))
            y += LEGEND_LINE
    return Group(tuple(items), "strip", "strip")


def _runs(cells: tuple[int, ...]) -> list[tuple[int, int]]:
    """Neighbouring layers of one kind, as (first, one past the last)."""
    runs: list[tuple[int, int]] = []
    for number, kind in enumerate(cells):
        if runs and cells[runs[-1][0]] == kind:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs


def _layer_numbers(strip: Strip, box: Box, pitch: float, sizes: Sizes) -> list[Item]:
    """The numbers of the first and the last layer, and of those where another kind begins."""
    count = len(strip.cells)
    starts = [first for first, _ in _runs(strip.cells)]
    wanted = [0, count - 1, *(starts if len(starts) <= 4 else [])]
    items: list[Item] = []
    taken: list[float] = []
    for layer in wanted:
        y = box.bottom - (layer + 0.5) * pitch
        if all(abs(y - other) >= sizes.small + 2.0 for other in taken):
            taken.append(y)
            spot = Point(box.right + 6.0, y + text.CAPITAL * (sizes.small) / 2)
            items.append(Text(spot, text.line(f"{layer + 1:,}", "quiet"), sizes.small))
    return items


def _facts(facts: Facts, box: Box, sizes: Sizes) -> Group:
    """Where the parameters are, then two quiet columns of names and values, then the sources.

    Where the panel is wide, rows stand right of the parts.
    """
    items: list[Item] = []
    y = box.y
    if facts.parts:
        heading = text.line("Where the parameters are", "ink", text.SEMIBOLD)
        items.append(Text(Point(box.x, y + 14.0), heading, sizes.body))
        items.extend(_bar(facts, Box(box.x, y + 26.0, box.width, 16.0)))
        y += FACTS_HEAD
    if box.width >= 2 * FACTS_WIDTH + FACTS_GAP:
        left = Box(box.x, y, FACTS_WIDTH, box.height)
        right = Box(box.right - FACTS_WIDTH, y, FACTS_WIDTH, box.height)
        items.extend(_rows(facts, right, sizes)[0])
        found, y = _parts(facts, left, sizes)
        items.extend(found)
        items.extend(_sources(facts, Box(left.x, y + 10.0, left.width, 0.0), sizes))
        return Group(tuple(items), "facts", "facts")
    found, y = _parts(facts, Box(box.x, y, box.width, 0.0), sizes)
    items.extend(found)
    y += 8.0
    items.append(_rule(box, y))
    found, y = _rows(facts, Box(box.x, y + 10.0, box.width, 0.0), sizes)
    items.extend(found)
    items.extend(_sources(facts, Box(box.x, y, box.width, 0.0), sizes))
    return Group(tuple(items), "facts", "facts")


def _rule(box: Box, y: float) -> Path:
    return Path((Point(box.x, y), Point(box.right, y)), stroke="rule", width=1.0)


def _parts(facts: Facts, box: Box, sizes: Sizes) -> tuple[list[Item], float]:
    """The legend of the bar, and the y below it."""
    items: list[Item] = []
    y = box.y
    for part in facts.parts:
        items.append(Rect(Box(box.x, y, 11.0, 11.0), 2.5, part.tone))
        items.extend(_row(part.name, short(part.params), box, y, 19.0, "ink", sizes))
        y += 20.0
    return items, y


def _rows(facts: Facts, box: Box, sizes: Sizes) -> tuple[list[Item], float]:
    """Names and values, and the y below them."""
    items: list[Item] = []
    y = box.y
    for fact in facts.rows:
        first, *more = fact_lines(fact, sizes)
        items.extend(_row(fact.name, text.plain(first), box, y, 0.0, "quiet", sizes))
        for shown in more:
            y += FACT_LINE
            items.append(Text(Point(box.right, y + 10.0), shown, sizes.body - 1.0, "end"))
        y += FACT_ROW
    return items, y


def _sources(facts: Facts, box: Box, sizes: Sizes) -> list[Item]:
    """Where the numbers are from, under a rule."""
    if not facts.sources:
        return []
    items: list[Item] = [_rule(box, box.y)]
    y = box.y + 3.0
    for source in facts.sources:
        for shown in source_lines(source, sizes):
            y += FACT_LINE
            items.append(Text(Point(box.x, y), shown, sizes.small))
    return items


def _row(
    name: str, value: str, box: Box, y: float, indent: float, tone: str, sizes: Sizes
) -> list[Item]:
    """A name at the left and its value at the right of the panel."""
    size = sizes.body - 1.0
    baseline = y + 10.0
    room = box.width - indent - text.width(name, size) - 10.0
    shown = text.fitted(value, size, room, text.SEMIBOLD)
    return [
        Text(Point(box.x + indent, baseline), text.line(name, tone), size),
        Text(Point(box.right, baseline), text.line(shown, "ink", text.SEMIBOLD), size, "end"),
    ]


def _bar(facts: Facts, box: Box) -> list[Item]:
    """A bar whose pieces are as long as the parts are large; every piece can be seen."""
    total = sum(part.params for part in facts.parts) or 1
    least = 1.5
    free = box.width - least * len(facts.parts)
    items: list[Item] = []
    x = box.x
    for part in facts.parts:
        width = least + free * part.params / total
        items.append(Rect(Box(x, box.y, max(0.5, width - 1.0), box.height), 0.0, part.tone))
        x += width
    return items
