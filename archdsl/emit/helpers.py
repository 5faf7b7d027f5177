"""Functions of the emitted file that no spec writes: caches, mixtures, recurrences in chunks.

Only those that a model calls are written into its file.
"""

_KEEP = '''
def keep(cache: Any, name: str, new: Tensor, start: int, dim: int) -> Tensor:
    """Everything kept so far: `new` behind the first `start` places, or alone without a cache."""
    if cache is None:
        return new
    cache[name].narrow(dim, start, new.shape[dim]).copy_(new)
    return cache[name].narrow(dim, 0, start + new.shape[dim])
'''

_KEEP_LAST = '''
def keep_last(
    cache: Any, name: str, new: Tensor, start: int, dim: int, last: int
) -> Tensor:
    """As `keep`, for a window: the last tokens before `new`, and `new`; `last` of them stay."""
    if cache is None:
        return new
    store = cache[name]
    size = min(start, store.shape[dim])
    old = store.narrow(dim, max(0, size - last + 1), min(size, last - 1))
    seen = torch.cat((old, new), dim)
    size = min(seen.shape[dim], store.shape[dim])
    store.narrow(dim, 0, size).copy_(seen.narrow(dim, seen.shape[dim] - size, size))
    return seen
'''

_KEEP_EVERY = '''
def keep_every(
    cache: Any, name: str, new: Tensor, start: int, dim: int, every: int
) -> Tensor:
    """As `keep`, of the entries of every so many tokens only: those of the last of each group."""
    first = (every - 1 - start) % every
    new = new.narrow(dim, min(first, new.shape[dim]), max(0, new.shape[dim] - first))
    count = -(-new.shape[dim] // every)
    new = new.index_select(dim, torch.arange(count, device=new.device) * every)
    if cache is None:
        return new
    before = start // every
    cache[name].narrow(dim, before, count).copy_(new)
    return cache[name].narrow(dim, 0, before + count)
'''

_PART = '''
def part(cache: Any, name: str | int) -> Any:
    """The part of a cache that belongs to a submodule or a layer."""
    return None if cache is None else cache[name]
'''

_RECENT = '''
def recent(cache: Any, name: str, x: Tensor, start: int, dim: int, size: int) -> Tensor:
    """`x` behind the `size - 1` tokens before it, zeros where there were none."""
    shape = list(x.shape)
    shape[dim] = size - 1
    before = x.new_zeros(shape) if cache is None or start == 0 else cache[name]
    seen = torch.cat((before, x), dim)
    if cache is not None:
        cache[name].copy_(seen.narrow(dim, x.shape[dim], size - 1))
    return seen
'''

_RESUME = '''
def resume(cache: Any, name: str, start: int, first: Tensor) -> Tensor:
    """A state as the tokens before left it; `first` where there were none."""
    return first if cache is None or start == 0 else cache[name]
'''

_LEAVE = '''
def leave(cache: Any, **states: Tensor) -> None:
    """Keeps the states after the last token."""
    for name, state in states.items() if cache is not None else ():
        cache[name].copy_(state)
'''

_REMEMBER = '''
def remember(cache: Any, **values: Tensor) -> None:
    """Keeps what no later token changes."""
    if cache is not None:
        cache.update(values)
'''

_SHARED = '''
class Shared(nn.Module):
    """A module that is stored elsewhere: its parameters stand under their name there only."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.__dict__["module"] = module  # not registered as a submodule

    def forward(self, *inputs: Any, **given: Any) -> Any:
        return self.module(*inputs, **given)

    def new_cache(self, *sizes: Any, **kind: Any) -> Any:
        return self.module.new_cache(*sizes, **kind)
'''

_TOP_MASK = '''
def top_mask(x: Tensor, k: int) -> Tensor:
    """Whether each entry is among the k largest of the last axis; all are where it is shorter."""
    chosen = x.topk(min(k, x.shape[-1]), -1).indices
    return torch.zeros_like(x, dtype=torch.bool).scatter_(-1, chosen, True)
'''

_ROWS = '''
def rows(x: Tensor, index: Tensor, dim: int) -> Tensor:
    """Entries of an axis of x; the axes before it are those of the indices too."""
    dim %= x.dim()
    entry = x.shape[dim + 1 :]
    flat = index.reshape(*index.shape[:dim], -1)
    flat = flat.reshape(*flat.shape, *[1 for _ in entry]).expand(*flat.shape, *entry)
    return x.gather(dim, flat).reshape(*index.shape, *entry)
'''

_MIXTURE = '''
def mixture(
    bank: nn.Module,
    x: Tensor,
    weights: Tensor,
    indices: Tensor,
    experts: int | None = None,
    width: int | None = None,
) -> Tensor:
    """What the chosen experts say, summed with weights; each expert sees its tokens at once.

    x [..., d], weights and indices [..., top_k] -> [..., width], d where nothing is said; indices
    from `experts` on are passed over. The sum is in the dtype of the weights.
    """
    flat, top_k = x.flatten(0, -2), indices.shape[-1]
    chosen = indices.flatten()
    order = chosen.argsort(stable=True)
    out = weights.new_zeros(flat.shape[0], width or flat.shape[1])
    lead = [1] * (x.dim() - 2)
    begin = 0
    for expert, count in enumerate(chosen.bincount().tolist()[:experts]):
        if count:
            rows = order[begin : begin + count]
            begin += count
            tokens = rows // top_k
            given = bank(flat[tokens].view(*lead, count, -1), expert).flatten(0, -2)
            out.index_add_(0, tokens, given * weights.flatten()[rows, None])
    return out.view(*x.shape[:-1], -1).to(x.dtype)
'''


_DELTA_RULE = '''
def delta_rule(
    q: Tensor, k: Tensor, v: Tensor, decay: Tensor, write: Tensor, state: Tensor, chunk: int = 64
) -> tuple[Tensor, Tensor]:
    """The gated delta rule (Yang et al., 2025), a chunk of tokens at a time.

    q, k [B, G, T, K], v [B, H, T, V], decay (a logarithm) and write [B, H, T], state [B, H, K, V]
    -> what is read [B, H, T, V], the state after the last token. What each token of a chunk writes
    depends on what those before it wrote: a triangular system.
    """
    groups = v.shape[1] // k.shape[1]
    q, k = q.repeat_interleave(groups, 1), k.repeat_interleave(groups, 1)
    decay, write = decay[..., None], write[..., None]
    if q.shape[2] == 1:
        state = state * decay.exp()
        state = state + k.mT * (write * (v - k @ state))
        return q @ state, state
    read = []
    chunks = (x.split(chunk, 2) for x in (q, k, v, decay, write))
    for q_, k_, v_, decay_, write_ in zip(*chunks, strict=True):
        total = decay_.cumsum(2)
        between = (total - total.mT).tril().exp().tril()
        system = write_ * (k_ @ k_.mT) * between
        wanted = write_ * (v_ - (k_ * total.exp()) @ state)
        new = torch.linalg.solve_triangular(system, wanted, upper=False, unitriangular=True)
        read.append((q_ * total.exp()) @ state + (q_ @ k_.mT * between) @ new)
        left = total[:, :, -1:]
        state = state * left.exp() + (k_ * (left - total).exp()).mT @ new
    return torch.cat(read, 2), state
'''

_STATE_SPACE = '''
def state_space(
    c: Tensor, b: Tensor, x: Tensor, decay: Tensor, state: Tensor, chunk: int = 64
) -> tuple[Tensor, Tensor]:
    """A state-space model with scalar decay (Dao and Gu, 2024), a chunk of tokens at a time.

    c, b [B, G, T, N], x [B, H, T, P], decay (a logarithm) [B, H, T], state [B, H, N, P]
    -> what is read [B, H, T, P], the state after the last token.
    """
    groups = x.shape[1] // b.shape[1]
    c, b = c.repeat_interleave(groups, 1), b.repeat_interleave(groups, 1)
    decay = decay[..., None]
    if x.shape[2] == 1:
        state = state * decay.exp() + b.mT * x
        return c @ state, state
    read = []
    chunks = (y.split(chunk, 2) for y in (c, b, x, decay))
    for c_, b_, x_, decay_ in zip(*chunks, strict=True):
        total = decay_.cumsum(2)
        between = (total - total.mT).tril().exp().tril()
        read.append((c_ * total.exp()) @ state + (c_ @ b_.mT * between) @ x_)
        left = total[:, :, -1:]
        state = state * left.exp() + (b_ * (left - total).exp()).mT @ x_
    return torch.cat(read, 2), state
'''

HELPERS = {
    "keep": _KEEP,
    "keep_last": _KEEP_LAST,
    "keep_every": _KEEP_EVERY,
    "part": _PART,
    "recent": _RECENT,
    "resume": _RESUME,
    "leave": _LEAVE,
    "remember": _REMEMBER,
    "Shared": _SHARED,
    "top_mask": _TOP_MASK,
    "rows": _ROWS,
    "mixture": _MIXTURE,
    "delta_rule": _DELTA_RULE,
    "state_space": _STATE_SPACE,
}
"""The functions by name."""
