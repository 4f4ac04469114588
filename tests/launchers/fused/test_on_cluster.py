"""Fused groups as the jobs of other launchers: the runs of ``hydra/launcher=fused``, whatever becomes of a job."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from gan_experiments import run
from gan_experiments.tracking.sweep_directory import JobDirectory
from tests.support import real_runs
from tests.support.commands import Command
from tests.support.processes import opened_folders, tasks_of
from tests.support.ray_cluster import MISSING, namespaces
from tests.support.real_runs import Ended, lines, until_epochs
from tests.support.results import assert_same
from tests.support.sweeps import SMALL

pytestmark = pytest.mark.slow

SWEEP = ("-m", *SMALL, "objective=minimax,non_saturating", "seed=0,1", "hydra.sweep.dir=sweep")
"""Two groups of two runs: #0 and #1, #2 and #3."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep, fused in this process."""
    folder = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["run", *SWEEP, "hydra/launcher=fused"])
        run.main()
    return folder / "sweep"


@pytest.mark.skipif(bool(MISSING), reason=f"not here: {', '.join(MISSING)}")
def test_groups_side_by_side_on_ray(tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    through = ("hydra/launcher=fused", "hydra/launcher/through=ray")
    with namespaces(monkeypatch) as inside:
        ended = real_runs.end(real_runs.start(tmp_path, *SWEEP, *through, inside=[*inside, f"--wd={tmp_path}"]))
    assert ended.status == 0, "\n".join(ended.err)
    assert_same(tmp_path / "sweep", plain, range(4))
    assert set(re.findall(r"training \d runs \((.*)\) as one", "\n".join(ended.out))) == {"#0, #1", "#2, #3"}


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """The sweep through submitit; the first group loses its place and gets it back, the second one dies."""
    folder = tmp_path_factory.mktemp("troubled")
    process = real_runs.start(folder, *SWEEP, "hydra/launcher=fused", "hydra/launcher/through=submitit_local")
    first, second = (folder / "sweep" / number for number in ("0", "2"))
    for path in (first, second):
        until_epochs(JobDirectory(path), 5, process)
        (task,) = (task for task in tasks_of(process.pid) if path in opened_folders(task))
        task.send_signal(signal.SIGUSR2 if path == first else signal.SIGKILL)
    return folder / "sweep", real_runs.end(process)


def test_a_group_that_loses_its_place_goes_on_as_one(troubled: tuple[Path, Ended], plain: Path) -> None:
    sweep, _ = troubled
    assert_same(sweep, plain, range(2))
    for number in "01":
        job = JobDirectory(sweep / number)
        assert [line["status"] for line in lines(job, "status")] == ["KILLED", "FINISHED"]
        first, again = (line["step"] for line in lines(job, "session"))
        assert first == 0 < again


def test_a_group_whose_process_dies_takes_no_other_with_it(troubled: tuple[Path, Ended]) -> None:
    _, ended = troubled
    assert ended.status == 1
    failed = [line for line in ended.err if line.startswith("failed ")]
    assert [line.partition(":")[0] for line in failed] == [
        f"failed    objective=non_saturating seed={seed}" for seed in (0, 1)
    ]
    assert all("the job ended without a result" in line for line in failed)
    assert "2 of 4 runs have finished" in "\n".join(ended.out)


def test_only_what_is_missing_goes_on(troubled: tuple[Path, Ended], plain: Path) -> None:
    sweep, _ = troubled
    ended = real_runs.succeed(sweep.parent, f"sweep.resume={sweep}", "hydra/launcher/through=joblib")
    assert_same(sweep, plain, range(4))
    told = "\n".join(ended.out)
    assert "\tjob 2: runs #2, #3" in told
    assert told.count("job ") == 1
    assert [len(lines(JobDirectory(sweep / str(number)), "session")) for number in range(4)] == [2, 2, 2, 2]


FUSED = "hydra/launcher=fused hydra/launcher/through="
REFUSED = {
    FUSED + "fused": "hydra/launcher/through=fused: no such option; hydra/launcher/through has joblib, ray, ",
    FUSED + "joblib hydra.launcher.through.n_jobs=0": "hydra.launcher.through.n_jobs=0: must be a whole number ",
    "hydra/launcher/through=joblib": "hydra/launcher/through=joblib: goes with hydra/launcher=fused",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_one_line_and_nothing_written(typed: str, command: Command) -> None:
    answer = command("-m", "seed=0,1", *typed.split())
    assert answer.status == 2
    assert answer.err.startswith(f"error: {REFUSED[typed]}")
    assert answer.err.count("\n") == 1
    assert answer.files == []


def test_a_clusters_threads_are_as_many_as_its_processors(command: Command) -> None:
    """Its keys stand elsewhere than they do by themselves."""
    typed = ("hydra/launcher/through=submitit_slurm", "hydra.launcher.through.cpus_per_task=3")
    answer = command("hydra/launcher=fused", *typed, "--cfg", "hydra", "--resolve")
    assert "--export=ALL,OMP_NUM_THREADS=3" in answer.out
