"""Circuits: a block's body drawn small, maps with their widths, functions as pills, what is kept.

x [T, 4096] ── q · 4,096 ── RoPE ──┐
            ── k · 1,024 ── RoPE ── cached k ── Scaled dot-product attention ── o · 4,096
"""

from archdsl import naming
from archdsl.graph import BlockValue, Child, Experts, Model, Module, ModuleList
from archdsl.nodes import Apply, Window
from archdsl.nodes import Node as Value
from archdsl.ops import OPS
from archdsl.record import replace
from archdsl.roles import COMPUTING, working, wraps
from archdsl.text import REGULAR, SEMIBOLD, Line, line
from archdsl.view import steps, words
from archdsl.view.body import body
from archdsl.view.draft import Place, Splice, child_item, child_of, result
from archdsl.view.types import Diagram, Edge, Node

_OPENED = ("attention", "recurrence", "convolution", "router", "feed_forward", "expert", "layer")
_SHARED = ("feed_forward", "expert")
_HEARTS = ("attention", "recurrence")
_MOST_TITLES = 4
"""Kinds of blocks side by side that a box names."""


def circuit(place: Place) -> Diagram:
    """A block's body with the shapes of what enters and leaves. What only passes through, beside
    its first result, is not drawn.
    """
    model, module, path = place.model, place.module, place.path

    def entry(value: Value, name: str) -> Node:
        shown = f"{words.called(value)} {words.shape(model, module, value.type)}"
        return Node(name, "terminal", (line(shown, "quiet"),))

    inner, outputs = body(place, entry, applied, wire_label, place.choice.shapes != "few")
    ends = list(inner.edges)
    nodes = list(inner.nodes)
    for number, out in enumerate(outputs):
        if number > 0 and module.outputs[number] in module.inputs:
            continue
        shape = words.shape(model, module, module.nodes[module.outputs[number]].type)
        above = Node(f"{path}.out-{number}", "terminal", (line(shape, "quiet"),))
        nodes.append(above)
        which = result(module, module.outputs[number])
        ends += [Edge(source, above.id, result=which) for source in out]
    wired = {end for edge in ends for end in (edge.source, edge.target)}
    kept = (n for n in nodes if n.form != "terminal" or n.id in wired or not wired)
    return Diagram(tuple(kept), tuple(ends))


def opened(place: Place, title: str, tooltip: str) -> Node:
    """A block's circuit in a frame, to stand in its place."""
    path = place.path
    below, above = Node(f"{path}.in-0", "port"), Node(f"{path}.out-0", "port")
    first = place.module.nodes[place.module.inputs[0]]

    def entry(value: Value, name: str) -> Node:
        shown = line(words.called(value), "quiet")
        return below if value is first else Node(name, "terminal", (shown,))

    inner, outputs = body(place, entry, applied, wire_label, place.choice.shapes == "all")
    nodes = (below, *(node for node in inner.nodes if node is not below))
    ends = (*inner.edges, *(Edge(source, above.id) for out in outputs for source in out))
    shown = Diagram((*nodes, above), ends)
    return Node(path, "group", (line(title, "ink", SEMIBOLD),), "frame", inner=shown,
                tooltip=tooltip)  # fmt: skip


def wire_label(place: Place, value: Value, port: str) -> Line:
    """What a value is called where it arrives, or else where it comes from, and its shape."""
    shape = words.shape(place.model, place.module, value.type)
    return line(f"{words.called(value, port)} {shape}".strip(), "accent", SEMIBOLD)


def shape_label(place: Place, value: Value, _: str) -> Line:
    """A value's shape, beside its wire."""
    return line(words.shape(place.model, place.module, value.type), "quiet")


def applied(place: Place, value: Value, name: str) -> Node | Splice | None:
    """An application in a circuit: maps with their widths, functions as pills, the heart dark and
    wide.
    """
    child = place.module.child(child_of(value))
    assert isinstance(value.form, Apply)
    (_, module), *others = child.at(value.form)
    if is_side_by_side(child, value):
        if module.role in _HEARTS:
            box = Node(name, "box", _heart(place.model, module), "strong", wide=len(value.args) > 1)
        elif module.role == "linear" and not others:
            box = Node(name, "box", (width_label(place, value),))
        else:
            box = Node(name, "box", (line(module.title),))
        return side_by_side(place, value, box)
    described = tooltip(place.model, module, place.module, value)
    if place.module.role == "residual" and (module.role in COMPUTING or wraps(module)):
        about = "what the connection goes round: attention, or experts"
        return Node(name, "box", (line("sublayer"),), "soft", tooltip=about)
    if module.role in _OPENED and module.children and not child.inline:
        inside = replace(place, module=module, path=name, level=place.level + 1)
        if place.choice.opens(place.model, name, module, place.level):
            shown = opened(inside, module.title, described)
            empty = shown.inner is None or all(n.form == "port" for n in shown.inner.nodes)
            if not empty:  # what positions alone decide has nothing to draw
                return shown
    match module.role:
        case "linear":
            if len(module.children) > 1 and not child.inline:
                return _spliced(place, value, module, name)
            label: tuple[Line, ...] = (width_label(place, value),)
            if any(len(param.type.axes) > 2 for param in module.params):
                label = (*label, line(module.title, "quiet"))
            return Node(name, "box", label, tooltip=described)
        case role if role in _HEARTS:
            wide = len(value.args) > 1
            caches = words.kept_inside(place.model, module)
            label = _heart(place.model, module)
            if caches:
                label = (*label, line(f"caches {' and '.join(caches)}", "quiet"))
            return Node(name, "box", label, "strong", wide=wide, tooltip=described)
        case "position" | "norm":
            return Node(name, "pill", (line(module.title),), tooltip=described)
        case "embedding" if len(module.params) == 1:
            rows = words.numbers(place.model, module, module.params[0].type)
            return Node(name, "box", (line(module.title), line(rows, "quiet")), tooltip=described)
        case "layer":
            parts = " · ".join(dict.fromkeys(part.title for part in working(module)))
            under = (line(parts, "quiet"),) if parts else ()
            title = line(module.title, "ink", SEMIBOLD if parts else REGULAR)
            return Node(name, "box", (title, *under), tooltip=described)
        case "plumbing" if computes(module):
            return Node(name, "pill", (function_label(module),))
        case "plumbing":  # of several results each comes from what it is made of
            return _spliced(place, value, module, name) if len(module.outputs) > 1 else None
        case role if role in _SHARED and _beside_a_bank(place.module, child):
            lines = (line("shared expert"), line(module.title, "quiet"))
            return Node(name, "box", lines, "shared", tooltip=described)
        case "router":
            picked = " · ".join([*naming.selection(module), *naming.reals(module)])
            lines = (line(module.title), *((line(picked, "quiet"),) if picked else ()))
            return Node(name, "box", lines, tooltip=described)
        case _:
            return Node(name, "box", (line(module.title),), tooltip=described)


def is_side_by_side(child: Child, value: Value) -> bool:
    """Whether an application is that of all blocks of a list at once."""
    return isinstance(child.part, ModuleList) and child_item(value) is None


def side_by_side(place: Place, value: Value, box: Node) -> Node:
    """All blocks of a list in one box, with how many they are; `box` is that of the first."""
    assert isinstance(value.form, Apply)
    kinds = place.module.child(child_of(value)).at(value.form)
    total = sum(count for count, _ in kinds)
    counts: dict[str, int] = {}
    for count, module in kinds:
        counts[module.title] = counts.get(module.title, 0) + count
    if len(counts) == 1:
        first, *under = box.lines
        lines: tuple[Line, ...] = ((*line(f"{total:,} × ", "accent", SEMIBOLD), *first), *under)
    else:
        box = replace(box, tone="plain", badges=())
        rows = [f"{n:,} × {title}" if n > 1 else title for title, n in counts.items()]
        rest = [] if len(rows) <= _MOST_TITLES else [f"and {len(rows) - _MOST_TITLES} more"]
        lines = (line(f"{total:,} side by side", "ink", SEMIBOLD),)
        lines += tuple(line(row, "quiet") for row in [*rows[:_MOST_TITLES], *rest])
    described = [f"{n:,} × {tooltip(place.model, m)}" for n, m in kinds[:_MOST_TITLES]]
    shape = words.shape(place.model, place.module, value.type)
    about = "; ".join([*described, f"side by side, together {shape}"])
    return replace(box, lines=lines, tooltip=about)


def _spliced(place: Place, value: Value, module: Module, name: str) -> Splice:
    """A map made of several, as these: "q down", "q up"."""
    bound = naming.phrase(child_of(value).removesuffix("_proj"))
    inside = replace(place, module=module, path=name, level=place.level + 1, within=bound)
    ports = {module.nodes[at].name: f"{name}.in-{n}" for n, at in enumerate(module.inputs)}
    inner, outputs = body(inside, lambda given, _: Node(ports[given.name], "port"), applied, None)
    return Splice(inner, tuple(ports.values()), outputs)


def _beside_a_bank(module: Module, child: Child) -> bool:
    """Whether a block works on every token where others are chosen from a bank."""
    return any(isinstance(other.part, Experts) for other in module.children if other is not child)


def width_label(place: Place, value: Value) -> Line:
    """A map by the name that it is bound to and the width of what it gives: "gate · 18,432"."""
    bound = naming.phrase(child_of(value).removesuffix("_proj"))
    item = child_item(value)
    bound = bound if item is None else f"{bound} {item}"
    words = f"{place.within} {bound}" if place.within else bound
    shape = place.model.shape(place.module, value.type)
    width = shape[-1].value if shape else None
    return line(f"{words} · {width:,}" if width is not None else words)


def _heart(model: Model, module: Module) -> tuple[Line, ...]:
    """The title of the operation at the heart, the masks that it was given, and its numbers where
    they are not 1 by the root of a width of its inputs, as is usual.
    """
    masks = [
        setting.value.title
        for setting in module.settings
        if isinstance(setting.value, BlockValue) and "bool" in setting.kind
    ]
    numbers = [
        f"{naming.phrase(setting.name)} {steps.written(setting.value)}"
        for setting in module.settings
        if isinstance(setting.value, float)
        if naming.speaks(setting) and not _is_root_of_width(model, module, setting.value)
    ]
    return (line(", ".join([module.title, *masks, *numbers]), "ink", SEMIBOLD),)


def _is_root_of_width(model: Model, module: Module, number: float) -> bool:
    """Whether a number is 1 by the root of a width of an input, as scores are scaled."""
    widths = {
        axis.value
        for at in module.inputs
        for axis in model.shape(module, module.nodes[at].type)
        if axis.value
    }
    return any(abs(number * width**0.5 - 1) < 1e-6 for width in widths)


def function_label(module: Module) -> Line:
    """A block that is a function, with its numbers: "Softcap 30"."""
    numbers = [s.value for s in module.settings if naming.speaks(s)]
    said = [steps.written(number) for number in numbers if isinstance(number, float)]
    return line(" ".join([module.title, ", ".join(said)]).strip())


def computes(module: Module) -> bool:
    """Whether a block of plumbing does more than move numbers: some operation of it has a label, or
    it looks back.
    """
    return any(
        isinstance(node.form, Window) or (node.op and OPS[node.op].label) for node in module.nodes
    )


def branches(diagram: Diagram) -> bool:
    """Whether a circuit is more than a row of steps, which a line of text says as well."""
    read = [edge.source for edge in diagram.edges]
    return len(read) > len(set(read)) or any(node.wide for node in diagram.nodes)


def joins(diagram: Diagram) -> bool:
    """Whether several inputs come together in a circuit."""
    entered = [edge.target for edge in diagram.edges]
    return len(entered) > len(set(entered))


def tooltip(
    model: Model, module: Module, parent: Module | None = None, value: Value | None = None
) -> str:
    """A block's title, what its documentation says first, the shape it gives, its parameters."""
    about = naming.about(module)
    count = params(model, module)
    parts = [module.title, *([about] if about else [])]
    if parent is not None and value is not None and value.types:
        parts.append(f"gives {words.shape(model, parent, value.type)}")
    return " · ".join([*parts, *([f"{count:,} parameters"] if count else [])])


def params(model: Model, module: Module) -> int:
    """A module's parameters, those it shares with others too."""
    own = 0
    for param in module.params:
        if param.kind == "param":
            size = 1
            for axis in model.shape(module, param.type):
                size *= axis.value or 1
            own += size
    inside = (pair for child in module.children if not child.apart for pair in child.modules)
    return own + sum(count * params(model, inner) for count, inner in inside)
