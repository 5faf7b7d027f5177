"""The render report: what changed, and nothing that the cards' strings could smuggle in."""

import re

from archdsl.report import Change, page


def svg(*lines: str) -> str:
    texts = "".join(f"<text>{line}</text>" for line in lines)
    return f'<svg xmlns="http://www.w3.org/2000/svg">{texts}</svg>'


def test_a_changed_card_shows_both_pictures_and_the_words() -> None:
    made = page([Change("Made", svg("12 layers", "same"), svg("13 layers", "same"))])
    assert len(re.findall(r"<img ", made)) == 4, "before, after, and both laid over one another"
    assert "<del>- 12 layers</del>" in made
    assert "<ins>+ 13 layers</ins>" in made
    assert "same" not in made.split("<pre>")[1].split("</pre>")[0]


def test_new_and_removed_cards() -> None:
    made = page([Change("New", None, svg("a")), Change("Gone", svg("b"), None)])
    assert len(re.findall(r"<img ", made)) == 2
    assert "2 changed" in made


def test_nothing_changed() -> None:
    assert "No card has changed." in page([])


def test_strings_never_become_markup() -> None:
    made = page([Change("<script>", svg("a"), svg("&lt;script&gt;alert(1)&lt;/script&gt;"))])
    assert "<script>" not in made
