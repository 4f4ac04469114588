"""Writes the weights of runs into their folders: checkpoints to resume from, and generators to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from gan_experiments.runs.run import Run
from gan_experiments.tracking.generator_files import write_generator
from gan_experiments.tracking.run_directory import epoch_of
from gan_experiments.tracking.run_events import Headline, RunEvent, Scored
from gan_experiments.training import checkpoint
from gan_experiments.training.events import CheckpointDue, Completed, EpochFinished
from gan_experiments.training.run_length import RunLength
from gan_experiments.training.trainer import Trainer

SHORT = 2000
"""Steps up to which a run keeps no states for those who repeat a part of it: all of it is repeated soon."""


class Checkpoints:
    """Writes ``checkpoint.pt``, what ``generators/`` keeps and, when a run is complete, ``generator/``.

    Of long runs it also keeps two whole states in ``proof/``, from which a part of the training can be repeated.
    This consumer must come after the journal: on resume, everything before a checkpoint counts as recorded.

    Args:
        runs: The runs that train now, by number.
        trainer: Trains them.
        writing: Makes the context in which some files of a run are written, or removed.
    """

    def __init__(
        self, runs: Mapping[int, Run], trainer: Trainer, writing: Callable[..., AbstractContextManager[None]]
    ) -> None:
        self._runs, self._trainer, self._writing = runs, trainer, writing

    def on(self, k: int, event: RunEvent) -> None:
        """Write what an event of run ``k`` asks for."""
        match event:
            case Scored(headline=best) if best is not None and self._runs[k].cfg.train.keep_best:
                self._keep_if_best(k, event, best)
            case CheckpointDue():
                self._save(k, event)
            case EpochFinished() if event.epoch in epochs_with_states(self._trainer.slot(k).length):
                path = self._runs[k].directory.state_after(event.step)
                with self._writing(k, path):
                    checkpoint.save(path, self._trainer.state(k) | self._description(k))
            case Completed():
                run = self._runs[k]
                best = run.directory.best_generator
                kept = run.cfg.train.keep_best and best.exists()
                weights = checkpoint.load(best)["generator"] if kept else self._weights(k)
                conditional = run.member.networks.classes is not None
                with self._writing(k, *run.directory.served_generator()):
                    write_generator(
                        run.directory, weights, run.config["model"], run.dataset.sample_space, conditional
                    )

    def _weights(self, k: int) -> dict[str, Any]:
        return self._trainer.generator(k).state_dict()

    def _description(self, k: int) -> dict[str, Any]:
        run = self._runs[k]
        return {"config": run.config} | run.dataset.sample_space.description()

    def _keep_if_best(self, k: int, event: Scored, score: Headline) -> None:
        """Keep the generator whose score is the best so far; of equal ones the first."""
        path = self._runs[k].directory.best_generator
        if path.exists():
            before = checkpoint.load(path)
            # A run that was killed after this file was written scores the same epochs again.
            known = before["score"] == score.name and before["step"] < event.step
            if known and not score.better_than(before["value"]):
                return
        kept = {"generator": self._weights(k), "step": event.step, "epoch": event.epoch}
        with self._writing(k, path):
            checkpoint.save(path, kept | {"score": score.name, "value": score.value} | self._description(k))

    def _save(self, k: int, event: CheckpointDue) -> None:
        run = self._runs[k]
        directory, generator = run.directory, None
        if event.epoch > 0 and event.step == self._trainer.slot(k).length.end_of(event.epoch):
            generator = directory.generator_after(event.epoch)
        kept = {*directory.kept_generators(), *filter(None, [generator])}
        most = run.cfg.train.keep_checkpoints
        old = [] if most is None else sorted(kept, key=epoch_of)[: max(len(kept) - most, 0)]
        with self._writing(k, directory.checkpoint, *filter(None, [generator]), *old):
            if generator is not None:
                checkpoint.save(generator, {"generator": self._weights(k)} | self._description(k))
            checkpoint.save(directory.checkpoint, event.state | self._description(k))
            for file in old:
                file.unlink()


def epochs_with_states(length: RunLength) -> set[int]:
    """Return the epochs after which a run keeps its whole state: its middle, and the one before the last."""
    return set() if length.total_steps <= SHORT else {length.epochs // 2, length.epochs - 1} - {0}
