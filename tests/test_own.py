"""`share` and `apart`: one module wherever it is placed, a part that the result does not need."""

from functools import cache
from types import ModuleType

import torch

from archdsl import pipeline
from archdsl.source import Source
from emitted import from_text

SPEC = """
use std.core: Linear, Embedding, RMSNorm, SwiGLU, PreNorm
use std.attention: GQA
block NextToken(d, heads)(h: [B, T, d], e: [B, T, d]) -> [B, T, d] as layer {
  join  = Linear(2 * d, d)
  layer = PreNorm(RMSNorm(d), GQA(d, heads), SwiGLU(d, 2 * d))
  return rearrange[B T d, B T d -> B T (d + d)](h, e) |> join |> layer
}
block Wrap(d, inner: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] as layer {
  a = Linear(d, d)
  f = inner
  x += f(x)
  x += a(x)
  return x
}
model Net(d, heads, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {
  SHARE memory = PreNorm(RMSNorm(d), GQA(d, heads), SwiGLU(d, 4 * d))
  embed  = Embedding(vocab, d)
  layers = stack(2 * (Wrap(d, memory), memory), Wrap(d, Linear(d, d)))
  head   = Linear(d, vocab)
  APART
  return tokens |> embed |> layers |> memory |> head
}
variant V = Net(d: 16, heads: 2, vocab: 31) { name: "V" }
"""
TOKENS = torch.arange(24).view(2, 12) * 7 % 31


def text(share: str = "share", apart: str = "apart ahead = NextToken(d, heads)") -> str:
    return SPEC.replace("SHARE", share).replace("APART", apart)


def variant(spec: str) -> pipeline.Variant:
    checked = pipeline.check_source(Source("own.arch", spec))
    said = [d.text() for d in checked.diagnostics]
    assert not said
    return checked.variants[0]


@cache
def module() -> ModuleType:
    return from_text(text())


@torch.no_grad()
def drawn(made: ModuleType) -> torch.nn.Module:
    torch.manual_seed(0)
    model = made.Model().double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_counts() -> None:
    """What is shared counts once, what stands apart in a count of its own only."""
    found, alone = variant(text()).facts, variant(text(apart="")).facts
    fresh = variant(text(share="", apart="")).facts
    one = 3 * 16 * 64 + 4 * 16 * 16 + 2 * 16
    assert fresh.params - alone.params == 4 * one
    assert found.params == alone.params and found.active == alone.active
    assert found.apart == 2 * 16 * 16 + 4 * 16 * 16 + 3 * 16 * 32 + 2 * 16 and alone.apart == 0
    assert found.kv_bytes_per_token == fresh.kv_bytes_per_token == 5 * 2 * 16 * 2
    assert found.flops_per_token(50) == fresh.flops_per_token(50)
    model = drawn(module())
    assert sum(p.numel() for p in model.parameters()) == found.params + found.apart


def test_state_dict_has_each_name_once() -> None:
    names = list(drawn(module()).state_dict())
    assert len(names) == len(set(names))
    assert not [n for n in names if ".f." in n and not n.startswith("layers.4.")]
    assert "memory.mix.q_proj.w" in names and "ahead.join.w" in names


@torch.no_grad()
def test_shared_is_the_same_as_fresh_with_equal_weights() -> None:
    model, fresh = drawn(module()), drawn(from_text(text(share="", apart="")))
    state = model.state_dict()
    places = ("memory", "layers.0.f", "layers.1", "layers.2.f", "layers.3")
    given = {}
    for name in fresh.state_dict():
        place = next(
            (
                p
                for p in places
                if name.startswith((f"{p}.norm_1", f"{p}.norm_2", f"{p}.mix", f"{p}.feed"))
            ),
            None,
        )
        given[name] = state[name if place is None else name.replace(place, "memory", 1)]
    fresh.load_state_dict(given)
    whole = model(TOKENS)
    assert torch.equal(whole, fresh(TOKENS))
    cache = model.new_cache(2, 12)
    steps = torch.cat([model(part, cache=cache) for part in TOKENS.split([5, *[1] * 7], 1)], 1)
    assert torch.allclose(steps, whole, atol=1e-12)
    with torch.no_grad():
        model.memory.feed.up.w.mul_(1.1)
    assert not torch.allclose(model(TOKENS), whole)


@torch.no_grad()
def test_apart_runs_when_it_is_asked_for() -> None:
    model = drawn(module())
    calls: list[str] = []
    model.ahead.register_forward_hook(lambda *_: calls.append("ahead"))
    whole = model(TOKENS)
    assert not calls
    e = model.embed(TOKENS)
    assert model.ahead(e, e).shape == (2, 12, 16) and calls
    for parameter in model.ahead.parameters():
        parameter.zero_()
    assert torch.equal(model(TOKENS), whole)


def test_copies_and_dtypes_follow() -> None:
    """The place of a shared module is no copy of it, whatever is done to the model."""
    import copy

    model = copy.deepcopy(drawn(module())).float()
    assert model.layers[0].f.module is model.memory
    assert {p.dtype for p in model.layers[0].f.module.parameters()} == {torch.float32}


AHEAD = """
use specs.deepseek: DeepSeekV3
use std.core: Linear, PreNorm, RMSNorm, SwiGLU
use std.attention: MLA, LowRank
use std.moe: MoE, GroupRouter
use std.position: Rope, RotatePairs

## One more token, from what the layers say and the token that follows (DeepSeek-AI, 2024).
block NextToken(d, layer: [B, T, d] -> [B, T, d])(h: [B, T, d], e: [B, T, d]) -> [B, T, d]
as layer "Prediction of one more token" {
  norm_h = RMSNorm(d)
  norm_e = RMSNorm(d)
  join   = Linear(2 * d, d)
  block  = layer
  norm   = RMSNorm(d)
  return rearrange[B T d, B T d -> B T (d + d)](norm_e(e), norm_h(h)) |> join |> block |> norm
}
model WithAhead(d = 7168, heads = 128, q_rank = 1536, kv_rank = 512, d_nope = 128, d_rope = 64,
                d_v = 128, d_ff = 18_432, experts = 256, top_k = 8, groups = 8, top_groups = 4,
                d_expert = 2048, vocab = 129_280)
               (stream tokens: int[B, T]) -> [B, T, vocab] {
  query = LowRank(d, q_rank, heads * (d_nope + d_rope))
  rope  = Rope(d_rope, rotate: RotatePairs(d_rope))
  mix   = MLA(d, heads, kv_rank, d_nope, d_rope, d_v, query, rope)
  route = GroupRouter(d, experts, top_k, groups, top_groups, 2.5)
  moe   = MoE(d, route, SwiGLU(d, d_expert), experts, top_k, shared: SwiGLU(d, d_expert))
  core  = DeepSeekV3(d, 3, 58, heads, q_rank, kv_rank, d_nope, d_rope, d_v, d_ff, experts, top_k,
                     groups, top_groups, d_expert, vocab: vocab, stretch: 40)
  apart ahead = NextToken(d, PreNorm(RMSNorm(d), mix, moe))
  return core(tokens)
}
variant Whole = WithAhead() {
  name: "DeepSeek-V3 with the layer that predicts one more token"
  expect params: 671_026_404_352
  expect active: 37_552_282_624
  expect apart: 11_610_067_968
}
"""


def test_the_layer_that_predicts_one_more_token() -> None:
    """DeepSeek-V3's last layer is in none of its counts; of the published 685B parameters it has
    these, and copies of the embedding and the head.
    """
    facts = variant(AHEAD).facts
    d, attention = 7168, 7168 * 1536 + 1536 + 1536 * 128 * 192 + 7168 * 576 + 512 + 512 * 128 * 256
    attention += 128 * 128 * d
    layer = attention + 257 * 3 * d * 2048 + 256 * d + 2 * d
    assert facts.apart == layer + 2 * d * d + 3 * d
    copies = 2 * 129_280 * d
    assert round((facts.params + facts.apart + copies) / 1e9, 1) == 684.5
