"""All scores of a generator, or of samples, beside what real samples score in their place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.evaluation.classifier import Classifier
from gan_experiments.evaluation.features import BY_FEATURES, extractor
from gan_experiments.evaluation.inception import Inception
from gan_experiments.evaluation.metrics import classes, frechet, memorisation, mixture, parzen, precision_recall
from gan_experiments.evaluation.reference import Reference
from gan_experiments.evaluation.score import Score
from gan_experiments.evaluation.scores import Scores
from gan_experiments.training.counter_rng import fixed_latents
from gan_experiments.training.trainer import arithmetic

_BATCH = 500
_SCORES = {
    "precision_recall": ("precision", "recall", "density", "coverage"),
    "classes": ("modes", "class_kl", "classifier_score"),
    "mixture": ("modes", "high_quality", "mode_kl"),
    "parzen": ("parzen_log_likelihood", "parzen_sigma"),
    "memorisation": ("nearest_distance", "memorised"),
}
"""Names of what each metric gives; the Fréchet distance's depends on the features."""
_PAIRS = 50
"""Generated images that are shown beside the training images nearest to them."""


@dataclass(frozen=True)
class _Judged:
    """Samples ``[N, *sample_shape]`` in the generator's range, and what the extractor says of them."""

    samples: Tensor
    features: Tensor | None = None
    probabilities: Tensor | None = None


class Evaluator:
    """Scores generators against the test set of a data set, or the training set where it has no test set.

    The latents are the same at every call, and no number is drawn from torch's own generators: a generator's scores
    are a function of its weights, and measuring them changes nothing. What is real is loaded and measured at the
    first call, and kept; so one evaluator serves any number of runs on the same data.

    Args:
        config: How many samples, which metrics, and which features. Metrics that make no sense for the data, or that
            need a classifier where there is none, are left out.
        dataset: What is learnt.
        device: Where to compute.

    Attributes:
        metrics: Those that are measured.
        dataset: As given.

    Raises:
        UserError: The features that are asked for can't be had.
    """

    def __init__(self, config: EvaluateConfig, dataset: Dataset, device: torch.device) -> None:
        self._count, self.dataset, self._reference = config.samples, dataset, Reference(dataset)
        self._device = device if device.type != "mps" else torch.device("cpu")  # Metal has no float64
        wanted = BY_FEATURES & set(config.metrics)
        self._extractor = extractor(config.features, dataset) if wanted else None
        if self._extractor is not None:
            self._extractor.to(self._device)
        self.metrics = [name for name in config.metrics if self._applies(name)]
        self._floors: dict[int, tuple[dict[str, Score], int]] = {}

    @property
    def modes(self) -> int | None:
        """How many modes or classes a generator should reach, or None where nobody knows."""
        if self.dataset.mixture is not None:
            return len(self.dataset.mixture.means)
        if isinstance(self._extractor, Classifier):
            return self._extractor.spec.classes**self._parts
        return None

    @property
    def _parts(self) -> int:
        """How many parts of an image the classifier judges apart: its channels, where it knows one."""
        assert isinstance(self._extractor, Classifier)
        return self.dataset.sample_shape[0] // self._extractor.spec.channels

    def _applies(self, name: str) -> bool:
        if name == "mixture" or not self.dataset.is_image:
            return name == "mixture" and self.dataset.mixture is not None
        if name == "classes":
            return isinstance(self._extractor, Classifier)
        return self._extractor is not None or name not in BY_FEATURES

    @property
    def names(self) -> list[str]:
        """Names of the scores that it gives."""
        kind = "inception" if isinstance(self._extractor, Inception) else "classifier"
        of = {"frechet": (f"frechet_{kind}_distance",)} | _SCORES
        return list(dict.fromkeys(name for metric in self.metrics for name in of[metric]))

    def check(self) -> None:
        """Make sure, before training, that what samples will be compared with is there.

        Raises:
            UserError: The test set is missing or damaged.
        """
        if self.metrics and self.dataset.test is not None:
            try:
                self.dataset.test()
            except UserError as error:
                raise UserError(f"{error}; evaluate=off does without the test set") from error

    @torch.no_grad()
    def score(self, generator: nn.Module, latent_dim: int) -> Scores:
        """Score a generator from the same latents at every call; it is left as it was found."""
        parameter = next(generator.parameters(), None)
        place = self._device if parameter is None else parameter.device
        training = generator.training
        latents = fixed_latents(self._count, latent_dim).to(place)
        with torch.random.fork_rng([place] if place.type == "cuda" else []), arithmetic("fp32"):
            generator.eval()
            samples = torch.cat([generator(batch).float() for batch in latents.split(_BATCH)])
        generator.train(training)
        return self.score_samples(samples)

    @torch.no_grad()
    def score_samples(self, samples: Tensor) -> Scores:
        """Score samples as a generator gives them: float ``[N, *sample_shape]``, images in [-1, 1]."""
        with arithmetic("fp32"):
            judged = self._judge(samples)
            values = self._measure(judged, self._real)
            pairs = None
            if "memorisation" in self.metrics:
                copies, pairs = self._look_for_copies(samples[: memorisation.SEARCHED])
                values |= copies
            if len(samples) not in self._floors:
                self._floors[len(samples)] = self._floor(len(samples))
        shares = None
        if judged.probabilities is not None and "classes" in self.metrics:
            shares = (classes.histogram(judged.probabilities).double() / len(samples)).tolist()
        return Scores(
            values,
            *self._floors[len(samples)],
            samples=len(samples),
            reference=self._reference.description,
            features=self._extractor.version if self._extractor is not None else None,
            histogram=shares,
            neighbours=pairs,
        )

    def _look_for_copies(self, samples: Tensor) -> tuple[dict[str, Score], np.ndarray]:
        """Memorisation's scores, and the pairs that are most alike: uint8 ``[2, n, C, H, W]``."""
        images, training = (
            part.to(self._device) for part in (self.dataset.denormalise(samples), self.dataset.samples)
        )
        distances, found = memorisation.nearest(images, training)
        closest = distances.argsort()[:_PAIRS]
        pairs = torch.stack((images[closest], training[found[closest]])).cpu().numpy()
        return memorisation.score(distances, self._real_distances), pairs

    def _judge(self, samples: Tensor) -> _Judged:
        samples = samples.to(self._device)
        if self._extractor is None:
            return _Judged(samples)
        return _Judged(samples, *self._extractor(self.dataset.denormalise(samples)))

    def _normalised(self, samples: Tensor) -> Tensor:
        return self.dataset.normalise(samples.to(self._device))

    @cached_property
    def _real(self) -> _Judged:
        return self._judge(self._normalised(self._reference.samples))

    def _measure(self, judged: _Judged, real: _Judged) -> dict[str, Score]:
        """Every metric but the one that looks for copies."""
        values: dict[str, Score] = {}
        if "mixture" in self.metrics and self.dataset.mixture is not None:
            values |= mixture.score(judged.samples * self.dataset.scale, self.dataset.mixture)
        if judged.features is not None and real.features is not None:
            if "frechet" in self.metrics:
                kind = "inception" if isinstance(self._extractor, Inception) else "classifier"
                moments = frechet.Moments.of(real.features)
                values[f"frechet_{kind}_distance"] = frechet.score(judged.features, moments)
            if "precision_recall" in self.metrics:
                count = min(len(judged.features), len(real.features))
                values |= precision_recall.score(judged.features[:count], real.features[:count])
        if judged.probabilities is not None and "classes" in self.metrics:
            values |= classes.score(judged.probabilities, real.probabilities if self._parts == 1 else None)
        if "parzen" in self.metrics:
            held_out = self._normalised(self._reference.held_out)
            values |= parzen.score(*(_unit(part) for part in (judged.samples, held_out, real.samples)))
        return values

    def _floor(self, count: int) -> tuple[dict[str, Score], int]:
        """What real samples score, and how many they were."""
        stand_ins, others = (self._normalised(part) for part in self._reference.stand_ins(count))
        values = self._measure(self._judge(stand_ins), self._real if self.dataset.test else self._judge(others))
        if "memorisation" in self.metrics:
            values |= memorisation.score(self._real_distances, self._real_distances)
        return values, len(stand_ins)

    @cached_property
    def _real_distances(self) -> Tensor:
        """Of images that were not learnt to the nearest training image; of training images, to the nearest other."""
        training, test = self.dataset.samples.to(self._device), self.dataset.test is not None
        images = self._reference.samples[: memorisation.SEARCHED].to(self._device)
        return memorisation.nearest(images, training, rank=1 if test else 2)[0]


def _unit(samples: Tensor) -> Tensor:
    """From [-1, 1] to [0, 1], one row a sample."""
    return (samples.flatten(1) + 1) / 2
