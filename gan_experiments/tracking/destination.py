"""The tracker that a destination belongs to: the one that its URI names, else MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from gan_experiments.configuration.fields import modules_in
from gan_experiments.tracking.trackers.tracker import Tracker

_FOLDER = "tracking/trackers"


def tracker_of(uri: str) -> type[Tracker]:
    """Return the tracker of a destination: ``tensorboard:logs`` is TensorBoard's, what no other has is MLflow's."""
    name = uri.partition(":")[0]
    if name not in modules_in(_FOLDER, "tracker"):
        name = "mlflow"
    return import_module(f"gan_experiments.{_FOLDER.replace('/', '.')}.{name}").TRACKER


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
