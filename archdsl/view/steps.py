"""Operations on one computed value, as words: with the numbers and parameters that are their other
operands. Steps one after the other are one pill.

    softplus(x + dt_bias)        + dt_bias, softplus
    30 * tanh(x / 30)            softcap 30
"""

import math

from archdsl import naming
from archdsl.axes import Factor, factors
from archdsl.dims import Dim
from archdsl.graph import Model, Module
from archdsl.nodes import (
    Apply,
    Choose,
    Elementwise,
    Gather,
    Number,
    Read,
    Reduce,
    Repeat,
    Window,
)
from archdsl.nodes import Node as Value
from archdsl.ops import OPS

_BEFORE = {
    "add": "+ {}", "multiply": "× {}", "subtract": "{} −", "divide": "{} ÷", "power": "{} ^",
    "maximum": "at least {}", "minimum": "at most {}",
}  # fmt: skip
_BEHIND = _BEFORE | {"subtract": "− {}", "divide": "÷ {}", "power": "^ {}"}
"""What an operation says of its constant operand, where this stands before or behind the other."""
_LONGEST = 18
_SMALL = 1e-4
"""A number no larger than this is added against a division by zero."""
_MOST_ROOT = 10_000_000


def step(model: Model, module: Module, value: Value, drawn: list[bool]) -> str | None:
    """What an operation does to its one operand that is `drawn`; "" where that is nothing, None
    where its other operands have no words.
    """
    op = OPS.get(value.op)
    match value.form:
        case Reduce(name, plan):
            kept = {str(factor) for factor in factors(plan.right[0])}
            reduced = [f for f in factors(plan.left[0]) if isinstance(f, Factor)]
            source = module.nodes[value.args[0]]
            if isinstance(source.form, Window):
                length = model.number(module, source.form.size)
                return f"{OPS[name].label} of the last {length} tokens"
            over = [_axis(model, module, f) for f in reduced if f.name not in kept]
            return f"{OPS[name].label} {' and '.join(filter(None, over))}".strip()
        case Choose(_, _, count):
            most = model.number(module, count).value
            return f"top {most:,}" if most is not None else "top k"
        case Repeat(plan) if module is model.root:
            before = {str(factor) for factor in factors(plan.left[0])}
            new = [f for f in factors(plan.right[0]) if isinstance(f, Factor)]
            sizes = [model.number(module, f.dim).value for f in new if f.name not in before]
            copies = math.prod(size or 1 for size in sizes)
            return f"{copies:,} copies" if copies > 1 else ""
        case Gather() if not drawn[0]:
            table = constant(model, module, value.args[0])
            return f"look up in {table}" if table else None
    if op is None or not isinstance(value.form, Elementwise):
        return op.label if op is not None else ""
    others = [arg for arg, known in zip(value.args, drawn, strict=True) if not known]
    if not others:
        return op.label
    if value.op == "select":
        return _mask(model, module, value, drawn)
    fixed = "by position" if value.op in ("and", "or") else "constants"
    words = [constant(model, module, arg) or fixed for arg in others]
    if len(words) != 1:
        return None
    if _does_nothing(model, module, value, others[0]):
        return ""
    if value.op == "multiply" and (root := _inverse_root(model, module, others[0])):
        return f"÷ {root}"
    form = (_BEHIND if drawn[0] else _BEFORE).get(value.op)
    return form.format(words[0]) if form else f"{op.label} {words[0]}"


def constant(model: Model, module: Module, number: int) -> str | None:
    """A value that no drawn one is behind, in words: a number, a parameter, a function of these, a
    mask by its name. None where it has no words, or too many.
    """
    value = module.nodes[number]
    words: str | None = None
    match value.form:
        case Number(given):
            known = _number(model, module, given)
            words = None if known is None else written(known)
        case Read(param):
            words = param  # as papers and published code write it: A_log, dt_bias
        case Apply(child):
            words = module.child(child).modules[0][1].title
        case Elementwise() if value.op in ("float32", "model_dtype"):
            return constant(model, module, value.args[0])
        case Elementwise():
            words = _applied(value.op, [constant(model, module, arg) for arg in value.args])
        case _ if len(value.args) == 1:
            return constant(model, module, value.args[0])
    return words if words is not None and len(words) <= _LONGEST else None


def _axis(model: Model, module: Module, factor: Factor) -> str:
    """What a reduction goes over: an axis by a word, or else by how long it is."""
    if factor.name in naming.AXES or len(factor.name) > 2:
        return f"over {naming.axis(factor.name)}"
    length = model.number(module, factor.dim).value
    return f"of {length:,}" if length is not None and length > 1 else ""


def _applied(op: str, operands: list[str | None]) -> str | None:
    label = OPS[op].label
    if len(operands) == 1:
        inner = operands[0] or "…"
        return f"−{inner}" if op == "negative" else f"{label}({inner})"
    if len(operands) != 2 or None in operands:
        return None
    return f"{operands[0]} {label} {operands[1]}"


def _mask(model: Model, module: Module, value: Value, drawn: list[bool]) -> str | None:
    """A choice whose one drawn operand is what is masked, or the condition."""
    if sum(drawn) != 1:
        return None
    if drawn[0]:
        sides = [constant(model, module, arg) for arg in value.args[1:]]
        return f"{sides[0]} or {sides[1]}" if None not in sides else None
    seen = constant(model, module, value.args[0])
    return f"{seen} mask" if seen and "mask" not in seen else seen or "mask"


def _does_nothing(model: Model, module: Module, value: Value, other: int) -> bool:
    """Whether an operand only guards a division, or is the number that changes nothing."""
    form = module.nodes[other].form
    known = _number(model, module, form.value) if isinstance(form, Number) else None
    if known is None:
        return False
    match value.op:
        case "add" | "subtract" | "maximum":
            return abs(known) <= _SMALL and (value.op != "maximum" or known > 0)
        case "multiply" | "divide" | "power":
            return known == 1 and other == value.args[-1]
    return False


def _number(model: Model, module: Module, given: object) -> float | None:
    if isinstance(given, Dim):
        return model.number(module, given).value
    return model.real(module, given)  # type: ignore[arg-type]


def _inverse_root(model: Model, module: Module, number: int) -> str:
    """A factor of one by a root, as the root: 128 ^ -0.5 is √128."""
    form = module.nodes[number].form
    known = _number(model, module, form.value) if isinstance(form, Number) else None
    if known is None or not 0 < known < 1:
        return ""
    words = written(1 / known)
    return words if words.startswith("√") else ""


def written(number: float) -> str:
    """A number in few characters: whole, the root of a whole number, or to three digits."""
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    if number < 0:
        return f"−{written(-number)}"
    if abs(number - round(number)) < 1e-9 * max(1.0, number):
        return f"{round(number):,}"
    square = number * number
    if 1 < square < _MOST_ROOT and abs(square - round(square)) < 1e-6:
        return f"√{round(square):,}"
    return f"{number:.3g}"


def joined(steps: tuple[str, ...]) -> tuple[str, ...]:
    """Steps with what has a name of its own called by it."""
    *before, first, middle, last = ("", "", "", *steps)
    capped = first.startswith("÷ ") and middle == "tanh" and last == f"× {first[2:]}"
    if capped:
        return (*(word for word in before if word), f"softcap {first[2:]}")
    return steps
