"""What a variant is made of: a model and the expressions of its settings, each with its file.

    variant A = M(d: 64, d_ff: 4 * d)
    variant B = A with (d: 128)

B is M with A's expressions and its own: `d_ff` is 512. An expression uses the names of the file
that it stands in.
"""

from __future__ import annotations

from collections.abc import Mapping

from archdsl import syntax as s
from archdsl.check import expressions
from archdsl.check.recipes import arguments
from archdsl.check.scope import Numbers, Scope
from archdsl.check.values import Block, BlockRef, Error
from archdsl.diagnostic import Diagnostic, Diagnostics, Label
from archdsl.record import record, replace
from archdsl.resolver import Declared, Unit, importable, lineage
from archdsl.source import Span
from archdsl.symbols import ModelSymbol


@record
class Given:
    """The expression of a setting, and the file that it stands in."""

    value: s.Expr
    home: Unit


@record
class Instance:
    """A model, and the settings that it is given."""

    block: Block
    given: Mapping[str, Given]


def scope_of(unit: Unit, diagnostics: Diagnostics, numbers: dict[ModelSymbol, float]) -> Scope:
    """What the expressions of a variant see: the names of its file."""
    scope = Scope(diagnostics, {}, unit.names, numbers=Numbers({}, {}, {}, numbers))
    scope.importable = importable
    return scope


def instance_of(unit: Unit, decl: s.VariantDecl, diagnostics: Diagnostics) -> Instance | None:
    """The model of a variant with its settings, those of its bases included; None after a report.

    What is wrong with the name of a base is told where names are resolved.
    """
    first, *changes = reversed(list(lineage(unit, decl)))
    if isinstance(first.decl.value, s.Change):
        return None
    scope = scope_of(first.unit, diagnostics, {})
    block = _model(scope, first.unit, first.decl.name.name, first.decl.value)
    args = first.decl.value.args if isinstance(first.decl.value, s.Call) else ()
    values = None if block is None else arguments(scope, block, args)
    if block is None or values is None:
        return None
    given = {name: Given(value, first.unit) for name, value in values.items()}
    for base, here in zip([first, *changes], changes, strict=False):
        change = here.decl.value
        assert isinstance(change, s.Change)
        if not _says_what(change, base, diagnostics):
            return None
        values = arguments(scope_of(here.unit, diagnostics, {}), block, change.args)
        if values is None:
            return None
        given |= {name: Given(value, here.unit) for name, value in values.items()}
    return Instance(block, given)


def _model(scope: Scope, unit: Unit, name: str, value: s.Expr) -> Block | None:
    """The model that a variant instantiates."""
    fn = value.fn if isinstance(value, s.Call) else value
    known = unit.variants.keys() | unit.others.keys()
    if isinstance(fn, s.Name) and fn.name in known and fn.name not in unit.names:
        message = f"{fn.name} is a variant, and no model"
        help = f"change some of its settings: {fn.name} with (d: 64)"
        scope.fail("not-a-block", message, fn.span, help=help)
        return None
    block = expressions.evaluate(scope, fn)
    if isinstance(block, BlockRef) and block.block.decl.keyword == "model":
        return block.block
    if not isinstance(block, Error):
        message = f"{name} has to be a model with its settings"
        scope.fail("not-a-block", message, fn.span, help="declare it with `model`")
    return None


def _says_what(change: s.Change, base: Declared, diagnostics: Diagnostics) -> bool:
    """Whether a change has settings, each by its name."""
    name = base.decl.name.name
    way = f"write the setting and its new value: {name} with (d: 64)"
    if not change.args:
        message = f"`with` changes nothing of {name}"
        diagnostics.add("wrong-arguments", message, change.span, help=way)
        return False
    nameless = next((arg for arg in change.args if arg.name is None), None)
    if nameless is not None:
        message = "`with` takes settings by name"
        diagnostics.add("wrong-arguments", message, nameless.span, help=way)
        return False
    return True


def inherited(unit: Unit, decl: s.VariantDecl) -> dict[str, str | int]:
    """What a variant has of its bases: how many tokens it is for, and where it comes from."""
    _, *bases = lineage(unit, decl)
    about: dict[str, str | int] = {}
    for base in bases:
        facts = {f.name.name: f.value for f in base.decl.facts if isinstance(f, s.Entry)}
        match facts.get("name"):
            case s.String(name):
                about.setdefault("after", name)
        about.setdefault("after", base.decl.name.name)
        match facts.get("context"):
            case s.Number(int(context)) if context > 0:
                about.setdefault("context", context)
    return about


def report_at_change(
    unit: Unit, decl: s.VariantDecl, inner: Diagnostics, diagnostics: Diagnostics
) -> None:
    """Passes on what is wrong with a variant. A fault of a variant that changes another one is told
    at the change, which brings it about; a fault in another file names the variant.
    """
    for diagnostic in inner.items:
        at = diagnostic.span
        if at is not None and not at.within(decl.span):
            if isinstance(decl.value, s.Change):
                diagnostic = _at_the_change(unit, decl, decl.value, diagnostic, at)
            elif at.source is not unit.source:
                home = decl.name.span
                frame = f"{decl.name.name} ({home.source.name}:{home.line})"
                diagnostic = replace(diagnostic, frames=(frame, *diagnostic.frames))
        diagnostics.put(diagnostic)


def _at_the_change(
    unit: Unit, decl: s.VariantDecl, change: s.Change, diagnostic: Diagnostic, at: Span
) -> Diagnostic:
    """What is wrong elsewhere, told at a change; the place itself is a label."""
    _, *bases = lineage(unit, decl)
    base = next((b.decl for b in bases if at.within(b.decl.span)), None)
    note = diagnostic.note or "here"
    if base is not None:
        why = f": {diagnostic.note}" if diagnostic.note else ""
        note = f"taken over from {base.name.name}{why}"
    labels = (Label(at, note), *diagnostic.labels)
    note = "with this change"
    return replace(diagnostic, span=change.span, origin=at, note=note, labels=labels)
