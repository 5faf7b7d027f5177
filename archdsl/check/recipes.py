"""Blocks with their settings: what may be set, ties, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from archdsl import syntax as s
from archdsl.check.scope import Scope
from archdsl.check.values import Block, Error, ParamPath, Recipe, Value, describe
from archdsl.diagnostic import Diagnostic, Label, nearest
from archdsl.dims import EQUAL
from archdsl.record import fields, record, replace
from archdsl.source import Span
from archdsl.types import TensorType

MAX_SIZE = 2000
"""Blocks in a recipe, those inside its settings counted each time."""


@record
class Tie:
    """`w: embed.w`: a parameter of a block that is a parameter of another."""

    name: str
    there: ParamPath
    span: Span


def arguments(scope: Scope, block: Block, args: tuple[s.Arg, ...]) -> dict[str, s.Expr] | None:
    """The expressions that are given for settings, by name; None after a report."""
    known = [d.name.name for d in block.decl.settings]
    order = iter(known)
    exprs: dict[str, s.Expr] = {}
    for arg in args:
        name = arg.name.name if arg.name else next(order, None)
        if name is None or name not in known:
            no_setting(scope, block, name, arg.name.span if arg.name else arg.span, known)
            return None
        if name in exprs or arg.clauses or arg.each:
            scope.fail("duplicate-name", f"{name} is set twice", arg.span)
            return None
        exprs[name] = arg.value
    return exprs


def no_setting(
    scope: Scope,
    block: Block,
    name: str | None,
    at: Span,
    known: list[str],
    tied: tuple[s.Arg, Value] | None = None,
) -> None:
    """Reports an argument that sets nothing. `tied` is one that could be meant as a tie, with its
    value.
    """
    if tied is not None and name is not None and block.param(name) is not None:
        _no_tie(scope, block, name, *tied)
        return
    if name is None:
        count = f"{len(known)} setting{'' if len(known) == 1 else 's'}"
        hint = f"it has {', '.join(known)}" if known else ""
        scope.fail("wrong-arguments", f"{block.name} has {count}", at, help=hint)
        return
    hint = nearest(name, known) or f"it has {', '.join(known) or 'none'}"
    scope.fail("unknown-setting", f"{block.name} has no setting {name}", at, help=hint)


def _no_tie(scope: Scope, block: Block, name: str, arg: s.Arg, value: Value) -> None:
    """Reports a parameter that is given something that is no parameter."""
    message = f"{name} is a parameter of {block.name}, and takes a parameter of another block"
    params = parameters(value.block) if isinstance(value, Recipe) else []
    near = name if name in params else next(iter(params), "")
    help = f"tie it to a parameter: {name}: embed.{name}"
    if isinstance(arg.value, s.Name) and near:
        help = f"tie it to one: {name}: {arg.value.name}.{near}"
    scope.fail("kind-mismatch", message, arg.span, note=f"this is {describe(value)}", help=help)


def parameters(block: Block) -> list[str]:
    """The names of a block's own parameters."""
    return [x.name.name for x in block.decl.body if isinstance(x, s.ParamStatement)]


def parameters_of(block: Block) -> str:
    """The parameters of a block, in a help line."""
    known = parameters(block)
    return f"it has {', '.join(known)}" if known else "it has none of its own: its parts have"


def no_value(scope: Scope, block: Block, decl: s.SettingDecl, span: Span) -> None:
    """Reports a setting that has neither a value nor a default."""
    name = decl.name.name
    label = Label(decl.name.span, "declared here without a default")
    message = f"{block.name} needs a value for {name}"
    help = f"write {block.name}(..., {name}: ...)"
    scope.fail("missing-setting", message, span, labels=(label,), help=help)


def has_parameter(scope: Scope, block: Block, name: str, at: Span) -> bool:
    """Whether a block has a parameter to tie; False after a report."""
    if block.param(name) is None:
        message = f"{block.name} has no parameter {name}"
        help = nearest(name, parameters(block)) or parameters_of(block)
        scope.fail("unknown-name", message, at, help=help)
        return False
    return True


def recipe(
    scope: Scope,
    block: Block,
    settings: tuple[tuple[str, Value], ...],
    ties: list[Tie],
    args: tuple[s.Arg, ...],
    span: Span,
) -> Recipe | Error:
    """A block with its settings, or an error after a report."""
    inner = next((value for _, value in settings if isinstance(value, Recipe) and value.ties), None)
    if inner is not None:
        message = f"{inner.block.name} uses a parameter of this body, and {block.name} is another"
        help = "apply it in this body, or `share` a block between them"
        return scope.fail("unsupported", message, inner.span or span, help=help)
    paths = {tie.name: tie.there.path for tie in ties}
    value = Recipe(block, settings, tuple(sorted(paths.items())), span, args=args)
    if value.size > MAX_SIZE:
        return scope.fail("too-large", f"a recipe of more than {MAX_SIZE} blocks", span)
    return value


def tie_fits(
    scope: Scope, block: Block, tie: Tie, ours: TensorType | None, fitting: Callable[[], str]
) -> bool:
    """Whether both parameters of a tie have one shape; False after a report. `fitting` gives a
    call with other arguments that would fit, or nothing.
    """
    theirs = tie.there.type
    if ours is None or theirs is None:
        return True
    if len(ours.axes) == len(theirs.axes) and all(
        scope.compare_axes(a, b) is EQUAL for a, b in zip(ours.axes, theirs.axes, strict=True)
    ):
        return True
    message = f"{tie.name} of {block.name} has another shape"
    note = f"{scope.describe(ours)} here, {scope.describe(theirs)} there"
    call = fitting()
    help = f"two arguments seem to be swapped: {call} fits" if call else ""
    scope.fail("tie-mismatch", message, tie.span, note=note, help=help)
    return False


# --- arguments that stand in the wrong order ------------------------------------------------------


def swaps(block: Block, args: tuple[s.Arg, ...]) -> Iterator[tuple[tuple[s.Arg, ...], str]]:
    """The arguments of a block with two of those given by position swapped, each with the call as
    it would be written.
    """
    positional = [i for i, arg in enumerate(args) if arg.plain][:MOST_SWAPPED]
    for i, j in combinations(positional, 2):
        if args[i].span.text == args[j].span.text:
            continue
        other = [*args]
        other[i], other[j] = args[j], args[i]
        yield tuple(other), f"{block.name}({', '.join(arg.span.text for arg in other)})"


MOST_SWAPPED = 5
"""Arguments by position that are tried in another order."""


def with_arguments(node: Any, old: tuple[s.Arg, ...], new: tuple[s.Arg, ...]) -> Any:
    """A part of a tree in which a call has other arguments; the same object where it has no such
    call.
    """
    if isinstance(node, s.Call) and node.args is old:
        return replace(node, args=new)
    if isinstance(node, tuple):
        items = tuple(with_arguments(item, old, new) for item in node)
        return node if all(a is b for a, b in zip(items, node, strict=True)) else items
    parts = {} if isinstance(node, Span) else {n: getattr(node, n) for n in fields(node)}
    other = {name: with_arguments(part, old, new) for name, part in parts.items()}
    changed = {name: part for name, part in other.items() if part is not parts[name]}
    return replace(node, **changed) if changed else node


def swapped(scope: Scope, recipe: Recipe, call: str, wrong: Diagnostic, span: Span) -> None:
    """Reports a block whose arguments stand in the wrong order; `wrong` is what is told where it is
    applied, at `span`, and `call` is what fits there.
    """
    home = recipe.span
    assert home is not None
    apart = home.source is not span.source or home.end <= span.start or span.end <= home.start
    labels = (Label(span, "applied here"),) if apart else ()
    message = f"two arguments of {recipe.block.name} seem to be swapped"
    help = f"{call} fits"
    scope.fail("shape-mismatch", message, home, note=wrong.message, labels=labels, help=help)
