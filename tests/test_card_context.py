"""What blocks are given by the model around them: the wires of all kinds of a layer are drawn."""

from collections.abc import Iterator

import pytest

from archdsl import theme
from archdsl.pipeline import Variant, check_path, check_source
from archdsl.scene.card import card
from archdsl.scene.verify import faults
from archdsl.shown import asked
from archdsl.source import Source
from archdsl.text import plain
from archdsl.view import view
from archdsl.view.types import Diagram, Node
from models import MEANING, PICTURES, variants

BLOCKS = """use std.core: Linear, Embedding, RMSNorm, GatedMLP, TransformerLayer
block Plain(d)(x: [B, T, d]) -> [B, T, d] as attention "Plain" {
  o = Linear(d, d)
  return o(x)
}
block Near(d)(x: [B, T, d]) -> [B, T, d] as attention "Near" given k_n: [B, T, d] {
  o = Linear(d, d)
  return o(x * k_n)
}
block Far(d)(x: [B, T, d]) -> [B, T, d] as attention "Far" given k_f: [B, T, d] {
  o = Linear(d, d)
  return o(x * k_f)
}
block Around(d, mixer: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] as layer "Around" {
  inner = TransformerLayer(RMSNorm(d), mixer, GatedMLP(d, 2 * d))
  return inner(x)
}
block Gated(d, mixer: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] as residual "Gated sum" {
  gate = Linear(d, d)
  inner = mixer
  return x * gate(x) + inner(x)
}
block Gates(d, mixer: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] as layer "Gates" {
  around = Gated(d, mixer)
  return around(x)
}
"""
MODEL = """model M(d, kinds: list(enum(plain, near, far)))(stream tokens: int[B, T]) -> [B, T, d] {
  embed  = Embedding(10, d)
  one    = Linear(d, d)
  two    = Linear(d, d)
  layers = stack(LAYER for kind in kinds)
  x = embed(tokens)
  k_n = one(x)
  k_f = two(x)
  give k_n, k_f
  return layers(x)
}
tiny M { d: 8 }
variant A = M(d: 8, kinds: KINDS) { name: "A" }
"""
MIXER = "(Near(d) if kind == near else Far(d) if kind == far else Plain(d))"
LAYERS = (
    f"TransformerLayer(RMSNorm(d), {MIXER}, GatedMLP(d, 2 * d))",
    f"Around(d, {MIXER})",
    f"Gates(d, {MIXER})",
)
KINDS = {
    "[near, near]": {"k n"},
    "[far, near, far]": {"k n", "k f"},
    "[plain, near, far]": {"k n", "k f"},
    "[plain, plain, far]": {"k f"},
}


def inner(diagram: Diagram) -> Iterator[Diagram]:
    yield diagram
    for node in diagram.nodes:
        if node.inner is not None:
            yield from inner(node.inner)


def readers(variant: Variant) -> Iterator[tuple[Node, set[str]]]:
    """Every node of the tower, with the names of the terminals that it reads."""
    shown = view(variant.model, variant.facts, asked("card"))
    for diagram in inner(shown.tower):
        names = {n.id: plain(n.lines[0]) for n in diagram.nodes if n.form == "terminal"}
        for node in diagram.nodes:
            read = {e.source for e in diagram.edges if e.target == node.id}
            yield node, {names[name] for name in read & names.keys()}


def given(node: Node) -> list[set[str]]:
    """What each block of a choice says that it is given."""
    lines = [plain(line) for case in node.cases for line in case.node.lines]
    return [set(line[6:].split(", ")) for line in lines if line.startswith("given ")]


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("layer", LAYERS)
def test_what_each_kind_of_layer_is_given(layer: str, kinds: str) -> None:
    text = BLOCKS + MODEL.replace("LAYER", layer).replace("KINDS", kinds)
    found = check_source(Source("made.arch", text))
    assert not found.diagnostics, found.diagnostics
    variant = found.variants[0]
    mixers = [
        (node, read)
        for node, read in readers(variant)
        if node.form == "choice" or (node.lines and plain(node.lines[0]) == "Near")
    ]
    assert [read for _, read in mixers] == [KINDS[kinds]]
    blocks = len(set(kinds.strip("[]").split(", ")))
    told = given(mixers[0][0])
    assert len(told) == (blocks - ("plain" in kinds) if blocks > 1 else 0)
    assert set().union(*told) == (KINDS[kinds] if blocks > 1 else set())
    shown = view(variant.model, variant.facts, asked("card"))
    assert faults(card(shown, theme.light("made"))) == []


def test_what_specs_say_that_a_block_is_given_has_a_wire() -> None:
    """Of shipped specs, and of the small ones."""
    told = 0
    small = [v for path in (*MEANING, *PICTURES) for v in check_path(path, path.name).variants]
    for variant in (*variants().values(), *small):
        for node, read in readers(variant):
            for names in given(node):
                assert names <= read, (variant.model.id, node.id)
                told += 1
    assert told >= 3
