"""The shipped font: a Latin subset of Inter (SIL Open Font License 1.1), its files and its
advances.
"""

from pathlib import Path

FAMILY = "Archdsl Sans"
STYLES = {400: "Regular", 600: "SemiBold", 700: "Bold"}


def truetype(weight: int) -> Path:
    """The TrueType file of a weight (400, 600 or 700), for rasterisers."""
    return Path(__file__).parent / f"ArchdslSans-{STYLES[weight]}.ttf"


def woff2(weight: int) -> Path:
    """The WOFF2 file of a weight (400, 600 or 700), for browsers."""
    return Path(__file__).parent / f"ArchdslSans-{STYLES[weight]}.woff2"


def own_family(weight: int) -> str:
    """The family that holds this weight alone, for renderers that know only regular and bold."""
    return FAMILY if weight == 400 else f"{FAMILY} {STYLES[weight]}"
