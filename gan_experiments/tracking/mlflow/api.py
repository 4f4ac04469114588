"""Finds and creates experiments and runs in MLflow; ``logged_run.py`` logs to a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_experiments.tracking.mlflow.names import LONGEST_RUN_NAME, allowed_text
from gan_experiments.tracking.mlflow.refusals import check_is_active

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NONCE_TAG = "run_nonce"
"""Tag by which a run is found again whose id was lost with the process that created it."""


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
    check_is_active(client, experiment)
    return experiment.experiment_id


def find_run(client: MlflowClient, experiment_id: str, nonce: str) -> Run | None:
    """Return the run with a nonce, also from MLflow's trash, or None."""
    from mlflow.entities import ViewType

    query = f"tags.{NONCE_TAG} = '{nonce}'"
    return next(iter(client.search_runs([experiment_id], query, ViewType.ALL, max_results=1)), None)


def create_run(client: MlflowClient, experiment_id: str, *, name: str, nonce: str, time: int) -> Run:
    """Create a run; ``time`` is when it started, in milliseconds since 1970."""
    return client.create_run(experiment_id, time, {NONCE_TAG: nonce}, allowed_text(name, LONGEST_RUN_NAME))
