"""What is emitted computes what the graph says: every shipped variant, every variant of the pages,
and specs that each show one thing (`data/meaning/`).

| folder | what has to be |
|---|---|
| `meaning/` | it checks, and is equal everywhere |
| `meaning/refused/` | the errors that its comments say, and no others |
| `meaning/unsettled/` | it is refused with a place, or equal everywhere |

`meaning/faults.toml` has what is known to be wrong.
"""

import tomllib
from functools import cache
from pathlib import Path

import pytest

from archdsl import elaborate, pipeline
from archdsl.diagnostic import Diagnostics
from archdsl.source import Source
from equality import assert_equal_everywhere
from markdown_cases import blocks, expected_errors

ROOT = Path(__file__).parent.parent
MEANING = Path(__file__).parent / "data" / "meaning"
TINY = {
    "Drawn": "d: 32  n_layers: 2  heads: 4  vocab: 101",
    "Windowed": "d: 32  heads: 4  kv_heads: 2  d_ff: 48  window: 3  vocab: 101",
    "Sparse": "d: 32  n_layers: 3  heads: 4  kv_heads: 2  d_ff: 48  experts: 6  top_k: 2"
    "  d_expert: 24  vocab: 101",
    "Hybrid": "d: 32  cycles: 1  heads: 4  kv_heads: 2  d_k: 3  d_v: 5  experts: 6  top_k: 2"
    "  d_expert: 24  vocab: 101",
}
"""Sizes for models of the pages that state none and are large."""

FAULTS: dict[str, str] = {
    name: reason
    for reason, names in tomllib.loads((MEANING / "faults.toml").read_text("utf-8")).items()
    for name in names
}
"""What is known to be wrong, by the test's id: the reason."""


def faulty(names: list[str]) -> list[object]:
    """The cases, those with a known fault marked."""
    return [
        pytest.param(name, marks=pytest.mark.xfail(reason=FAULTS[name], strict=True), id=name)
        if name in FAULTS
        else pytest.param(name, id=name)
        for name in names
    ]


def small(variant: pipeline.Variant) -> None:
    """Holds a variant to its meaning at its smallest size."""
    tiny = elaborate.tiny(variant.unit, variant.model, Diagnostics())
    assert_equal_everywhere(variant.model, tiny)


@cache
def of_pages() -> dict[str, pipeline.Variant]:
    """Every variant of a page that checks, by page, line and name."""
    found = {}
    for page in (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"):
        for block in blocks(page):
            if block.language == "arch" and "variant " in block.text:
                sizes = [
                    f"tiny {model} {{ {said} }}"
                    for model, said in TINY.items()
                    if f"model {model}(" in block.text and f"tiny {model} " not in block.text
                ]
                text = "\n".join([block.text, *sizes])
                checked = pipeline.check_source(Source(page.name, text))
                found |= {f"{block.label}:{v.model.id}": v for v in checked.variants}
    return found


SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.arch"))


@pytest.mark.parametrize("spec", faulty(SPECS))
def test_shipped_variants(spec: str) -> None:
    path = ROOT / "specs" / f"{spec}.arch"
    checked = pipeline.check_path(path, f"specs/{path.name}")
    assert checked.variants
    for variant in checked.variants:
        small(variant)


@pytest.mark.parametrize("name", faulty(sorted(of_pages())))
def test_variants_of_the_pages(name: str) -> None:
    small(of_pages()[name])


@pytest.mark.parametrize("name", faulty(sorted(p.stem for p in MEANING.glob("*.arch"))))
def test_meaning(name: str) -> None:
    checked = pipeline.check_path(MEANING / f"{name}.arch", f"{name}.arch")
    if checked.diagnostics:
        pytest.fail("\n\n".join(d.text() for d in checked.diagnostics))
    assert checked.variants
    for variant in checked.variants:
        small(variant)


REFUSED = sorted(p.stem for p in (MEANING / "refused").glob("*.arch"))


@pytest.mark.parametrize("name", faulty(REFUSED))
def test_refused(name: str) -> None:
    path = MEANING / "refused" / f"{name}.arch"
    found = pipeline.check_path(path, path.name).diagnostics
    places = sorted((d.span.line if d.span else 0, d.code) for d in found)
    assert places == expected_errors(path.read_text(encoding="utf-8"))


UNSETTLED = sorted(p.stem for p in (MEANING / "unsettled").glob("*.arch"))


@pytest.mark.parametrize("name", faulty(UNSETTLED))
def test_unsettled(name: str) -> None:
    path = MEANING / "unsettled" / f"{name}.arch"
    checked = pipeline.check_path(path, path.name)
    for diagnostic in checked.diagnostics:
        assert diagnostic.span is not None
    for variant in checked.variants:
        small(variant)


def test_every_case_says_what_it_shows() -> None:
    for path in sorted(MEANING.rglob("*.arch")):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# ") and first.endswith("."), path.name
