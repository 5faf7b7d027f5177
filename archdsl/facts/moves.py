"""Axes that are moved, joined, reduced or looked up."""

from __future__ import annotations

from archdsl.axes import Cut, Factor, Item, Merge, Plan, factors
from archdsl.dims import Dim, product
from archdsl.facts import seen as masks
from archdsl.facts.known import PLAIN, Known, Piece, has_keys
from archdsl.facts.seen import ALL_BEFORE
from archdsl.facts.step import Step
from archdsl.facts.sums import after, alone, has_rest
from archdsl.nodes import Gather
from archdsl.record import replace
from archdsl.symbols import SEEN


def rearranged(step: Step, plan: Plan, args: list[Known]) -> list[Known]:
    """Axes split, merged, permuted, cut, joined or repeated."""
    if len(args) > 1:
        return [joined(step, plan, args)]
    (known,) = args
    shapes = [step.account.shape(step.module, t) for t in step.node.types]
    after_move = [moved(step, known, plan.left[0], right) for right in plan.right]
    results = []
    for shape, (axis, pieces) in zip(shapes, after_move, strict=True):
        keys = bool(has_keys(shape))
        results.append(
            replace(
                known,
                hidden=known.hidden if keys else None,
                mask=known.mask if keys else None,
                waiting=known.waiting if keys else (),
                axis=axis,
                pieces=pieces,
            )
        )
    if not any(has_keys(shape) for shape in shapes):
        step.account.settle(step.tally, known, known.hidden)
    return results


def moved(
    step: Step, known: Known, left: tuple[Item, ...], right: tuple[Item, ...]
) -> tuple[int, tuple[Piece, ...]]:
    """The pieces of a value after its axes are moved; what is split across pieces is none."""
    if not known.pieces:
        return 0, ()
    if has_rest(left) or has_rest(right):
        step.account.fix(known)
        return 0, ()
    axis = 0
    if len(known.pieces) > 1:
        item = left[known.axis]
        if not isinstance(item, Factor) or item not in right:
            step.account.fix(known)
            return 0, ()
        axis = right.index(item)
    pieces = [replace(p, mapped=after(p.mapped, left, right)) for p in known.pieces]
    return axis, tuple(pieces)


def joined(step: Step, plan: Plan, args: list[Known]) -> Known:
    """Tensors side by side along one axis, or not at all."""
    (right,) = plan.right
    shape = step.shape
    where = [i for i, item in enumerate(right) if isinstance(alone(item), Cut)]
    kept = tuple(dict.fromkeys(k for known in args for k in known.kept))
    waiting = tuple(dict.fromkeys(w for known in args for w in known.waiting))
    known = Known(kept=kept, waiting=waiting if has_keys(shape) else ())
    cut = alone(right[where[0]]) if len(where) == 1 else None
    if not isinstance(cut, Cut) or len(cut.parts) != len(args):
        for each in args:
            step.account.fix(each)
        return known
    axis = where[0]
    if SEEN in shape[axis].symbols():
        for each in args:
            step.account.fix(each)
        return more_keys(step, known, args)
    pieces = []
    for each, left, part in zip(args, plan.left, cut.parts, strict=True):
        if len(each.pieces) > 1 or has_rest(left) or has_rest(right):
            for other in args:
                step.account.fix(other)
            return known
        place = (*right[:axis], Merge(part), *right[axis + 1 :])
        mapped = after(each.pieces[0].mapped, left, place) if each.pieces else None
        length = product(step.dim(f.dim) for f in factors(part) if isinstance(f, Factor))
        pieces.append(Piece(length, mapped))
    return replace(known, axis=axis, pieces=tuple(pieces))


def more_keys(step: Step, known: Known, args: list[Known]) -> Known:
    """Keys of several kinds side by side: each query sees some of each. What has no keys, a
    sink, is beside them.
    """
    with_keys = [each for i, each in enumerate(args) if has_keys(step.axes(i))]
    if len(with_keys) > 1:
        kept = (replace(k, side=i) for i, each in enumerate(with_keys) for k in each.kept)
        known = replace(known, kept=tuple(kept))
    if all(each.hidden is not None for each in with_keys):
        hidden = [each.hidden for each in with_keys if each.hidden is not None]
        infinite = all(each.infinite for each in with_keys)
        return replace(known, hidden=masks.side_by_side(hidden), infinite=infinite)
    counts = [None if each.mask is None else masks.count(each.mask) for each in with_keys]
    if all(count is not None for count in counts):
        total = masks.side_by_side([count for count in counts if count is not None])
        return replace(known, mask=masks.chosen(total))
    return known


def reduced(step: Step, known: Known) -> Known:
    """Axes that are summed or compared; where keys stay, pairs still wait for a mask."""
    if has_keys(step.shape):
        step.account.fix(known)
        return Known(waiting=known.waiting, hidden=known.hidden, infinite=known.infinite,
                     kept=known.kept)  # fmt: skip
    return step.anything([known])[0]


def chosen(step: Step, count: Dim, known: Known) -> Known:
    """The largest of what each query sees."""
    step.account.end(step.tally, known)
    most = step.dim(count).value
    if most is None or not has_keys(step.shape[-1:]):
        return PLAIN
    return Known(mask=masks.chosen((known.hidden or ALL_BEFORE).at_most(most)))


def gathered(step: Step, form: Gather, args: list[Known]) -> Known:
    """Of a mask of keys, what it says of other keys: each may stand for several. Of a cache the
    entries that are looked up are read.
    """
    table, index = args
    alike = None if index.line is None else masks.alike(index.line)
    seen = None if table.mask is None else masks.count(table.mask)
    if form.along and alike is not None and seen is not None:
        return Known(mask=masks.chosen(seen.times(alike)))
    if table.kept and not has_keys(step.shape):
        looked_up = product(a for a in step.axes(1) if not a.symbols()).value or 1
        for kept in table.kept:
            step.tally.here.setdefault(kept, {})[ALL_BEFORE.at_most(looked_up)] = None
    return step.anything(args)[0]
