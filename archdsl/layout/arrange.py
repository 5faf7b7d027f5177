"""Positions of all nodes and wires of a diagram, diagrams within groups first.

Coordinates are the diagram's own; drawing shifts them to where the page has room. A group's frame
runs through its ports: its lower border through the one where values enter, its upper border
through the other.
"""

import itertools
from collections import Counter

from archdsl import text
from archdsl.geometry import Box, Point, around
from archdsl.layout import labels as labels_at
from archdsl.layout import route
from archdsl.layout.cells import Cell, Gates
from archdsl.layout.crossings import marked, over
from archdsl.layout.layers import PARTED, Layers, layered, ranks, trunk
from archdsl.layout.measure import BADGE_HEIGHT, Extent, badge_width, leaf, ported, signed
from archdsl.layout.route import ENTERED_FROM_LANE, Wire
from archdsl.record import record, replace
from archdsl.theme import Sizes
from archdsl.view.types import Badge, Diagram, Edge, Node

_LANE_SHARE = 0.85
_BACK = 20.0
"""Room for the wire of a loop that goes back, at the left of all in its frame."""
_BACK_BELOW, _BACK_ABOVE = 27.0, 9.0
"""How far below the upper border it begins, under the title, and how far above the lower one it
ends.
"""
_CHANNEL = 26.0
"""The least white between two towers, where the wire from one to the other runs."""
_HEAD = 36.0
_BADGE_ARROW = 15.0
_BADGE_APART = 6.0
COUNT_SIZE = 17.0


@record
class PlacedBadge:
    """A badge's pill, and the end of its arrow on the node it belongs to. `hops`: where the arrow
    hops over wires.
    """

    badge: Badge
    node: str
    box: Box
    tip: Point
    hops: tuple[Point, ...] = ()


@record
class Placed:
    """A node and its box; for a group, the diagram inside, in the same coordinates."""

    node: Node
    box: Box
    inner: "Arranged | None" = None


@record
class Arranged:
    """A diagram with positions. `frame` is its border when it stands in a group, `reach` holds all
    of it, `dots` are where wires part.
    """

    placed: tuple[Placed, ...]
    wires: tuple[Wire, ...]
    badges: tuple[PlacedBadge, ...]
    frame: Box
    reach: Box
    entry: float
    exit: float
    gaps: int
    dots: tuple[Point, ...] = ()

    def moved(self, dx: float, dy: float) -> "Arranged":
        """The same, shifted."""
        return Arranged(
            tuple(_moved_node(part, dx, dy) for part in self.placed),
            tuple(_moved_wire(part, dx, dy) for part in self.wires),
            tuple(_moved_badge(part, dx, dy) for part in self.badges),
            self.frame.moved(dx, dy),
            self.reach.moved(dx, dy),
            self.entry + dx,
            self.exit + dx,
            self.gaps,
            tuple(_moved_point(dot, dx, dy) for dot in self.dots),
        )


def _moved_point(point: Point, dx: float, dy: float) -> Point:
    return Point(point.x + dx, point.y + dy)


def _moved_node(placed: Placed, dx: float, dy: float) -> Placed:
    inner = placed.inner.moved(dx, dy) if placed.inner else None
    return Placed(placed.node, placed.box.moved(dx, dy), inner)


def _moved_wire(wire: Wire, dx: float, dy: float) -> Wire:
    points = tuple(_moved_point(point, dx, dy) for point in wire.points)
    label_at = _moved_point(wire.label_at, dx, dy) if wire.label_at else None
    hops = tuple(_moved_point(hop, dx, dy) for hop in wire.hops)
    return Wire(wire.edge, points, wire.arrow, label_at, hops)


def _moved_badge(spot: PlacedBadge, dx: float, dy: float) -> PlacedBadge:
    tip = _moved_point(spot.tip, dx, dy)
    hops = tuple(_moved_point(hop, dx, dy) for hop in spot.hops)
    return PlacedBadge(spot.badge, spot.node, spot.box.moved(dx, dy), tip, hops)


def arrange(
    diagram: Diagram, sizes: Sizes, gap: float | None = None, title: float = 0.0
) -> Arranged:
    """Give every node and wire of `diagram` a place; layers are `gap` pixels apart at least.

    `title`: the width of a title that stands in the upper left corner of the frame.
    """
    if not diagram.nodes:
        empty = Box(0, 0, 0, 0)
        return Arranged((), (), (), empty, empty, 0.0, 0.0, 0)
    if any(edge.form == "across" for edge in diagram.edges):
        return _side_by_side(diagram, sizes, gap)
    diagram = _straight(_of_one_exit(diagram))
    rank = ranks(diagram)
    if diagram.loops:
        rank[diagram.nodes[-1].id] += 1  # the wire back runs below the result, above all else
    straight = trunk(diagram, rank) if diagram.roomy else []
    diagram = _badges_inside(_round(diagram, straight), rank)
    gap = sizes.gap if gap is None else gap
    inner = {
        node.id: arrange(node.inner, sizes, gap, _title_width(node, sizes))
        for node in diagram.nodes
        if node.inner is not None
    }
    extents = {
        node.id: _group(node, inner[node.id])
        if node.inner is not None
        else leaf(node, sizes, diagram.roomy)
        for node in diagram.nodes
    }
    labels_into: dict[str, list[text.Line]] = {}
    for edge in diagram.edges:
        labels_into.setdefault(edge.target, []).append(edge.label)
    for node in diagram.nodes:
        if node.form in ("box", "pill"):
            labels_here = labels_into.get(node.id, [])
            extent = ported(extents[node.id], len(labels_here))
            extents[node.id] = signed(extent, labels_here, sizes)
    labels = {
        (edge.source, edge.target, edge.port): text.line_width(edge.label, sizes.small) + 10.0
        for edge in diagram.edges
        if edge.label
    }
    gates = {name: _gates(group) for name, group in inner.items()}
    spacing = sizes.lane if diagram.roomy else sizes.apart
    layers = layered(diagram, rank, straight, extents, spacing, labels, gates)
    residual = [edge for edge in diagram.edges if edge.form == "residual"]
    plan = route.plan(layers, residual, sizes)
    heights = [max((cell.extent.height for cell in row), default=0.0) for row in layers.rows]
    gaps = [route.gap_height(plan, n, sizes, gap) for n in range(len(layers.rows) - 1)]
    if title and gaps:
        gaps[-1] = max(gaps[-1], _HEAD + max(0, plan.tracks[-1] - 1) * sizes.track)
    if diagram.loops and gaps:
        gaps[-1] = max(gaps[-1], _HEAD)
    rows = _row_tops(heights, gaps)
    tops, bottoms = _levels(layers, rows, heights)
    placed = tuple(_place(cell, tops, inner) for cell in layers.cells.values())
    wires, dots = marked(route.wires(plan, tops, bottoms, rows, sizes))
    wires = labels_at.placed(
        wires,
        [_reach(node) for node in placed if node.node.form != "port"],
        sizes,
    )
    total = sum(group.gaps for group in inner.values()) + len(gaps)
    framed = replace(_framed(placed, wires, sizes, total, title), dots=dots)
    return _returning(framed, diagram) if diagram.loops else framed


def _returning(loop: Arranged, diagram: Diagram) -> Arranged:
    """A loop with the wire that brings its result back, on to the wire of the value that enters:
    below all that reads it.
    """
    first, last = diagram.nodes[0].id, diagram.nodes[-1].id
    entering = [wire for wire in loop.wires if wire.edge.source == first]
    ending = [wire for wire in loop.wires if wire.edge.target == last]
    if not entering or len(ending) != 1 or ending[0].edge.source == first:
        return loop
    bottom, room = loop.frame.bottom, 2 * _BACK_ABOVE
    left = min(loop.frame.x, loop.reach.x) - _BACK  # the frame goes round what hangs at its left
    frame = Box(left, loop.frame.y, loop.frame.right - left, loop.frame.height + room)
    placed = tuple(
        replace(item, box=item.box.moved(0.0, room)) if item.node.id == first else item
        for item in loop.placed
    )
    wires = tuple(
        replace(wire, points=(Point(wire.points[0].x, frame.bottom), *wire.points[1:]))
        if wire in entering and wire.points[0].y > bottom - 0.5
        else wire
        for wire in loop.wires
    )
    lane, high, low = frame.x + _BACK * 0.75, frame.y + _BACK_BELOW, frame.bottom - _BACK_ABOVE
    start = Point(loop.exit, high)
    points = (start, Point(lane, high), Point(lane, low), Point(loop.entry, low))
    hops = tuple(over(wires, *points[:2]))
    back = Wire(Edge(ending[0].edge.source, first, "back"), points, True, hops=hops)
    reach, dots = around([loop.reach, frame]), (*loop.dots, start)
    return replace(loop, placed=placed, wires=(*wires, back), frame=frame, reach=reach, dots=dots)


def _gates(group: Arranged) -> Gates:
    """Where wires pass a group's border: further ports in its lower one go on inside."""
    ports = [item for item in group.placed if item.node.form == "port"]
    low = max((item.box.y for item in ports), default=0.0)
    further = {
        item.node.id: item.box.x - group.entry for item in ports[1:] if item.box.y > low - 0.01
    }
    return Gates(group.frame.x - group.entry, group.exit - group.entry, further)


def _side_by_side(diagram: Diagram, sizes: Sizes, gap: float | None) -> Arranged:
    """Two towers beside each other, their frames on one baseline. What the left one gives goes over
    its frame, down between the two and up into the other.
    """
    (across,) = (edge for edge in diagram.edges if edge.form == "across")
    aside = _behind(diagram, across.source)
    turn = Node(f"{across.source}.turn", "terminal", late=True)
    nodes = [node for node in diagram.nodes if node.id not in aside]
    edges = [e for e in diagram.edges if e.source not in aside and e.target not in aside]
    given = replace(across, source=turn.id, form="flow")
    main = arrange(
        Diagram((nodes[0], turn, *nodes[1:]), (given, *edges), diagram.roomy), sizes, gap
    )
    side = arrange(
        Diagram(
            tuple(node for node in diagram.nodes if node.id in aside),
            tuple(edge for edge in diagram.edges if edge.target in aside),
            diagram.roomy,
        ),
        sizes,
        gap,
    )
    channel = max(_CHANNEL, sizes.lane * 1.4)
    bottom = _box_of(main, across.target).bottom - _box_of(side, across.source).bottom
    side = side.moved(main.reach.x - channel - side.reach.right, bottom)
    start, corner = _box_of(side, across.source), _box_of(main, turn.id).middle
    (group,) = (item.inner for item in side.placed if item.node.id == across.source)
    assert group is not None
    over, between = start.y - max(14.0, sizes.gap * 0.7), main.reach.x - channel / 2
    (rising,) = (wire for wire in main.wires if wire.edge is given)
    points = (
        Point(group.exit, start.y), Point(group.exit, over), Point(between, over),
        Point(between, corner.y), Point(rising.points[-1].x, corner.y), rising.points[-1],
    )  # fmt: skip
    wires = (*side.wires, *(wire for wire in main.wires if wire is not rising))
    wires, dots = marked([*wires, replace(rising, edge=across, points=points)])
    placed = (*side.placed, *(item for item in main.placed if item.node.id != turn.id))
    reach = around([side.reach, main.reach, *(Box(p.x, p.y, 0.0, 0.0) for p in points)])
    frame = around([side.frame, main.frame])
    gaps = max(side.gaps, main.gaps)
    badges = (*side.badges, *main.badges)
    return Arranged(placed, tuple(wires), badges, frame, reach, main.entry, main.exit, gaps, dots)


def _behind(diagram: Diagram, name: str) -> set[str]:
    """A node and all that it depends on."""
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here not in reached:
            reached.add(here)
            waiting += [edge.source for edge in diagram.edges if edge.target == here]
    return reached


def _box_of(arranged: Arranged, name: str) -> Box:
    return next(item.box for item in arranged.placed if item.node.id == name)


def _of_one_exit(diagram: Diagram) -> Diagram:
    """A diagram in which all that leaves a node at one point, as out of a group, is one net."""
    parted = {node.id for node in diagram.nodes if node.form in PARTED}
    if not any(edge.result and edge.source not in parted for edge in diagram.edges):
        return diagram
    edges = (e if e.source in parted else replace(e, result="") for e in diagram.edges)
    return replace(diagram, edges=tuple(edges))


def _straight(diagram: Diagram) -> Diagram:
    """A residual wire that is the only one to leave its source goes nowhere round."""
    flowing = {edge.source for edge in diagram.edges if edge.form == "flow"}
    alone = [e for e in diagram.edges if e.form == "residual" and e.source not in flowing]
    if not alone:
        return diagram
    edges = (replace(e, form="flow") if e in alone else e for e in diagram.edges)
    return replace(diagram, edges=tuple(edges))


def _round(diagram: Diagram, straight: list[Edge]) -> Diagram:
    """A diagram of which all wires that skip blocks of its trunk go round them in the lane."""
    if len(straight) == len(diagram.edges):
        return diagram
    on = {name for edge in straight for name in (edge.source, edge.target)}
    forms = {node.id: node.form for node in diagram.nodes if not node.wide}
    skips = [
        edge
        for edge in diagram.edges
        if edge.form == "flow"
        and not (edge.label or edge.entry or edge.port or edge.result)
        and edge.source in on
        and edge.target in on
        and forms.get(edge.target) in ENTERED_FROM_LANE
        and not any(edge is other for other in straight)
    ]
    if not skips:
        return diagram
    edges = (replace(e, form="residual") if e in skips else e for e in diagram.edges)
    return replace(diagram, edges=tuple(edges))


def _badges_inside(diagram: Diagram, rank: dict[str, int]) -> Diagram:
    """A node that has others beside it, which a badge's arrow would cross, has its badges in its
    own lines; so has each block of a choice.
    """
    if not any(node.badges for node in diagram.nodes):
        return diagram
    beside = Counter(rank[node.id] for node in diagram.nodes if node.form != "terminal")
    return replace(
        diagram,
        nodes=tuple(
            badges_inside(node) if node.badges and beside[rank[node.id]] > 1 else node
            for node in diagram.nodes
        ),
    )


def badges_inside(node: Node) -> Node:
    """A node with what its badges tell as the last of its lines, or of those of its cases."""
    if node.cases:
        cases = (
            replace(c, node=badges_inside(replace(c.node, badges=node.badges))) for c in node.cases
        )
        return replace(node, cases=tuple(cases), badges=())
    words = " · ".join(text.plain(badge.label) for badge in node.badges)
    more = (text.line(words, "ink", text.SEMIBOLD),) if words else ()
    return replace(node, lines=(*node.lines, *more), badges=())


def _title_width(node: Node, sizes: Sizes) -> float:
    return text.line_width(node.lines[0], sizes.small) if node.lines else 0.0


def _group(node: Node, inner: Arranged) -> Extent:
    """A group's extent: its frame, and what stands over its left border."""
    over = max(inner.frame.x - inner.reach.x, count_width(node))
    left = inner.entry - inner.frame.x + over
    return Extent(left, inner.frame.right - inner.entry, inner.frame.height)


def count_label(count: int) -> str:
    """How often a group repeats, as it stands beside the group."""
    return f"× {count:,}"


def count_width(node: Node) -> float:
    """How far a group's count reaches to the left of its border."""
    if node.count < 2:
        return 0.0
    return text.width(count_label(node.count), COUNT_SIZE, text.BOLD) + 14.0


def _row_tops(heights: list[float], gaps: list[float]) -> list[float]:
    """The y of each layer's upper edge; the highest layer's is 0."""
    tops = [0.0] * len(heights)
    for row in range(len(heights) - 2, -1, -1):
        tops[row] = tops[row + 1] + heights[row + 1] + gaps[row]
    return tops


def _levels(
    layers: Layers, rows: list[float], heights: list[float]
) -> tuple[dict[int, float], dict[int, float]]:
    """Top and bottom of each cell, in the middle of its layer; towers stand at its foot."""
    tops: dict[int, float] = {}
    bottoms: dict[int, float] = {}
    for row, top, height in zip(layers.rows, rows, heights, strict=True):
        groups = [cell for cell in row if cell.node is not None and cell.node.form == "group"]
        towers = groups if len(groups) > 1 else []
        for cell in row:
            share = 0.5
            if cell in towers:
                share = 1.0
            if cell.node is not None and cell.node.form == "port":
                share = 1.0 if cell.layer == 0 else 0.0  # the frame runs through it
            tops[id(cell)] = top + (height - cell.extent.height) * share
            bottoms[id(cell)] = tops[id(cell)] + cell.extent.height
    return tops, bottoms


def _place(cell: Cell, tops: dict[int, float], inner: dict[str, Arranged]) -> Placed:
    assert cell.node is not None
    top = tops[id(cell)]
    group = inner.get(cell.node.id)
    if group is not None:
        shifted = group.moved(cell.x - group.entry, top - group.frame.y)
        return Placed(cell.node, shifted.frame, shifted)
    body = cell.body or cell.extent
    box = Box(cell.x - body.left, top, body.left + body.right, body.height)
    return Placed(cell.node, box)


def _framed(
    placed: tuple[Placed, ...],
    wires: tuple[Wire, ...],
    sizes: Sizes,
    gaps: int,
    title: float = 0.0,
) -> Arranged:
    """Add the frame around the nodes, and the badges, which stand over its left border."""
    xs = [point.x for wire in wires for point in wire.points]
    ys = [point.y for wire in wires for point in wire.points]
    boxes = [_reach(item) for item in placed]
    if xs:
        boxes.append(Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)))
    boxes += [
        labels_at.label_box(wire.label_at, text.line_width(wire.edge.label, sizes.small), sizes)
        for wire in wires
        if wire.label_at is not None
    ]
    ink = around(boxes)
    lanes = max(xs, default=ink.x) >= ink.right - 0.01
    widths = [badge_width(badge.label, sizes) for item in placed for badge in item.node.badges]
    left = ink.x - sizes.side
    for item in placed:
        for badge in item.node.badges:
            wide = badge_width(badge.label, sizes)
            left = min(left, item.box.x - _BADGE_ARROW - wide / 2)
            left = min(left, _free(item, placed, wires) - _BADGE_APART - wide / 2)
    right = ink.right + (sizes.side * _LANE_SHARE if lanes else sizes.side)
    ports = [item.box.x for item in placed if item.node.form == "port"]
    if title and ports:
        high = [item.box.x for item in placed if item.box.y < ink.y + _HEAD]
        left = min(left, min(high, default=ports[-1]) - title - 28.0)
    frame = Box(left, ink.y, right - left, ink.height)
    badges = tuple(spot for item in placed for spot in _badges(item, left, wires, sizes))
    reach = around([frame, *(item.box for item in badges)]) if widths else frame
    entry = next((item.box.x for item in placed if item.node.form == "port"), None)
    middle = _middle(placed)
    return Arranged(
        placed,
        wires,
        badges,
        frame,
        reach,
        middle if entry is None else entry,
        ports[-1] if ports else middle,
        gaps,
    )


def _free(node: Placed, placed: tuple[Placed, ...], wires: tuple[Wire, ...]) -> float:
    """The left end of all that stands or runs at the height of a node's badges."""
    half = max(node.box.height, len(node.node.badges) * (BADGE_HEIGHT + 5.0)) / 2
    top, bottom = node.box.middle.y - half, node.box.middle.y + half
    boxes = [other.box.x for other in placed if other.box.y < bottom and other.box.bottom > top]
    passing = [
        min(a.x, b.x)
        for wire in wires
        for a, b in itertools.pairwise(wire.points)
        if min(a.y, b.y) < bottom and max(a.y, b.y) > top
    ]
    return min(*boxes, *passing, node.box.x)


def _middle(placed: tuple[Placed, ...]) -> float:
    return placed[0].box.middle.x


def _reach(placed: Placed) -> Box:
    """All that a node covers, with what stands over a group's border."""
    if placed.inner is None:
        return placed.box
    reach = around([placed.box, placed.inner.reach])
    over = count_width(placed.node)
    return around([reach, Box(placed.box.x - over, placed.box.y, over, 0.0)])


def _badges(
    placed: Placed, border: float, wires: tuple[Wire, ...], sizes: Sizes
) -> list[PlacedBadge]:
    """A node's badges, one above the other, in the middle of the frame's left border."""
    step = BADGE_HEIGHT + 5.0
    first = placed.box.middle.y - step * (len(placed.node.badges) - 1) / 2
    spots: list[PlacedBadge] = []
    for number, badge in enumerate(placed.node.badges):
        middle = first + number * step
        wide = badge_width(badge.label, sizes)
        box = Box(border - wide / 2, middle - BADGE_HEIGHT / 2, wide, BADGE_HEIGHT)
        tip = Point(placed.box.x, middle)
        hops = over(wires, Point(box.right, middle), tip)
        spots.append(PlacedBadge(badge, placed.node.id, box, tip, hops))
    return spots
