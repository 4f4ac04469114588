"""What became of a sweep's settings at the rungs at which it prunes, and what that saved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from gan_experiments.reports.factors import Setting, pruned_at
from gan_experiments.reports.goals import goals_of
from gan_experiments.reports.ranking import repetitions
from gan_experiments.reports.ranking_metric import RankingMetric, ranking_metric
from gan_experiments.reports.record import RunRecord


@dataclass(frozen=True)
class Climb:
    """A setting on its way up the rungs.

    Attributes:
        setting: The setting.
        scores: Its mean over the seeds at each rung that it has reached, by the rung's number; None where it has no
            score.
        pruned: The rung at which it was given up, or None.
    """

    setting: Setting
    scores: Mapping[int, float | None]
    pruned: int | None


@dataclass(frozen=True)
class Rung:
    """A rung, and what became of the settings there; the last one is the end of training.

    Attributes:
        number: Counted from 1.
        epoch: The epoch after which settings are judged.
        arrived: Settings that have come so far.
        went_on: Those that were trained further; at the last rung 0.
        pruned: Those that were given up here.
        best: The best score of those that arrived, or None.
        median: Their median, or None.
    """

    number: int
    epoch: int
    arrived: int
    went_on: int
    pruned: int
    best: float | None
    median: float | None


@dataclass(frozen=True)
class Pruning:
    """How a sweep pruned its runs.

    Attributes:
        pruner: Who decided, in the words of the command: ``asha``.
        eta: One setting in this many goes on; None for pruners without.
        metric: The metric that judged.
        rungs: The rungs, the end of training last.
        climbs: Every setting's way, in the order given.
        pruned: The runs that were given up, by rung.
        runs: Runs that have begun.
        steps: Steps that they trained.
        total_steps: Steps that they would all have trained to their ends.
        saved: Steps that pruned runs were spared.
    """

    pruner: str
    eta: float | None
    metric: RankingMetric
    rungs: Sequence[Rung]
    climbs: Sequence[Climb]
    pruned: Sequence[RunRecord]
    runs: int
    steps: int
    total_steps: int
    saved: int

    @property
    def undecided(self) -> bool:
        """Whether settings wait at a rung, as they do while the sweep is not over."""
        return any(rung.arrived > rung.went_on + rung.pruned for rung in self.rungs[:-1])

    @property
    def name(self) -> str:
        """The pruner as people write it: ``asha, eta 3``."""
        return self.pruner if self.eta is None else f"{self.pruner}, eta {self.eta:g}"

    @property
    def saving(self) -> str:
        """What was trained and what was saved, in a sentence."""
        if not self.total_steps:
            return "No run has begun."
        trained, saved = (f"{100 * part / self.total_steps:.1f} %" for part in (self.steps, self.saved))
        return (
            f"{self.runs} runs trained {self.steps:,} of the {self.total_steps:,} member-steps that all of them take"
            f" to their ends, {trained}; pruning saved {self.saved:,}, {saved}."
        )

    def score(self, run: RunRecord) -> float | None:
        """Return a pruned run's own score at the rung at which it was given up."""
        return None if run.pruned is None else run.at(self.metric.name, self.epoch(run.pruned))

    def epoch(self, rung: int) -> int:
        """Return the epoch of a rung."""
        return self.rungs[min(rung, len(self.rungs)) - 1].epoch


def pruning_of(sweep: Mapping[str, Any], settings: Sequence[Setting], records: Sequence[RunRecord]) -> Pruning | None:
    """Return how a sweep pruned its runs; None if it does not prune.

    Args:
        sweep: The content of its sweep.json.
        settings: Its settings.
        records: All of its runs.
    """
    asked = sweep.get("pruning")
    if asked is None:
        return None
    name = asked["metric"]
    metric = goals_of(sweep).get(name) or ranking_metric(name)
    epochs = [*asked["rungs"], asked["epochs"]]
    climbs = [_climb(setting, name, epochs) for setting in settings]
    rungs = [_rung(number, epoch, climbs, metric) for number, epoch in enumerate(epochs, 1)]
    begun = [record for record in records if record.total_steps is not None]
    pruned = sorted((run for run in records if run.pruned is not None), key=lambda run: (run.pruned or 0, run.number))
    lengths = [(run.steps, run.total_steps or 0, run.pruned) for run in begun]
    return Pruning(
        pruner=asked["pruner"],
        eta=asked.get("eta"),
        metric=metric,
        rungs=rungs,
        climbs=climbs,
        pruned=pruned,
        runs=len(begun),
        steps=sum(steps for steps, _, _ in lengths),
        total_steps=sum(total for _, total, _ in lengths),
        saved=sum(total - steps for steps, total, rung in lengths if rung is not None),
    )


def _climb(setting: Setting, metric: str, epochs: Sequence[int]) -> Climb:
    scores: dict[int, float | None] = {}
    for number, epoch in enumerate(epochs[:-1], 1):
        if any(run.epochs >= epoch for run in setting.runs):
            scores[number] = _mean([run.at(metric, epoch) for run in setting.runs])
    complete = repetitions(setting)
    if complete:  # also those that `train.early_stop` ended before the last epoch
        scores[len(epochs)] = _mean([run.last(metric) for run in complete])
    return Climb(setting, scores, pruned_at(setting))


def _rung(number: int, epoch: int, climbs: Sequence[Climb], metric: RankingMetric) -> Rung:
    arrived = [climb for climb in climbs if number in climb.scores]
    # An epoch ends within a step, so a run that left there has done a little more than the epoch.
    further = [climb for climb in arrived if any(int(run.epochs) > epoch for run in climb.setting.runs)]
    scores = [score for climb in arrived if (score := climb.scores[number]) is not None]
    best = max if metric.larger_is_better else min
    return Rung(
        number,
        epoch,
        arrived=len(arrived),
        went_on=len(further),
        pruned=sum(climb.pruned == number for climb in arrived),
        best=best(scores, default=None),
        median=median(scores) if scores else None,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return fmean(known) if known else None
