"""The facts of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from archdsl.facts import sizes
from archdsl.facts.counts import Counts
from archdsl.facts.table import FACTS

if TYPE_CHECKING:
    from archdsl.facts.serving import Serving


class Served(TypedDict, total=False):
    """How a model is served: dtypes of weights and cache, of each of `devices` bytes of memory and
    bytes that it moves in a second. What is not said is as in `serving.Load`.
    """

    dtype: str
    kv_dtype: str
    memory: int | str | None
    bandwidth: int | str | None
    devices: int


@dataclass(frozen=True, repr=False)
class Facts(Counts):
    """What can be counted of a model. Everything is computed on first use."""

    def __repr__(self) -> str:
        return f"<facts of {self.model!r}>"

    def record(self, context: int | None = None) -> dict[str, object]:
        """The counts as plain data, as `archdsl facts --json` prints them, those at `context`
        tokens too, which the model's own context is where nothing is said; `at_context` says which.
        """
        tokens = context or self.stated_context
        record: dict[str, object] = {
            "variant": self.model.id,
            "name": self.model.name,
            "file": self.model.span.source.name if self.model.span else "",
            **{k: v for k, v in self.model.about.items() if k != "name"},
        }
        for fact in FACTS:
            value = fact.value(self, tokens) if fact.recorded else None
            if value is not None:
                record[fact.name] = value
        return record

    def serving(
        self, context: int | str | None = None, batch: int = 1, **how: Unpack[Served]
    ) -> Serving:
        """What it takes to serve the model: memory, bytes that are moved, FLOPs, what fits.

        `context` is what the variant states where nothing is said, and `how` as in `Served`. Sizes
        are whole numbers, or words: `context="128Ki"`, `memory="80GiB"`, `bandwidth="3.35TB/s"`.
        Raises ValueError for a number or a word that is none, where no context is known, and for a
        model that decodes nothing.
        """
        from archdsl.facts.serving import Load, serving

        asked = self.stated_context if context is None else context
        if asked is None:
            raise ValueError(f"{self.model.id} states no context: say at how many tokens")
        if not self.streams:
            raise ValueError(f"no input of {self.model.id} streams: it decodes nothing")
        tokens = sizes.tokens(asked) if isinstance(asked, str) else asked
        words: dict[str, Any] = {**how}
        for name, read in (("memory", sizes.memory), ("bandwidth", sizes.bandwidth)):
            if isinstance(words.get(name), str):
                words[name] = read(words[name])
        return serving(self, Load(tokens, batch, **words))

    def weights_bytes(self, dtype: str = "bf16", devices: int = 1) -> int:
        """Bytes of all parameters on one of so many devices. Raises ValueError for a dtype that
        there is not, and for a number of devices that is none.
        """
        from archdsl.facts.serving import weights_bytes

        width = sizes.DTYPES[sizes.dtype(dtype)]
        return weights_bytes(self, width, sizes.whole("devices", devices))
