"""The meaning of expressions: numbers and recipes are computed, tensors become nodes.

`evaluate` gives a value and never raises on a wrong spec: it reports and returns an `Error`.
What tensors do stands in `tensors.py` and `patterns.py`, what blocks do in `apply.py`.
"""

from __future__ import annotations

import math
from dataclasses import replace

from archdsl import syntax as s
from archdsl.check import apply, experts, patterns, recurrence, schedules, statics, tensors
from archdsl.check.scope import Scope
from archdsl.check.values import (
    BlockRef,
    DateValue,
    Each,
    Either,
    Error,
    Float,
    Int,
    Items,
    Null,
    ParamPath,
    PrimitiveRef,
    Recipe,
    Record,
    Repeat,
    Schedule,
    Slot,
    Tensor,
    Tensors,
    Text,
    Truth,
    Value,
    Word,
    describe,
)
from archdsl.check.work import step
from archdsl.diagnostic import Label, nearest
from archdsl.dims import DIFFERENT, Dim
from archdsl.hints import meant
from archdsl.ops import OPERATORS, OPS
from archdsl.reals import FUNCTIONS, Apply, Lit, Ref
from archdsl.source import Span

CONSTANTS: dict[str, Value] = {
    "true": Truth(True),
    "false": Truth(False),
    "null": Null(),
    "inf": Float(Lit(math.inf)),
    "pi": Float(Lit(math.pi)),
}
_FUNCTIONS = ("stack", "len", "bank", "mixture")


def evaluate(scope: Scope, expr: s.Expr) -> Value:
    """The meaning of an expression."""
    step(expr.span)
    match expr:
        case s.Number(value):
            return Int(Dim.number(value)) if isinstance(value, int) else Float(Lit(value))
        case s.String(value):
            return Text(value)
        case s.Date(value):
            return DateValue(value)
        case s.Name():
            return name(scope, expr)
        case s.Group(items):
            return _group(scope, items)
        case s.ListExpr(items):
            return _list(scope, items)
        case s.Pipe(stages):
            return _pipe(scope, stages)
        case s.Choice():
            return _choice(scope, expr)
        case s.Binary("??", left, right):
            found = evaluate(scope, left)
            return evaluate(scope, right) if isinstance(found, Null) else found
        case s.Binary():
            return _binary(scope, expr)
        case s.Unary(op, inner):
            return _unary(scope, op, evaluate(scope, inner), expr.span)
        case s.Call():
            return _call(scope, expr)
        case s.AxesCall(s.Name(op)) if op in OPS and OPS[op].form == "fill":
            return patterns.filled(scope, expr, op)
        case s.AxesCall():
            return scope.fail(
                "wrong-arguments",
                "an operation with an axes pattern needs operands",
                expr.span,
                help="write op[...](x), or x |> op[...]",
            )
        case s.Field():
            return field(scope, expr)
        case s.Scan():
            return recurrence.scan(scope, expr)
        case s.Loop():
            return recurrence.loop(scope, expr)
        case s.Key(key) if scope.keys is not None:
            return entry(scope.keys, key.name)
    what = "a configuration key" if isinstance(expr, s.Key) else ""
    return scope.fail("unsupported", f"{what or 'this'} cannot stand here", expr.span)


def name(scope: Scope, expr: s.Name) -> Value:
    """What a name means: own names, those of the file, constants, primitives."""
    found = scope.look(expr.name)
    if expr.name in scope.absent and isinstance(found, Error):
        label = Label(scope.absent[expr.name], "the condition is false")
        message = f"{expr.name} is not there"
        help = f"choose by the same condition: ... if {scope.absent[expr.name].text} else ..."
        return scope.fail("unknown-name", message, expr.span, labels=(label,), help=help)
    if found is None:
        found = CONSTANTS.get(expr.name)
    if found is not None:
        return tensors.in_const(scope, found, expr.span) if scope.in_const else found
    if expr.name in OPS or expr.name in FUNCTIONS or expr.name in _FUNCTIONS:
        return PrimitiveRef(expr.name)
    known = [*scope.names, *scope.globals, *OPS, *CONSTANTS, *FUNCTIONS, *_FUNCTIONS]
    hint = meant(expr.name, known)
    return scope.fail("unknown-name", f"nothing here is called {expr.name}", expr.span, help=hint)


def static_int(scope: Scope, expr: s.Expr, what: str) -> Dim | None:
    """An integer known in advance, or None after a report."""
    value = evaluate(scope, expr)
    match value:
        case Int(d):
            return d
        case Error():
            return None
    scope.fail(
        "not-static",
        f"{what} has to be an integer known in advance",
        expr.span,
        note=f"this is {describe(value)}",
    )
    return None


def truth(scope: Scope, expr: s.Expr) -> bool | None:
    """A condition on settings: True, False, or None where it is not known (or wrong)."""
    value = evaluate(scope, expr)
    match value:
        case Truth(known):
            return known
        case Error():
            return None
    scope.fail(
        "not-static",
        "a condition has to be about settings",
        expr.span,
        note=f"this is {describe(value)}",
        help="compare settings, or use select(a, b, c) on tensors",
    )
    return None


def _group(scope: Scope, items: tuple[s.Expr, ...]) -> Value:
    if len(items) == 1:
        return evaluate(scope, items[0])
    parts = [evaluate(scope, i) for i in items]
    if parts and all(_is_layer(p) for p in parts):
        return schedules.sequence(scope, [(p, i.span) for p, i in zip(parts, items, strict=True)])
    values = [tensors.tensor(scope, p, i.span) for p, i in zip(parts, items, strict=True)]
    found = tuple(v for v in values if v is not None)
    return Tensors(found) if len(found) == len(items) else Error()


def _list(scope: Scope, items: tuple[s.Arg, ...]) -> Value:
    """`[a, b]`, or `[f(x) for x in list]`."""
    values: list[Value] = []
    unknown = Dim()
    for arg in items:
        if arg.source is None or arg.name is None:
            values.append(evaluate(scope, arg.value))
            continue
        source = evaluate(scope, arg.source)
        if isinstance(source, Text):  # a pattern such as "MEM*E", letter by letter
            source = Items(tuple(Text(letter) for letter in source.value))
        if not isinstance(source, Items):
            if isinstance(source, Error):
                return source
            return scope.fail("kind-mismatch", "`for` runs over a list", arg.source.span)
        found = source.values
        if found is None:
            found = () if source.sample is None else (source.sample,)
            unknown = unknown + source.size - len(found)
        inner = replace(scope, names=dict(scope.names))
        for value in found:
            inner.names[arg.name.name] = value
            values.append(evaluate(inner, arg.value))
    if any(isinstance(v, Error) for v in values):
        return Error()
    if unknown == Dim():
        return Items(tuple(values))
    return Items(None, next(iter(values), None), unknown + len(values))


def _pipe(scope: Scope, stages: tuple[s.Expr, ...]) -> Value:
    value = evaluate(scope, stages[0])
    for stage in stages[1:]:
        if isinstance(value, Error):
            return value
        span = stages[0].span.to(stage.span)
        value = applied(scope, stage, (value,), span)
    return value


def applied(scope: Scope, fn: s.Expr, args: tuple[Value, ...], span: Span) -> Value:
    """`fn` applied to values: the right side of a pipe, or a call on tensors."""
    while isinstance(fn, s.Group) and len(fn.items) == 1:
        fn = fn.items[0]
    if isinstance(fn, s.AxesCall):
        return patterns.operation(scope, fn, args, span)
    target = evaluate(scope, fn)
    if isinstance(target, Error):
        return target
    if isinstance(target, PrimitiveRef):
        return tensors.primitive(scope, target.name, args, span)
    label = fn.name if isinstance(fn, s.Name) else ""
    return apply.application(scope, target, label, args, fn.span, span)


def _choice(scope: Scope, expr: s.Choice) -> Value:
    known = truth(scope, expr.test)
    if known is not None:
        return evaluate(scope, expr.yes if known else expr.no)
    yes, no = evaluate(scope, expr.yes), evaluate(scope, expr.no)
    match yes, no:
        case (Error(), _) | (_, Error()):
            return Error()
        case Tensor(type=a), Tensor(type=b):
            if len(a.axes) != len(b.axes) or any(
                scope.compare_axes(x, y) is DIFFERENT for x, y in zip(a.axes, b.axes, strict=True)
            ):
                return scope.fail(
                    "shape-mismatch",
                    "both sides of a choice need one shape",
                    expr.span,
                    note=f"{a} if true, {b} if false",
                )
            return yes
        case (Int(a), Int(b)) if a == b:
            return yes
        case (Int(), Int()):
            return Int(Dim.symbol(f"{expr.test.span.text.strip()}?"))
        case (Int() | Float(), Int() | Float()):
            return yes if yes == no else Float(Ref(f"{expr.test.span.text.strip()}?"))
        case (Truth(), Truth()):
            return yes if yes == no else Truth(None)
        case (Word(), Word()):
            return yes if yes == no else Word(None)
    return Either(yes, no)


def _unary(scope: Scope, op: str, value: Value, span: Span) -> Value:
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


def _binary(scope: Scope, expr: s.Binary) -> Value:
    left, right = evaluate(scope, expr.left), evaluate(scope, expr.right)
    if isinstance(left, Error) or isinstance(right, Error):
        return Error()
    if isinstance(left, Tensor | Tensors) or isinstance(right, Tensor | Tensors):
        if expr.op not in OPERATORS:
            return scope.fail(
                "not-static",
                f"`{expr.op}` is not an operation on tensors",
                expr.span,
                help="dimensions are divided with // and %; tensors with /",
            )
        return tensors.primitive(scope, OPERATORS[expr.op], (left, right), expr.span)
    if expr.op in ("and", "or"):
        return statics.logic(scope, expr, left, right)
    if expr.op in statics.COMPARE:
        return statics.comparison(scope, expr, left, right)
    if expr.op == "in":
        return statics.contains(scope, expr, left, right)
    listed = statics.lists(scope, expr, left, right)
    if listed is not None:
        return listed
    if expr.op == "*" and isinstance(left, Int) and _is_layer(right):
        return Repeat(left.dim, right)
    return statics.arithmetic(scope, expr.op, left, right, expr.span)


def _is_layer(value: Value) -> bool:
    return isinstance(value, Recipe | Slot | Either | Schedule | Repeat | BlockRef)


def entry(record: Record, name: str) -> Value:
    """A key of a configuration, null where it is not there."""
    return dict(record.entries).get(name, Null())


def field(scope: Scope, expr: s.Field) -> Value:
    """`embed.w`: a parameter of a submodule."""
    value = evaluate(scope, expr.value)
    if isinstance(value, Error | Null):
        return value
    if isinstance(value, Record):
        return entry(value, expr.name.name)
    path: tuple[str, ...] = ()
    if isinstance(expr.value, s.Name):
        path = (expr.value.name,)
    if isinstance(value, Recipe) and path:
        statement = value.block.param(expr.name.name)
        if statement is not None and value.shared is not None:
            if scope.shared.get(value.shared.name) is not value.shared:
                message = f"{path[0]} is shared by a body around this one"
                help = "tie parameters where both blocks are bound"
                return scope.fail("unsupported", message, expr.span, help=help)
            path = (value.shared.name,)
        if statement is not None:
            return ParamPath((*path, expr.name.name), apply.param_type(scope, value, statement))
        known = [p.name.name for p in value.block.decl.body if isinstance(p, s.ParamStatement)]
        hint = nearest(expr.name.name, known)
        message = f"{value.block.name} has no parameter {expr.name.name}"
        return scope.fail("unknown-name", message, expr.name.span, help=hint)
    return scope.fail(
        "kind-mismatch", f"{describe(value)} has no part {expr.name.name}", expr.name.span
    )


def _call(scope: Scope, expr: s.Call) -> Value:
    if isinstance(expr.fn, s.AxesCall):
        return applied(scope, expr.fn, _plain(scope, expr), expr.span)
    target = evaluate(scope, expr.fn)
    match target:
        case Error():
            return target
        case BlockRef(block):
            return apply.recipe(scope, block, expr.args, expr.span, expr.fn.span)
        case PrimitiveRef("stack"):
            return schedules.schedule(scope, expr)
        case PrimitiveRef("len"):
            return _length(scope, expr)
        case PrimitiveRef("bank"):
            return experts.bank(scope, expr)
        case PrimitiveRef("mixture"):
            return experts.mixture(scope, expr)
        case PrimitiveRef("window"):
            return recurrence.window(scope, expr)
        case PrimitiveRef(op):
            args = _plain(scope, expr)
            if op in FUNCTIONS and args and all(isinstance(a, Int | Float) for a in args):
                return statics.function(scope, op, args, expr.span)
            return tensors.primitive(scope, op, args, expr.span)
    return applied(scope, expr.fn, _plain(scope, expr), expr.span)


def _plain(scope: Scope, expr: s.Call) -> tuple[Value, ...]:
    values: list[Value] = []
    for arg in expr.args:
        value = evaluate(scope, arg.value) if arg.plain or arg.each else Error()
        if arg.each and isinstance(value, Tensor):
            value = Each(value)
        elif arg.each and not isinstance(value, Error):
            value = scope.fail("not-a-tensor", "each hands out a tensor", arg.span)
        elif not arg.plain and not arg.each:
            message = "tensors are passed in order, without names"
            scope.fail("wrong-arguments", message, arg.span)
        values.append(value)
    return tuple(values)


def _length(scope: Scope, expr: s.Call) -> Value:
    args = _plain(scope, expr)
    match args:
        case (Items() as items,):
            return Int(items.size)
        case (Error(),):
            return Error()
    return scope.fail("wrong-arguments", "len takes a list", expr.span)
