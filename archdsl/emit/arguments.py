"""What a class or a function of the emitted file is passed, and its kind.

    class Part(nn.Module):
        def __init__(self, config: Config, s: float) -> None:    # Unit("Part", "config", ...)
            self.mix = Scaled(config.d, s)                    # Passed(value=$d), Passed(capture=s)

A *leaf* takes its numbers, a block with submodules the `Config`, so that its submodules can say
`config.heads * config.d_head`. Modules of one unit may differ in numbers: those are arguments too,
of its own block or of a block anywhere inside it (a capture), which it hands on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from archdsl.dims import Dim
from archdsl.emit import plan as p
from archdsl.emit.context import input_names
from archdsl.emit.names import safe, variable
from archdsl.emit.plan import Plan
from archdsl.emit.unit import (
    CONFIG,
    FUNCTION,
    INLINED,
    LEAF,
    Argument,
    Frame,
    Group,
    Passed,
    Step,
    Unit,
    Values,
)
from archdsl.emit.uses import Handed, OfBlock, Uses
from archdsl.graph import Child, Experts, Module, Param, Single
from archdsl.nodes import Elementwise, Input
from archdsl.reals import Lit
from archdsl.record import replace


def frame(plan: Plan, group: Group) -> Frame:
    """What is decided of a group before its statements; the units of what it holds are decided."""
    if group.function and inlined(group.module) is not None:
        return Frame(group, INLINED, {})
    kind = FUNCTION if group.function else _kind(plan, group)
    passed: dict[Step, tuple[Passed, ...]] = {}
    wanted: list[tuple[Step, Argument, Values, Passed | None]] = []
    for step, unit in _parts(plan, group):
        for argument in unit.arguments:
            values = _values(group, step, argument)
            wanted.append((step, argument, values, _passed(group, kind, unit, values)))
    captures = _captures(
        plan, group, kind, [(s, a, values) for s, a, values, t in wanted if t is None]
    )
    for step, argument, values, own in wanted:
        capture = captures.get((step, argument))
        number = Passed(values[0], argument=capture) if own is None else own
        passed[step] = (*passed.get(step, ()), number)
    varying = frozenset(
        name
        for name in p.setting_names(group.module)
        if len({p.number_of(m, name) for m in group.modules}) > 1
    )
    fixed = {
        name: group.module.symbols.reals[name]
        for name in p.setting_names(group.module)
        if name not in varying and isinstance(group.module.symbols.reals.get(name), Lit)
    }
    handed = tuple(dict.fromkeys(captures.values()))
    calls = frozenset(unit.name for _, unit in _parts(plan, group) if unit.kind == FUNCTION)
    used = {*calls, "expert"} if group.banked else set(calls)
    if kind == FUNCTION:
        used |= {variable(n) for n in p.setting_names(group.module)} | {a.name for a in handed}
    inputs = tuple(input_names(group.module, kind == FUNCTION, used))
    used.update(inputs)
    lengths = {axis: p.fresh(variable(axis), used) for axis in p.free_axes(group.module)}
    fixed = {} if kind == FUNCTION else fixed
    return Frame(group, kind, passed, handed, varying, inputs, lengths, calls, fixed)


def inlined(module: Module) -> int | None:
    """The node of a block that is a single operation, written where it is used."""
    computed = [i for i, n in enumerate(module.nodes) if not isinstance(n.form, Input)]
    if len(computed) != 1 or module.outputs != tuple(computed):
        return None
    node = module.nodes[computed[0]]
    plain = isinstance(node.form, Elementwise) and len(node.args) == len(module.inputs)
    return computed[0] if plain else None


def optional(group: Group) -> list[tuple[Param, bool]]:
    """The parameters of a class, each with whether some of its modules lack it."""
    params: dict[str, Param] = {}
    for module in (group.module, *group.modules):
        for param in module.params:
            params.setdefault(param.name, param)
    owners = Counter(name for m in group.modules for name in {q.name for q in m.params})
    return [(param, owners[name] < len(group.modules)) for name, param in params.items()]


def arguments_of(around: Frame, uses: Uses) -> tuple[Argument, ...]:
    """The numbers that a unit is passed, whose text has these uses: settings of its own, then those
    that it hands on.
    """
    module = around.group.module
    names = p.setting_names(module)
    if around.takes_config:
        names = [n for n in names if n in around.varying]
    names = [n for n in names if n not in around.fixed]
    own = [Argument(around.argument(n), n, _type(module, n)) for n in names if OfBlock(n) in uses]
    return (*own, *(a for a in around.captures if Handed(a.name) in uses))


def _type(module: Module, setting: str) -> str:
    return "int" if setting in module.symbols.dims else "float"


# --- what is passed ------------------------------------------------------------------------------


def _parts(plan: Plan, group: Group) -> Iterator[tuple[Step, Unit]]:
    """The units that a unit makes or calls, once for each module of a schedule; what is shared is
    made by its owner only.
    """
    for child in plan.children(group.module):
        for k, (_, inner) in enumerate(child.modules):
            unit = plan.unit(inner, group.banked or isinstance(child.part, Experts))
            if unit.is_function or inner.shared is None or child.owned is not None:
                yield (child.name, k), unit


def at(module: Module, path: tuple[Step, ...]) -> Module:
    """The module that a path leads to."""
    for name, k in path:
        _, module = module.child(name).modules[k]
    return module


def _values(group: Group, step: Step, argument: Argument) -> Values:
    """The number that is passed, in each module of a group; that of its text first."""
    path = (step, *argument.path)
    modules = (group.module, *group.modules)
    return tuple(p.number_of(at(m, path), argument.setting) for m in modules)


def _passed(group: Group, kind: str, unit: Unit, values: Values) -> Passed | None:
    """How a number is said without an argument for it; None where it needs one."""
    same = len(set(values)) == 1
    if kind == CONFIG and same and not unit.is_function:
        return Passed(values[0])
    own = own_name(group, values, axes=unit.is_function)
    if own is not None:
        return Passed(values[0], own)
    known = not p.reals_of(values[0])
    if kind == FUNCTION:
        known = known and isinstance(values[0], Dim)
    return Passed(values[0]) if same and (known or kind == CONFIG) else None


def own_name(group: Group, values: Values, axes: bool = False) -> str | None:
    """A name of the block for a value that its modules have in common: of a setting, or of an axis
    that is no mere number.
    """
    names = p.setting_names(group.module)
    if axes and p.reals_of(values[0]):
        names = [*names, *p.free_axes(group.module)]
    modules = (group.module, *group.modules)
    for name in names:
        if all(m.symbols.get(name) == v for m, v in zip(modules, values, strict=True)):
            return name
    return None


def _captures(
    plan: Plan,
    group: Group,
    kind: str,
    wanted: list[tuple[Step, Argument, Values]],
) -> dict[tuple[Step, Argument], Argument]:
    """Arguments for numbers that a block cannot say itself. A class has one for all that are equal
    in each of its modules.
    """
    module = group.module
    used = {variable(n) for n in p.setting_names(module)}
    used |= {"layers", "experts", *plan.names}
    used |= {safe(child.name) for child in module.children}
    used |= {safe(param.name) for param in module.params}
    first: dict[object, Argument] = {}
    keys: dict[tuple[Step, Argument], object] = {}
    for step, argument, values in wanted:
        alike: object = (step, argument) if kind == FUNCTION else values
        keys[step, argument] = alike
        kept = Argument("", argument.setting, argument.type, (step, *argument.path))
        first.setdefault(alike, kept)
    settings = [a.setting for a in first.values()]
    named: dict[object, Argument] = {}
    for shared, a in first.items():
        name = variable(a.setting)
        if name in used or settings.count(a.setting) > 1:
            name = variable(f"{a.path[-1][0]}_{a.setting}")
        named[shared] = replace(a, name=p.fresh(name, used))
    return {place: named[alike] for place, alike in keys.items()}


# --- kinds of classes -----------------------------------------------------------------------------


def _kind(plan: Plan, group: Group) -> str:
    if group.module is plan.model.root or any(map(p.says_model, group.modules)):
        return CONFIG
    if _says_all(plan, group):
        return LEAF
    inner = [
        plan.unit(m, group.banked or isinstance(c.part, Experts))
        for c in plan.children(group.module)
        for _, m in c.modules
    ]
    if any(not unit.is_function for unit in inner) or p.needs_lengths(group.module):
        return CONFIG
    passed = all(
        _sayable(plan, module, m)
        for module in group.modules
        for c in plan.children(module)
        for _, m in c.modules
    )
    return LEAF if passed else CONFIG


def _says_all(plan: Plan, group: Group) -> bool:
    """Whether blocks of this name that differ in numbers can be one class, which is passed them: it
    makes its submodules of its own settings.
    """
    module = group.module
    if group.banked or module.block not in plan.several or p.says_model(module):
        return False
    if plan.shares(module) or p.needs_lengths(module):
        return False
    return all(_makes(plan, group, child) for child in plan.children(module))


def _makes(plan: Plan, group: Group, child: Child) -> bool:
    """Whether a class can make a child of its own settings."""
    if not isinstance(child.part, Single):
        return not child.modules
    for k, (_, inner) in enumerate(child.modules):
        unit = plan.unit(inner)
        if unit.is_function or unit.kind == CONFIG or unit.banked:
            return False
        own = [Argument(n, n, "") for n in p.setting_names(inner)]
        for argument in (*own, *(a for a in unit.arguments if a.path)):
            values = _values(group, (child.name, k), argument)
            known = len(set(values)) == 1 and not p.reals_of(values[0])
            if not known and own_name(group, values) is None:
                return False
    return True


def _sayable(plan: Plan, module: Module, inner: Module) -> bool:
    """Whether a block can tell a function all its settings from its own."""
    own = [*module.symbols.dims.values(), *module.symbols.reals.values()]
    for name in p.setting_names(inner):
        value = p.number_of(inner, name)
        if value not in own and p.reals_of(value):
            return False
    return all(_sayable(plan, module, m) for c in plan.children(inner) for _, m in c.modules)
