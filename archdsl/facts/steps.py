"""What a body computes, with what it repeats and how often."""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.dims import Dim
from archdsl.graph import Model, Module
from archdsl.nodes import Apply, Loop, Node
from archdsl.stream import needed_inside, results_read
from archdsl.symbols import TIME

ONCE = Dim.number(1)


def steps(
    model: Model, module: Module, nodes: tuple[Node, ...] | None = None, times: Dim = ONCE
) -> Iterator[tuple[Dim, Node, tuple[Node, ...]]]:
    """(how often it happens, node, the nodes beside it) of a body and of what it repeats."""
    beside = module.nodes if nodes is None else nodes
    read: dict[int, set[int]] | None = None
    for i, node in enumerate(beside):
        yield times, node, beside
        if node.body is not None:
            rounds = node.form.rounds if isinstance(node.form, Loop) else TIME
            often = times * model.number(module, rounds)
            read = results_read(beside) if read is None else read
            needed = needed_inside(node, read.get(i, set()))
            for step in steps(model, module, node.body.nodes, often):
                if step[2] is not node.body.nodes or id(step[1]) in needed:
                    yield step


def keeping_parts(model: Model, module: Module) -> Iterator[tuple[int, Module]]:
    """What a module applies that may keep something, with the number of places. What a scan applies
    sees one token, and keeps nothing.
    """
    for times, node, _ in steps(model, module):
        often = times.value
        if isinstance(node.form, Apply) and often is not None:
            for count, inner in module.child(node.form.child).at(node.form):
                yield count * often, inner


def number(d: Dim) -> int:
    """The number that a dimension is; raises ValueError otherwise."""
    if d.value is None:
        raise ValueError(f"{d} is not a number")
    return d.value
