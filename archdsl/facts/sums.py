"""Sums of products and rearrangements, axis by axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from archdsl.axes import Cut, Factor, Item, Merge, Plan, RestFactor, factors
from archdsl.dims import Dim, product
from archdsl.facts.known import Mapped
from archdsl.facts.step import Step
from archdsl.record import record, replace
from archdsl.symbols import SEEN, TIME


@record
class Sizes:
    """The axes of a sum of products: of each operand and of the result item by item, `...` written
    out, with the length of each name.
    """

    items: tuple[tuple[Item, ...], ...]
    out: tuple[Item, ...]
    names: tuple[frozenset[str], ...]
    right: frozenset[str]
    sizes: Mapping[str, Dim]

    @staticmethod
    def of(step: Step, plan: Plan) -> Sizes:
        """Those of one node."""
        rest: tuple[Item, ...] = ()
        for arg, left in enumerate(plan.left):
            if has_rest(left):
                shape, place = step.axes(arg), left.index(RestFactor())
                length = len(shape) - len(left) + 1
                rest = tuple(
                    Factor(f"...{i}", d) for i, d in enumerate(shape[place : place + length])
                )
        items = tuple(written_out(left, rest) for left in plan.left)
        out = written_out(plan.right[0], rest)
        sizes = {
            f.name: step.dim(f.dim)
            for item in items
            for f in factors(item)
            if isinstance(f, Factor)
        }
        sizes |= {f.name: f.dim for f in rest if isinstance(f, Factor)}
        return Sizes(items, out, tuple(map(names_of, items)), names_of(out), sizes)

    @property
    def summed(self) -> bool:
        """Whether anything is summed."""
        return not set(self.sizes) <= self.right

    @property
    def time(self) -> frozenset[str]:
        """The axes of the tokens that come in."""
        return frozenset(name for name, d in self.sizes.items() if d == TIME)

    @property
    def streams(self) -> tuple[bool, ...]:
        """Which operands have one."""
        return tuple(bool(names & self.time) for names in self.names)

    @property
    def keys(self) -> tuple[str, ...]:
        """The axes of the tokens seen."""
        return tuple(name for name, d in self.sizes.items() if SEEN in d.symbols())

    def cost(
        self,
        sizes: Mapping[str, Dim] | None = None,
        without: Sequence[str] = (),
        time: bool = True,
    ) -> Dim:
        """2 FLOPs for each multiply-add, without some axes."""
        left_out = set(without) if time else {*without, *self.time}
        lengths = self.sizes if sizes is None else sizes
        counted = (d for name, d in lengths.items() if name not in left_out)
        return product(counted) * 2 * (len(self.items) - 1)


def written_out(items: tuple[Item, ...], rest: tuple[Item, ...]) -> tuple[Item, ...]:
    """A side of a pattern with its `...` as axes."""
    out: list[Item] = []
    for item in items:
        if isinstance(item, RestFactor):
            out += rest
        else:
            out.append(item)
    return tuple(out)


def has_rest(items: tuple[Item, ...]) -> bool:
    """Whether `...` stands in a side of a pattern."""
    return any(isinstance(item, RestFactor) for item in items)


def names_of(items: Iterable[Item]) -> frozenset[str]:
    """The names of axes, those inside merged and cut ones too; a written 1 has none."""
    names: set[str] = set()
    for item in items:
        match item:
            case Factor(name):
                names |= set() if name.isdigit() else {name}
            case Merge(inner):
                names |= names_of(inner)
            case Cut(parts):
                names |= names_of(x for part in parts for x in part)
    return frozenset(names)


def alone(item: Item) -> Item:
    """What stands alone in brackets."""
    while isinstance(item, Merge) and len(item.items) == 1:
        item = item.items[0]
    return item


def after(mapped: Mapped | None, left: tuple[Item, ...], right: tuple[Item, ...]) -> Mapped | None:
    """Which axes are results of a map after a rearrangement."""
    if mapped is None:
        return None
    own = names_of(left[i] for i in mapped.axes)
    axes = (i for i, item in enumerate(right) if (names := names_of((item,))) and names <= own)
    return replace(mapped, axes=frozenset(axes))
