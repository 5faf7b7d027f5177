"""The variants of all specs, checked once in a run; every spec that the interpreter runs."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pages
from archdsl.graph import Module
from archdsl.pipeline import Checked, Variant, check_path

ROOT = Path(__file__).parent.parent
MEANING = sorted((ROOT / "tests" / "data" / "meaning").glob("*.arch"))
PICTURES = sorted((ROOT / "tests" / "data" / "pictures").glob("*.arch"))
BLOCK = re.compile(r"^block (\w+)", re.MULTILINE)


@cache
def variants() -> dict[str, Variant]:
    found = dict[str, Variant]()
    for path in sorted((ROOT / "specs").glob("*.arch")):
        checked = check_path(path, f"specs/{path.name}")
        assert not checked.diagnostics, checked.diagnostics[0].text()
        found |= {variant.model.id: variant for variant in checked.variants}
    assert found, "specs/ is empty"
    return found


@cache
def pictured() -> dict[str, Variant]:
    """The variants whose pictures tests look at in full: of those that differ in numbers alone the
    first.
    """
    first: dict[object, str] = {}
    for name, variant in variants().items():
        first.setdefault((variant.model.family, _build(variant.model.root, {})), name)
    return {name: variants()[name] for name in first.values()}


def shortened(variant: Variant) -> Variant:
    """The variant with fewer layers, where its lists tell what these are: every kind stays,
    and every kind that follows another. Lists of one length are read side by side.
    """
    lists = {k: v for k, v in variant.settings.items() if isinstance(v, tuple | list)}
    shorter: dict[str, object] = {}
    for length in {len(values) for values in lists.values()} - {0, 1}:
        beside = {k: v for k, v in lists.items() if len(v) == length}
        rows = list(zip(*beside.values(), strict=True))
        kept, pairs = [0], set[tuple[object, object]]()
        for i in range(1, length):
            pair = (rows[kept[-1]], rows[i])
            kept += [] if pair in pairs else [i]
            pairs.add(pair)
        shorter |= {name: [values[i] for i in kept] for name, values in beside.items()}
    return variant.with_("Short", **shorter) if shorter else variant


def _build(module: Module, known: dict[int, object]) -> object:
    """What a module is made of, without numbers."""
    if module.id not in known:
        parts = (
            (child.name, tuple(_build(inner, known) for _, inner in child.modules))
            for child in module.children
        )
        known[module.id] = (module.block, module.title, tuple(parts))
    return known[module.id]


def compared() -> Iterator[tuple[str, Checked]]:
    """Every spec that the interpreter runs, with its text."""
    for path in (*sorted((ROOT / "specs").glob("*.arch")), *MEANING):
        yield path.read_text(encoding="utf-8"), check_path(path, path.name)
    for block in pages.SPECS:
        yield block.text, pages.checked(block)


@cache
def of_the_library() -> dict[str, list[Module]]:
    """The modules of each block that no spec declares itself, in all specs that are compared."""
    modules: dict[str, list[Module]] = {}
    for text, checked in compared():
        own = set(BLOCK.findall(text))
        for variant in checked.variants:
            reached: set[int] = set()
            pending = [variant.model.root]
            while pending:
                module = pending.pop()
                if module.id in reached:
                    continue
                reached.add(module.id)
                pending.extend(m for child in module.children for _, m in child.modules)
                if module.block not in own:
                    modules.setdefault(module.block, []).append(module)
    return modules
