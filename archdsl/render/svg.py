"""A scene as SVG: text stays text, ids and titles stay with the blocks, fonts come along on
request.

Strings of a spec enter only as text nodes and attribute values of the XML tree, which escapes them.
Ids are reduced to letters, digits, `.`, `_` and `-`. Coordinates are rounded to a tenth of a pixel.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from archdsl import text
from archdsl.fonts import FAMILY, lent, own_family, woff2
from archdsl.geometry import Box
from archdsl.scene.shapes import Cells, Circle, Group, Item, Path, Rect, Scene, Text, shapes

Fonts = Literal["embedded", "named", "split", "outlines"]
"""embedded: the font travels in the file, for browsers. named: the family only. split: a family per
weight, for renderers that know regular and bold alone. outlines: glyphs as paths, for programs that
have no fonts.
"""

if TYPE_CHECKING:
    from archdsl.render.outlines import Outlines

_SAFE_LINK = re.compile(r"https?://[^\s\"'<>]+\Z")


def to_svg(
    scene: Scene,
    *,
    width: str | None = None,
    scale: float = 1.0,
    fonts: Fonts = "embedded",
    prefix: str | None = None,
) -> str:
    """SVG text of a scene.

    `width`: width with a CSS unit (`85mm`), the height follows; without it, the width that the
    scene is made for. `scale`: factor on the size. `prefix`: put before every id, so that two
    pictures can share a page; without it, the scene's name. Raises ValueError for a width that is
    not a positive number with mm, cm, in, pt or px.
    """
    import svgwrite
    from svgwrite.container import Style

    shown = size(scene, width, scale)
    drawing = svgwrite.Drawing(size=shown, debug=False)
    drawing["viewBox"] = f"0 0 {_number(scene.width)} {_number(scene.height)}"
    drawing["role"] = "graphics-document" if _links(scene.items) else "img"
    others = f", {lent.FAMILY}" if scene.font and fonts == "embedded" else ""
    drawing["font-family"] = FAMILY if fonts == "split" else f"{FAMILY}{others}, Inter, sans-serif"
    drawing.set_desc(clean(scene.title) or None, clean(scene.description) or None)
    name = _safe_id(scene.name if prefix is None else prefix)
    if fonts == "embedded":
        drawing.defs.add(Style(_font_faces(scene)))
    if scene.night is not None:
        scope = f"archdsl-in-{name}"  # no kind of a block begins with `in-`
        drawing["class"] = scope
        drawing.defs.add(Style(_night(scene.night, scene.palette, scope.replace(".", "\\."))))
    pen = _Pen(drawing, scene.palette, fonts, name, scene.night is not None, scene.font)
    for item in scene.items:
        drawing.add(pen.element(item))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{drawing.tostring()}\n'


@contextmanager
def lending(font: str | None) -> Iterator[None]:
    """Inside, text is measured with a font of the user's too, as it is laid out and drawn. Raises
    ValueError for a file that is no font.
    """
    if not font:
        yield
        return
    with text.lent(lent.advances(font)):
        yield


def lacking(scene: Scene) -> tuple[str, ...]:
    """The signs on a picture that no font here has, each once."""
    lines = (text.plain(shape.runs) for shape in shapes(scene.items) if isinstance(shape, Text))
    return tuple(dict.fromkeys(sign for line in lines for sign in text.lacking(line)))


def _night(night: Mapping[str, str], day: Mapping[str, str], scope: str) -> str:
    """CSS that changes the colours of one picture where the reader's system prefers dark."""
    rules = "".join(
        f".{scope} .f-{role}{{fill:{colour}}}.{scope} .s-{role}{{stroke:{colour}}}"
        for role, colour in sorted(night.items())
        if colour != day.get(role)
    )
    return f"@media (prefers-color-scheme:dark){{{rules}}}"


def _links(items: tuple[Item, ...]) -> bool:
    """Whether something in the picture leads to a page."""
    groups = [item for item in items if isinstance(item, Group)]
    return any(_SAFE_LINK.match(group.link) or _links(group.items) for group in groups)


def pixels(length: str) -> float:
    """CSS pixels (96 an inch) of a length such as `85mm` or `3.25in`.

    Raises ValueError for anything that is not a positive number with mm, cm, in, pt or px.
    """
    match = _LENGTH.match(length)
    if match is None or float(match[1]) <= 0:
        raise ValueError(f"{length!r} is no length: write a number with mm, cm, in, pt or px")
    return float(match[1]) * _UNITS[match[2] or "px"]


def size(scene: Scene, width: str | None, scale: float) -> tuple[str, str]:
    """Width and height as SVG attributes."""
    if width is None and scene.paper:
        across = scene.paper * scale
        return f"{_number(across)}mm", f"{across * scene.height / scene.width:.3f}mm"
    if width is None:
        return _number(scene.width * scale), _number(scene.height * scale)
    pixels(width)
    match = _LENGTH.match(width)
    assert match is not None
    number, unit = float(match[1]) * scale, match[2] or "px"
    return f"{_number(number)}{unit}", f"{number * scene.height / scene.width:.3f}{unit}"


_UNITS = {"mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0, "pt": 96 / 72, "px": 1.0}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(mm|cm|in|pt|px)?\Z")


def _number(value: float) -> str:
    """A coordinate to a tenth of a pixel, as short as can be."""
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0")
        if abs(value) < 0.05
        else (f"{value:.1f}".removesuffix(".0"))
    )


def clean(shown: str) -> str:
    """Text without characters that XML forbids."""
    return "".join(c for c in shown if c >= " " and not 0xD800 <= ord(c) <= 0xDFFF and c < "\ufffe")


def _safe_id(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _font_faces(scene: Scene) -> str:
    """CSS that carries the weights which the scene uses, with no more characters than it needs."""
    used: dict[int, set[str]] = {}
    for shape in shapes(scene.items):
        for run in shape.runs if isinstance(shape, Text) else ():
            used.setdefault(run.weight, set()).update(clean(run.text))
    faces = []
    for weight, characters in sorted(used.items()):
        data = base64.b64encode(woff2(weight, characters).read_bytes()).decode()
        face = f'font-family:"{FAMILY}";font-weight:{weight};'
        faces.append(f"@font-face{{{face}src:url(data:font/woff2;base64,{data})}}")
    other = {c for characters in used.values() for c in characters if not text.is_shipped(c)}
    known = other & lent.advances(scene.font).keys() if scene.font else None
    if known:
        data = base64.b64encode(lent.subset(scene.font, known)).decode()
        face = f'font-family:"{lent.FAMILY}";font-weight:100 900;'
        faces.append(f"@font-face{{{face}src:url(data:font/woff;base64,{data})}}")
    return "".join(faces)


class _Pen:
    """Turns items into elements of one drawing."""

    def __init__(
        self,
        drawing: Any,
        palette: Mapping[str, str],
        fonts: Fonts,
        prefix: str,
        classes: bool,
        font: str,
    ) -> None:
        self.drawing = drawing
        self.classes = classes
        self.palette = palette
        self.fonts = fonts
        self.prefix = f"{prefix}-" if prefix else ""
        self.font = font
        self.shown = text.printable if fonts == "embedded" else text.drawable
        self.outlines: Outlines | None = None
        if fonts == "outlines":
            from archdsl.render.outlines import Outlines

            self.outlines = Outlines(drawing, self.prefix, font)

    def element(self, item: Item) -> Any:
        match item:
            case Group():
                return self._group(item)
            case Rect(box=box):
                shape = self.drawing.rect(
                    (_number(box.x), _number(box.y)), (_number(box.width), _number(box.height))
                )
                if item.radius:
                    shape["rx"] = _number(min(item.radius, box.width / 2, box.height / 2))
            case Circle(centre=centre):
                shape = self.drawing.circle(
                    (_number(centre.x), _number(centre.y)), _number(item.radius)
                )
            case Path():
                shape = self.drawing.path(_commands(item))
                shape["stroke-linejoin"] = "round"
            case Cells():
                shape = self.drawing.path("".join(map(_cell, item.boxes)))
            case Text():
                return self._text(item)
        self._paint(shape, item)
        return shape

    def _group(self, group: Group) -> Any:
        element = self.drawing.g()
        if group.id:
            element["id"] = self.prefix + _safe_id(group.id)
        if group.kind:
            element["class"] = f"archdsl-{_safe_id(group.kind)}"  # a page has an own `header`
        if group.title:
            element.set_desc(clean(group.title))
        for item in group.items:
            if not isinstance(item, Text) or item.runs:  # a row of facts may have no value
                element.add(self.element(item))
        if not _SAFE_LINK.match(group.link):
            return element
        anchor = self.drawing.a(group.link)
        anchor.add(element)
        return anchor

    def _paint(self, element: Any, shape: Rect | Circle | Path | Cells) -> None:
        element["fill"] = self.palette[shape.fill] if shape.fill else "none"
        stroke = None if isinstance(shape, Cells) else shape.stroke
        if self.classes:
            names = [f"f-{shape.fill}"] if shape.fill else []
            names += [f"s-{stroke}"] if stroke else []
            if names:
                element["class"] = " ".join(names)
        if not isinstance(shape, Cells) and stroke:
            element["stroke"] = self.palette[stroke]
            element["stroke-width"] = f"{shape.width:g}"
        if isinstance(shape, (Rect, Path)) and shape.dash:
            element["stroke-dasharray"] = " ".join(f"{length:g}" for length in shape.dash)

    def _text(self, shape: Text) -> Any:
        """One element a line; a run of another tone or weight is a span with a place of its own."""
        if self.outlines is not None:
            return self._outlined(shape, self.outlines)
        element = self.drawing.text("")
        element["y"] = _number(shape.origin.y)
        element["font-size"] = f"{shape.size:g}"
        element["x"] = _number(shape.origin.x)
        spans = _spans(shape)
        if len(spans) == 1 == len(shape.runs):
            element.text = self.shown(shape.runs[0].text)
            self._held(element, shape.runs[0], shape.size)
            if shape.anchor != "start":
                element["text-anchor"] = shape.anchor
            self._style(element, shape.runs[0])
            return element
        element["x"] = _number(shape.left)
        if "  " in text.plain(shape.runs):
            element["xml:space"] = "preserve"
        for run, x in spans:
            span = self.drawing.tspan(self.shown(run.text))
            span["x"], span["y"] = _number(x), _number(shape.origin.y)
            self._held(span, run, shape.size)
            self._style(span, run)
            element.add(span)
        return element

    def _outlined(self, shape: Text, outlines: Outlines) -> Any:
        """A line as shapes, labelled with what it says."""
        line = self.drawing.g()
        line["role"] = "img"
        line["aria-label"] = text.printable(text.plain(shape.runs))
        for run, x in _spans(shape):
            shown = text.drawable(run.text)
            glyphs = outlines.run(shown, shape.size, run.weight, x, shape.origin.y)
            self._colour(glyphs, run)
            line.add(glyphs)
        return line

    def _held(self, element: Any, run: text.Run, size: float) -> None:
        """Text in a font of the reader's takes the room that it has here, and no more."""
        if self.fonts == "embedded" and text.lacking(run.text):
            element["textLength"] = _number(text.width(run.text, size, run.weight))
            element["lengthAdjust"] = "spacingAndGlyphs"

    def _colour(self, element: Any, run: text.Run) -> None:
        element["fill"] = self.palette[run.tone]
        if self.classes:
            element["class"] = f"f-{run.tone}"

    def _style(self, element: Any, run: text.Run) -> None:
        self._colour(element, run)
        if self.fonts != "embedded" and not text.is_shipped(self.shown(run.text)):
            element["font-family"] = lent.family(self.font)
        elif self.fonts == "split":
            element["font-family"] = own_family(run.weight)
        elif run.weight != text.REGULAR:
            element["font-weight"] = str(run.weight)


def _parted(run: text.Run) -> Iterator[text.Run]:
    """A run in pieces that one font has: the shipped one, a lent one, none."""
    if text.is_shipped(run.text):
        yield run
        return

    def font(sign: str) -> tuple[bool, bool]:
        return text.is_shipped(sign), bool(text.lacking(sign))

    for _, signs in groupby(text.printable(run.text), font):
        yield text.Run("".join(signs), run.tone, run.weight)


def _spans(shape: Text) -> list[tuple[text.Run, float]]:
    """Runs and where each starts, in pieces of one font. A leading space goes to the run before: at
    a start it would be lost.
    """
    spans: list[tuple[text.Run, float]] = []
    x = shape.left
    pieces = (piece for run in shape.runs for piece in _parted(run))
    for run in pieces:
        bare = run.text.lstrip(" ")
        lead = run.text[: len(run.text) - len(bare)]
        if spans and lead:
            last, start = spans[-1]
            spans[-1] = text.Run(last.text + lead, last.tone, last.weight), start
        x += text.width(lead, shape.size, run.weight)
        if bare:
            spans.append((text.Run(bare, run.tone, run.weight), x))
        x += text.width(bare, shape.size, run.weight)
    return spans


def _cell(box: Box) -> str:
    """A rectangle as part of an SVG path."""
    wide, high = _number(box.width), _number(box.height)
    return f"M{_number(box.x)} {_number(box.y)}h{wide}v{high}h-{wide}Z"


def _commands(path: Path) -> str:
    """An SVG path of straight lines, level and upright ones in short form."""
    first, *rest = path.points
    commands = [f"M{_number(first.x)} {_number(first.y)}"]
    before = first
    for point in rest:
        if _number(point.x) == _number(before.x):
            commands.append(f"V{_number(point.y)}")
        elif _number(point.y) == _number(before.y):
            commands.append(f"H{_number(point.x)}")
        else:
            commands.append(f"L{_number(point.x)} {_number(point.y)}")
        before = point
    return "".join(commands) + ("Z" if path.closed else "")
