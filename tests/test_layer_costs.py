"""What each layer costs: together what the model costs, and drawn beside the strip."""

import json
from pathlib import Path

import pytest

from archdsl import pipeline
from archdsl.facts.layers import costs
from archdsl.scene.shapes import Cells, Group, shapes, written
from models import variants
from scenes import scene, shown

DATA = Path(__file__).parent / "data"
CONFIGS, MEANING = DATA / "configs", DATA / "meaning"
CONTEXTS = (8192, 131_072)
OUTSIDE = ("LongCat_Flash_Lite", "Qwen3_8_Flash_Next")
"""Models whose tables of n-grams keep the last tokens, outside of their layers."""
MULTIPLIED_OUTSIDE = (
    "Hy4_Preview",
    "DeepSeekV4_Flash",
    "DeepSeekV4_Pro",
    "Gemma4_E2B",
    "Gemma4_E4B",
    *OUTSIDE,
)
"""Models that multiply more than the head outside of their layers: streams, tables of n-grams and
of layers.
"""
ONE_INPUT = [name for name, v in variants().items() if len(v.model.root.inputs) == 1]


@pytest.mark.parametrize("name", ONE_INPUT)
def test_layers_together_cost_what_the_model_does(name: str) -> None:
    facts = variants()[name].facts
    runs = costs(facts, CONTEXTS)
    assert sum(count for count, _ in runs) == facts.layers
    params = sum(count * cost.params for count, cost in runs)
    idle = sum(count * (cost.params - cost.active) for count, cost in runs)
    assert params <= facts.params
    assert idle == facts.params - facts.active, "only layers have experts that idle"
    outside = {
        facts.kv_bytes(context) - sum(count * cost.kept[at] for count, cost in runs)
        for at, context in enumerate(CONTEXTS)
    }
    assert len(outside) == 1, "no cache that grows stands outside of layers"
    assert 0 <= outside.pop() <= (facts.state_bytes if name in OUTSIDE else 0)
    if not facts.streams:
        return
    others = {
        facts.work.flops(context, prefill=False) - sum(n * cost.flops[at] for n, cost in runs)
        for at, context in enumerate(CONTEXTS)
    }
    assert len(others) == 1, "no work that grows stands outside of layers"
    rest = others.pop() - facts.head_flops
    assert 0 < rest <= 2 * (facts.params - params) if name in MULTIPLIED_OUTSIDE else rest == 0


def test_a_layer_costs_what_it_does_in_all_rounds() -> None:
    """Of `layers` in a loop, of `last` in the loop and once more."""
    checked = pipeline.check_path(MEANING / "loop_of_layers.arch", "loop_of_layers.arch")
    once, four = (costs(variant.facts, CONTEXTS) for variant in checked.variants)
    for (_, one), (_, all_rounds), rounds in zip(once, four, (4, 4, 2.5), strict=True):
        assert all_rounds.params == one.params
        assert all_rounds.kept == tuple(rounds * kept for kept in one.kept)
        assert all_rounds.flops == tuple(rounds * flops for flops in one.flops)
    for variant, runs in zip(checked.variants, (once, four), strict=True):
        for at, context in enumerate(CONTEXTS):
            kept = sum(count * cost.kept[at] for count, cost in runs)
            assert kept == variant.facts.kv_bytes(context)
            whole = variant.facts.work.flops(context, prefill=False)
            layers = sum(count * cost.flops[at] for count, cost in runs)
            assert whole - layers == variant.facts.head_flops


def test_layers_that_are_told_which_keys_to_see_have_flops_beside_them() -> None:
    """GLM-5.2: an indexer chooses keys for layers after its own."""
    strip = shown("GLM5_2", "card").strip
    assert strip is not None
    assert [cost.name for cost in strip.costs] == ["parameters", "cache", "FLOPs"]


def test_windows_stop_where_the_configuration_says() -> None:
    """Gemma 3: every sixth layer keeps the text, the others its last 1,024 tokens, K and V each."""
    read = json.loads((CONFIGS / "gemma-3-27b.json").read_text())
    entry = 2 * 2 * read["num_key_value_heads"] * read["head_dim"]
    layers = [c for n, cost in costs(variants()["Gemma3_27B"].facts, CONTEXTS) for c in [cost] * n]
    for number, cost in enumerate(layers, 1):
        tokens = CONTEXTS if number % 6 == 0 else (read["sliding_window"],) * 2
        assert cost.kept == tuple(entry * each for each in tokens)


def test_experts_that_idle_are_paler() -> None:
    """DeepSeek-V3: three dense layers, then 8 of 256 experts and a shared one."""
    strip = shown("DeepSeekV3_671B", "card").strip
    assert strip is not None
    params = next(cost for cost in strip.costs if cost.name == "parameters")
    (column,) = params.columns
    assert all(part == whole for part, whole in column.shares[:3])
    read = json.loads((CONFIGS / "deepseek-v3.json").read_text())
    d, heads = read["hidden_size"], read["num_attention_heads"]
    nope, rope, v = (read[f"{x}_head_dim"] for x in ("qk_nope", "qk_rope", "v"))
    q_rank, kv_rank = read["q_lora_rank"], read["kv_lora_rank"]
    queries = d * q_rank + q_rank + q_rank * heads * (nope + rope)
    keys = d * (kv_rank + rope) + kv_rank + kv_rank * heads * (nope + v)
    attention = queries + keys + heads * v * d
    router = d * read["n_routed_experts"]  # the bias that balances is a buffer
    expert = 3 * d * read["moe_intermediate_size"]
    outside = 2 * d + attention + router + read["n_shared_experts"] * expert
    active = outside + read["num_experts_per_tok"] * expert
    every = outside + read["n_routed_experts"] * expert
    assert len(column.shares) == read["num_hidden_layers"]
    for part, whole in column.shares[3:]:
        assert whole == 1.0
        assert part == pytest.approx(active / every, rel=1e-9)


def test_bars_are_as_long_as_shares() -> None:
    strip = shown("Gemma3_27B", "card").strip
    assert strip is not None
    assert [cost.name for cost in strip.costs] == ["parameters", "cache", "FLOPs"]
    cache = strip.costs[1]
    assert [column.label for column in cache.columns] == ["8K", "128K"]
    (group,) = (
        item
        for item in scene("Gemma3_27B", "card").items
        if isinstance(item, Group) and item.kind == "costs"
    )
    bars = [shape for shape in shapes((group,)) if isinstance(shape, Cells)]
    cached = [shape for shape in bars if shape.fill == "cached"]
    longest = max(box.width for shape in cached for box in shape.boxes)
    for shape, column in zip(cached, cache.columns, strict=True):
        expected = [part * longest for part, _ in column.shares]
        assert [box.width for box in shape.boxes] == pytest.approx(expected)


def test_equal_layers_have_no_costs_beside_them() -> None:
    strip = shown("Llama3_8B", "card").strip
    assert strip is not None and strip.costs == ()
    assert "parameters" in written(scene("Qwen3Next_80B_A3B", "card"))
