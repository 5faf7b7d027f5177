"""Configurations changed in one place; how what is imported differs from what the class builds."""

import copy
import json
import os
from collections.abc import Collection, Iterator
from types import ModuleType
from typing import Any

import torch

import reference
from archdsl.check import hubs
from archdsl.diagnostic import Diagnostics
from archdsl.hub import Match, configuration
from archdsl.syntax import Local
from emitted import fill

NOT_THE_MODEL = configuration.BOOKKEEPING - set(configuration.NETWORK_IF_SET)
MUTATIONS = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 10
"""How many changes to a configuration are tried, besides the contradictions."""

Config = dict[str, Any]


def leaves(config: Config, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        yield (*path, key)


def changed(config: Config, path: tuple[str, ...], value: Any, out: bool = False) -> Config:
    """The configuration with another value at a path, or without it."""
    other = copy.deepcopy(config)
    inner = other
    for step in path[:-1]:
        inner = inner[step]
    if out:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return other


def others(value: Any) -> list[Any]:
    """What could stand in place of a value."""
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1, 2 * value, 0]
        case float():
            return [value * 2, 0.0]
        case str():
            return ["gelu", "default", "full_attention"]
        case list():
            return [value[1:], value[::-1], [*value, *value[:1]]]
        case None:
            return [1, True]
    return [7]


CONTRADICTIONS: list[Config] = [
    {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
    {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
    {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}},
    {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}},
    {"rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0}},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "factor": 4.0}},
    {"rope_parameters": {"rope_type": "linear", "rope_theta": 500.0, "factor": 4.0}},
    {"rope_parameters": {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0,
                         "original_max_position_embeddings": 16, "beta_fast": 8, "beta_slow": 2,
                         "attention_factor": 1.5, "truncate": False}},
    {"rope_parameters": {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0,
                         "original_max_position_embeddings": 16, "mscale": 1.0,
                         "mscale_all_dim": 1.0}},
    {"rope_parameters": {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0,
                         "original_max_position_embeddings": 16, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0}},
    {"rope_parameters": {"rope_type": "longrope", "rope_theta": 500.0, "factor": 4.0}},
    {"rope_parameters": None, "rope_theta": 500.0,
     "rope_scaling": {"type": "linear", "factor": 2.0}},
    {"rope_parameters": None, "rope_theta": 500.0},
    {"original_max_position_embeddings": 64, "rope_parameters": {
        "rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0}},
    {"original_max_position_embeddings": 64, "rope_parameters": {
        "rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0,
        "original_max_position_embeddings": 16}},
    {"partial_rotary_factor": 0.5},
    {"partial_rotary_factor": 0.5, "rope_parameters": {
        "rope_type": "linear", "rope_theta": 500.0, "factor": 4.0}},
    {"rope_parameters": {"rope_type": "yarn", "rope_theta": 500.0, "factor": 0.5,
                         "original_max_position_embeddings": 64}},
    {"rope_parameters": {"rope_type": "yarn", "rope_theta": 500.0, "factor": 8.0,
                         "original_max_position_embeddings": 16, "mscale": 0.7,
                         "mscale_all_dim": 1.3, "truncate": None}},
    {"rope_theta": 123.0},
    {"num_hidden_layers": 1}, {"n_layer": 1}, {"num_layers": 1}, {"num_blocks": 1},
    {"layer_types": ["full_attention"]}, {"layer_types": ["sliding_attention"] * 4},
    {"layer_types": ["chunked_attention"] * 4}, {"layers_block_type": ["moe", "what"]},
    {"num_local_experts": 3}, {"num_experts": 3}, {"experts_per_token": 1},
    {"hidden_size": 48}, {"head_dim": 8}, {"tie_word_embeddings": True},
    {"tie_word_embeddings": False}, {"sliding_window_pattern": 2}, {"attention_bias": True},
    {"num_nextn_predict_layers": 2}, {"use_sliding_window": True}, {"sliding_window": 3},
    {"hidden_activation": "gelu"}, {"hidden_act": "gelu"}, {"rms_norm_eps": 0.5},
    {"architectures": None},
]  # fmt: skip


def spoken_of(match: Match) -> list[tuple[str, ...]]:
    """The keys that a hub speaks of."""
    unit, decl = match.unit, match.hub
    lines = hubs.config_lines(unit.blocks[decl.model.name], decl, unit.keys, Diagnostics())
    objects = {x.line.name.name: x.line.value for x in lines if isinstance(x.line, Local)}
    paths = {path for x in lines for path in hubs.keys_in(x.line, objects)}
    return sorted(path for path in paths if path[0] not in NOT_THE_MODEL)


def mutations(config: Config, spoken: Collection[tuple[str, ...]]) -> list[Config]:
    out = []
    for path in leaves(config):
        if path[0] in NOT_THE_MODEL:
            continue
        value: Any = config
        for step in path:
            value = value[step]
        out += [changed(config, path, None, out=True), changed(config, path, None)]
        out += [changed(config, path, other) for other in others(value)]
    for path in spoken:
        *around, key = path
        inner: Any = config
        for step in around:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and key not in inner:
            out.append(changed(config, path, None))  # null, and not there, may be two things
    out += [config | change for change in CONTRADICTIONS]
    distinct = {json.dumps(c, sort_keys=True): c for c in out}
    distinct.pop(json.dumps(config, sort_keys=True), None)
    step = max(1, len(distinct) // MUTATIONS)
    chosen = list(distinct.values())[::step]
    return chosen + [config | change for change in CONTRADICTIONS]


def difference(config: Config, architecture: str, module: ModuleType) -> str | None:
    """How an imported model differs from what the class builds; an empty string where it does not,
    None where the class builds none or one without finite logits.
    """
    torch.manual_seed(0)
    try:
        model = reference.from_config(config, architecture)
    except Exception:
        return None
    reference.randomise(model, 5)
    tokens = torch.randint(3, model.config.get_text_config().vocab_size, (2, 24))
    source = (tokens[:, 3:17].flip(1),) if model.config.is_encoder_decoder else ()
    mine = module.Model(module.Config()).eval()
    fed = {"input_ids": tokens}
    if source:
        fed = {"input_ids": source[0], "decoder_input_ids": tokens}
    try:
        with torch.no_grad():
            expected = model(**fed, use_cache=False, return_dict=True).logits
    except Exception:
        return None
    try:
        fill(module, mine, dict(model.state_dict()))
        with torch.no_grad():
            result = mine(*source, tokens)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    if not expected.isfinite().all():
        return None
    apart = ((result - expected).abs().max() / expected.std()).item()
    return "" if apart < 1e-4 else f"logits differ by {apart:.2g}"
