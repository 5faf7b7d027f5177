"""A class or a function of the emitted file, as records: its modules, its kind, what it is passed,
its statements.
"""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.dims import Dim
from archdsl.emit.lines import Line
from archdsl.emit.names import variable
from archdsl.graph import Module
from archdsl.reals import Real
from archdsl.record import entity, record

Step = tuple[str, int]
"""A child, and which of its distinct modules, in the order of its schedule."""


@entity
class Group:
    """The modules of one class or function. `module` is the one that the text is written from, with
    the most parameters. A `banked` group holds the parameters of all experts of a bank, stacked
    along a first axis.
    """

    name: str
    function: bool
    banked: bool
    modules: tuple[Module, ...]
    module: Module


FUNCTION, INLINED, LEAF, CONFIG = "function", "inlined", "leaf", "config"
"""Kinds of units: `def`, an operation written where it is used, a class that is passed its numbers,
a class that is passed the `Config`.
"""


Values = tuple[Dim | Real, ...]
"""A number in each of several modules."""


@record
class Argument:
    """A number that a unit is passed: a setting of its own block, or of the one that `path` leads
    to.
    """

    name: str
    setting: str
    type: str
    path: tuple[Step, ...] = ()


@record
class Passed:
    """How a body says a number to what it makes or calls: by a setting or an axis of its own, by an
    argument, or as it is.
    """

    value: Dim | Real
    own: str = ""
    argument: Argument | None = None


@entity
class Frame:
    """What is decided of a unit before its statements: `passed` says what each module that it makes
    or calls is passed, `varying` are the settings in which its own modules differ. `inputs` are the
    variables of inputs, `lengths` those of axes that inputs bring, `calls` the functions called.
    `fixed` are the real settings of a class that are one number in all of its modules.
    """

    group: Group
    kind: str
    passed: Mapping[Step, tuple[Passed, ...]]
    captures: tuple[Argument, ...] = ()
    varying: frozenset[str] = frozenset()
    inputs: tuple[str, ...] = ()
    lengths: Mapping[str, str] = {}
    calls: frozenset[str] = frozenset()
    fixed: Mapping[str, Real] = {}

    def argument(self, setting: str) -> str:
        """The parameter for a setting of the block, beside those that a class has anyway."""
        name = variable(setting)
        beside = ("layers", "experts") if self.group.banked else ("layers",)
        return f"{name}_" if name.rstrip("_") in beside and not self.is_function else name

    @property
    def is_function(self) -> bool:
        return self.kind in (FUNCTION, INLINED)

    @property
    def takes_config(self) -> bool:
        return self.kind == CONFIG


@entity
class Unit:
    """A class or a function, decided: `arguments` in order; whether it takes `start`; `flags` are
    the optional parameters that a maker has to ask for. The statements are those of its methods.
    """

    frame: Frame
    arguments: tuple[Argument, ...] = ()
    starts: bool = False
    flags: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    body: tuple[Line, ...] = ()
    methods: tuple[Line, ...] = ()
    init: tuple[Line, ...] = ()
    kept: tuple[Line, ...] = ()

    @property
    def name(self) -> str:
        return self.frame.group.name

    @property
    def banked(self) -> bool:
        return self.frame.group.banked

    @property
    def kind(self) -> str:
        return self.frame.kind

    @property
    def is_function(self) -> bool:
        return self.frame.is_function
