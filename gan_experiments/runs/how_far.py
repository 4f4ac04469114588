"""How long a run will be, and how far one has come that was broken off."""

from __future__ import annotations

from typing import cast

from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.load import load_data
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint
from gan_experiments.training.run_length import RunLength


def length_of(cfg: DictConfig) -> RunLength:
    """Return the length of the run that a configuration describes."""
    return RunLength.of(len(load_data(cfg.data)), cast(TrainConfig, OmegaConf.to_object(cfg.train)))


def saved_step(directory: RunDirectory) -> int:
    """Return the step of a run's checkpoint, or 0 if it has none.

    Raises:
        UserError: It cannot be read.
    """
    return checkpoint.load(directory.checkpoint)["step"] if directory.checkpoint.is_file() else 0
