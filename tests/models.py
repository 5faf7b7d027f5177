"""The variants of all specs, checked once in a run."""

from functools import cache
from pathlib import Path

from archdsl.pipeline import Variant, check_path

ROOT = Path(__file__).parent.parent


@cache
def variants() -> dict[str, Variant]:
    found = dict[str, Variant]()
    for path in sorted((ROOT / "specs").glob("*.arch")):
        checked = check_path(path, f"specs/{path.name}")
        assert not checked.diagnostics, checked.diagnostics[0].text()
        found |= {variant.model.id: variant for variant in checked.variants}
    assert found, "specs/ is empty"
    return found
