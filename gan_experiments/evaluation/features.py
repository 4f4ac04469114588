"""The network whose features samples are judged by."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.evaluation import classifier
from gan_experiments.evaluation.inception import Inception
from gan_experiments.evaluation.metric import metrics
from gan_experiments.evaluation.random_features import RandomFeatures
from gan_experiments.evaluation.reference import Extractor, Need


def needs_features(names: Iterable[str]) -> bool:
    """Return whether any of these metrics needs a feature extractor."""
    known = metrics()
    return any(known[name].needs & {Need.FEATURES, Need.CLASSES} for name in names)


def extractor_for(features: str, dataset: Dataset) -> Extractor | None:
    """Load the extractor that ``evaluate.features`` names; None for points.

    Args:
        features: ``classifier`` for a shipped one that serves the data set, or random filters where there is none;
            ``random``, ``inception``, or a classifier's file.
        dataset: The data whose images are judged.

    Raises:
        UserError: It cannot be had, or cannot judge such images.
    """
    if not dataset.is_image:
        return None
    channels = dataset.sample_shape[0]
    if features == "classifier":
        shipped = classifier.shipped_for(dataset.name)
        return RandomFeatures(channels) if shipped is None else classifier.load(shipped)
    if features == "random":
        return RandomFeatures(channels)
    if features == "inception":
        if channels not in (1, 3):
            raise UserError(f"evaluate.features=inception: judges grey and colour images, not {channels} channels")
        return Inception()
    custom = classifier.load(Path(features).expanduser())
    if custom.channels not in (1, channels):
        raise UserError(
            f"evaluate.features={features}: judges images of {custom.channels} channels, and those of "
            f"data={dataset.name} have {channels}"
        )
    return custom


def missing(config: EvaluateConfig, dataset: Dataset) -> str | None:
    """Return a line for the user if images are scored by other features than were asked for, else None."""
    served = config.features != "classifier" or not dataset.is_image or classifier.shipped_for(dataset.name)
    if served or not needs_features(config.metrics):
        return None
    return (
        f"data={dataset.name} has no classifier: samples are compared by fixed random filters, and scores of "
        "classes are left out; python -m gan_experiments.evaluation.train_classifier makes one for "
        "evaluate.features=PATH"
    )
