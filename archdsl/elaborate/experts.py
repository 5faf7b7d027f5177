"""Experts see tokens alone: what an expert says of a token depends on that token and nothing else.

A mixture gives each expert the tokens that chose it, in groups that differ from step to step. So an
expert may not keep, count or compare tokens, and its parameters are its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archdsl.axes import Cut, Factor, Item, Merge, cuts, factors, size
from archdsl.diagnostic import Diagnostics, Label
from archdsl.dims import Dim, product
from archdsl.graph import Child, Experts, Model, Module
from archdsl.nodes import (
    Along,
    Arange,
    Cache,
    Choose,
    Einsum,
    Gather,
    Mixture,
    Node,
    Number,
    Positions,
    Rearrange,
    Reduce,
    Scan,
    Window,
    every_node,
)
from archdsl.source import Span
from archdsl.stream import modules

_HELP = "what an expert says of a token depends on that token alone"


def check_experts(model: Model, diagnostics: Diagnostics) -> None:
    """Reports what experts may not do, once for each place."""
    reported: set[Span | None] = set()
    for module in sorted(modules(model.root), key=lambda m: m.id):
        for node in every_node(module.nodes):
            if not isinstance(node.form, Mixture):
                continue
            bank = module.child(node.form.child)
            x = model.shape(module, module.nodes[node.args[0]].type)
            tokens = frozenset().union(*(axis.symbols() for axis in x[:-1]))
            for _, expert in bank.modules:
                for at, message in _faults(model, bank, expert, tokens):
                    if at not in reported:
                        reported.add(at)
                        here = node.span and (Label(node.span, "an expert of this mixture"),)
                        diagnostics.add("expert-tokens", message, at, labels=here or (), help=_HELP)


def _faults(
    model: Model, bank: Child, expert: Module, tokens: frozenset[str]
) -> Iterator[tuple[Span | None, str]]:
    """(place, what is wrong) of everything in an expert."""
    for module in modules(expert):
        owned = {child.owned for child in module.children}
        for child in module.children:
            for _, inner in child.modules:
                if inner.shared is not None and inner.shared not in owned:
                    yield (
                        inner.span,
                        f"{bank.name} has experts with a block that others share",
                    )
            if isinstance(child.part, Experts):
                yield module.span, f"{module.block} has experts of its own inside an expert"
        for node in every_node(module.nodes):
            problem = _fault(model, module, node, tokens)
            if problem:
                yield node.span or module.span, f"an expert {problem}"


def _fault(model: Model, module: Module, node: Node, tokens: frozenset[str]) -> str:
    """What an operation does that an expert may not, or nothing."""

    def mixes(items: Iterable[Item]) -> bool:
        return any(
            model.number(module, size(i)).symbols() & tokens
            for i in items
            if isinstance(i, Factor | Merge | Cut)
        )

    match node.form:
        case Cache() | Window() | Scan():
            return "keeps nothing of the tokens before: they went to other experts"
        case Positions(axis) | Arange(axis) if model.number(module, axis).symbols() & tokens:
            return "does not know where a token stands"
        case Number(Dim() as number) if model.number(module, number).symbols() & tokens:
            return "does not know how many tokens there are"
        case Reduce(_, plan) | Einsum(plan):
            kept = {str(f) for f in factors(plan.right[0])}
            gone = [f for term in plan.left for f in factors(term) if str(f) not in kept]
            return "takes several tokens together" if mixes(gone) else ""
        case Along(_, plan):
            return "takes several tokens together" if mixes(plan.left[0]) else ""
        case Choose(_, plan):
            return "takes several tokens together" if mixes(plan.left[0][-1:]) else ""
        case Gather() as form:
            return "looks up another token" if mixes((form.axis,)) else ""
        case Rearrange(plan):
            parts = (part for cut in cuts((*plan.left, *plan.right)) for part in cut.parts)
            sizes = (model.number(module, product(size(i) for i in part)) for part in parts)
            cut = any(one.symbols() & tokens for one in sizes)
            return "cuts or joins tokens" if cut else ""
    return ""
