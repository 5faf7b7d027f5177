"""The view: what a card shows of a model, before anything has a position.

| file | what it holds |
|---|---|
| `types.py` | every type of a view |
| `words.py` | titles, second lines, shapes and numbers in words |
| `body.py` | a module's body as a diagram |
| `tower.py` | the model from tokens to logits |
| `insets.py` | blocks opened beside the tower |
| `panel.py` | header, strip of layers, facts |

    scene = card(view(model, facts), theme)
"""

import re

from archdsl.facts import Facts
from archdsl.graph import Model
from archdsl.view import panel, words
from archdsl.view.insets import insets
from archdsl.view.tower import spot, tower
from archdsl.view.types import Callout, View

__all__ = ["View", "view"]

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})\Z")


def view(model: Model, facts: Facts) -> View:
    """What the card of a model shows, as its `card` directives select and as its graph is."""
    asked = tuple(path for d in model.card if d.word in ("inset", "open") for path in d.paths)
    folded = tuple(path for d in model.card if d.word == "fold" for path in d.paths)
    hidden = frozenset(name for d in model.card if d.word == "hide" for name in d.names)
    chosen = tuple(name for d in model.card if d.word == "facts" for name in d.names)
    remarks = {
        ".".join(path): d.text for d in model.card if d.word == "callout" for path in d.paths
    }
    shown = tower(model, hidden)
    opened = insets(model, shown, asked, folded, remarks, hidden)
    inside = {inset.id for inset in opened}
    return View(
        name=model.id,
        family=model.family,
        title=_said(model, "title") or model.name,
        subtitle=panel.subtitle(model, facts),
        tower=shown,
        facts=panel.panel(model, facts, chosen),
        strip=panel.strip(facts),
        insets=opened,
        callouts=tuple(
            Callout(f"callout.{path}", spot(shown, path), words.emphasised(said))
            for path, said in remarks.items()
            if f"inset.{path}" not in inside
        ),
        description=panel.description(model, facts),
        link=_link(str(model.about.get("source", ""))),
    )


def _said(model: Model, word: str) -> str:
    return next((d.text for d in model.card if d.word == word and d.text), "")


def _link(source: str) -> str:
    """The page of a source that has one."""
    found = _ARXIV.match(source)
    return f"https://arxiv.org/abs/{found[1]}" if found else ""
