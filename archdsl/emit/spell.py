"""Dimensions and real numbers as Python expressions.

Every expression is a text with the precedence of its outermost operator, so that parentheses stand
where Python needs them and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from archdsl.dims import Dim, Opaque
from archdsl.reals import Apply, Lit, OfDim, Real, Ref
from archdsl.record import record

ATOM, POWER, UNARY, TIMES, PLUS, SHIFT, AND, OR, COMPARE, LOOSE = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
"""Precedences, tightest first."""

LEVELS = {
    "": ATOM, "power": POWER, "unary": UNARY, "product": TIMES, "sum": PLUS, "and": AND, "or": OR,
    "compare": COMPARE,
}  # fmt: skip
"""The precedences by the words that `ops.py` uses."""

_OPERATORS = {"+": PLUS, "-": PLUS, "*": TIMES, "/": TIMES, "^": POWER}
_MATH = {
    "floor": "math.floor",
    "ceil": "math.ceil",
    "maximum": "max",
    "minimum": "min",
    "abs": "abs",
}

Look = Callable[[str], str]
"""From a symbol to the Python expression that holds its value."""


@record
class Text:
    """A Python expression."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """The expression where only operators that bind at least as tightly may stand."""
        return self.text if self.level <= level else f"({self.text})"


def spell_dim(d: Dim, look: Look) -> Text:
    """An integer expression."""
    if d.value is not None:
        return Text(whole(d.value), ATOM if d.value >= 0 else UNARY)
    if d.name is not None:
        return Text(look(d.name))
    parts: list[str] = []
    ordered = [*(t for t in d.terms if t[0]), *(t for t in d.terms if not t[0])]
    for monomial, coefficient in ordered:
        factors = [spell_atom(a, look) for a, power in monomial for _ in range(power)]
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, Text(whole(abs(coefficient))))
        body = factors[0].text if len(factors) == 1 else " * ".join(f.at(POWER) for f in factors)
        sign = "-" if coefficient < 0 else "+"
        parts.append(f" {sign} {body}" if parts else (f"-{body}" if coefficient < 0 else body))
    if len(parts) > 1:
        return Text("".join(parts), PLUS)
    single = len(ordered[0][0]) == 1 and abs(ordered[0][1]) == 1
    return Text(parts[0], TIMES if not single or isinstance(ordered[0][0][0][0], Opaque) else ATOM)


def spell_atom(atom: str | Opaque, look: Look) -> Text:
    """A symbol, a quotient, a remainder, a maximum."""
    if isinstance(atom, str):
        return Text(look(atom))
    a, b = spell_dim(atom.a, look), spell_dim(atom.b, look)
    if atom.op in ("max", "min"):
        return Text(f"{atom.op}({a.text}, {b.text})")
    return Text(f"{a.at(UNARY)} {atom.op} {b.at(UNARY)}", TIMES)


def spell_real(r: Real, look: Look) -> Text:
    """A real expression."""
    match r:
        case Lit(value):
            return Text(number(value), ATOM if value >= 0 else UNARY)
        case Ref(name):
            return Text(look(name))
        case OfDim(d):
            return spell_dim(d, look)
        case Apply("-", (Lit(0.0), inner)):
            return Text(f"-{spell_real(inner, look).at(UNARY)}", UNARY)
        case Apply("^", (a, b)):
            base, power = spell_real(a, look), spell_real(b, look)
            return Text(f"{base.at(ATOM)} ** {power.at(UNARY)}", POWER)
        case Apply(op, (a, b)) if op in _OPERATORS:
            level = _OPERATORS[op]
            left, right = spell_real(a, look), spell_real(b, look)
            return Text(f"{left.at(level)} {op} {right.at(level - 1)}", level)
        case Apply(op, args):
            inner_text = ", ".join(spell_real(a, look).text for a in args)
            return Text(f"{_MATH.get(op, f'math.{op}')}({inner_text})")


def number(value: float) -> str:
    """A float as Python writes it, whole ones without an exponent where that is shorter."""
    if math.isinf(value):
        return 'float("inf")' if value > 0 else '-float("inf")'
    if value == math.pi:
        return "math.pi"
    return repr(float(value))


def whole(value: int) -> str:
    """An integer with digit groups from 10,000 on."""
    return f"{value:_}" if abs(value) >= 10_000 else str(value)
