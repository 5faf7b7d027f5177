"""Settings of a block: a value for each, of its kind."""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check import expressions, statics
from archdsl.check.scope import Scope, speaking
from archdsl.check.values import (
    Block,
    BlockRef,
    Either,
    Error,
    Float,
    Int,
    Items,
    Recipe,
    Slot,
    Truth,
    Value,
    Word,
    describe,
    is_kind,
)
from archdsl.diagnostic import Label
from archdsl.dims import Dim
from archdsl.record import replace
from archdsl.source import Span


def settle(
    scope: Scope, block: Block, given: dict[str, tuple[Value, Span]], span: Span
) -> tuple[tuple[str, Value], ...] | None:
    """Values for all settings of a block, defaults filled in; None after a report."""
    inner = Scope(scope.diagnostics, {}, block.globals, numbers=scope.numbers, facts=scope.facts)
    inner.frames = scope.frames
    wrong = False
    for decl in block.decl.settings:
        name = decl.name.name
        if name in given:
            value, at = given[name]
        elif decl.default is not None:
            value = expressions.evaluate(speaking(inner, decl.kind), decl.default)
            at = decl.default.span
        else:
            label = Label(decl.name.span, "declared here without a default")
            # A value that does not fit may have been meant for this one: one message is enough.
            if not wrong:
                message = f"{block.name} needs a value for {name}"
                help = f"write {block.name}(..., {name}: ...)"
                scope.fail("missing-setting", message, span, labels=(label,), help=help)
            wrong = True
            value, at = Error(), span
        value = fit(scope, decl, value, at, block.name)
        wrong |= isinstance(value, Error)
        inner.names[name] = value
    return None if wrong else tuple(inner.names.items())


def fit(scope: Scope, decl: s.SettingDecl, value: Value, at: Span, owner: str) -> Value:
    """A value as a setting of its kind, or an error after a report."""
    if isinstance(value, Error) or not is_kind(decl.kind):
        return Error()
    match decl.kind, value:
        case (None | s.SimpleKind("dim" | "count"), Int(d)):
            return _dimension(scope, decl, d, at)
        case s.SimpleKind("float"), Float():
            return value
        case s.SimpleKind("float"), Int(d):
            return Float(statics.real(Int(d)))
        case s.SimpleKind("bool"), Truth():
            return value
        case s.SignatureKind(), Slot(recipe=inner) if inner is not None:
            return inner
        case s.SignatureKind(), BlockRef(block):
            found = settle(scope, block, {}, at)
            return Error() if found is None else Recipe(block, found, (), at)
        case s.SignatureKind(), (Recipe() | Slot() | Either()):
            return value
        case s.KindOf("enum"), Word(name):
            if name is None or any(getattr(a, "name", "") == name for a in decl.kind.args):
                return value
        case s.KindOf("list", (item,)), Items():
            return _items(scope, decl, item, value, at, owner)
    return scope.fail(
        "kind-mismatch",
        f"{decl.name.name} of {owner} takes {_spoken(decl.kind)}",
        at,
        note=f"this is {describe(value)}",
        labels=(Label(decl.span, "declared here"),),
    )


def _items(
    scope: Scope, decl: s.SettingDecl, kind: s.Kind, items: Items, at: Span, owner: str
) -> Value:
    """A list whose items are of the kind that is declared, or an error after a report."""
    item = replace(decl, kind=kind)
    if items.values is None:
        sample = None if items.sample is None else fit(scope, item, items.sample, at, owner)
        return Error() if isinstance(sample, Error) else replace(items, sample=sample)
    values: list[Value] = []
    for value in items.values:
        one = fit(scope, item, value, at, owner)
        if isinstance(one, Error):
            return one
        values.append(one)
    return replace(items, values=tuple(values))


def _spoken(kind: s.Kind | None) -> str:
    """A kind in words."""
    match kind:
        case s.SignatureKind(span=span):
            return f"a block {span.text}"
        case s.SimpleKind("bool"):
            return "true or false"
        case s.SimpleKind("float"):
            return "a number"
        case s.SimpleKind("count"):
            return "an integer of at least 0"
        case s.KindOf("enum", args):
            return f"one of {', '.join(a.span.text for a in args)}"
        case s.KindOf(span=span):
            return f"a {span.text}"
    return "a dimension, an integer of at least 1"


def _dimension(scope: Scope, decl: s.SettingDecl, d: Dim, at: Span) -> Value:
    least = 0 if isinstance(decl.kind, s.SimpleKind) and decl.kind.name == "count" else 1
    value = scope.value(d)
    if value is not None and value < least:
        return scope.fail(
            "bad-dimension", f"{decl.name.name} has to be at least {least}, not {value}", at
        )
    if value is not None and value > 2**62:
        return scope.fail("too-large", f"{decl.name.name} is larger than 2 ^ 62", at)
    return Int(d)
