"""The table of primitives: what a body is made of when it is not made of blocks.

A row says which form an operation has (its shape rule), how PyTorch spells it, how it costs, and
how a card draws it. The shape rules are in `check/`: a form is a rule, a row is an operation.

| form | meaning |
|---|---|
| `map` | elementwise, one operand |
| `zip` | elementwise, operands broadcast over leading axes and literal 1s |
| `reduce` | `op[axes -> axes](x)`: axes that do not come back, or come back as 1, are reduced |
| `along` | `op[... a](x)`: works along the last axes named, the shape stays |
| `einsum`, `rearrange`, `repeat`, `gather` | axes patterns of their own |
| `make` | makes a tensor from dimensions |
| `choose` | `op[... a](x, k)`: works along an axis with a count |
| `last` | `op(x, n)`: looks back along the streamed axis |
| `fill` | `op[axes]`: a tensor of one number, of no operand |
"""

from __future__ import annotations

from archdsl.record import record


@record
class Op:
    """`torch` is a template of operands `{0}`, `{1}`; `label` is what a card writes, '' for
    plumbing.
    """

    name: str
    form: str
    torch: str
    label: str = ""
    result: str = "same"
    operands: int = 1
    symbol: str = ""
    doc: str = ""


_ROWS = (
    # Activations and elementwise functions.
    Op("silu", "map", "F.silu({0})", "SiLU", doc="x * sigmoid(x)"),
    Op("gelu", "map", "F.gelu({0})", "GELU", doc="x * Phi(x), exact"),
    Op("gelu_tanh", "map", 'F.gelu({0}, approximate="tanh")', "GELU", doc="GELU by tanh"),
    Op("relu", "map", "F.relu({0})", "ReLU", doc="max(x, 0)"),
    Op("sigmoid", "map", "torch.sigmoid({0})", "sigmoid", doc="1 / (1 + exp(-x))"),
    Op("tanh", "map", "torch.tanh({0})", "tanh", doc="hyperbolic tangent"),
    Op("softplus", "map", "F.softplus({0})", "softplus", doc="log(1 + exp(x))"),
    Op("logsigmoid", "map", "F.logsigmoid({0})", "log sigmoid", doc="log(sigmoid(x))"),
    Op("exp", "map", "torch.exp({0})", "exp", doc="e ^ x"),
    Op("log", "map", "torch.log({0})", "log", doc="natural logarithm"),
    Op("sqrt", "map", "torch.sqrt({0})", "√", doc="square root"),
    Op("rsqrt", "map", "torch.rsqrt({0})", "1/√", doc="1 / square root"),
    Op("abs", "map", "torch.abs({0})", "abs", doc="absolute value"),
    Op("cos", "map", "torch.cos({0})", "cos", doc="cosine"),
    Op("sin", "map", "torch.sin({0})", "sin", doc="sine"),
    Op("negative", "map", "-{0}", "−", symbol="-", doc="-x"),
    Op("not", "map", "~{0}", "not", doc="logical not"),
    Op("floor", "map", "{0}.floor().long()", "floor", result="int", doc="largest integer below"),
    Op("float32", "map", "{0}.float()", result="float32", doc="computed in single precision"),
    Op("model_dtype", "map", "{0}", result="float", doc="back to the model's dtype"),
    # Operators.
    Op("add", "zip", "{0} + {1}", "+", operands=2, symbol="+", doc="a + b"),
    Op("subtract", "zip", "{0} - {1}", "−", operands=2, symbol="-", doc="a - b"),
    Op("multiply", "zip", "{0} * {1}", "×", operands=2, symbol="*", doc="a * b"),
    Op("divide", "zip", "{0} / {1}", "÷", operands=2, symbol="/", doc="a / b"),
    Op("remainder", "zip", "{0} % {1}", "mod", operands=2, symbol="%", doc="a mod b, of integers"),
    Op(
        "xor",
        "zip",
        "torch.bitwise_xor({0}, {1})",
        "xor",
        operands=2,
        doc="exclusive or of the bits of integers",
    ),
    Op("power", "zip", "{0} ** {1}", "^", operands=2, symbol="^", doc="a ^ b"),
    Op("maximum", "zip", "torch.maximum({0}, {1})", "max", operands=2, doc="the larger one"),
    Op("minimum", "zip", "torch.minimum({0}, {1})", "min", operands=2, doc="the smaller one"),
    Op("equal", "zip", "{0} == {1}", "=", "bool", 2, "==", "a == b"),
    Op("different", "zip", "{0} != {1}", "≠", "bool", 2, "!=", "a != b"),
    Op("less", "zip", "{0} < {1}", "<", "bool", 2, "<", "a < b"),
    Op("less_equal", "zip", "{0} <= {1}", "≤", "bool", 2, "<=", "a <= b"),
    Op("greater", "zip", "{0} > {1}", ">", "bool", 2, ">", "a > b"),
    Op("greater_equal", "zip", "{0} >= {1}", "≥", "bool", 2, ">=", "a >= b"),
    Op("and", "zip", "{0} & {1}", "and", "bool", 2, "and", "both"),
    Op("or", "zip", "{0} | {1}", "or", "bool", 2, "or", "either"),
    Op("select", "zip", "torch.where({0}, {1}, {2})", "mask", "second", 3, doc="b where a, else c"),
    # Reductions and what works along axes.
    Op("sum", "reduce", "{0}.sum({axes}{keep})", "sum", doc="sum over axes"),
    Op("mean", "reduce", "{0}.mean({axes}{keep})", "mean", doc="mean over axes"),
    Op("max", "reduce", "{0}.amax({axes}{keep})", "max", doc="maximum over axes"),
    Op("softmax", "along", "{0}.softmax({axes})", "softmax", doc="softmax over the named axes"),
    # Axes patterns.
    Op("einsum", "einsum", "torch.einsum({0})", "matmul", doc="sum of products over axes"),
    Op("rearrange", "rearrange", "", doc="split, merge, permute, cut and join axes"),
    Op("repeat", "repeat", "", doc="repeat along new axes"),
    Op("gather", "gather", "", "look up", doc="pick entries of an axis by index"),
    Op(
        "top_k",
        "choose",
        "",
        "top k",
        operands=2,
        doc="the k largest along an axis: values, indices",
    ),
    Op("top_mask", "choose", "", "top k", operands=2, doc="whether each is among the k largest"),
    Op(
        "window",
        "last",
        "",
        operands=2,
        doc="the last n tokens at each position, zeros before the first: T becomes T n",
    ),
    # Tensors from dimensions.
    Op("zeros", "fill", "", doc="zeros of the axes named: zeros[B T d]"),
    Op("ones", "fill", "", doc="ones of the axes named: ones[B T d]"),
    Op("arange", "make", "torch.arange({0})", doc="0 .. n-1 as real numbers, shape [n]"),
    Op("positions", "make", "", "positions", doc="absolute positions along an axis, int[T]"),
)

OPS: dict[str, Op] = {op.name: op for op in _ROWS}
"""Every primitive by name."""

OPERATORS: dict[str, str] = {op.symbol: op.name for op in _ROWS if op.symbol and op.operands == 2}
"""Operator signs of the language to primitives of two operands."""

INITIALISERS: dict[str, int] = {
    "normal": 1,
    "uniform": 2,
    "fill": 1,
    "zeros": 0,
    "ones": 0,
    "identity": 0,
    "log_uniform": 2,
    "log_range": 0,
    "inverse_softplus": 2,
}
"""What may stand behind `param ... =`, with how many arguments: normal(std), uniform(low, high),
log_uniform(low, high): logarithms of uniform numbers, log_range: log 1, log 2 and so on,
inverse_softplus(low, high): what softplus makes numbers whose logarithms are uniform.
"""

INTRINSICS = (
    "linear", "embedding", "rms_norm", "layer_norm", "sdpa", "causal_conv", "gated_delta", "ssd",
)  # fmt: skip
"""What `lowers` may name: kernels that the emitter knows."""

ROLES = (
    "embedding", "linear", "norm", "position", "attention", "recurrence", "convolution", "router",
    "expert", "feed_forward", "residual", "layer", "head", "plumbing",
)  # fmt: skip
"""The closed list of roles; facts, colours and folding go by them."""
