"""A font that a user lends for characters which the shipped one lacks: `--font FILE`.

fontTools reads it, and only here. Widths are in the units of the shipped font.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from archdsl.fonts.advances import CHARACTERS, UNITS

FAMILY = "Archdsl Lent"
"""What it is called in an SVG that carries it."""
_MOST_BYTES = 64 << 20


@cache
def _font(path: str) -> Any:
    """The font of a file, TrueType or OpenType; the first of a collection."""
    from fontTools.ttLib import TTFont

    try:
        if Path(path).stat().st_size > _MOST_BYTES:
            raise ValueError(f"{path} is larger than a font may be, {_MOST_BYTES >> 20} MiB")
        font = TTFont(path, fontNumber=0, lazy=True)
        usable = font.getBestCmap() is not None and font["head"].unitsPerEm > 0
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    except ValueError:
        raise
    except Exception as error:  # fontTools lets errors of all kinds out of files that are no fonts
        raise ValueError(_no_font(path)) from error
    if not usable:
        raise ValueError(_no_font(path))
    return font


def _no_font(path: str) -> str:
    return f"{path} is no font that can be read: it takes a TrueType or OpenType file"


@cache
def advances(path: str) -> dict[str, float]:
    """How wide the characters are that the shipped font lacks.

    Raises ValueError for a file that cannot be read or is no font.
    """
    font = _font(path)
    try:
        scale = UNITS / font["head"].unitsPerEm
        widths, known = font["hmtx"], frozenset(CHARACTERS)
        return {
            chr(code): widths[glyph][0] * scale
            for code, glyph in font.getBestCmap().items()
            if chr(code) not in known and chr(code).isprintable()
        }
    except Exception as error:
        raise ValueError(_no_font(path)) from error


@cache
def family(path: str) -> str:
    """The name by which a system that was told of the file finds it."""
    return str(_font(path)["name"].getBestFamilyName() or FAMILY)


def subset(path: str, characters: Iterable[str]) -> bytes:
    """A WOFF file of these characters alone."""
    import io

    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    font = TTFont(path, fontNumber=0, recalcTimestamp=False)
    options = Options(notdef_outline=True, layout_features=[], hinting=False, name_IDs=[])
    part = Subsetter(options)
    part.populate(unicodes=sorted(map(ord, characters)))
    with _quiet():
        part.subset(font)
    font.flavor = "woff"
    data = io.BytesIO()
    font.save(data)
    return data.getvalue()


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, fontTools says nothing of tables that it drops, which is no news."""
    import logging

    logger = logging.getLogger("fontTools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@cache
def outline(path: str, character: str) -> str:
    """The path of a character, in the units of the shipped font."""
    from fontTools.pens.svgPathPen import SVGPathPen
    from fontTools.pens.transformPen import TransformPen

    font = _font(path)
    scale = UNITS / font["head"].unitsPerEm
    glyphs = font.getGlyphSet()
    pen = SVGPathPen(glyphs)
    glyphs[font.getBestCmap()[ord(character)]].draw(TransformPen(pen, (scale, 0, 0, scale, 0, 0)))
    return str(pen.getCommands())
