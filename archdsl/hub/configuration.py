"""A published configuration as values, and which of its keys were accounted for."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from archdsl.check.values import Error, Float, Int, Items, Null, Record, Text, Truth, Value
from archdsl.diagnostic import Diagnostics, nearest, printable
from archdsl.dims import Dim
from archdsl.reals import Lit

BOOKKEEPING = frozenset(
    (
        "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_name_or_path",
        "add_cross_attention", "architectures", "attn_implementation", "auto_map", "bad_words_ids",
        "begin_suppress_tokens", "bos_token_id", "chunk_size_feed_forward",
        "cross_attention_hidden_size", "decoder_start_token_id", "diversity_penalty", "do_sample",
        "dtype", "early_stopping", "encoder_no_repeat_ngram_size", "eos_token_id",
        "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id",
        "forced_eos_token_id", "id2label", "is_decoder", "is_encoder_decoder", "label2id",
        "length_penalty", "max_length", "min_length", "model_type", "no_repeat_ngram_size",
        "num_beam_groups", "num_beams", "num_return_sequences", "output_attentions",
        "output_hidden_states", "output_scores", "pad_token_id", "prefix", "problem_type",
        "pruned_heads", "quantization_config", "remove_invalid_values", "repetition_penalty",
        "return_dict", "return_dict_in_generate", "sep_token_id", "suppress_tokens",
        "task_specific_params", "temperature", "tf_legacy_loss", "tie_encoder_decoder",
        "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers_version",
        "typical_p", "unk_token_id", "use_bfloat16", "use_cache",
    )
)  # fmt: skip
"""Keys of any published configuration that say how to run, label or store a model, not what it
is.
"""

OF_PARTS = frozenset(
    (
        "_name_or_path", "architectures", "chunk_size_feed_forward", "dtype", "id2label",
        "is_encoder_decoder", "label2id", "model_type", "output_attentions",
        "output_hidden_states", "problem_type", "return_dict", "torch_dtype",
        "transformers_version",
    )
)  # fmt: skip
"""Those of them that a configuration inside another one has too: it has a `model_type`."""

NETWORK_IF_SET = ("add_cross_attention", "is_encoder_decoder")
"""Keys of the format that are harmless only when they are false."""

MAX_KEYS = 10_000
MAX_DEPTH = 20
CLOSE = 0.85
"""How alike two keys are of which one is taken for a misspelling of the other."""

Path = tuple[str, ...]


def decoded(value: Any) -> Any:
    """JSON with the numbers that transformers 5 writes as objects, `{"__float__": "Infinity"}`."""
    match value:
        case {"__float__": "Infinity" | "-Infinity" | "NaN" as number} if len(value) == 1:
            return float(number)
        case dict():
            return {key: decoded(inner) for key, inner in value.items()}
        case list():
            return [decoded(inner) for inner in value]
    return value


def record(
    config: Mapping[str, Any], file: str, diagnostics: Diagnostics, path: Path = ()
) -> Record | None:
    """A configuration as a value, or None after a report."""
    if len(path) > MAX_DEPTH or len(config) > MAX_KEYS:
        diagnostics.add("too-large", "the configuration is too large", None, name=file)
        return None
    entries = ((str(k), _value(v, file, diagnostics, (*path, str(k)))) for k, v in config.items())
    return Record(tuple(entries), path)


def _value(value: Any, file: str, diagnostics: Diagnostics, path: Path) -> Value:
    """JSON as a value."""
    match value:
        case None:
            return Null()
        case bool():
            return Truth(value)
        case int():
            return Int(Dim.number(value))
        case float() if math.isnan(value):
            message = f"{printable('.'.join(path))} is not a number"
            diagnostics.add("hub-config", message, None, name=file)
            return Error()
        case float():
            return Float(Lit(value))
        case str():
            return Text(value)
        case list():
            if len(path) > MAX_DEPTH or len(value) > MAX_KEYS:
                diagnostics.add("too-large", "the configuration is too large", None, name=file)
                return Error()
            return Items(tuple(_value(v, file, diagnostics, (*path, "[]")) for v in value))
        case dict():
            return record(value, file, diagnostics, path) or Error()
    return Error()


def leaves(config: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Paths of all keys that hold something; null is as good as not there."""
    for key, value in config.items():
        here = (*path, str(key))
        if isinstance(value, dict) and value:
            yield from leaves(value, here)
        elif value is not None and value != {}:
            yield here


def unread(
    config: Mapping[str, Any],
    read: Collection[Path],
    ignored: Collection[Path],
) -> list[Path]:
    """The keys that no line of a hub looked at or ignores, without those of the file format."""
    left = []
    for leaf in leaves(config):
        starts = [leaf[: n + 1] for n in range(len(leaf))]
        harmless = _is_bookkeeping(config, leaf)
        covered = leaf in read or any(s in ignored or (*s, "*") in read for s in starts)
        if not covered and not harmless:
            left.append(leaf)
    return left


def _is_bookkeeping(config: Mapping[str, Any], leaf: Path) -> bool:
    """Whether a key belongs to the file format, of the whole or of a configuration inside it."""
    here: Any = config
    for key in leaf:
        known = BOOKKEEPING if here is config else OF_PARTS if "model_type" in here else ()
        if key in known and not (key in NETWORK_IF_SET and here[key]):
            return True
        here = here[key] if isinstance(here, Mapping) else {}
        if not isinstance(here, Mapping):
            return False
    return False


def report_unread(
    left: list[Path],
    mentioned: Collection[Path],
    elsewhere: Collection[str] | None,
    model: str,
    file: str,
    diagnostics: Diagnostics,
) -> list[str]:
    """Reports keys that could change the network. A hub that is complete, with keys that change
    other networks `elsewhere`, knows all keys that its class reads: the rest are given back.
    """
    spelt = {".".join(path) for path in mentioned}
    unknown = []
    for path in left:
        key = ".".join(path)
        near = nearest(key, spelt, CLOSE)
        complete = elsewhere is not None and len(path) == 1
        if path in mentioned:
            message = f"{printable(key)} has no effect beside the other keys"
            help = "remove it, or the key that makes the difference"
        elif complete and path[0] in (elsewhere or ()):
            message = f"{printable(key)} changes other models, and hub {model} does not speak of it"
            help = f"ignore it where it changes nothing: archdsl import --ignore {printable(key)}"
        elif complete and not near and key not in NETWORK_IF_SET:
            unknown.append(printable(key))
            continue
        else:
            message = f"nothing says what {printable(key)} does to the network"
            help = near or nearest(key, spelt) or f"map, require or ignore it in hub {model}"
        if len(diagnostics) < 10:
            diagnostics.add("hub-config", message, None, name=file, help=help)
    return unknown
