"""The emitted file from its first line to its last: header, `Config`, blocks, `Model`, smoke
test.
"""

from __future__ import annotations

import re

from archdsl.emit import at_once, calls, classes, limits, plan, running
from archdsl.emit.body import Writer
from archdsl.emit.checkpoint import checkpoint_lines, ties
from archdsl.emit.context import input_names, result_type
from archdsl.emit.helpers import HELPERS
from archdsl.emit.limits import limit_lines
from archdsl.emit.names import comment, docstring, letter, safe
from archdsl.emit.plan import Plan, Unit
from archdsl.emit.spell import Text, number, whole
from archdsl.emit.wrap import wrap
from archdsl.facts import Facts
from archdsl.graph import Model, Module
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
    made = plan.make(model, lower)
    body: list[str] = []
    for unit in made.units:
        if unit.name != "Model" and not _vanishes(made, unit):
            body += ["", "", *classes.unit_lines(made, unit)]
        elif unit.name != "Model":
            classes.unit_lines(made, unit)
    loading = checkpoint_lines(model)
    root = _model(made, tiny, "model.config" in "\n".join(loading))
    streams = bool(running.streams(model))
    tail = (running if streams else at_once).main(model, tiny, _vocab(model))
    joined = "\n".join(body + root)
    read = "\n".join([joined, *loading, *tail])
    helpers: list[str] = []
    for name, text in HELPERS.items():
        called = re.search(rf"(?<![\w.]){name}\(", joined)
        helpers += [*text.rstrip().split("\n"), "", ""] if called else []
    cache = ["", *_CACHE.rstrip().split("\n")] if streams else []
    parts = [
        *_header(model),
        *_imports(body + root + loading),
        "",
        "",
        *_config(model, tiny, set(re.findall(r"\bconfig\.(\w+)", read))),
        *cache,
        "",
        *helpers,
        *body[1:],
        "",
        "",
        *root,
        *(["", "", *_tie(model)] if loading else []),
        *(["", "", *loading] if loading else []),
        *tail,
    ]
    return _tidy(parts)


def _vanishes(made: Plan, unit: Unit) -> bool:
    """Functions of one operation are written where they are used."""
    if not unit.is_function:
        return False
    inputs = [Text("x") for _ in unit.module.inputs]
    return calls.inlined(Writer(made, unit.module), unit.module, inputs) is not None


def _header(model: Model) -> list[str]:
    source = model.span.source.name if model.span else ""
    count = Facts(model).params
    lines = [
        f"{comment(model.name)}: {count:,} parameters.",
        "",
        f"Written by archdsl from {comment(source)}. Letters at the end of names are axes:",
        _legend(model),
    ]
    return docstring("\n".join(lines), "")


def _legend(model: Model) -> str:
    """What the letters mean, in the order of the alphabet."""
    meaning: dict[str, set[str]] = {"B": {"batch"}, "T": {"tokens"}, "S": {"tokens seen so far"}}
    for module in _modules(model.root):
        for node in module.nodes:
            for t in node.types:
                for axis in t.axes:
                    if isinstance(axis, Rest) or axis.name is None or len(axis.name) == 1:
                        continue
                    mark = letter(axis)
                    if mark is not None:
                        meaning.setdefault(mark, set()).add(axis.name)
    said = [f"{k} {' or '.join(sorted(v))}" for k, v in sorted(meaning.items())]
    return ", ".join(said) + "."


def _modules(root: Module) -> list[Module]:
    found: dict[int, Module] = {}
    pending = [root]
    while pending:
        module = pending.pop()
        if module.id not in found:
            found[module.id] = module
            pending.extend(m for c in module.children for _, m in c.modules)
    return [found[k] for k in sorted(found)]


def _imports(text: list[str]) -> list[str]:
    joined = "\n".join(text)
    used = (name for name in ("math", "re") if re.search(rf"\b{name}\.[a-z]", joined))
    standard = "".join(f"import {name}\n" for name in used)
    abstract = [n for n in ("Callable", "Mapping") if f"{n}[" in joined]
    if abstract:
        standard += f"from collections.abc import {', '.join(abstract)}\n"
    paths = "from pathlib import Path\n" if "Path(" in joined else ""
    return _IMPORTS.format(standard=standard, paths=paths).split("\n")


def _config(model: Model, tiny: Model | None, read: set[str]) -> list[str]:
    """The settings that the rest of the file reads: those of a block that is written for their
    values are none.
    """
    names = [n for n in model.numbers if safe(n[1:]) in read]
    kinds = {n: "int" if isinstance(model.numbers[n], int) else "float" for n in names}
    lines = [
        "@dataclass(frozen=True)",
        "class Config:",
        *docstring(f"The settings of {comment(model.name)}.", "    "),
        "",
        *(f"    {safe(n[1:])}: {kinds[n]} = {_value(model.numbers[n])}" for n in names),
    ]
    if tiny is not None:
        small = [f"{safe(n[1:])}={_value(tiny.numbers[n])}" for n in names
                 if n in tiny.numbers and tiny.numbers[n] != model.numbers[n]]  # fmt: skip
        lines += [
            "",
            "    @classmethod",
            "    def tiny(cls) -> Config:",
            '        """The smallest model of this shape."""',
            f"        return cls({', '.join(small)})",
        ]
    return lines


def _value(value: float) -> str:
    return whole(value) if isinstance(value, int) else number(value)


def _vocab(model: Model) -> str | None:
    """The setting that says how many tokens there are: the last axis of the result."""
    root = model.root
    axes = root.nodes[root.outputs[0]].type.axes
    name = axes[-1].name if axes else None
    return f"${name}" if name else None


def _model(made: Plan, tiny: Model | None, stored: bool) -> list[str]:
    """The class `Model`: the root's body between reading the cache and advancing it."""
    module = made.model.root
    unit = made.unit(module)
    writer, body = classes.forward_of(made, unit, store="kept")
    tables, reads = classes.table_lines(made, unit)
    streams = running.streams(made.model)
    kept = _kept(made, writer) if streams else []  # before `__init__`: it stores what this reads
    init = classes.init_lines(made, unit, writer.settings | reads | limits.settings(made.model))
    init += ["        self.config = config"] if stored or writer.uses_config else []
    forward = _forward(made, body, kept, tiny) if streams else at_once.forward(made, body)
    return [
        "class Model(nn.Module):",
        *docstring(f"{comment(made.model.name)}.\n\n{classes.signature(module)}", "    "),
        "",
        *init,
        *tables,
        *classes.precise_lines(module),
        "",
        *forward,
    ]


def _forward(made: Plan, body: list[str], kept: list[str], tiny: Model | None) -> list[str]:
    """`forward`, which may continue what a cache holds, and what belongs to it."""
    names = input_names(made.model.root, False)
    inputs = [f"{name}: Tensor" for name in names]
    which, axis = running.streamed(made.model)
    length = f"{names[which]}.shape[{axis}]"
    *statements, last = body
    return [
        *classes.head_lines(
            "def forward(",
            ["self", *inputs, "cache: Cache | None = None"],
            f") -> {result_type(made.model.root)}:",
            "    ",
        ),
        *docstring(
            "Logits for every position. With a cache, the tokens follow those seen before.",
            "        ",
        ),
        "        start, kept = (0, None) if cache is None else (cache.seen, cache.kept)",
        *(f"        {line}" for line in _limits(made, names[which])),
        *(f"        {line}" for line in statements),
        "        if cache is not None:",
        f"            cache.seen = start + {length}",
        f"        {last}",
        "",
        "    def new_cache(self, batch: int, length: int) -> Cache:",
        '        """An empty cache for `batch` sequences of up to `length` tokens."""',
        f"        first = {_first(made.model)}",
        '        kind = {"device": first.device, "dtype": first.dtype}',
        *kept,
        *running.generate(made.model, tiny),
    ]


def _first(model: Model) -> str:
    """A tensor of the dtype and on the device of a model."""
    owned = any(p.kind == "param" and not p.tied for m in _modules(model.root) for p in m.params)
    return "next(self.parameters())" if owned else "next(self.buffers(), torch.empty(0))"


def _kept(made: Plan, writer: Writer) -> list[str]:
    body = classes.cache_value(made, made.model.root, writer)
    if not made.keeps(made.model.root):
        return ["        return Cache(batch, length, None)"]
    if len(body) == 1:
        return [f"        return Cache(batch, length, {body[0].removeprefix('return ')})"]
    body[0] = "kept = {"
    return [*(f"        {line}" for line in body), "        return Cache(batch, length, kept)"]


def _limits(made: Plan, tokens: str) -> list[str]:
    """Conditions on the number of tokens, as the spec states them, and the room in the cache."""
    which, axis = running.streamed(made.model)
    batch = running.batch_axis(made.model.root.nodes[made.model.root.inputs[which]].type)
    lines = [
        f"if cache is not None and start + {tokens}.shape[{axis}] > cache.length:",
        '    raise ValueError(f"the cache has room for {cache.length} tokens")',
    ]
    if batch is not None:
        size = f"{tokens}.shape[{batch}]"
        lines += [
            f"if cache is not None and {size} != cache.batch:",
            f'    raise ValueError(f"a batch of {{{size}}} with a cache for {{cache.batch}}")',
        ]
    return [*lines, *limit_lines(made, f"start + {tokens}.shape[{axis}]")]


def _tie(model: Model) -> list[str]:
    lines = [
        "def tie(model: Model) -> None:",
        '    """Makes tied parameters one tensor again, after they were replaced one by one."""',
    ]
    found = ties(model)
    for copy, first in found:
        lines.append(f"    model.{copy} = model.{first}")
    return lines if found else [*lines[:1], '    """Nothing is tied in this model."""']


def _tidy(lines: list[str]) -> str:
    """No trailing blanks, never more than two empty lines in a row."""
    out: list[str] = []
    for line in lines:
        line = line.rstrip()
        if not line and len(out) > 1 and not out[-1] and not out[-2]:
            continue
        out.extend(wrap(line))
    return "\n".join(out).strip() + "\n"
