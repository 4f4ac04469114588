"""Sweeps through a real SLURM: what it does to jobs changes no result, and what it breaks is told."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from gan_experiments.training import checkpoint
from tests.support import real_runs
from tests.support.real_runs import Ended, lines, run_id, until_epochs
from tests.support.slurm_cluster import MISSING, slurm, slurm_cluster, until_no_jobs
from tests.support.sweeps import EPOCHS, SETTINGS
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]

SLURM = ("hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=0.5")
LONG = (*SETTINGS, "train.epochs=2000", "evaluate=off", "tracking=off", "seed=0,1", *SLURM, "hydra.sweep.dir=sweep")


@pytest.fixture(scope="module", autouse=True)
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch, slurm_cluster(tmp_path_factory.mktemp("slurm"), monkeypatch):
        yield


@dataclass(frozen=True)
class Preempted:
    """A sweep of two runs, of which one lost its place on the way, and one diverged."""

    folder: Path
    sweep: SweepDirectory
    ended: Ended

    @property
    def job(self) -> JobDirectory:
        """The run that lost its place."""
        return JobDirectory(self.sweep.path / "0")


@pytest.fixture(scope="module")
def preempted(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Preempted:
    """Its first run is the first one of ``whole_sweep``; look, but do not touch."""
    folder = tmp_path_factory.mktemp("preempted")
    shutil.copy(empty_database, folder / "mlflow.db")
    jobs = ("model.latent_dim=4", "seed=0", "train.lr=2e-4,1e30")
    process = real_runs.start(folder, "-m", *SETTINGS, *jobs, *SLURM, "hydra.sweep.dir=sweep")
    found = Preempted(folder, SweepDirectory(folder / "sweep"), Ended(0, [], []))
    until_epochs(found.job, 5, process)
    name = slurm("squeue", "--me", "--array", "--noheader", "--states=RUNNING", "--format=%i").split()[0]
    slurm("sbatch", "--partition=urgent", "--ntasks=2", "--mem=100M", "--output=/dev/null", "--wrap=true")
    until(
        lambda: slurm("squeue", f"--jobs={name}", "--noheader", "--format=%T") == "PENDING",
        f"the return of job {name} to the queue",
    )
    slurm("scontrol", "update", f"jobid={name}", "StartTime=now")  # SLURM would leave the node two minutes
    return Preempted(folder, found.sweep, real_runs.end(process))


def test_a_run_that_loses_its_place_ends_as_if_nothing_had_happened(
    preempted: Preempted, whole_sweep: SweepDirectory
) -> None:
    assert outcome(preempted.job).finished
    sessions = [line["step"] for line in lines(preempted.job, "session")]
    ends = [(line["status"], line["step"]) for line in lines(preempted.job, "status")]
    assert [status for status, _ in ends] == ["KILLED", "FINISHED"]
    assert sessions == [0, ends[0][1]]  # from the very step at which it was stopped
    assert preempted.job.losses.read_bytes() == (whole_sweep.path / "0" / "losses.f32").read_bytes()


def test_mlflow_has_every_value_of_it_once(preempted: Preempted) -> None:
    with closing(sqlite3.connect(preempted.folder / "mlflow.db")) as connection:
        query = "SELECT key, step FROM metrics WHERE run_uuid = ?"
        rows = Counter(connection.execute(query, (run_id(preempted.job),)).fetchall())
    assert set(rows.values()) == {1}
    assert sum(key == "loss/generator" for key, _ in rows) == EPOCHS


def test_a_run_that_fails_ends_nothing_but_itself(preempted: Preempted) -> None:
    assert preempted.ended.status == 1
    assert preempted.ended.err[-1] == "failed    lr=1e+30: the generator's loss is nan at step 1"
    assert "1 of 2 runs have finished" in " ".join(preempted.ended.out)


def test_a_lost_job_is_told_and_ctrl_c_ends_the_others_in_good_order(tmp_path: Path) -> None:
    """This SLURM keeps no accounts, so that nobody can ask ``sacct`` what has become of a job."""
    sweep = SweepDirectory(tmp_path / "sweep")
    lost, other = JobDirectory(sweep.path / "0"), JobDirectory(sweep.path / "1")
    process = real_runs.start(tmp_path, "-m", *LONG)
    for job in (lost, other):
        until_epochs(job, 2, process)
    array = slurm("squeue", "--me", "--noheader", "--format=%F").split()[0]
    slurm("scancel", "--signal=KILL", f"{array}_0")
    until(lost.failure.exists, "the report of the lost job", process)
    assert outcome(lost).reason.startswith("the job ended without a result (SLURM: ")
    assert outcome(other).state == "running"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    ended = real_runs.end(process)
    assert ended.status == 130
    assert "cancelled 1 of SLURM's jobs; those that train write a checkpoint first" in ended.out
    assert ended.out[-1].endswith(f"sweep.resume={sweep.path}")
    until_no_jobs()
    assert outcome(other).state == "stopped"
    assert checkpoint.load(other.checkpoint)["step"] == lines(other, "status")[-1]["step"] > 0


def test_what_slurm_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    # Whether a node has the device is no matter of the machine that submits.
    ended = real_runs.call(tmp_path, "-m", *LONG, "device=cuda:7", "hydra.launcher.partition=nope")
    assert ended.status == 1
    (line,) = (line for line in ended.err if line.startswith("error: "))
    assert line.startswith("error: hydra/launcher=submitit_slurm: SLURM does not take the jobs (")
    assert "partition" in line
