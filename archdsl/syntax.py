"""The syntax tree: what was written, before anything is known about what it means.

All node types stand here. Every node has the span of its text; nothing is resolved, nothing
computed. A `File` is a sequence of declarations. The grammar is `grammar/arch.lark`.
"""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.source import Source, Span

# --- expressions ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Number:
    """`14_336`, `1e-6`, `128Ki`, `671B`: the value, and the text, whose digits `expect` rounds
    to.
    """

    value: int | float
    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class String:
    value: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Date:
    value: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Name:
    name: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ListExpr:
    items: tuple[Arg, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Group:
    """A parenthesised expression, or a tuple of several."""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Arg:
    """An argument: `x`, `name: x`, `x for name in source` or `each x`."""

    value: Expr
    span: Span
    name: Name | None = None
    source: Expr | None = None
    each: bool = False

    @property
    def plain(self) -> bool:
        return self.name is None and self.source is None and not self.each


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call:
    fn: Expr
    args: tuple[Arg, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AxesCall:
    """An operation with an axes pattern, `rearrange[B T (h k) -> B h T k]`."""

    fn: Expr
    pattern: Pattern
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Field:
    value: Expr
    name: Name
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Key:
    """`.hidden_size`: a key of a published configuration."""

    name: Name
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pipe:
    """`x |> f |> g`, flat: the first stage is the value, the others are applied in turn."""

    stages: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Choice:
    """`yes if test else no`; the test is about settings only."""

    yes: Expr
    test: Expr
    no: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Binary:
    """An operator of `?? or and == != <= >= < > in + - * / // % ^`."""

    op: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unary:
    op: str
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class State:
    name: Name
    type: TypeExpr
    initial: Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scan:
    """`scan T with M: type = x0 over (q, k) { ... yield y }`."""

    axis: Name
    states: tuple[State, ...]
    over: tuple[Name, ...]
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Loop:
    """`loop n with x: type = x0 { ... yield y }`."""

    count: Expr
    states: tuple[State, ...]
    body: tuple[Statement, ...]
    span: Span


Expr = (
    Number | String | Date | Name | ListExpr | Group | Call | AxesCall | Field | Key | Pipe | Choice
    | Binary | Unary | Scan | Loop
)  # fmt: skip

# --- axes patterns and types ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AxisName:
    """A name, `...`, `_` or a literal size in a pattern."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Merged:
    """`(h k)`: several axes in one, outermost first."""

    items: tuple[AxisItem, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Joined:
    """`(q + k)`: pieces that lie one after the other along one axis."""

    parts: tuple[tuple[AxisItem, ...], ...]
    span: Span


AxisItem = AxisName | Merged | Joined


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Term:
    """The axes of one operand or result."""

    items: tuple[AxisItem, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pattern:
    left: tuple[Term, ...]
    right: tuple[Term, ...] | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dots:
    """`...` in a type."""

    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TypeExpr:
    dtype: Name | None
    axes: tuple[Expr | Dots, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SimpleKind:
    """`float`, `bool`, `count`, or the member of an `enum`."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KindOf:
    """`enum(full, sliding)`, `list(int)`."""

    name: str
    args: tuple[Kind, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SignatureKind:
    inputs: tuple[TypeExpr, ...]
    outputs: tuple[TypeExpr, ...]
    span: Span


Kind = SimpleKind | KindOf | SignatureKind

# --- statements -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ParamStatement:
    """`param`, `buffer` or `const`."""

    keyword: str
    name: Name
    type: TypeExpr
    initial: Expr
    guard: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CacheStatement:
    """`cache k, v`, with `last w` or `every m`."""

    names: tuple[Name, ...]
    limit: str | None
    extent: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GiveStatement:
    names: tuple[Name, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Result:
    """`return` or `yield`."""

    keyword: str
    values: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bind:
    """`a, b = x`, perhaps `share` or `apart`."""

    own: str | None
    names: tuple[Name, ...]
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Residual:
    """`x += f(x)`: a residual connection, a node of its own."""

    name: Name
    value: Expr
    span: Span


Statement = ParamStatement | CacheStatement | GiveStatement | Result | Bind | Residual

# --- declarations ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Use:
    path: str
    names: tuple[Name, ...]
    path_span: Span
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SettingDecl:
    name: Name
    kind: Kind | None
    default: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InputDecl:
    name: Name
    type: TypeExpr
    stream: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Role:
    """`as attention "Title", "Other title" when condition`: the last title that holds counts."""

    name: Name
    title: String | None
    others: tuple[tuple[String, Expr], ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Lowers:
    intrinsic: Name
    when: Expr | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BlockDecl:
    """A `block`, or a `model`: a block that variants instantiate."""

    keyword: str
    name: Name
    settings: tuple[SettingDecl, ...]
    inputs: tuple[InputDecl, ...]
    outputs: tuple[TypeExpr, ...]
    role: Role | None
    given: tuple[InputDecl, ...]
    where: tuple[Expr, ...]
    lowers: Lowers | None
    body: tuple[Statement, ...]
    doc: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Entry:
    name: Name
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Expect:
    """`expect params: 671B ~ 1%`; the tolerance is a fraction."""

    name: Name
    value: Expr
    tolerance: float | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TinyDecl:
    model: Name
    entries: tuple[Entry, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class VariantDecl:
    name: Name
    value: Expr
    facts: tuple[Entry | Expect, ...]
    doc: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Directive:
    """`depth: 2`, `inset(path): "title"`."""

    name: Name
    args: tuple[Arg, ...] | None
    value: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CardDecl:
    variant: Name
    directives: tuple[Directive, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mapping:
    """`d <- .hidden_size`."""

    name: Name
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Require:
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ignore:
    keys: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Target:
    """A path of the model, `layers[i].mix.q_proj.w`; an index is an expression."""

    name: Name
    steps: tuple[Name | Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WeightMap:
    targets: tuple[Target, ...]
    sources: tuple[String, ...]
    pattern: Pattern | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Skip:
    source: String
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HubDecl:
    model: Name
    types: tuple[String, ...]
    config: tuple[Mapping | Require | Ignore, ...]
    weights: tuple[WeightMap | Skip, ...]
    span: Span


Declaration = Use | BlockDecl | TinyDecl | VariantDecl | CardDecl | HubDecl


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comment:
    """`# text` to the end of its line, kept for the formatter."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class File:
    source: Source
    items: tuple[Declaration, ...]
    comments: tuple[Comment, ...]
