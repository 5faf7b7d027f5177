"""Habits of other languages, and silence about what follows from one mistake.

Who comes from Python writes `def`, `@`, `range` and `transpose`: the help line says what a spec has
in their place. A declaration that does not parse is told once: names that it would have declared
are not missed elsewhere, and nothing is counted.
"""

from pathlib import Path

import pytest

from archdsl import pipeline
from archdsl.diagnostic import Diagnostic
from archdsl.source import Source

SPEC = """
use std.core: Linear, Embedding, TransformerLayer, RMSNorm, GatedMLP
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
  layers = stack(TransformerLayer(RMSNorm(d), One(d), GatedMLP(d, 2 * d)) for i in n)
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
        ("  return einsum", "  retrun einsum", "retrun", "did you mean return?"),
        ("cache a, x", "chace a, x", "chace", "did you mean cache?"),
        ("softmax[... S](", "s @ softmax[... S](", "@", "einsum[... m, n m -> ... n](x, w)"),
        ('name: "V"', "name: 'V'", "'", "double quotes"),
        ("stack(TransformerLayer", "stack(n=TransformerLayer", "=", "name: value"),
        ("tiny M { d: 8", "tiny M { d = 8", "=", "expected `:`"),
        ("a) * k ^ -0.5", "a) |> einsum[B T S -> B T S] * 2", "*", "(x |> f) * y"),
        ("One(d)", "One(d, each: 3)", "each", "choose another name"),
        ("k ^ -0.5", "k ** -0.5", "*", "x ^ y"),
        ("a = q(x)", "a = self.q(x)", "self", "a part is called by its name alone"),
        ("a = q(x)", "a = transpose(q(x))", "transpose", "rearrange[...]"),
        ("GatedMLP(d, 2 * d)", "GatedMLP(d, 2 * d, True)", "True", "write true"),
        ("GatedMLP(d, 2 * d)", "GatedMLP(d, j)", "j", ""),
        ("p = softmax[... S](", "p = softmax(", "", "write softmax[... n](x)"),
        ("  cache a, x\n", "", "S", "write `cache` before the names"),
        (
            "](h, a)",
            "](q(x), a)",
            "T",
            "behind `cache` a name is all that was seen: make queries of it before",
        ),
        ("k = d)", "k: int = 3)", "int", "without a kind it is an integer of at least 1: k"),
        ("  a = q(x)", "  if d > 64 {\n    a = x\n  }", "if", "a if condition else b"),
        ("  a = q(x)", "  if d > 64:\n    a = x\n  a = q(x)", "if", "select(condition, a, b)"),
        ("  a = q(x)", "  for q in qs {\n    a = q(x)\n  }", "for", "stack(n * Layer(...))"),
        ("  a = q(x)", "  for q in range(3):\n    a = q(x)", "for", "then apply all of them"),
        ("  a = q(x)", "  // one head\n  a = q(x)", "//", "write # and the text"),
        ("  a = q(x)", "  a = q(x) // one head", "//", "write # and the text"),
        ("  a = q(x)", "  let a = q(x)", "let", "write name = ..."),
        ("  a = q(x)", "  print(x)\n  a = q(x)", "print", "leave it out"),
        ("  a = q(x)", "  self.a = q(x)", "self", "write up = ..., then up(x)"),
        ("  a = q(x)", "  a: [B, T, k] = q(x)", ":", "its type follows"),
        ("  a = q(x)", "  a = q(x)\n  a *= 2", "*=", "x += y is a residual connection"),
        ("  a = q(x)", "  a = x.transpose(1, 2)", "transpose", "rearrange[...]"),
        ("  a = q(x)", "  a = x.softmax(-1)", "softmax", "softmax[... n](x)"),
        ("  a = q(x)", "  a = x.shape", "shape", "an axis has the name that its type says"),
        ("  a = q(x)", "  a = q(F.relu(x))", "F", "by its name alone: relu(x)"),
        ("  a = q(x)", "  f = nn.Linear(d, k)\n  a = f(x)", "nn", "by its name alone: Linear"),
        ("  a = q(x)", "  f = nn.MLP(d, k)\n  a = f(x)", "nn", "use std.core: MLP"),
        ("  a = q(x)", "  a = q(x[:, 0])", ":", "cut an axis by a pattern"),
        ("  a = q(x)", "  f = lambda y: q(y)\n  a = f(x)", "lambda", "a function is a block"),
        ("GatedMLP(d, 2 * d)", "GatedMLP(d, 2d)", "2d", "a product is written out: 2 * d"),
        ("d, n, vocab)", "d, n, vocab = 4d)", "4d", "a product is written out: 4 * d"),
        ("tokens |> embed", "tokens -> embed", "->", "a pipe is |>"),
        ("tokens |> embed |>", "tokens >> embed |>", ">>", "a pipe is |>"),
        ("tokens |> embed |>", "tokens | embed |", "|", "a pipe is |>"),
        ("|> embed |> layers |>", "> embed > layers >", ">", "a pipe is |>"),
        (
            "return tokens |>",
            "tokens |>",
            "tokens",
            "by return: return tokens |> embed |> layers |> head",
        ),
        (
            "layers = stack(",
            "tokens |> embed\n  layers = stack(",
            "tokens",
            "write name = tokens |> embed",
        ),
        (
            ", TransformerLayer, RMSNorm",
            ", RMSNorm",
            "TransformerLayer",
            "use std.core: TransformerLayer",
        ),
        (": Causal", ": causal", "causal", "did you mean Causal?"),
        (
            "use std.attention: Causal",
            "use std.core: Causal",
            "Causal",
            "use std.attention: Causal",
        ),
        ("std.attention: Causal", "std.nn: Causal", "std.nn", "use std.attention: Causal"),
        ("Linear, Embedding", "Linear Embedding", "Embedding", "write Linear, Embedding"),
        ("std.core: Linear", "std.core Linear", "Linear", "write use std.core: Linear"),
        ("std.core:", "std::core:", "::", "write use std.core: A"),
        ("Linear, Embedding", "Linear as L, Embedding", "as", "write its name alone"),
        (
            "use std.core: Linear",
            "import torch.nn as nn\nuse std.core: Linear",
            "import",
            "write use std.core: A, B",
        ),
        ("use std.attention: Causal", "from torch import nn", "from", "write use std.core: A, B"),
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


HELP = {
    "habits.arch": {
        "use std.position: RoPE": "did you mean Rope?",
        "use std.core: Causal": "write use std.attention: Causal",
        "LayerNorm(d)": "use std.core: LayerNorm",
        "x * w": "einsum[... d, d_ff d -> ... d_ff](x, w)",
        "x.transpose": "write rearrange[...]",
        "d_ff / 2": "divide dimensions with //",
        "1365.3": "write an integer, such as 1365",
        "2(d)": "a product is written with `*`",
        "x + up(x)": "map one to the width of the other first: 4 * d to d",
        "heads T k -> B": "the axes stand in another order here: B T heads k",
        "weight: embed)": "tie it to one: weight: embed.weight",
        "Linear(vocab, d, weight: embed.weight)": "Linear(d, vocab, weight: embed.weight) fits",
        "weight: embed.w)": "it has weight",
        "layers.w": "one block that is bound by itself",
        " w: embed.weight": "it has weight, bias",
        "Embedding(d, vocab)": "Embedding(vocab, d) fits",
        "GatedMLP(d_ff, d)": "GatedMLP(d, d_ff) fits",
        "GQA(d, kv_heads, heads)": "GQA(d, heads, kv_heads) fits",
        "return f(x)": "m of Linear is 2 * d",
    },
    "hub_names.arch": {
        "embed.weigth": "did you mean embed.weight?",
        "skp.weight": "did you mean layers[i].skip.weight?",
        "last.skip.v": "did you mean last.skip.weight?",
    },
    "names.arch": {
        "n_layers": "stack(n_layers * Layer(...))",
    },
}
"""Lines of wrong specs by a part of each, and a part of their help."""


@pytest.mark.parametrize("name", HELP)
def test_the_help_of_wrong_specs(name: str) -> None:
    path = Path(__file__).parent / "errors" / name
    given = pipeline.check_path(path, name).diagnostics
    for line, help in HELP[name].items():
        helps = [
            d.help
            for d in given
            if d.span and line in d.span.source.line(d.span.line).split("#")[0]
        ]
        assert any(help in one for one in helps), (line, helps)


def test_an_operand_that_does_not_fit_is_shown_where_it_was_made() -> None:
    path = Path(__file__).parent / "errors" / "habits.arch"
    (one,) = (d for d in pipeline.check_path(path, "").diagnostics if "heads equals T" in d.message)
    (label,) = one.labels
    assert label.text == "q is [B, T, heads, (d // heads)]"
    assert label.span.text == "rearrange[B T (heads k) -> B T heads k](x)"


def test_the_files_of_the_library_are_listed() -> None:
    (one,) = told(SPEC.replace("std.attention", "std.nn"))
    assert one.note.startswith("the library has std.attention, std.convolved, ")


@pytest.mark.parametrize("block", ["B", "T", "S"])
def test_a_block_may_be_called_as_an_axis(block: str) -> None:
    """A name that is applied is a block, and an axis anywhere else."""
    assert told(SPEC.replace("One", block)) == ()
    assert told(f"block {block}(d)(x: [B, T, d]) -> [B, T, d] {{ return x * 2 }}{SPEC}") == ()


@pytest.mark.parametrize(
    "broken", ["block One(d, k = d)", "model M(d,", "use std.core: Linear", "variant V = M("]
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
