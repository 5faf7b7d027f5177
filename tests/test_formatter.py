"""`fmt` changes blanks and line breaks only, keeps every comment, and is at rest after one pass."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archdsl.diagnostic import Diagnostics, SpecError
from archdsl.formatter import formatted
from archdsl.parser import parse
from archdsl.record import fields
from archdsl.source import Source, Span

ROOT = Path(__file__).parent.parent
SPECS = sorted([*(ROOT / "specs").glob("*.arch"), *(ROOT / "archdsl" / "std").glob("*.arch")])
TEXTS = [path.read_text("utf-8") for path in SPECS]
HARD = """
block Mixed(n, rounds, f: [B, d] -> ([B, d], [B, d]))(x: [B, n, d]) -> ([B, n, d], [B, d])
given tokens: int[B, T]
{
  share memory = GatedMLP(d, 4 * d)
  embed = Embedding(n, d)
  apart mtp = NextToken(d)
  give tokens
  m = loop rounds with a: [n, n] = exp(mix) { r = a / sum[n k -> n 1](a)  yield r }
  y, z = scan T with M: [B, d] = 0, s: [B] = 1 over (q, k) { M = M * -k ^ 2 yield M, s }
  cache y last 4 cache z every n
  buffer b: int[n] = zeros when not (n == 2 or rounds in [1, 2]) and n >= 3
  return (x if n > 1 else y) |> inner |> f[... (a + b c)], [x for i in 3](each y, weight: m.weight)
}
card A { depth: 2 inset(layers[Full].mix, x): "a # b \\" c" hide(a, b) }
variant Changed = V with (n: 4, widths: [d, 2 * d],) variant Again = Changed with (n: 5) { }
variant More = Again with (n: 3, k: 4,
attention: GQA(d, heads, kv_heads, position: Rope(d_head, base: 500_000, scale: 2.0),
attend: Attend(d_head ^ -0.5))) { name: "More" }
variant V = Mixed() { released: 2024-02-29 expect params: 671B ~ 1.5% expect active: 1_0.5M }
hub Mixed "a", "b" {
  config { } weights { a.b[i + 1].c, d <- "x", "y" [d (n + n) -> n d, n d] skip "z"
    a.c <- "k" + "l", "m" + "n" [n d, m d -> (n + m) d] when a.b[i + 1] d <- "p" + "q" when e.f }
}
hub Whole "w" { use A,   B # both
  use C }
hub Long "l" for "L" { use A
  # what it says itself
  config { use B, C expect .a: 1, .b:  "x" default .c.d: .e
    kinds <- [match k { "aaaaaaaaaaaaa", "bbbbbbbbbbbbbb": a "cccccccccccc": b }
      for k in .aaaaaaaaaaaaaaaaaaaaaaa ?? .bbbbbbbbbbbbbbbbbbbbbbbbbbb ?? .cccccccccccccccccccccccc
      ?? ["aaaaaaaaaaaaa", "cccccccccccc"] if k != "x"] }
  weights { use A, B {a,b}[i].{c , d.e}_f <- "{i}.{x,y}"
    a.{q,k, v}_proj, b.w <- "xxxxxxxxxxxxxxxxxxxx" + "yyyyyyyyyyyyyyyyyyyyyy"
      [(heads d_head) d, (heads d_head + heads d_head) d
      -> (heads d_head) d, (heads d_head) d, (heads d_head) d, (heads d_head) d] when a.b } }
"""
CASES = [*TEXTS, HARD]
_TOKEN = re.compile(r'#[^\n]*|"(?:\\.|[^"\\\n])*"|\s+|\w+|\S')


def tree(node: Any) -> Any:
    """A syntax tree without its places."""
    if isinstance(node, tuple):
        return [tree(item) for item in node]
    if fields(node):
        return type(node).__name__, [
            tree(getattr(node, name))
            for name in fields(node)
            if not isinstance(getattr(node, name), Source | Span) and name != "doc"
        ]
    return node


def parsed(text: str) -> Any:
    diagnostics = Diagnostics()
    file = parse(Source("text", text), diagnostics)
    assert not diagnostics.items, diagnostics.items[0].text()
    return file


def fmt(text: str) -> str:
    return formatted(Source("text", text))


def holds(text: str) -> None:
    made = fmt(text)
    before, after = parsed(text), parsed(made)
    assert tree(after.items) == tree(before.items)
    assert [c.text.rstrip() for c in after.comments] == [c.text.rstrip() for c in before.comments]
    assert fmt(made) == made
    assert not re.search(r"[ \t]\n|\n\n\n|\A\n|[^\n]\Z", made)


@pytest.mark.parametrize("text", CASES)
def test_meaning_is_kept(text: str) -> None:
    holds(text)


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.name)
def test_what_ships_is_in_form(path: Path) -> None:
    text = path.read_text("utf-8")
    assert fmt(text) == text


@given(st.data())
def test_other_blanks_and_remarks_anywhere(data: st.DataObject) -> None:
    """A real spec, its blanks drawn anew and remarks between any two tokens."""
    pieces = _TOKEN.findall(data.draw(st.sampled_from(CASES)))
    start = data.draw(st.integers(0, len(pieces) - 1))
    for number in range(start, min(start + 60, len(pieces))):
        if pieces[number].isspace() and not pieces[number - 1].startswith("#"):
            blanks = [" ", "\n", "\n\n\n", "  # remark\n", "\n  # a\n\n  # b\n", "\n## doc\n"]
            pieces[number] = data.draw(st.sampled_from([pieces[number], *blanks]))
    holds("".join(pieces))


@given(st.data())
def test_declarations_on_one_line(data: st.DataObject) -> None:
    """Without a single line break, but for comments, a text has the same form."""
    text = data.draw(st.sampled_from(CASES))
    flat = "".join(
        " " if p.isspace() and not before.startswith("#") else p
        for before, p in zip(["", *_TOKEN.findall(text)], _TOKEN.findall(text), strict=False)
    )
    holds(flat)


def test_long_lines_of_hubs_are_broken() -> None:
    assert max(map(len, fmt(HARD[HARD.index("hub Whole") :]).splitlines())) <= 120


def test_where_remarks_stand() -> None:
    text = """# head
use std.core: Linear
## What A is.
block A(d, # width
  n)(x: [..., d]) -> [..., n] { # opens
  # own line
  f = Linear(d, # in
    n) # applied

  return x |> f # result
  # last
}
# end"""
    expected = """# head
use std.core: Linear

## What A is.
block A(d,  # width
        n)
       (x: [..., d]) -> [..., n] {  # opens
  # own line
  f = Linear(d,  # in
             n)  # applied

  return x |> f  # result
  # last
}
# end
"""
    assert fmt(text) == expected


def test_long_lines_are_broken_and_aligned() -> None:
    text = "model M(d)(stream t: int[B, T]) -> [B, T, d] {\n" + "\n".join(
        [
            f"a = Linear({', '.join(f'{i} * d_number_{i}' for i in range(9))})",
            f"name = stack(n * Layer({', '.join(f'RMSNorm_{i}(d, eps)' for i in range(9))}))",
            "y = t |> " + " |> ".join(f"part_{i}" for i in range(20)),
            "return y }",
        ]
    )
    made = fmt(text)
    assert max(map(len, made.splitlines())) <= 120
    assert made.splitlines()[1].index("=") == made.splitlines()[3].index("=")


def test_what_does_not_parse_is_refused() -> None:
    with pytest.raises(SpecError, match="never closed"):
        fmt("model M() {")
