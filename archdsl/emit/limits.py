"""Conditions that only the lengths of inputs decide, `where T <= context`, as the model runs."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.dims import Dim, substitute
from archdsl.emit.body import Writer
from archdsl.emit.lines import Line, line
from archdsl.emit.plan import Plan
from archdsl.emit.spell import ATOM, PLUS, Text, spell_dim
from archdsl.emit.unit import Frame
from archdsl.graph import Check, Model
from archdsl.stream import modules
from archdsl.symbols import SEEN, STREAM


def conditions(model: Model) -> tuple[Check, ...]:
    """The conditions of all blocks, each once, in the symbols of the whole model."""
    root = model.root
    own = {d.name: Dim.symbol(name) for name, d in root.symbols.dims.items() if d.name is not None}
    checks: dict[Check, None] = {}
    for module in sorted(modules(root), key=lambda m: m.id):
        for check in module.checks:
            left, right = (
                substitute(module.symbols.dim(side), own) for side in (check.left, check.right)
            )
            checks.setdefault(Check(left, check.op, right))
    return tuple(checks)


def limit_lines(plan: Plan, frame: Frame, tokens: str = "") -> list[Line]:
    """What `forward` asks of its inputs. `tokens`: how many there are with those seen before, as an
    expression, of a model that streams.
    """
    root = plan.model.root
    seen = Text(tokens, PLUS)
    lengths: dict[str, Text] = {STREAM: seen, SEEN: seen} if tokens else {}
    for name, index in zip(frame.inputs, root.inputs, strict=True):
        for i, axis in enumerate(root.nodes[index].type.axes):
            if isinstance(axis, Dim) and axis.name is not None:
                lengths.setdefault(axis.name, Text(f"{name}.shape[{i}]"))
    writer, lines = Writer(plan, frame), []
    for check in conditions(plan.model):
        left, right = (_side(side, lengths, writer) for side in (check.left, check.right))
        message = f'"the model needs {check.left} {check.op} {check.right}"'
        if tokens and check.left.name == STREAM:
            message = f'f"{{{tokens}}} tokens: the model needs T {check.op} {{{right}}}"'
        failed = line("raise ValueError({})", message)
        lines.append(line("if not {} {} {}:", left, check.op, right, block=[failed]))
    return lines


def _side(side: Dim, lengths: Mapping[str, Text], writer: Writer) -> Text:
    """One side of a condition, in parentheses only where operators need them."""
    if side.name is not None and side.name in lengths:
        return lengths[side.name]

    def look(name: str) -> Text:
        known = lengths.get(name)
        return writer.look(name) if known is None else Text(str(known.at(ATOM)))

    return spell_dim(side, look)
