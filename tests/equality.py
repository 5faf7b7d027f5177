"""Emitted modules held to the meaning of their graph: `assert_equal_everywhere`.

    assert_equal_everywhere(variant.model, tiny)

Emitted text runs in double precision, with fused kernels and without, whole and in pieces with the
cache, on two batches, and has to give what the interpreter gives. Then its parameters and the bytes
of its cache are counted, and it runs in bfloat16.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

import interpreter
from archdsl.dims import Dim
from archdsl.emit import emit
from archdsl.facts import Facts
from archdsl.graph import Model, Module
from archdsl.nodes import Apply, Gather, Item, Loop, Node, Rearrange, Repeat, Scan, Window
from emitted import run

BATCHES = ((2, 6, (4, 4, 4, 4)), (3, 7, (5, 3, 2, 3)))
"""Examples, tokens, the lengths of other axes that inputs bring."""
SPLITS = ((1, 1, 1, 1, 1, 1), (3, 1, 2)), ((2, 5), (6, 1))
"""For each batch how its tokens are read with the cache."""
CLOSE, NOISE = 1e-9, 1e-12
"""How much of the scale of a result, and how much at all, a difference may be."""
HUGE, LARGE = 1e30, 1e9
"""Values above the first lose their digits on the way; above the second bfloat16 may not hold what
is made of them.
"""


class OutOfRange(Exception):
    """The numbers of a model grow until nothing can be compared."""


def assert_equal_everywhere(model: Model, tiny: Model | None = None) -> None:
    """Holds what is emitted for a model to its meaning, at the size of `tiny` where it is given.

    Raises AssertionError with what differs, and OutOfRange where numbers grow too large to compare.
    What emitted code raises goes through.
    """
    small = tiny or model
    with default_dtype(torch.float64):
        texts, state, facts, seed, most = _in_float64(model, tiny, small)
    if most < LARGE:
        in_bfloat16(small, facts, texts[True], state, seed)


def _in_float64(
    model: Model, tiny: Model | None, small: Model
) -> tuple[dict[bool, str], dict[str, Tensor], Facts, torch.Generator, float]:
    """The comparison in double precision; what the one in bfloat16 needs of it."""
    texts = {lower: emit(model, tiny, lower) for lower in (True, False)}
    nets = {lower: built(doubled(text), torch.float64) for lower, text in texts.items()}
    fresh = {name: tensor.clone() for name, tensor in nets[True].state_dict().items()}
    state = fill(nets[True])
    nets[False].load_state_dict(state)
    facts = Facts(small)
    count = sum(p.numel() for p in nets[True].parameters())
    assert count == facts.params + facts.apart, (
        f"{count} parameters, {facts.params} + {facts.apart} counted"
    )
    seed = torch.Generator().manual_seed(1)
    peak = [0.0]
    for (batch, length, others), splits in zip(BATCHES, SPLITS, strict=True):
        length = allowed(small, length)
        inputs = draw(small, batch, length, others, seed)
        expected = interpreter.run(small, inputs, state, peak, fresh)
        if max(peak) > HUGE:
            raise OutOfRange
        for lower, net in nets.items():
            told = f"{'with' if lower else 'without'} fused kernels, {batch} of {length}"
            same(results(net(*inputs)), expected, f"{told}, whole")
            for split in splits if streamed(small) is not None else ():
                if sum(split) == length:
                    in_pieces(small, net, inputs, expected, split, f"{told}, {split}")
    return texts, state, facts, seed, max(peak)


# --- emitted modules ------------------------------------------------------------------------------


def doubled(text: str) -> str:
    """The text with double precision where the language says single."""
    return text.replace(".float()", ".double()").replace("torch.float32", "torch.float64")


@lru_cache(32)
def compiled(text: str) -> ModuleType:
    """The Python module of a text."""
    return run(text)


def built(text: str, dtype: torch.dtype) -> Any:
    """The model of a text at the size of its smoke test, parameters of `dtype`."""
    module = compiled(text)
    with default_dtype(dtype):
        config = module.Config.tiny() if hasattr(module.Config, "tiny") else module.Config()
        return module.Model(config).eval().requires_grad_(False)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Tensors are of `dtype` where nothing is said."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def fill(net: torch.nn.Module) -> dict[str, Tensor]:
    """The state dict of a model whose every parameter and buffer of real numbers is drawn anew.

    Integers stay as they begin: they are rows, or what something is divided by.
    """
    seed = torch.Generator().manual_seed(0)
    state = net.state_dict()
    tied: set[int] = set()
    for tensor in state.values():
        if tensor.data_ptr() in tied:
            continue
        tied.add(tensor.data_ptr())
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=seed, dtype=torch.float64) * 0.5)
    return dict(state)


# --- inputs ---------------------------------------------------------------------------------------


def streamed(model: Model) -> int | None:
    """The input that grows token by token."""
    for place, index in enumerate(model.root.inputs):
        if Dim.symbol("T") in model.root.nodes[index].type.axes:
            return place
    return None


def allowed(model: Model, length: int) -> int:
    """The greatest number of tokens up to `length` that the model takes."""
    compare = {
        "<=": int.__le__, "<": int.__lt__, ">=": int.__ge__, ">": int.__gt__, "==": int.__eq__
    }  # fmt: skip
    for tokens in (*range(length, 0, -1), *range(length, 100)):
        sizes = interpreter.Interpreter(model, {}, {"T": tokens, "S": tokens, "N": 4})
        if all(
            compare[c.op](sizes.size(model.root, c.left), sizes.size(model.root, c.right))
            for c in model.root.checks
        ):
            return tokens
    raise AssertionError("no number of tokens fits")


def draw(
    model: Model, batch: int, length: int, others: tuple[int, ...], seed: torch.Generator
) -> list[Tensor]:
    """Inputs of the model's types; integers are rows of the tables that they are looked up in."""
    lengths = {"B": batch, "T": length, "S": length}
    free = iter(others)
    inputs = []
    for index in model.root.inputs:
        t = model.root.nodes[index].type
        axes = model.shape(model.root, t)
        for axis in axes:
            if axis.name is not None and axis.name not in lengths:
                lengths[axis.name] = next(free)
        sizes = interpreter.Interpreter(model, {}, lengths)
        shape = tuple(map(sizes.count, axes))
        if t.dtype in ("float", "float32"):
            inputs.append(torch.randn(shape, generator=seed, dtype=torch.float64))
        elif t.dtype == "bool":
            inputs.append(torch.randint(2, shape, generator=seed).bool())
        else:
            rows = min(tables(sizes, model.root, model.root.nodes, index), default=11)
            inputs.append(torch.randint(rows, shape, generator=seed))
    return inputs


def tables(
    sizes: interpreter.Interpreter, module: Module, nodes: tuple[Node, ...], index: int
) -> Iterator[int]:
    """How many rows the tables have that a value of a body is looked up in."""
    for i, node in enumerate(nodes):
        if index not in node.args:
            continue
        match node.form:
            case Gather() as form:
                if node.args[1] == index:
                    rows = nodes[node.args[0]].type.axes[-1 if form.along else 0]
                    yield sizes.size(module, rows)  # type: ignore[arg-type]
            case Rearrange() | Repeat() | Item() | Window():
                yield from tables(sizes, module, nodes, i)
            case Scan(body) | Loop(body):
                for inside, outside in zip(body.inputs, node.args, strict=True):
                    if outside == index:
                        yield from tables(sizes, module, body.nodes, inside)
            case Apply() as form:
                child = module.child(form.child)
                first = len(node.args) - form.context
                context = dict(zip(child.given(form), node.args[first:], strict=True))
                for _, inner in child.at(form):
                    given = [context[name] for name in inner.context]
                    for inside, outside in zip(
                        inner.inputs, [*node.args[:first], *given], strict=True
                    ):
                        if outside == index:
                            yield from tables(sizes, inner, inner.nodes, inside)


# --- what is compared -----------------------------------------------------------------------------


def results(value: Any) -> tuple[Tensor, ...]:
    return (value,) if isinstance(value, Tensor) else tuple(value)


def scale(x: Tensor) -> float:
    """The greatest finite entry."""
    real = x.double()
    finite = real[real.isfinite()].abs()
    return finite.max().item() if finite.numel() else 0.0


def same(
    found: tuple[Tensor, ...], expected: tuple[Tensor, ...], where: str, most: float | None = None
) -> None:
    """Whether results are equal, within the last digits of their scale."""
    assert len(found) == len(expected), f"{where}: {len(found)} results"
    for i, (x, y) in enumerate(zip(found, expected, strict=True)):
        said = f"{where}: result {i}"
        assert x.dtype == y.dtype, f"{said} is {x.dtype}, not {y.dtype}"
        assert x.shape == y.shape, f"{said} is {tuple(x.shape)}, not {tuple(y.shape)}"
        finite = y.double().isfinite()
        a, b = x.double(), y.double()
        assert torch.equal(a[~finite].nan_to_num(7), b[~finite].nan_to_num(7)), (
            f"{said} is finite elsewhere"
        )
        gap = scale(a[finite] - b[finite]) if a[finite].isfinite().all() else float("inf")
        within = CLOSE * (scale(y) if most is None else most) + NOISE
        assert gap <= within, f"{said} is wrong by {gap:.1e}, its scale is {scale(y):.1e}"


def in_pieces(
    model: Model,
    net: Any,
    inputs: list[Tensor],
    expected: tuple[Tensor, ...],
    split: tuple[int, ...],
    where: str,
) -> Any:
    """Reads the tokens piece by piece and compares each; the cache."""
    which = streamed(model)
    assert which is not None
    along = model.root.nodes[model.root.inputs[which]].type.axes.index(Dim.symbol("T"))
    cache = net.new_cache(batch_of(model, inputs), sum(split))
    begin = 0
    for size in split:
        part = [x.narrow(along, begin, size) if i == which else x for i, x in enumerate(inputs)]
        found = results(net(*part, cache=cache))
        wanted = tuple(
            piece(model, o, y, begin, size)
            for o, y in zip(model.root.outputs, expected, strict=True)
        )
        told = f"{where}, {size} from {begin} on"
        assert len(found) == len(wanted), f"{told}: {len(found)} results"
        for x, y, whole in zip(found, wanted, expected, strict=True):
            same((x,), (y,), told, scale(whole))
        begin += size
    return cache


def piece(model: Model, output: int, whole: Tensor, begin: int, size: int) -> Tensor:
    """What a result is for some of the tokens."""
    for i, axis in enumerate(model.shape(model.root, model.root.nodes[output].type)):
        if axis.name == "T":
            whole = whole.narrow(i, begin, size)
        elif axis.name == "S":
            whole = whole.narrow(i, 0, begin + size)
    return whole


def batch_of(model: Model, inputs: list[Tensor]) -> int:
    """The number of examples; 1 where no axis is called so."""
    for index, x in zip(model.root.inputs, inputs, strict=True):
        for axis, length in zip(model.shape(model.root, model.root.nodes[index].type), x.shape,
                                strict=True):  # fmt: skip
            if axis.name == "B":
                return length
    return 1


def in_bfloat16(
    model: Model, facts: Facts, text: str, state: dict[str, Tensor], seed: torch.Generator
) -> None:
    """Results are finite and of their types, and the cache has as many bytes as predicted."""
    net = built(text, torch.float32)
    net.load_state_dict(state)
    net = net.to(torch.bfloat16)
    _, length, others = BATCHES[0]
    batch = 1  # facts count the bytes of one sequence
    length = allowed(model, length)
    inputs = [
        x.to(torch.bfloat16) if model.root.nodes[i].type.dtype == "float" else x
        for i, x in zip(model.root.inputs, draw(model, batch, length, others, seed), strict=True)
    ]
    inputs = [x.float() if x.dtype == torch.float64 else x for x in inputs]
    promised = {"float": torch.bfloat16, "float32": torch.float32}
    kinds = [promised.get(model.root.nodes[o].type.dtype) for o in model.root.outputs]
    runs: list[tuple[Any, Any]] = [(inputs, None)]
    which = streamed(model)
    if which is not None:
        cache = net.new_cache(batch_of(model, inputs), length)
        runs = [(inputs, None), (inputs, cache)]
    for given, kept in runs:
        found = results(net(*given) if kept is None else net(*given, cache=kept))
        for x, kind in zip(found, kinds, strict=True):
            assert kind is None or x.dtype == kind, f"in bfloat16: {x.dtype}, not {kind}"
            assert x.isfinite().all(), "in bfloat16: a result is not finite"
    if which is not None:
        beside = others[0] - length if facts.source_bytes_per_token else 0
        counted = facts.kv_bytes(length) + beside * facts.source_bytes_per_token
        kept = held(cache.kept)
        assert kept == counted, f"{kept} bytes kept, {counted} counted"


def held(kept: object) -> int:
    """Bytes of the tensors in lists and dictionaries."""
    match kept:
        case Tensor():
            return kept.numel() * kept.element_size()
        case dict():
            return sum(map(held, kept.values()))
        case list() | tuple():
            return sum(map(held, kept))
    return 0
