"""Layout: measure, arrange, route, then the page.

| file | what it does |
|---|---|
| `measure.py` | how large a node is |
| `cells.py` | the places of a diagram's layers |
| `columns.py` | in which column each stands |
| `layers.py` | in which layer, and in which order there |
| `route.py` | where its wires run |
| `arrange.py` | a diagram, groups within groups |
| `page.py` | a card: tower, insets, callouts, strip, facts |
"""
