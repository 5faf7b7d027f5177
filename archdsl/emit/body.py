"""The body of a block as statements of `forward`.

Nodes that have a name in the spec, or are used twice, become assignments; the others are written
into the expression that uses them. A name carries the letters of its axes: `q_BHTK`.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, field

from archdsl.axes import Merge, Plan, RestFactor, factors
from archdsl.dims import Dim
from archdsl.emit import calls, once, repeat
from archdsl.emit import plan as p
from archdsl.emit.context import input_names
from archdsl.emit.names import safe, suffix
from archdsl.emit.rearrange import rearrange, repeated, split_call, split_views, view
from archdsl.emit.spell import (
    AND,
    ATOM,
    COMPARE,
    OR,
    PLUS,
    POWER,
    TIMES,
    UNARY,
    Text,
    spell_dim,
    spell_real,
)
from archdsl.graph import Body, Module, Node
from archdsl.ops import OPS

WIDTH = 78
"""Expressions longer than this are bound to a name of their own."""

_LEVELS = {
    "add": PLUS, "subtract": PLUS, "multiply": TIMES, "divide": TIMES, "remainder": TIMES,
    "power": POWER, "negative": UNARY, "not": UNARY, "and": AND, "or": OR,
    "equal": COMPARE, "different": COMPARE, "less": COMPARE, "less_equal": COMPARE,
    "greater": COMPARE, "greater_equal": COMPARE,
}  # fmt: skip


def entries(d: Dim) -> bool:
    """Whether an axis counts entries for several tokens each: `S // 4`."""
    return "//" in str(d)


@dataclass(slots=True)
class Writer:
    """The statements of one body under construction.

    `settings` and `axes` collect what the text refers to, for `__init__` and for the lines that
    read lengths from shapes. `inside` is the body of a scan or a loop where that is written, and
    `turns` the variables that count the rounds of the loops around it.
    """

    plan: p.Plan
    module: Module
    store: str = "cache"
    table: bool = False
    banked: bool = False
    inside: Body | None = None
    turns: tuple[str, ...] = ()
    settings: set[str] = field(default_factory=set)
    axes: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    uses_start: bool = False
    uses_config: bool = False
    values: dict[int, Text] = field(default_factory=dict)
    parts: dict[int, list[Text]] = field(default_factory=dict)
    users: dict[int, list[int]] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)
    holder: dict[str, int] = field(default_factory=dict)

    @property
    def unit(self) -> p.Unit:
        return self.plan.unit(self.module, self.banked)

    @property
    def nodes(self) -> Sequence[Node]:
        if self.inside is not None:
            return self.inside.nodes
        return self.module.consts if self.table else self.module.nodes

    # Symbols.

    def look(self, name: str) -> str:
        """The Python expression for a setting or an axis of this block."""
        if name in p.setting_names(self.module):
            self.settings.add(name)
            return safe(name) if self.unit.is_function else f"self.{safe(name)}"
        if name not in p.free_axes(self.module) and name == "S" and not self.module.streams:
            return self.look("T")
        if name not in p.free_axes(self.module) and name == "S":
            self.uses_start = True
            self.axes.add("T")
            return "(start + T)"
        self.axes.add(name)
        return safe(name)

    def behind(self) -> tuple[str, str]:
        """Where a block finds what it keeps, and how many tokens came before."""
        if not self.module.streams:
            return "None", "0"
        self.uses_start = True
        return self.store, "start"

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
        if node.op in ("input", "param", "scalar", "item"):
            return False
        if self.inside is None and not self.table and i in self.plan.flow.kept(self.module):
            return True
        if node.op in ("cache", "scan", "loop") or len(node.types) > 1 or self.is_stack(node):
            return True
        if node.op != "fill" and any(
            u < len(self.nodes) and self.nodes[u].body for u in self.users.get(i, [])
        ):
            return True  # read in every round
        if len(self.users.get(i, [])) > 1:
            return True
        return bool(node.name) and self.users.get(i) != [len(self.nodes)]

    def is_stack(self, node: Node) -> bool:
        """Whether a node is a loop over layers."""
        return node.op == "apply" and bool(self.module.child(node.child).segments)

    def fresh(self, i: int, base: str) -> str:
        """A variable for a node that overwrites nothing still needed."""
        name = f"{safe(base)}{suffix(self.nodes[i].types[0])}"
        number = 2
        found = name
        while (h := self.holder.get(found)) is not None and self.last[h] > i:
            found, number = f"{name}_{number}", number + 1
        self.holder[found] = i
        return found

    def hint(self, i: int) -> str:
        """A name for a node without one: that of the value it goes into."""
        user = next((u for u in self.users.get(i, []) if u < len(self.nodes)), None)
        while user is not None:
            node = self.nodes[user]
            if node.name and node.op not in ("cache",):
                return node.name
            user = next((u for u in self.users.get(user, []) if u < len(self.nodes)), None)
        return "y"

    # Nodes.

    def run(self, outputs: Sequence[int], prepared: bool = False) -> list[Text]:
        """Writes all statements; the expressions of the results."""
        if not prepared:
            self.prepare(outputs)
        whole = self.inside is None and not self.table
        first_tokens = self.plan.flow.once(self.module) if whole else ()
        begin = 0
        for i, node in enumerate(self.nodes):
            if first_tokens and i == first_tokens[0]:
                begin = len(self.lines)
            if first_tokens and i == first_tokens[-1] + 1:
                self.lines[begin:] = once.block(self, self.lines[begin:])
            if node.op == "item" or (prepared and i in self.values):
                continue
            if node.body is not None:
                repeat.repeated(self, i, node, node.body)
                continue
            if len(node.types) > 1:
                self.several(i, node)
                continue
            text = self.node(i, node)
            if node.op == "cache" or self.is_stack(node):
                self.values[i] = text
                continue
            if self.named(i):
                name = self.fresh(i, node.name or self.hint(i))
                if text.text != name:
                    self.lines.append(f"{name} = {text.text}")
                text = Text(name)
            elif len(text.text) > WIDTH and node.op not in ("scalar", "param", "input"):
                name = self.fresh(i, node.name or self.hint(i))
                self.lines.append(f"{name} = {text.text}")
                text = Text(name)
            self.values[i] = text
        return [self.values[o] for o in outputs]

    def several(self, i: int, node: Node) -> None:
        """A node with several results, bound on one line."""
        items = [j for j, n in enumerate(self.nodes) if n.op == "item" and n.args == (i,)]
        if self.is_stack(node):
            args = [self.values[a] for a in node.args]
            found = calls.stack(self, i, node, self.module.child(node.child), args)
            for j in items:
                self.values[j] = found[self.nodes[j].index]
            return
        names = []
        for j in items:
            name = self.fresh(j, self.nodes[j].name) if self.users.get(j) else "_"
            names.append(name)
            self.values[j] = Text(name)
        if node.op == "rearrange":
            assert node.plan is not None
            operands = [self.values[a] for a in node.args]
            split = split_call(node.plan, operands[0], self.look)
            if split is not None:
                self.lines.append(f"{', '.join(names)} = {split}")
                return
            self.split(node.plan, items, names, operands)
            return
        self.lines.append(f"{', '.join(names)} = {self.node(i, node).text}")

    def split(self, plan: Plan, items: list[int], names: list[str], operands: list[Text]) -> None:
        """Pieces that are turned after the cut: cut under names without axes, then turned."""
        kept = iter(zip(items, names, strict=True))
        cut = []
        for i in range(len(plan.right)):
            item, name = (0, "_") if i in plan.discarded else next(kept)
            cut.append(name if name == "_" else self.bare(self.nodes[item].name or "part"))
        found = split_views(plan, operands[0], cut, self.look)
        if found is None:
            results = rearrange(plan, operands, self.look)
            self.lines.append(f"{', '.join(names)} = {', '.join(r.text for r in results)}")
            return
        self.lines.append(f"{', '.join(cut)} = {found[0]}")
        for name, text in zip(names, found[1], strict=True):
            if name != "_" and name != text.text:
                self.lines.append(f"{name} = {text.text}")

    def bare(self, name: str) -> str:
        """A name without axes that stands for nothing else here."""
        found, number = safe(name), 2
        taken = {*self.holder, *map(safe, p.setting_names(self.module)), *map(safe, self.axes)}
        taken |= {safe(a) for a in p.free_axes(self.module)}
        while found in taken:
            found, number = f"{safe(name)}_{number}", number + 1
        return found

    def node(self, i: int, node: Node) -> Text:
        """One node as an expression."""
        args = [self.values[a] for a in node.args]
        match node.op:
            case "input":
                place = self.module.inputs.index(i)
                name = input_names(self.module, self.unit.is_function)[place]
                self.holder[name] = i
                return Text(name)
            case "param":
                return Text(safe(node.param) if self.table else self.param(node.param))
            case "scalar":
                assert node.scalar is not None
                if isinstance(node.scalar, Dim):
                    return self.dim(node.scalar)
                return spell_real(node.scalar, self.look)
            case "zero":
                return Text(f"torch.zeros_like({args[0].text})")
            case "fill" | "window":
                return repeat.single(self, node, args[0])
            case "residual":
                return Text(f"{args[0].at(PLUS)} + {args[1].at(PLUS)}", PLUS)
            case "cache":
                return calls.cached(self, i, node, args[0])
            case "apply":
                return calls.apply(self, i, node, args)
            case "mixture":
                return calls.mixture(self, node, args)
            case "top_k":
                return self.top_k(node, args[0])
            case "top_mask":
                return self.top_mask(node, args[0])
            case "positions" | "arange":
                return self.made(node)
            case "rearrange":
                assert node.plan is not None
                return rearrange(node.plan, args, self.look)[0]
            case "repeat":
                assert node.plan is not None
                return repeated(node.plan, args[0], self.look)
            case "einsum":
                return self.einsum(node, args)
            case "gather":
                assert node.plan is not None
                if node.plan.right[0] == node.plan.left[1]:
                    return Text(f"{args[0].at(ATOM)}.gather(-1, {args[1].text})")
                return Text(f"{args[0].at(ATOM)}[{args[1].text}]")
            case "softmax" | "sum" | "mean" | "max":
                return self.reduce(node, args[0])
        return self.elementwise(node, args)

    def elementwise(self, node: Node, args: list[Text]) -> Text:
        op = OPS[node.op]
        if node.op == "model_dtype":
            return Text(f"{args[0].at(ATOM)}.to({self.reference()}.dtype)")
        level = _LEVELS.get(node.op, ATOM)
        if node.op in ("maximum", "minimum"):
            for one, other in ((0, 1), (1, 0)):
                if self.nodes[node.args[other]].op == "scalar":
                    bound = "min" if node.op == "maximum" else "max"
                    return Text(f"{args[one].at(ATOM)}.clamp({bound}={args[other].text})")
        if level == ATOM:
            inner = [a.at(ATOM) if op.torch.startswith("{0}.") else a.text for a in args]
            return Text(op.torch.format(*inner))
        if level == UNARY:
            return Text(op.torch.format(args[0].at(UNARY)), UNARY)
        if level == POWER:
            return Text(op.torch.format(args[0].at(ATOM), args[1].at(UNARY)), POWER)
        right = level if node.op in ("add", "multiply") else level - 1
        return Text(op.torch.format(args[0].at(level), args[1].at(right)), level)

    def reference(self) -> str:
        """Something in the model's dtype and on its device: an input, or a parameter."""
        names = input_names(self.module, self.unit.is_function)
        for name, i in zip(names, self.module.inputs, strict=True):
            if self.module.nodes[i].type.dtype == "float":
                return name
        for param in self.module.params:
            if param.kind == "param" and param.type.dtype == "float" and not param.guard:
                return self.param(param.name)
        return names[0]

    def made(self, node: Node) -> Text:
        device = "device" if self.table else f"{self.reference()}.device"
        axis = node.type.axes[0]
        assert isinstance(axis, Dim)
        size = self.dim(axis)
        if node.op == "arange":
            return Text(f"torch.arange({size.text}, dtype=torch.float32, device={device})")
        if p.streamed(self.module, node):
            self.uses_start = True
            return Text(f"torch.arange(start, start + {size.at(PLUS)}, device={device})")
        if self.is_seen(axis) and axis.name not in p.free_axes(self.module):
            self.uses_start = True
            self.axes.add("T")
            return Text(f"torch.arange(start + T, device={self.reference()}.device)")
        if self.is_seen(axis):
            # A window keeps the last tokens only, so positions are counted from the end.
            self.uses_start = True
            self.axes.add("T")
            if axis.name not in p.free_axes(self.module):
                return Text(f"torch.arange({size.text}, device={device})")
            first = f"start + T - {size.at(PLUS)}"
            return Text(f"torch.arange({first}, start + T, device={device})")
        return Text(f"torch.arange({size.text}, device={device})")

    def is_seen(self, axis: Dim) -> bool:
        """Whether an axis is all that was seen of the streamed one."""
        behind = [self.module.symbols.get(n, Dim.symbol(n)) for n in axis.symbols()]
        return not entries(axis) and any("$S" in d.symbols() and not entries(d) for d in behind)

    def reduce(self, node: Node, arg: Text) -> Text:
        assert node.plan is not None
        left = node.plan.left[0]
        if node.plan.right:
            kept = {str(x) for x in node.plan.right[0]}
            gone = [i for i, x in enumerate(left) if str(x) not in kept]
            keep = len(node.plan.right[0]) == len(left)
        else:
            gone = [i for i, x in enumerate(left) if not isinstance(x, RestFactor)]
            keep = False
        dims = [str(i - len(left)) if "..." in map(str, left[:i]) else str(i) for i in gone]
        axes = dims[0] if len(dims) == 1 else f"({', '.join(dims)})"
        if node.op == "softmax" and len(dims) > 1:
            lead = f"{dims[0]}, {dims[-1]}"
            return Text(f"{arg.at(ATOM)}.flatten({lead}).softmax(-1).view_as({arg.text})")
        template = OPS[node.op].torch
        filled = template.format(arg.at(ATOM), axes=axes, keep=", keepdim=True" if keep else "")
        return Text(filled)

    def einsum(self, node: Node, args: list[Text]) -> Text:
        """Operands with merged axes are split before, results merged after."""
        assert node.plan is not None
        letters: dict[str, str] = {"...": "..."}
        pool = list(string.ascii_letters)
        for term in (*node.plan.left, *node.plan.right):
            for f in factors(term):
                if f.name not in letters:
                    wish = f.name if len(f.name) == 1 else f.name[0]
                    free = wish if wish in pool else pool[0]
                    letters[f.name] = free
                    pool.remove(free)
        sides, operands = [], []
        for term, arg in zip(node.plan.left, args, strict=True):
            flat = factors(term)
            split = (
                view(term, flat, arg, self.look) if any(isinstance(i, Merge) for i in term) else arg
            )
            operands.append(split.text)
            sides.append("".join(letters[f.name] for f in flat))
        out = node.plan.right[0]
        flat = factors(out)
        spec = f"{', '.join(sides)} -> {''.join(letters[f.name] for f in flat)}".replace(" ", "")
        text = Text(f'torch.einsum("{spec}", {", ".join(operands)})')
        return view(flat, out, text, self.look) if any(isinstance(i, Merge) for i in out) else text

    def param(self, name: str) -> str:
        """A parameter of this block; of one expert where the block holds all of a bank."""
        kinds = {q.name: q.kind for q in self.module.params}
        own = self.banked and kinds[name] != "const"
        return f"self.{safe(name)}[expert]" if own else f"self.{safe(name)}"

    def top_k(self, node: Node, arg: Text) -> Text:
        """Values and indices of the largest."""
        assert isinstance(node.scalar, Dim)
        return Text(f"{arg.at(ATOM)}.topk({self.dim(node.scalar).text}, -1)")

    def top_mask(self, node: Node, arg: Text) -> Text:
        """Whether each entry is among the largest; if there are fewer entries, all are."""
        assert isinstance(node.scalar, Dim)
        return Text(f"top_mask({arg.text}, {self.dim(node.scalar).text})")
