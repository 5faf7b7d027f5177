"""What an expression means while a body is checked: numbers known in advance, recipes, tensors.

Numbers and recipes own nothing; a tensor is a node of the body. An `Error` is what a wrong
expression means: it silences everything that depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from archdsl.dims import Dim
from archdsl.graph import Binding
from archdsl.reals import Real
from archdsl.record import entity, record
from archdsl.source import Span
from archdsl.syntax import (
    Arg,
    BlockDecl,
    KeysDecl,
    Kind,
    KindOf,
    ParamStatement,
    SimpleKind,
    TypeExpr,
)
from archdsl.types import TensorType


@record
class Int:
    """An integer known in advance, as a polynomial of symbols."""

    dim: Dim


@record
class Float:
    real: Real


@record
class Truth:
    """True, False, or None where a generic check cannot know."""

    value: bool | None


@record
class Word:
    """A member of an `enum`; None where a generic check cannot know which of its `members`."""

    name: str | None
    members: tuple[str, ...] = ()


@record
class Text:
    value: str


@record
class DateValue:
    value: str


@record
class Null:
    """A key that a configuration does not have."""


@record
class Record:
    """An object of a configuration file, at a path; a key that it does not have is null."""

    entries: tuple[tuple[str, Value], ...]
    path: tuple[str, ...] = ()


@record
class Items:
    """A list; values are None where a generic check cannot know them, `sample` is then any item and
    `length` says how many they are.
    """

    values: tuple[Value, ...] | None
    sample: Value | None = None
    length: Dim = Dim()

    @property
    def size(self) -> Dim:
        """How many items it has."""
        return self.length if self.values is None else Dim.number(len(self.values))

    @property
    def any(self) -> Value | None:
        """Any item; None for an empty list."""
        return next(iter(self.values), None) if self.values is not None else self.sample


@record
class Error:
    """The meaning of a wrong expression."""


@record
class BlockRef:
    """A block's name without settings."""

    block: Block


@record
class PrimitiveRef:
    """A primitive's name: `silu`."""

    name: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """A block with its settings; `ties` bind parameters to those of others. What is `shared` is
    one instance wherever it is placed, that of the binding. `args` are the arguments as written.
    """

    block: Block
    settings: tuple[tuple[str, Value], ...]
    ties: tuple[tuple[str, tuple[str, ...]], ...] = ()
    span: Span | None = field(default=None, compare=False)
    shared: Binding | None = None
    args: tuple[Arg, ...] = field(default=(), compare=False, repr=False)
    size: int = field(init=False, repr=False, compare=False, default=1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", 1 + sum(size(v) for _, v in self.settings))

    def setting(self, name: str) -> Value | None:
        return dict(self.settings).get(name)


@record
class Slot:
    """A block-valued setting inside its block: a signature to hold to, and the recipe, if known."""

    name: str
    inputs: tuple[TypeExpr, ...]
    outputs: tuple[TypeExpr, ...]
    recipe: Value | None


@record
class Either:
    """A recipe that depends on a setting that a generic check does not know. Where it is `no`, the
    `zeros` are 0: what the condition says.
    """

    yes: Value
    no: Value
    zeros: tuple[Dim, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """`f |> g` of blocks: one block that applies them in order. An operation goes by its name."""

    stages: tuple[Value, ...]
    span: Span = field(compare=False)
    size: int = field(init=False, repr=False, compare=False, default=1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(size(stage) for stage in self.stages))


@record
class Repeat:
    """`n * recipe`: a run of a schedule."""

    count: Dim
    item: Value


@dataclass(frozen=True, slots=True)
class Schedule:
    """`stack(...)`: runs in order, nested where the spec nests them."""

    items: tuple[Repeat, ...]
    span: Span | None = field(default=None, compare=False)
    size: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(size(item) for item in self.items))


@dataclass(frozen=True, slots=True)
class Bank:
    """`bank(n, expert, top_k)`: n copies of a block with their own weights, top_k for a token; of
    several kinds, `bank(n * expert, m * other, top_k)`.
    """

    items: tuple[Repeat, ...]
    top_k: Dim
    span: Span | None = field(default=None, compare=False)

    @property
    def count(self) -> Dim:
        """How many blocks it has, of all kinds."""
        total = Dim()
        for item in self.items:
            total = total + item.count
        return total


@record
class Listed:
    """Blocks of a list that are applied side by side, `length` of them; or the one of a number.

    A generic check may know one `block` that stands for all.
    """

    blocks: tuple[Value, ...]
    length: Dim
    number: int | None = None

    @property
    def chosen(self) -> tuple[Value, ...]:
        """The blocks that are applied."""
        return self.blocks if self.number is None else (self.blocks[self.number],)


@record
class Mixture:
    """`mixture(pool, weights, indices)`: the chosen blocks of a bank, summed with weights. `partly`
    where indices of other banks are among those given.
    """

    name: str
    bank: Bank
    weights: Tensor
    indices: Tensor
    partly: bool = False


@record
class ParamPath:
    """`embed.w` as an argument: a parameter to share."""

    path: tuple[str, ...]
    type: TensorType | None


@record
class Tensor:
    """A node of the body."""

    node: int
    type: TensorType


@record
class Tensors:
    """Several tensors, from an application or a tuple."""

    items: tuple[Tensor, ...]


@record
class Each:
    """`each x` in the application of a stack or a list: every layer or block gets its slice of the
    first axis.
    """

    value: Tensor


@entity
class Block:
    """A block declaration with the names that are in sight where it stands."""

    decl: BlockDecl
    globals: Mapping[str, Value]
    from_std: bool

    @property
    def name(self) -> str:
        return self.decl.name.name

    def param(self, name: str) -> ParamStatement | None:
        """The declaration of a parameter of that name."""
        for statement in self.decl.body:
            if isinstance(statement, ParamStatement) and statement.name.name == name:
                return statement
        return None


@entity
class Keys:
    """A `keys` declaration with what is in sight where it stands."""

    decl: KeysDecl
    globals: Mapping[str, Value]
    known: Mapping[str, Keys]


Value = (
    Int
    | Float
    | Truth
    | Word
    | Text
    | DateValue
    | Null
    | Record
    | Items
    | Error
    | BlockRef
    | PrimitiveRef
    | Recipe
    | Chain
    | Slot
    | Either
    | Repeat
    | Schedule
    | Bank
    | Listed
    | Mixture
    | ParamPath
    | Tensor
    | Tensors
    | Each
)


def with_numbers(value: Value, change: Callable[[Int | Float], Value]) -> Value:
    """A number changed, or a list or a block with all numbers in it changed; others as they are."""
    match value:
        case Items(values, sample, length):
            changed = None if values is None else tuple(with_numbers(v, change) for v in values)
            any_item = None if sample is None else with_numbers(sample, change)
            return Items(changed, any_item, length)
        case Int() | Float():
            return change(value)
        case Recipe(block, settings, ties, span, shared):
            inner = tuple((name, with_numbers(v, change)) for name, v in settings)
            return Recipe(block, inner, ties, span, shared)
        case Chain(stages, span):
            return Chain(tuple(with_numbers(stage, change) for stage in stages), span)
    return value


def size(value: Value) -> int:
    """How many blocks a recipe or a stack consists of, written out in full (but not repeated)."""
    match value:
        case Recipe(size=known) | Schedule(size=known) | Chain(size=known):
            return known
        case Slot(recipe=inner) if inner is not None:
            return size(inner)
        case Either(yes, no):
            return size(yes) + size(no)
        case Repeat(item=inner):
            return size(inner)
        case Bank(items):
            return sum(size(item) for item in items)
        case Items(values) if values and is_block(values[0]):
            return sum(size(item) for item in values)
    return 1


def is_layer(value: Value) -> bool:
    """Whether a value can stand in a stack."""
    return is_block(value) or isinstance(value, Schedule | Repeat)


def is_block(value: Value) -> bool:
    """Whether a value can fill a slot: a block, or an operation."""
    return isinstance(value, Recipe | Chain | Slot | Either | BlockRef | PrimitiveRef)


def block_name(value: Value) -> str:
    """The block of an application without a name of its own; "stack" or "list" where there are
    several.
    """
    match value:
        case Recipe(block) | BlockRef(block):
            return block.name
        case Slot(name):
            return name
        case Either(yes):
            return block_name(yes)
        case PrimitiveRef(name):
            return name
        case Chain():
            return "chain"
        case Listed():
            return "list"
    return "stack"


def is_kind(kind: Kind | None) -> bool:
    """Whether the language has a kind of this name."""
    match kind:
        case SimpleKind(name):
            return name in ("dim", "count", "float", "bool")
        case KindOf(name):
            return name in ("enum", "list")
    return True


_WORDS = {
    Int: "a number",
    Float: "a real number",
    Truth: "true or false",
    Text: "a text",
    DateValue: "a date",
    Items: "a list",
    Record: "an object",
    Chain: "a chain of blocks",
    Schedule: "a stack",
    Repeat: "a stack",
    Bank: "a bank of experts",
    Listed: "a list of blocks",
    Mixture: "a mixture of experts",
    ParamPath: "a parameter",
    Each: "a tensor handed out layer by layer",
}


def describe(value: Value) -> str:
    """What a value is, for messages: "a tensor", "the block Linear"."""
    match value:
        case Word(name):
            return f"the word {name}" if name else "a word of an enum"
        case BlockRef(block):
            return f"the block {block.name}"
        case Recipe(block):
            return f"the block {block.name} with its settings"
        case PrimitiveRef(name):
            return f"the operation {name}"
        case Slot(name):
            return f"the block-valued setting {name}"
        case Tensor(type=t):
            return f"a tensor {t}"
        case Tensors(items):
            return f"{len(items)} tensors"
        case Either(yes):
            return describe(yes)
    return _WORDS.get(type(value), "nothing")
