"""Takes what training reports of one run into the run's folder."""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Sequence
from typing import Any

import filelock
import numpy as np
import torch
import yaml
from torch import nn

from gan_experiments.configuration.schema import TrackingConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.tracking.journal import WARNING, Journal, Line, read
from gan_experiments.tracking.metadata import describe, flatten, origin
from gan_experiments.tracking.run_directory import RunDirectory, read_json, write_atomically, write_json
from gan_experiments.tracking.scored import keep_neighbours, record_scores
from gan_experiments.training.events import (
    CheckpointDue,
    EpochFinished,
    Event,
    ProbabilitiesTaken,
    SamplesDrawn,
    StepsFinished,
)

_REAL_POINTS = 2000


class Recorder:
    """Records one run. Whatever draws and delivers reads what this writes.

    Args:
        directory: The run's folder.
        config: The whole composed configuration as a plain container.
        tracking: Its ``tracking`` group, with an absolute URI (``check_uri``), or None for no delivery.
        dataset: What is learnt.
        total_steps: Steps of the whole run.
        name: The run's name.
        overrides: What the person asked for, as Hydra lists it.
        device: What the run computes on.
        resumed_from: The step of the checkpoint that this process continues from, or 0.

    Attributes:
        directory: The run's folder.
        tracking: Where and how it is recorded.
        name: The run's name.
        total_steps: Steps of the whole run.
        epochs: Epochs of the whole run.
        resumed_from: As given.
    """

    def __init__(
        self,
        directory: RunDirectory,
        config: dict[str, Any],
        tracking: TrackingConfig,
        dataset: Dataset,
        *,
        total_steps: int,
        name: str,
        overrides: Sequence[str],
        device: str,
        resumed_from: int = 0,
    ) -> None:
        self.directory, self.tracking, self.name = directory, tracking, name
        self.total_steps, self.epochs, self.resumed_from = total_steps, int(config["train"]["epochs"]), resumed_from
        self._config, self._dataset, self._overrides, self._device = config, dataset, overrides, device
        self._session = uuid.uuid4().hex
        self._step, self._epoch = resumed_from, 0.0
        self._lock = filelock.FileLock(directory.lock, timeout=0)

    def claim(self) -> None:
        """Take the folder for this process, until ``release``.

        Raises:
            UserError: Another process is training there.
        """
        self.directory.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise UserError(f"another process is training in {self.directory.path}; wait, or end it") from error

    def release(self) -> None:
        """Leave the folder to others."""
        self._lock.release()

    def open(self, members: int = 1) -> None:
        """Write down what the run is; the folder must be claimed.

        Args:
            members: How many runs train as one with this one, itself included.
        """
        self._identify()
        self._journal = Journal(self.directory.journal)
        self._losses = self.directory.losses.open("r+b" if self.directory.losses.exists() else "w+b")
        self._describe(members)

    def _identify(self) -> None:
        """Write run.json; a resumed run keeps its name and identity and may go on to another server."""
        known = read_json(self.directory.run) if self.directory.run.exists() else {}
        fresh = {"name": self.name, "experiment": self.tracking.experiment, "nonce": uuid.uuid4().hex}
        current = {
            "uri": self.tracking.uri,
            "timeout": self.tracking.timeout,
            "sample_every": self.tracking.sample_every,
            "total_steps": self.total_steps,
            "epochs": self.epochs,
            "is_image": self._dataset.is_image,
        }
        write_json(self.directory.run, fresh | known | current)

    def _describe(self, members: int) -> None:
        config = yaml.safe_dump(self._config, sort_keys=False)
        write_atomically(self.directory.artifacts / "config" / "config.yaml", config.encode())
        tags = origin(self._overrides, self._device, self.directory.path) | self.tracking.tags
        if not self._dataset.is_image:
            self._keep_real_points()
        self._append("params", values=flatten(self._config))
        self._append("tags", values=tags)
        self._append("dataset", **describe(self._dataset))
        self._append("session", key=self._session, members=members)

    def _keep_real_points(self) -> None:
        """What pictures of generated points are drawn over."""
        content = io.BytesIO()
        np.save(content, self._dataset.samples[:_REAL_POINTS].cpu().numpy())
        write_atomically(self.directory.real_points, content.getvalue())

    def record(self, event: Event) -> None:
        """Take notice of an event. For a ``CheckpointDue``, call this before the checkpoint is written."""
        self._step, self._epoch = event.step, float(event.epoch)
        if isinstance(event, StepsFinished):
            self._record_steps(event)
        elif isinstance(event, EpochFinished):
            self._append("metrics", key="epoch", values=event.metrics | {"epoch": float(event.epoch)})
            self._append("histograms", real=event.real_histogram.tolist(), fake=event.fake_histogram.tolist())
        elif isinstance(event, SamplesDrawn):
            content = io.BytesIO()
            np.save(content, event.samples.numpy())
            name = f"{event.step:08d}.npy"
            write_atomically(self.directory.samples / name, content.getvalue())
            self._append("samples", file=name)
        elif isinstance(event, ProbabilitiesTaken):
            self._append("probabilities", real=event.real.tolist(), fake=event.fake.tolist())
        elif isinstance(event, CheckpointDue):
            os.fsync(self._losses.fileno())
            self._journal.synchronise()

    def _record_steps(self, event: StepsFinished) -> None:
        losses = np.stack((event.discriminator_loss, event.generator_loss), 1).astype("<f4")
        first = event.step - len(losses) + 1
        self._losses.seek(8 * (first - 1))
        self._losses.write(losses.tobytes())
        self._losses.flush()
        every = self.tracking.log_every
        for step in range(-(-first // every) * every, event.step + 1, every):
            discriminator, generator = map(float, losses[step - first])
            values = {"loss_step/discriminator": discriminator, "loss_step/generator": generator}
            self._journal.append("metrics", key="step", step=step, epoch=event.epoch, values=values)

    def record_system_metrics(self, values: dict[str, float]) -> None:
        """Take notice of a measurement of the machine."""
        # MLflow draws these over time; their step counts measurements, over all sessions of the run.
        index = self._journal.last_step("system") + 1
        self._journal.append("system", step=index, epoch=self._epoch, values=values)

    def _append(self, kind: str, *, key: str = "", **content: Any) -> None:
        self._journal.append(kind, key=key, step=self._step, epoch=self._epoch, **content)

    def score(
        self,
        step: int,
        epoch: int,
        *,
        metrics: dict[str, float],
        tags: dict[str, str],
        details: dict[str, Any],
        neighbours: np.ndarray | None,
    ) -> None:
        """Take notice of scores; arguments as those of ``scored.record_scores`` and ``scored.keep_neighbours``."""
        record_scores(self._journal, key="eval", step=step, epoch=epoch, metrics=metrics, tags=tags, details=details)
        if neighbours is not None:
            keep_neighbours(self._journal, self.directory, step, epoch, neighbours)

    def warn(self, step: int, epoch: int, new: Sequence[str]) -> None:
        """Take notice of warning lights that came on for the first time."""
        for name in new:
            key = f"{WARNING}{name}"
            tags = {key: f"since step {step}, epoch {epoch}"}
            self._journal.append("tags", key=key, step=step, epoch=epoch, values=tags)

    def history(self) -> list[Line]:
        """The journal's metrics of epochs, and scores, up to the step that this process continues from."""
        keys, last = ("epoch", "eval"), self.resumed_from
        lines = [line for line, _ in read(self.directory.journal) if line["kind"] == "metrics"]
        return [line for line in lines if line["key"] in keys and line["step"] <= last]

    def close(self, status: str, reason: str, generator: nn.Module | None = None) -> None:
        """End the run; the folder stays claimed while it is drawn and delivered.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
            reason: Why it ended, in one line.
            generator: The final generator, for the MLflow model.
        """
        if generator is not None:
            self._keep_generator(generator)
        self._append("status", key=self._session, status=status, reason=reason)
        self._journal.synchronise()
        self._journal.close()
        self._losses.close()

    def _keep_generator(self, generator: nn.Module) -> None:
        content = io.BytesIO()
        torch.save({name: value.cpu() for name, value in generator.state_dict().items()}, content)
        write_atomically(self.directory.generator / "generator.pt", content.getvalue())
        description = self._dataset.sample_space.description() | {"model": self._config["model"]}
        write_json(self.directory.generator / "generator.json", description)
