"""Cards in papers: Typst, the cards that a paper asks for, and what is not let through."""

import json
import shutil
from pathlib import Path

import pytest

from archdsl.cli.output import Stop
from archdsl.cli.paper import PACKAGES, Request, requests
from papers import HOSTILE, LIGHT, SMALL, SOUND, Paper


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path)


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


# Typst.

MAIN = """#import "archdsl.typ": archcard
#set page(width: 210mm, height: 297mm, margin: 20mm, columns: 2)
#figure(archcard("models/m.arch:Small", width: 100%), caption: [Light.])
#figure(archcard("models/m.arch:Small", width: 85mm, view: "facts", theme: "print"))
#archcard("models/m.arch:Small", width: 80mm, height: 60mm, depth: 1, open: ("embed", "layers"),
  fold: "layers", shapes: true, without: ("header", "background"))
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
    first, second, third = requests(asked.encode(), "main.cards")
    assert (third.height, third.depth, third.shapes) == ("170.1pt", "1", "true")
    assert (third.open, third.fold) == ("embed,layers", "layers")
    assert third.without == "header,background"
    assert (second.theme, second.view, second.width) == ("print", "facts", "240.9pt")
    assert paper.cards() == sorted(f"{found.folder}/Small.pdf" for found in (first, second, third))
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


@pytest.mark.parametrize(("command", "name"), [("latex", "archdsl.sty"), ("typst", "archdsl.typ")])
def test_a_command_writes_the_package(command: str, name: str, paper: Paper) -> None:
    paper.archdsl(command, "-o", f"mine/{name}")
    written = (paper.folder / "mine" / name).read_bytes()
    assert written == (PACKAGES / name).read_bytes() == (paper.folder / name).read_bytes()
    assert paper.run("archdsl", command).stdout.encode() == written


def test_packages_name_the_version() -> None:
    import archdsl

    assert f"{{{archdsl.__version__}}}" in (PACKAGES / "archdsl.sty").read_text()
