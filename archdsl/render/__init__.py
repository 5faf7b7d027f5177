"""Renderers: a scene as SVG text, PNG or PDF bytes. They read the scene and nothing else.

| file | what it holds |
|---|---|
| `svg.py` | SVG text |
| `outlines.py` | text as outlines of its letters |
| `png.py`, `pdf.py` | bytes of the SVG text |
| `tikz.py` | TikZ for LaTeX, to edit |
| `latex.py` | text as LaTeX |
| `missing.py` | the error for a library that the system lacks |
"""
