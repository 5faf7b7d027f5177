"""Axes patterns: every order of three axes, behind names and behind `...`, merged and reduced.

What is emitted for them has to equal the interpreter, which knows no view of PyTorch.
"""

from itertools import combinations, permutations

import pytest

from archdsl import pipeline
from archdsl.source import Source
from equality import assert_equal_everywhere

AXES = ("a", "b", "c")
LEADS = ("B T", "...")
GROUPS = ((1, 1, 1), (2, 1), (1, 2), (3,))
"""How many axes in a row are merged into one."""


def merged(order: tuple[str, ...], sizes: tuple[int, ...]) -> list[tuple[str, ...]]:
    """The axes in groups."""
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [order[start : start + size] for start, size in zip(starts, sizes, strict=True)]


def said(groups: list[tuple[str, ...]]) -> str:
    return " ".join(f"({' '.join(g)})" if len(g) > 1 else g[0] for g in groups)


def model(lines: list[tuple[str, str]]) -> str:
    """A spec whose results are expressions of x [B, T, a, b, c], with their last axes."""
    names = ", ".join(f"r{n}" for n in range(len(lines)))
    types = ", ".join(f"[B, T{', ' if axes else ''}{axes}]" for _, axes in lines)
    body = "\n".join(f"  r{n} = {text}" for n, (text, _) in enumerate(lines))
    return f"""
use std.core: Embedding
block All(a, b, c)(x: [B, T, a, b, c]) -> ({types}) {{
{body}
  return {names}
}}
model M(a = 2, b = 3, c = 4)(stream tokens: int[B, T]) -> ({types}) {{
  embed = Embedding(11, a * b * c)
  all   = All(a, b, c)
  return tokens |> embed |> rearrange[B T (a b c) -> B T a b c] |> all
}}
variant V = M() {{}}
"""


def holds(lines: list[tuple[str, str]]) -> None:
    checked = pipeline.check_source(Source("patterns.arch", model(lines)))
    assert not checked.diagnostics, checked.diagnostics[0].text()
    assert_equal_everywhere(checked.variants[0].model)


@pytest.mark.parametrize("lead", LEADS)
def test_every_order_and_grouping(lead: str) -> None:
    lines = []
    for order in permutations(AXES):
        for sizes in GROUPS:
            groups = merged(order, sizes)
            axes = ", ".join(" * ".join(g) for g in groups)
            if groups == [("a",), ("b",), ("c",)]:
                continue
            lines.append((f"rearrange[{lead} a b c -> {lead} {said(groups)}](x)", axes))
    assert len(lines) == 23
    holds(lines)


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("op", ["sum", "mean", "max"])
def test_every_reduction(op: str, lead: str) -> None:
    """Of one axis, two or all, kept as 1 or gone; what is left in every order, merged too."""
    lines = []
    for count in (1, 2, 3):
        for gone in combinations(AXES, count):
            kept = [("1" if name in gone else name) for name in AXES]
            lines.append((f"{op}[{lead} a b c -> {lead} {' '.join(kept)}](x)", ", ".join(kept)))
            left = tuple(name for name in AXES if name not in gone)
            for order in permutations(left):
                for sizes in {(1,) * len(left), (len(left),)} if left else {()}:
                    groups = merged(order, sizes)
                    axes = ", ".join(" * ".join(g) for g in groups)
                    lines.append((f"{op}[{lead} a b c -> {lead} {said(groups)}](x)", axes))
    assert len(lines) > 20
    holds(lines)


@pytest.mark.parametrize("lead", LEADS)
def test_every_split(lead: str) -> None:
    """An axis that was merged is split again, in every order."""
    lines = []
    for order in permutations(AXES):
        flat = f"rearrange[{lead} a b c -> {lead} ({' '.join(order)})](x)"
        back = f"rearrange[{lead} ({' '.join(order)}) -> {lead} c a b]({flat})"
        lines.append((back, "c, a, b"))
    holds(lines)
