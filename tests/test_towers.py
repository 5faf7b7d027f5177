"""Models of several inputs: towers side by side, each in a frame with its input below."""

from pathlib import Path

import pytest

from archdsl import pipeline, theme
from archdsl.layout.arrange import Arranged, Placed, arrange
from archdsl.layout.narrow import Limits, narrowed
from archdsl.scene.shapes import written
from archdsl.shown import asked
from archdsl.text import plain
from archdsl.theme import Sizes
from archdsl.view import View, view
from archdsl.view.types import Diagram
from models import variants
from scenes import scene, shown

PICTURES = Path(__file__).parent / "data" / "pictures"
PAIRS = ["T5_Small", "Transformer_Base"]


def mine(name: str) -> View:
    """The card of a spec in data/pictures/."""
    (variant,) = pipeline.check_path(PICTURES / f"{name}.arch", name).variants
    return view(variant.model, variant.facts, asked("card"))


def frames(arranged: Arranged) -> dict[str, Placed]:
    return {plain(p.node.lines[0]): p for p in arranged.placed if p.inner is not None}


@pytest.mark.parametrize("name", PAIRS)
def test_an_encoder_stands_beside_its_decoder(name: str) -> None:
    arranged = arrange(shown(name, "card").tower, Sizes())
    encoder, decoder = (frames(arranged)[title].box for title in ("Encoder", "Decoder"))
    assert encoder.bottom == pytest.approx(decoder.bottom)
    assert encoder.right < decoder.x
    terminals = {p.node.id: p.box.middle.x for p in arranged.placed if p.node.form == "terminal"}
    assert encoder.x < terminals["source"] < encoder.right
    assert decoder.x < terminals["target"] < decoder.right


@pytest.mark.parametrize("name", PAIRS)
def test_what_the_encoder_gives_goes_into_the_decoder(name: str) -> None:
    """Out of the top of one frame, and on through the border of the other to its layers."""
    arranged = arrange(shown(name, "card").tower, Sizes())
    encoder, decoder = (frames(arranged)[title] for title in ("Encoder", "Decoder"))
    (wire,) = (wire for wire in arranged.wires if wire.edge.form == "across")
    assert wire.points[0].y == pytest.approx(encoder.box.y)
    end = wire.points[-1]
    assert end.y == pytest.approx(decoder.box.bottom)
    assert decoder.inner is not None
    starts = [w.points[0] for w in decoder.inner.wires if w.edge.entry == "memory"]
    assert [(start.x, start.y) for start in starts] == [(end.x, end.y)]


def test_a_tensor_under_two_names_comes_in_once_and_goes_to_both() -> None:
    tower = mine("memory_under_two_names").tower
    arranged = arrange(tower, Sizes())
    (wire,) = (wire for wire in arranged.wires if wire.edge.form == "across")
    inner = frames(arranged)["Decoder"].inner
    assert inner is not None
    starts = {w.edge.entry: w.points[0] for w in inner.wires if w.edge.entry}
    assert starts == {"memory": wire.points[-1], "pages": wire.points[-1]}


@pytest.mark.parametrize("name", PAIRS)
def test_each_tower_has_a_strip_that_begins_at_one(name: str) -> None:
    strip = shown(name, "card").strip
    assert strip is not None
    assert strip.towers == (("Encoder", 6), ("Decoder", 6))
    words = written(scene(name, "card"))
    assert words.count("1") == words.count("6") == 2
    assert "12" not in words


def test_stacks_of_one_frame_have_one_part_of_the_strip() -> None:
    """It is called as the frame: after the longest stack in it."""
    seen = mine("memory_under_two_names")
    assert seen.strip is not None
    assert seen.strip.towers == (("Encoder", 2), ("Decoder", 7))
    assert {"Encoder", "Decoder"} == frames(arrange(seen.tower, Sizes())).keys()
    kinds = [seen.strip.kinds[cell].name for cell in seen.strip.cells]
    assert kinds == ["Transformer block"] * 2 + ["Decoder block"] * 4 + ["Reader"] * 3


def test_one_table_of_two_texts_is_marked_in_both_towers() -> None:
    words = written(scene("T5_Small", "card"))
    assert words.count("shared weights") == 2
    assert "shared weights" not in written(scene("Llama3_8B", "card"))


def test_insets_of_one_title_say_whose_they_are() -> None:
    titles = [plain(inset.title) for inset in shown("T5_Small", "card").insets]
    assert titles.count("Multi-head attention · Encoder") == 1
    assert titles.count("Multi-head attention · Decoder") == 1
    assert "Cross-attention" in titles


def test_a_narrow_place_has_them_one_above_the_other() -> None:
    limits = Limits(100.0, 100.0, stacked=True)
    diagram = narrowed(shown("T5_Small", "card").tower, theme.TIGHT, limits, True)
    assert not any(edge.form == "across" for edge in diagram.edges)
    wide = arrange(shown("T5_Small", "card").tower, theme.TIGHT)
    assert arrange(diagram, theme.TIGHT).reach.width < wide.reach.width


def test_a_model_of_one_input_has_no_towers() -> None:
    for name in variants():
        tower: Diagram = shown(name, "card").tower
        assert (tower.stacked is not None) == (name in {*PAIRS, "Transformer_Big"}), name
