"""What a predicate on positions says: kernels need no mask where it is a usual one."""

from __future__ import annotations

from archdsl.graph import Module
from archdsl.nodes import Rearrange, Repeat


def causal(module: Module) -> bool:
    """Whether a predicate on positions is `query >= key`, and nothing else."""
    if len(module.outputs) != 1:
        return False
    node = module.nodes[module.outputs[0]]
    sides = [_origin(module, a) for a in node.args]
    wanted = {"greater_equal": list(module.inputs), "less_equal": list(reversed(module.inputs))}
    return node.op in wanted and sides == wanted[node.op]


def everything(module: Module) -> bool:
    """Whether a predicate on positions always holds: it compares a position with itself."""
    if len(module.outputs) != 1:
        return False
    index = module.outputs[0]
    while isinstance(module.nodes[index].form, Rearrange | Repeat):
        index = module.nodes[index].args[0]
    node = module.nodes[index]
    same = len({_origin(module, a) for a in node.args}) == 1
    return node.op in ("equal", "less_equal", "greater_equal") and same


def _origin(module: Module, index: int) -> int:
    """The input that a value is, seen through rearrangements that only add axes of size 1."""
    node = module.nodes[index]
    while isinstance(node.form, Rearrange):
        index = node.args[0]
        node = module.nodes[index]
    return index
