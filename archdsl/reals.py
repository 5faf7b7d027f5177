"""Real numbers known before a model runs, kept as expressions so that emitted code can say them.

>>> scale = Apply("^", (OfDim(Dim.symbol("K")), Lit(-0.5)))
>>> evaluate(scale, {"K": 64})
0.125
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from archdsl.dims import Dim, substitute
from archdsl.ops import OPS
from archdsl.record import record


@record
class Lit:
    value: float


@record
class Ref:
    """A setting of kind `float`."""

    name: str


@record
class OfDim:
    dim: Dim


@record
class Apply:
    """An operator of `+ - * / ^` or a function of `FUNCTIONS`."""

    op: str
    args: tuple[Real, ...]


Real = Lit | Ref | OfDim | Apply


@record
class Function:
    """A function of numbers known in advance: its value, and how emitted code spells it."""

    value: Callable[..., float]
    python: str
    operands: int = 1


FUNCTIONS: dict[str, Function] = {
    op.name: Function(op.value, op.python, op.operands)
    for op in OPS.values()
    if op.value is not None and op.python
}
"""Functions of numbers known in advance by name: the primitives that say how, and `ceil`."""
FUNCTIONS["ceil"] = Function(math.ceil, "math.ceil({0})")

_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": lambda a, b: float(a**b),
}


def evaluate(r: Real, numbers: Mapping[Any, float]) -> float | None:
    """The value, or None where a symbol has none. `numbers` are those of the symbols in it.

    Raises ArithmeticError or ValueError where the value does not exist.
    """
    match r:
        case Lit(value):
            return value
        case Ref(name):
            return numbers.get(name)
        case OfDim(d):
            return substitute(d, lambda name: whole(numbers.get(name))).value
        case Apply(op, args):
            values = [evaluate(a, numbers) for a in args]
            if any(v is None for v in values):
                return None
            compute = _OPERATORS.get(op) or FUNCTIONS[op].value
            result = compute(*(v for v in values if v is not None))
            known = not isinstance(result, complex) and not math.isnan(result)
            infinite = any(v is not None and math.isinf(v) for v in values)
            if not known or (math.isinf(result) and not infinite):
                raise ArithmeticError(f"{op} has no finite value here")
            return result


def whole(value: float | None) -> Dim | None:
    """A number as a dimension, or None where it is no integer."""
    return None if value is None or value != int(value) else Dim.number(int(value))


def replace(r: Real, dims: Mapping[str, Dim], reals: Mapping[str, Real]) -> Real:
    """The expression with settings replaced; a name without a replacement stays."""
    match r:
        case Ref(name):
            return reals.get(name, r)
        case OfDim(d):
            return OfDim(substitute(d, dims))
        case Apply(op, args):
            return Apply(op, tuple(replace(a, dims, reals) for a in args))
    return r


def names(r: Real) -> tuple[frozenset[str], frozenset[str]]:
    """The symbols of its dimensions, and its settings of kind `float`."""
    match r:
        case Ref(name):
            return frozenset(), frozenset((name,))
        case OfDim(d):
            return frozenset(d.symbols()), frozenset()
        case Apply(_, args):
            parts = [names(a) for a in args]
            dims = frozenset().union(*(d for d, _ in parts))
            return dims, frozenset().union(*(r for _, r in parts))
    return frozenset(), frozenset()


def text(r: Real) -> str:
    """The expression as a spec would say it."""
    match r:
        case Lit(value):
            return f"{value:g}"
        case Ref(name):
            return name
        case OfDim(d):
            return str(d) if len(d.terms) <= 1 else f"({d})"
        case Apply(op, (a, b)) if op in _OPERATORS:
            return f"({text(a)} {op} {text(b)})"
        case Apply(op, args):
            return f"{op}({', '.join(map(text, args))})"
