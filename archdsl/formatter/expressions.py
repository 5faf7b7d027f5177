"""Expressions, patterns and types as text: flat where they fit, else broken by rules.

`flat` gives one line. `broken` takes the column where the text begins, the indentation of the
statement, and how many columns must stay free behind it; its further lines carry their indentation.

    lists       more parts behind the bracket, each line full; one part a line if parts have lists
    pipes       a line for as many stages as fit, indented
    operators   before the loosest one, indented
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from archdsl import syntax as s
from archdsl.formatter.comments import Comments
from archdsl.record import record

WIDTH = 120
STEP = 2
_LEVELS = (("+", "-"), ("*", "/", "//", "%"))


def flat(e: s.Expr | s.Change) -> str:
    """An expression on one line, every token as it was written."""
    match e:
        case s.Number(text=text):
            return text
        case s.String(span=span):
            return span.text
        case s.Date(value):
            return value
        case s.Name(name):
            return name
        case s.Key(name):
            return f".{name.name}"
        case s.Group(items):
            return f"({', '.join(map(flat, items))})"
        case s.ListExpr(items):
            return f"[{', '.join(map(argument, items))}]"
        case s.Call(fn, args) | s.Change(fn, args):
            return f"{flat(fn)}{_opening(e)}{', '.join(map(argument, args))})"
        case s.AxesCall(fn, pattern):
            return f"{flat(fn)}[{axes(pattern)}]"
        case s.Index(value, at):
            return f"{flat(value)}[{flat(at)}]"
        case s.Slice(value, first, last):
            edges = ("" if edge is None else flat(edge) for edge in (first, last))
            return f"{flat(value)}[{':'.join(edges)}]"
        case s.Match(value, cases):
            return f"match {flat(value)} {{ {'  '.join(map(case_text, cases))} }}"
        case s.Field(value, name):
            return f"{flat(value)}.{name.name}"
        case s.Pipe(stages):
            return " |> ".join(map(flat, stages))
        case s.Choice(yes, test, no):
            return f"{flat(yes)} if {flat(test)} else {flat(no)}"
        case s.Binary(op, left, right):
            return f"{flat(left)} {op} {flat(right)}"
        case s.Unary(op, value):
            return f"{op}{' ' if op == 'not' else ''}{flat(value)}"
        case s.Scan():
            head = f"scan {e.axis.name} with {states(e.states)} over ({names(e.over)})"
            return f"{head} {_inline(e.body)}"
        case s.Loop():
            return f"loop {flat(e.count)} with {states(e.states)} {_inline(e.body)}"


def _inline(body: tuple[s.Statement, ...]) -> str:
    return "{ " + " ".join(x.span.text for x in body) + " }"


def _opening(e: s.Call | s.Change) -> str:
    """What stands between a name and its arguments."""
    return "(" if isinstance(e, s.Call) else " with ("


def argument(a: s.Arg) -> str:
    """An argument on one line."""
    if a.each:
        return f"each {flat(a.value)}"
    if a.name is None:
        return flat(a.value) + "".join(map(_clause, a.clauses))
    return f"{a.name.name}: {flat(a.value)}"


def case_head(c: s.Case) -> str:
    """The labels of a case of a `match`, and the colon."""
    return f"{', '.join(map(flat, c.labels)) or 'else'}: "


def case_text(c: s.Case) -> str:
    """A case of a `match` on one line."""
    return case_head(c) + flat(c.value)


def _clause(c: s.For) -> str:
    tests = "".join(f" if {flat(test)}" for test in c.tests)
    return f" for {names(c.names)} in {flat(c.source)}{tests}"


def names(listed: Sequence[s.Name]) -> str:
    """Names with commas between."""
    return ", ".join(n.name for n in listed)


def states(declared: Sequence[s.State]) -> str:
    """The states of a scan or a loop."""
    return ", ".join(f"{x.name.name}: {type_text(x.type)} = {flat(x.initial)}" for x in declared)


def axes(pattern: s.Pattern) -> str:
    """What stands between the brackets of a pattern."""
    left = ", ".join(map(_term, pattern.left))
    if pattern.right is None:
        return left
    return f"{left} -> {', '.join(map(_term, pattern.right))}"


def _term(term: s.Term) -> str:
    return " ".join(map(_axis, term.items))


def _axis(item: s.AxisItem) -> str:
    match item:
        case s.AxisName(text):
            return text
        case s.Merged(items):
            return f"({' '.join(map(_axis, items))})"
        case s.Joined(parts):
            return f"({' + '.join(' '.join(map(_axis, part)) for part in parts)})"


def type_text(t: s.TypeExpr) -> str:
    """A tensor type."""
    inner = ", ".join("..." if isinstance(a, s.Dots) else flat(a) for a in t.axes)
    return f"{t.dtype.name if t.dtype else ''}[{inner}]"


def results(types: Sequence[s.TypeExpr], brackets: bool) -> str:
    """The types behind an arrow."""
    listed = ", ".join(map(type_text, types))
    return f"({listed})" if brackets else listed


def kind(k: s.Kind) -> str:
    """The kind of a setting."""
    match k:
        case s.SimpleKind(name):
            return name
        case s.KindOf(name, args):
            return f"{name}({', '.join(map(kind, args))})"
        case s.SignatureKind(inputs, outputs):
            bracketed = len(outputs) > 1 or k.span.text.endswith(")")
            return f"{', '.join(map(type_text, inputs))} -> {results(outputs, bracketed)}"


_HANGING = 40
"""How much more room below a bracket than behind it makes arguments go there, where one is long."""

# --- more than a line -----------------------------------------------------------------------------


@record
class Place:
    """Where a text begins, the indentation of its statement, how much follows on its last line."""

    column: int
    indent: int
    tail: int = 0

    def at(self, column: int, tail: int | None = None) -> Place:
        """The same statement, another column."""
        return Place(column, self.indent, self.tail if tail is None else tail)

    def fits(self, text: str) -> bool:
        """Whether a line has room for a text."""
        return self.column + len(text) + self.tail <= WIDTH


Body = Callable[[Sequence[s.Statement | s.Case | s.WeightLine], int], str]
"""Prints the statements of a body or the cases of a `match`, braces included, at an indentation."""


def laid(e: s.Expr | s.Change, place: Place, notes: Comments, body: Body) -> str:
    """An expression, flat where it fits."""
    if isinstance(e, s.Scan | s.Loop):
        over = f" over ({names(e.over)})" if isinstance(e, s.Scan) else ""
        head = f"scan {e.axis.name}" if isinstance(e, s.Scan) else f"loop {flat(e.count)}"
        return f"{head} with {states(e.states)}{over} {body(e.body, place.indent)}"
    if not _bodies(e) and not notes.within(e.span):
        text = flat(e)
        if place.fits(text):
            return text
    if isinstance(e, s.Match):
        return f"match {flat(e.value)} {body(e.cases, place.indent)}"
    return _broken(e, place, notes, body)


def _bodies(e: s.Expr | s.Change) -> bool:
    """Whether a scan or a loop stands in an expression."""
    if "{" not in e.span.text:
        return False
    match e:
        case s.Scan() | s.Loop():
            return True
        case s.Pipe(items) | s.Group(items):
            return any(map(_bodies, items))
        case s.Call(fn, args) | s.Change(fn, args):
            return _bodies(fn) or any(_bodies(a.value) for a in args)
        case s.ListExpr(args):
            return any(_bodies(a.value) for a in args)
        case s.Binary(_, left, right):
            return _bodies(left) or _bodies(right)
        case s.Choice(yes, test, no):
            return any(map(_bodies, (yes, test, no)))
        case s.Match(value, cases):
            return _bodies(value) or any(_bodies(c.value) for c in cases)
        case s.Index(value, at):
            return _bodies(value) or _bodies(at)
        case s.Unary(value=inner) | s.Field(value=inner) | s.AxesCall(fn=inner) | s.Slice(inner):
            return _bodies(inner)
    return False


def _broken(e: s.Expr | s.Change, place: Place, notes: Comments, body: Body) -> str:
    def inner(x: s.Expr, at: Place) -> str:
        return laid(x, at, notes, body)

    def arg(a: s.Arg, at: Place) -> str:
        if a.plain:
            return inner(a.value, at)
        if a.clauses:
            return _looped(a, at, inner)
        lead = "each " if a.name is None else f"{a.name.name}: "
        return lead + inner(a.value, at.at(at.column + len(lead)))

    match e:
        case s.Call(fn, args) | s.Change(fn, args) if args:
            head = inner(fn, place.at(place.column, len(_opening(e)))) + _opening(e)
            start = place.at(_column(head, place.column), place.tail + 1)
            nested = [a for a in args if a.name is None]
            apart = len(args) > 1 and any(isinstance(a.value, s.Call) for a in nested)
            if start.column + max(len(flat(a.value)) for a in args) + start.tail > WIDTH:
                column = place.indent + STEP
                if column + _HANGING < start.column:  # no room behind the bracket
                    pad = "\n" + " " * column
                    return f"{head}{pad}{parts(args, arg, start.at(column), notes)})"
            return head + parts(args, arg, start, notes, apart) + ")"
        case s.ListExpr(items) if items:
            start = place.at(place.column + 1, place.tail + 1)
            return "[" + parts(items, arg, start, notes) + "]"
        case s.Group(items):
            start = place.at(place.column + 1, place.tail + 1)
            return "(" + parts(items, inner, start, notes) + ")"
        case s.Pipe(stages):
            return chain([("" if i == 0 else "|> ", x) for i, x in enumerate(stages)], place, inner)
        case s.Choice(yes, test, no):
            return chain([("", yes), ("if ", test), ("else ", no)], place, inner, apart=True)
        case s.Binary("*", left, s.Call() | s.Group() as layer):
            lead = f"{flat(left)} * "
            return lead + inner(layer, place.at(place.column + len(lead)))
        case s.Binary(op):
            return chain(_operands(e, op), place, inner)
        case s.Unary(op, value):
            lead = op + (" " if op == "not" else "")
            return lead + inner(value, place.at(place.column + len(lead)))
        case s.Field(value, name):
            return inner(value, place) + f".{name.name}"
        case s.Index(value, at):
            return inner(value, place) + f"[{flat(at)}]"
        case s.AxesCall(fn, pattern):
            return inner(fn, place) + f"[{axes(pattern)}]"
    return flat(e)


def _looped(a: s.Arg, at: Place, inner: Callable[[s.Expr, Place], str]) -> str:
    """`value for x in xs`, all that does not fit behind the value on lines of its own."""
    behind = "".join(map(_clause, a.clauses))
    text = inner(a.value, at.at(at.column, at.tail + len(behind)))
    if _column(text, at.column) + len(behind) + at.tail <= WIDTH:
        return text + behind
    text = inner(a.value, at.at(at.column, 0))
    for clause in a.clauses:
        tail = "".join(f" if {flat(test)}" for test in clause.tests)
        head = f"for {names(clause.names)} in "
        column = at.column + STEP
        room = Place(column + len(head), column, at.tail + len(tail))
        text += f"\n{' ' * column}{head}{inner(clause.source, room)}{tail}"
    return text


def _operands(e: s.Binary, op: str) -> list[tuple[str, s.Expr]]:
    """The operands of a row of operators that bind equally, each with its operator."""
    if op in ("^", "??"):
        return [("", e.left), (f"{op} ", e.right)]
    level = next((ops for ops in _LEVELS if op in ops), (op,))
    operands: list[tuple[str, s.Expr]] = []
    here: s.Expr = e
    while isinstance(here, s.Binary) and here.op in level:
        operands.append((here.op + " ", here.right))
        here = here.left
    return [("", here), *reversed(operands)]


def chain(
    links: list[tuple[str, s.Expr]],
    place: Place,
    inner: Callable[[s.Expr, Place], str],
    apart: bool = False,
) -> str:
    """Parts with words between; a line begins with the word of its first part."""
    out, column = "", place.column
    indent = place.indent + STEP
    for number, (word, part) in enumerate(links):
        last = number == len(links) - 1
        tail = place.tail if last else 0
        text = word + flat(part)
        if number == 0:
            piece = inner(part, place.at(column, 0))
        elif not apart and column + 1 + len(text) + tail <= WIDTH:
            out, column = out + " ", column + 1
            piece = word + inner(part, place.at(column + len(word), tail))
        else:
            out, column = out + "\n" + " " * indent, indent
            piece = word + inner(part, place.at(column + len(word), tail))
        out += piece
        column = _column(piece, column)
    return out


def parts(
    items: Sequence[Any],
    show: Callable[[Any, Place], str],
    place: Place,
    notes: Comments,
    apart: bool = False,
    closed: bool = True,
) -> str:
    """A list behind its bracket, aligned there: full lines, or a line for each part if `apart`.

    A remark ends its line; behind the last part it leaves a new line for the closing bracket, if
    the list is `closed` by one.
    """
    lines, ended = [""], False
    place = Place(place.column, place.column, place.tail)
    for number, item in enumerate(items):
        last = number == len(items) - 1
        tail = place.tail if last else 1
        for remark in notes.before(item.span.start):
            lines += [remark] if lines[-1] else []
            lines[-1], ended = remark, True
        new = ended or (apart and number > 0) or "\n" in lines[-1] or notes.within(item.span)
        if not new and lines[-1]:
            column = place.column + len(lines[-1]) + 1
            piece = show(item, place.at(column, tail))
            new = "\n" in piece or column + len(piece) + tail > WIDTH
            lines[-1] += "" if new else f" {piece}"
        if new or not lines[-1]:
            lines += [""] if lines[-1] else []
            lines[-1] = show(item, place.at(place.column, tail))
        lines[-1] += "" if last else ","
        behind = notes.behind(item.span.end) if closed or not last else ""
        lines[-1] += f"  {behind}" if behind else ""
        ended = bool(behind)
    return ("\n" + " " * place.column).join([*lines, ""] if ended else lines)


def _column(text: str, start: int) -> int:
    """The column behind a text that begins at a column."""
    line = text.rfind("\n")
    return start + len(text) if line < 0 else len(text) - line - 1
