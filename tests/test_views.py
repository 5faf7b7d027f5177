"""Views: what each shows, what options and directives change, and what there is not."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from inspect import signature
from pathlib import Path

import pytest

import scenes
from archdsl import theme
from archdsl.cli.commands import render, run
from archdsl.pipeline import Variant, check_path, check_source
from archdsl.record import replace
from archdsl.render.svg import to_svg
from archdsl.scene.shapes import Scene, smallest, written
from archdsl.scene.verify import faults
from archdsl.shown import NOTHING, Shown, Words, asked, combined
from archdsl.source import Source
from archdsl.text import plain
from archdsl.view import view
from archdsl.view.tower import ids
from archdsl.view.types import Case, Diagram
from models import pictured, variants


@pytest.mark.parametrize("name", pictured())
def test_a_column_of_a_paper_holds_a_compact_card(name: str) -> None:
    """Six points at 85 mm, for every spec."""
    scene = scenes.scene(name, "compact")
    assert scene.millimetres <= 85.0
    assert smallest(scene, 85.0) >= 6.0


@cache
def small() -> Variant:
    text = """use std.core: Linear, Embedding, RMSNorm, GatedMLP, TransformerLayer
use std.attention: GQA
model M(d, n, heads)(stream tokens: int[B, T]) -> [B, T, 100]
where d % heads == 0 {
  embed  = Embedding(100, d)
  layers = stack(n * TransformerLayer(RMSNorm(d), GQA(d, heads), GatedMLP(d, 4 * d)))
  head   = Linear(d, 100)
  return tokens |> embed |> layers |> head
}
variant A = M(d: 64, n: 3, heads: 4) { name: "Small <one>"  context: 16 }
"""
    found = check_source(Source("made.arch", text))
    assert not found.diagnostics, found.diagnostics
    return found.variants[0]


def drawn(directives: str) -> Variant:
    """The small model with a card of these directives."""
    unit = small().unit
    text = f"{unit.source.text}\ncard A {{ {directives} }}\n"
    found = check_source(Source("made.arch", text), tiny=False)
    assert not found.diagnostics, found.diagnostics
    return found.variants[0]


def test_a_file_may_declare_the_card_of_a_variant_that_it_imports(tmp_path: Path) -> None:
    """The card is the file's; what the variant's own file says of its card is not."""
    (tmp_path / "made.arch").write_text(
        f'{small().unit.source.text}\ncard A {{ title: "Theirs" fold(layers) }}\n'
    )
    mine = tmp_path / "mine.arch"
    mine.write_text('use ./made: A\ncard A { title: "Ours, {heads} heads" }\n')
    (variant,) = check_path(mine, mine.name).variants
    assert "Ours, 4 heads" in written(variant.scene())
    assert nodes(variant) == nodes(small())
    assert variant.facts.params == small().facts.params and variant.tiny is None
    assert variant.with_(n=4).facts.layers == 4
    assert run(["render", f"{mine}:A", "-o", str(tmp_path / "a.svg")]) == 0
    assert "Ours" in (tmp_path / "a.svg").read_text()
    mine.write_text("use ./made: A\n")
    assert not check_path(mine, mine.name).variants


def nodes(variant: Variant, **shown: object) -> set[str]:
    choice = asked(**shown)  # type: ignore[arg-type]
    return {name for name, _ in ids(view(variant.model, variant.facts, choice).tower)}


def insets(variant: Variant, **shown: object) -> list[str]:
    choice = asked(**shown)  # type: ignore[arg-type]
    return [i.target for i in view(variant.model, variant.facts, choice).insets]


def test_depth() -> None:
    whole = nodes(small())
    assert "layers.mix" in whole and "layers.mix.q_proj" not in whole
    assert "layers.mix" not in nodes(small(), depth=1)
    deep = nodes(small(), depth=3)
    assert {"layers.mix.q_proj", "layers.feed.gate_proj"} <= deep
    assert insets(small(), depth=3) == [], "what is open in its place is not opened beside it"


def test_open_and_fold() -> None:
    opened = nodes(small(), open=["layers.mix"])
    assert "layers.mix.q_proj" in opened and "layers.feed.gate_proj" not in opened
    assert insets(small(), open=["layers.mix"]) == ["layers.feed"]
    assert "layers.mix" not in nodes(small(), fold=["layers"])
    assert insets(small(), fold=["layers.mix"]) == ["layers.feed"]
    assert "layers.mix.q_proj" in nodes(small(), depth=1, open=["layers.mix"])
    assert "layers.mix.q_proj" in nodes(small(), open=["layers[TransformerLayer].mix"])


DIRECTIVES = {
    "view: compact": "--view compact",
    "detail(layers.mix)": "--view detail",
    "depth: 1": "--depth",
    "inset(head)": "an inset of a block that has none by itself",
    "open(layers.mix)": "--open",
    "fold(layers.mix)": "--fold",
    'callout(embed): "{d} wide"': "a remark",
    "hide(softmax)": "an operation less",
    "facts: (vocab, tied)": "rows",
    "without(header, facts)": "--without",
    "shapes: all": "--shapes",
    'title: "Another"': "a title",
    'subtitle: "{n} layers"': "the line below the title",
    "accent: rose": "a hue",
}


@pytest.mark.parametrize("directive", DIRECTIVES)
def test_no_directive_is_read_and_ignored(directive: str) -> None:
    more = "open(layers.mix.attend) " if directive.startswith("hide") else ""
    plain = drawn(more) if more else small()
    assert to_svg(drawn(more + directive).scene()) != to_svg(plain.scene())


def test_every_directive_is_tested() -> None:
    from archdsl.elaborate.cards import WORDS

    assert {re.split(r"\W", found)[0] for found in DIRECTIVES} == set(WORDS)


def test_an_option_goes_before_a_directive() -> None:
    variant = drawn("view: compact depth: 1")
    scene = variant.scene()
    assert scene.paper and "SwiGLU" not in written(scene)
    assert "SwiGLU" in written(variant.scene(view="card", depth=2))


WAYS = {
    "view: compact": ("--view compact", {"view": "compact"}),
    "detail(layers.mix)": ("--view detail:layers.mix", {"view": "detail:layers.mix"}),
    "depth: 3": ("--depth 3", {"depth": 3}),
    "open(layers.mix)": ("--open layers.mix", {"open": ["layers.mix"]}),
    "fold(layers.mix, layers.feed)": (
        "--fold layers.mix --fold layers.feed",
        {"fold": ["layers.mix", "layers.feed"]},
    ),
    "shapes: all": ("--shapes", {"shapes": True}),
    "without(header, facts)": (
        "--without header --without facts",
        {"without": ["header", "facts"]},
    ),
}
"""What can be asked for: as a directive, on the command line and in Python."""


@pytest.mark.parametrize("directive", WAYS)
def test_three_ways_to_ask_draw_one_picture(directive: str, tmp_path: Path) -> None:
    options, words = WAYS[directive]
    asks = small().svg(**words)  # type: ignore[arg-type]
    assert asks == drawn(directive).svg() != small().svg()
    spec, card = tmp_path / "made.arch", tmp_path / "card.svg"
    spec.write_text(small().unit.source.text)
    assert run(["render", str(spec), "-o", str(card), *options.split()]) == 0
    assert card.read_text() == asks


def test_all_words_are_options_and_keywords() -> None:
    words = set(Words.__annotations__)
    assert words == set().union(*(keywords for _, keywords in WAYS.values()))
    assert words == set(signature(asked).parameters)
    assert words <= {option.name for option in render.params}
    with pytest.raises(TypeError, match="zoom"):
        small().scene(zoom=2)  # type: ignore[call-arg]


def test_an_ask_is_filled_up_by_the_card_and_the_card_by_what_is_usual() -> None:
    usual = Shown(view="card", shapes="few")
    assert combined(small().model, NOTHING) == usual
    says = "view: strip depth: 3 shapes: insets hide(softmax) facts: (params) "
    model = drawn(f"{says} inset(head) open(layers.mix) fold(layers.feed)").model
    card = Shown(
        "strip",
        (),
        3,
        (("head",),),
        (("layers", "mix"),),
        (("layers", "feed"),),
        "insets",
        frozenset({"softmax"}),
        frozenset(),
        ("params",),
    )
    assert combined(model, NOTHING) == card
    assert combined(model, asked("facts", 1, shapes=True)) == replace(
        card, view="facts", depth=1, shapes="all"
    )
    turned = combined(model, asked(open=["layers.feed"], fold=["layers.mix"]))
    opened, folded = (("layers", "feed"),), (("layers", "mix"),)
    assert turned == replace(card, opened=opened, folded=folded), "the last word is the reader's"
    detail = drawn("detail(layers.mix)").model
    assert combined(detail, NOTHING) == replace(usual, view="detail", detail=("layers", "mix"))
    assert combined(detail, asked("card")) == usual


@pytest.mark.parametrize(
    "shown",
    [{"view": "poster"}, {"view": "detail"}, {"view": "card:GQA"}, {"view": "detail:Nothing"},
     {"depth": 10}, {"open": ["layers.nothing"]}, {"fold": ["layers..mix"]}, {"open": [""]}],
)  # fmt: skip
def test_what_there_is_not(shown: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no|depth"):
        small().scene(**shown)  # type: ignore[arg-type]


def test_a_narrow_width_takes_a_figure() -> None:
    assert small().scene(width="85mm").paper
    assert small().scene(width="85mm", view="card").paper
    assert not small().scene(width="40cm").paper


def tree(scene: Scene, **more: object) -> ET.Element:
    return ET.fromstring(to_svg(scene, **more))  # type: ignore[arg-type]


def test_shapes_stand_beside_wires() -> None:
    lines = written(small().scene(view="detail:GQA"))
    assert lines.count("[4, T, 16]") + lines.count("q [4, T, 16]") >= 1
    assert "[T, 64]" in written(small().scene(shapes=True))


def test_one_file_for_day_and_night() -> None:
    made = to_svg(small().scene("auto"))
    style = "".join(
        found.text or "" for found in ET.fromstring(made).iter() if "style" in found.tag
    )
    rules = dict(re.findall(r"\.archdsl-in-A \.f-(\w+)\{fill:(#\w{6})\}", style))
    night = theme.dark("made").colours
    assert rules["ink"] == night["ink"] and rules["paper"] == night["paper"]
    assert style.count("prefers-color-scheme:dark") == 1
    used = set(re.findall(r"\bf-(\w+)", re.sub(r"<style.*?</style>", "", made)))
    assert used and all(role in rules or role in night for role in used)


def test_two_pictures_share_a_page() -> None:
    def names(found: ET.Element) -> set[str]:
        return {e.get("id", "") for e in found.iter() if e.get("id")}

    scene = small().scene()
    compact = small().scene(view="compact")
    assert "A-layers.mix" in names(tree(scene))
    assert not names(tree(scene)) & names(tree(compact))
    assert not names(tree(scene, prefix="one")) & names(tree(scene, prefix="two"))


def test_a_part_that_stands_apart_has_an_inset_and_a_row() -> None:
    """No leader goes to it, for no value of the model does; its parameters are in no other row."""
    text = """use std.core: Linear, Embedding, RMSNorm, GatedMLP, TransformerLayer
use std.attention: GQA
block Ahead(d)(h: [B, T, d], e: [B, T, d]) -> [B, T, d] as layer "Next but one" {
  join  = Linear(2 * d, d)
  layer = TransformerLayer(RMSNorm(d), GQA(d, 4), GatedMLP(d, 2 * d))
  return rearrange[B T d, B T d -> B T (d + d)](h, e) |> join |> layer
}
model M(d)(stream tokens: int[B, T]) -> [B, T, 100] {
  embed = Embedding(100, d)
  head  = Linear(d, 100)
  apart ahead = Ahead(d)
  return tokens |> embed |> head
}
variant A = M(d: 64) { name: "A" }
"""
    found = check_source(Source("made.arch", text))
    assert not found.diagnostics, found.diagnostics
    scene = found.variants[0].scene()
    shown = view(found.variants[0].model, found.variants[0].facts)
    assert [inset.id for inset in shown.insets] == ["inset.ahead"]
    assert not faults(scene)
    said = written(scene)
    assert "Next but one" in said and "Multi-head attention · SwiGLU" in said
    count = 2 * 64 * 64 + 4 * 64 * 64 + 3 * 64 * 128 + 2 * 64
    assert f"{count / 1000:.1f}K" in said and found.variants[0].facts.apart == count


def test_a_recurrence_is_drawn_as_what_it_does_to_one_token() -> None:
    """Its state is read and written, and the wires are those of the body, none twice."""
    found = [
        v
        for v in variants().values()
        if "DeltaRule" in {m.block for m in scenes.modules(v.model.root)}
    ]
    assert found
    for variant in found:
        shown = view(variant.model, variant.facts, asked("detail:DeltaRule"))
        circuit = shown.insets[0].diagram if shown.insets else shown.tower
        kept = [node.lines for node in circuit.nodes if node.tone == "cached"]
        assert ["".join(run.text for run in lines[0]) for lines in kept] == ["state M", "next M"]
        sizes = {"".join(run.text for run in lines[1]) for lines in kept}
        assert sizes == {" × ".join(str(variant.settings[x]) for x in ("v_heads", "d_k", "d_v"))}
        told = [
            "".join(run.text for run in node.lines[0])
            for node in circuit.nodes
            if node.form == "pill"
        ]
        assert sorted(told) == ["exp", "matmul", "matmul", "outer product"]


def test_experts_of_a_mixture_are_drawn_as_what_they_are() -> None:
    """Experts that hand back what they get are a box, the router says what it picks of what, and
    beside experts a plain network is quiet.
    """
    text = """use std.core: Linear, Embedding, Identity, RMSNorm, GatedMLP, TransformerLayer
use std.attention: GQA
use std.moe: GroupRouter
block Some(d, experts, idle)(x: [..., d]) -> [..., d]
as feed_forward "Some idle" {
  route = GroupRouter(d, experts + idle, 3, groups: 4, top_groups: 2, scale: 2.5)
  pool  = bank(experts * GatedMLP(d, 48), idle * Identity(), 3)
  w, i = route(x)
  return mixture(pool, w, i)(x)
}
model M(d)(stream tokens: int[B, T]) -> [B, T, 100] {
  embed  = Embedding(100, d)
  layers = stack(TransformerLayer(RMSNorm(d), GQA(d, 4), GatedMLP(d, 96)),
                 5 * TransformerLayer(RMSNorm(d), GQA(d, 4), Some(d, 6, 2)))
  head   = Linear(d, 100)
  return tokens |> embed |> layers |> head
}
variant A = M(d: 64) { name: "Some"  context: 16 }
"""
    found = check_source(Source("made.arch", text))
    assert not found.diagnostics, found.diagnostics
    made = found.variants[0]
    card_view = view(made.model, made.facts, asked("card"))
    inset = next(i for i in card_view.insets if plain(i.title) == "Some idle")
    said = [[plain(line) for line in node.lines] for node in inset.diagram.nodes]
    assert ["2 × identity"] in said
    assert ["Router, sigmoid in groups", "2 of 4 groups · 3 of 8 experts · scale 2.5"] in said
    assert not {"≥", "<", "and", "mask"} & {line for lines in said for line in lines}
    cases = {plain(c.node.lines[0]): c.node.tone for c in _cases(card_view.tower)}
    assert cases == {"SwiGLU": "plain", "Some idle": "soft"}


def _cases(diagram: Diagram) -> Iterator[Case]:
    for node in diagram.nodes:
        yield from node.cases
        if node.inner is not None:
            yield from _cases(node.inner)


def test_what_is_unusual_inside_a_mixer_has_an_inset_of_its_own() -> None:
    """An indexer and a compressor are opened beside the attention they stand in, without a leader;
    what is cached of every few tokens says so.
    """
    made = variants()["DeepSeekV4_Flash"]
    shown = view(made.model, made.facts, asked("card"))
    loose = {plain(i.title): i for i in shown.insets if not i.target}
    assert set(loose) == {"Compressor", "Lightning indexer"}
    for inset in loose.values():
        assert plain(inset.subtitle).startswith("inside Compressed sparse attention")
    lines = [plain(line) for node in loose["Compressor"].diagram.nodes for line in node.lines]
    assert "512 every 4 tokens" in lines
