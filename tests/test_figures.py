"""Figures for a place of a given size: what is kept, what is named, how large its text is."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl import pipeline, text
from archdsl.cli.captions import FORMS, caption
from archdsl.pipeline import Drawn, Variant, beside, drawn
from archdsl.record import replace
from archdsl.render.latex import escaped
from archdsl.scene.shapes import LEAST_POINTS, Group, Rect, Text, shapes, smallest, written
from archdsl.scene.verify import faults, illegible, text_colours
from archdsl.shown import asked
from archdsl.theme import THEMES
from archdsl.view import view
from archdsl.view.words import short
from models import MEANING, pictured

PICTURES = Path(__file__).parent / "data" / "pictures"
BOXES = ("85mm 100mm", "171mm 90mm", "140mm 180mm", "16:9")
MINE = {
    variant.id: variant
    for path in sorted(PICTURES.glob("*.arch"))
    for variant in pipeline.check_path(path, path.name).variants
}
ALL = {**pictured(), **MINE}


def in_box(variant: Variant, box: str, **words: object) -> Drawn:
    return drawn(variant, asked(**words), box=box)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ALL)
def test_a_figure_keeps_every_rule_in_every_box(name: str) -> None:
    for box in BOXES:
        scene = in_box(ALL[name], box).scene
        assert faults(scene) == [], box
        for theme in THEMES.values():
            assert illegible(text_colours(scene), theme(ALL[name].id).colours) == []


@pytest.mark.parametrize("path", MEANING, ids=lambda path: path.stem)
def test_cards_of_every_form_keep_every_rule(path: Path) -> None:
    """A small spec for each thing that the language says."""
    for variant in pipeline.check_path(path, path.name).variants:
        for name in ("card", "compact"):
            assert faults(drawn(variant, asked(view=name)).scene) == [], name


@pytest.mark.parametrize("name", ["Llama3_8B", "Qwen3Next_80B_A3B", "DeepSeekV3_671B"])
def test_a_figure_has_the_size_of_its_box(name: str) -> None:
    scene = in_box(ALL[name], "171mm 90mm").scene
    assert scene.millimetres == pytest.approx(171.0)
    assert scene.height / scene.width == pytest.approx(90 / 171, rel=1e-3)
    assert smallest(scene, 171.0) >= LEAST_POINTS - 0.005
    wide = in_box(ALL[name], "16:9").scene
    assert wide.width / wide.height == pytest.approx(16 / 9, rel=1e-3)


@settings(deadline=None, max_examples=12)
@given(
    st.sampled_from(sorted(ALL)), st.integers(min_value=20, max_value=260),
    st.integers(min_value=20, max_value=260),
)  # fmt: skip
def test_a_box_has_a_figure_or_is_told_how_large_it_must_be(
    name: str, width: int, height: int
) -> None:
    try:
        scene = in_box(ALL[name], f"{width}mm {height}mm").scene
    except ValueError as error:
        needed = re.search(r"box of (\d+) mm × (\d+) mm", str(error))
        assert needed is not None, error
        assert (int(needed[1]), int(needed[2])) > (width, height) or int(needed[2]) > height
        scene = in_box(ALL[name], f"{needed[1]}mm {needed[2]}mm").scene
    assert faults(scene) == []


@pytest.mark.parametrize("name", ["DeepSeekV3_671B", "GptOss_20B", "GPT2_Small", "Llama3_8B"])
def test_what_is_not_shown_is_named(name: str) -> None:
    """Every inset of the card is an inset of the figure, or its title is told."""
    opened = view(ALL[name].model, ALL[name].facts).insets
    assert opened
    for box in BOXES:
        figure = in_box(ALL[name], box)
        groups = {item.id for item in figure.scene.items if isinstance(item, Group)}
        for inset in opened:
            shown = f"{inset.id}.inset" in groups
            assert shown != (text.plain(inset.title) in figure.missing), (box, inset.id)
    assert in_box(ALL[name], "600mm 600mm").missing == ()


def test_a_figure_keeps_the_unusual_before_the_facts() -> None:
    figure = drawn(ALL["Qwen3Next_80B_A3B"], asked(), width="85mm")
    words = written(figure.scene)
    assert "Gated delta rule" in words
    assert "Gated DeltaNet" not in figure.missing


@pytest.mark.parametrize("part", ["header", "strip", "facts", "background"])
@pytest.mark.parametrize("box", [None, "171mm 120mm"])
def test_parts_can_be_left_out(part: str, box: str | None) -> None:
    def scene(*without: str) -> list[object]:
        shown = drawn(ALL["Llama3_8B"], asked(without=without), box=box).scene
        assert faults(shown) == []
        return [getattr(item, "kind", getattr(item, "id", "")) for item in shown.items]

    kind = {"background": "paper"}.get(part, part)
    assert kind in scene() and kind not in scene(part)


@pytest.mark.parametrize("box", ["85mm", "85mm 0mm", "16:0", "a:b", "1mm 2mm 3mm", "wide high"])
def test_what_is_no_box_is_refused(box: str) -> None:
    with pytest.raises(ValueError, match=r"is no box|is no length"):
        in_box(ALL["Llama3_8B"], box)


@pytest.mark.parametrize("view", ["detail:GQA", "compact", "block", "strip", "facts"])
def test_every_view_obeys_a_box(view: str) -> None:
    scene = in_box(ALL["Llama3_8B"], "120mm 110mm", view=view).scene
    assert scene.millimetres == pytest.approx(120.0)
    assert faults(scene) == []


def test_models_side_by_side_are_composed_alike() -> None:
    """Towers on one baseline, the same facts told of each, no id twice."""
    pair = [ALL["DeepSeekV3_671B"], ALL["KimiK2_1T"]]
    for box in ("171mm 90mm", "171mm 140mm", "300mm 160mm"):
        scene = beside(pair, asked(), "light", box).scene
        assert faults(scene) == [], box
        assert scene.millimetres == pytest.approx(float(box.partition("mm")[0]), rel=1e-3)
        assert smallest(scene, scene.millimetres) >= LEAST_POINTS - 0.005
        ids = [s.id for s in shapes(scene.items) if isinstance(s, Rect) and s.id]
        assert len(ids) == len(set(ids))
        towers = [g for g in scene.items if isinstance(g, Group) and g.kind == "tower"]
        bottoms = [max(s.box.bottom for s in shapes(tower.items)) for tower in towers]
        assert bottoms[0] == pytest.approx(bottoms[1], abs=0.6), box
        facts = [g for g in scene.items if isinstance(g, Group) and g.kind == "facts"]
        names = [
            [text.plain(s.runs) for s in shapes(g.items) if isinstance(s, Text)][::2] for g in facts
        ]
        assert names[:1] * len(names) == names


def test_many_models_side_by_side() -> None:
    few = [ALL[name] for name in ("Llama3_8B", "Gemma3_27B", "GptOss_20B", "Qwen3Next_80B_A3B")]
    assert faults(beside(few, asked(), "print", "16:9").scene) == []
    with pytest.raises(ValueError, match=r"does not fit|no figure of one form"):
        beside(few, asked(), "light", "60mm 40mm")


@pytest.mark.parametrize("name", ["DeepSeekV3_671B", "Llama3_8B", "T5_Small"])
def test_a_caption_has_the_facts(name: str) -> None:
    called, words = ALL[name].caption()
    facts = ALL[name].facts
    assert called == ALL[name].model.name
    assert f"{short(facts.params)} parameters" in words and f"{facts.layers} layers" in words


@given(st.text(min_size=1, max_size=40))
def test_no_sign_of_a_name_is_a_command(name: str) -> None:
    variant = ALL["Llama3_8B"]
    named = replace(variant, model=replace(variant.model, about={"name": name, "by": "Meta"}))
    latex, typst, markdown = (caption(named, form) for form in FORMS)
    assert latex.startswith(rf"\caption{{\textbf{{{escaped(name)[0]}.}} Meta")
    for text_of, signs in ((typst, r"#*_@$<>`"), (markdown, r"`*_<>#|~")):
        body = text_of.partition("*")[2].partition("Meta. 8.03B")[0].rstrip("* .")
        assert not re.search(rf"(?<!\\)(?:\\\\)*[{re.escape(signs)}](?!\*)", body.strip("*"))
    assert "\n" not in latex + typst + markdown


@pytest.mark.parametrize("maker", ["m" * 10_000, "many words " * 1_000])
def test_a_long_maker_stays_within_bounds(maker: str) -> None:
    variant = ALL["Llama3_8B"]
    named = replace(variant, model=replace(variant.model, about={"name": "A", "by": maker}))
    for kind in ("card", "compact", "strip"):
        scene = drawn(named, asked(kind)).scene
        assert faults(scene) == [] and max(scene.width, scene.height) < 2_500
    assert faults(in_box(named, "140mm 180mm").scene) == []
