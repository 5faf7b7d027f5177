"""Blocks that contain themselves, by name: a mistake also where no variant uses them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from archdsl import syntax as s
from archdsl.check.context import declared
from archdsl.check.recurrence import read
from archdsl.check.scope import words
from archdsl.check.values import Block, BlockRef
from archdsl.diagnostic import Diagnostics
from archdsl.symbols import SEEN

MOST_SHOWN = 6
"""Blocks of a circle that a message names."""


def check_recursion(blocks: Iterable[Block], diagnostics: Diagnostics) -> None:
    """Reports every circle of blocks that name one another, once, at the block where it closes."""
    done: set[Block] = set()
    for first in blocks:
        way: dict[Block, Iterator[Block]] = {}
        here: Block | None = None if first in done else first
        while here is not None:
            rest = way.setdefault(here, _named(here))
            inner = next(rest, None)
            if inner is None:
                done.add(here)
                del way[here]
                here = next(reversed(way), None)
            elif inner in way:
                _report(inner, list(way), diagnostics)
            elif inner not in done:
                here = inner


def names_itself(block: Block) -> bool:
    """Whether a block contains itself, directly or through blocks that it names."""
    reached: set[Block] = set()
    pending = list(_named(block))
    while pending:
        inner = pending.pop()
        if inner is block:
            return True
        if inner not in reached:
            reached.add(inner)
            pending.extend(_named(inner))
    return False


def _report(block: Block, way: list[Block], diagnostics: Diagnostics) -> None:
    circle = [b.name for b in way[way.index(block) :]]
    shown = circle if len(circle) <= MOST_SHOWN else [*circle[:MOST_SHOWN], "..."]
    diagnostics.add(
        "recursion",
        f"{block.name} contains itself",
        block.decl.name.span,
        note=" > ".join([*shown, block.name]) if len(circle) > 1 else "",
        help="repeat layers with stack(n * Layer(...))",
    )


def _named(block: Block) -> Iterator[Block]:
    """The blocks that a block names in its body and in the defaults of its settings."""
    decl = block.decl
    own = {x.name.name for x in decl.settings} | {x.name.name for x in declared(decl)}
    own |= {word for setting in decl.settings for word in words(setting.kind)}
    defaults = tuple(s.Result("yield", (x.default,), x.span) for x in decl.settings if x.default)
    axes = {SEEN} | {
        axis.name for x in declared(decl) for axis in x.type.axes if isinstance(axis, s.Name)
    }
    for name in read((*defaults, *decl.body), own):
        value = block.globals.get(name.name)
        if isinstance(value, BlockRef) and (name.name not in axes or _is_applied(name)):
            yield value.block


def _is_applied(name: s.Name) -> bool:
    """Whether a name stands where a block does: before `(`, or behind `|>`."""
    text, at = name.span.source.text, name.span
    before = text[max(0, at.start - 80) : at.start].rstrip()
    return before.endswith("|>") or _CALL.match(text, at.end) is not None


_CALL = re.compile(r"\s*\(")
