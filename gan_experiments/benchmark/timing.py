"""Measurements in turn: each contender is warmed up, then all are timed in rounds, never one after another."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import torch

from gan_experiments.errors import RunFailedError, UserError

_FOR_USERS = (UserError, RunFailedError)
"""Errors whose messages are complete, and written to be read."""


class StepsTaken(NamedTuple):
    """The steps that a contender took between two looks at the clock.

    Attributes:
        steps: Number of steps; for a stack, of each member.
        discriminator_loss: D's loss at the last one, on any device: the contender decides whether to fetch it.
        generator_loss: G's loss at the last one, in the same way.
    """

    steps: int
    discriminator_loss: Any = None
    generator_loss: Any = None


class Block(NamedTuple):
    """Some steps and the seconds that they took."""

    steps: int
    seconds: float


Contender = Callable[[int], Block]
"""Takes at least the given number of steps."""

Round = Callable[[], float]
"""Measures once and returns the value to compare."""


@dataclass(frozen=True)
class Spread:
    """The values of all rounds: median, smallest and largest, in the unit of a round."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Return the spread of some values."""
        return cls(median(values), min(values), max(values))

    def scaled(self, factor: float) -> Spread:
        """Return the spread in another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def inverse(self) -> Spread:
        """Return the spread of the reciprocals: rates from times."""
        return Spread(1 / self.median, 1 / self.high, 1 / self.low)


class Failures(dict[str, str]):
    """Why contenders are out, by name: one that fails is lost alone, and the others go on."""

    @contextmanager
    def caught(self, name: str, finished: str = "") -> Iterator[None]:
        """Take ``name`` out if anything inside fails; Ctrl-C and the end of the program pass.

        Args:
            name: What is built, warmed up or measured inside.
            finished: What it had finished before, for the note.
        """
        try:
            yield
        except Exception as error:  # of compilers, drivers, other people's loops: their types cannot be listed
            self[name] = f"{finished}: {reason(error)}" if finished else reason(error)
            if not isinstance(error, (*_FOR_USERS, torch.OutOfMemoryError)):
                traceback.print_exc()  # the note has one line of it

    def note(self, name: str, spread: Spread | None) -> str:
        """Return the note of a row: why its contender is out, if it is, and whether it was before its first round."""
        why = self.get(name, "")
        return f"not measured: {why}" if why and spread is None else why


def reason(error: Exception) -> str:
    """Return an error's first line, if it has one, after its type, unless it was written for users to read."""
    lines = str(error).strip().splitlines()[:1]
    return ": ".join(lines if lines and isinstance(error, _FOR_USERS) else [type(error).__name__, *lines])


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def paced(units: Iterator[StepsTaken], device: torch.device) -> Contender:
    """Return a contender that continues ``units`` and looks at the clock when the device has finished."""

    def contend(steps: int) -> Block:
        synchronise(device)
        taken, started = 0, time.perf_counter()
        while taken < steps:
            taken += next(units).steps
        synchronise(device)
        return Block(taken, time.perf_counter() - started)

    return contend


def warmed_up(contender: Contender, seconds: float) -> Round:
    """Return a measurement of seconds a step, over blocks of steps that take ``seconds`` or up to twice as long.

    The first two calls set up and do not count: compilers run in the first, and graphs are captured in the
    second. Further calls find the size of a block.
    """
    contender(1)
    contender(1)
    block = contender(1)
    while block.seconds < seconds:
        block = contender(2 * block.steps)
    steps = block.steps

    def measure() -> float:
        block = contender(steps)
        return block.seconds / block.steps

    return measure


def per_unit(measure: Round, work: int) -> Round:
    """Return a measurement of seconds a piece of work, of which a step has ``work``."""
    return lambda: measure() / work


def alternate(rounds: int, contenders: Mapping[str, Round], failures: Failures) -> dict[str, Spread]:
    """Measure everything once a round, in alternating order, so that a drift affects all equally.

    Args:
        rounds: Number of rounds.
        contenders: What is measured, by name.
        failures: Those that are out; one that fails in a round joins them, and keeps the rounds that it has finished.

    Returns:
        The spread of each that has finished a round.
    """
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for i in range(rounds):
        for name in list(contenders)[:: -1 if i % 2 else 1]:
            if name not in failures:
                with failures.caught(name, f"{i} of {rounds} rounds"):
                    values[name].append(contenders[name]())
    return {name: Spread.of(of_name) for name, of_name in values.items() if of_name}
