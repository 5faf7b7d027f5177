"""Matching the names of an axes pattern with the axes of operands.

A name is an axis of the block if it has one of that name, and then the operand's axis has to be
equal to it; otherwise it is local to the pattern and takes the operand's axis. In a merged axis
`(g r)` one unknown factor is found by division, which has to be known to be exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from archdsl import syntax as s
from archdsl.axes import Cut, Factor, Item, Merge, RestFactor, factors, pieces, size
from archdsl.check.scope import Scope
from archdsl.check.tensors import scope_node
from archdsl.check.values import Int, Tensor
from archdsl.diagnostic import Label
from archdsl.dims import DIFFERENT, EQUAL, Dim, divides, lowest, simplify
from archdsl.nodes import Input, Read
from archdsl.source import Span
from archdsl.symbols import SEEN, STREAM, unmarked
from archdsl.types import REST, Axis, Rest, TensorType


class Wrong(Exception):
    """A pattern that does not fit; the report has been made."""


@dataclass(slots=True)
class Names:
    """The axes that a pattern knows: the block's, and those it has met. `origin` is where the
    operand comes from that is being matched.
    """

    scope: Scope
    local: dict[str, Dim] = field(default_factory=dict)
    rest: tuple[Axis, ...] | None = None
    origin: tuple[Label, ...] = ()

    def get(self, name: str) -> Dim | None:
        """The length of an axis, or None for a name not met yet."""
        if name.isdigit():
            return Dim.number(int(name))
        if name in self.local:
            return self.local[name]
        known = self.scope.names.get(name)
        if isinstance(known, Int):
            self.scope.used.add(name)
            return known.dim
        return None


def match_left(
    names: Names, pattern: s.Pattern, operands: list[Tensor], span: Span
) -> list[tuple[Item, ...]]:
    """Every operand's term, matched; raises Wrong."""
    if len(pattern.left) != len(operands):
        names.scope.fail(
            "pattern-axes",
            f"the pattern is for {len(pattern.left)} tensors, {len(operands)} given",
            span,
        )
        raise Wrong
    pairs = zip(pattern.left, operands, strict=True)
    terms = []
    for term, operand in pairs:
        names.origin = _origin(names.scope, operand, span)
        terms.append(match(names, term, operand.type))
    names.origin = ()
    return terms


def _origin(scope: Scope, operand: Tensor, span: Span) -> tuple[Label, ...]:
    """Where an operand was bound, with its type, if that is elsewhere."""
    node = scope_node(scope, operand)
    there = scope.bound.get(node.name) if isinstance(node.form, Read | Input) else node.span
    if not node.name or there is None or there.source is not span.source:
        return ()
    if there.end > span.start:
        return ()
    return (Label(there, f"{node.name} is {unmarked(operand.type)}"),)


def _order(names: Names, term: s.Term, t: TensorType) -> str:
    """The names of a pattern in the order of the operand's axes, where only the order is wrong."""
    items = [i.text for i in term.items if isinstance(i, s.AxisName)]
    if len(items) != len(t.axes) or "..." in items:
        return ""
    free = [name for name in items if names.get(name) is None or name in names.local]
    rest = [name for name in items if name not in free]
    order: list[str] = []
    for axis in t.axes:
        known = ((name, names.get(name)) for name in rest)
        same = [n for n, d in known if d and names.scope.compare_axes(d, axis) is EQUAL]
        order.append(same[0] if same else "")
        rest = [name for name in rest if name not in same[:1]]
    if rest or order.count("") != len(free):
        return ""
    filled = " ".join(name or free.pop(0) for name in order)
    return f"the axes stand in another order here: {filled}"


def match(names: Names, term: s.Term, t: TensorType) -> tuple[Item, ...]:
    """A term against the axes of its operand, `...` taking what the others leave."""
    dots = [i for i, a in enumerate(term.items) if isinstance(a, s.AxisName) and a.text == "..."]
    axes, items = t.axes, term.items
    count = len(axes) - len(items) + 1 if dots else 0
    fits = len(dots) <= 1 and (count >= 0 if dots else len(axes) == len(items))
    if not fits:
        written = f"{len(items)} {'axis' if len(items) == 1 else 'axes'}"
        names.scope.fail(
            "pattern-axes",
            f"the pattern has {written}, the tensor {len(axes)}",
            term.span,
            note=f"for {unmarked(t)}",
            labels=names.origin,
            help="name every axis, with blanks between the names, or write `...` for the leading "
            "ones",
        )
        raise Wrong
    out: list[Item] = []
    position = 0
    for item in items:
        if isinstance(item, s.AxisName) and item.text == "...":
            _bind_rest(names, axes[position : position + count], item.span, t)
            out.append(RestFactor())
            position += count
            continue
        axis = axes[position]
        position += 1
        if isinstance(axis, Rest):
            names.scope.fail(
                "pattern-axes",
                "`...` of the tensor needs `...` in the pattern",
                item.span,
                note=f"for {unmarked(t)}",
                labels=names.origin,
            )
            raise Wrong
        out.append(_bind(names, item, axis, t, term))
    return tuple(out)


def _bind_rest(names: Names, axes: tuple[Axis, ...], span: Span, t: TensorType) -> None:
    if names.rest is None:
        names.rest = axes
    elif len(names.rest) != len(axes) or any(
        names.scope.compare_axes(a, b) is not EQUAL for a, b in zip(names.rest, axes, strict=True)
    ):
        names.scope.fail(
            "pattern-axes",
            "`...` stands for two different groups of axes",
            span,
            note=f"here in {unmarked(t)}",
        )
        raise Wrong


def _bind(names: Names, item: s.AxisItem, axis: Dim, t: TensorType, term: s.Term) -> Item:
    match item:
        case s.AxisName(text, span):
            known = names.get(text)
            if known is None:
                names.local[text] = axis
                return Factor(text, axis)
            if names.scope.compare(known, axis) is not EQUAL:
                _equal(names, known, axis, text, span, t, _order(names, term, t))
            return Factor(text, axis if text.isdigit() else known)
        case s.Merged(items, span):
            return Merge(_split(names, items, axis, span, t))
    return _cut(names, item, axis, t)


def _equal(
    names: Names, a: Dim, b: Dim, text: str, span: Span, t: TensorType, order: str = ""
) -> None:
    scope = names.scope
    verdict = scope.compare(a, b)
    if verdict is EQUAL:
        return
    if a == Dim.symbol(SEEN) and b == Dim.symbol(STREAM):
        scope.fail(
            "pattern-axes",
            f"{SEEN} is all that was seen, and the axis here is {STREAM}, the tokens that come in",
            span,
            note=f"for {scope.describe(t)}",
            help="write `cache` before the names of what decoding keeps: cache k, v",
        )
    elif a == Dim.symbol(STREAM) and b == Dim.symbol(SEEN):
        scope.fail(
            "pattern-axes",
            f"{STREAM} is the tokens that come in, and the axis here is {SEEN}, all that was seen",
            span,
            note=f"for {scope.describe(t)}",
            help="behind `cache` a name is all that was seen: make queries of it before",
        )
    elif verdict is DIFFERENT or scope.numbers is not None:
        scope.fail(
            "pattern-axes",
            f"{text} is {scope.equation(a)}, but the axis here is {scope.equation(b)}",
            span,
            note=f"for {scope.describe(t)}",
            labels=names.origin,
            help=order,
        )
    else:
        scope.fail(
            "unknown-equality",
            f"nothing shows that {text} equals {b}",
            span,
            note=f"for {unmarked(t)}",
            labels=names.origin,
            help=order or f"add `where {a} == {b}`, or name the axis otherwise",
        )
    raise Wrong


def _unknown(names: Names, items: tuple[s.AxisItem, ...]) -> list[s.AxisName]:
    return [i for i in items if isinstance(i, s.AxisName) and names.get(i.text) is None]


def _split(
    names: Names, items: tuple[s.AxisItem, ...], axis: Dim, span: Span, t: TensorType
) -> tuple[Item, ...]:
    """The factors of a merged axis; one of them may be unknown, or be cut in unknown pieces."""
    unknown = _unknown(names, items)
    if len(unknown) > 1:
        _unbound(names, unknown[1])
    pieces = [i for i in items if isinstance(i, s.Joined) and _pieces_unknown(names, i)]
    if pieces and not unknown:
        return _split_in_pieces(names, items, pieces[0], axis, span, t)
    known: list[Item | None] = [None if i in unknown else _known(names, i) for i in items]
    total = Dim.number(1)
    for item in known:
        if item is not None:
            total = total * size(item)
    if not unknown:
        _equal(names, total, axis, f"({span.text.strip('()')})", span, t)
        return tuple(i for i in known if i is not None)
    quotient = _quotient(names, axis, total, unknown[0].text, span, t)
    names.local[unknown[0].text] = quotient
    return tuple(Factor(unknown[0].text, quotient) if i is None else i for i in known)


def _pieces_unknown(names: Names, item: s.Joined) -> list[s.AxisName]:
    return [u for part in item.parts for u in _unknown(names, part)]


def _split_in_pieces(
    names: Names,
    items: tuple[s.AxisItem, ...],
    cut: s.Joined,
    axis: Dim,
    span: Span,
    t: TensorType,
) -> tuple[Item, ...]:
    """The factors of a merged axis of which one is `(k + k)`, its pieces unknown."""
    total = Dim.number(1)
    for item in items:
        if item is not cut:
            total = total * size(_known(names, item))
    alike = {i.text for part in cut.parts for i in part if isinstance(i, s.AxisName)}
    if len(alike) == 1 and all(len(part) == 1 for part in cut.parts):
        (name,) = alike
        whole = total * len(cut.parts)
        names.local[name] = _quotient(names, axis, whole, name, span, t)
        pieces: Item = _known(names, cut)
    else:
        what = f"({cut.span.text.strip('()')})"
        pieces = _cut(names, cut, _quotient(names, axis, total, what, span, t), t)
    return tuple(pieces if item is cut else _known(names, item) for item in items)


def _quotient(names: Names, axis: Dim, total: Dim, what: str, span: Span, t: TensorType) -> Dim:
    scope = names.scope
    upper, lower = lowest(axis, total)
    if divides(lower, upper, scope.facts):
        return upper // lower
    value, by = scope.value(axis), scope.value(total)
    if value is not None and by:
        if value % by == 0:
            return upper // lower
        scope.fail(
            "pattern-axes",
            f"{scope.equation(total)} does not divide {scope.equation(axis)}",
            span,
            note=f"for {unmarked(t)}",
            labels=names.origin,
        )
    elif scope.numbers is None:
        scope.fail(
            "unknown-equality",
            f"nothing shows that {total} divides {axis}",
            span,
            note=f"{what} would be {_factor(axis)} // {_factor(total)}",
            help=f"add `where {_factor(axis)} % {_factor(total)} == 0`",
        )
    else:
        scope.fail("pattern-axes", f"{total} does not divide {axis} for every length", span)
    raise Wrong


def _factor(d: Dim) -> str:
    """A dimension where it is multiplied or divided: a sum in parentheses."""
    return f"({d})" if len(d.terms) > 1 else str(d)


def _unbound(names: Names, item: s.AxisName) -> None:
    names.scope.fail(
        "unbound-axis",
        f"nothing says how long {item.text} is",
        item.span,
        help="use the name of a setting or of an axis, or bind it: n = ...",
    )
    raise Wrong


def _known(names: Names, item: s.AxisItem) -> Item:
    """An item all of whose sizes are known."""
    match item:
        case s.AxisName(text, _):
            if text == "...":
                return RestFactor()
            length = names.get(text)
            if length is None:
                _unbound(names, item)
                raise Wrong
            return Factor(text, length)
        case s.Merged(items, _):
            return Merge(tuple(_known(names, i) for i in items))
        case s.Joined(parts, _):
            return Cut(tuple(tuple(_known(names, i) for i in p) for p in parts))


def _cut(names: Names, item: s.Joined, axis: Dim, t: TensorType) -> Item:
    """The pieces of an axis. One name may be unknown: pieces of it, `k` or `n k`, take what is
    left.
    """
    unknown = _pieces_unknown(names, item)
    for other in unknown:
        if other.text != unknown[0].text:
            _unbound(names, other)
    if unknown:
        total, times = Dim(), Dim()
        for part in item.parts:
            free = _unknown(names, part)
            others = size(Merge(tuple(_known(names, i) for i in part if i not in free)))
            if len(free) > 1:
                _unbound(names, free[1])
            elif free:
                times = times + others
            else:
                total = total + others
        left = axis - total
        if times != Dim.number(1):
            left = _quotient(names, left, times, unknown[0].text, item.span, t)
        names.local[unknown[0].text] = left
    cut = _known(names, item)
    _equal(names, size(cut), axis, item.span.text, item.span, t)
    return cut


def side(names: Names, terms: tuple[s.Term, ...]) -> list[tuple[Item, ...]]:
    """Terms all of whose sizes are known; raises Wrong."""
    return [tuple(_known(names, i) for i in term.items) for term in terms]


def axes_of(names: Names, items: tuple[Item, ...]) -> tuple[Axis, ...]:
    """The axes of a term, `...` filled in."""
    out: list[Axis] = []
    for item in items:
        if isinstance(item, RestFactor):
            out.extend((REST,) if names.rest is None else names.rest)
        else:
            out.append(simplify(size(item), names.scope.facts))
    return tuple(out)


def right_of(names: Names, pattern: s.Pattern, span: Span) -> tuple[s.Term, ...]:
    """The right side of a pattern; raises Wrong where there is none."""
    if pattern.right is None:
        names.scope.fail("pattern-axes", "the pattern needs `->` and the axes of the result", span)
        raise Wrong
    return pattern.right


def no_new_names(names: Names, terms: tuple[s.Term, ...], left: list[tuple[Item, ...]]) -> None:
    """A rearrangement makes no axes; raises Wrong."""
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
                raise Wrong
            case s.Merged(items, _):
                pending.extend(items)
            case s.Joined(parts, _):
                pending.extend(i for p in parts for i in p)


def same_factors(
    names: Names, source: tuple[Item, ...], result: tuple[Item, ...], span: Span
) -> None:
    """A rearrangement keeps every axis; raises Wrong."""
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
        raise Wrong
