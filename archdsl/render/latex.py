"""Text as LaTeX: every sign stands for itself, and none can become a command."""

import re
from collections.abc import Mapping

SIGNS: Mapping[str, str] = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "√": r"\(\surd\)", "×": r"\(\times\)", "÷": r"\(\div\)", "−": r"\(-\)", "≤": r"\(\le\)",
    "≥": r"\(\ge\)", "≠": r"\(\neq\)", "²": r"\(^2\)", "³": r"\(^3\)", "∞": r"\(\infty\)",
    "·": r"\(\cdot\)", "•": r"\(\bullet\)", "…": r"\dots{}", "–": "--", "—": "---",
    "“": "``", "”": "''", "‘": "`", "’": "'", "<": r"\(<\)", ">": r"\(>\)", "|": r"\(|\)",
    "→": r"\(\to\)", "λ": r"\(\lambda\)", "α": r"\(\alpha\)", "β": r"\(\beta\)",
    "\"": "''", "\u00a0": "~", "⊕": r"\(\oplus\)",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}  # fmt: skip
_PLAIN = re.compile(r"[ -~À-ÏÑ-ÖØ-Ýß-ïñ-öø-ýÿ]")
"""What pdflatex sets as it is, in any of its fonts."""
_LIGATURES = ("--", ",,", "''", "``", "?`", "!`", "<<", ">>")
"""Pairs that LaTeX sets as one sign."""
UNKNOWN = r"\textbullet{}"
"""What stands for a sign that pdflatex has no letter for."""


def escaped(text: str) -> tuple[str, tuple[str, ...]]:
    """Text in one line for LaTeX, and the signs in it that pdflatex has no letter for."""
    shown: list[str] = []
    missing: dict[str, None] = {}
    before = ""
    for sign in re.sub(r"\s", " ", text):
        if before + sign in _LIGATURES:
            shown.append("{}")
        before = sign
        if sign in SIGNS:
            shown.append(SIGNS[sign])
        elif _PLAIN.match(sign):
            shown.append(sign)
        elif sign.isprintable():
            shown.append(UNKNOWN)
            missing.setdefault(sign)
    return "".join(shown), tuple(missing)
