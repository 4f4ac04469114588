"""The real samples that generated ones are compared with, and those that stand in for a generator."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from gan_experiments.data.dataset import Dataset

_SEED = 0


class Reference:
    """Real samples of a data set: to compare with, to choose a width by, and to be scored themselves.

    Where there is a test set, samples are compared with it, and training samples show what real data scores. Where
    there is none, the training set serves: what real data scores is then told by one half of it beside the other.
    Orders are drawn once, from a seed of their own, so that any number of samples is a fair choice.

    Args:
        dataset: What is learnt.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    @cached_property
    def _test(self) -> Dataset | None:
        return self._dataset.test() if self._dataset.test is not None else None

    @cached_property
    def samples(self) -> Tensor:
        """What generated samples are compared with, as in the data set: ``[M, *sample_shape]``."""
        return _shuffled((self._test or self._dataset).samples)

    @property
    def description(self) -> str:
        """In words: ``mnist's test set (10000)``."""
        part = "training" if self._test is None else "test"
        return f"{self._dataset.name}'s {part} set ({len(self.samples)})"

    @property
    def _kept(self) -> int:
        """Training samples before those that are held out."""
        return len(self._dataset) * 5 // 6 if self._dataset.validation is None else len(self._dataset)

    @property
    def held_out(self) -> Tensor:
        """The validation samples; without any, the last sixth of the training set, though it was learnt."""
        validation = self._dataset.validation
        return self._dataset.samples[self._kept :] if validation is None else validation

    def stand_ins(self, count: int) -> tuple[Tensor, Tensor]:
        """At most ``count`` real samples in a generator's place, none of them held out, and what to compare with."""
        if self._test is not None:
            return _shuffled(self._dataset.samples[: self._kept])[:count], self.samples
        others = _shuffled(self._dataset.samples[: self._kept])
        count = min(count, len(others) // 2)
        return others[:count], others[count:]


def _shuffled(samples: Tensor) -> Tensor:
    return samples[torch.randperm(len(samples), generator=torch.Generator().manual_seed(_SEED))]
