"""Layout: measure, arrange, route, then the page.

| file | what it does |
|---|---|
| `measure.py` | how large a node is |
| `cells.py` | the places of a diagram's layers |
| `columns.py` | in which column each stands |
| `layers.py` | in which layer, and in which order there |
| `routes.py` | wires before heights are known |
| `straighten.py` | short jogs of wires go |
| `route.py` | where its wires run |
| `crossings.py` | where wires part and cross |
| `labels.py` | where the wires' labels stand |
| `arrange.py` | a diagram, groups within groups |
| `leaders.py` | dotted lines from nodes to what speaks of them |
| `schedule.py` | the strip of layers and its legend |
| `panel.py` | sizes of the facts and of the header's lines |
| `column.py` | one column, for a paper |
| `items.py` | insets and callouts with their sizes |
| `composition.py` | the ways to put them on a page |
| `narrow.py` | diagrams and legends made narrow |
| `figure.py` | a figure for a place of a given size |
| `scale.py` | models side by side, to one scale |
| `page.py` | a card: tower, insets, callouts, strip, facts |
"""
