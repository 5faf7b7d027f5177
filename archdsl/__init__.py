"""A neural-network architecture is written once; checks, counts, cards and code follow from it.

    import archdsl
    model = archdsl.load("specs/family.arch")["Variant_1B"]
    model.facts.params          # an int
    model.svg()                 # a card, which notebooks show by themselves
    model.torch()               # the text of a PyTorch module
    archdsl.check_text("model M() {", "m.arch")     # [Diagnostic(code="syntax", ...)]

Importing the package loads next to nothing; each function brings what it needs.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archdsl.diagnostic import Diagnostic
    from archdsl.pipeline import Variant

__version__ = "0.1.0"
__all__ = ["check_text", "load"]


def load(path: str | PathLike[str]) -> dict[str, Variant]:
    """The variants of a spec by name, in its order.

    Raises `archdsl.diagnostic.SpecError` for a spec with errors; `diagnostics` tells them.
    """
    from pathlib import Path

    from archdsl.diagnostic import SpecError
    from archdsl.pipeline import check_path

    checked = check_path(Path(path), Path(path).as_posix())
    if checked.diagnostics:
        raise SpecError(checked.diagnostics)
    return {variant.model.id: variant for variant in checked.variants}


def check_text(text: str, name: str = "text") -> list[Diagnostic]:
    """Everything that is wrong with the text of a spec; messages call it `name`.

    Imports of `./` are looked for in the current folder.
    """
    from archdsl.pipeline import check_source
    from archdsl.source import Source

    return list(check_source(Source(name, text)).diagnostics)
