"""Work as it is met: a tally for each application, and what is not decided yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from archdsl.dims import Dim
from archdsl.facts.known import Kept, Known, Waiting
from archdsl.facts.seen import Seen, more
from archdsl.facts.work import NOTHING, Either, Read, Work
from archdsl.graph import Model, Module
from archdsl.record import entity, replace
from archdsl.symbols import TIME
from archdsl.types import TensorType

ONE = Dim.number(1)


@entity
class Tally:
    """Work as it is met in one application: FLOPs for each pair of a query and a key that it sees,
    under None those without pairs. `open` are the linear maps of which it is not decided how they
    are computed, `here` the caches that are read. `layers` has what of it the layers do, those that
    are asked for, by the part of the model and the module.
    """

    pairs: dict[Seen | None, Dim]
    either: list[tuple[Dim, Either]]
    reads: list[tuple[Dim, Read]]
    open: set[int]
    here: dict[Kept, dict[Seen | None, None]]
    layers: dict[tuple[str, int], Tally]

    def count(self, cost: Dim, seen: Seen | None = None) -> None:
        """Adds FLOPs."""
        self.pairs[seen] = self.pairs.get(seen, NOTHING) + cost

    def add(self, other: Tally, times: Dim, part: str = "") -> None:
        """What another application does, so often, in a part of the model."""
        for seen, cost in other.pairs.items():
            self.count(cost * times, seen)
        self.either.extend((times * often, choice) for often, choice in other.either)
        self.reads.extend((times * often, read) for often, read in other.reads)
        for (inside, module), own in other.layers.items():
            self.layers.setdefault((inside or part, module), fresh()).add(own, times)

    def as_layer(self, module: int) -> None:
        """All of it is what one layer does."""
        own = fresh()
        self.layers.clear()
        own.add(self, ONE)
        self.layers["", module] = own

    def work(self) -> Work:
        """As a value."""
        counted = ((seen, cost) for seen, cost in self.pairs.items() if cost.terms)
        pairs = tuple((seen, cost) for seen, cost in counted if seen is not None)
        plain = self.pairs.get(None, NOTHING)
        return Work(plain, pairs, tuple(self.either), _joined(self.reads))


def fresh() -> Tally:
    """A tally of nothing yet."""
    return Tally({}, [], [], set(), {}, {})


def _joined(reads: Iterable[tuple[Dim, Read]]) -> tuple[tuple[Dim, Read], ...]:
    """Reads with those alike together."""
    joined: dict[Read, Dim] = {}
    for times, read in reads:
        joined[read] = joined.get(read, NOTHING) + times
    return tuple((times, read) for read, times in joined.items())


@entity
class Map:
    """A linear map of cached entries: its work in both orders."""

    written: Tally
    absorbed: Tally


def _count(tally: Tally, cost: Dim, keys: Dim, seen: Seen | None) -> None:
    """Adds a cost for each pair: of those seen, or of all."""
    tally.count(cost * keys * TIME if seen is None else cost, seen)


def side_of(seen: Seen | None, side: int) -> Seen | None:
    """How many keys of one kind are seen; of all kinds where they are not told apart."""
    return seen.sides[side] if seen is not None and side < len(seen.sides) else seen


@entity
class Account:
    """What is shared by all applications of a model.

    `maps` are the linear maps of cached entries, `fixed` those that are computed as written.
    `settled` says where products are counted, and for how many keys. `numbers` are for what has to
    be told apart.
    """

    model: Model
    maps: dict[int, Map]
    fixed: set[int]
    shapes: dict[tuple[int, TensorType], tuple[Dim, ...]]
    settled: dict[int, tuple[Tally, Seen | None]]
    numbers: Iterator[int]

    def shape(self, module: Module, t: TensorType) -> tuple[Dim, ...]:
        """The axes of a tensor."""
        key = (module.id, t)
        if key not in self.shapes:
            self.shapes[key] = self.model.shape(module, t)
        return self.shapes[key]

    def close(self, tally: Tally, outputs: Sequence[Known]) -> None:
        """Ends an application: decides what nothing outside can change."""
        outside = {mapped.number for known in outputs for mapped in known.maps}
        outside |= {
            part.map
            for known in outputs
            for waiting in known.waiting
            for part in waiting.parts
            if part.map is not None
        }
        for which in sorted(tally.open - outside):
            chosen = self.maps.pop(which)
            if which in self.fixed:
                tally.add(chosen.written, ONE)
            else:
                both = Either(chosen.written.work(), chosen.absorbed.work())
                tally.either.append((ONE, both))
        tally.open.intersection_update(outside)
        for kept, seen in tally.here.items():
            counts = tuple(side_of(count, kept.side) for count in seen)
            read = Read(kept.heads, kept.width, kept.dtype, counts, kept.length)
            tally.reads.append((ONE, read))
        tally.here.clear()

    def settle(self, tally: Tally, known: Known, seen: Seen | None) -> None:
        """Counts the products behind a value, for so many keys of each query."""
        for waiting in known.waiting:
            for kept in waiting.kept:
                tally.here.setdefault(kept, {})[seen] = None
            if waiting.number in self.settled:
                place, before = self.settled[waiting.number]
                if not more(seen, before):
                    continue
                if place is tally:  # what is used twice is computed once, for the most keys
                    self.count(tally, waiting, before, -1)
            self.settled[waiting.number] = tally, seen
            self.count(tally, waiting, seen)

    def count(self, tally: Tally, waiting: Waiting, seen: Seen | None, times: int = 1) -> None:
        """Adds a product, in both orders where a linear map is behind it."""
        for part in waiting.parts:
            if part.map is None or part.map not in self.maps:
                _count(tally, part.written * times, waiting.keys, seen)
            else:
                ways = self.maps[part.map]
                _count(ways.written, part.written * times, waiting.keys, seen)
                _count(ways.absorbed, part.absorbed * times, waiting.keys, seen)

    def fix(self, known: Known) -> None:
        """The linear maps of which a value is the result are computed as written."""
        self.fixed.update(mapped.number for mapped in known.maps)

    def end(self, tally: Tally, known: Known) -> Known:
        """What is known of a value where it goes through many applications."""
        self.settle(tally, known, known.hidden)
        self.fix(known)
        if not known.waiting and not known.pieces:
            return known
        return replace(known, waiting=(), pieces=())
