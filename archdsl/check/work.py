"""A bound on the work that one spec makes, in steps: the same text is refused on any machine.

    with bounded(source):
        ...                       evaluates expressions; raises TooMuch after MAX_STEPS of them

Limits on single things, a list or a stack, do not bound what many of them take together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from archdsl.dims import TooLarge
from archdsl.source import Source, Span

MAX_STEPS = 120_000
"""Expressions that are evaluated for one file, with all its variants; the largest real ones take a
tenth.
"""


class TooMuch(TooLarge):
    """Raised where a spec takes more steps than it may; `span` is what was being evaluated, or the
    last of the spec itself where that is in another file.
    """

    def __init__(self, span: Span) -> None:
        super().__init__("too many steps")
        self.span = span


@dataclass(slots=True)
class _Budget:
    left: int
    source: Source
    last: Span | None = None


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def bounded(source: Source) -> Iterator[None]:
    """Bounds the steps of everything inside, for the spec of a source."""
    token = _budget.set(_Budget(MAX_STEPS, source))
    try:
        yield
    finally:
        _budget.reset(token)


def step(span: Span, count: int = 1) -> None:
    """Counts steps. Raises TooMuch where none are left."""
    budget = _budget.get()
    if budget is not None:
        budget.left -= count
        if span.source is budget.source:
            budget.last = span
        if budget.left < 0:
            raise TooMuch(budget.last or span)
