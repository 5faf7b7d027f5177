"""Model graph to PyTorch source: one file that needs only torch, written to be read.

| file | what it holds |
|---|---|
| `names.py` | safe names, axis letters, docstrings |
| `uses.py`, `lines.py` | what text uses of what stands around it; statements as records |
| `spell.py` | dimensions and numbers as Python expressions |
| `rearrange.py` | axes patterns as views |
| `plan.py` | what is decided of modules: what they keep, take, are handed |
| `content.py` | which modules are one class or one function: those of one content |
| `unit.py`, `arguments.py` | a class or a function as records; what it is passed, in its words |
| `decide.py` | the units of a file, decided one after another |
| `body.py` | nodes as statements of `forward` |
| `context.py` | what blocks are given |
| `precomputed.py` | what is computed with the first tokens only |
| `calls.py` | applications, stacks, what is kept |
| `intrinsics.py`, `masks.py` | fused kernels, the masks that they need not be passed |
| `repeat.py` | windows, scans, loops |
| `init.py`, `tables.py`, `places.py` | `__init__`; constants; places in the cache |
| `limits.py` | conditions on the lengths of inputs |
| `classes.py` | a decided unit as a class or a function |
| `checkpoint.py`, `loading.py` | the map of published keys; `load` and `save` |
| `helpers.py` | functions that the file brings along |
| `running.py`, `at_once.py`, `trial.py` | `generate`; the smoke test, and what is fed to it |
| `shell.py`, `wrap.py` | the file: header, Config, Model; long lines |
"""

from archdsl.emit.shell import emit

__all__ = ["emit"]
