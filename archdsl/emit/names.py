"""Names in emitted code: safe ones, axis letters, docstrings.

Strings of a spec are data. A name of a spec is an identifier already and only has to avoid Python's
own; a text becomes a docstring or a comment with everything taken out that could end it.
"""

from __future__ import annotations

import keyword
import re
import textwrap

from archdsl.diagnostic import printable
from archdsl.dims import Dim
from archdsl.types import Rest, TensorType

RESERVED = frozenset((
    "Cache", "Config", "F", "Model", "Tensor", "annotations", "cache", "config", "dataclass",
    "field", "forward", "generate", "keep", "load", "main", "math", "new_cache", "nn", "part",
    "self", "start", "super", "torch", "training", "type", "parameters", "buffers", "children",
    "modules", "register_buffer", "state_dict", "eval", "train", "apply", "to", "half", "double",
    "float", "bfloat16", "cpu", "cuda", "named_parameters", "zero_grad", "requires_grad_",
    "share_memory", "extra_repr", "json", "re", "sys", "Path", "Callable", "Mapping",
    "T_destination", "dump_patches", "call_super_init", "tables", "tie", "indices", "layer", "i",
    "name", "table", "device", "batch", "length", "kind", "dtype", "parameters_from", "compile",
    "xpu", "ipu", "mtia", "keep_last", "keep_every", "Shared", "recent", "remember", "resume",
    "leave", "like", "top_mask", "mixture", "delta_rule", "state_space",
))  # fmt: skip
"""Names that the emitted file or `nn.Module` needs."""

LETTERS = {
    "d": "D", "heads": "H", "kv_heads": "G", "d_head": "K", "d_ff": "F", "vocab": "V",
    "experts": "E", "d_v": "V", "d_k": "K", "d_rope": "R", "kv_rank": "C", "q_rank": "Q",
    "d_state": "N", "d_model": "D",
}  # fmt: skip
"""Letters for the usual dimensions; others take their first letter."""


def safe(name: str) -> str:
    """A name of the spec as one of Python's: `class` becomes `class_`."""
    return f"{name}_" if keyword.iskeyword(name) or name in RESERVED else name


def class_name(block: str, taken: set[str]) -> str:
    """A fresh class name for a block."""
    base, number = safe(block), 2
    name = base
    while name in taken:
        name, number = f"{base}{number}", number + 1
    taken.add(name)
    return name


def function_name(block: str, taken: set[str]) -> str:
    """A fresh function name for a block without parameters: `RotateHalf` becomes `rotate_half`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", block).lower()
    return class_name(snake, taken)


def letter(axis: Dim) -> str | None:
    """The letter of an axis that is a single name."""
    name = axis.name
    if name is None and "S" in axis.symbols():
        return "S"
    if name is None:
        return "1" if axis.value == 1 else None
    if len(name) == 1:
        return name if name.isupper() else name.upper() if name in LETTERS else name
    return LETTERS.get(name, name[0].upper())


def suffix(t: TensorType) -> str:
    """`_BHTK` for a type whose axes all have letters of their own, else nothing."""
    found: list[str] = []
    for axis in t.axes:
        mark = None if isinstance(axis, Rest) else letter(axis)
        if mark is None:
            return ""
        found.append(mark)
    named = [f for f in found if f != "1"]
    return f"_{''.join(found)}" if found and len(set(named)) == len(named) else ""


def clean(text: str) -> str:
    """A text that can stand in a docstring or a comment and cannot end either."""
    kept = "".join(c for c in text if c == "\n" or c.isprintable())
    return kept.replace("\\", "/").replace('"""', "'''").replace("\r", "")


def docstring(text: str, indent: str) -> list[str]:
    """The lines of a docstring, wrapped at 100 columns."""
    paragraphs = clean(text).strip().split("\n\n")
    lines: list[str] = []
    for i, paragraph in enumerate(paragraphs):
        if i:
            lines.append("")
        for line in paragraph.split("\n"):
            lines.extend(textwrap.wrap(line, 94 - len(indent), subsequent_indent="") or [""])
    if lines[-1].endswith('"'):
        lines[-1] += " "
    if len(lines) == 1:
        return [f'{indent}"""{lines[0]}"""']
    body = [f"{indent}{line}".rstrip() for line in lines[1:]]
    return [f'{indent}"""{lines[0]}', *body, f'{indent}"""']


def comment(text: str) -> str:
    """A text on one line of a comment."""
    return printable(clean(text).replace("\n", " "))
