"""Cards in papers: LaTeX with and without shell escape, Typst, and what neither lets through."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
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
SOUND = {"spec": SMALL, "theme": "light", "view": "", "width": ""}
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

    def latex(
        self, *body: str, shell: bool = False, engine: str = "pdflatex", options: str = ""
    ) -> str:
        """The messages of a run over a paper with these paragraphs."""
        head = rf"\documentclass[{options}]{{article}}"
        lines = [head, r"\usepackage{archdsl}", r"\begin{document}"]
        paper = [*lines, *(f"{line}\n" for line in body), r"\end{document}"]
        (self.folder / "paper.tex").write_text("\n".join(paper))
        escape = "-shell-escape" if shell else "-no-shell-escape"
        done = self.run(engine, escape, "-interaction=nonstopmode", "paper.tex")
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


@needs_latex
@pytest.mark.parametrize("engine", ["pdflatex", "xelatex", "lualatex"])
def test_latex_shows_no_stale_card(paper: Paper, engine: str) -> None:
    """What could not be drawn again is an error with the reason, and a frame in the paper."""
    if shutil.which(engine) is None:
        pytest.skip(f"needs {engine}")
    card = rf"\archcard{{{SMALL}}}"
    assert "Error" not in paper.latex(card, shell=True, engine=engine)
    assert "Small one" in paper.text()
    spec = paper.folder / "models/m.arch"
    spec.write_text(SPEC.replace("Linear(d, d)", "Linear(d, 2)"))
    said = paper.latex(card, "After.", shell=True, engine=engine)
    assert f"archdsl Error: The card of {SMALL} could not be drawn." in said
    assert said.count("the block Linear with its settings gives another shape") == 2
    assert "[B, T, d] -> [B, T, 2]" in said, "all of the message is on the terminal"
    shown = " ".join(paper.text().split())
    assert "Small one" not in shown
    assert f"The card of {SMALL} could not be drawn" in shown
    assert "After." in shown


@needs_latex
@pytest.mark.parametrize("engine", ["pdflatex", "xelatex", "lualatex"])
def test_latex_without_a_shell_says_that_a_card_is_older_than_its_spec(
    paper: Paper, engine: str
) -> None:
    if shutil.which(engine) is None:
        pytest.skip(f"needs {engine}")
    card = rf"\archcard[width=85mm]{{{SMALL}}}"
    (paper.folder / "paper.cards").write_text(json.dumps({**SOUND, "width": "240.9pt"}))
    paper.archdsl("cards", "paper.cards")
    assert "Warning" not in paper.latex(card, engine=engine)
    assert "Small one" in paper.text()
    later = time.time() + 100
    os.utime(paper.folder / "models/m.arch", (later, later))
    said = paper.latex(card, engine=engine)
    assert f"archdsl Warning: The card of {SMALL} is older than its spec." in said
    assert "Run: archdsl cards paper.cards" in said
    assert "Small one" in paper.text()
    earlier = time.time() - 100
    os.utime(paper.folder / "models/m.arch", (earlier, earlier))
    os.utime(paper.folder / f"{LIGHT}+240.9pt/Small.pdf", (earlier - 100, earlier - 100))
    assert "0 written, 1 unchanged" in paper.archdsl("cards", "paper.cards")
    assert "Warning" not in paper.latex(card, engine=engine), "it has been looked at"


@needs_latex
def test_latex_says_which_program_is_missing(paper: Paper) -> None:
    (paper.folder / "bin/archdsl").write_text("#!/bin/sh\necho no such program >&2\nexit 127\n")
    said = paper.latex(rf"\archcard{{{SMALL}}}", shell=True)
    assert f"The card of {SMALL} could not be drawn. no such program" in said


@needs_latex
def test_latex_takes_what_a_command_says_as_characters(paper: Paper) -> None:
    """Nothing that a message quotes from a spec becomes a command, and no word ends a failure."""
    said = r"\input{secret} \csname x\endcsname $ # ## % ~ ^^M & _ { archdsl:drawn"
    (paper.folder / "secret.tex").write_text("REVEALED")
    program = f"#!/bin/sh\ncat <<'END' >&2\narchdsl:drawn\n{said}\nEND\nexit 1\n"
    (paper.folder / "bin/archdsl").write_text(program)
    heard = paper.latex(rf"\archcard{{{SMALL}}}", "After.", shell=True)
    assert f"The card of {SMALL} could not be drawn" in heard
    assert said in heard
    assert "REVEALED" not in paper.text() and "After." in paper.text()


@needs_latex
def test_latex_asks_for_the_width_of_a_column(paper: Paper) -> None:
    """229.5 pt of TeX (72.27 an inch) are 228.6 of the others (72): the card is as wide as that."""
    said = paper.latex(rf"\archcard{{{SMALL}}}", shell=True, options="twocolumn")
    assert "Error" not in said
    assert paper.cards() == [f"{LIGHT}+228.6pt/Small.pdf"]
    assert box(paper.folder / paper.cards()[0]) == pytest.approx(228.6, abs=0.05)


def test_a_card_that_fails_does_not_keep_the_others(paper: Paper) -> None:
    asked = [{**SOUND, "spec": f"models/{name}"} for name in ("no.arch:A", "m.arch:B", "m.arch:C")]
    lines = [json.dumps(found) for found in (*asked[:2], SOUND, asked[2])]
    (paper.folder / "paper.cards").write_text("\n".join(lines))
    done = paper.run("archdsl", "cards", "paper.cards")
    assert done.returncode == 2
    assert "there is no file models/no.arch" in done.stderr
    assert "models/m.arch has no variant B" in done.stderr
    assert "3 of 4 cards could not be drawn" in done.stderr
    assert paper.cards() == [f"{LIGHT}/Small.pdf"]


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


@pytest.mark.parametrize(
    ("width", "said"),
    [
        ("100%", "a share of a page that has no width is no width of a card"),
        ("60mm + 20%", "a share of a page that has no width is no width of a card"),
        ("0% - 1mm", "the width of a card is more than nothing"),
        ("auto", "the width of a card is a length or a share"),
        ("1fr", "the width of a card is a length or a share"),
    ],
)
def test_typst_on_a_page_without_a_width(paper: Paper, width: str, said: str) -> None:
    typst = pytest.importorskip("typst")
    head = '#import "archdsl.typ": archcard\n#set page(width: auto, height: auto)\n'
    main = paper.folder / "main.typ"
    main.write_text(f'{head}#archcard("{SMALL}", width: {width})')
    with pytest.raises(RuntimeError, match=said):
        typst.query(main, "<archdsl-card>", field="value", sys_inputs={"archdsl": "ask"})
    main.write_text(f'{head}#archcard("{SMALL}", width: 0% + 85mm)')
    asked = typst.query(main, "<archdsl-card>", field="value", sys_inputs={"archdsl": "ask"})
    assert [found.width for found in requests(asked.encode(), "main.cards")] == ["240.9pt"]


# Requests, from wherever they come.


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
