"""The parts of a model by path, for programs: submodules, parameters, layers.

    submodules(model)["layers.mix.q_proj"]           all layers have the same one there
    submodules(model)["layers.3.feed"]               the layers differ there: that of layer 3
    parameters(model)["layers.mix.q_proj.weight"].shape

A path is made of names of bindings, as in a state dict. Numbers of layers may be left out where all
layers have the same part; so the tables grow with the text of a spec, and not with its depth. A
path with all its numbers is understood too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from math import prod
from types import MappingProxyType
from typing import Generic, TypeVar

from archdsl import naming
from archdsl.diagnostic import nearest, printable
from archdsl.facts import Facts, in_order
from archdsl.graph import (
    BlockValue,
    Child,
    Experts,
    Layers,
    Model,
    Module,
    ModuleList,
    Param,
    Single,
    Value,
    runs,
)
from archdsl.record import record, replace
from archdsl.symbols import unmarked
from archdsl.types import TensorType

T = TypeVar("T")

Shape = tuple[int | str, ...]
"""The axes of a tensor: numbers, and names where the input decides: `("B", "T", 4096)`."""

LONG = 60
"""The most letters of a path, a name or a list of shapes in what `repr` gives."""


@record
class Submodule:
    """One application of a block.

    `path`: names of bindings, empty for the model itself. `block`: the name of its block, `title`
    what readers see, `role` one of the roles of the language. `settings`: by name. `inputs`,
    `outputs`: shapes, `B` the batch, `T` the new tokens, `S` all tokens so far. `params`:
    parameters of one such module, those of all its parts included. `count`: how many of it the
    model has, experts counted one by one. `place`: where the spec asks for it, `file:line:column`.
    """

    path: str
    block: str
    title: str
    role: str
    settings: Mapping[str, Value | BlockValue]
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    params: int
    count: int
    place: str

    def __repr__(self) -> str:
        shapes = f"{_shapes(self.inputs)} -> {_shapes(self.outputs)}"
        often = f", {self.count:,} times" if self.count > 1 else ""
        numbers = f"{self.params:,} parameters{often}"
        return f"<{short(self.path or 'model')}: {short(self.block)}, {short(shapes)}, {numbers}>"


@record
class Parameter:
    """A trained tensor.

    `path`: its name in the state dict, without the numbers of layers that have the same; there, a
    name that Python needs has one more `_`. `shape`: of one tensor; the experts of a bank are one
    tensor, with an axis of experts in front. `dtype`: `float` is the model's dtype, `float32` stays
    in single precision. `count`: how many such tensors the model has. `tied`: the path of the
    parameter that it is, empty where it is its own. `apart`: whether it belongs to a part beside
    the model. `place`: where the spec asks for the module that it belongs to.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    count: int
    tied: str
    apart: bool
    place: str

    @property
    def size(self) -> int:
        """Numbers in one tensor."""
        return prod(self.shape)

    def __repr__(self) -> str:
        often = f", {self.count:,} times" if self.count > 1 else ""
        tied = f", tied to {short(self.tied)}" if self.tied else ""
        return f"<{short(self.path)}: {short(_shape(self.shape))}{often}{tied}>"


@record
class Layer:
    """A layer. `number`: counted from 0 through all stacks. `path`: `layers.5`, with the number in
    its own stack. `kind`: what tells it apart, in words. `block`: the name of its block.
    """

    number: int
    path: str
    kind: str
    block: str

    def __repr__(self) -> str:
        return f"<layer {self.number}, {short(self.path)}: {short(self.kind)}>"


class ByPath(Mapping[str, T], Generic[T]):
    """Parts of a model by path, in the order of the spec.

    The keys have no numbers of layers where all layers have the same. A path with more numbers, or
    with fewer where they do not matter, finds the same entry. Raises KeyError for a path that leads
    nowhere, and for one that leads to several different parts.
    """

    def __init__(self, what: str, entries: dict[str, T], find: Callable[[str], list[str]]) -> None:
        self._what, self._entries, self._find = what, entries, find

    def __getitem__(self, path: str) -> T:
        if path in self._entries:
            return self._entries[path]
        keys = self._find(path) if isinstance(path, str) else []
        if len(keys) == 1:
            return self._entries[keys[0]]
        if keys:
            listed = ", ".join(keys[:4]) + (" and more" if len(keys) > 4 else "")
            raise KeyError(f"{short(path)} is not the same in all layers: there are {listed}")
        hint = nearest(path, self._entries) if isinstance(path, str) else ""
        raise KeyError(f"there is no {self._what} {short(str(path))}" + (hint and f": {hint}"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        shown = ", ".join(short(path or "the model") for path in islice(self, 4))
        more = ", ..." if len(self) > 4 else ""
        return f"<{len(self)} {self._what}s: {shown}{more}>"


# --- what stands where ----------------------------------------------------------------------------


@record
class _Place:
    """Equal modules at one path, numbers of layers left out.

    `first`: the path of the first of them, with numbers. `count`: in how many places they stand,
    those of a bank of experts taken as one. `banks`: the experts of the banks around them.
    `stored`: whether their parameters are kept here, and not where they are shared from.
    """

    path: str
    module: Module
    first: str
    count: int
    banks: tuple[int, ...]
    stored: bool
    apart: bool
    ties: Mapping[str, str]


def submodules(model: Model) -> ByPath[Submodule]:
    """Everything in a model that has a name, by path; the model itself has the empty one."""
    facts, named = Facts(model), _named(model)
    modules = {place.module.id: place.module for place in named.values()}
    sizes = {id: facts.params_of(module) for id, module in modules.items()}
    entries = {
        path: _submodule(model, sizes[place.module.id], path, place)
        for path, place in named.items()
    }
    return ByPath("submodule", entries, lambda path: _keys(model, named, path))


def parameters(model: Model, kind: str = "param") -> ByPath[Parameter]:
    """The trained tensors of a model by path, or its `buffer`s."""
    named = _named(model)
    entries = {
        f"{path}.{param.name}".lstrip("."): _parameter(model, path, place, param)
        for path, place in named.items()
        if place.stored
        for param in place.module.params
        if param.kind == kind
    }

    def find(path: str) -> list[str]:
        owner, _, name = path.rpartition(".")
        keys = (f"{key}.{name}".lstrip(".") for key in _keys(model, named, owner))
        return [key for key in keys if key in entries]

    return ByPath("parameter" if kind == "param" else kind, entries, find)


def layers(model: Model) -> tuple[Layer, ...]:
    """The layers of all stacks, and blocks with the role `layer` that stand alone, in order."""
    stood = [
        (child.name if isinstance(child.part, Single) else f"{child.name}.{number}", module)
        for child in model.root.children
        for number, module in _one_by_one(child)
        if module.role != "embedding"
    ]
    kinds = naming.kinds([module for _, module in stood])
    return tuple(
        Layer(number, path, kinds[module.id], module.block)
        for number, (path, module) in enumerate(stood)
    )


def _one_by_one(child: Child) -> Iterator[tuple[int, Module]]:
    """The layers of a part of the model, each with its number there."""
    if isinstance(child.part, ModuleList):
        blocks = enumerate(child.part.items)
        yield from ((number, module) for number, module in blocks if module.role == "layer")
    else:
        yield from enumerate(m for count, m in in_order(child) for _ in range(count))


def _named(model: Model) -> dict[str, _Place]:
    """Every place by the shortest path that leads there alone."""
    root = _Place("", model.root, "", 1, (), True, False, {})
    places = list(_below([root]))
    often = Counter(place.path for place in places)
    return {(p.path if often[p.path] == 1 else p.first): p for p in places}


def _below(same: Sequence[_Place]) -> Iterator[_Place]:
    """Places of one path, and all those below them, in the order of bindings."""
    yield from same
    inner: dict[str, dict[object, _Place]] = {}
    for place in same:
        for child in place.module.children:
            for part in _parts(place, child) if not child.inline else ():
                alike = inner.setdefault(part.path, {})
                key = (part.module.id, part.banks, part.stored, part.apart)
                known = alike.get(key)
                count = part.count + (known.count if known else 0)
                alike[key] = replace(known or part, count=count)
    for alike in inner.values():
        yield from _below(list(alike.values()))


def _parts(place: _Place, child: Child) -> Iterator[_Place]:
    """The places of a child."""
    path = f"{place.path}.{child.name}".lstrip(".")
    first = f"{place.first}.{child.name}".lstrip(".")
    owned = child.owned is not None
    ties = {name: f"{place.first}.{'.'.join(to)}".lstrip(".") for name, to in child.ties}
    banks = place.banks
    numbers: dict[int, int] = {}
    match child.part:
        case Experts(count=experts):
            banks = (*banks, experts)
        case Layers(segments) | ModuleList(segments=segments):
            number = 0
            for count, module in runs(segments):
                numbers.setdefault(module.id, number)
                number += count
    for count, module in child.modules:
        numbered = f"{first}.{numbers[module.id]}" if numbers else first
        often = place.count * (1 if banks != place.banks else count)
        stored = place.stored and (owned or not module.shared)
        apart = place.apart or child.apart
        yield _Place(path, module, numbered, often, banks, stored, apart, ties)


def _keys(model: Model, named: Mapping[str, _Place], path: str) -> list[str]:
    """The keys of what a path leads to that has other numbers than they have."""
    here, children = [model.root], list[Child]()
    for step in path.split(".") if path else ():
        if step.isdecimal():
            here = [m for child in children for m in _layer(child, int(step))]
            children = []
        else:
            children = [c for module in here for c in module.children if c.name == step]
            here = [module for child in children for _, module in child.modules]
    reached = {module.id for module in here}
    plain = ".".join(step for step in path.split(".") if not step.isdecimal())
    return [k for k, p in named.items() if p.path == plain and p.module.id in reached]


def _layer(child: Child, number: int) -> Iterator[Module]:
    """The layer of a stack, or the block of a list, that has a number."""
    part = child.part
    for count, module in runs(part.segments) if isinstance(part, Layers | ModuleList) else ():
        if number < count:
            yield module
            return
        number -= count


# --- one entry ------------------------------------------------------------------------------------


def _submodule(model: Model, params: int, path: str, place: _Place) -> Submodule:
    module = place.module
    inputs = module.inputs[: len(module.inputs) - len(module.context)]
    return Submodule(
        path,
        module.block,
        module.title,
        module.role,
        MappingProxyType({setting.name: setting.value for setting in module.settings}),
        tuple(_axes(model, module, module.nodes[i].type) for i in inputs),
        tuple(_axes(model, module, module.nodes[i].type) for i in module.outputs),
        params,
        place.count * prod(place.banks),
        _written(module),
    )


def _parameter(model: Model, path: str, place: _Place, param: Param) -> Parameter:
    shape = (axis.value for axis in model.shape(place.module, param.type))
    return Parameter(
        f"{path}.{param.name}".lstrip("."),
        (*place.banks, *(length for length in shape if length is not None)),
        param.type.dtype,
        place.count,
        place.ties.get(param.name, ""),
        place.apart,
        _written(place.module),
    )


def _axes(model: Model, module: Module, t: TensorType) -> Shape:
    axes = model.shape(module, t)
    return tuple(unmarked(axis) if axis.value is None else axis.value for axis in axes)


def _written(module: Module) -> str:
    """Where a spec asks for a module."""
    at = module.span
    return "" if at is None else f"{at.source.name}:{at.line}:{at.column}"


def _shape(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _shapes(shapes: tuple[Shape, ...]) -> str:
    return ", ".join(map(_shape, shapes))


def short(text: str) -> str:
    """A text on one line, cut where it is long."""
    plain = printable(text)
    return plain if len(plain) <= LONG else f"{plain[: LONG - 3]}..."
