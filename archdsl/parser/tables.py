"""The parser tables: prepared ahead of time, made from the grammar where they are not.

Lark reads `grammar/arch.lark` and computes the LALR(1) tables; `lalr.py` runs them. Making them
takes ten times as long as all other parsing, so `python -m archdsl.prepare` stores them beside this
file, with a digest of the grammar. Tables of another grammar are not used.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from archdsl.parser.lalr import END, Rule, Tables

PREPARED = Path(__file__).parent / "tables.bin"


def grammar_path() -> Path:
    """`grammar/arch.lark`: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "grammar" / "arch.lark"
    return inside if inside.exists() else package.parent / "grammar" / "arch.lark"


def digest() -> str:
    """What the prepared tables depend on: the grammar, and the code that makes and runs them."""
    here = Path(__file__)
    texts = [grammar_path(), here, here.with_name("lalr.py")]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in texts)).hexdigest()


def prepare() -> bytes:
    """The tables as bytes, after a digest line; the same bytes in every run."""
    return digest().encode() + b"\n" + pickle.dumps(_plain(make()), protocol=5)


@cache
def load() -> Tables:
    """The tables, from the prepared file where it fits."""
    try:
        stored, _, data = PREPARED.read_bytes().partition(b"\n")
        if stored == digest().encode():
            return _tables(pickle.loads(data))
    except (OSError, pickle.UnpicklingError, EOFError):
        pass
    return make()


def _plain(t: Tables) -> tuple[Any, ...]:
    """Tables as builtin types, which load fast. Equal strings are one object, so that the bytes are
    the same in every run.
    """
    one = sys.intern
    actions = [{one(symbol): target for symbol, target in row.items()} for row in t.actions]
    rules = [(one(r.origin), r.length, one(r.data), r.kept, r.expand) for r in t.rules]
    words = {one(word): tuple(map(one, names)) for word, names in t.words.items()}
    patterns = tuple((one(n), one(p)) for n, p in t.patterns)
    return actions, rules, t.start, t.final, words, patterns, t.first


def _tables(plain: tuple[Any, ...]) -> Tables:
    actions, rules, start, final, words, patterns, first = plain
    return Tables(actions, [Rule(*r) for r in rules], start, final, words, patterns, first)


# --- from Lark ------------------------------------------------------------------------------------


def make() -> Tables:
    """The tables of the grammar. States are numbered as they are reached, symbols in order."""
    import lark

    parser = lark.Lark(grammar_path().read_text("utf-8"), parser="lalr")
    table: Any = parser.parser.parser._parse_table
    rules: dict[Any, int] = {}
    numbers = {table.start_states["start"]: 0}
    pending = [table.start_states["start"]]
    actions: list[dict[str, int]] = []
    while pending:
        state = pending.pop(0)
        row: dict[str, int] = {}
        for symbol, (action, target) in sorted(table.states[state].items()):
            if action.name == "Reduce":
                row[symbol] = ~rules.setdefault(target, len(rules))
                continue
            if target not in numbers:
                numbers[target] = len(numbers)
                pending.append(target)
            row[symbol] = numbers[target]
        actions.append(row)
    words, patterns, first = _terminals(list(parser.terminals))
    final = numbers[table.end_states["start"]]
    return Tables(actions, [_rule(r) for r in rules], 0, final, words, patterns, first)


def _rule(rule: Any) -> Rule:
    kept = tuple(
        (index, not symbol.is_term and symbol.name.startswith("_"))
        for index, symbol in enumerate(rule.expansion)
        if rule.options.keep_all_tokens or not (symbol.is_term and symbol.filter_out)
    )
    name = str(rule.origin.name)
    expand = bool(rule.options.expand1) and not rule.alias
    return Rule(name, len(rule.expansion), str(rule.alias or name), kept, expand)


def _terminals(
    terminals: list[Any],
) -> tuple[dict[str, tuple[str, ...]], tuple[tuple[str, str], ...], int]:
    """Terminals with finitely many spellings by spelling, and the patterns of the others. The last
    number says how many of the patterns come before all spellings.
    """
    ordered = sorted(terminals, key=lambda t: (-t.priority, -t.pattern.max_width, t.name))
    words: dict[str, list[str]] = {}
    patterns = []
    first = 0
    for terminal in ordered:
        if terminal.name in ("WS", "COMMENT", END):
            continue
        pattern = terminal.pattern
        spelt = [pattern.value] if pattern.type == "str" else spellings(pattern.value)
        if spelt is None:
            patterns.append((str(terminal.name), str(pattern.to_regexp())))
            first += 0 if words else 1
        for word in spelt or ():
            words.setdefault(word, []).append(str(terminal.name))
    return {w: tuple(names) for w, names in sorted(words.items())}, tuple(patterns), first


def spellings(pattern: str) -> list[str] | None:
    """What a pattern of alternatives matches, `(last|every)\\b`; None for any other pattern."""
    body = pattern.removesuffix(r"\b")
    if body.startswith("(") and body.endswith(")"):
        body = body[1:-1].removeprefix("?:")
    parts = re.split(r"(?<!\\)\|", body)
    plain = [re.sub(r"\\(\W)", r"\1", part) for part in parts]
    fits = all(part in (p, re.escape(p)) for p, part in zip(plain, parts, strict=True))
    return plain if fits and all(re.fullmatch(pattern, p) for p in plain) else None
