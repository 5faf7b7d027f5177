"""Every operation on operands of every dtype: it is refused, or gives the dtype that is promised.

What is promised is held against PyTorch by running it, in double precision and in bfloat16.
"""

import itertools
from collections.abc import Iterator

import pytest

from archdsl import pipeline
from archdsl.dtypes import RULES, Operand
from archdsl.ops import OPS, Op
from archdsl.source import Source
from equality import assert_equal_everywhere
from random_bodies import IN_RANGE

OPERANDS = {
    "x": Operand("float"),
    "y": Operand("float32"),
    "i": Operand("int"),
    "b": Operand("bool"),
    "s": Operand("float", single=True),
    "t": Operand("float32", single=True),
    "2": Operand("int", number=True, natural=True),
    "0.5": Operand("float", number=True),
}
"""Operands by what they are written as: tensors, a tensor without axes, numbers."""
PATTERNS = {
    "reduce": ("{op}[B T d -> B T 1]({0})", ("B", "T", "1")),
    "along": ("{op}[... d]({0})", ("B", "T", "d")),
    "einsum": ("einsum[B T d, B T d -> B T]({0}, {1})", ("B", "T")),
    "rearrange": ("rearrange[B T d, B T e -> B T (d + e)]({0}, {1})", ("B", "T", "2 * d")),
}
ELEMENTWISE = ("map", "zip")
PER_MODEL = 30


def written(op: Op, operands: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """An operation applied, and the axes of its result."""
    if op.form in PATTERNS:
        text, axes = PATTERNS[op.form]
        return text.format(*operands, op=op.name), axes
    wide = any(o not in ("s", "t", "2", "0.5") for o in operands)
    return f"{named(op)}({', '.join(operands)})", ("B", "T", "d") if wide else ()


def named(op: Op) -> str:
    return {"negative": "-", "not": "not "}.get(op.name, op.name)


def cases() -> Iterator[tuple[Op, tuple[str, ...]]]:
    """Operations with operands; at least one is a tensor, or decides between numbers."""
    for op in OPS.values():
        if op.form in ELEMENTWISE or op.form in PATTERNS:
            count = 2 if op.form in ("einsum", "rearrange") else op.operands
            tensors = [o for o in OPERANDS if op.form in ELEMENTWISE or o in "xyib"]
            for operands in itertools.product(tensors, repeat=count):
                if not all(OPERANDS[o].number for o in operands):
                    yield op, operands


def promised(op: Op, operands: tuple[str, ...]) -> str | None:
    dtype = RULES[op.dtypes](tuple(OPERANDS[o] for o in operands))
    numbers = op.name != "select" and all(OPERANDS[o].number for o in operands)
    return None if numbers else dtype


def spec(lines: list[tuple[str, str]]) -> str:
    """A model whose results are expressions of the given types."""
    body = [f"  r{n} = {text}" for n, (text, _) in enumerate(lines)]
    types = ", ".join(t for _, t in lines)
    results = ", ".join(f"r{n}" for n in range(len(lines)))
    return f"""
use std.core: Linear
block All(d)(x: [B, T, d]) -> {f"({types})" if len(lines) > 1 else types} {{
  param s: [] = fill(1.5)
  param t: float32[] = fill(0.5)
  y = float32(x)
  i = maximum(floor(x * 3), -4)
  b = x > 0.1
  _ = x * s * t
  _ = select(b, y, i)
{chr(10).join(body)}
  return {results}
}}
model M(d)(stream x: [B, T, d]) -> {f"({types})" if len(lines) > 1 else types} {{
  f = Linear(d, d)
  all = All(d)
  return all(f(x))
}}
tiny M {{ d: 3 }}
variant V = M(d: 3) {{ }}
"""


def typed(op: Op, operands: tuple[str, ...], dtype: str) -> tuple[str, str]:
    """An expression that stays finite, and its type."""
    text, axes = written(op, operands)
    return text, f"{'' if dtype == 'float' else dtype}[{', '.join(axes)}]"


SAFE = {"power", "divide", "remainder"}
"""Operators that need operands in a range: they run on what is above 0 and small. `IN_RANGE` has
the functions.
"""
ACCEPTED = [(op, o, dtype) for op, o in cases() if (dtype := promised(op, o)) is not None]
REFUSED = [(op, o) for op, o in cases() if promised(op, o) is None]


def test_there_are_many() -> None:
    assert len(ACCEPTED) > 400 and len(REFUSED) > 400


@pytest.mark.parametrize("first", range(0, len(ACCEPTED), PER_MODEL))
def test_what_is_accepted_gives_what_is_promised(first: int) -> None:
    lines = []
    for op, operands, dtype in ACCEPTED[first : first + PER_MODEL]:
        text, t = typed(op, operands, dtype)
        if op.name in SAFE:
            ranges = {o: f"(1 + abs({o}))" for o in "xyist"}
            text, _ = written(op, tuple(ranges.get(o, o) for o in operands))
        elif op.name in IN_RANGE:
            text = IN_RANGE[op.name].format(*operands)
        lines.append((text, t))
    checked = pipeline.check_source(Source("dtypes.arch", spec(lines)), tiny=False)
    assert not checked.diagnostics, checked.diagnostics[0].text()
    assert_equal_everywhere(checked.variants[0].model)


@pytest.mark.parametrize("name", sorted({op.name for op, _ in REFUSED}))
def test_what_torch_does_not_do_is_refused(name: str) -> None:
    for op, operands in REFUSED:
        if op.name == name:
            text = spec([typed(op, operands, "float")])
            found = pipeline.check_source(Source("dtypes.arch", text), tiny=False).diagnostics
            codes = {d.code for d in found}
            assert codes & {"dtype-mismatch", "not-a-tensor"}, f"{written(op, operands)}: {codes}"
