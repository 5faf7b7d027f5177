"""What a name means: own names, those of the file, constants, primitives."""

from __future__ import annotations

import math
import re

from archdsl import syntax as s
from archdsl.check import tensors
from archdsl.check.lists import FUNCTIONS as LISTS
from archdsl.check.recipes import parameters, parameters_of
from archdsl.check.scope import Scope
from archdsl.check.values import (
    Bank,
    BlockRef,
    Either,
    Error,
    Float,
    Int,
    Null,
    PrimitiveRef,
    Recipe,
    Record,
    Repeat,
    Schedule,
    Slot,
    Tensor,
    Truth,
    Value,
    describe,
)
from archdsl.diagnostic import Label, nearest
from archdsl.hints import foreign, meant, of_tensor
from archdsl.ops import INITIALISERS, OPS
from archdsl.reals import FUNCTIONS, Lit

CONSTANTS: dict[str, Value] = {
    "true": Truth(True),
    "false": Truth(False),
    "null": Null(),
    "inf": Float(Lit(math.inf)),
    "pi": Float(Lit(math.pi)),
}
CALLED = ("stack", "bank", "mixture", *LISTS)
"""Names that are called and are no operations on tensors."""


def name(scope: Scope, expr: s.Name) -> Value:
    """What a name means, or an error after a report."""
    value = scope.look(expr.name)
    if expr.name in scope.absent and isinstance(value, Error):
        label = Label(scope.absent[expr.name], "the condition is false")
        message = f"{expr.name} is not there"
        help = f"choose by the same condition: ... if {scope.absent[expr.name].text} else ..."
        return scope.fail("unknown-name", message, expr.span, labels=(label,), help=help)
    if value is None:
        value = CONSTANTS.get(expr.name)
    if value is not None:
        return tensors.in_const(scope, value, expr.span) if scope.in_const else value
    if expr.name in OPS or expr.name in FUNCTIONS or expr.name in CALLED:
        return PrimitiveRef(expr.name)
    if s.ANY in scope.globals:
        return Error()  # an import that cannot be read may bring it
    message = f"nothing here is called {expr.name}"
    return scope.fail("unknown-name", message, expr.span, help=_way_out(scope, expr))


def applied(scope: Scope, fn: s.Expr) -> BlockRef | None:
    """The block that is meant where a name is applied that is also an axis or a setting; None for
    all others. What is no block cannot be applied, so `B(d)` may stand beside `[B, T, d]`.
    """
    if isinstance(fn, s.Name) and isinstance(scope.names.get(fn.name), Int):
        block = scope.globals.get(fn.name)
        return block if isinstance(block, BlockRef) else None
    return None


def _way_out(scope: Scope, expr: s.Name) -> str:
    """A help line for a name that nothing defines."""
    part = _PART.match(expr.span.source.text, expr.span.end)
    alone = "" if part is None else _alone(scope, part.group(1))
    if alone:
        return alone
    spelling, use = scope.importable(expr.name)
    if spelling == expr.name and not foreign(expr.name):
        return f"it is in the library: {use}"
    known = [*scope.names, *scope.globals, *OPS, *CONSTANTS, *FUNCTIONS, *CALLED]
    hint = meant(expr.name, known)
    if hint or spelling:
        return hint or f"did you mean {spelling}? {use}"
    begins = f"{', '.join(INITIALISERS)}, or an expression" if scope.beginning else ""
    return f"a parameter begins as one of {begins}" if begins else ""


_PART = re.compile(r"\s*\.\s*([^\W\d]\w*)")


def _alone(scope: Scope, part: str) -> str:
    """What is written for `nn.part` where the part has a name of its own; nothing for others."""
    if part in scope.names or part in scope.globals:
        return f"a part is called by its name alone: {part}"
    if part in OPS or part in FUNCTIONS:
        return f"an operation is called by its name alone: {tensors.written(part)}"
    spelling, use = scope.importable(part)
    return f"a block is imported and called by its name alone: {use}" if spelling == part else ""


def no_part(scope: Scope, value: Value, expr: s.Field) -> Error:
    """Reports a part that a value does not have."""
    part = expr.name.name
    message = f"{describe(value)} has no part {part}"
    help = ""
    match value:
        case Tensor() if part in OPS or part in FUNCTIONS:
            help = f"an operation is applied to its operands: {tensors.written(part)}"
        case Tensor():
            help = of_tensor(part)
        case Recipe() if not isinstance(expr.value, s.Name):
            message = f"{expr.value.span.text} has no name of its own to be tied to"
            help = f"bind the block by itself, and tie to name.{part}"
            return scope.fail("unsupported", message, expr.span, help=help)
        case Schedule() | Repeat() | Slot() | Either() | Bank():
            message = f"{expr.value.span.text} is {describe(value)}, which has no parameter {part}"
            help = f"a parameter belongs to one block that is bound by itself: name.{part}"
    return scope.fail("kind-mismatch", message, expr.name.span, help=help)


def entry(scope: Scope, record: Record, key: str) -> Value:
    """A key of a configuration, null where it is not there; marks it read."""
    scope.read.add((*record.path, key))
    return dict(record.entries).get(key, Null())


def parameter(scope: Scope, expr: s.Field, base: s.Name, value: Recipe) -> tuple[str, ...] | Error:
    """The path of a parameter of a submodule, or an error after a report."""
    block, wanted = value.block, expr.name
    if block.param(wanted.name) is None:
        message = f"{block.name} has no parameter {wanted.name}"
        hint = nearest(wanted.name, parameters(block)) or parameters_of(block)
        return scope.fail("unknown-name", message, wanted.span, help=hint)
    if value.shared is None:
        return (base.name, wanted.name)
    if scope.shared.get(value.shared.name) is not value.shared:
        message = f"{base.name} is shared by a body around this one"
        help = "tie parameters where both blocks are bound"
        return scope.fail("unsupported", message, expr.span, help=help)
    return (value.shared.name, wanted.name)
