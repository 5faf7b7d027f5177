"""Lines of `hub ... weights`: targets that exist, patterns that fit their shapes.

    layers[i].mix.q_proj.w, layers[i].mix.k_proj.w <- "h.{i}.qk.weight" [d (n + m) -> n d, m d]

The right side of a pattern is matched with the shapes of the targets; the left side then says what
the tensor of the checkpoint has to look like.
"""

from __future__ import annotations

import re

from archdsl import syntax as s
from archdsl.check import patterns
from archdsl.check.scope import Numbers, Scope
from archdsl.diagnostic import Diagnostics, closest, nearest
from archdsl.dims import Dim
from archdsl.graph import Experts, Hub, Model, Module, Param, WeightRule
from archdsl.resolver import Unit
from archdsl.types import TensorType

_BRACE = re.compile(r"\{([^{}]*)\}")


def hub(model: Model, home: Unit, diagnostics: Diagnostics) -> Hub | None:
    """The map of checkpoint keys for a model, or None where its file has none."""
    for decl in home.hubs:
        if decl.model.name == model.family:
            return _hub(model, decl, diagnostics)
    return None


def _hub(model: Model, decl: s.HubDecl, diagnostics: Diagnostics) -> Hub:
    rules, skips = [], []
    for line in decl.weights:
        if isinstance(line, s.Skip):
            skips.append(line.source.value)
            continue
        rule = _rule(model, line, diagnostics)
        if rule is not None:
            rules.append(rule)
    _unfilled(model, decl, rules, diagnostics)
    return Hub(tuple(t.value for t in decl.types), tuple(rules), tuple(skips))


def _rule(model: Model, line: s.WeightMap, diagnostics: Diagnostics) -> WeightRule | None:
    """A line for this model; None where no layer has its targets."""
    paths = [_path(t) for t in line.targets]
    banks = {i for p in paths for i in _bank_indices(model.root, p)}
    paths = [tuple(x for x in p if x[1:-1] not in banks or not x.startswith("[")) for p in paths]
    targets = [_find(model.root, p) for p in paths]
    if not any(targets):
        return None
    if not all(targets):
        missing = next(t for t, f in zip(line.targets, targets, strict=True) if not f)
        known = [".".join(path) for path, _ in parameters(model.root)]
        _no_parameter(missing, nearest(_plain(missing), known), diagnostics)
        return None
    indices = {step[1:-1] for p in paths for step in p if step.startswith("[")} | banks
    for source in line.sources:
        for name in _BRACE.findall(source.value):
            if name not in indices:
                diagnostics.add("hub-weights", f"{{{name}}} is no index of the target", source.span)
                return None
    plan = None
    if line.pattern is not None:
        types = [_rooted(f[0]) for f in targets if f]
        scope = Scope(diagnostics, {}, {}, numbers=Numbers({}, {}, {}, model.numbers))
        plan = patterns.inverse(scope, line.pattern, types)
        if plan is None:
            return None
    sources = [x.value for x in line.sources]
    for index in banks:
        sources = [x.replace(f"{{{index}}}", "*") for x in sources]
    return WeightRule(tuple(paths), tuple(sources), plan)


def _no_parameter(target: s.Target, help: str, diagnostics: Diagnostics) -> None:
    """Reports a target that the model does not have."""
    message = f"{target.span.text} is no parameter of the model"
    diagnostics.add("hub-weights", message, target.span, help=help)


def _plain(target: s.Target) -> str:
    """A target without its indices, as `parameters` has them."""
    return ".".join(step for step in _path(target) if not step.startswith("["))


def _spelt(target: s.Target, path: tuple[str, ...]) -> str:
    """A path with the indices of a target."""
    steps = _path(target)
    names = iter(path)
    if len(path) != sum(not step.startswith("[") for step in steps):
        return ".".join(path)
    spelt = (step if step.startswith("[") else f".{next(names)}" for step in steps)
    return "".join(spelt).removeprefix(".")


def _path(target: s.Target) -> tuple[str, ...]:
    steps = [f"[{x.span.text}]" if not _is_name_step(x) else x.span.text for x in target.steps]
    return (target.name.name, *steps)


def _is_name_step(step: s.Name | s.Expr) -> bool:
    """Steps after a dot are names; those in brackets may be names too, so look at the text."""
    before = step.span.source.text[: step.span.start].rstrip()
    return before.endswith(".")


def _bank_indices(module: Module, path: tuple[str, ...]) -> list[str]:
    """Indices behind a bank: they count experts, whose tensors the model holds stacked."""
    here, indices, bank = [module], [], False
    for step in path[:-1]:
        if step.startswith("["):
            indices.extend([step[1:-1]] if bank else [])
            continue
        children = [c for x in here for c in x.children if c.name == step]
        bank = any(isinstance(c.part, Experts) for c in children)
        here = [m for c in children for _, m in c.modules]
    return indices


_Found = tuple[Module, Param, tuple[Dim, ...]]


def _find(module: Module, path: tuple[str, ...]) -> list[_Found]:
    """The parameters that a path means, in every layer that has it, with the sizes of banks."""
    here: list[tuple[Module, tuple[Dim, ...]]] = [(module, ())]
    for step in path[:-1]:
        if not step.startswith("["):
            here = [
                (m, (*banks, Dim.number(c.part.count)) if isinstance(c.part, Experts) else banks)
                for x, banks in here
                for c in x.children
                if c.name == step
                for _, m in c.stored
            ]
    return [
        (m, p, banks)
        for m, banks in here
        for p in m.params
        if p.name == path[-1] and p.kind != "const"
    ]


def _rooted(place: _Found) -> TensorType:
    module, param, banks = place
    one = module.symbols.type(param.type)
    return TensorType(one.dtype, (*banks, *one.axes))


def _unfilled(
    model: Model, decl: s.HubDecl, rules: list[WeightRule], diagnostics: Diagnostics
) -> None:
    """Every parameter of the model has a line; those that stand apart need none."""
    beside = {child.name for child in model.root.children if child.apart}
    filled = {tuple(x for x in t if not x.startswith("[")) for r in rules for t in r.targets}
    all_paths = parameters(model.root)
    known = {".".join(path) for path, _ in all_paths}
    lines = (line for line in decl.weights if isinstance(line, s.WeightMap))
    # A line may be for another variant; one that is nearly a path without a line is misspelt.
    idle = {_plain(t): t for line in lines for t in line.targets if _plain(t) not in known}
    for path, param in all_paths:
        if path not in filled and not param.tied and path[0] not in beside:
            name = ".".join(path)
            near = closest(name, idle)
            if near and closest(near, known) == name:
                target = idle.pop(near)
                _no_parameter(target, f"did you mean {_spelt(target, path)}?", diagnostics)
                continue
            diagnostics.add(
                "hub-weights",
                f"no line fills {name}",
                decl.model.span,
                help=f'add: {name} <- "..."',
            )


def parameters(module: Module, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Param]]:
    """Paths of all parameters and buffers, the layers of a stack taken together, in order."""
    params: dict[tuple[str, ...], Param] = {
        (*path, p.name): p for p in module.params if p.kind != "const"
    }
    for child in module.children:
        for _, inner in child.stored:
            params.update(parameters(inner, (*path, child.name)))
    return list(params.items())
