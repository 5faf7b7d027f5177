"""Recipes and their application: settings, signatures, obligations, ties.

Applying a block checks its signature in the caller's world: the callee's settings stand for the
caller's values, its free axes are bound by the inputs from left to right. In a concrete check the
elaborator is then asked for the module.
"""

from __future__ import annotations

from archdsl import nodes
from archdsl import syntax as s
from archdsl.check import context, experts, expressions, interface, kinds, schedules
from archdsl.check.scope import Scope, rooted, speaking
from archdsl.check.tensors import results_of, tensor
from archdsl.check.values import (
    Bank,
    Block,
    BlockRef,
    Each,
    Either,
    Error,
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
from archdsl.dims import EQUAL, substitute
from archdsl.graph import Child, Experts, Layers, Module, Segment, Single, distinct
from archdsl.record import replace
from archdsl.source import Span
from archdsl.types import TensorType

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
        kind = decls[name].kind if name in decls else None
        value = expressions.evaluate(speaking(scope, kind), arg.value)
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
    settings = kinds.settle(scope, block, given, name_span)
    if settings is None:
        return Error()
    tied = next((value for _, value in settings if isinstance(value, Recipe) and value.ties), None)
    if tied is not None:
        message = f"{tied.block.name} uses a parameter of this body, and {block.name} is another"
        help = "apply it in this body, or `share` a block between them"
        return scope.fail("unsupported", message, tied.span or span, help=help)
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


# --- application ----------------------------------------------------------------------------------


def application(
    scope: Scope, target: Value, label: str, args: tuple[Value, ...], fn_span: Span, span: Span
) -> Value:
    """A block, a slot, a stack or an expression of these, applied to tensors.

    `label` is the name under which it was bound; an application without one is inline.
    """
    tensors_in: list[Tensor] = []
    each: list[int] = []
    for arg in args:
        if isinstance(arg, Tensors):
            tensors_in.extend(arg.items)
            continue
        if isinstance(arg, Each) and isinstance(target, Schedule):
            one = schedules.slice_of(scope, target, arg.value, span)
            each.append(len(tensors_in))
        else:
            one = tensor(scope, arg, span)
        if one is None:
            return Error()
        tensors_in.append(one)
    if isinstance(target, Mixture) and (
        len(target.bank.items) > 1 or folded(scope, target.bank.items[0].item, tensors_in)
    ):
        if result(scope, target, tensors_in, fn_span, span) is None:
            return Error()
        return experts.mixed(scope, target, tensors_in, fn_span, span)
    return applied(scope, target, tensors_in, fn_span, span, label, tuple(each))


def applied(
    scope: Scope,
    target: Value,
    tensors_in: list[Tensor],
    fn_span: Span,
    span: Span,
    label: str = "",
    each: tuple[int, ...] = (),
) -> Value:
    """The node of an application, and its submodule."""
    types = result(scope, target, tensors_in, fn_span, span)
    if types is None:
        return Error()
    operands = tuple(t.node for t in tensors_in)
    match folded(scope, target, tensors_in):
        case "identity":
            return tensors_in[0]
        case "zero":
            return scope.add(nodes.Node(nodes.Zero(), operands[:1], types, span=span))
    if scope.numbers is not None and schedules.is_empty(scope, target):
        if label:
            scope.children.setdefault(label, Child(label, Layers()))
        carried = tensors_in[: len(types)]
        return carried[0] if len(carried) == 1 else Tensors(tuple(carried))
    form: nodes.Form
    if isinstance(target, Mixture):
        submodule = child(scope, target.bank, target.name, tensors_in, fn_span)
        if submodule is None:
            return Error()
        operands = (*operands, target.weights.node, target.indices.node)
        form = nodes.Mixture(submodule[0], target.partly)
    else:
        submodule = child(scope, target, label, tensors_in, fn_span)
        if submodule is None:
            return Error()
        name, use = submodule
        passed = context.taken(scope, _needs(scope, name))
        operands = (*operands, *passed)
        form = nodes.Apply(name, each, len(passed), use)
    return results_of(scope, nodes.Node(form, operands, types, span=span))


def folded(scope: Scope, target: Value, args: list[Tensor]) -> str:
    """What a block without a computation of its own stands for: "identity" where it gives back its
    only input, "zero" where it gives zeros of its first input's type, nothing for all others.
    """
    if scope.numbers is None or isinstance(target, Schedule | Bank | Mixture | Repeat):
        return ""
    module = _make(scope, target, args)
    if not isinstance(module, Module) or len(module.outputs) != 1:
        return ""
    match module.nodes[module.outputs[0]]:
        case nodes.Node(nodes.Input()) if len(module.inputs) == 1:
            return "identity"
        case nodes.Node(nodes.Zero(), (source,)) if source == module.inputs[0]:
            return "zero"
    return ""


def result(
    scope: Scope, target: Value, args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """The types that an application gives, or None after a report."""
    match target:
        case Recipe():
            return interface.apply(scope, target, args, fn_span, span)
        case BlockRef(block):
            made = recipe(scope, block, (), fn_span, fn_span)
            return None if isinstance(made, Error) else result(scope, made, args, fn_span, span)
        case Slot():
            return interface.apply_slot(scope, target, args, fn_span, span)
        case Either(yes, no):
            first = result(scope, yes, args, fn_span, span)
            second = result(scope, no, args, fn_span, span)
            return None if second is None else first
        case Schedule(items):
            return _through(scope, items, args, fn_span, span)
        case Mixture(bank=pool):
            given = [result(scope, kind.item, args, fn_span, span) for kind in pool.items]
            types = [t for t in given if t is not None]
            if len(types) < len(given):
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
    )
    return None


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
            found = _through(scope, inner.items, args, fn_span, span)
        elif isinstance(inner, Repeat):
            found = _through(scope, (inner,), args, fn_span, span)
        else:
            found = result(scope, inner, args, fn_span, span)
        if found is None:
            return None
        if item is items[0]:
            types = types[: len(found)]
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


def child(
    scope: Scope, target: Value, label: str, args: list[Tensor], fn_span: Span
) -> tuple[str, int] | None:
    """Registers the submodule of an application (once for each name); its name, and which of its
    applications to several types this is.
    """
    name = label or _inline_name(scope, target)
    if scope.numbers is None:
        return name, 0
    made = _make(scope, target, args)
    if made is None:
        return None
    if name in scope.children:
        return _again(scope, scope.children[name], made, fn_span)
    inline = not label
    if isinstance(made, Module):
        owns = made.shared is not None and made.shared is scope.shared.get(name)
        child = Child(name, Single(made, owns=owns), inline, _ties(target))
    elif isinstance(target, Bank):
        ((count, expert),), top_k = distinct(made), scope.value(target.top_k)
        assert top_k is not None
        of = substitute(target.count, scope.numbers.symbols)
        child = Child(name, Experts(expert, count, top_k, of))
    else:
        child = Child(name, Layers(made))
    if inline and _owns(child):
        scope.fail(
            "anonymous-parameters",
            f"{describe(target)} has parameters and no name to store them under",
            fn_span,
            help="bind it to a name first, then apply the name",
        )
        return None
    scope.children[name] = child
    return name, 0


def _again(
    scope: Scope, child: Child, made: Module | tuple[Segment, ...], span: Span
) -> tuple[str, int] | None:
    """A submodule applied once more, perhaps to tensors of other types."""
    if not isinstance(made, Module):
        if distinct(made) == child.modules:
            return child.name, 0
        message = f"{child.name} is applied to tensors of another type than before"
        scope.fail("unsupported", message, span, help="bind another stack for them")
        return None
    single = child.part
    assert isinstance(single, Single)
    applied = single.applied or (single.module,)
    if made not in applied:
        applied = (*applied, made)
        first = next((m for m in applied if m.streams), single.module)
        part = replace(single, module=first, applied=applied)
        scope.children[child.name] = replace(child, part=part)
        if _weights(made) != _weights(single.module):
            message = f"{child.name} has parameters of other shapes here than where it was applied"
            scope.fail("shape-mismatch", message, span, help="bind another submodule")
            return None
    return child.name, applied.index(made)


def _weights(module: Module) -> list[object]:
    """What has to agree for two modules to have the same parameters."""
    own: list[object] = [
        (p.name, module.symbols.type(p.type)) for p in module.params if p.kind != "const"
    ]
    for child in module.children:
        own += [(child.name, count, *_weights(inner)) for count, inner in child.stored]
    return own


def _needs(scope: Scope, name: str) -> tuple[str, ...]:
    """What a submodule is given, in the order in which it takes it."""
    child = scope.children.get(name)
    return () if child is None else child.context


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
            types = tuple(context.rooted_type(scope, a.type) for a in args)
            return scope.instantiate(given, types, scope.frames, context.around(scope))
        case Schedule(items):
            return _segments(scope, items, args)
        case Bank(items):
            # An expert sees some of the tokens: what is given of all of them does not fit.
            alone = replace(scope, given={}, around={}, outer=None)
            return _segments(alone, items, args)
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
        if count and made != ():
            assert scope.numbers is not None
            segments.append(Segment(count, made, substitute(item.count, scope.numbers.symbols)))
    return tuple(segments)
