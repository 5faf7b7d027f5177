"""Conditions that only the lengths of inputs decide, `where T <= context`, as the model runs."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.dims import Dim, substitute
from archdsl.emit.body import Writer
from archdsl.emit.context import input_names
from archdsl.emit.plan import Plan
from archdsl.emit.spell import spell_dim
from archdsl.graph import Check, Model
from archdsl.stream import modules


def conditions(model: Model) -> tuple[Check, ...]:
    """The conditions of all blocks, each once, in the symbols of the whole model."""
    root = model.root
    own = {f"${name}": Dim.symbol(name) for name in ("B", "T", "S")}
    own |= {d.name: Dim.symbol(name) for name, d in root.symbols.items() if d.name is not None}
    found: dict[Check, None] = {}
    for module in sorted(modules(root), key=lambda m: m.id):
        for check in module.checks:
            left, right = (
                substitute(substitute(side, module.symbols), own)
                for side in (check.left, check.right)
            )
            found.setdefault(Check(left, check.op, right))
    return tuple(found)


def settings(model: Model) -> set[str]:
    """The settings that conditions read."""
    known = {s.name for s in model.root.settings}
    return {
        name
        for check in conditions(model)
        for side in (check.left, check.right)
        for name in side.symbols()
        if name in known
    }


def limit_lines(made: Plan, tokens: str = "") -> list[str]:
    """What `forward` asks of its inputs. `tokens`: how many there are with those seen before, as an
    expression, of a model that streams.
    """
    root = made.model.root
    lengths: dict[str, str] = {"T": f"({tokens})", "S": f"({tokens})"} if tokens else {}
    for name, index in zip(input_names(root, False), root.inputs, strict=True):
        for i, axis in enumerate(root.nodes[index].type.axes):
            if isinstance(axis, Dim) and axis.name is not None:
                lengths.setdefault(axis.name, f"{name}.shape[{i}]")
    writer, lines = Writer(made, root), []
    for check in conditions(made.model):
        left, right = (_spelt(side, lengths, writer) for side in (check.left, check.right))
        said = f'"the model needs {check.left} {check.op} {check.right}"'
        if tokens and check.left.name == "T":
            said = f'f"{{{tokens}}} tokens: the model needs T {check.op} {{{right}}}"'
        lines.append(f"if not {left} {check.op} {right}:")
        lines.append(f"    raise ValueError({said})")
    return lines


def _spelt(side: Dim, lengths: Mapping[str, str], writer: Writer) -> str:
    def look(name: str) -> str:
        return lengths.get(name) or writer.look(name)

    text = spell_dim(side, look).text
    return text[1:-1] if side.name is not None and text.startswith("(") else text
