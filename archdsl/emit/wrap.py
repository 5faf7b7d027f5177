"""Long lines broken the way Black breaks them: at the outermost brackets, then at commas, a
comprehension before its `for`.
"""

from __future__ import annotations

WIDTH = 99

_OPEN, _CLOSE = "([{", ")]}"


def wrap(line: str) -> list[str]:
    """A statement as lines of at most `WIDTH` columns where its brackets allow it."""
    if len(line) <= WIDTH or line.lstrip().startswith(("#", '"""')):
        return [line]
    spans = _brackets(line)
    if not spans or (line.rstrip().endswith(")") and _ends_in_operator(line, spans)):
        return _in_parentheses(line)
    start, end = spans[-1]
    if start >= WIDTH or len(line) - (end - start) > WIDTH:  # the last pair is not what is long
        start, end = max(spans, key=lambda x: x[1] - x[0])
    if start >= WIDTH:  # neither is in reach: the last one that is
        start, end = next((s for s in reversed(spans) if s[0] < WIDTH), (start, end))
    indent = len(line) - len(line.lstrip())
    inner, tail = line[start + 1 : end].strip(), line[end:]
    head = line[: start + 1]
    if len(head) > WIDTH:
        return [line]
    pad = " " * (indent + 4)
    if len(pad) + len(inner) <= WIDTH:
        return [head, f"{pad}{inner}", *wrap(f"{' ' * indent}{tail}")]
    clauses = _split(inner, " for ")
    if len(clauses) > 1:
        first, *others = clauses
        rows = [first, *(f"for {clause}" for clause in others)]
        lines = [line for row in rows for line in wrap(f"{pad}{row.strip()}")]
        return [head, *lines, f"{' ' * indent}{tail}"]
    parts = _split(inner, ",")
    if len(parts) < 2:
        return [head, *wrap(f"{pad}{inner}"), f"{' ' * indent}{tail}"]
    lines = [head]
    for part in parts:
        lines.extend(wrap(f"{pad}{part.strip()},"))
    return [*lines, f"{' ' * indent}{tail}"]


def _brackets(line: str) -> list[tuple[int, int]]:
    """The outermost pairs that hold something, in order."""
    pairs, depth, start = [], 0, 0
    quoted = ""
    for i, c in enumerate(line):
        if quoted:
            quoted = "" if c == quoted else quoted
        elif c in "\"'":
            quoted = c
        elif c in _OPEN:
            start = i if depth == 0 else start
            depth += 1
        elif c in _CLOSE:
            depth = max(depth - 1, 0)  # a tail begins with what closes
            if depth == 0 and i - start > 1 and start:
                pairs.append((start, i))
    return pairs


def _ends_in_operator(line: str, spans: list[tuple[int, int]]) -> bool:
    """Whether an operator stands outside all brackets, so that the last pair is only a part."""
    outside = "".join(
        c for i, c in enumerate(line) if not any(a <= i <= b for a, b in spans)
    ).partition("=")[2]
    return any(f" {op} " in outside for op in "+-*/<>")


def _in_parentheses(line: str) -> list[str]:
    """`name = (expression)` on lines of its own, broken after the last operator that fits."""
    head, mark, rest = line.partition(" = ")
    if not mark:
        pieces = _operators(line.strip())
        if len(pieces) > 1 and not line.lstrip().startswith("return "):
            indent = " " * (len(line) - len(line.lstrip()))
            return [x for piece in pieces for x in wrap(f"{indent}{piece}")]
        if not line.lstrip().startswith("return "):
            return [line]
        head, mark, rest = line.partition("return ")
        head, mark = f"{head}return", " "
    indent = " " * (len(line) - len(line.lstrip()))
    if len(indent) + 4 + len(rest) <= WIDTH:
        return [f"{head}{mark}(", f"{indent}    {rest}", f"{indent})"]
    pieces = _operators(rest)
    lines = [line for piece in pieces for line in wrap(f"{indent}    {piece}")]
    return [f"{head}{mark}(", *lines, f"{indent})"]


def _operators(text: str) -> list[str]:
    """Split before top-level ` + ` and ` - `."""
    parts, depth, begin = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in _OPEN) - (c in _CLOSE)
        if depth == 0 and text[i : i + 3] in (" + ", " - ") and i > begin:
            parts.append(text[begin:i].strip())
            begin = i
    return [*parts, text[begin:].strip()]


def _split(text: str, mark: str) -> list[str]:
    """A text cut at a mark, outside of brackets and quotes."""
    parts, depth, begin = [], 0, 0
    quoted = ""
    for i, c in enumerate(text):
        if quoted:
            quoted = "" if c == quoted else quoted
            continue
        if c in "\"'":
            quoted = c
        depth += (c in _OPEN) - (c in _CLOSE)
        if depth == 0 and text.startswith(mark, i):
            parts.append(text[begin:i])
            begin = i + len(mark)
    rest = text[begin:].strip()
    return [*parts, rest] if rest else parts
