"""A neural-network architecture is written once; checks, counts, cards and code follow from it.

    import archdsl
    model = archdsl.load("specs/family.arch")["Variant_1B"]
    model.facts.params                      # an int
    model.with_(heads=16).facts.params      # of another variant, checked
    model.modules["layers.mix.q_proj"]      # shapes, counts, a place in the text
    model.svg()                             # a card, which notebooks show by themselves
    model.torch()                           # the text of a PyTorch module
    archdsl.check_text("model M() {", "m.arch")     # [<error[syntax] m.arch:1:11: ...>]

Importing the package loads next to nothing; each function brings what it needs.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archdsl.diagnostic import Diagnostic as Diagnostic
    from archdsl.diagnostic import SpecError as SpecError
    from archdsl.pipeline import Variant as Variant

__version__ = "0.1.0"
LANGUAGE = "1.0"
"""The version of the language: docs/language.md says what it promises."""
__all__ = ["Diagnostic", "SpecError", "Variant", "check_text", "load", "loads"]


def load(path: str | PathLike[str]) -> dict[str, Variant]:
    """The variants of a spec by name, in its order; of a folder those of all specs in it and below.

    Raises `SpecError` for specs with errors; its `diagnostics` are all of them. A file that cannot
    be read is such an error, and so are two variants of one name.
    """
    from pathlib import Path

    from archdsl.pipeline import check_path, sound, specs_below

    start = Path(path)
    files = specs_below(start) if start.is_dir() else [start]
    return sound([check_path(file, file.as_posix()) for file in files])


def loads(text: str, name: str = "<text>") -> dict[str, Variant]:
    """The variants of the text of a spec by name, in its order; messages call it `name`.

    Imports of `./` are looked for in the current folder. Raises `SpecError` for a text with errors.
    """
    from archdsl.pipeline import check_source, sound
    from archdsl.source import Source

    return sound([check_source(Source(name, text))])


def check_text(text: str, name: str = "<text>") -> list[Diagnostic]:
    """Everything that is wrong with the text of a spec; messages call it `name`.

    Imports of `./` are looked for in the current folder.
    """
    from archdsl.pipeline import check_source
    from archdsl.source import Source

    return list(check_source(Source(name, text)).diagnostics)


def __getattr__(name: str) -> object:
    """The types, brought when they are asked for."""
    from importlib import import_module

    homes = {"Diagnostic": "diagnostic", "SpecError": "diagnostic", "Variant": "pipeline"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"archdsl.{homes[name]}"), name)
