"""One submodule for tensors that stream and for others: what it keeps has to be the same for both.

A whole axis has nothing to keep, so `cache k` and `cache k last w` change nothing there. But
`cache e every m` gives one entry for m tokens of a stream, and the entry of each token elsewhere:
one submodule cannot do both.
"""

from __future__ import annotations

from archdsl.diagnostic import Diagnostics
from archdsl.graph import Model, Module
from archdsl.nodes import Apply, Cache, every_node
from archdsl.source import Span
from archdsl.stream import modules


def check_streaming(model: Model, diagnostics: Diagnostics) -> None:
    """Reports submodules that keep entries of several tokens and are applied both ways."""
    reached = sorted(modules(model.root), key=lambda m: m.id)
    if not any(map(_keeps_entries, reached)):
        return
    uses: dict[object, list[tuple[Module, Span | None]]] = {}
    for module in reached:
        for node in every_node(module.nodes):
            if isinstance(node.form, Apply):
                for _, inner in module.child(node.form.child).at(node.form):
                    owner = inner.shared or (module.id, node.form.child)
                    uses.setdefault(owner, []).append((inner, node.span))
    for applied in uses.values():
        both = len({inner.streams for inner, _ in applied}) == 2
        if both and any(_keeps_entries(m) for inner, _ in applied for m in modules(inner)):
            inner, at = next((inner, at) for inner, at in applied if not inner.streams)
            message = f"{inner.title} keeps an entry for several tokens, and this is no stream"
            help = "bind another submodule for it: one that streams elsewhere cannot do both"
            diagnostics.add("unsupported", message, at, help=help)


def _keeps_entries(module: Module) -> bool:
    forms = (node.form for node in module.nodes)
    return any(isinstance(form, Cache) and form.every is not None for form in forms)
