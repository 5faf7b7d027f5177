"""The documentation's models, run: what is emitted for each passes its own smoke test."""

import re

import pytest
import torch

from emitted import code_of, run
from markdown_cases import Block, expected_errors
from pages import SPECS, checked

WITH_VARIANTS = [block for block in SPECS if "\nvariant " in block.text]
MODELS = {
    f"{block.label}-{variant.model.id}": variant
    for block in WITH_VARIANTS
    for variant in checked(block).variants
}
"""Every variant that checks, by the place of its block and its name."""


@pytest.mark.parametrize("name", MODELS)
def test_the_emitted_file_passes_its_smoke_test(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the tiny size where the model has one, at the variant's own where it has none."""
    run(code_of(MODELS[name])).main()
    assert "parameters" in capsys.readouterr().out


@pytest.mark.parametrize("block", WITH_VARIANTS, ids=lambda block: block.label)
def test_no_variant_is_left_out(block: Block) -> None:
    """A block without errors has a model for each variant that it declares."""
    declared = re.findall(r"^variant (\w+)", block.text, re.MULTILINE)
    built = [variant.model.id for variant in checked(block).variants]
    assert set(built) <= set(declared)
    assert built == declared or expected_errors(block.text)


def test_a_module_that_decodes_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    module = run(code_of(next(iter(MODELS.values()))))
    forward = module.Model.forward

    def wrong(model: object, tokens: torch.Tensor, cache: object = None) -> torch.Tensor:
        return forward(model, tokens, cache) + (cache is not None)

    monkeypatch.setattr(module.Model, "forward", wrong)
    with pytest.raises(AssertionError):
        module.main()
