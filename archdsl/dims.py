"""Dimensions: integer polynomials in a normal form, and what can be said of two of them.

A `Dim` is a sum of terms, each an integer times a product of atoms; an atom is a named axis or
setting, or an opaque quotient or remainder. Two dimensions are EQUAL when their difference is zero,
DIFFERENT when it cannot be zero for values of at least 1, and UNKNOWN otherwise.

    >>> heads, d_head = Dim.symbol("heads"), Dim.symbol("d_head")
    >>> str(heads * d_head * 2 + 1)
    '2 * d_head * heads + 1'

`//` and `%` are opaque, but for the rewrites that a known divisibility licenses: with a % b == 0,
b * (a // b) is a. Python's `==` on a `Dim` is equality of text, never provable equality: use
`compare`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache, reduce

from archdsl.record import record

Verdict = Enum("Verdict", ["EQUAL", "DIFFERENT", "UNKNOWN"])
EQUAL, DIFFERENT, UNKNOWN = Verdict.EQUAL, Verdict.DIFFERENT, Verdict.UNKNOWN


MAX_TERMS = 1000
MAX_BITS = 512
MAX_POWER = 256
MAX_OPAQUE = 200
"""Bounds on a normal form: terms of a sum, bits of a coefficient, powers, nested quotients."""


class TooLarge(ArithmeticError):
    """Raised where a normal form would pass a bound; real models stay below a hundredth of each."""


@dataclass(frozen=True, slots=True, order=True)
class Opaque:
    """`a // b`, `a % b`, `max(a, b)` or `min(a, b)`, when it could not be computed."""

    op: str
    a: Dim
    b: Dim
    size: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        size = 1 + _opaque(self.a) + _opaque(self.b)
        if size > MAX_OPAQUE:
            raise TooLarge("a dimension with too many quotients inside quotients")
        object.__setattr__(self, "size", size)

    def __str__(self) -> str:
        if self.op in ("max", "min"):
            return f"{self.op}({self.a}, {self.b})"
        return f"({_factor(self.a)} {self.op} {_factor(self.b)})"


Atom = str | Opaque
Monomial = tuple[tuple[Atom, int], ...]


def _key(atom: Atom) -> tuple[int, str]:
    return (isinstance(atom, Opaque), str(atom))


@dataclass(frozen=True, slots=True, order=True)
class Dim:
    """A polynomial: sorted pairs of (monomial, coefficient), no zero coefficients."""

    terms: tuple[tuple[Monomial, int], ...] = ()
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(self.terms))

    def __hash__(self) -> int:
        return self._hash

    @staticmethod
    @lru_cache(2048)
    def number(value: int) -> Dim:
        return Dim((((), value),) if value else ())

    @staticmethod
    @lru_cache(2048, typed=True)  # a symbol of a model is a text of another type
    def symbol(name: str) -> Dim:
        return Dim(((((name, 1),), 1),))

    @property
    def value(self) -> int | None:
        """The integer, if the dimension is one."""
        match self.terms:
            case ():
                return 0
            case (((), value),):
                return value
        return None

    @property
    def name(self) -> str | None:
        """The name, if the dimension is a single symbol."""
        match self.terms:
            case ((((str(name), 1),), 1),):
                return name
        return None

    def symbols(self) -> frozenset[str]:
        """All names in it, those inside quotients included."""
        names: set[str] = set()
        for monomial, _ in self.terms:
            for atom, _ in monomial:
                if isinstance(atom, Opaque):
                    names |= atom.a.symbols() | atom.b.symbols()
                else:
                    names.add(atom)
        return frozenset(names)

    def __add__(self, other: Dim | int) -> Dim:
        addend = dim(other)
        if not addend.terms:
            return self
        return _collect([*self.terms, *addend.terms]) if self.terms else addend

    def __sub__(self, other: Dim | int) -> Dim:
        less = dim(other)
        if self.terms == less.terms:
            return Dim.number(0)
        return _collect([*self.terms, *((m, -c) for m, c in less.terms)])

    def __mul__(self, other: Dim | int) -> Dim:
        """The product; raises TooLarge."""
        factor = dim(other)
        if factor.value == 1:
            return self
        if len(self.terms) * len(factor.terms) > 4 * MAX_TERMS:
            raise TooLarge("a product of long sums")
        return _collect([(_times(m, n), a * b) for m, a in self.terms for n, b in factor.terms])

    def __floordiv__(self, other: Dim | int) -> Dim:
        """The quotient; raises ZeroDivisionError for a divisor that is the number 0."""
        return _divide("//", self, dim(other))

    def __mod__(self, other: Dim | int) -> Dim:
        """The remainder; raises ZeroDivisionError for a divisor that is the number 0."""
        return _divide("%", self, dim(other))

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        # The constant comes last, as people write it.
        ordered = [*(t for t in self.terms if t[0]), *(t for t in self.terms if not t[0])]
        text = ""
        for monomial, coefficient in ordered:
            body = _product(monomial, abs(coefficient))
            sign = " - " if coefficient < 0 else " + "
            text += (("-" if coefficient < 0 else "") if not text else sign) + body
        return text


def dim(value: Dim | int) -> Dim:
    """An integer as a dimension; a dimension as it is."""
    return value if isinstance(value, Dim) else Dim.number(value)


def product(dims: Iterable[Dim]) -> Dim:
    """The product of dimensions; 1 for none."""
    factors = iter(dims)
    return reduce(lambda a, b: a * b, factors, next(factors, Dim.number(1)))


def extreme(op: str, a: Dim, b: Dim) -> Dim:
    """`max(a, b)` or `min(a, b)`, computed where both are numbers or provably ordered."""
    gap = (a - b).value
    if gap is not None:
        return a if (gap >= 0) == (op == "max") else b
    first, second = sorted((a, b), key=str)
    return Dim((((((Opaque(op, first, second)), 1),), 1),))


def substitute(d: Dim, values: Mapping[str, Dim] | Callable[[str], Dim | None]) -> Dim:
    """The dimension with symbols replaced; a symbol without a value stays.

    Raises ZeroDivisionError when a divisor becomes 0.
    """
    look = values if callable(values) else values.get
    match d.terms:  # most dimensions are a number or a name
        case () | (((), _),):
            return d
        case ((((str(name), 1),), 1),):
            value = look(name)
            return d if value is None else value
    number = _number(d, look)
    if number is not None:
        return number
    out: list[tuple[Monomial, int]] = []
    for monomial, coefficient in d.terms:
        factors = [f for atom, power in monomial for f in power * [_replace(atom, look)]]
        part = product(factors)
        out.extend((part if coefficient == 1 else part * coefficient).terms)
    return _collect(out)


def _number(d: Dim, look: Callable[[str], Dim | None]) -> Dim | None:
    """A polynomial of names whose values are numbers, as a number; None for any other."""
    total = 0
    for monomial, coefficient in d.terms:
        for atom, power in monomial:
            value = look(atom) if isinstance(atom, str) else None
            number = None if value is None else value.value
            if number is None:
                return None
            coefficient *= number**power
            if coefficient.bit_length() > MAX_BITS:
                raise TooLarge("a number of too many digits")
        total += coefficient
    return Dim.number(total)


def _replace(atom: Atom, look: Callable[[str], Dim | None]) -> Dim:
    if isinstance(atom, Opaque):
        a, b = substitute(atom.a, look), substitute(atom.b, look)
        if atom.op in ("//", "%"):
            return _divide(atom.op, a, b)
        return extreme(atom.op, a, b)
    value = look(atom)
    return Dim.symbol(atom) if value is None else value


def lowest(a: Dim, b: Dim) -> tuple[Dim, Dim]:
    """Two dimensions without the number that divides both."""
    common = math.gcd(*(factor for d in (a, b) for _, factor in d.terms))
    return (a // common, b // common) if common > 1 else (a, b)


def divides(b: Dim, a: Dim, facts: Assumptions) -> bool:
    """Whether b is known to divide a: directly, without a number that divides both, or by way of a
    dimension that a `where` shows to be divided by b.
    """
    if (a % b).terms == () or simplify(a % b, facts).terms == ():
        return True
    lower, upper = lowest(b, a)
    if lower != b:
        return divides(lower, upper, facts)
    return any(y == b and (a % x).terms == () for x, y in facts.licensed())


@record
class Assumptions:
    """What `where` lets one assume: polynomials known to be zero."""

    zeros: tuple[Dim, ...] = ()

    def plus(self, zero: Dim) -> Assumptions:
        return Assumptions((*self.zeros, zero)) if zero not in self.zeros else self

    def licensed(self) -> list[tuple[Dim, Dim]]:
        """Pairs (a, b) with a % b known to be 0."""
        pairs = []
        for zero in self.zeros:
            match zero.terms:
                case (((((Opaque(op="%", a=a, b=b)), 1),), _),):
                    pairs.append((a, b))
        return pairs


NOTHING = Assumptions()
"""No assumptions."""


def simplify(d: Dim, facts: Assumptions) -> Dim:
    """The dimension with b * (a // b) written as a wherever a % b == 0 is known."""
    for zero in facts.zeros:
        if d.terms == zero.terms or (d + zero).terms == ():
            return Dim()
    for a, b in facts.licensed():
        quotient = Opaque("//", a, b)
        d = _cancel(d, quotient, a, b)
    return d


def _cancel(d: Dim, quotient: Opaque, a: Dim, b: Dim) -> Dim:
    if len(b.terms) != 1:
        return d
    (divisor, unit) = b.terms[0]
    changed, out = False, Dim()
    for monomial, coefficient in d.terms:
        powers = dict(monomial)
        fits = all(powers.get(atom, 0) >= p for atom, p in divisor) and coefficient % unit == 0
        if quotient in powers and fits:
            changed = True
            for atom, p in (*divisor, (quotient, 1)):
                powers[atom] -= p
            rest = tuple(sorted(((x, p) for x, p in powers.items() if p), key=lambda x: _key(x[0])))
            out = out + Dim(((rest, coefficient // unit),)) * a
        else:
            out = out + Dim(((monomial, coefficient),))
    return _cancel(out, quotient, a, b) if changed else d


def compare(a: Dim, b: Dim, facts: Assumptions | None = None) -> Verdict:
    """What can be said of a == b, for all values of at least 1 that the facts allow."""
    if a.terms == b.terms:
        return EQUAL
    facts = facts or NOTHING
    gap = simplify(a - b, facts)
    if not gap.terms:
        return EQUAL
    if any(_multiple(gap, zero) for zero in facts.zeros):
        return EQUAL
    # Every monomial of named axes is at least 1, so coefficients of one sign cannot cancel.
    plain = all(isinstance(atom, str) for m, _ in gap.terms for atom, _ in m)
    signs = {c > 0 for _, c in gap.terms}
    constant = dict(gap.terms).get((), 0)
    if gap.value is not None or (plain and len(signs) == 1):
        return DIFFERENT
    others = [c for m, c in gap.terms if m]
    if plain and others and all(c > 0 for c in others) and sum(others) + constant > 0:
        return DIFFERENT
    if plain and others and all(c < 0 for c in others) and sum(others) + constant < 0:
        return DIFFERENT
    return UNKNOWN


def _multiple(gap: Dim, zero: Dim) -> bool:
    if len(gap.terms) != len(zero.terms) or not zero.terms:
        return False
    lead, rest = gap.terms[0], zero.terms[0]
    return rest[1] != 0 and gap * rest[1] == zero * lead[1]


def _collect(terms: Iterable[tuple[Monomial, int]]) -> Dim:
    total: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        total[monomial] = total.get(monomial, 0) + coefficient
    kept = [(m, c) for m, c in total.items() if c]
    if len(kept) < 2:
        if kept and kept[0][1].bit_length() > MAX_BITS:
            raise TooLarge("a number of too many digits")
        return Dim(tuple(kept))
    if len(kept) > MAX_TERMS or any(c.bit_length() > MAX_BITS for _, c in kept):
        raise TooLarge("a dimension of too many terms or digits")
    kept.sort(key=lambda t: tuple((_key(a), p) for a, p in t[0]))
    return Dim(tuple(kept))


def _opaque(d: Dim) -> int:
    return sum(a.size for m, _ in d.terms for a, _ in m if isinstance(a, Opaque))


def _times(m: Monomial, n: Monomial) -> Monomial:
    if not m or not n:
        return m or n
    powers: dict[Atom, int] = dict(m)
    for atom, power in n:
        powers[atom] = powers.get(atom, 0) + power
        if powers[atom] > MAX_POWER:
            raise TooLarge(f"a power above {MAX_POWER}")
    return tuple(sorted(powers.items(), key=lambda x: _key(x[0])))


def _divide(op: str, a: Dim, b: Dim) -> Dim:
    if b.value == 0:
        raise ZeroDivisionError
    if a.value is not None and b.value is not None:
        return Dim.number(a.value // b.value if op == "//" else a.value % b.value)
    exact = _exact(a, b)
    if exact is not None:
        return exact if op == "//" else Dim()
    return Dim((((((Opaque(op, a, b)), 1),), 1),))


def _exact(a: Dim, b: Dim) -> Dim | None:
    """The quotient when a single-term divisor divides every term."""
    if len(b.terms) != 1 or not a.terms:
        return Dim() if not a.terms else None
    divisor, unit = b.terms[0]
    out = []
    for monomial, coefficient in a.terms:
        powers = dict(monomial)
        if coefficient % unit or any(powers.get(atom, 0) < p for atom, p in divisor):
            return None
        for atom, p in divisor:
            powers[atom] -= p
        rest = tuple(sorted(((x, p) for x, p in powers.items() if p), key=lambda x: _key(x[0])))
        out.append((rest, coefficient // unit))
    return _collect(out)


def _product(monomial: Monomial, coefficient: int) -> str:
    parts = [str(coefficient)] if coefficient != 1 or not monomial else []
    for atom, power in monomial:
        parts.append(str(atom) if power == 1 else f"{atom} ^ {power}")
    return " * ".join(parts)


def _factor(d: Dim) -> str:
    return str(d) if len(d.terms) <= 1 and (d.value is not None or d.name) else f"({d})"
