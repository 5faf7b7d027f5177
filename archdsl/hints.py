"""Words of Python and PyTorch that a spec has no use for, and what is written instead.

A name that nothing defines gets a help line. For these words the nearest spelling would be a wrong
one: `range` is not meant to be `arange`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from archdsl.diagnostic import nearest

_REARRANGE = "write rearrange[...], naming the axes before and behind `->`"
_CUT = "write rearrange[... (a + b) -> ... a, ... b](x), which cuts an axis"
_JOIN = "write rearrange[... a, ... b -> ... (a + b)](x, y), which joins axes"
_PRODUCT = "write einsum[... m, n m -> ... n](x, w), naming the axes"
_NORMAL = "a parameter begins as normal(std), and std may be an expression: normal(d ^ -0.5)"
_UNIFORM = "a parameter begins as uniform(low, high), which may be expressions of settings"
_LEARNT = "training is no part of a spec: leave it out"

_WORDS = {
    "self": "a part is called by its name alone: norm(x)",
    "True": "write true",
    "False": "write false",
    "None": "write null, or a block that does nothing: Identity, Zero",
    "lambda": "a function is a block; a slot takes its name",
    **dict.fromkeys(
        ("nn", "torch", "F", "tf", "jnp", "np", "keras", "layers"),
        "blocks are imported by name with `use`; an operation is written by its name alone",
    ),
    "pow": "write x ^ y",
    "where": "write select(condition, a, b)",
    "masked_fill": "write select(seen, x, -inf)",
    "clamp": "write minimum(maximum(x, low), high)",
    **dict.fromkeys(("swish", "Swish"), "write silu"),
    **dict.fromkeys(("randn", "xavier_normal", "kaiming_normal", "trunc_normal"), _NORMAL),
    **dict.fromkeys(("rand", "xavier_uniform", "kaiming_uniform"), _UNIFORM),
    "Sequential": "write x |> f |> g, or stack(f, g)",
    "ModuleList": "write stack(n * block), or side by side [Block(d) for i in n]",
    "Parameter": "write param w: [n, m] = normal(0.02)",
    **dict.fromkeys(
        ("transpose", "permute", "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"),
        _REARRANGE,
    ),
    **dict.fromkeys(("chunk", "split", "unbind"), _CUT),
    **dict.fromkeys(("cat", "concat", "concatenate"), _JOIN),
    **dict.fromkeys(("matmul", "bmm", "mm", "dot"), _PRODUCT),
    **dict.fromkeys(("dropout", "Dropout", "no_grad", "detach"), _LEARNT),
}


def whole(text: str) -> str:
    """How a real number that is written where an integer should stand becomes one."""
    if re.fullmatch(r"[\d_.]+", text):
        return f"write an integer, such as {float(text.replace('_', '')):.0f}"
    if re.search(r"(?<!/)/(?!/)", text):
        return "`/` gives a real number: divide dimensions with //, products first: 8 * d // 3"
    return "a dimension is made of integers: 5 * d // 2 is two and a half times d"


_STACKED = "repeat a layer with it: stack({} * Layer(...))"

_UNNEEDED = {
    **dict.fromkeys(
        ("n_layers", "n_layer", "num_layers", "num_hidden_layers", "layers", "n_blocks", "depth"),
        _STACKED,
    ),
    **dict.fromkeys(
        ("dropout", "attn_dropout", "attention_dropout", "drop", "p_drop", "lr", "learning_rate"),
        _LEARNT,
    ),
}


def unneeded(name: str) -> str:
    """What to do with a setting of this name that nothing uses, or an empty string."""
    return _UNNEEDED.get(name, "").format(name)


def foreign(name: str) -> str:
    """What is written instead of a word of Python or PyTorch, or an empty string."""
    return _WORDS.get(name, "")


_OF_TENSORS = {
    **dict.fromkeys(("shape", "size", "dim", "ndim"), "an axis has the name that its type says: d"),
    **dict.fromkeys(("T", "mT", "contiguous", "expand"), _REARRANGE),
    **dict.fromkeys(("to", "float", "half", "bfloat16", "type", "type_as", "dtype"),
                    "float32(x) and model_dtype(x) convert between the two dtypes"),
    **dict.fromkeys(("device", "cuda", "cpu", "backward", "grad", "requires_grad"), _LEARNT),
}  # fmt: skip


def of_tensor(part: str) -> str:
    """What is written instead of a method of a tensor."""
    known = _OF_TENSORS.get(part) or foreign(part)
    return known or "a tensor has no methods: write f(x), or x |> f"


def meant(name: str, known: Iterable[str]) -> str:
    """A help line for a name that nothing defines, or an empty string."""
    return foreign(name) or (nearest(name, known) if len(name) > 1 else "")
