"""The report as one HTML file that needs no network."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import plotly.graph_objects as go
import plotly.offline
from jinja2 import Environment
from markupsafe import Markup

from gan_experiments.evaluation.warning_light import meanings
from gan_experiments.reports import charts, images, tables
from gan_experiments.reports.ranking import Ranked
from gan_experiments.reports.record import Record
from gan_experiments.reports.study import Study
from gan_experiments.tracking.naming import plain

_FEW, _COLUMNS = 4, 5
"""Small charts in a row: as many as there are, up to so many; more than those come in rows of more."""


def render(study: Study) -> str:
    """The whole page."""
    assets = files("gan_experiments.reports") / "assets"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    filters = {"number": _number, "plain": plain, "words": _words, "duration": _duration, "command": shlex.quote}
    environment.filters |= filters
    template = environment.from_string((assets / "report.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        study=study,
        sweep=study.sweep,
        style=Markup((assets / "report.css").read_text(encoding="utf-8")),
        script=Markup((assets / "report.js").read_text(encoding="utf-8")),
        plotly=Markup(plotly.offline.get_plotlyjs()),
        facts=_facts(study),
        rows=tables.ranking(study),
        runs=tables.runs(study),
        charts={name: Markup(_json(figure)) for name, figure in _charts(study).items()},
        cards=_cards(study),
        meanings={name: meanings().get(name, "") for name in study.lit},
        commit=next((run.tags[key] for run in study.records for key in run.tags if key.endswith("git.commit")), None),
    )


def _charts(study: Study) -> dict[str, go.Figure]:
    found = {}
    if study.ranked:
        found["ranking"] = charts.ranking(study)
    if study.ranked and study.factors:
        found["parallel"] = charts.parallel(study)
        if study.shares:
            found["importance"] = charts.importance(study)
    settings = study.settings_in_order
    if settings:
        found["losses"] = charts.losses(settings, len(settings) if len(settings) <= _FEW else _COLUMNS)
    return found


def _facts(study: Study) -> list[tuple[str, str]]:
    states = Counter(record.outcome.state for record in study.records)
    facts = [
        ("runs", ", ".join(f"{number} {state}" for state, number in states.most_common())),
        ("settings", f"{len(study.settings)}, {_seeds(study.ranked)}"),
        ("ranked by", f"{study.measure.name} ({study.measure.direction})"),
        ("time of all runs", _duration(sum(record.device_seconds for record in study.records))),
        ("written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
    ]
    if study.lit:
        count = Counter(light.name for record in study.records for light in record.lights)
        warned = sum(bool(record.lights) for record in study.records)
        lights = ", ".join(f"{_words(name)} {number}" for name, number in count.most_common())
        facts.insert(2, ("warning lights", f"in {warned} of {len(study.records)} runs: {lights}"))
    if study.sweep:
        facts.insert(0, ("swept", "; ".join(f"{key}={text}" for key, text in study.sweep["varied"].items())))
    return facts


def _seeds(ranked: Sequence[Ranked]) -> str:
    counts = sorted({len(place.values) for place in ranked}) or [0]
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{span} {'seed' if counts == [1] else 'seeds'} each"


def _cards(study: Study) -> list[dict[str, Any]]:
    """Every run's pictures, the best setting's first."""
    order = study.in_order
    cards = []
    for record, picture in zip(order, images.samples(order), strict=True):
        cards.append(
            {
                "record": record,
                "picture": picture,
                "strips": images.strips(record.histograms),
                "value": study.measure.value(record) if record.outcome.finished else None,
                "real": _last(record, "prob/real"),
                "fake": _last(record, "prob/fake"),
            }
        )
    return cards


def _last(record: Record, metric: str) -> float | None:
    points = record.metrics.get(metric)
    return points[-1][1] if points else None


def _json(figure: go.Figure) -> str:
    content = json.loads(figure.to_json() or "{}")
    # Within a script element only its end tag has a meaning.
    return json.dumps(content, separators=(",", ":")).replace("</", "<\\/")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _duration(seconds: float) -> str:
    """``1 h 05 min``, ``3 min 20 s``, ``4.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
