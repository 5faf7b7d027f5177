"""`share` and `apart`: one module wherever it is placed, a part that the result does not need."""

from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

import reference
from archdsl import hub, pipeline
from archdsl.source import Source
from emitted import from_text
from models import variants

SPEC = """
use std.core: Linear, Embedding, RMSNorm, GatedMLP, TransformerLayer
use std.attention: GQA
block NextToken(d, heads)(h: [B, T, d], e: [B, T, d]) -> [B, T, d] as layer {
  join  = Linear(2 * d, d)
  layer = TransformerLayer(RMSNorm(d), GQA(d, heads), GatedMLP(d, 2 * d))
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
  SHARE memory = TransformerLayer(RMSNorm(d), GQA(d, heads), GatedMLP(d, 4 * d))
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
    checked = pipeline.check_source(Source("parts.arch", spec))
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
    assert "memory.mix.q_proj.weight" in names and "ahead.join.weight" in names


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
        model.memory.feed.up_proj.weight.mul_(1.1)
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


def test_the_layer_that_predicts_one_more_token() -> None:
    """DeepSeek-V3's last layer is in none of its counts; of the published 685B parameters it has
    these, and copies of the embedding and the head.
    """
    facts = variants()["DeepSeekV3_671B"].facts
    d, attention = 7168, 7168 * 1536 + 1536 + 1536 * 128 * 192 + 7168 * 576 + 512 + 512 * 128 * 256
    attention += 128 * 128 * d
    layer = attention + 257 * 3 * d * 2048 + 256 * d + 2 * d
    assert facts.apart == layer + 2 * d * d + 3 * d
    copies = 2 * 129_280 * d
    assert round((facts.params + facts.apart + copies) / 1e9, 1) == 684.5
    assert variants()["KimiK2_1T"].facts.apart == 0


def ahead(**changes: object) -> tuple[ModuleType, dict[str, object]]:
    """An emitted tiny DeepSeek-V3 with one layer that predicts, and its config.json."""
    config = reference.tiny_config("deepseek_v3") | changes
    text = hub.imported(config, name="tiny").text
    assert "n_ahead: 1" in text
    return from_text(text), config


@torch.no_grad()
def test_the_layer_that_predicts_equals_the_reference() -> None:
    """The reference has no class for it: it is a model of one layer that reads, in place of
    embeddings, the map of both inputs, each normalised.
    """
    module, config = ahead(num_hidden_layers=1, first_k_dense_replace=0)
    one = reference.from_config(config)
    reference.randomise(one, 5)
    model = module.Model(module.Config()).eval()
    state = module.parameters_from(one.state_dict(), model)
    state |= {f"ahead.0.block.{k[9:]}": v for k, v in state.items() if k.startswith("layers.0.")}
    state["ahead.0.last.weight"] = state["norm.weight"]
    d = config["hidden_size"]
    before = [type(one.model.norm)(d, eps=config["rms_norm_eps"]) for _ in range(2)]
    draw = torch.Generator().manual_seed(6)
    for name, norm in zip(("norm_e", "norm_h"), before, strict=True):
        norm.weight.copy_(1 + 0.3 * torch.randn(d, generator=draw))
        state[f"ahead.0.{name}.weight"] = norm.weight
    join = state["ahead.0.join.weight"] = torch.randn(d, 2 * d, generator=draw) * d**-0.5
    model.load_state_dict(state)
    h, e = torch.randn(2, 2, 19, d, generator=draw)
    joined = torch.cat([before[0](e), before[1](h)], -1) @ join.T
    wanted = one.model(inputs_embeds=joined).last_hidden_state
    found = model.ahead[0](h, e)
    assert (found - wanted).abs().max() <= 1e-4 * wanted.std()
    assert (model.ahead[0](e, h) - wanted).abs().max() > 0.1 * wanted.std()


def test_a_checkpoint_without_it_loads(tmp_path: Path) -> None:
    """What stands apart is not in every checkpoint; where it is, it has to be there whole."""
    module, _ = ahead()
    ref = reference.build("deepseek_v3", 3)
    save_file({k: v.contiguous() for k, v in ref.state.items()}, tmp_path / "model.safetensors")
    model = module.load(tmp_path)
    assert not hasattr(model, "ahead")
    with torch.no_grad():
        wanted = ref.logits(torch.float32)
        assert (model(ref.tokens) - wanted).abs().max() <= 1e-4 * wanted.std()
    beyond = {"model.layers.61.eh_proj.weight": torch.zeros(3)}
    assert module.parameters_from(ref.state | beyond, module.Model(module.Config()))
    with pytest.raises(ValueError, match=r"no parameter for model.layers.60"):
        beyond = {"model.layers.60.eh_proj.weight": torch.zeros(3)}
        module.parameters_from(ref.state | beyond, module.Model(module.Config()))


def test_a_stack_may_stand_apart() -> None:
    """Its blocks are called one by one; one of no layers is no part."""
    spec = text(apart="apart ahead = stack(N * NextToken(d, heads))")
    two, none = (variant(spec.replace("N *", f"{n} *")) for n in (2, 0))
    assert two.facts.apart == 2 * variant(text()).facts.apart and none.facts.apart == 0
    model = drawn(from_text(spec.replace("N *", "2 *")))
    e = model.embed(TOKENS)
    assert model.ahead[1](model.ahead[0](e, e), e).shape == e.shape
    wrong = text(apart="share ahead = stack(2 * NextToken(d, heads))")
    found = pipeline.check_source(Source("parts.arch", wrong)).diagnostics
    assert [d.code for d in found] == ["not-a-block"]
