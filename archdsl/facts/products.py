"""Sums of products: of queries and keys, of cached entries and a matrix, of anything else."""

from __future__ import annotations

from archdsl.axes import Factor, Plan, factors
from archdsl.dims import Dim, product
from archdsl.facts.known import PLAIN, Kept, Known, Mapped, Part, Piece, Waiting
from archdsl.facts.step import Step
from archdsl.facts.sums import Sizes, names_of
from archdsl.facts.tally import Map, fresh
from archdsl.symbols import TIME

ONE = Dim.number(1)


def einsum(step: Step, plan: Plan, args: list[Known]) -> Known:
    """A sum of products."""
    term = Sizes.of(step, plan)
    if len(args) < 2 or not term.summed:
        return step.anything(args)[0]
    if len(args) == 2 and len(term.keys) == 1:
        (key,) = term.keys
        entries = [i for i in (0, 1) if key in term.names[i] and not term.streams[i]]
        if term.time and len(entries) < 2:
            return pairs(step, term, key, entries[0] if entries else None, args)
        if not term.time and len(entries) == 1 and key in term.right:
            return every_entry(step, term, key, entries[0], args)
    step.tally.count(term.cost())
    return step.anything(args)[0]


def pairs(step: Step, term: Sizes, key: str, entry: int | None, args: list[Known]) -> Known:
    """A product for each pair of a query and a key."""
    parts = [Part(None, cost := term.cost(without=(key,), time=False), cost)]
    kept: tuple[Kept, ...] = ()
    if entry is not None:
        kept = args[entry].kept
        if args[entry].maps:
            ways = absorbed(term, key, entry, args[entry])
            if ways is None:
                step.account.fix(args[entry])
            else:
                parts = ways
    waiting = Waiting(next(step.account.numbers), tuple(parts), term.sizes[key], kept)
    others = tuple(dict.fromkeys(w for known in args for w in known.waiting))
    if key in term.right:
        hidden = [known for known in args if known.hidden is not None]
        return Known(
            hidden=hidden[0].hidden if len(hidden) == 1 else None,
            infinite=len(hidden) == 1 and hidden[0].infinite,
            waiting=(*others, waiting),
        )
    hidden = [known for i, known in enumerate(args) if i != entry and known.hidden is not None]
    seen = hidden[0].hidden if len(hidden) == 1 and not hidden[0].infinite else None
    step.account.settle(step.tally, Known(waiting=(*others, waiting)), seen)
    return PLAIN


def absorbed(term: Sizes, key: str, entry: int, known: Known) -> list[Part] | None:
    """The cost of each piece as written, and with the linear map behind it on the other side;
    None where it cannot be there.
    """
    items, other = term.items[entry], term.names[1 - entry]
    parts = []
    for piece in known.pieces:
        sizes = dict(term.sizes)
        if len(known.pieces) > 1:
            item = items[known.axis]
            if not isinstance(item, Factor):
                return None
            sizes[item.name] = piece.size
        written = term.cost(sizes, (key,), time=False)
        if piece.mapped is None:
            parts.append(Part(None, written, written))
            continue
        names = {f.name for i in piece.mapped.axes for f in factors((items[i],))}
        if key in term.right:  # the map meets the queries: q' = q W
            replaced = {n for n in names if n not in term.right and n in other}
        else:  # it is applied to what is read: W (p c)
            replaced = {n for n in names if n in term.right and n not in other}
        if not replaced:
            return None
        cost = term.cost(sizes, (key, *replaced), time=False) * piece.mapped.source
        parts.append(Part(piece.mapped.number, written, cost))
    return parts


def every_entry(step: Step, term: Sizes, key: str, entry: int, args: list[Known]) -> Known:
    """A linear map of every cached entry."""
    known = args[entry]
    if not known.kept or known.maps:
        step.tally.count(term.cost())
        return step.anything(args)[0]
    for each in args:
        step.account.settle(step.tally, each, None)
    number = next(step.account.numbers)
    written, absorbed = fresh(), fresh()
    written.count(term.cost())
    absorbed.count(term.cost(without=(key,)) * TIME)
    step.account.maps[number] = Map(written, absorbed)
    step.tally.open.add(number)
    own = term.names[entry]
    axes = frozenset(
        i for i, item in enumerate(term.out) if (names := names_of((item,))) and not names & own
    )
    source = product(term.sizes[n] for n in own if n not in term.right)
    mapped = Mapped(number, source, axes)
    return Known(pieces=(Piece(ONE, mapped),), kept=known.kept)
