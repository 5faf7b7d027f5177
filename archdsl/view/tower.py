"""The tower: the model from its tokens to its logits, stacks as groups that say how often they
repeat.
"""

import itertools
from collections.abc import Callable, Iterator

from archdsl import naming
from archdsl.graph import (
    BlockValue,
    Child,
    Experts,
    Layers,
    Model,
    Module,
    ModuleList,
    Segment,
    Single,
)
from archdsl.nodes import Apply, Input
from archdsl.nodes import Node as Value
from archdsl.record import replace
from archdsl.roles import WRAPPING, at_work, slots, working, wraps
from archdsl.shown import Shown, plain_path
from archdsl.stream import streaming_inputs
from archdsl.text import SEMIBOLD, Line, line, plain
from archdsl.view import words
from archdsl.view.blocks import block, choice_of, titled
from archdsl.view.body import body
from archdsl.view.circuit import is_side_by_side, shape_label, side_by_side, tooltip
from archdsl.view.draft import Kind, Place, Splice, child_of, result
from archdsl.view.towers import framed
from archdsl.view.types import Case, Diagram, Edge, Node, Strip

FRAME = "model"
_MOST_KINDS = 4


def tower(model: Model, choice: Shown) -> Diagram:
    """Tokens below, the model in its frame, what comes out above.

    A model of several inputs has a frame for each tower, or none where its parts are no towers.
    """
    place = Place(model, model.root, "", choice, shut=_seen_elsewhere(model, choice))
    above = Node("above", "terminal", (_result(model),))
    inputs = [model.root.nodes[number] for number in model.root.inputs]
    if len(inputs) > 1:

        def entry(value: Value, name: str) -> Node:
            return Node(name, "terminal", (line(words.called(value), "quiet"),))

        inner, outputs = _drawn(place, entry)
        ends = dict.fromkeys(source for out in outputs for source in out)
        edges = (*inner.edges, *(Edge(source, above.id) for source in ends))
        free = Diagram((*inner.nodes, above), edges, roomy=True)
        return framed(model, free, _terminals(model, inputs), above.id)
    below = Node("below", "terminal", (line(inputs[0].name if inputs else "input", "quiet"),))
    frame = Node(FRAME, "group", tone="frame", inner=_ported(place, ""))
    edges = (Edge(below.id, frame.id), Edge(frame.id, above.id))
    return Diagram((below, frame, above), edges, roomy=True)


def _terminals(model: Model, inputs: list[Value]) -> list[str]:
    """The ids of a model's inputs, one that streams last."""
    streams = {model.root.inputs[which] for which, _ in streaming_inputs(model)}
    order = sorted(zip(model.root.inputs, inputs, strict=True), key=lambda pair: pair[0] in streams)
    return [value.name for _, value in order]


def _seen_elsewhere(model: Model, choice: Shown) -> frozenset[str]:
    """The model's parts whose layers are built like those of a larger part, which is shown open,
    and layers that stand alone beside stacks.

    What repeats is drawn once: of the stacks and single layers of one block, the longest.
    """
    most: dict[str, tuple[int, str]] = {}
    layers: dict[str, set[str]] = {}
    for child in model.root.children:
        built = [(count, module) for count, module in child.modules if wraps(module)]
        layers[child.name] = {module.block for _, module in built}
        inside = [(count, m) for count, module in built for _, m in slots(module) if wraps(m)]
        counts: dict[str, int] = {}
        for count, module in (*built, *inside):
            counts[module.block] = counts.get(module.block, 0) + count
        for block_name, count in counts.items():
            if count > most.get(block_name, (0, ""))[0]:
                most[block_name] = count, child.name
    asked = {path[0] for path in choice.opened if path}
    stacks = any(layers[child.name] for child in model.root.children if child.length > 1)
    alone = {c.name for c in model.root.children if stacks and isinstance(c.part, Single)}
    return frozenset(
        name
        for name, built in layers.items()
        if built and name not in asked
        if name in alone or all(most[inner_block][1] != name for inner_block in built)
    )


def _result(model: Model) -> Line:
    """What leaves the model: logits where the last axis is that of the input's table."""
    root = model.root
    given = root.nodes[root.outputs[0]].type
    last = model.shape(root, given)[-1] if given.axes else None
    for value in root.nodes:
        reads = (root.nodes[arg].form for arg in value.args)
        if isinstance(value.form, Apply) and any(isinstance(form, Input) for form in reads):
            for _, module in root.child(value.form.child).modules:
                table = next((p for p in module.params if p.kind == "param"), None)
                if module.role == "embedding" and table is not None and last is not None:
                    rows = model.shape(module, table.type)[0]
                    if rows == last:
                        return line(f"logits · vocabulary {rows.value:,}", "quiet")
    return line(words.shape(model, root, given), "quiet")


def _ported(place: Place, path: str) -> Diagram:
    """A module's body between the ports of its group."""
    name = f"{path}." if path else ""
    below, above = Node(f"{name}in", "port"), Node(f"{name}out", "port")

    def entry(value: Value, _: str) -> Node:
        first = place.module.nodes[place.module.inputs[0]]
        return (
            below
            if value is first
            else Node(f"{name}{value.name}", "terminal", (line(words.called(value)),))
        )

    inner, outputs = _drawn(place, entry)
    nodes = (below, *(node for node in inner.nodes if node is not below))
    handed_on, ends = _carried(place, name, outputs)
    edges = (*inner.edges, *(Edge(source, above.id) for source in outputs[0]), *ends)
    return Diagram((*nodes, *handed_on, above), edges, roomy=True)


def _carried(
    place: Place, name: str, outputs: tuple[tuple[str, ...], ...]
) -> tuple[list[Node], list[Edge]]:
    """What a layer hands on beside its first result, by the name of the input that it becomes in
    the next one. What only passes through is not drawn.
    """
    module = place.module
    handed_on: list[Node] = []
    ends: list[Edge] = []
    for out, number, entry in zip(outputs[1:], module.outputs[1:], module.inputs[1:], strict=False):
        called = module.nodes[entry].name
        if number == entry or not out:
            continue
        shown = Node(f"{name}{called}.next", "terminal", (line(words.called(module.nodes[entry])),))
        handed_on.append(shown)
        which = result(module, number)
        ends += [Edge(source, shown.id, result=which) for source in out]
    return handed_on, ends


def _drawn(
    place: Place, entry: Callable[[Value, str], Node]
) -> tuple[Diagram, tuple[tuple[str, ...], ...]]:
    everywhere = place.choice.shapes == "all"
    return body(place, entry, applied, shape_label if everywhere else None, everywhere)


def applied(place: Place, value: Value, name: str) -> Node | Splice | None:
    """An application in the tower: a stack as a group, a block as a box, what stands around others
    as these.
    """
    child = place.module.child(child_of(value))
    if isinstance(child.part, Layers):
        return _stack(place, child, child.part.segments, name)
    if is_side_by_side(child, value):
        assert isinstance(value.form, Apply)
        _, first = child.at(value.form)[0]
        return side_by_side(place, value, titled(place, value, first, name))
    kinds = _kinds(place, value)
    modules = [kind.module for kind in kinds]
    open_here = all(map(wraps, modules)) and _alike(modules)
    if open_here and not place.choice.folds(place.model, name, modules[0]):
        return _wrapped(place, value, kinds, name)
    lacking = sum(kind.count for kind in kinds) < sum(kind.count for kind in place.kinds)
    if len(kinds) > 1 or lacking:
        return choice_of(place, value, kinds, name, lacking)
    return block(place, value, modules[0], name)


def _kinds(place: Place, value: Value) -> tuple[Kind, ...]:
    """The modules that the layers drawn here have in a slot, each with its layers."""
    assert isinstance(value.form, Apply)
    kinds: dict[int, Kind] = {}
    for around in place.kinds or (Kind(1, place.module),):
        module = around.module
        child = next((c for c in module.children if c.name == value.form.child), None)
        if child is None or isinstance(child.part, Layers | Experts):
            continue
        one = child.part.module if isinstance(child.part, Single) else _numbered(child, value)
        same = kinds.get(one.id, Kind(0, one))
        kinds[one.id] = Kind(same.count + around.count, one, same.layers | around.layers)
    return tuple(kinds.values())


def _numbered(child: Child, value: Value) -> Module:
    """The block of a list that is applied by its number."""
    assert isinstance(value.form, Apply)
    ((_, module),) = child.at(value.form)
    return module


def _wrapped(place: Place, value: Value, kinds: tuple[Kind, ...], name: str) -> Node | Splice:
    """A block that stands around others: as these, in their place, or in a frame if it is a part
    of the model.
    """
    module = _fullest([kind.module for kind in kinds])
    if place.module is place.model.root and child_of(value) in place.shut:
        return _closed(place, module, name)
    inside = replace(
        place,
        module=module,
        path=name,
        level=place.level + 1,
        kinds=kinds if len(kinds) > 1 else (),
    )
    if module.role == "residual":
        return _merged(replace(inside, bare=True), name)
    if place.module is place.model.root:
        described = tooltip(place.model, module, place.module, value)
        title = (line(module.title, "quiet"),)
        inner = _ported(inside, name)
        return Node(name, "group", title, "frame", inner=inner, tooltip=described)
    own = module.inputs[: len(module.inputs) - len(module.context)]
    entries = {number: f"{name}.in-{at}" for at, number in enumerate(own)}
    by_name = {module.nodes[number].name: port for number, port in entries.items()}

    def entry(given: Value, inner: str) -> Node:
        port = by_name.get(given.name)
        return Node(port, "port") if port else _named(given, inner)

    inner, outputs = _drawn(inside, entry)
    return Splice(inner, tuple(entries.values()), outputs)


def _named(given: Value, name: str) -> Node:
    """What a block inside is given by the model around it, by its name."""
    return Node(name, "terminal", (line(words.called(given), "quiet"),))


def _merged(place: Place, name: str) -> Splice:
    """A residual connection that is more than a sum: its blocks, and above them one pill where what
    they say and what goes round them are put together.
    """
    port = f"{name}.in-0"
    own = {place.module.nodes[number].name for number in place.module.inputs}
    own -= set(place.module.context)

    def entry(given: Value, inner: str) -> Node:
        return Node(port, "port") if given.name in own else _named(given, inner)

    inner, outputs = _drawn(place, entry)
    before: dict[str, set[str]] = {}
    for edge in inner.edges:
        before.setdefault(edge.target, set()).add(edge.source)
    ends = [end for end in outputs[0] if end != port]
    inside = {above for end in ends for above in _below(end, before)}
    module = place.module
    pill = Node(f"{name}.merge", "pill", (line(module.title, "accent", SEMIBOLD),), "accent",
                tooltip=tooltip(place.model, module))  # fmt: skip
    edges = (
        *inner.edges,
        *(Edge(end, pill.id) for end in ends if end not in inside),
        Edge(port, pill.id, "residual"),
    )
    return Splice(Diagram((*inner.nodes, pill), edges, roomy=True), (port,), ((pill.id,),))


def _below(name: str, before: dict[str, set[str]]) -> set[str]:
    """All that a node depends on."""
    seen: set[str] = set()
    waiting = list(before.get(name, ()))
    while waiting:
        source = waiting.pop()
        if source not in seen:
            seen.add(source)
            waiting.extend(before.get(source, ()))
    return seen


def _closed(place: Place, module: Module, name: str) -> Node:
    """A single layer as a box that says what it is made of."""
    titles = list(dict.fromkeys(m.title for m in working(module)))[:2]
    lines: tuple[Line, ...] = (line(module.title, "ink", SEMIBOLD),)
    lines += tuple(line(title, "quiet") for title in titles)
    if inside := _mixing(module):
        lines += (line(inside, "quiet"),)
    return Node(name, "box", lines, "soft", tooltip=tooltip(place.model, module))


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
        (name, label)
        for name, label in ids(diagram)
        if ".".join(step for step in name.split(".") if not step.isdigit()) == path
    ]
    if not near:
        near = [(name, label) for name, label in ids(diagram) if _leads(path, name)]
    exact = [name for name, label in near if label == title] or [n for n, _ in near if n == path]
    return (exact or [name for name, _ in near] or [path])[0]


def parted(strip: Strip | None, model: Model, diagram: Diagram) -> Strip | None:
    """A strip of layers in parts, one for each frame, where its layers are those of towers side by
    side.
    """
    if strip is None or diagram.stacked is None:
        return strip
    frames = {node.id: node for node in diagram.nodes if node.inner is not None}
    holder = {
        inner.id: id for id, frame in frames.items() if frame.inner for inner in frame.inner.nodes
    }
    cells: dict[str, tuple[int, ...]] = dict.fromkeys(frames, ())
    seen = 0
    for child in model.root.children:
        if isinstance(child.part, Layers) and child.name in holder:
            cells[holder[child.name]] += strip.cells[seen : seen + child.length]
            seen += child.length
    if seen != len(strip.cells):
        return strip
    towers = tuple((plain(frames[id].lines[0]), len(own)) for id, own in cells.items())
    return replace(strip, cells=tuple(itertools.chain(*cells.values())), towers=towers)


_MOST_SWATCHES = 3


def choice_with(diagram: Diagram, block: int) -> tuple[Case, Node] | None:
    """The block of a choice that is a module, and the choice; None where none is."""
    for node in diagram.nodes:
        for case in node.cases:
            if case.block == block:
                return case, node
        found = choice_with(node.inner, block) if node.inner is not None else None
        if found:
            return found
    return None


def swatched(diagram: Diagram, strip: Strip | None) -> Diagram:
    """A tower whose choices show which kinds of layers of the strip have each of their blocks,
    where these are few and it is in all of their layers.
    """
    if strip is None:
        return diagram

    def of(case: Case) -> tuple[tuple[str, bool], ...]:
        kinds = [kind for kind in strip.kinds if kind.layers & case.layers]
        whole = frozenset[int]().union(*(kind.layers for kind in kinds)) == case.layers
        some = whole and len(kinds) <= min(_MOST_SWATCHES, len(strip.kinds) - 1)
        return tuple((kind.tone, kind.hatched) for kind in kinds) if some else ()

    def shown(node: Node) -> Node:
        cases = tuple(replace(case, swatches=of(case)) for case in node.cases)
        inner = swatched(node.inner, strip) if node.inner is not None else None
        return replace(node, cases=cases, inner=inner)

    stacked = swatched(diagram.stacked, strip) if diagram.stacked is not None else None
    return replace(diagram, nodes=tuple(map(shown, diagram.nodes)), stacked=stacked)


def _leads(path: str, name: str) -> bool:
    """Whether a node is where a wrapper at a path ends, which has no node of its own."""
    return ".".join(plain_path(name)) == f"{path}.merge"


def _stack(place: Place, child: Child, segments: tuple[Segment, ...], name: str) -> Node:
    """One group where all layers are built alike, groups within a group where they are not."""
    modules = [module for _, module in child.modules]
    opens = any(place.choice.opens(place.model, name, module, 1) for module in modules)
    asked = any(plain_path(path)[:1] == (name,) for path in place.choice.opened)
    closed = not asked and (name in place.shut or not any(map(wraps, modules)))
    if not opens or closed:
        return _shut(place, child, name)
    if len(modules) == 1 or _alike(modules):
        return _group(place, modules, [n for n, _ in child.modules], name)
    count = 1
    if len(segments) == 1 and not isinstance(segments[0].item, Module):
        segments, count = segments[0].item, segments[0].count
    inner = _segments(place, segments, name)
    return Node(name, "group", tone="frame", inner=inner, count=count)


def _shut(place: Place, child: Child, name: str) -> Node:
    """A stack as a box that says how many layers of which kind it holds."""
    kinds = child.modules
    counts: dict[str, int] = {}
    others = [module for _, module in kinds]
    for (count, _), called in zip(kinds, naming.kind_names(others), strict=True):
        counts[called] = counts.get(called, 0) + count
    if len(counts) == 1:
        lines: tuple[Line, ...] = (line(others[0].title, "ink", SEMIBOLD),)
        lines += (line(_times(others[0], child.length), "accent", SEMIBOLD),)
        inside = _mixing(others[0])
        lines += (line(inside, "quiet"),) if inside else ()
    else:
        lines = (line(naming.layers(child.length), "ink", SEMIBOLD),)
        rows = [f"{count:,} × {called}" for called, count in counts.items()]
        lines += tuple(line(text, "quiet") for text in rows[:_MOST_KINDS])
    return Node(name, "box", lines, "soft", tooltip=_layers_tooltip(place, kinds))


def _mixing(layer: Module) -> str:
    """What a closed layer has inside: the first settings of its attention or recurrence, and the
    mask that it was given; of a layer with a stack inside how many layers that has.
    """
    stacks = [c for c in layer.children if isinstance(c.part, Layers)]
    if stacks:
        return naming.layers(sum(child.length for child in stacks)) + " inside"
    for module in working(layer):
        if module.role in ("attention", "recurrence"):
            core = at_work(module)
            masks = [
                setting.value.title
                for child in core.children
                for _, inner in child.modules
                for setting in inner.settings
                if isinstance(setting.value, BlockValue) and "bool" in setting.kind
            ]
            return " · ".join([*naming.settings(core)[:2], *masks[:1]])
    return ""


def _times(module: Module, count: int) -> str:
    """How often a block stands one after the other: layers are counted as such."""
    return naming.layers(count) if module.role in WRAPPING else f"× {count:,}"


def _applied(module: Module) -> list[str]:
    """The submodules that a body applies, in order."""
    return [node.form.child for node in module.nodes if isinstance(node.form, Apply)]


def _layers_tooltip(place: Place, kinds: tuple[tuple[int, Module], ...]) -> str:
    described = [f"{n:,} × {tooltip(place.model, m)}" for n, m in kinds[:_MOST_KINDS]]
    return "; ".join(described)


def _alike(modules: list[Module]) -> bool:
    """Whether layers differ only in the blocks of their slots, in what these are given, and in one
    block that some of them lack.
    """
    full = _fullest(modules)
    skeleton = _applied(full)
    return all(
        module.block == full.block
        and _lists(module) == _lists(full)
        and _lacks(_applied(module), skeleton)
        for module in modules
    )


def _fullest(modules: list[Module]) -> Module:
    """The layer that applies the most blocks: those of the others stand in it too."""
    return max(modules, key=lambda module: len(_applied(module)))


def _lacks(applied: list[str], skeleton: list[str]) -> bool:
    """Whether a body applies what another one does, or all of it but one."""
    less_one = (skeleton[:at] + skeleton[at + 1 :] for at in range(len(skeleton)))
    return applied == skeleton or (bool(applied) and applied in less_one)


def _lists(module: Module) -> list[list[str]]:
    """What the blocks of each list in a body are called."""
    lists = (child.part for child in module.children if isinstance(child.part, ModuleList))
    return [[item.title for item in part.items] for part in lists]


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
    kinds = tuple(zip(counts, modules, strict=True))
    inside = replace(
        place,
        module=_fullest(modules),
        path=name,
        level=place.level + 1,
        kinds=tuple(Kind(n, m, frozenset((m.id,))) for n, m in kinds) if len(kinds) > 1 else (),
    )
    return Node(name, "group", tone="accent", inner=_ported(inside, name), count=sum(counts),
                tooltip=_layers_tooltip(place, kinds))  # fmt: skip
