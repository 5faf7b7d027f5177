"""A module's body as a diagram: operations that move numbers without computing contract into wires.

What is drawn follows from what a node is. An application is a box, or a pill where its block is a
mere function; a residual sum is an operator with a wire round the side; sums and products of two
computed values are operators; what is cached is a box of its own. Parameters, numbers, positions
and everything that depends on them alone stay out of the picture, save what owns parameters (a
position embedding).

    q = x |> q_proj |> rearrange[...] |> rope       x ── q · 4,096 ── RoPE ──
"""

from collections import Counter
from collections.abc import Callable, Iterable

from archdsl.dims import Dim
from archdsl.graph import Child, Layers, Module
from archdsl.nodes import (
    Apply,
    Body,
    Cache,
    Elementwise,
    Input,
    Item,
    Loop,
    Mixture,
    Positions,
    Residual,
    Scan,
)
from archdsl.nodes import Node as Value
from archdsl.record import replace
from archdsl.roles import WRAPPING
from archdsl.text import SEMIBOLD, line
from archdsl.view import words
from archdsl.view.draft import (
    Applied,
    Draft,
    Labelled,
    Place,
    Splice,
    cache,
    contract,
    idle,
    mixture,
    operation,
    result,
    state,
    upstream,
)
from archdsl.view.types import Diagram, Edge, Node


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
    draft = Draft(place, names={} if names is None else names)
    for number, value in enumerate(place.module.nodes):
        _draw(draft, number, value, entry, applied)
    outputs = tuple(draft.ends.get(out, ()) for out in place.module.outputs)
    ends = tuple(name for out in outputs for name in out)
    needed = upstream(draft, ends)
    inputs = {draft.ends[number] for number in place.module.inputs if number in draft.ends}
    unsaid = [
        edge for edge in draft.passing if edge.source not in needed or (edge.source,) not in inputs
    ]
    if unsaid:
        draft.edges += unsaid
        needed = upstream(draft, ends)
    nodes = tuple(node for node in draft.nodes if node.id in needed)
    edges = tuple(edge for edge in draft.edges if edge.source in needed and edge.target in needed)
    edges = tuple(
        replace(edge, result=result(place.module, draft.carried[at], draft.ends))
        if (at := (edge.source, edge.target, edge.port)) in draft.carried
        else edge
        for edge in edges
    )
    nodes, edges = _summed(nodes, edges, draft.sums, set(ends))
    if labelled is not None:
        edges = _labelled(draft, nodes, edges, labelled, everywhere)
    return Diagram(nodes, edges), outputs


def _shared(module: Module, value: Value, shown: Node) -> Node:
    """A box of a block that stands elsewhere too says that these are the same weights."""
    assert isinstance(value.form, Apply)
    child = module.child(value.form.child)
    _, inner = child.at(value.form)[0]
    places = [
        node
        for node in module.nodes
        if isinstance(node.form, Apply)
        and (node.form.child, node.form.item) == (value.form.child, value.form.item)
    ]
    again = len(places) > 1 and not isinstance(child.part, Layers)
    if shown.form != "box" or not (again or inner.shared is not None) or not _has_params(inner):
        return shown
    return replace(shown, lines=(*shown.lines, line("shared weights", "quiet")))


def _has_params(module: Module) -> bool:
    return any(param.kind == "param" for param in module.params) or any(
        _has_params(inner) for child in module.children for _, inner in child.modules
    )


def _summed(
    nodes: tuple[Node, ...], edges: tuple[Edge, ...], sums: set[str], outputs: set[str]
) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Sums of sums as one plus, a bar over all its terms."""
    waiting = list(edges)
    for edge in edges:
        low, high = edge.source, edge.target
        if not {low, high} <= sums or low in outputs or edge.label:
            continue
        if sum(other.source == low for other in waiting) != 1:
            continue
        before = [other for other in waiting if other.target == low]
        at = waiting.index(next(e for e in waiting if e.source == low and e.target == high))
        waiting[at : at + 1] = [replace(other, target=high) for other in before]
        waiting = [other for other in waiting if other.target != low]
    terms = Counter(edge.target for edge in waiting)
    kept = {name for edge in waiting for name in (edge.source, edge.target)}
    bar = line("+", "ink", SEMIBOLD)
    shown = tuple(
        replace(node, form="pill", mark="", lines=(bar,), wide=True)
        if node.id in sums and terms[node.id] > 2
        else node
        for node in nodes
        if node.id in kept or node.id not in sums
    )
    return shown, tuple(waiting)


def _draw(
    draft: Draft,
    number: int,
    value: Value,
    entry: Callable[[Value, str], Node],
    applied: Applied,
) -> None:
    """Draw one value of a body, or contract it into the wires of what it comes from."""
    sources = tuple(draft.ends[arg] for arg in value.args if draft.ends.get(arg))
    match value.form:
        case Input():
            draft.add(entry(value, draft.named(value.name)), number, ())
        case Apply() as form:
            child = draft.place.module.child(form.child)
            passing: Iterable[tuple[int, str]] = ()
            wrapping = any(module.role in WRAPPING for _, module in child.modules)
            if wrapping or isinstance(child.part, Layers):
                # what only passes through to blocks inside is no wire of the block around them
                own = len(value.args) - form.context
                passing = zip(value.args[own:], child.given(form), strict=False)
                value = replace(value, args=value.args[:own])
            read = _read(child, value)
            sources = tuple(draft.ends[arg] for arg in read if draft.ends.get(arg))
            owns = any(module.params or module.children for _, module in child.modules)
            if sources or (owns and (not read or _positional(draft, value))):
                shown = applied(draft.place, value, draft.named(form.child))
                if isinstance(shown, Node):
                    shown = _shared(draft.place.module, value, shown)
                    _pass(draft, shown, passing)
                if isinstance(shown, Splice):
                    _splice(draft, number, value, shown)
                    return
                if shown is not None and shown.form == "group":
                    _entered(draft, number, value, child.modules[0][1], shown)
                    return
                if shown is not None:
                    draft.add(shown, number, sources)
                    if shown.form == "choice":
                        _given(draft, number, shown, entry)
                    return
            contract(draft, number, sources)
        case Residual() if not draft.place.bare:
            node = Node(draft.named("sum"), "operator", mark="+", tooltip="residual sum")
            draft.nodes.append(node)
            skip, branch = (draft.ends.get(arg, ()) for arg in value.args)
            draft.edges += [Edge(source, node.id) for source in branch]
            draft.edges += [Edge(source, node.id, "residual") for source in skip]
            draft.brought(node.id, value.args[::-1])
            draft.sums.add(node.id)
            draft.ends[number] = (node.id,)
        case Cache():
            draft.add(cache(draft, value), number, sources)
        case Mixture():
            mixture(draft, number, value)
        case Elementwise("multiply", experts) if experts:
            idle(draft, number, value)
        case Item(index) if value.args[0] in draft.results:
            draft.ends[number] = draft.results[value.args[0]][index]
        case Item():
            contract(draft, number, sources)
        case Loop(repeated, rounds) if _works(repeated) and not draft.place.bare:
            _loop(draft, number, repeated, rounds, sources, applied)
        case Scan(repeated) if not draft.place.bare:
            _scan(draft, number, value, repeated, applied)
        case _:
            operation(draft, number, value, sources)


def _read(child: Child, value: Value) -> tuple[int, ...]:
    """The arguments that a block uses; the others it calls `_x`."""
    used = {
        number
        for _, module in child.modules
        for number, at in enumerate(module.inputs)
        if not module.nodes[at].name.startswith("_")
    }
    return tuple(arg for number, arg in enumerate(value.args) if number in used)


def _entered(draft: Draft, number: int, value: Value, module: Module, node: Node) -> None:
    """A group, whose first operand enters at its port and the others beside it, by their names."""
    names = [module.nodes[at].name for at in module.inputs]
    draft.nodes.append(node)
    draft.ends[number] = (node.id,)
    wired: set[str] = set()
    for arg, name in zip(value.args, names, strict=False):
        for source in draft.ends.get(arg, ()):
            entry = name if arg != value.args[0] else ""
            if source not in wired or entry:
                shown = (
                    line(words.called(draft.place.module.nodes[arg], entry), "quiet")
                    if entry
                    else ()
                )
                draft.edges.append(Edge(source, node.id, label=shown, entry=entry))
            wired.add(source)


def _pass(draft: Draft, node: Node, passing: Iterable[tuple[int, str]]) -> None:
    """Keep the wires of what a node gets for the blocks inside it."""
    for arg, name in passing:
        for source in draft.ends.get(arg, ()):
            shown = line(words.called(draft.place.module.nodes[arg], name), "quiet")
            draft.passing.append(Edge(source, node.id, label=shown, entry=name))


def _given(draft: Draft, number: int, node: Node, entry: Callable[[Value, str], Node]) -> None:
    """The wires of what the other blocks of a choice read and the first does not. Layers of other
    kinds apply the same blocks in the same order to what they are given; some lack one.
    """
    place = draft.place
    own = {place.module.nodes[at].name: at for at in place.module.inputs}
    wired = {edge.source for edge in draft.edges if edge.target == node.id}

    def ends(module: Module, at: int) -> tuple[str, ...]:
        value = module.nodes[at]
        if isinstance(value.form, Input):
            if value.name not in own and value.name not in draft.given:
                shown = entry(value, draft.named(value.name))
                draft.nodes.append(shown)
                draft.given[value.name] = shown.id
            return draft.ends.get(own[value.name], ()) if value.name in own else (
                draft.given[value.name],
            )  # fmt: skip
        if isinstance(value.form, Apply):
            drawn = _same_step(module, at, place.module)
            return () if drawn is None else draft.ends.get(drawn, ())
        return tuple(name for arg in value.args for name in ends(module, arg))

    for kind in place.kinds:
        module = kind.module
        at = _same_step(place.module, number, module)
        for arg in () if at is None else module.nodes[at].args:
            for source in ends(module, arg):
                if source not in wired:
                    draft.edges.append(Edge(source, node.id))
                    wired.add(source)


def _same_step(module: Module, number: int, other: Module) -> int | None:
    """The application in another layer that is the same step as one of a layer: of the same child,
    for the same time. None where it has none.
    """

    def steps(of: Module, child: str) -> list[int]:
        nodes = enumerate(of.nodes)
        return [at for at, v in nodes if isinstance(v.form, Apply) and v.form.child == child]

    form = module.nodes[number].form
    assert isinstance(form, Apply)
    time = steps(module, form.child).index(number)
    there = steps(other, form.child)
    return there[time] if time < len(there) else None


def _splice(draft: Draft, number: int, value: Value, splice: Splice) -> None:
    """A block's own diagram, its ports replaced by what its inputs come from."""
    given = {
        entry: draft.ends.get(arg, ())
        for entry, arg in zip(splice.entries, value.args, strict=False)
    }
    draft.nodes += [node for node in splice.diagram.nodes if node.id not in splice.entries]
    for edge in splice.diagram.edges:
        for source in given.get(edge.source, (edge.source,)):
            draft.edges.append(replace(edge, source=source))
    results = tuple(
        tuple(dict.fromkeys(name for end in out for name in given.get(end, (end,))))
        for out in splice.outputs
    )
    draft.results[number] = results
    draft.ends[number] = tuple(dict.fromkeys(name for out in results for name in out))


def _positional(draft: Draft, value: Value) -> bool:
    """Whether an application reads positions and nothing else."""
    return all(isinstance(draft.place.module.nodes[arg].form, Positions) for arg in value.args)


def _works(repeated: Body) -> bool:
    """Whether a loop applies blocks, so that its body is worth a frame."""
    return any(isinstance(node.form, Apply) for node in repeated.nodes)


def _loop(
    draft: Draft,
    number: int,
    repeated: Body,
    turns: Dim,
    sources: tuple[tuple[str, ...], ...],
    applied: Applied,
) -> None:
    """A loop as a group that repeats: its first state enters and leaves, what it yields in each
    round ends inside.
    """
    place = draft.place
    module = replace(
        place.module, nodes=repeated.nodes, inputs=repeated.inputs, outputs=repeated.outputs
    )
    name = draft.named("loop")
    below, above = Node(f"{name}.in-0", "port"), Node(f"{name}.out-0", "port")

    def entry(given: Value, inside: str) -> Node:
        first = repeated.nodes[repeated.inputs[0]]
        shown = line(words.called(given), "quiet")
        return below if given is first else Node(inside, "terminal", (shown,))

    inner, outputs = body(replace(place, module=module), entry, applied, None, names=draft.names)
    ends = [Edge(end, above.id) for out in outputs[: repeated.states] for end in out]
    yields: list[Node] = []
    for out in outputs[repeated.states :]:
        if out:
            yields.append(Node(draft.named("yield"), "terminal", (line("each round", "quiet"),)))
            ends += [Edge(end, yields[-1].id) for end in out]
    nodes = (below, *(node for node in inner.nodes if node is not below), *yields, above)
    rounds = place.model.number(place.module, turns).value
    loops = repeated.states == 1 and rounds != 1  # of several, a wire would not say which it is
    shown = Diagram(nodes, (*inner.edges, *dict.fromkeys(ends)), roomy=True, loops=loops)
    title = (line("loop", "quiet"),)
    node = Node(name, "group", title, "frame", inner=shown, count=rounds or 1)
    draft.add(node, number, sources)


def _scan(draft: Draft, number: int, value: Value, repeated: Body, applied: Applied) -> None:
    """A recurrence as what it does to one token: its states enter as the last token left them, and
    end as the next one finds them.
    """
    place = draft.place
    module = replace(
        place.module, nodes=repeated.nodes, inputs=repeated.inputs, outputs=repeated.outputs
    )
    given = {id(repeated.nodes[at]): number for number, at in enumerate(repeated.inputs)}
    ports = tuple(draft.named("scan.in") for _ in repeated.inputs)

    def entry(read: Value, inside: str) -> Node:
        which = given[id(read)]
        if which < repeated.states:
            return state(draft, read, "state", inside)
        return Node(ports[which], "port")

    inner, outputs = body(replace(place, module=module), entry, applied, None, names=draft.names)
    fed = replace(value, args=value.args[repeated.states :])
    entries = ports[repeated.states :]
    _splice(draft, number, fed, Splice(inner, entries, outputs[repeated.states :]))
    for which, ends in enumerate(outputs[: repeated.states]):
        kept = repeated.nodes[repeated.inputs[which]]
        after = state(draft, kept, "next", f"{kept.name}.next")
        draft.nodes.append(after)
        draft.sinks.append(after.id)
        for end in ends:
            sources = draft.ends.get(fed.args[entries.index(end)], ()) if end in entries else (end,)
            draft.edges += [Edge(source, after.id) for source in sources]


def _labelled(
    draft: Draft,
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
    labelled_values: set[tuple[str, int]] = set()
    shown: list[Edge] = []
    for edge in edges:
        number = draft.carried.get((edge.source, edge.target, edge.port), -1)
        value = edge.source, number
        first = everywhere and edge.form == "flow" and edge.source not in silent
        if number >= 0 and (edge.target in wide or (first and value not in labelled_values)):
            label = labelled(draft.place, draft.place.module.nodes[number], edge.port)
            if edge.label:  # the mark of an operand
                label = (*edge.label, *line("  "), *label)
            edge = replace(edge, label=label)
            labelled_values.add(value)
        shown.append(edge)
    return tuple(shown)
