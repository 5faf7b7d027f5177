"""Well-typed specs drawn at random, and mutations of them that break one dimension.

A spec has a model with a stack of layers, each a block whose body is a walk of steps
(`random_steps.py`). How the stack is written, what its layers take beside `x`, what is shared and
what stands apart is drawn too, and which settings the variant has from another one that it changes.
Settings get small numbers that are often equal, so that what only
happens to fit is drawn as well.

    drawn = spec.example()
    drawn.text()                  the spec
    drawn.broken(i)               the same with the i-th mutation, and the lines it is in
    drawn.blocks(), drawn.model() its two halves
"""

import re
import zlib
from dataclasses import dataclass

from hypothesis import strategies as st

from random_steps import CARRIED, IMPORTS, NAMES, SAME, SLICED, Step, layer
from random_types import named

KINDS = ("near", "far", "other")
"""The words of a schedule from a list, one for each kind of layer."""
SCHEDULES = ("counts", "nested", "list", "index", "numbers")
SHARED = ("GatedMLP(d, u)", "MLP(d, 2 * d)", "GQA(d, h, d_head: 2 * k)")


@dataclass(frozen=True)
class Break:
    """A mutation of the model: its line, from, to, and how many lines may get a message."""

    line: int
    old: str
    new: str
    lines: int = 1


@dataclass(frozen=True)
class Spec:
    """A drawn spec: bodies of layers, numbers of settings, the form of the model."""

    layers: tuple[tuple[Step, ...], ...]
    numbers: dict[str, int]
    counts: tuple[int, ...]
    flags: tuple[bool, ...]
    tied: bool
    twice: bool
    schedule: str
    beside: tuple[str, ...]
    shared: str
    common: str
    apart: str
    changed: frozenset[str]

    @property
    def breaks(self) -> list[tuple[int, int, int]]:
        """Every mutation as (layer, step, which of the step); layer -1 is the model."""
        return [
            (i, j, n)
            for i, layer in enumerate(self.layers)
            for j, step in enumerate(layer)
            for n in range(len(step.breaks))
        ] + [(-1, 0, n) for n in range(len(self._body()[1]))]

    def text(self) -> str:
        """The spec; every other one has names for its types."""
        text = self.blocks() + self.model()
        return named(text) if zlib.crc32(text.encode()) % 2 else text

    def blocks(self) -> str:
        """The imports and the blocks of the layers."""
        return "\n".join(self._blocks(None)[0]) + "\n"

    def model(self) -> str:
        """The model, its smallest form and its variant."""
        return "\n".join(self._model(None)[0]) + "\n"

    def broken(self, mutation: tuple[int, int, int]) -> tuple[str, range]:
        """The spec with one mutation, and the lines that may get a message, counted from 1."""
        lines, place = self._blocks(mutation)
        rest, more = self._model(mutation)
        place = place or range(len(lines) + more.start, len(lines) + more.stop)
        return "\n".join(lines + rest) + "\n", place

    def _blocks(self, mutation: tuple[int, int, int] | None) -> tuple[list[str], range]:
        out = list(IMPORTS)
        place = range(0)
        for i, steps in enumerate(self.layers):
            out += ["", f"{self._head(i)} {{"]
            for j, step in enumerate(steps):
                lines = list(step.lines)
                if mutation is not None and mutation[:2] == (i, j):
                    line, old, new = step.breaks[mutation[2]]
                    assert lines[line] == old != new
                    lines[line] = new
                    place = range(len(out) + 1, len(out) + 1 + len(lines))
                out += [f"  {line}" for line in lines]
            out += ["  return x, z" if CARRIED in self.beside else "  return x", "}"]
        return out, place

    def _head(self, number: int) -> str:
        """The first line of a layer. What it does not use has a `_` in front."""
        body = "\n".join(line for step in self.layers[number] for line in step.lines)
        used = {what for what in self.beside if what == CARRIED or f"(tanh({what[0]}))" in body}
        taken = ["x: [B, T, d]", *(w if w in used else f"_{w}" for w in self.beside)]
        given = "([B, T, d], [B, T, u])" if CARRIED in self.beside else "[B, T, d]"
        kinds = {**dict.fromkeys(NAMES, ""), "flag": ": bool", "common": ": [B, T, d] -> [B, T, d]"}
        words = set(re.findall(r"\w+", f"{body} {given} {taken} d"))
        settings = ", ".join(f"{n if n in words else f'_{n}'}{kind}" for n, kind in kinds.items())
        return f"block Layer{number}({settings})({', '.join(taken)}) -> {given}"

    # --- the model --------------------------------------------------------------------------------

    def _model(self, mutation: tuple[int, int, int] | None) -> tuple[list[str], range]:
        body, breaks = self._body()
        body = list(body)
        place = range(0)
        if mutation is not None and mutation[0] == -1:
            made = breaks[mutation[2]]
            assert made.old in body[made.line]
            body[made.line] = body[made.line].replace(made.old, made.new, 1)
            place = range(made.line + 3, made.line + 3 + made.lines)
        given = {name: str(self._number(name)) for name in (*NAMES, "vocab", *self.counted)}
        kinds = {**dict.fromkeys(given, ""), "kinds": f": list(enum({', '.join(KINDS)}))",
                 "widths": ": list(dim)"}  # fmt: skip
        runs = [f"{n} * [{self._item(i)}]" for i, n in enumerate(self.counts)]
        if self.schedule in ("list", "numbers"):
            given["kinds" if self.schedule == "list" else "widths"] = " + ".join(runs)
        values = [f"{name}: {value}" for name, value in given.items()]
        settings = ", ".join(f"{name}{kinds[name]}" for name in given)
        words = set(re.findall(r"\w+", "\n".join(self._body()[0])))
        idle = ", ".join(f"{name} > 0" for name in NAMES if name not in words)
        where = f" where {idle}" if idle else ""  # what the body does not use, a condition does
        return [
            "",
            f"model M({settings})(stream tokens: int[B, T]) -> [B, T, vocab]{where} {{",
            *(f"  {line}" for line in body),
            "}",
            f"tiny M {{ {'  '.join(values)} }}",
            *self._variant(given),
        ], place

    def _variant(self, given: dict[str, str]) -> list[str]:
        """The variant V: a model with its settings, or another variant with some of them changed.
        That one has other sizes where any size will do.
        """
        changes = {name: value for name, value in given.items() if name in self.changed}
        any_size = ("vocab", *self.counted)
        before = given | {n: f"{v} + 1" for n, v in changes.items() if n in any_size}
        settings = ", ".join(f"{name}: {value}" for name, value in before.items())
        if not changes:
            return [f'variant V = M({settings}) {{ name: "V" }}']
        listed = ", ".join(f"{name}: {value}" for name, value in changes.items())
        braces = ' { name: "V" }' if self.tied else ""
        return [
            f"variant V = Before with ({listed}){braces}",
            f"variant Before = M({settings}) {{}}",
        ]

    def _item(self, number: int) -> str:
        return KINDS[number] if self.schedule == "list" else str(self.numbers[NAMES[number]])

    @property
    def items(self) -> list[str | int]:
        """The items of the list of a schedule that comes from one."""
        found: list[str | int] = []
        for i, n in enumerate(self.counts):
            found += n * [KINDS[i] if self.schedule == "list" else self.numbers[NAMES[i]]]
        return found

    @property
    def counted(self) -> list[str]:
        """The settings that say how many layers of a kind there are."""
        lists = self.schedule in ("list", "numbers")
        return [] if lists else [f"n{i}" for i in range(len(self.layers))]

    def _number(self, name: str) -> int:
        if name == "vocab":
            return 11
        return self.counts[int(name[1:])] if name[1:].isdigit() else self.numbers[name]

    def _layer(self, number: int, **changes: str) -> str:
        common = "common" if self.shared else self.common
        names = ", ".join(changes.get(name, name) for name in NAMES)
        return f"Layer{number}({names}, {str(self.flags[number]).lower()}, {common})"

    def _by_width(self) -> str:
        """Layers one wider than the list says, said in one of several ways."""
        wider = self._layer(0, k="w + 1")
        return [
            f"{self._layer(0, k='w')} for w in [n + 1 for n in widths]",
            f"{wider} for i, w in enumerate(widths) if 1 > 0",
            f"{self._layer(0, k='widths[i + 1 - 1] + 1')} for i in range(len(widths))",
            f"{wider} for _, w in zip(widths, widths[:1] + widths[1:2] + widths[2:])",
        ][self.numbers["h"] - 1]

    def _stack(self) -> tuple[str, str]:
        """The layers, and how many they are."""
        made = [self._layer(i) for i in range(len(self.layers))]
        counted = [f"{n} * {made[i]}" for i, n in enumerate(self.counted)]
        total = " + ".join(self.counted)
        match self.schedule:
            case "counts":
                return ", ".join(counted), total
            case "nested":
                return (
                    f"2 * ({', '.join(counted)}, {made[0]}), {made[-1]}",
                    f"2 * ({total} + 1) + 1",
                )
            case "index":
                each = [
                    f"{self._layer(i, k='k + i')} for i in {n}" for i, n in enumerate(self.counted)
                ]
                return ", ".join(each), total
            case "numbers":
                return self._by_width(), "len(widths)"
        if self.numbers["k"] % 2:
            cases = [f"{KINDS[i]}: {layer}" for i, layer in enumerate(made[:-1])]
            rest = ", ".join(KINDS[len(made) - 1 :]) if self.numbers["h"] % 2 else "else"
            cases = "  ".join([*cases, f"{rest}: {made[-1]}"])
            return f"match kind {{ {cases} }} for kind in kinds + [near]", "len(kinds) + 1"
        chosen = made[-1]
        for i in reversed(range(len(made) - 1)):
            test = f"kind == {KINDS[i]}" if i else f"not (kind in [{', '.join(KINDS[1:])}])"
            chosen = f"{made[i]} if {test} else ({chosen})"
        return f"{chosen} for kind in kinds + [near]", "len(kinds) + 1"

    def _body(self) -> tuple[list[str], list[Break]]:
        layers, total = self._stack()
        lines = ["embed = Embedding(vocab, d)"]
        breaks = []
        if self.apart:
            lines += [f"apart ahead = {self.apart}"]
            breaks += [Break(len(lines) - 1, "Ahead(d, MLP(d", "Ahead(d, MLP(d + 1")]
        if self.shared:
            lines += [f"share common = {self.shared}"]
            start = self.shared.partition(",")[0]
            breaks += [Break(len(lines) - 1, start, f"{start} + 1", 2)]
        lines += [f"layers = stack({layers})"]
        head = f"head = Linear(d, vocab{', weight: embed.weight' if self.tied else ''})"
        lines += [
            head,
            "first = embed(tokens)",
            *(["give tokens", "give first"] if self.tied else ["give first, tokens"]),
        ]
        arguments = ["first"]
        if CARRIED in self.beside:
            lines += ["enter = Linear(d, u)", "back_again = Linear(u, d)"]
            arguments += ["enter(first)"]
        if SLICED in self.beside:
            lines += [f"count = {total}", "slices = Linear(d, count * v)"]
            lines += ["e = first |> slices |> rearrange[B T (count v) -> count B T v]"]
            breaks += [Break(len(lines) - 1, "-> count B T v", "-> B count T v", 2)]
            arguments += ["each e"]
        if SAME in self.beside:
            arguments += ["first"]
        results = "x, z" if CARRIED in self.beside else "x"
        lines += [f"{results} = layers({', '.join(arguments)})"]
        if self.twice:
            again = [
                "x",
                *(["z"] if CARRIED in self.beside else []),
                *arguments[len(results[::3]) :],
            ]
            lines += [f"{results} = layers({', '.join(again)})"]
        if CARRIED in self.beside:
            lines += ["x += back_again(z)"]
        if self.flags[0]:
            lines += ["param bias: [vocab] = zeros", "return head(x) + bias"]
        else:
            lines += ["return x |> head"]
        breaks += [Break(lines.index(head), "Linear(d", "Linear(d + 1", len(lines))]
        return lines, breaks


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """A spec that checks."""
    schedule = draw(st.sampled_from(SCHEDULES))
    taken = tuple(what for what in (CARRIED, SLICED, SAME) if draw(st.integers(0, 3)) == 0)
    size = 1 if schedule == "numbers" else draw(st.integers(1, 3))
    layers = tuple(layer(draw, taken) for _ in range(size))
    runs = draw(st.integers(1, 3)) if schedule == "numbers" else size
    ahead = "Ahead(d, MLP(d, u))"
    shared = draw(st.sampled_from(("", *SHARED)))
    return Spec(
        layers,
        {name: draw(st.integers(1, 4)) for name in NAMES},
        tuple(draw(st.integers(1, 3 if schedule != "nested" else 2)) for _ in range(runs)),
        tuple(draw(st.booleans()) for _ in layers),
        draw(st.booleans()),
        draw(st.booleans()),
        schedule,
        taken,
        shared,
        draw(st.sampled_from(SHARED)),
        draw(st.sampled_from(("", "", ahead, f"stack(2 * {ahead})"))),
        draw(
            st.frozensets(
                st.sampled_from((*NAMES, "vocab", "n0", "n1", "kinds", "widths")), max_size=4
            )
        ),
    )
