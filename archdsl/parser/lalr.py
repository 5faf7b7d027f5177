"""Running LALR(1) tables: text to a tree of tokens.

The tables are Lark's, computed ahead of time from the grammar (`tables.py`); running them needs
forty lines and no library, and loading a library is what a start would spend most of its time on.

The lexer is contextual: a word is a keyword only where the parser could go on with one, so that
`last` or `stream` stay good names. Where several terminals fit, the grammar's priorities decide,
then length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from archdsl.record import record

END = "$END"
_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")
_WORD = re.compile(r"[^\W\d]\w*")


class Token(str):
    """A piece of text that is a terminal of the grammar."""

    __slots__ = ("end_pos", "start_pos", "type")
    type: str
    start_pos: int
    end_pos: int


class Tree:
    """A rule of the grammar with what it was made of; positions are characters of the text."""

    __slots__ = ("children", "data", "end_pos", "start_pos")

    def __init__(
        self, data: str, children: list[Tree | Token], start_pos: int, end_pos: int
    ) -> None:
        self.data = data
        self.children = children
        self.start_pos = start_pos
        self.end_pos = end_pos


class Unexpected(Exception):
    """Raised where the text cannot go on as it does.

    `token` is what stands there, None for a character that begins no token. `expected` are the
    terminals that could stand there instead.
    """

    def __init__(self, position: int, token: Token | None, expected: frozenset[str]) -> None:
        self.position, self.token, self.expected = position, token, expected
        super().__init__(position)


@record
class Rule:
    """`origin` <- `length` symbols. `kept` are the children that stay: (index, whether its own
    children take its place). `expand`: a single child takes the place of the node.
    """

    origin: str
    length: int
    data: str
    kept: tuple[tuple[int, bool], ...]
    expand: bool


@dataclass(frozen=True, slots=True)
class Tables:
    """`actions[state][symbol]`: a state to go to, or ~n for reducing by rule n.

    `words` are terminals with few spellings, by their spelling: keywords and signs. `patterns` are
    the others in the order of their priority, `first` of them are tried before the words. `start`
    and `final` are states.
    """

    actions: list[dict[str, int]]
    rules: list[Rule]
    start: int
    final: int
    words: Mapping[str, tuple[str, ...]]
    patterns: tuple[tuple[str, str], ...]
    first: int
    _compiled: list[tuple[str, re.Pattern[str]]] = field(default_factory=list)

    @property
    def compiled(self) -> list[tuple[str, re.Pattern[str]]]:
        """The patterns, ready to be matched."""
        if not self._compiled:
            self._compiled.extend((name, re.compile(text)) for name, text in self.patterns)
        return self._compiled


def parse(tables: Tables, text: str) -> Tree:
    """The tree of a text. Raises Unexpected."""
    states, values = [tables.start], list[Tree | Token]()
    actions, rules = tables.actions, tables.rules
    position, length = 0, len(text)
    while True:
        position = _blank_end(text, position)
        token = _token(tables, text, position, states) if position < length else None
        symbol = END if token is None else token.type
        while True:
            action = actions[states[-1]].get(symbol)
            if action is None:
                unexpected = token if token is not None else _new_token(END, "", length)
                raise Unexpected(position, unexpected, accepted(tables, states))
            if action >= 0:
                break
            _reduce(rules[~action], states, values, actions, position)
            if token is None and states[-1] == tables.final:
                tree = values[-1]
                assert isinstance(tree, Tree)
                return tree
        assert token is not None
        states.append(action)
        values.append(token)
        position = token.end_pos


def _reduce(
    rule: Rule,
    states: list[int],
    values: list[Tree | Token],
    actions: list[dict[str, int]],
    position: int,
) -> None:
    """Replaces the symbols of a rule on the stack by its node."""
    start, end, children = position, position, list[Tree | Token]()
    if rule.length:
        below = values[-rule.length :]
        start, end = below[0].start_pos, below[-1].end_pos
        del values[-rule.length :], states[-rule.length :]
        for index, inline in rule.kept:
            child = below[index]
            if inline and isinstance(child, Tree) and not children:
                children = child.children  # a list grows in place: copying it would be quadratic
            elif inline and isinstance(child, Tree):
                children.extend(child.children)
            else:
                children.append(child)
    if rule.expand and len(children) == 1:
        values.append(children[0])
    else:
        values.append(Tree(rule.data, children, start, end))
    states.append(actions[states[-1]][rule.origin])


def accepted(tables: Tables, states: list[int]) -> frozenset[str]:
    """The terminals with which the parser could go on, reductions on the way taken into account."""
    here = tables.actions[states[-1]]
    return frozenset(s for s in here if s.isupper() and _goes_on(tables, states, s))


def _goes_on(tables: Tables, states: list[int], symbol: str) -> bool:
    stack = list(states)
    while True:
        action = tables.actions[stack[-1]].get(symbol)
        if action is None:
            return False
        if action >= 0:
            return True
        rule = tables.rules[~action]
        if rule.length:
            del stack[-rule.length :]
        stack.append(tables.actions[stack[-1]][rule.origin])
        if symbol == END and stack[-1] == tables.final:
            return True


# --- tokens ---------------------------------------------------------------------------------------


def _blank_end(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return position if match is None else match.end()


def _token(tables: Tables, text: str, position: int, states: list[int]) -> Token:
    """The token at a position, of a terminal that is allowed there; raises Unexpected for none."""
    token = _match(tables, text, position, tables.actions[states[-1]])
    if token is not None:
        return token
    raise Unexpected(position, _match(tables, text, position, None), accepted(tables, states))


def _match(
    tables: Tables, text: str, position: int, allowed: Mapping[str, int] | None
) -> Token | None:
    word = _WORD.match(text, position)
    spelt = [word.group()] if word else [text[position : position + n] for n in (3, 2, 1)]
    patterns = tables.compiled
    token = _pattern(patterns[: tables.first], text, position, allowed)
    if token is not None:
        return token
    for piece in spelt:
        for name in tables.words.get(piece, ()):
            if allowed is None or name in allowed:
                return _new_token(name, piece, position)
    return _pattern(patterns[tables.first :], text, position, allowed)


def _pattern(
    patterns: list[tuple[str, re.Pattern[str]]],
    text: str,
    position: int,
    allowed: Mapping[str, int] | None,
) -> Token | None:
    for name, pattern in patterns:
        if allowed is None or name in allowed:
            match = pattern.match(text, position)
            if match is not None:
                return _new_token(name, match.group(), position)
    return None


def _new_token(type: str, text: str, position: int) -> Token:
    token = Token(text)
    token.type = type
    token.start_pos = position
    token.end_pos = position + len(text)
    return token
