"""The lengths of a sweep's runs, in steps and epochs."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig

from gan_experiments.configuration.override import read
from gan_experiments.runs.how_far import length_of
from gan_experiments.sweeps import plan
from gan_experiments.sweeps.search.schedule import Length

_TELLING = ("train.epochs", "train.batch_size", "train.discriminator_steps")
_TELLING_BELOW = ("data.", "evaluate.")


class Lengths:
    """Lengths of jobs by their overrides; of those that differ in nothing that matters one is composed.

    Args:
        config: Hydra's configuration of the sweep.
    """

    def __init__(self, config: DictConfig) -> None:
        self._config = config
        self._known: dict[tuple[str, ...], Length] = {}

    def of(self, job: Sequence[str]) -> Length:
        """Return the length of a job's run."""
        key = telling(job)
        if key not in self._known:
            (cfg,) = plan.compose(self._config, [job])
            self._known[key] = length_of(cfg)
        return self._known[key]


def telling(job: Sequence[str]) -> tuple[str, ...]:
    """Return those of a job's overrides on which its length, its data and its scores may depend."""
    return tuple(
        override.text
        for override in read(job)
        if override.is_option or override.key in _TELLING or override.key.startswith(_TELLING_BELOW)
    )
