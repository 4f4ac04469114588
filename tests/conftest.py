"""Fixtures that tests of several parts share."""

from __future__ import annotations

import os

# Before torch is imported, and for every process that a test starts: two processes whose OpenMP threads wait for
# each other on the same cores are thirty times slower than with one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)
os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
os.environ.pop("MLFLOW_RUN_ID", None)

import math
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from gan_experiments.data import idx
from gan_experiments.data.dataset import Dataset
from gan_experiments.tracking import terminal
from tests.support import postgresql as postgresql_server

pytest_plugins = ["tests.support.commands", "tests.support.finished_runs", "tests.support.sweeps"]

# A shell that starts pytest in the background has it ignore Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs follow MLflow's variables, which MLflow itself sets in the process of a test that uses it."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave unsaid what takes long: on a slow machine, such lines would stand beside the one that a test expects."""
    monkeypatch.setattr(terminal, "_SILENCE", math.inf)


@pytest.fixture(autouse=True)
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is loaded through MLflow puts its part of this package on the path, for good."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of MLflow's with its tables, which take seconds to make."""
    from gan_experiments.tracking.mlflow.connection import connect

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
def mnist() -> Dataset:
    """Real MNIST, where this machine has it."""
    root = os.environ.get("GAN_EXPERIMENTS_MNIST", "")
    if not Path(root, "MNIST/raw").is_dir():
        pytest.skip("GAN_EXPERIMENTS_MNIST names no folder that holds MNIST/raw")
    return idx.load("mnist", root=root, image_size=28, download=False)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgresql_server.PostgreSQL]:
    """A PostgreSQL server of the tests' own; a test that wants it is skipped where there is none to start."""
    with postgresql_server.running() as server:
        yield server
