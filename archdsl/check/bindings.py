"""Bindings with a word before them: `share` makes one instance, `apart` a part beside the model.

    share memory = SwiGLU(d, 4 * d)        # one, wherever it is placed, in layers too
    apart ahead  = NextToken(d, heads)     # typed and counted, but not in the result

    apart more   = stack(2 * NextToken(d)) # several, none where the number is 0

What is shared is a recipe that carries its binding: all modules made of it are one, stored where it
was bound.
What stands apart is applied to nothing; its inputs are those that it declares, free axes of that
name being the body's own.
"""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check import apply, expressions, interface, submodules
from archdsl.check.scope import Scope
from archdsl.check.values import (
    BlockRef,
    Either,
    Error,
    Int,
    Recipe,
    Schedule,
    Slot,
    Tensor,
    Value,
    describe,
)
from archdsl.dims import Dim
from archdsl.graph import Binding
from archdsl.record import replace


def bind(scope: Scope, statement: s.Bind, value: Value) -> Value:
    """The value that a binding with a word before it has."""
    assert statement.own is not None
    if isinstance(value, BlockRef):
        value = expressions.recipe(
            scope, value.block, (), statement.value.span, statement.value.span
        )
    if isinstance(value, Slot) and value.recipe is not None:
        value = value.recipe
    if isinstance(value, Error):
        return value
    stacked = isinstance(value, Schedule) and statement.own == "apart"
    if len(statement.names) != 1 or not (stacked or isinstance(value, Recipe | Slot | Either)):
        message = f"`{statement.own}` stands before one block with its settings"
        note = f"this is {describe(value)}"
        return scope.fail("not-a-block", message, statement.value.span, note=note)
    name = statement.names[0]
    first = _first(scope, value) if isinstance(value, Schedule) else value
    if statement.own == "apart":
        scope.used.add(name.name)
    if not isinstance(first, Recipe):
        return value  # a generic check does not know which block it is, an empty stack has none
    if statement.own == "share" and isinstance(value, Recipe):
        binding = scope.shared[name.name] = Binding(name.name)
        return replace(value, shared=binding)
    return _apart(scope, name, value, first)


def _first(scope: Scope, layers: Schedule) -> Value | None:
    """The first block of a stack that has layers."""
    for item in layers.items:
        if scope.value(item.count) != 0:
            return _first(scope, item.item) if isinstance(item.item, Schedule) else item.item
    return None


def _apart(scope: Scope, name: s.Name, made: Value, first: Recipe) -> Value:
    """Checks a part that nothing is passed to, and makes its module: one block, or a stack whose
    `first` says what they take.
    """
    inner = interface.callee(scope, first)
    for declared in first.block.decl.inputs:
        for axis in declared.type.axes:
            if isinstance(axis, s.Name) and inner.look(axis.name) is None:
                here = scope.names.get(axis.name)
                own = here if isinstance(here, Int) else Int(Dim.symbol(axis.name))
                inner.names[axis.name] = own
    types = [apply.type_of(inner, declared.type) for declared in first.block.decl.inputs]
    args = [Tensor(-1, t) for t in types if t is not None]
    span = first.span or name.span
    if len(args) != len(types) or apply.result(scope, made, args, span, span) is None:
        return Error()
    whole, title = apply.with_defaults(scope, made), describe(made)
    if scope.numbers is not None and submodules.child(scope, whole, title, name.name, args, span):
        scope.children[name.name] = replace(scope.children[name.name], apart=True)
    return made
