"""Operations with axes patterns: names are matched with the axes of their operands.

A name in a pattern is an axis of the block if it has one of that name, and then the operand's axis
has to be equal to it; otherwise it is local to the pattern and takes the operand's axis. In a
merged axis `(g r)` one unknown factor is found by division, which has to be known to be exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from archdsl import syntax as s
from archdsl.axes import Cut, Factor, Item, Merge, Plan, RestFactor, factors, pieces, size
from archdsl.check.scope import Scope
from archdsl.check.tensors import tensor
from archdsl.check.values import Error, Int, Tensor, Tensors, Value
from archdsl.dims import DIFFERENT, EQUAL, Dim, divides, simplify
from archdsl.graph import Node
from archdsl.ops import OPS
from archdsl.source import Span
from archdsl.types import REST, Axis, Rest, TensorType


class _Wrong(Exception):
    """A pattern that does not fit; the report has been made."""


@dataclass(slots=True)
class _Names:
    """The axes that a pattern knows: the block's, and those it has met."""

    scope: Scope
    local: dict[str, Dim] = field(default_factory=dict)
    rest: tuple[Axis, ...] | None = None

    def get(self, name: str) -> Dim | None:
        if name.isdigit():
            return Dim.number(int(name))
        if name in self.local:
            return self.local[name]
        known = self.scope.names.get(name)
        if isinstance(known, Int):
            self.scope.used.add(name)
            return known.dim
        return None


def operation(scope: Scope, expr: s.AxesCall, args: tuple[Value, ...], span: Span) -> Value:
    """`op[pattern]` applied to values."""
    name = expr.fn.name if isinstance(expr.fn, s.Name) else ""
    op = OPS.get(name)
    if op is None or op.form in ("map", "zip", "make"):
        return scope.fail("pattern-axes", "only operations over axes take a pattern", expr.fn.span)
    if any(isinstance(a, Error) for a in args):
        return Error()
    operands = [t for a in args if (t := tensor(scope, a, span)) is not None]
    if len(operands) != len(args):
        return Error()
    try:
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
    except _Wrong:
        return Error()


def _left(
    names: _Names, pattern: s.Pattern, operands: list[Tensor], span: Span
) -> list[tuple[Item, ...]]:
    if len(pattern.left) != len(operands):
        names.scope.fail(
            "pattern-axes",
            f"the pattern has {len(pattern.left)} operands, {len(operands)} are given",
            span,
        )
        raise _Wrong
    pairs = zip(pattern.left, operands, strict=True)
    return [_match(names, term, operand.type) for term, operand in pairs]


def _match(names: _Names, term: s.Term, t: TensorType) -> tuple[Item, ...]:
    """A term against the axes of its operand, `...` taking what the others leave."""
    dots = [i for i, a in enumerate(term.items) if isinstance(a, s.AxisName) and a.text == "..."]
    axes, items = t.axes, term.items
    count = len(axes) - len(items) + 1 if dots else 0
    fits = len(dots) <= 1 and (count >= 0 if dots else len(axes) == len(items))
    if not fits:
        names.scope.fail(
            "pattern-axes",
            f"the pattern has {len(items)} axes, the tensor {len(axes)}",
            term.span,
            note=f"for {t}",
            help="name every axis, or write `...` for the leading ones",
        )
        raise _Wrong
    found: list[Item] = []
    position = 0
    for item in items:
        if isinstance(item, s.AxisName) and item.text == "...":
            _bind_rest(names, axes[position : position + count], item.span, t)
            found.append(RestFactor())
            position += count
            continue
        axis = axes[position]
        position += 1
        if isinstance(axis, Rest):
            names.scope.fail(
                "pattern-axes",
                "`...` of the tensor needs `...` in the pattern",
                item.span,
                note=f"for {t}",
            )
            raise _Wrong
        found.append(_bind(names, item, axis, t))
    return tuple(found)


def _bind_rest(names: _Names, axes: tuple[Axis, ...], span: Span, t: TensorType) -> None:
    if names.rest is None:
        names.rest = axes
    elif len(names.rest) != len(axes) or any(
        names.scope.compare_axes(a, b) is not EQUAL for a, b in zip(names.rest, axes, strict=True)
    ):
        names.scope.fail(
            "pattern-axes",
            "`...` stands for two different groups of axes",
            span,
            note=f"here in {t}",
        )
        raise _Wrong


def _bind(names: _Names, item: s.AxisItem, axis: Dim, t: TensorType) -> Item:
    match item:
        case s.AxisName(text, span):
            known = names.get(text)
            if known is None:
                names.local[text] = axis
                return Factor(text, axis)
            _equal(names, known, axis, text, span, t)
            return Factor(text, axis if text.isdigit() else known)
        case s.Merged(items, span):
            return Merge(_split(names, items, axis, span, t))
    return _cut(names, item, axis, t)


def _equal(names: _Names, a: Dim, b: Dim, text: str, span: Span, t: TensorType) -> None:
    scope = names.scope
    verdict = scope.compare(a, b)
    if verdict is EQUAL:
        return
    if verdict is DIFFERENT or scope.numbers is not None:
        scope.fail(
            "pattern-axes",
            f"{text} is {scope.equation(a)}, but the axis here is {scope.equation(b)}",
            span,
            note=f"for {scope.describe(t)}",
        )
    else:
        scope.fail(
            "unknown-equality",
            f"nothing shows that {text} equals {b}",
            span,
            note=f"for {t}",
            help=f"add `where {a} == {b}`, or name the axis otherwise",
        )
    raise _Wrong


def _unknown(names: _Names, items: tuple[s.AxisItem, ...]) -> list[s.AxisName]:
    return [i for i in items if isinstance(i, s.AxisName) and names.get(i.text) is None]


def _split(
    names: _Names, items: tuple[s.AxisItem, ...], axis: Dim, span: Span, t: TensorType
) -> tuple[Item, ...]:
    """The factors of a merged axis; one of them may be unknown."""
    unknown = _unknown(names, items)
    if len(unknown) > 1:
        _unbound(names, unknown[1])
    known: list[Item | None] = [None if i in unknown else _known(names, i) for i in items]
    total = Dim.number(1)
    for item in known:
        if item is not None:
            total = total * size(item)
    if not unknown:
        _equal(names, total, axis, f"({span.text.strip('()')})", span, t)
        return tuple(i for i in known if i is not None)
    quotient = _quotient(names, axis, total, unknown[0], span, t)
    names.local[unknown[0].text] = quotient
    return tuple(Factor(unknown[0].text, quotient) if i is None else i for i in known)


def _quotient(
    names: _Names, axis: Dim, total: Dim, item: s.AxisName, span: Span, t: TensorType
) -> Dim:
    scope = names.scope
    if divides(total, axis, scope.facts):
        return axis // total
    value, by = scope.value(axis), scope.value(total)
    if value is not None and by:
        if value % by == 0:
            return axis // total
        scope.fail(
            "pattern-axes",
            f"{scope.equation(total)} does not divide {scope.equation(axis)}",
            span,
            note=f"for {t}",
        )
    elif scope.numbers is None:
        scope.fail(
            "unknown-equality",
            f"nothing shows that {total} divides {axis}",
            span,
            note=f"{item.text} would be {axis} // {total}",
            help=f"add `where {axis} % {total} == 0`",
        )
    else:
        scope.fail("pattern-axes", f"{total} does not divide {axis} for every length", span)
    raise _Wrong


def _unbound(names: _Names, item: s.AxisName) -> None:
    names.scope.fail(
        "unbound-axis",
        f"nothing says how long {item.text} is",
        item.span,
        help="use the name of a setting or of an axis, or bind it: n = ...",
    )
    raise _Wrong


def _known(names: _Names, item: s.AxisItem) -> Item:
    """An item all of whose sizes are known."""
    match item:
        case s.AxisName(text, _):
            if text == "...":
                return RestFactor()
            found = names.get(text)
            if found is None:
                _unbound(names, item)
                raise _Wrong
            return Factor(text, found)
        case s.Merged(items, _):
            return Merge(tuple(_known(names, i) for i in items))
        case s.Joined(parts, _):
            return Cut(tuple(tuple(_known(names, i) for i in p) for p in parts))


def _cut(names: _Names, item: s.Joined, axis: Dim, t: TensorType) -> Item:
    """The pieces of an axis; one piece of a single unknown name takes what is left."""
    unknown = [u for part in item.parts for u in _unknown(names, part)]
    if len(unknown) > 1:
        _unbound(names, unknown[1])
    if unknown:
        part = next(p for p in item.parts if unknown[0] in p)
        if len(part) > 1:
            _unbound(names, unknown[0])
        total = Dim()
        for other in item.parts:
            if other is not part:
                total = total + size(Merge(tuple(_known(names, i) for i in other)))
        names.local[unknown[0].text] = axis - total
    cut = _known(names, item)
    _equal(names, size(cut), axis, item.span.text, item.span, t)
    return cut


def _side(names: _Names, terms: tuple[s.Term, ...]) -> list[tuple[Item, ...]]:
    return [tuple(_known(names, i) for i in term.items) for term in terms]


def _axes(names: _Names, items: tuple[Item, ...]) -> tuple[Axis, ...]:
    out: list[Axis] = []
    for item in items:
        if isinstance(item, RestFactor):
            out.extend((REST,) if names.rest is None else names.rest)
        else:
            out.append(simplify(size(item), names.scope.facts))
    return tuple(out)


def _right(names: _Names, pattern: s.Pattern, span: Span) -> tuple[s.Term, ...]:
    if pattern.right is None:
        names.scope.fail("pattern-axes", "the pattern needs `->` and the axes of the result", span)
        raise _Wrong
    return pattern.right


def _reduce(
    scope: Scope, name: str, pattern: s.Pattern, operands: list[Tensor], span: Span
) -> Value:
    names = _Names(scope)
    left = _left(names, pattern, operands, span)
    right = _side(names, _right(names, pattern, span))
    if len(left) != 1 or len(right) != 1:
        return scope.fail("pattern-axes", f"{name} takes one operand and gives one result", span)
    ours, theirs = list(left[0]), list(right[0])
    for item in theirs:
        if item in ours or (isinstance(item, Factor) and item.dim.value == 1):
            continue
        return scope.fail("pattern-axes", f"{item} comes from nowhere", pattern.span)
    out = TensorType(operands[0].type.dtype, _axes(names, right[0]))
    plan = Plan(tuple(left), tuple(right))
    return scope.add(Node(name, (operands[0].node,), (out,), plan=plan, span=span))


def _along(
    scope: Scope, name: str, pattern: s.Pattern, operands: list[Tensor], span: Span
) -> Value:
    if pattern.right is not None:
        return scope.fail("pattern-axes", f"{name} keeps the shape: no `->` here", pattern.span)
    names = _Names(scope)
    left = _left(names, pattern, operands, span)
    plan = Plan(tuple(left), ())
    return scope.add(Node(name, (operands[0].node,), (operands[0].type,), plan=plan, span=span))


def _einsum(scope: Scope, pattern: s.Pattern, operands: list[Tensor], span: Span) -> Value:
    names = _Names(scope)
    left = _left(names, pattern, operands, span)
    terms = _right(names, pattern, span)
    if len(terms) != 1:
        return scope.fail("pattern-axes", "einsum gives one result", pattern.span)
    right = _side(names, terms)
    met = {f.name for term in left for f in factors(term)}
    for factor in factors(right[0]):
        if factor.name not in met and factor.name != "1":
            return scope.fail("pattern-axes", f"{factor.name} is in no operand", pattern.span)
    if any(len(pieces(term)) > 1 for term in (*left, *right)):
        return scope.fail("pattern-axes", "einsum does not cut axes", pattern.span)
    dtypes = [t.type.dtype for t in operands]
    dtype = "float32" if "float32" in dtypes else dtypes[0]
    out = TensorType(dtype, _axes(names, right[0]))
    plan = Plan(tuple(left), tuple(right))
    args = tuple(t.node for t in operands)
    return scope.add(Node("einsum", args, (out,), plan=plan, span=span))


def _rearrange(
    scope: Scope, name: str, pattern: s.Pattern, operands: list[Tensor], span: Span
) -> Value:
    names = _Names(scope)
    left = _left(names, pattern, operands, span)
    terms = _right(names, pattern, span)
    if name == "rearrange":
        _no_new_names(names, terms, left)
    discarded = frozenset(i for i, t in enumerate(terms) if t.span.text.strip() == "_")
    sources = [p for term in left for p in pieces(term)]
    right: list[tuple[Item, ...]] = []
    slots = iter(sources)
    for i, term in enumerate(terms):
        if i in discarded:
            right.append(next(slots, ()))
            continue
        right.extend(_side(names, (term,)))
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
            _same_factors(names, source, result, pattern.span)
    kept = [t for i, t in enumerate(right) if i not in discarded]
    dtypes = {t.type.dtype for t in operands}
    if len(dtypes) > 1:
        return scope.fail("dtype-mismatch", "pieces to be joined need one dtype", span)
    types = tuple(TensorType(operands[0].type.dtype, _axes(names, t)) for t in kept)
    plan = Plan(tuple(left), tuple(right), discarded)
    args = tuple(t.node for t in operands)
    node = scope.add(Node(name, args, types, plan=plan, span=span))
    if len(types) == 1:
        return node
    items = [Node("item", (node.node,), (t,), index=i, span=span) for i, t in enumerate(types)]
    return Tensors(tuple(scope.add(i) for i in items))


def _no_new_names(names: _Names, terms: tuple[s.Term, ...], left: list[tuple[Item, ...]]) -> None:
    met = {f.name for term in left for p in pieces(term) for f in factors(p)} | {"_", "1"}
    pending: list[s.AxisItem] = [i for t in terms for i in t.items]
    while pending:
        item = pending.pop()
        match item:
            case s.AxisName(text, span) if text not in met:
                names.scope.fail(
                    "pattern-axes",
                    f"{text} is not on the left",
                    span,
                    help="repeat[...] makes new axes",
                )
                raise _Wrong
            case s.Merged(items, _):
                pending.extend(items)
            case s.Joined(parts, _):
                pending.extend(i for p in parts for i in p)


def _same_factors(
    names: _Names, source: tuple[Item, ...], result: tuple[Item, ...], span: Span
) -> None:
    ours = sorted(f.name for f in factors(source) if f.name != "1")
    theirs = sorted(f.name for f in factors(result) if f.name != "1")
    if ours != theirs:
        gone = " ".join(n for n in ours if n not in theirs) or " ".join(
            n for n in theirs if n not in ours
        )
        names.scope.fail(
            "pattern-axes",
            f"a rearrangement keeps every axis: {gone or 'an axis'} is on one side only",
            span,
            help="sum[...] or mean[...] reduce axes, repeat[...] makes new ones",
        )
        raise _Wrong


def _gather(scope: Scope, pattern: s.Pattern, operands: list[Tensor], span: Span) -> Value:
    """`gather[n d, ... -> ... d](table, index)`: entries of the table's first axis."""
    names = _Names(scope)
    if len(pattern.left) != 2 or len(operands) != 2:
        return scope.fail("wrong-arguments", "gather takes a table and indices", span)
    left = _left(names, pattern, operands, span)
    terms = _right(names, pattern, span)
    right = _side(names, terms)
    if operands[1].type.dtype != "int":
        return scope.fail(
            "dtype-mismatch", "indices have to be int", span, note=f"these are {operands[1].type}"
        )
    if len(right) != 1 or right[0] != (*left[1], *left[0][1:]):
        return scope.fail(
            "pattern-axes",
            "gather gives the axes of the indices, then the entry's",
            pattern.span,
            help="gather[n d, ... -> ... d](table, index)",
        )
    out = TensorType(operands[0].type.dtype, _axes(names, right[0]))
    plan = Plan(tuple(left), tuple(right))
    args = tuple(t.node for t in operands)
    return scope.add(Node("gather", args, (out,), plan=plan, span=span))


def inverse(scope: Scope, pattern: s.Pattern, types: list[TensorType]) -> Plan | None:
    """A pattern whose right side is matched with known types, as in maps of checkpoint keys."""
    names = _Names(scope)
    if pattern.right is None or len(pattern.right) != len(types):
        scope.fail("pattern-axes", f"the pattern needs `->` and {len(types)} results", pattern.span)
        return None
    try:
        for term, t in zip(pattern.right, types, strict=True):
            _match(names, term, t)
        left = _side(names, pattern.left)
        right = _side(names, pattern.right)
        sources = [p for term in left for p in pieces(term)]
        results = [p for term in right for p in pieces(term)]
        if len(sources) != len(results):
            scope.fail(
                "pattern-axes",
                f"{len(sources)} pieces on the left, {len(results)} on the right",
                pattern.span,
            )
            return None
        for source, result in zip(sources, results, strict=True):
            _same_factors(names, source, result, pattern.span)
    except _Wrong:
        return None
    return Plan(tuple(left), tuple(right))
