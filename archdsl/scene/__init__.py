"""The scene: finished shapes with positions. Renderers read `shapes.py`, the rest draws it.

| file | what it holds |
|---|---|
| `shapes.py` | every shape |
| `card.py` | a card from its page |
| `draw.py` | nodes, wires, leaders |
| `panel.py` | the facts, the strip, the header |
| `scaled.py` | models to one scale |
| `series.py` | figures of several models side by side |
| `verify.py` | the rules of geometry and colours |
"""
