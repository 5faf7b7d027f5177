"""The tables that run without Lark do what Lark does: the same trees, the same places of errors."""

import random
from pathlib import Path
from typing import Any

import lark
import pytest
from lark.exceptions import UnexpectedInput

from archdsl.diagnostic import Diagnostics
from archdsl.parser import lalr, parse, tables
from archdsl.source import Source
from archdsl.syntax import Number, TinyDecl

ROOT = Path(__file__).parent.parent
SPECS = sorted([*(ROOT / "specs").glob("*.arch"), *(ROOT / "archdsl" / "std").glob("*.arch")])
GRAMMAR = tables.grammar_path().read_text("utf-8")
REFERENCE = lark.Lark(GRAMMAR, propagate_positions=True, parser="lalr")


def theirs(node: Any) -> Any:
    if isinstance(node, lark.Token):
        return node.type, str(node), node.start_pos
    place = (node.meta.start_pos, node.meta.end_pos) if not node.meta.empty else None
    return node.data, place, [theirs(child) for child in node.children]


def ours(node: lalr.Tree | lalr.Token) -> Any:
    if isinstance(node, lalr.Token):
        return node.type, str(node), node.start_pos
    place = (node.start_pos, node.end_pos) if node.end_pos > node.start_pos else None
    return node.data, place, [ours(child) for child in node.children]


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.name)
def test_same_tree(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ours(lalr.parse(tables.make(), text)) == theirs(REFERENCE.parse(text))


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.name)
def test_same_errors(path: Path) -> None:
    """A token left out, doubled or moved: both parsers accept, or both stop at the same place."""
    text, draw, made = path.read_text("utf-8"), random.Random(0), tables.make()
    pieces = [(t.start_pos, t.end_pos) for t in REFERENCE.lex(text)]
    stopped = 0
    for _ in range(60):
        (a, b), (c, _) = draw.choice(pieces), draw.choice(pieces)
        piece = text[a:b]
        broken = draw.choice([text[:a] + text[b:], f"{text[:c]} {piece} {text[c:]}"])
        try:
            tree, place, early = theirs(REFERENCE.parse(broken)), None, False
        except UnexpectedInput as error:
            tree, place = None, error.pos_in_stream
            early = getattr(getattr(error, "token", None), "type", "") == "$END"
        try:
            mine, here = ours(lalr.parse(made, broken)), None
        except lalr.Unexpected as error:
            mine, here = None, error.position
            stopped += 1
        assert mine == tree
        # Where the text ends too early, Lark points at its last token and we behind it.
        assert place is None or here == place or (early and broken[here:].strip() == "")
    assert stopped > 20


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7), ("14_336", 14336), ("1e3", 1000.0), ("2.5", 2.5), ("1e-5", 0.00001),
        ("3K", 3 * 10**3), ("3M", 3 * 10**6), ("3B", 3 * 10**9), ("3T", 3 * 10**12),
        ("3Ki", 3 * 1024), ("3Mi", 3 * 1024**2), ("1.24M", 1_240_000), ("0.5Ki", 512),
        ("8.03B", 8_030_000_000),
    ],
)  # fmt: skip
def test_numbers_are_what_they_say(text: str, value: float) -> None:
    diagnostics = Diagnostics()
    file = parse(Source("n.arch", f"tiny M {{ n: {text} }}"), diagnostics)
    assert not diagnostics.items
    (tiny,) = file.items
    assert isinstance(tiny, TinyDecl)
    number = tiny.entries[0].value
    assert isinstance(number, Number)
    assert (number.value, type(number.value)) == (value, type(value))


def test_prepared_tables_are_deterministic() -> None:
    assert tables.prepare() == tables.prepare()


def test_prepared_tables_are_those_of_the_grammar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tables.bin"
    path.write_bytes(tables.prepare())
    monkeypatch.setattr(tables, "PREPARED", path)
    monkeypatch.setattr(tables, "make", lambda: pytest.fail("prepared tables were not used"))
    tables.load.cache_clear()
    assert tables.load().actions
    tables.load.cache_clear()


def test_stale_tables_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tables.bin"
    path.write_bytes(b"0" * 64 + tables.prepare()[64:])
    monkeypatch.setattr(tables, "PREPARED", path)
    called: list[bool] = []
    real = tables.make
    monkeypatch.setattr(tables, "make", lambda: called.append(True) or real())
    tables.load.cache_clear()
    tables.load()
    tables.load.cache_clear()
    assert called
