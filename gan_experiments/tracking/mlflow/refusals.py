"""Tell what MLflow refuses from what it could not take just now, and a run that is gone from both."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gan_experiments.tracking.delivery_errors import GoneError, RefusedError
from gan_experiments.tracking.mlflow.preflight import DENIED, restore_command

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

_REFUSED = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "INVALID_STATE", "NOT_IMPLEMENTED"}
_NOT_THERE = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND"}
_LATER = {408, 425, 429}
"""Statuses of HTTP between 400 and 499 that ask to come back."""
_FORBIDDEN = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
}


def is_refusal(error: Exception) -> bool:
    """Tell whether the same request would get the same answer for ever."""
    from mlflow.exceptions import MlflowException
    from requests import HTTPError

    if isinstance(error, MlflowException):
        return error.error_code in DENIED | _REFUSED | _NOT_THERE
    if isinstance(error, HTTPError):  # of a file's upload
        status = error.response.status_code if error.response is not None else 500
        return 400 <= status < 500 and status not in _LATER
    return isinstance(error, OSError) and error.errno in _FORBIDDEN


def words(error: BaseException) -> str:
    """Return what MLflow, its database or the file system said, in one line."""
    from sqlalchemy.exc import DBAPIError

    while isinstance(error.__cause__, Exception) and not isinstance(error, DBAPIError):
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:500].rstrip(".;") if lines else type(error).__name__


def get_run(client: MlflowClient, run_id: str) -> Run | None:
    """Return a run, or None where MLflow has none of that id."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
            raise
        return None


def restore(client: MlflowClient, run: Run) -> bool:
    """Take a run out of MLflow's trash, and return whether it was there.

    Raises:
        RefusedError: Its whole experiment was deleted, with runs that may not be wanted back.
    """
    check_is_active(client, client.get_experiment(run.info.experiment_id))
    if run.info.lifecycle_stage == "active":
        return False
    client.restore_run(run.info.run_id)
    return True


def check_is_active(client: MlflowClient, experiment: Experiment) -> None:
    """Make sure that an experiment is not in MLflow's trash.

    Raises:
        RefusedError: It is.
    """
    if experiment.lifecycle_stage != "active":
        restored = restore_command(client.tracking_uri, experiment.experiment_id)
        raise RefusedError(
            f"the experiment {experiment.name!r} was deleted there; {restored} restores it with its runs"
        )


class Refusals:
    """Sends values to a run, and leaves out those that MLflow refuses.

    Args:
        client: Where to.
        run_id: The run.
        note: Told of each value that is left out: what it is, and why in MLflow's own words.
    """

    def __init__(self, client: MlflowClient, run_id: str, note: Callable[[str, str], None]) -> None:
        self._client, self._run_id, self._note = client, run_id, note

    def send(self, kind: str, values: list[Any], send: Callable[[list[Any]], object]) -> None:
        """Send values together; where MLflow refuses them, in ever smaller parts, down to the one that it refuses.

        Args:
            kind: What they are.
            values: Entities of MLflow, or names of files.
            send: Sends some of them.

        Raises:
            GoneError: The run is no longer there.
            RefusedError: MLflow takes nothing of this run.
        """
        try:
            send(values)
        except Exception as error:
            self.judge(error)
            if len(values) == 1:
                # Without the path: one folder that cannot be written is one reason for all of its files.
                why = error.strerror if isinstance(error, OSError) and error.strerror else words(error)
                self._note(f"{kind} {_name(values[0])!r}", f"is not taken: {why}")
                return
            half = len(values) // 2
            for part in (values[:half], values[half:]):
                self.send(kind, part, send)

    def judge(self, error: Exception) -> None:
        """Return if an error says that MLflow refuses what was sent, but takes others for the same run.

        Raises:
            GoneError: The run is no longer there.
            RefusedError: MLflow takes nothing of this run.
            Exception: The error itself, which may pass.
        """
        if "no such table" in str(error):  # the file was removed: SQLite has begun an empty one
            raise GoneError from error
        if not is_refusal(error):
            raise error
        if getattr(error, "error_code", None) in DENIED:
            raise RefusedError(words(error)) from error
        run = get_run(self._client, self._run_id)
        if run is None:
            raise GoneError from error
        if run.info.lifecycle_stage != "active":
            raise RefusedError("it was deleted in MLflow's pages while it trained") from error


def _name(value: Any) -> str:
    """Return what an entity of MLflow is called; a file is its name."""
    return getattr(getattr(value, "dataset", None), "name", None) or getattr(value, "key", value)
