"""What runs a model that no token streams through: an encoder, a classifier.

All of its inputs are there at once. It has no cache and continues nothing; its smoke test holds
that an example says the same alone as beside another one.
"""

from __future__ import annotations

from archdsl.emit import trial
from archdsl.emit.classes import head_lines
from archdsl.emit.context import input_names, result_type
from archdsl.emit.limits import limit_lines
from archdsl.emit.plan import Plan
from archdsl.graph import Model
from archdsl.types import FLOATS

_MAIN = '''
def main() -> None:
    """Smoke test: a random model of the smallest size, two examples at once and one alone."""
    torch.manual_seed(0)
    config = {config}
    model = Model(config).eval()
    {inputs}
    with torch.no_grad():
        both = model({names})
        alone = model({first})
    {compared}
    count = sum(p.numel() for p in model.parameters())
    print(f"{{count:,}} parameters; result {{{shape}}}")
    {same}


if __name__ == "__main__":
    main()
'''


def forward(made: Plan, body: list[str]) -> list[str]:
    """`forward` of the model, with the statements of its body."""
    names = input_names(made.model.root, False)
    inputs = ["self", *(f"{name}: Tensor" for name in names)]
    return [
        *head_lines("def forward(", inputs, f") -> {result_type(made.model.root)}:", "    "),
        *(f"        {line}" for line in [*limit_lines(made), *body]),
    ]


def main(model: Model, tiny: Model | None, vocab: str | None) -> list[str]:
    """The smoke test of the file."""
    root = model.root
    names = input_names(root, False)
    types = [root.nodes[i].type for i in root.inputs]
    sizes, _ = trial.lengths(model, tiny)
    drawings = [f"{name} = {trial.drawn(model, i, vocab, sizes)}" for i, name in enumerate(names)]
    alone = [f"{name}{trial.first(t)}" for name, t in zip(names, types, strict=True)]
    outputs = [root.nodes[o].type for o in root.outputs]
    one = [trial.first(t) if alone != names else "" for t in outputs]
    if len(outputs) == 1 and outputs[0].dtype in FLOATS:
        compared = [
            f"difference = (both{one[0]} - alone).abs().max().item()",
            "assert difference < 1e-4 * max(1.0, both.abs().max().item()), difference",
        ]
    elif len(outputs) == 1:
        compared = [f"torch.testing.assert_close(alone, both{one[0]}, rtol=1e-4, atol=1e-4)"]
    else:
        compared = [
            f"torch.testing.assert_close(alone[{i}], both[{i}]{x}, rtol=1e-4, atol=1e-4)"
            for i, x in enumerate(one)
        ]
    told = " {difference:.0e}" if compared[0].startswith("difference") else ""
    text = _MAIN.format(
        config="Config.tiny()" if tiny is not None else "Config()",
        inputs="\n    ".join(drawings),
        names=", ".join(names),
        first=", ".join(alone),
        compared="\n    ".join(compared),
        shape="list(both.shape)" if len(outputs) == 1 else "[list(x.shape) for x in both]",
        same=f'print({"f" * bool(told)}"alone the same{" to" * bool(told)}{told}")',
    )
    return ["", *text.rstrip().split("\n")]
