"""What pages say that no spec in them can show: tables of the program's own lists, Python code.

A table stands between `<!-- table NAME -->` and `<!-- end -->`; `make goldens` writes it anew.
"""

import json
import re
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import archdsl
import model_tables
from archdsl import library
from archdsl.diagnostic import CODES
from archdsl.dtypes import TAKES_AND_GIVES
from archdsl.elaborate.cards import WORDS
from archdsl.elaborate.variants import ABOUT, EXPECTED
from archdsl.ops import INITIALISERS, INTRINSICS, OPS, ROLES
from archdsl.view.words import short, size
from golden import accepted
from markdown_cases import Block
from model_tables import GALLERY, is_rounded, of_models, pictured, table
from models import variants
from pages import BLOCKS, PAGES, ROOT

PICTURES = ROOT / "docs" / "pictures" / "blocks"
PUBLISHED = tomllib.loads((ROOT / "tests" / "data" / "published.toml").read_text())["card"]
CODE = [block for block in BLOCKS if block.language == "python" and not block.file]


def words(names: list[str]) -> str:
    return f"{', '.join(f'`{name}`' for name in names)}.\n"


def primitives() -> str:
    rows = [
        (f"`{op.name}`", f"`{op.symbol}`" if op.symbol else "", op.form, op.doc)
        for op in OPS.values()
    ]
    return table(("name", "sign", "form", "meaning"), rows)


def dtypes() -> str:
    """The operations of each rule, in the order in which they stand in the table of primitives."""
    by_rule: dict[str, list[str]] = {}
    for op in OPS.values():
        sign = f"{op.symbol}x" if op.symbol and op.operands == 1 else op.symbol
        by_rule.setdefault(op.dtypes, []).append(f"`{sign or op.name}`")
    rows = [(", ".join(names), *TAKES_AND_GIVES[rule]) for rule, names in by_rule.items()]
    return table(("operation", "takes", "gives"), rows)


def initialisers() -> str:
    rows = []
    for row in INITIALISERS.values():
        args = f"({', '.join(row.args)})" if row.args else ""
        rows.append((f"`{row.name}{args}`", row.doc))
    return table(("initialiser", "how a tensor begins"), rows)


def codes() -> str:
    return table(("code", "meaning"), [(f"`{code}`", said) for code, said in CODES.items()])


def published() -> str:
    """What a gallery's cards say of a model, and what its spec gives."""
    rows = []
    for told in PUBLISHED:
        facts = variants()[told["variant"]].facts
        active = short(told["active"]) if "active" in told else ""
        rows.append(
            (
                f"[{facts.model.name}](#{told['spec'].replace('_', '-')})",
                short(told["params"]),
                f"{facts.params:,}",
                active,
                f"{facts.active_as_quoted:,}" if facts.active_as_quoted != facts.params else "",
                f"{told['kv_kib']:g} KiB",
                size(facts.kv_bytes_per_token),
                size(facts.kv_growing_bytes_per_token),
            )
        )
    head = ("model", "size, published", "size, exact", "active, published", "active, exact",
            "cache a token, published", "of all layers", "of those that grow")  # fmt: skip
    return table(head, rows)


TABLES: dict[str, Callable[[], str]] = {
    "coverage": model_tables.coverage,
    "models": model_tables.models,
    "drift": model_tables.drift,
    "blocks": model_tables.blocks,
    "primitives": primitives,
    "library": lambda: library.markdown("std"),
    "dtypes": dtypes,
    "published": published,
    "codes": codes,
    "roles": lambda: words(list(ROLES)),
    "intrinsics": lambda: words(list(INTRINSICS)),
    "initialisers": initialisers,
    "about": lambda: table(("fact", "kind"), [(f"`{k}`", v) for k, v in ABOUT.items()]),
    "expected": lambda: words(list(EXPECTED)),
    "card": lambda: table(("directive", "takes"), [(f"`{k}`", v) for k, v in WORDS.items()]),
}


def _table(name: str, _: re.Match[str]) -> str:
    return TABLES[name]()


def tables(text: str) -> list[str]:
    """The names of the tables that a page holds."""
    return re.findall(r"^<!-- table (\w+) -->$", text, re.MULTILINE)


def written(text: str, page: str) -> str:
    """The page with every table as the code has it."""
    for name in tables(text):
        pattern = rf"(?<=<!-- table {name} -->\n\n)(?:(?!<!--).)*(?=\n<!-- end -->)"
        text, count = re.subn(pattern, partial(_table, name), text, flags=re.DOTALL)
        assert count == 1, f"the table {name} of {page} has no end"
    return text


def test_every_table_stands_on_one_page() -> None:
    found = [name for page in PAGES for name in tables(page.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(TABLES)


def test_models_of_the_table_of_coverage_are_there() -> None:
    """In the file that the table names; a model without a spec says so."""
    shipped = {
        f"{path.stem}:{name}"
        for path in (ROOT / "specs").glob("*.arch")
        for name in re.findall(r"^variant (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {told["spec"] for told in GALLERY.values() if "spec" in told} <= shipped
    assert all(("spec" in told) == (told["how"] != "not yet") for told in GALLERY.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_the_lists_in_the_code(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    accepted(page, written(text, page.name))


def test_facts_of_models_are_a_file_too() -> None:
    lines = ",\n".join(f" {json.dumps(row, ensure_ascii=False)}" for row in of_models())
    accepted(ROOT / "docs" / "models.json", f"[\n{lines}\n]\n")


def test_a_published_figure_is_rounded_to_its_digits() -> None:
    assert is_rounded(8e9, 8.03e9) and not is_rounded(7e9, 8.03e9)
    assert is_rounded(30.5e9, 30.53e9) and not is_rounded(30.5e9, 30.57e9)
    assert is_rounded(68.6, 68.625) and not is_rounded(68.6, 68.7)
    assert is_rounded(128, 128.0) and not is_rounded(128, 130.0)


def test_pictures_of_blocks_are_as_drawn_now() -> None:
    """One for each block of the page, and no other."""
    drawn = pictured()
    for name, variant in drawn.items():
        accepted(PICTURES / f"{name}.svg", variant.svg(view=f"detail:{name}"))
    assert {path.stem for path in PICTURES.iterdir()} == drawn.keys()


@pytest.mark.parametrize("block", CODE, ids=lambda b: b.label)
def test_python_runs_or_is_what_is_emitted(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    [option] = block.options
    if option == "run":
        exec(compile(block.text, block.label, "exec"), {})
        return
    spec, _, variant = option.removeprefix("emitted=").partition(":")
    assert block.text in archdsl.load(spec)[variant].torch()


@pytest.mark.parametrize("told", PUBLISHED, ids=lambda told: told["variant"])
def test_a_spec_beside_a_published_card_counts_as_measured(told: dict[str, Any]) -> None:
    assert variants()[told["variant"]].facts.params == told["measured"]
    page = (ROOT / "docs" / "cards.md").read_text(encoding="utf-8")
    assert f"](../renders/{told['variant']}.svg)" in page
