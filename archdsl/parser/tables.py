"""The parser tables: prepared ahead of time, made from the grammar where they are not.

Making LALR tables takes ten times as long as loading them, so `python -m archdsl.prepare` stores
them beside this file, with the digest of the grammar they were made from. Tables of another grammar
or of another version of Lark are not used.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from functools import cache
from pathlib import Path

import lark

PREPARED = Path(__file__).parent / "tables.bin"


def grammar_path() -> Path:
    """`grammar/arch.lark`: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "grammar" / "arch.lark"
    return inside if inside.exists() else package.parent / "grammar" / "arch.lark"


def digest() -> str:
    """What the prepared tables depend on."""
    text = grammar_path().read_bytes() + lark.__version__.encode()
    return hashlib.sha256(text).hexdigest()


def make() -> lark.Lark:
    """A parser made from the grammar's text."""
    return lark.Lark(grammar_path().read_text("utf-8"), parser="lalr", propagate_positions=True)


def prepare() -> bytes:
    """The tables as bytes: a digest line, then Lark's own format."""
    buffer = io.BytesIO()
    make().save(buffer)
    return digest().encode() + b"\n" + buffer.getvalue()


@cache
def parser() -> lark.Lark:
    """The parser, from the prepared tables where they fit."""
    try:
        stored, _, tables = PREPARED.read_bytes().partition(b"\n")
        if stored == digest().encode():
            return lark.Lark.load(io.BytesIO(tables))
    except (OSError, pickle.UnpicklingError, EOFError):
        pass
    return make()
