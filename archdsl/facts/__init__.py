"""Counts of a model, and what it takes to serve it, all computed from its graph.

| file | what it holds |
|---|---|
| `counts.py` | parameters, caches and states, FLOPs as written, layers |
| `seen.py` | how many keys a query sees, from masks |
| `work.py` | FLOPs as engines run them, what is read of the cache |
| `walk.py` | the walk that computes it |
| `known.py` | what the walk knows of a value |
| `tally.py` | work as the walk meets it |
| `step.py` | one node, as the walk meets it |
| `products.py` | what a sum of products costs, and what can be absorbed |
| `sums.py` | sums of products and rearrangements, axis by axis |
| `moves.py` | axes moved, joined, reduced, looked up |
| `entrywise.py` | operations on entries: positions, masks, what is hidden |
| `weights.py` | what parameters take, and what a step of decoding reads of them |
| `caches.py` | what decoding keeps: entries of caches, states |
| `devices.py` | what one of several devices holds |
| `layers.py` | what each layer costs |
| `serving.py` | what it takes to serve a model, and what fits |
| `steps.py` | what a body computes, and how often |
| `sizes.py` | dtypes, bytes and numbers of tokens as people write them |
| `table.py` | the rows: names, units, cards, expectations |
| `model.py` | the facts of a model, and as plain data |
"""

from archdsl.facts.counts import Costs, Counts, in_order
from archdsl.facts.model import Facts
from archdsl.facts.table import CARD_ROWS, FACTS, Fact, check_expectations

__all__ = [
    "CARD_ROWS", "FACTS", "Costs", "Counts", "Fact", "Facts", "check_expectations", "in_order",
]  # fmt: skip
