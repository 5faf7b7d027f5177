"""Bodies of blocks drawn at random, well-typed by construction.

What is bound is kept in a table with its type, and every step takes from it what fits.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from archdsl.ops import OPS, Op

Pick = Callable[[Sequence[Any]], Any]
"""Chooses one of several; hypothesis or a seeded generator is behind it."""

DIMS = ("d", "e", "k", "h")
INITIAL = (
    "normal(0.5)", "uniform(-1, 1)", "fill(0.5)", "zeros", "ones", "0.3", "d / (e + 1)",
    "log(uniform(1, 16))", "log(expm1(exp(uniform(log(0.01), log(0.5)))))",
)  # fmt: skip
REAL = ("float", "real", "number")
"""Rules of dtypes by which real numbers stay of their dtype."""
CONDITIONS = (
    "e > 2", "k == 3 or h < 3", "not d == 2", "e in [2, 4]", "d % 2 == 0 and e > 1", "d < e",
    "maximum(d, k) == k",
)  # fmt: skip
"""Truths about settings, known when a spec is checked."""


def drawn(form: str) -> Iterator[Op]:
    """The operations of a form that take real numbers and give what they take."""
    return (op for op in OPS.values() if op.form == form and op.dtypes in REAL)


IN_RANGE = {
    "exp": "exp(minimum({}, 1))", "expm1": "expm1(minimum({}, 1))", "log": "log(1 + abs({}))",
    "sqrt": "sqrt(abs({}))", "rsqrt": "rsqrt(1 + abs({}))", "negative": "-{}",
}  # fmt: skip
"""How operations are written that do not exist for every number, or grow fast; and one that has a
sign.
"""
FUNCTIONS = (
    *(IN_RANGE.get(op.name, f"{op.name}({{}})") for op in drawn("map")),
    "{} ^ 2", "(1 + abs({})) ^ -0.5", "2 * {}", "{} / 3", "minimum({}, 0.7)", "maximum(-0.4, {})",
    "1 - {}", "0.5 + {}",
)  # fmt: skip
PAIRS = (
    "{} + {}", "{} - {}", "{} * tanh({})",
    *(IN_RANGE.get(op.name, f"{op.name}({{}}, {{}})") for op in drawn("zip") if not op.symbol),
    "{} / (1 + abs({}))",
)  # fmt: skip
REDUCTIONS = tuple(op.name for op in OPS.values() if op.form == "reduce")
OF_ANYTHING = tuple(name for name in REDUCTIONS if OPS[name].dtypes not in REAL)
"""Those of truths too."""


MODES = ("near", "far", "none, 0.25", "mode: far, rate: 2")


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
    """The axes of a type in a pattern; an expression, or a number that stands twice, gets a local
    name.
    """
    plain = [a if re.fullmatch(r"\w+|\.\.\.", a) else "" for a in t.axes]
    return [a if a and a not in plain[:i] else f"p{i}" for i, a in enumerate(plain)]


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

    def any(self) -> tuple[str, Type]:
        """A value of any dtype that has the leading axes; mostly a real one."""
        other = self.take(lambda t: not t.real and t.axes[: len(self.lead)] == self.lead)
        return other if other is not None and self.pick((0, 1)) else self.real()

    def model(self, *axes: str) -> str:
        """An expression of the model's dtype with these axes."""
        name, t = self.real(*axes)
        self.unused.discard(name)
        return name if t.dtype == "float" else f"model_dtype({name})"

    def param(self, axes: Sequence[str], dtype: str = "") -> str:
        name = self.fresh("w")
        initial = self.pick(INITIAL)
        if len(axes) >= 2 and self.pick((0, 0, 1)):
            initial = "identity"
        if axes and self.pick((0, 0, 1)):
            initial = self.computed(axes)
        self.lines.append(f"param {name}: {dtype}[{', '.join(axes)}] = {initial}")
        return name

    def computed(self, axes: Sequence[str]) -> str:
        """What a parameter with these axes begins as, by an expression of some of them."""
        last = f"arange({axes[-1]})"
        forms = [f"log({last} + 1)", f"exp(-{last} / 4) - uniform(0, 1)", f"{last} * normal(0.2)",
                 f"select({last} < 2, 0.5, {last} - 1)", f"-sqrt({last}) * 0.3"]  # fmt: skip
        if len(axes) > 1:
            a, b = axes[-2:]
            column = f"rearrange[{a} -> {a} 1](arange({a}))"
            forms += [f"cos({column})", f"{column} / ({last} + 1)" if a != b else "0.25"]
        return str(self.pick(forms))

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
        op = self.pick(PAIRS)
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

    def known(self) -> None:
        """What settings decide: values, parameters that may not be there, recipes."""
        name, t = self.real()
        test = self.pick(CONDITIONS)
        own = t.axes[len(self.lead) :]
        form = self.pick(("value", "param", "recipe", "number"))
        if form == "param" and all(a.isalnum() for a in own) and not {"B", "T"} & set(own):
            w = self.param(own)
            self.lines[-1] += f" when {test}"
            term = f"{name} * {w}" if t.dtype == "float" else f"{name} * float32({w})"
            self.bind(f"{term} if {test} else {name}", t)
        elif form == "recipe":
            f = self.fresh("f")
            self.lines.append(f"{f} = Linear(d, d, bias: true) if {test} else MLP(d, e)")
            self.bind(f"{self.model('d')} |> {f}", Type("float", (*self.lead, "d")))
        elif form == "number":
            number = self.pick(("sqrt(d)", "d ^ -0.5", "log(e + 1)", "k // 2", "minimum(d, e)",
                                "pi / h", "e % 2", "maximum(0.3, 1 / k)"))  # fmt: skip
            self.bind(f"{name} * ({number})", t)
        else:
            self.bind(f"tanh({name}) if {test} else 2 * {name}", t)

    def truths(self) -> None:
        seen = self.take(lambda t: t.dtype == "bool" and t.axes[: len(self.lead)] == self.lead)
        if seen is None or self.pick((0, 0, 1)):
            name, t = self.any()
            if t.dtype != "bool":
                test = self.pick(("{} > 1", "{} == 0", "{} != 2", "{} <= 0.3"))
                self.bind(test.format(name), Type("bool", t.axes))
                return
            seen = name, t
        name, t = seen
        other = self.take(lambda u: u.dtype == "bool" and u.axes == t.axes)
        assert other is not None
        form = self.pick(("{a} and {b}", "not {a} or {b}", "{a} == {b}", "{a} != not {b}",
                          "not {a}", "select({a}, not {b}, {b})"))  # fmt: skip
        form = form.replace("!= not {b}", "!= (not {b})")
        self.bind(form.format(a=name, b=other[0]), t)

    def whole(self) -> None:
        """Integers from integers."""
        found = self.take(lambda t: t.dtype == "int" and t.axes[: len(self.lead)] == self.lead)
        if found is None:
            return
        name, t = found
        other = self.take(lambda u: u.dtype == "int" and u.axes in (t.axes, t.axes[1:]))
        assert other is not None
        form = self.pick(("{a} + {b}", "{a} - {b}", "{a} * {b} % 9", "maximum({a}, {b})",
                          "xor({a}, {b})", "select({a} > {b}, {a}, {b})", "{a} ^ 2 % 11",
                          "select({a} == 1, {a}, 0)", "minimum({a}, k)", "relu({a})"))  # fmt: skip
        self.bind(form.format(a=name, b=other[0]), t)

    def rows(self) -> None:
        """Rows of a table that integers of a buffer name."""
        n, to = self.dim(), self.dim()
        if n == to:
            return
        b = self.fresh("b")
        self.lines.append(f"buffer {b}: int[{n}] = {self.pick(('zeros', 'ones', 'fill(2)'))}")
        table = self.param(("4", to))
        lead = " ".join(self.lead)
        rows = f"gather[r {to}, {n} -> {n} {to}]({table}, {b})"
        self.bind(f"einsum[{lead} {n}, {n} {to} -> {lead} {to}]({self.model(n)}, {rows})",
                  Type("float", (*self.lead, to)))  # fmt: skip

    def constant(self) -> None:
        """Tensors computed from settings alone."""
        a = self.dim()
        c = self.fresh("c")
        value = self.pick((
            "cos({} / 3)", "exp(-{})", "float32(select({} > 1, 2, 0.5))", "{} % 2 + 1",
            "({} + 1) ^ -0.5", "maximum({}, 1) / d",
            f"sum[1 {a} -> {a}](rearrange[{a} -> 1 {a}]({{}}))",
        )).replace("{}", f"arange({a})")  # fmt: skip
        self.lines.append(f"const {c}: float32[{a}] = {value}")
        self.bind(f"{self.model(a)} * model_dtype({c})", Type("float", (*self.lead, a)))

    def tied(self) -> None:
        a, b = self.dim(), self.dim()
        f, g = self.fresh("f"), self.fresh("g")
        x = self.model(a)
        self.lines += [f"{f} = Linear({a}, {b})", f"{g} = Linear({a}, {b}, weight: {f}.weight)"]
        self.bind(f"{f}({x}) + tanh({g}(2 * {x}))", Type("float", (*self.lead, b)))

    def several(self) -> None:
        """A block with two results."""
        f, p, q = self.fresh("f"), self.fresh("v"), self.fresh("v")
        x = self.model("d")
        self.lines += [f"{f} = Pair(d, e)", f"{p}, {q} = {f}({x})"]
        self.put(p, Type("float", (*self.lead, "d")))
        self.put(q, Type("int", (*self.lead, "e")))

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
        name, t = self.any()
        own = range(len(self.lead), len(t.axes))
        if not own or {"B", "T"} & set(t.axes[len(self.lead) :]):
            return
        gone = self.pick(own)
        keep = self.pick((0, 1))
        left = names(t)
        right = [("1" if keep else "") if i == gone else a for i, a in enumerate(left)]
        axes = [("1" if keep else "") if i == gone else a for i, a in enumerate(t.axes)]
        op = self.pick(REDUCTIONS if t.real else OF_ANYTHING)
        rhs = " ".join(a for a in right if a)
        if right == left:  # a 1 that stays
            return
        if [a for a in axes if a]:
            dtype = "int" if op == "sum" and t.dtype == "bool" else t.dtype
            self.bind(f"{op}[{' '.join(left)} -> {rhs}]({name})",
                      Type(dtype, tuple(a for a in axes if a)))  # fmt: skip

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
        name, t = self.any()
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
        elif form == "one" and t.dtype != "bool":
            self.bind(f"sum[{' '.join(left)} 1 -> {' '.join(left)}](rearrange[{' '.join(left)} -> "
                      f"{' '.join(left)} 1]({name}))", t)  # fmt: skip
        else:
            inner = {"int": "-{}", "bool": "not {}"}.get(t.dtype, "tanh({})").format(there)
            self.bind(f"rearrange[{right} -> {' '.join(left)}]({inner})", t)

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
        dtype, form = self.pick((("float", "{}"), ("float", "{}"), ("int", "floor({} * 3.3)"),
                                 ("bool", "{} > 0.11"), ("float32", "float32({})")))  # fmt: skip
        x, y = form.format(x), form.format(y)
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
            self.put(p, Type(dtype, (*self.lead, b)))
            self.lines.append(f"{q} = rearrange[T B {a} -> B T {a}]({q})")
            self.put(q, Type(dtype, (*self.lead, a)))
            return
        self.lines.append(f"{p}{'' if second == '_' else f', {q}'} = {cut}({both})")
        self.put(p, Type(dtype, (*self.lead, b)))
        if second != "_":
            self.put(q, Type(dtype, (*self.lead, a)))

    def repeated(self) -> None:
        name, t = self.any()
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
        b = self.dim((a,))
        if self.pick((0, 1)):  # rows, in each place its own
            wide = f"einsum[{lead} {a}, {b} -> {lead} {a} {b}]({y}, {self.param((b,))})"
            rows = f"gather[{lead} {a} {b}, {lead} n -> {lead} n {b}]({wide}, {i})"
            one = self.pick(
                (f"mean[{lead} n {b} -> {lead} {b}]", f"max[{lead} n {b} -> {lead} {b}]")
            )
            self.bind(f"{one}({rows})", Type("float", (*self.lead, b)))
        else:
            form = f"gather[{lead} {a}, {lead} n -> {lead} n]({y}, {i})"
            self.bind(form, Type("float", (*self.lead, "2")))
        self.unused.discard(i)

    def module(self) -> None:
        a = self.dim()
        f = self.fresh("f")
        made, to = self.pick((
            (f"Linear({a}, {(b := self.dim())})", b), (f"Linear({a}, {b}, bias: true)", b),
            (f"RMSNorm({a})", a), (f"LayerNorm({a})", a), (f"MLP({a}, 3)", a),
            (f"MLP({a}, 3, bias: true)", a), (f"GatedMLP({a}, 2)", a),
            (f"GatedMLP({a}, 2, activation: gelu_tanh)", a), (f"GatedMLP({a}, 2, limit: 0.5)", a),
            (f"Affine({a}, {b})", b), (f"Affine({a}, {b}, bias: true)", b), (f"Unit({a})", a),
            (f"Unit({a}, 0.1)", a), (f"Centred({a})", a), (f"Widths({a}, [2, k])", a),
            (f"Widths({a}, [n + 1 for n in [1, e]])", a), (f"Choose({a}, {self.pick(MODES)})", a),
            ("Identity()", a), *((f"{name}(d, e, k, h)", "") for name in self.blocks),
        ))  # fmt: skip
        self.lines.append(f"{f} = {made}")
        a, to = ("d", "d") if not to else (a, to)
        again = a == to and self.pick((0, 0, 1))
        x = self.model(a)
        expr = f"{x} |> {f}"
        self.bind(f"{expr} |> {f}" if again else expr, Type("float", (*self.lead, to)))

    def side_by_side(self) -> None:
        """Blocks of a list, one by one and all at once, for the whole of a value or its slices."""
        a = self.dim()
        b = self.pick((a, self.dim()))
        tokens = self.lead == ("B", "T")
        kinds = [f"Linear({a}, {b})", f"Linear({a}, {b}, bias: true)", f"Affine({a}, {b})"]
        if a == b:
            kinds += [f"RMSNorm({a})", f"MLP({a}, 3)", f"RMSNorm({a}) |> Linear({a}, {a})", "tanh",
                      "Identity", f"Widths({a}, [2, k])"]  # fmt: skip
            kinds += [f"Taps({a}, 2)", f"Slot({a}, RMSNorm({a}))"] if tokens else []
        if a == b == "d":
            kinds += [f"{name}(d, e, k, h)" for name in self.blocks] * 2
            kinds += ["GQA(d, 2, 1, 2)", "GQA(d, 2, 2, 2, window: 2)", "Causes(d)"] * tokens
        n = self.pick((1, 2, 3))
        one = self.pick(kinds)
        blocks = self.pick((
            f"{n} * [{one}]", f"[{one} for i in {n}]",
            f"[{', '.join(self.pick(kinds) for _ in range(n))}]",
        ))  # fmt: skip
        f, lead, x = self.fresh("f"), " ".join(self.lead), self.model(a)
        self.lines.append(f"{f} = {blocks}")
        t = Type("float", (*self.lead, b))
        applied = f"{f}({x})"
        if self.pick((0, 1)):
            spread = f"repeat[{lead} {a} -> {n} {lead} {a}]({x})"
            s = self.fresh("s")
            self.lines.append(f"{s} = {f'{f}({x})' if a == b and self.pick((0, 1)) else spread}")
            applied = f"{f}(each {s})"
        together = self.pick(("mean", "sum", "max", "turned"))
        if together == "turned":
            axes = (*self.lead, str(n), b)
            turn = f"rearrange[{n} {lead} {b} -> {lead} {n} {b}]({applied})"
            self.bind(turn, Type("float", axes))
        else:
            self.bind(f"{together}[r {lead} {b} -> {lead} {b}]({applied})", t)
        if self.pick((0, 1)):
            self.bind(f"{self.model(a)} |> {f}[{self.pick(range(-n, n))}]", t)

    def residual(self) -> None:
        found = self.take(lambda t: t == Type("float", (*self.lead, "d")))
        assert found is not None
        f = self.fresh("f")
        self.lines += [f"{f} = MLP(d, {self.dim()})", f"{found[0]} += {found[0]} |> {f}"]
        self.unused.add(found[0])

    def experts(self) -> None:
        pool, route, w, i = (self.fresh(n) for n in ("pool", "route", "w", "i"))
        kinds = [
            (2, "Linear(d, d)"), (2, "Linear(d, d, bias: true)"), (2, "GatedMLP(d, 2)"),
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
        w = self.pick((w, w, f"float32({w})"))
        self.bind(f"mixture({pool}, {w}, {i})({y})", Type("float", (*self.lead, "d")))

    def rounds(self) -> None:
        a = self.dim()
        f, s, r = self.fresh("f"), self.fresh("s"), self.fresh("r")
        x, y = self.model(a), self.model(a)
        lead = " ".join(self.lead)
        made, call = self.pick((
            (f"Linear({a}, {a})", f"{f}({{}})"), (f"Linear({a}, {a})", f"{f}({{}})"),
            (f"[Linear({a}, {a}), MLP({a}, 2)]", f"{f}[0]({f}[1]({{}}))"),
            (f"2 * [Linear({a}, {a})]", f"max[j {lead} {a} -> {lead} {a}]({f}({{}}))"),
        ))  # fmt: skip
        self.lines.append(f"{f} = {made}")
        t = Type("float", (*self.lead, a))
        body = self.pick((
            f"{s} = tanh({call.format(s)}) + {r}  {r} = {r} * 0.5",
            f"o = {s}  {s} = {r} + 1  {r} = {call.format('o')}",
            f"{r} = {s} * 0.5  {s} = {s} + {r}  {r} = tanh({call.format(r)})",
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
        for name in out[2:]:
            self.bind(f"{self.pick(('sum', 'max', 'mean'))}[r {lead} {a} -> {lead} {a}]({name})", t)

    def fits_context(self) -> None:
        if self.given:
            self.bind("tanh(first)", Type("float", (*self.lead, "d")))

    # --- steps along tokens -----------------------------------------------------------------------

    def shared(self) -> None:
        m, a, b = self.fresh("m"), self.fresh("f"), self.fresh("f")
        recipe = self.pick(("MLP(d, 2)", "Linear(d, d)", "Causes(d)", "GQA(d, 2, 1, 2)"))
        self.lines += [f"share {m} = {recipe}", f"{a} = {m}", f"{b} = {m}"]
        x = self.model("d")
        self.bind(f"{a}({x}) - {b}(0.5 * {x})", Type("float", (*self.lead, "d")))

    def by_hand(self) -> None:
        """Scores under a mask, and what may be made of them."""
        a = self.dim()
        q, k, s, m = (self.fresh(n) for n in ("q", "k", "s", "m"))
        seen = "rearrange[T -> T 1](positions(T)) {} rearrange[S -> 1 S](positions(S))"
        test = self.pick((seen.format(">="), f"not ({seen.format('<')})",
                          f"{seen.format('-')} >= 0",
                          f"{seen.format('>=')} and {seen.format('-')} < 3"))  # fmt: skip
        self.lines += [f"{q} = {self.model(a)}", f"{k} = {self.model(a)} * 0.7", f"cache {k}"]
        self.lines += [
            f"{s} = einsum[B T {a}, B S {a} -> B T S]({q}, {k})",
            f"{m} = {test}",
        ]
        form = self.pick(("soft", "linear", "max", "count", "best", "sum"))
        at, out = Type("float", (*self.lead, a)), Type("float", self.lead)
        mix = f"einsum[B T S, B S {a} -> B T {a}]"
        if form == "soft":
            self.bind(f"{mix}(softmax[... S](select({m}, {s}, -inf)), {k})", at)
        elif form == "linear":
            self.bind(f"tanh({mix}(select({m}, {s}, 0), {k}))", at)
        elif form == "max":
            self.bind(f"max[B T S -> B T](select({m}, {s}, -inf))", out)
        elif form == "count":
            self.bind(f"sum[B T S -> B T](select({m}, {s}, 0) > 0.2)", Type("int", self.lead))
        elif form == "sum":
            self.bind(f"sum[B T S -> B T](select({m}, tanh({s}), 0))", out)
        else:
            b = f"top_mask[... S](select({m}, {s}, -inf), 1)"
            self.bind(f"{mix}(select({m} and {b}, {s}, 0), {k})", at)

    def states(self) -> None:
        """A scan over states of every dtype, with a submodule and with rounds inside."""
        a = self.dim()
        c, o, s, f, x, r = (self.fresh(n) for n in ("c", "b", "s", "f", "o", "r"))
        self.lines += [f"{x} = {self.model(a)}", f"{f} = Linear({a}, {a})"]
        t = f"[B, {a}]"
        rows = {
            c: (f"int{t}", "0", self.pick((f"{c} + floor({x} * 3.1)", f"{c} * 2 % 7 + 1"))),
            o: (f"bool{t}", f"zeros[B {a}] > 0.5", self.pick((f"{o} or {x} > 0.31", f"not {o}"))),
            s: (t, self.pick(("0", "0.5")), self.pick((
                f"select({o}, tanh({f}({s})) + {x}, {s})", f"{x} - 0.5 * tanh({f}({s}))"))),
        }  # fmt: skip
        order = self.pick(((c, o, s), (s, o, c), (o, s, c)))
        lines = [f"{n} = {rows[n][2]}" for n in order]
        if self.pick((0, 1)):
            lines.insert(self.pick((0, 3)), f"{r} = loop {self.pick((1, 2))} with {r}: {t} = {x} "
                         f"{{ {r} = tanh({r}) + {s} }}")  # fmt: skip
        else:
            lines.insert(self.pick(range(4)), f"{r} = {s} * 0.25")
        head = ", ".join(f"{n}: {rows[n][0]} = {rows[n][1]}" for n in (c, o, s))
        y = f"{s} + {r} + model_dtype({c} % 3) + model_dtype({o})"
        self.bind(f"scan T with {head} over ({x}) {{ {'  '.join(lines)}  yield {y} }}",
                  Type("float", (*self.lead, a)))  # fmt: skip

    def looked_back(self) -> None:
        """The last tokens of values of any dtype."""
        found = self.take(lambda t: not t.real and t.axes[:2] == ("B", "T"))
        if found is None:
            return
        name, t = found
        n = self.pick(("2", "3"))
        self.bind(f"window({name}, {n})", Type(t.dtype, ("B", "T", n, *t.axes[2:])))

    def kept(self) -> None:
        """Integers that are kept, compared with the token's own."""
        found = self.take(lambda t: t.dtype == "int" and t.axes[:2] == ("B", "T"))
        if found is None or len(found[1].axes) != 3 or found[1].axes[2] not in DIMS:
            return
        name, t = found
        a = t.axes[2]
        c = self.fresh("i")
        self.lines += [f"{c} = {name} % 4", f"cache {c}"]
        seen = "rearrange[T -> T 1](positions(T)) >= rearrange[S -> 1 S](positions(S))"
        same = (f"rearrange[B T {a} -> B T 1 {a}]({name} % 4) == "
                f"rearrange[B S {a} -> B 1 S {a}]({c})")  # fmt: skip
        self.bind(f"sum[B T S {a} -> B T {a}](({same}) and rearrange[T S -> T S 1]({seen}))",
                  Type("int", t.axes))  # fmt: skip

    def convolved(self) -> None:
        a = self.dim()
        f = self.fresh("f")
        self.lines.append(f"{f} = Taps({a}, {self.pick(('1', '2', 'k'))})")
        self.bind(f"{self.model(a)} |> {f}", Type("float", (*self.lead, a)))

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
    Body.looked_up, Body.best, Body.module, Body.residual, Body.rounds, Body.known, Body.truths,
    Body.whole, Body.rows, Body.constant, Body.tied, Body.several, Body.side_by_side,
)  # fmt: skip
ALONG_TOKENS = (
    Body.convolution, Body.scanned, Body.attention, Body.own_attention, Body.entries, Body.placed,
    Body.filled, Body.fits_context, Body.experts, Body.experts, Body.shared, Body.by_hand,
    Body.states, Body.looked_back, Body.kept, Body.convolved,
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
    words = set(re.findall(r"\w+", "\n".join(lines)))
    settings = ", ".join(n if n == "d" or n in words else f"_{n}" for n in DIMS)
    head = f"block {name}({settings})(x: {shape}) -> {shape}"
    role = " as layer" if tokens else ""
    return "\n".join([
        f"{head}{role}{' given first: [B, T, d]' if given else ''} {{",
        *(f"  {line}" for line in lines),
        "}",
    ])  # fmt: skip
