"""The tower: the model from its tokens to its logits, stacks as groups that say how often they
repeat.
"""

import itertools
from collections.abc import Iterator

from archdsl.graph import Child, Model, Module, Segment
from archdsl.graph import Node as Value
from archdsl.record import replace
from archdsl.text import Line, line, plain
from archdsl.view import words
from archdsl.view.body import Place, body
from archdsl.view.choice import LAYERS_OPEN, Choice
from archdsl.view.circuit import branches, circuit, computes, opened, shape_label, tooltip
from archdsl.view.types import Badge, Case, Diagram, Edge, Node, Tone

_TONES: dict[str, Tone] = {
    "norm": "quiet",
    "attention": "strong",
    "recurrence": "strong",
    "convolution": "strong",
    "feed_forward": "soft",
    "router": "soft",
    "expert": "soft",
}
_WRAPPING = ("layer", "residual")
_COMPUTING = ("attention", "recurrence", "convolution", "feed_forward", "router", "expert")
FRAME = "model"


def tower(model: Model, choice: Choice) -> Diagram:
    """Tokens below, the model in its frame, what comes out above."""
    place = Place(model, model.root, "", choice)
    inner = _ported(place, "")
    first = next((v for v in model.root.nodes if v.op == "input"), None)
    below = Node("below", "terminal", (line(first.name if first else "input", "quiet"),))
    frame = Node(FRAME, "group", tone="frame", inner=inner)
    above = Node("above", "terminal", (_result(model),))
    edges = (Edge(below.id, frame.id), Edge(frame.id, above.id))
    return Diagram((below, frame, above), edges, roomy=True)


def _result(model: Model) -> Line:
    """What leaves the model: logits where the last axis is that of the input's table."""
    root = model.root
    found = root.nodes[root.outputs[0]].type
    last = model.shape(root, found)[-1] if found.axes else None
    for value in root.nodes:
        if value.op == "apply" and any(root.nodes[arg].op == "input" for arg in value.args):
            for _, module in root.child(value.child).modules:
                table = next((p for p in module.params if p.kind == "param"), None)
                if module.role == "embedding" and table is not None and last is not None:
                    rows = model.shape(module, table.type)[0]
                    if rows == last:
                        return line(f"logits · vocabulary {rows.value:,}", "quiet")
    return line(words.shape(model, root, found), "quiet")


def _ported(place: Place, path: str) -> Diagram:
    """A module's body between the ports of its group."""
    name = f"{path}." if path else ""
    below, above = Node(f"{name}in", "port"), Node(f"{name}out", "port")

    def entry(value: Value, _: str) -> Node:
        first = place.module.nodes[place.module.inputs[0]]
        return (
            below
            if value is first
            else Node(f"{name}{value.name}", "terminal", (line(value.name),))
        )

    everywhere = place.choice.shapes == "all"
    label = shape_label if everywhere else None
    inner, outputs = body(place, entry, applied, label, everywhere)
    nodes = inner.nodes if below in inner.nodes else (below, *inner.nodes)
    ends = dict.fromkeys(source for out in outputs for source in out)
    edges = (*inner.edges, *(Edge(source, above.id) for source in ends))
    return Diagram((*nodes, above), edges, roomy=True)


def applied(place: Place, value: Value, name: str) -> Node | None:
    """An application in the tower: a stack as a group, a block as a box."""
    child = place.module.child(value.child)
    if child.segments:
        return _stack(place, child, name)
    assert child.module is not None
    return block(place, value, child.module, name)


def ids(diagram: Diagram) -> Iterator[tuple[str, str]]:
    """(id, first line) of every node, in groups and choices too, a choice's blocks first."""
    for node in diagram.nodes:
        for case in node.cases:
            yield case.node.id, plain(case.node.lines[0]) if case.node.lines else ""
        yield node.id, plain(node.lines[0]) if node.lines else ""
        if node.inner is not None:
            yield from ids(node.inner)


def spot(diagram: Diagram, path: str, title: str = "") -> str:
    """The id of the node that stands for a path of the model, if possible one of that title.

    Ids of runs of layers and of a choice's blocks have numbers in them, which a path has not.
    """
    near = [
        (name, said)
        for name, said in ids(diagram)
        if ".".join(step for step in name.split(".") if not step.isdigit()) == path
    ]
    exact = [name for name, said in near if said == title] or [n for n, _ in near if n == path]
    return (exact or [name for name, _ in near] or [path])[0]


def _stack(place: Place, child: Child, name: str) -> Node:
    """One group where all layers are built alike, groups within a group where they are not."""
    modules = [module for _, module in child.modules]
    if not any(place.choice.opens(place.model, name, module, 1) for module in modules):
        return _shut(place, child, name)
    if len(modules) == 1 or _alike(modules):
        return _group(place, modules, [n for n, _ in child.modules], name)
    segments, count = child.segments, 1
    if len(segments) == 1 and not isinstance(segments[0].item, Module):
        segments, count = segments[0].item, segments[0].count
    inner = _segments(place, segments, name)
    return Node(name, "group", tone="frame", inner=inner, count=count)


def _shut(place: Place, child: Child, name: str) -> Node:
    """A stack as a box that says how many layers of which kind it holds."""
    kinds = child.modules
    others = [module for _, module in kinds]
    said = [f"{count:,} × {words.kind_name(module, others)}" for count, module in kinds]
    if len(kinds) == 1:
        lines: tuple[Line, ...] = (line(kinds[0][1].title, "ink", 600),)
        lines += (line(words.layers(child.length), "accent", 600),)
    else:
        lines = (line(words.layers(child.length), "ink", 600),)
        lines += tuple(line(text, "quiet") for text in said[:_MOST_KINDS])
    return Node(name, "box", lines, "soft", tooltip=_layers_said(place, kinds))


def _layers_said(place: Place, kinds: tuple[tuple[int, Module], ...]) -> str:
    said = [f"{n:,} × {tooltip(place.model, m)}" for n, m in kinds[:_MOST_KINDS]]
    return "; ".join(said)


_MOST_KINDS = 4


def _alike(modules: list[Module]) -> bool:
    """Whether layers differ only in the blocks of their slots."""
    first = modules[0]
    skeleton = [(node.op, node.args, node.child) for node in first.nodes]
    return all(
        module.block == first.block
        and [(node.op, node.args, node.child) for node in module.nodes] == skeleton
        for module in modules[1:]
    )


def _segments(place: Place, segments: tuple[Segment, ...], path: str) -> Diagram:
    """A schedule in order, each run a group."""
    below, above = Node(f"{path}.in-0", "port"), Node(f"{path}.out-0", "port")
    groups: list[Node] = []
    for number, segment in enumerate(segments):
        name = f"{path}.{number + 1}"
        if isinstance(segment.item, Module):
            groups.append(_group(place, [segment.item], [segment.count], name))
        else:
            inner = _segments(place, segment.item, name)
            groups.append(Node(name, "group", tone="frame", inner=inner, count=segment.count))
    chain = [below, *groups, above]
    edges = tuple(Edge(a.id, b.id) for a, b in itertools.pairwise(chain))
    return Diagram(tuple(chain), edges, roomy=True)


def _group(place: Place, modules: list[Module], counts: list[int], name: str) -> Node:
    """The repeated block, open; slots that hold different blocks show them side by side."""
    inside = Place(place.model, modules[0], name, place.choice, place.level + 1)
    inner = _ported(inside, name)
    if len(modules) > 1:
        inner = replace(
            inner,
            nodes=tuple(_with_cases(place, node, modules, counts, name) for node in inner.nodes),
        )
    said = _layers_said(place, tuple(zip(counts, modules, strict=True)))
    return Node(name, "group", tone="accent", inner=inner, count=sum(counts), tooltip=said)


def _with_cases(
    place: Place, node: Node, modules: list[Module], counts: list[int], path: str
) -> Node:
    """A slot's node, as a choice where the layers' blocks differ there."""
    slot = node.id.removeprefix(f"{path}.")
    found: dict[int, tuple[Module, int]] = {}
    for module, count in zip(modules, counts, strict=True):
        for child in module.children:
            if child.name == slot and child.module is not None:
                before = found.get(child.module.id, (child.module, 0))[1]
                found[child.module.id] = child.module, before + count
    if len(found) < 2:
        return node
    same = [module for module, _ in found.values()]
    alike = len({module.title for module in same}) == 1
    told: list[list[str]] = words.differences(same) if alike else [[] for _ in same]
    cases = tuple(
        Case(_case(place, module, f"{node.id}.{number}", said), _count_label(module, count))
        for number, ((module, count), said) in enumerate(zip(found.values(), told, strict=True), 1)
    )
    badges = {badge.label: badge for module in same for badge in _badges(module, node.id)}
    shown = tuple(badges.values())
    return Node(node.id, "choice", cases=cases, badges=shown, tooltip=node.tooltip)


def _case(place: Place, module: Module, name: str, said: list[str]) -> Node:
    """A block of a choice; `said` tells it from the others where its title does not."""
    node = replace(_box(place, module, name), badges=())
    if not said:
        return node
    known = [word for word in words.settings(module) if word not in said]
    more = [line(" · ".join(known[:3]), "quiet")] if known else []
    told = line(" · ".join(said[:2]), "accent", 600)
    return replace(node, lines=(node.lines[0], told, *more))


def _count_label(module: Module, count: int) -> Line:
    tone = "accent" if _TONES.get(module.role) in ("soft", "strong") else "quiet"
    return line(words.layers(count), tone, 600)


def block(place: Place, value: Value, module: Module, name: str) -> Node | None:
    """A block in the tower: opened if it only wraps others, a pill if a function, else a box."""
    inside = Place(place.model, module, name, place.choice, place.level + 1)
    folded = place.choice.folds(place.model, name, module)
    said = tooltip(place.model, module, place.module, value)
    if module.role in _WRAPPING and module.children and not folded:
        inner = _ported(inside, name)
        return Node(name, "group", (line(module.title, "quiet"),), "frame", inner=inner,
                    tooltip=said)  # fmt: skip
    if (
        module.role in _COMPUTING
        and place.choice.opens(place.model, name, module, max(place.level, LAYERS_OPEN))
        and branches(circuit(inside))
    ):
        return opened(inside, module.title, said)
    if module.role == "plumbing" and not module.params:
        return Node(name, "pill", (line(module.title),)) if computes(module) else None
    node = replace(_box(place, module, name), tooltip=said)
    if module.role == "embedding":
        tone: Tone = "quiet" if _reads_positions(place.module, value) else "plain"
        return replace(node, lines=(line(_table(place.module, value, module)),), tone=tone)
    if place.module is place.model.root and _is_head(place.module, value):
        return replace(node, lines=_head(place.module, value, module))
    return node


def _box(place: Place, module: Module, name: str) -> Node:
    return Node(
        name,
        "box",
        words.label(module),
        _TONES.get(module.role, "plain"),
        badges=_badges(module, name),
        tooltip=tooltip(place.model, module),
    )


def _reads_positions(parent: Module, value: Value) -> bool:
    return all(parent.nodes[arg].op == "positions" for arg in value.args)


def _table(parent: Module, value: Value, module: Module) -> str:
    """An embedding by what it embeds: "Token embedding"."""
    source = parent.nodes[value.args[0]] if value.args else None
    if source is not None and source.op in ("input", "positions"):
        noun = (source.name if source.op == "input" else "positions").removesuffix("s")
        return f"{noun.replace('_', ' ').capitalize()} {module.title.lower()}"
    return module.title


def _is_head(root: Module, value: Value) -> bool:
    return any(root.nodes[out] is value for out in root.outputs)


def _head(root: Module, value: Value, module: Module) -> tuple[Line, ...]:
    """The output layer, and what it is tied to."""
    first = line(f"{module.title} output layer")
    for _, path in root.child(value.child).ties:
        other = next((v for v in root.nodes if v.op == "apply" and v.child == path[0]), None)
        table = root.child(path[0]).module
        shown = _table(root, other, table).lower() if other and table else path[0]
        return first, line(f"tied to the {shown}", "quiet")
    return (first,)


def _badges(module: Module, name: str) -> tuple[Badge, ...]:
    """What acts inside a block and is known by a name of its own: positions, norms of queries and
    keys.
    """
    found: dict[str, Badge] = {}
    norms: list[str] = []
    for child in module.children:
        for _, inner in child.modules:
            if inner.role == "position":
                made = Badge(
                    f"{name}.{child.name}", line(inner.title, "ink", 600), words.about(inner)
                )
                found.setdefault(inner.title, made)
            if inner.role == "norm" and child.name.endswith("_norm"):
                norms.append(child.name.removesuffix("_norm"))
    if norms and module.role in ("attention", "recurrence"):
        label = f"{''.join(norms).upper() if max(map(len, norms)) == 1 else norms[0]}-norm"
        found[label] = Badge(f"{name}.norm", line(label, "ink", 600))
    return tuple(found.values())
