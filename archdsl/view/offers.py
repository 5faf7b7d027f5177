"""What a figure may show: a tower with its insets, and the same with the layers folded."""

from archdsl import naming
from archdsl.facts import Facts
from archdsl.graph import Model
from archdsl.record import replace
from archdsl.shown import NOTHING, USUAL_DEPTH, Shown, combined
from archdsl.text import SEMIBOLD, line
from archdsl.view import view
from archdsl.view.parts import repeated, standing_alone
from archdsl.view.tower import ids, spot, swatched, tower
from archdsl.view.types import Diagram, Edge, Inset, Node, Offer, Panel, Strip, View

_MOST_KINDS = 4
"""Kinds of layers that the box of all layers names."""


def offered(model: Model, facts: Facts, ask: Shown = NOTHING) -> tuple[View, tuple[Offer, ...]]:
    """A view, and the towers with insets that a figure of it may show, the fullest first. The
    insets come in the order in which they are kept.

    Raises ValueError where a part is asked for that the model has not.
    """
    shown = view(model, facts, ask)
    whole = Offer(shown.tower, _ranked(shown.insets))
    choice = combined(model, ask)
    if shown.kind != "card" or choice.depth == 1:
        return shown, (whole,)
    closed = replace(choice, depth=1)
    folded = swatched(tower(model, closed), shown.strip)
    drawn = {name for name, _ in ids(folded)}
    layers = _layers(model, choice, shown, folded)
    beside = tuple(_retargeted(inset, drawn) for inset in whole.insets)
    gathered = _gathered(folded, shown.strip, facts.layers)
    least = Offer(gathered, tuple(replace(i, target="") for i in (*layers, *beside)), folded=True)
    return shown, (whole, Offer(folded, (*layers, *beside), folded=True), least)


_SHARED_FACTS = 4


def with_common_facts(views: tuple[View, ...]) -> tuple[View, ...]:
    """Views that tell the same few facts, the first that all have."""
    common = set.intersection(*({row.name for row in view.facts.rows} for view in views))
    kept = [row.name for row in views[0].facts.rows if row.name in common][:_SHARED_FACTS]

    def panel(view: View) -> Panel:
        rows = {row.name: row for row in view.facts.rows}
        return Panel((), tuple(rows[name] for name in kept))

    return tuple(replace(view, facts=panel(view)) for view in views)


def _retargeted(inset: Inset, drawn: set[str]) -> Inset:
    """An inset of a block inside a closed box, which is what it speaks of then."""
    around = inset.target.partition(".")[0]
    return replace(inset, target=around if around in drawn else "")


def _ranked(opened: tuple[Inset, ...]) -> tuple[Inset, ...]:
    """Insets in the order in which they are kept: asked for, unusual, apart from the model."""
    return tuple(sorted(opened, key=lambda inset: (inset.optional, not inset.target)))


def _renamed(diagram: Diagram, prefix: str) -> Diagram:
    """A diagram whose ids begin with a prefix, for its nodes may stand elsewhere too."""

    def node(old: Node) -> Node:
        cases = (replace(case, node=node(case.node)) for case in old.cases)
        badges = (replace(badge, id=prefix + badge.id) for badge in old.badges)
        inner = _renamed(old.inner, prefix) if old.inner is not None else None
        return replace(
            old, id=prefix + old.id, cases=tuple(cases), badges=tuple(badges), inner=inner
        )

    edges = (replace(e, source=prefix + e.source, target=prefix + e.target) for e in diagram.edges)
    return replace(diagram, nodes=tuple(map(node, diagram.nodes)), edges=tuple(edges))


def _gathered(diagram: Diagram, strip: Strip | None, layers: int) -> Diagram:
    """A tower whose stacks and single layers, all closed, are one box, where nothing that stands
    between them would come to depend on itself. Towers side by side give up their frames.
    """
    if diagram.stacked is not None:
        return _gathered(diagram.stacked, strip, layers)
    nodes = tuple(
        replace(n, inner=_gathered(n.inner, strip, layers)) if n.inner is not None else n
        for n in diagram.nodes
    )
    closed = [node.id for node in nodes if node.form == "box" and node.tone == "soft"]
    if len(closed) < 2:
        return replace(diagram, nodes=nodes)
    into = closed[-1]
    within = _between(diagram, set(closed))
    kinds = strip.kinds if strip is not None else ()
    rows = tuple(line(f"{kind.count:,} × {kind.name}", "quiet") for kind in kinds[:_MOST_KINDS])
    more = (line(f"and {len(kinds) - _MOST_KINDS} kinds more", "quiet"),)
    lines = (line(naming.layers(layers), "ink", SEMIBOLD), *rows)
    lines += more if len(kinds) > _MOST_KINDS else ()
    edges: dict[tuple[str, str], Edge] = {}
    for edge in diagram.edges:
        source = into if edge.source in within else edge.source
        target = into if edge.target in within else edge.target
        if source != target:
            edges.setdefault((source, target), Edge(source, target, edge.form))
    kept = tuple(
        replace(node, lines=lines) if node.id == into else node
        for node in nodes
        if node.id == into or node.id not in within
    )
    return replace(diagram, nodes=kept, edges=tuple(edges.values()))


def _between(diagram: Diagram, names: set[str]) -> set[str]:
    """Nodes, and all that stand on a way from one of them to another."""
    above: dict[str, set[str]] = {}
    below: dict[str, set[str]] = {}
    for edge in diagram.edges:
        above.setdefault(edge.source, set()).add(edge.target)
        below.setdefault(edge.target, set()).add(edge.source)
    return names | (_reached(names, above) & _reached(names, below))


def _reached(names: set[str], ways: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        for name in ways.get(waiting.pop(), ()):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen


def _layers(model: Model, choice: Shown, shown: View, folded: Diagram) -> tuple[Inset, ...]:
    """The repeated layers as insets of a tower in which they are closed."""
    depth = max(choice.depth, USUAL_DEPTH) if choice.depth else 0
    whole = swatched(tower(model, replace(choice, depth=depth)), shown.strip)
    opened: list[Inset] = []
    for group in repeated(whole):
        target = spot(folded, group.id)
        title = line("The repeated layer", "ink", SEMIBOLD)
        name = f"inset.{group.id}.layers"
        diagram = _renamed(standing_alone(model, group), f"{name}.body.")
        opened.append(Inset(name, target, title, (), diagram, "accent", True))
    return tuple(opened)
