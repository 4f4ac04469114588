"""Shows how far runs are: a live line on a terminal, plain lines elsewhere and in the runs' logs."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from gan_experiments.tracking import progress_parts as parts
from gan_experiments.tracking.line_parts import Part, fit
from gan_experiments.tracking.naming import duration, in_words
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import Headline, RunEvent, Scored, StoppedEarly, WarningsChanged
from gan_experiments.tracking.run_log import RunLogs
from gan_experiments.tracking.terminal import busy, is_live, redraw, say, show, width
from gan_experiments.training.events import LOSSES, PROBABILITIES, Diverged, EpochFinished, StepsFinished

_LINES = 20
"""About how many plain lines a whole run prints."""
_MEASURE = 2.0
"""Seconds of training from which its length is foretold."""


@dataclass
class _Member:
    """State of one run, as far as it is known.

    Attributes:
        name: The run's name.
        loss: G's mean loss over the last epoch, or None before the first.
        score: The last score, or None before the first.
        lights: The warning lights that are on.
    """

    name: str
    loss: float | None = None
    score: Headline | None = None
    lights: frozenset[str] = field(default_factory=frozenset)


def progress_of(
    names: Sequence[str], directories: Sequence[RunDirectory], total_steps: int, epochs: int, step: int = 0
) -> Progress:
    """Return the progress display of runs that train together; arguments as those of ``Progress``."""
    kind = Progress if len(names) == 1 else StackProgress
    return kind(names, directories, total_steps, epochs, step)


class Progress:
    """Shows the epoch, the time left, losses, D(x), D(G(z)), score and warning lights of one run.

    It shows them on stderr, and adds plain lines to the run's log.

    Args:
        names: Names of the runs.
        directories: Their folders.
        total_steps: Steps of each.
        epochs: Epochs of each.
        step: Steps already done when this process started.
    """

    def __init__(
        self, names: Sequence[str], directories: Sequence[RunDirectory], total_steps: int, epochs: int, step: int = 0
    ) -> None:
        self._names, self._logs = names, RunLogs(directories)
        self._total, self._epochs, self._begun = total_steps, epochs, step
        self._members = {k: _Member(name) for k, name in enumerate(names)}
        self._printed: dict[int, int] = {}
        self._steps: StepsFinished | None = None
        self._started = self._came = self._first_came = time.monotonic()
        self._first_step = step
        self._foretold = False
        self._shown = ExitStack()
        if step < total_steps:
            self._shown.enter_context(busy("training the first steps"))

    def on(self, k: int, event: RunEvent) -> None:
        """Show an event of run ``k``."""
        match event:
            case StepsFinished():
                self._show_steps(event)
            case EpochFinished():
                self._show_epoch(k, event)
            case Scored(headline=best) if best is not None:
                self._members[k].score = best
                self._logs.note(k, f"score     {in_words(best.name)} {best.value:.4g} after epoch {event.epoch}")
            case WarningsChanged():
                self._show_warnings(k, event)
            case Diverged():
                self._leave(k, f"failed: {event.reason}")
            case StoppedEarly():
                self._leave(k, f"ended: {event.reason}")

    def close(self) -> None:
        """Leave the last state of the live line where it was, as a plain one."""
        self._shown.close()
        if self._steps is not None and is_live(sys.stderr):
            say(self._text(width(sys.stderr)))

    # Steps: the live line, and how long it will take.

    def _show_steps(self, event: StepsFinished) -> None:
        if self._steps is not None and event.step == self._steps.step:
            return  # another member's
        self._came = time.monotonic()
        before, self._steps = self._steps, event
        if before is None:
            # The first steps also compile, capture and fill caches: time counts from their end.
            self._first_came, self._first_step = self._came, event.step
            self._shown.close()
            self._shown.enter_context(show(lambda columns, _: self._text(columns)))
        self._foretell(event)
        redraw()

    def _text(self, columns: int) -> str:
        """Return the live line or, where a log is silent for long, one that says that there is more to come."""
        assert self._steps is not None
        step = self._steps
        means = [
            float(v.mean()) for v in (step.discriminator_loss, step.generator_loss, step.prob_real, step.prob_fake)
        ]
        line = self._line(columns, step.epoch, step.steps_per_second, means)
        return line if columns < sys.maxsize else f"{line} …"

    def _line(self, columns: int, epoch: float, rate: float, means: Sequence[float]) -> str:
        (member,) = self._members.values()
        return self._line_of(member, columns, epoch, rate, means)

    def _line_of(self, member: _Member, columns: int, epoch: float, rate: float, means: Sequence[float]) -> str:
        said: list[Part] = [
            parts.epochs_done(epoch, self._epochs),
            parts.time_left(self._left()),
            parts.losses(*means[:2]),
            parts.probabilities(*means[2:]),
            parts.score(member.score),
            parts.lights(member.lights),
        ]
        # A light's name says more than a third digit.
        return fit(said, columns, longer=(5, 4, 0), extras=[parts.rate(rate), *self._bar(columns)])

    def _bar(self, columns: int) -> list[Part]:
        """Return a bar for the live line, and none for a plain one."""
        return [parts.bar(self._steps.step / self._total)] if self._steps and columns < sys.maxsize else []

    def _foretell(self, event: StepsFinished) -> None:
        """Say how long training will take, as soon as enough was measured."""
        measured = self._came - self._first_came
        slow = len(event.generator_loss) / event.steps_per_second >= 2 * _MEASURE
        if self._foretold or event.step == self._total or (measured < _MEASURE and not slow):
            return
        self._foretold = True
        if self._begun == 0:
            whole, epochs = self._left() + self._came - self._started, f"{self._epochs} epochs"
        else:
            left = (self._total - self._begun) * self._epochs / self._total
            whole, epochs = self._left(), f"the {left:.0f} epochs that are left"
        runs = f"{len(self._members)} runs of " if len(self._names) > 1 else ""
        self._logs.say(f"time      about {duration(whole)} for {runs}{epochs}")

    def _left(self) -> float:
        """Return how many seconds training will take from now."""
        if self._steps is None:
            return 0.0
        done = self._steps.step - self._first_step
        rate = done / max(self._came - self._first_came, 1e-9) if done else self._steps.steps_per_second
        return max(0.0, (self._total - self._steps.step) / rate - (time.monotonic() - self._came))

    # Epochs: plain lines.

    def _show_epoch(self, k: int, event: EpochFinished) -> None:
        member = self._members[k]
        member.loss = event.metrics["loss/generator"]
        part = event.epoch * _LINES // self._epochs
        if part == self._printed.get(k):
            return
        self._printed[k] = part
        rate = event.metrics["speed/steps_per_second"]
        means = [event.metrics.get(name, float("nan")) for name in (*LOSSES, *PROBABILITIES)]
        self._logs.note(k, self._line_of(member, sys.maxsize, event.epoch, rate, means))
        if not is_live(sys.stderr) and k == max(self._members):  # the others have finished the epoch too
            say(self._line(sys.maxsize, event.epoch, rate, means))

    def _show_warnings(self, k: int, event: WarningsChanged) -> None:
        member = self._members[k]
        member.lights = frozenset(event.on)
        for light in event.new:
            line = f"warning   {in_words(light)}, since epoch {event.epoch}"
            self._logs.note(k, line, logging.WARNING)
            say(line if len(self._names) == 1 else f"{line}: {member.name}")

    def _leave(self, k: int, how: str) -> None:
        """Say how a run ended before the others; of a single run its last lines do."""


class StackProgress(Progress):
    """Shows the members of a stack as one: how many train, their rates, and the best so far.

    The best member is the one with the best score or, before there are scores, the one with the lowest loss of G.
    Each member's log has the lines that it would have alone.
    """

    def _line(self, columns: int, epoch: float, rate: float, means: Sequence[float]) -> str:
        members = self._members.values()
        scores = [(member.score, member.name) for member in members if member.score is not None]
        found = [(member.loss, member.name) for member in members if member.loss is not None]
        said: list[Part] = [
            parts.epochs_done(epoch, self._epochs),
            parts.members(len(members)),
            parts.time_left(self._left()),
            parts.best_score(scores) if scores else parts.lowest_loss(found),
            parts.warned(sum(bool(member.lights) for member in members)),
        ]
        extras = [parts.rate(rate, len(members)), *self._bar(columns)]
        return fit(said, columns, longer=(3,), extras=extras)

    def _leave(self, k: int, how: str) -> None:
        self._members.pop(k, None)  # it has left already if it diverged in its last checkpoint
        say(f"{self._names[k]} {how}; {len(self._members)} still training")
