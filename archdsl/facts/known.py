"""What the walk over a model's work knows of a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archdsl.dims import Dim
from archdsl.facts import seen as masks
from archdsl.facts.seen import Line, Mask, Seen
from archdsl.record import record
from archdsl.symbols import SEEN, TIME


@record
class Mapped:
    """A linear map of each cached entry, of `source` numbers each. `axes` of the value are its
    results.
    """

    number: int
    source: Dim
    axes: frozenset[int]


@record
class Piece:
    """A part of a value along one axis, of so many entries there."""

    size: Dim
    mapped: Mapped | None


@record
class Kept:
    """A cache, by a number of its own: what one entry holds, and how many entries there are. `side`
    tells which keys they are where several kinds lie side by side.
    """

    number: int
    heads: int
    width: int
    dtype: str
    length: Dim
    side: int = 0


@record
class Part:
    """FLOPs for a pair of a query and a key, as written and where the linear map of that number is
    absorbed.
    """

    map: int | None
    written: Dim
    absorbed: Dim


@record
class Waiting:
    """A product of queries and keys, of which a mask may yet say that pairs are not needed."""

    number: int
    parts: tuple[Part, ...]
    keys: Dim
    kept: tuple[Kept, ...]


@record
class Known:
    """What is known of a value.

    `line`: it is a number of positions. `mask`: the keys for which it is true. `hidden`: how many
    keys have a part in it; the others are 0, or minus infinity where it is `infinite`. `waiting`:
    products that it is computed from. `pieces` lie side by side along `axis`. `kept`: caches that
    it comes from.
    """

    line: Line | None = None
    mask: Mask | None = None
    hidden: Seen | None = None
    infinite: bool = False
    waiting: tuple[Waiting, ...] = ()
    axis: int = 0
    pieces: tuple[Piece, ...] = ()
    kept: tuple[Kept, ...] = ()

    @property
    def numbered(self) -> bool:
        """Whether what is known belongs to one application alone."""
        return bool(self.waiting or self.kept)

    @property
    def maps(self) -> tuple[Mapped, ...]:
        """The linear maps whose results it is."""
        return tuple(piece.mapped for piece in self.pieces if piece.mapped is not None)


PLAIN = Known()
LENGTH = 1 << 62
LONG = Known(line=Line(LENGTH))
"""As many as there are tokens: more than any position."""
HIDDEN = Known(infinite=True)
"""Minus infinity, the score of a key that is hidden."""


def has_keys(shape: Iterable[Dim]) -> bool:
    """Whether a tensor has an axis of tokens seen."""
    return any(SEEN in axis.symbols() for axis in shape)


def position(axis: Dim) -> Known:
    """Positions along an axis: of queries, or of keys."""
    if axis == TIME:
        return Known(line=Line(query=1))
    return Known(line=Line(key=1)) if SEEN in axis.symbols() else PLAIN


def computed(op: str, args: Sequence[Known]) -> tuple[Line | None, Mask | None]:
    """What an operation makes of positions and masks."""
    match op, [known.line for known in args]:
        case "and", _:
            return None, masks.both(args[0].mask, args[1].mask)
        case "or", _:
            return None, masks.either(args[0].mask, args[1].mask)
        case "add" | "subtract" as sign, [Line() as a, Line() as b]:
            return masks.add(a, b, 1 if sign == "add" else -1), None
        case "multiply", [Line() as a, Line() as b]:
            return masks.multiply(a, b), None
        case "remainder", [Line() as a, Line() as b]:
            return masks.remainder(a, b), None
        case "divide", [Line() as a, Line() as b]:
            return masks.quotient(a, b), None
        case "floor", [Line() as a]:
            return a, None
        case "minimum", [Line() as a, Line() as b]:
            return (a if b.start >= LENGTH // 2 else b if a.start >= LENGTH // 2 else None), None
        case _, [Line() as a, Line() as b]:
            return None, masks.compared(op, a, b)
    return None, None
