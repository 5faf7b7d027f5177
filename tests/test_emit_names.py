"""Names of a spec in emitted code: none is Python's, torch's, the file's own or another's."""

import ast
import builtins
import keyword
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archdsl import pipeline
from archdsl.emit.helpers import HELPERS
from archdsl.emit.names import AT_TOP, BUILT_IN, OF_FILE, OF_MODULE, safe, variable
from archdsl.parser import tables
from archdsl.source import Source
from emitted import code_of, from_text
from equality import assert_equal_everywhere
from models import variants

ALIKE = (
    "x_BTD", "x_BTK", "q_BTD", "a_b", "a_b_2", "x", "x_", "x__", "x_2", "y", "y_2", "t", "t_2",
    "turn", "steps", "steps_2", "mask", "seen", "kept", "S1", "whole", "both", "alone", "logits",
    "tokens", "count", "model", "expert", "experts", "layers", "rotate", "bend", "bent", "_x",
    "__x", "_x_", "private_x", "rate_part", "convert_1", "float_", "float__", "class_",
    "requires_grad", "requires_grad_", "requires_grad__", "K", "D",
)  # fmt: skip
"""Names that emitted code makes of others, or that differ by what is added to one that is taken."""

TEMPLATE = """
use std.core: Linear, Embedding
use std.moe: MoE, SoftmaxRouter
block {Fun}({f_set}: float, {f_two}: enum({word}, {word_2}) = {word})
     ({f_in}: [..., {f_axis}], {f_other}: [..., {f_axis}]) -> [..., {f_axis}] {{
  {f_var} = {f_in} * {f_set}
  {f_var_2} = {f_other} + {f_var} if {f_two} == {word} else {f_var}
  return tanh({f_var_2}) * {f_set} + {f_var_2}
}}
block {Leaf}({l_set}, {l_two}: float)({l_in}: [{l_axis}, T, {l_set}]) -> [{l_axis}, T, {l_set}]
given {l_given}: [{l_axis}, T, {l_set}] {{
  param {l_param}: [{l_set}] = normal(0.3)
  const {l_const}: float32[{l_set}] = arange({l_set}) * {l_two}
  {l_kid} = Linear({l_set}, {l_set})
  {l_var} = {l_kid}({l_in}) + {l_given}
  {l_fun} = {Fun}({l_two})
  return {l_fun}({l_var} * {l_param}, {l_in} + model_dtype({l_const})) + {l_var}
}}
block {Scan}({s_set})({s_in}: [B, T, {s_set}]) -> [B, T, {s_set}] {{
  {s_var} = {s_in} * 2
  {s_out} = scan T with {s_state}: [B, {s_set}] = 0, {s_state_2}: [B, {s_set}] = 1 over ({s_in}) {{
    {s_state} = {s_state} * 0.5 + {s_in}
    {s_state_2} = {s_state} + {s_state_2} * 0.25
    yield {s_state} * {s_state_2}
  }}
  {s_kept} = {s_out} + {s_var}
  cache {s_kept}
  {s_seen} = rearrange[T -> T 1](positions(T)) >= rearrange[S -> 1 S](positions(S))
  {s_p} = select({s_seen}, einsum[B T {s_set}, B S {s_set} -> B T S]({s_in}, {s_kept}), -inf)
        |> softmax[... S]
  return einsum[B T S, B S {s_set} -> B T {s_set}]({s_p}, {s_kept})
}}
block {Wrap}({w_slot}: [B, T, {w_axis}] -> [B, T, {w_axis}])
     ({w_in}: [B, T, {w_axis}]) -> [B, T, {w_axis}] {{
  {w_kid} = {w_slot}
  {w_var} = {w_kid}({w_in})
  {w_var_2}, {w_var_3} = loop 2 with {w_state}: [B, T, {w_axis}] = {w_in} {{
    {w_state} = {w_state} * 0.5 + {w_var}
    yield {w_state} - {w_in}
  }}
  return {w_var_2} + sum[n B T {w_axis} -> B T {w_axis}]({w_var_3})
}}
block {Expert}({e_set}, {e_two}: float)({e_in}: [..., {e_set}]) -> [..., {e_set}] {{
  {e_kid} = Linear({e_set}, {e_set})
  return {e_kid}({e_in}) * {e_two}
}}
model {Net}({m_set} = 6, {m_two}: float = 0.5, {m_vocab} = 11)
     (stream {m_in}: int[B, T]) -> [B, T, {m_vocab}] {{
  {m_embed} = Embedding({m_vocab}, {m_set})
  {m_kid} = Linear({m_set}, {m_vocab})
  share {m_share} = Linear({m_set}, {m_set})
  {m_stack} = stack({Wrap}({Leaf}({m_set}, {m_two} * (2 + i))) for i in 2)
  {m_more} = stack({Wrap}(m) for m in [{Scan}({m_set}), {m_share},
    MoE({m_set}, SoftmaxRouter({m_set}, 3, 2), {Expert}({m_set}, {m_two}), 3, 2)])
  {l_given} = {m_embed}({m_in})
  give {l_given}
  {m_var} = {l_given} |> {m_stack} |> {m_more} |> {m_share}
  return {m_kid}({m_var})
}}
tiny {Net} {{ {m_set}: 4  {m_vocab}: 7 }}
variant V = {Net}() {{ name: "V" }}
"""
ROLES = tuple(dict.fromkeys(
    piece.split("}")[0] for piece in TEMPLATE.replace("{{", "").split("{")[1:]
))  # fmt: skip
PROBE = """
block Plain(n)(x: [B, T, n]) -> [B, T, n] {{
  return x * 2
}}
block A({name}, f: float)(x: [B, T, {name}]) -> [B, T, {name}] {{
  return x * f + {name}
}}
block C(d)({name}: [B, T, d]) -> [B, T, d] {{
  return {name} + 1
}}
block E(d, k: enum({name}, o))(x: [B, {name}2, d]) -> [B, {name}2, d] {{
  {name}3 = x + 1 if k == o else x + 2
  return {name}3
}}
block G()(x: [B, T, {name}]) -> [B, T, {name}] {{
  return x + 1
}}
block {name}(d)(x: [B, T, d]) -> [B, T, d] {{
  return x + 1
}}
"""


TEMPLATE_WORDS = frozenset(re.findall(r"[A-Za-z_]\w*", re.sub(r"\{\w+\}", "", TEMPLATE)))
"""Words of the language that the template uses: no name may hide them."""


def of_torch() -> list[str]:
    """What every `nn.Module` has by itself; other libraries add to it."""
    module = torch.nn.Module()
    owners = {name: getattr(getattr(module, name), "__module__", None) for name in dir(module)}
    return [name for name, owner in owners.items() if (owner or "torch").startswith("torch")]


@cache
def hostile() -> tuple[str, ...]:
    """The names that a spec may have, of those that mean something to Python, torch or the file."""
    words = {*TEMPLATE_WORDS, *tables.load().words, "i"}
    names = (*keyword.kwlist, *dir(builtins), *of_torch(), *sorted(OF_FILE | OF_MODULE), *ALIKE)
    fit = (n for n in dict.fromkeys(names) if n.isidentifier() and n not in words)
    return tuple(n for n in fit if _allowed(n))


def _allowed(name: str) -> bool:
    return not pipeline.check_source(Source("probe.arch", PROBE.format(name=name))).diagnostics


def test_reserved_names_are_those_of_a_module() -> None:
    """Public names of `nn.Module` are all known, and private ones get another beginning."""
    assert {n for n in of_torch() if not n.startswith("_")} <= OF_MODULE | OF_FILE
    for name in (*of_torch(), *keyword.kwlist, *OF_FILE):
        assert safe(name) != name
        assert not hasattr(torch.nn.Module(), safe(name))
        assert not safe(name).startswith("_")
    assert not {variable(n) for n in dir(builtins)} & BUILT_IN


@pytest.mark.parametrize("id", ["GPT2_Small", "DeepSeekV4_Flash", "T5_Small", "Transformer_Base"])
def test_what_emitted_code_uses_of_python_is_known(id: str) -> None:
    """A variable that had the name of a function would hide it."""
    texts = [*HELPERS.values(), *(code_of(variants()[id], lower) for lower in (True, False))]
    for tree in map(ast.parse, texts):
        nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
        bound = {n.id for n in nodes if isinstance(n.ctx, ast.Store)}
        used = {n.id for n in nodes if isinstance(n.ctx, ast.Load)} - bound
        assert used & {*dir(builtins)} <= BUILT_IN | AT_TOP | OF_FILE | {"__name__"}


def test_escaped_names_stay_different() -> None:
    names = {*keyword.kwlist, *dir(builtins), *of_torch(), *OF_FILE, *ALIKE}
    names |= {f"{n}{'_' * k}" for n in names for k in (1, 2)} | {f"private{n}" for n in names}
    for escape in (safe, variable):
        assert len({escape(n) for n in names}) == len(names)
        assert all(escape(n).isidentifier() and not keyword.iskeyword(escape(n)) for n in names)


LOADED = """
use std.core: Linear, Embedding
{blocks}
model Net(d = 6, vocab = 11)(stream tokens: int[B, T]) -> [B, T, vocab] {{
  embed = Embedding(vocab, d)
  head  = Linear(d, vocab)
{parts}
  return tokens |> embed{calls} |> head
}}
variant V = Net() {{ }}
hub Net "net" {{ config {{ d <- .d  vocab <- .v }} weights {{ embed <- "e"  head <- "h"
{lines} }} }}
"""


@pytest.mark.parametrize(
    "param", ["", "  param w: [d] = normal(1)\n"], ids=["functions", "classes"]
)
def test_no_block_takes_the_place_of_what_loads_and_saves(param: str, tmp_path: Path) -> None:
    tree = ast.parse(code_of(variants()["GPT2_Small"]))
    defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    imported = {"Embedding", "Linear"}
    names = [n for n in sorted((AT_TOP | defined) - imported) if _allowed(n)]
    assert {"Row", "Checkpoint", "save", "restore_1", "isinstance"} <= {*names}
    body = f"{param}  return tanh(x + {'w' if param else '1'})"
    module = from_text(LOADED.format(
        blocks="\n".join(f"block {n}(d)(x: [..., d]) -> [..., d] {{\n{body}\n}}" for n in names),
        parts="\n".join(f"  part_{i} = {n}(d)" for i, n in enumerate(names)),
        calls="".join(f" |> part_{i}" for i in range(len(names))),
        lines=" ".join(f'part_{i} <- "{i}"' for i in range(len(names)) if param),
    ))  # fmt: skip
    model = module.Model().eval()
    module.save(model, tmp_path)
    tokens = torch.arange(11)[None]
    with torch.no_grad():
        assert torch.equal(module.load(tmp_path)(tokens), model(tokens))


HIDING = {
    "a function": """
block Bend(a: float)(x: [...]) -> [...] {
  return tanh(x * a) + x
}
block Named(d)(x: [..., d]) -> [..., d] {
  bend = x * 2
  y = Bend(3)(bend)
  return y * bend
}""",
    "lists of loops in loops": """
block Named(d)(x: [B, T, d]) -> [B, T, d] {
  y, all = loop 2 with steps: [B, T, d] = x {
    z, turn = loop 3 with t: [B, T, d] = steps {
      t = t * 0.5 + x
      yield t
    }
    steps = z + steps
    yield sum[n B T d -> B T d](turn) + steps
  }
  return y + sum[n B T d -> B T d](all)
}""",
    "what a scan keeps and counts": """
block Named(d, b2 = 2)(x: [B, T, d]) -> [B, T, d] {
  y = scan T with steps: [B, d, b2] = 0, t: [B, d, b2] = 1 over (x) {
    t = t * 0.5 + repeat[B d -> B d b2](x)
    steps = steps * 0.5 + t
    yield sum[B d b2 -> B d](steps)
  }
  return y
}""",
}
"""Variables whose name would be that of something else that is still needed."""
HIDING_MODEL = """
use std.core: Linear, Embedding
{block}
model Net(d = 6, vocab = 11)(stream tokens: int[B, T]) -> [B, T, vocab] {{
  embed = Embedding(vocab, d)
  f     = Named(d)
  head  = Linear(d, vocab)
  return tokens |> embed |> f |> head
}}
variant V = Net() {{ name: "V" }}
"""


@pytest.mark.parametrize("what", HIDING)
def test_variables_hide_nothing(what: str) -> None:
    checked = pipeline.check_source(Source("names.arch", HIDING_MODEL.format(block=HIDING[what])))
    assert not checked.diagnostics, "\n\n".join(d.text() for d in checked.diagnostics)
    assert_equal_everywhere(checked.variants[0].model)


@settings(suppress_health_check=list(HealthCheck), max_examples=25)
@given(st.data())
def test_hostile_names(data: st.DataObject) -> None:
    """A spec computes the same, whatever its settings, tensors, bindings, blocks, axes, states and
    words are called.
    """
    names = data.draw(st.lists(
        st.sampled_from(hostile()), min_size=len(ROLES), max_size=len(ROLES), unique=True
    ))  # fmt: skip
    holds_to_its_meaning(dict(zip(ROLES, names, strict=True)))


def test_every_hostile_name() -> None:
    """Each name comes up in each kind of place at least once in so many turns."""
    pool = hostile()
    for turn in range(0, len(pool), 40):
        names = [pool[(turn + i) % len(pool)] for i in range(len(ROLES))]
        holds_to_its_meaning(dict(zip(ROLES, names, strict=True)))


def holds_to_its_meaning(names: dict[str, str]) -> None:
    text = TEMPLATE.format(**names)
    checked = pipeline.check_source(Source("names.arch", text))
    said = "\n\n".join(d.text() for d in checked.diagnostics)
    assert not checked.diagnostics, f"{said}\n{text}"
    (variant,) = checked.variants
    tiny = variant.tiny
    assert_equal_everywhere(variant.model, tiny)
