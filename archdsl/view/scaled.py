"""Models to scale: of each its layers in order, with the parameters of their parts.

scaled(facts).runs     of 32 layers each with 42M of attention and 176M of feed-forward
"""

from archdsl.facts import Facts
from archdsl.record import record
from archdsl.view import words
from archdsl.view.panel import TONES
from archdsl.view.types import Part

IDLE = "idle experts"


@record
class Run:
    """Layers of one kind, one after the other, and the parts of each of them."""

    count: int
    parts: tuple[Part, ...]

    @property
    def params(self) -> int:
        """Parameters of one layer."""
        return sum(part.params for part in self.parts)


@record
class ScaledModel:
    """A model: its runs of layers from the first on, and what stands around them (embedding, head).

    `size`: its parameters in words. `params`: all of them, each once. `layers`: how many there are.
    """

    name: str
    size: str
    params: int
    layers: int
    runs: tuple[Run, ...]
    around: tuple[Part, ...]


def scaled(facts: Facts) -> ScaledModel:
    """What a picture to scale shows of a model. Parameters that layers share are drawn where they
    are first.
    """
    left = dict(facts.parts)
    runs: list[Run] = []
    for count, module in facts.schedule:
        held = {role: n for role, n in facts.by_role(module) if n}
        held = {role: min(n, left.get(role, 0) // count) for role, n in held.items()}
        for role, n in held.items():
            left[role] -= n * count
        runs.append(Run(count, tuple(_parts(held, facts.idle(module)))))
    around = tuple(_part(role, n) for role, n in left.items() if n)
    name = facts.model.name
    quoted = facts.active_as_quoted
    active = f", {words.short(quoted)} active" if quoted != facts.params else ""
    size = f"{words.short(facts.params)}{active}"
    return ScaledModel(name, size, facts.params, facts.layers, tuple(runs), around)


def _parts(held: dict[str, int], idle: int) -> list[Part]:
    """The parts of a layer, mixers first, experts that a token does not visit last."""
    order = sorted(held, key=lambda role: (role in ("expert", "feed_forward"), role))
    parts = [_part(role, held[role] - (idle if role == "expert" else 0)) for role in order]
    if idle:
        parts.append(Part(IDLE, "accent_soft", idle))
    return [part for part in parts if part.params > 0]


def _part(role: str, params: int) -> Part:
    return Part(role.replace("_", "-"), TONES.get(role, "quiet"), params)
