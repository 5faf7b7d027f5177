"""Random well-typed specs: what is checked is what runs, and what is broken is found in its place.

`make fuzz` draws many more of them, and others each time.
"""

from collections.abc import Iterator
from functools import partial

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archdsl import pipeline
from archdsl.diagnostic import Diagnostic
from archdsl.facts.sizes import BYTES
from archdsl.formatter import formatted
from archdsl.graph import Module, Single
from archdsl.source import Source
from emitted import code_of, run
from interpreter import layers
from random_specs import Spec, specs

BATCH, TIME = 2, 5
DRAWN = settings.default.max_examples if settings.default else 100
EXAMPLES = max(300, DRAWN // 4)
"""Specs to run; `make fuzz` raises the number, as that of all other tests."""


def checked(text: str, tiny: bool = True) -> pipeline.Checked:
    return pipeline.check_source(Source("random.arch", text), tiny=tiny)


def sound(text: str, tiny: bool = True) -> pipeline.Variant:
    found = checked(text, tiny)
    assert not found.diagnostics, f"{told(found.diagnostics)}\n\n{text}"
    return found.variants[0]


def told(diagnostics: tuple[Diagnostic, ...]) -> str:
    return "\n\n".join(d.text() for d in diagnostics)


def places(module: Module, path: str = "") -> Iterator[tuple[str, Module]]:
    """Every application below a module with the path of its bindings."""
    for child in module.children:
        if child.inline or child.apart:
            continue
        here = f"{path}{child.name}"
        if isinstance(child.part, Single):
            yield here, child.part.module
            yield from places(child.part.module, f"{here}.")
        else:
            for number, layer in enumerate(layers(child)):
                yield f"{here}.{number}", layer
                yield from places(layer, f"{here}.{number}.")


def held(kept: object) -> int:
    """Bytes in a cache if the model's dtype, here double, were bf16: tensors within lists and
    dictionaries.
    """
    match kept:
        case torch.Tensor():
            size = BYTES["float"] if kept.dtype == torch.float64 else kept.element_size()
            return kept.numel() * size
        case dict():
            return sum(map(held, kept.values()))
        case list() | tuple():
            return sum(map(held, kept))
    return 0


def numbers(part: torch.nn.Module) -> int:
    """The numbers that a part has as parameters."""
    return sum(p.numel() for p in part.parameters())


def note(shapes: set[tuple[int, ...]], part: object, inputs: object, result: object) -> None:
    """A hook that notes the shape of a module's result; a binding may be applied several times."""
    first = result[0] if isinstance(result, tuple) else result
    if isinstance(first, torch.Tensor):
        shapes.add(tuple(first.shape))


def predicted(variant: pipeline.Variant, module: Module) -> tuple[int, ...]:
    """The shape of a module's result at the batch and the length of the tests."""
    known = {"B": BATCH, "T": TIME}
    axes = variant.model.shape(module, module.nodes[module.outputs[0]].type)
    return tuple(known[a.name] if a.name in known else int(str(a)) for a in axes)


@settings(max_examples=EXAMPLES)
@given(specs())
def test_what_is_checked_runs_as_predicted(drawn: Spec) -> None:
    """Parameters, the shape of every part's result, the bytes of the cache. Decoding token by token
    agrees with the full pass, and the kernels with the bodies.
    """
    variant = sound(drawn.text())
    tokens = torch.arange(BATCH * TIME).view(BATCH, TIME) % 11
    results = []
    for lower in (True, False):
        emitted = run(code_of(variant, lower))
        torch.manual_seed(0)
        model = emitted.Model(emitted.Config()).double().eval()
        torch.manual_seed(1)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        beside = numbers(model.ahead) if drawn.apart else 0
        assert beside == variant.facts.apart
        assert numbers(model) - beside == variant.facts.params
        shapes: dict[str, set[tuple[int, ...]]] = {}
        for name, part in model.named_modules():
            part.register_forward_hook(partial(note, shapes.setdefault(name, set())))
        with torch.no_grad():
            whole = model(tokens)
        assume(bool(whole.isfinite().all()))  # what overflows agrees with nothing
        expected = list(places(variant.model.root))
        assert {"embed", "head", "layers.0"} <= {name for name, _ in expected}
        for name, module in expected:
            found = shapes.get(name)  # none where a function stands for the module
            assert not found or predicted(variant, module) in found, name
        assert shapes["layers.0"] == shapes["embed"] == {(BATCH, TIME, drawn.numbers["d"])}
        assert tuple(whole.shape) == (BATCH, TIME, 11)
        if drawn.apart:
            part = model.ahead[1] if drawn.apart.startswith("stack") else model.ahead
            hidden = torch.ones(BATCH, TIME, drawn.numbers["d"]).double()
            assert part(hidden, hidden).shape == hidden.shape
        one = bool(drawn.shared) and " = common" in drawn.blocks()
        assert hasattr(model, "common") == one  # an instance of its own, no layer's
        cache = model.new_cache(BATCH, TIME)
        assert held(cache.kept) == BATCH * variant.facts.kv_bytes(TIME)
        with torch.no_grad():
            steps = torch.cat([model(t, cache=cache) for t in tokens.split(1, 1)], 1)
        assert torch.allclose(steps, whole, rtol=1e-6, atol=1e-9)
        results.append(whole)
    assert torch.allclose(*results, rtol=1e-5, atol=1e-7)


@settings(max_examples=max(1500, DRAWN))
@given(specs(), st.data())
def test_what_is_broken_is_found_in_its_place(drawn: Spec, data: st.DataObject) -> None:
    """One dimension is wrong: one message, within the lines of the step that is wrong."""
    if not drawn.breaks:
        return
    text, lines = drawn.broken(data.draw(st.sampled_from(drawn.breaks)))
    found = checked(text).diagnostics
    assert found, text
    assert {d.span.line for d in found if d.span} <= set(lines), f"{told(found)}\n\n{text}"


@settings(max_examples=max(300, DRAWN))
@given(specs())
def test_the_form_is_stable_and_means_the_same(drawn: Spec) -> None:
    text = drawn.text()
    made = formatted(Source("random.arch", text))
    assert formatted(Source("random.arch", made)) == made
    before, after = (
        sound(text, tiny=False),
        sound(made, tiny=False),
    )  # both have the same tiny model
    assert after.facts.record() == before.facts.record()
    assert after.torch() == before.torch()
