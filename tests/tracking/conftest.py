"""Fixtures for what tracking leaves behind: a place of one's own, and a database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hand_made import HandMadeRun


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Delivery settles in its process: it changes the working directory and sets MLflow's variables."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> str:
    """The URI of a fresh database."""
    return f"sqlite:///{shutil.copy(empty_database, tmp_path / 'mlflow.db')}"


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> HandMadeRun:
    """A finished run that nobody may change: its folder has everything, MLflow nothing."""
    run = HandMadeRun(tmp_path_factory.mktemp("recorded") / "run", None)
    run.record()
    return run


@pytest.fixture
def recorded(recorded_once: HandMadeRun, tmp_path: Path) -> HandMadeRun:
    """The same, for a test to do with as it likes."""
    shutil.copytree(recorded_once.directory.path, tmp_path / "run")
    return HandMadeRun(tmp_path / "run", None)
