"""Renderers: a scene as SVG text, PNG or PDF bytes. They read the scene and nothing else."""
