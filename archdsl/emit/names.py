"""Names in emitted code: safe ones, axis letters, docstrings.

Strings of a spec are data. A name of a spec is an identifier already and only has to avoid Python's
own; a text becomes a docstring or a comment with everything taken out that could end it.
"""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Container, Mapping

from archdsl.diagnostic import printable
from archdsl.dims import Dim
from archdsl.symbols import SEEN, STREAM
from archdsl.types import Rest, TensorType

OF_FILE = frozenset((
    "APART", "Any", "CHECKPOINT", "Cache", "Callable", "Config", "F", "Mapping", "Model", "Path",
    "SKIPPED", "Shared", "TIED", "Tensor", "annotations", "batch", "cache", "classmethod", "config",
    "dataclass", "delta_rule", "device", "dtype", "field", "generate", "i",
    "indices", "json", "keep", "keep_every", "keep_last", "keys_of", "kind", "layer",
    "leave", "length", "like", "load", "main", "math", "mixture", "name", "new_cache", "nn",
    "parameters_from", "part", "re", "recent", "remember", "resume", "rows", "self", "start",
    "state_space", "super", "sys", "table", "tables", "tie", "tiny", "top_mask", "torch",
))  # fmt: skip
"""Names that the emitted file itself gives: imports, functions, arguments, fields."""

OF_MODULE = frozenset((
    "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children",
    "compile", "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward",
    "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half", "ipu",
    "load_state_dict", "modules", "mtia", "named_buffers", "named_children", "named_modules",
    "named_parameters", "parameters", "register_backward_hook", "register_buffer",
    "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook",
    "register_load_state_dict_pre_hook", "register_module", "register_parameter",
    "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_",
    "set_initial_values",
    "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train",
    "training", "type", "xpu", "zero_grad",
))  # fmt: skip
"""What every `nn.Module` has. Its private names begin with `_`, as no name here does."""

BUILT_IN = frozenset((
    "abs", "enumerate", "float", "getattr", "int", "len", "list", "max", "min", "next", "print",
    "range", "setattr", "sum", "zip",
))  # fmt: skip
"""Names of Python that blocks use: attributes may be called so, variables not."""

AT_TOP = frozenset((
    "AttributeError", "Checkpoint", "FileNotFoundError", "IndexError", "Iterator", "KeyError",
    "Row", "RuntimeError", "TypeError", "ValueError", "all", "any", "assigned", "bool", "converted",
    "delattr", "dict", "files_of", "filter", "id", "is_packed", "isinstance", "iter", "lines",
    "map", "object", "open", "quantised", "restored", "save", "set", "slice", "sorted", "str",
    "tuple", "written",
))  # fmt: skip
"""Names that only helpers, loading and saving use: no class or function may be called so."""

_TAKEN = {
    name.rstrip("_"): len(name) - len(name.rstrip("_"))
    for name in (*keyword.kwlist, *OF_FILE, *OF_MODULE)
}
"""Taken names by what they are without `_` at the end: how many of these they have there."""

_CALLED = dict.fromkeys(BUILT_IN, 0)

OF_BODY = frozenset((STREAM, SEEN, "_"))
"""Variables that bodies use without asking."""

LETTERS = {
    "d": "D", "heads": "H", "kv_heads": "G", "d_head": "K", "d_ff": "F", "vocab": "V",
    "experts": "E", "d_v": "V", "d_k": "K", "d_rope": "R", "kv_rank": "C", "q_rank": "Q",
    "d_state": "N", "d_model": "D",
}  # fmt: skip
"""Letters for the usual dimensions; others take their first letter."""


def safe(name: str) -> str:
    """A name of the spec as an attribute, a field or a keyword: `class` becomes `class_`, and
    `_apply` `private_apply`. Different names stay different.
    """
    if re.match("(private)*_", name):
        return f"private{name}"
    return _beside(name, _TAKEN)


def _beside(name: str, used: Mapping[str, int]) -> str:
    """The name, longer by `_` where it is a taken one, or one that gave way to that."""
    plain = name.rstrip("_")
    return f"{name}_" if len(name) - len(plain) >= used.get(plain, len(name)) else name


def variable(name: str) -> str:
    """A name of the spec as a variable: as `safe`, and no function of Python's. Different names
    stay different.
    """
    if name.startswith("_") and name.strip("_") and not name.startswith("__"):
        return name  # private to nobody: a variable may be called so
    escaped = safe(name)
    return escaped if escaped != name else _beside(name, _CALLED)


def unused(name: str, used: Container[str], between: str = "_") -> str:
    """The name, with a number where it is taken."""
    free, number = name, 2
    while free in used:
        free, number = f"{name}{between}{number}", number + 1
    return free


def class_name(block: str, used: set[str]) -> str:
    """A fresh class name for a block."""
    name = unused(variable(block), used | AT_TOP, "")
    used.add(name)
    return name


def function_name(block: str, used: set[str]) -> str:
    """A fresh function name for a block without parameters: `RotateHalf` becomes `rotate_half`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", block).lower()
    return class_name(snake, used)


def letter(axis: Dim) -> str | None:
    """The letter of an axis that is a single name."""
    name = axis.name
    if name is None and SEEN in axis.symbols():
        return SEEN
    if name is None:
        return "1" if axis.value == 1 else None
    if len(name) == 1:
        return name if name.isupper() else name.upper() if name in LETTERS else name
    return LETTERS.get(name, name[0].upper())


def suffix(t: TensorType) -> str:
    """`_BHTK` for a type whose axes all have letters of their own, else nothing."""
    letters: list[str] = []
    for axis in t.axes:
        mark = None if isinstance(axis, Rest) else letter(axis)
        if mark is None:
            return ""
        letters.append(mark)
    named = [f for f in letters if f != "1"]
    return f"_{''.join(letters)}" if letters and len(set(named)) == len(named) else ""


def lettered(name: str, t: TensorType) -> str:
    """A variable for a value: its name and the letters of its axes. Behind a name, letters keep it
    from being a function of Python's.
    """
    letters = suffix(t)
    if letters and not name.startswith("_"):
        return f"{safe(name)}{letters}"
    return f"{variable(name)}{letters}"


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
