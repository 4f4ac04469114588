"""Ways to repeat the step; all give the same results.

``eager`` calls it. ``graph`` captures it once and replays that. On CUDA it is a CUDA graph: a step of the article's
size is some 150 small kernels, and launching them one by one takes far longer than running them. On a CPU it is a
``Recording``, for there small networks, too, wait for Python most of the time. ``compile`` lets torch compile both
networks first, which fuses what lies between the matrix products but takes tens of seconds to start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gan_experiments.errors import UserError
from gan_experiments.training.recording import Recording
from gan_experiments.training.step import AdversarialStep, StepStatistics

Engine = Callable[[Tensor, Tensor], StepStatistics]
"""Takes steps in order: indices and keys with the steps in front; statistics come back with the steps in front."""

REPLAYED = 10
"""Steps in one CUDA graph: the cost of starting a replay is shared, and capturing stays under a second."""


def make_engine(name: str, step: AdversarialStep, device: torch.device) -> Engine:
    """Return the engine that ``train.engine=name`` means on a device.

    ``auto`` is ``graph`` on CUDA, where capturing costs less than a second, and on a CPU for the project's
    perceptrons, objectives, penalties and augmentations; else ``eager``, because a user's parts may do more there
    than their tensors show. Compiling takes longer than it saves in a run of the article's length.

    Raises:
        UserError: The device cannot do it.
    """
    if name == "auto":
        captures = device.type == "cuda" or (device.type == "cpu" and step.is_well_known)
        name = "graph" if captures else "eager"
    if name == "graph":
        if device.type not in ("cuda", "cpu"):
            raise UserError(f"train.engine=graph: needs CUDA or a CPU, and this run is on {device}")
        return Replayed(step, device) if device.type == "cuda" else Recorded(step)
    if name == "compile":
        step.compile()
    return Eager(step)


class Eager:
    """Calls the step again and again.

    Args:
        step: The step to repeat.
    """

    def __init__(self, step: AdversarialStep) -> None:
        self._step = step

    def __call__(self, indices: Tensor, keys: Tensor) -> StepStatistics:
        """Take the steps, as ``Engine`` describes."""
        taken = [self._step(index, key) for index, key in zip(indices, keys, strict=True)]
        return StepStatistics(*(torch.stack(values) for values in zip(*taken, strict=True)))


class Recorded:
    """Records the first step that it takes, and repeats that recording.

    A step with an operation that cannot be recorded is called again and again, as by ``Eager``.

    Args:
        step: The step to repeat; all its state is in tensors that it updates in place, on a CPU.
    """

    def __init__(self, step: AdversarialStep) -> None:
        self._step = step
        self._recording: Recording | None = None

    def __call__(self, indices: Tensor, keys: Tensor) -> StepStatistics:
        """Take the steps, as ``Engine`` describes."""
        taken: StepStatistics | None = None
        for i, inputs in enumerate(zip(indices, keys, strict=True)):
            results = self._take(*inputs)
            if taken is None:
                taken = StepStatistics(*(value.new_empty(len(indices), *value.shape) for value in results))
            for values, value in zip(taken, results, strict=True):
                values[i] = value
        assert taken is not None  # nobody asks for no steps
        return taken

    def _take(self, indices: Tensor, keys: Tensor) -> Sequence[Tensor]:
        """Take one step, and return its statistics, which the next one may write over."""
        if self._recording is None:
            self._indices, self._keys = indices.clone(), keys.clone()
            self._recording = Recording(lambda: self._step(self._indices, self._keys))
        elif self._recording.problem is not None:
            return self._step(indices, keys)
        else:
            self._indices.copy_(indices)
            self._keys.copy_(keys)
            self._recording()
        return self._recording.results


class Replayed:
    """Replays a CUDA graph of several steps, and one of a single step for the rest of a window.

    The first call runs eagerly, on the stream that capturing will use: libraries set themselves up there. Capturing
    itself computes nothing, so no step is taken twice.

    A graph has memory of its own, as much as eager steps take. It is asked for before anything is captured: where
    memory runs out within a capture, torch may report another error and never give the graph's memory back
    (pytorch/pytorch#187795, #190348).

    Args:
        step: The step to repeat; all its state is in tensors that it updates in place.
        device: Where these are, which need not be the current CUDA device.
    """

    def __init__(self, step: AdversarialStep, device: torch.device) -> None:
        self._eager = Eager(step)
        self._device, self._stream = device, torch.cuda.Stream(device)
        self._captured: dict[int, _Captured] = {}
        self._pool = torch.cuda.graph_pool_handle()  # both graphs work in one memory, one after the other
        self._needed: int | None = None  # bytes that the first steps took

    def __call__(self, indices: Tensor, keys: Tensor) -> StepStatistics:
        """Take the steps, as ``Engine`` describes."""
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            statistics = self._first(indices, keys) if self._needed is None else self._replay(indices, keys)
        torch.cuda.current_stream(self._device).wait_stream(self._stream)
        return statistics

    def _first(self, indices: Tensor, keys: Tensor) -> StepStatistics:
        torch.cuda.empty_cache()  # so that what the steps take is new
        before = torch.cuda.memory_reserved(self._device)
        statistics = self._eager(indices, keys)
        self._needed = torch.cuda.memory_reserved(self._device) - before
        return statistics

    def _replay(self, indices: Tensor, keys: Tensor) -> StepStatistics:
        if not self._captured:  # raises OutOfMemoryError, if at all, here
            torch.cuda.empty_cache()
            torch.empty(self._needed or 0, dtype=torch.uint8, device=self._device)
        parts: list[StepStatistics] = []
        start = 0
        while start < len(indices):
            count = REPLAYED if len(indices) - start >= REPLAYED else 1
            if count not in self._captured:
                self._captured[count] = _Captured(
                    self._eager, indices[:count], keys[:count], self._stream, self._pool
                )
            parts.append(self._captured[count](indices[start : start + count], keys[start : start + count]))
            start += count
        return StepStatistics(*(torch.cat(values) for values in zip(*parts, strict=True)))


class _Captured:
    """Some steps as one CUDA graph, with tensors of its own for input and output."""

    def __init__(self, steps: Engine, indices: Tensor, keys: Tensor, stream: torch.cuda.Stream, pool: Any) -> None:
        self._indices, self._keys = indices.clone(), keys.clone()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool, stream=stream):
            self._out = steps(self._indices, self._keys)

    def __call__(self, indices: Tensor, keys: Tensor) -> StepStatistics:
        self._indices.copy_(indices)
        self._keys.copy_(keys)
        self._graph.replay()
        # Copies: the next replay writes over the graph's own output.
        return StepStatistics(*(value.clone() for value in self._out))
