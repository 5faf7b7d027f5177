"""Prepare ahead of time what every start would otherwise make anew: `python -m archdsl.prepare`.

    parser/tables.bin   LALR tables of the grammar
    std/std.bin         the standard library, parsed

Each file begins with a digest of all that it depends on, so a stale one is not used; without them
everything works, a few times slower to start. They are written by `make`, and into every wheel, and
are the same bytes wherever they are made.
"""

from __future__ import annotations

import compileall
from pathlib import Path

from archdsl.parser import tables
from archdsl.resolver import PREPARED, prepare_std


def prepare() -> list[Path]:
    """Writes both files, each in one step, and returns their paths."""
    contents = {tables.PREPARED: tables.prepare(), PREPARED: prepare_std()}
    for path, data in contents.items():
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(path)
    return list(contents)


if __name__ == "__main__":
    for written in prepare():
        print(f"{written.parent.name}/{written.name}: {written.stat().st_size:,} bytes")
    # Compiled here too: where Python is told to write no bytecode, every start would compile anew.
    compileall.compile_dir(Path(__file__).parent, quiet=2)
