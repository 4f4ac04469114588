"""Compare runs, from their folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gan_experiments.errors import UserError
from gan_experiments.reports.factors import Factor, Setting, find_factors, find_settings
from gan_experiments.reports.goals import goals_of
from gan_experiments.reports.importance import Share, importance
from gan_experiments.reports.ranking import CLEAR, NOISE, UNKNOWN, RankedSetting, rank, repetitions
from gan_experiments.reports.ranking_metric import RankingMetric, choose
from gan_experiments.reports.record import RunRecord, records
from gan_experiments.reports.scores import ScoreTable, score_tables
from gan_experiments.tracking.sweep_directory import SweepDirectory


@dataclass(frozen=True)
class Comparison:
    """The runs of a folder side by side.

    Attributes:
        folder: The folder.
        title: The sweep's name, or the folder's.
        sweep: The content of sweep.json; empty where the folder is not a sweep's.
        records: All runs, by number.
        metric: The metric that ranks them.
        factors: The parameters that differ.
        settings: The runs, grouped over seeds.
        ranked: The settings that can be ranked, the best first.
        shares: The share of the differences that each factor accounts for.
    """

    folder: Path
    title: str
    sweep: dict[str, Any]
    records: Sequence[RunRecord]
    metric: RankingMetric
    factors: Sequence[Factor]
    settings: Sequence[Setting]
    ranked: Sequence[RankedSetting]
    shares: Sequence[Share]

    @property
    def unfinished(self) -> list[RunRecord]:
        """Runs that have not reached their last step."""
        return [record for record in self.records if not record.outcome.finished]

    @property
    def in_order(self) -> list[RunRecord]:
        """All runs, the best setting's first, those that cannot be ranked last."""
        placed = [run for place in self.ranked for run in place.runs]
        return [*placed, *(record for record in self.records if all(record is not run for run in placed))]

    @property
    def settings_in_order(self) -> list[Setting]:
        """All settings, the best first, those that cannot be ranked last."""
        placed = [place.setting for place in self.ranked]
        return [*placed, *(setting for setting in self.settings if all(setting is not each for each in placed))]

    @cached_property
    def scores(self) -> list[ScoreTable]:
        """Every score of every setting."""
        return score_tables(self.settings_in_order)

    @property
    def lit(self) -> list[str]:
        """Names of the warning lights that came on in any of the runs."""
        return sorted({light.name for record in self.records for light in record.lights})

    def place(self, record: RunRecord) -> str:
        """Return a run's folder relative to the compared one, so that the whole may be moved."""
        return str(record.directory.path.relative_to(self.folder))

    @property
    def headline(self) -> str:
        """The result in a few sentences."""
        if not self.ranked:
            return "No run has finished yet, so there is nothing to rank."
        best, others = self.ranked[0], self.ranked[1:]
        superlative = "the best " if others else ""
        parts = [f"{best.setting.label} has {superlative}{self.metric.name} {shown(best)}."]
        count = Counter(place.verdict for place in others)
        if others and count[UNKNOWN] == len(others):
            parts.append("Two seeds per setting are needed to tell whether that is more than seed noise.")
        elif others:
            found = ", ".join(f"{count[verdict]} {verdict}" for verdict in (CLEAR, NOISE, UNKNOWN) if count[verdict])
            parts.append(f"Of {len(others)} other settings: {found}.")
        without = sum(map(bool, map(repetitions, self.settings))) - len(self.ranked)
        if without:
            parts.append(f"Not ranked because they have no such score: {without} of {len(self.settings)} settings.")
        return " ".join([*parts, *self._front(), self.metric.caveat]).strip()

    def _front(self) -> Iterator[str]:
        """Yield the Pareto front of a search by several metrics."""
        search = self.sweep.get("search") or {}
        if len(search.get("metrics", ())) > 1 and search.get("best"):
            names = {record.number: record.name for record in self.records}
            front = [names[trial["runs"][0]] for trial in search["best"] if trial["runs"]]
            yield f"The Pareto front of {' and '.join(search['metrics'])}: {'; '.join(front)}."


def shown(place: RankedSetting) -> str:
    """Return a setting's mean with its confidence interval."""
    if place.margin is None:
        return f"{place.mean:.4g} (one seed)"
    return f"{place.mean:.4g} ± {place.margin:.2g} (95 %, {len(place.values)} seeds)"


def compare(folder: Path, metric: str | None = None) -> Comparison:
    """Compare the runs of a sweep, or all below any folder.

    Raises:
        UserError: There are no runs, or none has the metric.
    """
    # 1. Read the runs.
    runs = records(folder)
    if not runs:
        raise UserError(f"{folder}: there is no run in it or below it")
    directory = SweepDirectory(folder)
    sweep = directory.content() if directory.sweep.is_file() else {}
    # 2. Group them over their seeds.
    factors = find_factors(runs, list(sweep.get("varied", ())))
    settings = find_settings(runs, factors)
    # 3. Rank the settings.
    chosen = choose(runs, metric, list(goals_of(sweep).values()))
    ranked = rank(settings, chosen)
    shares = importance(ranked, factors)
    title = sweep.get("name", folder.name)
    return Comparison(folder.absolute(), title, sweep, runs, chosen, factors, settings, ranked, shares)
