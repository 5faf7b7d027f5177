"""Banks and mixtures: many copies of a block, of which a router picks a few for each token.

They are primitive because *active* parameters depend on them (Shazeer et al., 2017).
"""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.axes import Factor, Plan, RestFactor
from archdsl.check import chains
from archdsl.check.scope import Scope
from archdsl.check.tensors import tensor
from archdsl.check.values import (
    Bank,
    Error,
    Float,
    Int,
    Mixture,
    Repeat,
    Schedule,
    Tensor,
    Value,
    describe,
    is_block,
)
from archdsl.dims import DIFFERENT, EQUAL, Dim
from archdsl.dtypes import FLOATING
from archdsl.nodes import Elementwise, Node, Reduce, Zero
from archdsl.reals import Lit
from archdsl.source import Span
from archdsl.types import Rest, TensorType

MAX_EXPERTS = 1_000_000
"""Banks larger than this are refused."""


BANK = "write bank(n, expert, top_k), or bank(n * expert, m * other, top_k)"
MIXTURE = "write mixture(pool, weights, indices), where pool = bank(...)"


def bank(scope: Scope, expr: s.Call, values: list[Value]) -> Value:
    """`bank(n, expert, top_k)`, or `bank(n * expert, m * other, top_k)`."""
    if any(isinstance(v, Error) for v in values):
        return Error()
    match values:
        case [Int(count), item, Int(top_k)] if is_block(item):
            kinds: tuple[Repeat, ...] = (Repeat(count, item),)
        case [*items, Int(top_k)] if all(isinstance(v, Repeat) for v in items):
            kinds = tuple(v for v in items if isinstance(v, Repeat))
        case [Int(), other, Int()]:
            return scope.fail("not-a-block", f"{describe(other)} is not a block", expr.args[1].span)
        case _:
            return scope.fail("wrong-arguments", BANK, expr.span)
    if any(isinstance(kind.item, Schedule) for kind in kinds):
        message = "an expert is one block, not a schedule"
        return scope.fail("not-a-block", message, expr.span, help=BANK)
    kinds = tuple(Repeat(kind.count, chains.layer(kind.item, expr.span)) for kind in kinds)
    experts = Bank(kinds, top_k, expr.span)
    known, chosen = scope.value(experts.count), scope.value(top_k)
    if scope.numbers is not None and (known is None or chosen is None):
        message = "a bank has a fixed number of experts, and an input decides this one"
        return scope.fail("bad-dimension", message, expr.span)
    if known is not None and not 1 <= known <= MAX_EXPERTS:
        return scope.fail("too-large", f"a bank of {known} experts", expr.args[0].span)
    if known is not None and chosen is not None and not 1 <= chosen <= known:
        message = f"{chosen} of {known} experts cannot be chosen"
        return scope.fail("bad-value", message, expr.args[-1].span)
    return experts


def idle(scope: Scope, chosen: Mixture, kind: Repeat, first: Dim, x: Tensor, span: Span) -> Tensor:
    """What experts say that give back what they get: x times the weight of those chosen."""
    w = chosen.weights
    mine = _within(scope, chosen.indices, first, kind.count, span)
    none = tensor(scope, Float(Lit(0.0)), span)
    assert none is not None
    arms = (mine.node, w.node, none.node)
    share = scope.add(Node(Elementwise("select"), arms, (w.type,), span=span))
    one = TensorType(w.type.dtype, (*w.type.axes[:-1], Dim.number(1)))
    lead = RestFactor()
    axis = Factor("k", chosen.bank.top_k)
    plan = Plan(((lead, axis),), ((lead, Factor("1", Dim.number(1))),))
    share = scope.add(Node(Reduce("sum", plan), (share.node,), (one,), span=span))
    form = Elementwise("multiply", scope.value(kind.count) or 0)
    if w.type.dtype == x.type.dtype:
        return scope.add(Node(form, (x.node, share.node), (x.type,), span=span))
    single = TensorType(w.type.dtype, x.type.axes)
    product = scope.add(Node(form, (x.node, share.node), (single,), span=span))
    return scope.add(Node(Elementwise("model_dtype"), (product.node,), (x.type,), span=span))


def pool(
    scope: Scope, chosen: Mixture, kind: Repeat, first: Dim, number: int, span: Span
) -> Mixture:
    """A mixture of one kind of experts, to be applied: an index of another kind is beyond them."""
    i = chosen.indices
    mine = _within(scope, i, first, kind.count, span)
    if number:
        begin = tensor(scope, Int(first), span)
        beyond = tensor(scope, Int(kind.count), span)
        assert begin is not None and beyond is not None
        operands = (i.node, begin.node)
        shifted = scope.add(Node(Elementwise("subtract"), operands, (i.type,), span=span))
        arms = (mine.node, shifted.node, beyond.node)
        i = scope.add(Node(Elementwise("select"), arms, (i.type,), span=span))
    name = chosen.name if not number else f"{chosen.name}_{number + 1}"
    one = Bank((kind,), chosen.bank.top_k, chosen.bank.span)
    return Mixture(name, one, chosen.weights, i, True)


def plus(scope: Scope, total: Tensor | None, part: Tensor, span: Span) -> Tensor:
    """What all kinds of experts so far say together."""
    if total is None:
        return part
    return scope.add(Node(Elementwise("add"), (total.node, part.node), (part.type,), span=span))


def nothing(scope: Scope, x: Tensor, span: Span) -> Tensor:
    """What experts say where none of them says anything."""
    return scope.add(Node(Zero(), (x.node,), (x.type,), span=span))


def _within(scope: Scope, i: Tensor, first: Dim, count: Dim, span: Span) -> Tensor:
    """Whether each index is of a kind: `first` up to `first + count`."""
    t = TensorType("bool", i.type.axes)
    both: Tensor | None = None
    for op, bound in (("greater_equal", first), ("less", first + count)):
        number = tensor(scope, Int(bound), span)
        assert number is not None
        side = scope.add(Node(Elementwise(op), (i.node, number.node), (t,), span=span))
        if both is not None:
            side = scope.add(Node(Elementwise("and"), (both.node, side.node), (t,), span=span))
        both = side
    assert both is not None
    return both


def mixture(scope: Scope, expr: s.Call, name: str, pool: Value, chosen: list[Value]) -> Value:
    """`mixture(pool, weights, indices)`: still to be applied to x."""
    if isinstance(pool, Error) or any(isinstance(c, Error) for c in chosen):
        return Error()
    if not isinstance(pool, Bank):
        return scope.fail("not-a-block", f"{describe(pool)} is not a bank", expr.args[0].span)
    weights, indices = (
        tensor(scope, c, a.span) for c, a in zip(chosen, expr.args[1:], strict=True)
    )
    if weights is None or indices is None or not _fits(scope, pool, weights, indices, expr.span):
        return Error()
    return Mixture(name, pool, weights, indices)


def tokens_fit(scope: Scope, chosen: Mixture, x: Tensor, result: TensorType, span: Span) -> bool:
    """Whether a mixture has weights and indices for each token of x, and gives a vector for each;
    False after a report.
    """
    lead = scope.expand(chosen.weights.type)[:-1]
    sides = (scope.expand(x.type), scope.expand(result))
    known = all(isinstance(axis, Rest) or scope.value(axis) is None for axis in lead)
    fits = all(
        len(axes) == len(lead) + 1
        and all(scope.compare_axes(a, b) is EQUAL for a, b in zip(lead, axes, strict=False))
        for axes in sides
    )
    if x.type.dtype != result.dtype or chosen.weights.type.dtype not in (x.type.dtype, "float32"):
        note = f"weights {chosen.weights.type}, tokens {x.type}, an expert gives {result}"
        help = "tokens and experts have one dtype; weights have that, or float32"
        scope.fail("dtype-mismatch", "dtypes of a mixture differ", span, note=note, help=help)
        return False
    if fits and (known or scope.numbers is None):
        return True
    note = f"weights {chosen.weights.type}, tokens {x.type}, an expert gives {result}"
    help = "weights [B, T, top_k] go with tokens [B, T, d]; axes of a fixed length are no tokens"
    scope.fail("shape-mismatch", "a mixture weighs tokens", span, note=note, help=help)
    return False


def _fits(scope: Scope, pool: Bank, weights: Tensor, indices: Tensor, span: Span) -> bool:
    """One weight and one index for each chosen expert of each token."""
    if indices.type.dtype != "int" or weights.type.dtype not in FLOATING:
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
