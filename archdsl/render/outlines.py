"""Text as shapes, for programs that have no fonts of their own: each glyph is drawn once and used
where it stands.

A glyph is a path in the font's units, its foot on the baseline and y upwards, as in the font. A
line of text is a group whose label says it, for those who listen; in it stands each run of
one tone and weight, at its place and scaled to its size:

    <g aria-label="RoPE, 64 of 128" role="img">
      <g fill="#222" transform="translate(40 50)scale(.0059 -.0059)">
        <use xlink:href="#M-glyph-400-52"/> <use x="1311" .../>

fontTools reads the shipped font, and only here.
"""

from functools import cache
from typing import Any

from archdsl import text
from archdsl.fonts import lent, truetype
from archdsl.fonts.advances import UNITS


@cache
def outline(character: str, weight: int) -> str:
    """The path of a character of the shipped font, "" for one without ink.

    Raises `render.missing.MissingLibrary` where fontTools is missing.
    """
    from fontTools.pens.svgPathPen import SVGPathPen

    glyphs, names = _font(weight)
    pen = SVGPathPen(glyphs)
    glyphs[names[ord(character)]].draw(pen)
    return str(pen.getCommands())


@cache
def _font(weight: int) -> tuple[Any, dict[int, str]]:
    """The glyphs of a weight by name, and the names by code point."""
    try:
        from fontTools.ttLib import TTFont
    except ImportError as error:
        from archdsl.render.missing import MissingLibrary

        raise MissingLibrary(
            "text as outlines needs the Python package fonttools: pip install fonttools"
        ) from error
    font = TTFont(truetype(weight))
    return font.getGlyphSet(), font.getBestCmap()


class Outlines:
    """The glyphs that one drawing uses. `prefix`: what their ids begin with. `font`: the file of a
    font that has what the shipped one lacks.
    """

    def __init__(self, drawing: Any, prefix: str, font: str = "") -> None:
        self.drawing, self.prefix, self.font = drawing, prefix, font
        self.known: dict[tuple[str, int], str] = {}

    def run(self, shown: str, size: float, weight: int, x: float, y: float) -> Any:
        """A group that shows `shown` (printable characters) from (x, y) on, in pixels."""
        group = self.drawing.g()
        scale = f"{size / UNITS:.6f}".removeprefix("0")
        group["transform"] = f"translate({x:.2f} {y:.2f})scale({scale} -{scale})"
        at = 0.0
        for character in shown:
            name = self._glyph(character, weight)
            if name:
                use = self.drawing.use(f"#{name}")
                if at:
                    use["x"] = f"{at:g}"
                group.add(use)
            at += text.width(character, UNITS, weight)
        return group

    def _glyph(self, character: str, weight: int) -> str:
        """The id of a glyph, "" for one without ink; it is defined where it is first used."""
        glyph = self.known.get((character, weight))
        if glyph is None:
            shipped = text.is_shipped(character)
            drawn = outline(character, weight) if shipped else lent.outline(self.font, character)
            glyph = f"{self.prefix}glyph-{weight}-{ord(character):x}" if drawn else ""
            if drawn:
                path = self.drawing.path(drawn)
                path["id"] = glyph
                self.drawing.defs.add(path)
            self.known[character, weight] = glyph
        return glyph
