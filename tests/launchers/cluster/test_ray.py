"""Sweeps through a real Ray: what it does to runs changes no result, and what it breaks is told."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory
from gan_experiments.training import checkpoint
from tests.support import real_runs
from tests.support.commands import Command
from tests.support.processes import opened_folders
from tests.support.ray_cluster import MISSING, namespaces, start_cluster
from tests.support.real_runs import lines, until_epochs
from tests.support.results import assert_same
from tests.support.sweeps import SMALL

pytestmark = pytest.mark.slow

in_namespaces = pytest.mark.skipif(bool(MISSING), reason=f"not here: {', '.join(MISSING)}")
RAY = ("hydra/launcher=ray", "hydra.sweep.dir=sweep")
CLUSTER = (*RAY, "hydra.launcher.ray.init.address=auto")


@pytest.fixture(scope="module")
def inside() -> Iterator[list[str]]:
    """Stands before commands that may start Ray, or use the cluster that is there."""
    with pytest.MonkeyPatch.context() as monkeypatch, namespaces(monkeypatch) as found:
        start_cluster(found)
        yield found


def start(inside: list[str], folder: Path, *overrides: str) -> subprocess.Popen[str]:
    """The command, at work in the namespaces."""
    return real_runs.start(folder, "-m", *SMALL, *overrides, inside=[*inside, f"--wd={folder}"])


def worker(run: JobDirectory) -> psutil.Process:
    """The process that trains a run."""
    named = (process for process in psutil.process_iter(["name"]) if process.info["name"].startswith("ray::"))
    (found,) = (process for process in named if run.path in opened_folders(process))
    return found


@in_namespaces
def test_runs_on_a_cluster_are_those_of_basic_though_one_was_killed(
    inside: list[str], tmp_path: Path, command: Command
) -> None:
    sweep = ("seed=0", "train.lr=2e-4,1e-3,1e30")
    process = start(inside, tmp_path, *sweep, *CLUSTER)
    run = JobDirectory(tmp_path / "sweep" / "0")
    until_epochs(run, 15)
    worker(run).kill()
    alone = command("-m", *SMALL, *sweep, "hydra.sweep.dir=sweep")
    ended = real_runs.end(process)
    assert ended.status == alone.status == 1
    assert_same(tmp_path / "sweep", Path("sweep").absolute(), range(2))
    assert [line["step"] > 0 for line in lines(run, "session")] == [False, True]  # it went on from its checkpoint
    told = "failed    lr=1e+30: the generator's loss is nan at step 1"
    assert ended.err[-1] == alone.err.splitlines()[-1] == told


@in_namespaces
def test_ctrl_c_ends_runs_on_a_cluster_in_good_order(inside: list[str], tmp_path: Path) -> None:
    process = start(inside, tmp_path, "train.epochs=20000", "seed=range(3)", *CLUSTER)
    first, second = (JobDirectory(tmp_path / "sweep" / number) for number in "01")
    for run in (first, second):
        until_epochs(run, 2)
    (at_work,) = psutil.Process(process.pid).children()
    at_work.send_signal(signal.SIGINT)
    ended = real_runs.end(process)
    assert ended.status == 130
    assert "ending    3 of Ray's tasks; those that train write a checkpoint first" in ended.out
    assert ended.out[-1].endswith(f"sweep.resume={tmp_path / 'sweep'}")
    for run in (first, second):
        assert outcome(run).state == "stopped"
        assert checkpoint.load(run.checkpoint)["step"] == lines(run, "status")[-1]["step"] > 0
    assert not (tmp_path / "sweep" / "2").exists()


def test_what_ray_does_not_take_is_told_in_one_line(command: Command) -> None:
    answer = command("-m", *SMALL, "seed=0,1", *RAY, "+hydra.launcher.ray.init.port=1")
    assert answer.status == 1
    (line,) = (line for line in answer.err.splitlines() if line.startswith("error: "))
    assert line.startswith("error: hydra.launcher.ray.init={'address': 'local', ")
    assert line.endswith("'port': 1}: Unknown keyword argument(s): port")
