"""One class for one content: modules that differ in numbers alone share a class that is told them,
and modules that differ in anything else do not.

Each spec is held to the interpreter of its graph, so that a class which is told too little, or
shared too widely, computes something else.
"""

import re

import pytest

from archdsl import pipeline
from archdsl.emit import emit
from archdsl.source import Source
from equality import assert_equal_everywhere

HEAD = """
use std.core: Linear, Embedding, RMSNorm, LayerNorm, SingleLayer, GatedMLP, MLP, Identity
use std.attention: Attend, GQA, Causal, Window
use std.moe: MoE, SoftmaxRouter
block Scaled(d, s: float)(x: [B, T, d]) -> [B, T, d] {
  f = Linear(d, d)
  return f(x) * s
}
block Around(inner: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] {
  f = inner
  return x + f(x)
}
block Twice(one: [B, T, d] -> [B, T, d], two: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] {
  a = one
  b = two
  return b(a(x))
}
"""
MODEL = """
model M(d = 8, n = 3, vocab = 11, slope: float = 0.5, heads = 2, w = 3)
       (stream tokens: int[B, T]) -> [B, T, vocab]
where d % heads == 0, n > 0, slope > 0, w > 0 {{
  embed  = Embedding(vocab, d)
  layers = {layers}
  head   = Linear(d, vocab)
  return tokens |> embed |> layers |> head
}}
tiny M {{ d: {d}  vocab: 7  heads: 2  w: 2 }}
variant V = M() {{ name: "V" }}
"""

CASES = {
    # What wraps a block is one class, however deep the number stands.
    "beside": ("", "stack(Scaled(d, 0.5 ^ i) for i in n)", {"Scaled": 1}),
    "in one": ("", "stack(Around(Scaled(d, 0.5 ^ i)) for i in n)", {"Scaled": 1, "Around": 1}),
    "in two": (
        "",
        "stack(Around(SingleLayer(RMSNorm(d), Scaled(d, 0.5 ^ i))) for i in n)",
        {"Scaled": 1, "Around": 1, "SingleLayer": 1, "RMSNorm": 1},
    ),
    "in four": (
        """block Next(inner: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] {
          f = inner
          return x - f(x)
        }""",
        "stack(Around(Twice(Next(Scaled(d, 2 + i)), Next(RMSNorm(d)))) for i in n)",
        {"Scaled": 1, "Twice": 1, "Around": 1, "Next": 2},
    ),
    # Two numbers of one name, and those that are equal everywhere.
    "two numbers": (
        "",
        "stack(Twice(Scaled(d, 0.5 ^ i), Scaled(d, 1 - 0.1 * i)) for i in n)",
        {"Scaled": 1, "Twice": 1},
    ),
    "one number twice": (
        "",
        "stack(Around(Twice(Scaled(d, 0.5 ^ i), Scaled(d, 0.5 ^ i))) for i in n)",
        {"Scaled": 1, "Twice": 1, "Around": 1},
    ),
    "an integer and a real": (
        "",
        "stack(Twice(GatedMLP(d, 4 + i), Scaled(d, 0.5 ^ i)) for i in n)",
        {"Scaled": 1, "Twice": 1, "GatedMLP": 1},
    ),
    # An expression of settings for some layers, a number for others.
    "expressions": (
        "",
        "stack(Around(Scaled(d, slope * d)), Around(Scaled(d, 0.25)), Around(Scaled(d, slope)))",
        {"Scaled": 1, "Around": 1},
    ),
    "equal by chance": (
        "",
        "stack(Around(GatedMLP(d, d)), Around(GatedMLP(d, 8)), Around(GatedMLP(d, 2 * d)))",
        {"GatedMLP": 1, "Around": 1},
    ),
    # Banks, and what stands in them.
    "banks": (
        """block Expert(d, s: float)(x: [..., d]) -> [..., d] {
          f = Linear(d, d)
          return f(x) * s
        }""",
        "stack(Around(MoE(d, SoftmaxRouter(d, 4, 2), Expert(d, 0.5 ^ i), 4, 2)) for i in n)",
        {"ExpertBank": 1, "MoE": 1, "Around": 1},
    ),
    "banks of two widths": (
        "",
        "stack(Around(MoE(d, SoftmaxRouter(d, 4, 2), GatedMLP(d, 4 + i), 4, 2)) for i in n)",
        {"GatedMLPBank": 1, "MoE": 1, "Around": 1},
    ),
    # Functions in between, and functions in functions.
    "windows": (
        "",
        "stack(Around(GQA(d, heads, window: 2 + i)) for i in n)",
        {"GQA": 1, "Around": 1, "window": 1},
    ),
    "a function in a function": (
        """block Bend(a: float)(x: [...]) -> [...] {
          return x * a + sin(x * a)
        }
        block Both(a: float, f: [...] -> [...])(x: [...]) -> [...] {
          return f(x) * a + cos(f(x))
        }
        block Bent(d, f: [...] -> [...])(x: [B, T, d]) -> [B, T, d] {
          g = Linear(d, d)
          return f(g(x))
        }""",
        "stack(Around(Bent(d, Both(0.1 + 0.1 * i, Bend(2 + i)))) for i in n)",
        {"Around": 1, "Bent": 1, "both": 1, "bend": 1},
    ),
    # What differs in anything else is another class.
    "heads that share keys": (
        "",
        "stack(Around(GQA(d, 2, 2)), Around(GQA(d, 2, 1)), Around(GQA(d, 2, 2)))",
        {},
    ),
    "flags": (
        "",
        """stack(Around(Linear(d, d, bias: true)), Around(Linear(d, d)),
           Around(MLP(d, 4, bias: true)))""",
        {},
    ),
    "orders of a schedule": (
        """block Tower(a: [B, T, d] -> [B, T, d], b: [B, T, d] -> [B, T, d])
                      (x: [B, T, d]) -> [B, T, d] {
          layers = stack(a, b, b, a)
          return layers(x)
        }""",
        """stack(Tower(Around(Scaled(d, 2)), Scaled(d, 0.5)),
           Tower(Scaled(d, 2), Around(Scaled(d, 0.5))),
           Tower(Around(Scaled(d, 3)), Scaled(d, 0.25)))""",
        {"Tower": 2, "Scaled": 1, "Around": 1},
    ),
    "lengths of a schedule": (
        """block Tower(inner: [B, T, d] -> [B, T, d], k)(x: [B, T, d]) -> [B, T, d] {
          layers = stack(k * inner)
          return layers(x)
        }""",
        "stack(Tower(Scaled(d, 2), 1), Tower(Scaled(d, 0.5), 2))",
        {"Scaled": 1},
    ),
    "layers of a stack": (
        """block Tower(inner: [B, T, d] -> [B, T, d], other: [B, T, d] -> [B, T, d])
                      (x: [B, T, d]) -> [B, T, d] {
          layers = stack(inner, other)
          return layers(x)
        }""",
        "stack(Tower(Scaled(d, 2 + i), Scaled(d, 0.5 ^ i)) for i in n)",
        {"Scaled": 1, "Tower": 1},
    ),
    "settings with other numbers inside": (
        """block Wide(d, k)(x: [B, T, d]) -> [B, T, d] {
          up   = Linear(d, k * 2)
          down = Linear(k * 2, d)
          return down(rearrange[B T (k u) -> B T (u k)](up(x)))
        }""",
        "stack(Around(Wide(d, 1 + i)) for i in n)",
        {"Wide": 1, "Around": 1, "Linear": 1},
    ),
    "kernels beside what streams": (
        "",
        "stack(GQA(d, heads), Linear(d, d), Around(Linear(d, d)))",
        {},
    ),
    "kernels beside what asks where it stands": (
        """block Place(d)(x: [B, T, d]) -> [B, T, d] {
          return x + rearrange[T -> 1 T 1](model_dtype(positions(T))) * 0.1
        }""",
        "stack(Around(MLP(d, 4)), Place(d), Linear(d, d))",
        {},
    ),
    "a convolution of other lengths": (
        """block Short(d, k)(x: [B, T, d]) -> [B, T, d] {
          param w: [k, d] = normal(0.5)
          return einsum[B T k d, k d -> B T d](rearrange[B T d k -> B T k d](
            rearrange[B T k d -> B T d k](window(x, k))), w)
        }""",
        "stack(Around(Short(d, 1 + i)) for i in n)",
        {"Short": 1, "Around": 1},
    ),
}


def variant_of(text: str) -> pipeline.Variant:
    checked = pipeline.check_source(Source("content.arch", text))
    assert not checked.diagnostics, "\n\n".join(d.text() for d in checked.diagnostics)
    return checked.variants[0]


def count(text: str, name: str) -> int:
    """How many classes or functions were made of a block."""
    return len(re.findall(rf"^(?:class|def) {name}\d*\(", text, re.M))


@pytest.mark.parametrize("case", CASES)
def test_contents(case: str) -> None:
    blocks, layers, expected = CASES[case]
    layers = f"stack({layers})" if not layers.startswith("stack(") else layers
    variant = variant_of(HEAD + blocks + MODEL.format(layers=layers, d=4))
    tiny = variant.tiny
    assert_equal_everywhere(variant.model, tiny)
    assert_equal_everywhere(variant.model)
    for lower in (True, False):
        text = emit(variant.model, tiny, lower)
        assert {name: count(text, name) for name in expected} == expected
