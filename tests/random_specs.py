"""Well-typed specs drawn at random, and mutations of them that break one dimension.

A spec has a model with a stack of layers, and a layer is a block whose body is a walk: each step
takes `x`, a tensor [B, T, width], and makes another one. A step is a function in `STEPS`: to cover
one more form of the language, write one more. Settings get small numbers that are often equal, so
that what only happens to fit is drawn too.

    drawn = spec.example()
    drawn.text()                  the spec
    drawn.broken(i)               the same with the i-th mutation, and the lines it is in
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

NAMES = ("d", "u", "v", "h", "k")
"""The dimensions that every layer has as settings; `d` is the width between layers."""

IMPORTS = (
    "use std.core: Embedding, GeGLU, Identity, LayerNorm, Linear, MLP, RMSNorm, SwiGLU",
    "use std.attention: Attend, Causal, GQA, Window",
    "use std.moe: SoftmaxRouter",
    "use std.position: Rope",
    "block Remind(m, d)(x: [B, T, m]) -> [B, T, m] given first: [B, T, d] {",
    "  up = Linear(d, m)",
    "  return x * sigmoid(up(first))",
    "}",
    "block Held(m, inner: [B, T, m] -> [B, T, m])(x: [B, T, m]) -> [B, T, m] {",
    "  f = inner",
    "  return f(x)",
    "}",
)
"""The head of every spec. A model gives `first`, its embedded tokens."""


@dataclass(frozen=True)
class Step:
    """Lines of a body that set `x`. `breaks`: (line, what stands there, what breaks it)."""

    lines: tuple[str, ...]
    width: str
    breaks: tuple[tuple[int, str, str], ...] = ()


@dataclass
class Walk:
    """A body under construction: the next free number for names, and the width of `x`."""

    draw: st.DrawFn
    width: str = "d"
    number: int = 0
    steps: list[Step] = field(default_factory=list)

    def name(self, start: str) -> str:
        self.number += 1
        return f"{start}_{self.number}"

    def dim(self) -> str:
        """A width in the names of the settings."""
        return self.draw(st.sampled_from([*NAMES, "u + v", "h * k", "2 * d", "u * v + 1"]))


def project(walk: Walk) -> Step:
    """A matrix of the library, perhaps with an offset."""
    name, to = walk.name("p"), walk.dim()
    bias = walk.draw(st.sampled_from(["", ", bias: true", ", bias: false"]))
    made = f"{name} = Linear({walk.width}, {to}{bias})"
    broken = f"{name} = Linear({walk.width} + 1, {to}{bias})"
    return Step((made, f"x = x |> {name}"), to, ((0, made, broken),))


def product(walk: Walk) -> Step:
    """A matrix of the block's own."""
    name = walk.name("m")
    to = walk.draw(st.sampled_from(NAMES))
    made = f"param {name}: [{walk.width}, {to}] = normal(0.02)"
    line = f"x = einsum[B T i, i j -> B T j](x, {name})"
    return Step((made, line), to, ((0, made, made.replace("[", "[1 + ", 1)),))


def gain(walk: Walk) -> Step:
    """A factor for each feature, and an offset that is there under a condition."""
    name, other = walk.name("g"), walk.name("b")
    made = f"param {name}: [{walk.width}] = ones"
    lines = (
        made,
        f"param {other}: [{walk.width}] = zeros when flag",
        f"x = x * {name} + {other} if flag else x * {name}",
    )
    return Step(lines, walk.width, ((0, made, made.replace("[", "[1 + ", 1)),))


def function(walk: Walk) -> Step:
    """Something elementwise."""
    forms = ("silu(x)", "tanh(x) * 2", "x / (1 + abs(x))", "maximum(x, -x)", "-x + 0.5")
    return Step((f"x = {walk.draw(st.sampled_from(forms))}",), walk.width)


def norm(walk: Walk) -> Step:
    """A norm of the library or one that is written out."""
    if walk.draw(st.booleans()):
        name, kind = walk.name("n"), walk.draw(st.sampled_from(["RMSNorm", "LayerNorm"]))
        made = f"{name} = {kind}({walk.width})"
        broken = f"{name} = {kind}({walk.width} + 1)"
        return Step((made, f"x = x |> {name}"), walk.width, ((0, made, broken),))
    line = "x = x * rsqrt(mean[... c -> ... 1](x ^ 2) + 0.1)"
    return Step((line,), walk.width, ((0, line, line.replace("... 1]", "...]")),))


def pieces(walk: Walk) -> Step:
    """Cut in two, one changed, and joined the other way round."""
    name = walk.name("p")
    a, b = walk.draw(st.permutations(NAMES))[:2]
    cut = f"l, r = x |> {name} |> rearrange[B T ({a} + {b}) -> B T {a}, B T {b}]"
    lines = (
        f"{name} = Linear({walk.width}, {a} + {b})",
        cut,
        f"x = rearrange[B T {b}, B T {a} -> B T ({b} + {a})](r, sigmoid(l))",
    )
    broken = lines[0].replace(f"{a} + {b})", f"{a} + {b} + 1)")
    return Step(lines, f"{a} + {b}", ((0, lines[0], broken),))


def heads(walk: Walk) -> Step:
    """Heads apart, softmax within each, and together again."""
    name = walk.name("p")
    lines = (
        f"{name} = Linear({walk.width}, h * k)",
        f"x = x |> {name} |> rearrange[B T (h k) -> B h T k] |> softmax[... k]",
        "x = x |> rearrange[B h T k -> B T (h k)]",
    )
    return Step(lines, "h * k", ((1, lines[1], lines[1].replace("B T (h k)", "B T (h k k)")),))


def gated(walk: Walk) -> Step:
    """One projection gates another one; the condition is static."""
    a, b, to = walk.name("p"), walk.name("p"), walk.dim()
    lines = (
        f"{a} = Linear({walk.width}, {to})",
        f"{b} = Linear({walk.width}, {to})",
        f"x = silu({a}(x)) * {b}(x) if flag else {a}(x) * {b}(x)",
    )
    return Step(lines, to, ((1, lines[1], f"{b} = Linear({walk.width}, {to} + 2)"),))


def residual(walk: Walk) -> Step:
    """A residual around a feed-forward block."""
    name = walk.name("f")
    hidden = walk.draw(st.sampled_from(NAMES))
    kind = walk.draw(st.sampled_from(["SwiGLU", "MLP", "GeGLU"]))
    made = f"{name} = {kind}({walk.width}, {hidden})"
    broken = f"{name} = {kind}({walk.width} + 1, {hidden})"
    return Step((made, f"x += x |> {name}"), walk.width, ((0, made, broken),))


def reminded(walk: Walk) -> Step:
    """A block inside another one that is given what went into the layers."""
    name = walk.name("r")
    made = f"{name} = Held({walk.width}, Remind({walk.width}, d))"
    broken = f"{name} = Held({walk.width}, Remind({walk.width} + 1, d))"
    return Step((made, f"x = x |> {name}"), walk.width, ((0, made, broken),))


def experts(walk: Walk) -> Step:
    """A mixture of experts, some of which may hand back what they get."""
    pool, route, w, i = (walk.name(n) for n in ("pool", "route", "w", "i"))
    hidden = walk.draw(st.sampled_from(NAMES))
    idle = walk.draw(st.sampled_from(["", ", 2 * Identity()"]))
    made = f"{route} = SoftmaxRouter({walk.width}, {5 if idle else 3}, 2)"
    lines = (
        made,
        f"{pool} = bank(3 * SwiGLU({walk.width}, {hidden}){idle}, 2)",
        f"{w}, {i} = {route}(x)",
        f"x += mixture({pool}, {w}, {i})(x)",
    )
    wrong = made.replace(f"({walk.width}", f"({walk.width} + 1")
    return Step(lines, walk.width, ((0, made, wrong),))


def rounds(walk: Walk) -> Step:
    """A matrix of its own applied several times, and what was seen on the way."""
    name, state, seen = walk.name("p"), walk.name("z"), walk.name("seen")
    count = walk.draw(st.sampled_from(["1", "2", "u"]))
    made = f"{name} = Linear({walk.width}, {walk.width})"
    body = f"{{ {state} = tanh({name}({state})) + 0.5 * x  yield {state} }}"
    lines = (
        made,
        f"{state}, {seen} = loop {count} with {state}: [B, T, {walk.width}] = x {body}",
        f"x = {state} + sum[r B T c -> B T c]({seen})",
    )
    return Step(lines, walk.width, ((0, made, made.replace("(", "(1 + ", 1)),))


def convolution(walk: Walk) -> Step:
    """Every channel over the last tokens."""
    name = walk.name("c")
    taps = walk.draw(st.sampled_from(["1", "2", "4", "u"]))
    made = f"param {name}: [{walk.width}, {taps}] = normal(0.02)"
    line = f"x = einsum[B T n c, c n -> B T c](window(x, {taps}), {name})"
    return Step((made, line), walk.width, ((0, made, made.replace("[", "[1 + ", 1)),))


def recurrence(walk: Walk) -> Step:
    """A state that fades, token by token."""
    gate, state = walk.name("g"), walk.name("s")
    first = walk.draw(st.sampled_from(["0", "1"]))
    made = f"x = scan T with {state}: [B, {walk.width}] = {first} over (x, {gate}) {{"
    lines = (
        f"{gate} = sigmoid(x)",
        made,
        f"  {state} = {state} * {gate} + x * (1 - {gate})",
        f"  yield tanh({state})",
        "}",
    )
    return Step(lines, walk.width, ((1, made, made.replace("[B, ", "[B, 1 + ", 1)),))


def attention(walk: Walk) -> Step:
    """Attention of the library, perhaps with rotations and a window."""
    name = walk.name("a")
    kv = walk.draw(st.sampled_from(["h", "1"]))
    window = walk.draw(st.sampled_from(["0", "1", "3", "u"]))
    position = walk.draw(st.sampled_from(["", ", position: Rope(2 * k)"]))
    made = f"{name} = GQA({walk.width}, h, {kv}, 2 * k{position}, window: {window})"
    broken = made.replace(f"GQA({walk.width}", f"GQA({walk.width} + 1")
    return Step((made, f"x += x |> {name}"), walk.width, ((0, made, broken),))


def own_attention(walk: Walk) -> Step:
    """Attention that is written out, with a cache of all tokens or of the last ones."""
    name, key, value = walk.name("p"), walk.name("key"), walk.name("value")
    last = walk.draw(st.sampled_from(["", "", " last 2", " last u"]))
    extent = last.removeprefix(" last ")
    cut = "rearrange[B T (k + k + v) -> B 1 T k, B 1 T k, B 1 T v]"
    seen = "Causal()" if not last else f"Window({extent})"
    lines = (
        f"{name} = Linear({walk.width}, k + k + v)",
        f"q, {key}, {value} = x |> {name} |> {cut}",
        f"cache {key}, {value}{last}",
        f"y = Attend(0.5, {seen})(q, {key}, {value})",
        "x = y |> rearrange[B 1 T v -> B T v]",
    )
    broken = lines[0].replace("k + k + v", "k + k + v + 1")
    return Step(lines, "v", ((0, lines[0], broken),))


STEPS: tuple[Callable[[Walk], Step], ...] = (
    project, product, gain, function, norm, pieces, heads, gated, residual,
    reminded, experts, rounds,
)  # fmt: skip
KEEPING = (attention, own_attention, convolution, recurrence)
"""Steps that keep something while decoding."""


@dataclass(frozen=True)
class Spec:
    """A drawn spec: the bodies of its layers and the numbers of its settings."""

    layers: tuple[tuple[Step, ...], ...]
    numbers: dict[str, int]
    counts: tuple[int, ...]
    flags: tuple[bool, ...]
    tied: bool
    twice: bool

    @property
    def breaks(self) -> list[tuple[int, int, int]]:
        """Every mutation as (layer, step, which of the step)."""
        return [
            (i, j, n)
            for i, layer in enumerate(self.layers)
            for j, step in enumerate(layer)
            for n in range(len(step.breaks))
        ]

    def text(self) -> str:
        """The spec."""
        return "\n".join(self._lines(None)[0]) + "\n"

    def broken(self, mutation: tuple[int, int, int]) -> tuple[str, range]:
        """The spec with one mutation, and the lines of the step that is broken, from 1."""
        lines, place = self._lines(mutation)
        return "\n".join(lines) + "\n", place

    def _lines(self, mutation: tuple[int, int, int] | None) -> tuple[list[str], range]:
        out = list(IMPORTS)
        place = range(0)
        for i, layer in enumerate(self.layers):
            names = ", ".join(NAMES)
            head = f"block Layer{i}({names}, flag: bool)(x: [B, T, d]) -> [B, T, d]"
            out += ["", head + " {"]
            for j, step in enumerate(layer):
                lines = list(step.lines)
                if mutation is not None and mutation[:2] == (i, j):
                    line, old, new = step.breaks[mutation[2]]
                    assert lines[line] == old != new
                    lines[line] = new
                    place = range(len(out) + 1, len(out) + 1 + len(lines))
                out += [f"  {line}" for line in lines]
            out += ["  return x", "}"]
        return out + self._model(), place

    def _model(self) -> list[str]:
        given = [*NAMES, "vocab", *(f"n{i}" for i in range(len(self.layers)))]
        parts = ", ".join(
            f"n{i} * Layer{i}({', '.join(NAMES)}, {str(flag).lower()})"
            for i, flag in enumerate(self.flags)
        )
        tie = ", w: embed.w" if self.tied else ""
        values = ", ".join(f"{name}: {self._number(name)}" for name in given)
        again = "|> layers |> layers" if self.twice else "|> layers"
        return [
            "",
            f"model M({', '.join(given)})(stream tokens: int[B, T]) -> [B, T, vocab] {{",
            "  embed = Embedding(vocab, d)",
            f"  layers = stack({parts})",
            f"  head = Linear(d, vocab{tie})",
            "  first = embed(tokens)",
            "  give first",
            f"  return first {again} |> head",
            "}",
            f"tiny M {{ {values.replace(',', ' ')} }}",
            f'variant V = M({values}) {{ name: "V" }}',
        ]

    def _number(self, name: str) -> int:
        if name == "vocab":
            return 11
        return self.counts[int(name[1:])] if name[1:].isdigit() else self.numbers[name]


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """A spec that checks."""
    layers = []
    for _ in range(draw(st.integers(1, 3))):
        walk = Walk(draw)
        for _ in range(draw(st.integers(1, 5))):
            step = draw(st.sampled_from((*STEPS, *KEEPING)))(walk)
            walk.steps.append(step)
            walk.width = step.width
        if walk.width != "d":
            name = walk.name("p")
            last = (f"{name} = Linear({walk.width}, d)", f"x = x |> {name}")
            walk.steps.append(Step(last, "d"))
        layers.append(tuple(walk.steps))
    return Spec(
        tuple(layers),
        {name: draw(st.integers(1, 4)) for name in NAMES},
        tuple(draw(st.integers(1, 3)) for _ in layers),
        tuple(draw(st.booleans()) for _ in layers),
        draw(st.booleans()),
        draw(st.booleans()),
    )
