"""Writes the weights of runs into their folders: checkpoints to resume from, and generators to use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_experiments.runs.run import Run
from gan_experiments.tracking.generator_files import write_generator
from gan_experiments.tracking.run_events import Headline, RunEvent, Scored
from gan_experiments.training import checkpoint
from gan_experiments.training.events import CheckpointDue, Completed
from gan_experiments.training.trainer import Trainer


class Checkpoints:
    """Writes ``checkpoint.pt``, what ``generators/`` keeps and, when a run is complete, ``generator/``.

    This consumer must come after the journal: on resume, everything before a checkpoint counts as recorded.

    Args:
        runs: The runs that train now, by number.
        trainer: Trains them.
    """

    def __init__(self, runs: Mapping[int, Run], trainer: Trainer) -> None:
        self._runs, self._trainer = runs, trainer

    def on(self, k: int, event: RunEvent) -> None:
        """Write what an event of run ``k`` asks for."""
        match event:
            case Scored(headline=best) if best is not None and self._runs[k].cfg.train.keep_best:
                self._keep_if_best(k, event, best)
            case CheckpointDue():
                self._save(k, event)
            case Completed():
                run = self._runs[k]
                best = run.directory.best_generator
                kept = run.cfg.train.keep_best and best.exists()
                weights = checkpoint.load(best)["generator"] if kept else self._weights(k)
                conditional = run.member.networks.classes is not None
                write_generator(run.directory, weights, run.config["model"], run.dataset.sample_space, conditional)

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
        checkpoint.save(path, kept | {"score": score.name, "value": score.value} | self._description(k))

    def _save(self, k: int, event: CheckpointDue) -> None:
        run = self._runs[k]
        if event.epoch > 0 and event.step == self._trainer.slot(k).length.end_of(event.epoch):
            path = run.directory.generator_after(event.epoch)
            checkpoint.save(path, {"generator": self._weights(k)} | self._description(k))
        checkpoint.save(run.directory.checkpoint, event.state | self._description(k))
        most = run.cfg.train.keep_checkpoints
        if most is not None:
            kept = run.directory.kept_generators()
            for old in kept[: max(len(kept) - most, 0)]:
                old.unlink()
