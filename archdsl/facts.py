"""Counts of a model, all computed from its graph, and the facts that specs expect.

    parameters   every parameter once; a tied one belongs to its first place
    active       experts scaled by top_k / experts, everything else once, the input table included
    KV bytes     bf16, what all layers keep of each token
    source bytes what decoding keeps of each position of an input that does not stream
    FLOPs        of matrix products, 2 for each multiply-add, for one token with `context` keys in
    sight

FLOPs follow `torch.utils.flop_counter`: elementwise work and look-ups count nothing, attention
counts every key up to the context, masked or not. What does not depend on the token is computed
with the first one (`stream.py`) and not counted; inputs that do not stream are as long as the
context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from archdsl import naming
from archdsl.axes import Plan, factors
from archdsl.diagnostic import Diagnostics
from archdsl.dims import Dim, product, substitute
from archdsl.graph import Child, Experts, Layers, Model, Module, ModuleList, Single, runs
from archdsl.nodes import (
    Apply,
    Cache,
    Einsum,
    Elementwise,
    Input,
    Loop,
    Mixture,
    Node,
    Scan,
    Window,
)
from archdsl.record import record
from archdsl.roles import COMPUTING, at_work, slots, wraps
from archdsl.stream import Flow, flow, needed_inside, results_read, streaming_inputs
from archdsl.symbols import BATCH, STREAM, TIME, ModelSymbol
from archdsl.types import TensorType

KV_BYTES = 2
"""Bytes of a cached number: bf16."""

STATE_BYTES = {"float": 2, "float32": 4, "int": 8, "bool": 1}
"""Bytes of a number of a state, by its dtype."""

_ONCE = Dim.number(1)
_MOST_RUNS = 10_000
"""No more runs of layers are told in their order."""


@record
class Keeping:
    """How a cache grows: an entry for `every` so many tokens, of the `last` ones only if given."""

    every: int = 1
    last: int | None = None


@record
class Costs:
    """What it takes to run a model.

    `context`: tokens of each sequence. `batch`: sequences. `cache_bytes`: the cache of all
    sequences once they are so long, states and kept inputs included, numbers in bf16 where the
    model says nothing else. `flops_per_token`: of one more token of one sequence. `prefill_flops`:
    of all tokens of all sequences, read at once.
    """

    context: int
    batch: int
    cache_bytes: int
    flops_per_token: int
    prefill_flops: int


@dataclass(frozen=True, repr=False)
class Facts:
    """What can be counted of a model. Everything is computed on first use."""

    model: Model
    _memo: dict[tuple[str, int], Dim] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return f"<facts of {self.model!r}>"

    @cached_property
    def params(self) -> int:
        """Parameters, each once."""
        return sum(n for _, n in self.parts)

    @cached_property
    def active(self) -> int:
        """Parameters that work on one token; the same as `params` without experts."""
        return self.params - self._idle(self.model.root)

    def _idle(self, module: Module) -> int:
        """Parameters of the experts that a token does not visit."""
        idle = 0
        for child in module.children:
            if child.apart:
                continue
            for count, inner in child.stored:
                idle += count * self._idle(inner)
            if isinstance(bank := child.part, Experts):
                idle += self.params_of(bank.expert) * max(0, bank.count - bank.top_k)
        return idle

    def idle(self, module: Module) -> int:
        """Parameters of a module's experts that a token does not visit."""
        return self._idle(module)

    def by_role(self, module: Module) -> tuple[tuple[str, int], ...]:
        """(role, parameters) of the parts of one module."""
        counts: dict[str, int] = {}
        for role, count in self._by_role(module, ""):
            counts[role] = counts.get(role, 0) + count
        return tuple(counts.items())

    @cached_property
    def active_without_embedding(self) -> int:
        """`active` without the table that tokens are looked up in, unless the head is tied to
        it.
        """
        return self.active - self.input_embedding

    @cached_property
    def input_embedding(self) -> int:
        """Parameters of the tables that the model's own integer inputs index."""
        root = self.model.root
        tables = [c for c in root.children if any(m.role == "embedding" for _, m in c.modules)]
        fed = [c for c in tables if self._fed_by_input(c)]
        return sum(count * self.params_of(m) for c in fed for count, m in c.modules)

    def _fed_by_input(self, child: Child) -> bool:
        nodes = self.model.root.nodes
        return any(
            isinstance(n.form, Apply)
            and n.form.child == child.name
            and any(isinstance(nodes[a].form, Input) for a in n.args)
            for n in nodes
        )

    @cached_property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """(role, parameters) of the parts of the model, the largest first."""
        counts = self.by_role(self.model.root)
        return tuple(sorted(((r, n) for r, n in counts if n), key=lambda x: (-x[1], x[0])))

    def _by_role(self, module: Module, role: str) -> Iterator[tuple[str, int]]:
        """Parameters under the outermost role that means something to a reader."""
        own = self._own(module)
        if own:
            yield role or module.role, own
        for child in module.children:
            for count, inner in () if child.apart else child.stored:
                shown = role or (
                    "" if inner.role in ("layer", "plumbing", "residual") else inner.role
                )
                shown = "expert" if isinstance(child.part, Experts) else shown
                shown = "router" if inner.role == "router" else shown
                if child.name in self._heads and not role and module is self.model.root:
                    shown = "head"
                for r, n in self._by_role(inner, shown):
                    yield r, count * n

    @cached_property
    def _heads(self) -> frozenset[str]:
        """Children of the root whose result the model returns, perhaps scaled or capped."""
        nodes = self.model.root.nodes
        heads: set[str] = set()
        waiting = list(self.model.root.outputs)
        while waiting:
            node = nodes[waiting.pop()]
            match node.form:
                case Apply(child):
                    heads.add(child)
                case Elementwise():
                    waiting += node.args
        return frozenset(heads)

    def _own(self, module: Module) -> int:
        return sum(
            self.size(module, p.type) for p in module.params if p.kind == "param" and not p.tied
        )

    def params_of(self, module: Module) -> int:
        """Parameters of a module and all its parts, without those that stand apart."""
        return self._own(module) + sum(
            n * self.params_of(m) for c in module.children if not c.apart for n, m in c.stored
        )

    @cached_property
    def apart(self) -> int:
        """Parameters of the parts that stand apart: in no other count, and not in the result."""
        return self._apart(self.model.root)

    def _apart(self, module: Module) -> int:
        total = 0
        for child in module.children:
            for count, inner in child.stored:
                total += count * self._apart(inner)
                total += count * self.params_of(inner) if child.apart else 0
        return total

    def size(self, module: Module, t: TensorType) -> int:
        """Elements of a tensor whose shape is known in full; raises ValueError otherwise."""
        value = product(self.model.shape(module, t)).value
        if value is None:
            raise ValueError(f"{t} depends on the input")
        return value

    @cached_property
    def flow(self) -> Flow:
        """What is computed for every token, and what once."""
        return flow(self.model)

    # --- cache ------------------------------------------------------------------------------------

    @cached_property
    def kv_bytes_per_token(self) -> int:
        """Bytes that all layers keep of each token, windows as if they kept everything."""
        return sum(n // k.every for n, k in self._kept(self.model.root))

    @cached_property
    def kv_growing_bytes_per_token(self) -> int:
        """Bytes by which the cache really grows with each token, however long the context."""
        kept = self._kept(self.model.root)
        return sum(n // k.every for n, k in kept if k.last is None)

    @cached_property
    def kv_capped_bytes(self) -> int:
        """Bytes of what windows keep, once they are full."""
        return sum(n * k.last for n, k in self._kept(self.model.root) if k.last)

    @cached_property
    def state_bytes(self) -> int:
        """Bytes of what recurrences and windows of tokens keep, however long the context."""
        once = 0 if self.flow.plain else KV_BYTES * self._once(self.model.root, False)
        return self._states(self.model.root) + once

    @cached_property
    def source_bytes_per_token(self) -> int:
        """Bytes kept of each position of an input that does not stream, beside the cache: keys and
        values of cross-attention, and what they are made of.
        """
        if self.flow.plain:
            return 0
        return KV_BYTES * self._once(self.model.root, of_positions=True)

    def _once(self, module: Module, of_positions: bool) -> int:
        """Numbers that are computed once and kept, of each position or of the whole input."""
        total = 0
        for i in self.flow.kept(module):
            axes = self._one(module, module.nodes[i].type)
            if of_positions == any(a.symbols() for a in axes):
                total += _number(product(a for a in axes if not a.symbols()))
        for times, inner in self._keeping_parts(module):
            total += times * self._once(inner, of_positions)
        return total

    def _keeping_parts(self, module: Module) -> Iterator[tuple[int, Module]]:
        """What a module applies that may keep something, with the number of places. What a scan
        applies sees one token, and keeps nothing.
        """
        for times, node, _ in self._steps(module):
            often = times.value
            if isinstance(node.form, Apply) and often is not None:
                for count, inner in module.child(node.form.child).at(node.form):
                    yield count * often, inner

    def _states(self, module: Module) -> int:
        """Bytes of the states of all applications in a module, for one sequence."""
        total = sum(n * self._states(inner) for n, inner in self._keeping_parts(module))
        for _, node, _ in self._steps(module):
            kept: list[TensorType] = []
            match node.form:
                case Window(size) if module.streams:
                    axes = list(node.type.axes)
                    axes[axes.index(TIME) + 1] = size - 1
                    kept = [TensorType(node.type.dtype, tuple(a for a in axes if a != TIME))]
                case Scan(body) if module.streams:
                    kept = list(body.state_types)
            for t in kept:
                total += STATE_BYTES[t.dtype] * _number(product(self._one(module, t)))
        return total

    def _one(self, module: Module, t: TensorType) -> list[Dim]:
        """The axes of a tensor for one sequence."""
        return [a for a in self.model.shape(module, t) if a.name != BATCH]

    def _steps(
        self, module: Module, nodes: tuple[Node, ...] | None = None, times: Dim = _ONCE
    ) -> Iterator[tuple[Dim, Node, tuple[Node, ...]]]:
        """(how often it happens, node, the nodes beside it) of a body and of what it repeats."""
        beside = module.nodes if nodes is None else nodes
        read: dict[int, set[int]] | None = None
        for i, node in enumerate(beside):
            yield times, node, beside
            if node.body is not None:
                rounds = node.form.rounds if isinstance(node.form, Loop) else TIME
                often = times * self.model.number(module, rounds)
                read = results_read(beside) if read is None else read
                needed = needed_inside(node, read.get(i, set()))
                for step in self._steps(module, node.body.nodes, often):
                    if step[2] is not node.body.nodes or id(step[1]) in needed:
                        yield step

    def _kept(self, module: Module) -> list[tuple[int, Keeping]]:
        """(bytes of an entry, of how many tokens) of all applications in a module."""
        own: dict[Keeping, int] = {}
        for _, node, _ in self._steps(module):
            if isinstance(node.form, Cache):
                axes = self.model.shape(module, node.type)
                size = _number(product(a for a in axes if not a.symbols()))
                size *= STATE_BYTES[node.type.dtype]
                keeping = self._keeping(module, node.form)
                own[keeping] = own.get(keeping, 0) + size
        for times, inner in self._keeping_parts(module):
            for size, keeping in self._kept(inner):
                own[keeping] = own.get(keeping, 0) + times * size
        return [(size, keeping) for keeping, size in own.items()]

    def _keeping(self, module: Module, cache: Cache) -> Keeping:
        every = 1 if cache.every is None else _number(self.model.number(module, cache.every))
        last = None if cache.last is None else _number(self.model.number(module, cache.last))
        return Keeping(every, last)

    def kv_bytes(self, context: int) -> int:
        """Bytes of the whole cache at a context of so many tokens, for one sequence."""
        kept = self._kept(self.model.root)
        places = sum(n * min(context // k.every, k.last or context) for n, k in kept)
        source = 0 if self.flow.plain else context * self.source_bytes_per_token
        return places + self.state_bytes + source

    # --- FLOPs ------------------------------------------------------------------------------------

    def flops_per_token(self, context: int) -> int:
        """FLOPs of one more token with `context` keys in sight (its own included)."""
        return self._flops_of(1, context)

    def prefill_flops_per_token(self, context: int) -> int:
        """FLOPs of `context` tokens read at once, for each of them, every key in sight.

        Less than `flops_per_token` where something is computed from the whole cache: latent
        attention (arXiv:2405.04434) maps every latent to keys and values again for each token that
        is decoded, and once for each token that is read.
        """
        return self._flops_of(context, context) // context

    def _flops_of(self, tokens: int, context: int) -> int:
        """FLOPs of so many tokens of one sequence that see `context` keys."""
        flops = self._flops(self.model.root)
        one = {name: Dim.number(context) for name in flops.symbols()}
        one |= {BATCH: Dim.number(1), STREAM: Dim.number(tokens)}
        return _number(substitute(flops, one))

    def _flops(self, module: Module) -> Dim:
        """FLOPs of a module as a polynomial of B, T and S."""
        key = ("flops", module.id)
        if key not in self._memo:
            total = Dim()
            children = {c.name: c for c in module.children}
            once = {id(module.nodes[i]) for i in self.flow.once(module)}
            for times, node, beside in self._steps(module):
                if id(node) in once:
                    continue
                match node.form:
                    case Einsum(plan):
                        total = total + self._einsum(module, plan, node, beside) * times
                    case Apply(child) as form:
                        for count, inner in children[child].at(form):
                            total = total + self._flops(inner) * count * times
                    case Mixture(child):
                        bank = children[child].part
                        assert isinstance(bank, Experts)
                        total = total + self._flops(bank.expert) * bank.top_k * times
            self._memo[key] = total
        return self._memo[key]

    def _einsum(self, module: Module, plan: Plan, node: Node, beside: tuple[Node, ...]) -> Dim:
        """2 for each multiply-add of every pair of operands contracted."""
        axes: dict[str, Dim] = {}
        for term, arg in zip(plan.left, node.args, strict=True):
            shape = self.model.shape(module, beside[arg].type)
            named = len([i for i in term if str(i) != "..."])
            axes["..."] = (
                product(shape[: len(shape) - named])
                if "..." in map(str, term)
                else axes.get("...", Dim.number(1))
            )
            for f in factors(term):
                if str(f) != "...":
                    axes[f.name] = self.model.number(module, f.dim)  # type: ignore[union-attr]
        kept = {f.name for f in factors(plan.right[0]) if str(f) != "..."}
        if len(node.args) < 2 or not set(axes) - kept - {"..."}:
            return Dim()  # nothing is summed: elementwise work
        return product(axes.values()) * 2 * (len(node.args) - 1)

    def at(self, context: int | None = None, batch: int = 1) -> Costs:
        """What it takes to run the model at `context` tokens, where none are given those that the
        variant states, for `batch` sequences. Raises ValueError where either is below 1, and where
        no context is given or stated.
        """
        tokens = self.model.about.get("context") if context is None else context
        if not isinstance(tokens, int):
            raise ValueError(f"{self.model.id} states no context: say at how many tokens")
        if tokens < 1 or batch < 1:
            raise ValueError("a context and a batch are at least 1")
        return Costs(
            context=tokens,
            batch=batch,
            cache_bytes=batch * self.kv_bytes(tokens),
            flops_per_token=self.flops_per_token(tokens),
            prefill_flops=batch * self._flops_of(tokens, tokens),
        )

    # --- layers -----------------------------------------------------------------------------------

    @cached_property
    def layers(self) -> int:
        """Layers of all stacks of the model and those that stand alone; tables of embeddings are
        none.
        """
        return sum(count for count, _ in self.schedule)

    @cached_property
    def schedule(self) -> tuple[tuple[int, Module], ...]:
        """Runs of equal layers in order, as (count, module). A layer that is made of layers counts
        as these.
        """
        return _joined(
            run
            for child in self.model.root.children
            for count, module in in_order(child)
            if module.role != "embedding"
            for run in _times(count, _layers_inside(module))
        )

    @property
    def tied(self) -> bool:
        """Whether a parameter of the model is used in two places."""
        return any(c.ties for c in self.model.root.children)

    @cached_property
    def streams(self) -> bool:
        """Whether an input of the model grows token by token."""
        return bool(streaming_inputs(self.model))

    @property
    def width(self) -> int | None:
        """The width of what passes from layer to layer, of the first stack."""
        root = self.model.root
        for value in root.nodes:
            if not isinstance(value.form, Apply):
                continue
            if isinstance(root.child(value.form.child).part, Layers):
                return self.model.shape(root, value.type)[-1].value
        return None

    def record(self, context: int | None = None) -> dict[str, object]:
        """The counts as plain data, as `archdsl facts --json` prints them, those at `context`
        tokens too, which the model's own context is where nothing is said.
        """
        stated = self.model.about.get("context")
        tokens = context or (stated if isinstance(stated, int) else None)
        record: dict[str, object] = {
            "variant": self.model.id,
            "name": self.model.name,
            "file": self.model.span.source.name if self.model.span else "",
            **{k: v for k, v in self.model.about.items() if k != "name"},
        }
        if context is not None:
            record["context"] = context
        for fact in FACTS:
            value = fact.value(self, tokens) if fact.recorded else None
            if value is not None:
                record[fact.name] = value
        return record


def in_order(child: Child) -> Iterator[tuple[int, Module]]:
    """The layers of a part of the model in order: of its stack, or itself where it is a layer, or
    those of its blocks that are.
    """
    if child.apart:
        return
    match child.part:
        case Layers(segments):
            yield from runs(segments)
        case Single(Module(role="layer") as module):
            yield 1, module
        case ModuleList(items=items):
            yield from ((1, module) for module in items if module.role == "layer")


_Runs = tuple[tuple[int, Module], ...]


def _joined(layers: Iterable[tuple[int, Module]]) -> _Runs:
    """Runs of which no two neighbours are of one module."""
    joined: list[tuple[int, Module]] = []
    for count, module in layers:
        if joined and joined[-1][1] is module:
            joined[-1] = (joined[-1][0] + count, module)
        else:
            joined.append((count, module))
    return tuple(joined)


def _times(count: int, layers: _Runs) -> _Runs:
    """Runs `count` times in a row; of very many those of one module together."""
    if len(layers) == 1 or count * len(layers) > _MOST_RUNS:
        return tuple((count * times, module) for times, module in layers)
    return layers * count


def _layers_inside(layer: Module) -> _Runs:
    """The layers that a layer is made of in the order in which it applies them; itself where it
    has attention, a feed-forward network or other work of its own.
    """
    applied = [node.form.child for node in layer.nodes if isinstance(node.form, Apply)]
    parts = [layer.child(name) for name in applied]
    works = any(
        module.role in COMPUTING
        for part in parts
        if not isinstance(part.part, Layers)
        for _, module in part.modules
    )
    if layer.role != "layer" or works:
        return ((1, layer),)
    inner = [
        run
        for part in parts
        if isinstance(part.part, Layers) or any(wraps(module) for _, module in part.modules)
        for run in in_order(part)
    ]
    expanded = [run for count, module in inner for run in _times(count, _layers_inside(module))]
    return _joined(expanded) or ((1, layer),)


def _number(d: Dim) -> int:
    if d.value is None:
        raise ValueError(f"{d} is not a number")
    return d.value


def check_expectations(facts: Facts, diagnostics: Diagnostics) -> None:
    """Reports every `expect` that the counts do not meet."""
    for expected in facts.model.expectations:
        count = _COUNTS[expected.fact](facts, None)
        if not isinstance(count, int):  # it does not apply to this model, or needs a context
            diagnostics.add(
                "fact-mismatch",
                f"{facts.model.id} has no count {expected.fact}",
                expected.span,
                note=f"expected {expected.value:,}",
            )
            continue
        if expected.tolerance is not None:
            met = abs(count - expected.value) <= expected.tolerance * expected.value
        else:
            met = _rounded(count, expected.unit) == expected.value
        if not met:
            largest = ", ".join(f"{role} {n:,}" for role, n in facts.parts[:4])
            diagnostics.add(
                "fact-mismatch",
                f"{expected.fact} of {facts.model.id} is {count:,}",
                expected.span,
                note=f"expected {expected.value:,}",
                help=f"the largest parts: {largest}",
            )


def _rounded(count: int, unit: int) -> int:
    """To the nearest multiple of a unit, halves up."""
    return (2 * count + unit) // (2 * unit) * unit


# --- the table of facts ---------------------------------------------------------------------------


@record
class Fact:
    """One fact of a model: everything that the program does with it.

    `value` computes it at so many tokens of context, None where it does not apply. `unit` says how
    a card writes it. `recorded`: in JSON and in the table of `archdsl facts`. `expected`: what
    `expect` may check. `card`: the name by which a card chooses its row, of `CARD_ROWS`, and
    `label` what the row is called; without them the fact has no row. `on_cards`: whether the row is
    on every card, or only on those that ask for it.
    """

    name: str
    unit: str
    value: Callable[[Facts, int | None], object]
    recorded: bool = True
    expected: bool = False
    card: str = ""
    label: str = ""
    on_cards: Literal["asked", "always"] = "asked"


def _at(compute: Callable[[Facts, int], int | None]) -> Callable[[Facts, int | None], object]:
    """A count that needs a context."""
    return lambda facts, context: None if context is None else compute(facts, context)


def _share(facts: Facts, _: int | None) -> object:
    """The part of the parameters that works on one token, of a model with layers."""
    return 100 * facts.active / facts.params if facts.params and facts.layers else None


def _mix(facts: Facts) -> object:
    """How many layers there are, and of several kinds how many of which."""
    modules = list({module.id: module for _, module in facts.schedule}.values())
    if not modules:
        return None
    names = dict(zip((m.id for m in modules), naming.kind_names(modules), strict=True))
    counts: dict[str, int] = {}
    for count, module in facts.schedule:
        counts[names[module.id]] = counts.get(names[module.id], 0) + count
    kinds = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    if len(counts) == 1 or len(kinds) > _MOST_KINDS:
        return f"{facts.layers:,}"
    return f"{facts.layers:,}: {kinds}"


def _attention(facts: Facts) -> object:
    """How many heads attention has, of the kind that the most layers have first."""
    counts: dict[str, int] = {}
    for count, layer in facts.schedule:
        for _, module in slots(layer):
            if module.role == "attention":
                words = naming.settings(at_work(module))[:2]
                heads = ", ".join(word for word in words if word.endswith("heads"))
                counts[heads] = counts.get(heads, 0) + count
    return "; ".join(sorted(filter(None, counts), key=lambda heads: -counts[heads])) or None


def _tables(facts: Facts, _: int | None) -> object:
    """Parameters of tables that are read by rows, where they are much of what is active."""
    tables = dict(facts.parts).get("embedding", 0)
    much = facts.active != facts.params and tables > _MUCH * facts.active
    return tables if much else None


def _expanded(facts: Facts, context: int) -> int | None:
    """FLOPs of a decoded token where the whole cache is mapped again for it."""
    decode = facts.flops_per_token(context)
    return None if decode == facts.prefill_flops_per_token(context) else decode


def _flops_anywhere(facts: Facts, context: int | None, streams: bool) -> object:
    """FLOPs where no context is stated and none decides them."""
    if context is not None or facts.streams is not streams or len(facts.model.root.inputs) != 1:
        return None
    one = facts.flops_per_token(1)
    return one if one == facts.flops_per_token(2) else None


_MOST_KINDS = 40
"""No more letters tell the kinds of layers in a row; the legend of the strip has them all."""
_MUCH = 0.25
"""The part of what is active from which tables are worth a row."""

FACTS: tuple[Fact, ...] = (
    Fact("params", "entries", lambda f, _: f.params, expected=True, card="params",
         label="parameters"),
    Fact("apart", "parameters", lambda f, _: f.apart, expected=True, card="apart",
         label="beside the model", on_cards="always"),
    Fact("active", "parameters", lambda f, _: f.active, expected=True),
    Fact("active_share", "percent", _share, recorded=False, card="active",
         label="active per token", on_cards="always"),
    Fact("active_without_embedding", "parameters", lambda f, _: f.active_without_embedding,
         expected=True),
    Fact("tables", "parameters", _tables, recorded=False, card="tables",
         label="of it embedding tables", on_cards="always"),
    Fact("kv_bytes_per_token", "bytes", lambda f, _: f.kv_bytes_per_token, expected=True),
    Fact("kv_growing_bytes_per_token", "bytes", lambda f, _: f.kv_growing_bytes_per_token,
         expected=True, card="kv_bytes_per_token", label="KV cache growth / token",
         on_cards="always"),
    Fact("kv_capped_bytes", "bytes", lambda f, _: f.kv_capped_bytes, expected=True),
    Fact("state_bytes", "bytes", lambda f, _: f.state_bytes, expected=True, card="state",
         label="state of fixed size", on_cards="always"),
    Fact("source_bytes_per_token", "bytes", lambda f, _: f.source_bytes_per_token, expected=True),
    Fact("layers", "entries", lambda f, _: f.layers, expected=True),
    Fact("layer_mix", "text", lambda f, _: _mix(f), recorded=False, card="layers", label="layers",
         on_cards="always"),
    Fact("attention", "text", lambda f, _: _attention(f), recorded=False, card="attention",
         label="attention", on_cards="always"),
    Fact("parts", "entries", lambda f, _: dict(f.parts)),
    Fact("schedule", "text", lambda f, _: naming.schedule(list(f.schedule))),
    Fact("tied", "yes or no", lambda f, _: f.tied, card="tied", label="tied embeddings",
         on_cards="always"),
    Fact("kv_bytes_at_context", "bytes", _at(lambda f, n: f.kv_bytes(n)), card="kv_bytes",
         label="at {context} context", on_cards="always"),
    Fact("flops_per_token_at_context", "FLOPs", _at(lambda f, n: f.flops_per_token(n))),
    Fact("prefill_flops_per_token_at_context", "FLOPs",
         _at(lambda f, n: f.prefill_flops_per_token(n)), card="flops",
         label="FLOPs / token at {context}", on_cards="always"),
    Fact("expanding_flops_per_token", "FLOPs", _at(_expanded), recorded=False, card="flops",
         label="decoding, cache expanded"),
    Fact("flops_per_token", "FLOPs", lambda f, n: _flops_anywhere(f, n, True), recorded=False,
         card="flops", label="FLOPs / token", on_cards="always"),
    Fact("flops", "FLOPs", lambda f, n: _flops_anywhere(f, n, False), recorded=False,
         card="flops", label="FLOPs", on_cards="always"),
    Fact("context", "entries", lambda _, n: n, recorded=False, card="context", label="context"),
    Fact("width", "entries", lambda f, _: f.width, recorded=False, card="width", label="width",
         on_cards="always"),
    Fact("vocab", "entries", lambda f, _: f.model.numbers.get(ModelSymbol("vocab")),
         recorded=False, card="vocab", label="vocabulary"),
    Fact("license", "text", lambda f, _: f.model.about.get("license"), recorded=False,
         card="license", label="licence", on_cards="always"),
    Fact("after", "text", lambda f, _: f.model.about.get("after"), recorded=False, card="after",
         label="after", on_cards="always"),
)  # fmt: skip
"""Every fact, in the order in which they are recorded."""

_COUNTS = {fact.name: fact.value for fact in FACTS if fact.expected}
"""How what `expect` may check is computed."""

CARD_ROWS = (
    "layers", "attention", "params", "active", "tables", "apart", "kv_bytes_per_token", "kv_bytes",
    "state", "flops", "context", "tied", "width", "position", "vocab", "license", "after",
)  # fmt: skip
"""The rows of a card in their order, by the names that `facts` of a card chooses them by."""
