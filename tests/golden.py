"""Golden files: what the code prints is compared with a file that a person has read and accepted.

    def test_card(golden):
        golden("cards/small.svg", svg_text)          # or bytes

The files lie in `tests/golden/`. `make goldens` (ARCHDSL_ACCEPT=1) writes them anew; the difference
is then read in `git diff` like any other change. Continuous integration never accepts.
"""

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "golden"
SHOWN_LINES = 40
Golden = Callable[[str, str | bytes], None]


@pytest.fixture(scope="session")
def golden() -> Golden:
    """A function (name, actual) that fails unless the golden file of that name holds `actual`."""
    return check


def check(name: str, actual: str | bytes) -> None:
    """Compare `actual` with `tests/golden/<name>`, byte by byte; accept it if so asked."""
    path, data = FOLDER / name, actual.encode() if isinstance(actual, str) else actual
    if os.environ.get("ARCHDSL_ACCEPT") == "1" and not os.environ.get("CI"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return
    if not path.exists():
        pytest.fail(
            f"no golden file {name}: look at the output, then accept it with `make goldens`"
        )
    expected = path.read_bytes()
    if data != expected:
        pytest.fail(
            f"{name} is not what was accepted:\n{difference(expected, data)}", pytrace=False
        )


def difference(expected: bytes, actual: bytes) -> str:
    """The first lines of a unified diff, or the sizes where one of the two is no text."""
    try:
        old, new = (data.decode().splitlines() for data in (expected, actual))
    except UnicodeDecodeError:
        return f"binary, {len(expected)} bytes accepted, {len(actual)} bytes now"
    lines = list(difflib.unified_diff(old, new, "accepted", "now", lineterm=""))
    rest = [f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    return "\n".join(lines[:SHOWN_LINES] + rest) or "only line endings differ"
