"""Variants to models: the concrete check, whose by-product is the model graph.

| file | what it holds |
|---|---|
| `instances.py` | the model of a variant and the expressions of its settings, from its bases too |
| `variants.py` | settings of a model as numbers, facts, the tiny size |
| `causality.py` | no token depends on a later one |
| `experts.py` | experts see tokens alone |
| `streaming.py` | one submodule for tensors that stream and for others |
| `verify.py` | rules that a model graph keeps |
| `modules.py` | one module for each distinct application of a block |
| `cards.py` | directives of `card`, with numbers in their texts |
| `weights.py` | lines of `hub ... weights`, checked against the model |
"""

from archdsl.elaborate.variants import elaborate, elaborate_all, tiny, verified

__all__ = ["elaborate", "elaborate_all", "tiny", "verified"]
