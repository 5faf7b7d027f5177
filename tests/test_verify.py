"""The verifier finds every graph that breaks a rule and is sound but for that."""

from collections.abc import Callable

import pytest

from archdsl import pipeline
from archdsl.elaborate import verify as verifier
from archdsl.elaborate.verify import RULES, BrokenGraph, verify
from archdsl.emit import emit
from archdsl.graph import Child, Experts, Layers, Model, Module, Part, Single
from archdsl.nodes import Apply, Cache, Einsum, Elementwise, Input, Node, Read, Scan
from archdsl.record import replace
from archdsl.source import Source
from archdsl.types import TensorType

SPEC = """
use std.core: Embedding, Linear, RMSNorm, GatedMLP, TransformerLayer
use std.attention: GQA
use std.moe: MoE, SoftmaxRouter
block Decay(d)(x: [B, T, d]) -> [B, T, d] as recurrence {
  param keep: [d] = zeros
  k = sigmoid(keep)
  y = scan T with mean: [B, d] = 0 over (x) { mean = mean * k + x  yield mean }
  key = x * 2
  cache key
  seen = rearrange[T -> T 1](positions(T)) >= rearrange[S -> 1 S](positions(S))
  p = softmax[... S](select(seen, einsum[B T d, B S d -> B T S](x, key), -inf))
  return y + einsum[B T S, B S d -> B T d](p, key)
}
model M(d, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {
  share feed = GatedMLP(d, 8)
  embed = Embedding(vocab, d)
  decay = Decay(d)
  mixed = MoE(d, SoftmaxRouter(d, 4, 2), GatedMLP(d, 8), 4, 2)
  layers = stack(2 * TransformerLayer(RMSNorm(d), GQA(d, 2), feed))
  head = Linear(d, vocab, weight: embed.weight)
  return tokens |> embed |> decay |> mixed |> layers |> head
}
variant V = M(d: 8, vocab: 11) { name: "V" }
"""


def model() -> Model:
    checked = pipeline.check_source(Source("verified.arch", SPEC))
    assert not checked.diagnostics, checked.diagnostics[0].text()
    return checked.variants[0].model


def part_changed(part: Part, change: Callable[[Module], Module]) -> Part:
    """A single block, the layers of a flat stack or an expert, changed."""
    match part:
        case Single(module):
            return replace(part, module=change(module))
        case Experts(expert):
            return replace(part, expert=change(expert))
        case Layers(segments):
            flat = (s for s in segments if isinstance(s.item, Module))
            return Layers(tuple(replace(s, item=change(s.item)) for s in flat))


def changed(module: Module, block: str, change: Callable[[Module], Module]) -> Module:
    """The module with every module of a block, however deep, changed."""
    children = tuple(
        replace(child, part=part_changed(child.part, lambda m: changed(m, block, change)))
        for child in module.children
    )
    module = replace(module, children=children)
    return change(module) if module.block == block else module


def node_where(
    holds: Callable[[Node], bool], change: Callable[[Node], Node]
) -> Callable[..., Module]:
    """A change of the first node for which something holds."""

    def apply(module: Module) -> Module:
        at = next(i for i, node in enumerate(module.nodes) if holds(node))
        nodes = [change(n) if i == at else n for i, n in enumerate(module.nodes)]
        return replace(module, nodes=tuple(nodes))

    return apply


def of(form: type) -> Callable[[Node], bool]:
    return lambda node: isinstance(node.form, form)


def retyped(dtype: str) -> Callable[[Node], Node]:
    return lambda node: replace(node, types=(TensorType(dtype, node.type.axes), *node.types[1:]))


def shorter(node: Node) -> Node:
    return replace(node, types=(TensorType(node.type.dtype, node.type.axes[1:]),))


def child_where(name: str, **changes: Callable[[Child], object]) -> Callable[[Module], Module]:
    def apply(module: Module) -> Module:
        def one(child: Child) -> Child:
            return replace(child, **{field: change(child) for field, change in changes.items()})

        children = (one(c) if c.name == name else c for c in module.children)
        return replace(module, children=tuple(children))

    return apply


def unmasked(module: Module) -> Module:
    """A choice that shows every key: both its sides are the scores."""
    choice = next(n for n in module.nodes if n.op == "select")
    shown = replace(choice, args=(choice.args[0], choice.args[1], choice.args[1]))
    return replace(module, nodes=tuple(shown if n is choice else n for n in module.nodes))


def counting(module: Module) -> Module:
    """An expert that keeps what it sees."""
    node = module.nodes[module.outputs[0]]
    kept = Node(Cache("x"), (module.outputs[0],), node.types, "x")
    return replace(module, nodes=(*module.nodes, kept))


def twice(module: Module) -> Module:
    """A cache and a state of one name."""
    (scan,) = (n.form for n in module.nodes if isinstance(n.form, Scan))
    (name,) = scan.body.state_names
    return node_where(of(Cache), lambda n: replace(n, form=Cache(name)))(module)


FAULTS: list[tuple[str, str, Callable[[Module], Module]]] = [
    ("defined", "Decay", node_where(of(Elementwise), lambda n: replace(n, args=(99, *n.args[1:])))),
    ("defined", "Decay", node_where(of(Read), lambda n: replace(n, form=Read("other")))),
    (
        "defined",
        "TransformerLayer",
        node_where(of(Apply), lambda n: replace(n, form=Apply("other"))),
    ),
    ("defined", "Decay", lambda m: replace(m, inputs=())),
    ("types", "Decay", node_where(of(Elementwise), retyped("int"))),
    ("types", "Decay", node_where(of(Einsum), shorter)),
    ("types", "Decay", node_where(of(Cache), retyped("float32"))),
    ("applied", "GatedMLP", node_where(of(Input), retyped("float32"))),
    ("applied", "M", node_where(of(Apply), retyped("float32"))),
    ("places", "Decay", twice),
    ("instances", "M", child_where("feed", part=lambda c: replace(c.part, owns=False))),
    ("instances", "M", child_where("head", ties=lambda _: (("w", ("embed", "v")),))),
    ("instances", "M", lambda m: replace(m, children=(*m.children, Child("embed", Layers())))),
    ("alone", "GatedMLP", counting),
    ("causal", "Decay", unmasked),
]  # fmt: skip


def test_a_sound_graph_breaks_no_rule() -> None:
    verify(model())


@pytest.mark.parametrize(("rule", "block", "fault"), FAULTS)
def test_a_fault_is_found(rule: str, block: str, fault: Callable[[Module], Module]) -> None:
    sound = model()
    broken = replace(sound, root=changed(sound.root, block, fault))
    with pytest.raises(BrokenGraph, match=f"V: {rule}: "):
        verify(broken)


def test_graphs_are_verified_between_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """After elaboration and before emission, where it is asked for."""
    monkeypatch.setattr(verifier, "RULES", {"never kept": lambda _: iter(["broken"])})
    monkeypatch.setenv("ARCHDSL_DEBUG", "1")
    with pytest.raises(BrokenGraph, match="never kept: broken"):
        model()
    monkeypatch.delenv("ARCHDSL_DEBUG")
    made = model()
    assert emit(made)
    monkeypatch.setenv("ARCHDSL_DEBUG", "1")
    with pytest.raises(BrokenGraph, match="never kept: broken"):
        emit(made)


def test_every_rule_has_a_fault() -> None:
    assert {rule for rule, _, _ in FAULTS} == RULES.keys()
