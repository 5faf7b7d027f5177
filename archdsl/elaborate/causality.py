"""Causality: a token's result depends on that token and those before it, however a text is read.

Reading all tokens at once and one by one with a cache give the same where no operation mixes along
the streamed axis T, and where what mixes along the axis of the tokens seen, S, takes nothing from
later ones. So for each value of a body this walk knows

- whether it depends on the content of tokens,
- what it is at a pair of a query and a key, where positions and settings alone decide it. A mask
  that is applied decides it for the pairs that it hides: minus infinity, then 0 after a softmax.

A softmax along S needs minus infinity at every pair that has to stay hidden, a sum of products
along S needs 0. Pairs are tried near position 0 and around every number that a mask uses, so that
windows of any size are met. Hidden have to be later keys; behind a cache that keeps the last w
tokens also keys before these; of entries that stand for m tokens each those that are not complete.

What depends on the content of an index is not decided. Axes that do not stream mix freely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from archdsl.axes import Cut, Factor, Item, Merge, Plan, RestFactor, cuts, factors, size
from archdsl.diagnostic import Diagnostics
from archdsl.dims import Dim, product
from archdsl.graph import Layers, Model, Module, Segment
from archdsl.nodes import (
    Along,
    Apply,
    Arange,
    Body,
    Cache,
    Choose,
    Einsum,
    Elementwise,
    Fill,
    Gather,
    Input,
    Loop,
    Mixture,
    Node,
    Number,
    Positions,
    Read,
    Rearrange,
    Reduce,
    Repeat,
    Residual,
    Scan,
    Window,
    Zero,
)
from archdsl.nodes import Item as Result
from archdsl.ops import HIDDEN, Known, evaluated
from archdsl.record import record
from archdsl.source import Span
from archdsl.symbols import SEEN, STREAM, entry_tokens, only_atom
from archdsl.types import TensorType

At = Callable[[int, int], Known]
"""From the positions of a query and a key to what a value is there."""

T = TypeVar("T")

_LEAST = (0, 1, 2, 3, 5, 8)
_MOST = 40
"""Positions that are tried: these, those around numbers of the mask, not more than so many."""

_MASK_HELP = "write query >= key; what looks both ways has an axis that does not stream"
_CACHE_HELP = "keep what was seen with `cache`, and hide later tokens with a mask"


@record
class Mask:
    """What hides keys, or where a length came in: a block and a place."""

    title: str
    span: Span | None


@record
class Flow:
    """What is known of a value: whether tokens decide it, what it is at pairs of positions, the
    numbers that decide that, the mask that was applied last, and where the number of tokens came
    into it.
    """

    content: bool = False
    at: At | None = None
    numbers: frozenset[int] = frozenset()
    mask: Mask | None = None
    length: frozenset[Mask] = frozenset()


CONTENT = Flow(content=True)
FIXED = Flow()


def check_causality(model: Model, diagnostics: Diagnostics) -> None:
    """Reports every operation by which a token would depend on a later one."""
    walk = _Walk(model, diagnostics)
    root = model.root
    outputs = walk.module(root, [CONTENT] * len(root.inputs))
    for flow in outputs:
        walk.no_length(flow)
    for module in _apart(root):
        walk.module(module, [CONTENT] * len(module.inputs))


def _apart(module: Module) -> Iterator[Module]:
    """The parts that stand apart, which nothing applies."""
    for child in module.children:
        for _, inner in child.modules:
            if child.apart:
                yield inner
            yield from _apart(inner)


@dataclass(slots=True)
class _Walk:
    """The walk through all applications of a model."""

    model: Model
    diagnostics: Diagnostics
    reported: set[Span | None] = field(default_factory=set)
    way: list[Span | None] = field(default_factory=list)
    plain: dict[int, list[Flow]] = field(default_factory=dict)
    shapes: dict[tuple[int, TensorType], tuple[Dim, ...]] = field(default_factory=dict)
    sizes: dict[tuple[int, Dim], Dim] = field(default_factory=dict)
    sound: set[tuple[int, TensorType]] = field(default_factory=set)

    def module(self, module: Module, inputs: list[Flow]) -> list[Flow]:
        """What is known of a module's results. Modules that are told nothing but content are walked
        once.
        """
        alike = all(flow == CONTENT for flow in inputs)
        if alike and module.id in self.plain:
            return self.plain[module.id]
        given = dict(zip(module.inputs, inputs, strict=True))
        self.way.append(module.span)
        flows = self.nodes(module, module.nodes, given)
        self.way.pop()
        outputs = [flows[i][0] for i in module.outputs]
        if alike:
            self.plain[module.id] = outputs
        return outputs

    def nodes(
        self, module: Module, nodes: tuple[Node, ...], given: dict[int, Flow]
    ) -> list[list[Flow]]:
        """What is known of each result of each node."""
        flows: list[list[Flow]] = []
        for i, node in enumerate(nodes):
            args = [flows[a][0] for a in node.args]
            match node.form:
                case Input():
                    flows.append([given[i]])
                case Result(index):
                    flows.append([flows[node.args[0]][index]])
                case _:
                    here = _Step(self, module, nodes, node)
                    for t in node.types:
                        if (module.id, t) not in self.sound:
                            here.tokens_in_a_row(t)
                    flows.append(here.results(args))
        return flows

    def no_length(self, flow: Flow) -> None:
        """Reports a value into which the number of tokens went."""
        for origin in sorted(flow.length, key=lambda mask: str(mask.span)):
            message = f"{origin.title} uses the number of tokens, which is another in decoding"
            self.report(origin.span, message, "positions(T) gives each token its place")

    def report(self, span: Span | None, message: str, help: str, code: str = "causality") -> None:
        """Reports an error once for a place: the innermost one that is not the library's."""
        own = (at for at in (span, *reversed(self.way)) if at is not None and not _is_library(at))
        span = next(own, span)
        if span not in self.reported:
            self.reported.add(span)
            self.diagnostics.add(code, message, span, help=help)


@dataclass(slots=True)
class _Step:
    """One node, with the body that it stands in."""

    walk: _Walk
    module: Module
    nodes: tuple[Node, ...]
    node: Node

    # --- axes -------------------------------------------------------------------------------------

    def axes(self, t: TensorType) -> tuple[Dim, ...]:
        key, known = (self.module.id, t), self.walk.shapes
        if key not in known:
            known[key] = self.walk.model.shape(self.module, t)
        return known[key]

    def number(self, d: Dim) -> Dim:
        key, known = (self.module.id, d), self.walk.sizes
        if key not in known:
            known[key] = self.walk.model.number(self.module, d)
        return known[key]

    def key_axis(self, t: TensorType) -> Dim | None:
        """The axis of the tokens seen."""
        return next((axis for axis in self.axes(t) if _is_key(axis)), None)

    def tokens_in_a_row(self, t: TensorType) -> None:
        """Reports a type in which tokens meet other tokens, or T is no longer whole."""
        streamed = [axis for axis in self.axes(t) if _is_stream(axis)]
        if len(streamed) > 1:
            message = "the axis T stands twice here: tokens that come in meet one another"
            self.walk.report(self.node.span, message, _CACHE_HELP)
        elif streamed and not _is_multiple(streamed[0]):
            message = f"the axis T is cut or extended here, to {streamed[0]}"
            self.walk.report(self.node.span, message, "each token keeps its place along T")
        elif sum(map(_is_key, self.axes(t))) > 1:
            message = "the axis S stands twice here: what was seen meets what was seen"
            self.walk.report(self.node.span, message, "only T, the tokens that come in, meets S")
        else:
            self.walk.sound.add((self.module.id, t))

    # --- what a node makes of its arguments ------------------------------------------------------

    def results(self, args: list[Flow]) -> list[Flow]:
        match self.node.form:
            case Read():
                return [FIXED]
            case Number(value):
                return [self.constant(value)]
            case Zero():
                return [Flow(at=lambda _q, _k: 0.0)]
            case Positions(axis):
                return [self.positions(self.number(axis))]
            case Arange(size):
                length = {STREAM, SEEN} & self.number(size).symbols()
                return [Flow(length=self.origin()) if length else FIXED]
            case Fill():
                return [args[0]]
            case Elementwise(op):
                return [self.elementwise(op, args)]
            case Residual():
                return [self.elementwise("add", args)]
            case Rearrange(plan):
                return self.rearrange(plan, args)
            case Repeat():
                return [args[0]]
            case Apply() as form:
                return self.apply(form, args)
            case Loop(body):
                return self.loop(body, args)
            case Scan(body):
                return self.scan(body, args)
        for flow in args if not isinstance(self.node.form, Gather) else args[:1]:
            self.walk.no_length(flow)
        return self.mixing(args)

    def mixing(self, args: list[Flow]) -> list[Flow]:
        """Operations that take entries of several places together."""
        content = Flow(content=any(flow.content for flow in args))
        match self.node.form:
            case Reduce(op, plan):
                return [self.reduce(op, plan, args[0])]
            case Along(_, plan):
                named = [i for i in plan.left[0] if not isinstance(i, RestFactor)]
                self.along(plan.left[0], args[0], HIDDEN)
                if not any(_is_key(self.number(size(i))) for i in named):
                    return [content]
                # What is hidden has no weight. So has what should be and was reported.
                return [Flow(content.content, lambda _q, _k: 0.0, mask=args[0].mask)]
            case Choose(_, plan):
                self.along(plan.left[0][-1:], args[0], HIDDEN)
                return [content] * len(self.node.types)
            case Einsum(plan):
                return [self.einsum(plan, args)]
            case Gather() as form:
                self.gather(self.number(size(form.axis)), args)
                return [content]
            case Cache(_, _, every):
                return [self.cache(args[0], every is not None)]
            case Mixture() | Window():
                return [content] * len(self.node.types)
        raise TypeError(f"{self.node.form} has no rule")

    def constant(self, value: object) -> Flow:
        """A number known in advance, or one that the number of tokens decides."""
        model = self.walk.model
        if isinstance(value, Dim):
            number = self.number(value).value
            if number is None:
                return Flow(length=self.origin())
            return Flow(at=lambda _q, _k: number, numbers=frozenset((abs(number),)))
        real = model.real(self.module, value)  # type: ignore[arg-type]
        return Flow(length=self.origin()) if real is None else Flow(at=lambda _q, _k: real)

    def origin(self) -> frozenset[Mask]:
        """This node, by the block that it stands in."""
        return frozenset((Mask(self.module.block, self.node.span),))

    def positions(self, axis: Dim) -> Flow:
        if _is_key(axis):
            return Flow(at=lambda _q, k: k)
        return Flow(at=lambda q, _k: q) if _is_stream(axis) else FIXED

    def elementwise(self, op: str, args: list[Flow]) -> Flow:
        ats = [flow.at for flow in args]
        at: At | None = None
        if any(ats):

            @cache  # what is used twice is evaluated once: a chain would double at each step
            def at(q: int, k: int) -> Known:
                return evaluated(op, [None if a is None else a(q, k) for a in ats])

        return Flow(
            any(flow.content for flow in args),
            at,
            frozenset().union(*(flow.numbers for flow in args)),
            self.mask() if op == "select" else _first(flow.mask for flow in args),
            frozenset().union(*(flow.length for flow in args)),
        )

    def mask(self) -> Mask:
        """The condition of a choice, by the block that it comes from."""
        condition = self.nodes[self.node.args[0]]
        here = condition.span or self.node.span or self.module.span
        if not isinstance(condition.form, Apply):
            return Mask(self.module.block, here)
        child = self.module.child(condition.form.child)
        (_, block), *others = child.at(condition.form)
        if others:
            return Mask(child.name, here)
        return Mask(block.block, here if child.inline else block.span or here)

    def rearrange(self, plan: Plan, args: list[Flow]) -> list[Flow]:
        """Pieces of one tensor are as it is; of several joined each hides what it has to."""
        for cut in cuts((*plan.left, *plan.right)):
            parts = [self.number(product(size(i) for i in part)) for part in cut.parts]
            if any(_is_stream(part) for part in parts):
                message = "tokens are cut or joined along T here"
                self.walk.report(self.node.span, message, "each token keeps its place along T")
        if len(args) == 1:
            return args * len(self.node.types)
        keyed = [
            self.hidden(flow, axis)
            for flow, a in zip(args, self.node.args, strict=True)
            if (axis := self.key_axis(self.nodes[a].type)) is not None
        ]
        return [_joined(args, keyed)] * len(self.node.types)

    def together(self, t: TensorType, flows: list[Flow]) -> Flow:
        """What is known of a result of blocks side by side, of type `t` along a new axis."""
        axis = self.key_axis(t)
        keyed = [] if axis is None else [self.hidden(flow, axis) for flow in flows]
        return _joined(flows, keyed)

    # --- what mixes -------------------------------------------------------------------------------

    def reduce(self, op: str, plan: Plan, flow: Flow) -> Flow:
        kept = {str(f) for f in factors(plan.right[0])}
        gone = tuple(f for f in factors(plan.left[0]) if str(f) not in kept and str(f) != "1")
        if op == "mean" and any(_is_key(self.number(size(f))) for f in gone):
            message = f"{self.module.block} divides by the number of tokens seen, later ones too"
            self.walk.report(self.node.span, message, "divide the sum by how many a mask shows")
            return CONTENT
        self.along(gone, flow, HIDDEN if op == "max" and self.is_real() else 0.0)
        return Flow(flow.content)

    def is_real(self) -> bool:
        return self.nodes[self.node.args[0]].type.dtype != "bool"

    def along(self, items: tuple[Item, ...], flow: Flow, neutral: float) -> None:
        """Reports where entries along axes are taken together though later tokens are among them:
        along T always, along S where what has to be hidden is not `neutral`.
        """
        for item in items:
            if not isinstance(item, Factor | Merge | Cut):
                continue
            axis = self.number(size(item))
            if _is_stream(axis):
                message = f"{self.module.block} mixes tokens along T, later ones too"
                self.walk.report(self.node.span, message, _CACHE_HELP)
            elif _is_key(axis):
                self.keys(axis, flow, neutral, self.nodes[self.node.args[0]].type)

    def keys(self, axis: Dim, flow: Flow, neutral: float, t: TensorType) -> None:
        """Reports where entries along the tokens seen are taken together without a mask."""
        if not any(_is_stream(a) for a in self.axes(t)):
            message = f"{self.module.block} takes all tokens seen together, later ones too"
            self.walk.report(
                self.node.span, message, "a mask over [T, S] says what each token sees"
            )
            return
        for q, k in _outside(axis, flow.numbers):
            if flow.at is None or flow.at(q, k) != neutral:
                if flow.mask is None or flow.at is None:
                    message = (
                        f"{self.module.block} looks at all tokens, later ones too, without a mask"
                    )
                    self.walk.report(self.node.span, message, _MASK_HELP, "future-mask")
                elif k > q or entry_tokens(axis):
                    message = f"{flow.mask.title} sees the future: position {q} sees position {k}"
                    self.walk.report(flow.mask.span, message, _MASK_HELP, "future-mask")
                else:
                    kept = f"{flow.mask.title} shows position {k} to position {q}"
                    message = f"{kept}, and the cache keeps fewer tokens"
                    help = "let the mask show no more than the cache keeps: q - k < w"
                    self.walk.report(flow.mask.span, message, help, "future-mask")
                return

    def hidden(self, flow: Flow, axis: Dim) -> Known:
        """What a value is at all pairs that have to be hidden; None where it is not one number."""
        if flow.at is None:
            return None
        values = {flow.at(q, k) for q, k in _outside(axis, flow.numbers)}
        return values.pop() if len(values) == 1 else None

    def einsum(self, plan: Plan, args: list[Flow]) -> Flow:
        kept = {f.name for f in factors(plan.right[0])}
        numbers = frozenset().union(*(flow.numbers for flow in args))
        ats = [flow.at for flow in args]

        @cache
        def at(q: int, k: int) -> Known:
            values = [None if a is None else a(q, k) for a in ats]
            return 0.0 if 0 in values else None

        whole = Flow(
            any(flow.content for flow in args),
            at if any(ats) else None,
            numbers,
            _first(flow.mask for flow in args),
        )
        summed: dict[str, Dim] = {}
        for term in plan.left:
            for f in factors(term):
                if isinstance(f, Factor) and f.name not in kept:
                    summed[f.name] = self.number(f.dim)
        for name, axis in summed.items():
            if _is_stream(axis):
                message = f"{self.module.block} mixes tokens along T, later ones too"
                self.walk.report(self.node.span, message, _CACHE_HELP)
            elif _is_key(axis):
                # One operand says for each token which of those seen count.
                scores = [
                    a
                    for term, a in zip(plan.left, self.node.args, strict=True)
                    if name in {f.name for f in factors(term)}
                ]
                both = [a for a in scores if self.has_time(a)]
                self.keys(axis, whole, 0.0, self.nodes[(both or scores)[0]].type)
        return whole if self.key_axis(self.node.type) else Flow(whole.content)

    def has_time(self, index: int) -> bool:
        return any(_is_stream(axis) for axis in self.axes(self.nodes[index].type))

    def gather(self, axis: Dim, args: list[Flow]) -> None:
        """Reports look-ups along T, and along S at places that are known to come later."""
        table, index = args
        if _is_stream(axis):
            message = f"{self.module.block} looks tokens up along T, later ones too"
            self.walk.report(self.node.span, message, _CACHE_HELP)
        elif _is_key(axis) and self.hidden(table, axis) is None and index.at is not None:
            places = _places(index.numbers)
            later = any((index.at(q, k) or 0) > q for q in places for k in places if k <= q)
            if later or index.length:
                message = f"{self.module.block} looks up a token that comes later"
                self.walk.report(self.node.span, message, _MASK_HELP, "future-mask")

    def cache(self, flow: Flow, entries: bool) -> Flow:
        """What is kept: at a key what it was when that was the token."""
        at = flow.at
        if at is None or entries:
            return Flow(flow.content)
        return Flow(flow.content, lambda _q, k: at(k, k), flow.numbers)

    # --- what is applied and repeated ------------------------------------------------------------

    def apply(self, form: Apply, args: list[Flow]) -> list[Flow]:
        child = self.module.child(form.child)
        own = len(args) - form.context
        given = dict(zip(child.given(form), args[own:], strict=True))

        def run(inner: Module, flows: list[Flow]) -> list[Flow]:
            return self.walk.module(inner, [*flows, *(given[name] for name in inner.context)])

        if not isinstance(child.part, Layers):
            results = [run(inner, args[:own]) for _, inner in child.at(form)]
            if len(results) == 1:
                return results[0]
            rows = zip(self.node.types, zip(*results, strict=True), strict=True)
            return [self.together(t, list(flows)) for t, flows in rows]
        carried, rest = args[: len(self.node.types)], args[len(self.node.types) : own]
        return self.layers(
            child.part.at(form.use), carried, lambda m, flows: run(m, [*flows, *rest])
        )

    def layers(
        self,
        segments: tuple[Segment, ...],
        carried: list[Flow],
        run: Callable[[Module, list[Flow]], list[Flow]],
    ) -> list[Flow]:
        """What a stack carries, from layer to layer; what repeats twice, for it may change."""
        for segment in segments:
            for _ in range(min(segment.count, 2)):
                if isinstance(segment.item, Module):
                    carried = run(segment.item, carried)
                else:
                    carried = self.layers(segment.item, carried, run)
        return carried

    def loop(self, body: Body, args: list[Flow]) -> list[Flow]:
        """States of a loop are known by nothing but whether tokens decide them."""
        states = [Flow(flow.content, length=flow.length) for flow in args[: body.states]]
        outputs: list[Flow] = []
        for _ in range(2):
            flows = self.inside(body, [*states, *args[body.states :]])
            outputs = [flows[i][0] for i in body.outputs]
            states = [
                Flow(a.content or b.content, length=a.length | b.length)
                for a, b in zip(states, outputs, strict=False)
            ]
        return [*states, *outputs[body.states :]]

    def scan(self, body: Body, args: list[Flow]) -> list[Flow]:
        """A scan takes the tokens in order; inside there is one of them."""
        for flow in args:
            self.walk.no_length(flow)
        flows = self.inside(body, [*([CONTENT] * (body.states + body.over)),
                                   *args[body.states + body.over :]])  # fmt: skip
        for i in body.outputs:
            self.walk.no_length(flows[i][0])
        return [CONTENT] * len(self.node.types)

    def inside(self, body: Body, given: list[Flow]) -> list[list[Flow]]:
        return self.walk.nodes(self.module, body.nodes, dict(zip(body.inputs, given, strict=True)))


def _joined(flows: list[Flow], keyed: list[Known]) -> Flow:
    """What is known of several values in one tensor, `keyed` being what those are that have the
    axis S at all pairs that have to be hidden.
    """
    alike = keyed and keyed[0] is not None and all(value == keyed[0] for value in keyed)
    return Flow(
        any(flow.content for flow in flows),
        (lambda _q, _k: keyed[0]) if alike else None,
        frozenset().union(*(flow.numbers for flow in flows)),
        _first(flow.mask for flow in flows),
        frozenset().union(*(flow.length for flow in flows)),
    )


def _is_library(span: Span) -> bool:
    return span.source.name.startswith("std/")


# --- positions ------------------------------------------------------------------------------------


def _is_stream(axis: Dim) -> bool:
    return STREAM in axis.symbols()


def _is_key(axis: Dim) -> bool:
    return SEEN in axis.symbols()


def _is_multiple(axis: Dim) -> bool:
    """Whether an axis is T times something that does not stream."""
    match axis.terms:
        case ((monomial, _),):
            return dict(monomial).get(STREAM) == 1
    return False


def _window(axis: Dim) -> int:
    """The tokens that a cache keeps, where min(S, w) is the axis; else 0."""
    atom = only_atom(axis)
    if atom is None or atom.op != "min":
        return 0
    return atom.a.value or atom.b.value or 0


def _places(numbers: frozenset[int]) -> list[int]:
    near = {n + step for n in numbers for step in (-1, 0, 1) if n + step >= 0}
    return [*_LEAST, *sorted(near - {*_LEAST})][:_MOST]


def _outside(axis: Dim, numbers: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Pairs of a query and a key that have to be hidden."""
    last, every = _window(axis), entry_tokens(axis)
    places = _places(numbers | {last, every} - {0})
    for q in places:
        for k in dict.fromkeys((q + 1, *places)):
            later = (k + 1) * every - 1 > q if every else k > q
            if later:
                yield q, k
        if last and q >= last:
            yield q, q - last
            yield q, 0


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
