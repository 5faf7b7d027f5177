"""Fenced blocks of a Markdown file as test cases.

A documentation page is its own test: prose explains, the blocks run.

    ```arch                     checked as a spec; each line with an error says which:
    y = x |> hed                # error: [unknown-name]
    ```
    ```arch norun               shown only: a fragment
    ```console                  commands and what they print, run one after another in one folder
    $ archdsl check mine.arch
    mine.arch: ...
    ```

In a console block a line that is `...` alone stands for any number of lines, `...` within a line
for any text. A block ```arch file=NAME is checked, and also written to NAME for the console blocks
below it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(?P<marks>`{3,})(?P<info>[^`]*)$")
EXPECTED = re.compile(r"#\s*error:\s*(?P<codes>(?:\[[a-z-]+\]\s*)+)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `line` is the line of its first text in the page, counted from 1."""

    page: Path
    line: int
    language: str
    options: tuple[str, ...]
    text: str

    @property
    def file(self) -> str | None:
        """The name under which console blocks find this text."""
        names = [x.removeprefix("file=") for x in self.options if x.startswith("file=")]
        return names[0] if names else None

    @property
    def label(self) -> str:
        """`page.md:line`, as a test's name."""
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """One `$` line of a console block with the lines that it is said to print."""

    line: int
    text: str
    output: tuple[str, ...]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page in order; an unclosed one is an error of the page."""
    opened: tuple[int, str, list[str]] | None = None
    info, lines = "", page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                info, opened = fence["info"].strip(), (number + 1, fence["marks"], [])
        elif fence and not fence["info"].strip() and len(fence["marks"]) >= len(opened[1]):
            language, *options = info.split() or [""]
            text = "".join(f"{x}\n" for x in opened[2])
            yield Block(page, opened[0], language, tuple(options), text)
            opened = None
        else:
            opened[2].append(line)
    if opened:
        raise ValueError(f"{page.name}:{opened[0]}: this fence is not closed")


def expected_errors(text: str) -> list[tuple[int, str]]:
    """(line, code) of every `# error: [code]` comment, lines counted from 1."""
    return sorted(
        (number, code)
        for number, line in enumerate(text.splitlines(), 1)
        for match in EXPECTED.finditer(line)
        for code in re.findall(r"\[([a-z-]+)\]", match["codes"])
    )


def commands(block: Block) -> list[Command]:
    """The commands of a console block; text before the first one is an error of the page."""
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("$ "):
            found.append(Command(number, line[2:], ()))
        elif found:
            last = found.pop()
            found.append(Command(last.line, last.text, (*last.output, line)))
        elif line.strip():
            raise ValueError(f"{block.label}: a console block begins with `$ command`")
    return found


def fits(expected: tuple[str, ...], actual: str) -> bool:
    """Whether a program printed what a console block shows, `...` standing for anything."""
    pattern = "".join(
        r"(?:[^\n]*\n)*" if line.strip() == "..." else _line_pattern(line.rstrip()) + r"\n"
        for line in _trimmed(list(expected))
    )
    printed = "".join(f"{line.rstrip()}\n" for line in _trimmed(actual.splitlines()))
    return re.fullmatch(pattern, printed) is not None


def _line_pattern(line: str) -> str:
    return r"[^\n]*".join(re.escape(part) for part in line.split("..."))


def _trimmed(lines: list[str]) -> list[str]:
    """Without the blank lines at both ends."""
    full = [i for i, line in enumerate(lines) if line.strip()]
    return lines[full[0] : full[-1] + 1] if full else []
