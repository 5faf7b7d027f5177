"""Lists of blocks, applied: modules side by side.

    proj = [Linear(d, d) for i in n]
    y = proj[0](x)           one of them
    z = proj(each s)         each with its slice of s; the results lie along a new first axis
    w = proj(x)              each with the whole x

The list owns nothing until it is applied. Then all its blocks are submodules under its name, and
each of them has to be applied somewhere.
"""

from __future__ import annotations

from itertools import groupby

from archdsl.check import chains, interface
from archdsl.check.scope import Scope
from archdsl.check.values import (
    Bank,
    Error,
    Items,
    Listed,
    PrimitiveRef,
    Recipe,
    Repeat,
    Schedule,
    Tensor,
    Tensors,
    Value,
    describe,
    is_block,
)
from archdsl.dims import EQUAL
from archdsl.source import Span
from archdsl.types import TensorType

_WAYS_OUT: dict[type, str] = {
    Items: "bind each list to a name of its own",
    Schedule: "write a block that holds the stack, and list this block",
    Repeat: "a block n times is a list: n * [f]",
    Bank: "a bank is bound to a name of its own, and applied through a mixture",
    Tensor: "tensors are put together by rearrange, or by an operation on both",
    Tensors: "tensors are put together by rearrange, or by an operation on both",
}


def blocks(scope: Scope, items: Items, number: int | None, span: Span) -> Value:
    """A list as what is applied: the block of a number, or all of them; an error after a report. A
    list of operations is as many operations, where a number says which.
    """
    known = items.values if items.values is not None else (items.any,) if items.any else ()
    for at, value in enumerate(known):
        if isinstance(value, Error):
            return value
        if not is_block(value):
            return _no_block(scope, at, value, span)
        if isinstance(value, Recipe) and value.ties:
            message = f"{value.block.name} uses a parameter of this body, and stands in a list"
            help = "bind it by itself: name = Block(...)"
            return scope.fail("unsupported", message, span, help=help)
    if number is not None and items.values is None:
        return known[0]
    if number is not None and all(isinstance(value, PrimitiveRef) for value in known):
        return known[number]
    if (scope.numbers is not None and scope.value(items.size) == 0) or not known:
        message = "a list of no blocks gives nothing, so the result has no type"
        help = "apply a list of at least one block"
        return scope.fail("bad-dimension", message, span, help=help)
    return Listed(tuple(chains.layer(value, span) for value in known), items.size, number)


def _no_block(scope: Scope, at: int, value: Value, span: Span) -> Error:
    """Reports what cannot be applied as one of a list."""
    code = "unsupported" if isinstance(value, Items | Schedule | Bank) else "not-a-block"
    message = f"a list that is applied holds blocks, and [{at}] is {describe(value)}"
    return scope.fail(code, message, span, help=_WAYS_OUT.get(type(value), ""))


def mark(scope: Scope, name: str, target: Value) -> None:
    """Keeps in mind which blocks of a list are applied; all where a generic check cannot know."""
    items = scope.names.get(name)
    if isinstance(items, Items) and items.values is not None:
        numbers = set(range(len(items.values)))
        match target:
            case Listed(number=int(one)):
                numbers = {one}
        scope.applied.setdefault(name, set()).update(numbers)


def unapplied(scope: Scope) -> None:
    """Reports blocks of lists that are never applied, where others are."""
    for name, numbers in scope.applied.items():
        items = scope.names.get(name)
        if not isinstance(items, Items) or items.values is None:
            continue
        for number in range(len(items.values)):
            if number not in numbers:
                message = f"{name}[{number}] is never applied, and other blocks of {name} are"
                help = "apply it or leave it out; a block that is only handed on has its own name"
                scope.fail("unused-binding", message, _bound(scope, name), help=help)


def _bound(scope: Scope, name: str) -> Span | None:
    """Where a list has its name: from a statement, or as a setting."""
    settings = scope.block.decl.settings if scope.block is not None else ()
    declared = (setting.name.span for setting in settings if setting.name.name == name)
    return scope.bound.get(name) or next(declared, None)


def counted(scope: Scope, name: str, span: Span) -> Error:
    """Reports a block that is applied under the name of a `for`, where all would be one."""
    message = f"{name} is another block each time, and has one name to store parameters under"
    help = "apply the list: blocks(x) for all of them, blocks[0](x) for one"
    return scope.fail("unsupported", message, span, help=help)


def along_a_new_axis(
    scope: Scope, target: Listed, results: list[tuple[int, tuple[TensorType, ...]]], span: Span
) -> tuple[TensorType, ...] | None:
    """The types of what all blocks give together, from what those of these numbers give; None after
    a report.
    """
    _, first = results[0]
    for number, types in results:
        if len(types) == len(first) and all(
            interface.same(scope, a, b) is EQUAL for a, b in zip(first, types, strict=True)
        ):
            continue
        one, other = (", ".join(map(str, ts)) for ts in (first, types))
        message = "blocks that are applied all at once give results of one type"
        note = f"[0] gives {one}, [{number}] gives {other}"
        help = "apply them one by one: name[0](x), name[1](x)"
        scope.fail("shape-mismatch", message, span, note=note, help=help)
        return None
    return tuple(TensorType(t.dtype, (target.length, *t.axes)) for t in first)


def different(target: Listed) -> list[tuple[int, Value]]:
    """The blocks that are applied, each with its number, of equal neighbours the first."""
    numbered = enumerate(target.chosen, target.number or 0)
    return [next(same) for _, same in groupby(numbered, lambda pair: pair[1])]


def slices(scope: Scope, target: Listed, args: list[Tensor]) -> list[Tensor]:
    """Operands with a slice in the place of each whose first axis is as long as the list."""
    return [
        Tensor(arg.node, TensorType(arg.type.dtype, arg.type.axes[1:]))
        if arg.type.axes and scope.compare_axes(arg.type.axes[0], target.length) is EQUAL
        else arg
        for arg in args
    ]
