"""`fmt`: the text of a spec in its canonical form.

Only blanks, line breaks and commas before a closing bracket change: `formatted` makes sure of it. A
body is indented by two columns, lines have 120 columns where possible, the `=` of parts that stand
one below the other are aligned, and an empty line stays where it was.

| file | what it holds |
|---|---|
| `__init__.py` | declarations and statements |
| `headers.py` | heads of blocks and declarations |
| `expressions.py` | expressions, lists, patterns, types |
| `comments.py` | where comments go |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

from archdsl import syntax as s
from archdsl.diagnostic import Diagnostics, SpecError
from archdsl.formatter.comments import Comments
from archdsl.formatter.expressions import (
    STEP,
    WIDTH,
    Place,
    argument,
    axes,
    case_head,
    chain,
    flat,
    laid,
    names,
    parts,
    type_text,
)
from archdsl.formatter.headers import clauses, header
from archdsl.parser import parse
from archdsl.source import Source

_TOKENS = re.compile(r'#[^\n]*|"(?:\\.|[^"\\\n])*"|[0-9]+(?![\d_.eKMBT-])|\w+|\S')
"""As the grammar has them: `2k` in a pattern is the number 2 and the name k."""

_PASSES = 6
"""A remark inside an expression moves out in one pass, its place closes up in the next."""


def formatted(source: Source) -> str:
    """The canonical form of a text. Raises SpecError where it does not parse."""
    text = source.text
    for _ in range(_PASSES):
        shaped = _once(Source(source.name, text, source.path))
        if shaped == text:
            break
        text = shaped
    assert _meaning(text) == _meaning(source.text), "the formatter lost a token"
    return text


def _once(source: Source) -> str:
    diagnostics = Diagnostics()
    file = parse(source, diagnostics)
    if diagnostics.items:
        raise SpecError(diagnostics.items)
    return _Printer(source, file).file()


def _meaning(text: str) -> list[str]:
    """The tokens of a text, comments last: they may move by a token, nothing else may."""
    tokens = _TOKENS.findall(text)
    code = [t for t in tokens if not t.startswith("#")]
    kept = [t for t, n in zip_longest(code, code[1:]) if t != "," or n not in (")", "]")]
    return kept + [t.rstrip() for t in tokens if t.startswith("#")]


class _Printer:
    """Lines are collected in `out`; comments come from `notes` in the order of the text."""

    def __init__(self, source: Source, file: s.File) -> None:
        self.items = file.items
        self.notes = Comments(source, file.comments)
        self.length = len(source.text)
        self.out: list[str] = []
        self.fresh = False

    def file(self) -> str:
        before: s.Declaration | None = None
        for item in self.items:
            lead = self.notes.leading(item.span.start)
            apart = before is not None and not (
                isinstance(item, s.Use) and isinstance(before, s.Use)
            )
            if apart and "" not in lead:
                lead.insert(0, "")
            self.out += lead if self.out else lead[next((i for i, x in enumerate(lead) if x), 0) :]
            self.declaration(item)
            self.finish(item, 0)
            before = item
        self.out += self.notes.leading(self.length)
        text = "\n".join(line.rstrip() for line in self.out).strip("\n")
        return f"{text}\n" if text else ""

    def finish(self, item: Any, indent: int) -> None:
        """Behind something printed: its remark, and comments inside that found no other place."""
        late = self.notes.before(item.span.end)
        if late:
            self.out[-1:-1] = [" " * indent + remark for remark in late]
        self.notes.end = item.span.end
        remark = self.notes.behind(item.span.end)
        if remark:
            self.out[-1] += f"  {remark}"

    def put(self, text: str) -> None:
        self.out += text.split("\n")

    def expr(self, e: s.Expr | s.Change, column: int, indent: int, tail: int = 0) -> str:
        return laid(e, Place(column, indent, tail), self.notes, self.nested)

    # Declarations.

    def declaration(self, item: s.Declaration) -> None:
        match item:
            case s.Use(path, imported):
                head = f"use {path}: "
                self.put(head + self.row(imported, lambda n, _: n.name, len(head)))
            case s.TypeDecl(name, parameters, written):
                head = f"type {name.name}[{', '.join(p.name for p in parameters)}] = "
                self.put(head + type_text(written))
            case s.BlockDecl():
                self.block(item)
            case s.TinyDecl():
                self.tiny(item)
            case s.VariantDecl(name, value, facts):
                head = f"variant {name.name} = "
                braces = value.span.end < item.span.end
                self.put(head + self.expr(value, len(head), 0, 2 if braces else 0))
                if braces:
                    self.braces(value.span.end, item.span.end - 1, facts, self.plain(self.fact), 0)
            case s.CardDecl(variant, directives):
                self.put(f"card {variant.name}")
                show = self.plain(self.directive)
                self.braces(variant.span.end, item.span.end - 1, directives, show, 0)
            case s.KeysDecl(name, lines):
                self.put(f"keys {name.name}")
                self.braces(name.span.end, item.span.end - 1, lines, self.rules, 0)
            case s.HubDecl():
                self.hub(item)

    def row(
        self, items: Sequence[Any], show: Callable[[Any, Place], str], column: int, tail: int = 0
    ) -> str:
        """A list that nothing closes."""
        return parts(items, show, Place(column, 0, tail), self.notes, closed=False)

    def block(self, b: s.BlockDecl) -> None:
        end = b.outputs[-1].span.end
        self.put(header(b, self.notes, self.nested))
        for clause in clauses(b):
            self.put(clause)
            end = self.notes.find("{", end)
        self.braces(end, b.span.end - 1, b.body, self.statements, 0)

    def tiny(self, tiny: s.TinyDecl) -> None:
        """As few lines as it takes: the sizes of a small model are read at a glance."""
        head = f"tiny {tiny.model.name}"
        entries = [f"{e.name.name}: {flat(e.value)}" for e in tiny.entries]
        inner = "  ".join(entries)
        if not entries or self.notes.within(tiny.span):
            self.put(head)
            self.braces(
                tiny.model.span.end, tiny.span.end - 1, tiny.entries, self.plain(self.fact), 0
            )
        elif len(head) + len(inner) + 5 <= WIDTH:
            self.put(f"{head} {{ {inner} }}")
        else:
            self.put(f"{head} {{\n{_rows(entries)}\n}}")

    def hub(self, hub: s.HubDecl) -> None:
        head = f"hub {hub.model.name} "
        types = self.row(hub.types, lambda t, _: t.span.text, len(head), 2)
        classes = ", ".join(c.span.text for c in hub.classes)
        self.put(f"{head}{types} {f'for {classes} ' if classes else ''}{{")
        self.fresh_after(self.notes.find("{", (*hub.types, *hub.classes)[-1].span.end) + 1)
        self.rows(hub.uses, self.weights, STEP)
        for word, at, items, show in (
            ("config", hub.config_at, hub.config, self.rules),
            ("weights", hub.weights_at, hub.weights, self.weights),
        ):
            if at is not None:
                self.above(at.start, STEP)
                self.put(" " * STEP + word)
                self.braces(at.start, at.end - 1, items, show, STEP)
        self.close(hub.span.end - 1, 0)

    # Bodies.

    def braces(
        self,
        start: int,
        end: int,
        items: Sequence[Any],
        show: Callable[[Sequence[Any], int], list[str]],
        indent: int,
    ) -> None:
        """` {`, the items, `}`, behind what is printed; the braces stand at `start` and `end`."""
        start = self.notes.find("{", start)
        if not items and not self.notes.text[start + 1 : end].strip():
            self.out[-1] += " {}"
            return
        self.out[-1] += " {"
        self.fresh_after(start + 1)
        self.rows(items, show, indent + STEP)
        self.close(end, indent)

    def fresh_after(self, position: int) -> None:
        """Behind a `{`: its remark stays with it, an empty line below it falls away."""
        self.notes.end = position
        remark = self.notes.behind(position)
        self.out[-1] += f"  {remark}" if remark else ""
        self.fresh = True

    def rows(
        self, items: Sequence[Any], show: Callable[[Sequence[Any], int], list[str]], indent: int
    ) -> None:
        """Items below one another. `show` makes the lines of neighbours together, to align them."""
        for run in self.runs(items):
            lines = None
            for number, item in enumerate(run):
                self.above(item.span.start, indent)
                lines = lines or show(run, indent)
                self.put(" " * indent + lines[number])
                self.finish(item, indent)

    def runs(self, items: Sequence[Any]) -> list[list[Any]]:
        """Items without a comment or an empty line between them."""
        groups: list[list[Any]] = []
        for item in items:
            before = groups[-1][-1].span.end if groups else 0
            gap = self.notes.text[before : item.span.start]
            if groups and "#" not in gap and gap.count("\n") < 2:
                groups[-1].append(item)
            else:
                groups.append([item])
        return groups

    def above(self, position: int, indent: int) -> None:
        """The comments and the empty line above something."""
        lead = self.notes.leading(position)
        if self.fresh:
            lead = lead[next((i for i, x in enumerate(lead) if x), len(lead)) :]
        self.fresh = False
        self.out += [" " * indent + remark if remark else "" for remark in lead]

    def close(self, position: int, indent: int) -> None:
        lead = self.notes.leading(position)
        while lead and not lead[-1]:
            lead.pop()
        self.out += [" " * (indent + STEP) + remark if remark else "" for remark in lead]
        self.out.append(" " * indent + "}")
        self.notes.end = position + 1

    def nested(self, body: Sequence[s.Statement | s.Case | s.WeightLine], indent: int) -> str:
        """The body of a scan or a loop, the cases of a `match` or a group of weights, braces
        included.
        """
        outer, self.out = self.out, ["{"]
        self.fresh = True
        show: Callable[[Sequence[Any], int], list[str]] = self.statements
        if body and isinstance(body[0], s.Case):
            show = self.plain(self.case)
        elif body and isinstance(body[0], s.WeightLine):
            show = self.weights
        self.rows(body, show, indent + STEP)
        self.out.append(" " * indent + "}")
        lines, self.out = "\n".join(self.out), outer
        return lines

    # Lines of bodies.

    @staticmethod
    def plain(show: Callable[[Any, int], str]) -> Callable[[Sequence[Any], int], list[str]]:
        """Each line by itself."""
        return lambda run, indent: [show(item, indent) for item in run]

    def statements(self, run: Sequence[s.Statement], indent: int) -> list[str]:
        """Statements; the `=` of parts that stand below one another are aligned."""
        widths = [0] * len(run)
        first = 0
        while first < len(run):
            last = first
            while last < len(run) and _is_part(run[last]):
                last += 1
            wide = max((len(_left(x)) for x in run[first:last]), default=0)
            widths[first:last] = [wide] * (last - first)
            first = last + 1
        return [self.statement(x, w, indent) for x, w in zip(run, widths, strict=True)]

    def statement(self, x: s.Statement, width: int, indent: int) -> str:
        match x:
            case s.Bind(value=value):
                lead = f"{_left(x):{width}} = "
            case s.Residual(name, value):
                lead = f"{name.name} += "
            case s.ParamStatement(keyword, name, type, value, guard):
                when = f" when {flat(guard)}" if guard is not None else ""
                lead = f"{keyword} {name.name}: {type_text(type)} = "
                if (
                    indent + len(lead + flat(value) + when)
                    > WIDTH
                    >= indent + STEP + len(flat(value) + when)
                ):
                    return f"{lead.rstrip()}\n{' ' * (indent + STEP)}{flat(value)}{when}"
                return lead + self.expr(value, indent + len(lead), indent, len(when)) + when
            case s.CacheStatement(bound, limit, extent):
                size = f" {limit} {flat(extent)}" if extent is not None else ""
                return f"cache {names(bound)}{size}"
            case s.GiveStatement(bound):
                return f"give {names(bound)}"
            case s.Result(keyword, values):
                lead = f"{keyword} "
                if len(values) > 1:
                    show = lambda e, place: laid(e, place, self.notes, self.nested)  # noqa: E731
                    return lead + self.row(values, show, indent + len(lead))
                value = values[0]
        return lead + self.expr(value, indent + len(lead), indent)

    def case(self, x: s.Case, indent: int) -> str:
        lead = case_head(x)
        return lead + self.expr(x.value, indent + len(lead), indent)

    def fact(self, x: s.Entry | s.Expect, indent: int) -> str:
        word = "expect " if isinstance(x, s.Expect) else ""
        lead = f"{word}{x.name.name}: "
        ratio = ""
        if isinstance(x, s.Expect) and x.tolerance is not None:
            ratio = f" ~ {x.span.text.split()[-1].rpartition('~')[2]}"
        return lead + self.expr(x.value, indent + len(lead), indent, len(ratio)) + ratio

    def directive(self, x: s.Directive, indent: int) -> str:
        head = x.name.name
        if x.args is not None:
            head += f"({', '.join(map(argument, x.args))})"
        if x.value is None:
            return head
        return f"{head}: " + self.expr(x.value, indent + len(head) + 2, indent)

    def rules(self, run: Sequence[Any], indent: int) -> list[str]:
        """Lines of `hub ... config`, their arrows aligned."""
        wide = max((len(x.name.name) for x in run if isinstance(x, s.Mapping)), default=0)
        lines = []
        for x in run:
            match x:
                case s.Mapping(name, value):
                    lead = f"{name.name:{wide}} <- "
                    lines.append(lead + self.expr(value, indent + len(lead), indent))
                case s.Local(name, value):
                    lead = f"{name.name} = "
                    lines.append(lead + self.expr(value, indent + len(lead), indent))
                case s.Include(used):
                    lines.append("use " + self.row(used, lambda n, _: n.name, indent + 4))
                case s.SharedWeights(weights):
                    lines.append(f"weights {self.nested(weights, indent)}")
                case s.Defaults(presets):
                    lines.append("default " + self.row(presets, _preset, indent + 8))
                case s.Expected(presets):
                    lines.append("expect " + self.row(presets, _preset, indent + 7))
                case s.Require(value):
                    lines.append("require " + self.expr(value, indent + 8, indent))
                case s.Ignore(keys):
                    lines.append("ignore " + self.row(keys, lambda k, _: flat(k), indent + 7))
        return lines

    def weights(self, run: Sequence[s.WeightLine], indent: int) -> list[str]:
        """Lines of `hub ... weights`, the arrows of those with one target aligned."""
        single = [x for x in run if isinstance(x, s.WeightMap) and len(x.targets) == 1]
        wide = max((len(_target(x.targets[0])) for x in single), default=0)
        return [self.weight(x, wide, indent) for x in run]

    def weight(self, x: s.WeightLine, wide: int, indent: int) -> str:
        if isinstance(x, s.Skip):
            return f"skip {x.source.span.text}"
        if isinstance(x, s.Include):
            return "use " + self.row(x.names, lambda n, _: n.name, indent + 4)
        if isinstance(x, s.WeightGroup):
            lead = "<- " if x.target is None else f"{_target(x.target)} <- "
            sources = ", ".join(map(_source, x.sources))
            return f"{lead}{sources} {self.nested(x.lines, indent)}"
        pattern = f" [{axes(x.pattern)}]" if x.pattern is not None else ""
        when = f" when {_target(x.when)}" if x.when is not None else ""
        sources = ", ".join(map(_source, x.sources)) + pattern + when
        targets = ", ".join(_target(t) for t in x.targets)
        lead = f"{targets:{wide if len(x.targets) == 1 else 0}} <- "
        if indent + len(lead) + len(sources) <= WIDTH and not self.notes.within(x.span):
            return lead + sources
        column = indent + STEP + 3
        tail = pattern + when
        left = self.row(x.targets, lambda t, _: _target(t), indent)
        right = self.row(x.sources, _broken_source, column, len(tail))
        last = right.rpartition("\n")[2]
        if len(last) + (0 if "\n" in right else column) + len(tail) > WIDTH:
            tail = f"\n{' ' * column}{_filled(tail.lstrip(), column)}"
        return f"{left}\n{' ' * (indent + STEP)}<- {right}{tail}"


def _filled(pattern: str, column: int) -> str:
    """A pattern in lines that are as full as they can be, broken between tensors."""
    lines = [""]
    for piece in re.split(r"(?<=,) | (?=->)| (?=when )", pattern):
        if lines[-1] and column + len(lines[-1]) + 1 + len(piece) > WIDTH:
            lines.append("")
        lines[-1] += f" {piece}" if lines[-1] else piece
    return f"\n{' ' * column}".join(lines)


def _preset(x: s.Preset, _: Place) -> str:
    return f".{'.'.join(x.path)}: {flat(x.value)}"


def _is_part(x: s.Statement) -> bool:
    """Whether a binding names a part of the model: a block with its settings, by its looks."""
    match x:
        case s.Bind(own=None, names=(_,), value=value):
            while isinstance(value, s.Choice):
                value = value.yes
            match value:
                case s.Name():
                    return True
                case s.Call(s.Name(name)):
                    return name[:1].isupper() or name in ("stack", "bank", "mixture")
    return False


def _left(x: s.Statement) -> str:
    assert isinstance(x, s.Bind)
    return f"{x.own} {names(x.names)}" if x.own else names(x.names)


def _source(x: s.Tensors) -> str:
    return " + ".join(flat(part) for part in x.parts)


def _broken_source(x: s.Tensors, place: Place) -> str:
    """A source whose parts begin new lines where it is long."""
    links: list[tuple[str, s.Expr]] = [("+ " if i else "", part) for i, part in enumerate(x.parts)]
    return chain(links, place, lambda part, _: flat(part))


def _target(t: s.Target) -> str:
    """`layers[i].mix.w`: the text before a step tells an index from a name."""
    path, end = t.name.name, t.name.span.end
    for step in t.steps:
        between = re.sub(r"#[^\n]*", "", step.span.source.text[end : step.span.start])
        path += f"[{flat(step)}]" if "[" in between else f".{flat(step)}"
        end = step.span.end
    return path


def _rows(texts: list[str]) -> str:
    """Texts with two blanks between, in as few lines as it takes."""
    lines = [" " * STEP + texts[0]]
    for text in texts[1:]:
        if len(lines[-1]) + 2 + len(text) > WIDTH:
            lines.append(" " * STEP + text)
        else:
            lines[-1] += f"  {text}"
    return "\n".join(lines)
