"""Broken, hostile and absurd specs, through the command line, in a process with little memory.

Each gets a diagnostic with a place and exit code 1 or 2, in a few seconds; nothing is written.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hostile import SPECS, model

ROOT = Path(__file__).parent.parent
MEMORY = 2**30
SECONDS = 5.0

Run = Callable[..., subprocess.CompletedProcess[bytes]]


def limited() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS)))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `archdsl` in an empty folder, with a bound on memory and processor time."""

    def run(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "ARCHDSL_DEBUG": ""}
        command = [sys.executable, "-m", "archdsl", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=env, input=data, capture_output=True, check=False,
            preexec_fn=limited if sys.platform == "linux" else None, timeout=60,
        )  # fmt: skip

    return run


def refused(done: subprocess.CompletedProcess[bytes], place: bool = True) -> str:
    """The message of a run that failed as it should."""
    said = done.stderr.decode("utf-8")
    assert done.returncode in (1, 2), (done.returncode, said[-2000:])
    assert "Traceback" not in said
    assert "mistake of the program" not in said
    assert "more memory than there is" not in said
    assert "\x1b" not in said and "\x07" not in said
    assert not place or "--> s.arch" in said, said[-2000:]
    return said


@pytest.mark.parametrize("name", SPECS)
def test_refused_with_a_place(run: Run, tmp_path: Path, name: str) -> None:
    made = SPECS[name]
    text = made() if callable(made) else made
    (tmp_path / "s.arch").write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    (tmp_path / "card.svg").write_text("as it was")
    refused(run("render", "s.arch", "-o", "card.svg"))
    assert (tmp_path / "card.svg").read_text() == "as it was"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["card.svg", "s.arch"]


WRONG = {
    "lists in lists": "too-large",
    "lists after lists": "too-large",
    "layers that all differ": "too-large",
    "300 variants of one model": "too-large",
    "a row of 290 variants": "too-large",
    "a circle of 290 variants": "too-large",
    "a body of 20,000 parts": "too-large",
    "2,000 callouts": "too-large",
    "a context of nothing": "kind-mismatch",
    "a parameter as long as the input": "unbound-axis",
    "a recursive block that nothing uses": "recursion",
    "a setting whose default is its block": "recursion",
    "recursive blocks that nothing uses": "recursion",
    "an import with a name of 300 letters": "unreadable",
    "an import of a folder of 300 letters": "unreadable",
    "a null character in a text": "syntax",
    "a control character in a text": "syntax",
    "a line separator in a text": "syntax",
    "a turned direction in a text": "syntax",
    "a name that is none in Python": "syntax",
    "names that are one in Python": "syntax",
    "a loop over what is not there": "unknown-import",
    "a state that becomes a block": "not-a-tensor",
    "a slot that speaks of what is not there": "unknown-import",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_alone(run: Run, tmp_path: Path, name: str) -> None:
    """One mistake, one message: nothing that only follows from it."""
    made = SPECS[name]
    text = made() if callable(made) else made
    assert isinstance(text, str)
    (tmp_path / "s.arch").write_text(text, encoding="utf-8")
    found = json.loads(run("check", "s.arch", "--format", "json").stdout)
    assert [d["code"] for d in found] == [WRONG[name]]


@pytest.mark.parametrize(
    "name", ["null bytes", "not UTF-8", "10,000 nested parentheses", "many errors"]
)
@pytest.mark.parametrize(
    "words", [("check", "s.arch"), ("torch", "s.arch"), ("fmt", "s.arch"), ("facts", "s.arch")]
)
def test_every_command_refuses(run: Run, tmp_path: Path, name: str, words: tuple[str, ...]) -> None:
    made = SPECS[name]
    text = made() if callable(made) else made
    data = text.encode("utf-8") if isinstance(text, str) else text
    (tmp_path / "s.arch").write_bytes(data)
    done = run(*words)
    if (
        words[0] == "fmt" and name == "many errors"
    ):  # the text is well formed: only its meaning is wrong
        assert done.returncode == 0
        return
    refused(done)
    assert done.stdout == b""
    assert (tmp_path / "s.arch").read_bytes() == data


def test_diagnostics_as_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.arch").write_bytes(b"model M() {\nblock A \x00")
    done = run("check", "s.arch", "--format", "json")
    [found] = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["code"] == "syntax"
    assert (found["file"], found["line"], found["column"]) == ("s.arch", 2, 9)


def test_paths_that_are_no_specs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder.arch").mkdir()
    (tmp_path / "empty.arch").write_bytes(b"")
    for words in (
        "check folder.arch",
        "check missing.arch",
        "torch folder.arch",
        "render folder.arch -o x.svg",
        "render empty.arch -o x.svg",
    ):
        done = run(*words.split())
        assert done.returncode == 2, words
        refused(done, place=False)
    assert not (tmp_path / "x.svg").exists()


def test_import_cycles_and_chains(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.arch").write_text("use ./b: B\n")
    (tmp_path / "b.arch").write_text("use ./c: C\n")
    (tmp_path / "c.arch").write_text("use ./b: B\n")
    assert "./b.arch -> ./c.arch -> ./b.arch" in run("check", "s.arch").stderr.decode()
    for i in range(100):
        (tmp_path / f"d{i}.arch").write_text(f"use ./d{i + 1}: A\n")
    assert "too-large" in run("check", "d0.arch").stderr.decode()


def test_unreadable_input(run: Run) -> None:
    said = refused(run("check", "-", data=b"model M() {\xff"), place=False)
    assert "<stdin>:1:12" in said
    said = refused(run("check", "-", data=b"# " + b"x" * 1_000_000), place=False)
    assert "too-large" in said


CONFIGS = (
    b"",
    b"[]",
    b"{",
    b"[" * 100_000,
    b'\xff\xfe{"a": 1}',
    b'{"model_type": {"a": 1}}',
    b'{"model_type": "../../etc", "a": 1}',
    b'{"model_type": "llama", "a\\u0000\\u001b": 1}',
    b'{"model_type": "llama", "hidden_size": 1e999}',
    b'{"model_type": "llama", "hidden_size": -1}',
    b'{"model_type": "llama", "hidden_size": ' + b"9" * 5000 + b"}",
    b'{"model_type": "llama", "x": ' + b'{"a":' * 2000 + b"1" + b"}" * 2001,
)


@pytest.mark.parametrize("data", CONFIGS, ids=range(len(CONFIGS)))
def test_configurations(run: Run, tmp_path: Path, data: bytes) -> None:
    """Hostile `config.json` files: exit code 1 or 2, a sentence, no output file."""
    (tmp_path / "config.json").write_bytes(data)
    refused(run("import", "config.json", "-o", "x.arch"), place=False)
    assert not (tmp_path / "x.arch").exists()


EVIL = r"""</title><script>alert(1)</script>]]> & ' \" \\ {d}\n__import__('os').system('x')"""


def evil() -> str:
    """A spec that checks, whose every string and comment tries to become something else."""
    about = ("name", "by", "license", "source", "after", "note")
    facts = "\n".join(f'  {key}: "{EVIL}"' for key in about)
    doc = '## """ + EVIL() + """ \\\n## </svg><script>x</script> ' + EVIL
    text = model("  return embed(tokens)").replace("model M", f"{doc}\nmodel M")
    text = text.replace("variant V = M() {}", f"{doc} '''\nvariant V = M() {{\n{facts}\n}}\n")
    card = f'callout(embed): "{EVIL}"\n  title: "{EVIL}"\n  subtitle: "{EVIL}"'
    return f"{text}card V {{\n  {card}\n}}\n"


def test_strings_stay_strings_in_svg(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.arch").write_text(evil())
    done = run("render", "s.arch", "-o", "-")
    assert done.returncode == 0, done.stderr.decode()
    tree = ElementTree.fromstring(done.stdout)
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert "script" not in tags and "foreignObject" not in tags
    for element in tree.iter():
        for name, value in element.attrib.items():
            assert not name.rpartition("}")[2].lower().startswith("on")
            assert "javascript" not in value.lower()
    assert b"<script" not in done.stdout


def test_strings_stay_strings_in_python(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.arch").write_text(evil())
    done = run("torch", "s.arch")
    assert done.returncode == 0, done.stderr.decode()
    tree = ast.parse(done.stdout.decode("utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"EVIL", "__import__"}
    assert "system" not in {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert "os" not in modules


def test_names_stay_names_in_python(run: Run, tmp_path: Path) -> None:
    """Names that Python or torch need are no trouble."""
    text = model(
        "  class = Linear(d, d)\n  forward = RMSNorm(d)\n  self = silu(embed(tokens))\n"
        "  None = self |> class |> forward\n  return None",
    )  # fmt: skip
    (tmp_path / "s.arch").write_text(text)
    done = run("torch", "s.arch")
    assert done.returncode == 0, done.stderr.decode()
    ast.parse(done.stdout.decode("utf-8"))


def test_no_file_is_left_behind_where_writing_fails(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.arch").write_text(model("  return embed(tokens)"))
    (tmp_path / "out.svg").mkdir()
    (tmp_path / "file").write_text("")
    for output in ("out.svg/../file/x.svg", "file/x.svg"):
        assert run("render", "s.arch", "-o", output).returncode == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "out.svg", "s.arch"]
