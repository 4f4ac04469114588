"""Reads from a run's folder how the run ended."""

from __future__ import annotations

import math
from dataclasses import dataclass

import filelock

from gan_experiments.tracking.journal import Line, read
from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.sweep_directory import JobDirectory

_STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "stopped", "PAUSED": "paused"}


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
    """Read how the run in a folder ended."""
    last: Line | None = None
    if run.journal.is_file():
        for line, _ in read(run.journal):
            if line["kind"] in ("session", "status"):
                last = line
    if _is_held(run):
        return Outcome("running", "")
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


def _is_held(run: JobDirectory) -> bool:
    """Tell whether a process is training in the folder."""
    if not run.lock.exists():
        return False
    try:
        with filelock.FileLock(run.lock, timeout=0):
            return False
    except filelock.Timeout:
        return True
