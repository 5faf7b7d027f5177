"""Inputs for the smoke test of a file: lengths that the conditions of a spec allow, indices that
the model's tables have.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, product

from archdsl.axes import size
from archdsl.dims import Dim, substitute
from archdsl.emit.limits import conditions
from archdsl.emit.spell import Text, listed, of_config, spell_dim, spelt
from archdsl.graph import Check, Model, Module
from archdsl.nodes import Apply, Gather
from archdsl.symbols import BATCH, SEEN, STREAM
from archdsl.types import TensorType

EXAMPLES = 2
"""Examples side by side."""

_STREAMED = (16, *range(15, 0, -1), *range(17, 65))
_OTHER = (12, 16, *range(11, 0, -1), *range(13, 65))
"""Lengths that are tried, of the axis that streams and of others."""
_TRIED = 20_000

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq,
}  # fmt: skip


def lengths(model: Model, tiny: Model | None, stream: str = "") -> tuple[dict[str, int], bool]:
    """Lengths for the free axes of the inputs that meet every condition, and whether a model may be
    fed one token after another up to its length of the axis `stream`.
    """
    small = tiny or model
    checks = conditions(model)
    free = _free(model)
    tried = {name: _STREAMED if name == stream else _OTHER for name in free}
    tried |= {BATCH: (EXAMPLES, 1)} if BATCH in free else {}
    limited = {name for c in checks for side in (c.left, c.right) for name in side.symbols()}
    limited |= {stream} if SEEN in limited else set()
    tried = {name: sizes if name in limited else sizes[:1] for name, sizes in tried.items()}
    whole: dict[str, int] | None = None
    for sizes in islice(product(*tried.values()), _TRIED):
        candidate = dict(zip(tried, sizes, strict=True))
        if not _meets(small, checks, candidate):
            continue
        if all(
            _meets(small, checks, {**candidate, stream: n})
            for n in range(1, candidate.get(stream, 1))
        ):
            return candidate, True
        whole = whole or candidate
    return whole or {name: sizes[0] for name, sizes in tried.items()}, False


def _free(model: Model) -> list[str]:
    """The axes that inputs bring, in order."""
    root = model.root
    known = {s.name for s in root.settings}
    axes: dict[str, None] = {}
    for index in root.inputs:
        for axis in root.nodes[index].type.axes:
            if isinstance(axis, Dim) and axis.name is not None and axis.name not in known:
                axes.setdefault(axis.name)
    return list(axes)


def _meets(model: Model, checks: tuple[Check, ...], lengths: Mapping[str, int]) -> bool:
    sizes = {name: Dim.number(length) for name, length in lengths.items()}
    sizes[SEEN] = sizes.get(STREAM, Dim())
    for check in checks:
        left, right = (
            model.number(model.root, substitute(side, sizes)).value
            for side in (check.left, check.right)
        )
        if left is not None and right is not None and not _COMPARE[check.op](left, right):
            return False
    return True


def drawn(model: Model, which: int, vocab: str | None, sizes: Mapping[str, int]) -> Text:
    """Random numbers for an input: indices of the tables that it is looked up in, or others."""
    root = model.root
    node = root.nodes[root.inputs[which]]
    axes = []
    for axis in node.type.axes:
        assert isinstance(axis, Dim)
        length = sizes.get(axis.name or "")
        number = Text(str(length))
        axes.append(_in_config(root.symbols.dim(axis)) if length is None else number)
    shape = spelt("({},)" if len(axes) == 1 else "({})", listed(axes))
    args = spelt("({})" if axes else "(())", listed(axes))
    match node.type.dtype:
        case "bool":
            return spelt("torch.rand{} < 0.5", args)
        case "int":
            rows = [_in_config(x) for x in dict.fromkeys(_tables(root, root.inputs[which]))]
            if not rows:
                rows = [_in_config(Dim.symbol(vocab)) if vocab else Text(str(EXAMPLES))]
            most = rows[0] if len(rows) == 1 else spelt("min({})", listed(rows))
            return spelt("torch.randint({}, {})", most, shape)
    return spelt("torch.randn{}", args)


def batch_axis(t: TensorType) -> int | None:
    """Where an input has its examples side by side."""
    examples = Dim.symbol(BATCH)
    return t.axes.index(examples) if examples in t.axes else None


def first(t: TensorType) -> str:
    """What picks the first example of an input."""
    at = batch_axis(t)
    return "" if at is None else f"[{':, ' * at}:1]"


def can_read(model: Model, index: int, produced: Dim | object) -> bool:
    """Whether the model's tables have a row for each of the tokens that it produces."""
    if not isinstance(produced, Dim):
        return False
    count = model.number(model.root, produced).value
    if count is None:
        return False
    rows = [model.number(model.root, table).value for table in _tables(model.root, index)]
    return all(n is not None and n >= count for n in rows)


def _in_config(d: Dim) -> Text:
    return spell_dim(d, of_config)


def _tables(module: Module, index: int) -> Iterator[Dim]:
    """The rows of the tables that a value of a body is an index of, in the model's symbols."""
    for node in module.nodes:
        for position, argument in enumerate(node.args):
            if argument != index:
                continue
            match node.form:
                case Gather() as form if position == 1:
                    yield module.symbols.dim(size(form.axis))
                case Apply() as form:
                    child = module.child(form.child)
                    given = child.given(form)
                    for _, inner in child.at(form):
                        place = _place(form.context, len(node.args), position, given, inner)
                        if place is not None:
                            yield from _tables(inner, inner.inputs[place])


def _place(
    given: int, count: int, position: int, context: tuple[str, ...], inner: Module
) -> int | None:
    """Which input of a submodule an argument is; None for context that it does not take."""
    plain = count - given
    if position < plain:
        return position
    name = context[position - plain]
    return plain + inner.context.index(name) if name in inner.context else None
