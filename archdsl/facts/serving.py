"""What it takes to serve a model: memory, bytes that a step moves, FLOPs, what fits.

    serving(facts, Load(context=131_072, batch=8, kv_dtype="fp8", memory=80 * 2**30))

A step makes one token for each sequence of the batch. It reads weights and cache and reads and
writes states; activations are not counted, in memory neither. `reserved` is the cache of an engine
that keeps pages of one size for all layers: windows keep every token.
"""

from __future__ import annotations

from archdsl.facts import weights
from archdsl.facts.caches import size
from archdsl.facts.counts import Counts
from archdsl.facts.devices import share
from archdsl.facts.sizes import DTYPES, LONGEST, PART, amount, dtype, whole
from archdsl.record import record, replace


@record
class Load:
    """How a model is served: tokens of each sequence, sequences, dtypes, and for one of `devices`
    bytes of memory and bytes that it moves in a second.

    `kv_dtype` is the dtype of the cache. Where it is not said it is that of the weights, or bf16
    where these have fewer than 16 bits.
    """

    context: int
    batch: int = 1
    dtype: str = "bf16"
    kv_dtype: str = ""
    memory: int | None = None
    bandwidth: int | None = None
    devices: int = 1

    @property
    def width(self) -> int:
        """The width of a weight, in 32nds of a byte, as all widths."""
        return DTYPES[self.dtype]

    @property
    def computed(self) -> int:
        """The width of a number that is computed, as those of states are."""
        return max(self.width, DTYPES["bf16"])

    @property
    def cache_dtype(self) -> str:
        """The dtype of the cache."""
        return self.kv_dtype or ("bf16" if self.width < DTYPES["bf16"] else self.dtype)

    @property
    def kv_width(self) -> int:
        """The width of a number in the cache."""
        return DTYPES[self.cache_dtype]


@record
class Serving:
    """What it takes to serve a model under a load. Bytes are those of one device.

    `weights_bytes`, `kv_cache_bytes`, `kv_cache_reserved_bytes`, `state_bytes`: in memory, of all
    sequences. `source_bytes` is kept of inputs that do not stream. `total_bytes` and
    `total_reserved_bytes` are their sums. `weights_read_bytes` and `cache_read_bytes`: read in a
    step. `state_moved_bytes`: read and written. `bytes_per_token`: moved by a step for each token
    that it makes. FLOPs are those of all devices together. `intensity`: FLOPs for each byte.
    `tokens_per_second_limit`: of the whole batch, where nothing but the bandwidth limits it.
    `fit_context`: the longest context that fits in the memory with this batch, 0 where none does,
    None where any does.
    """

    load: Load
    weights_bytes: int
    kv_cache_bytes: int
    kv_cache_reserved_bytes: int
    state_bytes: int
    source_bytes: int
    weights_read_bytes: int
    cache_read_bytes: int
    state_moved_bytes: int
    decode_flops: int
    decode_written_flops: int
    prefill_flops: int
    prefill_all_keys_flops: int
    head_flops: int
    fit_context: int | None = None
    fit_reserved_context: int | None = None

    @property
    def total_bytes(self) -> int:
        """Weights, cache and states."""
        return self.weights_bytes + self.kv_cache_bytes + self.state_bytes + self.source_bytes

    @property
    def total_reserved_bytes(self) -> int:
        """As `total_bytes`, with the cache as reserved."""
        return self.total_bytes - self.kv_cache_bytes + self.kv_cache_reserved_bytes

    @property
    def step_bytes(self) -> int:
        """What a step moves on one device."""
        return self.weights_read_bytes + self.cache_read_bytes + self.state_moved_bytes

    @property
    def prefill_per_token(self) -> float:
        """FLOPs of prefill for each token, those early in the text with fewer keys."""
        return self.prefill_flops / (self.load.context * self.load.batch)

    @property
    def prefill_last_logits_flops(self) -> int:
        """As `prefill_flops`, with the head for the last token of each sequence alone."""
        return self.prefill_flops - self.load.batch * (self.load.context - 1) * self.head_flops

    @property
    def prefill_last_logits_per_token(self) -> float:
        """FLOPs of prefill for each token, the head for the last one alone."""
        return self.prefill_last_logits_flops / (self.load.context * self.load.batch)

    @property
    def prefill_all_keys_per_token(self) -> float:
        """FLOPs of prefill for each token, as if each saw the whole text."""
        return self.prefill_all_keys_flops / (self.load.context * self.load.batch)

    @property
    def bytes_per_token(self) -> float:
        """What a step moves for each token that it makes."""
        return self.step_bytes / self.load.batch

    @property
    def intensity(self) -> float | None:
        """FLOPs for each byte that a step moves, on all devices; None where it moves none."""
        if not self.step_bytes:
            return None
        return self.decode_flops * self.load.batch / (self.step_bytes * self.load.devices)

    @property
    def tokens_per_second_limit(self) -> float | None:
        """Of the whole batch, where nothing but the bandwidth limits it; None without one."""
        if self.load.bandwidth is None or not self.step_bytes:
            return None
        return self.load.batch * self.load.bandwidth / self.step_bytes

    def record(self) -> dict[str, object]:
        """As plain data."""
        load = self.load
        values: dict[str, object] = {
            "context": load.context, "batch": load.batch, "dtype": load.dtype,
            "kv_dtype": load.cache_dtype, "devices": load.devices,
            "weights_bytes": self.weights_bytes,
            "kv_cache_bytes": self.kv_cache_bytes,
            "kv_cache_reserved_bytes": self.kv_cache_reserved_bytes,
            "state_bytes": self.state_bytes,
            "source_bytes": self.source_bytes,
            "total_bytes": self.total_bytes,
            "total_reserved_bytes": self.total_reserved_bytes,
            "weights_read_bytes_per_step": self.weights_read_bytes,
            "cache_read_bytes_per_step": self.cache_read_bytes,
            "state_moved_bytes_per_step": self.state_moved_bytes,
            "bytes_per_token": self.bytes_per_token,
            "decode_flops_per_token": self.decode_flops,
            "decode_flops_per_token_as_written": self.decode_written_flops,
            "prefill_flops": self.prefill_flops,
            "prefill_flops_per_token": self.prefill_per_token,
            "prefill_flops_last_logits": self.prefill_last_logits_flops,
            "prefill_flops_all_keys": self.prefill_all_keys_flops,
            "intensity": self.intensity,
        }  # fmt: skip
        if load.bandwidth is not None:
            values["bandwidth"] = load.bandwidth
            values["tokens_per_second_limit"] = self.tokens_per_second_limit
        if load.memory is not None:
            values["memory"] = load.memory
            values["fit_context"] = self.fit_context
            values["fit_reserved_context"] = self.fit_reserved_context
        return values


def serving(facts: Counts, load: Load) -> Serving:
    """What it takes to serve a model under a load. Raises ValueError for a load that is none."""
    load = _sound(load)
    held = weights.whole if load.devices == 1 else share(facts.model, load.devices)
    source = load.context * _source(facts, load)
    kept = (*facts.states, *facts.once)
    state = load.batch * sum(size(held, load.computed, load.devices) for held in kept)
    read = weights.read(facts.model, facts.flow, load.batch, held)
    cached = facts.work.read(load.context, load.kv_width, load.devices)
    result = Serving(
        load,
        weights_bytes=weights_bytes(facts, load.width, load.devices),
        kv_cache_bytes=_up(cache(facts, load)),
        kv_cache_reserved_bytes=_up(cache(facts, load, reserved=True)),
        state_bytes=_up(state),
        source_bytes=_up(source),
        weights_read_bytes=read.bytes(load.width),
        cache_read_bytes=_up(load.batch * cached + source),
        state_moved_bytes=_up(2 * state),
        decode_flops=facts.work.flops(load.context, prefill=False),
        decode_written_flops=facts.work.flops(load.context, prefill=False, written=True),
        prefill_flops=load.batch * facts.work.flops(load.context, prefill=True),
        prefill_all_keys_flops=load.batch * facts.all_keys_flops(load.context),
        head_flops=facts.head_flops,
    )
    if load.memory is None:
        return result
    return replace(
        result,
        fit_context=_fit(facts, load, result, reserved=False),
        fit_reserved_context=_fit(facts, load, result, reserved=True),
    )


def weights_bytes(facts: Counts, width: int, devices: int = 1) -> int:
    """Bytes of all parameters on one of so many devices."""
    held = weights.whole if devices == 1 else share(facts.model, devices)
    return weights.stored(facts.model, held).bytes(width)


def cache(facts: Counts, load: Load, reserved: bool = False) -> int:
    """The cache of all sequences on one device, in 32nds of a byte. `reserved`: windows keep every
    token.
    """
    total = 0
    for cached in facts.caches:
        entries = load.context // cached.every if reserved else cached.entries(load.context)
        total += entries * size(cached, load.kv_width, load.devices)
    return load.batch * total


def _source(facts: Counts, load: Load) -> int:
    """What is kept of a position of an input that does not stream, as `cache`."""
    return load.batch * sum(size(held, load.kv_width, load.devices) for held in facts.source)


def _fit(facts: Counts, load: Load, result: Serving, reserved: bool) -> int | None:
    """The longest context that fits, 0 where none does; None where any does."""
    assert load.memory is not None
    each = _source(facts, load)
    room = (load.memory - result.weights_bytes - result.state_bytes) * PART

    def fits(context: int) -> bool:
        at = replace(load, context=context)
        return cache(facts, at, reserved) + each * context <= room

    if fits(LONGEST):
        return None
    low, high = 0, LONGEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low if room >= 0 else 0


def _sound(load: Load) -> Load:
    """A load with the names of its dtypes as they are listed, numbers whole. Raises ValueError."""
    load = replace(
        load,
        context=whole("context", load.context),
        batch=whole("batch", load.batch),
        dtype=dtype(load.dtype),
        kv_dtype=dtype(load.kv_dtype) if load.kv_dtype else "",
        memory=None if load.memory is None else amount("memory", load.memory),
        bandwidth=None if load.bandwidth is None else amount("bandwidth", load.bandwidth),
        devices=whole("devices", load.devices),
    )
    if load.context > LONGEST:
        raise ValueError(f"a context has at most {LONGEST:,} tokens")
    return load


def _up(parts: int) -> int:
    """Whole bytes."""
    return -(-parts // PART)
