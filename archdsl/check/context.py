"""Context: what a body gives, and what blocks inside it are given, through all that wraps them.

    block Cross(d)(x: [B, T, d]) -> [B, T, d] given memory: [B, N, d] { ... }
    model M(...)(...) -> ... {
      ...
      give memory
      x = x |> layers                 # layers of wrappers of Cross
    }

A concrete check threads it: a block that holds one that is given something takes it as a further
input, made on first use, and hands it on as a further argument. A generic check knows only what is
given in the same body; what may come from outside is left to the concrete one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archdsl import syntax as s
from archdsl.check import interface
from archdsl.check.scope import Scope
from archdsl.check.values import Error, Float, Int, Recipe, Tensor, Value, describe, with_numbers
from archdsl.diagnostic import Label
from archdsl.dims import EQUAL, Dim, substitute
from archdsl.nodes import Input, Node, reordered, used
from archdsl.reals import Ref, names, replace
from archdsl.source import Span
from archdsl.symbols import unmarked
from archdsl.types import Axis, TensorType


def give(scope: Scope, statement: s.GiveStatement) -> None:
    """`give tokens, memory`: tensors for all that is applied from here on."""
    for name in statement.names:
        value = scope.look(name.name)
        if value is None:
            scope.fail("unknown-name", f"nothing here is called {name.name}", name.span)
        elif isinstance(value, Tensor):
            scope.given[name.name] = value
        elif not isinstance(value, Error):
            message = f"{name.name} is not a tensor that could be given"
            scope.fail("not-a-tensor", message, name.span, note=f"it is {describe(value)}")


def known(scope: Scope, name: str) -> TensorType | None:
    """The type of a context at this place of a body, in its symbols or in the model's."""
    if name in scope.given:
        return scope.given[name].type
    if scope.outer is not None:
        return known(scope.outer, name)
    return scope.around.get(name)


def around(scope: Scope) -> dict[str, TensorType]:
    """All context at this place in terms of the model's settings: what an applied block sees."""
    outside = dict(scope.around) if scope.outer is None else around(scope.outer)
    return outside | {name: rooted_type(scope, t.type) for name, t in scope.given.items()}


def rooted_type(scope: Scope, t: TensorType) -> TensorType:
    """A type in terms of the model's settings."""
    assert scope.numbers is not None
    symbols = scope.numbers.symbols
    axes = [substitute(a, symbols) if isinstance(a, Dim) else a for a in scope.expand(t)]
    return TensorType(t.dtype, tuple(axes))


def inputs(scope: Scope, names: Iterable[str]) -> tuple[int, ...]:
    """The nodes of a body that hold contexts; an input is made where one comes from outside."""
    return tuple(_node(scope, name) for name in names)


def _node(scope: Scope, name: str) -> int:
    if name in scope.given:
        return scope.given[name].node
    if name not in scope.context:
        if scope.outer is not None:
            there = _node(scope.outer, name)
            t = scope.outer.nodes[there].type
            scope.borrowed.append((len(scope.nodes), there))
        else:
            t = _own_type(scope, scope.around[name])
        scope.context[name] = scope.add(Node(Input(), (), (t,), name)).node
    return scope.context[name]


def own_inputs(scope: Scope, types: tuple[TensorType, ...]) -> None:
    """Inputs of a body without a declaration, from types of the model's symbols."""
    for number, t in enumerate(types):
        name = "x" if len(types) == 1 else f"x_{number + 1}"
        scope.add(Node(Input(), (), (_own_type(scope, t),), name))


def _own_type(scope: Scope, t: TensorType) -> TensorType:
    """A type of the model's symbols in those of a block, which gets those that it lacks."""
    assert scope.numbers is not None
    symbols = scope.numbers.symbols
    axes: list[Axis] = []
    for axis in t.axes:
        assert isinstance(axis, Dim)
        own = next((k for k, v in symbols.items() if v == axis and not axis.value), None)
        axes.append(
            Dim.symbol(own)
            if own
            else substitute(axis, {n: _symbol(symbols, n) for n in axis.symbols()})
        )
    return TensorType(t.dtype, tuple(axes))


def unrooted(scope: Scope, value: Value) -> Value:
    """A number or a block in the model's symbols, in those of a body, which gets those that it
    lacks.
    """
    assert scope.numbers is not None
    symbols, floats = scope.numbers.symbols, scope.numbers.reals

    def in_the_body(number: Int | Float) -> Value:
        if isinstance(number, Int):
            return Int(substitute(number.dim, lambda name: _symbol(symbols, name)))
        dims, refs = names(number.real)
        for name in refs:
            floats.setdefault(unmarked(name), Ref(name))
        here = {name: _symbol(symbols, name) for name in dims}
        return Float(replace(number.real, here, {name: Ref(unmarked(name)) for name in refs}))

    return with_numbers(value, in_the_body)


def _symbol(symbols: dict[str, Dim], name: str) -> Dim:
    """The block's symbol for one of the model's."""
    value = Dim.symbol(name)
    for own, there in symbols.items():
        if there == value:
            return Dim.symbol(own)
    own = unmarked(name)
    while own in symbols:
        own += "_"
    symbols[own] = value
    return Dim.symbol(own)


def inputs_first(
    nodes: tuple[Node, ...], outputs: tuple[int, ...]
) -> tuple[tuple[Node, ...], tuple[int, ...]]:
    """Nodes with inputs that were made on the way moved behind the others, without values that
    only the side of a choice that was not taken would have used; outputs follow.
    """
    kept = used(nodes, outputs)
    order = sorted(kept, key=lambda i: (not isinstance(nodes[i].form, Input), i))
    if order == list(range(len(nodes))):
        return nodes, outputs
    return reordered(nodes, order), tuple(order.index(o) for o in outputs)


# --- blocks that are given something --------------------------------------------------------------


def declared(decl: s.BlockDecl) -> tuple[s.InputDecl, ...]:
    """Inputs, then what the block is given: both are tensors with names."""
    return (*decl.inputs, *decl.given)


def other_type(
    scope: Scope, recipe: Recipe, given: s.InputDecl, t: TensorType, code: str, span: Span
) -> None:
    """Reports that what a block is given here has another type than it declares."""
    message = f"{recipe.block.name} is given {given.name.name} of another type"
    note = f"declared {given.type.span.text}, given {scope.describe(t)}"
    label = Label(given.span, "declared here")
    scope.fail(code, message, span, note=note, labels=(label,))


def bind_axes(inner: Scope, given: s.InputDecl, t: TensorType) -> None:
    """The free axes of what is given, without a check."""
    for axis, d in zip(given.type.axes, t.axes, strict=False):
        if isinstance(axis, s.Name) and isinstance(d, Dim) and not inner.has_axis(axis.name):
            inner.names[axis.name] = Int(d)


def received(
    scope: Scope, block_names: tuple[str, ...], given: tuple[s.InputDecl, ...], at: Span
) -> bool:
    """Whether everything that a block is given is there; False after a report."""
    missing = [g for g in given if g.name.name not in scope.around]
    for one in missing:
        name = one.name.name
        scope.fail(
            "missing-context",
            f"{block_names[-1]} is given {name}, and nothing gives it",
            at,
            note=" > ".join(block_names),
            help=f"write `give {name}` in a body around it, before what holds it is applied",
        )
    return not missing


def fits(scope: Scope, given: s.InputDecl, wanted: TensorType | None, t: TensorType) -> bool:
    """Whether a context has the declared type, or False after a report; `wanted` is None where that
    type is wrong itself.
    """
    if wanted is None or interface.same(scope, wanted, t) is EQUAL:
        return wanted is not None
    code = "dtype-mismatch" if wanted.dtype != t.dtype else "shape-mismatch"
    return _unlike(scope, given, code, t, scope.describe(wanted))


def _unlike(scope: Scope, given: s.InputDecl, code: str, t: TensorType, wanted: str) -> bool:
    """Reports a context of another type."""
    there = unmarked(t)
    note = f"declared {wanted}, given {there}"
    scope.fail(code, f"{given.name.name} is given with another type", given.span, note=note)
    return False


def bound(scope: Scope, given: s.InputDecl, types: Mapping[str, TensorType]) -> bool:
    """Binds the free axes of what a block is given."""
    t = types[given.name.name]
    written = given.type.axes
    if len(written) != len(t.axes) or any(isinstance(a, s.Dots) for a in written):
        return _unlike(scope, given, "shape-mismatch", t, given.type.span.text)
    assert scope.numbers is not None
    for axis, d in zip(written, t.axes, strict=True):
        if isinstance(axis, s.Name) and axis.name not in scope.names and isinstance(d, Dim):
            scope.names[axis.name] = Int(Dim.symbol(axis.name))
            scope.numbers.symbols[axis.name] = d
    return True
