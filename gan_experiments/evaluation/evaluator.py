"""All scores of a generator, or of samples, with what real samples score in their place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.evaluation.features import extractor_for, needs_features
from gan_experiments.evaluation.metric import metrics
from gan_experiments.evaluation.reference import Reference
from gan_experiments.evaluation.score import Score
from gan_experiments.evaluation.scores import Scores
from gan_experiments.models.networks import apply
from gan_experiments.training.arithmetic import arithmetic
from gan_experiments.training.counter_rng import fixed_latents
from gan_experiments.training.device import generators_kept

_BATCH = 500


class Evaluator:
    """Scores generators against the test set of a data set, or the training set where it has no test set.

    The latents are the same at every call, and no number is drawn from torch's own generators: a generator's scores
    are a function of its weights, and measuring them changes nothing. Real samples are loaded and judged at the first
    call, and kept, so that one evaluator serves any number of runs on the same data.

    Args:
        config: How many samples, which metrics, and which features. Metrics that make no sense for the data, or that
            need a classifier where there is none, are left out.
        dataset: The data that is learnt.
        device: Where to compute.
        conditional: Whether the generators take labels, and are scored class by class too.

    Attributes:
        metrics: Names of the metrics that are measured.
        dataset: As given.

    Raises:
        UserError: The features cannot be had.
    """

    def __init__(
        self, config: EvaluateConfig, dataset: Dataset, device: torch.device, conditional: bool = False
    ) -> None:
        self._count, self.dataset = config.samples, dataset
        device = device if device.type != "mps" else torch.device("cpu")  # Metal has no float64
        extractor = extractor_for(config.features, dataset) if needs_features(config.metrics) else None
        if extractor is not None:
            extractor.to(device)
        self._reference = Reference(dataset, extractor, device, conditional)
        known, available = metrics(), self._reference.available
        self.metrics = [name for name in config.metrics if known[name].needs <= available]
        self._metrics = [known[name](self._reference) for name in dict.fromkeys(self.metrics)]
        self._floors: dict[int, tuple[dict[str, Score], int]] = {}

    @property
    def modes(self) -> int | None:
        """Number of modes or classes that a generator should reach, or None where it is unknown."""
        return self._reference.modes

    @property
    def features(self) -> str | None:
        """Version of the features that samples are judged by, or None where no metric needs any."""
        return None if self._reference.extractor is None else self._reference.extractor.version

    @property
    def names(self) -> list[str]:
        """Names of the scores that it gives."""
        return list(dict.fromkeys(name for metric in self._metrics for name in metric.names))

    def check(self) -> None:
        """Make sure, before training, that the samples to compare with are there, and enough of them.

        Raises:
            UserError: The test set is missing or damaged, or there are too few.
        """
        there = len(self.dataset)
        if self.metrics and self.dataset.test is not None:
            try:
                there = min(there, len(self.dataset.test()))
            except UserError as error:
                raise UserError(f"{error}; evaluate=off does without the test set") from error
        for name, metric in zip(dict.fromkeys(self.metrics), self._metrics, strict=True):
            if there < metric.least:
                data = f"data={self.dataset.name} has {there}"
                raise UserError(
                    f"evaluate.metrics: {name} needs at least {metric.least} real samples, and {data}; "
                    "evaluate=off does without scores"
                )

    @torch.no_grad()
    def score(self, generator: nn.Module, latent_dim: int) -> Scores:
        """Score a generator from the same latents and labels at every call; its state is left unchanged."""
        parameter = next(generator.parameters(), None)
        device = self._reference.device if parameter is None else parameter.device
        training = generator.training
        latents = fixed_latents(self._count, latent_dim).to(device)
        with generators_kept(device), arithmetic("fp32"):
            generator.eval()
            labels = self._reference.labels(self._count)
            batches = latents.split(_BATCH)
            of_batches = [None] * len(batches) if labels is None else labels.to(device).split(_BATCH)
            drawn = [apply(generator, z, y).float() for z, y in zip(batches, of_batches, strict=True)]
        generator.train(training)
        return self.score_samples(torch.cat(drawn), labels)

    @torch.no_grad()
    def score_samples(self, samples: Tensor, labels: Tensor | None = None) -> Scores:
        """Score samples as a generator gives them: float ``[N, *sample_shape]``, images in [-1, 1].

        Args:
            samples: The samples.
            labels: The classes that they should be of, int64 ``[N]``, for scores of conditional generators.
        """
        reference, count = self._reference, len(samples)
        values: dict[str, Score] = {}
        details: dict[str, Any] = {}
        with arithmetic("fp32"):
            # 1. Score the samples.
            judged = reference.judge(samples, labels)
            for metric in self._metrics:
                measured = metric.measure(judged, reference.judged)
                values |= measured.scores
                if measured.histogram is not None:
                    details["histogram"] = measured.histogram
                if measured.by_class is not None:
                    details["by_class"] = measured.by_class
                if measured.neighbours is not None:
                    details["neighbours"] = measured.neighbours
            # 2. Score as many real ones, once.
            if count not in self._floors:
                stand_ins, others = reference.stand_ins(count)
                floors: dict[str, Score] = {}
                for metric in self._metrics:
                    floors |= metric.floor(stand_ins, others)
                self._floors[count] = floors, len(stand_ins.samples)
        floors, floor_samples = self._floors[count]
        return Scores(values, floors, floor_samples, count, reference.description, self.features, **details)
