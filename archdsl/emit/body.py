"""The body of a block as statements of `forward`.

Nodes that have a name in the spec, or are used twice, become assignments; the others are written
into the expression that uses them. A name carries the letters of its axes: `q_BHTK`.
"""

from __future__ import annotations

import string
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from archdsl.axes import Merge, Plan, RestFactor, factors
from archdsl.dims import Dim
from archdsl.emit import calls, precomputed, repeat
from archdsl.emit import plan as p
from archdsl.emit.lines import Line, line
from archdsl.emit.names import OF_BODY, lettered, safe, variable
from archdsl.emit.rearrange import (
    Term,
    dim_of,
    rearrange,
    repeated,
    split_call,
    split_views,
    view,
)
from archdsl.emit.spell import (
    ATOM,
    COMPARE,
    LEVELS,
    PLUS,
    POWER,
    START,
    UNARY,
    Text,
    calling,
    listed,
    spell_dim,
    spell_real,
    spelt,
)
from archdsl.emit.unit import Frame
from archdsl.emit.uses import Length, OfBlock
from archdsl.graph import Layers, Module, ModuleList
from archdsl.nodes import (
    Along,
    Apply,
    Arange,
    Body,
    Cache,
    Choose,
    Draw,
    Einsum,
    Fill,
    Gather,
    Input,
    Item,
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
    items_of,
)
from archdsl.ops import OPS
from archdsl.symbols import SEEN, STREAM, ModelSymbol, counts_seen, counts_tokens

WIDTH = 78
"""Expressions longer than this are bound to a name of their own."""


@dataclass(slots=True)
class Writer:
    """The statements of one body under construction.

    A `table` is computed from settings alone: `consts` or `initials`. `inside` is the body of a
    scan or a loop where that is written, and `turns` the variables that count the rounds of the
    loops around it.
    """

    plan: p.Plan
    frame: Frame
    store: str = "cache"
    table: Sequence[Node] | None = None
    inside: Body | None = None
    turns: tuple[str, ...] = ()
    lines: list[Line] = field(default_factory=list)
    values: dict[int, Text] = field(default_factory=dict)
    users: dict[int, list[int]] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)
    holder: dict[str, int] = field(default_factory=dict)
    below: set[str] = field(default_factory=set)

    @property
    def module(self) -> Module:
        return self.frame.group.module

    @property
    def banked(self) -> bool:
        return self.frame.group.banked

    @property
    def nodes(self) -> Sequence[Node]:
        if self.inside is not None:
            return self.inside.nodes
        return self.module.nodes if self.table is None else self.table

    # Symbols.

    def look(self, name: str) -> Text:
        """The Python expression for a setting or an axis of this block, or a setting of the
        model.
        """
        if isinstance(name, ModelSymbol):
            return calls.root(Dim.symbol(name))
        if name in p.setting_names(self.module):
            spelling = variable(name) if self.frame.is_function else f"self.{safe(name)}"
            return Text(spelling, ATOM, frozenset((OfBlock(name),)))
        if name == SEEN and name not in p.free_axes(self.module):
            if not self.module.streams:
                return self.look(STREAM)
            return spelt("({} + {})", START, self.length(STREAM))
        return self.length(name)

    def length(self, axis: str) -> Text:
        """The length of an axis that inputs bring."""
        name = self.frame.lengths.get(axis) or variable(axis)
        return Text(name, ATOM, frozenset((Length(axis),)))

    def behind(self) -> tuple[str, Text]:
        """Where a block finds what it keeps, and how many tokens came before."""
        if not self.module.streams:
            return "None", Text("0")
        return self.store, START

    def dim(self, d: Dim) -> Text:
        return spell_dim(d, self.look)

    # Which nodes get names.

    def prepare(self, outputs: Sequence[int]) -> None:
        """Counts uses, and finds how long every value is needed."""
        nodes = self.nodes
        users: dict[int, list[int]] = {}
        for i, node in enumerate(nodes):
            for a in node.args:
                users.setdefault(a, []).append(i)
        for o in outputs:
            users.setdefault(o, []).append(len(nodes))
        self.users = users
        where: dict[int, int] = {len(nodes): len(nodes)}
        for i in reversed(range(len(nodes))):
            where[i] = i if self.named(i) else max((where[u] for u in users.get(i, [])), default=i)
        for i in range(len(nodes)):
            self.last[i] = max((where[u] for u in users.get(i, [])), default=i)

    def named(self, i: int) -> bool:
        """Whether a node becomes an assignment."""
        node = self.nodes[i]
        if isinstance(node.form, Input | Read | Number | Item):
            return False
        if self.inside is None and self.table is None and i in self.plan.flow.kept(self.module):
            return True
        if isinstance(node.form, Cache | Scan | Loop) or len(node.types) > 1 or self.is_stack(node):
            return True
        if not isinstance(node.form, Fill) and any(
            u < len(self.nodes) and self.nodes[u].body for u in self.users.get(i, [])
        ):
            return True  # read in every round
        if any(self.is_for_layers(i, u) for u in self.users.get(i, [])):
            return True  # read by every layer, while what they carry changes
        if len(self.users.get(i, [])) > 1:
            return True
        return bool(node.name) and self.users.get(i) != [len(self.nodes)]

    def is_stack(self, node: Node) -> bool:
        """Whether a node is a loop over layers."""
        if not isinstance(node.form, Apply):
            return False
        return isinstance(self.module.child(node.form.child).part, Layers)

    def is_for_layers(self, i: int, user: int) -> bool:
        """Whether a value is what every layer of a stack gets, or every block of a list."""
        if user == len(self.nodes):
            return False
        node = self.nodes[user]
        if self.is_stack(node):
            return i in node.args[len(node.types) :]
        if isinstance(node.form, Apply) and node.form.item is None:
            return isinstance(self.module.child(node.form.child).part, ModuleList)
        return False

    def fresh(self, i: int, base: str) -> str:
        """A variable for a node that overwrites nothing still needed."""
        first = self.nodes[i].types[0]
        name = lettered(base, first)
        number = 2
        free = name
        while (
            self.is_used(free)
            or ((h := self.holder.get(free)) is not None and self.last[h] > i)
            or (first.dtype != "float" and free == self.float_input())
        ):
            free, number = f"{name}_{number}", number + 1
        self.holder[free] = i
        return free

    def is_used(self, name: str) -> bool:
        """Whether a name stands for something in all of the body."""
        frame = self.frame
        if name in frame.calls or name in frame.lengths.values():
            return True
        if name in OF_BODY or name == self.store:
            return True
        if not frame.is_function:
            return frame.group.banked and name == "expert"
        passed = any(name == variable(n) for n in p.setting_names(self.module))
        return passed or any(name == a.name for a in frame.captures)

    def hint(self, i: int) -> str:
        """A name for a node without one: that of the value it goes into."""
        user = next((u for u in self.users.get(i, []) if u < len(self.nodes)), None)
        while user is not None:
            node = self.nodes[user]
            if node.name and not isinstance(node.form, Cache):
                return node.name
            user = next((u for u in self.users.get(user, []) if u < len(self.nodes)), None)
        return "y"

    # Nodes.

    def run(self, outputs: Sequence[int], prepared: bool = False) -> list[Text]:
        """Writes all statements; the expressions of the results."""
        if not prepared:
            self.prepare(outputs)
        whole = self.inside is None and self.table is None
        first_tokens = self.plan.flow.once(self.module) if whole else ()
        begin = 0
        for i, node in enumerate(self.nodes):
            if first_tokens and i == first_tokens[0]:
                begin = len(self.lines)
            if first_tokens and i == first_tokens[-1] + 1:
                self.lines[begin:] = precomputed.block(self, self.lines[begin:])
            if isinstance(node.form, Item) or (prepared and i in self.values):
                continue
            if isinstance(node.form, Scan | Loop):
                repeat.repeated(self, i, node, node.form)
                continue
            if len(node.types) > 1:
                self.several(i, node)
                continue
            text = self.node(i, node)
            if isinstance(node.form, Cache) or self.is_stack(node):
                self.values[i] = text
                continue
            if self.named(i):
                name = self.fresh(i, node.name or self.hint(i))
                if text.text != name:
                    self.lines.append(line("{} = {}", name, text))
                text = Text(name)
            elif len(text.text) > WIDTH and not isinstance(node.form, Number | Read | Input):
                name = self.fresh(i, node.name or self.hint(i))
                self.lines.append(line("{} = {}", name, text))
                text = Text(name)
            self.values[i] = text
        return [self.values[o] for o in outputs]

    def several(self, i: int, node: Node) -> None:
        """A node with several results, bound on one line."""
        places = items_of(tuple(self.nodes), i)
        items = list(places.values())
        if isinstance(node.form, Apply) and self.is_stack(node):
            args = [self.values[a] for a in node.args]
            carried = calls.stack(self, i, node, node.form, args)
            for index, j in places.items():
                self.values[j] = carried[index]
            return
        names = []
        for j in items:
            base = self.nodes[j].name or self.hint(j)
            name = self.fresh(j, base) if self.users.get(j) else "_"
            names.append(name)
            self.values[j] = Text(name)
        if isinstance(node.form, Rearrange):
            operands = [self.values[a] for a in node.args]
            split = split_call(node.form.plan, operands[0], self.look)
            if split is not None:
                self.lines.append(line("{} = {}", listed(names), split))
                return
            self.split(node.form.plan, items, names, operands)
            return
        self.lines.append(line("{} = {}", listed(names), self.node(i, node)))

    def split(self, plan: Plan, items: list[int], names: list[str], operands: list[Text]) -> None:
        """Pieces that are turned after the cut: cut under names without axes, then turned."""
        kept = iter(zip(items, names, strict=True))
        cut = []
        for i in range(len(plan.right)):
            item, name = (0, "_") if i in plan.discarded else next(kept)
            cut.append(name if name == "_" else self.bare(self.nodes[item].name or "part"))
        views = split_views(plan, operands[0], cut, self.look)
        if views is None:
            results = rearrange(plan, operands, self.look)
            self.lines.append(line("{} = {}", listed(names), listed(results)))
            return
        self.lines.append(line("{} = {}", listed(cut), views[0]))
        for name, text in zip(names, views[1], strict=True):
            if name != "_" and name != text.text:
                self.lines.append(line("{} = {}", name, text))

    def bare(self, name: str, others: Container[str] = ()) -> str:
        """A name without axes that stands for nothing else here, and is none of `others`."""
        free, number = variable(name), 2
        while free in self.holder or free in others or self.is_used(free):
            free, number = f"{variable(name)}_{number}", number + 1
        return free

    def node(self, i: int, node: Node) -> Text:
        """One node as an expression."""
        args = [self.values[a] for a in node.args]
        match node.form:
            case Input():
                place = self.module.inputs.index(i)
                name = self.frame.inputs[place]
                self.holder[name] = i
                return Text(name)
            case Read(param):
                return Text(safe(param)) if self.is_constant else Text(self.param(param))
            case Number(value):
                return self.dim(value) if isinstance(value, Dim) else spell_real(value, self.look)
            case Zero():
                return spelt("torch.zeros_like({})", args[0])
            case Fill():
                return repeat.filled(self, node, args[0])
            case Residual():
                return spelt("{} + {}", args[0].at(PLUS), args[1].at(PLUS - 1), level=PLUS)
            case Cache() as form:
                return calls.cached(self, i, node, form, args[0])
            case Apply() as form:
                return calls.apply(self, i, node, form, args)
            case Mixture() as form:
                return calls.mixture(self, node, form, args)
        return self.operation(node, args)

    def operation(self, node: Node, args: list[Text]) -> Text:
        """One operation of the table as an expression."""
        match node.form:
            case Window() as form:
                return repeat.window(self, node, form, args[0])
            case Choose() as form:
                return self.choose(form, args[0])
            case Positions(axis):
                return self.positions(axis)
            case Arange(size):
                return spelt(
                    "torch.arange({}, dtype=torch.float32{})", self.dim(size), self.device()
                )
            case Draw(op, param):
                return spelt(OPS[op].torch, f"self.{safe(param)}", *args)
            case Rearrange(plan):
                return rearrange(plan, args, self.look)[0]
            case Repeat(plan):
                return repeated(plan, args[0], self.look)
            case Einsum(plan):
                return self.einsum(plan, args)
            case Gather() as form:
                if form.along:
                    return spelt("{}.gather(-1, {})", args[0].at(ATOM), args[1])
                if form.lead:
                    before, behind = form.plan.left[0][: form.lead], form.plan.left[0][form.lead :]
                    known = not any(isinstance(item, RestFactor) for item in before)
                    dim = form.lead if known else -len(behind)
                    return calling("rows", "{}, {}, {}", args[0], args[1], str(dim))
                return spelt("{}[{}]", args[0].at(ATOM), args[1])
            case Reduce(op, plan):
                counts = node.type.dtype != self.nodes[node.args[0]].type.dtype
                return self.reduce(op, plan, args[0], counts)
            case Along(op, plan):
                return self.along(op, plan, args[0])
        return self.elementwise(node, args, self.nodes)

    def elementwise(self, node: Node, args: list[Text], nodes: Sequence[Node]) -> Text:
        """An operation on entries, of one of `nodes`."""
        op = OPS[node.op]
        if node.op == "model_dtype":
            if self.table is not None:  # before the model has a dtype
                return spelt("{}.float()", args[0].at(ATOM))
            return spelt("{}.to({}.dtype)", args[0].at(ATOM), self.reference())
        if p.of_numbers(nodes, node):
            # Two numbers have no dtype: the first one gets the model's.
            first = spelt("{}.new_tensor({})", self.reference(), args[1])
            if self.table is not None:
                form = "torch.tensor({}, dtype=torch.float32{})"
                first = spelt(form, args[1], self.device())
            args = [args[0], first, args[2]]
        level = LEVELS[op.level]
        if op.torch_number:
            for one, other in ((0, 1), (1, 0)):
                if isinstance(nodes[node.args[other]].form, Number):
                    return spelt(op.torch_number, args[one].at(ATOM), args[other])
        if level == ATOM:
            inner = [a.at(ATOM) if op.torch.startswith("{0}.") else a for a in args]
            return spelt(op.torch, *inner)
        if level == UNARY:
            return spelt(op.torch, args[0].at(UNARY), level=UNARY)
        if level == POWER:
            return spelt(op.torch, args[0].at(ATOM), args[1].at(UNARY), level=POWER)
        # Not `a * b % c` for `a * (b % c)`; and `a < b == c` would be `a < b and b == c`.
        left = level - 1 if level == COMPARE else level
        return spelt(op.torch, args[0].at(left), args[1].at(level - 1), level=level)

    @property
    def is_constant(self) -> bool:
        """Whether this is written in the method that computes constants."""
        return self.table is not None and self.table is self.module.consts

    def device(self) -> str:
        """The argument that says where a new tensor is; what parameters begin as is made where
        PyTorch is told to make them.
        """
        if self.is_constant:
            return ", device=device"
        return "" if self.table is not None else f", device={self.reference()}.device"

    def reference(self) -> str:
        """Something in the model's dtype and on its device: an input, or a parameter."""
        if (given := self.float_input()) is not None:
            return given
        for param in self.module.params:
            if param.kind == "param" and param.type.dtype == "float" and not param.guard:
                return self.param(param.name)
        if self.plan.needs_like(self.module):
            return "self.like"
        return self.frame.inputs[0]

    def float_input(self) -> str | None:
        """The first input in the model's dtype; `fresh` lets its variable keep that dtype."""
        for name, i in zip(self.frame.inputs, self.module.inputs, strict=True):
            if self.module.nodes[i].type.dtype == "float":
                return name
        return None

    def positions(self, axis: Dim) -> Text:
        """Absolute positions along an axis."""
        device = self.device()
        size = self.dim(axis)
        if counts_tokens(self.module.symbols.dims, axis):
            template = "torch.arange({}, {} + {}{})"
            return spelt(template, START, START, size.at(PLUS), device)
        if counts_seen(self.module.symbols.dims, axis):
            seen = spelt("{} + {}", START, self.length(STREAM))
            if axis.name not in p.free_axes(self.module):
                return spelt("torch.arange({}{})", seen, device)
            # A window keeps the last tokens only, so positions are counted from the end.
            template = "torch.arange({} - {}, {}{})"
            return spelt(template, seen, size.at(PLUS), seen, device)
        return spelt("torch.arange({}{})", size, device)

    def reduce(self, op: str, plan: Plan, arg: Text, counts: bool) -> Text:
        """A reduction: of axes as they stand where that gives the right side, else of factors that
        are split before and put in order after.
        """
        (left,), (right,) = plan.left, plan.right
        ours, theirs = [str(x) for x in left], [str(x) for x in right]
        keep = len(theirs) == len(ours) and all(
            b in (a, "1") for a, b in zip(ours, theirs, strict=True)
        )
        if keep or theirs == [a for a in ours if a in theirs]:
            gone = (
                [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
                if keep
                else [i for i, a in enumerate(ours) if a not in theirs]
            )
            return self.over(op, arg, left, gone, keep)
        flat = tuple(f for f in factors(left) if str(f) != "1")
        kept = {str(f) for f in factors(right)}
        gone = [i for i, f in enumerate(flat) if str(f) not in kept]
        reduced = view(left, flat, arg, self.look)
        if gone:
            reduced = self.over(op, reduced, flat, gone)
        elif counts:  # only axes of length 1 go, and truths are counted
            reduced = spelt("{}.long()", reduced.at(ATOM))
        return view(tuple(f for f in flat if str(f) in kept), right, reduced, self.look)

    def along(self, op: str, plan: Plan, arg: Text) -> Text:
        """An operation along the axes that a pattern names."""
        (left,) = plan.left
        named = [i for i, x in enumerate(left) if not isinstance(x, RestFactor)]
        if len(named) == 1:
            return self.over(op, arg, left, named)
        first, last = (dim_of(left, i) for i in (named[0], named[-1]))
        flat = spelt("{}.flatten({}, {})", arg.at(ATOM), first, last)
        return spelt("{}.view_as({})", spelt(OPS[op].torch, flat, axes=-1, keep=""), arg)

    def over(self, op: str, arg: Text, term: Term, dims: list[int], keep: bool = False) -> Text:
        """An operation over axes of a term by their numbers."""
        axis_numbers = [dim_of(term, i) for i in dims]
        axes = axis_numbers[0] if len(axis_numbers) == 1 else f"({', '.join(axis_numbers)})"
        keepdim = ", keepdim=True" if keep else ""
        return spelt(OPS[op].torch, arg.at(ATOM), axes=axes, keep=keepdim)

    def einsum(self, plan: Plan, args: list[Text]) -> Text:
        """Operands with merged axes are split before, results merged after."""
        letters: dict[str, str] = {"...": "..."}
        pool = list(string.ascii_letters)
        for term in (*plan.left, *plan.right):
            for f in factors(term):
                if f.name not in letters:
                    wish = f.name if len(f.name) == 1 else f.name[0]
                    free = wish if wish in pool else pool[0]
                    letters[f.name] = free
                    pool.remove(free)
        ones = [[f.name for f in factors(term)] for term in plan.left]
        sides, operands = [], []
        for term, arg in zip(plan.left, args, strict=True):
            flat = factors(term)
            split = (
                view(term, flat, arg, self.look) if any(isinstance(i, Merge) for i in term) else arg
            )
            operands.append(split)
            sides.append("".join(letters[f.name] for f in flat))
        out = plan.right[0]
        flat = factors(out)
        if [f.name for f in flat].count("1") > any("1" in side for side in ones):
            flat = tuple(f for f in flat if f.name != "1")  # the view below makes them
        spec = f"{', '.join(sides)} -> {''.join(letters[f.name] for f in flat)}".replace(" ", "")
        text = spelt('torch.einsum("{}", {})', spec, listed(operands))
        return text if flat == out else view(flat, out, text, self.look)

    def param(self, name: str) -> str:
        """A parameter of this block; of one expert where the block holds all of a bank."""
        kinds = {q.name: q.kind for q in self.module.params}
        own = self.banked and kinds[name] != "const"
        return f"self.{safe(name)}[expert]" if own else f"self.{safe(name)}"

    def choose(self, form: Choose, arg: Text) -> Text:
        """Values and indices of the largest, or whether each entry is among them."""
        count = self.dim(form.count)
        if form.op == "top_mask":  # all are where there are fewer entries
            return calling("top_mask", "{}, {}", arg, count)
        return spelt("{}.topk({}, -1)", arg.at(ATOM), count)
