"""What decoding computes with the first tokens only, and keeps.

if start == 0:
    k_BHNK = self.k_proj(memory).unflatten(2, (self.heads, self.d_head)).transpose(1, 2)
    remember(cache, k=k_BHNK)
else:
    k_BHNK = cache["k"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archdsl.emit import plan as p
from archdsl.emit.lines import Line, line
from archdsl.emit.names import safe
from archdsl.emit.spell import START, calling, listed, spelt
from archdsl.graph import Module
from archdsl.nodes import Cache, every_node

if TYPE_CHECKING:
    from archdsl.emit.body import Writer


def places(plan: p.Plan, module: Module) -> dict[int, str]:
    """The names under which what a module computes once is kept, by node."""
    used = {kept.name for kept in p.caching(plan, module).values()}
    used |= {safe(n.form.place) for n in every_node(module.nodes) if isinstance(n.form, Cache)}
    names: dict[int, str] = {}
    for i in plan.flow.kept(module):
        base = safe(module.nodes[i].name or "once")
        name, number = base, 2
        while name in used:
            name, number = f"{base}_{number}", number + 1
        used.add(name)
        names[i] = name
    return names


def block(w: Writer, statements: list[Line]) -> list[Line]:
    """The statements of what is computed once, under their condition."""
    kept = {name: w.values[i] for i, name in places(w.plan, w.module).items()}
    named = listed(spelt("{}={}", name, text) for name, text in kept.items())
    read = ", ".join(f'{w.store}["{name}"]' for name in kept)
    remember = line("{}", calling("remember", "{}, {}", w.store, named))
    return [
        line("if {} == 0:", START, block=[*statements, remember]),
        line("else:", block=[line("{} = {}", listed(kept.values()), read)]),
    ]
