"""Lines of `hub ... config`: what they map exists, what they use is known before them.

hub M "m" { config { use Decoder  heads <- .num_heads  kv_heads <- .num_kv_heads ?? heads } ... }
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from archdsl import syntax as s
from archdsl.check.mapped import check_kinds
from archdsl.check.names import CALLED, CONSTANTS
from archdsl.check.scope import words
from archdsl.check.values import Block, Keys, Value
from archdsl.diagnostic import Diagnostics, Label, nearest
from archdsl.ops import OPS
from archdsl.reals import FUNCTIONS
from archdsl.record import fields, record, replace


@record
class Line:
    """A line of `config` with what is in sight where it is written. `depth`: how many `keys`
    declarations it stands in, 0 for a line of the hub itself.
    """

    line: s.ConfigLine
    globals: Mapping[str, Value]
    depth: int = 0


def config_lines(
    block: Block, hub: s.HubDecl, keys: Mapping[str, Keys], diagnostics: Diagnostics
) -> list[Line]:
    """The lines of a hub in order, those of `keys` declarations in their places. Of the latter
    those stay that map a setting of the model, and what these use; kinds that the model does not
    have are no cases of theirs, and what a setting takes is expected no more.
    """
    rules = (*hub.uses, *hub.config)
    placed = _resolved(rules, block.globals, keys, (), diagnostics)
    settings = {x.name.name: x for x in block.decl.settings}
    kept: list[Line] = []
    used: set[str] = set()
    for x in reversed(placed):
        name = _name(x.line)
        mapped = isinstance(x.line, s.Mapping) and name in settings
        if name and x.depth and not mapped and name not in used:
            continue
        used |= {n.name for n in _names(_of(x.line))}
        kept.append(x)
    local = {_name(x.line) for x in kept} - settings.keys()
    lines = [_of_its_kinds(x, settings, local) if x.depth else x for x in reversed(kept)]
    return list(_demanded(lines))


def _name(line: s.ConfigLine) -> str:
    """The setting or the name that a line gives, or an empty string."""
    return line.name.name if isinstance(line, s.Mapping | s.Local) else ""


def _resolved(
    rules: Iterable[s.ConfigLine | s.SharedWeights],
    globals: Mapping[str, Value],
    keys: Mapping[str, Keys],
    chain: tuple[str, ...],
    diagnostics: Diagnostics,
) -> list[Line]:
    """The lines of a declaration and of those that it uses, in order. A line of its own takes the
    place of one that is used and gives the same name.
    """
    lines: list[Line] = []
    for line in rules:
        match line:
            case s.SharedWeights():
                continue
            case s.Include(names):
                for name in names:
                    there = _declaration(name, keys, chain, diagnostics)
                    if there is not None:
                        inner = (*chain, name.name)
                        used = there.decl.lines, there.globals, there.known
                        below = _resolved(*used, inner, diagnostics)
                        lines += [replace(x, depth=x.depth + 1) for x in below]
            case _:
                lines.append(Line(line, globals))
    return _placed(lines)


def _declaration(
    name: s.Name, keys: Mapping[str, Keys], chain: tuple[str, ...], diagnostics: Diagnostics
) -> Keys | None:
    """The declaration that a `use` names, or None after a report."""
    if name.name not in keys:
        message, hint = f"there are no keys {name.name}", nearest(name.name, keys)
        diagnostics.add("unknown-name", message, name.span, help=hint)
    elif name.name in chain:
        message = f"{name.name} uses itself"
        diagnostics.add("recursion", message, name.span, help="take the line out")
    else:
        return keys[name.name]
    return None


def _placed(lines: list[Line]) -> list[Line]:
    """Lines of which those of depth 0 stand where the lines stood that they replace."""
    shared = {_name(x.line) for x in lines if x.depth} - {""}
    own = {_name(x.line): x for x in lines if _name(x.line) in shared and not x.depth}
    named = {_name(x.line): x for x in lines if _name(x.line) and not x.depth}
    placed: list[Line] = []
    done: set[str] = set()
    moved_up: set[str] = set()

    def place(x: Line, moved: bool) -> None:
        """Puts a line in its place. What a line uses that moved up moves up with it."""
        name = _name(x.line)
        if name in done and name in own:
            return  # it took the place of an included line
        if name:
            done.add(name)
        for used in _names(_of(x.line)) if moved else ():
            if used.name in named and used.name not in done:
                moved_up.add(used.name)
                place(named[used.name], True)
        placed.append(x)

    for x in lines:
        name = _name(x.line)
        if name not in moved_up or x.depth:
            place(own.get(name, x), bool(x.depth) and name in own)
    return placed


def _of(line: s.ConfigLine) -> object:
    """The expressions of a line."""
    match line:
        case s.Mapping(value=value) | s.Local(value=value) | s.Require(value):
            return value
        case s.Defaults(presets) | s.Expected(presets):
            return tuple(p.value for p in presets)
    return ()


# --- lines that depend on the model ---------------------------------------------------------------


def _of_its_kinds(x: Line, settings: Mapping[str, s.SettingDecl], local: Collection[str]) -> Line:
    """A line that maps words, without the cases whose word the model does not have."""
    decl = settings.get(_name(x.line))
    known = set(words(None if decl is None else decl.kind))
    if not known or not isinstance(x.line, s.Mapping):
        return x
    known |= {*local, *x.globals, *CONSTANTS}
    return replace(x, line=replace(x.line, value=_without_cases(x.line.value, known)))


def _without_cases(expr: s.Expr, known: Collection[str]) -> s.Expr:
    match expr:
        case s.Match(cases=cases):
            left = (c for c in cases if not isinstance(c.value, s.Name) or c.value.name in known)
            return replace(expr, cases=tuple(left))
        case s.ListExpr(items):
            inner = (replace(a, value=_without_cases(a.value, known)) for a in items)
            return replace(expr, items=tuple(inner))
    return expr


def _demanded(lines: list[Line]) -> Iterator[Line]:
    """The lines with `expect` as it counts for this model. A key that a setting comes from may have
    any value: then the expected one is only what the class takes for a key that is not there. What
    stands closer to the hub, `expect` or `ignore`, takes the place of what it uses.
    """
    objects = {x.line.name.name: x.line.value for x in lines if isinstance(x.line, s.Local)}
    mapped: set[Path] = set()
    needed: set[str] = set()
    stated: dict[Path, int] = {}
    for x in reversed(lines):  # names stand before what uses them
        if isinstance(x.line, s.Mapping) or _name(x.line) in needed:
            needed |= {n.name for n in _names(_of(x.line))}
            mapped |= set(keys_in(x.line, objects))
        elif isinstance(x.line, s.Ignore | s.Expected):
            for path in keys_in(x.line):
                stated[path] = min(x.depth, stated.get(path, x.depth))
    for x in lines:
        if not isinstance(x.line, s.Expected):
            yield x
            continue
        left = [p for p in x.line.presets if stated[p.path] == x.depth]
        free = {p.path for p in left if p.path in mapped and x.depth}
        for kind, presets in (
            (s.Defaults, tuple(p for p in left if p.path in free)),
            (s.Expected, tuple(p for p in left if p.path not in free)),
        ):
            if presets:
                yield replace(x, line=kind(presets, x.line.span))


# --- keys of a configuration ----------------------------------------------------------------------

Path = tuple[str, ...]
"""`.a.b` as ("a", "b")."""


def keys_in(node: object, objects: Mapping[str, s.Expr] = MappingProxyType({})) -> Iterator[Path]:
    """The paths of keys in a line; `objects` are names for keys."""
    if isinstance(node, s.Preset):
        yield node.path
        yield from keys_in(node.value, objects)
        return
    if isinstance(node, s.Key | s.Field):
        paths = list(_key_paths(node, objects))
        yield from paths
        if paths:
            return
    if isinstance(node, tuple):
        for item in node:
            yield from keys_in(item, objects)
    elif type(node).__module__ == s.__name__:
        for field in fields(node):
            yield from keys_in(getattr(node, field), objects)


def shared_keys(keys: Mapping[str, Keys]) -> frozenset[str]:
    """The keys on top that change a network somewhere: those that the `keys` declarations in sight,
    and in the files of these, do more with than to ignore them.
    """
    seen: dict[str, Keys] = {}
    left = dict(keys)
    while left:
        name, one = left.popitem()
        if seen.setdefault(name, one) is one:
            left |= {k: v for k, v in one.known.items() if k not in seen}
    lines = (x for one in seen.values() for x in one.decl.lines)
    working = (x for x in lines if not isinstance(x, s.Ignore | s.SharedWeights | s.Include))
    return frozenset(path[0] for x in working for path in keys_in(x))


def _key_paths(node: s.Expr, objects: Mapping[str, s.Expr]) -> Iterator[Path]:
    match node:
        case s.Key(name):
            yield (name.name,)
        case s.Field(s.Name(known), name) if known in objects:
            others = {k: v for k, v in objects.items() if k != known}
            for path in keys_in(objects[known], others):
                yield (*path, name.name)
        case s.Field(value, name):
            for path in _key_paths(value, objects):
                yield (*path, name.name)


# --- the check ------------------------------------------------------------------------------------


def check_hub(
    block: Block, hub: s.HubDecl, keys: Mapping[str, Keys], diagnostics: Diagnostics
) -> None:
    """Reports mappings of what is no setting, settings without a value, and unknown names."""
    settings = {x.name.name: x for x in block.decl.settings}
    known = {*CONSTANTS, *OPS, *FUNCTIONS, *CALLED}
    known |= {word for x in block.decl.settings for word in words(x.kind)}
    mapped: set[str] = set()
    before = len(diagnostics)
    lines = config_lines(block, hub, keys, diagnostics)
    whole = len(diagnostics) == before  # else lines are missing that were told to be
    for x in lines:
        fixed = isinstance(x.line, s.Defaults | s.Expected)  # read before anything is mapped
        here = known | x.globals.keys() | (set() if fixed else mapped)
        for name in _names(_of(x.line)):
            if name.name not in here and (whole or fixed or name.name not in settings):
                late = name.name in settings
                help = "map it before" if late else nearest(name.name, here)
                if late and fixed:
                    help = "this is read before anything is mapped: a value, or what keys say"
                what = "is not mapped yet" if late else "is unknown here"
                diagnostics.add("unknown-name", f"{name.name} {what}", name.span, help=help)
        if not isinstance(x.line, s.Mapping | s.Local):
            continue
        name = x.line.name
        if name.name in mapped:
            diagnostics.add("duplicate-name", f"{name.name} is mapped twice", name.span)
        elif isinstance(x.line, s.Local) and name.name in settings:
            message = f"{name.name} is a setting of {block.name}"
            diagnostics.add("duplicate-name", message, name.span, help=f"{name.name} <- ...")
        elif isinstance(x.line, s.Mapping) and name.name not in settings and not x.depth:
            hint = nearest(name.name, settings) or f"a name for later lines: {name.name} = ..."
            message = f"{block.name} has no setting {name.name}"
            diagnostics.add("unknown-setting", message, name.span, help=hint)
        elif isinstance(x.line, s.Mapping) and name.name in settings:
            check_kinds(x.line, settings, x.globals, block.name, diagnostics)
        mapped.add(name.name)
    for missing in (x for x in settings.values() if whole and x.name.name not in mapped):
        setting, default = missing.name.name, missing.default
        if default is not None and not hub.classes:
            continue
        message, help = f"no line maps {setting}, which has no default", f"add: {setting} <- .key"
        if default is not None:
            # Else a file of the class that says otherwise would be taken for this model.
            message = f"no line maps {setting}, and a hub for a class speaks of all settings"
            text = default.span.text
            help = f"add: {setting} <- .key, or {setting} <- {text} where no file says else"
        labels = (Label(missing.name.span, "declared here"),)
        diagnostics.add("hub-config", message, hub.model.span, labels=labels, help=help)


def _names(node: object, bound: frozenset[str] = frozenset()) -> Iterator[s.Name]:
    """The names that an expression uses; those of settings, keys and loops are no uses."""
    match node:
        case s.Name(name):
            if name not in bound:
                yield node
        case s.Key():
            return
        case s.Field(value):
            yield from _names(value, bound)
        case s.Arg(value, clauses=clauses):
            inner = bound
            for clause in clauses:
                yield from _names(clause.source, inner)
                inner |= {name.name for name in clause.names}
                yield from _names(clause.tests, inner)
            yield from _names(value, inner)
        case tuple():
            for item in node:
                yield from _names(item, bound)
        case _ if type(node).__module__ == s.__name__:
            for part in fields(node):
                if part not in ("span", "source"):
                    yield from _names(getattr(node, part), bound)
