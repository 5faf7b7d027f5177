"""`docs/language.md` is the whole language: an example for each form of the grammar and each error.

That the examples are right is tested in `test_docs.py`.
"""

import re

import grammar
import markdown_cases
import pages
from archdsl.diagnostic import CODES

PAGE = pages.ROOT / "docs" / "language.md"
BLOCKS = [block for block in pages.BLOCKS if block.page == PAGE]
SPECS = [b for b in BLOCKS if b.language == "arch"]


def test_every_form_of_the_grammar_has_an_example() -> None:
    whole = [b.text for b in SPECS if "[syntax]" not in b.text]
    met = set().union(*map(grammar.parts, whole))
    several = re.compile(r"\w+\.\.\. .*\.\.\.")  # one more of what there are two of
    empty = "start, no item..."  # a file without anything
    missing = {p for p in grammar.every_part() - met if not several.fullmatch(p)} - {empty}
    assert not missing, "no example has: " + "; ".join(sorted(missing))


def test_every_error_has_an_example() -> None:
    """In a spec; where no line of a spec can show it, by a command or in Python."""
    said = {code for b in SPECS for _, code in markdown_cases.expected_errors(b.text)}
    printed = {
        code
        for b in BLOCKS
        if b.language == "console" and "norun" not in b.options
        for code in re.findall(r"^error\[([a-z-]+)\]", b.text, re.MULTILINE)
    }
    asserted = {
        code
        for b in BLOCKS
        if b.language == "python" and b.options == ("run",)
        for code in re.findall(r'== \["([a-z-]+)"\]', b.text)
    }
    missing = CODES.keys() - said - printed - asserted
    assert not missing, "no example gives: " + ", ".join(sorted(missing))
