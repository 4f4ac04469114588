"""Writes the weights of runs into their folders: checkpoints to resume from, and generators to use."""

from __future__ import annotations

from collections.abc import Sequence

from gan_experiments.runs.run import Run
from gan_experiments.tracking.generator_files import write_generator
from gan_experiments.tracking.run_events import RunEvent
from gan_experiments.training import checkpoint
from gan_experiments.training.events import CheckpointDue, Completed
from gan_experiments.training.trainer import Trainer


class Checkpoints:
    """Writes ``checkpoint.pt``, ``generators/epoch-NNNN.pt`` and, when a run is complete, ``generator/``.

    This consumer must come after the journal: on resume, everything before a checkpoint counts as recorded.

    Args:
        runs: The runs.
        trainer: Trains them.
    """

    def __init__(self, runs: Sequence[Run], trainer: Trainer) -> None:
        self._runs, self._trainer = runs, trainer

    def on(self, k: int, event: RunEvent) -> None:
        """Write what an event of run ``k`` asks for."""
        match event:
            case CheckpointDue():
                self._save(k, event)
            case Completed():
                run = self._runs[k]
                write_generator(
                    run.directory, self._trainer.generator(k), run.config["model"], run.dataset.sample_space
                )

    def _save(self, k: int, event: CheckpointDue) -> None:
        run = self._runs[k]
        description = {"config": run.config} | run.dataset.sample_space.description()
        if event.epoch > 0 and event.step == self._trainer.schedule.end_of(event.epoch):
            weights = {"generator": self._trainer.generator(k).state_dict()}
            checkpoint.save(run.directory.generators / f"epoch-{event.epoch:04d}.pt", weights | description)
        checkpoint.save(run.directory.checkpoint, event.state | description)
