"""Connects to MLflow, once for all runs that a process delivers: to make sure of a database takes as long as a run.

Only ``MlflowClient`` is used; ``mlflow``'s functions of the same names would share state with the user's program.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from gan_experiments.tracking.mlflow.artifact_places import beside_database
from gan_experiments.tracking.mlflow.private_formats import ARTIFACT_ROOT
from gan_experiments.tracking.mlflow.uri import database_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BESIDE_THE_DATABASE = "./mlruns"
"""Folder of the files of a database's runs, from the folder in which MLflow's client is made."""


@dataclass(frozen=True)
class _Connection:
    """A client, the file that it was made for, and how the database's open connections are closed."""

    client: MlflowClient
    file: tuple[int, int] | None
    close: Callable[[], None]


_kept: dict[str, _Connection] = {}
"""By destination."""


def connect(uri: str) -> MlflowClient:
    """Return a client for a destination whose database has its tables, also if another took its place meanwhile."""
    if uri not in _kept or _kept[uri].file != database_now(uri):
        forget(uri)
        client, close = _connect(uri)
        _kept[uri] = _Connection(client, database_now(uri), close)
    return _kept[uri].client


def forget(uri: str) -> None:
    """Have the next ``connect`` look at the destination again, after it has failed."""
    if uri in _kept:
        _kept.pop(uri).close()


def database_now(uri: str) -> tuple[int, int] | None:
    """Return what tells a database's file from one that takes its place; None where there is no such file.

    Connections that are kept lead to the file that was there, though it was deleted, and nobody will ever read it.
    """
    file = database_file(uri)
    if file is None or not file.exists():
        return None
    found = file.stat()
    return found.st_dev, found.st_ino if found.st_size else 0  # SQLite begins a missing file as an empty one


def _connect(uri: str) -> tuple[MlflowClient, Callable[[], None]]:
    """Make the tables of a database that has none; return a client for it, and what closes its connections."""
    load(uri)
    from mlflow import MlflowClient

    close = _nothing
    with alone(uri), beside_database(uri) as address:
        if not uri.startswith("http"):
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            # Makes the tables; the client would do so once a process.
            store = SqlAlchemyStore(address, os.environ.get(ARTIFACT_ROOT, _BESIDE_THE_DATABASE))
            close = store.engine.dispose
        client = MlflowClient(address, registry_uri=address)
        client.search_experiments(max_results=1)
    return client, close


def _nothing() -> None:
    """Close nothing: a server's connections are its own."""


def load(uri: str) -> None:
    """Import MLflow now, so that the import does not count against the server's timeout."""
    _prepare_environment()
    import mlflow

    if not uri.startswith("http"):
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  # now, for its client holds a lock


def _prepare_environment() -> None:
    """Set MLflow's environment variables for this process, before it is imported; those that the user set stay.

    MLflow's own patience with a dead server, minutes, would hide that it is back.
    """
    for name, value in (
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "10"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_LOGGING_LEVEL", "WARNING"),
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
        ("GIT_PYTHON_REFRESH", "quiet"),
    ):
        os.environ.setdefault(name, value)


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """Let one process of this machine at a time create a database's tables: two at once would ruin it."""
    if uri.startswith("http"):
        yield
        return
    name = hashlib.sha256(uri.encode()).hexdigest()[:16]
    with filelock.FileLock(Path(tempfile.gettempdir()) / f"gan-experiments-{os.getuid()}-{name}.lock"):
        yield
