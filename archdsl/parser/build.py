"""The tree of the grammar's rules to the nodes of `syntax.py`.

That tree has rule names and tokens; this is the only place that knows them.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from typing import Any

from archdsl import syntax as s
from archdsl.diagnostic import Diagnostics
from archdsl.parser.lalr import Token, Tree
from archdsl.source import Source, Span

_UNITS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20}
_NUMBER = re.compile(r"(\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?)(Ki|Mi|[KMBT])?")
_COMMENTS = re.compile(r'"(?:\\.|[^"\\\n])*"|#[^\n]*')
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}

Node = Any  # a Tree or a Token; which of them, the grammar knows


def comments_of(source: Source) -> tuple[s.Comment, ...]:
    """The comments of a text, in order."""
    return tuple(
        s.Comment(m.group(), Span(source, m.start(), m.end()))
        for m in _COMMENTS.finditer(source.text)
        if m.group().startswith("#")
    )


def build_file(
    source: Source, tree: Tree, offset: int, diagnostics: Diagnostics
) -> list[s.Declaration]:
    """The declarations of a tree whose text begins `offset` characters into the source."""
    builder = _Builder(source, offset, diagnostics)
    return [builder.declaration(item) for item in tree.children]


class _Builder:
    """One method a group of rules; `source` and `offset` turn positions into spans."""

    def __init__(self, source: Source, offset: int, diagnostics: Diagnostics) -> None:
        self.source, self.offset, self.diagnostics = source, offset, diagnostics
        self.expressions: dict[str, Callable[[Tree, Span], s.Expr]] = {
            "number": lambda t, at: self.number(t.children[0], at),
            "string": lambda t, _: self.string(t.children[0]),
            "date": lambda t, at: self.date(str(t.children[0]), at),
            "name": lambda t, at: s.Name(str(t.children[0]), at),
            "group": lambda t, at: s.Group(self.exprs(t.children), at),
            "list": lambda t, at: s.ListExpr(self.args(t.children), at),
            "apply": lambda t, at: s.Call(self.expr(t.children[0]), self.args(t.children[1:]), at),
            "axes": lambda t, at: s.AxesCall(
                self.expr(t.children[0]), self.pattern(t.children[1]), at
            ),
            "index": lambda t, at: s.Index(self.expr(t.children[0]), self.expr(t.children[1]), at),
            "slice": self.slice,
            "slice_from": self.slice,
            "slice_to": self.slice,
            "match": self.match,
            "field": lambda t, at: s.Field(self.expr(t.children[0]), self.name(t.children[1]), at),
            "key": lambda t, at: s.Key(self.name(t.children[0]), at),
            "pipe": self.pipe,
            "choice": self.choice,
            "default": lambda t, at: s.Binary(
                "??", self.expr(t.children[0]), self.expr(t.children[1]), at
            ),
            "binary": lambda t, at: s.Binary(
                str(t.children[1]), self.expr(t.children[0]), self.expr(t.children[2]), at
            ),
            "not_": lambda t, at: s.Unary("not", self.expr(t.children[0]), at),
            "negative": lambda t, at: s.Unary("-", self.expr(t.children[0]), at),
            "scan": self.scan,
            "loop": self.loop,
        }

    # Spans and leaves.

    def span(self, node: Node) -> Span:
        return Span(self.source, node.start_pos + self.offset, node.end_pos + self.offset)

    def name(self, token: Node) -> s.Name:
        return s.Name(str(token), self.span(token))

    def names(self, tokens: Sequence[Node]) -> tuple[s.Name, ...]:
        return tuple(self.name(t) for t in tokens if t is not None)

    def number(self, token: Node, at: Span) -> s.Number:
        text = str(token)
        match = _NUMBER.fullmatch(text)
        assert match is not None
        digits, unit = match.group(1).replace("_", ""), _UNITS.get(match.group(2) or "", 1)
        if len(digits) > 40:
            self.diagnostics.add("too-large", "a number with more than 40 digits", at)
            digits = "1"
        if re.fullmatch(r"\d+", digits):
            return s.Number(int(digits) * unit, text, at)
        value = float(digits)
        if value in (float("inf"), float("-inf")):
            self.diagnostics.add("too-large", f"{text} is too large", at)
            value = 1.0
        whole = value * unit
        return s.Number(round(whole) if unit > 1 else value, text, at)

    def string(self, token: Node) -> s.String:
        text = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(1)), str(token)[1:-1])
        return s.String(text, self.span(token))

    def date(self, text: str, at: Span) -> s.Date:
        try:
            datetime.date.fromisoformat(text)
        except ValueError:
            self.diagnostics.add("bad-value", f"{text} is not a date of the calendar", at)
        return s.Date(text, at)

    # Expressions.

    def expr(self, node: Node) -> s.Expr:
        return self.expressions[node.data](node, self.span(node))

    def exprs(self, nodes: Sequence[Node]) -> tuple[s.Expr, ...]:
        return tuple(self.expr(n) for n in nodes if n is not None)

    def choice(self, tree: Tree, at: Span) -> s.Expr:
        """`yes if test else no`."""
        yes, test, no = self.exprs(tree.children)
        return s.Choice(yes, test, no, at)

    def slice(self, tree: Tree, at: Span) -> s.Expr:
        """`xs[a:b]`, `xs[a:]` and `xs[:b]`."""
        value, *edges = self.exprs(tree.children)
        match tree.data:
            case "slice_from":
                return s.Slice(value, edges[0], None, at)
            case "slice_to":
                return s.Slice(value, None, edges[0], at)
        return s.Slice(value, edges[0], edges[1], at)

    def match(self, tree: Tree, at: Span) -> s.Expr:
        value, *cases = tree.children
        return s.Match(self.expr(value), tuple(self.case(c) for c in cases), at)

    def case(self, tree: Node) -> s.Case:
        *labels, value = tree.children
        return s.Case(self.exprs(labels), self.expr(value), self.span(tree))

    def pipe(self, tree: Tree, at: Span) -> s.Expr:
        stages: list[Node] = []
        node: Node = tree
        while isinstance(node, Tree) and node.data == "pipe":
            stages.append(node.children[1])
            node = node.children[0]
        return s.Pipe(tuple(self.expr(n) for n in (node, *reversed(stages))), at)

    def args(self, nodes: Sequence[Node]) -> tuple[s.Arg, ...]:
        return tuple(self.arg(n) for n in nodes if n is not None)

    def arg(self, tree: Node) -> s.Arg:
        at, c = self.span(tree), tree.children
        match tree.data:
            case "named":
                return s.Arg(self.expr(c[1]), at, name=self.name(c[0]))
            case "comprehension":
                return s.Arg(self.expr(c[0]), at, clauses=tuple(self.clause(x) for x in c[1:]))
            case "each":
                return s.Arg(self.expr(c[0]), at, each=True)
        return s.Arg(self.expr(c[0]), at)

    def clause(self, tree: Node) -> s.For:
        """`for a, b in source if test`."""
        names = [c for c in tree.children if isinstance(c, Token) and c.type == "NAME"]
        source, *tests = (c for c in tree.children if isinstance(c, Tree))
        conditions = tuple(self.expr(t.children[0]) for t in tests)
        return s.For(self.names(names), self.expr(source), conditions, self.span(tree))

    def states(self, tree: Node) -> tuple[s.State, ...]:
        return tuple(
            s.State(self.name(c.children[0]), self.type(c.children[1]), self.expr(c.children[2]))
            for c in tree.children
        )

    def scan(self, tree: Tree, at: Span) -> s.Expr:
        axis, states, over, *body = tree.children
        assert isinstance(over, Tree)
        return s.Scan(
            self.name(axis), self.states(states), self.names(over.children), self.body(body), at
        )

    def loop(self, tree: Tree, at: Span) -> s.Expr:
        count, states, *body = tree.children
        return s.Loop(self.expr(count), self.states(states), self.body(body), at)

    # Axes patterns, types, kinds.

    def pattern(self, tree: Node) -> s.Pattern:
        left, *right = (c for c in tree.children if c is not None)
        return s.Pattern(self.side(left), self.side(right[0]) if right else None, self.span(tree))

    def side(self, tree: Node) -> tuple[s.Term, ...]:
        return tuple(
            s.Term(tuple(self.axis_item(a) for a in t.children), self.span(t))
            for t in tree.children
        )

    def axis_item(self, node: Node) -> s.AxisItem:
        at = self.span(node)
        match node.data:
            case "merged":
                return s.Merged(tuple(self.axis_item(a) for a in node.children), at)
            case "joined":
                parts = tuple(
                    tuple(self.axis_item(a) for a in part.children) for part in node.children
                )
                return s.Joined(parts, at)
        return s.AxisName(str(node.children[0]), at)

    def type(self, tree: Node) -> s.TypeExpr:
        dtype = None
        axes: list[s.Expr | s.Dots] = []
        for child in tree.children:
            if isinstance(child, Token):
                dtype = self.name(child)
            elif child is not None:
                dots = child.data == "dots"
                axes.append(s.Dots(self.span(child)) if dots else self.expr(child))
        return s.TypeExpr(dtype, tuple(axes), self.span(tree))

    def types(self, tree: Node) -> tuple[s.TypeExpr, ...]:
        return tuple(self.type(c) for c in tree.children)

    def kind(self, node: Node) -> s.Kind:
        at = self.span(node)
        match node.data:
            case "simple_kind":
                return s.SimpleKind(str(node.children[0]), at)
            case "kind_of":
                name, *args = node.children
                return s.KindOf(str(name), tuple(self.kind(a) for a in args), at)
        *inputs, outputs = node.children
        return s.SignatureKind(tuple(self.type(t) for t in inputs), self.types(outputs), at)

    # Statements.

    def body(self, nodes: Sequence[Node]) -> tuple[s.Statement, ...]:
        return tuple(self.statement(n) for n in nodes if n is not None)

    def statement(self, tree: Node) -> s.Statement:
        at, c = self.span(tree), tree.children
        match tree.data:
            case "param":
                keyword, name, type_, initial, *rest = c
                guard = next((self.expr(g.children[0]) for g in rest if g is not None), None)
                return s.ParamStatement(
                    str(keyword), self.name(name), self.type(type_), self.expr(initial), guard, at
                )
            case "cache":
                extent = c[-1] if isinstance(c[-1], Tree) else None
                names = self.names([t for t in c if isinstance(t, Token)])
                if extent is None:
                    return s.CacheStatement(names, None, None, at)
                limit, size = extent.children
                return s.CacheStatement(names, str(limit), self.expr(size), at)
            case "give":
                return s.GiveStatement(self.names(c), at)
            case "result":
                return s.Result(str(c[0]), self.exprs(c[1:]), at)
            case "residual":
                return s.Residual(self.name(c[0]), self.expr(c[1]), at)
        own, names_tree, value = c if len(c) == 3 else (None, *c)
        names = self.names(names_tree.children)
        return s.Bind(None if own is None else str(own), names, self.expr(value), at)

    # Declarations.

    def declaration(self, tree: Node) -> s.Declaration:
        at, c = self.span(tree), tree.children
        match tree.data:
            case "use":
                path = self.span(c[0])
                written = re.sub(r"#[^\n]*|\s", "", path.text)
                return s.Use(written, self.names(c[1:]), path, at)
            case "named_type":
                name, *parameters, written = (node for node in c if node is not None)
                return s.TypeDecl(
                    self.name(name), self.names(parameters), self.type(written), self.doc(at), at
                )
            case "block":
                return self.block(tree, at)
            case "tiny":
                return s.TinyDecl(self.name(c[0]), tuple(self.entry(e) for e in c[1:]), at)
            case "variant":
                return self.variant(tree, at)
            case "card":
                return s.CardDecl(self.name(c[0]), tuple(self.directive(d) for d in c[1:]), at)
            case "keys":
                lines = tuple(self.shared(t) for t in c[1:] if isinstance(t, Tree))
                return s.KeysDecl(self.name(c[0]), lines, at)
        return self.hub(tree, at)

    def doc(self, at: Span) -> str:
        """The `##` lines right above a declaration."""
        number, lines = at.line - 1, []
        while number >= 1 and self.source.line(number).startswith("##"):
            lines.append(self.source.line(number)[2:].strip())
            number -= 1
        return "\n".join(reversed(lines))

    def variant(self, tree: Tree, at: Span) -> s.VariantDecl:
        name, value, *facts = (node for node in tree.children if node is not None)
        return s.VariantDecl(
            self.name(name),
            self.instantiated(value),
            tuple(map(self.fact, facts)),
            self.doc(at),
            at,
        )

    def instantiated(self, tree: Node) -> s.Expr | s.Change:
        if tree.data != "change":
            return self.expr(tree)
        base, *args = tree.children
        return s.Change(self.name(base), self.args(args), self.span(tree))

    def block(self, tree: Tree, at: Span) -> s.BlockDecl:
        keyword, name, config, inputs, outputs, *rest = tree.children
        parts: dict[str, Any] = {}
        body: list[Node] = []
        for node in rest:
            if isinstance(node, Tree) and node.data in ("as_", "given", "where", "lowers"):
                parts[node.data] = node.children
            elif node is not None:
                body.append(node)
        role = parts.get("as_")
        lowers = parts.get("lowers")
        when = lowers[1] if lowers and len(lowers) > 1 else None
        assert isinstance(config, Tree) and isinstance(inputs, Tree)
        return s.BlockDecl(
            str(keyword),
            self.name(name),
            tuple(self.setting(x) for x in config.children if x is not None),
            tuple(self.input(x) for x in inputs.children if x is not None),
            self.types(outputs),
            self.role(role) if role else None,
            tuple(self.input(x) for x in parts.get("given", ())),
            self.exprs(parts.get("where", ())),
            s.Lowers(self.name(lowers[0]), None if when is None else self.expr(when))
            if lowers
            else None,
            self.body(body),
            self.doc(at),
            at,
        )

    def role(self, children: Sequence[Node]) -> s.Role:
        title = children[1] if len(children) > 1 else None
        others = tuple((self.string(c.children[0]), self.expr(c.children[1])) for c in children[2:])
        return s.Role(self.name(children[0]), None if title is None else self.string(title), others)

    def setting(self, tree: Node) -> s.SettingDecl:
        name, kind, default = [*tree.children, None, None][:3]
        if kind is not None and default is None and not _is_kind(kind):
            kind, default = None, kind
        return s.SettingDecl(
            self.name(name),
            None if kind is None else self.kind(kind),
            None if default is None else self.expr(default),
            self.span(tree),
        )

    def input(self, tree: Node) -> s.InputDecl:
        *flags, name, type_ = (c for c in tree.children if c is not None)
        return s.InputDecl(self.name(name), self.type(type_), bool(flags), self.span(tree))

    def entry(self, tree: Node) -> s.Entry:
        return s.Entry(self.name(tree.children[0]), self.expr(tree.children[1]), self.span(tree))

    def fact(self, tree: Node) -> s.Entry | s.Expect:
        if tree.data == "entry":
            return self.entry(tree)
        name, value, *ratio = tree.children
        tolerance = float(str(ratio[0])[:-1]) / 100 if ratio and ratio[0] is not None else None
        return s.Expect(self.name(name), self.expr(value), tolerance, self.span(tree))

    def directive(self, tree: Node) -> s.Directive:
        name, *rest = tree.children
        rest = [r for r in rest if r is not None]
        if tree.data == "directive_value":
            return s.Directive(self.name(name), None, self.expr(rest[0]), self.span(tree))
        kinds = ("argument", "named", "comprehension", "each")
        args = [r for r in rest if r.data in kinds]
        values = [r for r in rest if r.data not in kinds]
        value = self.expr(values[0]) if values else None
        return s.Directive(self.name(name), self.args(args), value, self.span(tree))

    def hub(self, tree: Tree, at: Span) -> s.HubDecl:
        name, *rest = tree.children
        trees = [t for t in rest if isinstance(t, Tree)]
        config, weights = (
            next((t for t in trees if t.data == part), None)
            for part in ("config_lines", "weights_lines")
        )
        return s.HubDecl(
            self.name(name),
            tuple(self.string(t) for t in rest if isinstance(t, Token)),
            tuple(self.string(x) for t in trees if t.data == "classes" for x in t.children),
            tuple(self.include(t) for t in trees if t.data == "whole_use"),
            tuple(self.rule(t) for t in _trees_of(config)),
            tuple(self.weight(t) for t in _trees_of(weights)),
            self.place(config),
            self.place(weights),
            at,
        )

    def place(self, tree: Tree | None) -> Span | None:
        return None if tree is None else self.span(tree)

    def include(self, tree: Tree) -> s.Include:
        return s.Include(tuple(map(self.name, tree.children)), self.span(tree))

    def shared(self, tree: Tree) -> s.ConfigLine | s.SharedWeights:
        if tree.data != "shared":
            return self.rule(tree)
        lines = tuple(self.weight(t) for t in tree.children if isinstance(t, Tree))
        return s.SharedWeights(lines, self.span(tree))

    def rule(self, tree: Tree) -> s.ConfigLine:
        at, c = self.span(tree), tree.children
        match tree.data:
            case "mapping":
                return s.Mapping(self.name(c[0]), self.expr(c[1]), at)
            case "local":
                return s.Local(self.name(c[0]), self.expr(c[1]), at)
            case "include":
                return self.include(tree)
            case "defaults":
                return s.Defaults(tuple(self.preset(p) for p in c), at)
            case "expected":
                return s.Expected(tuple(self.preset(p) for p in c), at)
            case "require":
                return s.Require(self.expr(c[0]), at)
        return s.Ignore(self.exprs(c), at)

    def preset(self, tree: Node) -> s.Preset:
        path, value = tree.children
        return s.Preset(tuple(map(str, path.children)), self.expr(value), self.span(tree))

    def weight(self, tree: Tree) -> s.WeightLine:
        at, c = self.span(tree), tree.children
        if tree.data == "skip":
            return s.Skip(self.string(c[0]), at)
        if tree.data == "weight_use":
            return self.include(tree)
        trees = [t for t in c if isinstance(t, Tree)]
        targets = tuple(self.target(t) for t in trees if t.data == "target")
        sources = tuple(self.tensors(t) for t in trees if t.data == "source")
        if tree.data == "weight_group":
            inner = tuple(self.weight(t) for t in trees if t.data not in ("target", "source"))
            return s.WeightGroup(next(iter(targets), None), sources, inner, at)
        pattern = next((self.pattern(t) for t in trees if t.data == "pattern"), None)
        whens = (t.children[0] for t in trees if t.data == "when_")
        when = next((self.target(t) for t in whens if isinstance(t, Tree)), None)
        return s.WeightMap(targets, sources, pattern, when, at)

    def tensors(self, tree: Tree) -> s.Tensors:
        return s.Tensors(tuple(self.string(c) for c in tree.children), self.span(tree))

    def target(self, tree: Tree) -> s.Target:
        name, *steps = tree.children
        path: list[s.Name | s.Expr] = []
        for step in steps:
            assert isinstance(step, Tree)
            child = step.children[0]
            path.append(self.part(child) if step.data == "step_name" else self.expr(child))
        return s.Target(self.part(name), tuple(path), self.span(tree))

    def part(self, token: Node) -> s.Name:
        """A name of a target, perhaps with alternatives in braces; blanks mean nothing there."""
        return s.Name("".join(str(token).split()), self.span(token))


def _trees_of(tree: Tree | None) -> list[Tree]:
    return [] if tree is None else [t for t in tree.children if isinstance(t, Tree)]


def _is_kind(node: Node) -> bool:
    return node.data in ("simple_kind", "kind_of", "signature")
