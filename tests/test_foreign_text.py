"""Texts of a spec of any length and in any script: what the shipped font lacks stays what it is,
and a font that is lent has it.
"""

import base64
import io
import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archdsl import text, theme
from archdsl.pipeline import Variant, check_source
from archdsl.scene.card import card
from archdsl.scene.shapes import written
from archdsl.scene.verify import faults
from archdsl.source import Source
from archdsl.view import view

ROOT = Path(__file__).parent.parent
SPEC = """use std.core: Embedding, Linear
model M(d)(stream tokens: int[B, T]) -> [B, T, d] {{
  embed = Embedding(17, d)
  head  = Linear(d, d)
  return tokens |> embed |> head
}}
variant V = M(d: 8) {{ name: {name}  by: {by} }}
card V {{ title: {title} }}
"""


def quoted(words: str) -> str:
    return (
        '"'
        + words.replace("\\", "\\\\").replace('"', '\\"').replace("{", "").replace("}", "")
        + '"'
    )


def variant(name: str, by: str = "us", title: str | None = None) -> Variant:
    shown = quoted(name if title is None else title)
    checked = check_source(
        Source("x.arch", SPEC.format(name=quoted(name), by=quoted(by), title=shown))
    )
    assert not checked.diagnostics, checked.diagnostics[0].text()
    return checked.variants[0]


def command(*words: object) -> tuple[int, str]:
    """What a command ends with and what it tells."""
    done = subprocess.run(
        [sys.executable, "-m", "archdsl", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.fixture(scope="session")
def font(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A font with one sign, a black square as wide as it is high."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 1000), (1000, 1000), (1000, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    build = FontBuilder(1000, isTTF=True)
    build.setupGlyphOrder([".notdef", "square"])
    build.setupCharacterMap({0x6F22: "square"})
    build.setupGlyf({".notdef": square, "square": square})
    build.setupHorizontalMetrics({".notdef": (500, 0), "square": (1000, 0)})
    build.setupHorizontalHeader(ascent=1000, descent=0)
    build.setupNameTable(
        {"familyName": "Square", "styleName": "Regular", "psName": "Square-Regular"}
    )
    build.setupOS2()
    build.setupPost()
    path = tmp_path_factory.mktemp("font") / "square.ttf"
    build.save(path)
    return path


def test_an_svg_keeps_what_the_font_lacks_in_its_room() -> None:
    svg = variant("漢 8B").svg()
    (length,) = re.findall(r'textLength="([\d.]+)"[^>]*>漢 <', svg)
    assert float(length) == pytest.approx(text.width("漢 ", 34, text.BOLD), abs=0.1)


def test_the_remark_names_the_signs(tmp_path: Path) -> None:
    spec = tmp_path / "x.arch"
    spec.write_text(SPEC.format(name='"漢字 Ünïcode"', by='"Ж"', title='"漢字 Ünïcode"'))
    code, told = command("render", spec, "-o", tmp_path / "x.svg")
    assert code == 0
    assert "lacks 漢 字 Ж:" in told
    plain = tmp_path / "y.arch"
    plain.write_text(SPEC.format(name='"Ünïcode"', by='"us"', title='"Ünïcode"'))
    assert command("render", plain, "-o", tmp_path / "y.svg") == (0, "")


def test_a_lent_font_travels_in_the_svg(font: Path) -> None:
    from fontTools.ttLib import TTFont

    svg = variant("漢").svg(font=str(font))
    (data,) = re.findall(r"data:font/woff;base64,([^)]+)\)", svg)
    carried = TTFont(io.BytesIO(base64.b64decode(data)))
    assert set(carried.getBestCmap()) == {ord("漢")}
    assert "textLength" not in svg


def test_a_font_lent_inside_another_gives_that_back() -> None:
    lacking = text.width("漢", 10.0)
    with text.lent({"漢": 500.0}):
        outer = text.width("漢", 10.0)
        with text.lent({"字": 700.0}):
            assert text.width("漢", 10.0) == lacking
        assert text.width("漢", 10.0) == outer != lacking
    assert text.width("漢", 10.0) == lacking


def test_a_lent_font_leaves_the_level_of_its_log(font: Path) -> None:
    logger = logging.getLogger("fontTools")
    before = logger.level
    try:
        logger.setLevel(logging.INFO)
        variant("漢").svg(font=str(font))
        assert logger.level == logging.INFO
    finally:
        logger.setLevel(before)


def test_a_lent_font_is_in_pictures_and_outlines(font: Path) -> None:
    image = pytest.importorskip("PIL.Image")

    def ink(**more: str) -> int:
        shown = image.open(io.BytesIO(variant("漢漢漢").png(**more))).convert("L")
        return sum(shown.crop((0, 0, shown.width, 150)).histogram()[:64])

    assert ink(font=str(font)) > 3 * ink()
    outlines = variant("漢").svg(font=str(font), text="path")
    (glyph,) = re.findall(r'<path d="([^"]+)" id="V-glyph-700-6f22"', outlines)
    assert {float(number) for number in re.findall(r"[\d.]+", glyph)} == {0.0, 2048.0}


def test_a_lent_font_is_in_a_pdf(font: Path, tmp_path: Path) -> None:
    if shutil.which("pdffonts") is None:
        pytest.skip("needs pdffonts")
    path = tmp_path / "x.pdf"
    path.write_bytes(variant("漢").pdf(font=str(font)))
    shown = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True).stdout
    assert "Square" in shown


def test_widths_are_as_before_when_a_font_is_given_back(font: Path) -> None:
    before = text.width("漢", 10)
    svg = variant("漢").svg()
    with_font = variant("漢").svg(font=str(font))
    assert text.width("漢", 10) == before
    assert variant("漢").svg() == svg != with_font


@pytest.mark.parametrize("content", [b"", b"no font", b"\x00\x01\x00\x00" + b"\xff" * 400])
def test_what_is_no_font_is_told(content: bytes, tmp_path: Path) -> None:
    file, spec, out = tmp_path / "f.ttf", tmp_path / "x.arch", tmp_path / "x.svg"
    file.write_bytes(content)
    spec.write_text(SPEC.format(name='"漢"', by='"us"', title='"漢"'))
    for path in (file, tmp_path / "missing.ttf", tmp_path):
        code, told = command("render", spec, "-o", out, "--font", path)
        assert code == 2
        assert str(path) in told and len(told.splitlines()) == 1
        assert not out.exists()


WORDS = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp", "Zs"), include_characters=" "), max_size=300
).filter(lambda words: words.isprintable())


@settings(max_examples=60, deadline=None)
@given(name=WORDS, by=WORDS, title=WORDS)
@example(name="x" * 3000, by="y" * 3000, title="z" * 3000)
@example(name="漢" * 500, by="漢 " * 500, title="漢" * 500)
def test_texts_of_any_length_and_script_keep_every_rule(name: str, by: str, title: str) -> None:
    shown = variant(name or "x", by or "x", title)
    for kind in ("card", "compact"):
        scene = card(view(shown.model, shown.facts, shown_as(kind)), theme.light("us"))
        assert faults(scene) == []
        assert all(len(line) < 300 for line in written(scene))


def shown_as(kind: str) -> object:
    from archdsl.shown import asked

    return asked(kind)
