"""A chain gives what a block gives that applies its parts one by one, wherever it stands."""

import pytest
import torch
from torch import Tensor

from emitted import from_text

SPEC = """
use std.core: Embedding, Linear, MLP, TransformerLayer, RMSNorm
use std.moe: MoE, SoftmaxRouter
block Limit(limit: float)(x: [...]) -> [...] as plumbing "limit" {{
  return minimum(maximum(x, -limit), limit)
}}
block Hand(d, e, limit: float)(x: [..., d]) -> [..., d] {{
  rmsnorm  = RMSNorm(d, 0.5)
  linear   = Linear(d, e)
  linear_2 = Linear(e, d)
  return x |> rmsnorm |> linear |> tanh |> Limit(limit) |> linear_2
}}
block Wrap(d, f: [..., 2 * d] -> [..., 2 * d])(x: [..., 2 * d]) -> [..., 2 * d] {{
  g = f
  return x + g(x)
}}
model M(d = 6, h = 3, limit: float = 0.02)(stream tokens: int[B, T]) -> [B, T, d]
where d == 2 * h {{
  embed = Embedding(11, d)
  f = {f}
  return tokens |> embed |> {place}
}}
variant V = M() {{}}
"""
CHAIN = "RMSNorm(d, 0.5) |> Linear(d, 2 * d) |> tanh |> Limit(limit) |> Linear(2 * d, d)"
HAND = "Hand(d, 2 * d, limit)"
PLACES = {
    "alone": ("{}", "f"),
    "in a slot": ("Wrap(h, {})", "f"),
    "in a stack": ("stack(3 * ({}))", "f"),
    "in a layer": ("stack(2 * TransformerLayer(RMSNorm(d), {0}, {0}))", "f"),
    "in a bank": ("MoE(d, SoftmaxRouter(d, 4, 2), {}, 4, 2)", "f"),
    "behind a name": ("{}", "f |> f"),
}


def built(recipe: str, form: str, place: str) -> torch.nn.Module:
    module = from_text(SPEC.format(f=form.format(recipe), place=place))
    model: torch.nn.Module = module.Model(module.Config())
    return model


def filled(model: torch.nn.Module) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn_like(t) * 0.5 for name, t in sorted(model.state_dict().items())}


@pytest.mark.parametrize("place", PLACES)
def test_a_chain_is_a_block_that_applies_its_parts_in_order(place: str) -> None:
    chain, hand = (built(recipe, *PLACES[place]) for recipe in (CHAIN, HAND))
    state = filled(hand)
    hand.load_state_dict(state)
    chain.load_state_dict(state)  # the same names
    tokens = torch.randint(0, 11, (2, 7))
    assert torch.equal(chain(tokens), hand(tokens))
    chain.load_state_dict({n: t.roll(1) if "linear_2" in n else t for n, t in state.items()})
    assert not torch.equal(chain(tokens), hand(tokens))
