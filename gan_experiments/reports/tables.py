"""The comparison as tables: CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from gan_experiments.reports.ranking import Ranked
from gan_experiments.reports.record import Record
from gan_experiments.reports.scores import ScoreTable
from gan_experiments.reports.study import Study
from gan_experiments.tracking.journal import WARNING


def ranking(study: Study) -> list[dict[str, Any]]:
    """A row a setting, the best first."""
    return [_place(study, index, place) for index, place in enumerate(study.ranked, 1)]


def _place(study: Study, index: int, place: Ranked) -> dict[str, Any]:
    margin = place.margin
    return {
        "rank": index,
        **{factor.key: place.setting.values[factor.key] for factor in study.factors},
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


def _scores(study: Study, table: ScoreTable) -> dict[str, Any]:
    rows = []
    for setting, seeds, cells in table.rows:
        values = {factor.key: setting.values[factor.key] for factor in study.factors}
        rows.append({**values, "seeds": seeds, **{name: cell._asdict() for name, cell in cells.items()}})
    return {"measured": str(table.protocol), "settings": rows, "real samples": dict(table.floors)}


def runs(study: Study) -> list[dict[str, Any]]:
    """A row a run, by number."""
    return [_run(study, record) for record in study.records]


def _run(study: Study, record: Record) -> dict[str, Any]:
    since = {light.name: light.step for light in record.lights}
    speeds = [value for _, value in record.metrics.get("speed/steps_per_second", [])]
    return {
        "number": record.number,
        "name": record.name,
        "state": record.outcome.state,
        "reason": record.outcome.reason,
        **{factor.key: record.params.get(factor.key) for factor in study.factors},
        "seed": record.params.get("seed"),
        study.measure.name: study.measure.value(record),
        **{f"last {name}": points[-1][1] for name, points in sorted(record.metrics.items()) if name != "epoch"},
        **{f"{WARNING}{name}": since.get(name) for name in study.lit},
        "wall_seconds": round(record.seconds, 3),
        "device_seconds": round(record.device_seconds, 3),
        "watt_hours": None if record.watt_hours is None else round(record.watt_hours, 3),
        "steps_per_second": sum(speeds) / len(speeds) if speeds else None,
        "device": record.tags.get("device"),
        "host": record.tags.get("host"),
        "run_id": record.directory.run_id(),
        "folder": study.place(record),
    }


def content(study: Study) -> dict[str, Any]:
    """The whole comparison, as report.json has it."""
    best = study.ranked[0].runs[0] if study.ranked else None
    factors = [
        {"key": factor.key, "changes_with": list(factor.companions), "levels": list(factor.levels)}
        for factor in study.factors
    ]
    return {
        "title": study.title,
        "time": time.time_ns() // 1_000_000,
        "headline": study.headline,
        "metric": {
            "name": study.measure.name,
            "direction": study.measure.direction,
            "meaning": study.measure.meaning,
        },
        "states": dict(Counter(record.outcome.state for record in study.records)),
        "factors": factors,
        "ranking": ranking(study),
        "scores": [_scores(study, table) for table in study.scores],
        "importance": [{"factor": share.label, "share": share.share} for share in study.shares],
        "best": None if best is None else _best(study, best),
        "failures": [
            {"number": record.number, "name": record.name, **vars(record.outcome)} for record in study.unfinished
        ],
        "warnings": [
            {"number": run.number, "name": run.name, "light": light.name, "step": light.step, "epoch": light.epoch}
            for run in study.records
            for light in run.lights
        ],
        "runs": runs(study),
    }


def _best(study: Study, best: Record) -> dict[str, Any]:
    value = study.measure.value(best)
    metrics = {name: points[-1][1] for name, points in best.metrics.items() if name != "epoch"}
    if study.measure.name.isascii() and value is not None:  # MLflow takes no other names
        metrics[study.measure.name] = value
    params = {factor.key: best.params.get(factor.key, "") for factor in study.factors}
    return {
        "name": best.name,
        "run_id": best.directory.run_id(),
        "folder": study.place(best),
        "params": params | {"seed": best.params.get("seed", "")},
        "metrics": metrics,
    }


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows under all the columns that any of them has."""
    rows = list(rows)
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
