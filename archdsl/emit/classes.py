"""Prints a unit as a class or a function, with nothing left to decide."""

from __future__ import annotations

from archdsl.emit.context import result_type
from archdsl.emit.lines import Line, definition, documented, line
from archdsl.emit.unit import Unit
from archdsl.graph import Module


def unit_lines(unit: Unit) -> list[Line]:
    """The text of a class or a function."""
    module = unit.frame.group.module
    if unit.is_function:
        count = len(module.outputs)
        result = "Tensor" if count == 1 else f"tuple[{', '.join(['Tensor'] * count)}]"
        block = [*documented(_doc(module), 1), *unit.body]
        return definition(f"def {unit.name}(", list(unit.inputs), f") -> {result}:", block)
    tail = f") -> {result_type(module)}:"
    block = [
        *documented(_doc(module), 1),
        line(""),
        *unit.init,
        *unit.methods,
        line(""),
        *definition("def forward(", list(unit.inputs), tail, unit.body, 1),
        *unit.kept,
    ]
    return [line("class {}(nn.Module):", unit.name, block=block)]


def _doc(module: Module) -> str:
    text = module.doc.replace("\n", " ") or module.title
    return f"{text}\n\n{signature(module)}"


def signature(module: Module) -> str:
    """`x: [B, T, d] -> [B, T, d]`, as the spec says it."""
    count = len(module.inputs) - len(module.context)
    names = [module.nodes[i].name for i in module.inputs[:count]]
    inputs = [
        f"{name}: {module.nodes[i].type}"
        for name, i in zip([*names, *module.context], module.inputs, strict=True)
    ]
    outputs = ", ".join(str(module.nodes[o].type) for o in module.outputs)
    given = f", given {', '.join(inputs[count:])}" if module.context else ""
    return f"{', '.join(inputs[:count])} -> {outputs}{given}"
