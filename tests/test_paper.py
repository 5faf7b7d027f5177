"""Cards in papers: LaTeX with and without shell escape, Typst, and what neither lets through."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl.cli.output import Stop
from archdsl.cli.paper import PACKAGES, Request, requests

ROOT = Path(__file__).parent.parent
SPEC = """use std.core: Linear, Embedding
model M(d, n = 2)(stream tokens: int[B, T]) -> [B, T, d] {
  embed  = Embedding(100, d)
  layers = stack(n * Linear(d, d))
  return tokens |> embed |> layers
}
tiny M { d: 4 }
variant Small = M(d: 8) { name: "Small one" }
"""
SMALL = "models/m.arch:Small"
LIGHT = "archdsl-cards/models+m.arch+light"
needs_latex = pytest.mark.skipif(
    any(shutil.which(command) is None for command in ("pdflatex", "pdftotext")),
    reason="needs pdflatex and pdftotext",
)


class Paper:
    """A folder with a spec, both packages and `archdsl` on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "models").mkdir()
        (folder / "models/m.arch").write_text(SPEC)
        (folder / "bin").mkdir()
        program = folder / "bin/archdsl"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m archdsl "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.archdsl("latex", "-o", "archdsl.sty")
        self.archdsl("typst", "-o", "archdsl.typ")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "max_print_line": "1000"}
        return subprocess.run(
            command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", check=False, timeout=120,
        )  # fmt: skip

    def archdsl(self, *words: str) -> str:
        done = self.run("archdsl", *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def latex(self, *body: str, shell: bool = False) -> str:
        """The messages of a run over a paper with these paragraphs."""
        lines = [r"\documentclass{article}", r"\usepackage{archdsl}", r"\begin{document}"]
        paper = [*lines, *(f"{line}\n" for line in body), r"\end{document}"]
        (self.folder / "paper.tex").write_text("\n".join(paper))
        escape = "-shell-escape" if shell else "-no-shell-escape"
        done = self.run("pdflatex", escape, "-interaction=nonstopmode", "paper.tex")
        return " ".join(done.stdout.replace("(archdsl)", "").split())

    def text(self, file: str = "paper.pdf") -> str:
        return self.run("pdftotext", "-raw", file, "-").stdout

    def cards(self) -> list[str]:
        found = (self.folder / "archdsl-cards").rglob("*.*")
        names = (p.relative_to(self.folder).as_posix() for p in found if p.is_file())
        return sorted(name for name in names if ".digests" not in name)


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path)


# LaTeX.


@needs_latex
def test_latex_says_what_to_run_and_then_shows_the_card(paper: Paper) -> None:
    card = rf"\archcard[width=85mm]{{{SMALL}}}"
    said = paper.latex("Before.", card, "After.")
    assert f"archdsl Error: The card of {SMALL} is not drawn yet." in said
    assert "Run: archdsl cards paper.cards" in said
    assert "Small one" not in paper.text()
    assert "After." in paper.text(), "the paper is set all the same"
    assert "1 written" in paper.archdsl("cards", "paper.cards")
    assert paper.cards() == [f"{LIGHT}+240.9pt/Small.pdf"]
    assert "Error" not in paper.latex("Before.", card, "After.")
    assert "Small one" in paper.text()
    assert "0 written, 1 unchanged" in paper.archdsl("cards", "paper.cards")


@needs_latex
def test_latex_draws_by_itself_with_shell_escape(paper: Paper) -> None:
    card = rf"\archcard{{{SMALL}}}"
    assert "Error" not in paper.latex(card, shell=True)
    assert "Small one" in paper.text()
    spec = paper.folder / "models/m.arch"
    spec.write_text(SPEC.replace("Small one", "Another name"))
    assert "Error" not in paper.latex(card, shell=True)
    assert "Another name" in paper.text(), "a spec that has changed is drawn again"
    spec.write_text(SPEC.replace("Linear(d, d)", "Linear(d, 2)"))
    assert f"The card of {SMALL} could not be drawn" in paper.latex(card, shell=True)


@needs_latex
def test_latex_passes_the_look_on(paper: Paper) -> None:
    body = (
        rf"\archcard[width=85mm, view=facts, theme=print]{{{SMALL}}}",
        rf"\archcard[view=detail:Linear, width=0.5\linewidth, angle=90]{{{SMALL}}}",
    )
    assert "Error" not in paper.latex(*body, shell=True)
    asked = [json.loads(line) for line in (paper.folder / "paper.cards").read_text().splitlines()]
    first, second = requests((paper.folder / "paper.cards").read_bytes(), "paper.cards")
    assert asked[0] == {"spec": SMALL, "theme": "print", "view": "facts", "width": "240.9pt"}
    assert (second.view, second.width) == ("detail:Linear", "171.9pt")
    assert paper.cards() == sorted(f"{found.folder}/Small.pdf" for found in (first, second))
    widths = sorted(box(paper.folder / name) for name in paper.cards())
    assert widths == pytest.approx([171.9, 240.9], abs=0.06)


def box(file: Path) -> float:
    """The width of a PDF's only page, in points."""
    found = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", file.read_bytes())
    assert found is not None
    return float(found[1])


HOSTILE = (
    r"$(touch hacked):V",
    r"`touch hacked`:V",
    r"models/m.arch:Small;touch hacked",
    r"models/m.arch:Small|touch hacked",
    r"models/m.arch:Small \write18{touch hacked}",
    r"--help:V",
    r"-o:V",
    r"models/m.arch",
    r"models/m.arch:Small:Small",
    r"models/m ö.arch:Small",
    "models/m.arch:Sm\\^^M",
)


@needs_latex
@pytest.mark.parametrize("spec", HOSTILE)
def test_latex_lets_no_other_characters_through(paper: Paper, spec: str) -> None:
    said = paper.latex(rf"\archcard{{{spec}}}", "After.", shell=True)
    assert "is not a spec with a variant" in said
    assert "archdsl render" not in said
    assert "After." in paper.text()
    assert not (paper.folder / "hacked").exists()
    assert paper.cards() == []


@needs_latex
@pytest.mark.parametrize(
    "option", ["view=a;b", "view=compact --theme dark", "theme=auto", "theme=x/../y"]
)
def test_latex_knows_its_options(paper: Paper, option: str) -> None:
    said = paper.latex(rf"\archcard[{option}]{{{SMALL}}}", shell=True)
    assert f"is no {option.partition('=')[0]} of a card" in said
    assert paper.cards() == []


# Typst.

MAIN = """#import "archdsl.typ": archcard
#set page(width: 210mm, height: 297mm, margin: 20mm, columns: 2)
#figure(archcard("models/m.arch:Small", width: 100%), caption: [Light.])
#figure(archcard("models/m.arch:Small", width: 85mm, view: "facts", theme: "print"))
"""


def test_typst_asks_and_then_shows_the_card(paper: Paper) -> None:
    typst = pytest.importorskip("typst")
    main = paper.folder / "main.typ"
    main.write_text(MAIN)
    with pytest.raises(typst.TypstError, match="file not found"):
        typst.compile(main)
    asked = typst.query(main, "<archdsl-card>", field="value", sys_inputs={"archdsl": "ask"})
    (paper.folder / "main.cards").write_text(asked)
    paper.archdsl("cards", "main.cards")
    first, second = requests(asked.encode(), "main.cards")
    assert (second.theme, second.view, second.width) == ("print", "facts", "240.9pt")
    assert paper.cards() == sorted(f"{found.folder}/Small.pdf" for found in (first, second))
    (paper.folder / "main.pdf").write_bytes(typst.compile(main))
    if shutil.which("pdftotext"):
        assert paper.text("main.pdf").count("Small one") == 2


def test_typst_takes_svg_with_outlines(paper: Paper) -> None:
    typst = pytest.importorskip("typst")
    main = paper.folder / "main.typ"
    main.write_text(
        '#import "archdsl.typ": archcard\n'
        '#archcard("models/m.arch:Small", width: 10cm - 10%, format: "svg")'
    )
    asked = typst.query(main, "<archdsl-card>", field="value", sys_inputs={"archdsl": "ask"})
    (paper.folder / "main.cards").write_text(asked)
    paper.archdsl("cards", "main.cards", "--type", "svg", "--text", "path")
    [made] = paper.cards()
    assert "<text" not in (paper.folder / made).read_text()
    assert typst.compile(main).startswith(b"%PDF")


@pytest.mark.parametrize("spec", HOSTILE[:9])
def test_typst_lets_no_other_characters_through(paper: Paper, spec: str) -> None:
    typst = pytest.importorskip("typst")
    main = paper.folder / "main.typ"
    main.write_text(f'#import "archdsl.typ": archcard\n#archcard({json.dumps(spec)})')
    with pytest.raises(RuntimeError, match="is not a spec with a variant"):
        typst.query(main, "<archdsl-card>", field="value", sys_inputs={"archdsl": "ask"})


# Requests, from wherever they come.

SOUND = {"spec": SMALL, "theme": "light", "view": "", "width": ""}


@pytest.mark.parametrize("spec", HOSTILE)
def test_requests_let_no_other_characters_through(spec: str) -> None:
    with pytest.raises(Stop, match="is no spec of a card"):
        requests(json.dumps({**SOUND, "spec": spec}).encode(), "x.cards")


@pytest.mark.parametrize(
    "text",
    [
        "{", "[1]", "1", '"x"', "[" * 100_000, "\xff",
        json.dumps({**SOUND, "output": "/etc/x"}),
        json.dumps({**SOUND, "theme": "../x"}),
        json.dumps({**SOUND, "view": "compact\n"}),
        json.dumps({**SOUND, "width": "1e9pt"}),
        json.dumps({**SOUND, "width": 85}),
        json.dumps({"spec": SMALL}),
    ],
)  # fmt: skip
def test_what_is_no_request(text: str) -> None:
    with pytest.raises(Stop, match="card"):
        requests(text.encode("latin-1"), "x.cards")


def test_looks_have_folders_of_their_own() -> None:
    found = {
        Request(spec, theme, view, width).folder
        for spec in ("a/b-c.arch:V", "a-b/c.arch:V", "../a/b-c.arch:V", "/a/b-c.arch:V")
        for theme in ("light", "print")
        for view in ("", "facts", "detail:V")
        for width in ("", "85pt", "85.1pt")
    }
    assert len(found) == 4 * 2 * 3 * 3
    assert all(name.count("/") == 1 for name in found)
    assert requests(b"", "x.cards") == []
    twice = json.dumps([SOUND, SOUND]).encode()
    assert requests(twice, "x.cards") == [Request(SMALL, "light", "", "")]


def test_packages_name_the_version() -> None:
    import archdsl

    assert f"{{{archdsl.__version__}}}" in (PACKAGES / "archdsl.sty").read_text()
