"""Model graph to PyTorch source: one file that needs only torch, written to be read.

| file | what it holds |
|---|---|
| `names.py` | safe names, axis letters, docstrings |
| `spell.py` | dimensions and numbers as Python expressions |
| `rearrange.py` | axes patterns as views |
| `plan.py` | which blocks become classes, which functions |
| `body.py` | nodes as statements of `forward` |
| `calls.py` | applications, stacks, what is kept |
| `intrinsics.py` | fused kernels |
| `classes.py` | the text of classes and functions |
| `checkpoint.py` | the map of published keys, `load` |
| `repeat.py` | windows, scans, loops |
| `helpers.py` | functions that the file brings along |
| `shell.py` | the file: header, Config, Model, smoke test |
"""

from archdsl.emit.shell import emit

__all__ = ["emit"]
