"""The view: what a card shows follows from the graph, for models of any build."""

import re
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import models
from archdsl import amounts, naming, theme
from archdsl.cli import facts as commands
from archdsl.layout.arrange import Arranged, arrange
from archdsl.nodes import Apply, Loop
from archdsl.pipeline import Variant, check_path, check_source
from archdsl.scene.card import card
from archdsl.scene.shapes import written
from archdsl.scene.verify import faults
from archdsl.source import Source
from archdsl.text import plain
from archdsl.theme import Sizes
from archdsl.view import View, view, words
from archdsl.view.tower import ids
from archdsl.view.types import Diagram, Node
from models import MEANING, PICTURES

SPEC = """
use std.core: Linear, Embedding, RMSNorm, GatedMLP, TransformerLayer, MLP
use std.attention: GQA
use std.position: Rope

block Parallel(d, heads)(x: [B, T, d]) -> [B, T, d]
as layer "Parallel block"
where d % heads == 0 {
  norm = RMSNorm(d)
  mix  = GQA(d, heads, 2)
  feed = GatedMLP(d, 4 * d)
  h = norm(x)
  x += mix(h) + feed(h)
  return x
}

model Mixed(d, n_dense, n_gated, heads, vocab)(stream tokens: int[B, T]) -> [B, T, vocab]
where d % heads == 0 {
  attn   = GQA(d, heads, position: Rope(d // heads))
  embed  = Embedding(vocab, d)
  layers = stack(n_dense * TransformerLayer(RMSNorm(d), attn, MLP(d, 4 * d)),
                 n_gated * TransformerLayer(RMSNorm(d), attn, GatedMLP(d, 8 * d)))
  norm   = RMSNorm(d)
  head   = Linear(d, vocab, weight: embed.weight)
  return tokens |> embed |> layers |> norm |> head
}

model Nested(d, n, heads, vocab)(stream tokens: int[B, T]) -> [B, T, vocab]
where d % heads == 0 {
  embed  = Embedding(vocab, d)
  feed   = GatedMLP(d, 4 * d)
  layers = stack(n * (3 * Parallel(d, heads), TransformerLayer(RMSNorm(d), GQA(d, heads), feed)))
  head   = Linear(d, vocab)
  return tokens |> embed |> layers |> head
}

tiny Mixed { d: 64  n_dense: 1  n_gated: 1  heads: 4  vocab: 257 }
tiny Nested { d: 64  n: 1  heads: 4  vocab: 257 }

variant A = Mixed(d: 1024, n_dense: 3, n_gated: 20, heads: 8, vocab: 32_000) { context: 4096 }
variant B = Nested(d: 1024, n: 6, heads: 8, vocab: 32_000) { name: "B & <B>" }
card A {
  callout(layers.mix): "{heads} heads"
  callout(head): "one table of {vocab} rows"
}
"""


@pytest.fixture(scope="module")
def variants() -> dict[str, Variant]:
    checked = check_source(Source("made.arch", SPEC))
    assert not checked.diagnostics, checked.diagnostics
    return {variant.model.id: variant for variant in checked.variants}


@pytest.fixture(scope="module")
def views(variants: dict[str, Variant]) -> dict[str, View]:
    return {name: view(found.model, found.facts) for name, found in variants.items()}


def nodes(diagram: Diagram) -> dict[str, Node]:
    """Every node by id, also in groups and choices."""
    found = {}
    for node in diagram.nodes:
        found[node.id] = node
        found |= {case.node.id: case.node for case in node.cases}
        if node.inner is not None:
            found |= nodes(node.inner)
    return found


def test_every_rule_of_geometry_holds(views: dict[str, View]) -> None:
    for shown in views.values():
        assert faults(card(shown, theme.light(shown.maker))) == []


def test_layers_that_differ_in_a_slot_share_a_skeleton(views: dict[str, View]) -> None:
    found = nodes(views["A"].tower)
    assert (found["layers"].form, found["layers"].count) == ("group", 23)
    slot = found["layers.feed"]
    assert slot.form == "choice"
    assert [(plain(c.node.lines[0]), plain(c.label)) for c in slot.cases] == [
        ("Feed-forward network", "in 3 layers"),
        ("SwiGLU", "or, in 20 layers"),
    ]


def test_layers_of_another_build_are_groups_of_their_own(views: dict[str, View]) -> None:
    found = nodes(views["B"].tower)
    assert [(n.id, n.count) for n in found.values() if n.form == "group"] == [
        ("model", 1), ("layers", 6), ("layers.1", 3), ("layers.2", 1),
    ]  # fmt: skip


def test_the_strip_has_a_cell_a_layer(views: dict[str, View]) -> None:
    one, other = views["A"].strip, views["B"].strip
    assert one is not None
    assert other is not None
    assert one.cells == (0,) * 3 + (1,) * 20
    assert [(kind.name, kind.count) for kind in one.kinds] == [
        ("Feed-forward network", 3), ("SwiGLU", 20),
    ]  # fmt: skip
    assert other.cells == (0, 0, 0, 1) * 6


def test_residual_wires_go_round(views: dict[str, View]) -> None:
    inner = nodes(views["A"].tower)["layers"].inner
    assert inner is not None
    skips = [(e.source, e.target) for e in inner.edges if e.form == "residual"]
    assert skips == [("layers.in", "layers.sum"), ("layers.sum", "layers.sum.2")]


def test_terms_of_a_sum_meet_in_one_plus(views: dict[str, View]) -> None:
    """x + mix(h) + feed(h): one bar with three wires, where a plus for each two would stand."""
    layer = nodes(views["B"].tower)["layers.1"].inner
    assert layer is not None
    (bar,) = (node for node in layer.nodes if node.wide)
    assert plain(bar.lines[0]) == "+"
    terms = [edge.source for edge in layer.edges if edge.target == bar.id]
    assert len(terms) == len(set(terms)) == 3
    assert not [node for node in layer.nodes if node.mark == "+"]
    other = nodes(views["B"].tower)["layers.2"].inner
    assert other is not None
    assert len([node for node in other.nodes if node.mark == "+"]) == 2


def loops(arranged: Arranged) -> Iterator[Arranged]:
    for placed in arranged.placed:
        if placed.inner is not None:
            yield from [placed.inner] if placed.node.id.rpartition(".")[2] == "loop" else []
            yield from loops(placed.inner)


LOOPED = {
    name: variant
    for path in (*MEANING, *PICTURES)
    for variant in check_path(path, path.name).variants
    for name in [f"{path.stem}:{variant.id}"]
    if any(isinstance(node.form, Loop) for node in variant.model.root.nodes)
} | {name: models.variants()[name] for name in ("Ouro_2_6B", "Nanbeige4_2_3B")}


@pytest.mark.parametrize("name", LOOPED)
def test_a_loop_of_one_state_has_a_wire_back(name: str) -> None:
    """From the wire of its result on to the wire of what enters, below all that reads it; one of
    several states has none, for it would not say which they are.
    """
    model = LOOPED[name].model
    found = list(loops(arrange(view(model, LOOPED[name].facts).tower, Sizes())))
    forms = [node.form for node in model.root.nodes if isinstance(node.form, Loop)]
    drawn = [form for form in forms if any(isinstance(n.form, Apply) for n in form.body.nodes)]
    assert len(found) == len(drawn)
    for loop, form in zip(found, drawn, strict=True):
        wires_back = [wire for wire in loop.wires if wire.edge.form == "back"]
        rounds = model.number(model.root, form.rounds).value
        assert len(wires_back) == (form.body.states == 1 and rounds != 1)
        for back in wires_back:
            assert back.arrow and back.points[0] in loop.dots
            assert back.points[0].x == loop.exit and back.points[-1].x == loop.entry
            entering = [w for w in loop.wires if w.edge.source == back.edge.target]
            below = [w for w in entering if w.points[0].y > back.points[-1].y]
            assert below and all(w.points[1].y < back.points[-1].y for w in below)
            assert all(w in below or w.points[0].y < back.points[-1].y for w in entering)
            parts = [p.box for p in loop.placed if p.node.form not in ("port", "terminal")]
            assert max(p.x for p in back.points[1:3]) < min(box.x for box in parts)


def test_positions_are_badges(views: dict[str, View]) -> None:
    badges = nodes(views["A"].tower)["layers.mix"].badges
    assert [plain(badge.label) for badge in badges] == ["RoPE"]
    none = nodes(views["B"].tower)["layers.1.mix"].badges
    assert [plain(badge.label) for badge in none] == ["NoPE"], "nothing tells where tokens stand"


def test_second_lines_come_from_settings(views: dict[str, View]) -> None:
    found = nodes(views["B"].tower)["layers.1.mix"]
    assert [plain(runs) for runs in found.lines] == [
        "Grouped-query attention", "8 heads · 2 kv heads · head width 128",
    ]  # fmt: skip
    head = nodes(views["A"].tower)["head"]
    assert [plain(runs) for runs in head.lines] == [
        "Linear output layer", "tied to the token embedding",
    ]  # fmt: skip


def test_a_circuit_is_the_body_without_plumbing(views: dict[str, View]) -> None:
    inset = next(found for found in views["A"].insets if found.target == "layers.mix")
    found = {node.id.split(".", 4)[-1]: node for node in inset.diagram.nodes}
    labels = {name: [plain(runs) for runs in node.lines] for name, node in found.items()}
    assert labels == {
        "x": ["x [T, 1024]"],
        "q_proj": ["q · 1,024"],
        "k_proj": ["k · 1,024"],
        "v_proj": ["v · 1,024"],
        "position": ["RoPE"],
        "position.2": ["RoPE"],
        "k.cache": ["cached k", "8 × 128 a token"],
        "v.cache": ["cached v", "8 × 128 a token"],
        "attend": ["Scaled dot-product attention, causal"],
        "o_proj": ["o · 1,024"],
        "out-0": ["[T, 1024]"],
    }
    beside = [plain(edge.label) for edge in inset.diagram.edges if edge.label]
    assert beside == ["q [8, T, 128]", "k [8, S, 128]", "v [8, S, 128]"]


def test_targets_stand_in_the_tower(views: dict[str, View]) -> None:
    for shown in views.values():
        drawn = {name for name, _ in ids(shown.tower)}
        targets = [inset.target for inset in shown.insets] + [c.target for c in shown.callouts]
        assert targets
        assert set(targets) <= drawn
    assert "layers.feed.2" in [inset.target for inset in views["A"].insets], "the gated one"


def test_a_remark_on_an_opened_block_stands_in_its_inset(views: dict[str, View]) -> None:
    inset = next(found for found in views["A"].insets if found.target == "layers.mix")
    assert plain(inset.subtitle) == "8 heads"
    assert [plain(callout.text) for callout in views["A"].callouts] == ["one table of 32,000 rows"]


def test_the_card_says_what_the_facts_count(variants: dict[str, Variant]) -> None:
    found = variants["A"]
    lines = written(card(view(found.model, found.facts), theme.light("A")))
    facts = found.facts
    assert facts.kv_growing_bytes_per_token == 23 * 2 * 8 * 128 * 2
    for number in (
        words.short(facts.params),
        words.size(facts.kv_growing_bytes_per_token),
        words.size(facts.kv_bytes(4096)),
    ):
        assert any(number in shown for shown in lines), number
    shown = view(found.model, found.facts).facts
    assert sum(part.params for part in shown.parts) == facts.params


@pytest.mark.parametrize(
    ("function", "value", "shown"),
    [
        (words.short, 8_030_261_248, "8.03B"),
        (words.short, 671_026_404_352, "671.0B"),
        (words.short, 999, "999"),
        (words.short, 999_960_000, "1.00B"),
        (words.short, 9_996_000, "10.0M"),
        (words.short, 3 * 10**18, "3.00E"),
        (words.flops, 3 * 10**18, "3.00E"),
        (words.flops, 999_960_000, "1.00G"),
        (words.size, 2**20 - 1, "1 MiB"),
        (words.size, 1500 * 2**40, "1.465 PiB"),
        (words.size, 70_272, "68.62 KiB"),
        (words.size, 2**30, "1 GiB"),
        (words.tokens, 131_072, "128K"),
        (words.tokens, 1_048_576, "1M"),
        (words.tokens, 10_000, "10,000"),
        (words.tokens, 40_960, "40K"),
        (words.tokens, 202_752, "198K"),
        (words.tokens, 10_485_760, "10M"),
        (words.tokens, 1000, "1,000"),
        (words.tokens, 128_000, "128,000"),
        (words.tokens, 256_000, "256,000"),
        (words.tokens, 1_024_000, "1,024,000"),
        (words.tokens, 1_536 * 1024, "1,572,864"),
        (words.tokens, 0, "0"),
        (words.date, "2024-12-26", "26 Dec 2024"),
        (words.date, "soon", "soon"),
        (naming.phrase, "kv_heads", "kv heads"),
        (naming.phrase, "d_rope", "rope width"),
    ],
)
def test_words(function: object, value: object, shown: str) -> None:
    assert function(value) == shown  # type: ignore[operator]


SCHEDULES = (
    ((2, "full", "mlp"), (3, "near", "mlp"), (4, "full", "glu")),
    ((1, "full", "glu"), (5, "near", "mlp"), (2, "full", "mlp"), (3, "near", "glu")),
    ((1, "near", "mlp"), (1, "full", "mlp"), (6, "near", "glu")),
)
"""Layers as (how many, mixer, feed-forward): some block stands in layers of two kinds."""

WORDS = {"full": "no window", "near": "window 8", "mlp": "Feed-forward", "glu": "SwiGLU"}
"""What the card calls each block."""


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_choice_counts_all_layers_that_have_a_block(
    schedule: tuple[tuple[int, str, str], ...],
) -> None:
    blocks = {"mlp": "MLP(d, 80)", "glu": "GatedMLP(d, 96)", "full": "GQA(d, 4)"}
    blocks["near"] = "GQA(d, 4, window: 8)"
    layers = ", ".join(
        f"{count} * TransformerLayer(RMSNorm(d), {blocks[mix]}, {blocks[feed]})"
        for count, mix, feed in schedule
    )
    text = f"""
    use std.core: Embedding, RMSNorm, GatedMLP, TransformerLayer, MLP
    use std.attention: GQA
    model M(d = 64)(stream tokens: int[B, T]) -> [B, T, d] {{
      embed  = Embedding(99, d)
      layers = stack({layers})
      return tokens |> embed |> layers
    }}
    variant V = M() {{}}
    """
    [variant] = check_source(Source("made.arch", text)).variants
    found = choices(view(variant.model, variant.facts).tower)
    for slot, column in (("layers.mix", 1), ("layers.feed", 2)):
        shown = {
            word: plain(case.label)
            for case in found[slot].cases
            for word, said in WORDS.items()
            if any(plain(line).startswith(said) for line in case.node.lines)
        }
        counts = {row[column]: 0 for row in schedule}
        for row in schedule:
            counts[row[column]] += row[0]
        said = {word: label.removeprefix("or, ") for word, label in shown.items()}
        assert said == {word: f"in {n} layer{'s' * (n != 1)}" for word, n in counts.items()}
        assert sum(label.startswith("or, ") for label in shown.values()) == len(shown) - 1


def choices(diagram: Diagram) -> dict[str, Node]:
    """Every choice by id, also in groups."""
    found = {node.id: node for node in diagram.nodes if node.cases}
    for node in diagram.nodes:
        found |= choices(node.inner) if node.inner is not None else {}
    return found


@given(st.integers(1, 1 << 30))
def test_a_number_of_tokens_with_a_letter_is_that_many(count: int) -> None:
    """`K` is 1,024 where it stands, and a whole number of thousands never has it."""
    written = words.tokens(count)
    letters = {"K": 1 << 10, "M": 1 << 20}
    assert int(written.rstrip("KM").replace(",", "")) * letters.get(written[-1], 1) == count
    assert count % 1000 or written == f"{count:,}"


@pytest.mark.parametrize(
    ("write", "units", "base"),
    [
        (words.short, amounts.COUNTS, 1000),
        (words.flops, amounts.FLOPS, 1000),
        (words.size, ("B", *amounts.BYTES[1:]), 1024),
        (commands.count, amounts.COUNTS, 1000),
        (commands.flops, amounts.FLOPS, 1000),
        (commands.size, amounts.BYTES, 1024),
    ],
)
@given(st.integers(1, 10**24))
@example(999_960_000)
@example(2**20 - 1)
def test_an_amount_is_never_one_of_the_next_unit(
    write: Callable[[int], str], units: Sequence[str], base: int, amount: int
) -> None:
    """On cards and of commands: no 1000.0M, no 1024 KiB."""
    found = re.fullmatch(r"([\d,.]+) ?(\D*)", write(amount))
    assert found is not None
    number, unit = float(found[1].replace(",", "")), found[2]
    assert 1 <= number < base or unit == units[-1]
    assert number * base ** units.index(unit) == pytest.approx(amount, rel=5e-3)
