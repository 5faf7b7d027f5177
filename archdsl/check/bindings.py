"""Names and what they are bound to.

Bindings may have a word before them: `share` makes one instance, `apart` a part beside the model.

    share memory = SwiGLU(d, 4 * d)        # one, wherever it is placed, in layers too
    apart ahead  = NextToken(d, heads)     # typed and counted, but not in the result

    apart more   = stack(2 * NextToken(d)) # several, none where the number is 0

What is shared is a recipe that carries its binding: all modules made of it are one, stored where it
was bound.
What stands apart is applied to nothing; its inputs are those that it declares, free axes of that
name being the body's own.
"""

from __future__ import annotations

import re

from archdsl import syntax as s
from archdsl.check import interface
from archdsl.check.scope import Scope
from archdsl.check.tensors import tensor, widths
from archdsl.check.values import (
    Either,
    Error,
    Int,
    Items,
    Recipe,
    Schedule,
    Slot,
    Tensor,
    Tensors,
    Value,
    describe,
)
from archdsl.dims import DIFFERENT, EQUAL, Dim
from archdsl.graph import Binding
from archdsl.hints import unneeded
from archdsl.nodes import Input, Node, Read, Residual, Zero
from archdsl.record import replace


def bind(scope: Scope, statement: s.Bind, value: Value) -> None:
    """`a = x`, `a, b = f(x)`: names for a value, or for each of several tensors."""
    if len(statement.names) == 1:
        _name(scope, statement.names[0], value)
        return
    if isinstance(value, Error):
        parts: tuple[Value, ...] = tuple(Error() for _ in statement.names)
    elif isinstance(value, Tensors) and len(value.items) == len(statement.names):
        parts = value.items
    else:
        count = len(value.items) if isinstance(value, Tensors) else 1
        scope.fail(
            "wrong-arguments",
            f"{len(statement.names)} names for {count} value{'s' if count > 1 else ''}",
            statement.span,
        )
        parts = tuple(Error() for _ in statement.names)
    for name, part in zip(statement.names, parts, strict=True):
        _name(scope, name, part)


def _name(scope: Scope, name: s.Name, value: Value) -> None:
    if name.name == "_":
        return
    known = scope.names.get(name.name)
    if known is not None and not isinstance(known, Tensor | Tensors | Error):
        declared = scope.block is not None and any(
            x.name.name == name.name for x in scope.block.decl.settings
        )
        what = "a setting" if declared else describe(known)
        scope.fail(
            "duplicate-name",
            f"{name.name} is already {what}",
            name.span,
            help="only tensors may be bound again; choose another name",
        )
        return
    if isinstance(value, Tensor) and not scope.nodes[value.node].name:
        node = scope.nodes[value.node]
        if not isinstance(node.form, Input | Read):
            scope.nodes[value.node] = replace(node, name=name.name)
    if isinstance(value, Tensors):
        scope.fail("wrong-arguments", f"{len(value.items)} values for one name", name.span)
        value = Error()
    scope.names[name.name] = value
    scope.bound.setdefault(name.name, name.span)


def residual(scope: Scope, statement: s.Residual, base: Value | None, value: Value) -> None:
    """`x += y`: a sum with the tensor that the name had before."""
    name = statement.name
    if isinstance(value, Error) or isinstance(base, Error):
        return
    if not isinstance(base, Tensor):
        scope.fail("not-a-tensor", f"{name.name} is not a tensor", name.span)
        return
    added = tensor(scope, value, statement.value.span)
    if added is None:
        return
    verdict = interface.same(scope, base.type, added.type)
    if verdict is not EQUAL:
        scope.fail(
            "shape-mismatch" if verdict is DIFFERENT else "unknown-equality",
            "a residual adds tensors of one shape",
            statement.value.span,
            note=f"{name.name} is {scope.describe(base.type)}, this {scope.describe(added.type)}",
            help=widths(scope, base.type, added.type),
        )
        return
    if isinstance(scope.nodes[added.node].form, Zero):
        return
    args = (base.node, added.node)
    node = Node(Residual(), args, (base.type,), name.name, statement.span)
    scope.names[name.name] = scope.add(node)


def unused(scope: Scope) -> None:
    """Reports names that nothing uses."""
    for name, span in scope.bound.items():
        if name not in scope.used and not name.startswith("_"):
            scope.fail(
                "unused-binding",
                f"{name} is never used",
                span,
                help="remove it, or write _ for a part that nobody needs, _name for an input",
            )


def unused_settings(scope: Scope, decl: s.BlockDecl) -> None:
    """Reports settings that neither the body nor the head of a block uses."""
    used = scope.used | _in_the_head(decl)
    for setting in decl.settings:
        name = setting.name.name
        if name not in used and not name.startswith("_"):
            scope.fail(
                "unused-setting",
                f"{decl.name.name} never uses its setting {name}",
                setting.name.span,
                help=unneeded(name) or f"use it, remove it, or call it _{name} if that is meant",
            )


def _in_the_head(decl: s.BlockDecl) -> set[str]:
    """The names in those parts of a head that the generic check does not evaluate: types of slots,
    conditions of titles and of `lowers`.
    """
    parts = [d.kind.span for d in decl.settings if isinstance(d.kind, s.SignatureKind)]
    parts += [condition.span for _, condition in decl.role.others] if decl.role else []
    if decl.lowers is not None and decl.lowers.when is not None:
        parts.append(decl.lowers.when.span)
    return {name for part in parts for name in re.findall(r"[^\W\d]\w*", part.text)}


# --- a word before a binding ----------------------------------------------------------------------


_OF_A_LIST = {
    "share": "share each block by a name, then list the names: [f, g]",
    "apart": "write a block that holds the list, or a stack: apart more = stack(2 * Block(d))",
}
"""What is written where one of these words stands before a list."""


def own(scope: Scope, statement: s.Bind, value: Value) -> Value:
    """The value that a binding with a word before it has, or an error after a report."""
    if isinstance(value, Slot) and value.recipe is not None:
        value = value.recipe
    if isinstance(value, Error):
        return value
    stacked = isinstance(value, Schedule) and statement.own == "apart"
    if len(statement.names) != 1 or not (stacked or isinstance(value, Recipe | Slot | Either)):
        message = f"`{statement.own}` stands before one block with its settings"
        note = f"this is {describe(value)}"
        help = _OF_A_LIST[statement.own or ""] if isinstance(value, Items) else ""
        return scope.fail("not-a-block", message, statement.value.span, note=note, help=help)
    name = statement.names[0]
    if statement.own == "apart":
        scope.used.add(name.name)
    if statement.own == "share" and isinstance(value, Recipe):
        binding = scope.shared[name.name] = Binding(name.name)
        return replace(value, shared=binding)
    return value


def first(scope: Scope, value: Value) -> Recipe | None:
    """The block that a part is, or the first of a stack. None where a generic check does not know
    which block it is, and for an empty stack.
    """
    if isinstance(value, Schedule):
        layers = (item.item for item in value.items if scope.value(item.count) != 0)
        layer = next(layers, None)
        return None if layer is None else first(scope, layer)
    return value if isinstance(value, Recipe) else None


def alone(scope: Scope, part: Recipe) -> Scope:
    """The world of the inputs of a part to which nothing is passed: free axes are the body's."""
    inner = interface.callee(scope, part)
    for declared in part.block.decl.inputs:
        for axis in declared.type.axes:
            if isinstance(axis, s.Name) and not inner.has_axis(axis.name):
                here = scope.names.get(axis.name)
                own = here if isinstance(here, Int) else Int(Dim.symbol(axis.name))
                inner.names[axis.name] = own
    return inner
