"""Names for types: a declared type written out wherever a block uses it.

    type KV[n, k] = [B, n, minimum(S, w), k]
    block Read(heads, w)(k: KV[heads, 64]) ...      k: [B, heads, minimum(S, w), 64]

The parameters of the type become the arguments. All other names mean what they mean in the block:
a setting, or an axis.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from archdsl import syntax as s
from archdsl.diagnostic import Diagnostics, Label, nearest
from archdsl.record import fields, replace
from archdsl.source import Span
from archdsl.types import DTYPES


def written_out(
    decl: s.BlockDecl,
    types: Mapping[str, s.TypeDecl],
    lost: Collection[str],
    diagnostics: Diagnostics,
) -> s.BlockDecl | None:
    """A block in which declared types are written out; None after a report of a wrong use, and
    where a type is `lost`: reported where it is declared or imported.
    """
    if not types and not lost:
        return decl
    before = len(diagnostics)
    uses_lost = False

    def expand(node: Any) -> Any:
        nonlocal uses_lost
        if isinstance(node, tuple):
            changed = tuple(expand(item) for item in node)
            return node if all(map(_same, changed, node)) else changed
        if isinstance(node, s.TypeExpr):
            if node.dtype is None or node.dtype.name in DTYPES:
                return node
            if node.dtype.name in lost:
                uses_lost = True
                return node
            return _expanded(node, node.dtype, types, diagnostics)
        if not fields(node) or isinstance(node, s.Name | Span):
            return node
        changes = {name: expand(getattr(node, name)) for name in fields(node)}
        same = all(_same(value, getattr(node, name)) for name, value in changes.items())
        return node if same else replace(node, **changes)

    result: s.BlockDecl = expand(decl)
    return None if uses_lost or len(diagnostics) > before else result


def check(decl: s.TypeDecl, diagnostics: Diagnostics) -> bool:
    """Whether a declared type is one of axes and uses its parameters; False after a report."""
    dtype = decl.type.dtype
    if dtype is not None and dtype.name not in DTYPES:
        message = f"there is no dtype {dtype.name}"
        help = f"a type is written with its axes; a dtype is one of {', '.join(DTYPES)}"
        diagnostics.add("dtype-mismatch", message, dtype.span, help=help)
        return False
    names = [parameter.name for parameter in decl.parameters]
    used = {name for axis in decl.type.axes for name in _names(axis)}
    for number, parameter in enumerate(decl.parameters):
        if parameter.name in names[:number]:
            message = f"{parameter.name} is a parameter of {decl.name.name} twice"
            help = "choose another name for one of them"
            diagnostics.add("duplicate-name", message, parameter.span, help=help)
            return False
        if parameter.name not in used:
            message = f"{decl.name.name} does not use {parameter.name}"
            diagnostics.add("unused-setting", message, parameter.span, help="remove it")
            return False
    return True


def _expanded(
    use: s.TypeExpr, called: s.Name, types: Mapping[str, s.TypeDecl], diagnostics: Diagnostics
) -> s.TypeExpr:
    """A declared type with its arguments, as if it were written where it is used; the use itself
    after a report.
    """
    name = called.name
    decl = types.get(name)
    if decl is None:
        help = nearest(name, types) or f"one of {', '.join([*DTYPES, *types])}"
        diagnostics.add("dtype-mismatch", f"there is no dtype {name}", called.span, help=help)
        return use
    wanted = len(decl.parameters)
    if len(use.axes) != wanted:
        names = ", ".join(parameter.name for parameter in decl.parameters)
        diagnostics.add(
            "wrong-arguments",
            f"{name} takes {wanted or 'no'} argument{'' if wanted == 1 else 's'}, "
            f"gets {len(use.axes)}",
            use.span,
            help=f"write {name}[{names}]",
            labels=(Label(decl.span, "declared here"),),
        )
        return use
    arguments: dict[str, s.Expr] = {}
    for parameter, argument in zip(decl.parameters, use.axes, strict=True):
        if isinstance(argument, s.Dots):
            message = f"`...` is no argument of {name}"
            help = "a type that keeps leading axes has them itself: type Rows[n] = [..., n]"
            diagnostics.add("wrong-arguments", message, argument.span, help=help)
            return use
        arguments[parameter.name] = argument
    axes = tuple(_here(axis, arguments, use.span) for axis in decl.type.axes)
    return s.TypeExpr(decl.type.dtype, axes, use.span)


def _here(node: Any, arguments: Mapping[str, s.Expr], at: Span) -> Any:
    """An axis of a declared type with arguments in place of parameters, at the place of its use."""
    if isinstance(node, s.Name) and node.name in arguments:
        return arguments[node.name]
    if isinstance(node, tuple):
        return tuple(_here(item, arguments, at) for item in node)
    if isinstance(node, Span):
        return at
    if isinstance(node, s.Arg):  # the name of an argument is no parameter
        return replace(node, value=_here(node.value, arguments, at))
    if not fields(node):
        return node
    return replace(node, **{k: _here(getattr(node, k), arguments, at) for k in fields(node)})


def _names(node: Any) -> set[str]:
    """The names in an expression."""
    if isinstance(node, s.Name):
        return {node.name}
    items = node if isinstance(node, tuple) else [getattr(node, name) for name in fields(node)]
    return {name for item in items for name in _names(item)}


def _same(a: object, b: object) -> bool:
    return a is b
