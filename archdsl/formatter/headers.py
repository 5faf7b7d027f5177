"""What stands before the body of a block: its name, settings, inputs and results, its clauses.

A header is one line where it fits. Else settings and inputs have lines of their own, aligned at
their brackets; results that have no room behind the inputs begin a line, and so does the default
of a setting that has none behind its kind:

    block Attention(d, heads,
                    attend: [B, heads, T, k], [B, heads, S, k], [B, heads, S, k] -> [B, heads, T, k]
                      = Attend(k ^ -0.5))
                   (x: [B, T, d]) -> [B, T, d]
"""

from __future__ import annotations

from collections.abc import Sequence

from archdsl import syntax as s
from archdsl.formatter.comments import Comments
from archdsl.formatter.expressions import (
    STEP,
    WIDTH,
    Body,
    Place,
    flat,
    kind,
    laid,
    parts,
    results,
    type_text,
)


def signature(b: s.BlockDecl) -> str:
    """Name, settings, inputs and results of a block on one line."""
    settings, inputs = ", ".join(map(_setting, b.settings)), ", ".join(map(input_text, b.inputs))
    outputs = results(b.outputs, _bracketed(b, b.span.source.text))
    return f"{b.name.name}({settings})({inputs}) -> {outputs}"


def header(b: s.BlockDecl, notes: Comments, body: Body) -> str:
    """Name, settings, inputs and results of a block or model."""
    start = f"{b.keyword} {b.name.name}"
    out = f" -> {results(b.outputs, _bracketed(b, notes.text))}"
    inputs = ", ".join(map(input_text, b.inputs))
    one = f"{b.keyword} {signature(b)}"
    whole = b.name.span.to(b.outputs[-1].span)
    if len(one) + (0 if clauses(b) else 2) <= WIDTH and not notes.within(whole):
        return one
    column = len(start) + 1

    def setting(x: s.SettingDecl, place: Place) -> str:
        return _broken_setting(x, place, notes, body)

    def given(x: s.InputDecl, _: Place) -> str:
        return input_text(x)

    def result(x: s.TypeExpr, _: Place) -> str:
        return type_text(x)

    settings = parts(b.settings, setting, Place(column, 0, 1), notes)
    pad = "\n" + " " * (column - 1)
    alone = column + len(inputs) + 1 <= WIDTH < column + len(inputs) + 3 + len(out)
    behind = 1 if alone else 3 + len(out)
    inputs = parts(b.inputs, given, Place(column, 0, behind), notes)
    last = inputs[inputs.rfind("\n") + 1 :] if "\n" in inputs else " " * column + inputs
    if len(last) + 3 + len(out) > WIDTH:
        bracketed = out.endswith(")")
        outputs = parts(b.outputs, result, Place(column + 2 + bracketed, 0, 3), notes)
        out = f"{pad}-> " + (f"({outputs})" if bracketed else outputs)
    return f"{start}({settings}){pad}({inputs}){out}"


def _broken_setting(x: s.SettingDecl, place: Place, notes: Comments, body: Body) -> str:
    """A setting, on a line of its own; its default on the next where there is no room for it."""
    text = _setting(x)
    if place.fits(text) or x.default is None:
        return text
    lead = text[: len(text) - len(flat(x.default))]
    if place.column + len(lead) <= WIDTH // 2:
        return lead + laid(x.default, place.at(place.column + len(lead)), notes, body)
    column = place.indent + STEP
    value = laid(x.default, Place(column + 2, column, place.tail), notes, body)
    return f"{lead.removesuffix(' = ')}\n{' ' * column}= {value}"


def _setting(x: s.SettingDecl) -> str:
    annotation = f": {kind(x.kind)}" if x.kind is not None else ""
    return f"{x.name.name}{annotation}" + (f" = {flat(x.default)}" if x.default is not None else "")


def input_text(x: s.InputDecl) -> str:
    """`stream tokens: int[B, T]`."""
    return f"{'stream ' if x.stream else ''}{x.name.name}: {type_text(x.type)}"


def _bracketed(b: s.BlockDecl, text: str) -> bool:
    """Whether the results stand in brackets, which a single one need not."""
    return text[: b.outputs[0].span.start].rstrip().endswith("(")


def clauses(b: s.BlockDecl) -> list[str]:
    """What stands between the results of a block and its body, a line each."""
    lines = []
    if b.role is not None:
        titles = [b.role.title.span.text] if b.role.title else []
        titles += [f"{t.span.text} when {flat(c)}" for t, c in b.role.others]
        lines.append(_filled(f"as {b.role.name.name} ", titles))
    if b.given:
        lines.append(_filled("given ", [input_text(x) for x in b.given]))
    if b.where:
        lines.append(_filled("where ", [flat(x) for x in b.where]))
    if b.lowers is not None:
        when = f" when {flat(b.lowers.when)}" if b.lowers.when is not None else ""
        lines.append(f"lowers {b.lowers.intrinsic.name}{when}")
    return lines


def _filled(lead: str, texts: Sequence[str]) -> str:
    """Texts with commas between, aligned behind a word."""
    lines = [lead + (texts[0] if texts else "")]
    for text in texts[1:]:
        lines[-1] += ","
        if len(lines[-1]) + 1 + len(text) + 3 > WIDTH:
            lines.append(" " * len(lead) + text)
        else:
            lines[-1] += f" {text}"
    return "\n".join(line.rstrip() for line in lines)
