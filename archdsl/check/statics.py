"""Numbers and words known in advance: arithmetic, comparison, logic.

Integers stay polynomials under + - * // % and powers of numbers; everything else is a real
expression. A comparison that neither symbols nor numbers decide is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable

from archdsl import syntax as s
from archdsl.check.scope import Scope
from archdsl.check.values import (
    Error,
    Float,
    Int,
    Items,
    Null,
    Recipe,
    Slot,
    Text,
    Truth,
    Value,
    Word,
    describe,
    is_block,
)
from archdsl.diagnostic import printable
from archdsl.dims import DIFFERENT, EQUAL, Dim, TooLarge, Verdict, extreme
from archdsl.hints import whole
from archdsl.reals import FUNCTIONS, Apply, Lit, OfDim, Real
from archdsl.record import replace
from archdsl.source import Span

MAX_EXPONENT = 64
"""Powers of dimensions above this are refused: nothing has an axis of x ^ 65."""


NO_NUMBER = "this number does not exist"
WHY_NOT = "it divides by zero, takes the root of less than zero, or is too large"

COMPARE = ("==", "!=", "<=", ">=", "<", ">")


def integer(scope: Scope, value: Value, span: Span, what: str) -> Dim | None:
    """A value as an integer known in advance, or None after a report."""
    match value:
        case Int(d):
            return d
        case Error():
            return None
    message = f"{what} has to be an integer known in advance"
    help = whole(span.text) if isinstance(value, Float) else ""
    scope.fail("not-static", message, span, note=f"this is {describe(value)}", help=help)
    return None


def condition(scope: Scope, value: Value, span: Span) -> bool | None:
    """A value as a condition: True, False, or None where it is not known (or wrong)."""
    match value:
        case Truth(known):
            return known
        case Error():
            return None
    scope.fail(
        "not-static",
        "a condition has to be about settings",
        span,
        note=f"this is {describe(value)}",
        help="compare settings, or use select(a, b, c) on tensors",
    )
    return None


def logic(scope: Scope, expr: s.Binary, left: Value, right: Value) -> Value:
    """`and` and `or` of conditions."""
    if not isinstance(left, Truth) or not isinstance(right, Truth):
        wrong = expr.right if isinstance(left, Truth) else expr.left
        return scope.fail("kind-mismatch", f"`{expr.op}` joins conditions", wrong.span)
    decided = expr.op == "or"
    if decided in (left.value, right.value):
        return Truth(decided)
    return Truth(None if None in (left.value, right.value) else not decided)


def comparison(scope: Scope, expr: s.Binary, left: Value, right: Value) -> Value:
    """A comparison of values known in advance."""
    equal = expr.op == "=="
    match left, right:
        case Int(a), Int(b):
            return Truth(compare_ints(scope, expr.op, a, b))
        case (Int() | Float(), Int() | Float()):
            x, y = (number(scope, v, expr.span) for v in (left, right))
            if x is None or y is None:
                return Truth(None)
            return Truth(
                {"==": x == y, "!=": x != y, "<=": x <= y, ">=": x >= y, "<": x < y, ">": x > y}[
                    expr.op
                ]
            )
        case (Null(), _) | (_, Null()) if expr.op in ("==", "!="):
            return Truth((left == right) == equal)
    if expr.op not in ("==", "!="):
        return scope.fail("kind-mismatch", f"`{expr.op}` compares numbers", expr.span)
    if not _comparable(left, right):
        return scope.fail(
            "kind-mismatch",
            f"{describe(left)} cannot be compared with {describe(right)}",
            expr.span,
        )
    same = agree(scope, left, right)
    return Truth(None if same is None else same == equal)


def _comparable(left: Value, right: Value) -> bool:
    """Whether `==` has a meaning between two values that are not both numbers."""
    match left, right:
        case (Text(), Text()) | (Items(), Items()):
            return True
        case (Word() | Truth(), Word() | Truth()):
            return True
    return is_block(left) and is_block(right)


def agree(scope: Scope, left: Value | None, right: Value | None) -> bool | None:
    """Whether two values are equal, whatever the way in which they were given; None where settings
    that are not known decide.
    """
    match left, right:
        case Int(a), Int(b):
            return compare_ints(scope, "==", a, b)
        case (Int() | Float(), Int() | Float()):
            x, y = number(scope, left, None), number(scope, right, None)
            return None if x is None or y is None else x == y
        case (Word(None), Word()) | (Word(), Word(None)):
            return None
        case (Truth(None), Truth()) | (Truth(), Truth(None)):
            return None
        case Items(p), Items(q):
            if p is None or q is None:
                return None
            return len(p) == len(q) and _all(agree(scope, x, y) for x, y in zip(p, q, strict=True))
        case (Slot(), _) | (_, Slot()):
            first, second = (v.recipe if isinstance(v, Slot) else v for v in (left, right))
            return None if first is None or second is None else agree(scope, first, second)
        case Recipe(), Recipe():
            if replace(left, settings=()) != replace(right, settings=()):
                return False
            one, other = dict(left.settings), dict(right.settings)
            if one.keys() != other.keys():
                return False
            return _all(agree(scope, one[name], other[name]) for name in one)
    return left == right


def _all(answers: Iterable[bool | None]) -> bool | None:
    """Whether all are true; None where one of them is not known and no other is false."""
    known = set(answers)
    return False if False in known else None if None in known else True


def compare_ints(scope: Scope, op: str, a: Dim, b: Dim) -> bool | None:
    """A comparison of dimensions, where symbols or numbers decide it."""
    verdict: Verdict = scope.compare(a, b)
    if op in ("==", "!="):
        if verdict is EQUAL:
            return op == "=="
        return op == "!=" if verdict is DIFFERENT else None
    if verdict is EQUAL:
        return op in ("<=", ">=")
    x, y = scope.value(a), scope.value(b)
    if x is None or y is None:
        return None
    return {"<=": x <= y, ">=": x >= y, "<": x < y, ">": x > y}[op]


def contains(scope: Scope, expr: s.Binary, left: Value, right: Value) -> Value:
    """`x in list`."""
    if not isinstance(right, Items):
        return scope.fail("kind-mismatch", "`in` looks into a list", expr.right.span)
    if right.values is None:
        return Truth(None)
    known = {agree(scope, left, item) for item in right.values}
    return Truth(True if True in known else None if None in known else False)


def arithmetic(scope: Scope, op: str, left: Value, right: Value, span: Span) -> Value:
    """Numbers known in advance; integers stay integers under + - * // % and powers of numbers."""
    match left, right:
        case Int(a), Int(b) if op != "/":
            return _integer(scope, op, a, b, span)
        case (Int() | Float(), Int() | Float()) if op in ("+", "-", "*", "/", "^"):
            return checked(scope, Float(Apply(op, (real(left), real(right)))), span)
    wrong = right if isinstance(left, Int | Float) else left
    return scope.fail(
        "kind-mismatch",
        f"`{op}` takes numbers or tensors",
        span,
        note=f"one side is {describe(wrong)}",
    )


def _integer(scope: Scope, op: str, a: Dim, b: Dim, span: Span) -> Value:
    try:
        return _computed(scope, op, a, b, span)
    except TooLarge as error:
        return scope.fail("too-large", str(error), span)


def _computed(scope: Scope, op: str, a: Dim, b: Dim, span: Span) -> Value:
    try:
        match op:
            case "+":
                return Int(a + b)
            case "-":
                return Int(a - b)
            case "*":
                return Int(a * b)
            case "//":
                return Int(a // b)
            case "%":
                return Int(a % b)
    except ZeroDivisionError:
        return scope.fail("bad-dimension", "division by zero", span)
    power = b.value
    if power is None or power < 0:
        return checked(scope, Float(Apply("^", (OfDim(a), OfDim(b)))), span)
    if power > MAX_EXPONENT:
        return scope.fail("too-large", f"a power above {MAX_EXPONENT}", span)
    result = Dim.number(1)
    for _ in range(power):
        result = result * a
    return Int(result)


def checked(scope: Scope, value: Float, span: Span) -> Value:
    """A real number that exists: division by zero and overflow are errors with a place."""
    try:
        if scope.numbers is not None:
            scope.numbers.real(value.real)
    except (ArithmeticError, ValueError):
        return scope.fail("bad-value", NO_NUMBER, span, help=WHY_NOT)
    return value


def spelt(scope: Scope, value: Value) -> str:
    """A value as a message names it."""
    match value:
        case Int(d):
            return str(scope.value(d) if scope.value(d) is not None else d)
        case Word(name) if name is not None:
            return name
        case Text(text):
            return printable(text)
        case Float():
            return str(number(scope, value, None))
        case Truth(known) if known is not None:
            return "true" if known else "false"
    return describe(value)


def real(value: Value) -> Real:
    """A static number as a real expression; raises TypeError for anything else."""
    match value:
        case Int(d):
            return Lit(float(d.value)) if d.value is not None else OfDim(d)
        case Float(r):
            return r
    raise TypeError(describe(value))


def number(scope: Scope, value: Value, span: Span | None) -> float | None:
    """The number behind a static value, where it is known."""
    try:
        match value:
            case Int(d):
                return scope.value(d)
            case Float(Lit(x)):
                return x
            case Float(r) if scope.numbers is not None:
                return scope.numbers.real(r)
    except (ArithmeticError, ValueError):
        scope.fail("bad-value", NO_NUMBER, span, help=WHY_NOT)
    return None


def function(scope: Scope, op: str, args: tuple[Value, ...], span: Span) -> Value:
    """A function of numbers, such as `log` or `maximum`."""
    match op, args:
        case (("maximum" | "minimum"), (Int(a), Int(b))):
            return Int(extreme("max" if op == "maximum" else "min", a, b))
        case ("abs", (Int(d),)) if d.value is not None:
            return Int(Dim.number(abs(d.value)))
    if op in ("floor", "ceil") and scope.keys is not None and len(args) == 1:
        # What a configuration says is a number, and may be a dimension once it is whole.
        known = number(scope, args[0], span)
        return Float(Lit(0.0)) if known is None else Int(_whole(op, known))
    wanted = FUNCTIONS[op].operands
    if len(args) != wanted:
        return scope.fail("wrong-arguments", f"{op} takes {wanted} numbers", span)
    return checked(scope, Float(Apply(op, tuple(real(a) for a in args))), span)


def _whole(op: str, known: float) -> Dim:
    return Dim.number(int(FUNCTIONS[op].value(known)))
