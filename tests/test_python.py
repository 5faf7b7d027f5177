"""`import archdsl`: parts by path, other settings, layers, costs, and how values are shown."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import archdsl
from archdsl.elaborate.variants import ABOUT
from archdsl.facts import FACTS
from archdsl.graph import Model
from archdsl.parts import ByPath, Parameter, parameters, submodules
from archdsl.pipeline import Variant
from archdsl.record import fields
from emitted import code_of, on_meta, run
from models import ROOT, variants

FAMILIES = {variant.model.family: variant for variant in variants().values()}
FIRSTS = [pytest.param(variant, id=variant.id) for variant in FAMILIES.values()]
SPEC = """use std.core: Linear, Embedding, RMSNorm, TransformerLayer, MLP
use std.attention: GQA
model M(d, heads, n, kinds: list(enum(near, far)), flag: bool = false, base: float = 1e4,
        norm: [..., d] -> [..., d] = RMSNorm(d), vocab = 50)
       (stream tokens: int[B, T]) -> [B, T, vocab]
where d % heads == 0, base > 1 {
  embed  = Embedding(vocab, d)
  layers = stack(TransformerLayer(RMSNorm(d), GQA(d, heads), MLP(d, 4 * d if kind == far else n))
                 for kind in kinds)
  last   = norm
  head   = Linear(d, vocab, bias: flag)
  return tokens |> embed |> layers |> last |> head
}
tiny M { d: 8  heads: 2  n: 3 }
variant Small = M(d: 16, heads: 4, n: 2 * d, kinds: [near, far, near]) {
  name: "Small one"
  by: "nobody"
  context: 32
  expect layers: 3
}
"""


def small() -> Variant:
    return archdsl.loads(SPEC, "m.arch")["Small"]


# --- parts by path --------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", FIRSTS)
def test_parameters_are_those_of_the_emitted_state_dict(variant: Variant) -> None:
    """Each tensor is there under its name, with its shape; each entry as often as it says."""
    emitted = on_meta(run(code_of(variant)))
    trained = {id(tensor) for tensor in emitted.parameters()}
    met: Counter[Parameter] = Counter()
    for name, tensor in emitted.state_dict(keep_vars=True).items():
        entries = variant.parameters if id(tensor) in trained else variant.buffers
        entry = entries[re.sub(r"_(?=\.|$)", "", name)]  # names that Python needs have a _ more
        assert entry.shape == tuple(tensor.shape), name
        assert (entry.dtype == "float32") <= (tensor.dtype == torch.float32), name
        met[entry] += 1
    every = [*variant.parameters.values(), *variant.buffers.values()]
    assert met == {entry: entry.count for entry in every}


@pytest.mark.parametrize("variant", [pytest.param(v, id=v.id) for v in variants().values()])
def test_parts_and_layers_add_up_to_the_facts(variant: Variant) -> None:
    own = [p for p in variant.parameters.values() if not p.tied]
    assert sum(p.size * p.count for p in own if not p.apart) == variant.facts.params
    assert sum(p.size * p.count for p in own if p.apart) == variant.facts.apart
    assert variant.modules[""].params == variant.facts.params
    assert len(variant.layers) == variant.facts.layers
    assert [layer.number for layer in variant.layers] == list(range(len(variant.layers)))
    assert all(variant.modules[layer.path].block == layer.block for layer in variant.layers)
    for path, part in variant.modules.items():
        assert part.path == path
        assert part.count >= 1
        assert re.fullmatch(r".+\.arch:\d+:\d+", part.place)


def test_a_part_has_shapes_settings_and_a_place() -> None:
    modules = small().modules
    part = modules["layers.mix.q_proj"]
    assert (part.block, part.role, part.count, part.params) == ("Linear", "linear", 3, 256)
    assert (part.inputs, part.outputs) == ((("B", "T", 16),), (("B", "T", 16),))
    assert part.settings["m"] == part.settings["n"] == 16
    assert part.place.startswith("std/attention.arch:")
    assert modules["layers.mix"].place.startswith("m.arch:8:")
    assert modules["layers.1.feed"].count == 1
    assert modules["layers.0.feed.up_proj"].outputs == (("B", "T", 32),)
    with pytest.raises(TypeError):
        part.settings["m"] = 3  # type: ignore[index]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("layers.2.mix", "layers.mix"),
        ("layers.0.norm_1", "layers.norm_1"),
        ("layers.0.feed", "layers.0.feed"),
        ("layers.2.feed", "layers.0.feed"),
        ("layers.2", "layers.0"),
        ("layers.1.feed.up_proj", "layers.1.feed.up_proj"),
    ],
)
def test_a_path_with_numbers_leads_to_the_entry_of_its_layer(path: str, key: str) -> None:
    modules = small().modules
    assert key in list(modules)
    assert modules[path] is modules[key]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("layers.feed", "not the same in all layers: there are layers.0.feed, layers.1.feed"),
        ("layers", "layers.0, layers.1"),
        ("layers.mux", "did you mean layers.mix?"),
        ("layers.3.mix", "no submodule layers.3.mix"),
        ("layers.-1.mix", "no submodule"),
        ("layers.0.0", "no submodule"),
        ("layers..mix", "no submodule"),
        ("0", "no submodule"),
        ("\n" * 999, "no submodule"),
    ],
)
def test_a_path_that_leads_to_no_single_part_is_told(path: str, reason: str) -> None:
    with pytest.raises(KeyError, match=re.escape(reason)) as raised:
        small().modules[path]
    assert len(str(raised.value)) < 400
    assert path not in small().modules


def test_layers_have_the_kinds_that_facts_name() -> None:
    kinds = [(layer.path, layer.kind) for layer in small().layers]
    assert kinds == [
        ("layers.0", "hidden width 32"),
        ("layers.1", "hidden width 64"),
        ("layers.2", "hidden width 32"),
    ]


# --- other settings -------------------------------------------------------------------------------


NUMBER = re.compile(r"\b\d+\b")


def made_of(model: Model) -> tuple[set[tuple[str, str]], set[str]]:
    """Blocks and parameters by path, of the layers of a stack one."""
    blocks = {(NUMBER.sub("i", path), x.block) for path, x in submodules(model).items()}
    return blocks, {NUMBER.sub("i", path) for path in parameters(model)}


@pytest.mark.parametrize("variant", [pytest.param(v, id=v.id) for v in variants().values()])
def test_a_tiny_model_has_the_blocks_and_the_parameters_of_its_variant(variant: Variant) -> None:
    assert variant.tiny is not None
    assert made_of(variant.tiny) == made_of(variant.model)


DECIDING = """use std.core: Linear, Embedding, RMSNorm, Identity
model M(d, rank, wide, flag: bool = false, vocab = 50)(stream tokens: int[B, T]) -> [B, T, vocab]
where rank % 3 == 0 {
  embed = Embedding(vocab, d)
  norm  = RMSNorm(d) if flag else Identity
  mid   = Linear(d, d) if rank > 20 and wide > 20 else Identity
  head  = Linear(d, vocab)
  return tokens |> embed |> norm |> mid |> head
}
tiny M { d: 8  rank: 6  wide: 4  flag: false }
variant Both = M(d: 64, rank: 24, wide: 48, flag: true) { context: 8 }
variant None = M(d: 64, rank: 12, wide: 48) { context: 8 }
"""


def test_switches_and_deciding_numbers_of_a_tiny_model_are_the_variants() -> None:
    """`tiny` says `flag: false`, and 6 and 4, where the layer asks for more than 20 of both."""
    specs = archdsl.loads(DECIDING, "m.arch")
    sizes = {"Both": (8, 24, 48), "None": (8, 6, 4)}
    for name, numbers in sizes.items():
        tiny = specs[name].tiny
        assert tiny is not None
        settings = {s.name: s.value for s in tiny.root.settings}
        assert tuple(settings[x] for x in ("d", "rank", "wide")) == numbers
        assert made_of(tiny) == made_of(specs[name].model)
    assert made_of(specs["Both"].model) != made_of(specs["None"].model)


def test_settings_are_values_by_name() -> None:
    settings = dict(small().settings)
    norm = settings.pop("norm")
    assert settings == {
        "d": 16, "heads": 4, "n": 32, "kinds": ("near", "far", "near"), "flag": False, "base": 1e4,
        "vocab": 50,
    }  # fmt: skip
    assert "RMSNorm" in repr(norm)


@pytest.mark.parametrize(
    ("settings", "texts"),
    [
        ({"heads": 2}, {"heads": "2"}),
        ({"d": 32}, {"d": "32"}),  # n is 2 * d, and is computed again
        ({"d": 32, "n": "d + 1"}, {"d": "32", "n": "d + 1"}),
        ({"kinds": ["far", "far"]}, {"kinds": "[far, far]"}),
        ({"kinds": ()}, {"kinds": "[]"}),
        ({"kinds": "2 * [near] + [far]"}, {"kinds": "2 * [near] + [far]"}),
        ({"flag": True, "base": 5e5}, {"flag": "true", "base": "500_000"}),
        ({"base": 2}, {"base": "2"}),
        ({"norm": "RMSNorm(d, 1e-3)"}, {"norm": "RMSNorm(d, 1e-3)"}),
        ({"norm": "MLP(d, n)"}, {"norm": "MLP(d, n)"}),
    ],
)
def test_changed_settings_are_a_model_with_these_settings(
    settings: dict[str, Any], texts: dict[str, str]
) -> None:
    """In Python and in a text the same as all settings written out."""
    before = {"d": "16", "heads": "4", "n": "2 * d", "kinds": "[near, far, near]"}
    given = ", ".join(f"{name}: {text}" for name, text in (before | texts).items())
    changes = ", ".join(f"{name}: {text}" for name, text in texts.items())
    text = (
        f'{SPEC}variant Other = M({given}) {{ after: "Small one" context: 32 }}\n'
        f"variant Same = Small with ({changes})\n"
    )
    loaded = archdsl.loads(text, "<Small.with_>")
    meant = loaded["Other"]
    again = loaded["Small"].with_("Other", **settings)
    for other in (loaded["Same"], again):
        assert other.settings == meant.settings
        assert counts(other) == counts(meant)
        assert other.facts_at() == meant.facts_at()
        assert other.model.about == {"after": "Small one", "context": 32}
    assert again.torch() == meant.torch()
    assert again.with_(vocab=60).facts_at() == meant.with_(vocab=60).facts_at()


@pytest.mark.parametrize("variant", FIRSTS)
def test_a_variant_that_changes_nothing_counts_as_its_base(variant: Variant) -> None:
    """Every number of every family, given anew: the same model."""
    same = {k: v for k, v in variant.settings.items() if type(v) in (int, float, bool)}
    again = variant.with_("Again", **same)
    assert again.settings == variant.settings
    assert counts(again) == counts(variant)
    assert {p: e.count for p, e in again.modules.items()} == {
        p: e.count for p, e in variant.modules.items()
    }


def counts(variant: Variant) -> dict[str, object]:
    record = variant.facts.record(4096)
    return {fact.name: record.get(fact.name) for fact in FACTS if fact.name not in ABOUT}


@pytest.mark.parametrize(
    ("settings", "code", "part"),
    [
        ({"head": 2}, "unknown-setting", "M has no setting head"),
        ({"heads": 3}, "unmet-where", "d % heads == 0"),
        ({"heads": -1}, "bad-dimension", "heads"),
        ({"heads": "hats"}, "unknown-name", "nothing here is called hats"),
        ({"heads": "4)"}, "syntax", "closes nothing"),
        ({"heads": "4 # the rest"}, "syntax", "never closed"),
        ({"kinds": ["nearer"]}, "unknown-name", "nearer"),
        ({"norm": "MLP(d, 2 * d"}, "syntax", "never closed"),
        ({"norm": "Linear(d, 2 * d)"}, "shape-mismatch", "does not fit norm of M"),
        ({"d": 10**9, "heads": 10**50}, "too-large", "40 digits"),
        ({}, "wrong-arguments", "changes nothing"),
    ],
)
def test_a_wrong_change_is_told_at_its_place(
    settings: dict[str, Any], code: str, part: str
) -> None:
    with pytest.raises(archdsl.SpecError) as raised:
        small().with_(**settings)
    first = raised.value.diagnostics[0]
    assert first.code == code
    assert part in first.message
    assert first.place.startswith("<Small.with_>:1:")


@pytest.mark.parametrize(
    ("id", "settings", "error"),
    [
        ("", {"heads": "4, d: 32"}, ValueError),
        ("", {"heads": '4) { name: "x" } variant W = Small with (d: 32'}, ValueError),
        ("", {"base": float("nan")}, ValueError),
        ("", {"heads": None}, TypeError),
        ("", {"heads": {"a": 1}}, TypeError),
        ("", {"kinds": [object()]}, TypeError),
        ("Small", {"heads": 2}, ValueError),
        ("a b", {"heads": 2}, ValueError),
        ("A = M(d: 4) {} variant B", {"heads": 2}, ValueError),
    ],
)
def test_what_is_no_value_or_no_name_is_refused(
    id: str, settings: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        small().with_(id, **settings)


def test_an_expression_uses_the_names_of_its_own_file(tmp_path: Path) -> None:
    """Two files have a block of one name, and each means its own; a third one names neither."""
    bend = "block Norm(d)(x: [..., d]) -> [..., d] {{ param w: [{}] = ones return x * w }}\n"
    (tmp_path / "a.arch").write_text(
        bend.format("d") + SPEC.replace("far, near]", "far, near], norm: Norm(d)")
    )
    (tmp_path / "b.arch").write_text(
        "use ./a: Small\n" + bend.format("1") + "variant B = Small with (heads: 2)\n"
        "variant C = B with (d: 32, norm: Norm(d))\nvariant E = Small with (d: 32)\n"
    )
    (tmp_path / "c.arch").write_text("use ./b: C\nvariant D = C with (vocab: 60)\n")
    loaded = archdsl.load(tmp_path)
    shapes = {name: variant.parameters["last.w"].shape for name, variant in loaded.items()}
    assert shapes == {"Small": (16,), "B": (16,), "C": (1,), "E": (32,), "D": (1,)}
    assert loaded["D"].model.about == {"after": "C", "context": 32}


def test_a_card_and_the_checkpoint_map_of_a_changed_variant() -> None:
    """The hub is the model's, the card the variant's own."""
    base = variants()["Llama3_8B"]
    other = base.with_(kv_heads=4)
    assert base.model.card and not other.model.card
    assert other.model.hub is not None and base.model.hub is not None
    assert other.model.hub.types == base.model.hub.types
    assert "4 kv heads" in other.svg() and "8 kv heads" in base.svg()


def test_a_name_is_made_of_the_settings() -> None:
    assert small().with_(heads=2, kinds=["far"]).id == "Small_with_heads_2_kinds_far"
    assert len(small().with_(kinds=200 * ["far"]).id) < 100


# --- costs ----------------------------------------------------------------------------------------


def test_costs_at_a_context_and_a_batch() -> None:
    """Counted by hand: two caches of 16 numbers in three layers, two bytes each."""
    one = small().facts_at(context=100)
    assert (one.context, one.batch, one.cache_bytes) == (100, 1, 100 * 3 * 2 * 16 * 2)
    assert one.flops_per_token == small().facts.flops_per_token(100)
    many = small().facts_at(context=100, batch=7)
    assert many.cache_bytes == 7 * one.cache_bytes
    assert many.prefill_flops == 7 * one.prefill_flops
    assert many.flops_per_token == one.flops_per_token
    assert small().facts_at() == small().facts_at(context=32)
    nameless = archdsl.loads(SPEC.replace("context: 32", ""))["Small"]
    for refused in ({"context": 0}, {"context": 5, "batch": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            small().facts_at(**refused)
    with pytest.raises(ValueError, match="Small states no context"):
        nameless.facts_at()


def test_prefill_flops_are_those_that_pytorch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    variant = small()
    model = on_meta(run(code_of(variant, lower=False)))
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        model(torch.zeros(3, 20, dtype=torch.long))
    assert variant.facts_at(context=20, batch=3).prefill_flops == counter.get_total_flops()


# --- loading --------------------------------------------------------------------------------------


def test_a_folder_is_all_its_specs(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "a.arch").write_text(SPEC)
    (tmp_path / "more" / "b.arch").write_text(SPEC.replace("Small", "Other"))
    assert list(archdsl.load(tmp_path)) == ["Small", "Other"]
    (tmp_path / "more" / "c.arch").write_text(SPEC)
    (tmp_path / "d.arch").write_text(SPEC.replace("layers: 3", "layers: 4"))
    with pytest.raises(archdsl.SpecError) as raised:
        archdsl.load(tmp_path)
    assert sorted(d.code for d in raised.value.diagnostics) == [
        "duplicate-name", "duplicate-name", "fact-mismatch",
    ]  # fmt: skip
    for name in ("more/c.arch", "more/b.arch", "a.arch"):
        (tmp_path / name).unlink()
    (tmp_path / "more" / "e.arch").write_text("use ./f: Half\n")
    (tmp_path / "more" / "f.arch").write_text("block Half(d)(x: [..., d]) -> [..., d] { y = x }\n")
    with pytest.raises(archdsl.SpecError) as raised:
        archdsl.load(tmp_path)
    codes = [d.code for d in raised.value.diagnostics]
    assert len(codes) == len(set(codes)), "one mistake of a file that another imports, told twice"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert archdsl.load(empty) == {}


def test_a_text_and_its_errors() -> None:
    assert archdsl.loads(SPEC)["Small"].facts.layers == 3
    with pytest.raises(archdsl.SpecError) as raised:
        archdsl.loads(SPEC.replace("layers: 3", "layers: 4"), "mine")
    assert [d.place for d in raised.value.diagnostics] == ["mine:19:3"]


def test_names_of_the_package_are_there_and_no_others() -> None:
    for name in archdsl.__all__:
        assert getattr(archdsl, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Model'"):
        archdsl.Model  # noqa: B018
    code = "import sys, archdsl; print([m for m in sys.modules if m.startswith('archdsl.')])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# --- how values are shown -------------------------------------------------------------------------


def values(value: object, deep: int) -> Iterator[object]:
    """A value, and what its public attributes and its items hold."""
    yield value
    inner: list[object] = []
    if fields(value) or type(value).__module__.startswith("archdsl."):
        names = {n for n in dir(value) if not n.startswith("_")}
        inner += [getattr(value, n) for n in names if not callable(getattr(value, n, None))]
    if isinstance(value, dict | ByPath):
        inner += list(value.values())[:3]
    elif isinstance(value, tuple | list):
        inner += value[:3]
    for part in inner if deep else ():
        yield from values(part, deep - 1)


def test_every_value_is_shown_on_one_line_of_bounded_length() -> None:
    """Names and texts as long as a spec may have them: a notebook shows a line."""
    long = "x" * 500
    spec = SPEC.replace("Small one", long).replace("Small", "S" * 500)
    spec = (
        spec.replace("embed", "e" * 500).replace("last ", f"{long} ").replace("> last", f"> {long}")
    )
    hard = [*archdsl.loads(spec).values(), *(FAMILIES[name] for name in sorted(FAMILIES)[:4])]
    shown = [small(), *hard, *archdsl.check_text("model M(" + long), hard[0].with_(heads=2)]
    costs = [variant.facts_at(context=1000) for variant in hard]
    for value in (*shown, *costs):
        for part in values(value, 3):
            kind = type(part)
            if kind.__repr__ in (object.__repr__, str.__repr__, tuple.__repr__, dict.__repr__):
                continue
            if kind.__module__.startswith("archdsl."):
                assert len(repr(part)) < 2000, kind
                assert "\n" not in repr(part), kind


def test_values_say_what_they_are() -> None:
    variant = small()
    assert [repr(value) for value in (
        variant,
        variant.facts,
        variant.modules,
        variant.modules["layers.mix"],
        variant.parameters["head.weight"],
        variant.layers[1],
        archdsl.check_text("model M() {", "m.arch")[0],
    )] == [
        "<Small: Small one, 8,880 parameters>",
        "<facts of <model Small of M>>",
        "<21 submodules: the model, embed, layers.0, layers.1, ...>",
        "<layers.mix: GQA, [B, T, 16] -> [B, T, 16], 1,024 parameters, 3 times>",
        "<head.weight: [50, 16]>",
        "<layer 1, layers.1: hidden width 64>",
        "<error[syntax] m.arch:1:11: this `{` is never closed>",
    ]  # fmt: skip
