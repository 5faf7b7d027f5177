"""Fused kernels that stand for a body: how PyTorch spells them.

An intrinsic is a promise of the block: `linear` has parameters `w` and perhaps `b`, the norms have
a setting `eps`. That body and kernel give the same is tested on the emitted code of both.
"""

from __future__ import annotations

from archdsl.dims import Dim
from archdsl.emit import calls
from archdsl.emit.body import Writer
from archdsl.emit.context import input_names
from archdsl.emit.masks import causal, everything
from archdsl.emit.names import safe
from archdsl.emit.plan import streamed
from archdsl.nodes import Positions, Scan, Window


def kernel(writer: Writer) -> list[str]:
    """The statements of a lowered body, the last one `return`."""
    module = writer.module
    names = input_names(module, writer.unit.is_function)
    for i, name in zip(module.inputs, names, strict=True):
        writer.holder[name] = i
    match module.intrinsic:
        case "linear":
            bias = f", {writer.param('b')}" if any(p.name == "b" for p in module.params) else ""
            return [f"return F.linear({names[0]}, {writer.param('w')}{bias})"]
        case "embedding":
            return [f"return F.embedding({names[0]}, {writer.param('w')})"]
        case "rms_norm":
            x = names[0]
            g = writer.param("g")
            normed = f"F.rms_norm({x}.float(), {g}.shape, eps={writer.look('eps')})"
            return [f"return {normed}.to({x}.dtype) * {g}"]
        case "layer_norm":
            eps = writer.look("eps")
            g, b = writer.param("g"), writer.param("b")
            return [f"return F.layer_norm({names[0]}, {g}.shape, {g}, {b}, {eps})"]
        case "causal_conv":
            return _convolution(writer, names[0])
        case "gated_delta" | "ssd":
            return _recurrence(writer, names)
    return _attention(writer, names)


def _convolution(writer: Writer, x: str) -> list[str]:
    """A convolution of every channel over the last tokens."""
    (window,) = (n.form for n in writer.module.nodes if isinstance(n.form, Window))
    store, start = writer.behind()
    size, w = writer.dim(window.size).text, writer.param("w")
    bias = f", {writer.param('b')}" if any(p.name == "b" for p in writer.module.params) else ""
    return [
        f'seen = recent({store}, "{safe(window.place)}", {x}, {start}, dim=1, size={size})',
        f"return F.conv1d(seen.mT, {w}[:, None]{bias or ', None'}, groups={x}.shape[2]).mT",
    ]


HELPERS = {"gated_delta": "delta_rule", "ssd": "state_space"}
"""The functions of the emitted file that run a recurrence a chunk of tokens at a time."""


def _recurrence(writer: Writer, names: list[str]) -> list[str]:
    """A recurrence with one state, a chunk of tokens at a time."""
    module = writer.module
    (body,) = (n.form.body for n in module.nodes if isinstance(n.form, Scan))
    store, start = writer.behind()
    (state,), (kept,) = body.state_types, body.state_names
    sizes = ", ".join(writer.dim(a).text for a in state.axes if isinstance(a, Dim))
    zeros = f"{names[0]}.new_zeros({sizes})"
    function = HELPERS[module.intrinsic]
    return [
        f'{safe(kept)} = resume({store}, "{safe(kept)}", {start}, {zeros})',
        f"y, {safe(kept)} = {function}({', '.join(names)}, {safe(kept)})",
        f"leave({store}, {safe(kept)}={safe(kept)})",
        "return y",
    ]


def _attention(writer: Writer, names: list[str]) -> list[str]:
    """Scaled dot-product attention; a causal mask is left to the kernel where it can be."""
    module = writer.module
    q, k, v, *given = names
    scale = writer.look("scale")
    name, visible = next(
        (c.name, c.module) for c in module.children if c.module and c.name == "visible"
    )
    grouped = module.symbols.get("H") != module.symbols.get("G")
    gqa = ", enable_gqa=True" if grouped else ""
    call = f"F.scaled_dot_product_attention({q}, {k}, {v}"
    scaled = f", scale={scale}{gqa}"
    if everything(visible):
        return [f"return {call}{scaled})"]
    begins = [n for n in module.nodes if streamed(module, n)]
    now = f"torch.arange({'start, start + T' if begins else 'T'}, device={q}.device)"
    axes = [n.form.axis for n in module.nodes if isinstance(n.form, Positions)]
    seen_now = any(map(writer.is_seen, axes))
    first = "start + T - S, start + T" if seen_now else "S"
    seen = f"torch.arange({first}, device={q}.device)"
    lengths = f"T, S = {q}.shape[2], {k}.shape[2]"
    extra = [given[module.context.index(name)] for name in visible.context]
    mask = calls.call(writer, visible, (name,), [now, seen, *extra]).text
    if not begins or not causal(visible):
        writer.uses_start |= bool(begins)
        return [lengths, f"mask = {mask}", f"return {call}, attn_mask=mask{scaled})"]
    writer.uses_start = True
    return [
        lengths,
        "if T == 1:  # a single new token sees everything",
        f"    return {call}{scaled})",
        "if start == 0:",
        f"    return {call}, is_causal=True{scaled})",
        f"mask = {mask}",
        f"return {call}, attn_mask=mask{scaled})",
    ]
