"""Measures contenders in turn: each is warmed up, then all are timed in rounds, never one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import torch


class Taken(NamedTuple):
    """What a contender did between two looks at the clock.

    Attributes:
        steps: Steps taken; for a stack, by each member.
        discriminator_loss: Of the last one, wherever it is: to fetch it is the contender's own affair.
        generator_loss: Likewise.
    """

    steps: int
    discriminator_loss: Any = None
    generator_loss: Any = None


class Block(NamedTuple):
    """Some steps and the seconds that they took."""

    steps: int
    seconds: float


Contender = Callable[[int], Block]
"""Takes at least so many steps."""

Round = Callable[[], float]
"""Measures once; what it returns is compared."""


@dataclass(frozen=True)
class Spread:
    """What the rounds gave: median, least and most, in the unit of a round."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """The spread of some values."""
        return cls(median(values), min(values), max(values))

    def scaled(self, factor: float) -> Spread:
        """In another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def inverse(self) -> Spread:
        """Of the reciprocals: rates from times."""
        return Spread(1 / self.median, 1 / self.high, 1 / self.low)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was asked to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def paced(units: Iterator[Taken], device: torch.device) -> Contender:
    """A contender that goes on with ``units`` and looks at the clock when the device has finished."""

    def contend(steps: int) -> Block:
        synchronise(device)
        taken, started = 0, time.perf_counter()
        while taken < steps:
            taken += next(units).steps
        synchronise(device)
        return Block(taken, time.perf_counter() - started)

    return contend


def warmed_up(contender: Contender, seconds: float) -> Round:
    """Seconds a step, over blocks of steps that take ``seconds`` or up to twice as long.

    The first two calls set up and are not looked at: compilers run in the first, and graphs are captured in the
    second. Further ones find the size of a block.
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
    """Seconds a piece of work, where a step is ``work`` of them."""
    return lambda: measure() / work


def alternate(rounds: int, contenders: Mapping[str, Round]) -> dict[str, Spread]:
    """Measure everything once a round, in an order that turns round, so that a drift meets all alike."""
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for i in range(rounds):
        for name in list(contenders)[:: -1 if i % 2 else 1]:
            values[name].append(contenders[name]())
    return {name: Spread.of(of_name) for name, of_name in values.items()}
