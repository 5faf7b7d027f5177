"""Lines of `hub ... config`: what they map exists, what they use is known before them.

hub M "m" { config { heads <- .num_heads  kv_heads <- .num_kv_heads ?? heads } ... }
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl import syntax as s
from archdsl.check.names import CALLED, CONSTANTS
from archdsl.check.scope import words
from archdsl.check.values import Block
from archdsl.diagnostic import Diagnostics, Label, nearest
from archdsl.ops import OPS
from archdsl.reals import FUNCTIONS
from archdsl.record import fields


def check_hub(block: Block, hub: s.HubDecl, diagnostics: Diagnostics) -> None:
    """Reports mappings of what is no setting, settings without a value, and unknown names."""
    settings = {x.name.name: x for x in block.decl.settings}
    known = {*block.globals, *CONSTANTS, *OPS, *FUNCTIONS, *CALLED}
    known |= {word for x in block.decl.settings for word in words(x.kind)}
    mapped: set[str] = set()
    for rule in hub.config:
        for name in _names(rule.value if isinstance(rule, s.Mapping | s.Require) else rule.keys):
            if name.name not in known | mapped:
                late = name.name in settings
                help = "map it before" if late else nearest(name.name, known | mapped)
                what = "is not mapped yet" if late else "is unknown here"
                diagnostics.add("unknown-name", f"{name.name} {what}", name.span, help=help)
        if not isinstance(rule, s.Mapping):
            continue
        name = rule.name
        if name.name not in settings:
            hint = nearest(name.name, settings)
            message = f"{block.name} has no setting {name.name}"
            diagnostics.add("unknown-setting", message, name.span, help=hint)
        elif name.name in mapped:
            diagnostics.add("duplicate-name", f"{name.name} is mapped twice", name.span)
        mapped.add(name.name)
    for missing in (
        x for x in settings.values() if x.default is None and x.name.name not in mapped
    ):
        diagnostics.add(
            "hub-config",
            f"no line maps {missing.name.name}, which has no default",
            hub.model.span,
            labels=(Label(missing.name.span, "declared here"),),
            help=f"add: {missing.name.name} <- .key",
        )


def _names(node: object, bound: frozenset[str] = frozenset()) -> Iterator[s.Name]:
    """The names that an expression uses; those of settings, keys and loops are no uses."""
    match node:
        case s.Name(name):
            if name not in bound:
                yield node
        case s.Key():
            return
        case s.Field(value):
            yield from _names(value, bound)
        case s.Arg(value, clauses=clauses):
            inner = bound
            for clause in clauses:
                yield from _names(clause.source, inner)
                inner |= {name.name for name in clause.names}
                yield from _names(clause.tests, inner)
            yield from _names(value, inner)
        case s.Case(labels, value):
            yield from _names(value, bound)
            yield from (n for n in _names(labels, bound))
        case tuple():
            for item in node:
                yield from _names(item, bound)
        case _:
            for part in fields(node):
                if part not in ("span", "source"):
                    yield from _names(getattr(node, part), bound)
