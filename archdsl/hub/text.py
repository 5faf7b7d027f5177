"""Settings as the text of a spec: what its defaults say already is left out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress

from archdsl import reals
from archdsl.check import expressions, statics
from archdsl.check.scope import Numbers, Scope
from archdsl.check.values import (
    Block,
    Chain,
    DateValue,
    Float,
    Int,
    Items,
    PrimitiveRef,
    Recipe,
    Text,
    Truth,
    Value,
    Word,
)
from archdsl.diagnostic import Diagnostics
from archdsl.reals import Apply, Lit, OfDim, Real, Ref


def spec(
    block: Block, settings: dict[str, Value], title: str, context: object, remarks: list[str]
) -> str:
    """The text of a file with one variant, its imports and what there is to say of it."""
    arguments = {k: _say(v) for k, v in settings.items() if not _is_default(block, k, v, settings)}
    uses: dict[str, set[str]] = {}
    for used in (block, *(b for value in settings.values() for b in _blocks(value))):
        uses.setdefault(_import_path(used), set()).add(used.name)
    lines = [f"# {remark}" for remark in remarks]
    lines += [f"use {path}: {', '.join(sorted(names))}" for path, names in sorted(uses.items())]
    lines += ["", *_call(f"variant {identifier(title)} = {block.name}", arguments)]
    lines.append(f"  name: {quoted(title)}")
    if isinstance(context, int) and not isinstance(context, bool) and context > 0:
        lines.append(f"  context: {context}")
    return "\n".join([*lines, "}", ""])


def _import_path(block: Block) -> str:
    """The path under which a block is imported, `std.core` or `./parts`."""
    name = block.decl.span.source.name.removesuffix(".arch")
    folder, _, file = name.rpartition("/")
    return f"{folder}.{file}" if folder in ("std", "specs") else f"./{name}"


def _call(head: str, arguments: dict[str, str]) -> list[str]:
    """`head(a: 1, ...) {`, broken at 100 columns."""
    lines, line = [], f"{head}("
    pad = " " * len(line)
    items = list(arguments.items())
    for i, (key, text) in enumerate(items):
        part = f"{key}: {text}" + ("," if i + 1 < len(items) else "")
        if len(line) + len(part) > 98 and line.strip() != head + "(":
            lines.append(line.rstrip())
            line = pad
        line += part + " "
    return [*lines, f"{line.rstrip()}) {{"]


def identifier(text: str) -> str:
    """A name for a variant: letters and digits only, whatever the text holds."""
    parts = re.findall(r"[A-Za-z0-9]+", text.rpartition("/")[2])
    word = "".join(p[:1].upper() + p[1:] for p in parts)[:60]
    return word if word and word[0].isalpha() else f"Model{word}"


def quoted(text: str) -> str:
    """A text in quotes that cannot end early."""
    plain = "".join(c for c in text if c.isprintable())[:120]
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _say(value: Value) -> str:
    match value:
        case Int(d):
            return _digits(d.value) if d.value is not None else _bare(str(d))
        case Float(real):
            text = _say_real(_folded(real))
            return text[1:-1] if text.startswith("(") else text
        case Truth(known):
            return "true" if known else "false"
        case Word(word):
            return word or ""
        case Text(text):
            return quoted(text)
        case DateValue(text):
            return text
        case Items(values):
            return _say_list(values or ())
        case PrimitiveRef(name):
            return name
        case Chain(stages):
            return " |> ".join(_say(stage) for stage in stages)
        case Recipe(block, settings):
            held = dict(settings)
            inner = [_argument(k, v) for k, v in settings if not _is_default(block, k, v, held)]
            return f"{block.name}({', '.join(inner)})"
    return "null"


def _bare(text: str) -> str:
    """A quotient without the brackets that it has among others: `d // heads`."""
    inner = text[1:-1]
    return inner if text == f"({inner})" and not set("()") & set(inner) else text


def _folded(real: Real) -> Real:
    """A real expression whose parts are numbers where no setting is in them."""
    if not isinstance(real, Apply):
        return real
    args = tuple(map(_folded, real.args))
    if all(isinstance(x, Lit) for x in args):
        with suppress(ArithmeticError, ValueError):
            value = reals.evaluate(Apply(real.op, args), {})
            return real if value is None else Lit(value)
    return Apply(real.op, args)


def _say_real(real: Real) -> str:
    """A number in terms of settings: `((d_nope + d_rope) ^ -0.5)`."""
    match real:
        case Lit(x) if math.isinf(x):
            return "inf" if x > 0 else "-inf"
        case Lit(x):
            return _digits(int(x)) if x == int(x) and abs(x) < 1e15 else repr(x)
        case Ref(name):
            return name
        case OfDim(d):
            return str(d) if len(d.terms) <= 1 else f"({d})"
        case Apply(op, (a, b)) if op in "+-*/^":
            return f"({_say_real(a)} {op} {_say_real(b)})"
        case Apply(op, args):
            return f"{op}({', '.join(_say_real(a) for a in args)})"


def _argument(name: str, value: Value) -> str:
    """`base: 10_000`, or only the name of a setting that is passed on under its own name."""
    text = _say(value)
    return text if text == name else f"{name}: {text}"


def _say_list(values: tuple[Value, ...]) -> str:
    """A list with repeats said once: `3 * (5 * [sliding] + [full])`."""
    words = [_say(v) for v in values]
    for length in range(1, len(words) // 2 + 1):
        times = 1
        while words[times * length : (times + 1) * length] == words[:length]:
            times += 1
        if times > 1 and length * times > len(words) // 2:
            unit = _runs(words[:length])
            rest = words[times * length :]
            joined = f"({unit})" if " + " in unit else unit
            return f"{times} * {joined}" + (f" + {_runs(rest)}" if rest else "")
    return _runs(words)


def _runs(words: list[str]) -> str:
    parts: list[str] = []
    i = 0
    while i < len(words):
        j = i
        while j < len(words) and words[j] == words[i]:
            j += 1
        parts.append(f"[{words[i]}]" if j - i == 1 else f"{j - i} * [{words[i]}]")
        i = j
    return " + ".join(parts) or "[]"


def _digits(value: int) -> str:
    return f"{value:_}" if abs(value) >= 10_000 else str(value)


def _is_default(block: Block, name: str, value: Value, settings: dict[str, Value]) -> bool:
    """Whether the default, computed from the other settings, says the same."""
    known = {k: d.value for k, v in settings.items() if isinstance(v, Int) and (d := v.dim).value}
    numbers = Numbers({}, {}, {}, known)
    scope = Scope(Diagnostics(), dict(settings), block.globals, numbers=numbers)
    for decl in block.decl.settings:
        if decl.name.name == name and decl.default is not None:
            default = expressions.evaluate(scope, decl.default)
            fitted = expressions.setting(scope, decl, default, decl.span, block.name)
            same = fitted == value or statics.agree(scope, fitted, value) is True
            return same and not scope.diagnostics.items
    return False


def _blocks(value: Value) -> Iterator[Block]:
    """The blocks that are written to say a value; those of defaults are not."""
    if isinstance(value, Chain):
        for stage in value.stages:
            yield from _blocks(stage)
    if isinstance(value, Recipe):
        yield value.block
        known = dict(value.settings)
        for name, inner in value.settings:
            if not _is_default(value.block, name, inner, known):
                yield from _blocks(inner)
