"""A run made by hand: the events of a training that never was, so that every value is known beforehand.

``python hand_made.py FOLDER URI EPOCH`` records such a run up to an epoch and then kills itself.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_experiments.configuration.schema import TrackingConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.models import mlp
from gan_experiments.tracking.generator_files import write_generator
from gan_experiments.tracking.last_lines import LastLines
from gan_experiments.tracking.metadata import RunDescription
from gan_experiments.tracking.mlflow.shown import metric_name
from gan_experiments.tracking.progress import progress_of
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import ALL_EPOCHS, Consumer, Ended, Joined, RunEvent, Tally
from gan_experiments.tracking.stack_recorder import StackRecorder
from gan_experiments.training.events import (
    CheckpointDue,
    EpochFinished,
    Event,
    ProbabilitiesTaken,
    SamplesDrawn,
    StepsFinished,
)

STEPS = 7
"""Steps of an epoch."""
MODEL = {
    "_target_": "gan_experiments.models.mlp.build",
    "name": "mlp",
    "latent_dim": 3,
    "generator_widths": [8],
    "discriminator_widths": [8],
    "negative_slope": 0.2,
    "dropout": 0.0,
}
METRICS = ("loss/discriminator", "loss/generator", "prob/real", "prob/fake", "speed/steps_per_second")


class HandMadeRun:
    """Records a run of which every value is known beforehand."""

    def __init__(self, path: Path, uri: str | None, *, epochs: int = 6, points: bool = False, timeout: float = 300):
        self.name = "lr=0.1"
        self.directory = RunDirectory(path)
        self.epochs = epochs
        samples = torch.linspace(0, 1, 60).view(30, 2) if points else torch.arange(30 * 64).remainder(256)
        self.dataset = Dataset(
            "dots", samples if points else samples.view(30, 1, 8, 8).to(torch.uint8), source="here"
        )
        self.tracking = TrackingConfig(
            name="test", uri=uri, log_every=5, sample_every=2, system_metrics=False, timeout=timeout
        )
        self.tracking.tags = {"mood": "hopeful"}
        self.config: dict[str, Any] = {
            "model": MODEL,
            "train": {"epochs": epochs, "betas": [0.9, 0.999]},
            "seed": None,
        }
        self.generator = mlp.build(self.dataset.sample_shape, **{k: v for k, v in MODEL.items() if k != "_target_"})

    def description(self) -> RunDescription:
        return RunDescription(
            name=self.name,
            config=self.config,
            tracking=self.tracking,
            dataset=self.dataset,
            overrides=["train.lr=0.1"],
            device="cpu",
            total_steps=self.epochs * STEPS,
        )

    def keep(self, generator: torch.nn.Module) -> None:
        """Write the generator of a run that is complete."""
        write_generator(self.directory, generator.state_dict(), self.config["model"], self.dataset.sample_space)

    def recorder(self, resumed_from: int = 0) -> HandMadeRecorder:
        return HandMadeRecorder(self, resumed_from)

    def events(self, first_epoch: int, last_epoch: int) -> Iterator[Event]:
        """What a trainer would say from the start of one epoch to the end of another."""
        if first_epoch == 1:
            yield SamplesDrawn(0, 0, self.dataset.samples[:9])
        for epoch in range(first_epoch, last_epoch + 1):
            end = epoch * STEPS
            yield self._window(end - STEPS + 1, 4, epoch)
            yield self._window(end - 2, 3, epoch)
            values = {name: epoch + index / 10 for index, name in enumerate(METRICS)}
            counts = np.arange(50) + epoch
            yield EpochFinished(end, epoch, values, counts, counts[::-1].copy())
            if epoch % 2 == 0:
                yield SamplesDrawn(end, epoch, self.dataset.samples[:9])
                yield CheckpointDue(end, epoch, {})
        if last_epoch == self.epochs:
            probabilities = np.linspace(0.2, 0.8, 10, dtype=np.float32)
            yield ProbabilitiesTaken(self.epochs * STEPS, self.epochs, probabilities, probabilities[:4])

    @staticmethod
    def _window(first: int, count: int, epoch: int) -> StepsFinished:
        steps = np.arange(first, first + count, dtype=np.float32)
        half = np.full(count, 0.5, np.float32)
        return StepsFinished(first + count - 1, float(epoch), steps / 7, -steps, half, half, 100.0)

    def record(self) -> None:
        """The whole run at once."""
        recorder = self.recorder()
        recorder.open()
        for event in self.events(1, self.epochs):
            recorder.record(event)
        recorder.close("FINISHED", generator=self.generator.generator)

    def expected_metrics(self) -> dict[str, list[tuple[int, float]]]:
        """Every (step, value) of every metric, by the name that it has in the journal."""
        epochs = range(1, self.epochs + 1)
        expected = {
            name: [(epoch * STEPS, epoch + index / 10) for epoch in epochs] for index, name in enumerate(METRICS)
        }
        expected["epoch"] = [(epoch * STEPS, float(epoch)) for epoch in epochs]
        logged = range(5, self.epochs * STEPS + 1, 5)
        expected["loss_step/discriminator"] = [(step, float(np.float32(step) / np.float32(7))) for step in logged]
        expected["loss_step/generator"] = [(step, -float(step)) for step in logged]
        return expected

    def expected_in_mlflow(self) -> dict[str, list[tuple[int, float]]]:
        """The same by the names that MLflow must have."""
        return {metric_name(name): points for name, points in self.expected_metrics().items()}


class HandMadeRecorder:
    """Tells the consumers of a run's events what the life of a run tells them, without training."""

    def __init__(self, run: HandMadeRun, resumed_from: int) -> None:
        self._run, self._resumed_from = run, resumed_from
        self._stack = HandMadeStack(1)

    def open(self) -> None:
        self._stack.join(0, self._run, self._resumed_from)

    def record(self, event: RunEvent) -> None:
        self._stack.on(0, event)

    def close(self, status: str, reason: str = ALL_EPOCHS, generator: torch.nn.Module | None = None) -> None:
        if generator is not None:
            self._run.keep(generator)
        self.record(Ended(status, reason))
        self._stack.close()


class HandMadeStack:
    """The same of the runs that pass through the slots of a stack."""

    def __init__(self, slots: int, tally: Callable[[], Tally] | None = None) -> None:
        self.slots = slots
        self.records, self._progress = StackRecorder(slots), progress_of(slots, tally)
        self._last_lines = LastLines(slots)
        self._consumers: list[Consumer] = [self.records, self._progress, self._last_lines]

    def join(self, k: int, run: HandMadeRun, step: int = 0) -> None:
        self.on(k, Joined(run.directory, run.description(), step, self.slots))

    def on(self, k: int, event: RunEvent) -> None:
        for consumer in self._consumers:
            consumer.on(k, event)

    def close(self) -> None:
        self._progress.close()
        complaints = self.records.finish()
        self._last_lines.print()
        for complaint in complaints:
            print(complaint, file=sys.stderr)


def stored_metrics(uri: str) -> dict[str, list[tuple[int, float]]]:
    """Every row of metrics in a database, duplicates included, by metric."""
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection:
        rows = connection.execute("SELECT key, step, value FROM metrics ORDER BY key, step").fetchall()
    stored: dict[str, list[tuple[int, float]]] = {}
    for key, step, value in rows:
        stored.setdefault(key, []).append((step, value))
    return stored


if __name__ == "__main__":
    folder, uri, last_epoch = sys.argv[1:]
    run = HandMadeRun(Path(folder), uri)
    recorder = run.recorder()
    recorder.open()
    for event in run.events(1, int(last_epoch)):
        recorder.record(event)
    os.kill(os.getpid(), signal.SIGKILL)
