"""Wires: from node to node with square corners, each horizontal piece in a track of its own.

Between two layers lies a gap. A wire that changes its column does so in one of the gap's tracks;
wires from the same node share a track (a bus), others that would meet get different ones. An
operator is entered from the side where nothing stands in between; where its operands have an order
no two wires enter it at one point. A residual wire leaves its node
in the gap above, runs up a lane beside everything it passes and enters its operator from that side:

        ⊕◄──┐
        ▲   │        the lane lies right of all boxes between fork and operator
      [mix] │
        ├───┘        the fork, in the lowest track of the gap
"""

import itertools
from collections import defaultdict
from dataclasses import dataclass

from archdsl import text
from archdsl.geometry import Point
from archdsl.layout.cells import LABEL_APART, Cell, spread
from archdsl.layout.layers import Layers
from archdsl.layout.measure import (
    HOOK,
    HOOK_APART,
    HOOK_ROOM,
    LEAST_PORT_DISTANCE,
    OPERATOR_RADIUS,
    SIGN_MARGIN,
    sign,
    sign_step,
)
from archdsl.layout.routes import (
    BORDER_ROOM,
    COLUMN,
    LEAST_JOG,
    SIDE_ROOM,
    STRAIGHT,
    Net,
    Piece,
    Route,
    entry_width,
    is_clear,
    leaves,
)
from archdsl.layout.straighten import straighten
from archdsl.record import record
from archdsl.theme import Sizes
from archdsl.view.types import Edge

_FIRST_TRACK = 9.0
_ARROW_ROOM = 13.0
_LABEL_ROOM = 30.0
_FAR = 60.0
"""How far left of a group's axis a wire comes up that enters it there."""


ENTERED_FROM_LANE = ("operator", "pill", "box")
"""Forms of nodes that a wire from the lane enters from the right."""


@record
class Wire:
    """A wire's corners from its source to its target, and where its label starts on its
    baseline. `hops`: where it hops over other wires.
    """

    edge: Edge
    points: tuple[Point, ...]
    arrow: bool
    label_at: Point | None = None
    hops: tuple[Point, ...] = ()


@dataclass(slots=True)
class Plan:
    """All routes of a diagram, the number of tracks in each gap and the gaps that hold labels."""

    routes: list[Route]
    tracks: list[int]
    labelled: set[int]
    right: float


def plan(layers: Layers, residual: list[Edge], sizes: Sizes) -> Plan:
    """Choose ports, sides, lanes and tracks."""
    _widen(layers)
    entered: dict[int, list[Route]] = defaultdict(list)
    routes = [Route(edge, course) for edge, course in layers.courses]
    for route in routes:
        entered[id(route.course[-1])].append(route)
    doubled = {edge.target for edge in residual}
    labels = {
        id(route): text.line_width(route.edge.label, sizes.small) + 10.0 + LABEL_APART
        for route in routes
        if route.edge.label
    }
    signs = {id(r): sign_step(r.edge.label, sizes) for r in routes if sign(r.edge.label)}
    for arriving in entered.values():
        _enter(arriving, layers, doubled, labels, signs)
    rising: dict[int, list[float]] = defaultdict(list)
    for route in routes:
        if route.beside:
            rising[route.course[-1].layer].append(route.rises)
    for arriving in entered.values():
        _hook(arriving, layers, doubled, rising)
    straighten(layers, routes)
    for route in routes:
        _jogs(route)
    lanes = _lanes(layers, residual, sizes)
    tracks = _tracks(layers, [*routes, *lanes])
    labelled = {route.course[-1].layer - 1 for route in routes if route.edge.label}
    right = max((route.lane for route in lanes if route.lane is not None), default=0.0)
    return Plan([*routes, *lanes], tracks, labelled, right)


def _widen(layers: Layers) -> None:
    """Let each `wide` node reach over all the columns below it, as far as its neighbours leave
    room.
    """
    for row in layers.rows:
        for number, cell in enumerate(row):
            if cell.node is None or not cell.node.wide or not cell.below:
                continue
            columns = [other.x for other, _ in cell.below]
            left, right = min(columns) - 34.0, max(columns) + 34.0
            if number:
                left = max(left, row[number - 1].right + _beside(row[number - 1]))
            if number + 1 < len(row):
                right = min(right, row[number + 1].left - _beside(row[number + 1]))
            cell.extent = spread(cell.extent, cell.x - left, right - cell.x)
            if cell.body is not None:
                cell.body = spread(cell.body, cell.x - left, right - cell.x)


def _beside(cell: Cell) -> float:
    """The least white beside a cell: next to an operator a wire may have to come up."""
    is_operator = cell.node is not None and cell.node.form == "operator"
    return HOOK_ROOM - OPERATOR_RADIUS if is_operator else 12.0


def _enter(
    routes: list[Route],
    layers: Layers,
    doubled: set[str],
    labels: dict[int, float],
    signs: dict[int, float],
) -> None:
    """Choose where the wires into one node arrive, with room for the labels beside them, or for the
    signs alone.
    """
    target = routes[0].course[-1]
    node = target.node
    assert node is not None
    if node.form == "operator":
        sides = {1} if node.id in doubled else set()
        for route in routes:
            away = route.rises - target.x
            side = (away > 0) - (away < 0)
            free = abs(away) > SIDE_ROOM and side not in sides
            if len(routes) + len(sides) > 1 and free and is_clear(route, layers):
                route.side = side
                sides.add(side)
            route.port = target.x
        return
    if node.form in ("group", "port") or (len(routes) == 1 and not node.wide):
        _enter_group([route for route in routes if route.edge.entry], target)
        _spread([route for route in routes if not route.edge.entry], target)
        return
    order = sorted(routes, key=lambda route: route.rises)
    body = target.body or target.extent
    low, high = target.x - body.left + SIGN_MARGIN, target.x + body.right - SIGN_MARGIN
    wishes = [min(high, max(low, route.rises)) for route in order]
    step = min(LEAST_PORT_DISTANCE, (high - low) / max(1, len(order) - 1))
    steps = [max(step, labels.get(id(route), 0.0)) for route in order]
    if sum(steps) > high - low + steps[-1]:
        steps = [signs.get(id(route), step) for route in order]
    after = [sum(steps[number:-1]) for number in range(len(order))]
    for number, route in enumerate(order):
        least = order[number - 1].port + steps[number - 1] if number else low
        route.port = min(max(wishes[number], least), high - after[number])
        route.room = steps[number]


def _spread(routes: list[Route], target: Cell) -> None:
    """Wires of several sources arrive side by side at a border, the straightest at its port."""
    order = sorted(routes, key=lambda route: route.rises)
    straight = min(range(len(order)), key=lambda n: abs(order[n].rises - target.x))
    for number, route in enumerate(order):
        route.port = target.x + (number - straight) * LEAST_JOG


def _hook(
    routes: list[Route], layers: Layers, doubled: set[str], rising: dict[int, list[float]]
) -> None:
    """Let all but the straightest of the wires into an operator from below enter from a side that
    is free. `rising`: the columns in which wires come up to a layer from below.
    """
    target = routes[0].course[-1]
    below = [route for route in routes if not route.side]
    if target.node is None or target.node.form != "operator" or len(below) < 2:
        return
    sides = {route.side for route in routes} | ({1} if target.node.id in doubled else set())
    row = layers.rows[target.layer]
    number = row.index(target)
    if number and target.x - row[number - 1].right < HOOK_ROOM:
        sides.add(-1)
    if number + 1 < len(row) and row[number + 1].left - target.x < HOOK_ROOM:
        sides.add(1)
    columns = rising[target.layer]
    for route in sorted(below, key=lambda r: abs(r.rises - target.x))[1:]:
        wish = 1 if route.rises >= target.x else -1
        for side in (wish, -wish):
            port = target.x + side * HOOK
            if side in sides or any(abs(port - column) < HOOK_APART for column in columns):
                continue
            route.side, route.hooked, route.port = side, True, port
            sides.add(side)
            columns.append(port)
            target.body = target.body or target.extent
            left, right = (HOOK_ROOM, 0.0) if side < 0 else (0.0, HOOK_ROOM)
            target.extent = spread(target.extent, left, right)
            break


def _enter_group(routes: list[Route], target: Cell) -> None:
    """The wires of a group's further inputs arrive at its border, right of its port."""
    ports = target.gates.ports if target.gates else {}
    for route in routes:
        route.port = target.x + ports.get(route.edge.entry, 0.0)
    routes = [route for route in routes if route.edge.entry not in ports]
    left = [route for route in routes if route.rises < target.x - _FAR]
    _enter_left(left, target)
    routes = [route for route in routes if route not in left]
    border = target.x + (target.body or target.extent).right
    apart = min(30.0, (border - BORDER_ROOM - target.x) / max(1, len(routes)))
    at = target.x
    order = sorted(routes, key=lambda route: route.rises)
    for number, route in enumerate(order, 1):
        wide = entry_width(route.edge)
        wish = max(at + apart, min(border - 20.0 - wide, route.rises))
        route.port = min(wish, border - BORDER_ROOM - apart * (len(order) - number))
        at = route.port + wide


def _enter_left(routes: list[Route], target: Cell) -> None:
    """What comes from the left of a group enters it left of its port."""
    left = target.gates.left if target.gates else -(target.body or target.extent).left
    border = target.x + left
    order = sorted(routes, key=lambda route: route.rises)
    at = target.x
    for number, route in enumerate(reversed(order)):
        least = border + BORDER_ROOM + 30.0 * (len(order) - 1 - number)
        route.port = max(least, min(at - entry_width(route.edge), route.rises))
        at = route.port


def _jogs(route: Route) -> None:
    """The pieces by which a wire changes its column on the way up."""
    course = route.course
    for number in range(len(course) - 1):
        low, high = course[number], course[number + 1]
        last = number == len(course) - 2
        start = leaves(low, route.edge)
        end = route.port if last else high.x
        if (last and route.beside) or abs(start - end) <= STRAIGHT:
            continue
        route.pieces[low.layer] = Piece(start, end, ("from", id(low), route.edge.result))


def _lanes(layers: Layers, residual: list[Edge], sizes: Sizes) -> list[Route]:
    """Routes of the residual wires, each in a lane right of all that any of them passes."""
    routes = [
        Route(edge, [layers.cells[edge.source], layers.cells[edge.target]]) for edge in residual
    ]
    spans = [(route.course[0].layer, route.course[1].layer) for route in routes]
    passed = [
        cell for low, high in spans for row in layers.rows[low + 1 : high + 1] for cell in row
    ]
    for route in routes:  # what stands beside the fork, whose wires would meet the lane at its foot
        row = layers.rows[route.course[0].layer]
        passed += row[row.index(route.course[0]) + 1 :]
    base = max((cell.right for cell in passed), default=0.0) + sizes.lane * 0.9
    levels: list[list[tuple[int, int]]] = []
    for _, route in sorted(enumerate(routes), key=lambda numbered: _length(numbered[1])):
        low, high = route.course[0].layer, route.course[1].layer
        level = next(
            (n for n, used in enumerate(levels) if all(high <= a or b <= low for a, b in used)),
            len(levels),
        )
        if level == len(levels):
            levels.append([])
        levels[level].append((low, high))
        route.lane = base + level * 12.0
        _enter_from_lane(route, layers)
    for target in {id(route.course[-1]): route.course[-1] for route in routes}.values():
        beside = [route for route in routes if route.course[-1] is target and route.side]
        beside.sort(key=lambda route: route.lane or 0.0)  # the outer ones pass over the inner ones
        for number, route in enumerate(beside, 1):
            route.height = number / (len(beside) + 1)
    return routes


def _length(route: Route) -> int:
    return route.course[1].layer - route.course[0].layer


def _enter_from_lane(route: Route, layers: Layers) -> None:
    """Fork in the gap above the source; enter the target from the right where nothing stands in
    between, else from below.
    """
    source, target = route.course
    assert route.lane is not None and target.node is not None
    route.port = target.x
    net = "from", id(source), ""
    route.pieces[source.layer] = Piece(leaves(source, route.edge), route.lane, net)
    row = layers.rows[target.layer]
    right = row[row.index(target) + 1 :]
    if target.node.form in ENTERED_FROM_LANE and all(cell.node is None for cell in right):
        route.side = 1
    else:
        route.pieces[target.layer - 1] = Piece(route.lane, route.port, ("into", id(target), ""))


def _tracks(layers: Layers, routes: list[Route]) -> list[int]:
    """Give every piece a track; pieces of one net share it. Returns the number of tracks of each
    gap.
    """
    gaps: dict[int, dict[Net, list[Piece]]] = defaultdict(lambda: defaultdict(list))
    for route in routes:
        for gap, piece in route.pieces.items():
            gaps[gap][piece.net].append(piece)
    counts = [0] * max(0, len(layers.rows) - 1)
    for gap, nets in gaps.items():
        used: list[list[tuple[float, float]]] = []
        placed: dict[Net, int] = {}
        below = _below(nets)
        waiting = sorted(nets, key=lambda net: _reach(nets[net]))
        while waiting:  # in a circle of nets, each below the next, the first goes first
            net = next((n for n in waiting if below[n] <= placed.keys()), waiting[0])
            waiting.remove(net)
            low, high = _reach(nets[net])
            least = max((placed[n] + 1 for n in below[net] if n in placed), default=0)
            order = range(least, len(used))
            track = next(
                (
                    t
                    for t in (order if net[0] == "from" else reversed(order))
                    if all(high + 6.0 < a or b < low - 6.0 for a, b in used[t])
                ),
                max(least, len(used)),
            )
            while track >= len(used):
                used.append([])
            used[track].append((low, high))
            placed[net] = track
            for piece in nets[net]:
                piece.track = track
        counts[gap] = len(used)
    return counts


def _below(nets: dict[Net, list[Piece]]) -> dict[Net, set[Net]]:
    """For each net in a gap those that have to lie below it: where it goes up in the column in
    which another comes from below, both would run on one line otherwise. Of the results of one node
    also those that would cross it otherwise.
    """
    rising: dict[int, list[tuple[float, Net]]] = defaultdict(list)
    for net, pieces in nets.items():
        for piece in pieces:
            rising[round(piece.start / COLUMN)].append((piece.start, net))
    under: dict[Net, set[Net]] = {net: set() for net in nets}
    for net, pieces in nets.items():
        for piece in pieces:
            column = round(piece.end / COLUMN)
            for start, other in (pair for at in (-1, 0, 1) for pair in rising[column + at]):
                if other != net and abs(start - piece.end) < COLUMN:
                    under[net].add(other)
    results: dict[tuple[str, int], list[Net]] = defaultdict(list)
    for net in nets:
        results[net[:2]].append(net)
    for parted in results.values():
        for one, other in itertools.permutations(parted, 2):
            if _crossed(nets[one], nets[other]) < _crossed(nets[other], nets[one]):
                under[other].add(one)
    return under


def _crossed(low: list[Piece], high: list[Piece]) -> int:
    """How often two nets cross where the one runs below the other."""
    (low_left, low_right), (high_left, high_right) = _reach(low), _reach(high)
    rising = sum(high_left < piece.end < high_right for piece in low)
    return rising + sum(low_left < start < low_right for start in {p.start for p in high})


def _reach(pieces: list[Piece]) -> tuple[float, float]:
    ends = [end for piece in pieces for end in (piece.start, piece.end)]
    return min(ends), max(ends)


def _first_track(sizes: Sizes) -> float:
    """How far above a layer the lowest track of the gap above it runs."""
    return min(_FIRST_TRACK, sizes.track + 2.0)


def gap_height(plan: Plan, gap: int, sizes: Sizes, least: float) -> float:
    """Height of a gap in pixels: room for its tracks, an arrow and perhaps a label."""
    tracks = plan.tracks[gap]
    arrow = min(_ARROW_ROOM, sizes.gap + 2.0)
    needed = _first_track(sizes) + (tracks - 1) * sizes.track + arrow if tracks else 0.0
    if gap in plan.labelled:
        needed = max(least, needed) + (_LABEL_ROOM - arrow if tracks else 8.0)
    return max(least, needed)


def wires(
    plan: Plan, tops: dict[int, float], bottoms: dict[int, float], rows: list[float], sizes: Sizes
) -> list[Wire]:
    """The wires' corners. `tops` and `bottoms` are those of cells, by identity; `rows` the layers'
    tops.
    """
    return [_drawn(route, tops, bottoms, rows, sizes) for route in plan.routes]


def _drawn(
    route: Route, tops: dict[int, float], bottoms: dict[int, float], rows: list[float], sizes: Sizes
) -> Wire:
    source, target = route.course[0], route.course[-1]
    points = [Point(leaves(source, route.edge), tops[id(source)])]
    for gap in sorted(route.pieces):
        piece = route.pieces[gap]
        height = rows[gap] - _first_track(sizes) - piece.track * sizes.track
        start = piece.start
        if route.lane is not None and gap == source.layer:
            points = []
        elif abs(points[-1].x - start) <= STRAIGHT:
            start = points[-1].x
        points += [Point(start, height), Point(piece.end, height)]
    if route.side:
        low, high = bottoms[id(target)], tops[id(target)]
        entry = low + (high - low) * route.height
        points += [
            Point(points[-1].x, entry),
            Point(_flank(target, route.side), entry),
        ]
    else:
        straight = abs(points[-1].x - route.port) <= STRAIGHT
        points.append(Point(points[-1].x if straight else route.port, bottoms[id(target)]))
    into_port = target.node is not None and target.node.form in ("port", "group")
    goes_on = target.gates is not None and route.edge.entry in target.gates.ports
    arrow = not into_port or (bool(route.edge.entry) and not goes_on)
    return Wire(route.edge, _straightened(points), arrow)


def _flank(target: Cell, side: int) -> float:
    """Where a wire enters from the side."""
    body = target.body or target.extent
    return target.x + (body.right if side > 0 else -body.left)


def _straightened(points: list[Point]) -> tuple[Point, ...]:
    """The corners alone: no point between two others on a straight line, none twice."""
    kept = points[:1]
    x, y = points[0]
    upright = level = False
    for point in points[1:]:
        same_x, same_y = -0.01 < point.x - x < 0.01, -0.01 < point.y - y < 0.01
        if same_x and same_y:
            continue
        if (upright and same_x) or (level and same_y):
            kept[-1] = point
        else:
            kept.append(point)
        upright, level = same_x, same_y
        x, y = point
    return tuple(kept)
