"""Fused kernels that stand for a body: how PyTorch spells them.

An intrinsic is a promise of the block: `linear` has a parameter `weight` and perhaps a `bias`,
the norms have a setting `eps`. That body and kernel give the same is tested on the emitted code of
both.
"""

from __future__ import annotations

from archdsl.dims import Dim
from archdsl.emit import calls
from archdsl.emit.body import Writer
from archdsl.emit.lines import Line, line
from archdsl.emit.masks import causal, everything
from archdsl.emit.names import safe
from archdsl.emit.plan import shares_heads, streamed
from archdsl.emit.spell import START, Text, calling, listed, spelt
from archdsl.graph import Single
from archdsl.nodes import Positions, Scan, Window
from archdsl.symbols import counts_seen


def kernel(writer: Writer) -> list[Line]:
    """The statements of a lowered body, the last one `return`."""
    module = writer.module
    names = list(writer.frame.inputs)
    for i, name in zip(module.inputs, names, strict=True):
        writer.holder[name] = i
    match module.intrinsic:
        case "linear":
            bias = (
                f", {writer.param('bias')}" if any(p.name == "bias" for p in module.params) else ""
            )
            return [line("return F.linear({}, {}{})", names[0], writer.param("weight"), bias)]
        case "embedding":
            return [line("return F.embedding({}, {})", names[0], writer.param("weight"))]
        case "rms_norm":
            x, g, eps = names[0], writer.param("weight"), writer.look("eps")
            normed = spelt("F.rms_norm({}.float(), {}.shape, eps={})", x, g, eps)
            return [line("return {}.to({}.dtype) * {}", normed, x, g)]
        case "layer_norm":
            g = writer.param("weight")
            has_bias = any(p.name == "bias" for p in module.params)
            b = writer.param("bias") if has_bias else "None"
            arguments = (names[0], g, g, b, writer.look("eps"))
            return [line("return F.layer_norm({}, {}.shape, {}, {}, {})", *arguments)]
        case "causal_conv":
            return _convolution(writer, names[0])
        case "gated_delta" | "ssd":
            return _recurrence(writer, names)
    return _attention(writer, names)


def _convolution(writer: Writer, x: str) -> list[Line]:
    """A convolution of every channel over the last tokens."""
    (window,) = (n.form for n in writer.module.nodes if isinstance(n.form, Window))
    store, start = writer.behind()
    size, w = writer.dim(window.size), writer.param("weight")
    bias = (
        f", {writer.param('bias')}" if any(p.name == "bias" for p in writer.module.params) else ""
    )
    arguments = (store, safe(window.place), x, start, size)
    seen = writer.bare("seen")
    convolved = "return F.conv1d({}.mT, {}[:, None]{}, groups={}.shape[2]).mT"
    return [
        line("{} = {}", seen, calling("recent", '{}, "{}", {}, {}, dim=1, size={}', *arguments)),
        line(convolved, seen, w, bias or ", None", x),
    ]


HELPERS = {"gated_delta": "delta_rule", "ssd": "state_space"}
"""The functions of the emitted file that run a recurrence a chunk of tokens at a time."""


def _recurrence(writer: Writer, names: list[str]) -> list[Line]:
    """A recurrence with one state, a chunk of tokens at a time."""
    module = writer.module
    (body,) = (n.form.body for n in module.nodes if isinstance(n.form, Scan))
    store, start = writer.behind()
    (state,), (kept,) = body.state_types, body.state_names
    sizes = listed(writer.dim(a) for a in state.axes if isinstance(a, Dim))
    zeros, name = spelt("{}.new_zeros({})", names[0], sizes), writer.bare(kept)
    writer.holder[name], y = 0, writer.bare("y")
    place = safe(kept)
    run = calling(HELPERS[module.intrinsic], "{}, {}", listed(names), name)
    return [
        line("{} = {}", name, calling("resume", '{}, "{}", {}, {}', store, place, start, zeros)),
        line("{}, {} = {}", y, name, run),
        line("{}", calling("leave", "{}, {}={}", store, place, name)),
        line("return {}", y),
    ]


def _attention(writer: Writer, names: list[str]) -> list[Line]:
    """Scaled dot-product attention; a causal mask is left to the kernel where it can be."""
    module = writer.module
    q, k, v, *given = names
    scale = writer.look("scale")
    part = module.child("visible").part
    assert isinstance(part, Single)
    visible = part.module
    gqa = ", enable_gqa=True" if shares_heads(module) else ""
    call = f"F.scaled_dot_product_attention({q}, {k}, {v}"
    scaled = spelt(", scale={}{}", scale, gqa)
    if everything(visible):
        return [line("return {}{})", call, scaled)]
    begins = [n for n in module.nodes if streamed(module, n)]
    tokens = spelt("{}, {} + T", START, START) if begins else Text("T")
    now = spelt("torch.arange({}, device={}.device)", tokens, q)
    axes = [n.form.axis for n in module.nodes if isinstance(n.form, Positions)]
    seen_now = any(counts_seen(module.symbols.dims, axis) for axis in axes)
    first = spelt("{} + T - S, {} + T", START, START) if seen_now else Text("S")
    seen = spelt("torch.arange({}, device={}.device)", first, q)
    lengths = line("T, S = {}.shape[2], {}.shape[2]", q, k)
    extra = [Text(given[module.context.index(name)]) for name in visible.context]
    hidden = writer.bare("mask")
    unit = writer.plan.unit(visible, writer.banked)
    shown = calls.call(writer, "visible", unit, [now, seen, *extra])
    mask = line("{} = {}", hidden, shown)
    masked = line("return {}, attn_mask={}{})", call, hidden, scaled)
    if not begins or not causal(visible):
        return [lengths, mask, masked]
    unmasked = line("return {}{})", call, scaled)
    alone = line("return {}, is_causal=True{})", call, scaled)
    return [
        lengths,
        line("if T == 1:  # a single new token sees everything", block=[unmasked]),
        line("if {} == 0:", START, block=[alone]),
        mask,
        masked,
    ]
