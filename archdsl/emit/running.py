"""What runs a model: `generate`, and the smoke test of the file.

A model may have inputs beside the one that streams, an encoder's: they come first or behind as the
spec has them, and every call gets them whole.
"""

from __future__ import annotations

from archdsl.dims import Dim
from archdsl.emit import trial
from archdsl.emit.context import input_names
from archdsl.emit.lines import Line, line, plain
from archdsl.emit.spell import listed
from archdsl.graph import Model
from archdsl.stream import streaming_inputs
from archdsl.symbols import BATCH, SEEN, STREAM, TIME
from archdsl.types import FLOATS, TensorType

_GENERATE = '''
@torch.no_grad()
def generate(
    self,
    {inputs},
    max_new_tokens: int,
    temperature: float = 0.0,
    top_k: int | None = None,
    stop: int | None = None,
) -> Tensor:
    """Continues `tokens` [B, T] by up to `max_new_tokens`, greedily at temperature 0.

    Ends early when every sequence has produced the token `stop`.
    """
    if tokens.shape[1] < 1:
        raise ValueError("there is nothing to continue: give at least one token")
    if not temperature >= 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"temperature {temperature} is below 0, or top_k {top_k} below 1")
    if max_new_tokens < 1:
        return tokens
    cache = self.new_cache(tokens.shape[0], tokens.shape[1] + max_new_tokens)
    logits = self({arguments}, cache=cache)[:, -1]
    done = torch.zeros(tokens.shape[0], dtype=torch.bool, device=tokens.device)
    for step in range(max_new_tokens):
        if temperature == 0:
            new = logits.argmax(-1, keepdim=True)
        else:
            logits = logits / temperature
            if top_k is not None:
                least = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
                logits = logits.masked_fill(logits < least, -float("inf"))
            new = torch.multinomial(logits.softmax(-1), 1)
        tokens = torch.cat((tokens, new), 1)
        done |= new[:, 0] == stop if stop is not None else False
        if done.all() or step + 1 == max_new_tokens:
            break
        logits = self({next}, cache=cache)[:, -1]
    return tokens
'''

LOCALS = frozenset((
    "t", "p", "x", "new", "done", "step", "stop", "count", "model", "steps", "top_k", "whole",
    "least", "logits", "tokens", "both", "alone", "difference", "temperature", "max_new_tokens",
))  # fmt: skip
"""Variables of `generate` and `main`: inputs of a model go by other names."""


def _types(model: Model) -> list[TensorType]:
    return [model.root.nodes[i].type for i in model.root.inputs]


def _inputs(model: Model) -> list[str]:
    """The variables of the inputs, in order; one that streams alone is called `tokens`."""
    growing = [which for which, _ in streaming_inputs(model)]
    names = input_names(model.root, False, LOCALS)
    return ["tokens" if growing == [which] else name for which, name in enumerate(names)]


def continues(model: Model, tiny: Model | None) -> bool:
    """Whether the model continues a sequence: tokens [B, T] give numbers [B, T, n], one for each
    token that there can be, and no other input streams.
    """
    root = model.root
    growing = streaming_inputs(model)
    types = [root.nodes[o].type for o in root.outputs]
    if len(growing) != 1 or len(types) != 1 or types[0].dtype not in FLOATS:
        return False
    token, out = _types(model)[growing[0][0]], types[0]
    if token.dtype != "int" or token.axes != (Dim.symbol(BATCH), TIME):
        return False
    if len(out.axes) != 3 or out.axes[:2] != token.axes:
        return False
    index = root.inputs[growing[0][0]]
    return all(trial.can_read(m, index, out.axes[2]) for m in (model, tiny) if m is not None)


def generate(model: Model, tiny: Model | None) -> list[Line]:
    """The method that continues a sequence; nothing for a model that continues none."""
    if not continues(model, tiny):
        return []
    names = _inputs(model)
    inputs = ",\n    ".join(f"{name}: Tensor" for name in names)
    text = _GENERATE.replace("{inputs}", inputs).replace("{arguments}", ", ".join(names))
    later = ", ".join("new" if name == "tokens" else name for name in names)
    return plain(text.replace("{next}", later).rstrip())


def main(model: Model, tiny: Model | None, vocab: str | None) -> list[Line]:
    """The smoke test: a random model of the smallest size, run whole and token by token where it
    may be.
    """
    growing, names, types = dict(streaming_inputs(model)), _inputs(model), _types(model)
    order = [*growing, *(i for i in range(len(names)) if i not in growing)]
    lengths, by_token = trial.lengths(model, tiny, STREAM)
    count = lengths[STREAM]
    arguments = ", ".join(names)
    batch = 1 if all(trial.batch_axis(types[i]) is None for i in growing) else trial.EXAMPLES
    run = [line("whole = model({})", arguments)]
    compared: list[Line] = []
    if by_token:
        one = [
            f"{x}[{':, ' * growing[i]}t : t + 1]" if i in growing else x
            for i, x in enumerate(names)
        ]
        run += [
            line("cache = model.new_cache({}, {})", batch, count),
            line("steps = [model({}, cache=cache) for t in range({})]", listed(one), count),
        ]
        compared = _compared(model, count)
    how = ", run whole and token by token" if by_token else ""
    lines = [
        line('"""Smoke test: a random model of the smallest size{}."""', how),
        line("torch.manual_seed(0)"),
        line("config = Config{}", ".tiny()" if tiny is not None else "()"),
        line("model = Model(config).eval()"),
        *(line("{} = {}", names[i], trial.drawn(model, i, vocab, lengths)) for i in order),
        line("with torch.no_grad():", block=run),
        *compared,
    ]
    shape = (
        "list(whole.shape)" if len(model.root.outputs) == 1 else "[list(x.shape) for x in whole]"
    )
    what = "logits" if continues(model, tiny) else "result"
    lines += [
        line("count = sum(p.numel() for p in model.parameters())"),
        line("print({})", f'f"{{count:,}} parameters; {what} {{{shape}}}"'),
    ]
    if by_token:
        text = 'f"with a cache the same to {difference:.0e}"'
        lines.append(line("print({})", text if _differs(model) else '"with a cache the same"'))
    if by_token and continues(model, tiny):
        begun = max(1, count // 4)
        begin = [
            f"{x}[:1, :{begun}]" if i in growing else x + trial.first(types[i])
            for i, x in enumerate(names)
        ]
        more = min(8, count - begun)
        call = f"model.generate({', '.join(begin)}, max_new_tokens={more})"
        lines.append(line("print({}.tolist()[0])", call))
    return [
        *plain("\n"),
        line("def main() -> None:", block=lines),
        *plain("\n"),
        line('if __name__ == "__main__":', block=plain("main()")),
    ]


def _differs(model: Model) -> bool:
    """Whether the smoke test says by how much the results of single tokens differ."""
    outputs = [model.root.nodes[o].type for o in model.root.outputs]
    (first, *others) = outputs
    along = TIME in first.axes
    names = {name for axis in first.axes if isinstance(axis, Dim) for name in axis.symbols()}
    return not others and along and SEEN not in names and first.dtype in FLOATS


def _compared(model: Model, count: int) -> list[Line]:
    """The results of single tokens, held against those of all tokens at once."""
    outputs = [model.root.nodes[o].type for o in model.root.outputs]
    alone = len(outputs) == 1
    pairs = []
    for number, t in enumerate(outputs):
        whole, step = ("whole", "") if alone else (f"whole[{number}]", f"[{number}]")
        at = t.axes.index(TIME) if TIME in t.axes else None
        names = {name for axis in t.axes if isinstance(axis, Dim) for name in axis.symbols()}
        if at is not None and SEEN not in names:
            steps = "steps" if alone else f"[step[{number}] for step in steps]"
            pairs.append((whole, f"torch.cat({steps}, {at})"))
        elif at is not None:  # every token sees one more: the last sees all
            pairs.append((f"{whole}.narrow({at}, {count - 1}, 1)", f"steps[-1]{step}"))
        elif not names & {STREAM, SEEN}:
            pairs.append((whole, f"steps[-1]{step}"))
    if _differs(model):
        return [
            line("difference = (whole - {}).abs().max().item()", pairs[0][1]),
            line("assert difference < 1e-4 * max(1.0, whole.abs().max().item()), difference"),
        ]
    return [
        line("torch.testing.assert_close({}, {}, rtol=1e-4, atol=1e-4)", right, left)
        for left, right in pairs
    ]
