"""Spoilt specs never make the program fail: it says what is wrong, soon, or takes them.

`make fuzz` draws many more.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings

from archdsl import formatter, pipeline
from archdsl.diagnostic import CODES, SpecError, printable
from archdsl.source import Source
from mutations import sources, spoilt

SECONDS = 5.0
_EXAMPLES = settings().max_examples


class TooLong(BaseException):
    """No `except Exception` of the program holds it back."""


@contextmanager
def bounded() -> Iterator[None]:
    """Ends what takes more processor time than any input may. A bound, not a measurement."""
    if sys.platform == "win32":
        yield
        return

    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@settings(max_examples=2 * _EXAMPLES)
@given(spoilt())
def test_a_spoilt_spec_is_checked(text: str) -> None:
    """Every mistake has a code and a place; what checks can be counted and written as code."""
    with bounded():
        checked = pipeline.check_source(Source("s.arch", text))
    for found in checked.diagnostics:
        assert found.code in CODES
        assert found.span is not None or found.name
        shown = found.text()
        assert printable(shown.replace("\n", "")) == shown.replace("\n", "")
        assert found.record()["message"] == found.message
    if checked.diagnostics:
        return
    for variant in checked.variants[:1]:
        with bounded():
            assert variant.facts.params >= 0
            compile(variant.torch(), "emitted.py", "exec")
            variant.scene()


@settings(max_examples=2 * _EXAMPLES)
@given(spoilt())
def test_a_spoilt_spec_is_formatted(text: str) -> None:
    """`fmt` says that it cannot, or gives what it would not change again."""
    with bounded():
        try:
            once = formatter.formatted(Source("s.arch", text))
        except SpecError as error:
            assert error.diagnostics
            return
        assert formatter.formatted(Source("s.arch", once)) == once


@pytest.mark.parametrize(("name", "text"), sources(), ids=[name for name, _ in sources()])
def test_the_sources_can_be_formatted(name: str, text: str) -> None:
    """Most mutations start from something sound: otherwise they would test the parser only."""
    try:
        formatter.formatted(Source(name, text))
    except SpecError as error:
        assert all(f"# error: [{d.code}]" in text for d in error.diagnostics)
