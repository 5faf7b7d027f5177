"""Lines of `hub ... config`: what they map exists, what they use is known before them.

hub M "m" { config { use Decoder  heads <- .num_heads  kv_heads <- .num_kv_heads ?? heads } ... }
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from archdsl import syntax as s
from archdsl.check.names import CALLED, CONSTANTS
from archdsl.check.scope import words
from archdsl.check.values import Block, Keys, Value
from archdsl.diagnostic import Diagnostics, Label, nearest
from archdsl.ops import OPS
from archdsl.reals import FUNCTIONS
from archdsl.record import fields, record


@record
class Line:
    """A line of `config` with what is in sight where it is written. `included`: it stands in a
    `keys` declaration.
    """

    line: s.ConfigLine
    globals: Mapping[str, Value]
    included: bool = False


def config_lines(
    block: Block, hub: s.HubDecl, keys: Mapping[str, Keys], diagnostics: Diagnostics
) -> list[Line]:
    """The lines of a hub in order, those of `keys` declarations in their places. What the hub maps
    itself takes the place of a line of these that maps it. Of the other lines those stay that map a
    setting of the model, and what these use.
    """
    lines = list(_included(hub.config, block.globals, keys, False, (), diagnostics))
    shared = {_name(x.line) for x in lines if x.included} - {""}
    own = {_name(x.line): x for x in lines if _name(x.line) in shared and not x.included}
    settings = {x.name.name for x in block.decl.settings}
    placed: list[Line] = []
    done: set[str] = set()
    named = {_name(x.line): x for x in lines if _name(x.line) and not x.included}

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

    moved_up: set[str] = set()
    for x in lines:
        name = _name(x.line)
        if name not in moved_up or x.included:
            place(own.get(name, x), x.included and name in own)
    kept: list[Line] = []
    used: set[str] = set()
    for x in reversed(placed):
        name = _name(x.line)
        mapped = isinstance(x.line, s.Mapping) and name in settings
        if name and x.included and not mapped and name not in used:
            continue
        used |= {n.name for n in _names(_of(x.line))}
        kept.append(x)
    return kept[::-1]


def _name(line: s.ConfigLine) -> str:
    """The setting or the name that a line gives, or an empty string."""
    return line.name.name if isinstance(line, s.Mapping | s.Local) else ""


def _included(
    lines: Iterable[s.ConfigLine | s.SharedWeights],
    globals: Mapping[str, Value],
    keys: Mapping[str, Keys],
    included: bool,
    chain: tuple[str, ...],
    diagnostics: Diagnostics,
) -> Iterator[Line]:
    for line in lines:
        if isinstance(line, s.SharedWeights):
            continue
        if not isinstance(line, s.Include):
            yield Line(line, globals, included)
            continue
        name = line.name.name
        if name not in keys:
            message, hint = f"there are no keys {name}", nearest(name, keys)
            diagnostics.add("unknown-name", message, line.name.span, help=hint)
        elif name in chain:
            message = f"{name} uses itself"
            diagnostics.add("recursion", message, line.name.span, help="take the line out")
        else:
            there = keys[name]
            inner = (*chain, name)
            yield from _included(
                there.decl.lines, there.globals, there.known, True, inner, diagnostics
            )


def _of(line: s.ConfigLine) -> object:
    """The expressions of a line."""
    match line:
        case s.Mapping(value=value) | s.Local(value=value) | s.Require(value):
            return value
        case s.Defaults(presets):
            return tuple(p.value for p in presets)
    return ()


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
        here = known | mapped | x.globals.keys()
        for name in _names(_of(x.line)):
            if name.name not in here and (whole or name.name not in settings):
                late = name.name in settings
                help = "map it before" if late else nearest(name.name, here)
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
        elif isinstance(x.line, s.Mapping) and name.name not in settings and not x.included:
            hint = nearest(name.name, settings) or f"a name for later lines: {name.name} = ..."
            message = f"{block.name} has no setting {name.name}"
            diagnostics.add("unknown-setting", message, name.span, help=hint)
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
