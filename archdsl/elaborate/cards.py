"""Directives of `card`: paths that lead somewhere, texts whose numbers are computed."""

from __future__ import annotations

import re

from archdsl import syntax as s
from archdsl.check import expressions, statics
from archdsl.check.scope import Numbers, Scope
from archdsl.check.values import Error, Float, Int, Text, Value, Word
from archdsl.diagnostic import Diagnostics, nearest
from archdsl.dims import Dim
from archdsl.graph import CardDirective, Child, Model, Module
from archdsl.parser import parse
from archdsl.reals import Ref
from archdsl.resolver import Unit
from archdsl.source import Source, Span

WORDS: dict[str, str] = {
    "depth": "number", "inset": "path", "fold": "path", "open": "path", "callout": "path",
    "hide": "names", "facts": "names", "shapes": "names", "title": "text", "subtitle": "text",
    "accent": "names",
}  # fmt: skip
"""The directives and what they take."""

_BRACES = re.compile(r"\{([^{}]*)\}")


def directives(
    model: Model, unit: Unit, home: Unit, diagnostics: Diagnostics
) -> tuple[CardDirective, ...]:
    """The directives of a model's card, checked."""
    found = []
    for card in unit.cards:
        if card.variant.name == model.id:
            for directive in card.directives:
                made = _directive(model, home, directive, diagnostics)
                if made is not None:
                    found.append(made)
    return tuple(found)


def _directive(
    model: Model, home: Unit, d: s.Directive, diagnostics: Diagnostics
) -> CardDirective | None:
    word = d.name.name
    kind = WORDS.get(word)
    if kind is None:
        hint = nearest(word, WORDS) or f"one of {', '.join(WORDS)}"
        diagnostics.add("unknown-name", f"a card has no {word}", d.name.span, help=hint)
        return None
    paths: list[tuple[str, ...]] = []
    names: tuple[str, ...] = ()
    text, number = "", None
    for arg in d.args or ():
        if kind == "path":
            path = _path(arg.value)
            if path is None or not _leads(model.root, path):
                diagnostics.add(
                    "unknown-path",
                    f"{arg.span.text} is no part of the model",
                    arg.span,
                    help=_parts(model.root, path),
                )
                return None
            paths.append(path)
        elif isinstance(arg.value, s.Name):
            names = (*names, arg.value.name)
    match d.value:
        case s.String(value, span):
            filled = interpolate(model, home, value, span, diagnostics)
            if filled is None:
                return None
            text = filled
        case s.Number(value) if isinstance(value, int):
            number = value
        case s.Group(items):
            names = tuple(i.name for i in items if isinstance(i, s.Name))
        case s.Name(name):
            names = (name,)
        case None:
            pass
        case _:
            diagnostics.add("kind-mismatch", f"{word} takes a {kind}", d.value.span)
            return None
    return CardDirective(word, tuple(paths), names, text, number, d.span)


def _path(expr: s.Expr) -> tuple[str, ...] | None:
    """`layers[Block].mix` as ("layers", "[Block]", "mix")."""
    match expr:
        case s.Name(name):
            return (name,)
        case s.Field(value, name):
            inner = _path(value)
            return None if inner is None else (*inner, name.name)
        case s.AxesCall(value, pattern):
            inner = _path(value)
            return None if inner is None else (*inner, f"[{pattern.span.text.strip()}]")
    return None


def _leads(module: Module, path: tuple[str, ...]) -> bool:
    here = [module]
    for step in path:
        if step.startswith("["):
            here = [m for m in here if _is_a(m, step[1:-1])]
        else:
            here = [n for m in here for n in _named(m, step)]
        if not here:
            return False
    return True


def _named(module: Module, name: str) -> list[Module]:
    return [m for c in module.children if c.name == name for _, m in c.modules]


def _is_a(module: Module, block: str) -> bool:
    """Whether a layer is the block, or contains it directly."""
    return module.block == block or any(
        m.block == block for c in module.children for _, m in c.modules
    )


def _parts(module: Module, path: tuple[str, ...] | None) -> str:
    names: list[Child] = list(module.children)
    if path is None:
        return "a path is written layers.mix, or layers[Block].mix"
    hint = nearest(path[0], [c.name for c in names])
    return hint or f"the model's parts are {', '.join(c.name for c in names)}"


def interpolate(
    model: Model, home: Unit, text: str, span: Span, diagnostics: Diagnostics
) -> str | None:
    """A text with `{expression}` replaced by numbers of the model; None after a report."""
    wrong = False

    def number(match: re.Match[str]) -> str:
        nonlocal wrong
        value = _value(model, home, match.group(1), span, diagnostics)
        wrong |= value is None
        return value or ""

    filled = _BRACES.sub(number, text)
    return None if wrong else filled


def _value(model: Model, home: Unit, text: str, span: Span, diagnostics: Diagnostics) -> str | None:
    inner = Diagnostics()
    file = parse(Source(span.source.name, f"card X {{ depth: {text} }}"), inner)
    match file.items:
        case (s.CardDecl(directives=(s.Directive(value=expr),)),) if expr and not inner.items:
            scope = Scope(
                inner, _names(model), home.names, numbers=Numbers({}, {}, {}, model.numbers)
            )
            value = expressions.evaluate(scope, expr)
            if not isinstance(value, Error):
                return _say(scope, value, span)
    reason = inner.items[0].message if inner.items else "it is no expression"
    diagnostics.add("bad-value", f"{{{text}}} in this text: {reason}", span)
    return None


def _names(model: Model) -> dict[str, Value]:
    names: dict[str, Value] = {}
    for setting in model.root.settings:
        if isinstance(setting.value, bool) or setting.value is None:
            continue
        if isinstance(setting.value, int):
            names[setting.name] = Int(Dim.symbol(f"${setting.name}"))
        elif isinstance(setting.value, float):
            names[setting.name] = Float(Ref(f"${setting.name}"))
        elif isinstance(setting.value, str) and not setting.block:
            names[setting.name] = Word(setting.value)
    return names


def _say(scope: Scope, value: Value, span: Span) -> str:
    match value:
        case Int(d):
            number = scope.value(d)
            return f"{number:,}" if number is not None else str(d)
        case Float():
            return f"{statics.number(scope, value, span):g}"
        case Word(name):
            return name or ""
        case Text(text):
            return text
    return ""
