"""Captions of figures, with the facts that a reader asks for, as LaTeX, Typst or Markdown.

Names and titles are text of a spec: nothing in them can become a command.
"""

import re

from archdsl.pipeline import Variant
from archdsl.render.latex import escaped

FORMS = ("latex", "typst", "markdown")
_TYPST = {sign: f"\\{sign}" for sign in "\\#*_@$<>[]`~\"'/-+="}
_MARKDOWN = {sign: f"\\{sign}" for sign in "\\`*_[]<>#|~"}


def caption(variant: Variant, form: str) -> str:
    """The caption of a variant's figure, of one of `FORMS`."""
    name, text = variant.caption()
    match form:
        case "latex":
            return rf"\caption{{\textbf{{{escaped(name)[0]}.}} {escaped(text)[0]}}}"
        case "typst":
            return f"caption: [*{_escaped(name, _TYPST)}.* {_escaped(text, _TYPST)}],"
    return f"**{_escaped(name, _MARKDOWN)}.** {_escaped(text, _MARKDOWN)}"


def _escaped(text: str, signs: dict[str, str]) -> str:
    """Text whose every sign stands for itself, in one line."""
    one_line = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()
    return "".join(signs.get(character, character) for character in one_line)
