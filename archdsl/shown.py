"""What a picture shows of a model: which view, how deep, what is open, what is folded.

    asked(view="compact")                         one column
    asked(view="detail:layers.mix")               the circuit of one block
    asked(depth=1, open=["layers.mix"])           stacks as boxes, the mixer open in its place

Options of a command and keywords of a program ask, a spec's `card` says the same once for all. An
ask goes before a directive, and both before what a card does by itself (`combined`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypedDict

from archdsl.diagnostic import nearest
from archdsl.graph import Model, Module
from archdsl.record import record

Path = tuple[str, ...]
"""A part of a model: names, and `[Block]` for the layers of that block in a stack."""

VIEWS = ("card", "compact", "block", "detail", "strip", "facts")
SHAPES = ("few", "insets", "all")
"""Which wires carry their shapes: those into the heart of an inset, all of insets, all."""
PARTS = ("header", "strip", "facts", "background")
"""Parts of a picture that can be left out."""
MOST_DEPTH = 9
"""The most levels of open blocks that can be asked for."""
DEPTHS = f"a number from 1 to {MOST_DEPTH}"
USUAL_DEPTH = 2
"""The depth where none is said: the root's parts are level 1, a layer's are level 2."""
_USUAL_VIEW, _USUAL_SHAPES = "card", SHAPES[0]


class Words(TypedDict, total=False):
    """What to show, as a command and a program say it: a view (`compact`, `detail:layers.mix`),
    how many levels of blocks are open, paths of blocks to open in place or to fold, whether all
    wires carry their shapes.
    """

    view: str
    depth: int
    open: Iterable[str]
    fold: Iterable[str]
    shapes: bool
    without: Iterable[str]


@record
class Shown:
    """What is shown. A field that says nothing leaves it to the model's card, and then to what a
    card does by itself.

    `view`: one of `VIEWS`. `detail`: the path of the block whose circuit is the picture, or a
    block's name. `depth`: how many levels of blocks are open. `insets`, `opened`, `folded`: blocks
    shown beside the tower, in it, and as closed boxes. `shapes`: one of `SHAPES`. `hidden`:
    operations that are left out. `without`: parts of a picture that are, of `PARTS`. `rows`: the
    rows of the panel of facts.
    """

    view: str = ""
    detail: Path = ()
    depth: int = 0
    insets: tuple[Path, ...] = ()
    opened: tuple[Path, ...] = ()
    folded: tuple[Path, ...] = ()
    shapes: str = ""
    hidden: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    rows: tuple[str, ...] = ()

    def opens(self, model: Model, name: str, module: Module, level: int) -> bool:
        """Whether a block at a level of the tower is shown open, in its place.

        `name` is the block's id: a path of the model with numbers for runs of layers.
        """
        if self.folds(model, name, module):
            return False
        here = plain_path(name)
        inside = any(
            len(plain_path(path)) > len(here) and plain_path(path)[: len(here)] == here
            for path in self.opened
        )
        return (
            inside
            or level < (self.depth or USUAL_DEPTH)
            or _leads(model, self.opened, name, module)
        )

    def folds(self, model: Model, name: str, module: Module) -> bool:
        """Whether a block is asked to stay a closed box."""
        return _leads(model, self.folded, name, module)


NOTHING = Shown()
"""Nothing is asked for."""


def asked(
    view: str = "",
    depth: int = 0,
    open: Iterable[str] = (),
    fold: Iterable[str] = (),
    shapes: bool = False,
    without: Iterable[str] = (),
) -> Shown:
    """What words ask for, see `Words`. Raises ValueError for a view, a depth or a path that there
    cannot be.
    """
    kind, _, block = view.replace(" ", ":").partition(":")
    if kind and (kind not in VIEWS or bool(block) != (kind == "detail")):
        known = ", ".join(f"{name}:BLOCK" if name == "detail" else name for name in VIEWS)
        raise ValueError(f"there is no view {view!r}: {known}")
    if depth not in range(MOST_DEPTH + 1):
        raise ValueError(f"a depth is {DEPTHS}")
    left_out = frozenset(without)
    if unknown := sorted(left_out - set(PARTS)):
        raise ValueError(f"a picture has no part {unknown[0]!r}: {', '.join(PARTS)}")
    return Shown(
        kind,
        _asked_path(block) if block else (),
        depth,
        opened=tuple(map(_asked_path, open)),
        folded=tuple(map(_asked_path, fold)),
        shapes="all" if shapes else "",
        without=left_out,
    )


def _asked_path(written: str) -> Path:
    path = path_of(written)
    if path is None:
        raise ValueError(f"there is no path {written!r}: {_PATH_FORM}")
    return path


def combined(model: Model, ask: Shown) -> Shown:
    """What is asked for, filled up with what the model's card says and then with what is usual.

    Raises ValueError for a path to open or to fold that leads nowhere.
    """
    for path in (*ask.opened, *ask.folded):
        if not reached(model, path):
            raise ValueError(no_part(model, path))
    card = _directed(model)
    view, detail = (ask.view, ask.detail) if ask.view else (card.view, card.detail)
    here = {*ask.opened, *ask.folded, *ask.insets}

    def both(asks: tuple[Path, ...], says: tuple[Path, ...]) -> tuple[Path, ...]:
        return asks + tuple(path for path in says if path not in here)

    return Shown(
        view or _USUAL_VIEW,
        detail,
        ask.depth or card.depth,
        both(ask.insets, card.insets),
        both(ask.opened, card.opened),
        both(ask.folded, card.folded),
        ask.shapes or card.shapes or _USUAL_SHAPES,
        ask.hidden | card.hidden,
        ask.without | card.without,
        ask.rows or card.rows,
    )


def _directed(model: Model) -> Shown:
    """What the directives of the model's card say."""

    def paths(word: str) -> tuple[Path, ...]:
        return tuple(path for d in model.card if d.word == word for path in d.paths)

    def names(word: str) -> tuple[str, ...]:
        return tuple(name for d in model.card if d.word == word for name in d.names)

    details, views = paths("detail"), names("view")
    depths = [d.number for d in model.card if d.word == "depth" and d.number is not None]
    return Shown(
        next(iter(views), "detail" if details else ""),
        next(iter(details), ()),
        next(iter(depths), 0),
        paths("inset"),
        paths("open"),
        paths("fold"),
        next(iter(names("shapes")), ""),
        frozenset(names("hide")),
        frozenset(names("without")),
        names("facts"),
    )


# --- paths: the parts of a model, by the names of its blocks --------------------------------------

_STEPS = re.compile(r"(?:^|\.)[A-Za-z_]\w*|\[[A-Za-z_]\w*\]")
_PATH_FORM = "a path is written layers.mix, or layers[Block].mix"
_MOST_PATHS = 12


def path_of(written: str) -> Path | None:
    """The path that a text such as `layers[Block].mix` writes, ("layers", "[Block]", "mix"); None
    for what is none.
    """
    steps = _STEPS.findall(written)
    if not steps or "".join(steps) != written or steps[0].startswith("["):
        return None
    return tuple(step.lstrip(".") for step in steps)


def plain_path(path: Path | str) -> Path:
    """The names of a path: without the numbers of runs and without what chooses among layers."""
    steps = path.split(".") if isinstance(path, str) else path
    return tuple(step for step in steps if not step.isdigit() and not step.startswith("["))


def _leads(model: Model, paths: Iterable[Path], name: str, module: Module) -> bool:
    """Whether one of the paths leads to this module by this name."""
    near = [path for path in paths if plain_path(path) == plain_path(name)]
    return any(module.id in {target.id for target in reached(model, path)} for path in near)


def reached(model: Model, path: Path) -> tuple[Module, ...]:
    """The modules that a path leads to, each once; none where it leads nowhere."""
    here = [model.root]
    for step in path:
        if step.startswith("["):
            here = [m for m in here if _is_a(m, step[1:-1])]
        else:
            here = [n for m in here for n in _named(m, step)]
        here = list({module.id: module for module in here}.values())
    return tuple(here)


def _named(module: Module, name: str) -> list[Module]:
    return [m for c in module.children if c.name == name for _, m in c.modules]


def _is_a(module: Module, block: str) -> bool:
    """Whether a layer is the block, or contains it directly."""
    return module.block == block or any(
        m.block == block for c in module.children for _, m in c.modules
    )


def no_part(model: Model, path: Path) -> str:
    """That a path leads nowhere, and what to write instead."""
    written = ".".join(path).replace(".[", "[") or "nothing"
    return f"{written} is no part of {model.id}: {ways(model, path or None)}"


def ways(model: Model, path: Path | None) -> str:
    """What to write instead of a path that leads nowhere; None is no path at all."""
    names = [child.name for child in model.root.children]
    if path is None:
        return _PATH_FORM
    hint = nearest(path[0], names) if path[0] not in names else ""
    return hint or f"the model's parts are {', '.join(_all_paths(model))}"


def _all_paths(model: Model) -> list[str]:
    """The first paths of the model, of one and of two steps."""
    paths: dict[str, None] = {}
    for child in model.root.children:
        paths.setdefault(child.name)
        for _, module in child.modules:
            for inner in module.children:
                if not inner.inline:
                    paths.setdefault(f"{child.name}.{inner.name}")
    return list(paths)[:_MOST_PATHS]
