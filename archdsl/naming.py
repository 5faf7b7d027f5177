"""What a block or a kind of layer is called, from its settings: plain words in the field's terms.

What a module says of itself comes from its settings by one rule: dimensions that are no axis of its
input nor equal to one, in the order in which the block declares them, without those that repeat a
value said before.
A plural counts (`kv_heads = 8` is "8 kv heads"), a `d_` is a width (`d_head = 128` is "head width
128"). Kinds of layers are told apart by what differs between them: "window 1,024", "no window".
"""

import math
import re
from collections.abc import Container

from archdsl.dims import Dim
from archdsl.graph import BlockValue, Experts, Module, Setting, Value
from archdsl.nodes import Mixture, every_node
from archdsl.ops import OPS
from archdsl.roles import COMPUTING, slots

_WIDTHS = {"d_ff": "hidden width", "d": "width"}
_MOST_PERIOD = 16
AXES = {"T": "tokens", "S": "tokens seen", "H": "heads"}
"""What axes of one letter are."""


def phrase(name: str) -> str:
    """A setting's or binding's name as words: `kv_heads` is "kv heads"."""
    if name in _WIDTHS:
        return _WIDTHS[name]
    if name.startswith("d_"):
        return f"{name[2:].replace('_', ' ')} width"
    return name.replace("_", " ")


def axis(name: str) -> str:
    """An axis as a word: `T` is "tokens", `d_head` "head width"."""
    return AXES.get(name) or phrase(name)


def settings(module: Module) -> list[str]:
    """What a module's settings say that its title and its place do not."""
    outside = _input_axes(module)
    same = {module.symbols.get(name) for name in outside} - {None}  # in every size: no news
    words = chosen(module)
    chosen_of = {n for bank in _banks(module) if words for n in (bank.count, bank.top_k)}
    mentioned = {(counts, n) for n in chosen_of for counts in (True, False)}
    for setting in module.settings:
        value = setting.value
        if setting.kind not in ("dim", "count") or not isinstance(value, int):
            continue
        if len(setting.name) == 1 and setting.name not in _WIDTHS:
            continue  # a letter says nothing to a reader
        if setting.name in outside or module.symbols.get(setting.name) in same:
            continue
        counts = is_count(setting.name)
        if (counts, value) in mentioned or value == 0:
            continue  # as many heads of one kind as of another; a width may be as large as a count
        mentioned.add((counts, value))
        words.append(counted(setting.name, value))
    known = {setting.name for setting in module.settings if setting.in_title}
    applied = {OPS[node.op].label for node in every_node(module.nodes) if node.op in OPS}
    for child in module.children:
        for _, inner in child.modules if child.name not in known else ():
            if inner.role == "plumbing" and not _is_idle(inner) and not child.inline:
                words.append(inner.title)
    for setting in module.settings:
        value = setting.value
        if isinstance(value, BlockValue) and value.operation and not setting.in_title:
            words += [value.title] if value.title in applied else []  # a switch may leave it out
    return words


def _is_idle(module: Module) -> bool:
    """Whether a block of plumbing has parameters, which are told elsewhere, or does nothing."""
    return bool(module.params) or module.outputs == module.inputs


def _banks(module: Module) -> list[Experts]:
    return [child.part for child in module.children if isinstance(child.part, Experts)]


def chosen(module: Module) -> list[str]:
    """How many experts of a bank work on a token, and how many beside them on every one:
    "8 of 256 experts, 1 shared".
    """
    banks = _banks(module)
    several = any(isinstance(n.form, Mixture) and n.form.partly for n in module.nodes)
    if not banks or several:  # of experts of several kinds each bank holds only some
        return []
    shared = sum(
        inner.role in ("feed_forward", "expert")
        for child in module.children
        if not isinstance(child.part, Experts)
        for _, inner in child.modules
    )
    words = [f"{bank.top_k} of {bank.count:,} experts" for bank in banks]
    return [", ".join([*words, *([f"{shared} shared"] if shared else [])])]


def selection(module: Module) -> list[str]:
    """What a router picks of what: "4 of 8 groups", "8 of 256 experts". A setting `top_groups`
    counts the groups that are picked, `top_k` the experts.
    """
    sizes = {s.name: s.value for s in module.settings if isinstance(s.value, int)}
    picked = {name: name.removeprefix("top_") for name in sizes if name.startswith("top_")}
    if "top_k" in picked:
        picked = {name: of for name, of in picked.items() if name != "top_k"} | {"top_k": "experts"}
    return [
        f"{sizes[name]:,} of {sizes[of]:,} {phrase(of)}"
        for name, of in picked.items()
        if sizes.get(of, 0) > sizes[name]
    ]


def differences(modules: list[Module], silent: Container[str] = ()) -> list[list[str]]:
    """What tells apart modules of one title, for each: first its dimensions, then its blocks, but
    not those of a `silent` role.

    Of layers with a window and layers without: "window 1,024" and "no window".
    """
    rows: list[list[str]] = []
    called: dict[str, list[Setting]] = {}
    for module in modules:
        for setting in module.settings:
            called.setdefault(setting.name, []).append(setting)
    differ = {name for name, same in called.items() if len({s.value for s in same}) > 1}
    for module in modules:
        numbers: list[str] = []
        blocks: list[str] = []
        masks: list[str] = []  # they follow from a number where one differs
        for setting in module.settings:
            if setting.name not in differ:
                continue
            values = [other.value for other in called[setting.name]]
            if isinstance(setting.value, BlockValue):
                roles = {value.role for value in values if isinstance(value, BlockValue)}
                if any(role in silent for role in roles):
                    continue
                mask = setting.kind.startswith("int[") and "bool" in setting.kind
                (masks if mask else blocks).extend(_apart(setting.name, setting.value, values))
            elif setting.kind in ("dim", "count") and isinstance(setting.value, int):
                word = counted(setting.name, setting.value)
                numbers.append(word if setting.value else f"no {phrase(setting.name)}")
            elif setting.kind == "bool":
                word = phrase(setting.name)
                numbers.append(word if setting.value else f"not {word}")
        rows.append(numbers + blocks or masks)
    return rows


def _apart(slot: str, block: BlockValue, others: list[Value | BlockValue]) -> list[str]:
    """What tells a block in a slot from others there: its title, or one of its real settings. An
    identity is the lack of what the others are.
    """
    if block.identity:
        positions = any(isinstance(b, BlockValue) and b.role == "position" for b in others)
        return ["NoPE" if positions else f"no {phrase(slot)}"]
    blocks = [other for other in others if isinstance(other, BlockValue)]
    if {block.title} != {other.title for other in blocks} or len(blocks) < len(others):
        return [block.title]
    own = (s for s in block.settings if speaks(s))
    return [real(s) for s in own if any(s not in other.settings for other in blocks)][:1]


def kind_names(modules: list[Module]) -> list[str]:
    """Kinds of layers by what tells them apart, in as few words as do so."""
    names: list[str] = []
    for most in (2, 3, 4):
        names = [kind_name(module, modules, most) for module in modules]
        if len(set(names)) == len(names):
            break
    return names


def kind_name(module: Module, others: list[Module], most: int = 2) -> str:
    """A kind of layer by the blocks that the other kinds do not have, `most` words at most."""
    if len(others) == 1:
        return "layers"
    if len({other.title for other in others}) == len(others):
        return module.title
    here = list(slots(module))
    same = {
        path: [m for other in others for at, m in slots(other) if at == path] for path, _ in here
    }
    titles = [other.title for other in others]
    usual = max(titles, key=titles.count)
    words = [module.title] if module.title != usual else []
    for path, inner in here:
        if len({m.title for m in same[path]}) > 1 and inner.role in COMPUTING:
            words.append(inner.title)
            same[path] = [m for m in same[path] if m.title == inner.title]
    for path, inner in here:
        if inner.role in COMPUTING and len({m.id for m in same[path]}) > 1:
            differing = next(
                (d for m, d in zip(same[path], differences(same[path]), strict=True) if m is inner),
                [],
            )
            words += differing[:1]
    return ", ".join(list(dict.fromkeys(words))[:most]) or module.title


def speaks(setting: Setting) -> bool:
    """Whether a real setting changes something: a factor of 1, an offset of 0, a bound that is
    infinite and what guards a division do not.
    """
    value = setting.value
    return isinstance(value, float) and value != 1 and 1e-4 < abs(value) < math.inf


def counted(name: str, value: int) -> str:
    """A dimension with its name: "32 heads", "head width 128"."""
    words = phrase(name)
    return f"{value:,} {words}" if is_count(name) else f"{words} {value:,}"


def is_count(name: str) -> bool:
    """Whether a setting counts, as `heads` does, and is no width."""
    return name.endswith("s") and not name.startswith("d_")


def _input_axes(module: Module) -> set[str]:
    """The symbols that are axes of a module's inputs, of what it is given aside: a bias for every
    head does not tell how many heads there are.
    """
    axes: set[str] = set()
    for number in module.inputs[: len(module.inputs) - len(module.context)]:
        for axis in module.nodes[number].type.axes:
            if isinstance(axis, Dim):
                axes |= {name for name in axis.symbols() if axis == Dim.symbol(name)}
    return axes


def about(module: Module) -> str:
    """Whose idea a block is, where its documentation says so beside its title, or else what the
    documentation says first.
    """
    doc = " ".join(module.doc.replace("`", "").split())
    cited = re.search(re.escape(module.title) + r" \(([^()]*\d{4})\)", doc, re.IGNORECASE)
    if cited:
        return cited[1]
    first = re.split(r"(?:[;:]|\.(?=\s|$))(?![^()]*\))", doc, maxsplit=1)[0].strip()
    first = " ".join(first.split())
    if first.lower().startswith(module.title.lower()):
        first = first[len(module.title) :].strip(" ,")
        if re.fullmatch(r"\([^()]*\)", first):
            first = first[1:-1]
    if first:
        return first
    source = re.search(r"\(([^()]*\d{4})\)", doc)
    return source[1] if source else ""


def reals(module: Module) -> list[str]:
    """The real settings of a module that change something, then those of blocks in its slots."""
    blocks = [s.value for s in module.settings if isinstance(s.value, BlockValue)]
    settings = (*module.settings, *(s for block in blocks for s in block.settings))
    return [real(setting) for setting in settings if speaks(setting)]


def real(setting: Setting) -> str:
    """A real setting with its name: "base 500,000"."""
    value = setting.value
    number = f"{value:,.0f}" if isinstance(value, float) and value == int(value) else f"{value:,}"
    return f"{phrase(setting.name)} {number}"


def kind(count: int, name: str) -> str:
    """A kind of layer with how many it has: "36 Gated DeltaNet", "25 with 8 kv heads"."""
    between = " with " if name[:1].isdigit() else " "
    return f"{count:,}{between}{name}".strip()


def layers(count: int) -> str:
    """`1 layer`, `61 layers`."""
    return f"{count:,} layer" if count == 1 else f"{count:,} layers"


Runs = tuple[tuple[int, "str | Runs"], ...]
"""A schedule: how often, and what: a kind of layer, or a schedule within."""


def schedule(runs: list[tuple[int, Module]]) -> Runs:
    """Runs of layers by the names of their kinds; what repeats is said once.

    Of layers with a window and layers without: `((10, ((5, "window 1,024"), (1, "no window"))),
    (2, "window 1,024"))`.
    """
    names = kinds([module for _, module in runs])
    joined: list[tuple[int, str]] = []
    for count, module in runs:
        name = names[module.id]
        if joined and joined[-1][1] == name:
            count += joined.pop()[0]
        joined.append((count, name))
    return repeats(joined)


def kinds(layers: list[Module]) -> dict[int, str]:
    """What each kind of layer is called, by the id of its module."""
    modules = list({module.id: module for module in layers}.values())
    names = dict(zip((m.id for m in modules), kind_names(modules), strict=True))
    if len(set(names.values())) == 1:
        return {module.id: module.title for module in modules}
    return names


def repeats(runs: list[tuple[int, str]]) -> Runs:
    """What stands several times in a row, once with its number; of several ways to say it the one
    that takes in the most.
    """
    grouped: list[tuple[int, str | Runs]] = []
    at = 0
    while at < len(runs):
        period, times = 1, 1
        for size in range(2, _MOST_PERIOD + 1):
            again = 1
            while runs[at + again * size : at + (again + 1) * size] == runs[at : at + size]:
                again += 1
            if again > 1 and again * size > times * period:
                period, times = size, again
        grouped.append((times, tuple(runs[at : at + period])) if times > 1 else runs[at])
        at += period * times
    return tuple(grouped)


def in_words(runs: Runs) -> str:
    """A schedule in a line: "10 x (5 x window 1,024; 1 x no window); 2 x window 1,024"."""
    return "; ".join(f"{count:,} x {_part_in_words(what)}" for count, what in runs)


def _part_in_words(what: "str | Runs") -> str:
    return what if isinstance(what, str) else f"({in_words(what)})"
