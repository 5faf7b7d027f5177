"""Emitted modules as Python modules: from a spec's text to something that can be run."""

import importlib.util
import itertools
import sys
from collections.abc import Callable
from types import ModuleType

import torch

from archdsl import emit, pipeline
from archdsl.source import Source

_numbers = itertools.count()


def run(code: str) -> ModuleType:
    """The module of a source text."""
    name = f"emitted_{next(_numbers)}"
    spec = importlib.util.spec_from_loader(name, loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    exec(compile(code, f"{name}.py", "exec"), module.__dict__)
    return module


def from_text(text: str, lower: bool = True, change: Callable[[str], str] = str) -> ModuleType:
    """The module of the first variant of a spec's text, its source changed before it runs."""
    checked = pipeline.check_source(Source("imported.arch", text))
    assert not checked.diagnostics, checked.diagnostics[0].text()
    return run(change(code_of(checked.variants[0], lower)))


def code_of(variant: pipeline.Variant, lower: bool = True) -> str:
    """The source of a variant's module, with fused kernels or without."""
    tiny = variant.tiny
    return emit.emit(variant.model, tiny, lower)


def fill(module: ModuleType, model: torch.nn.Module, published: dict[str, torch.Tensor]) -> None:
    """Gives a model the weights of a checkpoint. What stands apart and is not there falls away, as
    in `load`.
    """
    state = module.parameters_from(published, model)
    for part in getattr(module, "APART", ()):
        if not any(name.startswith(f"{part}.") for name in state):
            delattr(model, part)
    model.load_state_dict(state)


def on_meta(module: ModuleType) -> torch.nn.Module:
    """The model at its full size, without memory for it."""
    with torch.device("meta"):
        return module.Model(module.Config())
