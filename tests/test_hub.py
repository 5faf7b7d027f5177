"""Published configurations become specs: every key accounted for, the counts the reference's."""

import copy
import inspect
import json
import math
import re
from pathlib import Path

import pytest
import transformers
from transformers import PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import reference
from archdsl import hub, pipeline
from archdsl.check import expressions, hubs
from archdsl.check.scope import Scope
from archdsl.check.values import Float, Int, Items, Null, Text, Truth
from archdsl.diagnostic import Diagnostics, SpecError
from archdsl.hub import configuration
from archdsl.reals import Lit
from archdsl.source import Source
from archdsl.syntax import Defaults, Expected

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
    variant = checked(hub.imported(CONFIGS[kind], name=kind).text)
    assert variant.facts.params == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("slug", reference.official_slugs())
def test_official_counts(slug: str) -> None:
    config, counts = reference.official(slug)
    facts = checked(hub.imported(config, name=slug).text).facts
    assert facts.params == counts["params"]
    assert facts.kv_bytes_per_token == reference.cache(counts)[0]


@pytest.mark.parametrize(
    "path", sorted((reference.DATA / "imports").glob("*.json")), ids=lambda p: p.stem
)
def test_configurations_without_a_spec(path: Path) -> None:
    """Published configurations of known classes, many of which no variant is written for."""
    published = json.loads(path.read_text())
    facts = checked(hub.imported(published.pop("config"), name=path.stem).text).facts
    assert {fact: getattr(facts, fact) for fact in published} == published


@pytest.mark.parametrize("name", CONFIGS)
def test_unknown_keys(name: str) -> None:
    """A key that the published class does not read changes nothing and is named; one inside an
    object that is read, one spelt like a known one, or one of a class of its own is refused.
    """
    config = CONFIGS[name]
    outcome = hub.imported(config | {"new_mechanism": 3})
    assert "does not speak of it: new_mechanism" in " ".join(outcome.remarks)
    known = "d_model" if "d_model" in config else "n_embd" if "n_embd" in config else "hidden_size"
    inside = dict(config.get("rope_parameters") or {}) | {"new_mechanism": 3}
    for changed, message in (
        (config | {"rope_parameters": inside}, r"rope_parameters\.new_mechanism"),
        (config | {known + "s": 3}, f"{known}s.*\n.*\n?.*did you mean {known}"),
        (config | {"new_mechanism": 3, "auto_map": {"AutoModel": "a.B"}}, "new_mechanism"),
    ):
        with pytest.raises(SpecError) as error:
            hub.imported(changed)
        assert re.search(message, str(error.value)), str(error.value)


READ_BY_CLASSES = re.compile(r"\bconfig\.([a-z_]\w*)|getattr\((?:self\.)?config, \"(\w+)\"")


@pytest.mark.parametrize("kind", sorted({kind.partition("+")[0] for kind in reference.types()}))
def test_hubs_know_what_the_class_reads(kind: str) -> None:
    """Every field of the configuration class, and all that its modelling code reads, is spoken of:
    so what is not, the class does not read.
    """
    classes, known = known_keys(kind)
    config_class = CONFIG_MAPPING[kind]
    own = set(config_class().to_dict()) - set(PretrainedConfig().to_dict())
    own |= set(config_class.attribute_map)  # a file may use either name
    for name in classes & set(dir(transformers)):
        used = getattr(transformers, name)
        read = {a or b for a, b in READ_BY_CLASSES.findall(source_of(used))}
        around = fields_around(used.config_class)
        if config_class != used.config_class and same_file(config_class, used.config_class):
            around |= fields_around(config_class)  # a class that reads more than text
        own |= {key for key in read - around if is_key(used.config_class, key)}
    assert own - known - configuration.BOOKKEEPING == set()


def same_file(one: type, other: type) -> bool:
    return inspect.getmodule(one) is inspect.getmodule(other)


def fields_around(config_class: type) -> set[str]:
    """The fields of other configurations of its module: of what a class is a part of."""
    return {
        key
        for other in vars(inspect.getmodule(config_class)).values()
        if inspect.isclass(other) and issubclass(other, PretrainedConfig) and other != config_class
        for key in reference.config_fields(other) - reference.config_fields(config_class)
    }


def source_of(used: type) -> str:
    """The text of a class and of all names of its file that it uses."""
    module = inspect.getmodule(used)
    texts: dict[str, str] = {}
    left = [used.__name__]
    while left:
        name = left.pop()
        there = getattr(module, name, None)
        mine = inspect.isclass(there) or inspect.isfunction(there)
        if mine and name not in texts and inspect.getmodule(there) is module:
            texts[name] = inspect.getsource(there)
            left += re.findall(r"\b\w+\b", texts[name])
    return "\n".join(texts.values())


def is_key(config_class: type, name: str) -> bool:
    """Whether a name that is read of a configuration is a key: what is computed is none."""
    static = inspect.getattr_static(config_class, name, None)
    return name not in dir(PretrainedConfig()) and not isinstance(static, property)


def known_keys(kind: str) -> tuple[set[str], set[str]]:
    """The classes of the hub of a type, and the keys on top that it speaks of."""
    diagnostics = Diagnostics()
    match = hub.match_of({"model_type": kind}, "x", [], diagnostics)
    assert match is not None, diagnostics.items
    unit, decl = match[0].unit, match[0].hub
    lines = hubs.config_lines(unit.blocks[decl.model.name], decl, unit.keys, diagnostics)
    return {c.value for c in decl.classes}, {p[0] for x in lines for p in hubs.keys_in(x.line)}


@pytest.mark.parametrize("kind", sorted({kind.partition("+")[0] for kind in reference.types()}))
def test_defaults_are_those_of_the_class(kind: str) -> None:
    """What a hub takes for a key that is not there is what the class takes."""
    match = hub.match_of({"model_type": kind}, "x", [], Diagnostics())
    assert match is not None
    unit, decl = match[0].unit, match[0].hub
    lines = hubs.config_lines(unit.blocks[decl.model.name], decl, unit.keys, Diagnostics())
    config = CONFIG_MAPPING[kind]()
    config.allow_global_per_layer_attribute_access = True  # of a key that layers may differ in
    seen = set()
    keys = configuration.record(config.to_dict(), "x", Diagnostics())
    for line in sorted(lines, key=lambda x: x.depth):
        if not isinstance(line.line, Defaults | Expected):
            continue
        for preset in line.line.presets:
            key = preset.path[0]
            made = isinstance(inspect.getattr_static(type(config), key, None), property)
            if len(preset.path) > 1 or key in seen or made or not hasattr(config, key):
                continue
            seen.add(key)
            value = expressions.evaluate(Scope(Diagnostics(), {}, {}, keys=keys), preset.value)
            known = python_of(value)
            off = isinstance(line.line, Expected) and not known and not getattr(config, key)
            assert off or known == getattr(config, key), key  # a switch that is off, or the value
    assert seen


def python_of(value: object) -> object:
    match value:
        case Int(d):
            return d.value
        case Float(Lit(x)) | Text(x) | Truth(x):
            return x
        case Items(values):
            return [python_of(v) for v in values or ()]
        case Null():
            return None
    raise TypeError(value)


WRONG = {
    "no model_type": ({"model_type": None}, "no model_type"),
    "unknown model_type": ({"model_type": "lama"}, "did you mean llama"),
    "another class": ({"architectures": ["LlamaModel"]}, "stands for LlamaForCausalLM"),
    "a head of its own": ({"architectures": ["LlamaForSequenceClassification"]}, "another head"),
    "two spellings that differ": (
        {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
        "rope_parameters and .rope_scaling, and they differ",
    ),
    "a factor without effect": (
        {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "factor": 2.0}},
        "rope_parameters.factor has no effect",
    ),
    "another activation": ({"hidden_act": "relu"}, "requirement"),
    **{
        f"{key} where it is set": ({key: True}, f"nothing says what {key} does")
        for key in configuration.NETWORK_IF_SET
    },
    "another rope": (
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}},
        "no case for dynamic",
    ),
    "missing": ({"hidden_size": None}, "does not say d"),
    "null": ({"hidden_size": None}, "hidden_size is null, which is no value"),
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


def test_a_mechanism_is_a_setting_or_refused() -> None:
    """The same shared lines: one model has a setting for biases, and another one has not."""
    text = hub.imported(CONFIGS["llama"] | {"attention_bias": True}, "x").text
    assert "attention_bias: true" in text
    told = "attention_bias is true, and the model is the one where it is false"
    with pytest.raises(SpecError, match=told):
        hub.imported(CONFIGS["qwen3"] | {"attention_bias": True})
    for off in (False, None):
        assert hub.imported(CONFIGS["qwen3"] | {"attention_bias": off})


def test_a_mechanism_of_other_models_is_no_remark(tmp_path: Path) -> None:
    """A hub that is silent on a key that shared lines know may have forgotten it."""
    told = "num_experts changes other models, and hub Llama does not speak of it"
    with pytest.raises(SpecError, match=told):
        hub.imported(CONFIGS["llama"] | {"num_experts": 4})
    for off in (0, None, False):
        assert hub.imported(CONFIGS["llama"] | {"num_experts": off})
    assert hub.imported(CONFIGS["llama"] | {"num_experts": 4}, ignore=["num_experts"])
    text = (Path(__file__).parent.parent / "specs" / "llama.arch").read_text()
    (tmp_path / "own.arch").write_text(text.replace(", FullAttention", ""))
    with pytest.raises(SpecError, match="sliding_window changes other models"):
        config = CONFIGS["llama"] | {"sliding_window": 16}
        hub.imported(config, specs=[tmp_path / "own.arch"], folder=tmp_path)


def test_layers_that_predict_further_tokens_stand_apart() -> None:
    """They are read, though the class has none: no count but `apart` has them."""
    config = CONFIGS["deepseek-v3"]
    one, none = (
        checked(hub.imported(config | {"num_nextn_predict_layers": n}, "x").text).facts
        for n in (1, 0)
    )
    assert one.apart > 0 == none.apart
    assert (one.params, one.kv_bytes_per_token) == (none.params, none.kv_bytes_per_token)
    assert one.apart == checked(hub.imported(config, "x").text).facts.apart


def test_a_default_inside_an_object() -> None:
    """It counts where the object is there and lacks the key; null is there."""
    yarn = {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0}
    yarn["original_max_position_embeddings"] = 64
    texts = [
        hub.imported(CONFIGS["llama"] | {"rope_parameters": yarn | more}, "x").text
        for more in ({}, {"truncate": True}, {"truncate": None}, {"truncate": False})
    ]
    assert texts[0] == texts[1] != texts[2] == texts[3]
    assert "whole: false" in texts[2]


def test_hostile_names() -> None:
    """A name is data: it cannot end its text, nor become code of the spec."""
    name = '"} variant Evil = GPT2() { \\" \n\x1b[31m'
    variant = checked(hub.imported(CONFIGS["llama"], name=name).text)
    assert variant.model.id.isidentifier()
    assert variant.model.name == '"} variant Evil = GPT2() { \\" [31m'


def test_quantised_weights_are_a_remark() -> None:
    config = CONFIGS["llama"] | {"quantization_config": {"quant_method": "fp8"}}
    outcome = hub.imported(config, "x")
    assert outcome.text == hub.imported(CONFIGS["llama"], "x").text.replace(
        "llama.\n", f"llama.\n# {outcome.remarks[0]}\n", 1
    )
    assert "quantised (fp8)" in outcome.remarks[0]


def test_the_text_part_is_opened() -> None:
    inner = CONFIGS["gemma3_text"]
    outer = {"model_type": "gemma3", "text_config": inner, "vision_config": {"depth": 3}}
    found, plain = (checked(hub.imported(c, "x").text).facts for c in (outer, inner))
    assert found.params == plain.params
    assert "text part of gemma3" in hub.imported(outer, "x").remarks[0]


def test_rules_give_the_lists_that_they_stand_for() -> None:
    config = dict(CONFIGS["gemma3_text"])
    kinds = config.pop("layer_types")
    every = config.pop("_sliding_window_pattern", None) or kinds.index("full_attention") + 1
    listed = reference.from_config(config | {"sliding_window_pattern": every}).config.layer_types
    by_rule, by_list = config | {"sliding_window_pattern": every}, config | {"layer_types": listed}
    assert hub.imported(by_rule, "x") == hub.imported(by_list, "x")


def test_ignored_keys_are_written_down() -> None:
    config = CONFIGS["llama"] | {
        "rope_parameters": {**CONFIGS["llama"]["rope_parameters"], "note": 1}
    }
    with pytest.raises(SpecError, match=r"rope_parameters\.note"):
        hub.imported(config)
    text = hub.imported(config, ignore=["rope_parameters.note"]).text
    assert "# Ignored as asked: rope_parameters.note." in text


def test_all_reasons_come_at_once() -> None:
    config = CONFIGS["llama"] | {"hidden_size": None, "num_attention_heads": -1, "mlp_bias": "no"}
    with pytest.raises(SpecError) as error:
        hub.imported(config)
    assert len(error.value.diagnostics) >= 3


def test_own_hubs_come_first(tmp_path: Path) -> None:
    """A spec of one's own says how a configuration of its type is read."""
    text = (Path(__file__).parent.parent / "specs" / "llama.arch").read_text()
    (tmp_path / "own.arch").write_text(text.replace('hub Llama "llama"', 'hub Llama "mine"'))
    config = CONFIGS["llama"] | {"model_type": "mine"}
    with pytest.raises(SpecError, match="no spec knows"):
        hub.imported(config)
    own = [tmp_path / "own.arch"]
    text = hub.imported(config, specs=own, folder=tmp_path).text
    (tmp_path / "new.arch").write_text(text)
    assert "use ./own: Llama" in text
    assert not pipeline.check_path(tmp_path / "new.arch", "new.arch").diagnostics
    with pytest.raises(SpecError, match="not in the folder"):
        hub.imported(config, specs=own, folder=tmp_path / "below")


def test_code_of_its_own_around_a_text_part() -> None:
    """A configuration that brings code may read any key, in its text part too."""
    outer = {
        "model_type": "gemma3",
        "auto_map": {"AutoModel": "own.Code"},
        "text_config": CONFIGS["gemma3_text"] | {"new_mechanism": 1},
    }
    with pytest.raises(SpecError, match="new_mechanism"):
        hub.imported(outer)
    inner = CONFIGS["gemma3_text"] | {"architectures": ["Gemma3TextModel"]}
    with pytest.raises(SpecError, match="stands for Gemma3ForCausalLM"):
        hub.imported({"model_type": "gemma3", "text_config": inner})


def test_an_own_spec_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no file .*nowhere\.arch"):
        hub.imported(CONFIGS["llama"], specs=[tmp_path / "nowhere.arch"])


INSIDE = """
use std.core: Embedding
model M(d, scale: float)(stream tokens: int[B, T]) -> [B, T, d] {
  embed = Embedding(9, d)
  return embed(tokens) * scale
}
hub M "m" { config { d <- .d  scale <- .part.scale } weights { embed <- "e" } }
"""


def test_a_configuration_inside_another_one_has_the_keys_of_the_format(tmp_path: Path) -> None:
    """Where it says that it is one; switches that change the network count there too."""
    spec = tmp_path / "own.arch"
    spec.write_text(INSIDE)
    part = {
        "model_type": "",
        "scale": 0.5,
        "id2label": {"0": "A"},
        "return_dict": True,
        "is_encoder_decoder": False,
    }

    def imported(part: dict[str, object]) -> str:
        config = {"model_type": "m", "d": 4, "part": part}
        return hub.imported(config, specs=[spec], folder=tmp_path).text

    assert "scale: 0.5" in imported(part)
    for changed, key in (
        (part | {"is_encoder_decoder": True}, "part.is_encoder_decoder"),
        (part | {"top_k": 2}, "part.top_k"),
        ({k: v for k, v in part.items() if k != "model_type"}, "part.id2label"),
    ):
        with pytest.raises(SpecError, match=re.escape(key)):
            imported(changed)


def test_infinite_numbers_as_transformers_writes_them() -> None:
    config = reference.tiny_config("granitemoehybrid")
    texts = [
        hub.imported({**config, "time_step_limit": [0.0, number]}, name="tiny").text
        for number in (math.inf, {"__float__": "Infinity"})
    ]
    assert texts[0] == texts[1]
    with pytest.raises(SpecError, match="does not meet a requirement"):
        hub.imported({**config, "time_step_limit": [0.0, {"__float__": "-Infinity"}]})
