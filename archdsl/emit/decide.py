"""Decides the units of a file, each before those that make or call it: what they are passed, take
and store, and the statements of their methods.
"""

from __future__ import annotations

from collections.abc import Iterable

from archdsl.emit import plan as p
from archdsl.emit.arguments import arguments_of, frame
from archdsl.emit.body import Writer
from archdsl.emit.context import parameters
from archdsl.emit.init import init_lines
from archdsl.emit.intrinsics import kernel
from archdsl.emit.lines import Line, line, uses_of
from archdsl.emit.places import new_cache_lines
from archdsl.emit.spell import listed
from archdsl.emit.tables import beginning_lines, precise_lines, table_lines
from archdsl.emit.unit import FUNCTION, INLINED, Frame, Unit
from archdsl.emit.uses import Length, Start


def decide(plan: p.Plan) -> tuple[Unit, ...]:
    """The units of a plan but the model's, each behind those that it makes or calls."""
    for group in plan.groups:
        around = frame(plan, group)
        if around.kind == INLINED:
            plan.units[group] = Unit(around)
        elif around.kind == FUNCTION:
            plan.units[group] = _function(plan, around)
        elif group.module is not plan.model.root:
            plan.units[group] = _class(plan, around)
    return tuple(plan.units.values())


def _function(plan: p.Plan, around: Frame) -> Unit:
    _, body = forward_of(plan, around)
    uses = uses_of(body)
    arguments = arguments_of(around, uses)
    inputs = [f"{name}: Tensor" for name in around.inputs]
    inputs += [f"{a.name}: {a.type}" for a in arguments]
    inputs += ["start: int"] if Start() in uses else []
    return Unit(around, arguments, Start() in uses, inputs=tuple(inputs), body=body)


def _class(plan: p.Plan, around: Frame) -> Unit:
    module = around.group.module
    writer, body = forward_of(plan, around)
    tables = [*table_lines(plan, around), *beginning_lines(plan, around)]
    kept = new_cache_lines(plan, writer)
    init = init_lines(plan, around, uses_of([*body, *tables, *kept]))
    plain, given = parameters(module, around.inputs, plan.given(module))
    inputs = ["self", *plain]
    inputs += ["expert: int"] if around.group.banked else []
    inputs += ["start: int = 0"] if plan.needs_start(module) else []
    inputs += ["cache: Any = None"] if plan.keeps(module) else []
    inputs += ["*", *given] if given else []
    return Unit(
        around,
        init.arguments,
        plan.needs_start(module),
        init.flags,
        tuple(inputs),
        body,
        (*tables, *precise_lines(around.group)),
        init.lines,
        tuple(kept),
    )


def forward_of(
    plan: p.Plan, around: Frame, store: str = "cache"
) -> tuple[Writer, tuple[Line, ...]]:
    """The statements of a body."""
    writer = Writer(plan, around, store)
    if plan.lowered(writer.module):
        lines = kernel(writer)
    else:
        results = writer.run(writer.module.outputs)
        lines = [*writer.lines, line("return {}", listed(results))]
    return writer, (*shape_lines(writer, lines), *lines)


def shape_lines(writer: Writer, body: Iterable[Line]) -> list[Line]:
    """Lines that read from the inputs the lengths of free axes that a body uses."""
    uses, around = uses_of(body), writer.frame
    return [
        line("{} = {}.shape[{}]", around.lengths[name], around.inputs[which], axis)
        for name, (which, axis) in p.free_axes(writer.module).items()
        if Length(name) in uses
    ]
