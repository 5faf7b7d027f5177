"""Blocks, slots and stacks applied to tensors.

Applying a block checks its signature in the caller's world: the callee's settings stand for the
caller's values, its free axes are bound by the inputs from left to right. What a signature says is
evaluated here, because its axes and conditions are expressions. What they have to be is judged in
`interface.py`, and `submodules.py` makes the node.
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl import syntax as s
from archdsl.check import (
    bindings,
    body,
    chains,
    context,
    experts,
    expressions,
    interface,
    recipes,
    side_by_side,
    submodules,
    tensors,
)
from archdsl.check.scope import Scope
from archdsl.check.values import (
    Bank,
    BlockRef,
    Chain,
    Either,
    Error,
    Float,
    Int,
    Listed,
    Mixture,
    PrimitiveRef,
    Recipe,
    Repeat,
    Schedule,
    Slot,
    Tensor,
    Value,
    describe,
)
from archdsl.diagnostic import Diagnostics
from archdsl.dims import EQUAL, Dim
from archdsl.record import replace
from archdsl.source import Span
from archdsl.symbols import SEEN, unmarked
from archdsl.types import REST, Axis, Rest, TensorType

# --- application ----------------------------------------------------------------------------------


def application(
    scope: Scope, target: Value, label: str, args: tuple[Value, ...], fn_span: Span, span: Span
) -> Value:
    """A block, a slot, a stack or an expression of these, applied to tensors.

    `label` is the name under which it was bound; an application without one is inline.
    """
    operands = submodules.operands(scope, target, args, span)
    if operands is None:
        return Error()
    tensors, each = operands
    if isinstance(target, Mixture) and (
        len(target.bank.items) > 1 or _stands_for(scope, target.bank.items[0], tensors)
    ):
        if result(scope, target, tensors, fn_span, span) is None:
            return Error()
        return _mixture(scope, target, tensors, fn_span, span)
    return _one(scope, target, tensors, fn_span, span, label, each)


def _one(
    scope: Scope,
    target: Value,
    args: list[Tensor],
    fn_span: Span,
    span: Span,
    label: str = "",
    each: tuple[int, ...] = (),
) -> Value:
    """An application that is one node."""
    reported, scope.diagnostics = scope.diagnostics, Diagnostics()
    try:
        types = result(scope, target, args, fn_span, span)
    finally:
        reported, scope.diagnostics = scope.diagnostics, reported
    if types is None and not _swapped(scope, reported, target, args, span):
        help = _slices_fit(scope, target, args, fn_span, span) if not each else ""
        help = help or next(filter(None, (interface.without_each(scope, a) for a in args)), "")
        for diagnostic in reported.items:
            shaped = help and diagnostic.code in _OF_SHAPES and not diagnostic.help
            scope.diagnostics.put(replace(diagnostic, help=help) if shaped else diagnostic)
    if types is None:
        return Error()
    operation = chains.operation(target)
    if operation is not None:
        return tensors.primitive(scope, operation.name, tuple(args), span)
    whole, title = with_defaults(scope, target), describe(target)
    return submodules.application(scope, whole, title, args, types, fn_span, span, label, each)


def _slices_fit(scope: Scope, target: Value, args: list[Tensor], fn_span: Span, span: Span) -> str:
    """What is written where blocks of a list get a tensor of which a slice would fit each."""
    if not isinstance(target, Listed) or target.number is not None:
        return ""
    handed = side_by_side.slices(scope, target, args)
    quiet = replace(scope, diagnostics=Diagnostics(), guessing=True)
    if handed == args or result(quiet, target, handed, fn_span, span) is None:
        return ""
    names = [
        "each " * (a is not b) + (scope.nodes[a.node].name or "x")
        for a, b in zip(args, handed, strict=True)
    ]
    return f"each block gets all of it; a slice for each is {fn_span.text}({', '.join(names)})"


_OF_SHAPES = ("shape-mismatch", "unknown-equality", "unmet-where")
MOST_GUESSES = 60
"""Behind so many errors of one run it is not tried whether arguments are swapped."""
MOST_STATEMENTS = 200
"""Nor in a body of more statements, each of which would be checked anew."""


def _swapped(
    scope: Scope, reported: Diagnostics, target: Value, args: list[Tensor], span: Span
) -> bool:
    """Whether an application that does not fit would fit with two arguments of a block swapped: one
    that is applied, or one that made an operand. Then this is what is reported.
    """
    wrong = next(iter(reported.items), None)
    guesses = len(scope.diagnostics) < MOST_GUESSES and not scope.guessing
    if wrong is None or wrong.code not in _OF_SHAPES or not guesses or scope.block is None:
        return False
    if len(scope.block.decl.body) > MOST_STATEMENTS:
        return False
    quiet = replace(scope, diagnostics=Diagnostics(), guessing=True)
    for inner in _recipes(target):
        for other, call in expressions.reordered(scope, inner):
            trial = _with(target, inner, other)
            fits = result(quiet, trial, args, span, span) is not None
            if fits and body.mends(scope.block, inner.args, other.args):
                recipes.swapped(scope, inner, call, wrong, span)
                return True
    for i, arg in enumerate(args):
        maker, operands = submodules.maker(scope, arg)
        for other, call in () if maker is None else expressions.reordered(scope, maker):
            types = result(quiet, other, operands, span, span)
            if types is None or len(types) != 1:
                continue
            changed = [*args[:i], Tensor(arg.node, types[0]), *args[i + 1 :]]
            fits = result(quiet, target, changed, span, span) is not None
            if fits and maker is not None and body.mends(scope.block, maker.args, other.args):
                recipes.swapped(scope, maker, call, wrong, span)
                return True
    return False


def _recipes(value: Value) -> Iterator[Recipe]:
    """The blocks of what is applied, those in slots too."""
    match value:
        case Recipe(settings=settings):
            yield value
            for _, inner in settings:
                yield from _recipes(inner)
        case Repeat(item=inner):
            yield from _recipes(inner)
        case Schedule(items) | Bank(items) | Chain(items) | Listed(items):
            for item in items:
                yield from _recipes(item)


def _with(value: Value, old: Recipe, new: Recipe) -> Value:
    """What is applied with one block in the place of another."""
    if value is old:
        return new
    match value:
        case Recipe(settings=settings):
            return replace(value, settings=tuple((k, _with(v, old, new)) for k, v in settings))
        case Repeat(count, item):
            return Repeat(count, _with(item, old, new))
        case Schedule(items) | Bank(items):
            runs = (_with(item, old, new) for item in items)
            return replace(value, items=tuple(run for run in runs if isinstance(run, Repeat)))
        case Chain(stages, span):
            return Chain(tuple(_with(stage, old, new) for stage in stages), span)
        case Listed(blocks):
            return replace(value, blocks=tuple(_with(block, old, new) for block in blocks))
    return value


def apart(scope: Scope, name: s.Name, value: Value, first: Recipe) -> Value:
    """A part that nothing is passed to, with its module: one block, or a stack whose `first`
    says what each takes.
    """
    inner = bindings.alone(scope, first)
    types = _types(inner, tuple(declared.type for declared in first.block.decl.inputs))
    span = first.span or name.span
    if types is None:
        return Error()
    args = [Tensor(-1, t) for t in types]
    if result(scope, value, args, span, span) is None:
        return Error()
    whole, title = with_defaults(scope, value), describe(value)
    if scope.numbers is not None and submodules.child(scope, whole, title, name.name, args, span):
        scope.children[name.name] = replace(scope.children[name.name], apart=True)
    return value


def _stands_for(scope: Scope, kind: Repeat, args: list[Tensor]) -> str:
    return submodules.folded(scope, with_defaults(scope, kind.item), args)


def _mixture(scope: Scope, chosen: Mixture, args: list[Tensor], fn_span: Span, span: Span) -> Value:
    """A mixture of several kinds of experts: the sum of what each kind says to the tokens that
    chose one of it. Experts that give back what they get are a weight; those that say nothing are
    nothing.
    """
    first = Dim()
    total: Tensor | None = None
    for number, kind in enumerate(chosen.bank.items):
        stands_for = _stands_for(scope, kind, args)
        if stands_for != "zero" and (scope.numbers is None or scope.value(kind.count)):
            if stands_for == "identity":
                part: Value = experts.idle(scope, chosen, kind, first, args[0], span)
            else:
                pool = experts.pool(scope, chosen, kind, first, number, span)
                part = _one(scope, pool, args, fn_span, span)
            if not isinstance(part, Tensor):
                return Error()
            total = experts.plus(scope, total, part, span)
        first = first + kind.count
    return experts.nothing(scope, args[0], span) if total is None else total


def with_defaults(scope: Scope, value: Value) -> Value:
    """What is applied, as modules are made of it: blocks that are only named get their default
    settings.
    """
    if scope.numbers is None:
        return value
    match value:
        case BlockRef(block):
            at = block.decl.name.span
            return expressions.recipe(scope, block, (), at, at)
        case Repeat(count, item):
            return Repeat(count, with_defaults(scope, item))
        case Schedule(items) | Bank(items):
            return replace(value, items=_runs(scope, items))
        case Mixture(bank=pool):
            return replace(value, bank=replace(pool, items=_runs(scope, pool.items)))
        case Listed(blocks):
            return replace(value, blocks=tuple(with_defaults(scope, block) for block in blocks))
    return value


def _runs(scope: Scope, items: tuple[Repeat, ...]) -> tuple[Repeat, ...]:
    return tuple(Repeat(run.count, with_defaults(scope, run.item)) for run in items)


def result(
    scope: Scope, target: Value, args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """The types that an application gives, or None after a report."""
    match target:
        case Recipe():
            return _recipe(scope, target, args, fn_span, span)
        case BlockRef(block):
            recipe = expressions.recipe(scope, block, (), fn_span, fn_span)
            if isinstance(recipe, Error):
                return None
            return result(scope, recipe, args, fn_span, span)
        case Slot():
            return _slot(scope, target, args, fn_span, span)
        case PrimitiveRef(name):
            return tensors.result(scope, name, args, span)
        case Chain(stages):
            return _in_order(scope, stages, args, fn_span, span)
        case Either(yes, no, zeros):
            first = result(scope, yes, args, fn_span, span)
            second = result(interface.assuming(scope, zeros), no, args, fn_span, span)
            return _either(scope, first, second, zeros, span)
        case Schedule(items):
            return _through(scope, items, args, fn_span, span)
        case Listed():
            return _side_by_side(scope, target, args, fn_span, span)
        case Mixture(bank=pool):
            results = [result(scope, kind.item, args, fn_span, span) for kind in pool.items]
            types = [t for t in results if t is not None]
            if len(types) < len(results):
                return None
            if any(len(t) != 1 for t in types) or len(args) != 1:
                message = "an expert takes a tensor and gives one"
                scope.fail("wrong-arguments", message, fn_span)
                return None
            fit = all(experts.tokens_fit(scope, target, args[0], t[0], span) for t in types)
            return types[0] if fit else None
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
        help="a product is written with `*`" if isinstance(target, Int | Float) else "",
    )
    return None


def _either(
    scope: Scope,
    first: tuple[TensorType, ...] | None,
    second: tuple[TensorType, ...] | None,
    zeros: tuple[Dim, ...],
    span: Span,
) -> tuple[TensorType, ...] | None:
    """The result types of a block that a setting chooses, which are the same on both sides."""
    if first is None or second is None:
        return None
    sides = [tuple(Tensor(-1, t) for t in types) for types in (first, second)]
    return first if interface.one_shape(scope, sides[0], sides[1], zeros, span) else None


def _in_order(
    scope: Scope, stages: tuple[Value, ...], args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """Each stage of a chain takes what the one before it gives."""
    types: tuple[TensorType, ...] | None = None
    for stage in stages:
        types = result(scope, stage, args, getattr(stage, "span", None) or fn_span, span)
        if types is None:
            return None
        args = [Tensor(-1, t) for t in types]
    return types


def _through(
    scope: Scope, items: tuple[Repeat, ...], args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """Every layer of a stack maps the types of its first inputs to themselves; what it is given
    beyond what it gives back is the same for all layers.
    """
    types = tuple(a.type for a in (args if items else args[:1]))
    for item in items:
        inner = item.item
        if isinstance(inner, Schedule):
            out = _through(scope, inner.items, args, fn_span, span)
        elif isinstance(inner, Repeat):
            out = _through(scope, (inner,), args, fn_span, span)
        else:
            out = result(scope, inner, args, fn_span, span)
        if out is None:
            return None
        if item is items[0]:
            types = types[: len(out)]
        same = len(out) == len(types) and all(
            interface.same(scope, a, b) is EQUAL for a, b in zip(out, types, strict=True)
        )
        if not same:
            title = describe(inner)
            scope.fail(
                "not-a-layer",
                f"{title} gives another shape than it takes",
                getattr(inner, "span", None) or fn_span,
                note=f"{', '.join(map(str, types))} -> {', '.join(map(str, out))}",
                help="a layer of a stack maps X to X",
            )
            return None
    return types


def _side_by_side(
    scope: Scope, target: Listed, args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """What blocks of a list give: the one that a number means, or all along a new first axis."""
    results: list[tuple[int, tuple[TensorType, ...]]] = []
    for number, block in side_by_side.different(target):
        types = result(scope, block, args, fn_span, span)
        if types is None:
            return None
        results.append((number, types))
    if target.number is not None:
        return results[0][1]
    return side_by_side.along_a_new_axis(scope, target, results, span)


# --- signatures -----------------------------------------------------------------------------------


def type_of(scope: Scope, t: s.TypeExpr) -> TensorType | None:
    """A written type; every axis has to be known. None after a report."""
    dtype = interface.dtype(scope, t)
    if dtype is None:
        return None
    axes: list[Axis] = []
    for axis in t.axes:
        if isinstance(axis, s.Dots):
            axes.extend(scope.rests.get("...", (REST,)))
            continue
        if isinstance(axis, s.Name) and axis.name == SEEN and SEEN not in scope.names:
            axes.append(Dim.symbol(SEEN))
            continue
        if not interface.is_bound(scope, axis):
            return None
        d = expressions.static_int(scope, axis, "an axis")
        if d is None or not interface.is_length(scope, d, axis.span):
            return None
        axes.append(d)
    return TensorType(dtype, tuple(axes))


def _types(scope: Scope, written: tuple[s.TypeExpr, ...]) -> tuple[TensorType, ...] | None:
    known = [type_of(scope, t) for t in written]
    types = tuple(t for t in known if t is not None)
    return types if len(types) == len(known) else None


def _recipe(
    scope: Scope, recipe: Recipe, args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """The result types of a recipe on tensors, all promises checked; None after a report."""
    inner = interface.callee(scope, recipe)
    decl = recipe.block.decl
    if len(decl.inputs) != len(args):
        names = ", ".join(i.name.name for i in decl.inputs)
        takes = f"{interface.inputs(len(decl.inputs))} ({names})"
        message = f"{recipe.block.name} takes {takes}, gets {len(args)}"
        scope.fail("wrong-arguments", message, span)
        return None
    interface.sees_all(inner, interface.types_taken(decl))
    for expected, arg in zip(decl.inputs, args, strict=True):
        if not _unify(scope, inner, expected.type, arg.type, recipe, fn_span, span):
            return None
    interface.sees_all(inner)
    if not _context_fits(scope, inner, recipe, fn_span, span):
        return None
    if not obliged(scope, inner, recipe, fn_span) or not slots_fit(scope, inner, recipe, fn_span):
        return None
    return _types(inner, decl.outputs)


def _slot(
    scope: Scope, slot: Slot, args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """The result types of a block-valued setting, by its signature."""
    inner = interface.of_slot(scope)
    if len(slot.inputs) != len(args):
        message = f"{slot.name} takes {interface.inputs(len(slot.inputs))}, gets {len(args)}"
        scope.fail("wrong-arguments", message, span)
        return None
    interface.sees_all(inner, slot.inputs)
    for expected, arg in zip(slot.inputs, args, strict=True):
        if not _unify(scope, inner, expected, arg.type, None, fn_span, span):
            return None
    interface.sees_all(inner)
    return _types(inner, slot.outputs)


def _unify(
    scope: Scope,
    inner: Scope,
    expected: s.TypeExpr,
    actual: TensorType,
    recipe: Recipe | None,
    fn_span: Span,
    span: Span,
) -> bool:
    """Binds the free axes of a written type to a tensor's; False after a report."""
    pairs = interface.pairs(scope, expected, actual, fn_span, span)
    if pairs is None:
        return False
    for written, axes in pairs:
        if isinstance(written, s.Dots):
            if not interface.rest_fits(scope, inner, axes, fn_span, span):
                return False
            continue
        axis = axes[0]
        if isinstance(axis, Rest):
            interface.unnamed(scope, actual, fn_span, span)
            return False
        if isinstance(written, s.Name) and not inner.has_axis(written.name):
            inner.names[written.name] = Int(axis)
            continue
        d = expressions.static_int(inner, written, "an axis")
        if d is None or not interface.axis_fits(
            scope, written, d, axis, actual, recipe, fn_span, span
        ):
            return False
    return True


def _context_fits(scope: Scope, inner: Scope, recipe: Recipe, fn_span: Span, span: Span) -> bool:
    """Whether what is known here to be given to a block has the declared types, the block's free
    axes being bound; False after a report.
    """
    for given in recipe.block.decl.given:
        t, quiet = context.known(scope, given.name.name), Diagnostics()
        if t is None:
            continue
        if scope.any_axes:
            context.bind_axes(inner, given, t)  # the axes have to agree where it is taken
            continue
        trial = replace(scope, diagnostics=quiet)
        if not _unify(trial, inner, given.type, t, recipe, fn_span, span):
            code = quiet.items[0].code if quiet.items else "shape-mismatch"
            context.other_type(scope, recipe, given, t, code, span)
            return False
    return True


def obliged(scope: Scope, inner: Scope, recipe: Recipe, span: Span) -> bool:
    """Whether no condition of a recipe is known to be false; False after a report."""
    for condition in recipe.block.decl.where:
        quiet = replace(inner, diagnostics=Diagnostics())
        if expressions.truth(quiet, condition) is False:
            sides: tuple[Value, ...] = ()
            if isinstance(condition, s.Binary):
                both = (condition.left, condition.right)
                sides = tuple(expressions.evaluate(quiet, side) for side in both)
            interface.unmet(scope, recipe, condition, sides, span)
            return False
    return True


def slots_fit(scope: Scope, inner: Scope, recipe: Recipe, fn_span: Span) -> bool:
    """Every block-valued setting keeps the signature of its slot, for axes nobody knows."""
    settings = dict(recipe.settings)
    for decl in recipe.block.decl.settings:
        for kind, value in interface.slots(decl.kind, settings[decl.name.name]):
            before = len(scope.diagnostics)
            problem = _misfit(scope, inner, kind, value)
            if len(scope.diagnostics) > before:
                return False
            if problem:
                span = getattr(value, "span", None) or recipe.span or fn_span
                interface.slot_misfit(scope, recipe, decl, value, problem, span)
                return False
    return True


def _misfit(scope: Scope, inner: Scope, kind: s.SignatureKind, value: Value) -> str:
    """Why a value does not keep the signature of its slot; nothing where it does. What is wrong in
    the value itself is reported here, unless that was reported where it stands.
    """
    scratch = interface.any_axes(inner, kind)
    inputs, outputs = _types(scratch, kind.inputs), _types(scratch, kind.outputs)
    if inputs is None or outputs is None:
        return next((d.message for d in scratch.diagnostics.items), "")
    trial = replace(scope, diagnostics=Diagnostics(), any_axes=True)
    types = _of_slot(trial, value, [Tensor(-1, t) for t in inputs], kind.span)
    if types is not None:
        return unmarked(interface.unlike(scope, types, outputs))
    first = next(iter(trial.diagnostics.items), None)
    if first is None:
        return ""
    if first.span is not kind.span:  # wrong in the block itself, whatever slot it is for
        scope.diagnostics.put(replace(first, message=unmarked(first.message)))
    return unmarked(first.message)


def _of_slot(
    scope: Scope, value: Value, args: list[Tensor], span: Span
) -> tuple[TensorType, ...] | None:
    """The result types of anything that can fill a slot."""
    match value:
        case Recipe():
            return _recipe(scope, value, args, span, span)
        case BlockRef() | PrimitiveRef() | Chain():
            return result(scope, value, args, span, span)
        case Slot():
            return _slot(scope, value, args, span, span)
        case Either(yes, no, zeros):
            first = _of_slot(scope, yes, args, span)
            second = _of_slot(interface.assuming(scope, zeros), no, args, span)
            return _either(scope, first, second, zeros, span)
    scope.fail("not-a-block", f"{describe(value)} is not a block", span)
    return None
