"""What a card says of a value or a number, and how: short, in the field's terms, never typed in."""

import datetime
import re

from archdsl import naming
from archdsl.amounts import BYTES, COUNTS, FLOPS, scaled
from archdsl.graph import Model, Module
from archdsl.nodes import Cache
from archdsl.nodes import Node as Value
from archdsl.roles import COMPUTING, at_work
from archdsl.symbols import BATCH
from archdsl.text import BOLD, REGULAR, SEMIBOLD, Line, Run, line
from archdsl.types import TensorType

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LAST = re.compile(r"min\((?:(\d+), S|S, (\d+))\)")
"""How a window of the last tokens is written as an axis."""
_MOST_LETTERS, _LONGEST = 60, 30
_SMALL = 100
"""Of an odd factor so large nobody thinks when reading K for 1,024."""
_NUMBER = re.compile(r"(\d[\d,.]*(?:[KMBT]i?\b)?)")


def title(module: Module) -> Line:
    """A block's title; where its last word is the role, what stands before is what matters."""
    noun = module.role.replace("_", "-")
    if module.role in COMPUTING and module.title.lower().endswith(f" {noun}"):
        at = len(module.title) - len(noun) - 1
        return Run(module.title[:at], "accent", BOLD), Run(module.title[at:], "ink", SEMIBOLD)
    weight = SEMIBOLD if module.role in COMPUTING else REGULAR
    return line(module.title, "ink", weight)


def label(module: Module) -> tuple[Line, ...]:
    """The lines of a block's box in the tower."""
    words = naming.settings(module) if module.role in COMPUTING else []
    if module.role in COMPUTING and not words:
        words = naming.settings(at_work(module))
    return (title(module), line(" · ".join(words[:3]), "quiet")) if words else (title(module),)


def called(value: Value, name: str = "") -> str:
    """A value by its name, or by that which its reader has for it. Whatever the name, a truth for
    each query and key is a mask.
    """
    is_mask = value.type.dtype == "bool" and len(value.type.axes) > 2
    return "mask" if is_mask else naming.phrase(name or value.name)


def shape(model: Model, module: Module, t: TensorType) -> str:
    """A value's shape in numbers, without the batch: "[T, 4096]"; a window is "≤1024"."""
    axes = [axis for axis in model.shape(module, t) if axis.name != BATCH]
    return f"[{', '.join(_LAST.sub(_at_most, str(axis)) for axis in axes)}]"


def numbers(model: Model, module: Module, t: TensorType) -> str:
    """How many numbers a value has, axis by axis, without the batch: "32 × 128 × 128"."""
    axes = [axis for axis in model.shape(module, t) if axis.name != BATCH]
    return " × ".join(f"{axis.value:,}" if axis.value is not None else str(axis) for axis in axes)


def kept(model: Model, module: Module, value: Value) -> str:
    """What a cache keeps: "8 × 128 a token", "512 every 4 tokens"."""
    words = per_token(model, module, value.type)
    if isinstance(value.form, Cache) and value.form.every is not None:
        every = model.number(module, value.form.every)
        words = f"{words.removesuffix(' a token')} every {every} tokens"
    return words


def kept_inside(model: Model, module: Module) -> list[str]:
    """What the caches of a block and of all that is inside keep."""
    own = [kept(model, module, node) for node in module.nodes if isinstance(node.form, Cache)]
    inner = (m for child in module.children for _, m in child.modules)
    return [*own, *(words for other in inner for words in kept_inside(model, other))]


def per_token(model: Model, module: Module, t: TensorType) -> str:
    """The numbers kept of each token, and of how many tokens if not of all: "8 × 128 a token"."""
    shaped = [axis for axis in model.shape(module, t) if axis.name != BATCH]
    numbers = [f"{axis.value:,}" for axis in shaped if axis.value is not None]
    words = f"{' × '.join(numbers)} a token"
    for axis in shaped:
        window = _LAST.fullmatch(str(axis))
        if window:
            words += f", last {int(window[1] or window[2]):,}"
    return words


def _at_most(match: re.Match[str]) -> str:
    return f"≤{match[1] or match[2]}"


def emphasised(shown: str, tone: str = "ink") -> Line:
    """A remark, its numbers in the maker's colour."""
    pieces = [piece for piece in _NUMBER.split(shown) if piece]
    return tuple(
        Run(piece, "accent" if _NUMBER.fullmatch(piece) else tone, SEMIBOLD) for piece in pieces
    )


def short(count: float) -> str:
    """A count in thousands, millions, billions or trillions: "8.03B"."""
    return "".join(scaled(count, 1000, COUNTS, _three))


def flops(count: int) -> str:
    """A count of FLOPs, where 1e9 is a G: "19.3G"."""
    return "".join(scaled(count, 1000, FLOPS, _three))


def _three(value: float, unit: str) -> str:
    return f"{value:,.{0 if not unit else 2 if value < 9.995 else 1}f}"


def size(count: int) -> str:
    """Bytes in binary units: "128 KiB"."""
    number, unit = scaled(count, 1024, BYTES, _four)
    return f"{number} {'B' if unit == BYTES[0] else unit}"


def _four(value: float, _: str) -> str:
    return f"{value:.4g}" if value < 9999.5 else f"{value:,.0f}"


def tokens(count: int) -> str:
    """A number of tokens as people say it: "128K" for 131,072. In full where that would not say
    which number it is: 128,000 is called 128K too, and is no power of two times a small factor.
    """
    odd = count // max(1, count & -count)
    for unit, letter in ((1 << 20, "M"), (1 << 10, "K")):
        if odd < _SMALL and count % unit == 0 and 1 <= count // unit < 1000:
            return f"{count // unit}{letter}"
    return f"{count:,}"


def shortened(words: str) -> str:
    """Words of any length, in no more letters than a line has room for."""
    words = " ".join(w if len(w) <= _LONGEST else f"{w[: _LONGEST - 1]}…" for w in words.split())
    return words if len(words) <= _MOST_LETTERS else f"{words[: _MOST_LETTERS - 1]}…"


def date(written: str) -> str:
    """2024-04-18 as "18 Apr 2024"; anything else as it is."""
    try:
        day = datetime.date.fromisoformat(written)
    except ValueError:
        return written
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
