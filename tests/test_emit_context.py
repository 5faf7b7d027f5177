"""`given` and `give` in emitted code: the same numbers as when everything is passed by hand."""

import pytest
import torch

from emitted import from_text

HEAD = """
use std.core: Embedding, Linear, RMSNorm, TransformerLayer, GatedMLP
use std.attention: GQA
"""
WRAPPED = """
block Gate(d)(x: [B, T, d]) -> [B, T, d] given first: [B, T, d] {
  up = Linear(d, d)
  return up(x) * sigmoid(first)
}
block Mix(attn: [B, T, d] -> [B, T, d], inner: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] {
  a = attn
  f = inner
  x += a(x)
  x += f(x)
  return x
}
model Net(d = 16, heads = 2, vocab = 31)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed  = Embedding(vocab, d)
  layers = stack(2 * Mix(GQA(d, heads), Gate(d)), Mix(GQA(d, heads), Linear(d, d)))
  head   = Linear(d, vocab)
  first = embed(tokens)
  give first
  return first |> layers |> head
}
variant V = Net() { name: "V" }
"""
BY_HAND = """
block Gate(d)(x: [B, T, d], first: [B, T, d]) -> [B, T, d] {
  up = Linear(d, d)
  return up(x) * sigmoid(first)
}
model Net(d = 16, heads = 2, vocab = 31)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed = Embedding(vocab, d)
  a_0 = GQA(d, heads)
  a_1 = GQA(d, heads)
  a_2 = GQA(d, heads)
  f_0 = Gate(d)
  f_1 = Gate(d)
  f_2 = Linear(d, d)
  head = Linear(d, vocab)
  first = embed(tokens)
  x = first
  x += a_0(x)
  x += f_0(x, first)
  x += a_1(x)
  x += f_1(x, first)
  x += a_2(x)
  x += f_2(x)
  return head(x)
}
variant V = Net() { name: "V" }
"""
LOOPED = """
block Gate(d)(x: [B, T, d]) -> [B, T, d] given first: [B, T, d], rate: [B, d] {
  up = Linear(d, d)
  return up(x) * sigmoid(first) + rearrange[B d -> B 1 d](rate)
}
block Wrap(inner: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] {
  f = inner
  return tanh(f(x))
}
model Net(d = 16, vocab = 31)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed = Embedding(vocab, d)
  wrap  = Wrap(Gate(d))
  head  = Linear(d, vocab)
  param w: [d] = normal(1)
  first = embed(tokens)
  rate = zeros[B d] + softmax[... d](3 * w)
  give first, rate
  return (loop 3 with x: [B, T, d] = first { x = wrap(x) }) |> head
}
variant V = Net() { name: "V" }
"""


@torch.no_grad()
def drawn(text: str) -> torch.nn.Module:
    torch.manual_seed(0)
    model = from_text(HEAD + text).Model().double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model


@torch.no_grad()
def both(model: torch.nn.Module, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of all tokens at once, and in parts with a cache."""
    cache = model.new_cache(tokens.shape[0], tokens.shape[1])
    parts = [model(part, cache=cache) for part in tokens.split([4, 2, *[1] * 6], 1)]
    return model(tokens), torch.cat(parts, 1)


TOKENS = torch.arange(24).view(2, 12) * 7 % 31


def test_what_is_given_is_what_would_be_passed() -> None:
    model, other = drawn(WRAPPED), drawn(BY_HAND)
    names = [n for n, _ in model.named_parameters()]
    known = {f"layers.{i}.{k}": f"{k}_{i}" for i in range(3) for k in "af"}
    state = model.state_dict()
    for old, new in known.items():
        for name in names:
            if name.startswith(f"{old}."):
                state[name.replace(old, new, 1)] = state.pop(name)
    other.load_state_dict(state)
    whole, parts = both(model, TOKENS)
    assert torch.equal(whole, both(other, TOKENS)[0])
    assert torch.allclose(whole, parts, atol=1e-12)


def test_in_a_loop() -> None:
    model = drawn(LOOPED)
    whole, parts = both(model, TOKENS)
    assert torch.allclose(whole, parts, atol=1e-12)
    first = model.embed(TOKENS)
    rate = (3 * model.w).softmax(0)
    x = first
    for _ in range(3):
        x = torch.tanh(model.wrap.f.up(x) * torch.sigmoid(first) + rate)
    assert torch.allclose(whole, model.head(x), atol=1e-12)


@pytest.mark.parametrize("text", [WRAPPED, LOOPED])
def test_every_layer_takes_it_by_name(text: str) -> None:
    """What a layer is given may not be forgotten."""
    model = drawn(text)
    layer = model.layers[0] if "layers" in text else model.wrap
    with pytest.raises(TypeError, match="first"):
        layer(torch.zeros(2, 3, 16, dtype=torch.double))
