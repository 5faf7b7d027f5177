"""Blocks of the tower as boxes, pills and choices: what they are called, what acts inside them."""

from archdsl import naming
from archdsl.graph import Module, Single
from archdsl.nodes import Apply, Input, Positions
from archdsl.nodes import Node as Value
from archdsl.record import replace
from archdsl.roles import COMPUTING, chooses
from archdsl.shown import USUAL_DEPTH
from archdsl.text import Line, line
from archdsl.view import words
from archdsl.view.circuit import branches, circuit, computes, opened, tooltip, width_label
from archdsl.view.draft import Place, child_of
from archdsl.view.types import Badge, Case, Node, Tone

_TONES: dict[str, Tone] = {
    "norm": "quiet",
    "attention": "strong",
    "recurrence": "strong",
    "convolution": "strong",
    "feed_forward": "soft",
    "router": "soft",
    "expert": "soft",
}
_MOST_CASES = 4


def block(place: Place, value: Value, module: Module, name: str) -> Node | None:
    """A block in the tower: a pill if a function, its circuit if that is asked for, else a box."""
    inside = replace(place, module=module, path=name, level=place.level + 1, kinds=())
    described = tooltip(place.model, module, place.module, value)
    if (
        module.role in COMPUTING
        and place.choice.opens(place.model, name, module, max(place.level, USUAL_DEPTH))
        and branches(circuit(inside))
    ):
        return opened(inside, module.title, described)
    if place.bare and (module.role in ("linear", "plumbing") or not _owns(module)):
        return None
    if module.role == "plumbing" and not module.params:
        return Node(name, "pill", (line(module.title),)) if computes(module) else None
    return replace(titled(place, value, module, name), tooltip=described)


def titled(place: Place, value: Value, module: Module, name: str) -> Node:
    """A block in the tower as a closed box: a table and the head by what they are for, a map by the
    name that it is bound to.
    """
    node = _box(place, module, name)
    if module.role == "embedding":
        tone: Tone = "quiet" if _reads_positions(place.module, value) else "plain"
        return replace(node, lines=(line(_table(place.module, value, module)),), tone=tone)
    if place.module is place.model.root and _is_head(place.module, value):
        return replace(node, lines=_head(place.module, value, module))
    if module.role == "linear":
        return replace(node, lines=(width_label(place, value),))
    return node


def _owns(module: Module) -> bool:
    """Whether a block has anything of its own, or only computes."""
    return bool(module.params or module.children)


def choice_of(
    place: Place, value: Value, kinds: tuple[tuple[int, Module], ...], name: str
) -> Node | None:
    """A slot that holds different blocks in different layers: its blocks side by side."""
    same = [module for _, module in kinds]
    titles = [module.title for module in same]
    alike = len(set(titles)) == 1
    differing: list[list[str]] = [[] for _ in same]
    for title in dict.fromkeys(titles):
        group = [number for number, shown in enumerate(titles) if shown == title]
        found_here = naming.differences([same[number] for number in group])
        for number, said_of in zip(group, found_here, strict=True):
            differing[number] = said_of if len(group) > 1 else []
    given = _given(same)
    sparse = any(map(chooses, same))
    cases = tuple(
        _case(place, count, module, f"{name}.{number}", differences, given, sparse)
        for number, ((count, module), differences) in enumerate(
            zip(kinds, differing, strict=True), 1
        )
    )
    box = _box(place, same[0], name)
    if alike and not given and not any(differing):
        return box  # they differ by numbers that no card tells
    if len(cases) > _MOST_CASES and alike:
        total = sum(count for count, _ in kinds)
        return replace(box, lines=(*box.lines[:1], line(f"{total:,} of different sizes", "quiet")))
    badges = {
        badge.label: badge
        for number, module in reversed(list(enumerate(same, 1)))
        for badge in _badges(module, f"{name}.{number}")
    }
    said_here = tooltip(place.model, same[0], place.module, value)
    return Node(name, "choice", cases=cases, badges=tuple(badges.values()), tooltip=said_here)


def _given(modules: list[Module]) -> bool:
    """Whether the blocks of a choice are given different things by the layers before."""
    return len({module.context for module in modules}) > 1


def _case(
    place: Place,
    count: int,
    module: Module,
    name: str,
    differences: list[str],
    given: bool,
    sparse: bool,
) -> Case:
    """A block of a choice, under the number of layers that have it. `said` tells it from the others
    where its title does not. `given`: it says what it is given, for others are given something
    else. `sparse`: beside experts a plain feed-forward is ordinary, and quiet.
    """
    node = _box(place, module, name)
    if sparse and module.role == "feed_forward" and not chooses(module):
        node = replace(node, tone="plain")
    lines = node.lines
    if differences:
        known = [word for word in naming.settings(module) if word not in differences]
        more = [line(" · ".join(known[:3]), "quiet")] if known else []
        lines = (lines[0], line(" · ".join(differences[:2]), "accent", 600), *more)
    if given and module.context:
        lines = (*lines, line(f"given {', '.join(module.context)}", "quiet"))
    tone = "accent" if node.tone in ("soft", "strong") else "quiet"
    return Case(replace(node, lines=lines), line(naming.layers(count), tone, 600))


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
    return all(isinstance(parent.nodes[arg].form, Positions) for arg in value.args)


def _table(parent: Module, value: Value, module: Module) -> str:
    """An embedding by what it embeds: "Token embedding"."""
    source = parent.nodes[value.args[0]] if len(value.args) == 1 else None
    if source is not None and isinstance(source.form, Input | Positions):
        noun = (source.name if isinstance(source.form, Input) else "positions").removesuffix("s")
        return f"{noun.replace('_', ' ').capitalize()} {module.title.lower()}"
    return module.title


def _is_head(root: Module, value: Value) -> bool:
    last = [node for node in root.nodes if isinstance(node.form, Apply)][-1:]
    return value in last and root.child(child_of(value)).modules[0][1].role == "linear"


def _head(root: Module, value: Value, module: Module) -> tuple[Line, ...]:
    """The output layer, and what it is tied to."""
    first = line(f"{module.title} output layer")
    for _, path in root.child(child_of(value)).ties:
        other = next((v for v in root.nodes if child_of(v) == path[0]), None)
        table = root.child(path[0]).part
        shown = path[0]
        if other is not None and isinstance(table, Single):
            shown = _table(root, other, table.module).lower()
        return first, line(f"tied to the {shown}", "quiet")
    return (first,)


def _badges(module: Module, name: str) -> tuple[Badge, ...]:
    """What acts inside a block and is known by a name of its own: positions, norms of queries and
    keys.
    """
    badges: dict[str, Badge] = {}
    norms: list[str] = []
    for child in module.children:
        for _, inner in child.modules:
            if inner.role == "position":
                badge = Badge(
                    f"{name}.{child.name}", line(inner.title, "ink", 600), naming.about(inner)
                )
                badges.setdefault(inner.title, badge)
            if inner.role == "norm" and child.name.endswith("_norm"):
                norms.append(child.name.removesuffix("_norm"))
    if norms and module.role in ("attention", "recurrence"):
        label = f"{''.join(norms).upper() if max(map(len, norms)) == 1 else norms[0]}-norm"
        badges[label] = Badge(f"{name}.norm", line(label, "ink", 600))
    return tuple(badges.values())
