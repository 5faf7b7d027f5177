"""Diagrams and legends made narrow: words of boxes in several lines, wires named in few words."""

from archdsl import text
from archdsl.geometry import Box
from archdsl.layout.arrange import badges_inside
from archdsl.layout.panel import LEGEND_LINE, SWATCH, PlacedKind
from archdsl.record import record, replace
from archdsl.theme import Sizes
from archdsl.view.types import Diagram, Edge, LayerKind, Node

_LEGEND_GAP = 18.0


@record
class Limits:
    """How wide a node's title and the lines below it may be, in pixels; whether towers stand one
    above the other.
    """

    title: float
    text: float
    stacked: bool = False


def narrowed(diagram: Diagram, sizes: Sizes, limits: Limits, short: bool) -> Diagram:
    """The diagram with the lines of its boxes broken to what a column holds. With `short`, badges
    stand in their nodes and wires have names without shapes.
    """
    if limits.stacked and diagram.stacked is not None:
        diagram = diagram.stacked
    edges = tuple(map(_named, diagram.edges)) if short else diagram.edges

    def shown(node: Node) -> Node:
        node = badges_inside(node) if short else node
        if node.inner is not None:
            node = replace(node, inner=narrowed(node.inner, sizes, limits, short))
        return _broken(node, sizes, limits)

    return replace(diagram, nodes=tuple(map(shown, diagram.nodes)), edges=edges)


def unnamed(diagram: Diagram) -> Diagram:
    """The diagram without the names of wires; those that enter a group have them inside too."""
    edges = (replace(e, label=e.label if e.label[:1] and e.label[0].tone == "ink" else ())
             for e in diagram.edges)  # fmt: skip
    nodes = (
        replace(node, inner=unnamed(node.inner)) if node.inner is not None else node
        for node in diagram.nodes
    )
    return replace(diagram, nodes=tuple(nodes), edges=tuple(edges))


def _named(edge: Edge) -> Edge:
    """A wire with the name of what it brings, without its shape."""
    if not edge.label or edge.label[0].tone == "ink":
        return edge
    words = text.plain(edge.label).partition("[")[0].strip()
    first = edge.label[0]
    return replace(edge, label=text.line(words, first.tone, first.weight) if words else ())


def _broken(node: Node, sizes: Sizes, limits: Limits) -> Node:
    cases = tuple(replace(case, node=_broken(case.node, sizes, limits)) for case in node.cases)
    boxed = node.form == "box" and not node.wide  # what stands free or is a pill has one line
    title = node.lines[:1]
    if boxed and title:
        title = text.balanced(title[0], sizes.body, limits.title)
    width = max([limits.text, *(text.line_width(line, sizes.body) for line in title)])
    more = tuple(
        part for line in node.lines[1:] for part in text.balanced(line, sizes.small, width)
    )
    return replace(node, lines=(*title, *more), titles=max(1, len(title)), cases=cases)


def legend_rows(
    kinds: tuple[LayerKind, ...], top: float, left: float, inner: float, sizes: Sizes
) -> tuple[PlacedKind, ...]:
    """Kinds of layers in rows, as many beside each other as there is room for."""
    placed: list[PlacedKind] = []
    x, y = left, top
    for number, kind in enumerate(kinds):
        room = inner - SWATCH
        label = text.line(kind.label, "ink", text.SEMIBOLD)
        lines = text.balanced(label, sizes.small, room)
        wide = SWATCH + max(text.line_width(line, sizes.small) for line in lines)
        if x > left and x + wide > left + inner:
            x, y = left, placed[-1].box.bottom + 2.0
        placed.append(PlacedKind(kind, number, Box(x, y, wide, LEGEND_LINE * len(lines)), lines))
        x += wide + _LEGEND_GAP
    return tuple(placed)
