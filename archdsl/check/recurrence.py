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
from dataclasses import replace as changed

from archdsl import syntax as s
from archdsl.check import apply, body, expressions, interface, names, statics
from archdsl.check.scope import STREAM, Scope
from archdsl.check.tensors import results_of, tensor
from archdsl.check.values import Error, Float, Int, Tensor, Tensors, Value, describe
from archdsl.dims import EQUAL, Dim
from archdsl.nodes import Body, Fill, Input, Loop, Node, Scan, Window
from archdsl.record import fields
from archdsl.source import Span
from archdsl.types import TensorType

TIME = Dim.symbol(STREAM)

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
    found, number = name, 2
    while found in scope.places:
        found, number = f"{name}_{number}", number + 1
    return found


# --- scan and loop --------------------------------------------------------------------------------


def scan(scope: Scope, expr: s.Scan) -> Value:
    """`scan T with ... over (...) { ... }`."""
    if expr.axis.name != STREAM:
        message = f"a scan runs along the streamed axis, which is called {STREAM}"
        return scope.fail("unbound-axis", message, expr.axis.span)
    over = [_over(scope, name) for name in expr.over]
    states = [_state(scope, state) for state in expr.states]
    found = [t for t in over if t is not None]
    first = [t for t in states if t is not None]
    if len(found) != len(over) or len(first) != len(states) or not found:
        return Error()
    for state in expr.states:
        if state.name.name in scope.places:
            message = f"{state.name.name} is kept twice, and a block has one place for a name"
            help = "choose another name for one of them"
            return scope.fail("duplicate-name", message, state.name.span, help=help)
    names = [name.name for name in expr.over]
    tokens = [_without_time(t.type) for t in found]
    inner = _inside(scope, expr.states, first, names, tokens)
    del inner.names[STREAM]
    made = _body(scope, inner, expr.body, first, found, expr.span)
    if made is None:
        return Error()
    repeated, args = made
    at = found[0].type.axes.index(TIME)
    types = []
    for i in repeated.outputs[repeated.states :]:
        t = repeated.nodes[i].type
        if len(t.axes) < at:
            message = f"{STREAM} is axis {at + 1} of {names[0]}, and what is yielded has fewer axes"
            return scope.fail("shape-mismatch", message, expr.span, note=f"it is {t}")
        types.append(TensorType(t.dtype, (*t.axes[:at], TIME, *t.axes[at:])))
    if not types:
        return scope.fail("missing-return", "a scan yields something of each token", expr.span)
    repeated = _with_axis(repeated, at)
    return results_of(scope, Node(Scan(repeated), args, tuple(types), span=expr.span))


def loop(scope: Scope, expr: s.Loop) -> Value:
    """`loop n with ... { ... }`."""
    count = expressions.static_int(scope, expr.count, "the number of rounds")
    states = [_state(scope, state) for state in expr.states]
    first = [t for t in states if t is not None]
    if count is None or len(first) != len(states):
        return Error()
    known = scope.value(count)
    if known is not None and not 1 <= known <= MAX_ROUNDS:
        code = "too-large" if known > 0 else "bad-dimension"
        help = f"between 1 and {MAX_ROUNDS} are possible"
        return scope.fail(code, f"a loop of {known} rounds", expr.count.span, help=help)
    inner = _inside(scope, expr.states, first, [], [])
    made = _body(scope, inner, expr.body, first, [], expr.span)
    if made is None:
        return Error()
    repeated, args = made
    types = [first_one.type for first_one in first]
    for i in repeated.outputs[repeated.states :]:
        t = repeated.nodes[i].type
        types.append(TensorType(t.dtype, (count, *t.axes)))
    node = Node(Loop(repeated, count), args, tuple(types), span=expr.span)
    return results_of(scope, node)


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


def _state(scope: Scope, state: s.State) -> Tensor | None:
    """What a state is in the beginning, as a tensor of its type."""
    t = apply.type_of(scope, state.type)
    value = expressions.evaluate(scope, state.initial)
    if t is None or isinstance(value, Error):
        return None
    if isinstance(value, Int | Float):
        number = tensor(scope, value, state.initial.span)
        assert number is not None
        return scope.add(Node(Fill(), (number.node,), (t,), span=state.initial.span))
    found = tensor(scope, value, state.initial.span)
    if found is None:
        return None
    if interface.same(scope, found.type, t) is not EQUAL:
        note = f"this is {scope.describe(found.type)}"
        message = f"{state.name.name} is declared {t}"
        scope.fail("shape-mismatch", message, state.initial.span, note=note)
        return None
    return found


def _without_time(t: TensorType) -> TensorType:
    return TensorType(t.dtype, tuple(a for a in t.axes if a != TIME))


def _with_axis(made: Body, at: int) -> Body:
    return Body(made.nodes, made.inputs, made.outputs, made.states, made.over, at)


def _inside(
    scope: Scope,
    states: tuple[s.State, ...],
    first: list[Tensor],
    over: list[str],
    tokens: list[TensorType],
) -> Scope:
    """The world of a repeated body: its states and tokens are inputs."""
    inner = changed(scope, names=dict(scope.names), nodes=[], bound={}, used=set())
    inner.given, inner.context, inner.borrowed, inner.outer = {}, {}, [], scope
    for state, begun in zip(states, first, strict=True):
        name = state.name
        node = Node(Input(), (), (begun.type,), name.name, name.span)
        inner.names[name.name] = inner.add(node)
        inner.bound[name.name] = name.span
    for token, t in zip(over, tokens, strict=True):
        inner.names[token] = inner.add(Node(Input(), (), (t,), token))
    return inner


def _body(
    scope: Scope,
    inner: Scope,
    statements: tuple[s.Statement, ...],
    first: list[Tensor],
    over: list[Tensor],
    span: Span,
) -> tuple[Body, tuple[int, ...]] | None:
    """A repeated body, and the nodes around it that it reads; None after a report."""
    before = len(scope.diagnostics)
    states = [inner.nodes[i].name for i in range(len(first))]
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
    if len(scope.diagnostics) > before:
        return None
    count = len(args)
    yielded: list[Tensor] = []
    for at, statement in enumerate(statements):
        match statement:
            case s.Result("yield", values):
                if at + 1 < len(statements):
                    scope.fail("syntax", "nothing runs after `yield`", statements[at + 1].span)
                yielded = _yielded(inner, values)
                break
            case s.Bind(own=None) | s.Residual():
                body.statement_of(inner, statement)
            case _:
                message = "in scan and loop, tensors are bound and one `yield` ends the body"
                scope.fail("syntax", message, statement.span)
    ends = [tensor(inner, inner.names[name], inner.bound[name]) for name in states]
    kept = [end for end in ends if end is not None]
    if len(scope.diagnostics) > before or len(kept) != len(ends):
        return None  # what a state depends on may have been told elsewhere, as an import is
    outputs: list[int] = []
    for state, begun, end in zip(states, first, kept, strict=True):
        if interface.same(inner, begun.type, end.type) is not EQUAL:
            note = f"it began as {scope.describe(begun.type)}, ends as {scope.describe(end.type)}"
            message = f"the state {state} changes its type"
            scope.fail("shape-mismatch", message, inner.nodes[end.node].span or span, note=note)
            return None
        outputs.append(end.node)
    if scope.numbers is None:
        body.unused(inner)
    outputs += [t.node for t in yielded]
    inputs = (*range(count), *(here for here, _ in inner.borrowed))
    args += [there for _, there in inner.borrowed]
    made = Body(tuple(inner.nodes), inputs, tuple(outputs), len(first), len(over))
    scope.used |= inner.used
    return made, tuple(args)


def _yielded(inner: Scope, values: tuple[s.Expr, ...]) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        made = expressions.evaluate(inner, value)
        if isinstance(made, Tensors):
            found.extend(made.items)
            continue
        one = tensor(inner, made, value.span)
        if one is not None:
            found.append(one)
    return found


def read(statements: tuple[s.Statement, ...], bound: set[str]) -> list[s.Name]:
    """The names that a body reads before it binds them, each once."""
    found: dict[str, s.Name] = {}
    known = set(bound)
    for statement in statements:
        for name in _names(statement):
            if name.name not in known:
                found.setdefault(name.name, name)
        match statement:
            case s.Bind(names=names):
                known |= {n.name for n in names}
            case s.Residual(name=name):
                known.add(name.name)
    return list(found.values())


def _names(node: object) -> Iterator[s.Name]:
    """The names in the expressions of a statement."""
    match node:
        case s.Name():
            yield node
        case s.Bind(value=value):
            yield from _names(value)
        case s.Field(value=value):
            yield from _names(value)
        case s.Arg(value=value, source=source):
            yield from _names(value)
            yield from _names(source)
        case tuple():
            for item in node:
                yield from _names(item)
        case _:
            for part in fields(node):
                if part not in ("span", "pattern"):
                    yield from _names(getattr(node, part))
