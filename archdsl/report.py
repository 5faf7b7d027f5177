"""The render report: one HTML page of every card that a change has changed.

    python -m archdsl.report specs -o report/index.html [--against REVISION]

Before is the card in `renders/` as git has it at the revision (HEAD when not given), after is what
the working tree draws. The difference needs no computing: a browser lays one picture over the other
and shows where they are not the same. Below stands what the change did to the text of the card.
"""

import argparse
import base64
import difflib
import html
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from archdsl.pipeline import check_path
from archdsl.record import record

_TEXT = "{http://www.w3.org/2000/svg}text"
_STYLE = """
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 1500px; padding: 0 1em }
h2 { margin: 2em 0 .5em }
.row { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 12px }
figure { margin: 0; border: 1px solid #c4ccd3 }
figcaption { padding: 4px 10px; color: #535d68 }
img { display: block; width: 100% }
.over { position: relative; isolation: isolate; filter: invert(1) }
.over img + img { position: absolute; inset: 0; mix-blend-mode: difference }
pre { background: #f6f8fa; padding: 10px; overflow-x: auto }
ins { color: #1a7037 }
del { color: #a3262a }
"""


@record
class Change:
    """A card's name, its SVG before and after; None where there was or is none."""

    name: str
    before: str | None
    after: str | None


def changes(specs: Path, revision: str) -> Iterator[Change]:
    """Every card that differs between `renders/` at a revision and the working tree's drawing."""
    drawn: set[str] = set()
    for path in sorted(specs.glob("*.arch")):
        for variant in check_path(path, path.name).variants:
            name = variant.model.id
            drawn.add(name)
            before, after = _committed(name, revision), variant.svg()
            if before != after:
                yield Change(name, before, after)
    for name in _names(revision):
        if name not in drawn:
            yield Change(name, _committed(name, revision), None)


def _git(*arguments: str) -> str | None:
    """What git prints; None where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    return done.stdout.decode("utf-8") if done.returncode == 0 else None


def _committed(name: str, revision: str) -> str | None:
    return _git("show", f"{revision}:renders/{name}.svg")


def _names(revision: str) -> list[str]:
    listed = _git("ls-tree", "--name-only", revision, "renders/") or ""
    return [Path(name).stem for name in listed.split() if name.endswith(".svg")]


def page(changed: list[Change]) -> str:
    """The report as HTML."""
    body = "".join(map(_section, changed)) or "<p>No card has changed.</p>"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Render report</title>'
        f"<style>{_STYLE}</style><h1>Render report</h1><p>{len(changed)} changed</p>{body}</html>\n"
    )


def _section(change: Change) -> str:
    before, after = _image(change.before), _image(change.after)
    both = f'<div class="over">{before}{after}</div>' if before and after else ""
    pictures = (("before", before), ("after", after), ("difference", both))
    figures = "".join(
        f"<figure><figcaption>{caption}</figcaption>{picture or '<p>none</p>'}</figure>"
        for caption, picture in pictures
    )
    name = html.escape(change.name)
    return f'<h2 id="{name}">{name}</h2><div class="row">{figures}</div>{_words(change)}'


def _image(svg: str | None) -> str:
    """A picture as an image, which runs no scripts and loads nothing."""
    if svg is None:
        return ""
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return f'<img alt="" src="data:image/svg+xml;base64,{data}">'


def _words(change: Change) -> str:
    """The lines of text that came and went."""
    old, new = _lines(change.before), _lines(change.after)
    shown = []
    for row in difflib.ndiff(old, new):
        tag = {"+ ": "ins", "- ": "del"}.get(row[:2])
        if tag:
            shown.append(f"<{tag}>{html.escape(row)}</{tag}>")
    return f"<pre>{chr(10).join(shown)}</pre>" if shown else "<p>The text is the same.</p>"


def _lines(svg: str | None) -> list[str]:
    if svg is None:
        return []
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(_TEXT)]


def main(arguments: list[str]) -> None:
    """Write the report; prints how many cards changed and where to read it."""
    parser = argparse.ArgumentParser(
        prog="archdsl.report", description="every changed card on a page"
    )
    parser.add_argument("specs", type=Path, help="folder of specs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the HTML page to write")
    parser.add_argument("--against", default="HEAD", help="git revision to compare with")
    options = parser.parse_args(arguments)
    changed = list(changes(options.specs, options.against))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(page(changed), encoding="utf-8")
    print(f"{len(changed)} changed: {options.output}")


if __name__ == "__main__":
    main(sys.argv[1:])
