"""The view: what a card shows of a model, before anything has a position."""
