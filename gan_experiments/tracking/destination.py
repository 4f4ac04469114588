"""The tracker that a destination belongs to: the one that its URI names, else MLflow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from gan_experiments.configuration.fields import modules_in
from gan_experiments.tracking.mlflow.uri import database_file, database_uri, options_of
from gan_experiments.tracking.trackers.tracker import Tracker

_FOLDER = "tracking/trackers"


def tracker_of(uri: str) -> type[Tracker]:
    """Return the tracker of a destination: ``tensorboard:logs`` is TensorBoard's, what no other has is MLflow's."""
    name = uri.partition(":")[0]
    if name not in modules_in(_FOLDER, "tracker"):
        name = "mlflow"
    return import_module(f"gan_experiments.{_FOLDER.replace('/', '.')}.{name}").TRACKER


def absolute(uri: str) -> str:
    """Return a destination that means the same in every folder; nothing is checked."""
    file = database_file(uri)
    if file is not None:
        return database_uri(file, options_of(uri))
    name, colon, folder = uri.partition(":")
    return f"{name}:{Path(folder).absolute()}" if colon and tracker_of(uri) is not tracker_of("") else uri


def usual() -> str:
    """Return the destination of a command that names none: ``MLFLOW_TRACKING_URI``, or else our own."""
    return os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"


def unused(uri: str | None) -> list[str]:
    """Return a line for each variable of MLflow's that is set, says where runs go, and is not followed."""
    names = () if uri is None else ("MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")
    instead = "MLFLOW_EXPERIMENT_NAME or tracking.experiment names the experiment, and each run is a new one"
    return [f"{name} is not used: {instead}\n" for name in names if os.environ.get(name)]


def check_uri(uri: str) -> str:
    """Make sure that a destination can be used, and return its URI with an absolute path.

    Raises:
        UserError: It cannot.
    """
    return tracker_of(uri).check(uri)


def check_names(uri: str, experiment: str, tags: Mapping[str, str]) -> None:
    """Make sure that a destination, as ``check_uri`` returned it, takes the names that a run brings.

    Raises:
        UserError: It never will.
    """
    tracker_of(uri).check_names(uri, experiment, tags)
