"""How large a node must be for its label: the first pass of the layout."""

from archdsl import text
from archdsl.record import record, replace
from archdsl.theme import Sizes
from archdsl.view.types import Case, Node

OPERATOR_RADIUS = 9.0
ORDERED = ("−", "÷")
"""Marks of operators whose operands have an order."""
HOOK = OPERATOR_RADIUS + 14.0
"""How far from such an operator's axis a wire comes up that enters it from the side."""
HOOK_ROOM = HOOK + 3.9
"""The room that such a wire needs on that side."""
HOOK_APART = 7.0
"""How far it keeps from other wires."""
PILL_HEIGHT = 26.0
LEAST_PORT_DISTANCE = 16.0
SIGN_MARGIN = 12.0
BADGE_HEIGHT = 27.0
CHOICE_PADDING = 8.0
CHOICE_LABEL = 17.0
CASE_SWATCH = 14.0
"""Width of the swatch before the number of layers of a block, with the white after it."""

SKETCH = 40.0
"""Side of the picture of a mask."""
SKETCH_ROOM = SKETCH + 18.0
"""What it adds to the width of a box."""
COMB = 9.0
"""Height of the picture of heads."""
COMB_ROOM = COMB + 5.0


@record
class Extent:
    """How far a node reaches to the left and right of its axis, where wires enter, and
    its height.
    """

    left: float
    right: float
    height: float


def centred(width: float, height: float) -> Extent:
    """The extent of a node whose axis is its middle."""
    return Extent(width / 2, width / 2, height)


def label_width(node: Node, sizes: Sizes) -> float:
    """Width of a node's label, its title in the body size and the other lines small."""
    widths = [
        text.line_width(line, sizes.body if number < node.titles else sizes.small)
        for number, line in enumerate(node.lines)
    ]
    return max(widths, default=0.0)


def label_height(lines: int, sizes: Sizes, titles: int = 1) -> float:
    """Height of a label of so many lines, from the first capital to the last baseline; `titles` of
    them are in the body size.
    """
    advances = (line_advance(number, sizes, titles) for number in range(lines - 1))
    return text.CAPITAL * sizes.body + sum(advances)


def line_advance(number: int, sizes: Sizes, titles: int) -> float:
    """From the baseline of a label's line to that of the next."""
    return (sizes.body if number + 1 < titles else sizes.small) + 5.0


def sign(label: text.Line) -> text.Line:
    """The part of a wire's label that says which operand it brings; () where none does."""
    return label[:1] if label and label[0].tone == "ink" else ()


def signed(extent: Extent, labels: list[text.Line], sizes: Sizes) -> Extent:
    """An extent with room for the signs of all wires into a node beside each other."""
    if not any(map(sign, labels)):
        return extent
    needed = 2 * SIGN_MARGIN + sum(sign_step(label, sizes) for label in labels)
    return Extent(max(extent.left, needed / 2), max(extent.right, needed / 2), extent.height)


def ported(extent: Extent, wires: int) -> Extent:
    """An extent with room for the ends of so many wires beside each other."""
    needed = (2 * SIGN_MARGIN + (wires - 1) * LEAST_PORT_DISTANCE) / 2 if wires > 1 else 0.0
    return Extent(max(extent.left, needed), max(extent.right, needed), extent.height)


def sign_step(label: text.Line, sizes: Sizes) -> float:
    """How far right of a wire's end the next one may end, with the sign between."""
    return LEAST_PORT_DISTANCE + text.line_width(sign(label), sizes.small)


def leaf(node: Node, sizes: Sizes, roomy: bool) -> Extent:
    """The extent of a node that holds no diagram."""
    match node.form:
        case "port":
            return Extent(0.0, 0.0, 0.0)
        case "operator":
            return centred(2 * OPERATOR_RADIUS, 2 * OPERATOR_RADIUS)
        case "terminal":
            return centred(label_width(node, sizes), label_height(len(node.lines), sizes) + 13.0)
        case "pill":
            least = min(60.0, sizes.least)
            return centred(max(least, label_width(node, sizes) + 2 * sizes.inner), PILL_HEIGHT)
        case "choice":
            return centred(*choice(node, sizes))
        case _:
            return centred(*box(node, sizes, roomy))


def box(node: Node, sizes: Sizes, roomy: bool) -> tuple[float, float]:
    """Width and height of a block's box."""
    least = (sizes.pill if node.tone == "quiet" else sizes.box) if roomy else sizes.least
    padding = sizes.padding if roomy else min(20.0, sizes.padding)
    badges = len(node.badges) * (BADGE_HEIGHT + 5.0) - 5.0
    height = max(label_height(len(node.lines), sizes, node.titles) + padding, badges)
    width = label_width(node, sizes) + 2 * sizes.inner
    beside, below = sketched(node, sizes)
    height = max(height + below, SKETCH + 12.0) if beside else height + below
    return max(least, width) + beside, round(height)


def sketched(node: Node, sizes: Sizes) -> tuple[float, float]:
    """What the pictures in a box add to its width and to the height of its words."""
    sketch = node.sketch
    if sketch is None or not sizes.sketches:
        return 0.0, 0.0
    return SKETCH_ROOM if sketch.rows else 0.0, COMB_ROOM if sketch.queries else 0.0


def case(block: Case, sizes: Sizes) -> tuple[float, float]:
    """Width and height of the box of one of a choice's blocks."""
    width = label_width(block.node, sizes) + 2 * min(12.0, sizes.inner)
    over = text.line_width(block.label, sizes.small) + CASE_SWATCH * len(block.swatches)
    shown = replace(block.node, badges=())  # which stand beside the choice
    beside, _ = sketched(block.node, sizes)
    return max(76.0, width + beside, over + 8.0), box(shown, sizes, roomy=True)[1]


def choice(node: Node, sizes: Sizes) -> tuple[float, float]:
    """Width and height of a choice: its blocks side by side in a frame, each under its count; or
    one above the other.
    """
    boxes = [case(block, sizes) for block in node.cases]
    width = _beside(boxes)
    if width > sizes.choice:
        width = max(block[0] for block in boxes) + 2 * CHOICE_PADDING
        return width, CHOICE_PADDING + sum(h + CHOICE_LABEL + CHOICE_PADDING for _, h in boxes)
    return width, max(block[1] for block in boxes) + 2 * CHOICE_PADDING + CHOICE_LABEL


def is_stacked(node: Node, sizes: Sizes) -> bool:
    """Whether the blocks of a choice stand one above the other."""
    return _beside([case(block, sizes) for block in node.cases]) > sizes.choice


def _beside(boxes: list[tuple[float, float]]) -> float:
    """Width of the blocks of a choice side by side."""
    return sum(extent[0] for extent in boxes) + CHOICE_PADDING * (len(boxes) + 1)


def badge_width(label: text.Line, sizes: Sizes) -> float:
    """Width of a badge's pill."""
    return max(58.0, text.line_width(label, sizes.body) + 2 * 12.0)
