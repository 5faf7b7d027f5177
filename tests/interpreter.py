"""The meaning of a model graph: every node computed by itself, in double precision.

One plain function for each form of a node. Nothing is fused, rewritten or kept: the whole sequence
is read at once, a window and a scan go token by token, an expert sees one token alone. What is
emitted has to equal this. `float` and `float32` are float64 here, `int` is int64.

    run(model, (tokens,), {"embed.weight": ..., "layers.0.mix.q_proj.weight": ...})

Raises AssertionError where a tensor has not the shape or the kind of its node's type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from archdsl import axes as a
from archdsl.dims import Dim, Opaque
from archdsl.emit.names import safe
from archdsl.graph import Child, Layers, Model, Module, ModuleList, Single, runs
from archdsl.nodes import (
    Along,
    Apply,
    Arange,
    Cache,
    Choose,
    Draw,
    Einsum,
    Elementwise,
    Fill,
    Gather,
    Item,
    Loop,
    Mixture,
    Node,
    Number,
    Positions,
    Read,
    Rearrange,
    Reduce,
    Repeat,
    Residual,
    Scan,
    Window,
    Zero,
)
from archdsl.reals import evaluate
from archdsl.symbols import ModelSymbol
from archdsl.types import Rest, TensorType

Value = Tensor | tuple[Tensor, ...]
KINDS = {"float": torch.float64, "float32": torch.float64, "int": torch.int64, "bool": torch.bool}
"""What a dtype of the language is here."""


def run(
    model: Model,
    inputs: Sequence[Tensor],
    parameters: Mapping[str, Tensor],
    peak: list[float] | None = None,
    fresh: Mapping[str, Tensor] | None = None,
) -> tuple[Tensor, ...]:
    """The results of a model for whole inputs, in the order of its declaration.

    `parameters`: parameters and buffers by their names in the state dict of the emitted module.
    `peak` gets the greatest finite entry of every value on the way. `fresh` are the parameters as
    they begin, which are held to what the model says of that.
    """
    lengths: dict[str, int] = {}
    for index, tensor in zip(model.root.inputs, inputs, strict=True):
        axes = model.shape(model.root, model.root.nodes[index].type)
        for axis, length in zip(axes, tensor.shape, strict=True):
            if axis.name is not None:
                assert lengths.setdefault(axis.name, length) == length, axis.name
    if "T" in lengths:
        lengths["S"] = lengths["T"]
    interpreter = Interpreter(model, parameters, lengths, peak=peak, fresh=fresh)
    return interpreter.module(model.root, Place(), inputs)


@dataclass(frozen=True)
class Place:
    """Where an application has its parameters.

    `experts`: which expert it is of the banks around it, outermost first. `ties`: parameters that
    are another place's. `shared`: where the shared modules are that it may be handed.
    """

    path: tuple[str, ...] = ()
    experts: tuple[int, ...] = ()
    ties: Mapping[str, tuple[Place, str]] = field(default_factory=dict)
    shared: Mapping[str, Place] = field(default_factory=dict)

    def below(self, *steps: str) -> Place:
        return Place((*self.path, *steps), self.experts, {}, self.shared)


@dataclass(frozen=True)
class Interpreter:
    """A model with its parameters; `lengths` of the axes that inputs bring, and of S.

    `known` has the dimensions that were worked out before: they take longest.
    """

    model: Model
    parameters: Mapping[str, Tensor]
    lengths: Mapping[str, int]
    checked: bool = True
    known: dict[tuple[int, Dim | TensorType], Any] = field(default_factory=dict)
    peak: list[float] | None = None
    fresh: Mapping[str, Tensor] | None = None

    # --- bodies -----------------------------------------------------------------------------------

    def module(self, module: Module, place: Place, args: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What a block gives for its inputs, those that it is given behind the others."""
        shared = dict(place.shared)
        for child in module.children:
            if child.owned is not None:
                shared[child.owned] = Place(
                    (*place.path, safe(child.name)), place.experts, {}, shared
                )
        here = replace(place, shared=shared)
        if self.fresh is not None:
            self.begins(module, here, self.fresh)
        known = dict(zip(module.inputs, args, strict=True))
        values = self.body(module, here, module.nodes, known)
        return tuple(one(values[i]) for i in module.outputs)

    def body(
        self, module: Module, place: Place, nodes: Sequence[Node], known: Mapping[int, Tensor]
    ) -> list[Value]:
        """The values of nodes, in order; those of the inputs are known."""
        values: list[Value] = []
        for i, node in enumerate(nodes):
            where = f"{module.block}, node {i} ({node.name or type(node.form).__name__} {node.op})"
            if node.span is not None:
                where = f"{where}, line {node.span.line}"
            if i in known:
                value: Value = known[i]
            else:
                args = [values[j] for j in node.args]
                value = self.node(module, place, nodes, node, args, where)
            self.check(module, node, value, where)
            values.append(value)
        return values

    def check(self, module: Module, node: Node, value: Value, where: str) -> None:
        """Whether tensors have the shapes and the kinds of their types."""
        for t, tensor in zip(node.types, value if isinstance(value, tuple) else (value,),
                             strict=True):  # fmt: skip
            kind = KINDS[t.dtype]
            assert tensor.dtype == kind, f"{where}: {tensor.dtype}, and its type is {t}"
            wanted = self.shape(module, t)
            assert not self.checked or tuple(tensor.shape) == wanted, (
                f"{where}: {tuple(tensor.shape)}, and {t} is {wanted}"
            )
            if self.peak is not None and tensor.is_floating_point() and tensor.numel():
                self.peak.append(tensor.nan_to_num(0, 0, 0).abs().max().item())

    def node(
        self,
        module: Module,
        place: Place,
        nodes: Sequence[Node],
        node: Node,
        values: list[Value],
        where: str,
    ) -> Value:
        """One node."""
        if isinstance(node.form, Item):
            several = values[0]
            assert isinstance(several, tuple), where
            return several[node.form.index]
        args = [one(v) for v in values]
        times = [self.axis(module, nodes[j].type) for j in node.args]
        match node.form:
            case Read(param):
                return self.read(module, place, param)
            case Number(value):
                return self.number(module, value)
            case Zero():
                return torch.zeros_like(args[0])
            case Fill():
                full = torch.ones(self.shape(module, node.type), dtype=torch.float64)
                return (full * args[0]).to(KINDS[node.type.dtype])
            case Residual():
                return args[0] + args[1]
            case Cache(every=every):
                return args[0] if every is None else self.each(module, args[0], times[0], every)
            case Window(size):
                return window(args[0], times[0], self.size(module, size))
            case Scan():
                return self.scan(module, place, node.form, args, times)
            case Loop():
                return self.loop(module, place, node.form, args)
            case Apply():
                return self.apply(module, place, node.form, args, len(node.types))
            case Mixture():
                leading = self.model.shape(module, nodes[node.args[0]].type)[:-1]
                return self.mixture(module, place, node.form, args, leading)
            case Positions(axis):
                return torch.arange(self.size(module, axis))
            case Arange(size):
                return torch.arange(self.size(module, size)).double()
            case Elementwise(op):
                return elementwise(op, args)
        return self.over_axes(module, node, args, where)

    def over_axes(self, module: Module, node: Node, args: list[Tensor], where: str) -> Value:
        """An operation with an axes pattern."""
        match node.form:
            case Rearrange(plan):
                return self.rearrange(module, plan, args)
            case Repeat(plan):
                return self.arrange(module, plan.right[0], *self.split(module, plan.left[0], *args))
            case Einsum(plan):
                return self.einsum(module, plan, args)
            case Reduce(op, plan):
                return self.reduce(module, op, plan, args[0])
            case Along(op, plan):
                return ALONG[op](args[0], named(plan.left[0], args[0]))
            case Gather() as form:
                return torch.gather(args[0], -1, args[1]) if form.along else picked(form, *args)
            case Choose() as form:
                return choose(form.op, args[0], self.size(module, form.count))
        raise AssertionError(f"{where}: a form without a meaning")

    # --- numbers and parameters -------------------------------------------------------------------

    def size(self, module: Module, d: Dim) -> int:
        """The length of an axis."""
        if (module.id, d) not in self.known:
            self.known[module.id, d] = self.count(self.model.number(module, d))
        return int(self.known[module.id, d])

    def shape(self, module: Module, t: TensorType) -> tuple[int, ...]:
        """The lengths of a type's axes."""
        if (module.id, t) not in self.known:
            self.known[module.id, t] = tuple(map(self.count, self.model.shape(module, t)))
        return tuple(self.known[module.id, t])

    def count(self, d: Dim) -> int:
        """A dimension in the axes of inputs as a number.

        `min(S, w)` is what a cache of the last w tokens has; where all tokens are read at once it
        has all of them, and the mask hides what a window does not see.
        """
        total = 0
        for monomial, coefficient in d.terms:
            for atom, power in monomial:
                coefficient *= self.atom(atom) ** power
            total += coefficient
        return total

    def atom(self, atom: str | Opaque) -> int:
        if isinstance(atom, str):
            return self.lengths[atom]
        if atom.op == "min":
            (seen,) = (x.name for x in (atom.a, atom.b) if x.name is not None)
            return self.lengths[seen]
        left, right = self.count(atom.a), self.count(atom.b)
        return {"//": left // right, "%": left % right, "max": max(left, right)}[atom.op]

    def axis(self, module: Module, t: TensorType) -> int:
        """Where axis T is, or -1."""
        place = 0
        for axis in t.axes:
            if axis == Dim.symbol("T"):
                return place
            place += len(module.symbols.rests.get(axis.name, ())) if isinstance(axis, Rest) else 1
        return -1

    def number(self, module: Module, value: object) -> Tensor:
        """A number known in advance."""
        if isinstance(value, Dim):
            return torch.tensor(self.size(module, value), dtype=torch.int64)
        rooted = module.symbols.real(value)  # type: ignore[arg-type]
        free = {ModelSymbol(name): length for name, length in self.lengths.items()}
        found = evaluate(rooted, {**self.model.numbers, **free})
        assert found is not None
        return torch.tensor(found, dtype=torch.float64)

    def read(self, module: Module, place: Place, name: str) -> Tensor:
        """A parameter or a buffer; a constant is computed."""
        (param,) = (p for p in module.params if p.name == name)
        if param.value is not None:
            nodes = module.consts[: param.value + 1]
            return one(self.body(module, place, nodes, {})[param.value])
        owner, own = place.ties.get(name, (place, name))
        tensor = self.parameters[".".join((*owner.path, safe(own)))]
        for expert in owner.experts:
            tensor = tensor[expert]
        return tensor

    def begins(self, module: Module, place: Place, fresh: Mapping[str, Tensor]) -> None:
        """Holds parameters to what they begin as, where that is computed without random numbers."""
        drawn = {i for i, n in enumerate(module.initials) if isinstance(n.form, Draw)}
        for i, node in enumerate(module.initials):
            if drawn & set(node.args):
                drawn.add(i)
        zeros = {
            i: torch.zeros(self.shape(module, n.type), dtype=KINDS[n.type.dtype])
            for i, n in enumerate(module.initials)
            if i in drawn
        }
        for param in module.params:
            root = None if param.initial is None else param.initial.node
            if root is None or root in drawn or param.name in place.ties:
                continue
            values = self.body(module, place, module.initials[: root + 1], zeros)
            tensor = fresh[".".join((*place.path, safe(param.name)))]
            for expert in place.experts:
                tensor = tensor[expert]
            expected = one(values[root]).to(tensor.dtype).expand(tensor.shape)
            assert torch.allclose(tensor, expected, rtol=1e-9, atol=1e-12), (
                f"{param.name} of {module.block} begins as {tensor}, not as {expected}"
            )

    # --- applications -----------------------------------------------------------------------------

    def inside(self, here: Module, place: Place, child: Child, inner: Module, *step: str) -> Place:
        """Where a module that is applied in a body has its parameters."""
        if inner.shared and child.owned is None:
            return place.shared[inner.shared]
        tied = {p.name for p in inner.params if p.tied}
        assert tied == {name for name, _ in child.ties}, f"{here.block}: a tie of {child.name}"
        ties = {name: self.tied(here, place, path) for name, path in child.ties}
        return replace(place.below(safe(child.name), *step), ties=ties)

    def tied(self, here: Module, place: Place, path: tuple[str, ...]) -> tuple[Place, str]:
        """The place and the name of a parameter by its path from a body."""
        for step in path[:-1]:
            child = here.child(step)
            ((_, inner),) = child.modules
            place, here = self.inside(here, place, child, inner), inner
        return place.ties.get(path[-1], (place, path[-1]))

    def apply(
        self, module: Module, place: Place, form: Apply, args: list[Tensor], count: int
    ) -> Value:
        """A block, the layers of a stack one after another, blocks of a list side by side."""
        child = module.child(form.child)
        plain = args[: len(args) - form.context]
        context = dict(zip(child.given(form), args[len(plain) :], strict=True))
        if isinstance(child.part, Single):
            ((_, inner),) = child.at(form)
            given = [context[name] for name in inner.context]
            at = self.inside(module, place, child, inner)
            return several(self.module(inner, at, [*plain, *given]))
        if isinstance(child.part, ModuleList):
            results = []
            for number, inner in child.part.applied[form.use]:
                here = [x[number] if j in form.each else x for j, x in enumerate(plain)]
                given = [context[name] for name in inner.context]
                at = self.inside(module, place, child, inner, str(number))
                results.append(self.module(inner, at, [*here, *given]))
            if form.item is not None:
                return several(results[0])
            return several([torch.stack(same) for same in zip(*results, strict=True)])
        carried: Sequence[Tensor] = plain[:count]
        for number, layer in enumerate(layers(child, form.use)):
            same = [x[number] if j in form.each else x for j, x in enumerate(plain)][count:]
            given = [context[name] for name in layer.context]
            at = self.inside(module, place, child, layer, str(number))
            carried = self.module(layer, at, [*carried, *same, *given])
        return several(carried)

    def mixture(
        self,
        module: Module,
        place: Place,
        form: Mixture,
        args: list[Tensor],
        leading: tuple[Dim, ...],
    ) -> Tensor:
        """For every token the sum of what its experts say to it alone, by weight.

        An expert gets a tensor whose `leading` axes are all 1: shapes are predicted where none of
        them has a length of its own.
        """
        x, weights, indices = args
        child = module.child(form.child)
        experts = list(layers(child))
        alone = replace(
            self,
            known={},
            lengths=dict.fromkeys(self.lengths, 1),
            checked=self.checked and all(axis.value in (None, 1) for axis in leading),
        )
        top_k = weights.shape[-1]
        said = []
        for token, by, chosen in zip(
            x.reshape(-1, x.shape[-1]),
            weights.reshape(-1, top_k),
            indices.reshape(-1, top_k).tolist(),
            strict=True,
        ):
            total = torch.zeros_like(token)
            for weight, expert in zip(by, chosen, strict=True):
                if form.partly and expert >= len(experts):
                    continue
                at = self.inside(module, place, child, experts[expert])
                if not experts[expert].shared:
                    at = replace(at, experts=(*at.experts, expert))
                one_token = token.reshape(*[1] * (x.ndim - 1), -1)
                (answer,) = alone.module(experts[expert], at, [one_token])
                total = total + weight * answer.reshape(-1)
            said.append(total)
        return torch.stack(said).reshape(x.shape)

    # --- tokens and rounds ------------------------------------------------------------------------

    def each(self, module: Module, x: Tensor, time: int, every: Dim) -> Tensor:
        """The entries of the last token of every group."""
        step = self.size(module, every)
        return x.index_select(time, torch.arange(step - 1, x.shape[time], step))

    def scan(
        self, module: Module, place: Place, form: Scan, args: list[Tensor], times: list[int]
    ) -> Value:
        """A body for one token after another."""
        body = form.body
        states, rest = args[: body.states], args[body.states :]
        over, fixed = rest[: body.over], rest[body.over :]
        where = times[body.states : body.states + body.over]
        yielded: list[list[Tensor]] = [[] for _ in body.outputs[body.states :]]
        for t in range(over[0].shape[where[0]]):
            token = [x.select(axis, t) for x, axis in zip(over, where, strict=True)]
            known = dict(zip(body.inputs, [*states, *token, *fixed], strict=True))
            values = self.body(module, place, body.nodes, known)
            ends = [one(values[i]) for i in body.outputs]
            states = ends[: body.states]
            for told, value in zip(yielded, ends[body.states :], strict=True):
                told.append(value)
        return several([torch.stack(told, where[0]) for told in yielded])

    def loop(self, module: Module, place: Place, form: Loop, args: list[Tensor]) -> Value:
        """A body, round after round."""
        body = form.body
        states, fixed = args[: body.states], args[body.states :]
        yielded: list[list[Tensor]] = [[] for _ in body.outputs[body.states :]]
        for _ in range(self.size(module, form.rounds)):
            known = dict(zip(body.inputs, [*states, *fixed], strict=True))
            values = self.body(module, place, body.nodes, known)
            ends = [one(values[i]) for i in body.outputs]
            states = ends[: body.states]
            for told, value in zip(yielded, ends[body.states :], strict=True):
                told.append(value)
        return several([*states, *(torch.stack(told) for told in yielded)])

    # --- axes patterns ----------------------------------------------------------------------------

    def split(
        self, module: Module, term: tuple[a.Item, ...], x: Tensor
    ) -> tuple[Tensor, list[str]]:
        """A tensor with an axis for each factor of its term, without the 1s, and their names."""
        rest = x.ndim - sum(not isinstance(item, a.RestFactor) for item in term)
        names, sizes, place = [], [], 0
        for item in term:
            if isinstance(item, a.RestFactor):
                names += [f"...{i}" for i in range(rest)]
                sizes += x.shape[place : place + rest]
                place += rest
                continue
            place += 1
            for factor in plain(item):
                assert isinstance(factor, a.Factor)
                if factor.name != "1":
                    names.append(factor.name)
                    sizes.append(self.size(module, factor.dim))
        return x.reshape(sizes), names

    def arrange(
        self, module: Module, term: tuple[a.Item, ...], x: Tensor, names: list[str]
    ) -> Tensor:
        """A tensor as a term has it, from one with an axis for each of `names`.

        A name that is not there is a new axis, along which all entries are the same.
        """
        left = list(enumerate(names))
        order: list[int] = []
        shape: list[int] = []
        for item in term:
            length = 1
            own = [n for n in names if n.startswith("...")] if str(item) == "..." else None
            for name, size in (
                [(n, 0) for n in own]
                if own is not None
                else [(f.name, self.size(module, f.dim)) for f in plain(item)]  # type: ignore[union-attr]
            ):
                found = next((i for i, n in left if n == name), None)
                if name == "1":
                    continue
                if found is None:
                    x = x[..., None].expand(*x.shape, size)
                    found = x.ndim - 1
                left = [(i, n) for i, n in left if i != found]
                order.append(found)
                length *= x.shape[found]
                if own is not None:
                    shape.append(x.shape[found])
            if own is None:
                shape.append(length)
        assert not left, f"{left} of {names} are not in {term}"
        return x.permute(order).reshape(shape)

    def rearrange(self, module: Module, plan: a.Plan, args: list[Tensor]) -> Value:
        """Pieces of the operands one after another, joined and turned into the results."""
        queue: Iterator[tuple[Tensor, list[str]]] = iter(
            [
                self.split(module, term, part)
                for whole, x in zip(plan.left, args, strict=True)
                for term, part in self.cut(module, whole, x)
            ]
        )
        results = []
        for i, term in enumerate(plan.right):
            if i in plan.discarded:
                next(queue)
                continue
            flat = opened(term)
            parts = [self.arrange(module, t, *next(queue)) for t in a.pieces(flat)]
            joined = parts[0]
            if len(parts) > 1:
                where = next(i for i, item in enumerate(flat) if isinstance(item, a.Cut))
                joined = torch.cat(parts, self.place(flat, where, parts[0].ndim))
                shape: list[int] = []
                rest = joined.ndim - sum(str(item) != "..." for item in flat)
                for item in term:
                    if str(item) == "...":
                        shape += joined.shape[len(shape) : len(shape) + rest]
                    else:
                        shape.append(self.size(module, a.size(item)))
                joined = joined.reshape(shape)
            results.append(joined)
        return several(results)

    def cut(
        self, module: Module, term: tuple[a.Item, ...], x: Tensor
    ) -> list[tuple[tuple[a.Item, ...], Tensor]]:
        """The pieces of an operand, each with its term."""
        if len(a.pieces(term)) == 1:
            return [(term, x)]
        flat = opened(term)
        rest = x.ndim - sum(str(item) != "..." for item in term)
        shape: list[int] = []
        for item in flat:
            if str(item) == "...":
                shape += x.shape[len(shape) : len(shape) + rest]
            else:
                shape.append(self.size(module, a.size(item)))
        x = x.reshape(shape)
        where, cut = next((i, item) for i, item in enumerate(flat) if isinstance(item, a.Cut))
        sizes = [self.size(module, a.size(a.Merge(part))) for part in cut.parts]
        parts = x.split(sizes, self.place(flat, where, x.ndim))
        return list(zip(a.pieces(flat), parts, strict=True))

    def place(self, term: tuple[a.Item, ...], index: int, axes: int) -> int:
        """Which axis an item of a term is, of so many."""
        before = any(str(item) == "..." for item in term[:index])
        return index + (axes - len(term) if before else 0)

    def einsum(self, module: Module, plan: a.Plan, args: list[Tensor]) -> Tensor:
        """Products of entries that agree in the axes of one name, summed over what goes."""
        numbers: dict[str, int] = {}
        said: list[object] = []
        for term, x in zip(plan.left, promoted(args), strict=True):
            flat, names = self.split(module, term, x)
            said += [flat, [numbers.setdefault(n, len(numbers)) for n in names]]
        kept = [n for n in names_of(plan.right[0], list(numbers)) if n in numbers]
        assert len(set(kept)) == len(kept), f"{plan} has an axis twice in its result"
        result = torch.einsum(*said, [numbers[n] for n in kept])
        return self.arrange(module, plan.right[0], result, kept)

    def reduce(self, module: Module, op: str, plan: a.Plan, x: Tensor) -> Tensor:
        """A sum, a mean or the like over the axes that do not come back."""
        flat, names = self.split(module, plan.left[0], x)
        assert len(set(names)) == len(names), f"{plan} has an axis twice"
        kept = names_of(plan.right[0], names)
        gone = [i for i, name in enumerate(names) if name not in kept]
        if gone:
            flat = REDUCED[op](flat, gone)
        elif op == "sum" and flat.dtype == torch.bool:  # counted along an axis of length 1
            flat = flat.long()
        return self.arrange(module, plan.right[0], flat, [n for n in names if n in kept])


def layers(child: Child, use: int = 0) -> Iterator[Module]:
    """The layers of a stack or the experts of a bank, in order."""
    in_order = runs(child.part.at(use)) if isinstance(child.part, Layers) else child.modules
    for count, module in in_order:
        for _ in range(count):
            yield module


def one(value: Value) -> Tensor:
    assert isinstance(value, Tensor)
    return value


def several(values: Sequence[Tensor]) -> Value:
    return values[0] if len(values) == 1 else tuple(values)


def opened(term: tuple[a.Item, ...]) -> tuple[a.Item, ...]:
    """A term whose cut is an axis of its own, out of the axes that it is merged with."""
    found: list[a.Item] = []
    for item in term:
        inner = opened(item.items) if isinstance(item, a.Merge) else ()
        found += inner if any(isinstance(i, a.Cut) for i in inner) else [item]
    return tuple(found)


def plain(item: a.Item) -> list[a.Factor | a.RestFactor]:
    """The factors of an item that holds no cut."""
    match item:
        case a.Merge(items):
            return [f for i in items for f in plain(i)]
        case a.Cut():
            raise AssertionError(f"{item}: a second cut")
    return [item]


def names_of(term: tuple[a.Item, ...], known: list[str]) -> list[str]:
    """The names of a term's axes, `...` as those that are known."""
    rest = [n for n in known if n.startswith("...")]
    flat = [f for item in term for f in plain(item)]
    return [n for f in flat for n in (rest if f.name == "..." else [f.name]) if n != "1"]


def window(x: Tensor, time: int, size: int) -> Tensor:
    """The last tokens at each position, the current one last, zeros before the first."""
    shape = list(x.shape)
    shape[time] = size - 1
    behind = torch.cat((x.new_zeros(shape), x), time)
    return torch.stack([behind.narrow(time, i, x.shape[time]) for i in range(size)], time + 1)


def named(term: tuple[a.Item, ...], x: Tensor) -> list[int]:
    """The axes of a tensor that a term names."""
    places = [i for i, item in enumerate(term) if str(item) != "..."]
    rest = next((i for i, item in enumerate(term) if str(item) == "..."), len(term))
    return [i if i < rest else i - len(term) + x.ndim for i in places]


def softmax(x: Tensor, dims: list[int]) -> Tensor:
    power = torch.exp(x - x.amax(dims, keepdim=True))
    return power / power.sum(dims, keepdim=True)


def picked(form: Gather, x: Tensor, index: Tensor) -> Tensor:
    """Entries of an axis, in each place of the axes before it apart."""
    table, _ = form.plan.left
    assert form.lead is not None
    if not form.lead:
        return x[index]
    is_rest = [isinstance(item, a.RestFactor) for item in table]
    dim = x.dim() - (len(table) - form.lead) if any(is_rest[: form.lead]) else form.lead
    places = torch.Size(x.shape[:dim])
    parts = x.reshape(places.numel(), *x.shape[dim:])
    chosen = index.reshape(places.numel(), *index.shape[dim:])
    rows = [part[at] for part, at in zip(parts, chosen, strict=True)]
    return torch.stack(rows).reshape(*index.shape, *x.shape[dim + 1 :])


def choose(op: str, x: Tensor, count: int) -> Value:
    """The largest entries of the last axis and where they stand, or whether each is one."""
    if op == "top_k":
        values, indices = torch.topk(x, count, -1)
        return values, indices
    best = torch.topk(x, min(count, x.shape[-1]), -1).indices
    return torch.zeros_like(x, dtype=torch.bool).scatter(-1, best, True)


# --- entries --------------------------------------------------------------------------------------


def promoted(args: Sequence[Tensor]) -> list[Tensor]:
    """Operands of one kind: real numbers, else integers, else truths."""
    kinds = {x.dtype for x in args}
    top = next(k for k in (torch.float64, torch.int64, torch.bool) if k in kinds)
    return [x.to(top) for x in args]


def elementwise(op: str, args: list[Tensor]) -> Tensor:
    """An operation on entries."""
    if op == "select":
        assert args[0].dtype == torch.bool
        return torch.where(args[0], *promoted(args[1:]))
    if op in REAL:
        return REAL[op](*(x.double() for x in args))
    return ANY[op](*promoted(args))


REAL: dict[str, Callable[..., Tensor]] = {
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: (
        x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))) / 2
    ),
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": torch.tanh,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "logsigmoid": lambda x: -torch.logaddexp(-x, torch.zeros_like(x)),
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "rsqrt": lambda x: 1 / torch.sqrt(x),
    "cos": torch.cos,
    "sin": torch.sin,
    "divide": lambda x, y: x / y,
    "float32": lambda x: x,
    "model_dtype": lambda x: x,
    "floor": lambda x: torch.floor(x).long(),
}
"""Operations of real numbers."""

ANY: dict[str, Callable[..., Tensor]] = {
    "relu": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "power": torch.pow,
    "abs": torch.abs,
    "negative": torch.neg,
    "not": torch.logical_not,
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "remainder": torch.remainder,
    "xor": torch.bitwise_xor,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "equal": torch.eq,
    "different": torch.ne,
    "less": torch.lt,
    "less_equal": torch.le,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "and": torch.logical_and,
    "or": torch.logical_or,
}
"""Operations whose result is of the kind of their operands, or a truth."""

REDUCED: dict[str, Callable[[Tensor, list[int]], Tensor]] = {
    "sum": lambda x, axes: x.sum(axes),
    "mean": lambda x, axes: x.double().mean(axes),
    "max": lambda x, axes: x.amax(axes),
}
"""Operations that take axes away."""

ALONG: dict[str, Callable[[Tensor, list[int]], Tensor]] = {"softmax": softmax}
"""Operations that work along axes and keep them."""
