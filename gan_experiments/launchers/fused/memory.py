"""The number of runs that fit into a device's memory together."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psutil
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gan_experiments.data.dataset import Dataset
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.training.counter_rng import step_keys
from gan_experiments.training.member import Member
from gan_experiments.training.step import AdversarialStep

_USED = 0.8
"""Part of the free memory that a stack may count on; the rest is for allocations that no estimate knows."""
_OUT = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""Words of errors without a class of their own: of the CPU's allocator, capturing a graph, CUDA's libraries."""


def members_that_fit(members: Sequence[Member], dataset: Dataset, device: torch.device) -> int:
    """Estimate how many runs can train as one stack on a device; at least one.

    A stack of two is built on the CPU, with the largest networks, and takes a step; a member costs half of the bytes
    that lived at once in that: its networks and those of the stack, gradients and optimisers' states, copies in low
    precision, random numbers, activations and intermediate results.

    Args:
        members: Members like all that may come; the networks of one of them are the largest.
        dataset: What they learn.
        device: Where they will train.

    Raises:
        UnstackableError: They cannot train as one, though each might alone; the message says why.
    """
    try:
        a_member = _peak_of_two(max(members, key=_parameters), members, dataset) / 2
    except UnstackableError:
        raise
    except Exception as error:  # a user's own networks run here, and what vmap cannot do has many names
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UnstackableError(f"a step of two of them as one failed ({line})") from error
    free_memory()  # what an earlier stack held is cached, and would count as used
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    data = dataset.samples
    return max(1, int((_USED * free - data.numel() * data.element_size()) / a_member))


def free_memory() -> None:
    """Give back what no object holds any more."""
    gc.collect()
    torch.cuda.empty_cache()  # nothing where CUDA is not in use


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether a device's memory was too small."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT)


def _parameters(member: Member) -> int:
    networks = (member.networks.generator, member.networks.discriminator)
    return sum(p.numel() for network in networks for p in network.parameters())


def _peak_of_two(largest: Member, members: Sequence[Member], dataset: Dataset) -> int:
    """Measure the bytes that live at once while a stack of two of the largest members is built and takes a step."""
    train = largest.train
    indices = torch.arange(train.batch_size).expand(2, train.discriminator_steps, -1)
    with torch.random.fork_rng([]), _Live() as live:
        two = [replace(largest, networks=copy.deepcopy(largest.networks)) for _ in range(2)]
        step = AdversarialStep(two, dataset, dataset.samples[: train.batch_size], members)
        step(indices, step_keys(0, 0, 2))
    return live.peak


class _Live(TorchDispatchMode):
    """Counts the bytes that live at once of all that operations make while it is on.

    Attributes:
        peak: The most there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled here, and to be skipped by the compiler takes importing it: seconds.
        return False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, torch.Tensor):
                self._known.add(tensor.untyped_storage())
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage() not in self._known:
                storage = tensor.untyped_storage()
                self._known.add(storage)
                self._now += storage.nbytes()
                weakref.finalize(storage, self._forget, storage.nbytes())
                self.peak = max(self.peak, self._now)
        return out

    def _forget(self, size: int) -> None:
        self._now -= size
