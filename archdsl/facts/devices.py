"""Tensor parallelism: what one of N devices holds.

Every matrix is split evenly, experts and tables too, and vectors and routers stand on each device.
What is kept of the tokens decides one exception. Heads are split, and where there are fewer than
devices each stands on several; a latent has no heads, and each device keeps all of it. So does it
with the matrices that make what it keeps.
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.dims import product
from archdsl.facts.caches import cache_of
from archdsl.facts.weights import Share
from archdsl.graph import Model, Module, Param, Single
from archdsl.nodes import Apply, Cache, Einsum, Input, Item, Node, Read
from archdsl.record import record
from archdsl.stream import modules


@record
class _Portion:
    """A part of what a matrix makes is kept, in so many heads."""

    part: float
    heads: int


_Place = tuple[tuple[int, str], ...]
"""Where a matrix stands: the modules around it, each with the name of the child that leads on."""


def share(model: Model, devices: int) -> Share:
    """The part of each parameter that one of so many devices holds. Of equal matrices in several
    places, which are one module, it is the largest.
    """
    kept: dict[tuple[int, str], dict[_Place, dict[tuple[int, int], _Portion]]] = {}
    for module in modules(model.root):
        for i, node in enumerate(module.nodes):
            if isinstance(node.form, Cache):
                cache = cache_of(model, module, node)
                for place, inner, name, width in _makers(model, module, node.args[0], ()):
                    part = min(1, cache.heads * cache.width / width)
                    places = kept.setdefault((inner.id, name), {})
                    places.setdefault(place, {})[module.id, i] = _Portion(part, cache.heads)

    def held(module: Module, param: Param) -> float:
        if module.role == "router" or len(param.type.axes) < 2:
            return 1
        each = 1 / devices
        more = (
            sum(p.part * (-(-p.heads // devices) / p.heads - each) for p in portions.values())
            for portions in kept.get((module.id, param.name), {}).values()
        )
        return min(1, each + max(more, default=0))

    return held


_Around = tuple[tuple[Module, Node], ...]
"""The applications around a body, the innermost last, each a node of a module."""


def _makers(
    model: Model, module: Module, place: int, around: _Around
) -> Iterator[tuple[_Place, Module, str, int]]:
    """The matrices that make a value, with the numbers of each token that they make."""
    waiting, seen = [place], set[int]()
    while waiting:
        i = waiting.pop()
        if i in seen:
            continue
        seen.add(i)
        node = module.nodes[i]
        match node.form:
            case Einsum():
                reads = [module.nodes[a] for a in node.args]
                for param in (n.form.param for n in reads if isinstance(n.form, Read)):
                    axes = model.shape(module, node.type)
                    width = product(a for a in axes if not a.symbols()).value or 1
                    yield _place(around), module, param, width
            case Input():
                if around and i in module.inputs:
                    outer, applied = around[-1]
                    number = module.inputs.index(i)
                    if number < len(applied.args) - _given(applied):
                        yield from _makers(model, outer, applied.args[number], around[:-1])
            case Item(index) if isinstance(module.nodes[node.args[0]].form, Apply):
                yield from _inside(model, module, module.nodes[node.args[0]], index, around)
            case Apply():
                yield from _inside(model, module, node, 0, around)
            case _:
                waiting += node.args


def _place(around: _Around) -> _Place:
    return tuple((m.id, n.form.child) for m, n in around if isinstance(n.form, Apply))


def _given(applied: Node) -> int:
    return applied.form.context if isinstance(applied.form, Apply) else 0


def _inside(
    model: Model, module: Module, node: Node, result: int, around: _Around
) -> Iterator[tuple[_Place, Module, str, int]]:
    """The matrices that make a result of an application."""
    assert isinstance(node.form, Apply)
    child = module.child(node.form.child)
    if isinstance(child.part, Single):
        ((_, inner),) = child.at(node.form)
        place = inner.outputs[min(result, len(inner.outputs) - 1)]
        yield from _makers(model, inner, place, (*around, (module, node)))
