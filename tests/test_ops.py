"""The rows of `ops.py`: what one is on numbers is what PyTorch makes of tensors, and what emitted
code makes of the same numbers.
"""

import itertools
import math
from collections.abc import Iterator

import pytest
import torch

from archdsl import pipeline
from archdsl.dtypes import RULES, TAKES_AND_GIVES
from archdsl.emit.spell import Text, spell_real
from archdsl.emit.uses import MATH
from archdsl.ops import OPS, Op
from archdsl.reals import FUNCTIONS, Apply, Lit, Real, evaluate
from archdsl.source import Source
from equality import assert_equal_everywhere

REALS = (-2.5, -1.0, -0.25, 0.0, 0.5, 0.75, 1.0, 3.0)
"""Each is exact in single precision too."""
NUMBERS = {"int": (-5, -1, 0, 2, 7), "logic": (False, True)}
"""Numbers for the rules that do not take real ones."""
VALUED = [op for op in OPS.values() if op.value is not None]


def results(op: Op) -> Iterator[tuple[tuple[float, ...], float]]:
    """Numbers, and what the row makes of them, wherever that exists."""
    assert op.value is not None
    for numbers in itertools.product(NUMBERS.get(op.dtypes, REALS), repeat=op.operands):
        try:
            yield numbers, op.value(*numbers)
        except (ArithmeticError, ValueError):  # no real number: torch says nan or inf
            continue


def of_torch(template: str, *operands: object) -> float:
    """What a spelling makes of operands."""
    names = {f"x{i}": operand for i, operand in enumerate(operands)}
    result = eval(template.format(*names), {"torch": torch, "F": torch.nn.functional}, names)
    return float(result)


def near(value: float) -> object:
    return pytest.approx(float(value), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("op", VALUED, ids=lambda op: op.name)
def test_a_value_is_what_torch_gives(op: Op) -> None:
    dtype = {"int": torch.int64, "logic": torch.bool}.get(op.dtypes, torch.float64)
    computed = list(results(op))
    assert len(computed) >= 2
    for numbers, value in computed:
        tensors = [torch.tensor(number, dtype=dtype) for number in numbers]
        assert of_torch(op.torch, *tensors) == near(value), numbers
        if op.torch_number:
            assert of_torch(op.torch_number, tensors[0], *numbers[1:]) == near(value), numbers


def python(real: Real) -> float:
    """What emitted code gives for a number known in advance."""
    text = spell_real(real, Text)
    assert ("math." in text.text) == (MATH in text.uses), text.text
    return float(eval(text.text, {"math": math}))


@pytest.mark.parametrize("op", [op for op in VALUED if op.python], ids=lambda op: op.name)
def test_emitted_code_gives_the_value(op: Op) -> None:
    """Alone, in an operation, and of an operation: its spelling keeps together."""
    for numbers, value in results(op):
        alone = Apply(op.name, tuple(map(Lit, numbers)))
        assert python(alone) == near(value), numbers
        inside = Apply("^", (alone, Lit(2.0)))
        assert python(inside) == near(value**2), numbers
        sums = tuple(Apply("-", (Lit(number + 1), Lit(1.0))) for number in numbers)
        assert python(Apply("/", (Apply(op.name, sums), Lit(3.0)))) == near(value / 3), numbers


def test_what_is_spelt_has_a_value() -> None:
    assert all(op.value for op in OPS.values() if op.python)


def test_every_function_of_numbers_runs() -> None:
    """From a spec to the emitted module, of numbers for which each exists."""
    calls = [
        f"{name}({', '.join(operands)})"
        for name, function in FUNCTIONS.items()
        for operands in (("rate", "rate / 3")[: function.operands],)
        if evaluate(Apply(name, (Lit(0.75), Lit(0.25))[: function.operands]), {}) is not None
    ]
    assert len(calls) == len(FUNCTIONS)
    body = "\n".join(f"  x = x + {call}" for call in calls)
    spec = f"""
model M(d, rate: float)(stream x: [B, T, d]) -> [B, T, d] {{
{body}
  return x
}}
tiny M {{ d: 3 }}
variant V = M(d: 3, rate: 0.75) {{ }}
"""
    checked = pipeline.check_source(Source("functions.arch", spec), tiny=False)
    assert not checked.diagnostics, checked.diagnostics[0].text()
    assert_equal_everywhere(checked.variants[0].model)


def test_every_row_has_a_rule_and_every_rule_says_what_it_takes() -> None:
    assert {op.dtypes for op in OPS.values()} == RULES.keys() == TAKES_AND_GIVES.keys()
