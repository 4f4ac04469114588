"""Find a run's folder from what a user typed: a path, or the run's id in MLflow."""

from __future__ import annotations

from pathlib import Path

from gan_experiments.errors import UserError
from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.mlflow.locate import folder_of_run, is_run_id
from gan_experiments.tracking.trackers.mlflow import MLflow


def find_run(reference: str, uri: str | None) -> Path:
    """Return the path that ``reference`` names: itself, or the folder of the run with that MLflow id.

    A path that exists comes first, whatever it looks like. Whether a path that is returned exists, and what lies
    there, is for the caller to check.

    Args:
        reference: A path, or an MLflow run id.
        uri: The tracking URI at which an id is looked up.

    Raises:
        UserError: It is an id, and the run cannot be found by it.
    """
    path = Path(reference)
    if not is_run_id(reference) or path.exists():
        return path
    if uri is not None and tracker_of(uri) is not MLflow:
        raise UserError(
            f"run {reference}: {uri} is not MLflow's, which knows runs by such ids; give the run's folder"
        )
    return folder_of_run(reference, uri)
