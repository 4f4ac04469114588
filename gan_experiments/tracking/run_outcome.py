"""Reads from a run's folder how the run ended."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gan_experiments.tracking.journal import Line, read
from gan_experiments.tracking.run_directory import is_held, read_json
from gan_experiments.tracking.sweep_directory import JobDirectory

_STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "stopped", "PAUSED": "paused"}
BOUNDS = ("session", "status")
"""Kinds of the journal's lines that a process begins and ends with."""


@dataclass(frozen=True)
class Outcome:
    """The state of a run: how it ended, or that it has not.

    Attributes:
        state: ``finished``, ``failed``, ``stopped`` (by a signal, after a checkpoint), ``paused`` (it may go on from
            its checkpoint), ``died`` (without saying so), ``running``, or ``waiting``.
        reason: Why, in one line.
    """

    state: str
    reason: str

    @property
    def finished(self) -> bool:
        """True if the run has reached its last step."""
        return self.state == "finished"


def outcome(run: JobDirectory) -> Outcome:
    """Read how the run in a folder ended; as long as its folder is a process's own, it has not."""
    last: Line | None = None
    if run.journal.is_file():
        for line, _ in read(run.journal):
            if line["kind"] in BOUNDS:
                last = line
    return Outcome("running", "") if is_held(run.lock) else _recorded_outcome(run, last)


def outcome_after(run: JobDirectory, last: Line | None) -> Outcome:
    """Return how a run ended, from the last line of its journal that says so.

    A run that has recorded its end is over, though its last pictures may still be drawn. The lock of its folder is
    tried only where there is a journal without an end: a process that is about to begin never finds it taken.

    Args:
        run: The run's folder.
        last: The last line of one of the kinds ``BOUNDS``, or None where there is none.
    """
    is_open = (last is None or last["kind"] == "session") and run.journal.is_file()
    return Outcome("running", "") if is_open and is_held(run.lock) else _recorded_outcome(run, last)


def _recorded_outcome(run: JobDirectory, last: Line | None) -> Outcome:
    """Return how a run in which no process trains ended, from the last line of its journal that says so."""
    if run.failure.is_file():
        reason = read_json(run.failure)["reason"]
        # Training's own reason says the same, without the exception and the place.
        briefer = last is not None and last["kind"] == "status" and last["reason"] in reason
        return Outcome("failed", last["reason"] if last is not None and briefer else reason)
    if last is None:
        started = run.job.is_file()
        return Outcome("died" if started else "waiting", "ended before its first step" if started else "not started")
    if last["kind"] == "session":
        return Outcome("died", "its process ended without a word")
    return Outcome(_STATES[last["status"]], last["reason"])


def result(run: JobDirectory) -> float:
    """Read what a finished run returned: G's mean loss over its last epoch, NaN if it was stopped in its first."""
    epochs = [line for line, _ in read(run.journal) if line["kind"] == "metrics" and line["key"] == "epoch"]
    return epochs[-1]["values"]["loss/generator"] if epochs else math.nan
