"""Views made by hand, for tests of layout and renderers that need no spec."""

import itertools

from archdsl.text import Line, Run, line
from archdsl.view.types import (
    Badge,
    Callout,
    Case,
    Diagram,
    Edge,
    Inset,
    LayerKind,
    Node,
    Panel,
    Part,
    Row,
    Sketch,
    Strip,
    View,
)


def box(name: str, *lines: str, tone: str = "plain", form: str = "box", **more: object) -> Node:
    said: tuple[Line, ...] = tuple(
        line(text, "quiet" if n else "ink") for n, text in enumerate(lines)
    )
    return Node(name, form, said, tone, **more)  # type: ignore[arg-type]


def chain(*names: str) -> tuple[Edge, ...]:
    return tuple(Edge(low, high) for low, high in itertools.pairwise(names))


def layer() -> Diagram:
    """A layer with two residual wires, two badges and a choice of two feed-forwards."""
    cases = (
        Case(box("layers.feed.1", "Dense", "18,432"), line("3 layers", "quiet")),
        Case(
            box("layers.feed.2", "Mixture of experts", "8 of 256", tone="soft"), line("58 layers")
        ),
    )
    badges = (Badge("layers.mix.rope", line("RoPE")), Badge("layers.mix.norm", line("QK-norm")))
    names = ["layers.in", "layers.norm_1", "layers.mix", "layers.sum_1"]
    names += ["layers.norm_2", "layers.feed", "layers.sum_2", "layers.out"]
    nodes = (
        Node("layers.in", "port"),
        box("layers.norm_1", "RMSNorm", tone="quiet"),
        box(
            "layers.mix",
            "Attention",
            "32 heads · 8 kv heads",
            tone="strong",
            badges=badges,
            sketch=Sketch(("#   ", "##  ", ".## ", "..##"), 32, 32, 8),
        ),
        Node("layers.sum_1", "operator", mark="+"),
        box("layers.norm_2", "RMSNorm", tone="quiet"),
        Node("layers.feed", "choice", cases=cases),
        Node("layers.sum_2", "operator", mark="+"),
        Node("layers.out", "port"),
    )
    skips = (
        Edge("layers.in", "layers.sum_1", "residual"),
        Edge("layers.sum_1", "layers.sum_2", "residual"),
    )
    return Diagram(nodes, chain(*names) + skips, roomy=True)


def tower() -> Diagram:
    """Two embeddings that are added, a repeated layer, a head."""
    nodes = (
        Node("in", "port"),
        box("embed", "Token embedding"),
        box("place", "Position embedding", tone="quiet"),
        Node("add", "operator", mark="+"),
        Node("layers", "group", tone="accent", inner=layer(), count=61),
        box("head", "Output layer", "tied"),
        Node("out", "port"),
    )
    edges = (*chain("in", "embed", "add", "layers", "head", "out"), Edge("place", "add"))
    frame = Node("model", "group", tone="frame", inner=Diagram(nodes, edges, roomy=True))
    below, above = (box(name, name, form="terminal") for name in ("tokens", "logits"))
    return Diagram((below, frame, above), chain("tokens", "model", "logits"), roomy=True)


def circuit() -> Diagram:
    """Three branches into one wide box, two of them cached, one skipping layers."""
    nodes = (
        box("i.x", "x [T, 4096]", form="terminal"),
        box("i.q", "q · 4,096"),
        box("i.k", "k · 1,024"),
        box("i.v", "v · 1,024"),
        box("i.rope", "RoPE", form="pill"),
        box("i.ck", "cached k", "8 × 128", tone="cached", late=True),
        box("i.cv", "cached v", "8 × 128", tone="cached", late=True),
        box("i.attend", "Scaled dot-product attention", tone="strong", wide=True),
        Node("i.gate", "operator", mark="×"),
        box("i.y", "[T, 4096]", form="terminal"),
    )
    edges = (
        *chain("i.x", "i.k", "i.rope", "i.ck"),
        Edge("i.x", "i.q"),
        *chain("i.x", "i.v", "i.cv"),
        Edge("i.q", "i.attend", label=line("q [32, T, 128]", "accent")),
        Edge("i.ck", "i.attend", label=line("k [8, S, 128]", "accent")),
        Edge("i.cv", "i.attend", label=line("v", "accent")),
        *chain("i.attend", "i.gate", "i.y"),
        Edge("i.v", "i.gate"),
    )
    return Diagram(nodes, edges)


def view() -> View:
    """A card that has everything a card can have."""
    rows = tuple(Row(f"fact {number}", "a value") for number in range(6))
    parts = (
        Part("experts", "accent", 650),
        Part("attention", "strong", 12),
        Part("head", "rule", 1),
    )
    licence = Row("licence", "A Rather Long Community Licence")
    cells = (0,) * 3 + (1,) * 58
    return View(
        name="Made",
        maker="Made",
        title="A model of Łódź & <b>bold</b> 模型",
        subtitle=(
            Run("671B", "accent", 600),
            Run(" parameters", "quiet"),
            Run("   ·   context 8K", "quiet"),
        ),
        tower=tower(),
        facts=Panel(parts, (*rows, licence), ("arXiv:0000.00000",)),
        strip=Strip(
            (LayerKind("dense", "neutral", False, 3), LayerKind("sparse", "accent", False, 58)),
            cells,
        ),
        insets=(
            Inset(
                "inset.mix",
                "layers.mix",
                line("Attention"),
                line("as a circuit", "quiet"),
                circuit(),
            ),
        ),
        callouts=(
            Callout("callout.feed", "layers.feed.1", line("dense layers come first")),
            Callout("callout.head", "head", line("the head is the embedding, used once more")),
        ),
        description="A model for tests.",
        link="https://arxiv.org/abs/0000.00000",
    )


def ladder(count: int) -> Diagram:
    """A wide diagram of `count` boxes: rows of ten, each reading two below."""
    nodes = tuple(box(f"n{number}", f"box {number}") for number in range(count))
    edges = [Edge(f"n{n - 10}", f"n{n}") for n in range(10, count)]
    edges += [Edge(f"n{n - 11}", f"n{n}") for n in range(11, count) if n % 10]
    return Diagram(nodes, tuple(edges))
