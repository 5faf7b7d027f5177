"""New families, a file each: how little a model and its hub say, and that it is the class's model.

A configuration of the class, and each change of one key, gives the logits of the class or is
refused.
"""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import reference
from archdsl import hub, pipeline
from archdsl.diagnostic import Diagnostics, SpecError
from changed_configs import difference, mutations, spoken_of
from emitted import code_of, run

FOLDER = reference.DATA / "families"
SIZES = {
    "vocab_size": 257, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "mistral": ("MistralForCausalLM", {"head_dim": 16, "sliding_window": 8}),
    "olmo2": ("Olmo2ForCausalLM", {}),
}
"""The class of each family, and what its tiny configuration says beside the sizes."""


def tiny_config(family: str) -> dict[str, Any]:
    architecture, fields = CONFIGS[family]
    config = CONFIG_MAPPING[family](**SIZES, **fields, architectures=[architecture])
    out: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    return out


@pytest.mark.parametrize("family", sorted(path.stem for path in FOLDER.glob("*.arch")))
def test_a_family_is_short_and_is_what_the_class_builds(family: str, tmp_path: Path) -> None:
    spec = tmp_path / f"{family}.arch"
    shutil.copy(FOLDER / spec.name, spec)
    assert len(spec.read_text("utf-8").splitlines()) < 45
    config = tiny_config(family)
    match = hub.match_of(config, "x", [(spec, spec.name)], Diagnostics())
    assert match is not None

    @cache
    def emitted(text: str) -> Any:
        path = tmp_path / "imported.arch"
        path.write_text(text, "utf-8")
        checked = pipeline.check_path(path, path.name)
        return None if checked.diagnostics else run(code_of(checked.variants[0]))

    differences = []
    every = [config, *mutations(config, spoken_of(match[0]))]
    for changed in every:
        try:
            text = hub.imported(changed, "changed", specs=[spec], folder=tmp_path).text
        except SpecError:
            continue
        module = emitted(f"use {text.partition('use ')[2]}")
        if module is not None:
            differences.append(difference(changed, config["architectures"][0], module))
    assert differences[0] == ""
    assert [reason for reason in differences if reason] == []
    assert sum(reason is not None for reason in differences) > len(every) // 5
