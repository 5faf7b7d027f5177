"""`archdsl import` on configurations that are broken or mean harm: a message, no file, no code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import reference
from archdsl import pipeline
from archdsl.source import Source

ROOT = Path(__file__).parent.parent
KIND = "llama"

RAW = {
    "empty": b"",
    "null byte": b"{\0}",
    "not UTF-8": b'{"model_type": "\xff"}',
    "list": b"[]",
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "many digits": b'{"vocab_size": ' + b"9" * 5000 + b"}",
    "surrogate": b'{"model_type": "\\ud800"}',
}
CHANGES = {
    "text for a number": {"hidden_size": '"; x'},
    "negative": {"hidden_size": -1},
    "zero": {"hidden_size": 0},
    "huge": {"hidden_size": 10**30},
    "half": {"hidden_size": 64.5},
    "true": {"hidden_size": True},
    "null": {"hidden_size": None},
    "list for a number": {"hidden_size": [1]},
    "object for a number": {"hidden_size": {}},
    "infinity": {"rms_norm_eps": float("inf")},
    "no number": {"rms_norm_eps": float("nan")},
    "text for a float": {"rms_norm_eps": "1e-5"},
    "number for an object": {"rope_parameters": 7},
    "list for an object": {"rope_parameters": [1]},
    "path as model_type": {"model_type": "../../etc/passwd"},
    "object as model_type": {"model_type": {"a": 1}},
    "text as condition": {"tie_word_embeddings": "yes"},
    "code as activation": {"hidden_act": 'silu"\nvariant X = M() {'},
}


def run(folder: Path, data: bytes, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "config.json").write_bytes(data)
    (folder / "out.arch").write_text("as it was")
    return subprocess.run(
        [sys.executable, "-m", "archdsl", "import", "config.json", "-o", "out.arch", *options],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        encoding="utf-8",
        timeout=5,
        check=False,
    )


def refused(folder: Path, data: bytes) -> None:
    done = run(folder, data)
    assert done.returncode == 1, done.stdout
    assert "config.json" in done.stderr or "-->" in done.stderr
    assert "Traceback" not in done.stderr
    assert "mistake of the program" not in done.stderr
    assert not [c for c in done.stderr if not c.isprintable() and c != "\n"]
    assert (folder / "out.arch").read_text() == "as it was"
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "out.arch"]


@pytest.mark.parametrize("name", RAW)
def test_what_is_no_configuration_is_refused(name: str, tmp_path: Path) -> None:
    refused(tmp_path, RAW[name])


@pytest.mark.parametrize("name", CHANGES)
def test_wrong_values_are_refused(name: str, tmp_path: Path) -> None:
    config = {**reference.tiny_config(KIND), **CHANGES[name]}
    refused(tmp_path, json.dumps(config).encode())


def test_the_configuration_itself_is_taken(tmp_path: Path) -> None:
    """The refusals above are for what was changed."""
    done = run(tmp_path, json.dumps(reference.tiny_config(KIND)).encode())
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("key", ['x"\n}\nvariant X = M() {', "\x1b[31mred\x07", "\u2028", "#"])
def test_keys_stay_keys(key: str, tmp_path: Path) -> None:
    """A key that the class does not read is named, and its name adds nothing to the spec."""
    done = run(tmp_path, json.dumps({**reference.tiny_config(KIND), key: 1}).encode())
    assert done.returncode == 0, done.stderr
    assert not [c for c in done.stderr if not c.isprintable() and c != "\n"]
    found = pipeline.check_source(Source("out.arch", (tmp_path / "out.arch").read_text("utf-8")))
    assert (len(found.names), len(found.diagnostics)) == (1, 0)


@pytest.mark.parametrize(
    "name", ['"\n}\nvariant X = M() {', "\\", "#", '"""', "a\nb", "", "3", "\u202e", "{d}"]
)
def test_names_stay_names(name: str, tmp_path: Path) -> None:
    """Names of the configuration and of the command line add nothing to the spec."""
    config = {**reference.tiny_config(KIND), "_name_or_path": name, "tokenizer_class": name}
    done = run(tmp_path, json.dumps(config).encode(), "--name", name)
    assert done.returncode == 0, done.stderr
    found = pipeline.check_source(Source("out.arch", (tmp_path / "out.arch").read_text("utf-8")))
    assert not found.diagnostics, found.diagnostics[0].text()
    assert len(found.names) == 1
    assert found.unit is not None
    assert not found.unit.blocks
