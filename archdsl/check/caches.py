"""What a block keeps of earlier tokens: a cache grows along the streamed axis."""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check.scope import Scope
from archdsl.check.values import Error, Tensor
from archdsl.dims import Dim, extreme, substitute
from archdsl.nodes import Cache, Node
from archdsl.source import Span
from archdsl.symbols import SEEN, STREAM, streams
from archdsl.types import TensorType


def cache(scope: Scope, statement: s.CacheStatement, extent: Dim | None) -> None:
    """`cache k, v last n`: the names become what was kept of them."""
    last, every = extent, int(statement.limit == "every")
    if last is not None and statement.extent is not None:
        if _too_small(scope, last, every, statement.extent.span):
            return
        last = None if scope.value(last) == 0 else last
    for name in statement.names:
        value = scope.look(name.name)
        if isinstance(value, Error):
            continue
        if not isinstance(value, Tensor):
            scope.fail("not-a-tensor", f"{name.name} is not a tensor that could be kept", name.span)
            continue
        if name.name in scope.places:
            message = f"{name.name} is kept twice, and a cache has one place for a name"
            help = "bind it to another name first"
            scope.names[name.name] = scope.fail("duplicate-name", message, name.span, help=help)
            continue
        if Dim.symbol(STREAM) not in value.type.axes:
            scope.fail(
                "unbound-axis",
                f"{name.name} has no axis {STREAM} to keep",
                name.span,
                note=f"it is {value.type}",
                help=f"a cache grows along the streamed axis, which is called {STREAM}",
            )
            continue
        last = last if _streams(scope) else None  # an encoder's axis is there at once, whole
        everything = Dim.symbol(SEEN)
        some = everything if last is None else extreme("min", everything, last)
        seen = {STREAM: everything // last if every and last is not None else some}
        axes = tuple(substitute(a, seen) if isinstance(a, Dim) else a for a in value.type.axes)
        kept = TensorType(value.type.dtype, axes)
        if not _streams(scope):
            scope.names[name.name] = Tensor(value.node, kept)
            continue
        form = Cache(name.name, every=last) if every else Cache(name.name, last)
        node = Node(form, (value.node,), (kept,), name.name, name.span)
        scope.names[name.name] = scope.add(node)


def _streams(scope: Scope) -> bool:
    """Whether T is the streamed axis here; a generic check takes it to be."""
    return scope.numbers is None or streams(scope.numbers.symbols)


def _too_small(scope: Scope, d: Dim, least: int, span: Span) -> bool:
    value = scope.value(d)
    if value is not None and value < least:
        what = "one entry for" if least else "the last"
        scope.fail("bad-dimension", f"a cache keeps {what} {value} tokens", span)
        return True
    return False
