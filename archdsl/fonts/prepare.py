"""Prepare the fonts that cards are drawn with. Run by hand when the font changes, never by the
program.

    python -m archdsl.fonts.prepare FOLDER

FOLDER is `web/` of the npm package `inter-ui` 4.1.1, which holds the static weights of Inter by
Rasmus Andersson and others (SIL Open Font License 1.1, see LICENSE.txt; no font name is reserved).
For each weight this writes a subset as TrueType, for rasterisers, and as WOFF2, for browsers, a
smaller one for pictures that need no more than its characters, and a table of advances, so that
measuring text needs no font library at run time.

The subset keeps no kerning, no ligatures and no contextual forms: the width of a text is the sum of
the advances of its characters, in every renderer. It carries a family name of its own, so that
another Inter installed on a machine can never stand in for it. Each weight is also a family by
itself (`Archdsl Sans SemiBold`), because some renderers know only regular and bold.
"""

import sys
from pathlib import Path

FAMILY = "Archdsl Sans"
WEIGHTS = {400: "Regular", 600: "SemiBold", 700: "Bold"}
SYMBOLS = "–—‘’“”…•−×÷·→←↑↓⇄≤≥≈≠√∑∞∂⊕⊗□½²³°µ₀₁₂₃₄₅₆₇₈₉αβγδεθλμπρστφψωΔΣΩ"
CHARACTERS = "".join(map(chr, (*range(0x20, 0x7F), *range(0xA0, 0x180)))) + SYMBOLS
CORE = "".join(map(chr, range(0x20, 0x7F))) + "·×−÷→≤≥≈√∑²…–—‘’“”½°µ₀₁₂₃₄αβγθλσ"
DROPPED_TABLES = ["GPOS", "GSUB", "GDEF", "STAT", "DSIG", "kern", "MVAR", "HVAR", "meta"]


def subset(source: Path, style: str, text: str):  # type: ignore[no-untyped-def]
    """The font at `source`, reduced to `text` and renamed."""
    from fontTools import subset as subsetter

    options = subsetter.Options()
    options.layout_features = []
    options.drop_tables = [*options.drop_tables, *DROPPED_TABLES]
    options.name_IDs = [0, 13, 14]
    options.hinting = False
    options.notdef_outline = True
    options.recalc_timestamp = False
    font = subsetter.load_font(str(source), options)
    worker = subsetter.Subsetter(options)
    worker.populate(text=text)
    worker.subset(font)
    rename(font, style)
    return font


def rename(font, style: str) -> None:  # type: ignore[no-untyped-def]
    """Give `font` the family name `FAMILY`, and a family of its own per weight."""
    own_family = FAMILY if style == "Regular" else f"{FAMILY} {style}"
    postscript = f"{FAMILY.replace(' ', '')}-{style}"
    names = {1: own_family, 2: "Regular", 3: f"{postscript};Inter 4.001", 4: f"{FAMILY} {style}"}
    names |= {5: "Version 4.001", 6: postscript, 16: FAMILY, 17: style}
    for number, value in names.items():
        font["name"].setName(value, number, 3, 1, 0x409)


def advances(font) -> dict[str, int]:  # type: ignore[no-untyped-def]
    """Character -> advance in font units."""
    glyphs, metrics = font.getBestCmap(), font["hmtx"].metrics
    return {chr(code): metrics[glyph][0] for code, glyph in sorted(glyphs.items())}


def table(measured: dict[int, dict[str, int]], units: int, ascent: int, capital: int) -> str:
    """Source text of `advances.py`."""
    characters = sorted(measured[400])
    lines = [
        '"""Advances of the shipped font, in units of 1/UNITS em. Written by `prepare.py`."""',
        "",
    ]
    lines += [f"UNITS = {units}", f"ASCENT = {ascent}", f"CAP_HEIGHT = {capital}", "CHARACTERS = ("]
    for start in range(0, len(characters), 60):
        lines.append("    " + ascii("".join(characters[start : start + 60])))
    lines += [")", "ADVANCES = {"]
    for weight, widths in measured.items():
        lines.append(f"    {weight}: (")
        numbers = [str(widths[character]) for character in characters]
        for start in range(0, len(numbers), 14):
            lines.append("        " + ", ".join(numbers[start : start + 14]) + ",")
        lines.append("    ),")
    return "\n".join([*lines, "}"]) + "\n"


def main(folder: Path) -> None:
    """Write the subsets and the table beside this file."""
    here = Path(__file__).parent
    measured = {}
    for weight, style in WEIGHTS.items():
        source = folder / f"Inter-{style}.woff2"
        font = subset(source, style, CHARACTERS)
        measured[weight] = advances(font)
        units = font["head"].unitsPerEm
        ascent, capital = font["hhea"].ascent, font["OS/2"].sCapHeight
        font.flavor = None
        font.save(here / f"ArchdslSans-{style}.ttf")
        font.flavor = "woff2"
        font.save(here / f"ArchdslSans-{style}.woff2")
        core = subset(source, style, CORE)
        core.flavor = "woff2"
        core.save(here / f"ArchdslSans-{style}-core.woff2")
    (here / "advances.py").write_text(table(measured, units, ascent, capital), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
