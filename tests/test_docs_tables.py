"""What pages say that no spec in them can show: tables of the program's own lists, Python code.

A table stands between `<!-- table NAME -->` and `<!-- end -->`; `make goldens` writes it anew.
"""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import archdsl
import markdown_cases
from archdsl.diagnostic import CODES
from archdsl.elaborate.cards import WORDS
from archdsl.elaborate.variants import ABOUT, EXPECTED
from archdsl.ops import INITIALISERS, INTRINSICS, OPS, ROLES
from markdown_cases import Block

ROOT = Path(__file__).parent.parent
LANGUAGE = ROOT / "docs" / "language.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = [b for page in PAGES for b in markdown_cases.blocks(page) if b.language == "python"]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def words(names: list[str]) -> str:
    return f"{', '.join(f'`{name}`' for name in names)}.\n"


def primitives() -> str:
    rows = [
        (f"`{op.name}`", f"`{op.symbol}`" if op.symbol else "", op.form, op.doc)
        for op in OPS.values()
    ]
    return table(("name", "sign", "form", "meaning"), rows)


def codes() -> str:
    return table(("code", "meaning"), [(f"`{code}`", said) for code, said in CODES.items()])


TABLES: dict[str, Callable[[], str]] = {
    "primitives": primitives,
    "codes": codes,
    "roles": lambda: words(list(ROLES)),
    "intrinsics": lambda: words(list(INTRINSICS)),
    "initialisers": lambda: table(
        ("name", "arguments"), [(f"`{name}`", str(count)) for name, count in INITIALISERS.items()]
    ),
    "about": lambda: table(("fact", "kind"), [(f"`{k}`", v) for k, v in ABOUT.items()]),
    "expected": lambda: words(list(EXPECTED)),
    "card": lambda: table(("directive", "takes"), [(f"`{k}`", v) for k, v in WORDS.items()]),
}


def _table(name: str, _: re.Match[str]) -> str:
    return TABLES[name]()


def written(text: str) -> str:
    """The page with every table as the code has it; an unknown or a missing table is an error."""
    names = re.findall(r"^<!-- table (\w+) -->$", text, re.MULTILINE)
    assert sorted(names) == sorted(TABLES)
    for name in names:
        pattern = rf"(?<=<!-- table {name} -->\n\n)(?:(?!<!--).)*(?=\n<!-- end -->)"
        text, count = re.subn(pattern, partial(_table, name), text, flags=re.DOTALL)
        assert count == 1, f"the table {name} of docs/language.md has no end"
    return text


def test_tables_are_the_lists_in_the_code() -> None:
    text = LANGUAGE.read_text(encoding="utf-8")
    actual = written(text)
    if os.environ.get("ARCHDSL_ACCEPT") == "1" and not os.environ.get("CI"):
        LANGUAGE.write_text(actual, encoding="utf-8")
    else:
        assert text == actual, "`make goldens` writes the tables anew"


@pytest.mark.parametrize("block", CODE, ids=lambda b: b.label)
def test_python_runs_or_is_what_is_emitted(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    [option] = block.options
    if option == "run":
        exec(compile(block.text, block.label, "exec"), {})
        return
    spec, _, variant = option.removeprefix("emitted=").partition(":")
    assert block.text in archdsl.load(spec)[variant].torch()
