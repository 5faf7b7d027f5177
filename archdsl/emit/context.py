"""Inputs of blocks in emitted code, and what they are given: arguments with names.

    def forward(self, x_BTD: Tensor, start: int = 0, *, memory: Tensor) -> Tensor:
    ...
    x_BTD = layer(x_BTD, start, memory=memory)

Functions take what they are given in order, behind their inputs.
"""

from __future__ import annotations

from collections.abc import Container

from archdsl.emit.names import OF_BODY, lettered, variable
from archdsl.emit.spell import Text, spelt
from archdsl.graph import Module


def input_names(module: Module, function: bool, used: Container[str] = ()) -> list[str]:
    """The variables of a block's inputs, what it is given behind the others; none of `taken`."""
    count = len(module.inputs) - len(module.context)
    nodes = [module.nodes[i] for i in module.inputs]
    settings = {s.name for s in module.settings} if function else set()
    given = [variable(n + "_given" * (n in settings)) for n in module.context]
    names: list[str] = []
    for node in nodes[:count]:
        name = lettered(node.name, node.type)
        while name in used or name in names or name in given or name in OF_BODY:
            name += "_"
        names.append(name)
    return [*names, *given]


def arguments(names: tuple[str, ...], values: list[Text]) -> tuple[list[Text], list[Text]]:
    """The arguments of a submodule that is given what `names` says, those in order and those with
    names.
    """
    count = len(values) - len(names)
    named = zip(names, values[count:], strict=True)
    return values[:count], [spelt("{}={}", variable(name), value) for name, value in named]


def parameters(
    module: Module, inputs: tuple[str, ...], names: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """The parameters of a `forward`, those in order and those with names, which are `names`. What
    only the layers beside a block need may be left out where it is applied alone.
    """
    count = len(module.inputs) - len(module.context)
    return (
        [f"{name}: Tensor" for name in inputs[:count]],
        [
            f"{variable(name)}: Tensor" + " | None = None" * (name not in module.context)
            for name in names
        ],
    )


def result_type(module: Module) -> str:
    """What `forward` is annotated to give."""
    return "Tensor" if len(module.outputs) == 1 else "tuple[Tensor, ...]"
