"""What `archdsl doc` says: of the library, of a file, of one block."""

from __future__ import annotations

import textwrap

from archdsl.cli.output import usage
from archdsl.diagnostic import nearest, printable
from archdsl.library import ROOTS, Entry, Shelf, everywhere, located, shelf, shelves, shown

_WIDTH = 100


def about(name: str) -> str:
    """What there is to say of a name. Raises Stop for one that means nothing, and SpecError for a
    file with errors.
    """
    if name in ROOTS:
        return "\n".join(map(_overview, shelves(name)))
    if _is_file(name):
        return _contents(shelf(name))
    home, _, last = name.rpartition(".")
    if home and _is_file(home):
        file = shelf(home)
        entry = next((e for e in file.entries if e.name == last), None)
        if entry is None:
            hint = nearest(last, [e.name for e in file.entries])
            raise usage(f"{home} has no {last}" + (f": {hint}" if hint else ""))
        return _whole(home, entry)
    known = everywhere()
    if name not in known:
        hint = nearest(name, known) or "archdsl doc lists the library"
        raise usage(f"there is no block and no file {name}: {hint}")
    return _whole(*known[name])


def _is_file(name: str) -> bool:
    try:
        return located(name)[0].is_file()
    except (OSError, ValueError):  # no name that a file can have
        return False


def _overview(file: Shelf) -> str:
    """A file with the names of what it has."""
    names = ", ".join(entry.name for entry in file.entries)
    return f"{file.path}\n{_filled(file.about)}{_filled(names)}"


def _contents(file: Shelf) -> str:
    """A file with all that it has, a signature and a line each."""
    parts = [f"{printable(file.path)}\n{_filled(file.about)}"]
    parts += [f"{printable(shown(entry))}\n{_filled(entry.about)}" for entry in file.entries]
    return "\n".join(parts)


def _whole(path: str, entry: Entry) -> str:
    """A declaration as it is written, and how it is imported."""
    lines = [f"use {path}: {entry.name}", "", *entry.text.splitlines()]
    return "".join(f"{printable(line)}\n" for line in lines)


def _filled(text: str) -> str:
    """A text on lines of their own, indented; nothing for none."""
    lines = textwrap.wrap(printable(text), _WIDTH - 2, break_on_hyphens=False)
    return "".join(f"  {line}\n" for line in lines)
