"""The comparison as tables: CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from gan_experiments.reports.comparison import Comparison
from gan_experiments.reports.ranking import RankedSetting
from gan_experiments.reports.record import RunRecord
from gan_experiments.reports.scores import ScoreTable
from gan_experiments.tracking.journal import WARNING


def ranking(comparison: Comparison) -> list[dict[str, Any]]:
    """Return a row per setting, the best first."""
    return [_place(comparison, index, place) for index, place in enumerate(comparison.ranked, 1)]


def _place(comparison: Comparison, index: int, place: RankedSetting) -> dict[str, Any]:
    margin = place.margin
    return {
        "rank": index,
        **{factor.key: place.setting.values[factor.key] for factor in comparison.factors},
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


def _scores(comparison: Comparison, table: ScoreTable) -> dict[str, Any]:
    rows = []
    for setting, seeds, cells in table.rows:
        values = {factor.key: setting.values[factor.key] for factor in comparison.factors}
        rows.append({**values, "seeds": seeds, **{name: cell._asdict() for name, cell in cells.items()}})
    return {"measured": str(table.protocol), "settings": rows, "real samples": dict(table.floors)}


def runs(comparison: Comparison) -> list[dict[str, Any]]:
    """Return a row per run, by number."""
    return [_run(comparison, record) for record in comparison.records]


def _run(comparison: Comparison, record: RunRecord) -> dict[str, Any]:
    since = {light.name: light.step for light in record.lights}
    speeds = [value for _, value in record.metrics.get("speed/steps_per_second", [])]
    return {
        "number": record.number,
        "name": record.name,
        "state": record.outcome.state,
        "reason": record.outcome.reason,
        **{factor.key: record.params.get(factor.key) for factor in comparison.factors},
        "seed": record.params.get("seed"),
        comparison.metric.name: comparison.metric.value(record),
        **{f"last {name}": points[-1][1] for name, points in sorted(record.metrics.items()) if name != "epoch"},
        **{f"{WARNING}{name}": since.get(name) for name in comparison.lit},
        "wall_seconds": round(record.seconds, 3),
        "device_seconds": round(record.device_seconds, 3),
        "watt_hours": None if record.watt_hours is None else round(record.watt_hours, 3),
        "steps_per_second": sum(speeds) / len(speeds) if speeds else None,
        "device": record.tags.get("device"),
        "host": record.tags.get("host"),
        "run_id": record.directory.run_id(),
        "folder": comparison.place(record),
    }


def content(comparison: Comparison) -> dict[str, Any]:
    """Return the whole comparison as it is written to report.json."""
    best = comparison.ranked[0].runs[0] if comparison.ranked else None
    factors = [
        {"key": factor.key, "changes_with": list(factor.companions), "levels": list(factor.levels)}
        for factor in comparison.factors
    ]
    return {
        "title": comparison.title,
        "time": time.time_ns() // 1_000_000,
        "headline": comparison.headline,
        "metric": {
            "name": comparison.metric.name,
            "direction": comparison.metric.direction,
            "meaning": comparison.metric.meaning,
        },
        "states": dict(Counter(record.outcome.state for record in comparison.records)),
        "factors": factors,
        "ranking": ranking(comparison),
        "scores": [_scores(comparison, table) for table in comparison.scores],
        "importance": [{"factor": share.label, "share": share.share} for share in comparison.shares],
        "best": None if best is None else _best(comparison, best),
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


def _best(comparison: Comparison, best: RunRecord) -> dict[str, Any]:
    value = comparison.metric.value(best)
    metrics = {name: points[-1][1] for name, points in best.metrics.items() if name != "epoch"}
    if comparison.metric.name.isascii() and value is not None:  # MLflow takes no other names
        metrics[comparison.metric.name] = value
    params = {factor.key: best.params.get(factor.key, "") for factor in comparison.factors}
    return {
        "name": best.name,
        "run_id": best.directory.run_id(),
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
