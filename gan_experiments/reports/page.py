"""The report as one HTML file that needs no network."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from gan_experiments.evaluation.warning_light import meanings
from gan_experiments.reports import charts, images, loss_charts, pruning_chart, slot_use, tables
from gan_experiments.reports.comparison import Comparison
from gan_experiments.reports.group import Group
from gan_experiments.reports.ranking import RankedSetting
from gan_experiments.reports.record import RunRecord
from gan_experiments.tracking.naming import in_words, plain

_LONG = 40
"""A table with more rows scrolls in a frame of its own."""
_MANY = 50
"""With more runs than this, tables and cards are shown a page at a time, and charts show the best."""
_ROWS, _CARDS, _PLOTS = 50, 24, 12
"""Of such tables, pictures and charts, those that are shown at a time."""
_BEST_SETTINGS, _BEST_RUNS = 30, 100
"""Settings with a row in the chart of such a ranking, and runs with a coloured line among the parameters."""


def render(comparison: Comparison, runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the whole page as HTML.

    Args:
        comparison: What it shows.
        runs: A row for each run, as ``tables.runs`` makes them.
    """
    assets = files("gan_experiments.reports") / "assets"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    filters = {"number": _number, "plain": plain, "words": in_words, "duration": _duration, "command": shlex.quote}
    environment.filters |= filters
    template = environment.from_string((assets / "report.html.jinja").read_text(encoding="utf-8"))
    pruning = comparison.pruning
    many = len(comparison.records) > _MANY
    styles = ["report.css", *(["pruning.css"] if pruning else []), *(["pages.css"] if many else [])]
    scripts = ["report.js", *(["pages.js"] if many else [])]
    return template.render(
        comparison=comparison,
        sweep=comparison.sweep,
        style=Markup("".join((assets / name).read_text(encoding="utf-8") for name in styles)),
        script=Markup("".join((assets / name).read_text(encoding="utf-8") for name in scripts)),
        many=many,
        at_a_time={"rows": _ROWS, "cards": _CARDS, "plots": _PLOTS},
        facts=_facts(comparison),
        groups=_groups(comparison, many),
        runs=runs,
        columns={name for name in ("watt_hours", "run_id") if any(run[name] is not None for run in runs)},
        value=comparison.value,
        long=_LONG,
        pruning=pruning,
        work=comparison.at_work,
        rungs=None if pruning is None else pruning_chart.draw(pruning),
        meanings={name: meanings().get(name, "") for name in comparison.lit},
    )


def _groups(comparison: Comparison, many: bool) -> list[dict[str, Any]]:
    """Return what the page shows of each group; ids of all but the first have a number."""
    order, work = comparison.in_order, comparison.at_work
    drawn = images.samples(order, small=many, epoch=None if work is None else work.samples_epoch)
    pictures = {id(run): picture for run, picture in zip(order, drawn, strict=True)}
    best_settings, best_runs = (_BEST_SETTINGS, _BEST_RUNS) if many else (None, None)
    return [
        {
            "group": group,
            "id": "" if index == 1 else f"-{index}",
            "rows": tables.ranking(group),
            "ranking": charts.ranking(group, best_settings) if group.ranked else None,
            "parallel": charts.parallel(group, best_runs) if group.ranked and group.factors else None,
            "losses": loss_charts.losses(group.settings_in_order, many) if group.settings else None,
            "cards": [_card(group, run, pictures[id(run)]) for run in group.in_order],
        }
        for index, group in enumerate(comparison.groups, 1)
    ]


def _card(group: Group, run: RunRecord, picture: images.Picture | None) -> dict[str, Any]:
    """Return a run's pictures and numbers."""
    return {
        "record": run,
        "picture": picture,
        "strips": images.strips(run.histograms),
        "value": group.metric.value(run) if run.outcome.finished else None,
        "real": run.last("prob/real"),
        "fake": run.last("prob/fake"),
    }


def _facts(comparison: Comparison) -> list[tuple[str, str]]:
    """Return facts on all runs, by name."""
    states = Counter(record.outcome.state for record in comparison.records)
    pruned = sum(record.pruned is not None for record in comparison.records)
    of_them = f"; {pruned} of the finished were pruned" if pruned else ""
    if cut_short := sum(record.is_cut_short for record in comparison.records):
        of_them += f"; {cut_short} of the finished {'was' if cut_short == 1 else 'were'} stopped by request"
    facts = [("runs", ", ".join(f"{number} {state}" for state, number in states.most_common()) + of_them)]
    if len(comparison.groups) == 1:
        (group,) = comparison.groups
        facts += [
            ("settings", f"{len(group.settings)}, {_seeds(group.ranked)}"),
            ("ranked by", f"{group.metric.name} ({group.metric.direction})"),
            ("compared on", group.label),
        ]
    if comparison.lit:
        count = Counter(light.name for record in comparison.records for light in record.lights)
        warned = sum(bool(record.lights) for record in comparison.records)
        lights = ", ".join(f"{in_words(name)} {number}" for name, number in count.most_common())
        facts.append(("warning lights", f"in {warned} of {len(comparison.records)} runs: {lights}"))
    if comparison.pruning is not None:
        facts.append(("pruned by", f"{comparison.pruning.name}: {comparison.pruning.saving}"))
    if comparison.slots is not None:
        facts.append(("slots", slot_use.in_words(comparison.slots)))
    facts.append(("training time", _duration(sum(record.device_seconds for record in comparison.records))))
    machines = dict.fromkeys(
        f"{run.tags.get('device')} on {run.tags.get('host')}" for run in comparison.records if run.tags
    )
    if machines:
        facts.append(("trained by", ", ".join(machines)))
    facts.append(("written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"))
    commits = dict.fromkeys(
        value for run in comparison.records for key, value in run.tags.items() if key.endswith("git.commit")
    )
    if commits:
        facts.append(("git commit", ", ".join(commits)))
    if comparison.sweep:
        facts.insert(0, ("swept", "; ".join(f"{key}={text}" for key, text in comparison.sweep["varied"].items())))
    return facts


def _seeds(ranked: Sequence[RankedSetting]) -> str:
    counts = sorted({len(place.values) for place in ranked}) or [0]
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{span} {'seed' if counts == [1] else 'seeds'} each"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _duration(seconds: float) -> str:
    """Return ``1 h 05 min``, ``3 min 20 s``, ``4.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
