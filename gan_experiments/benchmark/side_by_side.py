"""Runs in separate processes, all at once: how a sweep is trained on one machine without stacking."""

from __future__ import annotations

import multiprocessing
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

import torch

from gan_experiments.benchmark.ours import ours
from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.timing import Block, synchronise
from gan_experiments.errors import RunFailedError


class ProcessEndedError(RunFailedError):
    """One of the processes has ended; the message says how."""


@dataclass(frozen=True)
class ProcessTask:
    """The work of each process: a single run of this project, each with its own seed.

    Attributes:
        recipe: Data, device, networks. The data reaches the processes as shared memory.
        threads: Threads of each process.
        precision: fp32, tf32 or bf16.
    """

    recipe: Recipe
    threads: int
    precision: str


class SideBySide:
    """Processes that have warmed up and wait; use in a ``with`` statement, which ends them.

    Args:
        task: The work of each.
        count: Number of processes.

    Raises:
        ProcessEndedError: One ended before it was ready.
    """

    def __init__(self, task: ProcessTask, count: int) -> None:
        context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        self._connections, self._processes = [], []
        for seed in range(count):
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, task, seed), daemon=True)
            process.start()
            theirs.close()
            self._connections.append(mine)
            self._processes.append(process)

    def __enter__(self) -> SideBySide:
        try:
            self._answers()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join(timeout=10)
            if process.is_alive():
                process.kill()
                process.join()

    def measure(self, seconds: float) -> float:
        """Let all train for some seconds; return seconds a member-step, from the sum of their rates."""
        for connection in self._connections:
            connection.send(seconds)
        blocks = self._answers()
        return 1 / sum(block.steps / block.seconds for block in blocks)

    def _answers(self) -> list[Block]:
        answers = []
        for connection, process in zip(self._connections, self._processes, strict=True):
            try:
                answer = connection.recv()
            except (EOFError, ConnectionResetError) as gone:
                process.join(timeout=10)
                raise ProcessEndedError(f"a process ended with status {process.exitcode}") from gone
            if isinstance(answer, str):
                raise ProcessEndedError(answer)
            answers.append(Block(*answer))
        return answers


def _serve(connection: Connection, task: ProcessTask, seed: int) -> None:
    """Warm up, then train for as long as each request says, until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, and its end ends this
    torch.set_num_threads(task.threads)
    device = task.recipe.device
    units = ours(task.recipe, range(seed, seed + 1), "auto", task.precision)
    try:
        taken = sum(next(units).steps for _ in range(3))
        synchronise(device)
        connection.send((taken, 0.0))
        while True:
            seconds = connection.recv()
            steps, started = 0, time.perf_counter()
            while time.perf_counter() - started < seconds:
                steps += next(units).steps
            synchronise(device)
            connection.send((steps, time.perf_counter() - started))
    except torch.OutOfMemoryError:
        connection.send("a process ran out of the device's memory")
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
