"""Views of a part: the repeated block with its insets, or the circuit of one block."""

from collections.abc import Iterator

from archdsl import naming
from archdsl.facts import Facts
from archdsl.graph import Layers, Model, Module
from archdsl.nodes import Apply
from archdsl.record import replace
from archdsl.shown import USUAL_DEPTH, Shown, no_part, reached
from archdsl.text import Line, line
from archdsl.view import words
from archdsl.view.circuit import circuit, params
from archdsl.view.draft import Place
from archdsl.view.insets import insets
from archdsl.view.tower import ids, tower
from archdsl.view.types import Diagram, Edge, Node, View


def block(model: Model, facts: Facts, choice: Shown, head: View) -> View:
    """The repeated blocks without what stands below and above them, and their insets."""
    depth = max(choice.depth, USUAL_DEPTH) if choice.depth else 0
    whole = tower(model, replace(choice, depth=depth))
    groups = tuple(repeated(whole))
    if not groups:
        return replace(head, kind="block", tower=whole, insets=insets(model, whole, choice, {}))
    nodes: list[Node] = []
    edges: list[Edge] = []
    for number, group in enumerate(groups):
        below = Node(f"below.{number}", "terminal", (_width(model, group),))
        above = Node(f"above.{number}", "terminal", (_width(model, group),))
        nodes += [below, group, above]
        edges += [Edge(below.id, group.id), Edge(group.id, above.id)]
        if number:
            edges.append(Edge(f"above.{number - 1}", below.id, "above"))
    shown = Diagram(tuple(nodes), tuple(edges), roomy=True)
    drawn = {name for name, _ in ids(shown)}
    remarks = {
        ".".join(path): d.text for d in model.card if d.word == "callout" for path in d.paths
    }
    opened = tuple(i for i in insets(model, whole, choice, remarks) if i.target in drawn)
    return replace(head, kind="block", tower=shown, insets=opened,
                   subtitle=_layers(facts))  # fmt: skip


def standing_alone(model: Model, group: Node) -> Diagram:
    """A group of layers between what enters and what leaves it."""
    below = Node(f"{group.id}.below", "terminal", (_width(model, group),))
    above = Node(f"{group.id}.above", "terminal", (_width(model, group),))
    edges = (Edge(below.id, group.id), Edge(group.id, above.id))
    return Diagram((below, group, above), edges, roomy=True)


def repeated(diagram: Diagram) -> Iterator[Node]:
    """The groups of layers of a tower, the outermost that repeat."""
    for node in diagram.nodes:
        if node.inner is None:
            continue
        if node.count > 1 or node.tone == "accent":
            yield node
        else:
            yield from repeated(node.inner)


def _width(model: Model, group: Node) -> Line:
    """The shape of what passes from layer to layer of a group, or of the first that there is."""
    stacks = [
        value
        for value in model.root.nodes
        if isinstance(value.form, Apply)
        and isinstance(model.root.child(value.form.child).part, Layers)
    ]
    own = [
        v for v in stacks if isinstance(v.form, Apply) and v.form.child == group.id.split(".")[0]
    ]
    for value in [*own, *stacks]:
        return line(f"x {words.shape(model, model.root, value.types[0])}", "quiet")
    return line("x", "quiet")


def _layers(facts: Facts) -> Line:
    """What the layers are, and the parameters in them."""
    kinds: dict[int, tuple[int, Module]] = {}
    for count, module in facts.schedule:
        kinds[module.id] = kinds.get(module.id, (0, module))[0] + count, module
    held = sum(count * params(facts.model, module) for count, module in kinds.values())
    layers = (
        f"{naming.layers(facts.layers)} with {words.short(held)} of {words.short(facts.params)}"
    )
    return words.emphasised(f"{layers} parameters", "quiet")


def detail(model: Model, choice: Shown, head: View) -> View:
    """The circuit of one block, shapes on its wires.

    Raises ValueError where nothing is at the path, and none of the model's blocks has that name.
    """
    module = _asked(model, choice.detail)
    name = ".".join(choice.detail)
    everywhere = replace(choice, shapes="all")
    level = max(len(choice.detail), 2) + 1
    shown = circuit(Place(model, module, name, everywhere, level))
    about = [head.title, *naming.settings(module)[:4], naming.about(module)]
    count = params(model, module)
    if count:
        about.insert(1, f"{words.short(count)} parameters")
    under = "   ·   ".join(part for part in about if part)
    description = f"{module.title} of {model.name}: {count:,} parameters."
    return replace(
        head,
        kind="detail",
        name=f"{model.id}-{module.block}",
        title=module.title,
        tower=shown,
        subtitle=line(under, "quiet"),
        description=description,
    )


def _asked(model: Model, path: tuple[str, ...]) -> Module:
    """The block at a path, or the first of that block's name."""
    modules = reached(model, path) if path else ()
    if modules:
        return modules[0]
    if len(path) == 1:
        named = next((m for m in _all(model.root, set()) if m.block == path[0]), None)
        if named is not None:
            return named
    raise ValueError(no_part(model, path))


def _all(module: Module, seen: set[int]) -> Iterator[Module]:
    """Every module, the outer before the inner, each once."""
    if module.id in seen:
        return
    seen.add(module.id)
    yield module
    for child in module.children:
        for _, inner in child.modules:
            yield from _all(inner, seen)
