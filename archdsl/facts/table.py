"""The table of facts: what each is called, how it is computed, where it is shown, what specs may
expect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from archdsl import naming
from archdsl.diagnostic import Diagnostics
from archdsl.facts.counts import Counts, Mixer
from archdsl.record import record
from archdsl.roles import at_work, slots
from archdsl.symbols import ModelSymbol


def check_expectations(facts: Counts, diagnostics: Diagnostics) -> None:
    """Reports every `expect` that the counts do not meet."""
    for expected in facts.model.expectations:
        count = _COUNTS[expected.fact](facts, None)
        if not isinstance(count, int):  # it does not apply to this model, or needs a context
            diagnostics.add(
                "fact-mismatch",
                f"{facts.model.id} has no count {expected.fact}",
                expected.span,
                note=f"expected {expected.value:,}",
            )
            continue
        if expected.tolerance is not None:
            met = abs(count - expected.value) <= expected.tolerance * expected.value
        else:
            met = _rounded(count, expected.unit) == expected.value
        if not met:
            largest = ", ".join(f"{role} {n:,}" for role, n in facts.parts[:4])
            diagnostics.add(
                "fact-mismatch",
                f"{expected.fact} of {facts.model.id} is {count:,}",
                expected.span,
                note=f"expected {expected.value:,}",
                help=f"the largest parts: {largest}",
            )


def _rounded(count: int, unit: int) -> int:
    """To the nearest multiple of a unit, halves up."""
    return (2 * count + unit) // (2 * unit) * unit


# --- the table of facts ---------------------------------------------------------------------------


@record
class Fact:
    """One fact of a model: everything that the program does with it.

    `value` computes it at so many tokens of context, None where it does not apply. `unit` says how
    a card writes it. `recorded`: in JSON and in the table of `archdsl facts`. `expected`: what
    `expect` may check. `card`: the name by which a card chooses its row, of `CARD_ROWS`, and
    `label` what the row is called; without them the fact has no row. `on_cards`: whether the row is
    on every card, or only on those that ask for it.
    """

    name: str
    unit: str
    value: Callable[[Counts, int | None], object]
    recorded: bool = True
    expected: bool = False
    card: str = ""
    label: str = ""
    on_cards: Literal["asked", "always"] = "asked"


def _at(compute: Callable[[Counts, int], int | None]) -> Callable[[Counts, int | None], object]:
    """A count that needs a context."""
    return lambda facts, context: None if context is None else compute(facts, context)


def _share(facts: Counts, _: int | None) -> object:
    """The part of the parameters that works on one token, of a model with layers."""
    return 100 * facts.active_as_quoted / facts.params if facts.params and facts.layers else None


def _mix(facts: Counts) -> object:
    """How many layers there are, and of several kinds how many of which."""
    modules = list({module.id: module for _, module in facts.schedule}.values())
    if not modules:
        return None
    names = dict(zip((m.id for m in modules), naming.kind_names(modules), strict=True))
    counts: dict[str, int] = {}
    for count, module in facts.schedule:
        counts[names[module.id]] = counts.get(names[module.id], 0) + count
    kinds = ", ".join(naming.kind(count, name) for name, count in counts.items())
    if len(counts) == 1 or len(kinds) > _MOST_KINDS:
        return f"{facts.layers:,}"
    return f"{facts.layers:,}: {kinds}"


def _attention(facts: Counts) -> object:
    """How many heads attention has, of the kind that the most layers have first."""
    counts: dict[str, int] = {}
    for count, layer in facts.schedule:
        for _, module in slots(layer):
            if module.role == "attention":
                words = naming.settings(at_work(module))[:2]
                heads = ", ".join(word for word in words if word.endswith("heads"))
                counts[heads] = counts.get(heads, 0) + count
    return "; ".join(sorted(filter(None, counts), key=lambda heads: -counts[heads])) or None


def _only(numbers: Iterable[int]) -> int | None:
    """The number that all of them are."""
    values = set(numbers)
    return values.pop() if len(values) == 1 else None


def _plain(mixer: Mixer) -> dict[str, object]:
    """What mixes tokens, as plain data."""
    about = {"layers": mixer.layers, "role": mixer.role, "block": mixer.title}
    return {**about, "settings": dict(mixer.settings)}


def _tables(facts: Counts, _: int | None) -> object:
    """Parameters of tables that are read by rows, where they are not counted as active."""
    tables = facts.active - facts.active_without_tables
    return tables if facts.active_as_quoted != facts.active else None


def _flops_anywhere(facts: Counts, context: int | None, streams: bool) -> object:
    """FLOPs where no context is stated and none decides them."""
    if context is not None or facts.streams is not streams or len(facts.model.root.inputs) != 1:
        return None
    one = facts.flops_per_token(1)
    return one if one == facts.flops_per_token(2) else None


_MOST_KINDS = 40
"""No more letters tell the kinds of layers in a row; the legend of the strip has them all."""

FACTS: tuple[Fact, ...] = (
    Fact("params", "entries", lambda f, _: f.params, expected=True, card="params",
         label="parameters"),
    Fact("apart", "parameters", lambda f, _: f.apart, expected=True, card="apart",
         label="apart, not counted", on_cards="always"),
    Fact("active", "parameters", lambda f, _: f.active, expected=True),
    Fact("active_share", "percent", _share, recorded=False, card="active",
         label="active per token", on_cards="always"),
    Fact("active_without_embedding", "parameters", lambda f, _: f.active_without_embedding,
         expected=True),
    Fact("tables", "parameters", _tables, recorded=False, card="tables",
         label="tables, read by row", on_cards="always"),
    Fact("active_without_tables", "parameters", lambda f, _: f.active_without_tables,
         expected=True),
    Fact("kv_bytes_per_token", "bytes", lambda f, _: f.kv_bytes_per_token, expected=True),
    Fact("kv_growing_bytes_per_token", "bytes", lambda f, _: f.kv_growing_bytes_per_token,
         expected=True, card="kv_bytes_per_token", label="cache growth / token, bf16",
         on_cards="always"),
    Fact("kv_capped_bytes", "bytes", lambda f, _: f.kv_capped_bytes, expected=True),
    Fact("state_bytes", "bytes", lambda f, _: f.state_bytes, expected=True, card="state",
         label="state of fixed size", on_cards="always"),
    Fact("source_bytes_per_token", "bytes", lambda f, _: f.source_bytes_per_token, expected=True),
    Fact("layers", "entries", lambda f, _: f.layers, expected=True),
    Fact("layer_mix", "text", lambda f, _: _mix(f), recorded=False, card="layers", label="layers",
         on_cards="always"),
    Fact("attention", "text", lambda f, _: _attention(f), recorded=False, card="attention",
         label="attention", on_cards="always"),
    Fact("most_tokens", "entries", lambda f, _: f.most_tokens),
    Fact("heads", "entries", lambda f, _: f.setting("heads")),
    Fact("kv_heads", "entries", lambda f, _: f.setting("kv_heads")),
    Fact("experts", "entries", lambda f, _: _only(bank.experts for bank in f.mixtures)),
    Fact("top_k", "entries", lambda f, _: _only(bank.top_k for bank in f.mixtures)),
    Fact("mixers", "entries", lambda f, _: [_plain(mixer) for mixer in f.mixers]),
    Fact("parts", "entries", lambda f, _: dict(f.parts)),
    Fact("schedule", "text", lambda f, _: naming.schedule(list(f.schedule))),
    Fact("tied", "yes or no", lambda f, _: f.tied, card="tied", label="tied embeddings",
         on_cards="always"),
    Fact("at_context", "entries", lambda _, n: n),
    Fact("kv_bytes_at_context", "bytes", _at(lambda f, n: f.kv_bytes(n)), card="kv_bytes",
         label="cache in all at {context}", on_cards="always"),
    Fact("flops_per_token_at_context", "FLOPs", _at(lambda f, n: f.flops_per_token(n))),
    Fact("prefill_flops_per_token_at_context", "FLOPs",
         _at(lambda f, n: f.prefill_flops_per_token(n))),
    Fact("decoding_flops_per_token", "FLOPs", _at(lambda f, n: f.work.flops(n, prefill=False)),
         recorded=False, card="flops", label="FLOPs / token at {context}", on_cards="always"),
    Fact("flops_per_token", "FLOPs", lambda f, n: _flops_anywhere(f, n, True), recorded=False,
         card="flops", label="FLOPs / token", on_cards="always"),
    Fact("flops", "FLOPs", lambda f, n: _flops_anywhere(f, n, False), recorded=False,
         card="flops", label="FLOPs", on_cards="always"),
    Fact("context", "entries", lambda _, n: n, recorded=False, card="context", label="context"),
    Fact("width", "entries", lambda f, _: f.width, recorded=False, card="width", label="width",
         on_cards="always"),
    Fact("vocab", "entries", lambda f, _: f.model.numbers.get(ModelSymbol("vocab")),
         recorded=False, card="vocab", label="vocabulary"),
    Fact("license", "text", lambda f, _: f.model.about.get("license"), recorded=False,
         card="license", label="licence", on_cards="always"),
    Fact("after", "text", lambda f, _: f.model.about.get("after"), recorded=False, card="after",
         label="builds on", on_cards="always"),
)  # fmt: skip
"""Every fact, in the order in which they are recorded."""

_COUNTS = {fact.name: fact.value for fact in FACTS if fact.expected}
"""How what `expect` may check is computed."""

CARD_ROWS = (
    "layers", "attention", "params", "active", "tables", "apart", "kv_bytes_per_token", "kv_bytes",
    "state", "flops", "context", "tied", "width", "position", "vocab", "license", "after",
)  # fmt: skip
"""The rows of a card in their order, by the names that `facts` of a card chooses them by."""
