"""Axes patterns after their names are resolved: the recipe of a rearrangement, apart from its
execution.

`rearrange[B T (heads (k + v)) -> B heads T k, B heads T v]` becomes terms of factors, each with a
name and a dimension. A `Cut` is a place where one axis is several pieces that lie side by side.

    >>> h = Factor("h", Dim.symbol("h"))
    >>> str(Merge((h, Cut(((h,), (h,))))))
    '(h (h + h))'
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.dims import Dim, product
from archdsl.record import record


@record
class Factor:
    """A named axis, or a literal 1 (its name is the digit)."""

    name: str
    dim: Dim

    def __str__(self) -> str:
        return self.name


@record
class RestFactor:
    """`...`: `count` axes, where that is known."""

    name: str = "..."

    def __str__(self) -> str:
        return "..."


@record
class Merge:
    """Several axes in one, outermost first."""

    items: tuple[Item, ...]

    def __str__(self) -> str:
        return f"({' '.join(map(str, self.items))})"


@record
class Cut:
    """Pieces side by side along one axis."""

    parts: tuple[tuple[Item, ...], ...]

    def __str__(self) -> str:
        return f"({' + '.join(' '.join(map(str, p)) for p in self.parts)})"


Item = Factor | RestFactor | Merge | Cut
Side = tuple[tuple[Item, ...], ...]


@record
class Plan:
    """Operands on the left, results on the right; `kept` tells which results are not discarded."""

    left: Side
    right: Side
    discarded: frozenset[int] = frozenset()

    def __str__(self) -> str:
        left = ", ".join(" ".join(map(str, t)) for t in self.left)
        right = ", ".join(
            "_" if i in self.discarded else " ".join(map(str, t)) for i, t in enumerate(self.right)
        )
        return f"{left} -> {right}" if self.right else left


def size(item: Item) -> Dim:
    """The length of an axis as the operand has it; raises TypeError for `...`."""
    match item:
        case Factor(_, d):
            return d
        case Merge(items):
            return product(size(i) for i in items)
        case Cut(parts):
            total = Dim()
            for part in parts:
                total = total + product(size(i) for i in part)
            return total
    raise TypeError("`...` has no single size")


def factors(items: tuple[Item, ...]) -> tuple[Factor | RestFactor, ...]:
    """The innermost factors in order; a cut counts as its first piece's."""
    flat: list[Factor | RestFactor] = []
    for item in items:
        match item:
            case Merge(inner):
                flat.extend(factors(inner))
            case Cut(parts):
                flat.extend(factors(parts[0]))
            case _:
                flat.append(item)
    return tuple(flat)


def cuts(items: tuple[object, ...]) -> Iterator[Cut]:
    """The places of terms where one axis is several pieces, those inside pieces too."""
    for item in items:
        match item:
            case Cut(parts):
                yield item
                yield from cuts(parts)
            case Merge(inner):
                yield from cuts(inner)
            case tuple():
                yield from cuts(item)


def pieces(items: tuple[Item, ...]) -> tuple[tuple[Item, ...], ...]:
    """The term once for each piece of its cut; a term without one is its only piece."""
    for i, item in enumerate(items):
        match item:
            case Cut(parts):
                return tuple((*items[:i], _one(part), *items[i + 1 :]) for part in parts)
            case Merge(inner):
                split = pieces(inner)
                if len(split) > 1:
                    return tuple((*items[:i], Merge(s), *items[i + 1 :]) for s in split)
    return (items,)


def _one(part: tuple[Item, ...]) -> Item:
    return part[0] if len(part) == 1 else Merge(part)
