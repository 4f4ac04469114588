"""The accuracy on real images of a classifier that was trained on generated ones."""

from __future__ import annotations

from typing import ClassVar

import torch

from gan_experiments.data.dataset import Dataset
from gan_experiments.evaluation.classifier_training import train
from gan_experiments.evaluation.metric import Measured, Metric, ScoreType
from gan_experiments.evaluation.reference import JudgedSamples, Need
from gan_experiments.evaluation.score import mean_score

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
        images = [self.reference.dataset.denormalise(part.samples).cpu() for part in (samples, real)]
        names = self.reference.dataset.class_names
        learnt = Dataset("samples", images[0], samples.labels.cpu(), class_names=names)
        with torch.enable_grad():  # samples are scored without
            classifier = train(learnt, _EPOCHS, _SEED, quiet=True)
        right = classifier(images[1])[1].argmax(1).cpu() == real.labels.cpu()
        return Measured({"train_on_fake_accuracy": mean_score(right)})
