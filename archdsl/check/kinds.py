"""Settings of a block: a value for each, of its kind."""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check import chains, statics
from archdsl.check.scope import Scope, words
from archdsl.check.values import (
    Error,
    Float,
    Int,
    Items,
    Slot,
    Text,
    Truth,
    Value,
    Word,
    describe,
    is_block,
    is_kind,
)
from archdsl.diagnostic import Label
from archdsl.dims import Dim
from archdsl.hints import whole
from archdsl.reals import Lit, Ref
from archdsl.source import Span


def fit(scope: Scope, decl: s.SettingDecl, value: Value, at: Span, owner: str) -> Value:
    """A value that is no list as a setting of its kind, or an error after a report."""
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
        case s.SignatureKind(), _ if is_block(value):
            return value if chains.operation_fits(scope, value, at) else Error()
        case s.KindOf("enum"), Word(name):
            if name is None or any(getattr(a, "name", "") == name for a in decl.kind.args):
                return value
    return scope.fail(
        "kind-mismatch",
        f"{decl.name.name} of {owner} takes {in_words(decl.kind)}",
        at,
        note=f"this is {describe(value)}",
        labels=(Label(decl.span, "declared here"),),
        help=_way_out(decl.kind, value, at),
    )


def _way_out(kind: s.Kind | None, value: Value, at: Span) -> str:
    if isinstance(value, Float) and _is_whole(kind):
        return whole(at.text)
    if isinstance(kind, s.SignatureKind | s.KindOf) and isinstance(value, Text):
        return f"a name stands without quotes: {value.value}"
    return ""


def _is_whole(kind: s.Kind | None) -> bool:
    return kind is None or (isinstance(kind, s.SimpleKind) and kind.name in ("dim", "count"))


def symbolic(setting: s.SettingDecl) -> Value:
    """What a setting is for a generic check: known by name only."""
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
            return Word(None, tuple(words(setting.kind)))
        case s.KindOf("list", args):
            return Items(None, _any_item(name, args[0]), Dim.symbol(f"len({name})"))
    return Error()


def _any_item(name: str, kind: s.Kind) -> Value:
    """An item of a list that is known by name only."""
    match kind:
        case s.KindOf("enum"):
            return Word(None, tuple(words(kind)))
        case s.KindOf("list", args):
            return Items(None, _any_item(f"{name}[]", args[0]), Dim.symbol(f"len({name}[])"))
        case s.SimpleKind("bool"):
            return Truth(None)
        case s.SimpleKind("float"):
            return Float(Ref(f"{name}[]"))
        case s.SignatureKind(inputs, outputs):
            return Slot(name, inputs, outputs, None)
    return Int(Dim.symbol(f"{name}[]"))


def stand_in(kind: s.Kind | None) -> Value:
    """A value that stands for the items of an empty list, where only their type counts."""
    match kind:
        case s.KindOf("enum", (word, *_)) if isinstance(word, s.SimpleKind):
            return Word(word.name)
        case s.SimpleKind("bool"):
            return Truth(False)
        case s.SimpleKind("float"):
            return Float(Lit(1.0))
    return Int(Dim.number(1))


def in_words(kind: s.Kind | None) -> str:
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
