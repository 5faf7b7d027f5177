"""What `archdsl facts` prints: a page of one model, or several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from archdsl import naming
from archdsl.amounts import BYTES, COUNTS, FLOPS, scaled
from archdsl.cli.output import usage
from archdsl.diagnostic import printable
from archdsl.facts import Facts, sizes
from archdsl.facts.serving import Load, Serving
from archdsl.pipeline import Variant
from archdsl.record import record

_ABOUT = ("by", "released", "license", "context", "source", "after")
_LEFT = 38
_NUMBER = 19


@record
class Asked:
    """How models are served, as the command line says it. Contexts are those of each model where
    there are none.
    """

    contexts: tuple[int, ...] = ()
    batch: int = 1
    dtype: str = "bf16"
    kv_dtype: str = ""
    fit: str = ""
    bandwidth: str = ""
    devices: int = 1

    def at(self, variant: Variant) -> list[Serving]:
        """What it takes to serve a model at each context; nothing where no context is known."""
        if not variant.facts.streams:
            return []
        stated = variant.facts.stated_context
        contexts = self.contexts or (() if stated is None else (stated,))
        return [
            variant.facts.serving(
                context,
                self.batch,
                dtype=self.dtype,
                kv_dtype=self.kv_dtype,
                memory=self.fit or None,
                bandwidth=self.bandwidth or None,
                devices=self.devices,
            )
            for context in contexts
        ]

    @property
    def words(self) -> str:
        """The settings that all numbers are for."""
        load = Load(1, dtype=self.dtype, kv_dtype=self.kv_dtype)
        words = [f"batch {self.batch:,}", f"weights in {self.dtype}"]
        words.append(f"KV cache in {load.cache_dtype}")
        if self.devices > 1:
            words.append(f"bytes of one of {self.devices:,} devices (tensor parallel)")
        if self.fit:
            words.append(f"memory of {self.fit}")
        if self.bandwidth:
            words.append(f"{self.bandwidth} from memory")
        return ", ".join(words)


def asked(
    context: str,
    batch: int,
    dtype: str,
    kv_dtype: str,
    fit: str,
    bandwidth: str,
    devices: int,
) -> Asked:
    """What words of the command line mean. Raises Stop for one that means nothing."""
    try:
        # What is asked is kept in words, as pages and tables say it.
        if fit:
            sizes.memory(fit)
        if bandwidth:
            sizes.bandwidth(bandwidth)
        return Asked(
            tuple(sizes.tokens(word) for word in context.split(",")) if context else (),
            batch,
            sizes.dtype(dtype),
            sizes.dtype(kv_dtype) if kv_dtype else "",
            fit,
            bandwidth,
            devices,
        )
    except ValueError as error:
        raise usage(str(error)) from error


def warnings(variant: Variant, ask: Asked) -> Iterable[str]:
    """What a reader should know: contexts that the model cannot read."""
    most = variant.facts.most_tokens
    for context in ask.contexts:
        if most is not None and context > most:
            yield (
                f"{variant.id} reads no more than {most:,} tokens (its `where`): the numbers at "
                f"{context:,} are of a text that it refuses"
            )


def record_of(variant: Variant, ask: Asked) -> dict[str, object]:
    """A model as plain data: its counts, those of each context in `serving`."""
    alone = ask.contexts[0] if len(ask.contexts) == 1 else None
    values = variant.facts.record(alone)
    values["weights_bytes"] = variant.facts.weights_bytes(ask.dtype, ask.devices)
    values["serving"] = [serving.record() for serving in ask.at(variant)]
    return values


# --- a page of one model --------------------------------------------------------------------------


def page(variant: Variant, ask: Asked) -> str:
    """A model on a page, for people: counts in full, sizes in units."""
    facts = variant.facts
    servings = ask.at(variant)
    parts = [
        [f"{variant.name} ({variant.id})", *_rows(_about(variant))],
        ["Parameters", *_rows(_parameters(facts, ask))],
        ["Layers", *_rows(_layers(facts))],
        ["Kept while decoding, one sequence, numbers in bf16", *_rows(_kept(facts))],
    ]
    if servings:
        parts.append(_serving(servings, ask))
        parts.append(_sentences(variant, servings, ask))
    elif facts.streams:
        parts.append(["Memory and FLOPs: say at how many tokens with --context"])
    return "\n".join(printable(line) for part in parts if len(part) > 0 for line in [*part, ""])


Rows = Iterable[tuple[str, str]]


def _rows(rows: Rows) -> list[str]:
    return [f"  {label:{_LEFT}} {value}" for label, value in rows if value]


def _about(variant: Variant) -> Rows:
    span = variant.model.span
    yield "file", span.source.name if span else ""
    for key in _ABOUT:
        value = variant.model.about.get(key, "")
        yield key, f"{value:,} tokens" if isinstance(value, int) else str(value)


def _parameters(facts: Facts, ask: Asked) -> Rows:
    """Parameters; what equals what stands above it is left out."""
    yield "all", _right(facts.params)
    if facts.active != facts.params:
        yield "active for a token", _right(facts.active)
    if facts.tied or facts.active_without_tables != facts.active:
        yield "multiplied: no tables read by row", _right(facts.active_without_tables)
    if facts.active_without_embedding != facts.active_without_tables:
        yield "active, without the input embedding", _right(facts.active_without_embedding)
    if facts.apart:
        yield "beside the model", _right(facts.apart)
    for role, count in facts.parts:
        share = 100 * count / facts.params
        percent = f"{share:.1f} %" if share >= 0.05 else "< 0.1 %"
        yield f"  {role.replace('_', '-')}", f"{_right(count)} {percent:>10}"
    device = f" on each of {ask.devices:,} devices" if ask.devices > 1 else ""
    weights = facts.weights_bytes(ask.dtype, ask.devices)
    yield f"weights in {ask.dtype}{device}", f"{size(weights):>{_NUMBER}}"


def _right(number: int) -> str:
    return f"{number:>{_NUMBER},}"


def _layers(facts: Facts) -> Rows:
    yield "number", f"{facts.layers:,}"
    yield "schedule", naming.in_words(naming.schedule(list(facts.schedule)))
    for mixer in facts.mixers:
        words = [naming.counted(name, value) for name, value in mixer.settings if value]
        settings = f": {', '.join(words)}" if words else ""
        yield mixer.role, f"{mixer.layers:,} x {mixer.title}{settings}"
    for bank in facts.mixtures:
        yield "experts", f"{bank.layers:,} x {bank.top_k:,} of {bank.experts:,}"
    yield "head tied to the embedding", "yes" if facts.tied else "no"


def _kept(facts: Facts) -> Rows:
    each, grows = facts.kv_bytes_per_token, facts.kv_growing_bytes_per_token
    yield "KV cache, a token in all layers", _exact(each)
    if grows != each:
        yield "  however long the text", _exact(grows) or "nothing"
        yield "  in windows, once they are full", _exact(facts.kv_capped_bytes)
    yield "states, however long the text", _exact(facts.state_bytes)
    yield "a token of the other input", _exact(facts.source_bytes_per_token)


def _exact(count: int) -> str:
    """Bytes in full, and for people; nothing for none."""
    if not count:
        return ""
    return f"{count:,} bytes" + (f", {size(count)}" if count >= 1024 else "")


@record
class _Row:
    """A row of numbers at several contexts. One that is the same as the row `unless` everywhere is
    left out, and so is one that is 0.
    """

    label: str
    value: Callable[[Serving], float | None]
    write: Callable[[float], str]
    unless: Callable[[Serving], float | None] = lambda _: 0


def _serving(servings: Sequence[Serving], ask: Asked) -> list[str]:
    """What it takes, a column for each context."""
    title = f"Serving: {ask.words}"
    heads = [f"{s.load.context:,}" for s in servings]
    groups: dict[str, tuple[_Row, ...]] = {
        "in memory": _MEMORY,
        "moved by a decoding step": _MOVED,
        "FLOPs of all devices" if ask.devices > 1 else "FLOPs": _FLOPS,
        "limits of decoding": _LIMITS,
    }
    shown: list[tuple[str, list[str]]] = []
    for group, rows in groups.items():
        lines: list[tuple[str, list[str]]] = []
        for row in rows:
            values = [row.value(s) for s in servings]
            if values == [row.unless(s) for s in servings] or None in values or not any(values):
                continue
            lines.append((f"  {row.label}", [row.write(v) for v in values if v is not None]))
        shown += [(group, []), *lines] if lines else []
    cells = [heads, *(row for _, row in shown if row)]
    wide = [max(len(row[i]) for row in cells) for i in range(len(servings))]
    body = [("tokens of each sequence", heads), *shown]
    return [title, *(_line(label, row, wide) for label, row in body)]


def _line(label: str, cells: Sequence[str], wide: Sequence[int]) -> str:
    row = "  ".join(f"{cell:>{w}}" for cell, w in zip(cells, wide, strict=False))
    return f"  {label:{_LEFT}} {row}".rstrip()


def size(count: float) -> str:
    """Bytes for people: "1.22 TiB"."""
    return " ".join(scaled(count, 1024, BYTES, _three))


def count(number: float) -> str:
    """A number of parameters for people: "671B"."""
    return "".join(scaled(number, 1000, COUNTS, _three))


def flops(count: float) -> str:
    """FLOPs for people: "2.3 T"."""
    return " ".join(scaled(count, 1000, FLOPS, _three)).rstrip()


def _three(value: float, unit: str) -> str:
    """Three digits, without zeros at the end."""
    whole = unit in ("", BYTES[0]) or value >= 99.95
    written = f"{value:,.{0 if whole else 1 if value >= 9.995 else 2}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


_MEMORY = (
    _Row("weights", lambda s: s.weights_bytes, size),
    _Row("KV cache", lambda s: s.kv_cache_bytes, size),
    _Row("states", lambda s: s.state_bytes, size),
    _Row("kept of the other input", lambda s: s.source_bytes, size),
    _Row("together", lambda s: s.total_bytes, size, lambda s: s.weights_bytes),
    _Row("KV cache, windows at full length", lambda s: s.kv_cache_reserved_bytes, size,
         lambda s: s.kv_cache_bytes),
    _Row("together, windows at full length", lambda s: s.total_reserved_bytes, size,
         lambda s: s.total_bytes),
)  # fmt: skip
_MOVED = (
    _Row("weights read", lambda s: s.weights_read_bytes, size),
    _Row("cache read", lambda s: s.cache_read_bytes, size),
    _Row("states read and written", lambda s: s.state_moved_bytes, size),
    _Row("for each token made", lambda s: s.bytes_per_token, size,
         lambda s: s.weights_read_bytes),
)  # fmt: skip
_FLOPS = (
    _Row("a decoded token", lambda s: s.decode_flops, flops),
    _Row("a decoded token, cache expanded", lambda s: s.decode_written_flops, flops,
         lambda s: s.decode_flops),
    _Row("a prefilled token, on average", lambda s: s.prefill_per_token, flops),
    _Row("a prefilled token, head for the last", lambda s: s.prefill_last_logits_per_token, flops,
         lambda s: s.prefill_per_token),
    _Row("a prefilled token, every key counted", lambda s: s.prefill_all_keys_per_token, flops,
         lambda s: s.prefill_per_token),
    _Row("prefill of the batch", lambda s: s.prefill_flops, flops),
)  # fmt: skip
_LIMITS = (
    _Row("FLOPs for each byte moved", lambda s: s.intensity, _ratio),
    _Row("tokens a second of the batch, at most", lambda s: s.tokens_per_second_limit, _ratio),
)


def _sentences(variant: Variant, servings: Sequence[Serving], ask: Asked) -> list[str]:
    """What fits, in words."""
    first = servings[0]
    if first.load.memory is None:
        return []
    memory, batch = ask.fit, first.load.batch
    each = "one sequence" if batch == 1 else f"each of {batch:,} sequences"
    where = " of each device" if first.load.devices > 1 else ""
    if first.weights_bytes > first.load.memory:
        return [
            f"The weights alone, {size(first.weights_bytes)}, do not fit in the {memory}{where}."
        ]
    if first.fit_context == 0:
        return [f"The weights fit in the {memory}{where}, but no token of {each} beside them."]
    if first.fit_context is None:
        return [f"A text of any length fits in the {memory}{where}: nothing grows with it."]
    lines = [f"In the {memory}{where} fit {first.fit_context:,} tokens of {each}."]
    if first.fit_reserved_context != first.fit_context:
        lines.append(
            f"Where windows are kept at full length, {first.fit_reserved_context:,} tokens fit."
        )
    stated = variant.facts.stated_context
    if stated is not None and first.fit_context > stated:
        lines.append(f"The model states a context of {stated:,}.")
    return lines


# --- several models -------------------------------------------------------------------------------


@record
class _Column:
    """A column of a table: how it is written; left out where it says nothing of any model."""

    label: str
    value: Callable[[Variant, Serving | None], Any]
    write: Callable[[Any], str] = str
    unless: Callable[[Variant, Serving | None], Any] = lambda _v, _s: None


def _of(value: Callable[[Serving], Any]) -> Callable[[Variant, Serving | None], Any]:
    """A value of a model at a context."""
    return lambda _, serving: None if serving is None else value(serving)


def _columns(ask: Asked) -> tuple[_Column, ...]:
    """The columns of a table."""
    return (
    _Column("model", lambda v, _: v.name),
    _Column("parameters", lambda v, _: v.facts.params, count),
    _Column("active", lambda v, _: v.facts.active, count, lambda v, _: v.facts.params),
    _Column("multiplied", lambda v, _: v.facts.active_without_tables, count,
            lambda v, _: v.facts.active),
    _Column("context", _of(lambda s: s.load.context), "{:,}".format),
    _Column("weights", lambda v, _: v.facts.weights_bytes(ask.dtype, ask.devices), size),
    _Column("KV cache", _of(lambda s: s.kv_cache_bytes), size),
    _Column("full windows", _of(lambda s: s.kv_cache_reserved_bytes), size,
            _of(lambda s: s.kv_cache_bytes)),
    _Column("states", _of(lambda s: s.state_bytes), size),
    _Column("together", _of(lambda s: s.total_bytes), size),
    _Column("moved a token", _of(lambda s: s.bytes_per_token), size),
    _Column("FLOPs decoded", _of(lambda s: s.decode_flops), flops),
    _Column("FLOPs prefill", _of(lambda s: s.prefill_per_token), flops),
    _Column("FLOPs a byte", _of(lambda s: s.intensity), _ratio),
    _Column("tokens/s at most", _of(lambda s: s.tokens_per_second_limit), _ratio),
    _Column("longest that fits",
            _of(lambda s: None if s.load.memory is None else _fits(s)), str),
)  # fmt: skip


def _fits(serving: Serving) -> str:
    if serving.fit_context is None:
        return "any"
    if serving.fit_context:
        return f"{serving.fit_context:,}"
    assert serving.load.memory is not None
    return "weights do not fit" if serving.weights_bytes > serving.load.memory else "none"


@record
class Table:
    """Models side by side, a row for each context: words, and whether a column has numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: str


def table(variants: Sequence[Variant], ask: Asked) -> Table:
    """Models side by side, columns that say nothing left out."""
    lines: list[tuple[Variant, Serving | None]] = []
    for variant in variants:
        servings = ask.at(variant)
        lines += [(variant, serving) for serving in servings] if servings else [(variant, None)]
    shown = []
    for column in _columns(ask):
        values = [column.value(*line) for line in lines]
        if any(v and v != column.unless(*line) for v, line in zip(values, lines, strict=True)):
            cells = ["" if v is None else column.write(v) if v else "0" for v in values]
            shown.append((column.label, cells))
    heads = tuple(label for label, _ in shown)
    rows = tuple(zip(*(cells for _, cells in shown), strict=True))
    unknown = [v.name for v, serving in lines if serving is None and v.facts.streams]
    notes = f"{ask.words[0].upper()}{ask.words[1:]}."
    if unknown:
        notes += f" No context is stated for {', '.join(unknown)}: --context says one."
    return Table(heads, rows, notes)


def as_text(models: Table) -> str:
    """A table for people."""
    lines = [models.heads, *models.rows]
    wide = [max(len(line[i]) for line in lines) for i in range(len(models.heads))]
    text = []
    for line in lines:
        cells = [printable(cell) for cell in line]
        rest = [f"{cell:>{w}}" for cell, w in zip(cells[1:], wide[1:], strict=True)]
        text.append("  ".join([f"{cells[0]:<{wide[0]}}", *rest]).rstrip())
    return "".join(f"{line}\n" for line in [*text, "", models.notes])


def as_latex(models: Table) -> str:
    """A table for a paper, with the settings in its caption. It needs booktabs."""
    from archdsl.render.latex import escaped

    heads = " & ".join(escaped(head)[0] for head in models.heads)
    rows = [" & ".join(escaped(cell)[0] for cell in row) for row in models.rows]
    notes = f"{models.notes} {_NOTES}"
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{Memory and work of decoding: {escaped(notes)[0]}}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(models.heads) - 1)}}}",
        r"    \toprule",
        rf"    {heads} \\",
        r"    \midrule",
        *(rf"    {row} \\" for row in rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


_NOTES = (
    "FLOPs are those of matrix products for one token, 2 for a multiply-add, without keys that a "
    "mask hides: decoded at the end of the context, with linear maps of the cache absorbed; of "
    "prefill on average."
)

_PLAIN = (
    "variant", "name", "by", "released", "params", "active", "active_without_tables",
    "active_without_embedding", "layers", "heads", "kv_heads", "experts", "top_k",
    "kv_bytes_per_token", "kv_growing_bytes_per_token",
)  # fmt: skip


def as_csv(variants: Sequence[Variant], ask: Asked) -> str:
    """All numbers in full, a row for each model and context."""
    import csv
    from io import StringIO

    rows: list[dict[str, object]] = []
    for variant in variants:
        counts = variant.facts.record()
        about = {key: counts.get(key, "") for key in _PLAIN}
        servings = [serving.record() for serving in ask.at(variant)]
        rows += [{**about, **serving} for serving in servings or [{}]]
    heads = list(dict.fromkeys(key for row in rows for key in row))
    out = StringIO()
    writer = csv.DictWriter(out, heads, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str):
        text = printable(value)
        return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
    return "" if value is None else value
