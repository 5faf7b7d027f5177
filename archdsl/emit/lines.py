"""Statements of the emitted file as records, before they are printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archdsl.emit.names import docstring
from archdsl.emit.spell import Text, spelt
from archdsl.emit.uses import NONE, Use, Uses
from archdsl.record import record


@record
class Line:
    """A statement, and the block of statements that it opens."""

    text: Text
    block: tuple[Line, ...] = ()

    @property
    def uses(self) -> Uses:
        """What the statement and its block use."""
        return self.text.uses.union(*(line.uses for line in self.block))


def line(
    template: str, *parts: object, block: Iterable[Line] = (), uses: Iterable[Use] = ()
) -> Line:
    """A statement of a template, as `spelt` has it."""
    return Line(spelt(template, *parts, uses=uses), tuple(block))


def plain(text: str) -> list[Line]:
    """Lines of a text that uses nothing."""
    return [Line(Text(row)) for row in text.split("\n")]


def definition(
    head: str, inputs: list[str], tail: str, block: Iterable[Line], depth: int = 0
) -> list[Line]:
    """A function, its head broken where it is too long at so many levels of indentation."""
    width, body = 100 - 4 * depth, tuple(block)
    whole = f"{head}{', '.join(inputs)}{tail}"
    if len(whole) <= width:
        return [Line(Text(whole), body)]
    inner = f"    {', '.join(inputs)}"
    rows = [inner] if len(inner) <= width - 1 else [f"    {name}," for name in inputs]
    return [Line(Text(head)), *(Line(Text(row)) for row in rows), Line(Text(tail), body)]


def documented(text: str, depth: int) -> list[Line]:
    """A docstring at so many levels of indentation."""
    indent = "    " * depth
    return [Line(Text(row.removeprefix(indent))) for row in docstring(text, indent)]


def uses_of(lines: Iterable[Line]) -> Uses:
    """What statements use, those in blocks too."""
    return NONE.union(*(line.uses for line in lines))


def printed(lines: Iterable[Line], indent: str = "") -> Iterator[str]:
    """Statements as rows of text."""
    for statement in lines:
        yield f"{indent}{statement.text.text}"
        yield from printed(statement.block, f"{indent}    ")
