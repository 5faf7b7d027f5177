"""Banks and mixtures: many copies of a block, of which a router picks a few for each token.

They are primitive because *active* parameters depend on them (Shazeer et al., 2017).
"""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check import expressions
from archdsl.check.scope import Scope
from archdsl.check.tensors import tensor
from archdsl.check.values import (
    Bank,
    BlockRef,
    Either,
    Error,
    Mixture,
    Recipe,
    Slot,
    Tensor,
    Value,
    describe,
)
from archdsl.dims import DIFFERENT, EQUAL
from archdsl.source import Span

MAX_EXPERTS = 1_000_000
"""Banks larger than this are refused."""


def bank(scope: Scope, expr: s.Call) -> Value:
    """`bank(n, expert, top_k)`."""
    if len(expr.args) != 3 or not all(a.plain for a in expr.args):
        return scope.fail("wrong-arguments", "write bank(n, expert, top_k)", expr.span)
    count = expressions.static_int(scope, expr.args[0].value, "the size of a bank")
    item = expressions.evaluate(scope, expr.args[1].value)
    top_k = expressions.static_int(scope, expr.args[2].value, "the number of experts of a token")
    if count is None or top_k is None or isinstance(item, Error):
        return Error()
    if not isinstance(item, Recipe | Slot | Either | BlockRef):
        return scope.fail("not-a-block", f"{describe(item)} is not a block", expr.args[1].span)
    known, chosen = scope.value(count), scope.value(top_k)
    if known is not None and not 1 <= known <= MAX_EXPERTS:
        return scope.fail("too-large", f"a bank of {known} experts", expr.args[0].span)
    if known is not None and chosen is not None and not 1 <= chosen <= known:
        message = f"{chosen} of {known} experts cannot be chosen"
        return scope.fail("bad-value", message, expr.args[2].span)
    return Bank(count, item, top_k, expr.span)


def mixture(scope: Scope, expr: s.Call) -> Value:
    """`mixture(pool, weights, indices)`: still to be applied to x."""
    if len(expr.args) != 3 or not isinstance(expr.args[0].value, s.Name):
        message = "write mixture(pool, weights, indices), where pool = bank(...)"
        return scope.fail("wrong-arguments", message, expr.span)
    pool = expressions.evaluate(scope, expr.args[0].value)
    chosen = [expressions.evaluate(scope, a.value) for a in expr.args[1:]]
    if isinstance(pool, Error) or any(isinstance(c, Error) for c in chosen):
        return Error()
    if not isinstance(pool, Bank):
        return scope.fail("not-a-block", f"{describe(pool)} is not a bank", expr.args[0].span)
    weights, indices = (
        tensor(scope, c, a.span) for c, a in zip(chosen, expr.args[1:], strict=True)
    )
    if weights is None or indices is None or not _fits(scope, pool, weights, indices, expr.span):
        return Error()
    return Mixture(expr.args[0].value.name, pool, weights, indices)


def _fits(scope: Scope, pool: Bank, weights: Tensor, indices: Tensor, span: Span) -> bool:
    """One weight and one index for each chosen expert of each token."""
    if indices.type.dtype != "int" or weights.type.dtype != "float":
        note = f"weights {weights.type}, indices {indices.type}"
        scope.fail("dtype-mismatch", "a mixture takes weights and integer indices", span, note=note)
        return False
    w, i = scope.expand(weights.type), scope.expand(indices.type)
    same = len(w) == len(i) and all(
        scope.compare_axes(a, b) is EQUAL for a, b in zip(w, i, strict=True)
    )
    if not same or not w or scope.compare_axes(w[-1], pool.top_k) is DIFFERENT:
        note = f"weights {weights.type}, indices {indices.type}, top_k {scope.equation(pool.top_k)}"
        scope.fail("shape-mismatch", "a mixture needs top_k weights and indices", span, note=note)
        return False
    return True
