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
    writer = Writer(plan, around, table=module.consts)
    names = [n.form.param for n in module.nodes if isinstance(n.form, Read)]
    names += [n.form.param for n in module.initials if isinstance(n.form, Read)]
    read = {name for name in names if is_read(module, name)}
    roots = [(q.name, q.value) for q in consts if q.value is not None]
    lines = _computed(writer, roots, "{} = {}")
    kept = ", ".join(f'"{safe(q.name)}": {safe(q.name)}' for q in consts if q.name in read)
    block = [
        line('"""What the settings alone decide, in single precision."""'),
        *lines,
        line("return {}", f"{{{kept}}}"),
    ]
    head = "def tables(self, device: torch.device | None = None) -> dict[str, Tensor]:"
    return [line(""), line(head, block=block)]


def _computed(writer: Writer, roots: list[tuple[str, int]], form: str) -> list[Line]:
    """Statements that compute nodes in order; `form` says what is done with the value of a root.
    What is too long for a line gets a name of its own.
    """
    writer.prepare([node for _, node in roots])
    lines: list[Line] = []
    done = 0
    for name, root in roots:
        parts = 0
        for i in range(done, root + 1):
            value = writer.node(i, writer.nodes[i])
            if len(value.text) > WIDTH and i != root:
                parts += 1
                part = f"{safe(name)}_part" + (f"_{parts}" if parts > 1 else "")
                part = unused(part, {safe(other) for other, _ in roots})
                lines.append(line("{} = {}", part, value))
                value = Text(part)
            writer.values[i] = value
        done = root + 1
        lines.append(line(form, safe(name), writer.values[root]))
    return [*writer.lines, *lines]


def beginning_lines(plan: p.Plan, around: Frame) -> list[Line]:
    """The method that computes what parameters begin as; nothing where none is computed."""
    module = around.group.module
    roots = [(q.name, q.initial.node) for q in module.params if q.initial is not None]
    computed = [(name, node) for name, node in roots if node is not None]
    if not computed:
        return []
    writer = Writer(plan, around, table=module.initials)
    lines = _computed(writer, computed, "self.{}.copy_({})")
    block = [
        line('"""What parameters begin as, where that is computed."""'),
        line("with torch.no_grad():", block=lines),
    ]
    return [line(""), line("def set_initial_values(self) -> None:", block=block)]


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
    return any(i in used for i in reads) or any(n.form == Read(param) for n in module.initials)
