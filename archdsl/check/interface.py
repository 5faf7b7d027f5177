"""What a block promises: types of inputs and outputs, `where`, slots.

Everything here is evaluated in the caller's symbols: a scope whose names are the callee's settings
with the caller's values. Free axes of the callee are bound by the inputs, left to right; `...` is
bound once for each application.
"""

from __future__ import annotations

from dataclasses import replace as changed

from archdsl import syntax as s
from archdsl.check import context, expressions
from archdsl.check.scope import Scope
from archdsl.check.values import (
    Either,
    Int,
    Recipe,
    Slot,
    Tensor,
    Value,
    describe,
)
from archdsl.diagnostic import Diagnostics, Label
from archdsl.dims import DIFFERENT, EQUAL, UNKNOWN, Dim, Verdict
from archdsl.source import Span
from archdsl.symbols import SEEN
from archdsl.types import DTYPES, REST, Axis, Rest, TensorType

# --- types ----------------------------------------------------------------------------------------


def callee(scope: Scope, made: Recipe) -> Scope:
    """The callee's settings as names, in the caller's symbols."""
    return Scope(
        scope.diagnostics,
        dict(made.settings),
        made.block.globals,
        facts=scope.facts,
        numbers=scope.numbers,
        frames=scope.frames,
    )


def type_of(scope: Scope, t: s.TypeExpr) -> TensorType | None:
    """A written type; every axis has to be known. None after a report."""
    dtype = t.dtype.name if t.dtype else "float"
    if dtype not in DTYPES:
        scope.fail(
            "dtype-mismatch",
            f"there is no dtype {dtype}",
            t.dtype.span if t.dtype else t.span,
            help=f"one of {', '.join(DTYPES)}",
        )
        return None
    axes: list[Axis] = []
    for axis in t.axes:
        if isinstance(axis, s.Dots):
            axes.extend(scope.rests.get("...", (REST,)))
            continue
        if isinstance(axis, s.Name) and axis.name == SEEN and SEEN not in scope.names:
            axes.append(Dim.symbol(SEEN))
            continue
        if isinstance(axis, s.Name) and scope.look(axis.name) is None:
            scope.fail(
                "unbound-axis",
                f"nothing says how long {axis.name} is",
                axis.span,
                help="an axis is a setting, or a free axis of an input",
            )
            return None
        d = expressions.static_int(scope, axis, "an axis")
        if d is None:
            return None
        value = scope.value(d)
        if value is not None and value < 1:
            scope.fail("bad-dimension", f"an axis of length {scope.equation(d)}", axis.span)
            return None
        axes.append(d)
    return TensorType(dtype, tuple(axes))


def same(scope: Scope, a: TensorType, b: TensorType) -> Verdict:
    """Whether two types are one: the weakest verdict over their axes."""
    x, y = scope.expand(a), scope.expand(b)
    if a.dtype != b.dtype or len(x) != len(y):
        return DIFFERENT
    verdicts = [scope.compare_axes(i, j) for i, j in zip(x, y, strict=True)]
    if DIFFERENT in verdicts:
        return DIFFERENT
    return UNKNOWN if UNKNOWN in verdicts else EQUAL


def apply(
    scope: Scope, made: Recipe, args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """The result types of a recipe on tensors, all promises checked; None after a report."""
    inner = callee(scope, made)
    decl = made.block.decl
    if len(decl.inputs) != len(args):
        takes = ", ".join(i.name.name for i in decl.inputs)
        scope.fail(
            "wrong-arguments",
            f"{made.block.name} takes {_inputs(len(decl.inputs))} ({takes}), gets {len(args)}",
            span,
        )
        return None
    for expected, arg in zip(decl.inputs, args, strict=True):
        if not unify(scope, inner, expected.type, arg.type, made, fn_span, span):
            return None
    inner.names.setdefault(SEEN, Int(Dim.symbol(SEEN)))
    if not context.handed(scope, inner, made, fn_span, span):
        return None
    if not obliged(scope, inner, made, fn_span) or not _slots_fit(scope, inner, made, fn_span):
        return None
    return _types(inner, decl.outputs)


def _inputs(count: int) -> str:
    return f"{count} input{'' if count == 1 else 's'}"


def _types(scope: Scope, written: tuple[s.TypeExpr, ...]) -> tuple[TensorType, ...] | None:
    found = [type_of(scope, t) for t in written]
    types = tuple(t for t in found if t is not None)
    return types if len(types) == len(found) else None


def apply_slot(
    scope: Scope, slot: Slot, args: list[Tensor], fn_span: Span, span: Span
) -> tuple[TensorType, ...] | None:
    """The result types of a block-valued setting, by its signature."""
    # How much was seen is up to the caller: all of it, or what a window kept. A tensor of the body
    # may be called as a free axis of the slot is.
    kept = (x for x in scope.names.items() if x[0] != SEEN and not isinstance(x[1], Tensor))
    names = dict(kept)
    inner = changed(scope, names=names, rests={})
    if len(slot.inputs) != len(args):
        scope.fail(
            "wrong-arguments",
            f"{slot.name} takes {_inputs(len(slot.inputs))}, gets {len(args)}",
            span,
        )
        return None
    for expected, arg in zip(slot.inputs, args, strict=True):
        if not unify(scope, inner, expected, arg.type, None, fn_span, span):
            return None
    inner.names.setdefault(SEEN, Int(Dim.symbol(SEEN)))
    return _types(inner, slot.outputs)


def unify(
    scope: Scope,
    inner: Scope,
    expected: s.TypeExpr,
    actual: TensorType,
    made: Recipe | None,
    fn_span: Span,
    span: Span,
) -> bool:
    """Binds the free axes of a written type to a tensor's; False after a report."""
    written = expected.axes
    dtype = expected.dtype.name if expected.dtype else "float"
    what = fn_span.text.split("(")[0].strip() or "this"
    dots = [i for i, a in enumerate(written) if isinstance(a, s.Dots)]
    count = len(actual.axes) - len(written) + 1 if dots else 0
    if dtype != actual.dtype:
        hint = "write model_dtype(x)" if actual.dtype == "float32" else ""
        scope.fail(
            "dtype-mismatch", f"{what} expects {expected.span.text}, gets {actual}", span, help=hint
        )
        return False
    if (dots and count < 0) or (not dots and len(written) != len(actual.axes)):
        scope.fail(
            "shape-mismatch",
            f"{what} expects {expected.span.text}, gets {actual}",
            span,
            note=f"{len(actual.axes)} axes",
        )
        return False
    position = 0
    for axis in written:
        if isinstance(axis, s.Dots):
            here = actual.axes[position : position + count]
            position += count
            if inner.rests.setdefault("...", here) != here:
                scope.fail("shape-mismatch", f"`...` of {what} stands for two groups of axes", span)
                return False
            continue
        found = actual.axes[position]
        position += 1
        if not _unify_axis(scope, inner, axis, found, actual, made, fn_span, span):
            return False
    return True


def _unify_axis(
    scope: Scope,
    inner: Scope,
    axis: s.Expr,
    found: Axis,
    actual: TensorType,
    made: Recipe | None,
    fn_span: Span,
    span: Span,
) -> bool:
    what = fn_span.text.split("(")[0].strip() or "this"
    if isinstance(found, Rest):
        scope.fail(
            "shape-mismatch",
            f"{what} needs to know all axes",
            span,
            note=f"{actual} has axes that only `...` names",
        )
        return False
    if isinstance(axis, s.Name) and inner.look(axis.name) is None:
        inner.names[axis.name] = Int(found)
        return True
    d = expressions.static_int(inner, axis, "an axis")
    if d is None:
        return False
    verdict = scope.compare(d, found)
    if verdict is EQUAL:
        return True
    last = found is actual.axes[-1]
    labels: tuple[Label, ...] = ()
    if made is not None and made.span is not None and made.span != fn_span:
        labels = (Label(made.span, f"made for {scope.equation(d)}"),)
    if verdict is UNKNOWN and scope.numbers is None:
        scope.fail(
            "unknown-equality",
            f"{what} expects {d}, and nothing shows that {found} equals it",
            span,
            note=f"this is {actual}",
            labels=labels,
            help=f"add `where {found} == {d}`, or change one of them",
        )
        return False
    wanted, got = scope.value(d), scope.value(found)
    unit = " features" if last else ""
    headline = (
        f"{what} expects {wanted}{unit}, gets {got}"
        if wanted is not None and got is not None
        else f"{what} expects {d}{unit}, gets {found}"
    )
    note = scope.describe(actual)
    hint = f"{axis.span.text} of {made.block.name} is {scope.equation(d)}" if made else ""
    scope.fail("shape-mismatch", headline, span, note=f"this is {note}", labels=labels, help=hint)
    return False


# --- obligations ----------------------------------------------------------------------------------


def obliged(scope: Scope, inner: Scope, made: Recipe, fn_span: Span) -> bool:
    """Whether no condition of a recipe is known to be false; False after a report."""
    for condition in made.block.decl.where:
        quiet = changed(inner, diagnostics=Diagnostics())
        if expressions.truth(quiet, condition) is False:
            said = _in_numbers(scope, inner, condition)
            scope.fail(
                "unmet-where",
                f"{made.block.name} needs {condition.span.text}",
                made.span or fn_span,
                note=said,
                labels=(Label(condition.span, "asked for here"),),
            )
            return False
    return True


def _in_numbers(scope: Scope, inner: Scope, condition: s.Expr) -> str:
    """The sides of a comparison as the caller's dimensions."""
    if not isinstance(condition, s.Binary):
        return ""
    said = []
    for side in (condition.left, condition.right):
        value = expressions.evaluate(changed(inner, diagnostics=Diagnostics()), side)
        if isinstance(value, Int) and value.dim.symbols():
            parts = scope.equation(value.dim).split(" = ")
            if parts[0] == f"({side.span.text})":  # a quotient alone needs no brackets
                parts = [p.removeprefix("(").removesuffix(")") for p in parts]
            begun = parts[0] == side.span.text and len(parts) > 1
            text = " = ".join(parts)
            said.append(text if begun else f"{side.span.text} is {text}")
        elif isinstance(value, Int) and side.span.text != str(value.dim):
            said.append(f"{side.span.text} is {value.dim}")
    return ", ".join(said)


def _slots_fit(scope: Scope, inner: Scope, made: Recipe, fn_span: Span) -> bool:
    """Every block-valued setting keeps the signature of its slot, for axes nobody knows."""
    for decl in made.block.decl.settings:
        if not isinstance(decl.kind, s.SignatureKind):
            continue
        value = dict(made.settings)[decl.name.name]
        before = len(scope.diagnostics)
        problem = _misfit(scope, inner, decl.kind, value)
        if len(scope.diagnostics) > before:
            return False
        if problem is not None:
            scope.fail(
                "shape-mismatch",
                f"{describe(value)} does not fit {decl.name.name} of {made.block.name}",
                getattr(value, "span", None) or made.span or fn_span,
                note=problem,
                labels=(Label(decl.span, "the signature to keep"),),
            )
            return False
    return True


def _misfit(scope: Scope, inner: Scope, kind: s.SignatureKind, value: Value) -> str | None:
    """Why a value does not keep the signature of its slot, or None where it does. What is wrong in
    the value itself is reported here; what was reported where it stands is not told again.
    """
    scratch = changed(
        inner, names=dict(inner.names), rests={"...": (Rest("'"),)}, diagnostics=Diagnostics()
    )
    for written in (*kind.inputs, *kind.outputs):
        for axis in written.axes:
            if isinstance(axis, s.Name) and axis.name != SEEN and scratch.look(axis.name) is None:
                scratch.names[axis.name] = Int(Dim.symbol(f"{axis.name}'"))
    scratch.names.setdefault(SEEN, Int(Dim.symbol(SEEN)))
    inputs, outputs = _types(scratch, kind.inputs), _types(scratch, kind.outputs)
    if inputs is None or outputs is None:
        return next((d.message for d in scratch.diagnostics.items), None)
    trial = changed(scope, diagnostics=Diagnostics(), any_axes=True)
    found = results(trial, value, [Tensor(-1, t) for t in inputs], kind.span)
    if found is None:
        first = next(iter(trial.diagnostics.items), None)
        if first is None:
            return None
        if first.span is not kind.span:  # wrong in the block itself, whatever slot it is for
            scope.diagnostics.put(first)
        return first.message
    if len(found) != len(outputs):
        return f"{len(outputs)} results are asked for, {len(found)} given"
    for a, b in zip(found, outputs, strict=True):
        verdict = same(scope, a, b)
        if verdict is not EQUAL and (verdict is DIFFERENT or scope.numbers is None):
            return f"{b} is asked for, {a} given"
    return None


def results(
    scope: Scope, value: Value, args: list[Tensor], span: Span
) -> tuple[TensorType, ...] | None:
    """The result types of anything that can fill a slot."""
    match value:
        case Recipe():
            return apply(scope, value, args, span, span)
        case Slot():
            return apply_slot(scope, value, args, span, span)
        case Either(yes, no):
            first, second = results(scope, yes, args, span), results(scope, no, args, span)
            return None if second is None else first
    scope.fail("not-a-block", f"{describe(value)} is not a block", span)
    return None


def assume(scope: Scope, conditions: tuple[s.Expr, ...]) -> None:
    """What `where` says becomes a fact of the scope: equalities, divisibility among them."""
    for condition in conditions:
        if isinstance(condition, s.Binary) and condition.op == "and":
            assume(scope, (condition.left, condition.right))
        elif isinstance(condition, s.Binary) and condition.op == "==":
            left = expressions.evaluate(scope, condition.left)
            right = expressions.evaluate(scope, condition.right)
            if isinstance(left, Int) and isinstance(right, Int):
                scope.facts = scope.facts.plus(left.dim - right.dim)
        else:
            expressions.truth(scope, condition)
