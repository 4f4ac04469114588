"""A sweep that is at work: how far it is, how long it will take, and how its settings stand so far."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean, median
from typing import Any

from gan_experiments.reports.group import Group
from gan_experiments.reports.ranking_metric import EQUILIBRIUM
from gan_experiments.reports.record import RunRecord
from gan_experiments.tracking.naming import duration

_STATES = ("finished", "running", "paused", "waiting", "failed", "died", "stopped")
"""States in the order in which they are told."""


@dataclass(frozen=True)
class Stand:
    """A setting at one epoch: its mean over the seeds that have come so far, how many these are, and all its runs."""

    label: str
    mean: float
    seeds: int
    numbers: Sequence[int]


@dataclass(frozen=True)
class Standings:
    """Settings at the latest epoch that half of the runs have reached, the best first.

    Attributes:
        metric: What they are compared by.
        direction: The better direction, in words.
        epoch: The epoch.
        runs: How many runs have come so far.
        stands: The settings.
    """

    metric: str
    direction: str
    epoch: float
    runs: int
    stands: Sequence[Stand]

    @property
    def in_words(self) -> str:
        """What is compared, and when."""
        return f"{self.metric} after epoch {self.epoch:g} ({self.direction}; {self.runs} runs)"


@dataclass(frozen=True)
class AtWork:
    """A sweep at work.

    Attributes:
        time: When it was looked at, in seconds since 1970.
        started: When it began.
        states: How many runs are in which state.
        runs: The runs that train.
        steps: Steps that all runs have trained.
        total_steps: Steps that they will have trained; of one that has not begun, as many as the others take.
        speed: Steps a second of all runs together; None before the second epoch.
        left: Seconds that the rest will take at that speed, or None.
        standings: How the settings of the largest group stand; None before the first epoch.
        samples_epoch: The latest epoch at which half of the runs have drawn samples; None where none has.
    """

    time: float
    started: float
    states: Counter[str]
    runs: Sequence[RunRecord]
    steps: int
    total_steps: int
    speed: float | None
    left: float | None
    standings: Standings | None
    samples_epoch: float | None

    @property
    def clock(self) -> str:
        """When it was looked at."""
        return f"{datetime.fromtimestamp(self.time, UTC):%Y-%m-%d %H:%M:%S} UTC"

    @property
    def runs_in_words(self) -> str:
        """How many runs are in which state."""
        return ", ".join(f"{self.states[state]} {state}" for state in _STATES if self.states[state])

    @property
    def steps_in_words(self) -> str:
        """How many steps have been trained, how fast, and how long the rest will take."""
        share = 100 * self.steps / max(self.total_steps, 1)
        done = f"{self.steps:,} of {self.total_steps:,} ({share:.0f} %)"
        if self.speed is None or self.left is None:
            return done
        return f"{done}, {self.speed:,.0f} a second; {duration(self.left)} to go"


def look(sweep: Mapping[str, Any], records: Sequence[RunRecord], groups: Sequence[Group], slots: int = 0) -> AtWork:
    """Return how far a sweep is.

    Args:
        sweep: The content of its sweep.json.
        records: Its runs, those that wait included.
        groups: The same, as they may be compared.
        slots: How many of them train at once, as far as it is known.
    """
    usual = round(median([run.total_steps for run in records if run.total_steps] or [0]))
    missing = {id(run): _missing(run, usual) for run in records}
    at_work = [run for run in records if run.outcome.state == "running"]
    # Those that have just begun are as fast as the others.
    known = [run.speed for run in at_work if run.speed] or [run.speed for run in records if run.speed]
    speed = left = None
    if known and at_work:
        each = fmean(known)
        to_come = sum(run.outcome.state in ("running", "waiting", "paused") for run in records)
        speed = max(len(at_work), min(slots, to_come)) * each  # a slot that is free is about to be taken
        left = max(sum(missing.values()) / speed, *(missing[id(run)] / (run.speed or each) for run in at_work))
    steps = sum(run.steps for run in records)
    drawn = [{epoch for epoch, _ in run.drawn} for run in records if run.drawn]
    return AtWork(
        time=time.time(),
        started=sweep["started"] / 1000,
        states=Counter(run.outcome.state for run in records),
        runs=at_work,
        steps=steps,
        total_steps=steps + sum(missing.values()),
        speed=speed,
        left=left,
        standings=_standings(groups[0]) if groups else None,
        samples_epoch=_reached(drawn),
    )


def _missing(run: RunRecord, usual: int) -> int:
    """Return the steps that a run has yet to train; one that has not begun takes the usual number."""
    over = run.outcome.state in ("finished", "failed")
    return 0 if over else max(0, (run.total_steps or usual) - run.steps)


def _standings(group: Group) -> Standings | None:
    values = {id(run): dict(_values(group.metric.name, run)) for run in group.records}
    epoch = _reached([{*of_run} for of_run in values.values() if of_run])
    if epoch is None:
        return None
    stands = []
    for setting in group.settings:
        known = [values[id(run)][epoch] for run in setting.runs if epoch in values[id(run)]]
        if known:
            stands.append(Stand(setting.label, fmean(known), len(known), [run.number for run in setting.runs]))
    stands.sort(key=lambda stand: -stand.mean if group.metric.larger_is_better else stand.mean)
    runs = sum(stand.seeds for stand in stands)
    return Standings(group.metric.name, group.metric.direction, epoch, runs, stands)


def _values(metric: str, run: RunRecord) -> Iterator[tuple[float, float]]:
    """Yield epochs and what a run had of a metric after each, where it was finite."""
    if metric == EQUILIBRIUM:
        real, fake = (dict(run.metrics.get(f"prob/{side}", ())) for side in ("real", "fake"))
        points = [(epoch, abs(real[epoch] - 0.5) + abs(fake[epoch] - 0.5)) for epoch in real if epoch in fake]
    else:
        points = run.metrics.get(metric, [])
    return ((epoch, value) for epoch, value in points if math.isfinite(value))


def _reached(epochs: Sequence[set[float]]) -> float | None:
    """Return the latest epoch that at least half of some runs have, or None."""
    count = Counter(epoch for of_run in epochs for epoch in of_run)
    return max((epoch for epoch, runs in count.items() if 2 * runs >= len(epochs)), default=None)
