"""What of a model is computed anew for every token, and what once.

A model with a second input, an encoder's, has parts that depend on no streamed axis. Decoding
computes them with the first tokens and keeps what later tokens need of them:

    memory = source |> embed |> encoder          # once
    k = memory |> k_proj                         # once, in every layer of the decoder
    y = attend(q, k, v)                          # for every token; needs k and v

Every value has a level: STATIC where settings and parameters alone decide it, ONCE where an input
does that does not stream, STREAMED where a token does. A module of which one application differs
from another has the higher level of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archdsl.graph import (
    Experts,
    Layers,
    Model,
    Module,
    ModuleList,
    Part,
    Segment,
    Single,
    distinct,
)
from archdsl.nodes import Apply, Input, Item, Loop, Mixture, Node, Scan, reordered
from archdsl.record import replace
from archdsl.symbols import BATCH, SEEN, STREAM, TIME
from archdsl.types import TensorType

STATIC, ONCE, STREAMED = 0, 1, 2


@dataclass(slots=True)
class Flow:
    """The levels of a model's values. `inputs` has those of each module's inputs, by its id.
    A model is `plain` where every input streams: then nothing is ONCE.
    """

    model: Model
    inputs: dict[int, list[int]] = field(default_factory=dict)
    plain: bool = False
    _levels: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _owns: dict[int, bool] = field(default_factory=dict)

    def levels(self, module: Module) -> tuple[int, ...]:
        """The level of each node of a module."""
        if module.id not in self._levels:
            level = self.inputs.get(module.id, [STREAMED] * len(module.inputs))
            known = dict(zip(module.inputs, level, strict=True))
            self._levels[module.id] = tuple(self._run(module, module.nodes, known))
        return self._levels[module.id]

    def _run(
        self, module: Module, nodes: Sequence[Node], known: Mapping[int, int]
    ) -> Iterator[int]:
        """The levels of nodes; what a scan or a loop repeats has that of the whole."""
        levels: list[int] = []
        for i, node in enumerate(nodes):
            level = max((levels[a] for a in node.args), default=STATIC)
            level = max(level, known.get(i, STATIC), *(self._axes(module, t) for t in node.types))
            levels.append(level)
            yield level

    def _axes(self, module: Module, t: TensorType) -> int:
        """The level that the axes of a type alone decide."""
        level = STATIC
        for axis in self.model.shape(module, t):
            names = axis.symbols() - {BATCH}
            if names & {STREAM, SEEN}:
                return STREAMED
            level = max(level, ONCE if names else STATIC)
        return level

    def owns(self, module: Module) -> bool:
        """Whether a module has parameters, its own or a submodule's."""
        if module.id not in self._owns:
            self._owns[module.id] = bool(module.params) or any(
                self.owns(m) for c in module.children for _, m in c.modules
            )
        return self._owns[module.id]

    def once(self, module: Module) -> tuple[int, ...]:
        """The nodes of a module that are computed with the first tokens only, in order.

        None in a module that does not stream itself, and none in one without parameters: what it
        does is no work.
        """
        if self.plain:
            return ()
        levels = self.levels(module)
        if STREAMED not in levels or not self.owns(module):
            return ()
        places = (i for i, level in enumerate(levels) if level == ONCE)
        return tuple(i for i in places if not isinstance(module.nodes[i].form, Input))

    def kept(self, module: Module) -> tuple[int, ...]:
        """Those of `once` that later tokens need."""
        once = set(self.once(module))
        if not once:
            return ()
        levels = self.levels(module)
        used = {a for i, n in enumerate(module.nodes) if levels[i] == STREAMED for a in n.args}
        used |= set(module.outputs)
        return tuple(sorted(once & used))


def flow(model: Model) -> Flow:
    """The levels of a model, from its inputs through all that is applied."""
    result = Flow(model)
    root = model.root
    result.inputs[root.id] = [
        max(ONCE, result._axes(root, root.nodes[i].type)) for i in root.inputs
    ]
    result.plain = ONCE not in result.inputs[root.id]
    if result.plain:
        return result
    # Children are made before what holds them: in falling order, all applications come first.
    for module in sorted(modules(root), key=lambda m: -m.id):
        _pass_on(result, module, module.nodes, result.levels(module))
    return result


def streaming_inputs(model: Model) -> list[tuple[int, int]]:
    """The inputs of a model that grow token by token, and which of their axes does."""
    root = model.root
    types = [root.nodes[i].type for i in root.inputs]
    return [(which, t.axes.index(TIME)) for which, t in enumerate(types) if TIME in t.axes]


def modules(root: Module) -> list[Module]:
    """A module and all below it, each once."""
    reached: dict[int, Module] = {}
    pending = [root]
    while pending:
        module = pending.pop()
        if module.id not in reached:
            reached[module.id] = module
            pending.extend(m for c in module.children for _, m in c.modules)
            parts = (c.part for c in module.children)
            pending.extend(m for part in parts for m in _applied(part))
    return list(reached.values())


def _applied(part: Part) -> Iterator[Module]:
    """The modules of a part that is applied to tensors of several types."""
    match part:
        case Single(applied=applied):
            yield from applied
        case Layers(applied=stacks):
            yield from (module for use in stacks for _, module in distinct(use))
        case ModuleList(applied=uses):
            yield from (module for use in uses for _, module in use)


def _pass_on(flow: Flow, module: Module, nodes: Sequence[Node], levels: Sequence[int]) -> None:
    """The levels of arguments to the inputs of what is applied."""
    for i, node in enumerate(nodes):
        args = [levels[a] for a in node.args]
        match node.form:
            case Apply() | Mixture() as form:
                child = module.child(form.child)
                context = args[len(args) - form.context :] if isinstance(form, Apply) else []
                names = child.given(form) if isinstance(form, Apply) else ()
                given = dict(zip(names, context, strict=True))
                for _, inner in child.at(form):
                    _note(flow, inner, args, given)
            case Scan(body) | Loop(body):
                count = body.states + body.over
                begun = [levels[i]] * count + args[count:]
                known = dict(zip(body.inputs, begun, strict=True))
                within = tuple(flow._run(module, body.nodes, known))
                _pass_on(flow, module, body.nodes, within)


def _note(flow: Flow, inner: Module, args: list[int], given: Mapping[str, int]) -> None:
    own = flow.inputs.setdefault(inner.id, [STATIC] * len(inner.inputs))
    plain = len(inner.inputs) - len(inner.context)
    values = [*args[:plain], *(given[name] for name in inner.context)]
    own[:] = [max(a, b) for a, b in zip(own, values, strict=True)]


# --- a model in the order of its levels -----------------------------------------------------------


def in_order(model: Model) -> Model:
    """The model with the nodes that run once before those that run for every token."""
    levels = flow(model)
    if not any(levels.once(m) for m in modules(model.root)):
        return model
    done: dict[int, Module] = {}
    return replace(model, root=_sorted(levels, model.root, done))


def _sorted(flow: Flow, module: Module, done: dict[int, Module]) -> Module:
    if module.id not in done:
        children = tuple(replace(c, part=_part(flow, c.part, done)) for c in module.children)
        nodes, outputs = module.nodes, module.outputs
        if flow.once(module):
            levels = flow.levels(module)
            inputs = dict.fromkeys(module.inputs, STATIC - 1)
            order = sorted(range(len(nodes)), key=lambda i: (inputs.get(i, levels[i]), i))
            nodes = reordered(nodes, order)
            outputs = tuple(order.index(o) for o in outputs)
        done[module.id] = replace(module, children=children, nodes=nodes, outputs=outputs)
    return done[module.id]


def _part(flow: Flow, part: Part, done: dict[int, Module]) -> Part:
    match part:
        case Single(module, applied):
            others = tuple(_sorted(flow, m, done) for m in applied)
            return replace(part, module=_sorted(flow, module, done), applied=others)
        case Layers(segments, applied=stacks):
            others_applied = tuple(_segments(flow, use, done) for use in stacks)
            return Layers(_segments(flow, segments, done), others_applied)
        case ModuleList(applied=uses):
            sorted_uses = (tuple((i, _sorted(flow, m, done)) for i, m in use) for use in uses)
            return replace(part, applied=tuple(sorted_uses))
        case Experts(expert):
            return replace(part, expert=_sorted(flow, expert, done))


def _segments(
    flow: Flow, segments: tuple[Segment, ...], done: dict[int, Module]
) -> tuple[Segment, ...]:
    return tuple(
        replace(
            s,
            item=_sorted(flow, s.item, done)
            if isinstance(s.item, Module)
            else _segments(flow, s.item, done),
        )
        for s in segments
    )


# --- what a scan or a loop repeats --------------------------------------------------------------


def results_read(nodes: tuple[Node, ...]) -> dict[int, set[int]]:
    """Which results of nodes with several are read, by the place of the node."""
    used = {a for n in nodes for a in n.args}
    read: dict[int, set[int]] = {}
    for i, node in enumerate(nodes):
        if isinstance(node.form, Item) and i in used:
            read.setdefault(node.args[0], set()).add(node.form.index)
    return read


def needed_inside(outer: Node, read: set[int]) -> set[int]:
    """The nodes, by `id`, that matter of those that a scan or a loop repeats: to its states, or to
    what it yields and somebody reads, `read` being the results that are.
    """
    body = outer.body
    assert body is not None
    first = 0 if isinstance(outer.form, Scan) else body.states
    waiting = list(body.outputs[: body.states])
    for number, out in enumerate(body.outputs[body.states :]):
        if len(outer.types) == 1 or first + number in read:
            waiting.append(out)
    needed: set[int] = set()
    while waiting:
        i = waiting.pop()
        if i not in needed:
            needed.add(i)
            waiting.extend(body.nodes[i].args)
    return {id(body.nodes[i]) for i in needed}
