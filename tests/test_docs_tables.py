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
from archdsl import library
from archdsl.diagnostic import CODES
from archdsl.dtypes import TAKES_AND_GIVES
from archdsl.elaborate.cards import WORDS
from archdsl.elaborate.variants import ABOUT, EXPECTED
from archdsl.facts.counts import Mixer
from archdsl.ops import INITIALISERS, INTRINSICS, OPS, ROLES
from archdsl.view.words import short, size
from golden import accepted
from markdown_cases import Block
from models import variants
from pages import BLOCKS, PAGES, ROOT

PUBLISHED = tomllib.loads((ROOT / "tests" / "data" / "published.toml").read_text())["card"]
DATA = ROOT / "tests" / "data"
GALLERY = tomllib.loads((DATA / "gallery.toml").read_text(encoding="utf-8"))
PUBLIC = tomllib.loads((DATA / "public_counts.toml").read_text(encoding="utf-8"))
CODE = [block for block in BLOCKS if block.language == "python" and not block.file]


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


def coverage() -> str:
    def row(model: str, told: dict[str, str]) -> tuple[str, ...]:
        spec, how, missing = (told.get(key, "") for key in ("spec", "how", "missing"))
        file, _, variant = spec.partition(":")
        link = f"[{variant}](../specs/{file}.arch)" if spec else ""
        return model, link, how, missing

    return table(
        ("model", "variant", "how", "what is not public"),
        [row(model, told) for model, told in GALLERY.items()],
    )


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
                f"{facts.active:,}" if facts.active != facts.params else "",
                f"{told['kv_kib']:g} KiB",
                size(facts.kv_bytes_per_token),
                size(facts.kv_growing_bytes_per_token),
            )
        )
    head = ("model", "size, published", "size, exact", "active, published", "active, exact",
            "cache a token, published", "of all layers", "of those that grow")  # fmt: skip
    return table(head, rows)


def known_from(name: str) -> str:
    """What the parameters of a variant are compared with, beside the two ways in which the program
    counts them.
    """
    for path in sorted((DATA / "counts").glob("*.json")):
        counted = json.loads(path.read_text())
        if counted.get("spec", "").endswith(f":{name}"):
            return f"`{counted['class']}`"
    if name in PUBLIC:
        return "a public count"
    shown = [told["how"] for told in GALLERY.values() if told.get("spec", "").endswith(f":{name}")]
    return "a class of the same sizes" if "stand-in" in shown else ""


def named(mixer: Mixer) -> str:
    """What mixes tokens in a kind of layer, and its window."""
    window = dict(mixer.settings).get("window")
    return f"{mixer.title}, window {window:,}" if window else mixer.title


def of_models() -> list[dict[str, Any]]:
    """The facts of every shipped variant, in order of date."""
    rows = []
    for name, variant in variants().items():
        facts, about = variant.facts, variant.model.about
        context = facts.stated_context
        rows.append({
            "released": str(about.get("released", "")), "name": facts.model.name, "variant": name,
            "file": variant.unit.file.source.name, "by": str(about.get("by", "")),
            "params": facts.params, "active": facts.active,
            "active_without_tables": facts.active_without_tables, "layers": facts.layers,
            "mixers": [[mixer.layers, named(mixer)] for mixer in facts.mixers],
            "kv_bytes_per_token": facts.kv_bytes_per_token,
            "kv_growing_bytes_per_token": facts.kv_growing_bytes_per_token,
            "state_bytes": facts.state_bytes, "context": context,
            "kv_bytes_at_context": facts.kv_bytes(context) if context else None,
            "compared_with": known_from(name).strip("`"),
            "source": str(about.get("source", "")),
        })  # fmt: skip
    return sorted(rows, key=lambda row: (row["released"], row["name"]))


def models() -> str:
    rows = []
    for row in of_models():
        mixers = "; ".join(f"{layers} {title}" for layers, title in row["mixers"])
        active = short(row["active"]) if row["active"] != row["params"] else ""
        at_context = size(row["kv_bytes_at_context"]) if row["context"] else ""
        rows.append((
            row["released"], f"[{row['name']}](../{row['file']})", row["by"], short(row["params"]),
            active, mixers or str(row["layers"]), size(row["kv_growing_bytes_per_token"]),
            f"{row['context']:,}" if row["context"] else "", at_context,
            size(row["state_bytes"]) if row["state_bytes"] else "", known_from(row["variant"]),
        ))  # fmt: skip
    head = ("released", "model", "by", "parameters", "active", "layers", "cache a token",
            "context", "cache at it", "state", "parameters compared with")  # fmt: skip
    return table(head, rows)


def is_rounded(published: float, counted: float) -> bool:
    """Whether a published figure is a count in its digits: 8 or 8.03 for 8.03, and not 7."""
    digits = f"{published:.12g}".rstrip("0").partition(".")
    whole = f"{published:.0f}"
    unit = 10.0 ** (len(whole) - len(whole.rstrip("0"))) if not digits[2] else 0.1 ** len(digits[2])
    return abs(published - counted) <= unit / 2 * (1 + 1e-9)


def drift() -> str:
    """Figures of the gallery that are not those of the spec in their own digits."""
    rows = []
    for model, told in GALLERY.items():
        if "spec" not in told:
            continue
        name = told["spec"].partition(":")[2]
        facts, published = variants()[name].facts, told["published"]
        compared = [
            ("parameters", published.get("params"), [facts.params], short),
            ("active", published.get("active"),
             [facts.active, facts.active_without_embedding, facts.active_without_tables], short),
            ("cache a token, KiB", published.get("kv_kib"),
             [facts.kv_bytes_per_token / 1024, facts.kv_growing_bytes_per_token / 1024],
             lambda kib: f"{kib:g}"),
        ]  # fmt: skip
        for figure, said, counted, words_of in compared:
            if said and not any(is_rounded(said, number) for number in counted):
                found = ", ".join(dict.fromkeys(words_of(number) for number in counted))
                rows.append((model, figure, words_of(said), found, known_from(name)))
    return table(("model", "figure", "published", "counted", "parameters compared with"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "coverage": coverage,
    "models": models,
    "drift": drift,
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
