"""A group of comparable runs: its settings in order, and what that order is worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gan_experiments.evaluation.protocol import SCORES
from gan_experiments.reports.comparable import Comparable
from gan_experiments.reports.factors import Factor, Setting, find_factors, find_settings, pruned_at
from gan_experiments.reports.importance import Share, importance
from gan_experiments.reports.ranking import CLEAR, LIKELY, NOISE, UNKNOWN, RankedSetting, rank, repetitions
from gan_experiments.reports.ranking_metric import RankingMetric
from gan_experiments.reports.real_data import far
from gan_experiments.reports.record import RunRecord
from gan_experiments.reports.scores import ScoreTable, score_tables
from gan_experiments.tracking.naming import in_words

_NONE_YET = "No run has finished yet"


@dataclass(frozen=True)
class Group:
    """Comparable runs side by side.

    Attributes:
        label: The data set and the protocol, in words.
        records: The runs, by number.
        metric: The metric that ranks them.
        factors: The parameters that differ.
        settings: The runs, grouped over seeds.
        ranked: The settings that can be ranked, the best first.
        shares: The share of the differences that each factor accounts for.
        real: Scores of real samples in the best generator's place, by name.
    """

    label: str
    records: Sequence[RunRecord]
    metric: RankingMetric
    factors: Sequence[Factor]
    settings: Sequence[Setting]
    ranked: Sequence[RankedSetting]
    shares: Sequence[Share]
    real: Mapping[str, float]

    @cached_property
    def in_order(self) -> list[RunRecord]:
        """All runs, the best setting's first, then the pruned ones that came furthest, then what cannot be ranked."""
        placed = [run for place in self.ranked for run in place.runs]
        known = {id(run) for run in placed}
        others = (record for record in self.records if id(record) not in known)
        return [*placed, *sorted(others, key=lambda run: -(run.pruned or 0))]

    @cached_property
    def settings_in_order(self) -> list[Setting]:
        """All settings, the best first, then the pruned ones that came furthest, then what cannot be ranked."""
        placed = [place.setting for place in self.ranked]
        known = {id(setting) for setting in placed}
        others = (setting for setting in self.settings if id(setting) not in known)
        return [*placed, *sorted(others, key=lambda setting: -(pruned_at(setting) or 0))]

    @cached_property
    def scores(self) -> list[ScoreTable]:
        """Every score of every setting, the protocol that ranks them first."""
        return score_tables(self.settings_in_order)

    @property
    def metric_in_words(self) -> str:
        """The metric's name as people write it."""
        name = self.metric.name
        return in_words(name.rpartition("/")[2] if name.startswith(SCORES) else name)

    @property
    def floor(self) -> float | None:
        """What real data score by the metric; None where that is unknown."""
        return self.real.get(self.metric.name.rpartition("/")[2]) if self.metric.name.startswith(SCORES) else None

    @cached_property
    def far(self) -> list[str]:
        """The scores in which even the best setting is far from real data, in words."""
        if not self.ranked or not self.real:
            return []
        group, runs = self.metric.name.rpartition("/")[0], self.ranked[0].runs
        means = {}
        for name in runs[0].metrics:
            values = [value for run in runs if (value := run.last(name)) is not None]
            if name.rpartition("/")[0] == group and len(values) == len(runs):
                means[name.rpartition("/")[2]] = sum(values) / len(values)
        return far(means, self.real)

    @property
    def headline(self) -> str:
        """The result in a few sentences."""
        if not self.ranked:
            finished = any(map(repetitions, self.settings))
            not_yet = "No run has reached the last rung yet" if any(map(pruned_at, self.settings)) else _NONE_YET
            why = f"No finished run has {self.metric_in_words}" if finished else not_yet
            return f"{why}, so there is nothing to rank."
        return " ".join(
            [self._best(), *self._pruned(), *self._others(), *self._missing(), self.metric.caveat]
        ).strip()

    def _best(self) -> str:
        best, alone = self.ranked[0], len(self.ranked) == 1
        label = best.setting.label if self.factors else best.runs[0].name
        value = f"{self.metric_in_words} {shown(best)}" + (
            "" if self.floor is None else f", real data {self.floor:.4g}"
        )
        if self.far and alone:
            return f"{label} is far from real data: {value} ({'; '.join(self.far[:2])})."
        if self.far:
            why = f"{value} ({'; '.join(self.far[:2])})"
            return f"No setting comes near real data, so their order says little. The nearest, {label}, has {why}."
        superlative = "highest" if self.metric.larger_is_better else "lowest"
        return f"{label} has {'' if alone else f'the {superlative} '}{value}."

    def _pruned(self) -> list[str]:
        pruned = sum(pruned_at(setting) is not None for setting in self.settings)
        if not pruned:
            return []
        reached = sum(map(bool, map(repetitions, self.settings)))
        return [f"{reached} of {len(self.settings)} settings reached the last rung, {pruned} were pruned before."]

    def _others(self) -> list[str]:
        others = self.ranked[1:]
        count = Counter(place.verdict for place in others)
        if not others:
            return []
        if all(place.margin is None for place in self.ranked):
            return ["One seed each: nothing can be said about noise; seed=0,1,2 would tell."]
        if count[UNKNOWN] == len(others):
            return ["Two seeds a setting are needed to tell whether that is more than seed noise."]
        if not count[CLEAR] and not count[LIKELY]:
            unknown = f", {count[UNKNOWN]} with one seed" if count[UNKNOWN] else ""
            return [f"Seeds differ as much: of {len(others)} other settings none is clearly worse{unknown}."]
        words = {CLEAR: CLEAR, LIKELY: LIKELY, NOISE: NOISE, UNKNOWN: "with too few seeds to tell"}
        verdicts = (f"{count[verdict]} {text}" for verdict, text in words.items() if count[verdict])
        return [f"Of {len(others)} other settings: {', '.join(verdicts)}."]

    def _missing(self) -> list[str]:
        without = sum(map(bool, map(repetitions, self.settings))) - len(self.ranked)
        if not without:
            return []
        return [f"Not ranked because they have no such score: {without} of {len(self.settings)} settings."]


def shown(place: RankedSetting) -> str:
    """Return a setting's mean with its confidence interval."""
    if place.margin is None:
        return f"{place.mean:.4g} (one seed)"
    return f"{place.mean:.4g} ± {place.margin:.2g} (95 %, {len(place.values)} seeds)"


def group_of(comparable: Comparable, varied: Sequence[str] = ()) -> Group:
    """Return comparable runs as a group, its settings ranked.

    Args:
        comparable: The runs, and the metric that ranks them.
        varied: Keys that the user varied; they are the first factors.
    """
    # 1. Group the runs over their seeds.
    factors = find_factors(comparable.records, varied)
    settings = find_settings(comparable.records, factors)
    # 2. Rank the settings. A value by another protocol is none.
    metric = comparable.metric
    ranked = rank(settings, metric)
    protocol = comparable.protocol
    real = protocol.floors(ranked[0].runs[0].tags) if protocol is not None and ranked else {}
    shares = importance(ranked, factors)
    return Group(comparable.label, comparable.records, metric, factors, settings, ranked, shares, real)
