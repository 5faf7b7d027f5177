"""Files and names of files that mean harm: pipes, devices, folders that may not be read, names too
long for the system, names that would steer a terminal. A sentence and exit code 2, soon.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import reference
from archdsl import hub, parser
from archdsl.cli.commands import run as command
from archdsl.diagnostic import Diagnostics, SpecError
from hostile import HEAD, model

ROOT = Path(__file__).parent.parent
SOUND = model("  return embed(tokens)")
LONG = "a" * 300
ESCAPE = "\x1b]0;title\x07\x9b31m\u202e"
COMMANDS = (
    "check {}",
    "facts {}",
    "fmt {}",
    "torch {}",
    "render {} -o x.svg",
    "import {}",
    "cards {}",
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="names and pipes of POSIX")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `archdsl` in an empty folder. A bound on its time, for what would wait for ever."""

    def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "ARCHDSL_DEBUG": ""}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [sys.executable, "-m", "archdsl", *words], cwd=tmp_path, env=env, timeout=60,
            capture_output=True, encoding="utf-8", check=False,
            **{"stdin": subprocess.DEVNULL, **options},
        )  # fmt: skip

    return run


def refused(done: subprocess.CompletedProcess[str], codes: tuple[int, ...] = (1, 2)) -> str:
    assert done.returncode in codes, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr and "mistake of the program" not in done.stderr
    for text in (done.stdout, done.stderr):
        assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert done.stderr.strip()
    return done.stderr


@pytest.mark.parametrize("words", COMMANDS)
def test_a_pipe_is_not_waited_for(run: Run, tmp_path: Path, words: str) -> None:
    os.mkfifo(tmp_path / "pipe.arch")
    assert "it is a pipe" in refused(run(*words.format("pipe.arch").split()))


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/tty"])
def test_a_device_is_not_read(run: Run, words: str, device: str) -> None:
    refused(run(*words.format(device).split(), start_new_session=True))


def test_a_pipe_is_not_imported(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "part.arch")
    (tmp_path / "s.arch").write_text("use ./part: A\n")
    assert "there is no ./part.arch" in refused(run("check", "s.arch"), (1,))


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("name", [LONG, f"{LONG}.arch", f"{LONG}/s.arch", f"{LONG}.arch:V"])
def test_names_too_long_for_the_system(run: Run, words: str, name: str) -> None:
    refused(run(*words.format(name).split()), (2,))


@pytest.mark.parametrize(
    "words", ["render s.arch -o {}", "render s.arch -o {}/", "torch s.arch -o {}"]
)
def test_outputs_too_long_for_the_system(run: Run, tmp_path: Path, words: str) -> None:
    (tmp_path / "s.arch").write_text(SOUND)
    refused(run(*words.format(f"{LONG}.svg").split()), (2,))
    assert [p.name for p in tmp_path.iterdir()] == ["s.arch"]


def test_a_variant_too_long_for_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.arch").write_text(SOUND.replace("variant V", f"variant {LONG}"))
    refused(run("render", "s.arch", "-o", "out"), (2,))
    assert run("render", "s.arch", "-o", "x.svg").returncode == 0


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("there", [True, False], ids=["there", "missing"])
def test_names_cannot_steer_a_terminal(run: Run, tmp_path: Path, words: str, there: bool) -> None:
    name = f"{ESCAPE}.arch"
    if there:
        (tmp_path / name).write_text("modl")
    refused(run(*[w.format(name) for w in words.split()]))


@pytest.mark.parametrize(
    "words",
    ["check s.arch:{}", "check s.arch --{}", "{}", "render s.arch -o {}", "render s.arch -o {}/x",
     "render s.arch -o x.svg --width {}", "render s.arch -o x.svg --view {}",
     "render s.arch -o x.svg --open {}", "render s.arch -o x.svg --theme {}"],
)  # fmt: skip
def test_words_of_the_command_line_cannot(run: Run, tmp_path: Path, words: str) -> None:
    (tmp_path / "s.arch").write_text(SOUND)
    (tmp_path / f"{ESCAPE}").write_text("")  # a file where a folder is wanted
    done = run(*[w.format(ESCAPE) for w in words.split()])
    refused(done)


def test_a_sound_file_of_that_name(run: Run, tmp_path: Path) -> None:
    """What is said of a spec that checks, too, and where its cards went."""
    (tmp_path / f"{ESCAPE}.arch").write_text(SOUND)
    for words in ("check {}.arch", "facts {}.arch", "facts {}.arch --json", "fmt {}.arch",
                  "render {}.arch -o {}", "check {}.arch --format json"):  # fmt: skip
        done = run(*[w.replace("{}", ESCAPE) for w in words.split()])
        assert done.returncode == 0, done.stderr
        shown = done.stdout + done.stderr
        assert not [c for c in shown if not c.isprintable() and c != "\n"], words


def test_standard_input_that_is_closed() -> None:
    line = f"exec '{sys.executable}' -m archdsl check - <&-"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "ARCHDSL_DEBUG": ""}
    done = subprocess.run(
        ["sh", "-c", line], env=env, capture_output=True, encoding="utf-8", check=False, timeout=60
    )
    assert "standard input is closed" in refused(done, (2,))


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[None]:
    """Somebody who may not read everything."""
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "s.arch").write_text(SOUND)
    (tmp_path / "locked").chmod(0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)
        (tmp_path / "locked").chmod(0o700)


@pytest.mark.usefixtures("unprivileged")
@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("name", ["locked", "locked/s.arch", "locked/s.arch:V", "."])
def test_folders_that_may_not_be_read(
    tmp_path: Path, words: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`.` holds one of them: what is in it is not passed over in silence."""
    arguments = [w.format((tmp_path / name).as_posix()) for w in words.split()]
    assert command(["--debug", *arguments]) == 2
    assert capsys.readouterr().err.strip()


@pytest.mark.usefixtures("unprivileged")
def test_imports_from_folders_that_may_not_be_read(tmp_path: Path) -> None:
    from archdsl import pipeline
    from archdsl.source import Source

    [found] = pipeline.check_source(
        Source("s.arch", "use ./locked/s: M\n", tmp_path / "s.arch")
    ).diagnostics
    assert found.code == "unreadable"


def test_line_breaks_of_any_system() -> None:
    """A carriage return ends a line: a comment does not swallow what stands below it."""
    lines = ["# a remark", "block A(d)(x: [..., d]) -> [..., d] { return x }", "block ?"]
    for end in ("\n", "\r\n", "\r"):
        diagnostics = Diagnostics()
        source = parser.decode(end.join(lines).encode(), "s.arch", None, diagnostics)
        assert source is not None
        file = parser.parse(source, diagnostics)
        assert len(file.items) == 1
        assert [d.span.line for d in diagnostics.items if d.span] == [3]


def test_a_broken_spec_does_not_keep_others_from_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "llama"
    for path in (ROOT / "specs").glob("*.arch"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "a_broken.arch").write_text(f"{HEAD}model M(")
    (tmp_path / "zz_broken.arch").write_bytes(b"\xff")
    monkeypatch.setattr(hub, "specs_folder", lambda: tmp_path)
    assert "variant" in hub.imported(reference.tiny_config(kind)).text
    with pytest.raises(SpecError) as error:
        hub.imported({"model_type": "nobody knows"})
    assert {d.code for d in error.value.diagnostics} == {"hub-config"}
