"""Cards into files. In a folder, a card whose spec and program have not changed is not drawn again.

The folder's `.digests.json` says of each file which digest of inputs it was made from, the digest
of its bytes and what a reader should know of it: a file that was changed by hand is made anew, and
a remark is made again where the file is kept. It is for the machine, not for a repository.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.cli.output import write
from archdsl.pipeline import Checked, Drawn, Variant, beside, drawn
from archdsl.record import fields, record, replace
from archdsl.resolver import PACKAGE, Unit
from archdsl.shown import NOTHING, Shown

if TYPE_CHECKING:
    from archdsl.render.svg import Fonts
    from archdsl.scene.shapes import Scene

TYPES = ("svg", "png", "pdf", "tex")
DIGESTS = ".digests.json"


@record
class Look:
    """How cards are drawn, and what they show. `scale` None: the format's own."""

    theme: str = "light"
    width: str | None = None
    box: str | None = None
    scale: float | None = None
    dpi: float | None = None
    prefix: str | None = None
    text: str = "font"
    font: str | None = None
    shown: Shown = NOTHING


def draw(variant: Variant, type: str, look: Look) -> tuple[bytes, str]:
    """The bytes of a card, and what a reader should know of it ("" where there is nothing).

    Raises ValueError for a wrong size or view, and MissingLibrary.
    """
    from archdsl.render.svg import lending

    with lending(look.font):
        picture = drawn(variant, look.shown, look.theme, look.width, look.box)
        return _finished(picture, type, look)


def _finished(picture: Drawn, type: str, look: Look) -> tuple[bytes, str]:
    """The bytes of a picture, and what a reader should know of it."""
    signs = _unknown(picture.scene) if type == "tex" else _lacking(picture.scene)
    remarks = (_remark(picture, look), signs)
    return written(picture.scene, type, look), "; ".join(filter(None, remarks))


def side_by_side(variants: list[Variant], type: str, look: Look) -> tuple[bytes, str]:
    """Figures of several variants in one box, and what a reader should know of it.

    Raises ValueError for a wrong box or view, and MissingLibrary.
    """
    assert look.box is not None
    from archdsl.render.svg import lending

    with lending(look.font):
        return _finished(beside(variants, look.shown, look.theme, look.box), type, look)


def written(scene: Scene, type: str, look: Look) -> bytes:
    """A picture in a format. Raises ValueError for a wrong size, and MissingLibrary."""
    scene = replace(scene, font=look.font or "")
    width, scale = look.width, look.scale or 1.0
    match type:
        case "svg":
            from archdsl.render.svg import to_svg

            fonts: Fonts = "outlines" if look.text == "path" else "embedded"
            shown = to_svg(scene, width=width, scale=scale, fonts=fonts, prefix=look.prefix)
            return shown.encode("utf-8")
        case "pdf":
            from archdsl.render.pdf import to_pdf

            return to_pdf(scene, width=width, scale=scale)
        case "tex":
            from archdsl.render.tikz import to_tikz

            if look.prefix or look.dpi or look.text == "path":
                raise ValueError("--prefix, --dpi and --text path change nothing of TikZ")
            return to_tikz(scene, width=width, scale=scale).encode("utf-8")
        case _:
            from archdsl.render.png import to_png

            return to_png(scene, width=width, scale=look.scale or 2.0, dpi=look.dpi)


def _remark(picture: Drawn, look: Look) -> str:
    """What a physical size has done to a picture."""
    scene = picture.scene
    if picture.missing:
        size = "--box" if look.box else "--width"
        return f"no room for {_listed(picture.missing)}: a larger {size} has it"
    if look.width is None:
        return ""
    from archdsl.render.svg import pixels
    from archdsl.scene.shapes import LEAST_POINTS, smallest

    points = smallest(scene, pixels(look.width) / 96.0 * 25.4)
    least = LEAST_POINTS - 0.005
    if points < least:
        needed = scene.millimetres * least / smallest(scene, scene.millimetres)
        shown = math.floor(points * 10) / 10  # 5.97 is not 6.0
        return (
            f"at {look.width} the smallest text is {shown:.1f} pt; "
            f"{LEAST_POINTS:g} pt need --width {math.ceil(needed)}mm"
        )
    return ""


_MOST_SIGNS = 12


def _lacking(scene: Scene) -> str:
    """That no font here has some signs of a picture."""
    from archdsl.render.svg import lacking

    signs = lacking(scene)
    if not signs:
        return ""
    shown = " ".join(signs[:_MOST_SIGNS]) + (" …" if len(signs) > _MOST_SIGNS else "")
    return (
        f"the font lacks {shown}: an SVG shows them in the reader's own font, PNG and PDF as "
        "their base letters or □; --font FILE with a font that has them"
    )


def _unknown(scene: Scene) -> str:
    """That pdflatex has no letter for signs of a picture."""
    from archdsl.render.tikz import unknown

    signs = unknown(scene)
    return f"pdflatex has no letter for {' '.join(signs)}: a dot stands for each" if signs else ""


def _listed(words: tuple[str, ...]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


class Folder:
    """A folder of cards with the digests of what they were made from."""

    def __init__(self, path: Path, look: Look) -> None:
        self.path, self.look = path, look
        self.digests = _read(path / DIGESTS)
        self.written = self.kept = 0

    def current(self, variant: str, type: str, inputs: str) -> bool:
        """Whether the file is there as it was made from these inputs."""
        import hashlib

        known = self.digests.get(f"{variant}.{type}")
        if known is None or known[0] != inputs:
            return False
        try:
            data = (self.path / f"{variant}.{type}").read_bytes()
        except OSError:
            return False
        return hashlib.sha256(data).hexdigest() == known[1]

    def put(
        self, variant: str, type: str, inputs: str, make: Callable[[], tuple[bytes, str]]
    ) -> str:
        """Makes a file, unless it is current. Returns what a reader should know of it."""
        import hashlib

        name = f"{variant}.{type}"
        if self.current(variant, type, inputs):
            self.kept += 1
            return self.digests[name][2]
        data, remark = make()
        write(str(self.path / name), data)
        self.digests[name] = [inputs, hashlib.sha256(data).hexdigest(), remark]
        self.written += 1
        return remark

    def close(self) -> None:
        """Writes the digests of the files that are still there."""
        if self.written:
            left = {k: v for k, v in sorted(self.digests.items()) if (self.path / k).is_file()}
            write(str(self.path / DIGESTS), json.dumps(left, indent=1) + "\n")


def _read(path: Path) -> dict[str, list[str]]:
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {k: v for k, v in entries.items() if isinstance(v, list) and len(v) == 3}


def digest(checked: Checked, variant: str, look: Look) -> str:
    """What a card depends on: the texts of the spec and its imports, the look, the program."""
    import hashlib

    assert checked.unit is not None
    parts = [variant, repr(_plain(look)), program()]
    if look.font:
        with suppress(OSError):  # a file that is not there is told when it is read
            parts.append(hashlib.sha256(Path(look.font).read_bytes()).hexdigest())
    for unit in _texts(checked.unit, set()):
        parts += [unit.source.name.rpartition("/")[2], unit.source.text]
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()


def _plain(value: object) -> object:
    """A record as tuples, whose repr is whole."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return tuple(_plain(getattr(value, name)) for name in fields(value)) or value


def _texts(unit: Unit, seen: set[int]) -> Iterator[Unit]:
    if id(unit) not in seen:
        seen.add(id(unit))
        yield unit
        for part in unit.imports:
            yield from _texts(part, seen)


@cache
def program() -> str:
    """A digest of the program that draws: its files, and the libraries that write pictures."""
    import hashlib
    from importlib import metadata

    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".ttf", ".woff2", ".toml"):
            digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    for library in ("svgwrite", "resvg-py", "cairosvg", "fonttools"):
        try:
            digest.update(f"{library} {metadata.version(library)}\0".encode())
        except metadata.PackageNotFoundError:
            digest.update(f"{library} is missing\0".encode())
    return digest.hexdigest()
