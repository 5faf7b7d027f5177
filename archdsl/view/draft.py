"""A diagram in the making: what of a body is drawn so far, and how its operations are drawn.

An operation that computes is a pill or, where two computed values meet, an operator; what only
moves numbers contracts into the wires of what it comes from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf

from archdsl.axes import Plan, factors
from archdsl.dims import Dim
from archdsl.graph import Experts, Model, Module
from archdsl.nodes import Apply, Einsum, Elementwise, Item, Mixture, Number, Rearrange
from archdsl.nodes import Node as Value
from archdsl.ops import OPS
from archdsl.record import record, replace
from archdsl.shown import NOTHING, Shown
from archdsl.text import SEMIBOLD, Line, line
from archdsl.view import words
from archdsl.view.steps import constant, joined, step
from archdsl.view.types import Diagram, Edge, Node

_MARKS = {op.name: op.mark for op in OPS.values() if op.mark}
SIGNS = {op.name: op.beside for op in OPS.values() if op.beside}
"""Operations whose operands have an order, with what stands beside the wire of each: the sign is
beside the operand that it stands before, a − b beside b.
"""


_LONGEST_PILL = 30
"""No pill says more than so many letters, if it is not one step."""


@record
class Kind:
    """A module that `count` layers have at one place of a drawing; `layers`: the ids of the modules
    of these layers.
    """

    count: int
    module: Module
    layers: frozenset[int] = frozenset()


@record
class Place:
    """Where a body is drawn: its model and module, the path that its nodes' ids begin with, what is
    asked for, and how many blocks lie around it (the model's own parts are at level 1).

    `kinds`: the modules that layers have here, where layers that are drawn as one differ in their
    slots. `shut`: parts of the model that stay closed, for others like them are open. `bare`:
    blocks are drawn and operations are not. `within`: what the names of maps begin with.
    """

    model: Model
    module: Module
    path: str
    choice: Shown = NOTHING
    level: int = 1
    kinds: tuple[Kind, ...] = ()
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
Labelled = Callable[[Place, Value, str], Line]
"""What stands beside the wire that carries a value into a wide node, at an input of this name."""


Ends = Mapping[int, tuple[str, ...]]
"""The drawn nodes that each value comes from."""


@dataclass(slots=True)
class Draft:
    """A diagram in the making. `ends[i]`: the drawn nodes that value i comes from; `results[i]`:
    the same for each of several results. `carried`: which value a wire from node to node brings.
    `passing`: wires of what is given to blocks inside a node, which are drawn where nothing else
    tells where that comes from. `sinks`: nodes that stay though no output comes from them. `steps`:
    of the pills of steps the value that they give, and what they say. `given`: the nodes of inputs
    that only layers of another kind have. `sums`: the nodes of sums of two computed values.
    """

    place: Place
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    ends: dict[int, tuple[str, ...]] = field(default_factory=dict)
    results: dict[int, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    carried: dict[tuple[str, str, str], int] = field(default_factory=dict)
    passing: list[Edge] = field(default_factory=list)
    sinks: list[str] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    steps: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    sums: set[str] = field(default_factory=set)

    def named(self, name: str) -> str:
        """An id that nothing in the diagram has."""
        base = f"{self.place.path}.{name}" if self.place.path else name
        number = self.names.get(base, 0) + 1
        if number > 1:  # parts of a stack have numbers too
            parts = [node.inner.nodes for node in self.nodes if node.id == base and node.inner]
            taken = {node.id for nodes in parts for node in nodes}
            while f"{base}.{number}" in taken:
                number += 1
        self.names[base] = number
        return base if number == 1 else f"{base}.{number}"

    def add(self, node: Node, value: int, sources: tuple[tuple[str, ...], ...]) -> None:
        """Draw a value as a node, with a wire from each of its sources."""
        self.nodes.append(node)
        args = self.place.module.nodes[value].args
        ports = self._ports(value) if node.wide else ()
        if ports:
            for arg, port in zip(args, ports, strict=False):
                if port.startswith("_"):  # the block does not use it
                    continue
                for source in self.ends.get(arg, ()):
                    self.edges.append(Edge(source, node.id, port=port))
                    self.carried[source, node.id, port] = arg
            self.ends[value] = (node.id,)
            return
        self.ends[value] = (node.id,)
        for source in dict.fromkeys(name for source_names in sources for name in source_names):
            self.edges.append(Edge(source, node.id))
        self.brought(node.id, args)

    def _ports(self, value: int) -> tuple[str, ...]:
        """The names of the inputs of the block that a value applies."""
        form = self.place.module.nodes[value].form
        if not isinstance(form, Apply):
            return ()
        _, module = self.place.module.child(form.child).at(form)[0]
        return tuple(module.nodes[number].name for number in module.inputs)

    def brought(self, target: str, args: tuple[int, ...]) -> None:
        """Keep which of the values that a node reads come from which node, where that is one."""
        for arg in args:
            ends = self.ends.get(arg, ())
            if len(ends) == 1:
                self.carried.setdefault((ends[0], target, ""), arg)


def result(module: Module, number: int, ends: Ends | None = None) -> str:
    """Which part of what a node gives a value is, by the places of the part, "" for the first. A
    value is what it is computed from as long as nothing is drawn in between, by the `ends`; without
    them as long as it is only moved.
    """
    places: list[int] = []
    value = module.nodes[number]
    while len(value.args) == 1 and not isinstance(value.form, Apply):
        (arg,) = value.args
        if isinstance(value.form, Item):
            places.append(value.form.index)
        elif ends is None and not isinstance(value.form, Rearrange):
            break
        if ends is not None and ends.get(arg) != ends.get(number):
            break
        number, value = arg, module.nodes[arg]
    return ".".join(map(str, places)) if any(places) else ""


def contract(draft: Draft, number: int, sources: tuple[tuple[str, ...], ...]) -> None:
    """A value that is not drawn: it comes from what it is computed from."""
    draft.ends[number] = tuple(dict.fromkeys(name for source in sources for name in source))


def upstream(draft: Draft, outputs: tuple[str, ...]) -> set[str]:
    """The nodes that outputs and sinks depend on."""
    sources: dict[str, list[str]] = {}
    for edge in draft.edges:
        sources.setdefault(edge.target, []).append(edge.source)
    reached: set[str] = set()
    waiting = [*outputs, *draft.sinks]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(sources.get(name, ()))
    return reached


def mixture(draft: Draft, number: int, value: Value) -> None:
    """The first experts and the last between the router and the sum of those it chooses."""
    assert isinstance(value.form, Mixture)
    name = value.form.child
    bank = draft.place.module.child(name).part
    assert isinstance(bank, Experts)
    tokens, *chosen = (draft.ends.get(arg, ()) for arg in value.args)
    sources = dict.fromkeys(name for wires in chosen for name in wires) or dict.fromkeys(tokens)
    known = upstream(draft, tuple(sources))
    sources |= dict.fromkeys(end for end in tokens if end not in known)  # what the router reads too
    total = Node(draft.named("sum"), "operator", mark="+", tooltip="sum of the chosen")
    if draft.ends.get(value.args[1]):  # else the weights are fixed numbers
        about = "sum of what the chosen experts give, by the weights of the router"
        total = Node(total.id, "pill", (line("weighted sum"),), tooltip=about)
    counts = sorted({1, 2, bank.count} & set(range(1, bank.count + 1)))
    names = [draft.named(name) for _ in counts][::-1]  # the last, at the right, by its path
    for count, name in zip(counts, names, strict=True):
        shown = f"expert {count:,}" if count < 3 else f"… {count:,}"
        about = f"{bank.expert.title}, one of {bank.count:,}, of which {bank.top_k} work on a token"
        node = Node(name, "box", (line(shown),), "soft", tooltip=about)
        draft.nodes.append(node)
        draft.edges += [Edge(source, node.id) for source in sources]
        draft.edges.append(Edge(node.id, total.id))
    draft.nodes.append(total)
    draft.ends[number] = (total.id,)


def idle(draft: Draft, number: int, value: Value) -> None:
    """Experts that hand back what they get, in one box beside the others: of a token they add its
    own vector, by the weights of those of them that were chosen.
    """
    nodes = draft.place.module.nodes
    among = nodes[nodes[value.args[1]].args[0]]
    sources = draft.ends.get(among.args[1]) or draft.ends.get(value.args[0], ())
    assert isinstance(value.form, Elementwise)
    count = value.form.idle
    described = f"{count:,} experts that hand back what they get"
    name = draft.named("idle")
    draft.nodes.append(Node(name, "box", (line(f"{count:,} × identity"),), tooltip=described))
    draft.edges += [Edge(source, name) for source in sources]
    draft.ends[number] = (name,)


def cache(draft: Draft, value: Value) -> Node:
    """What is kept of each token, or of every few, in a box."""
    kept = words.kept(draft.place.model, draft.place.module, value)
    lines = (line(f"cached {value.name}", "ink", SEMIBOLD), line(kept, "quiet"))
    return Node(draft.named(f"{value.name}.cache"), "box", lines, "cached", late=True)


def state(draft: Draft, value: Value, word: str, name: str) -> Node:
    """What a recurrence keeps from token to token, in a box; `said` goes before its name."""
    place = draft.place
    size = words.numbers(place.model, place.module, value.type)
    lines = (line(f"{word} {value.name}", "ink", SEMIBOLD), line(size, "quiet"))
    described = f"{word} {value.name} of the recurrence, {size} numbers"
    return Node(draft.named(name), "box", lines, "cached", tooltip=described)


def child_item(value: Value) -> int | None:
    """Which block of a list is applied; None for all of them, and for what is no list."""
    return value.form.item if isinstance(value.form, Apply) else None


def child_of(value: Value) -> str:
    """The child that a value applies; nothing where it is no application."""
    return value.form.child if isinstance(value.form, Apply) else ""


def form_name(value: Value) -> str:
    """What the ids of a value's nodes begin with: its operation, or its form."""
    return value.op or type(value.form).__name__.lower()


def operation(
    draft: Draft, number: int, value: Value, sources: tuple[tuple[str, ...], ...]
) -> None:
    """A primitive: an operator of two computed values, a pill with a label, or nothing."""
    if draft.place.bare or not sources or value.op in draft.place.choice.hidden:
        contract(draft, number, sources)
        return
    op = OPS.get(value.op)
    distinct = tuple(dict.fromkeys(sources))
    shown = op.label if op is not None else form_name(value)
    if isinstance(value.form, Einsum) and _is_outer(value.form.plan):
        shown = "outer product"
    if value.op == "select" and not _masks(draft, value):
        shown = value.op
    if value.op in _MARKS and len(distinct) == 1 and len(sources) == len(value.args):
        shown = _of_parts(draft, value) or shown
    elif len(sources) == 1:
        if isinstance(value.form, Einsum):
            _map(draft, number, value, sources)
            return
        place = draft.place
        drawn = [bool(draft.ends.get(arg)) for arg in value.args]
        words = step(place.model, place.module, value, drawn)
        shown = shown if words is None else words
        if shown and _behind(draft, number, value, shown):
            return
    if value.op in _MARKS and len(distinct) > 1:
        mark = _MARKS[value.op]
        beside = f", {mark} stands beside b" if value.op in SIGNS and op else ""
        described = f"{value.op}: {op.doc}{beside}" if beside and op else value.op
        node = Node(draft.named(form_name(value)), "operator", mark=mark, tooltip=described)
    elif isinstance(value.form, Rearrange) and len(distinct) > 1:
        node = Node(draft.named("concat"), "pill", (line("concat"),), tooltip=str(value.plan))
    elif not shown:
        contract(draft, number, sources)
        return
    else:
        tooltip = f"{op.doc if op else ''} {value.plan or ''}".strip()
        node = Node(draft.named(form_name(value)), "pill", (line(shown),), tooltip=tooltip)
    draft.add(node, number, sources)
    if value.op == "add" and node.form == "operator":
        draft.sums.add(node.id)
    if len(sources) == 1 and node.form == "pill":
        draft.steps[node.id] = (number, (shown,))
    if value.op in SIGNS and len(distinct) > 1:
        _mark(draft, node.id, value)


def _behind(draft: Draft, number: int, value: Value, shown: str) -> bool:
    """Say a step in the pill of the steps before it, where nothing else reads what these give."""
    (arg,) = (arg for arg in value.args if draft.ends.get(arg))
    ends = draft.ends[arg]
    before = draft.steps.get(ends[0]) if len(ends) == 1 else None
    if before is None or not _is_read_once(draft, arg, before[0]):
        return False
    steps = joined((*before[1], shown))
    words = ", ".join(steps)
    if len(words) > _LONGEST_PILL and len(steps) > len(before[1]):
        return False
    place = next(n for n, node in enumerate(draft.nodes) if node.id == ends[0])
    pill = draft.nodes[place]
    draft.nodes[place] = replace(pill, lines=(line(words),), tooltip="")
    draft.steps[ends[0]] = (number, steps)
    draft.ends[number] = ends
    return True


def _is_read_once(draft: Draft, number: int, owner: int) -> bool:
    """Whether only one value reads what a pill gives; `number` is what `owner` became since."""
    module = draft.place.module
    while True:
        readers = sum(node.args.count(number) for node in module.nodes)
        if readers + module.outputs.count(number) != 1:
            return False
        if number == owner:
            return True
        (number,) = (arg for arg in module.nodes[number].args if draft.ends.get(arg))


def _map(draft: Draft, number: int, value: Value, sources: tuple[tuple[str, ...], ...]) -> None:
    """A product with parameters, as the map that it is: their name, and the width of the result."""
    place = draft.place
    others = [arg for arg in value.args if not draft.ends.get(arg)]
    names = [constant(place.model, place.module, arg) for arg in others]
    label = " · ".join(name for name in names if name) or "matmul"
    shape = place.model.shape(place.module, value.type)
    if shape and shape[-1].value is not None and label != "matmul":
        label = f"{label} · {shape[-1].value:,}"
    described = f"product with parameters: {value.plan}"
    node = Node(draft.named("einsum"), "box", (line(label),), tooltip=described)
    draft.add(node, number, sources)


def _masks(draft: Draft, value: Value) -> bool:
    """Whether a choice takes minus infinity for one side, as masks before a softmax do."""
    place = draft.place
    forms = (place.module.nodes[arg].form for arg in value.args[1:])
    numbers = (form.value for form in forms if isinstance(form, Number))
    reals = (number for number in numbers if not isinstance(number, Dim))
    return any(place.model.real(place.module, real) == -inf for real in reals)


def _of_parts(draft: Draft, value: Value) -> str:
    """A sum or a product of two parts of one value by their names: "b × u". Nothing where they have
    none.
    """
    first, second = (_called(draft, arg) for arg in value.args)
    return f"{first} {_MARKS[value.op]} {second}" if first and second and first != second else ""


def _called(draft: Draft, number: int) -> str:
    """The name of a value, or of the one that it comes from where it is not drawn itself."""
    while not draft.place.module.nodes[number].name:
        args = draft.place.module.nodes[number].args
        drawn = [arg for arg in args if draft.ends.get(arg)]
        if len(drawn) != 1 or draft.ends[drawn[0]] != draft.ends[number]:
            return ""
        number = drawn[0]
    return draft.place.module.nodes[number].name


def _mark(draft: Draft, target: str, value: Value) -> None:
    """Say beside the wires which operand is which. A wire that brings several says nothing."""
    brought: dict[str, set[str]] = {}
    for arg, mark in zip(value.args, SIGNS[value.op], strict=False):
        for source in draft.ends.get(arg, ()):
            brought.setdefault(source, set()).add(mark)
    for at, edge in enumerate(draft.edges):
        marks = brought.get(edge.source, set()) if edge.target == target else set()
        if len(marks) == 1:
            draft.edges[at] = replace(edge, label=line("".join(marks), "ink", SEMIBOLD))


def _is_outer(plan: Plan) -> bool:
    """Whether a product sums over nothing, and each of two operands has axes of its own."""
    result = set(map(str, factors(plan.right[0])))
    sides = [set(map(str, factors(side))) for side in plan.left]
    if len(sides) != 2:
        return False
    one, other = sides
    return one | other <= result and bool(one - other) and bool(other - one)
