"""What runs a model that no token streams through: an encoder, a classifier.

All of its inputs are there at once. It has no cache and continues nothing; its smoke test holds
that an example says the same alone as beside another one.
"""

from __future__ import annotations

from archdsl.emit import trial
from archdsl.emit.context import input_names, result_type
from archdsl.emit.limits import limit_lines
from archdsl.emit.lines import Line, definition, line, plain
from archdsl.emit.plan import Plan
from archdsl.emit.running import LOCALS
from archdsl.emit.spell import listed
from archdsl.emit.unit import Frame
from archdsl.graph import Model
from archdsl.types import FLOATS

_HOW = "two examples at once and one alone"
_WITHIN = "rtol=1e-4, atol=1e-4"


def forward(plan: Plan, frame: Frame, body: tuple[Line, ...]) -> list[Line]:
    """`forward` of the model, with the statements of its body."""
    inputs = ["self", *(f"{name}: Tensor" for name in frame.inputs)]
    tail = f") -> {result_type(plan.model.root)}:"
    return definition("def forward(", inputs, tail, [*limit_lines(plan, frame), *body], 1)


def main(model: Model, tiny: Model | None, vocab: str | None) -> list[Line]:
    """The smoke test of the file."""
    root = model.root
    names = input_names(root, False, LOCALS)
    types = [root.nodes[i].type for i in root.inputs]
    sizes, _ = trial.lengths(model, tiny)
    alone = [f"{name}{trial.first(t)}" for name, t in zip(names, types, strict=True)]
    outputs = [root.nodes[o].type for o in root.outputs]
    one = [trial.first(t) if alone != names else "" for t in outputs]
    same = '"alone the same"'
    if len(outputs) == 1 and outputs[0].dtype in FLOATS:
        same = 'f"alone the same to {difference:.0e}"'
        compared = [
            line("difference = (both{} - alone).abs().max().item()", one[0]),
            line("assert difference < 1e-4 * max(1.0, both.abs().max().item()), difference"),
        ]
    elif len(outputs) == 1:
        compared = [line("torch.testing.assert_close(alone, both{}, {})", one[0], _WITHIN)]
    else:
        compared = [
            line("torch.testing.assert_close(alone[{0}], both[{0}]{1}, {2})", i, x, _WITHIN)
            for i, x in enumerate(one)
        ]
    shape = "list(both.shape)" if len(outputs) == 1 else "[list(x.shape) for x in both]"
    run = [
        line("both = model({})", listed(names)),
        line("alone = model({})", listed(alone)),
    ]
    lines = [
        line('"""Smoke test: a random model of the smallest size, {}."""', _HOW),
        line("torch.manual_seed(0)"),
        line("config = Config{}", ".tiny()" if tiny is not None else "()"),
        line("model = Model(config).eval()"),
        *(
            line("{} = {}", name, trial.drawn(model, i, vocab, sizes))
            for i, name in enumerate(names)
        ),
        line("with torch.no_grad():", block=run),
        *compared,
        line("count = sum(p.numel() for p in model.parameters())"),
        line("print({})", f'f"{{count:,}} parameters; result {{{shape}}}"'),
        line("print({})", same),
    ]
    return [
        *plain("\n"),
        line("def main() -> None:", block=lines),
        *plain("\n"),
        line('if __name__ == "__main__":', block=plain("main()")),
    ]
