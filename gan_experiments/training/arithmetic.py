"""How a device computes: how exact float32 products are, and on how many threads of a processor."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from gan_experiments.models.dense import DenseParameter
from gan_experiments.models.networks import Networks

SMALL = 10_000_000
"""Samples in a step's batches times weights of its largest layer, up to which a second thread does not pay.

The default run has 6 million. Where both cores are idle, its step takes as long on one thread as on two; where a
process draws and delivers beside it, it takes five times as long on two, for these wait for each other.
"""


def threads_for(networks: Iterable[Networks], rows: int, device: torch.device) -> int | None:
    """Return the number of threads that a step of some networks is computed on: one for small ones.

    Whoever sets ``OMP_NUM_THREADS`` decides instead. The number follows from shapes alone, never from a measurement,
    for sums may be rounded otherwise on other threads.

    Args:
        networks: Those of all members.
        rows: Samples that pass through a layer at once, of all members together.
        device: Where they are computed.

    Returns:
        1, or None for torch's own number: also for others than the project's dense networks, whose
            work their shapes do not tell.
    """
    if device.type != "cpu" or "OMP_NUM_THREADS" in os.environ:
        return None
    largest = 0
    for network in (network for pair in networks for network in (pair.generator, pair.discriminator)):
        weights = list(network.parameters())
        if max((weight.dim() for weight in weights), default=0) > 2:
            return None
        if not any(isinstance(weight, DenseParameter) for weight in weights):
            return None
        largest = max(largest, *(weight.numel() for weight in weights))
    return 1 if rows * largest <= SMALL else None


@contextmanager
def arithmetic(precision: str, threads: int | None = None) -> Iterator[None]:
    """Compute in a certain way inside this context.

    Args:
        precision: Float32 products are computed in TF32 where it is ``tf32``, in full otherwise.
        threads: Threads of a processor; None for as many as before.
    """
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        with on_threads(threads):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


@contextmanager
def on_threads(threads: int | None) -> Iterator[None]:
    """Compute on so many threads of a processor inside this context; None for as many as before."""
    if threads is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
