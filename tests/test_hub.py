"""Published configurations become specs: every key accounted for, the counts the reference's."""

import copy
import json
from pathlib import Path

import pytest

import reference
from archdsl import hub, pipeline
from archdsl.diagnostic import SpecError
from archdsl.source import Source

CONFIGS = {kind: reference.tiny_config(kind) for kind in reference.types()} | {
    slug: reference.official(slug)[0] for slug in reference.official_slugs()
}


def checked(text: str) -> pipeline.Variant:
    found = pipeline.check_source(Source("imported.arch", text))
    assert not found.diagnostics, found.diagnostics[0].text()
    return found.variants[0]


@pytest.mark.parametrize("kind", reference.types())
def test_tiny_counts(kind: str) -> None:
    model = reference.from_config(reference.tiny_config(kind))
    variant = checked(hub.imported(CONFIGS[kind], name=kind))
    assert variant.facts.params == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("slug", reference.official_slugs())
def test_official_counts(slug: str) -> None:
    config, counts = reference.official(slug)
    facts = checked(hub.imported(config, name=slug)).facts
    assert facts.params == counts["params"]
    assert facts.kv_bytes_per_token == counts["kv_bytes_per_token"]


@pytest.mark.parametrize(
    "path", sorted((reference.DATA / "imports").glob("*.json")), ids=lambda p: p.stem
)
def test_configurations_without_a_spec(path: Path) -> None:
    """Published configurations of known classes, many of which no variant is written for."""
    published = json.loads(path.read_text())
    facts = checked(hub.imported(published.pop("config"), name=path.stem)).facts
    assert {fact: getattr(facts, fact) for fact in published} == published


@pytest.mark.parametrize("name", CONFIGS)
def test_unknown_keys_are_refused(name: str) -> None:
    """A key that no rule speaks of, on top or inside an object, refuses the import by its name."""
    for path in (("new_mechanism",), ("rope_parameters", "new_mechanism")):
        config = copy.deepcopy(CONFIGS[name])
        inner = config
        for step in path[:-1]:
            inner[step] = dict(inner.get(step) or {})
            inner = inner[step]
        inner[path[-1]] = 3
        with pytest.raises(SpecError, match=r"\.".join(path)):
            hub.imported(config)


WRONG = {
    "no model_type": ({"model_type": None}, "no model_type"),
    "unknown model_type": ({"model_type": "lama"}, "did you mean llama"),
    "quantised": ({"quantization_config": {"bits": 4}}, "quantised"),
    "another activation": ({"hidden_act": "relu"}, "requirement"),
    **{
        f"{key} where it is set": ({key: True}, f"nothing says what {key} does")
        for key in hub.NETWORK_IF_SET
    },
    "another rope": (
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}},
        "requirement",
    ),
    "missing": ({"hidden_size": None}, "does not say d"),
    "a text for a number": ({"hidden_size": "64"}, "d of Llama takes a dimension"),
    "negative": ({"num_hidden_layers": -1}, "at least 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_configurations(case: str) -> None:
    changes, message = WRONG[case]
    with pytest.raises(SpecError, match=message):
        hub.imported(CONFIGS["llama"] | changes)


def test_older_flat_keys() -> None:
    """`rope_theta` and `rope_scaling` on top mean what the nested `rope_parameters` mean."""
    config = copy.deepcopy(CONFIGS["llama+mha_tied_rope3"])
    nested = config.pop("rope_parameters")
    config["rope_theta"] = nested.pop("rope_theta")
    config["rope_scaling"] = nested
    assert hub.imported(config, "x") == hub.imported(CONFIGS["llama+mha_tied_rope3"], "x")


def test_hostile_names() -> None:
    """A name is data: it cannot end its text, nor become code of the spec."""
    name = '"} variant Evil = GPT2() { \\" \n\x1b[31m'
    variant = checked(hub.imported(CONFIGS["llama"], name=name))
    assert variant.model.id.isidentifier()
    assert variant.model.name == '"} variant Evil = GPT2() { \\" [31m'
