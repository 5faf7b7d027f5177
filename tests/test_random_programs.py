"""Random programs of every form of the language: what checks is equal everywhere.

`make fuzz` draws many more. `python tests/random_programs.py --seed N --count M` runs as many as
you like without hypothesis, `--seed N --count 1` shows one of them.
"""

import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from random_programs import (
    MISTAKES,
    PASSED,
    checked_program,
    mistaken,
    outcome_of,
    program,
    seeded,
    tried,
)

DRAWN = settings.default.max_examples if settings.default else 100
EXAMPLES = 2 * DRAWN if DRAWN <= 100 else DRAWN
SEEDS, TOGETHER = 1000, 100
"""Programs that `make test` runs by their seeds, and how many make one test."""
MISTAKEN = 10 * len(MISTAKES)
"""Programs with a mistake in them."""
REFUSED = {"unsupported"}
"""The codes with which a drawn program may be refused: it has no mistake in its types."""
CHECKED = 200
"""Programs that are only checked."""


@st.composite
def programs(draw: st.DrawFn) -> str:
    """The text of a program."""
    return program(lambda options: draw(st.sampled_from(options)))


@settings(
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a program takes long to run
    suppress_health_check=list(HealthCheck),
)
@given(programs())
def test_what_checks_is_equal_everywhere(text: str) -> None:
    outcome, details = tried(text)
    assert outcome.startswith(PASSED), f"{details}\n\n{text}"


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_programs_by_their_seeds(first: int) -> None:
    """Seeds can be run again one by one, as `random_programs.py --seed N --count 1`."""
    for seed in range(first, first + TOGETHER):
        _, _, outcome, details = outcome_of(seed)
        assert outcome.startswith(PASSED), f"seed {seed}: {details}"


def test_few_are_refused_and_for_known_reasons() -> None:
    refused = 0
    for seed in range(CHECKED):
        found = checked_program(seeded(seed)).diagnostics
        refused += bool(found)
        codes = {d.code for d in found}
        assert codes <= REFUSED, f"seed {seed}: {[d.text() for d in found]}"
    assert refused < CHECKED // 10


def test_a_mistake_is_found_at_its_place_wherever_it_stands() -> None:
    for seed in range(MISTAKEN):
        text, code, line = mistaken(random.Random(seed).choice)
        found = [(d.code, d.span) for d in checked_program(text).diagnostics]
        assert [c for c, _ in found] == [code], f"{found}, not {code}:\n{text}"
        span = found[0][1]
        assert span is not None
        assert line in (0, span.line), f"{code} in line {span.line}, not {line}:\n{text}"
