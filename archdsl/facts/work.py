"""The work of a model as engines run it: FLOPs of matrix products, and what is read of caches.

`walk.py` computes it, and says what is counted.
"""

from __future__ import annotations

from collections.abc import Callable

from archdsl.dims import Dim, substitute
from archdsl.facts.seen import Seen
from archdsl.facts.sizes import BYTES, PART
from archdsl.facts.steps import number
from archdsl.record import record
from archdsl.symbols import BATCH, STREAM

NOTHING = Dim()


@record
class Read:
    """Of each entry of a cache that a query sees, `heads` times `width` numbers; of several sets of
    keys the largest. None is every entry so far, `length` of them.
    """

    heads: int
    width: int
    dtype: str
    seen: tuple[Seen | None, ...]
    length: Dim

    def entries(self, context: int) -> int:
        """How many the last token of a text of so many tokens reads."""
        length = number(substitute(self.length, axes_at(1, context)))
        seen = (length if s is None else s.at(context - 1) for s in self.seen)
        return min(length, max(seen))


@record
class Either:
    """Work that can be done in two ways."""

    written: Work
    absorbed: Work


@record
class Work:
    """What is done for the tokens of one sequence: FLOPs by T and S, FLOPs for each pair of a query
    and a key that it sees, work that can be done in two ways, entries that are read.
    """

    plain: Dim = NOTHING
    pairs: tuple[tuple[Seen, Dim], ...] = ()
    either: tuple[tuple[Dim, Either], ...] = ()
    reads: tuple[tuple[Dim, Read], ...] = ()

    def flops(self, context: int, prefill: bool, written: bool = False) -> int:
        """Of one more token that sees `context` keys, its own included; or of all tokens of a text
        so long. `written`: without the other order, where there is one.
        """
        lengths = axes_at(context if prefill else 1, context)
        total = number(substitute(self.plain, lengths))
        for seen, cost in self.pairs:
            times = seen.total(context) if prefill else seen.at(context - 1)
            total += times * number(substitute(cost, lengths))
        for often, choice in self.either:
            least = choice.written.flops(context, prefill, written)
            if not written:
                least = min(least, choice.absorbed.flops(context, prefill))
            total += least * number(substitute(often, lengths))
        return total

    def read(self, context: int, width: int, devices: int = 1) -> int:
        """What one more token reads of the caches, on one of so many devices, in 32nds of a byte, a
        number of the model's dtype `width` of them.
        """
        total = 0
        for often, read in self.reads:
            each = width if read.dtype == "float" else BYTES[read.dtype] * PART
            times = read.entries(context) * number(substitute(often, axes_at(1, context)))
            total += times * -(-read.heads // devices) * read.width * each
        return total


def axes_at(tokens: int, context: int) -> Callable[[str], Dim]:
    """The lengths of axes for one sequence; what does not stream is as long as the context."""
    lengths = {BATCH: 1, STREAM: tokens}
    return lambda name: Dim.number(lengths.get(name, context))
