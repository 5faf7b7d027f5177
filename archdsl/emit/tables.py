"""Tables that settings alone decide, and what keeps tensors of single precision as they are."""

from __future__ import annotations

from archdsl.emit import plan as p
from archdsl.emit.arguments import optional
from archdsl.emit.body import WIDTH, Writer
from archdsl.emit.lines import Line, line
from archdsl.emit.names import safe, unused
from archdsl.emit.spell import (
    Text,
)
from archdsl.emit.unit import Frame, Group
from archdsl.emit.uses import Import
from archdsl.graph import Module
from archdsl.nodes import Read


def table_lines(plan: p.Plan, around: Frame) -> list[Line]:
    """The method that computes constants; nothing where there are none."""
    module = around.group.module
    consts = [q for q in module.params if q.kind == "const"]
    if not consts:
        return []
    writer = Writer(plan, around, table=True)
    names = [n.form.param for n in module.nodes if isinstance(n.form, Read)]
    read = {name for name in names if is_read(module, name)}
    lines: list[Line] = []
    writer.prepare([q.value for q in consts if q.value is not None])
    done = 0
    for param in consts:
        assert param.value is not None
        parts = 0
        for i in range(done, param.value + 1):
            value = writer.node(i, module.consts[i])
            if len(value.text) > WIDTH and i != param.value:
                parts += 1
                name = f"{safe(param.name)}_part" + (f"_{parts}" if parts > 1 else "")
                name = unused(name, {safe(q.name) for q in consts})
                lines.append(line("{} = {}", name, value))
                value = Text(name)
            writer.values[i] = value
        done = param.value + 1
        lines.append(line("{} = {}", safe(param.name), writer.values[param.value]))
    kept = ", ".join(f'"{safe(q.name)}": {safe(q.name)}' for q in consts if q.name in read)
    block = [
        line('"""What the settings alone decide, in single precision."""'),
        *writer.lines,
        *lines,
        line("return {}", f"{{{kept}}}"),
    ]
    head = "def tables(self, device: torch.device | None = None) -> dict[str, Tensor]:"
    return [line(""), line(head, block=block)]


def precise_lines(group: Group) -> list[Line]:
    """What keeps tensors of single precision, and tables, as they are when the rest is cast."""
    module = group.module
    precise = [q for q, _ in optional(group) if q.kind != "const" and q.type.dtype == "float32"]
    kept = [safe(q.name) for q in precise]
    tables = [q.name for q in module.params if q.kind == "const"]
    read = [safe(name) for name in tables if is_read(module, name)]
    if not kept and not read:
        return []
    lines = [line("super()._apply(fn, recurse)")]
    if kept:
        held = ", ".join(f'"{n}": self.{n}.data' for n in kept)
        if any(q.guard for q in precise):
            names = "".join(f'"{n}", ' for n in kept).rstrip()
            held = f"n: getattr(self, n).data for n in ({names}) if getattr(self, n) is not None"
        cast = [
            line("new = getattr(self, name)"),
            line("new.data = new.data.to(value.dtype) if value.is_meta else value.to(new.device)"),
        ]
        lines = [
            line("# What is of single precision keeps it when the rest is cast."),
            line("kept = {}", f"{{{held}}}"),
            *lines,
            line("for name, value in kept.items():", block=cast),
        ]
    if read:
        comment = "# Tables keep their precision when parameters are cast, and survive `to_empty`."
        lines = [
            *([line(comment)] if not kept else []),
            *lines,
            line(
                "for name, table in self.tables(self.{}.device).items():",
                read[0],
                block=[line("setattr(self, name, table)")],
            ),
        ]
    head = "def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:"
    block = [*lines, line("return self")]
    return [line(""), line(head, block=block, uses=(Import("Callable"),))]


def is_read(module: Module, param: str) -> bool:
    """Whether a body reads a constant."""
    reads = [i for i, n in enumerate(module.nodes) if n.form == Read(param)]
    used = {a for n in module.nodes for a in n.args} | set(module.outputs)
    return any(i in used for i in reads)
