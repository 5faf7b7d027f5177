"""Settings that a program changes, as the text of a variant: `variant B = A with (heads: 16)`.

The text is parsed and checked like that of a file, so a mistake is told at its place in it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping

from archdsl import syntax as s
from archdsl.diagnostic import Diagnostics, SpecError
from archdsl.parser import parse
from archdsl.resolver import Declared, Unit
from archdsl.source import Source

_LONG = 60
"""The most letters of a name that is made of settings."""


def change(unit: Unit, base: str, id: str, settings: Mapping[str, object]) -> tuple[Source, Unit]:
    """The text of a variant that changes `base`, and a file that has it alone.

    Raises SpecError for a text that does not parse, ValueError for a name or a number that cannot
    be written, TypeError for a value that has no text.
    """
    values = {name: written(value) for name, value in settings.items()}
    called = id or _called(base, values)
    if not called.isidentifier() or called == base:
        raise ValueError(f"{called!r} is no name for another variant: use letters, digits and _")
    listed = ", ".join(f"{name}: {value}" for name, value in values.items())
    source = Source(f"<{base}.with_>", f"variant {called} = {base} with ({listed})\n")
    diagnostics = Diagnostics()
    file = parse(source, diagnostics)
    if diagnostics.items:
        raise SpecError(diagnostics.items)
    match file.items:
        case (s.VariantDecl(value=s.Change(args=args), facts=()) as decl,) if [
            arg.name.name if arg.name else "" for arg in args
        ] == list(values):
            others = {base: Declared(unit, unit.variants[base])}
            return source, Unit(
                file, {}, unit.names, {called: decl}, (), (), (), {}, False, (unit,), others
            )
    raise ValueError(f"a value of {', '.join(values)} is more than one expression")


def written(value: object) -> str:
    """A value as an expression of the language; a text is one already."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float():
            if math.isnan(value):
                raise ValueError("nan is no value of a setting")
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(map(written, value))}]"
    try:
        return str(operator.index(value))  # type: ignore[arg-type]
    except TypeError:
        kind = type(value).__name__
        message = f"a setting takes a number, a truth, a list or the text of an expression: {kind}"
        raise TypeError(message) from None


def _called(base: str, values: Mapping[str, str]) -> str:
    """A name for a variant, of the settings that it changes."""
    words = "_".join(f"{name}_{value}" for name, value in values.items())
    plain = re.sub(r"[\W_]+", "_", words, flags=re.ASCII)[:_LONG].strip("_")
    return f"{base}_with_{plain}"
