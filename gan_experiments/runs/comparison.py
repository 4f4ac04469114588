"""Compares training that is repeated with what a run's folder says about it, step by step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_experiments.evaluation.protocol import TRAINING
from gan_experiments.runs.recorded import ELSEWHERE, Recorded
from gan_experiments.tracking.chain_check import not_this_run
from gan_experiments.training.events import EpochFinished, StepsFinished
from gan_experiments.training.trainer import Trainer

TOLERANCE = {"fp32": 2e-4, "tf32": 0.1, "bf16": 0.1}
"""Most by which a loss differs where sums are rounded in another order, by the precision; relative above 1."""
REACH = 50
"""Steps after a state for which that holds. Adversarial training amplifies rounding: later it says nothing."""
_OF_STEPS = ("loss/", "loss_step/", "prob/")
"""Metrics that follow from the steps' own numbers; others are measured beside the steps."""
_SPEED = "speed/"


class Comparison:
    """Compares a window of steps.

    Args:
        recorded: What the run's folder says.
        start: The step after which training is repeated.
        precision: How exact its products are, as in ``train.precision``.

    Attributes:
        start: As given.
        tolerance: Most by which losses may differ where equal bits are not demanded.
        reached: The last step that was compared.
        same_bits: Whether everything so far was the same, bit for bit.
        inexact: Why equal bits are not demanded of what comes, in words; None where they are.
        is_over: Whether nothing more can be said about later steps.
        compared: How many other things were compared, by what they are.
    """

    def __init__(self, recorded: Recorded, start: int, precision: str) -> None:
        self._recorded, self.start, self.reached = recorded, start, start
        self.tolerance, self.compared = TOLERANCE[precision], Counter[str]()
        self.same_bits, self.is_over = True, False
        self.inexact: str | None = None
        self._inexact_from, self._all_metrics = start, True

    def begin(self, inexact: str | None, all_metrics: bool) -> None:
        """Go on with steps that another process trained.

        Args:
            inexact: Why equal bits are not demanded of them; None where they are.
            all_metrics: Whether metrics that are measured beside the steps are compared too.
        """
        if inexact is not None and self.inexact is None:
            self._inexact_from = self.reached
        self.inexact, self._all_metrics = inexact or self.inexact, all_metrics

    def steps(self, event: StepsFinished) -> None:
        """Compare a window of losses.

        Raises:
            RunFailedError: They are others.
        """
        found = np.stack((event.discriminator_loss, event.generator_loss), 1).astype("<f4")
        first, count = event.step - len(found), len(found)  # steps before the window, and in it
        recorded = np.ascontiguousarray(self._recorded.losses[first : event.step])
        differ = (found.view(np.uint32) != recorded.view(np.uint32)).any(1)
        wrong, end = differ, count
        if self.inexact is not None:
            reach = min(max(self._inexact_from + REACH - first, 0), count)
            far = np.abs(found.astype(np.float64) - recorded) > self.tolerance * np.maximum(np.abs(recorded), 1)
            wrong = far.any(1) & (np.arange(count) < reach)
            # Where all bits were equal so far, the weights were, and the tolerance is not needed yet.
            parting = int(differ.argmax()) if differ.any() else count
            end = max(reach, parting) if self.same_bits else reach
            self.same_bits = self.same_bits and not differ[:reach].any()
            self.is_over = end < count
        if wrong.any():
            self._part(first + int(wrong.argmax()), recorded[wrong.argmax()], found[wrong.argmax()])
        for index in range(end):
            for line in self._recorded.metrics.get(("step", first + index + 1), ()):
                self._check_metrics(line, dict(zip(line["values"], map(float, found[index]), strict=True)))
        self.reached = first + end

    def _part(self, before: int, recorded: np.ndarray, found: np.ndarray) -> None:
        (of_d, of_g), (d, g) = recorded.tolist(), found.tolist()
        raise not_this_run(
            f"losses part at step {before + 1:,}: recorded {of_d:.9g} {of_g:.9g}, retraced {d:.9g} {g:.9g}"
        )

    def epoch(self, event: EpochFinished, trainer: Trainer) -> None:
        """Compare an epoch's metrics, and the weights that were written at its end.

        Raises:
            RunFailedError: They are others, or an epoch has no metrics.
        """
        if self.is_over:
            return
        lines = self._recorded.metrics.get(("epoch", event.step), [])
        if not lines:
            raise not_this_run(f"journal.jsonl has no metrics of the epoch that ends with step {event.step:,}")
        for line in lines:
            self._check_metrics(line, event.metrics | {"epoch": float(event.epoch)})
        self.compared["epoch"] += 1
        self.weights(trainer, event.epoch)

    def has_scores(self, step: int) -> bool:
        """Return whether the run was scored after a step, while it trained, and the scores can be compared."""
        is_compared = self._all_metrics and self.inexact is None and not self.is_over
        return is_compared and (TRAINING, step) in self._recorded.metrics

    def scores(self, step: int, values: Mapping[str, float]) -> None:
        """Compare the scores after a step.

        Raises:
            RunFailedError: They are others.
        """
        for line in self._recorded.metrics[TRAINING, step]:
            self._check_metrics(line, values)
        self.compared["score"] += 1

    def _check_metrics(self, line: Mapping[str, Any], found: Mapping[str, float]) -> None:
        if line.get(ELSEWHERE):
            return
        recorded: Mapping[str, float] = line["values"]
        is_exact = self.inexact is None
        for name in sorted(recorded.keys() | found.keys()):
            if name.startswith(_SPEED) or not (name.startswith(_OF_STEPS) or (is_exact and self._all_metrics)):
                continue
            then, now = recorded.get(name, math.inf), found.get(name, math.inf)
            if then == now or (math.isnan(then) and math.isnan(now)):
                continue
            if is_exact or not abs(then - now) <= self.tolerance * max(abs(then), 1):
                raise not_this_run(f"{name} after step {line['step']:,}: recorded {then!r}, retraced {now!r}")

    def weights(self, trainer: Trainer, epoch: int | None = None) -> None:
        """Compare all weights that were written after the present step, where equal bits are demanded or were found.

        Args:
            trainer: Has them.
            epoch: The epoch that has just ended; None within one.

        Raises:
            RunFailedError: They are others.
        """
        if self.is_over or self.inexact is not None:
            return
        for name, generator in self._recorded.generators(trainer.step, epoch).items():
            _check_weights(name, trainer.step, generator, trainer.generator().state_dict())
            self.compared["file"] += 1
        states = self._recorded.whole_states(trainer.step)
        if states:
            found = trainer.state()["step_state"]
            for name, state in states.items():
                _check_weights(name, trainer.step, state, found)
                self.compared["file"] += 1


def _check_weights(name: str, step: int, recorded: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    then, now = dict(_leaves(recorded)), dict(_leaves(found))
    for key in [*then, *now]:
        if key not in then or key not in now or not _same(then[key], now[key]):
            raise not_this_run(f"{name} has other weights than training gives after step {step:,}: {key}")


def _leaves(state: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(state, Mapping):
        for key, value in state.items():
            yield from _leaves(value, f"{place}.{key}" if place else str(key))
    elif isinstance(state, list | tuple):
        yield from _leaves(dict(enumerate(state)), place)
    else:
        yield place, state


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return bool(one == other)
    one, other = (each.detach().cpu().contiguous() for each in (one, other))
    alike = one.dtype == other.dtype and one.shape == other.shape
    return alike and torch.equal(*(each.flatten().view(torch.uint8) for each in (one, other)))
