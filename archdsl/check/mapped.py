"""What a line of a hub gives a setting: what is of another kind whatever a configuration says.

d <- .hidden_size ?? "64"       a text is no dimension
tie <- .layers == 2             fits: a comparison is true or false
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archdsl import syntax as s
from archdsl.check.kinds import in_words
from archdsl.check.lists import FUNCTIONS as LISTS
from archdsl.check.names import CONSTANTS
from archdsl.check.scope import words
from archdsl.check.values import BlockRef, Float, Truth, Value
from archdsl.diagnostic import Diagnostics, Label
from archdsl.ops import OPS
from archdsl.reals import FUNCTIONS

NUMBERS = ("integer", "real", "number")
"""Of these `number` is either."""


def check_kinds(
    line: s.Mapping,
    settings: Mapping[str, s.SettingDecl],
    globals: Mapping[str, Value],
    owner: str,
    diagnostics: Diagnostics,
) -> None:
    """Reports each result of a mapping that its setting cannot take."""
    decl = settings[line.name.name]
    for result, kind in _results(line.value, decl.kind):
        sort = _sort(result, settings, globals)
        word = isinstance(result, s.Name) and result.name in words(kind)
        if sort and not word and sort not in _taken(kind):
            item = "" if kind is decl.kind else "an item of "
            diagnostics.add(
                "kind-mismatch",
                f"{item}{decl.name.name} of {owner} takes {in_words(kind)}",
                result.span,
                note=f"this is {_SORTS[sort]}",
                labels=(Label(decl.span, "declared here"),),
            )


_SORTS = {
    "text": "a text",
    "date": "a date",
    "truth": "true or false",
    "integer": "an integer",
    "real": "a real number",
    "number": "a number",
    "list": "a list",
    "block": "a block",
    "word": "a word",
}


def _results(expr: s.Expr, kind: s.Kind | None) -> Iterator[tuple[s.Expr, s.Kind | None]]:
    """The expressions of which one is the value, each with the kind that it has to be of."""
    match expr:
        case s.Group((inner,)):
            yield from _results(inner, kind)
        case s.Binary("??", left, right):
            yield from _results(left, kind)
            yield from _results(right, kind)
        case s.Choice(yes, _, no):
            yield from _results(yes, kind)
            yield from _results(no, kind)
        case s.Match(_, cases):
            for case in cases:
                yield from _results(case.value, kind)
        case s.ListExpr(items):
            match kind:
                case s.KindOf("list", (of,)):
                    for item in items:
                        yield from _results(item.value, of)
                case _:
                    yield expr, kind
        case _:
            yield expr, kind


def _taken(kind: s.Kind | None) -> tuple[str, ...]:
    match kind:
        case None | s.SimpleKind("dim" | "count"):
            return "integer", "number"
        case s.SimpleKind("float"):
            return NUMBERS
        case s.SimpleKind("bool"):
            return ("truth",)
        case s.KindOf("enum"):
            return ("word",)
        case s.KindOf("list"):
            return ("list",)
        case s.SignatureKind():
            return ("block",)
    return tuple(_SORTS)  # a kind that is not known is told elsewhere


def _sort(expr: s.Expr, settings: Mapping[str, s.SettingDecl], globals: Mapping[str, Value]) -> str:
    """What an expression is in any case, or an empty string."""
    match expr:
        case s.String():
            return "text"
        case s.Date():
            return "date"
        case s.Number(value):
            return "integer" if isinstance(value, int) else "real"
        case s.ListExpr():
            return "list"
        case s.Pipe():
            return "block"
        case s.Binary("==" | "!=" | "<" | ">" | "<=" | ">=" | "and" | "or" | "in"):
            return "truth"
        case s.Binary("/"):
            return "real"
        case s.Binary("-" | "//" | "%" | "^"):
            return "number"
        case s.Unary(op):
            return "truth" if op == "not" else "number"
        case s.Call(s.Name(name)):
            block = isinstance(globals.get(name), BlockRef)
            number = name in FUNCTIONS or (name in LISTS and name in ("len", "sum", "count"))
            return "block" if block else "number" if number else ""
        case s.Name(name) if name in settings:
            first = _taken(settings[name].kind)[0]
            return "number" if first in NUMBERS else first
        case s.Name(name) if name in CONSTANTS:
            sorts = {Truth: "truth", Float: "real"}
            return sorts.get(type(CONSTANTS[name]), "")  # null is no value: told where it counts
        case s.Name(name) if isinstance(globals.get(name), BlockRef) or name in OPS:
            return "block"
    return ""
