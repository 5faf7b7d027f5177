"""Insets: blocks of the tower opened beside it, as circuits drawn from their bodies."""

from collections.abc import Iterator
from typing import Literal

from archdsl.graph import Model, Module
from archdsl.graph import Node as Value
from archdsl.text import SEMIBOLD, Line, line
from archdsl.view import words
from archdsl.view.body import Place, body
from archdsl.view.tower import computes, spot, tooltip
from archdsl.view.types import Diagram, Edge, Inset, Node

_OPENED_ROLES = ("attention", "recurrence", "convolution", "feed_forward")
_MOST = 4


def insets(
    model: Model,
    shown: Diagram,
    asked: tuple[tuple[str, ...], ...],
    folded: tuple[tuple[str, ...], ...],
    remarks: dict[str, str],
    hidden: frozenset[str],
) -> tuple[Inset, ...]:
    """The insets that the card asks for, and those of the repeated blocks' mixers and
    feed-forwards.

    `shown` is the tower, whose nodes they open. `remarks`: callouts by the path they speak of; one
    about an opened block is its inset's subtitle.
    """
    found: dict[str, Inset] = {}
    opened = {".".join(path): path for path in asked}
    for path, module in _candidates(model):
        name = ".".join(path)
        if path in folded or len(found) >= _MOST:
            continue
        key = f"{name}.{len(found)}" if name in found else name
        target = spot(shown, name, module.title)
        inset = _inset(Place(model, module, f"inset.{key}", hidden), target, remarks.get(name, ""))
        if name in opened or _branches(inset.diagram):
            found[key] = inset
    return tuple(found.values())


def _branches(diagram: Diagram) -> bool:
    """Whether a circuit is more than a row of steps, which a line of text says as well."""
    read = [edge.source for edge in diagram.edges]
    return len(read) > len(set(read))


def _candidates(model: Model) -> Iterator[tuple[tuple[str, ...], Module]]:
    """Blocks that a card may open: those that the layers of a stack apply, with their paths."""
    for child in model.root.children:
        seen: set[tuple[str, str]] = set()
        for _, layer in child.modules:
            for inner in layer.children:
                module = inner.module
                if module is None or module.role not in _OPENED_ROLES:
                    continue
                if (inner.name, module.title) not in seen:
                    seen.add((inner.name, module.title))
                    yield (child.name, inner.name), module


def _inset(place: Place, target: str, remark: str) -> Inset:
    module = place.module
    subtitle = words.emphasised(remark) if remark else line(words.about(module), "quiet")
    tone: Literal["accent", "quiet"] = "accent" if module.role == "feed_forward" else "quiet"
    title = line(module.title, "ink", SEMIBOLD)
    return Inset(place.path, target, title, subtitle, circuit(place), tone)


def circuit(place: Place) -> Diagram:
    """A block's body with the shapes of what enters and leaves."""
    model, module, path = place.model, place.module, place.path

    def entry(value: Value, name: str) -> Node:
        shown = f"{value.name} {words.shape(model, module, value.type)}"
        return Node(name, "terminal", (line(shown, "quiet"),))

    inner, outputs = body(place, entry, _applied, _wire_label)
    shape = words.shape(model, module, module.nodes[module.outputs[0]].type)
    above = Node(f"{path}.out", "terminal", (line(shape, "quiet"),))
    edges = (*inner.edges, *(Edge(output, above.id) for output in outputs))
    return Diagram((*inner.nodes, above), edges)


def _wire_label(place: Place, value: Value) -> Line:
    shape = words.shape(place.model, place.module, value.type)
    return line(f"{value.name} {shape}".strip(), "accent", SEMIBOLD)


def _applied(place: Place, value: Value, name: str) -> Node | None:
    """An application in a circuit: maps with their widths, functions as pills, the heart dark and
    wide.
    """
    _, module = place.module.child(value.child).modules[0]
    said = tooltip(place.model, module)
    match module.role:
        case "linear":
            width = place.model.shape(place.module, value.type)[-1]
            bound = words.phrase(value.child.removesuffix("_proj"))
            shown = f"{bound} · {width.value:,}" if width.value is not None else bound
            return Node(name, "box", (line(shown),), tooltip=said)
        case "attention" | "recurrence":
            return Node(
                name, "box", _heart(module), "strong", wide=len(value.args) > 1, tooltip=said
            )
        case "position" | "norm":
            return Node(name, "pill", (line(module.title),), tooltip=said)
        case "plumbing":
            return Node(name, "pill", (line(module.title),)) if computes(module) else None
        case _:
            return Node(name, "box", (line(module.title),), tooltip=said)


def _heart(module: Module) -> tuple[Line, ...]:
    """The title of the operation at the heart, and the masks that it was given."""
    masks = [
        str(setting.value)
        for setting in module.settings
        if setting.block and "bool" in setting.kind and setting.value
    ]
    return (line(", ".join([module.title, *masks]), "ink", SEMIBOLD),)
