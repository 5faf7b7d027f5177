"""Which blocks become classes, which functions, and what each needs to be told.

A block without parameters, constants and caches is a function. Others are classes. Applications of
a block share a class when their bodies are the same; a leaf takes its numbers as arguments, a block
with submodules takes the `Config`, so that its submodules can say `config.heads * config.d_head`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from archdsl.dims import Dim
from archdsl.elaborate import verified
from archdsl.emit.masks import everything
from archdsl.emit.names import class_name, function_name, safe
from archdsl.graph import Binding, Child, Model, Module
from archdsl.nodes import (
    Apply,
    Arange,
    Cache,
    Elementwise,
    Fill,
    Kept,
    Loop,
    Node,
    Number,
    Positions,
    Scan,
    Window,
    every_node,
)
from archdsl.reals import Apply as RealApply
from archdsl.reals import OfDim, Real, Ref
from archdsl.record import record
from archdsl.stream import Flow, flow, in_order
from archdsl.types import Rest, TensorType

Capture = tuple[tuple[str, ...], str]
"""A setting of a block inside a function, by the children that lead to it: (("visible",), "w")."""


@dataclass(slots=True, eq=False)
class Unit:
    """A class or a function of the emitted file, and the modules that it stands for.

    `arguments` are the settings that it has to be told, `captures` those of functions that it
    calls, `starts` whether a function needs `start`; all are known once its text is written.
    A `banked` unit holds the parameters of all experts of a bank, stacked along a first axis.
    """

    name: str
    kind: str
    modules: list[Module]
    arguments: list[str] = field(default_factory=list)
    captures: list[Capture] = field(default_factory=list)
    banked: bool = False
    starts: bool = False

    @property
    def module(self) -> Module:
        """The module that the text is written from: the one with the most parameters."""
        return max(self.modules, key=lambda m: (len(m.params), -m.id))

    @property
    def is_function(self) -> bool:
        return self.kind == "function"

    @property
    def takes_config(self) -> bool:
        return self.kind == "config"


@dataclass(slots=True)
class Plan:
    """The units in the order in which they have to stand in the file."""

    model: Model
    lower: bool
    flow: Flow
    units: list[Unit] = field(default_factory=list)
    of: dict[tuple[int, bool], Unit] = field(default_factory=dict)
    layers: set[int] = field(default_factory=set)
    several: set[str] = field(default_factory=set)
    _shares: dict[int, dict[Binding, str]] = field(default_factory=dict)
    _likes: dict[int, bool] = field(default_factory=dict)
    _starts: dict[int, bool] = field(default_factory=dict)
    _keeps: dict[int, bool] = field(default_factory=dict)
    _given: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def unit(self, module: Module, banked: bool = False) -> Unit:
        """The unit of a module; `banked` as one of the experts of a bank."""
        return self.of[module.id, banked]

    def lowered(self, module: Module) -> bool:
        """Whether the fused kernel stands for the body."""
        return self.lower and bool(module.intrinsic)

    def children(self, module: Module) -> Iterator[Child]:
        """The submodules that code is written for: none where a kernel stands for the body."""
        if not self.lowered(module) or (module.intrinsic == "sdpa" and not self.unmasked(module)):
            yield from module.children

    def unmasked(self, module: Module) -> bool:
        """Whether a kernel stands for attention without a mask."""
        return (
            self.lowered(module)
            and module.intrinsic == "sdpa"
            and any(
                c.name == "visible" and c.module and everything(c.module) for c in module.children
            )
        )

    def needs_start(self, module: Module) -> bool:
        """Whether a module has to know how many tokens came before."""
        if module.id not in self._starts and self.unmasked(module):
            self._starts[module.id] = False
        if module.id not in self._starts:
            own = any(streamed(module, n) for n in every_node(module.nodes))
            own = own or keeps_itself(module) or bool(self.flow.once(module))
            self._starts[module.id] = own or any(
                self.needs_start(m) for c in module.children for _, m in c.modules
            )
        return self._starts[module.id]

    def needs_like(self, module: Module) -> bool:
        """Whether a block has to know the model's dtype, and nothing that it is told or holds has
        it: then it holds an empty tensor, which is cast with the rest.
        """
        if module.id not in self._likes:
            inputs = (module.nodes[i].type.dtype for i in module.inputs)
            held = (q.kind == "param" and not q.guard and q.type.dtype for q in module.params)
            dtypes = (*inputs, *held)
            asks = _asks_dtype(module.nodes) or (not dtypes and _asks_device(module.nodes))
            self._likes[module.id] = "float" not in dtypes and asks
        return self._likes[module.id]

    def given(self, module: Module) -> tuple[str, ...]:
        """The context that a module takes."""
        return self._given.get(module.id, module.context)

    def shares(self, module: Module) -> dict[Binding, str]:
        """The shared modules that a module is handed, for itself or what it holds, each with its
        name there.
        """
        if module.id not in self._shares:
            handed: dict[Binding, None] = {}
            for child in self.children(module):
                for _, inner in child.modules:
                    if inner.shared is not None and not child.owns:
                        handed.setdefault(inner.shared)
                    else:
                        handed.update(dict.fromkeys(self.shares(inner)))
            own = owned(module)
            taken = {*setting_names(module), *(c.name for c in module.children), *own.values()}
            names: dict[Binding, str] = {}
            for binding in handed:
                if binding not in own:
                    names[binding] = fresh(binding.name, taken)
            self._shares[module.id] = names
        return self._shares[module.id]

    def take(self, module: Module, starts: bool, keeps: bool, given: tuple[str, ...]) -> None:
        """Makes a module take `start`, a part of the cache and context, whether it needs them or
        not.
        """
        self._given[module.id] = tuple(dict.fromkeys((*given, *self.given(module))))
        self._starts[module.id] = self.needs_start(module) or starts
        self._keeps[module.id] = self.keeps(module) or keeps

    def holds(self, module: Module) -> bool:
        """Whether a module has a place of its own in the cache, beside its submodules'."""
        return keeps_itself(module) or bool(self.flow.kept(module))

    def keeps(self, module: Module) -> bool:
        """Whether a module keeps something of the tokens it has seen."""
        if module.id not in self._keeps:
            self._keeps[module.id] = self.holds(module) or any(
                self.keeps(m) for c in module.children for _, m in c.modules
            )
        return self._keeps[module.id]


def of_numbers(nodes: Sequence[Node], node: Node) -> bool:
    """Whether a node chooses between two numbers, which gives the model's dtype."""
    arms = [nodes[a].form for a in node.args[1:]]
    numbers = all(isinstance(form, Number) for form in arms)
    return node.op == "select" and numbers and node.type.dtype == "float"


def _asks_dtype(nodes: Sequence[Node]) -> bool:
    """Whether a body makes tensors of the model's dtype of nothing that has it."""
    for node in nodes:
        match node.form:
            case Fill() if node.type.dtype == "float":
                return True
            case Elementwise(op) if op == "model_dtype" or of_numbers(nodes, node):
                return True
            case Scan(body) | Loop(body) if _asks_dtype(body.nodes):
                return True
    return False


def _asks_device(nodes: Sequence[Node]) -> bool:
    """Whether a body makes tensors of nothing that is on a device."""
    return any(isinstance(node.form, Fill | Positions | Arange) for node in every_node(nodes))


def owned(module: Module) -> dict[Binding, str]:
    """The shared modules that a module stores, each with its name there."""
    children = [(c, c.module.shared) for c in module.children if c.owns and c.module is not None]
    return {binding: child.name for child, binding in children if binding is not None}


def fresh(name: str, taken: set[str]) -> str:
    """A name that is not taken yet; it is then."""
    unused, number = name, 2
    while unused in taken:
        unused, number = f"{name}_{number}", number + 1
    taken.add(unused)
    return unused


def streamed(module: Module, node: Node) -> bool:
    """Whether a node is `positions` of the streamed axis."""
    return isinstance(node.form, Positions) and streams_along(module, node.form.axis)


def streams_along(module: Module, axis: Dim) -> bool:
    """Whether an axis is the streamed one, which begins at an offset."""
    return "$T" in _rooted(module, axis)


def _rooted(module: Module, d: Dim) -> set[str]:
    return {s for name in d.symbols() for s in module.symbols.get(name, Dim.symbol(name)).symbols()}


def make(model: Model, lower: bool) -> Plan:
    """The plan of a model."""
    model = in_order(model)
    verified(model)
    plan = Plan(model, lower, flow(model))
    # A function's arguments may not have the name of a function that it calls.
    taken = {"Model", "Config", "Cache", *_arguments(model.root, set())}
    seen: dict[object, Unit] = {}
    _level(plan, model.root, set())
    plan.several.update(_several(model.root))
    _visit(plan, model.root, taken, seen, root=True)
    return plan


def _arguments(module: Module, done: set[int]) -> Iterator[str]:
    """The settings of all blocks that own no parameters and may become functions."""
    if module.id not in done:
        done.add(module.id)
        if _owns_nothing(module):
            yield from map(safe, setting_names(module))
        for child in module.children:
            for _, inner in child.modules:
                yield from _arguments(inner, done)


def _several(root: Module) -> Iterator[str]:
    """The blocks of which a model has several with other numbers."""
    found: dict[str, set[object]] = {}
    done, pending = set(), [root]
    while pending:
        module = pending.pop()
        if module.id not in done:
            done.add(module.id)
            numbers = tuple(sorted(map(str, (*module.symbols.items(), *module.reals.items()))))
            found.setdefault(module.block, set()).add(numbers)
            pending += [m for c in module.children for _, m in c.modules]
    return (block for block, numbers in found.items() if len(numbers) > 1)


def _owns_nothing(module: Module) -> bool:
    inner = (m for child in module.children for _, m in child.modules)
    return not module.params and all(map(_owns_nothing, inner))


def _level(plan: Plan, module: Module, done: set[int]) -> None:
    """Layers of one stack are called alike: what one of them needs, all of them take."""
    if module.id in done:
        return
    done.add(module.id)
    for child in module.children:
        inner = [m for _, m in child.modules]
        for m in inner:
            _level(plan, m, done)
        if child.segments and child.top_k is None:
            plan.layers.update(m.id for m in inner)
            starts, keeps = any(map(plan.needs_start, inner)), any(map(plan.keeps, inner))
            for m in inner:
                plan.take(m, starts, keeps, child.context)


def _visit(
    plan: Plan,
    module: Module,
    taken: set[str],
    seen: dict[object, Unit],
    root: bool = False,
    banked: bool = False,
    expert: bool = False,
) -> None:
    unit = plan.of.get((module.id, banked))
    if unit is not None and not (expert and unit.is_function):
        return
    for child in plan.children(module):
        for _, inner in child.modules:
            expert = child.top_k is not None
            _visit(plan, inner, taken, seen, banked=banked or expert, expert=expert)
    kind = "config" if root else _kind(plan, module, banked, expert)
    banked = banked and kind != "function"
    key = _key(plan, module, kind, banked)
    unit = seen.get(key)
    if unit is None:
        if root:
            name = "Model"
        elif kind == "function":
            name = function_name(module.block, taken)
        else:
            name = class_name(f"{module.block}Bank" if banked else module.block, taken)
        unit = Unit(name, kind, [], banked=banked)
        seen[key] = unit
        plan.units.append(unit)
    unit.modules.append(module)
    plan.of[module.id, banked] = unit
    if kind == "function":
        plan.of.setdefault((module.id, True), unit)
        plan.of.setdefault((module.id, False), unit)


def _inner(plan: Plan, module: Module, banked: bool) -> list[Unit]:
    return [
        plan.unit(m, banked or c.top_k is not None)
        for c in plan.children(module)
        for _, m in c.modules
    ]


def _kind(plan: Plan, module: Module, banked: bool, expert: bool) -> str:
    inner = _inner(plan, module, banked)
    plain = not module.params and not keeps_itself(module) and module.id not in plan.layers
    plain = (
        plain and not plan.needs_like(module) and not expert
    )  # a bank applies an expert by number
    if plain and all(u.is_function for u in inner):
        return "function"
    if _says_all(plan, module, banked):
        return "leaf"
    if any(not u.is_function for u in inner) or _needs_lengths(module):
        return "config"
    told = all(_sayable(plan, module, m) for c in plan.children(module) for _, m in c.modules)
    return "leaf" if told else "config"


def _says_all(plan: Plan, module: Module, banked: bool) -> bool:
    """Whether blocks of this name that differ in numbers can be one class, which is told them: it
    makes its submodules of its own settings.
    """
    if banked or module.block not in plan.several or plan.shares(module) or _needs_lengths(module):
        return False
    for child in plan.children(module):
        for _, inner in child.modules:
            unit = plan.unit(inner, child.top_k is not None)
            if child.segments or unit.is_function or unit.takes_config or unit.banked:
                return False
            if any(own_setting(module, v) is None and reals_of(v) for v in numbers_of(inner)):
                return False
    return True


def numbers_of(module: Module) -> list[Real | Dim | None]:
    """The settings that are numbers, in terms of the model's."""
    return [module.symbols.get(n, module.reals.get(n)) for n in setting_names(module)]


def own_setting(module: Module, value: Real | Dim | None) -> str | None:
    """The setting of a block that has a value."""
    name = own_name(module, value)
    return name if name in setting_names(module) else None


def _needs_lengths(module: Module) -> bool:
    """Whether what a block keeps has axes that only its inputs know."""
    known = {*setting_names(module), "B", "T", "S"}
    kept: list[TensorType] = []
    for node in every_node(module.nodes):
        match node.form:
            case Cache() | Window():
                kept += node.types
            case Scan(body):
                kept += body.state_types
    return any(isinstance(a, Dim) and a.symbols() - known for t in kept for a in t.axes)


def _sayable(plan: Plan, module: Module, inner: Module) -> bool:
    """Whether a block can tell a function all its settings from its own."""
    own = [*module.symbols.values(), *module.reals.values()]
    for name in setting_names(inner):
        value = inner.symbols.get(name, inner.reals.get(name))
        if value not in own and reals_of(value):
            return False
    return all(_sayable(plan, module, m) for c in plan.children(inner) for _, m in c.modules)


def _key(plan: Plan, module: Module, kind: str, banked: bool) -> object:
    """What has to agree for two modules to share their text."""
    names = {**owned(module), **plan.shares(module)}

    def handed(inner: Module) -> str | None:
        return None if inner.shared is None else names[inner.shared]

    children = tuple(
        (
            c.name,
            bool(c.segments),
            c.top_k,
            c.owns,
            tuple((n, handed(m), names_of(m)) for n, m in c.modules),
        )
        for c in plan.children(module)
    )
    inner = tuple(u.name for u in _inner(plan, module, banked))
    if kind == "leaf" and plan.lowered(module):
        # A kernel's text depends on which optional parameters there may be, not on which there are;
        # that of a bank takes each expert's own.
        return (module.block, "kernel", kind, names_of(module) if banked else banked)
    nodes = tuple(_plain(n) for n in (*module.nodes, *module.consts))
    taken = (
        plan.needs_start(module),
        plan.keeps(module),
        plan.given(module),
        module.context,
        plan.flow.once(module),
    )
    key: tuple[object, ...] = (
        taken,
        module.block,
        kind,
        banked,
        nodes,
        module.params,
        children,
        inner,
    )
    if kind == "config":
        symbols = tuple(sorted(module.symbols.items()))
        told = tuple(
            _said_outside(plan, plan.unit(m, banked or c.top_k is not None), m)
            for c in plan.children(module)
            for _, m in c.modules
        )
        key = (*key, symbols, tuple(sorted(module.reals.items(), key=str)), told)
    else:
        named = tuple(_told(module, m) for c in plan.children(module) for _, m in c.modules)
        key = (*key, named)
    return (*key, module.intrinsic)


def _said_outside(plan: Plan, unit: Unit, module: Module) -> tuple[object, ...]:
    """The numbers that stand where a class is made or a function called: its own, and those of the
    functions that a function calls.
    """
    if unit.takes_config:
        return ()
    inner = (
        _said_outside(plan, plan.unit(m, unit.banked), m)
        for c in (plan.children(module) if unit.is_function else ())
        for _, m in c.modules
    )
    return (*numbers_of(module), *inner)


def names_of(module: Module) -> tuple[str, ...]:
    """The parameters that a module has, of those that its block may have."""
    return tuple(param.name for param in module.params)


def _told(module: Module, inner: Module) -> tuple[object, ...]:
    """How a block says the settings of a function that it calls: by a name of its own, as a
    number, or (None) as it is told itself. Two windows of 3 and 1 are two functions.
    """
    said: list[object] = []
    for name in setting_names(inner):
        value = inner.symbols.get(name, inner.reals.get(name))
        said.append(own_name(module, value) or (None if reals_of(value) else value))
    return (*said, *(_told(module, m) for c in inner.children for _, m in c.modules))


def own_name(module: Module, value: Real | Dim | None) -> str | None:
    """The name in a block for a value: of a setting, or of an axis that is no mere number."""
    axes = list(free_axes(module)) if reals_of(value) else []
    for name in [*setting_names(module), *axes]:
        if module.symbols.get(name, module.reals.get(name)) == value:
            return name
    return None


def _plain(n: Node) -> object:
    inner = n.body and (
        tuple(map(_plain, n.body.nodes)), n.body.inputs, n.body.outputs, n.body.states, n.body.axis,
        n.form.rounds if isinstance(n.form, Loop) else None,
    )  # fmt: skip
    return n.form if inner is None else type(n.form), n.args, n.types, n.name, inner


def reals_of(r: Real | Dim | None) -> frozenset[str]:
    """All symbols of a static expression."""
    match r:
        case Dim():
            return r.symbols()
        case Ref(name):
            return frozenset((name,))
        case OfDim(d):
            return d.symbols()
        case RealApply(_, args):
            return frozenset().union(*(reals_of(a) for a in args))
    return frozenset()


def setting_names(module: Module) -> list[str]:
    """The settings that are numbers, in the order of the declaration."""
    return [s.name for s in module.settings if s.name in module.symbols or s.name in module.reals]


def free_axes(module: Module) -> dict[str, tuple[int, int]]:
    """Axes that inputs introduce: name to (position among the inputs, axis from the end if
    negative).
    """
    own = set(setting_names(module))
    found: dict[str, tuple[int, int]] = {}
    for i, index in enumerate(module.inputs):
        axes = module.nodes[index].type.axes
        rest = any(isinstance(a, Rest) for a in axes)
        for j, axis in enumerate(axes):
            if isinstance(axis, Dim) and axis.name and axis.name not in own:
                found.setdefault(axis.name, (i, j - len(axes) if rest else j))
    return found


def captured(unit: Unit, capture: Capture) -> str:
    """The parameter of a function that stands for a setting of a function it calls."""
    path, name = capture
    clash = name in unit.arguments or any(n == name for q, n in unit.captures if q != path)
    return f"{safe(path[-1])}_{safe(name)}" if clash else safe(name)


@record
class KeptApplication:
    """An application that keeps something: its name in the cache, and the rounds of the loops
    around it, the outermost first.
    """

    name: str
    child: Child
    rounds: tuple[Dim, ...] = ()


def caching(plan: Plan, module: Module) -> dict[int, KeptApplication]:
    """The applications that keep something, by the identity of their nodes.

    Caches belong to applications: a stack that is applied twice has two.
    """
    found: dict[int, KeptApplication] = {}
    times: dict[str, int] = {}
    for node, rounds in _with_rounds(module.nodes, ()):
        if not isinstance(node.form, Apply):
            continue
        child = module.child(node.form.child)
        if any(plan.keeps(m) for _, m in child.modules):
            count = times[child.name] = times.get(child.name, 0) + 1
            name = safe(child.name)
            found[id(node)] = KeptApplication(
                name if count == 1 else f"{name}_{count}", child, rounds
            )
    return found


def _with_rounds(
    nodes: tuple[Node, ...], rounds: tuple[Dim, ...]
) -> Iterator[tuple[Node, tuple[Dim, ...]]]:
    for node in nodes:
        yield node, rounds
        match node.form:
            case Loop(body, times):
                yield from _with_rounds(body.nodes, (*rounds, times))
            case Scan(body):
                yield from _with_rounds(body.nodes, rounds)


def keeps_itself(module: Module) -> bool:
    """Whether a block keeps something of the tokens, beside what its submodules keep."""
    return module.streams and any(isinstance(n.form, Kept) for n in every_node(module.nodes))
