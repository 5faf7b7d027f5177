"""Dimensions: the normal form computes what the arithmetic says, and verdicts hold for all values.

Expressions are drawn as trees, so that the reference is Python's own arithmetic on integers.
"""

import copy
import pickle
from collections.abc import Mapping
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl.dims import (
    DIFFERENT,
    EQUAL,
    UNKNOWN,
    Assumptions,
    Dim,
    compare,
    divides,
    extreme,
    simplify,
    substitute,
)
from archdsl.symbols import (
    ModelSymbol,
    counts_seen,
    counts_tokens,
    of_model,
    seen,
    streams,
    unmarked,
)

MANY = settings(max_examples=3000)
NAMES = ("a", "b", "c")
VALUES = [dict(zip(NAMES, row, strict=True)) for row in product((1, 2, 3, 5, 8), repeat=3)]
OPERATORS = ("+", "-", "*", "//", "%", "max", "min")
Tree = str | int | tuple[str, "Tree", "Tree"]

trees: st.SearchStrategy[Tree] = st.recursive(
    st.sampled_from(NAMES) | st.integers(-3, 6),
    lambda inner: st.tuples(st.sampled_from(OPERATORS), inner, inner),
    max_leaves=7,
)
sums: st.SearchStrategy[Tree] = st.recursive(
    st.sampled_from(NAMES) | st.integers(-3, 6),
    lambda inner: st.tuples(st.sampled_from(["+", "-", "*"]), inner, inner),
    max_leaves=7,
)


def evaluate(tree: Tree, values: Mapping[str, int]) -> int:
    """What Python says. Raises ZeroDivisionError."""
    match tree:
        case str():
            return values[tree]
        case int():
            return tree
        case (op, left, right):
            a, b = evaluate(left, values), evaluate(right, values)
            match op:
                case "+":
                    return a + b
                case "-":
                    return a - b
                case "*":
                    return a * b
                case "//":
                    return a // b
                case "%":
                    return a % b
                case "max":
                    return max(a, b)
                case "min":
                    return min(a, b)
    raise AssertionError(tree)


def build(tree: Tree) -> Dim:
    """The normal form. Raises ZeroDivisionError."""
    match tree:
        case str():
            return Dim.symbol(tree)
        case int():
            return Dim.number(tree)
        case (op, left, right):
            a, b = build(left), build(right)
            match op:
                case "+":
                    return a + b
                case "-":
                    return a - b
                case "*":
                    return a * b
                case "//":
                    return a // b
                case "%":
                    return a % b
                case _:
                    return extreme(op, a, b)
    raise AssertionError(tree)


def numbers(tree: Tree, values: Mapping[str, int]) -> int | None:
    try:
        return evaluate(tree, values)
    except ZeroDivisionError:
        return None


def computed(d: Dim, values: Mapping[str, int]) -> int | None:
    try:
        found = substitute(d, {name: Dim.number(value) for name, value in values.items()})
    except ZeroDivisionError:
        return None
    assert found.value is not None, f"{d} at {values} is {found}"
    return found.value


@MANY
@given(trees)
def test_normal_form_computes_what_the_text_says(tree: Tree) -> None:
    """Where a division by zero was dropped on the way, 0 * (a // 0), nothing is compared."""
    try:
        normal = build(tree)
    except ZeroDivisionError:
        return
    for values in VALUES[::7]:
        expected = numbers(tree, values)
        if expected is not None:
            assert computed(normal, values) == expected, (str(normal), values)


@MANY
@given(trees, st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9)))
def test_substitution_in_steps(tree: Tree, some: dict[str, int]) -> None:
    """Some symbols now and the others later come to the same as all at once."""
    try:
        normal = build(tree)
        partly = substitute(normal, {name: Dim.number(value) for name, value in some.items()})
    except ZeroDivisionError:
        return
    assert not partly.symbols() & set(some)
    for values in VALUES[::11]:
        expected = numbers(tree, values | some)
        if expected is not None:
            assert computed(partly, values) == expected


@MANY
@given(sums, sums)
def test_equal_polynomials_have_one_normal_form(first: Tree, second: Tree) -> None:
    """Polynomials of so low a degree that agree on enough points are equal, and print alike."""
    grid = (dict(zip(NAMES, row, strict=True)) for row in product(range(1, 10), repeat=3))
    agree = all(evaluate(first, v) == evaluate(second, v) for v in grid)
    a, b = build(first), build(second)
    assert (a == b) is agree
    assert (str(a) == str(b)) is agree
    assert (compare(a, b) is EQUAL) is agree


@MANY
@given(trees, trees)
def test_verdicts_hold_for_all_values(first: Tree, second: Tree) -> None:
    try:
        verdict = compare(build(first), build(second))
    except ZeroDivisionError:
        return
    _hold(verdict, first, second, VALUES)


@MANY
@given(trees, trees, st.lists(trees, min_size=1, max_size=2))
def test_verdicts_hold_where_facts_do(first: Tree, second: Tree, zeros: list[Tree]) -> None:
    """With assumptions, for all values at which the assumptions are true."""
    try:
        facts = Assumptions(tuple(build(zero) for zero in zeros))
        verdict = compare(build(first), build(second), facts)
    except ZeroDivisionError:
        return
    allowed = [v for v in VALUES if all(numbers(zero, v) == 0 for zero in zeros)]
    _hold(verdict, first, second, allowed)


@MANY
@given(sums, st.sampled_from(NAMES) | st.integers(1, 4), sums)
def test_divisibility_is_used_soundly(top: Tree, bottom: Tree, other: Tree) -> None:
    """With a % b == 0, b * (a // b) is a, and rewriting a dimension never changes its value."""
    a, b = build(top), build(bottom)
    facts = Assumptions((a % b,))
    assert compare(b * (a // b), a, facts) is EQUAL
    assert divides(b, a, facts)
    mixed = (a // b) * b * build(other) + build(other)
    for values in VALUES:
        if evaluate(("%", top, bottom), values) == 0:
            assert computed(simplify(mixed, facts), values) == computed(mixed, values)


def _hold(verdict: object, first: Tree, second: Tree, allowed: list[dict[str, int]]) -> None:
    for values in allowed:
        a, b = numbers(first, values), numbers(second, values)
        if a is None or b is None:
            continue
        if verdict is EQUAL:
            assert a == b, values
        if verdict is DIFFERENT:
            assert a != b, values


def test_verdicts_decide_what_specs_need() -> None:
    """Soundness alone would be met by an UNKNOWN for everything."""
    a, b, c = map(Dim.symbol, NAMES)
    assert compare(a * b + a, a * (b + 1)) is EQUAL
    assert compare(a * b // b, a) is EQUAL
    assert compare(a + 1, a) is DIFFERENT
    assert compare(a * b + 1, Dim.number(1)) is DIFFERENT
    assert compare(a * 2 + b, a) is DIFFERENT
    assert compare(a, b) is UNKNOWN
    assert compare(a // b * b, a) is UNKNOWN
    assert compare(a // b * b * c, a * c, Assumptions((a % b,))) is EQUAL
    assert compare(a, b * 2, Assumptions((a - b * 2,))) is EQUAL


# --- symbols of the model -------------------------------------------------------------------------


def test_a_symbol_of_the_model_is_no_name_of_a_block() -> None:
    symbol = ModelSymbol("d")
    assert (symbol.name, unmarked(symbol), unmarked("d")) == ("d", "d", "d")
    assert symbol != "d"
    assert of_model("d") != Dim.symbol("d")
    assert (of_model("d") - Dim.symbol("d")).value is None
    assert unmarked(of_model("d") // of_model("heads")) == "(d // heads)"
    for same in (copy.copy(symbol), copy.deepcopy(symbol), pickle.loads(pickle.dumps(symbol, 5))):
        assert (same, type(same)) == (symbol, ModelSymbol)


def test_tokens_stream_through_a_block_with_the_axis_of_the_model() -> None:
    decoder, encoder = {"T": of_model("T")}, {"T": of_model("N")}
    assert streams(decoder) and streams({}) and not streams(encoder)
    assert (seen(decoder), seen({}), seen(encoder)) == (of_model("S"), of_model("S"), of_model("N"))


def test_what_an_axis_counts() -> None:
    symbols = {"T": of_model("T"), "S": of_model("S"), "E": of_model("S") // 4, "N": of_model("N")}
    axes = {name: Dim.symbol(name) for name in symbols}
    assert {name for name, axis in axes.items() if counts_tokens(symbols, axis)} == {"T"}
    assert {name for name, axis in axes.items() if counts_seen(symbols, axis)} == {"S"}
    assert counts_tokens(symbols, axes["T"] * 2 + 1)
    assert counts_seen(symbols, extreme("min", axes["S"], Dim.number(8)))
    assert not counts_seen(symbols, axes["S"] // 4)
