"""The shape of the project: imports are those that the page allows, the start is light."""

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
from archdsl.syntax import BlockDecl, KeysDecl

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "archdsl"
MOST_SETTINGS = {"GQA": 19, "MLA": 11, "SparseMLA": 13}  # attentions, whose parts are slots
"""Settings of a block of the standard library."""

PAGE = ROOT / "docs" / "architecture.md"
ROW = re.compile(r"^\| `([\w/.]+)` \| .* \| ((?:`\w+` ?)*) *\|$", re.MULTILINE)
ALLOWED = {
    name.rstrip("/").removesuffix(".py"): set(re.findall(r"\w+", imports))
    for name, imports in ROW.findall(PAGE.read_text(encoding="utf-8"))
}
"""The stages that each stage may import, as the page says. A folder is one stage."""
RINGS = {
    "check": {"apply", "body", "expressions"},
    "emit": {"body", "calls", "precomputed", "repeat"},
}  # fmt: skip
"""Files of a folder that may call one another. In `check` they are the walk: statements,
expressions and applications stand inside one another. In `emit` they write bodies, which are
nested.
"""

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
                case ["archdsl", name, *_] if name in ALLOWED:
                    yield node.lineno, name
                case ["archdsl", *_]:
                    yield node.lineno, "__init__"


@pytest.mark.parametrize("path", python_files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_are_those_of_the_page(path: Path) -> None:
    here = stage(path)
    assert here in ALLOWED, f"{here} has no row in docs/architecture.md"
    against = [
        f"line {line}: {here} imports {other}"
        for line, other in imported_stages(path)
        if other != here and other not in ALLOWED[here]
    ]
    assert not against, against


def test_the_page_allows_nothing_that_is_not_used() -> None:
    used: dict[str, set[str]] = {name: set() for name in ALLOWED}
    for path in python_files():
        used[stage(path)] |= {other for _, other in imported_stages(path)} - {stage(path)}
    assert used == ALLOWED


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Groups of names that reach one another."""
    reached = {name: set(others) for name, others in edges.items()}
    for middle in edges:
        for name in edges:
            if middle in reached[name]:
                reached[name] |= reached[middle]
    rings = {frozenset(o for o in reached[n] if n in reached.get(o, ())) for n in edges}
    return [set(ring) for ring in rings if ring]


def test_stages_import_one_another_in_no_circle() -> None:
    assert circles(ALLOWED) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]


FOLDERS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))


def imported_files(path: Path) -> set[str]:
    """The files of its own folder that a file imports when it is loaded or called."""
    here = f"archdsl.{path.parent.name}"
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == here:
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{here}."):
            found.add((node.module or "").split(".")[2])
    return found & {other.stem for other in path.parent.glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_files_of_a_folder_import_one_another_in_no_circle(folder: Path) -> None:
    edges = {path.stem: imported_files(path) for path in folder.glob("*.py")}
    known = [RINGS[folder.name]] if folder.name in RINGS else []
    assert circles(edges) == known


def test_the_rules_of_the_check_do_not_call_the_walk() -> None:
    rules = [p for p in (PACKAGE / "check").glob("*.py") if p.stem not in RINGS["check"]]
    assert {p.name: used for p in rules if (used := imported_files(p) & RINGS["check"])} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_the_table_of_a_folder_names_its_files(folder: Path) -> None:
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    cells = [line.split("|")[1] for line in doc.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`(\w+)\.py`", cell)} - {"__init__"}
    assert named == {path.stem for path in folder.glob("*.py")} - {"__init__"}


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
    assert found or any(isinstance(item, KeysDecl) for item in tree.items)
    assert {
        name: count for name, count in found.items() if count > MOST_SETTINGS.get(name, 9)
    } == {}


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
