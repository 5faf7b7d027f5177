"""The world of one body: its names, what is assumed of them, and the numbers behind them.

A generic check has symbols only. A concrete one also knows, for each symbol, an expression in the
model's settings (`$d`) and streamed axes (`$T`), and the numbers of these. Comparison asks the
symbols first and the numbers when the symbols cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from typing import Any

from archdsl import syntax as s
from archdsl.check.values import (
    Block,
    Chain,
    Error,
    Float,
    Int,
    Recipe,
    Record,
    Tensor,
    Truth,
    Value,
    Word,
    with_numbers,
)
from archdsl.diagnostic import Diagnostics, Label
from archdsl.dims import (
    DIFFERENT,
    EQUAL,
    NOTHING,
    UNKNOWN,
    Assumptions,
    Dim,
    Verdict,
    compare,
    substitute,
)
from archdsl.graph import Binding, Check, Child, Module, Param
from archdsl.nodes import Cache, Node, Scan, Window
from archdsl.reals import Real, evaluate, replace, whole
from archdsl.source import Span
from archdsl.symbols import unmarked
from archdsl.types import Axis, Rest, TensorType


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a concrete check knows: symbols in terms of the model's, and the numbers of these. Those
    of a published configuration go by plain names. `known` are dimensions that are numbers: they
    stay, since a symbol that has a number keeps it.
    """

    symbols: dict[str, Dim]
    reals: dict[str, Real]
    rests: dict[str, tuple[Axis, ...]]
    model: Mapping[Any, float]
    known: dict[Dim, Dim] = field(default_factory=dict)

    def of(self, d: Dim) -> Dim:
        """A dimension as a number, or as a polynomial of streamed axes; raises
        ZeroDivisionError.
        """
        number = self.known.get(d)
        if number is None:
            rooted = substitute(d, self.symbols)
            number = substitute(rooted, lambda name: whole(self.model.get(name)))
            if number.value is not None:
                self.known[d] = number
        return number

    def real(self, r: Real) -> float | None:
        """A real expression as a number; raises ArithmeticError or ValueError."""
        return evaluate(replace(r, self.symbols, self.reals), self.model)


Instantiate = Callable[
    [Recipe | Chain, tuple[TensorType, ...], tuple[str, ...], Mapping[str, TensorType]],
    Module | None,
]
"""Makes the module of an application from its inputs' types, the way there and the context around
it, the elaborator's part of a concrete check; None after a report.
"""


Importable = Callable[[str], tuple[str, str]]
"""The nearest name that the library has, and the `use` that imports it; empty where none is near.
"""


def nowhere(_: str) -> tuple[str, str]:
    """A library without blocks."""
    return "", ""


@dataclass(slots=True)
class Scope:
    """Names and facts of a body under construction, and the nodes made so far.

    `bound` maps a name to where it was bound and whether it was used; `frames` is the way here.
    `initials` are the nodes of what parameters begin as, `beginning` is the one being read.
    `given` is what the body gives, `around` what comes from outside, in the model's symbols,
    `context` the inputs made for that. Within a scan or a loop, `outer` is the body around it and
    `borrowed` pairs of an input in here and a node out there. `any_axes`: a slot is tried with axes
    that stand for any. `absent`: parameters whose condition is false, with its place. `guards`:
    whether a parameter with a condition is there, which its name says in a condition. `shared`:
    what this body shares. `unrolled` are the model's settings that say how long a `for i in n` is.
    `keys` is a published configuration, `read` which of its keys were looked at. `places` are the
    names under which the block keeps something for later tokens. `applied` are the numbers of the
    blocks of each list that are applied, `counting` the names of the `for` around an
    expression. `importable` gives the `use` that
    a name of the library needs. `guessing`: what is evaluated is a guess at what was meant.
    """

    diagnostics: Diagnostics
    names: dict[str, Value]
    globals: Mapping[str, Value]
    block: Block | None = None
    facts: Assumptions = NOTHING
    numbers: Numbers | None = None
    nodes: list[Node] = field(default_factory=list)
    params: list[Param] = field(default_factory=list)
    consts: list[Node] = field(default_factory=list)
    initials: list[Node] = field(default_factory=list)
    beginning: Param | None = None
    children: dict[str, Child] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    bound: dict[str, Span] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    rests: dict[str, tuple[Axis, ...]] = field(default_factory=dict)
    frames: tuple[str, ...] = ()
    keys: Record | None = None
    read: set[tuple[str, ...]] = field(default_factory=set)
    instantiate: Instantiate | None = None
    given: dict[str, Tensor] = field(default_factory=dict)
    around: Mapping[str, TensorType] = field(default_factory=dict)
    context: dict[str, int] = field(default_factory=dict)
    outer: Scope | None = None
    any_axes: bool = False
    borrowed: list[tuple[int, int]] = field(default_factory=list)
    in_const: bool = False
    absent: dict[str, Span] = field(default_factory=dict)
    guards: dict[str, Truth] = field(default_factory=dict)
    shared: dict[str, Binding] = field(default_factory=dict)
    unrolled: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    applied: dict[str, set[int]] = field(default_factory=dict)
    counting: frozenset[str] = frozenset()
    importable: Importable = nowhere
    guessing: bool = False

    def look(self, name: str) -> Value | None:
        """What a name means here, own names before those of the file; marks it used."""
        self.used.add(name)
        value = self.names.get(name)
        return self.globals.get(name) if value is None else value

    def has_axis(self, name: str) -> bool:
        """Whether an axis has this name here; marks it used. Blocks of the file are no axes."""
        self.used.add(name)
        return name in self.names

    def fail(
        self,
        code: str,
        message: str,
        span: Span | None,
        note: str = "",
        labels: tuple[Label, ...] = (),
        help: str = "",
    ) -> Error:
        """Reports an error and returns the error value."""
        self.diagnostics.add(code, message, span, note, labels, help, self.frames)
        return Error()

    def add(self, node: Node) -> Tensor:
        """Appends a node with one result."""
        store = self.consts if self.in_const else self.nodes
        store.append(node)
        match node.form:
            case Cache(place) | Window(_, place):
                self.places.add(place)
            case Scan(body):
                self.places.update(body.state_names)
        return Tensor(len(store) - 1, node.type)

    def compare(self, a: Dim, b: Dim) -> Verdict:
        """Symbols first, then numbers."""
        verdict = compare(a, b, self.facts)
        if verdict is EQUAL or self.numbers is None:
            return verdict
        try:
            return compare(self.numbers.of(a), self.numbers.of(b))
        except ZeroDivisionError:
            return UNKNOWN

    def compare_axes(self, a: Axis, b: Axis) -> Verdict:
        """Axes as `compare`; `...` equals itself only."""
        if isinstance(a, Rest) or isinstance(b, Rest):
            return EQUAL if a == b else DIFFERENT
        return self.compare(a, b)

    def value(self, d: Dim) -> int | None:
        """The number behind a dimension, where there is one."""
        if d.value is not None or self.numbers is None:
            return d.value
        try:
            return self.numbers.of(d).value
        except ZeroDivisionError:
            return None

    def expand(self, t: TensorType) -> tuple[Axis, ...]:
        """A type's axes, with `...` filled in where it is known."""
        if self.numbers is None:
            return t.axes
        axes: list[Axis] = []
        for axis in t.axes:
            if isinstance(axis, Rest):
                axes.extend(self.numbers.rests.get(axis.name, (axis,)))
            else:
                axes.append(axis)
        return tuple(axes)

    def equation(self, d: Dim) -> str:
        """A dimension in names and numbers: `heads * d_head = 32 * 128 = 4096`."""
        text = unmarked(d)
        if d.value is not None or self.numbers is None:
            return text
        value = self.value(d)
        if value is None:
            return text
        parts = {}
        for name in d.symbols():
            number = self.value(Dim.symbol(name))
            if number is not None:
                parts[unmarked(name)] = str(number)
        if d.name is not None:
            return f"{text} = {value}"
        return f"{text} = {_spell(text, parts)} = {value}"

    def describe(self, t: TensorType) -> str:
        """A type with its dimensions in names and numbers."""
        lengths = [self.equation(a) for a in t.axes if isinstance(a, Dim)]
        equations = [x for x in lengths if " = " in x]
        return unmarked(t) + (f", {', '.join(equations)}" if equations else "")

    def own(self, value: Value) -> Value:
        """A number of this body in terms of the model's settings, to be handed to another body."""
        if self.numbers is None:
            return value
        return rooted(value, self.numbers)


def rooted(value: Value, numbers: Numbers) -> Value:
    """A value with this body's symbols replaced by the model's; tensors cannot cross."""

    def in_the_model(number: Int | Float) -> Value:
        if isinstance(number, Int):
            return Int(substitute(number.dim, numbers.symbols))
        return Float(replace(number.real, numbers.symbols, numbers.reals))

    return with_numbers(value, in_the_model)


def _spell(text: str, parts: Mapping[str, str]) -> str:
    words, word = [], ""
    for c in [*text, ""]:
        if c and (c.isalnum() or c == "_"):
            word += c
            continue
        if word:
            words.append(parts.get(word, word))
            word = ""
        words.append(c)
    return "".join(words)


def words(kind: s.Kind | None) -> list[str]:
    """The members of an enum, also inside a list."""
    match kind:
        case s.KindOf("enum", args):
            return [a.name for a in args if isinstance(a, s.SimpleKind)]
        case s.KindOf(_, args):
            return [w for a in args for w in words(a)]
    return []


def speaking(scope: Scope, kind: s.Kind | None) -> Scope:
    """A scope for the value of a setting, in which the words of its enum are known as well."""
    members = {word: Word(word) for word in words(kind)}
    return changed(scope, names={**members, **scope.names}) if members else scope
