"""Colours and sizes by role. A picture names roles only; a theme says what they look like.

Colours are chosen in OKLCH (Ottosson, 2020), where equal steps look equal, so that one rule makes
the same set of tints for every hue: a maker's accent differs from another's in hue, never in
weight. The hues of `cached` (orange) and `shared` (green) belong to their meaning and are no
maker's accent.
"""

import math
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from archdsl.record import record, replace

HUES = {
    "blue": 262.0, "purple": 306.0, "teal": 196.0, "rose": 352.0, "azure": 239.0, "violet": 284.0,
    "red": 18.0, "pink": 329.0, "cyan": 217.0,
}  # fmt: skip
"""Hues that makers share out, in degrees, by the names that a card's `accent` knows."""
CACHED_HUE, SHARED_HUE = 50.0, 160.0

MINIMUM_CONTRAST = 4.5
"""Contrast of text against what lies under it, as WCAG 2 asks at level AA."""


@record
class Sizes:
    """Font sizes, gaps and lines in pixels.

    `side`: white inside a frame. `box`, `pill`: least width of a block and of a quiet one in a
    tower. `choice`: as wide as blocks of a choice may stand side by side; of a wider one they stand
    one above the other. `padding`: white above and below the words of a box of a tower. `inner`:
    white beside words. `least`: least width of a box in an inset, `apart`: white between two.
    `sketches`: whether boxes of attention have room for pictures of masks and heads.
    """

    title: float = 34.0
    heading: float = 15.0
    body: float = 13.0
    small: float = 11.0
    line: float = 1.3
    gap: float = 20.0
    track: float = 9.0
    lane: float = 24.0
    margin: float = 40.0
    side: float = 24.0
    box: float = 188.0
    pill: float = 152.0
    choice: float = 560.0
    padding: float = 24.0
    inner: float = 14.0
    least: float = 92.0
    apart: float = 18.0
    sketches: bool = True


NARROW = Sizes(
    title=23.0, body=12.5, gap=16.0, lane=18.0, margin=14.0, side=14.0, box=168.0, pill=132.0,
    choice=0.0,
)  # fmt: skip
"""Sizes for one column of a page: the same small text, less white."""
TIGHT = replace(NARROW, gap=14.0, lane=10.0, side=9.0, box=92.0, pill=76.0, sketches=False)
"""The same for towers of which parts stand side by side: no box wider than its text."""
SQUEEZED = replace(TIGHT, lane=8.0, side=7.0, box=60.0, pill=60.0)
"""The least that can be read."""


FIGURE = Sizes(
    title=15.0, body=12.0, gap=12.0, track=7.0, lane=14.0, margin=6.0, side=10.0, box=110.0,
    pill=92.0, choice=360.0, padding=13.0, inner=9.0, least=56.0, apart=12.0,
)  # fmt: skip
"""Sizes for a figure in a place of a given size: the same small text, much less white."""
FIGURE_TIGHT = replace(
    FIGURE, gap=9.0, track=5.0, lane=9.0, side=7.0, box=60.0, pill=60.0, choice=200.0, padding=9.0,
    inner=6.0, least=36.0, apart=8.0, sketches=False,
)  # fmt: skip
"""The same for figures that have to hold more."""
FIGURE_FLAT = replace(
    FIGURE, gap=9.0, track=5.0, lane=12.0, side=9.0, padding=8.0, choice=420.0, sketches=False
)
"""The same for figures that are not high."""
FIGURE_LOW = replace(FIGURE_FLAT, choice=560.0)
"""The same for figures that are wide: blocks of a choice stand side by side."""


@record
class Theme:
    """A theme's name, the colour (#rrggbb) of each role, and the sizes.

    `night`: the colours where the same picture is shown on a dark ground.
    """

    name: str
    colours: Mapping[str, str]
    sizes: Sizes = Sizes()
    night: Mapping[str, str] | None = None


def colour(lightness: float, chroma: float, hue: float) -> str:
    """#rrggbb of an OKLCH colour; the chroma gives way where a screen cannot show it."""
    while True:
        channels = _linear_rgb(lightness, chroma, hue)
        if chroma <= 0.0 or all(-1e-4 <= value <= 1.0001 for value in channels):
            break
        chroma = max(0.0, chroma - 0.004)
    return "#" + "".join(f"{_encoded(value):02x}" for value in channels)


def _linear_rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a = chroma * math.cos(math.radians(hue))
    b = chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _encoded(value: float) -> int:
    value = min(1.0, max(0.0, value))
    curved = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * curved)


@lru_cache(maxsize=1024)
def luminance(rgb: str) -> float:
    """Relative luminance of #rrggbb, 0 to 1."""
    values = [int(rgb[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def hue_of(maker: str) -> float:
    """The hue of a maker's accent, always the same for the same name. `maker` may be a hue's name.

    `makers.toml` gives hues to makers by the first words of their names.
    """
    if maker in HUES:
        return HUES[maker]
    words = maker.casefold()
    known = (hue for name, hue in _makers().items() if words.startswith(name.casefold()))
    hue = next(known, None)
    return HUES[hue] if hue else list(HUES.values())[zlib.crc32(maker.encode()) % len(HUES)]


@lru_cache(maxsize=1)
def _makers() -> Mapping[str, str]:
    import tomllib

    return tomllib.loads(Path(__file__).with_name("makers.toml").read_text("utf-8"))


def light(maker: str) -> Theme:
    """Dark ink on white paper."""
    greys = {
        "paper": "#ffffff", "ink": "#1d232a", "quiet": "#535d68", "rule": "#c4ccd3",
        "frame": "#f6f8fa", "surface": "#ffffff", "faint": "#e4e8ec", "neutral": "#aab4be",
        "strong": "#27303b", "on_strong": "#ffffff", "on_strong_quiet": "#cfd7e0",
        "faint_on_strong": "#6f7c8a",
    }  # fmt: skip
    tints = (
        ("", 0.485, 0.17),
        ("_soft", 0.915, 0.045),
        ("_wash", 0.955, 0.022),
        ("_on_strong", 0.82, 0.1),
    )
    return Theme("light", greys | _tinted(maker, tints))


def dark(maker: str) -> Theme:
    """Light ink on dark paper; the strongest box is the lightest."""
    greys = {
        "paper": "#14181d", "ink": "#e8ecf0", "quiet": "#a2adb8", "rule": "#48525d",
        "frame": "#191e24", "surface": "#20262d", "faint": "#2b323a", "neutral": "#6c7783",
        "strong": "#dde4eb", "on_strong": "#14181d", "on_strong_quiet": "#46505b",
        "faint_on_strong": "#98a4b0",
    }  # fmt: skip
    tints = (
        ("", 0.77, 0.12),
        ("_soft", 0.36, 0.08),
        ("_wash", 0.255, 0.04),
        ("_on_strong", 0.46, 0.17),
    )
    return Theme("dark", greys | _tinted(maker, tints))


def _tinted(maker: str, tints: tuple[tuple[str, float, float], ...]) -> dict[str, str]:
    """The four tints of each hue: line and text, fill of a box, fill of a group, text on the
    strongest box.
    """
    hues = {"accent": hue_of(maker), "cached": CACHED_HUE, "shared": SHARED_HUE}
    return {
        name + suffix: colour(lightness, chroma, hue)
        for name, hue in hues.items()
        for suffix, lightness, chroma in tints
    }


_PRINTED = {
    "ink": 0.2, "quiet": 0.35, "rule": 0.755, "neutral": 0.85, "strong": 0.24, "accent": 0.455,
    "cached": 0.66, "shared": 0.56,
}  # fmt: skip
"""Lightness of the greys of print: any two kinds of block or layer differ by a visible step."""
GREY_STEP = 0.08
"""The least difference in OKLCH lightness at which two greys are told apart."""


def printed(_: str) -> Theme:
    """Black on white paper; kinds differ in lightness, outline and hatching, never by hue alone."""
    greys = {name: colour(lightness, 0.0, 0.0) for name, lightness in _PRINTED.items()}
    fixed = {
        "paper": "#ffffff", "frame": "#ffffff", "surface": "#ffffff", "faint": "#ebebeb",
        "on_strong": "#ffffff", "on_strong_quiet": "#dedede", "faint_on_strong": "#7d7d7d",
        "accent_on_strong": "#ffffff",
        "accent_soft": "#e2e2e2", "accent_wash": "#f5f5f5", "cached_soft": "#ffffff",
        "cached_wash": "#ffffff", "cached_on_strong": "#ffffff", "shared_soft": "#ffffff",
        "shared_wash": "#ffffff", "shared_on_strong": "#ffffff",
    }  # fmt: skip
    return Theme("print", greys | fixed)


def auto(maker: str) -> Theme:
    """Light, and dark where the reader's system asks for it (CSS `prefers-color-scheme`)."""
    day = light(maker)
    return Theme("auto", day.colours, day.sizes, dark(maker).colours)


THEMES = {"light": light, "dark": dark, "print": printed, "auto": auto}
"""Themes by the name that the command line knows."""
