"""Comments while a file is printed: each is handed out once, in order, where it stood.

A comment stands before something on lines of its own, or behind something at the end of its line.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from archdsl.source import Source, Span
from archdsl.syntax import Comment

_NEXT = re.compile(r"[ \t]*,?[ \t]*\Z")
_BLANK = re.compile(r"\n[ \t]*\n")


class Comments:
    """The comments that are left, and where the part of the text ends that has been printed."""

    def __init__(self, source: Source, comments: tuple[Comment, ...]) -> None:
        self.text = source.text
        self.left = comments
        self.starts = [c.span.start for c in comments]
        self.number = 0
        self.end = 0

    def before(self, position: int) -> list[str]:
        """The comments up to a position."""
        first, self.number = self.number, max(self.number, bisect_left(self.starts, position))
        return [c.text.rstrip() for c in self.left[first : self.number]]

    def leading(self, position: int) -> list[str]:
        """As `before`, with "" for an empty line before a comment or before the position."""
        lines = []
        while self.number < len(self.left) and self.starts[self.number] < position:
            comment = self.left[self.number]
            lines += [""] if self.blank(comment.span.start) else []
            lines.append(comment.text.rstrip())
            self.number, self.end = self.number + 1, comment.span.end
        return [*lines, ""] if self.blank(position) else lines

    def blank(self, position: int) -> bool:
        """Whether an empty line lies between what was printed and a position."""
        return _BLANK.search(self.text, self.end, position) is not None

    def behind(self, end: int) -> str:
        """The comment on the same line right behind a position, or an empty string."""
        if self.number >= len(self.left):
            return ""
        comment = self.left[self.number]
        if comment.span.start < end or not _NEXT.match(self.text, end, comment.span.start):
            return ""
        self.number, self.end = self.number + 1, max(self.end, comment.span.end)
        return comment.text.rstrip()

    def within(self, span: Span) -> bool:
        """Whether a comment that is left stands inside a span."""
        return self.number < len(self.left) and span.start <= self.starts[self.number] < span.end

    def find(self, mark: str, position: int) -> int:
        """The first place of a character from a position on that is in no comment."""
        while self.text[position] != mark:
            number = bisect_left(self.starts, position)
            inside = number < len(self.starts) and self.starts[number] == position
            position = self.left[number].span.end if inside else position + 1
        return position
