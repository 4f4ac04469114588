"""Records what happens in one run in the run's folder: the journal, the losses, samples and scores."""

from __future__ import annotations

import io
import os
import threading
import uuid
from contextlib import nullcontext, suppress
from typing import Any

import filelock
import numpy as np
import yaml

from gan_experiments.configuration import override
from gan_experiments.errors import UserError
from gan_experiments.evaluation.protocol import SCORES
from gan_experiments.models.conditioning import columns_of
from gan_experiments.tracking.journal import PRUNED, WARNING, Journal, Line, read
from gan_experiments.tracking.metadata import RunDescription, describe, flatten, origin
from gan_experiments.tracking.moved import settle_run
from gan_experiments.tracking.run_directory import RunDirectory, read_json, write_atomically, write_json
from gan_experiments.tracking.run_events import Ended, RunEvent, Scored, WarningsChanged
from gan_experiments.tracking.score_records import keep_neighbours, record_scores
from gan_experiments.training.events import (
    CheckpointDue,
    EpochFinished,
    Event,
    ProbabilitiesTaken,
    SamplesDrawn,
    StepsFinished,
)

_REAL_POINTS = 2000
_GLANCE = 2.0
"""Seconds for which a command that only looks whether a process trains in a folder may hold its lock."""
_Dumper: type = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""Of libyaml where PyYAML has it: ten times as fast."""


class Recorder:
    """Records one run. Pictures are drawn, and trackers are fed, from what this writes.

    Args:
        directory: The run's folder.
        run: Description of the run.
        resumed_from: The step of the checkpoint that this process continues from, or 0.

    Attributes:
        directory: The run's folder.
        run: Description of the run.
        draws_all: Whether all of its pictures are drawn as their time comes, rather than the last at its end.
    """

    def __init__(self, directory: RunDirectory, run: RunDescription, resumed_from: int = 0) -> None:
        self.directory, self.run, self._resumed_from = directory, run, resumed_from
        self.draws_all = run.tracking.pictures != "last"  # auto is settled for a sweep, if at all
        self._session = uuid.uuid4().hex
        self._step, self._epoch = resumed_from, 0.0
        self._folder_lock = filelock.FileLock(directory.lock, timeout=_GLANCE)
        # Measurements of the machine come from a thread of their own.
        self._lock, self._closed = threading.Lock(), False

    def claim(self) -> None:
        """Take the folder for this process, until ``release``.

        Raises:
            UserError: Another process is training there.
        """
        self.directory.path.mkdir(parents=True, exist_ok=True)
        try:
            self._folder_lock.acquire()
        except filelock.Timeout as error:
            raise UserError(f"another process is training in {self.directory.path}; wait, or end it") from error

    def release(self) -> None:
        """Leave the folder to others."""
        self._folder_lock.release()

    def open(self, members: int = 1) -> None:
        """Write down the run's description; the folder must be claimed.

        Args:
            members: How many runs train as one with this one, itself included.
        """
        self._identify()
        self._journal = Journal(self.directory.journal)
        self._losses = self.directory.losses.open("r+b" if self.directory.losses.exists() else "w+b")
        self._describe(members)

    def _identify(self) -> None:
        """Write run.json; a resumed run keeps its name and identity, but may be sent elsewhere."""
        settle_run(self.directory)
        tracking = self.run.tracking
        known = read_json(self.directory.run) if self.directory.run.exists() else {}
        if known and known.get("asked_experiment", known["experiment"]) != tracking.experiment:
            self.directory.change_experiment(tracking.experiment)
            known = read_json(self.directory.run)
        if self.draws_all and known.get("pictures", "all") != "all":
            self.directory.send_again()
        fresh = {"name": self.run.name, "experiment": tracking.experiment, "nonce": uuid.uuid4().hex}
        current = {
            "directory": str(self.directory.path),
            "uri": tracking.uri,
            "asked_experiment": tracking.experiment,  # `sync --experiment` may have chosen another since
            "timeout": tracking.timeout,
            "sample_every": tracking.sample_every,
            "pictures": "all" if self.draws_all else "last",
            "total_steps": self.run.total_steps,
            "epochs": self.run.epochs,
            "is_image": self.run.dataset.is_image,
            "columns": self._columns(),
            "scored_once": self._is_scored_once(),
        }
        write_json(self.directory.run, fresh | known | current)

    def _columns(self) -> int | None:
        """Return the columns of sample pictures, if each shows one class; else None."""
        return columns_of(self.run.tracking.samples, self.run.dataset.classes if self.run.conditional else None)

    def _is_scored_once(self) -> bool:
        """Return whether the run is scored at its end alone."""
        every = self.run.config.get("evaluate", {}).get("every")
        return not self.run.rungs and (every is None or every >= self.run.epochs)

    def _describe(self, members: int) -> None:
        run = self.run
        config = yaml.dump(run.config, Dumper=_Dumper, sort_keys=False)
        write_atomically(self.directory.config, config.encode())
        if not run.dataset.is_image:
            self._keep_real_points()
        chosen = {each.name: each.unquoted for each in override.read(run.overrides)}
        self._append("params", values=flatten(run.config), chosen=chosen)
        self._append("tags", values=origin(run.overrides, run.device, self.directory.path) | run.tracking.tags)
        self._append("dataset", **describe(run.dataset))
        self._append("session", key=self._session, members=members)

    def _keep_real_points(self) -> None:
        """Keep some of the data set's points, over which generated ones are drawn."""
        content = io.BytesIO()
        np.save(content, self.run.dataset.samples[:_REAL_POINTS].cpu().numpy())
        write_atomically(self.directory.real_points, content.getvalue())

    def on(self, event: RunEvent) -> None:
        """Record an event; for a checkpoint, before it is written."""
        if isinstance(event, Event):
            self._step, self._epoch = event.step, float(event.epoch)
        match event:
            case StepsFinished():
                self._record_steps(event)
            case EpochFinished():
                self._append("metrics", key="epoch", values=event.metrics | {"epoch": float(event.epoch)})
                self._append("histograms", real=event.real_histogram.tolist(), fake=event.fake_histogram.tolist())
            case SamplesDrawn():
                content = io.BytesIO()
                np.save(content, event.samples.numpy())
                name = f"{event.step:08d}.npy"
                write_atomically(self.directory.samples / name, content.getvalue())
                self._append("samples", file=name)
            case ProbabilitiesTaken():
                self._append("probabilities", real=event.real.tolist(), fake=event.fake.tolist())
            case CheckpointDue():
                os.fsync(self._losses.fileno())
                self._journal.synchronise()
            case Scored():
                self._record_scores(event)
            case WarningsChanged():
                self._record_warnings(event)
            case Ended():
                self._close(event)

    def _record_steps(self, event: StepsFinished) -> None:
        losses = np.stack((event.discriminator_loss, event.generator_loss), 1).astype("<f4")  # [W, 2]
        first = event.step - len(losses) + 1
        self._losses.seek(8 * (first - 1))
        self._losses.write(losses.tobytes())
        self._losses.flush()
        every = self.run.tracking.log_every
        for step in range(-(-first // every) * every, event.step + 1, every):
            discriminator, generator = map(float, losses[step - first])
            values = {"loss_step/discriminator": discriminator, "loss_step/generator": generator}
            self._journal.append("metrics", key="step", step=step, epoch=event.epoch, values=values)

    def _record_scores(self, event: Scored) -> None:
        record_scores(
            self._journal,
            key="eval",
            step=event.step,
            epoch=event.epoch,
            metrics=event.metrics,
            tags=event.tags,
            details=event.details,
            headline=None if event.headline is None else f"{SCORES}{event.headline.name}",
        )
        if event.neighbours is not None:
            keep_neighbours(self._journal, self.directory, event.step, event.epoch, event.neighbours)

    def _record_warnings(self, event: WarningsChanged) -> None:
        for name in event.new:
            key = f"{WARNING}{name}"
            tags = {key: f"since step {event.step}, epoch {event.epoch}"}
            self._journal.append("tags", key=key, step=event.step, epoch=event.epoch, values=tags)

    def record_system_metrics(self, values: dict[str, float]) -> None:
        """Record a measurement of the machine, unless the run has ended."""
        with self._lock:
            if not self._closed:
                # Trackers draw these over time; their step counts measurements, over all sessions of the run.
                index = self._journal.last_step("system") + 1
                self._journal.append("system", step=index, epoch=self._epoch, values=values)

    def _append(self, kind: str, *, key: str = "", **content: Any) -> None:
        self._journal.append(kind, key=key, step=self._step, epoch=self._epoch, **content)

    def history(self) -> list[Line]:
        """Return the journal's metrics of epochs, and scores, up to the step that this process continues from."""
        keys, last = ("epoch", "eval"), self._resumed_from
        lines = [line for line, _ in read(self.directory.journal) if line["kind"] == "metrics"]
        return [line for line in lines if line["key"] in keys and line["step"] <= last]

    def _close(self, event: Ended) -> None:
        """Write down how the run ended; its folder stays claimed while pictures are drawn and delivered.

        Raises:
            OSError: It could not be written. A run that has failed ends without: it may be for a full disk.
        """
        with self._lock:
            self._closed = True
        with suppress(OSError) if event.status == "FAILED" else nullcontext():
            if event.pruned is not None:
                self._append("tags", key=PRUNED, values={PRUNED: str(event.pruned)})
            self._append("status", key=self._session, status=event.status, reason=event.reason)
            self._journal.synchronise()
            self._journal.close()
            self._losses.close()
