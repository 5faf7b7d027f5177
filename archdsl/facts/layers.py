"""What each layer of a model costs: parameters, what it keeps, FLOPs.

costs(facts, (8192, 131_072))      runs of equal layers, with what one of them costs

A layer that is applied several times, by a loop or because its stack is applied by name again,
keeps something and does its work each time.
"""

from collections import Counter

from archdsl.facts.caches import Cached, kept_in
from archdsl.facts.counts import Counts
from archdsl.facts.steps import keeping_parts, steps
from archdsl.facts.walk import work_of_layers
from archdsl.facts.work import Work
from archdsl.graph import Model, Module
from archdsl.nodes import Apply
from archdsl.record import record


@record
class LayerCost:
    """One layer: its parameters, those that work on a token, bytes that it keeps of one sequence in
    bf16 and FLOPs of one more token, at each of the contexts.
    """

    params: int
    active: int
    kept: tuple[int, ...]
    flops: tuple[int, ...]


def costs(facts: Counts, contexts: tuple[int, ...]) -> tuple[tuple[int, LayerCost], ...]:
    """Runs of equal layers in order, as (count, cost of one of them)."""
    ids = frozenset(module.id for _, module in facts.schedule)
    work = work_of_layers(facts.model, facts.flow, ids)
    applied = _applied(facts.model, ids)
    priced: list[tuple[int, LayerCost]] = []
    for part, layers in facts.layers_of_parts:
        alike = Counter[int]()
        for count, module in layers:
            alike[module.id] += count
        known = {
            module.id: _cost(
                facts, module, alike[module.id], applied[part, module.id],
                work.get((part, module.id), Work()), contexts,
            )
            for _, module in layers
        }  # fmt: skip
        priced += [(count, known[module.id]) for count, module in layers]
    return tuple(priced)


def _cost(
    facts: Counts, module: Module, alike: int, applied: int, work: Work, contexts: tuple[int, ...]
) -> LayerCost:
    """One of so many layers alike, of what all of them keep and do together."""
    params = facts.params_of(module)
    kept = kept_in(facts.model, module)

    def size(context: int) -> int:
        return sum(k.bytes * (k.entries(context) if isinstance(k, Cached) else 1) for k in kept)

    return LayerCost(
        params,
        params - facts.idle(module),
        tuple(size(context) * applied // alike for context in contexts),
        tuple(work.flops(context, prefill=False) // alike for context in contexts),
    )


def _applied(model: Model, layers: frozenset[int]) -> Counter[tuple[str, int]]:
    """How often each part of the model applies layers where these may keep something, by the name
    of the part and the number of the layer's module.
    """
    known: dict[int, Counter[int]] = {}

    def inside(module: Module) -> Counter[int]:
        if module.id in layers:
            return Counter((module.id,))
        if module.id not in known:
            known[module.id] = Counter()
            for times, inner in keeping_parts(model, module):
                for layer, often in inside(inner).items():
                    known[module.id][layer] += times * often
        return known[module.id]

    applied = Counter[tuple[str, int]]()
    for times, node, _ in steps(model, model.root):
        rounds = times.value
        if isinstance(node.form, Apply) and rounds is not None:
            for count, module in model.root.child(node.form.child).at(node.form):
                for layer, often in inside(module).items():
                    applied[node.form.child, layer] += rounds * count * often
    return applied
