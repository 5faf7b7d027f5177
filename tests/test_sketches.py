"""The pictures in boxes of attention, against the mask functions of transformers and the published
configurations.
"""

import json
from pathlib import Path

import pytest
import torch
from transformers import masking_utils

from archdsl import masks
from archdsl.graph import Model, Module
from archdsl.pipeline import check_source
from archdsl.scene.shapes import Group
from archdsl.source import Source
from archdsl.stream import modules
from models import variants
from scenes import scene

CONFIGS = Path(__file__).parent / "data" / "configs"
HEAD = """use std.attention: Attend, Causal, GQA
use std.core: Embedding, Linear
"""


def attention(model: Model, title: str) -> list[Module]:
    return [m for m in modules(model.root) if m.role == "attention" and title in m.title]


def of(name: str, title: str) -> list[tuple[masks.Seen, masks.Heads]]:
    model = variants()[name].model
    both = [(masks.seen(model, m), masks.heads(model, m)) for m in attention(model, title)]
    return [(seen, heads) for seen, heads in both if seen is not None and heads is not None]


def drawn_from(mask: str) -> masks.Seen:
    """The picture of attention with a mask that a spec writes itself."""
    spec = f"""{HEAD}
block Own()(query: int[T], key: int[S]) -> bool[T, S] {{
  q = rearrange[T -> T 1](query)
  k = rearrange[S -> 1 S](key)
  return {mask}
}}
model M(d)(stream tokens: int[B, T]) -> [B, T, 50] {{
  embed = Embedding(50, d)
  mix = GQA(d, 4, attend: Attend(1, Own))
  head = Linear(d, 50)
  return tokens |> embed |> mix |> head
}}
variant V = M(d: 64) {{}}
"""
    checked = check_source(Source("own.arch", spec))
    assert not checked.diagnostics, checked.diagnostics
    model = checked.variants[0].model
    seen = masks.seen(model, attention(model, "Multi-head")[0])
    assert seen is not None
    return seen


def as_transformers(seen: masks.Seen, visible: object) -> tuple[str, ...]:
    """The cells that a mask function of transformers gives, at the middle of each."""
    count = len(seen.rows)
    places = [(2 * i + 1) * seen.tokens // (2 * count) for i in range(count)]
    return tuple(
        "".join("#" if visible(0, 0, torch.tensor(q), torch.tensor(k)) else " " for k in places)  # type: ignore[operator]
        for q in places
    )


@pytest.mark.parametrize(
    ("name", "config"),
    [("Gemma3_27B", "gemma-3-27b"), ("Gemma3_270M", "gemma-3-270m"), ("GptOss_20B", "gpt-oss-20b")],
)
def test_windows_and_heads_are_those_of_the_configuration(name: str, config: str) -> None:
    read = json.loads((CONFIGS / f"{config}.json").read_text())
    window = masking_utils.sliding_window_causal_mask_function(read["sliding_window"])
    plain = masking_utils.causal_mask_function
    pictures = of(name, "query attention")
    assert len(pictures) == 2
    shapes = {seen.rows for seen, _ in pictures}
    expected = {as_transformers(seen, each) for seen, _ in pictures for each in (window, plain)}
    assert len(shapes) == 2 and shapes <= expected
    heads = masks.Heads(read["num_attention_heads"], read["num_key_value_heads"])
    assert {each for _, each in pictures} == {heads}


@pytest.mark.parametrize(
    ("mask", "function"),
    [
        ("q >= k", masking_utils.causal_mask_function),
        ("q >= k and q - k < 3000", masking_utils.sliding_window_causal_mask_function(3000)),
        (
            "q >= k and q // 500 == k // 500",
            masking_utils.chunked_causal_mask_function(500, torch.zeros(1, dtype=torch.long)),
        ),
        ("q >= k and (q - k < 64 or k < 16)", None),
        ("q >= k and k % 64 == 0 or q == k", None),
    ],
)
def test_a_mask_of_its_own_is_drawn_as_it_is(mask: str, function: object) -> None:
    seen = drawn_from(mask.replace("q // 500 == k // 500", "q - q % 500 == k - k % 500"))
    expected = function or eval(f"lambda b, h, q, k: {mask}")
    assert seen.rows == as_transformers(seen, expected)
    hidden = sum(row[: i + 1].count(" ") for i, row in enumerate(seen.rows))
    assert (hidden > 0) == (mask != "q >= k"), "what a mask hides is on its picture"


def test_a_latent_is_one_head() -> None:
    ((_, heads),) = of("DeepSeekV3_671B", "latent")
    assert heads == masks.Heads(128, 1, latent=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Llama3_8B", {"32 query heads, 8 key/value heads"}),
        ("Gemma3_270M", {"4 query heads, 1 key/value head"}),
        ("T5_Small", {"8 query heads, 8 key/value heads"}),
        ("DeepSeekV3_671B", {"128 query heads, one latent"}),
        ("GLM5_2", {"64 query heads, one latent"}),
        ("DeepSeekV4_Flash", {"64 query heads, 1 key/value head"}),
    ],
)
def test_heads_in_words(name: str, words: set[str]) -> None:
    """The title of the picture of heads, of heads of the published configurations."""
    waiting, titles = list(scene(name, "card").items), set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, Group):
            waiting += item.items
            titles |= {item.title} if item.kind == "heads" else set()
    assert titles == words


def test_a_choice_takes_its_share() -> None:
    """DeepSeek sparse attention: the top 2,048 of the keys before (GLM-5.2's configuration)."""
    top_k = 2048  # index_topk of the published configuration
    ((seen, _),) = of("GLM5_2", "Sparse latent")
    places = [(2 * i + 1) * seen.tokens // (2 * len(seen.rows)) for i in range(len(seen.rows))]
    shown, expected = 0, 0.0
    for i, (q, row) in enumerate(zip(places, seen.rows, strict=True)):
        assert "#" not in row[i + 1 :]
        if q < top_k:
            assert row[: i + 1] == "#" * (i + 1)
        else:
            shown += row.count("#")
            expected += (i + 1) * top_k / (q + 1)
    assert shown == pytest.approx(expected, rel=0.15)


def test_entries_are_told_from_tokens() -> None:
    """Compressed attention of DeepSeek-V4: a window, and complete entries of 128 tokens."""
    ((seen, _),) = of("DeepSeekV4_Flash", "Heavily compressed")
    window, every = 128, 128  # sliding_window, compress_rates of the published configuration
    places = [(2 * i + 1) * seen.tokens // (2 * len(seen.rows)) for i in range(len(seen.rows))]
    for q, row in zip(places, seen.rows, strict=True):
        for k, cell in zip(places, row, strict=True):
            token, entry = 0 <= q - k < window, (k // every + 1) * every <= q + 1
            assert cell == ("#" if token else "." if entry else " ")


def test_what_looks_both_ways_is_full() -> None:
    ((seen, heads),) = of("T5_Small", "Cross-attention")
    assert set(seen.rows) == {"#" * masks.CELLS}
    assert heads == masks.Heads(8, 8)
