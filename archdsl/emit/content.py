"""Which modules are one class or one function of the emitted file: those of one content.

The content of a module is all that its text depends on but numbers that it can be passed: its
nodes, parameters and constants, the classes and functions of what it holds in their order, what is
shared, and what is decided of it from outside (whether tokens stream through it, what it keeps).
Numbers of settings are no content. `arguments.py` hands them over where modules of one content
differ in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from archdsl.dims import Dim
from archdsl.emit import plan as p
from archdsl.emit.names import class_name, function_name, variable
from archdsl.emit.plan import Plan
from archdsl.emit.unit import Group
from archdsl.graph import (
    Binding,
    Child,
    Experts,
    Layers,
    Module,
    ModuleList,
    Param,
    Segment,
    Single,
    distinct,
)
from archdsl.nodes import Apply, Kept, Loop, Mixture, Node, Positions, Scan, Window, every_node
from archdsl.record import replace
from archdsl.stream import modules
from archdsl.symbols import AXES, SEEN, counts_seen, counts_tokens


def grouped(plan: Plan) -> None:
    """Puts every module of the plan into its group, what a module holds before the module."""
    # A function's arguments may not have the name of a function that it calls.
    rules = plan.model.hub.weights if plan.model.hub else ()
    converting = (f"{name}_{i + 1}" for name in ("convert", "restore") for i in range(len(rules)))
    used = {"layers", "experts", *converting, *_arguments(plan.model.root), *_made_with(plan)}
    seen: dict[object, list[_Open]] = {}
    opened: list[_Open] = []
    of: dict[tuple[int, bool], _Open] = {}
    _visit(plan, plan.model.root, False, seen, opened, of)
    closed = {group.number: _closed(plan, group, used) for group in opened}
    plan.groups.extend(closed.values())
    plan.of.update({place: closed[group.number] for place, group in of.items()})


@dataclass(slots=True, eq=False)
class _Open:
    """A group to which modules are still added."""

    number: int
    function: bool
    banked: bool
    modules: list[Module] = field(default_factory=list)

    def fits(self, module: Module) -> bool:
        """Whether optional parameters that both have are the same."""
        own = {q.name: _untied(q) for q in module.params if q.guard}
        others = {_untied(q) for m in self.modules for q in m.params if q.guard}
        return all(own.get(q.name, q) == q for q in others)


def _visit(
    plan: Plan,
    module: Module,
    banked: bool,
    seen: dict[object, list[_Open]],
    opened: list[_Open],
    of: dict[tuple[int, bool], _Open],
) -> _Open:
    known = of.get((module.id, banked))
    if known is not None:
        return known
    for child in plan.children(module):
        for _, inner in child.modules:
            _visit(plan, inner, banked or isinstance(child.part, Experts), seen, opened, of)
    function = module is not plan.model.root and _is_function(plan, module, banked, of)
    banked = banked and not function
    alike = seen.setdefault((function, banked, _content(plan, module, banked, of)), [])
    group = next((g for g in alike if g.fits(module)), None)
    if group is None:
        group = _Open(len(opened), function, banked)
        alike.append(group)
        opened.append(group)
    group.modules.append(module)
    of[module.id, banked] = group
    if function and module.id not in plan.experts:
        of[module.id, True] = of[module.id, False] = group
    return group


def _is_function(
    plan: Plan, module: Module, banked: bool, of: dict[tuple[int, bool], _Open]
) -> bool:
    """Whether a module owns nothing, keeps nothing and is no layer and no expert: then it needs no
    class.
    """
    if module.params or p.keeps_itself(module) or module.id in plan.layers:
        return False
    if p.says_model(module) or (banked and module.id in plan.experts):
        return False
    return not plan.needs_like(module) and all(
        of[m.id, banked or isinstance(c.part, Experts)].function
        for c in plan.children(module)
        for _, m in c.modules
    )


def _closed(plan: Plan, group: _Open, used: set[str]) -> Group:
    (first, *_) = group.modules
    if first is plan.model.root:
        name = "Model"
    elif group.function:
        name = function_name(first.block, used)
    else:
        name = class_name(f"{first.block}Bank" if group.banked else first.block, used)
    text = max(group.modules, key=lambda m: (len(m.params), -m.id))
    return Group(name, group.function, group.banked, tuple(group.modules), text)


def _made_with(plan: Plan) -> Iterator[str]:
    """The names of what blocks are given, and of arguments of classes that look like a class: where
    one makes or calls another, neither hides the other.
    """
    for module in modules(plan.model.root):
        yield from map(variable, module.context)
        if module.params or module.children:
            names = (*p.setting_names(module), *plan.shares(module).values())
            yield from (variable(name) for name in names if not name.islower())


def _arguments(root: Module) -> set[str]:
    """The settings of all blocks that own no parameters and may become functions."""
    names: set[str] = set()
    nothing: dict[int, bool] = {}

    def owns_nothing(module: Module) -> bool:
        if module.id not in nothing:
            inner = [owns_nothing(m) for child in module.children for _, m in child.modules]
            nothing[module.id] = not module.params and all(inner)
            if nothing[module.id]:
                names.update(map(variable, p.setting_names(module)))
        return nothing[module.id]

    owns_nothing(root)
    return names


# --- content --------------------------------------------------------------------------------------


def _content(
    plan: Plan, module: Module, banked: bool, of: dict[tuple[int, bool], _Open]
) -> tuple[object, ...]:
    """What has to agree for two modules to share their text."""
    names = {**p.owned(module), **plan.shares(module)}
    children = tuple(
        (
            child.name,
            child.owned is not None,
            child.ties,
            _structure(plan, child, banked, names, of),
        )
        for child in plan.children(module)
    )
    return (
        module.block,
        module.doc,
        module.intrinsic if plan.lowered(module) else "",
        _computed(plan, module),
        _parameters(plan, module, banked),
        children,
        tuple(names.values()),
        tuple(p.setting_names(module)),
        tuple(name in module.symbols.dims for name in p.setting_names(module)),
        _surroundings(plan, module),
    )


def _structure(
    plan: Plan,
    child: Child,
    banked: bool,
    names: dict[Binding, str],
    of: dict[tuple[int, bool], _Open],
) -> object:
    """What a child is made of: the groups of its modules, in the order of its schedule."""
    number = {m.id: k for k, (_, m) in enumerate(child.modules)}
    inner = banked or isinstance(child.part, Experts)

    def one(m: Module) -> tuple[object, ...]:
        handed = None if m.shared is None else names[m.shared]
        optional = tuple(q.name for q in m.params if q.guard)
        return number[m.id], of[m.id, inner].number, optional, handed

    def several(segments: Sequence[Segment]) -> tuple[object, ...]:
        return tuple(
            (s.count, s.of, one(s.item) if isinstance(s.item, Module) else several(s.item))
            for s in segments
        )

    match child.part:
        case Single(module, applied):
            return one(module), tuple((plan.needs_start(m), plan.keeps(m)) for m in applied)
        case Layers(segments, applied=stacks):
            applied_to = [m for use in stacks for _, m in distinct(use)]
            return several(segments), tuple(
                (plan.needs_start(m), plan.keeps(m)) for m in applied_to
            )
        case ModuleList(applied=uses) as listed:
            decided = [(plan.needs_start(m), plan.keeps(m)) for use in uses for _, m in use]
            return several(listed.segments), tuple(decided)
        case Experts(expert, count, top_k, count_of):
            return count, top_k, count_of, one(expert)


def _parameters(plan: Plan, module: Module, banked: bool) -> tuple[Param, ...]:
    """The parameters; of a kernel those that there always are, for its text leaves room for the
    others. A bank holds each expert's own.
    """
    always = _has_kernel(plan, module) and not banked
    return tuple(_untied(q) for q in module.params if not always or not q.guard)


def _untied(param: Param) -> Param:
    """A parameter as its own class makes it: the block that ties it does so afterwards."""
    return replace(param, tied=())


def _has_kernel(plan: Plan, module: Module) -> bool:
    """Whether a kernel stands for the body, and nothing of it is written."""
    return plan.lowered(module) and module.intrinsic != "sdpa"


def _computed(plan: Plan, module: Module) -> tuple[object, ...]:
    """What a body computes; of a kernel what it reads of the body."""
    if not _has_kernel(plan, module):
        return (
            *(_plain(n) for n in module.nodes),
            "consts",
            *(_plain(n) for n in module.consts),
            "initials",
            *(_plain(n) for n in module.initials),
            module.inputs,
            module.outputs,
        )
    read: list[object] = [(module.nodes[i].name, module.nodes[i].type) for i in module.inputs]
    for node in module.nodes:
        match node.form:
            case Window(size, place):
                read.append((size, place))
            case Scan(body):
                read.append((body.state_names, body.state_types))
    return tuple(read)


def _plain(node: Node) -> tuple[object, ...]:
    """A node without its place in the spec."""
    match node.form:
        case Scan(body) | Loop(body):
            form: tuple[object, ...] = (
                type(node.form),
                tuple(map(_plain, body.nodes)),
                body.inputs,
                body.outputs,
                body.states,
                body.over,
                body.axis,
                node.form.rounds if isinstance(node.form, Loop) else None,
            )
        case other:
            form = (other,)
    return form, node.args, node.types, node.name


def _surroundings(plan: Plan, module: Module) -> tuple[object, ...]:
    """What is decided of a module from outside, and its text shows."""
    dims = module.symbols.dims
    positions = tuple(
        (counts_tokens(dims, n.form.axis), counts_seen(dims, n.form.axis))
        for n in every_node(module.nodes)
        if isinstance(n.form, Positions)
    )
    # What is kept of an input that does not stream is as long as the model's settings say.
    lengths = (
        tuple((n, dims.get(n)) for n in p.free_axes(module) if n not in AXES)
        if p.keeps_itself(module)
        else ()
    )
    applied = tuple(
        any(plan.keeps(m) for _, m in module.child(n.form.child).at(n.form))
        for n in every_node(module.nodes)
        if isinstance(n.form, Apply | Mixture)
    )
    return (
        module.streams if _depends_on_stream(module) else None,
        plan.needs_start(module),
        plan.keeps(module),
        plan.needs_like(module),
        plan.given(module),
        module.context,
        plan.flow.once(module),
        plan.flow.kept(module),
        positions,
        lengths,
        applied,
        p.shares_heads(module) if module.intrinsic == "sdpa" and plan.lowered(module) else None,
    )


def _depends_on_stream(module: Module) -> bool:
    """Whether the text of a body differs where tokens stream through it: it has places in the
    cache, or says how much was seen.
    """
    nodes = list(every_node(module.nodes))
    if any(isinstance(n.form, Kept) for n in nodes):
        return True
    axes = (a for n in nodes for t in n.types for a in t.axes)
    says_seen = any(isinstance(a, Dim) and SEEN in a.symbols() for a in axes)
    return says_seen and SEEN not in p.free_axes(module)
