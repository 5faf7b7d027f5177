"""Operations with axes patterns: reductions, einsum, rearrangements, look-ups, selection.

The names of a pattern are matched with the axes of the operands in `matching.py`; here is what each
operation makes of them.
"""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.axes import Item, Plan, RestFactor, factors, pieces, size
from archdsl.check.matching import (
    Names,
    Wrong,
    axes_of,
    match,
    match_left,
    no_new_names,
    right_of,
    same_factors,
    side,
)
from archdsl.check.scope import Scope
from archdsl.check.tensors import dtype_of, results_of, tensor
from archdsl.check.values import Error, Int, Tensor, Value
from archdsl.dims import Dim
from archdsl.nodes import (
    Along,
    Choose,
    Einsum,
    Fill,
    Gather,
    Node,
    Rearrange,
    Reduce,
    Repeat,
)
from archdsl.ops import OPS
from archdsl.source import Span
from archdsl.types import TensorType


def operation(scope: Scope, expr: s.AxesCall, args: tuple[Value, ...], span: Span) -> Value:
    """`op[pattern]` applied to values."""
    name = expr.fn.name if isinstance(expr.fn, s.Name) else ""
    op = OPS.get(name)
    if op is None or op.form in ("map", "zip", "make", "last", "fill"):
        return scope.fail("pattern-axes", "only operations over axes take a pattern", expr.fn.span)
    if any(isinstance(a, Error) for a in args):
        return Error()
    count: Dim | None = None
    if op.form == "choose":
        match args:
            case (value, Int(count)):
                args = (value,)
            case _:
                return scope.fail("wrong-arguments", f"write {name}[... a](x, k)", span)
    operands = [t for a in args if (t := tensor(scope, a, span)) is not None]
    if len(operands) != len(args):
        return Error()
    try:
        if count is not None:
            return _choose(scope, name, expr.pattern, operands, count, span)
        match op.form:
            case "reduce":
                return _reduce(scope, name, expr.pattern, operands, span)
            case "along":
                return _along(scope, name, expr.pattern, operands, span)
            case "einsum":
                return _einsum(scope, expr.pattern, operands, span)
            case "rearrange" | "repeat":
                return _rearrange(scope, name, expr.pattern, operands, span)
            case _:
                return _gather(scope, expr.pattern, operands, span)
    except Wrong:
        return Error()


def _reduce(
    scope: Scope, name: str, pattern: s.Pattern, operands: list[Tensor], span: Span
) -> Value:
    names = Names(scope)
    left = match_left(names, pattern, operands, span)
    right = side(names, right_of(names, pattern, span))
    if len(left) != 1 or len(right) != 1:
        return scope.fail("pattern-axes", f"{name} takes one operand and gives one result", span)
    if any(len(pieces(term)) > 1 for term in (*left, *right)):
        return scope.fail("pattern-axes", f"{name} does not cut axes", pattern.span)
    axes, kept = _distinct(names, left[0], pattern), _distinct(names, right[0], pattern)
    for axis in kept:
        if axis not in axes:
            return scope.fail("pattern-axes", f"{axis} comes from nowhere", pattern.span)
    if "..." in axes and "..." not in kept:
        help = "name the axes that go"
        return scope.fail("pattern-axes", f"{name} keeps `...`", pattern.span, help=help)
    ones = [[str(f) for f in factors(term)].count("1") for term in (left[0], right[0])]
    if len(axes) == len(kept) and ones[0] <= ones[1]:
        help = "leave out the axis that goes, or write 1 in its place: mean[... d -> ... 1](x)"
        return scope.fail(
            "pattern-axes", f"{name} needs an axis that goes", pattern.span, help=help
        )
    dtype = dtype_of(scope, OPS[name], operands, span)
    if dtype is None:
        return Error()
    out = TensorType(dtype, axes_of(names, right[0]))
    plan = Plan(tuple(left), tuple(right))
    return scope.add(Node(Reduce(name, plan), (operands[0].node,), (out,), span=span))


def _distinct(names: Names, term: tuple[Item, ...], pattern: s.Pattern) -> list[str]:
    """The names of a term without its 1s, each of which stands there once; raises Wrong."""
    axes = [str(f) for f in factors(term) if str(f) != "1"]
    for axis in axes:
        if axes.count(axis) > 1:
            names.scope.fail(
                "pattern-axes",
                f"{axis} stands twice in one tensor",
                pattern.span,
                help="an axis has a name of its own: rearrange[B T (a b) -> B T a b] names them",
            )
            raise Wrong
    return axes


def _along(
    scope: Scope, name: str, pattern: s.Pattern, operands: list[Tensor], span: Span
) -> Value:
    if pattern.right is not None:
        return scope.fail("pattern-axes", f"{name} keeps the shape: no `->` here", pattern.span)
    names = Names(scope)
    left = match_left(names, pattern, operands, span)
    if len(left) != 1 or any(isinstance(item, RestFactor) for item in left[0][1:]):
        help = f"write {name}[... a](x)"
        message = f"{name} works along the axes named behind `...`"
        return scope.fail("pattern-axes", message, pattern.span, help=help)
    plan = Plan(tuple(left), ())
    args = (operands[0].node,)
    if dtype_of(scope, OPS[name], operands, span) is None:
        return Error()
    return scope.add(Node(Along(name, plan), args, (operands[0].type,), span=span))


def _choose(
    scope: Scope, name: str, pattern: s.Pattern, operands: list[Tensor], k: Dim, span: Span
) -> Value:
    """The k largest along the last axis of the pattern: values and indices."""
    names = Names(scope)
    left = match_left(names, pattern, operands, span)
    if pattern.right is not None or len(left) != 1 or isinstance(left[0][-1], RestFactor):
        return scope.fail("pattern-axes", f"write {name}[... a](x, k)", pattern.span)
    axes = operands[0].type.axes
    known, wanted = scope.value(size(left[0][-1])), scope.value(k)
    if known is not None and wanted is not None and not 1 <= wanted <= known:
        return scope.fail("bad-value", f"{wanted} of {known} cannot be chosen", span)
    if dtype_of(scope, OPS[name], operands, span) is None:
        return Error()
    form = Choose(name, Plan(tuple(left), ()), k)
    args = (operands[0].node,)
    if name == "top_mask":
        return scope.add(Node(form, args, (TensorType("bool", axes),), span=span))
    types = (
        TensorType(operands[0].type.dtype, (*axes[:-1], k)),
        TensorType("int", (*axes[:-1], k)),
    )
    return results_of(scope, Node(form, args, types, span=span))


def _einsum(scope: Scope, pattern: s.Pattern, operands: list[Tensor], span: Span) -> Value:
    names = Names(scope)
    left = match_left(names, pattern, operands, span)
    terms = right_of(names, pattern, span)
    if len(terms) != 1:
        return scope.fail("pattern-axes", "einsum gives one result", pattern.span)
    right = side(names, terms)
    if any(len(pieces(term)) > 1 for term in (*left, *right)):
        return scope.fail("pattern-axes", "einsum does not cut axes", pattern.span)
    axes = {axis for term in left for axis in _distinct(names, term, pattern)}
    for axis in _distinct(names, right[0], pattern):
        if axis not in axes:
            return scope.fail("pattern-axes", f"{axis} is in no operand", pattern.span)
    dtype = dtype_of(scope, OPS["einsum"], operands, span)
    if dtype is None:
        return Error()
    out = TensorType(dtype, axes_of(names, right[0]))
    plan = Plan(tuple(left), tuple(right))
    args = tuple(t.node for t in operands)
    return scope.add(Node(Einsum(plan), args, (out,), span=span))


def _rearrange(
    scope: Scope, name: str, pattern: s.Pattern, operands: list[Tensor], span: Span
) -> Value:
    names = Names(scope)
    left = match_left(names, pattern, operands, span)
    terms = right_of(names, pattern, span)
    if name == "rearrange":
        no_new_names(names, terms, left)
    discarded = frozenset(i for i, t in enumerate(terms) if t.span.text.strip() == "_")
    sources = [p for term in left for p in pieces(term)]
    right: list[tuple[Item, ...]] = []
    slots = iter(sources)
    for i, term in enumerate(terms):
        if i in discarded:
            right.append(next(slots, ()))
            continue
        right.extend(side(names, (term,)))
        for _ in range(len(pieces(right[-1])) - 1):
            next(slots, None)
        next(slots, None)
    results = [
        p for i, term in enumerate(right) for p in (pieces(term) if i not in discarded else (term,))
    ]
    if len(results) != len(sources):
        return scope.fail(
            "pattern-axes",
            f"{len(sources)} pieces on the left, {len(results)} on the right",
            pattern.span,
            help="`_` discards a piece; (a + b) joins two",
        )
    if name == "rearrange":
        for source, result in zip(sources, results, strict=True):
            same_factors(names, source, result, pattern.span)
    kept = [t for i, t in enumerate(right) if i not in discarded]
    dtypes = {t.type.dtype for t in operands}
    if len(dtypes) > 1:
        return scope.fail("dtype-mismatch", "pieces to be joined need one dtype", span)
    types = tuple(TensorType(operands[0].type.dtype, axes_of(names, t)) for t in kept)
    plan = Plan(tuple(left), tuple(right), discarded)
    args = tuple(t.node for t in operands)
    form = Rearrange(plan) if name == "rearrange" else Repeat(plan)
    return results_of(scope, Node(form, args, types, span=span))


def _gather(scope: Scope, pattern: s.Pattern, operands: list[Tensor], span: Span) -> Value:
    """`gather[n d, ... -> ... d](table, index)`: entries of the table's first axis, or of another
    one for each place that stands before it.
    """
    names = Names(scope)
    if len(pattern.left) != 2 or len(operands) != 2:
        return scope.fail("wrong-arguments", "gather takes a table and indices", span)
    left = match_left(names, pattern, operands, span)
    terms = right_of(names, pattern, span)
    right = side(names, terms)
    if operands[1].type.dtype != "int":
        return scope.fail(
            "dtype-mismatch", "indices have to be int", span, note=f"these are {operands[1].type}"
        )
    form = Gather(Plan(tuple(left), tuple(right)))
    along = left[0][:-1] == left[1][:-1] and len(left[0]) == len(left[1])
    if len(right) != 1 or form.lead is None or (form.along and not along):
        return scope.fail(
            "pattern-axes",
            "gather gives the axes of the indices, then the entry's",
            pattern.span,
            help="gather[n d, ... -> ... d](table, index), gather[... n, ... k -> ... k](x, i), or "
            "gather[B n d, B k -> B k d](x, i)",
        )
    out = TensorType(operands[0].type.dtype, axes_of(names, right[0]))
    args = tuple(t.node for t in operands)
    return scope.add(Node(form, args, (out,), span=span))


def filled(scope: Scope, expr: s.AxesCall, name: str) -> Value:
    """`zeros[B T d]`: a tensor of one number."""
    names = Names(scope)
    if len(expr.pattern.left) != 1 or expr.pattern.right is not None:
        return scope.fail("pattern-axes", f"write {name}[B T d]", expr.pattern.span)
    try:
        axes = side(names, expr.pattern.left)[0]
    except Wrong:
        return Error()
    if any(isinstance(a, RestFactor) for a in axes):
        return scope.fail("pattern-axes", f"{name} needs every axis by name", expr.pattern.span)
    number = tensor(scope, Int(Dim.number(int(name == "ones"))), expr.span)
    assert number is not None
    out = TensorType("float", axes_of(names, axes))
    return scope.add(Node(Fill(), (number.node,), (out,), span=expr.span))


def side_by_side(count: int, axes: int, axis: int, span: Span) -> s.Pattern:
    """The pattern that joins `count` tensors of one shape along an axis of a tensor of so many.

    >>> three along the first of two: n b, n b, n b -> (n + n + n) b
    """
    names = [s.AxisName(chr(ord("a") + i) if i != axis else "n", span) for i in range(axes)]
    one = s.Term(tuple(names), span)
    cut = s.Joined(((names[axis],),) * count, span)
    whole = s.Term((*names[:axis], cut, *names[axis + 1 :]), span)
    return s.Pattern((one,) * count, (whole,), span)


def inverse(
    scope: Scope, pattern: s.Pattern, operands: int, types: list[TensorType]
) -> Plan | None:
    """A pattern whose right side is matched with known types, as in maps of checkpoint keys.
    `operands`: how many tensors the left side is for.
    """
    names = Names(scope)
    if len(pattern.left) != operands:
        there, given = (f"{n} tensor{'s' * (n != 1)}" for n in (len(pattern.left), operands))
        message = f"the pattern is for {there}, the line has {given}"
        scope.fail("pattern-axes", message, pattern.span, help='"a" + "b" joins two')
        return None
    if pattern.right is None or len(pattern.right) != len(types):
        scope.fail("pattern-axes", f"the pattern needs `->` and {len(types)} results", pattern.span)
        return None
    try:
        for term, t in zip(pattern.right, types, strict=True):
            match(names, term, t)
        left = side(names, pattern.left)
        right = side(names, pattern.right)
        sources = [p for term in left for p in pieces(term)]
        results = [p for term in right for p in pieces(term)]
        if len(sources) != len(results):
            message = f"{len(sources)} pieces on the left, {len(results)} on the right"
            help = "pieces side by side have `+` between them: (heads (k + k + k))"
            scope.fail("pattern-axes", message, pattern.span, help=help)
            return None
        for source, result in zip(sources, results, strict=True):
            same_factors(names, source, result, pattern.span)
    except Wrong:
        return None
    return Plan(tuple(left), tuple(right))
