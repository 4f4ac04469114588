"""Describes a run on its page in MLflow, in Markdown: a strip of pictures, its scores, its figures at full size."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import urlencode

from gan_experiments.tracking.mlflow.shown import GLANCE

_FIGURES = tuple(f"figures/{name}.png" for name in ("samples", "losses", "histograms", "probabilities", "neighbours"))
"""Figures that describe a run, below the strip."""


def describe(run_id: str, artifacts: Container[str], scores: str) -> str:
    """Return the description of a run.

    Args:
        run_id: The run.
        artifacts: Its artifacts; the strip comes first, as MLflow shows a hundred pixels of its height at once.
        scores: Its scores in Markdown, or an empty string.
    """
    pictures = [_picture(run_id, name) for name in (GLANCE, *_FIGURES) if name in artifacts]
    return "\n\n".join(filter(None, [*pictures[:1], scores, *pictures[1:]]))


def is_ours(description: str) -> bool:
    """Return whether a description has nothing but what ``describe`` writes: no one has written another."""
    return all(part.startswith(("![", "| score ")) for part in description.split("\n\n") if part)


def _picture(run_id: str, name: str) -> str:
    return f"![](get-artifact?{urlencode({'path': name, 'run_uuid': run_id})})"
