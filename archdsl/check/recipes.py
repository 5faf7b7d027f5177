"""Blocks with their settings: what may be set, ties, limits."""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check.scope import Scope
from archdsl.check.values import Block, Error, ParamPath, Recipe, Value
from archdsl.diagnostic import Label, nearest
from archdsl.dims import EQUAL
from archdsl.record import record
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


def no_setting(scope: Scope, block: Block, name: str | None, at: Span, known: list[str]) -> None:
    """Reports an argument that sets nothing."""
    if name is None:
        count = f"{len(known)} setting{'' if len(known) == 1 else 's'}"
        hint = f"it has {', '.join(known)}" if known else ""
        scope.fail("wrong-arguments", f"{block.name} has {count}", at, help=hint)
        return
    hint = nearest(name, known) or f"it has {', '.join(known) or 'none'}"
    scope.fail("unknown-setting", f"{block.name} has no setting {name}", at, help=hint)


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
        scope.fail("unknown-name", f"{block.name} has no parameter {name}", at)
        return False
    return True


def recipe(
    scope: Scope, block: Block, settings: tuple[tuple[str, Value], ...], ties: list[Tie], span: Span
) -> Recipe | Error:
    """A block with its settings, or an error after a report."""
    inner = next((value for _, value in settings if isinstance(value, Recipe) and value.ties), None)
    if inner is not None:
        message = f"{inner.block.name} uses a parameter of this body, and {block.name} is another"
        help = "apply it in this body, or `share` a block between them"
        return scope.fail("unsupported", message, inner.span or span, help=help)
    paths = {tie.name: tie.there.path for tie in ties}
    value = Recipe(block, settings, tuple(sorted(paths.items())), span)
    if value.size > MAX_SIZE:
        return scope.fail("too-large", f"a recipe of more than {MAX_SIZE} blocks", span)
    return value


def tie_fits(scope: Scope, block: Block, tie: Tie, ours: TensorType | None) -> bool:
    """Whether both parameters of a tie have one shape; False after a report."""
    theirs = tie.there.type
    if ours is None or theirs is None:
        return True
    if len(ours.axes) == len(theirs.axes) and all(
        scope.compare_axes(a, b) is EQUAL for a, b in zip(ours.axes, theirs.axes, strict=True)
    ):
        return True
    message = f"{tie.name} of {block.name} has another shape"
    note = f"{scope.describe(ours)} here, {scope.describe(theirs)} there"
    scope.fail("tie-mismatch", message, tie.span, note=note)
    return False
