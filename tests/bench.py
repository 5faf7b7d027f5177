"""Times, as ratios measured in one run: `make bench`, or `python tests/bench.py [SECTION ...]`.

A ratio says the same on a fast and on a slow machine, a second does not. The runs of both sides
alternate, so that a busy moment of the machine meets both, and medians are compared.

    start   drawing one card, process and all, against `python -c pass` of the same environment
    size    drawing synthetic specs of up to 5,000 nodes: the time per node must not grow
    layout  arranging 1,000 boxes against 100: at most twenty times as long
    torch   the emitted module against the reference of transformers, at the shape of SmolLM2 135M

A line whose ratio is over its bound ends in OVER, and with --check the exit code is then 1.
"""

import argparse
import ctypes.util
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
CARD = "specs/llama.arch:Llama3_8B"
SMALL_MODEL = "smollm2-135m"
SIZES = (500, 1000, 2000, 5000)
PREFILL, DECODE = 128, 32


@dataclass(frozen=True, slots=True)
class Row:
    """One printed comparison: seconds of ours and of what it is compared with, and the bound."""

    name: str
    ours: float
    other: float
    bound: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.other

    @property
    def over(self) -> bool:
        return self.bound is not None and round(self.ratio, 2) > self.bound

    def __str__(self) -> str:
        bound = "" if self.bound is None else f"  bound {self.bound:g}{'  OVER' * self.over}"
        times = f"{1000 * self.ours:9.1f} ms : {1000 * self.other:7.1f} ms"
        return f"{self.name:44s} {self.ratio:7.2f} x  {times}{bound}"


def seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def medians(rounds: int, *runs: Callable[[], object]) -> list[float]:
    """The median seconds of each run; one round to warm up, then all of them in turn."""
    times = [[seconds(run) for run in runs] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def python(*arguments: str) -> None:
    """Run this environment's interpreter; an error of the program is an error of the bench.

    Bytecode is kept, as on a user's machine, whatever the shell that runs the bench says.
    """
    command = [sys.executable, *arguments]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr or done.stdout}")


def render(spec: str, output: Path) -> None:
    """Draw one card anew: an output that stands already might be skipped as unchanged."""
    output.unlink(missing_ok=True)
    python("-m", "archdsl", "render", spec, "-o", str(output))


def start(folder: Path) -> Iterator[Row]:
    """Rendering one card, process and all."""
    bounds = {"svg": 20.0, "png": None, "pdf": None}
    for suffix, bound in bounds.items():
        if suffix == "pdf" and not ctypes.util.find_library("cairo"):
            print("render pdf: left out, the system has no cairo")
            continue
        ours, bare = medians(
            25 if bound else 9,
            lambda suffix=suffix: render(CARD, folder / f"card.{suffix}"),
            lambda: python("-c", "pass"),
        )
        yield Row(f"render {suffix} : python -c pass", ours, bare, bound)


def size(folder: Path) -> Iterator[Row]:
    """Rendering long models, per node, against the smallest of them; start-up is taken off."""
    for shape, write in (("residuals", residuals), ("pipeline", pipeline)):
        total: dict[int, float] = {}
        for nodes in (0, *SIZES):
            spec = folder / f"{shape}_{nodes}.arch"
            spec.write_text(write(nodes), encoding="utf-8")
            [total[nodes]] = medians(
                3, lambda spec=spec: render(str(spec), spec.with_suffix(".svg"))
            )
        per_node = {nodes: (total[nodes] - total[0]) / nodes for nodes in SIZES}
        for nodes in SIZES[1:]:
            bound = 1.5 if nodes == SIZES[-1] else None
            name = f"a node of {nodes:,} : of {SIZES[0]} ({shape})"
            yield Row(name, per_node[nodes], per_node[SIZES[0]], bound)


HEAD = """use std.core: Linear, Embedding, RMSNorm
model Long(d = 64, vocab = 257)(stream tokens: int[B, T]) -> [B, T, vocab] {
  embed = Embedding(vocab, d)
  head = Linear(d, vocab)
"""
TAIL = '  return x |> head\n}\nvariant Long_1 = Long() { name: "Long" }\n'


def residuals(nodes: int) -> str:
    """A spec of about `nodes` nodes: a norm, a matrix and a residual again and again."""
    layers = range(nodes // 3)
    made = "".join(f"  norm_{i} = RMSNorm(d)\n  mix_{i} = Linear(d, d)\n" for i in layers)
    used = "".join(f"  x += x |> norm_{i} |> mix_{i}\n" for i in layers)
    return f"{HEAD}{made}  x = embed(tokens)\n{used}{TAIL}"


def pipeline(nodes: int) -> str:
    """A spec of about `nodes` nodes: one expression, every matrix behind the other."""
    made = "".join(f"  mix_{i} = Linear(d, d)\n" for i in range(nodes))
    used = "".join(f"\n    |> mix_{i}" for i in range(nodes))
    return f"{HEAD}{made}  x = tokens |> embed{used}\n{TAIL}"


def layout(_: Path) -> Iterator[Row]:
    """Arranging a wide diagram of 1,000 boxes against one of 100."""
    import drawn
    from archdsl.layout.arrange import arrange
    from archdsl.theme import Sizes

    few, many = drawn.ladder(100), drawn.ladder(1000)
    large, small = medians(3, lambda: arrange(many, Sizes()), lambda: arrange(few, Sizes()))
    yield Row("layout of 1,000 boxes : of 100", large, small, 20.0)


def torch(folder: Path) -> Iterator[Row]:
    """Prefill and decoding of the emitted module against the reference class, weights random."""
    import torch

    import reference

    config, counts = reference.official(SMALL_MODEL)
    python("-m", "archdsl", "torch", f"specs/{counts['spec']}", "-o", str(folder / "model.py"))
    emitted = module_from(folder / "model.py")
    torch.manual_seed(0)
    ours = emitted.Model(emitted.Config()).eval()
    theirs = reference.from_config(config)
    tokens = torch.randint(0, config["vocab_size"], (1, PREFILL + DECODE))

    def prefill_theirs() -> object:
        return theirs(input_ids=tokens[:, :PREFILL], use_cache=False)

    def decode_ours(cache: object) -> None:
        for t in range(PREFILL, PREFILL + DECODE):
            ours(tokens[:, t : t + 1], cache=cache)

    def decode_theirs(cache: object) -> None:
        for t in range(PREFILL, PREFILL + DECODE):
            theirs(input_ids=tokens[:, t : t + 1], past_key_values=cache, use_cache=True)

    def filled() -> tuple[object, object]:
        cache = ours.new_cache(1, PREFILL + DECODE)
        ours(tokens[:, :PREFILL], cache=cache)
        return cache, theirs(input_ids=tokens[:, :PREFILL], use_cache=True).past_key_values

    with torch.inference_mode():
        a, b = medians(7, lambda: ours(tokens[:, :PREFILL]), prefill_theirs)
        yield Row(f"emitted : reference, forward of {PREFILL} tokens", a, b, 1.0)
        times = []
        for _ in range(6):
            mine, other = filled()
            times.append(
                (seconds(lambda c=mine: decode_ours(c)), seconds(lambda c=other: decode_theirs(c)))
            )
        a, b = (statistics.median(column) for column in zip(*times[1:], strict=True))
        yield Row(f"emitted : reference, decoding {DECODE} tokens", a, b, 1.0)


def module_from(path: Path) -> ModuleType:
    """Import a Python file by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


SECTIONS = {"start": start, "size": size, "layout": layout, "torch": torch}


def main() -> None:
    parser = argparse.ArgumentParser(description="Times as ratios measured in one run.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--check", action="store_true", help="exit code 1 if a bound is passed")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    rows = []
    python("-m", "archdsl.prepare")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.sections or SECTIONS:
            for row in SECTIONS[name](Path(folder)):
                print(row, flush=True)
                rows.append(row)
    if arguments.check and any(row.over for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
