"""What a sweep's summary shows in MLflow: its description in Markdown, and the view of the runs that it links to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gan_experiments.sweeps.membership import SUMMARY_TAG
from gan_experiments.tracking.journal import PRUNED
from gan_experiments.tracking.mlflow.shown import metric_name, parameter_name
from gan_experiments.tracking.mlflow.views import shared_view
from gan_experiments.tracking.sweep_directory import SweepDirectory

_MOST_SETTINGS, _MOST_FAILURES = 10, 20
"""Settings and runs that failed in the description of a sweep; the report has all."""


def view(sweep: dict[str, Any], report: dict[str, Any]) -> dict[str, str]:
    """Return the experiment's tag with the view that the description's link opens."""
    from gan_experiments.reports.ranking_metric import EQUILIBRIUM  # loads NumPy

    metric = report["metric"]
    is_recorded = report["best"] is not None and metric["name"] != EQUILIBRIUM  # which the report computes
    return shared_view(
        sweep["run_id"],
        search=f"tags.{SUMMARY_TAG} = '{sweep['run_id']}'",  # which the summary itself has not
        params=[parameter_name(key) for key in sweep["varied"]],
        tags=[PRUNED] if "pruning" in report else [],
        metric=metric_name(metric["name"]) if is_recorded else None,
        ascending=not metric["direction"].startswith("larger"),
        runs=sum(report["states"].values()),
    )


def note(directory: SweepDirectory, sweep: dict[str, Any], report: dict[str, Any]) -> str:
    """Return the description on the summary's page, in Markdown."""
    page = f"#/experiments/{sweep['experiment_id']}/runs"
    kind = "workflowType=machine_learning"  # otherwise MLflow shows its menus for language models
    view = f"{kind}&viewStateShareKey={sweep['run_id']}"
    links = [f"[all runs of this sweep]({page}?{view})", f"[side by side]({page}?{view}&compareRunsMode=CHART)"]
    links.append(f"[report]({page}/{sweep['run_id']}/artifacts/report/report.html?{kind})")
    best = report["best"]
    if best is not None and best["run_id"] is not None:
        links.insert(0, f"[best run: {best['name']}]({page}/{best['run_id']}?{kind})")
    lines = [" · ".join(links), "", report["headline"], "", *_ranking(sweep, report)]
    if "pruning" in report:
        pruning = report["pruning"]
        rungs = [f"{rung['arrived']} at epoch {rung['epoch']}" for rung in pruning["rungs"]]
        lines += [f"Settings at the rungs of {pruning['pruner']}: {', '.join(rungs)}. {pruning['saving']}", ""]
    lines += [f"The report is the artifact `report/report.html`, and `{directory.report}/report.html`.", ""]
    found = (sweep.get("search") or {}).get("best")
    if found:
        found = [f"- `{trial['in_words']}`" for trial in found]
        lines += ["The search found, as the artifact `optimization_results.yaml` has it:", "", *found, ""]
    if report["failures"]:
        failures = [f"- {each['name']}: {each['reason']}" for each in report["failures"]]
        more = len(failures) - _MOST_FAILURES
        lines += ["Not finished:", "", *failures[:_MOST_FAILURES], *([f"- … and {more} more"] if more > 0 else [])]
    return "\n".join(lines)


def _ranking(sweep: dict[str, Any], report: dict[str, Any]) -> Iterator[str]:
    """Yield a table in Markdown of the settings that are best, in the order of the report."""
    rows = report["ranking"][:_MOST_SETTINGS]
    swept = [key for key in sweep["varied"] if rows and key in rows[0]]
    if rows:
        yield f"| {' | '.join(swept)} | {report['metric']['name']} | seeds | |"
        yield "| --- " * (len(swept) + 3) + "|"
        for row in rows:
            cells = [*(row[key] for key in swept), f"{row['mean']:.4g}", str(row["seeds"]), row["verdict"] or ""]
            yield f"| {' | '.join(cells)} |"
        yield ""
