"""Figures of several models on one canvas, side by side."""

from archdsl.geometry import Box, Point
from archdsl.record import replace
from archdsl.scene.shapes import Cells, Circle, Group, Item, Path, Rect, Scene, Text
from archdsl.text import Run

_OWN = "accent"
"""Roles of colours that begin so differ from model to model."""


def side_by_side(scenes: tuple[Scene, ...], width: float) -> Scene:
    """Scenes from left to right on a canvas so many pixels wide, the white between them equal. Ids
    begin with the names of their scenes.
    """
    first = scenes[0]
    spare = (width - sum(scene.width for scene in scenes)) / max(1, len(scenes) - 1)
    items: list[Item] = []
    palette = dict(first.palette)
    night = dict(first.night) if first.night is not None else None
    x = 0.0
    for number, scene in enumerate(scenes):
        own = f".{number}" if number else ""
        items += [_moved(item, x, f"{scene.name}.", own) for item in scene.items]
        palette |= _renamed(scene.palette, own)
        if night is not None and scene.night is not None:
            night |= _renamed(scene.night, own)
        x += scene.width + spare
    height = max(scene.height for scene in scenes)
    title = ", ".join(scene.title for scene in scenes)
    name = "-".join(scene.name for scene in scenes)
    ground = Rect(Box(0, 0, width, height), fill="paper", id="paper")
    white = any(isinstance(item, Rect) and item.id == "paper" for item in first.items)
    return Scene(
        width,
        height,
        ((ground,) if white else ()) + tuple(items),
        palette,
        title,
        " ".join(scene.description for scene in scenes),
        name,
        first.paper * width / first.width,
        night,
    )


def _renamed(palette: object, own: str) -> dict[str, str]:
    assert hasattr(palette, "items")
    return {f"{role}{own}": colour for role, colour in palette.items() if role.startswith(_OWN)}


def _moved(item: Item, dx: float, prefix: str, own: str) -> Item:
    """A shape farther right, with ids and colours of its own."""

    def name(id: str) -> str:
        return prefix + id if id else ""

    def role(paint: str | None) -> str | None:
        return f"{paint}{own}" if paint is not None and paint.startswith(_OWN) else paint

    match item:
        case Group():
            inner = tuple(_moved(part, dx, prefix, own) for part in item.items)
            return replace(item, items=inner, id=name(item.id))
        case Rect():
            return replace(
                item, box=item.box.moved(dx, 0.0), fill=role(item.fill), stroke=role(item.stroke),
                id=name(item.id),
            )  # fmt: skip
        case Circle():
            centre = Point(item.centre.x + dx, item.centre.y)
            fill, stroke = role(item.fill), role(item.stroke)
            return replace(item, centre=centre, fill=fill, stroke=stroke, id=name(item.id))
        case Path():
            points = tuple(Point(point.x + dx, point.y) for point in item.points)
            return replace(
                item, points=points, fill=role(item.fill), stroke=role(item.stroke),
                source=name(item.source), target=name(item.target),
            )  # fmt: skip
        case Cells():
            boxes = tuple(box.moved(dx, 0.0) for box in item.boxes)
            fill = role(item.fill) or item.fill
            return replace(item, boxes=boxes, fill=fill, inside=name(item.inside))
        case Text():
            runs = tuple(Run(run.text, role(run.tone) or "ink", run.weight) for run in item.runs)
            origin = Point(item.origin.x + dx, item.origin.y)
            return replace(
                item, origin=origin, runs=runs, inside=name(item.inside), id=name(item.id)
            )
