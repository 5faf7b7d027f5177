"""The table of facts: each column does what it says, for every row."""

import pytest

from archdsl import pipeline
from archdsl.facts import CARD_ROWS, FACTS, Fact, Facts
from archdsl.source import Source
from archdsl.view import panel as panels
from models import variants

COUNTED = [fact for fact in FACTS if fact.expected]


def small(facts: str = "") -> pipeline.Checked:
    text = f"""
use std.core: Embedding, Linear
use std.recurrent: CausalConv
model M(d, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {{
  embed = Embedding(vocab, d)
  mixed = CausalConv(d, 4)
  head  = Linear(d, vocab)
  return tokens |> embed |> mixed |> head
}}
tiny M {{ d: 3  vocab: 5 }}
variant V = M(d: 3, vocab: 5) {{ {facts} }}
"""
    return pipeline.check_source(Source("small.arch", text), tiny=False)


@pytest.mark.parametrize("fact", COUNTED, ids=lambda fact: fact.name)
def test_what_is_expected_is_what_the_row_computes(fact: Fact) -> None:
    count = fact.value(small().variants[0].facts, None)
    assert isinstance(count, int)
    assert not small(f"expect {fact.name}: {count}").diagnostics
    (wrong,) = small(f"expect {fact.name}: {count + 1}").diagnostics
    assert wrong.code == "fact-mismatch"


def test_rows_of_cards_have_a_place_a_label_and_a_unit() -> None:
    rows = [fact for fact in FACTS if fact.card]
    assert {*(fact.card for fact in rows), "position"} == set(CARD_ROWS)
    assert all(fact.label and fact.unit in panels.UNITS for fact in rows)


def test_a_new_row_is_on_the_cards_that_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def depth(facts: Facts, _: int | None) -> int:
        return facts.layers

    model = variants()["Llama3_8B"].model
    before = panels.panel(model, Facts(model), ()).rows
    row = Fact("depth", "entries", depth, card="tied", label="depth")
    monkeypatch.setattr(panels, "FACTS", (*FACTS, row))
    assert panels.panel(model, Facts(model), ()).rows == before
    asked = panels.panel(model, Facts(model), ("tied",)).rows
    assert [row.name for row in asked] == ["tied embeddings", "depth"]


RESULTS = {
    "layers(x)": ("d", 0),
    "norm(layers(x))": ("d", 0),
    "backbone(x)": ("d", 0),
    "head(layers(x))": ("vocab", 1),
    "30 * tanh(head(layers(x)) / 30)": ("vocab", 1),
    "rearrange[B T vocab -> B T vocab 1](head(layers(x)))": ("vocab, 1", 1),
    "repeat[B T vocab -> B T 2 vocab](head(layers(x)))": ("2, vocab", 1),
    "first * second": ("vocab", 2),
}
"""What a model returns, its last axes, and how many times `vocab` numbers a head makes for it."""

FEED = "MLP(d, 2 * d)"
LAYERS = (
    f"stack(TransformerLayer(RMSNorm(d), GQA(d, 2), {FEED}), 2 * SingleLayer(RMSNorm(d), {FEED}))"
)
PARTS = {
    "norm": "RMSNorm(d)",
    "layers": LAYERS,
    "backbone": "Backbone(d)",
    "head": "Linear(d, vocab)",
    "wide": "Linear(d, 2 * vocab)",
}
HALVES = "first, second = rearrange[B T (vocab + vocab) -> B T vocab, B T vocab](wide(layers(x)))"


@pytest.mark.parametrize("result", RESULTS)
def test_what_makes_the_result_is_the_head_and_layers_are_not(result: str) -> None:
    d, vocab = 6, 10
    axes, times = RESULTS[result]
    body = [HALVES, f"return {result}"] if "first" in result else [f"return {result}"]
    parts = [f"{name} = {part}" for name, part in PARTS.items() if f"{name}(" in " ".join(body)]
    lines = "\n".join(["embed = Embedding(vocab, d)", *parts, "x = embed(tokens)", *body])
    text = f"""
use std.core: Embedding, Linear, MLP, RMSNorm, SingleLayer, TransformerLayer
use std.attention: GQA
block Backbone(d)(x: [B, T, d]) -> [B, T, d] {{
layers = {LAYERS}
return layers(x)
}}
model M(d, vocab)(stream tokens: int[B, T]) -> [B, T, {axes}] {{
{lines}
}}
variant V = M(d: {d}, vocab: {vocab}) {{}}
"""
    checked = pipeline.check_source(Source("head.arch", text), tiny=False)
    assert not checked.diagnostics, checked.diagnostics[0].text()
    facts = checked.variants[0].facts
    assert facts.head_flops == 2 * d * times * vocab
    if not times:
        assert dict(facts.parts).get("head", 0) <= d, "layers count as what they are made of"
