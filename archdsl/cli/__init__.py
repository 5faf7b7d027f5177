"""The command line.

| file | what it holds |
|---|---|
| `commands.py` | the commands and their options |
| `targets.py` | `PATH[:Variant]`, folders, standard input |
| `facts.py` | what `archdsl facts` prints: pages, tables, CSV, LaTeX |
| `manual.py` | what `archdsl doc` says of a file or a block |
| `output.py` | diagnostics, files replaced in one step, progress |
| `rendering.py` | cards into files, unchanged ones skipped |
| `captions.py` | captions of figures for LaTeX, Typst and Markdown |
| `paper.py` | the cards that LaTeX and Typst ask for |

Exit codes: 0 all is well, 1 a spec has errors, 2 the command was not understood or a file cannot be
read or written, 3 a library of the system is missing.
"""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """The entry point of `archdsl`: runs a command and exits with its code."""
    # A command lives for a moment: looking for cycles costs more than it would free.
    gc.set_threshold(200_000)
    from archdsl.cli.commands import run

    code = run(sys.argv[1:])
    gc.freeze()  # nor does the interpreter, as it ends, look through everything for cycles
    sys.exit(code)
