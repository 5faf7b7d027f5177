"""Pictures to scale: an area is so many parameters and a height so many layers, in every model."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl import check_text, theme
from archdsl.layout.scale import Scaled, to_scale
from archdsl.pipeline import check_path
from archdsl.pipeline import to_scale as combined
from archdsl.render.svg import to_svg
from archdsl.scene.scaled import to_scale as drawn
from archdsl.scene.verify import faults, illegible, text_colours
from archdsl.theme import Sizes
from archdsl.view.scaled import ScaledModel, scaled
from golden import accepted
from models import variants

ROOT = Path(__file__).parent.parent
MOST_LOST = 0.001
"""What is too thin to be drawn, of a model's area."""


def models() -> tuple[ScaledModel, ...]:
    return tuple(scaled(variant.facts) for variant in variants().values())


@pytest.fixture(scope="module")
def picture() -> Scaled:
    return to_scale(models(), Sizes())


def test_the_parts_of_a_model_are_its_parameters() -> None:
    for variant in variants().values():
        found = scaled(variant.facts)
        layers = sum(run.count * run.params for run in found.runs)
        assert layers + sum(part.params for part in found.around) == variant.facts.params
        idle = sum(r.count * p.params for r in found.runs for p in r.parts if "idle" in p.name)
        assert variant.facts.params - idle == variant.facts.active


def test_areas_are_parameters_at_one_scale(picture: Scaled) -> None:
    area = picture.bar_params / (picture.bar.width * picture.bar.height)
    for placed in picture.models:
        inked = sum(p.box.width * p.box.height for p in placed.parts)
        assert inked * area / placed.factor == pytest.approx(placed.model.params, rel=MOST_LOST)
        if placed.true is not None:
            wide = max(p.box.right for p in placed.parts) - min(p.box.x for p in placed.parts)
            assert placed.true.width * placed.factor == pytest.approx(wide)
            assert math.log(placed.factor, 4) % 1 == 0


def test_heights_are_layers_at_one_scale(picture: Scaled) -> None:
    layer = picture.bar.height / 10
    for placed in picture.models:
        assert len(placed.levels) == placed.model.layers
        steps = [a - b for a, b in zip(placed.levels, placed.levels[1:], strict=False)]
        assert steps == pytest.approx([layer] * len(steps))


@pytest.mark.parametrize("count", [1, None], ids=["one", "all"])
def test_a_picture_to_scale_keeps_every_rule(count: int | None) -> None:
    """Geometry once, colours in every theme."""
    scene = drawn(models()[:count], theme.light(""))
    assert faults(scene) == []
    for name, made in theme.THEMES.items():
        colours = made("")
        palettes = filter(None, (colours.colours, colours.night))
        pale = [illegible(text_colours(scene), palette) for palette in palettes]
        assert not any(pale), (name, pale)


def render(*words: str) -> tuple[int, str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "archdsl", "render", "--to-scale", *words],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_a_model_without_layers_is_told(tmp_path: Path) -> None:
    spec = tmp_path / "a.arch"
    spec.write_text(
        "use std.core: Embedding\n"
        "model M(d)(stream t: int[B, T]) -> [B, T, d] {\n  e = Embedding(9, d)\n  return e(t)\n}\n"
        "tiny M { d: 2 }\n"
        "variant V = M(d: 4) {}\n"
    )
    assert check_text(spec.read_text()) == []
    code, said = render(str(spec), "-o", str(tmp_path / "a.svg"))
    assert (code, "only models with layers" in said) == (2, True), said
    assert not (tmp_path / "a.svg").exists()


def test_the_command_draws_models_together(tmp_path: Path) -> None:
    specs = ["specs/gemma3.arch", "specs/deepseek.arch"]
    out = tmp_path / "together.svg"
    assert render(*specs, "-o", str(out)) == (0, "")
    text = out.read_text()
    assert all(name in text for name in ("Gemma 3 270M", "Gemma 3 27B", "DeepSeek-V3"))
    code, said = render(*specs, "-o", str(tmp_path))
    assert (code, "one picture" in said) == (2, True), said


def test_the_picture_in_the_docs_is_what_its_command_draws() -> None:
    """`make goldens` draws it anew."""
    page = (ROOT / "docs" / "cards.md").read_text(encoding="utf-8")
    [words] = re.findall(r"^archdsl render --to-scale (.*) -o scale.svg$", page, re.MULTILINE)
    found = [v for spec in words.split() for v in check_path(ROOT / spec, spec).variants]
    accepted(ROOT / "docs" / "pictures" / "scale.svg", to_svg(combined(found)))
