"""A run's folder knows in which experiment the run is, and what has arrived there."""

from __future__ import annotations

from pathlib import Path

from gan_experiments.tracking.run_directory import read_json, write_json
from tests.support.hand_made import HandMadeRun

URI = "sqlite:////somewhere/mlflow.db"


def _open_and_close(run: HandMadeRun, experiment: str) -> None:
    run.tracking.experiment = experiment
    recorder = run.recorder()
    recorder.open()
    recorder.close("KILLED", "test over")


def _deliver(run: HandMadeRun) -> None:
    """Remember what an older version of this project remembers."""
    size = run.directory.journal.stat().st_size
    write_json(run.directory.delivered, {URI: {"experiment_id": "1", "run_id": "a" * 32, "position": size}})


def test_a_run_that_goes_on_in_another_experiment_has_nothing_delivered_there(tmp_path: Path) -> None:
    run = HandMadeRun(tmp_path / "run", None)
    _open_and_close(run, "first")
    _deliver(run)
    assert run.directory.is_delivered(URI)
    _open_and_close(run, "second")
    assert read_json(run.directory.run)["experiment"] == "second"
    assert run.directory.delivered_to(URI) == {}
    run.directory.change_experiment("first")
    assert run.directory.delivered_to(URI)["run_id"] == "a" * 32


def test_an_experiment_that_was_chosen_later_stays_when_the_run_goes_on(tmp_path: Path) -> None:
    """The configuration with which a run began still says the first one."""
    run = HandMadeRun(tmp_path / "run", None)
    _open_and_close(run, "first")
    run.directory.change_experiment("second")
    _open_and_close(run, "first")
    assert read_json(run.directory.run)["experiment"] == "second"
    _open_and_close(run, "third")
    assert read_json(run.directory.run)["experiment"] == "third"
