"""Wires before heights are known: the cells that each passes, and how it enters its target."""

from dataclasses import dataclass, field

from archdsl.layout.cells import Cell
from archdsl.layout.layers import Layers
from archdsl.layout.measure import OPERATOR_RADIUS
from archdsl.view.types import Edge

STRAIGHT = 0.5
"""How far apart two columns may be for a wire between them to be straight."""
COLUMN = 5.0
"""How far apart wires run at least that go up."""
LEAST_JOG = 16.0
"""How far a wire goes aside at least where it does not run straight."""
SIDE_ROOM = OPERATOR_RADIUS + 4.0
"""How far beside an operator a wire comes up at least that enters it from the side."""


BORDER_ROOM = 8.0
"""How far from the corner of a group a wire enters it at least."""


Net = tuple[str, int, str]
"""Pieces that may run on one line: "from" or "into" a cell by its identity, and which result."""


@dataclass(slots=True)
class Piece:
    """A horizontal piece of a wire in a gap: from column `start` to column `end`, and its track."""

    start: float
    end: float
    net: Net
    track: int = 0


@dataclass(slots=True)
class Route:
    """A wire before heights are known: the gaps' pieces it takes, and how it enters its target.

    `side` is -1 or 1 when it enters an operator from the left or right, 0 from below. `hooked`: it
    comes up close beside the operator, to enter it from that side. `height`: how far up its target
    it enters from a side, of 1. `room`: how far right of its end the next one may be, with the
    label between.
    """

    edge: Edge
    course: list[Cell]
    pieces: dict[int, Piece] = field(default_factory=dict)
    port: float = 0.0
    side: int = 0
    lane: float | None = None
    hooked: bool = False
    height: float = 0.5
    room: float = 0.0

    @property
    def rises(self) -> float:
        """The column in which the wire comes up to its target's layer."""
        return leaves(self.course[-2], self.edge)

    @property
    def beside(self) -> bool:
        """Whether the last piece is level, from the column of the cell below."""
        return bool(self.side) and not self.hooked


def entry_width(edge: Edge) -> float:
    """About how far right of its wire the name of an input reaches; white where it has none."""
    return 7.0 + 10.0 * len(edge.entry) if edge.entry else LEAST_JOG


def leaves(cell: Cell, edge: Edge) -> float:
    """The column in which a wire leaves a cell that it passes or comes from."""
    return cell.x + cell.out + cell.outlets.get(edge.result, 0.0)


def is_clear(route: Route, layers: Layers) -> bool:
    """Whether the last piece of a wire, straight up and then sideways into its target, meets no
    other cell.
    """
    source, target = route.course[-2:]
    low, high = sorted((leaves(source, route.edge), target.x))
    for cell in layers.rows[target.layer]:
        left, right = (cell.left, cell.right) if cell.node is not None else (cell.x, cell.x)
        if cell is not target and left - COLUMN < high and right + COLUMN > low:
            return False
    return True
