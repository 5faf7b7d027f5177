"""What a block is for, as far as a picture treats it differently: blocks that do the work, blocks
that stand around these.
"""

from collections.abc import Iterator

from archdsl.graph import Experts, Module

COMPUTING = ("attention", "recurrence", "convolution", "feed_forward", "router", "expert")
"""Roles of blocks that do the work."""
WRAPPING = ("layer", "residual")
"""Roles of blocks that stand around others."""


def wraps(module: Module) -> bool:
    """Whether a block stands around blocks that do the work: a layer, a residual connection."""
    return module.role in WRAPPING and any(
        inner.role in COMPUTING or wraps(inner)
        for child in module.children
        for _, inner in child.modules
    )


def slots(module: Module, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Module]]:
    """The blocks of a layer by their paths, those inside what only wraps others too."""
    for child in module.children:
        for _, inner in child.modules:
            here = (*path, child.name)
            if wraps(inner):
                yield from slots(inner, here)
            yield here, inner


def working(module: Module) -> Iterator[Module]:
    """The blocks that do the work in a layer, however deep it wraps them."""
    return (inner for _, inner in slots(module) if inner.role in COMPUTING)


def at_work(module: Module) -> Module:
    """The block of the same role that does all the work of one which only hands it something."""
    inner = [m for child in module.children for _, m in child.modules]
    if len(inner) == 1 and inner[0].role == module.role and not module.params:
        return at_work(inner[0])
    return module


def chooses(module: Module) -> bool:
    """Whether a block chooses among experts, which makes the plain ones beside it ordinary."""
    return any(isinstance(child.part, Experts) for child in module.children)
