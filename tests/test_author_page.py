"""A page as an author sets it: an unusual block in one column, two models across both."""

import shutil
from pathlib import Path

import pytest

from papers import Paper, needs_latex

SPECS = Path(__file__).parent.parent / "specs"
COLUMN, ACROSS = 84.0, 174.0
"""Millimetres of a column, and of both with the gap between them."""
WORDS = "Words of a paper stand in two columns around its figures. " * 14
LATEX = r"""
\begin{figure*}
  \includegraphics[width=174mm]{pair.pdf}
  %s
\end{figure*}
\begin{figure}
  \archcard[width=84mm, height=206mm]{specs/qwen3_next.arch:Qwen3Next_80B_A3B}
\end{figure}
"""
TYPST = """#import "archdsl.typ": archcard
#set page(width: 210mm, height: 297mm, margin: (x: 18mm, y: 18mm), columns: 2)
#set columns(gutter: 6mm)
#set text(size: 9pt)
#place(top + center, scope: "parent", float: true,
  figure(image("pair.pdf", width: 174mm), {caption}))
{words}
#pagebreak()
#figure(archcard("specs/qwen3_next.arch:Qwen3Next_80B_A3B", width: 84mm, height: 206mm))
{words}
"""


@pytest.fixture
def author(tmp_path: Path) -> Paper:
    """A paper with three specs beside it and the figure of two models."""
    paper = Paper(tmp_path)
    (tmp_path / "specs").mkdir()
    for name in ("qwen3_next", "deepseek", "kimi"):
        shutil.copyfile(SPECS / f"{name}.arch", tmp_path / "specs" / f"{name}.arch")
    paper.archdsl(
        "render", "specs/deepseek.arch:DeepSeekV3_671B", "specs/kimi.arch:KimiK2_1T",
        "--box", f"{ACROSS}mm", "150mm", "-o", "pair.pdf",
    )  # fmt: skip
    return paper


@needs_latex
def test_a_page_of_latex(author: Paper) -> None:
    caption = author.run("archdsl", "caption", "specs/deepseek.arch:DeepSeekV3_671B").stdout
    body = (LATEX % caption, WORDS, WORDS, WORDS)
    log = author.latex(*body, shell=True, options="twocolumn,a4paper")
    assert "Error" not in log and "Float too large" not in log
    text = author.text()
    assert "Gated delta rule" in text and "Gated DeltaNet" in text
    assert "DeepSeek-V3" in text and "Kimi K2" in text and "671.0B" in text


def test_a_page_of_typst(author: Paper) -> None:
    typst = pytest.importorskip("typst")
    caption = author.run(
        "archdsl", "caption", "-t", "typst", "specs/deepseek.arch:DeepSeekV3_671B"
    ).stdout.strip()
    page = TYPST.replace("{caption}", caption.rstrip(",")).replace("{words}", WORDS)
    main = author.folder / "main.typ"
    main.write_text(page)
    asked = typst.query(main, "<archdsl-card>", field="value", sys_inputs={"archdsl": "ask"})
    (author.folder / "main.cards").write_text(asked)
    author.archdsl("cards", "main.cards")
    (author.folder / "main.pdf").write_bytes(typst.compile(main))
    if shutil.which("pdftotext"):
        text = author.text("main.pdf")
        assert "Gated delta rule" in text and "Kimi K2" in text
