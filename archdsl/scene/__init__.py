"""The scene: finished shapes with positions. Renderers read `shapes.py`, the rest draws it."""
