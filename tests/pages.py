"""The pages of the documentation, their blocks, and the check of each spec, made once in a run."""

import tempfile
from functools import cache
from pathlib import Path

import markdown_cases
from archdsl.pipeline import Checked, check_path, check_source
from archdsl.source import Source
from markdown_cases import Block

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCKS = [block for page in PAGES for block in markdown_cases.blocks(page)]
SPECS = [b for b in BLOCKS if b.language == "arch" and "norun" not in b.options]


@cache
def checked(block: Block) -> Checked:
    """The check of a spec: one with a name beside those of its page that have one."""
    if not block.file:
        return check_source(Source(block.page.name, block.text))
    with tempfile.TemporaryDirectory() as folder:
        for other in (b for b in SPECS if b.page == block.page and b.file):
            (Path(folder) / str(other.file)).write_text(other.text, encoding="utf-8")
        return check_path(Path(folder) / block.file, block.file)
