"""What cards say of operations and settings that a newcomer's first models have: words, not marks.

One spec has them all: layers that differ by a number, layers that differ by a yes or no, a look at
the token before, a product of two parts, a choice that is no mask, an encoder beside a decoder.
"""

from functools import cache

import pytest

from archdsl import naming
from archdsl.pipeline import Variant, check_source
from archdsl.record import replace
from archdsl.scene.card import card
from archdsl.scene.verify import faults
from archdsl.shown import asked
from archdsl.source import Source
from archdsl.text import plain
from archdsl.theme import light
from archdsl.view import view
from archdsl.view.types import Diagram, Node

SPEC = """
use std.core: Linear, Embedding, RMSNorm, GatedMLP, TransformerLayer
use std.attention: Causal
use std.encoder: BiasedAttend, Everything, CrossAttention, CrossLayer

block Before()(x: [B, T, d]) -> [B, T, d] as plumbing "token before" {
  p, _ = window(x, 2) |> rearrange[B T (1 + 1) d -> B T 1 d, B T 1 d]
  return rearrange[B T 1 d -> B T d](p)
}

## Parts of Wide (A and B, 2024; B, 2025): a gate, and what it lets pass.
block Parts(d, rate: float, first: bool)(x: [B, T, d]) -> [B, T, d] as convolution "Parts" {
  enter  = Linear(d, 2 * d)
  back   = Linear(d, d)
  before = Before()
  a, b = x |> enter |> rearrange[B T (d + d) -> B T d, B T d]
  y = back(before(x) - x) if first else back(x)
  return a * b + select(y > 0, y, 0.5 * y) * rate
}

## Attention of Parts (A, 2024), with a bias that is given.
block Biased(d, heads, attend: [B, H, T, k], [B, H, S, k], [B, H, S, k] -> [B, H, T, k])
            (x: [B, T, d]) -> [B, T, d]
as attention "Biased attention"
where d % heads == 0 {
  q = Linear(d, d)
  v = x
  k = x |> q |> rearrange[B T (heads k) -> B heads T k]
  h = k
  v = v |> rearrange[B T (heads k) -> B heads T k]
  cache k, v
  return attend(h, k, v) |> rearrange[B heads T k -> B T (heads k)]
}

block Score(heads)(t: int[T], s: int[S]) -> [heads, T, S] as position "Bias by distance" {
  param w: [heads] = zeros
  far = rearrange[T -> 1 T 1](t) - rearrange[S -> 1 1 S](s)
  return repeat[heads -> heads T S](w) * model_dtype(far)
}

model Two(d, heads, vocab)(source: int[B, N], stream target: int[B, T]) -> [B, T, vocab]
where d % heads == 0 {
  embed   = Embedding(vocab, d)
  score   = Score(heads)
  other   = Score(heads)
  feed    = GatedMLP(d, 3 * d)
  whole   = Biased(d, heads, BiasedAttend(Everything))
  encoder = stack(4 * TransformerLayer(RMSNorm(d), whole, feed))
  own     = Biased(d, heads, BiasedAttend(Causal))
  cross   = CrossAttention(d, heads)
  decoder = stack(4 * CrossLayer(RMSNorm(d), own, cross, feed))
  head    = Linear(d, vocab)
  bias = score(positions(N), positions(N))
  give bias
  memory = source |> embed |> encoder
  give memory
  bias = other(positions(T), positions(S))
  give bias
  return target |> embed |> decoder |> head
}

model One(d, vocab, told: bool)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed  = Embedding(vocab, d)
  layers = stack(TransformerLayer(RMSNorm(d), Parts(d, 1 if told else 1 / (i + 1), i == 0 and told),
                         GatedMLP(d, 3 * d)) for i in 5)
  head   = Linear(d, vocab)
  return tokens |> embed |> layers |> head
}

block Told(d)(x: [B, T, d], first: [B, T, d], kept: [B, T, d])
             -> ([B, T, d], [B, T, d], [B, T, d]) as layer {
  mix = GatedMLP(d, 3 * d)
  y = mix(x + kept)
  x += y + first
  return x, first, y
}

model Carried(d, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed  = Embedding(vocab, d)
  layers = stack(3 * Told(d))
  head   = Linear(d, vocab)
  x = embed(tokens)
  x, _, _ = layers(x, x, x)
  return head(x)
}

variant Both = Two(d: 64, heads: 4, vocab: 99) {}
variant Rates = One(d: 64, vocab: 99, told: false) {}
variant Three = Carried(d: 64, vocab: 99) {}
variant First = One(d: 64, vocab: 99, told: true) {}
"""


@cache
def variants() -> dict[str, Variant]:
    checked = check_source(Source("two.arch", SPEC))
    wrong = [d.text() for d in checked.diagnostics]
    assert not wrong
    return {variant.model.id: variant for variant in checked.variants}


def shown(name: str, kind: str) -> dict[str, str]:
    """What stands in the nodes of a view, by their ids."""
    found: dict[str, str] = {}

    def walk(diagram: Diagram) -> None:
        for node in diagram.nodes:
            found[node.id] = " | ".join(map(plain, node.lines))
            inner: list[Node] = [case.node for case in node.cases]
            found.update({x.id: " | ".join(map(plain, x.lines)) for x in inner})
            if node.inner is not None:
                walk(node.inner)

    made = variants()[name]
    walk(view(made.model, made.facts, asked(kind)).tower)
    return found


@pytest.mark.parametrize("name", ["Both", "Rates", "First", "Three"])
@pytest.mark.parametrize("kind", ["card", "compact", "block"])
def test_the_rules_of_geometry_hold(name: str, kind: str) -> None:
    made = variants()[name]
    found = view(made.model, made.facts, asked(kind))
    assert faults(card(found, light(found.maker))) == []


def test_a_product_of_two_parts_says_which() -> None:
    assert "a × b" in shown("First", "detail:Parts").values()


def test_a_look_at_the_token_before_is_seen() -> None:
    """Without it, x minus the token before would be x, minus nothing."""
    assert "token before" in shown("First", "detail:Parts").values()


def test_a_choice_is_a_mask_only_before_a_softmax() -> None:
    assert "select" in shown("First", "detail:Parts").values()
    assert not any("mask" in w for w in shown("First", "detail:Parts").values())
    assert "no mask, softmax" in shown("Both", "detail:BiasedAttend").values()


def test_layers_that_differ_by_a_number_are_one_box() -> None:
    """Its sizes are the same in all: nothing of "different sizes"."""
    assert [s for s in shown("Rates", "card").values() if "Parts" in s] == ["Parts"]


def test_layers_that_differ_by_a_yes_or_no_are_told_apart() -> None:
    said = [s.removesuffix(" | token before") for s in shown("First", "card").values()]
    assert sorted(s for s in said if "Parts" in s) == ["Parts | first", "Parts | not first"]


def test_each_group_of_a_block_view_has_its_own_shape() -> None:
    said = [s for name, s in shown("Both", "block").items() if name.startswith(("below", "above"))]
    assert set(said) == {"x [N, 64]", "x [T, 64]"}


def test_what_a_layer_hands_on_does_not_run_into_its_result() -> None:
    """It ends beside, by its name; what only passes through is not drawn a second time."""
    made = variants()["Three"]
    tower = view(made.model, made.facts, asked("card")).tower
    whole = next(node.inner for node in tower.nodes if node.inner is not None)
    (group,) = (node.inner for node in whole.nodes if node.id == "layers")
    assert group is not None
    assert len([edge for edge in group.edges if edge.target == "layers.out"]) == 1
    said = [plain(node.lines[0]) for node in group.nodes if node.form == "terminal"]
    assert sorted(said) == ["first", "kept", "kept"]


def test_heads_are_told_where_a_bias_is_given_for_each() -> None:
    assert any(s.startswith("Biased attention | 4 heads") for s in shown("Both", "card").values())


@pytest.mark.parametrize(
    ("title", "doc", "said"),
    [
        (
            "Parts",
            "Parts of Wide (A and B, 2024; B, 2025): a gate.",
            "of Wide (A and B, 2024; B, 2025)",
        ),
        ("Parts", "Parts (A and B, 2024), as ever.", "A and B, 2024"),
        ("Parts", "Parts (of the whole): a gate.", "of the whole"),
        ("Other", "Wide (see 1. of A): a gate.", "Wide (see 1. of A)"),
    ],
)
def test_parentheses_of_a_documentation_stay_whole(title: str, doc: str, said: str) -> None:
    module = variants()["First"].model.root
    assert naming.about(replace(module, title=title, doc=doc)) == said
