"""Accepted outputs: what the code prints is compared with a file that a person has read.

    accepted(PAGE, actual)

`make goldens` (ARCHDSL_ACCEPT=1) writes the files anew; the difference is then read in `git diff`
like any other change. Continuous integration never accepts.
"""

import difflib
import os
from pathlib import Path

import pytest

SHOWN_LINES = 40


def accepted(path: Path, actual: str) -> None:
    """Fails unless the file holds `actual`, to the byte; writes the file if so asked."""
    if os.environ.get("ARCHDSL_ACCEPT") == "1" and not os.environ.get("CI"):
        path.write_text(actual, encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    if actual != expected:
        pytest.fail(
            f"{path.name} is not what was accepted; `make goldens` writes it anew\n"
            + difference(expected, actual),
            pytrace=False,
        )


def difference(expected: str, actual: str) -> str:
    """The first lines of a unified diff."""
    old, new = expected.splitlines(), actual.splitlines()
    lines = list(difflib.unified_diff(old, new, "accepted", "now", lineterm=""))
    rest = [f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    return "\n".join(lines[:SHOWN_LINES] + rest) or "only line endings differ"
