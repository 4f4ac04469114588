"""Fixtures for what tracking leaves behind: a place of one's own, and a database."""

from __future__ import annotations

import os
import shutil
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


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> str:
    """The URI of a fresh database."""
    return f"sqlite:///{shutil.copy(empty_database, tmp_path / 'mlflow.db')}"
