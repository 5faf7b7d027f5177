"""What decoding keeps: entries of caches, which grow with the text, and states, which do not.

    Cached(heads=8, width=128, dtype="float", times=32)     keys of 8 heads in 32 layers
    Held(heads=32, width=128 * 128, dtype="float32", ...)   the memory of a recurrence

`heads` is what can be split over devices: the axes of an entry between the batch and the tokens,
`[B, heads, S, width]`, the first axis of a state, the channels of a window of tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from archdsl.dims import Dim, product
from archdsl.facts.sizes import BYTES, PART
from archdsl.facts.steps import keeping_parts, number, steps
from archdsl.graph import Model, Module
from archdsl.nodes import Cache, Node, Scan, Window
from archdsl.record import record, replace
from archdsl.stream import Flow
from archdsl.symbols import BATCH, SEEN, TIME
from archdsl.types import TensorType


@record
class Cached:
    """A cache in `times` places: an entry for `every` so many tokens, of the `last` ones only if
    given.
    """

    heads: int
    width: int
    dtype: str
    every: int = 1
    last: int | None = None
    times: int = 1

    @property
    def bytes(self) -> int:
        """Of one entry in all places, numbers of the model's dtype in bf16."""
        return self.times * self.heads * self.width * BYTES[self.dtype]

    def entries(self, context: int) -> int:
        """How many there are of a text of so many tokens."""
        return min(context // self.every, context if self.last is None else self.last)


@record
class Held:
    """A state in `times` places."""

    heads: int
    width: int
    dtype: str
    times: int = 1

    @property
    def bytes(self) -> int:
        """Of one sequence, numbers of the model's dtype in bf16."""
        return self.times * self.heads * self.width * BYTES[self.dtype]


Kept = Cached | Held


def size(kept: Kept, width: int, devices: int = 1) -> int:
    """One entry or state on one of so many devices, in 32nds of a byte, a number of the model's
    dtype `width` of them. Heads are split, and stand on several devices where there are fewer.
    """
    heads = -(-kept.heads // devices)
    each = width if kept.dtype == "float" else BYTES[kept.dtype] * PART
    return kept.times * heads * kept.width * each


def caches(model: Model) -> tuple[Cached, ...]:
    """All caches of a model, those alike as one."""
    return tuple(kept for kept in kept_in(model, model.root) if isinstance(kept, Cached))


def states(model: Model) -> tuple[Held, ...]:
    """All states of a model, those alike as one."""
    return tuple(kept for kept in kept_in(model, model.root) if isinstance(kept, Held))


def keeps(model: Model, module: Module) -> bool:
    """Whether decoding keeps anything of what a module sees."""
    return bool(kept_in(model, module))


def kept_in(model: Model, module: Module) -> list[Kept]:
    """What all applications in a module keep of one sequence."""
    parts = (
        replace(kept, times=kept.times * times)
        for times, inner in keeping_parts(model, module)
        for kept in kept_in(model, inner)
    )
    return list(_together((*_own(model, module), *parts)))


AnyKept = TypeVar("AnyKept", Cached, Held, Kept)


def _together(all_kept: Iterable[AnyKept]) -> tuple[AnyKept, ...]:
    """Those alike as one."""
    met: dict[AnyKept, int] = {}
    for kept in all_kept:
        alone = replace(kept, times=1)
        met[alone] = met.get(alone, 0) + kept.times
    return tuple(replace(kept, times=times) for kept, times in met.items())


def _own(model: Model, module: Module) -> Iterator[Kept]:
    for _, node, _ in steps(model, module):
        match node.form:
            case Cache():
                yield cache_of(model, module, node)
            case Window(length) if module.streams:
                own = list(node.type.axes)
                own[own.index(TIME) + 1] = length - 1
                t = TensorType(node.type.dtype, tuple(a for a in own if a != TIME))
                sizes = one_sequence(model, module, t)
                channels = sizes[-1:] if len(sizes) > 1 else []
                yield Held(_fixed(channels), _fixed(sizes[: len(sizes) - len(channels)]), t.dtype)
            case Scan(body) if module.streams:
                for t in body.state_types:
                    sizes = one_sequence(model, module, t)
                    yield Held(_fixed(sizes[:1]), _fixed(sizes[1:]), t.dtype)


def cache_of(model: Model, module: Module, node: Node) -> Cached:
    """The cache that a node keeps."""
    assert isinstance(node.form, Cache)
    last, every = node.form.last, node.form.every
    axes = model.shape(module, node.type)
    tokens = next((i for i, a in enumerate(axes) if SEEN in a.symbols()), len(axes))
    return Cached(
        _fixed(axes[:tokens]),
        _fixed(axes[tokens:]),
        node.type.dtype,
        1 if every is None else number(model.number(module, every)),
        None if last is None else number(model.number(module, last)),
    )


def _fixed(axes: Iterable[Dim]) -> int:
    """How many places axes have that no text makes longer."""
    return number(product(a for a in axes if not a.symbols()))


def one_sequence(model: Model, module: Module, t: TensorType) -> list[Dim]:
    """The axes of a tensor for one sequence."""
    return [a for a in model.shape(module, t) if a.name != BATCH]


def once(model: Model, levels: Flow, of_positions: bool) -> tuple[Held, ...]:
    """What is computed with the first token and kept, of each position of an input that does not
    stream, or of the whole input. Those alike as one.
    """
    if levels.plain:
        return ()
    return _together(_once(model, levels, model.root, of_positions))


def _once(model: Model, levels: Flow, module: Module, of_positions: bool) -> Iterator[Held]:
    for i in levels.kept(module):
        kept = module.nodes[i].type
        axes = one_sequence(model, module, kept)
        of_input = [n for n, axis in enumerate(axes) if axis.symbols()]
        if of_positions == bool(of_input):
            # Heads stand before the positions; of a whole input, before two axes of an entry.
            heads = of_input[0] if of_input else int(len(axes) > 2)
            yield Held(_fixed(axes[:heads]), _fixed(axes[heads:]), kept.dtype)
    for times, inner in keeping_parts(model, module):
        for held in _once(model, levels, inner, of_positions):
            yield replace(held, times=held.times * times)
