"""Insets: blocks of the tower opened beside it, as circuits drawn from their bodies."""

from collections.abc import Iterator
from typing import Literal

from archdsl.elaborate.cards import reached
from archdsl.graph import Model, Module
from archdsl.text import SEMIBOLD, line
from archdsl.view import words
from archdsl.view.body import Place
from archdsl.view.choice import Choice, plain
from archdsl.view.circuit import branches, circuit
from archdsl.view.tower import ids, spot
from archdsl.view.types import Diagram, Inset

_OPENED_ROLES = ("attention", "recurrence", "convolution", "feed_forward")
_MOST = 4


def insets(
    model: Model, shown: Diagram, choice: Choice, remarks: dict[str, str]
) -> tuple[Inset, ...]:
    """The insets that the card asks for, and those of the repeated blocks' mixers and
    feed-forwards.

    `shown` is the tower, whose nodes they open; what is open in it gets no inset. `remarks`:
    callouts by the path they speak of; one about an opened block is its inset's subtitle.
    """
    found: dict[str, Inset] = {}
    drawn = {name for name, _ in ids(shown)}
    asked = [(path, True) for path in (*choice.insets, *choice.opened)]
    for path, wanted in (*asked, *((path, False) for path in _candidates(model))):
        for module in _apart(reached(model, path)):
            name = ".".join(plain(path))
            target = _target(shown, name, module.title, drawn)
            if choice.folds(model, name, module) or _is_open(target, drawn):
                continue
            if not wanted and plain(target) != plain(path):
                continue
            if any(i.target == target and i.diagram.nodes for i in found.values()):
                continue
            key = f"{name}.{len(found)}" if name in found else name
            place = Place(model, module, f"inset.{key}", choice, level=len(path) + 1)
            inset = _inset(place, target, remarks.get(name, ""))
            if wanted or (len(found) < _MOST and branches(inset.diagram)):
                found[key] = inset
    return tuple(found.values())


def _target(shown: Diagram, name: str, title: str, drawn: set[str]) -> str:
    """The node that stands for a path, or for the innermost block around it that is drawn."""
    steps = name.split(".")
    for length in range(len(steps), 0, -1):
        target = spot(shown, ".".join(steps[:length]), title if length == len(steps) else "")
        if target in drawn:
            return target
    return ""


def _is_open(target: str, drawn: set[str]) -> bool:
    """Whether a node is a frame with its circuit inside: it has ports."""
    return not target or f"{target}.in-0" in drawn


def _apart(modules: tuple[Module, ...]) -> list[Module]:
    """The first module of each title: those that differ in numbers alone have one circuit."""
    return list({module.title: module for module in reversed(modules)}.values())[::-1]


def _candidates(model: Model) -> Iterator[tuple[str, ...]]:
    """Paths of the blocks that a card opens by itself: the mixers and feed-forwards of layers."""
    for child in model.root.children:
        for _, layer in child.modules if child.segments else ():
            for inner in layer.children:
                if inner.module is not None and inner.module.role in _OPENED_ROLES:
                    yield child.name, inner.name


def opened_roles(model: Model) -> tuple[str, ...]:
    """The names of the blocks that a card may open by itself, each once."""
    found = (module for path in _candidates(model) for module in reached(model, path))
    return tuple(dict.fromkeys(module.block for module in found))


def _inset(place: Place, target: str, remark: str) -> Inset:
    module = place.module
    subtitle = words.emphasised(remark) if remark else line(words.about(module), "quiet")
    tone: Literal["accent", "quiet"] = "accent" if module.role == "feed_forward" else "quiet"
    title = line(module.title, "ink", SEMIBOLD)
    return Inset(place.path, target, title, subtitle, circuit(place), tone)
