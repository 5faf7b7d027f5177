"""Sizes as people write them: dtypes, bytes, bandwidths, numbers of tokens."""

from __future__ import annotations

import re
from operator import index
from typing import SupportsIndex

BYTES = {"float": 2, "float32": 4, "int": 8, "bool": 1}
"""Bytes of a number by its dtype in a spec; `float` is the model's own, counted as bf16."""

PART = 32
"""Widths are counted in 32nds of a byte, which are whole numbers for block formats too."""

DTYPES = {
    "fp32": 128, "bf16": 64, "fp16": 64, "fp8": 32, "int8": 32, "int4": 16, "fp4": 16,
    "mxfp8": 33, "mxfp4": 17, "nvfp4": 18,
}  # fmt: skip
"""The width of a number of a dtype that a model is served in. Those of a block format have a scale
of one byte for each 32 numbers (OCP MX), or 16 (NVFP4).
"""

_ALIASES = {
    "float32": "fp32", "f32": "fp32", "bfloat16": "bf16", "float16": "fp16", "f16": "fp16",
    "half": "fp16", "float8": "fp8", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8", "uint8": "int8", "w8": "int8", "w4": "int4", "uint4": "int4",
}  # fmt: skip
_PREFIXES = {
    "": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15,
    "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50,
}  # fmt: skip
_SIZE = re.compile(r"([0-9][0-9_,]{0,20}(?:\.[0-9]{1,20})?)\s*([a-z]*)(/s(?:ec)?)?", re.IGNORECASE)


LONGEST = 1 << 40
"""No context has more tokens."""


def dtype(word: str) -> str:
    """The name of a dtype, `bf16` for `bfloat16`. Raises ValueError for a word that is none."""
    name = word.strip().lower().removeprefix("torch.")
    name = _ALIASES.get(name, name)
    if name not in DTYPES:
        raise ValueError(f"{word!r} is no dtype: write one of {', '.join(DTYPES)}")
    return name


def whole(name: str, number: object) -> int:
    """A number that a program gives: of tokens, sequences, devices, bytes. Raises ValueError for
    one that is not whole or below 1.
    """
    if not isinstance(number, SupportsIndex) or isinstance(number, bool):
        raise ValueError(f"{name} is a whole number, and not {number!r}")
    value = index(number)
    if value < 1:
        raise ValueError(f"{name} is at least 1, and not {value}")
    return value


def amount(name: str, number: object) -> int:
    """As `whole`, of bytes, which people write as 3.35e12 too."""
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return whole(name, number)


def memory(word: str) -> int:
    """Bytes: of `80GiB` 80 * 2 ** 30, of `80GB` 80 * 10 ** 9. Raises ValueError."""
    return _amount(word, False, "size", "80GiB or 80GB")


def bandwidth(word: str) -> int:
    """Bytes a second: of `3.35TB/s` 3.35 * 10 ** 12. Raises ValueError."""
    return _amount(word, True, "bandwidth", "3.35TB/s or 900GB/s")


def tokens(word: str) -> int:
    """A number of tokens: of `8Ki` 8192, of `8K` 8000. Raises ValueError."""
    match = _SIZE.fullmatch(word.strip())
    prefix = match[2].lower() if match else None
    if match is None or match[3] or prefix not in _PREFIXES:
        raise ValueError(f"{word!r} is no number of tokens: write 32768, 32Ki or 128Ki")
    rule = f"a number of tokens is a whole one, at least 1 and at most {LONGEST:,}"
    value = _whole(word, match[1], _PREFIXES[prefix], rule)
    if value > LONGEST:
        raise ValueError(f"{word!r}: {rule}")
    return value


def _amount(word: str, rate: bool, what: str, example: str) -> int:
    match = _SIZE.fullmatch(word.strip())
    unit = match[2] if match else ""
    if unit.endswith("b") and not unit.islower():
        raise ValueError(f"{word!r} is in bits: write {example}, in bytes")
    prefix = unit.lower().removesuffix("b")  # 80G is 80 GB, as people write it
    if match is None or not unit or prefix not in _PREFIXES or bool(match[3]) is not rate:
        raise ValueError(f"{word!r} is no {what}: write {example}")
    return _whole(word, match[1], _PREFIXES[prefix], f"a {what} is at least one byte")


def _whole(word: str, number: str, factor: int, rule: str) -> int:
    whole, _, rest = number.replace("_", "").replace(",", "").partition(".")
    scale: int = 10 ** len(rest)
    value, over = divmod(int(whole + rest) * factor, scale)
    if value < 1 or (over and factor == 1):
        raise ValueError(f"{word!r}: {rule}")
    return value
