"""Cards on pages: ids that do not meet, words for those who listen, links, light and dark."""

import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import pytest

import scenes
from archdsl.graph import Layers, Segment
from archdsl.nodes import Apply
from archdsl.record import replace
from archdsl.render.svg import to_svg
from archdsl.scene.shapes import written
from models import pictured, variants

ROOT = Path(__file__).parent.parent
SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
DARK, LIGHT = 0, 1


@cache
def parsed(name: str, view: str) -> ET.Element:
    return ET.fromstring(to_svg(scenes.scene(name, view), fonts="named"))


def tree(name: str) -> ET.Element:
    return parsed(name, "card")


def ids(root: ET.Element) -> list[str]:
    return [found.get("id", "") for found in root.iter() if found.get("id")]


# Two cards on a page.


def test_cards_of_several_variants_share_a_page() -> None:
    found = [name for variant in variants() for name in ids(tree(variant))]
    assert len(found) > 1000
    assert len(set(found)) == len(found)


def test_one_card_is_twice_on_a_page_with_prefixes() -> None:
    variant = next(iter(variants().values()))
    for text in ("font", "path"):
        drawn = [variant.svg(prefix=name, theme="auto", text=text) for name in ("one", "two.b")]
        one, two = (set(ids(ET.fromstring(found))) for found in drawn)
        assert one and not one & two
        for root, own in zip(map(ET.fromstring, drawn), (one, two), strict=True):
            used = {use.get(f"{XLINK}href", "")[1:] for use in root.iter(f"{SVG}use")}
            assert used <= own
            assert bool(used) == (text == "path")
    again = set(ids(ET.fromstring(variant.svg())))
    assert again & set(ids(ET.fromstring(variant.svg()))), "without prefixes they would meet"


def views(name: str) -> list[str]:
    """A variant's views, and the circuits of the blocks of its layers."""
    schedule = variants()[name].facts.schedule
    inner = {f"detail:{module.block}" for _, module in schedule if module.block}
    return [*scenes.KINDS, *sorted(inner)]


def test_views_of_all_variants_share_a_page() -> None:
    """No id is twice on a page with every view of every variant, and each says whose it is."""
    taken: dict[str, tuple[str, str]] = {}
    for name in variants():
        for view in views(name):
            own = scenes.scene(name, view).name
            prefix = own + "-"
            assert own == name or own.startswith(f"{name}-")
            for id in ids(parsed(name, view)):
                assert id.startswith(prefix)
                assert id not in taken, (id, view, taken[id])
                taken[id] = name, view
    assert len(taken) > 3000


def test_rules_of_a_card_reach_no_other() -> None:
    """Styles of `--theme auto` begin with a class of the one picture, whatever its prefix is."""
    variant = next(iter(variants().values()))
    found = {p: variant.svg(theme="auto", prefix=p) for p in ("a.b", "a_b", "box", "a", "")}
    scopes = {}
    for prefix, drawn in found.items():
        root = ET.fromstring(drawn)
        css = "".join(style.text or "" for style in root.iter(f"{SVG}style"))
        night = css[css.index("@media") :].partition("{")[2].removesuffix("}")
        heads = {rule.partition(" ")[0] for rule in re.findall(r"([^{}]+)\{[^}]*\}", night)}
        [head] = heads
        scopes[prefix] = head.removeprefix(".").replace("\\.", ".")
        assert root.get("class") == scopes[prefix]
        assert re.findall(r"@\S+", css.replace("@font-face", "")) == ["@media"]
        inner = {
            part for g in root.iter() if g is not root for part in (g.get("class") or "").split()
        }
        assert not inner & set(scopes.values())
    assert len(set(scopes.values())) == len(found)


@pytest.mark.parametrize("name", pictured())
def test_classes_are_the_cards_own(name: str) -> None:
    """A page's own rules for `.header` or `.box` do not reach into a card."""
    found = {found.get("class") for found in tree(name).iter() if found.get("class")}
    assert "archdsl-box" in found
    assert all(said and said.startswith("archdsl-") for said in found)


# What a card says to those who do not see it.


@pytest.mark.parametrize("name", pictured())
def test_the_description_is_a_sentence(name: str) -> None:
    variant, root = variants()[name], tree(name)
    title, said = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and said is not None and said.text
    assert title.text == variant.model.name
    assert re.fullmatch(rf"{re.escape(variant.model.name)} has .+ parameters.*[^.]\.", said.text)
    assert ". " not in said.text.removeprefix(variant.model.name)
    assert not set("×·=/") & set(said.text)
    layers = variant.facts.layers
    assert re.search(rf" in {layers:,} layers?\b", said.text)
    kinds = [int(n) for n in re.findall(r"([\d,]+) of the kind", said.text.replace(",", ""))]
    assert sum(kinds) == (layers if kinds else 0)
    for module in {module.id: module for _, module in variant.facts.schedule}.values():
        applied = (value.form.child for value in module.nodes if isinstance(value.form, Apply))
        assert all(m.title in said.text for at in applied for _, m in module.child(at).modules)


TIP = re.compile(r"gives \[|parameters\b")


@pytest.mark.parametrize("name", pictured())
def test_blocks_have_tooltips(name: str) -> None:
    """Every block that computes says its shape or its parameters; ids are paths of blocks."""
    boxes = [g for g in tree(name).iter(f"{SVG}g") if g.get("class") == "archdsl-box"]
    tips = {g.get("id", ""): (g.findtext(f"{SVG}title") or "") for g in boxes}
    assert all(id.startswith(f"{name}-") for id in tips)
    said = [tip for tip in tips.values() if TIP.search(tip)]
    assert len(said) > len(boxes) / 2
    root = variants()[name].model.root
    paths = {id.removeprefix(f"{name}-").split(".")[0] for id in tips}
    assert paths & {child.name for child in root.children}


@pytest.mark.parametrize("name", pictured())
def test_all_that_is_drawn_has_a_tooltip_and_no_text_is_empty(name: str) -> None:
    for view in views(name):
        assert silent(parsed(name, view)) == [], view
        assert hollow(parsed(name, view)) == [], view


def silent(root: ET.Element, told: bool = False) -> list[str]:
    """Boxes and circles that are painted, other than the ground, and stand in nothing with a
    tooltip.
    """
    found = []
    for child in root:
        said = told or (child.tag == f"{SVG}g" and bool(child.findtext(f"{SVG}title")))
        if child.tag in (f"{SVG}rect", f"{SVG}circle"):
            painted = {child.get("fill"), child.get("stroke")} - {None, "none"}
            ground = (child.get("x"), child.get("y")) == ("0", "0") and root.tag == f"{SVG}svg"
            if painted and not said and not ground:
                found.append(str(sorted(child.items())))
        found += silent(child, said)
    return found


def hollow(root: ET.Element) -> list[str]:
    """Texts, and pieces of texts, that say nothing."""
    lines = [*root.iter(f"{SVG}text"), *root.iter(f"{SVG}tspan")]
    return [str(line.attrib) for line in lines if not "".join(line.itertext()).strip()]


def test_a_box_without_a_tooltip_and_an_empty_text_are_noticed() -> None:
    root = ET.fromstring(variants()["Llama3_8B"].svg())
    assert not silent(root) and not hollow(root)
    one, *_ = [g for g in root.iter(f"{SVG}g") if g.get("class") == "archdsl-badge"]
    [title] = one.findall(f"{SVG}title")
    one.remove(title)
    next(root.iter(f"{SVG}text")).text = " "
    assert len(silent(root)) == 1
    assert len(hollow(root)) == 1


@pytest.mark.parametrize("name", pictured())
def test_the_frame_says_how_many_parameters_the_model_has(name: str) -> None:
    """The frame round everything, and the pieces of the bar, which are all of them together."""
    facts, root = variants()[name].facts, tree(name)
    frames = [g for g in root.iter(f"{SVG}g") if g.get("id") == f"{name}-model.frame"]
    tips = [frame.findtext(f"{SVG}title") or "" for frame in frames]
    assert all(tip.endswith(f" · {facts.params:,} parameters") for tip in tips)
    [panel] = [g for g in root.iter(f"{SVG}g") if g.get("class") == "archdsl-facts"]
    said = [group.findtext(f"{SVG}title") or "" for group in panel.iter(f"{SVG}g")]
    counts = [re.search(r" · ([\d,]+) parameters · ([\d.]+)%$", tip) for tip in said]
    pieces = [found for found in counts if found is not None]
    assert sum(int(found[1].replace(",", "")) for found in pieces) == 2 * facts.params
    assert sum(float(found[2]) for found in pieces) == pytest.approx(200, abs=1)


def layers_of(segments: tuple[Segment, ...]) -> int:
    inner = (layers_of(x.item) if isinstance(x.item, tuple) else 1 for x in segments)
    return sum(x.count * each for x, each in zip(segments, inner, strict=True))


@pytest.mark.parametrize("name", pictured())
def test_cells_say_which_layers_they_are(name: str) -> None:
    [strip] = [g for g in tree(name).iter(f"{SVG}g") if g.get("class") == "archdsl-strip"]
    said = "; ".join(title.text or "" for title in strip.iter(f"{SVG}title"))
    told: list[int] = []
    for first, last, one in re.findall(r"layers ([\d,]+) to ([\d,]+)|layer ([\d,]+)\b", said):
        told += range(int(first or one), int(last or one) + 1)
    variant = variants()[name]
    root, counts = variant.model.root, [variant.facts.layers]
    if len(root.inputs) > 1:  # towers side by side, each counts its own
        stacks = [child.part for child in root.children if isinstance(child.part, Layers)]
        counts = [layers_of(stack.segments) for stack in stacks]
    assert sorted(told) == sorted(layer for n in counts for layer in range(1, n + 1))


@pytest.mark.parametrize("name", pictured())
def test_sources_are_links(name: str) -> None:
    source = str(variants()[name].model.about.get("source", ""))
    links = [(a.get(f"{XLINK}href"), "".join(a.itertext())) for a in tree(name).iter(f"{SVG}a")]
    number = re.fullmatch(r"arXiv:(\d{4}\.\d{4,5})", source)
    if number is None and not source.startswith("https://"):
        assert links == []
        return
    expected = f"https://arxiv.org/abs/{number[1]}" if number else source
    assert (expected, source) in links
    assert {href for href, _ in links} == {expected}


def test_a_wrong_scheme_is_no_link() -> None:
    from archdsl.scene.shapes import Group, Item

    def linked(items: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(
            replace(item, items=linked(item.items), link="javascript:alert(1)")
            if isinstance(item, Group)
            else item
            for item in items
        )

    scene = next(iter(variants().values())).scene("light")
    assert "<a " in to_svg(scene)
    assert "<a " not in to_svg(replace(scene, items=linked(scene.items)))


# Light and dark.


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize(("scheme", "ground"), [(LIGHT, "#ffffff"), (DARK, "#14181d")])
def test_an_image_follows_the_readers_scheme(scheme: int, ground: str, tmp_path: Path) -> None:
    variant = next(iter(variants().values()))
    palette = variant.scene("dark" if scheme == DARK else "light").palette
    assert palette["paper"] == ground
    (tmp_path / "card.svg").write_text(variant.svg(theme="auto", width="100px"))
    inline = variant.svg(theme="auto", width="100px", prefix="a.b").partition("\n")[2]
    tags = '<img src="card.svg" style="display:block">'
    (tmp_path / "page.html").write_text(f'<body style="margin:0">{tags}{inline}</body>')
    shot = tmp_path / "page.png"
    subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--blink-settings=preferredColorScheme={scheme}",
            f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={shot}",
            "--window-size=100,400", (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    picture = pytest.importorskip("PIL.Image").open(io.BytesIO(shot.read_bytes())).convert("RGB")
    scene = variant.scene()
    high = 100 * scene.height / scene.width
    for y in (1, high + 2):
        assert "#{:02x}{:02x}{:02x}".format(*picture.getpixel((1, round(y)))) == ground


def test_notebooks_show_a_variant_by_itself() -> None:
    variant = next(iter(variants().values()))
    shown = variant._repr_svg_()
    assert shown == variant.svg()
    assert set(written(variant.scene())) - {""} <= {
        "".join(found.itertext()) for found in ET.fromstring(shown).iter(f"{SVG}text")
    }
