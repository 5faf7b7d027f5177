"""Model graph to PyTorch source: one file that needs only torch, written to be read.

| file | what it holds |
|---|---|
| `names.py` | safe names, axis letters, docstrings |
| `spell.py` | dimensions and numbers as Python expressions |
| `uses.py`, `lines.py` | what text uses; statements as records |
| `rearrange.py` | axes patterns as views |
| `plan.py` | which blocks become classes, which functions |
| `body.py` | nodes as statements of `forward` |
| `context.py` | what blocks are given |
| `precomputed.py` | what is computed with the first tokens only |
| `calls.py` | applications, stacks, what is kept |
| `intrinsics.py`, `masks.py` | fused kernels, the masks that they need not be told |
| `classes.py` | the text of classes and functions |
| `checkpoint.py` | the map of published keys, `load` |
| `repeat.py` | windows, scans, loops |
| `helpers.py` | functions that the file brings along |
| `running.py`, `at_once.py` | `generate`, the smoke test; the same for models without a stream |
| `trial.py`, `limits.py` | what the smoke test draws; conditions on lengths |
| `wrap.py` | long lines |
| `shell.py` | the file: header, Config, Model |
"""

from archdsl.emit.shell import emit

__all__ = ["emit"]
