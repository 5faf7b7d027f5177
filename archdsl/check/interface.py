"""What a block promises: types of its inputs and outputs, conditions, slots.

Everything here is in the caller's symbols: a scope whose names are the callee's settings with the
caller's values. Free axes of the callee are bound by the inputs, left to right; `...` is bound once
for each application.
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl import syntax as s
from archdsl.check.scope import Scope
from archdsl.check.values import Int, Items, Recipe, Tensor, Value, describe
from archdsl.diagnostic import Diagnostics, Label
from archdsl.dims import DIFFERENT, EQUAL, UNKNOWN, Dim, Verdict
from archdsl.nodes import Apply
from archdsl.record import replace
from archdsl.source import Span
from archdsl.symbols import SEEN
from archdsl.types import DTYPES, Axis, Rest, TensorType

# --- scopes ---------------------------------------------------------------------------------------


def callee(scope: Scope, recipe: Recipe) -> Scope:
    """The callee's settings as names, in the caller's symbols."""
    return Scope(
        scope.diagnostics,
        dict(recipe.settings),
        recipe.block.globals,
        facts=scope.facts,
        numbers=scope.numbers,
        frames=scope.frames,
    )


def of_slot(scope: Scope) -> Scope:
    """The world of the signature of a slot that a body applies.

    How much was seen is up to the caller: all of it, or what a window kept. A tensor of the body
    may be called as a free axis of the slot is.
    """
    kept = (x for x in scope.names.items() if x[0] != SEEN and not isinstance(x[1], Tensor))
    return replace(scope, names=dict(kept), rests={})


def any_axes(inner: Scope, kind: s.SignatureKind) -> Scope:
    """The world of the signature of a slot for axes nobody knows."""
    scope = replace(
        inner, names=dict(inner.names), rests={"...": (Rest("'"),)}, diagnostics=Diagnostics()
    )
    for written in (*kind.inputs, *kind.outputs):
        for axis in written.axes:
            if isinstance(axis, s.Name) and axis.name != SEEN and not scope.has_axis(axis.name):
                scope.names[axis.name] = Int(Dim.symbol(f"{axis.name}'"))
    sees_all(scope)
    return scope


def sees_all(scope: Scope, inputs: tuple[s.TypeExpr, ...] = ()) -> None:
    """S is what was seen, unless one of the inputs has it as an axis and says how much that is."""
    if not have_axis(inputs, SEEN):
        scope.names.setdefault(SEEN, Int(Dim.symbol(SEEN)))


def have_axis(types: tuple[s.TypeExpr, ...], name: str) -> bool:
    """Whether one of these types has an axis of this name."""
    axes = (axis for written in types for axis in written.axes)
    return any(isinstance(axis, s.Name) and axis.name == name for axis in axes)


def types_taken(decl: s.BlockDecl) -> tuple[s.TypeExpr, ...]:
    """The types of the inputs of a block, and of what it is given."""
    return tuple(declared.type for declared in (*decl.inputs, *decl.given))


# --- types ----------------------------------------------------------------------------------------


def dtype(scope: Scope, t: s.TypeExpr) -> str | None:
    """The dtype of a written type, or None after a report."""
    name = t.dtype.name if t.dtype else "float"
    if name in DTYPES:
        return name
    scope.fail(
        "dtype-mismatch",
        f"there is no dtype {name}",
        t.dtype.span if t.dtype else t.span,
        help=f"one of {', '.join(DTYPES)}, or the name of a type: type {name}[n] = [B, T, n]",
    )
    return None


def is_bound(scope: Scope, axis: s.Expr) -> bool:
    """Whether something says how long a written axis is; False after a report."""
    if not isinstance(axis, s.Name) or scope.has_axis(axis.name):
        return True
    message = f"nothing says how long {axis.name} is"
    help = "an axis is a setting, or a free axis of an input"
    scope.fail("unbound-axis", message, axis.span, help=help)
    return False


def is_length(scope: Scope, d: Dim, span: Span) -> bool:
    """Whether an axis can be as long as this; False after a report."""
    value = scope.value(d)
    if value is not None and value < 1:
        scope.fail("bad-dimension", f"an axis of length {scope.equation(d)}", span)
        return False
    return True


def same(scope: Scope, a: TensorType, b: TensorType) -> Verdict:
    """Whether two types are one: the weakest verdict over their axes."""
    x, y = scope.expand(a), scope.expand(b)
    if a.dtype != b.dtype or len(x) != len(y):
        return DIFFERENT
    verdicts = [scope.compare_axes(i, j) for i, j in zip(x, y, strict=True)]
    if DIFFERENT in verdicts:
        return DIFFERENT
    return UNKNOWN if UNKNOWN in verdicts else EQUAL


def assuming(scope: Scope, zeros: tuple[Dim, ...]) -> Scope:
    """The scope in which these dimensions are 0: one side of a choice."""
    if not zeros:
        return scope
    facts = scope.facts
    for zero in zeros:
        facts = facts.plus(zero)
    return replace(scope, facts=facts)


def one_shape(
    scope: Scope,
    ours: tuple[Tensor, ...],
    others: tuple[Tensor, ...],
    zeros: tuple[Dim, ...],
    span: Span,
) -> bool:
    """Whether both sides of a choice have one type where the `zeros` are 0; False after a
    report.
    """
    world = assuming(scope, zeros)
    if len(ours) != len(others):
        message = f"one side of a choice gives {len(ours)} tensors, the other {len(others)}"
        scope.fail("wrong-arguments", message, span)
        return False
    for a, b in zip(ours, others, strict=True):
        verdict = same(world, a.type, b.type)
        if verdict is EQUAL:
            continue
        code = "shape-mismatch" if verdict is DIFFERENT else "unknown-equality"
        note = f"{a.type} on one side, {b.type} on the other"
        scope.fail(code, "both sides of a choice need one shape", span, note=note)
        return False
    return True


def unlike(scope: Scope, types: tuple[TensorType, ...], wanted: tuple[TensorType, ...]) -> str:
    """How result types differ from those that a slot asks for; nothing where they do not."""
    if len(types) != len(wanted):
        return f"{len(wanted)} results are asked for, {len(types)} given"
    for a, b in zip(types, wanted, strict=True):
        verdict = same(scope, a, b)
        if verdict is not EQUAL and (verdict is DIFFERENT or scope.numbers is None):
            return f"{b} is asked for, {a} given"
    return ""


def slot_misfit(
    scope: Scope, recipe: Recipe, decl: s.SettingDecl, value: Value, problem: str, span: Span
) -> None:
    """Reports a block that does not keep the signature of the slot that it is for."""
    scope.fail(
        "shape-mismatch",
        f"{describe(value)} does not fit {decl.name.name} of {recipe.block.name}",
        span,
        note=problem,
        labels=(Label(decl.span, "the signature to keep"),),
    )


def slice_of(scope: Scope, whole: Tensor, count: Dim, what: str, span: Span) -> Tensor | None:
    """What each of `count` layers or blocks gets of a tensor: its slice of the first axis; None
    after a report, in which they are called `what`.
    """
    axes = whole.type.axes
    first = axes[0] if axes and isinstance(axes[0], Dim) else None
    verdict = DIFFERENT if first is None else scope.compare(first, count)
    if verdict is EQUAL:
        return Tensor(whole.node, TensorType(whole.type.dtype, axes[1:]))
    scope.fail(
        "shape-mismatch" if verdict is DIFFERENT else "unknown-equality",
        f"each {what} gets its slice of the first axis, which has to be {count}",
        span,
        note=f"this is {scope.describe(whole.type)}",
    )
    return None


# --- results --------------------------------------------------------------------------------------


def are_declared(
    scope: Scope,
    decl: s.BlockDecl,
    types: list[TensorType | None],
    statement: s.Result,
    results: list[Tensor],
) -> bool:
    """Whether a body returns what its block declares; False after a report."""
    if len(results) != len(types):
        message = f"{len(types)} results are declared, {len(results)} returned"
        scope.fail("wrong-arguments", message, statement.span)
        return False
    for result, t, written in zip(results, types, decl.outputs, strict=True):
        if t is None:
            return False
        if same(scope, result.type, t) is not EQUAL:
            _other_result(scope, result, t, statement, written)
            return False
    return True


def _other_result(
    scope: Scope, result: Tensor, t: TensorType, statement: s.Result, written: s.TypeExpr
) -> None:
    """Reports a result of another type."""
    unknown = scope.numbers is None and same(scope, result.type, t) is not DIFFERENT
    hint = without_each(scope, result)
    code = "unknown-equality" if unknown else "shape-mismatch"
    if result.type.dtype != t.dtype:
        code = "dtype-mismatch"
        hint = "write model_dtype(x)" if result.type.dtype == "float32" else ""
    elif unknown:
        hint = "add a `where` that says that they are equal"
    scope.fail(
        code,
        f"declared {written.span.text}, returned {result.type}",
        statement.values[0].span,
        note=scope.describe(result.type),
        help=hint,
    )


def slots(kind: s.Kind | None, value: Value) -> Iterator[tuple[s.SignatureKind, Value]]:
    """The blocks of a setting, each with the signature that it has to keep: one, those of a list,
    none of a setting that is a number.
    """
    match kind, value:
        case s.SignatureKind(), _:
            yield kind, value
        case s.KindOf("list", (inner,)), Items(values, sample):
            for item in (sample,) if values is None else values:
                if item is not None:
                    yield from slots(inner, item)


def without_each(scope: Scope, result: Tensor) -> str:
    """What is written where blocks of a list got all of a tensor and not each its slice; nothing
    for what is no such result.
    """
    node = scope.nodes[result.node] if 0 <= result.node < len(scope.nodes) else None
    axes = result.type.axes
    if node is None or len(axes) < 2 or scope.compare_axes(axes[0], axes[1]) is not EQUAL:
        return ""
    match node.form:
        case Apply(child, each=(), item=None) if isinstance(scope.names.get(child), Items):
            operand = next((scope.nodes[a].name for a in node.args), "") or "x"
            return f"{child} hands all of {operand} to each block, {child}(each {operand}) a slice"
    return ""


# --- inputs ---------------------------------------------------------------------------------------


def inputs(count: int) -> str:
    """A number of inputs in words."""
    return f"{count} input{'' if count == 1 else 's'}"


def pairs(
    scope: Scope, expected: s.TypeExpr, actual: TensorType, fn_span: Span, span: Span
) -> list[tuple[s.Expr | s.Dots, tuple[Axis, ...]]] | None:
    """The axes of a written type, each with those of a tensor that it stands for: several for
    `...`. None after a report.
    """
    written = expected.axes
    dots = any(isinstance(a, s.Dots) for a in written)
    count = len(actual.axes) - len(written) + 1 if dots else 0
    other_dtype = (expected.dtype.name if expected.dtype else "float") != actual.dtype
    if other_dtype or count < 0 or (not dots and len(written) != len(actual.axes)):
        message = f"{_what(fn_span)} expects {expected.span.text}, gets {actual}"
        if other_dtype:
            hint = "write model_dtype(x)" if actual.dtype == "float32" else ""
            scope.fail("dtype-mismatch", message, span, help=hint)
        else:
            scope.fail("shape-mismatch", message, span, note=f"{len(actual.axes)} axes")
        return None
    out: list[tuple[s.Expr | s.Dots, tuple[Axis, ...]]] = []
    position = 0
    for axis in written:
        end = position + (count if isinstance(axis, s.Dots) else 1)
        out.append((axis, actual.axes[position:end]))
        position = end
    return out


def rest_fits(scope: Scope, inner: Scope, axes: tuple[Axis, ...], fn_span: Span, at: Span) -> bool:
    """Whether `...` stands for these axes, as it did before; False after a report."""
    if inner.rests.setdefault("...", axes) == axes:
        return True
    message = f"`...` of {_what(fn_span)} stands for two groups of axes"
    scope.fail("shape-mismatch", message, at)
    return False


def unnamed(scope: Scope, actual: TensorType, fn_span: Span, span: Span) -> None:
    """Reports an input of which not all axes are known."""
    scope.fail(
        "shape-mismatch",
        f"{_what(fn_span)} needs to know all axes",
        span,
        note=f"{actual} has axes that only `...` names",
    )


def axis_fits(
    scope: Scope,
    written: s.Expr,
    d: Dim,
    axis: Dim,
    actual: TensorType,
    recipe: Recipe | None,
    fn_span: Span,
    span: Span,
) -> bool:
    """Whether an axis of an input has the declared length; False after a report."""
    verdict = scope.compare(d, axis)
    if verdict is EQUAL:
        return True
    what = _what(fn_span)
    last = axis is actual.axes[-1]
    labels: tuple[Label, ...] = ()
    if recipe is not None and recipe.span is not None and recipe.span != fn_span:
        labels = (Label(recipe.span, f"made for {scope.equation(d)}"),)
    if verdict is UNKNOWN and scope.numbers is None:
        scope.fail(
            "unknown-equality",
            f"{what} expects {d}, and nothing shows that {axis} equals it",
            span,
            note=f"this is {actual}",
            labels=labels,
            help=f"add `where {axis} == {d}`, or change one of them",
        )
        return False
    wanted, got = scope.value(d), scope.value(axis)
    unit = " features" if last else ""
    headline = (
        f"{what} expects {wanted}{unit}, gets {got}"
        if wanted is not None and got is not None
        else f"{what} expects {d}{unit}, gets {axis}"
    )
    note = scope.describe(actual)
    spelling = written.name if isinstance(written, s.Name) else written.span.text
    hint = f"{spelling} of {recipe.block.name} is {scope.equation(d)}" if recipe else ""
    scope.fail("shape-mismatch", headline, span, note=f"this is {note}", labels=labels, help=hint)
    return False


def _what(fn_span: Span) -> str:
    """What is applied, for messages."""
    return fn_span.text.split("(")[0].strip() or "this"


# --- conditions -----------------------------------------------------------------------------------


def unmet(
    scope: Scope, recipe: Recipe, condition: s.Expr, sides: tuple[Value, ...], span: Span
) -> None:
    """Reports a condition of a block that is false; `sides` are those of a comparison."""
    scope.fail(
        "unmet-where",
        f"{recipe.block.name} needs {condition.span.text}",
        recipe.span or span,
        note=_in_numbers(scope, condition, sides),
        labels=(Label(condition.span, "asked for here"),),
    )


def _in_numbers(scope: Scope, condition: s.Expr, sides: tuple[Value, ...]) -> str:
    """The sides of a comparison as the caller's dimensions."""
    if not isinstance(condition, s.Binary):
        return ""
    notes = []
    for side, value in zip((condition.left, condition.right), sides, strict=True):
        if isinstance(value, Int) and value.dim.symbols():
            parts = scope.equation(value.dim).split(" = ")
            if parts[0] == f"({side.span.text})":  # a quotient alone needs no brackets
                parts = [p.removeprefix("(").removesuffix(")") for p in parts]
            begins = parts[0] == side.span.text and len(parts) > 1
            text = " = ".join(parts)
            notes.append(text if begins else f"{side.span.text} is {text}")
        elif isinstance(value, Int) and side.span.text != str(value.dim):
            notes.append(f"{side.span.text} is {value.dim}")
    return ", ".join(notes)
