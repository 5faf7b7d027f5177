"""TikZ: the geometry of the SVG, in text that pdflatex sets and no spec can turn into commands."""

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archdsl.cli.rendering import Look, draw
from archdsl.geometry import Point
from archdsl.pipeline import drawn
from archdsl.record import replace
from archdsl.render.latex import escaped
from archdsl.render.png import to_png
from archdsl.render.tikz import to_tikz
from archdsl.scene.shapes import Group, Item, Rect, Scene, Text
from archdsl.scene.shapes import Path as Line
from archdsl.shown import asked
from models import variants

DPI = 300
FRAME = r"""\documentclass{article}
\usepackage[T1]{fontenc}\usepackage{lmodern}
\usepackage{tikz}
\pagestyle{empty}
\setlength\parindent{0pt}
%s
\begin{document}
\input{card.tex}
\end{document}
"""
PAGE = r"""\usepackage[paperwidth=%.5fbp, paperheight=%.5fbp, margin=0pt]{geometry}"""


def compiled(tex: str, width: float, height: float, folder: Path) -> Path:
    """The PDF of a picture alone on a page of its size in big points."""
    (folder / "card.tex").write_text(tex)
    (folder / "main.tex").write_text(FRAME % (PAGE % (width, height)))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"],
        cwd=folder, capture_output=True, text=True, errors="replace", timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    return folder / "main.pdf"


@pytest.fixture(scope="session")
def latex_has_tikz(tmp_path_factory: pytest.TempPathFactory) -> None:
    if shutil.which("pdflatex") is None or shutil.which("pdftocairo") is None:
        pytest.skip("needs pdflatex and pdftocairo")
    folder = tmp_path_factory.mktemp("empty")
    (folder / "main.tex").write_text(FRAME.replace(r"\input{card.tex}", "x") % (PAGE % (100, 100)))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"],
        cwd=folder, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip("an empty document with tikz and geometry does not compile here")


def without_text(items: tuple[Item, ...]) -> tuple[Item, ...]:
    kept: list[Item] = []
    for item in items:
        if isinstance(item, Group):
            kept.append(replace(item, items=without_text(item.items)))
        elif not isinstance(item, Text):
            kept.append(item)
    return tuple(kept)


def pictures(scene: Scene, moved: Scene, folder: Path) -> tuple[object, object]:
    """A scene as PNG by way of SVG, and another by way of TikZ, at 300 dots an inch, grey."""
    image = pytest.importorskip("PIL.Image")
    across = scene.width * 72 / 96
    svg = image.open(io.BytesIO(to_png(scene, width=f"{scene.width}px", dpi=DPI))).convert("L")
    pdf = compiled(to_tikz(moved), across, scene.height * 72 / 96, folder)
    subprocess.run(
        ["pdftocairo", "-r", str(DPI), "-png", "-singlefile", str(pdf), str(folder / "page")],
        check=True, timeout=120,
    )  # fmt: skip
    page = image.open(folder / "page.png").convert("L")
    size = min(svg.width, page.width), min(svg.height, page.height)
    assert abs(svg.width - page.width) <= 1 and abs(svg.height - page.height) <= 1
    return svg.crop((0, 0, *size)), page.crop((0, 0, *size))


def apart(one: object, other: object) -> int:
    """How many dots differ from all dots of the other picture within one dot."""
    chops = pytest.importorskip("PIL.ImageChops")
    filters = pytest.importorskip("PIL.ImageFilter")
    low, high = other.filter(filters.MinFilter(3)), other.filter(filters.MaxFilter(3))  # type: ignore[attr-defined]
    below, above = chops.subtract(low, one), chops.subtract(one, high)
    far = chops.lighter(below, above).point(lambda value: 255 if value > 40 else 0)
    return far.histogram()[255]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["Llama3_8B", "DeepSeekV3_671B", "Qwen3Next_80B_A3B"])
def test_the_geometry_is_that_of_the_svg(name: str, tmp_path: Path, latex_has_tikz: None) -> None:
    scene = drawn(variants()[name], asked()).scene
    bare = replace(scene, items=without_text(scene.items))
    assert apart(*pictures(bare, bare, tmp_path)) <= 3


def test_a_line_two_dots_off_is_seen(tmp_path: Path, latex_has_tikz: None) -> None:
    scene = drawn(variants()["Llama3_8B"], asked()).scene
    bare = replace(scene, items=without_text(scene.items))

    def moved(item: Item) -> Item:
        if isinstance(item, Group):
            return replace(item, items=tuple(map(moved, item.items)))
        if isinstance(item, Line) and item.use == "wire":
            shift = 2 * 96 / DPI
            points = tuple(Point(point.x + shift, point.y) for point in item.points)
            return replace(item, points=points)
        return item

    off = replace(bare, items=tuple(map(moved, bare.items)))
    assert apart(*pictures(bare, off, tmp_path)) > 3


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_a_whole_card_compiles(theme: str, tmp_path: Path, latex_has_tikz: None) -> None:
    scene = drawn(variants()["Gemma3_27B"], asked(), theme, box="171mm 90mm").scene
    pdf = compiled(to_tikz(scene), 485, 256, tmp_path)
    if shutil.which("pdftotext"):
        shown = subprocess.run(
            ["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True
        ).stdout
        assert "Gemma 3 27B" in shown and "RMSNorm" in shown


@pytest.mark.parametrize("look", [{"prefix": "a"}, {"dpi": 300.0}, {"text": "path"}])
def test_what_changes_nothing_is_refused(look: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="change nothing of TikZ"):
        draw(variants()["Llama3_8B"], "tex", Look(**look))  # type: ignore[arg-type]


def test_two_sets_of_colours_are_refused() -> None:
    scene = drawn(variants()["Llama3_8B"], asked(), "auto").scene
    with pytest.raises(ValueError, match="one set of colours"):
        to_tikz(scene)


@given(st.text(max_size=60))
def test_no_sign_of_a_text_is_a_command(words: str) -> None:
    shown, missing = escaped(words)
    plain = re.sub(
        r"\\(textbackslash|textasciitilde|textasciicircum|textbullet|dots)\{\}", "", shown
    )
    plain = re.sub(r"\\\((\\[a-z]+|[-<>|]|\^[23])\\\)|\\[&%$#_{}]", "", plain)
    assert not re.search(r"[\\&%$#_^]", plain) and not re.search(r"[{}]", plain.replace("{}", ""))
    assert "\n" not in shown
    assert all(sign in words for sign in missing)


@given(st.text(max_size=40), st.text(max_size=40))
def test_names_stay_in_their_line(title: str, id: str) -> None:
    """A name in a comment ends with its line, whatever it holds."""
    from archdsl.geometry import Box

    scene = drawn(variants()["Llama3_8B"], asked("strip")).scene
    inner = (Rect(Box(0, 0, 10, 10), fill="ink"),)
    named = replace(scene, title=title, items=(Group(inner, id),))
    tex = to_tikz(named)
    assert tex.isascii() and len(tex.splitlines()) == len(
        to_tikz(replace(named, title="a")).splitlines()
    )
    code = [line.partition("%")[0] for line in tex.splitlines() if line.startswith("%")]
    assert not any(code)
