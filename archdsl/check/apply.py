"""Recipes and their application: settings, signatures, obligations, stacks, ties.

Applying a block checks its signature in the caller's world: the callee's settings stand for the
caller's values, its free axes are bound by the inputs from left to right. In a concrete check the
elaborator is then asked for the module.
"""

from __future__ import annotations

from dataclasses import replace as changed

from archdsl import syntax as s
from archdsl.check import expressions, interface
from archdsl.check.scope import Scope, rooted
from archdsl.check.tensors import tensor
from archdsl.check.values import (
    Bank,
    Block,
    BlockRef,
    Either,
    Error,
    Int,
    Items,
    Mixture,
    ParamPath,
    Recipe,
    Repeat,
    Schedule,
    Slot,
    Tensor,
    Tensors,
    Value,
    block_name,
    describe,
)
from archdsl.diagnostic import nearest
from archdsl.dims import EQUAL, Dim, substitute
from archdsl.graph import Child, Module, Node, Segment
from archdsl.source import Span
from archdsl.types import Axis, TensorType

MAX_LAYERS = 100_000
"""Stacks longer than this are refused."""

MAX_SIZE = 2000
"""Blocks in a recipe, those inside its settings counted each time."""


def recipe(
    scope: Scope, block: Block, args: tuple[s.Arg, ...], span: Span, name_span: Span
) -> Value:
    """A block with its settings; positional ones in the order of the declaration."""
    decls = {d.name.name: d for d in block.decl.settings}
    given: dict[str, tuple[Value, Span]] = {}
    ties: dict[str, tuple[str, ...]] = {}
    wrong = False
    order = iter(decls)
    for arg in args:
        name = arg.name.name if arg.name else next(order, None)
        at = arg.name.span if arg.name else arg.span
        if arg.source is not None or arg.each:
            scope.fail("unsupported", "this form of argument is for stacks", arg.span)
            wrong = True
            continue
        value = expressions.evaluate(scope, arg.value)
        wrong |= isinstance(value, Error)
        if name is not None and name not in decls and isinstance(value, ParamPath):
            wrong |= not _tie(scope, block, name, value, at, ties)
        elif name is None or name not in decls:
            if not isinstance(value, Error):
                _no_setting(scope, block, name, at, list(decls))
            wrong = True
        elif name in given:
            scope.fail("duplicate-name", f"{name} is set twice", at)
            wrong = True
        else:
            given[name] = (value, arg.value.span)
    if wrong:
        return Error()
    settings = interface.settle(scope, block, given, name_span)
    if settings is None:
        return Error()
    made = Recipe(block, settings, tuple(sorted(ties.items())), span)
    if made.size > MAX_SIZE:
        return scope.fail("too-large", f"a recipe of more than {MAX_SIZE} blocks", span)
    return made if _tied_shapes(scope, made, args) else Error()


def arguments(scope: Scope, block: Block, args: tuple[s.Arg, ...]) -> dict[str, s.Expr] | None:
    """The expressions that are given for settings, by name; None after a report."""
    known = [d.name.name for d in block.decl.settings]
    order = iter(known)
    found: dict[str, s.Expr] = {}
    for arg in args:
        name = arg.name.name if arg.name else next(order, None)
        if name is None or name not in known:
            _no_setting(scope, block, name, arg.name.span if arg.name else arg.span, known)
            return None
        if name in found or arg.source is not None or arg.each:
            scope.fail("duplicate-name", f"{name} is set twice", arg.span)
            return None
        found[name] = arg.value
    return found


def _no_setting(scope: Scope, block: Block, name: str | None, at: Span, known: list[str]) -> None:
    if name is None:
        said = f"{len(known)} setting{'' if len(known) == 1 else 's'}"
        hint = f"it has {', '.join(known)}" if known else ""
        scope.fail("wrong-arguments", f"{block.name} has {said}", at, help=hint)
        return
    hint = nearest(name, known) or f"it has {', '.join(known) or 'none'}"
    scope.fail("unknown-setting", f"{block.name} has no setting {name}", at, help=hint)


def _tie(
    scope: Scope,
    block: Block,
    name: str,
    value: ParamPath,
    at: Span,
    ties: dict[str, tuple[str, ...]],
) -> bool:
    if block.param(name) is None:
        scope.fail("unknown-name", f"{block.name} has no parameter {name}", at)
        return False
    ties[name] = value.path
    return True


def _tied_shapes(scope: Scope, made: Recipe, args: tuple[s.Arg, ...]) -> bool:
    for arg in args:
        if arg.name is None or arg.name.name not in dict(made.ties):
            continue
        theirs = expressions.evaluate(scope, arg.value)
        statement = made.block.param(arg.name.name)
        ours = param_type(scope, made, statement) if statement else None
        if not isinstance(theirs, ParamPath) or ours is None or theirs.type is None:
            continue
        same = len(ours.axes) == len(theirs.type.axes) and all(
            scope.compare_axes(a, b) is EQUAL
            for a, b in zip(ours.axes, theirs.type.axes, strict=True)
        )
        if not same:
            scope.fail(
                "tie-mismatch",
                f"{arg.name.name} of {made.block.name} has another shape",
                arg.span,
                note=f"{scope.describe(ours)} here, {scope.describe(theirs.type)} there",
            )
            return False
    return True


def param_type(scope: Scope, made: Recipe, statement: s.ParamStatement) -> TensorType | None:
    """The type of a parameter of a recipe, in the caller's symbols."""
    return interface.type_of(interface.callee(scope, made), statement.type)


def schedule(scope: Scope, expr: s.Call) -> Value:
    """`stack(...)`: a schedule of layers."""
    items: list[Repeat] = []
    for arg in expr.args:
        if arg.source is not None and arg.name is not None:
            found = _comprehension(scope, arg)
        elif arg.name is not None or arg.each:
            found = None
            scope.fail("wrong-arguments", "stack takes layers", arg.span)
        else:
            found = _runs(scope, expressions.evaluate(scope, arg.value), arg.span)
        if found is None:
            return Error()
        items.extend(found)
    return _bounded(scope, Schedule(tuple(items), expr.span), expr.span)


def _bounded(scope: Scope, made: Schedule, span: Span) -> Value:
    """A schedule, if it is not too long: as it is written, and with all its repeats."""
    layers = _layers(scope, made) if made.size <= MAX_LAYERS else made.size
    if layers <= MAX_LAYERS:
        return made
    return scope.fail("too-large", f"a stack of more than {MAX_LAYERS} layers", span)


def _layers(scope: Scope, made: Schedule) -> int:
    """Layers with all repeats, as far as counts are known."""
    total = 0
    for item in made.items:
        layer, times = item.item, scope.value(item.count) or 1
        while isinstance(layer, Repeat):
            times *= scope.value(layer.count) or 1
            layer = layer.item
        total += times * (_layers(scope, layer) if isinstance(layer, Schedule) else 1)
    return total


def sequence(scope: Scope, layers: list[tuple[Value, Span]]) -> Value:
    """`(3 * A, B)`: layers in a row inside a schedule."""
    items: list[Repeat] = []
    for value, span in layers:
        found = _runs(scope, value, span)
        if found is None:
            return Error()
        items.extend(found)
    return _bounded(scope, Schedule(tuple(items)), layers[0][1].to(layers[-1][1]))


def _comprehension(scope: Scope, arg: s.Arg) -> list[Repeat] | None:
    """`Layer(i) for i in n`: one item for each index or list item, equal neighbours in one run."""
    assert arg.name is not None and arg.source is not None
    source = expressions.evaluate(scope, arg.source)
    values: list[Value]
    count = Dim.number(1)
    match source:
        case Error():
            return None
        case Int(d):
            number = scope.value(d)
            if number is not None and number > MAX_LAYERS:
                scope.fail("too-large", f"more than {MAX_LAYERS} layers", arg.source.span)
                return None
            known = number is not None
            values = [Int(Dim.number(i)) for i in range(number)] if number is not None else []
            if not known:
                values, count = [Int(Dim.symbol(arg.name.name))], d
        case Items(values=found) if found is not None:
            values = list(found)
        case Items(sample=sample) if sample is not None:
            values = [sample]
        case _:
            scope.fail("kind-mismatch", "`for` runs over a number or a list", arg.source.span)
            return None
    runs: list[Repeat] = []
    for value in values:
        inner = changed(scope, names={**scope.names, arg.name.name: value})
        made = expressions.evaluate(inner, arg.value)
        if isinstance(made, Error):
            return None
        if runs and runs[-1].item == made:
            runs[-1] = Repeat(runs[-1].count + 1, made)
        else:
            runs.append(Repeat(count, made))
    return compressed(runs)


def compressed(runs: list[Repeat]) -> list[Repeat]:
    """A schedule said as people say it: a repeating unit once with its count, then the rest."""
    for length in range(2, len(runs) // 2 + 1):
        times = 1
        while runs[times * length : (times + 1) * length] == runs[:length]:
            times += 1
        if times > 1:
            unit = Repeat(Dim.number(times), Schedule(tuple(runs[:length])))
            return [unit, *runs[times * length :]]
    return runs


def _runs(scope: Scope, value: Value, span: Span) -> list[Repeat] | None:
    match value:
        case Error():
            return None
        case Repeat(count, Tensors() | Tensor()):
            pass
        case Repeat(count, item):
            number = scope.value(count)
            if number is not None and not 0 <= number <= MAX_LAYERS:
                scope.fail(
                    "too-large" if number > 0 else "bad-dimension",
                    f"a stack of {number} layers",
                    span,
                    help=f"between 0 and {MAX_LAYERS} are possible",
                )
                return None
            return [Repeat(count, item)]
        case Schedule(items):
            return list(items)
        case Recipe() | Slot() | Either() | BlockRef():
            return [Repeat(Dim.number(1), value)]
    scope.fail("not-a-block", "stack takes layers, alone or n times", span, note=describe(value))
    return None


# --- application ----------------------------------------------------------------------------------


def application(
    scope: Scope, target: Value, label: str, args: tuple[Value, ...], fn_span: Span, span: Span
) -> Value:
    """A block, a slot, a stack or an expression of these, applied to tensors.

    `label` is the name under which it was bound; an application without one is inline.
    """
    tensors_in: list[Tensor] = []
    for arg in args:
        if isinstance(arg, Tensors):
            tensors_in.extend(arg.items)
            continue
        one = tensor(scope, arg, span)
        if one is None:
            return Error()
        tensors_in.append(one)
    types = _result(scope, target, tensors_in, fn_span, span)
    if types is None:
        return Error()
    operands = tuple(t.node for t in tensors_in)
    if scope.numbers is not None and interface.is_identity(target):
        return tensors_in[0]
    if scope.numbers is not None and interface.is_zero(target):
        return scope.add(Node("zero", operands[:1], types, span=span))
    chosen = isinstance(target, Mixture)
    if isinstance(target, Mixture):
        label, operands = target.name, (*operands, target.weights.node, target.indices.node)
        target = target.bank
    name = _child(scope, target, label, tensors_in, fn_span)
    if name is None:
        return Error()
    op = "mixture" if chosen else "apply"
    node = scope.add(Node(op, operands, types, child=name, span=span))
    if len(types) == 1:
        return node
    items = [Node("item", (node.node,), (t,), index=i, span=span) for i, t in enumerate(types)]
    return Tensors(tuple(scope.add(i) for i in items))


def _result(
    scope: Scope, target: Value, args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """The types that an application gives, or None after a report."""
    match target:
        case Recipe():
            return interface.apply(scope, target, args, fn_span, span)
        case BlockRef(block):
            made = recipe(scope, block, (), fn_span, fn_span)
            return None if isinstance(made, Error) else _result(scope, made, args, fn_span, span)
        case Slot():
            return interface.apply_slot(scope, target, args, fn_span, span)
        case Either(yes, no):
            first = _result(scope, yes, args, fn_span, span)
            second = _result(scope, no, args, fn_span, span)
            return None if second is None else first
        case Schedule(items):
            return _through(scope, items, args, fn_span, span)
        case Mixture(bank=pool):
            return _result(scope, pool.item, args, fn_span, span)
        case Bank():
            message = "a bank is applied through a mixture"
            scope.fail("not-a-block", message, fn_span, help="mixture(pool, weights, indices)(x)")
            return None
        case Repeat():
            scope.fail(
                "not-a-block",
                "a repeated layer is not a block",
                fn_span,
                help="write stack(n * Layer(...))",
            )
            return None
    scope.fail(
        "not-a-block",
        "only blocks and operations can be applied",
        fn_span,
        note=f"this is {describe(target)}",
    )
    return None


def _through(
    scope: Scope, items: tuple[Repeat, ...], args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """Every layer of a stack maps the type of its inputs to itself."""
    types = tuple(a.type for a in args)
    for item in items:
        inner = item.item
        if isinstance(inner, Schedule):
            found = _through(scope, inner.items, args, fn_span, span)
        elif isinstance(inner, Repeat):
            found = _through(scope, (inner,), args, fn_span, span)
        else:
            found = _result(scope, inner, args, fn_span, span)
        if found is None:
            return None
        same = len(found) == len(types) and all(
            interface.same(scope, a, b) is EQUAL for a, b in zip(found, types, strict=True)
        )
        if not same:
            title = describe(inner)
            scope.fail(
                "not-a-layer",
                f"{title} gives another shape than it takes",
                getattr(inner, "span", None) or fn_span,
                note=f"{', '.join(map(str, types))} -> {', '.join(map(str, found))}",
                help="a layer of a stack maps X to X",
            )
            return None
    return types


def _child(
    scope: Scope, target: Value, label: str, args: list[Tensor], fn_span: Span
) -> str | None:
    """Registers the submodule of an application (once for each name) and returns its name."""
    name = label or _inline_name(scope, target)
    if scope.numbers is None or name in scope.children:
        return name
    made = _make(scope, target, args)
    if made is None:
        return None
    inline = not label
    if isinstance(made, Module):
        child = Child(name, made, inline=inline, ties=_ties(target))
    elif isinstance(target, Bank):
        child = Child(name, segments=made, top_k=scope.value(target.top_k))
    else:
        child = Child(name, segments=made)
    if inline and _owns(child):
        scope.fail(
            "anonymous-parameters",
            f"{describe(target)} has parameters and no name to store them under",
            fn_span,
            help="bind it to a name first, then apply the name",
        )
        return None
    scope.children[name] = child
    return name


def _ties(target: Value) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return target.ties if isinstance(target, Recipe) else ()


def _inline_name(scope: Scope, target: Value) -> str:
    base = block_name(target).lower()
    name, number = f"{base}", 2
    while name in scope.children or name in scope.names:
        name, number = f"{base}_{number}", number + 1
    return name


def _owns(child: Child) -> bool:
    pending = [m for _, m in child.modules]
    while pending:
        module = pending.pop()
        if any(p.kind != "const" for p in module.params):
            return True
        pending.extend(m for c in module.children for _, m in c.modules)
    return False


def _make(scope: Scope, target: Value, args: list[Tensor]) -> Module | tuple[Segment, ...] | None:
    """The module of a recipe, or the segments of a stack; None after a report."""
    assert scope.numbers is not None
    match target:
        case Slot(recipe=inner) if inner is not None:
            return _make(scope, inner, args)
        case BlockRef(block):
            made = recipe(scope, block, (), block.decl.name.span, block.decl.name.span)
            return _make(scope, made, args)
        case Recipe():
            numbers = scope.numbers
            given = rooted(target, numbers)
            assert isinstance(given, Recipe) and scope.instantiate is not None
            types = tuple(_rooted_type(scope, a.type) for a in args)
            return scope.instantiate(given, types, scope.frames)
        case Schedule(items):
            return _segments(scope, items, args)
        case Bank(count, item):
            return _segments(scope, (Repeat(count, item),), args)
    return None


def _segments(
    scope: Scope, items: tuple[Repeat, ...], args: list[Tensor]
) -> tuple[Segment, ...] | None:
    segments = []
    for item in items:
        count = scope.value(item.count)
        inner = item.item
        nested = inner.items if isinstance(inner, Schedule) else None
        made = _segments(scope, nested, args) if nested is not None else _make(scope, inner, args)
        if made is None or count is None:
            return None
        if count:
            assert scope.numbers is not None
            segments.append(Segment(count, made, substitute(item.count, scope.numbers.symbols)))
    return tuple(segments)


def _rooted_type(scope: Scope, t: TensorType) -> TensorType:
    assert scope.numbers is not None
    axes: list[Axis] = [
        substitute(a, scope.numbers.symbols) if isinstance(a, Dim) else a for a in scope.expand(t)
    ]
    return TensorType(t.dtype, tuple(axes))
