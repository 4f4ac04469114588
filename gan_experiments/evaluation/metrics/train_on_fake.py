"""The accuracy on real images of a classifier that was trained on generated ones."""

from __future__ import annotations

import math
from typing import ClassVar

import torch

from gan_experiments.data.dataset import Dataset
from gan_experiments.evaluation.classifier_training import train
from gan_experiments.evaluation.metric import Measured, Metric, ScoreType
from gan_experiments.evaluation.reference import JudgedSamples, Need
from gan_experiments.evaluation.score import Score

_EPOCHS = 8
_SEED = 0


class TrainOnFake(Metric):
    """Train on fake, test on real: what the generator has learnt of each class, and of the borders between them.

    Ravuri and Vinyals, "Classification Accuracy Score for Conditional Generative Models", 2019, with the project's
    own small classifier, trained anew on the samples and their labels. Real samples in the generator's place,
    as many, show what can be had.
    """

    scores: ClassVar = {"train_on_fake_accuracy": ScoreType(larger_is_better=True)}
    needs = frozenset({Need.LABELS, Need.IMAGES})
    least = 20

    def measure(self, samples: JudgedSamples, real: JudgedSamples) -> Measured:
        """Train a classifier on the samples, and count the real ones that it gets right."""
        space = self.reference.dataset.sample_space
        if samples.labels is None or real.labels is None or space.shape[-1] % 4:
            return Measured({})
        dataset = self.reference.dataset
        images = [dataset.denormalise(part.samples).cpu() for part in (samples, real)]
        test = Dataset("real samples", images[1], real.labels.cpu(), class_names=dataset.class_names)
        learnt = Dataset(
            "samples", images[0], samples.labels.cpu(), test=lambda: test, class_names=dataset.class_names
        )
        with torch.enable_grad():  # samples are scored without
            accuracy = train(learnt, _EPOCHS, _SEED, quiet=True).spec.accuracy
        error = math.sqrt(accuracy * (1 - accuracy) / (len(test) - 1))  # that of a mean of zeros and ones
        return Measured({"train_on_fake_accuracy": Score(accuracy, error)})
