"""Tables of pages about the models that are shipped: their facts, what differs from published
figures, the blocks that they are made of.
"""

import json
import re
import tomllib
from collections import Counter
from typing import Any

from archdsl import library, naming
from archdsl.facts.counts import Mixer
from archdsl.graph import Module
from archdsl.pipeline import Variant
from archdsl.view.words import short, size
from models import variants
from pages import ROOT

DATA = ROOT / "tests" / "data"
GALLERY = tomllib.loads((DATA / "gallery.toml").read_text(encoding="utf-8"))
PUBLIC = tomllib.loads((DATA / "public_counts.toml").read_text(encoding="utf-8"))
MECHANISMS = ("attention", "recurrence", "convolution", "router", "feed_forward", "residual",
              "position", "embedding", "norm")  # fmt: skip
"""Roles of blocks that the page of blocks is about, in its order."""
MOST_MODELS = 12
"""Models that a block's row names one by one."""


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def coverage() -> str:
    def row(model: str, told: dict[str, str]) -> tuple[str, ...]:
        spec, how, missing = (told.get(key, "") for key in ("spec", "how", "missing"))
        file, _, variant = spec.partition(":")
        link = f"[{variant}](../specs/{file}.arch)" if spec else ""
        return model, link, how, missing

    return table(
        ("model", "variant", "how", "what is not public"),
        [row(model, told) for model, told in GALLERY.items()],
    )


def known_from(name: str) -> str:
    """What the parameters of a variant are compared with, beside the two ways in which the program
    counts them.
    """
    for path in sorted((DATA / "counts").glob("*.json")):
        counted = json.loads(path.read_text())
        if counted.get("spec", "").endswith(f":{name}"):
            return f"`{counted['class']}`"
    if name in PUBLIC:
        return "a public count"
    shown = [told["how"] for told in GALLERY.values() if told.get("spec", "").endswith(f":{name}")]
    return "a class of the same sizes" if "stand-in" in shown else ""


def named(mixer: Mixer) -> str:
    """What mixes tokens in a kind of layer, and its window."""
    window = dict(mixer.settings).get("window")
    return f"{mixer.title}, window {window:,}" if window else mixer.title


def of_models() -> list[dict[str, Any]]:
    """The facts of every shipped variant, in order of date."""
    rows = []
    for name, variant in variants().items():
        facts, about = variant.facts, variant.model.about
        context = facts.stated_context
        rows.append({
            "released": str(about.get("released", "")), "name": facts.model.name, "variant": name,
            "file": variant.unit.file.source.name, "by": str(about.get("by", "")),
            "params": facts.params, "active": facts.active,
            "active_without_tables": facts.active_without_tables, "layers": facts.layers,
            "mixers": [[mixer.layers, named(mixer)] for mixer in facts.mixers],
            "kv_bytes_per_token": facts.kv_bytes_per_token,
            "kv_growing_bytes_per_token": facts.kv_growing_bytes_per_token,
            "state_bytes": facts.state_bytes, "context": context,
            "kv_bytes_at_context": facts.kv_bytes(context) if context else None,
            "compared_with": known_from(name).strip("`"),
            "source": str(about.get("source", "")),
        })  # fmt: skip
    return sorted(rows, key=lambda row: (row["released"], row["name"]))


def models() -> str:
    rows = []
    for row in of_models():
        mixers = "; ".join(f"{layers} {title}" for layers, title in row["mixers"])
        quoted = variants()[row["variant"]].facts.active_as_quoted
        active = short(quoted) if quoted != row["params"] else ""
        at_context = size(row["kv_bytes_at_context"]) if row["context"] else ""
        rows.append((
            row["released"], f"[{row['name']}](../{row['file']})", row["by"], short(row["params"]),
            active, mixers or str(row["layers"]), size(row["kv_growing_bytes_per_token"]),
            f"{row['context']:,}" if row["context"] else "", at_context,
            size(row["state_bytes"]) if row["state_bytes"] else "", known_from(row["variant"]),
        ))  # fmt: skip
    head = ("released", "model", "by", "parameters", "active", "layers", "cache a token",
            "context", "cache at it", "state", "parameters compared with")  # fmt: skip
    return table(head, rows)


def is_rounded(published: float, counted: float) -> bool:
    """Whether a published figure is a count in its digits: 8 or 8.03 for 8.03, and not 7."""
    digits = f"{published:.12g}".rstrip("0").partition(".")
    whole = f"{published:.0f}"
    unit = 10.0 ** (len(whole) - len(whole.rstrip("0"))) if not digits[2] else 0.1 ** len(digits[2])
    return abs(published - counted) <= unit / 2 * (1 + 1e-9)


def drift() -> str:
    """Figures of the gallery that are not those of the spec in their own digits."""
    rows = []
    for model, told in GALLERY.items():
        if "spec" not in told:
            continue
        name = told["spec"].partition(":")[2]
        facts, published = variants()[name].facts, told["published"]
        compared = [
            ("parameters", published.get("params"), [facts.params], short),
            ("active", published.get("active"),
             [facts.active, facts.active_without_embedding, facts.active_without_tables], short),
            ("cache a token, KiB", published.get("kv_kib"),
             [facts.kv_bytes_per_token / 1024, facts.kv_growing_bytes_per_token / 1024],
             lambda kib: f"{kib:g}"),
        ]  # fmt: skip
        for figure, said, counted, words_of in compared:
            if said and not any(is_rounded(said, number) for number in counted):
                found = ", ".join(dict.fromkeys(words_of(number) for number in counted))
                rows.append((model, figure, words_of(said), found, known_from(name)))
    return table(("model", "figure", "published", "counted", "parameters compared with"), rows)


def inside(module: Module, seen: dict[int, Module]) -> dict[int, Module]:
    """All modules of a model, each once, by their ids."""
    if module.id not in seen:
        seen[module.id] = module
        for child in module.children:
            for _, inner in child.modules:
                inside(inner, seen)
    return seen


def homes() -> dict[str, str]:
    """The file of each block of the standard library."""
    return {
        entry.name: shelf.path
        for shelf in library.shelves("std")
        for entry in shelf.entries
        if entry.keyword == "block"
    }


def users() -> dict[str, list[tuple[Variant, Module]]]:
    """For each block of the standard library the shipped variants that use it, in order of date,
    with the first application of it.
    """
    known = homes()
    dated = sorted(
        variants().values(), key=lambda v: (str(v.model.about.get("released", "")), v.name)
    )
    found: dict[str, list[tuple[Variant, Module]]] = {}
    for variant in dated:
        first: dict[str, Module] = {}
        for module in inside(variant.model.root, {}).values():
            first.setdefault(module.block, module)
        for name in first.keys() & known.keys():
            found.setdefault(name, []).append((variant, first[name]))
    return found


def pictured() -> dict[str, Variant]:
    """The blocks that have a picture on the page of blocks, each with the model that it is from."""
    return {
        name: using[0][0]
        for name, using in users().items()
        if using[0][1].role in MECHANISMS and using[0][1].children
    }


def cited(module: Module) -> str:
    """The paper that a block's documentation names."""
    found = re.search(r"\(([^()]*(?:19|20)\d{2}[^()]*)\)", " ".join(module.doc.split()))
    return found[1] if found else ""


def blocks() -> str:
    """Every mechanism of the library that a shipped model uses, by its role."""
    pages = []
    drawn, files = pictured(), homes()
    for role in MECHANISMS:
        rows = []
        for name, using in sorted(users().items()):
            module = using[0][1]
            if module.role != role:
                continue
            titles = Counter(inner.title for _, inner in using)
            title, _, abbreviation = titles.most_common(1)[0][0].partition(" (")
            models = [variant.name for variant, _ in using]
            more = len(models) - MOST_MODELS
            listed = ", ".join(models[:MOST_MODELS]) + (f" and {more} more" if more > 0 else "")
            picture = f"[picture](pictures/blocks/{name}.svg)" if name in drawn else ""
            short_name = abbreviation.removesuffix(")") or ("" if name == title else name)
            rows.append((title, short_name, f"`{files[name]}`", cited(module), picture, listed))
        head = ("name", "short", "file", "paper", "picture", "models, in order of date")
        if rows:
            pages.append(f"## {naming.phrase(role).capitalize()}\n\n{table(head, rows)}")
    return "\n".join(pages)
