"""Models of several inputs: a frame for each tower, side by side, each input below its own.

Encoder          Decoder
[6 layers] ─┐    [6 layers]
            └──────┘
source           target
"""

from collections import defaultdict

from archdsl import naming
from archdsl.graph import Layers, Model
from archdsl.record import record, replace
from archdsl.text import line
from archdsl.view.types import Diagram, Edge, Node


@record
class _Tower:
    """A tower in the making: the name of its longest stack, the input below it, its nodes."""

    name: str
    below: str
    inside: frozenset[str]

    @property
    def id(self) -> str:
        """The id of its frame."""
        return f"tower-{self.name}"


def framed(model: Model, diagram: Diagram, inputs: list[str], above: str) -> Diagram:
    """The diagram of a model with a frame for each tower: what depends on one input and holds a
    stack, and what depends on several with the input that streams. It stays as it is where these
    are fewer than two, or where more goes from one to another than one tensor.
    """
    children = model.root.children
    stacks = {child.name: child.length for child in children if isinstance(child.part, Layers)}
    towers = _towers(diagram, inputs, above, stacks)
    inside = {name: tower for tower in towers for name in tower.inside}
    owner = inside | {tower.below: tower for tower in towers}
    across = [
        edge
        for edge in diagram.edges
        if edge.target in inside and owner.get(edge.source) is not inside[edge.target]
    ]
    left = {
        (tower.id, edge.source)
        for edge in diagram.edges
        if (tower := inside.get(edge.source)) and inside.get(edge.target) is not tower
    }
    one_way = len({edge.source for edge in across}) <= 1 and all(
        edge.source in inside for edge in across
    )
    if len(towers) < 2 or not one_way or len(left) != len(towers):
        return diagram
    frames = {tower.id: _frame(tower, diagram, across) for tower in towers}
    edges: dict[Edge, None] = {}
    for edge in sorted(diagram.edges, key=lambda edge: edge not in across):
        source, target = inside.get(edge.source), inside.get(edge.target)
        if source is target and source is not None:
            continue
        if edge in across:
            assert source is not None and target is not None
            edges[Edge(source.id, target.id, "across", entry=_port(target, edge))] = None
        elif target is not None:
            edges[Edge(edge.source, target.id)] = None
        else:
            edges[replace(edge, source=source.id if source else edge.source)] = None
    last = towers[-1].below
    outside = [node for node in diagram.nodes if node.id not in inside]
    outside.sort(key=lambda node: node.id != last)
    nodes = (*outside[:-1], *frames.values(), outside[-1])
    return Diagram(nodes, tuple(edges), roomy=True, stacked=diagram)


def _towers(
    diagram: Diagram, inputs: list[str], above: str, stacks: dict[str, int]
) -> list[_Tower]:
    """The towers of a diagram, from the layers of each stack; the last is that of the last input,
    which streams.
    """
    behind = _inputs_behind(diagram, inputs)
    groups: dict[frozenset[str], set[str]] = defaultdict(set)
    for node in diagram.nodes:
        if node.id not in (*inputs, above):
            groups[behind[node.id]].add(node.id)
    several = {name for key, names in groups.items() if len(key) > 1 for name in names}
    towers: list[_Tower] = []
    for name in inputs:
        own = groups.get(frozenset((name,)), set())
        if name == inputs[-1] and several & stacks.keys():
            own = own | several
        held = [stack for stack in stacks if stack in own]
        if held:
            towers.append(_Tower(max(held, key=lambda s: stacks[s]), name, frozenset(own)))
    return towers


def _inputs_behind(diagram: Diagram, inputs: list[str]) -> dict[str, frozenset[str]]:
    """The inputs that each node depends on; what depends on none belongs to what reads it."""
    sources: dict[str, list[str]] = defaultdict(list)
    targets: dict[str, list[str]] = defaultdict(list)
    for edge in diagram.edges:
        sources[edge.target].append(edge.source)
        targets[edge.source].append(edge.target)
    behind: dict[str, set[str]] = {node.id: set() for node in diagram.nodes}
    for name in inputs:
        waiting, reached = [name], set[str]()
        while waiting:
            here = waiting.pop()
            if here not in reached:
                reached.add(here)
                behind[here].add(name)
                waiting += targets[here]
    for node in reversed(diagram.nodes):
        if not behind[node.id]:
            readers = [behind[target] for target in targets[node.id]]
            behind[node.id] = set.intersection(*readers) if readers else set()
            if any(reader != behind[node.id] for reader in readers):
                behind[node.id] = set()
    return {name: frozenset(found) for name, found in behind.items()}


def _port(tower: _Tower, edge: Edge) -> str:
    """Where a tensor comes into a tower: in one place, under however many names it is read."""
    return f"{tower.id}.{edge.source}"


def _frame(tower: _Tower, diagram: Diagram, across: list[Edge]) -> Node:
    """A tower in its frame, the ports of what comes in and goes out."""
    below, above = Node(f"{tower.id}.in", "port"), Node(f"{tower.id}.out", "port")
    given: list[Edge] = []
    own: list[Edge] = []
    for edge in diagram.edges:
        if edge.target in tower.inside:
            if edge in across:
                given.append(replace(edge, source=_port(tower, edge)))
            elif edge.source == tower.below:
                own.append(replace(edge, source=below.id))
            else:
                own.append(edge)
        elif edge.source in tower.inside:
            own.append(Edge(edge.source, above.id))
    ports = dict.fromkeys(edge.source for edge in given)
    nodes = (
        below,
        *(Node(name, "port") for name in ports),
        *(node for node in diagram.nodes if node.id in tower.inside),
        above,
    )
    inner = Diagram(nodes, tuple(dict.fromkeys((*given, *own))), roomy=True)
    title = naming.phrase(tower.name)
    shown = line(title[:1].upper() + title[1:], "quiet")
    return Node(tower.id, "group", (shown,), "frame", inner=inner)
