"""Directives of `card`: paths that lead somewhere, texts whose numbers are computed."""

from __future__ import annotations

import re

from archdsl import syntax as s
from archdsl.check import expressions, statics
from archdsl.check.scope import Numbers, Scope
from archdsl.check.values import Error, Float, Int, Text, Value, Word
from archdsl.diagnostic import Diagnostics, nearest
from archdsl.facts import CARD_ROWS
from archdsl.graph import CardDirective, Model
from archdsl.ops import OPS
from archdsl.parser import parse
from archdsl.reals import Ref
from archdsl.resolver import Unit
from archdsl.shown import DEPTHS, MOST_DEPTH, PARTS, SHAPES, VIEWS, reached, ways
from archdsl.source import Source, Span
from archdsl.symbols import ModelSymbol, of_model

WORDS: dict[str, str] = {
    "view": "word", "detail": "path", "depth": "number", "inset": "path", "open": "path",
    "fold": "path", "callout": "path and text", "hide": "names", "facts": "names",
    "without": "names", "shapes": "word", "title": "text", "subtitle": "text", "accent": "word",
}  # fmt: skip
"""The directives and what they take."""

ACCENTS = ("blue", "purple", "teal", "rose", "azure", "violet", "red", "pink", "cyan")
KNOWN: dict[str, tuple[str, ...]] = {
    "view": tuple(name for name in VIEWS if name != "detail"),
    "shapes": SHAPES,
    "accent": ACCENTS,
    "facts": CARD_ROWS,
    "hide": tuple(OPS),
    "without": PARTS,
}
"""The words that directives know."""
MAX_DIRECTIVES = 200
"""What one card may ask for; a readable one says a tenth."""

_BRACES = re.compile(r"\{([^{}]*)\}")


def directives(model: Model, unit: Unit, diagnostics: Diagnostics) -> tuple[CardDirective, ...]:
    """The directives of the card that a file declares for a model, checked."""
    checked: list[CardDirective] = []
    count = 0
    for card in unit.cards:
        if card.variant.name == model.id:
            for directive in card.directives:
                count += 1 + len(directive.args or ())
                if count > MAX_DIRECTIVES:
                    message = f"a card with more than {MAX_DIRECTIVES} directives and paths"
                    diagnostics.add("too-large", message, directive.span, help="say less on it")
                    return ()
                card_directive = _directive(model, unit, directive, diagnostics)
                if card_directive is not None:
                    checked.append(card_directive)
    return tuple(checked)


def _directive(
    model: Model, unit: Unit, d: s.Directive, diagnostics: Diagnostics
) -> CardDirective | None:
    word = d.name.name
    kind = WORDS.get(word)
    if kind is None:
        hint = nearest(word, WORDS) or f"one of {', '.join(WORDS)}"
        diagnostics.add("unknown-name", f"a card has no {word}", d.name.span, help=hint)
        return None
    directive: CardDirective | None = None
    match kind, d.args, d.value:
        case "path", args, None if args:
            paths = _paths(model, d, diagnostics)
            directive = CardDirective(word, paths, span=d.span) if paths else None
        case "path and text", args, s.String(value, span) if args:
            paths = _paths(model, d, diagnostics)
            text = interpolate(model, unit, value, span, diagnostics)
            if paths and text is not None:
                directive = CardDirective(word, paths, text=text, span=d.span)
        case "text", None, s.String(value, span):
            text = interpolate(model, unit, value, span, diagnostics)
            directive = CardDirective(word, text=text, span=d.span) if text is not None else None
        case "number", None, s.Number(value) if value in range(1, MOST_DEPTH + 1):
            directive = CardDirective(word, number=int(value), span=d.span)
        case "names" | "word", args, value if names := _names_of(args, value):
            wrong = next((name for name in names if name.name not in KNOWN[word]), None)
            if wrong is not None:
                known = KNOWN[word]
                hint = nearest(wrong.name, known) or f"one of {', '.join(known)}"
                message = f"{word} knows no {wrong.name}"
                diagnostics.add("unknown-name", message, wrong.span, help=hint)
            elif kind == "names" or len(names) == 1:
                listed = tuple(name.name for name in names)
                directive = CardDirective(word, names=listed, span=d.span)
            else:
                diagnostics.add("kind-mismatch", f"{word} takes one word", d.span)
        case _:
            diagnostics.add(
                "kind-mismatch", f"{word} takes a {kind}", d.span, help=f"write {_FORMS[word]}"
            )
    return directive


_FORMS = {
    "view": "view: compact",
    "detail": "detail(layers.mix)",
    "depth": f"depth: 2, {DEPTHS}",
    "inset": "inset(layers.mix)",
    "open": "open(layers.mix)",
    "fold": "fold(layers.mix)",
    "callout": 'callout(layers.mix): "a remark"',
    "hide": "hide(softmax)",
    "facts": "facts: (params, flops)",
    "without": "without(header, facts)",
    "shapes": "shapes: all",
    "title": 'title: "a name"',
    "subtitle": 'subtitle: "a few words"',
    "accent": "accent: teal",
}


def _paths(model: Model, d: s.Directive, diagnostics: Diagnostics) -> tuple[tuple[str, ...], ...]:
    """The paths of a directive; none after a report."""
    paths: list[tuple[str, ...]] = []
    for arg in d.args or ():
        path = _path(arg.value)
        if path is None or not reached(model, path):
            message = f"{arg.span.text} is no part of the model"
            diagnostics.add("unknown-path", message, arg.span, help=ways(model, path))
            return ()
        paths.append(path)
    return tuple(paths)


def _names_of(args: tuple[s.Arg, ...] | None, value: s.Expr | None) -> tuple[s.Name, ...]:
    """The names that a directive lists, in parentheses or after the colon; none for all else."""
    if args is not None and value is None:
        listed: tuple[s.Expr, ...] = tuple(arg.value for arg in args)
    elif args is None and value is not None:
        listed = value.items if isinstance(value, s.Group) else (value,)
    else:
        return ()
    names = tuple(item for item in listed if isinstance(item, s.Name))
    return names if len(names) == len(listed) else ()


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


def interpolate(
    model: Model, unit: Unit, text: str, span: Span, diagnostics: Diagnostics
) -> str | None:
    """A text with `{expression}` replaced by numbers of the model; None after a report."""
    wrong = False

    def number(match: re.Match[str]) -> str:
        nonlocal wrong
        value = _value(model, unit, match.group(1), span, diagnostics)
        wrong |= value is None
        return value or ""

    filled = _BRACES.sub(number, text)
    return None if wrong else filled


def _value(model: Model, unit: Unit, text: str, span: Span, diagnostics: Diagnostics) -> str | None:
    inner = Diagnostics()
    file = parse(Source(span.source.name, f"card X {{ depth: {text} }}"), inner)
    match file.items:
        case (s.CardDecl(directives=(s.Directive(value=expr),)),) if expr and not inner.items:
            scope = Scope(
                inner, _names(model), unit.names, numbers=Numbers({}, {}, {}, model.numbers)
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
            names[setting.name] = Int(of_model(setting.name))
        elif isinstance(setting.value, float):
            names[setting.name] = Float(Ref(ModelSymbol(setting.name)))
        elif isinstance(setting.value, str):
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
