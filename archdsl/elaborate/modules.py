"""One module for each distinct application of a block.

Applications that agree in block, settings and input types share a module, so that the work and the
graph grow with the text of a spec and not with the depth of a model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from archdsl import syntax as s
from archdsl.check import (
    apply,
    body,
    context,
    expressions,
    interface,
    kinds,
    statics,
    submodules,
)
from archdsl.check.recursion import names_itself
from archdsl.check.scope import Numbers, Scope, words
from archdsl.check.values import (
    Block,
    Chain,
    Float,
    Int,
    Items,
    PrimitiveRef,
    Recipe,
    Slot,
    Tensor,
    Tensors,
    Truth,
    Value,
    Word,
    is_block,
)
from archdsl.diagnostic import Diagnostics
from archdsl.dims import Dim
from archdsl.graph import Binding, BlockValue, Check, Child, Module, Param, Setting, Single
from archdsl.graph import Value as Plain
from archdsl.nodes import Input
from archdsl.ops import OPS
from archdsl.record import replace
from archdsl.source import Span
from archdsl.symbols import SEEN, ModelSymbol, OwnSymbols, seen
from archdsl.types import TensorType

_Key = tuple[Recipe | Chain, tuple[TensorType, ...]]
_Context = Mapping[str, TensorType]

MAX_DEPTH = 40
MAX_MODULES = 4000
MAX_PARTS = 50_000
"""Bounds on a model: blocks inside blocks, distinct applications, and parts (a stack's equal layers
count once). Real models have six, a hundred, a thousand.
"""


@dataclass(slots=True)
class Elaborator:
    """The modules of one model; `numbers` maps the model's symbols (`$d`) to their values."""

    diagnostics: Diagnostics
    numbers: Mapping[ModelSymbol, float]
    modules: dict[_Key, list[tuple[_Context, Module | None]]] = field(default_factory=dict)
    count: int = 0
    shared: dict[Binding, Module] = field(default_factory=dict)
    active: list[Block] = field(default_factory=list)
    parts: dict[int, int] = field(default_factory=dict)
    unrolled: set[str] = field(default_factory=set)

    def instantiate(
        self,
        recipe: Recipe | Chain,
        types: tuple[TensorType, ...],
        frames: tuple[str, ...],
        around: _Context,
    ) -> Module | None:
        """The module of a recipe or a chain, its values being in terms of the model's settings.

        What a module made before was given has to agree; context that it does not take has not.
        """
        known = self.modules.setdefault((recipe, types), [])
        for given, module in known:
            if all(around.get(name) == t for name, t in given.items()):
                return self._note(module)
        if isinstance(recipe, Chain):
            module = self._chain(recipe, types, frames, around)
        else:
            module = self._block(recipe, types, frames, around)
        at = _declared(recipe)
        if module is not None and not self._count(module, at, frames):
            module = None
        known.append(({n: around[n] for n in module.context} if module else {}, module))
        self.count += 1
        return self._note(module)

    def _block(
        self,
        recipe: Recipe,
        types: tuple[TensorType, ...],
        frames: tuple[str, ...],
        around: _Context,
    ) -> Module | None:
        if self._recursive(recipe, frames) or self._too_large(_declared(recipe), frames):
            return None
        self.active.append(recipe.block)
        scope = self.scope(recipe.block, dict(recipe.settings), frames)
        scope.around = around
        module = self.build(scope, recipe, types)
        self.active.pop()
        return module

    def _chain(
        self,
        chain: Chain,
        types: tuple[TensorType, ...],
        frames: tuple[str, ...],
        around: _Context,
    ) -> Module | None:
        """The module of a chain: what it takes is handed from stage to stage."""
        if self._too_large(chain.span, frames):
            return None
        scope = Scope(self.diagnostics, {}, {}, numbers=Numbers({}, {}, {}, self.numbers))
        scope.frames, scope.around = frames, around
        scope.instantiate, scope.unrolled = self.instantiate, self.unrolled
        context.own_inputs(scope, types)
        bind_seen(scope)
        value: Tensor | Tensors = Tensors(
            tuple(Tensor(i, node.type) for i, node in enumerate(scope.nodes))
        )
        titles: list[str] = []
        roles: list[str] = []
        for written in chain.stages:
            stage = context.unrooted(scope, written)
            at = getattr(stage, "span", None) or chain.span
            name = submodules.inline_name(scope, stage)
            result = apply.application(scope, stage, name, (value,), at, at)
            if not isinstance(result, Tensor | Tensors):
                return None
            value = result
            if isinstance(stage, PrimitiveRef):
                titles.append(OPS[stage.name].label or stage.name)
            for _, module in scope.children[name].modules if name in scope.children else ():
                titles.append(module.title)
                roles.append(module.role)
        results = value.items if isinstance(value, Tensors) else (value,)
        outputs = tuple(tensor.node for tensor in results)
        working = [role for role in roles if role != "plumbing"]
        return self._module(
            scope,
            outputs,
            block="Chain",
            role=working[0] if working else "plumbing",
            title=" · ".join(titles),
            span=chain.span,
        )

    def _note(self, module: Module | None) -> Module | None:
        """Keeps in mind where a shared module was made."""
        if module is not None and module.shared is not None:
            known = self.shared.setdefault(module.shared, module)
            self.shared[module.shared] = known if known.streams else module
        return module

    def _shared(self, scope: Scope) -> tuple[Child, ...]:
        """The submodules that store what a body shares, where it is placed elsewhere only."""
        return tuple(
            Child(name, Single(self.shared[binding], owns=True))
            for name, binding in scope.shared.items()
            if binding in self.shared and name not in scope.children
        )

    def _too_large(self, at: Span | None, frames: tuple[str, ...]) -> bool:
        deep = len(self.active) >= MAX_DEPTH
        if not deep and self.count < MAX_MODULES:
            return False
        what = f"blocks inside blocks, more than {MAX_DEPTH} deep"
        self.diagnostics.add(
            "too-large",
            what if deep else f"a model of more than {MAX_MODULES} different parts",
            at,
            frames=frames[-3:],
        )
        return True

    def _count(self, module: Module, at: Span | None, frames: tuple[str, ...]) -> bool:
        """Whether the parts of a module are not too many."""
        inner = (m for child in module.children for _, m in child.modules)
        self.parts[module.id] = 1 + sum(self.parts.get(m.id, 1) for m in inner)
        if self.parts[module.id] <= MAX_PARTS:
            return True
        message = f"a model of more than {MAX_PARTS} parts"
        self.diagnostics.add("too-large", message, at, frames=frames[-3:])
        return False

    def _recursive(self, recipe: Recipe, frames: tuple[str, ...]) -> bool:
        """Whether a block contains itself. One that is handed itself does not: `Res(Res(f))`."""
        if recipe.block not in self.active or not names_itself(recipe.block):
            return False
        name = recipe.block.name
        self.diagnostics.add(
            "recursion",
            f"{name} contains itself",
            recipe.block.decl.name.span,
            frames=frames,
            help="repeat layers with stack(n * Layer(...))",
        )
        return True

    def scope(self, block: Block, settings: Mapping[str, Value], frames: tuple[str, ...]) -> Scope:
        """The world of a block: its settings as own symbols with the model's expressions behind."""
        numbers = Numbers({}, {}, {}, self.numbers)
        scope = Scope(self.diagnostics, {}, block.globals, block, numbers=numbers)
        at = block.decl.name.span
        scope.frames = (*frames, f"{block.name} ({at.source.name}:{at.line})")
        scope.instantiate = self.instantiate
        scope.unrolled = self.unrolled
        for decl in block.decl.settings:
            for word in words(decl.kind):
                scope.names.setdefault(word, Word(word))
            name = decl.name.name
            value = settings[name]
            match value:
                case Int(d):
                    numbers.symbols[name] = d
                    value = Int(Dim.symbol(name))
                case Float(r):
                    numbers.reals[name] = r
                    value = kinds.symbolic(decl)
            scope.names[name] = _slots(name, decl.kind, value)
        return scope

    def build(self, scope: Scope, recipe: Recipe, types: tuple[TensorType, ...]) -> Module | None:
        """Checks the body with its numbers and makes the module; None after a report."""
        decl = recipe.block.decl
        before = len(self.diagnostics)
        for declared, t in zip(decl.inputs, types, strict=True):
            _bind_axes(scope, declared.type, t)
        taken = interface.types_taken(decl)
        bind_seen(scope, taken)
        if not self._given(scope, recipe):
            return None
        bind_seen(scope, taken)  # T may be an axis of what is given
        body.bind_inputs(scope, decl)
        body.assume(scope, decl.where)
        checks = _run_time_checks(scope, decl)
        outputs = body.run(scope, decl)
        if outputs is None or len(self.diagnostics) > before:
            return None
        module = self._module(
            scope,
            outputs,
            block=recipe.block.name,
            role=decl.role.name.name if decl.role else "plumbing",
            title=_title(scope, decl),
            span=recipe.span,
        )
        return replace(
            module,
            doc=decl.doc,
            settings=tuple(_setting(scope, d, recipe) for d in decl.settings),
            params=tuple(_tied(p, recipe) for p in scope.params),
            intrinsic=_intrinsic(scope, decl),
            checks=checks,
            shared=recipe.shared if _holds(scope) else None,
        )

    def _module(
        self,
        scope: Scope,
        outputs: tuple[int, ...],
        block: str,
        role: str,
        title: str,
        span: Span | None,
    ) -> Module:
        """What a body computes, as a module without settings and parameters."""
        numbers = scope.numbers
        assert numbers is not None
        nodes, outputs = context.inputs_first(tuple(scope.nodes), outputs)
        return Module(
            id=self.count,
            block=block,
            role=role,
            title=title,
            doc="",
            settings=(),
            symbols=OwnSymbols(numbers.symbols, numbers.reals, numbers.rests),
            params=(),
            children=(*self._shared(scope), *_ordered(scope)),
            nodes=nodes,
            consts=tuple(scope.consts),
            initials=tuple(scope.initials),
            inputs=tuple(i for i, n in enumerate(nodes) if isinstance(n.form, Input)),
            outputs=outputs,
            intrinsic="",
            checks=(),
            span=span,
            context=tuple(scope.context),
        )

    def _given(self, scope: Scope, recipe: Recipe) -> bool:
        """Whether what a block is given is there, as it is declared; binds its free axes."""
        given = recipe.block.decl.given
        chain = tuple(b.name for b in self.active)
        at = recipe.span or recipe.block.decl.name.span
        return context.received(scope, chain, given, at) and all(
            context.bound(scope, g, scope.around)
            and context.fits(scope, g, apply.type_of(scope, g.type), scope.around[g.name.name])
            for g in given
        )


def _slots(name: str, kind: s.Kind | None, value: Value) -> Value:
    """A setting inside its block: one that is a block, or a list of blocks, by its signature."""
    match kind, value:
        case s.SignatureKind(inputs, outputs), _:
            return Slot(name, inputs, outputs, value)
        case s.KindOf("list", (inner,)), Items(values) if values is not None:
            return replace(value, values=tuple(_slots(name, inner, item) for item in values))
    return value


def _declared(made: Recipe | Chain) -> Span | None:
    """Where a block stands, or a chain."""
    return made.span if isinstance(made, Chain) else made.block.decl.name.span


def _holds(scope: Scope) -> bool:
    """Whether a body has parameters, its own or a submodule's: without them there is nothing to
    share.
    """
    own = any(param.kind != "const" for param in scope.params)
    return own or any(owns(m) for child in scope.children.values() for _, m in child.modules)


def owns(module: Module) -> bool:
    """Whether a module has parameters or buffers, its own or a submodule's."""
    own = any(param.kind != "const" for param in module.params)
    return own or any(owns(m) for child in module.children for _, m in child.modules)


def _ordered(scope: Scope) -> tuple[Child, ...]:
    """Children in the order of their bindings, inline ones last."""
    order = {name: i for i, name in enumerate(scope.names)}
    return tuple(sorted(scope.children.values(), key=lambda c: order.get(c.name, len(order))))


def _bind_axes(scope: Scope, written: s.TypeExpr, t: TensorType) -> None:
    """The free axes and `...` of an input, bound to what was passed."""
    assert scope.numbers is not None
    count = len(t.axes) - len(written.axes) + 1
    position = 0
    for axis in written.axes:
        if isinstance(axis, s.Dots):
            scope.numbers.rests["..."] = t.axes[position : position + count]
            position += count
            continue
        actual = t.axes[position]
        position += 1
        if isinstance(axis, s.Name) and axis.name not in scope.names and isinstance(actual, Dim):
            scope.names[axis.name] = Int(Dim.symbol(axis.name))
            scope.numbers.symbols[axis.name] = actual


def bind_seen(scope: Scope, inputs: tuple[s.TypeExpr, ...] = ()) -> None:
    """S is what was seen of T, unless one of the inputs has it as an axis; a cache on an axis that
    does not stream keeps nothing back.
    """
    assert scope.numbers is not None
    if not interface.have_axis(inputs, SEEN):
        interface.sees_all(scope)
        scope.numbers.symbols[SEEN] = seen(scope.numbers.symbols)


def _run_time_checks(scope: Scope, decl: s.BlockDecl) -> tuple[Check, ...]:
    """Conditions that only the length of the input decides."""
    checks = []
    quiet = replace(scope, diagnostics=Diagnostics())
    for condition in decl.where:
        if not isinstance(condition, s.Binary) or condition.op not in ("<=", "<", ">=", ">", "=="):
            continue
        left = expressions.evaluate(quiet, condition.left)
        right = expressions.evaluate(quiet, condition.right)
        if not isinstance(left, Int) or not isinstance(right, Int):
            continue
        undecided = statics.compare_ints(quiet, condition.op, left.dim, right.dim) is None
        if undecided and None in (scope.value(left.dim), scope.value(right.dim)):
            checks.append(Check(left.dim, condition.op, right.dim))
    return tuple(checks)


def _title(scope: Scope, decl: s.BlockDecl) -> str:
    if decl.role is None or decl.role.title is None:
        return decl.name.name
    title = decl.role.title.value
    for other, condition in decl.role.others:
        if expressions.truth(scope, condition):
            title = other.value
    return title


def _intrinsic(scope: Scope, decl: s.BlockDecl) -> str:
    if decl.lowers is None:
        return ""
    if decl.lowers.when is not None and expressions.truth(scope, decl.lowers.when) is not True:
        return ""
    return decl.lowers.intrinsic.name


def _tied(param: Param, recipe: Recipe) -> Param:
    return replace(param, tied=dict(recipe.ties).get(param.name, ()))


def _setting(scope: Scope, decl: s.SettingDecl, recipe: Recipe) -> Setting:
    name = decl.name.name
    kind = decl.kind.span.text if decl.kind else "dim"
    role = recipe.block.decl.role
    conditions = (condition.span.text for _, condition in role.others) if role else ()
    in_title = any(re.search(rf"\b{name}\b", text) for text in conditions)
    return replace(plain(scope, name, kind, dict(recipe.settings)[name]), in_title=in_title)


def plain(scope: Scope, name: str, kind: str, value: Value) -> Setting:
    """A setting's value as plain data, with its expression in the model's settings."""
    match value:
        case Int(d):
            return Setting(name, kind, scope.value(d), d)
        case Float(r):
            return Setting(name, kind, statics.number(scope, value, _nowhere(scope)), r)
        case Chain(stages):
            each = [plain(scope, name, kind, stage).value for stage in stages]
            titles = " · ".join(part.title for part in each if isinstance(part, BlockValue))
            return Setting(name, kind, BlockValue(titles, ()))
        case PrimitiveRef(op):
            return Setting(name, kind, BlockValue(OPS[op].label or op, (), True))
        case Items(values) if values and is_block(values[0]):
            blocks = (plain(scope, name, kind, item).value for item in values)
            listed = tuple(part.title for part in blocks if isinstance(part, BlockValue))
            return Setting(name, kind, listed)
        case Recipe(block, settings):
            inner = tuple(plain(scope, k, "dim", v) for k, v in settings)
            role = block.decl.role
            shown = role.title.value if role and role.title else block.name
            known = role.name.name if role else ""
            identity = _is_identity(block.decl)
            return Setting(name, kind, BlockValue(shown, inner, role=known, identity=identity))
    return Setting(name, kind, _data(scope, value))


def _is_identity(decl: s.BlockDecl) -> bool:
    """Whether all that a block does is to return its input."""
    match decl.body:
        case (s.Result(_, (s.Name(name, _),), _),) if decl.inputs:
            return name == decl.inputs[0].name.name
    return False


def _data(scope: Scope, value: Value) -> Plain:
    match value:
        case Truth(known):
            return known
        case Word(word):
            return word
        case Items(values):
            return tuple(_data(scope, v) for v in values or ())
        case Int(d):
            return scope.value(d)
        case Float():
            return statics.number(scope, value, _nowhere(scope))
    return None


def _nowhere(scope: Scope) -> Span:
    assert scope.block is not None
    return scope.block.decl.name.span
