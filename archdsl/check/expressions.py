"""The order of evaluation: what an expression means is computed from what its parts mean.

`evaluate` gives a value and never raises on a wrong spec: it reports and returns an `Error`. What
values give together stands in the rules, what blocks give in `apply.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archdsl import syntax as s
from archdsl.check import (
    apply,
    body,
    experts,
    interface,
    kinds,
    names,
    operators,
    patterns,
    recipes,
    recurrence,
    schedules,
    statics,
    tensors,
)
from archdsl.check.recipes import Tie
from archdsl.check.scope import Scope, speaking
from archdsl.check.values import (
    Block,
    BlockRef,
    DateValue,
    Each,
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
    Tensor,
    Tensors,
    Text,
    Value,
    is_layer,
)
from archdsl.check.work import step
from archdsl.diagnostic import Diagnostics
from archdsl.dims import Dim
from archdsl.ops import OPS
from archdsl.reals import FUNCTIONS, Lit
from archdsl.record import replace
from archdsl.source import Span
from archdsl.types import TensorType


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
            return names.name(scope, expr)
        case s.Group(items):
            return _group(scope, items)
        case s.ListExpr(items):
            return _list(scope, items)
        case s.Pipe(stages):
            return _pipe(scope, stages)
        case s.Choice():
            return _choice(scope, expr)
        case s.Binary("??", left, right):
            first = evaluate(scope, left)
            return evaluate(scope, right) if isinstance(first, Null) else first
        case s.Binary():
            sides = evaluate(scope, expr.left), evaluate(scope, expr.right)
            return operators.binary(scope, expr, *sides)
        case s.Unary(op, inner):
            return operators.unary(scope, op, evaluate(scope, inner), expr.span)
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
            return _field(scope, expr)
        case s.Scan():
            return body.scan(scope, expr)
        case s.Loop():
            return body.loop(scope, expr)
        case s.Key(key) if scope.keys is not None:
            return names.entry(scope.keys, key.name)
    what = "a configuration key" if isinstance(expr, s.Key) else ""
    return scope.fail("unsupported", f"{what or 'this'} cannot stand here", expr.span)


def static_int(scope: Scope, expr: s.Expr, what: str) -> Dim | None:
    """An integer known in advance, or None after a report."""
    return statics.integer(scope, evaluate(scope, expr), expr.span, what)


def truth(scope: Scope, expr: s.Expr) -> bool | None:
    """A condition on settings: True, False, or None where it is not known (or wrong)."""
    return statics.condition(scope, evaluate(scope, expr), expr.span)


def _group(scope: Scope, items: tuple[s.Expr, ...]) -> Value:
    if len(items) == 1:
        return evaluate(scope, items[0])
    parts = [evaluate(scope, i) for i in items]
    if parts and all(is_layer(p) for p in parts):
        return schedules.sequence(scope, [(p, i.span) for p, i in zip(parts, items, strict=True)])
    values = [tensors.tensor(scope, p, i.span) for p, i in zip(parts, items, strict=True)]
    operands = tuple(v for v in values if v is not None)
    return Tensors(operands) if len(operands) == len(items) else Error()


def _list(scope: Scope, items: tuple[s.Arg, ...]) -> Value:
    """`[a, b]`, or `[f(x) for x in list]`."""
    values: list[Value] = []
    unknown = Dim()
    for arg in items:
        if arg.source is None or arg.name is None:
            values.append(evaluate(scope, arg.value))
            continue
        source = statics.items_of(scope, evaluate(scope, arg.source), arg.source.span)
        if isinstance(source, Error):
            return source
        some = source.values
        if some is None:
            some = () if source.sample is None else (source.sample,)
            unknown = unknown + source.size - len(some)
        values.extend(_for_each(scope, arg.name, some, arg.value))
    if any(isinstance(v, Error) for v in values):
        return Error()
    if unknown == Dim():
        return Items(tuple(values))
    return Items(None, next(iter(values), None), unknown + len(values))


def _for_each(scope: Scope, name: s.Name, values: Iterable[Value], expr: s.Expr) -> Iterator[Value]:
    """What an expression means where a name stands for one value after the other."""
    inner = replace(scope, names=dict(scope.names))
    for value in values:
        inner.names[name.name] = value
        yield evaluate(inner, expr)


def _pipe(scope: Scope, stages: tuple[s.Expr, ...]) -> Value:
    value = evaluate(scope, stages[0])
    for stage in stages[1:]:
        if isinstance(value, Error):
            return value
        span = stages[0].span.to(stage.span)
        value = _apply(scope, stage, (value,), span)
    return value


def _apply(scope: Scope, fn: s.Expr, args: tuple[Value, ...], span: Span) -> Value:
    """`fn` applied to values: the right side of a pipe, or a call on tensors."""
    while isinstance(fn, s.Group) and len(fn.items) == 1:
        fn = fn.items[0]
    if isinstance(fn, s.AxesCall):
        return patterns.operation(scope, fn, args, span)
    target = names.applied(scope, fn) or evaluate(scope, fn)
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
    return operators.undecided(scope, expr, evaluate(scope, expr.yes), evaluate(scope, expr.no))


def _field(scope: Scope, expr: s.Field) -> Value:
    """`embed.w`: a parameter of a submodule; `.key.part` of a configuration."""
    value = evaluate(scope, expr.value)
    match value:
        case Error() | Null():
            return value
        case Record():
            return names.entry(value, expr.name.name)
        case Recipe() if isinstance(expr.value, s.Name):
            path = names.parameter(scope, expr, expr.value, value)
            if isinstance(path, Error):
                return path
            return ParamPath(path, _param_type(scope, value, expr.name.name))
    return names.no_part(scope, value, expr)


def _call(scope: Scope, expr: s.Call) -> Value:
    if isinstance(expr.fn, s.AxesCall):
        return _apply(scope, expr.fn, _arguments(scope, expr), expr.span)
    target = names.applied(scope, expr.fn) or evaluate(scope, expr.fn)
    match target:
        case Error():
            return target
        case BlockRef(block):
            return recipe(scope, block, expr.args, expr.span, expr.fn.span)
        case PrimitiveRef("stack"):
            return _stack(scope, expr)
        case PrimitiveRef("len"):
            return statics.length(scope, _arguments(scope, expr), expr.span)
        case PrimitiveRef("bank"):
            return _bank(scope, expr)
        case PrimitiveRef("mixture"):
            return _mixture(scope, expr)
        case PrimitiveRef("window"):
            return _window(scope, expr)
        case PrimitiveRef(op):
            args = _arguments(scope, expr)
            if op in FUNCTIONS and args and all(isinstance(a, Int | Float) for a in args):
                return statics.function(scope, op, args, expr.span)
            return tensors.primitive(scope, op, args, expr.span)
    return _apply(scope, expr.fn, _arguments(scope, expr), expr.span)


def _arguments(scope: Scope, expr: s.Call) -> tuple[Value, ...]:
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


def _stack(scope: Scope, expr: s.Call) -> Value:
    """`stack(3 * A, B)`, `stack(Layer(i) for i in n)`."""
    items: list[Repeat] = []
    for arg in expr.args:
        if arg.source is not None and arg.name is not None:
            runs = _layers(scope, arg.name, arg.source, arg.value)
        elif arg.name is not None or arg.each:
            runs = None
            scope.fail("wrong-arguments", "stack takes layers", arg.span)
        else:
            runs = schedules.runs(scope, evaluate(scope, arg.value), arg.span)
        if runs is None:
            return Error()
        items.extend(runs)
    return schedules.bounded(scope, Schedule(tuple(items), expr.span), expr.span)


def _layers(scope: Scope, name: s.Name, source: s.Expr, layer: s.Expr) -> list[Repeat] | None:
    """`Layer(i) for i in n`: one layer for each index or list item."""
    indices = schedules.indices(scope, name, evaluate(scope, source), source.span)
    if indices is None:
        return None
    layers: list[Value] = []
    for value in _for_each(scope, name, indices.values, layer):
        if isinstance(value, Error):
            return None
        layers.append(value)
    return schedules.neighbours(layers, indices.count)


def _bank(scope: Scope, expr: s.Call) -> Value:
    if len(expr.args) < 2 or not all(a.plain for a in expr.args):
        return scope.fail("wrong-arguments", experts.BANK, expr.span)
    return experts.bank(scope, expr, [evaluate(scope, a.value) for a in expr.args])


def _mixture(scope: Scope, expr: s.Call) -> Value:
    if len(expr.args) != 3 or not isinstance(expr.args[0].value, s.Name):
        return scope.fail("wrong-arguments", experts.MIXTURE, expr.span)
    pool, *chosen = (evaluate(scope, a.value) for a in expr.args)
    return experts.mixture(scope, expr, expr.args[0].value.name, pool, chosen)


def _window(scope: Scope, expr: s.Call) -> Value:
    if len(expr.args) != 2 or not all(a.plain for a in expr.args):
        return scope.fail("wrong-arguments", "write window(x, n)", expr.span)
    value, count = (evaluate(scope, a.value) for a in expr.args)
    return recurrence.window(scope, expr, value, count)


# --- blocks with their settings -------------------------------------------------------------------


def recipe(
    scope: Scope, block: Block, args: tuple[s.Arg, ...], span: Span, name_span: Span
) -> Recipe | Error:
    """A block with its settings; positional ones in the order of the declaration."""
    decls = {d.name.name: d for d in block.decl.settings}
    values: dict[str, tuple[Value, Span]] = {}
    ties: list[Tie] = []
    wrong = False
    order = iter(decls)
    for arg in args:
        name = arg.name.name if arg.name else next(order, None)
        at = arg.name.span if arg.name else arg.span
        if arg.source is not None or arg.each:
            scope.fail("unsupported", "this form of argument is for stacks", arg.span)
            wrong = True
            continue
        kind = decls[name].kind if name in decls else None
        value = evaluate(speaking(scope, kind), arg.value)
        wrong |= isinstance(value, Error)
        if name is not None and name not in decls and isinstance(value, ParamPath):
            wrong |= not recipes.has_parameter(scope, block, name, at)
            ties.append(Tie(name, value, arg.span))
        elif name is None or name not in decls:
            if not isinstance(value, Error):
                recipes.no_setting(scope, block, name, at, list(decls), (arg, value))
            wrong = True
        elif name in values:
            scope.fail("duplicate-name", f"{name} is set twice", at)
            wrong = True
        else:
            values[name] = (value, arg.value.span)
    settings = None if wrong else _settings(scope, block, values, name_span)
    if settings is None:
        return Error()
    value = recipes.recipe(scope, block, settings, ties, args, span)
    if isinstance(value, Error):
        return value
    for tie in ties:
        ours = _param_type(scope, value, tie.name)
        if not recipes.tie_fits(scope, block, tie, ours, lambda: _fitting(scope, value)):
            return Error()
    return value


def _fitting(scope: Scope, wrong: Recipe) -> str:
    """The call with two arguments swapped that can be evaluated, or nothing."""
    return next((call for _, call in reordered(scope, wrong)), "")


def reordered(scope: Scope, wrong: Recipe) -> Iterator[tuple[Recipe, str]]:
    """A block of this body with two of its arguments swapped, where it can be evaluated so, each
    with the call as it would be written.
    """
    at = wrong.span
    home = None if scope.block is None else scope.block.decl.span
    if at is None or home is None or scope.guessing or at.source is not home.source:
        return
    if home.start <= at.start and at.end <= home.end:
        for args, call in recipes.swaps(wrong.block, wrong.args):
            quiet = replace(scope, diagnostics=Diagnostics(), guessing=True)
            other = recipe(quiet, wrong.block, args, at, at)
            if isinstance(other, Recipe):
                yield replace(other, shared=wrong.shared), call


def _settings(
    scope: Scope, block: Block, values: dict[str, tuple[Value, Span]], span: Span
) -> tuple[tuple[str, Value], ...] | None:
    """Values for all settings of a block, defaults filled in; None after a report."""
    inner = Scope(scope.diagnostics, {}, block.globals, numbers=scope.numbers, facts=scope.facts)
    inner.frames = scope.frames
    wrong = False
    for decl in block.decl.settings:
        name = decl.name.name
        if name in values:
            value, at = values[name]
        elif decl.default is not None:
            value = evaluate(speaking(inner, decl.kind), decl.default)
            at = decl.default.span
        else:
            # A value that does not fit may have been meant for this one: one message is enough.
            if not wrong:
                recipes.no_value(scope, block, decl, span)
            value, at = Error(), span
        value = setting(scope, decl, value, at, block.name)
        wrong |= isinstance(value, Error)
        inner.names[name] = value
    return None if wrong else tuple(inner.names.items())


def setting(scope: Scope, decl: s.SettingDecl, value: Value, at: Span, owner: str) -> Value:
    """A value as a setting of its kind, or an error after a report. A block that is only named gets
    its default settings.
    """
    match decl.kind, value:
        case s.SignatureKind(), BlockRef(block):
            settings = _settings(scope, block, {}, at)
            return Error() if settings is None else Recipe(block, settings, (), at)
        case s.KindOf("list", (kind,)), Items():
            return _items(scope, replace(decl, kind=kind), value, at, owner)
    return kinds.fit(scope, decl, value, at, owner)


def _items(scope: Scope, item: s.SettingDecl, items: Items, at: Span, owner: str) -> Value:
    """A list whose items are of the kind that is declared, or an error after a report."""
    if items.values is None:
        sample = None if items.sample is None else setting(scope, item, items.sample, at, owner)
        return Error() if isinstance(sample, Error) else replace(items, sample=sample)
    if not items.values:
        return replace(items, sample=kinds.stand_in(item.kind))
    values: list[Value] = []
    for value in items.values:
        one = setting(scope, item, value, at, owner)
        if isinstance(one, Error):
            return one
        values.append(one)
    return replace(items, values=tuple(values))


def _param_type(scope: Scope, value: Recipe, name: str) -> TensorType | None:
    """The type of a parameter of a recipe, in the caller's symbols."""
    statement = value.block.param(name)
    if statement is None:
        return None
    return apply.type_of(interface.callee(scope, value), statement.type)
