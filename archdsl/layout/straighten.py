"""Kinks: a jog of a few pixels says nothing and looks like a fault, so it goes.

A wire that would change its column by less than LEAST_JOG runs straight instead: its end moves
along the box that it enters, or all that is wired straight to its source, or to its target, moves,
and pushes what stands in the way. Where nothing of that can be, the same moves make the jog long
enough to be seen as a turn. A move is kept where fewer short jogs are left after it.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator

from archdsl.layout.cells import Cell
from archdsl.layout.layers import Layers
from archdsl.layout.measure import LEAST_PORT_DISTANCE, SIGN_MARGIN
from archdsl.layout.routes import (
    BORDER_ROOM,
    COLUMN,
    LEAST_JOG,
    SIDE_ROOM,
    STRAIGHT,
    Route,
    entry_width,
    is_clear,
    leaves,
)
from archdsl.record import record

_ROUNDS = 3
_APART = 12.0
"""The least white that is left between two cells."""
_ARROW_ROOM = 9.0
_LESS = 1.0
"""How much nearer than usual two ends may be for a wire to run straight."""
_PARTED = 8.0
"""How far a wire moves at least that runs on one line with another one."""


@record
class _Step:
    """A step of a wire's way from one cell to the next; `route` is the wire where it enters its
    target with this step.
    """

    low: Cell
    high: Cell
    route: Route | None
    of: Route

    @property
    def end(self) -> float:
        """The column to which the step goes."""
        return self.route.port if self.route else self.high.x

    @property
    def jog(self) -> float:
        """How far right the step goes."""
        return self.end - leaves(self.low, self.of.edge)


@record
class _Move:
    """A way to change a jog: cells move by a distance, or ends of wires do, or where wires leave a
    cell.
    """

    by: float
    cells: tuple[Cell, ...] = ()
    ends: tuple[Route, ...] = ()
    start: Cell | None = None


class _Ground:
    """What is beside what, and which steps enter and leave each cell."""

    def __init__(self, layers: Layers, routes: list[Route], steps: list[_Step]) -> None:
        self.layers = layers
        self.of: dict[int, list[_Step]] = defaultdict(list)
        for step in steps:
            self.of[id(step.low)].append(step)
            self.of[id(step.high)].append(step)
        self.into: dict[int, list[Route]] = defaultdict(list)
        self.beside: dict[int, list[Route]] = defaultdict(list)
        for route in routes:
            target = route.course[-1]
            self.into[id(target)].append(route)
            if route.beside:
                self.beside[target.layer].append(route)
        self.place = {id(c): number for row in layers.rows for number, c in enumerate(row)}

    def bound(self, cell: Cell, by: float) -> list[Cell]:
        """All cells that move where one does: what is wired straight to it, and what it pushes."""
        moving = {id(cell): cell}
        waiting = [cell]
        while waiting:
            at = waiting.pop()
            near = [
                step.high if step.low is at else step.low
                for step in self.of[id(at)]
                if abs(step.jog) <= STRAIGHT
            ]
            row, number = self.layers.rows[at.layer], self.place[id(at)]
            if by > 0 and number + 1 < len(row):
                other = row[number + 1]
                white = other.left - at.right
                near += [other] if white - by < min(white, _APART) - 0.01 else []
            if by < 0 and number:
                other = row[number - 1]
                white = at.left - other.right
                near += [other] if white + by < min(white, _APART) - 0.01 else []
            for other in near:
                if id(other) not in moving:
                    moving[id(other)] = other
                    waiting.append(other)
        return list(moving.values())


def straighten(layers: Layers, routes: list[Route]) -> None:
    """Move cells and ends of wires so that few wires have a short jog, and none run on one line."""
    steps = [step for route in routes for step in _steps(route)]
    turning = [step for step in steps if abs(step.jog) > STRAIGHT]
    short = [step for step in turning if _is_short(step.jog)]
    swapped = _swapped(turning)
    if not short and not swapped:
        return
    ground = _Ground(layers, routes, steps)
    for _ in range(_ROUNDS):
        if not sum(_try(step, ground) for step in short if _is_short(step.jog)):
            break
        short = [step for step in steps if _is_short(step.jog)]
    for one, other in _swapped([step for step in steps if abs(step.jog) > STRAIGHT]):
        _move_apart(one, other, ground)


def _steps(route: Route) -> list[_Step]:
    """The steps of a wire, without a last one that is level."""
    course = route.course
    steps = [_Step(low, high, None, route) for low, high in itertools.pairwise(course[:-1])]
    if not route.beside:
        steps.append(_Step(course[-2], course[-1], route, route))
    return steps


def _swapped(turning: list[_Step]) -> list[tuple[_Step, _Step]]:
    """Steps of two wires that each go up where the other one comes from below: whichever of them
    turned first, both would run on one line.
    """
    rising: dict[tuple[int, int], list[_Step]] = defaultdict(list)
    for step in turning:
        rising[step.low.layer, round(leaves(step.low, step.of.edge) / COLUMN)].append(step)
    pairs: list[tuple[_Step, _Step]] = []
    for step in turning:
        column, layer = round(step.end / COLUMN), step.low.layer
        for at in (column - 1, column, column + 1):
            near = rising.get((layer, at))
            if near:
                pairs += [(step, other) for other in near if _is_swapped(step, other)]
    return pairs


def _is_swapped(one: _Step, other: _Step) -> bool:
    ends = (
        abs(one.end - leaves(other.low, other.of.edge)),
        abs(other.end - leaves(one.low, one.of.edge)),
    )
    return one.low is not other.low and max(ends) < COLUMN


def _move_apart(one: _Step, other: _Step, ground: _Ground) -> None:
    """Make the first move after which two wires are not swapped any more, and no jog is short that
    was not.
    """
    if not _is_swapped(one, other):
        return
    for by in (_PARTED, -_PARTED, 2 * _PARTED, -2 * _PARTED):
        for step in (one, other):
            for move in _moves(step, by, ground):
                if _gain(move, ground) is None:
                    continue
                _make(move, ground, 1.0)
                if not _is_swapped(one, other):
                    return
                _make(move, ground, -1.0)


def _is_short(jog: float) -> bool:
    return STRAIGHT < abs(jog) < LEAST_JOG - 0.01


def _try(step: _Step, ground: _Ground) -> bool:
    """Make the best move against a short jog, where one helps: straight before longer."""
    jog = step.jog
    for by in (-jog, (LEAST_JOG - abs(jog)) * (1 if jog > 0 else -1)):
        best, most = None, 0
        for move in _moves(step, by, ground):
            fewer = _gain(move, ground)
            if fewer is not None and fewer > most:
                best, most = move, fewer
        if best is not None:
            _make(best, ground, 1.0)
            return True
    return False


def _moves(step: _Step, by: float, ground: _Ground) -> Iterator[_Move]:
    """What makes a jog grow by a distance, the best first."""
    others = ground.into[id(step.high)]
    several = len(others) > 1
    if step.route is not None and several:
        yield _Move(by, ends=(step.route,))
    beside = len(ground.into[id(step.of.course[-1])]) > 1
    if beside and step.route is None and (rest := _rest(step)):
        yield _Move(by, rest, ends=(step.of,))
    for cell, way in ((step.low, -by), (step.high, by)):
        cells = ground.bound(cell, way)
        if (step.low in cells) != (step.high in cells):
            yield _Move(way, tuple(cells))
    if step.route is not None:
        end = step.route.port
        pushed = (r for r in others if (r.port - end) * by > 0.0 and not r.beside)
        yield _Move(by, ends=(step.route, *pushed))
    yield _Move(-by, start=step.low)


def _rest(step: _Step) -> tuple[Cell, ...]:
    """The cells that a wire passes from the end of a step on, where it runs straight from there
    into its target.
    """
    course = step.of.course
    rest = course[course.index(step.high) : -1]
    columns = [*(cell.x for cell in rest), step.of.port]
    straight = all(abs(a - b) <= STRAIGHT for a, b in itertools.pairwise(columns))
    return tuple(rest) if straight and not step.of.beside else ()


def _gain(move: _Move, ground: _Ground) -> int | None:
    """How many short jogs fewer there are after a move; None where it cannot be made."""
    if move.ends and move.cells:
        steps = [s for s in ground.of[id(move.cells[0])] if s.high is move.cells[0]]
    elif move.ends:
        steps = [s for s in ground.of[id(move.ends[0].course[-1])] if s.route in move.ends]
    elif move.start is not None:
        steps = [step for step in ground.of[id(move.start)] if step.low is move.start]
    else:
        inside = {id(cell) for cell in move.cells}
        steps = [
            step
            for cell in move.cells
            for step in ground.of[id(cell)]
            if (id(step.low) in inside) != (id(step.high) in inside)
        ]
    before = sum([_is_short(step.jog) for step in steps])
    _make(move, ground, 1.0)
    after = sum([_is_short(step.jog) for step in steps])
    possible = after <= before and _is_possible(move, ground)
    _make(move, ground, -1.0)
    return before - after if possible else None


def _make(move: _Move, ground: _Ground, way: float) -> None:
    by = move.by * way
    for route in move.ends:
        route.port += by
    if move.start is not None:
        move.start.out += by
    for cell in move.cells:
        cell.x += by
        for route in ground.into[id(cell)]:
            route.port += by


def _is_possible(move: _Move, ground: _Ground) -> bool:
    """Whether what a move leads to can be drawn."""
    if move.ends and not all(_keeps_apart(cell, ground) for cell in move.cells):
        return False
    if move.ends:
        others = ground.into[id(move.ends[0].course[-1])]
        check = _is_entry if move.ends[0].edge.entry else _is_port
        return all(check(route, others, move) for route in move.ends)
    if move.start is not None:
        at, beside = move.start.x + move.start.out, move.start.outlets.values()
        return all(_has_room(move.start, at + by) for by in (0.0, *beside))
    for layer in {cell.layer for cell in move.cells} | {cell.layer + 1 for cell in move.cells}:
        for route in ground.beside[layer]:
            away = (route.rises - route.course[-1].x) * route.side
            if away < SIDE_ROOM + _ARROW_ROOM or not is_clear(route, ground.layers):
                return False
    return True


def _keeps_apart(cell: Cell, ground: _Ground) -> bool:
    """Whether a cell meets neither of those beside it."""
    row, number = ground.layers.rows[cell.layer], ground.place[id(cell)]
    after = number + 1 < len(row) and row[number + 1].left < cell.right - 0.01
    return not after and not (number and row[number - 1].right > cell.left + 0.01)


def _has_room(cell: Cell, column: float) -> bool:
    """Whether a wire may enter or leave a cell so far from its axis."""
    if cell.node is None or cell.node.form not in ("box", "pill", "choice"):
        return False
    body = cell.body or cell.extent
    return cell.x - body.left + SIGN_MARGIN <= column <= cell.x + body.right - SIGN_MARGIN


def _is_entry(route: Route, others: list[Route], _: _Move) -> bool:
    """Whether the end of a wire is on a group's lower border, with room for its name."""
    target = route.course[-1]
    ends = sorted((other.port, entry_width(other.edge)) for other in others)
    left = target.gates.left if target.gates else -(target.body or target.extent).left
    right = target.x + (target.body or target.extent).right
    return target.x + left + BORDER_ROOM <= route.port <= right - BORDER_ROOM and all(
        low + width <= high for (low, width), (high, _) in itertools.pairwise(ends)
    )


def _is_port(route: Route, others: list[Route], move: _Move) -> bool:
    """Whether the end of a wire is on its box and keeps its distance from other ends there: that of
    the labels between, where they have some.
    """
    if not _has_room(route.course[-1], route.port):
        return False
    return all(
        other in move.ends
        or abs(other.port - route.port)
        >= max(LEAST_PORT_DISTANCE, (route if other.port > route.port else other).room) - _LESS
        for other in others
    )
