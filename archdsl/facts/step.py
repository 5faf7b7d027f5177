"""One node of a body, as the walk over a model's work meets it."""

from __future__ import annotations

from collections.abc import Sequence

from archdsl.dims import Dim
from archdsl.facts.known import PLAIN, Known
from archdsl.facts.tally import Account, Tally
from archdsl.graph import Module
from archdsl.nodes import Apply, Node
from archdsl.record import record


@record
class Step:
    """One node, with the body that it stands in."""

    account: Account
    tally: Tally
    module: Module
    nodes: Sequence[Node]
    place: int

    @property
    def node(self) -> Node:
        """The node itself."""
        return self.nodes[self.place]

    @property
    def part(self) -> str:
        """The part of the model that it applies, "" inside of one."""
        form = self.node.form
        here = self.module is self.account.model.root
        return form.child if here and isinstance(form, Apply) else ""

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The axes of the first result."""
        return self.account.shape(self.module, self.node.type)

    def axes(self, arg: int) -> tuple[Dim, ...]:
        """The axes of an argument."""
        return self.account.shape(self.module, self.nodes[self.node.args[arg]].type)

    def dim(self, d: Dim) -> Dim:
        """A dimension as a number, or in axes."""
        return self.account.model.number(self.module, d)

    def anything(self, args: list[Known]) -> list[Known]:
        """An operation without a rule: all that it reads is needed."""
        for known in args:
            self.account.end(self.tally, known)
        kept = tuple(dict.fromkeys(k for known in args for k in known.kept))
        return [Known(kept=kept) if kept else PLAIN] * len(self.node.types)
