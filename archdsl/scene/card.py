"""A whole picture as a scene: a card, a figure, a column, one block, layers or facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archdsl import text
from archdsl.geometry import Box, Point
from archdsl.layout.page import Page, PlacedCallout, PlacedInset
from archdsl.layout.page import page as paged
from archdsl.record import replace
from archdsl.scene import draw, panel
from archdsl.scene.shapes import Circle, Group, Item, Path, Rect, Scene, Text
from archdsl.theme import Theme
from archdsl.view.types import Offer, View

if TYPE_CHECKING:
    from archdsl.layout.figure import Frame

DOTTED = (1.6, 4.0)


def card(view: View, theme: Theme) -> Scene:
    """Lay out and draw a view."""
    if view.kind in ("compact", "strip", "facts"):
        return _column(view, theme)
    return _drawn(paged(view, theme.sizes), theme)


def figure(
    view: View, offers: tuple[Offer, ...], theme: Theme, frame: Frame
) -> tuple[Scene, tuple[str, ...]]:
    """Lay out and draw a view for a place of a given size, and tell what has no room there.

    Raises ValueError where the place is too small, with the size that is needed.
    """
    from archdsl.layout.figure import figure as fitted

    page = fitted(view, offers, frame)
    return _drawn(page, theme), page.missing


def series(
    views: tuple[View, ...],
    offers: tuple[tuple[Offer, ...], ...],
    themes: tuple[Theme, ...],
    frame: Frame,
) -> tuple[Scene, tuple[str, ...]]:
    """Figures of several views side by side in a frame, and what has no room there.

    Raises ValueError where the frame is too small.
    """
    from archdsl.layout.figure import figures
    from archdsl.scene.series import side_by_side

    gap = 0.03 * frame.width
    own = replace(frame, width=(frame.width - gap * (len(views) - 1)) / len(views))
    pages = figures(views, offers, own)
    scenes = tuple(_drawn(page, theme) for page, theme in zip(pages, themes, strict=True))
    whole = scenes[0].width * frame.width / own.width
    missing = [f"{page.view.title}: {part}" for page in pages for part in page.missing]
    return side_by_side(scenes, whole), tuple(missing)


def _drawn(page: Page, theme: Theme) -> Scene:
    view, sizes = page.view, page.sizes
    items: list[Item] = []
    if "background" not in view.without:
        items.append(_paper(page.width, page.height))
    if page.head:
        items.append(_header(page))
    if page.strip is not None and view.strip is not None:
        drawn = panel.level_strip if page.level else panel.strip
        items.append(drawn(view.strip, page.strip, page.legend, sizes))
        if view.strip.costs and not page.level and not page.millimetres:
            items.append(panel.costs(view.strip, page.strip, sizes))
    items.extend(_inset_frame(part) for part in page.insets)
    if page.tower.placed:
        shapes = tuple(draw.diagram(page.tower, sizes, _whole(view)))
        items.append(Group(shapes, "tower", "tower"))
    items.extend(map(_inset, page.insets))
    items.extend(_callout(part) for part in page.callouts)
    items.extend(_leaders(page))
    if view.facts.parts or view.facts.rows:
        items.append(panel.facts(view.facts, page.facts, sizes, page.split))
    return _scene(view, theme, page.width, page.height, items, page.millimetres)


def _scene(
    view: View, theme: Theme, width: float, height: float, items: list[Item], paper: float = 0.0
) -> Scene:
    return Scene(
        width,
        height,
        tuple(items),
        theme.colours,
        view.title,
        view.description,
        view.name if view.kind in ("card", "detail") else f"{view.name}-{view.kind}",
        paper,
        theme.night,
    )


def _paper(width: float, height: float) -> Rect:
    return Rect(Box(0, 0, width, height), fill="paper", id="paper")


def _header(page: Page) -> Group:
    items: list[Item] = [Text(part.at, part.line, part.size, id=part.id) for part in page.head]
    if not page.millimetres:  # a figure has no room for a rule
        rule = page.header.bottom
        ends = (Point(page.header.x, rule), Point(page.header.right, rule))
        items.append(Path(ends, stroke="rule", width=1.0))
    return Group(tuple(items), "header", "header", "", page.view.link)


def _column(view: View, theme: Theme) -> Scene:
    """Title, tower, layers and facts below each other, as many of them as the view has."""
    from archdsl.layout.column import column

    laid = column(view)
    sizes = laid.sizes
    left, right = sizes.margin, laid.width - sizes.margin
    title = text.fitted(view.title, sizes.title, right - left, text.BOLD)
    header: list[Item] = [Text(Point(left, 34.0), text.line(title, "ink", text.BOLD), sizes.title,
                               id="title")]  # fmt: skip
    header += [
        Text(Point(left, 56.0 + 18.0 * number), runs, sizes.body)
        for number, runs in enumerate(laid.subtitle)
    ]
    rule = (Point(left, laid.rule), Point(right, laid.rule))
    header.append(Path(rule, stroke="rule", width=1.0))
    items: list[Item] = [
        _paper(laid.width, laid.height),
        Group(tuple(header), "header", "header", "", view.link),
    ]
    if laid.tower is not None:
        items.append(Group(tuple(draw.diagram(laid.tower, sizes, _whole(view))), "tower", "tower"))
    if laid.strip is not None and view.strip is not None:
        items.append(panel.level_strip(view.strip, laid.strip, laid.legend, sizes))
    if laid.facts is not None:
        items.append(panel.facts(view.facts, laid.facts, sizes, split=True))
    return _scene(view, theme, laid.width, laid.height, items, laid.millimetres)


def _whole(view: View) -> str:
    """The tooltip of the frame round a whole model."""
    params = sum(part.params for part in view.facts.parts)
    return f"{view.title} · {params:,} parameters" if params else view.title


def _inset_frame(placed: PlacedInset) -> Group:
    stroke = "accent" if placed.inset.tone == "accent" else "quiet"
    frame = Rect(placed.box, 14.0, "paper", stroke, 1.3, DOTTED, placed.inset.id)
    return Group((frame,), f"{placed.inset.id}.frame", "group", text.plain(placed.inset.title))


def _inset(placed: PlacedInset) -> Group:
    items: list[Item] = [
        Text(part.at, part.line, part.size, inside=placed.inset.id) for part in placed.lines
    ]
    items.extend(draw.diagram(placed.diagram, placed.sizes))
    return Group(tuple(items), f"{placed.inset.id}.inset", "inset")


def _callout(placed: PlacedCallout) -> Group:
    name = placed.callout.id
    texts = (Text(part.at, part.line, part.size, inside=name) for part in placed.lines)
    return Group((Rect(placed.box, id=name), *texts), f"{name}.callout", "callout")


_ORIGIN = 2.2
"""The radius of the dot in which a leader begins."""


def _leaders(page: Page) -> list[Item]:
    accented = {placed.inset.id for placed in page.insets if placed.inset.tone == "accent"}
    accented |= {placed.callout.id for placed in page.callouts}
    titles = {placed.inset.id: text.plain(placed.inset.title) for placed in page.insets}
    items: list[Item] = []
    for leader in page.leaders:
        tone = "accent" if leader.target in accented else "quiet"
        line = Path(
            leader.points,
            use="leader",
            stroke=tone,
            width=1.3,
            dash=DOTTED,
            source=leader.source,
            target=leader.target,
        )
        origin = Circle(leader.points[0], _ORIGIN, tone)
        title = f"opened: {titles[leader.target]}" if leader.target in titles else "a remark"
        items.append(Group((line, origin), kind="leader", title=title))
    return items
