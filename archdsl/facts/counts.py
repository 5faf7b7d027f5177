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

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from archdsl.axes import Plan, factors
from archdsl.dims import Dim, product, substitute
from archdsl.facts.caches import Cached, Held, caches, keeps, once, states
from archdsl.facts.sizes import whole
from archdsl.facts.steps import number, steps
from archdsl.graph import Child, Experts, Layers, Model, Module, ModuleList, Single, runs
from archdsl.nodes import (
    Apply,
    Einsum,
    Elementwise,
    Input,
    Item,
    Mixture,
    Node,
    Rearrange,
    Repeat,
)
from archdsl.record import record
from archdsl.roles import COMPUTING, at_work, slots, wraps
from archdsl.stream import Flow, flow, modules, streaming_inputs
from archdsl.symbols import BATCH, STREAM, TIME
from archdsl.types import TensorType

if TYPE_CHECKING:
    from archdsl.facts.work import Work

_MOST_RUNS = 10_000
"""No more runs of layers are told in their order."""


MUCH = 0.25
"""The part of what is active from which tables are told apart in a dense model."""


@record
class Mixer:
    """What mixes tokens in so many layers: its role, its title, its settings."""

    layers: int
    role: str
    title: str
    settings: tuple[tuple[str, int], ...]


@record
class Bank:
    """Experts in so many layers: how many, and how many of them a token chooses."""

    layers: int
    experts: int
    top_k: int


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
class Counts:
    """What can be counted of a model. Everything is computed on first use."""

    model: Model
    _memo: dict[tuple[str, int], Dim] = field(default_factory=dict, repr=False)

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
    def active_without_tables(self) -> int:
        """`active` without the tables of which a token only reads rows: what is multiplied. A table
        that the head is tied to is multiplied.
        """
        from archdsl.facts.weights import tables

        return self.active - tables(self.model)

    @cached_property
    def active_as_quoted(self) -> int:
        """`active` as people quote it: of a model with parts that idle, without the tables of which
        a token reads rows. They are told apart in a dense model too where they are much of it.
        """
        tables = self.active - self.active_without_tables
        apart = self.active != self.params or tables > MUCH * self.active
        return self.active_without_tables if apart else self.active

    @cached_property
    def tied_tables(self) -> int:
        """Parameters of tables that something else of the model is tied to."""
        root = self.model.root
        total = 0
        for path in {path for child in root.children for _, path in child.ties}:
            module = root
            for name in path[:-1]:
                module = module.child(name).modules[0][1]
            if module.role == "embedding":
                params = (param for param in module.params if param.name == path[-1])
                total += sum(self.size(module, param.type) for param in params)
        return total

    @cached_property
    def active_without_embedding(self) -> int:
        """`active` without the table that tokens are looked up in, tied to the head or not."""
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
        banked = any(isinstance(child.part, Experts) for child in module.children)
        for child in module.children:
            for count, inner in () if child.apart else child.stored:
                shown = role or (
                    "" if inner.role in ("layer", "plumbing", "residual") else inner.role
                )
                shown = "expert" if isinstance(child.part, Experts) else shown
                shown = "router" if inner.role == "router" else shown
                if banked and inner.role in ("feed_forward", "expert"):
                    shown = "expert" if isinstance(child.part, Experts) else "shared_expert"
                if child.name in self._heads and not role and module is self.model.root:
                    shown = "head"
                for r, n in self._by_role(inner, shown):
                    yield r, count * n

    @cached_property
    def _heads(self) -> frozenset[str]:
        """Children of the root whose result the model returns, perhaps scaled, capped or moved.
        Layers are none: of a model without a head their result comes out.
        """
        root = self.model.root
        heads: set[str] = set()
        waiting = list(root.outputs)
        while waiting:
            node = root.nodes[waiting.pop()]
            match node.form:
                case Apply(name) if all(_only_computes(m) for _, m in root.child(name).modules):
                    waiting += node.args
                case Apply(name):
                    if not _holds_layers(root.child(name)):
                        heads.add(name)
                case Elementwise() | Rearrange() | Repeat() | Item():
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
    def caches(self) -> tuple[Cached, ...]:
        """What is kept of the tokens, those alike as one."""
        return caches(self.model)

    @cached_property
    def states(self) -> tuple[Held, ...]:
        """What is kept however long the text is, those alike as one."""
        return states(self.model)

    @cached_property
    def kv_bytes_per_token(self) -> int:
        """Bytes that all layers keep of each token, windows as if they kept everything."""
        return _per_token(self.caches)

    @cached_property
    def kv_growing_bytes_per_token(self) -> int:
        """Bytes by which the cache really grows with each token, however long the context."""
        return _per_token(cached for cached in self.caches if cached.last is None)

    @cached_property
    def kv_capped_bytes(self) -> int:
        """Bytes of what windows keep, once they are full."""
        return sum(cached.bytes * cached.last for cached in self.caches if cached.last)

    @cached_property
    def state_bytes(self) -> int:
        """Bytes of what recurrences and windows of tokens keep, however long the context."""
        return sum(held.bytes for held in (*self.states, *self.once))

    @cached_property
    def once(self) -> tuple[Held, ...]:
        """What is kept of the whole of an input that does not stream, those alike as one."""
        return once(self.model, self.flow, of_positions=False)

    @cached_property
    def source(self) -> tuple[Held, ...]:
        """What is kept of each position of an input that does not stream, those alike as one."""
        return once(self.model, self.flow, of_positions=True)

    @cached_property
    def source_bytes_per_token(self) -> int:
        """Bytes kept of each position of an input that does not stream, beside the cache: keys and
        values of cross-attention, and what they are made of.
        """
        return sum(held.bytes for held in self.source)

    def kv_bytes(self, context: int) -> int:
        """Bytes of the whole cache at a context of so many tokens, for one sequence, states and
        what is kept of other inputs included.
        """
        kept = sum(cached.bytes * cached.entries(context) for cached in self.caches)
        return kept + self.state_bytes + context * self.source_bytes_per_token

    # --- FLOPs ------------------------------------------------------------------------------------

    @cached_property
    def work(self) -> Work:
        """The work of the model as engines run it."""
        from archdsl.facts.walk import work

        return work(self.model, self.flow)

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

    @cached_property
    def head_flops(self) -> int:
        """FLOPs of one token in what makes the result and looks at no other token: the head. An
        engine that needs the last token's logits alone computes it once for a text.
        """
        root = self.model.root
        applied = {n.form.child: n.form for n in root.nodes if isinstance(n.form, Apply)}
        total = Dim()
        for name in self._heads:
            for count, inner in root.child(name).at(applied[name]):
                if inner.streams and not keeps(self.model, inner):
                    total = total + self._flops(inner) * count
        one = {BATCH: Dim.number(1), STREAM: Dim.number(1)}
        flops = substitute(total, one)
        return flops.value or 0

    def all_keys_flops(self, context: int) -> int:
        """FLOPs of `context` tokens read at once, every key in sight."""
        return self._flops_of(context, context)

    def _flops_of(self, tokens: int, context: int) -> int:
        """FLOPs of so many tokens of one sequence that see `context` keys."""
        flops = self._flops(self.model.root)
        one = {name: Dim.number(context) for name in flops.symbols()}
        one |= {BATCH: Dim.number(1), STREAM: Dim.number(tokens)}
        return number(substitute(flops, one))

    def _flops(self, module: Module) -> Dim:
        """FLOPs of a module as a polynomial of B, T and S."""
        key = ("flops", module.id)
        if key not in self._memo:
            total = Dim()
            children = {c.name: c for c in module.children}
            once = {id(module.nodes[i]) for i in self.flow.once(module)}
            for times, node, beside in steps(self.model, module):
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
        variant states, for `batch` sequences. Raises ValueError where either is not a whole
        number of at least 1, and where no context is given or stated.
        """
        tokens = self.stated_context if context is None else whole("context", context)
        if tokens is None:
            raise ValueError(f"{self.model.id} states no context: say at how many tokens")
        batch = whole("batch", batch)
        return Costs(
            context=tokens,
            batch=batch,
            cache_bytes=batch * self.kv_bytes(tokens),
            flops_per_token=self.flops_per_token(tokens),
            prefill_flops=batch * self._flops_of(tokens, tokens),
        )

    @property
    def stated_context(self) -> int | None:
        """The context that the variant states."""
        stated = self.model.about.get("context")
        return stated if isinstance(stated, int) else None

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
        return _joined(run for _, layers in self.layers_of_parts for run in layers)

    @cached_property
    def layers_of_parts(self) -> tuple[tuple[str, tuple[tuple[int, Module], ...]], ...]:
        """As `schedule`, those of each part of the model by its name."""
        return tuple(
            (
                child.name,
                _joined(
                    run
                    for count, module in in_order(child)
                    if module.role != "embedding"
                    for run in _times(count, _layers_inside(module))
                ),
            )
            for child in self.model.root.children
        )

    @cached_property
    def most_tokens(self) -> int | None:
        """How many tokens the model can read, by its `where T <= context`; None for no limit."""
        most: list[int] = []
        for module in modules(self.model.root):
            for check in module.checks if module.streams else ():
                left = self.model.number(module, check.left)
                right = self.model.number(module, check.right).value
                if left == TIME and right is not None and check.op in ("<", "<="):
                    most.append(right - (check.op == "<"))
        return min(most, default=None)

    @cached_property
    def mixers(self) -> tuple[Mixer, ...]:
        """The attention and the recurrences of the layers, with their settings."""
        counts: dict[tuple[str, str, tuple[tuple[str, int], ...]], int] = {}
        for count, layer in self.schedule:
            for _, module in slots(layer):
                if module.role in ("attention", "recurrence"):
                    inner = at_work(module)
                    inputs = inner.inputs[: len(inner.inputs) - len(inner.context)]
                    outside = {str(axis) for i in inputs for axis in inner.nodes[i].type.axes}
                    settings = tuple(
                        (s.name, s.value)
                        for s in inner.settings
                        if s.kind in ("dim", "count")
                        and isinstance(s.value, int)
                        and s.name not in outside
                    )
                    key = (module.role, inner.title, settings)
                    counts[key] = counts.get(key, 0) + count
        return tuple(Mixer(n, *key) for key, n in counts.items())

    @cached_property
    def mixtures(self) -> tuple[Bank, ...]:
        """The banks of experts of the layers."""
        counts: dict[tuple[int, int], int] = {}
        for count, layer in self.schedule:
            for module in modules(layer):
                for child in module.children:
                    if isinstance(child.part, Experts):
                        key = (child.part.count, child.part.top_k)
                        counts[key] = counts.get(key, 0) + count
        return tuple(Bank(n, *key) for key, n in counts.items())

    def setting(self, name: str) -> int | None:
        """A number of all attention that has it, as `heads`; None where attention differs."""
        attention = (m for m in self.mixers if m.role == "attention")
        values = {v for mixer in attention for n, v in mixer.settings if n == name}
        return values.pop() if len(values) == 1 else None

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


def _per_token(kept: Iterable[Cached]) -> int:
    """Bytes for each token, an entry for several tokens shared by these."""
    totals: dict[int, int] = {}
    for cached in kept:
        totals[cached.every] = totals.get(cached.every, 0) + cached.bytes
    return sum(total // every for every, total in totals.items())


def _only_computes(module: Module) -> bool:
    """Whether a block is a function of its inputs: a scale, a cap."""
    return module.role == "plumbing" and not module.params and not module.children


def _holds_layers(child: Child) -> bool:
    """Whether a part of the model is a stack or a layer, or has one inside."""
    return isinstance(child.part, Layers) or any(
        module.role == "layer" or any(map(_holds_layers, module.children))
        for _, module in child.modules
    )


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
