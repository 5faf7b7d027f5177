"""Chains: `f |> g` of blocks is a block that applies them in order.

    positioned = Rope(d_head) |> RMSNorm(d_head)
    F = MLP(d, 4 * d, activation: Clamp(0, 6) |> tanh)

Its stages are known when it is made, so that a chain of chains is one. Applied, it is one
submodule; an operation alone in a slot is none, it is applied where the slot is.
"""

from __future__ import annotations

from archdsl.check.recipes import MAX_SIZE
from archdsl.check.scope import Scope
from archdsl.check.tensors import written
from archdsl.check.values import (
    Chain,
    Error,
    PrimitiveRef,
    Recipe,
    Slot,
    Value,
    describe,
    is_block,
)
from archdsl.ops import OPS
from archdsl.record import replace
from archdsl.source import Span

_FORMS = ("map", "zip")
"""The forms of operations that need nothing but tensors."""


def operation(value: Value) -> PrimitiveRef | None:
    """The operation that a value is, or that fills it where it is a slot."""
    if isinstance(value, Slot):
        return None if value.recipe is None else operation(value.recipe)
    return value if isinstance(value, PrimitiveRef) else None


def layer(value: Value, span: Span) -> Value:
    """A value as a layer or an expert, which is a submodule: an operation is a chain of one."""
    match value:
        case PrimitiveRef():
            return Chain((value,), span)
        case Slot(recipe=PrimitiveRef() as inner):
            return replace(value, recipe=Chain((inner,), span))
    return value


def joined(scope: Scope, stages: list[tuple[Value, Span]]) -> Chain | Error:
    """Blocks in a row as one, or an error after a report."""
    parts: list[Value] = []
    for value, span in stages:
        match value:
            case Error():
                return value
            case Slot(recipe=inner) if inner is not None:
                value = inner
        if not is_block(value):
            message = "a block can be followed by blocks and operations"
            help = "apply the first block to a tensor: x |> f |> g"
            note = f"this is {describe(value)}"
            return scope.fail("not-a-block", message, span, note=note, help=help)
        if not operation_fits(scope, value, span):
            return Error()
        if isinstance(value, Recipe) and value.ties:
            message = f"{value.block.name} uses a parameter of this body, and a chain is another"
            return scope.fail("unsupported", message, span, help="apply it in this body: x |> f")
        parts.extend(value.stages if isinstance(value, Chain) else (value,))
    chain = Chain(tuple(parts), stages[0][1].to(stages[-1][1]))
    if chain.size > MAX_SIZE:
        return scope.fail("too-large", f"a chain of more than {MAX_SIZE} blocks", chain.span)
    return chain


def operation_fits(scope: Scope, value: Value, span: Span) -> bool:
    """Whether a value, if it is an operation, needs nothing but tensors; False after a report."""
    if not isinstance(value, PrimitiveRef):
        return True
    op = OPS.get(value.name)
    if op is not None and op.form in _FORMS:
        return True
    message = f"{value.name} is not an operation on tensors alone, so it is no block"
    help = f"write a block that says {written(value.name)}" if op is not None else ""
    scope.fail("kind-mismatch", message, span, help=help)
    return False
