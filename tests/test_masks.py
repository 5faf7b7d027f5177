"""Masks: refused exactly where a token sees what comes later, or what a cache does not keep.

Each mask is a comparison of the positions of a query and a key. Python computes which pairs it
shows, and that decides what the check has to say.
"""

from itertools import product

import pytest

from archdsl import pipeline
from archdsl.source import Source

LAST, EVERY, MOST = 3, 2, 12
SIGNS = (">=", ">", "<=", "<", "==", "!=")
COMPARISONS = [
    f"q {'-' if step < 0 else '+'} {abs(step)} {sign} k"
    for sign, step in product(SIGNS, (-1, 0, 1, 2))
] + [
    f"q >= {EVERY} * k {'-' if step < 0 else '+'} {abs(step)}" for step in (-1, 0, 1, 2)
]  # fmt: skip
MASKS = [
    form.format(comparison)
    for comparison in COMPARISONS
    for form in (
        "{}",
        "not ({})",
        f"{{}} and q - k < {LAST}",
        f"{{}} and q - k <= {LAST}",
        f"{{}} and q - k < {LAST} and q >= k",
        f"({{}} or q - k < {LAST}) and k <= q",
    )
]
KINDS = {
    "cache k": ("S", lambda q, k: k > q),
    f"cache k last {LAST}": ("S", lambda q, k: k > q or k <= q - LAST),
    f"cache k every {EVERY}": (f"S // {EVERY}", lambda q, k: (k + 1) * EVERY - 1 > q),
}
"""How keys are kept, their axis, and which pairs have to be hidden."""


def spec(kept: str, axis: str, mask: str) -> str:
    return f"""
use std.core: Embedding
block Seen()(query: int[T], key: int[C]) -> bool[T, C] {{
  q = rearrange[T -> T 1](query)
  k = rearrange[C -> 1 C](key)
  return {mask}
}}
block Look(d)(x: [B, T, d], k: [B, C, d], seen: bool[T, C]) -> [B, T, d] {{
  s = einsum[B T d, B C d -> B T C](x, k)
  return einsum[B T C, B C d -> B T d](softmax[... C](select(seen, s, -inf)), k)
}}
block F(d)(x: [B, T, d]) -> [B, T, d] {{
  look = Look(d)
  k = tanh(x)
  {kept}
  return look(x, k, Seen()(positions(T), positions({axis})))
}}
model M(d = 4)(stream tokens: int[B, T]) -> [B, T, d] {{
  embed = Embedding(11, d)
  f     = F(d)
  return tokens |> embed |> f
}}
variant V = M() {{}}
"""


def shown(mask: str, q: int, k: int) -> bool:
    return bool(eval(mask, {"q": q, "k": k}))


@pytest.mark.parametrize("kept", KINDS)
def test_a_mask_is_refused_where_it_shows_what_is_hidden(kept: str) -> None:
    axis, hidden = KINDS[kept]
    if "last" in kept:
        axis = f"minimum(S, {LAST})"
    counts = {True: 0, False: 0}
    for mask in MASKS:
        pairs = [(q, k) for q in range(MOST) for k in range(MOST) if hidden(q, k)]
        leaks = any(shown(mask, q, k) for q, k in pairs)
        found = pipeline.check_source(Source("mask.arch", spec(kept, axis, mask))).diagnostics
        codes = [d.code for d in found]
        assert codes == (["future-mask"] if leaks else []), (mask, [d.text() for d in found])
        counts[leaks] += 1
    assert min(counts.values()) > 5, counts
