"""Sweeps: many runs as one thing, opened, followed, resumed and closed together."""
