"""What stands below a figure: the facts that everyone asks for, in sentences."""

from archdsl.facts import CARD_ROWS, FACTS, Facts
from archdsl.graph import Model
from archdsl.view import words
from archdsl.view.panel import UNITS


def caption(model: Model, counts: Facts) -> tuple[str, str]:
    """The model's name, and sentences: its maker and year, parameters, layers, attention, cache."""
    about = model.about
    context = about.get("context")
    tokens = context if isinstance(context, int) else None
    known = {
        fact.card: UNITS[fact.unit](value)
        for fact in FACTS
        if fact.card in CARD_ROWS and (value := fact.value(counts, tokens)) is not None
    }
    parts: list[str] = []
    made = ", ".join(
        part for part in (str(about.get("by", "")), str(about.get("released", ""))[:4]) if part
    )
    if made:
        parts.append(made)
    size = f"{words.short(counts.params)} parameters"
    if counts.active_as_quoted != counts.params:
        size += f", {words.short(counts.active_as_quoted)} active per token ({known['active']})"
    parts.append(size)
    if "layers" in known and counts.layers:
        mix = known["layers"].partition(": ")
        layers = f"{mix[0]} layers" + (f": {mix[2]}" if mix[2] else "")
        parts.append(f"{layers}; {known['attention']}" if "attention" in known else layers)
    if counts.kv_growing_bytes_per_token:
        grows = f"KV cache: {words.size(counts.kv_growing_bytes_per_token)} per token"
        if tokens is not None and "kv_bytes" in known:
            grows += f", {known['kv_bytes']} at {words.tokens(tokens)}"
        parts.append(grows)
    if counts.state_bytes:
        parts.append(f"State of fixed size: {words.size(counts.state_bytes)}")
    return model.name, ". ".join(parts) + "."
