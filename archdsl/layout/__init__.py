"""Layout: measure, arrange, route, then the page.

| file | what it does |
|---|---|
| `measure.py` | how large a node is |
| `layers.py` | in which layer and column it stands |
| `route.py` | where its wires run |
| `arrange.py` | a diagram, groups within groups |
| `page.py` | a card: tower, insets, callouts, strip, facts |
"""
