"""Measurements of an epoch's steps, gathered window by window on the host."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_experiments.training.events import LOSSES, PROBABILITIES
from gan_experiments.training.step import StepStatistics

HISTOGRAM_BINS = 50


@dataclass(frozen=True)
class Window:
    """The statistics of consecutive steps, on the host.

    Attributes:
        first: Number of the window's first step, counted from 1.
        losses: Of D and of G at each step, float32 ``[W, 2]``.
        logits: Of real and of generated samples at each step, float32 ``[W, 2, B]``.
    """

    first: int
    losses: Tensor
    logits: Tensor

    @classmethod
    def of(cls, last: int, rows: Tensor) -> Window:
        """Return the window that ends with step ``last``, from one member's part of ``packed``, on the host."""
        return cls(last - len(rows) + 1, rows[:, :2], rows[:, 2:].unflatten(1, (2, -1)))

    def __len__(self) -> int:
        return len(self.losses)

    @cached_property
    def probabilities(self) -> Tensor:
        """D(x) and D(G(z)) at each step, float32 ``[W, 2, B]``: sigmoids, whatever the objective makes of logits."""
        return torch.sigmoid(self.logits)

    def before(self, step: int) -> Window:
        """Return the part of the window before ``step``."""
        count = step - self.first
        return Window(self.first, self.losses[:count], self.logits[:count])

    def first_not_finite(self) -> tuple[int, str] | None:
        """Return the first step with a value that is not finite, and a sentence that names both; or None."""
        finite = self.losses.isfinite().all(1) & self.logits.isfinite().all(2).all(1)
        if bool(finite.all()):
            return None
        offset = int(finite.logical_not().nonzero()[0])
        step = self.first + offset
        for name, loss in zip(
            ("discriminator's loss", "generator's loss"), self.losses[offset].tolist(), strict=True
        ):
            if not math.isfinite(loss):
                return step, f"the {name} is {loss} at step {step}"
        return step, f"a logit of the discriminator is not finite at step {step}"


def packed(steps: StepStatistics, members: int) -> Tensor:
    """Return steps' statistics as one tensor on the device, float32 ``[W, K, 2 + 2 B]``; ``Window.of`` reads it."""
    losses = torch.stack((steps.discriminator_loss, steps.generator_loss), -1)
    logits = torch.stack((steps.real_logits, steps.fake_logits), -2)
    return torch.cat((losses, logits.flatten(-2)), -1).float().view(len(losses), members, -1)


class EpochStatistics:
    """Sums over an epoch's steps; independent of how the steps fell into windows."""

    def __init__(self) -> None:
        self._rows: list[np.ndarray] = []  # loss D, loss G, D(x), D(G(z)), accuracy: float32 [W, 5]
        self._histograms = np.zeros((2, HISTOGRAM_BINS), dtype=np.int64)
        self._seconds = 0.0

    def add(self, window: Window, seconds: float) -> None:
        """Add a window that took ``seconds`` to compute."""
        p = window.probabilities.numpy()
        accuracy = ((p[:, 0] > 0.5).mean(1) + (p[:, 1] < 0.5).mean(1)) / 2
        self._rows.append(np.column_stack((window.losses.numpy(), p.mean(2), accuracy)).astype(np.float32))
        bins = np.minimum((p * HISTOGRAM_BINS).astype(np.int64), HISTOGRAM_BINS - 1)
        for side in (0, 1):
            self._histograms[side] += np.bincount(bins[:, side].ravel(), minlength=HISTOGRAM_BINS)
        self._seconds += seconds

    def metrics(self) -> dict[str, float]:
        """Return means over the epoch's steps by their MLflow names, and the rate of steps."""
        rows = np.concatenate(self._rows).astype(np.float64)
        names = (*LOSSES, *PROBABILITIES, "accuracy/discriminator")
        means = dict(zip(names, map(float, rows.mean(0)), strict=True))
        return means | {"speed/steps_per_second": len(rows) / max(self._seconds, 1e-9)}

    @property
    def histograms(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts of D(x) and of D(G(z)) in equal bins of [0, 1], int64 ``[bins]`` each."""
        return self._histograms[0].copy(), self._histograms[1].copy()

    def state(self) -> dict[str, Any]:
        """Return the sums so far, for a checkpoint in mid-epoch."""
        rows = np.concatenate(self._rows) if self._rows else np.zeros((0, 5), np.float32)
        return {
            "rows": torch.from_numpy(rows),
            "histograms": torch.from_numpy(self._histograms.copy()),
            "seconds": self._seconds,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from sums that ``state`` returned."""
        rows: Tensor = state["rows"]
        self._rows = [rows.numpy()]
        self._histograms = state["histograms"].numpy().copy()
        self._seconds = state["seconds"]
