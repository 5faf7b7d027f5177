"""Axes patterns as views: unflatten, permute, flatten, split, cat.

rearrange[B T (h k) -> B h T k]     x.unflatten(2, (h, k)).transpose(1, 2)
"""

from __future__ import annotations

from archdsl.axes import Cut, Factor, Item, Merge, Plan, RestFactor, factors, pieces, size
from archdsl.dims import Dim
from archdsl.emit.spell import ATOM, Look, Text, listed, spell_dim, spelt

Term = tuple[Item, ...]


def rearrange(plan: Plan, operands: list[Text], look: Look) -> list[Text]:
    """The results of a plan, discarded ones left out."""
    parts: list[tuple[Term, Text]] = []
    for term, operand in zip(plan.left, operands, strict=True):
        parts.extend(_pieces(term, operand, look))
    results: list[Text] = []
    queue = iter(parts)
    for i, term in enumerate(plan.right):
        if i in plan.discarded:
            next(queue, None)
            continue
        wanted = pieces(term)
        if len(wanted) == 1:
            source, text = next(queue)
            results.append(view(source, wanted[0], text, look))
            continue
        results.append(_join(term, [next(queue) for _ in wanted], look))
    return results


def _pieces(term: Term, operand: Text, look: Look) -> list[tuple[Term, Text]]:
    """An operand as its pieces, each with the term that is left of it."""
    if len(pieces(term)) == 1:
        return [(term, operand)]
    split, names = _cut(term, operand, look)
    return [(piece, spelt("{}[{}]", split, i)) for i, piece in enumerate(names)]


def _cut(term: Term, operand: Text, look: Look) -> tuple[Text, tuple[Term, ...]]:
    """The call that cuts an operand, and the terms of its pieces."""
    # Split merged axes first, so that the cut is an axis of its own.
    flat: list[Item] = []
    for item in term:
        if isinstance(item, Merge) and any(isinstance(i, Cut) for i in item.items):
            flat.extend(item.items)
        else:
            flat.append(item)
    text = view(_whole(term), _whole(tuple(flat)), operand, look)
    where = next(i for i, item in enumerate(flat) if isinstance(item, Cut))
    cut = flat[where]
    assert isinstance(cut, Cut)
    dim = dim_of(tuple(flat), where)
    sizes = [_size(Merge(p), look) for p in cut.parts]
    if len({size.text for size in sizes}) == 1:
        split = spelt("{}.chunk({}, {})", text.at(ATOM), len(sizes), dim)
    else:
        split = spelt("{}.split(({}), {})", text.at(ATOM), listed(sizes), dim)
    return split, pieces(tuple(flat))


def split_call(plan: Plan, operand: Text, look: Look) -> Text | None:
    """`x.chunk(2, -1)` when the results are the pieces as they come, so that one line can bind
    them.
    """
    if not _is_one_cut(plan) or plan.discarded:
        return None
    split, terms = _cut(plan.left[0], operand, look)
    return split if terms == plan.right else None


def _is_one_cut(plan: Plan) -> bool:
    """Whether every piece of the only operand is a result, used or not."""
    return len(plan.left) == 1 and len(pieces(plan.left[0])) == len(plan.right) > 1


def split_views(
    plan: Plan, operand: Text, names: list[str], look: Look
) -> tuple[Text, list[Text]] | None:
    """A split that binds `names`, and what becomes of each: for results that are not the pieces
    as they come.
    """
    if not _is_one_cut(plan):
        return None
    split, terms = _cut(plan.left[0], operand, look)
    views = [
        view(piece, wanted, Text(name), look)
        for i, (piece, wanted, name) in enumerate(zip(terms, plan.right, names, strict=True))
        if i not in plan.discarded
    ]
    return split, views


def repeated(plan: Plan, operand: Text, look: Look) -> Text:
    """`repeat`: axes that the operand has not are new, and every entry is the same."""
    source, target = plan.left[0], plan.right[0]
    own = {f.name for f in factors(source)}
    flat = factors(target)
    thin = tuple(f if f.name in own else Factor("1", Dim.number(1)) for f in flat)
    text = view(source, thin, operand, look)
    if any(isinstance(f, RestFactor) for f in flat):
        for i, f in enumerate(flat):
            if f.name not in own:
                times = _size(f, look)
                axis = dim_of(flat, i)
                text = spelt("{}.repeat_interleave({}, {})", text.at(ATOM), times, axis)
    else:
        sizes = [Text("-1") if f.name in own else _size(f, look) for f in flat]
        text = spelt("{}.expand({})", text.at(ATOM), listed(sizes))
    return text if flat == target else view(flat, target, text, look)


def _join(term: Term, parts: list[tuple[Term, Text]], look: Look) -> Text:
    """Pieces side by side along the axis of the cut."""
    wanted = pieces(term)
    flat: list[Item] = []
    for item in term:
        if isinstance(item, Merge) and any(isinstance(i, Cut) for i in item.items):
            flat.extend(item.items)
        else:
            flat.append(item)
    where = next(i for i, item in enumerate(flat) if isinstance(item, Cut))
    texts = [
        view(source, target, text, look)
        for (source, text), target in zip(parts, pieces(tuple(flat)), strict=True)
    ]
    assert len(wanted) == len(texts)
    joined = spelt("torch.cat(({}), {})", listed(texts), dim_of(tuple(flat), where))
    if tuple(flat) == term:
        return joined
    return view(_whole(tuple(flat)), _whole(term), joined, look)


def _whole(term: Term) -> Term:
    """A term whose cut is one axis, as it is before it is cut and after its pieces are joined."""
    whole: list[Item] = []
    for item in term:
        match item:
            case Cut():
                whole.append(Factor(str(item), size(item)))
            case Merge(inner):
                whole.append(Merge(_whole(inner)))
            case _:
                whole.append(item)
    return tuple(whole)


def view(source: Term, target: Term, text: Text, look: Look) -> Text:
    """One term as another with the same factors."""
    ours = [f for f in factors(source) if str(f) != "1"]
    theirs = [f for f in factors(target) if str(f) != "1"]
    if _only_ones(source, target):
        return _insert(source, target, text)
    text = _unflatten(source, text, look)
    expanded = list(factors(source))
    if len(expanded) != len(ours):
        text = _drop_ones(expanded, text)
    text = _permute(ours, theirs, text)
    return _flatten(theirs, target, text)


def _only_ones(source: Term, target: Term) -> bool:
    plain = all(isinstance(i, Factor | RestFactor) for i in (*source, *target))
    return plain and [i for i in source if str(i) != "1"] == [i for i in target if str(i) != "1"]


def _insert(source: Term, target: Term, text: Text) -> Text:
    """Axes of size 1 that come or go, the others as they are."""
    if source == target:
        return text
    if any(str(i) == "1" for i in source):
        text = _drop_ones(list(factors(source)), text)
    if not any(str(i) == "1" for i in target):
        return text
    marks = ["None" if str(i) == "1" else "..." if str(i) == "..." else ":" for i in target]
    return spelt("{}[{}]", text.at(ATOM), ", ".join(marks))


def _drop_ones(items: list[Factor | RestFactor], text: Text) -> Text:
    dims = [dim_of(tuple(items), i) for i, f in enumerate(items) if str(f) == "1"]
    if len(dims) == 1:
        return spelt("{}.squeeze({})", text.at(ATOM), dims[0])
    return spelt("{}.squeeze(({}))", text.at(ATOM), ", ".join(dims))


def _unflatten(source: Term, text: Text, look: Look) -> Text:
    # From the last axis on, so that the numbers of those before stay right.
    for i in reversed(range(len(source))):
        item = source[i]
        if isinstance(item, Merge):
            sizes = listed(_size(x, look) for x in factors(item.items))
            text = spelt("{}.unflatten({}, ({}))", text.at(ATOM), dim_of(source, i), sizes)
    return text


def _permute(
    ours: list[Factor | RestFactor], theirs: list[Factor | RestFactor], text: Text
) -> Text:
    if ours == theirs:
        return text
    pool = list(enumerate(ours))
    order: list[int] = []
    for f in theirs:
        at = next(i for i, g in pool if g.name == f.name)
        order.append(at)
        pool = [(i, g) for i, g in pool if i != at]
    moved = [i for i, j in enumerate(order) if i != j]
    if len(moved) == 2 and not any(isinstance(ours[i], RestFactor) for i in moved):
        a, b = (dim_of(tuple(ours), i) for i in moved)
        return spelt("{}.transpose({}, {})", text.at(ATOM), a, b)
    if any(isinstance(f, RestFactor) for f in ours):
        dims = [dim_of(tuple(ours), i) for i in range(len(ours)) if str(ours[i]) != "..."]
        to = [
            dim_of(tuple(theirs), order.index(i)) for i in range(len(ours)) if str(ours[i]) != "..."
        ]
        return spelt("{}.movedim(({}), ({}))", text.at(ATOM), ", ".join(dims), ", ".join(to))
    return spelt("{}.permute({})", text.at(ATOM), listed(order))


def _flatten(theirs: list[Factor | RestFactor], target: Term, text: Text) -> Text:
    position = 0
    spans: list[tuple[int, int]] = []
    ones: list[int] = []
    for i, item in enumerate(target):
        if str(item) == "1":
            ones.append(i)
            continue
        count = len([f for f in factors((item,)) if str(f) != "1"])
        if count > 1:
            spans.append((position, position + count - 1))
        position += count
    for start, end in reversed(spans):
        a, b = dim_of(tuple(theirs), start), dim_of(tuple(theirs), end)
        text = spelt("{}.flatten({}, {})", text.at(ATOM), a, b)
    if ones:
        marks = ["None" if str(i) == "1" else "..." if str(i) == "..." else ":" for i in target]
        text = spelt("{}[{}]", text.at(ATOM), ", ".join(marks))
    return text


def dim_of(items: Term | tuple[Factor | RestFactor, ...], index: int) -> str:
    """The number of an axis: from the end where `...` comes before it."""
    if any(str(i) == "..." for i in items[:index]):
        return str(index - len(items))
    return str(index)


def _size(item: Item, look: Look) -> Text:
    return spell_dim(size(item), look)
