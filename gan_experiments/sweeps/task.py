"""The task that Hydra calls for each run: trains it by itself, or as a job of a sweep."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gan_experiments.configuration import command_line
from gan_experiments.configuration.override import listed
from gan_experiments.configuration.validation import validate
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_log import note


class TrainRun:
    """Trains one run.

    Launchers know this task by its class: they may train several runs as one program, which they cannot do with the
    task of another program.
    """

    def __init__(self) -> None:
        self._state: dict[str, Any] | None = None

    def resume_from(self, state: dict[str, Any] | None) -> None:
        """Take over the checkpoint that was read and checked before a single run started; None for a new run."""
        self._state = state

    def __call__(self, cfg: DictConfig) -> float | None:
        """Train the run that Hydra has composed; return what it is judged by, G's mean loss over the last epoch."""
        # With hydra.job.chdir Hydra has gone to the run's folder; relative paths mean the one of the command.
        folder = Path(HydraConfig.get().runtime.cwd)
        with chdir(folder if folder.is_dir() else Path.cwd()):  # another machine may not have it
            return self._train(cfg)

    def _train(self, cfg: DictConfig) -> float | None:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            return self._train_job(cfg)
        with command_line.user_errors(), _noted(RunDirectory(HydraConfig.get().runtime.output_dir)):
            return self._train_run(cfg)  # in a single run Hydra has nothing to add

    def _train_run(self, cfg: DictConfig) -> float:
        from gan_experiments.runs.run import Run
        from gan_experiments.runs.train import train_run

        hydra = HydraConfig.get()
        run = Run(cfg, Path(hydra.runtime.output_dir), listed(hydra.overrides.task))
        run.state, self._state = self._state, None  # the configuration, too, is checked: callbacks.Preflight
        return train_run(run)

    def _train_job(self, cfg: DictConfig) -> float:
        validate(cfg)  # here, because a sweeper that searches has chosen the values after the sweep was checked
        from gan_experiments.runs.run import Run
        from gan_experiments.runs.train import train_run
        from gan_experiments.sweeps.membership import join

        hydra = HydraConfig.get()
        folder, overrides = Path(hydra.runtime.output_dir), listed(hydra.overrides.task)
        place = join(Path(hydra.runtime.cwd, hydra.sweep.dir), folder, overrides)
        if place.result is not None:
            return place.result
        place.settle(cfg)
        return train_run(Run(cfg, folder, overrides, place.name, place.tags))


@contextmanager
def _noted(directory: RunDirectory) -> Iterator[None]:
    """Add an error to the log of the run that it ends."""
    try:
        yield
    except Exception as error:
        line = command_line.describe(error)
        note(directory, f"error: {line}" if line else traceback.format_exc().rstrip(), logging.ERROR)
        raise
