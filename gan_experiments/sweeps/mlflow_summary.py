"""The sweep's summary in MLflow: one more run next to the jobs' runs, with what was swept and the results.

``python -m gan_experiments.sweeps.mlflow_summary SWEEP_DIR`` brings it up to date with the sweep's folder; safe to
repeat.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gan_experiments.sweeps.membership import ROLE_TAG, SUMMARY_TAG, SWEEP_TAG
from gan_experiments.tracking import metadata
from gan_experiments.tracking.background import environment
from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.mlflow import api
from gan_experiments.tracking.mlflow.private_formats import NOTE, SOURCE_NAME, SOURCE_TYPE, USER
from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.tracking.trackers.mlflow import MLflow

if TYPE_CHECKING:
    from mlflow import MlflowClient


def deliver(directory: SweepDirectory) -> str | None:
    """Bring the summary to MLflow, in a process of its own: MLflow is slow to import and changes the folder.

    The first time it makes the database's tables, the experiment and the run, so that no job has to.

    Returns:
        One line saying why MLflow did not take it, or None.
    """
    uri = directory.content()["uri"]
    if uri is None or tracker_of(uri) is not MLflow:  # the report in the sweep's folder has it all
        return None
    command = [sys.executable, "-m", __name__, str(directory.path)]
    ended = subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if ended.returncode == 0:
        return None
    with directory.log.open("a", encoding="utf-8") as log:
        log.write(ended.stderr)
    said = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
    return f"MLflow did not take the sweep's summary ({said[-1]})"


def main() -> None:
    """Make or complete the summary of the sweep in ``sys.argv[1]``."""
    directory = SweepDirectory(sys.argv[1])
    sweep, commit = directory.content(), metadata.commit()
    client = api.connect(sweep["uri"])
    if sweep["run_id"] is None:
        experiment_id = api.find_or_create_experiment(client, sweep["experiment"])
        # A process that died may have left a run whose id nobody knows.
        run_id = api.find_run(client, experiment_id, sweep["nonce"]) or api.create_run(
            client, experiment_id, name=sweep["name"], nonce=sweep["nonce"], time=sweep["started"]
        )
        directory.remember(run_id=run_id, experiment_id=experiment_id)
        api.log_tags(client, run_id, dict(_tags(directory, sweep)) | commit)
        api.log_params(client, run_id, {f"swept.{key}": text for key, text in sweep["varied"].items()})
        sweep = directory.content()
    report = directory.report / "report.json"
    if report.is_file():
        _log_results(client, sweep, read_json(report))
        for file in sorted(directory.report.iterdir()):
            name = str(file.relative_to(directory.path))
            api.log_file(client, sweep["run_id"], directory.path, name)
    if directory.search_results.is_file():
        api.log_file(client, sweep["run_id"], directory.path, directory.search_results.name)
    if sweep["status"] == "RUNNING":
        client.update_run(sweep["run_id"], status="RUNNING")
    else:
        api.end_run(client, sweep["run_id"], sweep["status"], sweep["reason"], sweep["ended"])


def _tags(directory: SweepDirectory, sweep: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield SWEEP_TAG, sweep["name"]
    yield ROLE_TAG, "summary"
    yield "overrides", shlex.join(sweep["overrides"]["task"])
    yield "run_directory", str(directory.path)
    yield "host", socket.gethostname()
    yield USER, metadata.user()
    yield SOURCE_TYPE, "LOCAL"
    yield SOURCE_NAME, "gan_experiments.run"


def _log_results(client: MlflowClient, sweep: dict[str, Any], report: dict[str, Any]) -> None:
    """Log the results of the sweep: counts, the best run's values and a link to it."""
    from mlflow.entities import Metric

    run_id, best = sweep["run_id"], report["best"]
    tags = {"metric": report["metric"]["name"], "headline": report["headline"]}
    tags |= {f"runs.{state}": str(count) for state, count in report["states"].items()}
    if best is not None:
        tags |= {"best_run": best["run_id"] or "", "best_run_name": best["name"]}
        tags |= {f"best.{key}": value for key, value in best["params"].items()}
        # MLflow's pages sort charts by name: these, of one bar each, come after those of the runs.
        metrics = [Metric(f"sweep_best/{name}", value, report["time"], 0) for name, value in best["metrics"].items()]
        client.log_batch(run_id, metrics=metrics)
    api.log_tags(client, run_id, tags | {NOTE: _note(sweep, report)})


def _note(sweep: dict[str, Any], report: dict[str, Any]) -> str:
    """Return the description on the summary's page, in Markdown."""
    page = f"#/experiments/{sweep['experiment_id']}/runs"
    query = quote(f"tags.{SWEEP_TAG} = '{sweep['name']}'")
    links = [f"[all runs of this sweep]({page}?workflowType=machine_learning&searchFilter={query})"]
    query = quote(f"tags.{SUMMARY_TAG} = '{sweep['run_id']}'")  # which the summary itself has not
    links += [f"[their charts]({page}?workflowType=machine_learning&compareRunsMode=CHART&searchFilter={query})"]
    best = report["best"]
    if best is not None and best["run_id"] is not None:
        links.insert(0, f"[best run: {best['name']}]({page}/{best['run_id']})")
    lines = [" · ".join(links), "", report["headline"], "", "The report is the artifact `report/report.html`.", ""]
    found = (sweep.get("search") or {}).get("best")
    if found:
        found = [f"- `{trial['in_words']}`" for trial in found]
        lines += ["The search found, as the artifact `optimization_results.yaml` has it:", "", *found, ""]
    if report["failures"]:
        lines += ["Not finished:", "", *(f"- {each['name']}: {each['reason']}" for each in report["failures"])]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
