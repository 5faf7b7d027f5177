"""Operations on entries: positions and masks, what is hidden, what is linear."""

from __future__ import annotations

import math

from archdsl.dims import Dim
from archdsl.facts import seen as masks
from archdsl.facts.known import HIDDEN, LONG, PLAIN, Known, Piece, computed
from archdsl.facts.seen import Line, Seen
from archdsl.facts.step import Step
from archdsl.reals import Real
from archdsl.symbols import SEEN, STREAM

CASTS = ("float32", "model_dtype")
FALLS_TO_ZERO = ("exp",)
"""Operations that make 0 of minus infinity."""
KEEPS_ZERO = ("tanh", "abs", "sqrt", "negative", "expm1")
"""Operations that make 0 of 0. Of others the check of causality does not know it either."""


def constant(step: Step, value: Real | Dim) -> Known:
    """A number known in advance."""
    if isinstance(value, Dim):
        length = step.dim(value)
        if length.value is not None:
            return Known(line=Line(length.value))
        return LONG if SEEN in length.symbols() else PLAIN
    real = step.account.model.real(step.module, value)
    if real is None:
        return PLAIN
    if real == -math.inf:
        return HIDDEN
    whole = math.isfinite(real) and real == int(real)
    return Known(line=Line(int(real))) if whole else PLAIN


def elementwise(step: Step, op: str, args: list[Known]) -> Known:
    """An operation on entries."""
    if all(known == PLAIN for known in args):
        return PLAIN
    if op == "select":
        return select(step, args)
    line, mask = computed(op, args)
    kept = tuple(dict.fromkeys(k for known in args for k in known.kept))
    waiting = tuple(dict.fromkeys(w for known in args for w in known.waiting))
    adds, scales = op in ("add", "subtract"), op in ("multiply", "divide")
    seen, infinite = still_hidden(op, adds, scales, args)
    axis, pieces = same_pieces(step, adds, op in CASTS or scales, args)
    return Known(line, mask, seen, infinite, waiting, axis, pieces, kept)


def still_hidden(op: str, adds: bool, scales: bool, args: list[Known]) -> tuple[Seen | None, bool]:
    """What is hidden in the result: how many keys have a part in it, and whether the others are
    minus infinity or 0.
    """
    hidden = [known for known in args if known.hidden is not None]
    if not hidden:
        return None, False
    seen, infinite = hidden[0].hidden, hidden[0].infinite
    alike = all((known.hidden, known.infinite) == (seen, infinite) for known in args)
    if op in CASTS or (alike and (adds or op == "multiply")):
        return seen, infinite
    if len(hidden) > 1:
        return None, False
    if scales or (adds and infinite):
        return seen, infinite
    if op in (FALLS_TO_ZERO if infinite else KEEPS_ZERO):
        return seen, False
    return None, False


def same_pieces(
    step: Step, adds: bool, scales: bool, args: list[Known]
) -> tuple[int, tuple[Piece, ...]]:
    """The pieces of the one operand that has some, where the operation is linear in it: the
    others are numbers, or do not depend on the entry and are added.
    """
    pieced = [i for i, known in enumerate(args) if known.pieces]
    if len(pieced) == 1 and (adds or scales):
        others = [step.axes(i) for i in range(len(args)) if i not in pieced]
        apart = {STREAM, SEEN}
        if all(not o or (adds and not any(apart & a.symbols() for a in o)) for o in others):
            return args[pieced[0]].axis, args[pieced[0]].pieces
    for i in pieced:
        step.account.fix(args[i])
    return 0, ()


def select(step: Step, args: list[Known]) -> Known:
    """Entries where a mask is true, and others elsewhere."""
    which, first, second = args
    seen = None if which.mask is None else masks.count(which.mask)
    hides = seen is not None and (second == HIDDEN or second.line == Line())
    for known in (first, second):
        step.account.fix(known)
    if not hides:
        waiting = tuple(dict.fromkeys((*first.waiting, *second.waiting)))
        return Known(waiting=waiting, kept=(*first.kept, *second.kept))
    step.account.settle(step.tally, first, seen)
    return Known(hidden=seen, infinite=second == HIDDEN, kept=first.kept)
