"""What emitted text uses of what stands around it, recorded where the text is decided.

A `Text` and a `Line` carry these. Whatever depends on them asks there: what `__init__` stores,
which lengths are read from shapes, what a function takes, which helpers and imports the file has.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from archdsl.record import record


@record
class OfBlock:
    """A setting of the block whose text it is."""

    setting: str


@record
class Length:
    """The length of an axis that inputs bring."""

    axis: str


@record
class OfModel:
    """A setting of the model: a field of `Config`."""

    setting: str


@record
class Start:
    """How many tokens came before."""


@record
class StoredConfig:
    """The `Config` that a class stores."""


@record
class Helper:
    """A function or class of `helpers.py`."""

    name: str


@record
class Import:
    """A name that the file imports only where it is used."""

    name: str


@record
class Round:
    """The variable that counts the rounds of a scan or a loop."""

    variable: str


Use = OfBlock | Length | OfModel | Start | StoredConfig | Helper | Import | Round
Uses = frozenset[Use]

NONE: Uses = frozenset()
MATH = Import("math")

Kind = TypeVar("Kind", OfBlock, Length, OfModel, Helper, Import)


def of_kind(uses: Iterable[Use], kind: type[Kind]) -> list[Kind]:
    """The uses of one kind."""
    return [use for use in uses if isinstance(use, kind)]
