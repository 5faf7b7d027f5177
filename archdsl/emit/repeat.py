"""Windows, scans and loops as statements.

s_BD = resume(cache, "s", start, x_BTD.new_zeros(B, self.d))
steps = []
for t in range(T):
    u_BD = u_BTD[:, t]
    s_BD = s_BD * 0.9 + u_BD
    steps.append(s_BD)
y_BTD = torch.stack(steps, 1)
leave(cache, s=s_BD)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from archdsl.dims import Dim
from archdsl.emit.lines import Line, line, uses_of
from archdsl.emit.names import safe
from archdsl.emit.spell import ATOM, Text, calling, counting, listed, spelt
from archdsl.emit.uses import Length, Round
from archdsl.nodes import Body, Loop, Node, Scan, Window, items_of
from archdsl.symbols import STREAM, TIME
from archdsl.types import TensorType

if TYPE_CHECKING:
    from archdsl.emit.body import Writer

_DTYPES = {"float32": "torch.float32", "int": "torch.long", "bool": "torch.bool"}
_OUTER = -1
"""What holds the variables of the body around a repeated one: nothing inside takes them."""


def filled(w: Writer, node: Node, value: Text) -> Text:
    """A tensor of one number everywhere."""
    sizes = [w.dim(a) for a in node.type.axes if isinstance(a, Dim)]
    dtype = _DTYPES.get(node.type.dtype)
    dtype_argument = f", dtype={dtype}" if dtype else ""
    shape = spelt("({},)" if len(sizes) == 1 else "({})", listed(sizes))
    if w.table is not None:
        dtype = dtype or "torch.float32"
        return spelt(f"torch.full({{}}, {{}}, dtype={dtype}{{}})", shape, value, w.device())
    if value.text in ("0", "0.0"):
        return spelt("{}.new_zeros({}{})", w.reference(), listed(sizes), dtype_argument)
    return spelt("{}.new_full({}, {}{})", w.reference(), shape, value, dtype_argument)


def window(w: Writer, node: Node, form: Window, x: Text) -> Text:
    """The last tokens at each position."""
    store, start = w.behind()
    at = node.type.axes.index(TIME)
    size = w.dim(form.size)
    arguments = (store, safe(form.place), x, start, at, size)
    seen = calling("recent", '{}, "{}", {}, {}, dim={}, size={}', *arguments)
    return spelt("{}.unfold({}, {}, 1).movedim(-1, {})", seen, at, size, at + 1)


def repeated(w: Writer, i: int, node: Node, form: Scan | Loop) -> None:
    """A scan or a loop: the states before it, the rounds, what they gave."""
    body = form.body
    inner = _inside(w, body)
    states = _begun(w, inner, node, form)
    over = list(zip(body.inputs, node.args, strict=True))[body.states : body.states + body.over]
    fixed = list(zip(body.inputs, node.args, strict=True))[body.states + body.over :]
    for inside, outside in fixed:
        inner.values[inside] = w.values[outside]
    turn = inner.bare("t" if isinstance(form, Scan) else "turn")
    inner.holder[turn] = _OUTER
    if isinstance(form, Loop):
        inner.turns = (*w.turns, turn)
    inner.prepare(body.outputs)
    for inside, outside in over:
        _token(w, inner, inside, outside, turn)
    results = inner.run(body.outputs, prepared=True)
    ends, yielded = results[: body.states], results[body.states :]
    w.below |= {*inner.holder, *inner.below}
    lists = _lists(w, i, node, body.states if isinstance(form, Loop) else 0, len(yielded))
    w.lines += [line("{} = []", name) for name in lists if name]
    if isinstance(form, Scan):
        rounds = Text(STREAM, ATOM, frozenset((Length(STREAM),)))
    else:
        rounds = w.dim(form.rounds)
    # What is yielded reads the states as they were where it stands: it comes before they change.
    appended = zip(lists, yielded, strict=True)
    statements = [*inner.lines, *(line("{}.append({})", name, y) for name, y in appended if name)]
    statements += _next_states(states, ends)
    variable = turn if Round(turn) in uses_of(statements) else "_"
    w.lines.append(line("for {} in range({}):", variable, rounds, block=statements))
    ends_of = list(states)
    _give(w, i, node, states, lists, body.axis)
    if isinstance(form, Scan):
        # Behind the results: a state that was kept may be among what was yielded.
        kept = zip(body.state_names, ends_of, strict=True)
        states_left = listed(f"{safe(name)}={state}" for name, state in kept)
        w.lines.append(line("{}", calling("leave", "{}, {}", w.behind()[0], states_left)))


def _inside(w: Writer, body: Body) -> Writer:
    """The writer of a repeated body, which overwrites nothing that is needed around it."""
    inner = type(w)(w.plan, w.frame, w.store, inside=body, turns=w.turns)
    inner.holder = dict.fromkeys(w.holder, _OUTER)
    inner.last[_OUTER] = math.inf
    return inner


def _begun(w: Writer, inner: Writer, node: Node, form: Scan | Loop) -> list[str]:
    """The variables of the states, set to what they are before the first round."""
    body = form.body
    names: list[str] = []
    for inside, outside in zip(body.inputs, node.args, strict=False):
        if len(names) == body.states:
            break
        state = body.nodes[inside]
        name = inner.fresh(inside, state.name)
        first = w.values[outside]
        if isinstance(form, Scan):
            store, start = w.behind()
            first = calling("resume", '{}, "{}", {}, {}', store, safe(state.name), start, first)
        w.lines.append(line("{} = {}", name, first))
        inner.values[inside] = Text(name)
        names.append(name)
    return names


def _token(w: Writer, inner: Writer, inside: int, outside: int, turn: str) -> None:
    """One token of what a scan runs over."""
    axes = w.nodes[outside].types[0].axes
    at = axes.index(TIME)
    index = listed([*[":"] * at, counting(turn)])
    name = inner.fresh(inside, inner.nodes[inside].name)
    inner.lines.append(line("{} = {}[{}]", name, w.values[outside].at(ATOM), index))
    inner.values[inside] = Text(name)


def _next_states(states: list[str], ends: list[Text]) -> list[Line]:
    """The states of the next round, all at once."""
    changed = [(s, e) for s, e in zip(states, ends, strict=True) if s != e.text]
    if not changed:
        return []
    return [line("{} = {}", listed(s for s, _ in changed), listed(e for _, e in changed))]


def _lists(w: Writer, i: int, node: Node, before: int, count: int) -> list[str]:
    """The lists that collect what is yielded; no name where nobody reads it."""
    read = {index for index, j in items_of(tuple(w.nodes), i).items() if w.users.get(j)}
    names = []
    for index in range(before, before + count):
        if len(node.types) > 1 and index not in read:
            names.append("")
            continue
        names.append(w.bare("steps", w.below))
        w.holder[names[-1]] = _OUTER
        w.last[_OUTER] = math.inf
    return names


def _give(w: Writer, i: int, node: Node, states: list[str], lists: list[str], axis: int) -> None:
    """The results, bound to names."""
    items = items_of(tuple(w.nodes), i)
    if isinstance(node.form, Scan):
        given = [name and f"torch.stack({name}, {axis})" for name in lists]
    else:
        given = [*states, *(name and f"torch.stack({name})" for name in lists)]
    for index, text in enumerate(given):
        if not text:
            continue
        j = items.get(index, i) if len(node.types) > 1 else i
        if text in states:
            w.holder[text] = j
            w.values[j] = Text(text)
            continue
        name = w.fresh(j, w.nodes[j].name or w.hint(j))
        w.lines.append(line("{} = {}", name, text))
        w.values[j] = Text(name)


def state_places(w: Writer, node: Node, sizes: Mapping[str, Text]) -> list[tuple[str, Text]]:
    """(name, allocation) of what a window or a scan keeps while decoding."""
    kept: list[tuple[str, TensorType]] = []
    match node.form:
        case Window(size, place):
            axes = list(node.type.axes)
            at = axes.index(TIME)
            axes[at : at + 2] = [size - 1]
            kept = [(place, TensorType(node.type.dtype, tuple(axes)))]
        case Scan(body):
            kept = list(zip(body.state_names, body.state_types, strict=True))
    allocations = []
    for name, t in kept:
        shape = [_size(w, a, sizes) for a in t.axes if isinstance(a, Dim)]
        allocations.append((safe(name), empty(listed(shape), t.dtype)))
    return allocations


def empty(sizes: Text, dtype: str) -> Text:
    """A place for what is kept, of the model's dtype where nothing else is said."""
    own = _DTYPES.get(dtype)
    kind = f'**{{**kind, "dtype": {own}}}' if own else "**kind"
    return spelt("torch.empty({}, {})", sizes, kind)


def _size(w: Writer, axis: Dim, sizes: Mapping[str, Text]) -> Text:
    return sizes.get(axis.name or "") or w.dim(axis)
