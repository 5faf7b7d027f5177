"""Amounts as people read them: in the largest unit of which there is one as it is written.

    scaled(999_960_000, 1000, COUNTS, write)      ("1.00", "B"): millions would be "1000.0"

Cards and the command line write their own digits. They share the units, and the choice of one.
"""

from collections.abc import Callable, Sequence

COUNTS = ("", "K", "M", "B", "T", "P", "E", "Z")
"""Units of 1,000, of parameters."""
FLOPS = ("", "K", "M", "G", "T", "P", "E", "Z")
"""Units of 1,000, of FLOPs."""
BYTES = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB")
"""Units of 1,024."""


def scaled(
    amount: float, base: int, units: Sequence[str], write: Callable[[float, str], str]
) -> tuple[str, str]:
    """An amount in a unit as `write` writes it there, and the unit: the first in which less than
    the next one is written, and else the last.
    """
    for power, unit in enumerate(units):
        written = write(amount / base**power, unit)
        if unit == units[-1] or float(written.replace(",", "")) < base:
            break
    return written, unit
