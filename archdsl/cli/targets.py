"""What a command works on: `PATH`, `PATH:Variant`, a folder of specs, or `-` for standard input.

A path that ends in `.json` is a published configuration: the spec is what `archdsl import` makes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from archdsl.cli.output import Stop, usage
from archdsl.diagnostic import Diagnostics, SpecError, nearest, printable
from archdsl.parser import decode, read
from archdsl.pipeline import Checked, Variant, check_path, check_source, specs_below
from archdsl.record import record
from archdsl.source import MAX_BYTES, Source
from archdsl.source import contents as bytes_of

STDIN = "<stdin>"


@record
class Target:
    """A spec (path None: standard input) and the variant that is meant, or all of them."""

    path: Path | None
    variant: str | None

    @property
    def name(self) -> str:
        """What messages call it."""
        return STDIN if self.path is None else self.path.as_posix()


def targets(words: tuple[str, ...]) -> list[Target]:
    """The specs that the words of a command line mean, folders with all below them.

    Raises Stop for a path that is not there and for a folder without specs.
    """
    meant = [target for word in words for target in _target(word)]
    if sum(target.path is None for target in meant) > 1:
        raise usage("standard input can be read only once")
    return list(dict.fromkeys(meant))


def _target(word: str) -> Iterator[Target]:
    path, variant = Path(word), None
    name, colon, last = word.rpartition(":")
    try:
        if colon and last.isidentifier() and not path.exists():
            path, variant = Path(name), last
        if str(path) == "-":
            yield Target(None, variant)
        elif path.is_dir():
            specs = specs_below(path)
            if not specs:
                raise usage(f"there is no spec in the folder {path.as_posix()}")
            if variant is not None:
                raise usage(f"{word} names a variant of a folder: name the file")
            yield from (Target(spec, None) for spec in specs)
        elif path.exists():
            yield Target(path, variant)
        else:
            known = [p.name for p in path.parent.glob("*.arch")] if path.parent.is_dir() else []
            hint = nearest(path.name, known)
            raise usage(f"there is no file {path.as_posix()}" + (f": {hint}" if hint else ""))
    except OSError as error:
        raise usage(f"{path.as_posix()}: {error.strerror or error}") from error


def checked(target: Target, *, tiny: bool = False) -> Checked:
    """The check of a target. Raises Stop where it has no such variant."""
    if target.path is not None and target.path.suffix == ".json":
        result = _configured(target.path, target.name, tiny)
    elif target.path is not None:
        result = check_path(target.path, target.name, only=target.variant, tiny=tiny)
    else:
        diagnostics = Diagnostics()
        source = _stdin(diagnostics)
        if source is None:
            return Checked(None, (), tuple(diagnostics.items))
        result = check_source(source, only=target.variant, tiny=tiny)
    missing = target.variant is not None and target.variant not in result.names
    if missing and not result.diagnostics:
        raise usage(_no_variant(target, result))
    return result


def _configured(path: Path, name: str, tiny: bool) -> Checked:
    """The check of the spec that a published configuration is imported as; remarks are printed."""
    from archdsl.hub import imported

    try:
        outcome = imported(configuration(str(path), name), file=name)
    except SpecError as error:
        return Checked(None, (), error.diagnostics)
    for remark in outcome.remarks:
        print(f"archdsl: {remark}", file=sys.stderr)
    return check_source(Source(name, outcome.text), tiny=tiny)


def _stdin(diagnostics: Diagnostics) -> Source | None:
    return decode(contents("-", STDIN), STDIN, None, diagnostics)


def reformatted(target: Target) -> tuple[str, str]:
    """The text of a target and its canonical form. Raises SpecError where it does not parse."""
    from archdsl.formatter import formatted

    if target.path is not None and target.path.suffix == ".json":
        raise usage(f"{target.name} is a configuration and not a spec: archdsl import makes one")
    diagnostics = Diagnostics()
    if target.path is None:
        source = _stdin(diagnostics)
    else:
        source = read(target.path, target.name, diagnostics)
    if source is None:
        raise SpecError(diagnostics.items)
    return source.text, formatted(source)


def _no_variant(target: Target, result: Checked) -> str:
    assert target.variant is not None
    if not result.names:
        return f"{target.name} declares no variant"
    hint = nearest(target.variant, result.names) or f"it has {_listed(result.names)}"
    return f"{target.name} has no variant {target.variant}: {hint}"


def the_variant(target: Target, result: Checked) -> Variant:
    """The only variant of a spec without errors. Raises Stop where there are none or several."""
    if len(result.variants) == 1:
        return result.variants[0]
    name = target.name
    if not result.variants:
        raise usage(f"{name} declares no variant")
    names = tuple(v.model.id for v in result.variants)
    raise usage(f"{name} has {len(names)} variants: name one, {name}:{names[0]} ({_listed(names)})")


def the_target(word: str) -> Target:
    """The only spec that a word means. Raises Stop for a folder of several."""
    meant = targets((word,))
    if len(meant) > 1:
        raise usage(f"{word} has {len(meant)} specs: name one")
    return meant[0]


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"


__all__ = ["Stop", "Target", "checked", "targets", "the_target", "the_variant"]


def configuration(path: str, shown: str) -> dict[str, object]:
    """A published configuration: a JSON object. Raises Stop where it cannot be read."""
    import json

    data = limited(path, shown)
    try:
        config = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Stop(1, f"{shown} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise Stop(1, f"{shown} is not a JSON object")
    return config


def contents(path: str, shown: str) -> bytes:
    """What a file holds, or standard input for `-`; of one that is too long, more than MAX_BYTES.
    Raises Stop where it cannot be read.
    """
    try:
        if path != "-":
            return bytes_of(Path(path))
        if sys.stdin is None:
            raise usage("standard input is closed")
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise usage(f"{shown}: {error.strerror or error}") from error


def limited(path: str, shown: str) -> bytes:
    """As `contents`. Raises Stop for a file that is too long, too."""
    data = contents(path, shown)
    if len(data) > MAX_BYTES:
        raise usage(f"{shown} is longer than {MAX_BYTES // 1000} kB")
    return data


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of a JSON file. Raises ValueError for a key that stands there twice."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{printable(twice[:40])} stands there twice")
    return entries
