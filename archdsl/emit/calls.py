"""What one block's body says to others: applications, functions called, stacks, what is kept.

Functions over the writer of the body that is being written.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from archdsl.dims import Dim
from archdsl.emit import plan as p
from archdsl.emit.arguments import own_name
from archdsl.emit.context import arguments
from archdsl.emit.lines import line
from archdsl.emit.names import safe
from archdsl.emit.spell import (
    ATOM,
    START,
    Text,
    calling,
    counting,
    listed,
    of_config,
    spell,
    spelt,
)
from archdsl.emit.unit import INLINED, Passed, Unit
from archdsl.emit.uses import Handed, StoredConfig
from archdsl.graph import Experts, Layers, Module, ModuleList, Single
from archdsl.nodes import Apply, Cache, Mixture, Node, items_of
from archdsl.reals import OfDim, Real, evaluate
from archdsl.symbols import SEEN

if TYPE_CHECKING:
    from archdsl.emit.body import Writer


def cached(w: Writer, i: int, node: Node, cache: Cache, arg: Text) -> Text:
    """What was kept of a tensor so far, and it."""
    name = w.fresh(i, node.name)
    axis = next(
        j for j, a in enumerate(node.type.axes) if isinstance(a, Dim) and SEEN in a.symbols()
    )
    function, extent = "keep", Text("")
    if cache.last is not None:
        function, extent = "keep_last", spelt(", last={}", w.dim(cache.last))
    if cache.every is not None:
        function, extent = "keep_every", spelt(", every={}", w.dim(cache.every))
    passed = (w.store, safe(cache.place), arg, START, axis, extent)
    w.lines.append(line("{} = {}", name, calling(function, '{}, "{}", {}, {}, dim={}{}', *passed)))
    return Text(name)


def apply(w: Writer, i: int, node: Node, form: Apply, args: list[Text]) -> Text:
    """A submodule or a function applied."""
    child = w.module.child(form.child)
    if isinstance(child.part, Layers):
        return stack(w, i, node, form, args)[0]
    if isinstance(child.part, ModuleList):
        return side_by_side(w, i, node, form, args)
    assert isinstance(child.part, Single)
    ((_, inner),) = child.at(form)
    unit = w.plan.unit(child.part.module, w.banked)
    if unit.kind == INLINED:
        return inlined(w, inner, args)
    if unit.is_function:
        return call(w, child.name, unit, args, starts=w.plan.needs_start(inner))
    texts, named = arguments(child.context, args)
    texts += [Text("expert")] if w.banked else threads(w, inner, i)
    return spelt("self.{}({})", safe(child.name), listed((*texts, *named)))


def side_by_side(w: Writer, i: int, node: Node, form: Apply, args: list[Text]) -> Text:
    """One block of a list applied, or all of them, their results along a new first axis."""
    child = w.module.child(form.child)
    name = f"self.{safe(child.name)}"
    if form.item is not None:
        ((_, inner),) = child.at(form)
        return spelt("{}[{}]({})", name, str(form.item), _passed(w, i, form, inner, args))
    modules = p.side_by_side(child, form)
    needs = {(w.plan.needs_start(m), w.plan.keeps(m), m.context) for m in modules}
    if len(needs) > 1:
        calls = [
            spelt("{}[{}]({})", name, str(k), _passed(w, i, form, m, args, str(k)))
            for k, m in enumerate(modules)
        ]
        results = spelt("[{}]", listed(calls))
    else:
        results = _comprehension(w, i, form, modules[0], args, name)
    if len(node.types) == 1:
        return spelt("torch.stack({})", results)
    return spelt("map(torch.stack, zip(*{}))", results)


def _comprehension(
    w: Writer, i: int, form: Apply, inner: Module, args: list[Text], name: str
) -> Text:
    """What all blocks of a list give, where all are called alike."""
    block = w.bare("f")
    if w.plan.keeps(inner) and not w.banked:
        passed = _passed(w, i, form, inner, args, "i")
        return spelt("[{0}({1}) for i, {0} in enumerate({2})]", block, passed, name)
    slices: list[str] = []
    for _ in form.each:
        slices.append(w.bare("a", (block, *slices)))
    shown = [Text(slices[form.each.index(j)]) if j in form.each else a for j, a in enumerate(args)]
    passed = _passed(w, i, form, inner, shown)
    if not slices:
        return spelt("[{0}({1}) for {0} in {2}]", block, passed, name)
    handed = listed([name, *(args[j] for j in form.each)])
    return spelt("[{0}({1}) for {2} in zip({3})]", block, passed, listed([block, *slices]), handed)


def _passed(
    w: Writer, i: int, form: Apply, inner: Module, args: list[Text], number: str = ""
) -> Text:
    """What a block of a list is passed; with a `number` its slices, and its part of what all
    blocks keep.
    """
    given = w.module.child(form.child).given(form)
    values, named = arguments(given, args)
    texts = [
        spelt("{}[{}]", a.at(ATOM), number) if number and j in form.each else a
        for j, a in enumerate(values)
    ]
    if w.banked:
        texts.append(Text("expert"))
    else:
        texts += [START] if w.plan.needs_start(inner) else []
        kept = [part(w, w.nodes[i])] if w.plan.keeps(inner) else []
        texts += [calling("part", "{}, {}", k, number) for k in kept] if number else kept
    own = (text for name, text in zip(given, named, strict=True) if name in inner.context)
    return listed((*texts, *own))


def threads(w: Writer, inner: Module, i: int) -> list[Text]:
    """What is passed through: the number of tokens before, and the child's part of the
    cache.
    """
    passed = []
    if w.plan.needs_start(inner):
        passed.append(START)
    if w.plan.keeps(inner):
        passed.append(part(w, w.nodes[i]))
    return passed


def part(w: Writer, node: Node) -> Text:
    """The part of the cache that belongs to an application, and to this round of a loop."""
    keys = p.caching(w.plan, w.module)
    store = Text(w.store)
    if len(keys) > 1 or w.plan.holds(w.module):
        store = calling("part", '{}, "{}"', store, keys[id(node)].name)
    for turn in w.turns:
        store = calling("part", "{}, {}", store, counting(turn))
    return store


def inlined(w: Writer, inner: Module, args: list[Text]) -> Text:
    """A function of a single operation, written where it is used."""
    (output,) = inner.outputs
    node = inner.nodes[output]
    order = [inner.inputs.index(a) for a in node.args]
    return w.elementwise(node, [args[j] for j in order], inner.nodes)


def call(w: Writer, child: str, unit: Unit, args: list[Text], starts: bool = True) -> Text:
    """A function applied, with the settings it has to be passed; an encoder's `starts` at 0."""
    passed = [passed_number(w, number) for number in w.frame.passed.get((child, 0), ())]
    if unit.starts:
        passed.append(START if starts else Text("0"))
    return spelt("{}({})", unit.name, listed((*args, *passed)))


def passed_number(w: Writer, number: Passed) -> Text:
    """A number that a function is passed, in this block's names."""
    value = number.value
    if number.own:
        return w.look(number.own)
    if number.argument is not None:
        name = number.argument.name
        stored = name if w.frame.is_function else f"self.{name}"
        return Text(stored, ATOM, frozenset((Handed(name),)))
    if isinstance(value, Dim) and value.value is not None:
        return Text(str(value.value))
    if w.frame.takes_config:
        return root(value)
    return Text(repr(evaluate(OfDim(value) if isinstance(value, Dim) else value, {})))


def root(value: Dim | Real) -> Text:
    """A value of the model's settings, read from the stored Config."""

    def look(symbol: str) -> Text:
        return spelt("self.{}", of_config(symbol), uses=(StoredConfig(),))

    return spell(value, look)


def mixture(w: Writer, node: Node, form: Mixture, args: list[Text]) -> Text:
    """The chosen experts of a bank."""
    passed = [Text(f"self.{safe(form.child)}"), *args]
    if form.partly:
        bank = w.module.child(form.child).part
        assert isinstance(bank, Experts)
        same = (bank.of,) * (len(w.frame.group.modules) + 1)
        own = own_name(w.frame.group, same, axes=True)
        passed.append(Text(str(bank.count)) if own is None else w.look(own))
    width, before = node.type.axes[-1], w.nodes[node.args[0]].type.axes[-1]
    if isinstance(width, Dim) and isinstance(before, Dim):
        sizes = (m.symbols for m in w.frame.group.modules)
        if any(own.dim(width) != own.dim(before) for own in sizes):
            passed.append(spelt("width={}", w.dim(width)))
    return calling("mixture", "{}", listed(passed))


def stack(w: Writer, i: int, node: Node, form: Apply, args: list[Text]) -> list[Text]:
    """A loop over layers; the variables of what it carries from layer to layer."""
    child = w.module.child(form.child)
    _, named = arguments(child.given(form), args)
    carried = len(node.types)
    for a in node.args[carried:]:
        w.last[a] = max(w.last[a], i + 0.5)  # every layer reads it
    names = _carried(w, i, node)
    begun = [(n, a) for n, a in zip(names, args, strict=False) if n != a.text]
    if begun:
        w.lines.append(line("{} = {}", listed(n for n, _ in begun), listed(a for _, a in begun)))
    modules = [m for _, m in child.at(form)]
    starts = any(w.plan.needs_start(m) for m in modules)
    keeps = any(w.plan.keeps(m) for m in modules)
    passed = [Text(name) for name in names]
    for j, arg in enumerate(args[: len(args) - form.context]):
        if j >= carried:
            passed.append(spelt("{}[i]", arg.at(ATOM)) if j in form.each else arg)
    passed += [START] if starts else []
    passed += [calling("part", "{}, i", part(w, node))] if keeps else []
    passed += [Text("expert")] if w.banked else []
    head = "for i, layer in enumerate({}):" if keeps or form.each else "for layer in {}:"
    step = line("{} = layer({})", listed(names), listed((*passed, *named)))
    w.lines.append(line(head, f"self.{safe(child.name)}", block=[step]))
    return [Text(name) for name in names]


def _carried(w: Writer, i: int, node: Node) -> list[str]:
    """Variables for what a stack carries."""
    if len(node.types) == 1:
        return [w.fresh(i, node.name or w.nodes[node.args[0]].name or "x")]
    items = items_of(tuple(w.nodes), i)
    names = []
    needed = {j: w.last[j] for j in items.values()}
    for index, a in enumerate(node.args[: len(node.types)]):
        j = items[index]
        names.append(w.fresh(j, w.nodes[j].name or w.nodes[a].name or "x"))
        w.last[j] = math.inf  # all are variables of their own while the layers run
    for j, last in needed.items():
        w.last[j] = max(last, i + 0.5)
    return names
