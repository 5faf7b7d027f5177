"""Mixtures of experts against their definition: the chosen experts, one by one, by weight."""

from itertools import permutations
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from archdsl import pipeline
from archdsl.source import Source
from emitted import from_text

D, TOP_K = 4, 3
KINDS = {
    "2 * Linear(d, d)": 2,
    "1 * Identity()": 1,
    "3 * Linear(d, d, bias: true)": 3,
    "2 * Zero()": 2,
}
"""Kinds of experts, with how many there are."""


def spec(kinds: tuple[str, ...], experts: int, chosen: int = TOP_K) -> str:
    return f"""
use std.core: Embedding, Identity, Linear
use std.moe: SoftmaxRouter, Zero
model M(d = {D})(stream tokens: int[B, T]) -> [B, T, d] {{
  embed = Embedding(11, d)
  route = SoftmaxRouter(d, {experts}, {chosen})
  pool  = bank({", ".join(kinds)}, {TOP_K})
  x = embed(tokens)
  w, i = route(x)
  return mixture(pool, w, i)(x)
}}
variant V = M() {{}}
"""


def drawn(module: ModuleType) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = module.Model(module.Config()).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model


def expert(model: nn.Module, kinds: tuple[str, ...], index: int, x: Tensor) -> Tensor:
    """What an expert says of a token, from what its kind means."""
    first = 0
    for number, kind in enumerate(kinds):
        if index < first + KINDS[kind]:
            if "Zero" in kind:
                return torch.zeros_like(x)
            if "Identity" in kind:
                return x
            bank = getattr(model, f"pool_{number + 1}" if number else "pool")
            offset = bank.bias[index - first] if "bias" in kind else 0
            return bank.weight[index - first] @ x + offset
        first += KINDS[kind]
    raise AssertionError(index)


@torch.no_grad()
@pytest.mark.parametrize("kinds", list(permutations(KINDS)), ids=", ".join)
def test_kinds_in_every_order(kinds: tuple[str, ...]) -> None:
    """Indices count the experts of all kinds in their order."""
    model = drawn(from_text(spec(kinds, sum(KINDS.values()))))
    tokens = torch.arange(11).view(1, 11)
    x = model.embed(tokens)
    w, i = model.route(x)
    assert len(i.unique()) == sum(KINDS.values()), "every expert is chosen by some token"
    found = model(tokens)
    for t in range(11):
        chosen = zip(w[0, t], i[0, t].tolist(), strict=True)
        wanted = sum(weight * expert(model, kinds, index, x[0, t]) for weight, index in chosen)
        assert torch.allclose(found[0, t], wanted, rtol=1e-12, atol=1e-12), t


@pytest.mark.parametrize("chosen", range(1, 6))
def test_weights_are_as_many_as_experts_are_chosen(chosen: int) -> None:
    """A router that picks another number than the bank says is refused."""
    found = pipeline.check_source(Source("m.arch", spec(("5 * Linear(d, d)",), 5, chosen)))
    assert [d.code for d in found.diagnostics] == ["shape-mismatch"] * (chosen != TOP_K)
