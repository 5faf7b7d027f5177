"""Cards that a paper asks for: what LaTeX and Typst write down, and where they look for the files.

A request is one JSON object, one on a line as `archdsl.sty` writes them into `paper.cards`, or all
in an array as `typst query` prints them:

    {"spec": "specs/family.arch:Variant", "theme": "light", "view": "", "width": "241.5pt"}

Its card is `archdsl-cards/specs+family.arch+light+241.5pt/Variant.pdf`. The names are made of
letters, digits and `_ . / : -`, so a `+` stands for `/` or `:` and for nothing else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from archdsl.cli.output import usage
from archdsl.cli.rendering import Look
from archdsl.record import record
from archdsl.shown import asked

FOLDER = "archdsl-cards"
PACKAGES = Path(__file__).parent.parent / "paper"
"""The folder of `archdsl.sty` and `archdsl.typ`."""

_FIELDS = {
    "spec": re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]*:[A-Za-z_][A-Za-z0-9_]*\Z"),
    "theme": re.compile(r"(light|dark|print)\Z"),
    "view": re.compile(r"([a-z]+(:[A-Za-z0-9_.]+)?)?\Z"),
    "width": re.compile(r"([0-9]+(\.[0-9]+)?pt)?\Z"),
}


@record
class Request:
    """One card: a spec with its variant, a theme, a view ("" for what fits) and a width in points
    of 1/72 inch ("" for the width that it is made for).
    """

    spec: str
    theme: str
    view: str
    width: str

    @property
    def folder(self) -> str:
        """Where the card lies; two looks never share a folder."""
        path = self.spec.rpartition(":")[0]
        parts = "+".join(part for part in (path, self.theme, self.view, self.width) if part)
        return f"{FOLDER}/{parts.replace('/', '+').replace(':', '+')}"

    @property
    def variant(self) -> str:
        """What its file is called, without the suffix."""
        return self.spec.rpartition(":")[2]

    def look(self) -> Look:
        """How it is drawn. Raises ValueError for a view that there is not."""
        return Look(theme=self.theme, width=self.width or None, shown=asked(view=self.view))


def requests(data: bytes, name: str) -> list[Request]:
    """What a file asks for, each card once. Raises Stop for what is no request."""
    try:
        text = data.decode("utf-8").strip()
        items = json.loads(text) if text.startswith("[") else map(json.loads, text.splitlines())
        return list(dict.fromkeys(_request(item, name) for item in items))
    except (ValueError, RecursionError) as error:
        raise usage(f"{name} is no list of cards: {error}") from error


def _request(item: object, name: str) -> Request:
    if not isinstance(item, dict) or set(item) != set(_FIELDS):
        raise usage(f"{name}: a card has {', '.join(_FIELDS)}, and nothing else")
    for field, pattern in _FIELDS.items():
        if not isinstance(item[field], str) or not pattern.match(item[field]):
            raise usage(f"{name}: {repr(item[field])[:80]} is no {field} of a card")
    return Request(**item)
