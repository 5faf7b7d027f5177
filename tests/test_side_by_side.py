"""Modules side by side: held to classes of PyTorch and transformers; checkpoints, paths, cards.

What a list of blocks computes in all places is held to the interpreter by `data/meaning/lists_*`.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from archdsl.pipeline import Variant, check_source
from archdsl.shown import asked
from archdsl.source import Source
from archdsl.text import plain
from archdsl.view import view
from archdsl.view.types import Diagram, Node
from emitted import from_text

CODEBOOKS = """
use std.core: Embedding, LayerNorm, Linear, MLP, TransformerLayer
use std.attention: GQA

## Sines and cosines of the place of a token, the slow ones last (Vaswani et al., 2017).
block Places(d)(x: [B, T, d]) -> [B, T, d] as position where d % 2 == 0 {
  k = d // 2
  const rate: float32[k] = exp(-arange(k) * log(10_000) / (k - 1))
  angle = einsum[T 1, k -> T k](rearrange[T -> T 1](float32(positions(T))), rate)
  return x + model_dtype(rearrange[T k, T k -> T (k + k)](cos(angle), sin(angle)))
}
model Music(d, n, heads, d_ff, books, vocab)(stream codes: int[B, books, T]) -> [B, books, T, vocab]
where d % heads == 0, d % 2 == 0 {
  embed  = [Embedding(vocab + 1, d) for i in books]
  places = Places(d)
  layers = stack(n * TransformerLayer(LayerNorm(d), GQA(d, heads), MLP(d, d_ff)))
  norm   = LayerNorm(d)
  heads_ = [Linear(d, vocab) for i in books]
  x = sum[books B T d -> B T d](embed(each rearrange[B books T -> books B T](codes)))
  y = heads_(x |> places |> layers |> norm)
  return rearrange[books B T vocab -> B books T vocab](y)
}
variant V = Music(d: 16, n: 2, heads: 2, d_ff: 24, books: 3, vocab: 11) { }
hub Music "music" {
  config {
    d <- .hidden_size  n <- .num_hidden_layers  heads <- .num_attention_heads  d_ff <- .ffn_dim
    books <- .num_codebooks  vocab <- .vocab_size
  }
  weights {
    embed[i].weight  <- "model.decoder.embed_tokens.{i}.weight"
    heads_[i].weight <- "lm_heads.{i}.weight"
    norm             <- "model.decoder.layer_norm"
    layers[i] <- "model.decoder.layers.{i}." {
      norm_1     <- "self_attn_layer_norm"
      norm_2     <- "final_layer_norm"
      mix        <- "self_attn"
      mix.o_proj <- "self_attn.out_proj"
      feed.up_proj   <- "fc1"
      feed.down_proj <- "fc2"
      skip "encoder_attn.*"
      skip "encoder_attn_layer_norm.*"
    }
  }
}
"""


def test_a_published_class_with_tables_and_heads_side_by_side(tmp_path: Path) -> None:
    """Whole, token by token, and loaded from what the class saves."""
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM

    torch.manual_seed(0)
    config = MusicgenDecoderConfig(
        vocab_size=11, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, ffn_dim=24,
        num_codebooks=3, max_position_embeddings=20, dropout=0.0, attention_dropout=0.0,
        activation_dropout=0.0, pad_token_id=10, bos_token_id=10,
    )  # fmt: skip
    reference = MusicgenForCausalLM(config).eval()
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.3)
    reference.save_pretrained(tmp_path)
    module = from_text(CODEBOOKS)
    net = module.load(tmp_path)
    codes = torch.randint(11, (2, 3, 9))
    with torch.no_grad():
        wanted = reference(codes.reshape(6, 9)).logits.unflatten(0, (2, 3))
        same(net(codes), wanted)
        cache = net.new_cache(2, 9)
        pieces = [net(codes[:, :, a:b], cache=cache) for a, b in ((0, 4), (4, 5), (5, 9))]
        same(torch.cat(pieces, 2), wanted)


def same(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


VERSIONS = """
use std.core: Embedding, Linear
## Several versions of a vector and one vector of them (Baykal et al., 2023; Gemma Team, 2025).
block Versions(d, n)(x: [B, T, d]) -> [B, T, d] {
  project = [Linear(d, d) for i in n]
  back    = [Linear(d, d) for i in n]
  size = mean[B T d -> B T 1](x ^ 2)
  several = project(x)
  several = several * sqrt(size / maximum(mean[n B T d -> n B T 1](several ^ 2), 1e-5))
  y = back(each several)
  y = y * sqrt(size / maximum(mean[n B T d -> n B T 1](y ^ 2), 1e-5))
  return (x + sum[n B T d -> B T d](y)) / (n + 1)
}
model M(d, n, vocab)(stream tokens: int[B, T]) -> [B, T, d] {
  embed = Embedding(vocab, d)
  versions = Versions(d, n)
  return tokens |> embed |> versions
}
variant V = M(d: 8, n: 3, vocab: 11) { }
"""


class Versions(nn.Module):
    """As in the published class: versions are projected and brought to the size of the first."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(8, 8, bias=False) for _ in range(3))
        self.back = nn.ModuleList(nn.Linear(8, 8, bias=False) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        size = x.pow(2).mean(-1, keepdim=True).sqrt()
        versions = [x]
        for project in self.project:
            version = project(x)
            least = version.pow(2).mean(-1, keepdim=True).clamp(min=1e-5).sqrt()
            versions.append(version * size / least)
        for number, back in enumerate(self.back):
            version = back(versions[number + 1])
            least = version.pow(2).mean(-1, keepdim=True).clamp(min=1e-5).sqrt()
            versions[number + 1] = version * size / least
        return torch.stack(versions).mean(0)


def test_projections_side_by_side_are_those_of_a_module_list() -> None:
    torch.manual_seed(1)
    module = from_text(VERSIONS)
    net, reference = module.Model(), Versions()
    missing = net.versions.load_state_dict(reference.state_dict())  # the names are the same
    assert not missing.missing_keys
    tokens = torch.randint(11, (2, 7))
    with torch.no_grad():
        wanted = reference(net.embed(tokens))
        same(net(tokens), wanted)
        cache = net.new_cache(2, 7)
        same(torch.cat([net(t, cache=cache) for t in tokens.split(1, 1)], 1), wanted)


# --- checkpoints ----------------------------------------------------------------------------------

STORED = """
use std.core: Embedding, Linear, MLP, RMSNorm
block Side(d, n)(x: [B, T, d]) -> [B, T, d] {
  a = [Linear(d, 2 * d) for i in n]
  b = [Linear(d, 2 * d) for i in n]
  c = [Linear(d, 2 * d) for i in n]
  g = [Linear(d, 2 * d) for i in n]
  e = [Linear(d, d), MLP(d, d), RMSNorm(d)]
  y = mean[n B T f -> B T f](a(x) + b(x) + c(x) + g(x))
  u, v = y |> rearrange[B T (d + d) -> B T d, B T d]
  return e[0](u) * e[1](v) + e[2](v)
}
model M(d, n, vocab)(stream tokens: int[B, T]) -> [B, T, d] {
  embed  = Embedding(vocab, d)
  layers = stack(2 * Side(d, n))
  last   = n * [Linear(d, d)]
  x = tokens |> embed |> layers
  return sum[n B T d -> B T d](last(x))
}
variant V = M(d: 4, n: 3, vocab: 11) { }
hub M "m" {
  config { d <- .d  n <- .n  vocab <- .vocab }
  weights {
    embed <- "embed"
    last.weight <- "last"
    layers[i] <- "h.{i}." {
      a[j].weight <- "a.{j}.weight"
      b.weight    <- "b"
      c.weight    <- "c" [(n g) d -> n g d]
      g.weight    <- "g1" + "g2" [d n h, d n h -> n (h + h) d]
      e[j]        <- "e.{j}"
    }
  }
}
"""


@pytest.fixture(scope="module")
def stored() -> ModuleType:
    return from_text(STORED)


def test_blocks_are_stored_one_by_one_or_as_one_tensor(stored: ModuleType, tmp_path: Path) -> None:
    torch.manual_seed(2)
    published = {"embed.weight": torch.randn(11, 4), "last": torch.randn(3, 4, 4)}
    for i in "01":
        published |= {f"h.{i}.a.{j}.weight": torch.randn(8, 4) for j in range(3)}
        published |= {f"h.{i}.b": torch.randn(3, 8, 4), f"h.{i}.c": torch.randn(24, 4)}
        published |= {f"h.{i}.g1": torch.randn(4, 3, 4), f"h.{i}.g2": torch.randn(4, 3, 4)}
        published |= {f"h.{i}.e.0.weight": torch.randn(4, 4), f"h.{i}.e.2.weight": torch.randn(4)}
        published |= {f"h.{i}.e.1.{name}_proj.weight": torch.randn(4, 4) for name in ("up", "down")}
    save_file(published, tmp_path / "model.safetensors")
    net = stored.load(tmp_path)
    state = net.state_dict()
    for i in "01":
        for j in range(3):
            side = {name: state[f"layers.{i}.{name}.{j}.weight"] for name in "abcg"}
            assert torch.equal(side["a"], published[f"h.{i}.a.{j}.weight"])
            assert torch.equal(side["b"], published[f"h.{i}.b"][j])
            assert torch.equal(side["c"], published[f"h.{i}.c"][8 * j : 8 * j + 8])
            halves = (published[f"h.{i}.g{half}"][:, j].T for half in (1, 2))
            assert torch.equal(side["g"], torch.cat(list(halves)))
        assert torch.equal(state[f"layers.{i}.e.2.weight"], published[f"h.{i}.e.2.weight"])
    stored.save(net, tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == published.keys()
    assert all(torch.equal(saved[key], tensor) for key, tensor in published.items())


@pytest.mark.parametrize("shape", [(2, 4, 4), (4, 4, 4), (3, 4), (3, 4, 5)])
def test_a_tensor_for_another_number_of_blocks_does_not_fit(
    stored: ModuleType, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(3)
    net = stored.Model()
    (row,) = (row for row in stored.CHECKPOINT if row.sources == ("last",))
    expected = net.state_dict()
    with pytest.raises(ValueError, match="last"):
        stored.converted(["last"], list(row.targets), row, {"last": torch.randn(shape)}, expected,
                         net)  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message", "help"),
    [
        ('last[0].weight <- "last.0"', "an index is a name", 'f[i].weight <- "f.{i}.weight"'),
        ('last[i].wait <- "last.{i}"', "last[i].wait is no parameter", "last[i].weight"),
        ('last.weight <- "last"  layers[i].e.weight <- "{i}.e"', "not one tensor", "an index"),
        ('last.weight, last.weight <- "l" [(k + k) d -> k d, k d]', "one tensor", "index"),
    ],
)
def test_a_line_that_does_not_fit_a_list_is_told(line: str, message: str, help: str) -> None:
    text = STORED.replace('last.weight <- "last"', line)
    found = check_source(Source("m.arch", text)).diagnostics
    assert [d.code for d in found][:1] == ["hub-weights"], [d.text() for d in found]
    assert message in found[0].message, found[0].text()
    assert help in found[0].help, found[0].text()


# --- parts by path, cards -------------------------------------------------------------------------

PARTS = """
use std.core: Embedding, Linear, MLP, RMSNorm, TransformerLayer
use std.attention: GQA
block Gates(d)(x: [B, T, d]) -> [B, T, d] {
  gate = 2 * [Linear(d, d)]
  ends = [RMSNorm(d), MLP(d, 3 * d), Linear(d, d)]
  y = sum[n B T d -> B T d](gate(x)) + gate[1](x)
  y = y + (x |> rearrange[B T d -> B T 1 d] |> gate[0] |> rearrange[B T 1 d -> B T d])
  return y |> ends[0] |> ends[1] |> ends[2]
}
model M(d, vocab)(stream tokens: int[B, T]) -> [B, T, d] {
  embed  = Embedding(vocab, d)
  layers = stack(3 * Gates(d))
  towers = [TransformerLayer(RMSNorm(d), GQA(d, h), MLP(d, d)) for h in [2, 4]]
  x = tokens |> embed |> layers
  return sum[n B T d -> B T d](towers(x))
}
variant V = M(d: 8, vocab: 11) { }
card V { callout(layers.ends): "one after another" }
"""


@pytest.fixture(scope="module")
def parts() -> Variant:
    checked = check_source(Source("m.arch", PARTS))
    assert not checked.diagnostics, [d.text() for d in checked.diagnostics]
    (variant,) = checked.variants
    return variant


def test_parts_are_found_by_their_numbers(parts: Variant) -> None:
    modules, parameters = parts.modules, parts.parameters
    assert modules["layers.gate"].count == 6
    assert modules["layers.2.gate.1"] is modules["layers.gate"]
    assert modules["layers.ends.1"].block == "MLP"
    assert modules["layers.0.ends.2"].block == "Linear"
    assert parameters["layers.gate.weight"].count == 6
    with pytest.raises(KeyError, match="not the same in all"):
        modules["layers.ends"]
    for path in ("layers.gate.2", "layers.ends.1.weight", "gate"):
        with pytest.raises(KeyError, match="no submodule"):
            modules[path]


def test_parts_add_up_to_the_state_dict(parts: Variant) -> None:
    state: dict[str, Any] = from_text(PARTS).Model().state_dict()
    held = parts.parameters.values()
    assert sum(entry.count for entry in held) == len(state)
    assert sum(entry.count * entry.size for entry in held) == parts.facts.params
    assert sum(t.numel() for t in state.values()) == parts.facts.params == parts.facts.active
    for name, tensor in state.items():
        assert parts.parameters[name].shape == tuple(tensor.shape)


def test_layers_side_by_side_are_layers(parts: Variant) -> None:
    assert [layer.path for layer in parts.layers] == [
        "layers.0", "layers.1", "layers.2", "towers.0", "towers.1",
    ]  # fmt: skip
    assert parts.facts.layers == 5


def nodes(diagram: Diagram) -> list[Node]:
    return [n for node in diagram.nodes for n in (node, *(nodes(node.inner) if node.inner else ()))]


def test_a_card_says_how_many_blocks_stand_side_by_side(parts: Variant) -> None:
    drawn = view(parts.model, parts.facts, asked(view="detail:layers"))
    words = [" / ".join(map(plain, node.lines)) for node in nodes(drawn.tower) if node.lines]
    assert "2 × gate · 8" in words
    assert "gate 1 · 8" in words
    assert {"RMSNorm", "Feed-forward network", "ends 2 · 8"} <= set(words)
    tower = view(parts.model, parts.facts, asked())
    assert any("2 × " in plain(node.lines[0]) for node in nodes(tower.tower) if node.lines)
