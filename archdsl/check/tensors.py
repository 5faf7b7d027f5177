"""Elementwise operations, broadcasting, and tensors made from dimensions.

Broadcasting is over leading axes only, and a literal 1 stretches; a symbol that happens to be 1
does not. Dtypes rise from bool over int and float to float32.
"""

from __future__ import annotations

from archdsl.check import parameters
from archdsl.check.scope import Scope
from archdsl.check.values import (
    Each,
    Error,
    Float,
    Int,
    Items,
    Slot,
    Tensor,
    Tensors,
    Truth,
    Value,
    describe,
)
from archdsl.dims import DIFFERENT, EQUAL, UNKNOWN, Dim, substitute
from archdsl.dtypes import RULES, WAYS_OUT, Operand
from archdsl.nodes import (
    Arange,
    Draw,
    Elementwise,
    Input,
    Item,
    Node,
    Number,
    Positions,
    Read,
    Zero,
)
from archdsl.ops import OPS, Op
from archdsl.reals import FUNCTIONS, Lit, replace
from archdsl.record import replace as changed
from archdsl.source import Span
from archdsl.types import Axis, Rest, TensorType

_AXES = {
    "reduce": "{}[... n -> ... 1](x)",
    "along": "{}[... n](x)",
    "einsum": "{}[... m, n m -> ... n](x, w)",
    "rearrange": "{}[B T (h k) -> B h T k](x)",
    "repeat": "{}[B d -> B n d](x)",
    "gather": "{}[n d, ... -> ... d](table, index)",
}
"""How an operation with an axes pattern is written, by its form."""


def written(name: str) -> str:
    """How an operation is written, with operands."""
    op = OPS.get(name)
    if op is not None and op.form in _AXES:
        return _AXES[op.form].format(name)
    count = op.operands if op is not None else 1
    return f"{name}({', '.join(('x', 'y', 'z')[:count])})"


def tensor(scope: Scope, value: Value, span: Span) -> Tensor | None:
    """A value as one tensor; numbers become scalars. None after a report."""
    match value:
        case Tensor():
            return value
        case Tensors((only,)):
            return only
        case Int(d):
            return scope.add(Node(Number(d), (), (TensorType("int", ()),), span=span))
        case Float(r):
            return scope.add(Node(Number(r), (), (TensorType("float", ()),), span=span))
        case Error():
            return None
    if isinstance(value, Each):
        message = "each is for the layers of a stack and the blocks of a list"
        help = "apply a stack: layers(x, each y), or a list: proj(each y)"
        scope.fail("wrong-arguments", message, span, help=help)
        return None
    help = "apply it to its inputs first"
    if isinstance(value, Tensors | Truth):
        help = ""
    elif isinstance(value, Items) and isinstance(value.any, Tensor | Tensors):
        help = "a list of tensors is no tensor: rearrange joins several along an axis"
    note = f"this is {describe(value)}"
    scope.fail("not-a-tensor", "a tensor is needed here", span, note=note, help=help)
    return None


def tensors_of(scope: Scope, value: Value, span: Span) -> list[Tensor] | None:
    """A value as the tensors that it consists of; None after a report."""
    if isinstance(value, Tensors):
        return list(value.items)
    one = tensor(scope, value, span)
    return None if one is None else [one]


def results_of(scope: Scope, node: Node) -> Value:
    """The result of a node, or its results as tensors of their own where it has several."""
    whole = scope.add(node)
    if len(node.types) == 1:
        return whole
    items = (Node(Item(i), (whole.node,), (t,), span=node.span) for i, t in enumerate(node.types))
    return Tensors(tuple(scope.add(item) for item in items))


def in_const(scope: Scope, value: Value, span: Span) -> Value:
    """A value inside a `const`: other constants may be read, tensors that depend on inputs not."""
    if not isinstance(value, Tensor):
        return value
    node = scope.nodes[value.node]
    kinds = {p.name: p.kind for p in scope.params}
    if isinstance(node.form, Read) and kinds.get(node.form.param) == "const":
        return scope.add(Node(node.form, (), node.types, node.name, span))
    what = "a const" if scope.beginning is None else "what a parameter begins as"
    return scope.fail("not-static", f"{what} is computed from settings only", span)


def primitive(scope: Scope, name: str, args: tuple[Value, ...], span: Span) -> Value:
    """An operation of the table without an axes pattern, applied to values."""
    op = OPS.get(name)
    if op is None:
        return scope.fail("wrong-arguments", f"{name} cannot be applied here", span)
    if op.form == "fill":
        return scope.fail("pattern-axes", f"write {name}[B T d], without operands", span)
    if op.form == "last":
        return scope.fail("wrong-arguments", f"write {name}(x, n)", span)
    if op.form in ("reduce", "along", "einsum", "rearrange", "repeat", "gather"):
        return scope.fail(
            "pattern-axes",
            f"{name} needs an axes pattern",
            span,
            help=f"write {_AXES[op.form].format(name)}, naming the axes",
        )
    if len(args) != op.operands:
        message = f"{name} takes {op.operands}, gets {len(args)}"
        help = "" if args else f"an operation that fills a slot stands without brackets: {name}"
        return scope.fail("wrong-arguments", message, span, help=help)
    if op.form == "make":
        return _make(scope, name, args[0], span)
    if op.form == "draw":
        return _draw(scope, op, args, span)
    operands = [tensor(scope, a, span) for a in args]
    known = [t for t in operands if t is not None]
    if len(known) != len(operands):
        return Error()
    return _elementwise(scope, op, known, span)


def result(
    scope: Scope, name: str, args: list[Tensor], span: Span
) -> tuple[TensorType, ...] | None:
    """The type that an operation gives for operands of which only the types count; None after a
    report.
    """
    operands = [Node(Input(), (), (t.type,), span=span) for t in args]
    alone = changed(scope, nodes=operands, consts=operands)
    value = primitive(alone, name, tuple(Tensor(i, t.type) for i, t in enumerate(args)), span)
    return (value.type,) if isinstance(value, Tensor) else None


def _elementwise(scope: Scope, op: Op, operands: list[Tensor], span: Span) -> Value:
    joined = [operands[0].type.axes]
    for other in operands[1:]:
        axes = broadcast(scope, joined[-1], other.type.axes)
        if axes is None:
            return _unlike(scope, op, operands, span)
        joined.append(axes)
    values = operands[1:] if op.name == "select" else operands
    if op.name != "select" and all(isinstance(scope_node(scope, t).form, Number) for t in values):
        message = f"`{op.name}` takes a tensor, and these are numbers known in advance"
        help = f"functions of numbers are {', '.join(FUNCTIONS)}"
        return scope.fail("not-a-tensor", message, span, help=help)
    dtype = dtype_of(scope, op, operands, span)
    if dtype is None:
        return Error()
    out = TensorType(dtype, joined[-1])
    if op.name == "add":
        for one, other in (operands, reversed(operands)):
            if isinstance(scope_node(scope, one).form, Zero) and other.type == out:
                return _without(scope, one, other)
    if op.name == "multiply":
        for one, other in (operands, reversed(operands)):
            if _is_written(scope, one, 1) and other.type == out:
                return _without(scope, one, other)
            if _is_written(scope, one, 0) and other.type == out and not scope.in_const:
                return scope.add(Node(Zero(), (other.node,), (out,), span=span))
    args = tuple(t.node for t in operands)
    return scope.add(Node(Elementwise(op.name), args, (out,), span=span))


def _is_written(scope: Scope, t: Tensor, number: int) -> bool:
    """Whether a factor is a number in every model of this shape, and not given by a setting."""
    form = scope_node(scope, t).form
    if scope.numbers is None or not isinstance(form, Number):
        return False
    if isinstance(form.value, Dim):
        return substitute(form.value, scope.numbers.symbols).value == number
    return replace(form.value, {}, scope.numbers.reals) == Lit(float(number))


def _without(scope: Scope, zero: Tensor, other: Tensor) -> Tensor:
    """A sum with a zero, a product with a one, is its other side; what was made for it goes."""
    if not scope.in_const and zero.node == len(scope.nodes) - 1 and zero.node != other.node:
        scope.nodes.pop()
    return other


def broadcast(scope: Scope, a: tuple[Axis, ...], b: tuple[Axis, ...]) -> tuple[Axis, ...] | None:
    """The common axes, aligned at the last one; None where they do not fit."""
    if len(a) < len(b):
        a, b = b, a
    lead, tail = a[: len(a) - len(b)], a[len(a) - len(b) :]
    if any(isinstance(x, Rest) for x in tail) and not any(isinstance(x, Rest) for x in b):
        return None if b else a
    out: list[Axis] = [*lead]
    for x, y in zip(tail, b, strict=True):
        if isinstance(x, Dim) and x.value == 1:
            out.append(y)
        elif (isinstance(y, Dim) and y.value == 1) or scope.compare_axes(x, y) is EQUAL:
            out.append(x)
        else:
            return None
    return tuple(out)


def _unlike(scope: Scope, op: Op, operands: list[Tensor], span: Span) -> Error:
    a, b = operands[0].type, operands[-1].type
    sign = op.symbol or op.name
    tails = zip(reversed(a.axes), reversed(b.axes), strict=False)
    verdicts = {scope.compare_axes(x, y) for x, y in tails}
    unknown = UNKNOWN in verdicts and DIFFERENT not in verdicts
    if unknown and scope.numbers is None:
        return scope.fail(
            "unknown-equality",
            f"nothing shows that the sides of `{sign}` have one shape",
            span,
            note=f"{a} and {b}",
            help=_product(scope, op, a, b) or widths(scope, a, b) or "add a `where` that says so",
        )
    return scope.fail(
        "shape-mismatch",
        f"the sides of `{sign}` have different shapes",
        span,
        note=f"{scope.describe(a)} and {scope.describe(b)}",
        help=_product(scope, op, a, b)
        or widths(scope, a, b)
        or "axes match from the last one on; rearrange[a -> a 1] adds an axis of size 1",
    )


def _product(scope: Scope, op: Op, a: TensorType, b: TensorType) -> str:
    """How a product of a tensor and a matrix is written, where that may be meant; or nothing."""
    x, w = (b, a) if len(a.axes) == 2 < len(b.axes) else (a, b)
    if op.name != "multiply" or len(w.axes) != 2 or len(x.axes) < 2:
        return ""
    inner = [scope.compare_axes(x.axes[-1], axis) is EQUAL for axis in w.axes]
    if not any(inner):
        return ""
    rows, columns = (str(axis) for axis in w.axes)
    if rows == columns or not (rows.isidentifier() and columns.isidentifier()):
        rows, columns = ("n", "m") if inner[1] else ("m", "n")
    summed, kept = (columns, rows) if inner[1] else (rows, columns)
    pattern = f"einsum[... {summed}, {rows} {columns} -> ... {kept}](x, w)"
    return f"`*` multiplies number by number; a product of matrices is {pattern}"


def widths(scope: Scope, a: TensorType, b: TensorType) -> str:
    """What to do with two tensors that differ in their last axis alone; nothing for others."""
    if len(a.axes) != len(b.axes) or not a.axes:
        return ""
    (*lead, last), (*other_lead, other) = a.axes, b.axes
    if any(scope.compare_axes(x, y) is not EQUAL for x, y in zip(lead, other_lead, strict=True)):
        return ""
    return f"map one to the width of the other first: {other} to {last}, or {last} to {other}"


def dtype_of(scope: Scope, op: Op, operands: list[Tensor], span: Span) -> str | None:
    """The dtype that an operation gives, or None after a report."""
    known = tuple(_operand(scope, t) for t in operands)
    dtype = RULES[op.dtypes](known)
    if dtype is None:
        sides = " and ".join(
            o.dtype if o.number else str(t.type) for o, t in zip(known, operands, strict=True)
        )
        message = f"`{op.symbol or op.name}` does not take {sides}"
        scope.fail("dtype-mismatch", message, span, help=WAYS_OUT.get(op.dtypes, ""))
    return dtype


def _operand(scope: Scope, t: Tensor) -> Operand:
    form = scope_node(scope, t).form
    number = isinstance(form, Number)
    value = form.value if isinstance(form, Number) else None
    natural = isinstance(value, Dim) and (value.value is None or value.value >= 0)
    return Operand(t.type.dtype, number, natural, not number and not t.type.axes)


def scope_node(scope: Scope, t: Tensor) -> Node:
    """The node of a tensor, in the body or in the constant being made."""
    return (scope.consts if scope.in_const else scope.nodes)[t.node]


def _draw(scope: Scope, op: Op, args: tuple[Value, ...], span: Span) -> Value:
    """Random numbers of the shape of the parameter that begins so."""
    param = scope.beginning
    if param is None:
        message = f"{op.name} gives random numbers, which parameters begin as and bodies do not use"
        help = f"param w: [n] = {op.name}(...)"
        return scope.fail("not-static", message, span, help=help)
    if parameters.initial(scope, op.name, list(args), span) is None:
        return Error()
    numbers = [tensor(scope, a, span) for a in args]
    form = Draw(op.name, param.name)
    places = tuple(t.node for t in numbers if t is not None)
    return scope.add(Node(form, places, (TensorType("float32", param.type.axes),), span=span))


def _make(scope: Scope, name: str, value: Value, span: Span) -> Value:
    match value:
        case Error():
            return value
        case Int(d):
            if name == "positions":
                return scope.add(Node(Positions(d), (), (TensorType("int", (d,)),), span=span))
            return scope.add(Node(Arange(d), (), (TensorType("float32", (d,)),), span=span))
        case Slot():
            pass
    return scope.fail("not-static", f"{name} takes a dimension", span, note=describe(value))
