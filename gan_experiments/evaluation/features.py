"""Which network's features samples are judged by."""

from __future__ import annotations

from pathlib import Path

from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.evaluation import classifier
from gan_experiments.evaluation.classifier import Classifier
from gan_experiments.evaluation.inception import Inception

BY_FEATURES = {"frechet", "precision_recall", "classes"}
"""Metrics that need features."""


def extractor(features: str, dataset: Dataset) -> Classifier | Inception | None:
    """The feature extractor that ``evaluate.features`` names; None for points, and where nothing is known to fit.

    Args:
        features: ``classifier`` for the one that is shipped, which judges handwritten digits and nothing else;
            ``inception``; or the file of a classifier of one's own.
        dataset: What is to be judged.

    Raises:
        UserError: It can't be had, or can't judge such images.
    """
    if not dataset.is_image:
        return None
    if features == "classifier":
        return classifier.load() if dataset.name in classifier.SERVES else None
    channels = dataset.sample_shape[0]
    if features == "inception":
        if channels not in (1, 3):
            raise UserError(f"evaluate.features=inception: judges grey and colour images, not {channels} channels")
        return Inception()
    own = classifier.load(Path(features).expanduser())
    if own.spec.channels not in (1, channels):
        raise UserError(
            f"evaluate.features={features}: judges images of {own.spec.channels} channels, and those of "
            f"data={dataset.name} have {channels}"
        )
    return own


def missing(config: EvaluateConfig, dataset: Dataset) -> str | None:
    """One line for a person whose images are scored without the features that were asked for, or None."""
    served = config.features != "classifier" or not dataset.is_image or dataset.name in classifier.SERVES
    if served or not BY_FEATURES & set(config.metrics):
        return None
    return (
        f"data={dataset.name} has no classifier, so scores that need one are left out; to have them: "
        "python -m gan_experiments.evaluation.train_classifier, then evaluate.features=PATH"
    )
