"""Which keys each query of an attention sees, evaluated from the functions that say so.

    Attend(scale, Window(1024))     query >= key and query - key < 1024

A mask is asked at pairs of positions, never written as a matrix: `seen(model, module)` follows the
condition that hides scores before a softmax back to positions and settings. What content decides,
the choice of an indexer, is drawn by lot in the share that it takes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

from archdsl.axes import RestFactor, size
from archdsl.dims import Dim, substitute
from archdsl.graph import Model, Module, Single
from archdsl.nodes import (
    Along,
    Apply,
    Cache,
    Choose,
    Einsum,
    Elementwise,
    Fill,
    Gather,
    Input,
    Item,
    Node,
    Number,
    Positions,
    Read,
    Rearrange,
    Repeat,
)
from archdsl.ops import HIDDEN, Known, evaluated
from archdsl.record import record
from archdsl.symbols import SEEN, STREAM, entry_tokens

At = Callable[[int, int], Known]
"""From the positions of a query and a key to what a value is there."""

CELLS = 20
"""Queries and keys of a picture."""
_SHOWN = 0.36
"""Of the keys before the last query at most so many are seen, where a mask hides any: a window is a
band, not a triangle.
"""
_MOST_TOKENS = 1 << 20
_MOST_VALUES = 2000
_SAMPLE = 200
UNSEEN, ENTRY, TOKEN = " ", ".", "#"
"""A cell: not seen, seen in an entry that stands for several tokens, seen itself."""


@record
class Seen:
    """A picture of a mask: `rows` from the first query, each with a character for every key.
    `tokens`: how many tokens the rows and columns are spread over.
    """

    rows: tuple[str, ...]
    tokens: int


@record
class Heads:
    """Heads of an attention: of its queries, and those of what is kept. A `latent`, of which a
    matrix makes keys and values, is one.
    """

    queries: int
    kept: int
    latent: bool = False


def seen(model: Model, module: Module) -> Seen | None:
    """The mask of an attention; None where it has none that positions, settings and the choices of
    indexers decide.
    """
    frame = _Frame(model, module)
    for within, softmax in _softmaxes(frame, set()):
        condition = _condition(within, softmax)
        if condition is None:
            continue
        parts = [part for place in condition for part in _parts(*place)]
        return _picture(parts) if parts and all(part.at for part in parts) else None
    return None


def heads(model: Model, module: Module) -> Heads | None:
    """The heads of an attention with softmax; None where they are not to be known."""
    frame = _Frame(model, module)
    for within, softmax in _softmaxes(frame, set()):
        scores = _scores(within, softmax)
        if scores is None:
            continue
        queries, keys = scores
        kept = _kept(frame)
        if queries >= 1:
            most = max((count for count, _ in kept), default=keys)
            return Heads(queries, min(queries, most), any(latent for _, latent in kept))
    return None


# --- where values are -----------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Frame:
    """An application of a module: `given` says where its inputs were made."""

    model: Model
    module: Module
    given: dict[int, tuple[_Frame, int]] = field(default_factory=dict)
    functions: dict[int, At | None] = field(default_factory=dict)

    def inside(self, number: int) -> _Frame | None:
        """The application at a node, where it is one of one module."""
        node = self.module.nodes[number]
        if not isinstance(node.form, Apply):
            return None
        child = self.module.child(node.form.child)
        modules = [module for _, module in child.at(node.form)]
        if not isinstance(child.part, Single) or len(modules) != 1:
            return None
        inner = modules[0]
        own = len(node.args) - node.form.context
        names = dict(zip(child.given(node.form), node.args[own:], strict=True))
        args = [*node.args[:own], *(names[name] for name in inner.context)]
        if len(args) != len(inner.inputs):
            return None
        places = ((self, arg) for arg in args)
        return _Frame(self.model, inner, dict(zip(inner.inputs, places, strict=True)))

    def axes(self, number: int) -> list[Dim]:
        """The axes of a value in the block's own symbols."""
        return [axis for axis in self.module.nodes[number].type.axes if isinstance(axis, Dim)]

    def is_key(self, axis: Dim) -> bool:
        """Whether an axis has a place for every token seen, or every entry of several."""
        return axis.name == SEEN or SEEN in self.model.number(self.module, axis).symbols()


def _origin(frame: _Frame, number: int) -> tuple[_Frame, int]:
    """Where a value was made: through inputs and results of blocks."""
    node = frame.module.nodes[number]
    if isinstance(node.form, Input) and number in frame.given:
        return _origin(*frame.given[number])
    result = node.form.index if isinstance(node.form, Item) else 0
    source = node.args[0] if isinstance(node.form, Item) else number
    inner = frame.inside(source)
    return (frame, number) if inner is None else _origin(inner, inner.module.outputs[result])


def _softmaxes(frame: _Frame, walked: set[int]) -> Iterator[tuple[_Frame, int]]:
    """Every softmax of a block over what was seen, those of blocks inside it where they stand."""
    if frame.module.id in walked:
        return
    walked.add(frame.module.id)
    for number, node in enumerate(frame.module.nodes):
        if isinstance(node.form, Along) and node.op == "softmax":
            over_keys = any(map(frame.is_key, _along(node.form)))
            if over_keys and any(_masked(frame, number)):
                yield frame, number
        elif (inner := frame.inside(number)) is not None:
            yield from _softmaxes(inner, walked)


def _along(form: Along) -> Iterator[Dim]:
    """The axes that an operation works along."""
    named = (item for item in form.plan.left[0] if not isinstance(item, RestFactor))
    return map(size, named)


def _masked(frame: _Frame, number: int) -> Iterator[int]:
    """The choices between scores and minus infinity that lead to a softmax, in one body."""
    waiting = list(frame.module.nodes[number].args)
    for _ in range(_MOST_VALUES):
        if not waiting:
            return
        at = waiting.pop()
        node = frame.module.nodes[at]
        if node.op == "select" and _is_hiding(frame, node):
            yield at
        elif isinstance(node.form, Elementwise | Rearrange | Repeat):
            waiting.extend(node.args)


def _is_hiding(frame: _Frame, node: Node) -> bool:
    other = frame.module.nodes[node.args[2]].form
    if not isinstance(other, Number) or isinstance(other.value, Dim):
        return False
    return frame.model.real(frame.module, other.value) == HIDDEN


def _condition(frame: _Frame, softmax: int) -> list[tuple[_Frame, int]] | None:
    """The conditions that hide scores before a softmax."""
    choices = list(_masked(frame, softmax))
    places = [(frame, frame.module.nodes[choice].args[0]) for choice in choices]
    return places or None


# --- what a condition is at a pair ----------------------------------------------------------------


@record
class _Part:
    """A condition over keys that lie side by side; `every`: the tokens that a key stands for."""

    at: At | None
    every: int


def _parts(frame: _Frame, number: int) -> list[_Part]:
    """A condition, or those whose keys it joins to one axis."""
    frame, number = _origin(frame, number)
    node = frame.module.nodes[number]
    if isinstance(node.form, Rearrange | Repeat) and len(node.args) == 1:
        return _parts(frame, node.args[0])
    if isinstance(node.form, Rearrange) and len(node.args) > 1:
        return [part for arg in node.args for part in _parts(frame, arg)]
    keys = [axis for axis in frame.axes(number) if frame.is_key(axis)]
    every = entry_tokens(frame.model.number(frame.module, keys[-1])) if keys else 0
    return [_Part(_function(frame, number), every or 1)]


def _function(frame: _Frame, number: int) -> At | None:
    """A value as a function of the positions of a query and a key; None where nothing is known."""
    if number not in frame.functions:
        frame.functions[number] = None  # what it depends on cannot depend on it
        frame.functions[number] = _made(frame, number)
    return frame.functions[number]


def _made(frame: _Frame, number: int) -> At | None:
    origin = _origin(frame, number)
    if origin != (frame, number):
        return _function(*origin)
    module, model = frame.module, frame.model
    node = module.nodes[number]
    match node.form:
        case Number(value):
            if isinstance(value, Dim):
                return _length(model.number(module, value))
            known = model.real(module, value)
            return None if known is None else lambda _q, _k: known
        case Positions(axis):
            if frame.is_key(axis):
                return lambda _q, k: k
            streams = axis.name == STREAM or STREAM in model.number(module, axis).symbols()
            return (lambda q, _k: q) if streams else None
        case Choose(_, _, count):
            return _choice(frame, node.args[0], model.number(module, count).value)
        case Gather():
            return _looked_up(*(_function(frame, arg) for arg in node.args))
        case Elementwise(op):
            return _elementwise(op, [_function(frame, arg) for arg in node.args])
        case Rearrange() | Repeat() | Fill() if len(node.args) == 1:
            return _function(frame, node.args[0])
    return None


def _length(d: Dim) -> At | None:
    """A dimension; the tokens so far are those up to the query, as in decoding."""
    known = d.value
    if known is not None:
        return lambda _q, _k: known
    if d.symbols() - {SEEN}:
        return None
    return lambda q, _k: substitute(d, {SEEN: Dim.number(q + 1)}).value


def _elementwise(op: str, args: list[At | None]) -> At | None:
    """An operation at a pair, where anything is known of its operands."""
    if not any(args):
        return None
    return lambda q, k: evaluated(op, [_at(arg, q, k) for arg in args])


def _at(function: At | None, q: int, k: int) -> Known:
    return None if function is None else function(q, k)


def _looked_up(table: At | None, index: At | None) -> At | None:
    """An entry of a row of keys, at a place that positions decide."""
    if table is None or index is None:
        return None

    def at(q: int, k: int) -> Known:
        place = index(q, k)
        return None if place is None else table(q, int(place))

    return at


def _choice(frame: _Frame, scores: int, count: int | None) -> At | None:
    """The largest of scores that content decides: by lot, so many of those that are not hidden."""
    if count is None:
        return None
    keys = [axis for axis in frame.axes(scores) if frame.is_key(axis)]
    every = (entry_tokens(frame.model.number(frame.module, keys[-1])) if keys else 0) or 1
    score = _function(frame, scores)

    def hidden(q: int, k: int) -> bool:
        return _at(score, q, k) == HIDDEN

    @cache
    def candidates(q: int) -> float:
        """How many keys are not hidden, by a sample."""
        keys = q // every + 1
        sample = range(keys) if keys <= _SAMPLE else (_lot(q, i) * keys for i in range(_SAMPLE))
        shown = sum(not hidden(q, int(k)) for k in sample)
        return max(1.0, shown * keys / min(keys, _SAMPLE))

    def at(q: int, k: int) -> Known:
        return not hidden(q, k) and _lot(q, k) * candidates(q) < count

    return at


def _lot(q: int, k: int) -> float:
    """A number from 0 to 1 for a pair, the same on every machine."""
    return zlib.crc32(b"%d %d" % (q, k)) / 2**32


# --- the picture ----------------------------------------------------------------------------------


def _picture(parts: list[_Part]) -> Seen | None:
    """Cells at pairs of positions that lie evenly over so many tokens that all of the mask is
    seen.
    """
    tokens = max(_tokens(part) for part in parts)
    places = [(2 * i + 1) * tokens // (2 * CELLS) for i in range(CELLS)]
    rows: list[str] = []
    for q in places:
        row = ""
        for k in places:
            marks = [_mark(part, q, k) for part in parts]
            if None in marks:
                return None
            row += TOKEN if TOKEN in marks else ENTRY if ENTRY in marks else UNSEEN
        rows.append(row)
    return Seen(tuple(rows), tokens)


def _mark(part: _Part, q: int, k: int) -> str | None:
    truth = _at(part.at, q, k // part.every)
    if truth is None:
        return None
    return (TOKEN if part.every == 1 else ENTRY) if truth else UNSEEN


def _tokens(part: _Part) -> int:
    """How many tokens show what a mask hides of those before the last query."""
    tokens = CELLS
    while tokens <= _MOST_TOKENS:
        last = tokens - 1
        places = [(2 * i + 1) * tokens // (2 * CELLS) for i in range(CELLS)]
        shown = sum(_mark(part, last, k) not in (UNSEEN, None) for k in places)
        if 0 < shown <= _SHOWN * CELLS:
            return tokens
        tokens *= 2
    return CELLS


# --- heads ----------------------------------------------------------------------------------------


def _scores(frame: _Frame, softmax: int) -> tuple[int, int] | None:
    """How many heads the scores before a softmax have, and how many of these do not share keys."""
    model, module = frame.model, frame.module
    for choice in _masked(frame, softmax):
        axes = [model.number(module, axis) for axis in frame.axes(choice)]
        numbers = [axis.value for axis in axes if axis.value is not None]
        queries = 1
        for number in numbers:
            queries *= number
        return queries, numbers[0] if len(numbers) > 1 else queries
    return None


def _kept(frame: _Frame) -> list[tuple[int, bool]]:
    """How many heads each has that a block keeps of a token, and whether it is a latent. Where it
    keeps nothing itself, of the first block inside it that does.
    """
    kept: list[tuple[int, bool]] = []
    for number, node in enumerate(frame.module.nodes):
        if isinstance(node.form, Cache):
            axes = [frame.model.number(frame.module, axis).value for axis in frame.axes(number)]
            numbers = [axis for axis in axes if axis is not None]
            heads = numbers[0] if len(numbers) > 1 else 0
            kept.append((heads or 1, not heads and _multiplied(frame, number)))
        elif (inner := frame.inside(number)) is not None and not kept:
            kept += _kept(inner)
    return kept


def _multiplied(frame: _Frame, number: int) -> bool:
    """Whether a matrix is applied to a value, however its numbers are moved before."""
    reached = {number}
    for reader, node in enumerate(frame.module.nodes):
        if reached.isdisjoint(node.args):
            continue
        inner = frame.inside(reader)
        if _matrix(frame.module, node) or (inner and _has_matrix(inner.module)):
            return True
        if isinstance(node.form, Rearrange | Repeat | Elementwise | Item):
            reached.add(reader)
    return False


def _has_matrix(module: Module) -> bool:
    return any(_matrix(module, node) for node in module.nodes)


def _matrix(module: Module, node: Node) -> bool:
    """Whether a node multiplies by a parameter."""
    reads = (isinstance(module.nodes[arg].form, Read) for arg in node.args)
    return isinstance(node.form, Einsum) and any(reads)
