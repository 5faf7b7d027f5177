"""Published configurations: a `config.json` becomes a spec with one variant.

A `hub` declaration says how the keys of a configuration give the settings of its model:

    hub Net "net" { config { d <- .hidden_size  kv_heads <- .num_key_value_heads ?? .heads }
    ... }

Every key has to be mapped, required or ignored: a key that nobody has thought of could change the
network, and a silently wrong model is the worst outcome. Keys of the file format itself, which say
nothing of the network, are listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from archdsl import syntax as s
from archdsl.check import expressions, statics
from archdsl.check.scope import Numbers, Scope, words
from archdsl.check.values import (
    Block,
    DateValue,
    Error,
    Float,
    Int,
    Items,
    Null,
    Recipe,
    Record,
    Text,
    Truth,
    Value,
    Word,
)
from archdsl.diagnostic import Diagnostic, Diagnostics, SpecError, nearest, printable
from archdsl.dims import Dim, TooLarge
from archdsl.formatter import formatted
from archdsl.reals import Apply, Lit, OfDim, Real, Ref
from archdsl.record import fields
from archdsl.resolver import Library, Unit, specs_folder
from archdsl.source import Source

BOOKKEEPING = frozenset(
    (
        "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_name_or_path",
        "add_cross_attention", "architectures", "attn_implementation", "auto_map", "bad_words_ids",
        "begin_suppress_tokens", "bos_token_id", "chunk_size_feed_forward",
        "cross_attention_hidden_size", "decoder_start_token_id", "diversity_penalty", "do_sample",
        "dtype", "early_stopping", "encoder_no_repeat_ngram_size", "eos_token_id",
        "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id",
        "forced_eos_token_id", "id2label", "is_decoder", "is_encoder_decoder", "label2id",
        "length_penalty", "max_length", "min_length", "model_type", "no_repeat_ngram_size",
        "num_beam_groups", "num_beams", "num_return_sequences", "output_attentions",
        "output_hidden_states", "output_scores", "pad_token_id", "prefix", "problem_type",
        "pruned_heads", "remove_invalid_values", "repetition_penalty", "return_dict",
        "return_dict_in_generate", "sep_token_id", "suppress_tokens", "task_specific_params",
        "temperature", "tf_legacy_loss", "tie_encoder_decoder", "tokenizer_class", "top_k",
        "top_p", "torch_dtype", "torchscript", "transformers_version", "typical_p", "unk_token_id",
        "use_bfloat16", "use_cache",
    )
)  # fmt: skip
"""Keys of any published configuration that say how to run, label or store a model, not what it
is.
"""

NETWORK_IF_SET = ("add_cross_attention", "is_encoder_decoder")
"""Keys of the format that are harmless only when they are false."""

MAX_KEYS = 10_000
MAX_DEPTH = 20


def imported(config: Mapping[str, Any], name: str = "", file: str = "config.json") -> str:
    """The text of a spec with one variant for a published configuration.

    Raises SpecError where no spec knows the `model_type`, a key is left over, a requirement does
    not hold, or the configuration is quantised.
    """
    diagnostics = Diagnostics()
    text = None
    try:
        text = _imported(config, name, file, diagnostics)
    except (RecursionError, TooLarge):
        diagnostics.add("too-large", "this configuration is too deep or too large", None, name=file)
    if text is None or diagnostics.items:
        raise SpecError(diagnostics.items)
    return formatted(Source(file, text))


def _imported(
    config: Mapping[str, Any], name: str, file: str, diagnostics: Diagnostics
) -> str | None:
    kind = config.get("model_type")
    if not isinstance(kind, str):
        diagnostics.add("hub-config", "the configuration has no model_type", None, name=file)
        return None
    if config.get("quantization_config") is not None:
        diagnostics.add("hub-config", "quantised configurations are not imported", None, name=file,
                        help="import the configuration of the original weights")  # fmt: skip
        return None
    match = _hub(kind, file, diagnostics)
    record = _record(config, file, diagnostics)
    if match is None or record is None:
        return None
    unit, hub, stem = match
    if not _covered(config, hub, file, diagnostics):
        return None
    settings = _settings(unit, hub, record, diagnostics)
    if settings is None:
        return None
    return _spec(unit, hub, stem, settings, config, name, file)


def _hub(kind: str, file: str, diagnostics: Diagnostics) -> tuple[Unit, s.HubDecl, str] | None:
    """The file and the declaration for a `model_type`. What is wrong in other files is told only
    where none of those that can be read knows it.
    """
    known: list[str] = []
    wrong: list[Diagnostic] = []
    for path in sorted(specs_folder().glob("*.arch")):
        own = Diagnostics()
        unit = Library(own).load(path, f"specs/{path.name}")
        for hub in unit.hubs if unit is not None else ():
            names = [t.value for t in hub.types]
            known.extend(names)
            if unit is not None and kind in names:
                for diagnostic in own.items:
                    diagnostics.put(diagnostic)
                return unit, hub, path.stem
        wrong += own.items
    for diagnostic in wrong:
        diagnostics.put(diagnostic)
    hint = nearest(kind, known) or f"known are {', '.join(sorted(known))}"
    message = f"no spec knows the model_type {printable(kind)}"
    diagnostics.add("hub-config", message, None, name=file, help=hint)
    return None


# --- keys -----------------------------------------------------------------------------------------


def _record(config: Any, file: str, diagnostics: Diagnostics, depth: int = 0) -> Record | None:
    if depth > MAX_DEPTH or len(config) > MAX_KEYS:
        diagnostics.add("too-large", "the configuration is too large", None, name=file)
        return None
    return Record(tuple((str(k), _value(v, file, diagnostics, depth)) for k, v in config.items()))


def _value(value: Any, file: str, diagnostics: Diagnostics, depth: int) -> Value:
    """JSON as a value."""
    match value:
        case None:
            return Null()
        case bool():
            return Truth(value)
        case int():
            return Int(Dim.number(value))
        case float():
            return Float(Lit(value))
        case str():
            return Text(value)
        case list():
            if depth > MAX_DEPTH or len(value) > MAX_KEYS:
                diagnostics.add("too-large", "the configuration is too large", None, name=file)
                return Error()
            return Items(tuple(_value(v, file, diagnostics, depth + 1) for v in value))
        case dict():
            return _record(value, file, diagnostics, depth + 1) or Error()
    return Error()


def _leaves(config: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all keys that hold something; null is as good as not there."""
    for key, value in config.items():
        here = (*path, str(key))
        if isinstance(value, dict) and value:
            yield from _leaves(value, here)
        elif value is not None and value != {}:
            yield here


def _covered(
    config: Mapping[str, Any], hub: s.HubDecl, file: str, diagnostics: Diagnostics
) -> bool:
    """Whether every key is mapped, required or ignored."""
    covered = {path for rule in hub.config for path in _mentions(rule)}
    left = []
    for leaf in _leaves(config):
        mentioned = any(leaf[: n + 1] in covered for n in range(len(leaf)))
        harmless = leaf[0] in BOOKKEEPING and not (leaf[0] in NETWORK_IF_SET and config[leaf[0]])
        if not mentioned and not harmless:
            left.append(".".join(leaf))
    for key in left[:10]:
        near = nearest(key, [".".join(p) for p in covered])
        diagnostics.add(
            "hub-config",
            f"nothing says what {printable(key)} does to the network",
            None,
            name=file,
            help=near or f"map, require or ignore it in hub {hub.model.name}",
        )
    return not left


def _mentions(node: object) -> Iterator[tuple[str, ...]]:
    """The paths of keys in a rule, `.a.b` as ("a", "b")."""
    if isinstance(node, s.Key | s.Field):
        path = _key_path(node)
        if path is not None:
            yield path
            return
    if isinstance(node, tuple):
        for item in node:
            yield from _mentions(item)
    elif type(node).__module__ == s.__name__:
        for field in fields(node):
            yield from _mentions(getattr(node, field))


def _key_path(node: s.Expr) -> tuple[str, ...] | None:
    match node:
        case s.Key(name):
            return (name.name,)
        case s.Field(value, name):
            inner = _key_path(value)
            return None if inner is None else (*inner, name.name)
    return None


# --- settings -------------------------------------------------------------------------------------


def _settings(
    unit: Unit, hub: s.HubDecl, record: Record, diagnostics: Diagnostics
) -> dict[str, Value] | None:
    """The settings that the configuration gives, in the order of the hub."""
    block = unit.blocks[hub.model.name]
    decls = {d.name.name: d for d in block.decl.settings}
    numbers: dict[str, float] = {}
    scope = Scope(diagnostics, {}, unit.names, numbers=Numbers({}, {}, {}, numbers), keys=record)
    out: dict[str, Value] = {}
    for rule in hub.config:
        if isinstance(rule, s.Require):
            if expressions.truth(scope, rule.value) is False:
                diagnostics.add(
                    "hub-config",
                    "the configuration does not meet a requirement",
                    rule.span,
                    help="this model is built differently and needs a spec of its own",
                )
        elif isinstance(rule, s.Mapping):
            decl = decls.get(rule.name.name)
            if decl is None:
                hint = nearest(rule.name.name, decls)
                message = f"{block.name} has no setting {rule.name.name}"
                diagnostics.add("unknown-setting", message, rule.name.span, help=hint)
                continue
            value = _mapped(scope, decl, rule, block.name)
            if value is not None:
                out[rule.name.name] = value
                _remember(scope, rule.name.name, value, numbers)
    return None if diagnostics.items else out


def _mapped(scope: Scope, decl: s.SettingDecl, rule: s.Mapping, owner: str) -> Value | None:
    names = {w: Word(w) for w in words(decl.kind)}
    scope.names = {**names, **scope.names}
    value = expressions.evaluate(scope, rule.value)
    if isinstance(value, Null):
        scope.fail(
            "hub-config", f"the configuration does not say {rule.name.name}", rule.value.span
        )
        return None
    value = expressions.setting(scope, decl, value, rule.value.span, owner)
    return None if isinstance(value, Error) else value


def _remember(scope: Scope, name: str, value: Value, numbers: dict[str, float]) -> None:
    """Later mappings may use the setting by name, and then say its name."""
    known = statics.number(scope, value, None) if isinstance(value, Int | Float) else None
    if known is not None:
        numbers[name] = known
        scope.names[name] = Int(Dim.symbol(name)) if isinstance(value, Int) else Float(Ref(name))
    else:
        scope.names[name] = value


# --- text -----------------------------------------------------------------------------------------


def _spec(
    unit: Unit,
    hub: s.HubDecl,
    stem: str,
    settings: dict[str, Value],
    config: Mapping[str, Any],
    name: str,
    file: str,
) -> str:
    block = unit.blocks[hub.model.name]
    arguments = {k: _say(v) for k, v in settings.items() if not _is_default(block, k, v, settings)}
    uses = {f"specs.{stem}": {hub.model.name}}
    for value in settings.values():
        for used in _blocks(value):
            path = _origin(unit, used)
            if path is not None:
                uses.setdefault(path, set()).add(used)
    title = name or str(config.get("_name_or_path") or "") or Path(file).stem
    context = config.get("max_position_embeddings") or config.get("n_positions")
    lines = [f"# Imported from {printable(Path(file).name)}: {hub.types[0].value}."]
    lines += [f"use {path}: {', '.join(sorted(names))}" for path, names in sorted(uses.items())]
    lines += ["", *_call(f"variant {identifier(title)} = {hub.model.name}", arguments)]
    lines.append(f"  name: {quoted(title)}")
    if isinstance(context, int) and not isinstance(context, bool) and context > 0:
        lines.append(f"  context: {context}")
    return "\n".join([*lines, "}", ""])


def _call(head: str, arguments: dict[str, str]) -> list[str]:
    """`head(a: 1, ...) {`, broken at 100 columns."""
    lines, line = [], f"{head}("
    pad = " " * len(line)
    items = list(arguments.items())
    for i, (key, text) in enumerate(items):
        part = f"{key}: {text}" + ("," if i + 1 < len(items) else "")
        if len(line) + len(part) > 98 and line.strip() != head + "(":
            lines.append(line.rstrip())
            line = pad
        line += part + " "
    return [*lines, f"{line.rstrip()}) {{"]


def identifier(text: str) -> str:
    """A name for a variant: letters and digits only, whatever the text holds."""
    parts = re.findall(r"[A-Za-z0-9]+", text.rpartition("/")[2])
    word = "".join(p[:1].upper() + p[1:] for p in parts)[:60]
    return word if word and word[0].isalpha() else f"Model{word}"


def quoted(text: str) -> str:
    """A text in quotes that cannot end early."""
    plain = "".join(c for c in text if c.isprintable())[:120]
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _say(value: Value) -> str:
    match value:
        case Int(d):
            return _digits(d.value) if d.value is not None else str(d)
        case Float(Lit(x)):
            return _digits(int(x)) if x == int(x) and abs(x) < 1e15 else repr(x)
        case Float(real):
            return _say_real(real)
        case Truth(known):
            return "true" if known else "false"
        case Word(word):
            return word or ""
        case Text(text):
            return quoted(text)
        case DateValue(text):
            return text
        case Items(values):
            return _say_list(values or ())
        case Recipe(block, settings):
            held = dict(settings)
            inner = [_argument(k, v) for k, v in settings if not _is_default(block, k, v, held)]
            return f"{block.name}({', '.join(inner)})"
    return "null"


def _say_real(real: Real) -> str:
    """A number in terms of settings: `(d_nope + d_rope) ^ -0.5`."""
    match real:
        case Lit(x):
            return _say(Float(Lit(x)))
        case Ref(name):
            return name
        case OfDim(d):
            return str(d) if len(d.terms) <= 1 else f"({d})"
        case Apply(op, (a, b)) if op in "+-*/^":
            return f"({_say_real(a)} {op} {_say_real(b)})"
        case Apply(op, args):
            return f"{op}({', '.join(_say_real(a) for a in args)})"


def _argument(name: str, value: Value) -> str:
    """`base: 10_000`, or only the name of a setting that is passed on under its own name."""
    text = _say(value)
    return text if text == name else f"{name}: {text}"


def _say_list(values: tuple[Value, ...]) -> str:
    """A list with repeats said once: `3 * (5 * [sliding] + [full])`."""
    words = [_say(v) for v in values]
    for length in range(1, len(words) // 2 + 1):
        times = 1
        while words[times * length : (times + 1) * length] == words[:length]:
            times += 1
        if times > 1 and length * times > len(words) // 2:
            unit = _runs(words[:length])
            rest = words[times * length :]
            joined = f"({unit})" if " + " in unit else unit
            return f"{times} * {joined}" + (f" + {_runs(rest)}" if rest else "")
    return _runs(words)


def _runs(words: list[str]) -> str:
    parts: list[str] = []
    i = 0
    while i < len(words):
        j = i
        while j < len(words) and words[j] == words[i]:
            j += 1
        parts.append(f"[{words[i]}]" if j - i == 1 else f"{j - i} * [{words[i]}]")
        i = j
    return " + ".join(parts) or "[]"


def _digits(value: int) -> str:
    return f"{value:_}" if abs(value) >= 10_000 else str(value)


def _is_default(block: Block, name: str, value: Value, settings: dict[str, Value]) -> bool:
    """Whether the default, computed from the other settings, says the same."""
    scope = Scope(Diagnostics(), dict(settings), block.globals, numbers=Numbers({}, {}, {}, {}))
    for decl in block.decl.settings:
        if decl.name.name == name and decl.default is not None:
            default = expressions.evaluate(scope, decl.default)
            fitted = expressions.setting(scope, decl, default, decl.span, block.name)
            return not scope.diagnostics.items and fitted == value
    return False


def _blocks(value: Value) -> Iterator[str]:
    """The blocks that are written to say a value; those of defaults are not."""
    if isinstance(value, Recipe):
        yield value.block.name
        known = dict(value.settings)
        for name, inner in value.settings:
            if not _is_default(value.block, name, inner, known):
                yield from _blocks(inner)


def _origin(unit: Unit, name: str) -> str | None:
    """The path under which a block is imported."""
    for item in unit.file.items:
        if isinstance(item, s.Use) and any(n.name == name for n in item.names):
            return item.path
    return None
