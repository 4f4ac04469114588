"""A sweep that was stopped or killed goes on: no job is run twice, none is missing."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import filelock
import pytest

from gan_experiments.configuration.command_line import parse
from gan_experiments.sweeps.resume import continued
from gan_experiments.tracking.mlflow.shown import metric_name
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from tests.support import real_runs
from tests.support.commands import Command
from tests.support.real_runs import Ended, client, lines
from tests.support.sweeps import EPOCHS, SETTINGS

pytestmark = pytest.mark.slow

JOBS = 4


def test_it_says_how_to_go_on(interrupted_sweep: tuple[SweepDirectory, Ended, Ended]) -> None:
    sweep, stopped, _ = interrupted_sweep
    assert stopped.status == 130
    assert shlex.split(stopped.out[-1])[-2:] == ["-m", f"sweep.resume={sweep.path}"]


def test_no_job_is_run_twice_and_none_is_missing(interrupted_sweep: tuple[SweepDirectory, Ended, Ended]) -> None:
    sweep, *_ = interrupted_sweep
    assert [job.number() for job in sweep.jobs()] == list(range(JOBS))
    for job in sweep.jobs():
        assert outcome(job).finished
        epochs = [line["epoch"] for line in lines(job, "metrics", "epoch")]
        assert epochs == list(range(1, EPOCHS + 1))
    sessions = [[line["step"] for line in lines(job, "session")] for job in sweep.jobs()]
    assert [len(steps) for steps in sessions] == [2, 2, 1, 1]
    assert sessions[0][1] > 0  # from a checkpoint, not from the start
    assert sessions[1][1] > 0


def test_the_report_has_all_runs(interrupted_sweep: tuple[SweepDirectory, Ended, Ended]) -> None:
    sweep, _, last = interrupted_sweep
    assert f"{JOBS} of {JOBS} runs have finished" in " ".join(last.out)
    assert sweep.content()["status"] == "FINISHED"
    assert (sweep.report / "report.html").is_file()


def test_a_failed_run_is_tried_again_and_a_finished_one_is_not(command: Command) -> None:
    """What it lacked the first time is there the second time."""
    Path("late_data.py").write_text(
        "import pathlib\n"
        "from gan_experiments.data import digits\n"
        "def load(name):\n"
        "    if name == 'late' and not pathlib.Path('mounted').exists() and pathlib.Path('sweep/0').exists():\n"
        "        raise OSError('the disk is not mounted')\n"
        "    return digits.load('digits', '', 28, False)\n"
    )
    data = ("~data", "+data={_target_: late_data.load, name: early}", "data.name=early,late")
    answer = command("-m", *SETTINGS, "train.epochs=1", "tracking=off", *data, "hydra.sweep.dir=sweep")
    assert answer.status == 1
    assert answer.err.splitlines()[-1] == "failed    name=late: OSError: the disk is not mounted"
    Path("mounted").touch()
    again = command("sweep.resume=sweep")
    assert again.status == 0, again.err
    early, late = (JobDirectory(f"sweep/{number}") for number in (0, 1))
    assert len(lines(early, "session")) == len(lines(late, "session")) == 1
    assert f"finished  {early.path}, before; not run again" in again.out
    assert not late.failure.exists()


def test_a_finished_run_that_was_not_delivered_is_delivered(command: Command, empty_database: Path) -> None:
    """What a machine leaves behind that goes down at the wrong moment."""
    shutil.copy(empty_database, "mlflow.db")
    uri = f"sqlite:///{Path('mlflow.db').absolute()}"
    answer = command("-m", *SETTINGS, "train.epochs=1", "evaluate=off", "seed=1", "hydra.sweep.dir=sweep")
    assert answer.status == 0, answer.err
    sweep = SweepDirectory("sweep")
    (job,) = sweep.jobs()
    mlflow, before = client(uri), job.run_id()
    assert before is not None
    mlflow.delete_run(before)
    job.delivered.unlink()
    again = command("sweep.resume=sweep")
    assert again.status == 0, again.err
    assert f"finished  {job.path}, before; not run again" in again.out
    assert len(lines(job, "session")) == 1
    delivered = job.run_id()
    assert delivered == before  # out of the trash
    assert mlflow.get_run(before).info.lifecycle_stage == "active"
    for metric, value in lines(job, "metrics", "epoch")[-1]["values"].items():
        assert [point.value for point in mlflow.get_metric_history(delivered, metric_name(metric))] == [value]


def test_a_sweep_goes_on_as_it_was(whole_sweep: SweepDirectory, command: Command) -> None:
    answer = command(f"sweep.resume={whole_sweep.path}", "train.lr=1e-3")
    assert answer.status == 2
    assert answer.err.startswith("error: train.lr=1e-3: does not go with sweep.resume; a sweep is resumed as it was")


def test_a_sweep_is_run_by_one_process_at_a_time(whole_sweep: SweepDirectory, command: Command) -> None:
    with filelock.FileLock(whole_sweep.lock):
        answer = command(f"sweep.resume={whole_sweep.path}")
    assert answer.status == 2
    assert "another process is running" in answer.err


def test_a_run_that_another_process_is_still_training_is_waited_for(
    whole_sweep: SweepDirectory, tmp_path: Path
) -> None:
    """A cluster's jobs outlive the command that submitted them."""
    shutil.copytree(whole_sweep.path, tmp_path / "sweep")
    first = JobDirectory(tmp_path / "sweep" / "0")
    with filelock.FileLock(first.lock):
        process = real_runs.start(tmp_path, "sweep.resume=sweep")
        assert process.stdout is not None
        waiting = f"waiting   {first.path}: another process is still training there\n"
        assert waiting in iter(process.stdout.readline, "")
    assert real_runs.end(process).status == 0
    assert len(lines(first, "session")) == len(lines(JobDirectory(whole_sweep.path / "0"), "session"))


def test_another_launcher_leaves_the_keys_of_the_first_one_behind(tmp_path: Path) -> None:
    hydra = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu", "hydra.sweep.subdir=x"]
    before = {
        "overrides": {"hydra": hydra, "task": ["seed=0,1"]},
        "config_dir": None,
        "uri": None,
        "experiment": "gan",
    }
    SweepDirectory(tmp_path).create(before)
    again = continued(parse([f"sweep.resume={tmp_path}", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]))
    assert again.multirun
    assert again.overrides[:2] == ["hydra.sweep.subdir=x", "seed=0,1"]
    assert again.overrides[-2:] == ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert "hydra.launcher.partition=gpu" in continued(parse([f"sweep.resume={tmp_path}"])).overrides
