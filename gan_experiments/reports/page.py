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
from gan_experiments.reports.comparison import Comparison
from gan_experiments.reports.ranking import RankedSetting
from gan_experiments.tracking.naming import in_words, plain

_FEW, _COLUMNS = 4, 5
"""Up to four small charts make one row; more come in rows of five."""


def render(comparison: Comparison) -> str:
    """Return the whole page as HTML."""
    assets = files("gan_experiments.reports") / "assets"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    filters = {"number": _number, "plain": plain, "words": in_words, "duration": _duration, "command": shlex.quote}
    environment.filters |= filters
    template = environment.from_string((assets / "report.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        comparison=comparison,
        sweep=comparison.sweep,
        style=Markup((assets / "report.css").read_text(encoding="utf-8")),
        script=Markup((assets / "report.js").read_text(encoding="utf-8")),
        plotly=Markup(plotly.offline.get_plotlyjs()),
        facts=_facts(comparison),
        rows=tables.ranking(comparison),
        runs=tables.runs(comparison),
        charts={name: Markup(_json(figure)) for name, figure in _charts(comparison).items()},
        cards=_cards(comparison),
        meanings={name: meanings().get(name, "") for name in comparison.lit},
        commit=next(
            (run.tags[key] for run in comparison.records for key in run.tags if key.endswith("git.commit")), None
        ),
    )


def _charts(comparison: Comparison) -> dict[str, go.Figure]:
    found = {}
    if comparison.ranked:
        found["ranking"] = charts.ranking(comparison)
    if comparison.ranked and comparison.factors:
        found["parallel"] = charts.parallel(comparison)
        if comparison.shares:
            found["importance"] = charts.importance(comparison)
    settings = comparison.settings_in_order
    if settings:
        found["losses"] = charts.losses(settings, len(settings) if len(settings) <= _FEW else _COLUMNS)
    return found


def _facts(comparison: Comparison) -> list[tuple[str, str]]:
    states = Counter(record.outcome.state for record in comparison.records)
    facts = [
        ("runs", ", ".join(f"{number} {state}" for state, number in states.most_common())),
        ("settings", f"{len(comparison.settings)}, {_seeds(comparison.ranked)}"),
        ("ranked by", f"{comparison.metric.name} ({comparison.metric.direction})"),
        ("time of all runs", _duration(sum(record.device_seconds for record in comparison.records))),
        ("written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
    ]
    if comparison.lit:
        count = Counter(light.name for record in comparison.records for light in record.lights)
        warned = sum(bool(record.lights) for record in comparison.records)
        lights = ", ".join(f"{in_words(name)} {number}" for name, number in count.most_common())
        facts.insert(2, ("warning lights", f"in {warned} of {len(comparison.records)} runs: {lights}"))
    if comparison.sweep:
        facts.insert(0, ("swept", "; ".join(f"{key}={text}" for key, text in comparison.sweep["varied"].items())))
    return facts


def _seeds(ranked: Sequence[RankedSetting]) -> str:
    counts = sorted({len(place.values) for place in ranked}) or [0]
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{span} {'seed' if counts == [1] else 'seeds'} each"


def _cards(comparison: Comparison) -> list[dict[str, Any]]:
    """Return every run's pictures, the best setting's first."""
    order = comparison.in_order
    cards = []
    for record, picture in zip(order, images.samples(order), strict=True):
        cards.append(
            {
                "record": record,
                "picture": picture,
                "strips": images.strips(record.histograms),
                "value": comparison.metric.value(record) if record.outcome.finished else None,
                "real": record.last("prob/real"),
                "fake": record.last("prob/fake"),
            }
        )
    return cards


def _json(figure: go.Figure) -> str:
    content = json.loads(figure.to_json() or "{}")
    # Inside a script element only the end tag needs escaping.
    return json.dumps(content, separators=(",", ":")).replace("</", "<\\/")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _duration(seconds: float) -> str:
    """Return ``1 h 05 min``, ``3 min 20 s``, ``4.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
