"""What settings decide: conditions on numbers, words, truths and lists are those of arithmetic.

Random conditions stand in a spec and are computed by Python beside it. They decide how wide a layer
is, so that the count of parameters says what the check took for true.
"""

from hypothesis import given
from hypothesis import strategies as st

from archdsl import pipeline
from archdsl.source import Source
from emitted import code_of

WORDS = ("near", "far", "none")
NAMES = {"int": ("a", "b", "c"), "float": ("r",), "bool": ("p", "q"), "word": ("w",)}
WHOLE = (
    ("({} + {})", ""), ("({} * {})", ""), ("({} - {})", ""), ("({} // {})", ""), ("({} % {})", ""),
    ("maximum({}, {})", "max({}, {})"), ("minimum({}, {})", "min({}, {})"), ("len(xs)", ""),
    ("len([{}, {}] + xs)", ""), ("sum(xs)", ""), ("max(xs + [{}])", ""), ("min([{}] + xs)", ""),
    ("([{}] + xs)[0]", ""), ("([{}] + xs)[-1]", ""), ("(xs + [{}])[len(xs)]", ""),
    ("len(xs[1:])", ""), ("sum(xs[:{} % 3])", ""), ("sum(xs[1:2])", ""), ("sum(xs[-2:])", ""),
    ("count(xs, {})", "xs.count({})"), ("count([near, w, far], w)", "[near, w, far].count(w)"),
    ("sum([x for x in xs if x > {}])", ""), ("sum([i * x for i, x in enumerate(xs)])", ""),
    ("sum([x * y for x, y in zip(xs, [i + {} for i in range(len(xs))])])", ""),
    ("sum(range({} % 5))", ""), ("len(range(1, {} % 7, 2))", ""),
    ("len([x + y for x in xs for y in xs[1:] if x != y])", ""),
    ("(match w {{ near: {}  far: {}  none: 3 }})",
     "({} if w == near else {} if w == far else 3)"),
    ("(match {} {{ 1, 2: 1  3: 2  else: {} }})",
     "(1 if {0} in (1, 2) else 2 if {0} == 3 else {1})"),
)  # fmt: skip
REAL = (
    ("r", ""), ("{} / 4", ""), ("r * {}", ""), ("{} + 0.5", ""), ("0.25", ""),
    ("2 ^ {}", "2 ** {}"), ("sqrt({} ^ 2)", "float(abs({}))"),
)  # fmt: skip
"""Forms of numbers in the language, and in Python where that is written otherwise."""

Pair = tuple[str, str]
"""An expression in the language and in Python."""


def joined(form: str, *parts: Pair, python: str = "") -> Pair:
    """A form filled in on both sides."""
    return form.format(*(x for x, _ in parts)), (python or form).format(*(y for _, y in parts))


@st.composite
def whole(draw: st.DrawFn, depth: int = 2) -> Pair:
    """A whole number."""
    if not depth or draw(st.booleans()):
        leaf = draw(st.sampled_from([*NAMES["int"], "1", "2", "3", "4", "7"]))
        return leaf, leaf
    a, b = draw(whole(depth - 1)), draw(whole(depth - 1))
    form, python = draw(st.sampled_from(WHOLE))
    return joined(form, a, b, python=python)


@st.composite
def real(draw: st.DrawFn) -> Pair:
    """A real number."""
    form, python = draw(st.sampled_from(REAL))
    return joined(form, draw(whole(1)), python=python)


@st.composite
def condition(draw: st.DrawFn, depth: int = 2) -> Pair:
    """Something true or false."""
    if depth and draw(st.booleans()):
        a, b = draw(condition(depth - 1)), draw(condition(depth - 1))
        return joined(draw(st.sampled_from(["({} and {})", "({} or {})", "(not {})"])), a, b)
    kind = draw(st.sampled_from(["whole", "real", "word", "truth", "in", "list"]))
    compare = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
    equal = draw(st.sampled_from(["==", "!="]))
    if kind == "whole":
        return joined(f"({{}} {compare} {{}})", draw(whole()), draw(whole()))
    if kind == "real":
        return joined(f"({{}} {compare} {{}})", draw(real()), draw(real()))
    if kind == "word":
        return joined(f"(w {equal} {draw(st.sampled_from(WORDS))})")
    if kind == "truth":
        return joined(draw(st.sampled_from(["p", "q", f"(p {equal} q)", f"(p {equal} true)"])))
    items = draw(st.lists(whole(1), min_size=1, max_size=3))
    listed = tuple("[" + ", ".join(pair[side] for pair in items) + "]" for side in (0, 1))
    if kind == "list":
        return f"(xs {equal} {listed[0]})", f"(xs {equal} {listed[1]})"
    if draw(st.booleans()):
        chosen = ", ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=2)))
        return joined(f"(w in [{chosen}])")
    x = draw(whole(1))
    return f"({x[0]} in {listed[0]})", f"({x[1]} in {listed[1]})"


@given(
    st.lists(condition(), min_size=4, max_size=8),
    st.tuples(*(st.integers(1, 4) for _ in range(3))),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.tuples(st.booleans(), st.booleans(), st.sampled_from(WORDS)),
    st.lists(st.integers(1, 4), max_size=3),
)
def test_conditions_are_those_of_arithmetic(
    conditions: list[Pair],
    numbers: tuple[int, int, int],
    r: float,
    others: tuple[bool, bool, str],
    xs: list[int],
) -> None:
    a, b, c = numbers
    p, q, w = others
    known = {"a": a, "b": b, "c": c, "r": r, "p": p, "q": q, "w": w, "xs": xs, "true": True,
             "max": max, "min": min, "len": len, "sum": sum, "zip": zip, "range": range,
             "enumerate": enumerate, "abs": abs, "float": float,
             **{word: word for word in WORDS}}  # fmt: skip
    widths = []
    for _, python in conditions:
        try:
            widths.append(2 if eval(python, {"__builtins__": {}, **known}) else 1)
        except ZeroDivisionError:
            return
    layers = "\n".join(
        f"  f{i} = Linear(3, 2 if {text} else 1)" for i, (text, _) in enumerate(conditions)
    )
    sums = " + ".join(f"mean[B T n -> B T 1](f{i}(x))" for i in range(len(conditions)))
    said = ["false", "true"]
    spec = f"""use std.core: Linear
block Chooses(a, b, c, r: float, p: bool, q: bool, w: enum(near, far, none), xs: list(dim))
             (x: [B, T, 3]) -> [B, T, 3]
where a + b + c > 0, r >= 0, p or q or true, w in [near, far, none], len(xs) >= 0 {{
{layers}
  return x + {sums}
}}
model M(a, b, c, r: float, p: bool, q: bool, w: enum(near, far, none), xs: list(dim))
       (stream x: [B, T, 3]) -> [B, T, 3] {{
  f = Chooses(a, b, c, r, p, q, w, xs)
  return f(x)
}}
variant V = M({a}, {b}, {c}, {r}, {said[p]}, {said[q]}, {w}, {xs}) {{ }}
"""
    checked = pipeline.check_source(Source("choice.arch", spec))
    assert not checked.diagnostics, "\n".join(d.text() for d in checked.diagnostics)
    assert checked.variants[0].facts.params == 3 * sum(widths), spec


ONE_SIDE = """model M(d = 4, doubled: bool = true)(stream x: [B, T, d]) -> [B, T, d] {{
  twice = 2 * exp(x)
  half = exp(x) / 2
  return twice if doubled else half
}}
variant V = M(doubled: {}) {{ context: 8 }}
"""


def test_what_only_the_side_not_taken_uses_is_not_computed() -> None:
    for doubled, (kept, lost) in (("true", ("twice", "half")), ("false", ("half", "twice"))):
        checked = pipeline.check_source(Source("m.arch", ONE_SIDE.format(doubled)))
        assert not checked.diagnostics
        [variant] = checked.variants
        code = code_of(variant)
        assert code.count("exp(") == 1 and lost not in code
        names = {node.name for node in variant.model.root.nodes}
        assert kept in names and lost not in names
