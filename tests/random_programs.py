"""Whole programs drawn at random, well-typed by construction: every form of the language together.

Where `random_specs.py` draws typed walks of steps known to be sound, this draws bodies from values
of any type: what is bound is kept in a table with its type, and every step takes from it what fits.

    python tests/random_programs.py --seed 7 --count 50000 --jobs 2

prints each program that is not equal everywhere with its seed; `--seed N --count 1` is that one.
"""

import argparse
import collections
import multiprocessing
import random
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Pick = Callable[[Sequence[Any]], Any]
"""Chooses one of several; hypothesis or a seeded generator is behind it."""

DIMS = ("d", "e", "k", "h")
IMPORTS = """use std.core: Embedding, GeGLU, Identity, LayerNorm, Linear, MLP, RMSNorm, SwiGLU
use std.attention: Attend, Causal, GQA, Window
use std.encoder: CrossAttention
use std.moe: SoftmaxRouter, TopRouter, Zero
use std.position: Rope
use std.sparse: EveryEntry, SharedKV
"""
INITIAL = (
    "normal(0.5)", "uniform(-1, 1)", "fill(0.5)", "zeros", "ones", "log_uniform(1, 16)",
    "inverse_softplus(0.01, 0.5)",
)  # fmt: skip
FUNCTIONS = (
    "silu({})", "gelu({})", "gelu_tanh({})", "relu({})", "sigmoid({})", "tanh({})", "softplus({})",
    "logsigmoid({})", "exp(tanh({}))", "log(1 + abs({}))", "sqrt(abs({}))", "rsqrt(1 + abs({}))",
    "cos({})", "sin({})", "-{}", "abs({})", "{} ^ 2", "(1 + abs({})) ^ -0.5", "2 * {}", "{} / 3",
    "minimum({}, 0.7)", "maximum(-0.4, {})", "1 - {}", "0.5 + {}",
)  # fmt: skip


@dataclass(frozen=True)
class Type:
    dtype: str
    axes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{'' if self.dtype == 'float' else self.dtype}[{', '.join(self.axes)}]"

    @property
    def real(self) -> bool:
        return self.dtype in ("float", "float32")


def names(t: Type) -> list[str]:
    """The axes of a type in a pattern; an expression gets a local name."""
    return [a if re.fullmatch(r"\w+|\.\.\.", a) else f"p{i}" for i, a in enumerate(t.axes)]


def pattern(t: Type) -> str:
    return " ".join(names(t))


@dataclass
class Body:
    """Statements of a body under construction, and the values that are bound in it.

    `lead`: the leading axes that all values keep, `B T` or `...`.
    """

    pick: Pick
    lead: tuple[str, ...]
    blocks: tuple[str, ...] = ()
    values: dict[str, Type] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    number: int = 0
    given: bool = False

    def fresh(self, start: str) -> str:
        self.number += 1
        return f"{start}{self.number}"

    def bind(self, expr: str, t: Type, again: bool = True) -> str:
        """A new name for a value, or `again` one that was read already."""
        known_names = [
            n
            for n, known in self.values.items()
            if n not in self.unused and (n.startswith("v") or (n == "x" and known == t))
        ]
        anew = again and known_names and self.pick((0, 0, 1))
        name = self.pick(known_names) if anew else self.fresh("v")
        self.lines.append(f"{name} = {expr}")
        self.put(name, t)
        return name

    def put(self, name: str, t: Type) -> None:
        self.values[name] = t
        self.unused.add(name)

    def take(self, fits: Callable[[Type], bool]) -> tuple[str, Type] | None:
        """A value that fits, those that nobody has read yet more often."""
        known = [n for n, t in self.values.items() if fits(t)]
        if not known:
            return None
        fresh = [n for n in known if n in self.unused]
        name = self.pick(fresh if fresh and self.pick((0, 1)) else known)
        self.unused.discard(name)
        return name, self.values[name]

    def real(self, *axes: str) -> tuple[str, Type]:
        """A real value, of these axes behind the leading ones where they are given."""
        found = self.take(lambda t: t.real and (not axes or t.axes == (*self.lead, *axes)))
        if found is None:
            base = self.take(lambda t: t.dtype == "float" and t.axes == (*self.lead, "d"))
            assert base is not None
            if axes in ((), ("d",)):
                return base
            w = self.param(("d", *axes))
            lead = " ".join(self.lead)
            term = " ".join(axes)
            expr = f"einsum[{lead} i, i {term} -> {lead} {term}]({base[0]}, {w})"
            t = Type("float", (*self.lead, *axes))
            return self.bind(expr, t, again=False), t
        return found

    def model(self, *axes: str) -> str:
        """An expression of the model's dtype with these axes."""
        name, t = self.real(*axes)
        self.unused.discard(name)
        return name if t.dtype == "float" else f"model_dtype({name})"

    def param(self, axes: Sequence[str], dtype: str = "") -> str:
        name = self.fresh("w")
        initial = self.pick(INITIAL)
        if len(axes) == 2 and axes[0] == axes[1] and self.pick((0, 1)):
            initial = "identity"
        self.lines.append(f"param {name}: {dtype}[{', '.join(axes)}] = {initial}")
        return name

    def dim(self, but: Sequence[str] = ()) -> str:
        return str(self.pick([a for a in DIMS if a not in but]))

    # --- steps ------------------------------------------------------------------------------------

    def function(self) -> None:
        name, t = self.real()
        self.bind(self.pick(FUNCTIONS).format(name), t)

    def product(self) -> None:
        name, t = self.real()
        other = self.take(lambda u: u.real and u.axes in (t.axes, t.axes[1:], t.axes[-1:]))
        assert other is not None
        op = self.pick(("{} + {}", "{} - {}", "{} * tanh({})", "maximum({}, {})",
                        "minimum({}, {})", "{} / (1 + abs({}))"))  # fmt: skip
        pair = (name, other[0]) if self.pick((0, 1)) or other[1] != t else (other[0], name)
        dtype = "float32" if "float32" in (t.dtype, other[1].dtype) else "float"
        self.bind(op.format(*pair), Type(dtype, t.axes))

    def gain(self) -> None:
        name, t = self.real()
        own = t.axes[len(self.lead) :]
        if "..." in own or "B" in own or "T" in own or not all(a.isalnum() for a in own):
            return
        kind = self.pick(("param", "param", "buffer", "const"))
        if kind == "param":
            axes = own[self.pick(range(len(own) + 1)) :]
            dtype = self.pick(("", "", "float32")) if t.dtype == "float32" else ""
            self.bind(f"{name} * {self.param(axes, dtype)}", t)
        elif kind == "buffer":
            b = self.fresh("b")
            self.lines.append(
                f"buffer {b}: float32[{', '.join(own)}] = {self.pick(('ones', 'fill(0.5)'))}"
            )
            self.bind(f"{name} + {'model_dtype' if t.dtype == 'float' else ''}({b})", t)
        elif own:
            c = self.fresh("c")
            self.lines.append(f"const {c}: float32[{own[-1]}] = arange({own[-1]}) / 2 + 1")
            self.bind(f"{name} / model_dtype({c})", t)

    def cast(self) -> None:
        name, t = self.real()
        to = "float32" if t.dtype == "float" else "float"
        self.bind(f"{'float32' if to == 'float32' else 'model_dtype'}({name})", Type(to, t.axes))

    def integers(self) -> None:
        known = self.take(lambda t: t.dtype == "int" and len(t.axes) >= len(self.lead))
        if known is None or self.pick((0, 1)):
            name, t = self.real()
            self.bind(f"floor({name} * 2.71 + 0.317)", Type("int", t.axes))
            return
        name, t = known
        form = self.pick(("{} % 5", "xor({}, 3)", "{} + 2", "maximum({}, 1)", "model_dtype({} % 7)",
                          "float32({}) / 3", "-{}", "{} * 3 % 4", "abs({})"))  # fmt: skip
        dtype = "float" if "model" in form else "float32" if "float32" in form else "int"
        self.bind(form.format(name), Type(dtype, t.axes))

    def choice(self) -> None:
        name, t = self.real()
        seen = self.take(lambda u: u.dtype == "bool" and u.axes == t.axes)
        if seen is None or self.pick((0, 0, 1)):
            test = self.pick(("{} > 0.123", "{} <= 0.0771 or {} > 1.03", "not ({} < -0.219)",
                              "{} >= 0.017 and {} != 2"))  # fmt: skip
            made = self.bind(test.replace("{}", name), Type("bool", t.axes), again=False)
            self.bind(f"select({made}, {name}, 0.5 * {name})", t)
            return
        side = self.pick((name, "0", "0.5", f"tanh({name})", f"-{name}"))
        self.bind(f"select({seen[0]}, {name}, {side})", t)

    def reduction(self) -> None:
        name, t = self.real()
        own = range(len(self.lead), len(t.axes))
        if not own or {"B", "T"} & set(t.axes[len(self.lead) :]):
            return
        gone = self.pick(own)
        keep = self.pick((0, 1))
        left = names(t)
        right = [("1" if keep else "") if i == gone else a for i, a in enumerate(left)]
        axes = [("1" if keep else "") if i == gone else a for i, a in enumerate(t.axes)]
        op = self.pick(("sum", "mean", "max"))
        rhs = " ".join(a for a in right if a)
        if right == left:  # a 1 that stays
            return
        if [a for a in axes if a]:
            self.bind(f"{op}[{' '.join(left)} -> {rhs}]({name})",
                      Type(t.dtype, tuple(a for a in axes if a)))  # fmt: skip

    def soft(self) -> None:
        name, t = self.real()
        own = len(t.axes) - len(self.lead)
        if own < 1 or {"B", "T"} & set(t.axes[len(self.lead) :]):
            return
        along = names(t)[-self.pick(range(1, own + 1)) :]
        self.bind(f"softmax[... {' '.join(along)}]({name})", t)

    def matrix(self) -> None:
        name, t = self.real()
        last = t.axes[-1]
        if last not in DIMS or t.axes[: len(self.lead)] != self.lead:
            return
        to = self.dim(t.axes)
        inner = names(t)[:-1]
        w = self.param((to, last) if self.pick((0, 1)) else (last, to))
        axes = self.lines[-1].partition("[")[2].partition("]")[0].replace(",", "")
        if t.dtype == "float32":
            w = f"float32({w})"
        expr = f"einsum[{' '.join(inner)} {last}, {axes} -> {' '.join(inner)} {to}]({name}, {w})"
        self.bind(f"tanh({expr})" if self.pick((0, 1)) else expr, Type(t.dtype, (*t.axes[:-1], to)))

    def outer(self) -> None:
        a, b = self.dim(), self.dim()
        if a == b:
            return
        x, y = self.model(a), self.model(b)
        lead = " ".join(self.lead)
        out = self.pick(((a, b), (b, a), (a,), (b,)))
        self.bind(f"einsum[{lead} {a}, {lead} {b} -> {lead} {' '.join(out)}]({x}, {y})",
                  Type("float", (*self.lead, *out)))  # fmt: skip

    def turn(self) -> None:
        name, t = self.real()
        left = names(t)
        fixed = 1 if self.lead[0] == "..." else 0
        order = list(range(fixed, len(left)))
        moved = []
        while order:
            moved.append(order.pop(self.pick(range(len(order)))))
        moved = [*range(fixed), *moved]
        right = " ".join(left[i] for i in moved)
        turned = Type(t.dtype, tuple(t.axes[i] for i in moved))
        form = self.pick(("turn", "back", "one"))
        there = f"rearrange[{' '.join(left)} -> {right}]({name})"
        if form == "turn" and turned.axes[: len(self.lead)] == self.lead:
            self.bind(there, turned)
        elif form == "one":
            self.bind(f"sum[{' '.join(left)} 1 -> {' '.join(left)}](rearrange[{' '.join(left)} -> "
                      f"{' '.join(left)} 1]({name}))", t)  # fmt: skip
        else:
            self.bind(f"rearrange[{right} -> {' '.join(left)}](tanh({there}))", t)

    def merged(self) -> None:
        a, b = self.dim(), self.dim()
        if a == b:
            return
        name = self.model(a, b)
        lead = " ".join(self.lead)
        once = f"rearrange[{lead} {a} {b} -> {lead} ({a} {b})]({name})"
        form = self.pick(("split", "turned", "swap"))
        if form == "split":
            self.bind(f"rearrange[{lead} ({a} {b}) -> {lead} {b} {a}](tanh({once}))",
                      Type("float", (*self.lead, b, a)))  # fmt: skip
        elif form == "turned":
            self.bind(f"rearrange[{lead} ({b} {a}) -> {lead} {a} {b}]("
                      f"rearrange[{lead} {a} {b} -> {lead} ({b} {a})]({name}))",
                      Type("float", (*self.lead, a, b)))  # fmt: skip
        else:
            self.bind(f"sum[{lead} ({a} {b}) -> {lead}]({once})", Type("float", self.lead))

    def joined(self) -> None:
        a, b = self.dim(), self.dim()
        x, y = self.model(a), self.model(b)
        lead = " ".join(self.lead)
        both = self.fresh("j")
        self.lines.append(
            f"{both} = rearrange[{lead} {a}, {lead} {b} -> {lead} ({a} + {b})]({x}, {y})"
        )
        p, q = self.fresh("v"), self.fresh("v")
        second = self.pick((q, "_"))
        other = "_" if second == "_" else f"{lead} {a}"
        cut = f"rearrange[{lead} ({b} + {a}) -> {lead} {b}, {other}]"
        if self.lead[0] != "..." and second != "_" and self.pick((0, 1)):
            cut = f"rearrange[B T ({b} + {a}) -> B T {b}, T B {a}]"
            self.lines.append(f"{p}, {q} = {cut}({both})")
            self.put(p, Type("float", (*self.lead, b)))
            self.lines.append(f"{q} = rearrange[T B {a} -> B T {a}]({q})")
            self.put(q, Type("float", (*self.lead, a)))
            return
        self.lines.append(f"{p}{'' if second == '_' else f', {q}'} = {cut}({both})")
        self.put(p, Type("float", (*self.lead, b)))
        if second != "_":
            self.put(q, Type("float", (*self.lead, a)))

    def repeated(self) -> None:
        name, t = self.real()
        new = self.pick([a for a in (*DIMS, "3") if a not in t.axes])
        left = names(t)
        place = self.pick(range(len(self.lead), len(left) + 1))
        right = [*left[:place], new, *left[place:]]
        if len(left) < 5:
            self.bind(f"repeat[{' '.join(left)} -> {' '.join(right)}]({name})",
                      Type(t.dtype, (*t.axes[:place], new, *t.axes[place:])))  # fmt: skip

    def looked_up(self) -> None:
        known = self.take(lambda t: t.dtype == "int" and t.axes[: len(self.lead)] == self.lead)
        if known is None:
            return
        name, t = known
        to = self.dim(t.axes)
        table = self.param(("5", to))
        left = " ".join(names(t))
        self.bind(f"gather[n {to}, {left} -> {left} {to}]({table}, {name} % 5)",
                  Type("float", (*t.axes, to)))  # fmt: skip

    def best(self) -> None:
        a = self.dim()
        x, y = self.model(a), self.model(a)
        w = self.param((a,))
        self.lines[-1] = self.lines[-1].partition("=")[0] + "= normal(1)"
        g = self.param((a,))
        lead = " ".join(self.lead)
        score = self.fresh("s")
        self.lines.append(f"{score} = {x} * {g} + {w}")
        if self.pick((0, 1)):
            m = self.bind(
                f"top_mask[... {a}]({score}, 2)", Type("bool", (*self.lead, a)), again=False
            )
            self.unused.discard(m)
            self.bind(f"select({m}, {y}, 0)", Type("float", (*self.lead, a)))
            return
        v, i = self.fresh("v"), self.fresh("v")
        self.lines.append(f"{v}, {i} = top_k[... {a}]({score}, 2)")
        self.put(v, Type("float", (*self.lead, "2")))
        self.put(i, Type("int", (*self.lead, "2")))
        form = f"gather[{lead} {a}, {lead} n -> {lead} n]({y}, {i})"
        self.bind(form, Type("float", (*self.lead, "2")))
        self.unused.discard(i)

    def module(self) -> None:
        a = self.dim()
        f = self.fresh("f")
        made, to = self.pick((
            (f"Linear({a}, {(b := self.dim())})", b), (f"Linear({a}, {b}, bias: true)", b),
            (f"RMSNorm({a})", a), (f"LayerNorm({a})", a), (f"MLP({a}, 3)", a),
            (f"MLP({a}, 3, bias: true)", a), (f"SwiGLU({a}, 2)", a), (f"GeGLU({a}, 2)", a),
            ("Identity()", a), *((f"{name}(d, e, k, h)", "") for name in self.blocks),
        ))  # fmt: skip
        self.lines.append(f"{f} = {made}")
        a, to = ("d", "d") if not to else (a, to)
        again = a == to and self.pick((0, 0, 1))
        x = self.model(a)
        expr = f"{x} |> {f}"
        self.bind(f"{expr} |> {f}" if again else expr, Type("float", (*self.lead, to)))

    def residual(self) -> None:
        found = self.take(lambda t: t == Type("float", (*self.lead, "d")))
        assert found is not None
        f = self.fresh("f")
        self.lines += [f"{f} = MLP(d, {self.dim()})", f"{found[0]} += {found[0]} |> {f}"]
        self.unused.add(found[0])

    def experts(self) -> None:
        pool, route, w, i = (self.fresh(n) for n in ("pool", "route", "w", "i"))
        kinds = [
            (2, "Linear(d, d)"), (2, "Linear(d, d, bias: true)"), (2, "SwiGLU(d, 2)"),
            (1, "Identity()"), (1, "Zero()"), (2, "MLP(d, 2, bias: true)"), (1, "RMSNorm(d)"),
            *((2, f"{name}(d, e, k, h)") for name in self.blocks if name.startswith("E")),
        ]  # fmt: skip
        chosen = [self.pick(kinds) for _ in range(self.pick((1, 1, 2, 3)))]
        total = sum(n for n, _ in chosen)
        top_k = self.pick(range(1, min(2, total) + 1))
        router = self.pick(("SoftmaxRouter", "TopRouter"))
        bank = ", ".join(f"{n} * {made}" for n, made in chosen)
        x, y = self.model("d"), self.model("d")
        self.lines += [
            f"{route} = {router}(d, {total}, {top_k})",
            f"{pool} = bank({bank}, {top_k})",
            f"{w}, {i} = {route}({x})",
        ]
        self.bind(f"mixture({pool}, {w}, {i})({y})", Type("float", (*self.lead, "d")))

    def rounds(self) -> None:
        a = self.dim()
        f, s, r = self.fresh("f"), self.fresh("s"), self.fresh("r")
        x, y = self.model(a), self.model(a)
        self.lines.append(f"{f} = Linear({a}, {a})")
        t = Type("float", (*self.lead, a))
        body = self.pick((
            f"{s} = tanh({f}({s})) + {r}  {r} = {r} * 0.5",
            f"o = {s}  {s} = {r} + 1  {r} = {f}(o)",
            f"{r} = {s} * 0.5  {s} = {s} + {r}  {r} = tanh({f}({r}))",
        ))  # fmt: skip
        told = self.pick(("", f"yield {s}", f"yield {r}, {s} * {r}"))
        before = self.pick((0, 1))
        if before and told:
            body, told = f"was = {s} * {r}  {body}", "yield was"
        count = told.count(",") + 1 if told else 0
        out = [self.fresh("v") for _ in range(2 + count)]
        head = f"loop {self.pick((1, 2, 3))} with {s}: {t} = {x}, {r}: {t} = {y}"
        self.lines.append(f"{', '.join(out)} = {head} {{ {body}  {told} }}")
        for name in out[:2]:
            self.put(name, t)
        lead = " ".join(self.lead)
        for name in out[2:]:
            self.bind(f"{self.pick(('sum', 'max', 'mean'))}[r {lead} {a} -> {lead} {a}]({name})", t)

    def fits_context(self) -> None:
        if self.given:
            self.bind("tanh(first)", Type("float", (*self.lead, "d")))

    # --- steps along tokens -----------------------------------------------------------------------

    def convolution(self) -> None:
        a, n = self.dim(), self.pick(("1", "2", "3"))
        x = self.bind(self.model(a), Type("float", (*self.lead, a)))
        self.unused.discard(x)
        form = self.pick(("weigh", "keep"))
        if form == "weigh":
            w = self.param((a, n))
            self.bind(f"einsum[B T n {a}, {a} n -> B T {a}](window({x}, {n}), {w})",
                      Type("float", (*self.lead, a)))  # fmt: skip
        else:
            self.bind(f"window({x}, {n})", Type("float", (*self.lead, n, a)))

    def scanned(self) -> None:
        a = self.dim()
        s, r, n = (self.fresh(x) for x in ("s", "r", "n"))
        x, y = self.fresh("o"), self.fresh("o")
        self.lines += [f"{x} = tanh({self.model(a)})", f"{y} = {self.model(a)} * 0.5"]
        t = Type("float", ("B", a))
        body = self.pick((
            f"{s} = {s} * 0.5 + {x}  {r} = {r} + {y}",
            f"old = {s}  {s} = {r}  {r} = old + {x} * {y}",
            f"{r} = {r} * {x} + {y}  {s} = {s} - {r}",
            f"{s} = {r} + {x}  {r} = {s} * 0.5 + {y}",
        ))  # fmt: skip
        told = self.pick((f"{s}", f"{s} - {r}", f"{s}, {r}", "before", f"{s} + model_dtype({n})"))
        if told == "before":
            body = f"before = {s} * {x} - {r}  {body}"
        wide = self.pick((0, 1))
        dtype = "float32" if wide else ""
        body = f"{body}  {n} = {n} + {'float32' if wide else ''}({x})"
        out = [self.fresh("v") for _ in told.split(", ")]
        head = (f"scan T with {s}: {t} = {self.pick(('0', '1'))}, {r}: {t} = 0, "
                f"{n}: {dtype}{t} = 0 over ({x}, {y})")  # fmt: skip
        self.lines.append(f"{', '.join(out)} = {head} {{ {body}  yield {told} }}")
        for name in out:
            self.put(name, Type("float", (*self.lead, a)))

    def attention(self) -> None:
        f = self.fresh("f")
        made = self.pick((
            "GQA(d, 2, 1, 2)", "GQA(d, h, 1, 2, bias: true)", "GQA(d, 2, d_head: k, window: 2)",
            "GQA(d, h, h, 4, position: Rope(4))", "GQA(d, 2, 2, 2, window: 3)",
        ))  # fmt: skip
        self.lines.append(f"{f} = {made}")
        self.bind(f"{self.model('d')} |> {f}", Type("float", (*self.lead, "d")))

    def own_attention(self) -> None:
        a, b = self.dim(), self.dim()
        q, k, v = (self.fresh(x) for x in ("q", "k", "u"))
        self.lines.append(f"{q} = {self.model(a)}")
        self.lines.append(f"{k} = {self.model(a)} * 1.5")
        self.lines.append(f"{v} = tanh({self.model(b)})")
        last = self.pick(("", "", " last 2", " last 3"))
        self.lines.append(f"cache {k}, {v}{last}")
        seen = f"Window({last.split()[-1]})()" if last else "Causal()"
        for name in (q, k, v):
            axes = f"B {'T' if name == q else 'N'} {b if name == v else a}"
            self.lines.append(
                f"{name} = rearrange[{axes} -> {axes.replace('B', 'B 1', 1)}]({name})"
            )
        mask = seen.replace("()", "") if last else "Causal"
        y = self.fresh("y")
        self.lines.append(f"{y} = Attend(0.7, {mask})({q}, {k}, {v})")
        self.bind(f"rearrange[B 1 T {b} -> B T {b}]({y})", Type("float", (*self.lead, b)))

    def entries(self) -> None:
        a, m = self.dim(), self.pick(("1", "2", "3"))
        e, heads, x, q = (self.fresh(n) for n in ("e", "f", "o", "q"))
        self.lines += [
            f"{x} = {self.model(a)}",
            f"{q} = rearrange[B T {a} -> B 1 T {a}]({self.model(a)})",
            f"{heads} = SharedKV(1, {a})",
            f"{e} = {self.pick(('mean', 'sum'))}[B T n {a} -> B T {a}](window({x}, {m}))",
            f"cache {e} every {m}",
        ]
        seen = f"EveryEntry({m})({x}, {x}, {e})"
        self.bind(f"rearrange[B 1 T {a} -> B T {a}]({heads}({q}, {e}, {seen}))",
                  Type("float", (*self.lead, a)))  # fmt: skip

    def placed(self) -> None:
        a = self.dim()
        self.bind(f"{self.model(a)} + 0.1 * model_dtype(rearrange[T -> T 1](positions(T) % 3))",
                  Type("float", (*self.lead, a)))  # fmt: skip

    def filled(self) -> None:
        a = self.dim()
        self.bind(f"{self.pick(('ones', 'zeros'))}[B T {a}] + {self.model(a)}",
                  Type("float", (*self.lead, a)))  # fmt: skip

    # --- the end ----------------------------------------------------------------------------------

    def result(self) -> str:
        """Everything that nobody has read, as one value [lead, d]."""
        lead = " ".join(self.lead)
        parts = []
        for name in self.unread():
            t = self.values[name]
            text = name
            if t.dtype != "float":
                text = f"model_dtype({name})"
            if len(t.axes) > len(self.lead) + 1 or t.axes[len(self.lead) :] not in (("d",), ()):
                text = f"mean[{pattern(t)} -> {lead}]({text})"
            if t.axes != (*self.lead, "d"):
                text = f"rearrange[{lead} -> {lead} 1]({text})"
            parts.append(f"0.5 * {text}" if self.pick((0, 1)) else text)
        return " + ".join([*parts, self.model("d")])

    def unread(self) -> list[str]:
        """The names that no line has read since they were bound."""
        found = []
        for name in self.values:
            word = re.compile(rf"\b{name}\b")
            bound = [i for i, x in enumerate(self.lines) if word.search(x.partition("=")[0])]
            behind = self.lines[bound[-1] + 1 :] if bound else self.lines
            if not any(word.search(line) for line in behind):
                found.append(name)
        return found


EVERYWHERE = (
    Body.function, Body.product, Body.gain, Body.cast, Body.integers, Body.choice, Body.reduction,
    Body.soft, Body.matrix, Body.outer, Body.turn, Body.merged, Body.joined, Body.repeated,
    Body.looked_up, Body.best, Body.module, Body.residual, Body.rounds,
)  # fmt: skip
ALONG_TOKENS = (
    Body.convolution, Body.scanned, Body.attention, Body.own_attention, Body.entries, Body.placed,
    Body.filled, Body.fits_context, Body.experts, Body.experts,
)  # fmt: skip


def block(pick: Pick, name: str, inner: tuple[str, ...], tokens: bool) -> str:
    """A block [B, T, d] -> [B, T, d], or one of any leading axes."""
    given = tokens and pick((0, 0, 1))
    body = Body(pick, ("B", "T") if tokens else ("...",), inner, given=given)
    body.put("x", Type("float", (*body.lead, "d")))
    steps = EVERYWHERE + (ALONG_TOKENS if tokens else ())
    for _ in range(pick(range(1, 7))):
        pick(steps)(body)
    lines = [*body.lines, f"return {body.result()}"]
    if given and not any("first" in line for line in lines):
        given = False
    shape = f"[{', '.join(body.lead)}, d]"
    head = f"block {name}(d, e, k, h)(x: {shape}) -> {shape}"
    role = " as layer" if tokens else ""
    return "\n".join([
        f"{head}{role}{' given first: [B, T, d]' if given else ''} {{",
        *(f"  {line}" for line in lines),
        "}",
    ])  # fmt: skip


BESIDE = """block Carry(d, e)(x: [B, T, d], z: [B, T, e]) -> ([B, T, d], [B, T, e]) as layer {
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
"""


def program(pick: Pick) -> str:
    """The text of a program."""
    blocks: dict[str, str] = {}
    for i in range(pick((0, 1, 1))):
        blocks[f"E{i}"] = block(pick, f"E{i}", (), tokens=False)
    for i in range(pick((1, 2, 2, 3))):
        blocks[f"F{i}"] = block(
            pick, f"F{i}", tuple(n for n in blocks if pick((0, 1))), tokens=True
        )
    fs = [f"{n}(d, e, k, h)" for n in blocks if n.startswith("F")]
    lines = ["embed = Embedding(7, d)"]
    share = pick((0, 0, 1))
    if share:
        common = pick(("MLP(d, 3)", "GQA(d, 2, 2, 2)", "SwiGLU(d, 2)", fs[0]))
        lines.append(f"share common = {common}")
    others = [*fs, f"Slot(d, {pick(fs)})", "Slot(d, MLP(d, h))", "Slot(d, MLP(d, e, bias: true))",
              "Twin(d, e)", *(["Slot(d, common)"] * 2 if share else [])]  # fmt: skip
    a, b = pick(others), pick(others)
    schedule = pick((
        f"n * {a}", f"{a}, {b}", f"2 * ({a}, {b})", f"n * ({a}), {b}",
        f"{a} if kind == near else {b} for kind in kinds",
        "Slot(d, MLP(d, e + i)) for i in 2",
    ))  # fmt: skip
    lines.append(f"layers = stack({schedule})")
    streams = pick(("int[B, T]", "int[B, T]", "[B, T, 3]", "int[B, T, 2]"))
    inputs = [f"stream tokens: {streams}"]
    first = {"int[B, T]": "embed(tokens)", "int[B, T, 2]": "sum[B T c d -> B T d](embed(tokens))",
             "[B, T, 3]": "enter(tokens)"}[streams]  # fmt: skip
    if streams == "[B, T, 3]":
        lines = [line for line in lines if not line.startswith("embed")] + ["enter = Linear(3, d)"]
    lines += [f"first = {first}", "give first"]
    lines.append("x = layers(first)")
    if pick((0, 0, 0, 1)):
        lines.append("x = layers(x)")
    if pick((0, 0, 1)):
        lines += ["zs = Linear(d, e)", "carried = stack(2 * Carry(d, e))",
                  "x, z = carried(x, zs(x))", "back = Linear(e, d)", "x += back(z)"]  # fmt: skip
    if pick((0, 0, 1)):
        lines += ["ss = Linear(d, 2 * e)", "sliced = stack(2 * Slice(d, e))",
                  "x = sliced(x, each rearrange[B T (2 e) -> 2 B T e](ss(x)), first)"]  # fmt: skip
    if share and (pick((0, 1)) or "common" not in schedule):
        lines.append("x = x * 0.5 + common(x)")
    if pick((0, 0, 0, 1)):
        lines.append(f"apart ahead = {pick(('Ahead(d)', 'stack(2 * Ahead(d))'))}")
    beside = pick(("", "", "", "int", "float", "cross"))
    if beside == "float":
        inputs.insert(0, "marks: [B, N, e]")
        lines += ["see = Linear(e, d)",
                  "x = x + rearrange[B d -> B 1 d](mean[B N d -> B d](see(marks)))"]  # fmt: skip
    elif beside:
        inputs.insert(0, "source: int[B, N]")
        lines += ["texts = Embedding(6, d)", "memory = tanh(texts(source))"]
        if beside == "cross":
            lines += ["cross = CrossAttention(d, 2, d_head: 2)", "give memory", "x += cross(x)"]
        else:
            lines += ["x = x * rearrange[B d -> B 1 d](max[B N d -> B d](memory))"]
    out = pick(("d", "d", "two", "tied")) if streams != "[B, T, 3]" else "d"
    outputs, told = "[B, T, d]", "x"
    if out == "two":
        lines.append("head = Linear(d, k)")
        outputs, told = "([B, T, k], [T, B, d])", "head(x), rearrange[B T d -> T B d](x)"
    elif out == "tied":
        lines.append("head = Linear(d, 7, w: embed.w)")
        outputs, told = "[B, T, 7]", "head(x)"
    kinds = ", kinds: list(enum(near, far))" if "kinds" in schedule else ""
    counts = ", n" if re.search(r"\bn \*", schedule) else ""
    body = "\n".join(f"  {line}" for line in [*lines, f"return {told}"])
    small = {name: pick((2, 3, 4)) for name in DIMS}
    large = {name: value + pick((0, 1)) for name, value in small.items()}
    if counts:
        small["n"], large["n"] = pick((1, 2)), 2
    listed = "[near, far, near]"

    def told_numbers(numbers: dict[str, int], mark: str) -> str:
        found = [f"{k}: {v}" for k, v in numbers.items()]
        return mark.join([*found, *([f"kinds: {listed}"] if kinds else [])])

    used = set(re.findall(r"\b[A-Z]\w*(?=\()", body))
    extra = [text for text in re.split(r"(?m)^(?=block )", BESIDE)
             if text and text.split("(")[0].split()[1] in used]  # fmt: skip
    return "\n".join([
        IMPORTS, *extra, *blocks.values(),
        f"model M(d, e, k, h{counts}{kinds})({', '.join(inputs)}) -> {outputs} {{\n{body}\n}}",
        f"tiny M {{ {told_numbers(small, '  ')} }}",
        f"variant V = M({told_numbers(large, ', ')}) {{ }}",
        "",
    ])  # fmt: skip


def seeded(seed: int) -> str:
    """The program of a seed."""
    return program(random.Random(seed).choice)


# --- many of them ---------------------------------------------------------------------------------


def tried(text: str) -> tuple[str, str]:
    """What becomes of a program: `equal`, `refused` or what is wrong, and the details."""
    from archdsl import elaborate, pipeline
    from archdsl.diagnostic import Diagnostics
    from archdsl.source import Source
    from equality import assert_equal_everywhere

    try:
        checked = pipeline.check_source(Source("random.arch", text))
        if checked.diagnostics:
            first = checked.diagnostics[0]
            return f"refused [{first.code}]", "\n".join(d.text() for d in checked.diagnostics)
        (variant,) = checked.variants
        tiny = elaborate.tiny(variant.unit, variant.model, Diagnostics())
        assert_equal_everywhere(variant.model, tiny)
    except Exception as error:
        kind = re.sub(r"[-+]?[.\d]+(e[-+]?\d+)?|emitted_\w+|'[^']*'|\"[^\"]*\"", "#", str(error))
        return (
            f"{type(error).__name__}: {kind.strip().splitlines()[0][:110] if kind.strip() else ''}",
            (traceback.format_exc()),
        )
    return "equal", ""


def outcome_of(seed: int) -> tuple[int, int, str, str]:
    """(seed, length of the text, what becomes of the program, details)."""
    import torch

    torch.set_num_threads(1)
    text = seeded(seed)
    outcome, details = tried(text)
    for name in [n for n in sys.modules if n.startswith("emitted_")]:
        del sys.modules[name]
    return seed, len(text), outcome, details


def main() -> int:
    parser = argparse.ArgumentParser(description="random programs, held to their meaning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1, help="processes beside one another")
    parser.add_argument("--quiet", action="store_true", help="only the counts")
    options = parser.parse_args()
    begun = time.time()
    counts: collections.Counter[str] = collections.Counter()
    shortest: dict[str, tuple[int, int]] = {}
    # A process is replaced now and then: modules that were compiled are never freed whole.
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=500) as pool:
        seeds = range(options.seed, options.seed + options.count)
        for seed, length, outcome, details in pool.imap_unordered(outcome_of, seeds):
            counts[outcome] += 1
            if outcome != "equal":
                shortest[outcome] = min(shortest.get(outcome, (10**9, 0)), (length, seed))
            if options.count == 1:
                print(f"{seeded(seed)}\n{details}")
            elif outcome != "equal" and not outcome.startswith("refused") and not options.quiet:
                print(f"seed {seed}: {outcome}", flush=True)
    for outcome, count in counts.most_common():
        seed_of = f"  (shortest: seed {shortest[outcome][1]})" if outcome in shortest else ""
        print(f"{count:6} {outcome}{seed_of}")
    failed = sum(n for o, n in counts.items() if not o.startswith(("equal", "refused")))
    print(f"{options.count / (time.time() - begun):.1f} programs a second")
    print(f"{options.count - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
