"""Habits of other languages, and silence about what follows from one mistake.

Who comes from Python writes `def`, `@`, `range` and `transpose`: the help line says what a spec has
in their place. A declaration that does not parse is told once: names that it would have declared
are not missed elsewhere, and nothing is counted.
"""

import pytest

from archdsl import pipeline
from archdsl.diagnostic import Diagnostic
from archdsl.source import Source

SPEC = """
use std.core: Linear, Embedding, PreNorm, RMSNorm, SwiGLU
use std.attention: Causal

## Attention in one head.
block One(d, k = d)(x: [B, T, d]) -> [B, T, d] as attention "One head" {
  q = Linear(d, k)
  o = Linear(d, d)
  a = q(x)
  h = a
  cache a, x
  s = einsum[B T k, B S k -> B T S](h, a) * k ^ -0.5
  p = softmax[... S](select(Causal()(positions(T), positions(S)), s, -inf))
  return einsum[B T S, B S d -> B T d](p, x) |> o
}

model M(d, n, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed  = Embedding(vocab, d)
  layers = stack(PreNorm(RMSNorm(d), One(d), SwiGLU(d, 2 * d)) for i in n)
  head   = Linear(d, vocab)
  return tokens |> embed |> layers |> head
}

tiny M { d: 8  n: 2  vocab: 11 }

variant V = M(d: 16, n: 2, vocab: 32) {
  name: "V"
  expect params: 5_184
}

card V {
  inset(layers.mix)
}
"""


def told(text: str) -> tuple[Diagnostic, ...]:
    return pipeline.check_source(Source("spec.arch", text)).diagnostics


def test_the_spec_checks() -> None:
    assert told(SPEC) == ()


@pytest.mark.parametrize(
    ("old", "new", "place", "help"),
    [
        ("block One(", "def One(", "def", "declare it with `block`"),
        ("a = q(x)", "a = q(x);", ";", "no sign ends a statement"),
        ("softmax[... S](", "s @ softmax[... S](", "@", "einsum[... m, n m -> ... n](x, w)"),
        ('name: "V"', "name: 'V'", "'", "double quotes"),
        ("stack(PreNorm", "stack(n=PreNorm", "=", "name: value"),
        ("tiny M { d: 8", "tiny M { d = 8", "=", "expected `:`"),
        ("a) * k ^ -0.5", "a) |> einsum[B T S -> B T S] * 2", "*", "(x |> f) * y"),
        ("One(d)", "One(d, each: 3)", "each", "choose another name"),
        ("k ^ -0.5", "k ** -0.5", "*", "x ^ y"),
        ("a = q(x)", "a = self.q(x)", "self", "a part is called by its name alone"),
        ("a = q(x)", "a = transpose(q(x))", "transpose", "rearrange[...]"),
        ("SwiGLU(d, 2 * d)", "SwiGLU(d, 2 * d, True)", "True", "write true"),
        ("SwiGLU(d, 2 * d)", "SwiGLU(d, j)", "j", ""),
        ("p = softmax[... S](", "p = softmax(", "", "write softmax[... n](x)"),
        ("  cache a, x\n", "", "S", "write `cache` before the names"),
        (
            "](h, a)",
            "](q(x), a)",
            "T",
            "behind `cache` a name is all that was seen: make queries of it before",
        ),
        ("k = d)", "k: int = 3)", "int", "without a kind it is an integer of at least 1: k"),
    ],
)
def test_the_help_says_what_is_written_here(old: str, new: str, place: str, help: str) -> None:
    """One message, at the word that is foreign."""
    assert old in SPEC
    found = told(SPEC.replace(old, new, 1))
    assert [d.text() for d in found[1:]] == []
    (one,) = found
    assert one.span is not None
    assert one.span.text == place or not place
    assert help in one.help
    assert bool(one.help) == bool(help)


@pytest.mark.parametrize(
    "broken", ["block One(d, k = d)", "model M(d,", "use std.core: Linear,", "variant V = M("]
)
def test_what_does_not_parse_is_told_once(broken: str) -> None:
    """Its names are not missed where they are used, and what lacks them is not counted."""
    assert broken in SPEC
    found = told(SPEC.replace(broken, broken + " ?"))
    assert [d.code for d in found] == ["syntax"]


def test_a_tiny_size_is_told_at_its_own_place() -> None:
    spec = SPEC.replace("vocab] {\n  embed", "vocab]\nwhere d % n == 0 {\n  embed")
    (one,) = told(spec.replace("tiny M { d: 8 ", "tiny M { d: 9 "))
    assert one.code == "unmet-where"
    assert one.span is not None
    assert one.span.source.line(one.span.line).startswith("tiny M")
    assert "9 % 2" in one.note


def test_a_tensor_may_be_called_as_an_axis_of_a_slot() -> None:
    """`k` is an axis in the type of the slot, and keys in the body."""
    assert (
        told("""
block Slotted(d, f: [B, T, k] -> [B, T, k])(x: [B, T, d]) -> [B, T, d] {
  inner = f
  k = x * 2
  return inner(k)
}
""")
        == ()
    )
