"""Weights: how many bytes they take, and what one step of decoding reads of them.

A matrix is read once in each application: twice where two heads are tied and both applied, once in
each round of a loop. Of a table that is only looked up by row a token reads its rows. Of experts a
batch reads those that it meets: each token chooses `top_k` of them, so of `n` equally likely ones

    n * (1 - (1 - top_k / n) ** tokens)

are met. Experts that only hand back what they get are among those that are chosen, and none that
are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from archdsl.dims import Dim, product, substitute
from archdsl.facts.sizes import BYTES, PART
from archdsl.graph import Experts, Model, Module, Param
from archdsl.nodes import (
    Apply,
    Elementwise,
    Gather,
    Loop,
    Mixture,
    Node,
    Read,
    Rearrange,
    every_node,
)
from archdsl.record import record
from archdsl.stream import Flow, needed_inside, results_read
from archdsl.symbols import BATCH, STREAM


@record
class Weights:
    """Numbers of parameters: `numbers` of the model's dtype, `others` bytes of those of another."""

    numbers: float = 0
    others: float = 0

    def plus(self, other: Weights, times: float = 1) -> Weights:
        """These and others, so often."""
        return Weights(self.numbers + times * other.numbers, self.others + times * other.others)

    def bytes(self, width: int) -> int:
        """In all, the numbers of the model's dtype `width` 32nds of a byte each."""
        return math.ceil((self.numbers * width + self.others * PART) / PART)


Share = Callable[[Module, Param], float]
"""The part of a parameter that one device holds."""


def whole(_module: Module, _param: Param) -> float:
    """All of it."""
    return 1


def stored(model: Model, share: Share = whole) -> Weights:
    """All parameters, each once, without those of parts that stand apart."""
    return _stored(model, model.root, share)


def _stored(model: Model, module: Module, share: Share) -> Weights:
    total = Weights()
    for param in module.params:
        if param.kind == "param" and not param.tied:
            count = _numbers(model, module, param)
            total = total.plus(_of(param.type.dtype, count * share(module, param)))
    for child in module.children:
        for count, inner in () if child.apart else child.stored:
            total = total.plus(_stored(model, inner, share), count)
    return total


def _of(dtype: str, count: float) -> Weights:
    return Weights(count) if dtype == "float" else Weights(others=count * BYTES[dtype])


def _numbers(model: Model, module: Module, param: Param) -> int:
    """Numbers of one parameter."""
    return product(model.shape(module, param.type)).value or 0


def read(model: Model, levels: Flow, batch: int, share: Share = whole) -> Weights:
    """What one step of decoding reads for so many sequences."""
    return _Reading(model, levels, batch, share).module(model.root)


def tables(model: Model) -> int:
    """Parameters of tables of which only rows are read: no product has them. A table that a head is
    tied to is none, and neither is a list of single numbers.
    """
    return _tables(model, model.root, frozenset())


def _tables(model: Model, module: Module, multiplied: frozenset[tuple[str, ...]]) -> int:
    """Those of a module; `multiplied` are paths of parameters that are used as matrices too."""
    total = 0
    for param in module.params:
        own = param.kind == "param" and not param.tied and (param.name,) not in multiplied
        if own and len(param.type.axes) > 1 and _by_row(module, param.name):
            total += _numbers(model, module, param)
    elsewhere = {
        path
        for child in module.children
        for name, path in child.ties
        for _, inner in child.modules
        if not _by_row(inner, name)
    }
    for child in module.children:
        paths = {p[1:] for p in (*multiplied, *elsewhere) if p[0] == child.name}
        for count, inner in () if child.apart else child.stored:
            total += count * _tables(model, inner, frozenset(paths))
    return total


def _by_row(module: Module, name: str) -> bool:
    """Whether a parameter of a module is only looked up by row."""
    uses = [
        _gathers(beside, node)
        for beside in (module.nodes, *(n.body.nodes for n in every_node(module.nodes) if n.body))
        for node in beside
        if node.form == Read(name)
    ]
    return bool(uses) and all(gathers is not None for gathers in uses)


@record
class _Reading:
    """The walk over all applications of a step."""

    model: Model
    levels: Flow
    batch: int
    share: Share

    def module(self, module: Module) -> Weights:
        """What one application reads."""
        once = set(self.levels.once(module))
        nodes = [node for i, node in enumerate(module.nodes) if i not in once]
        return self.body(module, module.nodes, nodes)

    def body(self, module: Module, beside: Sequence[Node], nodes: Sequence[Node]) -> Weights:
        """What nodes read, and the bodies that they repeat."""
        total = Weights()
        for node in nodes:
            match node.form:
                case Read(name):
                    total = total.plus(self.parameter(module, beside, node, name))
                case Apply(child) as form:
                    for count, inner in module.child(child).at(form):
                        total = total.plus(self.module(inner), count)
                case Mixture(child):
                    bank = module.child(child).part
                    assert isinstance(bank, Experts)
                    met = _met(bank, _choices(module, node, beside), self.batch)
                    total = total.plus(self.module(bank.expert), met)
            if node.body is not None:
                read = results_read(tuple(beside)).get(beside.index(node), set())
                needed = needed_inside(node, read)
                inside = [inner for inner in node.body.nodes if id(inner) in needed]
                rounds = 1
                if isinstance(node.form, Loop):
                    rounds = self.model.number(module, node.form.rounds).value or 0
                total = total.plus(self.body(module, node.body.nodes, inside), rounds)
        return total

    def parameter(self, module: Module, beside: Sequence[Node], node: Node, name: str) -> Weights:
        """A parameter in one application: all of it, or rows."""
        param = next((p for p in module.params if p.name == name), None)
        if param is None or param.kind != "param":
            return Weights()
        count = _numbers(self.model, module, param)
        gathers = _gathers(beside, node)
        if gathers is not None:
            count = min(count, sum(self.rows(module, gather) for gather in gathers))
        return _of(param.type.dtype, count * self.share(module, param))

    def rows(self, module: Module, gather: Node) -> int:
        """Numbers that are looked up in one step; inputs that do not stream count none."""
        lengths = {BATCH: self.batch, STREAM: 1}
        shape = self.model.shape(module, gather.type)
        return substitute(product(shape), lambda name: Dim.number(lengths.get(name, 1))).value or 0


def _gathers(beside: Sequence[Node], node: Node) -> list[Node] | None:
    """The look-ups that use a parameter, also one whose axes are merged before; None where
    something else does.
    """
    place = next(i for i, other in enumerate(beside) if other is node)
    found: list[Node] = []
    for user in (other for other in beside if place in other.args):
        if isinstance(user.form, Gather) and place not in user.args[1:]:
            found.append(user)
        elif isinstance(user.form, Rearrange) and len(user.args) == len(user.types) == 1:
            inner = _gathers(beside, user)
            if inner is None:
                return None
            found += inner
        else:
            return None
    return found or None


def _met(bank: Experts, among: int, tokens: int) -> float:
    """How many experts of a bank so many tokens meet, of `among` that are chosen from."""
    missed = 1 - min(bank.top_k, among) / among
    return bank.count * (1 - missed**tokens)


def _choices(module: Module, node: Node, beside: Sequence[Node]) -> int:
    """Among how many experts a token chooses where it chooses for one bank: those of all banks that
    the same choice is for, and those that hand back what they get.
    """
    index = node.args[2]
    total = 0
    for other in beside:
        if isinstance(other.form, Mixture) and other.args[2] == index:
            bank = module.child(other.form.child).part
            assert isinstance(bank, Experts)
            total += bank.count
    partly = isinstance(node.form, Mixture) and node.form.partly
    if partly:
        total += sum(other.form.idle for other in beside if isinstance(other.form, Elementwise))
    return total
