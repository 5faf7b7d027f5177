"""The node of an application and the submodule that it applies.

In a concrete check the elaborator makes the module of a recipe. A body registers it once for each
name; a further application has to fit what is stored.
"""

from __future__ import annotations

from archdsl import nodes
from archdsl.check import context, interface, schedules
from archdsl.check.scope import Scope, rooted
from archdsl.check.tensors import results_of, tensor
from archdsl.check.values import (
    Bank,
    Chain,
    Each,
    Error,
    Listed,
    Mixture,
    Recipe,
    Repeat,
    Schedule,
    Slot,
    Tensor,
    Tensors,
    Value,
    block_name,
)
from archdsl.dims import substitute
from archdsl.graph import Child, Experts, Layers, Module, ModuleList, Segment, Single, distinct
from archdsl.record import replace
from archdsl.source import Span
from archdsl.types import TensorType


def operands(
    scope: Scope, target: Value, args: tuple[Value, ...], span: Span
) -> tuple[list[Tensor], tuple[int, ...]] | None:
    """Arguments as tensors, and which of them each layer of a stack or block of a list gets a slice
    of; None after a report.
    """
    tensors: list[Tensor] = []
    each: list[int] = []
    for arg in args:
        if isinstance(arg, Tensors):
            tensors.extend(arg.items)
            continue
        if isinstance(arg, Each) and isinstance(target, Schedule):
            count = schedules.depth(target)
            one = interface.slice_of(scope, arg.value, count, "layer", span)
            each.append(len(tensors))
        elif isinstance(arg, Each) and isinstance(target, Listed) and target.number is None:
            one = interface.slice_of(scope, arg.value, target.length, "block", span)
            each.append(len(tensors))
        else:
            one = tensor(scope, arg, span)
        if one is None:
            return None
        tensors.append(one)
    return tensors, tuple(each)


def maker(scope: Scope, operand: Tensor) -> tuple[Recipe | None, list[Tensor]]:
    """The block that made a tensor, and what it was applied to; None where none did. Arithmetic
    that keeps the type is looked through.
    """
    at = operand.node
    while 0 <= at < len(scope.nodes):
        node = scope.nodes[at]
        if isinstance(node.form, nodes.Apply):
            value = scope.names.get(node.form.child)
            if not isinstance(value, Recipe):
                break
            inputs = node.args[: len(value.block.decl.inputs)]
            return value, [Tensor(i, scope.nodes[i].type) for i in inputs]
        before = [i for i in node.args if i < at and scope.nodes[i].type == node.type]
        if not isinstance(node.form, nodes.Elementwise | nodes.Residual) or not before:
            break
        at = before[0]
    return None, []


def application(
    scope: Scope,
    target: Value,
    title: str,
    args: list[Tensor],
    types: tuple[TensorType, ...],
    fn_span: Span,
    span: Span,
    label: str,
    each: tuple[int, ...],
) -> Value:
    """The node of an application that gives these types, and its submodule. `title` is what
    messages call what is applied, `label` the name under which it was bound.
    """
    if isinstance(target, Listed):
        return _side_by_side(scope, target, title, args, types, fn_span, span, label, each)
    operands = tuple(t.node for t in args)
    match folded(scope, target, args):
        case "identity":
            return args[0]
        case "zero":
            return scope.add(nodes.Node(nodes.Zero(), operands[:1], types, span=span))
    if scope.numbers is not None and schedules.is_empty(scope, target):
        if label:
            scope.children.setdefault(label, Child(label, Layers()))
        carried = args[: len(types)]
        return carried[0] if len(carried) == 1 else Tensors(tuple(carried))
    form: nodes.Form
    if isinstance(target, Mixture):
        submodule = child(scope, target.bank, title, target.name, args, fn_span)
        if submodule is None:
            return Error()
        operands = (*operands, target.weights.node, target.indices.node)
        form = nodes.Mixture(submodule[0], target.partly)
    else:
        submodule = child(scope, target, title, label, args, fn_span)
        if submodule is None:
            return Error()
        name, use = submodule
        inputs = context.inputs(scope, _needs(scope, name))
        operands = (*operands, *inputs)
        form = nodes.Apply(name, each, len(inputs), use)
    return results_of(scope, nodes.Node(form, operands, types, span=span))


def folded(scope: Scope, target: Value, args: list[Tensor]) -> str:
    """What a block without a computation of its own stands for: "identity" where it gives back its
    only input, "zero" where it gives zeros of its first input's type, nothing for all others.
    """
    if scope.numbers is None or isinstance(target, Schedule | Bank | Mixture | Repeat):
        return ""
    module = make(scope, target, args)
    return _folded(module) if isinstance(module, Module) else ""


def _folded(module: Module) -> str:
    """As `folded`, of a module."""
    if len(module.outputs) != 1:
        return ""
    match module.nodes[module.outputs[0]]:
        case nodes.Node(nodes.Input()) if len(module.inputs) == 1:
            return "identity"
        case nodes.Node(nodes.Zero(), (source,)) if source == module.inputs[0]:
            return "zero"
    return ""


def child(
    scope: Scope, target: Value, title: str, label: str, args: list[Tensor], fn_span: Span
) -> tuple[str, int] | None:
    """Registers the submodule of an application (once for each name); its name, and which of its
    applications to several types this is.
    """
    name = label or inline_name(scope, target)
    if scope.numbers is None:
        return name, 0
    parts = make(scope, target, args)
    if parts is None:
        return None
    if name in scope.children:
        return _again(scope, scope.children[name], parts, fn_span)
    inline = not label
    if isinstance(parts, Module):
        owns = parts.shared is not None and parts.shared is scope.shared.get(name)
        child = Child(name, Single(parts, owns=owns), inline, _ties(target))
    elif isinstance(target, Bank):
        ((count, expert),), top_k = distinct(parts), scope.value(target.top_k)
        assert top_k is not None
        of = substitute(target.count, scope.numbers.symbols)
        child = Child(name, Experts(expert, count, top_k, of))
    else:
        child = Child(name, Layers(parts))
    if inline and _owns(child):
        _nameless(scope, title, fn_span)
        return None
    scope.children[name] = child
    return name, 0


def _again(
    scope: Scope, child: Child, parts: Module | tuple[Segment, ...], span: Span
) -> tuple[str, int] | None:
    """A submodule applied once more, perhaps to tensors of other types."""
    if not isinstance(parts, Module):
        return _stack_again(scope, child, parts, span)
    single = child.part
    assert isinstance(single, Single)
    applied = single.applied or (single.module,)
    if parts not in applied:
        applied = (*applied, parts)
        first = next((m for m in applied if m.streams), single.module)
        part = replace(single, module=first, applied=applied)
        scope.children[child.name] = replace(child, part=part)
        if _weights(parts) != _weights(single.module):
            message = f"{child.name} has parameters of other shapes here than where it was applied"
            scope.fail("shape-mismatch", message, span, help="bind another submodule")
            return None
    return child.name, applied.index(parts)


def _stack_again(
    scope: Scope, child: Child, parts: tuple[Segment, ...], span: Span
) -> tuple[str, int] | None:
    """A stack or a bank applied once more, a stack perhaps to tensors of other types."""
    if distinct(parts) == child.modules:
        layers = child.part
        applied = layers.applied if isinstance(layers, Layers) else ()
        return child.name, applied.index(parts) if applied else 0
    if not isinstance(child.part, Layers):
        message = f"{child.name} is applied to tensors of another type than before"
        scope.fail("unsupported", message, span, help="bind another bank for them")
        return None
    applied = child.part.applied or (child.part.segments,)
    if not _alike(child.part.segments, parts):
        message = f"{child.name} has parameters of other shapes here than where it was applied"
        scope.fail("shape-mismatch", message, span, help="bind another stack")
        return None
    if parts not in applied:
        applied = (*applied, parts)
        streaming = (use for use in applied if all(m.streams for _, m in distinct(use)))
        part = Layers(next(streaming, applied[0]), applied)
        scope.children[child.name] = replace(child, part=part)
    return child.name, applied.index(parts)


def _alike(one: tuple[Segment, ...], other: tuple[Segment, ...]) -> bool:
    """Whether two stacks have the same parameters, layer by layer."""
    return len(one) == len(other) and all(
        a.count == b.count and _same_weights(a.item, b.item)
        for a, b in zip(one, other, strict=True)
    )


def _same_weights(one: Module | tuple[Segment, ...], other: Module | tuple[Segment, ...]) -> bool:
    if isinstance(one, Module) or isinstance(other, Module):
        both = isinstance(one, Module) and isinstance(other, Module)
        return both and _weights(one) == _weights(other)  # type: ignore[arg-type]
    return _alike(one, other)


def _side_by_side(
    scope: Scope,
    target: Listed,
    title: str,
    args: list[Tensor],
    types: tuple[TensorType, ...],
    fn_span: Span,
    span: Span,
    label: str,
    each: tuple[int, ...],
) -> Value:
    """The node of blocks of a list that are applied, one or all, and their submodules."""
    name = label or inline_name(scope, target)
    form = nodes.Apply(name, each, item=target.number)
    operands = tuple(t.node for t in args)
    if scope.numbers is not None:
        used = _listed(scope, target, title, name, args, fn_span, inline=not label)
        if used is None:
            return Error()
        use, modules = used
        match _folded(modules[0]) if target.number is not None else "":
            case "identity":
                return args[0]
            case "zero":
                return scope.add(nodes.Node(nodes.Zero(), operands[:1], types, span=span))
        form = replace(form, use=use)
        inputs = context.inputs(scope, scope.children[name].given(form))
        form, operands = replace(form, context=len(inputs)), (*operands, *inputs)
    return results_of(scope, nodes.Node(form, operands, types, span=span))


def _listed(
    scope: Scope,
    target: Listed,
    title: str,
    name: str,
    args: list[Tensor],
    fn_span: Span,
    inline: bool,
) -> tuple[int, list[Module]] | None:
    """Registers an application of blocks of a list: which of those to several types it is, and its
    modules; None after a report.
    """
    applied: list[tuple[int, Module]] = []
    before: tuple[Value, Module] | None = None
    for number, block in enumerate(target.chosen, target.number or 0):
        alike = before is not None and before[0] == block
        module = before[1] if before is not None and alike else make(scope, block, args)
        if not isinstance(module, Module):
            return None
        before = block, module
        applied.append((number, module))
    child = scope.children.get(name) or Child(name, ModuleList(len(target.blocks)), inline)
    part = child.part
    assert isinstance(part, ModuleList)
    known = part.numbered
    for number, module in applied:
        if _weights(known.get(number, module)) != _weights(module):
            message = f"{name}[{number}] has parameters of other shapes here than where it was"
            help = "bind another list"
            scope.fail("shape-mismatch", f"{message} applied", fn_span, help=help)
            return None
    if tuple(applied) not in part.applied:
        part = replace(part, applied=(*part.applied, tuple(applied)))
    child = replace(child, part=part)
    if inline and _owns(child):
        _nameless(scope, title, fn_span)
        return None
    scope.children[name] = child
    return part.applied.index(tuple(applied)), [module for _, module in applied]


def _nameless(scope: Scope, title: str, span: Span) -> None:
    """Reports an application without a name whose block owns parameters."""
    message = f"{title} has parameters and no name to store them under"
    help = "bind it to a name first, then apply the name"
    scope.fail("anonymous-parameters", message, span, help=help)


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


def inline_name(scope: Scope, target: Value) -> str:
    """A name for a submodule that is bound to none: its block's, in small letters."""
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


def make(scope: Scope, target: Value, args: list[Tensor]) -> Module | tuple[Segment, ...] | None:
    """The module of a recipe, or the segments of a stack; None after a report."""
    assert scope.numbers is not None
    match target:
        case Slot(recipe=inner) if inner is not None:
            return make(scope, inner, args)
        case Recipe() | Chain():
            own = rooted(target, scope.numbers)
            assert isinstance(own, Recipe | Chain) and scope.instantiate is not None
            types = tuple(context.rooted_type(scope, a.type) for a in args)
            return scope.instantiate(own, types, scope.frames, context.around(scope))
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
        parts = _segments(scope, nested, args) if nested is not None else make(scope, inner, args)
        if parts is None or count is None:
            return None
        if count and parts != ():
            assert scope.numbers is not None
            segments.append(Segment(count, parts, substitute(item.count, scope.numbers.symbols)))
    return tuple(segments)
