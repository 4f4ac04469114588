"""Writes scores into a run's journal, from where they reach trackers: each once, like everything else."""

from __future__ import annotations

from typing import Any

import numpy as np

from gan_experiments.tracking.journal import Journal
from gan_experiments.tracking.run_directory import RunDirectory, write_atomically

NEIGHBOURS = "figures/neighbours.png"
"""Artifact with generated images, each above its nearest training image."""


def record_scores(
    journal: Journal,
    *,
    key: str,
    step: int,
    epoch: float,
    metrics: dict[str, float],
    tags: dict[str, str],
    details: dict[str, Any],
    headline: str | None,
) -> None:
    """Record scores, once for each key and step.

    Args:
        journal: The run's journal.
        key: Name of the evaluation's settings: scores of other settings have another.
        step: Steps that the generator was trained for.
        epoch: Epochs that the generator was trained for.
        metrics: Values and errors, by their MLflow names.
        tags: Settings of the measurement, by the names of tags in MLflow.
        details: Everything there is to know, for the journal alone.
        headline: MLflow name of the score that the generator is judged by, or None.
    """
    journal.append("metrics", key=key, step=step, epoch=epoch, values=metrics, details=details, headline=headline)
    journal.append("tags", key=" ".join((key, *tags.values())), step=0, epoch=0, values=tags)


def keep_neighbours(journal: Journal, directory: RunDirectory, step: int, epoch: float, pairs: np.ndarray) -> None:
    """Record a picture of generated images and their nearest training images: uint8 ``[2, n, C, H, W]``."""
    from gan_experiments.tracking.pictures import images

    columns = 10
    rows = [side[start : start + columns] for start in range(0, pairs.shape[1], columns) for side in pairs]
    picture = images.sample_grid(np.concatenate(rows), columns)
    write_atomically(directory.artifacts / NEIGHBOURS, images.png(picture))
    journal.append("figure", key=NEIGHBOURS, step=step, epoch=epoch, file=NEIGHBOURS)
