"""What is decided of the modules of a model before any text: what they keep, take and are handed.

`content.py` puts modules into groups, of which each is a class or a function; `arguments.py`
decides what those are passed. All of it is known before a statement of the file is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from archdsl.axes import Factor, factors
from archdsl.dims import Dim
from archdsl.elaborate import verified
from archdsl.emit.masks import everything
from archdsl.emit.names import safe, unused
from archdsl.emit.unit import Group, Unit
from archdsl.graph import Binding, Child, Experts, Layers, Model, Module, ModuleList, Single
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
from archdsl.stream import Flow, flow, in_order, modules
from archdsl.symbols import AXES, ModelSymbol, counts_tokens
from archdsl.types import Rest, TensorType


@dataclass(slots=True)
class Plan:
    """A model, what is decided of its modules, and the groups in the order of the file."""

    model: Model
    lower: bool
    flow: Flow
    groups: list[Group] = field(default_factory=list)
    of: dict[tuple[int, bool], Group] = field(default_factory=dict)
    units: dict[Group, Unit] = field(default_factory=dict)
    layers: set[int] = field(default_factory=set)
    experts: set[int] = field(default_factory=set)
    several: set[str] = field(default_factory=set)
    _shares: dict[int, dict[Binding, str]] = field(default_factory=dict)
    _likes: dict[int, bool] = field(default_factory=dict)
    _starts: dict[int, bool] = field(default_factory=dict)
    _keeps: dict[int, bool] = field(default_factory=dict)
    _given: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> Iterator[str]:
        """The names of the classes and functions of the file."""
        return (group.name for group in self.groups)

    def unit(self, module: Module, banked: bool = False) -> Unit:
        """The unit of a module; `banked` as one of the experts of a bank."""
        return self.units[self.of[module.id, banked]]

    def lowered(self, module: Module) -> bool:
        """Whether the fused kernel stands for the body."""
        return self.lower and bool(module.intrinsic)

    def children(self, module: Module) -> Iterator[Child]:
        """The submodules that code is written for: none where a kernel stands for the body."""
        if not self.lowered(module) or (module.intrinsic == "sdpa" and not self.unmasked(module)):
            yield from module.children

    def submodules(self, module: Module) -> list[Child]:
        """The submodules in the order in which they are made: what is shared before what takes
        it.
        """
        children = list(self.children(module))
        return sorted(children, key=lambda child: child.owned is None)

    def unmasked(self, module: Module) -> bool:
        """Whether a kernel stands for attention without a mask."""
        return (
            self.lowered(module)
            and module.intrinsic == "sdpa"
            and any(
                child.name == "visible"
                and isinstance(child.part, Single)
                and everything(child.part.module)
                for child in module.children
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
        """Whether a block has to know the model's dtype, and nothing that it is passed or holds has
        it: then it holds an empty tensor, which is cast with the rest. So does a model that makes a
        cache and has no parameters, or only such as stay in single precision.
        """
        if module.id not in self._likes:
            inputs = (module.nodes[i].type.dtype for i in module.inputs)
            held = (q.kind == "param" and not q.guard and q.type.dtype for q in module.params)
            dtypes = (*inputs, *held)
            asks = _asks_dtype(module.nodes) or (not dtypes and _asks_device(module.nodes))
            unknown = module is self.model.root and not self.has_cast and self.keeps(module)
            self._likes[module.id] = unknown or ("float" not in dtypes and asks)
        return self._likes[module.id]

    @property
    def has_cast(self) -> bool:
        """Whether the model has a parameter in its own dtype."""
        return any(
            param.kind == "param" and param.type.dtype == "float" and not param.tied
            for module in modules(self.model.root)
            for param in module.params
        )

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
                    if inner.shared is not None and child.owned is None:
                        handed.setdefault(inner.shared)
                    else:
                        handed.update(dict.fromkeys(self.shares(inner)))
            own = owned(module)
            used = {*setting_names(module), *(c.name for c in module.children), *own.values()}
            names: dict[Binding, str] = {}
            for binding in handed:
                if binding not in own:
                    names[binding] = fresh(binding.name, used)
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


def says_model(module: Module) -> bool:
    """Whether the body of a block says settings of the model, which items of a list were given as:
    then its text needs the `Config`.
    """
    return any(isinstance(name, ModelSymbol) for name in _symbols(module))


def _symbols(module: Module) -> Iterator[str]:
    """The symbols that a body says."""
    types = [param.type for param in module.params]
    for node in every_node((*module.nodes, *module.consts, *module.initials)):
        types += node.types
        match node.form:
            case Number(value):
                yield from reals_of(value)
        for term in () if node.plan is None else (*node.plan.left, *node.plan.right):
            for factor in factors(term):
                yield from factor.dim.symbols() if isinstance(factor, Factor) else ()
    yield from (s for t in types for a in t.axes if isinstance(a, Dim) for s in a.symbols())


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
    return {c.owned: c.name for c in module.children if c.owned is not None}


def fresh(name: str, used: set[str]) -> str:
    """A name that is not taken yet; it is then."""
    free = unused(name, used)
    used.add(free)
    return free


def streamed(module: Module, node: Node) -> bool:
    """Whether a node is `positions` of the streamed axis, which begins at an offset."""
    return isinstance(node.form, Positions) and counts_tokens(module.symbols.dims, node.form.axis)


def make(model: Model, lower: bool) -> Plan:
    """The plan of a model, without groups yet."""
    model = in_order(model)
    verified(model)
    plan = Plan(model, lower, flow(model))
    _level(plan, model.root, set())
    plan.several.update(_several(model.root))
    return plan


def _several(root: Module) -> Iterator[str]:
    """The blocks of which a model has several with other numbers."""
    blocks: dict[str, set[object]] = {}
    done, pending = set(), [root]
    while pending:
        module = pending.pop()
        if module.id not in done:
            done.add(module.id)
            own = frozenset((*module.symbols.dims.items(), *module.symbols.reals.items()))
            blocks.setdefault(module.block, set()).add(own)
            pending += [m for c in module.children for _, m in c.modules]
    return (block for block, numbers in blocks.items() if len(numbers) > 1)


def _level(plan: Plan, module: Module, done: set[int]) -> None:
    """Layers of one stack are called alike: what one of them needs, all of them take. A bank
    applies its experts by their numbers.
    """
    if module.id in done:
        return
    done.add(module.id)
    for child in module.children:
        inner = [m for _, m in child.modules]
        for m in inner:
            _level(plan, m, done)
        if isinstance(child.part, Experts):
            plan.experts.update(m.id for m in inner)
        elif isinstance(child.part, ModuleList):
            plan.layers.update(m.id for m in inner)
        elif isinstance(child.part, Layers):
            plan.layers.update(m.id for m in inner)
            starts, keeps = any(map(plan.needs_start, inner)), any(map(plan.keeps, inner))
            for m in inner:
                plan.take(m, starts, keeps, child.context)


def number_of(module: Module, setting: str) -> Real | Dim:
    """A setting that is a number, in terms of the model's."""
    number = module.symbols.get(setting)
    assert number is not None
    return number


def shares_heads(module: Module) -> bool:
    """Whether heads of queries share keys, in a block of attention."""
    return module.symbols.get("H") != module.symbols.get("G")


def needs_lengths(module: Module) -> bool:
    """Whether what a block keeps has axes that only its inputs know."""
    known = AXES.union(setting_names(module))
    kept: list[TensorType] = []
    for node in every_node(module.nodes):
        match node.form:
            case Cache() | Window():
                kept += node.types
            case Scan(body):
                kept += body.state_types
    return any(isinstance(a, Dim) and a.symbols() - known for t in kept for a in t.axes)


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
    return [s.name for s in module.settings if module.symbols.get(s.name) is not None]


def free_axes(module: Module) -> dict[str, tuple[int, int]]:
    """Axes that inputs introduce: name to (position among the inputs, axis from the end if
    negative).
    """
    own = set(setting_names(module))
    free: dict[str, tuple[int, int]] = {}
    for i, index in enumerate(module.inputs):
        axes = module.nodes[index].type.axes
        rest = any(isinstance(a, Rest) for a in axes)
        for j, axis in enumerate(axes):
            if isinstance(axis, Dim) and axis.name and axis.name not in own:
                free.setdefault(axis.name, (i, j - len(axes) if rest else j))
    return free


@record
class KeptApplication:
    """An application that keeps something: its name in the cache, and the rounds of the loops
    around it, the outermost first.
    """

    name: str
    child: Child
    form: Apply
    rounds: tuple[Dim, ...] = ()


def caching(plan: Plan, module: Module) -> dict[int, KeptApplication]:
    """The applications that keep something, by the identity of their nodes.

    Caches belong to applications: a stack that is applied twice has two.
    """
    kept: dict[int, KeptApplication] = {}
    times: dict[str, int] = {}
    for node, rounds in _with_rounds(module.nodes, ()):
        if not isinstance(node.form, Apply):
            continue
        form, child = node.form, module.child(node.form.child)
        if any(plan.keeps(m) for _, m in child.at(form)):
            name = safe(child.name) if form.item is None else f"{safe(child.name)}.{form.item}"
            count = times[name] = times.get(name, 0) + 1
            name = name if count == 1 else f"{name}_{count}"
            kept[id(node)] = KeptApplication(name, child, form, rounds)
    return kept


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


def side_by_side(child: Child, form: Apply) -> tuple[Module, ...]:
    """The modules of a list that are applied all at once, in order."""
    assert isinstance(child.part, ModuleList) and form.item is None
    return tuple(module for _, module in child.part.applied[form.use])


def keeps_itself(module: Module) -> bool:
    """Whether a block keeps something of the tokens, beside what its submodules keep."""
    return module.streams and any(isinstance(n.form, Kept) for n in every_node(module.nodes))
