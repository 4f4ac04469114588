"""Events of a run besides those of training, and the interface of everything that receives events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gan_experiments.tracking.metadata import RunDescription
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training.events import Event

ALL_EPOCHS = "all epochs are done"
"""Reason of a run that ended because it was complete."""


@dataclass(frozen=True)
class Headline:
    """The most telling of a generator's scores.

    Attributes:
        name: Name of the score.
        value: Its value.
        larger_is_better: Whether more of it is better.
        real_data: What real data score in the generator's place, or None where it is unknown.
    """

    name: str
    value: float
    larger_is_better: bool
    real_data: float | None = None

    def better_than(self, value: float) -> bool:
        """Tell whether it is better than another value of the same score."""
        return self.value > value if self.larger_is_better else self.value < value


@dataclass(frozen=True)
class Scored:
    """The generator was scored.

    Attributes:
        step: Steps finished.
        epoch: Epochs finished.
        metrics: Values and errors, by their MLflow names.
        tags: Settings of the measurement, by the names of tags in MLflow.
        details: Everything there is to know, as plain values; for the journal alone.
        neighbours: Generated images and the training images nearest to them, uint8 ``[2, n, C, H, W]``, or None.
        headline: The most telling score, or None where there is none.
    """

    step: int
    epoch: int
    metrics: dict[str, float]
    tags: dict[str, str]
    details: dict[str, Any]
    neighbours: np.ndarray | None
    headline: Headline | None


@dataclass(frozen=True)
class WarningsChanged:
    """Warning lights came on or went off.

    Attributes:
        step: Steps finished.
        epoch: Epochs finished.
        new: Lights that came on for the first time.
        on: All lights that are on now.
    """

    step: int
    epoch: int
    new: Sequence[str]
    on: Collection[str]


@dataclass(frozen=True)
class StoppedEarly:
    """A light of ``train.early_stop`` is on, ``train.stop_at`` is reached, or somebody asked for it.

    Training completes with this epoch; by request with this step.

    Attributes:
        step: Steps finished.
        epoch: Epochs finished.
        reason: Which light or which scores, or that it was asked for, in one line.
    """

    step: int
    epoch: int
    reason: str


@dataclass(frozen=True)
class Joined:
    """The run begins to train in this process, new or from its checkpoint; its first event.

    Attributes:
        directory: Its folder.
        description: What it is.
        step: Steps done before, 0 for a new run.
        slots: How many runs can train as one with it, itself included.
    """

    directory: RunDirectory
    description: RunDescription
    step: int
    slots: int


@dataclass(frozen=True)
class Ended:
    """The run leaves this process; its last event.

    Attributes:
        status: ``FINISHED``, ``FAILED``, ``KILLED``, or ``PAUSED`` if it may go on later, from its checkpoint.
        reason: Why it ended, in one line.
        pruned: The rung at which it was given up, or None. Its status is then ``FINISHED``.
    """

    status: str
    reason: str
    pruned: int | None = None


RunEvent = Event | Joined | Scored | WarningsChanged | StoppedEarly | Ended


@dataclass(frozen=True)
class Tally:
    """What a stack's slots have to do besides the runs that train now.

    Attributes:
        waiting: Runs that wait for a slot.
        done: Runs that have ended, pruned ones included.
        pruned: Runs that were pruned.
        steps: About how many steps the waiting runs will take together.
    """

    waiting: int = 0
    done: int = 0
    pruned: int = 0
    steps: float = 0.0


Publish = Callable[[int, RunEvent], None]
"""Passes an event of run ``k`` to all consumers."""


class Consumer(Protocol):
    """Anything that receives the events of the runs that one program trains together."""

    def on(self, k: int, event: RunEvent) -> None:
        """Take an event of run ``k``, or ignore it."""
