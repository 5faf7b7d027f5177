"""Which blocks are ordinary: how many of the families that come with the program have each."""

import json
from pathlib import Path

from archdsl.graph import Module
from golden import accepted
from models import variants

USAGE = Path(__file__).parent.parent / "archdsl" / "std" / "usage.json"


def blocks(module: Module, seen: set[int]) -> set[str]:
    if module.id in seen:
        return set()
    seen.add(module.id)
    inner = (blocks(m, seen) for child in module.children for _, m in child.modules)
    return {module.block}.union(*inner)


def test_the_table_of_blocks_is_that_of_the_families() -> None:
    families = {v.model.family: v.model for v in variants().values()}
    counts: dict[str, int] = {}
    for model in families.values():
        for block in blocks(model.root, set()) - {model.root.block}:
            counts[block] = counts.get(block, 0) + 1
    accepted(USAGE, json.dumps(dict(sorted(counts.items())), indent=1) + "\n")
