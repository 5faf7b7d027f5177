"""What wires and leaders say: which result of a block they bring, which block an inset opens, what
a block does not use, what only some layers have.
"""

from collections.abc import Iterator

import pytest

import models
from archdsl.layout.arrange import Arranged, arrange
from archdsl.layout.layers import PARTED
from archdsl.pipeline import Variant, check_source
from archdsl.source import Source
from archdsl.text import plain
from archdsl.theme import Sizes
from archdsl.view import view
from archdsl.view.types import Case, Diagram, Node

SPEC = """use std.core: Linear, Embedding, RMSNorm, GatedMLP
use std.attention: GQA
use std.moe: MoE, SoftmaxRouter, Zero
use std.residual: StreamLayer, MeanRead

block Layer(d, first: [B, T, d] -> [B, T, d], mixer: [B, T, d] -> [B, T, d])
           (x: [B, T, d]) -> [B, T, d]
as layer "Layer" {
  before = first
  norm   = RMSNorm(d)
  mix    = mixer
  feed   = GatedMLP(d, 2 * d)
  x += before(x)
  x += x |> norm |> mix
  x += feed(x)
  return x
}

block Halves(d)(x: [B, T, d], _y: [B, T, d]) -> ([B, T, d], [B, T, d])
as attention "Halves" {
  one   = Linear(d, d)
  other = Linear(d, d)
  return one(x), other(x)
}

block Parted(d)(x: [B, T, d]) -> [B, T, d]
as attention "Parted" {
  halves = Halves(d)
  first  = Linear(d, d)
  second = Linear(d, d)
  a, b = halves(x, first(x))
  return second(a) * b
}

model M(d)(stream tokens: int[B, T]) -> [B, T, 100] {
  embed  = Embedding(100, d)
  plain  = Layer(d, Zero, Parted(d))
  more   = Layer(d, GatedMLP(d, 3 * d), GQA(d, 4))
  layers = stack(2 * plain, more, 3 * plain)
  head   = Linear(d, 100)
  return tokens |> embed |> layers |> head
}
variant A = M(d: 64) { name: "A" }

block Remembering(d)(x: [B, T, d]) -> [B, T, d]
as attention "Remembering" {
  memory = GQA(d, 4, 1)
  other  = Linear(d, d)
  return memory(x) * maximum(other(x), 0.25)
}

model N(d)(stream tokens: int[B, T]) -> [B, T, 100] {
  embed  = Embedding(100, d)
  moe    = MoE(d, SoftmaxRouter(d, 8, 2), GatedMLP(d, d), 8, 2)
  layers = stack(3 * StreamLayer(d, 4, 2, Remembering(d), moe))
  head   = Linear(d, 100)
  return embed(tokens) |> repeat[B T d -> B T 4 d] |> layers |> MeanRead(4) |> head
}
variant S = N(d: 64) { name: "S" }
"""


@pytest.fixture(scope="module")
def variant() -> Variant:
    found = check_source(Source("made.arch", SPEC), tiny=False)
    assert not found.diagnostics, found.diagnostics[0].text()
    return found.variants[0]


@pytest.fixture(scope="module")
def streams() -> Variant:
    return check_source(Source("made.arch", SPEC), tiny=False).variants[1]


def said(diagram: Diagram) -> list[str]:
    """All lines of a diagram's nodes."""
    return [plain(runs) for node in inside(diagram) for runs in node.lines]


def inside(diagram: Diagram) -> Iterator[Node]:
    """All nodes, also in groups."""
    for node in diagram.nodes:
        yield node
        if node.inner is not None:
            yield from inside(node.inner)


def all_of(arranged: Arranged) -> Iterator[Arranged]:
    yield arranged
    for placed in arranged.placed:
        if placed.inner is not None:
            yield from all_of(placed.inner)


def test_a_block_that_some_layers_lack_stands_once(variant: Variant) -> None:
    tower = view(variant.model, variant.facts).tower
    [group] = [node for node in inside(tower) if node.form == "group" and node.id == "layers"]
    assert group.count == 6
    [first, mix] = [node for node in inside(tower) if node.form == "choice"]
    assert [(plain(c.node.lines[0]), plain(c.label)) for c in first.cases] == [
        ("SwiGLU", "in 1 layer")
    ]
    assert [plain(c.label) for c in mix.cases] == ["in 5 layers", "or, in 1 layer"]


def test_what_a_block_does_not_use_has_no_wire(variant: Variant) -> None:
    """And what only that would read is not drawn."""
    [inset] = [i for i in view(variant.model, variant.facts).insets if plain(i.title) == "Parted"]
    halves = next(n for n in inset.diagram.nodes if n.lines and plain(n.lines[0]) == "Halves")
    assert len([e for e in inset.diagram.edges if e.target == halves.id]) == 1
    assert not [n for n in inset.diagram.nodes if n.lines and plain(n.lines[0]).startswith("first")]


def test_results_of_a_block_leave_it_side_by_side(variant: Variant) -> None:
    [inset] = [i for i in view(variant.model, variant.facts).insets if plain(i.title) == "Parted"]
    halves = next(n for n in inset.diagram.nodes if n.lines and plain(n.lines[0]) == "Halves")
    wires = [w for w in arrange(inset.diagram, Sizes()).wires if w.edge.source == halves.id]
    assert sorted(w.edge.result for w in wires) == ["", "1"]
    assert len({w.points[0].x for w in wires}) == 2


def test_words_of_streams_experts_and_caches(streams: Variant) -> None:
    """One stream becomes four; what hyper-connections go round is drawn once; the sum of experts is
    weighted; a closed block says what it keeps; a bound says which way it goes.
    """
    shown = view(streams.model, streams.facts)
    assert "4 copies" in said(shown.tower)
    circuits = {plain(inset.title): said(inset.diagram) for inset in shown.insets}
    around = circuits["Hyper-connection (mHC)"]
    assert "sublayer" in around and not {"Remembering", "Mixture of experts"} & set(around)
    assert "weighted sum" in circuits["Mixture of experts"]
    assert "caches 1 × 16 a token and 1 × 16 a token" in circuits["Remembering"]
    assert "at least 0.25" in circuits["Remembering"]


def test_a_sum_whose_weights_are_fixed_is_a_plus() -> None:
    """Llama 4 scales what its experts get, and adds what they give."""
    model = models.variants()["Llama4_Maverick"]
    [inset] = [i for i in view(model.model, model.facts).insets if "expert 1" in said(i.diagram)]
    assert "weighted sum" not in said(inset.diagram)
    experts = {n.id for n in inset.diagram.nodes if "expert" in "".join(map(plain, n.lines))}
    joined = {e.target for e in inset.diagram.edges if e.source in experts}
    assert any(n.mark == "+" for n in inset.diagram.nodes if n.id in joined)


@pytest.mark.parametrize("name", models.pictured())
def test_wires_begin_at_one_point_where_they_bring_one_result(name: str) -> None:
    shown = view(models.variants()[name].model, models.variants()[name].facts)
    for diagram in (shown.tower, *(inset.diagram for inset in shown.insets)):
        for arranged in all_of(arrange(diagram, Sizes())):
            forms = {placed.node.id: placed.node.form for placed in arranged.placed}
            starts: dict[tuple[str, float], str] = {}
            for wire in arranged.wires:
                source, result = wire.edge.source, wire.edge.result
                if wire.edge.form == "flow" and forms[source] in PARTED:
                    begin = source, round(wire.points[0].x)
                    assert starts.setdefault(begin, result) == result
            results = {(source, result) for (source, _), result in starts.items()}
            assert len(results) == len(starts)


@pytest.mark.parametrize("name", models.pictured())
def test_a_leader_begins_at_the_block_that_its_inset_opens(name: str) -> None:
    """Of blocks of one title the inset says which it is."""
    shown = view(models.variants()[name].model, models.variants()[name].facts)
    cases: dict[str, tuple[Case, Node]] = {
        case.node.id: (case, node) for node in inside(shown.tower) for case in node.cases
    }
    for inset in shown.insets:
        if inset.target not in cases:
            continue
        case, choice = cases[inset.target]
        title = plain(inset.title)
        assert title.startswith(plain(case.node.lines[0]))
        others = [
            c for c in choice.cases if c is not case and c.node.lines[0] == case.node.lines[0]
        ]
        lines = {tuple(map(plain, c.node.lines[1:2])) for c in (case, *others)}
        if len(lines) > 1:
            assert title.endswith(plain(case.node.lines[1]))
