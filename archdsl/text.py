"""Text as cards use it: runs of one tone and weight, measured with the shipped font's advances.

The font's subset has neither kerning nor ligatures, so a width is a plain sum, the same in every
renderer:

    width("RoPE", 10, 400) == (advance R + advance o + advance P + advance E) * 10 / UNITS

A character outside the subset stays what it is where the reader's fonts may have it, in the room
of a wide one. Pictures of dots and pages have no other font: there it is reduced to its base
letter, or else shown as a hollow square, unless a font is `lent` that has it.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby

from archdsl.fonts.advances import ADVANCES, CAP_HEIGHT, CHARACTERS, UNITS
from archdsl.record import record, replace

Weight = int
REGULAR, SEMIBOLD, BOLD = 400, 600, 700

LINE_HEIGHT = 1.3
"""Distance of two baselines, in font sizes."""
CAPITAL = CAP_HEIGHT / UNITS
"""Height of a capital letter, in font sizes."""
DESCENT = 0.21
"""How far letters such as g reach below the baseline, in font sizes."""

_WIDTHS = {weight: dict(zip(CHARACTERS, row, strict=True)) for weight, row in ADVANCES.items()}
_MISSING = "□"
_DOT = " · "
_FOREIGN = 0.7
"""How wide a character of another script is taken to be, in font sizes, where nothing tells."""
_lent: dict[str, float] = {}


@record
class Run:
    """A piece of a line: its text, the theme's role that colours it, its weight (400, 600
    or 700).
    """

    text: str
    tone: str = "ink"
    weight: Weight = REGULAR


Line = tuple[Run, ...]


def line(text: str, tone: str = "ink", weight: Weight = REGULAR) -> Line:
    """A line of one run, or of none where there is nothing to say."""
    return (Run(text, tone, weight),) if text else ()


def plain(runs: Line) -> str:
    """The characters of a line."""
    return "".join(run.text for run in runs)


def printable(text: str) -> str:
    """`text` without what cannot be seen: white space and control characters become spaces."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " for sign in text)


@lru_cache(maxsize=8192)
def drawable(text: str) -> str:
    """`text` with only characters of the shipped font and of a lent one: others are reduced to
    their base letters, or else shown as a hollow square.
    """
    known = _WIDTHS[REGULAR]
    if all(character in known for character in text):
        return text
    shown: list[str] = []
    for character in printable(text):
        if character in known or character in _lent:
            shown.append(character)
            continue
        base = unicodedata.normalize("NFKD", character)
        letters = "".join(part for part in base if not unicodedata.combining(part))
        shown.append(letters if letters and all(c in known for c in letters) else _MISSING)
    return "".join(shown)


def lacking(text: str) -> tuple[str, ...]:
    """The characters of a text that neither the shipped font nor a lent one has, each once."""
    known = _WIDTHS[REGULAR]
    if all(character in known for character in text):
        return ()
    missing = (c for c in printable(text) if c not in known and c not in _lent)
    return tuple(dict.fromkeys(missing))


def is_shipped(text: str) -> bool:
    """Whether the shipped font has all characters of a text."""
    known = _WIDTHS[REGULAR]
    return all(character in known for character in text)


@contextmanager
def lent(advances: Mapping[str, float]) -> Iterator[None]:
    """Inside, characters that the shipped font lacks have the widths of another, and of no font
    that is lent around it.
    """
    around = dict(_lent)
    _lend(advances)
    try:
        yield
    finally:
        _lend(around)


def _lend(advances: Mapping[str, float]) -> None:
    _lent.clear()
    _lent.update(advances)
    _forget()


def _forget() -> None:
    """What was measured with other fonts."""
    for measured in (width, drawable, balanced):
        measured.cache_clear()


@lru_cache(maxsize=8192)
def width(text: str, size: float, weight: Weight = REGULAR) -> float:
    """Width in pixels of `text` set at `size` pixels. What no font here has is taken to be as wide
    as such characters are at most in the reader's own.
    """
    widths = _WIDTHS[weight]
    try:
        return sum(map(widths.__getitem__, text)) * size / UNITS
    except KeyError:
        return sum(_advance(sign, widths) for sign in printable(text)) * size / UNITS


def _advance(sign: str, widths: Mapping[str, int]) -> float:
    own = widths.get(sign, _lent.get(sign))
    if own is not None:
        return own
    if unicodedata.combining(sign):
        return 0.0
    wide = unicodedata.east_asian_width(sign) in "WF"
    return UNITS * (1.0 if wide else _FOREIGN)


def line_width(runs: Line, size: float) -> float:
    """Width in pixels of a line of several runs."""
    return sum(width(run.text, size, run.weight) for run in runs)


def wrap(runs: Line, size: float, limit: float) -> tuple[Line, ...]:
    """Break a line at spaces so that none is wider than `limit` pixels; a longer word keeps its own
    line.

    Items between dots ("8 heads · RoPE") stay whole where they fit on a line, and where a line ends
    between two items there is no dot.
    """
    lines: list[list[Run]] = [[]]
    used = 0.0
    for dot, item in _items(_words(runs)):
        whole = _spaced(item)
        for number, word in enumerate([whole] if line_width(whole, size) <= limit else item):
            last = lines[-1][-1] if lines[-1] else Run("")
            glue = (
                Run(_DOT, dot.tone, dot.weight) if dot and not number else replace(last, text=" ")
            )
            between = width(glue.text, size, glue.weight)
            extent = line_width(word, size)
            if lines[-1] and used + between + extent > limit:
                lines.append([])
            if lines[-1]:
                lines[-1].append(glue)
                used += between + extent
            else:
                used = extent
            lines[-1].extend(word)
    return tuple(_joined(line) for line in lines if line)


def _items(words: list[Line]) -> list[tuple[Run | None, list[Line]]]:
    """Words in items, split at the words that are a dot; each item with the dot before it."""
    items: list[tuple[Run | None, list[Line]]] = [(None, [])]
    for word in words:
        if plain(word) == _DOT.strip():
            items.append((word[0], []))
        else:
            items[-1][1].append(word)
    return [item for item in items if item[1]]


def _spaced(words: list[Line]) -> Line:
    """Words as one line, with a space between them."""
    spaced: list[Run] = []
    for word in words:
        if spaced:
            last = spaced[-1]
            spaced[-1] = Run(last.text + " ", last.tone, last.weight)
        spaced.extend(word)
    return _joined(spaced)


@lru_cache(maxsize=8192)
def balanced(runs: Line, size: float, limit: float) -> tuple[Line, ...]:
    """Like `wrap`, with lines as even as they can be without there being more of them."""
    lines = wrap(runs, size, limit)
    low, high = limit / 3, limit
    while high - low > 2.0:
        middle = (low + high) / 2
        if len(wrap(runs, size, middle)) > len(lines) or widest(runs, size) > middle:
            low = middle
        else:
            high = middle
    return wrap(runs, size, high)


def widest(runs: Line, size: float) -> float:
    """Width in pixels of the widest word of a line."""
    return max((line_width(word, size) for word in _words(runs)), default=0.0)


def _words(runs: Line) -> list[Line]:
    """The words of a line; a word may change its tone in the middle."""
    words: list[list[Run]] = [[]]
    for run in runs:
        for number, piece in enumerate(run.text.split(" ")):
            if number and words[-1]:
                words.append([])
            if piece:
                words[-1].append(Run(piece, run.tone, run.weight))
    return [tuple(word) for word in words if word]


def _joined(runs: list[Run]) -> Line:
    """Neighbours of the same tone and weight as one run."""
    groups = groupby(runs, lambda run: (run.tone, run.weight))
    return tuple(Run("".join(run.text for run in group), *kind) for kind, group in groups)


def fitted(text: str, size: float, limit: float, weight: Weight = REGULAR) -> str:
    """`text`, shortened with an ellipsis if it is wider than `limit` pixels."""
    if width(text, size, weight) <= limit:
        return text
    widths = _WIDTHS[weight]
    advance, kept = float(widths["…"]), 0
    for character in printable(text):
        advance += _advance(character, widths)
        if advance * size / UNITS > limit:
            break
        kept += 1
    return text[:kept].rstrip() + "…"
