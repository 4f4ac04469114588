"""A contender's run: it stops at the points where it is scored, and its clock with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from gan_experiments.benchmark.ours import ENDLESS
from gan_experiments.runs.run import Run
from gan_experiments.training.events import Diverged, EpochFinished, StepsFinished
from gan_experiments.training.trainer import Trainer

_OF_TRAINING = (StepsFinished, EpochFinished, Diverged)


@dataclass(frozen=True)
class Reached:
    """A point of a run.

    Attributes:
        epoch: Epochs finished.
        step: Steps finished.
        seconds: Seconds of training so far.
        generator: The generator that samples are drawn from: averaged where ``train.ema`` is on. None where the run
            has diverged before.
        state: Returns the state from which training continues.
    """

    epoch: int
    step: int
    seconds: float
    generator: nn.Module | None
    state: Callable[[], dict[str, Any]]


def train(
    run: Run,
    points: Sequence[int],
    begun: dict[str, Any] | None = None,
    now: Callable[[], float] = time.perf_counter,
) -> Iterator[Reached]:
    """Train a run from point to point, without recording it.

    The clock counts steps and the ends of epochs, until their numbers are on the host. It stands still while the
    caller has the point, and while the trainer draws samples and copies states.

    Args:
        run: The run.
        points: Epochs, in order.
        begun: The ``epoch``, ``seconds`` and ``state`` of an earlier point, from which the run goes on; by default it
            begins.
        now: Returns seconds.
    """
    seconds, left = 0.0, list(points)
    trainer = Trainer([run.member], run.dataset, device=run.device, sample_every=ENDLESS)
    if begun is not None:
        trainer.load(begun["state"])
        seconds, left = begun["seconds"], [epoch for epoch in points if epoch > begun["epoch"]]
    events = trainer.events()
    while True:
        began = now()
        _, event = next(events, (0, None))
        if isinstance(event, _OF_TRAINING):
            seconds += now() - began
        match event:
            case None:
                return
            case EpochFinished() if event.epoch in left:
                left.remove(event.epoch)
                yield Reached(event.epoch, event.step, seconds, trainer.generator(), trainer.state)
            case Diverged():
                for epoch in left:
                    yield Reached(epoch, event.step, seconds, None, trainer.state)
                return
