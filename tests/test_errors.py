"""Messages for wrong specs: `tests/errors/*.arch` say on each line which one it gets.

    y = x |> hed     # error: [unknown-name] nothing here is called hed

A comment has codes with a part of the message each. Every message is expected, every expected one
is given, and every code that a spec can get is shown by some file. Imported files lie in `parts/`.
"""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from archdsl import pipeline
from archdsl.diagnostic import CODES, Diagnostic
from archdsl.source import Source

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "errors"
FILES = sorted(FOLDER.glob("*.arch"))
CODE = rf"\[({'|'.join(CODES)})\] "

ELSEWHERE = {
    "encoding": "test_hostile.py: bytes are no text for a comment",
    "unreadable": "test_hostile.py: there is no text at all",
}


def expected(path: Path) -> list[tuple[str, int, str, str]]:
    """(file, line, code, part of the message) of every error comment."""
    return [
        (path.name, number, code, part.strip())
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if "# error: " in line
        for code, part in pairs(line.partition("# error: ")[2])
    ]


def pairs(text: str) -> list[tuple[str, str]]:
    _, *pieces = re.split(CODE, text)
    return list(zip(pieces[::2], pieces[1::2], strict=True))


@cache
def found(path: Path) -> list[Diagnostic]:
    return list(pipeline.check_path(path, path.name).diagnostics)


def place(d: Diagnostic) -> tuple[str, int, str]:
    assert d.span is not None
    return Path(d.span.source.name).name, d.span.line, d.code


def test_there_are_files() -> None:
    assert len(FILES) > 8


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_messages(path: Path) -> None:
    given = found(path)
    others = {d.span.source.path for d in given if d.span} - {path}
    said = [e for p in (path, *sorted(p for p in others if p)) for e in expected(p)]
    assert sorted(map(place, given)) == sorted(e[:3] for e in said), "\n\n".join(
        d.text() for d in given
    )
    for file, line, code, part in said:
        messages = [d.message for d in given if place(d) == (file, line, code)]
        assert any(part in m for m in messages), f"{file}:{line}: {part!r} is not in {messages}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_messages_read_well(path: Path) -> None:
    """One line each, no full stop, no words of the program, and marks on the text that is wrong."""
    for d in found(path):
        for line in (d.message, d.note, d.help, *d.frames, *(x.text for x in d.labels)):
            assert "\n" not in line
            assert not line.endswith(".") or line.endswith("...")
            assert "$" not in line, line  # symbols of the model are the program's own names
            assert not re.search(r"\bNone\b|object at|archdsl\.|Dim\(|Token\(|__ANON", line), line
        assert d.message
        assert d.span is not None
        assert d.span.start < d.span.end
        assert len(d.span.text.strip()) > 0


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_marks_are_under_what_is_wrong(path: Path) -> None:
    """A place begins and ends with a token, its brackets match, and its mark is under its text."""
    for d in found(path):
        for span in (d.span, *(label.span for label in d.labels)):
            assert span is not None
            text, here = span.source.text, span.text
            assert here == here.strip(), repr(here)
            for edge in (span.start, span.end):
                assert not re.fullmatch(r"\w\w", text[max(0, edge - 1) : edge + 1]), repr(here)
            if len(here) > 1:
                assert all(here.count(a) == here.count(b) for a, b in ("()", "[]", "{}")), here
        assert d.span is not None
        line = d.span.source.line(d.span.line)
        wanted = d.span.text.split("\n")[0][:120]
        if len(line) <= 160:
            assert wanted in marked(d.text()), d.text()


def marked(message: str) -> list[str]:
    """What stands above the marks of a message."""
    found, above = [], ""
    for line in message.splitlines():
        mark = re.fullmatch(r" *\| ( *)(\^+)(?: .*)?", line)
        if re.match(r" *\d+ \| ", line):
            above = line
        elif mark is not None:
            found.append(above[mark.start(2) : mark.end(2)])
    return found


def test_a_count_without_expect_is_told_the_word() -> None:
    text = """use std.core: Embedding
model M(d)(stream t: int[B, T]) -> [B, T, d] {
  e = Embedding(9, d)
  return e(t)
}
variant V = M(d: 4) { layers: 12 }
"""
    (told,) = pipeline.check_source(Source("v.arch", text)).diagnostics
    assert (told.code, told.help) == (
        "unknown-fact",
        "a count is not told but checked: write expect layers: 12",
    )


def test_every_code_is_shown() -> None:
    shown = {d.code for path in FILES for d in found(path)}
    assert shown.isdisjoint(ELSEWHERE.keys())
    assert set(CODES) - shown == ELSEWHERE.keys()


def test_codes_are_those_that_the_program_gives() -> None:
    """No code without a sender."""
    texts = [p.read_text("utf-8") for p in (ROOT / "archdsl").rglob("*.py")]
    program = "\n".join(t for t in texts if "CODES: dict" not in t)
    assert {c for c in CODES if f'"{c}"' not in program} == set()


def test_json_has_the_same_messages() -> None:
    path = FOLDER / "shapes.arch"
    done = subprocess.run(
        [sys.executable, "-m", "archdsl", "check", "--format", "json", path.name],
        cwd=FOLDER,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    records = json.loads(done.stdout)
    assert [(r["file"], r["line"], r["code"], r["message"], r["help"]) for r in records] == [
        (*place(d)[:2], d.code, d.message, d.help) for d in found(path)
    ]
    lines = path.read_text("utf-8").splitlines()
    for r, d in zip(records, found(path), strict=True):
        assert d.span is not None
        taken = lines[r["line"] - 1 : r["end_line"]]
        taken[-1] = taken[-1][: r["end_column"] - 1]
        taken[0] = taken[0][r["column"] - 1 :]
        assert "\n".join(taken) == d.span.text
