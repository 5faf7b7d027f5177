"""Statements, and bodies from the first to the last.

A body is a sequence of bindings that ends with `return`. Bindings may shadow earlier ones; a name
that nothing uses is an error, because it is a typing mistake more often than not.
"""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check import apply, bindings, context, expressions, interface, statics
from archdsl.check.scope import SEEN, STREAM, Scope, speaking, words
from archdsl.check.tensors import tensor
from archdsl.check.values import (
    Block,
    Error,
    Float,
    Int,
    Items,
    Slot,
    Tensor,
    Tensors,
    Truth,
    Value,
    Word,
    describe,
    is_kind,
)
from archdsl.diagnostic import Diagnostics, nearest
from archdsl.dims import DIFFERENT, EQUAL, Dim, extreme, substitute
from archdsl.dtypes import FLOATING
from archdsl.graph import Initial, Param
from archdsl.nodes import Cache, Input, Node, Read, Residual, Zero
from archdsl.ops import INITIALISERS, INTRINSICS, ROLES
from archdsl.reals import Ref
from archdsl.record import replace as changed
from archdsl.source import Span
from archdsl.types import Rest, TensorType

MAX_NODES = 6_000
"""Bodies of more operations are refused: a card of them could not be drawn in a few seconds."""


def check_block(block: Block, diagnostics: Diagnostics) -> None:
    """The generic check of a block: settings are symbols, both sides of every choice are
    checked.
    """
    decl = block.decl
    scope = Scope(diagnostics, {}, block.globals, block)
    _header(scope, decl)
    for setting in decl.settings:
        _unique(scope, setting.name)
        if setting.default is not None:
            value = expressions.evaluate(speaking(scope, setting.kind), setting.default)
            expressions.setting(scope, setting, value, setting.default.span, block.name)
        scope.names[setting.name.name] = symbolic(setting)
        _words(scope, setting)
    bind_inputs(scope, decl)
    assume(scope, decl.where)
    run(scope, decl)


def symbolic(setting: s.SettingDecl) -> Value:
    """A setting that is known by name only."""
    name = setting.name.name
    match setting.kind:
        case None | s.SimpleKind("dim" | "count"):
            return Int(Dim.symbol(name))
        case s.SimpleKind("float"):
            return Float(Ref(name))
        case s.SimpleKind("bool"):
            return Truth(None)
        case s.SignatureKind(inputs, outputs):
            return Slot(name, inputs, outputs, None)
        case s.KindOf("enum"):
            return Word(None)
        case s.KindOf("list", args):
            return Items(None, _any_item(name, args[0]), Dim.symbol(f"len({name})"))
    return Error()


def _any_item(name: str, kind: s.Kind) -> Value:
    """An item of a list that is known by name only."""
    match kind:
        case s.KindOf("enum"):
            return Word(None)
        case s.SimpleKind("bool"):
            return Truth(None)
        case s.SimpleKind("float"):
            return Float(Ref(f"{name}[]"))
    return Int(Dim.symbol(f"{name}[]"))


def _words(scope: Scope, setting: s.SettingDecl) -> None:
    """The members of enums are names inside the block."""
    for word in words(setting.kind):
        scope.names.setdefault(word, Word(word))


def _header(scope: Scope, decl: s.BlockDecl) -> None:
    if decl.role is not None and decl.role.name.name not in ROLES:
        name = decl.role.name
        hint = nearest(name.name, ROLES) or f"one of {', '.join(ROLES)}"
        scope.fail("unknown-role", f"there is no role {name.name}", name.span, help=hint)
    if decl.lowers is not None and decl.lowers.intrinsic.name not in INTRINSICS:
        name = decl.lowers.intrinsic
        hint = nearest(name.name, INTRINSICS) or f"one of {', '.join(INTRINSICS)}"
        scope.fail("unknown-intrinsic", f"nothing lowers to {name.name}", name.span, help=hint)
    for setting in decl.settings:
        match setting.kind:
            case s.SimpleKind(kind, span) if not is_kind(setting.kind):
                hint = "dim, count, float, bool, enum(...), list(...) or a signature"
                if kind == "block":
                    hint = "a slot needs a type: write [B, T, d] -> [B, T, d]"
                elif kind == "int":
                    hint = f"without a kind it is an integer of at least 1: {setting.name.name}"
                scope.fail("kind-mismatch", f"there is no kind {kind}", span, help=hint)
            case s.KindOf(kind, _, span) if not is_kind(setting.kind):
                scope.fail("kind-mismatch", f"there is no kind {kind}", span)


def _unique(scope: Scope, name: s.Name) -> None:
    if name.name in scope.names:
        help = "choose another name for one of them"
        scope.fail("duplicate-name", f"{name.name} is declared twice", name.span, help=help)


def bind_inputs(scope: Scope, decl: s.BlockDecl) -> None:
    """Inputs and what is given become nodes; names of axes that are no settings become free
    axes.
    """
    for declared in context.declared(decl):
        for axis in declared.type.axes:
            if isinstance(axis, s.Name) and axis.name not in scope.names:
                scope.names[axis.name] = Int(Dim.symbol(axis.name))
        t = apply.type_of(scope, declared.type)
        _unique(scope, declared.name)
        if t is None:
            scope.names[declared.name.name] = Error()
            continue
        node = Node(Input(), (), (t,), declared.name.name, declared.name.span)
        scope.names[declared.name.name] = scope.add(node)
        scope.bound[declared.name.name] = declared.name.span
        if declared in decl.given:
            scope.context[declared.name.name] = len(scope.nodes) - 1
    if SEEN not in scope.names:
        scope.names[SEEN] = Int(Dim.symbol(SEEN))


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
            statement_of(scope, statement)
    if result is None and not any(isinstance(x, s.Result) for x in decl.body):
        message = f"{decl.name.name} returns nothing"
        scope.fail("missing-return", message, decl.name.span, help="end its body with return ...")
    # What stands behind a mistake was not read to its end: what it uses is not known.
    if scope.numbers is None and result is not None and len(scope.diagnostics) == before:
        unused(scope)
    return result if len(scope.diagnostics) == before else None


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


def statement_of(scope: Scope, statement: s.Statement) -> None:
    """One statement that is no `return`."""
    match statement:
        case s.ParamStatement():
            _param(scope, statement)
        case s.CacheStatement():
            _cache(scope, statement)
        case s.Bind():
            _bind(scope, statement)
        case s.Residual():
            _residual(scope, statement)
        case s.GiveStatement():
            context.give(scope, statement)
        case _:
            scope.fail("unsupported", "this statement is not handled yet", statement.span)


def _bind(scope: Scope, statement: s.Bind) -> None:
    value = expressions.evaluate(scope, statement.value)
    if statement.own is not None:
        value = bindings.bind(scope, statement, value)
    if len(statement.names) == 1:
        _set(scope, statement.names[0], value)
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
        _set(scope, name, part)


def _set(scope: Scope, name: s.Name, value: Value) -> None:
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
            scope.nodes[value.node] = changed(node, name=name.name)
    if isinstance(value, Tensors):
        scope.fail("wrong-arguments", f"{len(value.items)} values for one name", name.span)
        value = Error()
    scope.names[name.name] = value
    scope.bound.setdefault(name.name, name.span)


def _residual(scope: Scope, statement: s.Residual) -> None:
    name = statement.name
    base = scope.look(name.name)
    value = expressions.evaluate(scope, statement.value)
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
        )
        return
    if isinstance(scope.nodes[added.node].form, Zero):
        return
    args = (base.node, added.node)
    node = Node(Residual(), args, (base.type,), name.name, statement.span)
    scope.names[name.name] = scope.add(node)


def _param(scope: Scope, statement: s.ParamStatement) -> None:
    name = statement.name
    t = apply.type_of(scope, statement.type)
    guard = True if statement.guard is None else expressions.truth(scope, statement.guard)
    if t is None or guard is False:
        scope.names[name.name] = Error()
        if guard is False and statement.guard is not None:
            scope.absent[name.name] = statement.guard.span
        return
    _unique(scope, name)
    if not _is_fixed(scope, statement, t):
        scope.names[name.name] = Error()
        return
    guarded = _guard_name(statement)
    if statement.keyword == "const":
        made = _const(scope, statement, t, guarded)
    else:
        initial = _initial(scope, statement, t)
        made = Param(statement.keyword, name.name, t, initial, guarded) if initial else None
    if made is None:
        scope.names[name.name] = Error()
        return
    scope.params.append(made)
    node = Node(Read(name.name), (), (t,), name.name, name.span)
    scope.names[name.name] = scope.add(node)
    scope.bound[name.name] = name.span


def _guard_name(statement: s.ParamStatement) -> str:
    """The setting that a parameter depends on, or a name for a longer condition."""
    match statement.guard:
        case None:
            return ""
        case s.Name(name):
            return name
    return f"has_{statement.name.name}"


def _const(scope: Scope, statement: s.ParamStatement, t: TensorType, guarded: str) -> Param | None:
    scope.in_const = True
    try:
        value = tensor(
            scope, expressions.evaluate(scope, statement.initial), statement.initial.span
        )
    finally:
        scope.in_const = False
    if value is None:
        return None
    if interface.same(scope, value.type, t) is not EQUAL:
        scope.fail(
            "shape-mismatch",
            f"{statement.name.name} is declared {t}",
            statement.initial.span,
            note=f"this is {scope.describe(value.type)}",
        )
        return None
    return Param("const", statement.name.name, t, None, guarded, value=value.node)


def _is_fixed(scope: Scope, statement: s.ParamStatement, t: TensorType) -> bool:
    """Whether what a block holds has a shape of its own, and a parameter a dtype that can be
    trained; False after a report.
    """
    for axis in t.axes:
        if (
            isinstance(axis, Rest)
            or {STREAM, SEEN} & axis.symbols()
            or (scope.numbers is not None and scope.value(axis) is None)
        ):
            scope.fail(
                "unbound-axis",
                f"{statement.name.name} has the axis {axis}, which only the inputs decide",
                statement.type.span,
                help="axes of what a block holds are settings and numbers",
            )
            return False
    if statement.keyword == "const" and t.dtype == "float":
        message = f"a constant is of single precision, and {statement.name.name} is {t}"
        help = f"write float32{t}, and model_dtype({statement.name.name}) where it is used"
        scope.fail("dtype-mismatch", message, statement.type.span, help=help)
        return False
    if statement.keyword == "param" and t.dtype not in FLOATING:
        message = f"a parameter is trained, and {t.dtype} cannot be"
        help = f"write buffer {statement.name.name}: ..."
        scope.fail("dtype-mismatch", message, statement.type.span, help=help)
        return False
    return True


def _initial(scope: Scope, statement: s.ParamStatement, t: TensorType) -> Initial | None:
    expr = statement.initial
    name = ""
    args: tuple[s.Arg, ...] = ()
    match expr:
        case s.Name(name):
            args = ()
        case s.Call(s.Name(name), args):
            pass
    if name not in INITIALISERS:
        known = ", ".join(INITIALISERS)
        scope.fail(
            "unknown-name",
            "this does not say how a parameter begins",
            expr.span,
            help=f"one of {known}",
        )
        return None
    row = INITIALISERS[name]
    if len(args) != len(row.args):
        said = f"({', '.join(row.args)})" if row.args else ""
        help = f"write {name}{said}"
        scope.fail("wrong-arguments", f"{name} takes {len(row.args)} numbers", expr.span, help=help)
        return None
    if len(t.axes) < row.rank:
        axes = "an axis" if row.rank == 1 else f"{row.rank} axes"
        message = f"{name} needs {axes}, and {statement.name.name} is {t}"
        scope.fail("bad-value", message, expr.span, help=f"{name}: {row.doc}")
        return None
    if t.dtype not in FLOATING and name not in ("zeros", "ones", "fill"):
        message = f"{name} gives real numbers, and {statement.name.name} is {t.dtype}"
        scope.fail("dtype-mismatch", message, expr.span, help="zeros, ones or fill(value)")
        return None
    values = [expressions.evaluate(scope, a.value) for a in args]
    numbers = [statics.real(v) for v in values if isinstance(v, Int | Float)]
    if len(numbers) != len(values):
        if not any(isinstance(v, Error) for v in values):
            scope.fail("not-static", f"{name} takes numbers known in advance", expr.span)
        return None
    known_values = [statics.number(scope, v, expr.span) for v in values]
    reason = row.wrong(*known_values) if None not in known_values else ""
    if reason:
        said = ", ".join(f"{number:g}" for number in known_values if number is not None)
        scope.fail("bad-value", f"{name}({said}): {reason}", expr.span)
        return None
    return Initial(name, tuple(numbers))


def _cache(scope: Scope, statement: s.CacheStatement) -> None:
    last, every = None, int(statement.limit == "every")
    if statement.extent is not None:
        last = expressions.static_int(scope, statement.extent, "what a cache keeps")
        if last is None or _too_small(scope, last, every, statement.extent.span):
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
    stream = None if scope.numbers is None else scope.numbers.symbols.get(STREAM)
    return stream is None or stream.name == f"${STREAM}"


def _too_small(scope: Scope, d: Dim, least: int, span: Span) -> bool:
    value = scope.value(d)
    if value is not None and value < least:
        what = "one entry for" if least else "the last"
        scope.fail("bad-dimension", f"a cache keeps {what} {value} tokens", span)
        return True
    return False


def _return(scope: Scope, decl: s.BlockDecl, statement: s.Result) -> tuple[int, ...] | None:
    if statement.keyword == "yield":
        scope.fail("syntax", "`yield` belongs into scan or loop", statement.span)
        return None
    values = [expressions.evaluate(scope, v) for v in statement.values]
    found: list[Tensor] = []
    for value, expr in zip(values, statement.values, strict=True):
        if isinstance(value, Tensors):
            found.extend(value.items)
            continue
        one = tensor(scope, value, expr.span)
        if one is None:
            return None
        found.append(one)
    expected = [apply.type_of(scope, t) for t in decl.outputs]
    if len(found) != len(expected):
        scope.fail(
            "wrong-arguments",
            f"{len(expected)} results are declared, {len(found)} returned",
            statement.span,
        )
        return None
    for one, t, written in zip(found, expected, decl.outputs, strict=True):
        if t is None:
            return None
        if interface.same(scope, one.type, t) is not EQUAL and not _wrong_result(
            scope, one, t, statement, written
        ):
            return None
    return tuple(t.node for t in found)


def _wrong_result(
    scope: Scope, one: Tensor, t: TensorType, statement: s.Result, written: s.TypeExpr
) -> bool:
    unknown = scope.numbers is None and interface.same(scope, one.type, t) is not DIFFERENT
    hint = ""
    code = "unknown-equality" if unknown else "shape-mismatch"
    if one.type.dtype != t.dtype:
        code = "dtype-mismatch"
        hint = "write model_dtype(x)" if one.type.dtype == "float32" else ""
    elif unknown:
        hint = "add a `where` that says that they are equal"
    scope.fail(
        code,
        f"declared {written.span.text}, returned {one.type}",
        statement.values[0].span,
        note=scope.describe(one.type),
        help=hint,
    )
    return False
