"""What kinds of layers are called, and how a schedule is said."""

from hypothesis import given
from hypothesis import strategies as st

from archdsl import naming
from archdsl.naming import Runs
from models import variants


def flat(runs: Runs) -> list[str]:
    """The layers of a schedule, one by one."""
    return [
        name
        for count, what in runs
        for _ in range(count)
        for name in ([what] if isinstance(what, str) else flat(what))
    ]


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from("abc")), max_size=40))
def test_what_repeats_is_said_once_and_nothing_is_lost(runs: list[tuple[int, str]]) -> None:
    said = naming.repeats(runs)
    assert flat(said) == [name for count, name in runs for _ in range(count)]
    assert len(said) <= len(runs)


def test_a_period_is_found() -> None:
    runs = [(2, "a"), (1, "b")]
    assert naming.repeats(runs * 4 + [(2, "a")]) == ((4, tuple(runs)), (2, "a"))
    assert naming.in_words(naming.repeats(runs * 2)) == "2 x (2 x a; 1 x b)"


def test_schedules_of_the_specs() -> None:
    """As the papers say them."""
    said = {name: naming.in_words(v.facts.record()["schedule"]) for name, v in variants().items()}
    assert said["Gemma3_27B"] == "10 x (5 x window 1,024; 1 x no window); 2 x window 1,024"
    assert said["Qwen3Next_80B_A3B"] == "12 x (3 x Gated DeltaNet; 1 x Gated attention)"
    assert said["DeepSeekV3_671B"] == "3 x SwiGLU; 58 x Mixture of experts"
    assert said["GptOss_20B"] == "12 x (1 x window 128; 1 x no window)"
    assert said["Llama3_8B"] == "32 x Transformer block"
    for name, variant in variants().items():
        assert len(flat(variant.facts.record()["schedule"])) == variant.facts.layers, name
