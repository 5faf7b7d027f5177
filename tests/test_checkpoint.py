"""Tensors of a checkpoint: what is loaded from them, and what is refused, on a small model."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
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


@pytest.mark.parametrize(("d", "heads"), [(8, 4), (8, 2), (12, 6), (6, 3)])
def test_a_setting_in_a_pattern_is_that_of_the_model(d: int, heads: int, tmp_path: Path) -> None:
    """A file is emitted for one variant, and its `Config` may have other numbers."""
    module = from_text(HEADS)
    model = drawn(module.Model(module.Config(d=d, heads=heads, vocab=5)))
    module.save(model, tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    by_head = saved["ab"].view(heads, 2, d // heads, d)
    assert torch.equal(by_head[:, 0].reshape(d, d), model.a.weight)
    assert torch.equal(by_head[:, 1].reshape(d, d), model.b.weight)
    state = module.parameters_from(saved, model)
    assert all(torch.equal(state[name], x) for name, x in model.state_dict().items())


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


# --- saving, joined tensors, lines for some layers ------------------------------------------------

JOINED = """
use std.core: Embedding, Linear
use std.moe: SoftmaxRouter
block One(d, wide, heads, groups, k)(x: [B, T, d]) -> [B, T, d] as layer {
  qkv = Linear(d, (heads + 2 * groups) * k, true)
  out = Linear((heads + 2 * groups) * k, d)
  both = Linear(d, 2 * wide)
  back = Linear(2 * wide, d)
  return x + out(qkv(x)) + back(both(x))
}
block Two(d, experts)(x: [B, T, d]) -> [B, T, d] as layer {
  route = SoftmaxRouter(d, experts, 2)
  pool  = bank(experts, Fused(d), 2)
  out   = Linear(d, d)
  w, i = route(x)
  return out(mixture(pool, w, i)(x))
}
block Fused(d)(x: [..., d]) -> [..., d] as expert {
  up   = Linear(d, 2 * d)
  down = Linear(2 * d, d)
  return down(up(x))
}
model M(d, wide, heads, groups, k, experts, n, vocab)(stream tokens: int[B, T]) -> [B, T, vocab]
where heads % groups == 0 {
  buffer place: int[vocab] = zeros
  embed  = Embedding(vocab, d)
  layers = stack(m for m in n * [One(d, wide, heads, groups, k), Two(d, experts)])
  head   = Linear(d, vocab)
  return head(layers(embed(gather[vocab, ... -> ...](place, tokens))))
}
variant V = M(d: 8, wide: 6, heads: 4, groups: 2, k: 3, experts: 3, n: 2, vocab: 11) {}
hub M "m" {
  config {
    d <- .d  wide <- .w  heads <- .h  groups <- .g  k <- .k  experts <- .e  n <- .n  vocab <- .vocab
  }
  weights {
    place <- "place"
    embed <- "embed"
    layers[i] <- "{i}." {
      qkv.weight <- "q" + "k" + "v"
                    [(heads a) d, (groups a) d, (groups a) d -> (heads a + groups a + groups a) d]
      qkv.bias   <- "qkv.bias"
      both.weight <- "gate" + "up", "other_gate" + "other_up"
      back.weight <- "back_1" + "back_2" [w d, w d -> d (w + w)]
      route.score <- "route"
      pool[e].up.weight <- "{e}.gate" + "{e}.up"
      pool.down.weight <- "downs" [e w d -> e d w]
      out <- "out_two" when pool
      out <- "out"
    }
    head <- "head"
  }
}
"""


def drawn(model: nn.Module) -> nn.Module:
    """A model whose numbers are all different."""
    torch.manual_seed(1)
    for name, tensor in model.state_dict().items():
        if name == "place":
            tensor.copy_(torch.randperm(len(tensor)))
        else:
            tensor.copy_(torch.randn(tensor.shape))
    return model


def test_joined_tensors_are_read_and_written(tmp_path: Path) -> None:
    """Of one size and of several, along any axis, of every expert; lines for some layers."""
    module = from_text(JOINED)
    model = drawn(module.Model(module.Config()))
    module.save(model, tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    state = model.state_dict()
    for i in ("0", "2"):
        one = {name: state[f"layers.{i}.{name}.weight"] for name in ("qkv", "both", "back", "out")}
        q, k, v = one["qkv"].split((12, 6, 6))
        wanted = {"q": q, "k": k, "v": v, "gate": one["both"][:6], "up": one["both"][6:]}
        wanted |= {"back_1": one["back"][:, :6].T, "back_2": one["back"][:, 6:].T}
        wanted |= {"out.weight": one["out"]}
        assert all(torch.equal(saved[f"{i}.{name}"], x) for name, x in wanted.items())
        two = str(int(i) + 1)
        assert torch.equal(saved[f"{two}.out_two.weight"], state[f"layers.{two}.out.weight"])
        for e in range(3):
            gate, up = state[f"layers.{two}.pool.up.weight"][e].chunk(2)
            assert torch.equal(saved[f"{two}.{e}.gate"], gate)
            assert torch.equal(saved[f"{two}.{e}.up"], up)
    assert torch.equal(saved["place"], state["place"])
    assert len(saved) == 3 + 2 * (3 + 1 + 2 + 2 + 1) + 2 * (1 + 6 + 1 + 1)
    again = module.load(tmp_path).state_dict()
    assert all(
        torch.equal(again[name], x) and again[name].dtype == x.dtype for name, x in state.items()
    )
    renamed = {re.sub(r"^([02]\.)(gate|up)$", r"\1other_\2", k): v for k, v in saved.items()}
    assert renamed.keys() - saved.keys() == {f"{i}.other_{x}" for i in "02" for x in ("gate", "up")}
    loaded = module.parameters_from(renamed, model)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("name", ["0.q", "2.v", "0.gate", "0.back_2", "1.0.up", "3.2.gate"])
def test_a_joined_tensor_that_is_missing_or_does_not_fit_is_told(name: str, tmp_path: Path) -> None:
    module = from_text(JOINED)
    model = drawn(module.Model(module.Config()))
    module.save(model, tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    for wrong in (saved[name][:-1], saved[name].T[:1], saved[name][None]):
        with pytest.raises(ValueError, match=rf"{re.escape(name)}|the shape"):
            module.parameters_from(saved | {name: wrong}, model)
    del saved[name]
    with pytest.raises(ValueError, match=r"no tensor for|the shape \(2, 8, 8\), \(3, 8, 8\)"):
        module.parameters_from(saved, model)


def test_tensors_of_other_layers_and_dtypes_are_told(tmp_path: Path) -> None:
    """A line for some layers is for no others, and alternatives are not both there."""
    module = from_text(JOINED)
    model = drawn(module.Model(module.Config()))
    module.save(model, tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    for left in ("0.out_two.weight", "1.out.weight", "0.other_gate"):
        with pytest.raises(ValueError, match=f"no parameter for {left}"):
            module.parameters_from(saved | {left: torch.zeros(8, 8)}, model)
    with pytest.raises(ValueError, match=r"place is torch\.float32, not torch\.int64"):
        module.parameters_from(saved | {"place": torch.zeros(11)}, model)


def test_one_expert_that_is_stored_by_number(tmp_path: Path) -> None:
    """Its tensor has no axis for experts, as those of many have none."""
    text = JOINED.replace("experts: 3", "experts: 1").replace("(d, experts, 2)", "(d, experts, 1)")
    module = from_text(text.replace("Fused(d), 2)", "Fused(d), 1)"))
    model = drawn(module.Model(module.Config()))
    module.save(model, tmp_path)
    loaded = module.load(tmp_path).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())


def test_one_tensor_of_two_parameters_is_saved_while_they_agree(tmp_path: Path) -> None:
    text = SPEC.replace(", weight: embed.weight)", ")").replace('<- "head"', '<- "embed.weight"')
    module = from_text(text)
    model = module.Model(module.Config())
    model.load_state_dict(module.parameters_from(published(), model))
    module.save(model, tmp_path)
    assert load_file(tmp_path / "model.safetensors").keys() == published().keys()
    with torch.no_grad():
        model.head.weight += 1
    with pytest.raises(ValueError, match=r"embed\.weight stands for embed.weight and head.weight"):
        module.save(model, tmp_path)


def test_half_a_tensor_cannot_be_saved(tmp_path: Path) -> None:
    """Where an earlier line writes one part of what a tensor holds, nothing writes the rest."""
    fused = "    layers[i].g.weight, layers[i].h.weight <-"
    module = from_text(SPEC.replace(fused, f'    layers[i].g.weight <- "{{i}}.g"\n{fused}'))
    model = module.Model(module.Config())
    with pytest.raises(ValueError, match=r"no published tensor is for layers\.0\.h\.weight"):
        module.save(model, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


SHARED = """
use std.core: Embedding, Linear
block Layer(d, wide: bool = false)(x: [B, T, d]) -> [B, T, d] as layer {
  f = Linear(d, d)
  g = Linear(d, d)
  return f(x) + g(x) if wide else f(x)
}
keys Ends {
  weights {
    embed <- "embed"
    head  <- "head"
    norm  <- "norm"
  }
}
keys Named {
  weights {
    use Ends
    layers[i] <- "layers.{i}." {
      f <- "f"
      g <- "g"
      f <- "f_wide" when g
    }
    skip "unused.{i}"
  }
}
model M(d, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed  = Embedding(vocab, d)
  layers = stack(Layer(d), Layer(d, true))
  head   = Linear(d, vocab)
  return tokens |> embed |> layers |> head
}
variant V = M(d: 4, vocab: 7) {}
hub M "m" {
  config { d <- .d  vocab <- .v }
  weights {
    <- "model." { use Named }
    head <- "lm_head"
    layers[i].f <- "{i}.own"
  }
}
"""


def test_lines_that_hubs_share(tmp_path: Path) -> None:
    """They begin as the group around them; the hub's own line counts for a target, but a line for
    some layers stays; what the model does not have falls away.
    """
    module = from_text(SHARED)
    model = drawn(module.Model(module.Config()))
    module.save(model, tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    names = ["0.own", "lm_head", "model.embed", "model.layers.1.f_wide", "model.layers.1.g"]
    assert sorted(saved) == [f"{name}.weight" for name in names]
    state = module.parameters_from(saved | {"model.unused.3": torch.zeros(1)}, model)
    assert all(torch.equal(state[name], x) for name, x in model.state_dict().items())


WHOLE = """
use std.core: Embedding, Linear
keys Ends { weights { embed <- "in"  head <- "out" } }
keys Both {
  use Ends
  d <- .d
  expect .kind: "plain"
  weights { layers[i].{a,b} <- "{i}.first.{x,y}"  skip "{old,older}.*" }
}
block One(d)(x: [B, T, d]) -> [B, T, d] as layer {
  a = Linear(d, d)
  b = Linear(d, d, bias: true)
  return b(a(x))
}
block Two(d)(x: [B, T, d]) -> [B, T, d] as layer {
  a = Linear(d, d)
  b = Linear(d, 2 * d)
  c = Linear(2 * d, d)
  return c(b(a(x)))
}
block Layer(inner: [B, T, d] -> [B, T, d])(x: [B, T, d]) -> [B, T, d] as layer {
  mix = inner
  return mix(x)
}
model M(d)(stream tokens: int[B, T]) -> [B, T, 9] {
  embed  = Embedding(9, d)
  layers = stack(Layer(One(d)), Layer(Two(d)))
  head   = Linear(d, 9)
  return tokens |> embed |> layers |> head
}
variant V = M(d: 4) { }
hub M "m" {
  use Both
  weights {
    layers[i].mix     <- "{i}.one"
    layers[i].mix     <- "{i}.two" when layers[i].mix.c
    layers[i].mix.{a,b} <- "{i}.two.{p,q}" when layers[i].mix.c
  }
}
"""


def test_a_block_under_two_names(tmp_path: Path) -> None:
    """What a hub uses as a whole brings its weights, also those of what it uses; alternatives make
    a line each; a block for some layers stands for the parameters of these.
    """
    module = from_text(WHOLE)
    model = drawn(module.Model(module.Config()))
    module.save(model, tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    names = ["0.one.a.weight", "0.one.b.bias", "0.one.b.weight", "1.two.c.weight"]
    names += ["1.two.p.weight", "1.two.q.weight", "in.weight", "out.weight"]
    assert sorted(saved) == names
    unused = {"old.1": torch.zeros(1), "older.2": torch.zeros(1)}
    state = module.parameters_from(saved | unused, model)
    assert all(torch.equal(state[name], x) for name, x in model.state_dict().items())
    some = [row.targets for row in module.CHECKPOINT if row.when]
    assert sorted(some) == [(f"layers.{{}}.mix.{x}.weight",) for x in "abc"]
