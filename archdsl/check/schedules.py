"""Schedules: `stack(3 * A, B)`, layers for an index or a list item, repeats written once."""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check import chains
from archdsl.check.scope import Scope
from archdsl.check.values import (
    Error,
    Int,
    Items,
    Recipe,
    Repeat,
    Schedule,
    Tensor,
    Tensors,
    Value,
    describe,
    is_block,
)
from archdsl.dims import Dim, substitute
from archdsl.record import record
from archdsl.source import Span

MAX_LAYERS = 100_000
"""Stacks longer than this are refused."""


def bounded(scope: Scope, layers: Schedule, span: Span) -> Value:
    """A schedule, if it is not too long: as it is written, and with all its repeats."""
    for item in layers.items:
        if isinstance(item.item, Recipe) and item.item.ties:
            message = f"the layers of a stack are many, and {item.item.block.name} uses a parameter"
            return scope.fail("unsupported", message, span, help="`share` a block between layers")
    number = _number(scope, layers) if layers.size <= MAX_LAYERS else layers.size
    if number <= MAX_LAYERS:
        return layers
    return scope.fail("too-large", f"a stack of more than {MAX_LAYERS} layers", span)


def _number(scope: Scope, layers: Schedule) -> int:
    """Layers with all repeats, as far as counts are known."""
    total = 0
    for item in layers.items:
        layer, times = item.item, scope.value(item.count) or 1
        while isinstance(layer, Repeat):
            times *= scope.value(layer.count) or 1
            layer = layer.item
        total += times * (_number(scope, layer) if isinstance(layer, Schedule) else 1)
    return total


def is_empty(scope: Scope, value: Value) -> bool:
    """Whether a stack has no layers: it gives back what it gets."""
    match value:
        case Schedule(items):
            return all(is_empty(scope, item) for item in items)
        case Repeat(count, item):
            return scope.value(count) == 0 or is_empty(scope, item)
    return False


def sequence(scope: Scope, layers: list[tuple[Value, Span]]) -> Value:
    """`(3 * A, B)`: layers in a row inside a schedule."""
    items: list[Repeat] = []
    for value, span in layers:
        layer = runs(scope, value, span)
        if layer is None:
            return Error()
        items.extend(layer)
    return bounded(scope, Schedule(tuple(items)), layers[0][1].to(layers[-1][1]))


@record
class Indices:
    """What `for i in n` runs over, and how often each of its layers stands there."""

    values: tuple[Value, ...]
    count: Dim = Dim.number(1)


def indices(scope: Scope, name: s.Name, source: Value, span: Span) -> Indices | None:
    """The indices below a number, or the items of a list; one for all where they are not known.
    None after a report.
    """
    match source:
        case Error():
            return None
        case Int(d):
            number = scope.value(d)
            if scope.numbers is not None:
                scope.unrolled |= substitute(d, scope.numbers.symbols).symbols()
            if number is None:
                return Indices((Int(Dim.symbol(name.name)),), d)
            if number > MAX_LAYERS:
                scope.fail("too-large", f"more than {MAX_LAYERS} layers", span)
                return None
            if number == 0:  # still a layer, for its type
                return Indices((Int(Dim()),), d)
            return Indices(tuple(Int(Dim.number(i)) for i in range(number)))
        case Items(values=(), sample=sample) if sample is not None:  # still a layer, for its type
            return Indices((sample,), Dim())
        case Items(values=values) if values is not None:
            return Indices(values)
        case Items(sample=sample, length=length) if sample is not None:
            return Indices((sample,), length)
    scope.fail("kind-mismatch", "`for` runs over a number or a list", span)
    return None


def neighbours(layers: list[Value], count: Dim) -> list[Repeat]:
    """Layers in order, each `count` times: equal neighbours in one run, repeats written once."""
    runs: list[Repeat] = []
    for layer in layers:
        if runs and runs[-1].item == layer:
            runs[-1] = Repeat(runs[-1].count + 1, layer)
        else:
            runs.append(Repeat(count, layer))
    return compressed(runs)


def compressed(runs: list[Repeat]) -> list[Repeat]:
    """A schedule as people write it: a repeating unit once with its count, then the rest."""
    for length in range(2, len(runs) // 2 + 1):
        times = 1
        while runs[times * length : (times + 1) * length] == runs[:length]:
            times += 1
        if times > 1:
            unit = Repeat(Dim.number(times), Schedule(tuple(runs[:length])))
            return [unit, *runs[times * length :]]
    return runs


def runs(scope: Scope, value: Value, span: Span) -> list[Repeat] | None:
    """A value as layers of a stack, or None after a report."""
    match value:
        case Error():
            return None
        case Repeat(count, Tensors() | Tensor()):
            pass
        case Repeat(count, item):
            number = scope.value(count)
            if number is None and scope.numbers is not None:
                message = "a stack has a fixed number of layers, and an input decides this one"
                scope.fail("bad-dimension", message, span)
                return None
            if number is not None and not 0 <= number <= MAX_LAYERS:
                scope.fail(
                    "too-large" if number > 0 else "bad-dimension",
                    f"a stack of {number} layers",
                    span,
                    help=f"between 0 and {MAX_LAYERS} are possible",
                )
                return None
            return [Repeat(count, chains.layer(item, span))]
        case Schedule(items):
            return list(items)
        case _ if is_block(value):
            return [Repeat(Dim.number(1), chains.layer(value, span))]
    scope.fail("not-a-block", "stack takes layers, alone or n times", span, note=describe(value))
    return None


def depth(layers: Schedule) -> Dim:
    """How many layers a stack has."""
    total = Dim()
    for item in layers.items:
        total = total + length(item)
    return total


def length(item: Repeat) -> Dim:
    """The layers of a run, those of nested schedules counted."""
    if not isinstance(item.item, Schedule):
        return item.count
    return item.count * depth(item.item)
