"""The command line: what each command prints, writes, and exits with."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import archdsl
from archdsl.cli import output
from archdsl.diagnostic import SpecError

ROOT = Path(__file__).parent.parent
SPEC = """use std.core: Linear, Embedding
model M(d, n = 2)(stream tokens: int[B, T]) -> [B, T, d] {
  embed  = Embedding(100, d)
  layers = stack(n * Linear(d, d))
  return tokens |> embed |> layers
}
tiny M { d: 4 }
variant Small = M(d: 8) { name: "Small one"  context: 16  expect params: 928 }
variant Large = M(d: 16, n: 3) {}
"""
WRONG = SPEC.replace("928", "929")
FACTS = {
    "variant", "name", "file", "params", "active", "active_without_embedding", "kv_bytes_per_token",
    "kv_growing_bytes_per_token", "kv_capped_bytes", "state_bytes", "layers",
}  # fmt: skip


class Shell:
    """Runs `archdsl` in a folder that holds `m.arch`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("m.arch", SPEC)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def names(self) -> list[str]:
        found = self.folder.rglob("*")
        return sorted(p.relative_to(self.folder).as_posix() for p in found if p.is_file())

    def __call__(self, words: str, text: str = "", **variables: str) -> tuple[int, str, str]:
        env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        done = subprocess.run(
            [sys.executable, "-m", "archdsl", *words.split()],
            cwd=self.folder, env=env, input=text, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def sh(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_check(sh: Shell) -> None:
    assert sh("check m.arch") == (0, "m.arch: ok, 2 variants\n", "")
    assert sh("check m.arch:Large") == (0, "m.arch: ok, 1 variant\n", "")
    assert sh("check -", SPEC) == (0, "<stdin>: ok, 2 variants\n", "")
    sh.write("more/n.arch", WRONG)
    code, out, err = sh("check .")
    assert (code, out) == (1, "m.arch: ok, 2 variants\n")
    assert "more/n.arch:8:" in err and "fact-mismatch" in err and "embedding 800" in err


def test_check_checks_the_tiny_size(sh: Shell) -> None:
    sh.write("m.arch", SPEC.replace("d: 4 }", "d: 0 }"))
    code, _, err = sh("check m.arch")
    assert code == 1
    assert "the tiny size of M" in err


def test_json_diagnostics(sh: Shell) -> None:
    sh.write("n.arch", WRONG)
    code, out, err = sh("check m.arch n.arch --format json")
    assert (code, err) == (1, "")
    [found] = json.loads(out)
    assert (found["code"], found["file"], found["line"]) == ("fact-mismatch", "n.arch", 8)
    assert json.loads(sh("check m.arch --format json")[1]) == []


@pytest.mark.parametrize(
    "words",
    ["", "frobnicate", "check", "check missing.arch", "check m.arch:Medium", "torch m.arch",
     "render m.arch", "render m.arch -o x.svg", "render m.arch:Small -o x.jpg",
     "render m.arch:Small -o x.svg --theme pink", "render m.arch:Small -o x.svg --width 3miles",
     "render m.arch:Small -o x.png --scale 0", "check - -", "facts m.arch --context 0",
     "torch m.arch:Small -o m.arch/x.py"],
)  # fmt: skip
def test_usage_errors(sh: Shell, words: str) -> None:
    code, out, err = sh(words)
    assert code == 2, err
    assert (out, len(err) > 10) == ("", True) or words == ""
    assert sh.names() == ["m.arch"]


def test_nearest_spelling(sh: Shell) -> None:
    assert "did you mean m.arch?" in sh("check n.arch")[2]
    assert "did you mean Large?" in sh("check m.arch:Larg")[2]


def test_facts(sh: Shell) -> None:
    code, out, _ = sh("facts m.arch --json")
    found = json.loads(out)
    assert code == 0
    assert [record["variant"] for record in found] == ["Small", "Large"]
    assert all(set(record) >= FACTS for record in found)
    assert (found[0]["params"], found[0]["layers"], found[1]["params"]) == (928, 2, 2368)
    code, out, _ = sh("facts m.arch:Small --context 1000")
    assert code == 0
    assert "Small one" in out and "928" in out


def test_torch(sh: Shell) -> None:
    code, out, _ = sh("torch m.arch:Small")
    assert code == 0
    compile(out, "model.py", "exec")
    assert sh("torch m.arch:Small -o made/model.py")[:2] == (0, "")
    assert sh.read("made/model.py").decode() == out


def test_render_one(sh: Shell) -> None:
    for name, begin in (("a.svg", b"<?xml"), ("a.png", b"\x89PNG")):
        assert sh(f"render m.arch:Small -o {name}") == (0, "", "")
        assert sh.read(name).startswith(begin)
    code, out, _ = sh("render m.arch:Small -o -")
    assert (code, out.encode()) == (0, sh.read("a.svg"))


def test_render_options(sh: Shell) -> None:
    sh("render m.arch:Small -o a.svg --width 85mm")
    assert b'width="85' in sh.read("a.svg")
    sh("render m.arch:Small -o b.svg")
    sh("render m.arch:Small -o c.svg --theme dark")
    assert sh.read("b.svg") != sh.read("c.svg")


def test_render_folder(sh: Shell) -> None:
    code, _, err = sh("render m.arch -o cards")
    assert (code, err) == (0, "cards: 4 written, 0 unchanged\n")
    made = ["Large.png", "Large.svg", "Small.png", "Small.svg"]
    assert [n for n in sh.names() if n.startswith("cards/") and "digests" not in n] == [
        f"cards/{name}" for name in made
    ]
    assert sh("render m.arch -o cards")[2] == "cards: 0 written, 4 unchanged\n"
    before = {name: sh.read(f"cards/{name}") for name in made}
    (sh.folder / "cards" / "Large.svg").write_text("changed by hand")
    (sh.folder / "cards" / "Small.png").unlink()
    assert sh("render m.arch -o cards")[2] == "cards: 2 written, 2 unchanged\n"
    assert {name: sh.read(f"cards/{name}") for name in made} == before
    sh.write("m.arch", SPEC.replace("Small one", "Another"))
    assert sh("render m.arch -o cards")[2] == "cards: 4 written, 0 unchanged\n"
    assert sh("render m.arch -o cards --theme dark -t svg")[2] == "cards: 2 written, 0 unchanged\n"


def test_a_remark_is_made_again_where_a_file_is_kept(sh: Shell) -> None:
    said = "the smallest text is"
    first = sh("render m.arch -o cards -t svg --width 20mm")[2]
    assert first.count(said) == 2 and "2 written, 0 unchanged" in first
    again = sh("render m.arch -o cards -t svg --width 20mm")[2]
    assert again.count(said) == 2 and "0 written, 2 unchanged" in again


def test_a_spec_with_errors_leaves_its_files(sh: Shell) -> None:
    sh.write("n.arch", SPEC.replace("Small", "Little").replace("Large", "Big"))
    sh("render . -o cards -t svg")
    before = sh.read("cards/Little.svg")
    sh.write("n.arch", WRONG.replace("Small", "Little").replace("Large", "Big"))
    code, _, err = sh("render . -o cards -t svg")
    assert code == 1
    assert "fact-mismatch" in err and "1 of 2 specs" in err
    assert sh.read("cards/Little.svg") == before


def test_two_variants_of_one_name(sh: Shell) -> None:
    sh.write("n.arch", SPEC)
    code, _, err = sh("render . -o cards")
    assert code == 2
    assert "one file for two" in err


def test_existing_files_are_replaced_in_one_step(sh: Shell) -> None:
    sh.write("a.svg", "old")
    (sh.folder / "a.svg").chmod(0o640)
    (sh.folder / "link.svg").symlink_to("a.svg")
    assert sh("render m.arch:Small -o link.svg")[0] == 0
    assert (sh.folder / "link.svg").is_symlink()
    assert sh.read("a.svg").startswith(b"<?xml")
    assert (sh.folder / "a.svg").stat().st_mode & 0o777 == 0o640


def test_fmt(sh: Shell) -> None:
    untidy = SPEC.replace("embed  =", "embed=")
    sh.write("n.arch", untidy)
    assert sh("fmt --check n.arch") == (1, "", "n.arch: not in form\n")
    assert sh.read("n.arch").decode() == untidy
    assert sh("fmt n.arch") == (0, "", "n.arch: rewritten\n")
    assert sh("fmt --check n.arch") == (0, "", "")
    assert sh("fmt -", untidy)[1].encode() == sh.read("n.arch")


def test_import(sh: Shell) -> None:
    config = (ROOT / "tests" / "data" / "configs" / "smollm2-135m.json").read_text()
    code, out, _ = sh("import -", config)
    assert code == 0
    assert sh("check -", out)[0] == 0
    assert sh("fmt --check -", out)[0] == 0


def test_a_configuration_in_place_of_a_spec(sh: Shell) -> None:
    """Every command takes a config.json; what it gives is what its import gives."""
    text = (ROOT / "tests" / "data" / "configs" / "smollm2-135m.json").read_text()
    sh.write("config.json", text)
    sh.write("imported.arch", sh("import config.json --name config")[1])
    [one], [other] = (
        json.loads(sh(f"facts {n} --json")[1]) for n in ("config.json", "imported.arch")
    )
    assert one == {**other, "file": "config.json"}
    assert sh("render config.json -o card.svg")[0] == 0
    assert sh("check config.json")[0] == 0
    code, _, err = sh("fmt config.json")
    assert (code, "not a spec" in err) == (2, True)
    sh.write("wrong.json", text.replace('"silu"', '"relu"'))
    code, _, err = sh("facts wrong.json")
    assert code == 1 and "hidden_act is relu" in err
    sh.write("twice.json", '{"model_type": "llama", "model_type": "gpt2"}')
    code, _, err = sh("facts twice.json")
    assert code == 1 and "model_type stands there twice" in err


def test_import_tells_what_it_left_out(sh: Shell) -> None:
    config = json.loads((ROOT / "tests" / "data" / "configs" / "smollm2-135m.json").read_text())
    sh.write("config.json", json.dumps(config | {"note": 1, "hidden_sise": 2}))
    code, out, err = sh("import config.json")
    assert code == 1 and "did you mean hidden_size" in err
    code, out, err = sh("import config.json --ignore hidden_sise")
    assert code == 0 and "does not speak of it: note" in err
    assert "# Ignored as asked: hidden_sise." in out


def test_missing_library_is_exit_code_3(sh: Shell) -> None:
    sh.write("hidden/cairosvg/__init__.py", "raise OSError('no library called cairo was found')")
    path = os.pathsep.join([str(sh.folder / "hidden"), str(ROOT)])
    code, out, err = sh("render m.arch:Small -o a.pdf", PYTHONPATH=path)
    assert (code, out) == (3, "")
    assert "cairo" in err and len(err.splitlines()) == 1
    assert "a.pdf" not in sh.names()


def test_no_color(sh: Shell) -> None:
    for variables in ({}, {"NO_COLOR": "1"}):
        assert "\x1b" not in sh("check -", "model", **variables)[2]


def test_debug_shows_where_the_program_fails(sh: Shell) -> None:
    sh.write("hidden/svgwrite/__init__.py", "raise RuntimeError('broken')")
    path = os.pathsep.join([str(sh.folder / "hidden"), str(ROOT)])
    code, _, err = sh("render m.arch:Small -o a.svg", PYTHONPATH=path)
    assert code == 1
    assert "Traceback" not in err and "broken" in err
    assert "Traceback" in sh("--debug render m.arch:Small -o a.svg", PYTHONPATH=path)[2]


def test_python_interface(sh: Shell) -> None:
    found = archdsl.load(sh.folder / "m.arch")
    assert list(found) == ["Small", "Large"]
    small = found["Small"]
    assert small.facts.params == 928
    assert small.model.name == "Small one"
    assert small.svg() == small._repr_svg_()
    assert "class Model" in small.torch()
    assert archdsl.check_text(SPEC) == []
    [wrong] = archdsl.check_text(WRONG, "w.arch")
    assert wrong.place.startswith("w.arch:8:")
    sh.write("n.arch", WRONG)
    with pytest.raises(SpecError, match="fact-mismatch"):
        archdsl.load(sh.folder / "n.arch")


def test_nothing_heavy_is_loaded(sh: Shell) -> None:
    """check, facts, torch and SVG need neither torch, cairo nor a font library, nor Lark."""
    heavy = ("torch", "cairosvg", "cairocffi", "fontTools", "resvg_py", "lark", "numpy")
    subprocess.run(
        [sys.executable, "-m", "archdsl.prepare"], cwd=ROOT, check=True, capture_output=True
    )
    code = (
        "import sys; from archdsl.cli.commands import run\n"
        "for words in ('check', 'facts', 'torch', 'render -o x.svg'):\n"
        "    word, *more = words.split()\n"
        "    assert run([word, 'm.arch:Small', *more]) == 0\n"
        f"print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=sh.folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("where", ["replace", "write", "chmod"])
def test_a_file_is_old_or_new_and_never_between(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the old file open reads it to its end; writing that fails leaves it as it was."""
    target, other = tmp_path / "card.svg", tmp_path / "the same file"
    target.write_bytes(b"old")
    os.link(target, other)
    output.write(str(target), b"new")
    assert (target.read_bytes(), other.read_bytes()) == (b"new", b"old")

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "no space left")

    class Full(io.BytesIO):
        write = fails  # type: ignore[assignment]

    if where == "write":
        monkeypatch.setattr(os, "fdopen", lambda handle, _: os.close(handle) or Full())
    else:
        monkeypatch.setattr(Path, where, fails)
    with pytest.raises(output.Stop, match=r"card\.svg cannot be written: no space left"):
        output.write(str(target), b"newer")
    monkeypatch.undo()
    assert target.read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["card.svg", "the same file"]


# --- archdsl doc ----------------------------------------------------------------------------------


def test_doc_names_everything_of_the_library(sh: Shell) -> None:
    code, out, err = sh("doc")
    assert (code, err) == (0, "")
    words = set(re.findall(r"\w+", out))
    for path in (ROOT / "archdsl" / "std").glob("*.arch"):
        names = re.findall(r"^(?:block|keys) (\w+)", path.read_text(), re.MULTILINE)
        assert names and words >= {*names, path.stem}
    assert "Llama3_8B" in sh("doc specs")[1]


def test_doc_of_a_block_is_its_text_and_an_import_that_works(sh: Shell) -> None:
    for words in ("doc Linear", "doc std.core.Linear"):
        code, out, _ = sh(words)
        head, _, text = out.partition("\n\n")
        assert code == 0
        assert text.startswith("## ") and "\nblock Linear(" in text
        assert text.rstrip() in (ROOT / "archdsl" / "std" / "core.arch").read_text()
        sh.write(
            "n.arch", f"{head}\nblock A(d)(x: [B, d]) -> [B, d] {{ f = Linear(d, d) return f(x) }}"
        )
        assert sh("check n.arch")[0] == 0


def test_doc_of_a_file_has_signatures_and_first_sentences(sh: Shell) -> None:
    sh.write(
        "n.arch",
        "# Mine.\n\n## First. Second.\n"
        "block A(d, n: count = 0)(x: [B,\n d]) -> [B, d] { return x }\n" + SPEC,
    )
    for words in ("doc n.arch", "doc ./n", "doc n"):
        code, out, _ = sh(words)
        assert code == 0
        assert out.splitlines()[1:5] == [
            "  Mine.",
            "",
            "A(d, n: count = 0)(x: [B, d]) -> [B, d]",
            "  First.",
        ]
        assert "variant Small\n  Small one\n" in out


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ("Lineer", 2, "did you mean Linear?"),
        ("std.core.Lineer", 2, "std.core has no Lineer: did you mean Linear?"),
        ("std.kore", 2, "no block and no file std.kore"),
        ("../../x", 2, "no block and no file"),
        ("wrong", 1, "error[syntax]"),
        (f"{300 * 'a'}", 2, "no block and no file"),
    ],
)
def test_doc_of_nothing(sh: Shell, words: str, code: int, reason: str) -> None:
    sh.write("wrong.arch", "block A(d) {")
    done = sh(f"doc {words}")
    assert done[:2] == (code, "")
    assert reason in done[2]
