"""What it takes to serve a model, against published figures, running caches and hand arithmetic."""

import csv
import io
import itertools
import json
import math
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reference
from archdsl import hub, pipeline
from archdsl.facts import sizes
from archdsl.facts.caches import size
from archdsl.facts.serving import Load, serving
from archdsl.facts.weights import read
from archdsl.source import Source
from models import ROOT, variants

DATA: dict[str, list[dict[str, Any]]] = tomllib.loads(
    (reference.DATA / "serving.toml").read_text(encoding="utf-8")
)


def named(row: dict[str, Any]) -> str:
    return "-".join(str(row[key]) for key in ("variant", "devices", "batch") if key in row)


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", DATA["active"], ids=named)
def test_what_is_multiplied_is_the_published_figure(row: dict[str, Any]) -> None:
    least, most = row["without_tables"]
    assert least <= variants()[row["variant"]].facts.active_without_tables <= most


def test_active_is_quoted_without_tables() -> None:
    """gpt-oss 20B is published with 3.6B active parameters, and has an input table of 0.58B. A
    dense model is all active, though its table is read by row; not so where that is much of it.
    """
    facts = variants()["GptOss_20B"].facts
    assert round(facts.active_as_quoted / 1e9, 1) == 3.6
    dense, tables = variants()["Llama3_8B"].facts, variants()["Gemma4_E2B"].facts
    assert dense.active_as_quoted == dense.params
    assert tables.active_as_quoted == tables.active_without_tables < tables.params / 2


@pytest.mark.parametrize("slug", reference.official_slugs())
def test_tables_are_what_the_reference_only_looks_up(slug: str) -> None:
    """Parameters of `nn.Embedding` that no head shares, on the class itself."""
    config, counts = reference.official(slug)
    with torch.device("meta"):
        model = reference.from_config(config)
    tables = {id(m.weight): m.weight.numel() for m in model.modules()
              if isinstance(m, torch.nn.Embedding)}  # fmt: skip
    multiplied = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Linear)}
    only = sum(n for key, n in tables.items() if key not in multiplied)
    facts = variants()[counts["spec"].split(":")[1]].facts
    assert facts.active_without_tables == counts["active"] - only


@pytest.mark.parametrize("slug", reference.official_slugs())
@pytest.mark.parametrize(("dtype", "bits"), [("bf16", 16), ("fp8", 8), ("int4", 4), ("fp32", 32)])
def test_weights_are_as_many_bytes(slug: str, dtype: str, bits: int) -> None:
    counts = reference.official(slug)[1]
    facts = variants()[counts["spec"].split(":")[1]].facts
    assert facts.weights_bytes(dtype) == -(-counts["params"] * bits // 8), "whole bytes"


def test_a_looped_stack_is_read_in_each_round() -> None:
    """Ouro: 48 layers and the last norm four times, the head and one row of the table once. The
    gate is not read: nothing uses what it says.
    """
    facts, d, ff = variants()["Ouro_2_6B"].facts, 2048, 5632
    layer = 4 * d * d + 3 * d * ff + 4 * d
    rounds = 4 * (48 * layer + d)
    assert read(facts.model, facts.flow, 1).bytes(32) == rounds + 49_152 * d + d


@pytest.mark.parametrize(("experts", "top_k", "tokens"), [(4, 2, 1), (4, 2, 2), (5, 1, 3)])
def test_experts_are_read_as_often_as_they_are_met(experts: int, top_k: int, tokens: int) -> None:
    """The mean over all ways in which tokens may choose."""
    text = f"""
use std.core: Linear, GatedMLP
use std.moe: MoE, TopRouter
model M(d, experts, top_k)(stream x: [B, T, d]) -> [B, T, d] {{
  moe = MoE(d, TopRouter(d, experts, top_k), GatedMLP(d, 7), experts, top_k)
  return moe(x)
}}
variant V = M(d: 1, experts: {experts}, top_k: {top_k}) {{}}
"""
    (variant,) = pipeline.check_source(Source("m.arch", text), tiny=False).variants
    ways = list(itertools.combinations(range(experts), top_k))
    met = [len(set().union(*chosen)) for chosen in itertools.product(ways, repeat=tokens)]
    counted = read(variant.model, variant.facts.flow, tokens)
    assert counted.numbers == pytest.approx(experts + 21 * sum(met) / len(met))


def test_idle_experts_are_chosen_and_not_read() -> None:
    """LongCat-Flash-Lite: 12 of 256 that work and 128 that do not."""
    facts = variants()["LongCat_Flash_Lite"].facts
    experts = 14 * 3 * 3072 * 1024
    rest = facts.active_without_tables - 12 * experts
    rows = 3072 + 12 * 256
    assert read(facts.model, facts.flow, 1).bytes(32) == rest + 8 * experts + rows


# --- what is kept ---------------------------------------------------------------------------------


@pytest.mark.parametrize("row", DATA["cache"] + DATA["reserved"], ids=named)
def test_caches_are_the_published_ones(row: dict[str, Any]) -> None:
    load = Load(row["context"], row["batch"], kv_dtype=row["kv_dtype"])
    result = serving(variants()[row["variant"]].facts, load)
    counted = result.kv_cache_bytes if row in DATA["cache"] else result.kv_cache_reserved_bytes
    assert counted == row["bytes"]


@pytest.mark.parametrize("type", ["qwen3_next", "nemotron_h", "nemotron_h+latent", "xlstm"])
def test_states_are_those_of_a_running_reference(type: str) -> None:
    """Every number that the reference keeps after a text, sequence by sequence. Its convolutions
    keep the last `kernel` tokens, of which the oldest is not needed again.
    """
    built = reference.build(type, seed=1)
    with torch.no_grad():
        out = built.model(**built.fed(built.tokens), use_cache=True)
    batch, length = built.tokens.shape
    state = cache = 0
    if type == "xlstm":
        state = sum(x.numel() for layer in out.cache_params.rnn_state.values() for x in layer)
    else:
        for layer in out.past_key_values.layers:
            for x in (getattr(layer, "keys", None), getattr(layer, "values", None)):
                cache += 0 if x is None else x.numel()
            for x in getattr(layer, "conv_states", {}).values():
                state += x.numel() * (x.shape[-1] - 1) // x.shape[-1]
            state += sum(x.numel() for x in getattr(layer, "recurrent_states", {}).values())
    source = Source("imported.arch", hub.imported(built.config, name=type).text)
    facts = pipeline.check_source(source, tiny=False).variants[0].facts
    assert state > 0
    assert batch * sum(h.times * h.heads * h.width for h in facts.states) == state
    assert batch * length * sum(c.times * c.heads * c.width for c in facts.caches) == cache


def test_states_stay_apart_from_the_cache() -> None:
    """Qwen3-Next: 36 memories of 32 x 128 x 128 in single precision, and three tokens of 8192
    channels, however long the text; 12 layers of two heads of 256.
    """
    facts = variants()["Qwen3Next_80B_A3B"].facts
    one = serving(facts, Load(1000, 3, kv_dtype="fp8"))
    assert one.state_bytes == 3 * 36 * (32 * 128 * 128 * 4 + 3 * 8192 * 2)
    assert one.kv_cache_bytes == 3 * 1000 * 12 * 2 * 2 * 256
    assert one.total_bytes == one.weights_bytes + one.state_bytes + one.kv_cache_bytes
    assert serving(facts, Load(9000, 3)).state_bytes == one.state_bytes


# --- devices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", DATA["device"], ids=named)
def test_heads_are_split_and_stand_on_several_devices_where_they_are_few(
    row: dict[str, Any],
) -> None:
    facts = variants()[row["variant"]].facts
    kept = sum(size(cached, 64, row["devices"]) for cached in facts.caches)
    assert kept // sizes.PART == row["kv_bytes_per_token"]
    of_source = serving(facts, Load(100, 3, devices=row["devices"])).source_bytes
    assert of_source == 3 * 100 * row.get("source_bytes_per_token", 0)


@pytest.mark.parametrize("devices", [2, 4, 8, 16, 64])
def test_matrices_of_heads_that_stand_on_several_devices_do_too(devices: int) -> None:
    """Llama 3 8B: of 8 heads each device has at least one, with its part of both projections."""
    facts, d = variants()["Llama3_8B"].facts, 4096
    vectors, keys = 65 * d, 32 * 2 * d * 1024
    even = facts.params - vectors - keys
    heads = -(-8 // devices)
    assert facts.weights_bytes("int8", devices) == even // devices + vectors + keys * heads // 8


def test_the_matrix_of_a_latent_stands_on_each_device() -> None:
    facts, n = variants()["DeepSeekV3_671B"].facts, 8
    latent = 61 * 7168 * 576
    vectors = 61 * (2 * 7168 + 1536 + 512) + 7168
    routers = 58 * 256 * 7168
    even = facts.params - latent - vectors - routers
    assert facts.weights_bytes("int8", n) == even // n + latent + vectors + routers


def test_of_a_matrix_for_all_three_the_part_of_few_heads_stands_on_each_device() -> None:
    """Four heads of queries, one of keys and one of values, from one matrix: on two devices each
    has two of the queries and both others.
    """
    text = """
use std.attention: Attend
use std.core: Linear
block Mix(d, k)(x: [B, T, d]) -> [B, T, 4 * k] as attention "Mix" {
  qkv = Linear(d, 6 * k)
  q, k1, v1 = qkv(x) |> rearrange[B T (4 k + k + k) -> B 4 T k, B 1 T k, B 1 T k]
  cache k1, v1
  return Attend(1)(q, k1, v1) |> rearrange[B 4 T k -> B T (4 k)]
}
model M(d, k)(stream x: [B, T, d]) -> [B, T, 4 * k] {
  mix = Mix(d, k)
  return mix(x)
}
variant V = M(d: 8, k: 2) {}
"""
    checked = pipeline.check_source(Source("m.arch", text), tiny=False)
    assert not checked.diagnostics, checked.diagnostics[0].text()
    facts = checked.variants[0].facts
    assert facts.weights_bytes("int8") == 8 * 2 * 6
    assert facts.weights_bytes("int8", 2) == 8 * 2 * (2 + 1 + 1)


# --- what fits ------------------------------------------------------------------------------------


@given(
    name=st.sampled_from(["Llama3_8B", "Gemma3_27B", "Qwen3Next_80B_A3B", "DeepSeekV4_Flash"]),
    memory=st.integers(10**9, 10**12),
    batch=st.integers(1, 64),
    devices=st.sampled_from([1, 2, 8]),
)
def test_the_longest_context_fits_and_the_next_does_not(
    name: str, memory: int, batch: int, devices: int
) -> None:
    facts = variants()[name].facts
    load = Load(1000, batch, memory=memory, devices=devices)
    result = serving(facts, load)

    def total(context: int, reserved: bool) -> int:
        at = serving(facts, Load(context, batch, devices=devices))
        return at.total_reserved_bytes if reserved else at.total_bytes

    for longest, reserved in ((result.fit_context, False), (result.fit_reserved_context, True)):
        assert longest is not None
        assert not longest or total(longest, reserved) <= memory
        assert total(longest + 1, reserved) > memory


def test_a_text_of_any_length_fits_where_nothing_grows() -> None:
    facts = variants()["XLSTM_7B"].facts
    assert serving(facts, Load(10, memory=80 * 2**30)).fit_context is None
    assert serving(facts, Load(10, memory=8 * 2**30)).fit_context == 0


def test_bytes_a_step_moves_bound_its_speed() -> None:
    """Llama 3 8B on 3.35 TB/s: all weights but the table, a row of it, and the cache."""
    facts = variants()["Llama3_8B"].facts
    result = serving(facts, Load(8192, 4, bandwidth=3_350_000_000_000))
    moved = 2 * (8_030_261_248 - 128_256 * 4096 + 4 * 4096) + 4 * 2**30
    assert result.step_bytes == moved
    assert result.tokens_per_second_limit == pytest.approx(4 * 3.35e12 / moved)
    assert result.intensity == pytest.approx(4 * 19_304_284_160 / moved)


# --- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "word", "value"),
    [
        (sizes.memory, "80GiB", 85_899_345_920),
        (sizes.memory, "80 GiB", 85_899_345_920),
        (sizes.memory, "80GB", 80_000_000_000),
        (sizes.memory, "80gb", 80_000_000_000),
        (sizes.memory, "80G", 80_000_000_000),
        (sizes.memory, "1.5TiB", 1_649_267_441_664),
        (sizes.memory, "1_000B", 1000),
        (sizes.bandwidth, "3.35TB/s", 3_350_000_000_000),
        (sizes.bandwidth, "900 GB/s", 900_000_000_000),
        (sizes.bandwidth, "1TiB/s", 2**40),
        (sizes.tokens, "8Ki", 8192),
        (sizes.tokens, "8k", 8000),
        (sizes.tokens, "1.5M", 1_500_000),
        (sizes.tokens, "131,072", 131_072),
        (sizes.dtype, "bfloat16", "bf16"),
        (sizes.dtype, "torch.float8_e4m3fn", "fp8"),
        (sizes.dtype, "FP32", "fp32"),
    ],
)
def test_sizes_are_read_as_people_write_them(read: Any, word: str, value: object) -> None:
    assert read(word) == value


@pytest.mark.parametrize(
    ("read", "word", "message"),
    [
        (sizes.memory, "80 potatoes", "'80 potatoes' is no size: write 80GiB or 80GB"),
        (sizes.memory, "80", "'80' is no size"),
        (sizes.memory, "", "is no size"),
        (sizes.memory, "-1GB", "is no size"),
        (sizes.memory, "80Gb", "in bits"),
        (sizes.memory, "80GB/s", "is no size"),
        (sizes.memory, "0GB", "at least one byte"),
        (sizes.bandwidth, "3TB", "is no bandwidth: write 3.35TB/s"),
        (sizes.tokens, "8 potatoes", "is no number of tokens: write 32768, 32Ki or 128Ki"),
        (sizes.tokens, "8KiB", "is no number of tokens"),
        (sizes.tokens, "1.5", "a whole one, at least 1"),
        (sizes.tokens, "0", "a whole one, at least 1"),
        (sizes.dtype, "fp12", "'fp12' is no dtype: write one of fp32, bf16"),
    ],
)
def test_wrong_sizes_are_told_with_a_right_one(read: Any, word: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(word)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"context": 8192.0}, "context is a whole number, and not 8192.0"),
        ({"context": True}, "context is a whole number, and not True"),
        ({"context": 0}, "context is at least 1, and not 0"),
        ({"batch": 1.5}, "batch is a whole number, and not 1.5"),
        ({"batch": -1}, "batch is at least 1, and not -1"),
        ({"devices": 0}, "devices is at least 1, and not 0"),
        ({"devices": "two"}, "devices is a whole number, and not 'two'"),
        ({"memory": 0.5}, "memory is a whole number, and not 0.5"),
        ({"memory": math.inf}, "memory is a whole number, and not inf"),
        ({"bandwidth": 0}, "bandwidth is at least 1, and not 0"),
    ],
)
def test_numbers_that_are_none_are_told(said: dict[str, Any], message: str) -> None:
    variant = variants()["Llama3_8B"]
    with pytest.raises(ValueError, match=f"^{message}$"):
        variant.serving(**said)
    if said.keys() <= {"context", "batch"}:
        with pytest.raises(ValueError, match=f"^{message}$"):
            variant.facts_at(**said)
    if said.keys() == {"devices"}:
        with pytest.raises(ValueError, match=f"^{message}$"):
            variant.facts.weights_bytes("bf16", **said)


def test_a_bandwidth_may_be_written_with_an_exponent() -> None:
    variant = variants()["Llama3_8B"]
    assert variant.serving(100, bandwidth=3.35e12).load.bandwidth == 3_350_000_000_000  # type: ignore[arg-type]


# --- Python and the command line ------------------------------------------------------------------


def printed(*words: str, code: int = 0) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "archdsl", "facts", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


GEMMA, GPT2 = "specs/gemma3.arch:Gemma3_27B", "specs/gpt2.arch:GPT2_Small"
ALL = ("--context", "8Ki,128Ki", "--batch", "4", "--kv-dtype", "fp8", "--fit", "80GiB",
       "--bandwidth", "3.35TB/s", "--tp", "2")  # fmt: skip


def test_python_and_json_say_the_same() -> None:
    model = variants()["Gemma3_27B"]
    result = [
        model.serving(context, 4, kv_dtype="fp8", memory="80GiB", bandwidth="3.35TB/s", devices=2)
        for context in ("8Ki", 131_072)
    ]
    (record,) = json.loads(printed(GEMMA, *ALL, "--json")[0])
    assert record["serving"] == [one.record() for one in result]
    assert record["context"] == 131_072, "the model's own, whatever is asked"
    assert record["weights_bytes"] == result[0].weights_bytes
    assert [one["context"] for one in record["serving"]] == [8192, 131_072]


def test_the_context_of_a_model_is_not_overwritten() -> None:
    (record,) = json.loads(printed(GEMMA, "--context", "1000", "--json")[0])
    assert (record["context"], record["at_context"]) == (131_072, 1000)
    facts = variants()["Gemma3_27B"].facts
    assert record["kv_bytes_at_context"] == facts.kv_bytes(1000)


def test_json_has_heads_and_experts() -> None:
    words = (
        "specs/gpt_oss.arch:GptOss_20B", "specs/deepseek.arch:DeepSeekV3_671B",
        "specs/nemotron.arch:Nemotron3_Nano_30B", "--json",
    )  # fmt: skip
    oss, deepseek, nemotron = json.loads(printed(*words)[0])
    assert (oss["heads"], oss["kv_heads"], oss["experts"], oss["top_k"]) == (64, 8, 32, 4)
    assert (deepseek["heads"], deepseek["experts"], deepseek["top_k"]) == (128, 256, 8)
    assert "kv_heads" not in deepseek
    assert (nemotron["heads"], nemotron["kv_heads"]) == (32, 2)
    roles = [(m["role"], m["layers"], m["settings"]["heads"]) for m in nemotron["mixers"]]
    assert sorted(roles) == [("attention", 6, 32), ("recurrence", 23, 64)]


def test_a_text_that_the_model_refuses_is_told() -> None:
    out, err = printed(GPT2, "--context", "1024")
    assert "1,024" in out and not err
    out, err = printed(GPT2, "--context", "1025", "--json")
    assert "GPT2_Small reads no more than 1,024 tokens" in err
    (record,) = json.loads(out)
    assert (record["context"], record["most_tokens"]) == (1024, 1024)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--fit", "80 potatoes"), "archdsl: '80 potatoes' is no size: write 80GiB or 80GB"),
        (("--bandwidth", "3TB"), "is no bandwidth"),
        (("--context", "8Ki,x"), "'x' is no number of tokens"),
        (("--dtype", "fp12"), "'fp12' is no dtype"),
        (("--kv-dtype", "fp12"), "'fp12' is no dtype"),
        (("--json", "--csv"), "choose one"),
        (("--tp", "0"), "--tp"),
    ],
)
def test_wrong_options_are_told(words: tuple[str, ...], message: str) -> None:
    assert message in printed(GEMMA, *words, code=2)[1]


@pytest.mark.parametrize(
    ("spec", "fit", "says"),
    [
        (GEMMA, "80GiB", "In the 80GiB fit 383,843 tokens of one sequence."),
        (GEMMA, "50GB", "The weights alone, 50.3 GiB, do not fit in the 50GB."),
        (GEMMA, "54.0187GB", "but no token of one sequence beside them"),
        ("specs/xlstm.arch", "80GiB", "A text of any length fits in the 80GiB"),
    ],
)
def test_what_fits_is_told_in_words(spec: str, fit: str, says: str) -> None:
    words = (spec, "--fit", fit, "--context", "4096")
    assert says in printed(*words)[0]


def test_a_page_leaves_out_what_says_nothing() -> None:
    page = printed(GPT2)[0]
    assert "124,439,808" in page and "236 MiB" in page
    for word in ("experts", "state", "window", "expanded", "beside"):
        assert word not in page
    assert "say at how many tokens with --context" in printed("specs/t5.arch")[0]
    assert "kept of the other input" in printed("specs/t5.arch", "--context", "512")[0]


def test_several_models_are_a_table() -> None:
    table = printed("specs/gemma3.arch", "specs/xlstm.arch", *ALL)[0].splitlines()
    rows = [line for line in table if line.startswith(("Gemma 3 27B", "Gemma 3 270M", "xLSTM"))]
    assert len(rows) == 6
    ends = [[cell.end() for cell in re.finditer(r"\S+(?: \S+)*", row)] for row in (table[0], *rows)]
    assert all(row[1:] == ends[0][1:] for row in ends), "cells end where the head of a column does"
    assert "batch 4" in table[-1].lower() and "one of 2 devices" in table[-1]


def test_csv_has_all_numbers_in_full() -> None:
    rows = list(csv.DictReader(io.StringIO(printed(GEMMA, GPT2, *ALL, "--csv")[0])))
    assert [row["variant"] for row in rows] == 2 * ["Gemma3_27B"] + 2 * ["GPT2_Small"]
    model = variants()["Gemma3_27B"]
    record = model.serving("8Ki", 4, kv_dtype="fp8", memory="80GiB", bandwidth="3.35TB/s",
                           devices=2).record()  # fmt: skip
    assert {key: rows[0][key] for key in record} == {k: str(v) for k, v in record.items()}


HOSTILE = r"""use std.core: Embedding
model M(d)(stream tokens: int[B, T]) -> [B, T, d] {
  embed = Embedding(9, d)
  return tokens |> embed
}
variant V = M(d: 4) { name: "=1+1 & \\input{x} 50% #_^~$"  context: 16 }
variant W = M(d: 8) { name: "plain" }
"""


def test_no_name_is_a_command_or_a_formula(tmp_path: Path) -> None:
    (tmp_path / "m.arch").write_text(HOSTILE)
    (row, _) = csv.DictReader(io.StringIO(printed(str(tmp_path / "m.arch"), "--csv")[0]))
    assert row["name"].startswith("'=1+1")
    table = printed(str(tmp_path / "m.arch"), "--latex")[0]
    assert r"\textbackslash{}input\{x\} 50\% \#\_" in table
    if shutil.which("pdflatex") is None:
        pytest.skip("needs pdflatex")
    paper = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}%s\\end{document}"
    (tmp_path / "p.tex").write_text(paper % table)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "p.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_table_for_a_paper_says_its_settings() -> None:
    table = printed(GEMMA, *ALL, "--latex")[0]
    for word in ("Batch 4, weights in bf16, KV cache in fp8", "2 devices", "80GiB", r"\toprule",
                 "131,072", "Gemma 3 27B"):  # fmt: skip
        assert word in table


def test_a_model_without_weights_moves_nothing() -> None:
    text = """
model M(d)(stream x: [B, T, d]) -> [B, T, d] {
  return x * 2
}
variant V = M(d: 4) {}
"""
    (variant,) = pipeline.check_source(Source("m.arch", text), tiny=False).variants
    result = variant.serving(100, memory="1GB", bandwidth="1TB/s")
    assert (result.step_bytes, result.intensity, result.tokens_per_second_limit) == (0, None, None)
    assert result.fit_context is None


@pytest.mark.parametrize(
    "words",
    [("--context", "9" * 30), ("--context", "1" * 5000), ("--fit", "1" * 5000 + "GB"),
     ("--context", "2000T"), ("--batch", "0"), ("--batch", "9" * 30)],
)  # fmt: skip
def test_numbers_that_are_too_large_are_refused(words: tuple[str, ...]) -> None:
    out, err = printed(GPT2, *words, code=2)
    assert not out and "mistake of the program" not in err


def test_a_model_through_which_nothing_streams_decodes_nothing(tmp_path: Path) -> None:
    text = """use std.core: Linear
model M(d)(x: [B, N, d]) -> [B, N, d] {
  f = Linear(d, d)
  return f(x)
}
variant V = M(d: 4) {}
"""
    (variant,) = pipeline.check_source(Source("m.arch", text), tiny=False).variants
    with pytest.raises(ValueError, match="no input of V streams: it decodes nothing"):
        variant.serving(100)
    (tmp_path / "m.arch").write_text(text)
    assert json.loads(printed(str(tmp_path / "m.arch"), "--json")[0])[0]["serving"] == []
    assert "Serving" not in printed(str(tmp_path / "m.arch"))[0]
    with pytest.raises(ValueError, match="states no context"):
        variants()["T5_Small"].serving()
