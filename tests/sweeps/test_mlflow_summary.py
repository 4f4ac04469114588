"""A sweep's summary in MLflow, which may have lost it, or the runs that belong to it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from gan_experiments.reports.comparison import compare
from gan_experiments.reports.write import write
from gan_experiments.sweeps import membership
from gan_experiments.sweeps.mlflow_summary import deliver
from gan_experiments.sync import main as sync_command
from gan_experiments.tracking.journal import PRUNED, Journal
from gan_experiments.tracking.mlflow.connection import connect
from gan_experiments.tracking.run_directory import read_json, write_json
from gan_experiments.tracking.sweep_directory import SweepDirectory
from tests.support.hand_made import HandMadeRun

pytestmark = pytest.mark.slow

RUNS = 2


@pytest.fixture
def sweep(tmp_path: Path, empty_database: Path) -> SweepDirectory:
    """A sweep of runs made by hand that has ended, and of which MLflow knows nothing."""
    directory = SweepDirectory(tmp_path / "sweep")
    uri = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'mlflow.db')}"
    for number in range(RUNS):
        run = HandMadeRun(directory.path / str(number), None, epochs=1)
        run.tracking.tags = {"sweep": "a sweep", "summary_run": "unknown"}
        run.record()
        write_json(run.directory.path / "job.json", {"number": number, "overrides": []})
        write_json(run.directory.run, read_json(run.directory.run) | {"uri": uri})
        shutil.rmtree(run.directory.generator)
    directory.create(
        {
            "name": "a sweep",
            "nonce": "once",
            "experiment": "gan",
            "uri": uri,
            "run_id": None,
            "started": 1,
            "ended": 2,
            "varied": {"train.lr": "1,2"},
            "overrides": {"task": ["train.lr=1,2"]},
            "status": "FINISHED",
            "reason": "2 of 2 runs have finished",
        }
    )
    return directory


def _names(sweep: SweepDirectory) -> list[tuple[str, str]]:
    """Name and summary of every run in MLflow, in the file that is there now: a client of MLflow's own keeps its."""
    client = connect(sweep.content()["uri"])
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return sorted((run.info.run_name, run.data.tags.get("summary_run", "none")) for run in runs)


def test_the_summary_and_the_runs_are_made_anew_where_mlflow_lost_them(sweep: SweepDirectory, tmp_path: Path) -> None:
    sync_command([str(sweep.path)])
    first = sweep.content()["run_id"]
    assert _names(sweep) == [("a sweep", "none"), *[("lr=0.1", first)] * RUNS]
    (tmp_path / "mlflow.db").unlink()
    assert deliver(sweep) is None  # as sweep.resume and compare do
    second = sweep.content()["run_id"]
    assert second != first
    assert _names(sweep) == [("a sweep", "none"), *[("lr=0.1", second)] * RUNS]


def test_many_runs_are_delivered_by_all_cores_and_only_problems_are_told(
    sweep: SweepDirectory, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(membership, "_FEW", 1)
    monkeypatch.setattr(membership, "_RUNS_A_PROCESS", 1)
    first, second = sweep.jobs()
    uri = sweep.content()["uri"]
    first.run.write_text(first.run.read_text().replace(uri, "sqlite:////no/such/folder/mlflow.db"))
    membership.deliver([first, second])
    assert second.is_delivered(uri)
    said = capfd.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert "tracking.uri=sqlite:////no/such/folder/mlflow.db" in line


def test_a_run_that_cannot_be_delivered_is_named_and_the_others_and_the_summary_are_delivered(
    sweep: SweepDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = sweep.jobs()
    uri = sweep.content()["uri"]
    first.run.write_text(first.run.read_text().replace(uri, "sqlite:////no/such/folder/mlflow.db"))
    with pytest.raises(SystemExit) as end:
        sync_command([str(sweep.path)])
    assert end.value.code == 2
    assert second.is_delivered(uri)
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("error: tracking.uri=sqlite:////no/such/folder/mlflow.db")
    assert f"summary   {sweep.content()['run_id']}" in said.out


def test_a_deleted_summary_is_restored_and_a_deleted_experiment_told(sweep: SweepDirectory) -> None:
    assert deliver(sweep) is None
    client, run_id = MlflowClient(sweep.content()["uri"]), sweep.content()["run_id"]
    client.delete_run(run_id)
    assert deliver(sweep) is None
    assert client.get_run(run_id).info.lifecycle_stage == "active"
    client.delete_experiment(sweep.content()["experiment_id"])
    complaint = deliver(sweep)
    assert complaint is not None
    assert "(the experiment 'gan' was deleted there; MLFLOW_TRACKING_URI=" in complaint
    assert complaint.endswith("restores it with its runs)")


def test_a_sweep_goes_to_another_experiment_as_a_whole(
    sweep: SweepDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    sync_command([str(sweep.path), "--experiment", "other"])
    client = MlflowClient(sweep.content()["uri"])
    other = client.get_experiment_by_name("other")
    assert other is not None
    assert len(client.search_runs([other.experiment_id])) == RUNS + 1
    assert f"summary   {sweep.content()['run_id']}" in capsys.readouterr().out


def test_the_summary_tells_what_was_pruned(sweep: SweepDirectory) -> None:
    journal = Journal(sweep.jobs()[1].journal)
    journal.append("tags", key=PRUNED, step=7, epoch=1, values={PRUNED: "1"})
    journal.close()
    rungs = {"pruner": "asha", "eta": 3, "rungs": [1], "epochs": 1, "metric": "loss/generator"}
    sweep.remember(jobs=[[], []], search=None, pruning=rungs)
    write(compare([sweep.path]), sweep.report)
    assert deliver(sweep) is None
    summary = MlflowClient(sweep.content()["uri"]).get_run(sweep.content()["run_id"])
    assert (summary.data.tags["runs.finished"], summary.data.tags["runs.pruned"]) == ("2", "1")
    assert summary.data.tags["best_run_name"].startswith("lr=0.1")
    assert "Settings at the rungs of asha: " in summary.data.tags["mlflow.note.content"]
