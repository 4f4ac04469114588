"""The share of generated samples in which a classifier sees the class that they were asked for."""

from __future__ import annotations

from typing import ClassVar

from gan_experiments.evaluation.metric import Measured, Metric, ScoreType
from gan_experiments.evaluation.reference import JudgedSamples, Need
from gan_experiments.evaluation.score import mean_score


class LabelAccuracy(Metric):
    """Accuracy of a conditional generator's labels: ``P(argmax p(. | G(z, y)) = y)``.

    Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs", 2017, with this classifier.
    """

    scores: ClassVar = {"label_accuracy": ScoreType(larger_is_better=True)}
    needs = frozenset({Need.LABELS, Need.CLASSES, Need.NAMED_CLASSES})

    def measure(self, samples: JudgedSamples, real: JudgedSamples) -> Measured:
        """Compare the classes that the classifier sees with the labels."""
        assert samples.probabilities is not None
        if samples.labels is None:  # samples from elsewhere
            return Measured({})
        return Measured({"label_accuracy": mean_score(samples.probabilities.argmax(1) == samples.labels)})
