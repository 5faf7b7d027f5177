"""Operators whose operands have an order: a picture says which operand is which."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import drawn
import scenes
from archdsl import theme
from archdsl.geometry import Point
from archdsl.layout.arrange import Arranged, arrange
from archdsl.layout.measure import ORDERED
from archdsl.ops import OPS
from archdsl.pipeline import Variant, check_source
from archdsl.record import replace
from archdsl.scene.card import card
from archdsl.scene.verify import faults
from archdsl.shown import asked
from archdsl.source import Source
from archdsl.text import line
from archdsl.view import view
from archdsl.view.draft import SIGNS
from archdsl.view.types import Diagram, Edge, Node
from models import pictured, variants


def test_the_layout_keeps_apart_what_has_an_order() -> None:
    operators = {op: OPS[op].label for op in SIGNS if OPS[op].label in ("−", "÷")}
    assert set(operators.values()) == set(ORDERED)
    unordered = {"add", "multiply", "maximum", "minimum", "xor", "and", "or"}
    assert not unordered & SIGNS.keys()
    two = {name for name, op in OPS.items() if op.form == "zip"} - unordered
    assert two - {"equal", "different"} == SIGNS.keys(), "every operation of two operands"


def inner(diagram: Diagram) -> Iterator[Diagram]:
    yield diagram
    for node in diagram.nodes:
        if node.inner is not None:
            yield from inner(node.inner)


def sign(edge: Edge) -> str:
    first = edge.label[0] if edge.label else None
    return first.text if first is not None and first.tone == "ink" else ""


def away(one: Point, other: Point) -> float:
    return float(((one.x - other.x) ** 2 + (one.y - other.y) ** 2) ** 0.5)


def told_apart(found: Arranged) -> None:
    """Every sign has a place, and its wire ends where no other one ends."""
    for wire in found.wires:
        if sign(wire.edge):
            assert wire.label_at is not None, wire.edge
            ends = [
                other.points[-1]
                for other in found.wires
                if other.edge.target == wire.edge.target and other is not wire
            ]
            assert all(away(end, wire.points[-1]) > 5.0 for end in ends), wire.edge


@pytest.mark.parametrize("name", pictured())
def test_every_operand_that_has_an_order_is_told(name: str) -> None:
    for kind in (*scenes.details(variants()[name]), "card"):
        shown = scenes.shown(name, kind)
        for diagram in (shown.tower, *(inset.diagram for inset in shown.insets)):
            told_apart(arrange(diagram, theme.Sizes()))
            for found in inner(diagram):
                for node in (node for node in found.nodes if node.mark in ORDERED):
                    signs = [sign(edge) for edge in found.edges if edge.target == node.id]
                    assert sorted(signs) == ["", node.mark], (kind, node.id)


def subtracting(text: str) -> Variant:
    spec = f"""use std.core: Linear, Embedding
block Both(d)(x: [B, T, d]) -> [B, T, d] as feed_forward "Both" {{
  one = Linear(d, d)
  two = Linear(d, d)
  a = one(x)
  b = two(x)
  return {text}
}}
model M(d)(stream tokens: int[B, T]) -> [B, T, d] {{
  embed = Embedding(10, d)
  both  = Both(d)
  return tokens |> embed |> both
}}
tiny M {{ d: 8 }}
variant A = M(d: 8) {{ name: "A" }}
"""
    found = check_source(Source("made.arch", spec), tiny=False)
    assert not found.diagnostics, found.diagnostics
    return found.variants[0]


@pytest.mark.parametrize(
    ("text", "second"),
    [("a - b", "two"), ("b - a", "one"), ("a / b", "two"), ("a ^ b", "two"), ("b % a", "one"),
     ("a - exp(b)", "exp"), ("select(a < b, a, b)", "less")],
)  # fmt: skip
def test_the_sign_is_beside_the_operand_that_it_stands_before(text: str, second: str) -> None:
    variant = subtracting(text)
    shown = view(variant.model, variant.facts, asked("detail:Both"))
    signed = [edge for edge in shown.tower.edges if sign(edge)]
    assert second in {edge.source.rpartition(".")[2] for edge in signed}
    told_apart(arrange(shown.tower, theme.Sizes()))
    assert faults(card(shown, theme.light("made"))) == []


def test_sums_and_products_say_nothing() -> None:
    for text in ("a + b", "a * b", "maximum(a, b)"):
        variant = subtracting(text)
        shown = view(variant.model, variant.facts, asked("detail:Both"))
        assert not [edge for edge in shown.tower.edges if sign(edge)]


@st.composite
def differences(draw: st.DrawFn) -> Diagram:
    """Boxes, pills and differences of two, of which each may read any that stand below."""
    count = draw(st.integers(3, 12))
    names = ["x", *(f"n{number}" for number in range(1, count))]
    nodes: list[Node] = [drawn.box("x", "x", form="terminal")]
    edges: list[Edge] = []
    for number, name in enumerate(names[1:], 1):
        low = sorted({draw(st.integers(0, number - 1)) for _ in range(2)})
        if len(low) == 2 and draw(st.booleans()):
            nodes.append(drawn.box(name, "", form="operator", mark="−"))
            second = draw(st.sampled_from(low))
            edges += [Edge(names[at], name, label=line("−" if at == second else "")) for at in low]
        else:
            nodes.append(drawn.box(name, name, form=draw(st.sampled_from(["box", "pill"]))))
            edges += [Edge(names[at], name) for at in low]
    return Diagram(tuple(nodes), tuple(edges))


@given(differences())
def test_wires_of_a_difference_never_join(diagram: Diagram) -> None:
    told_apart(arrange(diagram, theme.Sizes()))
    crowded = replace(diagram, roomy=True)
    told_apart(arrange(crowded, theme.TIGHT))
