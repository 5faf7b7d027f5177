"""Counts of the specs that no configuration maps to: the reference class, or a public table."""

import tomllib
from pathlib import Path

import pytest

from models import variants

COUNTS = tomllib.loads(
    (Path(__file__).parent / "data" / "public_counts.toml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_counts_are_the_public_ones(name: str) -> None:
    facts = variants()[name].facts
    counts = {k: v for k, v in COUNTS[name].items() if isinstance(v, int)}
    assert counts
    assert {k: getattr(facts, k) for k in counts} == counts


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_counts_stand_in_the_spec(name: str) -> None:
    """The spec expects the same numbers, so that a change of it cannot pass unnoticed."""
    expected = {e.fact: e.value for e in variants()[name].model.expectations}
    assert expected.items() <= {k: v for k, v in COUNTS[name].items() if isinstance(v, int)}.items()
