"""Read runs from their folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gan_experiments.configuration.override import read as read_overrides
from gan_experiments.tracking.journal import WARNING, Line, read
from gan_experiments.tracking.naming import run_name
from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.run_outcome import Outcome, outcome
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory

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
        seconds: Wall time of all its processes together.
        members: Number of runs that trained as one program with it, itself included.
        watts: Mean power of the machine's GPUs; None where it is unknown.
        tags: Where it ran, and with what.
        lights: Warning lights that ever were on, in the order in which they came on.
    """

    directory: JobDirectory
    number: int
    name: str
    outcome: Outcome
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    histograms: list[Histogram] = field(default_factory=list)
    seconds: float = 0.0
    members: int = 1
    watts: float | None = None
    tags: dict[str, str] = field(default_factory=dict)
    lights: list[Light] = field(default_factory=list)

    @property
    def device_seconds(self) -> float:
        """The run's share of the device's time."""
        return self.seconds / self.members

    @property
    def watt_hours(self) -> float | None:
        """The run's share of the GPUs' energy."""
        return None if self.watts is None else self.watts * self.device_seconds / 3600

    def last(self, metric: str) -> float | None:
        """Return the last value of a metric, or None if the run has none."""
        points = self.metrics.get(metric)
        return points[-1][1] if points else None

    def losses(self) -> np.ndarray:
        """Read the losses of D and G at every step: float32 ``[S, 2]``."""
        if not self.directory.losses.is_file():
            return np.zeros((0, 2), np.float32)
        content = self.directory.losses.read_bytes()
        return np.frombuffer(content[: len(content) // 8 * 8], "<f4").reshape(-1, 2)


def records(folder: Path) -> list[RunRecord]:
    """Read all runs of a sweep, jobs not yet started included, or all runs below any folder; by number."""
    sweep = SweepDirectory(folder)
    if not sweep.sweep.is_file():
        runs = sorted(file.parent for file in folder.rglob("journal.jsonl"))
        return [read_record(JobDirectory(run), number, {}) for number, run in enumerate(runs)]
    content = sweep.content()
    started = [read_record(job, job.number(), content["varied"]) for job in sweep.jobs()]
    known = {record.number for record in started}
    planned: Sequence[Sequence[str]] = content["jobs"] or ()
    not_started = Outcome("waiting", "not started")
    waiting = [
        RunRecord(JobDirectory(folder / str(number)), number, _name(overrides, content["varied"]), not_started)
        for number, overrides in enumerate(planned)
        if number not in known
    ]
    return sorted(started + waiting, key=lambda record: record.number)


def _name(overrides: Sequence[str], varied: dict[str, str]) -> str:
    special = [override.text for override in read_overrides(overrides) if override.key in varied]
    return run_name(special, otherwise="the only job")


def read_record(directory: JobDirectory, number: int, varied: dict[str, str]) -> RunRecord:
    """Read a run from its folder.

    Args:
        directory: The folder.
        number: The run's number.
        varied: The keys that its sweep varies; they name a run that failed before it had a name.
    """
    if directory.run.is_file():
        name = read_json(directory.run)["name"]
    else:  # it failed before it had a name
        name = _name(read_json(directory.job)["overrides"], varied)
    record = RunRecord(directory, number, name, outcome(directory))
    if not directory.journal.is_file():
        return record
    metrics: dict[str, dict[int, tuple[float, float]]] = defaultdict(dict)
    watts: list[float] = []
    began, last = 0, 0
    for line, _ in read(directory.journal):
        kind, values = line["kind"], line.get("values", {})
        if kind == "session":
            record.seconds += (last - began) / 1000
            began, record.members = line["time"], line.get("members", 1)
        elif kind == "metrics" and line["key"] != "step":
            for metric, value in values.items():
                metrics[metric][line["step"]] = (line["epoch"], value)
        elif kind == "histograms":
            record.histograms.append(Histogram(line["epoch"], *(np.array(line[side]) for side in ("real", "fake"))))
        elif kind == "system":
            watts += _watts(values)
        elif kind == "params":
            record.params |= values
        elif kind == "tags" and line["key"].startswith(WARNING):
            record.lights.append(_light(line))
        elif kind == "tags":
            record.tags |= values
        last = line["time"]
        began = began or last
    record.seconds += (last - began) / 1000
    record.metrics = {name: [points[step] for step in sorted(points)] for name, points in metrics.items()}
    record.watts = float(np.mean(watts)) if watts else None
    return record


def _light(line: Line) -> Light:
    return Light(line["key"].removeprefix(WARNING), line["step"], line["epoch"])


def _watts(values: dict[str, Any]) -> list[float]:
    found = [value for name, value in values.items() if name.endswith(_POWER)]
    return [sum(found)] if found else []
