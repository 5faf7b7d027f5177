"""Immutable types with named fields, made quickly.

    @record
    class Point:
        x: float
        y: float = 0.0

    Point(1.0) == Point(1.0, 0.0)       True, and they hash alike
    replace(Point(1.0), y=2.0)          Point(x=1.0, y=2.0)

A record is what `@dataclass(frozen=True, slots=True)` makes: `match` takes it apart, a type checker
knows its fields. Only the making differs. A dataclass writes and compiles the text of six methods
for each class, a third of a millisecond, and a command that lives for a fifth of a second needs a
hundred classes. Here only `__init__` is of the class's own, and it is no new text either: the one
for three fields is that of any other class with three fields, with other names. What needs more
(mutable fields, fields outside of comparisons, `__post_init__`) is a dataclass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """A class of immutable values, which are equal when all their fields are."""
    slotted = _slotted(cls)
    if fields(slotted):
        key = attrgetter(*fields(slotted))
        equal, hashed = _comparing(key)
    else:
        equal, hashed = _same_class, _hash_of_class
    for name, method in (("__eq__", equal), ("__hash__", hashed)):
        if name not in cls.__dict__:
            setattr(slotted, name, method)
    return slotted


@dataclass_transform(frozen_default=True, eq_default=False)
def entity(cls: type[T]) -> type[T]:
    """A class of immutable things, of which each is equal only to itself."""
    return _slotted(cls)


def fields(value: object) -> tuple[str, ...]:
    """The names of the fields of a record, an entity or a class of them, in order; of anything
    else, none.
    """
    names: tuple[str, ...] = getattr(value, "__match_args__", ())
    return names


if TYPE_CHECKING:  # type checkers know what the fields of each class take, for dataclasses too
    from dataclasses import replace as replace
else:

    def replace(old, /, **changes):
        """The same value with other values in some fields, of a record or a dataclass.

        Raises TypeError for a name that is no field.
        """
        return type(old)(**{name: getattr(old, name) for name in fields(old)} | changes)


# --- how a class is made --------------------------------------------------------------------------


def _slotted(cls: type[T]) -> type[T]:
    """The class with slots in place of a dictionary."""
    assert cls.__bases__ == (object,), f"{cls.__name__}: a record inherits nothing"
    names = tuple(cls.__annotations__)
    body = {k: v for k, v in cls.__dict__.items() if k not in ("__dict__", "__weakref__")}
    defaults = tuple(body.pop(name) for name in names if name in body)
    body |= {
        "__slots__": names,
        "__match_args__": names,
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__reduce__": _reduce,
    }
    body.setdefault("__repr__", _repr)
    slotted: Any = type(cls.__name__, (), body)
    if names:
        slotted.__init__ = _init(slotted, names, defaults)
    return slotted  # type: ignore[no-any-return]


def _init(cls: Any, names: tuple[str, ...], defaults: tuple[Any, ...]) -> Any:
    """`__init__` of a class: the one for so many fields, with the class's slots and names."""
    init: Any = _template(len(names))(*(cls.__dict__[name].__set__ for name in names))
    init.__code__ = init.__code__.replace(co_varnames=("self", *names))
    init.__defaults__ = defaults
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


@cache
def _template(count: int) -> Callable[..., Any]:
    """Makes an `__init__` for so many fields from the setters of their slots."""
    numbers = range(count)
    text = [
        f"def make({', '.join(f'set{i}' for i in numbers)}):",
        f"  def __init__(self, {', '.join(f'x{i}' for i in numbers)}):",
        *(f"    set{i}(self, x{i})" for i in numbers),
        "  return __init__",
    ]
    space: dict[str, Any] = {}
    exec("\n".join(text), space)
    make: Callable[..., Any] = space["make"]
    return make


def _comparing(key: Callable[[Any], Any]) -> tuple[Callable[..., bool], Callable[..., int]]:
    def equal(self: Any, other: Any) -> bool:
        if self is other:
            return True
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(key(self))

    return equal, hashed


def _same_class(self: Any, other: Any) -> bool:
    return True if other.__class__ is self.__class__ else NotImplemented


def _hash_of_class(self: Any) -> int:
    return hash(self.__class__.__qualname__)


DEEP, MANY, LONG = 3, 4, 60
"""A record shows records in it so deep, so many items of a collection, so much of a text."""


def _repr(self: Any) -> str:
    return _shown(self, DEEP)


def _shown(value: Any, deep: int) -> str:
    """A value on one line. A model holds graphs of millions of values: what lies deep is `...`."""
    names = fields(value)
    cls = value.__class__
    if cls.__repr__ is _repr:
        inner = "..." if names and deep == 0 else ", ".join(
            f"{name}={_shown(getattr(value, name), deep - 1)}" for name in names
        )  # fmt: skip
        return f"{cls.__qualname__}({inner})"
    if isinstance(value, str):
        return repr(value if len(value) <= LONG else f"{value[:LONG]}...")
    if cls in (tuple, list, set, frozenset) and value:
        items = [_shown(x, deep - 1) for x in islice(value, MANY)] if deep else ["..."]
        more = [f"... {len(value)} in all"] if len(value) > MANY and deep else []
        comma = "," if cls is tuple and len(value) == 1 else ""
        brackets = {tuple: "({})", list: "[{}]"}.get(cls, "{{{}}}")
        return brackets.format(", ".join([*items, *more]) + comma)
    if isinstance(value, Mapping):
        return f"{{{len(value)} entries}}" if value else "{}"
    return repr(value)[: 4 * LONG]


def _reduce(self: Any) -> tuple[type, tuple[Any, ...]]:
    return self.__class__, tuple(getattr(self, name) for name in fields(self))


def _refuse(self: Any, name: str, *_: object) -> None:
    raise AttributeError(f"{self.__class__.__qualname__}.{name} cannot be changed")
