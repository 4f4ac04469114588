"""The sweep's summary in MLflow: one more run next to the jobs' runs, with what was swept and the results.

``python -m gan_experiments.sweeps.mlflow_summary SWEEP_DIR`` brings it up to date with the sweep's folder; safe to
repeat.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gan_experiments.errors import UserError
from gan_experiments.sweeps.membership import ROLE_TAG, SUMMARY_TAG, SWEEP_TAG
from gan_experiments.tracking import metadata
from gan_experiments.tracking.background import environment
from gan_experiments.tracking.delivery_errors import RefusedError
from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.journal import PRUNED
from gan_experiments.tracking.mlflow import api
from gan_experiments.tracking.mlflow.logged_run import LoggedRun
from gan_experiments.tracking.mlflow.private_formats import NOTE, SOURCE_NAME, SOURCE_TYPE, USER
from gan_experiments.tracking.mlflow.refusals import get_run, is_refusal, restore, words
from gan_experiments.tracking.mlflow.shown import metric_name, parameter_name
from gan_experiments.tracking.mlflow.views import shared_view
from gan_experiments.tracking.moved import settle_sweep
from gan_experiments.tracking.run_directory import RunDirectory, read_json
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.tracking.synchronise import synchronise
from gan_experiments.tracking.terminal import say
from gan_experiments.tracking.trackers.mlflow import MLflow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_MOST_SETTINGS = 10
"""Settings in the description of a sweep; the report has all."""


def deliver(directory: SweepDirectory) -> str | None:
    """Bring the summary to MLflow, in a process of its own: MLflow is slow to import and changes the folder.

    The first time it makes the database's tables, the experiment and the run, so that no job has to.

    Returns:
        One line saying why MLflow did not take it, or None.
    """
    settle_sweep(directory)
    uri = directory.content()["uri"]
    if uri is None or tracker_of(uri) is not MLflow:  # the report in the sweep's folder has it all
        return None
    command = [sys.executable, "-m", __name__, str(directory.path)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            command,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip())
        status = process.wait()
        errors.seek(0)
        complaint = errors.read()
    if status == 0:
        return None
    with directory.log.open("a", encoding="utf-8") as log:
        log.write(complaint)
    said = complaint.strip().splitlines() or [f"exit status {status}"]
    return f"MLflow did not take the sweep's summary ({said[-1]})"


def main() -> None:
    """Make or complete the summary of the sweep in ``sys.argv[1]``, and the runs that MLflow has lost.

    Raises:
        SystemExit: MLflow refuses the summary; the message is one line.
    """
    directory = SweepDirectory(sys.argv[1])
    client = api.connect(directory.content()["uri"])
    try:
        Summary(directory, client).complete()
    except RefusedError as error:
        raise SystemExit(str(error)) from error
    except Exception as error:
        if is_refusal(error):
            raise SystemExit(words(error)) from error
        raise


def _tell(line: str) -> None:
    """Say a line to the process that waits for this one."""
    print(line, flush=True)


class Summary:
    """The summary of a sweep in MLflow.

    Args:
        directory: The sweep's folder.
        client: Where it is recorded.
    """

    def __init__(self, directory: SweepDirectory, client: MlflowClient) -> None:
        self._directory, self._client = directory, client
        self._run_id = self._find_or_create()
        self._logged = LoggedRun(client, self._run_id, lambda what, why: _tell(f"MLflow: {what} of the sweep {why}"))

    def _find_or_create(self) -> str:
        """Return the id of the summary's run, which MLflow may have lost."""
        sweep, client = self._directory.content(), self._client
        run = None if sweep["run_id"] is None else get_run(client, sweep["run_id"])
        if run is None:
            experiment_id = api.find_or_create_experiment(client, sweep["experiment"])
            # A process that died may have left a run whose id nobody knows.
            run_id = api.find_run(client, experiment_id, sweep["nonce"]) or api.create_run(
                client, experiment_id, name=sweep["name"], nonce=sweep["nonce"], time=sweep["started"]
            )
            run = client.get_run(run_id)
            self._directory.remember(run_id=run_id, experiment_id=experiment_id)
        restore(client, run)
        return run.info.run_id

    def complete(self) -> None:
        """Bring the summary up to date with the sweep's folder, and bring back runs that MLflow no longer has."""
        directory, client, run_id = self._directory, self._client, self._run_id
        sweep = directory.content()
        self._bring_back_runs(sweep)
        self._logged.log_tags(dict(_tags(directory, sweep)) | metadata.commit())
        self._logged.log_params({f"swept.{key}": text for key, text in sweep["varied"].items()})
        report = directory.report / "report.json"
        if report.is_file():
            self._log_results(sweep, read_json(report))
            for file in sorted(directory.report.iterdir()):
                self._logged.log_file(directory.path, str(file.relative_to(directory.path)))
        if directory.search_results.is_file():
            self._logged.log_file(directory.path, directory.search_results.name)
        if sweep["status"] == "RUNNING":
            client.update_run(run_id, status="RUNNING")
        else:
            api.end_run(client, run_id, sweep["status"], sweep["reason"], sweep["ended"])

    def _bring_back_runs(self, sweep: dict[str, Any]) -> None:
        """Deliver the runs that MLflow once had and has no more, and have all of them name this summary as theirs."""
        if sweep["status"] != "KILLED":  # who stops a sweep does not want to wait
            there = {run.info.run_id for run in self._runs(sweep)}
            for job in self._directory.jobs():
                delivered = job.delivered_to(sweep["uri"]).get("run_id") if job.run.is_file() else None
                if delivered is not None and delivered not in there:
                    with suppress(UserError):  # it is training: its own tracker sees to it
                        synchronise(job, say=_tell)
        for run in self._runs(sweep):
            if run.data.tags.get(ROLE_TAG) != "summary" and run.data.tags.get(SUMMARY_TAG) != self._run_id:
                self._client.set_tag(run.info.run_id, SUMMARY_TAG, self._run_id)

    def _runs(self, sweep: dict[str, Any]) -> list[Run]:
        """Return the sweep's runs in MLflow."""
        query, token = f"tags.{SWEEP_TAG} = '{sweep['name']}'", None
        found: list[Run] = []
        while True:
            page = self._client.search_runs([sweep["experiment_id"]], query, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _log_results(self, sweep: dict[str, Any], report: dict[str, Any]) -> None:
        """Log the results of the sweep: counts, the best run's settings and a link to it, and a view."""
        best = report["best"]
        tags = {"metric": report["metric"]["name"], "headline": report["headline"]}
        tags |= {f"runs.{state}": str(count) for state, count in report["states"].items()}
        if "pruning" in report:
            tags["runs.pruned"] = str(report["pruning"]["runs_pruned"])
        if best is not None:
            best["run_id"] = RunDirectory(
                self._directory.path / best["folder"]
            ).run_id()  # it may have been made anew
            tags |= {"best_run": best["run_id"] or "", "best_run_name": best["name"]}
            tags |= {f"best.{key}": value for key, value in best["params"].items()}
        self._logged.log_tags(tags | {NOTE: _note(sweep, report)})
        for name, value in _view(sweep, report).items():
            self._client.set_experiment_tag(sweep["experiment_id"], name, value)


def _tags(directory: SweepDirectory, sweep: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield SWEEP_TAG, sweep["name"]
    yield ROLE_TAG, "summary"
    yield "overrides", shlex.join(sweep["overrides"]["task"])
    yield "run_directory", str(directory.path)
    yield "host", socket.gethostname()
    yield USER, metadata.user()
    yield SOURCE_TYPE, "LOCAL"
    yield SOURCE_NAME, "gan_experiments.run"


def _view(sweep: dict[str, Any], report: dict[str, Any]) -> dict[str, str]:
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
    )


def _note(sweep: dict[str, Any], report: dict[str, Any]) -> str:
    """Return the description on the summary's page, in Markdown."""
    page = f"#/experiments/{sweep['experiment_id']}/runs"
    view = f"workflowType=machine_learning&viewStateShareKey={sweep['run_id']}"
    links = [f"[all runs of this sweep]({page}?{view})", f"[side by side]({page}?{view}&compareRunsMode=CHART)"]
    best = report["best"]
    if best is not None and best["run_id"] is not None:
        links.insert(0, f"[best run: {best['name']}]({page}/{best['run_id']})")
    lines = [" · ".join(links), "", report["headline"], "", *_ranking(sweep, report)]
    if "pruning" in report:
        pruning = report["pruning"]
        rungs = [f"{rung['arrived']} at epoch {rung['epoch']}" for rung in pruning["rungs"]]
        lines += [f"Settings at the rungs of {pruning['pruner']}: {', '.join(rungs)}. {pruning['saving']}", ""]
    lines += ["The report is the artifact `report/report.html`.", ""]
    found = (sweep.get("search") or {}).get("best")
    if found:
        found = [f"- `{trial['in_words']}`" for trial in found]
        lines += ["The search found, as the artifact `optimization_results.yaml` has it:", "", *found, ""]
    if report["failures"]:
        lines += ["Not finished:", "", *(f"- {each['name']}: {each['reason']}" for each in report["failures"])]
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


if __name__ == "__main__":
    main()
