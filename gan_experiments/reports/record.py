"""Read runs from their folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gan_experiments.configuration.override import read as read_overrides
from gan_experiments.evaluation.protocol import SCORES
from gan_experiments.reports.training_time import TrainingTime, is_of_training
from gan_experiments.tracking.journal import PRUNED, STOPPED, WARNING, Line, read
from gan_experiments.tracking.naming import run_name
from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.run_outcome import BOUNDS, Outcome, outcome_after
from gan_experiments.tracking.sweep_directory import JobDirectory

_POWER = "_power_usage_watts"


@dataclass(frozen=True)
class Light:
    """A warning light that came on: its name, and the step and epoch at which it first did."""

    name: str
    step: int
    epoch: float


@dataclass
class Histogram:
    """Distributions of D(x) and D(G(z)) over an epoch: counts in equal bins of [0, 1], ``[bins]`` each."""

    epoch: float
    real: np.ndarray
    fake: np.ndarray


@dataclass
class RunRecord:
    """A run, read from its folder.

    Attributes:
        directory: The run's folder.
        number: Its number in the sweep.
        name: Its name.
        outcome: How it ended.
        params: Its configuration, flat; empty if it failed before it had one.
        metrics: Epoch and value of everything that was measured, by name.
        histograms: Distributions of D(x) and D(G(z)), one per epoch.
        data: The name and the digest of the data set that it learnt; empty where it failed before it had one.
        seconds: The time in which it trained, over all its processes, without pauses between them and without what
            was done to it afterwards.
        device_seconds: Its share of the device's time: each process's time by the number of runs that it trained.
        watts: Mean power of the machine's GPUs; None where it is unknown.
        tags: Where it ran, and with what.
        lights: Warning lights that ever were on, in the order in which they came on.
        run_id: MLflow's id of it, or None where MLflow does not have it.
        is_image: Whether its samples are images; None if it failed before that was known.
        drawn: Epoch and file of the samples that it drew while it trained, the latest last.
        pace: Milliseconds since 1970 and steps, where its last process began and after every epoch of it.
        steps: Steps that it trained.
        epochs: Epochs that it trained; a fraction if it ended within one.
        total_steps: Steps of its whole length; None if it failed before that was known.
        pruned: The rung at which it was given up; None if it was not.
    """

    directory: JobDirectory
    number: int
    name: str
    outcome: Outcome
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    histograms: list[Histogram] = field(default_factory=list)
    data: tuple[str, str] = ("", "")
    seconds: float = 0.0
    device_seconds: float = 0.0
    watts: float | None = None
    tags: dict[str, str] = field(default_factory=dict)
    lights: list[Light] = field(default_factory=list)
    run_id: str | None = None
    is_image: bool | None = None
    drawn: list[tuple[float, str]] = field(default_factory=list)
    pace: list[tuple[int, int]] = field(default_factory=list)
    steps: int = 0
    epochs: float = 0.0
    total_steps: int | None = None
    pruned: int | None = None

    @property
    def speed(self) -> float | None:
        """Steps a second in its last process, with all that came between; None before the second epoch's end."""
        if len(self.pace) < 3:
            return None
        # Until the end of the first epoch programs are compiled, captured and cached.
        (began, first), (ended, last) = self.pace[1], self.pace[-1]
        return 1000 * (last - first) / max(ended - began, 1)

    @property
    def watt_hours(self) -> float | None:
        """The run's share of the GPUs' energy."""
        return None if self.watts is None else self.watts * self.device_seconds / 3600

    @property
    def is_cut_short(self) -> bool:
        """Whether somebody stopped it before its end, and nobody has scored the generator that it has since."""
        if not self.outcome.reason.startswith(STOPPED):
            return False
        scores = (points for name, points in self.metrics.items() if name.startswith(SCORES))
        return all(points[-1][0] < self.epochs for points in scores)

    def last(self, metric: str) -> float | None:
        """Return the last value of a metric, or None if the run has none."""
        points = self.metrics.get(metric)
        return points[-1][1] if points else None

    def at(self, metric: str, epoch: float) -> float | None:
        """Return the value of a metric after an epoch, or None if the run has none there."""
        return dict(self.metrics.get(metric, ())).get(epoch)

    def losses(self) -> np.ndarray:
        """Read the losses of D and G at every step: float32 ``[S, 2]``."""
        if not self.directory.losses.is_file():
            return np.zeros((0, 2), np.float32)
        content = self.directory.losses.read_bytes()
        return np.frombuffer(content[: len(content) // 8 * 8], "<f4").reshape(-1, 2)


def name_of(overrides: Sequence[str], varied: dict[str, str]) -> str:
    """Return the name of a sweep's run that has none yet, by what its sweep varies."""
    special = [override.text for override in read_overrides(overrides) if override.key in varied]
    return run_name(special, otherwise="the only job")


def read_record(directory: JobDirectory, number: int, varied: dict[str, str]) -> RunRecord:
    """Read a run from its folder.

    Args:
        directory: The folder.
        number: The run's number.
        varied: The keys that its sweep varies; they name a run that failed before it had a name.
    """
    identity = read_json(directory.run) if directory.run.is_file() else {}
    # It may have failed before it had a name.
    name = identity.get("name") or name_of(read_json(directory.job)["overrides"], varied)
    record = RunRecord(directory, number, name, Outcome("waiting", "not started"))
    record.total_steps, record.is_image = identity.get("total_steps"), identity.get("is_image")
    record.run_id = directory.run_id() if directory.delivered.is_file() else None
    record.outcome = outcome_after(directory, _read_journal(record) if directory.journal.is_file() else None)
    return record


def _read_journal(record: RunRecord) -> Line | None:
    """Fill a record from its run's journal, and return the last line with which a process began or ended."""
    bound: Line | None = None
    metrics: dict[str, dict[int, tuple[float, float]]] = defaultdict(dict)
    watts: list[float] = []
    clock = TrainingTime()
    for line, _ in read(record.directory.journal):
        clock.follow(line)
        record.pruned = _pruned(line, record.pruned)
        if is_of_training(line) and line["kind"] != "system":  # whose steps count measurements
            record.steps, record.epochs = max(record.steps, line["step"]), max(record.epochs, line["epoch"])
        kind, values = line["kind"], line.get("values", {})
        if kind in BOUNDS:
            bound = line
            if kind == "session":
                record.pace = [(line["time"], line["step"])]
        elif kind == "dataset":
            record.data = line["name"], line["digest"]
        elif kind == "metrics" and line["key"] != "step":
            for metric, value in values.items():
                metrics[metric][line["step"]] = (line["epoch"], value)
            if line["key"] == "epoch":
                record.pace.append((line["time"], line["step"]))
        elif kind == "histograms":
            record.histograms.append(_histogram(line))
        elif kind == "samples":
            record.drawn.append((line["epoch"], line["file"]))
        elif kind == "system":
            watts += _watts(values)
        elif kind == "params":
            record.params |= values
        elif kind == "tags" and line["key"].startswith(WARNING):
            record.lights.append(_light(line))
        elif kind == "tags":
            record.tags |= values
    record.seconds, record.device_seconds = clock.read()
    record.metrics = {name: [points[step] for step in sorted(points)] for name, points in metrics.items()}
    record.watts = float(np.mean(watts)) if watts else None
    return bound


def _pruned(line: Line, rung: int | None) -> int | None:
    """Return the rung at which a run was given up, after a line of its journal; resuming it takes that back."""
    if line["kind"] == "session":
        return None
    if line["kind"] == "tags" and PRUNED in line["values"]:
        return int(line["values"][PRUNED])
    return rung


def _histogram(line: Line) -> Histogram:
    return Histogram(line["epoch"], *(np.array(line[side], np.int32) for side in ("real", "fake")))


def _light(line: Line) -> Light:
    return Light(line["key"].removeprefix(WARNING), line["step"], line["epoch"])


def _watts(values: dict[str, Any]) -> list[float]:
    found = [value for name, value in values.items() if name.endswith(_POWER)]
    return [sum(found)] if found else []
