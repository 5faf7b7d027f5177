"""Cards that a paper asks for: what LaTeX and Typst write down, and where they look for the files.

A request is one JSON object, one on a line as `archdsl.sty` writes them into `paper.cards`, or all
in an array as `typst query` prints them:

    {"spec": "specs/family.arch:Variant", "theme": "light", "view": "", "width": "241.5pt",
     "height": "", "depth": "", "open": "", "fold": "", "shapes": "", "without": ""}

Its card is `archdsl-cards/specs+family.arch+light+241.5pt/Variant.pdf`. The names are made of
letters, digits and `_ . / : -`, so a `+` stands for `/` or `:` and for nothing else. What is asked
beyond the width is in the name too: `...+241.5pt+300.0pt+depth-1+without-header-facts`.
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
    "height": re.compile(r"([0-9]+(\.[0-9]+)?pt)?\Z"),
    "depth": re.compile(r"[0-9]?\Z"),
    "open": re.compile(r"[A-Za-z0-9_.,]*\Z"),
    "fold": re.compile(r"[A-Za-z0-9_.,]*\Z"),
    "shapes": re.compile(r"(true)?\Z"),
    "without": re.compile(r"[a-z,]*\Z"),
}


@record
class Request:
    """One card: a spec with its variant, a theme, a view ("" for what fits), a width in points of
    1/72 inch ("" for the width that it is made for) and a height ("" for that which suits it). What
    is open, folded or left out are words with commas between them.
    """

    spec: str
    theme: str
    view: str
    width: str
    height: str = ""
    depth: str = ""
    open: str = ""
    fold: str = ""
    shapes: str = ""
    without: str = ""

    @property
    def folder(self) -> str:
        """Where the card lies; two looks never share a folder."""
        path = self.spec.rpartition(":")[0]
        more = {"depth": self.depth, "open": self.open, "fold": self.fold}
        named = [f"{word}-{value}" for word, value in more.items() if value]
        named += ["shapes"] if self.shapes else []
        named += [f"without-{self.without}"] if self.without else []
        places = (path, self.theme, self.view, self.width, self.height, *named)
        parts = "+".join(part for part in places if part)
        return f"{FOLDER}/{parts.replace('/', '+').replace(':', '+').replace(',', '-')}"

    @property
    def variant(self) -> str:
        """What its file is called, without the suffix."""
        return self.spec.rpartition(":")[2]

    def look(self) -> Look:
        """How it is drawn. Raises ValueError for a view or a part that there is not."""
        shown = asked(
            view=self.view,
            depth=int(self.depth or 0),
            open=filter(None, self.open.split(",")),
            fold=filter(None, self.fold.split(",")),
            shapes=bool(self.shapes),
            without=filter(None, self.without.split(",")),
        )
        if self.width and self.height:
            return Look(theme=self.theme, box=f"{self.width} {self.height}", shown=shown)
        return Look(theme=self.theme, width=self.width or None, shown=shown)


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
