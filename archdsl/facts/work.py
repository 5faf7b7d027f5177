"""The work of a model as engines run it: FLOPs of matrix products, and what is read of the cache.

What is written in a spec is a sum of products, and a sum of products may be computed in another
order. This walk follows values through all applications of a model, and counts

- for each pair of a query and a key only pairs that the mask leaves (`seen.py`). What a mask hides
  behind `select` need not be computed, and what it has hidden is not summed.
- what is computed of each cached entry by a linear map, in the cheaper of two ways: as it is
  written, for every entry and each new token anew; or absorbed, the map applied to the queries and
  to what is read, so that entries are met as they are kept (latent attention, arXiv:2405.04434).
  This holds where the map's results meet queries and weights by products alone: a norm or a
  rotation between them forbids it.

A recurrence is counted token by token. What does not depend on the tokens is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count as numbers

from archdsl.axes import Cut, Factor, Item, Merge, Plan, RestFactor, factors
from archdsl.dims import Dim, product, substitute
from archdsl.facts import seen as masks
from archdsl.facts.caches import cache_of
from archdsl.facts.seen import ALL_BEFORE, Line, Mask, Seen
from archdsl.facts.sizes import BYTES, PART
from archdsl.facts.steps import number
from archdsl.graph import Child, Experts, Layers, Model, Module, ModuleList, Single, runs
from archdsl.nodes import (
    Along,
    Apply,
    Cache,
    Choose,
    Einsum,
    Elementwise,
    Gather,
    Input,
    Loop,
    Mixture,
    Node,
    Number,
    Positions,
    Rearrange,
    Reduce,
    Repeat,
    Residual,
    Scan,
)
from archdsl.nodes import Item as Result
from archdsl.reals import Real
from archdsl.record import entity, record, replace
from archdsl.stream import Flow, needed_inside, results_read
from archdsl.symbols import BATCH, SEEN, STREAM, TIME
from archdsl.types import TensorType

_ONE = Dim.number(1)
_NONE = Dim()
_CASTS = ("float32", "model_dtype")


# --- what is counted ------------------------------------------------------------------------------


@record
class Read:
    """Of each entry of a cache that a query sees, `heads` times `width` numbers; of several sets of
    keys the largest. None is every entry so far, `length` of them.
    """

    heads: int
    width: int
    dtype: str
    seen: tuple[Seen | None, ...]
    length: Dim

    def entries(self, context: int) -> int:
        """How many the last token of a text of so many tokens reads."""
        length = number(substitute(self.length, _axes(1, context)))
        seen = (length if s is None else s.at(context - 1) for s in self.seen)
        return min(length, max(seen))


@record
class Either:
    """Work that can be done in two ways."""

    written: Work
    absorbed: Work


@record
class Work:
    """What is done for the tokens of one sequence: FLOPs by T and S, FLOPs for each pair of a query
    and a key that it sees, work that can be done in two ways, entries that are read.
    """

    plain: Dim = _NONE
    pairs: tuple[tuple[Seen, Dim], ...] = ()
    either: tuple[tuple[Dim, Either], ...] = ()
    reads: tuple[tuple[Dim, Read], ...] = ()

    def flops(self, context: int, prefill: bool, written: bool = False) -> int:
        """Of one more token that sees `context` keys, its own included; or of all tokens of a text
        so long. `written`: without the other order, where there is one.
        """
        axes = _axes(context if prefill else 1, context)
        total = number(substitute(self.plain, axes))
        for seen, cost in self.pairs:
            times = seen.total(context) if prefill else seen.at(context - 1)
            total += times * number(substitute(cost, axes))
        for often, choice in self.either:
            least = choice.written.flops(context, prefill, written)
            if not written:
                least = min(least, choice.absorbed.flops(context, prefill))
            total += least * number(substitute(often, axes))
        return total

    def read(self, context: int, width: int, devices: int = 1) -> int:
        """What one more token reads of the caches, on one of so many devices, in 32nds of a byte, a
        number of the model's dtype `width` of them.
        """
        total = 0
        for often, read in self.reads:
            each = width if read.dtype == "float" else BYTES[read.dtype] * PART
            times = read.entries(context) * number(substitute(often, _axes(1, context)))
            total += times * -(-read.heads // devices) * read.width * each
        return total


def _axes(tokens: int, context: int) -> Callable[[str], Dim]:
    """The lengths of axes for one sequence; what does not stream is as long as the context."""
    lengths = {BATCH: 1, STREAM: tokens}
    return lambda name: Dim.number(lengths.get(name, context))


# --- what is known of a value ---------------------------------------------------------------------


@record
class Made:
    """Made of each cached entry by a linear map, of `source` numbers each. `axes` of the value are
    results of the map.
    """

    number: int
    source: Dim
    axes: frozenset[int]


@record
class Piece:
    """A part of a value along one axis, of so many entries there."""

    size: Dim
    made: Made | None


@record
class Kept:
    """A cache, by a number of its own: what one entry holds, and how many entries there are. `side`
    tells which keys they are where several kinds lie side by side.
    """

    number: int
    heads: int
    width: int
    dtype: str
    length: Dim
    side: int = 0


@record
class Part:
    """FLOPs for a pair of a query and a key, as written and where the linear map of that number is
    absorbed.
    """

    made: int | None
    written: Dim
    absorbed: Dim


@record
class Waiting:
    """A product of queries and keys, of which a mask may yet say that pairs are not needed."""

    number: int
    parts: tuple[Part, ...]
    keys: Dim
    kept: tuple[Kept, ...]


@record
class Known:
    """What is known of a value.

    `line`: it is a number of positions. `mask`: the keys for which it is true. `hidden`: how many
    keys have a part in it; the others are 0, or minus infinity where it is `infinite`. `waiting`:
    products that made it. `pieces` lie side by side along `axis`. `kept`: caches that it comes
    from.
    """

    line: Line | None = None
    mask: Mask | None = None
    hidden: Seen | None = None
    infinite: bool = False
    waiting: tuple[Waiting, ...] = ()
    axis: int = 0
    pieces: tuple[Piece, ...] = ()
    kept: tuple[Kept, ...] = ()

    @property
    def numbered(self) -> bool:
        """Whether what is known belongs to one application alone."""
        return bool(self.waiting or self.kept)

    @property
    def maps(self) -> tuple[Made, ...]:
        """The linear maps whose results it is."""
        return tuple(piece.made for piece in self.pieces if piece.made is not None)


PLAIN = Known()
LENGTH = 1 << 62
_LONG = Known(line=Line(LENGTH))
"""As many as there are tokens: more than any position."""
_HIDDEN = Known(infinite=True)
"""Minus infinity, the score of a key that is hidden."""


# --- the walk -------------------------------------------------------------------------------------


@entity
class _Tally:
    """Work as it is met in one application: FLOPs for each pair of a query and a key that it sees,
    under None those without pairs. `open` are the linear maps of which it is not decided how they
    are computed, `here` the caches that are read.
    """

    pairs: dict[Seen | None, Dim]
    either: list[tuple[Dim, Either]]
    reads: list[tuple[Dim, Read]]
    open: set[int]
    here: dict[Kept, dict[Seen | None, None]]

    def count(self, cost: Dim, seen: Seen | None = None) -> None:
        """Adds FLOPs."""
        self.pairs[seen] = self.pairs.get(seen, _NONE) + cost

    def add(self, other: _Tally, times: Dim) -> None:
        """What another application does, so often."""
        for seen, cost in other.pairs.items():
            self.count(cost * times, seen)
        self.either.extend((times * often, choice) for often, choice in other.either)
        self.reads.extend((times * often, read) for often, read in other.reads)

    def work(self) -> Work:
        """As a value."""
        pairs = tuple((seen, cost) for seen, cost in self.pairs.items() if seen is not None)
        plain = self.pairs.get(None, _NONE)
        return Work(plain, pairs, tuple(self.either), _joined(self.reads))


def _tally() -> _Tally:
    return _Tally({}, [], [], set(), {})


def _joined(reads: Iterable[tuple[Dim, Read]]) -> tuple[tuple[Dim, Read], ...]:
    """Reads with those alike together."""
    joined: dict[Read, Dim] = {}
    for times, read in reads:
        joined[read] = joined.get(read, _NONE) + times
    return tuple((times, read) for read, times in joined.items())


@entity
class _Map:
    """A linear map of cached entries: its work in both orders."""

    written: _Tally
    absorbed: _Tally


def work(model: Model, levels: Flow) -> Work:
    """The work of a model."""
    walk = _Walk(model, levels, {}, set(), {}, {}, set(), numbers())
    root = model.root
    outputs, tally = walk.module(root, [PLAIN] * len(root.inputs))
    for known in outputs:
        walk.end(tally, known)
    walk.close(tally, ())
    return tally.work()


@entity
class _Walk:
    """The walk through all applications of a model, those that are told the same things once.

    `maps` are the linear maps of cached entries, `fixed` those that are computed as written.
    `settled` says which products are counted, for which keys. `numbers` are for what has to be told
    apart.
    """

    model: Model
    levels: Flow
    maps: dict[int, _Map]
    fixed: set[int]
    done: dict[object, tuple[list[Known], _Tally]]
    shapes: dict[tuple[int, TensorType], tuple[Dim, ...]]
    settled: set[tuple[int, Seen | None]]
    numbers: Iterator[int]

    def shape(self, module: Module, t: TensorType) -> tuple[Dim, ...]:
        key = (module.id, t)
        if key not in self.shapes:
            self.shapes[key] = self.model.shape(module, t)
        return self.shapes[key]

    def module(self, module: Module, inputs: Sequence[Known]) -> tuple[list[Known], _Tally]:
        """What is known of a module's results, and its work."""
        key = (module.id, *inputs)
        alone = not any(known.numbered for known in inputs)
        if alone and key in self.done:
            return self.done[key]
        tally = _tally()
        given = dict(zip(module.inputs, inputs, strict=True))
        once = set(self.levels.once(module))
        values = self.nodes(tally, module, module.nodes, given, once)
        outputs = [values[i][0] for i in module.outputs]
        self.close(tally, outputs)
        if alone and not any(known.numbered for known in outputs):
            self.done[key] = outputs, tally
        return outputs, tally

    def nodes(
        self,
        tally: _Tally,
        module: Module,
        nodes: Sequence[Node],
        given: Mapping[int, Known],
        left_out: set[int],
    ) -> list[list[Known]]:
        """What is known of each result of each node; of those left out nothing."""
        values: list[list[Known]] = []
        for i, node in enumerate(nodes):
            if i in given:
                values.append([given[i]])
            elif i in left_out or isinstance(node.form, Input):
                values.append([PLAIN] * len(node.types))
            elif isinstance(node.form, Result):
                values.append([values[node.args[0]][node.form.index]])
            else:
                step = _Step(self, tally, module, nodes, i)
                values.append(step.results([values[a][0] for a in node.args]))
        return values

    def close(self, tally: _Tally, outputs: Sequence[Known]) -> None:
        """Ends an application: decides what nothing outside can change."""
        outside = {made.number for known in outputs for made in known.maps}
        outside |= {
            part.made
            for known in outputs
            for waiting in known.waiting
            for part in waiting.parts
            if part.made is not None
        }
        for which in sorted(tally.open - outside):
            chosen = self.maps.pop(which)
            if which in self.fixed:
                tally.add(chosen.written, _ONE)
            else:
                both = Either(chosen.written.work(), chosen.absorbed.work())
                tally.either.append((_ONE, both))
        tally.open.intersection_update(outside)
        for kept, seen in tally.here.items():
            counts = tuple(_side(count, kept.side) for count in seen)
            read = Read(kept.heads, kept.width, kept.dtype, counts, kept.length)
            tally.reads.append((_ONE, read))
        tally.here.clear()

    def settle(self, tally: _Tally, known: Known, seen: Seen | None) -> None:
        """Counts the products behind a value, for so many keys of each query."""
        for waiting in known.waiting:
            if (waiting.number, seen) in self.settled:
                continue
            self.settled.add((waiting.number, seen))
            for part in waiting.parts:
                if part.made is None or part.made not in self.maps:
                    _count(tally, part.written, waiting.keys, seen)
                else:
                    ways = self.maps[part.made]
                    _count(ways.written, part.written, waiting.keys, seen)
                    _count(ways.absorbed, part.absorbed, waiting.keys, seen)
            for kept in waiting.kept:
                tally.here.setdefault(kept, {})[seen] = None

    def fix(self, known: Known) -> None:
        """The linear maps of which a value is the result are computed as written."""
        self.fixed.update(made.number for made in known.maps)

    def end(self, tally: _Tally, known: Known) -> Known:
        """What is known of a value where it goes through many applications."""
        self.settle(tally, known, known.hidden)
        self.fix(known)
        if not known.waiting and not known.pieces:
            return known
        return replace(known, waiting=(), pieces=())


def _count(tally: _Tally, cost: Dim, keys: Dim, seen: Seen | None) -> None:
    """Adds a cost for each pair: of those seen, or of all."""
    tally.count(cost * keys * TIME if seen is None else cost, seen)


@record
class _Step:
    """One node, with the body that it stands in."""

    walk: _Walk
    tally: _Tally
    module: Module
    nodes: Sequence[Node]
    place: int

    @property
    def node(self) -> Node:
        return self.nodes[self.place]

    def axes(self, arg: int) -> tuple[Dim, ...]:
        """The axes of an argument."""
        return self.walk.shape(self.module, self.nodes[self.node.args[arg]].type)

    def dim(self, d: Dim) -> Dim:
        return self.walk.model.number(self.module, d)

    def results(self, args: list[Known]) -> list[Known]:
        """What is known of each result."""
        node = self.node
        match node.form:
            case Positions(axis):
                return [_position(self.dim(axis))]
            case Number(value):
                return [self.constant(value)]
            case Elementwise(op):
                return [self.elementwise(op, args)]
            case Residual():
                return [self.elementwise("add", args)]
            case Einsum(plan):
                return [self.einsum(plan, args)]
            case Apply() as form:
                return self.apply(form, args)
            case Mixture(child):
                bank = self.module.child(child).part
                assert isinstance(bank, Experts)
                outputs, inner = self.walk.module(bank.expert, [PLAIN] * len(bank.expert.inputs))
                self.tally.add(inner, Dim.number(bank.top_k))
                return outputs
            case Cache():
                return [self.cache(args[0])]
            case Scan() | Loop():
                return self.repeated(args)
            case _ if all(known == PLAIN for known in args):
                return [PLAIN] * len(node.types)
            case Rearrange(plan) | Repeat(plan):
                return self.rearranged(plan, args)
            case Reduce():
                return [self.reduced(args[0])]
            case Along() if _keys(self.walk.shape(self.module, node.type)):
                self.walk.end(self.tally, args[0])
                return [Known(hidden=args[0].hidden, kept=args[0].kept)]
            case Choose("top_mask", _, count):
                return [self.chosen(count, args[0])]
            case Gather() as form:
                return [self.gathered(form, args)]
        return self.anything(args)

    def anything(self, args: list[Known]) -> list[Known]:
        """An operation without a rule: all that it reads is needed."""
        for known in args:
            self.walk.end(self.tally, known)
        kept = tuple(dict.fromkeys(k for known in args for k in known.kept))
        return [Known(kept=kept) if kept else PLAIN] * len(self.node.types)

    def constant(self, value: Real | Dim) -> Known:
        """A number known in advance."""
        if isinstance(value, Dim):
            length = self.dim(value)
            if length.value is not None:
                return Known(line=Line(length.value))
            return _LONG if SEEN in length.symbols() else PLAIN
        real = self.walk.model.real(self.module, value)
        if real is None:
            return PLAIN
        if real == -float("inf"):
            return _HIDDEN
        return Known(line=Line(int(real))) if real == int(real) else PLAIN

    def elementwise(self, op: str, args: list[Known]) -> Known:
        """An operation on entries."""
        if all(known == PLAIN for known in args):
            return PLAIN
        if op == "select":
            return self.select(args)
        line, mask = _computed(op, args)
        kept = tuple(dict.fromkeys(k for known in args for k in known.kept))
        waiting = tuple(dict.fromkeys(w for known in args for w in known.waiting))
        hidden = [known for known in args if known.hidden is not None]
        adds = op in ("add", "subtract")
        scales = op in ("multiply", "divide")
        keeps = len(hidden) == 1 and (
            op in _CASTS or scales or (adds and hidden[0].infinite and len(args) == 2)
        )
        axis, pieces = self.same_pieces(adds, op in _CASTS or scales, args)
        return Known(
            line,
            mask,
            hidden[0].hidden if keeps else None,
            keeps and hidden[0].infinite,
            waiting,
            axis,
            pieces,
            kept,
        )

    def same_pieces(
        self, adds: bool, scales: bool, args: list[Known]
    ) -> tuple[int, tuple[Piece, ...]]:
        """The pieces of the one operand that has some, where the operation is linear in it: the
        others are numbers, or do not depend on the entry and are added.
        """
        pieced = [i for i, known in enumerate(args) if known.pieces]
        if len(pieced) == 1 and (adds or scales):
            others = [self.axes(i) for i in range(len(args)) if i not in pieced]
            apart = {STREAM, SEEN}
            if all(not o or (adds and not any(apart & a.symbols() for a in o)) for o in others):
                return args[pieced[0]].axis, args[pieced[0]].pieces
        for i in pieced:
            self.walk.fix(args[i])
        return 0, ()

    def select(self, args: list[Known]) -> Known:
        """Entries where a mask is true, and others elsewhere."""
        which, first, second = args
        seen = None if which.mask is None else masks.count(which.mask)
        hides = seen is not None and (second == _HIDDEN or second.line == Line())
        walk, tally = self.walk, self.tally
        for known in (first, second):
            walk.fix(known)
        if not hides:
            waiting = tuple(dict.fromkeys((*first.waiting, *second.waiting)))
            return Known(waiting=waiting, kept=(*first.kept, *second.kept))
        walk.settle(tally, first, seen)
        return Known(hidden=seen, infinite=second == _HIDDEN, kept=first.kept)

    # --- axes -------------------------------------------------------------------------------------

    def rearranged(self, plan: Plan, args: list[Known]) -> list[Known]:
        """Axes split, merged, permuted, cut, joined or repeated."""
        if len(args) > 1:
            return [self.joined(plan, args)]
        (known,) = args
        shapes = [self.walk.shape(self.module, t) for t in self.node.types]
        moved = [self.moved(known, plan.left[0], right) for right in plan.right]
        results = []
        for shape, (axis, pieces) in zip(shapes, moved, strict=True):
            keys = bool(_keys(shape))
            results.append(
                replace(
                    known,
                    hidden=known.hidden if keys else None,
                    mask=known.mask if keys else None,
                    waiting=known.waiting if keys else (),
                    axis=axis,
                    pieces=pieces,
                )
            )
        if not any(_keys(shape) for shape in shapes):
            self.walk.settle(self.tally, known, known.hidden)
        return results

    def moved(
        self, known: Known, left: tuple[Item, ...], right: tuple[Item, ...]
    ) -> tuple[int, tuple[Piece, ...]]:
        """The pieces of a value after its axes are moved; what is split across pieces is none."""
        if not known.pieces:
            return 0, ()
        if _rest(left) or _rest(right):
            self.walk.fix(known)
            return 0, ()
        axis = 0
        if len(known.pieces) > 1:
            item = left[known.axis]
            if not isinstance(item, Factor) or item not in right:
                self.walk.fix(known)
                return 0, ()
            axis = right.index(item)
        pieces = [replace(p, made=_made(p.made, left, right)) for p in known.pieces]
        return axis, tuple(pieces)

    def joined(self, plan: Plan, args: list[Known]) -> Known:
        """Tensors side by side along one axis, or not at all."""
        (right,) = plan.right
        shape = self.walk.shape(self.module, self.node.type)
        where = [i for i, item in enumerate(right) if isinstance(_inner(item), Cut)]
        kept = tuple(dict.fromkeys(k for known in args for k in known.kept))
        waiting = tuple(dict.fromkeys(w for known in args for w in known.waiting))
        known = Known(kept=kept, waiting=waiting if _keys(shape) else ())
        cut = _inner(right[where[0]]) if len(where) == 1 else None
        if not isinstance(cut, Cut) or len(cut.parts) != len(args):
            for each in args:
                self.walk.fix(each)
            return known
        axis = where[0]
        if SEEN in shape[axis].symbols():
            for each in args:
                self.walk.fix(each)
            return self.more_keys(known, args)
        pieces = []
        for each, left, part in zip(args, plan.left, cut.parts, strict=True):
            if len(each.pieces) > 1 or _rest(left) or _rest(right):
                for other in args:
                    self.walk.fix(other)
                return known
            place = (*right[:axis], Merge(part), *right[axis + 1 :])
            made = _made(each.pieces[0].made, left, place) if each.pieces else None
            length = product(self.dim(f.dim) for f in factors(part) if isinstance(f, Factor))
            pieces.append(Piece(length, made))
        return replace(known, axis=axis, pieces=tuple(pieces))

    def more_keys(self, known: Known, args: list[Known]) -> Known:
        """Keys of several kinds side by side: each query sees some of each. What has no keys, a
        sink, is beside them.
        """
        with_keys = [each for i, each in enumerate(args) if _keys(self.axes(i))]
        if len(with_keys) > 1:
            kept = (replace(k, side=i) for i, each in enumerate(with_keys) for k in each.kept)
            known = replace(known, kept=tuple(kept))
        if all(each.hidden is not None for each in with_keys):
            hidden = [each.hidden for each in with_keys if each.hidden is not None]
            infinite = all(each.infinite for each in with_keys)
            return replace(known, hidden=masks.side_by_side(hidden), infinite=infinite)
        counts = [None if each.mask is None else masks.count(each.mask) for each in with_keys]
        if all(count is not None for count in counts):
            total = masks.side_by_side([count for count in counts if count is not None])
            return replace(known, mask=masks.chosen(total))
        return known

    def reduced(self, known: Known) -> Known:
        """Axes that are summed or compared; where keys stay, pairs still wait for a mask."""
        if _keys(self.walk.shape(self.module, self.node.type)):
            self.walk.fix(known)
            return Known(waiting=known.waiting, hidden=known.hidden, infinite=known.infinite,
                         kept=known.kept)  # fmt: skip
        return self.anything([known])[0]

    def chosen(self, count: Dim, known: Known) -> Known:
        """The largest of what each query sees."""
        self.walk.end(self.tally, known)
        most = self.dim(count).value
        if most is None or not _keys(self.walk.shape(self.module, self.node.type)[-1:]):
            return PLAIN
        return Known(mask=masks.chosen((known.hidden or ALL_BEFORE).at_most(most)))

    def gathered(self, form: Gather, args: list[Known]) -> Known:
        """Of a mask of keys, what it says of other keys: each may stand for several. Of a cache the
        entries that are looked up are read.
        """
        table, index = args
        alike = None if index.line is None else masks.alike(index.line)
        seen = None if table.mask is None else masks.count(table.mask)
        if form.along and alike is not None and seen is not None:
            return Known(mask=masks.chosen(seen.times(alike)))
        if table.kept and not _keys(self.walk.shape(self.module, self.node.type)):
            looked_up = product(a for a in self.axes(1) if not a.symbols()).value or 1
            for kept in table.kept:
                self.tally.here.setdefault(kept, {})[ALL_BEFORE.at_most(looked_up)] = None
        return self.anything(args)[0]

    # --- products ---------------------------------------------------------------------------------

    def einsum(self, plan: Plan, args: list[Known]) -> Known:
        """A sum of products."""
        term = _Sizes.of(self, plan)
        if len(args) < 2 or not term.summed:
            return self.anything(args)[0]
        if len(args) == 2 and len(term.keys) == 1:
            (key,) = term.keys
            entries = [i for i in (0, 1) if key in term.names[i] and not term.streams[i]]
            if term.time and len(entries) < 2:
                return self.pairs(term, key, entries[0] if entries else None, args)
            if not term.time and len(entries) == 1 and key in term.right:
                return self.mapped(term, key, entries[0], args)
        self.tally.count(term.cost())
        return self.anything(args)[0]

    def pairs(self, term: _Sizes, key: str, entry: int | None, args: list[Known]) -> Known:
        """A product for each pair of a query and a key."""
        parts = [Part(None, cost := term.cost(without=(key,), time=False), cost)]
        kept: tuple[Kept, ...] = ()
        if entry is not None:
            kept = args[entry].kept
            if args[entry].maps:
                absorbed = self.absorbed(term, key, entry, args[entry])
                if absorbed is None:
                    self.walk.fix(args[entry])
                else:
                    parts = absorbed
        waiting = Waiting(next(self.walk.numbers), tuple(parts), term.sizes[key], kept)
        others = tuple(dict.fromkeys(w for known in args for w in known.waiting))
        if key in term.right:
            hidden = [known for known in args if known.hidden is not None]
            return Known(
                hidden=hidden[0].hidden if len(hidden) == 1 else None,
                infinite=len(hidden) == 1 and hidden[0].infinite,
                waiting=(*others, waiting),
            )
        hidden = [known for i, known in enumerate(args) if i != entry and known.hidden is not None]
        seen = hidden[0].hidden if len(hidden) == 1 and not hidden[0].infinite else None
        self.walk.settle(self.tally, Known(waiting=(*others, waiting)), seen)
        return PLAIN

    def absorbed(self, term: _Sizes, key: str, entry: int, known: Known) -> list[Part] | None:
        """The cost of each piece as written, and with the linear map behind it on the other side;
        None where it cannot be there.
        """
        items, other = term.items[entry], term.names[1 - entry]
        parts = []
        for piece in known.pieces:
            sizes = dict(term.sizes)
            if len(known.pieces) > 1:
                item = items[known.axis]
                if not isinstance(item, Factor):
                    return None
                sizes[item.name] = piece.size
            written = term.cost(sizes, (key,), time=False)
            if piece.made is None:
                parts.append(Part(None, written, written))
                continue
            names = {f.name for i in piece.made.axes for f in factors((items[i],))}
            if key in term.right:  # the map meets the queries: q' = q W
                replaced = {n for n in names if n not in term.right and n in other}
            else:  # it is applied to what is read: W (p c)
                replaced = {n for n in names if n in term.right and n not in other}
            if not replaced:
                return None
            cost = term.cost(sizes, (key, *replaced), time=False) * piece.made.source
            parts.append(Part(piece.made.number, written, cost))
        return parts

    def mapped(self, term: _Sizes, key: str, entry: int, args: list[Known]) -> Known:
        """A linear map of every cached entry."""
        known = args[entry]
        if not known.kept or known.maps:
            self.tally.count(term.cost())
            return self.anything(args)[0]
        for each in args:
            self.walk.settle(self.tally, each, None)
        own_number = next(self.walk.numbers)
        written, absorbed = _tally(), _tally()
        written.count(term.cost())
        absorbed.count(term.cost(without=(key,)) * TIME)
        self.walk.maps[own_number] = _Map(written, absorbed)
        self.tally.open.add(own_number)
        own = term.names[entry]
        axes = frozenset(
            i for i, item in enumerate(term.out) if (names := _names((item,))) and not names & own
        )
        source = product(term.sizes[n] for n in own if n not in term.right)
        made = Made(own_number, source, axes)
        return Known(pieces=(Piece(_ONE, made),), kept=known.kept)

    # --- applications -----------------------------------------------------------------------------

    def cache(self, known: Known) -> Known:
        """What is kept of each token."""
        self.walk.end(self.tally, known)
        shape = self.walk.shape(self.module, self.node.type)
        length = product(a for a in shape if SEEN in a.symbols())
        own = cache_of(self.walk.model, self.module, self.node)
        kept = Kept(next(self.walk.numbers), own.heads, own.width, own.dtype, length)
        return Known(kept=(kept,))

    def apply(self, form: Apply, args: list[Known]) -> list[Known]:
        """A block, the layers of a stack one after another, blocks of a list."""
        child = self.module.child(form.child)
        plain = args[: len(args) - form.context]
        context = dict(zip(child.given(form), args[len(plain) :], strict=True))
        if isinstance(child.part, Single):
            ((_, inner),) = child.at(form)
            outputs, tally = self.walk.module(inner, [*plain, *_given(inner, context)])
            self.tally.add(tally, _ONE)
            self.tally.open.update(tally.open)
            return outputs
        plain = [self.walk.end(self.tally, known) for known in plain]
        context = {name: self.walk.end(self.tally, known) for name, known in context.items()}
        plain = [PLAIN if i in form.each else known for i, known in enumerate(plain)]
        if isinstance(child.part, ModuleList):
            for count, inner in child.at(form):
                outputs, tally = self.walk.module(inner, [*plain, *_given(inner, context)])
                self.tally.add(tally, Dim.number(count))
                outputs = [self.walk.end(self.tally, known) for known in outputs]
            return [PLAIN] * len(self.node.types)
        return self.stack(child, form, plain, context)

    def stack(
        self, child: Child, form: Apply, args: list[Known], context: Mapping[str, Known]
    ) -> list[Known]:
        """The layers of a stack, each told what the one before gives."""
        assert isinstance(child.part, Layers)
        count = len(self.node.types)
        carried, same = args[:count], args[count:]
        for times, layer in runs(child.part.at(form.use)):
            left = times
            while left:
                inputs = [*carried, *same, *_given(layer, context)]
                outputs, tally = self.walk.module(layer, inputs)
                after = [self.walk.end(self.tally, known) for known in outputs]
                often = left if after == list(carried) else 1
                self.tally.add(tally, Dim.number(often))
                carried, left = after, left - often
        return list(carried)

    def repeated(self, args: list[Known]) -> list[Known]:
        """A body for one token after another, or several times."""
        node, form = self.node, self.node.form
        assert isinstance(form, Scan | Loop)
        body = form.body
        rounds = TIME if isinstance(form, Scan) else self.dim(form.rounds)
        args = [self.walk.end(self.tally, known) for known in args]
        moving = body.states + body.over
        known = dict.fromkeys(body.inputs, PLAIN)
        known |= dict(zip(body.inputs[moving:], args[moving:], strict=True))
        needed = needed_inside(node, results_read(tuple(self.nodes)).get(self.place, set()))
        left_out = {i for i, inner in enumerate(body.nodes) if id(inner) not in needed}
        tally = _tally()
        values = self.walk.nodes(tally, self.module, body.nodes, known, left_out)
        for i in body.outputs:
            self.walk.end(tally, values[i][0])
        self.walk.close(tally, ())
        self.tally.add(tally, rounds)
        return [PLAIN] * len(node.types)


@record
class _Sizes:
    """The axes of a sum of products: of each operand and of the result item by item, `...` written
    out, with the length of each name.
    """

    items: tuple[tuple[Item, ...], ...]
    out: tuple[Item, ...]
    names: tuple[frozenset[str], ...]
    right: frozenset[str]
    sizes: Mapping[str, Dim]

    @staticmethod
    def of(step: _Step, plan: Plan) -> _Sizes:
        """Those of one node."""
        rest: tuple[Item, ...] = ()
        for arg, left in enumerate(plan.left):
            if _rest(left):
                shape, place = step.axes(arg), left.index(RestFactor())
                length = len(shape) - len(left) + 1
                rest = tuple(
                    Factor(f"...{i}", d) for i, d in enumerate(shape[place : place + length])
                )
        items = tuple(_written_out(left, rest) for left in plan.left)
        out = _written_out(plan.right[0], rest)
        sizes = {
            f.name: step.dim(f.dim)
            for item in items
            for f in factors(item)
            if isinstance(f, Factor)
        }
        sizes |= {f.name: f.dim for f in rest if isinstance(f, Factor)}
        return _Sizes(items, out, tuple(map(_names, items)), _names(out), sizes)

    @property
    def summed(self) -> bool:
        """Whether anything is summed."""
        return not set(self.sizes) <= self.right

    @property
    def time(self) -> frozenset[str]:
        """The axes of the tokens that come in."""
        return frozenset(name for name, d in self.sizes.items() if d == TIME)

    @property
    def streams(self) -> tuple[bool, ...]:
        """Which operands have one."""
        return tuple(bool(names & self.time) for names in self.names)

    @property
    def keys(self) -> tuple[str, ...]:
        """The axes of the tokens seen."""
        return tuple(name for name, d in self.sizes.items() if SEEN in d.symbols())

    def cost(
        self,
        sizes: Mapping[str, Dim] | None = None,
        without: Sequence[str] = (),
        time: bool = True,
    ) -> Dim:
        """2 FLOPs for each multiply-add, without some axes."""
        left_out = set(without) if time else {*without, *self.time}
        lengths = self.sizes if sizes is None else sizes
        counted = (d for name, d in lengths.items() if name not in left_out)
        return product(counted) * 2 * (len(self.items) - 1)


def _written_out(items: tuple[Item, ...], rest: tuple[Item, ...]) -> tuple[Item, ...]:
    """A side of a pattern with its `...` as axes."""
    out: list[Item] = []
    for item in items:
        if isinstance(item, RestFactor):
            out += rest
        else:
            out.append(item)
    return tuple(out)


def _rest(items: tuple[Item, ...]) -> bool:
    return any(isinstance(item, RestFactor) for item in items)


def _names(items: Iterable[Item]) -> frozenset[str]:
    """The names of axes, those inside merged and cut ones too; a written 1 has none."""
    names: set[str] = set()
    for item in items:
        match item:
            case Factor(name):
                names |= set() if name.isdigit() else {name}
            case Merge(inner):
                names |= _names(inner)
            case Cut(parts):
                names |= _names(x for part in parts for x in part)
    return frozenset(names)


def _inner(item: Item) -> Item:
    """What stands alone in brackets."""
    while isinstance(item, Merge) and len(item.items) == 1:
        item = item.items[0]
    return item


def _made(made: Made | None, left: tuple[Item, ...], right: tuple[Item, ...]) -> Made | None:
    """Which axes are results of a map after a rearrangement."""
    if made is None:
        return None
    own = _names(left[i] for i in made.axes)
    axes = (i for i, item in enumerate(right) if (names := _names((item,))) and names <= own)
    return replace(made, axes=frozenset(axes))


def _keys(shape: Iterable[Dim]) -> bool:
    """Whether a tensor has an axis of tokens seen."""
    return any(SEEN in axis.symbols() for axis in shape)


def _position(axis: Dim) -> Known:
    """Positions along an axis: of queries, or of keys."""
    if axis == TIME:
        return Known(line=Line(query=1))
    return Known(line=Line(key=1)) if SEEN in axis.symbols() else PLAIN


def _side(seen: Seen | None, side: int) -> Seen | None:
    """How many keys of one kind are seen; of all kinds where they are not told apart."""
    return seen.sides[side] if seen is not None and side < len(seen.sides) else seen


def _given(module: Module, context: Mapping[str, Known]) -> list[Known]:
    """What a block is given, of what is given in the body around it."""
    return [context[name] for name in module.context]


def _computed(op: str, args: Sequence[Known]) -> tuple[Line | None, Mask | None]:
    """What an operation makes of positions and masks."""
    match op, [known.line for known in args]:
        case "and", _:
            return None, masks.both(args[0].mask, args[1].mask)
        case "or", _:
            return None, masks.either(args[0].mask, args[1].mask)
        case "add" | "subtract" as sign, [Line() as a, Line() as b]:
            return masks.add(a, b, 1 if sign == "add" else -1), None
        case "multiply", [Line() as a, Line() as b]:
            return masks.multiply(a, b), None
        case "remainder", [Line() as a, Line() as b]:
            return masks.remainder(a, b), None
        case "minimum", [Line() as a, Line() as b]:
            return (a if b.start >= LENGTH // 2 else b if a.start >= LENGTH // 2 else None), None
        case _, [Line() as a, Line() as b]:
            return None, masks.compared(op, a, b)
    return None, None
