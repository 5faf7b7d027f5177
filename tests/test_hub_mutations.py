"""Configurations changed in one place: what is accepted is the model that the class builds.

Each key is left out, made null, changed, or contradicted by another spelling. An import that is
accepted gives the logits that the reference class gives, built from the same file. The rest is
refused. Nothing is said of what a refusal misses: the reference may build a model from it. A file
that the class itself refuses, such as one with null for a number, is no model and says nothing.
"""

import copy
import json
import os
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import torch

import reference
from archdsl import hub, pipeline
from archdsl.diagnostic import SpecError
from archdsl.hub import configuration
from archdsl.source import Source
from emitted import from_text

KINDS = sorted({kind.partition("+")[0] for kind in reference.types()})
NOT_THE_MODEL = configuration.BOOKKEEPING - set(configuration.NETWORK_IF_SET)
MUTATIONS = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 30
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


def mutations(config: Config) -> list[Config]:
    out = []
    for path in leaves(config):
        if path[0] in NOT_THE_MODEL:
            continue
        value: Any = config
        for step in path:
            value = value[step]
        out += [changed(config, path, None, out=True), changed(config, path, None)]
        out += [changed(config, path, other) for other in others(value)]
    out += [config | change for change in CONTRADICTIONS]
    distinct = {json.dumps(c, sort_keys=True): c for c in out}
    distinct.pop(json.dumps(config, sort_keys=True), None)
    step = max(1, len(distinct) // MUTATIONS)
    chosen = list(distinct.values())[::step]
    return chosen + [config | change for change in CONTRADICTIONS]


@cache
def emitted(text: str) -> ModuleType:
    return from_text(text)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_accepted_is_what_the_class_builds(kind: str) -> None:
    config = reference.tiny_config(kind)
    compared, wrong = 0, []
    every = mutations(config)
    for mutated in every:
        try:
            text = hub.imported(mutated, name="mutated").text
        except SpecError:
            continue
        if pipeline.check_source(Source("imported.arch", text)).diagnostics:
            continue
        reason = difference(mutated, text.partition("use ")[2])
        compared += reason is not None
        if reason:
            change = {k: v for k, v in mutated.items() if k not in config or config[k] != v}
            wrong.append(f"{change}, without {config.keys() - mutated.keys()}: {reason}")
    assert not wrong, "\n".join(wrong)
    assert compared > len(every) // 5


def difference(config: Config, text: str) -> str | None:
    """How an imported model differs from what the class builds; an empty string where it does not,
    None where the class builds none or one without finite logits.
    """
    architecture = reference.tiny_config(config["model_type"])["architectures"][0]
    torch.manual_seed(0)
    try:
        model = reference.from_config(config, architecture)
    except Exception:
        return None
    reference.randomise(model, 5)
    tokens = torch.randint(3, model.config.vocab_size, (2, 24))
    source = (tokens[:, 3:17].flip(1),) if model.config.is_encoder_decoder else ()
    module = emitted(f"use {text}")
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
        state = module.parameters_from(dict(model.state_dict()), mine)
        missing, _ = mine.load_state_dict(state, strict=False)
        apart = getattr(module, "APART", ())
        assert {name.partition(".")[0] for name in missing} <= set(apart), missing
        with torch.no_grad():
            result = mine(*source, tokens)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    if not expected.isfinite().all():
        return None
    apart = ((result - expected).abs().max() / expected.std()).item()
    return "" if apart < 1e-4 else f"logits differ by {apart:.2g}"
