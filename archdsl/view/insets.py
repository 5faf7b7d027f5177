"""Insets: blocks of the tower opened beside it, as circuits drawn from their bodies."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from archdsl import naming
from archdsl.graph import Child, Experts, Layers, Model, Module
from archdsl.record import replace
from archdsl.roles import at_work, chooses, slots, wraps
from archdsl.shown import Shown, plain_path, reached
from archdsl.text import SEMIBOLD, Line, Run, line, plain
from archdsl.view import words
from archdsl.view.circuit import branches, circuit, joins
from archdsl.view.draft import Place
from archdsl.view.tower import choice_with, ids, spot
from archdsl.view.types import Case, Diagram, Inset, Node

_OPENED_ROLES = ("attention", "recurrence", "convolution", "feed_forward", "router")
_BESIDE_LAYERS = ("embedding", "layer")
"""Roles of blocks beside the layers of a model that are worth an inset where they are unusual."""
_MIXING = ("attention", "recurrence", "convolution")
_MOST = 4


def insets(
    model: Model, shown: Diagram, choice: Shown, remarks: dict[str, str]
) -> tuple[Inset, ...]:
    """The insets that the card asks for, and those of the repeated blocks' mixers and
    feed-forwards, with what is unusual inside these.

    `shown` is the tower, whose nodes they open; what is open in it gets no inset. `remarks`:
    callouts by the path they speak of; one about an opened block is its inset's subtitle.
    """
    draft = _Insets(model, shown, choice, remarks, {name for name, _ in ids(shown)})
    for path in (*choice.insets, *choice.opened):
        for module in _apart(reached(model, path)):
            _open(draft, path, module, wanted=True)
    firsts, others = _candidates(model)
    for candidates in (firsts, others):
        for path, module in candidates:
            _open(draft, path, module)
        _open_inside(draft)
    _tell_towers(draft)
    parts = tuple(child for child in model.root.children if child.apart)
    beside = (_beside(model, child, choice, remarks.get(child.name, "")) for child in parts)
    return (*beside, *draft.opened.values())


@dataclass(slots=True)
class _Insets:
    """Insets in the making, by the path of what they open; `drawn`: the ids of the tower's nodes.
    `seen`: how those so far are built. `inside`: the blocks of which they are the circuits.
    """

    model: Model
    shown: Diagram
    choice: Shown
    remarks: dict[str, str]
    drawn: set[str]
    opened: dict[str, Inset] = field(default_factory=dict)
    seen: list[object] = field(default_factory=list)
    inside: list[tuple[tuple[str, ...], Module]] = field(default_factory=list)


def _tell_towers(draft: _Insets) -> None:
    """Where towers stand side by side, insets of blocks with one title say whose these are."""
    frames = {
        name: plain(node.lines[0])
        for node in draft.shown.nodes
        if draft.shown.stacked is not None and node.inner is not None and node.lines
        for name, _ in ids(node.inner)
    }
    titles = Counter(plain(inset.title) for inset in draft.opened.values())
    for key, inset in draft.opened.items():
        if titles[plain(inset.title)] > 1 and inset.target in frames:
            title = (*inset.title, Run(f" · {frames[inset.target]}", "quiet"))
            draft.opened[key] = replace(inset, title=title)


def _open(draft: _Insets, path: tuple[str, ...], module: Module, wanted: bool = False) -> None:
    """Add the inset of a block, if it is `wanted` or there is room and reason for one."""
    name = ".".join(plain_path(path))
    target = _target(draft.shown, name, module.title, draft.drawn)
    chosen = choice_with(draft.shown, module.id)
    if chosen is not None and chosen[0].node.id in draft.drawn:
        target = chosen[0].node.id
    if draft.choice.folds(draft.model, name, module) or _is_open(target, draft.drawn):
        return
    if not wanted and plain_path(target.removesuffix(".merge")) != plain_path(path):
        return
    if any(i.target == target and i.diagram.nodes for i in draft.opened.values()):
        return
    key = f"{name}.{len(draft.opened)}" if name in draft.opened else name
    place = Place(
        draft.model, at_work(module), f"inset.{key}.body", draft.choice, level=len(path) + 1
    )
    inset = _inset(place, target, draft.remarks.get(name, ""), not wanted)
    inset = replace(inset, title=(*line(module.title, "ink", SEMIBOLD), *_which(chosen)))
    built = _built(inset.diagram)
    if not wanted and built in draft.seen:
        return
    draft.seen.append(built)
    told = branches(inset.diagram) or joins(inset.diagram)
    if wanted or (len(draft.opened) < _MOST and told):
        draft.opened[key] = inset
        draft.inside.append((path, module))


def _which(chosen: tuple[Case, Node] | None) -> Line:
    """What tells an opened block of a choice from others of its title: " · window 128"."""
    if chosen is None:
        return ()
    case, choice = chosen
    same = [other for other in choice.cases if other.node.lines[:1] == case.node.lines[:1]]
    if len(same) < 2 or len(case.node.lines) < 2:
        return ()
    return line(f" · {plain(case.node.lines[1])}", "quiet")


def _open_inside(draft: _Insets) -> None:
    """Add insets of the blocks inside opened ones that do work of their own: indexers,
    compressors. No leader goes to them; they say inside of what they stand.
    """
    for path, outer in draft.inside:
        for name, module in _within(outer):
            here = (*path, name)
            key = ".".join(plain_path(here))
            place = Place(
                draft.model, module, f"inset.{key}.body", draft.choice, level=len(here) + 1
            )
            inset = _inset(place, "", draft.remarks.get(key, ""), True)
            built = _built(inset.diagram)
            if key in draft.opened or built in draft.seen or not branches(inset.diagram):
                continue
            draft.seen.append(built)
            if len(draft.opened) <= _MOST and not draft.choice.folds(draft.model, key, module):
                under = [f"inside {outer.title}", *naming.settings(module)[:3]]
                draft.opened[key] = replace(inset, subtitle=line(" · ".join(under), "quiet"))
    draft.inside.clear()


def _within(module: Module) -> list[tuple[str, Module]]:
    """The blocks inside one that mix tokens by maps of their own; not what one only wraps."""
    if wraps(module):
        return []
    return [
        (child.name, inner)
        for child in module.children
        if not child.inline
        for _, inner in child.modules
        if inner.role in _MIXING and inner.children
    ]


def _beside(model: Model, child: Child, choice: Shown, remark: str) -> Inset:
    """A part that stands apart, as a circuit to which no leader goes."""
    _, module = child.modules[0]
    place = Place(model, module, f"inset.{child.name}.body", choice, level=2)
    shown = _inset(place, "", remark, True)
    if remark:
        return shown
    about = "; ".join(part for part in (naming.about(module), "apart, not in the result") if part)
    return replace(shown, subtitle=line(about, "quiet"))


def _built(diagram: Diagram) -> object:
    """A circuit without what differs where two are built alike: its ids, its ends, its masks."""
    place = {node.id: number for number, node in enumerate(diagram.nodes)}
    silent = [node.form == "terminal" or node.tone == "strong" for node in diagram.nodes]
    nodes = tuple(
        (node.form, node.tone, () if quiet else node.lines)
        for node, quiet in zip(diagram.nodes, silent, strict=True)
    )
    wires = tuple((place[edge.source], place[edge.target], edge.form) for edge in diagram.edges)
    return nodes, wires


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


_Found = tuple[tuple[tuple[str, ...], Module], ...]


def _candidates(model: Model) -> tuple[_Found, _Found]:
    """The blocks that a card opens by itself, the most telling first: residual connections that
    are more than a sum, then mixers, routers, mixtures of experts and what is unusual beside the
    layers, feed-forwards; among them those that the fewest families have, of each slot that of the
    most layers; and then the others. Beside experts a plain feed-forward is ordinary. Of blocks of
    one title those with more inside come first.
    """
    blocks: dict[tuple[tuple[str, ...], int], tuple[int, int, Module]] = {}
    for child in model.root.children:
        for count, inner in () if child.apart else child.modules:
            if inner.role in _BESIDE_LAYERS and not wraps(inner) and not _rarity(inner):
                blocks[(child.name,), inner.id] = 1, count, inner
        for count, layer in child.modules if isinstance(child.part, Layers) else ():
            for path, inner in slots(layer):
                around = inner.role == "residual" and wraps(inner)
                unusual = inner.role == "embedding" and not _rarity(inner)
                if around or unusual or inner.role in _OPENED_ROLES:
                    where = (child.name, *path), inner.id
                    before = blocks.get(where, (0, 0, inner))[1]
                    first = 0 if around else 2 if inner.role == "feed_forward" else 1
                    blocks[where] = first, before + count, inner
    banked = any(chooses(inner) for _, _, inner in blocks.values())
    titled: dict[tuple[tuple[str, ...], str], int] = {}
    for (path, _), (_, count, inner) in blocks.items():
        titled[path, inner.title] = titled.get((path, inner.title), 0) + count
    kept = [
        (
            first,
            _rarity(inner),
            -titled[path, inner.title],
            -len(_within(inner)),
            -count,
            path,
            inner,
        )
        for (path, _), (first, count, inner) in blocks.items()
        if inner.role != "feed_forward" or chooses(inner) or not banked
    ]
    kept.sort(key=lambda row: row[:5])
    met: list[tuple[bool, int, tuple[str, ...], Module]] = []
    for *_, path, inner in kept:
        again = any(other.title == inner.title for *_, other in met)
        beside = sum(at == path and other.role == inner.role for _, _, at, other in met)
        met.append((again, beside, path, inner))
    met.sort(key=lambda row: row[:2])
    firsts = tuple((path, inner) for again, beside, path, inner in met if not (again or beside))
    others = tuple((path, inner) for again, beside, path, inner in met if again or beside)
    return firsts, others


def _rarity(module: Module) -> int:
    """0 for a block that few families have, 1 for one that many have: a third of those that come
    with the program.
    """
    used = _usage()
    return int(3 * used.get(at_work(module).block, 0) >= max(used.values(), default=0))


@lru_cache(maxsize=1)
def _usage() -> Mapping[str, int]:
    """How many of the families that come with the program have a block."""
    path = Path(__file__).parent.parent / "std" / "usage.json"
    counts: dict[str, int] = json.loads(path.read_text("utf-8"))
    return counts


def opened_roles(model: Model) -> tuple[str, ...]:
    """The names of the blocks that a card may open by itself, each once."""
    firsts, others = _candidates(model)
    return tuple(dict.fromkeys(module.block for _, module in (*firsts, *others)))


def _experts(module: Module) -> str:
    """What each expert of a bank is: "each expert a SwiGLU, hidden width 2,048"."""
    for child in module.children:
        if isinstance(child.part, Experts):
            expert = child.part.expert
            return ", ".join([f"each expert a {expert.title}", *naming.settings(expert)[:1]])
    return ""


def _inset(place: Place, target: str, remark: str, optional: bool) -> Inset:
    module = place.module
    about = "; ".join(part for part in (naming.about(module), _experts(module)) if part)
    subtitle = words.emphasised(remark) if remark else line(about, "quiet")
    tone: Literal["accent", "quiet"] = "accent" if module.role == "feed_forward" else "quiet"
    title = line(module.title, "ink", SEMIBOLD)
    return Inset(
        place.path.removesuffix(".body"), target, title, subtitle, circuit(place), tone, optional
    )
