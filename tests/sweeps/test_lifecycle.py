"""A sweep is one thing: its runs find each other in MLflow, and a failing one ends nothing but itself."""

from __future__ import annotations

import base64
import json
import shlex
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest

from gan_experiments.tracking.journal import read
from gan_experiments.tracking.sweep_directory import SweepDirectory
from tests.support.commands import Command
from tests.support.real_runs import client, database
from tests.support.sweeps import SETTINGS, Swept

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def runs(failed_sweep: Swept) -> dict[str, Any]:
    """All runs of the experiment, by name."""
    mlflow = client(database(failed_sweep.folder))
    experiment = mlflow.get_experiment_by_name("sweeps")
    assert experiment is not None
    return {run.info.run_name: run for run in mlflow.search_runs([experiment.experiment_id])}


def test_a_failing_run_ends_neither_its_batch_nor_the_sweep(failed_sweep: Swept) -> None:
    assert failed_sweep.ended.status == 1
    journals = [failed_sweep.directory.path / str(number) / "journal.jsonl" for number in range(2)]
    ends = [[line["status"] for line, _ in read(path) if line["kind"] == "status"] for path in journals]
    assert ends == [["FAILED"], ["FINISHED"]]


def test_the_last_lines_say_what_failed_and_why_and_how_to_go_on(failed_sweep: Swept) -> None:
    ended = failed_sweep.ended
    assert ended.err[-1] == "failed    lr=1e+30: the generator's loss is nan at step 1"
    assert shlex.split(ended.out[-1]) == [
        *["resume", "python", "-m", "gan_experiments.run", "-m"],
        f"sweep.resume={failed_sweep.directory.path}",
    ]
    said = {line.split()[0]: line for line in ended.out}
    assert "1 of 2 runs have finished" in said["sweep"]
    assert said["report"].endswith(str(failed_sweep.directory.report / "report.html"))


def test_why_it_failed_is_kept_with_the_run(failed_sweep: Swept) -> None:
    failure = json.loads((failed_sweep.directory.path / "0" / "failure.json").read_text())
    assert "RunFailedError" in failure["traceback"]
    assert not (failed_sweep.directory.path / "1" / "failure.json").exists()


def test_all_runs_are_flat_in_one_experiment_under_one_tag(failed_sweep: Swept, runs: dict[str, Any]) -> None:
    name = failed_sweep.directory.content()["name"]
    assert name.startswith("lr 20")
    assert set(runs) == {"lr=1e+30", "lr=0.001", name}
    assert {run.data.tags["sweep"] for run in runs.values()} == {name}
    assert not any("mlflow.parentRunId" in run.data.tags for run in runs.values())
    jobs = [run for key, run in runs.items() if key != name]
    assert {run.data.tags["summary_run"] for run in jobs} == {runs[name].info.run_id}
    assert [run.data.tags["setting"] for run in jobs] == [run.info.run_name for run in jobs]  # no seeds here
    assert client(database(failed_sweep.folder)).get_experiment_by_name("gan") is None
    default = client(database(failed_sweep.folder)).search_runs(["0"])
    assert list(default) == []


def test_the_summary_says_what_was_swept_and_what_came_of_it(failed_sweep: Swept, runs: dict[str, Any]) -> None:
    summary = runs[failed_sweep.directory.content()["name"]]
    tags, report = summary.data.tags, json.loads((failed_sweep.directory.report / "report.json").read_text())
    assert tags["role"] == "summary"
    assert summary.info.status == "FAILED"
    assert tags["status_reason"] == "1 of 2 runs have finished"
    assert summary.data.params == {"swept.train.lr": "1e30,1e-3"}
    assert "train.lr=1e30,1e-3" in shlex.split(tags["overrides"])
    best = runs[tags["best_run_name"]]
    assert tags["best_run"] == best.info.run_id == report["best"]["run_id"]
    assert tags["best.train.lr"] == best.data.params["train.lr"]
    assert f"runs/{best.info.run_id}" in tags["mlflow.note.content"]
    assert (tags["runs.finished"], tags["runs.failed"]) == ("1", "1")
    assert summary.data.metrics == {}  # each would be a chart of its own with a single bar


def test_the_summary_leads_to_a_view_of_the_runs(failed_sweep: Swept, runs: dict[str, Any]) -> None:
    summary = runs[failed_sweep.directory.content()["name"]]
    key = summary.info.run_id
    assert f"viewStateShareKey={key}&compareRunsMode=CHART" in summary.data.tags["mlflow.note.content"]
    experiment = client(database(failed_sweep.folder)).get_experiment(summary.info.experiment_id)
    kind, _, packed = experiment.tags[f"mlflow.sharedViewState.{key}"].partition(";")
    assert kind == "deflate"
    view = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert view["searchFilter"] == f"tags.summary_run = '{key}'"
    known = {run.info.run_id: run.data for run in runs.values()}[summary.data.tags["best_run"]]
    for chart in view["compareRunCharts"]:
        drawn = {chart[key] for key in ("metricKey",) if key in chart} | {*chart.get("selectedMetrics", ())}
        assert drawn <= known.metrics.keys()
    assert view["selectedColumns"][0] == "params.`train.lr`"


def test_the_report_is_in_the_folder_and_in_mlflow(failed_sweep: Swept) -> None:
    directory = failed_sweep.directory
    local = {f"report/{file.name}" for file in directory.report.iterdir()}
    assert local == {
        f"report/{name}" for name in ("report.html", "report.json", "ranking.csv", "runs.csv", "scores.md")
    }
    mlflow = client(database(failed_sweep.folder))
    assert {item.path for item in mlflow.list_artifacts(directory.content()["run_id"], "report")} == local


def test_the_same_folder_takes_no_second_sweep(whole_sweep: SweepDirectory, command: Command) -> None:
    before = whole_sweep.sweep.read_bytes()
    answer = command("-m", *SETTINGS, "seed=1,2", f"hydra.sweep.dir={whole_sweep.path}")
    assert answer.status == 2
    assert f"holds a sweep already; sweep.resume={whole_sweep.path} resumes it" in answer.err
    assert whole_sweep.sweep.read_bytes() == before
    assert answer.files == []


REFUSED = {
    "-m tracking.experiment=a,b": "tracking.experiment=a,b: must be one value, because a sweep is recorded",
    "-m +sweep=widths,learning_rates": "sweep=widths,learning_rates: must be one value",
    "+sweep=widths": "+sweep=widths: needs -m",
    "-m +sweep=nope": "sweep=nope: no such option; sweep has around_article, few_images, learning_rates, ",
    "sweep.resume=nowhere": "sweep.resume=nowhere: must be a sweep's folder",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_one_line_and_nothing_written(typed: str, command: Command) -> None:
    answer = command(*typed.split())
    assert answer.status == 2
    assert answer.err.startswith(f"error: {REFUSED[typed]}")
    assert answer.err.count("\n") == 1
    assert answer.files == []


def test_a_preset_is_checked_like_what_is_typed(command: Command) -> None:
    answer = command("-m", "+sweep=around_article", "model.dropout=0.1,2")
    assert answer.err == "error: model.dropout=2.0: must be a number, at least 0 and below 1\n"
    assert answer.files == []


def test_jobs_that_change_folder_are_recorded_where_the_command_was_given(
    command: Command, empty_database: Path
) -> None:
    shutil.copy(empty_database, "mlflow.db")
    jobs = ("seed=0,1", "hydra.job.chdir=true", "hydra.sweep.dir=sweep")
    answer = command("-m", *SETTINGS, "train.epochs=1", "evaluate=off", *jobs)
    assert answer.status == 0, answer.err
    assert [name for name in answer.files if name.endswith(".db")] == ["mlflow.db"]
    assert len(client(f"sqlite:///{Path('mlflow.db').absolute()}").search_runs(["1"])) == 3
