"""The order of evaluation: what an expression means is computed from what its parts mean.

`evaluate` gives a value and never raises on a wrong spec: it reports and returns an `Error`. What
values give together stands in the rules, what blocks give in `apply.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl import syntax as s
from archdsl.check import (
    apply,
    body,
    chains,
    experts,
    interface,
    kinds,
    lists,
    names,
    operators,
    patterns,
    recipes,
    recurrence,
    schedules,
    side_by_side,
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
    Tensor,
    Tensors,
    Text,
    Value,
    Word,
    is_block,
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
            return _default(scope, left, right)
        case s.Binary():
            sides = evaluate(scope, expr.left), evaluate(scope, expr.right)
            return operators.binary(scope, expr, *sides)
        case s.Unary(op, inner):
            return operators.unary(scope, op, evaluate(scope, inner), expr.span)
        case s.Call():
            return _call(scope, expr)
        case s.AxesCall(s.Name(op)) if op in OPS and OPS[op].form == "fill":
            return patterns.filled(scope, expr, op)
        case s.AxesCall() | s.Index() | s.Slice():
            return _part(scope, expr)
        case s.Match():
            return _match(scope, expr)
        case s.Field():
            return _field(scope, expr)
        case s.Scan():
            return body.scan(scope, expr)
        case s.Loop():
            return body.loop(scope, expr)
        case s.Key(key) if scope.keys is not None:
            return names.entry(scope, scope.keys, key.name)
    what = "a configuration key" if isinstance(expr, s.Key) else ""
    return scope.fail("unsupported", f"{what or 'this'} cannot stand here", expr.span)


def static_int(scope: Scope, expr: s.Expr, what: str) -> Dim | None:
    """An integer known in advance, or None after a report."""
    return statics.integer(scope, evaluate(scope, expr), expr.span, what)


def truth(scope: Scope, expr: s.Expr) -> bool | None:
    """A condition on settings: True, False, or None where it is not known (or wrong). The name of a
    parameter with a `when` says here whether it is there.
    """
    inner = replace(scope, names={**scope.names, **scope.guards}) if scope.guards else scope
    return statics.condition(scope, evaluate(inner, expr), expr.span)


def _group(scope: Scope, items: tuple[s.Expr, ...]) -> Value:
    if len(items) == 1:
        return evaluate(scope, items[0])
    parts = [evaluate(scope, i) for i in items]
    if parts and all(is_layer(p) for p in parts):
        return schedules.sequence(scope, [(p, i.span) for p, i in zip(parts, items, strict=True)])
    values = [tensors.tensor(scope, p, i.span) for p, i in zip(parts, items, strict=True)]
    operands = tuple(v for v in values if v is not None)
    return Tensors(operands) if len(operands) == len(items) else Error()


def _default(scope: Scope, left: s.Expr, right: s.Expr) -> Value:
    """`a ?? b`: b where a is null. Two keys of a configuration that are both there have to agree: a
    configuration that states one thing in two ways means neither.
    """
    first = evaluate(scope, left)
    if isinstance(first, Null):
        return evaluate(scope, right)
    if scope.keys is None or isinstance(first, Error) or not _is_key(scope, right):
        return first
    other = replace(scope, read=set[tuple[str, ...]]())
    second = evaluate(other, right)
    if isinstance(second, Null | Error):
        return first
    if _plain(first) == _plain(second):
        scope.read |= other.read
        if isinstance(second, Record):
            scope.read.add((*second.path, "*"))
        return first
    if type(first) is not type(second):
        return first  # no spelling of the same: the key is left unread
    return scope.fail(
        "hub-config",
        f"the configuration says {left.span.text} and {right.span.text}, and they differ",
        right.span,
        help="remove the one that is not meant",
    )


def _is_key(scope: Scope, expr: s.Expr) -> bool:
    """Whether an expression is a key of the configuration, perhaps of an object with a name."""
    within = isinstance(expr, s.Field)
    while isinstance(expr, s.Field):
        expr = expr.value
    known = scope.look(expr.name) if isinstance(expr, s.Name) else None
    return isinstance(expr, s.Key) or (within and isinstance(known, Record))


def _plain(value: Value) -> Value:
    """A value of a configuration without its place there."""
    if isinstance(value, Record):
        return Record(tuple((k, _plain(v)) for k, v in sorted(value.entries, key=lambda e: e[0])))
    return value


def _part(scope: Scope, expr: s.AxesCall | s.Index | s.Slice) -> Value:
    """`xs[i]`, `xs[first:last]`."""
    if isinstance(expr, s.Slice):
        edges = [None if b is None else evaluate(scope, b) for b in (expr.first, expr.last)]
        return lists.part(scope, evaluate(scope, expr.value), (edges[0], edges[1]), expr.span)
    listed, at = (expr.value, expr.at) if isinstance(expr, s.Index) else (expr.fn, _index(expr))
    value = None if at is None else evaluate(scope, listed)
    if at is None or value is None or isinstance(value, PrimitiveRef):
        message = "an operation with an axes pattern needs operands"
        text = expr.span.text
        help = f"write {text}(x), or x |> {text}; a slot takes a block that says so"
        return scope.fail("wrong-arguments", message, expr.span, help=help)
    return lists.item(scope, value, evaluate(scope, at), expr.span, at.span)


def _index(expr: s.AxesCall) -> s.Expr | None:
    """What stands in `xs[i]` or `xs[0]`, which may also be a pattern of one axis."""
    match expr.pattern:
        case s.Pattern((s.Term((s.AxisName(text, span),)),), None) if text != "...":
            return s.Number(int(text), text, span) if text.isdecimal() else s.Name(text, span)
    return None


def _list(scope: Scope, items: tuple[s.Arg, ...]) -> Value:
    """`[a, b]`, or `[f(x) for x in list]`."""
    parts: list[Items] = []
    values: list[Value] = []
    for arg in items:
        if not arg.clauses:
            values.append(evaluate(scope, arg.value))
            continue
        parts.append(Items(tuple(values)))
        values = []
        part = comprehension(scope, arg.clauses, arg.value, arg.span)
        if isinstance(part, Error):
            return part
        parts.append(part)
    parts.append(Items(tuple(values)))
    if any(isinstance(v, Error) for part in parts for v in part.values or (part.sample,)):
        return Error()
    return _concatenated(scope, parts, items[0].span if items else None)


def _concatenated(scope: Scope, parts: list[Items], span: Span | None) -> Items | Error:
    """Lists one after the other."""
    if all(part.values is not None for part in parts):
        values = tuple(v for part in parts for v in part.values or ())
        if len(values) > lists.MAX_ITEMS:
            return scope.fail("too-large", f"a list of {len(values)} items", span)
        samples = (part.sample for part in parts if part.sample is not None)
        return Items(values, None if values else next(samples, None))
    size = Dim()
    for part in parts:
        size = size + part.size
    return Items(None, next((v for part in parts if (v := part.any) is not None), None), size)


def comprehension(
    scope: Scope, clauses: tuple[s.For, ...], expr: s.Expr, span: Span
) -> Items | Error:
    """What an expression means for all values of the names before it, in order."""
    if not clauses:
        value = evaluate(scope, expr)
        return value if isinstance(value, Error) else Items((value,))
    clause, inner = clauses[0], _counting(scope, clauses[0])
    source = lists.items_of(
        scope, evaluate(scope, clause.source), clause.names[0].name, clause.source.span
    )
    if isinstance(source, Error):
        return source
    values = source.values
    if not values and (sample := source.any or source.sample) is not None:
        values = (sample,)  # nothing runs, and the item still has a type
    parts: list[Items] = []
    for value in values or ():
        names = lists.unpacked(scope, clause.names, value)
        if isinstance(names, Error):
            return names
        inner.names.update(names)
        kept = [truth(inner, test) for test in clause.tests]
        if False in kept and source.values:
            continue
        part = comprehension(inner, clauses[1:], expr, span)
        if isinstance(part, Error):
            return part
        if None in kept:
            part = Items(None, part.any, Dim.symbol(f"len({span.text.strip()})"))
        parts.append(part)
    if source.values is None:
        whole = _concatenated(scope, parts, span)
        return (
            whole if isinstance(whole, Error) else Items(None, whole.any, source.size * whole.size)
        )
    if not source.values:
        return Items((), next((part.any or part.sample for part in parts), None))
    return _concatenated(scope, parts, span)


def _counting(scope: Scope, clause: s.For) -> Scope:
    """The world of what stands before a `for`, whose names are still to be bound."""
    names = {name.name for name in clause.names}
    return replace(scope, names=dict(scope.names), counting=scope.counting | names)


def _pipe(scope: Scope, stages: tuple[s.Expr, ...]) -> Value:
    if isinstance(stages[0], s.Choice):
        message = "`|>` applies to the whole choice, which is easily misread"
        help = "put brackets: (a if c else b) |> f, or a if c else (b |> f)"
        return scope.fail("syntax", message, stages[0].span, help=help)
    value = evaluate(scope, stages[0])
    if is_block(value):
        return _chain(scope, value, stages)
    if isinstance(value, Repeat | Schedule):
        message = "a chain is made of blocks, and this is a stack"
        help = "a chain is repeated in brackets: n * (f |> g); a stack is bound and applied"
        return scope.fail("not-a-block", message, stages[0].span, help=help)
    if isinstance(value, Items):
        message = "`|>` begins with a tensor or a block, and this is a list"
        text, last = stages[0].span.text, stages[-1].span.text
        after = isinstance(stages[-1], s.Name) and isinstance(scope.look(last), Tensor)
        help = f"write {last} |> {text}" if after else f"apply the list first: x |> {text} |> ..."
        return scope.fail("not-a-block", message, stages[0].span, help=help)
    for stage in stages[1:]:
        if isinstance(value, Error):
            return value
        span = stages[0].span.to(stage.span)
        value = _apply(scope, stage, (value,), span)
    return value


def _chain(scope: Scope, first: Value, stages: tuple[s.Expr, ...]) -> Value:
    """Blocks in a row are a block; those that are only named have their default settings."""
    parts = [(with_defaults(scope, first, stages[0].span), stages[0].span)]
    for stage in stages[1:]:
        value = names.applied(scope, stage) or evaluate(scope, stage)
        parts.append((with_defaults(scope, value, stage.span), stage.span))
    return chains.joined(scope, parts)


def with_defaults(scope: Scope, value: Value, at: Span) -> Value:
    """A block that is only named, with its default settings; all other values as they are."""
    return recipe(scope, value.block, (), at, at) if isinstance(value, BlockRef) else value


def _apply(scope: Scope, fn: s.Expr, args: tuple[Value, ...], span: Span) -> Value:
    """`fn` applied to values: the right side of a pipe, or a call on tensors."""
    while isinstance(fn, s.Group) and len(fn.items) == 1:
        fn = fn.items[0]
    listed = _list_of(scope, fn)
    if listed is None and isinstance(fn, s.AxesCall):
        if isinstance(fn.fn, s.Name) and isinstance(scope.names.get(fn.fn.name), Error):
            return Error()
        return patterns.operation(scope, fn, args, span)
    if listed is None:
        named, target = fn, names.applied(scope, fn) or evaluate(scope, fn)
    else:
        named, items, at = listed
        target = _one_of(scope, items, at, fn.span)
    if isinstance(target, Items):
        target = side_by_side.blocks(scope, target, None, fn.span)
    if isinstance(target, Error):
        return target
    if isinstance(target, PrimitiveRef):
        return tensors.primitive(scope, target.name, args, span)
    label = named.name if isinstance(named, s.Name) else ""
    if label in scope.counting and is_block(target):
        return side_by_side.counted(scope, label, fn.span)
    if label:
        side_by_side.mark(scope, label, target)
    return apply.application(scope, target, label, args, fn.span, span)


def _list_of(scope: Scope, fn: s.Expr) -> tuple[s.Expr, Items, s.Expr] | None:
    """The list and the index of `proj[0]`, where that is applied; None for all others."""
    match fn:
        case s.Index(listed, at):
            pass
        case s.AxesCall(listed) if (index := _index(fn)) is not None:
            at = index
        case _:
            return None
    if isinstance(listed, s.Name) and not isinstance(scope.look(listed.name), Items):
        return None
    items = evaluate(scope, listed)
    return (listed, items, at) if isinstance(items, Items) else None


def _one_of(scope: Scope, items: Items, at: s.Expr, span: Span) -> Value:
    """The block of a list that an index means, as it is applied."""
    index = evaluate(scope, at)
    value = lists.item(scope, items, index, span, at.span)
    if isinstance(value, Error) or not isinstance(index, Int):
        return Error()
    number = scope.value(index.dim)
    if number is None and scope.numbers is not None:
        message = "a list has a fixed number of blocks, and an input decides this index"
        return scope.fail("not-static", message, at.span)
    if items.values is None or number is None:
        return side_by_side.blocks(scope, Items(None, value), 0, span)
    return side_by_side.blocks(scope, items, number % len(items.values), span)


def _choice(scope: Scope, expr: s.Choice) -> Value:
    known = truth(scope, expr.test)
    if known is not None:
        return evaluate(scope, expr.yes if known else expr.no)
    zeros = _equalities(scope, expr.test, "==")
    unless = _equalities(scope, expr.test, "!=")
    yes = evaluate(interface.assuming(scope, zeros), expr.yes)
    no = evaluate(interface.assuming(scope, unless), expr.no)
    # What is true on one side only is not known of the result: its shape is that of the other.
    sides = (no, yes) if zeros else (yes, no)
    text = expr.test.span.text.strip()
    return operators.undecided(scope, text, expr.span, *sides, zeros or unless)


def _equalities(scope: Scope, test: s.Expr, sign: str) -> tuple[Dim, ...]:
    """What is 0 where a condition holds, or for `!=` where it does not."""
    match test:
        case s.Group((inner,)):
            return _equalities(scope, inner, sign)
        case s.Unary("not", inner):
            return _equalities(scope, inner, "!=" if sign == "==" else "==")
        case s.Binary("and" | "or" as word, left, right) if (word == "and") == (sign == "=="):
            return (*_equalities(scope, left, sign), *_equalities(scope, right, sign))
        case s.Binary(op, left, right) if op == sign:
            sides = evaluate(scope, left), evaluate(scope, right)
            match sides:
                case Int(a), Int(b):
                    return (a - b,)
    return ()


def _match(scope: Scope, expr: s.Match) -> Value:
    """The value of the first case that has the label; all of them where none is known."""
    subject = evaluate(scope, expr.value)
    if isinstance(subject, Error):
        return subject
    possible: list[s.Case] = []
    for case in expr.cases:
        labels = [evaluate(scope, label) for label in case.labels]
        if any(isinstance(label, Error) for label in labels):
            return Error()
        answers = [statics.agree(scope, subject, label) for label in labels]
        if True in answers or not labels:
            possible.append(case)
            break
        if None in answers:
            possible.append(case)
    else:
        words = subject.members if isinstance(subject, Word) else ()
        named = {x.name for c in expr.cases for x in c.labels if isinstance(x, s.Name)}
        missing = [word for word in words if word not in named]
        if missing or not possible:
            what = f"{', '.join(missing)}" if missing else statics.spelt(scope, subject)
            return scope.fail(
                "missing-case",
                f"no case for {what}",
                expr.span,
                help="add the case, or `else:` for all others",
            )
    values = [evaluate(scope, case.value) for case in possible]
    out = values[-1]
    for value in reversed(values[:-1]):
        out = operators.undecided(scope, expr.value.span.text.strip(), expr.span, value, out)
    return out


def _field(scope: Scope, expr: s.Field) -> Value:
    """`embed.w`: a parameter of a submodule; `.key.part` of a configuration."""
    value = evaluate(scope, expr.value)
    match value:
        case Error() | Null():
            return value
        case Record():
            return names.entry(scope, value, expr.name.name)
        case Recipe() if isinstance(expr.value, s.Name):
            path = names.parameter(scope, expr, expr.value, value)
            if isinstance(path, Error):
                return path
            return ParamPath(path, _param_type(scope, value, expr.name.name))
    return names.no_part(scope, value, expr)


def _call(scope: Scope, expr: s.Call) -> Value:
    one_of_a_list = _list_of(scope, expr.fn) is not None
    if isinstance(expr.fn, s.AxesCall) and not one_of_a_list:
        return _apply(scope, expr.fn, _arguments(scope, expr), expr.span)
    target = names.applied(scope, expr.fn) or evaluate(scope, expr.fn)
    match target:
        case Error():
            return target
        case BlockRef() if one_of_a_list and (args := _operands(scope, expr)):
            return _apply(scope, expr.fn, args, expr.span)
        case BlockRef(block):
            return recipe(scope, block, expr.args, expr.span, expr.fn.span)
        case PrimitiveRef() if one_of_a_list:
            pass
        case PrimitiveRef("stack"):
            return _stack(scope, expr)
        case PrimitiveRef("bank"):
            return _bank(scope, expr)
        case PrimitiveRef("mixture"):
            return _mixture(scope, expr)
        case PrimitiveRef("window"):
            return _window(scope, expr)
        case PrimitiveRef(op):
            args = _arguments(scope, expr)
            if op in lists.FUNCTIONS and not any(isinstance(a, Tensor | Tensors) for a in args):
                return lists.function(scope, op, args, expr.span)
            if op in FUNCTIONS and args and all(isinstance(a, Int | Float) for a in args):
                return statics.function(scope, op, args, expr.span)
            return tensors.primitive(scope, op, args, expr.span)
    return _apply(scope, expr.fn, _arguments(scope, expr), expr.span)


def _operands(scope: Scope, expr: s.Call) -> tuple[Value, ...]:
    """The arguments of a call, if there are tensors among them."""
    if not all(arg.plain or arg.each for arg in expr.args):
        return ()
    args = _arguments(scope, expr)
    return args if any(isinstance(arg, Tensor | Tensors | Each) for arg in args) else ()


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
        if arg.clauses:
            runs = _layers(scope, arg.clauses, arg.value, arg.span)
        elif arg.name is not None or arg.each:
            runs = None
            scope.fail("wrong-arguments", "stack takes layers", arg.span)
        else:
            runs = schedules.runs(scope, evaluate(scope, arg.value), arg.span)
        if runs is None:
            return Error()
        items.extend(runs)
    return schedules.bounded(scope, Schedule(tuple(items), expr.span), expr.span)


def _layers(
    scope: Scope, clauses: tuple[s.For, ...], layer: s.Expr, span: Span
) -> list[Repeat] | None:
    """`Layer(i) for i in n`: one layer for each index or list item."""
    clause = clauses[0]
    if len(clauses) == 1 and len(clause.names) == 1 and not clause.tests:
        return _one_for_each(scope, clause, layer)
    items = comprehension(scope, clauses, layer, span)
    if isinstance(items, Error):
        return None
    if items.values:
        return schedules.neighbours(list(items.values), Dim.number(1))
    layer_of_any = items.any or items.sample  # of an empty list too: still a layer, for its type
    if layer_of_any is None:
        scope.fail("kind-mismatch", "this runs over nothing, so no layer has a type", span)
        return None
    return [Repeat(items.size, layer_of_any)]


def _one_for_each(scope: Scope, clause: s.For, layer: s.Expr) -> list[Repeat] | None:
    name, source = clause.names[0], clause.source
    indices = schedules.indices(scope, name, evaluate(scope, source), source.span)
    if indices is None:
        return None
    layers: list[Value] = []
    inner = _counting(scope, clause)
    for value in indices.values:
        inner.names[name.name] = value
        item = evaluate(inner, layer)
        if isinstance(item, Error):
            return None
        layers.append(item)
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
        if arg.clauses or arg.each:
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
        case s.SignatureKind(), Either(yes, no, zeros):
            first = setting(scope, decl, yes, at, owner)
            second = setting(scope, decl, no, at, owner)
            wrong = isinstance(first, Error) or isinstance(second, Error)
            return Error() if wrong else Either(first, second, zeros)
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
