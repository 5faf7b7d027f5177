"""Header, strip of layers and panel of facts: what a card says in words and numbers."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from archdsl import naming
from archdsl.facts import CARD_ROWS, FACTS, Facts
from archdsl.facts.layers import costs as layer_costs
from archdsl.graph import Model, Module
from archdsl.nodes import Apply
from archdsl.record import replace
from archdsl.roles import COMPUTING, chooses, slots
from archdsl.text import SEMIBOLD, Line, Run
from archdsl.view import words
from archdsl.view.types import Cost, CostColumn, LayerKind, Panel, Part, Row, Strip

TONES = {
    "feed_forward": "accent", "expert": "accent", "attention": "strong", "recurrence": "strong",
    "shared_expert": "shared", "embedding": "neutral", "head": "neutral", "router": "accent",
    "norm": "quiet", "convolution": "quiet", "layer": "accent", "plain": "neutral",
}  # fmt: skip
_HATCHED = ("head", "router")
_SPARE = (
    ("quiet", False), ("quiet", True), ("neutral", False), ("neutral", True), ("accent", True),
    ("strong", True),
)  # fmt: skip
"""Tones, plain or hatched, for parts whose own one is taken."""
SPARE_KINDS = (
    ("neutral", False), ("accent", False), ("quiet", False), ("neutral", True), ("accent", True),
    ("quiet", True),
)  # fmt: skip
"""Tones for kinds of layers of which others have the tone of their role."""
_MOST_PARTS = 6
_ALWAYS = ("attention", "recurrence", "convolution", "feed_forward", "expert", "shared_expert")
"""Roles whose parameters have a row of their own, however few."""
NAMES = {"expert": "experts", "shared_expert": "shared experts"}
"""What parts are called where it is not their role."""
_MOST_CELLS = 400
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})\Z")
_SEPARATOR = "   ·   "


def subtitle(model: Model, counts: Facts) -> Line:
    """Parameters, maker, date and context in a line."""
    runs = [Run(words.short(counts.params), "accent", SEMIBOLD), Run(" parameters", "quiet")]
    if counts.active_as_quoted != counts.params:
        runs += [Run(", ", "quiet"), Run(words.short(counts.active_as_quoted), "accent", SEMIBOLD)]
        runs.append(Run(" active per token", "quiet"))
    about = model.about
    more = [words.shortened(str(about["by"]))] if "by" in about else []
    more += [words.date(str(about["released"]))] if "released" in about else []
    runs += [Run(_SEPARATOR + text, "quiet") for text in more]
    if isinstance(context := about.get("context"), int):
        runs.append(Run(f"{_SEPARATOR}context ", "quiet"))
        runs.append(Run(words.tokens(context), "accent", SEMIBOLD))
    return tuple(runs)


def strip(counts: Facts) -> Strip | None:
    """One cell a layer, a tone for each kind that words can tell from the others; None for models
    of one layer or very many.
    """
    runs = counts.schedule
    total = sum(count for count, _ in runs)
    if not 1 < total <= _MOST_CELLS:
        return None
    modules = list({module.id: module for _, module in runs}.values())
    names = dict(zip((m.id for m in modules), naming.kind_names(modules), strict=True))
    kinds: dict[str, list[Module]] = {}
    for module in modules:
        kinds.setdefault(names[module.id], []).append(module)
    place = {module.id: n for n, same in enumerate(kinds.values()) for module in same}
    sizes = [0] * len(kinds)
    cells: list[int] = []
    for count, module in runs:
        sizes[place[module.id]] += count
        cells += [place[module.id]] * count
    tones = _kind_tones([same[0] for same in kinds.values()], sizes)
    legend = tuple(
        LayerKind(name if len(kinds) > 1 else "layers", *tone, size, frozenset(m.id for m in same))
        for (name, same), tone, size in zip(kinds.items(), tones, sizes, strict=True)
    )
    return Strip(legend, tuple(cells))


_COST_CONTEXTS = (8 << 10, 128 << 10)
_DIFFERS = 0.05
"""Layers that differ less in everything have no costs beside them."""


def with_costs(strip: Strip | None, counts: Facts) -> Strip | None:
    """A strip with what its layers cost, where they differ: parameters, what is kept of a text at
    contexts up to the model's own, FLOPs of one more token.
    """
    if strip is None or strip.towers:
        return strip
    most = counts.stated_context or _COST_CONTEXTS[0]
    contexts = (*(at for at in _COST_CONTEXTS if at < most), most)
    layers = [cost for count, cost in layer_costs(counts, contexts) for _ in range(count)]
    if len(set(layers)) < 2:
        return strip
    params = [(layer.active, layer.params) for layer in layers]
    idle = any(layer.active != layer.params for layer in layers)
    kept = {
        words.tokens(at): [(layer.kept[n], layer.kept[n]) for layer in layers]
        for n, at in enumerate(contexts)
    }
    flops = [(layer.flops[-1], layer.flops[-1]) for layer in layers]
    costs = [
        *_cost("parameters", words.short, "quiet", {"dark: active" if idle else "": params}),
        *_cost("cache", words.size, "cached", kept),
        *_cost("FLOPs", words.flops, "neutral", {f"at {words.tokens(contexts[-1])}": flops}),
    ]
    shares = [[whole for _, whole in c.shares] for cost in costs for c in cost.columns]
    if all(max(column) - min(column) < _DIFFERS for column in shares):
        return strip
    return replace(strip, costs=tuple(costs))


def _cost(
    name: str,
    written: Callable[[int], str],
    tone: str,
    columns: dict[str, list[tuple[int, int]]],
) -> Iterator[Cost]:
    """Columns of one scale: the most that a layer has, what idles included. None where no layer has
    any.
    """
    most = max(whole for column in columns.values() for _, whole in column)
    if not most:
        return
    shares = (
        CostColumn(label, tuple((part / most, whole / most) for part, whole in column))
        for label, column in columns.items()
    )
    yield Cost(name, f"full: {written(most)}", tone, tuple(shares))


def _kind_tones(layers: list[Module], sizes: list[int]) -> list[tuple[str, bool]]:
    """A tone for each kind of layer, and whether it is hatched: the tone of the role of what makes
    it another kind, plain for the one with the most layers.
    """
    if len(layers) == 1:
        return [("accent", False)]
    roles = [_telling_role(layer, layers) for layer in layers]
    given: dict[int, tuple[str, bool]] = {}
    for number in sorted(range(len(layers)), key=lambda n: -sizes[n]):
        own = TONES.get(roles[number], "accent")
        ways = [(own, False), (own, True), *SPARE_KINDS]
        given[number] = next((way for way in ways if way not in given.values()), ways[1])
    return [given[number] for number in range(len(layers))]


def _telling_role(layer: Module, layers: list[Module]) -> str:
    """The role of the first block of a layer that the others do not all have; "" for a plain
    feed-forward network beside experts, which is ordinary.
    """
    others = [dict(slots(other)) for other in layers]
    for path, inner in slots(layer):
        if inner.role not in COMPUTING:
            continue
        same = [other.get(path) for other in others]
        if any(module is None or module.id != inner.id for module in same):
            experts = any(module is not None and chooses(module) for module in same)
            plain = inner.role == "feed_forward" and experts and not chooses(inner)
            return "plain" if plain else inner.role
    return "layer"


def panel(model: Model, counts: Facts, chosen: tuple[str, ...]) -> Panel:
    """Where the parameters are, then rows; `chosen` names rows, none means all."""
    rows = list(dict.fromkeys(_rows(model, counts)))
    if chosen:
        shown = tuple(row for key in chosen for name, _, row in rows if name == key)
    else:
        shown = tuple(row for _, on_cards, row in rows if on_cards == "always")
    source = model.about.get("source")
    if not source:
        return Panel(_parts(counts), shown)
    return Panel(_parts(counts), shown, (str(source),), page_of(str(source)))


def page_of(source: str) -> str:
    """The page of a source that has one: an address, or a number of arXiv. "" for others."""
    if source.startswith("https://"):
        return source
    match = _ARXIV.match(source)
    return f"https://arxiv.org/abs/{match[1]}" if match else ""


def _parts(counts: Facts) -> tuple[Part, ...]:
    """The largest parts by role, those that compute before others, no two of them painted alike;
    what is left in one.
    """
    found = list(_by_name(counts))
    ranked = sorted(found, key=lambda part: (part[1] not in _ALWAYS, -part[2]))
    chosen = {name for name, _, _ in ranked[:_MOST_PARTS]}
    parts: list[Part] = []
    for name, role, count in found:
        if name not in chosen:
            continue
        tone, hatched = TONES.get(role, "quiet"), role in _HATCHED
        met = [(part.tone, part.hatched) for part in parts]
        ways = ((tone, hatched), (tone, not hatched), *_SPARE)
        tone, hatched = next(way for way in ways if way not in met)
        parts.append(Part(name, tone, count, hatched))
    rest = sum(count for name, _, count in found if name not in chosen)
    return (*parts, Part("other", "rule", rest)) if rest else tuple(parts)


def _by_name(counts: Facts) -> Iterator[tuple[str, str, int]]:
    """(name, role, parameters) of the parts of a model, the largest first; a table that the head is
    tied to is told from other tables.
    """
    parts: list[tuple[str, str, int]] = []
    for role, count in counts.parts:
        tied = min(count, counts.tied_tables) if role == "embedding" else 0
        if tied:
            parts.append(("tied embedding", role, tied))
        if count > tied:
            parts.append((NAMES.get(role, role.replace("_", "-")), role, count - tied))
    yield from sorted(parts, key=lambda part: -part[2])


def _rows(model: Model, counts: Facts) -> Iterator[tuple[str, str, Row]]:
    """(name that a card chooses it by, on which cards, row) of everything worth a row, in the order
    of a card.
    """
    context = model.about.get("context")
    tokens = context if isinstance(context, int) else None
    named = {"context": words.tokens(tokens)} if tokens is not None else {}
    for key in CARD_ROWS:
        if key == "position":
            yield from ((key, "always", row) for row in _position_rows(model))
        for fact in FACTS:
            value = fact.value(counts, tokens) if fact.card == key else None
            if value is not None and (value != 0 or fact.unit == "yes or no"):
                row = Row(fact.label.format(**named), UNITS[fact.unit](value))
                yield key, fact.on_cards, row


UNITS: dict[str, Callable[[Any], str]] = {
    "parameters": words.short,
    "entries": "{:,}".format,
    "bytes": words.size,
    "FLOPs": words.flops,
    "percent": lambda value: f"{value:.1f}".removesuffix(".0") + " %",
    "yes or no": lambda value: "yes" if value else "no",
    "text": str,
}
"""How a card writes a value, by the unit of its fact."""


def _position_rows(model: Model) -> Iterator[Row]:
    """How positions are told, with the numbers of it; of several of one title each way."""
    ways: dict[str, list[str]] = {}
    for module in _positions(model.root):
        if reals := naming.reals(module):
            ways.setdefault(module.title, []).append(", ".join(reals[:2]))
    for title, numbers in ways.items():
        yield Row(title, "; ".join(dict.fromkeys(numbers)))


def _positions(module: Module) -> Iterator[Module]:
    """The outermost blocks of role position, each once."""
    seen: set[int] = set()
    waiting = [module]
    while waiting:
        here = waiting.pop()
        if here.id in seen:
            continue
        seen.add(here.id)
        if here.role == "position":
            yield here
        else:
            waiting += [m for child in reversed(here.children) for _, m in child.modules]


def description(model: Model, counts: Facts) -> str:
    """A sentence about the architecture, for those who cannot see it."""
    sentence = f"{model.name} has {words.short(counts.params)} parameters"
    if counts.active_as_quoted != counts.params:
        sentence += f", {words.short(counts.active_as_quoted)} of them active for each token,"
    if counts.schedule:
        sentence += f" in {naming.layers(counts.layers)}{_kinds(counts)}"
    if counts.kv_growing_bytes_per_token:
        sentence += (
            f"; each token adds {words.size(counts.kv_growing_bytes_per_token)} to the cache"
        )
    if counts.state_bytes:
        sentence += f"; a state of {words.size(counts.state_bytes)} passes from token to token"
    return f"{sentence}."


def _kinds(counts: Facts) -> str:
    """What the layers apply, kind by kind where there are several."""
    sizes: dict[int, int] = {}
    modules = {module.id: module for _, module in counts.schedule}
    for count, module in counts.schedule:
        sizes[module.id] = sizes.get(module.id, 0) + count
    applied = [_listed(_slots(module)) for module in modules.values()]
    if len(modules) == 1:
        return f", each with {applied[0]}" if applied[0] else ""
    names = naming.kind_names(list(modules.values()))
    kinds = [f"{sizes[id]:,} of the kind “{name}”" for id, name in zip(modules, names, strict=True)]
    if len(set(applied)) == 1:
        return f", {_listed(kinds)}, each with {applied[0]}"
    pairs = zip(kinds, applied, strict=True)
    return ": " + _listed([f"{kind} (with {inner})" if inner else kind for kind, inner in pairs])


def _listed(items: list[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _slots(module: Module) -> list[str]:
    """The titles of what a layer applies, in order."""
    applied = [v.form.child for v in module.nodes if isinstance(v.form, Apply)]
    return [m.title for name in applied for _, m in module.child(name).modules]
