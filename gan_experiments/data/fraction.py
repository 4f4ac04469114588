"""Learn a part of a data set alone, as people do who have few images."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError

_SEED = 0


def take(dataset: Dataset, fraction: float) -> Dataset:
    """Keep a share of the samples, every class in proportion; the others join the validation samples.

    Which samples are kept depends on the data set alone, and a smaller share is part of every larger one: runs that
    differ in their seeds learn the same samples, and what is left out is known to be unseen.

    Args:
        dataset: Any data set; where it has no labels, all samples count as one class.
        fraction: The share, above 0 and at most 1.

    Returns:
        The kept samples in their old order; the data set itself where the share is 1.

    Raises:
        UserError: The share is out of range, or no sample would remain.
    """
    if fraction == 1.0:
        return dataset
    kept, others = choose(dataset.name, len(dataset), dataset.labels, fraction)
    left_out = dataset.samples[others]
    labels_left_out = None if dataset.labels is None else dataset.labels[others]
    return replace(
        dataset,
        samples=dataset.samples[kept],
        labels=None if dataset.labels is None else dataset.labels[kept],
        validation=left_out if dataset.validation is None else torch.cat((left_out, dataset.validation)),
        validation_labels=labels_left_out
        if dataset.validation is None
        else _joined(labels_left_out, dataset.validation_labels),
    )


def _joined(labels: Tensor | None, others: Tensor | None) -> Tensor | None:
    return None if labels is None or others is None else torch.cat((labels, others))


def choose(data: str, count: int, labels: Tensor | None, fraction: float) -> tuple[Tensor, Tensor]:
    """Choose samples as ``take`` does, for a loader that reads no more than it needs.

    Args:
        data: The data set's name.
        count: Number of all samples.
        labels: Their classes, or None.
        fraction: The share.

    Returns:
        Indices of those that are kept, ascending, and of the others, any first ones of which are a fair choice.

    Raises:
        UserError: As for ``take``.
    """
    if not isinstance(fraction, int | float) or not 0 < fraction <= 1:
        raise UserError(f"data.fraction={fraction}: must be a number, above 0 and at most 1")
    keep = round(count * fraction)
    if keep < 1:
        raise UserError(f"data.fraction={fraction}: must leave at least one sample, and data={data} has {count}")
    order = _order(count, labels)
    return order[:keep].sort().values, order[keep:]


def _order(count: int, of_each: Tensor | None) -> Tensor:
    """Return the indices of all samples in an order of which every beginning has the classes in proportion."""
    shuffled = torch.randperm(count, generator=torch.Generator().manual_seed(_SEED))
    if of_each is None:
        return shuffled
    labels = of_each[shuffled]
    # The k-th of a class's n samples stands at (k + 1/2) / n of the way.
    place = torch.empty(count, dtype=torch.float64)
    for label, size in zip(*labels.unique(return_counts=True), strict=True):
        place[labels == label] = (torch.arange(int(size), dtype=torch.float64) + 0.5) / size
    return shuffled[place.argsort(stable=True)]
