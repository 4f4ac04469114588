"""Divide runs into groups whose values are comparable: on one data set, and judged by one protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gan_experiments.errors import UserError
from gan_experiments.evaluation.protocol import ERROR, SCORES, EvaluationProtocol
from gan_experiments.reports.ranking_metric import EQUILIBRIUM, RankingMetric, headline_of, ranking_metric
from gan_experiments.reports.record import RunRecord
from gan_experiments.tracking.naming import is_silent

_Measured = tuple[str, EvaluationProtocol]
"""A score's name and the protocol by which it was measured."""


@dataclass(frozen=True)
class Comparable:
    """Runs that may be ranked together.

    Attributes:
        label: The data set and the protocol, in words.
        records: The runs; those without the metric are not ranked.
        metric: The metric that ranks them.
        protocol: The protocol by which it was measured; None unless it is a score.
    """

    label: str
    records: Sequence[RunRecord]
    metric: RankingMetric
    protocol: EvaluationProtocol | None


def divide(
    records: Sequence[RunRecord],
    asked: str | None = None,
    searched: Sequence[RankingMetric] = (),
    pruned_by: str | None = None,
) -> list[Comparable]:
    """Divide runs by data set and protocol, the largest group first; runs without a configuration are in none.

    They are ranked by the metric asked for; else a search's first goal; else the metric by which a sweep prunes; else
    a score of theirs; else their balance.

    Raises:
        UserError: No run has the metric asked for.
    """
    names = sorted({name for record in records for name in record.metrics})
    if asked is not None and asked not in (*names, EQUILIBRIUM):
        raise UserError(f"--metric {asked}: no run has it; there are {', '.join([*names, EQUILIBRIUM])}")
    why = "Asked for with --metric."
    if asked is None and not searched and pruned_by in names:
        asked, why = pruned_by, "The metric by which the sweep prunes."
    by_data: dict[tuple[str, ...], list[RunRecord]] = {}
    for record in records:
        if record.params:
            by_data.setdefault(_data(record), []).append(record)
    called = Counter(name for name, *_ in by_data)
    groups: list[Comparable] = []
    for (name, *identity), runs in by_data.items():
        data = name if called[name] == 1 else f"{name} ({' '.join(identity)[:8]})"
        groups += _by_protocol(data, runs, asked, why, searched)
    return sorted(groups, key=lambda group: -len(group.records))


def _data(record: RunRecord) -> tuple[str, ...]:
    """Return the name of a run's data set, and what tells it from others of that name."""
    if record.data[1]:
        return record.data
    keys = sorted(key for key in record.params if key.startswith("data.") and not is_silent(key))
    return record.params.get("data.name", "data"), *(f"{key}={record.params[key]}" for key in keys)


def _by_protocol(
    data: str, runs: list[RunRecord], asked: str | None, why: str, searched: Sequence[RankingMetric]
) -> Iterator[Comparable]:
    """Yield the runs on one data set, those measured by one protocol at a time."""
    if searched and asked is None:
        yield Comparable(data, runs, searched[0], None)
        return
    if asked is not None and not asked.startswith(SCORES):
        yield Comparable(data, runs, ranking_metric(asked, why), None)
        return
    scored = {id(run): found for run in runs if (found := _measured(run, asked))}
    without = [run for run in runs if id(run) not in scored]
    if not scored:
        metric = ranking_metric(EQUILIBRIUM) if asked is None else ranking_metric(asked, why)
        yield Comparable(data, runs, metric, None)
    if asked is None:
        why = "The first of the scores that these runs have."
    while scored:
        name, protocol = _most(list(scored.values()))
        alike = [run for run in runs if (name, protocol) in scored.get(id(run), ())]
        # Runs without any score, failed ones mostly, are shown with the first group.
        known = {id(run) for run in (*alike, *without)}
        shown = [run for run in runs if id(run) in known]
        yield Comparable(f"{data}, {protocol}", shown, ranking_metric(name, why), protocol)
        scored = {key: found for key, found in scored.items() if (name, protocol) not in found}
        without = []


def _measured(run: RunRecord, asked: str | None) -> list[_Measured]:
    """Return the scores that a run has, or only the one asked for, with their protocols."""
    names = [name for name in run.metrics if name.startswith(SCORES) and not name.endswith(ERROR)]
    return [(name, EvaluationProtocol.of(name, run.tags)) for name in names if asked in (None, name)]


def _most(found: Sequence[Sequence[_Measured]]) -> _Measured:
    """Return the score to judge by, as most runs have it; of equally many, measured on the most samples."""
    names = sorted({name for measured in found for name, _ in measured})
    best = headline_of(names) or names[0]
    kind = best.rpartition("/")[2]
    count = Counter(one for measured in found for one in measured if one[0].rpartition("/")[2] == kind)
    return max(count, key=lambda one: (count[one], one[1].samples.zfill(12), one[0]))
