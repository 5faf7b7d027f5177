"""Cards of specs by several renderers: the same text, nearly the same ink, bounded sizes."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import pytest

import scenes
from archdsl import fonts
from archdsl.pipeline import THEMES
from archdsl.record import replace
from archdsl.render import outlines, pdf, png, svg
from archdsl.scene.shapes import Group, Item, Scene, Text, written
from models import pictured
from rasters import RASTERISERS, SCALE, disagreements, words

SVG = "{http://www.w3.org/2000/svg}"
SVG_BYTES, FONT_BYTES = 150_000, 30_000
PICTURES = (
    ("Llama3_8B", "card", "light"),
    ("DeepSeekV3_671B", "card", "dark"),
    ("Qwen3Next_80B_A3B", "card", "print"),
    ("T5_Small", "card", "auto"),
    ("GptOss_20B", "compact", "light"),
    ("XLSTM_7B", "facts", "dark"),
)


@cache
def reference(name: str, view: str, colours: str) -> bytes:
    return png.to_png(scenes.painted(name, view, colours), scale=SCALE)


@pytest.mark.parametrize("which", PICTURES, ids="-".join)
@pytest.mark.parametrize("renderer", RASTERISERS)
def test_renderers_agree_on_a_card(
    renderer: str, which: tuple[str, str, str], tmp_path: Path
) -> None:
    made, command = RASTERISERS[renderer]
    if command is not None and shutil.which(command) is None:
        pytest.skip(f"needs {command}")
    scene = scenes.painted(*which)
    assert disagreements(scene, reference(*which), made(scene, tmp_path)) == []


@pytest.mark.parametrize("which", PICTURES, ids="-".join)
def test_outlines_look_like_the_font(which: tuple[str, str, str], tmp_path: Path) -> None:
    """Drawn by librsvg, which is told of no font, a card as outlines is the card with its font."""
    if shutil.which("rsvg-convert") is None:
        pytest.skip("needs rsvg-convert")
    scene = scenes.painted(*which)
    assert disagreements(scene, reference(*which), outlined(scene, tmp_path)) == []


def test_a_wrong_outline_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("rsvg-convert") is None:
        pytest.skip("needs rsvg-convert")
    scene, ordinary = scenes.painted(*PICTURES[0]), outlines.outline
    monkeypatch.setattr(outlines, "outline", lambda c, w: ordinary("." if c == "e" else c, w))
    assert disagreements(scene, reference(*PICTURES[0]), outlined(scene, tmp_path))


def outlined(scene: Scene, place: Path) -> bytes:
    (place / "fonts.conf").write_text("<fontconfig></fontconfig>", encoding="utf-8")
    return subprocess.run(
        ["rsvg-convert", f"--zoom={SCALE}"],
        input=svg.to_svg(scene, width=f"{scene.width:g}px", fonts="outlines").encode(),
        env={"FONTCONFIG_FILE": str(place / "fonts.conf")},
        executable=shutil.which("rsvg-convert"),
        capture_output=True,
        check=True,
    ).stdout


# Text extracted from a file is the text on the card.


@pytest.mark.parametrize("name", pictured())
def test_svg_says_what_is_on_the_card(name: str) -> None:
    scene = scenes.scene(name, "card")
    said = words(written(scene))
    tree = ET.fromstring(svg.to_svg(scene))
    assert words(["".join(found.itertext()) for found in tree.iter(f"{SVG}text")]) == said
    tree = ET.fromstring(svg.to_svg(scene, fonts="outlines"))
    assert not list(tree.iter(f"{SVG}text"))
    assert words([found.get("aria-label", "") for found in tree.iter(f"{SVG}g")]) == said


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext")
@pytest.mark.parametrize("name", pictured())
def test_pdf_says_what_is_on_the_card(name: str, tmp_path: Path) -> None:
    """The words, the width to a tenth of a point, and no font but the shipped one, embedded."""
    scene, file = scenes.painted(name, "card", "print"), tmp_path / "card.pdf"
    data = pdf.to_pdf(scene, width="180mm")
    file.write_bytes(data)
    assert words(output("pdftotext", "-raw", str(file), "-").split("\n")) == words(written(scene))
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", data)
    assert box is not None
    assert float(box[1]) == pytest.approx(180 / 25.4 * 72, abs=0.1)
    rows = output("pdffonts", str(file)).splitlines()[2:]
    assert rows
    assert all("ArchdslSans-" in row and " yes yes " in row for row in rows), rows
    assert all(re.match(r"[A-Z]{6}\+", row) for row in rows), "a subset has a tag of six letters"


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_lost_word_is_noticed() -> None:
    scene = scenes.painted(*PICTURES[0])
    bare = replace(scene, items=without("SwiGLU", scene.items))
    assert words(written(bare)) != words(written(scene))


def without(word: str, items: tuple[Item, ...]) -> tuple[Item, ...]:
    """The items without the lines that begin with a word."""
    return tuple(
        replace(item, items=without(word, item.items)) if isinstance(item, Group) else item
        for item in items
        if not (isinstance(item, Text) and item.runs and item.runs[0].text.startswith(word))
    )


# Sizes.


@pytest.mark.parametrize("name", pictured())
def test_files_are_small(name: str) -> None:
    """In every theme; a card as outlines has no font, and its glyphs are counted with it."""
    for theme in THEMES:
        scene = scenes.painted(name, "card", theme)
        assert len(svg.to_svg(scene, fonts="named").encode()) < SVG_BYTES, theme
        font = sum(len(fonts.woff2(w).read_bytes()) for w in fonts.STYLES)
        whole = len(svg.to_svg(scene).encode())
        assert whole < SVG_BYTES + 4 / 3 * font + 1000, theme


def test_fonts_are_subsets() -> None:
    for weight in fonts.STYLES:
        assert fonts.woff2(weight).stat().st_size < FONT_BYTES
