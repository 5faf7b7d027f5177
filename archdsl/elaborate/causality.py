"""Masks of blocks that stream: no token may see one that comes after it.

A mask is what chooses minus infinity: `select(seen, scores, -inf)`. Where positions alone decide
it, it is evaluated for pairs of a query and a later key: near the beginning, and around the numbers
that the mask itself uses, so that windows of any size are met. Scores of all tokens whose softmax
is taken without any mask see the future too. What depends on content is not decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from archdsl.diagnostic import Diagnostics
from archdsl.dims import Dim
from archdsl.graph import Model, Module
from archdsl.nodes import (
    Apply,
    Elementwise,
    Input,
    Item,
    Node,
    Number,
    Positions,
    Rearrange,
    Repeat,
)
from archdsl.ops import OPS
from archdsl.reals import Real
from archdsl.source import Span
from archdsl.stream import modules
from archdsl.types import TensorType

HELP = "write query >= key; what looks both ways has an axis that does not stream"
Known = float | bool | None
"""A number, a truth, or None: not known."""

_LEAST = (0, 1, 2, 3, 5, 8)
_MOST = 40
"""Positions that are tried: these, those around numbers of the mask, not more than so many."""


def check_causality(model: Model, diagnostics: Diagnostics) -> None:
    """Reports every mask that lets a token see a later one."""
    told: set[Span | None] = set()
    for module in sorted(modules(model.root), key=lambda m: m.id):
        if not module.streams:
            continue
        for node, problem in _problems(model, module):
            at = _place(module, node)
            if at not in told:
                told.add(at)
                diagnostics.add("future-mask", problem, at, help=HELP)


def _problems(model: Model, module: Module) -> Iterator[tuple[Node, str]]:
    for node in module.nodes:
        if node.op == "select":
            yield from _seen(model, module, node)
        elif node.op == "softmax" and _over_all(model, module, node):
            yield node, f"{module.block} looks at all tokens, later ones too, without a mask"


def _seen(model: Model, module: Module, node: Node) -> Iterator[tuple[Node, str]]:
    """A pair of positions at which a mask lets a later key through."""
    condition, *sides = node.args
    hidden = [_hides(model, module, side) for side in sides]
    axes = {name for axis in _axes(model, module, node.type) for name in axis}
    if hidden == [False, False] or not {"T", "S"} <= axes:
        return
    numbers: set[int] = set()
    Look(model, 0, 0, numbers).value(module, condition, {})
    near = {n + step for n in numbers for step in (-1, 0, 1) if n + step >= 0}
    places = [*_LEAST, *sorted(near - {*_LEAST})][:_MOST]
    for q in places:
        for k in dict.fromkeys((q + 1, *places)):
            found = Look(model, q, k, numbers).value(module, condition, {}) if k > q else None
            if found is not None and bool(found) is hidden[1]:
                mask = module.nodes[condition]
                name = _applied(module, mask)
                title = name.block if name else module.block
                yield mask, f"{title} sees the future: position {q} sees position {k}"
                return


def _hides(model: Model, module: Module, index: int) -> bool:
    node = module.nodes[index]
    match node.form:
        case Number(value) if not isinstance(value, Dim):
            return model.real(module, value) == -float("inf")
    return False


def _applied(module: Module, node: Node) -> Module | None:
    """The block that a node applies, alone."""
    return module.child(node.form.child).module if isinstance(node.form, Apply) else None


def _place(module: Module, node: Node) -> Span | None:
    """Where a mask was written: its recipe, or the operation."""
    child = _applied(module, node)
    return (child.span if child is not None else None) or node.span or module.span


def _axes(model: Model, module: Module, t: TensorType) -> list[frozenset[str]]:
    return [axis.symbols() for axis in model.shape(module, t)]


def _over_all(model: Model, module: Module, node: Node) -> bool:
    """Whether a softmax goes along all that was seen, for each new token, with nothing hidden."""
    axes = _axes(model, module, node.type)
    along = bool(axes) and "S" in axes[-1] and any("T" in a for a in axes[:-1])
    return along and not _masked(module, node.args[0])


def _masked(module: Module, index: int) -> bool:
    """Whether something was chosen among scores, or may have been where they are from."""
    node = module.nodes[index]
    if node.op == "select" or isinstance(node.form, Input | Apply | Item):
        return True
    passes = isinstance(node.form, Elementwise | Rearrange | Repeat)
    return passes and any(_masked(module, a) for a in node.args)


@dataclass(slots=True)
class Look:
    """A predicate at one pair of positions; `numbers` collects the integers that it uses."""

    model: Model
    query: int
    key: int
    numbers: set[int] = field(default_factory=set)

    def value(self, module: Module, index: int, inputs: Mapping[int, Known]) -> Known:
        """The value of a node, where positions and settings alone decide it."""
        node = module.nodes[index]
        match node.form:
            case Input():
                return inputs.get(index)
            case Positions():
                (axis,) = _axes(self.model, module, node.type)
                return self.key if "S" in axis else self.query if "T" in axis else None
            case Number(value):
                return self._number(module, value)
            case Rearrange() | Repeat():
                return self.value(module, node.args[0], inputs) if len(node.args) == 1 else None
            case Apply() as form:
                return self._apply(module, node, form, inputs)
        args = [self.value(module, a, inputs) for a in node.args]
        match node.op, args:
            case "and", [a, b]:
                return False if False in (a, b) else None if None in (a, b) else True
            case "or", [a, b]:
                return True if True in (a, b) else None if None in (a, b) else False
            case "select", [a, b, c]:
                return None if a is None else b if a else c
        evaluate = OPS[node.op].value if node.op in OPS else None
        if evaluate is None or None in args:
            return None
        try:
            return evaluate(*args)
        except (ArithmeticError, ValueError):
            return None

    def _number(self, module: Module, number: Real | Dim) -> Known:
        if isinstance(number, Dim):
            value = self.model.number(module, number).value
            if value is not None:
                self.numbers.add(abs(value))
            return value
        return self.model.real(module, number)

    def _apply(self, module: Module, node: Node, form: Apply, inputs: Mapping[int, Known]) -> Known:
        child = module.child(form.child)
        if child.segments or len(node.types) > 1:
            return None
        ((_, inner),) = child.at(form)
        values = (self.value(module, a, inputs) for a in node.args)
        return self.value(inner, inner.outputs[0], dict(zip(inner.inputs, values, strict=True)))
