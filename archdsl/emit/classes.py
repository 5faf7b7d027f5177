"""Classes and functions of the emitted file."""

from __future__ import annotations

from collections import Counter

from archdsl.dims import Dim
from archdsl.dtypes import FLOATING
from archdsl.emit import plan as p
from archdsl.emit.body import WIDTH, Writer
from archdsl.emit.calls import root
from archdsl.emit.context import input_names, parameters, result_type
from archdsl.emit.intrinsics import kernel
from archdsl.emit.lines import Line, definition, documented, line, uses_of
from archdsl.emit.names import safe
from archdsl.emit.precomputed import places
from archdsl.emit.repeat import empty, state_places
from archdsl.emit.spell import (
    ATOM,
    PLUS,
    Look,
    Text,
    calling,
    listed,
    of_config,
    spell_dim,
    spell_real,
    spelt,
    whole,
)
from archdsl.emit.uses import MATH, Import, Length, OfBlock, Start, StoredConfig, Uses
from archdsl.graph import Child, Initial, Module, Param, Segment
from archdsl.nodes import Cache, Node, Read, Scan, Window, every_node
from archdsl.reals import Lit
from archdsl.record import record


def unit_lines(plan: p.Plan, unit: p.Unit) -> list[Line]:
    """The text of a class or a function."""
    if unit.is_function:
        return _function(plan, unit)
    return _class(plan, unit)


def forward_of(plan: p.Plan, unit: p.Unit, store: str = "cache") -> tuple[Writer, list[Line]]:
    """The statements of a body."""
    writer = Writer(plan, unit.module, store, banked=unit.banked)
    if plan.lowered(unit.module):
        lines = kernel(writer)
        return writer, [*shape_lines(writer, lines), *lines]
    results = writer.run(unit.module.outputs)
    lines = [*writer.lines, line("return {}", listed(results))]
    return writer, [*shape_lines(writer, lines), *lines]


def _function(plan: p.Plan, unit: p.Unit) -> list[Line]:
    module = unit.module
    _, body = forward_of(plan, unit)
    uses = uses_of(body)
    unit.arguments = [n for n in p.setting_names(module) if OfBlock(n) in uses]
    unit.starts = Start() in uses
    inputs = [f"{name}: Tensor" for name in input_names(module, True)]
    inputs += [f"{safe(n)}: {_python_type(module, n)}" for n in unit.arguments]
    inputs += [f"{p.captured(unit, c)}: {_captured_type(module, c)}" for c in unit.captures]
    inputs += ["start: int"] if unit.starts else []
    result = (
        "Tensor"
        if len(module.outputs) == 1
        else f"tuple[{', '.join(['Tensor'] * len(module.outputs))}]"
    )
    block = [*documented(_doc(module), 1), *body]
    return definition(f"def {unit.name}(", inputs, f") -> {result}:", block)


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


def shape_lines(writer: Writer, body: list[Line]) -> list[Line]:
    """Lines that read from the inputs the lengths of free axes that a body uses."""
    uses = uses_of(body)
    found: dict[int, list[tuple[int, str]]] = {}
    for name, (which, axis) in p.free_axes(writer.module).items():
        if Length(name) in uses:
            found.setdefault(which, []).append((axis, name))
    lines = []
    for which, axes in sorted(found.items()):
        variable = input_names(writer.module, writer.unit.is_function)[which]
        for axis, name in sorted(axes):
            lines.append(line("{} = {}.shape[{}]", safe(name), variable, axis))
    return lines


# --- classes --------------------------------------------------------------------------------------


def _class(plan: p.Plan, unit: p.Unit) -> list[Line]:
    module = unit.module
    writer, body = forward_of(plan, unit)
    tables = table_lines(plan, unit)
    kept = new_cache_lines(plan, unit, writer)
    init = init_lines(plan, unit, uses_of([*body, *tables, *kept]))
    plain, given = parameters(module, plan.given(module))
    inputs = ["self", *plain]
    inputs += ["expert: int"] if unit.banked else []
    inputs += ["start: int = 0"] if plan.needs_start(module) else []
    inputs += ["cache: Any = None"] if plan.keeps(module) else []
    inputs += ["*", *given] if given else []
    head = f") -> {result_type(module)}:"
    block = [
        *documented(_doc(module), 1),
        line(""),
        *init,
        *tables,
        *precise_lines(module),
        line(""),
        *definition("def forward(", inputs, head, body, 1),
        *kept,
    ]
    return [line("class {}(nn.Module):", unit.name, block=block)]


def params_of(unit: p.Unit) -> dict[str, tuple[Param, bool]]:
    """Parameters of a class, with whether some of its modules lack them."""
    found: dict[str, Param] = {}
    for module in (unit.module, *unit.modules):
        for param in module.params:
            found.setdefault(param.name, param)
    owners = Counter(name for m in unit.modules for name in {q.name for q in m.params})
    return {name: (param, owners[name] < len(unit.modules)) for name, param in found.items()}


def init_lines(plan: p.Plan, unit: p.Unit, uses: Uses) -> list[Line]:
    """`__init__`: the settings that are stored, parameters, submodules, tables. `uses` is what the
    other methods use.
    """
    module = unit.module
    look = _init_look(plan, unit)
    made: list[Line] = []
    guards: list[str] = []
    for param, optional in params_of(unit).values():
        if param.kind == "const":
            continue
        made.extend(_param_lines(param, optional, look, unit.banked))
        if optional and param.guard not in guards:
            guards.append(param.guard)
    if plan.needs_like(module) and not plan.lowered(module):
        made.append(line('self.register_buffer("like", torch.empty(0), persistent=False)'))
    for child in sorted(plan.children(module), key=lambda c: not c.owns):
        if not _silent(plan, child, unit.banked):
            made.extend(_child_lines(plan, module, child, look, unit.banked))
    names = [n for n in p.setting_names(module) if OfBlock(n) in uses | uses_of(made)]
    stored = [n for n in names if OfBlock(n) in uses]
    if unit.takes_config:
        arguments = ["config: Config = Config()" if unit.name == "Model" else "config: Config"]
        keep = [line("self.{} = {}", safe(n), _root(module, n)) for n in stored]
    else:
        unit.arguments = names
        arguments = [f"{safe(n)}: {_python_type(module, n)}" for n in names]
        keep = [line("self.{} = {}", safe(n), safe(n)) for n in stored]
    if unit.banked:
        arguments.insert(1 if unit.takes_config else 0, "experts: int")
    arguments += [f"{safe(name)}: nn.Module" for name in plan.shares(module).values()]
    arguments += [f"{safe(g)}: bool = False" for g in guards]
    if any(param.kind == "const" for param in module.params):
        held = line("self.register_buffer(name, table, persistent=False)")
        made.append(line("for name, table in self.tables().items():", block=[held]))
    made += [line("self.config = config")] if StoredConfig() in uses else []
    block = [line("super().__init__()"), *keep, *made]
    return definition("def __init__(", ["self", *arguments], ") -> None:", block, 1)


def _silent(plan: p.Plan, child: Child, banked: bool) -> bool:
    """Whether a child is a function and needs no submodule."""
    banked = banked or child.top_k is not None
    return all(plan.unit(m, banked).is_function for _, m in child.modules)


def _init_look(plan: p.Plan, unit: p.Unit) -> Look:
    module = unit.module
    names = set(p.setting_names(module))

    def look(name: str) -> Text:
        if name.startswith("$"):
            return of_config(name)
        if unit.takes_config:
            text = _root(module, name)
            return spelt("({})", text) if _compound(module, name) else text
        if name in names:
            return Text(safe(name), ATOM, frozenset((OfBlock(name),)))
        return Text(str(plan.model.number(module, Dim.symbol(name))))

    return look


def _compound(module: Module, name: str) -> bool:
    value = module.symbols.get(name)
    return value is not None and value.name is None and value.value is None


def _root(module: Module, name: str) -> Text:
    """A setting of a block in terms of the Config."""
    if name in module.symbols:
        return spell_dim(module.symbols[name], of_config)
    return spell_real(module.reals[name], of_config)


def _param_lines(param: Param, optional: bool, look: Look, banked: bool) -> list[Line]:
    axes = [spell_dim(a, look) for a in param.type.axes if isinstance(a, Dim)]
    name, guard = f"self.{safe(param.name)}", safe(param.guard)
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
    initial: Initial, name: str, dtype: str, sizes: list[Text], look: Look
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


def _child_lines(plan: p.Plan, here: Module, child: Child, look: Look, banked: bool) -> list[Line]:
    name = f"self.{safe(child.name)}"
    if child.top_k is not None:
        ((_, expert),) = child.modules
        count = _times(child.segments[0], look)
        return [line("{} = {}", name, constructor(plan, here, expert, look, count))]
    experts = Text("experts") if banked else None
    if child.module is not None:
        made = constructor(plan, here, child.module, look, experts, child.owns)
        tied = "{}.{} = self.{}  # one tensor, two places"
        return [
            line("{} = {}", name, made),
            *(line(tied, name, safe(q), ".".join(map(safe, path))) for q, path in child.ties),
        ]
    return _stack_lines(plan, here, name, child.segments, look, experts)


def constructor(
    plan: p.Plan,
    here: Module,
    module: Module,
    look: Look,
    experts: Text | None = None,
    owns: bool = False,
) -> Text:
    """`Linear(config.d, config.heads * config.d_head, bias=True)`; `experts` for a bank.

    What is shared is made where its binding owns it, and handed over from there.
    """
    names = {binding: f"self.{safe(name)}" for binding, name in p.owned(here).items()}
    names |= {binding: safe(name) for binding, name in plan.shares(here).items()}
    if module.shared is not None and not owns:
        return calling("Shared", "{}", names[module.shared])
    handed = [f"{safe(name)}={names[b]}" for b, name in plan.shares(module).items()]
    unit = plan.unit(module, experts is not None)
    args: list[object] = [experts] if unit.banked else []
    if unit.takes_config:
        return spelt("{}({})", unit.name, listed(["config", *args, *handed]))
    around = plan.of.get((here.id, False)) if experts is None else None
    for name in unit.arguments:
        value = module.symbols.get(name, module.reals.get(name))
        own = p.own_setting(here, value) if around and not around.takes_config else None
        if own is not None:
            args.append(look(own))
        elif name in module.symbols:
            args.append(spell_dim(module.symbols[name], look))
        else:
            args.append(spell_real(module.reals[name], look))
    for param, optional in params_of(unit).values():
        if optional and any(q.name == param.name for q in module.params):
            args.append(f"{safe(param.guard)}=True")
    return spelt("{}({})", unit.name, listed(args))


def _stack_lines(
    plan: p.Plan,
    here: Module,
    name: str,
    segments: tuple[Segment, ...],
    look: Look,
    experts: Text | None,
) -> list[Line]:
    if len(segments) == 1 and isinstance(segments[0].item, Module):
        made = constructor(plan, here, segments[0].item, look, experts)
        said = "{} = nn.ModuleList({} for _ in range({}))"
        return [line(said, name, made, _times(segments[0], look))]
    return [
        line("layers: list[nn.Module] = []"),
        *_segment_lines(plan, here, segments, look, experts),
        line("{} = nn.ModuleList(layers)", name),
    ]


def _segment_lines(
    plan: p.Plan,
    here: Module,
    segments: tuple[Segment, ...],
    look: Look,
    experts: Text | None,
) -> list[Line]:
    lines: list[Line] = []
    for segment in segments:
        times = _times(segment, look)
        if not isinstance(segment.item, Module):
            block = _segment_lines(plan, here, segment.item, look, experts)
            lines.append(line("for _ in range({}):", times, block=block))
            continue
        made = constructor(plan, here, segment.item, look, experts)
        if segment.count == 1 and (segment.of is None or segment.of.value is not None):
            lines.append(line("layers.append({})", made))
        else:
            lines.append(line("layers += [{} for _ in range({})]", made, times))
    return lines


def _times(segment: Segment, look: Look) -> Text:
    return Text(whole(segment.count)) if segment.of is None else spell_dim(segment.of, look)


# --- tables and caches ----------------------------------------------------------------------------


def table_lines(plan: p.Plan, unit: p.Unit) -> list[Line]:
    """The method that computes constants; nothing where there are none."""
    module = unit.module
    consts = [q for q in module.params if q.kind == "const"]
    if not consts:
        return []
    writer = Writer(plan, module, table=True, banked=unit.banked)
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


def precise_lines(module: Module) -> list[Line]:
    """What keeps tensors of single precision, and tables, as they are when the rest is cast."""
    precise = [q for q in module.params if q.kind != "const" and q.type.dtype == "float32"]
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


def new_cache_lines(plan: p.Plan, unit: p.Unit, writer: Writer) -> list[Line]:
    """The method that allocates what a block keeps, or nothing."""
    module = unit.module
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
