"""What a text uses of the grammar: alternatives, optional parts, spellings of words.

    binary or          the alternative of a rule that has this sign or this part
    block where        a part that may be left out
    block, no where    the same left out
    names NAME...      more than one
    LIMIT every        a spelling of a word that has several

`every_part()` has all of them, `parts(text)` those that a text uses. The rules are those that Lark
makes of `grammar/arch.lark`, for which an optional part is one more rule.
"""

import re
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import lark
from lark.parser_frontends import ParsingFrontend

from archdsl.parser import tables
from archdsl.parser.tables import spellings

ENDINGS = ("e", "K", "M", "B", "T", "Ki", "Mi")
"""How a number may end: an exponent, or one of the units."""
PUNCTUATION = {"COMMA", "COLON", "EQUAL", "LPAR", "RPAR", "LSQB", "RSQB", "LBRACE", "RBRACE"}
"""Signs that say nothing beside the parts that they stand with."""


class _Reader:
    """Lark's parser, which notes the rules that it completes and the words in them."""

    def __init__(self) -> None:
        made = lark.Lark(tables.grammar_path().read_text("utf-8"), parser="lalr")
        assert isinstance(made.parser, ParsingFrontend)
        calls = made.parser.parser.parser.callbacks
        self.parser = made
        self.met: set[str] = set()
        self.said = _said(made, list(calls))
        self.several = dict(_several(made))
        for rule, then in list(calls.items()):
            calls[rule] = partial(self._completed, self.said[rule], then)

    def _completed(self, said: frozenset[str], then: Any, children: Any) -> Any:
        self.met |= said
        for token in children:
            if isinstance(token, lark.Token) and token.type in self.several:
                self.met.add(f"{token.type} {token}")
            elif isinstance(token, lark.Token) and token.type == "NUMBER":
                end = re.search(r"(Ki|Mi|[KMBT]|e(?=[-+]?\d))", str(token))
                self.met |= {f"NUMBER {end[0]}"} if end else set()
        return then(children)


@cache
def _reader() -> _Reader:
    return _Reader()


def every_part() -> set[str]:
    """All parts of the grammar."""
    reader = _reader()
    words = {f"{name} {word}" for name, spelt in reader.several.items() for word in spelt}
    rules = {part for said in reader.said.values() for part in said}
    return rules | words | {f"NUMBER {end}" for end in ENDINGS}


def parts(text: str) -> set[str]:
    """The parts of the grammar that a text uses; raises lark.UnexpectedInput."""
    reader = _reader()
    reader.met.clear()
    reader.parser.parse(text)
    return set(reader.met)


def _said(made: lark.Lark, rules: list[Any]) -> dict[Any, frozenset[str]]:
    """The parts that each rule shows."""
    signs = {t.name: t.pattern.value for t in made.terminals if t.pattern.type == "str"}
    repeated = {r.origin.name for r in rules if r.origin.name.startswith("__")}
    groups: dict[tuple[str, str], list[Any]] = {}
    for rule in rules:
        groups.setdefault((rule.origin.name, str(rule.alias)), []).append(rule)
    names = {s: signs.get(s, s) for r in rules for s in (x.name for x in r.expansion)}
    for name in repeated:
        first = next(r for r in rules if r.origin.name == name)
        names[name] = f"{_parts(first, repeated)[-1]}..."
    said: dict[Any, frozenset[str]] = {}
    for (origin, alias), group in groups.items():
        whole = re.sub(r"^__(\w+?)_+(star|plus)_\d+$", r"\1...", origin)
        called = whole if alias == "None" else alias
        own = {rule: frozenset(_parts(rule, set())) for rule in group}
        for rule, parts in own.items():
            shown = {f"{called} {names[p]}" for p in parts}
            bodies = repeated if _has_braces(rule) else set()  # `{ }` is of no use to anybody
            for other in own.values() if origin not in repeated else ():
                left = other - parts - bodies
                if parts < other and len(other - parts) == 1:
                    shown |= {f"{called}, no {names[p]}" for p in left}
            said[rule] = frozenset(shown or {called})
    return said


def _parts(rule: Any, without: set[str]) -> list[str]:
    names = [str(s.name) for s in rule.expansion]
    return [n for n in names if n not in PUNCTUATION and n not in without]


def _has_braces(rule: Any) -> bool:
    return any(s.name == "LBRACE" for s in rule.expansion)


def _several(made: lark.Lark) -> Iterator[tuple[str, list[str]]]:
    """Words that have several spellings, with these."""
    for terminal in made.terminals:
        if terminal.pattern.type == "re":
            spelt = spellings(terminal.pattern.value)
            if spelt and len(spelt) > 1:
                yield str(terminal.name), spelt
