"""Cells: the places of a diagram's layers, and the sweeps' view of what is next to what."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from archdsl.layout.measure import Extent
from archdsl.record import record
from archdsl.view.types import Node

LABEL_APART = 6.0
"""The least white between the labels of neighbouring wires."""


@record
class Gates:
    """Where wires pass a group's border, from its axis to the right: its left corner, where they
    leave, and its further inputs that go on inside.
    """

    left: float
    out: float
    ports: Mapping[str, float]


@dataclass(slots=True, eq=False)
class Cell:
    """A place in a layer: a node, or a wire that passes by (`node` is None).

    `x` is where wires enter, its axis; they leave at `x + out`. `body`: the node's own extent,
    where a label beside its wire makes the cell larger. `gates`: those of a group.
    `pinned`: on the trunk, which is straight. `outlets`: how far beside this point the
    wires of each result leave, where there are several.
    """

    node: Node | None
    extent: Extent
    layer: int
    x: float = 0.0
    out: float = 0.0
    below: list[tuple["Cell", float]] = field(default_factory=list)
    above: list[tuple["Cell", float]] = field(default_factory=list)
    body: Extent | None = None
    pinned: bool = False
    gates: Gates | None = None
    outlets: dict[str, float] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """The left edge."""
        return self.x - self.extent.left

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.extent.right


def spread(extent: Extent, left: float, right: float) -> Extent:
    """An extent that reaches at least so far."""
    return Extent(max(extent.left, left), max(extent.right, right), extent.height)
