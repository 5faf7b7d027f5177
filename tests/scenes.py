"""Every view of every spec, laid out once in a run: positions are the same in all themes."""

from collections.abc import Iterator
from functools import cache

from archdsl import theme
from archdsl.graph import Module
from archdsl.nodes import Scan
from archdsl.pipeline import Variant
from archdsl.record import replace
from archdsl.scene.card import card
from archdsl.scene.shapes import Scene
from archdsl.shown import Shown, asked
from archdsl.view import View, view
from archdsl.view.insets import opened_roles
from models import variants

KINDS = ("card", "compact", "block", "strip", "facts")
DEPTHS = (1, 3, 4, 5)
"""Depths of a card beside the usual one."""


def modules(module: Module) -> Iterator[Module]:
    """A module and all inside it, each once."""
    seen = {module.id: module}
    waiting = [module]
    while waiting:
        for child in waiting.pop().children:
            fresh = [inner for _, inner in child.modules if inner.id not in seen]
            seen |= {inner.id: inner for inner in fresh}
            waiting += fresh
    return iter(seen.values())


def details(variant: Variant) -> list[str]:
    """The blocks of a model that have a circuit worth a picture, each name once."""
    recurrent = (module.block for module in modules(variant.model.root) if scans(module))
    names = dict.fromkeys((*opened_roles(variant.model), *recurrent))
    return [f"detail:{name}" for name in names]


def scans(module: Module) -> bool:
    return any(isinstance(node.form, Scan) for node in module.nodes)


@cache
def views(name: str) -> dict[str, Shown]:
    """Every view of a variant, and a card at each depth and with all shapes."""
    kinds = {kind: asked(kind) for kind in (*KINDS, *details(variants()[name]))}
    depths = {f"depth {depth}": asked("card", depth=depth) for depth in DEPTHS}
    return kinds | depths | {"shapes": asked("card", shapes=True)}


@cache
def shown(name: str, kind: str) -> View:
    """A view of a variant, by its name in `views` or as the command line takes it."""
    variant = variants()[name]
    return view(variant.model, variant.facts, views(name).get(kind) or asked(kind))


@cache
def scene(name: str, kind: str) -> Scene:
    """The same in the light theme, as shapes with positions."""
    seen = shown(name, kind)
    return card(seen, theme.light(hue(seen)))


def painted(name: str, kind: str, colours: str) -> Scene:
    """The same in another theme: what changes is colours alone."""
    dyed = theme.THEMES[colours](hue(shown(name, kind)))
    return replace(scene(name, kind), palette=dyed.colours, night=dyed.night)


def hue(seen: View) -> str:
    return seen.accent or seen.maker
