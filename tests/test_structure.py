"""The shape of the project: imports follow the corridor, the start is light."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archdsl.diagnostic import Diagnostics
from archdsl.parser import parse
from archdsl.source import Source
from archdsl.syntax import BlockDecl

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "archdsl"
MOST_SETTINGS = 9
"""Settings of a block of the standard library."""

# A stage imports stages above it only. A folder is one stage: its files may import one another.
# Stages on one line do not import one another.
CORRIDOR = """
record
source
diagnostic
dims hints
axes reals types dtypes
ops
syntax
parser
formatter
nodes
graph
roles
naming
shown
check
resolver
stream
elaborate
facts
fonts
text
geometry theme
view
layout
scene
render
emit
hub
pipeline
prepare
report
__init__
cli
__main__
"""
RANK = {name: rank for rank, line in enumerate(CORRIDOR.split("\n")) for name in line.split()}

HEAVY = ("torch", "transformers", "numpy", "cairosvg", "cairocffi", "fontTools", "resvg_py")


def python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def stage(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_stages(path: Path) -> Iterator[tuple[int, str]]:
    """(line, stage) of everything that a file imports from the package, also inside functions."""
    package = ("archdsl", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                modules = [name.name for name in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else ()
                start = ".".join([*base, *([module] if module else [])])
                modules = [f"{start}.{name.name}" for name in names]
            case _:
                continue
        for module in modules:
            match module.split("."):
                case ["archdsl", name, *_] if name in RANK:
                    yield node.lineno, name
                case ["archdsl", *_]:
                    yield node.lineno, "__init__"


@pytest.mark.parametrize("path", python_files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_follow_the_corridor(path: Path) -> None:
    here = stage(path)
    assert here in RANK, f"{here} has no place in the corridor: add it to the table"
    against = [
        f"line {line}: {here} imports {other}"
        for line, other in imported_stages(path)
        if other != here and RANK[other] >= RANK[here]
    ]
    assert not against, against


def test_import_is_light() -> None:
    """Neither the package nor its command line loads torch, cairo or a font library."""
    code = f"import sys, archdsl, archdsl.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def model_names() -> set[str]:
    """Names of families, models, variants and model types in specs/, in lower case."""
    names: set[str] = set()
    for spec in (ROOT / "specs").glob("*.arch"):
        text = re.sub(r"#.*", "", spec.read_text(encoding="utf-8"))
        heads = re.findall(r"^\s*(?:model|variant)\s+(\w+)", text, re.MULTILINE)
        hubs = re.findall(r"^\s*hub\s+\w+\s+((?:\"[^\"]*\"\s*,?\s*)+)", text, re.MULTILINE)
        types = [name for row in hubs for name in re.findall(r'"([^"]*)"', row)]
        names |= {name.lower() for name in (spec.stem, *heads, *types)}
    return names


def test_python_names_no_model() -> None:
    spelt = (re.sub(r"(?<=[a-z])(?=\d)", "[-_ ]?", re.escape(name)) for name in model_names())
    names = "|".join(sorted(spelt))
    word = re.compile(rf"(?<![a-z0-9])(?:{names})(?![a-z])", re.IGNORECASE)
    named = [
        f"{path.relative_to(ROOT)}:{number}: {found[0]}"
        for path in python_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if names and (found := word.search(line))
    ]
    assert not named, "models live in .arch files, a Python file names one:\n" + "\n".join(named)


def test_model_names_are_found() -> None:
    """The test above would pass on an empty list: the collector must know specs/."""
    specs = list((ROOT / "specs").glob("*.arch"))
    assert specs, "specs/ is empty"
    assert {spec.stem for spec in specs} <= model_names()


def tracked_files() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_no_path_of_a_machine() -> None:
    """No tracked text names a folder that only the machine has on which it was written."""
    roots = ["home", "root", "Users", "work", "tmp", "var/folders", "private"]
    pattern = re.compile(rf"(?<![\w.$}}*-])/(?:{'|'.join(roots)})/[\w.]")
    found = []
    for path in tracked_files():
        if path.suffix in {".png", ".pdf", ".ttf", ".otf", ".woff2"} or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found, found


@pytest.mark.parametrize("path", sorted((PACKAGE / "std").glob("*.arch")), ids=lambda p: p.stem)
def test_no_block_of_the_library_has_many_settings(path: Path) -> None:
    tree = parse(Source(path.name, path.read_text(encoding="utf-8")), Diagnostics())
    found = {b.name.name: len(b.settings) for b in tree.items if isinstance(b, BlockDecl)}
    assert found
    assert {name: count for name, count in found.items() if count > MOST_SETTINGS} == {}


def test_every_test_is_in_the_table_of_tests() -> None:
    """`tests/README.md` names every file of tests and helpers, and none that is not there."""
    folder = ROOT / "tests"
    page = (folder / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+\.py)`", page))
    assert named == {path.name for path in folder.glob("*.py")}
    folders = {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "_."}
    assert folders == {found for found in folders if re.search(rf"(?<!\w){found}/", page)}


def test_every_file_of_data_is_in_its_table() -> None:
    folder = ROOT / "tests" / "data"
    page = (folder / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+(?:\.toml)?)", page, re.MULTILINE))
    assert named == {path.name for path in folder.iterdir()} - {"README.md"}
