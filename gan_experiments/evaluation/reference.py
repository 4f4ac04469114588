"""The real samples that generated ones are compared with, and those that stand in for a generator's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from gan_experiments.data.dataset import Dataset

_SEED = 0


class Extractor(Protocol):
    """A network that judges images.

    Attributes:
        kind: ``classifier``, ``inception`` or ``random``; part of the names of scores.
        version: Names the network and its weights: scores of different versions are not comparable.
        classes: Number of classes that it tells apart, or None where it gives features alone.
        channels: Channels that it judges at a time, or None where it takes images as they are.
    """

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def classes(self) -> int | None: ...  # noqa: D102
    @property
    def channels(self) -> int | None: ...  # noqa: D102

    def to(self, device: torch.device) -> Any:
        """Move it to ``device``."""

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features ``[N, F]`` and class probabilities ``[N, K]``, or None, of uint8 ``[N, C, H, W]``."""
        ...


@dataclass(frozen=True)
class JudgedSamples:
    """Samples, and what the feature extractor says of them; all on the device that computes.

    Attributes:
        samples: ``[N, *sample_shape]``, in the generator's range.
        features: ``[N, F]``, or None without an extractor.
        probabilities: Of each class, ``[N, K]``, or None without a classifier.
        labels: The classes that they are of or, if generated, should be of, int64 ``[N]``; or None.
    """

    samples: Tensor
    features: Tensor | None = None
    probabilities: Tensor | None = None
    labels: Tensor | None = None


class Need(Enum):
    """A requirement of a metric."""

    IMAGES = "samples that are images"
    FEATURES = "a feature extractor that fits the images"
    CLASSES = "a feature extractor that is a classifier"
    MIXTURE = "points drawn from a known mixture"
    LABELS = "a generator that takes labels"
    NAMED_CLASSES = "a classifier whose classes are those of the labels"


class Reference:
    """Real samples of a data set: to compare with, to choose a width by, and to be scored themselves.

    Where there is a test set, samples are compared with it, and training samples show what real data scores. Without
    one the training set serves, and one half of it, compared with the other, shows what real data scores. Orders are
    drawn once, from a fixed seed, so that the first N samples are a fair choice for any N.

    Args:
        dataset: The data that is learnt.
        extractor: Judges images, or None.
        device: Where everything is computed.
        conditional: Whether the generators that are scored take labels.

    Attributes:
        dataset: As given.
        extractor: As given.
        device: As given.
    """

    def __init__(
        self, dataset: Dataset, extractor: Extractor | None, device: torch.device, conditional: bool = False
    ) -> None:
        self.dataset, self.extractor, self.device = dataset, extractor, device
        self._conditional = conditional and dataset.labels is not None

    @property
    def has_test_set(self) -> bool:
        """True if samples are compared with images that training never saw."""
        return self.dataset.test is not None

    @cached_property
    def _test(self) -> Dataset | None:
        return self.dataset.test() if self.dataset.test is not None else None

    @cached_property
    def samples(self) -> Tensor:
        """The samples that generated ones are compared with, as in the data set: ``[M, *sample_shape]``."""
        return _shuffled((self._test or self.dataset).samples)

    @cached_property
    def judged(self) -> JudgedSamples:
        """The same samples, judged."""
        return self.judge(self._normalised(self.samples), self._labels_of(self._test or self.dataset))

    def labels(self, count: int) -> Tensor | None:
        """Return labels for generated samples, as frequent as in the training set, ``[count]``; or None."""
        known = self._labels_of(self.dataset)
        return None if known is None else known[torch.arange(count) % len(known)]

    def _labels_of(self, dataset: Dataset, end: int | None = None) -> Tensor | None:
        """Return the labels of a data set, or of its first samples, in the order of ``_shuffled``."""
        if not self._conditional or dataset.labels is None:
            return None
        return _shuffled(dataset.labels[:end])

    @property
    def description(self) -> str:
        """In words: ``mnist's test set (10000)``."""
        part = "training" if self._test is None else "test"
        return f"{self.dataset.name}'s {part} set ({len(self.samples)})"

    @property
    def available(self) -> set[Need]:
        """The requirements of metrics that are met here."""
        found = {
            Need.IMAGES: self.dataset.is_image,
            Need.MIXTURE: self.dataset.mixture is not None,
            Need.FEATURES: self.extractor is not None,
            Need.CLASSES: self.extractor is not None and self.extractor.classes is not None,
            Need.LABELS: self._conditional,
            Need.NAMED_CLASSES: self.dataset.mixture is None and self.modes == self.dataset.classes is not None,
        }
        return {need for need, is_there in found.items() if is_there}

    @property
    def parts(self) -> int:
        """Number of parts of an image that the extractor judges apart: its channels, if it judges one at a time."""
        channels = None if self.extractor is None else self.extractor.channels
        return 1 if channels is None else self.dataset.sample_shape[0] // channels

    @property
    def modes(self) -> int | None:
        """Number of modes or classes that a generator should reach, or None where it is unknown."""
        if self.dataset.mixture is not None:
            return len(self.dataset.mixture.means)
        if self.extractor is None or self.extractor.classes is None:
            return None
        return self.extractor.classes**self.parts

    @property
    def _kept(self) -> int:
        """Number of training samples before those that are held out."""
        return len(self.dataset) * 5 // 6 if self.dataset.validation is None else len(self.dataset)

    @property
    def held_out(self) -> Tensor:
        """The validation samples, in the generator's range; without any, the last sixth of the training set."""
        validation = self.dataset.validation
        return self._normalised(self.dataset.samples[self._kept :] if validation is None else validation)

    def stand_ins(self, count: int) -> tuple[JudgedSamples, JudgedSamples]:
        """Return at most ``count`` real samples to score in a generator's place, and those to compare them with."""
        training = _shuffled(self.dataset.samples[: self._kept])
        labels = self._labels_of(self.dataset, self._kept)
        count = count if self._test is not None else min(count, len(training) // 2)

        def judged(rows: slice) -> JudgedSamples:
            return self.judge(self._normalised(training[rows]), None if labels is None else labels[rows])

        return judged(slice(count)), self.judged if self._test is not None else judged(slice(count, None))

    def judge(self, samples: Tensor, labels: Tensor | None = None) -> JudgedSamples:
        """Judge samples as a generator gives them: float ``[N, *sample_shape]``, images in [-1, 1].

        Args:
            samples: The samples.
            labels: Their classes, int64 ``[N]``, or None.
        """
        samples = samples.to(self.device)
        labels = None if labels is None else labels.to(self.device)
        if self.extractor is None:
            return JudgedSamples(samples, labels=labels)
        return JudgedSamples(samples, *self.extractor(self.dataset.denormalise(samples)), labels)

    def _normalised(self, samples: Tensor) -> Tensor:
        return self.dataset.normalise(samples.to(self.device))


def _shuffled(samples: Tensor) -> Tensor:
    return samples[torch.randperm(len(samples), generator=torch.Generator().manual_seed(_SEED))]
