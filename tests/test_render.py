"""Renderers: the same bytes everywhere, the same picture from each rasteriser, text as text."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import drawn
from archdsl import fonts, text, theme
from archdsl.record import replace
from archdsl.render import pdf, png, svg
from archdsl.scene.card import card
from archdsl.scene.shapes import Group, Item, Scene, Text, written
from rasters import RASTERISERS, SCALE, by_librsvg, disagreements, words

ROOT = Path(__file__).parent.parent
SVG = "{http://www.w3.org/2000/svg}"
OTHER_FONTS = Path("/usr/share/fonts/truetype/dejavu")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return card(drawn.view(), theme.light("Made"))


@pytest.fixture(scope="module")
def picture(scene: Scene) -> bytes:
    return png.to_png(scene, scale=SCALE)


# The same bytes everywhere.

_DIGESTS = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import drawn
from rasters import RASTERISERS, SCALE, by_librsvg, disagreements, words
from archdsl import theme
from archdsl.render.png import to_png
from archdsl.render.svg import to_svg
from archdsl.scene.card import card
for made in theme.THEMES.values():
    scene = card(drawn.view(), made("Made"))
    print(hashlib.sha256(to_svg(scene).encode()).hexdigest())
print(hashlib.sha256(to_png(scene)).hexdigest())
"""


def digests(folder: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "SYSTEMROOT")}
    done = subprocess.run(
        [sys.executable, "-c", _DIGESTS, str(ROOT / "tests")],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_same_bytes_everywhere(tmp_path: Path) -> None:
    """Another hash seed, locale, time zone, home and folder, and no fonts on the system."""
    bare = tmp_path / "fonts.conf"
    bare.write_text("<fontconfig></fontconfig>", encoding="utf-8")
    first = digests(ROOT, PYTHONHASHSEED="1")
    second = digests(
        tmp_path,
        PYTHONHASHSEED="2",
        LC_ALL="tr_TR.UTF-8",
        LANG="de_DE.UTF-8",
        TZ="Asia/Kathmandu",
        HOME=str(tmp_path),
        FONTCONFIG_FILE=str(bare),
    )
    assert len(first.split()) == len(theme.THEMES) + 1
    assert first == second


def test_pdf_has_no_date(scene: Scene) -> None:
    first = pdf.to_pdf(scene)
    code = _DIGESTS.split("for made")[0] + (
        "from archdsl.render.pdf import to_pdf\n"
        "scene = card(drawn.view(), theme.light('Made'))\n"
        "print(hashlib.sha256(to_pdf(scene)).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "tests")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TZ": "Asia/Kathmandu"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == hashlib.sha256(first).hexdigest()
    assert re.findall(rb"/CreationDate \(([^)]*)\)", first) in (
        [b"20000101000000Z"],
        [b"D:20000101000000Z"],
    )


def test_drawing_svg_loads_no_heavy_library() -> None:
    heavy = ("torch", "cairocffi", "cairosvg", "fontTools", "resvg_py", "numpy")
    code = _DIGESTS.split("for made")[0].replace("from archdsl.render.png import to_png", "") + (
        f"to_svg(card(drawn.view(), theme.light('Made')))\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "tests")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


# Text is text.


def test_svg_holds_the_text(scene: Scene) -> None:
    tree = ET.fromstring(svg.to_svg(scene))
    assert words(["".join(found.itertext()) for found in tree.iter(f"{SVG}text")]) == words(
        written(scene)
    )
    assert tree.find(f"{SVG}title").text == scene.title  # type: ignore[union-attr]
    assert tree.find(f"{SVG}desc").text == scene.description  # type: ignore[union-attr]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext")
def test_pdf_holds_the_text(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "card.pdf"
    file.write_bytes(pdf.to_pdf(scene, width="180mm"))
    done = subprocess.run(
        ["pdftotext", "-layout", str(file), "-"], capture_output=True, text=True, check=True
    )
    assert words(done.stdout.split("\n")) == words(written(scene))


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="needs pdffonts")
def test_pdf_embeds_the_shipped_font_and_no_other(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "card.pdf"
    file.write_bytes(pdf.to_pdf(scene))
    done = subprocess.run(["pdffonts", str(file)], capture_output=True, text=True, check=True)
    rows = done.stdout.splitlines()[2:]
    assert rows
    assert all("ArchdslSans-" in row and " yes yes " in row for row in rows), done.stdout


# Sizes.


def test_physical_sizes(scene: Scene) -> None:
    tree = ET.fromstring(svg.to_svg(scene, width="85mm"))
    assert tree.get("width") == "85mm"
    assert float(tree.get("height", "").removesuffix("mm")) == pytest.approx(
        85 * scene.height / scene.width, abs=0.01
    )
    across, down, per_metre = header(png.to_png(scene, width="85mm", dpi=300))
    assert across == round(85 / 25.4 * 300)
    assert down == pytest.approx(across * scene.height / scene.width, abs=1)
    assert per_metre == round(300 / 0.0254)
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf.to_pdf(scene, width="85mm"))
    assert box is not None
    assert float(box[1]) == pytest.approx(85 / 25.4 * 72, abs=0.01)


def test_scale(scene: Scene) -> None:
    assert header(png.to_png(scene, scale=1))[:2] == (scene.width, scene.height)
    assert header(png.to_png(scene, scale=3))[:2] == (3 * scene.width, 3 * scene.height)
    assert ET.fromstring(svg.to_svg(scene, scale=0.5)).get("width") == f"{scene.width / 2:g}"


def header(data: bytes) -> tuple[int, int, int]:
    """Width and height in pixels, and pixels a metre, of a PNG."""
    at = data.index(b"pHYs") + 4
    numbers = (data[16:20], data[20:24], data[at : at + 4])
    return tuple(int.from_bytes(number, "big") for number in numbers)  # type: ignore[return-value]


@pytest.mark.parametrize("width", ["", "0mm", "-3cm", "85", "85 mm", "1e9mm", "mm", "85mm;x"])
def test_widths_that_are_none(scene: Scene, width: str) -> None:
    if width == "85":
        assert ET.fromstring(svg.to_svg(scene, width=width)).get("width") == "85px"
        return
    with pytest.raises(ValueError, match="length"):
        svg.to_svg(scene, width=width)


def test_a_picture_that_is_too_large(scene: Scene) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        png.to_png(scene, width="100in", dpi=10_000)


# Strings of a spec are not trusted.


def test_strings_never_become_markup(scene: Scene) -> None:
    hostile = '"/><script>alert(1)</script><text x="&#0;\x00\x0b\ud800'
    label = text.line(hostile)
    shape = Text(origin=scene_point(), runs=label, size=12)
    group = Group((shape,), hostile, hostile, hostile, "javascript:alert(1)")
    bad = replace(scene, items=(group,), title=hostile, description=hostile)
    for made in (svg.to_svg(bad), svg.to_svg(bad, prefix=hostile)):
        tree = ET.fromstring(made)
        assert {found.tag.removeprefix(SVG) for found in tree.iter()} <= {
            "svg", "title", "desc", "defs", "style", "g", "text", "tspan",
        }  # fmt: skip
        assert "javascript" not in made.replace("alert", "")
        for found in tree.iter():  # an id is what a page may link to, a class what its rules reach
            for name in (found.get("id", "x"), *found.get("class", "x").split(" ")):
                assert re.fullmatch(r"[A-Za-z0-9_.-]+", name), name
    assert png.to_png(bad)
    assert pdf.to_pdf(bad)


def scene_point() -> object:
    from archdsl.geometry import Point

    return Point(10, 20)


def test_ids_have_the_prefix_and_are_unique(scene: Scene) -> None:
    tree = ET.fromstring(svg.to_svg(scene, prefix="one"))
    names = [found.get("id", "") for found in tree.iter() if found.get("id")]
    assert len(names) > 20
    assert all(name.startswith("one-") for name in names)
    assert len(set(names)) == len(names)


# The fonts.


def test_fonts_are_small_and_embedded(scene: Scene) -> None:
    files = [make(weight) for weight in fonts.STYLES for make in (fonts.truetype, fonts.woff2)]
    assert all(file.stat().st_size < 30_000 for file in files)
    core = [fonts.woff2(weight, "abc") for weight in fonts.STYLES]
    assert sum(file.stat().st_size for file in core) < 30_000
    found = re.findall(r"base64,([A-Za-z0-9+/=]+)", svg.to_svg(scene))
    for weight, data in zip((400, 600, 700), found, strict=True):
        shipped = [fonts.woff2(weight, "abc"), fonts.woff2(weight)]
        assert base64.b64decode(data) in [file.read_bytes() for file in shipped]
    bare = svg.to_svg(scene, fonts="named")
    assert len(bare) < 150_000
    assert "base64" not in bare


def test_a_character_beyond_the_small_fonts_brings_the_large_one() -> None:
    ttfont = pytest.importorskip("fontTools.ttLib").TTFont
    pytest.importorskip("brotli")
    for weight in fonts.STYLES:
        small, large = fonts.woff2(weight, "x²"), fonts.woff2(weight, "Ł")
        assert small != large
        assert set(map(ord, fonts.CORE)) <= set(ttfont(small).getBestCmap())
        assert ord("Ł") in ttfont(large).getBestCmap()


def test_the_table_says_what_the_fonts_say() -> None:
    ttfont = pytest.importorskip("fontTools.ttLib").TTFont
    for weight in fonts.STYLES:
        font = ttfont(fonts.truetype(weight))
        glyphs = font.getBestCmap()
        assert not {"kern", "GPOS", "GSUB"} & set(font.keys())
        for code, glyph in glyphs.items():
            expected = font["hmtx"][glyph][0] * 20 / font["head"].unitsPerEm
            assert text.width(chr(code), 20, weight) == pytest.approx(expected)
        assert font["name"].getDebugName(16) == fonts.FAMILY
        assert font["name"].getDebugName(1) == fonts.own_family(weight)


# The same picture from every rasteriser.


@pytest.mark.parametrize("name", RASTERISERS)
def test_rasterisers_agree(name: str, scene: Scene, picture: bytes, tmp_path: Path) -> None:
    made, command = RASTERISERS[name]
    if command is not None and shutil.which(command) is None:
        pytest.skip(f"needs {command}")
    assert disagreements(scene, picture, made(scene, tmp_path)) == []


@pytest.mark.parametrize("lost", ["Scaled dot-product attention", "v", "3 layers"])
def test_a_lost_label_is_noticed(scene: Scene, picture: bytes, lost: str) -> None:
    """The comparison above sees one missing line among all those of a card."""

    def without(items: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(
            replace(item, items=without(item.items)) if isinstance(item, Group) else item
            for item in items
            if not (isinstance(item, Text) and text.plain(item.runs) == lost)
        )

    bare = replace(scene, items=without(scene.items))
    without_it = png.to_png(bare, scale=SCALE)
    assert any(found.startswith(lost) for found in disagreements(scene, picture, without_it))


def test_another_font_is_noticed(scene: Scene, picture: bytes, tmp_path: Path) -> None:
    """A renderer that takes another font without a word fails the comparison."""
    if shutil.which("rsvg-convert") is None or not OTHER_FONTS.is_dir():
        pytest.skip("needs rsvg-convert and other fonts")
    other = by_librsvg(scene, tmp_path, folder=OTHER_FONTS)
    assert len(disagreements(scene, picture, other)) > 5


# Libraries that are missing.


@pytest.mark.parametrize("error", [OSError("no library called cairo"), ImportError("cairosvg")])
def test_pdf_without_cairo_says_what_to_install(
    error: Exception, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    import builtins

    ordinary = builtins.__import__

    def absent(name: str, *rest: object) -> object:
        if name.startswith("cairosvg"):
            raise error
        return ordinary(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(pdf.MissingLibrary, match="install") as raised:
        pdf.to_pdf(scene)
    assert "\n" not in str(raised.value)


def test_png_without_resvg_is_drawn_by_cairo(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert header(png.to_png(scene, scale=1))[:2] == (scene.width, scene.height)
