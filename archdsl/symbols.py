"""What a name in a dimension stands for: a symbol of one block, or one of the whole model.

A block's own symbols are plain names, `heads`. Those of the model are marked, `$heads`, and are the
same in all blocks: its settings, and the axes of its inputs. `OwnSymbols` of a module gives each of
its own symbols in terms of the model's:

    {"d": $d, "d_head": $d // $heads, "B": $B, "T": $T, "S": $S}

Where `T` is `$T`, tokens stream through a block. An encoder's `T` is another axis of the model.
"""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.dims import Dim, Opaque, substitute
from archdsl.reals import Real, replace
from archdsl.record import record
from archdsl.types import Axis, TensorType, replace_axes

_MARK = "$"

BATCH, STREAM, SEEN = "B", "T", "S"
"""Axes of models and blocks: examples side by side, the tokens that come in, all tokens so far."""

AXES = frozenset((BATCH, STREAM, SEEN))
"""Those that no setting decides."""
TIME = Dim.symbol(STREAM)


class ModelSymbol(str):
    """A symbol of the whole model by the name of its setting or axis. It equals no block's own."""

    __slots__ = ()

    def __new__(cls, name: str) -> ModelSymbol:
        """The symbol of the setting or axis of that name."""
        return super().__new__(cls, _MARK + name)

    def __getnewargs__(self) -> tuple[str]:
        return (self.name,)

    @property
    def name(self) -> str:
        """The name of the setting or axis."""
        return self.removeprefix(_MARK)


def of_model(name: str) -> Dim:
    """A symbol of the model as a dimension."""
    return Dim.symbol(ModelSymbol(name))


def unmarked(what: object) -> str:
    """The text of a symbol, a dimension or a type as a reader knows it, without marks."""
    return str(what).replace(_MARK, "")


@record
class OwnSymbols:
    """A block's own symbols in terms of the model's: dimensions and axes, real settings, and the
    axes that `...` stands for.
    """

    dims: Mapping[str, Dim]
    reals: Mapping[str, Real]
    rests: Mapping[str, tuple[Axis, ...]]

    def get(self, name: str) -> Dim | Real | None:
        """What a setting or an axis is; None for a name that is neither."""
        return self.dims.get(name, self.reals.get(name))

    def dim(self, d: Dim) -> Dim:
        """A dimension in the model's symbols."""
        return substitute(d, self.dims)

    def real(self, r: Real) -> Real:
        """A real expression in the model's symbols."""
        return replace(r, self.dims, self.reals)

    def type(self, t: TensorType) -> TensorType:
        """A type in the model's symbols, each `...` filled in."""
        return replace_axes(t, self.dims, self.rests)


# --- what streams ---------------------------------------------------------------------------------

_TOKENS, _SEEN = ModelSymbol(STREAM), ModelSymbol(SEEN)


def streams(dims: Mapping[str, Dim]) -> bool:
    """Whether tokens stream through a block: its axis T is the model's, or it has none."""
    stream = dims.get(STREAM)
    return stream is None or stream.name == _TOKENS


def seen(dims: Mapping[str, Dim]) -> Dim:
    """What axis S of a block is: all tokens so far, or all of its T where that does not stream."""
    return Dim.symbol(_SEEN) if streams(dims) else dims[STREAM]


def counts_tokens(dims: Mapping[str, Dim], axis: Dim) -> bool:
    """Whether an axis of a block has a place for each token that comes in."""
    return any(_TOKENS in d.symbols() for d in _behind(dims, axis))


def counts_seen(dims: Mapping[str, Dim], axis: Dim) -> bool:
    """Whether an axis of a block has a place for each token so far."""
    return not counts_entries(axis) and any(
        _SEEN in d.symbols() and not counts_entries(d) for d in _behind(dims, axis)
    )


def counts_entries(axis: Dim) -> bool:
    """Whether an axis has a place for several tokens together: `S // 4`."""
    return any(
        isinstance(atom, Opaque)
        and (atom.op == "//" or counts_entries(atom.a) or counts_entries(atom.b))
        for monomial, _ in axis.terms
        for atom, _ in monomial
    )


def only_atom(axis: Dim) -> Opaque | None:
    """The quotient or the bound that an axis is; None for others."""
    match axis.terms:
        case (((((Opaque() as atom, 1),), 1)),):
            return atom
    return None


def entry_tokens(axis: Dim) -> int:
    """The tokens that an entry stands for, where S // m is the axis; else 0."""
    atom = only_atom(axis)
    return (atom.b.value or 0) if atom is not None and atom.op == "//" else 0


_OPEN = frozenset(map(ModelSymbol, AXES))


def is_open(d: Dim) -> bool:
    """Whether a dimension in the model's symbols depends on the batch or the tokens."""
    return not _OPEN.isdisjoint(d.symbols())


def _behind(dims: Mapping[str, Dim], axis: Dim) -> list[Dim]:
    """What stands behind each symbol of a dimension."""
    return [dims.get(name) or Dim.symbol(name) for name in axis.symbols()]
