"""Warning lights: signs of trouble in metrics that are measured anyway.

Each light is a file in ``evaluation/warning_lights``, named after it, with one subclass of ``WarningLight``. No
other entry is needed: ``train.early_stop``, ``--help`` and reports read that folder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from gan_experiments.evaluation.registry import parts_in

_FADED = 0.05
"""Share of an average of weights below which those that it began with no longer matter."""


class WarningLight:
    """One light of one run. It follows epochs, scores, or both, by overriding the methods.

    A light is a function of the metrics alone: fed the same ones, a resumed run has the same lights.

    Attributes:
        meaning: When it is on, in words.
        needs_origin: Whether the light means nothing for critics, whose logits have no origin (``Objective``).
    """

    meaning: ClassVar[str]
    needs_origin: ClassVar[bool] = False

    def epoch(self, metrics: Mapping[str, float]) -> bool | None:
        """Return whether the light is on after an epoch, given its metrics by MLflow name; None for no change."""
        return None

    def scores(self, step: int, metrics: Mapping[str, float], modes: int | None) -> bool | None:
        """Return whether the light is on after the generator was scored; None for no change.

        Args:
            step: Steps finished.
            metrics: The scores that were measured, by MLflow name.
            modes: Number of modes that there are, or None where it is unknown.
        """
        return None


class WarningLights:
    """All lights of one run.

    Args:
        logits_have_origin: As the run's objective declares it.
        ema: Decay of the average of G's weights that is scored; None where G itself is.

    Attributes:
        on: Lights that are on now.
        first: The step at which each light that ever was on came on for the first time.
    """

    def __init__(self, logits_have_origin: bool = True, ema: float | None = None) -> None:
        # The average begins with G's random weights: what it draws until they have faded is no sign of trouble.
        self._first_telling_step = 0.0 if ema is None else math.log(_FADED) / math.log(ema)
        self._lights = {
            name: light() for name, light in _lights().items() if logits_have_origin or not light.needs_origin
        }
        self.on: set[str] = set()
        self.first: dict[str, int] = {}

    def epoch(self, step: int, metrics: Mapping[str, float]) -> list[str]:
        """Follow an epoch's metrics, by MLflow name; return the lights that come on for the first time."""
        return self._switch(step, {name: light.epoch(metrics) for name, light in self._lights.items()})

    def scores(self, step: int, metrics: Mapping[str, float], modes: int | None) -> list[str]:
        """Follow scores; return the lights that come on for the first time.

        Scores of an average that is still made of the weights that training began with say nothing, and are skipped.

        Args:
            step: Steps finished.
            metrics: The scores that were measured, by MLflow name.
            modes: Number of modes that there are, or None where it is unknown.
        """
        if step < self._first_telling_step:
            return []
        return self._switch(step, {name: light.scores(step, metrics, modes) for name, light in self._lights.items()})

    def _switch(self, step: int, states: Mapping[str, bool | None]) -> list[str]:
        self.on -= {name for name, is_on in states.items() if is_on is False}
        self.on |= {name for name, is_on in states.items() if is_on}
        new = [name for name, is_on in states.items() if is_on and name not in self.first]
        self.first |= dict.fromkeys(new, step)
        return new


def meanings() -> dict[str, str]:
    """Return when each light is on, in words."""
    return {name: light.meaning for name, light in _lights().items()}


def _lights() -> dict[str, type[WarningLight]]:
    return parts_in("evaluation/warning_lights", WarningLight)
