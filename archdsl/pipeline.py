"""The corridor: every stage in order, from a text to a checked model, a card and a module.

    checked = check_path(Path("specs/x.arch"), "specs/x.arch")
    checked.diagnostics                      what is wrong, () for a spec that checks
    checked.variants[0].facts.params         an int
    checked.variants[0].svg()                a card

A block is checked twice, with symbols and with numbers. Where both find fault with one place, the
concrete message is the better one: it has names and numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Unpack

from archdsl import elaborate, parser
from archdsl.check import work
from archdsl.check.body import check_block
from archdsl.check.hubs import check_hub
from archdsl.check.recursion import check_recursion
from archdsl.diagnostic import Diagnostic, Diagnostics, Label, SpecError
from archdsl.dims import TooLarge
from archdsl.facts import Costs, Facts, check_expectations
from archdsl.graph import BlockValue, Model, Value
from archdsl.record import record, replace
from archdsl.resolver import Library, Unit, importable
from archdsl.shown import Shown, Words, asked
from archdsl.source import Source, Span

if TYPE_CHECKING:
    from archdsl.facts.model import Served
    from archdsl.facts.serving import Serving
    from archdsl.parts import ByPath, Layer, Parameter, Submodule
    from archdsl.render.svg import Fonts
    from archdsl.scene.shapes import Scene

THEMES = ("light", "dark", "print", "auto")
_OF_WHOLE_MODELS = ("unknown-path", "hub-weights")
"""What is said of the parts of a model, which cannot be said where some could not be read."""

_GENERIC_ONLY_IF_ALONE = ("unknown-equality", "shape-mismatch")


@dataclass(frozen=True, eq=False, repr=False)
class Variant:
    """A variant that checks. Drawings and code are made when they are asked for.

    What a picture shows is said in words, `view="detail:layers.mix"` or `depth=1`: see
    `shown.Words`. `facts` are the counts, by name.
    """

    model: Model
    facts: Facts
    unit: Unit

    @property
    def id(self) -> str:
        """The name of the variant in its spec."""
        return self.model.id

    @property
    def name(self) -> str:
        """What readers call it."""
        return self.model.name

    @cached_property
    def settings(self) -> Mapping[str, Value | BlockValue]:
        """The settings of the model by name, in its order: numbers, truths, words, tuples, blocks
        with their own settings.
        """
        return MappingProxyType({s.name: s.value for s in self.model.root.settings})

    @cached_property
    def modules(self) -> ByPath[Submodule]:
        """The parts of the model by path: `modules["layers.mix.q_proj"]`, of layers that differ
        `modules["layers.3.feed"]`.
        """
        from archdsl.parts import submodules

        return submodules(self.model)

    @cached_property
    def parameters(self) -> ByPath[Parameter]:
        """The trained tensors by path, as the state dict of the emitted module names them."""
        from archdsl.parts import parameters

        return parameters(self.model)

    @cached_property
    def buffers(self) -> ByPath[Parameter]:
        """The tensors that are in checkpoints and not trained, as `parameters`."""
        from archdsl.parts import parameters

        return parameters(self.model, "buffer")

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in order, each with its kind."""
        from archdsl.parts import layers

        return layers(self.model)

    def facts_at(self, context: int | None = None, batch: int = 1) -> Costs:
        """Cache and FLOPs at `context` tokens, those that the variant states where none are given,
        of `batch` sequences. Raises ValueError for a number below 1 and where no context is known.
        """
        return self.facts.at(context, batch)

    def serving(
        self, context: int | str | None = None, batch: int = 1, **how: Unpack[Served]
    ) -> Serving:
        """What it takes to serve the model: see `facts.serving`."""
        return self.facts.serving(context, batch, **how)

    def with_(self, id: str = "", /, **settings: object) -> Variant:
        """Another variant, with other values of some settings, as `variant ID = THIS with (...)`.

        A value is a number, a truth, a list, or the text of an expression: `kind="full"`,
        `position="Rope(64, base: 1e6)"`, with the names that the spec has in sight. The name is
        made of the settings where none is given. Raises `diagnostic.SpecError` where the variant
        does not check, and ValueError or TypeError for a value that has no text.
        """
        return changed(self, id, settings)

    def svg(
        self,
        *,
        theme: str = "light",
        width: str | None = None,
        box: str | None = None,
        scale: float = 1.0,
        prefix: str | None = None,
        text: Literal["font", "path"] = "font",
        font: str | None = None,
        **words: Unpack[Words],
    ) -> str:
        """The card as SVG, `width` wide (`85mm`). Raises ValueError for a wrong size, theme or
        view. `prefix`: put before every id, the variant's name when nothing is said. `text`: with
        its font in the file, or as outlines (path). `font`: the file of one for characters that
        the shipped one lacks.
        """
        from archdsl.render.svg import lending, to_svg

        fonts: Fonts = "outlines" if text == "path" else "embedded"
        with lending(font):
            scene = replace(self.scene(theme, width, box, **words), font=font or "")
            return to_svg(scene, width=width, scale=scale, fonts=fonts, prefix=prefix)

    def png(
        self,
        *,
        theme: str = "light",
        width: str | None = None,
        box: str | None = None,
        scale: float = 2.0,
        dpi: float | None = None,
        font: str | None = None,
        **words: Unpack[Words],
    ) -> bytes:
        """The card as PNG, `scale` pixels for each of the SVG's, or `width` wide at so many dots an
        inch. Raises ValueError for a wrong size, theme or view.
        """
        from archdsl.render.png import to_png
        from archdsl.render.svg import lending

        with lending(font):
            scene = replace(self.scene(theme, width, box, **words), font=font or "")
            return to_png(scene, width=width, scale=scale, dpi=dpi)

    def pdf(
        self,
        *,
        theme: str = "light",
        width: str | None = None,
        box: str | None = None,
        scale: float = 1.0,
        font: str | None = None,
        **words: Unpack[Words],
    ) -> bytes:
        """The card as PDF. Raises ValueError for a wrong size, theme or view, and
        `render.missing.MissingLibrary` where the system has no cairo.
        """
        from archdsl.render.pdf import to_pdf
        from archdsl.render.svg import lending

        with lending(font):
            scene = replace(self.scene(theme, width, box, **words), font=font or "")
            return to_pdf(scene, width=width, scale=scale)

    @property
    def tiny(self) -> Model | None:
        """The model of the same structure at the size that its `tiny` gives, at which emitted code
        tests itself; None where nothing gives one.
        """
        return self._tiny[0]

    @cached_property
    def _tiny(self) -> tuple[Model | None, tuple[Diagnostic, ...]]:
        """The tiny model, and what is wrong with it."""
        diagnostics = Diagnostics()
        model = elaborate.tiny(self.unit, self.model, diagnostics)
        return model, tuple(diagnostics.items)

    def caption(self) -> tuple[str, str]:
        """The model's name, and sentences with the facts that readers of a figure ask for."""
        from archdsl.view.caption import caption

        return caption(self.model, self.facts)

    def torch(self) -> str:
        """The text of a Python file that needs only torch and builds the model."""
        from archdsl.emit import emit

        return emit(self.model, self.tiny)

    def scene(
        self,
        theme: str = "light",
        width: str | None = None,
        box: str | None = None,
        **words: Unpack[Words],
    ) -> Scene:
        """The picture as shapes with positions, as `drawn` makes it."""
        return drawn(self, asked(**words), theme, width, box).scene

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        from archdsl.parts import short

        return f"<{short(self.id)}: {short(self.name)}, {self.facts.params:,} parameters>"


def drawn(
    variant: Variant,
    ask: Shown,
    theme: str = "light",
    width: str | None = None,
    box: str | None = None,
) -> Drawn:
    """A picture of a variant as shapes with positions.

    In a `box`, two lengths or a ratio of two numbers, it shows what has room in text of 6 pt. At a
    `width` at which its text would be smaller it is laid out for that width, in the height that
    suits it. Raises ValueError for a theme, a part of the model or a size that there is not, and
    for a box that is too small.
    """
    from archdsl import theme as themes
    from archdsl.layout.column import COLUMNS
    from archdsl.scene.card import card
    from archdsl.scene.shapes import LEAST_POINTS, smallest
    from archdsl.view import view

    if theme not in THEMES:
        raise ValueError(f"there is no theme {theme!r}: {' or '.join(THEMES)}")
    if box is not None:
        return _figure(variant, ask, theme, *_sides(box))
    paper = 0.0
    if width is not None:
        from archdsl.render.svg import pixels

        paper = pixels(width) / 96.0 * 25.4
    shown = view(variant.model, variant.facts, ask)
    if shown.kind in COLUMNS:
        shown = replace(shown, millimetres=paper)
    scene = card(shown, themes.THEMES[theme](shown.accent or shown.maker))
    if paper and shown.kind not in COLUMNS and smallest(scene, paper) < LEAST_POINTS:
        with suppress(ValueError):  # where no figure has room, the card is drawn small
            return _figure(variant, ask, theme, paper, 0.0)
    return Drawn(scene)


def _figure(variant: Variant, ask: Shown, theme: str, width: float, height: float) -> Drawn:
    """A picture for a place of so many millimetres; without a height in that which suits it."""
    from archdsl import theme as themes
    from archdsl.layout.figure import PIXELS_A_MILLIMETRE, Frame
    from archdsl.scene.card import figure
    from archdsl.view.offers import offered

    shown, offers = offered(variant.model, variant.facts, ask)
    colours = themes.THEMES[theme](shown.accent or shown.maker)
    frame = Frame(width * PIXELS_A_MILLIMETRE, height * PIXELS_A_MILLIMETRE)
    scene, missing = figure(shown, offers, colours, frame)
    return Drawn(scene, missing)


def beside(variants: Iterable[Variant], ask: Shown, theme: str, box: str) -> Drawn:
    """Figures of several variants side by side in a box, composed alike and on one baseline. The
    same facts are told of each.

    Raises ValueError for a theme, a part of a model or a box that there is not, and for a box that
    is too small.
    """
    from archdsl import theme as themes
    from archdsl.layout.figure import PIXELS_A_MILLIMETRE, Frame
    from archdsl.scene.card import series
    from archdsl.view.offers import offered, with_common_facts

    if theme not in THEMES:
        raise ValueError(f"there is no theme {theme!r}: {' or '.join(THEMES)}")
    width, height = _sides(box)
    pairs = [offered(variant.model, variant.facts, ask) for variant in variants]
    views = with_common_facts(tuple(view for view, _ in pairs))
    colours = tuple(themes.THEMES[theme](view.accent or view.maker) for view in views)
    frame = Frame(width * PIXELS_A_MILLIMETRE, height * PIXELS_A_MILLIMETRE)
    scene, missing = series(views, tuple(offers for _, offers in pairs), colours, frame)
    return Drawn(scene, missing)


def _sides(box: str) -> tuple[float, float]:
    """The width and height of a box in millimetres: of `85mm 100mm`, or of `16:9` on a slide."""
    from archdsl.render.svg import pixels

    across, colon, down = box.partition(":")
    if colon:
        try:
            ratio = float(across) / float(down)
        except (ValueError, ZeroDivisionError):
            ratio = 0.0
        if not 0.2 <= ratio <= 5.0:
            raise ValueError(f"{box!r} is no box: write two lengths, 85mm 100mm, or a ratio, 16:9")
        return SLIDE_MILLIMETRES, SLIDE_MILLIMETRES / ratio
    sides = box.replace("x", " ").replace("×", " ").split()
    if len(sides) != 2:
        raise ValueError(f"{box!r} is no box: write two lengths, 85mm 100mm, or a ratio, 16:9")
    width, height = (pixels(side) / 96.0 * 25.4 for side in sides)
    return width, height


SLIDE_MILLIMETRES = 230.0
"""How wide a slide is drawn: on one of 338 mm the smallest text has 9 pt then."""


def to_scale(variants: Iterable[Variant], theme: str = "light") -> Scene:
    """Models drawn to one scale: areas for parameters, heights for layers.

    Raises ValueError for a theme that there is not and for models without layers.
    """
    from archdsl import theme as themes
    from archdsl.scene.scaled import to_scale as scale
    from archdsl.view.scaled import scaled

    if theme not in THEMES:
        raise ValueError(f"there is no theme {theme!r}: {' or '.join(THEMES)}")
    return scale(tuple(scaled(variant.facts) for variant in variants), themes.THEMES[theme](""))


@record
class Drawn:
    """A picture, and what it has no room for, in words."""

    scene: Scene
    missing: tuple[str, ...] = ()


@record
class Checked:
    """What the check of one spec found: its variants that check, and everything that is wrong.

    `unit` is None for a text that could not be read.
    """

    unit: Unit | None
    variants: tuple[Variant, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The variants that the spec has, those with errors included."""
        return tuple(self.unit.declared) if self.unit else ()


def specs_below(folder: Path) -> list[Path]:
    """The specs in a folder and in those below it. Raises OSError for one that cannot be read."""

    def unreadable(error: OSError) -> None:
        raise error

    paths = []
    for place, _, names in os.walk(folder, onerror=unreadable):
        paths += [Path(place, name) for name in names if name.endswith(".arch")]
    return sorted(path for path in paths if path.is_file())


def sound(results: Iterable[Checked]) -> dict[str, Variant]:
    """The variants of specs by name. Raises SpecError where one has errors, and where two specs
    have a variant of one name.
    """
    variants: dict[str, Variant] = {}
    diagnostics = Diagnostics()
    places: set[object] = set()
    for result in results:
        for diagnostic in result.diagnostics:
            place = _on_disk(diagnostic)
            if place not in places:  # a mistake in a file that others import is theirs too
                diagnostics.put(diagnostic)
            places.add(place)
        for variant in result.variants:
            other = variants.setdefault(variant.id, variant)
            if other is not variant:
                labels = [Label(s, "and here") for s in (other.model.span,) if s is not None]
                message = f"two specs have a variant {variant.id}"
                help = "load them one by one"
                at = variant.model.span
                diagnostics.add("duplicate-name", message, at, labels=labels, help=help)
    if diagnostics.items:
        raise SpecError(diagnostics.items)
    return variants


def _on_disk(d: Diagnostic) -> object:
    """What is wrong where, whatever messages call the file."""
    at = d.span
    if at is None:
        return d.code, d.message
    return d.code, at.source.path.resolve() if at.source.path else at.source.name, at.start


def check_path(path: Path, name: str, only: str | None = None, tiny: bool = True) -> Checked:
    """Reads and checks a spec; messages call it `name`. `only` picks one variant."""
    diagnostics = Diagnostics()
    source = parser.read(path, name, diagnostics)
    if source is None:
        return Checked(None, (), tuple(diagnostics.items))
    return check_source(source, only, tiny)


def check_source(source: Source, only: str | None = None, tiny: bool = True) -> Checked:
    """Checks a text. Imports of `./` are looked for beside its path, or in the current folder.

    `tiny`: the tiny sizes too, which only emitted code needs.
    """
    before, generic, concrete = Diagnostics(), Diagnostics(), Diagnostics()
    unit, variants = None, list[Variant]()
    with _within_limits(source, generic, concrete):
        library = Library(before)
        unit = library.add(parser.parse(source, before), source.path)
        for part in library.own:
            check_recursion(part.blocks.values(), generic)
            for block in part.blocks.values():
                check_block(block, generic, importable)
            for declared in part.hubs:
                if declared.model.name in part.blocks:
                    check_hub(part.blocks[declared.model.name], declared, part.keys, generic)
        homes = {name: there.unit for name, there in unit.declared.items()}
        for model in elaborate.elaborate_all(unit, concrete, only):
            facts = Facts(model)
            if not library.has_gaps:
                check_expectations(facts, concrete)  # of a text with gaps nothing is counted
            variants.append(Variant(model, facts, homes[model.id]))
        if tiny:
            _check_tiny(variants, concrete)
        if library.has_gaps:
            concrete.items = [d for d in concrete.items if d.code not in _OF_WHOLE_MODELS]
    diagnostics = in_order([*before.items, *without_echoes(generic.items, concrete.items)], source)
    return Checked(unit, tuple(variants), diagnostics)


@contextmanager
def _within_limits(source: Source, generic: Diagnostics, concrete: Diagnostics) -> Iterator[None]:
    """Ends the work inside, and reports it, where it takes too much."""
    try:
        with work.bounded(source):
            yield
    except work.TooMuch as error:
        concrete.add(
            "too-large",
            f"checking this spec takes more than {work.MAX_STEPS:,} steps",
            error.span,
            help="write fewer or shorter lists, blocks or variants in one file",
        )
    except (RecursionError, TooLarge):
        if not any(d.code == "recursion" for d in generic.items):
            concrete.add("too-large", "this spec is too deep or too large", Span(source, 0, 1),
                     help="bind inner parts to names")  # fmt: skip


def changed(variant: Variant, id: str, settings: Mapping[str, object]) -> Variant:
    """A variant with other values of some settings, checked: see `Variant.with_`."""
    from archdsl.changes import change

    source, unit = change(variant.unit, variant.id, id, settings)
    concrete, variants = Diagnostics(), list[Variant]()
    with _within_limits(source, Diagnostics(), concrete):
        variants += [
            Variant(model, Facts(model), unit) for model in elaborate.elaborate_all(unit, concrete)
        ]
        _check_tiny(variants, concrete)
    if concrete.items:
        raise SpecError(in_order(concrete.items, source))
    return variants[0]


def _check_tiny(variants: list[Variant], diagnostics: Diagnostics) -> None:
    """The tiny size of each model, at the structure of its first variant."""
    for family in dict.fromkeys(v.model.family for v in variants):
        first = next(v for v in variants if v.model.family == family)
        for diagnostic in first._tiny[1]:
            frames = (*diagnostic.frames, f"the tiny size of {family}")
            diagnostics.put(replace(diagnostic, frames=frames))


def without_echoes(
    generic: Iterable[Diagnostic], concrete: Iterable[Diagnostic]
) -> list[Diagnostic]:
    """Both lists, with one message for each place.

    Shapes that symbols could not show to be equal are told in numbers, where numbers are at hand;
    everything else is told once, as the generic check said it.
    """
    numbers = list(concrete)
    in_numbers = {_fault(d) for d in numbers if d.span is not None}
    kept = [d for d in generic if d.code not in _GENERIC_ONLY_IF_ALONE or d.span not in in_numbers]
    places = {d.span for d in kept if d.span is not None}
    circles = any(d.code == "recursion" for d in kept)  # told where they close, by name
    return kept + [
        d for d in numbers if _fault(d) not in places and not (circles and d.code == "recursion")
    ]


def _fault(d: Diagnostic) -> Span | None:
    """Where a fault was found, which may be told at another place."""
    return d.origin or d.span


def in_order(diagnostics: Iterable[Diagnostic], source: Source) -> tuple[Diagnostic, ...]:
    """By place: this file first, then the others by name; what has no place comes before all."""

    def place(d: Diagnostic) -> tuple[bool, bool, str, int]:
        if d.span is None:
            return False, False, "", 0
        return True, d.span.source is not source, d.span.source.name, d.span.start

    return tuple(sorted(diagnostics, key=place))
