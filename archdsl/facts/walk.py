"""The work of a model as engines run it: FLOPs of matrix products, and what is read of the cache.

What is written in a spec is a sum of products, and a sum of products may be computed in another
order. This walk follows values through all applications of a model, and counts

- for each pair of a query and a key only pairs that the mask leaves (`seen.py`). What a mask hides
  behind `select` need not be computed, and what it has hidden is not summed.
- what is computed of each cached entry by a linear map, in the cheaper of two ways: as it is
  written, for every entry and each new token anew; or absorbed, the map applied to the queries and
  to what is read, so that entries are met as they are kept (latent attention, arXiv:2405.04434).
  This holds where the map's results meet queries and weights by products alone: a norm or a
  rotation between them forbids it.

A recurrence is counted token by token. What does not depend on the tokens is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count as numbers

from archdsl.dims import Dim, product
from archdsl.facts.caches import cache_of
from archdsl.facts.entrywise import constant, elementwise
from archdsl.facts.known import PLAIN, Kept, Known, has_keys, position
from archdsl.facts.moves import chosen, gathered, rearranged, reduced
from archdsl.facts.products import einsum
from archdsl.facts.step import Step
from archdsl.facts.tally import Account, Tally, fresh
from archdsl.facts.work import Work
from archdsl.graph import Child, Experts, Layers, Model, Module, ModuleList, Single, runs
from archdsl.nodes import (
    Along,
    Apply,
    Cache,
    Choose,
    Einsum,
    Elementwise,
    Gather,
    Input,
    Loop,
    Mixture,
    Node,
    Number,
    Positions,
    Rearrange,
    Reduce,
    Repeat,
    Residual,
    Scan,
)
from archdsl.nodes import Item as Result
from archdsl.record import entity
from archdsl.stream import Flow, needed_inside, results_read
from archdsl.symbols import SEEN, TIME

ONE = Dim.number(1)


def work(model: Model, levels: Flow) -> Work:
    """The work of a model."""
    return _tally(model, levels, frozenset()).work()


def work_of_layers(
    model: Model, levels: Flow, layers: frozenset[int]
) -> dict[tuple[str, int], Work]:
    """What of the work of a model its layers do, of all applications together, by the part of the
    model that applies them and the number of their module. A layer is told what the model tells it:
    which keys a layer before it chose.
    """
    return {key: own.work() for key, own in _tally(model, levels, layers).layers.items()}


def _tally(model: Model, levels: Flow, layers: frozenset[int]) -> Tally:
    account = Account(model, {}, set(), {}, {}, numbers())
    walk = _Walk(account, levels, {}, layers)
    outputs, met = walk.module(model.root, [PLAIN] * len(model.root.inputs))
    for known in outputs:
        account.end(met, known)
    account.close(met, ())
    return met


@entity
class _Walk:
    """The walk through all applications of a model, those that are told the same things once.

    `layers` are the modules whose work is told apart.
    """

    account: Account
    levels: Flow
    done: dict[object, tuple[list[Known], Tally]]
    layers: frozenset[int]

    def module(self, module: Module, inputs: Sequence[Known]) -> tuple[list[Known], Tally]:
        """What is known of a module's results, and its work."""
        key = (module.id, *inputs)
        alone = not any(known.numbered for known in inputs)
        if alone and key in self.done:
            return self.done[key]
        tally = fresh()
        given = dict(zip(module.inputs, inputs, strict=True))
        once = set(self.levels.once(module))
        values = self.nodes(tally, module, module.nodes, given, once)
        outputs = [values[i][0] for i in module.outputs]
        self.account.close(tally, outputs)
        if module.id in self.layers:
            tally.as_layer(module.id)
        if alone and not any(known.numbered for known in outputs):
            self.done[key] = outputs, tally
        return outputs, tally

    def nodes(
        self,
        tally: Tally,
        module: Module,
        nodes: Sequence[Node],
        given: Mapping[int, Known],
        left_out: set[int],
    ) -> list[list[Known]]:
        """What is known of each result of each node; of those left out nothing."""
        values: list[list[Known]] = []
        for i, node in enumerate(nodes):
            if i in given:
                values.append([given[i]])
            elif i in left_out or isinstance(node.form, Input):
                values.append([PLAIN] * len(node.types))
            elif isinstance(node.form, Result):
                values.append([values[node.args[0]][node.form.index]])
            else:
                step = Step(self.account, tally, module, nodes, i)
                values.append(self.results(step, [values[a][0] for a in node.args]))
        return values

    def results(self, step: Step, args: list[Known]) -> list[Known]:
        """What is known of each result."""
        node = step.node
        match node.form:
            case Positions(axis):
                return [position(step.dim(axis))]
            case Number(value):
                return [constant(step, value)]
            case Elementwise(op):
                return [elementwise(step, op, args)]
            case Residual():
                return [elementwise(step, "add", args)]
            case Einsum(plan):
                return [einsum(step, plan, args)]
            case Apply() as form:
                return self.apply(step, form, args)
            case Mixture(child):
                bank = step.module.child(child).part
                assert isinstance(bank, Experts)
                outputs, inner = self.module(bank.expert, [PLAIN] * len(bank.expert.inputs))
                step.tally.add(inner, Dim.number(bank.top_k))
                return outputs
            case Cache():
                return [_cache(step, args[0])]
            case Scan() | Loop():
                return self.repeated(step, args)
            case _ if all(known == PLAIN for known in args):
                return [PLAIN] * len(node.types)
            case Rearrange(plan) | Repeat(plan):
                return rearranged(step, plan, args)
            case Reduce():
                return [reduced(step, args[0])]
            case Along() if has_keys(step.shape):
                step.account.end(step.tally, args[0])
                return [Known(hidden=args[0].hidden, kept=args[0].kept)]
            case Choose("top_mask", _, count):
                return [chosen(step, count, args[0])]
            case Gather() as form:
                return [gathered(step, form, args)]
        return step.anything(args)

    def apply(self, step: Step, form: Apply, args: list[Known]) -> list[Known]:
        """A block, the layers of a stack one after another, blocks of a list."""
        child = step.module.child(form.child)
        plain = args[: len(args) - form.context]
        context = dict(zip(child.given(form), args[len(plain) :], strict=True))
        if isinstance(child.part, Single):
            ((_, inner),) = child.at(form)
            outputs, tally = self.module(inner, [*plain, *_given(inner, context)])
            step.tally.add(tally, ONE, step.part)
            step.tally.open.update(tally.open)
            return outputs
        plain = [step.account.end(step.tally, known) for known in plain]
        context = {name: step.account.end(step.tally, known) for name, known in context.items()}
        plain = [PLAIN if i in form.each else known for i, known in enumerate(plain)]
        if isinstance(child.part, ModuleList):
            for count, inner in child.at(form):
                outputs, tally = self.module(inner, [*plain, *_given(inner, context)])
                step.tally.add(tally, Dim.number(count), step.part)
                outputs = [step.account.end(step.tally, known) for known in outputs]
            return [PLAIN] * len(step.node.types)
        return self.stack(step, child, form, plain, context)

    def stack(
        self, step: Step, child: Child, form: Apply, args: list[Known], context: Mapping[str, Known]
    ) -> list[Known]:
        """The layers of a stack, each told what the one before gives."""
        assert isinstance(child.part, Layers)
        count = len(step.node.types)
        carried, same = args[:count], args[count:]
        for times, layer in runs(child.part.at(form.use)):
            left = times
            while left:
                inputs = [*carried, *same, *_given(layer, context)]
                outputs, tally = self.module(layer, inputs)
                after = [step.account.end(step.tally, known) for known in outputs]
                often = left if after == list(carried) else 1
                step.tally.add(tally, Dim.number(often), step.part)
                carried, left = after, left - often
        return list(carried)

    def repeated(self, step: Step, args: list[Known]) -> list[Known]:
        """A body for one token after another, or several times."""
        node, form = step.node, step.node.form
        assert isinstance(form, Scan | Loop)
        body = form.body
        rounds = TIME if isinstance(form, Scan) else step.dim(form.rounds)
        args = [step.account.end(step.tally, known) for known in args]
        moving = body.states + body.over
        known = dict.fromkeys(body.inputs, PLAIN)
        known |= dict(zip(body.inputs[moving:], args[moving:], strict=True))
        needed = needed_inside(node, results_read(tuple(step.nodes)).get(step.place, set()))
        left_out = {i for i, inner in enumerate(body.nodes) if id(inner) not in needed}
        tally = fresh()
        values = self.nodes(tally, step.module, body.nodes, known, left_out)
        for i in body.outputs:
            step.account.end(tally, values[i][0])
        step.account.close(tally, ())
        step.tally.add(tally, rounds)
        return [PLAIN] * len(node.types)


def _cache(step: Step, known: Known) -> Known:
    """What is kept of each token."""
    step.account.end(step.tally, known)
    shape = step.shape
    length = product(a for a in shape if SEEN in a.symbols())
    own = cache_of(step.account.model, step.module, step.node)
    kept = Kept(next(step.account.numbers), own.heads, own.width, own.dtype, length)
    return Known(kept=(kept,))


def _given(module: Module, context: Mapping[str, Known]) -> list[Known]:
    """What a block is given, of what is given in the body around it."""
    return [context[name] for name in module.context]
