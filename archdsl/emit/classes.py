"""Classes and functions of the emitted file."""

from __future__ import annotations

from collections.abc import Iterable

from archdsl.dims import Dim
from archdsl.dtypes import FLOATING
from archdsl.emit import plan as p
from archdsl.emit.body import WIDTH, Writer
from archdsl.emit.calls import root
from archdsl.emit.context import parameters, result_type
from archdsl.emit.intrinsics import kernel
from archdsl.emit.lines import Line, definition, documented, line, uses_of
from archdsl.emit.names import safe, unused, variable
from archdsl.emit.plan import Group
from archdsl.emit.precomputed import places
from archdsl.emit.repeat import empty, state_places
from archdsl.emit.spell import (
    ATOM,
    PLUS,
    Text,
    calling,
    listed,
    of_config,
    spell_dim,
    spell_real,
    spelt,
    whole,
)
from archdsl.emit.units import (
    CONFIG,
    FUNCTION,
    INLINED,
    Argument,
    Frame,
    Told,
    Unit,
    frame,
    optional,
)
from archdsl.emit.uses import MATH, Handed, Import, Length, OfBlock, Start, StoredConfig, Uses
from archdsl.graph import Child, Initial, Module, Param, Segment
from archdsl.nodes import Cache, Node, Read, Scan, Window, every_node
from archdsl.reals import Lit
from archdsl.record import record


def decide(plan: p.Plan) -> tuple[Unit, ...]:
    """The units of a plan, those that others make or call before them; the model's is the last."""
    for group in plan.groups:
        around = frame(plan, group)
        if around.kind == INLINED:
            plan.units[group] = Unit(around)
        elif around.kind == FUNCTION:
            plan.units[group] = _function(plan, around)
        elif group.module is not plan.model.root:
            plan.units[group] = _class(plan, around)
    return tuple(plan.units.values())


def unit_lines(unit: Unit) -> list[Line]:
    """The text of a class or a function."""
    module = unit.frame.group.module
    if unit.is_function:
        count = len(module.outputs)
        result = "Tensor" if count == 1 else f"tuple[{', '.join(['Tensor'] * count)}]"
        block = [*documented(_doc(module), 1), *unit.body]
        return definition(f"def {unit.name}(", list(unit.inputs), f") -> {result}:", block)
    tail = f") -> {result_type(module)}:"
    block = [
        *documented(_doc(module), 1),
        line(""),
        *unit.init,
        *unit.methods,
        line(""),
        *definition("def forward(", list(unit.inputs), tail, unit.body, 1),
        *unit.kept,
    ]
    return [line("class {}(nn.Module):", unit.name, block=block)]


def forward_of(
    plan: p.Plan, around: Frame, store: str = "cache"
) -> tuple[Writer, tuple[Line, ...]]:
    """The statements of a body."""
    writer = Writer(plan, around, store)
    if plan.lowered(writer.module):
        lines = kernel(writer)
    else:
        results = writer.run(writer.module.outputs)
        lines = [*writer.lines, line("return {}", listed(results))]
    return writer, (*shape_lines(writer, lines), *lines)


def _function(plan: p.Plan, around: Frame) -> Unit:
    _, body = forward_of(plan, around)
    uses = uses_of(body)
    arguments = _arguments(around, uses)
    inputs = [f"{name}: Tensor" for name in around.inputs]
    inputs += [f"{a.name}: {a.type}" for a in arguments]
    inputs += ["start: int"] if Start() in uses else []
    return Unit(around, arguments, Start() in uses, inputs=tuple(inputs), body=body)


def _class(plan: p.Plan, around: Frame) -> Unit:
    module = around.group.module
    writer, body = forward_of(plan, around)
    tables = table_lines(plan, around)
    kept = new_cache_lines(plan, writer)
    made = init_lines(plan, around, uses_of([*body, *tables, *kept]))
    plain, given = parameters(module, around.inputs, plan.given(module))
    inputs = ["self", *plain]
    inputs += ["expert: int"] if around.group.banked else []
    inputs += ["start: int = 0"] if plan.needs_start(module) else []
    inputs += ["cache: Any = None"] if plan.keeps(module) else []
    inputs += ["*", *given] if given else []
    return Unit(
        around,
        made.arguments,
        plan.needs_start(module),
        made.flags,
        tuple(inputs),
        body,
        (*tables, *precise_lines(around.group)),
        made.lines,
        tuple(kept),
    )


def _arguments(around: Frame, uses: Uses) -> tuple[Argument, ...]:
    """The numbers that a unit is told: settings of its own, then those that it hands on."""
    module = around.group.module
    names = p.setting_names(module)
    if around.takes_config:
        names = [n for n in names if n in around.varying]
    own = [Argument(around.argument(n), n, _type(module, n)) for n in names if OfBlock(n) in uses]
    return (*own, *(a for a in around.captures if Handed(a.name) in uses))


def _type(module: Module, setting: str) -> str:
    return "int" if setting in module.symbols else "float"


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


def shape_lines(writer: Writer, body: Iterable[Line]) -> list[Line]:
    """Lines that read from the inputs the lengths of free axes that a body uses."""
    uses = uses_of(body)
    found: dict[int, list[tuple[int, str]]] = {}
    for name, (which, axis) in p.free_axes(writer.module).items():
        if Length(name) in uses:
            found.setdefault(which, []).append((axis, name))
    lines = []
    for which, axes in sorted(found.items()):
        for axis, name in sorted(axes):
            told = (writer.frame.lengths[name], writer.frame.inputs[which], axis)
            lines.append(line("{} = {}.shape[{}]", *told))
    return lines


# --- classes --------------------------------------------------------------------------------------


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
    made: list[Line] = []
    flags: dict[str, None] = {}
    for param, is_optional in optional(around.group):
        if param.kind == "const":
            continue
        made.extend(_param_lines(param, is_optional, look, banked))
        if is_optional:
            flags.setdefault(variable(param.guard))
    if plan.needs_like(module) and not plan.lowered(module):
        made.append(line('self.register_buffer("like", torch.empty(0), persistent=False)'))
    for child in plan.submodules(module):
        if not _silent(plan, child, banked):
            made.extend(_child_lines(plan, around, child, look))
    arguments = _arguments(around, uses | uses_of(made))
    stored = [n for n in p.setting_names(module) if OfBlock(n) in uses]
    keep = [line("self.{} = {}", safe(n), look.stored(n)) for n in stored]
    keep += [line("self.{0} = {0}", a.name) for a in around.captures if Handed(a.name) in uses]
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
        made.append(line("for name, table in self.tables().items():", block=[held]))
    made += [line("self.config = config")] if StoredConfig() in uses else []
    block = [line("super().__init__()"), *keep, *made]
    lines = definition("def __init__(", inputs, ") -> None:", block, 1)
    return Init(tuple(lines), arguments, tuple(flags))


def _silent(plan: p.Plan, child: Child, banked: bool) -> bool:
    """Whether a child is a function and needs no submodule."""
    banked = banked or child.top_k is not None
    return all(plan.unit(m, banked).is_function for _, m in child.modules)


@record
class InitLook:
    """The symbols of a block where `__init__` says them."""

    plan: p.Plan
    frame: Frame

    def __call__(self, name: str) -> Text:
        """A setting of the block, or `$d` of the model."""
        if name.startswith("$"):
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
        if self.frame.takes_config and name not in self.frame.varying:
            return _root(self.frame.group.module, name)
        return Text(self.frame.argument(name), ATOM, frozenset((OfBlock(name),)))


def _compound(module: Module, name: str) -> bool:
    value = module.symbols.get(name)
    return value is not None and value.name is None and value.value is None


def _root(module: Module, name: str) -> Text:
    """A setting of a block in terms of the Config."""
    if name in module.symbols:
        return spell_dim(module.symbols[name], of_config)
    return spell_real(module.reals[name], of_config)


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
        made = line("{} = nn.Parameter({}) if {} else None", name, value, guard)
        return [made, line("if {}:", guard, block=after)] if after else [made]
    return [line("{} = nn.Parameter({})", name, value), *after]


def _initial(
    initial: Initial, name: str, dtype: str, sizes: list[Text], look: InitLook
) -> tuple[Text, list[Line]]:
    """The tensor, and what is done to the parameter afterwards."""
    args = [spell_real(a, look) for a in initial.args]
    shape = listed(sizes) if sizes else Text("()")
    match initial.name:
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
        case "log_range":
            *lead, n = sizes
            again = spelt(".repeat({})", listed([*lead, "1"])) if lead else ""
            return spelt("torch.arange(1, {} + 1).log(){}", n, again), []
        case "log_uniform":
            drawn = line("nn.init.uniform_({}, {}, {})", name, *args)
            return spelt("torch.empty({})", shape), [drawn, line("{}.data.log_()", name)]
        case "inverse_softplus":
            said = "nn.init.uniform_({}, math.log({}), math.log({}))"
            drawn = line(said, name, *args, uses=(MATH,))
            after = line("{}.data.exp_().expm1_().log_()", name)
            return spelt("torch.empty({})", shape), [drawn, after]
        case "uniform":
            drawn = line("nn.init.uniform_({}, {}, {})", name, *args)
            return spelt("torch.empty({})", shape), [drawn]
    drawn = line("nn.init.normal_({}, std={})", name, *args)
    return spelt("torch.empty({})", shape), [drawn]


# --- submodules -----------------------------------------------------------------------------------


def _child_lines(plan: p.Plan, around: Frame, child: Child, look: InitLook) -> list[Line]:
    name = f"self.{safe(child.name)}"
    if child.top_k is not None:
        count = _times(child.segments[0], look)
        return [line("{} = {}", name, constructor(plan, around, child, 0, look, count))]
    experts = Text("experts") if around.group.banked else None
    if child.module is None:
        return _stack_lines(plan, around, child, look, experts)
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
    if module.shared is not None and not child.owns:
        return calling("Shared", "{}", names[module.shared])
    unit = plan.unit(module, experts is not None)
    args: list[object] = ["config"] if unit.kind == CONFIG else []
    args += [experts] if unit.banked else []
    args += [_number(number, look) for number in around.told.get((child.name, k), ())]
    args += [f"{variable(name)}={names[b]}" for b, name in plan.shares(module).items()]
    own = {variable(q.guard) for q in module.params if q.guard}
    args += [f"{flag}=True" for flag in unit.flags if flag in own]
    return spelt("{}({})", unit.name, listed(args))


def _number(number: Told, look: InitLook) -> Text:
    """A number that a class is told."""
    if number.own:
        return look(number.own)
    if number.argument is not None:
        name = number.argument.name
        return Text(name, ATOM, frozenset((Handed(name),)))
    if isinstance(number.value, Dim):
        return spell_dim(number.value, look)
    return spell_real(number.value, look)


def _stack_lines(
    plan: p.Plan, around: Frame, child: Child, look: InitLook, experts: Text | None
) -> list[Line]:
    name, segments = f"self.{safe(child.name)}", child.segments
    if len(segments) == 1 and isinstance(segments[0].item, Module):
        made = constructor(plan, around, child, 0, look, experts)
        said = "{} = nn.ModuleList({} for _ in range({}))"
        return [line(said, name, made, _times(segments[0], look))]
    number = {m.id: k for k, (_, m) in enumerate(child.modules)}

    def layers(rows: tuple[Segment, ...]) -> list[Line]:
        lines: list[Line] = []
        for segment in rows:
            times = _times(segment, look)
            if not isinstance(segment.item, Module):
                lines.append(line("for _ in range({}):", times, block=layers(segment.item)))
                continue
            made = constructor(plan, around, child, number[segment.item.id], look, experts)
            if segment.count == 1 and (segment.of is None or segment.of.value is not None):
                lines.append(line("layers.append({})", made))
            else:
                lines.append(line("layers += [{} for _ in range({})]", made, times))
        return lines

    return [
        line("layers: list[nn.Module] = []"),
        *layers(segments),
        line("{} = nn.ModuleList(layers)", name),
    ]


def _times(segment: Segment, look: InitLook) -> Text:
    return Text(whole(segment.count)) if segment.of is None else spell_dim(segment.of, look)


# --- tables and caches ----------------------------------------------------------------------------


def table_lines(plan: p.Plan, around: Frame) -> list[Line]:
    """The method that computes constants; nothing where there are none."""
    module = around.group.module
    consts = [q for q in module.params if q.kind == "const"]
    if not consts:
        return []
    writer = Writer(plan, around, table=True)
    names = [n.form.param for n in module.nodes if isinstance(n.form, Read)]
    read = {name for name in names if is_read(module, name)}
    lines: list[Line] = []
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
                name = unused(name, {safe(q.name) for q in consts})
                lines.append(line("{} = {}", name, value))
                value = Text(name)
            writer.values[i] = value
        done = param.value + 1
        lines.append(line("{} = {}", safe(param.name), writer.values[param.value]))
    kept = ", ".join(f'"{safe(q.name)}": {safe(q.name)}' for q in consts if q.name in read)
    block = [
        line('"""What the settings alone decide, in single precision."""'),
        *writer.lines,
        *lines,
        line("return {}", f"{{{kept}}}"),
    ]
    head = "def tables(self, device: torch.device | None = None) -> dict[str, Tensor]:"
    return [line(""), line(head, block=block)]


def precise_lines(group: Group) -> list[Line]:
    """What keeps tensors of single precision, and tables, as they are when the rest is cast."""
    module = group.module
    precise = [q for q, _ in optional(group) if q.kind != "const" and q.type.dtype == "float32"]
    kept = [safe(q.name) for q in precise]
    tables = [q.name for q in module.params if q.kind == "const"]
    read = [safe(name) for name in tables if is_read(module, name)]
    if not kept and not read:
        return []
    lines = [line("super()._apply(fn, recurse)")]
    if kept:
        held = ", ".join(f'"{n}": self.{n}.data' for n in kept)
        if any(q.guard for q in precise):
            names = "".join(f'"{n}", ' for n in kept).rstrip()
            held = f"n: getattr(self, n).data for n in ({names}) if getattr(self, n) is not None"
        cast = line("getattr(self, name).data = value.to(getattr(self, name).device)")
        lines = [
            line("# What is of single precision keeps it when the rest is cast."),
            line("kept = {}", f"{{{held}}}"),
            *lines,
            line(
                "for name, value in kept.items():",
                block=[line("if not value.is_meta:", block=[cast])],
            ),
        ]
    if read:
        comment = "# Tables keep their precision when parameters are cast, and survive `to_empty`."
        lines = [
            *([line(comment)] if not kept else []),
            *lines,
            line(
                "for name, table in self.tables(self.{}.device).items():",
                sorted(read)[0],
                block=[line("setattr(self, name, table)")],
            ),
        ]
    head = "def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:"
    block = [*lines, line("return self")]
    return [line(""), line(head, block=block, uses=(Import("Callable"),))]


def is_read(module: Module, param: str) -> bool:
    """Whether a body reads a constant."""
    reads = [i for i, n in enumerate(module.nodes) if n.form == Read(param)]
    used = {a for n in module.nodes for a in n.args} | set(module.outputs)
    return any(i in used for i in reads)


def new_cache_lines(plan: p.Plan, writer: Writer) -> list[Line]:
    """The method that allocates what a block keeps, or nothing."""
    module = writer.module
    if not plan.keeps(module):
        return []
    block = [
        line('"""Empty places for `length` tokens of `batch` sequences."""'),
        *returned(places_kept(plan, module, writer)),
    ]
    head = "def new_cache(self, batch: int, length: int, **kind: Any) -> Any:"
    return [line(""), line(head, block=block)]


@record
class Places:
    """What a block keeps: the place of the only thing, or places by name."""

    entries: tuple[tuple[str, Text], ...]
    alone: bool = False

    def lines(self, begin: str) -> list[Line]:
        """A statement that begins so and ends with the places."""
        if self.alone:
            return [line("{}{}", begin, self.entries[0][1])]
        rows = [line('    "{}": {},', name, place) for name, place in self.entries]
        return [line("{}{}", begin, "{"), *rows, line("{}", "}")]


def returned(kept: Places) -> list[Line]:
    """The statement that returns the places."""
    return kept.lines("return ") if kept.entries else [line("return None")]


def places_kept(plan: p.Plan, module: Module, writer: Writer) -> Places:
    """The places of a module and its children."""
    entries: list[tuple[str, Text]] = []
    for node in every_node(module.nodes):
        match node.form:
            case Cache(place) as form:
                sizes = _places(node, form, writer)
                entries.append((safe(place), empty(sizes, node.type.dtype)))
            case Window() | Scan() if module.streams:
                entries += state_places(writer, node, _sizes(writer))
    entries += [(name, Text("None")) for name in places(plan, module).values()]
    own = bool(entries)
    inner = p.caching(plan, module)
    for kept in inner.values():
        name = f"self.{safe(kept.child.name)}"
        value = Text(
            "{}.new_cache(batch, length, **kind)".format("layer" if kept.child.segments else name)
        )
        if kept.child.segments:
            value = spelt("[{} for layer in {}]", value, name)
        for rounds in reversed(kept.rounds):
            value = spelt("[{} for _ in range({})]", value, writer.dim(rounds))
        entries.append((kept.name, value))
    return Places(tuple(entries), not own and len(inner) == 1)


def _sizes(writer: Writer) -> dict[str, Text]:
    """The lengths of axes that inputs bring, where there is no input: from the Config."""
    found = {"B": Text("batch")}
    for name in p.free_axes(writer.module):
        value = writer.module.symbols.get(name)
        if value is not None and not {"$B", "$T", "$S"} & value.symbols():
            found[name] = root(value).at(PLUS)
    return found


def _places(node: Node, cache: Cache, writer: Writer) -> Text:
    special = {**_sizes(writer), "S": Text("length")}
    if cache.every is not None:
        special["S"] = spelt("length // {}", writer.dim(cache.every).at(ATOM))
    if cache.last is not None:
        special["S"] = spelt("min(length, {})", writer.dim(cache.last))
    sizes = []
    for axis in node.type.axes:
        if isinstance(axis, Dim):
            name = "S" if "S" in axis.symbols() else axis.name or ""
            sizes.append(special.get(name) or writer.dim(axis))
    return listed(sizes)
