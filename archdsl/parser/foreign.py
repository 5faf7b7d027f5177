"""Forms of other languages in a text that does not parse, and what a spec has in their place.

Each row is a form as it is written elsewhere, what to say of it, and the way out. A row is looked
for where parsing stopped: on its line, or on the line of the statement that does not go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from archdsl.record import record
from archdsl.source import Source, Span


@record
class Foreign:
    """A form of another language in a text: its place, what to say of it, the way out."""

    span: Span
    message: str
    help: str


Row = tuple[str, str, str]
"""A pattern, a message, a help line. The group `mark` of the pattern, or else all of it, is the
place of the message; the error is at the group `at`, or else anywhere in it. The help line may
name groups.
"""

_COMMENT = ("only `#` begins a comment", "write # and the text, or ## above a declaration")
_CHOICE = "choose a value: a if condition else b; among tensors: select(condition, a, b)"
_BODY = "a body is a row of bindings that ends with return: leave it out"
_FLAT = r"(?:[^\n()\[\]{}]|\([^\n()]*\))*"

_LINES: tuple[Row, ...] = (
    (r"(?P<mark>//|--|/\*|\"\"\"|''')", *_COMMENT),
    (rf"(?P<mark>if|elif|else if)\b{_FLAT}[:{{]", "there is no `if` statement", _CHOICE),
    (r"(?P<mark>else)\s*[:{]", "there is no `if` statement", _CHOICE),
    (rf"(?P<mark>for|while)\b{_FLAT}[:{{]", "there is no `{mark}` statement",
     "repeat a layer with layers = stack(n * Layer(...)), then apply all of them: layers(x)"),
    (r"(?P<mark>import|from)\b\s*[\w.]", "blocks are imported with `use`",
     "write use std.core: A, B, with the names of blocks"),
)  # fmt: skip
"""From the first letter of a line on."""

_STATEMENTS: tuple[Row, ...] = (
    (r"(?P<mark>def)\b", "a body holds no other block", "write it as a block above this one"),
    (r"(?P<mark>let|var|val|auto|local)\s+\w", "a binding has no word before it",
     "write name = ..."),
    (r"(?P<mark>print|assert|raise|pass|del|super|with|try)\b", "a body only binds names", _BODY),
    (r"(?P<mark>self)\s*\.", "a part is called by its name alone", "write up = ..., then up(x)"),
    (r"[^\W\d]\w*\s*(?P<mark>:)", "a binding states no type",
     "write name = ...: its type follows from the value"),
    (r"[^\W\d]\w*\s*(?P<mark>[-*/@]=)", "`{mark}` binds nothing",
     "write x = ...; x += y is a residual connection"),
)  # fmt: skip
"""From the first letter of a statement that does not go on."""

_PLACES: tuple[Row, ...] = (
    (r"-(?P<at>>)", "`->` stands in types and patterns", "a pipe is |>: x |> f |> g"),
    (r">(?P<at>>)", "`>>` has no meaning here", "a pipe is |>: x |> f |> g"),
    (r"(?<!\|)(?P<at>\|)(?!>)\|?", "`|` has no meaning here",
     "a pipe is |>: x |> f |> g; of two conditions, write or"),
    (r"(?<![\w.])(?P<n>\d[\d_]*(?:\.\d+)?)(?P<name>[^\W\d]\w*)",
     "a number and a name stand side by side", "a product is written out: {n} * {name}"),
    (r"\belif\b", "there is no `elif`", "choices follow one another: a if p else b if q else c"),
    (r"(?<!\?)\?(?!\?)", "`?` has no meaning here", "a choice is a if condition else b"),
    (r"(?P<mark>\blambda)\b[^\n]*", "a function without a name has no form here",
     "a function is a block; a slot takes its name"),
    (r"(?<=[\w)\]])\[[-\s\d,]*(?P<mark>:)[-\s\d:]*,?", "a tensor is not cut by positions",
     "cut an axis by a pattern: rearrange[... (a + b) -> ... a, ... b](x)"),
    (r"(?P<mark>//|--|/\*)\s*\w+\s+\w[^\n]*", *_COMMENT),
)  # fmt: skip
"""Around the place of the error."""

_USES: tuple[Row, ...] = (
    (r"::", "the parts of a path have `.` between them", "write use std.core: A"),
    (r":\s*(?P<mark>\*)", "an import names every block", "write use std.core: A, B"),
    (r":\s*(?P<mark>[{(\[])", "names of an import stand without brackets",
     "write use std.core: A, B"),
    (r"\b(?P<mark>as)\b", "a block keeps its name", "write its name alone"),
    (r"\buse\s+(?P<path>[\w./]+)[ \t]+(?P<mark>[^\W\d]\w*)",
     "a path and its names have `:` between them", "write use {path}: {mark}"),
    (r"(?P<a>[^\W\d]\w*)\s+(?P<mark>[^\W\d]\w*)", "names have commas between them",
     "write {a}, {mark}"),
)  # fmt: skip
"""In an import, around the place of the error."""

_IN_A_USE = re.compile(r"use\b[^\n]*(?:(?<=,)\n[^\n]*)*")


def foreign(source: Source, start: int, here: int, begun: Span | None) -> Foreign | None:
    """The form of another language at which parsing stopped, or None. `start` is where the
    declaration begins, `begun` the name with which a statement begins that does not go on.
    """
    text = source.text
    imported = _IN_A_USE.match(text, start)
    if imported is not None and here < imported.end():
        return _around(source, _USES, imported.start(), imported.end(), here)
    for place in (here, here if begun is None else begun.start):
        first, last = _line(text, place)
        for row in _LINES:
            match = re.compile(row[0]).match(text, first, last)
            if match is not None:
                return _of(source, row, match)
    if begun is not None and begun.start == _line(text, begun.start)[0]:
        for row in _STATEMENTS:
            match = re.compile(row[0]).match(text, begun.start, _line(text, begun.start)[1])
            if match is not None:
                return _of(source, row, match)
    for place in (here, here if begun is None else begun.start):
        around = _around(source, _PLACES, *_line(text, place), place)
        if around is not None:
            return around
    return None


def _line(text: str, place: int) -> tuple[int, int]:
    """Where the line of a place begins, blanks left out, and where it ends."""
    first, last = text.rfind("\n", 0, place) + 1, text.find("\n", place)
    last = len(text) if last < 0 else last
    while first < last and text[first] in " \t":
        first += 1
    return first, last


def _around(
    source: Source, rows: Iterable[Row], first: int, last: int, here: int
) -> Foreign | None:
    """A form around the place of an error."""
    for row in rows:
        for match in re.compile(row[0]).finditer(source.text, first, last):
            exact = "at" in match.re.groupindex
            if match.start("at") == here if exact else match.start() <= here < match.end():
                return _of(source, row, match)
    return None


def _of(source: Source, row: Row, match: re.Match[str]) -> Foreign:
    _, message, help = row
    span = match.span("mark" if "mark" in match.re.groupindex else 0)
    groups = {"mark": match.group(), **match.groupdict()}
    return Foreign(Span(source, *span), message.format(**groups), help.format(**groups))
