"""Folders of published checkpoints: what the reference writes is loaded, and what is saved the
reference loads. The tensors that real files have beside the weights, and under other names.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import reference
from archdsl import hub, pipeline
from archdsl.source import Source
from emitted import code_of, from_text

TYPES = reference.types()
CLASSES = sorted({kind.partition("+")[0] for kind in TYPES})
FLOAT32 = 1e-4
"""Largest difference to the reference in float32, in standard deviations of its logits."""


@cache
def reference_of(kind: str) -> reference.Reference:
    return reference.build(kind, 3)


@cache
def module_of(kind: str) -> ModuleType:
    return from_text(hub.imported(reference.tiny_config(kind), name="tiny").text)


def tensors_of(folder: Path) -> dict[str, Tensor]:
    return {k: v for f in sorted(folder.glob("*.safetensors")) for k, v in load_file(f).items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether the names are the same, and the numbers bit for bit."""
    if one.keys() != other.keys() or any(one[k].dtype != other[k].dtype for k in one):
        return False
    bits = ([x[k].contiguous().view(torch.uint8) for x in (one, other)] for k in one if one[k].ndim)
    numbers = (torch.equal(one[k], other[k]) for k in one if not one[k].ndim)
    return all(torch.equal(*pair) for pair in bits) and all(numbers)


MISNAMED = {
    "kimi_linear": [(r"block_sparse_moe\.(?=(gate|up|down)_proj)", "mlp.")],
    "deepseek_v4": [(r"\.attn\.norm\.", ".attn.kv_norm."), (r"hc_head\.hc_", "hc_head_"),
                    ("embed_tokens", "embed"), (r"^model\.", "")],
}  # fmt: skip
"""Names that a class saves and the published files do not have: it does not turn all names back, or
those of mixtures for dense layers too.
"""
OVERWRITTEN = {"zaya": ".mlp.gate.balancing_biases"}
"""Tensors of which a class sets a number whenever it loads a file, whatever the file says."""


@pytest.mark.parametrize("kind", TYPES)
def test_what_the_reference_saves_is_loaded_and_saved_as_it_was(kind: str, tmp_path: Path) -> None:
    """In several files. The reference loads what was saved, and computes the same."""
    ref, module = reference_of(kind), module_of(kind)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    ref.model.save_pretrained(theirs, max_shard_size="100KB")
    assert len(list(theirs.glob("*.safetensors"))) > 3
    model = module.load(theirs)
    wanted = ref.logits(torch.float32)
    with torch.no_grad():
        differences = model(*ref.others, ref.tokens) - wanted
    assert differences.abs().max() <= FLOAT32 * wanted.std()
    module.save(model, ours, max_shard_size="150KB")
    published = tensors_of(theirs)
    for wrong, right in MISNAMED.get(kind.partition("+")[0], []):
        published = {re.sub(wrong, right, k): v for k, v in published.items()}
    assert same(tensors_of(ours), published)
    assert same(module.load(ours).state_dict(), model.state_dict())
    (ours / "config.json").write_text((theirs / "config.json").read_text())
    config = ref.model.config
    how = {"attn_implementation": config._attn_implementation}
    if getattr(config, "_experts_implementation", None) is not None:
        how["experts_implementation"] = config._experts_implementation
    read, keys = type(ref.model).from_pretrained(ours, output_loading_info=True, **how)
    assert not any(keys.values()), keys
    again = OVERWRITTEN.get(kind.partition("+")[0], "nothing")
    kept = {name: tensor for name, tensor in ref.state.items() if name.endswith(again)}
    read.load_state_dict(kept, strict=False)
    with torch.no_grad():
        assert torch.equal(read.eval()(**ref.fed(ref.tokens), use_cache=False).logits, wanted)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_dtype_comes_back_as_it_was_saved(kind: str, tmp_path: Path) -> None:
    """What is of single precision stays so."""
    module = module_of(kind)
    reference_of(kind).model.save_pretrained(tmp_path / "theirs")
    model = module.load(tmp_path / "theirs", dtype=torch.bfloat16)
    module.save(model, tmp_path / "ours")
    again = module.load(tmp_path / "ours", dtype=torch.bfloat16)
    assert same(again.state_dict(), model.state_dict())
    assert {t.dtype for t in again.parameters()} == {torch.bfloat16}
    whole = module.load(tmp_path / "theirs")
    held = [{n: b for n, b in m.named_buffers() if b.numel()} for m in (again, whole)]
    assert same(*held), "those without numbers are there for their dtype"


BESIDE = {
    "gpt2": ["transformer.h.0.attn.bias", "transformer.h.1.attn.masked_bias", "h.2.attn.bias",
             "transformer.h.0.crossattention.bias"],
    "t5": ["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
           "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"],
    "deepseek_v3": ["model.layers.61.eh_proj.weight", "model.layers.61.shared_head.head.weight"],
    "qwen3_next": ["mtp.fc.weight", "mtp.layers.0.mlp.experts.5.up_proj.weight"],
    "qwen3_5_text": ["mtp.fc.weight", "model.visual.blocks.0.norm1.weight"],
    "qwen3_5_moe_text": ["mtp.fc.weight", "model.visual.blocks.0.norm1.weight"],
    "longcat_flash": ["model.mtp.layers.0.eh_proj.weight"],
    "step3p5": ["model.layers.45.eh_proj.weight", "vision_model.conv1.weight",
                "vit_large_projector.weight"],
    "minimax_m3_vl_text": ["mtp.layers.0.eh_proj.weight", "vision_tower.pre_layrnorm.weight",
                           "model.multi_modal_projector.linear_1.weight"],
    "muse_glimmer_text": ["model.vision_tower.ln_pre.weight", "model.vision_projection.weight"],
    "glm5_next_text": ["model.language_model.layers.45.shared_head.head.weight",
                       "model.layers.45.eh_proj.weight", "model.visual.norm.weight"],
    "inkling_text": ["model.mtp.layers.0.input_proj.weight", "model.vision_tower.norm.weight"],
    "qwen4_exp_text": ["mtp.fc.weight", "model.visual.blocks.0.norm1.weight"],
    "hy_v4": ["model.mtp_layers.0.eh_proj.weight"],
    "deepseek_v32": ["model.layers.61.eh_proj.weight"],
    "deepseek_v4": ["mtp.0.e_proj.weight", "model.mtp.0.enorm.weight"],
    "glm_moe_dsa": ["model.layers.78.eh_proj.weight"],
    "bailing_hybrid": ["model.layers.42.eh_proj.weight"],
    "nemotron_h": ["mtp.layers.0.eh_proj.weight"],
    "glm4_moe": ["model.layers.46.eh_proj.weight", "model.layers.92.shared_head.head.weight"],
    "hy_v3": ["model.layers.80.eh_proj.weight"],
    "mellum": ["mtp.layers.0.mlp.experts.5.up_proj.weight"],
    "mimo_v2_flash": ["model.mtp.layers.0.eh_proj.weight"],
    "gemma3_text": ["vision_tower.vision_model.post_layernorm.weight",
                    "model.multi_modal_projector.mm_input_projection_weight"],
    "gemma4_text": ["model.vision_tower.std_bias", "model.embed_audio.embedding_projection.weight",
                    *(f"model.layers.{i}.self_attn.{name}.weight" for i in (3, 4, 5)
                      for name in ("k_proj", "v_proj", "k_norm", "v_norm"))],
    "gemma4_unified_text": ["model.vision_embedder.pos_norm.weight"],
}  # fmt: skip
"""Tensors that published files have and the model has not."""
ROTARY = ["model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq"]


@pytest.mark.parametrize("kind", CLASSES)
def test_what_published_files_have_beside_the_weights_is_left_out(kind: str) -> None:
    """Everything that the class itself does not miss or mind, which its patterns say."""
    ref, module = reference_of(kind), module_of(kind)
    parts = list(ref.model.modules())
    unexpected = {p for m in parts for p in getattr(m, UNEXPECTED, None) or ()}
    beside = [*BESIDE.get(kind, [])]
    if any(name.endswith("rotary_emb.inv_freq") for name, _ in ref.model.named_buffers()):
        unexpected.add(r"rotary_emb\.inv_freq")
        beside += ROTARY
    unknown = [p for p in unexpected if not any(re.search(p, key) for key in beside)]
    assert not unknown, "name a tensor for each"
    missing = {p for m in parts for p in getattr(m, MISSING, None) or ()}
    state = {k: v for k, v in ref.state.items() if not any(re.search(p, k) for p in missing)}
    model = module.Model(module.Config())
    plain = module.parameters_from(ref.state, model)
    for key in beside:
        mask = torch.ones(3, dtype=torch.uint8) if key.endswith("attn.bias") else torch.zeros(3)
        assert same(module.parameters_from(state | {key: mask}, model), plain), key
    with pytest.raises(ValueError, match=r"no parameter for model\.extra\.weight"):
        module.parameters_from(state | {"model.extra.weight": torch.zeros(3)}, model)


UNEXPECTED, MISSING = "_keys_to_ignore_on_load_unexpected", "_keys_to_ignore_on_load_missing"


def tied_kinds() -> Iterator[tuple[str, dict[str, str]]]:
    """The types whose class has one tensor under several names: (name, first name)."""
    for kind in TYPES:
        with torch.device("meta"):
            model = reference.from_config(reference.tiny_config(kind))
        if model.all_tied_weights_keys:
            yield kind, dict(model.all_tied_weights_keys)


TIED = dict(tied_kinds())


@pytest.mark.parametrize("kind", TIED)
def test_any_name_of_a_tied_tensor_is_enough(kind: str, tmp_path: Path) -> None:
    """Each alone, and all together; loaded, it is one tensor, and it is saved once, beside all the
    others that the class saves.
    """
    ref, module = reference_of(kind), module_of(kind)
    ref.model.save_pretrained(tmp_path / "theirs")
    theirs = tensors_of(tmp_path / "theirs")
    names = {*TIED[kind], *TIED[kind].values()}
    assert len(names) > 1
    rest = {k: v for k, v in ref.state.items() if k not in names}
    (tensor, *others) = (ref.state[name] for name in names)
    assert all(torch.equal(tensor, other) for other in others)
    expected = module.parameters_from(ref.state, module.Model(module.Config()))
    for there in [*([name] for name in names), names]:
        save_file(rest | {name: tensor.clone() for name in there}, tmp_path / "model.safetensors")
        model = module.load(tmp_path)
        assert same(model.state_dict(), expected), there
        assert model.head.weight is model.embed.weight
        module.save(model, tmp_path)
        ours = tensors_of(tmp_path)
        assert len(ours.keys() & names) == 1
        untied = [{k: v for k, v in x.items() if k not in names} for x in (ours, theirs)]
        assert same(*untied)
    with pytest.raises(ValueError, match=r"no tensor for embed\.weight, head\.weight"):
        module.parameters_from(rest, module.Model(module.Config()))


RENAMED = {
    "gpt2": [("transformer.", "")],
    "nemotron_h": [("model.", "backbone.")],
    "gemma3_text": [
        ("model.", "language_model.model."), ("model.", "model.language_model."),
        ("lm_head.", "language_model.lm_head."),
    ],
    "gemma4_text": [("model.", "model.language_model.")],
    "step3p5": [("model.language_model.", "model.")],
    "glm5_next_text": [("model.language_model.", "model.")],
    "minimax_m3_vl_text": [
        ("model.", "language_model.model."), ("model.", "model.language_model."),
        ("lm_head.", "language_model.lm_head."),
    ],
}  # fmt: skip
"""Beginnings of names by the class, and as published files have them."""


@pytest.mark.parametrize("kind", RENAMED)
def test_published_names_that_differ_from_the_class_are_known(kind: str) -> None:
    ref, module = reference_of(kind), module_of(kind)
    model = module.Model(module.Config())
    plain = module.parameters_from(ref.state, model)
    for own, published in RENAMED[kind]:
        state = {re.sub(rf"^{re.escape(own)}", published, k): v for k, v in ref.state.items()}
        assert state.keys() != ref.state.keys()
        assert same(module.parameters_from(state, model), plain)


# --- quantised ------------------------------------------------------------------------------------

WEIGHT = "model.layers.0.mlp.up_proj.weight"
BYTES, INTS = torch.ones(8, 8, dtype=torch.uint8), torch.ones(8, 8, dtype=torch.int32)
SCALES = torch.ones(8, 8)
QUANTISED = {
    "FP8": {WEIGHT: BYTES.view(torch.float8_e4m3fn), f"{WEIGHT}_scale_inv": SCALES},
    "FP8 without scales": {WEIGHT: torch.ones(96, 64).to(torch.float8_e5m2)},
    "MXFP4": {f"{WEIGHT}_blocks": BYTES, f"{WEIGHT}_scales": BYTES},
    "GPTQ, AWQ": {
        WEIGHT[:-6] + "qweight": INTS, WEIGHT[:-6] + "qzeros": INTS,
        WEIGHT[:-6] + "scales": SCALES.half(), WEIGHT[:-6] + "g_idx": INTS[0],
    },
    "bitsandbytes, 4 bits": {
        WEIGHT: BYTES, f"{WEIGHT}.absmax": SCALES, f"{WEIGHT}.quant_map": SCALES,
        f"{WEIGHT}.quant_state.bitsandbytes__nf4": BYTES[0],
    },
    "bitsandbytes, 8 bits": {WEIGHT: BYTES.view(torch.int8), WEIGHT[:-6] + "SCB": SCALES},
    "compressed tensors": {
        f"{WEIGHT}_packed": INTS, f"{WEIGHT}_scale": SCALES.bfloat16(),
        f"{WEIGHT}_shape": torch.tensor([96, 64]),
    },
    "quanto": {f"{WEIGHT}._data": BYTES.view(torch.int8), f"{WEIGHT}._scale": SCALES},
}  # fmt: skip
"""What published files have in the place of a weight."""


@pytest.mark.parametrize("form", QUANTISED)
def test_a_quantised_checkpoint_is_refused_by_name(form: str, tmp_path: Path) -> None:
    state = {k: v for k, v in reference_of("llama").state.items() if k != WEIGHT}
    stored = {k: v.clone() for k, v in QUANTISED[form].items()}
    save_file(state | stored, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=rf"{WEIGHT[:-6]}.* is torch\..*quantised.*dequantize"):
        module_of("llama").load(tmp_path)


# --- files ----------------------------------------------------------------------------------------


def folder_of_llama(folder: Path) -> Path:
    """A checkpoint of several files."""
    reference_of("llama").model.save_pretrained(folder, max_shard_size="100KB")
    return folder


def test_files_are_those_of_the_index(tmp_path: Path) -> None:
    """Other files of the folder may hold the same weights under other names."""
    folder, module = folder_of_llama(tmp_path), module_of("llama")
    model = module.load(folder)
    save_file({"tok_embeddings.weight": torch.zeros(3)}, folder / "consolidated.safetensors")
    assert same(module.load(folder).state_dict(), model.state_dict())
    module.save(model, folder)
    assert sorted(p.name for p in folder.glob("*.safetensors*")) == [
        "consolidated.safetensors", "model.safetensors",
    ]  # fmt: skip
    assert same(module.load(folder).state_dict(), model.state_dict())


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    folder, module = folder_of_llama(tmp_path), module_of("llama")
    first = sorted(folder.glob("*.safetensors"))[0]
    data = first.read_bytes()
    first.write_bytes(data[:-1])
    with pytest.raises(ValueError, match=rf"{first.name} is no whole \.safetensors file"):
        module.load(folder)
    first.unlink()
    with pytest.raises(FileNotFoundError, match=rf"lacks files .*: {first.name} \(1 in all\)"):
        module.load(folder)
    first.write_bytes(data)
    index = folder / "model.safetensors.index.json"
    index.write_text("[]")
    with pytest.raises(ValueError, match="is no index"):
        module.load(folder)
    index.unlink()
    (folder / "copy.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match=r"copy\.safetensors and .* both hold"):
        module.load(folder)


def test_what_cannot_be_saved_is_told(tmp_path: Path) -> None:
    """Nothing is written, and nothing that was there is gone."""
    kind = "llama+mha_tied_rope3"
    module = module_of(kind)
    reference_of(kind).model.save_pretrained(tmp_path)
    before = tensors_of(tmp_path)
    model = module.load(tmp_path)
    model.head.weight = torch.nn.Parameter(model.embed.weight + 1)
    with pytest.raises(ValueError, match=r"head\.weight differs .*call tie\(model\)"):
        module.save(model, tmp_path)
    assert same(tensors_of(tmp_path), before)
    module.tie(model)
    module.save(model, tmp_path)
    assert same(tensors_of(tmp_path), before)


# --- memory ---------------------------------------------------------------------------------------

LARGE = """
use std.core: Embedding, Linear
block Layer(d, wide)(x: [B, T, d]) -> [B, T, d] as layer {
  up    = Linear(d, wide)
  gate  = Linear(d, wide)
  other = Linear(d, wide)
  down  = Linear(wide, d)
  return x + down(up(x) * gate(x) + other(x))
}
model M(d, wide, n, vocab)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed  = Embedding(vocab, d)
  layers = stack(n * Layer(d, wide))
  head   = Linear(d, vocab, weight: embed.weight)
  return tokens |> embed |> layers |> head
}
variant V = M(d: 512, wide: 1024, n: 24, vocab: 60_000) {}
hub M "m" {
  config { d <- .d  wide <- .w  n <- .n  vocab <- .vocab }
  weights {
    embed <- "embed"
    layers[i] <- "{i}." {
      up.weight, gate.weight <- "up_gate" [(w + w) d -> w d, w d]
      other.weight           <- "a" + "b"
      down.weight            <- "down" [a b -> b a]
    }
    head <- "head"
  }
}
"""
PEAK = """
import re, sys
from pathlib import Path
import torch
import model as file

def peak():  # `ru_maxrss` would have what the parent had
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

dtype, folder = getattr(torch, sys.argv[1]), Path(sys.argv[2])
with torch.device("meta"):  # what torch loads for this and for conversions is no part of the model
    file.Model(file.Config())
torch.zeros(1024, 1024).T.to(dtype, copy=True)
before = peak()
model = file.load(folder, dtype=dtype)
size = sum(p.numel() * p.element_size() for p in model.parameters())
print((peak() - before) / size, size)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak there")
@pytest.mark.parametrize("shards", ["one file", "several"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_loading_takes_the_memory_of_the_model(dtype: str, shards: str, tmp_path: Path) -> None:
    """One tensor at a time is read beside it, of a large one a part: measured by the system."""
    checked = pipeline.check_source(Source("large.arch", LARGE))
    (tmp_path / "model.py").write_text(code_of(checked.variants[0]))
    (tmp_path / "peak.py").write_text(PEAK)
    large = {"embed.weight": (60_000, 512)}
    for i in range(24):
        large |= {f"{i}.up_gate": (2048, 512), f"{i}.a": (512, 512), f"{i}.b": (512, 512)}
        large[f"{i}.down"] = (1024, 512)
    folder = tmp_path / "folder"
    folder.mkdir()
    tensors = {name: torch.ones(shape) for name, shape in large.items()}
    names = list(tensors)
    parts = [names] if shards == "one file" else [names[i::3] for i in range(3)]
    for number, part in enumerate(parts):
        save_file({name: tensors[name] for name in part}, folder / f"{number}.safetensors")
    done = subprocess.run(
        [sys.executable, "peak.py", dtype, folder],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ratio, size = map(float, done.stdout.split())
    assert size > (300e6 if dtype == "float32" else 150e6)
    assert 0.95 < ratio <= 1.15


def test_an_index_says_where_each_tensor_is(tmp_path: Path) -> None:
    """As transformers writes it, for other programs that read it."""
    folder, module = folder_of_llama(tmp_path / "theirs"), module_of("llama")
    module.save(module.load(folder), tmp_path / "ours", max_shard_size=100_000)
    name = "model.safetensors.index.json"
    theirs, ours = (json.loads((tmp_path / x / name).read_text()) for x in ("theirs", "ours"))
    assert ours["weight_map"].keys() == theirs["weight_map"].keys()
    assert ours["metadata"]["total_size"] == theirs["metadata"]["total_size"]
    for key, file in ours["weight_map"].items():
        assert key in load_file(tmp_path / "ours" / file)
