"""The time in which a run trained, from its journal."""

from __future__ import annotations

from gan_experiments.evaluation.protocol import TRAINING
from gan_experiments.tracking.journal import Line

_IN_TRAINING = ("step", "epoch", TRAINING)
"""Keys of metrics that a run records while it trains; scores that `evaluate` measures have others."""


class TrainingTime:
    """Adds up the time in which a run trained.

    A process's time runs from its line ``session`` to the last line that training wrote, which is ``status`` unless
    it was killed. What a resume writes before its session, and what ``evaluate`` writes afterwards, is none of it.
    """

    def __init__(self) -> None:
        self._seconds = self._device_seconds = 0.0
        self._began = self._last = 0
        self._members, self._running = 1, True  # the first journals have no line for their one process

    def follow(self, line: Line) -> None:
        """Take the next line of the journal into account."""
        if line["kind"] == "session":
            self._add()
            self._began = self._last = line["time"]
            self._members, self._running = line.get("members", 1), True
        elif self._running and is_of_training(line):
            self._began = self._began or line["time"]
            self._last = max(self._last, line["time"])
            self._running = line["kind"] != "status"

    def read(self) -> tuple[float, float]:
        """Return the seconds, and the run's share of them."""
        self._add()
        return self._seconds, self._device_seconds

    def _add(self) -> None:
        seconds = max(0, self._last - self._began) / 1000
        self._seconds += seconds
        self._device_seconds += seconds / self._members
        self._began = self._last


def is_of_training(line: Line) -> bool:
    """Tell whether training wrote a line, and not what was done before or afterwards."""
    kinds = ("histograms", "samples", "probabilities", "system", "status")
    return line["kind"] in kinds or (line["kind"] == "metrics" and line["key"] in _IN_TRAINING)
