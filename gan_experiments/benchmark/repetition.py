"""Some work again and again, without the time that Python takes to launch it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from gan_experiments.benchmark.timing import StepsTaken

_IN_A_GRAPH = 10
"""Repetitions in one CUDA graph: a kernel of some microseconds is over before the next replay could be launched."""


def repeated(work: Callable[[], object], device: torch.device) -> Iterator[StepsTaken]:
    """Do some work on a device for ever; on CUDA it is captured at the first step, and then replayed.

    Args:
        work: Changes tensors of its own in place, by the same operations each time.
        device: Where these are, which need not be the current CUDA device.

    Yields:
        How often the work was done.
    """
    times = 1
    if device.type == "cuda":
        work, times = _captured(work, device), _IN_A_GRAPH
    while True:
        work()
        yield StepsTaken(times)


def _captured(work: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """Return the replay of a CUDA graph in which the work is done ``_IN_A_GRAPH`` times."""
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):  # makes its device the current one, too
        work()  # libraries set themselves up on the stream that captures
        with torch.cuda.graph(graph, stream=stream):
            for _ in range(_IN_A_GRAPH):
                work()
    torch.cuda.current_stream(device).wait_stream(stream)
    return graph.replay
