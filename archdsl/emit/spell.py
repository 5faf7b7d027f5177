"""Dimensions and real numbers as Python expressions.

Every expression is a text with the precedence of its outermost operator, so that parentheses stand
where Python needs them and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from archdsl.dims import Dim, Opaque
from archdsl.emit.names import safe
from archdsl.emit.uses import MATH, NONE, Helper, OfModel, Round, Start, Use, Uses
from archdsl.reals import FUNCTIONS, Apply, Lit, OfDim, Real, Ref
from archdsl.record import record
from archdsl.symbols import unmarked

ATOM, POWER, UNARY, TIMES, PLUS, SHIFT, AND, OR, COMPARE, LOOSE = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
"""Precedences, tightest first."""

LEVELS = {
    "": ATOM, "power": POWER, "unary": UNARY, "product": TIMES, "sum": PLUS, "and": AND, "or": OR,
    "compare": COMPARE,
}  # fmt: skip
"""The precedences by the words that `ops.py` uses."""

_OPERATORS = {"+": PLUS, "-": PLUS, "*": TIMES, "/": TIMES, "^": POWER}


@record
class Text:
    """A Python expression, and what it uses."""

    text: str
    level: int = ATOM
    uses: Uses = NONE

    def __str__(self) -> str:
        return self.text

    def at(self, level: int) -> Text:
        """The expression where only operators that bind at least as tightly may stand."""
        return self if self.level <= level else Text(f"({self.text})", ATOM, self.uses)


START = Text("start", ATOM, frozenset((Start(),)))
"""How many tokens came before."""

Look = Callable[[str], Text]
"""From a symbol to the Python expression that holds its value."""


def spelt(
    template: str, *parts: object, level: int = ATOM, uses: Iterable[Use] = (), **named: object
) -> Text:
    """An expression of a template and its parts, which uses what they use and `uses`.

    >>> spelt("{}.flatten({}, {})", Text("x"), 1, 2).text
    'x.flatten(1, 2)'
    """
    inner = (part.uses for part in (*parts, *named.values()) if isinstance(part, Text))
    return Text(template.format(*parts, **named), level, NONE.union(uses, *inner))


def of_config(symbol: str) -> Text:
    """A setting of the model, read from a `Config` that is called `config`."""
    setting = unmarked(symbol)
    return Text(f"config.{safe(setting)}", ATOM, frozenset((OfModel(setting),)))


def counting(variable: str) -> Text:
    """The variable that counts the rounds of a scan or a loop."""
    return Text(variable, ATOM, frozenset((Round(variable),)))


def calling(helper: str, template: str, *parts: object) -> Text:
    """A call of a function of `helpers.py` with arguments of a template."""
    return spelt(f"{helper}({template})", *parts, uses=(Helper(helper),))


def listed(parts: Iterable[object], between: str = ", ") -> Text:
    """Expressions side by side, with commas between them."""
    items = tuple(parts)
    return Text(
        between.join(map(str, items)),
        ATOM,
        NONE.union(*(part.uses for part in items if isinstance(part, Text))),
    )


def spell_dim(d: Dim, look: Look) -> Text:
    """An integer expression."""
    if d.value is not None:
        return Text(whole(d.value), ATOM if d.value >= 0 else UNARY)
    if d.name is not None:
        return look(d.name)
    parts: list[Text] = []
    ordered = [*(t for t in d.terms if t[0]), *(t for t in d.terms if not t[0])]
    for monomial, coefficient in ordered:
        factors = [spell_atom(a, look) for a, power in monomial for _ in range(power)]
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, Text(whole(abs(coefficient))))
        body = factors[0] if len(factors) == 1 else listed((f.at(POWER) for f in factors), " * ")
        negative = coefficient < 0
        if parts:
            parts.append(spelt(" - {}" if negative else " + {}", body))
        else:
            parts.append(spelt("-{}", body) if negative else body)
    total = listed(parts, "")
    if len(parts) > 1:
        return spelt("{}", total, level=PLUS)
    single = len(ordered[0][0]) == 1 and abs(ordered[0][1]) == 1
    if not single or isinstance(ordered[0][0][0][0], Opaque):
        return spelt("{}", total, level=TIMES)
    return spelt("{}", total, level=UNARY if ordered[0][1] < 0 else ATOM)


def spell_atom(atom: str | Opaque, look: Look) -> Text:
    """A symbol, a quotient, a remainder, a maximum."""
    if isinstance(atom, str):
        return look(atom)
    a, b = spell_dim(atom.a, look), spell_dim(atom.b, look)
    if atom.op in ("max", "min"):
        return spelt(f"{atom.op}({{}}, {{}})", a, b)
    return spelt(f"{{}} {atom.op} {{}}", a.at(UNARY), b.at(UNARY), level=TIMES)


def spell_real(r: Real, look: Look) -> Text:
    """A real expression."""
    match r:
        case Lit(value):
            return number(value)
        case Ref(name):
            return look(name)
        case OfDim(d):
            return spell_dim(d, look)
        case Apply("-", (Lit(0.0), inner)):
            return spelt("-{}", spell_real(inner, look).at(UNARY), level=UNARY)
        case Apply("^", (a, b)):
            base, power = spell_real(a, look), spell_real(b, look)
            return spelt("{} ** {}", base.at(ATOM), power.at(UNARY), level=POWER)
        case Apply(op, (a, b)) if op in _OPERATORS:
            level = _OPERATORS[op]
            left, right = spell_real(a, look), spell_real(b, look)
            return spelt(f"{{}} {op} {{}}", left.at(level), right.at(level - 1), level=level)
        case Apply(op, args):
            template = FUNCTIONS[op].python
            uses = (MATH,) if "math." in template else ()
            return spelt(template, *(spell_real(a, look) for a in args), uses=uses)


def spell(value: Dim | Real, look: Look) -> Text:
    """An integer or a real expression."""
    return spell_dim(value, look) if isinstance(value, Dim) else spell_real(value, look)


def number(value: float) -> Text:
    """A float as Python writes it, whole ones without an exponent where that is shorter."""
    level = ATOM if value >= 0 else UNARY
    if math.isinf(value):
        return Text('float("inf")' if value > 0 else '-float("inf")', level)
    if value == math.pi:
        return Text("math.pi", level, frozenset((MATH,)))
    return Text(repr(float(value)), level)


def whole(value: int) -> str:
    """An integer with digit groups from 10,000 on."""
    return f"{value:_}" if abs(value) >= 10_000 else str(value)
