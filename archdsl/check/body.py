"""Statements, and bodies from the first to the last; scans and loops, whose bodies stand in
expressions.

A body is a sequence of bindings that ends with `return`. Bindings may shadow earlier ones; a name
that nothing uses is an error, because it is a typing mistake more often than not.
"""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check import (
    apply,
    bindings,
    caches,
    context,
    declarations,
    expressions,
    interface,
    kinds,
    parameters,
    recipes,
    recurrence,
    side_by_side,
)
from archdsl.check.recurrence import Repeated
from archdsl.check.scope import Importable, Scope, nowhere, speaking, words
from archdsl.check.tensors import tensor, tensors_of
from archdsl.check.values import Block, Error, Int, Tensor, Truth, Value, Word
from archdsl.diagnostic import Diagnostics
from archdsl.dims import Dim
from archdsl.graph import Initial, Param
from archdsl.nodes import Input, Node, Read
from archdsl.record import replace
from archdsl.types import TensorType

MAX_NODES = 6_000
"""Bodies of more operations are refused: a card of them could not be drawn in a few seconds."""


def check_block(
    block: Block,
    diagnostics: Diagnostics,
    importable: Importable = nowhere,
    guessing: bool = False,
) -> None:
    """The generic check of a block: settings are symbols, both sides of every choice are
    checked. `guessing`: it is a guess at what was meant.
    """
    decl = block.decl
    scope = Scope(diagnostics, {}, block.globals, block, importable=importable, guessing=guessing)
    declarations.header(scope, decl)
    for setting in decl.settings:
        declarations.unique(scope, setting.name)
        if setting.default is not None:
            value = expressions.evaluate(speaking(scope, setting.kind), setting.default)
            expressions.setting(scope, setting, value, setting.default.span, block.name)
        scope.names[setting.name.name] = kinds.symbolic(setting)
        for word in words(setting.kind):  # the members of enums are names inside the block
            scope.names.setdefault(word, Word(word))
    bind_inputs(scope, decl)
    assume(scope, decl.where)
    run(scope, decl)


def mends(block: Block, old: tuple[s.Arg, ...], new: tuple[s.Arg, ...]) -> bool:
    """Whether a call of a body with other arguments leaves nothing wrong in it, or less than
    before.
    """
    counts = []
    for decl in (block.decl, recipes.with_arguments(block.decl, old, new)):
        quiet = Diagnostics()
        check_block(replace(block, decl=decl), quiet, guessing=True)
        counts.append(len(quiet.items))
    return counts[1] == 0 or counts[1] < counts[0]


def bind_inputs(scope: Scope, decl: s.BlockDecl) -> None:
    """Inputs and what is given become nodes; names of axes that are no settings become free
    axes.
    """
    interface.sees_all(scope, interface.types_taken(decl))
    for declared in context.declared(decl):
        for axis in declared.type.axes:
            if isinstance(axis, s.Name) and axis.name not in scope.names:
                scope.names[axis.name] = Int(Dim.symbol(axis.name))
        t = apply.type_of(scope, declared.type)
        declarations.unique(scope, declared.name)
        if t is None:
            scope.names[declared.name.name] = Error()
            continue
        node = Node(Input(), (), (t,), declared.name.name, declared.name.span)
        scope.names[declared.name.name] = scope.add(node)
        scope.bound[declared.name.name] = declared.name.span
        if declared in decl.given:
            scope.context[declared.name.name] = len(scope.nodes) - 1
    interface.sees_all(scope)


def assume(scope: Scope, conditions: tuple[s.Expr, ...]) -> None:
    """What `where` says becomes a fact of the scope: equalities, divisibility among them."""
    for condition in conditions:
        if isinstance(condition, s.Binary) and condition.op == "and":
            assume(scope, (condition.left, condition.right))
        elif isinstance(condition, s.Binary) and condition.op == "==":
            left = expressions.evaluate(scope, condition.left)
            right = expressions.evaluate(scope, condition.right)
            if isinstance(left, Int) and isinstance(right, Int):
                scope.facts = scope.facts.plus(left.dim - right.dim)
        else:
            expressions.truth(scope, condition)


def run(scope: Scope, decl: s.BlockDecl) -> tuple[int, ...] | None:
    """The statements of a body; the nodes of its results, or None after a report."""
    before = len(scope.diagnostics)
    result: tuple[int, ...] | None = None
    for statement in decl.body:
        if result is not None:
            scope.fail("syntax", "nothing runs after `return`", statement.span)
            break
        if len(scope.nodes) > MAX_NODES:
            scope.fail("too-large", f"more than {MAX_NODES:,} operations", statement.span)
            return None
        if isinstance(statement, s.Result):
            result = _return(scope, decl, statement)
        else:
            _statement(scope, statement)
    if result is None and not any(isinstance(x, s.Result) for x in decl.body):
        message = f"{decl.name.name} returns nothing"
        scope.fail("missing-return", message, decl.name.span, help="end its body with return ...")
    if result is not None and len(scope.diagnostics) == before:
        side_by_side.unapplied(scope)
    # What stands behind a mistake was not read to its end: what it uses is not known.
    if scope.numbers is None and result is not None and len(scope.diagnostics) == before:
        bindings.unused(scope)
        bindings.unused_settings(scope, decl)
    return result if len(scope.diagnostics) == before else None


def _statement(scope: Scope, statement: s.Statement) -> None:
    """One statement that is no `return`."""
    match statement:
        case s.ParamStatement():
            _param(scope, statement)
        case s.CacheStatement():
            _cache(scope, statement)
        case s.Bind():
            _bind(scope, statement)
        case s.Residual():
            base = scope.look(statement.name.name)
            value = expressions.evaluate(scope, statement.value)
            bindings.residual(scope, statement, base, value)
        case s.GiveStatement():
            context.give(scope, statement)
        case _:
            scope.fail("unsupported", "this statement is not handled yet", statement.span)


def _bind(scope: Scope, statement: s.Bind) -> None:
    value = expressions.evaluate(scope, statement.value)
    value = expressions.with_defaults(scope, value, statement.value.span)
    if statement.own is not None:
        value = _own(scope, statement, value)
    bindings.bind(scope, statement, value)


def _own(scope: Scope, statement: s.Bind, value: Value) -> Value:
    """The value that a binding with `share` or `apart` before it has."""
    value = bindings.own(scope, statement, value)
    first = bindings.first(scope, value)
    if statement.own != "apart" or first is None:
        return value
    return apply.apart(scope, statement.names[0], value, first)


def _param(scope: Scope, statement: s.ParamStatement) -> None:
    name = statement.name
    t = apply.type_of(scope, statement.type)
    guard = True if statement.guard is None else expressions.truth(scope, statement.guard)
    if not parameters.is_switched_by_its_name(statement):
        declarations.unique(scope, name)
    if statement.guard is not None:
        scope.guards[name.name] = Truth(guard)
    if t is None or guard is False:
        scope.names[name.name] = Error()
        if guard is False and statement.guard is not None:
            scope.absent[name.name] = statement.guard.span
        return
    param = _held(scope, statement, t)
    if param is None:
        scope.names[name.name] = Error()
        return
    scope.params.append(param)
    node = Node(Read(name.name), (), (t,), name.name, name.span)
    scope.names[name.name] = scope.add(node)
    scope.bound[name.name] = name.span


def _held(scope: Scope, statement: s.ParamStatement, t: TensorType) -> Param | None:
    """A parameter, a buffer or a constant; None after a report."""
    if not parameters.is_fixed(scope, statement, t):
        return None
    if statement.keyword == "const":
        value = _const(scope, statement.initial)
        return None if value is None else parameters.const(scope, statement, t, value)
    initial = _initial(scope, statement, t)
    guard = parameters.guard_name(statement)
    return Param(statement.keyword, statement.name.name, t, initial, guard) if initial else None


def _const(scope: Scope, expr: s.Expr) -> Tensor | None:
    scope.in_const = True
    try:
        return tensor(scope, expressions.evaluate(scope, expr), expr.span)
    finally:
        scope.in_const = False


def _initial(scope: Scope, statement: s.ParamStatement, t: TensorType) -> Initial | None:
    expr, initialiser = statement.initial, parameters.named(statement)
    if initialiser is None:
        here = Param(statement.keyword, statement.name.name, t, None)
        alone = replace(scope, consts=scope.initials, in_const=True, beginning=here)
        return parameters.computed(scope, statement, t, expressions.evaluate(alone, expr))
    name, args = initialiser
    if not parameters.fits(scope, statement, t, name, args):
        return None
    values = [expressions.evaluate(scope, a.value) for a in args]
    if name == "fill" and not parameters.number_fits(scope, statement, t, values[0]):
        return None
    return parameters.initial(scope, name, values, expr.span)


def _cache(scope: Scope, statement: s.CacheStatement) -> None:
    extent: Dim | None = None
    if statement.extent is not None:
        extent = expressions.static_int(scope, statement.extent, "what a cache keeps")
        if extent is None:
            return
    caches.cache(scope, statement, extent)


def _return(scope: Scope, decl: s.BlockDecl, statement: s.Result) -> tuple[int, ...] | None:
    if statement.keyword == "yield":
        scope.fail("syntax", "`yield` belongs into scan or loop", statement.span)
        return None
    values = [expressions.evaluate(scope, v) for v in statement.values]
    results: list[Tensor] = []
    for value, expr in zip(values, statement.values, strict=True):
        tensors = tensors_of(scope, value, expr.span)
        if tensors is None:
            return None
        results.extend(tensors)
    types = [apply.type_of(scope, t) for t in decl.outputs]
    if not interface.are_declared(scope, decl, types, statement, results):
        return None
    for result, declared in zip(results, types, strict=True):
        node = scope.nodes[result.node]
        if declared is not None and not isinstance(node.form, Input) and len(node.types) == 1:
            scope.nodes[result.node] = replace(node, types=(declared,))  # in the declared names
    return tuple(t.node for t in results)


# --- scan and loop --------------------------------------------------------------------------------


def scan(scope: Scope, expr: s.Scan) -> Value:
    """`scan T with ... over (...) { ... }`."""
    if not recurrence.along_stream(scope, expr.axis):
        return Error()
    over = recurrence.over(scope, expr)
    first = _states(scope, expr.states)
    if not over or first is None:
        return Error()
    inner = recurrence.one_token(scope, expr, first, over)
    repeated = None if inner is None else _repeated(scope, inner, expr, first, over)
    return Error() if repeated is None else recurrence.scan(scope, expr, over, repeated)


def loop(scope: Scope, expr: s.Loop) -> Value:
    """`loop n with ... { ... }`."""
    count = expressions.static_int(scope, expr.count, "the number of rounds")
    first = _states(scope, expr.states)
    if count is None or first is None or not recurrence.rounds(scope, count, expr.count.span):
        return Error()
    inner = recurrence.inside(scope, expr.states, first, [], [])
    repeated = _repeated(scope, inner, expr, first, [])
    return Error() if repeated is None else recurrence.loop(scope, expr, count, first, repeated)


def _states(scope: Scope, states: tuple[s.State, ...]) -> list[Tensor] | None:
    """What the states are in the beginning; None after a report."""
    known = []
    for state in states:
        t = apply.type_of(scope, state.type)
        value = expressions.evaluate(scope, state.initial)
        known.append(recurrence.state(scope, state, t, value))
    first = [t for t in known if t is not None]
    return first if len(first) == len(known) else None


def _repeated(
    scope: Scope, inner: Scope, expr: s.Scan | s.Loop, first: list[Tensor], over: list[Tensor]
) -> Repeated | None:
    """A repeated body, or None after a report."""
    before = len(scope.diagnostics)
    args = recurrence.arguments(scope, inner, expr.body, first, over)
    if args is None:
        return None
    yielded: list[Tensor] = []
    for at, statement in enumerate(expr.body):
        match statement:
            case s.Result("yield", values):
                if at + 1 < len(expr.body):
                    scope.fail("syntax", "nothing runs after `yield`", expr.body[at + 1].span)
                for value in values:
                    result = expressions.evaluate(inner, value)
                    yielded += tensors_of(inner, result, value.span) or ()
                break
            case s.Bind(own=None) | s.Residual():
                _statement(inner, statement)
            case _:
                message = "in scan and loop, tensors are bound and one `yield` ends the body"
                scope.fail("syntax", message, statement.span)
    last = recurrence.ends(inner, first)
    if len(scope.diagnostics) > before or last is None:
        return None  # what a state depends on may be reported elsewhere, as an import is
    return recurrence.repeated(scope, inner, args, first, last, yielded, len(over), expr.span)
