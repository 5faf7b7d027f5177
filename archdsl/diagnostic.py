"""Diagnostics as values: what is wrong, where, why, and a way out.

    error[shape-mismatch]: o_proj expects 4096 features, gets 3072
      --> mine.arch:21:14

Stages append to a `Diagnostics` list and go on, so that one run shows all errors of a file. A value
whose computation failed is an error value that silences what depends on it: one mistake makes one
message.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from archdsl.record import record
from archdsl.source import Span

CODES: dict[str, str] = {
    "syntax": "the text does not follow the grammar",
    "encoding": "the file is not UTF-8 text",
    "unreadable": "the file cannot be read",
    "too-large": "a limit on size, depth or count is passed",
    "unknown-name": "a name that nothing in sight defines",
    "duplicate-name": "two definitions of one name",
    "recursion": "a block that contains itself, a variant that is made from itself",
    "import-cycle": "files that import each other",
    "unknown-import": "an import of a file or a name that is not there",
    "unknown-setting": "a setting that the block does not have",
    "missing-setting": "a setting without a value",
    "kind-mismatch": "a value of another kind than the setting takes",
    "wrong-arguments": "a number of inputs or arguments that does not fit",
    "unknown-role": "a role outside the closed list",
    "unknown-intrinsic": "`lowers` with an unknown kernel, or one that needs what the block lacks",
    "unused-binding": "a name that is bound and never used",
    "unused-setting": "a setting that its block never uses",
    "unbound-axis": "an axis that nothing introduces",
    "pattern-axes": "an axes pattern that does not fit its operands",
    "shape-mismatch": "two shapes that have to be equal and are not",
    "unknown-equality": "two dimensions that nothing shows to be equal",
    "dtype-mismatch": "an operation on a tensor of another dtype",
    "not-a-block": "something is applied that is neither a block nor an operation",
    "not-a-tensor": "a tensor is needed and something else stands there",
    "not-a-layer": "a block in a stack that does not map X to X",
    "not-static": "a tensor stands where a number known in advance is needed",
    "unmet-where": "a condition of a block does not hold",
    "bad-dimension": "a dimension below 1 or not an integer",
    "bad-value": "a number or a word out of its range",
    "missing-case": "a `match` without a case for a value",
    "tie-mismatch": "a tied parameter of another shape",
    "anonymous-parameters": "parameters without a name to be stored under",
    "missing-return": "a body without a result",
    "missing-context": "a block is given something that nothing gives",
    "future-mask": "a streamed block that sees the future",
    "causality": "an operation that mixes tokens along the streamed axis",
    "expert-tokens": "an expert that uses more than the token it is given",
    "fact-mismatch": "`expect` differs from the count",
    "unknown-fact": "a fact that archdsl does not know",
    "unknown-path": "a path that leads to no part of the model",
    "hub-config": "a configuration that the spec does not map completely",
    "hub-weights": "a map of checkpoint keys that does not fit the model",
    "unsupported": "a form of the language that this stage does not handle",
}
"""Every diagnostic has one of these codes; they are stable."""

MAX_SHOWN = 1000
"""More errors than this are counted, not kept: nobody reads them."""


@record
class Label:
    """A secondary place with a few words."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class Diagnostic:
    """One error: a stable code, a headline, a place, further places, one line of help.

    `frames` tells the way from the user's text into the standard library or through applied blocks.
    `origin` is where the fault was found, where it is told at another place.
    """

    code: str
    message: str
    span: Span | None
    note: str = ""
    labels: tuple[Label, ...] = ()
    help: str = ""
    frames: tuple[str, ...] = ()
    name: str = ""
    origin: Span | None = None

    def __post_init__(self) -> None:
        assert self.code in CODES, self.code

    @property
    def place(self) -> str:
        """`file:line:column`, or the file's name alone when no text could be read."""
        if self.span is None:
            return self.name
        return f"{self.span.source.name}:{self.span.line}:{self.span.column}"

    def __repr__(self) -> str:
        return (
            f"<error[{self.code}] {printable(self.place)[-60:]}: {printable(self.message)[:120]}>"
        )

    def text(self, color: bool = False) -> str:
        """The message as it stands in a terminal, several lines without a final line break."""
        return _render(self, color)

    def record(self) -> dict[str, object]:
        """The message as plain data for editors; lines and columns are counted from 1."""
        return {
            "code": self.code,
            "message": self.message,
            **_place(self.span, self.name),
            "note": self.note,
            "labels": [{**_place(x.span, ""), "text": x.text} for x in self.labels],
            "help": self.help,
            "in": list(self.frames),
        }


@dataclass(slots=True)
class Diagnostics:
    """The errors of one run, in the order in which they were found, one for each code and place.

    `len` counts reports, so that a stage sees that it failed also where it failed before.
    """

    items: list[Diagnostic] = field(default_factory=list)
    reports: int = 0
    _seen: set[tuple[str, Span | str]] = field(default_factory=set, repr=False)

    def add(
        self,
        code: str,
        message: str,
        span: Span | None,
        note: str = "",
        labels: Iterable[Label] = (),
        help: str = "",
        frames: tuple[str, ...] = (),
        name: str = "",
    ) -> None:
        """Reports an error."""
        self.put(Diagnostic(code, message, span, note, tuple(labels), help, frames, name))

    def put(self, diagnostic: Diagnostic) -> None:
        """Appends a diagnostic, unless there is one of its code at its place."""
        self.reports += 1
        key = (diagnostic.code, diagnostic.message if diagnostic.span is None else diagnostic.span)
        if key not in self._seen and len(self.items) < MAX_SHOWN:
            self._seen.add(key)
            self.items.append(diagnostic)

    def __len__(self) -> int:
        return self.reports


class SpecError(Exception):
    """Raised where a spec with errors cannot be used; `diagnostics` tells all of them."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(d.text() for d in self.diagnostics))


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The nearest spelling, or an empty string. Capitals and underscores differ least."""
    spellings = sorted(set(known))
    plain = name.casefold().replace("_", "")
    alike = [x for x in spellings if x.casefold().replace("_", "") == plain]
    return next(iter(alike or difflib.get_close_matches(name, spellings, n=1, cutoff=cutoff)), "")


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """A help line with the nearest spelling, or an empty string."""
    spelling = closest(name, known, cutoff)
    return f"did you mean {spelling}?" if spelling else ""


def to_json(records: Iterable[Mapping[str, object]]) -> str:
    """A JSON array. What could steer a terminal is escaped, other letters are not."""
    text = json.dumps(list(records), indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _place(span: Span | None, name: str) -> dict[str, object]:
    if span is None:
        return {"file": name, "line": 1, "column": 1, "end_line": 1, "end_column": 1}
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": end_line,
        "end_column": end_column,
    }


_BOLD, _RED, _BLUE, _OFF = "\x1b[1m", "\x1b[1;31m", "\x1b[1;34m", "\x1b[0m"


def _render(d: Diagnostic, color: bool) -> str:
    red, blue, bold, off = (_RED, _BLUE, _BOLD, _OFF) if color else ("", "", "", "")
    head = f"{red}error[{d.code}]{off}{bold}: {printable(d.message)}{off}"
    if d.span is None:
        lines = [head, f"  {blue}-->{off} {printable(d.name)}"] if d.name else [head]
        lines += [f"   {blue}={off} {printable(d.note)}"] if d.note else []
        lines += [f"   {blue}={off} help: {printable(d.help)}"] if d.help else []
        return "\n".join(lines)
    home = d.span.source
    marks = sorted(
        [(d.span, d.note, "^"), *((x.span, x.text, "-") for x in d.labels)],
        key=lambda m: (m[0].source is not home, m[0].source.name, m[0].start),
    )
    source, shown = home, 0
    width = max(len(str(m[0].line)) for m in marks)
    bar = f"{' ' * width} {blue}|{off}"
    lines = [head, f"{' ' * width}{blue}-->{off} {printable(d.place)}", bar]
    for span, text, mark in marks:
        if span.source is not source:
            lines.append(f"{' ' * width}{blue}:::{off} {printable(span.source.name)}:{span.line}")
            source, shown = span.source, 0
        if span.line != shown:
            lines.append(f"{blue}{span.line:>{width}} |{off} {_line(span)}".rstrip())
            shown = span.line
        tone = red if mark == "^" else blue
        lines.append(f"{bar} {tone}{_underline(span, mark)} {printable(text)}".rstrip() + off)
    lines += [
        f"{bar[: -len(off) - 1] if color else bar[:-1]}= in {printable(f)}{off}" for f in d.frames
    ]
    if d.help:
        lines.append(f"{' ' * width} {blue}={off} help: {printable(d.help)}")
    return "\n".join(lines)


def _line(span: Span) -> str:
    text = printable(span.source.line(span.line).replace("\t", " "))
    return text if len(text) <= 160 else text[:157] + "..."


def _underline(span: Span, mark: str) -> str:
    column = span.column
    room = max(1, len(span.source.line(span.line)) - column + 1)
    return " " * min(column - 1, 160) + mark * max(1, min(span.end - span.start, room, 120))


def printable(text: str) -> str:
    """Control characters, which could steer a terminal, replaced by a visible mark."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
