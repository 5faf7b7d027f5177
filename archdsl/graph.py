"""The model graph: a concrete model, as every later stage reads it.

A `Model` has a root `Module`. A module is one application of a block: its settings as numbers, its
parameters, its children and its body as nodes in topological order. Equal applications are one
module: a stack of 61 equal layers has one module and a count, so nothing here grows with depth.

Shapes are kept in the block's own symbols, for they read well in code and on cards. `symbols` of a
module says what each symbol is in terms of the model's settings (`$d`) and axes (`$B`, `$T`, `$S`),
and `Model.numbers` what those are:

    node.types[0]                  [B, heads, T, d_head]
    model.shape(module, type)      (B, 32, T, 128)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from archdsl.axes import Plan
from archdsl.dims import Dim, substitute
from archdsl.nodes import Apply, Mixture, Node
from archdsl.reals import Real, evaluate, whole
from archdsl.record import entity, record
from archdsl.source import Span
from archdsl.symbols import ModelSymbol, OwnSymbols, streams, unmarked
from archdsl.types import Axis, Rest, TensorType


@entity
class Binding:
    """A `share` of one body: one instance of a block, wherever it is placed.

    Recipes and modules carry it; two bindings of one name are two.
    """

    name: str


@record
class Initial:
    """How a parameter begins: `normal(0.02)`, `zeros`; arguments are real expressions. What is
    computed is `nodes[node]` of `Module.initials`, and has no name.
    """

    name: str
    args: tuple[Real, ...] = ()
    node: int | None = None


@record
class Param:
    """A parameter, a buffer or a constant. A constant's value is `nodes[value]` of `Module.consts`.

    `guard` names the condition where the spec says `when`: the parameter exists in some
    applications only.
    """

    kind: str
    name: str
    type: TensorType
    initial: Initial | None
    guard: str = ""
    tied: tuple[str, ...] = ()
    value: int | None = None


@record
class Segment:
    """`count` times an item in a row: a module, or segments again for a nested schedule.

    `of` says how the model's settings give the count.
    """

    count: int
    item: Module | tuple[Segment, ...]
    of: Dim


@record
class Single:
    """One block. `applied` are its modules where it is applied to tensors of several types, by
    `Apply.use`; `module` is then one that streams, if one does. What is shared is stored where a
    block `owns` it.
    """

    module: Module
    applied: tuple[Module, ...] = ()
    owns: bool = False


@record
class Layers:
    """A stack: blocks one after another. `applied` are its layers where it is applied to tensors of
    several types, by `Apply.use`; `segments` are then those that stream, if some do.
    """

    segments: tuple[Segment, ...] = ()
    applied: tuple[tuple[Segment, ...], ...] = ()

    def at(self, use: int) -> tuple[Segment, ...]:
        """The layers of one application."""
        return self.applied[use] if self.applied else self.segments


@record
class Experts:
    """A bank: `count` experts side by side, of which `top_k` work on each token.

    `of` says how the model's settings give the count.
    """

    expert: Module
    count: int
    top_k: int
    of: Dim


@record
class ModuleList:
    """Blocks side by side, `length` of them, applied one by one or all at once.

    `applied` has the modules of each application, by `Apply.use`, each with its number in the list.
    """

    length: int
    applied: tuple[tuple[tuple[int, Module], ...], ...] = ()

    @property
    def items(self) -> tuple[Module, ...]:
        """The blocks in their order: of one that is applied to tensors of several types a module
        that streams, if one does.
        """
        return tuple(module for _, module in sorted(self.numbered.items()))

    @property
    def numbered(self) -> dict[int, Module]:
        """As `items`, those applied so far, by their numbers."""
        known: dict[int, Module] = {}
        for number, module in (pair for use in self.applied for pair in use):
            if number not in known or (module.streams and not known[number].streams):
                known[number] = module
        return known

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The blocks in their order, equal neighbours in one run."""
        runs = [(m, len(list(same))) for m, same in groupby(self.items)]
        return tuple(Segment(count, module, Dim.number(count)) for module, count in runs)


Part = Single | Layers | Experts | ModuleList


@record
class Child:
    """A submodule of a body, by the name of its binding.

    `inline` marks an application without a binding, which owns no parameters. `path` of each of
    `ties` is a path from the body that binds the child: ("w", ("embed", "w")). One that stands
    `apart` is not applied.
    """

    name: str
    part: Part
    inline: bool = False
    ties: tuple[tuple[str, tuple[str, ...]], ...] = ()
    apart: bool = False

    @property
    def modules(self) -> tuple[tuple[int, Module], ...]:
        """Every distinct module in it with how often it occurs, in order of first occurrence."""
        match self.part:
            case Single(module):
                return ((1, module),)
            case Experts(expert, count):
                return ((count, expert),)
            case Layers(segments=segments):
                return distinct(segments)
            case ModuleList() as listed:
                return distinct(listed.segments)

    @property
    def owned(self) -> Binding | None:
        """What is shared and stored here."""
        return self.part.module.shared if isinstance(self.part, Single) and self.part.owns else None

    @property
    def stored(self) -> tuple[tuple[int, Module], ...]:
        """As `modules`, without those that are shared and stored elsewhere."""
        owned = self.owned is not None
        return tuple((n, m) for n, m in self.modules if owned or not m.shared)

    def at(self, form: Apply | Mixture) -> tuple[tuple[int, Module], ...]:
        """As `modules`, for one application."""
        match self.part:
            case Single(applied=applied) if applied and isinstance(form, Apply):
                return ((1, applied[form.use]),)
            case Layers() as layers if isinstance(form, Apply):
                return distinct(layers.at(form.use))
            case ModuleList(applied=applied) if isinstance(form, Apply):
                counts = Counter(module for _, module in applied[form.use])
                return tuple((count, module) for module, count in counts.items())
        return self.modules

    @property
    def context(self) -> tuple[str, ...]:
        """What the modules in it are given, each once, in the order in which they are passed."""
        if isinstance(self.part, Experts):
            return ()
        return _context(self.modules)

    def given(self, form: Apply) -> tuple[str, ...]:
        """As `context`, for one application."""
        several = isinstance(self.part, Layers | ModuleList)
        return _context(self.at(form)) if several else self.context

    @property
    def length(self) -> int:
        """The number of layers of a stack, of experts of a bank, of blocks side by side; 1 for a
        single block.
        """
        return sum(n for n, _ in self.modules)


def _context(modules: tuple[tuple[int, Module], ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(n for _, m in modules for n in m.context))


def distinct(segments: tuple[Segment, ...]) -> tuple[tuple[int, Module], ...]:
    """Every distinct module of a schedule with how often it occurs, in order of first
    occurrence.
    """
    counts: dict[int, tuple[int, Module]] = {}
    for count, module in _flat(segments):
        before = counts.get(module.id, (0, module))[0]
        counts[module.id] = (before + count, module)
    return tuple(counts.values())


def runs(segments: tuple[Segment, ...]) -> Iterator[tuple[int, Module]]:
    """The schedule in order as (count, module), nested repeats unrolled lazily."""
    for segment in segments:
        if isinstance(segment.item, Module):
            yield segment.count, segment.item
        else:
            for _ in range(segment.count):
                yield from runs(segment.item)


def _flat(segments: tuple[Segment, ...], times: int = 1) -> Iterator[tuple[int, Module]]:
    for segment in segments:
        if isinstance(segment.item, Module):
            yield segment.count * times, segment.item
        else:
            yield from _flat(segment.item, segment.count * times)


Value = int | float | bool | str | None | tuple["Value", ...]


@record
class BlockValue:
    """A block as the value of a setting: its title, its own settings and its role. An `operation`
    is no submodule, and an `identity` hands back what it gets.
    """

    title: str
    settings: tuple[Setting, ...]
    operation: bool = False
    role: str = ""
    identity: bool = False


@record
class Setting:
    """A setting with its value; `of` says how the model's own settings give it (`$d // $heads`).
    One that is `in_title` decides what its block is called.
    """

    name: str
    kind: str
    value: Value | BlockValue
    of: Real | Dim | None = None
    in_title: bool = False


@record
class Check:
    """A condition on streamed axes that can only be tested when the model runs: `T <= context`."""

    left: Dim
    op: str
    right: Dim


@entity
class Module:
    """One application of a block. `id` numbers the modules of a model in order of first use.

    The last inputs are what `context` names: what the block, or a block inside it, is given.
    Modules that are `shared` are one instance, which the child of that binding stores. `initials`
    compute what parameters begin as.
    """

    id: int
    block: str
    role: str
    title: str
    doc: str
    settings: tuple[Setting, ...]
    symbols: OwnSymbols
    params: tuple[Param, ...]
    children: tuple[Child, ...]
    nodes: tuple[Node, ...]
    consts: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    intrinsic: str = ""
    checks: tuple[Check, ...] = ()
    span: Span | None = None
    context: tuple[str, ...] = ()
    shared: Binding | None = None
    initials: tuple[Node, ...] = ()

    @property
    def streams(self) -> bool:
        """Whether tokens stream through the block."""
        return streams(self.symbols.dims)

    def child(self, name: str) -> Child:
        """The child of that name; raises KeyError."""
        for child in self.children:
            if child.name == name:
                return child
        raise KeyError(name)


@record
class Expectation:
    """`expect params: 671B`: the number, the unit of its last digit, a relative tolerance."""

    fact: str
    value: int
    unit: int
    tolerance: float | None
    span: Span | None = None


@record
class CardDirective:
    """`callout(layers.mix): "..."`: a word, paths as tuples of steps, options, and a text or
    number.

    A step is a name, or `[Name]` for the layers of that block in a stack.
    """

    word: str
    paths: tuple[tuple[str, ...], ...] = ()
    names: tuple[str, ...] = ()
    text: str = ""
    number: int | None = None
    span: Span | None = None


@record
class WeightRule:
    """A line of `hub ... weights`: targets are paths of parameters, `[i]` marks an index step.

    `sources` are alternatives, each of one checkpoint key or several that are joined, with `{i}`
    and `*`. `plan` says how tensors become others. `when`: what else a layer has to have, if the
    line is for some layers. `stacked`: the tensor that results holds all targets along its first
    axis.
    """

    targets: tuple[tuple[str, ...], ...]
    sources: tuple[tuple[str, ...], ...]
    plan: Plan | None = None
    when: tuple[str, ...] = ()
    stacked: bool = False


@record
class Hub:
    """How checkpoints of published `model_type`s name the model's parameters."""

    types: tuple[str, ...]
    weights: tuple[WeightRule, ...]
    skips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Model:
    """A variant, elaborated. `id` is its name in the spec, `about` its facts as written. `unrolled`
    are the settings that say how long a `for i in n` is: its layers are written out, one by one.
    """

    id: str
    family: str
    root: Module
    numbers: Mapping[ModelSymbol, float]
    about: Mapping[str, str | int]
    expectations: tuple[Expectation, ...] = ()
    card: tuple[CardDirective, ...] = ()
    hub: Hub | None = None
    doc: str = ""
    span: Span | None = None
    unrolled: frozenset[ModelSymbol] = frozenset()

    @property
    def name(self) -> str:
        """What readers call it."""
        return str(self.about.get("name") or self.id)

    def __repr__(self) -> str:
        return f"<model {self.id[:60]} of {self.family[:60]}>"

    def number(self, module: Module, d: Dim) -> Dim:
        """A dimension in a module's symbols as a number, or in `B`, `T`, `S` where it has these."""
        return d if d.value is not None else substitute(module.symbols.dim(d), self._known)

    def _known(self, name: str) -> Dim:
        """The number behind a symbol of the model, or the axis of that name."""
        number = whole(self.numbers.get(name)) if isinstance(name, ModelSymbol) else None
        return Dim.symbol(unmarked(name)) if number is None else number

    def shape(self, module: Module, t: TensorType) -> tuple[Dim, ...]:
        """The axes of a type as numbers, `...` filled in."""
        axes: list[Axis] = []
        rests = module.symbols.rests
        for axis in t.axes:
            axes.extend(rests.get(axis.name, ()) if isinstance(axis, Rest) else (axis,))
        return tuple(self.number(module, a) for a in axes if isinstance(a, Dim))

    def real(self, module: Module, r: Real) -> float | None:
        """A real expression in a module's symbols as a number."""
        return evaluate(module.symbols.real(r), self.numbers)
