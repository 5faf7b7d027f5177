"""What looks along the streamed axis or runs again: `window`, `scan`, `loop`.

    h = scan T with s: float32[B, d] = 0 over (x, a) { s = s * a + x  yield s }

A scan takes the tokens one by one. Inside, the tensors of `over` are one token of themselves and
the states are what the last token left; a state is bound again or stays. What is yielded of each
token is the result, with the axis T where the first tensor of `over` has it. A loop runs its body a
number of times known in advance; its results are its states after the last round, then what it
yields, round by round along a new first axis.
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl import syntax as s
from archdsl.check import bindings, interface, names, statics
from archdsl.check.scope import Scope
from archdsl.check.tensors import results_of, tensor
from archdsl.check.values import Error, Float, Int, Tensor, Value, describe
from archdsl.dims import EQUAL, Dim
from archdsl.nodes import Body, Fill, Input, Loop, Node, Scan, Window
from archdsl.record import fields, record, replace
from archdsl.source import Span
from archdsl.symbols import STREAM, TIME
from archdsl.types import TensorType

MAX_ROUNDS = 10_000
"""Loops of more rounds are refused."""


def window(scope: Scope, expr: s.Call, value: Value, length: Value) -> Value:
    """`window(x, n)`: the last n tokens at each position."""
    count = statics.integer(scope, length, expr.args[1].span, "the length of a window")
    if isinstance(value, Error) or count is None:
        return Error()
    x = tensor(scope, value, expr.args[0].span)
    if x is None:
        return Error()
    known = scope.value(count)
    if known is not None and known < 1:
        return scope.fail("bad-dimension", f"a window of {known} tokens", expr.args[1].span)
    if scope.in_const or TIME not in x.type.axes:
        note = f"it is {x.type}"
        message = f"a window looks back along {STREAM}, which this has not"
        return scope.fail("unbound-axis", message, expr.args[0].span, note=note)
    at = x.type.axes.index(TIME) + 1
    out = TensorType(x.type.dtype, (*x.type.axes[:at], count, *x.type.axes[at:]))
    place = _place(scope, scope.nodes[x.node].name or "window")
    return scope.add(Node(Window(count, place), (x.node,), (out,), span=expr.span))


def _place(scope: Scope, name: str) -> str:
    """A name under which nothing is kept yet in this block."""
    place, number = name, 2
    while place in scope.places:
        place, number = f"{name}_{number}", number + 1
    return place


# --- scan and loop --------------------------------------------------------------------------------


@record
class Repeated:
    """The body of a scan or a loop, and the nodes around it that it reads."""

    body: Body
    args: tuple[int, ...]


def along_stream(scope: Scope, axis: s.Name) -> bool:
    """Whether a scan runs along the streamed axis; False after a report."""
    if axis.name != STREAM:
        message = f"a scan runs along the streamed axis, which is called {STREAM}"
        scope.fail("unbound-axis", message, axis.span)
    return axis.name == STREAM


def over(scope: Scope, expr: s.Scan) -> list[Tensor] | None:
    """The tensors that a scan takes token by token; None after a report."""
    known = [_over(scope, name) for name in expr.over]
    tensors = [t for t in known if t is not None]
    return tensors if len(tensors) == len(known) else None


def _over(scope: Scope, name: s.Name) -> Tensor | None:
    value = names.name(scope, name)
    if isinstance(value, Error):
        return None
    if not isinstance(value, Tensor):
        scope.fail("not-a-tensor", f"{name.name} is not a tensor", name.span, note=describe(value))
        return None
    if value.type.axes.count(TIME) != 1:
        note = f"it is {value.type}"
        scope.fail("unbound-axis", f"{name.name} has no axis {STREAM}", name.span, note=note)
        return None
    return value


def state(scope: Scope, declared: s.State, t: TensorType | None, value: Value) -> Tensor | None:
    """What a state is in the beginning, as a tensor of its type; None after a report."""
    span = declared.initial.span
    if t is None or isinstance(value, Error):
        return None
    first = tensor(scope, value, span)
    if first is None:
        return None
    if isinstance(value, Int | Float):
        return scope.add(Node(Fill(), (first.node,), (t,), span=span))
    if interface.same(scope, first.type, t) is not EQUAL:
        note = f"this is {scope.describe(first.type)}"
        message = f"{declared.name.name} is declared {t}"
        scope.fail("shape-mismatch", message, span, note=note)
        return None
    return first


def one_token(scope: Scope, expr: s.Scan, first: list[Tensor], over: list[Tensor]) -> Scope | None:
    """The world of the body of a scan, or None after a report."""
    for state in expr.states:
        if state.name.name in scope.places:
            message = f"{state.name.name} is kept twice, and a block has one place for a name"
            help = "choose another name for one of them"
            scope.fail("duplicate-name", message, state.name.span, help=help)
            return None
    tokens = [_without_time(t.type) for t in over]
    inner = inside(scope, expr.states, first, [name.name for name in expr.over], tokens)
    del inner.names[STREAM]
    return inner


def _without_time(t: TensorType) -> TensorType:
    return TensorType(t.dtype, tuple(a for a in t.axes if a != TIME))


def inside(
    scope: Scope,
    states: tuple[s.State, ...],
    first: list[Tensor],
    over: list[str],
    tokens: list[TensorType],
) -> Scope:
    """The world of a repeated body: its states and tokens are inputs."""
    inner = replace(scope, names=dict(scope.names), nodes=[], bound={}, used=set())
    inner.given, inner.context, inner.borrowed, inner.outer = {}, {}, [], scope
    for state, begin in zip(states, first, strict=True):
        name = state.name
        node = Node(Input(), (), (begin.type,), name.name, name.span)
        inner.names[name.name] = inner.add(node)
        inner.bound[name.name] = name.span
    for token, t in zip(over, tokens, strict=True):
        inner.names[token] = inner.add(Node(Input(), (), (t,), token))
    return inner


def rounds(scope: Scope, count: Dim, span: Span) -> bool:
    """Whether a loop can have this many rounds; False after a report."""
    known = scope.value(count)
    if known is None or 1 <= known <= MAX_ROUNDS:
        return True
    code = "too-large" if known > 0 else "bad-dimension"
    help = f"between 1 and {MAX_ROUNDS} are possible"
    scope.fail(code, f"a loop of {known} rounds", span, help=help)
    return False


def arguments(
    scope: Scope,
    inner: Scope,
    statements: tuple[s.Statement, ...],
    first: list[Tensor],
    over: list[Tensor],
) -> list[int] | None:
    """The nodes that a repeated body is handed: states, tokens, then what it reads of the body
    around it, which becomes inputs. None after a report.
    """
    before = len(scope.diagnostics)
    args = [t.node for t in (*first, *over)]
    for name in read(statements, set(inner.bound) | {n.name for n in inner.nodes}):
        value = inner.names.get(name.name)
        if isinstance(value, Tensor):
            args.append(value.node)
            node = Node(Input(), (), (value.type,), name.name, name.span)
            inner.names[name.name] = inner.add(node)
            scope.used.add(name.name)
            if over and TIME in value.type.axes:
                message = f"{name.name} is all tokens at once"
                help = f"take it one by one: over (..., {name.name})"
                scope.fail("unbound-axis", message, name.span, help=help)
    return args if len(scope.diagnostics) == before else None


def ends(inner: Scope, first: list[Tensor]) -> list[Tensor] | None:
    """What the states are after a round; None where one is no tensor."""
    names = [inner.nodes[i].name for i in range(len(first))]
    known = [tensor(inner, inner.names[name], inner.bound[name]) for name in names]
    tensors = [t for t in known if t is not None]
    return tensors if len(tensors) == len(known) else None


def repeated(
    scope: Scope,
    inner: Scope,
    args: list[int],
    first: list[Tensor],
    last: list[Tensor],
    yielded: list[Tensor],
    over: int,
    span: Span,
) -> Repeated | None:
    """A body whose states keep their types, or None after a report. `first` are the states before
    all rounds, `last` those after one.
    """
    for node, a, b in zip(inner.nodes, first, last, strict=False):
        if interface.same(inner, a.type, b.type) is not EQUAL:
            note = f"it began as {scope.describe(a.type)}, ends as {scope.describe(b.type)}"
            message = f"the state {node.name} changes its type"
            scope.fail("shape-mismatch", message, inner.nodes[b.node].span or span, note=note)
            return None
    if scope.numbers is None:
        bindings.unused(inner)
    scope.used |= inner.used
    outputs = tuple(t.node for t in (*last, *yielded))
    inputs = (*range(len(args)), *(here for here, _ in inner.borrowed))
    body = Body(tuple(inner.nodes), inputs, outputs, len(first), over)
    return Repeated(body, (*args, *(there for _, there in inner.borrowed)))


def scan(scope: Scope, expr: s.Scan, over: list[Tensor], repeated: Repeated) -> Value:
    """What a scan yields of each token, with the axis T where the first tensor of `over` has it."""
    at, body = over[0].type.axes.index(TIME), repeated.body
    types = []
    for i in body.outputs[body.states :]:
        t = body.nodes[i].type
        if len(t.axes) < at:
            first = expr.over[0].name
            message = f"{STREAM} is axis {at + 1} of {first}, and what is yielded has fewer axes"
            return scope.fail("shape-mismatch", message, expr.span, note=f"it is {t}")
        types.append(TensorType(t.dtype, (*t.axes[:at], TIME, *t.axes[at:])))
    if not types:
        return scope.fail("missing-return", "a scan yields something of each token", expr.span)
    form = Scan(Body(body.nodes, body.inputs, body.outputs, body.states, body.over, at))
    return results_of(scope, Node(form, repeated.args, tuple(types), span=expr.span))


def loop(scope: Scope, expr: s.Loop, count: Dim, first: list[Tensor], repeated: Repeated) -> Value:
    """The states after the last round, then what each round yields along a new first axis."""
    body = repeated.body
    types = [state.type for state in first]
    for i in body.outputs[body.states :]:
        t = body.nodes[i].type
        types.append(TensorType(t.dtype, (count, *t.axes)))
    node = Node(Loop(body, count), repeated.args, tuple(types), span=expr.span)
    return results_of(scope, node)


def read(statements: tuple[s.Statement, ...], bound: set[str]) -> list[s.Name]:
    """The names that a body reads before it binds them, each once."""
    first: dict[str, s.Name] = {}
    known = set(bound)
    for statement in statements:
        for name in _names(statement):
            if name.name not in known:
                first.setdefault(name.name, name)
        match statement:
            case s.Bind(names=names):
                known |= {n.name for n in names}
            case s.Residual(name=name):
                known.add(name.name)
    return list(first.values())


def _names(node: object) -> Iterator[s.Name]:
    """The names in the expressions of a statement."""
    match node:
        case s.Name():
            yield node
        case s.Bind(value=value):
            yield from _names(value)
        case s.Field(value=value):
            yield from _names(value)
        case s.Arg(value=value, clauses=clauses):
            yield from _names(value)
            for clause in clauses:
                yield from _names((clause.source, *clause.tests))
        case tuple():
            for item in node:
                yield from _names(item)
        case _:
            for part in fields(node):
                if part not in ("span", "pattern"):
                    yield from _names(getattr(node, part))
