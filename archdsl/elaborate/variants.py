"""A variant, `Decoder(d: 4096, ...) { facts }`, as a model.

The model's own settings become symbols `$d` with numbers; what is derived from them stays an
expression, so that code and cards can say `$heads * $d_head` and not only 4096.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain, combinations, islice

from archdsl import syntax as s
from archdsl.check import apply, expressions, interface
from archdsl.check.recipes import arguments
from archdsl.check.scope import Numbers, Scope, words
from archdsl.check.values import (
    Block,
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
from archdsl.elaborate.instances import (
    Given,
    Instance,
    inherited,
    instance_of,
    report_at_change,
    scope_of,
)
from archdsl.elaborate.modules import Elaborator
from archdsl.elaborate.streaming import check_streaming
from archdsl.facts import FACTS
from archdsl.graph import Expectation, Model, Module
from archdsl.reals import Lit, Ref, evaluate
from archdsl.record import replace
from archdsl.resolver import Unit, lineage, no_variant
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
    """Every variant that a file has and that checks, in order; `only` picks one by name.

    A variant that is made from one with a mistake is not looked at: the mistake would be told
    again.
    """
    models: dict[str, Model] = {}
    wrong: set[s.VariantDecl] = set()
    known = unit.declared
    chosen = [there for name, there in known.items() if only is None or name == only]
    ways = {d.decl: [base.decl for base in lineage(d.unit, d.decl)][1:] for d in chosen}
    for declared in sorted(chosen, key=lambda d: len(ways[d.decl])):
        decl, of_card = declared.decl, Diagnostics()
        if not wrong.isdisjoint(ways[decl]):
            continue
        try:
            model = elaborate(declared.unit, decl, diagnostics, (unit, of_card))
        except TooMuch as error:
            home = error.span.source is decl.span.source
            raise TooMuch(error.span if home else decl.name.span) from error
        for diagnostic in of_card.items:  # told where it stands, also of a changed variant
            diagnostics.put(diagnostic)
        if model is None:
            wrong.add(decl)
        elif not of_card.items:
            models[model.id] = model
    for card in unit.cards:
        if card.variant.name not in known:
            no_variant(unit, card.variant, diagnostics)
    return [models[name] for name in known if name in models]


def elaborate(
    unit: Unit, decl: s.VariantDecl, diagnostics: Diagnostics, card: tuple[Unit, Diagnostics]
) -> Model | None:
    """The model of a variant; None after a report. `card`: the file that may declare one for it,
    and where to report what is wrong with that.
    """
    inner = Diagnostics()
    try:
        instance = instance_of(unit, decl, inner)
        if instance is None:
            return None
        return _checked(unit, instance, decl, decl.value.span, inner, card)
    finally:
        report_at_change(unit, decl, inner, diagnostics)


def _checked(
    unit: Unit,
    instance: Instance,
    decl: s.VariantDecl,
    at: Span,
    diagnostics: Diagnostics,
    card: tuple[Unit, Diagnostics] | None = None,
) -> Model | None:
    """A model with its settings and what its variant says of it; None after a report. What is
    wrong with all of it is told `at` a place. `card`: the file that may declare one, and where
    to report what is wrong with that.
    """
    before = len(diagnostics)
    block = instance.block
    numbers: dict[ModelSymbol, float] = {}
    scope = scope_of(unit, diagnostics, numbers)
    settings = _settings(scope, instance, at, numbers)
    if settings is None:
        return None
    recipe = Recipe(block, tuple(settings.items()), (), at)
    inner = interface.callee(scope, recipe)
    if not apply.obliged(scope, inner, recipe, at) or not apply.slots_fit(scope, inner, recipe, at):
        return None
    elaborator = Elaborator(diagnostics, numbers)
    root = _root(block, settings, elaborator, at)
    if root is None:
        return None
    model = Model(
        decl.name.name, block.name, root, numbers, {}, doc=decl.doc, span=decl.name.span,
        unrolled=frozenset(n for n in elaborator.unrolled if isinstance(n, ModelSymbol)),
    )  # fmt: skip
    check_experts(model, diagnostics)
    check_causality(model, diagnostics)
    check_streaming(model, diagnostics)
    model = _facts(model, inherited(unit, decl), decl, diagnostics)
    home = _home(unit, block)
    if card is not None:
        model = replace(model, card=cards.directives(model, *card))
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
    scope: Scope, instance: Instance, at: Span, numbers: dict[ModelSymbol, float]
) -> dict[str, Value] | None:
    """The settings of a model as symbols with numbers, in order; each may use those before it."""
    block, out = instance.block, dict[str, Value]()
    for decl in block.decl.settings:
        name = decl.name.name
        given = instance.given.get(name)
        source = decl.default if given is None else given.value
        if source is None:
            label = Label(decl.name.span, "declared here without a default")
            message = f"{block.name} needs a value for {name}"
            scope.fail("missing-setting", message, at, labels=(label,))
            return None
        known = {w: Word(w) for w in words(decl.kind) if w not in out}
        if given is None:
            here = Scope(scope.diagnostics, {}, block.globals, numbers=scope.numbers)
        else:
            here = scope_of(given.home, scope.diagnostics, numbers)
        here.names |= {**known, **out}
        value = expressions.evaluate(here, source)
        value = expressions.setting(scope, decl, value, source.span, block.name)
        if isinstance(value, Error):
            return None
        if isinstance(value, Int | Float):
            value = _symbol(name, value, numbers, scope)
        elif given is not None:
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


def _facts(
    model: Model, known: Mapping[str, str | int], decl: s.VariantDecl, diagnostics: Diagnostics
) -> Model:
    """What a variant says about itself, what is known of it without a word, what it expects."""
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
    return replace(model, about={**known, **about}, expectations=tuple(expectations))


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


_MOST_ATTEMPTS = 100
"""Choices of numbers that are tried before a small model of the same structure is given up."""


def tiny(unit: Unit, model: Model, diagnostics: Diagnostics) -> Model | None:
    """A model of the same structure at the size that `tiny` gives, or None where nothing does.

    Integers come from `tiny`, or from defaults; everything else is as in the model: schedules,
    switches, the length of a `for i in n`, whose layers are written out, counts of 0, of which the
    file has nothing, and one or two numbers that decide what a block is made of.
    """
    decl = unit.variants.get(model.id)
    instance = None if decl is None else instance_of(unit, decl, Diagnostics())
    if decl is None or instance is None:
        return None
    block = instance.block
    home = _home(unit, block)
    sizes = next((tiny for tiny in home.tinies if tiny.model.name == block.name), None)
    if sizes is None:
        return None
    counts = {x.name.name for x in block.decl.settings if x.kind and x.kind.span.text == "count"}
    lists = {x.name.name for x in block.decl.settings if isinstance(x.kind, s.KindOf)}
    numbers = {symbol.name: number for symbol, number in model.numbers.items()}
    unrolled = {symbol.name for symbol in model.unrolled}
    order = [x.name.name for x in block.decl.settings]
    fixed = {name: numbers[name] for name in order if name in unrolled}
    fixed |= {name: 0 for name in order if numbers.get(name) == 0 and name in counts}
    switches = {x.name.name for x in block.decl.settings if _is_switch(x)}
    at = sizes.model.span

    def sized(fixed: dict[str, int | float], diagnostics: Diagnostics) -> Model | None:
        kept = lists | fixed.keys() | switches  # a list that is not given has its default
        entries = tuple(
            s.Arg(e.value, e.span, name=e.name) for e in sizes.entries if e.name.name not in kept
        )
        small = arguments(scope_of(home, diagnostics, {}), block, entries)
        if small is None:
            return None
        given = {name: Given(value, home) for name, value in small.items()}
        for name, number in fixed.items():
            given[name] = Given(s.Number(number, str(number), at), home)
        for name, setting in instance.given.items():
            if name not in given and not _is_size(block, name):
                given[name] = setting
        plain = replace(decl, facts=(), doc="")
        return _checked(unit, Instance(block, given), plain, at, diagnostics)

    small, whole = sized(fixed, diagnostics), _build(model.root, {})
    if small is None or _build(small.root, {}) == whole:
        return small
    names = [e.name.name for e in sizes.entries if e.name.name in numbers.keys() - fixed.keys()]
    integers = [name for name in names if float(numbers[name]).is_integer()]
    choices = chain(combinations(integers, 1), combinations(integers, 2))
    for some in islice(choices, _MOST_ATTEMPTS):
        attempt = Diagnostics()  # numbers that do not go together say nothing of the spec
        other = sized(fixed | {name: numbers[name] for name in some}, attempt)
        if other is not None and not attempt.items and _build(other.root, {}) == whole:
            return other
    return None


def _build(module: Module, known: dict[int, object]) -> object:
    """What a module is made of, whatever its sizes."""
    if module.id not in known:
        parts = tuple(
            (child.name, tuple(_build(inner, known) for _, inner in child.modules))
            for child in module.children
        )
        params = tuple(param.name for param in module.params)
        steps = tuple((type(node.form), node.op) for node in module.nodes)
        known[module.id] = (module.block, params, steps, parts)
    return known[module.id]


def _is_switch(decl: s.SettingDecl) -> bool:
    """Whether a setting has a default and is true or false, which a variant decides."""
    return (
        isinstance(decl.kind, s.SimpleKind)
        and decl.kind.name == "bool"
        and decl.default is not None
    )


def _is_size(block: Block, name: str) -> bool:
    """Whether a setting is a dimension or a count, which `tiny` or a default gives."""
    for decl in block.decl.settings:
        if decl.name.name == name:
            plain = decl.kind is None or (
                isinstance(decl.kind, s.SimpleKind) and decl.kind.name in ("dim", "count")
            )
            return plain and decl.default is not None
    return False
