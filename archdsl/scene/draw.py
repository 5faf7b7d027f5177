"""A card's page as shapes: what every form and tone looks like."""

import math
import re
from collections.abc import Iterable

from archdsl import text
from archdsl.geometry import Box, Point, segments
from archdsl.layout.arrange import COUNT_SIZE, Arranged, Placed, PlacedBadge, count_label
from archdsl.layout.crossings import HOP
from archdsl.layout.leaders import case_boxes
from archdsl.layout.measure import (
    CASE_SWATCH,
    CHOICE_LABEL,
    COMB,
    SKETCH,
    SKETCH_ROOM,
    label_height,
    line_advance,
    sketched,
)
from archdsl.layout.route import Wire
from archdsl.scene.shapes import Cells, Circle, Group, Item, Path, Rect, Text
from archdsl.theme import Sizes
from archdsl.view.types import Node, Sketch

_FILLS = {
    "plain": ("surface", "ink"),
    "quiet": ("surface", "ink"),
    "strong": ("strong", "strong"),
    "soft": ("accent_soft", "accent"),
    "cached": ("cached_soft", "cached"),
    "shared": ("shared_soft", "shared"),
    "accent": ("accent_wash", "accent"),
    "frame": ("frame", "rule"),
}
_ON_STRONG = {"ink": "on_strong", "quiet": "on_strong_quiet", "accent": "accent_on_strong"}
_ARROW_LENGTH, _ARROW_HALF = 8.0, 3.6
_MARK = 4.2
_DOT = 2.2
_COMB_GAP = 6.0
_HOP_STEPS = 6
"""Of how many straight pieces the arc of a hop is made."""
_KEPT = (5.0, 3.0)
"""Dashes of what is cached: it differs from other boxes by more than its hue."""


def diagram(arranged: Arranged, sizes: Sizes, whole: str = "") -> list[Item]:
    """A diagram: frames first, then wires, then what stands on them.

    `whole`: the tooltip of a frame that has no words of its own, which is the whole model's.
    """
    items: list[Item] = []
    for placed in arranged.placed:
        if placed.inner is not None:
            items.extend(_frame(placed, sizes, whole))
    for wired in arranged.wires:
        items.extend(wire(wired, sizes))
    if arranged.dots:
        dots = (Circle(dot, _DOT, "ink") for dot in arranged.dots)
        items.append(Group(tuple(dots), kind="dots", title="one tensor, read in several places"))
    for placed in arranged.placed:
        if placed.inner is not None:
            items.extend(diagram(placed.inner, sizes, whole))
        elif placed.node.form != "port":
            items.append(node(placed, sizes))
    for badge in arranged.badges:
        items.extend(_badge(badge, sizes))
    return items


def arrow(tip: Point, before: Point, paint: str = "ink") -> Path:
    """An arrow's head at `tip`, for a wire that comes from `before`, level or upright."""
    dx, dy = tip.x - before.x, tip.y - before.y
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    ux, uy = dx / length, dy / length
    foot = Point(tip.x - ux * _ARROW_LENGTH, tip.y - uy * _ARROW_LENGTH)
    wing_x, wing_y = -uy * _ARROW_HALF, ux * _ARROW_HALF
    corners = (
        tip,
        Point(foot.x + wing_x, foot.y + wing_y),
        Point(foot.x - wing_x, foot.y - wing_y),
    )
    return Path(corners, fill=paint, closed=True)


def wire(placed: Wire, sizes: Sizes) -> list[Item]:
    """A wire with its arrow and its label."""
    forks = placed.edge.form in ("residual", "back")
    items: list[Item] = [
        Path(
            _hopping(placed.points, placed.hops),
            use="wire",
            stroke="ink",
            width=sizes.line,
            source="" if forks else placed.edge.source,
            target="" if placed.edge.form == "back" else placed.edge.target,
        )
    ]
    if placed.arrow and len(placed.points) > 1:
        items.append(arrow(placed.points[-1], placed.points[-2]))
    if placed.label_at is not None:
        items.append(Text(placed.label_at, placed.edge.label, sizes.small))
    return items


def _hopping(corners: tuple[Point, ...], hops: tuple[Point, ...]) -> tuple[Point, ...]:
    """A wire's points, with an arc over each wire that it hops over."""
    if not hops:
        return corners
    points = [corners[0]]
    for a, b in segments(corners):
        way = 1 if b.x > a.x else -1
        on = [x for x, y in hops if y == a.y == b.y and 0.0 < (x - a.x) * way < (b.x - a.x) * way]
        stops = [a.x, *sorted(on, reverse=way < 0), b.x]
        for before, hop, after in zip(stops, stops[1:], stops[2:], strict=False):
            left = abs(hop - before) / (1 if before == a.x else 2)
            right = abs(after - hop) / (1 if after == b.x else 2)
            points += _arc(Point(hop, a.y), min(HOP, left, right), way)
        points.append(b)
    return tuple(points)


def _arc(middle: Point, radius: float, way: int) -> list[Point]:
    """The upper half of a circle, from the side that a wire comes from: `way` is 1 where it runs to
    the right.
    """
    turns = (math.pi * step / _HOP_STEPS for step in range(_HOP_STEPS + 1))
    return [
        Point(middle.x - way * radius * math.cos(turn), middle.y - radius * math.sin(turn))
        for turn in turns
    ]


def _frame(placed: Placed, sizes: Sizes, whole: str) -> list[Item]:
    """A group's border, and at its left how often it repeats."""
    fill, stroke = _FILLS[placed.node.tone]
    accented = placed.node.tone == "accent"
    radius, width = (16.0, 1.6) if accented else (22.0, 1.4)
    shapes: list[Item] = [Rect(placed.box, radius, fill, stroke, width, id=placed.node.id)]
    if placed.node.count > 1:
        spot = Point(placed.box.x - 8.0, placed.box.y + 24.0)
        runs = text.line(count_label(placed.node.count), "accent", text.BOLD)
        shapes.append(Text(spot, runs, COUNT_SIZE, "end"))
    if placed.node.lines:
        spot = Point(placed.box.x + 16.0, placed.box.y + 20.0)
        shapes.append(Text(spot, placed.node.lines[0], sizes.small, inside=placed.node.id))
    tooltip = _tooltip(placed.node) or whole
    return [Group(tuple(shapes), f"{placed.node.id}.frame", "group", tooltip)]


def _tooltip(node: Node) -> str:
    """A node's tooltip: what is known of it, or else what is written on it."""
    return node.tooltip or " · ".join(text.plain(line) for line in node.lines)


def node(placed: Placed, sizes: Sizes) -> Group:
    """A node with its label."""
    shown, box = placed.node, placed.box
    shapes: list[Item]
    match shown.form:
        case "operator":
            shapes = _operator(shown, box, sizes)
        case "terminal":
            shapes = _terminal(shown, box, sizes)
        case "pill":
            shapes = _labelled(shown, box, box.height / 2, sizes)
        case "choice":
            shapes = _choice(placed, sizes)
        case _:
            shapes = _labelled(shown, box, 9.0 if len(shown.lines) > 1 else 8.0, sizes)
    return Group(tuple(shapes), shown.id, shown.form, _tooltip(shown), shown.link)


def _labelled(node: Node, box: Box, radius: float, sizes: Sizes) -> list[Item]:
    fill, stroke = _FILLS[node.tone]
    width = 1.4 if node.tone in ("soft", "cached", "shared") else 1.2
    dash = _KEPT if node.tone == "cached" else ()
    inner: list[Item] = []
    if node.tone == "shared" and sizes.padding > 12.0:  # not through the words of a low box
        inner.append(Rect(box.grown(-3.0), max(2.0, radius - 3.0), None, stroke, 0.8))
    return [
        Rect(box, radius, fill, stroke, width, dash, id=node.id),
        *inner,
        *_sketch(node, box, sizes),
        *_label(
            node.lines, _words(node, box, sizes), node.id, sizes, node.tone == "strong", node.titles
        ),
    ]


def _words(node: Node, box: Box, sizes: Sizes) -> Box:
    """The part of a box that is left for its words: beside the picture of a mask, above that of
    heads.
    """
    beside, below = sketched(node, sizes)
    return Box(box.x + beside, box.y, box.width - beside, box.height - below)


def _sketch(node: Node, box: Box, sizes: Sizes) -> list[Item]:
    """What an attention sees, at the left of its box; its heads, at the foot."""
    sketch = node.sketch
    if sketch is None or not sizes.sketches:
        return []
    items: list[Item] = []
    if sketch.rows:
        at = Point(box.x + (SKETCH_ROOM - SKETCH) / 2, box.y + (box.height - SKETCH) / 2)
        items.append(
            Group(tuple(_mask(sketch, at, node.id)), kind="mask", title=_mask_words(sketch))
        )
    if sketch.queries:
        words = _words(node, box, sizes)
        under = words.middle.y + label_height(len(node.lines), sizes, node.titles) / 2
        comb = Box(words.x, under + _COMB_GAP, words.width, COMB)
        title = _head_words(sketch)
        items.append(Group(tuple(_comb(sketch, comb, node.id)), kind="heads", title=title))
    return items


def _head_words(sketch: Sketch) -> str:
    queries = f"{sketch.queries:,} query head{'s' * (sketch.queries != 1)}"
    if sketch.latent:
        return f"{queries}, one latent"
    return f"{queries}, {sketch.kept:,} key/value head{'s' * (sketch.kept != 1)}"


def _mask_words(sketch: Sketch) -> str:
    shown = f"which keys (from left to right) each query (from the top) sees, of {sketch.tokens:,}"
    some = any("." in row for row in sketch.rows)
    return f"{shown} tokens{'; paler: in an entry of several tokens' if some else ''}"


def _mask(sketch: Sketch, at: Point, inside: str) -> list[Item]:
    """A mask as a square of cells, its frame thin."""
    side = SKETCH / len(sketch.rows)
    items: list[Item] = [
        Rect(
            Box(at.x - 1.5, at.y - 1.5, SKETCH + 3.0, SKETCH + 3.0),
            2.0,
            None,
            "faint_on_strong",
            0.8,
        )
    ]
    for mark, paint in ((".", "faint_on_strong"), ("#", "accent_on_strong")):
        boxes: list[Box] = []
        for number, row in enumerate(sketch.rows):
            for run in re.finditer(re.escape(mark) + "+", row):
                left, wide = run.start() * side, len(run[0]) * side
                boxes.append(Box(at.x + left, at.y + number * side, wide, side))
        if boxes:
            items.append(Cells(tuple(boxes), paint, inside))
    return items


def _comb(sketch: Sketch, box: Box, inside: str) -> list[Item]:
    """A tick for each head of the queries, over a bar for each head of the keys that they share."""
    share = sketch.queries / sketch.kept
    step = min(4.0, (box.width - 16.0) / (sketch.queries + 0.6 * (sketch.kept - 1)))
    left = box.middle.x - step * (sketch.queries + 0.6 * (sketch.kept - 1)) / 2
    ticks: list[Box] = []
    bars: list[Box] = []
    for head in range(sketch.kept):
        start = left + head * step * (share + 0.6)
        bars.append(Box(start, box.bottom - 3.0, step * share - 0.4 * step, 3.0))
        first, last = round(head * share), round((head + 1) * share)
        ticks += [
            Box(start + number * step, box.y, 0.6 * step, 4.8) for number in range(last - first)
        ]
    return [
        Cells(tuple(ticks), "on_strong", inside),
        Cells(tuple(bars), "cached_on_strong", inside),
    ]


def _label(
    lines: Iterable[text.Line],
    box: Box,
    inside: str,
    sizes: Sizes,
    on_strong: bool,
    titles: int = 1,
) -> list[Item]:
    """Lines in the middle of a box: the title's in the body size, the others small."""
    shown_lines = list(lines)
    at = (
        box.middle.y - label_height(len(shown_lines), sizes, titles) / 2 + text.CAPITAL * sizes.body
    )
    texts: list[Item] = []
    for number, runs in enumerate(shown_lines):
        size = sizes.body if number < titles else sizes.small
        shown = tuple(
            text.Run(
                run.text, _ON_STRONG.get(run.tone, run.tone) if on_strong else run.tone, run.weight
            )
            for run in runs
        )
        texts.append(Text(Point(box.middle.x, at), shown, size, "middle", inside))
        at += line_advance(number, sizes, titles)
    return texts


def _operator(node: Node, box: Box, sizes: Sizes) -> list[Item]:
    """A circle with its mark: strokes for sum and product, a letter for others."""
    middle, radius = box.middle, box.width / 2
    circle = Circle(middle, radius, "surface", "ink", sizes.line, node.id)
    strokes: list[Item]
    x, y = middle
    slant = _MARK * 0.75
    match node.mark:
        case "+":
            lines = [((x - _MARK, y), (x + _MARK, y)), ((x, y - _MARK), (x, y + _MARK))]
        case "×":
            lines = [
                ((x - slant, y - slant), (x + slant, y + slant)),
                ((x - slant, y + slant), (x + slant, y - slant)),
            ]
        case "−":
            lines = [((x - _MARK, y), (x + _MARK, y))]
        case _:
            size = sizes.small
            spot = Point(x, y + text.CAPITAL * size / 2)
            return [
                circle,
                Text(spot, text.line(node.mark, "ink", text.SEMIBOLD), size, "middle", node.id),
            ]
    strokes = [Path((Point(*a), Point(*b)), stroke="ink", width=sizes.line) for a, b in lines]
    return [circle, *strokes]


def _terminal(node: Node, box: Box, sizes: Sizes) -> list[Item]:
    at = box.y + (box.height + text.CAPITAL * sizes.body) / 2
    return [
        Text(Point(box.middle.x, at), runs, sizes.body, "middle", id=node.id)
        for runs in node.lines[:1]
    ]


def _choice(placed: Placed, sizes: Sizes) -> list[Item]:
    """The blocks of which each layer has one, in a frame, each under its count."""
    items: list[Item] = [Rect(placed.box, 13.0, "surface", "quiet", 1.1, id=placed.node.id)]
    for block, (name, box) in zip(placed.node.cases, case_boxes(placed, sizes), strict=True):
        spot = Point(box.middle.x, box.y - CHOICE_LABEL / 2 + 3.0)
        shapes = _labelled(block.node, box, 8.0, sizes)
        spot = Point(spot.x + CASE_SWATCH * len(block.swatches) / 2, spot.y)
        left = spot.x - text.line_width(block.label, sizes.small) / 2
        for number, swatch in enumerate(reversed(block.swatches), 1):
            at = Box(left - CASE_SWATCH * number, spot.y - 8.5, 9.0, 9.0)
            items += painted(at, *swatch, radius=2.0)
        items.append(Text(spot, block.label, sizes.small, "middle", placed.node.id))
        items.append(Group(tuple(shapes), name, "box", _tooltip(block.node), block.node.link))
    return items


_STRIPE = 4.0


def painted(box: Box, tone: str, hatched: bool, radius: float = 0.0) -> list[Item]:
    """A filled rectangle; a hatched one has light stripes, so that it differs by more than hue."""
    items: list[Item] = [Rect(box, radius, tone)]
    if not hatched:
        return items
    at = box.x - box.height + _STRIPE
    while at < box.right - 0.5:
        low = Point(max(at, box.x), box.bottom - max(0.0, box.x - at))
        high_x = min(at + box.height, box.right)
        high = Point(high_x, box.bottom - (high_x - at))
        if high.x - low.x > 0.5:
            items.append(Path((low, high), stroke="paper", width=1.3))
        at += _STRIPE
    return items


def _badge(placed: PlacedBadge, sizes: Sizes) -> list[Item]:
    box = placed.box
    start = Point(box.right, placed.tip.y)
    name = placed.badge.id
    pill: tuple[Item, ...] = (
        Rect(box, box.height / 2, "surface", "ink", 1.3, id=name),
        *_label((placed.badge.label,), box, name, sizes, on_strong=False),
    )
    return [
        Path(
            _hopping((start, placed.tip), placed.hops),
            use="wire",
            stroke="ink",
            width=sizes.line,
            source=name,
            target=placed.node,
        ),
        arrow(placed.tip, start),
        Group(pill, name, "badge", placed.badge.tooltip or text.plain(placed.badge.label)),
    ]
