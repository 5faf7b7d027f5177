"""The dtype of every operation, as PyTorch gives it.

`float` is the model's dtype, whatever that is, `float32` single precision whatever the model's,
`int` has 64 bits. A rule takes the dtypes of the operands and tells the result's, or that there is
none: then the operation is refused, with a way out.

A number known in advance has no dtype of its own: it takes that of the tensors beside it. A real
number beside integers makes them single precision. `select` between two numbers gives `float` where
one of them is real, and `int` otherwise. A tensor without axes gives way to one with axes, if both
are real.
"""

from __future__ import annotations

from collections.abc import Callable

from archdsl.record import record

FLOATING = ("float", "float32")
_ORDER = {"bool": 0, "int": 1, "float": 2, "float32": 3}


@record
class Operand:
    """What a rule knows of an operand: its dtype, whether it is a number known in advance, whether
    that is a whole number of at least 0, and whether it is a tensor without axes.
    """

    dtype: str
    number: bool = False
    natural: bool = False
    single: bool = False


Rule = Callable[[tuple[Operand, ...]], "str | None"]


def promoted(operands: tuple[Operand, ...]) -> str:
    """The dtype that several operands have in common."""
    tensors = [o for o in operands if not o.number] or list(operands)
    wide = [o for o in tensors if not o.single]
    common = max((o.dtype for o in tensors), key=_ORDER.__getitem__)
    if wide and common in FLOATING:
        # Of real tensors, those with axes decide before those without.
        common = max((o.dtype for o in wide), key=_ORDER.__getitem__, default=common)
        if common not in FLOATING:
            common = max((o.dtype for o in tensors), key=_ORDER.__getitem__)
    real = any(o.number and o.dtype in FLOATING for o in operands)
    return "float32" if real and common not in FLOATING else common


def _same(operands: tuple[Operand, ...]) -> str | None:
    """All of one dtype, which is the result's."""
    return operands[0].dtype if len({o.dtype for o in operands}) == 1 else None


def _number(operands: tuple[Operand, ...]) -> str | None:
    """Numbers of any kind, but no truths."""
    return None if _some(operands, "bool") else promoted(operands)


def _real(operands: tuple[Operand, ...]) -> str | None:
    """A function of real numbers: of integers in single precision."""
    common = _number(operands)
    return "float32" if common == "int" else common


def _float(operands: tuple[Operand, ...]) -> str | None:
    """Floating point only."""
    common = _number(operands)
    return common if common in FLOATING else None


def _int(operands: tuple[Operand, ...]) -> str | None:
    """Integers only."""
    return "int" if all(o.dtype == "int" for o in operands) else None


def _logic(operands: tuple[Operand, ...]) -> str | None:
    """Truths only."""
    return "bool" if all(o.dtype == "bool" for o in operands) else None


def _order(operands: tuple[Operand, ...]) -> str | None:
    """A comparison of numbers."""
    return None if _some(operands, "bool") else "bool"


def _equal(operands: tuple[Operand, ...]) -> str | None:
    """A comparison of numbers, or of truths."""
    return "bool" if _logic(operands) else _order(operands)


def _power(operands: tuple[Operand, ...]) -> str | None:
    """Integers to whole powers of at least 0 that are known stay integers."""
    exponent = operands[1]
    common = _number(operands)
    if common != "int":
        return common
    return "int" if exponent.natural else None


def _select(operands: tuple[Operand, ...]) -> str | None:
    """A truth, then two of one kind."""
    condition, *arms = operands
    if condition.dtype != "bool":
        return None
    truths = sum(arm.dtype == "bool" for arm in arms)
    return None if truths == 1 else promoted(tuple(arms))


def _sum(operands: tuple[Operand, ...]) -> str | None:
    """Truths are counted."""
    return "int" if operands[0].dtype == "bool" else operands[0].dtype


def _product(operands: tuple[Operand, ...]) -> str | None:
    """Products: numbers of one dtype."""
    return None if _some(operands, "bool") else _same(operands)


def _index(operands: tuple[Operand, ...]) -> str | None:
    """A table and integers."""
    return operands[0].dtype if operands[1].dtype == "int" else None


def _to(dtype: str) -> Rule:
    return lambda _: dtype


def _to_int(operands: tuple[Operand, ...]) -> str | None:
    return None if _some(operands, "bool") else "int"


def _some(operands: tuple[Operand, ...], dtype: str) -> bool:
    return any(o.dtype == dtype for o in operands)


RULES: dict[str, Rule] = {
    "same": _same,
    "number": _number,
    "real": _real,
    "float": _float,
    "int": _int,
    "logic": _logic,
    "order": _order,
    "equal": _equal,
    "power": _power,
    "select": _select,
    "sum": _sum,
    "product": _product,
    "index": _index,
    "largest": _number,
    "ranked": _order,
    "to_int": _to_int,
    "to_float32": _to("float32"),
    "to_float": _to("float"),
    "new_float": _to("float"),
    "new_float32": _to("float32"),
    "new_int": _to("int"),
}
"""The rules by the names that `ops.py` calls them by."""

TAKES_AND_GIVES = {
    "number": ("numbers", "the higher of `int`, `float`, `float32`"),
    "real": ("numbers", "as `+`; `float32` of integers"),
    "float": ("`float` or `float32`", "the same"),
    "power": ("numbers", "as `+`; integers take whole powers of at least 0 that are known"),
    "equal": ("two numbers, two truths", "`bool`"),
    "order": ("numbers", "`bool`"),
    "logic": ("`bool`", "`bool`"),
    "int": ("`int`", "`int`"),
    "select": ("a truth, then two numbers or two truths", "the higher of the last two"),
    "sum": ("anything", "the same; `int` of truths, which it counts"),
    "same": ("anything", "the same"),
    "product": ("numbers of one dtype", "the same"),
    "index": ("a table and `int` indices", "as the table"),
    "largest": ("numbers", "values of the same, `int` indices"),
    "ranked": ("numbers", "`bool`"),
    "to_int": ("numbers", "`int`"),
    "to_float32": ("anything", "`float32`"),
    "to_float": ("anything", "`float`"),
    "new_float": ("", "`float`"),
    "new_float32": ("", "`float32`"),
    "new_int": ("", "`int`"),
}
"""What a rule takes and gives, in the words of the documentation."""

WAYS_OUT = {
    "number": "select(x, 1, 0) makes numbers of truths",
    "real": "select(x, 1, 0) makes numbers of truths",
    "float": "write float32(x), or model_dtype(x)",
    "int": "floor(x) gives integers",
    "logic": "compare numbers: x > 0",
    "order": "`==` and `!=` compare truths",
    "equal": "compare numbers with numbers, truths with truths",
    "power": "write float32(x) ^ y; integers take whole powers that are known",
    "select": "the first operand is a truth, and the others are both truths or both numbers",
    "product": "write float32(x) or model_dtype(x), so that all operands have one dtype",
    "same": "write float32(x) or model_dtype(x), so that all operands have one dtype",
    "index": "floor(x) gives integers",
    "largest": "select(x, 1, 0) makes numbers of truths",
    "ranked": "select(x, 1, 0) makes numbers of truths",
    "to_int": "select(x, 1, 0) makes numbers of truths",
}
"""What a refused operation may be replaced by."""
