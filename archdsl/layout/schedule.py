"""Where the strip of layers stands beside the tower, and its legend."""

import itertools

from archdsl import text
from archdsl.geometry import Box, around
from archdsl.layout.arrange import Arranged
from archdsl.layout.panel import SWATCH
from archdsl.record import replace
from archdsl.theme import Sizes
from archdsl.view.types import Strip, View

STRIP_WIDTH = 26.0
_ROOM = 78.0
_MOST_PITCH = 26.0
_MOST_LEGEND = 300.0
_LEAST_LEGEND = 120.0
_LEGEND_HEIGHT = 96.0
_NEARLY = 0.8
CAPTION = 24.0
"""Room for the name of a tower's cells, which stand one tower above the other."""


COST_COLUMN, COST_APART, COST_FROM = 24.0, 16.0, 34.0
"""Width of a column of costs, white between groups, and how far right of the strip they begin."""
COST_HEAD = 26.0
"""Room for two lines over the strip's caption."""


def cost_widths(strip: Strip, sizes: Sizes) -> list[float]:
    """Widths of the groups of columns beside a strip."""
    return [
        max(
            COST_COLUMN * len(cost.columns) if len(cost.columns) > 1 else 1.6 * COST_COLUMN,
            *(text.width(words, sizes.small) for words in (cost.name, cost.most)),
            sum(text.width(c.label, sizes.small) + 7.0 for c in cost.columns),
        )
        for cost in strip.costs
    ]


def strip_room(strip: Strip | None, sizes: Sizes) -> float:
    """The room that a strip takes beside the tower, with what its layers cost."""
    if strip is None:
        return 0.0
    costs = cost_widths(strip, sizes)
    return _ROOM + (sum(costs) + COST_APART * len(costs) + 4.0 if costs else 0.0)


def strip_box(view: View, tower: Arranged, sizes: Sizes) -> Box | None:
    """The strip's cells: as high as the model's frame, no cell higher than a line of text."""
    if view.strip is None:
        return None
    framed = [placed.box for placed in tower.placed if placed.node.form == "group"]
    frame = around(framed or [placed.box for placed in tower.placed])
    captions = CAPTION * max(0, len(view.strip.towers) - 1)
    cells = max(1, len(view.strip.cells))
    pitch = min(_MOST_PITCH, (frame.height - 8.0 - captions) / cells)
    height = pitch * cells + captions
    groups = [
        spot.box
        for placed in tower.placed
        if placed.inner is not None
        for spot in placed.inner.placed
        if spot.node.form == "group"
    ]
    middle = around(groups).middle.y if groups else frame.middle.y
    head = COST_HEAD if view.strip.costs else 0.0
    height = min(height, frame.height - head)
    top = min(frame.bottom - height, max(frame.y + head, middle - height / 2))
    box = Box(sizes.margin + 12.0, top, STRIP_WIDTH, height)
    low = replace(box, y=frame.bottom - height)
    names = (kind.label for kind in view.strip.kinds)
    widest = SWATCH + max(text.width(name, sizes.small, text.SEMIBOLD) for name in names)
    room = legend_width(tower, box, sizes)
    if height > _NEARLY * frame.height or room < min(widest, _LEAST_LEGEND):
        return low  # where the legend has room below
    return box


def legend_width(tower: Arranged, strip: Box, sizes: Sizes) -> float:
    """How wide the legend may be: to the next that stands or runs at its height."""
    top, bottom = strip.bottom + 2.0, strip.bottom + _LEGEND_HEIGHT
    boxes = [placed.inner.reach if placed.inner else placed.box for placed in tower.placed]
    boxes += [
        Box(min(a.x, b.x), min(a.y, b.y), abs(a.x - b.x), abs(a.y - b.y))
        for wire in tower.wires
        for a, b in itertools.pairwise(wire.points)
    ]
    near = [box.x for box in boxes if box.y < bottom and box.bottom > top]
    return min(min(near, default=tower.reach.right) - sizes.margin - 12.0, _MOST_LEGEND)
