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
from gan_experiments.sweeps.mlflow_page import note, view
from gan_experiments.tracking import metadata
from gan_experiments.tracking.background import environment
from gan_experiments.tracking.delivery_errors import RefusedError
from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.mlflow import api, connection
from gan_experiments.tracking.mlflow.logged_run import LoggedRun
from gan_experiments.tracking.mlflow.names import LONGEST_TAG, allowed_text
from gan_experiments.tracking.mlflow.private_formats import NOTE, SOURCE_NAME, SOURCE_TYPE, USER
from gan_experiments.tracking.mlflow.refusals import get_run, is_refusal, restore, words
from gan_experiments.tracking.moved import settle_sweep
from gan_experiments.tracking.run_directory import RunDirectory, read_json
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.tracking.synchronise import synchronise
from gan_experiments.tracking.terminal import say
from gan_experiments.tracking.trackers.mlflow import MLflow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


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
    client = connection.connect(directory.content()["uri"])
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
            run = api.find_run(client, experiment_id, sweep["nonce"]) or api.create_run(
                client, experiment_id, name=sweep["name"], nonce=sweep["nonce"], time=sweep["started"]
            )
            self._directory.remember(run_id=run.info.run_id, experiment_id=experiment_id)
        restore(client, run)
        return run.info.run_id

    def complete(self) -> None:
        """Bring the summary up to date with the sweep's folder, and bring back runs that MLflow no longer has."""
        directory = self._directory
        sweep = directory.content()
        self._bring_back_runs(sweep)
        tags = {**dict(_tags(directory, sweep)), **metadata.commit()}
        if (directory.report / "report.json").is_file():
            tags |= self._results(sweep, read_json(directory.report / "report.json"))
        ended = sweep["status"] != "RUNNING"
        if ended:
            tags["status_reason"] = allowed_text(sweep["reason"], LONGEST_TAG)
        self._logged.log(params={f"swept.{key}": text for key, text in sweep["varied"].items()}, tags=tags)
        files = [*sorted(directory.report.rglob("*")), directory.search_results]
        names = [str(file.relative_to(directory.path)) for file in files if file.is_file()]
        for _ in self._logged.log_files(directory.path, names, whole=MLflow.is_local(sweep["uri"])):
            pass
        if ended:
            self._client.set_terminated(self._run_id, sweep["status"], sweep["ended"])
        else:
            self._client.update_run(self._run_id, status="RUNNING")

    def _bring_back_runs(self, sweep: dict[str, Any]) -> None:
        """Deliver the runs that MLflow once had and has no more, and have all of them name this summary as theirs."""
        jobs = [job for job in self._directory.jobs() if job.run.is_file()]
        ids = [job.delivered_to(sweep["uri"]).get("run_id") for job in jobs]
        delivered = {run_id: job for run_id, job in zip(ids, jobs, strict=True) if run_id is not None}
        if not delivered:  # the sweep begins
            return
        runs = self._runs(sweep)
        lost = delivered.keys() - {run.info.run_id for run in runs}
        if lost and sweep["status"] != "KILLED":  # who stops a sweep does not want to wait
            for run_id in lost:
                with suppress(UserError):  # it is training: its own tracker sees to it
                    synchronise(delivered[run_id], say=_tell)
            runs = self._runs(sweep)
        for run in runs:
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

    def _results(self, sweep: dict[str, Any], report: dict[str, Any]) -> dict[str, str]:
        """Store the view of the sweep's runs; return tags with its results: counts, the best run, a description."""
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
        for name, value in view(sweep, report).items():
            self._client.set_experiment_tag(sweep["experiment_id"], name, value)
        return tags | {NOTE: note(self._directory, sweep, report)}


def _tags(directory: SweepDirectory, sweep: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield SWEEP_TAG, sweep["name"]
    yield ROLE_TAG, "summary"
    yield "overrides", shlex.join(sweep["overrides"]["task"])
    yield "run_directory", str(directory.path)
    yield "host", socket.gethostname()
    yield USER, metadata.user()
    yield SOURCE_TYPE, "LOCAL"
    yield SOURCE_NAME, "gan_experiments.run"


if __name__ == "__main__":
    main()
