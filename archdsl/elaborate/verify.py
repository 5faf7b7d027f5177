"""Whether a model graph is one: rules that hold between the stages.

The check tells a user what is wrong with a spec. A graph that breaks one of these rules is a
mistake of the program itself: `verify` raises `BrokenGraph` then. It runs in all tests, and with
`--debug` (the variable `ARCHDSL_DEBUG`), after elaboration and before emission.

| rule | what holds |
|---|---|
| defined | a value is read after it is defined, and what a node reads is there |
| types | a node's types follow from those of its arguments, dtypes as PyTorch has them |
| applied | arguments and results of an application are the inputs and outputs of its block |
| places | what decoding keeps has one place a name in each block |
| instances | what is shared has one owner, submodules have one name, ties lead to parameters |
| alone | experts see tokens alone |
| causal | no token depends on a later one |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from archdsl.axes import Plan, RestFactor, pieces, size
from archdsl.diagnostic import Diagnostics
from archdsl.dims import Dim
from archdsl.dtypes import RULES as DTYPE_RULES
from archdsl.dtypes import Operand
from archdsl.elaborate.causality import check_causality
from archdsl.elaborate.experts import check_experts
from archdsl.graph import Binding, Child, Experts, Model, Module, ModuleList, Single
from archdsl.nodes import (
    Along,
    Apply,
    Arange,
    Cache,
    Choose,
    Einsum,
    Elementwise,
    Fill,
    Gather,
    Input,
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
    every_node,
)
from archdsl.ops import OPS
from archdsl.stream import modules
from archdsl.types import TensorType

Shape = tuple[Dim, ...]


class BrokenGraph(AssertionError):
    """A model graph that breaks a rule: a mistake of the program, not of a spec."""


def verify(model: Model) -> None:
    """Raises BrokenGraph for the first rule that a model breaks: each relies on those before it."""
    for rule, broken in RULES.items():
        problems = list(islice(broken(model), _MOST))
        if problems:
            raise BrokenGraph(f"{model.id}: {rule}: " + "; ".join(problems))


_MOST = 20
"""Problems that are told at once."""


# --- one body -------------------------------------------------------------------------------------


def _bodies(model: Model) -> Iterator[tuple[Module, tuple[Node, ...], tuple[int, ...]]]:
    """(module, nodes, inputs) of every body, those of scans and loops too."""
    for module in modules(model.root):
        yield module, module.nodes, module.inputs
        yield module, module.consts, ()
        yield module, module.initials, ()
        for node in every_node(module.nodes):
            if node.body is not None:
                yield module, node.body.nodes, node.body.inputs


def _defined(model: Model) -> Iterator[str]:
    for module, nodes, inputs in _bodies(model):
        params = {param.name for param in module.params}
        children = {child.name for child in module.children}
        here = [i for i, node in enumerate(nodes) if isinstance(node.form, Input)]
        if tuple(here) != tuple(sorted(inputs)):
            yield f"{module.block}: inputs {inputs}, and input nodes {here}"
        for i, node in enumerate(nodes):
            if any(not 0 <= a < i for a in node.args):
                yield f"{module.block}: node {i} reads {node.args}"
            match node.form:
                case Read(param) if param not in params:
                    yield f"{module.block}: there is no parameter {param}"
                case Apply(child) | Mixture(child) if child not in children:
                    yield f"{module.block}: there is no submodule {child}"
                case Scan(body) | Loop(body):
                    if len(node.args) != len(body.inputs):
                        yield f"{module.block}: node {i} takes {len(body.inputs)}, gets {node.args}"
        ends = module.outputs if nodes is module.nodes else ()
        if any(not 0 <= o < len(nodes) for o in ends):
            yield f"{module.block}: results {ends} of {len(nodes)} nodes"


def _types(model: Model) -> Iterator[str]:
    for module, nodes, _ in _bodies(model):
        for i, node in enumerate(nodes):
            args = [nodes[a].types for a in node.args]
            for problem in _Types(model, module, nodes, node).problems(args):
                yield f"{module.block}: node {i} ({node.op or type(node.form).__name__}) {problem}"


class _Types:
    """What the types of one node have to be."""

    def __init__(self, model: Model, module: Module, nodes: tuple[Node, ...], node: Node) -> None:
        self.model, self.module, self.nodes, self.node = model, module, nodes, node

    def shape(self, t: TensorType) -> Shape:
        return self.model.shape(self.module, t)

    def problems(self, args: list[tuple[TensorType, ...]]) -> Iterator[str]:
        node = self.node
        first = [types[0] for types in args]
        match node.form:
            case Elementwise(op):
                yield from self.dtype(op, first)
                yield from self.broadcast(first)
            case Residual():
                yield from self.same([*first, node.type])
            case Zero():
                yield from self.same([first[0], node.type])
            case Number():
                if node.type.axes:
                    yield "is a number with axes"
            case Positions(axis):
                yield from self.is_shape((axis,), "int")
            case Arange(length):
                yield from self.is_shape((length,), "float32")
            case Fill():
                if not isinstance(self.nodes[node.args[0]].form, Number):
                    yield "fills with what is no number"
            case Item(index):
                if args[0][index] != node.type:
                    yield f"is {node.type}, and the result {index} is {args[0][index]}"
            case Reduce(op, plan):
                yield from self.dtype(op, first)
                yield from self.planned(plan, first)
            case Along(op, plan) | Choose(op, plan):
                yield from self.dtype(op, first)
                yield from self.planned(Plan(plan.left, ()), first)
            case Einsum(plan):
                yield from self.dtype("einsum", first)
                yield from self.planned(plan, first)
            case Rearrange(plan) | Repeat(plan):
                yield from self.dtype(node.op, first)
                yield from self.planned(plan, first)
            case Gather(plan):
                yield from self.dtype("gather", first)
                yield from self.planned(plan, first)
            case Cache() | Window():
                if first[0].dtype != node.type.dtype:
                    yield f"makes {node.type} of {first[0]}"
            case Scan(body) | Loop(body):
                yield from self.repeated(body.inputs, body.outputs, body.nodes, body.states, first)

    def dtype(self, op: str, args: list[TensorType]) -> Iterator[str]:
        """The dtype that a rule gives, of the first of several results."""
        operands = []
        for t, a in zip(args, self.node.args, strict=True):
            form = self.nodes[a].form
            number = isinstance(form, Number)
            natural = isinstance(form, Number) and isinstance(form.value, Dim)
            operands.append(Operand(t.dtype, number, natural, not number and not t.axes))
        dtype = DTYPE_RULES[OPS[op].dtypes](tuple(operands))
        if dtype != self.node.type.dtype:
            yield f"promises {self.node.type.dtype}, and PyTorch gives {dtype}"

    def broadcast(self, args: list[TensorType]) -> Iterator[str]:
        """Axes agree from the last one on, or are 1."""
        out = self.shape(self.node.type)
        for t in args:
            shape = self.shape(t)
            tail = out[len(out) - len(shape) :]
            fits = len(shape) <= len(out) and all(
                a == b or a.value == 1 for a, b in zip(shape, tail, strict=True)
            )
            if not fits:
                yield f"broadcasts {_spelt(shape)} to {_spelt(out)}"

    def same(self, types: list[TensorType]) -> Iterator[str]:
        shapes = {(t.dtype, self.shape(t)) for t in types}
        if len(shapes) > 1:
            yield f"has types that differ: {', '.join(map(str, types))}"

    def is_shape(self, axes: Shape, dtype: str) -> Iterator[str]:
        wanted = tuple(self.model.number(self.module, axis) for axis in axes)
        if self.shape(self.node.type) != wanted or self.node.type.dtype != dtype:
            yield f"is {self.node.type}, not {dtype}{_spelt(wanted)}"

    def planned(self, plan: Plan, args: list[TensorType]) -> Iterator[str]:
        """Operands and results as their terms say."""
        kept = [t for i, t in enumerate(plan.right) if i not in plan.discarded]
        for t, term in [
            *zip(args, plan.left, strict=True),
            *zip(self.node.types, kept, strict=bool(plan.right)),
        ]:
            written = [
                None if isinstance(item, RestFactor) else self.model.number(self.module, size(item))
                for item in term
            ]
            shape = list(self.shape(t))
            if None in written:
                at = written.index(None)
                rest = len(shape) - len(written) + 1
                written[at : at + 1] = shape[at : at + rest]
            if written != shape:
                yield f"has the term {' '.join(map(str, term))} for {_spelt(tuple(shape))}"
            if any(len(piece) != len(term) for piece in pieces(term)):
                yield f"cuts {' '.join(map(str, term))} into pieces of other ranks"

    def repeated(
        self,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        nodes: tuple[Node, ...],
        states: int,
        args: list[TensorType],
    ) -> Iterator[str]:
        """States keep their types from round to round."""
        for i, o, begun in zip(inputs[:states], outputs, args, strict=False):
            yield from self.same([nodes[i].type, nodes[o].type, begun])


def _spelt(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"


# --- modules --------------------------------------------------------------------------------------


def _applied(model: Model) -> Iterator[str]:
    for module, nodes, _ in _bodies(model):
        for node in nodes:
            match node.form:
                case Apply() as form:
                    child = module.child(form.child)
                    own = len(node.args) - form.context
                    given = dict(zip(child.given(form), node.args[own:], strict=True))
                    for _, inner in child.at(form):
                        values = [*node.args[:own], *(given[name] for name in inner.context)]
                        each = {node.args[i] for i in form.each}
                        yield from _fits(model, module, nodes, values, each, inner)
                        yield from _gives(model, module, node, inner, _in_front(child, form))
                case Mixture(name):
                    child = module.child(name)
                    if not isinstance(child.part, Experts):
                        yield f"{module.block}: {name} is no bank"
                    for _, inner in child.modules:
                        yield from _fits(model, module, nodes, [node.args[0]], set(), inner)


def _fits(
    model: Model,
    module: Module,
    nodes: tuple[Node, ...],
    values: list[int],
    each: set[int],
    inner: Module,
) -> Iterator[str]:
    """Arguments are what a block's inputs are declared to be."""
    if len(values) != len(inner.inputs):
        yield f"{module.block}: {inner.block} takes {len(inner.inputs)} and gets {len(values)}"
        return
    for a, i in zip(values, inner.inputs, strict=True):
        t, wanted = nodes[a].type, inner.nodes[i].type
        shape = model.shape(module, t)[1 if a in each else 0 :]
        if (t.dtype, shape) != (wanted.dtype, model.shape(inner, wanted)):
            yield f"{module.block}: {inner.block} takes {wanted} and gets {t}"


def _in_front(child: Child, form: Apply) -> Shape:
    """The axis in front of what blocks side by side give all at once."""
    several = isinstance(child.part, ModuleList) and form.item is None
    return (Dim.number(child.length),) if several else ()


def _gives(
    model: Model, module: Module, node: Node, inner: Module, in_front: Shape
) -> Iterator[str]:
    outputs = [inner.nodes[o].type for o in inner.outputs]
    for t, declared in zip(node.types, outputs, strict=True):
        shape = (*in_front, *model.shape(inner, declared))
        if (t.dtype, model.shape(module, t)) != (declared.dtype, shape):
            yield f"{module.block}: {inner.block} gives {declared}, {t} is taken"


def _places(model: Model) -> Iterator[str]:
    for module in modules(model.root):
        kept: list[str] = []
        for node in every_node(module.nodes):
            match node.form:
                case Cache(place) | Window(_, place):
                    kept.append(place)
                case Scan(body):
                    kept += body.state_names
        twice = {name for name in kept if kept.count(name) > 1}
        if twice:
            yield f"{module.block} keeps {', '.join(sorted(twice))} twice"


def _instances(model: Model) -> Iterator[str]:
    owners: dict[Binding, set[int]] = {}
    placed: set[Binding] = set()
    for module in modules(model.root):
        names = [child.name for child in module.children]
        if len(set(names)) < len(names):
            yield f"{module.block} has two submodules of one name: {names}"
        for child in module.children:
            if isinstance(child.part, ModuleList):
                yield from _numbered(module, child.part)
            for _, inner in child.modules:
                if inner.shared is not None:
                    placed.add(inner.shared)
                    if child.owned is not None:
                        owners.setdefault(inner.shared, set()).add(module.id)
            for param, path in child.ties:
                if not _leads(module, path):
                    yield f"{module.block}: {child.name}.{param} is tied to {'.'.join(path)}"
    for binding in placed:
        if binding not in owners:
            yield f"nothing stores {binding.name}, which is shared"


def _numbered(module: Module, listed: ModuleList) -> Iterator[str]:
    """Every block of a list has a number, and every one is applied."""
    if sorted(listed.numbered) != list(range(listed.length)):
        yield f"{module.block} applies {sorted(listed.numbered)} of {listed.length} side by side"


def _leads(module: Module, path: tuple[str, ...]) -> bool:
    """Whether a path from a body leads to a parameter that a submodule stores."""
    name, param = path
    parts = (child.part for child in module.children if child.name == name)
    owners = (part.module for part in parts if isinstance(part, Single))
    return any(p.name == param for owner in owners for p in owner.params)


def _alone(model: Model) -> Iterator[str]:
    diagnostics = Diagnostics()
    check_experts(model, diagnostics)
    yield from (diagnostic.message for diagnostic in diagnostics.items)


def _causal(model: Model) -> Iterator[str]:
    diagnostics = Diagnostics()
    check_causality(model, diagnostics)
    yield from (diagnostic.message for diagnostic in diagnostics.items)


RULES: dict[str, Callable[[Model], Iterator[str]]] = {
    "defined": _defined,
    "types": _types,
    "applied": _applied,
    "places": _places,
    "instances": _instances,
    "alone": _alone,
    "causal": _causal,
}
"""The rules by name."""
