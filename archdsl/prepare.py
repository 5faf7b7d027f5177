"""Prepare ahead of time what every start would otherwise make anew: `python -m archdsl.prepare`.

    parser/tables.bin   LALR tables of the grammar
    std/std.bin         the standard library, parsed

Each file begins with a digest of all that it depends on, so a stale one is not used; without them
everything works, a few times slower to start. They are written by `make`, and into every wheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from archdsl.parser import tables
from archdsl.resolver import PREPARED, prepare_std

PATHS = (tables.PREPARED, PREPARED)


def prepare() -> None:
    """Writes both files, the same bytes wherever it runs.

    Lark keeps sets, whose order depends on the seed of the interpreter's hashes: a process of its
    own has a fixed one. Raises subprocess.CalledProcessError where that process fails.
    """
    package = Path(__file__).parent
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(package.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    command = [sys.executable, "-m", "archdsl.prepare", "--write"]
    subprocess.run(command, env=environment, check=True)


def _write() -> None:
    for path, data in zip(PATHS, (tables.prepare(), prepare_std()), strict=True):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(path)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        _write()
    else:
        prepare()
        for written in PATHS:
            print(f"{written.parent.name}/{written.name}: {written.stat().st_size:,} bytes")
