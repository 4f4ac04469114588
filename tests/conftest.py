"""Fixtures that tests of several parts share."""

from __future__ import annotations

import os

# Before torch is imported, and for every process that a test starts: two processes whose OpenMP threads wait for
# each other on the same cores are thirty times slower than with one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.pop("MLFLOW_TRACKING_URI", None)

import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gan_experiments import run
from gan_experiments.tracking.run_directory import RunDirectory
from tests.support import postgresql as postgresql_server
from tests.support import real_runs

pytest_plugins = ["tests.support.sweeps"]

# A shell that starts pytest in the background has it ignore Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is loaded through MLflow puts its part of this package on the path, for good."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@dataclass(frozen=True)
class Answer:
    """What a command left behind: exit status, both outputs, and the files in its working directory."""

    status: int
    out: str
    err: str
    files: list[str]


Command = Callable[..., Answer]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``python -m gan_experiments.run`` with the given arguments, in this process, from an empty folder."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def call(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["run", *arguments])
        status = 0
        try:
            run.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        out, err = capfd.readouterr()
        return Answer(status, out, err, sorted(str(path.relative_to(folder)) for path in folder.rglob("*")))

    return call


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of MLflow's with its tables, which take seconds to make."""
    from gan_experiments.tracking.mlflow.api import connect

    with warnings.catch_warnings(action="ignore"):  # MLflow's own, at every import
        import mlflow.pyfunc  # noqa: F401
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    here, variables = Path.cwd(), dict(os.environ)
    connect(f"sqlite:///{path}")  # settles in its process
    os.chdir(here)
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    return path


@pytest.fixture
def workplace(empty_database: Path, tmp_path: Path) -> Path:
    """An empty folder but for a database without runs; its name would trip a careless command."""
    folder = tmp_path / "it's my work"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgresql_server.PostgreSQL]:
    """A PostgreSQL server of the tests' own; a test that wants it is skipped where there is none to start."""
    with postgresql_server.running() as server:
        yield server


EPOCHS, SAMPLE_EVERY, LOG_EVERY = 6, 2, 20
"""Of the finished runs."""
IMAGES, BATCH = 1797, 52
ENDS = [-(-epoch * IMAGES // BATCH) for epoch in range(1, EPOCHS + 1)]
"""The step that ends each epoch: every batch is full, an epoch's tail joins the next one's head."""
SAMPLED = [0, *(ENDS[epoch - 1] for epoch in range(SAMPLE_EVERY, EPOCHS + 1, SAMPLE_EVERY))]
"""Steps with pictures."""


@dataclass(frozen=True)
class FinishedRuns:
    """Two runs that were started at the same moment in an empty folder.

    Attributes:
        folder: Where they were started; ``mlflow.db`` is there.
        directories: ``experiment=quickstart`` first, then the same with another learning rate and seed.
        ended: What each left on its outputs.
    """

    folder: Path
    directories: tuple[RunDirectory, RunDirectory]
    ended: tuple[real_runs.Ended, real_runs.Ended]

    @property
    def uri(self) -> str:
        """Their database."""
        return real_runs.database(self.folder)


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> FinishedRuns:
    """Two real runs, which take some ten seconds; look, but do not touch."""
    folder = tmp_path_factory.mktemp("finished")
    tracking = (f"tracking.sample_every={SAMPLE_EVERY}", f"tracking.log_every={LOG_EVERY}")
    special = ((), ("train.lr=1e-3", "seed=1"))
    processes = [
        real_runs.start(
            folder,
            "experiment=quickstart",
            f"train.epochs={EPOCHS}",
            *more,
            f"hydra.run.dir=outputs/runs/{n}",
            *tracking,
        )
        for n, more in enumerate(special)
    ]
    first, second = (real_runs.end(process) for process in processes)
    for ended in (first, second):
        assert ended.status == 0, "\n".join(ended.err)
    return FinishedRuns(folder, tuple(real_runs.run_directories(folder)), (first, second))  # type: ignore[arg-type]
