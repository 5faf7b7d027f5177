"""A type with a name is the type that it stands for: facts and emitted code are the same."""

import re

import archdsl

NAMED = """
use std.core: Linear, Embedding
use std.attention: Attend, Window
type KV[n, k, w] = [B, n, minimum(S, w), k]
type State[] = float32[B, d]
type Rows[d] = [..., d]
type Keys[] = [B, kv_heads, S, d_head]
block Scale(d)(x: Rows[d]) -> Rows[d] {
  param weight: [d] = ones
  return x * weight
}
block Read(heads, d_head, w, act: Rows[d_head] -> Rows[d_head])
          (q: [B, heads, T, d_head], k: KV[heads, d_head, w], v: KV[heads, d_head, w])
          -> [B, heads, T, d_head] {
  return Attend(1, Window(w))(act(q), k, v)
}
block Look(kv_heads, d_head)(x: [B, T, kv_heads * d_head]) -> [B, T, kv_heads * d_head]
given far: Keys[] {
  q = x |> rearrange[B T (kv_heads d_head) -> B kv_heads T d_head]
  return Attend(1)(q, far, far) |> rearrange[B kv_heads T d_head -> B T (kv_heads d_head)]
}
block Mix(d, heads, w)(x: [B, T, d]) -> [B, T, d]
where d % heads == 0 {
  read = Read(heads, d // heads, w, Scale(d // heads))
  look = Look(heads, d // heads)
  q = x |> rearrange[B T (heads k) -> B heads T k]
  k = q
  v = q
  far = q
  cache k, v last w
  cache far
  give far
  y = read(q, k, v) |> rearrange[B heads T k -> B T (heads k)]
  s = scan T with m: State[] = 0 over (x) { m = m + x  yield model_dtype(m) }
  return y + s + look(x)
}
model Net(d, heads, w, vocab)(stream tokens: int[B, T]) -> [B, T, d]
where d % heads == 0 {
  embed = Embedding(vocab, d)
  mix   = Mix(d, heads, w)
  return tokens |> embed |> mix
}
variant Net_1 = Net(d: 32, heads: 4, w: 5, vocab: 61) { }
"""
WRITTEN = {
    r"KV\[heads, d_head, w\]": "[B, heads, minimum(S, w), d_head]",
    r"State\[\]": "float32[B, d]",
    r"Rows\[(\w+)\]": r"[..., \1]",
    r"Keys\[\]": "[B, kv_heads, S, d_head]",
}


def written_out() -> str:
    text = re.sub(r"^type .*\n", "", NAMED, flags=re.MULTILINE)
    for name, types in WRITTEN.items():
        text = re.sub(name, types, text)
    return text


def test_a_name_is_the_type_it_stands_for() -> None:
    named, plain = (archdsl.loads(text, "net.arch")["Net_1"] for text in (NAMED, written_out()))
    assert not re.search(r"^type|KV|Rows|State|Keys", written_out(), re.MULTILINE)
    assert named.torch() == plain.torch()
    assert named.facts.record() == plain.facts.record()
