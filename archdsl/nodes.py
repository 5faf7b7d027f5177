"""The values of a body: a node for each, and a type for each form that a node can have.

A node's form says what it computes and has the fields that this form needs, no others:

    Node(Einsum(plan), args=(2, 5), types=(TensorType(...),))
    Node(Apply("q_proj"), args=(0,), types=(...,), name="q")

`args` are places of earlier nodes in the same body. Operations of the table `ops.py` have an `op`,
the name of their row; `Node.op` is empty for all other forms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archdsl.axes import Item as Axes
from archdsl.axes import Plan
from archdsl.dims import Dim
from archdsl.reals import Real
from archdsl.record import record, replace
from archdsl.source import Span
from archdsl.types import TensorType

# --- forms that are no operation of the table -----------------------------------------------------


@record
class Input:
    """An input of the block, or something it is given; the node's name says which."""


@record
class Read:
    """A parameter, a buffer or a constant of the block."""

    param: str


@record
class Number:
    """A number known in advance; its type has no axes."""

    value: Real | Dim


@record
class Zero:
    """Zeros of the type of the only argument."""


@record
class Fill:
    """A tensor of the node's type, whose every entry is the only argument, a number."""


@record
class Apply:
    """The child of that name applied to `args`.

    `each`: the arguments that are handed out, a slice of the first axis to every layer of a stack
    or every block of a list.
    The last `context` arguments are what `Child.given` names. `use` tells applications of one child
    to tensors of several types apart. `item`: which of several blocks side by side it is; None for
    all of them, whose results lie along a new first axis.
    """

    child: str
    each: tuple[int, ...] = ()
    context: int = 0
    use: int = 0
    item: int | None = None


@record
class Mixture:
    """The bank of that name applied to args[0], with weights args[1] and indices args[2].

    `partly`: indices that the bank does not have are another bank's.
    """

    child: str
    partly: bool = False


@record
class Item:
    """Result `index` of the only argument."""

    index: int


@record
class Residual:
    """x + f(x), written `x += f(x)`; the arguments are (x, f(x))."""


@record
class Cache:
    """What was kept of the only argument so far, and it: axis T becomes S.

    With `last`, of so many last tokens only: min(S, last). With `every`, the entry of every so
    many tokens: S // every. `place` is the name under which decoding keeps it.
    """

    place: str
    last: Dim | None = None
    every: Dim | None = None


@record
class Scan:
    """A body for one token after another; the results are what it yields, with axis T."""

    body: Body


@record
class Loop:
    """A body, `rounds` times; the results are its states after the last round, then what it
    yields, with a new first axis.
    """

    body: Body
    rounds: Dim


# --- operations of the table ----------------------------------------------------------------------


@record
class Elementwise:
    """An operation on entries; operands broadcast over leading axes and written 1s.

    `idle`: how many experts that hand back what they get a product of tokens and their weights
    stands for.
    """

    op: str
    idle: int = 0


@record
class Reduce:
    """Axes of the left side that the right side lacks, or has as 1, are reduced."""

    op: str
    plan: Plan


@record
class Along:
    """Works along the axes that the pattern names behind `...`; the shape stays."""

    op: str
    plan: Plan


@record
class Einsum:
    """The sum of products over the names that do not come back."""

    plan: Plan
    op = "einsum"


@record
class Rearrange:
    """Axes split, merged, permuted, cut and joined."""

    plan: Plan
    op = "rearrange"


@record
class Repeat:
    """A tensor repeated along new axes."""

    plan: Plan
    op = "repeat"


@record
class Gather:
    """Entries of an axis of args[0] by the indices args[1]. Axes before it are those of the indices
    too, and each place looks up in its own part; axes behind it are the entry's.
    """

    plan: Plan
    op = "gather"

    @property
    def along(self) -> bool:
        """Whether the entries are those of the last axis, for each place its own."""
        return self.plan.right[0] == self.plan.left[1]

    @property
    def lead(self) -> int | None:
        """How many terms stand before the axis in question; None where the pattern fits no form."""
        table, index = self.plan.left
        if self.along:
            return len(table) - 1
        for lead in range(min(len(table) - 1, len(index)) + 1):
            if table[:lead] == index[:lead] and self.plan.right == ((*index, *table[lead + 1 :]),):
                return lead
        return None

    @property
    def axis(self) -> Axes:
        """The axis whose entries are looked up."""
        return self.plan.left[0][self.lead or 0]


@record
class Window:
    """The last `size` tokens at each position, zeros before the first: T becomes T, size.

    `place` is the name under which decoding keeps what it needs.
    """

    size: Dim
    place: str
    op = "window"


@record
class Choose:
    """The `count` largest along the last axis of the pattern."""

    op: str
    plan: Plan
    count: Dim


@record
class Positions:
    """Absolute positions along an axis."""

    axis: Dim
    op = "positions"


@record
class Arange:
    """The numbers 0, 1, ... `size` - 1."""

    size: Dim
    op = "arange"


@record
class Draw:
    """Random numbers, one for each entry of a parameter."""

    op: str
    param: str


Operation = (
    Elementwise | Reduce | Along | Einsum | Rearrange | Repeat | Gather | Window | Choose
    | Positions | Arange | Draw
)  # fmt: skip
Form = (
    Input | Read | Number | Zero | Fill | Apply | Mixture | Item | Residual | Cache | Scan | Loop
    | Operation
)  # fmt: skip
_VALUES = (
    Number, Zero, Fill, Item, Elementwise, Reduce, Along, Einsum, Rearrange, Repeat, Gather,
    Choose, Positions, Arange,
)  # fmt: skip
"""Forms that compute a value and do nothing else."""
Kept = Cache | Window | Scan
"""Forms for which decoding keeps something of the tokens."""


@record
class Node:
    """One value of a body; several, where an application or a rearrangement gives several."""

    form: Form
    args: tuple[int, ...] = ()
    types: tuple[TensorType, ...] = ()
    name: str = ""
    span: Span | None = None

    @property
    def type(self) -> TensorType:
        """The type of the only result, or of the first."""
        return self.types[0]

    @property
    def op(self) -> str:
        """The row of `ops.py`, or nothing for a form that is none."""
        return getattr(self.form, "op", "")

    @property
    def body(self) -> Body | None:
        """What a scan or a loop repeats."""
        return self.form.body if isinstance(self.form, Scan | Loop) else None

    @property
    def plan(self) -> Plan | None:
        """The axes pattern of an operation that has one."""
        return getattr(self.form, "plan", None)


@record
class Body:
    """What a scan or a loop repeats: nodes of their own, in the symbols of the block around them.

    `inputs` are the states, then one token of what a scan runs over, then what does not change;
    the node's `args` are in the same order, the initial states first. `outputs` are the states of
    the next round, then what is yielded. `axis` is where axis T stands in what is yielded.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    states: int
    over: int = 0
    axis: int = 0

    @property
    def state_types(self) -> tuple[TensorType, ...]:
        """The types of the states."""
        return tuple(self.nodes[i].type for i in self.inputs[: self.states])

    @property
    def state_names(self) -> tuple[str, ...]:
        """The names of the states, under which a scan keeps them while decoding."""
        return tuple(self.nodes[i].name for i in self.inputs[: self.states])


def every_node(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes of a body, those inside scans and loops after the one that repeats them."""
    for node in nodes:
        yield node
        if node.body is not None:
            yield from every_node(node.body.nodes)


def reordered(nodes: tuple[Node, ...], order: list[int]) -> tuple[Node, ...]:
    """Nodes in another order, `order[i]` coming at place i; those that `order` lacks fall away."""
    place = {old: new for new, old in enumerate(order)}
    return tuple(
        replace(nodes[old], args=tuple(place[a] for a in nodes[old].args)) for old in order
    )


def used(nodes: tuple[Node, ...], outputs: tuple[int, ...]) -> set[int]:
    """Nodes that an output depends on, and all that do more than compute a value: inputs, calls,
    reads, caches, draws. A node that gives several results keeps all of them.
    """
    kept = {i for i, node in enumerate(nodes) if not isinstance(node.form, _VALUES)} | {*outputs}
    for i in reversed(range(len(nodes))):  # operands stand before what uses them
        if i in kept:
            kept.update(nodes[i].args)
    return kept | {
        i for i, node in enumerate(nodes) if isinstance(node.form, Item) and kept & {*node.args}
    }


def items_of(nodes: tuple[Node, ...], i: int) -> dict[int, int]:
    """Which nodes are the results of node i that has several: index of the result to node."""
    return {
        node.form.index: j
        for j, node in enumerate(nodes)
        if isinstance(node.form, Item) and node.args == (i,)
    }
