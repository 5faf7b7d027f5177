"""What each layer costs: together what the model costs, and drawn beside the strip."""

import json
from pathlib import Path

import pytest

from archdsl.facts.layers import costs
from archdsl.scene.shapes import Cells, Group, shapes, written
from models import variants
from scenes import scene, shown

CONFIGS = Path(__file__).parent / "data" / "configs"
CONTEXTS = (8192, 131_072)
OUTSIDE = ("LongCat_Flash_Lite", "Qwen3_8_Flash_Next")
"""Models whose tables of n-grams keep the last tokens, outside of their layers."""
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
    rounds = 4 if name == "Ouro_2_6B" else 1  # its stack is applied so often, and keeps each time
    outside = {
        facts.kv_bytes(context) - rounds * sum(count * cost.kept[at] for count, cost in runs)
        for at, context in enumerate(CONTEXTS)
    }
    assert len(outside) == 1, "no cache that grows stands outside of layers"
    assert 0 <= outside.pop() <= (facts.state_bytes if name in OUTSIDE else 0)


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
