"""Compare runs, from their folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gan_experiments.errors import UserError
from gan_experiments.reports.at_work import AtWork, look
from gan_experiments.reports.comparable import divide
from gan_experiments.reports.gather import gather, place_of
from gan_experiments.reports.goals import goals_of
from gan_experiments.reports.group import Group, group_of
from gan_experiments.reports.pruning import Pruning, pruning_of
from gan_experiments.reports.record import RunRecord
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.sweep_directory import RUNS_WITH_SLOTS, SweepDirectory


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        folder: The folder that has all of them in it.
        title: The sweep's name, or the folders'.
        sweep: The content of sweep.json; empty unless the runs are those of one sweep.
        records: All runs, by number.
        groups: Those that may be ranked together, the largest group first; runs that failed before they had a
            configuration are in none.
        at_work: How far the sweep is; None unless these are the runs of one that is at work.
    """

    folder: Path
    title: str
    sweep: dict[str, Any]
    records: Sequence[RunRecord]
    groups: Sequence[Group]
    at_work: AtWork | None = None

    @property
    def unfinished(self) -> list[RunRecord]:
        """Runs that have not reached their last step; of a sweep at work, those that are not expected to."""
        to_come = () if self.at_work is None else ("running", "waiting", "paused")
        return [run for run in self.records if not run.outcome.finished and run.outcome.state not in to_come]

    @cached_property
    def lit(self) -> list[str]:
        """Names of the warning lights that came on in any of the runs."""
        return sorted({light.name for record in self.records for light in record.lights})

    @property
    def in_order(self) -> list[RunRecord]:
        """All runs, group by group, the best setting's first in each."""
        return [record for group in self.groups for record in group.in_order]

    @cached_property
    def prunes(self) -> bool:
        """Whether runs were pruned, or might have been."""
        return bool(self.sweep.get("pruning")) or any(record.pruned is not None for record in self.records)

    @cached_property
    def pruning(self) -> Pruning | None:
        """How the sweep pruned its runs; None if it does not prune, or these are not the runs of one sweep."""
        settings = [setting for group in self.groups for setting in group.settings_in_order]
        return pruning_of(self.sweep, settings, self.records)

    @cached_property
    def slots(self) -> dict[str, Any] | None:
        """How the slots were used in which the sweep's runs were trained; None if there were none."""
        file = SweepDirectory(self.folder).slots
        if not self.sweep or not file.is_file():
            return None
        return {key: count for key, count in read_json(file).items() if key != RUNS_WITH_SLOTS}

    def place(self, record: RunRecord) -> str:
        """Return a run's folder relative to that of all."""
        return place_of(record, self.folder)

    @cached_property
    def _groups(self) -> dict[int, Group]:
        """The first group of each run, by the run's identity."""
        return {id(record): group for group in reversed(self.groups) for record in group.records}

    def group(self, record: RunRecord) -> Group | None:
        """Return the group that a run is in."""
        return self._groups.get(id(record))

    def value(self, record: RunRecord) -> float | None:
        """Return a run's value of the metric that ranks it."""
        group = self.group(record)
        return None if group is None else group.metric.value(record)

    @property
    def headlines(self) -> list[str]:
        """The result in a few sentences for each group."""
        if not self.groups:
            return ["No run has finished yet, so there is nothing to rank."]
        if len(self.groups) == 1:
            return [self.groups[0].headline, *self._front()]
        return [*(f"{group.label}: {group.headline}" for group in self.groups), *self._front()]

    @property
    def headline(self) -> str:
        """The result in a few sentences."""
        return " ".join(self.headlines)

    def _front(self) -> Iterator[str]:
        """Yield the Pareto front of a search by several metrics."""
        search = self.sweep.get("search") or {}
        if len(search.get("metrics", ())) > 1 and search.get("best"):
            names = {record.number: record.name for record in self.records}
            front = [names[trial["runs"][0]] for trial in search["best"] if trial["runs"]]
            yield f"The Pareto front of {' and '.join(search['metrics'])}: {'; '.join(front)}."


def compare(
    places: Sequence[Path],
    metric: str | None = None,
    complaints: Complaints | None = None,
    at_work: bool = False,
) -> Comparison:
    """Compare the runs in some folders.

    Args:
        places: Sweeps, runs, and other folders with runs below them; a run in several counts once.
        metric: The metric to rank by.
        complaints: Notes runs whose folders are damaged, which are left out; they are printed in any case.
        at_work: Whether this is a sweep that another process runs at the moment.

    Raises:
        UserError: There are no runs, or none has the metric.
    """
    # 1. Read the runs.
    folder, records = gather(places, complaints or Complaints(), at_work)
    if not records:
        raise UserError(f"{' '.join(map(str, places))}: there is no run in it or below it")
    directory = SweepDirectory(folder)
    sweep = directory.content() if len(places) == 1 and directory.sweep.is_file() else {}
    # 2. Divide them by data set and protocol, and rank the settings of each group.
    goals = list(goals_of(sweep).values())
    pruned_by = (sweep.get("pruning") or {}).get("metric")
    alike = divide(records, metric, goals, pruned_by)
    groups = [group_of(each, list(sweep.get("varied", ()))) for each in alike]
    title = sweep.get("name") or ", ".join(place.name for place in places)
    slots = read_json(directory.slots)["slots"] if at_work and directory.slots.is_file() else 0
    work = look(sweep, records, groups, slots) if at_work else None
    return Comparison(folder, title, sweep, records, groups, work)
