"""Whole programs drawn at random, well-typed by construction: every form of the language together.

Where `random_specs.py` draws typed walks of steps known to be sound, this draws bodies from values
of any type: what is bound is kept in a table with its type, and every step takes from it what fits.

    python tests/random_programs.py --seed 7 --count 50000 --jobs 2

prints the seed of each program that is not equal everywhere; `--seed N --count 1` shows that one,
and `--shrink` a shorter one with the same fault.
"""

import argparse
import collections
import contextlib
import io
import multiprocessing
import random
import re
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from random_bodies import CONDITIONS, DIMS, Pick, block
from random_types import named

IMPORTS = """use std.core: Embedding, GatedMLP, Identity, LayerNorm, Linear, MLP, RMSNorm
use std.attention: Attend, Causal, GQA, Window
use std.encoder: CrossAttention
use std.moe: SoftmaxRouter, TopRouter, Zero
use std.position: Rope
use std.sparse: EveryEntry, SharedKV
"""
PASSED = ("equal", "refused", "out of range")
"""How the outcomes begin that are no faults; few may be refused or out of range."""
SECONDS = 60
"""No program takes longer."""
SHOWN = 5000
"""After so many programs a line says how many there were."""
SMOKE = 8
"""Of so many programs one runs its emitted file's own test."""
BESIDE_IT = "# --- parts.arch, a file beside it ---\n"
"""What stands between a program and the file that it imports from."""
BLOCKS = """block Carry(d, e)(x: [B, T, d], z: [B, T, e]) -> ([B, T, d], [B, T, e]) as layer {
  up = Linear(e, d)
  down = Linear(d, e)
  old = x
  x += up(z)
  return x, z + down(tanh(old))
}
block Slice(d, e)(x: [B, T, d], s: [B, T, e], m: [B, T, d]) -> [B, T, d] as layer {
  up = Linear(e, d)
  return x + up(s) - m
}
block Slot(d, inner: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] as layer {
  norm = RMSNorm(d)
  f = inner
  x += x |> norm |> f
  return x
}
block Twin(d, wide)(x: [B, T, d]) -> [B, T, d] as layer {
  share m = MLP(d, wide)
  a = m
  b = m
  x += a(x)
  x += b(tanh(x))
  return x
}
block Ahead(d)(x: [B, T, d], y: [B, T, d]) -> [B, T, d] {
  f = Linear(d, d, bias: true)
  return f(x) * y
}
block Turned(rate: float, twice: bool = false)(x: [B, T, d]) -> [B, T, d] as layer {
  y = tanh(x * rate)
  return 2 * y if twice else y
}
block Bend(d, f: [B, T, d] -> [B, T, d] = silu)(x: [B, T, d]) -> [B, T, d] as layer {
  y = f(x)
  return x + y if f == silu else f(y) - x
}
block Pair(d, e)(x: [..., d]) -> ([..., d], int[..., e]) where d >= 1 {
  f = Linear(d, e)
  return tanh(x), floor(f(x) * 2.3)
}
block Affine(m, n, bias: bool = false)(x: [..., m]) -> [..., n] as linear lowers linear when n > 2 {
  param weight: [n, m] = uniform(-1, 1)
  param bias: [n] = fill(0.5) when bias
  y = einsum[... m, n m -> ... n](x, weight)
  return y + bias if bias else y
}
block Unit(d, eps: float = 1e-3)(x: [..., d]) -> [..., d] as norm lowers rms_norm {
  param weight: [d] = ones
  f = float32(x)
  return model_dtype(f * rsqrt(mean[... d -> ... 1](f ^ 2) + eps)) * weight
}
block Centred(d, eps: float = 0.01)(x: [..., d]) -> [..., d] as norm lowers layer_norm when d > 2 {
  param weight: [d] = ones
  param bias: [d] = zeros
  c = x - mean[... d -> ... 1](x)
  return c * rsqrt(mean[... d -> ... 1](c ^ 2) + eps) * weight + bias
}
block Taps(c, taps)(x: [B, T, c]) -> [B, T, c] as convolution lowers causal_conv {
  param weight: [c, taps] = uniform(-1, 1)
  return einsum[B T taps c, c taps -> B T c](window(x, taps), weight)
}
block Widths(d, widths: list(dim), extra: count = 0)(x: [..., d]) -> [..., d] where extra < 3 {
  up = Linear(d, len(widths + [1]) + extra)
  down = Linear(len(widths + [1]) + extra, d)
  return x |> up |> down
}
block Choose(d, mode: enum(near, far, none) = none, rate: float = 1)(x: [..., d]) -> [..., d] {
  param g: [d] = ones when mode != none
  y = x * g if mode in [near, far] else x / (1 + rate)
  return tanh(y) if mode == far and rate > 1 else y
}
block Needs(d)(x: [B, T, d]) -> [B, T, d] given nowhere: [B, T, d] {
  return x + nowhere
}
block Kept(d)(x: [B, T, d]) -> [B, T, d] {
  k = x
  cache k
  s = einsum[B T d, B S d -> B T S](x, k)
  return einsum[B T S, B S d -> B T d](softmax[... S](s), k)
}
block Centre(d)(x: [B, T, d]) -> [B, T, d] {
  return x - mean[B T d -> B 1 d](x)
}
block Causes(d)(x: [B, T, d]) -> [B, T, d] {
  f = Linear(d, d, bias: true)
  return f(x) + mean[B T n d -> B T d](window(x, 2))
}
"""


def program(pick: Pick, wrong: str = "") -> str:
    """The text of a program; `wrong` is a body that a block of it has, from `x` to `return`."""
    blocks: dict[str, str] = {}
    for i in range(pick((0, 1, 1))):
        blocks[f"E{i}"] = block(pick, f"E{i}", (), tokens=False)
    for i in range(pick((1, 2, 2, 3))):
        blocks[f"F{i}"] = block(
            pick, f"F{i}", tuple(n for n in blocks if pick((0, 1))), tokens=True
        )
    fs = [f"{n}(d, e, k, h)" for n in blocks if n.startswith("F")]
    encoder = not wrong and pick((0, 0, 0, 0, 0, 1))
    t = "N" if encoder else "T"
    lines = ["embed = Embedding(7, d)"]
    share = pick((0, 0, 1))
    if share:
        common = pick(("MLP(d, 3)", "GQA(d, 2, 2, 2)", "GatedMLP(d, 2)", fs[0]))
        lines.append(f"share common = {common}")
    schedule = drawn_schedule(pick, fs, bool(share))
    lines.append(f"layers = stack({schedule})")
    inputs, entry = drawn_entry(pick, t)
    if "enter" in entry:
        lines = [line for line in lines if not line.startswith("embed")] + ["enter = Linear(3, d)"]
    lines += [f"first = {entry}", "give first"]
    lines.append("x = layers(first)")
    if pick((0, 0, 0, 1)):
        lines.append("x = layers(x)")
    if pick((0, 0, 1)):
        count = pick(("2", "2", "0", "1"))
        lines += ["zs = Linear(d, e)", f"carried = stack({count} * Carry(d, e))",
                  "x, z = carried(x, zs(x))", "back = Linear(e, d)", "x += back(z)"]  # fmt: skip
    if pick((0, 0, 1)):
        lines += ["ss = Linear(d, 2 * e)", "sliced = stack(2 * Slice(d, e))",
                  f"e_2 = rearrange[B {t} (2 e) -> 2 B {t} e](ss(x))",
                  "x = sliced(x, each e_2, first)"]  # fmt: skip
    if share and (pick((0, 1)) or "common" not in schedule):
        lines.append("x = x * 0.5 + common(x)")
    if pick((0, 0, 0, 1)):
        lines.append(f"apart ahead = {pick(('Ahead(d)', 'stack(2 * Ahead(d))'))}")
    free = [f for f in fs if " given " not in blocks[f[:2]].splitlines()[0]]
    for more, steps in drawn_beside(pick, free):
        inputs.insert(pick(range(len(inputs) + 1)), more)
        lines += steps
    if wrong:
        place = pick(("Wrong(d)", "stack(2 * Slot(d, Wrong(d)))", "Slot(d, Wrong(d))",
                      f"stack({fs[0]}, 2 * (Slot(d, Slot(d, Wrong(d)))))"))  # fmt: skip
        lines += [f"wrong = {place}", "x = x + wrong(x)"]
    floats = any(line.startswith("enter") for line in lines)
    out = pick(("d", "d", "two", "tied")) if not floats else "d"
    outputs, result = f"[B, {t}, d]", "x"
    if out == "two":
        lines.append("head = Linear(d, k)")
        outputs = f"([B, {t}, k], [{t}, B, d])"
        result = f"head(x), rearrange[B {t} d -> {t} B d](x)"
    elif out == "tied":
        lines.append("head = Linear(d, 7, weight: embed.weight)")
        outputs, result = f"[B, {t}, 7]", "head(x)"
    elif encoder and pick((0, 1)):
        outputs, result = "[B, d]", "mean[B N d -> B d](x)"
    return written(pick, blocks, wrong, schedule, inputs, outputs, [*lines, f"return {result}"])


def written(
    pick: Pick,
    blocks: dict[str, str],
    wrong: str,
    schedule: str,
    inputs: Sequence[str],
    outputs: str,
    lines: Sequence[str],
) -> str:
    """The text of a program: its blocks, those that they use, the model and its numbers."""
    settings = [*DIMS]
    small: dict[str, Any] = {name: pick((2, 3, 4)) for name in DIMS}
    large: dict[str, Any] = {name: value + pick((0, 1)) for name, value in small.items()}
    if any(test in "".join(blocks.values()) for test in CONDITIONS):
        large = dict(small)  # what settings decide is the same for the tiny model
    if re.search(r"\bn\b", schedule):
        settings.append("n")
        small["n"], large["n"] = pick((1, 2)), 2
    if "kinds" in schedule:
        settings.append("kinds: list(enum(near, far))")
        small["kinds"] = large["kinds"] = "[near, far, near]"
    if "widths" in schedule:
        settings.append("widths: list(dim) = [2, k]")
    where = ""
    if any(i.startswith("stream") for i in inputs) and pick((0, 0, 0, 1)):
        settings.append("context: count = 9")
        where = pick(
            (" where T <= context", " where T <= context, d > 1", " where T < 3 * context")
        )
    body = "\n".join(f"  {line}" for line in lines)
    idle = [name for name in DIMS if not re.search(rf"\b{name}\b", f"{body} {outputs} {inputs}")]
    if idle:  # what the body does not use, a condition does
        conditions = ", ".join(f"{name} > 0" for name in idle)
        where = f"{where}, {conditions}" if where else f" where {conditions}"
    own = "\n".join(blocks.values())
    texts = {text.split("(")[0].split()[1]: text
             for text in re.split(r"(?m)^(?=block )", BLOCKS) if text}  # fmt: skip
    used = [name for name in texts if re.search(rf"\b{name}\b", f"{body}\n{own}\n{wrong}")]
    beside = [name for name in used if pick((0, 1))] if pick((0, 0, 0, 1)) else []
    text = "\n".join([
        IMPORTS,
        *([f"use ./parts: {', '.join(beside)}"] if beside else []),
        *(texts[name] for name in used if name not in beside),
        own,
        *([f"block Wrong(d)(x: [B, T, d]) -> [B, T, d] {{\n{wrong}}}"] if wrong else []),
        f"model M({', '.join(settings)})({', '.join(inputs)}) -> {outputs}{where} {{\n{body}\n}}",
        f"tiny M {{ {'  '.join(f'{k}: {v}' for k, v in small.items())} }}",
        f"variant V = M({', '.join(f'{k}: {v}' for k, v in large.items())}) {{ }}",
        "",
    ])  # fmt: skip
    text = named(text) if pick((0, 0, 1)) else text
    if not beside:
        return text
    parts = "".join(texts[name] for name in beside)
    return f"{text}{BESIDE_IT}use std.core: Linear, MLP, RMSNorm\n{parts}"


def drawn_schedule(pick: Pick, fs: Sequence[str], share: bool) -> str:
    """The layers of a stack."""
    others = [*fs, f"Slot(d, {pick(fs)})", "Slot(d, MLP(d, h))", "Slot(d, MLP(d, e, bias: true))",
              "Twin(d, e)", "Slot(d, Turned(0.5))", "Slot(d, tanh)", "Bend(d)", "Bend(d, tanh)",
              "Bend(d, silu |> Turned(0.4, true) |> tanh)", f"Slot(d, RMSNorm(d) |> {pick(fs)})",
              "(RMSNorm(d) |> MLP(d, e) |> tanh)", "MLP(d, h, activation: tanh |> sigmoid)",
              f"(Turned(0.2) |> Slot(d, tanh |> {pick(fs)}) |> Linear(d, d))"]  # fmt: skip
    others += ["Slot(d, common)"] * 2 if share else []
    a, b = pick(others), pick(others)
    return str(pick((
        f"n * {a}", f"{a}, {b}", f"2 * ({a}, {b})", f"n * ({a}), {b}", f"n * (2 * {a}, {b})",
        f"{a} if kind == near else {b} for kind in kinds", f"0 * {a}, {b}",
        f"{a} if i % 2 == 0 else {b} for i in 3", "Slot(d, MLP(d, e + i)) for i in 2",
        "Slot(d, MLP(d, wide)) for wide in widths", "Turned(0.3 * (i + 1), i == 1) for i in 3",
        "Slot(d, Turned(1 / (i + 1))) for i in n",
    )))  # fmt: skip


def drawn_entry(pick: Pick, t: str) -> tuple[list[str], str]:
    """The input that the model reads along `t`, and what makes [B, t, d] of it."""
    dtype, axes, entry = pick((
        ("int", "B, t", "embed(tokens)"),
        ("int", "B, t", "embed(tokens)"),
        ("", "B, t, 3", "enter(tokens)"),
        ("int", "B, t, 2", "sum[B t c d -> B t d](embed(tokens))"),
        ("int", "t, B", "rearrange[t B d -> B t d](embed(tokens))"),
        ("bool", "B, t, 3", "enter(model_dtype(select(tokens, 1, -1)))"),
        ("float32", "B, t, 3", "enter(model_dtype(tokens))"),
    ))  # fmt: skip
    name = "stream tokens" if t == "T" else "tokens"
    return [f"{name}: {dtype}[{axes}]".replace("t]", f"{t}]").replace("t,", f"{t},")], re.sub(
        r"\bt\b", t, entry
    )


def drawn_beside(pick: Pick, free: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Inputs beside, each with what the model makes of it; `free` layers need no context."""
    known = [
        ("marks: [B, M, e]",
         ["see = Linear(e, d)", "x = x + rearrange[B d -> B 1 d](mean[B M d -> B d](see(marks)))"]),
        ("source: int[B, P]",
         ["texts = Embedding(6, d)", "memory = tanh(texts(source))",
          "x = x * rearrange[B d -> B 1 d](max[B P d -> B d](memory))"]),
        ("source: int[B, P]",
         ["texts = Embedding(6, d)", "memory = tanh(texts(source))",
          "cross = CrossAttention(d, 2, d_head: 2)", "give memory", "x += cross(x)"]),
        ("source: int[B, P]",
         ["texts = Embedding(6, d)",
          f"reader = stack(2 * Slot(d, {pick(('MLP(d, 2)', 'Turned(0.7)', *free))}))",
          "memory = reader(texts(source))", "cross = CrossAttention(d, 2, d_head: 2)",
          "give memory", "x += cross(x)"]),
        ("source: int[B, P]",
         ["texts = Embedding(6, d)",
          f"both = stack(2 * Slot(d, {pick(('MLP(d, 2)', 'GQA(d, 2, 2, 2)', *free))}))",
          "x = both(x) * rearrange[B d -> B 1 d](mean[B P d -> B d](both(texts(source))))"]),
        ("keep: bool[B, Q]",
         ["x = x + 0.1 * model_dtype(rearrange[B -> B 1 1](sum[B Q -> B](keep)))"]),
        ("gain: []", ["x = x * tanh(gain)"]),
        ("image: [B, 3, 2 * d]",
         ["patch = Linear(2 * d, d)",
          "x = x - rearrange[B d -> B 1 d](sum[B c d -> B d](patch(image)))"]),
    ]  # fmt: skip
    chosen: dict[str, list[str]] = {}
    for _ in range(pick((0, 0, 0, 1, 1, 2, 3))):
        name, steps = pick(known)
        chosen.setdefault(name, steps)
    return list(chosen.items())


MISTAKES = (
    ("causality", "y = x - mean[B T d -> B 1 d](x)  # here"),
    ("causality", "y = x / T  # here"),
    ("causality", "y = x + model_dtype(rearrange[T -> T 1](arange(T)))  # here"),
    ("causality", """y = rearrange[B T d -> B d T](x)
  y = rearrange[B d T -> B T d](softmax[... T](y))  # here"""),
    ("causality", """k = x
  cache k
  y = x + mean[B S d -> B 1 d](k)  # here"""),
    ("causality", """k = x
  cache k
  y = x + max[B S d -> B 1 d](k)  # here"""),
    ("future-mask", """k = x
  cache k
  seen = rearrange[T -> T 1](positions(T)) >= rearrange[S -> 1 S](positions(S)) - 1  # here
  s = select(seen, einsum[B T d, B S d -> B T S](x, k), -inf)
  y = einsum[B T S, B S d -> B T d](softmax[... S](s), k)"""),
    ("expert-tokens", """pool = bank(2, Causes(d), 1)
  route = SoftmaxRouter(d, 2, 1)
  w, i = route(x)
  y = mixture(pool, w, i)(x)"""),
    ("dtype-mismatch", "y = x + (x > 0)  # here"),
    ("dtype-mismatch", "y = einsum[B T d, d -> B T d](x, arange(d))  # here"),
    ("dtype-mismatch", "y = select(x, x, 0)  # here"),
    ("shape-mismatch", "y = rearrange[B T d -> T B d](x) + x  # here"),
    ("shape-mismatch", """f = Linear(d, d + 1)
  y = x + f(x)  # here"""),
    ("pattern-axes", "y = sum[B T d -> B T d](x)  # here"),
    ("pattern-axes", "y = rearrange[B T d -> B T](x)  # here"),
    ("unknown-name", "y = x + nowhere  # here"),
    ("not-static", "y = x if x > 0 else -x  # here"),
    ("unused-binding", """unused = Linear(d, d)  # here
  y = x"""),
    ("tie-mismatch", """f = Linear(d, d)
  g = Linear(d, d + 1, weight: f.weight)  # here
  y = f(x) + sum[B T n -> B T 1](g(x))"""),
    ("anonymous-parameters", "y = Linear(d, d)(x)  # here"),
    ("missing-context", """f = Needs(d)
  y = f(x)"""),
    ("duplicate-name", """a = scan T with s: [B, d] = 0 over (x) { s = s + x  yield s }
  y = scan T with s: [B, d] = 0 over (a) { s = s + a  yield s }  # here"""),
    ("unbound-axis", """z = x
  y = scan T with s: [B, d] = 0 over (x) { s = s + z  yield s }  # here"""),
    ("not-a-layer", """f = stack(2 * Linear(d, d + 1))  # here
  y = x + mean[B T n -> B T 1](f(x))"""),
    ("unbound-axis", """y = x |> rearrange[B T (h k) -> B T h k]  # here
  y = rearrange[B T h k -> B T (h k)](y)"""),
    ("missing-setting", """f = Linear(d)  # here
  y = f(x)"""),
    ("kind-mismatch", """f = Linear(d, true)  # here
  y = f(x)"""),
    ("bad-value", """param w: [d] = normal(-1)  # here
  y = x * w"""),
    ("shape-mismatch", """f = [Linear(d, d), Linear(d, d + 1)]
  y = sum[n B T d -> B T d](f(x))  # here"""),
    ("unused-binding", """f = [Linear(d, d), Linear(d, d)]  # here
  y = f[1](x)"""),
    ("bad-value", """f = 2 * [Linear(d, d)]
  y = f[0](x) + f[2](x)  # here"""),
    ("not-static", """f = 2 * [Linear(d, d)]
  y = f[x](x)  # here"""),
    ("future-mask", """f = [Kept(d), Kept(d)]
  y = mean[n B T d -> B T d](f(x))"""),
    ("causality", """f = [Centre(d), Linear(d, d)]
  y = mean[n B T d -> B T d](f(x))"""),
    ("causality", """f = [Centre(d), Linear(d, d)]
  y = f[1](x) + f[0](x)"""),
)  # fmt: skip
"""What no program may do: the code with which it is refused, and statements that make y of x.

The line that is refused ends in `# here`, where it is not a block elsewhere that is.
"""


def mistaken(pick: Pick) -> tuple[str, str, int]:
    """A program with a mistake: its text, the code and the line of its error, 0 if not marked."""
    code, statements = pick(MISTAKES)
    text = program(pick, f"  {statements}\n  return y\n")
    marked = [i for i, line in enumerate(text.split("\n"), 1) if line.endswith("# here")]
    return text, code, marked[0] if marked else 0


def seeded(seed: int) -> str:
    """The program of a seed."""
    return program(random.Random(seed).choice)


# --- many of them ---------------------------------------------------------------------------------


def checked_program(text: str) -> Any:
    """A program checked, with the file beside it where it has one."""
    from archdsl import pipeline
    from archdsl.source import Source

    main, _, parts = text.partition(BESIDE_IT)
    if not parts:
        return pipeline.check_source(Source("random.arch", main))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "parts.arch").write_text(parts, encoding="utf-8")
        return pipeline.check_source(Source("random.arch", main, Path(folder, "random.arch")))


def smoke(text: str) -> None:
    """Runs an emitted file's own test. In single precision a comparison of two numbers that are
    nearly equal may fail it; anything else that is raised is a fault.
    """
    from emitted import run

    with contextlib.suppress(AssertionError), contextlib.redirect_stdout(io.StringIO()):
        run(text).main()


def tried(text: str) -> tuple[str, str]:
    """What becomes of a program, `equal`, `refused` or what is wrong, and the details."""
    from archdsl.emit import emit
    from equality import OutOfRange, assert_equal_everywhere

    try:
        checked = checked_program(text)
        if checked.diagnostics:
            first = checked.diagnostics[0]
            return f"refused [{first.code}]", "\n".join(d.text() for d in checked.diagnostics)
        (variant,) = checked.variants
        tiny = variant.tiny
        assert_equal_everywhere(variant.model, tiny)
        if zlib.crc32(text.encode()) % SMOKE == 0:
            smoke(emit(variant.model, tiny))
    except OutOfRange:
        return "out of range", ""
    except Exception as error:
        kind = re.sub(r"[-+]?[.\d]+(e[-+]?\d+)?|emitted_\w+|'[^']*'|\"[^\"]*\"", "#", str(error))
        return (
            f"{type(error).__name__}: {kind.strip().splitlines()[0][:110] if kind.strip() else ''}",
            (traceback.format_exc()),
        )
    return "equal", ""


def shrunk(text: str, outcome: str) -> str:
    """A shorter program with the same outcome: lines are left out as long as it stays."""
    lines = text.split("\n")
    size = len(lines) // 2
    while size:
        i = 0
        while i < len(lines):
            shorter = lines[:i] + lines[i + size :]
            if tried("\n".join(shorter))[0] == outcome:
                lines = shorter
            else:
                i += size
        size //= 2
    return "\n".join(lines)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} seconds")


def outcome_of(seed: int) -> tuple[int, int, str, str]:
    """(seed, length of the text, what becomes of the program, details)."""
    import torch

    torch.set_num_threads(1)
    text = seeded(seed)
    if hasattr(signal, "SIGPROF"):  # processor time: a busy machine is no failure
        signal.signal(signal.SIGPROF, _too_long)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
    outcome, details = tried(text)
    if hasattr(signal, "SIGPROF"):
        signal.setitimer(signal.ITIMER_PROF, 0)
    for name in [n for n in sys.modules if n.startswith("emitted_")]:
        del sys.modules[name]
    return seed, len(text), outcome, details


def main() -> int:
    parser = argparse.ArgumentParser(description="random programs, held to their meaning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1, help="processes beside one another")
    parser.add_argument("--shrink", action="store_true", help="with --count 1: a shorter program")
    parser.add_argument("--quiet", action="store_true", help="only the counts")
    options = parser.parse_args()
    begun = time.time()
    counts: collections.Counter[str] = collections.Counter()
    shortest: dict[str, tuple[int, int]] = {}
    # A process is replaced now and then: modules that were compiled are never freed whole.
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=500) as pool:
        outstanding = set(range(options.seed, options.seed + options.count))
        results = pool.imap_unordered(outcome_of, sorted(outstanding))
        while outstanding:
            try:
                seed, length, outcome, details = results.next(timeout=20 * SECONDS)
            except multiprocessing.TimeoutError:  # a process was killed, or waits for ever
                counts["no answer"] += len(outstanding)
                print(f"no answer: seeds {sorted(outstanding)[:20]}", flush=True)
                break
            outstanding.remove(seed)
            counts[outcome] += 1
            if not options.quiet and counts.total() % SHOWN == 0:
                print(f"{counts.total():,} programs", flush=True)
            if outcome != "equal":
                shortest[outcome] = min(shortest.get(outcome, (10**9, 0)), (length, seed))
            if options.count == 1:
                text = seeded(seed)
                print(f"{shrunk(text, outcome) if options.shrink else text}\n{details}")
            elif not outcome.startswith(PASSED) and not options.quiet:
                print(f"seed {seed}: {outcome}", flush=True)
    for outcome, count in counts.most_common():
        seed_of = f"  (shortest: seed {shortest[outcome][1]})" if outcome in shortest else ""
        print(f"{count:6} {outcome}{seed_of}")
    failed = sum(n for o, n in counts.items() if not o.startswith(PASSED))
    print(f"{options.count / (time.time() - begun):.1f} programs a second")
    print(f"{options.count - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
