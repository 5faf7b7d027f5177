"""A scene as PDF, by cairo: vector, the shipped font embedded, text selectable, no date.

cairo asks fontconfig for fonts and takes another silently where it finds none of the name. The
shipped font is therefore made known to fontconfig before anything is drawn, under a name that no
other font has.
"""

import ctypes
import ctypes.util
from functools import cache
from typing import Any

from archdsl.fonts import STYLES, truetype
from archdsl.render.missing import MissingLibrary
from archdsl.render.svg import clean, pixels, to_svg
from archdsl.scene.shapes import Scene

INSTALL = "install it with `apt install libcairo2`, `dnf install cairo` or `brew install cairo`"


_DATE = "2000-01-01T00:00:00Z"


def to_pdf(scene: Scene, *, width: str | None = None, scale: float = 1.0) -> bytes:
    """PDF bytes of a scene, `width` wide (`85mm`) or as wide as it is made for, times `scale`.

    Raises MissingLibrary where the system has no cairo, ValueError for a width that is no length.
    """
    natural = scene.millimetres * 96.0 / 25.4
    drawn = pixels(width) if width is not None else natural * scale
    return _cairo(scene, "PDFSurface", drawn)


def cairo_png(scene: Scene, across: int) -> bytes:
    """PNG bytes of a scene, `across` pixels wide, where resvg is missing."""
    return _cairo(scene, "PNGSurface", float(across))


def _cairo(scene: Scene, surface: str, width: float) -> bytes:
    """What a surface of cairosvg makes of the scene."""
    try:
        import cairosvg.surface as surfaces
    except ImportError as error:
        raise MissingLibrary(
            "PDF needs the Python package cairosvg: pip install cairosvg"
        ) from error
    except OSError as error:
        raise MissingLibrary(f"PDF needs the system library cairo: {INSTALL}") from error
    _announce_fonts(scene.font)
    kind: Any = getattr(surfaces, surface)
    if surface == "PDFSurface":
        kind = _undated(kind, clean(scene.title))
    svg = to_svg(scene, fonts="split").encode("utf-8")
    height = width * scene.height / scene.width
    data: bytes = kind.convert(bytestring=svg, output_width=width, output_height=height)
    return data


def _undated(base: Any, title: str) -> Any:
    """A PDF surface whose file says a fixed date, so that equal pictures are equal files."""
    from cairocffi import constants  # type: ignore[import-untyped]

    class Undated(base):  # type: ignore[misc]
        def _create_surface(self, width: float, height: float) -> Any:
            surface, width, height = super()._create_surface(width, height)
            surface.set_metadata(constants.PDF_METADATA_TITLE, title)
            surface.set_metadata(constants.PDF_METADATA_CREATE_DATE, _DATE)
            return surface, width, height

    return Undated


@cache
def _announce_fonts(lent: str = "") -> None:
    """Add the shipped font files, and a lent one, to fontconfig's current configuration, for this
    process only.
    """
    name = ctypes.util.find_library("fontconfig") or "libfontconfig.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise MissingLibrary(f"PDF needs the system library fontconfig: {INSTALL}") from error
    for path in (*(str(truetype(weight)) for weight in STYLES), *filter(None, [lent])):
        if not library.FcConfigAppFontAddFile(None, path.encode()):
            raise MissingLibrary(f"fontconfig does not read {path}: update fontconfig")
