"""Published checkpoints: the table of keys, and the functions that reshape tensors, both ways."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from archdsl.axes import Plan as AxesPlan
from archdsl.emit.lines import Line, definition, line, plain
from archdsl.emit.loading import BESIDE, LOADING, ROW, WITHOUT
from archdsl.emit.names import docstring, safe
from archdsl.emit.rearrange import rearrange, split_call
from archdsl.emit.spell import Text, listed, of_config, spelt
from archdsl.emit.uses import Import, OfModel, StoredConfig, Use, of_kind
from archdsl.graph import Model, WeightRule
from archdsl.record import record


def checkpoint_lines(model: Model) -> list[Line]:
    """The table of keys and what reads it; nothing for a model without a `hub`."""
    if model.hub is None:
        return []
    functions: dict[_Pair, None] = {}
    rows = [_row(rule, functions) for rule in model.hub.weights]
    sized = any(of_kind(text.uses, OfModel) for pair in functions for text in pair.texts)
    beside = [safe(child.name) for child in model.root.children if child.apart]
    loading = LOADING.replace("{config}", ", config=model.config" if sized else "")
    loading = loading.replace("{beside}", BESIDE if beside else "")
    loading = loading.replace("{without}", WITHOUT if beside else "")
    skips = ", ".join(f"re.compile({_pattern(s)})" for s in model.hub.skips)
    tied = ", ".join(f'"{a}": "{b}"' for a, b in ties(model))
    needs: list[Use] = [Import(name) for name in ("json", "re", "Iterator", "Mapping", "Path")]
    needs += [StoredConfig()] if sized else []
    return [
        *(row for i, pair in enumerate(functions) for row in _functions(i + 1, pair, sized)),
        *plain(ROW.lstrip("\n")),
        line(""),
        line("CHECKPOINT: tuple[Row, ...] = (", uses=needs),
        *(line("    {},", row) for row in rows),
        line(")"),
        line("SKIPPED: tuple[re.Pattern[str], ...] = ({}{})", skips, "," if skips else ""),
        line("TIED: dict[str, str] = {}", f"{{{tied}}}"),
        *(
            [line("APART: tuple[str, ...] = {}", _tuple([json.dumps(x) for x in beside]))]
            if beside
            else []
        ),
        line(""),
        *plain(loading),
    ]


@record
class _Pair:
    """Two functions that undo each other: what a pattern does to published tensors, and back.
    `stacked`: the tensors of several blocks are one, along its first axis.
    """

    pattern: str
    counts: tuple[int, int]
    texts: tuple[Text, Text]
    stacked: bool = False


def _row(rule: WeightRule, functions: dict[_Pair, None]) -> Text:
    """A row of the table. Adds the functions that it calls, each pair once."""
    keys = ([Text(_literal(key, rule)) for key in keys] for keys in rule.sources)
    sources = [one[0] if len(one) == 1 else _tuple(one) for one in keys]
    parts = [_tuple(sources), _tuple([f'"{_path(t)}"' for t in rule.targets])]
    pair = _pair(rule)
    if pair is not None:
        functions.setdefault(pair)
        number = list(functions).index(pair) + 1
        parts += [Text(f"convert_{number}"), Text(f"restore_{number}")]
    if rule.when:
        parts.append(Text(f'when="{_path(rule.when)}"'))
    return spelt("Row({})", listed(parts))


def _pair(rule: WeightRule) -> _Pair | None:
    """The functions of a line; None where each tensor is a parameter as it is."""
    if rule.plan is None:
        same = Text("(x,)")
        return _Pair("n ... -> n ...", (1, 1), (same, same), True) if rule.stacked else None
    back = AxesPlan(rule.plan.right, rule.plan.left)
    counts = (len(rule.plan.left), len(rule.plan.right))
    return _Pair(str(rule.plan), counts, (_results(rule.plan), _results(back)), rule.stacked)


def _results(plan: AxesPlan) -> Text:
    """What a pattern makes of tensors, a tuple."""
    operands = [Text(name) for name in _operands(len(plan.left))]
    split = split_call(plan, operands[0], of_config)
    return split or _tuple(rearrange(plan, operands, of_config))


def _operands(count: int) -> list[str]:
    return ["x"] if count == 1 else [f"x{i + 1}" for i in range(count)]


def _functions(number: int, pair: _Pair, sized: bool) -> Iterator[Line]:
    """The functions of a pair."""
    left, _, right = pair.pattern.partition(" -> ")
    docs = (pair.pattern, f"{right} -> {left}")
    for name, doc, count, body in zip(
        ("convert", "restore"), docs, pair.counts, pair.texts, strict=True
    ):
        inputs = [f"{x}: Tensor" for x in _operands(count)]
        rows = [line("return {}", body)]
        if pair.stacked and name == "convert":
            doc += ", a tensor for each n"
            rows = [line("(x,) = {}", body)] * (body.text != "(x,)") + [line("return x.unbind()")]
        elif pair.stacked:
            doc += ", of a tensor for each n"
            inputs = ["*tensors: Tensor"]
            rows = [line("x = torch.stack(tensors)"), *rows]
        inputs += ["config: Config"] * sized
        block = [
            *plain("\n".join(row.removeprefix("    ") for row in docstring(doc, "    "))),
            *rows,
        ]
        yield from definition(f"def {name}_{number}(", inputs, ") -> tuple[Tensor, ...]:", block)
        yield from plain("\n")


def _tuple(items: list[Text] | list[str]) -> Text:
    return spelt("({},)" if len(items) == 1 else "({})", listed(items))


def ties(model: Model) -> list[tuple[str, str]]:
    """(path of the copy, path of the first place) of tied parameters of the model's own
    children.
    """
    return [
        (f"{safe(c.name)}.{safe(param)}", ".".join(map(safe, path)))
        for c in model.root.children
        for param, path in c.ties
    ]


def _path(target: tuple[str, ...]) -> str:
    return ".".join("{}" if step.startswith("[") else safe(step) for step in target)


def _literal(source: str, rule: WeightRule) -> str:
    """A key with `{i}` as a format string; JSON quotes it, so that it stays a string."""
    text = source
    for step in rule.targets[0]:
        if step.startswith("["):
            text = text.replace(f"{{{step[1:-1]}}}", "\0")
    return json.dumps(text.replace("{", "{{").replace("}", "}}").replace("\0", "{}"))


def _pattern(skip: str) -> str:
    """A key to skip as a regular expression: `{i}` is a number, `*` any text, all else stands for
    itself.
    """
    parts = [re.escape(x) for x in re.split(r"\{\w+\}", skip)]
    return json.dumps(r"\d+".join(parts).replace(r"\*", ".*"))
