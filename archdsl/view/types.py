"""What a card shows, before anything has a position: every type of the view, immutable.

A view is a tower (a diagram), insets (diagrams of their own, opened from a node of the tower), a
strip of layers, callouts and facts. A diagram is a graph drawn upwards: nodes, and edges from below
to above.

    Diagram((Node("x", "terminal", ...), Node("up", "box", ...)), (Edge("x", "up"),))

Strings come from specs and are not trusted: renderers write them as text, never as markup.
"""

from typing import Literal

from archdsl import naming
from archdsl.record import record
from archdsl.text import Line

Form = Literal["box", "pill", "operator", "terminal", "port", "group", "choice"]
"""box: a block. pill: a small operation. operator: a circle with a mark, where values meet.
terminal: text where values enter or leave. port: the point where a wire passes a group's border.
group: a diagram in a frame. choice: blocks of which each layer has one.
"""

Kind = Literal["card", "compact", "block", "detail", "strip", "facts"]
"""The composition: a card; one column; the repeated block; one circuit; layers; facts alone."""

Tone = Literal["plain", "quiet", "strong", "soft", "cached", "shared", "accent", "frame"]
"""The role of a node's colours: plain white, quiet white and narrower, strong dark, soft in the
maker's colour, cached orange, shared green, accent the repeated block, frame the model as a whole.
"""


@record
class Badge:
    """A small pill at a node's side, with an arrow into it: what acts inside the node (RoPE,
    QK-norm).
    """

    id: str
    label: Line
    tooltip: str = ""


@record
class Case:
    """One of the blocks of a choice, below the number of layers that have it.

    `block`: the id of its module; `layers`: the ids of those of the layers. `swatches`: the tones
    of the kinds of these layers in the strip, and whether they are hatched there, where no other
    layers are of these kinds.
    """

    node: "Node"
    label: Line
    layers: frozenset[int] = frozenset()
    block: int = -1
    swatches: tuple[tuple[str, bool], ...] = ()


@record
class Sketch:
    """What an attention sees, drawn small in its box. `rows`: for every query, from the first, the
    keys: "#" seen, "." seen in an entry of several tokens, " " hidden; () where that is not known.
    `tokens`: how many these are spread over. `queries`, `kept`: heads that ask, heads that are kept
    of a token, 0 where they are not known. `latent`: what is kept is one, of all heads.
    """

    rows: tuple[str, ...] = ()
    tokens: int = 0
    queries: int = 0
    kept: int = 0
    latent: bool = False


@record
class Node:
    """A node of a diagram. `id` is a path in the model (`layers.mix`) and unique in the view.

    `lines`: the label, the first `titles` of them larger. `mark`: what an operator's circle shows.
    `inner`: a group's diagram. `count`: how often a group repeats. `cases`: the blocks of a choice.
    `wide`: drawn across all the wires that enter it. `late`: placed next to what reads it, not to
    what it reads. `sketch`: a picture in the box of an attention.
    """

    id: str
    form: Form
    lines: tuple[Line, ...] = ()
    tone: Tone = "plain"
    mark: str = ""
    badges: tuple[Badge, ...] = ()
    inner: "Diagram | None" = None
    count: int = 1
    cases: tuple[Case, ...] = ()
    wide: bool = False
    late: bool = False
    tooltip: str = ""
    link: str = ""
    titles: int = 1
    sketch: Sketch | None = None


@record
class Edge:
    """A wire from one node up to another. A residual one goes round, in a lane at the side; one
    `across` goes over to a tower that stands beside its own, one `back` from the end of a loop to
    its begin; `above` is no wire, the target only stands above the source.

    `label` stands beside the wire, where it arrives. `entry`: the input of a group that it enters
    at, where that is not the first. `port`: the input of a wide node that it brings, for two wires
    may go from one node to another. `result`: which result of its source it brings, where that is
    not the first.
    """

    source: str
    target: str
    form: Literal["flow", "residual", "above", "across", "back"] = "flow"
    label: Line = ()
    entry: str = ""
    port: str = ""
    result: str = ""


@record
class Diagram:
    """Nodes and the wires between them. Edges into a node come in the order of its operands.

    `roomy` asks for the large boxes of a tower; an inset's are small. `stacked`: the same without
    frames for towers side by side, for places that are too narrow for these.
    `loops`: what leaves it enters again.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    roomy: bool = False
    stacked: "Diagram | None" = None
    loops: bool = False


@record
class Inset:
    """A node of the tower, opened beside it. `optional`: left out where there is no room for it."""

    id: str
    target: str
    title: Line
    subtitle: Line
    diagram: Diagram
    tone: Literal["accent", "quiet"] = "quiet"
    optional: bool = False


@record
class Callout:
    """A remark about a node of the tower."""

    id: str
    target: str
    text: Line


@record
class LayerKind:
    """A kind of layer in the strip: its name, the theme's role of its colour, how many layers have
    it, whether its cells are hatched, the ids of their modules.
    """

    name: str
    tone: str
    hatched: bool
    count: int
    layers: frozenset[int] = frozenset()

    @property
    def label(self) -> str:
        """What a legend says: "36 Gated DeltaNet"."""
        return naming.kind(self.count, self.name)


@record
class CostColumn:
    """What each layer costs in one respect: for every cell of a strip its share of the most that
    a layer costs, and with what idles.
    """

    label: str
    shares: tuple[tuple[float, float], ...]


@record
class Cost:
    """Columns of one scale beside a strip: their name, the most that a layer costs, the theme's
    role of their colour.
    """

    name: str
    most: str
    tone: str
    columns: tuple[CostColumn, ...]


@record
class Strip:
    """The schedule: one cell a layer, from the first (below). `cells` are indices into `kinds`.
    `towers`: names of towers side by side, and how many of the cells each has. `costs`: what the
    layers cost, where they differ.
    """

    kinds: tuple[LayerKind, ...]
    cells: tuple[int, ...]
    towers: tuple[tuple[str, int], ...] = ()
    costs: tuple[Cost, ...] = ()


@record
class Part:
    """A part of the parameter count: its name, the theme's role of its colour, its parameters,
    whether its piece of the bar is hatched.
    """

    name: str
    tone: str
    params: int
    hatched: bool = False


@record
class Row:
    """A row of the panel of facts."""

    name: str
    value: str


@record
class Panel:
    """The panel of facts: where the parameters are, rows of names and values, sources and the page
    that they lead to.
    """

    parts: tuple[Part, ...]
    rows: tuple[Row, ...]
    sources: tuple[str, ...] = ()
    link: str = ""


@record
class Offer:
    """A tower with the insets that belong to it, for a figure that may have no room for a fuller
    one; `folded` where this one shows less.
    """

    tower: Diagram
    insets: tuple[Inset, ...]
    folded: bool = False


@record
class View:
    """All that a picture shows. `maker` decides the accent, unless `accent` names a hue;
    `description` is a sentence about the model. `millimetres`: the width of the paper that it is
    for, 0 where none was asked for. `without`: what is left out of a figure.
    """

    name: str
    maker: str
    title: str
    subtitle: Line
    tower: Diagram
    facts: Panel
    strip: Strip | None = None
    insets: tuple[Inset, ...] = ()
    callouts: tuple[Callout, ...] = ()
    description: str = ""
    link: str = ""
    kind: Kind = "card"
    accent: str = ""
    millimetres: float = 0.0
    without: frozenset[str] = frozenset()
