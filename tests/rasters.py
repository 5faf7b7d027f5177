"""The same card by other renderers: pictures to compare, and the text on them."""

import io
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from archdsl import fonts, text
from archdsl.render import pdf, svg
from archdsl.scene.shapes import Scene, Text, shapes

SCALE = 2
TEXT_INK = 0.1
"""By how much the ink of one line of text may differ between two renderers."""
ALL_INK = 0.05
"""How much of all ink two renderers may place differently, blurred to a third of a letter."""


def words(lines: list[str]) -> list[str]:
    """All words, sorted: extraction may order lines differently, never change them."""
    return sorted(word for found in lines for word in text.drawable(found).split())


def by_cairo(scene: Scene, _: Path) -> bytes:
    return pdf.cairo_png(scene, round(SCALE * scene.width))


def by_librsvg(scene: Scene, place: Path, folder: Path | None = None) -> bytes:
    """librsvg knows fonts through fontconfig only: it is pointed at the shipped ones."""
    file = place / "card.svg"
    file.write_text(svg.to_svg(scene, width=f"{scene.width:g}px", fonts="named"), encoding="utf-8")
    conf = place / "fonts.conf"
    found = folder or fonts.truetype(400).parent
    conf.write_text(
        f"<fontconfig><dir>{found}</dir><cachedir>{place}</cachedir></fontconfig>",
        encoding="utf-8",
    )
    return subprocess.run(
        ["rsvg-convert", f"--zoom={SCALE}", str(file)],
        env={**os.environ, "FONTCONFIG_FILE": str(conf)},
        capture_output=True,
        check=True,
    ).stdout


def by_chromium(scene: Scene, folder: Path) -> bytes:
    file, shot = folder / "card.svg", folder / "card.png"
    file.write_text(svg.to_svg(scene, width=f"{scene.width:g}px"), encoding="utf-8")
    size = f"--window-size={scene.width:.0f},{scene.height:.0f}"
    subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--force-device-scale-factor={SCALE}",
            f"--user-data-dir={folder / 'profile'}", f"--screenshot={shot}", size, file.as_uri(),
        ],
        capture_output=True,
        check=True,
        timeout=120,
    )  # fmt: skip
    return shot.read_bytes()


RASTERISERS = {
    "cairo": (by_cairo, None),
    "librsvg": (by_librsvg, "rsvg-convert"),
    "chromium": (by_chromium, "chromium"),
}


def grey(data: bytes) -> Any:
    """Brightness, 0 to 255, of every pixel."""
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(data)).convert("L")
    return pytest.importorskip("numpy").asarray(image, dtype=float)


def text_ink(picture: Any, shape: Text) -> float:
    """How much the pixels of a line of text differ from their ground."""
    numpy = pytest.importorskip("numpy")
    box = shape.box.grown(1)
    rows, columns = (int(v * SCALE) for v in (box.y, box.bottom)), (box.x, box.right)
    part = picture[slice(*rows), slice(*(int(v * SCALE) for v in columns))]
    return float(abs(part - numpy.median(part)).sum())


def disagreements(scene: Scene, one: bytes, other: bytes) -> list[str]:
    """What two pictures of a scene show differently: lines of text, and ink as a whole."""
    a, b = grey(one), grey(other)
    if a.shape != b.shape:
        return [f"{a.shape} and {b.shape} pixels"]
    found = []
    for shape in shapes(scene.items):
        if isinstance(shape, Text) and text.plain(shape.runs).strip():
            ratio = text_ink(b, shape) / text_ink(a, shape)
            if abs(ratio - 1) > TEXT_INK:
                found.append(f"{text.plain(shape.runs)}: {ratio:.2f} of the ink")
    high, wide = (size // 8 * 8 for size in a.shape)
    near, far = (
        255 - p[:high, :wide].reshape(high // 8, 8, wide // 8, 8).mean(axis=(1, 3)) for p in (a, b)
    )
    share = float(abs(near - far).sum() / near.sum())
    return [*found, f"{share:.3f} of all ink"] if share > ALL_INK else found
