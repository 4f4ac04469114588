"""The order in which samples are seen, a function of the seed and the position alone."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from gan_experiments.errors import UserError


class BatchStream:
    """An endless shuffled stream of full batches, in which every sample is seen exactly once an epoch.

    Each epoch is a fresh permutation of all samples; the epochs are laid end to end and cut into batches, so an
    epoch's tail joins the next epoch's head. Any part of the stream can be had at any time: a resumed run needs
    to know nothing but how many batches it has seen.

    Args:
        size: Number of samples in the data set.
        batch_size: Samples in a batch, from 1 to ``size``.
        seed: Seed of the permutations, at least 0.

    Raises:
        UserError: ``batch_size`` is below 1 or above ``size``.
    """

    def __init__(self, size: int, batch_size: int, seed: int) -> None:
        if not 1 <= batch_size <= size:
            raise UserError(f"train.batch_size={batch_size}: must be from 1 to {size}, the size of the data set")
        self._size, self._batch_size = size, batch_size
        # Two, because a batch reaches into at most one further epoch.
        self._permutation = lru_cache(maxsize=2)(partial(_permutation, size, seed))

    def indices(self, first: int, count: int) -> Tensor:
        """Return the indices of ``count`` batches, from batch ``first`` on: int64 ``[count, batch_size]``, CPU."""
        position, end = first * self._batch_size, (first + count) * self._batch_size
        order = torch.empty(end - position, dtype=torch.int64)
        filled = 0
        while filled < len(order):
            epoch, offset = divmod(position + filled, self._size)
            part = self._permutation(epoch)[offset : offset + len(order) - filled]
            order[filled : filled + len(part)] = part
            filled += len(part)
        return order.view(count, self._batch_size)


def _permutation(size: int, seed: int, epoch: int) -> Tensor:
    """Return the order of epoch ``epoch`` (from 0): int64 ``[size]``."""
    # SeedSequence mixes: neighbouring seeds and epochs share nothing, and (1, 2) is not (2, 1).
    mixed = int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])
    return torch.randperm(size, generator=torch.Generator().manual_seed(mixed))
