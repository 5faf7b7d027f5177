"""What a block holds: parameters, buffers and constants, and what they begin as."""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check import interface, statics
from archdsl.check.scope import Scope
from archdsl.check.values import Error, Float, Int, Tensor, Value, describe
from archdsl.dims import EQUAL, Dim
from archdsl.dtypes import FLOATING
from archdsl.graph import Initial, Param
from archdsl.ops import INITIALISERS
from archdsl.reals import Lit, Real
from archdsl.source import Span
from archdsl.symbols import SEEN, STREAM
from archdsl.types import Rest, TensorType


def guard_name(statement: s.ParamStatement) -> str:
    """The setting that a parameter depends on, or a name for a longer condition."""
    match statement.guard:
        case None:
            return ""
        case s.Name(name):
            return name
    return f"has_{statement.name.name}"


def is_switched_by_its_name(statement: s.ParamStatement) -> bool:
    """`param bias: [n] = zeros when bias`: the setting of that name says whether it is there."""
    return isinstance(statement.guard, s.Name) and statement.guard.name == statement.name.name


def is_fixed(scope: Scope, statement: s.ParamStatement, t: TensorType) -> bool:
    """Whether what a block holds has a shape of its own, and a parameter a dtype that can be
    trained; False after a report.
    """
    for axis in t.axes:
        if (
            isinstance(axis, Rest)
            or {STREAM, SEEN} & axis.symbols()
            or (scope.numbers is not None and scope.value(axis) is None)
        ):
            scope.fail(
                "unbound-axis",
                f"{statement.name.name} has the axis {axis}, which only the inputs decide",
                statement.type.span,
                help="axes of what a block holds are settings and numbers",
            )
            return False
    if statement.keyword == "const" and t.dtype == "float":
        message = f"a constant is of single precision, and {statement.name.name} is {t}"
        help = f"write float32{t}, and model_dtype({statement.name.name}) where it is used"
        scope.fail("dtype-mismatch", message, statement.type.span, help=help)
        return False
    if statement.keyword == "param" and t.dtype not in FLOATING:
        message = f"a parameter is trained, and {t.dtype} cannot be"
        help = f"write buffer {statement.name.name}: ..."
        scope.fail("dtype-mismatch", message, statement.type.span, help=help)
        return False
    return True


def const(scope: Scope, statement: s.ParamStatement, t: TensorType, value: Tensor) -> Param | None:
    """A constant of the declared type, or None after a report."""
    if interface.same(scope, value.type, t) is not EQUAL:
        scope.fail(
            "shape-mismatch",
            f"{statement.name.name} is declared {t}",
            statement.initial.span,
            note=f"this is {scope.describe(value.type)}",
        )
        return None
    return Param("const", statement.name.name, t, None, guard_name(statement), value=value.node)


def named(statement: s.ParamStatement) -> tuple[str, tuple[s.Arg, ...]] | None:
    """The initialiser that a parameter begins as, with its arguments; None for an expression."""
    match statement.initial:
        case s.Name(name) if name in INITIALISERS:
            return name, ()
        case s.Call(s.Name(name), args) if name in INITIALISERS:
            return name, args
    return None


def fits(
    scope: Scope, statement: s.ParamStatement, t: TensorType, name: str, args: tuple[s.Arg, ...]
) -> bool:
    """Whether an initialiser has its arguments, and suits a type; False after a report."""
    expr, row = statement.initial, INITIALISERS[name]
    if len(args) != len(row.args):
        brackets = f"({', '.join(row.args)})" if row.args else ""
        help = f"write {name}{brackets}"
        scope.fail("wrong-arguments", f"{name} takes {len(row.args)} numbers", expr.span, help=help)
        return False
    if len(t.axes) < row.rank:
        axes = "an axis" if row.rank == 1 else f"{row.rank} axes"
        message = f"{name} needs {axes}, and {statement.name.name} is {t}"
        scope.fail("bad-value", message, expr.span, help=f"{name}: {row.doc}")
        return False
    if t.dtype not in FLOATING and name not in ("zeros", "ones", "fill"):
        message = f"{name} gives real numbers, and {statement.name.name} is {t.dtype}"
        scope.fail("dtype-mismatch", message, expr.span, help="zeros, ones or fill(value)")
        return False
    return True


def number_fits(scope: Scope, statement: s.ParamStatement, t: TensorType, value: Value) -> bool:
    """Whether a number can stand everywhere in a tensor of a type; False after a report."""
    if t.dtype in FLOATING or (t.dtype == "int" and not isinstance(value, Float)):
        return True
    message = f"{statement.name.name} is declared {t}"
    help = "zeros or ones" if t.dtype == "bool" else "an integer, such as 7 or d // 2"
    at = statement.initial.span
    scope.fail("dtype-mismatch", message, at, note=f"this is {describe(value)}", help=help)
    return False


def computed(
    scope: Scope, statement: s.ParamStatement, t: TensorType, value: Value
) -> Initial | None:
    """What a parameter begins as by an expression: a number, or a tensor that is broadcast to its
    shape; None after a report.
    """
    expr, name = statement.initial, statement.name.name
    match value:
        case Error():
            return None
        case Int() | Float():
            fits_in = number_fits(scope, statement, t, value)
            return _filled(statics.real(value)) if fits_in else None
        case Tensor(node, given):
            pass
        case _:
            known = ", ".join(INITIALISERS)
            message = "this does not say how a parameter begins"
            help = f"{known}, or an expression: log(arange(n) + 1)"
            scope.fail("not-a-tensor", message, expr.span, note=describe(value), help=help)
            return None
    behind = t.axes[len(t.axes) - len(given.axes) :]
    if len(given.axes) > len(t.axes) or not all(
        scope.compare_axes(a, b) is EQUAL or a == Dim.number(1)
        for a, b in zip(given.axes, behind, strict=True)
    ):
        note = f"this is {scope.describe(given)}"
        help = "axes match from the last one on; rearrange[a -> a 1] adds an axis of size 1"
        message = f"{name} is declared {t}"
        scope.fail("shape-mismatch", message, expr.span, note=note, help=help)
        return None
    takes = (*FLOATING, "int") if t.dtype in FLOATING else (t.dtype,)
    if given.dtype not in takes:
        scope.fail("dtype-mismatch", f"{name} is declared {t}", expr.span, note=f"this is {given}")
        return None
    return Initial("computed", (), node)


def initial(scope: Scope, name: str, values: list[Value], span: Span) -> Initial | None:
    """What a parameter begins as; None after a report."""
    row = INITIALISERS[name]
    numbers = [statics.real(v) for v in values if isinstance(v, Int | Float)]
    if len(numbers) != len(values):
        if not any(isinstance(v, Error) for v in values):
            scope.fail("not-static", f"{name} takes numbers known in advance", span)
        return None
    known_values = [statics.number(scope, v, span) for v in values]
    reason = row.wrong(*known_values) if None not in known_values else ""
    if reason:
        shown = ", ".join(f"{number:g}" for number in known_values if number is not None)
        scope.fail("bad-value", f"{name}({shown}): {reason}", span)
        return None
    return _filled(numbers[0]) if name == "fill" else Initial(name, tuple(numbers))


def _filled(number: Real) -> Initial:
    """One number everywhere; 0 and 1 have names."""
    names: dict[float, str] = {0: "zeros", 1: "ones"}
    name = names.get(number.value) if isinstance(number, Lit) else None
    return Initial("fill", (number,)) if name is None else Initial(name, ())
