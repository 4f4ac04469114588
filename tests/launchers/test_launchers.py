"""Launchers change where a sweep's runs are trained, and nothing else; what a launcher lacks is told at once."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from gan_experiments.training import checkpoint
from tests.support import real_runs
from tests.support.commands import Command
from tests.support.processes import opened_folders, tasks_of
from tests.support.real_runs import lines, until_epochs
from tests.support.sweeps import SETTINGS
from tests.support.waiting import until

pytestmark = pytest.mark.slow

NEEDS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "joblib"),
    "submitit_local": ("submitit", "slurm"),
    "submitit_slurm": ("submitit", "slurm"),
    "ray": ("ray", "ray"),
}
"""Module and extra that each launcher needs."""
SWEEP = (*SETTINGS, "model.latent_dim=4", "seed=0", "train.lr=2e-4,1e30", "tracking=off", "hydra.sweep.dir=sweep")
"""Its first run is the first one of ``whole_sweep``; the second one diverges."""
THREADS = """\
import multiprocessing
import pathlib
import torch
from gan_experiments.data import digits

def load(name):
    if multiprocessing.parent_process() is not None:
        torch.zeros(1)
        pathlib.Path(f"threads-{multiprocessing.current_process().pid}").write_text(str(torch.get_num_threads()))
    return digits.load("digits", "", 28, False)
"""


def test_the_same_results_from_processes_that_share_the_cores(
    tmp_path: Path, whole_sweep: SweepDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    (tmp_path / "my_data.py").write_text(THREADS)
    data = ("~data", "+data={_target_: my_data.load, name: digits}")
    ended = real_runs.call(tmp_path, "-m", *SWEEP, *data, "hydra/launcher=joblib")
    assert ended.status == 1
    assert ended.err[-1] == "failed    lr=1e+30: the generator's loss is nan at step 1"
    assert {file.read_text() for file in tmp_path.glob("threads-*")} == {"1"}  # a process a core
    assert_as_alone(SweepDirectory(tmp_path / "sweep"), whole_sweep)


def assert_as_alone(found: SweepDirectory, expected: SweepDirectory) -> None:
    """The first run of a sweep has the losses that it has with ``hydra/launcher=basic``."""
    assert outcome(JobDirectory(found.path / "0")).finished
    losses = [(sweep.path / "0" / "losses.f32").read_bytes() for sweep in (found, expected)]
    assert losses[0] == losses[1]


def test_submitits_jobs_go_on_after_a_notice_and_fail_by_themselves(
    tmp_path: Path, whole_sweep: SweepDirectory
) -> None:
    sweep = SweepDirectory(tmp_path / "sweep")
    job = JobDirectory(sweep.path / "0")
    process = real_runs.start(tmp_path, "-m", *SWEEP, "hydra/launcher=submitit_local")
    until_epochs(job, 5, process)
    (notified,) = (task for task in tasks_of(process.pid) if job.path in opened_folders(task))
    notified.send_signal(signal.SIGUSR2)
    ended = real_runs.end(process)
    assert ended.status == 1
    assert ended.err[-1] == "failed    lr=1e+30: the generator's loss is nan at step 1"
    assert [line["status"] for line in lines(job, "status")] == ["KILLED", "FINISHED"]
    assert [line["step"] for line in lines(job, "session")][1] > 0
    assert_as_alone(sweep, whole_sweep)


def test_ctrl_c_ends_submitits_jobs_in_good_order(tmp_path: Path) -> None:
    sweep = SweepDirectory(tmp_path / "sweep")
    job = JobDirectory(sweep.path / "0")
    process = real_runs.start(tmp_path, "-m", *SWEEP, "train.epochs=2000", "hydra/launcher=submitit_local")
    until_epochs(job, 2, process)
    tasks = tasks_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    ended = real_runs.end(process)
    assert ended.status == 130
    assert ended.out[-1].endswith(f"sweep.resume={sweep.path}")
    until(lambda: not any(task.is_running() for task in tasks), "the end of submitit's tasks")
    assert outcome(job).state == "stopped"
    assert checkpoint.load(job.checkpoint)["step"] == lines(job, "status")[-1]["step"] > 0


@pytest.mark.parametrize("launcher", NEEDS)
def test_a_launcher_that_is_not_installed(launcher: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    module, extra = NEEDS[launcher]
    monkeypatch.setitem(sys.modules, module, None)  # what Python makes of a module that is not there
    answer = command("-m", "seed=0,1", f"hydra/launcher={launcher}")
    assert answer.status == 2
    assert (
        answer.err == f"error: hydra/launcher={launcher}: is not installed; pip install 'gan-experiments[{extra}]'\n"
    )
    assert answer.files == []
    assert command(f"hydra/launcher={launcher}", "--cfg", "job").status == 0
    assert command(f"hydra/launcher={launcher}", "--help").status == 0


REFUSED = {
    "hydra/launcher=nope": "hydra/launcher=nope: no such option; hydra/launcher has basic, ",
    "hydra/launcher=joblib hydra.launcher.n_jobs=0": "hydra.launcher.n_jobs=0: must be a whole number above 0, or -1",
    "hydra/launcher=submitit_local hydra.launcher.timeout_min=long": "hydra.launcher.timeout_min=long: Value 'long'",
    "hydra/launcher=submitit_slurm hydra.launcher.partitoin=gpu": "hydra.launcher.partitoin=gpu: no such key; did",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_one_line_and_nothing_written(typed: str, command: Command) -> None:
    answer = command("-m", "seed=0,1", *typed.split())
    assert answer.status == 2
    assert answer.err.startswith(f"error: {REFUSED[typed]}")
    assert answer.err.count("\n") == 1
    assert answer.files == []


def test_slurm_is_needed_where_the_sweep_is_started(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    answer = command("-m", "seed=0,1", "hydra/launcher=submitit_slurm")
    assert answer.status == 2
    assert answer.err.startswith("error: hydra/launcher=submitit_slurm: there is no sbatch here")
    assert answer.files == []
