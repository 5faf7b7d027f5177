"""A scene as PNG: resvg with the shipped font alone, the same bytes on any machine.

resvg is a wheel without system libraries. Where it is missing, cairo draws instead.
"""

import struct
import zlib

from archdsl.fonts import FAMILY, STYLES, truetype
from archdsl.render.svg import pixels, to_svg
from archdsl.scene.shapes import Scene

MAXIMUM_PIXELS = 100_000_000
"""Largest picture that is drawn; more would exhaust memory before it was of use to anyone."""


def to_png(
    scene: Scene, *, width: str | None = None, scale: float = 2.0, dpi: float | None = None
) -> bytes:
    """PNG bytes of a scene.

    `scale`: image pixels per scene pixel. `width` with `dpi` (300 when not given): a physical
    width, at so many pixels an inch; then `scale` is ignored. The resolution is written into the
    file. Raises ValueError for a size that is not positive or too large, and MissingLibrary where
    neither renderer is there.
    """
    zoom, density = _resolution(scene, width, scale, dpi)
    across, down = round(scene.width * zoom), round(scene.height * zoom)
    if across < 1 or down < 1 or across * down > MAXIMUM_PIXELS:
        raise ValueError(f"a picture of {across} x {down} pixels cannot be drawn")
    try:
        import resvg_py
    except ImportError:
        from archdsl.render.pdf import cairo_png

        return _with_density(cairo_png(scene, across), density)
    data = resvg_py.svg_to_bytes(
        svg_string=to_svg(scene, width=f"{scene.width:g}px", fonts="named"),
        width=across,
        skip_system_fonts=True,
        font_family=FAMILY,
        sans_serif_family=FAMILY,
        font_files=[*(str(truetype(weight)) for weight in STYLES), *filter(None, [scene.font])],
    )
    return _with_density(bytes(data), density)


def _resolution(
    scene: Scene, width: str | None, scale: float, dpi: float | None
) -> tuple[float, float]:
    """Image pixels per scene pixel, and per inch."""
    if width is None:
        natural = scene.width / (scene.millimetres / 25.4)
        density = dpi if dpi is not None else natural * scale
        return density / natural, density
    density = 300.0 if dpi is None else dpi
    return pixels(width) / 96.0 * density / scene.width, density


def _with_density(data: bytes, density: float) -> bytes:
    """The PNG with its resolution (pixels a metre, chunk pHYs) after the header."""
    header_end = 8 + 25
    per_metre = round(density / 0.0254)
    body = b"pHYs" + struct.pack(">IIB", per_metre, per_metre, 1)
    chunk = struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body))
    return data[:header_end] + chunk + data[header_end:]
