"""Operators and choices: their sides are numbers known in advance, lists, layers or tensors."""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check import interface, lists, statics, tensors
from archdsl.check.scope import Scope
from archdsl.check.values import (
    Either,
    Error,
    Float,
    Int,
    Repeat,
    Tensor,
    Tensors,
    Truth,
    Value,
    Word,
    is_layer,
)
from archdsl.dims import Dim
from archdsl.ops import OPERATORS
from archdsl.reals import Apply, Lit, Ref
from archdsl.source import Span


def unary(scope: Scope, op: str, value: Value, span: Span) -> Value:
    """`-x` and `not x`."""
    match op, value:
        case _, Error():
            return value
        case "-", Int(d):
            return Int(d * -1)
        case "-", Float(Lit(x)):
            return Float(Lit(-x))
        case "-", Float(r):
            return Float(Apply("-", (Lit(0.0), r)))
        case "not", Truth(known):
            return Truth(None if known is None else not known)
    return tensors.primitive(scope, "negative" if op == "-" else "not", (value,), span)


def binary(scope: Scope, expr: s.Binary, left: Value, right: Value) -> Value:
    """All operators between two values but `??`, which may leave one of them unread."""
    if isinstance(left, Error) or isinstance(right, Error):
        return Error()
    if isinstance(left, Tensor | Tensors) or isinstance(right, Tensor | Tensors):
        if expr.op not in OPERATORS:
            return scope.fail(
                "not-static",
                f"`{expr.op}` is not an operation on tensors",
                expr.span,
                help="dimensions are divided with // and %, tensors with /; # begins a comment",
            )
        return tensors.primitive(scope, OPERATORS[expr.op], (left, right), expr.span)
    if expr.op in ("and", "or"):
        return statics.logic(scope, expr, left, right)
    if expr.op in statics.COMPARE:
        return statics.comparison(scope, expr, left, right)
    if expr.op == "in":
        return statics.contains(scope, expr, left, right)
    items = lists.joined(scope, expr, left, right)
    if items is not None:
        return items
    if expr.op == "*" and isinstance(left, Int) and is_layer(right):
        return Repeat(left.dim, right)
    return statics.arithmetic(scope, expr.op, left, right, expr.span)


def undecided(
    scope: Scope, test: str, span: Span, yes: Value, no: Value, zeros: tuple[Dim, ...] = ()
) -> Value:
    """A choice whose condition, the text `test`, is not known: what holds of both sides. The side
    `no` is only taken where the `zeros` are 0.
    """
    match yes, no:
        case (Error(), _) | (_, Error()):
            return Error()
        case Tensor(), Tensor():
            return yes if interface.one_shape(scope, (yes,), (no,), zeros, span) else Error()
        case Tensors(ours), Tensors(others):
            return yes if interface.one_shape(scope, ours, others, zeros, span) else Error()
        case (Int(a), Int(b)) if a == b:
            return yes
        case (Int(), Int()):
            return Int(Dim.symbol(f"{test}?"))
        case (Int() | Float(), Int() | Float()):
            return yes if yes == no else Float(Ref(f"{test}?"))
        case (Truth(), Truth()):
            return yes if yes == no else Truth(None)
        case (Word(), Word()):
            return yes if yes == no else Word(None)
    return Either(yes, no, zeros)
