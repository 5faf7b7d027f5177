"""Columns: every cell as near to what it is wired to as its neighbours in the layer allow.

Sweeps up and down move the cells of one layer at a time, an exact least-squares step (pool adjacent
violators). Then every chain of wires without a branch gets one column, so that it is drawn
straight.
"""

import math

from archdsl.layout.cells import Cell
from archdsl.record import record

_COLUMN_SWEEPS = 6
_CHAIN_SWEEPS = 4
_ROUNDING = 0.001
_STILL = 0.4
_STRAIGHT = 1000.0
"""How much more a straight wire from the middle one of several weighs than others."""


_PINNED = 1e9
"""How much a cell of the trunk weighs, which others make room for."""


def columns(rows: list[list[Cell]], spacing: float, trunk: list[Cell]) -> None:
    """Give every cell its column. The `trunk` is straight, and all others keep clear of it."""
    for row in rows:
        at = 0.0
        for cell in row:
            cell.x = at + cell.extent.left
            at = cell.right + spacing
        for cell in row:
            cell.x -= (at - spacing) / 2
    if all(len(row) < 2 for row in rows) and not any(cell.out for row in rows for cell in row):
        for row in rows:
            for cell in row:
                cell.x = 0.0
        return
    at = 0.0
    for cell in trunk:
        cell.x, cell.pinned = at, True
        at += cell.out
    spaced = [(row, _offsets(row, spacing)) for row in rows]
    for sweep in range(_COLUMN_SWEEPS):
        upward = sweep % 2 == 0
        moves = [_settle(*row, upward) for row in (spaced if upward else reversed(spaced))]
        if max(moves) < _STILL:
            break
    links = [link for link in _links(rows, spacing) if not link.chain[0].pinned]
    for _ in range(_CHAIN_SWEEPS):
        if max([_straighten(link) for link in links], default=0.0) < _STILL:
            break


def _chains(rows: list[list[Cell]]) -> list[list[Cell]]:
    """All paths on which every wire is the only one out of its lower and into its upper cell."""
    chains: list[list[Cell]] = []
    met: set[int] = set()
    for row in rows:
        for cell in row:
            if id(cell) in met:
                continue
            chain = [cell]
            while (above := _only_above(chain[-1])) is not None:
                chain.append(above)
            met.update(id(member) for member in chain)
            chains.append(chain)
    return chains


def _only_above(cell: Cell) -> Cell | None:
    above = cell.above[0][0] if len(cell.above) == 1 and not cell.out else None
    return above if above is not None and len(above.below) == 1 else None


@record
class _Link:
    """A chain with what bounds it: neighbours in its layers with the least distances of the axes,
    and what it hangs on with weights.
    """

    chain: list[Cell]
    lefts: list[tuple[Cell, float]]
    rights: list[tuple[Cell, float]]
    near: list[tuple[Cell, float, float]]
    weight: float


def _links(rows: list[list[Cell]], spacing: float) -> list[_Link]:
    place = {id(cell): number for row in rows for number, cell in enumerate(row)}
    links: list[_Link] = []
    for chain in _chains(rows):
        lefts: list[tuple[Cell, float]] = []
        rights: list[tuple[Cell, float]] = []
        for cell in chain:
            row, number = rows[cell.layer], place[id(cell)]
            if number:
                other = row[number - 1]
                lefts.append((other, other.extent.right + spacing + cell.extent.left))
            if number + 1 < len(row):
                other = row[number + 1]
                rights.append((other, cell.extent.right + spacing + other.extent.left))
        near = [(cell, cell.out, weight) for cell, weight in _middle(chain[0].below)]
        near += [(c, 0.0, w * (0.05 if _is_wide(c) else 1.0)) for c, w in _middle(chain[-1].above)]
        links.append(_Link(chain, lefts, rights, near, sum(weight for _, _, weight in near)))
    return links


def _middle(near: list[tuple[Cell, float]]) -> list[tuple[Cell, float]]:
    """The cell in the middle of an odd number, which a wire can reach straight; else all."""
    if len(near) < 3 or len(near) % 2 == 0:
        return near
    cell, weight = sorted(near, key=lambda pair: pair[0].x)[len(near) // 2]
    return [(cell, weight * _STRAIGHT)]


def _straighten(link: _Link) -> float:
    """Give all cells of a chain one column, as near to what it hangs on as there is room.

    Returns the farthest move.
    """
    low = max([cell.x + distance for cell, distance in link.lefts], default=-math.inf)
    high = min([cell.x - distance for cell, distance in link.rights], default=math.inf)
    if low > high + _ROUNDING:
        return 0.0
    if link.weight:
        wish = sum([(cell.x + out) * share for cell, out, share in link.near]) / link.weight
    else:
        wish = sum([cell.x for cell in link.chain]) / len(link.chain)
    wish = min(high, max(low, wish))
    farthest = max([abs(cell.x - wish) for cell in link.chain])
    for cell in link.chain:
        cell.x = wish
    return farthest


def _is_wide(cell: Cell) -> bool:
    return cell.node is not None and cell.node.wide


def _settle(row: list[Cell], offsets: list[float], upward: bool) -> float:
    """Move the cells of a layer as near to those below, or above, as their distances allow.

    Returns the farthest move.
    """
    wishes: list[tuple[float, float]] = []
    for cell, offset in zip(row, offsets, strict=True):
        near = cell.below if upward else cell.above
        weight = sum([share for _, share in near])
        wish = sum([other.x * share for other, share in near]) / weight if weight else cell.x
        if cell.pinned:
            wish, weight = cell.x, _PINNED
        wishes.append((wish - offset, weight or 0.001))
    farthest = 0.0
    for cell, offset, value in zip(row, offsets, rising(wishes), strict=True):
        if cell.pinned:
            continue
        farthest = max(farthest, abs(value + offset - cell.x))
        cell.x = value + offset
    return farthest


def _offsets(row: list[Cell], spacing: float) -> list[float]:
    """How far right of the first cell of a layer each cell stands at least."""
    offsets = [0.0] * len(row)
    for number in range(1, len(row)):
        distance = row[number - 1].extent.right + spacing + row[number].extent.left
        offsets[number] = offsets[number - 1] + distance
    return offsets


def rising(wishes: list[tuple[float, float]]) -> list[float]:
    """The never falling values nearest to the wishes (value, weight) in the sense of
    least squares.
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in wishes:
        pool = (value, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            before = pools.pop()
            total = before[1] + pool[1]
            mean = (before[0] * before[1] + pool[0] * pool[1]) / total
            pool = (mean, total, before[2] + pool[2])
        pools.append(pool)
    return [value for value, _, count in pools for _ in range(count)]
