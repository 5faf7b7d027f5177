"""Specs spoilt at random: the shipped ones and those of the documentation, a few tokens changed.

What most people write wrong is nearly right. A mutation leaves most of a spec as it was, so that
what is wrong is met deep inside the check and not by the parser alone.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

import markdown_cases

ROOT = Path(__file__).parent.parent

_TOKENS = re.compile(r'#[^\n]*|"(?:\\.|[^"\\\n])*"|\|>|->|<-|\+=|\?\?|[<>=!]=|//|\w+|\s+|\S')
_NAME = re.compile(r"[^\W\d]\w*\Z")
_NUMBER = re.compile(r"\d\w*\Z")

NAMES = (
    "d", "x", "y", "n", "B", "T", "S", "H", "tokens", "true", "null", "inf", "pi", "embed", "w",
    "Linear", "Embedding", "RMSNorm", "GQA", "GatedMLP", "TransformerLayer", "Identity", "stack",
    "bank", "mixture", "window", "len", "scan", "loop", "with", "over", "for", "in", "if", "else",
    "each",
    "share", "apart", "give", "given", "where", "lowers", "as", "cache", "last", "every", "param",
    "buffer", "const", "when", "return", "yield", "rearrange", "einsum", "sum", "softmax", "top_k",
    "gather", "zeros", "arange", "positions", "select", "float32", "int", "bool", "float", "dim",
    "count", "enum", "list", "not", "and", "or", "use", "std", "block", "model", "stream", "tiny",
    "variant", "card", "hub", "expect", "config", "weights", "skip", "callout", "inset", "name",
)  # fmt: skip
NUMBERS = ("0", "1", "2", "3", "7", "0.5", "1e-5", "1e9", "1e999", "65", "100_001", "1Mi", "9T",
           "99999999999999999999", "-1", "2024-02-30")  # fmt: skip
WEIRD = (
    "\0", "\x07", "\x1b[31m", "\x7f", "\x85", "\u202e", "\ufeff", "\u2028", "\ud7ff", "é", "𝔸", "½",
    "²", "\t", "\r", '"', "#", "##", "\\", "(", ")", "[", "]", "{", "}", ",", ":", ".", "...", "|>",
    "->", "<-", "=", "+=", "+", "-", "*", "/", "//", "%", "^", "??", "?", "~", "@", ";", "_",
)  # fmt: skip


@cache
def sources() -> tuple[tuple[str, str], ...]:
    """Every shipped spec, the standard library and every spec of the documentation, by name."""
    found = [
        (path.name, path.read_text("utf-8"))
        for folder in ("specs", "archdsl/std")
        for path in sorted((ROOT / folder).glob("*.arch"))
    ]
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in markdown_cases.blocks(page):
            if block.language == "arch":
                found.append((block.label, block.text))
    return tuple(found)


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A spec with one to four mutations."""
    texts = sources()
    # The documentation's are short: a mutation of one meets what stands beside it more often.
    _, text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 4))):
        tokens = _TOKENS.findall(text)
        places = [i for i, token in enumerate(tokens) if not token.isspace()]
        if not places:
            break
        mutation = draw(st.sampled_from(MUTATIONS))
        mutation(draw, tokens, places)
        text = "".join(tokens)
    return text


def _delete(draw: st.DrawFn, tokens: list[str], places: list[int]) -> None:
    at = draw(st.sampled_from(places))
    del tokens[at : at + draw(st.integers(1, 6))]


def _double(draw: st.DrawFn, tokens: list[str], places: list[int]) -> None:
    at, length = draw(st.sampled_from(places)), draw(st.integers(1, 40))
    tokens[at:at] = [*tokens[at : at + length], " "]


def _swap(draw: st.DrawFn, tokens: list[str], places: list[int]) -> None:
    at = draw(st.integers(0, len(places) - 1))
    first = places[at]
    second = places[min(len(places) - 1, at + draw(st.integers(1, 12)))]
    tokens[first], tokens[second] = tokens[second], tokens[first]


def _move(draw: st.DrawFn, tokens: list[str], places: list[int]) -> None:
    """A few tokens to another place."""
    at, length = draw(st.sampled_from(places)), draw(st.integers(1, 20))
    piece = tokens[at : at + length]
    del tokens[at : at + length]
    to = draw(st.integers(0, len(tokens)))
    tokens[to:to] = [" ", *piece, " "]


def _rename(draw: st.DrawFn, tokens: list[str], places: list[int]) -> None:
    """A name replaced by another name of the text, or by one that the language knows."""
    names = [i for i in places if _NAME.match(tokens[i])]
    if names:
        others = sorted({tokens[i] for i in names})
        other = draw(st.sampled_from(others) | st.sampled_from(NAMES))
        tokens[draw(st.sampled_from(names))] = other


def _count(draw: st.DrawFn, tokens: list[str], places: list[int]) -> None:
    """A number replaced by another one."""
    numbers = [i for i in places if _NUMBER.match(tokens[i])]
    if numbers:
        tokens[draw(st.sampled_from(numbers))] = draw(st.sampled_from(NUMBERS))


def _exchange(draw: st.DrawFn, tokens: list[str], places: list[int]) -> None:
    """A name or a number replaced by the other kind."""
    words = [i for i in places if re.match(r"\w", tokens[i])]
    if words:
        tokens[draw(st.sampled_from(words))] = draw(st.sampled_from(NAMES + NUMBERS))


def _insert(draw: st.DrawFn, tokens: list[str], places: list[int]) -> None:
    tokens.insert(draw(st.sampled_from(places)), draw(st.sampled_from(WEIRD)))


def _inside(draw: st.DrawFn, tokens: list[str], places: list[int]) -> None:
    """A character in the middle of a token."""
    at = draw(st.sampled_from(places))
    token = tokens[at]
    cut = draw(st.integers(0, len(token)))
    tokens[at] = token[:cut] + draw(st.sampled_from(WEIRD)) + token[cut:]


MUTATIONS: tuple[Callable[[st.DrawFn, list[str], list[int]], None], ...] = (
    _delete, _double, _swap, _move, _rename, _rename, _rename, _count, _exchange, _insert, _inside,
)  # fmt: skip
