"""Names for the types of a drawn spec: the same spec, with `type` declarations."""

import re

TYPES = {
    "type Stream[] = [B, T, d]": (r"(?<![\w\]])\[B, T, d\]", "Stream[]"),
    "type Rows[t, n] = [B, t, n]": (r"(?<![\w\]])\[B, (\w+), (\w+)\]", r"Rows[\1, \2]"),
    "type Whole[n] = int[B, T, n]": (r"\bint\[B, T, (\w+)\]", r"Whole[\1]"),
    "type Heads[n, k] = [B, n, T, k]": (r"(?<![\w\]])\[B, (\w+), T, (\w+)\]", r"Heads[\1, \2]"),
}
"""A declaration, and the types that become its name. Only types have commas behind `B`."""


def named(text: str) -> str:
    """The spec with names for its types, declared behind its imports."""
    declared = []
    for declaration, (written, name) in TYPES.items():
        text, count = re.subn(written, name, text)
        declared += [declaration] if count else []
    last = max((m.end() for m in re.finditer(r"(?m)^use .*\n", text)), default=0)
    return text[:last] + "".join(f"{line}\n" for line in declared) + text[last:]
