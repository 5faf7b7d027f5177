"""The shipped font: a Latin subset of Inter (SIL Open Font License 1.1), its files and its
advances.

| file | what it holds |
|---|---|
| `advances.py` | how wide each character is |
| `lent.py` | a font of the user's for other characters |
| `prepare.py` | makes the files and the advances from the font as it is published |
"""

from collections.abc import Iterable
from pathlib import Path

FAMILY = "Archdsl Sans"
CORE = frozenset(map(chr, range(0x20, 0x7F))) | frozenset("·×−÷→≤≥≈√∑²…–—‘’“”½°µ₀₁₂₃₄αβγθλσ")
"""The characters of the small files."""
STYLES = {400: "Regular", 600: "SemiBold", 700: "Bold"}


def truetype(weight: int) -> Path:
    """The TrueType file of a weight (400, 600 or 700), for rasterisers."""
    return Path(__file__).parent / f"ArchdslSans-{STYLES[weight]}.ttf"


def woff2(weight: int, characters: Iterable[str] | None = None) -> Path:
    """The WOFF2 file of a weight (400, 600 or 700), for browsers: the small one where it has all
    `characters`.
    """
    core = characters is not None and set(characters) <= CORE
    return Path(__file__).parent / f"ArchdslSans-{STYLES[weight]}{'-core' if core else ''}.woff2"


def own_family(weight: int) -> str:
    """The family that holds this weight alone, for renderers that know only regular and bold."""
    return FAMILY if weight == 400 else f"{FAMILY} {STYLES[weight]}"
