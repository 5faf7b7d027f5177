"""Bindings with a word before them: `share` makes one instance, `apart` a part beside the model.

    share memory = SwiGLU(d, 4 * d)        # one, wherever it is placed, in layers too
    apart ahead  = NextToken(d, heads)     # typed and counted, but not in the result

What is shared is a recipe with a mark: all modules made of it are one, stored where it was bound.
What stands apart is applied to nothing; its inputs are those that it declares, free axes of that
name being the body's own.
"""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check import apply, interface
from archdsl.check.scope import Scope
from archdsl.check.values import BlockRef, Either, Error, Int, Recipe, Slot, Tensor, Value, describe
from archdsl.dims import Dim
from archdsl.record import replace


def bind(scope: Scope, statement: s.Bind, value: Value) -> Value:
    """The value that a binding with a word before it has."""
    assert statement.own is not None
    if isinstance(value, BlockRef):
        value = apply.recipe(scope, value.block, (), statement.value.span, statement.value.span)
    if isinstance(value, Slot) and value.recipe is not None:
        value = value.recipe
    if isinstance(value, Error):
        return value
    if len(statement.names) != 1 or not isinstance(value, Recipe | Slot | Either):
        message = f"`{statement.own}` stands before one block with its settings"
        note = f"this is {describe(value)}"
        return scope.fail("not-a-block", message, statement.value.span, note=note)
    if not isinstance(value, Recipe):
        return value  # a generic check does not know which block it is
    name = statement.names[0]
    if statement.own == "share":
        owner = scope.block.name if scope.block else ""
        return replace(value, shared=f"{owner}.{name.name}")
    return _apart(scope, name, value)


def _apart(scope: Scope, name: s.Name, made: Recipe) -> Value:
    """Checks a part that nothing is passed to, and makes its module."""
    inner = interface.callee(scope, made)
    for declared in made.block.decl.inputs:
        for axis in declared.type.axes:
            if isinstance(axis, s.Name) and inner.look(axis.name) is None:
                here = scope.names.get(axis.name)
                own = here if isinstance(here, Int) else Int(Dim.symbol(axis.name))
                inner.names[axis.name] = own
    types = [interface.type_of(inner, declared.type) for declared in made.block.decl.inputs]
    args = [Tensor(-1, t) for t in types if t is not None]
    span = made.span or name.span
    if len(args) != len(types) or interface.apply(scope, made, args, span, span) is None:
        return Error()
    if scope.numbers is not None and apply.child(scope, made, name.name, args, span) is not None:
        scope.children[name.name] = replace(scope.children[name.name], apart=True)
    scope.used.add(name.name)
    return made
