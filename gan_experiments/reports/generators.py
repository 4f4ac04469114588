"""The final generators of many runs, drawn from one z."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from hydra.errors import InstantiationException

from gan_experiments.models.conditioning import labels_in_turn
from gan_experiments.reports.record import RunRecord
from gan_experiments.tracking.mlflow.served_generator import ServedGenerator, build_generator, read_description

_SEED = 0
"""Seed of the z that all runs share."""


class Generators:
    """Draws samples of runs from the same z, with networks that are built once for all runs that have the same.

    z ~ N(0, I) has the largest latent size among the runs, and a run with a smaller one takes its first coordinates.

    Args:
        records: The runs; those without a final generator, and those whose architecture cannot be imported here, have
            no samples.
        most: The largest number of samples that is drawn of any of them.
    """

    def __init__(self, records: Sequence[RunRecord], most: int) -> None:
        self._built: dict[str, ServedGenerator | None] = {}
        self._of = {id(record): self._build(record) for record in records}
        widest = max((each.latent_dim for each in self._built.values() if each is not None), default=0)
        self._z = np.random.default_rng(_SEED).standard_normal((most, widest), np.float32)

    def _build(self, record: RunRecord) -> ServedGenerator | None:
        folder = record.directory.generator
        if not (record.outcome.finished and folder.is_dir()):
            return None
        description: dict[str, Any] = read_description(folder)
        known = json.dumps(description, sort_keys=True)
        if known not in self._built:
            try:
                self._built[known] = build_generator(description)
            except (ImportError, InstantiationException):  # a user's own architecture, not importable from here
                self._built[known] = None
        return self._built[known]

    def has(self, record: RunRecord) -> bool:
        """Tell whether a run has samples."""
        return self._of.get(id(record)) is not None

    def classes(self, record: RunRecord) -> int | None:
        """Return the number of classes that a run's generator draws in turn; None for one without labels."""
        generator = self._of[id(record)]
        return None if generator is None else generator.classes

    def draw(self, record: RunRecord, count: int) -> np.ndarray:
        """Draw samples of a run that has them: uint8 ``[count, C, H, W]`` or float32 ``[count, D]``."""
        generator = self._of[id(record)]
        assert generator is not None
        generator.load(record.directory.generator)
        latents = self._z[:count, : generator.latent_dim]
        if generator.classes is None:
            return generator.predict(latents)
        return generator.predict({"latents": latents, "labels": labels_in_turn(count, generator.classes).numpy()})
