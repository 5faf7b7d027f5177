"""Names across files: imports, declarations, and what is in sight where.

`use std.core: Linear` looks into the standard library, `use specs.family: Model` into the specs
that ship with the package, `use ./parts: Foo` beside the file itself. A path has names only, so
that it cannot leave these places. Files are read once; a cycle of imports is reported with its
chain.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from archdsl import named_types
from archdsl import syntax as s
from archdsl.check.values import Block, BlockRef, Error, Keys, Value
from archdsl.diagnostic import Diagnostics, closest, nearest
from archdsl.parser import parse, read
from archdsl.parser.tables import digest
from archdsl.record import entity, record
from archdsl.source import Source
from archdsl.types import DTYPES

PACKAGE = Path(__file__).parent
STD = PACKAGE / "std"
PREPARED = STD / "std.bin"
EMPTY: Mapping[str, Any] = MappingProxyType({})
MAX_IMPORTS = 30
"""A chain of files that import one another is no longer than this."""

MAX_BASES = 30
"""Variants that are made from one another in a row."""

MAX_VARIANTS = 300
"""Variants in one file; a family has ten."""


@entity
class Unit:
    """One file with its names resolved. `others` are the variants that it imports."""

    file: s.File
    blocks: Mapping[str, Block]
    names: Mapping[str, Value]
    variants: Mapping[str, s.VariantDecl]
    tinies: tuple[s.TinyDecl, ...]
    cards: tuple[s.CardDecl, ...]
    hubs: tuple[s.HubDecl, ...]
    keys: Mapping[str, Keys]
    from_std: bool
    imports: tuple[Unit, ...] = ()
    others: Mapping[str, Declared] = EMPTY
    types: Mapping[str, s.TypeDecl] = EMPTY

    @property
    def source(self) -> Source:
        """The text of the file."""
        return self.file.source

    @property
    def declared(self) -> dict[str, Declared]:
        """The variants that the file has: its own, and imported ones that it has a `card` for."""
        own = {name: Declared(self, decl) for name, decl in self.variants.items()}
        carded = {card.variant.name for card in self.cards}
        return own | {name: there for name, there in self.others.items() if name in carded}

    def base(self, decl: s.VariantDecl) -> Declared | None:
        """The variant that one of this file is made from; None for one made of a model, and where
        there is no such variant.
        """
        if not isinstance(decl.value, s.Change):
            return None
        name = decl.value.base.name
        own = self.variants.get(name)
        return self.others.get(name) if own is None else Declared(self, own)


@record
class Declared:
    """A variant and the file that declares it."""

    unit: Unit
    decl: s.VariantDecl


def specs_folder() -> Path:
    """The specs that ship with the package: inside it, or at the top of a checkout."""
    inside = PACKAGE / "specs"
    return inside if inside.is_dir() else PACKAGE.parent / "specs"


def lineage(unit: Unit, decl: s.VariantDecl) -> Iterator[Declared]:
    """A variant and those that it is made from, itself first; of a circle each once."""
    here: Declared | None = Declared(unit, decl)
    seen: set[s.VariantDecl] = set()
    while here is not None and here.decl not in seen and len(seen) <= MAX_BASES:
        seen.add(here.decl)
        yield here
        here = here.unit.base(here.decl)


@dataclass(slots=True)
class Sight:
    """What the imports of a file bring: blocks, lines of hubs, variants, types. A model and a
    variant may have one name, for one is called and the other is changed.
    """

    names: dict[str, Value] = field(default_factory=dict)
    keys: dict[str, Keys] = field(default_factory=dict)
    variants: dict[str, Declared] = field(default_factory=dict)
    types: dict[str, s.TypeDecl] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        brought = (self.names, self.keys, self.variants, self.types)
        return any(name in names for names in brought)

    def add(self, name: str, unit: Unit) -> bool:
        """Brings what a file declares under a name; False where it declares nothing."""
        if name in unit.blocks:
            self.names[name] = BlockRef(unit.blocks[name])
        if name in unit.keys:
            self.keys[name] = unit.keys[name]
        if name in unit.variants:
            self.variants[name] = Declared(unit, unit.variants[name])
        if name in unit.types:
            self.types[name] = unit.types[name]
        return name in self


@dataclass(slots=True)
class Library:
    """The files read so far in one run. `meant` are names that were misspelt in imports; `missed`
    says that an import failed.
    """

    diagnostics: Diagnostics
    units: dict[Path, Unit | None] = field(default_factory=dict)
    chain: list[tuple[Path, str]] = field(default_factory=list)
    main: Unit | None = None
    meant: set[str] = field(default_factory=set)
    missed: bool = False

    def load(self, path: Path, name: str) -> Unit | None:
        """The unit of a file; None when it cannot be read."""
        key = path.resolve()
        if key in self.units:
            return self.units[key]
        if key.parent == STD:
            file = _prepared(key.name) or self._parse(path, name)
        else:
            file = self._parse(path, name)
        unit = None if file is None else self.resolve(file, path)
        self.units[key] = unit
        return unit

    def add(self, file: s.File, path: Path | None) -> Unit:
        """The unit of a file that is parsed already: the one that the run is about."""
        unit = self.resolve(file, path)
        self.units[path.resolve() if path is not None else Path("-")] = unit
        self.main = unit
        return unit

    @property
    def own(self) -> list[Unit]:
        """The file that the run is about and what it imports, without the standard library."""
        units = [u for u in self.units.values() if u is not None]
        return [u for u in units if u is self.main or not u.from_std]

    @property
    def has_gaps(self) -> bool:
        """Whether something could not be read or imported: models may lack parts."""
        return self.missed or any(unit.file.lost for unit in self.own)

    def _parse(self, path: Path, name: str) -> s.File | None:
        source = read(path, name, self.diagnostics)
        return None if source is None else parse(source, self.diagnostics)

    def resolve(self, file: s.File, path: Path | None) -> Unit:
        """Imports and declarations of a parsed file."""
        folder = path.parent if path is not None else Path.cwd()
        key = path.resolve() if path is not None else Path("-")
        self.chain.append((key, file.source.name))
        sight = Sight()
        imports: list[Unit] = []
        for item in file.items:
            if isinstance(item, s.Use):
                unit = self._use(item, folder, sight)
                imports.extend([unit] if unit is not None else [])
        self.chain.pop()
        return self._declare(file, key, sight, tuple(imports))

    def _use(self, use: s.Use, folder: Path, sight: Sight) -> Unit | None:
        """Brings imported names in sight; those that are not there are told once, here."""
        unit = self._imported(use, folder)
        for name in use.names:
            if name.name in sight:
                message = f"{name.name} is imported twice"
                self.diagnostics.add("duplicate-name", message, name.span, help="remove one")
            elif unit is None:
                sight.names[name.name] = Error()
                self.missed = True
            elif not sight.add(name.name, unit):
                self._not_there(name, unit, locate(use.path, folder)[1])
                sight.names[name.name] = Error()
                self.missed = True
        return unit

    def _not_there(self, name: s.Name, unit: Unit, shown: str) -> None:
        """Reports a name that an imported file does not have. The one that was meant is not missed
        where it is used.
        """
        spelling, use = importable(name.name)
        near = closest(name.name, [*unit.blocks, *unit.variants, *unit.types])
        if near:
            self.meant.add(near)
        hint = f"did you mean {near}?" if near else ""
        if spelling and (spelling == name.name or not near):
            hint = f"write {use}"
        hint = hint or f"it has {', '.join([*unit.blocks, *unit.variants][:12])}"
        what = "block or variant" if unit.variants else "block"
        message = f"{shown} has no {what} {name.name}"
        self.diagnostics.add("unknown-import", message, name.span, help=hint)

    def _imported(self, use: s.Use, folder: Path) -> Unit | None:
        target, shown = locate(use.path, folder)
        at = use.path_span
        try:
            there = target.is_file()
            beside = [] if there or not target.parent.is_dir() else target.parent.glob("*.arch")
            known = [path.stem for path in beside]
        except OSError as error:  # a name that is too long, a folder that may not be read
            self.diagnostics.add("unreadable", f"{shown}: {error.strerror or error}", at)
            return None
        if not there:
            hint = _in_the_library(use) or nearest(target.stem, known)
            ours = use.path.startswith("std")
            note = f"the library has {_files_of_the_library()}" if ours else ""
            message = f"there is no {shown}"
            self.diagnostics.add("unknown-import", message, at, note=note, help=hint)
            return None
        opened = [key for key, _ in self.chain]
        if target.resolve() in opened:
            first = opened.index(target.resolve())
            chain = " -> ".join([n for _, n in self.chain[first:]] + [self.chain[first][1]])
            self.diagnostics.add(
                "import-cycle",
                f"files import each other: {chain}",
                at,
                help="move what both need into a third file",
            )
            return None
        if len(opened) > MAX_IMPORTS:
            self.diagnostics.add("too-large", f"imports go deeper than {MAX_IMPORTS} files", at)
            return None
        return self.load(target, shown)

    def _declare(self, file: s.File, key: Path, sight: Sight, imports: tuple[Unit, ...]) -> Unit:
        from_std = key.parent == STD
        names, keys = sight.names, sight.keys
        blocks: dict[str, Block] = {}
        variants: dict[str, s.VariantDecl] = {}
        types, lost_types = self._types(file, sight)
        wrong: set[str] = set()
        for item in file.items:
            match item:
                case s.BlockDecl():
                    if item.name.name in names or item.name.name in types:
                        self._twice(item.name)
                        continue
                    decl = named_types.written_out(item, types, lost_types, self.diagnostics)
                    if decl is None:
                        wrong.add(item.name.name)
                        continue
                    block = Block(decl, names, from_std)
                    blocks[item.name.name] = block
                    names[item.name.name] = BlockRef(block)
                case s.KeysDecl():
                    if item.name.name in names or item.name.name in keys:
                        self._twice(item.name)
                        continue
                    keys[item.name.name] = Keys(item, names, keys)
                case s.VariantDecl() if len(variants) == MAX_VARIANTS:
                    message = f"more than {MAX_VARIANTS} variants in one file"
                    self.diagnostics.add("too-large", message, item.name.span)
                    break
                case s.VariantDecl():
                    if item.name.name in variants or item.name.name in sight.variants:
                        self._twice(item.name)
                        continue
                    variants[item.name.name] = item
        for name in (file.lost | self.meant | wrong) - names.keys():
            names[name] = Error()  # its declaration has been told to be wrong
        known = blocks.keys() | file.lost | wrong
        of_models: set[tuple[type, str]] = set()
        for item in file.items:
            if not isinstance(item, s.TinyDecl | s.HubDecl):
                continue
            word = "tiny" if isinstance(item, s.TinyDecl) else "hub"
            if (type(item), item.model.name) in of_models:
                message = f"{item.model.name} has a `{word}` already"
                hint = "keep one" if word == "tiny" else "name all model types in one hub"
                self.diagnostics.add("duplicate-name", message, item.model.span, help=hint)
            of_models.add((type(item), item.model.name))
            if item.model.name not in known:
                hint = nearest(item.model.name, blocks)
                message = f"there is no model {item.model.name} in this file"
                self.diagnostics.add("unknown-name", message, item.model.span, help=hint)
        unit = Unit(
            file,
            blocks,
            names,
            variants,
            tuple(i for i in file.items if isinstance(i, s.TinyDecl)),
            tuple(i for i in file.items if isinstance(i, s.CardDecl)),
            tuple(i for i in file.items if isinstance(i, s.HubDecl)),
            keys,
            from_std,
            imports,
            sight.variants,
            types,
        )
        self._check_bases(unit)
        return unit

    def _types(self, file: s.File, sight: Sight) -> tuple[dict[str, s.TypeDecl], set[str]]:
        """The types that a file declares or imports, and the names of those that are wrong."""
        types = dict(sight.types)
        lost = {name for name, value in sight.names.items() if isinstance(value, Error)}
        for item in file.items:
            if isinstance(item, s.TypeDecl):
                if item.name.name in sight or item.name.name in types or item.name.name in DTYPES:
                    self._twice(item.name)
                elif named_types.check(item, self.diagnostics):
                    types[item.name.name] = item
                else:
                    lost.add(item.name.name)
        return types, lost | file.lost

    def _check_bases(self, unit: Unit) -> None:
        """Reports variants that are made from something that is no variant, or from themselves. A
        row of them that is too long is told once.
        """
        long = False
        for decl in unit.variants.values():
            if not isinstance(decl.value, s.Change):
                continue
            way = list(lineage(unit, decl))
            last = way[-1]
            base = last.unit.base(last.decl)
            if len(way) > MAX_BASES:
                message = f"variants that are made from each other, more than {MAX_BASES} in a row"
                if not long:
                    self.diagnostics.add("too-large", message, decl.value.base.span)
                long = True
            elif base is not None:
                circle = way[[here.decl for here in way].index(base.decl) :]
                self._circle([here.decl for here in circle])
            elif last.decl is decl:
                self._no_base(unit, decl.value.base)

    def _circle(self, decls: list[s.VariantDecl]) -> None:
        """Reports variants that are made from each other, where the first of them stands."""
        at = decls.index(min(decls, key=lambda decl: decl.span.start))
        names = [decl.name.name for decl in [*decls[at:], *decls[: at + 1]]]
        message = f"{names[0]} is made from itself"
        if len(decls) > 1:
            message += f": {' -> '.join(names)}"
        help = "begin with a model and its settings: Model(d: 64, ...)"
        self.diagnostics.add("recursion", message, decls[at].value.span, help=help)

    def _no_base(self, unit: Unit, base: s.Name) -> None:
        lost = unit.file.lost
        there = unit.names.get(base.name)
        if s.ANY in lost:
            return  # it may be among what could not be read
        if there is not None:
            message = f"`with` changes a variant, and {base.name} is a block"
            help = f"give it its settings: {base.name}(...)"
            self.diagnostics.add("kind-mismatch", message, base.span, help=help)
            return
        no_variant(unit, base, self.diagnostics)

    def _twice(self, name: s.Name) -> None:
        message = f"{name.name} is defined twice"
        help = "choose another name for one of them"
        self.diagnostics.add("duplicate-name", message, name.span, help=help)


def locate(path: str, folder: Path) -> tuple[Path, str]:
    """The file that an import path means, and what messages call it."""
    if path.startswith("./"):
        parts = path[2:].replace(".", "/").split("/")
        return folder.joinpath(*parts).with_suffix(".arch"), f"./{'/'.join(parts)}.arch"
    parts = path.replace(".", "/").split("/")
    if parts[0] == "std":
        base = STD
    elif parts[0] == "specs":
        base = specs_folder()
    else:
        return folder.joinpath(*parts).with_suffix(".arch"), f"{'/'.join(parts)}.arch"
    return base.joinpath(*parts[1:]).with_suffix(".arch"), f"{'/'.join(parts)}.arch"


# --- what the standard library has, for messages --------------------------------------------------


@cache
def _library() -> dict[str, str]:
    """The blocks of the standard library, each with the path of its file."""
    names: dict[str, str] = {}
    for path in sorted(STD.glob("*.arch")):
        file = Library(Diagnostics()).load(path, f"std/{path.name}")
        names |= dict.fromkeys(() if file is None else file.blocks, f"std.{path.stem}")
    return names


def importable(name: str) -> tuple[str, str]:
    """The block of the standard library whose name is nearest, and the `use` that imports it."""
    spelling = closest(name, _library()) if len(name) > 2 else ""
    return spelling, f"use {_library()[spelling]}: {spelling}" if spelling else ""


def _files_of_the_library() -> str:
    return ", ".join(dict.fromkeys(_library().values()))


def _in_the_library(use: s.Use) -> str:
    """The imports that bring the names of one that leads nowhere; nothing where the library does
    not have all of them.
    """
    homes: dict[str, list[str]] = {}
    for name in use.names:
        homes.setdefault(_library().get(name.name, ""), []).append(name.name)
    if "" in homes or use.path.startswith("./"):
        return ""
    return ", ".join(f"use {home}: {', '.join(names)}" for home, names in homes.items())


def no_variant(unit: Unit, name: s.Name, diagnostics: Diagnostics) -> None:
    """Reports the name of a variant that a file neither declares nor imports."""
    if name.name in unit.file.lost or isinstance(unit.names.get(name.name), Error):
        return  # it has been told what is wrong with it
    use = _shipped(name.name)
    help = nearest(name.name, [*unit.variants, *unit.others])
    if use and (not help or use.endswith(f" {name.name}")):
        help = f"write {use}"
    help = help or "name a variant of this file, or an imported one"
    diagnostics.add("unknown-name", f"there is no variant {name.name}", name.span, help=help)


def _shipped(name: str) -> str:
    """The `use` that imports the variant of the shipped specs whose name is nearest; empty where
    none is near.
    """
    homes: dict[str, str] = {}
    for path in sorted(specs_folder().glob("*.arch")):
        text = path.read_text(encoding="utf-8", errors="replace")
        homes |= dict.fromkeys(_VARIANT.findall(text), f"specs.{path.stem}")
    spelling = closest(name, homes, 0.8)
    return f"use {homes[spelling]}: {spelling}" if spelling else ""


_VARIANT = re.compile(r"^variant\s+(\w+)", re.MULTILINE)


# --- the standard library, parsed ahead of time ---------------------------------------------------

_loaded: dict[str, s.File] = {}


def std_digest() -> str:
    """What the prepared library depends on: the grammar, the tree's types, the library's text."""
    import hashlib

    parts = [digest().encode()]
    parts += [(PACKAGE / name).read_bytes() for name in ("record.py", "source.py", "syntax.py")]
    parts += [p.name.encode() + p.read_bytes() for p in sorted(STD.glob("*.arch"))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def prepare_std() -> bytes:
    """The parsed files of the standard library as bytes, after a digest line."""
    diagnostics = Diagnostics()
    files = {}
    for path in sorted(STD.glob("*.arch")):
        source = read(path, f"std/{path.name}", diagnostics)
        assert source is not None
        plain = Source(source.name, source.text)
        files[path.name] = parse(plain, diagnostics)
    assert not diagnostics.items, diagnostics.items[0].text()
    return std_digest().encode() + b"\n" + pickle.dumps(files, protocol=5)


def _prepared(name: str) -> s.File | None:
    if not _loaded:
        try:
            stored, _, data = PREPARED.read_bytes().partition(b"\n")
            if stored == std_digest().encode():
                _loaded.update(pickle.loads(data))
        except (OSError, pickle.UnpicklingError, EOFError, AttributeError):
            return None
    return _loaded.get(name)
