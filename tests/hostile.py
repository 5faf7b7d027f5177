"""Texts that mean harm or make no sense, by name: what a spec from the internet may hold."""

from collections.abc import Callable

HEAD = "use std.core: Linear, Embedding, RMSNorm, TransformerLayer, GatedMLP, Identity\n"


def model(body: str, settings: str = "d = 8, n = 2", variant: str = "M()") -> str:
    """A spec with one model and one variant; a condition uses the setting `n` for all bodies."""
    where = " where n > 0" if ", n = " in settings else ""
    return (
        f"{HEAD}model M({settings})(stream tokens: int[B, T]) -> [B, T, d]{where} {{\n"
        f"  embed = Embedding(257, d)\n{body}\n}}\nvariant V = {variant} {{}}\n"
    )


def layer(part: str, variant: str = "M()", settings: str = "d = 8, n = 2") -> str:
    """A spec whose model is an embedding and one part."""
    return model(f"  f = {part}\n  return embed(tokens) |> f", settings, variant)


MASKED_BY_POSITIONS = """\
  k = embed(tokens)
  cache k
  m = rearrange[T -> T 1](p{j}) >= rearrange[S -> 1 S](positions(S))
  return einsum[T S, B S d -> B T d](softmax[... S](select(m, zeros[T S], -inf)), k)"""


def doubled(first: str, step: str, last: str, times: int = 60) -> str:
    """A body whose parts each hold the one before twice: small as text, 2 ^ times when unfolded."""
    lines = [first, *(step.format(i=i, j=i - 1) for i in range(1, times)), last.format(j=times - 1)]
    return model("\n".join(lines))


def blocks(times: int, body: str) -> str:
    """Blocks that each apply the next one as `body` says."""
    made = "\n".join(
        f"block A{i}(d)(x: [B, T, d]) -> [B, T, d] {{ {body.format(j=i + 1)} }}"
        for i in range(times)
    )
    last = f"block A{times}(d)(x: [B, T, d]) -> [B, T, d] {{ f = Linear(d, d)  return x |> f }}"
    return f"{HEAD}{made}\n{last}\n" + layer("A0(d)").removeprefix(HEAD)


def ring(times: int) -> str:
    """Blocks that each apply the next one, and the last the first."""
    made = "\n".join(
        f"block A{i}(d)(x: [B, T, d]) -> [B, T, d] {{ f = A{(i + 1) % times}(d)  return x |> f }}"
        for i in range(times)
    )
    return f"{HEAD}{made}\n" + layer("A0(d)").removeprefix(HEAD)


def said(text: str) -> str:
    """A sound spec whose variant says a text of itself."""
    return model(PLAIN, variant="M()").replace("V = M() {}", f'V = M() {{ name: "{text}" }}')


TWICE = "f = A{j}(d)  g = A{j}(d)  return x |> f |> g"
OTHER = "f = A{j}(d, 2 * e)  g = A{j}(d, 2 * e + 1)  return x |> f |> g"
PLAIN = "  return embed(tokens)"

SPECS: dict[str, str | bytes | Callable[[], str | bytes]] = {
    "unclosed brace": "model M() {",
    "unclosed string": 'variant V = M() { name: "a\n}',
    "a thousand open braces": "{" * 1000,
    "null bytes": b"model M()\x00() -> [d] {}",
    "not UTF-8": b"model M() { # \xff\xfe\n}",
    "UTF-16": "model M() {}".encode("utf-16"),
    "binary": bytes(range(256)) * 40,
    "10,000 nested parentheses": lambda: model(f"  return {'(' * 10_000}tokens{')' * 10_000}"),
    "100,000 nested brackets": lambda: "[" * 100_000,
    "59 nested calls": lambda: model(f"  return {'float32(' * 56}embed(tokens{')' * 57}"),
    "a sum of 100,000": lambda: layer(f"Linear({' + '.join(['1'] * 100_000)}, d)"),
    "a sum of 190": lambda: layer(f"Linear({' + '.join(['d'] * 190)}, d)"),
    "conditions in a row": lambda: layer(f"Linear({'1 if true else ' * 5000}1, d)"),
    "minus in a row": lambda: layer(f"Linear({'- ' * 5000}1, d)"),
    "brackets behind one another": lambda: model(f"  return embed{'(tokens)' * 5000}"),
    "fields in a row": lambda: layer(f"Linear(d, d, weight: embed{'.weight' * 2000})"),
    "a billion layers": layer("stack(1_000_000_000 * Linear(d, d))"),
    "a billion layers by a setting": layer("stack(n * Linear(d, d))", variant="M(n: 1B)"),
    "a billion layers one by one": layer("stack(Linear(d, d) for i in n)", variant="M(n: 1B)"),
    "layers of layers of layers": model(
        "  a = stack(100_000 * Linear(d, d))\n  b = stack(100_000 * a)\n  c = stack(100_000 * b)\n"
        "  return embed(tokens) |> c"
    ),
    "a negative dimension": model(PLAIN, variant="M(d: -8)"),
    "a dimension of 0": model(PLAIN, variant="M(d: 0)"),
    "a dimension of 0 inside": layer("Linear(d, d - 8)"),
    "a fraction of a dimension": model(PLAIN, variant="M(d: 1.5)"),
    "a dimension of 40 digits": model(PLAIN, variant="M(d: " + "9" * 40 + ")"),
    "a number of 100,000 digits": lambda: model(PLAIN, variant=f"M(d: {'9' * 100_000})"),
    "a number too large for a float": model(PLAIN, variant="M(d: 1e999)"),
    "a tower of powers": layer(f"Linear({'(' * 8}d{' ^ 64)' * 8}, d)"),
    "a power of a long sum": "block A(a, b, c, e, f, g)(x: [(a + b + c + e + f + g) ^ 64]) -> [a] "
    "{ return x }",
    "a negative power": layer("Linear(2 ^ -3, d)"),
    "division by zero": layer("Linear(d // (d - 8), d)"),
    "the remainder by zero": layer("Linear(d % (n - 2), d)"),
    "a block that contains itself": ring(1),
    "blocks that contain each other": ring(2),
    "a ring of 30 blocks": ring(30),
    "a setting that needs itself": model(PLAIN, settings="d = d"),
    "blocks 3,000 deep": lambda: blocks(3000, "f = A{j}(d)  return x |> f"),
    "blocks that double, 60 deep": lambda: blocks(60, TWICE),
    "blocks that differ and double": lambda: (
        blocks(30, OTHER).replace("(d)(x", "(d, e)(x").replace("A0(d)", "A0(d, 1)")
    ),
    "recipes that double": "block P(f: [B, T, d] -> [B, T, d], g: [B, T, d] -> [B, T, d])"
    "(x: [B, T, d]) -> [B, T, d] { h = f  k = g  return x |> h |> k }\n"
    + doubled("  a0 = Linear(d, d)", "  a{i} = P(a{j}, a{j})", "  return embed(tokens) |> a{j}"),
    "quotients that double": doubled(
        "  a0 = d",
        "  a{i} = a{j} // 3 + a{j} % 5",
        "  f = Linear(d, a{j})\n  return embed(tokens) |> f",
    ),
    "numbers that square": doubled(
        "  a0 = d", "  a{i} = a{j} * a{j}", "  f = Linear(d, a{j})\n  return embed(tokens) |> f"
    ),
    "real numbers that square": doubled(
        "  a0 = 2.5", "  a{i} = a{j} * a{j}", "  f = RMSNorm(d, a{j})\n  return embed(tokens) |> f"
    ),
    "stacks that double": doubled(
        "  a0 = stack(2 * Linear(d, d))",
        "  a{i} = stack(a{j}, a{j})",
        "  return embed(tokens) |> a{j}",
    ),
    "lists that double": doubled(
        "  a0 = [1, 2]",
        "  a{i} = a{j} + a{j}",
        "  f = Linear(len(a{j}), d)\n  return embed(tokens) |> f",
    ),
    "positions added to themselves": doubled(
        "  p0 = positions(T)",
        "  p{i} = p{j} + p{j}",
        MASKED_BY_POSITIONS,
    ),
    "positions multiplied by themselves": doubled(
        "  p0 = positions(T)",
        "  p{i} = p{j} * p{j}",
        MASKED_BY_POSITIONS,
    ),
    "a list a billion times": layer("Linear(len(1_000_000_000 * [1]), d)"),
    "sizes that double": doubled(
        "  f0 = Linear(d * d, d)", "  f{i} = Linear(d * d, d)", "  return f{j}(embed(tokens))"
    ),
    "lists in lists": layer("Linear(len([len([i for i in 3_000 * [1]]) for j in 3_000 * [1]]), d)"),
    "lists after lists": lambda: model(
        "\n".join(f"  a{i} = [2 * j + 1 for j in 9_000 * [1]]" for i in range(100))
        + "\n  f = Linear("
        + " + ".join(f"len(a{i})" for i in range(100))
        + ", d)"
        "\n  return embed(tokens) |> f"
    ),
    "layers that all differ": layer(
        "stack(TransformerLayer(RMSNorm(d, i), GatedMLP(d, i + 1), GatedMLP(d, d)) for i in 30_000)"
    ),
    "300 variants of one model": lambda: (
        layer(
            "stack(2 * TransformerLayer(RMSNorm(d), GatedMLP(d, n), GatedMLP(d, d)), "
            "3 * GatedMLP(d, n))"
        )
        .replace("GatedMLP(d, n), GatedMLP(d, d)", "GQA(d, n), GatedMLP(d, n)")
        .replace("use std.core", "use std.attention: GQA\nuse std.core")
        + "\n".join(f"variant V{i} = M(d: 8 * {i + 1}) {{}}" for i in range(298))
    ),
    "a row of 290 variants": lambda: (
        model("  return embed(tokens)")
        + "".join(f"variant W{i} = W{i + 1} with (d: 8) " for i in range(290))
        + "variant W290 = V with (d: 8)"
    ),
    "a circle of 290 variants": lambda: (
        model("  return embed(tokens)")
        + "".join(f"variant W{i} = W{(i + 1) % 290} with (d: 8) " for i in range(290))
    ),
    "a body of 20,000 parts": lambda: model(
        "  x = embed(tokens)\n" + "  x = x + 1\n" * 20_000 + "  return x"
    ),
    "2,000 callouts": lambda: (
        model(PLAIN) + "card V {\n" + 'callout(embed): "a remark"\n' * 2000 + "}\n"
    ),
    "10,000 variants of nothing": lambda: "\n".join(
        f"variant V{i} = M() {{}}" for i in range(9999)
    ),
    "an import of a folder": "use ./.: A",
    "an import from above": "use ../secret: A",
    "an import of a path": "use ./a/b/../../etc/passwd: A",
    "an import of nothing": "use std.nothing: A",
    "a long line": lambda: "# " + "x" * 1_000_000 + "\n" + "?" * 100_000,
    "many errors": lambda: "\n".join(f"variant V{i} = N{i}() {{ what: 1 }}" for i in range(2000)),
    "only a comment": "# nothing\nhub",
    "nothing but a word": "modl",
    "a context of nothing": model(PLAIN).replace("M() {}", "M() { context: 0 }"),
    "a parameter as long as the input": model(
        "  param p: [T, d] = ones\n  return embed(tokens) + p"
    ),
    "a recursive block that nothing uses": f"{HEAD}block A(d)(x: [..., d]) -> [..., d] "
    "{ f = A(d)  return f(x) }\n" + model(PLAIN).removeprefix(HEAD),
    "a setting whose default is its block": f"{HEAD}block A(d, f: [B, T, d] -> [B, T, d] = A(d))"
    "(x: [B, T, d]) -> [B, T, d] { g = f  return g(x) }\n" + layer("A(d)").removeprefix(HEAD),
    "recursive blocks that nothing uses": ring(30).partition("model M")[0],
    "an import with a name of 300 letters": f"use ./{'a' * 300}: A",
    "an import of a folder of 300 letters": f"use ./{'a' * 300}/b: A",
    "a null character in a text": said("a\0b"),
    "a control character in a text": said("a\x1b]0;b\x07"),
    "a line separator in a text": said("a\u2028b"),
    "a turned direction in a text": said("a\u202eb"),
    "a name that is none in Python": model("  x² = embed(tokens)\n  return x²"),
    "names that are one in Python": model("  aℌ = embed(tokens)\n  return aℌ"),
    "a loop over what is not there": f"use ./missing: Cell\n{HEAD}"
    "block A(d)(x: [B, T, d]) -> [B, T, d] {\n  f = Cell(d)\n"
    "  return loop 2 with h: [B, T, d] = x { h = f(h) }\n}\n",
    "a state that becomes a block": layer("Linear(d, d)").replace(
        "return embed(tokens)", "y = loop 2 with h: [B, T, d] = embed(tokens) { h = f }  return y"
    ),
    "a slot that speaks of what is not there": f"use std.core: H\n{HEAD}"
    "block C(pos: [B, H] -> [B, H])(x: [B, T]) -> [B, T] { f = pos  return f(x) }\n"
    "block E(keep: [B, H] -> [B, H])(x: [B, T]) -> [B, T] { f = C(keep)  return f(x) }",
    "other quotes": "variant V = M() { name: “V” }",
    "a control sequence": 'variant V = M() { \x1b[31mname: "\x1b]0;title\x07" }',
    "a right-to-left override": "variant V\u202e = M() {}",
}
