"""Tensors of a checkpoint: what is loaded from them, and what is refused, on a small model."""

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from emitted import from_text

SPEC = """
use std.core: Embedding, Linear
block Layer(d)(x: [B, T, d]) -> [B, T, d] as layer {
  f = Linear(d, d)
  g = Linear(d, d)
  h = Linear(d, d)
  param scale: [d] = ones
  return f(x) * scale + g(h(x))
}
model M(d, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed  = Embedding(vocab, d)
  layers = stack(2 * Layer(d))
  head   = Linear(d, vocab, weight: embed.weight)
  return tokens |> embed |> layers |> head
}
variant V = M(d: 4, vocab: 7) {}
hub M "m" {
  config { d <- .d  vocab <- .vocab }
  weights {
    embed.weight         <- "embed.weight", "wte"
    layers[i].f.weight   <- "{i}.f" [a b -> b a]
    layers[i].g.weight, layers[i].h.weight <- "{i}.gh" [(n + n) d -> n d, n d]
    layers[i].scale <- "{i}.scale"
    head.weight          <- "head"
    skip "{i}.unused.*"
  }
}
"""
LOADED = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
DTYPES = sorted({x for x in vars(torch).values() if isinstance(x, torch.dtype)}, key=str)


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return from_text(SPEC)


def published() -> dict[str, Tensor]:
    """A checkpoint that fits."""
    torch.manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {"embed.weight": (7, 4)}
    for i in "01":
        shapes |= {f"{i}.f": (4, 4), f"{i}.gh": (8, 4), f"{i}.scale": (4,)}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def read(module: ModuleType, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    model: nn.Module = module.Model(module.Config())
    state: dict[str, Tensor] = module.parameters_from(tensors, model)
    model.load_state_dict(state)
    return state


def of_dtype(dtype: torch.dtype, *shape: int) -> Tensor:
    """Bytes of 1 as a tensor; of dtypes without bytes of their own, an empty one."""
    if dtype.itemsize == 0 or shape[-1] * dtype.itemsize == 0:
        return torch.empty(shape, dtype=dtype)
    data: Any = torch.ones((*shape[:-1], shape[-1] * dtype.itemsize), dtype=torch.uint8)
    return data.view(dtype) if dtype != torch.bool else data.bool()


def test_what_fits_is_read(module: ModuleType) -> None:
    tensors = published()
    state = read(module, tensors)
    assert torch.equal(state["embed.weight"], tensors["embed.weight"])
    assert torch.equal(state["head.weight"], tensors["embed.weight"])
    for i in "01":
        assert torch.equal(state[f"layers.{i}.f.weight"], tensors[f"{i}.f"].T)
        parts = [state[f"layers.{i}.{part}.weight"] for part in "gh"]
        assert torch.equal(torch.cat(parts), tensors[f"{i}.gh"])
        assert torch.equal(state[f"layers.{i}.scale"], tensors[f"{i}.scale"])
    tensors["wte"] = tensors.pop("embed.weight")
    tensors |= {"head": tensors["wte"].clone(), "17.unused.x.y": torch.zeros(3)}
    assert all(torch.equal(x, state[name]) for name, x in read(module, tensors).items())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_real_numbers_of_two_bytes_or_more_are_loaded(
    module: ModuleType, dtype: torch.dtype
) -> None:
    """Numbers of fewer bytes are quantised: without their scales they mean something else."""
    try:
        tensor = of_dtype(dtype, 4)
    except (RuntimeError, TypeError):
        pytest.skip("torch makes no tensor of it")
    if dtype in LOADED:
        assert torch.equal(
            read(module, published() | {"0.scale": tensor})["layers.0.scale"], tensor
        )
        return
    why = r"not torch\.float32" if dtype == torch.bool else "quantised"
    with pytest.raises(ValueError, match=rf"0\.scale is {dtype}.*{why}"):
        read(module, published() | {"0.scale": tensor})


@pytest.mark.parametrize("name", published())
def test_a_tensor_that_is_missing_or_does_not_fit_is_told(module: ModuleType, name: str) -> None:
    tensors = published()
    for wrong in (torch.zeros(3), tensors[name][:-1], tensors[name][:1], tensors[name][None]):
        with pytest.raises(ValueError, match=rf"{name} (gives \S+|has) the shape"):
            read(module, tensors | {name: wrong})
    del tensors[name]
    with pytest.raises(ValueError, match="no tensor for"):
        read(module, tensors)


@pytest.mark.parametrize("name", ["2.scale", "0.bias", "0.unused", "embed.weight.x", "xwte"])
def test_a_tensor_left_over_is_told(module: ModuleType, name: str) -> None:
    with pytest.raises(ValueError, match=f"no parameter for {name}"):
        read(module, published() | {name: torch.zeros(4)})


def test_a_tie_that_does_not_hold_is_told(module: ModuleType) -> None:
    tensors = published()
    with pytest.raises(ValueError, match=r"head\.weight differs from embed\.weight"):
        read(module, tensors | {"head": tensors["embed.weight"] + 1})


HEADS = """
use std.core: Embedding, Linear
block HeadNorm(heads, k)(x: [B, heads, T, k]) -> [B, heads, T, k] as norm {
  param g: [heads, k] = ones
  return x * rearrange[heads k -> heads 1 k](g)
}
model M(d, heads, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] where d % heads == 0 {
  embed = Embedding(vocab, d)
  a     = Linear(d, d)
  b     = Linear(d, d)
  norm  = HeadNorm(heads, d // heads)
  head  = Linear(d, vocab)
  x = embed(tokens)
  y = a(x) + b(x) |> rearrange[B T (heads k) -> B heads T k]
  return norm(y) |> rearrange[B heads T k -> B T (heads k)] |> head
}
variant V = M(d: 8, heads: 4, vocab: 7) {}
hub M "m" {
  config { d <- .d  heads <- .h  vocab <- .v }
  weights {
    embed                <- "embed"
    a.weight, b.weight   <- "ab" [(heads (k + k)) d -> (heads k) d, (heads k) d]
    norm.g[h]            <- "norms.{h}.weight"
    head                 <- "head"
  }
}
"""


def test_a_pattern_knows_settings_and_a_tensor_for_each_head_is_stacked() -> None:
    """Four heads, each with its rows of a and then of b: `heads` in a pattern is the setting."""
    module = from_text(HEADS)
    torch.manual_seed(0)
    tensors = {"embed.weight": torch.randn(7, 8), "head.weight": torch.randn(7, 8)}
    tensors["ab"] = torch.randn(16, 8)
    tensors |= {f"norms.{h}.weight": torch.randn(2) for h in range(4)}
    state = read(module, tensors)
    by_head = tensors["ab"].view(4, 2, 2, 8)
    assert torch.equal(state["a.weight"], by_head[:, 0].reshape(8, 8))
    assert torch.equal(state["b.weight"], by_head[:, 1].reshape(8, 8))
    for h in range(4):
        assert torch.equal(state["norm.g"][h], tensors[f"norms.{h}.weight"])
    del tensors["norms.3.weight"]
    with pytest.raises(ValueError, match=r"shape \(3, 2\), not \(4, 2\)"):
        read(module, tensors)


def test_a_line_names_a_block(module: ModuleType) -> None:
    """All parameters of the block under their own names, but for those named more closely."""
    text = SPEC.replace('    embed.weight         <- "embed.weight", "wte"\n', "")
    start, _, _ = text.partition("  weights {")
    other = from_text(start + """  weights {
    <- "model.", "" {
      embed <- "embed"
      layers[i] <- "{i}." {
        f.weight <- "f" [a b -> b a]
      }
      layers[i] <- "{i}"
    }
    head <- "head"
  }
}
""")  # fmt: skip
    tensors = {"model.embed.weight": torch.randn(7, 4)}
    for i in "01":
        tensors[f"{i}.f"] = torch.randn(4, 4)
        tensors |= {f"{i}.{part}.weight": torch.randn(4, 4) for part in "gh"}
        tensors[f"model.{i}.scale"] = torch.randn(4)
    state = read(other, tensors)
    assert torch.equal(state["layers.1.f.weight"], tensors["1.f"].T)
    assert torch.equal(state["layers.0.g.weight"], tensors["0.g.weight"])
    assert torch.equal(state["layers.1.scale"], tensors["model.1.scale"])
    with pytest.raises(ValueError, match=r"no parameter for 0\.f\.weight"):
        read(other, tensors | {"0.f.weight": torch.randn(4, 4)})
    assert module.Config is not other.Config
