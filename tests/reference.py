"""Tiny random reference models, built with the public classes of transformers.

A correct translation of a model agrees with its reference on every tensor that enters the result,
so the reference must be sensitive to all of them: every parameter gets a value of its own, norm
weights are not one, biases are not zero, and a swapped, missing or transposed tensor moves the
logits.

    ref = reference.build("llama+bias", seed=3)
    ref.config                      # the dictionary of its config.json
    ref.state                       # published key -> float32 tensor, tied names included
    ref.tokens                      # int64 [2, 37]
    ref.logits(torch.float64)       # [2, 37, 257]
    ref.decoded(torch.float64, 29)  # the last 8 positions, token by token with the cache

Attention is run as `sdpa`: the eager path of transformers casts its softmax to float32 whatever the
dtype, which would hide every error below 1e-7 from a comparison in float64.
"""

import copy
import functools
import importlib
import inspect
import json
import math
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_MAPPING

DATA = Path(__file__).parent / "data"
BATCH, LENGTH, SOURCE = 2, 37, 23
FIRST_PLAIN_TOKEN = 3  # 0, 1, 2 are padding, beginning and end

Draw = Callable[[tuple[int, ...]], torch.Tensor]


@dataclass(frozen=True)
class Reference:
    """A tiny reference model with its input."""

    type: str
    config: dict[str, Any]
    tokens: torch.Tensor
    model: torch.nn.Module
    source: torch.Tensor | None = None

    @property
    def others(self) -> tuple[torch.Tensor, ...]:
        """The inputs beside the tokens that are continued: an encoder's, where there is one."""
        return () if self.source is None else (self.source,)

    def fed(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """The inputs by the names of the class."""
        if self.source is None:
            return {"input_ids": tokens}
        return {"input_ids": self.source, "decoder_input_ids": tokens}

    @property
    def state(self) -> dict[str, torch.Tensor]:
        """A copy of every tensor of a checkpoint, in float32."""
        return {name: t.detach().clone() for name, t in self.model.state_dict().items()}

    @torch.no_grad()
    def logits(self, dtype: torch.dtype, tokens: torch.Tensor | None = None) -> torch.Tensor:
        """Logits [B, T, vocab] of one full pass in `dtype`."""
        model = self._in(dtype)
        return model(**self.fed(self.tokens if tokens is None else tokens), use_cache=False).logits

    @torch.no_grad()
    def decoded(self, dtype: torch.dtype, prefill: int) -> torch.Tensor:
        """Logits [B, T - prefill, vocab]: `prefill` tokens at once, the rest one by one."""
        model = self._in(dtype)
        out = model(**self.fed(self.tokens[:, :prefill]), use_cache=True)
        name = "past_key_values" if "past_key_values" in out else "cache_params"
        steps = []
        for t in range(prefill, self.tokens.shape[1]):
            kept = {name: out[name]}
            out = model(**self.fed(self.tokens[:, t : t + 1]), use_cache=True, **kept)
            steps.append(out.logits[:, -1])
        return torch.stack(steps, 1)

    @torch.no_grad()
    def greedy(self, dtype: torch.dtype, prompt: torch.Tensor, count: int) -> torch.Tensor:
        """`prompt` [B, P] and the `count` most likely tokens after it: int64 [B, P + count]."""
        model = self._in(dtype)
        tokens, fresh, cache = prompt, prompt, None
        for _ in range(count):
            out = model(input_ids=fresh, past_key_values=cache, use_cache=True)
            cache, fresh = out.past_key_values, out.logits[:, -1:].argmax(-1)
            tokens = torch.cat((tokens, fresh), 1)
        return tokens

    @torch.no_grad()
    def experts(self, dtype: torch.dtype) -> list[torch.Tensor]:
        """The experts of each token [B T, top_k] in each layer that has some, in order: the
        integers that modules of this name are called with.
        """
        model, seen = self._in(dtype), list[torch.Tensor]()

        def called(_: torch.nn.Module, args: Any, named: Any) -> None:
            given = [x for x in (*args, *named.values()) if isinstance(x, torch.Tensor)]
            seen.extend(x for x in given if x.dtype in (torch.int64, torch.int32) and x.ndim > 1)

        banks = [m for name, m in model.named_modules() if name.endswith(".experts")]
        hooks = [m.register_forward_pre_hook(called, with_kwargs=True) for m in banks]
        model(**self.fed(self.tokens), use_cache=False)
        for hook in hooks:
            hook.remove()
        return [x.sort(-1).values.flatten(0, -2) for x in seen]

    def _in(self, dtype: torch.dtype) -> torch.nn.Module:
        if dtype == torch.float64 and is_wide(self.type):
            return self._wide
        return self.model if dtype == torch.float32 else copy.deepcopy(self.model).to(dtype)

    @functools.cached_property
    def _wide(self) -> torch.nn.Module:
        """The same model with the class's single precision made double."""
        here = type(self.model)
        model = from_config(self.config, widened(here.__module__)[here.__name__]).double()
        state = self.model.state_dict().items()
        model.load_state_dict({k: t.double() if t.is_floating_point() else t for k, t in state})
        for part in model.modules():
            # Tables of angles are made outside the class, in single precision too.
            kinds = getattr(part, "rope_type", "default")
            by_layer = {f"{k}_": k for k in kinds} if isinstance(kinds, dict) else {"": None}
            for prefix, layer in by_layer.items():
                if (kind := kinds[layer] if layer else kinds) != "default":
                    given = {"layer_type": layer} if layer else {}
                    table, _ = widened(ROPE)["ROPE_INIT_FUNCTIONS"][kind](part.config, **given)
                    getattr(part, f"{prefix}inv_freq").copy_(table)
        return model


def types() -> list[str]:
    """Every type of tiny model that `tests/data/tiny.toml` describes."""
    return list(_table()["types"])


def float64_tolerance(kind: str) -> float:
    """How far from the reference float64 may be, in standard deviations of its logits."""
    return _table()["types"][kind].get("float64", 1e-9)


def is_wide(kind: str) -> bool:
    """Whether float64 is compared with all single precision in class and emitted code made double:
    what follows a part in float32 amplifies its rounding so much that the class differs from
    itself, whole and step by step, by more than any useful tolerance.
    """
    return _table()["types"][kind].get("wide", False)


def runs_in_bfloat16(kind: str) -> bool:
    """Whether the class computes in bfloat16 on a CPU."""
    return _table()["types"][kind].get("bfloat16", True)


def double(source: str) -> str:
    """A source text in which what is computed in single precision is computed in double."""
    return re.sub(r"\btorch\.float(32)?\b", "torch.float64", source).replace(
        ".float()", ".double()"
    )


@functools.cache
def widened(module: str) -> dict[str, Any]:
    """The names of a module of transformers, read with double precision."""
    original = importlib.import_module(module)
    source = double(Path(str(original.__file__)).read_text(encoding="utf-8"))
    name = f"{module}_double"
    made = ModuleType(name)
    made.__package__ = module.rpartition(".")[0]
    made.__file__ = original.__file__
    sys.modules[name] = made
    exec(compile(source, f"{name}.py", "exec"), made.__dict__)
    if "AutoModel" in made.__dict__:  # the parts of a class are those of this module too
        made.__dict__["AutoModel"] = _PartsOf(made.__dict__)
    return made.__dict__


@dataclass(frozen=True)
class _PartsOf:
    """Makes the parts of a class from a module's own names."""

    names: dict[str, Any]

    def from_config(self, config: Any) -> torch.nn.Module:
        return self.names[MODEL_MAPPING[type(config)].__name__]._from_config(config)


ROPE = "transformers.modeling_rope_utils"


def build(kind: str, seed: int = 3, layers: int | None = None) -> Reference:
    """The tiny model of a type with random weights; the same seed gives the same bits. `layers`:
    how many it has, in place of its own number.
    """
    config = tiny_config(kind, layers)
    model = from_config(config, _table()["types"][kind]["class"])
    randomise(model, seed)
    draw = torch.Generator().manual_seed(1000 + seed)
    tokens, source = (
        torch.randint(FIRST_PLAIN_TOKEN, config["vocab_size"], (BATCH, length), generator=draw)
        for length in (LENGTH, SOURCE)
    )
    two = model.config.is_encoder_decoder
    return Reference(kind, config, tokens, model, source if two else None)


_DEPTHS = ("num_hidden_layers", "n_layer", "num_layers", "num_decoder_layers", "num_blocks")
_SCHEDULES = (
    "layer_types",
    "layers_block_type",
    "mlp_layer_types",
    "indexer_types",
    "no_rope_layers",
    "num_attention_heads_per_layer",
    "layer_rope_theta",
    "swiglu_limits",
    "swiglu_limits_shared",
)

_NUMBERED = ("ple_layer_ids",)  # lists of layers, counted from 1


def _of_depth(fields: dict[str, Any], layers: int) -> dict[str, Any]:
    """The fields of a configuration with another number of layers, schedules gone through again."""
    deep = {k: layers for k in _DEPTHS if k in fields}
    long = {k: fields[k] for k in _SCHEDULES if k in fields}
    lists = {k: [x[i % len(x)] for i in range(layers)] for k, x in long.items()}
    # Layers that read what earlier ones keep need the earlier ones.
    sharing = {"num_kv_shared_layers": 0} if any(layers < len(x) for x in long.values()) else {}
    numbers = {k: [n for n in fields[k] if n <= layers] for k in _NUMBERED if k in fields}
    return fields | deep | lists | numbers | {k: v for k, v in sharing.items() if k in fields}


def tiny_config(kind: str, layers: int | None = None) -> dict[str, Any]:
    """The config.json of a type as a dictionary."""
    row = _table()["types"][kind]
    config_class = CONFIG_MAPPING[kind.split("+")[0]]
    known = config_fields(config_class) - set(row.get("omit", ()))
    fields = {k: v for k, v in _table()["base"].items() if k in known} | row.get("config", {})
    fields = {k: None if v == "null" else v for k, v in fields.items()}  # TOML has no null
    fields = fields if layers is None else _of_depth(fields, layers)
    config = config_class(**copy.deepcopy(fields), architectures=[row["class"]])
    written = config.to_dict()
    for made, stated in row.get("published", {}).items():
        written.pop(made)
        written |= {key: fields[key] for key in stated if key in fields}
    return json.loads(json.dumps(written))


def from_config(config: dict[str, Any], cls: Any = None) -> torch.nn.Module:
    """The reference model of a config.json in eval mode, on the current default device; of a class
    or the class of that name.
    """
    cls = cls or config["architectures"][0]
    cls = getattr(transformers, cls) if isinstance(cls, str) else cls
    parsed = CONFIG_MAPPING[config["model_type"]].from_dict(copy.deepcopy(config))
    row = next((r for k, r in _table()["types"].items() if _is_of(k, config)), {})
    if "around" in row:
        tied = {"tie_word_embeddings": parsed.tie_word_embeddings}
        inner, around = copy.deepcopy([config, row["around"]])
        parsed = cls.config_class(text_config=inner, **around, **tied)
    if row.keys() & {"around", "unused"}:
        cls = _reduced(cls, row)
    # Grouped kernels for experts have no float64; the plain loop has.
    chosen = ("num_experts_per_tok", "top_k_experts")
    text = parsed.get_text_config()
    experts = "eager" if any(getattr(text, key, None) for key in chosen) else None
    how = {"experts_implementation": experts} if experts else {}
    attention = "sdpa" if cls._supports_sdpa else "eager"
    return cls._from_config(parsed, attn_implementation=attention, **how).eval()


def _is_of(kind: str, config: dict[str, Any]) -> bool:
    return kind.partition("+")[0] == config["model_type"]


@functools.cache
def _reduced_class(cls: Any, text: str) -> Any:
    row = json.loads(text)

    def init(self: Any, config: Any, *args: Any, **named: Any) -> None:
        cls.__init__(self, config, *args, **named)
        if "around" in row:
            for name, _ in list(self.model.named_children()):
                if name != "language_model":
                    delattr(self.model, name)
        for ending, key in row.get("unused", {}).items():
            used = getattr(config.get_text_config(), key)
            for name, old in list(self.named_parameters()):
                if name.endswith(ending):
                    owner, _, leaf = name.rpartition(".")
                    kept = torch.nn.Parameter(old[:used].detach())
                    setattr(self.get_submodule(owner), leaf, kept)

    return type(cls.__name__, (cls,), {"__init__": init, "__module__": cls.__module__})


def _reduced(cls: Any, row: dict[str, Any]) -> Any:
    """The class without the parts that text does not pass, and without rows of tensors that it
    never uses: what `around` and `unused` of a type say.
    """
    return _reduced_class(cls, json.dumps(row, sort_keys=True))


def cache(counts: dict[str, Any]) -> tuple[int, int]:
    """Bytes of the cache for each token, and those that grow, from counts: with the indexers, which
    the class counts apart.
    """
    indexers = counts["kv_indexer_bytes_per_token"] // counts.get("tokens_an_indexer_entry", 1)
    windows = counts.get("kv_window_bytes_per_token", 0)
    kept, growing = counts["kv_bytes_per_token"], counts["kv_growing_bytes_per_token"]
    return kept + indexers + windows, growing + indexers


def official(slug: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The published configuration of a model and the counts measured on its reference class."""
    config, counts = (DATA / kind / f"{slug}.json" for kind in ("configs", "counts"))
    return json.loads(config.read_text()), json.loads(counts.read_text())


def official_slugs() -> list[str]:
    """The models that `tests/data/configs` and `tests/data/counts` hold."""
    return sorted(path.stem for path in (DATA / "counts").glob("*.json"))


@torch.no_grad()
def randomise(model: torch.nn.Module, seed: int) -> None:
    """Give every parameter and every learnt buffer a value of its own, in order of their names."""
    generator = torch.Generator().manual_seed(seed)

    def normal(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    def uniform(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    learnt = dict(model.named_parameters()) | dict(_learnt_buffers(model))
    for name, tensor in sorted(learnt.items()):
        if tensor.is_floating_point():
            tensor.copy_(_value(name, tensor, normal, uniform))
        else:
            c = model.config
            experts = getattr(c, "n_routed_experts", None) or c.num_local_experts
            rows = [torch.randperm(experts, generator=generator) for _ in range(len(tensor))]
            tensor.copy_(torch.stack(rows)[:, : tensor.shape[1]])


def _value(name: str, old: torch.Tensor, normal: Draw, uniform: Draw) -> torch.Tensor:
    """A random value in the range in which a tensor of this name matters.

    Decay rates and step sizes of recurrences are drawn where the state neither dies nor explodes,
    norm weights around what they start from (one, or zero for norms that add one), matrices so that
    the variance of activations stays about the same from layer to layer.
    """
    leaf, low, shape = name.rpartition(".")[2], name.lower(), tuple(old.shape)
    if "a_log" in leaf.lower():
        return 1.5 * uniform(shape)
    if leaf == "dt_bias" or low.endswith("dt_proj.bias"):
        return -3.0 + 2.5 * uniform(shape)
    if leaf == "layer_scalar":
        return 0.6 + 0.5 * uniform(shape)
    if old.dim() <= 1 and leaf == "weight" and ("norm" in low or "ln_" in low):
        start = 1.0 if old.any() else 0.0
        return start + 0.3 * normal(shape)
    if leaf.endswith("bias"):
        return 0.2 * normal(shape)
    if old.dim() <= 1:
        return 0.5 + 0.3 * normal(shape)
    if "embed" in low or low.endswith(("wte.weight", "wpe.weight")):
        return 0.7 * normal(shape)
    fan_in = old[0].numel() if "conv" in low else old.shape[-1]
    gain = 1.0 if "conv" in low else 1.1
    return normal(shape) * (gain / math.sqrt(fan_in))


def _learnt_buffers(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Buffers that training sets and a checkpoint holds: router biases, scalars, hash tables.

    Fixed tables (rotary frequencies, causal masks) are not among them.
    """
    persistent = model.state_dict().keys()
    for name, buffer in model.named_buffers():
        leaf = name.rpartition(".")[2]
        if name in persistent and ("bias" in leaf or leaf in ("layer_scalar", "tid2eid")):
            yield name, buffer


def config_fields(config_class: type) -> set[str]:
    """What a configuration class takes, aliases included."""
    names = set(inspect.signature(config_class.__init__).parameters)
    for base in config_class.__mro__:
        names |= set(getattr(base, "__annotations__", ()))
        names |= set(getattr(base, "attribute_map", None) or ())
    return names


@functools.cache
def _table() -> dict[str, Any]:
    return tomllib.loads((DATA / "tiny.toml").read_text())
