"""The variants of all specs, checked once in a run."""

from functools import cache
from pathlib import Path

from archdsl.pipeline import Variant, check_path

ROOT = Path(__file__).parent.parent


@cache
def variants() -> dict[str, Variant]:
    found = {}
    for path in sorted((ROOT / "specs").glob("*.arch")):
        for variant in check_path(path, f"specs/{path.name}", tiny=False).variants:
            found[variant.model.id] = variant
    assert found, "specs/ is empty"
    return found
