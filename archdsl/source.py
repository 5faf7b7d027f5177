"""Text with a name, and places in it.

A `Source` is one file as it was read; a `Span` is a half-open range of its characters. Everything
that is built from text keeps its span, so that a message can always point at the cause.

    >>> source = Source("a.arch", "use std.core: Linear\\nblock A")
    >>> source.position(21)
    (2, 1)
"""

from __future__ import annotations

import errno
import os
import stat
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from archdsl.record import record

MAX_BYTES = 500_000
"""A spec longer than this is refused: the largest real ones have a few kilobytes."""


def contents(path: Path) -> bytes:
    """The bytes of a file; of one that is too long the first MAX_BYTES + 1.

    Raises OSError where it cannot be read, and for what is no file: a pipe may never end.
    """
    try:
        # Opened first and asked then, so that it is one and the same. Without O_NONBLOCK opening a
        # pipe waits for somebody who writes to it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except ValueError as error:
        raise OSError(errno.EINVAL, "a null character in its name") from error
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device; - reads standard input")
        with open(handle, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Source:
    """The text of one spec. `name` is what messages call it, `path` where it lies (None: standard
    input).
    """

    name: str
    text: str
    path: Path | None = None
    starts: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        starts = [0]
        starts.extend(i + 1 for i, c in enumerate(self.text) if c == "\n")
        object.__setattr__(self, "starts", tuple(starts))

    def __repr__(self) -> str:
        return f"<text of {self.name[-60:]!r}>"

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both counted from 1."""
        line = bisect_right(self.starts, offset) - 1
        return line + 1, offset - self.starts[line] + 1

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its line break."""
        start = self.starts[number - 1]
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")


@record
class Span:
    """Characters `start` to `end` (exclusive) of a source."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        """The line on which the span begins, counted from 1."""
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        """The column at which the span begins, counted from 1."""
        return self.source.position(self.start)[1]

    @property
    def text(self) -> str:
        """What stands there."""
        return self.source.text[self.start : self.end]

    def within(self, other: Span) -> bool:
        """Whether it is a part of another span."""
        return self.source is other.source and other.start <= self.start and self.end <= other.end

    def to(self, other: Span) -> Span:
        """From the beginning of this span to the end of another one."""
        return Span(self.source, self.start, other.end)
