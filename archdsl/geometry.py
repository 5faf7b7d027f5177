"""Points, boxes and segments in pixels; y grows downwards, as in SVG."""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from archdsl.record import record


class Point(NamedTuple):
    """A point, in pixels from the upper left corner."""

    x: float
    y: float


@record
class Box:
    """An upright rectangle: its upper left corner, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> Point:
        """The centre."""
        return Point(self.x + self.width / 2, self.y + self.height / 2)

    def moved(self, dx: float, dy: float) -> "Box":
        """The box shifted."""
        return Box(self.x + dx, self.y + dy, self.width, self.height)

    def grown(self, margin: float) -> "Box":
        """The box with `margin` added on every side (taken away when negative)."""
        return Box(
            self.x - margin, self.y - margin, self.width + 2 * margin, self.height + 2 * margin
        )

    def holds(self, other: "Box", slack: float = 0.0) -> bool:
        """Whether `other` lies inside, give or take `slack` pixels."""
        return (
            other.x >= self.x - slack
            and other.y >= self.y - slack
            and other.right <= self.right + slack
            and other.bottom <= self.bottom + slack
        )

    def overlaps(self, other: "Box", slack: float = 0.0) -> bool:
        """Whether the two share an area that is more than `slack` pixels wide and high."""
        return (
            min(self.right, other.right) - max(self.x, other.x) > slack
            and min(self.bottom, other.bottom) - max(self.y, other.y) > slack
        )

    def has(self, point: Point, slack: float = 0.0) -> bool:
        """Whether the point lies inside, give or take `slack` pixels."""
        return (
            self.x - slack <= point.x <= self.right + slack
            and self.y - slack <= point.y <= self.bottom + slack
        )


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds all of `boxes`, of which there is at least one."""
    boxes = list(boxes)
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
    return Box(left, top, right - left, bottom - top)


def segments(points: Iterable[Point]) -> list[tuple[Point, Point]]:
    """The straight pieces of a polyline."""
    return list(itertools.pairwise(points))


def crosses(start: Point, end: Point, box: Box) -> bool:
    """Whether the segment passes through the inside of `box` (Liang and Barsky's
    clipping, 1984).
    """
    low, high = 0.0, 1.0
    dx, dy = end.x - start.x, end.y - start.y
    for step, near, far in (
        (dx, box.x - start.x, box.right - start.x),
        (dy, box.y - start.y, box.bottom - start.y),
    ):
        if step == 0:
            if near >= 0 or far <= 0:
                return False
            continue
        enter, leave = sorted((near / step, far / step))
        low, high = max(low, enter), min(high, leave)
    return low < high


def distance_to_segment(point: Point, start: Point, end: Point) -> float:
    """Distance in pixels from `point` to the nearest point of the segment."""
    dx, dy = end.x - start.x, end.y - start.y
    length = dx * dx + dy * dy
    along = 0.0 if length == 0 else ((point.x - start.x) * dx + (point.y - start.y) * dy) / length
    along = min(1.0, max(0.0, along))
    away_x, away_y = point.x - start.x - along * dx, point.y - start.y - along * dy
    return float((away_x * away_x + away_y * away_y) ** 0.5)


def distance_to_border(point: Point, box: Box) -> float:
    """Distance in pixels from `point` to the outline of `box`."""
    corners = (
        Point(box.x, box.y),
        Point(box.right, box.y),
        Point(box.right, box.bottom),
        Point(box.x, box.bottom),
        Point(box.x, box.y),
    )
    return min(distance_to_segment(point, a, b) for a, b in segments(corners))
