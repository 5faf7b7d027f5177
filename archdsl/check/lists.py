"""Lists known in advance: items, parts, functions.

A generic check knows two things of a list that is a setting: its length and one item that stands
for all. An item by its number is a symbol of its own there, `widths[0]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archdsl import syntax as s
from archdsl.check import statics
from archdsl.check.scope import Scope
from archdsl.check.values import (
    Either,
    Error,
    Float,
    Int,
    Items,
    Null,
    Tensor,
    Text,
    Truth,
    Value,
    Word,
    describe,
    is_block,
    is_layer,
)
from archdsl.dims import DIFFERENT, Dim, substitute
from archdsl.reals import Ref
from archdsl.source import Span

MAX_ITEMS = 10_000
"""Lists longer than this are refused."""


def items_of(scope: Scope, value: Value, name: str, span: Span) -> Items | Error:
    """What `for` in a list runs over: a list, the letters of a text such as "MEM*E", or the numbers
    below an integer.
    """
    match value:
        case Items() | Error():
            return value
        case Text(letters):
            return bounded(scope, tuple(Text(letter) for letter in letters), span)
        case Int(d):
            return numbers(scope, Dim(), d, 1, name, span)
    return scope.fail(
        "kind-mismatch",
        "`for` runs over a list or a number",
        span,
        note=f"this is {describe(value)}",
    )


def bounded(scope: Scope, values: tuple[Value, ...], span: Span) -> Items | Error:
    """Items as a list, if it is not too long."""
    if len(values) > MAX_ITEMS:
        return scope.fail("too-large", f"a list of {len(values)} items", span)
    return Items(values)


def numbers(scope: Scope, first: Dim, end: Dim, by: int, name: str, span: Span) -> Items | Error:
    """The integers from `first` to below `end`; `name` stands for one that is not known."""
    if scope.numbers is not None:
        for d in (first, end):
            scope.unrolled |= substitute(d, scope.numbers.symbols).symbols()
    start, stop = scope.value(first), scope.value(end)
    if start is None or stop is None:
        length = end - first if by == 1 else Dim.symbol(f"len({_text(span)})")
        return Items(None, Int(Dim.symbol(name)), length)
    steps = range(start, stop, by)
    if len(steps) > MAX_ITEMS:
        return scope.fail("too-large", f"a list of {len(steps)} items", span)
    return Items(tuple(Int(Dim.number(i)) for i in steps), Int(Dim()))


def unpacked(scope: Scope, names: Sequence[s.Name], value: Value) -> dict[str, Value] | Error:
    """The names of `for a, b in pairs` with their parts of one item."""
    if len(names) == 1:
        return {names[0].name: value}
    if isinstance(value, Items) and value.values is not None and len(value.values) == len(names):
        return {n.name: v for n, v in zip(names, value.values, strict=True)}
    if isinstance(value, Items) and value.values is None and value.sample is not None:
        return {n.name: value.sample for n in names}
    listed = ", ".join(n.name for n in names)
    return scope.fail(
        "kind-mismatch",
        f"`for {listed}` takes items that are lists of {len(names)}",
        names[0].span.to(names[-1].span),
        note=f"an item is {describe(value)}",
        help="write `for i, x in enumerate(xs)` or `for x, y in zip(xs, ys)`",
    )


def joined(scope: Scope, expr: s.Binary, left: Value, right: Value) -> Value | None:
    """`[a] + [b]` and `3 * [a, b]`; None where no list is meant."""
    match expr.op, left, right:
        case "+", Items(a), Items(b):
            if a is None or b is None:
                either = any_of([v for v in (left.any, right.any) if v is not None], expr.span)
                return Items(None, either, left.size + right.size)
            if len(a) + len(b) > MAX_ITEMS:
                return scope.fail("too-large", f"a list of {len(a) + len(b)} items", expr.span)
            return Items((*a, *b), sample=left.sample or right.sample)
        case "*", Int(d), Items(a):
            count = scope.value(d)
            if a is None or count is None:
                return Items(None, right.any, d * right.size)
            if not 0 <= count * len(a) <= MAX_ITEMS:
                return scope.fail("too-large", f"a list of {count * len(a)} items", expr.span)
            return Items(a * count)
    return None


def any_of(values: Sequence[Value], span: Span) -> Value | None:
    """One of several values, where a generic check cannot know which; None of none."""
    if not values:
        return None
    first = values[0]
    if all(value == first for value in values):
        return first
    if all(isinstance(v, Int) for v in values):
        return Int(Dim.symbol(f"({_text(span)})[]"))
    if all(isinstance(v, Int | Float) for v in values):
        return Float(Ref(f"({_text(span)})[]"))
    if all(isinstance(v, Word) for v in values):
        return Word(None)
    if all(isinstance(v, Truth) for v in values):
        return Truth(None)
    if all(is_layer(v) for v in values):
        out = values[-1]
        for value in reversed(values[:-1]):
            out = value if value == out else Either(value, out)
        return out
    return first


# --- parts ----------------------------------------------------------------------------------------


def item(scope: Scope, value: Value, at: Value, span: Span, at_span: Span) -> Value:
    """`xs[i]`; a negative number counts from the end."""
    items = _listed(scope, value, span)
    if isinstance(items, Error | Null) or isinstance(at, Error):
        return items if isinstance(items, Error | Null) else at
    if isinstance(at, Tensor) and items.any is not None and is_block(items.any):
        help = "bank(n, Block(...), top_k) and mixture(...) choose blocks for each token"
        message = "an index has to be an integer known in advance"
        return scope.fail("not-static", message, at_span, note=f"this is {describe(at)}", help=help)
    index = statics.integer(scope, at, at_span, "an index")
    if index is None:
        return Error()
    number = scope.value(index)
    if items.values is None:
        return _known_by_name(items.sample, span)
    if number is None:
        return any_of(items.values, span) or _outside(scope, 0, "i", at_span)
    if not -len(items.values) <= number < len(items.values):
        return _outside(scope, len(items.values), str(number), at_span)
    return items.values[number]


def _outside(scope: Scope, length: int, index: str, span: Span) -> Error:
    message = f"this list has {length} item{'' if length == 1 else 's'}, so [{index}] is not there"
    last = f"the first is [0], the last [{length - 1}] or [-1]" if length else ""
    return scope.fail("bad-value", message, span, help=last)


def part(
    scope: Scope, value: Value, bounds: tuple[Value | None, Value | None], span: Span
) -> Value:
    """`xs[first:last]`, without the item `last`; what lies outside of the list is left out."""
    items = _listed(scope, value, span)
    if isinstance(items, Error | Null):
        return items
    edges: list[int | None] = []
    known = items.values is not None
    for bound in bounds:
        if bound is None:
            edges.append(None)
            continue
        d = statics.integer(scope, bound, span, "a bound of a slice")
        if d is None:
            return Error()
        edges.append(scope.value(d))
        known = known and edges[-1] is not None
    if known and items.values is not None:
        return Items(items.values[edges[0] : edges[1]], items.any)
    return Items(None, items.any, Dim.symbol(f"len({_text(span)})"))


def _listed(scope: Scope, value: Value, span: Span) -> Items | Error | Null:
    match value:
        case Items() | Error() | Null():
            return value
        case Text(letters):
            return Items(tuple(Text(letter) for letter in letters))
    return scope.fail(
        "kind-mismatch",
        "an index takes an item of a list",
        span,
        note=f"this is {describe(value)}",
        help="an operation with an axes pattern takes its operands behind it: op[...](x)",
    )


def _known_by_name(sample: Value | None, span: Span) -> Value:
    """An item of a list that a generic check knows by name only."""
    match sample:
        case None:
            return Error()
        case Int():
            return Int(Dim.symbol(_text(span)))
        case Float():
            return Float(Ref(_text(span)))
    return sample


def _text(span: Span) -> str:
    return "".join(span.text.split())


# --- functions ------------------------------------------------------------------------------------


def function(scope: Scope, name: str, args: tuple[Value, ...], span: Span) -> Value:
    """A function of lists, such as `len` or `zip`."""
    if any(isinstance(a, Error) for a in args):
        return Error()
    usage, rule = FUNCTIONS[name]
    args = tuple(_listed(scope, a, span) if isinstance(a, Text) else a for a in args)
    value = rule(scope, args, span)
    if value is None:
        return scope.fail("wrong-arguments", f"write {usage}", span)
    return value


def _len(_: Scope, args: tuple[Value, ...], __: Span) -> Value | None:
    match args:
        case (Items() as items,):
            return Int(items.size)
    return None


def _range(scope: Scope, args: tuple[Value, ...], span: Span) -> Value | None:
    match args:
        case (Int(end),):
            return numbers(scope, Dim(), end, 1, f"{_text(span)}[]", span)
        case (Int(first), Int(end)):
            return numbers(scope, first, end, 1, f"{_text(span)}[]", span)
        case (Int(first), Int(end), Int(by)):
            step = scope.value(by)
            if step == 0 or step is None:
                return None
            return numbers(scope, first, end, step, f"{_text(span)}[]", span)
    return None


def _zip(scope: Scope, args: tuple[Value, ...], span: Span) -> Value | None:
    lists = [a for a in args if isinstance(a, Items)]
    if len(lists) < 2 or len(lists) < len(args):
        return None
    for other in lists[1:]:
        if scope.compare(lists[0].size, other.size) is DIFFERENT:
            sizes = f"{lists[0].size} and {other.size}"
            return scope.fail("kind-mismatch", f"zip takes lists of one length, not {sizes}", span)
    rows = [x.values for x in lists if x.values is not None]
    samples = tuple(x for x in (x.any or x.sample for x in lists) if x is not None)
    if len(rows) == len(lists):
        # Of empty lists a row stays that says what their items are.
        row_of_any = Items(samples) if not rows[0] and len(samples) == len(lists) else None
        return Items(tuple(Items(row) for row in zip(*rows, strict=True)), row_of_any)
    return Items(None, Items(samples), lists[0].size)


def _enumerate(_: Scope, args: tuple[Value, ...], span: Span) -> Value | None:
    match args:
        case (Items(values) as items,):
            if values is not None:
                pairs = enumerate(values)
                first = Items((Int(Dim()), items.sample)) if items.sample is not None else None
                return Items(tuple(Items((Int(Dim.number(i)), x)) for i, x in pairs), first)
            index = Int(Dim.symbol(f"{_text(span)}[]"))
            return Items(None, Items((index, items.sample or Error())), items.size)
    return None


def _total(scope: Scope, args: tuple[Value, ...], span: Span) -> Value | None:
    match args:
        case (Items(None, sample),):
            return _known_by_name(sample, span)
        case (Items(values),) if values is not None:
            total: Value = Int(Dim())
            for value in values:
                total = statics.arithmetic(scope, "+", total, value, span)
            return total
    return None


def _extreme(op: str) -> Rule:
    def rule(scope: Scope, args: tuple[Value, ...], span: Span) -> Value | None:
        match args:
            case (Items(None, sample),):
                return _known_by_name(sample, span)
            case (Items((first, *rest)),) if isinstance(first, Int | Float):
                for value in rest:
                    if not isinstance(value, Int | Float):
                        return None
                    if isinstance(first, Float) or isinstance(value, Float):
                        x, y = (statics.number(scope, v, span) for v in (first, value))
                        if x is not None and y is not None:
                            first = value if (y < x) == (op == "minimum") and x != y else first
                            continue
                    result = statics.function(scope, op, (first, value), span)
                    if not isinstance(result, Int | Float):
                        return result
                    first = result
                return first
        return None

    return rule


def _count(scope: Scope, args: tuple[Value, ...], span: Span) -> Value | None:
    match args:
        case (Items(values), wanted):
            same = [statics.agree(scope, v, wanted) for v in values or ()]
            if values is None or None in same:
                return Int(Dim.symbol(_text(span)))
            return Int(Dim.number(same.count(True)))
    return None


Rule = Callable[[Scope, tuple[Value, ...], Span], Value | None]

FUNCTIONS: dict[str, tuple[str, Rule]] = {
    "len": ("len(xs), with a list", _len),
    "range": ("range(n), range(first, end) or range(first, end, step)", _range),
    "zip": ("zip(xs, ys), with lists", _zip),
    "enumerate": ("enumerate(xs), with a list", _enumerate),
    "sum": ("sum(xs) with a list of numbers, or sum[axes -> axes](x)", _total),
    "min": ("min(xs), with a list of at least one number", _extreme("minimum")),
    "max": ("max(xs) with a list of at least one number, or max[axes -> axes](x)",
            _extreme("maximum")),
    "count": ("count(xs, x), how many items are x", _count),
}  # fmt: skip
"""What is called with lists: how it is written, and what it gives."""
