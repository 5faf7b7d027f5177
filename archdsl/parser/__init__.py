"""Text to syntax tree. Always returns a tree, and all syntax errors found on the way.

The text is first looked over (encoding, size, brackets), then parsed with the tables of
`grammar/arch.lark`. After an error, parsing starts again at the next declaration, so that one run
reports the errors of every declaration.

| file | what it holds |
|---|---|
| `tables.py` | the grammar, and the parser tables prepared from it |
| `lalr.py` | running the tables: text to a tree of tokens |
| `build.py` | that tree to the nodes of `syntax.py` |
| `foreign.py` | forms of other languages in a text that does not parse |
| `explain.py` | brackets, depth, and errors in plain English |
"""

from __future__ import annotations

import re
from pathlib import Path

from archdsl.diagnostic import Diagnostics
from archdsl.parser import lalr, tables
from archdsl.parser.build import build_file, comments_of
from archdsl.parser.explain import explain, look_over, too_deep
from archdsl.parser.lalr import Tree, Unexpected
from archdsl.source import MAX_BYTES, Source, Span, contents
from archdsl.syntax import ANY, Declaration, File

_HEAD = re.compile(r"^[^\W\d]\w*[ \t]+([^\W\d]\w*)", re.MULTILINE)
_IMPORTED = re.compile(r"^(use|import|from)\b((?:\([^()]*\)|,\n|[^\n])*)", re.MULTILINE)
_NAMED = re.compile(r"use\b[^\n:*]*:(?!:)[^\n*]*\w|use\s+[\w./]+\s+\w")
_NAME = re.compile(r"[^\W\d]\w*")
_DECLARATION = re.compile(r"^(?:use|type|block|model|tiny|variant|card|keys|hub)\b", re.MULTILINE)


def read(path: Path, name: str, diagnostics: Diagnostics) -> Source | None:
    """The text of a file, or None and a diagnostic that says why it cannot be read."""
    try:
        data = contents(path)
    except IsADirectoryError:
        diagnostics.add("unreadable", f"{name} is a folder, not a spec", None, name=name)
        return None
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        diagnostics.add("unreadable", f"{name}: {reason}", None, name=name)
        return None
    return decode(data, name, path, diagnostics)


def decode(data: bytes, name: str, path: Path | None, diagnostics: Diagnostics) -> Source | None:
    """Bytes as a source, or None and a diagnostic with the place of the first wrong byte."""
    if len(data) > MAX_BYTES:
        limit = f"{MAX_BYTES // 1000} kB"
        diagnostics.add("too-large", f"{name} is longer than {limit}", None, name=name)
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        readable = Source(name, data.decode("utf-8", errors="replace"), path)
        start = len(data[: error.start].decode("utf-8", errors="replace"))
        diagnostics.add(
            "encoding",
            f"byte {error.start} is not UTF-8",
            Span(readable, start, start + 1),
            help="save the file as UTF-8",
        )
        return None
    return Source(name, text.replace("\r\n", "\n").replace("\r", "\n"), path)


def parse(source: Source, diagnostics: Diagnostics) -> File:
    """The declarations of a source; errors go to `diagnostics`, what could be read is returned."""
    items: list[Declaration] = []
    lost: set[str] = set()
    if look_over(source, diagnostics):
        for start, tree in _trees(source, diagnostics, lost):
            if too_deep(source, tree, start, diagnostics):
                continue
            items.extend(build_file(source, tree, start, diagnostics))
    return File(source, tuple(items), comments_of(source), frozenset(lost))


def _trees(source: Source, diagnostics: Diagnostics, lost: set[str]) -> list[tuple[int, Tree]]:
    """Trees with the offset at which each begins; more than one only after errors. What could not
    be read may have declared the names that come to `lost`.
    """
    try:
        return [(0, lalr.parse(tables.load(), source.text))]
    except Unexpected:
        pass
    starts = [m.start() for m in _DECLARATION.finditer(source.text)]
    if not starts or source.text[: starts[0]].strip():
        starts.insert(0, 0)
    trees = []
    for start, end in zip(starts, [*starts[1:], len(source.text)], strict=True):
        try:
            trees.append((start, lalr.parse(tables.load(), source.text[start:end])))
        except Unexpected as error:
            explain(source, start, end, error, diagnostics)
            text = source.text[start:end]
            lost.update(m.group(1) for m in _HEAD.finditer(text))
            for imported in _IMPORTED.finditer(text):
                lost.update(_NAME.findall(imported.group(2)))
                if not _NAMED.match(imported.group()):
                    lost.add(ANY)
    return trees
