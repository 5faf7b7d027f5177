"""The functions of the file that read and write published checkpoints, by the map of keys.

Reading and writing go through the same rows: `lines` gives them for every layer, `assigned` picks
what a checkpoint has, `written` what is written. `checkpoint.py` fills in `{config}`, `{beside}`
and `{without}`.
"""

ROW = '''
@dataclass(frozen=True)
class Row:
    """Published tensors and the parameters that they fill. In names, `{}` is the number of a layer,
    and `*` that of an expert.
    """

    sources: tuple[str | tuple[str, ...], ...]  # alternatives; the first is written
    targets: tuple[str, ...]
    convert: Any = None  # from published tensors to parameters
    restore: Any = None  # and back
    when: str = ""  # what else a layer has, of a row for some layers
'''

LOADING = '''
def load(
    directory: str | Path, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Model:
    """The model with the weights of a published checkpoint (`*.safetensors` in a folder).

    Tensors are read one by one, by the package safetensors. Raises FileNotFoundError without such
    files, ValueError where they do not fit the model.
    """
    published = Checkpoint(Path(directory))
    with torch.device("meta"):
        model = Model(Config())
    chosen = assigned(published, model.state_dict())
{without}    model.to(dtype).to_empty(device=device)
    tie(model)
    state = model.state_dict()
    filled: set[str] = set()
    for keys, names, row in chosen:
        whole = row.convert is None and isinstance(keys[0], str)
        for name, tensor in converted(keys, names, row, published, state, model).items():
            first = TIED.get(name, name)
            for place, part in published.rows(keys[0]) if whole else [(..., tensor)]:
                into = state[name][place]
                if first not in filled:
                    into.copy_(part)
                elif not torch.equal(into, part.to(into)):
                    raise ValueError(f"{name} differs from {first}, to which it is tied")
            filled.add(first)
    return model.eval()


def save(model: Model, directory: str | Path, max_shard_size: int | str = "5GB") -> None:
    """Writes the weights under their published names, as `load` and transformers read them: one
    `model.safetensors`, or several files and their index. What `load` skips is not written. The
    packages safetensors and huggingface_hub do the work.

    Raises ValueError for a parameter without a published name, or two of one name that differ.
    """
    from huggingface_hub import split_torch_state_dict_into_shards
    from safetensors.torch import save_file

    state = model.state_dict()
    shapes = {name: tensor.to("meta") for name, tensor in state.items()}
    sizes: dict[str, Tensor] = {}
    origin: dict[str, Any] = {}
    for one in written(state):
        for key, size in restored(*one, shapes, model).items():
            if key in origin:
                tensors = [restored(*x, state, model)[key] for x in (origin[key], one)]
                if not torch.equal(*tensors):
                    both = f"{origin[key][1][0]} and {one[1][0]}"
                    raise ValueError(f"{key} stands for {both}, which differ")
            else:
                sizes[key], origin[key] = size, one
    split = split_torch_state_dict_into_shards(sizes, max_shard_size=max_shard_size)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    written_before = r"model(-\\d{5}-of-\\d{5})?\\.safetensors(\\.index\\.json)?"
    for old in folder.iterdir():
        if re.fullmatch(written_before, old.name):
            old.unlink()
    for file, keys in split.filename_to_tensors.items():
        wanted = set(keys)
        part = {
            key: tensor.cpu().contiguous()
            for one in {id(origin[key]): origin[key] for key in keys}.values()
            for key, tensor in restored(*one, state, model).items()
            if key in wanted
        }
        save_file(part, folder / file, metadata={"format": "pt"})
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        text = json.dumps(index, indent=2)
        (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")


def parameters_from(published: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """A state dict of `Model` from tensors under their published names.

    Raises ValueError for a parameter without a tensor, a tensor without a parameter, another shape,
    or a quantised checkpoint.
    """
    expected = model.state_dict()
    state: dict[str, Tensor] = {}
    for keys, names, row in assigned(published, expected):
        state |= converted(keys, names, row, published, expected, model)
    for copy, first in TIED.items():
        if copy in state and first in state and not torch.equal(state[copy], state[first]):
            raise ValueError(f"{copy} differs from {first}, to which it is tied")
        for name, other in ((first, copy), (copy, first)):
            if other in state:
                state.setdefault(name, state[other])
    return state


def lines(names: Mapping[str, Tensor]) -> Iterator[tuple[list[list[str]], list[str], Row]]:
    """Each row for each layer that it is for: the alternatives, the parameters, the row."""
    for row in CHECKPOINT:
        pattern = re.compile(re.escape(row.targets[0]).replace(r"\\{\\}", r"(\\d+)"))
        for match in filter(None, map(pattern.fullmatch, names)):
            index = match.groups()
            part = row.when.format(*index)
            if part and not any(f"{name}.".startswith(f"{part}.") for name in names):
                continue
            sources = [[source] if isinstance(source, str) else source for source in row.sources]
            yield (
                [[key.format(*index) for key in source] for source in sources],
                [target.format(*index) for target in row.targets],
                row,
            )


def assigned(
    published: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> list[tuple[list[Any], list[str], Row]]:
    """Which tensors fill which parameters, in the order of these: for each tensor that a row takes
    its key, or the keys of those to be stacked.
    """
    chosen: list[tuple[list[Any], list[str], Row]] = []
    used: set[str] = set()
    filled: set[str] = set()
    for sources, names, row in lines(expected):
        there = ([keys_of(key, published) for key in source] for source in sources)
        keys = next(filter(all, there), None)
        if keys is not None and filled.isdisjoint(names):
            chosen.append((keys, names, row))
            filled.update(names)
            used.update(key for one in keys for key in ([one] if isinstance(one, str) else one))
    firsts = {TIED.get(name, name) for name in filled}
    missing = sorted(name for name in expected if TIED.get(name, name) not in firsts)
{beside}    unused = sorted(published.keys() - used)
    left = [key for key in unused if not any(s.fullmatch(key) for s in SKIPPED)]
    if missing:  # perhaps other tensors stand for the weights
        for key in left:
            if is_packed(published[key]):
                raise ValueError(quantised(key, published[key]))
        raise ValueError(f"no tensor for {', '.join(missing[:5])} ({len(missing)} in all)")
    if left:  # perhaps the scales of the weights
        for keys, names, _ in chosen:
            key = keys[0] if isinstance(keys[0], str) else keys[0][0]
            if expected[names[0]].is_floating_point() and is_packed(published[key]):
                raise ValueError(quantised(key, published[key]))
        raise ValueError(f"no parameter for {', '.join(left[:5])} ({len(left)} in all)")
    order = {name: number for number, name in enumerate(expected)}
    return sorted(chosen, key=lambda one: order[one[1][0]])


def keys_of(source: str, published: Mapping[str, Tensor]) -> str | list[str]:
    """The key that a source means, or with `*` one for each expert; empty if it is not there."""
    if "*" not in source:
        return source if source in published else ""
    keys: list[str] = []
    while (key := source.replace("*", str(len(keys)))) in published:
        keys.append(key)
    return keys


def converted(
    keys: list[Any],
    names: list[str],
    row: Row,
    published: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    model: nn.Module,
) -> dict[str, Tensor]:
    """The parameters that tensors fill, of the shapes that are expected."""
    number = expected[names[0]].is_floating_point()
    operands: list[list[Tensor]] = []
    for one in keys:
        operands.append([])
        for key in [one] if isinstance(one, str) else one:
            tensor = published[key]
            if number and is_packed(tensor):
                raise ValueError(quantised(key, tensor))
            if tensor.is_floating_point() != number:
                raise ValueError(f"{key} is {tensor.dtype}, not {expected[names[0]].dtype}")
            operands[-1].append(tensor)
    key = ", ".join(one if isinstance(one, str) else f"{one[0]} to {one[-1]}" for one in keys)
    try:
        tensors = [
            parts[0] if isinstance(one, str) else torch.stack(parts)
            for one, parts in zip(keys, operands, strict=True)
        ]
        results = row.convert(*tensors{config}) if row.convert else tensors
        parameters = dict(zip(names, results, strict=True))
    except (IndexError, RuntimeError, ValueError) as error:  # other axes than its pattern
        shapes = (
            tuple(parts[0].shape) if isinstance(one, str) else (len(parts), *parts[0].shape)
            for one, parts in zip(keys, operands, strict=True)
        )
        shape = ", ".join(map(str, shapes))
        raise ValueError(f"{key} has the shape {shape}, which does not fit") from error
    for name, parameter in parameters.items():
        if parameter.shape != expected[name].shape:
            wanted, actual = tuple(expected[name].shape), tuple(parameter.shape)
            raise ValueError(f"{key} gives {name} the shape {actual}, not {wanted}")
    return parameters


def is_packed(tensor: Tensor) -> bool:
    """Whether a tensor may be quantised: it has no real numbers of 16 bits or more."""
    return tensor.dtype != torch.bool and not (
        tensor.is_floating_point() and tensor.element_size() > 1
    )


def quantised(key: str, tensor: Tensor) -> str:
    """What is wrong with a tensor of a quantised checkpoint, and what to do."""
    return (
        f"{key} is {tensor.dtype}: a quantised checkpoint cannot be loaded. Store it with numbers "
        "of 16 bits or more: in transformers, load it with a configuration that has "
        "dequantize=True, or call model.dequantize(), then model.save_pretrained(folder)"
    )


def written(state: Mapping[str, Tensor]) -> list[tuple[list[str], list[str], Row]]:
    """Which tensors are written for which parameters, in the order of these."""
    chosen: list[tuple[list[str], list[str], Row]] = []
    done = set(TIED)
    for copy, first in TIED.items():
        if copy in state and not torch.equal(state[copy], state[first]):
            raise ValueError(f"{copy} differs from {first}, to which it is tied: call tie(model)")
    for sources, names, row in lines(state):
        if done.isdisjoint(names):
            chosen.append((sources[0], names, row))
            done.update(names)
    left = sorted(state.keys() - done)
    if left:
        raise ValueError(
            f"no published tensor is for {', '.join(left[:5])} alone ({len(left)} in all)"
        )
    order = {name: number for number, name in enumerate(state)}
    return sorted(chosen, key=lambda one: order[one[1][0]])


def restored(
    sources: list[str],
    names: list[str],
    row: Row,
    state: Mapping[str, Tensor],
    model: nn.Module,
) -> dict[str, Tensor]:
    """The published tensors of parameters."""
    tensors = [state[name] for name in names]
    if row.restore:
        tensors = row.restore(*tensors{config})
    published: dict[str, Tensor] = {}
    for source, tensor in zip(sources, tensors, strict=True):
        parts = enumerate(tensor) if "*" in source else [(0, tensor)]
        published |= {source.replace("*", str(number)): part for number, part in parts}
    return published


class Checkpoint(Mapping[str, Tensor]):
    """The tensors of the files of a folder. Each is read when it is used, and kept by nobody.

    Raises FileNotFoundError where files are missing, ValueError where one cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        paths = files_of(folder)
        # Bytes that are read before a file is closed: few beside those of the whole.
        self.part = max(2**22, sum(path.stat().st_size for path in paths) // 256)
        self.files: dict[str, Path] = {}
        self.path: Path | None = None
        self.file: Any = None
        self.read = 0
        for path in paths:
            keys = self.opened(path, 0).keys()
            for key in keys:
                if key in self.files:
                    raise ValueError(f"{self.files[key]} and {path} both hold {key}")
                self.files[key] = path

    def __getitem__(self, key: str) -> Tensor:
        tensor: Tensor = self.opened(self.files[key], 0).get_tensor(key)
        self.read += tensor.nbytes
        return tensor

    def __contains__(self, key: object) -> bool:
        return key in self.files

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, key: str) -> Iterator[tuple[Any, Tensor]]:
        """A tensor, a large one in parts: the place of each and its numbers."""
        tensor = self[key]
        if tensor.nbytes <= self.part or not tensor.ndim:
            yield ..., tensor
            return
        count = max(1, len(tensor) * self.part // tensor.nbytes)
        size = count * tensor.nbytes // len(tensor)
        for start in range(0, len(tensor), count):
            place = slice(start, start + count)
            yield place, self.opened(self.files[key], size).get_slice(key)[place]

    def opened(self, path: Path, size: int) -> Any:
        """A file of which so many bytes are going to be read. After `part` bytes it is opened
        again: what was read of a file stays in memory as long as it is open.
        """
        from safetensors import SafetensorError, safe_open

        if path != self.path or self.read > self.part:
            self.file = None
            try:
                self.file = safe_open(path, "pt")
            except SafetensorError as error:
                raise ValueError(f"{path} is no whole .safetensors file: {error}") from error
            self.path, self.read = path, 0
        self.read += size
        return self.file


def files_of(folder: Path) -> list[Path]:
    """The files of a checkpoint: the only one, those that the index names, or all of the folder."""
    index = folder / "model.safetensors.index.json"
    files = sorted(folder.glob("*.safetensors"))
    if folder / "model.safetensors" in files:
        return [folder / "model.safetensors"]
    if index.exists():
        try:
            names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            files = sorted(folder / name for name in set(names))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{index} is no index of a checkpoint") from error
        missing = [path.name for path in files if not path.exists()]
        if missing:
            names = f"{', '.join(missing[:5])} ({len(missing)} in all)"
            raise FileNotFoundError(f"{folder} lacks files that its index names: {names}")
    if not files:
        raise FileNotFoundError(f"{folder} holds no .safetensors files")
    return files
'''

BESIDE = """\
    absent = [part for part in APART if not any(name.startswith(f"{part}.") for name in filled)]
    missing = [name for name in missing if name.split(".")[0] not in absent]
"""
WITHOUT = """\
    for part in APART:  # what stands apart is not in every checkpoint
        if not any(name.startswith(f"{part}.") for _, names, _ in chosen for name in names):
            delattr(model, part)
"""
