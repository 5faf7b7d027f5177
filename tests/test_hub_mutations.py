"""Configurations changed in one place: what is accepted is the model that the class builds.

Each key is left out, made null, changed, or contradicted by another spelling; each that is not
there and the hub speaks of is made null. An import that is
accepted gives the logits that the reference class gives, built from the same file. The rest is
refused. Nothing is said of what a refusal misses: the reference may build a model from it. A file
that the class itself refuses, such as one with null for a number, is no model and says nothing.
"""

from types import ModuleType

import pytest

import reference
from archdsl import emit, hub, pipeline
from archdsl.diagnostic import Diagnostics, SpecError
from archdsl.source import Source
from changed_configs import difference, mutations, spoken_of
from emitted import run

KINDS = sorted({kind.partition("+")[0] for kind in reference.types()})


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_accepted_is_what_the_class_builds(kind: str) -> None:
    config = reference.tiny_config(kind)
    match = hub.match_of(config, "x", [], Diagnostics())
    assert match is not None
    compared, wrong = 0, []
    modules: dict[str, ModuleType] = {}
    every = mutations(config, spoken_of(match[0]))
    for mutated in every:
        try:
            text = hub.imported(mutated, name="mutated").text
        except SpecError:
            continue
        text = f"use {text.partition('use ')[2]}"  # what differs in remarks alone is one module
        if text not in modules:
            found = pipeline.check_source(Source("imported.arch", text), tiny=False)
            if found.diagnostics:
                continue
            modules[text] = run(emit.emit(found.variants[0].model, None))
        reason = difference(mutated, config["architectures"][0], modules[text])
        compared += reason is not None
        if reason:
            change = {k: v for k, v in mutated.items() if k not in config or config[k] != v}
            wrong.append(f"{change}, without {config.keys() - mutated.keys()}: {reason}")
    assert not wrong, "\n".join(wrong)
    assert compared > len(every) // 5
