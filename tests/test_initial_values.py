"""Random numbers in what parameters begin as: each entry has its own, spread as the spec says.

What is computed without them is held to the interpreter, in every program (`interpreter.py`).
"""

import pytest
import torch
from torch import Tensor

from emitted import from_text

SPEC = """
use std.core: Embedding
block F(d, least: float = 0.01)(x: [B, T, d]) -> [B, T, d] {
  param a: [d, 50] = normal(0.5) + 3
  param b: [d, 50] = log(uniform(1, 16))
  param c: [d, 50] = log(expm1(exp(uniform(log(least), log(0.1)))))
  param e: float32[d, 50] = normal(2) * normal(3 / d)
  param f: [d, 50] = uniform(-1, 2)
  return x + sum[d n -> d](a + b + c + model_dtype(e) + f)
}
model M(d = 40)(stream tokens: int[B, T]) -> [B, T, d] {
  embed = Embedding(11, d)
  f     = F(d)
  return tokens |> embed |> f
}
variant V = M() {}
"""


@pytest.fixture(scope="module")
def block() -> torch.nn.Module:
    torch.manual_seed(0)
    module = from_text(SPEC)
    inner: torch.nn.Module = module.Model(module.Config()).f
    return inner


def numbers(block: torch.nn.Module, name: str) -> Tensor:
    tensor: Tensor = getattr(block, name).detach().double().flatten()
    assert len(tensor.unique()) > len(tensor) * 0.99, "entries share their numbers"
    return tensor


def test_random_numbers_are_spread_as_the_spec_says(block: torch.nn.Module) -> None:
    a = numbers(block, "a")
    assert abs(a.mean() - 3) < 0.05 and abs(a.std() - 0.5) < 0.05
    b = numbers(block, "b").exp()
    assert 1 <= b.min() < 1.1 and 15.9 < b.max() <= 16 and abs(b.mean() - 8.5) < 0.4
    c = torch.nn.functional.softplus(numbers(block, "c"))  # its logarithms are uniform
    assert 0.0099 < c.min() < 0.0105 and 0.095 < c.max() < 0.1001
    assert abs(c.log().mean() - torch.tensor([0.01, 0.1]).log().mean()) < 0.05
    f = numbers(block, "f")
    assert -1 <= f.min() < -0.95 and 1.95 < f.max() <= 2 and abs(f.mean() - 0.5) < 0.06


def test_two_draws_are_two(block: torch.nn.Module) -> None:
    e = numbers(block, "e")
    assert abs(e.std() - 2 * 3 / 40) < 0.02
    assert e.abs().mean() < 0.75 * e.std()  # a product of two is more peaked than a normal one


def test_what_is_made_without_memory_can_be_filled_later() -> None:
    module = from_text(SPEC)
    with torch.device("meta"):
        model = module.Model(module.Config())
    model.to_empty(device="cpu")
    model.f.set_initial_values()
    assert abs(model.f.a.mean() - 3) < 0.05
