"""Published configurations: a `config.json` becomes a spec with one variant.

A `hub` declaration says how the keys of a configuration give the settings of its model:

    hub Net "net" for "NetForCausalLM" {
      config { d <- .hidden_size  kv_heads <- .num_key_value_heads ?? .heads }
      ...
    }

Every key has to be mapped, required or ignored: a key that nobody has thought of could change the
network, and a silently wrong model is the worst outcome. Keys of the file format itself, which say
nothing of the network, are listed in `configuration.py`. A hub that names its classes knows all
keys that these read; others change nothing and are named in a remark.

| file | what it holds |
|---|---|
| `__init__.py` | the hub of a model type, its lines evaluated |
| `configuration.py` | JSON as values; which keys were accounted for |
| `text.py` | settings as the text of a spec |
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from archdsl import syntax as s
from archdsl.check import expressions, hubs, statics
from archdsl.check.names import entry
from archdsl.check.scope import Numbers, Scope, words
from archdsl.check.values import Error, Float, Int, Null, Record, Truth, Value, Word
from archdsl.diagnostic import Diagnostics, SpecError, nearest, printable
from archdsl.dims import Dim, TooLarge
from archdsl.formatter import formatted
from archdsl.hub import configuration, text
from archdsl.reals import Lit, Ref
from archdsl.record import record, replace
from archdsl.resolver import Library, Unit, specs_folder
from archdsl.source import Source


@record
class Imported:
    """The text of a spec, and what there is to say of the import, a sentence each."""

    text: str
    remarks: tuple[str, ...]


_HUB = re.compile(r'^hub\s+\w+\s+("[^"\n]*"(?:\s*,\s*"[^"\n]*")*)', re.MULTILINE)
_QUOTED = re.compile(r'"([^"]*)"')


@record
class Match:
    """A hub with the file that it stands in."""

    unit: Unit
    hub: s.HubDecl


def imported(
    config: Mapping[str, Any],
    name: str = "",
    file: str = "config.json",
    ignore: Collection[str] = (),
    specs: Collection[Path] = (),
    folder: Path | None = None,
) -> Imported:
    """A spec with one variant for a published configuration.

    `ignore` are keys that the user declares to change nothing; `specs` are files with hubs of the
    user's own, looked at before the shipped ones, in the `folder` that the spec is for (the current
    one) or below.

    Raises SpecError where no spec knows the `model_type`, a class is another one, a key is left
    over, or a requirement does not hold; it holds all reasons.
    """
    diagnostics = Diagnostics()
    outcome = None
    try:
        own = _own(specs, folder or Path.cwd(), file, diagnostics)
        if not diagnostics.items:
            read = configuration.decoded(dict(config))
            outcome = _imported(read, name, file, ignore, own, diagnostics)
    except (RecursionError, TooLarge):
        diagnostics.add("too-large", "this configuration is too deep or too large", None, name=file)
    if outcome is None or diagnostics.items:
        raise SpecError(diagnostics.items)
    return Imported(formatted(Source(file, outcome.text)), outcome.remarks)


def _imported(
    config: Mapping[str, Any],
    name: str,
    file: str,
    ignore: Collection[str],
    own: list[tuple[Path, str]],
    diagnostics: Diagnostics,
) -> Imported | None:
    chosen = match_of(config, file, own, diagnostics)
    if chosen is None:
        return None
    match, inner, remarks = chosen
    values = configuration.record(inner, file, diagnostics)
    if values is None or diagnostics.items:
        return None
    unit, hub = match.unit, match.hub
    _check_class(inner, hub, file, diagnostics)
    block = unit.blocks[hub.model.name]
    lines = hubs.config_lines(block, hub, unit.keys, diagnostics)
    settings, read = _settings(match, lines, values, diagnostics)
    ignored = {p for x in lines if isinstance(x.line, s.Ignore) for p in hubs.keys_in(x.line)}
    ignored |= {tuple(key.split(".")) for key in ignore}
    left = configuration.unread(inner, read, ignored)
    objects = {x.line.name.name: x.line.value for x in lines if isinstance(x.line, s.Local)}
    mentioned = ignored | {p for x in lines for p in hubs.keys_in(x.line, objects)}
    if diagnostics.items:  # a line that failed has not looked at all that it speaks of
        left = [path for path in left if path not in mentioned]
    complete = bool(hub.classes) and not (config.get("auto_map") or inner.get("auto_map"))
    elsewhere = {key for key in hubs.shared_keys(unit.keys) if inner.get(key) not in (False, 0, [])}
    unknown = configuration.report_unread(
        left, mentioned, elsewhere if complete else None, hub.model.name, file, diagnostics
    )
    if diagnostics.items:
        return None
    remarks = [f"Imported from {printable(Path(file).name)}: {hub.types[0].value}.", *remarks]
    if unknown:
        names = ", ".join(sorted(unknown))
        remarks.append(f"Taken to change nothing, for its hub does not speak of it: {names}.")
    if ignore:
        remarks.append(f"Ignored as asked: {', '.join(printable(key) for key in ignore)}.")
    title = name or str(config.get("_name_or_path") or "") or Path(file).stem
    context = inner.get("max_position_embeddings") or inner.get("n_positions")
    return Imported(text.spec(block, settings, title, context, remarks), tuple(remarks[1:]))


def match_of(
    config: Mapping[str, Any], file: str, specs: list[tuple[Path, str]], diagnostics: Diagnostics
) -> tuple[Match, Mapping[str, Any], list[str]] | None:
    """The hub of a configuration, the part of it that is meant, and what to say of it; None after
    a report.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str):
        diagnostics.add("hub-config", "the configuration has no model_type", None, name=file)
        return None
    remarks = []
    quantised = config.get("quantization_config")
    if quantised is not None:
        method = quantised.get("quant_method") if isinstance(quantised, dict) else None
        how = f" ({printable(method)})" if isinstance(method, str) else ""
        remarks.append(f"The published weights are quantised{how}; the model is counted without.")
    known = _known([*specs, *_shipped()])
    inner = config.get("text_config")
    if kind not in known and isinstance(inner, dict):
        part = inner.get("model_type") or f"{kind}_text"
        if isinstance(part, str) and part in known:
            remarks.append(f"The text part of {printable(kind)}, its text_config.")
            around = {k: v for k, v in config.items() if k == "tie_word_embeddings"}
            match = _match(part, *known[part], diagnostics)
            return None if match is None else (match, {**around, **inner}, remarks)
    if kind in known:
        match = _match(kind, *known[kind], diagnostics)
        return None if match is None else (match, config, remarks)
    without = [label for path, label in _shipped() if _alike(path.stem, kind)]
    hint = nearest(kind, known) or f"known are {', '.join(sorted(known))}"
    if without:
        hint = f"{without[0]} describes a family of this name, without a hub for its configurations"
    message = f"no spec knows the model_type {printable(kind)}"
    if not specs:
        hint += "; a hub of your own is read with archdsl import --spec FILE"
    diagnostics.add("hub-config", message, None, name=file, help=hint)
    return None


def _known(specs: list[tuple[Path, str]]) -> dict[str, tuple[Path, str]]:
    """The file that has a hub for each model type. Files are looked through and not parsed: those
    of other types cost little, and what is wrong in them does not matter.
    """
    known: dict[str, tuple[Path, str]] = {}
    for path, label in specs:
        with suppress(OSError, UnicodeDecodeError):
            for types in _HUB.findall(path.read_text("utf-8")):
                for kind in _QUOTED.findall(types):
                    known.setdefault(kind, (path, label))
    return known


def _match(kind: str, path: Path, label: str, diagnostics: Diagnostics) -> Match | None:
    """The hub of a type in a file; None after a report of what is wrong in the file."""
    before = len(diagnostics)
    unit = Library(diagnostics).load(path, label)
    for hub in unit.hubs if unit is not None and len(diagnostics) == before else ():
        if unit is not None and kind in [t.value for t in hub.types]:
            return Match(unit, hub) if hub.model.name in unit.blocks else None
    if len(diagnostics) == before:
        diagnostics.add("hub-config", f"{label} has no hub for {printable(kind)}", None, name=label)
    return None


def _own(
    specs: Collection[Path], folder: Path, file: str, diagnostics: Diagnostics
) -> list[tuple[Path, str]]:
    """The user's specs with the paths under which a spec in the folder imports them."""
    out = []
    for path in specs:
        if not path.is_file():
            diagnostics.add("unreadable", f"there is no file {path}", None, name=file)
            continue
        try:
            label = path.resolve().relative_to(folder.resolve()).as_posix()
        except ValueError:
            message = (
                f"{printable(str(path))} is not in the folder of the spec that would import it"
            )
            there = printable(str(path.parent / "FILE"))
            help = f"a path of `use` leads down only: write it beside that spec, -o {there}"
            diagnostics.add("hub-config", message, None, name=file, help=help)
            continue
        out.append((path, label))
    return out


def _shipped() -> list[tuple[Path, str]]:
    return [(path, f"specs/{path.name}") for path in sorted(specs_folder().glob("*.arch"))]


def _alike(stem: str, kind: str) -> bool:
    plain = [name.replace("_", "").replace("-", "").lower() for name in (stem, kind)]
    return plain[1].startswith(plain[0])


def _check_class(
    config: Mapping[str, Any], hub: s.HubDecl, file: str, diagnostics: Diagnostics
) -> None:
    """Reports an `architectures` that the hub does not stand for: another head is another model."""
    classes = [c.value for c in hub.classes]
    stated = config.get("architectures")
    other = [x for x in stated if x not in classes] if isinstance(stated, list) else []
    if classes and other:
        diagnostics.add(
            "hub-config",
            f"architectures says {', '.join(printable(str(x)) for x in other)}",
            None,
            name=file,
            note=f"hub {hub.model.name} stands for {', '.join(classes)}",
            help="a model with another head or without one needs a spec of its own",
        )


# --- lines ----------------------------------------------------------------------------------------


def _settings(
    match: Match, lines: list[hubs.Line], values: Record, diagnostics: Diagnostics
) -> tuple[dict[str, Value], set[tuple[str, ...]]]:
    """The settings that the configuration gives, in the order of the model, and the keys that were
    looked at.
    """
    block = match.unit.blocks[match.hub.model.name]
    decls = {d.name.name: d for d in block.decl.settings}
    numbers: dict[str, float] = {}
    scope = Scope(
        diagnostics, {}, match.unit.names, numbers=Numbers({}, {}, {}, numbers), keys=values
    )
    out: dict[str, Value] = {}
    for x in sorted(lines, key=lambda x: x.depth):  # what the hub itself says comes first
        if isinstance(x.line, s.Defaults | s.Expected):
            for preset in x.line.presets:
                scope.keys = _with_default(scope, scope.keys, preset.path, preset.value)
    for x in lines:
        here = replace(scope, globals=x.globals)
        match x.line:
            case s.Expected(presets):
                for preset in presets:
                    _expect(here, preset)
            case s.Require(value):
                if expressions.truth(here, value) is False:
                    _unmet(here, value)
            case s.Mapping(name) if name.name in decls:
                setting = _mapped(here, decls[name.name], x.line, block.name)
                if setting is not None:
                    out[name.name] = setting
                    _remember(scope, name.name, setting, numbers)
                else:
                    scope.names[name.name] = Error()
            case s.Mapping(name, value) | s.Local(name, value):
                scope.names[name.name] = expressions.evaluate(here, value)
    return {name: out[name] for name in decls if name in out}, scope.read


def _with_default(
    scope: Scope, here: Record | None, path: tuple[str, ...], value: s.Expr
) -> Record | None:
    """A configuration with what its class takes for a key that is not there. A key of an object has
    a default where the object is there.
    """
    if here is None:
        return None
    step, *rest = path
    entries = dict(here.entries)
    if not rest and step not in entries:
        entries[step] = expressions.evaluate(scope, value)
    elif rest and isinstance(inner := entries.get(step), Record):
        entries[step] = _with_default(scope, inner, tuple(rest), value) or inner
    return Record(tuple(entries.items()), here.path)


def _expect(scope: Scope, preset: s.Preset) -> None:
    """Reports a key that has another value than the only one that the model is for. A switch that
    is null is off.
    """
    wanted = expressions.evaluate(scope, preset.value)
    value: Value = scope.keys or Null()
    for step in preset.path:
        value = entry(scope, value, step) if isinstance(value, Record) else Null()
    off = isinstance(value, Null) and wanted == Truth(False)
    if not off and not isinstance(value, Error) and not statics.agree(scope, value, wanted):
        key = ".".join(preset.path)
        is_, not_ = (statics.spelt(scope, x) for x in (value, wanted))
        scope.fail(
            "hub-config",
            "the configuration does not meet a requirement",
            preset.span,
            note=f"{key} is {is_}, and the model is the one where it is {not_}",
            help="this model is built differently and needs a spec of its own",
        )


def _unmet(scope: Scope, condition: s.Expr) -> None:
    """Reports a requirement with what the keys that it speaks of say."""
    stated = []
    for path in dict.fromkeys(hubs.keys_in(condition)):
        value = _at(scope, path)
        shown = "not there" if isinstance(value, Null) else statics.spelt(scope, value)
        stated.append(f"{'.'.join(path)} is {shown}")
    scope.fail(
        "hub-config",
        "the configuration does not meet a requirement",
        condition.span,
        note="; ".join(stated),
        help="this model is built differently and needs a spec of its own",
    )


def _at(scope: Scope, path: tuple[str, ...]) -> Value:
    """What a configuration has at a path, null where it has nothing."""
    value: Value = scope.keys or Null()
    for step in path:
        value = dict(value.entries).get(step, Null()) if isinstance(value, Record) else Null()
    return value


_INFINITE = (Float(Lit(math.inf)), Float(Lit(-math.inf)))


def _mapped(scope: Scope, decl: s.SettingDecl, line: s.Mapping, owner: str) -> Value | None:
    names = {w: Word(w) for w in words(decl.kind)}
    inner = replace(scope, names={**names, **scope.names})
    before = len(scope.diagnostics)
    value = expressions.evaluate(inner, line.value)
    if isinstance(value, Null):
        _missing(scope, line, owner)
        return None
    known = statics.number(inner, value, None) if isinstance(value, Float) else None
    # A hub may say that something has no limit; a file that does so is damaged.
    infinite = any(_at(scope, path) in _INFINITE for path in hubs.keys_in(line.value))
    if known is not None and (math.isnan(known) or (math.isinf(known) and infinite)):
        message = f"{line.name.name} of {owner} is not a finite number"
        scope.fail("hub-config", message, line.value.span)
        return None
    value = expressions.setting(inner, decl, value, line.value.span, owner)
    return None if isinstance(value, Error) or len(scope.diagnostics) > before else value


def _missing(scope: Scope, line: s.Mapping, owner: str) -> None:
    """Reports a setting that a configuration does not say: its keys are not there, or null."""
    paths = dict.fromkeys(hubs.keys_in(line.value))
    keys = [".".join(path) for path in paths]
    there = [] if scope.keys is None else [key for key, _ in scope.keys.entries]
    help = next(filter(None, (nearest(k, set(there) - set(keys), 0.8) for k in keys)), "")
    null = [".".join(path) for path in paths if len(path) == 1 and path[0] in there]
    if null and not help:
        help = f"{null[0]} is null, which is no value: say one, or take the key out"
        help += "; a class may have a default for a key that is not there"
    scope.fail(
        "hub-config",
        f"the configuration does not say {line.name.name}",
        line.value.span,
        note=f"{line.name.name} of {owner} comes from {' or '.join(keys) or 'no key'}",
        help=help,
    )


def _remember(scope: Scope, name: str, value: Value, numbers: dict[str, float]) -> None:
    """Later lines may use the setting by name, and then say its name."""
    known = statics.number(scope, value, None) if isinstance(value, Int | Float) else None
    if known is not None:
        numbers[name] = known
        scope.names[name] = Int(Dim.symbol(name)) if isinstance(value, Int) else Float(Ref(name))
    else:
        scope.names[name] = value
