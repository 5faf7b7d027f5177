"""A module's body as a diagram: operations that move numbers without computing contract into wires.

What is drawn follows from what a node is. An application is a box, or a pill where its block is a
mere function; a residual sum is an operator with a wire round the side; sums and products of two
computed values are operators; what is cached is a box of its own. Parameters, numbers, positions
and everything that depends on them alone stay out of the picture, save what owns parameters (a
position embedding).

    q = x |> q_proj |> rearrange[...] |> rope       x ── q · 4,096 ── RoPE ──
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from archdsl.dims import Dim
from archdsl.graph import Model, Module
from archdsl.graph import Node as Value
from archdsl.ops import OPS
from archdsl.record import record, replace
from archdsl.text import SEMIBOLD, Line, line
from archdsl.view import words
from archdsl.view.choice import NOTHING, Choice
from archdsl.view.roles import WRAPPING
from archdsl.view.types import Diagram, Edge, Node

_MARKS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷"}


@record
class Place:
    """Where a body is drawn: its model and module, the path that its nodes' ids begin with, what is
    asked for, and how many blocks lie around it (the model's own parts are at level 1).

    `kinds`: how many layers have which module here, where layers that are drawn as one differ in
    their slots. `shut`: parts of the model that stay closed, for others like them are open. `bare`:
    blocks are drawn and operations are not. `within`: what the names of maps begin with.
    """

    model: Model
    module: Module
    path: str
    choice: Choice = NOTHING
    level: int = 1
    kinds: tuple[tuple[int, Module], ...] = ()
    shut: frozenset[str] = frozenset()
    bare: bool = False
    within: str = ""


@record
class Splice:
    """A block drawn without a frame, as a piece of the diagram around it. `entries`: the ports
    where its inputs enter, which give way to what they are read from; `outputs`: where each output
    comes from.
    """

    diagram: Diagram
    entries: tuple[str, ...]
    outputs: tuple[tuple[str, ...], ...]


Applied = Callable[[Place, Value, str], Node | Splice | None]
"""How an application is drawn: from the place, the graph's node and an id; None contracts it."""
Labelled = Callable[[Place, Value], Line]
"""What stands beside the wire that carries a value into a wide node."""


@dataclass(slots=True)
class _Draft:
    """A diagram in the making. `ends[i]`: the drawn nodes that value i comes from. `carried`: which
    value a wire from node to node brings. `passing`: wires of what is given to blocks inside a
    node, which are drawn where nothing else tells where that comes from.
    """

    place: Place
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    ends: dict[int, tuple[str, ...]] = field(default_factory=dict)
    carried: dict[tuple[str, str], int] = field(default_factory=dict)
    passing: list[Edge] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)

    def named(self, name: str) -> str:
        """An id that nothing in the diagram has."""
        base = f"{self.place.path}.{name}" if self.place.path else name
        number = self.names[base] = self.names.get(base, 0) + 1
        return base if number == 1 else f"{base}.{number}"

    def add(self, node: Node, value: int, sources: tuple[tuple[str, ...], ...]) -> None:
        self.nodes.append(node)
        self.ends[value] = (node.id,)
        for source in dict.fromkeys(name for found in sources for name in found):
            self.edges.append(Edge(source, node.id))
        self.brought(node.id, self.place.module.nodes[value].args)

    def brought(self, target: str, args: tuple[int, ...]) -> None:
        """Keep which of the values that a node reads come from which node, where that is one."""
        for arg in args:
            found = self.ends.get(arg, ())
            if len(found) == 1:
                self.carried.setdefault((found[0], target), arg)


def body(
    place: Place,
    entry: Callable[[Value, str], Node],
    applied: Applied,
    labelled: Labelled | None,
    everywhere: bool = False,
    names: dict[str, int] | None = None,
) -> tuple[Diagram, tuple[tuple[str, ...], ...]]:
    """The diagram of a module's body, and for each output the ids of the nodes that it comes from.

    `entry` draws an input, `applied` an application, `labelled` says what stands beside wires into
    wide nodes, or beside all wires. `names`: the ids that are taken, with how often.
    """
    draft = _Draft(place, names={} if names is None else names)
    for number, value in enumerate(place.module.nodes):
        _draw(draft, number, value, entry, applied)
    outputs = tuple(draft.ends.get(out, ()) for out in place.module.outputs)
    ends = tuple(name for out in outputs for name in out)
    needed = _needed(draft, ends)
    unsaid = [edge for edge in draft.passing if edge.source not in needed]
    if unsaid:
        draft.edges += unsaid
        needed = _needed(draft, ends)
    nodes = tuple(node for node in draft.nodes if node.id in needed)
    edges = tuple(edge for edge in draft.edges if edge.source in needed and edge.target in needed)
    if labelled is not None:
        edges = _labelled(draft, nodes, edges, labelled, everywhere)
    return Diagram(nodes, edges), outputs


def _needed(draft: _Draft, outputs: tuple[str, ...]) -> set[str]:
    """Everything that an output depends on."""
    sources: dict[str, list[str]] = {}
    for edge in draft.edges:
        sources.setdefault(edge.target, []).append(edge.source)
    needed: set[str] = set()
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(sources.get(name, ()))
    return needed


def _draw(
    draft: _Draft,
    number: int,
    value: Value,
    entry: Callable[[Value, str], Node],
    applied: Applied,
) -> None:
    """Draw one value of a body, or contract it into the wires of what it comes from."""
    sources = tuple(draft.ends[arg] for arg in value.args if draft.ends.get(arg))
    match value.op:
        case "input":
            draft.add(entry(value, draft.named(value.name)), number, ())
        case "apply":
            child = draft.place.module.child(value.child)
            passing: Iterable[tuple[int, str]] = ()
            if any(module.role in WRAPPING for _, module in child.modules) or child.segments:
                # what only passes through to blocks inside is no wire of the block around them
                own = len(value.args) - value.context
                passing = zip(value.args[own:], child.context, strict=False)
                value = replace(value, args=value.args[:own])
                sources = tuple(draft.ends[arg] for arg in value.args if draft.ends.get(arg))
            owns = any(module.params or module.children for _, module in child.modules)
            if sources or (owns and not value.args) or (owns and _positional(draft, value)):
                found = applied(draft.place, value, draft.named(value.child))
                if isinstance(found, Node):
                    _pass(draft, found, passing)
                if isinstance(found, Splice):
                    _splice(draft, number, value, found)
                    return
                if found is not None and found.form == "group":
                    _entered(draft, number, value, found)
                    return
                if found is not None:
                    draft.add(found, number, sources)
                    return
            _contract(draft, number, sources)
        case "residual" if not draft.place.bare:
            node = Node(draft.named("sum"), "operator", mark="+", tooltip="residual sum")
            draft.nodes.append(node)
            skip, branch = (draft.ends.get(arg, ()) for arg in value.args)
            draft.edges += [Edge(source, node.id) for source in branch]
            draft.edges += [Edge(source, node.id, "residual") for source in skip]
            draft.brought(node.id, value.args[::-1])
            draft.ends[number] = (node.id,)
        case "cache":
            draft.add(_cache(draft, value), number, sources)
        case "mixture":
            _mixture(draft, number, value)
        case "item":
            _contract(draft, number, sources)
        case "loop" if _works(value) and not draft.place.bare:
            _loop(draft, number, value, sources, applied)
        case _:
            _operation(draft, number, value, sources)


def _entered(draft: _Draft, number: int, value: Value, node: Node) -> None:
    """A group, whose first operand enters at its port and the others beside it, by their names."""
    module = draft.place.module.child(value.child).modules[0][1]
    names = [module.nodes[at].name for at in module.inputs]
    draft.nodes.append(node)
    draft.ends[number] = (node.id,)
    told: set[str] = set()
    for arg, name in zip(value.args, names, strict=False):
        for source in draft.ends.get(arg, ()):
            entry = name if arg != value.args[0] else ""
            if source not in told or entry:
                draft.edges.append(Edge(source, node.id, label=line(entry, "quiet"), entry=entry))
            told.add(source)


def _pass(draft: _Draft, node: Node, passing: Iterable[tuple[int, str]]) -> None:
    """Keep the wires of what a node gets for the blocks inside it."""
    for arg, name in passing:
        for source in draft.ends.get(arg, ()):
            draft.passing.append(Edge(source, node.id, label=line(name, "quiet"), entry=name))


def _splice(draft: _Draft, number: int, value: Value, found: Splice) -> None:
    """A block's own diagram, its ports replaced by what its inputs come from."""
    given = {
        entry: draft.ends.get(arg, ())
        for entry, arg in zip(found.entries, value.args, strict=False)
    }
    draft.nodes += [node for node in found.diagram.nodes if node.id not in found.entries]
    for edge in found.diagram.edges:
        for source in given.get(edge.source, (edge.source,)):
            draft.edges.append(replace(edge, source=source))
    ends = (name for out in found.outputs for end in out for name in given.get(end, (end,)))
    draft.ends[number] = tuple(dict.fromkeys(ends))


def _positional(draft: _Draft, value: Value) -> bool:
    """Whether an application reads positions and nothing else."""
    return all(draft.place.module.nodes[arg].op == "positions" for arg in value.args)


def _contract(draft: _Draft, number: int, sources: tuple[tuple[str, ...], ...]) -> None:
    draft.ends[number] = tuple(dict.fromkeys(name for found in sources for name in found))


def _mixture(draft: _Draft, number: int, value: Value) -> None:
    """The first experts and the last between the router and the sum of those it chooses."""
    bank = draft.place.module.child(value.child)
    expert = bank.modules[0][1]
    tokens, *chosen = (draft.ends.get(arg, ()) for arg in value.args)
    sources = dict.fromkeys(name for found in chosen for name in found) or dict.fromkeys(tokens)
    total = Node(draft.named("sum"), "operator", mark="+", tooltip="sum of the chosen, weighted")
    for count in sorted({1, 2, bank.length} & set(range(1, bank.length + 1))):
        shown = f"expert {count:,}" if count < 3 else f"… {count:,}"
        told = f"{expert.title}, one of {bank.length:,}, of which {bank.top_k} work on a token"
        node = Node(draft.named(value.child), "box", (line(shown),), "soft", tooltip=told)
        draft.nodes.append(node)
        draft.edges += [Edge(source, node.id) for source in sources]
        draft.edges.append(Edge(node.id, total.id))
    draft.nodes.append(total)
    draft.ends[number] = (total.id,)


def _works(value: Value) -> bool:
    """Whether a loop applies blocks, so that its body is worth a frame."""
    return value.body is not None and any(node.op == "apply" for node in value.body.nodes)


def _loop(
    draft: _Draft,
    number: int,
    value: Value,
    sources: tuple[tuple[str, ...], ...],
    applied: Applied,
) -> None:
    """A loop as a group that repeats: its first state enters and leaves, what it yields in each
    round ends inside.
    """
    assert value.body is not None
    repeated, place = value.body, draft.place
    module = replace(
        place.module, nodes=repeated.nodes, inputs=repeated.inputs, outputs=repeated.outputs
    )
    name = draft.named(value.op)
    below, above = Node(f"{name}.in-0", "port"), Node(f"{name}.out-0", "port")

    def entry(given: Value, inside: str) -> Node:
        first = repeated.nodes[repeated.inputs[0]]
        return below if given is first else Node(inside, "terminal", (line(given.name, "quiet"),))

    inner, outputs = body(replace(place, module=module), entry, applied, None, names=draft.names)
    ends = [Edge(end, above.id) for out in outputs[: repeated.states] for end in out]
    said: list[Node] = []
    for out in outputs[repeated.states :]:
        if out:
            said.append(Node(draft.named("yield"), "terminal", (line("each round", "quiet"),)))
            ends += [Edge(end, said[-1].id) for end in out]
    nodes = (below, *(node for node in inner.nodes if node is not below), *said, above)
    shown = Diagram(nodes, (*inner.edges, *dict.fromkeys(ends)), roomy=True)
    turns = value.scalar
    rounds = place.model.number(place.module, turns).value if isinstance(turns, Dim) else None
    title = (line("loop", "quiet"),)
    node = Node(name, "group", title, "frame", inner=shown, count=rounds or 1)
    draft.add(node, number, sources)


def _cache(draft: _Draft, value: Value) -> Node:
    place = draft.place
    kept = words.per_token(place.model, place.module, value.type)
    lines = (line(f"cached {value.name}", "ink", SEMIBOLD), line(kept, "quiet"))
    return Node(draft.named(f"{value.name}.cache"), "box", lines, "cached", late=True)


def _operation(
    draft: _Draft, number: int, value: Value, sources: tuple[tuple[str, ...], ...]
) -> None:
    """A primitive: an operator of two computed values, a pill with a label, or nothing."""
    op = OPS.get(value.op)
    distinct = tuple(dict.fromkeys(sources))
    shown = op.label if op is not None else value.op
    if draft.place.bare:
        _contract(draft, number, sources)
        return
    if value.op in _MARKS and len(distinct) > 1:
        mark = _MARKS[value.op]
        node = Node(draft.named(value.op), "operator", mark=mark, tooltip=value.op)
    elif value.op == "rearrange" and len(distinct) > 1:
        node = Node(draft.named("concat"), "pill", (line("concat"),), tooltip=str(value.plan))
    elif (
        not sources
        or not shown
        or value.op in draft.place.choice.hidden
        or (value.op in _MARKS and len(sources) < len(value.args))
        or _by_number(draft, value)
    ):
        _contract(draft, number, sources)
        return
    else:
        tooltip = f"{op.doc if op else ''} {value.plan or ''}".strip()
        node = Node(draft.named(value.op), "pill", (line(shown),), tooltip=tooltip)
    draft.add(node, number, sources)


def _by_number(draft: _Draft, value: Value) -> bool:
    """Whether an operation of two operands has a plain number for one of them."""
    nodes = draft.place.module.nodes
    numbers = any(nodes[arg].op in ("scalar", "param") for arg in value.args)
    return value.op in (*_MARKS, "power") and numbers


def _labelled(
    draft: _Draft,
    nodes: tuple[Node, ...],
    edges: tuple[Edge, ...],
    labelled: Labelled,
    everywhere: bool,
) -> tuple[Edge, ...]:
    """Put the names and shapes of values beside the wires that enter wide nodes, or beside one wire
    of every value.
    """
    wide = {node.id for node in nodes if node.wide}
    silent = {node.id for node in nodes if node.form in ("terminal", "port")}
    told: set[tuple[str, int]] = set()
    shown: list[Edge] = []
    for edge in edges:
        number = draft.carried.get((edge.source, edge.target), -1)
        value = edge.source, number
        first = everywhere and edge.form == "flow" and edge.source not in silent
        if number >= 0 and (edge.target in wide or (first and value not in told)):
            edge = replace(edge, label=labelled(draft.place, draft.place.module.nodes[number]))
            told.add(value)
        shown.append(edge)
    return tuple(shown)
