"""What each layer of a model costs: parameters, what it keeps, FLOPs.

costs(facts, (8192, 131_072))      runs of equal layers, with what one of them costs
"""

from archdsl.facts.caches import Cached, kept_in
from archdsl.facts.counts import Counts
from archdsl.facts.walk import work_of
from archdsl.graph import Module
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
    known: dict[int, LayerCost] = {}
    for _, module in facts.schedule:
        if module.id not in known:
            known[module.id] = _cost(facts, module, contexts)
    return tuple((count, known[module.id]) for count, module in facts.schedule)


def _cost(facts: Counts, module: Module, contexts: tuple[int, ...]) -> LayerCost:
    params = facts.params_of(module)
    kept = kept_in(facts.model, module)
    work = work_of(facts.model, facts.flow, module)

    def size(context: int) -> int:
        return sum(k.bytes * (k.entries(context) if isinstance(k, Cached) else 1) for k in kept)

    return LayerCost(
        params,
        params - facts.idle(module),
        tuple(map(size, contexts)),
        tuple(work.flops(context, prefill=False) for context in contexts),
    )
