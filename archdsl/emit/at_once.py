"""What runs a model that no token streams through: an encoder, a classifier.

All of its inputs are there at once. It has no cache and continues nothing; its smoke test holds
that an example says the same alone as beside another one.
"""

from __future__ import annotations

from archdsl.dims import Dim
from archdsl.emit.body import Writer
from archdsl.emit.classes import head_lines
from archdsl.emit.context import input_names
from archdsl.emit.plan import Plan
from archdsl.emit.running import drawn
from archdsl.graph import Model

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
    difference = (both{one} - alone).abs().max().item()
    assert difference < 1e-4, difference
    count = sum(p.numel() for p in model.parameters())
    print(f"{{count:,}} parameters; result {{list(both.shape)}}")
    print(f"alone the same to {{difference:.0e}}")


if __name__ == "__main__":
    main()
'''


def forward(made: Plan, body: list[str]) -> list[str]:
    """`forward` of the model, with the statements of its body."""
    names = input_names(made.model.root, False)
    inputs = ["self", *(f"{name}: Tensor" for name in names)]
    return [
        *head_lines("def forward(", inputs, ") -> Tensor:", "    "),
        *(f"        {line}" for line in [*_limits(made, names), *body]),
    ]


def _limits(made: Plan, names: list[str]) -> list[str]:
    """Conditions on the lengths of the inputs, as the spec states them."""
    root = made.model.root
    lengths: dict[str, str] = {}
    for name, index in zip(names, root.inputs, strict=True):
        for i, axis in enumerate(root.nodes[index].type.axes):
            if isinstance(axis, Dim) and axis.name is not None:
                lengths.setdefault(axis.name, f"{name}.shape[{i}]")
    writer, lines = Writer(made, root), []
    for check in root.checks:
        sides = [
            lengths[side.name] if side.name in lengths else writer.dim(side).text
            for side in (check.left, check.right)
        ]
        said = f"the model needs {check.left} {check.op} {check.right}"
        lines.append(f"if not {sides[0]} {check.op} {sides[1]}:")
        lines.append(f'    raise ValueError("{said}")')
    return lines


def main(model: Model, tiny: Model | None, vocab: str | None) -> list[str]:
    """The smoke test of the file."""
    root = model.root
    names = input_names(root, False)
    batched = [Dim.symbol("B") == root.nodes[i].type.axes[0] for i in root.inputs]
    drawings = [f"{name} = {drawn(model, i, vocab)}" for i, name in enumerate(names)]
    text = _MAIN.format(
        config="Config.tiny()" if tiny is not None else "Config()",
        inputs="\n    ".join(drawings),
        names=", ".join(names),
        first=", ".join(n + "[:1]" * b for n, b in zip(names, batched, strict=True)),
        one="[:1]" if any(batched) else "",
    )
    return ["", *text.rstrip().split("\n")]
