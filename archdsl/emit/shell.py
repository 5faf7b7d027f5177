"""The emitted file from its first line to its last: header, `Config`, blocks, `Model`, smoke
test.
"""

from __future__ import annotations

from collections.abc import Iterable

from archdsl.emit import at_once, content, running, trial
from archdsl.emit import plan as p
from archdsl.emit.arguments import frame
from archdsl.emit.body import Writer
from archdsl.emit.checkpoint import checkpoint_lines, ties
from archdsl.emit.classes import signature, unit_lines
from archdsl.emit.context import result_type
from archdsl.emit.decide import decide, forward_of
from archdsl.emit.helpers import HELPERS
from archdsl.emit.init import init_lines
from archdsl.emit.limits import limit_lines
from archdsl.emit.lines import Line, definition, documented, line, plain, printed, uses_of
from archdsl.emit.names import comment, letter, safe
from archdsl.emit.places import places_kept
from archdsl.emit.plan import Plan
from archdsl.emit.spell import number, whole
from archdsl.emit.tables import beginning_lines, precise_lines, table_lines
from archdsl.emit.unit import INLINED, Frame
from archdsl.emit.uses import Helper, Import, OfModel, StoredConfig, Uses
from archdsl.emit.wrap import wrap
from archdsl.facts import Facts
from archdsl.graph import Model
from archdsl.stream import modules, streaming_inputs
from archdsl.symbols import BATCH, SEEN, STREAM, ModelSymbol
from archdsl.types import Rest

_IMPORTS = """from __future__ import annotations

{standard}from dataclasses import dataclass
{paths}from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn"""

_CACHE = '''
@dataclass
class Cache:
    """What decoding keeps of `batch` sequences: `seen` of `length` places are filled."""

    batch: int
    length: int
    kept: Any
    seen: int = 0
'''


def emit(model: Model, tiny: Model | None = None, lower: bool = True) -> str:
    """The PyTorch source of a model.

    `tiny` gives the sizes of the smoke test. With `lower=False` every body is written out, no
    fused kernel stands for it: slow, and the meaning of the spec to the letter.
    """
    plan = p.make(model, lower)
    content.grouped(plan)
    blocks: list[Line] = []
    for unit in decide(plan):
        if unit.kind != INLINED:
            blocks += [*plain("\n"), *unit_lines(unit)]
    loading = checkpoint_lines(model)
    root = _model(plan, tiny, StoredConfig() in uses_of(loading))
    streams = bool(streaming_inputs(model))
    tail = (running if streams else at_once).main(model, tiny, _vocab(model))
    uses = uses_of([*blocks, *root, *loading, *tail])
    helpers = [
        row
        for name, text in HELPERS.items()
        if Helper(name) in uses
        for row in (*plain(text.rstrip()), *plain("\n"))
    ]
    return _tidy(
        printed([
            *_header(model),
            *_imports(uses),
            *plain("\n"),
            *_config(model, tiny, uses),
            *(plain("\n" + _CACHE.rstrip()) if streams else []),
            line(""),
            *helpers,
            *blocks[1:],
            *plain("\n"),
            *root,
            *([*plain("\n"), *_tie(model)] if loading else []),
            *([*plain("\n"), *loading] if loading else []),
            *tail,
        ])
    )  # fmt: skip


def _header(model: Model) -> list[Line]:
    source = model.span.source.name if model.span else ""
    count = Facts(model).params
    lines = [
        f"{comment(model.name)}: {count:,} parameters.",
        "",
        f"Written by archdsl from {comment(source)}. Letters at the end of names are axes:",
        _legend(model),
    ]
    return documented("\n".join(lines), 0)


def _legend(model: Model) -> str:
    """What the letters mean, in the order of the alphabet."""
    meaning: dict[str, set[str]] = {
        BATCH: {"batch"},
        STREAM: {"tokens"},
        SEEN: {"tokens seen so far"},
    }
    for module in sorted(modules(model.root), key=lambda module: module.id):
        for node in module.nodes:
            for t in node.types:
                for axis in t.axes:
                    if isinstance(axis, Rest) or axis.name is None or len(axis.name) == 1:
                        continue
                    mark = letter(axis)
                    if mark is not None:
                        meaning.setdefault(mark, set()).add(axis.name)
    rows = [f"{k} {' or '.join(sorted(v))}" for k, v in sorted(meaning.items())]
    return ", ".join(rows) + "."


def _imports(uses: Uses) -> list[Line]:
    standard = "".join(
        f"import {name}\n" for name in ("json", "math", "re") if Import(name) in uses
    )
    abstract = [name for name in ("Callable", "Iterator", "Mapping") if Import(name) in uses]
    if abstract:
        standard += f"from collections.abc import {', '.join(abstract)}\n"
    paths = "from pathlib import Path\n" if Import("Path") in uses else ""
    return plain(_IMPORTS.format(standard=standard, paths=paths))


def _config(model: Model, tiny: Model | None, uses: Uses) -> list[Line]:
    """The settings that the rest of the file reads: those of a block that is written for their
    values are none.
    """
    symbols = [symbol for symbol in model.numbers if OfModel(symbol.name) in uses]
    block = [
        *documented(f"The settings of {comment(model.name)}.", 1),
        line(""),
        *(
            line("{}: {} = {}", safe(n.name), _kind(model, n), _value(model.numbers[n]))
            for n in symbols
        ),
    ]
    if tiny is not None:
        small = [
            f"{safe(n.name)}={_value(tiny.numbers[n])}"
            for n in symbols
            if n in tiny.numbers and tiny.numbers[n] != model.numbers[n]
        ]
        body = [
            line('"""The smallest model of this shape."""'),
            line("return cls({})", ", ".join(small)),
        ]
        head = line("def tiny(cls) -> Config:", block=body)
        block += [line(""), line("@classmethod"), head]
    return [line("@dataclass(frozen=True)"), line("class Config:", block=block)]


def _kind(model: Model, symbol: ModelSymbol) -> str:
    return "int" if isinstance(model.numbers[symbol], int) else "float"


def _value(value: float) -> str:
    return whole(value) if isinstance(value, int) else number(value).text


def _vocab(model: Model) -> str | None:
    """The setting that says how many tokens there are: the last axis of the result."""
    root = model.root
    axes = root.nodes[root.outputs[0]].type.axes
    return axes[-1].name if axes else None


def _model(plan: Plan, tiny: Model | None, stored: bool) -> list[Line]:
    """The class `Model`: the root's body between reading the cache and advancing it."""
    module = plan.model.root
    around = frame(plan, plan.of[module.id, False])
    writer, body = forward_of(plan, around, store="kept")
    tables = [*table_lines(plan, around), *beginning_lines(plan, around)]
    if streaming_inputs(plan.model):
        forward = _forward(plan, writer, body, tiny)
    else:
        forward = at_once.forward(plan, around, body)
    uses = uses_of([*tables, *forward])
    init = init_lines(plan, around, uses | {StoredConfig()} if stored else uses)
    block = [
        *documented(f"{comment(plan.model.name)}.\n\n{signature(module)}", 1),
        line(""),
        *init.lines,
        *tables,
        *precise_lines(around.group),
        line(""),
        *forward,
    ]
    return [line("class Model(nn.Module):", block=block)]


def _forward(plan: Plan, writer: Writer, body: tuple[Line, ...], tiny: Model | None) -> list[Line]:
    """`forward`, which may continue what a cache holds, and what belongs to it."""
    names = writer.frame.inputs
    inputs = ["self", *(f"{name}: Tensor" for name in names), "cache: Cache | None = None"]
    which, axis = streaming_inputs(plan.model)[0]
    doc = "Logits for every position. With a cache, the tokens follow those seen before."
    *statements, last = body
    length = f"{names[which]}.shape[{axis}]"
    block = [
        line('"""{}"""', doc),
        line("start, kept = (0, None) if cache is None else (cache.seen, cache.kept)"),
        *_limits(plan, writer.frame, names[which]),
        *statements,
        line("if cache is not None:", block=[line("cache.seen = start + {}", length)]),
        last,
    ]
    first = [
        line('"""An empty cache for `batch` sequences of up to `length` tokens."""'),
        *_first(plan),
        line("kind = {}", '{"device": first.device, "dtype": first.dtype}'),
        *_kept(plan, writer),
    ]
    tail = f") -> {result_type(plan.model.root)}:"
    return [
        *definition("def forward(", inputs, tail, block, 1),
        line(""),
        line("def new_cache(self, batch: int, length: int) -> Cache:", block=first),
        *running.generate(plan.model, tiny),
    ]


def _first(plan: Plan) -> list[Line]:
    """A tensor of the dtype and on the device of a model. What stays in single precision when the
    rest is cast does not tell the dtype.
    """
    if plan.needs_like(plan.model.root):
        return [line("first = self.like")]
    params = [q for m in modules(plan.model.root) for q in m.params if q.kind == "param"]
    if all(param.type.dtype == "float" for param in params):
        owned = "next(self.parameters())" if params else "next(self.buffers(), torch.empty(0))"
        return [line("first = {}", owned)]
    return [
        line("cast = [p for p in self.parameters() if p.dtype != torch.float32]"),
        line("first = cast[0] if cast else next(self.parameters())"),
    ]


def _kept(plan: Plan, writer: Writer) -> list[Line]:
    """The statements that make the cache of the model."""
    kept = places_kept(plan, plan.model.root, writer)
    if not plan.keeps(plan.model.root) or not kept.entries:
        return [line("return Cache(batch, length, None)")]
    if kept.alone:
        return [line("return Cache(batch, length, {})", kept.entries[0][1])]
    return [*kept.lines("kept = "), line("return Cache(batch, length, kept)")]


def _limits(plan: Plan, around: Frame, tokens: str) -> list[Line]:
    """Conditions on the number of tokens, as the spec states them, and the room in the cache."""
    which, axis = streaming_inputs(plan.model)[0]
    batch = trial.batch_axis(plan.model.root.nodes[plan.model.root.inputs[which]].type)
    message = 'f"the cache has room for {cache.length} tokens"'
    full = line("if cache is not None and start + {}.shape[{}] > cache.length:", tokens, axis,
                block=[line("raise ValueError({})", message)])  # fmt: skip
    lines = [full]
    if batch is not None:
        size = f"{tokens}.shape[{batch}]"
        message = f'f"a batch of {{{size}}} with a cache for {{cache.batch}}"'
        lines.append(
            line("if cache is not None and {} != cache.batch:", size,
                 block=[line("raise ValueError({})", message)])
        )  # fmt: skip
    return [*lines, *limit_lines(plan, around, f"start + {tokens}.shape[{axis}]")]


def _tie(model: Model) -> list[Line]:
    doc = "Makes tied parameters one tensor again, after they were replaced one by one."
    rows = [line("model.{} = model.{}", copy, first) for copy, first in ties(model)]
    block = [line('"""{}"""', doc if rows else "Nothing is tied in this model."), *rows]
    return [line("def tie(model: Model) -> None:", block=block)]


def _tidy(rows: Iterable[str]) -> str:
    """No trailing blanks, never more than two empty lines in a row."""
    out: list[str] = []
    for row in rows:
        row = row.rstrip()
        if not row and len(out) > 1 and not out[-1] and not out[-2]:
            continue
        out.extend(wrap(row))
    return "\n".join(out).strip() + "\n"
