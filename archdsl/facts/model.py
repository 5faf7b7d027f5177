"""The facts of a model."""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.facts.counts import Counts
from archdsl.facts.table import FACTS


@dataclass(frozen=True, repr=False)
class Facts(Counts):
    """What can be counted of a model. Everything is computed on first use."""

    def __repr__(self) -> str:
        return f"<facts of {self.model!r}>"

    def record(self, context: int | None = None) -> dict[str, object]:
        """The counts as plain data, as `archdsl facts --json` prints them, those at `context`
        tokens too, which the model's own context is where nothing is said.
        """
        stated = self.model.about.get("context")
        tokens = context or (stated if isinstance(stated, int) else None)
        record: dict[str, object] = {
            "variant": self.model.id,
            "name": self.model.name,
            "file": self.model.span.source.name if self.model.span else "",
            **{k: v for k, v in self.model.about.items() if k != "name"},
        }
        if context is not None:
            record["context"] = context
        for fact in FACTS:
            value = fact.value(self, tokens) if fact.recorded else None
            if value is not None:
                record[fact.name] = value
        return record
