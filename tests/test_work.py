"""Work as engines run it: keys that a mask hides are not counted, linear maps of the cache are
absorbed where that is cheaper, and nothing else differs from what is written.
"""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

import reference
from archdsl import hub, pipeline
from archdsl.dims import Dim, substitute
from archdsl.facts import Facts
from archdsl.facts.seen import ALL_BEFORE
from archdsl.facts.serving import Load, serving
from archdsl.nodes import Cache, Choose, every_node
from archdsl.source import Source
from archdsl.stream import modules
from emitted import code_of, run
from models import variants

HEADS, WIDTH, VOCAB = 2, 3, 5
LENGTHS = st.integers(1, 60)

Sees = Callable[[int, int], bool]
"""Whether a query sees a key, by their positions."""

MASKS: dict[str, Sees] = {
    "q >= k": lambda q, k: q >= k,
    "k <= q": lambda q, k: k <= q,
    "q > k - 1": lambda q, k: q > k - 1,
    "q - k >= 0 and q - k < 7": lambda q, k: 0 <= q - k < 7,
    "q >= k and k > q - 4": lambda q, k: q - 4 < k <= q,
    "q >= k and q < k + 5 and q - k < 9": lambda q, k: 0 <= q - k < 5,
    "q >= k and k < 6": lambda q, k: k <= q and k < 6,
    "q >= k and k >= q - q % 4": lambda q, k: q - q % 4 <= k <= q,
    "q >= k and k % 4 == 3": lambda q, k: k <= q and k % 4 == 3,
    "q >= k and k % 3 == 2 and q - k < 12": lambda q, k: 0 <= q - k < 12 and k % 3 == 2,
    "(k + 1) * 3 <= q + 1": lambda q, k: (k + 1) * 3 <= q + 1,
    "(k + 1) * 3 <= q + 1 and q >= k": lambda q, k: (k + 1) * 3 <= q + 1 and q >= k,
    "2 * k + 4 <= q": lambda q, k: 2 * k + 4 <= q,
}
"""Masks that are counted to the last key."""

AT_MOST: dict[str, Sees] = {
    "q >= k and (k < 3 or q - k < 4)": lambda q, k: q >= k and (k < 3 or q - k < 4),
    "q >= k and (k % 8 == 0 or q - k < 4)": lambda q, k: q >= k and (k % 8 == 0 or q - k < 4),
    "q >= k and not (q - k >= 9)": lambda q, k: 0 <= q - k < 9,
    "q >= k and (q - k) % 3 == 0": lambda q, k: q >= k and (q - k) % 3 == 0,
    "q >= k and q % 3 == 2": lambda q, k: q >= k and q % 3 == 2,
}
"""Masks whose sets of keys overlap, or that are not told: no key too few is counted."""


@cache
def masked(mask: str) -> pipeline.Variant:
    """A model of one attention with a mask."""
    text = f"""
use std.core: Embedding, Linear
use std.attention: GQA, Attend
block Mine()(query: int[T], key: int[S]) -> bool[T, S] as plumbing "mine" {{
  q = rearrange[T -> T 1](query)
  k = rearrange[S -> 1 S](key)
  return {mask}
}}
model M(d, heads, width, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {{
  embed = Embedding(vocab, d)
  mix   = GQA(d, heads, d_head: width, attend: Attend(1, Mine))
  head  = Linear(d, vocab)
  return tokens |> embed |> mix |> head
}}
variant V = M(d: {HEADS * WIDTH}, heads: {HEADS}, width: {WIDTH}, vocab: {VOCAB}) {{}}
"""
    checked = pipeline.check_source(Source("masked.arch", text), tiny=False)
    assert not checked.diagnostics, checked.diagnostics[0].text()
    return checked.variants[0]


def pairs(mask: str, context: int, prefill: bool) -> int:
    """How many pairs of a query and a key are counted."""
    flops = masked(mask).facts.work.flops(context, prefill)
    d = HEADS * WIDTH
    linear = 2 * (4 * d * d + d * VOCAB) * (context if prefill else 1)
    count, rest = divmod(flops - linear, 4 * HEADS * WIDTH)
    assert rest == 0
    return count


def truth(sees: Sees, context: int, prefill: bool) -> int:
    queries = range(context) if prefill else (context - 1,)
    return sum(sees(q, k) for q in queries for k in range(context))


@pytest.mark.parametrize("mask", MASKS)
@given(context=LENGTHS, prefill=st.booleans())
def test_a_mask_is_counted_key_by_key(mask: str, context: int, prefill: bool) -> None:
    assert pairs(mask, context, prefill) == truth(MASKS[mask], context, prefill)


@pytest.mark.parametrize("mask", AT_MOST)
@given(context=LENGTHS, prefill=st.booleans())
def test_no_key_too_few_is_counted(mask: str, context: int, prefill: bool) -> None:
    queries = context if prefill else 1
    counted = pairs(mask, context, prefill)
    assert truth(AT_MOST[mask], context, prefill) <= counted <= queries * (context + 3)


SOFT = {
    "a softmax": (2, "softmax[... S](select(seen, s, -inf))"),
    "a cap": (2, "softmax[... S](select(seen, tanh(s / 30) * 30, -inf))"),
    "a mask that is added": (2, "softmax[... S](s + select(seen, 0, -inf))"),
    "a mask and a bias": (2, "softmax[... S](select(seen, s, -inf) + s)"),
    "an exponential": (2, "exp(select(seen, s, -inf))"),
    "a sigmoid": (2, "sigmoid(s) * select(seen, 1, 0)"),
    "a root": (2, "sqrt(abs(select(seen, s, 0)))"),
    "a decay that masks": (2, "s * select(seen, exp(s), 0)"),
    "a square": (2, "select(seen, s, 0) * select(seen, s, 0)"),
    "a difference of two": (
        3, "softmax[... S](select(seen, s, -inf)) - softmax[... S](select(seen, r, -inf))"
    ),
    "a single precision": (2, "model_dtype(softmax[... S](float32(select(seen, s, -inf))))"),
}  # fmt: skip
"""Ways from scores `s` (and `r`, from other queries) to weights: how many products of pairs."""


def weighed(weights: str) -> pipeline.Variant:
    """A model of one attention to a window of seven keys."""
    other = "r = einsum[B T K, B S K -> B T S](p(x), k)\n  " if "r, -inf" in weights else ""
    text = f"""
use std.core: Linear
use std.attention: Window
block Mix(d)(x: [B, T, d]) -> [B, T, d] as attention "Mix" {{
  q = Linear(d, d)
  {"p = Linear(d, d)" if other else ""}
  k = x
  cache k
  s = einsum[B T K, B S K -> B T S](q(x), k)
  {other}seen = Window(7)(positions(T), positions(S))
  return einsum[B T S, B S K -> B T K]({weights}, k)
}}
model M(d)(stream x: [B, T, d]) -> [B, T, d] {{
  mix = Mix(d)
  return mix(x)
}}
variant V = M(d: 4) {{}}
"""
    checked = pipeline.check_source(Source("soft.arch", text), tiny=False)
    assert not checked.diagnostics, checked.diagnostics[0].text()
    return checked.variants[0]


def test_scores_that_also_choose_are_computed_once() -> None:
    """For the seven keys that they choose two of, whose values are then summed."""
    chosen = "top_mask[... S](select(seen, s, -inf), 2) and seen"
    work = weighed(f"softmax[... S](select({chosen}, s, -inf))").facts.work
    assert work.flops(100, prefill=False) == 2 * 4 * (4 + 7 + 2)
    assert work.flops(100, prefill=True) == 2 * 4 * (4 * 100 + (94 * 7 + 21) + (99 * 2 + 1))
    assert work.read(100, 32) == 32 * 7 * 4


@pytest.mark.parametrize("way", SOFT)
def test_what_is_hidden_has_no_part_however_it_is_weighed(way: str) -> None:
    """Seven keys of a window, whatever stands between the scores and the weights."""
    products, weights = SOFT[way]
    work = weighed(weights).facts.work
    linear = (2 if products == 3 else 1) * 2 * 4 * 4
    assert work.flops(100, prefill=False) == linear + products * 2 * 4 * 7
    assert work.flops(100, prefill=True) == 100 * linear + products * 2 * 4 * (94 * 7 + 21)


@pytest.mark.parametrize(
    ("type", "window"), [("gemma3_text", True), ("gpt_oss", True), ("llama", False)]
)
def test_masks_are_those_of_the_reference(type: str, window: bool) -> None:
    """The pairs of all layers are the true entries of the masks that transformers makes."""
    from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask

    config = reference.tiny_config(type)
    source = Source("imported.arch", hub.imported(config, name=type).text)
    facts = pipeline.check_source(source, tiny=False).variants[0].facts
    model = reference.from_config(config)
    kinds = getattr(model.config, "layer_types", None) or ["full_attention"] * facts.layers
    length = 37
    shape = {
        "config": model.config,
        "inputs_embeds": torch.zeros(1, length, 1),
        "attention_mask": None,
        "past_key_values": None,
        "position_ids": torch.arange(length)[None],
    }
    model.config._attn_implementation = "eager"
    full = create_causal_mask(**shape)
    near = create_sliding_window_causal_mask(**shape) if window else full
    seen = [int((near if "sliding" in kind else full).eq(0).sum()) for kind in kinds]
    assert len(set(seen)) == 1 + window
    counted = sum(
        count.total(length) * (substitute(cost, {"B": Dim.number(1)}).value or 0)
        for count, cost in facts.work.pairs
    )
    heads, width = model.config.num_attention_heads, model.config.head_dim
    assert counted == sum(seen) * 4 * heads * width


PLAIN = ("gpt2", "llama", "llama+bias", "llama+mha_tied_rope3", "qwen3", "qwen3_moe")
WINDOWS = ("gemma3_text", "gpt_oss")
LATENT = ("deepseek_v3", "deepseek_v3+yarn")


def of_a_reference(type: str) -> tuple[torch.nn.Module, reference.Reference, Facts]:
    """A running reference whose products PyTorch counts, and the facts of its configuration."""
    built = reference.build(type, seed=1)
    source = Source("imported.arch", hub.imported(built.config, name=type).text)
    facts = pipeline.check_source(source, tiny=False).variants[0].facts
    model = built._in(torch.float32)
    model.set_attn_implementation("eager")  # `sdpa` of the CPU is not counted
    return model, built, facts


@pytest.mark.parametrize("type", [*PLAIN, *LATENT])
def test_prefill_is_what_the_reference_computes_less_hidden_pairs(type: str) -> None:
    """It computes all pairs and masks those of later keys, half of them without the diagonal."""
    model, built, facts = of_a_reference(type)
    n = built.tokens.shape[1]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**built.fed(built.tokens[:1]), use_cache=False)
    assert facts.all_keys_flops(n) == counter.get_total_flops()
    config = model.config
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    both = 2 * width if type in PLAIN else (
        config.qk_nope_head_dim + config.qk_rope_head_dim + config.v_head_dim)  # fmt: skip
    pair = 2 * config.num_hidden_layers * heads * both
    hidden = pair * n * (n - 1) // 2
    assert facts.work.flops(n, prefill=True) == counter.get_total_flops() - hidden


@pytest.mark.parametrize("type", [*PLAIN, *LATENT])
def test_a_head_for_the_last_token_is_what_the_reference_saves(type: str) -> None:
    """With `logits_to_keep=1`, as generation asks for."""
    model, built, facts = of_a_reference(type)
    counted = []
    for keep in (0, 1):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(**built.fed(built.tokens[:1]), use_cache=False, logits_to_keep=keep)
        counted.append(counter.get_total_flops())
    result = serving(facts, Load(built.tokens.shape[1]))
    saved = result.prefill_flops - result.prefill_last_logits_flops
    assert saved == counted[0] - counted[1] > 0


@pytest.mark.parametrize("type", [*PLAIN, *WINDOWS, *LATENT])
def test_a_decoded_token_is_what_the_reference_computes(type: str) -> None:
    """With its cache, of which windowed layers keep the window. It expands latents anew."""
    model, built, facts = of_a_reference(type)
    n = built.tokens.shape[1]
    tokens = built.tokens[:1]
    with torch.no_grad():
        past = model(**built.fed(tokens[:, :-1]), use_cache=True).past_key_values
        with FlopCounterMode(display=False) as counter:
            model(**built.fed(tokens[:, -1:]), use_cache=True, past_key_values=past)
    counted = counter.get_total_flops()
    assert facts.work.flops(n, prefill=False, written=True) == counted
    assert (facts.work.flops(n, prefill=False) < counted) is (type in LATENT)


CHOOSE = ["GLM5_2", "Qwen3_8_Flash_Next", "DeepSeekV4_Flash", "MiniMax_M3", "Glm5_3_Flash"]


@pytest.mark.parametrize("name", CHOOSE)
def test_chosen_keys_are_as_many_as_the_emitted_module_chooses(name: str) -> None:
    """Every mask that an indexer makes in a run of the tiny model has as many keys as counted."""
    variant = variants()[name]
    assert variant.tiny is not None
    module = run(code_of(variant))
    torch.manual_seed(0)
    model = module.Model(module.Config.tiny())
    masks: list[int] = []

    def keep(_module: object, _args: object, out: object) -> None:
        if isinstance(out, torch.Tensor) and out.dtype == torch.bool and out.ndim > 2:
            masks.append(int(out.sum()) // out[..., 0, 0].numel())

    for part in model.modules():
        if any(word in type(part).__name__ for word in ("Index", "Choos")):
            part.register_forward_hook(keep)
    length = 23
    with torch.no_grad():
        model(torch.randint(0, 257, (2, length)))
    facts = type(variant.facts)(variant.tiny)
    parts = [facts.work, *(choice.written for _, choice in facts.work.either)]
    pairs = [seen for part in parts for seen, _ in part.pairs]
    counted = {seen.total(length) for seen in pairs if seen != ALL_BEFORE}
    assert masks
    near = min(8, length)
    windowed = sum(min(t + 1, near) for t in range(length))
    assert set(masks) <= counted | {c - windowed for c in counted}


# --- absorbed -------------------------------------------------------------------------------------


def absorbed(config: dict[str, int], context: int) -> int:
    """FLOPs of one token in the attention of the code that DeepSeek-AI published with DeepSeek-V3
    (inference/model.py, `attn_impl = "absorb"`), counted by PyTorch.
    """
    heads, rank = config["num_attention_heads"], config["kv_lora_rank"]
    nope, rope = config["qk_nope_head_dim"], config["qk_rope_head_dim"]
    value = config["v_head_dim"]
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        q_nope, q_pe = torch.empty(1, 1, heads, nope), torch.empty(1, 1, heads, rope)
        kv, pe = torch.empty(1, context, rank), torch.empty(1, context, rope)
        wkv_b = torch.empty(heads, nope + value, rank)
        q_nope = torch.einsum("bshd,hdc->bshc", q_nope, wkv_b[:, :nope])
        scores = torch.einsum("bshc,btc->bsht", q_nope, kv)
        scores = scores + torch.einsum("bshr,btr->bsht", q_pe, pe)
        x = torch.einsum("bsht,btc->bshc", scores.softmax(-1), kv)
        torch.einsum("bshc,hdc->bshd", x, wkv_b[:, -value:])
    return int(counter.get_total_flops())


def matrices(config: dict[str, int]) -> int:
    """Entries of the matrices beside the attention that a token meets, from the configuration."""
    d, heads, rank = config["hidden_size"], config["num_attention_heads"], config["kv_lora_rank"]
    nope, rope = config["qk_nope_head_dim"], config["qk_rope_head_dim"]
    value, q_rank = config["v_head_dim"], config["q_lora_rank"]
    layers, dense = config["num_hidden_layers"], config["first_k_dense_replace"]
    attention = d * q_rank + q_rank * heads * (nope + rope) + d * (rank + rope) + heads * value * d
    experts = config["num_experts_per_tok"] + config["n_shared_experts"]
    sparse = 3 * d * config["moe_intermediate_size"] * experts + d * config["n_routed_experts"]
    plain = 3 * d * config["intermediate_size"]
    return layers * attention + dense * plain + (layers - dense) * sparse + config["vocab_size"] * d


@pytest.mark.parametrize("context", [1, 2, 4096, 32_768, 131_072])
@pytest.mark.parametrize(
    ("name", "slug"), [("DeepSeekV3_671B", "deepseek-v3"), ("KimiK2_1T", "kimi-k2")]
)
def test_latent_attention_is_counted_as_it_is_served(name: str, slug: str, context: int) -> None:
    config, _ = reference.official(slug)
    facts = variants()[name].facts
    served = 2 * matrices(config) + config["num_hidden_layers"] * absorbed(config, context)
    written = facts.flops_per_token(context)
    assert facts.work.flops(context, prefill=False, written=True) == written
    assert facts.work.flops(context, prefill=False) == min(served, written)
    assert context < 3 or served < written


def test_prefill_expands_the_cache_once() -> None:
    """Every key is made once and each query sees those before it: half of the pairs that PyTorch
    counts, and the diagonal.
    """
    facts, n = variants()["DeepSeekV3_671B"].facts, 4096
    pair = 61 * 2 * 128 * (128 + 64 + 128)
    assert facts.work.flops(n, prefill=True) == facts.all_keys_flops(n) - pair * n * (n - 1) // 2


SPOILT = {
    "a norm of the keys": "k = norm(up(c))",
    "a factor for each place": "k = up(c) * model_dtype(rearrange[S -> S 1](positions(S)))",
    "an activation": "k = silu(up(c))",
    "a product of two": "k = up(c) * other(c)",
    "a second map": "k = other(up(c))",
}
SOUND = {
    "nothing": "k = up(c)",
    "a factor": "k = up(c) * 3",
    "a cast": "k = model_dtype(float32(up(c)))",
    "a bias": "k = up(c) + bias",
}


def latent(keys: str) -> pipeline.Variant:
    text = f"""
use std.core: Embedding, Linear, RMSNorm
use std.attention: Attend
block Mix(d, rank, width)(x: [B, T, d]) -> [B, T, width] as attention "Mix" {{
  ask  = Linear(d, width)
  down = Linear(d, rank)
  up   = Linear(rank, width)
  norm = RMSNorm(width)
  other = Linear({"width" if "other(up" in keys else "rank"}, width)
  param bias: [width] = zeros
  c = down(x)
  cache c
  {keys}
  q = ask(x) |> rearrange[B T k -> B 1 T k]
  k = k |> rearrange[B S k -> B 1 S k]
  return Attend(1)(q, k, k) |> rearrange[B 1 T k -> B T k]
}}
model M(d, rank, width)(stream tokens: int[B, T]) -> [B, T, width] {{
  embed = Embedding(5, d)
  mix   = Mix(d, rank, width)
  return tokens |> embed |> mix
}}
variant V = M(d: 16, rank: 8, width: 8) {{}}
"""
    for unused in ("norm", "other", "bias"):
        if f"{unused}(" not in keys and f"+ {unused}" not in keys:
            lines = text.splitlines()
            kept = [x for x in lines if not x.strip().startswith((f"{unused} ", f"param {unused}"))]
            text = "\n".join(kept)
    checked = pipeline.check_source(Source("latent.arch", text), tiny=False)
    assert not checked.diagnostics, checked.diagnostics[0].text()
    return checked.variants[0]


@pytest.mark.parametrize("what", [*SPOILT, *SOUND])
def test_only_a_linear_map_is_absorbed(what: str) -> None:
    """What is absorbed does not grow with the context but by the pairs; what stands between the map
    and the products keeps it from that.
    """
    facts = latent((SPOILT | SOUND)[what]).facts
    growth = facts.work.flops(1001, prefill=False) - facts.work.flops(1000, prefill=False)
    maps = 0 if what in SOUND else 2 if "other" in SPOILT[what] else 1
    assert growth == 2 * 2 * 8 + maps * 2 * 8 * 8
    assert facts.work.flops(1000, prefill=False, written=True) == facts.flops_per_token(1000)


# --- nothing else differs -------------------------------------------------------------------------


def chooses(variant: pipeline.Variant) -> bool:
    """Whether a model chooses keys, or keeps one for several tokens."""
    nodes = [n for m in modules(variant.model.root) for n in every_node(m.nodes)]
    return any(
        (isinstance(n.form, Choose) and n.form.op == "top_mask" and "S" in str(n.types[0]))
        or (isinstance(n.form, Cache) and n.form.every is not None)
        for n in nodes
    )


@pytest.mark.parametrize("name", sorted(variants()))
def test_the_first_token_costs_what_is_written(name: str) -> None:
    """It sees itself alone: no mask and no other order changes anything, but where keys stand for
    several tokens, of which there are none yet.
    """
    facts = variants()[name].facts
    first = facts.work.flops(1, prefill=False, written=True)
    assert first == facts.work.flops(1, prefill=True, written=True)
    assert first == facts.flops_per_token(1) or chooses(variants()[name])


@pytest.mark.parametrize("name", sorted(variants()))
def test_nothing_costs_more_than_with_every_key(name: str) -> None:
    facts = variants()[name].facts
    for context in (7, 600, 5000):
        assert facts.work.flops(context, prefill=False) <= facts.flops_per_token(context)
        assert facts.work.flops(context, prefill=True) <= facts.all_keys_flops(context)


@pytest.mark.parametrize("name", sorted(variants()))
def test_the_whole_cache_is_read_where_nothing_is_chosen(name: str) -> None:
    """More where several layers read what one has kept."""
    facts = variants()[name].facts
    kept = sum(cached.bytes * cached.entries(3000) for cached in facts.caches)
    read = facts.work.read(3000, 64) // 32
    assert read >= kept or chooses(variants()[name])
    if name in ("Llama3_8B", "Gemma3_27B", "GptOss_20B", "DeepSeekV3_671B", "Qwen3Next_80B_A3B"):
        assert read == kept


READ = {
    # 78 layers read 2048 latents of 576, 21 indexers all keys of 128.
    "GLM5_2": 78 * 2048 * 576 + 21 * 100_000 * 128,
    # 12 layers read 512 blocks of 4 tokens, keys and values of 2 heads of 256; an indexer's key of
    # each block. 100,000 is a multiple of 4: no block is open.
    "Qwen3_8_Flash_Next": 12 * (512 * 4 * 2 * 2 * 256 + 100_000 // 4 * 128),
    # 43 layers read a window of 128 tokens; of the compressed ones 21 read 512 entries and all of
    # the indexer's, 20 read all entries.
    "DeepSeekV4_Flash": 43 * 128 * 512
    + 21 * (512 * 512 + 25_000 * 128)
    + 20 * (100_000 // 128) * 512,
    # 20 of 35 layers read what two have kept, one a window of 512 and one all tokens.
    "Gemma4_E2B": (12 + 16) * 2 * 256 * 512 + (3 + 4) * 2 * 512 * 100_000,
}
"""Numbers that one token reads of the caches at 100,000, from the published sizes."""


@pytest.mark.parametrize("name", READ)
def test_of_a_cache_what_is_chosen_is_read(name: str) -> None:
    assert variants()[name].facts.work.read(100_000, 32) == 32 * READ[name]


def test_entries_that_are_looked_up_are_read() -> None:
    """Scores of all 1000 entries, then 4 of them by their places."""
    text = """
use std.core: Embedding, Linear
use std.attention: Causal
block Pick(d, rank, top)(x: [B, T, d]) -> [B, T, rank] as attention "Pick" {
  ask  = Linear(d, rank)
  down = Linear(d, rank)
  keys = Linear(d, 2)
  q = ask(x)
  c = down(x)
  k = keys(x)
  cache c, k
  s = einsum[B T r, B S r -> B T S](keys(x), k)
  seen = Causal()(positions(T), positions(S))
  _, i = top_k[B T S](select(seen, s, -inf), top)
  near = gather[B S r, B T k -> B T k r](c, i)
  p = softmax[... k](einsum[B T r, B T k r -> B T k](q, near))
  return einsum[B T k, B T k r -> B T r](p, near)
}
model M(d, rank, top)(stream tokens: int[B, T]) -> [B, T, rank] {
  embed = Embedding(5, d)
  mix   = Pick(d, rank, top)
  return tokens |> embed |> mix
}
variant V = M(d: 16, rank: 8, top: 4) {}
"""
    checked = pipeline.check_source(Source("pick.arch", text), tiny=False)
    assert not checked.diagnostics, checked.diagnostics[0].text()
    facts = checked.variants[0].facts
    assert facts.work.read(1000, 32) == 32 * (1000 * 2 + 4 * 8)
    assert facts.work.read(3, 32) == 32 * (3 * 2 + 3 * 8)
