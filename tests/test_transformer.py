"""The Transformer of 2017 against `torch.nn.Transformer`, which knows neither tables nor positions.

The class is built without its final norms, which the paper does not have. Embedding, positions and
the output layer are written out here.
"""

from functools import cache
from types import ModuleType

import pytest
import torch

from emitted import code_of, from_text, run
from models import variants

D, HEADS, LAYERS, FF, VOCAB = 64, 4, 3, 96, 257
SOURCE, TARGET = 23, 37
FLOAT32, FLOAT64 = 1e-4, 1e-9


@cache
def module_of(lower: bool) -> ModuleType:
    return run(code_of(variants()["Transformer_Base"], lower))


def emitted(lower: bool, dtype: torch.dtype) -> torch.nn.Module:
    module = module_of(lower)
    config = module.Config(d=D, heads=HEADS, n_layers=LAYERS, d_ff=FF, vocab=VOCAB)
    return module.Model(config).to(dtype).eval()


@torch.no_grad()
def reference(seed: int, dtype: torch.dtype) -> torch.nn.Transformer:
    """The class of torch with a value of its own for every parameter."""
    kind = {"dim_feedforward": FF, "dropout": 0.0, "batch_first": True}
    encoder = torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(D, HEADS, **kind), LAYERS, norm=None
    )
    decoder = torch.nn.TransformerDecoder(
        torch.nn.TransformerDecoderLayer(D, HEADS, **kind), LAYERS, norm=None
    )
    made = torch.nn.Transformer(
        D, HEADS, custom_encoder=encoder, custom_decoder=decoder, batch_first=True
    )
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in made.named_parameters():
        size = 1.1 * parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.3
        begin = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        parameter.copy_(begin + size * torch.randn(parameter.shape, generator=generator))
    return made.to(dtype).eval()


def table(seed: int) -> torch.Tensor:
    return torch.randn(VOCAB, D, generator=torch.Generator().manual_seed(seed + 50)) * D**-0.5


def tokens(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed + 100)
    return (
        torch.randint(VOCAB, (2, SOURCE), generator=generator),
        torch.randint(VOCAB, (2, TARGET), generator=generator),
    )


def placed(x: torch.Tensor) -> torch.Tensor:
    """Plus sin(p / 10000^(2i/d)) in channel 2i and the cosine in channel 2i + 1."""
    wave = torch.zeros(x.shape[1], D, dtype=torch.float64)
    for p in range(x.shape[1]):
        for i in range(D // 2):
            angle = torch.tensor(p * 10_000.0 ** (-2 * i / D), dtype=torch.float64)
            wave[p, 2 * i], wave[p, 2 * i + 1] = angle.sin(), angle.cos()
    return x + wave.to(x.dtype)


@torch.no_grad()
def wanted(seed: int, dtype: torch.dtype) -> torch.Tensor:
    w = table(seed).to(dtype)
    source, target = (placed(w[t] * D**0.5) for t in tokens(seed))
    mask = torch.nn.Transformer.generate_square_subsequent_mask(TARGET, dtype=dtype)
    return reference(seed, dtype)(source, target, tgt_mask=mask) @ w.T


def state(seed: int, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The weights under the names of the spec."""
    norms = {"encoder": ("norm_1", "norm_2"), "decoder": ("norm_1", "norm_2", "norm_3")}
    attention = {"self_attn": "mix", "multihead_attn": "cross"}
    made = {"embed.weight": table(seed), "head.weight": table(seed)}
    for name, tensor in reference(seed, torch.float32).state_dict().items():
        side, _, layer, part, *rest = name.split(".")
        here = f"{side}.{layer}"
        kind = rest[-1].rpartition("_")[2]
        if part in attention and rest[0].startswith("in_proj"):
            for letter, piece in zip("qkv", tensor.chunk(3), strict=True):
                made[f"{here}.{attention[part]}.{letter}_proj.{kind}"] = piece
        elif part in attention:
            made[f"{here}.{attention[part]}.o_proj.{kind}"] = tensor
        elif part.startswith("linear"):
            made[f"{here}.feed.{('up_proj', 'down_proj')[int(part[-1]) - 1]}.{kind}"] = tensor
        else:
            which = norms[side][int(part[-1]) - 1]
            made[f"{here}.{which}.{kind}"] = tensor
    return {name: tensor.to(dtype) for name, tensor in made.items()}


def loaded(lower: bool, seed: int, dtype: torch.dtype) -> torch.nn.Module:
    model = emitted(lower, dtype)
    model.load_state_dict(state(seed, dtype))
    return model


def distance(found: torch.Tensor, other: torch.Tensor) -> float:
    return ((found - other).abs().max() / other.std()).item()


@torch.no_grad()
def in_parts(model: torch.nn.Module, seed: int) -> torch.Tensor:
    source, target = tokens(seed)
    cache = model.new_cache(2, TARGET)
    sizes = [20, 5, *[1] * (TARGET - 25)]
    return torch.cat([model(source, part, cache=cache) for part in target.split(sizes, 1)], 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("lower", [True, False], ids=["kernels", "bodies"])
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_equals_the_class_of_torch(seed: int, lower: bool, dtype: torch.dtype) -> None:
    tolerance = FLOAT32 if dtype == torch.float32 else FLOAT64
    model = loaded(lower, seed, dtype)
    if dtype == torch.float64:  # positions are computed in single precision in the spec
        model.position.rate = precise_rate()
    with torch.no_grad():
        assert distance(model(*tokens(seed)), wanted(seed, dtype)) <= tolerance
    assert distance(in_parts(model, seed), wanted(seed, dtype)) <= tolerance


def precise_rate() -> torch.Tensor:
    return 10_000.0 ** (-2 * torch.arange(D // 2, dtype=torch.float64) / D)


def test_every_weight_matters() -> None:
    """But for biases of keys, which softmax drops."""
    model = loaded(True, 3, torch.float64)
    model.position.rate = precise_rate()
    result = wanted(3, torch.float64)
    for name, parameter in model.named_parameters():
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter += 0.1 * torch.linspace(-1, 1, parameter.numel()).view_as(parameter)
            moved = distance(model(*tokens(3)), result)
            parameter.copy_(kept)
        assert (moved <= FLOAT64) == name.endswith("k_proj.bias"), name


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("is_causal=True", "is_causal=False"),
        ("memory=memory_BND)", "memory=memory_BND.flip(1))"),
        ("self.d ** 0.5", "self.d ** 0.4"),
        ("y = attend(", "y = 1.01 * attend("),
    ],
)
def test_every_mask_and_number_matters(right: str, wrong: str) -> None:
    """A mutation moves the logits; the order of the memory does not, attention has none."""
    code = code_of(variants()["Transformer_Base"])
    assert right in code
    module = run(code.replace(right, wrong))
    config = module.Config(d=D, heads=HEADS, n_layers=LAYERS, d_ff=FF, vocab=VOCAB)
    model = module.Model(config).double().eval()
    model.load_state_dict(state(3, torch.float64))
    model.position.rate = precise_rate()
    with torch.no_grad():
        moved = distance(model(*tokens(3)), wanted(3, torch.float64))
    assert (moved <= FLOAT64) == ("flip" in wrong)


def test_what_is_computed_once_is_computed_once() -> None:
    """After the first tokens, decoding runs neither the encoder nor the keys made from it."""
    model = loaded(True, 3, torch.float64)
    source, target = tokens(3)
    calls: list[str] = []
    for name, part in model.named_modules():
        part.register_forward_hook(lambda *_, name=name: calls.append(name))
    cache = model.new_cache(2, TARGET)
    model(source, target[:, :1], cache=cache)
    first = set(calls)
    calls.clear()
    model(source, target[:, 1:2], cache=cache)
    left_out = first - set(calls)
    cross = {f"decoder.{i}.cross.{k}_proj" for i in range(LAYERS) for k in "kv"}
    assert left_out == cross | {name for name in first if name.startswith("encoder")}
    assert calls.count("embed") == 1


def test_generate() -> None:
    """Greedy decoding gives what the full pass gives, one token after the other."""
    model = loaded(True, 3, torch.float64)
    source, target = tokens(3)
    found = model.generate(source, target[:, :2], 6)
    whole = target[:, :2]
    with torch.no_grad():
        for _ in range(6):
            whole = torch.cat((whole, model(source, whole)[:, -1:].argmax(-1)), 1)
    assert torch.equal(found, whole)


SHARED = """
use std.core: Embedding, LayerNorm, MLP, TransformerLayer
use std.attention: GQA
model Shared(d, n)(source: int[B, N], stream target: int[B, T]) -> [B, T, d] {
  embed  = Embedding(11, d)
  feed   = MLP(d, 24, bias: true, activation: relu)
  layers = stack(n * TransformerLayer(LayerNorm(d), GQA(d, 2, bias: true), feed))
  memory = source |> embed |> layers
  return (target |> embed |> layers) + rearrange[B d -> B 1 d](mean[B N d -> B d](memory))
}
variant V = Shared(d: 16, n: 2) { }
"""


def test_a_stack_of_encoder_and_decoder_is_one_module_called_twice() -> None:
    """Equal to `torch.nn.TransformerEncoder`, whole and token by token."""
    torch.manual_seed(4)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 24, 0.0, batch_first=True, norm_first=True)
    stack = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    for parameter in stack.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    net = from_text(SHARED).Model().eval()
    with torch.no_grad():
        for ours, theirs in zip(net.layers, stack.layers, strict=True):
            parts = {
                "norm_1": theirs.norm1,
                "norm_2": theirs.norm2,
                "feed.up_proj": theirs.linear1,
                "feed.down_proj": theirs.linear2,
                "mix.o_proj": theirs.self_attn.out_proj,
            }
            for name, part in parts.items():
                ours.get_submodule(name).load_state_dict(part.state_dict())
            for at, name in enumerate("qkv"):
                proj = ours.get_submodule(f"mix.{name}_proj")
                proj.weight.copy_(theirs.self_attn.in_proj_weight.chunk(3)[at])
                proj.bias.copy_(theirs.self_attn.in_proj_bias.chunk(3)[at])
        source, target = torch.randint(11, (2, 5)), torch.randint(11, (2, 7))

        def causal(x: torch.Tensor) -> torch.Tensor:
            mask = torch.nn.Transformer.generate_square_subsequent_mask(x.shape[1])
            return stack(net.embed(x), mask=mask, is_causal=True)

        wanted = causal(target) + causal(source).mean(1, keepdim=True)
        assert distance(net(source, target), wanted) < 1e-5
        cache = net.new_cache(2, 7)
        pieces = [net(source, x, cache=cache) for x in target.split([3, 1, 1, 2], 1)]
        assert distance(torch.cat(pieces, 1), wanted) < 1e-5
    assert len(list(net.layers.parameters())) == 2 * 16
