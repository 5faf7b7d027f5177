"""Models through which nothing streams: encoders and classifiers, of tokens or of something else.

Their inputs may have axes of known length, `image: [B, 3, side, side]`. They keep no cache and
continue nothing, and the file tests itself by an example beside another one and alone.
"""

import pytest
import torch

from archdsl import pipeline
from archdsl.source import Source
from emitted import from_text

ENCODER = """
use std.core: Linear, Embedding, LayerNorm, MLP, TransformerLayer
use std.attention: GQA, Attend
use std.encoder: Everything
model Encoder(d, n, heads, vocab, longest)(tokens: int[B, N]) -> [B, N, vocab]
where d % heads == 0, N <= longest {
  both   = GQA(d, heads, attend: Attend((d // heads) ^ -0.5, Everything))
  embed  = Embedding(vocab, d)
  layers = stack(n * TransformerLayer(LayerNorm(d), both, MLP(d, 4 * d), after))
  head   = Linear(d, vocab, weight: embed.weight)
  return tokens |> embed |> layers |> head
}
tiny Encoder { d: 16  n: 2  heads: 2  vocab: 31  longest: 20 }
variant E = Encoder(d: 64, n: 2, heads: 4, vocab: 99, longest: 32) { expect params: 105_152 }
"""
PATCHES = """
use std.core: Linear, LayerNorm, MLP, TransformerLayer
use std.attention: GQA, Attend
use std.encoder: Everything
model Patches(d, n, heads, patch, side, classes)
             (image: [B, 3, side * patch, side * patch]) -> [B, classes]
where d % heads == 0 {
  both   = GQA(d, heads, attend: Attend((d // heads) ^ -0.5, Everything))
  embed  = Linear(3 * patch * patch, d, bias: true)
  layers = stack(n * TransformerLayer(LayerNorm(d), both, MLP(d, 4 * d)))
  head   = Linear(d, classes)
  x = image |> rearrange[B c (side p) (side q) -> B (side side) (c p q)] |> embed |> layers
  return mean[B N d -> B d](x) |> head
}
tiny Patches { d: 16  n: 2  heads: 2  patch: 2  side: 3  classes: 5 }
variant P = Patches(d: 64, n: 2, heads: 4, patch: 4, side: 4, classes: 10) {}
"""


@pytest.mark.parametrize(("spec", "shape"), [(ENCODER, "[2, 12, 31]"), (PATCHES, "[2, 5]")])
def test_the_file_tests_itself(spec: str, shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = from_text(spec)
    module.main()
    said = capsys.readouterr().out
    assert f"result {shape}" in said
    assert "alone the same to" in said
    assert not hasattr(module.Model, "new_cache")
    assert not hasattr(module.Model, "generate")
    assert not hasattr(module, "Cache")


def test_all_is_seen_by_all() -> None:
    """A change of the last token changes what is said of the first."""
    module = from_text(ENCODER)
    model = module.Model(module.Config.tiny()).eval()
    tokens = torch.randint(31, (1, 9))
    other = tokens.clone()
    other[0, -1] = (other[0, -1] + 1) % 31
    with torch.no_grad():
        assert (model(tokens) - model(other))[0, 0].abs().max() > 1e-6


def test_a_patch_is_cut_out_of_the_image() -> None:
    """The first patch is the upper left corner: nothing else reaches the embedding of it."""
    module = from_text(PATCHES)
    model = module.Model(module.Config.tiny()).eval()
    seen = []
    model.embed.register_forward_hook(lambda _m, args, _r: seen.append(args[0]))
    image = torch.randn(1, 3, 6, 6)
    model(image)
    assert torch.equal(seen[0][0, 0], image[0, :, :2, :2].flatten())
    assert torch.equal(seen[0][0, 5], image[0, :, 2:4, 4:].flatten())


def test_a_condition_on_a_length_is_checked_when_it_runs() -> None:
    module = from_text(ENCODER)
    model = module.Model(module.Config.tiny())
    with pytest.raises(ValueError, match="the model needs N <= longest"):
        model(torch.zeros(1, 21, dtype=torch.long))


def test_an_axis_of_an_input_is_an_expression_of_settings() -> None:
    text = PATCHES.replace("image: [B, 3, side * patch,", "image: [B, 3, side * pitch,")
    (told,) = pipeline.check_source(Source("p.arch", text)).diagnostics
    assert (told.code, told.span and told.span.text) == ("unknown-name", "pitch")
