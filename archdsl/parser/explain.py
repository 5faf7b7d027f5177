"""What can be said about a text that does not parse, in plain English.

Before parsing, `look_over` refuses what a parser answers badly: null bytes, brackets that do not
match, nesting without end. The set of expected terminals then becomes a sentence.
"""

from __future__ import annotations

import re
from unicodedata import normalize

from archdsl.diagnostic import Diagnostics, Label, nearest, printable
from archdsl.parser.foreign import foreign
from archdsl.parser.lalr import END, Token, Tree, Unexpected
from archdsl.source import Source, Span

MAX_NESTING = 60
"""Brackets deeper than this are refused; real specs nest six deep."""

MAX_CHAIN = 200
"""Operators in one expression, not counting the stages of a pipe, which are free."""

_TOKENS = re.compile(r'#[^\n]*|"(?:\\.|[^"\\\n])*"|[(){}\[\]]|\x00')
_PAIRS = {")": "(", "]": "[", "}": "{"}
_HIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffe\uffff]")
"""What a text may not hold: control characters, line breaks, turns of the direction of writing,
and what XML cannot hold.
"""
_WORDS = {
    "use": "USE", "block": "KIND", "model": "KIND", "param": "PARAM", "return": "RESULT",
    "cache": "CACHE", "variant": "VARIANT", "card": "CARD", "hub": "HUB", "where": "WHERE",
}  # fmt: skip
_PLAIN = {
    "NAME": "a name", "NUMBER": "a number", "INT": "a number", "STRING": "a text in quotes",
    "RBRACE": "`}`", "LBRACE": "`{`", "RPAR": "`)`", "LPAR": "`(`", "RSQB": "`]`", "LSQB": "`[`",
    "COMMA": "`,`", "COLON": "`:`", "EQUAL": "`=`", "DOT": "`.`", "ELLIPSIS": "`...`",
    "$END": "the end of the file", "DATE": "a date", "RATIO": "a percentage",
    "KIND": "`block` or `model`", "PARAM": "`param`", "RESULT": "`return`", "OWN": "`share`",
    "LIMIT": "`last` or `every`", "STREAM": "`stream`", "COMPARE": "a comparison",
    "SIGN": "`+` or `-`", "TIMES": "`*` or `/`", "POWER": "`^`",
    "OR": "`or`", "AND": "`and`", "IN": "`in`",
}  # fmt: skip
_VALUE = {"NAME", "NUMBER", "LPAR", "LSQB"}
_OPERATOR = {"SIGN", "TIMES", "POWER", "COMPARE"}
_LEADING = {"each", "not"}
_STATEMENT = {"COMMA", "EQUAL", "__ANON_1"}
_WORD = re.compile(r'#[^\n]*|"(?:\\.|[^"\\\n])*"|[^\W\d]\w*')


_BEGINNINGS = ("return", "yield", "param", "buffer", "const", "cache", "give", "share", "apart")
"""Words that begin a statement."""

_SIGNS = {
    "@": "a product of tensors is einsum[... m, n m -> ... n](x, w)",
    ";": "no sign ends a statement: write each on a line of its own",
    "'": 'a text stands in double quotes: "..."',
    "&": "write and",
    "!": "write not, or != between two values",
    "$": "in a text, {d} is the number of a setting; elsewhere it is called d",
    "`": "a name stands alone, without quotes",
}
"""Signs of other languages, and what is written instead."""

_HEADS = {"def": "block", "class": "block", "fn": "block", "function": "block",
          "struct": "block"}  # fmt: skip
"""Words that begin a declaration in other languages, and the one that does here."""


def look_over(source: Source, diagnostics: Diagnostics) -> bool:
    """Whether the text is fit to be parsed: no null bytes, brackets that match, bounded nesting.

    Characters that no text and no name can hold are told, and do not keep it from being parsed.
    """
    stack: list[tuple[str, int]] = []
    if not source.text.isascii():
        _strange_names(source, diagnostics)
    for match in _TOKENS.finditer(source.text):
        mark, here = match.group(), Span(source, match.start(), match.end())
        if mark == "\x00":
            diagnostics.add("syntax", "a null byte in the text", here, help="remove it")
            return False
        if mark[0] == '"':
            _hidden(source, match.start(), mark, diagnostics)
        if mark in "([{":
            stack.append((mark, match.start()))
            if len(stack) > MAX_NESTING:
                diagnostics.add(
                    "too-large",
                    f"brackets nest deeper than {MAX_NESTING}",
                    here,
                    help="bind inner parts to names",
                )
                return False
        elif mark in _PAIRS:
            if not stack or stack[-1][0] != _PAIRS[mark]:
                _mismatch(source, stack, mark, here, diagnostics)
                return False
            stack.pop()
    if stack:
        mark, start = stack[-1]
        opened = Span(source, start, start + 1)
        closing = next(c for c, o in _PAIRS.items() if o == mark)
        diagnostics.add(
            "syntax", f"this `{mark}` is never closed", opened, help=f"add the missing `{closing}`"
        )
        return False
    return True


def _hidden(source: Source, start: int, text: str, diagnostics: Diagnostics) -> None:
    """Reports the first character of a text in quotes that no reader sees."""
    match = _HIDDEN.search(text)
    if match is not None:
        here = start + match.start()
        message = f"a text in quotes holds the invisible character U+{ord(match.group()):04X}"
        help = "remove it; a line break is written \\n"
        diagnostics.add("syntax", message, Span(source, here, here + 1), help=help)


def _strange_names(source: Source, diagnostics: Diagnostics) -> None:
    """Reports names that Python has not, or knows as another name: emitted code is called as the
    spec is.
    """
    refused: set[str] = set()
    for match in _WORD.finditer(source.text):
        name = match.group()
        if name[0] in '#"' or name.isascii() or name in refused:
            continue
        if not name.isidentifier() or normalize("NFKC", name) != name:
            message = f"`{printable(name)}` is no name"
            help = "a name has letters, digits and _, no raised or joined ones"
            diagnostics.add("syntax", message, Span(source, *match.span()), help=help)
            refused.add(name)


def _mismatch(
    source: Source, stack: list[tuple[str, int]], mark: str, here: Span, diagnostics: Diagnostics
) -> None:
    if not stack:
        diagnostics.add("syntax", f"this `{mark}` closes nothing", here, help="remove it")
        return
    opening, start = stack[-1]
    label = Label(Span(source, start, start + 1), f"`{opening}` is still open here")
    closing = next(c for c, o in _PAIRS.items() if o == opening)
    diagnostics.add(
        "syntax",
        f"`{mark}` where `{closing}` was expected",
        here,
        labels=[label],
        help=f"close the `{opening}` first",
    )


def too_deep(source: Source, tree: Tree, start: int, diagnostics: Diagnostics) -> bool:
    """Whether an expression has more operators in a row than later stages should have to bear."""
    limit = 2 * MAX_NESTING + MAX_CHAIN
    pending: list[tuple[Tree, int]] = [(tree, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > limit:
            here = start + node.start_pos
            diagnostics.add(
                "too-large",
                f"an expression with more than {MAX_CHAIN} operators",
                Span(source, here, here + 1),
                help="bind parts of it to names",
            )
            return True
        for i, child in enumerate(node.children):
            if isinstance(child, Tree):
                flat = node.data == "pipe" and i == 0
                pending.append((child, depth if flat else depth + 1))
    return False


def explain(
    source: Source, start: int, end: int, error: Unexpected, diagnostics: Diagnostics
) -> None:
    """One diagnostic for an error that was raised on the text from `start` to `end`."""
    here, token = start + error.position, error.token
    begun = None if token is None else _begun(source, start, here, error.expected)
    heads = token in _HEADS and "KIND" in error.expected
    known = None if heads else foreign(source, start, here, begun)
    if known is not None:
        diagnostics.add("syntax", known.message, known.span, help=known.help)
        return
    if token is None:
        character = source.text[here : here + 1]
        if character == '"':
            message, help = "a text in quotes that does not end on its line", 'close it with a `"`'
        else:
            message = f"`{printable(character)}` has no meaning here"
            help = _SIGNS.get(character) or _expected(error.expected)
        diagnostics.add("syntax", message, Span(source, here, here + 1), help=help)
        return
    help = _hint(token, error.expected) or _expected(error.expected)
    if token.type == END:
        here = max(len(source.text[:end].rstrip()), 1)
        span = Span(source, here - 1, here)
        if _WITHOUT_BRACES.fullmatch(source.text, start, end):
            help = "what is known of a variant stands in braces behind it: { }"
        diagnostics.add("syntax", "the declaration ends too early", span, help=help)
        return
    span = Span(source, here, here + len(token))
    before = _word_before(source, start, here)
    if before is not None and before.text in _LEADING and error.expected >= _VALUE:
        message = f"`{before.text}` is a keyword and cannot be used as a name"
        diagnostics.add("syntax", message, before, help="choose another name")
        return
    if begun is not None:
        _without_end(source, end, begun, diagnostics)
        return
    diagnostics.add("syntax", _headline(token, error.expected), span, help=help)


def _hint(token: Token, expected: frozenset[str]) -> str:
    """What somebody who comes from another language may have meant, or an empty string."""
    text = str(token)
    if text in _HEADS and "KIND" in expected:
        return f"declare it with `{_HEADS[text]}`"
    if text == "=" and "COLON" in expected and len(expected) > 1:
        return "an argument is written name: value; == compares"
    if text == "=" and expected >= _OPERATOR:
        return "write == to compare, and name: value for an argument"
    if text == "with":
        return "`with` changes settings of a variant, by its name: variant B = A with (d: 64)"
    if text == "*" and expected >= _VALUE:
        return "a power is x ^ y"
    if token.type == "COMPARE" and expected >= {"AND", "OR"}:
        return "comparisons do not chain: a < b and b < c; a pipe is |>"
    if token.type in {*_OPERATOR, "PLUS", "MINUS", "SLASH", "STAR"} and "__ANON_3" in expected:
        return "put the pipe in parentheses: (x |> f) * y"
    return ""


def _without_end(source: Source, end: int, begun: Span, diagnostics: Diagnostics) -> None:
    """Reports a name that is followed by what no statement begins with."""
    name = begun.text
    message = f"`{name}` begins a statement that does not go on"
    help = nearest(name, _BEGINNINGS)
    help = help or f"write {name} = ..., or join it to what stands before it: |> {name}"
    value = _VALUE_ALONE.match(source.text, begun.start, end)
    if value is not None:
        line = value.group().split("\n")[0].rstrip("{} \t")
        message = f"nothing keeps the value of this expression, which begins with `{name}`"
        help = f"write name = {line}"
        if _NOTHING_BUT_THE_END.fullmatch(source.text, value.end(), end):
            help = f"a body gives back its result by return: return {line}"
    diagnostics.add("syntax", message, begun, help=help)


_VALUE_ALONE = re.compile(r"[^\W\d]\w*\s*(?:\|>|[-+*/^(.\[])[^\n]*(?:\n\s*(?:\|>|[-+*/)])[^\n]*)*")
"""An expression of more than a name that stands where a statement should."""
_WITHOUT_BRACES = re.compile(r"variant\b[^{]*")
"""A variant in which no braces open."""
_NOTHING_BUT_THE_END = re.compile(r"(?:\s|#[^\n]*)*(?:\}(?:\s|#[^\n]*)*)?")


def _begun(source: Source, start: int, here: int, expected: frozenset[str]) -> Span | None:
    """The name before an error where only a statement can have begun with it."""
    return _word_before(source, start, here) if expected == _STATEMENT else None


def _word_before(source: Source, start: int, here: int) -> Span | None:
    """The last word of a declaration before a place."""
    words = list(_WORD.finditer(source.text, start, here))
    names = [m for m in words if m.group()[0] not in '#"']
    return Span(source, *names[-1].span()) if names else None


def _headline(token: Token, expected: frozenset[str]) -> str:
    text = printable(str(token))
    if token.type == "NAME" and "NAME" not in expected and _OPERATOR & expected:
        return f"`{text}` follows a finished expression"
    if text in _WORDS and "NAME" in expected:
        return f"`{text}` is a keyword and cannot be used as a name"
    return f"`{text}` is not expected here"


def _expected(expected: frozenset[str]) -> str:
    if not expected:
        return ""
    if expected >= _VALUE:
        return "an expression is expected"
    if expected >= _OPERATOR:
        return "an operator, `|>` or `(` can follow an expression"
    names = []
    for terminal in sorted(expected):
        if terminal in _OPERATOR and len(expected) > 4:
            continue
        names.append(_PLAIN.get(terminal, f"`{_symbol(terminal)}`"))
    names = sorted(set(names))[:6]
    return (
        f"expected {' or '.join(names)}"
        if len(names) < 3
        else f"expected one of {', '.join(names)}"
    )


_SYMBOLS = {
    "__ANON_0": "->", "__ANON_1": "+=", "__ANON_2": "??", "__ANON_3": "|>", "__ANON_4": "<-",
    "TILDE": "~", "MINUS": "-", "PLUS": "+", "SLASH": "/",
}  # fmt: skip


def _symbol(terminal: str) -> str:
    return _SYMBOLS.get(terminal, terminal.lower())
