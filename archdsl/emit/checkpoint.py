"""Published checkpoints: the table of keys, and the functions that reshape fused tensors."""

from __future__ import annotations

import json
import re

from archdsl.axes import Plan as AxesPlan
from archdsl.emit.lines import Line, line, plain
from archdsl.emit.names import safe
from archdsl.emit.rearrange import rearrange, split_call
from archdsl.emit.spell import Text, listed, of_config, spelt
from archdsl.emit.uses import Import, OfModel, StoredConfig, of_kind
from archdsl.graph import Model, WeightRule

LOADING = '''
def parameters_from(published: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """A state dict of `Model` from tensors under their published names.

    Raises ValueError for a parameter without a tensor, a tensor without a parameter, another shape,
    or a quantised checkpoint.
    """
    expected = model.state_dict()
    state: dict[str, Tensor] = {}
    used: set[str] = set()
    for sources, targets, convert in CHECKPOINT:
        for index in indices(targets[0], expected):
            names = [t.format(*index) for t in targets]
            keys = next(filter(None, (keys_of(s.format(*index), published) for s in sources)), None)
            if keys is None:
                continue
            used.update(keys)
            key = keys[0]
            tensor = published[key]
            if len(keys) > 1:
                tensor = torch.stack([published[k] for k in keys])
            if not tensor.is_floating_point() or tensor.element_size() < 2:
                raise ValueError(f"{key} is {tensor.dtype}: quantised checkpoints cannot be loaded")
            try:
                pieces = convert({arguments}) if convert else (tensor,)
                parts = dict(zip(names, pieces, strict=True))
            except (IndexError, RuntimeError, ValueError) as error:  # other axes than its pattern
                shape = tuple(tensor.shape)
                raise ValueError(f"{key} has the shape {shape}, which does not fit") from error
            for name, part in parts.items():
                if part.shape != expected[name].shape:
                    wanted, actual = tuple(expected[name].shape), tuple(part.shape)
                    raise ValueError(f"{key} gives {name} the shape {actual}, not {wanted}")
                state[name] = part
    for copy, first in TIED.items():
        if first in state:
            if copy in state and not torch.equal(state[copy], state[first]):
                raise ValueError(f"{copy} differs from {first}, to which it is tied")
            state[copy] = state[first]
    missing = sorted(expected.keys() - state.keys())
{beside}    if missing:
        raise ValueError(f"no tensor for {', '.join(missing[:5])} ({len(missing)} in all)")
    unused = sorted(published.keys() - used)
    left = [k for k in unused if not any(s.fullmatch(k) for s in SKIPPED)]
    if left:
        raise ValueError(f"no parameter for {', '.join(left[:5])} ({len(left)} in all)")
    return state


def keys_of(source: str, published: Mapping[str, Tensor]) -> list[str]:
    """The keys that a source means: itself, or with `*` one for each expert; none if not there."""
    if "*" not in source:
        return [source] if source in published else []
    keys: list[str] = []
    while (key := source.replace("*", str(len(keys)))) in published:
        keys.append(key)
    return keys


def indices(target: str, names: Mapping[str, Tensor]) -> list[tuple[str, ...]]:
    """The layer numbers for which a path with `{}` names a parameter."""
    pattern = re.compile(re.escape(target).replace(r"\\{\\}", r"(\\d+)"))
    return [m.groups() for n in names if (m := pattern.fullmatch(n))]


def load(
    directory: str | Path, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Model:
    """The model with the weights of a published checkpoint (`*.safetensors` in a folder).

    Raises FileNotFoundError without such files, ValueError where they do not fit the model.
    """
    from safetensors.torch import load_file

    files = sorted(Path(directory).glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{directory} holds no .safetensors files")
    published = {k: v for f in files for k, v in load_file(f).items()}
    with torch.device("meta"):
        model = Model(Config())
    state = parameters_from(published, model)
{without}    model.to_empty(device=device)
    model.load_state_dict(state)
    tie(model)
    return model.to(dtype).eval()
'''


_BESIDE = """\
    absent = [part for part in APART if not any(name.startswith(f"{part}.") for name in state)]
    missing = [name for name in missing if name.split(".")[0] not in absent]
"""
_WITHOUT = """\
    for part in APART:  # what stands apart is not in every checkpoint
        if not any(name.startswith(f"{part}.") for name in state):
            delattr(model, part)
"""


def checkpoint_lines(model: Model) -> list[Line]:
    """The table of keys and what reads it; nothing for a model without a `hub`."""
    if model.hub is None:
        return []
    functions: dict[str, Text] = {}
    rows = []
    for rule in model.hub.weights:
        sources = _tuple([_literal(x, rule) for x in rule.sources])
        targets = _tuple([f'"{_path(t)}"' for t in rule.targets])
        convert = _convert(rule.plan, functions) if rule.plan is not None else "None"
        rows.append(f"    ({sources}, {targets}, {convert}),")
    sized = any(of_kind(body.uses, OfModel) for body in functions.values())
    arguments = "tensor, model.config" if sized else "tensor"
    inputs = "x: Tensor, config: Config" if sized else "x: Tensor"
    beside = [safe(child.name) for child in model.root.children if child.apart]
    loading = LOADING.replace("{arguments}", arguments)
    loading = loading.replace("{beside}", _BESIDE if beside else "")
    loading = loading.replace("{without}", _WITHOUT if beside else "")
    skips = ", ".join(f"re.compile({_pattern(s)})" for s in model.hub.skips)
    tied = ", ".join(f'"{a}": "{b}"' for a, b in ties(model))
    needs = [Import(name) for name in ("re", "Mapping", "Path")]
    needs_config = [StoredConfig()] if sized else []
    return [
        *(row for i, item in enumerate(functions.items()) for row in _function(i, item, inputs)),
        line(
            "# Published keys (the first that is there counts), the parameters they fill, and how."
        ),
        line(
            "CHECKPOINT: tuple[tuple[tuple[str, ...], tuple[str, ...], Any], ...] = (", uses=needs
        ),
        *(line("{}", row) for row in rows),
        line(")"),
        line("SKIPPED: tuple[re.Pattern[str], ...] = ({}{})", skips, "," if skips else ""),
        line("TIED: dict[str, str] = {}", f"{{{tied}}}"),
        *(
            [line("APART: tuple[str, ...] = {}", _tuple([json.dumps(x) for x in beside]))]
            if beside
            else []
        ),
        line("", uses=needs_config),
        *plain(loading),
    ]


def _function(number: int, item: tuple[str, Text], inputs: str) -> list[Line]:
    """A function that does what a pattern says."""
    pattern, body = item
    block = [line('"""{}"""', pattern), line("return {}", body)]
    head = "def convert_{}({}) -> tuple[Tensor, ...]:"
    return [line(head, number + 1, inputs, block=block), *plain("\n")]


def _tuple(items: list[Text] | list[str]) -> Text:
    return spelt("({},)" if len(items) == 1 else "({})", listed(items))


def ties(model: Model) -> list[tuple[str, str]]:
    """(path of the copy, path of the first place) of tied parameters of the model's own
    children.
    """
    return [
        (f"{safe(c.name)}.{safe(param)}", ".".join(map(safe, path)))
        for c in model.root.children
        for param, path in c.ties
    ]


def _path(target: tuple[str, ...]) -> str:
    return ".".join("{}" if step.startswith("[") else safe(step) for step in target)


def _literal(source: str, rule: WeightRule) -> str:
    """A key with `{i}` as a format string; JSON quotes it, so that it stays a string."""
    text = source
    for step in rule.targets[0]:
        if step.startswith("["):
            text = text.replace(f"{{{step[1:-1]}}}", "\0")
    return json.dumps(text.replace("{", "{{").replace("}", "}}").replace("\0", "{}"))


def _pattern(skip: str) -> str:
    """A key to skip as a regular expression: `{i}` is a number, `*` any text, all else stands for
    itself.
    """
    parts = [re.escape(x) for x in re.split(r"\{\w+\}", skip)]
    return json.dumps(r"\d+".join(parts).replace(r"\*", ".*"))


def _convert(plan: AxesPlan, functions: dict[str, Text]) -> str:
    """The name of a function that does what a pattern says, written once."""
    key = str(plan)
    if key not in functions:
        operand = Text("x")
        split = split_call(plan, operand, of_config)
        functions[key] = split or _tuple(rearrange(plan, [operand], of_config))
    return f"convert_{list(functions).index(key) + 1}"
