"""Blocks of the tower as boxes, pills and choices: what they are called, what acts inside them."""

from collections.abc import Iterator

from archdsl import masks, naming, text
from archdsl.graph import Model, Module, Single
from archdsl.nodes import Apply, Input, Positions
from archdsl.nodes import Node as Value
from archdsl.record import replace
from archdsl.roles import COMPUTING, at_work, chooses
from archdsl.shown import USUAL_DEPTH
from archdsl.text import Line, line
from archdsl.view import words
from archdsl.view.circuit import (
    branches,
    circuit,
    computes,
    function_label,
    opened,
    tooltip,
    width_label,
)
from archdsl.view.draft import Kind, Place, child_of
from archdsl.view.types import Badge, Case, Node, Sketch, Tone

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
_MOST_HEADS = 128
"""Heads that are drawn one by one."""
_BADGED = ("position", "norm")
"""Roles of blocks that are badges of the block that they act in."""


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
        return Node(name, "pill", (function_label(module),)) if computes(module) else None
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
    place: Place, value: Value, kinds: tuple[Kind, ...], name: str, lacking: bool
) -> Node | None:
    """A slot that holds different blocks in different layers: its blocks side by side. `lacking`:
    other layers have none.
    """
    same = [kind.module for kind in kinds]
    titles = [module.title for module in same]
    alike = len(set(titles)) == 1
    differing: list[list[str]] = [[] for _ in same]
    for title in dict.fromkeys(titles):
        group = [number for number, shown in enumerate(titles) if shown == title]
        found_here = naming.differences([same[number] for number in group], _BADGED)
        for number, said_of in zip(group, found_here, strict=True):
            differing[number] = said_of if len(group) > 1 else []
    given = _given(same)
    sparse = any(map(chooses, same))
    cases = tuple(
        _case(place, kind, f"{name}.{number}", differences, given, sparse, number > 1)
        for number, (kind, differences) in enumerate(zip(kinds, differing, strict=True), 1)
    )
    box = _box(place, same[0], name)
    if alike and not given and not any(differing) and not lacking:
        return box  # they differ by numbers that no card tells
    if len(cases) > _MOST_CASES and alike:
        total = sum(kind.count for kind in kinds)
        return replace(box, lines=(*box.lines[:1], line(f"{total:,} of different sizes", "quiet")))
    cases = _numbered(cases, same)
    shared = set.intersection(*({badge.label for badge in case.node.badges} for case in cases))
    badges = tuple(badge for badge in cases[0].node.badges if badge.label in shared)
    described = tooltip(place.model, same[0], place.module, value)
    return Node(
        name,
        "choice",
        cases=tuple(_badged(case, shared) for case in cases),
        badges=badges,
        tooltip=described,
    )


def _numbered(cases: tuple[Case, ...], modules: list[Module]) -> tuple[Case, ...]:
    """The blocks of a choice, with the numbers of positions that differ between them in the badges:
    "RoPE, base 10,000".
    """
    numbers: list[dict[str, str]] = []
    for module in modules:
        inside = [inner for _, inner in _inside(at_work(module)) if inner.role == "position"]
        numbers.append({m.title: ", ".join([m.title, *naming.reals(m)[:1]]) for m in inside})
    labels: dict[str, set[str]] = {}
    for titled in numbers:
        for title, label in titled.items():
            labels.setdefault(title, set()).add(label)

    def named(badge: Badge, titled: dict[str, str]) -> Badge:
        title = text.plain(badge.label)
        differs = len(labels.get(title, ())) > 1
        return replace(badge, label=line(titled[title], "ink", 600)) if differs else badge

    return tuple(
        replace(
            case,
            node=replace(case.node, badges=tuple(named(b, titled) for b in case.node.badges)),
        )
        for case, titled in zip(cases, numbers, strict=True)
    )


def _badged(block: Case, shared: set[Line]) -> Case:
    """A block of a choice with what acts inside it alone in a line of its box; what acts inside all
    of the choice is `shared`, and stands at the side of its frame.
    """
    node = block.node
    own = [text.plain(badge.label) for badge in node.badges if badge.label not in shared]
    more = (line(" · ".join(own), "ink", 600),) if own else ()
    return replace(block, node=replace(node, lines=(*node.lines, *more), badges=()))


def _given(modules: list[Module]) -> bool:
    """Whether the blocks of a choice are given different things by the layers before."""
    return len({module.context for module in modules}) > 1


def _case(
    place: Place,
    kind: Kind,
    name: str,
    differences: list[str],
    given: bool,
    sparse: bool,
    another: bool,
) -> Case:
    """A block of a choice, under the number of layers that have it. `differences` tell it from the
    others where its title does not. `given`: it says what it is given, for others are given
    something else. `sparse`: beside experts a plain feed-forward is ordinary, and quiet. `another`:
    it is not the first.
    """
    module = kind.module
    node = _box(place, module, name)
    if sparse and module.role == "feed_forward" and not chooses(module):
        node = replace(node, tone="plain")
    lines = node.lines
    if differences:
        known = [word for word in naming.settings(module) if word not in differences]
        more = [line(" · ".join(known[:3]), "quiet")] if known else []
        lines = (lines[0], line(" · ".join(differences[:2]), "accent", 600), *more)
    if given and module.context:
        lines = (*lines, line(f"given {', '.join(map(naming.phrase, module.context))}", "quiet"))
    tone = "accent" if node.tone in ("soft", "strong") else "quiet"
    label = line(f"{'or, in' if another else 'in'} {naming.layers(kind.count)}", tone, 600)
    return Case(replace(node, lines=lines), label, kind.layers, module.id)


def _box(place: Place, module: Module, name: str) -> Node:
    return Node(
        name,
        "box",
        words.label(module),
        _TONES.get(module.role, "plain"),
        badges=_badges(place, module, name),
        tooltip=tooltip(place.model, module),
        sketch=_sketch(place.model, module) if module.role == "attention" else None,
    )


def _sketch(model: Model, module: Module) -> Sketch | None:
    """What an attention sees and its heads, as far as they are known."""
    seen, heads = masks.seen(model, module), masks.heads(model, module)
    if seen is None and heads is None:
        return None
    shown = heads if heads is not None and heads.queries <= _MOST_HEADS else None
    return Sketch(
        seen.rows if seen else (),
        seen.tokens if seen else 0,
        shown.queries if shown else 0,
        shown.kept if shown else 0,
        shown.latent if shown else False,
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
    applied = [node for node in root.nodes if isinstance(node.form, Apply)]
    made_by = [(node, root.child(child_of(node)).modules[0][1]) for node in applied]
    last = [(node, module) for node, module in made_by if module.role != "plumbing"][-1:]
    return any(node is value and module.role == "linear" for node, module in last)


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


def _badges(place: Place, module: Module, name: str) -> tuple[Badge, ...]:
    """What acts inside a block and is known by a name of its own: positions, norms. Attention that
    has no positions says so, where the same block has them elsewhere or nothing else has any.
    """
    if module.role not in ("attention", "recurrence"):
        return ()
    positions: dict[str, Badge] = {}
    norms: dict[str, Badge] = {}
    for path, inner in _inside(at_work(module)):
        badge = Badge(f"{name}.{path}", line(inner.title, "ink", 600), naming.about(inner))
        if inner.role == "position":
            positions.setdefault(inner.title, badge)
        elif inner.role == "norm":
            norms.setdefault(_normed(path), badge)
    root = place.model.root
    bare = module.role == "attention" and not _tells_positions(root, set())
    if not positions and (bare or _has_positions(root, module.block, set())):
        about = "no position embedding: the order of tokens is in the mask alone"
        positions["NoPE"] = Badge(f"{name}.position", line("NoPE", "ink", 600), about)
    return (*positions.values(), *_norm_badges(norms))


def _normed(path: str) -> str:
    """The name of a norm, that of the map in a chain with one: `q_proj.norm` is `q_norm`."""
    around, _, name = path.rpartition(".")
    of_map = around.endswith("_proj") and not name.endswith("_norm")
    return f"{around.rpartition('.')[2].removesuffix('_proj')}_norm" if of_map else name


_QKV = "qkvxyz"
"""The order in which norms of a letter each are said."""


def _norm_badges(norms: dict[str, Badge]) -> list[Badge]:
    """Norms by what they norm, where the name of one ends in `_norm`: "QK-norm", "q-norm, kv-norm".
    Others have their titles.
    """
    acted_on = [name.removesuffix("_norm") for name in norms if name.endswith("_norm")]
    badges = {
        text.plain(badge.label): badge
        for name, badge in norms.items()
        if not name.endswith("_norm")
    }
    if acted_on:
        short = max(map(len, acted_on)) == 1
        label = "".join(sorted(acted_on, key=_QKV.find)).upper() if short else ""
        label = f"{label}-norm" if label else ", ".join(f"{word}-norm" for word in acted_on)
        first = next(badge for name, badge in norms.items() if name.endswith("_norm"))
        badges[label] = replace(first, label=line(label, "ink", 600))
    return list(badges.values())


def _inside(module: Module, path: str = "") -> Iterator[tuple[str, Module]]:
    """The blocks that a block is made of by their paths, but not those inside other blocks that do
    the work, and not what masks are made of. A block without maps is made of those of its role.
    """
    masks = {s.name for s in module.settings if "bool" in s.kind}
    maps = any(m.role == "linear" for child in module.children for _, m in child.modules)
    closed = [role for role in (*COMPUTING, *_BADGED) if maps or role != module.role]
    for child in module.children:
        for _, inner in child.modules if child.name not in masks else ():
            here = f"{path}{child.name}"
            yield here, inner
            if inner.role not in closed:
                yield from _inside(inner, f"{here}.")


def _has_positions(module: Module, block: str, seen: set[int]) -> bool:
    """Whether somewhere in a module a block of this name has positions."""
    if module.id in seen:
        return False
    seen.add(module.id)
    if module.block == block and any(inner.role == "position" for _, inner in _inside(module)):
        return True
    return any(
        _has_positions(inner, block, seen)
        for child in module.children
        for _, inner in child.modules
    )


def _tells_positions(module: Module, seen: set[int]) -> bool:
    """Whether something in a module but masks tells where tokens stand: a block for positions, or
    one that reads them.
    """
    if module.id in seen or _is_mask(module):
        return False
    seen.add(module.id)
    reads = any(_reads(module, node) for node in module.nodes)
    return (
        module.role == "position"
        or reads
        or any(
            _tells_positions(inner, seen) for child in module.children for _, inner in child.modules
        )
    )


def _reads(module: Module, value: Value) -> bool:
    """Whether a value comes from positions, but not through a mask."""
    if not any(isinstance(module.nodes[arg].form, Positions) for arg in value.args):
        return False
    if not isinstance(value.form, Apply):
        return True
    return not all(_is_mask(m) for _, m in module.child(value.form.child).modules)


def _is_mask(module: Module) -> bool:
    """Whether a block says which keys are seen."""
    return all(module.nodes[at].type.dtype == "bool" for at in module.outputs)
