"""What runs a model: `generate`, and the smoke test of the file.

A model may have inputs beside the one that streams, an encoder's: they come first or behind as the
spec has them, and every call gets them whole.
"""

from __future__ import annotations

from archdsl.dims import Dim, substitute
from archdsl.emit.names import safe, suffix
from archdsl.emit.spell import spell_dim
from archdsl.graph import Model, Module
from archdsl.nodes import Apply, Gather

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
        if max_new_tokens < 1:
            return tokens
        cache = self.new_cache(tokens.shape[0], tokens.shape[1] + max_new_tokens)
        logits = self({told}, cache=cache)[:, -1]
        done = torch.zeros(tokens.shape[0], dtype=torch.bool, device=tokens.device)
        for step in range(max_new_tokens):
            if temperature <= 0:
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

_MAIN = '''
def main() -> None:
    """Smoke test: a random model of the smallest size, run whole and token by token."""
    torch.manual_seed(0)
    config = Config{tiny}
    model = Model(config).eval()
    tokens = torch.randint(config.{vocab}, (2, 16)){others}
    with torch.no_grad():
        whole = model({told})
        cache = model.new_cache(2, 16)
        steps = [model({step}, cache=cache) for t in range(16)]
    difference = (whole - torch.cat(steps, 1)).abs().max().item()
    assert difference < 1e-4, difference
    count = sum(p.numel() for p in model.parameters())
    print(f"{{count:,}} parameters; logits {{list(whole.shape)}}")
    print(f"with a cache the same to {{difference:.0e}}")
    print(model.generate({begin}, max_new_tokens=8).tolist()[0])


if __name__ == "__main__":
    main()
'''

OTHER_LENGTH = 12
"""How long the other inputs of the smoke test are."""


def streamed(model: Model) -> tuple[int, int]:
    """The input that streams, and which of its axes does."""
    found = streams(model)
    assert found is not None
    return found


def streams(model: Model) -> tuple[int, int] | None:
    """As `streamed`, or None where no input of the model grows token by token."""
    root = model.root
    for which, index in enumerate(root.inputs):
        axes = root.nodes[index].type.axes
        if Dim.symbol("T") in axes:
            return which, axes.index(Dim.symbol("T"))
    return None


def _inputs(model: Model, token: str) -> list[str]:
    """The inputs by their names, in order, the one that streams by another."""
    which, _ = streamed(model)
    nodes = [model.root.nodes[i] for i in model.root.inputs]
    names = [f"{safe(n.name)}{suffix(n.type)}" for n in nodes]
    return [token if i == which else name for i, name in enumerate(names)]


def generate(model: Model) -> list[str]:
    """The method that continues a sequence."""
    told = ", ".join(_inputs(model, "tokens"))
    inputs = ",\n        ".join(f"{name}: Tensor" for name in _inputs(model, "tokens"))
    text = _GENERATE.replace("{inputs}", inputs).replace("{told}", told)
    return text.replace("{next}", ", ".join(_inputs(model, "new"))).rstrip().split("\n")


def main(model: Model, tiny: Model | None, vocab: str | None) -> list[str]:
    """The smoke test: a random model of the smallest size, run whole and token by token."""
    which, _ = streamed(model)
    others = [
        f"\n    {name} = {drawn(model, i, vocab)}"
        for i, name in enumerate(_inputs(model, ""))
        if i != which
    ]
    whole = _inputs(model, "tokens[:1, :4]")
    begin = [x if i == which else f"{x}[:1]" for i, x in enumerate(whole)]
    text = _MAIN.format(
        tiny=".tiny()" if tiny is not None else "()",
        vocab=safe((vocab or "$vocab")[1:]),
        others="".join(others),
        told=", ".join(_inputs(model, "tokens")),
        step=", ".join(_inputs(model, "tokens[:, t : t + 1]")),
        begin=", ".join(begin),
    )
    return ["", *text.rstrip().split("\n")]


def drawn(model: Model, which: int, vocab: str | None) -> str:
    """Random numbers for an input: indices of the table that it looks up, or normal ones."""
    root = model.root
    node = root.nodes[root.inputs[which]]
    known = {f"${s.name}" for s in root.settings}
    sizes = []
    for axis in node.type.axes:
        assert isinstance(axis, Dim)
        rooted = substitute(axis, root.symbols)
        free = not rooted.symbols() <= known
        length = "2" if axis.name == "B" else str(OTHER_LENGTH)
        sizes.append(length if free else _said(rooted))
    shape = f"({', '.join(sizes)})"
    if node.type.dtype == "int":
        table = _table(root, root.inputs[which])
        rows = _said(table) if table is not None else f"config.{safe((vocab or '$vocab')[1:])}"
        return f"torch.randint({rows}, {shape})"
    return f"torch.randn{shape}"


def _said(d: Dim) -> str:
    return spell_dim(d, lambda name: f"config.{safe(name[1:])}").text


def _table(module: Module, index: int) -> Dim | None:
    """The number of rows of the table that a value of a body is an index of."""
    for node in module.nodes:
        if index not in node.args:
            continue
        if isinstance(node.form, Gather) and node.args[1] == index:
            rows = module.nodes[node.args[0]].type.axes[0]
            return substitute(rows, module.symbols) if isinstance(rows, Dim) else None
        child = module.child(node.form.child).module if isinstance(node.form, Apply) else None
        if child is not None:
            found = _table(child, child.inputs[node.args.index(index)])
            if found is not None:
                return found
    return None
