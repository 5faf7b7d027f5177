"""Models to scale: one area for so many parameters and one height for a layer, in all of them.

A model is a tower of its layers, each as wide as it has parameters; what stands around the layers
(embedding, head) lies below, as wide as the widest layer. A model too thin to be seen is drawn
again beside its true self, wider by a power of four that the picture states. Models stand in rows,
from the smallest.
"""

from archdsl import text
from archdsl.geometry import Box
from archdsl.record import record
from archdsl.theme import Sizes
from archdsl.view.scaled import ScaledModel
from archdsl.view.types import Part

HEADER = 118.0
FOOT = 62.0
LEAST_LAYER = 2.0
_TOWER = 460.0
_WIDEST = 330.0
_LEAST_WIDTH = 34.0
_PAGE = 1240.0
_GAP = 46.0
_ROW_GAP = 40.0
_APART = 16.0
_STEP = 4
_BAR_LAYERS = 10


@record
class PlacedPart:
    """A part of a layer, or of what stands around the layers. `first`: whether a layer begins here,
    above another.
    """

    part: Part
    box: Box


@record
class PlacedModel:
    """A model with positions. `true`: its outline at the common scale where `parts` are wider by
    `factor`; `levels`: the heights at which a layer begins.
    """

    model: ScaledModel
    box: Box
    parts: tuple[PlacedPart, ...]
    levels: tuple[float, ...]
    true: Box | None
    factor: int


@record
class Scaled:
    """A picture to scale with positions. `bar`: an area of `bar_params` parameters."""

    width: float
    height: float
    models: tuple[PlacedModel, ...]
    bar: Box
    bar_params: int


def to_scale(models: tuple[ScaledModel, ...], sizes: Sizes) -> Scaled:
    """Arrange models at one scale, the smallest first. Raises ValueError without layers."""
    if not models or any(not model.runs for model in models):
        raise ValueError("only models with layers can be drawn to scale")
    order = sorted(models, key=lambda model: (model.params, model.name))
    layer = _TOWER / max(model.layers for model in order)
    layer = max(LEAST_LAYER, min(layer, 26.0))
    widest = max(_widest(model) for model in order)
    area = widest / (layer * _WIDEST)  # parameters a square pixel
    rows = _rows([_placed(model, layer, area) for model in order], sizes)
    placed: list[PlacedModel] = []
    top = HEADER
    right = 0.0
    for row in rows:
        height = max(placed_model.box.height for placed_model in row)
        x = sizes.margin
        for placed_model in row:
            placed.append(
                _moved(placed_model, x - placed_model.box.x, top + height - placed_model.box.bottom)
            )
            x += _width(placed_model, sizes) + _GAP
        right = max(right, x - _GAP)
        top += height + FOOT + _ROW_GAP
    bar_params = _round(area * layer * _BAR_LAYERS * 90.0)
    wide = bar_params / (area * layer * _BAR_LAYERS)
    bar = Box(sizes.margin, top, wide, layer * _BAR_LAYERS)
    return Scaled(
        round(max(right, 560.0) + sizes.margin),
        round(bar.bottom + sizes.margin),
        tuple(placed),
        bar,
        bar_params,
    )


def _widest(model: ScaledModel) -> int:
    return max(run.params for run in model.runs)


def _placed(model: ScaledModel, layer: float, area: float) -> PlacedModel:
    """A model with its lower left corner at (0, 0)."""
    true = _widest(model) / (area * layer)
    factor = 1
    while true * factor < _LEAST_WIDTH:
        factor *= _STEP
    wide = true * factor
    parts: list[PlacedPart] = []
    y = 0.0
    for part in model.around:
        height = part.params / (area * true)
        if height > 0.05:
            parts.append(PlacedPart(part, Box(0.0, y - height, wide, height)))
        y -= height
    levels = []
    for run in model.runs:
        height = run.count * layer
        x = 0.0
        for part in run.parts:
            across = part.params * factor / (area * layer)
            parts.append(PlacedPart(part, Box(x, y - height, across, height)))
            x += across
        levels += [y - layer * number for number in range(run.count)]
        y -= height
    outline = Box(0.0, y, true, -y)
    shift = 0.0 if factor == 1 else outline.width + _APART
    moved = tuple(PlacedPart(p.part, p.box.moved(shift, 0.0)) for p in parts)
    return PlacedModel(
        model,
        Box(0.0, y, wide + shift, -y),
        moved,
        tuple(levels),
        outline if factor > 1 else None,
        factor,
    )


def captions(model: ScaledModel, factor: int) -> tuple[str, ...]:
    """The lines below a model: its name, its parameters, its layers, how much wider it is drawn."""
    layers = f"{model.layers:,} layers" if model.layers != 1 else "1 layer"
    more = (f"drawn {factor:,} × wider",) if factor > 1 else ()
    return model.name, model.size, layers, *more


def _width(model: PlacedModel, sizes: Sizes) -> float:
    """The width of a model with the lines below it."""
    lines = captions(model.model, model.factor)
    name = text.width(lines[0], sizes.body, text.SEMIBOLD)
    return max([model.box.width, name, *(text.width(line, sizes.small) for line in lines[1:])])


def _rows(models: list[PlacedModel], sizes: Sizes) -> list[list[PlacedModel]]:
    rows: list[list[PlacedModel]] = [[]]
    at = 0.0
    for model in models:
        wide = _width(model, sizes) + _GAP
        if rows[-1] and at + wide > _PAGE:
            rows.append([])
            at = 0.0
        rows[-1].append(model)
        at += wide
    return rows


def _moved(model: PlacedModel, dx: float, dy: float) -> PlacedModel:
    return PlacedModel(
        model.model,
        model.box.moved(dx, dy),
        tuple(PlacedPart(p.part, p.box.moved(dx, dy)) for p in model.parts),
        tuple(level + dy for level in model.levels),
        model.true.moved(dx, dy) if model.true is not None else None,
        model.factor,
    )


def _round(value: float) -> int:
    """The nearest of 1, 2, 5, 10, 20, ... that is not above a value."""
    unit = 1
    while unit * 10 <= value:
        unit *= 10
    return next(unit * step for step in (5, 2, 1) if unit * step <= value)
