"""The comparison as tables: CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from gan_experiments.reports.at_work import AtWork
from gan_experiments.reports.comparison import Comparison
from gan_experiments.reports.group import Group
from gan_experiments.reports.pruning import Pruning
from gan_experiments.reports.ranking import RankedSetting
from gan_experiments.reports.ranking_metric import EQUILIBRIUM
from gan_experiments.reports.record import RunRecord
from gan_experiments.reports.scores import ScoreTable
from gan_experiments.tracking.journal import WARNING


def ranking(group: Group) -> list[dict[str, Any]]:
    """Return a row per setting of a group, the best first."""
    return [_place(group, index, place) for index, place in enumerate(group.ranked, 1)]


def rankings(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rankings of all groups, each under its label where there are several."""
    if len(comparison.groups) == 1:
        return ranking(comparison.groups[0])
    return [{"compared": group.label, **row} for group in comparison.groups for row in ranking(group)]


def _place(group: Group, index: int, place: RankedSetting) -> dict[str, Any]:
    margin = place.margin
    return {
        "rank": index,
        **{factor.key: place.setting.values[factor.key] for factor in group.factors},
        "seeds": len(place.values),
        "runs": len(place.setting.runs),
        "warned": sum(bool(run.lights) for run in place.runs),
        "mean": place.mean,
        "low": None if margin is None else place.mean - margin,
        "high": None if margin is None else place.mean + margin,
        "deviation": place.deviation,
        "difference": place.difference,
        "p": place.p,
        "verdict": place.verdict,
    }


def _scores(group: Group, table: ScoreTable) -> dict[str, Any]:
    rows = []
    for setting, seeds, cells in table.rows:
        values = {factor.key: setting.values[factor.key] for factor in group.factors}
        rows.append({**values, "seeds": seeds, **{name: cell._asdict() for name, cell in cells.items()}})
    return {"measured": str(table.protocol), "settings": rows, "real samples": dict(table.floors)}


def runs(comparison: Comparison) -> list[dict[str, Any]]:
    """Return a row per run, by number."""
    return [_run(comparison, record) for record in comparison.records]


def _run(comparison: Comparison, record: RunRecord) -> dict[str, Any]:
    since = {light.name: light.step for light in record.lights}
    speeds = [value for _, value in record.metrics.get("speed/steps_per_second", [])]
    group = comparison.group(record)
    several = len(comparison.groups) > 1
    return {
        "number": record.number,
        "name": record.name,
        "state": record.outcome.state,
        "reason": record.outcome.reason,
        **({"pruned": record.pruned} if comparison.prunes else {}),
        **({"compared": group.label if group else None} if several else {}),
        **{factor.key: record.params.get(factor.key) for each in comparison.groups for factor in each.factors},
        "seed": record.params.get("seed"),
        **({group.metric.name: group.metric.value(record)} if group else {}),
        **{f"last {name}": points[-1][1] for name, points in sorted(record.metrics.items()) if name != "epoch"},
        **{f"{WARNING}{name}": since.get(name) for name in comparison.lit},
        "training_seconds": round(record.seconds, 3),
        "device_seconds": round(record.device_seconds, 3),
        "watt_hours": None if record.watt_hours is None else round(record.watt_hours, 3),
        "steps_per_second": sum(speeds) / len(speeds) if speeds else None,
        "device": record.tags.get("device"),
        "host": record.tags.get("host"),
        "run_id": record.run_id,
        "folder": comparison.place(record),
    }


def content(comparison: Comparison) -> dict[str, Any]:
    """Return the whole comparison as it is written to report.json.

    What concerns the first group, which is the only one of most sweeps, stands at the top level; the same of the
    others is the list ``others``.
    """
    first, *others = [_group(comparison, group) for group in comparison.groups] or [_NOTHING]
    return {
        "title": comparison.title,
        "time": time.time_ns() // 1_000_000,
        "headline": comparison.headline,
        **({} if comparison.at_work is None else {"at_work": _at_work(comparison.at_work)}),
        "states": dict(Counter(record.outcome.state for record in comparison.records)),
        **first,
        "others": others,
        **({} if comparison.pruning is None else {"pruning": _pruning(comparison.pruning)}),
        **({} if comparison.slots is None else {"slots": comparison.slots}),
        "failures": [
            {"number": record.number, "name": record.name, **vars(record.outcome)} for record in comparison.unfinished
        ],
        "warnings": [
            {"number": run.number, "name": run.name, "light": light.name, "step": light.step, "epoch": light.epoch}
            for run in comparison.records
            for light in run.lights
        ],
        "runs": runs(comparison),
    }


def _at_work(work: AtWork) -> dict[str, Any]:
    return {
        "steps": work.steps,
        "total_steps": work.total_steps,
        "steps_per_second": work.speed,
        "seconds_left": work.left,
        "standings": None if work.standings is None else asdict(work.standings),
    }


def _pruning(pruning: Pruning) -> dict[str, Any]:
    metric = pruning.metric
    return {
        "pruner": pruning.pruner,
        "eta": pruning.eta,
        "metric": {"name": metric.name, "direction": metric.direction},
        "rungs": [asdict(rung) for rung in pruning.rungs],
        "settings": [
            {"setting": climb.setting.values, "pruned": climb.pruned, "scores": list(climb.scores.values())}
            for climb in pruning.climbs
        ],
        "runs_pruned": len(pruning.pruned),
        "steps": pruning.steps,
        "total_steps": pruning.total_steps,
        "steps_saved": pruning.saved,
        "saving": pruning.saving,
    }


_NOTHING: dict[str, Any] = {
    "compared": None,
    "metric": {"name": EQUILIBRIUM, "direction": "smaller is better", "meaning": ""},
    **{"factors": [], "ranking": [], "scores": [], "importance": [], "far_from_real_data": [], "best": None},
}
"""Group of a sweep of which no run got as far as its configuration."""


def _group(comparison: Comparison, group: Group) -> dict[str, Any]:
    best = group.ranked[0].runs[0] if group.ranked else None
    factors = [
        {"key": factor.key, "changes_with": list(factor.companions), "levels": list(factor.levels)}
        for factor in group.factors
    ]
    return {
        "compared": group.label,
        "metric": {
            "name": group.metric.name,
            "direction": group.metric.direction,
            "meaning": group.metric.meaning,
        },
        "factors": factors,
        "ranking": ranking(group),
        "scores": [_scores(group, table) for table in group.scores],
        "importance": [{"factor": share.label, "share": share.share} for share in group.shares],
        "far_from_real_data": group.far,
        "best": None if best is None else _best(comparison, group, best),
    }


def _best(comparison: Comparison, group: Group, best: RunRecord) -> dict[str, Any]:
    value = group.metric.value(best)
    metrics = {name: points[-1][1] for name, points in best.metrics.items() if name != "epoch"}
    if group.metric.name.isascii() and value is not None:  # MLflow takes no other names
        metrics[group.metric.name] = value
    params = {factor.key: best.params.get(factor.key, "") for factor in group.factors}
    return {
        "name": best.name,
        "run_id": best.run_id,
        "folder": comparison.place(best),
        "params": params | {"seed": best.params.get("seed", "")},
        "metrics": metrics,
    }


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV, with every column that any of them has."""
    rows = list(rows)
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
