"""Random specs as published models: two files, a `hub` for a configuration and a checkpoint.

A checkpoint is the state of a model under other names, some tensors transposed, some cut in two, a
name that only some layers use; what is loaded from it is what the model was, and what is saved is
the checkpoint. A configuration has the settings under other names and gives the same model. And the
forms of the language that all these specs are made of are counted.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

import grammar
from archdsl import hub, pipeline, resolver
from archdsl.diagnostic import SpecError
from archdsl.elaborate.weights import parameters
from archdsl.graph import Layers, Model
from archdsl.source import Source
from emitted import code_of, on_meta, run
from random_specs import KINDS, Spec, specs

STATED = ("card", "item card", "directive", "date", "expect", "NUMBER", "start")
"""Parts of the grammar that say nothing of what is computed begin with one of these words."""
ELSEWHERE = {
    "as_, no STRING", "as_, no title...", "as... title...",
    "inputs, no input",
    "lowers NAME", "lowers expr", "lowers lowers", "lowers when", "block lowers",
    "path... /", "path... NAME...",
    "signature type...", "kind... type...",
    "weight target...", "weight... target", "change, no argument",
    "config_lines, no rule", "config_lines, no rule...", "weights_lines, no weight",
    "weights_lines, no weight...", "whole_use... _more...",
}  # fmt: skip
"""Parts that are not drawn: titles, a block without inputs, names in folders,
fused tensors, a `with` of nothing, which is refused; `lowers` and signatures of several inputs
stand in the blocks of the library that are drawn.
"""


@dataclass(frozen=True)
class Stored:
    """How targets are stored: transposed, in two tensors, in two by a pattern; which has another
    name in the layers that have another target.
    """

    turned: frozenset[str] = frozenset()
    halved: frozenset[str] = frozenset()
    cut: frozenset[str] = frozenset()
    other: tuple[str, str] | None = None

    def line(self, target: str, name: str) -> str:
        """The tensors of a target and their pattern, as a line of `weights` has them."""
        if target in self.turned:
            return f'"{name}" [a b -> b a]'
        if target in self.halved:
            return f'"{name}" + "{name}.2"'
        if target in self.cut:
            return f'"{name}" + "{name}.2" [p b, p b -> b (p + p)]'
        return f'"{name}"'

    def tensors(self, target: str, name: str, tensor: Tensor) -> dict[str, Tensor]:
        """A parameter as the checkpoint has it."""
        if target in self.turned:
            return {name: tensor.T}
        if target in self.halved | self.cut:
            parts = (tensor.T if target in self.cut else tensor).chunk(2)
            return dict(zip((name, f"{name}.2"), parts, strict=True))
        return {name: tensor}


def lines(spec: Spec, model: Model, stored: Stored) -> str:
    """A `hub` for the settings of a model and for each of its parameters. Half of the hubs take
    lines from elsewhere, as a whole or by parts, name their classes and group their weights.
    """
    sizes = " ".join(f"{name} <- .sizes.{name}" for name in ("d", "u"))
    config = ["more = .notes", "default .absent: 1"] if spec.twice else [sizes]
    config += [f"{name} <- .{name}_size ?? .{name}" for name in ("v", "h", "k", "vocab")]
    if spec.schedule == "list":
        near, far, other = KINDS
        chosen = f'{near} if t == "{near}" else ({far} if t != "{other}" else {other})'
        if spec.numbers["h"] % 2:
            chosen = f'match t {{ "{near}": {near}  "{far}": {far}  "{other}": {other} }}'
        config += [f"kinds <- [{chosen} for t in .kinds ?? []]"]
    elif spec.schedule == "numbers":
        config += ["widths <- .widths ?? []"]
    else:
        config += [f"{n} <- .{n}" for n in spec.counted]
    config += ['expect .kind: "M"' if spec.numbers["k"] % 2 else 'require .kind == "M"']
    weights = weight_lines(spec, model, stored)
    types = 'hub M "m", "m2"'
    if not spec.twice:
        ignored, listed = "ignore .note", " ".join(weights)
        return f"{types} {{ config {{ {' '.join(config)} {ignored} }} weights {{ {listed} }} }}\n"
    half = len(weights) // 2
    first, rest = (f"weights {{ {' '.join(part)} }}" for part in (weights[:half], weights[half:]))
    keys = (
        f"keys Sizes {{ {sizes} default .absent: 2, .more.absent: 3 {first} }}\n"
        f'keys Rest {{ ignore .note, .notes expect .lacking: 1, .other: "none" {rest} }}\n'
    )
    types += ' for "M"' + ', "MWithHead"' * spec.tied
    inner = f"config {{ {' '.join(config)} }}"
    kind = sum(spec.numbers.values()) % 3
    if kind == 0:
        used = "use Sizes, Rest" if spec.numbers["h"] % 2 else "use Sizes use Rest"
        inner = f'config {{ {used} {" ".join(config)} }} weights {{ <- "" {{ {used} }} }}'
    elif kind == 1:
        inner = f"use Sizes, Rest {inner}"
    else:
        keys += f"keys All {{ {' '.join(config)} }}\n"
        inner = "use Sizes use Rest use All"
    return f"{keys}{types} {{ {inner} }}\n"


def weight_lines(spec: Spec, model: Model, stored: Stored) -> list[str]:
    """Lines of `weights`: one for each target, one for two where a model has such."""
    weights = ['skip "{i}.unused.*"']
    left = list(targets(model))
    special = {"embed.weight", *(stored.other or ())}
    plain = [t for t in left if t not in special and stored.line(t, "x") == '"x"']
    for begin in ("", "layers[i]."):
        ends = [t.removeprefix(begin) for t in plain if t.startswith(begin)]
        pair = [end for end in ends if "[" not in end][:2]
        if len(pair) == 2:
            braced = f"{{{','.join(pair)}}}"
            weights.append(f'{begin}{braced} <- "{key(begin + braced)}"')
            left = [t for t in left if t.removeprefix(begin) not in pair or begin not in t]
    for target in left:
        if target == "embed.weight" and spec.twice:
            inner = f"weight <- {stored.line(target, 'weight.weight')}"
            weights += [f'embed <- "model.embed.", "old.embed." {{ {inner} }}']
            continue
        if stored.other is not None and stored.other[0] == target:
            own = stored.line(target, f"own.{key(target)}")
            weights += [f"{target} <- {own} when {stored.other[1]}"]
        first, _, pattern = stored.line(target, key(target)).partition(" [")
        other = "," + first.replace("model.", "old.") if target == "embed.weight" else ""
        weights += [f"{target} <- {first}{other}{pattern and ' ['}{pattern}"]
    return weights


def targets(model: Model) -> dict[str, int]:
    """Targets of a `hub` for all parameters, with the number of their axes."""
    own = {child.name: child for child in model.root.children}
    found = {}
    for path, param in parameters(model.root):
        child = own.get(path[0])
        if child is None or not (child.apart or (path == ("head", "weight") and child.ties)):
            stacked = child is not None and isinstance(child.part, Layers)
            first = f"{path[0]}[i]" if stacked else path[0]
            found[".".join((first, *path[1:]))] = len(param.type.axes)
    return found


def key(target: str) -> str:
    """The published name of a target."""
    return f"model.{target.replace('[i]', '.{i}')}.weight"


def of_state(name: str) -> str:
    """The target of a name in the state dict."""
    first, _, rest = name.partition(".")
    number, _, last = rest.partition(".")
    return f"{first}[i].{last}" if number.isdigit() else name


def kept(draw: Any, spec: Spec, folder: Path) -> tuple[pipeline.Variant, Stored]:
    """The spec in two files with a hub, and how its tensors are stored."""
    heads = [line.split()[1].partition("(")[0] for line in spec.blocks().split("\n")
             if line.startswith("block Layer")]  # fmt: skip
    used = [line for line in spec.blocks().split("\n") if line.startswith("use")]
    text = "\n".join([*used, f"use ./parts: {', '.join([*heads, 'Ahead'])}", spec.model()])
    (folder / "parts.arch").write_text(spec.blocks())
    (folder / "m.arch").write_text(text)
    plain, *_ = sound(folder).variants  # others may be made from it
    known = targets(plain.model)
    even: dict[str, list[bool]] = {}
    for name, tensor in on_meta(run(code_of(plain))).state_dict().items():
        axes = [n % 2 == 0 for n in tensor.shape]
        before = even.get(of_state(name), axes)
        even[of_state(name)] = [a and b for a, b in zip(before, axes, strict=True)]
    flat = [t for t, axes in known.items() if axes == 2 and ".pool" not in t]
    how = {t: draw(st.sampled_from(("whole", "turned", "halved", "cut"))) for t in known}
    turned = frozenset(t for t in flat if how[t] == "turned")
    halved = frozenset(t for t in known if how[t] == "halved" and any(even[t][:1]))
    cut = frozenset(t for t in flat if how[t] == "cut" and even[t][1])
    layers = [t for t in known if "[i]" in t]
    pairs = [(a, b) for a in layers for b in layers if a.split("[")[0] == b.split("[")[0]]
    other = draw(st.none() | st.sampled_from(pairs)) if pairs else None
    stored = Stored(turned, halved, cut, other)
    (folder / "m.arch").write_text(text + lines(spec, plain.model, stored))
    variant, *_ = sound(folder).variants
    return variant, stored


def sound(folder: Path) -> pipeline.Checked:
    found = pipeline.check_path(folder / "m.arch", "m.arch")
    assert not found.diagnostics, "\n\n".join(d.text() for d in found.diagnostics)
    return found


@settings(max_examples=60)
@given(specs(), st.data())
def test_what_is_published_is_read_back(drawn: Spec, data: st.DataObject) -> None:
    """Two files give what one gives; a checkpoint gives the model; a configuration the counts."""
    assume("* MLP" not in drawn.blocks())  # experts of two kinds have parameters of one name
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        variant, stored = kept(data.draw, drawn, folder)
        one = pipeline.check_path(_one_file(drawn, folder), "one.arch").variants[0]
        assert variant.facts.record() == {**one.facts.record(), "file": "m.arch"}
        _checkpoint(variant, stored, folder / "saved")
        for module in (hub, resolver):
            patch.setattr(module, "specs_folder", lambda: folder)
        _configuration(drawn, variant)


def _one_file(drawn: Spec, folder: Path) -> Path:
    path = folder / "one.txt"
    path.write_text(drawn.text())
    return path


def _checkpoint(variant: pipeline.Variant, stored: Stored, folder: Path) -> None:
    module = run(code_of(variant))
    torch.manual_seed(0)
    model = module.Model(module.Config()).eval()
    state = model.state_dict()
    known = targets(variant.model)
    tensors = {}
    for name, tensor in state.items():
        target = of_state(name)
        if target in known:
            layer = name.split(".")[1] if "[i]" in target else ""
            own = ""
            if stored.other is not None and stored.other[0] == target:
                own = "own." * (stored.other[1].replace("[i]", f".{layer}") in state)
            published = own + key(target).replace("{i}", layer)
            tensors |= stored.tensors(target, published, tensor)
    unused = {"0.unused.x": torch.zeros(1)}
    torch.manual_seed(1)
    other = module.Model(module.Config()).eval()
    beside = {n: t for n, t in state.items() if n.startswith("ahead")}
    loaded = module.parameters_from(tensors | unused, other)
    missing = set(state) - set(loaded) - set(beside)
    assert missing <= {"head.weight"}
    other.load_state_dict({**state, **loaded})
    tokens = torch.arange(10).view(2, 5)
    with torch.no_grad():
        assert all(torch.equal(loaded[n], state[n]) for n in loaded)
        assert torch.equal(other(tokens), model(tokens)) or not model(tokens).isfinite().all()
    if beside:
        with pytest.raises(ValueError, match="no published tensor is for ahead"):
            module.save(other, folder)
    else:
        module.save(other, folder)
        saved = load_file(folder / "model.safetensors")
        assert saved.keys() == tensors.keys()
        assert all(torch.equal(saved[name], tensors[name]) for name in saved)
    del tensors[next(iter(tensors))]
    with pytest.raises(ValueError, match="no tensor for"):
        module.parameters_from(tensors, other)


def _configuration(drawn: Spec, variant: pipeline.Variant) -> None:
    given = {"model_type": "m2", "kind": "M", "note": 1, **drawn.numbers, "vocab_size": 11}
    given["sizes"] = {name: given.pop(name) for name in ("d", "u")}
    given |= dict(zip(drawn.counted, drawn.counts, strict=False))
    if drawn.schedule in ("list", "numbers"):
        given["kinds" if drawn.schedule == "list" else "widths"] = drawn.items
    text = hub.imported(given, name="V").text
    found = pipeline.check_source(Source("imported.arch", text))
    assert not found.diagnostics, "\n\n".join(d.text() for d in found.diagnostics)
    before, after = variant.facts.record(), found.variants[0].facts.record()
    for fact in ("params", "active", "kv_bytes_per_token", "state_bytes", "layers", "schedule"):
        assert after[fact] == before[fact]
    if drawn.twice:  # the hub names its classes, so it knows all keys
        assert "does not speak of it: another" in hub.imported({**given, "another": 1}).remarks[0]
        given["auto_map"] = {"AutoModel": "own.Code"}
    with pytest.raises(SpecError, match="another"):
        hub.imported({**given, "another": 1})
    with pytest.raises(SpecError, match="requirement"):
        hub.imported({**given, "kind": "N"})


def test_every_form_is_drawn() -> None:
    """A form of the language that no spec is made of any more is missed."""
    several = re.compile(r"\w+\.\.\. .*\.\.\.")  # one more of what there are two of
    parts = {p for p in grammar.every_part() if not several.fullmatch(p)}
    wanted = {p for p in parts if not p.startswith(STATED)} - ELSEWHERE
    met: set[str] = set()

    @settings(max_examples=200, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(specs(), st.data())
    def collect(drawn: Spec, data: st.DataObject) -> None:
        if any(not p.startswith(HUB) for p in wanted - met):
            met.update(grammar.parts(drawn.text()))
        if any(p.startswith(HUB) for p in wanted - met):
            with tempfile.TemporaryDirectory() as name:
                kept(data.draw, drawn, Path(name))
                met.update(grammar.parts((Path(name) / "m.arch").read_text()))

    collect()
    assert not wanted - met, "\n".join(sorted(wanted - met))
    assert not met & ELSEWHERE, "\n".join(sorted(met & ELSEWHERE))


HUB = ("hub", "key", "mapping", "require", "ignore", "weight", "skip", "source", "step", "target",
       "default", "path", "when_", "item hub", "COMPARE !=", "list, no", "hub STRING", "expected",
       "config_lines", "weights_lines", "whole_use", "include", "_more")  # fmt: skip
"""Parts that only a hub or a second file has."""
