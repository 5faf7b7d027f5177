"""Cards in LaTeX: every engine, with and without shell escape, and what is not let through."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from archdsl.cli.paper import requests
from papers import HOSTILE, LIGHT, REST, SMALL, SOUND, SPEC, Paper, box, needs_latex


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path)


@pytest.fixture(params=["pdflatex", "xelatex", "lualatex"])
def engine(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"needs {request.param}")
    return str(request.param)


@needs_latex
def test_latex_says_what_to_run_and_then_shows_the_card(paper: Paper) -> None:
    card = rf"\archcard[width=85mm]{{{SMALL}}}"
    said = paper.latex("Before.", card, "After.")
    assert f"archdsl Warning: The card of {SMALL} is not drawn yet." in said
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
def test_latex_shows_no_stale_card(paper: Paper, engine: str) -> None:
    """What could not be drawn again is an error with the reason, and a frame in the paper."""
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
def test_latex_without_a_shell_says_that_a_card_is_older_than_its_spec(
    paper: Paper, engine: str
) -> None:
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


@needs_latex
def test_latex_passes_the_look_on(paper: Paper) -> None:
    body = (
        rf"\archcard[width=85mm, view=facts, theme=print]{{{SMALL}}}",
        rf"\archcard[view=detail:Linear, width=0.5\linewidth, angle=90]{{{SMALL}}}",
    )
    assert "Error" not in paper.latex(*body, shell=True)
    asked = [json.loads(line) for line in (paper.folder / "paper.cards").read_text().splitlines()]
    first, second = requests((paper.folder / "paper.cards").read_bytes(), "paper.cards")
    rest = dict.fromkeys(REST, "")
    look = {"spec": SMALL, "theme": "print", "view": "facts", "width": "240.9pt"}
    assert asked[0] == look | rest
    assert (second.view, second.width) == ("detail:Linear", "171.9pt")
    assert paper.cards() == sorted(f"{found.folder}/Small.pdf" for found in (first, second))
    widths = sorted(box(paper.folder / name) for name in paper.cards())
    assert widths == pytest.approx([171.9, 240.9], abs=0.06)


MANY = (
    r"\archcard[width=80mm, height=60mm, without={header, background}, shapes, depth=1,"
    rf" fold=layers, open={{embed, layers}}]{{{SMALL}}}"
)


@needs_latex
@pytest.mark.parametrize("shell", [True, False])
def test_latex_passes_every_option_on(paper: Paper, shell: bool) -> None:
    said = paper.latex(MANY, shell=shell)
    if not shell:
        assert "is not drawn yet" in said
        paper.archdsl("cards", "paper.cards")
        said = paper.latex(MANY)
    assert "Error" not in said and "Warning: The card" not in said
    [request] = requests((paper.folder / "paper.cards").read_bytes(), "paper.cards")
    assert (request.height, request.depth, request.shapes) == ("170.1pt", "1", "true")
    assert (request.open, request.fold) == ("embed,layers", "layers")
    assert request.without == "header,background"
    assert paper.cards() == [f"{request.folder}/Small.pdf"]
    assert box(paper.folder / paper.cards()[0]) == pytest.approx(226.8, abs=0.06)


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
    "option",
    [
        "view=a;b",
        "view=compact --theme dark",
        "theme=auto",
        "theme=x/../y",
        "open=a;b",
        "without={header --theme dark}",
    ],
)
def test_latex_knows_its_options(paper: Paper, option: str) -> None:
    said = paper.latex(rf"\archcard[{option}]{{{SMALL}}}", shell=True)
    name = option.partition("=")[0]
    kind = name if name in ("view", "theme") else "list of words"
    assert f"is no {kind} of a card" in said
    assert paper.cards() == []


FLOATS = r"""
\begin{figure} \archcard{models/m.arch:Small} \end{figure}
\begin{figure*} \archcard[theme=print]{models/m.arch:Small} \end{figure*}
\begin{figure}
  \begin{minipage}{0.12\linewidth} \archcard{models/m.arch:Small} \end{minipage}\hfill
  \begin{minipage}{0.5\linewidth} \archcard[view=strip]{models/m.arch:Small} \end{minipage}
\end{figure}
"""


@needs_latex
def test_columns_wide_figures_and_minipages(paper: Paper, engine: str) -> None:
    """A card is as wide as the line it stands on, and text that is too small is told each time."""
    first = paper.latex(FLOATS, shell=True, engine=engine, options="twocolumn")
    again = paper.latex(FLOATS, shell=True, engine=engine, options="twocolumn")
    for said in (first, again):
        assert "Error" not in said
        assert said.count("archdsl Warning: Small: at") == 1
        assert "Small: at 27.4pt the smallest text is" in said
    widths = {"228.6pt": "light", "467.2pt": "print", "27.4pt": "light", "114.3pt": "light+strip"}
    wanted = [f"archdsl-cards/models+m.arch+{n}+{width}/Small.pdf" for width, n in widths.items()]
    assert paper.cards() == sorted(wanted)
    for name in paper.cards():
        assert box(paper.folder / name) == pytest.approx(float(name.split("+")[-1][:-12]), abs=0.06)
    assert paper.text().count("Small one") == 4


@needs_latex
def test_names_with_spaces_and_underscores(tmp_path: Path, engine: str) -> None:
    """A folder and a paper may have any name, a spec's path letters, digits and _ . / - alone."""
    paper = Paper(tmp_path / "my papers")
    (paper.folder / "models/m.arch").rename(paper.folder / "models/my_own_m.arch")
    card = r"\archcard{models/my_own_m.arch:Small}"
    said = paper.latex(card, engine=engine, name="my one_two")
    assert 'Run: archdsl cards "my one_two".cards' in said
    assert "1 written" in paper.archdsl("cards", "my one_two.cards")
    assert "Error" not in paper.latex(card, engine=engine, name="my one_two")
    assert "Small one" in paper.text("my one_two.pdf")
    shutil.rmtree(paper.folder / "archdsl-cards")
    assert "Error" not in paper.latex(card, engine=engine, name="my one_two", shell=True)
    assert "Small one" in paper.text("my one_two.pdf")
    said = paper.latex(r"\archcard{my models/m.arch:Small}", engine=engine)
    assert "a path with other characters, such as spaces, needs another name" in said


@needs_latex
def test_a_folder_for_what_latex_writes(paper: Paper, engine: str) -> None:
    """The list of cards lies there too; the cards lie beside the paper."""
    (paper.folder / "build").mkdir()
    card, there = rf"\archcard{{{SMALL}}}", ("-output-directory=build",)
    assert "is not drawn yet" in paper.latex(card, engine=engine, more=there)
    paper.archdsl("cards", "build/paper.cards")
    assert "Error" not in paper.latex(card, engine=engine, more=there)
    assert "Small one" in paper.text("build/paper.pdf")


@needs_latex
def test_latex_without_the_program(
    paper: Paper, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (paper.folder / "bin/archdsl").unlink()
    found = Path(shutil.which(engine) or "").parent
    monkeypatch.setenv("PATH", os.pathsep.join([str(found), "/usr/bin", "/bin"]))
    if shutil.which("archdsl"):
        pytest.skip("archdsl is beside LaTeX")
    said = paper.latex(rf"\archcard{{{SMALL}}}", "After.", shell=True, engine=engine)
    assert "LaTeX finds no program archdsl: " in said
    assert "Install it, or put its folder on the PATH, and run LaTeX again." in said
    shown = " ".join(paper.text().split())
    assert f"The card of {SMALL} could not be drawn" in shown and "After." in shown


@needs_latex
def test_characters_that_a_language_has_made_active(paper: Paper, engine: str) -> None:
    """As babel does: `:` in French, `=` in Turkish."""
    active = r"\catcode`\:=\active \def:{\string:} \catcode`\==\active \def={\string=}"
    card = rf"\archcard[view=detail:Linear,width=85mm]{{{SMALL}}}"
    assert "Error" not in paper.latex(active, card, shell=True, engine=engine)
    assert paper.cards() == ["archdsl-cards/models+m.arch+light+detail+Linear+240.9pt/Small.pdf"]


@needs_latex
def test_a_dvi_takes_no_card(paper: Paper) -> None:
    said = paper.latex(rf"\archcard{{{SMALL}}}", shell=True, engine="latex")
    assert "cards are PDF, and a DVI takes none" in said
    assert "Run pdflatex, xelatex or lualatex in place of latex." in said
    assert paper.cards() == []
