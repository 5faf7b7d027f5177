"""What a name means: own names, those of the file, constants, primitives."""

from __future__ import annotations

import math

from archdsl import syntax as s
from archdsl.check import tensors
from archdsl.check.lists import FUNCTIONS as LISTS
from archdsl.check.scope import Scope
from archdsl.check.values import Error, Float, Null, PrimitiveRef, Recipe, Record, Truth, Value
from archdsl.diagnostic import Label, nearest
from archdsl.hints import meant
from archdsl.ops import OPS
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
    known = [*scope.names, *scope.globals, *OPS, *CONSTANTS, *FUNCTIONS, *CALLED]
    hint = meant(expr.name, known)
    return scope.fail("unknown-name", f"nothing here is called {expr.name}", expr.span, help=hint)


def entry(scope: Scope, record: Record, key: str) -> Value:
    """A key of a configuration, null where it is not there; marks it read."""
    scope.read.add((*record.path, key))
    return dict(record.entries).get(key, Null())


def parameter(scope: Scope, expr: s.Field, base: s.Name, value: Recipe) -> tuple[str, ...] | Error:
    """The path of a parameter of a submodule, or an error after a report."""
    block, wanted = value.block, expr.name
    if block.param(wanted.name) is None:
        known = [p.name.name for p in block.decl.body if isinstance(p, s.ParamStatement)]
        message = f"{block.name} has no parameter {wanted.name}"
        hint = nearest(wanted.name, known)
        return scope.fail("unknown-name", message, wanted.span, help=hint)
    if value.shared is None:
        return (base.name, wanted.name)
    if scope.shared.get(value.shared.name) is not value.shared:
        message = f"{base.name} is shared by a body around this one"
        help = "tie parameters where both blocks are bound"
        return scope.fail("unsupported", message, expr.span, help=help)
    return (value.shared.name, wanted.name)
