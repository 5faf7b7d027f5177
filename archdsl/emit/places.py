"""Places for what decoding keeps: `new_cache` of a class."""

from __future__ import annotations

from archdsl.dims import Dim
from archdsl.emit import plan as p
from archdsl.emit.body import Writer
from archdsl.emit.calls import root
from archdsl.emit.lines import Line, line
from archdsl.emit.names import safe
from archdsl.emit.precomputed import places
from archdsl.emit.repeat import empty, state_places
from archdsl.emit.spell import (
    ATOM,
    PLUS,
    Text,
    listed,
    spelt,
)
from archdsl.graph import Layers, Module, ModuleList
from archdsl.nodes import Cache, Node, Scan, Window, every_node
from archdsl.record import record
from archdsl.symbols import BATCH, SEEN, is_open


def new_cache_lines(plan: p.Plan, writer: Writer) -> list[Line]:
    """The method that allocates what a block keeps, or nothing."""
    module = writer.module
    if not plan.keeps(module):
        return []
    block = [
        line('"""Empty places for `length` tokens of `batch` sequences."""'),
        *returned(places_kept(plan, module, writer)),
    ]
    head = "def new_cache(self, batch: int, length: int, **kind: Any) -> Any:"
    return [line(""), line(head, block=block)]


@record
class Places:
    """What a block keeps: the place of the only thing, or places by name."""

    entries: tuple[tuple[str, Text], ...]
    alone: bool = False

    def lines(self, begin: str) -> list[Line]:
        """A statement that begins so and ends with the places."""
        if self.alone:
            return [line("{}{}", begin, self.entries[0][1])]
        rows = [line('    "{}": {},', name, place) for name, place in self.entries]
        return [line("{}{}", begin, "{"), *rows, line("{}", "}")]


def returned(kept: Places) -> list[Line]:
    """The statement that returns the places."""
    return kept.lines("return ") if kept.entries else [line("return None")]


def places_kept(plan: p.Plan, module: Module, writer: Writer) -> Places:
    """The places of a module and its children."""
    entries: list[tuple[str, Text]] = []
    for node in every_node(module.nodes):
        match node.form:
            case Cache(place) as form:
                sizes = _places(node, form, writer)
                entries.append((safe(place), empty(sizes, node.type.dtype)))
            case Window() | Scan() if module.streams:
                entries += state_places(writer, node, _sizes(writer))
    entries += [(name, Text("None")) for name in places(plan, module).values()]
    own = bool(entries)
    inner = p.caching(plan, module)
    for kept in inner.values():
        name = f"self.{safe(kept.child.name)}"
        if isinstance(kept.child.part, Layers):
            each = Text("layer.new_cache(batch, length, **kind)")
            value = spelt("[{} for layer in {}]", each, name)
        elif isinstance(kept.child.part, ModuleList):
            value = _side_by_side(plan, kept, name)
        else:
            value = Text(f"{name}.new_cache(batch, length, **kind)")
        for rounds in reversed(kept.rounds):
            value = spelt("[{} for _ in range({})]", value, writer.dim(rounds))
        entries.append((kept.name, value))
    return Places(tuple(entries), not own and len(inner) == 1)


def _side_by_side(plan: p.Plan, kept: p.KeptApplication, name: str) -> Text:
    """The places of one block of a list, or of all of them, None for a block that keeps nothing."""
    new = "new_cache(batch, length, **kind)"
    if kept.form.item is not None:
        return Text(f"{name}[{kept.form.item}].{new}")
    keeps = [plan.keeps(m) for m in p.side_by_side(kept.child, kept.form)]
    if all(keeps):
        return Text(f"[f.{new} for f in {name}]")
    each = (f"{name}[{k}].{new}" if keep else "None" for k, keep in enumerate(keeps))
    return spelt("[{}]", listed(each))


def _sizes(writer: Writer) -> dict[str, Text]:
    """The lengths of axes that inputs bring, where there is no input: from the Config."""
    sizes = {BATCH: Text("batch")}
    for name in p.free_axes(writer.module):
        value = writer.module.symbols.dims.get(name)
        if value is not None and not is_open(value):
            sizes[name] = root(value).at(PLUS)
    return sizes


def _places(node: Node, cache: Cache, writer: Writer) -> Text:
    special = {**_sizes(writer), SEEN: Text("length")}
    if cache.every is not None:
        special[SEEN] = spelt("length // {}", writer.dim(cache.every).at(ATOM))
    if cache.last is not None:
        special[SEEN] = spelt("min(length, {})", writer.dim(cache.last))
    sizes = []
    for axis in node.type.axes:
        if isinstance(axis, Dim):
            name = SEEN if SEEN in axis.symbols() else axis.name or ""
            sizes.append(special.get(name) or writer.dim(axis))
    return listed(sizes)
