"""Settings of standard blocks that no shipped spec needs, against the classes that need them."""

import torch
from transformers.models.gemma4 import configuration_gemma4, modeling_gemma4
from transformers.models.olmo2 import configuration_olmo2, modeling_olmo2

import archdsl
from emitted import run
from equality import default_dtype, doubled, fill

TIED = """
use std.core: RMSNorm, PlainRMSNorm
use std.attention: GQA
use std.position: ProportionalRope
model Mix(d, heads, kv_heads, d_head, d_rope)(stream x: [B, T, d]) -> [B, T, d]
where heads % kv_heads == 0, d_head % 2 == 0, d_rope <= d_head {
  mix = GQA(d, heads, kv_heads, d_head, position: ProportionalRope(d_head, d_rope, 1_000_000),
            qk_norm: RMSNorm(d_head), v_norm: PlainRMSNorm, tie_kv: true, scale: 1)
  return mix(x)
}
variant Mix_1 = Mix(d: 48, heads: 4, kv_heads: 2, d_head: 16, d_rope: 4) { }
"""


def test_keys_that_are_values_too_are_those_of_gemma_4() -> None:
    config = configuration_gemma4.Gemma4TextConfig(
        hidden_size=48,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_global_key_value_heads=2,
        head_dim=16,
        global_head_dim=16,
        num_hidden_layers=1,
        num_kv_shared_layers=0,
        layer_types=["full_attention"],
        attention_k_eq_v=True,
        rope_parameters={
            "full_attention": {
                "rope_type": "proportional",
                "rope_theta": 1_000_000.0,
                "partial_rotary_factor": 0.25,
            },
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        },
    )
    config._attn_implementation = "eager"
    x = torch.randn(2, 9, 48, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    places = torch.arange(9)[None]
    mask = torch.full((9, 9), -torch.inf, dtype=torch.float64).triu(1)[None, None]
    with default_dtype(torch.float64):
        reference = modeling_gemma4.Gemma4TextAttention(config, 0).eval().requires_grad_(False)
        rotary = modeling_gemma4.Gemma4TextRotaryEmbedding(config)
        module = run(doubled(archdsl.loads(TIED)["Mix_1"].torch()))
        net = module.Model(module.Config()).eval().requires_grad_(False)
        state = fill(reference)
        assert "v_proj.weight" not in state
        net.mix.load_state_dict(state)
        expected, _ = reference(x, rotary(x, places, "full_attention"), mask, {})
        whole = net(x)
        cache = net.new_cache(2, 9)
        pieces = [net(part, cache=cache) for part in x.split([4, 1, 4], dim=1)]
    # The reference rotates by angles in single precision.
    assert (whole - expected).abs().max() < 1e-6 * expected.abs().max()
    assert (torch.cat(pieces, 1) - whole).abs().max() < 1e-12 * expected.abs().max()


SINGLE = """
use std.core: RMSNorm
use std.position: Rope, Rotate
model Turned(d, heads)(stream x: [B, T, d]) -> [B, T, d]
where d % heads == 0, d // heads % 2 == 0 {
  norm = RMSNorm(d, gain: single)
  rope = Rope(d // heads, rotate: Rotate(d // heads, single: true))
  return x |> norm |> rearrange[B T (heads k) -> B heads T k] |> rope
    |> rearrange[B heads T k -> B T (heads k)]
}
variant Turned_1 = Turned(d: 32, heads: 2) { }
"""


def test_gain_and_rotation_in_single_precision_are_those_of_olmo_2() -> None:
    """Bit for bit in bfloat16."""
    config = configuration_olmo2.Olmo2Config(hidden_size=32, num_attention_heads=2)
    seed = torch.Generator().manual_seed(2)
    x = torch.randn(2, 9, 32, generator=seed).bfloat16()
    norm = modeling_olmo2.Olmo2RMSNorm(32, 1e-6).bfloat16()
    norm.weight.data = torch.randn(32, generator=seed).bfloat16()
    heads = norm(x).view(2, 9, 2, 16).transpose(1, 2)
    rotary = modeling_olmo2.Olmo2RotaryEmbedding(config)
    cos, sin = rotary(x, torch.arange(9)[None])
    expected, _ = modeling_olmo2.apply_rotary_pos_emb(heads, heads, cos, sin)
    module = run(archdsl.loads(SINGLE)["Turned_1"].torch())
    net = module.Model(module.Config()).bfloat16().eval().requires_grad_(False)
    net.norm.weight.copy_(norm.weight)
    result = net(x).view(2, 9, 2, 16).transpose(1, 2)
    assert result.dtype == torch.bfloat16
    assert torch.equal(result, expected)


MIXED = """
use std.core: Linear, MLP
model Mixed(d, experts, top_k)(stream x: [B, T, d]) -> [B, T, d] {
  score = Linear(d, experts)
  pool  = bank(experts, MLP(d, 2 * d), top_k)
  w, i = top_k[... experts](softmax[... experts](float32(score(x))), top_k)
  return mixture(pool, w, i)(x)
}
variant Mixed_1 = Mixed(d: 16, experts: 4, top_k: 3) { }
"""


def test_weights_of_experts_in_single_precision() -> None:
    """In bfloat16 the sum is rounded once."""
    module = run(archdsl.loads(MIXED)["Mixed_1"].torch())
    torch.manual_seed(3)
    net = module.Model(module.Config()).eval().requires_grad_(False)
    for parameter in net.parameters():
        parameter.normal_()
    net = net.bfloat16()
    x = torch.randn(2, 9, 16).bfloat16()
    weights, indices = net.score(x).float().softmax(-1).topk(3, -1)
    alone = [net.pool(x, expert) for expert in range(4)]
    chosen = torch.stack(alone, 2).gather(2, indices[..., None].expand(-1, -1, -1, 16))
    expected = (chosen.float() * weights[..., None]).sum(2).bfloat16()
    result = net(x)
    assert result.dtype == torch.bfloat16
    assert torch.equal(result, expected)
