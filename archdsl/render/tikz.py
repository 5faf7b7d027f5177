r"""A scene as TikZ, to edit in a paper: `\input` it where the preamble has `\usepackage{tikz}`.

Colours have names (`archdsl-accent`), shapes have comments, texts stand where they stand in the
SVG. LaTeX sets them in the sans-serif of the paper; a line that would be wider than it is drawn is
set narrower (`\archdsltext`). Strings of a spec enter as escaped text alone.
"""

import re

from archdsl import text
from archdsl.geometry import Box, Point
from archdsl.render.latex import escaped
from archdsl.render.svg import pixels
from archdsl.scene.shapes import Cells, Circle, Group, Item, Path, Rect, Scene, Text, shapes

_BOLD = 600
_POINTS = 72.0 / 96.0
"""Big points in a pixel of CSS."""
_HEAD = r"""% {name}: drawn by archdsl. In the preamble: \usepackage{{tikz}}
% Here: \input{{this file}}. The picture is {width} bp wide; scale it with \resizebox, or edit it.
\begingroup%
\providecommand\archdsltext[2]{{\sbox0{{#2}}%
  \ifdim\wd0>#1\relax\resizebox*{{#1}}{{\totalheight}}{{\usebox0}}\else\usebox0\fi}}%
{colours}
\begin{{tikzpicture}}[x={unit}bp, y=-{unit}bp, line join=round, inner sep=0pt,
  every node/.style={{font=\sffamily}}]
\useasboundingbox (0,0) rectangle ({across},{down});
"""


def to_tikz(scene: Scene, *, width: str | None = None, scale: float = 1.0) -> str:
    """LaTeX text of a scene, `width` wide (`85mm`) or as wide as it is made for, times `scale`.

    Raises ValueError for a width that is no length, and for a scene with two sets of colours.
    """
    if scene.night is not None:
        raise ValueError("TikZ has one set of colours: --theme light, dark or print")
    natural = scene.millimetres * 96.0 / 25.4
    across = pixels(width) if width is not None else natural * scale
    unit = across / scene.width * _POINTS
    pen = _Pen(unit)
    lines = [line for item in scene.items for line in pen.lines(item)]
    names = sorted(pen.colours)
    colours = "\n".join(
        rf"\definecolor{{archdsl-{_word(name)}}}{{HTML}}{{{scene.palette[name][1:].upper()}}}%"
        for name in names
    )
    head = _HEAD.format(
        name=_comment(scene.title),
        width=_number(across * _POINTS),
        colours=colours,
        unit=f"{unit:.5f}",
        across=_number(scene.width),
        down=_number(scene.height),
    )
    return head + "\n".join(lines) + "\n\\end{tikzpicture}%\n\\endgroup\n"


def unknown(scene: Scene) -> tuple[str, ...]:
    """The signs on a picture that pdflatex has no letter for, each once."""
    written = (text.plain(s.runs) for s in shapes(scene.items) if isinstance(s, Text))
    return tuple(dict.fromkeys(sign for line in written for sign in escaped(line)[1]))


class _Pen:
    """Turns items into lines of TikZ, and keeps the colours that they use."""

    def __init__(self, unit: float) -> None:
        self.unit = unit
        self.colours: set[str] = set()

    def lines(self, item: Item) -> list[str]:
        match item:
            case Group():
                inner = [line for part in item.items for line in self.lines(part)]
                return [f"% {_comment(item.id)}", *inner] if item.id and inner else inner
            case Rect(box=box):
                corners = min(item.radius, box.width / 2, box.height / 2)
                if corners and item.dash:
                    return [rf"\path[{self._painted(item)}] {_outline(box, corners)};"]
                round = f"rounded corners={_number(corners * self.unit)}bp" if corners else ""
                far = Point(box.right, box.bottom)
                how = self._painted(item, round)
                return [rf"\path[{how}] {_at(Point(box.x, box.y))} rectangle {_at(far)};"]
            case Circle(centre=centre):
                radius = _number(item.radius)
                return [rf"\path[{self._painted(item)}] {_at(centre)} circle[radius={radius}];"]
            case Path():
                way = " -- ".join(map(_at, item.points)) + (" -- cycle" if item.closed else "")
                return [rf"\path[{self._painted(item)}] {way};"]
            case Cells():
                ends = ((Point(b.x, b.y), Point(b.right, b.bottom)) for b in item.boxes)
                parts = (f"{_at(a)} rectangle {_at(b)}" for a, b in ends)
                return [rf"\path[fill={self._colour(item.fill)}] {' '.join(parts)};"]
            case Text():
                return [self._text(item)] if text.plain(item.runs).strip() else []

    def _painted(self, shape: Rect | Circle | Path, more: str = "") -> str:
        how = [f"fill={self._colour(shape.fill)}"] if shape.fill else []
        if shape.stroke:
            how.append(f"draw={self._colour(shape.stroke)}")
            how.append(f"line width={_number(shape.width * self.unit)}bp")
        if isinstance(shape, (Rect, Path)) and shape.dash and shape.stroke:
            on, off = (f"{length * self.unit:.4f}bp" for length in shape.dash[:2])
            how.append(f"dash pattern=on {on} off {off}")
        return ", ".join([*how, *([more] if more else [])])

    def _text(self, shape: Text) -> str:
        runs: list[str] = []
        for run in shape.runs:
            weight = r"\bfseries " if run.weight >= _BOLD else ""
            words = escaped(text.drawable(run.text))[0]
            # An empty group keeps the space that a run may begin with.
            runs.append(rf"{{{weight}\color{{{self._colour(run.tone)}}}{{}}{words}}}")
        anchor = {"start": "base west", "middle": "base", "end": "base east"}[shape.anchor]
        size = _number(shape.size * self.unit)
        width = _number(text.line_width(shape.runs, shape.size) * self.unit + 0.1)
        words = rf"\archdsltext{{{width}bp}}{{{''.join(runs)}}}"
        font = rf"font=\sffamily\fontsize{{{size}}}{{{size}}}\selectfont"
        return rf"\node[anchor={anchor}, {font}] at {_at(shape.origin)} {{{words}}};"

    def _colour(self, role: str) -> str:
        self.colours.add(role)
        return f"archdsl-{_word(role)}"


def _outline(box: Box, radius: float) -> str:
    """A rectangle with round corners from where its dashes begin in SVG: behind the first corner,
    to the right.
    """
    left, right, top, bottom = box.x, box.right, box.y, box.bottom
    sides = (
        Point(left + radius, top), Point(right - radius, top),
        Point(right, top + radius), Point(right, bottom - radius),
        Point(right - radius, bottom), Point(left + radius, bottom),
        Point(left, bottom - radius), Point(left, top + radius),
    )  # fmt: skip
    size = _number(radius)
    parts = [
        f"{_at(start)} -- {_at(end)} arc[start angle={at}, end angle={at + 90}, radius={size}]"
        for start, end, at in zip(sides[::2], sides[1::2], (-90, 0, 90, 180), strict=True)
    ]
    return " -- ".join([*parts, "cycle"])


def _at(point: Point) -> str:
    return f"({_number(point.x)},{_number(point.y)})"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def _word(role: str) -> str:
    """A role as part of a colour's name."""
    return re.sub(r"[^A-Za-z0-9]", "-", role)


def _comment(words: str) -> str:
    """Words in a comment of one line."""
    return re.sub(r"[^ -~]|\^\^", "?", words)
