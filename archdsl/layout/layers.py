"""Layers, order and columns of a diagram: the method of Sugiyama, Tagawa and Toda (1981).

Every node gets a layer above all that it reads. A wire that passes layers gets a cell in each of
them, so that no box can come to lie on it. Sweeps order the cells so that few wires cross; then
each cell moves as near to its neighbours' columns as its own neighbours in the layer allow. The
last is a least-squares problem with an exact solution in linear time (pool adjacent violators),
which keeps straight what can be.
"""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archdsl.layout.cells import LABEL_APART, Cell, Gates, spread
from archdsl.layout.columns import columns
from archdsl.layout.measure import HOOK, ORDERED, Extent
from archdsl.view.types import Diagram, Edge

_WIRE = Extent(8.0, 8.0, 0.0)
_ORDER_SWEEPS = 6
_SIDE_WEIGHT = 1e-6
PARTED = ("box", "pill", "choice")
"""Forms of nodes whose results leave side by side."""
_BESIDE, _CORNER = 26.0, 10.0
"""How far beside another result one leaves at most, and from the corner of a box at least."""
_NEAREST = 14.0
"""How far beside another result one leaves at least, where a box is wide enough."""
_GROUP_LENGTH = 100
"""For how many blocks a group counts where the trunk is looked for."""


@dataclass(slots=True)
class Layers:
    """The cells layer by layer from below, and for each flow edge the cells that it passes."""

    rows: list[list[Cell]]
    cells: dict[str, Cell]
    courses: list[tuple[Edge, list[Cell]]]


def ranks(diagram: Diagram) -> dict[str, int]:
    """Each node's layer: one above the highest node that it reads; `late` ones just below their
    reader.
    """
    inputs: dict[str, list[str]] = defaultdict(list)
    outputs: dict[str, list[str]] = defaultdict(list)
    for edge in diagram.edges:
        inputs[edge.target].append(edge.source)
        outputs[edge.source].append(edge.target)
    order = _topological(diagram, inputs, outputs)
    rank: dict[str, int] = {}
    for name in order:
        rank[name] = max((rank[source] + 1 for source in inputs[name]), default=0)
    nodes = {node.id: node for node in diagram.nodes}
    first = diagram.nodes[0].id
    for name in reversed(order):
        alone = not inputs[name] and name != first and nodes[name].form != "port"
        if (nodes[name].late or alone) and outputs[name]:
            rank[name] = min(rank[target] for target in outputs[name]) - 1
    top = max(rank.values())
    for name in order:
        if nodes[name].form == "port" and not outputs[name] and inputs[name]:
            rank[name] = top  # the frame's upper border runs through it
    return rank


def _topological(
    diagram: Diagram, inputs: dict[str, list[str]], outputs: dict[str, list[str]]
) -> list[str]:
    waiting = {node.id: len(inputs[node.id]) for node in diagram.nodes}
    ready = [name for name, count in waiting.items() if count == 0]
    order: list[str] = []
    while ready:
        name = ready.pop()
        order.append(name)
        for target in outputs[name]:
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    if len(order) < len(waiting):
        raise ValueError("a diagram must have no cycle")
    return order


def layered(
    diagram: Diagram,
    rank: Mapping[str, int],
    straight: Sequence[Edge],
    extents: Mapping[str, Extent],
    spacing: float,
    labels: Mapping[tuple[str, str, str], float],
    gates: Mapping[str, Gates],
) -> Layers:
    """Place the nodes of `diagram` in the layers `rank`, columns `spacing` pixels apart at least,
    those of the wires `straight` in one.

    `labels` holds the widths of the edges' labels, each of which stands right of its wire's last
    piece. `gates`: where wires enter and leave groups.
    """
    cells = {node.id: Cell(node, extents[node.id], rank[node.id]) for node in diagram.nodes}
    for name, gate in gates.items():
        cells[name].out, cells[name].gates = gate.out, gate
    _widen_for_hooks(cells)
    _widen_for_labels(diagram, cells, labels)
    rows: list[list[Cell]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for cell in cells.values():
        rows[cell.layer].append(cell)
    fed = {edge.target for edge in diagram.edges}
    summed = {edge.target for edge in diagram.edges if edge.form == "residual"}
    courses: list[tuple[Edge, list[Cell]]] = []
    for edge in diagram.edges:
        if edge.form == "flow":
            course = _course(cells[edge.source], cells[edge.target], rows)
            side = edge.source not in fed and edge.source != diagram.nodes[0].id
            _join(course, _SIDE_WEIGHT if side else 1.0)
            label = labels.get((edge.source, edge.target, edge.port), 0.0)
            target = cells[edge.target].node
            _make_room(course[-2], label, target is not None and target.form == "operator")
            courses.append((edge, course))
    _order(rows, summed)
    _uncross(rows, courses)
    _part_operators(rows)
    pinned: list[Cell] = []
    by_edge = {id(edge): course for edge, course in courses} if straight else {}
    for edge in straight:
        course = by_edge[id(edge)]
        pinned += course[1:] if pinned else course
    columns(rows, spacing, pinned)
    _part_results(courses)
    return Layers(rows, cells, courses)


def _part_results(courses: list[tuple[Edge, list[Cell]]]) -> None:
    """Let the wires of a node's results leave it side by side, in the order of where they lead, one
    of them straight up.
    """
    leads: dict[int, dict[str, list[float]]] = defaultdict(dict)
    cells: dict[int, Cell] = {}
    for edge, course in courses:
        if edge.result and course[0].node is not None and course[0].node.form in PARTED:
            cells[id(course[0])] = course[0]
        leads[id(course[0])].setdefault(edge.result, []).append(course[1].x)
    for name, cell in cells.items():
        columns = {result: sum(xs) / len(xs) - cell.x for result, xs in leads[name].items()}
        body = cell.body or cell.extent
        left, right = _CORNER - body.left, body.right - _CORNER
        order = sorted(columns, key=lambda result: columns[result])
        middle = min(range(len(order)), key=lambda number: abs(columns[order[number]]))
        start = min(right, max(left, columns[order[middle]]))
        before, behind = middle, len(order) - 1 - middle
        steps = [_BESIDE]
        steps += [(start - left) / before] if before else []
        steps += [(right - start) / behind] if behind else []
        if min(steps) < _NEAREST and len(order) > 1:
            start = left + (right - left) * before / (len(order) - 1)
            steps = [_BESIDE, (right - left) / (len(order) - 1)]
        step = min(steps)
        cell.outlets = {r: start + step * (n - middle) for n, r in enumerate(order)}


def trunk(diagram: Diagram, rank: dict[str, int]) -> list[Edge]:
    """The wires from an input to a result that most blocks stand on, groups before all: what a
    reader follows through a tower. In a group it leads to where values leave.
    """
    into: dict[str, list[Edge]] = defaultdict(list)
    for edge in diagram.edges:
        if edge.form == "flow" and not edge.entry:
            into[edge.target].append(edge)
    length: dict[str, int] = {}
    last: dict[str, Edge] = {}
    for node in sorted(diagram.nodes, key=lambda node: rank[node.id]):
        below = max((length[edge.source] for edge in into[node.id]), default=0)
        longest = [edge for edge in into[node.id] if length[edge.source] == below]
        if longest:
            last[node.id] = longest[(len(longest) - 1) // 2]
        if into[node.id] or node is diagram.nodes[0]:  # else a tensor that comes in at the side
            below += _GROUP_LENGTH if node.form == "group" else 1
        length[node.id] = below
    ends = [node.id for node in diagram.nodes if node.form == "port" and into[node.id]]
    name = max(ends or length, key=lambda name: length[name])
    edges: list[Edge] = []
    while name in last:
        edges.append(last[name])
        name = last[name].source
    return edges[::-1]


def _widen_for_hooks(cells: dict[str, Cell]) -> None:
    """Let each operator whose operands have an order have room for a wire close beside it."""
    for cell in cells.values():
        if cell.node is not None and cell.node.mark in ORDERED:
            cell.body = cell.extent
            cell.extent = spread(cell.extent, HOOK + 6.0, HOOK + 6.0)


def _part_operators(rows: list[list[Cell]]) -> None:
    """Leave room between neighbouring operators for a wire close beside each of them."""
    for row in rows:
        for left, right in itertools.pairwise(row):
            if _has_operands(left) and _has_operands(right):
                left.body, right.body = left.body or left.extent, right.body or right.extent
                left.extent = spread(left.extent, 0.0, HOOK)
                right.extent = spread(right.extent, HOOK, 0.0)


def _has_operands(cell: Cell) -> bool:
    return cell.node is not None and cell.node.form == "operator" and len(cell.below) > 1


def _widen_for_labels(
    diagram: Diagram, cells: dict[str, Cell], labels: Mapping[tuple[str, str, str], float]
) -> None:
    """Let each wide node have room for the labels of its wires beside each other."""
    for node in diagram.nodes:
        if node.wide:
            needed = 24.0 + sum(
                labels.get((edge.source, edge.target, edge.port), 0.0) + LABEL_APART
                for edge in diagram.edges
                if edge.target == node.id
            )
            cell = cells[node.id]
            cell.extent = spread(cell.extent, needed / 2, needed / 2)
            cell.body = None


def _course(source: Cell, target: Cell, rows: list[list[Cell]]) -> list[Cell]:
    """The cells of a wire from `source` to `target`, new ones in the layers between."""
    between = [Cell(None, _WIRE, layer) for layer in range(source.layer + 1, target.layer)]
    for cell in between:
        rows[cell.layer].append(cell)
    return [source, *between, target]


def _make_room(cell: Cell, label: float, both: bool) -> None:
    """Widen a cell to the right, or to both sides, so that a label fits beside the wire that
    leaves it.
    """
    if label:
        extent = cell.extent
        cell.body = cell.body or extent
        left = max(extent.left, label + 2.0) if both else extent.left
        cell.extent = Extent(left, max(extent.right, label + 2.0), extent.height)


def _join(course: list[Cell], share: float) -> None:
    """Make neighbours of a wire's cells; the straighter a piece should be, the greater
    its weight.
    """
    for low, high in itertools.pairwise(course):
        weight = share * (8.0 if low.node is None and high.node is None else 1.0)
        low.above.append((high, weight))
        high.below.append((low, weight))


def _order(rows: list[list[Cell]], summed: set[str]) -> None:
    """Order the cells of each layer: operands from left to right, then sweeps while crossings
    remain. Nothing stands right of a node that is `summed` with what comes up the lane there.
    """
    place = _discovery(rows)
    for row in rows:
        row.sort(key=lambda cell: place[id(cell)])
    best, fewest = [list(row) for row in rows], _crossings(rows)
    for sweep in range(_ORDER_SWEEPS):
        if fewest == 0:
            break
        upward = sweep % 2 == 0
        for row in rows if upward else reversed(rows):
            _sort_by_neighbours(row, rows, upward)
        crossings = _crossings(rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    for row, order in zip(rows, best, strict=True):
        row[:] = order
        ends = [cell for cell in row if cell.node is not None and cell.node.id in summed]
        others = [number for number, cell in enumerate(row) if cell.node is not None]
        if ends and row[others[-1]] is not ends[-1]:
            after = row[others[-1] + 1 :]
            row[:] = [cell for cell in row if cell not in (*ends, *after)] + ends + after


def _uncross(rows: list[list[Cell]], courses: list[tuple[Edge, list[Cell]]]) -> None:
    """Let wires of one source that pass a layer stand there in the order of what is above."""
    source = {
        id(cell): (id(course[0]), edge.result) for edge, course in courses for cell in course[1:-1]
    }
    for above, row in itertools.pairwise(reversed(rows)):
        slots: dict[tuple[int, str], list[int]] = defaultdict(list)
        for number, cell in enumerate(row):
            if cell.node is None:
                slots[source[id(cell)]].append(number)
        place = {id(cell): number for number, cell in enumerate(above)}
        for numbers in slots.values():
            if len(numbers) > 1:
                passing = [row[number] for number in numbers]
                passing.sort(key=lambda cell: place[id(cell.above[0][0])])
                for number, cell in zip(numbers, passing, strict=True):
                    row[number] = cell


def _discovery(rows: list[list[Cell]]) -> dict[int, int]:
    """When a walk from the results down, first operand first, meets each cell."""
    met: dict[int, int] = {}
    for row in reversed(rows):
        for root in row:
            if root.above or id(root) in met:
                continue
            stack = [root]
            while stack:
                cell = stack.pop()
                if id(cell) not in met:
                    met[id(cell)] = len(met)
                    stack.extend(below for below, _ in reversed(cell.below))
    return met


def _sort_by_neighbours(row: list[Cell], rows: list[list[Cell]], upward: bool) -> None:
    """Sort a layer by the mean place of each cell's neighbours in the layer next to it."""
    layer = row[0].layer if row else 0
    other = layer - 1 if upward else layer + 1
    if not 0 <= other < len(rows):
        return
    place = {id(cell): float(number) for number, cell in enumerate(rows[other])}
    means: dict[int, float] = {}
    for number, cell in enumerate(row):
        near = [place[id(neighbour)] for neighbour, _ in (cell.below if upward else cell.above)]
        means[id(cell)] = sum(near) / len(near) if near else float(number)
    row.sort(key=lambda cell: means[id(cell)])


def _crossings(rows: list[list[Cell]]) -> int:
    """How many pairs of wires cross between layers."""
    total = 0
    for low, high in itertools.pairwise(rows):
        if len(low) < 2 and len(high) < 2:
            continue
        place = {id(cell): number for number, cell in enumerate(high)}
        ends = [[place[id(other)] for other, _ in cell.above] for cell in low]
        total += _inversions([end for layer_ends in ends for end in sorted(layer_ends)])
    return total


def _inversions(values: Sequence[int]) -> int:
    """Pairs in the wrong order, by merging (n log n)."""
    if len(values) < 2:
        return 0
    half = len(values) // 2
    left, right = list(values[:half]), list(values[half:])
    count = _inversions(left) + _inversions(right)
    left.sort()
    right.sort()
    at = 0
    for value in right:
        while at < len(left) and left[at] <= value:
            at += 1
        count += len(left) - at
    return count
