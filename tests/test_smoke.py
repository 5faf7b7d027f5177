"""Emitted files as programs: the smoke test that each carries passes for any valid model, and what
a user may do wrong with a model ends in a plain error.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import emitted
from archdsl import pipeline
from archdsl.facts import Facts
from archdsl.source import Source

FOLDER = Path(__file__).parent / "data" / "smoke"
DECODER = """
use std.core: Embedding, Linear
use std.attention: GQA
model Net(d = 8, vocab = 11)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed = Embedding(vocab, d)
  mix   = GQA(d, 2)
  head  = Linear(d, vocab)
  return tokens |> embed |> mix |> head
}
variant Net_1 = Net() {}
"""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.arch")), ids=lambda path: path.stem)
def test_an_emitted_file_passes_its_own_test(path: Path, tmp_path: Path) -> None:
    """Each spec of the folder has inputs, results or conditions of a kind of its own."""
    checked = pipeline.check_path(path, path.name)
    assert not checked.diagnostics, checked.diagnostics[0].text()
    [variant] = checked.variants
    file = tmp_path / "model.py"
    file.write_text(variant.torch(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, file], capture_output=True, encoding="utf-8", check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    count = re.match(r"([\d,]+) parameters; (logits|result) ", done.stdout)
    assert count is not None, done.stdout
    text = file.read_text(encoding="utf-8")
    fed_by_token = re.search(r"cache=cache\)\s+for t in range", text) is not None
    assert fed_by_token == ("with a cache the same" in done.stdout)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.arch")), ids=lambda path: path.stem)
def test_the_module_has_the_parameters_that_are_counted(path: Path) -> None:
    """Also where the smallest model is of another size than the variant."""
    [variant] = pipeline.check_path(path, path.name).variants
    module = emitted.run(emitted.code_of(variant))
    sizes = {"the variant": (variant.model, module.Config())}
    small = variant.tiny
    if small is not None:
        sizes["the smallest"] = (small, module.Config.tiny())
    for name, (model, config) in sizes.items():
        found = sum(p.numel() for p in module.Model(config).parameters())
        assert found == Facts(model).params, name


def net() -> torch.nn.Module:
    torch.manual_seed(0)
    module = emitted.from_text(DECODER)
    model: torch.nn.Module = module.Model().eval()
    return model


def test_a_cache_takes_the_batch_that_it_was_made_for() -> None:
    model, tokens = net(), torch.zeros(1, 2, dtype=torch.long)
    cache = model.new_cache(3, 8)
    with pytest.raises(ValueError, match=r"a batch of 1 .* cache for 3"):
        model(tokens, cache=cache)
    assert cache.seen == 0
    assert model(tokens.expand(3, -1), cache=cache).shape == (3, 2, 11)
    with pytest.raises(ValueError, match=r"a batch of 4 .* cache for 3"):
        model(torch.zeros(4, 1, dtype=torch.long), cache=cache)


@pytest.mark.parametrize(
    ("length", "options", "message"),
    [
        (0, {}, "at least one token"),
        (2, {"temperature": -0.5}, "temperature -0.5"),
        (2, {"temperature": float("nan")}, "temperature nan"),
        (2, {"temperature": 1.0, "top_k": 0}, "top_k 0"),
        (2, {"temperature": 1.0, "top_k": -3}, "top_k -3"),
        (2, {"top_k": 0}, "top_k 0"),
    ],
)
def test_what_cannot_be_generated(length: int, options: dict[str, float], message: str) -> None:
    tokens = torch.zeros(2, length, dtype=torch.long)
    with pytest.raises(ValueError, match=re.escape(message)):
        net().generate(tokens, max_new_tokens=3, **options)


def test_what_can_be_generated() -> None:
    """The bounds of the above are right: 0 and 1 are allowed."""
    model, tokens = net(), torch.zeros(2, 1, dtype=torch.long)
    greedy = model.generate(tokens, max_new_tokens=3, temperature=0)
    assert torch.equal(greedy, model.generate(tokens, 3, temperature=1.0, top_k=1))
    assert torch.equal(tokens, model.generate(tokens, 0))


def test_a_sequence_ends_where_every_one_has_stopped() -> None:
    """A token that stops one sequence stops none of the others."""
    model = net()
    tokens = torch.arange(11).view(11, 1)
    whole = model.generate(tokens, 6)
    stops = {stop: [(row[1:] == stop).nonzero() for row in whole] for stop in range(11)}
    for stop, places in stops.items():
        found = model.generate(tokens, 6, stop=stop)
        ends = [int(at[0]) + 1 if len(at) else 6 for at in places]
        assert torch.equal(found, whole[:, : 1 + max(ends)])
        for at, end in enumerate(ends):
            alone = model.generate(tokens[at : at + 1], 6, stop=stop)
            assert torch.equal(alone, whole[at : at + 1, : 1 + end])
    assert any(len(at) and int(at[0]) < 5 for places in stops.values() for at in places)


def test_the_smallest_model_has_the_sizes_that_tiny_gives() -> None:
    """What `tiny` leaves out has its default, and all but sizes is the variant's."""
    text = """
    use std.core: Embedding, Linear
    block Layer(d, wide, k: float, flip: bool)(x: [B, T, d]) -> [B, T, d] as layer {
      up   = Linear(d, wide)
      down = Linear(wide, d)
      y = x |> up |> down
      return x - y * k if flip else x + y * k
    }
    model Net(d, wide = 3 * d, more: count = 1, none: count = 1, n = 2, kinds: list(bool),
              k: float = 1, vocab = 11)(stream tokens: int[B, T]) -> [B, T, d] {
      embed = Embedding(vocab, d)
      a = stack(more * Layer(d, wide, k, false), none * Layer(d, wide, k, false))
      b = stack(Layer(d, wide, k, flip) for flip in kinds)
      c = stack(Layer(d, wide, k + i, true) for i in n)
      return tokens |> embed |> a |> b |> c
    }
    tiny Net { d: 4  more: 2  n: 1 }
    variant Net_1 = Net(d: 64, wide: 100, more: 9, none: 0, n: 5, kinds: [true, true, false],
                        k: 0.5, vocab: 99) {}
    """
    [variant] = pipeline.check_source(Source("tiny.arch", text)).variants
    small = variant.tiny
    assert small is not None
    assert {symbol.name: number for symbol, number in small.numbers.items()} == {
        "d": 4, "wide": 12, "more": 2, "none": 0, "n": 5, "k": 0.5, "vocab": 11
    }  # fmt: skip
    assert Facts(small).layers == 2 + 0 + 3 + 5
    assert variant.facts.layers == 9 + 0 + 3 + 5


def test_conditions_of_blocks_hold_as_the_model_runs() -> None:
    """A condition on T is checked where a block states it, and counts the tokens seen before."""
    text = (FOLDER / "few_tokens.arch").read_text("utf-8")
    model = emitted.from_text(text).Model().eval()
    tokens = torch.zeros(1, 4, dtype=torch.long)
    assert model(tokens[:, :3]).shape == (1, 3, 11)
    with pytest.raises(ValueError, match="4 tokens: the model needs T <= 3"):
        model(tokens)
    cache = model.new_cache(1, 8)
    model(tokens[:, :3], cache=cache)
    with pytest.raises(ValueError, match="4 tokens: the model needs T <= 3"):
        model(tokens[:, :1], cache=cache)
