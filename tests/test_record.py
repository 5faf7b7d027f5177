"""Records and entities against what frozen slotted dataclasses do."""

import copy
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archdsl
from archdsl.record import entity, fields, record, replace


@record
class Point:
    """Two numbers and a name."""

    x: int
    y: int = 2
    name: str = ""

    @property
    def sum(self) -> int:
        return self.x + self.y


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    x: int
    y: int = 2
    name: str = ""


@record
class Empty:
    pass


@record
class Other:
    x: int
    y: int = 2
    name: str = ""


@entity
class Thing:
    x: int


def outcome(make: Any) -> Any:
    """The fields of what is made, or the words of the refusal."""
    try:
        made = make()
    except TypeError as error:
        return str(error).replace("Reference", "Point")
    return made.x, made.y, made.name


VALUES = st.integers(-3, 3)
NAMED = st.dictionaries(st.sampled_from(["x", "y", "name", "z"]), VALUES, max_size=4)


@given(st.lists(VALUES, max_size=4), NAMED)
def test_arguments_fill_fields_as_in_a_dataclass(given: list[int], named: dict[str, int]) -> None:
    ours, theirs = (outcome(lambda cls=cls: cls(*given, **named)) for cls in (Point, Reference))
    assert ours == theirs


@given(VALUES, VALUES, VALUES, VALUES)
def test_equal_where_the_fields_are(a: int, b: int, c: int, d: int) -> None:
    assert (Point(a, b) == Point(c, d)) == (Reference(a, b) == Reference(c, d))
    assert (Point(a, b) != Point(c, d)) == (Reference(a, b) != Reference(c, d))
    if Point(a, b) == Point(c, d):
        assert hash(Point(a, b)) == hash(Point(c, d))


def test_other_classes_are_never_equal() -> None:
    assert Point(1) != Other(1)
    assert Point(1) != (1, 2, "")
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())
    assert Empty() != Point(1)


def test_an_entity_is_equal_only_to_itself() -> None:
    a, b = Thing(1), Thing(1)
    assert a == a
    assert a != b
    assert len({a, b, a}) == 2


@pytest.mark.parametrize("made", [Point(1), Empty(), Thing(1)], ids=repr)
def test_nothing_can_be_changed_or_added(made: Any) -> None:
    for name in (*fields(made), "unknown"):
        with pytest.raises(AttributeError):
            setattr(made, name, 3)
        with pytest.raises(AttributeError):
            delattr(made, name)
    assert not hasattr(made, "__dict__")


def test_match_takes_it_apart() -> None:
    match Point(1, name="p"):
        case Point(x, y, name=name):
            assert (x, y, name) == (1, 2, "p")
        case _:
            pytest.fail("a record does not match its class")


def test_replace() -> None:
    assert replace(Point(1, 5), y=7) == Point(1, 7)
    assert replace(Reference(1, 5), y=7) == Reference(1, 7)
    with pytest.raises(TypeError, match="z"):
        replace(Point(1), z=0)  # type: ignore[call-arg]


def test_copies_and_pickles_are_equal() -> None:
    point = Point(1, name="p")
    for made in (copy.copy(point), copy.deepcopy(point), pickle.loads(pickle.dumps(point, 5))):
        assert made == point


def test_what_the_class_says_stays() -> None:
    assert Point(1).sum == 3
    assert (Point.__doc__, Point.__module__) == ("Two numbers and a name.", __name__)
    assert repr(Point(1)) == repr(Reference(1)).replace("Reference", "Point")


def test_a_repr_is_one_line_of_bounded_length() -> None:
    """A model holds graphs of millions of values: a notebook that shows one must not print them."""
    variant = archdsl.load(Path(__file__).parent.parent / "specs" / "kimi.arch")["KimiK2_1T"]
    for value in (variant, variant.model, variant.facts, variant.unit, Empty(), (Empty(),)):
        assert len(repr(value)) < 5000 and "\n" not in repr(value)
    assert repr(variant).startswith("<KimiK2_1T: Kimi K2, 1,026,408,209,408 parameters>")
    nested: Any = Point(1, name="x" * 1000)
    for _ in range(50):
        nested = Thing((nested, *range(100)))
    assert len(repr(nested)) < 500 and "101 in all" in repr(nested)
