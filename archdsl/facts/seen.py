"""How many keys a query sees, from the masks of a spec.

A mask compares positions, so what it leaves of the keys is said in closed form:

    query >= key                        t + 1 keys for the query at position t
    and query - key < w                 min(t + 1, w)
    (entry + 1) * m <= query + 1        (t + 1) // m entries
    top_mask[... S](score, k) and ...   min(t + 1, k)

`Line` is what is known of a number of positions, `Keys` one set of keys, and a mask is several of
them, any of which lets a key through. `Seen` counts. Where sets overlap the count is too large and
never too small; where a mask cannot be told it is None, and every key counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from archdsl.record import record, replace

MOST_SETS = 8
"""A mask of more sets of keys is not told."""


@record
class Line:
    """`start + query * q + key * k`, and multiples of floors: `times * ((q + shift) // size)` for
    (size, shift, times) of `q_floors`, `times * (k // size)` for (size, times) of `k_floors`.
    """

    start: int = 0
    query: int = 0
    key: int = 0
    q_floors: tuple[tuple[int, int, int], ...] = ()
    k_floors: tuple[tuple[int, int], ...] = ()


@record
class Term:
    """`times * min((t + shift) // every, most)`, at least 0, for the query at position t."""

    times: int = 1
    every: int = 1
    shift: int = 1
    most: int | None = None

    def at(self, t: int) -> int:
        """For one query."""
        count = max(0, t + self.shift) // self.every
        return self.times * (count if self.most is None else min(count, self.most))

    def total(self, tokens: int) -> int:
        """The sum over the queries at 0, 1, ... tokens - 1."""
        first, end = self.shift, self.shift + tokens
        if self.most is None:
            return self.times * (_floors(end, self.every) - _floors(first, self.every))
        full = self.most * self.every
        rising = _floors(min(end, full), self.every) - _floors(min(first, full), self.every)
        return self.times * (rising + self.most * max(0, end - max(first, full, 0)))


def _floors(end: int, size: int) -> int:
    """The sum of x // size for x in 0, 1, ... end - 1."""
    times, rest = divmod(max(0, end), size)
    return size * (times * (times - 1) // 2) + rest * times


@record
class Seen:
    """How many keys the query at position t sees: the sum of terms. `sides` are the counts of keys
    of several kinds that lie side by side.
    """

    terms: tuple[Term, ...]
    sides: tuple[Seen, ...] = ()

    def at(self, t: int) -> int:
        """For one query."""
        return sum(term.at(t) for term in self.terms)

    def total(self, tokens: int) -> int:
        """For all queries of a text of so many tokens."""
        return sum(term.total(tokens) for term in self.terms)

    def at_most(self, most: int) -> Seen:
        """As many, but no more than `most`."""
        if len(self.terms) == 1 and self.terms[0].times == 1:
            (term,) = self.terms
            return Seen((replace(term, most=_least(term.most, most)),))
        return Seen((Term(most=most),))

    def times(self, factor: int) -> Seen:
        """So many for each."""
        return Seen(tuple(replace(t, times=t.times * factor) for t in self.terms))

    def plus(self, other: Seen) -> Seen:
        """Those and others."""
        return Seen((*self.terms, *other.terms))


def side_by_side(counts: Sequence[Seen]) -> Seen:
    """How many keys of several kinds together."""
    if len(counts) == 1:
        return counts[0]
    return Seen(tuple(term for count in counts for term in count.terms), tuple(counts))


def more(a: Seen | None, b: Seen | None) -> bool:
    """Whether the first lets more keys through, None being all, where the text is long."""
    if a is None or b is None:
        return b is not None
    return a.at(_FAR) > b.at(_FAR)


_FAR = (1 << 40) - 1

ALL_BEFORE = Seen((Term(),))
"""A query sees itself and all before it."""


@record
class Keys:
    """A set of keys: `size * key <= query + reach`, key < `end`, key >= `begin`, one of `every`.

    `counted` is how many there are of those that the text itself chooses; the rest then does not
    matter.
    """

    reach: int | None = None
    size: int = 1
    end: int | None = None
    begin: Line | None = None
    every: int = 1
    counted: Seen | None = None

    def seen(self) -> Seen | None:
        """How many; None where there is no end to them."""
        if self.counted is not None:
            return self.counted
        if self.reach is None:
            return None if self.end is None else Seen((Term(most=-(-self.end // self.every)),))
        shift = self.reach + self.size
        most = None if self.end is None else -(-self.end // self.every)
        if self.size > 1 or self.begin is None:
            return Seen((Term(1, self.size * self.every, shift, most),))
        if self.begin.query == 1 and not self.begin.q_floors:
            width = max(0, self.reach - self.begin.start + 1)
            return Seen((Term(1, self.every, shift, _least(most, -(-width // self.every))),))
        if self.begin.query == 0 and self.every == 1 and most is None:
            before = (Term(-by, size, moved) for size, moved, by in self.begin.q_floors)
            return Seen((Term(1, 1, shift - self.begin.start), *before))
        return Seen((Term(1, self.every, shift, most),))


Mask = tuple[Keys, ...]


def count(mask: Mask) -> Seen | None:
    """How many keys a mask lets through; None where that is not known."""
    total: Seen | None = None
    for keys in mask:
        seen = keys.seen()
        if seen is None:
            return None
        total = seen if total is None else total.plus(seen)
    return total


def chosen(seen: Seen) -> Mask:
    """The mask of keys of which only the number is known."""
    return (Keys(counted=seen),)


def either(a: Mask | None, b: Mask | None) -> Mask | None:
    """What one of two masks lets through."""
    if a is None or b is None or len(a) + len(b) > MOST_SETS:
        return None
    return (*a, *b)


def both(a: Mask | None, b: Mask | None) -> Mask | None:
    """What two masks let through; of one that is not known, what the other does."""
    if a is None or b is None:
        return a if b is None else b
    if len(a) * len(b) > MOST_SETS:
        return a
    return tuple(_common(x, y) for x in a for y in b)


def _common(a: Keys, b: Keys) -> Keys:
    if a.counted is not None or b.counted is not None:
        return a if a.counted is not None else b
    first, second = (a, b) if a.reach is not None else (b, a)
    reach, size = first.reach, first.size
    if first.reach is not None and second.reach is not None:
        if first.size == second.size:
            reach = min(first.reach, second.reach)
        elif second.size > first.size:
            reach, size = second.reach, second.size
    return Keys(
        reach=reach,
        size=size,
        end=_least(a.end, b.end),
        begin=a.begin if b.begin is None or a.begin is not None else b.begin,
        every=max(a.every, b.every),
    )


def _least(a: int | None, b: int | None) -> int | None:
    if a is None or b is None:
        return a if b is None else b
    return min(a, b)


# --- from positions to masks ----------------------------------------------------------------------


def add(a: Line, b: Line, times: int = 1) -> Line:
    """`a + times * b`."""
    q_floors: dict[tuple[int, int], int] = {}
    k_floors: dict[int, int] = {}
    for line, factor in ((a, 1), (b, times)):
        for size, shift, by in line.q_floors:
            q_floors[size, shift] = q_floors.get((size, shift), 0) + by * factor
        for size, by in line.k_floors:
            k_floors[size] = k_floors.get(size, 0) + by * factor
    return Line(
        a.start + times * b.start,
        a.query + times * b.query,
        a.key + times * b.key,
        tuple((*place, by) for place, by in q_floors.items() if by),
        tuple((size, by) for size, by in k_floors.items() if by),
    )


def multiply(a: Line, b: Line) -> Line | None:
    """The product with a number."""
    for one, other in ((a, b), (b, a)):
        if number(other) is not None:
            return add(Line(), one, other.start)
    return None


def number(line: Line) -> int | None:
    """The number that a line is everywhere."""
    return line.start if line == Line(line.start) else None


def remainder(a: Line, b: Line) -> Line | None:
    """`a % b` for a position and a number: `a - b * (a // b)`."""
    size = number(b)
    if size is None or size < 1 or a.q_floors or a.k_floors:
        return None
    if (a.query, a.key) == (1, 0):
        return add(a, Line(q_floors=((size, a.start, size),)), -1)
    if (a.start, a.query, a.key) == (0, 0, 1):
        return add(a, Line(k_floors=((size, size),)), -1)
    return None


def quotient(a: Line, b: Line) -> Line | None:
    """A line divided by a number, where nothing is left over."""
    by = number(b)
    parts = (a.start, a.query, a.key, *(x for *_, x in a.q_floors), *(x for _, x in a.k_floors))
    if by is None or by < 1 or any(part % by for part in parts):
        return None
    return Line(
        a.start // by,
        a.query // by,
        a.key // by,
        tuple((size, shift, x // by) for size, shift, x in a.q_floors),
        tuple((size, x // by) for size, x in a.k_floors),
    )


def compared(op: str, a: Line, b: Line) -> Mask | None:
    """The keys for which `a op b` holds."""
    match op:
        case "less_equal":
            return _at_least(add(b, a, -1))
        case "less":
            return _at_least(add(add(b, a, -1), Line(-1)))
        case "greater_equal" | "greater":
            return compared("less_equal" if op == "greater_equal" else "less", b, a)
        case "equal":
            return _every(add(a, b, -1))
    return None


def _at_least(line: Line) -> Mask | None:
    """The keys for which a line is at least 0."""
    if line.k_floors:
        return None
    if line.key < 0 and not line.q_floors:
        if line.query == 1:
            return (Keys(reach=line.start, size=-line.key),)
        if line.query == 0:
            return (Keys(end=max(0, line.start // -line.key + 1)),)
    if line.key == 1 and line.query in (0, -1):
        return (Keys(begin=add(Line(), replace(line, key=0), -1)),)
    return None


def _every(line: Line) -> Mask | None:
    """The last key of every few: `key % size == size - 1`."""
    match line:
        case Line(start, 0, 1, (), ((size, by),)) if by == -size and start == 1 - size:
            return (Keys(every=size),)
    return None


def alike(line: Line) -> int | None:
    """How many keys have one value of a line that falls and rises with keys alone."""
    match line:
        case Line(_, 0, 0, (), ((size, by),)) if by:
            return size
        case Line(_, 0, key, (), ()) if key:
            return 1
    return None
