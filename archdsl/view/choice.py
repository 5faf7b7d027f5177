"""What a reader asks to see of a model: which view, how deep, what opened, what folded.

A card's directives say so in the spec and options say so for one picture; an option goes before a
directive, and both before what the card does by itself.

    Choice(view="compact")                        one column
    Choice(depth=1)                               stacks as boxes
    Choice(opened=(("layers", "mix"),))           the mixer's circuit in its place in the tower
"""

from collections.abc import Iterable

from archdsl.elaborate.cards import MOST_DEPTH, VIEWS, path_of, reached, ways
from archdsl.graph import Model, Module
from archdsl.record import record

__all__ = ["NOTHING", "Choice", "ask", "chosen", "plain"]

Paths = tuple[tuple[str, ...], ...]
LAYERS_OPEN = 2
"""The depth of a card that says none: the root's parts are level 1, a layer's are level 2."""


@record
class Choice:
    """What is shown. Nothing said means what a card does by itself.

    `view`: one of `elaborate.cards.VIEWS`. `detail`: the path of the block whose circuit is the
    picture. `depth`: how many levels of blocks are open. `insets`, `opened`, `folded`: paths of
    blocks shown beside the tower, in it, and as closed boxes. `shapes`: which wires carry theirs.
    `hidden`: operations that are left out. `rows`: the rows of the panel of facts.
    """

    view: str = ""
    detail: tuple[str, ...] = ()
    depth: int = 0
    insets: Paths = ()
    opened: Paths = ()
    folded: Paths = ()
    shapes: str = ""
    hidden: frozenset[str] = frozenset()
    rows: tuple[str, ...] = ()

    def opens(self, model: Model, path: str, module: Module, level: int) -> bool:
        """Whether a block at a level of the tower is shown open, in its place.

        `path` is the block's id: a path of the model with numbers for runs of layers.
        """
        if _said(model, self.folded, path, module):
            return False
        inside = any(
            len(found) > len(plain(path)) and plain(found)[: len(plain(path))] == plain(path)
            for found in self.opened
        )
        return (
            inside or level < (self.depth or LAYERS_OPEN) or _said(model, self.opened, path, module)
        )

    def folds(self, model: Model, path: str, module: Module) -> bool:
        """Whether a block is asked to stay a closed box."""
        return _said(model, self.folded, path, module)


NOTHING = Choice()
"""What is asked for where nothing is said."""


def ask(
    model: Model,
    view: str = "",
    depth: int = 0,
    open: Iterable[str] = (),
    fold: Iterable[str] = (),
    shapes: bool = False,
) -> Choice:
    """A choice from words, as options and programs give them: `view="detail:layers.mix"`.

    Raises ValueError for a view, a depth or a path that there is not.
    """
    kind, _, block = view.replace(" ", ":").partition(":")
    if kind and (kind not in VIEWS or bool(block) != (kind == "detail")):
        shown = ", ".join(f"{name}:BLOCK" if name == "detail" else name for name in VIEWS)
        raise ValueError(f"there is no view {view!r}: {shown}")
    if depth not in range(MOST_DEPTH + 1):
        raise ValueError(f"a depth is a number from 1 to {MOST_DEPTH}")
    detail = _path(model, block, must=False) if block else ()
    return Choice(
        kind,
        detail,
        depth,
        opened=tuple(_path(model, path) for path in open),
        folded=tuple(_path(model, path) for path in fold),
        shapes="all" if shapes else "",
    )


def _path(model: Model, written: str, must: bool = True) -> tuple[str, ...]:
    path = path_of(written)
    if path is None or (must and not reached(model, path)):
        raise ValueError(f"{written} is no part of {model.id}: {ways(model, path)}")
    return path


def plain(path: tuple[str, ...] | str) -> tuple[str, ...]:
    """The names of a path: without the numbers of runs and without what chooses among layers."""
    steps = path.split(".") if isinstance(path, str) else path
    return tuple(step for step in steps if not step.isdigit() and not step.startswith("["))


def _said(model: Model, paths: Paths, name: str, module: Module) -> bool:
    """Whether one of the paths leads to this module by this name."""
    near = [path for path in paths if plain(path) == plain(name)]
    return any(module.id in {found.id for found in reached(model, path)} for path in near)


def chosen(model: Model, asked: Choice) -> Choice:
    """What is asked for, filled up with what the model's card says."""
    said = model.card
    number = next((d.number for d in said if d.word == "depth" and d.number is not None), 0)

    def paths(word: str) -> Paths:
        return tuple(path for d in said if d.word == word for path in d.paths)

    def names(word: str) -> tuple[str, ...]:
        return tuple(name for d in said if d.word == word for name in d.names)

    view, detail = asked.view, asked.detail
    if not view:
        view = next(iter(names("view")), "detail" if paths("detail") else "card")
        detail = detail or next(iter(paths("detail")), ())
    here = {*asked.opened, *asked.folded, *asked.insets}
    return Choice(
        view,
        detail,
        asked.depth or number,
        asked.insets + tuple(path for path in paths("inset") if path not in here),
        asked.opened + tuple(path for path in paths("open") if path not in here),
        asked.folded + tuple(path for path in paths("fold") if path not in here),
        asked.shapes or next(iter(names("shapes")), "few"),
        asked.hidden | frozenset(names("hide")),
        asked.rows or names("facts"),
    )
