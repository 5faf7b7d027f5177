"""The view: what a card shows of a model, before anything has a position.

| file | what it holds |
|---|---|
| `types.py` | every type of a view |
| `words.py` | titles, second lines, shapes and numbers in words |
| `body.py` | a module's body as a diagram |
| `circuit.py` | the bodies of single blocks, drawn small |
| `draft.py` | a diagram in the making |
| `blocks.py` | blocks as boxes, pills, badges and choices |
| `tower.py` | the model from tokens to logits |
| `towers.py` | frames for the towers of a model of several inputs |
| `insets.py` | blocks opened beside the tower |
| `caption.py` | what stands below a figure |
| `offers.py` | what a figure may show where not all has room |
| `parts.py` | views that show a part: one block, one circuit |
| `scaled.py` | a model to scale |
| `steps.py` | operations on one value, as words |
| `panel.py` | header, strip of layers, facts |

    scene = card(view(model, facts, asked(view="compact")), theme)
"""

from archdsl.facts import Facts
from archdsl.graph import Model
from archdsl.record import replace
from archdsl.shown import NOTHING, Shown, combined
from archdsl.text import Line, line
from archdsl.view import panel, words
from archdsl.view.insets import insets
from archdsl.view.tower import parted, spot, swatched, tower
from archdsl.view.types import Callout, Diagram, Panel, View

__all__ = ["View", "view"]


def view(model: Model, facts: Facts, ask: Shown = NOTHING) -> View:
    """What the picture of a model shows, as asked, as its `card` says and as its graph is.

    Raises ValueError where a part is asked for that the model has not.
    """
    choice = combined(model, ask)
    shown = _chosen(model, facts, choice, replace(_head(model, facts), without=choice.without))
    if "strip" in choice.without:
        shown = replace(shown, strip=None)
    return replace(shown, facts=Panel((), ())) if "facts" in choice.without else shown


def _chosen(model: Model, facts: Facts, choice: Shown, head: View) -> View:
    match choice.view:
        case "strip":
            return replace(head, kind="strip", strip=panel.strip(facts))
        case "facts":
            return replace(head, kind="facts", facts=panel.panel(model, facts, choice.rows))
        case "block" | "detail":
            from archdsl.view import parts

            if choice.view == "detail":
                return parts.detail(model, choice, head)
            return parts.block(model, facts, choice, head)
        case "compact":
            strip = panel.strip(facts)
            shown = swatched(tower(model, choice), strip)
            strip = parted(strip, model, shown)
            rows = panel.panel(model, facts, choice.rows)
            return replace(head, kind="compact", tower=shown, facts=rows, strip=strip)
    return _card(model, facts, choice, head)


def _head(model: Model, facts: Facts) -> View:
    """What every view says of the model: title, line below, sentence, link."""
    written = _directive_text(model, "subtitle")
    under: Line = panel.subtitle(model, facts)
    if written is not None:
        under = line(written, "quiet")
    title = _directive_text(model, "title")
    return View(
        name=model.id,
        maker=_maker(model),
        accent=next((d.names[0] for d in model.card if d.word == "accent" and d.names), ""),
        title=model.name if title is None else title,
        subtitle=under,
        tower=Diagram((), ()),
        facts=Panel((), ()),
        description=panel.description(model, facts),
        link=panel.page_of(str(model.about.get("source", ""))),
    )


def _card(model: Model, facts: Facts, choice: Shown, head: View) -> View:
    """The whole: tower, strip, insets, callouts, facts."""
    remarks = {
        ".".join(path): d.text for d in model.card if d.word == "callout" for path in d.paths
    }
    strip = panel.strip(facts)
    shown = swatched(tower(model, choice), strip)
    strip = panel.with_costs(parted(strip, model, shown), facts)
    opened = insets(model, shown, choice, remarks)
    inside = {inset.id for inset in opened}
    return replace(
        head,
        tower=shown,
        facts=panel.panel(model, facts, choice.rows),
        strip=strip,
        insets=opened,
        callouts=tuple(
            Callout(f"callout.{path}", spot(shown, path), words.emphasised(remark))
            for path, remark in remarks.items()
            if f"inset.{path}" not in inside
        ),
    )


def _maker(model: Model) -> str:
    """Who made the model; the name of the file where nothing tells, for one family is one file."""
    if model.about.get("by"):
        return str(model.about["by"])
    name = model.span.source.name if model.span is not None else ""
    stem = name.replace("\\", "/").rpartition("/")[2].removesuffix(".arch")
    return stem if stem and not stem.startswith("<") else model.family


def _directive_text(model: Model, word: str) -> str | None:
    """What a directive says, which may be nothing; None where it is not there."""
    return next((d.text for d in model.card if d.word == word), None)
