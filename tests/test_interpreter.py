"""What is emitted computes what the graph says: every shipped variant, every variant of the pages,
and specs that each show one thing (`data/meaning/`).

| folder | what has to be |
|---|---|
| `meaning/` | it checks, and is equal everywhere |
| `meaning/refused/` | the errors that its comments say, and no others |
"""

from pathlib import Path

import pytest

import pages
from archdsl import pipeline
from equality import assert_equal_everywhere
from markdown_cases import expected_errors
from models import shortened

ROOT = Path(__file__).parent.parent
MEANING = Path(__file__).parent / "data" / "meaning"
SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.arch"))
OF_PAGES = {
    f"{block.label}:{variant.model.id}": variant
    for block in pages.SPECS
    for variant in pages.checked(block).variants
}
"""Every variant of a page that checks, by page, line and name."""


def small(variant: pipeline.Variant) -> None:
    """Holds a variant to its meaning at its smallest size."""
    tiny = variant.tiny
    assert_equal_everywhere(variant.model, tiny)


@pytest.mark.parametrize("spec", SPECS)
def test_shipped_variants(spec: str) -> None:
    path = ROOT / "specs" / f"{spec}.arch"
    checked = pipeline.check_path(path, f"specs/{path.name}")
    assert checked.variants
    for variant in checked.variants:
        small(shortened(variant))


@pytest.mark.parametrize("name", sorted(OF_PAGES))
def test_variants_of_the_pages(name: str) -> None:
    small(OF_PAGES[name])


@pytest.mark.parametrize("name", sorted(p.stem for p in MEANING.glob("*.arch")))
def test_meaning(name: str) -> None:
    checked = pipeline.check_path(MEANING / f"{name}.arch", f"{name}.arch")
    if checked.diagnostics:
        pytest.fail("\n\n".join(d.text() for d in checked.diagnostics))
    assert checked.variants
    for variant in checked.variants:
        small(variant)


REFUSED = sorted(p.stem for p in (MEANING / "refused").glob("*.arch"))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    path = MEANING / "refused" / f"{name}.arch"
    found = pipeline.check_path(path, path.name).diagnostics
    places = sorted((d.span.line if d.span else 0, d.code) for d in found)
    assert places == expected_errors(path.read_text(encoding="utf-8"))


def test_every_case_says_what_it_shows() -> None:
    for path in sorted(MEANING.rglob("*.arch")):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# ") and first.endswith("."), path.name
