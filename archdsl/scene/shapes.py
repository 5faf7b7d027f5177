"""The finished picture: shapes with positions, in the order they are painted. All that a renderer
reads.

Paints are roles of a theme ("ink", "accent_wash"); `Scene.palette` says what colour each role has.
Shapes also say what they are for, which the geometry checks go by: a text names the shape it must
stay inside, a wire names the shapes on which it starts and ends.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Literal

from archdsl import text
from archdsl.geometry import Box, Point, around
from archdsl.record import record

Dash = tuple[float, ...]
SOLID: Dash = ()


@record
class Rect:
    """A rectangle with round corners; `id` names it for texts and wires."""

    box: Box
    radius: float = 0.0
    fill: str | None = None
    stroke: str | None = None
    width: float = 1.2
    dash: Dash = SOLID
    id: str = ""


@record
class Circle:
    """A circle; `id` names it for texts and wires."""

    centre: Point
    radius: float
    fill: str | None = None
    stroke: str | None = None
    width: float = 1.3
    id: str = ""

    @property
    def box(self) -> Box:
        """The box around it."""
        reach = self.radius
        return Box(self.centre.x - reach, self.centre.y - reach, 2 * reach, 2 * reach)


@record
class Path:
    """A polyline or polygon. `use`: a wire carries data, a leader points, ink belongs to a shape.

    `source` and `target` name the shapes on whose outline a wire or leader starts and ends;
    "" where it starts or ends on another wire.
    """

    points: tuple[Point, ...]
    use: Literal["wire", "leader", "ink"] = "ink"
    fill: str | None = None
    stroke: str | None = None
    width: float = 1.3
    dash: Dash = SOLID
    closed: bool = False
    source: str = ""
    target: str = ""

    @property
    def box(self) -> Box:
        """The box around it."""
        return around(Box(point.x, point.y, 0, 0) for point in self.points)


@record
class Cells:
    """Rectangles of one paint that are one picture, such as a mask's, `inside` the shape of that
    name.
    """

    boxes: tuple[Box, ...]
    fill: str
    inside: str = ""

    @property
    def box(self) -> Box:
        """The box around them."""
        return around(self.boxes)


@record
class Text:
    """One line of text. `origin` is on the baseline, at the line's start, middle or end as `anchor`
    says.
    """

    origin: Point
    runs: text.Line
    size: float
    anchor: Literal["start", "middle", "end"] = "start"
    inside: str = ""
    id: str = ""

    @property
    def left(self) -> float:
        """Where the first character starts."""
        share = {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        return self.origin.x - share * text.line_width(self.runs, self.size)

    @property
    def box(self) -> Box:
        """The ink's reach: from the height of capitals to the foot of descenders."""
        above, below = text.CAPITAL * self.size, text.DESCENT * self.size
        wide = text.line_width(self.runs, self.size)
        return Box(self.left, self.origin.y - above, wide, above + below)


@record
class Group:
    """Shapes that belong together: a block with its label. `title` becomes a tooltip, `link` an
    anchor.
    """

    items: tuple["Item", ...]
    id: str = ""
    kind: str = ""
    title: str = ""
    link: str = ""


Shape = Rect | Circle | Path | Cells | Text
Item = Shape | Group


@record
class Scene:
    """A picture of `width` x `height` pixels. `title` and `description` are for those who cannot
    see it.

    `name`: what its ids begin with when nothing else is asked. `paper`: the width in millimetres
    that it is made for, 0 where one pixel is one pixel of CSS (96 an inch). `night`: its colours on
    a dark ground, where it has two sets. `font`: the file of a font that is lent for characters
    which the shipped one lacks.
    """

    width: float
    height: float
    items: tuple[Item, ...]
    palette: Mapping[str, str]
    title: str = ""
    description: str = ""
    name: str = ""
    paper: float = 0.0
    night: Mapping[str, str] | None = None
    font: str = ""

    @property
    def millimetres(self) -> float:
        """The width on paper that it is made for."""
        return self.paper or self.width * 25.4 / 96.0


def shapes(items: tuple[Item, ...]) -> Iterator[Shape]:
    """All shapes, in the order they are painted."""
    for item in items:
        if isinstance(item, Group):
            yield from shapes(item.items)
        else:
            yield item


def written(scene: Scene) -> list[str]:
    """The lines of text on the picture, in the order they are painted."""
    return [text.plain(shape.runs) for shape in shapes(scene.items) if isinstance(shape, Text)]


LEAST_POINTS = 6.0
"""The smallest size in points at which text is read without effort in print."""


def smallest(scene: Scene, millimetres: float) -> float:
    """The size in points of the smallest text, where the picture is so many millimetres wide."""
    sizes = [shape.size for shape in shapes(scene.items) if isinstance(shape, Text) and shape.runs]
    return min(sizes, default=math.inf) * millimetres / scene.width * 72.0 / 25.4
