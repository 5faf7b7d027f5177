"""Types: what a tensor's axes are called, and what a block takes and gives.

An axis is a dimension, or `REST`: the axes that `...` stands for, the same throughout a block.

    >>> str(TensorType("float", (REST, Dim.symbol("d"))))
    '[..., d]'
"""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.dims import Dim, substitute
from archdsl.record import record

DTYPES = ("float", "float32", "int", "bool")
"""`float` is the model's dtype, `float32` what is computed in single precision whatever the
model's.
"""


FLOATS = ("float", "float32")
"""The dtypes of real numbers."""


@record
class Rest:
    """`...`, any number of leading axes. `name` tells the skolem copies of a slot's `...` apart."""

    name: str = "..."

    def __str__(self) -> str:
        return "..."


REST = Rest()
Axis = Dim | Rest


@record
class TensorType:
    """A dtype and axes, outermost first."""

    dtype: str
    axes: tuple[Axis, ...]

    def __str__(self) -> str:
        inner = ", ".join(str(a) for a in self.axes)
        return f"{'' if self.dtype == 'float' else self.dtype}[{inner}]"

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The axes of a type without `...`; raises TypeError where one is left."""
        if any(isinstance(a, Rest) for a in self.axes):
            raise TypeError(f"{self} still has an open `...`")
        return tuple(a for a in self.axes if isinstance(a, Dim))


def replace_axes(
    t: TensorType, dims: Mapping[str, Dim], rests: Mapping[str, tuple[Axis, ...]] | None = None
) -> TensorType:
    """The type with symbols and `...` replaced; what has no replacement stays."""
    axes: list[Axis] = []
    for axis in t.axes:
        if isinstance(axis, Rest):
            axes.extend((rests or {}).get(axis.name, (axis,)))
        else:
            axes.append(substitute(axis, dims))
    return TensorType(t.dtype, tuple(axes))
