"""`__init__` of a class: parameters, submodules, what is stored for other methods."""

from __future__ import annotations

from archdsl.dims import Dim
from archdsl.dtypes import FLOATING
from archdsl.emit import plan as p
from archdsl.emit.arguments import arguments_of, optional
from archdsl.emit.lines import Line, definition, line, uses_of
from archdsl.emit.names import safe, variable
from archdsl.emit.spell import (
    ATOM,
    Text,
    calling,
    listed,
    of_config,
    spell,
    spell_dim,
    spell_real,
    spelt,
)
from archdsl.emit.unit import CONFIG, Argument, Frame, Passed
from archdsl.emit.uses import Handed, OfBlock, StoredConfig, Uses
from archdsl.graph import Child, Experts, Initial, Layers, Module, ModuleList, Param, Segment
from archdsl.reals import Lit
from archdsl.record import record
from archdsl.symbols import ModelSymbol


@record
class Init:
    """`__init__` of a class, and what it takes."""

    lines: tuple[Line, ...]
    arguments: tuple[Argument, ...]
    flags: tuple[str, ...]


def init_lines(plan: p.Plan, around: Frame, uses: Uses) -> Init:
    """`__init__`: the settings that are stored, parameters, submodules, tables. `uses` is what the
    other methods use.
    """
    module, banked = around.group.module, around.group.banked
    look = InitLook(plan, around)
    parts: list[Line] = []
    flags: dict[str, None] = {}
    for param, is_optional in optional(around.group):
        if param.kind == "const":
            continue
        parts.extend(_param_lines(param, is_optional, look, banked))
        if is_optional:
            flags.setdefault(variable(param.guard))
    if plan.needs_like(module) and not plan.lowered(module):
        parts.append(line('self.register_buffer("like", torch.empty(0), persistent=False)'))
    for child in plan.submodules(module):
        if not _silent(plan, child, banked):
            parts.extend(_child_lines(plan, around, child, look))
    arguments = arguments_of(around, uses | uses_of(parts))
    stored = [n for n in p.setting_names(module) if OfBlock(n) in uses]
    keep = [line("self.{} = {}", safe(n), look.stored(n)) for n in stored]
    keep += [line("self.{0} = {0}", a.name) for a in around.captures if Handed(a.name) in uses]
    keep += [line("self.config = config")] if StoredConfig() in uses else []
    inputs = ["self"]
    if around.takes_config:
        default = " = Config()" if module is plan.model.root else ""
        inputs.append(f"config: Config{default}")
    inputs += ["experts: int"] if banked else []
    inputs += [f"{a.name}: {a.type}" for a in arguments]
    inputs += [f"{variable(name)}: nn.Module" for name in plan.shares(module).values()]
    inputs += [f"{flag}: bool = False" for flag in flags]
    if any(param.kind == "const" for param in module.params):
        held = line("self.register_buffer(name, table, persistent=False)")
        parts.append(line("for name, table in self.tables().items():", block=[held]))
    if any(q.initial is not None and q.initial.node is not None for q in module.params):
        parts.append(line("self.set_initial_values()"))
    block = [line("super().__init__()"), *keep, *parts]
    lines = definition("def __init__(", inputs, ") -> None:", block, 1)
    return Init(tuple(lines), arguments, tuple(flags))


def _silent(plan: p.Plan, child: Child, banked: bool) -> bool:
    """Whether a child is a function and needs no submodule."""
    banked = banked or isinstance(child.part, Experts)
    return all(plan.unit(m, banked).is_function for _, m in child.modules)


@record
class InitLook:
    """The symbols of a block where `__init__` says them."""

    plan: p.Plan
    frame: Frame

    def __call__(self, name: str) -> Text:
        """A setting of the block, or one of the model."""
        if isinstance(name, ModelSymbol):
            return of_config(name)
        if name not in p.setting_names(self.frame.group.module):
            number = self.plan.model.number(self.frame.group.module, Dim.symbol(name))
            return Text(str(number))
        text = self.stored(name)
        compound = self.frame.takes_config and name not in self.frame.varying
        if compound and _compound(self.frame.group.module, name):
            return spelt("({})", text)
        return text

    def stored(self, name: str) -> Text:
        """A setting of the block, to be stored as it is."""
        if name in self.frame.fixed:
            return spell_real(self.frame.fixed[name], self)
        if self.frame.takes_config and name not in self.frame.varying:
            return _root(self.frame.group.module, name)
        return Text(self.frame.argument(name), ATOM, frozenset((OfBlock(name),)))


def _compound(module: Module, name: str) -> bool:
    value = module.symbols.dims.get(name)
    return value is not None and value.name is None and value.value is None


def _root(module: Module, name: str) -> Text:
    """A setting of a block in terms of the Config."""
    return spell(p.number_of(module, name), of_config)


def _param_lines(param: Param, optional: bool, look: InitLook, banked: bool) -> list[Line]:
    axes = [spell_dim(a, look) for a in param.type.axes if isinstance(a, Dim)]
    name, guard = f"self.{safe(param.name)}", variable(param.guard)
    assert param.initial is not None
    sizes = [Text("experts"), *axes] if banked else axes
    value, after = _initial(param.initial, name, param.type.dtype, sizes, look)
    if param.kind == "buffer":
        dtype = {"int": "torch.long", "bool": "torch.bool"}.get(param.type.dtype, "")
        value = spelt("{}.to({})", value, dtype) if dtype else value
        return [line('self.register_buffer("{}", {})', safe(param.name), value)]
    if optional:
        parameter = line("{} = nn.Parameter({}) if {} else None", name, value, guard)
        return [parameter, line("if {}:", guard, block=after)] if after else [parameter]
    return [line("{} = nn.Parameter({})", name, value), *after]


def _initial(
    initial: Initial, name: str, dtype: str, sizes: list[Text], look: InitLook
) -> tuple[Text, list[Line]]:
    """The tensor, and what is done to the parameter afterwards."""
    args = [spell_real(a, look) for a in initial.args]
    shape = listed(sizes) if sizes else Text("()")
    match initial.name:
        case "computed":
            return spelt("torch.empty({})", shape), []
        case "zeros" | "ones":
            return spelt(f"torch.{initial.name}({{}})", shape), []
        case "fill":
            sides = spelt("({},)" if len(sizes) == 1 else "({})", listed(sizes))
            # A parameter is real, a buffer of integers keeps every digit.
            whole_number = dtype not in FLOATING or isinstance(initial.args[0], Lit)
            value = args[0] if whole_number else spelt("float({})", args[0])
            return spelt("torch.full({}, {})", sides, value), []
        case "identity":
            *lead, m, n = sizes
            again = spelt(".repeat({})", listed([*lead, "1", "1"])) if lead else ""
            return spelt("torch.eye({}, {}){}", m, n, again), []
        case "uniform":
            drawn = line("nn.init.uniform_({}, {}, {})", name, *args)
            return spelt("torch.empty({})", shape), [drawn]
    drawn = line("nn.init.normal_({}, std={})", name, *args)
    return spelt("torch.empty({})", shape), [drawn]


def _child_lines(plan: p.Plan, around: Frame, child: Child, look: InitLook) -> list[Line]:
    name = f"self.{safe(child.name)}"
    if isinstance(child.part, Experts):
        count = spell_dim(child.part.of, look)
        return [line("{} = {}", name, constructor(plan, around, child, 0, look, count))]
    experts = Text("experts") if around.group.banked else None
    if isinstance(child.part, Layers):
        return _stack_lines(plan, around, child, child.part.segments, look, experts)
    if isinstance(child.part, ModuleList):
        return [_list_line(plan, around, child, child.part, look, experts)]
    tied = "{}.{} = self.{}  # one tensor, two places"
    return [
        line("{} = {}", name, constructor(plan, around, child, 0, look, experts)),
        *(line(tied, name, safe(q), ".".join(map(safe, path))) for q, path in child.ties),
    ]


def constructor(
    plan: p.Plan, around: Frame, child: Child, k: int, look: InitLook, experts: Text | None
) -> Text:
    """`Linear(config.d, config.heads * config.d_head, bias=True)`: the module k of a child;
    `experts` for a bank.

    What is shared is made where its binding owns it, and handed over from there.
    """
    here, (_, module) = around.group.module, child.modules[k]
    names = {binding: f"self.{safe(name)}" for binding, name in p.owned(here).items()}
    names |= {binding: variable(name) for binding, name in plan.shares(here).items()}
    if module.shared is not None and child.owned is None:
        return calling("Shared", "{}", names[module.shared])
    unit = plan.unit(module, experts is not None)
    args: list[object] = ["config"] if unit.kind == CONFIG else []
    args += [experts] if unit.banked else []
    args += [_number(number, look) for number in around.passed.get((child.name, k), ())]
    args += [f"{variable(name)}={names[b]}" for b, name in plan.shares(module).items()]
    own = {variable(q.guard) for q in module.params if q.guard}
    args += [f"{flag}=True" for flag in unit.flags if flag in own]
    return spelt("{}({})", unit.name, listed(args))


def _number(number: Passed, look: InitLook) -> Text:
    """A number that a class is passed."""
    if number.own:
        return look(number.own)
    if number.argument is not None:
        name = number.argument.name
        return Text(name, ATOM, frozenset((Handed(name),)))
    return spell(number.value, look)


def _list_line(
    plan: p.Plan,
    around: Frame,
    child: Child,
    listed_blocks: ModuleList,
    look: InitLook,
    experts: Text | None,
) -> Line:
    """Blocks side by side, equal neighbours written once."""
    name = f"self.{safe(child.name)}"
    number = {m.id: k for k, (_, m) in enumerate(child.modules)}
    runs: list[Text] = []
    for segment in listed_blocks.segments:
        assert isinstance(segment.item, Module)
        block = constructor(plan, around, child, number[segment.item.id], look, experts)
        again = spelt("{} for _ in range({})", block, segment.count)
        runs.append(block if segment.count == 1 else again)
    segments = listed_blocks.segments
    if len(segments) == 1 and segments[0].count > 1:
        return line("{} = nn.ModuleList({})", name, runs[0])
    rows = (
        run if segment.count == 1 else spelt("*({})", run)
        for run, segment in zip(runs, segments, strict=True)
    )
    return line("{} = nn.ModuleList([{}])", name, listed(rows))


def _stack_lines(
    plan: p.Plan,
    around: Frame,
    child: Child,
    segments: tuple[Segment, ...],
    look: InitLook,
    experts: Text | None,
) -> list[Line]:
    name = f"self.{safe(child.name)}"
    if len(segments) == 1 and isinstance(segments[0].item, Module):
        layer = constructor(plan, around, child, 0, look, experts)
        form = "{} = nn.ModuleList({} for _ in range({}))"
        return [line(form, name, layer, spell_dim(segments[0].of, look))]
    number = {m.id: k for k, (_, m) in enumerate(child.modules)}

    def layers(rows: tuple[Segment, ...]) -> list[Line]:
        lines: list[Line] = []
        for segment in rows:
            times = spell_dim(segment.of, look)
            if not isinstance(segment.item, Module):
                lines.append(line("for _ in range({}):", times, block=layers(segment.item)))
                continue
            layer = constructor(plan, around, child, number[segment.item.id], look, experts)
            if segment.of.value == 1:
                lines.append(line("layers.append({})", layer))
            else:
                lines.append(line("layers += [{} for _ in range({})]", layer, times))
        return lines

    return [
        line("layers: list[nn.Module] = []"),
        *layers(segments),
        line("{} = nn.ModuleList(layers)", name),
    ]
