"""The syntax tree: what was written, before anything is known about what it means.

All node types stand here. Every node has the span of its text; nothing is resolved, nothing
computed. A `File` is a sequence of declarations. The grammar is `grammar/arch.lark`.
"""

from __future__ import annotations

from archdsl.record import entity
from archdsl.source import Source, Span

# --- expressions ----------------------------------------------------------------------------------


@entity
class Number:
    """`14_336`, `1e-6`, `128Ki`, `671B`: the value, and the text, whose digits `expect` rounds
    to.
    """

    value: int | float
    text: str
    span: Span


@entity
class String:
    value: str
    span: Span


@entity
class Date:
    value: str
    span: Span


@entity
class Name:
    name: str
    span: Span


@entity
class ListExpr:
    items: tuple[Arg, ...]
    span: Span


@entity
class Group:
    """A parenthesised expression, or a tuple of several."""

    items: tuple[Expr, ...]
    span: Span


@entity
class For:
    """`for a, b in source if test`: the names of a comprehension, what they run over, which of it
    counts.
    """

    names: tuple[Name, ...]
    source: Expr
    tests: tuple[Expr, ...]
    span: Span


@entity
class Arg:
    """An argument: `x`, `name: x`, `x for name in source` or `each x`."""

    value: Expr
    span: Span
    name: Name | None = None
    clauses: tuple[For, ...] = ()
    each: bool = False

    @property
    def plain(self) -> bool:
        return self.name is None and not self.clauses and not self.each


@entity
class Call:
    fn: Expr
    args: tuple[Arg, ...]
    span: Span


@entity
class AxesCall:
    """An operation with an axes pattern, `rearrange[B T (h k) -> B h T k]`."""

    fn: Expr
    pattern: Pattern
    span: Span


@entity
class Field:
    value: Expr
    name: Name
    span: Span


@entity
class Index:
    """`xs[i + 1]`. An index that is a name or a number alone is an `AxesCall`: only what stands
    before the bracket tells it from an axes pattern.
    """

    value: Expr
    at: Expr
    span: Span


@entity
class Slice:
    """`xs[first:last]`; either may be left out."""

    value: Expr
    first: Expr | None
    last: Expr | None
    span: Span


@entity
class Case:
    """`a, b: value` of a `match`; without labels it is the `else`."""

    labels: tuple[Expr, ...]
    value: Expr
    span: Span


@entity
class Match:
    """`match kind { a: x  b: y  else: z }`."""

    value: Expr
    cases: tuple[Case, ...]
    span: Span


@entity
class Key:
    """`.hidden_size`: a key of a published configuration."""

    name: Name
    span: Span


@entity
class Pipe:
    """`x |> f |> g`, flat: the first stage is the value, the others are applied in turn."""

    stages: tuple[Expr, ...]
    span: Span


@entity
class Choice:
    """`yes if test else no`; the test is about settings only."""

    yes: Expr
    test: Expr
    no: Expr
    span: Span


@entity
class Binary:
    """An operator of `?? or and == != <= >= < > in + - * / // % ^`."""

    op: str
    left: Expr
    right: Expr
    span: Span


@entity
class Unary:
    op: str
    value: Expr
    span: Span


@entity
class State:
    name: Name
    type: TypeExpr
    initial: Expr


@entity
class Scan:
    """`scan T with M: type = x0 over (q, k) { ... yield y }`."""

    axis: Name
    states: tuple[State, ...]
    over: tuple[Name, ...]
    body: tuple[Statement, ...]
    span: Span


@entity
class Loop:
    """`loop n with x: type = x0 { ... yield y }`."""

    count: Expr
    states: tuple[State, ...]
    body: tuple[Statement, ...]
    span: Span


Expr = (
    Number | String | Date | Name | ListExpr | Group | Call | AxesCall | Index | Slice | Field | Key
    | Pipe | Choice | Match | Binary | Unary | Scan | Loop
)  # fmt: skip

# --- axes patterns and types ----------------------------------------------------------------------


@entity
class AxisName:
    """A name, `...`, `_` or a literal size in a pattern."""

    text: str
    span: Span


@entity
class Merged:
    """`(h k)`: several axes in one, outermost first."""

    items: tuple[AxisItem, ...]
    span: Span


@entity
class Joined:
    """`(q + k)`: pieces that lie one after the other along one axis."""

    parts: tuple[tuple[AxisItem, ...], ...]
    span: Span


AxisItem = AxisName | Merged | Joined


@entity
class Term:
    """The axes of one operand or result."""

    items: tuple[AxisItem, ...]
    span: Span


@entity
class Pattern:
    left: tuple[Term, ...]
    right: tuple[Term, ...] | None
    span: Span


@entity
class Dots:
    """`...` in a type."""

    span: Span


@entity
class TypeExpr:
    """`int[B, T]`, or a declared type with its arguments, `KV[kv_heads, d_head]`: then `dtype` is
    the name.
    """

    dtype: Name | None
    axes: tuple[Expr | Dots, ...]
    span: Span


@entity
class SimpleKind:
    """`float`, `bool`, `count`, or the member of an `enum`."""

    name: str
    span: Span


@entity
class KindOf:
    """`enum(full, sliding)`, `list(int)`."""

    name: str
    args: tuple[Kind, ...]
    span: Span


@entity
class SignatureKind:
    inputs: tuple[TypeExpr, ...]
    outputs: tuple[TypeExpr, ...]
    span: Span


Kind = SimpleKind | KindOf | SignatureKind

# --- statements -----------------------------------------------------------------------------------


@entity
class ParamStatement:
    """`param`, `buffer` or `const`."""

    keyword: str
    name: Name
    type: TypeExpr
    initial: Expr
    guard: Expr | None
    span: Span


@entity
class CacheStatement:
    """`cache k, v`, with `last w` or `every m`."""

    names: tuple[Name, ...]
    limit: str | None
    extent: Expr | None
    span: Span


@entity
class GiveStatement:
    names: tuple[Name, ...]
    span: Span


@entity
class Result:
    """`return` or `yield`."""

    keyword: str
    values: tuple[Expr, ...]
    span: Span


@entity
class Bind:
    """`a, b = x`, perhaps `share` or `apart`."""

    own: str | None
    names: tuple[Name, ...]
    value: Expr
    span: Span


@entity
class Residual:
    """`x += f(x)`: a residual connection, a node of its own."""

    name: Name
    value: Expr
    span: Span


Statement = ParamStatement | CacheStatement | GiveStatement | Result | Bind | Residual

# --- declarations ---------------------------------------------------------------------------------


@entity
class Use:
    path: str
    names: tuple[Name, ...]
    path_span: Span
    span: Span


@entity
class TypeDecl:
    """`type KV[n, k] = [B, n, S, k]`: a name for a type; used as `KV[kv_heads, d_head]`."""

    name: Name
    parameters: tuple[Name, ...]
    type: TypeExpr
    doc: str
    span: Span


@entity
class SettingDecl:
    name: Name
    kind: Kind | None
    default: Expr | None
    span: Span


@entity
class InputDecl:
    name: Name
    type: TypeExpr
    stream: bool
    span: Span


@entity
class Role:
    """`as attention "Title", "Other title" when condition`: the last title that holds counts."""

    name: Name
    title: String | None
    others: tuple[tuple[String, Expr], ...] = ()


@entity
class Lowers:
    intrinsic: Name
    when: Expr | None


@entity
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


@entity
class Entry:
    name: Name
    value: Expr
    span: Span


@entity
class Expect:
    """`expect params: 671B ~ 1%`; the tolerance is a fraction."""

    name: Name
    value: Expr
    tolerance: float | None
    span: Span


@entity
class TinyDecl:
    model: Name
    entries: tuple[Entry, ...]
    span: Span


@entity
class Change:
    """`Base with (heads: 16)`: a variant, with other values of some settings."""

    base: Name
    args: tuple[Arg, ...]
    span: Span


@entity
class VariantDecl:
    """`value` is a model with its settings, or another variant with some of them changed."""

    name: Name
    value: Expr | Change
    facts: tuple[Entry | Expect, ...]
    doc: str
    span: Span


@entity
class Directive:
    """`depth: 2`, `inset(path): "title"`."""

    name: Name
    args: tuple[Arg, ...] | None
    value: Expr | None
    span: Span


@entity
class CardDecl:
    variant: Name
    directives: tuple[Directive, ...]
    span: Span


@entity
class Mapping:
    """`d <- .hidden_size`."""

    name: Name
    value: Expr
    span: Span


@entity
class Local:
    """`rope = .rope_parameters ?? .rope_scaling`: a name for later lines."""

    name: Name
    value: Expr
    span: Span


@entity
class Include:
    """`use Decoder, Rotary`: the lines of `keys` declarations stand here."""

    names: tuple[Name, ...]
    span: Span


@entity
class Preset:
    """`.hidden_act: "silu"`: what the published class takes for a key that is not there."""

    path: tuple[str, ...]
    value: Expr
    span: Span


@entity
class Defaults:
    presets: tuple[Preset, ...]
    span: Span


@entity
class Expected:
    """`expect .attention_bias: false`: the only value that the model is for, where no line maps the
    key to a setting; the class takes it for a key that is not there.
    """

    presets: tuple[Preset, ...]
    span: Span


@entity
class Require:
    value: Expr
    span: Span


@entity
class Ignore:
    keys: tuple[Expr, ...]
    span: Span


@entity
class Target:
    """A path of the model, `layers[i].mix.q_proj.w`; an index is an expression. A name may have
    alternatives in braces, `{q,k}_proj`.
    """

    name: Name
    steps: tuple[Name | Expr, ...]
    span: Span


@entity
class Tensors:
    """`"q" + "k" + "v"`: tensors of a checkpoint that are joined; one alone in most lines."""

    parts: tuple[String, ...]
    span: Span


@entity
class WeightMap:
    """`sources` are alternatives. `when`: what else a layer has, if the line is for some layers."""

    targets: tuple[Target, ...]
    sources: tuple[Tensors, ...]
    pattern: Pattern | None
    when: Target | None
    span: Span


@entity
class Skip:
    source: String
    span: Span


@entity
class WeightGroup:
    """`layers[i] <- "layers.{i}." { ... }`: what the lines inside begin with, on both sides."""

    target: Target | None
    sources: tuple[Tensors, ...]
    lines: tuple[WeightMap | Skip | WeightGroup | Include, ...]
    span: Span


@entity
class SharedWeights:
    """`weights { ... }` in a `keys` declaration: lines that several hubs have in common."""

    lines: tuple[WeightLine, ...]
    span: Span


WeightLine = WeightMap | Skip | WeightGroup | Include


ConfigLine = Mapping | Local | Include | Defaults | Expected | Require | Ignore


@entity
class KeysDecl:
    """`keys Decoder { ... }`: lines that several hubs have in common."""

    name: Name
    lines: tuple[ConfigLine | SharedWeights, ...]
    span: Span


@entity
class HubDecl:
    """`uses` bring lines of `config` and of `weights`; where these two stand, None if left out."""

    model: Name
    types: tuple[String, ...]
    classes: tuple[String, ...]
    uses: tuple[Include, ...]
    config: tuple[ConfigLine, ...]
    weights: tuple[WeightLine, ...]
    config_at: Span | None
    weights_at: Span | None
    span: Span


Declaration = (
    Use | TypeDecl | BlockDecl | TinyDecl | VariantDecl | CardDecl | KeysDecl | HubDecl
)  # fmt: skip


@entity
class Comment:
    """`# text` to the end of its line, kept for the formatter."""

    text: str
    span: Span


ANY = "*"
"""Stands among lost names for all names: an import that cannot be read may have had any."""


@entity
class File:
    source: Source
    items: tuple[Declaration, ...]
    comments: tuple[Comment, ...]
    lost: frozenset[str] = frozenset()  # names in declarations that do not parse
