"""The standard library: every file of it checks, and every block is held to its meaning somewhere.

A block is held where a variant applies it that `test_interpreter.py` compares: of a spec, of a page
or of `data/meaning/`. Blocks of which no module is left, such as those that hand back what they
get, count where a spec of `data/meaning/` imports them.
"""

import re
from functools import cache
from pathlib import Path

import pytest
import torch
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

from archdsl import pipeline
from archdsl.diagnostic import Diagnostics
from archdsl.parser import parse
from archdsl.source import Source
from archdsl.syntax import Use
from emitted import from_text
from models import BLOCK, MEANING, of_the_library

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "archdsl" / "std").glob("*.arch"))
USE = re.compile(r"^use std\.\w+: (.*)$", re.MULTILINE)
NAMES = [name for path in FILES for name in BLOCK.findall(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_the_library_checks(path: Path) -> None:
    checked = pipeline.check_path(path, path.name)
    assert not checked.diagnostics, checked.diagnostics[0].text()


@pytest.mark.parametrize(
    "path", [*FILES, *sorted((ROOT / "specs").glob("*.arch"))], ids=lambda p: p.stem
)
def test_a_file_uses_what_it_imports(path: Path) -> None:
    source = Source(path.name, path.read_text(encoding="utf-8"))
    uses = [x for x in parse(source, Diagnostics()).items if isinstance(x, Use)]
    text = re.sub(r"#.*", "", source.text)
    names = [name.name for use in uses for name in use.names]
    assert [name for name in names if len(re.findall(rf"\b{name}\b", text)) < 2] == []


@cache
def held() -> frozenset[str]:
    names = set(of_the_library())
    for path in MEANING:
        for imported in USE.findall(path.read_text(encoding="utf-8")):
            names |= set(imported.split(", "))
    return frozenset(names)


@pytest.mark.parametrize("name", NAMES)
def test_a_block_is_held_to_its_meaning(name: str) -> None:
    assert name in held(), f"no spec that the interpreter runs applies {name}"


ALIBI = """
use std.core: Embedding
use std.attention: AlibiAttend
model M(heads)(stream tokens: int[B, T]) -> [B, T, heads] {{
  embed  = Embedding(7, heads)
  attend = AlibiAttend(heads, 1)
  x = embed(tokens) |> rearrange[B T heads -> B heads T 1]
  k = x
  cache k
  return attend(x, k, k) |> rearrange[B heads T 1 -> B T heads]
}}
variant V = M(heads: {}) {{}}
"""


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12, 20, 64, 112])
def test_the_rates_of_linear_biases_are_those_of_the_published_class(heads: int) -> None:
    module = from_text(ALIBI.format(heads))
    slope = module.Model(module.Config()).attend.slope
    one_token = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)[:, 0, 1]
    assert torch.allclose(slope, one_token, rtol=1e-6)
