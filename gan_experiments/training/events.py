"""The events of training: plain values on the host, in the order in which they happened.

``step`` counts generator updates that are finished, ``epoch`` passes over the data that are finished.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

LOSSES = ("loss/discriminator", "loss/generator")
PROBABILITIES = ("prob/real", "prob/fake")


@dataclass(frozen=True)
class StepsFinished:
    """A window of steps came back from the device.

    Attributes:
        step: The window's last step; its first is ``step - len(discriminator_loss) + 1``.
        epoch: Passes over the data finished so far, with a fraction.
        discriminator_loss: Loss of D at each step of the window, float32 ``[W]``.
        generator_loss: Loss of G at each step of the window, float32 ``[W]``.
        prob_real: Mean of D(x) at each step, before D's update, dropout active, float32 ``[W]``.
        prob_fake: Mean of D(G(z)) at each step, in the same way, float32 ``[W]``.
        steps_per_second: Rate over the window, without the time that consumers of events take.
    """

    step: int
    epoch: float
    discriminator_loss: np.ndarray
    generator_loss: np.ndarray
    prob_real: np.ndarray
    prob_fake: np.ndarray
    steps_per_second: float


@dataclass(frozen=True)
class EpochFinished:
    """An epoch ended.

    Attributes:
        step: Steps finished.
        epoch: Epochs finished.
        metrics: Means over the epoch's steps, by their MLflow names (``loss/discriminator``, ``prob/real``, …).
        real_histogram: Counts of D(x) over the epoch in equal bins of [0, 1], int64 ``[bins]``.
        fake_histogram: Counts of D(G(z)) over the epoch in the same bins, int64 ``[bins]``.
    """

    step: int
    epoch: int
    metrics: dict[str, float]
    real_histogram: np.ndarray
    fake_histogram: np.ndarray


@dataclass(frozen=True)
class SamplesDrawn:
    """The generator's samples from the run's fixed z: uint8 ``[n, C, H, W]`` or float32 ``[n, D]``."""

    step: int
    epoch: int
    samples: Tensor


@dataclass(frozen=True)
class ProbabilitiesTaken:
    """D's probability, dropout off, for each of a batch of real and of generated samples, float32 ``[B]``."""

    step: int
    epoch: int
    real: np.ndarray
    fake: np.ndarray


@dataclass(frozen=True)
class CheckpointDue:
    """A checkpoint should be written: the state from which training continues exactly, on the host."""

    step: int
    epoch: int
    state: dict[str, Any]


@dataclass(frozen=True)
class Diverged:
    """Training cannot continue; the last event.

    Attributes:
        step: The first step with a value that is not finite.
        epoch: Epochs finished.
        reason: One line: which value, and at which step.
    """

    step: int
    epoch: int
    reason: str


@dataclass(frozen=True)
class Stopped:
    """Training was asked to stop and did, after a checkpoint; the last event."""

    step: int
    epoch: int


@dataclass(frozen=True)
class Left:
    """The run left its slot at a rung, after a checkpoint, to go on later or never; its last event for now."""

    step: int
    epoch: int


@dataclass(frozen=True)
class Completed:
    """All epochs are done, or as many as the run was allowed; the last event."""

    step: int
    epoch: int


Event = (
    StepsFinished
    | EpochFinished
    | SamplesDrawn
    | ProbabilitiesTaken
    | CheckpointDue
    | Diverged
    | Stopped
    | Left
    | Completed
)
