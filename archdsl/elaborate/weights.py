"""Lines of `hub ... weights`: targets that exist, patterns that fit their shapes.

    layers[i] <- "h.{i}." {
      mix.q_proj.weight, mix.k_proj.weight <- "qk.weight" [d (n + m) -> n d, m d]
      mix.v_proj.weight                    <- "v_1" + "v_2"
      feed                                 <- "mlp"
    }

The right side of a pattern is matched with the shapes of the targets; the left side then says what
the tensors of the checkpoint have to look like. A target that is a block stands for all parameters
in it, under their own names: those that no line names more closely. Alternatives in braces on both
sides make a line of each: `{q,k}_proj <- "{wq,wk}"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from archdsl import syntax as s
from archdsl.axes import Plan
from archdsl.check import patterns
from archdsl.check.scope import Numbers, Scope
from archdsl.check.values import Int, Keys
from archdsl.diagnostic import Diagnostics, closest, nearest
from archdsl.dims import Dim
from archdsl.graph import Experts, Hub, Layers, Model, Module, ModuleList, Param, WeightRule
from archdsl.record import record, replace
from archdsl.resolver import Unit
from archdsl.source import Span
from archdsl.types import TensorType

_BRACE = re.compile(r"\{([^{}]*)\}")
_LIST = re.compile(r"\{([^{}]*,[^{}]*)\}")
"""Alternatives in braces; braces without a comma hold an index."""

_Path = tuple[str, ...]
"""The steps to a parameter; `[i]` is an index."""
_Found = tuple[Module, Param, tuple[Dim, ...]]
"""A parameter, the module that has it, the sizes of the banks around it."""


def hub(model: Model, home: Unit, diagnostics: Diagnostics) -> Hub | None:
    """The map of checkpoint keys for a model, or None where its file has none."""
    for decl in home.hubs:
        if decl.model.name == model.family:
            return _hub(model, decl, home.keys, diagnostics)
    return None


def _hub(model: Model, decl: s.HubDecl, keys: Mapping[str, Keys], diagnostics: Diagnostics) -> Hub:
    before_lines = len(diagnostics)
    uses = _brought(decl.uses, keys, frozenset())
    lines = _needed(model.root, list(_flat((*uses, *decl.weights), keys, diagnostics)))
    whole = len(diagnostics) == before_lines  # else lines are missing that were told to be
    skips = [x.sources[0][0] for x in lines if x.skip]
    lines = [x for x in lines if not x.skip]
    wrong = [x for x in lines if not _sound(model.root, x, diagnostics)]
    lines = [_stacked(model.root, x) for x in lines if x not in wrong]
    named = {(_names(p), x.stacked, _names(x.when)) for x in lines for p in x.targets}
    rules: list[WeightRule] = []
    for line in lines:
        before = len(diagnostics.items)
        for one in _parameters_of(model.root, line, named, diagnostics):
            rule = _rule(model, one, diagnostics)
            rules += [rule] if rule is not None else []
        wrong += [line] if len(diagnostics.items) > before else []
    rules.sort(key=lambda rule: not rule.when)  # what is for some layers comes before the rest
    reported = {_names(path) for line in wrong for path in line.targets}
    if whole:
        _unfilled(model, decl, lines, rules, reported, diagnostics)
    return Hub(tuple(t.value for t in decl.types), tuple(rules), tuple(skips))


@record
class _Line:
    """A line with what stands around it. `sources` are alternatives, each of tensors that are
    joined. `stacked`: a tensor is one of several that fill a target. `depth`: how many `keys`
    declarations the line stands in.
    """

    targets: tuple[_Path, ...]
    sources: tuple[tuple[str, ...], ...]
    pattern: s.Pattern | None
    span: Span
    when: _Path = ()
    skip: bool = False
    stacked: bool = False
    depth: int = 0


def _needed(root: Module, lines: list[_Line]) -> list[_Line]:
    """The lines without those of `keys` declarations that the hub replaces, or that name what the
    model does not have.
    """
    depths: dict[tuple[_Path, _Path], int] = {}
    for line in lines:
        for path in line.targets:
            key = _names(path), _names(line.when)
            depths[key] = min(line.depth, depths.get(key, line.depth))
    return [
        line
        for line in lines
        if not line.depth
        or line.skip
        or all(
            depths[_names(path), _names(line.when)] == line.depth
            and (_find(root, path) or _modules(root, path))
            for path in line.targets
        )
    ]


def _brought(
    lines: Iterable[s.ConfigLine | s.SharedWeights], keys: Mapping[str, Keys], chain: frozenset[str]
) -> Iterator[s.WeightLine]:
    """What a `use` that is not among lines of weights brings of these: the lines of declarations
    that have some. One that is not there is told where the lines of `config` are checked.
    """
    for line in lines:
        match line:
            case s.SharedWeights(inside):
                yield from inside
            case s.Include(names, span):
                for name in names:
                    there = keys.get(name.name)
                    inner = chain | {name.name}
                    if there is None or name.name in chain:
                        continue
                    if any(True for _ in _brought(there.decl.lines, there.known, inner)):
                        yield s.Include((name,), span)


def _flat(
    lines: Iterable[s.WeightLine],
    keys: Mapping[str, Keys],
    diagnostics: Diagnostics,
    path: _Path = (),
    before: tuple[str, ...] = ("",),
    chain: tuple[str, ...] = (),
) -> Iterator[_Line]:
    """The lines, those of groups with what the group begins with, those of `keys` declarations
    where they are used. `chain`: the declarations around them.
    """
    for line in lines:
        match line:
            case s.Include(names):
                for name in names:
                    shared = _shared(name, keys, chain, diagnostics)
                    inner = (*chain, name.name)
                    if shared is not None:
                        there, inside = shared
                        yield from _flat(inside, there.known, diagnostics, path, before, inner)
            case s.Skip(source, span):
                for (text,) in _alternatives((source.value,), span, diagnostics):
                    for begin in before:
                        key = begin + text
                        yield _Line((), ((key,),), None, span, skip=True, depth=len(chain))
            case s.WeightMap():
                yield from _mapped(line, diagnostics, path, before, len(chain))
            case s.WeightGroup(target, sources, inside):
                joined = next((x for x in sources if len(x.parts) > 1), None)
                if joined is not None:
                    message = "the lines of a group begin with one text"
                    help = "join tensors on the lines inside"
                    diagnostics.add("hub-weights", message, joined.span, help=help)
                left = () if target is None else (_written(target),)
                texts = (*left, *(x.parts[0].value for x in sources))
                head = (sources[0] if target is None else target).span.to(sources[-1].span)
                for one in _alternatives(texts, head, diagnostics, len(left)):
                    deeper = (*path, *(step for text in one[: len(left)] for step in _steps(text)))
                    begins = tuple(b + text for b in before for text in one[len(left) :])
                    yield from _flat(inside, keys, diagnostics, deeper, begins, chain)


def _shared(
    name: s.Name, keys: Mapping[str, Keys], chain: tuple[str, ...], diagnostics: Diagnostics
) -> tuple[Keys, list[s.WeightLine]] | None:
    """The declaration that a `use` names and its lines of weights, or None after a report."""
    there = keys.get(name.name)
    if name.name in chain:
        message = f"{name.name} uses itself"
        diagnostics.add("recursion", message, name.span, help="take the line out")
    elif there is None:
        hint = nearest(name.name, keys)
        diagnostics.add("unknown-name", f"there are no keys {name.name}", name.span, help=hint)
    else:
        inside = list(_brought(there.decl.lines, there.known, frozenset((*chain, name.name))))
        if not inside:
            message = f"{name.name} has no lines of weights"
            help = f"use {name.name} stands in config"
            diagnostics.add("hub-weights", message, name.span, help=help)
        return there, inside
    return None


def _mapped(
    line: s.WeightMap,
    diagnostics: Diagnostics,
    path: _Path,
    before: tuple[str, ...],
    depth: int,
) -> Iterator[_Line]:
    """A line with what stands around it; several where it has alternatives in braces. These on the
    left alone are several targets, which a pattern fills.
    """
    left = [_written(x) for x in line.targets]
    when = [] if line.when is None else [_written(line.when)]
    counts = [len(x.parts) for x in line.sources]
    texts = [part.value for x in line.sources for part in x.parts]
    if line.pattern is not None and not any(map(_LIST.search, (*when, *texts))):
        several = [_alternatives((x,), line.span, diagnostics) for x in left]
        if not all(several):
            return
        left = [one for each in several for (one,) in each]
    every = (*left, *when, *texts)
    for one in _alternatives(every, line.span, diagnostics, len(left) + len(when)):
        targets = tuple((*path, *_steps(x)) for x in one[: len(left)])
        layers = [(*path, *_steps(x)) for x in one[len(left) : len(left) + len(when)]]
        rest = iter(one[len(left) + len(when) :])
        joined = [tuple(next(rest) for _ in range(count)) for count in counts]
        sources = tuple(tuple(b + x for x in parts) for b in before for parts in joined)
        some = layers[0] if layers else ()
        yield _Line(targets, sources, line.pattern, line.span, some, depth=depth)


def _alternatives(
    texts: tuple[str, ...], span: Span, diagnostics: Diagnostics, left: int | None = None
) -> list[tuple[str, ...]]:
    """The texts with the first alternatives of all braces, with the second, and so on; none after a
    report. Where the first `left` texts are targets, braces stand on both sides or on none.
    """
    lists = [[x[1].split(",") for x in _LIST.finditer(text)] for text in texts]
    counts = {len(items) for each in lists for items in each}
    sides = (True, True) if left is None else (any(lists[:left]), any(lists[left:]))
    message = help = ""
    if any(set("{}") & set(_BRACE.sub("", text)) for text in texts):
        message, help = "a brace stands alone", "braces hold an index, or alternatives: {q,k}"
    elif len(counts) > 1:
        message = f"braces of {min(counts)} and of {max(counts)} alternatives on one line"
        help = "they are taken in parallel: write as many in each"
    elif sides == (True, False):
        message = "the alternatives of the target have none beside them"
        help = "write as many on the right, or a pattern that cuts one tensor"
    elif sides == (False, True):
        message = "the alternatives on the right have none beside them"
        help = 'names of which one is there have commas between: "a", "b"'
    if message:
        diagnostics.add("hub-weights", message, span, help=help)
        return []
    return [tuple(_chosen(text, n) for text in texts) for n in range(max(counts, default=1))]


def _chosen(text: str, number: int) -> str:
    """A text with one alternative of each of its braces."""
    return _LIST.sub(lambda x: x[1].split(",")[number].strip(), text)


def _sound(root: Module, line: _Line, diagnostics: Diagnostics) -> bool:
    """Whether the texts, the alternatives and the indices of a line fit one another."""
    indices = {tuple(x for x in path if x.startswith("[")) for path in line.targets}
    counted = {tuple(_stacked_indices(root, path)) for path in line.targets}
    bare = next(filter(None, (_bare_stack(root, path) for path in line.targets)), "")
    message = help = ""
    if bare:
        message, help = f"{bare} is a stack of layers", f"an index says which: {bare}[i]"
    elif any(x[1:-1].isdecimal() for path in line.targets for x in path if x.startswith("[")):
        message = "an index is a name that stands for all numbers"
        help = 'a tensor for each: f[i].weight <- "f.{i}.weight"'
    elif any("*" in key for keys in line.sources for key in keys):
        message, help = "`*` is for `skip`", 'an index stands for numbers: f[n].weight <- "{n}.f"'
    elif len({len(keys) for keys in line.sources}) > 1:
        message = "one alternative joins more tensors than another"
        help = "write a line for each"
    elif len(indices) > 1 or len(counted) > 1:
        message, help = "the targets of a line need the same indices", "write a line for each"
    elif any(len(x) > 1 for x in counted):
        message = "only one index can count along the first axis"
        help = "store the tensors of one of the two stacked"
    if message:
        diagnostics.add("hub-weights", message, line.span, help=help)
    return not message


def _stacked(root: Module, line: _Line) -> _Line:
    """A line without the indices that count along the first axis of a tensor: `*` stands for their
    numbers.
    """
    counted = {i for p in line.targets for i in _stacked_indices(root, p)}
    if not counted:
        return line
    (index,) = counted
    paths = tuple(tuple(x for x in p if x != f"[{index}]") for p in line.targets)
    when = tuple(x for x in line.when if x != f"[{index}]")
    sources = tuple(tuple(x.replace(f"{{{index}}}", "*") for x in keys) for keys in line.sources)
    return replace(line, targets=paths, sources=sources, when=when, stacked=True)


def _names(path: _Path) -> _Path:
    return tuple(x for x in path if not x.startswith("[") and not x.isdecimal())


def _parameters_of(
    root: Module,
    line: _Line,
    named: set[tuple[_Path, bool, _Path]],
    diagnostics: Diagnostics,
) -> Iterator[_Line]:
    """A line for each parameter of the block that a line names; the line itself for a parameter."""
    if (
        len(line.targets) != 1
        or _find(root, line.targets[0])
        or not _modules(root, line.targets[0])
    ):
        yield line
        return
    if line.pattern is not None or len(line.sources[0]) > 1:
        what = "a pattern is" if line.pattern is not None else "joined tensors are"
        message = f"{what} for one parameter, and {_spelt(line.targets[0])} is a block"
        help = "name a parameter of the block"
        diagnostics.add("hub-weights", message, line.span, help=help)
        return
    (path,) = line.targets
    begin = _names(path)
    depth = len(begin)
    for inner in _indexed(root):
        names = _names(inner)
        closer = any(
            (names[:n], line.stacked, when) in named
            for n in range(depth + 1, len(names) + 1)
            for when in {(), _names(line.when)}
        )
        if names[:depth] == begin and not closer:
            rest = _behind(inner, depth)
            end = "." + ".".join(f"{{{x[1:-1]}}}" if x.startswith("[") else x for x in rest)
            target = (*path, *rest)
            sources = tuple((x + end,) for (x,) in line.sources)
            yield replace(line, targets=(target,), sources=sources)


def _behind(path: _Path, depth: int) -> _Path:
    """The steps behind the first `depth` names, and the index of the last of these."""
    steps = list(path)
    while depth:
        depth -= 0 if steps.pop(0).startswith("[") else 1
    while steps and steps[0].startswith("["):
        steps.pop(0)
    return tuple(steps)


def _modules(root: Module, path: _Path) -> list[Module]:
    """The modules that a path means, in every layer that has it."""
    here = [root]
    for step in _names(path):
        here = [m for x in here for c in x.children if c.name == step for _, m in c.stored]
    return here


def _indexed(module: Module, path: _Path = ()) -> list[_Path]:
    """Paths of all parameters and buffers, with an index behind each stack, each once."""
    paths = {(*path, p.name): None for p in module.params if p.kind != "const"}
    for child in module.children:
        index = (f"[{'i' * (1 + len(path) - len(_names(path)))}]",)
        step = (child.name, *(index if isinstance(child.part, Layers | ModuleList) else ()))
        for _, inner in child.stored:
            paths.update(dict.fromkeys(_indexed(inner, (*path, *step))))
    return list(paths)


def _rule(model: Model, line: _Line, diagnostics: Diagnostics) -> WeightRule | None:
    """A line for this model; None where no layer has its targets."""
    targets = [_find(model.root, p) for p in line.targets]
    if not any(targets):
        return None
    if not all(targets):
        missing = next(p for p, f in zip(line.targets, targets, strict=True) if not f)
        known = [".".join(path) for path, _ in parameters(model.root)]
        hint = nearest(".".join(_names(missing)), known)
        _no_parameter(missing, line.span, hint, diagnostics)
        return None
    indices = {step[1:-1] for p in line.targets for step in p if step.startswith("[")}
    for key in (key for keys in line.sources for key in keys):
        for name in _BRACE.findall(key):
            if name not in indices:
                diagnostics.add("hub-weights", f"{{{name}}} is no index of the target", line.span)
                return None
    if _layer(line.when) != _layer(line.targets[0]) and line.when:
        message = f"{_spelt(line.when)} is no part of the layers that have the target"
        help = "`when` names what else the same layer has"
        diagnostics.add("hub-weights", message, line.span, help=help)
        return None
    if line.when:
        targets = [_find_beside(model.root, p, line.when) for p in line.targets]
        if not all(targets):
            return None
    if any(_whole_lists(model.root, path) for path in line.targets):
        return _of_a_list(model, line, diagnostics)
    types = [_rooted(place[0]) for place in targets if place]
    if line.pattern is None and not _fits_without_pattern(line, types, diagnostics):
        return None
    if line.pattern is None and len(line.sources[0]) == 1:
        return WeightRule(line.targets, line.sources, None, line.when)
    plan = _plan(model, line, types, diagnostics)
    return None if plan is None else WeightRule(line.targets, line.sources, plan, line.when)


def _whole_lists(root: Module, path: _Path) -> list[tuple[int, ModuleList]]:
    """The lists of blocks in a path behind which no index stands, with the place of their names."""
    return [
        (end - 1, child.part)
        for end, step in enumerate(path, 1)
        if not step.startswith("[") and not "".join(path[end : end + 1]).startswith("[")
        for around in _modules(root, path[: end - 1])
        for child in around.children
        if child.name == step and isinstance(child.part, ModuleList)
    ]


def _of_a_list(model: Model, line: _Line, diagnostics: Diagnostics) -> WeightRule | None:
    """A line for a tensor that holds a parameter of all blocks of a list along its first axis."""
    path = line.targets[0]
    lists = _whole_lists(model.root, path)
    lengths = {(at, part.length) for at, part in lists}
    owners = {m.id for _, part in lists for m in part.items}
    found = _find(model.root, path)
    types = {_rooted(place) for place in found}
    alike = len(types) == 1 and len({m.id for m, _, _ in found}) == len(owners)
    banked = any(banks for _, _, banks in found)
    if len(line.targets) > 1 or len(lengths) > 1 or not alike or banked:
        message = f"{_spelt(path)} is not one tensor of one shape in each block of one list"
        help = 'an index says which: proj[i].weight <- "proj.{i}.weight"'
        diagnostics.add("hub-weights", message, line.span, help=help)
        return None
    ((at, length),), (one,) = lengths, types
    whole = TensorType(one.dtype, (Dim.number(length), *one.axes))
    plan: Plan | None = None
    if line.pattern is not None or len(line.sources[0]) > 1:
        plan = _plan(model, replace(line, stacked=True), [whole], diagnostics)
        if plan is None:
            return None
    targets = tuple((*path[: at + 1], str(n), *path[at + 1 :]) for n in range(length))
    return WeightRule(targets, line.sources, plan, line.when, stacked=True)


def _find_beside(root: Module, target: _Path, when: _Path) -> list[_Found]:
    """The parameters that a target means in the layers that have the other part too."""
    start = len(_names(_layer(target)))
    path, part = _names(target), _names(when)
    layers = _modules(root, path[:start])
    having = (m for m in layers if _find(m, part[start:]) or _modules(m, part[start:]))
    return [place for m in having for place in _find(m, path[start:])]


def _fits_without_pattern(line: _Line, types: list[TensorType], diagnostics: Diagnostics) -> bool:
    """Whether it is clear what becomes of the tensors of a line without a pattern."""
    joined = len(line.sources[0])
    if len(types) > 1:
        help = "one that cuts: [(n + m) d -> n d, m d]"
        message = f"{len(types)} targets of one line need a pattern"
        diagnostics.add("hub-weights", message, line.span, help=help)
        return False
    if joined > 1 and len(types[0].axes) == int(line.stacked):
        message = f"{joined} tensors cannot be joined: {_spelt(line.targets[0])} is one number"
        diagnostics.add("hub-weights", message, line.span)
        return False
    return True


def _plan(
    model: Model, line: _Line, types: list[TensorType], diagnostics: Diagnostics
) -> Plan | None:
    """What a line does to its tensors. Without a pattern they lie side by side along the first
    axis, that of experts left aside.
    """
    pattern, settings = line.pattern, {}
    if pattern is None:
        first = int(line.stacked)
        pattern = patterns.side_by_side(len(line.sources[0]), len(types[0].axes), first, line.span)
    else:
        settings = {x.name: Int(x.of) for x in model.root.settings if isinstance(x.of, Dim)}
    scope = Scope(diagnostics, {**settings}, {}, numbers=Numbers({}, {}, {}, model.numbers))
    return patterns.inverse(scope, pattern, len(line.sources[0]), types)


def _layer(path: _Path) -> _Path:
    """The steps of a path that say which layer is meant: all up to the last index."""
    return path[: max((i + 1 for i, step in enumerate(path) if step.startswith("[")), default=0)]


def _no_parameter(path: _Path, span: Span, help: str, diagnostics: Diagnostics) -> None:
    """Reports a target that the model does not have."""
    message = f"{_spelt(path)} is no parameter of the model"
    diagnostics.add("hub-weights", message, span, help=help)


def _spelt(path: _Path) -> str:
    return ".".join(path).replace(".[", "[")


def _with_indices(names: _Path, other: _Path) -> _Path:
    """The names of a path with the indices of another one, where both have as many names."""
    if len(names) != len(_names(other)):
        return names
    rest = iter(names)
    return tuple(step if step.startswith("[") else next(rest) for step in other)


_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")


def _steps(text: str) -> _Path:
    """`layers[i].mix` as a path."""
    return tuple(_STEP.findall(text))


def _written(target: s.Target) -> str:
    """A target as a text, alternatives in braces included."""
    text = target.name.name
    for step in target.steps:
        if isinstance(step, s.Name) and _is_name_step(step):
            text += f".{step.name}"
        else:
            text += f"[{step.span.text}]"
    return text


def _is_name_step(step: s.Name | s.Expr) -> bool:
    """Steps after a dot are names; those in brackets may be names too, so look at the text."""
    before = step.span.source.text[: step.span.start].rstrip()
    return before.endswith(".")


def _bare_stack(root: Module, path: _Path) -> str:
    """The path of a stack behind which no index stands, or an empty string."""
    for end, step in enumerate(path, 1):
        if not step.startswith("[") and not "".join(path[end : end + 1]).startswith("["):
            around = _modules(root, path[: end - 1])
            children = (c for m in around for c in m.children if c.name == step)
            if any(isinstance(c.part, Layers) for c in children):
                return _spelt(path[:end])
    return ""


def _stacked_indices(module: Module, path: tuple[str, ...]) -> list[str]:
    """Indices behind what is no stack of layers: they count along the first axis of a tensor, as
    experts do, whose tensors the model holds stacked.
    """
    here, indices, numbered = [module], [], False
    for step in path:
        if step.startswith("["):
            indices.extend([] if numbered else [step[1:-1]])
            numbered = False
            continue
        children = [c for x in here for c in x.children if c.name == step]
        numbered = any(isinstance(c.part, Layers | ModuleList) for c in children)
        here = [m for c in children for _, m in c.modules]
    return indices


def _find(module: Module, path: tuple[str, ...]) -> list[_Found]:
    """The parameters that a path means, in every layer that has it, with the sizes of banks. An
    index at its end counts along the first axis.
    """
    path = path[:-1] if path[-1:] and path[-1].startswith("[") else path
    here: list[tuple[Module, tuple[Dim, ...]]] = [(module, ())]
    for step in path[:-1]:
        if not step.startswith("["):
            here = [
                (m, (*banks, Dim.number(c.part.count)) if isinstance(c.part, Experts) else banks)
                for x, banks in here
                for c in x.children
                if c.name == step
                for _, m in c.stored
            ]
    return [
        (m, p, banks)
        for m, banks in here
        for p in m.params
        if p.name == path[-1] and p.kind != "const"
    ]


def _rooted(place: _Found) -> TensorType:
    module, param, banks = place
    one = module.symbols.type(param.type)
    return TensorType(one.dtype, (*banks, *one.axes))


def _unfilled(
    model: Model,
    decl: s.HubDecl,
    lines: list[_Line],
    rules: list[WeightRule],
    reported: set[_Path],
    diagnostics: Diagnostics,
) -> None:
    """Every parameter of the model has a line; those that stand apart need none. `reported` are
    the targets of lines that are wrong.
    """
    beside = {child.name for child in model.root.children if child.apart}
    paths = parameters(model.root)
    filled = _filled(model.root, rules) | {p for p, _ in paths if reported & set(_starts([p]))}
    known = set(_starts(path for path, _ in paths))
    empty = [p for p, param in paths if not (p in filled or param.tied or p[0] in beside)]
    # A line may be for another variant; one that is nearly a path without a line is misspelt.
    idle = {
        _names(path): (path, line.span)
        for line in lines
        for path in line.targets
        if _names(path) not in known
    }
    meant: set[_Path] = set()
    for other, (written, span) in idle.items():
        near = _nearest(other, _starts(empty))
        if near is not None:
            meant.add(near)
            hint = f"did you mean {_spelt(_with_indices(near, written))}?"
            _no_parameter(written, span, hint, diagnostics)
    for path in empty:
        if not any(path[:n] in meant for n in range(1, len(path) + 1)):
            diagnostics.add(
                "hub-weights",
                f"no line fills {'.'.join(path)}",
                decl.model.span,
                help=f'add: {".".join(path)} <- "..."',
            )


def _filled(root: Module, rules: list[WeightRule]) -> set[_Path]:
    """The paths that lines fill in every layer that has them."""
    filled = {_names(t) for rule in rules if not rule.when for t in rule.targets}
    some: dict[_Path, list[_Path]] = {}
    for rule in rules:
        for target in rule.targets if rule.when else ():
            some.setdefault(target, []).append(rule.when)
    for target, parts in some.items():
        start = len(_names(_layer(target)))
        path, ends = _names(target), [_names(part)[start:] for part in parts]
        layers = [m for m in _modules(root, path[:start]) if _find(m, path[start:])]
        if all(any(_find(m, end) or _modules(m, end) for end in ends) for m in layers):
            filled.add(path)
    return filled


def _starts(paths: Iterable[_Path]) -> Iterator[_Path]:
    """The paths and those of all blocks around them."""
    for path in paths:
        yield from (path[:n] for n in range(1, len(path) + 1))


def _nearest(path: _Path, known: Iterable[_Path]) -> _Path | None:
    """The path of as many names that is spelt nearly so."""
    alike = {".".join(other): other for other in known if len(other) == len(path)}
    return alike.get(closest(".".join(path), alike))


def parameters(module: Module, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Param]]:
    """Paths of all parameters and buffers, the layers of a stack taken together, in order."""
    params: dict[tuple[str, ...], Param] = {
        (*path, p.name): p for p in module.params if p.kind != "const"
    }
    for child in module.children:
        for _, inner in child.stored:
            params.update(parameters(inner, (*path, child.name)))
    return list(params.items())
