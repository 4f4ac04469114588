"""One run in MLflow: created, found again, and ended; ``logged_run.py`` logs to it.

Only ``MlflowClient`` is used; ``mlflow``'s functions of the same names would share state with the user's program.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import filelock

from gan_experiments.tracking.mlflow.artifact_places import beside_database
from gan_experiments.tracking.mlflow.names import LONGEST_RUN_NAME, LONGEST_TAG, allowed_text
from gan_experiments.tracking.mlflow.private_formats import ARTIFACT_ROOT, NOTE
from gan_experiments.tracking.mlflow.refusals import check_experiment
from gan_experiments.tracking.mlflow.uri import database_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

NONCE_TAG = "run_nonce"
"""Tag by which a run is found again whose id was lost with the process that created it."""
_BESIDE_THE_DATABASE = "./mlruns"
"""Folder of the files of a database's runs, from the folder in which MLflow's client is made."""


def connect(uri: str) -> MlflowClient:
    """Return a client for a destination whose database has its tables, also if another took its place meanwhile."""
    load(uri)
    from mlflow import MlflowClient

    if database_folder(uri) is not None:
        # A connection that is kept goes on with a file that was deleted, which no one will ever read.
        os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    with _alone(uri), beside_database(uri) as address:
        if not uri.startswith("http"):
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            # Makes the tables; the client would do so once a process.
            SqlAlchemyStore(address, os.environ.get(ARTIFACT_ROOT, _BESIDE_THE_DATABASE))
        client = MlflowClient(address, registry_uri=address)
        client.search_experiments(max_results=1)
    return client


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
def _alone(uri: str) -> Iterator[None]:
    """Let one process of this machine at a time create a database's tables: two at once would ruin it."""
    if uri.startswith("http"):
        yield
        return
    name = hashlib.sha256(uri.encode()).hexdigest()[:16]
    with filelock.FileLock(Path(tempfile.gettempdir()) / f"gan-experiments-{os.getuid()}-{name}.lock"):
        yield


def find_or_create_experiment(client: MlflowClient, name: str) -> str:
    """Return the experiment's id. Another process may be creating it at the same time.

    Raises:
        RefusedError: It is in MLflow's trash.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    check_experiment(client, experiment.experiment_id)
    return experiment.experiment_id


def find_run(client: MlflowClient, experiment_id: str, nonce: str) -> str | None:
    """Return the id of the run with a nonce, also from MLflow's trash, or None."""
    from mlflow.entities import ViewType

    query = f"tags.{NONCE_TAG} = '{nonce}'"
    for kind in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY):
        if found := client.search_runs([experiment_id], query, kind, max_results=1):
            return found[0].info.run_id
    return None


def create_run(client: MlflowClient, experiment_id: str, *, name: str, nonce: str, time: int) -> str:
    """Create a run and return its id; ``time`` is when it started, in milliseconds since 1970."""
    name = allowed_text(name, LONGEST_RUN_NAME)
    return client.create_run(experiment_id, time, {NONCE_TAG: nonce}, name).info.run_id


def describe_run(client: MlflowClient, run_id: str, head: str, table: str, figures: list[str]) -> None:
    """Describe a run on its page, unless the user has described it already.

    Args:
        client: The destination.
        run_id: The run.
        head: Artifact with the picture that comes first, of whose height MLflow shows a hundred pixels.
        table: Scores in Markdown, or an empty string.
        figures: Artifacts with the pictures that come last.
    """
    pictures = [_picture(run_id, name) for name in (head, *figures) if name]
    parts = [*pictures[:1], table, *pictures[1:]]
    known = client.get_run(run_id).data.tags.get(NOTE, "")
    if all(part.startswith(("![", "| score ")) for part in known.split("\n\n") if part):  # nothing but our own
        client.set_tag(run_id, NOTE, "\n\n".join(filter(None, parts)))


def _picture(run_id: str, name: str) -> str:
    return f"![](get-artifact?{urlencode({'path': name, 'run_uuid': run_id})})"


def pause_run(client: MlflowClient, run_id: str, reason: str) -> None:
    """Show a run as one that may go on later, and why it waits."""
    client.set_tag(run_id, "status_reason", allowed_text(reason, LONGEST_TAG))
    client.update_run(run_id, status="SCHEDULED")


def end_run(client: MlflowClient, run_id: str, status: str, reason: str, time: int | None = None) -> None:
    """End a run: ``FINISHED``, ``FAILED`` or ``KILLED``, why, and when in milliseconds since 1970 (None: now)."""
    client.set_tag(run_id, "status_reason", allowed_text(reason, LONGEST_TAG))
    client.set_terminated(run_id, status, time)
