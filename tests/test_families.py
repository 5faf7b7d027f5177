"""The families of `specs/`: each is short, and each that has a hub is compared with its class."""

from pathlib import Path
from statistics import median

import reference
from archdsl.diagnostic import Diagnostics
from archdsl.parser import parse
from archdsl.source import Source
from archdsl.syntax import HubDecl

SPECS = sorted((Path(__file__).parent.parent / "specs").glob("*.arch"))


def test_a_family_is_short() -> None:
    lengths = {path.stem: len(path.read_text("utf-8").splitlines()) for path in SPECS}
    assert median(lengths.values()) < 80
    assert max(lengths.values()) < 160, lengths


def test_every_hub_has_a_tiny_reference() -> None:
    """A type that imports is compared in logits, cache and changed configurations."""
    types = set()
    for path in SPECS:
        tree = parse(Source(path.name, path.read_text("utf-8")), Diagnostics())
        types |= {t.value for item in tree.items if isinstance(item, HubDecl) for t in item.types}
    assert types == {kind.partition("+")[0] for kind in reference.types()}
