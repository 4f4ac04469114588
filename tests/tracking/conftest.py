"""Fixtures for what tracking leaves behind: a place of one's own, and databases."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Delivery settles in its process: it changes the working directory and sets MLflow's variables."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of MLflow's with its tables, which take seconds to make."""
    from gan_experiments.tracking.mlflow_run import connect

    with warnings.catch_warnings(action="ignore"):  # MLflow's own, at every import
        import mlflow.pyfunc  # noqa: F401
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    here = Path.cwd()
    connect(f"sqlite:///{path}")
    os.chdir(here)
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> str:
    """The URI of a fresh database."""
    return f"sqlite:///{shutil.copy(empty_database, tmp_path / 'mlflow.db')}"
