"""Models to scale as shapes."""

from archdsl import text
from archdsl.geometry import Box, Point
from archdsl.layout import scale
from archdsl.layout.scale import PlacedModel, Scaled
from archdsl.scene.draw import painted
from archdsl.scene.shapes import Group, Item, Path, Rect, Scene, Text
from archdsl.theme import Theme
from archdsl.view.scaled import ScaledModel
from archdsl.view.words import short

_LINE = 15.0
_LEAST_LINE = 0.6
_SEPARATED = 4.0


def to_scale(models: tuple[ScaledModel, ...], theme: Theme) -> Scene:
    """The picture of models at one scale. Raises ValueError for models without layers."""
    page = scale.to_scale(models, theme.sizes)
    sizes = theme.sizes
    title = text.line("To scale", "ink", text.BOLD)
    under = "areas are parameters, heights are layers"
    if any(part.tone == "accent_soft" for m in models for run in m.runs for part in run.parts):
        under += "; experts that a token does not visit are pale"
    if any(placed.factor > 1 for placed in page.models):
        under += "; the dark bar beside a model drawn wider is its true size"
    items: list[Item] = [
        Rect(Box(0, 0, page.width, page.height), fill="paper", id="paper"),
        Text(Point(sizes.margin, 56.0), title, sizes.title, id="title"),
        Text(Point(sizes.margin + 1.0, 82.0), text.line(under, "quiet"), sizes.body, id="subtitle"),
    ]
    items += [_model(placed, number, theme) for number, placed in enumerate(page.models)]
    items.append(_bar(page, theme))
    names = ", ".join(
        f"{m.model.name} ({short(m.model.params)} parameters, {m.model.layers:,} layers)"
        for m in page.models
    )
    return Scene(
        page.width,
        page.height,
        tuple(items),
        theme.colours,
        "To scale",
        f"Models drawn to one scale, areas for parameters and heights for layers: {names}.",
        "scale",
        night=theme.night,
    )


def _model(model: PlacedModel, number: int, theme: Theme) -> Group:
    """A model's layers and the lines below it."""
    items: list[Item] = []
    if model.true is not None:
        wide = max(model.true.width, _LEAST_LINE)
        items.append(Rect(Box(model.true.x, model.true.y, wide, model.true.height), fill="ink"))
    for placed in model.parts:
        items += painted(placed.box, placed.part.tone, False)
    left = min(placed.box.x for placed in model.parts)
    pitch = abs(model.levels[1] - model.levels[0]) if len(model.levels) > 1 else 0.0
    if pitch >= _SEPARATED:
        items += [
            Path((Point(left, level), Point(model.box.right, level)), stroke="paper", width=0.8)
            for level in model.levels
        ]
    y = model.box.bottom + 18.0
    for place, words in enumerate(scale.captions(model.model, model.factor)):
        size = theme.sizes.small if place else theme.sizes.body
        tone = "accent" if place == 3 else "quiet" if place else "ink"
        runs = text.line(words, tone, text.REGULAR if place else text.SEMIBOLD)
        items.append(Text(Point(model.box.x, y), runs, size))
        y += _LINE
    shares = "; ".join(f"{part.part.name} {short(part.part.params)}" for part in model.parts[:6])
    return Group(tuple(items), f"model-{number}", "model", f"{model.model.name}: {shares}")


def _bar(page: Scaled, theme: Theme) -> Group:
    """The area that stands for a round number of parameters, and what the colours mean."""
    sizes = theme.sizes
    bar = page.bar
    size = f"{short(page.bar_params)} parameters"
    square = (Rect(bar, 0.0, "faint", "quiet", 1.0),)
    items: list[Item] = [Group(square, title=f"{size}, 10 layers high")]
    x, y = bar.right + 12.0, bar.y + 11.0
    items += [
        Text(Point(x, y), text.line(size, "ink", text.SEMIBOLD), sizes.small),
        Text(Point(x, y + _LINE), text.line("10 layers high", "quiet"), sizes.small),
    ]  # fmt: skip
    tones = dict.fromkeys(
        (placed.part.tone, placed.part.name) for model in page.models for placed in model.parts
    )
    meaning: dict[str, list[str]] = {}
    for tone, name in tones:
        meaning.setdefault(tone, []).append(name)
    at = x + 120.0
    y = bar.y
    for tone, names in meaning.items():
        label = text.line(", ".join(names[:3]), "ink")
        wide = 15.0 + text.line_width(label, sizes.small) + 18.0
        if at + wide > page.width - sizes.margin and at > x + 120.0:
            at, y = x + 120.0, y + _LINE + 3.0
        swatch = painted(Box(at, y + 2.0, 10.0, 10.0), tone, False)
        items.append(Group(tuple(swatch), title=", ".join(names)))
        items.append(Text(Point(at + 15.0, y + 11.0), label, sizes.small))
        at += wide
    return Group(tuple(items), "scale-bar", "scale")
