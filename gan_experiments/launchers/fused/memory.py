"""The number of runs that fit into a device's memory together."""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Sequence
from typing import Any

import psutil
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gan_experiments.models.stacking import UnstackableError
from gan_experiments.runs.run import Run
from gan_experiments.training.counter_rng import step_keys
from gan_experiments.training.optimizers.optimizer import optimizer_class, rates_of
from gan_experiments.training.step import AdversarialStep

_USED = 0.8
"""Part of the free memory that a stack may count on; the rest is for allocations that no estimate knows."""
_BYTES = 4


def members_that_fit(runs: Sequence[Run]) -> int:
    """Estimate how many runs like these can train as one stack on their device; at least one.

    A member costs its parameters, their gradients and the optimiser's state, all padded to the largest member, and
    half of the bytes that a step of the two largest members was seen to hold at once.

    Args:
        runs: At least two, which agree in structure.

    Raises:
        UnstackableError: They cannot train as one, though each might alone; the message says why.
    """
    device = runs[0].device
    largest = sorted(runs, key=_parameters)[-2:]
    padding = _padded_parameters(runs) / _padded_parameters(largest)
    try:
        a_member = (_peak_of_a_step(largest) / len(largest) + _state(largest)) * padding
    except UnstackableError:
        raise
    except Exception as error:  # a user's own networks run here, and what vmap cannot do has many names
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UnstackableError(f"a step of two of them as one failed ({line})") from error
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    data = runs[0].dataset.samples
    return max(1, int((_USED * free - data.numel() * data.element_size()) / a_member))


def _networks(run: Run) -> tuple[nn.Module, nn.Module]:
    return run.member.networks.generator, run.member.networks.discriminator


def _parameters(run: Run) -> int:
    return sum(p.numel() for network in _networks(run) for p in network.parameters())


def _padded_parameters(runs: Sequence[Run]) -> int:
    """Count the parameters of a member that is padded to the shapes that hold all of them."""
    every = [[p.shape for network in _networks(run) for p in network.parameters()] for run in runs]
    return sum(math.prod(map(max, zip(*shapes, strict=True))) for shapes in zip(*every, strict=True))


def _state(runs: Sequence[Run]) -> int:
    trains = [run.member.train for run in runs]
    kept = optimizer_class(trains[0].optimizer).state_names([rates_of(train) for train in trains])
    copies = 2 + len(kept) + (trains[0].ema is not None)
    return _BYTES * copies * _padded_parameters(runs)


def _peak_of_a_step(runs: Sequence[Run]) -> int:
    """Measure the bytes that a step holds at once beyond its state: activations, noise, intermediate results."""
    train, dataset = runs[0].member.train, runs[0].dataset
    step = AdversarialStep([copy.deepcopy(run.member) for run in runs], dataset, dataset.samples[: train.batch_size])
    indices = torch.arange(train.batch_size).expand(len(runs), train.discriminator_steps, -1)
    with torch.random.fork_rng(), _Live() as live:
        step(indices, step_keys(0, 0, len(runs)))
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
