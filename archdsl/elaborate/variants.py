"""A variant, `Decoder(d: 4096, ...) { facts }`, as a model.

The model's own settings become symbols `$d` with numbers; what is derived from them stays an
expression, so that code and cards can say `$heads * $d_head` and not only 4096.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from archdsl import syntax as s
from archdsl.check import apply, expressions, interface
from archdsl.check.recipes import arguments
from archdsl.check.scope import Numbers, Scope, words
from archdsl.check.values import (
    Block,
    BlockRef,
    Chain,
    Error,
    Float,
    Int,
    Recipe,
    Value,
    Word,
)
from archdsl.check.work import TooMuch
from archdsl.diagnostic import Diagnostics, Label, nearest
from archdsl.elaborate import cards, weights
from archdsl.elaborate.causality import check_causality
from archdsl.elaborate.experts import check_experts
from archdsl.elaborate.modules import Elaborator
from archdsl.facts import FACTS
from archdsl.graph import Expectation, Model, Module
from archdsl.reals import Lit, Ref, evaluate
from archdsl.record import replace
from archdsl.resolver import Unit, importable
from archdsl.source import Span
from archdsl.symbols import STREAM, ModelSymbol, of_model
from archdsl.types import Axis, TensorType

ABOUT: dict[str, str] = {
    "name": "text", "by": "text", "released": "date", "license": "text", "context": "number",
    "source": "text", "after": "text", "config": "text", "note": "text",
}  # fmt: skip
"""What a variant may say about itself; everything else is computed."""

EXPECTED = tuple(fact.name for fact in FACTS if fact.expected)
"""What `expect` may check."""


def elaborate_all(unit: Unit, diagnostics: Diagnostics, only: str | None = None) -> list[Model]:
    """Every variant of a file that checks, in order; `only` picks one by name."""
    models = []
    for decl in unit.variants:
        if only is None or decl.name.name == only:
            try:
                model = elaborate(unit, decl, diagnostics)
            except TooMuch as error:
                home = error.span.source is decl.span.source
                raise TooMuch(error.span if home else decl.name.span) from error
            if model is not None:
                models.append(model)
    known = {v.name.name for v in unit.variants} | unit.file.lost
    for card in unit.cards:
        if card.variant.name not in known:
            hint = nearest(card.variant.name, known)
            message = f"there is no variant {card.variant.name}"
            diagnostics.add("unknown-name", message, card.variant.span, help=hint)
    return models


def elaborate(unit: Unit, decl: s.VariantDecl, diagnostics: Diagnostics) -> Model | None:
    """The model of a variant; None after a report."""
    before = len(diagnostics)
    numbers: dict[ModelSymbol, float] = {}
    scope = Scope(diagnostics, {}, unit.names, numbers=Numbers({}, {}, {}, numbers))
    scope.importable = importable
    block = _model(scope, decl)
    settings = None if block is None else _settings(scope, block, decl.value, numbers)
    if block is None or settings is None:
        return None
    recipe = Recipe(block, tuple(settings.items()), (), decl.value.span)
    if not apply.obliged(scope, interface.callee(scope, recipe), recipe, decl.value.span):
        return None
    elaborator = Elaborator(diagnostics, numbers)
    root = _root(block, settings, elaborator, decl.value.span)
    if root is None:
        return None
    model = Model(
        decl.name.name, block.name, root, numbers, {}, doc=decl.doc, span=decl.name.span,
        unrolled=frozenset(n for n in elaborator.unrolled if isinstance(n, ModelSymbol)),
    )  # fmt: skip
    check_experts(model, diagnostics)
    check_causality(model, diagnostics)
    model = _facts(model, decl, diagnostics)
    home = _home(unit, block)
    model = replace(model, card=cards.directives(model, unit, home, diagnostics))
    model = replace(model, hub=weights.hub(model, home, diagnostics))
    if len(diagnostics) > before:
        return None
    verified(model)
    return model


def verified(model: Model) -> None:
    """With `ARCHDSL_DEBUG` set: raises BrokenGraph where a model is no sound graph."""
    if os.environ.get("ARCHDSL_DEBUG"):
        from archdsl.elaborate.verify import verify

        verify(model)


def _model(scope: Scope, decl: s.VariantDecl) -> Block | None:
    """The model that a variant instantiates."""
    fn = decl.value.fn if isinstance(decl.value, s.Call) else decl.value
    value = expressions.evaluate(scope, fn)
    if isinstance(value, BlockRef) and value.block.decl.keyword == "model":
        return value.block
    if not isinstance(value, Error):
        scope.fail(
            "not-a-block",
            f"{decl.name.name} has to be a model with its settings",
            fn.span,
            help="declare it with `model`",
        )
    return None


def _home(unit: Unit, block: Block) -> Unit:
    """The file in which a model is declared, where its hub and its tiny size stand."""
    pending, seen = [unit], {id(unit)}
    while pending:
        here = pending.pop()
        if block in here.blocks.values():
            return here
        for other in here.imports:
            if id(other) not in seen:
                seen.add(id(other))
                pending.append(other)
    return unit


def _settings(
    scope: Scope, block: Block, expr: s.Expr, numbers: dict[ModelSymbol, float]
) -> dict[str, Value] | None:
    """The settings of a model as symbols with numbers, in order; each may use those before it."""
    given = arguments(scope, block, expr.args if isinstance(expr, s.Call) else ())
    if given is None:
        return None
    out: dict[str, Value] = {}
    ours = replace(scope, names=out)
    defaults = Scope(scope.diagnostics, out, block.globals, numbers=scope.numbers)
    for decl in block.decl.settings:
        name = decl.name.name
        source = given.get(name, decl.default)
        if source is None:
            label = Label(decl.name.span, "declared here without a default")
            message = f"{block.name} needs a value for {name}"
            scope.fail("missing-setting", message, expr.span, labels=(label,))
            return None
        known = {w: Word(w) for w in words(decl.kind) if w not in out}
        here = replace(ours if name in given else defaults, names={**known, **out})
        value = expressions.evaluate(here, source)
        value = expressions.setting(scope, decl, value, source.span, block.name)
        if isinstance(value, Error):
            return None
        if isinstance(value, Int | Float):
            value = _symbol(name, value, numbers, scope)
        elif name in given:
            value = _named(name, value, numbers, scope)
        out[name] = value
    return out


def _symbol(
    name: str, value: Int | Float, numbers: dict[ModelSymbol, float], scope: Scope
) -> Value:
    """A setting as a symbol of the model, with its number."""
    symbol = ModelSymbol(name)
    if isinstance(value, Int):
        number = scope.value(value.dim)
        assert number is not None
        numbers[symbol] = number
        return Int(of_model(name))
    real = evaluate(value.real, numbers)
    assert real is not None
    numbers[symbol] = real
    return Float(Ref(symbol))


def _named(name: str, value: Value, numbers: dict[ModelSymbol, float], scope: Scope) -> Value:
    """A recipe that a variant gives: its own numbers become symbols `$position_base`."""
    match value:
        case Int(d) if d.value is not None:
            return _symbol(name, value, numbers, scope)
        case Float(Lit()):
            return _symbol(name, value, numbers, scope)
        case Recipe(block, settings, ties, span, shared):
            inner = tuple((k, _named(f"{name}_{k}", v, numbers, scope)) for k, v in settings)
            return Recipe(block, inner, ties, span, shared)
        case Chain(stages, span):
            parts = [_named(f"{name}_{i}", s, numbers, scope) for i, s in enumerate(stages)]
            return Chain(tuple(parts), span)
    return value


def _root(
    block: Block,
    settings: Mapping[str, Value],
    elaborator: Elaborator,
    span: Span,
) -> Module | None:
    """The module of a whole model: its free axes are the model's own."""
    diagnostics, numbers = elaborator.diagnostics, elaborator.numbers
    types = []
    if not _marked(block, diagnostics):
        return None
    scope = Scope(diagnostics, dict(settings), block.globals, numbers=Numbers({}, {}, {}, numbers))
    for declared in block.decl.inputs:
        axes: list[Axis] = []
        for axis in declared.type.axes:
            if isinstance(axis, s.Dots):
                label = Label(axis.span, "here")
                message = "an input of a model has named axes"
                help = "write tokens: int[B, T]"
                diagnostics.add("unbound-axis", message, declared.span, labels=[label], help=help)
                return None
            if isinstance(axis, s.Name) and axis.name not in settings:
                axes.append(of_model(axis.name))
                continue
            size = expressions.static_int(scope, axis, "an axis")
            if size is None:
                return None
            axes.append(size)
        dtype = declared.type.dtype.name if declared.type.dtype else "float"
        types.append(TensorType(dtype, tuple(axes)))
    recipe = Recipe(block, tuple(settings.items()), (), span)
    return elaborator.instantiate(recipe, tuple(types), (), {})


def _marked(block: Block, diagnostics: Diagnostics) -> bool:
    """Whether `stream` stands before the inputs whose axis T grows, and before no other."""
    before = len(diagnostics)
    for declared in block.decl.inputs:
        grows = any(isinstance(a, s.Name) and a.name == STREAM for a in declared.type.axes)
        if grows and not declared.stream:
            diagnostics.add(
                "unbound-axis",
                f"{declared.name.name} has the axis {STREAM}, which grows token by token",
                declared.span,
                help=f"write stream {declared.span.text}, or call the axis N where all of it is "
                "there at once",
            )
        elif declared.stream and not grows:
            diagnostics.add(
                "unbound-axis",
                f"{declared.name.name} is marked `stream` and has no axis {STREAM}",
                declared.span,
                help=f"the axis that grows token by token is called {STREAM}",
            )
    return len(diagnostics) == before


SAID = {
    "text": 'write it as "..."',
    "date": "write it as 2024-02-29",
    "number": "write an integer of at least 1, such as 8192 or 128Ki",
}
"""How the facts of a variant are written, by their kind."""


def _facts(model: Model, decl: s.VariantDecl, diagnostics: Diagnostics) -> Model:
    """What a variant says about itself, and what it expects."""
    about: dict[str, str | int] = {}
    expectations = []
    for fact in decl.facts:
        if isinstance(fact, s.Expect):
            expectation = _expectation(fact, diagnostics)
            expectations.extend([expectation] if expectation else [])
            continue
        kind, name = ABOUT.get(fact.name.name), fact.name.name
        match kind, fact.value:
            case None, _:
                hint = nearest(name, [*ABOUT, *EXPECTED])
                help = hint or f"one of {', '.join(ABOUT)}; numbers are checked with `expect`"
                if name in EXPECTED:
                    help = f"a count is not told but checked: write expect {fact.span.text}"
                diagnostics.add(
                    "unknown-fact", f"a variant says nothing of {name}", fact.name.span, help=help
                )
            case ("text", s.String(value)) | ("date", s.Date(value)):
                about[name] = value
            case "number", s.Number(number) if isinstance(number, int) and number > 0:
                about[name] = number
            case _:
                message = f"{name} takes a {kind}"
                diagnostics.add("kind-mismatch", message, fact.value.span, help=SAID[kind])
    return replace(model, about=about, expectations=tuple(expectations))


def _expectation(fact: s.Expect, diagnostics: Diagnostics) -> Expectation | None:
    if fact.name.name not in EXPECTED:
        hint = nearest(fact.name.name, EXPECTED) or f"one of {', '.join(EXPECTED)}"
        diagnostics.add(
            "unknown-fact", f"there is no count {fact.name.name}", fact.name.span, help=hint
        )
        return None
    if not isinstance(fact.value, s.Number) or not isinstance(fact.value.value, int):
        diagnostics.add("kind-mismatch", "an expected count is a number", fact.value.span)
        return None
    return Expectation(
        fact.name.name, fact.value.value, _unit(fact.value.text), fact.tolerance, fact.span
    )


def _unit(text: str) -> int:
    """What the last digit of a number counts: 671B counts billions, 1.24M ten thousands."""
    units = {"Ki": 2**10, "Mi": 2**20, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
    for suffix, unit in units.items():
        if text.endswith(suffix):
            digits = text.removesuffix(suffix).partition(".")[2]
            return max(1, unit // int(10 ** len(digits)))
    return 1


def tiny(unit: Unit, model: Model, diagnostics: Diagnostics) -> Model | None:
    """A model of the same structure at the size that `tiny` gives, or None where nothing does.

    Integers come from `tiny`, or from defaults; everything else is as in the model: schedules, the
    length of a `for i in n`, whose layers are written out, and counts of 0, of which the file has
    nothing.
    """
    decl = _variant(unit, model)
    declared = _tiny_decl(unit, model.family)
    if decl is None or declared is None:
        return None
    home, sizes = declared
    block = home.blocks[model.family]
    order = [x.name.name for x in block.decl.settings]
    counts = {x.name.name for x in block.decl.settings if x.kind and x.kind.span.text == "count"}
    lists = {x.name.name for x in block.decl.settings if isinstance(x.kind, s.KindOf)}
    given = decl.value.args if isinstance(decl.value, s.Call) else ()
    schedules = {a.name.name for a in given if a.name is not None} & lists
    numbers = {symbol.name: number for symbol, number in model.numbers.items()}
    unrolled = {symbol.name for symbol in model.unrolled}
    fixed = {name: numbers[name] for name in order if name in unrolled}
    fixed |= {name: 0 for name in order if numbers.get(name) == 0 and name in counts}
    kept = schedules | fixed.keys()
    entries = {e.name.name: e for e in sizes.entries if e.name.name not in kept}
    args = [s.Arg(e.value, e.span, name=e.name) for e in entries.values()]
    for name, number in sorted(fixed.items()):
        value = s.Number(number, str(number), sizes.model.span)
        args.append(s.Arg(value, value.span, name=s.Name(name, value.span)))
    if isinstance(decl.value, s.Call):
        for i, arg in enumerate(decl.value.args):
            name = arg.name.name if arg.name else order[i]
            if name in entries or name in fixed or _is_size(block, name):
                continue
            args.append(replace(arg, name=s.Name(name, arg.span)))
    call = s.Call(s.Name(model.family, sizes.model.span), tuple(args), sizes.model.span)
    small = s.VariantDecl(decl.name, call, (), "", decl.span)
    return elaborate(unit if model.family in unit.names else home, small, diagnostics)


def _variant(unit: Unit, model: Model) -> s.VariantDecl | None:
    return next((v for v in unit.variants if v.name.name == model.id), None)


def _tiny_decl(unit: Unit, family: str) -> tuple[Unit, s.TinyDecl] | None:
    for here in (unit, *unit.imports):
        for decl in here.tinies:
            if decl.model.name == family and family in here.blocks:
                return here, decl
    return None


def _is_size(block: Block, name: str) -> bool:
    """Whether a setting is a dimension or a count, which `tiny` or a default gives."""
    for decl in block.decl.settings:
        if decl.name.name == name:
            plain = decl.kind is None or (
                isinstance(decl.kind, s.SimpleKind) and decl.kind.name in ("dim", "count")
            )
            return plain and decl.default is not None
    return False
