"""Runs in processes of their own, all at once: what a person without fused sweeps would do with one machine."""

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


class ProcessEndedError(Exception):
    """One of the processes is gone; the message says how."""


@dataclass(frozen=True)
class Job:
    """What each process trains: this project's single run, with a seed of its own.

    Attributes:
        recipe: Data, device, networks. The data reaches the processes as shared memory.
        threads: Of each process.
        precision: fp32, tf32 or bf16.
    """

    recipe: Recipe
    threads: int
    precision: str


class SideBySide:
    """Some processes that have warmed up and wait; to be used in a ``with`` statement, which ends them.

    Args:
        job: What each trains.
        count: How many.

    Raises:
        ProcessEndedError: One did not get as far.
    """

    def __init__(self, job: Job, count: int) -> None:
        context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        self._connections, self._processes = [], []
        for seed in range(count):
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, job, seed), daemon=True)
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
        """Let all train for so long from now on; seconds a member-step, from the sum of their rates."""
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


def _serve(connection: Connection, job: Job, seed: int) -> None:
    """A process: warm up, then train for as long as asked, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, whose end is ours
    torch.set_num_threads(job.threads)
    device = job.recipe.device
    units = ours(job.recipe, range(seed, seed + 1), "auto", job.precision)
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
