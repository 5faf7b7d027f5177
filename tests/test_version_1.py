"""What version 1 of the language promises: texts of 1.0 mean what they meant.

`data/version_1/language.md` is the page of 1.0, of which every example keeps its errors, its counts
and the names of its parameters (`examples.txt`). `library.txt` has the blocks of the library of
1.0, `parts.txt` the names of their parts and parameters. The first two are never edited. New blocks
and new parts are added to the others, and nothing is taken away.
"""

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import archdsl
import markdown_cases
from archdsl import library, syntax
from archdsl.diagnostic import Diagnostics
from archdsl.parser import parse
from archdsl.pipeline import Checked, check_path
from archdsl.source import Source
from golden import accepted
from markdown_cases import Block
from models import of_the_library

FOLDER = Path(__file__).parent / "data" / "version_1"
PAGE = FOLDER / "language.md"
EXAMPLES = [b for b in markdown_cases.blocks(PAGE) if b.language == "arch"]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with the examples that other examples import."""
    with tempfile.TemporaryDirectory() as name:
        for block in EXAMPLES:
            path = Path(name, block.file or f"line_{block.line}.arch")
            path.write_text(block.text, encoding="utf-8")
        yield Path(name)


def checked(folder: Path, block: Block) -> Checked:
    name = block.file or f"line_{block.line}.arch"
    return check_path(folder / name, name)


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda b: b.label)
def test_an_example_has_the_errors_that_it_had(block: Block, folder: Path) -> None:
    diagnostics = checked(folder, block).diagnostics
    places = sorted((d.span.line if d.span else 0, d.code) for d in diagnostics)
    assert places == markdown_cases.expected_errors(block.text)


def test_examples_have_the_counts_and_the_parameters_that_they_had(folder: Path) -> None:
    lines: list[str] = []
    for block in EXAMPLES:
        for variant in checked(folder, block).variants:
            facts = variant.facts
            counts = (facts.params, facts.active, facts.kv_bytes_per_token, facts.state_bytes)
            lines.append(
                "{}: {} parameters, {} active, {} cache, {} state".format(variant.id, *counts)
            )
            lines += [
                f"  {p.path} {list(p.shape)} {p.dtype}, {p.count} of it"
                for p in (*variant.parameters.values(), *variant.buffers.values())
            ]
    assert lines == (FOLDER / "examples.txt").read_text(encoding="utf-8").splitlines()


# --- the library ----------------------------------------------------------------------------------


@cache
def blocks() -> dict[str, tuple[str, str]]:
    """The blocks of the library: the file and the head of each."""
    return {
        entry.name: (shelf.path, entry.signature)
        for shelf in library.shelves("std")
        for entry in shelf.entries
        if entry.keyword == "block"
    }


def head(signature: str) -> syntax.BlockDecl:
    """The declaration of a block whose head this is."""
    diagnostics = Diagnostics()
    file = parse(Source("head.arch", f"block {signature} {{ return x }}"), diagnostics)
    assert not diagnostics.items, diagnostics.items[0].text()
    [decl] = file.items
    assert isinstance(decl, syntax.BlockDecl)
    return decl


def differences(old: syntax.BlockDecl, new: syntax.BlockDecl) -> list[str]:
    """What a text written for the old head may find wrong with the new one."""
    faults = []
    for i, setting in enumerate(old.settings):
        if i >= len(new.settings) or new.settings[i].span.text != setting.span.text:
            faults.append(f"setting {i + 1} was `{setting.span.text}`")
    faults += [
        f"the new setting {setting.name.name} has no default"
        for setting in new.settings[len(old.settings) :]
        if setting.default is None
    ]
    for what in ("inputs", "outputs"):
        before, now = ([x.span.text for x in getattr(decl, what)] for decl in (old, new))
        if before != now:
            faults.append(f"{what} were {', '.join(before)}")
    return faults


def test_blocks_of_the_library_are_used_as_they_were() -> None:
    """New settings come last and have defaults; new blocks are added to the list."""
    lines = (FOLDER / "library.txt").read_text(encoding="utf-8").splitlines()
    frozen = dict(line.split(" ", 1) for line in lines)
    for path, signature in frozen.items():
        name = path.rpartition(".")[2]
        where, now = blocks().get(name, ("", ""))
        assert f"{where}.{name}" == path, f"{path} is no longer there"
        faults = differences(head(signature), head(now))
        assert not faults, f"{path}: {'; '.join(faults)}"
    current = [f"{path}.{name} {signature}" for name, (path, signature) in blocks().items()]
    missing = [line for line in current if line.split(" ", 1)[0] not in frozen]
    assert not missing, "not in library.txt yet:\n" + "\n".join(missing)


def test_parts_and_parameters_of_the_library_have_the_names_that_they_had() -> None:
    """They are names in checkpoints."""
    frozen = dict(
        line.split(":", 1)
        for line in (FOLDER / "parts.txt").read_text(encoding="utf-8").splitlines()
    )
    current: dict[str, set[str]] = {}
    for name in blocks():
        modules = of_the_library().get(name, [])
        names = {p.name for m in modules for p in m.params if p.kind != "const"}
        current[name] = names | {c.name for m in modules for c in m.children if not c.inline}
    lost = {name: set(old.split()) - current.get(name, set()) for name, old in frozen.items()}
    assert not {name: names for name, names in lost.items() if names}
    accepted(
        FOLDER / "parts.txt",
        "".join(f"{name}: {' '.join(sorted(names))}\n" for name, names in current.items()),
    )


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ("A(d)(x: [d]) -> [d]", "A(d, n: count = 0)(x: [d]) -> [d]", 0),
        ("A(d)(x: [d]) -> [d]", "A(d, n)(x: [d]) -> [d]", 1),
        ("A(d, e = d)(x: [d]) -> [d]", "A(d, n = 2, e = d)(x: [d]) -> [d]", 1),
        ("A(d, e = d)(x: [d]) -> [d]", "A(d, e = 2 * d)(x: [d]) -> [d]", 1),
        ("A(d)(x: [d]) -> [d]", "A(d)(y: [d]) -> [d]", 1),
        ("A(d)(x: [d]) -> [d]", "A(d)(x: [d]) -> float32[d]", 1),
        ("A(d, e)(x: [d]) -> [d]", "A(d)(x: [d]) -> [d]", 1),
    ],
)
def test_what_breaks_a_text(old: str, new: str, count: int) -> None:
    assert len(differences(head(old), head(new))) == count


def test_the_version_is_that_of_the_page() -> None:
    page = (Path(__file__).parent.parent / "docs" / "language.md").read_text(encoding="utf-8")
    assert f"This page describes version {archdsl.LANGUAGE}." in page
