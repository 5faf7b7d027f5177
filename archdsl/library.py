"""What a file of blocks has, for people who look for a block: signatures, first lines, texts.

shelves("std")                      the files of the standard library; `specs`: the specs
shelf("std.attention").entries      its declarations, in order
"""

from __future__ import annotations

import re
from pathlib import Path

from archdsl import syntax as s
from archdsl.diagnostic import Diagnostics, SpecError
from archdsl.formatter.headers import signature
from archdsl.record import record
from archdsl.resolver import STD, Library, Unit, locate, specs_folder
from archdsl.source import Span

ROOTS = {"std": STD, "specs": specs_folder()}
"""Folders that ship with the program, by the name that imports begin with."""


@record
class Entry:
    """A block, a model, a variant or the lines of a hub.

    `text`: its documentation and its declaration as they are written. `about`: the first sentence
    of its documentation; of a variant what readers call it. `role`: of a block.
    """

    name: str
    keyword: str
    signature: str
    role: str
    about: str
    text: str


@record
class Shelf:
    """A file: the path that imports it, what its first comment says, its declarations."""

    path: str
    about: str
    entries: tuple[Entry, ...]


def shelves(root: str) -> tuple[Shelf, ...]:
    """The files of one of `ROOTS`, by name."""
    return tuple(shelf(f"{root}.{path.stem}") for path in sorted(ROOTS[root].glob("*.arch")))


def shelf(path: str) -> Shelf:
    """The file that an import path means, `std.core` or `./parts`, or a file by its name.

    Raises SpecError where it cannot be read or has errors of its own.
    """
    file, shown = located(path)
    diagnostics = Diagnostics()
    unit = Library(diagnostics).load(file, shown)
    if unit is None or diagnostics.items:
        raise SpecError(diagnostics.items)
    declared = (_entry(item) for item in unit.file.items)
    return Shelf(path, _first_comment(unit), tuple(e for e in declared if e is not None))


def located(path: str) -> tuple[Path, str]:
    """The file that an import path or a name of a file means, and what messages call it."""
    if path.endswith(".arch"):
        return Path(path), path
    return locate(path, Path.cwd())


def everywhere() -> dict[str, tuple[str, Entry]]:
    """Everything that ships with the program by its name, with the path of its file: blocks of the
    standard library before models and variants of specs.
    """
    entries: dict[str, tuple[str, Entry]] = {}
    for root in ROOTS:
        for file in shelves(root):
            for entry in file.entries:
                entries.setdefault(entry.name, (file.path, entry))
    return entries


def _entry(item: s.Declaration) -> Entry | None:
    match item:
        case s.BlockDecl(name=name, keyword=keyword):
            role = item.role.name.name if item.role else ""
            about, whole = first_sentence(item.doc), _text(item.span)
            return Entry(name.name, keyword, signature(item), role, about, whole)
        case s.VariantDecl(name=name):
            called = [
                e.value for e in item.facts if isinstance(e, s.Entry) and e.name.name == "name"
            ]
            about = next((e.value for e in called if isinstance(e, s.String)), "")
            return Entry(name.name, "variant", name.name, "", about, _text(item.span))
        case s.TypeDecl(name=name, type=written):
            about, whole = first_sentence(item.doc), _text(item.span)
            spelling = item.span.text.removeprefix("type").strip()
            return Entry(name.name, "type", spelling, "", about or written.span.text, whole)
        case s.KeysDecl(name=name):
            text = _text(item.span)
            remark = " ".join(re.findall(r"^#+ ?(.*)", text, re.MULTILINE))
            return Entry(name.name, "keys", name.name, "", first_sentence(remark), text)
    return None


def _text(at: Span) -> str:
    """A declaration as it is written, with the comments right above it."""
    first, source = at.line, at.source
    while first > 1 and source.line(first - 1).startswith("#"):
        first -= 1
    start = source.starts[first - 1]
    return source.text[start : at.end]


def _first_comment(unit: Unit) -> str:
    """The comment at the top of a file, in a line."""
    lines = re.match(r"(?:#(?!#).*\n)*", unit.source.text)
    return " ".join(line.lstrip("# ") for line in (lines[0] if lines else "").splitlines())


def first_sentence(text: str) -> str:
    """What stands before the first full stop of a text, and that."""
    plain = " ".join(text.split())
    end = re.search(r"(?<!\bal)\.(?=\s|$)", plain)
    return plain[: end.end()] if end else plain


def markdown(root: str) -> str:
    """The files of one of `ROOTS` as a page: a table each, a line a declaration."""
    parts = []
    for file in shelves(root):
        rows = [("block", "role", "what it is"), ("---", "---", "---")]
        rows += [(f"`{shown(entry)}`", entry.role, entry.about) for entry in file.entries]
        table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
        parts.append(f"## {file.path}\n\n{file.about}\n\n{table}")
    return "\n".join(parts)


def shown(entry: Entry) -> str:
    """A declaration on a line: a block by its signature, all others with their keyword."""
    return entry.signature if entry.keyword == "block" else f"{entry.keyword} {entry.signature}"
