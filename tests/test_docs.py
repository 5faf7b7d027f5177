"""The documentation, run: every spec in it is checked, every command in it prints what it says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import markdown_cases
from markdown_cases import Block
from pages import BLOCKS, ROOT, SPECS, checked

CONSOLES = [b for b in BLOCKS if b.language == "console" and "norun" not in b.options]


@pytest.mark.parametrize("block", SPECS, ids=lambda b: b.label)
def test_spec_has_exactly_the_errors_it_says(block: Block) -> None:
    found = checked(block).diagnostics
    places = sorted((d.span.line if d.span else 0, d.code) for d in found)
    expected = markdown_cases.expected_errors(block.text)
    assert places == expected, "\n\n".join(d.text() for d in found) or "no errors were found"


@pytest.mark.parametrize("page", {b.page: None for b in CONSOLES}, ids=lambda p: p.name)
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """In a folder with the specs that the page names; that all can be drawn is tested elsewhere."""
    (tmp_path / "specs").mkdir()
    for name in set(re.findall(r"specs/(\w+\.arch)", page.read_text(encoding="utf-8"))):
        (tmp_path / "specs" / name).symlink_to(ROOT / "specs" / name)
    for block in (b for b in BLOCKS if b.page == page):
        if block.file and "norun" not in block.options:
            assert Path(block.file).name == block.file, f"{block.label}: a name without folders"
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block in CONSOLES:
            for command in markdown_cases.commands(block):
                printed = run(command.text, tmp_path)
                assert markdown_cases.fits(command.output, printed), (
                    f"{page.name}:{command.line}: $ {command.text} prints\n{printed}"
                )


def run(command: str, folder: Path) -> str:
    """What a command prints, errors included.

    Only `archdsl` and `python` run, and no shell reads the line; `; echo $?` at its end adds the
    exit code.
    """
    line = command.removesuffix("; echo $?")
    words = shlex.split(line)
    programs = {"archdsl": ["-m", "archdsl"], "python": []}
    assert words[0] in programs, f"{command}: only {' and '.join(programs)} run in a page"
    done = subprocess.run(
        [sys.executable, *programs[words[0]], *words[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + (f"{done.returncode}\n" if line != command else "")


def test_the_tour_can_be_followed_in_an_empty_folder() -> None:
    """The text above each file tells its name, every file is used by a command or another file,
    commands in the text are commands of a block, and the first section draws a card.
    """
    page = ROOT / "docs" / "tour.md"
    parts = [block for block in BLOCKS if block.page == page]
    lines = page.read_text(encoding="utf-8").splitlines()
    commands = [c.text for b in parts if b in CONSOLES for c in markdown_cases.commands(b)]
    assert any("render" in c.text for c in markdown_cases.commands(parts[1]))
    above = 0
    for block in parts:
        assert "norun" not in block.options, block.label
        assert block.language == "console" or block.file, f"{block.label}: a file without a name"
        prose = " ".join(lines[above : block.line - 2])
        above = block.line + block.text.count("\n")
        if block.file:
            assert f"`{block.file}`" in prose, f"{block.label}: the text does not name {block.file}"
            used = [*commands, *(b.text for b in parts if b.file and b is not block)]
            name = rf"{re.escape(block.file)}\b|use \./{re.escape(block.file[:-5])}:"
            assert any(re.search(name, text) for text in used), f"{block.label}: nothing uses it"
        for command in re.findall(r"`(archdsl \w+ [^`]*)`", prose):
            assert command in commands, f"{block.label}: {command} is not run"


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (("a", "...", "b"), "a\nb\n", True),
        (("a", "...", "b"), "a\n1\n2\nb\n", True),
        (("a", "...", "b"), "a\n1\n2\n", False),
        (("took ... s",), "took 1.5 s\n", True),
        (("took ... s",), "took 1.5\n2 s\n", False),
        (("a.b",), "axb\n", False),
        ((), "", True),
        ((), "noise\n", False),
        (("...",), "", True),
        (("a", ""), "a   \n\n", True),
    ],
)
def test_console_comparison(expected: tuple[str, ...], printed: str, same: bool) -> None:
    assert markdown_cases.fits(expected, printed) is same


def test_page_reader(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "text\n```arch file=a.arch\nx = 1  # error: [syntax] [unknown-name]\n\n# error: none\n```\n"
        "````\n```arch\n````\n```console\n$ archdsl check a.arch\nfine\n$ archdsl\n```\n"
    )
    spec, quoted, console = markdown_cases.blocks(page)
    assert (spec.line, spec.language, spec.file) == (3, "arch", "a.arch")
    assert markdown_cases.expected_errors(spec.text) == [(1, "syntax"), (1, "unknown-name")]
    assert (quoted.language, quoted.text) == ("", "```arch\n")
    first, second = markdown_cases.commands(console)
    assert (first.text, first.output, first.line) == ("archdsl check a.arch", ("fine",), 11)
    assert (second.text, second.output) == ("archdsl", ())
    page.write_text("```arch\n")
    with pytest.raises(ValueError, match="not closed"):
        list(markdown_cases.blocks(page))
