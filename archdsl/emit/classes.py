"""Classes and functions of the emitted file."""

from __future__ import annotations

import re
from collections import Counter

from archdsl.dims import Dim
from archdsl.dtypes import FLOATING
from archdsl.emit import plan as p
from archdsl.emit.body import WIDTH, Writer
from archdsl.emit.calls import root
from archdsl.emit.context import input_names, parameters, result_type
from archdsl.emit.intrinsics import kernel
from archdsl.emit.names import docstring, safe
from archdsl.emit.precomputed import places
from archdsl.emit.repeat import empty, state_places
from archdsl.emit.spell import ATOM, PLUS, Look, Text, spell_dim, spell_real, whole
from archdsl.graph import Child, Initial, Module, Param, Segment
from archdsl.nodes import Cache, Node, Read, Scan, Window, every_node
from archdsl.reals import Lit


def unit_lines(plan: p.Plan, unit: p.Unit) -> list[str]:
    """The text of a class or a function."""
    if unit.is_function:
        return _function(plan, unit)
    return _class(plan, unit)


def forward_of(plan: p.Plan, unit: p.Unit, store: str = "cache") -> tuple[Writer, list[str]]:
    """The statements of a body."""
    writer = Writer(plan, unit.module, store, banked=unit.banked)
    if plan.lowered(unit.module):
        lines = kernel(writer)
        return writer, [*shape_lines(writer, lines), *lines]
    results = writer.run(unit.module.outputs)
    lines = [*writer.lines, f"return {', '.join(r.text for r in results)}"]
    return writer, [*shape_lines(writer, lines), *lines]


def _function(plan: p.Plan, unit: p.Unit) -> list[str]:
    module = unit.module
    writer, body = forward_of(plan, unit)
    unit.arguments = [n for n in p.setting_names(module) if n in writer.settings]
    unit.starts = writer.uses_start
    inputs = [f"{name}: Tensor" for name in input_names(module, True)]
    inputs += [f"{safe(n)}: {_python_type(module, n)}" for n in unit.arguments]
    inputs += [f"{p.captured(unit, c)}: {_captured_type(module, c)}" for c in unit.captures]
    inputs += ["start: int"] if unit.starts else []
    result = (
        "Tensor"
        if len(module.outputs) == 1
        else f"tuple[{', '.join(['Tensor'] * len(module.outputs))}]"
    )
    return [
        *head_lines(f"def {unit.name}(", inputs, f") -> {result}:", ""),
        *docstring(_doc(module), "    "),
        *(f"    {line}" for line in body),
    ]


def head_lines(head: str, inputs: list[str], tail: str, indent: str) -> list[str]:
    """The head of a function, broken where it is too long."""
    line = f"{indent}{head}{', '.join(inputs)}{tail}"
    if len(line) <= 100:
        return [line]
    inner = f"{indent}    {', '.join(inputs)}"
    if len(inner) <= 99:
        return [f"{indent}{head}", inner, f"{indent}{tail}"]
    return [f"{indent}{head}", *(f"{indent}    {i}," for i in inputs), f"{indent}{tail}"]


def _doc(module: Module) -> str:
    text = module.doc.replace("\n", " ") or module.title
    return f"{text}\n\n{signature(module)}"


def signature(module: Module) -> str:
    """`x: [B, T, d] -> [B, T, d]`, as the spec says it."""
    count = len(module.inputs) - len(module.context)
    names = [module.nodes[i].name for i in module.inputs[:count]]
    said = [
        f"{name}: {module.nodes[i].type}"
        for name, i in zip([*names, *module.context], module.inputs, strict=True)
    ]
    outputs = ", ".join(str(module.nodes[o].type) for o in module.outputs)
    given = f", given {', '.join(said[count:])}" if module.context else ""
    return f"{', '.join(said[:count])} -> {outputs}{given}"


def _python_type(module: Module, name: str) -> str:
    return "int" if name in module.symbols else "float"


def _captured_type(module: Module, capture: p.Capture) -> str:
    path, name = capture
    for step in path:
        inner = module.child(step).module
        assert inner is not None
        module = inner
    return _python_type(module, name)


def shape_lines(writer: Writer, body: list[str]) -> list[str]:
    """Lines that read from the inputs the lengths of free axes that a body mentions."""
    words = set(re.findall(r"[A-Za-z_]\w*", "\n".join(body)))
    found: dict[int, list[tuple[int, str]]] = {}
    for name, (which, axis) in p.free_axes(writer.module).items():
        if name in writer.axes and safe(name) in words:
            found.setdefault(which, []).append((axis, name))
    lines = []
    for which, axes in sorted(found.items()):
        variable = input_names(writer.module, writer.unit.is_function)[which]
        for axis, name in sorted(axes):
            lines.append(f"{safe(name)} = {variable}.shape[{axis}]")
    return lines


# --- classes --------------------------------------------------------------------------------------


def _class(plan: p.Plan, unit: p.Unit) -> list[str]:
    module = unit.module
    writer, body = forward_of(plan, unit)
    tables, reads = table_lines(plan, unit)
    cache_lines = new_cache_lines(plan, unit, writer)
    stored = writer.settings | reads
    init = init_lines(plan, unit, stored)
    init += ["        self.config = config"] if writer.uses_config else []
    plain, given = parameters(module, plan.given(module))
    inputs = ["self", *plain]
    inputs += ["expert: int"] if unit.banked else []
    inputs += ["start: int = 0"] if plan.needs_start(module) else []
    inputs += ["cache: Any = None"] if plan.keeps(module) else []
    inputs += ["*", *given] if given else []
    result = result_type(module)
    return [
        f"class {unit.name}(nn.Module):",
        *docstring(_doc(module), "    "),
        "",
        *init,
        *tables,
        *precise_lines(module),
        "",
        *head_lines("def forward(", inputs, f") -> {result}:", "    "),
        *(f"        {line}" for line in body),
        *cache_lines,
    ]


def params_of(unit: p.Unit) -> dict[str, tuple[Param, bool]]:
    """Parameters of a class, with whether some of its modules lack them."""
    found: dict[str, Param] = {}
    for module in (unit.module, *unit.modules):
        for param in module.params:
            found.setdefault(param.name, param)
    owners = Counter(name for m in unit.modules for name in {q.name for q in m.params})
    return {name: (param, owners[name] < len(unit.modules)) for name, param in found.items()}


def init_lines(plan: p.Plan, unit: p.Unit, stored: set[str]) -> list[str]:
    """`__init__`: the settings that are stored, parameters, submodules, tables."""
    module = unit.module
    used: set[str] = set(stored)
    look = _init_look(plan, unit, used)
    made: list[str] = []
    guards: list[str] = []
    for param, optional in params_of(unit).values():
        if param.kind == "const":
            continue
        made.extend(_param_lines(param, optional, look, unit.banked))
        if optional and param.guard not in guards:
            guards.append(param.guard)
    if plan.needs_like(module) and not plan.lowered(module):
        made.append('self.register_buffer("like", torch.empty(0), persistent=False)')
    for child in sorted(plan.children(module), key=lambda c: not c.owns):
        if not _silent(plan, child, unit.banked):
            made.extend(_child_lines(plan, module, child, look, unit.banked))
    names = [n for n in p.setting_names(module) if n in used]
    if unit.takes_config:
        arguments = ["config: Config = Config()" if unit.name == "Model" else "config: Config"]
        keep = [f"self.{safe(n)} = {_root(module, n)}" for n in names if n in stored]
    else:
        unit.arguments = names
        arguments = [f"{safe(n)}: {_python_type(module, n)}" for n in names]
        keep = [f"self.{safe(n)} = {safe(n)}" for n in names if n in stored]
    if unit.banked:
        arguments.insert(1 if unit.takes_config else 0, "experts: int")
    arguments += [f"{safe(name)}: nn.Module" for name in plan.shares(module).values()]
    arguments += [f"{safe(g)}: bool = False" for g in guards]
    if any(param.kind == "const" for param in module.params):
        made += [
            "for name, table in self.tables().items():",
            "    self.register_buffer(name, table, persistent=False)",
        ]
    return [
        *head_lines("def __init__(", ["self", *arguments], ") -> None:", "    "),
        "        super().__init__()",
        *(f"        {line}" for line in (*keep, *made)),
    ]


def _silent(plan: p.Plan, child: Child, banked: bool) -> bool:
    """Whether a child is a function and needs no submodule."""
    banked = banked or child.top_k is not None
    return all(plan.unit(m, banked).is_function for _, m in child.modules)


def _init_look(plan: p.Plan, unit: p.Unit, used: set[str]) -> Look:
    module = unit.module
    names = set(p.setting_names(module))

    def look(name: str) -> str:
        if name.startswith("$"):
            return f"config.{safe(name[1:])}"
        if unit.takes_config:
            return f"({_root(module, name)})" if _compound(module, name) else _root(module, name)
        if name in names:
            used.add(name)
            return safe(name)
        return str(plan.model.number(module, Dim.symbol(name)))

    return look


def _compound(module: Module, name: str) -> bool:
    value = module.symbols.get(name)
    return value is not None and value.name is None and value.value is None


def _root(module: Module, name: str) -> str:
    """A setting of a block in terms of the Config."""
    look: Look = lambda symbol: f"config.{safe(symbol[1:])}"  # noqa: E731
    if name in module.symbols:
        return spell_dim(module.symbols[name], look).text
    return spell_real(module.reals[name], look).text


def _param_lines(param: Param, optional: bool, look: Look, banked: bool) -> list[str]:
    axes = [spell_dim(a, look).text for a in param.type.axes if isinstance(a, Dim)]
    name = f"self.{safe(param.name)}"
    assert param.initial is not None
    sizes = ["experts", *axes] if banked else axes
    value, after = _initial(param.initial, param.type.dtype, sizes, look)
    if param.kind == "buffer":
        dtype = {"int": "torch.long", "bool": "torch.bool"}.get(param.type.dtype, "")
        value = f"{value}.to({dtype})" if dtype else value
        return [f'self.register_buffer("{safe(param.name)}", {value})']
    lines = [f"{name} = nn.Parameter({value})"]
    if optional:
        lines = [f"{name} = nn.Parameter({value}) if {safe(param.guard)} else None"]
        after = [f"if {safe(param.guard)}:", *(f"    {a}" for a in after)] if after else []
    return [*lines, *(a.format(name=name) for a in after)]


def _initial(initial: Initial, dtype: str, sizes: list[str], look: Look) -> tuple[str, list[str]]:
    """The tensor, and what is done to it afterwards."""
    args = [spell_real(a, look).text for a in initial.args]
    shape = ", ".join(sizes) or "()"
    match initial.name:
        case "zeros" | "ones":
            return f"torch.{initial.name}({shape})", []
        case "fill":
            sides = f"({shape},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
            # A parameter is real, a buffer of integers keeps every digit.
            whole_number = dtype not in FLOATING or isinstance(initial.args[0], Lit)
            value = args[0] if whole_number else f"float({args[0]})"
            return f"torch.full({sides}, {value})", []
        case "identity":
            *lead, m, n = sizes
            again = f".repeat({', '.join([*lead, '1', '1'])})" if lead else ""
            return f"torch.eye({m}, {n}){again}", []
        case "log_range":
            *lead, n = sizes
            again = f".repeat({', '.join([*lead, '1'])})" if lead else ""
            return f"torch.arange(1, {n} + 1).log(){again}", []
        case "log_uniform":
            drawn = f"nn.init.uniform_({{name}}, {args[0]}, {args[1]})"
            return f"torch.empty({shape})", [drawn, "{name}.data.log_()"]
        case "inverse_softplus":
            low, high = args
            drawn = f"nn.init.uniform_({{name}}, math.log({low}), math.log({high}))"
            return f"torch.empty({shape})", [drawn, "{name}.data.exp_().expm1_().log_()"]
        case "uniform":
            return f"torch.empty({shape})", [f"nn.init.uniform_({{name}}, {args[0]}, {args[1]})"]
    return f"torch.empty({shape})", [f"nn.init.normal_({{name}}, std={args[0]})"]


# --- submodules -----------------------------------------------------------------------------------


def _child_lines(plan: p.Plan, here: Module, child: Child, look: Look, banked: bool) -> list[str]:
    name = f"self.{safe(child.name)}"
    if child.top_k is not None:
        ((_, expert),) = child.modules
        count = _times(child.segments[0], look)
        return [f"{name} = {constructor(plan, here, expert, look, count)}"]
    if child.module is not None:
        count = "experts" if banked else ""
        made = constructor(plan, here, child.module, look, count, child.owns)
        lines = [f"{name} = {made}"]
        for param, path in child.ties:
            lines.append(
                f"{name}.{safe(param)} = self.{'.'.join(map(safe, path))}  # one tensor, two places"
            )
        return lines
    return _stack_lines(plan, here, name, child.segments, look, "experts" if banked else "")


def constructor(
    plan: p.Plan, here: Module, module: Module, look: Look, experts: str = "", owns: bool = False
) -> str:
    """`Linear(config.d, config.heads * config.d_head, bias=True)`; `experts` for a bank.

    What is shared is made where its binding owns it, and handed over from there.
    """
    names = {binding: f"self.{safe(name)}" for binding, name in p.owned(here).items()}
    names |= {binding: safe(name) for binding, name in plan.shares(here).items()}
    if module.shared is not None and not owns:
        return f"Shared({names[module.shared]})"
    handed = [f"{safe(name)}={names[b]}" for b, name in plan.shares(module).items()]
    unit = plan.unit(module, bool(experts))
    told = [experts] if unit.banked else []
    if unit.takes_config:
        return f"{unit.name}({', '.join(['config', *told, *handed])})"
    args = told
    around = None if experts else plan.of.get((here.id, False))
    for name in unit.arguments:
        value = module.symbols.get(name, module.reals.get(name))
        said = p.own_setting(here, value) if around and not around.takes_config else None
        if said is not None:
            args.append(look(said))
        elif name in module.symbols:
            args.append(spell_dim(module.symbols[name], look).text)
        else:
            args.append(spell_real(module.reals[name], look).text)
    for param, optional in params_of(unit).values():
        if optional and any(q.name == param.name for q in module.params):
            args.append(f"{safe(param.guard)}=True")
    return f"{unit.name}({', '.join(args)})"


def _stack_lines(
    plan: p.Plan,
    here: Module,
    name: str,
    segments: tuple[Segment, ...],
    look: Look,
    experts: str,
) -> list[str]:
    if len(segments) == 1 and isinstance(segments[0].item, Module):
        made = constructor(plan, here, segments[0].item, look, experts)
        return [f"{name} = nn.ModuleList({made} for _ in range({_times(segments[0], look)}))"]
    lines = ["layers: list[nn.Module] = []", *_segment_lines(plan, here, segments, look, experts)]
    return [*lines, f"{name} = nn.ModuleList(layers)"]


def _segment_lines(
    plan: p.Plan,
    here: Module,
    segments: tuple[Segment, ...],
    look: Look,
    experts: str,
    indent: str = "",
) -> list[str]:
    lines: list[str] = []
    for segment in segments:
        if isinstance(segment.item, Module):
            made = constructor(plan, here, segment.item, look, experts)
            if segment.count == 1 and (segment.of is None or segment.of.value is not None):
                lines.append(f"{indent}layers.append({made})")
            else:
                lines.append(f"{indent}layers += [{made} for _ in range({_times(segment, look)})]")
        else:
            lines.append(f"{indent}for _ in range({_times(segment, look)}):")
            lines += _segment_lines(plan, here, segment.item, look, experts, indent + "    ")
    return lines


def _times(segment: Segment, look: Look) -> str:
    return spell_dim(segment.of, look).text if segment.of is not None else whole(segment.count)


# --- tables and caches ----------------------------------------------------------------------------


def table_lines(plan: p.Plan, unit: p.Unit) -> tuple[list[str], set[str]]:
    """The method that computes constants, and the settings it reads."""
    module = unit.module
    consts = [q for q in module.params if q.kind == "const"]
    if not consts:
        return [], set()
    writer = Writer(plan, module, table=True, banked=unit.banked)
    names = [n.form.param for n in module.nodes if isinstance(n.form, Read)]
    read = {name for name in names if writer_uses(module, name)}
    lines: list[str] = []
    writer.prepare([q.value for q in consts if q.value is not None])
    done = 0
    for param in consts:
        assert param.value is not None
        parts = 0
        for i in range(done, param.value + 1):
            value = writer.node(i, module.consts[i])
            if len(value.text) > WIDTH and i != param.value:
                parts += 1
                name = f"{safe(param.name)}_part" + (f"_{parts}" if parts > 1 else "")
                lines.append(f"{name} = {value.text}")
                value = Text(name)
            writer.values[i] = value
        done = param.value + 1
        lines.append(f"{safe(param.name)} = {writer.values[param.value].text}")
    kept = ", ".join(f'"{safe(q.name)}": {safe(q.name)}' for q in consts if q.name in read)
    text = [
        "",
        "    def tables(self, device: torch.device | None = None) -> dict[str, Tensor]:",
        '        """What the settings alone decide, in single precision."""',
        *(f"        {line}" for line in (*writer.lines, *lines)),
        f"        return {{{kept}}}",
    ]
    return text, writer.settings


def precise_lines(module: Module) -> list[str]:
    """What keeps tensors of single precision, and tables, as they are when the rest is cast."""
    precise = [q for q in module.params if q.kind != "const" and q.type.dtype == "float32"]
    kept = [safe(q.name) for q in precise]
    tables = [q.name for q in module.params if q.kind == "const"]
    read = [safe(name) for name in tables if writer_uses(module, name)]
    if not kept and not read:
        return []
    lines = ["super()._apply(fn, recurse)"]
    if kept:
        held = ", ".join(f'"{n}": self.{n}.data' for n in kept)
        if any(q.guard for q in precise):
            names = "".join(f'"{n}", ' for n in kept).rstrip()
            held = f"n: getattr(self, n).data for n in ({names}) if getattr(self, n) is not None"
        lines = [
            "# What is of single precision keeps it when the rest is cast.",
            f"kept = {{{held}}}",
            *lines,
            "for name, value in kept.items():",
            "    if not value.is_meta:",
            "        getattr(self, name).data = value.to(getattr(self, name).device)",
        ]
    if read:
        comment = "# Tables keep their precision when parameters are cast, and survive `to_empty`."
        lines = [
            *([comment] if not kept else []),
            *lines,
            f"for name, table in self.tables(self.{sorted(read)[0]}.device).items():",
            "    setattr(self, name, table)",
        ]
    return [
        "",
        "    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:",
        *(f"        {line}" for line in lines),
        "        return self",
    ]


def writer_uses(module: Module, param: str) -> bool:
    """Whether a body reads a constant."""
    reads = [i for i, n in enumerate(module.nodes) if n.form == Read(param)]
    used = {a for n in module.nodes for a in n.args} | set(module.outputs)
    return any(i in used for i in reads)


def new_cache_lines(plan: p.Plan, unit: p.Unit, writer: Writer) -> list[str]:
    """The method that allocates what a block keeps, or nothing."""
    module = unit.module
    if not plan.keeps(module):
        return []
    body = cache_value(plan, module, writer)
    return [
        "",
        "    def new_cache(self, batch: int, length: int, **kind: Any) -> Any:",
        '        """Empty places for `length` tokens of `batch` sequences."""',
        *(f"        {line}" for line in body),
    ]


def cache_value(plan: p.Plan, module: Module, writer: Writer) -> list[str]:
    """The statement that returns the places of a module and its children."""
    entries: list[tuple[str, str]] = []
    for node in every_node(module.nodes):
        match node.form:
            case Cache(place) as form:
                sizes = _places(node, form, writer)
                entries.append((safe(place), empty(sizes, node.type.dtype)))
            case Window() | Scan() if module.streams:
                entries += state_places(writer, node, _sizes(writer))
    entries += [(name, "None") for name in places(plan, module).values()]
    own = bool(entries)
    inner = p.caching(plan, module)
    for kept in inner.values():
        call = "new_cache(batch, length, **kind)"
        name = f"self.{safe(kept.child.name)}"
        value = f"[layer.{call} for layer in {name}]" if kept.child.segments else f"{name}.{call}"
        for rounds in reversed(kept.rounds):
            value = f"[{value} for _ in range({writer.dim(rounds).text})]"
        entries.append((kept.name, value))
    if not entries:
        return ["return None"]
    if not own and len(inner) == 1:
        return [f"return {entries[0][1]}"]
    return ["return {", *(f'    "{k}": {v},' for k, v in entries), "}"]


def _sizes(writer: Writer) -> dict[str, str]:
    """The lengths of axes that inputs bring, where there is no input: from the Config."""
    found = {"B": "batch"}
    for name in p.free_axes(writer.module):
        value = writer.module.symbols.get(name)
        if value is not None and not {"$B", "$T", "$S"} & value.symbols():
            writer.uses_config |= bool(value.symbols())
            text = root(value)
            found[name] = text.at(PLUS)
    return found


def _places(node: Node, cache: Cache, writer: Writer) -> str:
    special = {**_sizes(writer), "S": "length"}
    if cache.every is not None:
        special["S"] = f"length // {writer.dim(cache.every).at(ATOM)}"
    if cache.last is not None:
        special["S"] = f"min(length, {writer.dim(cache.last).text})"
    sizes = []
    for axis in node.type.axes:
        if isinstance(axis, Dim):
            name = "S" if "S" in axis.symbols() else axis.name or ""
            sizes.append(special.get(name) or writer.dim(axis).text)
    return ", ".join(sizes)
