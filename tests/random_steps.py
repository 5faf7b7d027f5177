"""Bodies of layers drawn at random: walks of steps, each with mutations that break one dimension.

Each step takes `x`, a tensor [B, T, width], and makes another one. A step is a function in `STEPS`:
to cover one more form of a body, write one more. `random_specs.py` makes models of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

NAMES = ("d", "u", "v", "h", "k")
"""The dimensions that every layer has as settings; `d` is the width between layers."""

IMPORTS = (
    "use std.core: Embedding, GatedMLP, Identity, LayerNorm, Linear, MLP, RMSNorm",
    "use std.attention: Attend, Causal, GQA, Window",
    "use std.moe: SoftmaxRouter, Zero",
    "use std.position: Rope",
    "use std.sparse: EveryEntry, SharedKV",
    "block Remind(m, d = m)(x: [B, T, m]) -> [B, T, m] given first: [B, T, d], tokens: int[B, T] {",
    "  up = Linear(d, m)",
    "  odd = rearrange[B T -> B T 1](tokens % 2 == 1 and tokens > 2)",
    "  return select(odd, x, x * sigmoid(up(first)))",
    "}",
    "block Grouped(m, n)(x: [B, T, m]) -> [B, T, m]",
    'as norm "Groups", "One group" when n == 1 where m % n == 0, n <= m {',
    "  const ramp: float32[m // n] = 1 + arange(m // n) / (m // n)",
    "  buffer shift: [n] = ones",
    "  y = rearrange[B T (n c) -> B T n c](x)",
    "  y = y * model_dtype(ramp) + rearrange[n -> n 1](shift)",
    "  return rearrange[B T n c -> B T (n c)](y / (1 + max[B T n c -> B T n 1](abs(y))))",
    "}",
    "block Bent()(x: [...]) -> [...] {",
    "  return select(x < -1 or x >= 1, tanh(x), x)",
    "}",
    "block Placed(m)(x: [B, T, m]) -> [B, T, m] given tokens: int[B, T]",
    "where m >= 1 {",
    "  return select(rearrange[B T -> B T 1](tokens < m), x, x / 2)",
    "}",
    "block Held(m, inner: [B, T, m] -> [B, T, m])(x: [B, T, m]) -> [B, T, m] {",
    "  f = inner",
    "  return f(x)",
    "}",
    "block Ahead(d, inner: [B, T, d] -> [B, T, d])(h: [B, T, d], e: [B, T, d]) -> [B, T, d] {",
    "  join = Linear(2 * d, d)",
    "  f = inner",
    "  return rearrange[B T d, B T d -> B T (d + d)](h, e) |> join |> f",
    "}",
)
"""The head of every spec. A model gives `first`, its embedded tokens."""

CARRIED, SLICED, SAME = "z: [B, T, u]", "e: [B, T, v]", "m: [B, T, d]"
"""What layers may take beside `x`: a tensor that goes from layer to layer, a slice for each layer,
one that is the same for all.
"""


@dataclass(frozen=True)
class Step:
    """Lines of a body that set `x`. `breaks`: (line, what stands there, what breaks it)."""

    lines: tuple[str, ...]
    width: str
    breaks: tuple[tuple[int, str, str], ...] = ()


@dataclass
class Walk:
    """A body under construction: the next free number for names, the width of `x`, what the layer
    takes beside it.
    """

    draw: st.DrawFn
    beside: tuple[str, ...] = ()
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
    forms = (
        "silu(x)",
        "tanh(x) * 2",
        "x / (1 + abs(x))",
        "maximum(x, -x)",
        "-x + 0.5",
        "Bent()(x)",
    )
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


def grouped(walk: Walk) -> Step:
    """A block with conditions, a table that is computed and one that is held."""
    name, into = walk.name("g"), walk.name("p")
    times = walk.draw(st.sampled_from(NAMES))
    lines = (
        f"{into} = Linear({walk.width}, {times} * 2)",
        f"{name} = Grouped({times} * 2, {walk.draw(st.sampled_from(['1', '2', times]))})",
        f"x = x |> {into} |> {name}",
    )
    return Step(lines, f"{times} * 2", ((0, lines[0], lines[0].replace("2)", "2 + 1)")),))


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
    kind = walk.draw(st.sampled_from(["GatedMLP", "MLP"]))
    made = f"{name} = {kind}({walk.width}, {hidden})"
    broken = f"{name} = {kind}({walk.width} + 1, {hidden})"
    return Step((made, f"x += x |> {name}"), walk.width, ((0, made, broken),))


def reminded(walk: Walk) -> Step:
    """A block inside another one that is given what went into the layers."""
    name = walk.name("r")
    inner = walk.draw(st.sampled_from(["Remind({}, d)", "Placed({})"]))
    made = f"{name} = Held({walk.width}, {inner.format(walk.width)})"
    broken = f"{name} = Held({walk.width}, {inner.format(f'{walk.width} + 1')})"
    return Step((made, f"x = x |> {name}"), walk.width, ((0, made, broken),))


def experts(walk: Walk) -> Step:
    """A mixture of experts, some of which may hand back what they get."""
    pool, route, w, i = (walk.name(n) for n in ("pool", "route", "w", "i"))
    hidden = walk.draw(st.sampled_from(NAMES))
    other, more = walk.draw(
        st.sampled_from(
            [
                ("", 0),
                (", 2 * Identity()", 2),
                (f", 2 * MLP({walk.width}, {hidden})", 2),
                (f", 1 * MLP({walk.width}, h), 1 * Zero(), 1 * Identity()", 3),
            ]
        )
    )
    made = f"{route} = SoftmaxRouter({walk.width}, {3 + more}, 2)"
    lines = (
        made,
        f"{pool} = bank(3 * GatedMLP({walk.width}, {hidden}){other}, 2)",
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


def memory(walk: Walk) -> Step:
    """A matrix and a sum of what was written into it, token by token."""
    name, M, n = walk.name("p"), walk.name("M"), walk.name("n")
    made = f"y = scan T with {M}: [B, k, v] = 0, {n}: [B, v] = 1 over (a, b) {{"
    lines = (
        f"{name} = Linear({walk.width}, k + v)",
        f"a, b = x |> {name} |> tanh |> rearrange[B T (k + v) -> B T k, B T v]",
        made,
        f"  {M} = 0.5 * {M} + einsum[B k, B v -> B k v](a, b)",
        f"  {n} = 0.5 * {n} + abs(b)",
        f"  yield einsum[B k v, B k -> B v]({M}, a) / (1 + {n})",
        "}",
        "x = y",
    )
    return Step(lines, "v", ((2, made, made.replace("[B, v]", "[B, v + 1]")),))


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


def entries(walk: Walk) -> Step:
    """Attention to one entry for several tokens, each the mean of what it stands for."""
    make, ask, heads, entry = (walk.name(n) for n in ("p", "p", "s", "entry"))
    m = walk.draw(st.sampled_from(["1", "2", "3", "u"]))
    lines = (
        f"{make} = Linear({walk.width}, k)",
        f"{ask} = Linear({walk.width}, h * k)",
        f"{heads} = SharedKV(h, k)",
        f"{entry} = mean[B T n c -> B T c](window({make}(x), {m}))",
        f"cache {entry} every {m}",
        f"q = x |> {ask} |> rearrange[B T (h k) -> B h T k]",
        f"y = {heads}(q, {entry}, EveryEntry({m})(x, x, {entry}))",
        "x = y |> rearrange[B h T k -> B T (h k)]",
    )
    return Step(lines, "h * k", ((0, lines[0], lines[0].replace("k)", "k + 1)")),))


def own_slot(walk: Walk) -> Step:
    """What fills the slot of the layer, which several layers may share."""
    name, into, out = walk.name("f"), walk.name("p"), walk.name("p")
    lines = (
        f"{into} = Linear({walk.width}, d)",
        f"{out} = Linear(d, {walk.width})",
        f"{name} = common",
        f"x += x |> {into} |> {name} |> {out}",
    )
    return Step(lines, walk.width, ((0, lines[0], lines[0].replace("d)", "d + 1)")),))


def beside(walk: Walk) -> Step:
    """Something else that the layer takes: read, and changed where it goes from layer to layer."""
    name, back = walk.name("p"), walk.name("p")
    what = walk.draw(st.sampled_from(walk.beside))
    other, width = what[0], what[-2]
    made = f"{name} = Linear({width}, {walk.width})"
    lines = (made, f"x += {name}(tanh({other}))")
    if what == CARRIED:
        lines = (*lines, f"{back} = Linear({walk.width}, u)", f"z += tanh({back}(x))")
    return Step(lines, walk.width, ((0, made, made.replace(")", " + 1)")),))


STEPS: tuple[Callable[[Walk], Step], ...] = (
    project, product, gain, function, norm, grouped, pieces, heads, gated, residual,
    reminded, experts, rounds, own_slot,
)  # fmt: skip
KEEPING = (attention, own_attention, convolution, recurrence, memory, entries)
"""Steps that keep something while decoding."""


def layer(draw: st.DrawFn, taken: tuple[str, ...]) -> tuple[Step, ...]:
    """The steps of a layer that takes so much beside `x`."""
    walk = Walk(draw, taken)
    possible = (*STEPS, *KEEPING, *((beside, beside, beside) if taken else ()))
    for _ in range(draw(st.integers(1, 5))):
        step = draw(st.sampled_from(possible))(walk)
        walk.steps.append(step)
        walk.width = step.width
    if walk.width != "d":
        name = walk.name("p")
        last = (f"{name} = Linear({walk.width}, d)", f"x = x |> {name}")
        walk.steps.append(Step(last, "d"))
    return tuple(walk.steps)
