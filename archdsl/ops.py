"""The table of primitives: what a body is made of when it is not made of blocks.

One row is one operation: its form, which dtypes it takes and gives (`dtypes.py`), how PyTorch
spells it and how tightly that binds, what a card writes, what it is for numbers known in advance.
An operation of a form that is there already needs a row, and its meaning in `tests/interpreter.py`.

A form says how an operation treats axes: its shape rule stands in `check/`, its emission in
`emit/`, its FLOPs in `facts/`.

| form | meaning | mixes |
|---|---|---|
| `map` | elementwise, one operand | nothing |
| `zip` | elementwise, operands broadcast over leading axes and literal 1s | nothing |
| `reduce` | `op[axes -> axes](x)`: axes that do not come back are reduced | those |
| `along` | `op[... a](x)`: works along the last axes named, the shape stays | those named |
| `einsum` | products summed over names that do not come back | those |
| `rearrange`, `repeat` | axes patterns of their own | nothing |
| `gather` | entries by index | the axis of the entries |
| `make` | makes a tensor from dimensions | nothing |
| `draw` | random numbers for the entries of a parameter | nothing |
| `choose` | `op[... a](x, k)`: works along an axis with a count | that axis |
| `last` | `op(x, n)`: looks back along the streamed axis | the last n tokens |
| `fill` | `op[axes]`: a tensor of one number, of no operand | nothing |
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from archdsl.record import record

Number = float | bool
Evaluate = Callable[..., Number]


@record
class Op:
    """A primitive.

    `dtypes` names a rule of `dtypes.py`. `torch` is a template of operands `{0}`, `{1}`, and
    `torch_number` the one for a second operand that is a number known in advance. `level` says how
    tightly the template binds: a word of `emit/spell.py`, '' for a call. `label` is what a card
    writes, '' for plumbing; `mark` what the sign of an operator of two computed values is; `beside`
    what stands beside the wires of operands that have an order. `value` computes it on numbers, as
    PyTorch does on tensors. With `python` it is a function of numbers known in advance too, such as
    settings: a template like `torch`, a call or in parentheses, that uses `math` at most.
    """

    name: str
    form: str
    dtypes: str
    torch: str = ""
    label: str = ""
    operands: int = 1
    symbol: str = ""
    level: str = ""
    doc: str = ""
    torch_number: str = ""
    mark: str = ""
    beside: tuple[str, ...] = ()
    value: Evaluate | None = None
    python: str = ""


def _power(a: float, b: float) -> float:
    result = float(a) ** float(b)
    if isinstance(result, complex):
        raise ArithmeticError("a power that is no real number")
    return float(result)


_ROWS = (
    # Activations and elementwise functions.
    Op("silu", "map", "float", "F.silu({0})", "SiLU", doc="x * sigmoid(x)"),
    Op("gelu", "map", "float", "F.gelu({0})", "GELU", doc="x * Phi(x), exact"),
    Op("gelu_tanh", "map", "float", 'F.gelu({0}, approximate="tanh")', "GELU",
       doc="GELU by tanh"),
    Op("relu", "map", "number", "F.relu({0})", "ReLU", doc="max(x, 0)"),
    Op("sigmoid", "map", "real", "torch.sigmoid({0})", "sigmoid", doc="1 / (1 + exp(-x))"),
    Op("tanh", "map", "real", "torch.tanh({0})", "tanh", doc="hyperbolic tangent",
       value=math.tanh, python="math.tanh({0})"),
    Op("softplus", "map", "float", "F.softplus({0})", "softplus", doc="log(1 + exp(x))"),
    Op("logsigmoid", "map", "float", "F.logsigmoid({0})", "log sigmoid", doc="log(sigmoid(x))"),
    Op("exp", "map", "real", "torch.exp({0})", "exp", doc="e ^ x",
       value=math.exp, python="math.exp({0})"),
    Op("expm1", "map", "real", "torch.expm1({0})", "exp − 1", doc="e ^ x - 1, also for a small x",
       value=math.expm1, python="math.expm1({0})"),
    Op("log", "map", "real", "torch.log({0})", "log", doc="natural logarithm",
       value=math.log, python="math.log({0})"),
    Op("sqrt", "map", "real", "torch.sqrt({0})", "√", doc="square root",
       value=math.sqrt, python="math.sqrt({0})"),
    Op("rsqrt", "map", "real", "torch.rsqrt({0})", "1/√", doc="1 / square root"),
    Op("cos", "map", "real", "torch.cos({0})", "cos", doc="cosine",
       value=math.cos, python="math.cos({0})"),
    Op("sin", "map", "real", "torch.sin({0})", "sin", doc="sine",
       value=math.sin, python="math.sin({0})"),
    Op("negative", "map", "number", "-{0}", "−", symbol="-", level="unary", doc="-x",
       value=operator.neg),
    Op("abs", "map", "number", "torch.abs({0})", "abs", doc="absolute value",
       value=abs, python="abs({0})"),
    Op("not", "map", "logic", "~{0}", "not", level="unary", doc="logical not", value=operator.not_),
    Op("floor", "map", "to_int", "{0}.floor().long()", "floor", doc="largest integer below",
       value=math.floor, python="math.floor({0})"),
    Op("float32", "map", "to_float32", "{0}.float()", doc="computed in single precision",
       value=float),
    Op("model_dtype", "map", "to_float", "{0}", doc="back to the model's dtype", value=float),
    # Operators.
    Op("add", "zip", "number", "{0} + {1}", "+", 2, "+", "sum", "a + b", mark="+",
       value=operator.add),
    Op("subtract", "zip", "number", "{0} - {1}", "−", 2, "-", "sum", "a - b", mark="−",
       beside=("", "−"), value=operator.sub),
    Op("multiply", "zip", "number", "{0} * {1}", "×", 2, "*", "product", "a * b", mark="×",
       value=operator.mul),
    Op("divide", "zip", "real", "{0} / {1}", "÷", 2, "/", "product", "a / b", mark="÷",
       beside=("", "÷"), value=operator.truediv),
    Op("remainder", "zip", "number", "{0} % {1}", "mod", 2, "%", "product", "a mod b",
       beside=("", "mod"), value=operator.mod),
    Op("xor", "zip", "int", "torch.bitwise_xor({0}, {1})", "xor", 2,
       doc="exclusive or of the bits of integers", value=operator.xor),
    Op("power", "zip", "power", "{0} ** {1}", "^", 2, "^", "power", "a ^ b", beside=("", "^"),
       value=_power),
    Op("maximum", "zip", "number", "torch.maximum({0}, {1})", "max", 2, doc="the larger one",
       torch_number="{0}.clamp(min={1})", value=max, python="max({0}, {1})"),
    Op("minimum", "zip", "number", "torch.minimum({0}, {1})", "min", 2, doc="the smaller one",
       torch_number="{0}.clamp(max={1})", value=min, python="min({0}, {1})"),
    Op("equal", "zip", "equal", "{0} == {1}", "=", 2, "==", "compare", "a == b", value=operator.eq),
    Op("different", "zip", "equal", "{0} != {1}", "≠", 2, "!=", "compare", "a != b",
       value=operator.ne),
    Op("less", "zip", "order", "{0} < {1}", "<", 2, "<", "compare", "a < b", beside=("", "<"),
       value=operator.lt),
    Op("less_equal", "zip", "order", "{0} <= {1}", "≤", 2, "<=", "compare", "a <= b",
       beside=("", "≤"), value=operator.le),
    Op("greater", "zip", "order", "{0} > {1}", ">", 2, ">", "compare", "a > b", beside=("", ">"),
       value=operator.gt),
    Op("greater_equal", "zip", "order", "{0} >= {1}", "≥", 2, ">=", "compare", "a >= b",
       beside=("", "≥"), value=operator.ge),
    Op("and", "zip", "logic", "{0} & {1}", "and", 2, "and", "and", "both"),
    Op("or", "zip", "logic", "{0} | {1}", "or", 2, "or", "or", "either"),
    Op("select", "zip", "select", "torch.where({0}, {1}, {2})", "mask", 3, doc="b where a, else c",
       beside=("if", "", "else")),
    # Reductions and what works along axes.
    Op("sum", "reduce", "sum", "{0}.sum({axes}{keep})", "sum", doc="sum over axes"),
    Op("mean", "reduce", "float", "{0}.mean({axes}{keep})", "mean", doc="mean over axes"),
    Op("max", "reduce", "same", "{0}.amax({axes}{keep})", "max", doc="maximum over axes"),
    Op("softmax", "along", "float", "{0}.softmax({axes})", "softmax",
       doc="softmax over the named axes"),
    # Axes patterns.
    Op("einsum", "einsum", "product", "torch.einsum({0})", "matmul",
       doc="sum of products over axes"),
    Op("rearrange", "rearrange", "same", doc="split, merge, permute, cut and join axes"),
    Op("repeat", "repeat", "same", doc="repeat along new axes"),
    Op("gather", "gather", "index", label="look up", operands=2,
       doc="pick entries of an axis by index"),
    Op("top_k", "choose", "largest", label="top k", operands=2,
       doc="the k largest along an axis: values, indices"),
    Op("top_mask", "choose", "ranked", label="top k", operands=2,
       doc="whether each is among the k largest"),
    Op("window", "last", "same", operands=2,
       doc="the last n tokens at each position, zeros before the first: T becomes T n"),
    # Tensors from dimensions.
    Op("zeros", "fill", "new_float", doc="zeros of the axes named: zeros[B T d]"),
    Op("ones", "fill", "new_float", doc="ones of the axes named: ones[B T d]"),
    Op("arange", "make", "new_float32", "torch.arange({0})",
       doc="0 .. n-1 as real numbers, shape [n]"),
    Op("normal", "draw", "new_float32", "torch.empty_like({0}).normal_(std={1})",
       doc="normal numbers around 0, in what a parameter begins as"),
    Op("uniform", "draw", "new_float32", "torch.empty_like({0}).uniform_({1}, {2})", operands=2,
       doc="uniform numbers, in what a parameter begins as"),
    Op("positions", "make", "new_int", label="positions",
       doc="absolute positions along an axis, int[T]"),
)  # fmt: skip

OPS: dict[str, Op] = {op.name: op for op in _ROWS}
"""Every primitive by name."""

OPERATORS: dict[str, str] = {op.symbol: op.name for op in _ROWS if op.symbol and op.operands == 2}
"""Operator signs of the language to primitives of two operands."""


@record
class Initialiser:
    """What may stand behind `param ... =`: how a tensor begins.

    `args` names its arguments, `rank` is the least number of axes that it needs. `wrong` says
    what is wrong with numbers, '' where nothing is.
    """

    name: str
    doc: str
    args: tuple[str, ...] = ()
    rank: int = 0
    wrong: Callable[..., str] = lambda *_: ""


def _not_negative(std: float) -> str:
    return "" if std >= 0 else "the standard deviation has to be at least 0"


def _ordered(low: float, high: float) -> str:
    return "" if low <= high else "the first number has to be at most the second"


INITIALISERS: dict[str, Initialiser] = {
    row.name: row
    for row in (
        Initialiser("normal", "normal numbers around 0", ("std",), wrong=_not_negative),
        Initialiser("uniform", "uniform numbers", ("low", "high"), wrong=_ordered),
        Initialiser("fill", "one number everywhere", ("value",)),
        Initialiser("zeros", "0 everywhere"),
        Initialiser("ones", "1 everywhere"),
        Initialiser("identity", "along the last two axes 1 where they agree, else 0", rank=2),
    )
}
"""The initialisers by name."""


@record
class Intrinsic:
    """A kernel that the emitter knows: the parameters and the settings of its names that a block
    has to have, always.
    """

    params: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


INTRINSICS: dict[str, Intrinsic] = {
    "linear": Intrinsic(("weight",)),
    "embedding": Intrinsic(("weight",)),
    "rms_norm": Intrinsic(("weight",), ("eps",)),
    "layer_norm": Intrinsic(("weight",), ("eps",)),
    "sdpa": Intrinsic((), ("scale", "visible")),
    "causal_conv": Intrinsic(("weight",)),
    "gated_delta": Intrinsic(),
    "ssd": Intrinsic(),
}
"""What `lowers` may name."""

ROLES = (
    "embedding", "linear", "norm", "position", "attention", "recurrence", "convolution", "router",
    "expert", "feed_forward", "residual", "layer", "head", "plumbing",
)  # fmt: skip
"""The closed list of roles; facts, colours and folding go by them."""


Known = float | bool | None
"""A number, a truth, or None: not known."""
HIDDEN = -float("inf")
"""A score that a mask hides."""
LARGEST = 2**62
"""Integers above this are not followed: tensors have 64 bits."""


def evaluated(op: str, values: list[Known]) -> Known:
    """An operation on numbers some of which may not be known. A result may be known though an
    operand is not: what a window hides is hidden, whatever an indexer chooses.
    """
    match op, values:
        case "and", [a, b]:
            return False if False in (a, b) else None if None in (a, b) else True
        case "or", [a, b]:
            return True if True in (a, b) else None if None in (a, b) else False
        case "select", [condition, yes, no]:
            if condition is None:
                return yes if yes == no else None
            return yes if condition else no
        case "multiply", _ if 0 in values:
            return 0.0
        case "add", _ if HIDDEN in values:
            return HIDDEN
    evaluate = OPS[op].value
    if evaluate is None or None in values:
        return None
    try:
        result = evaluate(*values)
    except (ArithmeticError, ValueError):
        return None
    return None if isinstance(result, int) and abs(result) > LARGEST else result
