"""Shows how far a run is: a live line on a terminal, plain lines elsewhere and in the run's log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from gan_experiments.tracking import progress_parts as parts
from gan_experiments.tracking.line_parts import Part, fit
from gan_experiments.tracking.naming import duration, in_words
from gan_experiments.tracking.pace import Pace
from gan_experiments.tracking.run_events import (
    Ended,
    Headline,
    Joined,
    RunEvent,
    Scored,
    StoppedEarly,
    WarningsChanged,
)
from gan_experiments.tracking.run_log import RunLogs
from gan_experiments.tracking.terminal import busy, is_live, redraw, say, show, width
from gan_experiments.training.events import LOSSES, PROBABILITIES, Diverged, EpochFinished, StepsFinished

LINES = 20
"""About how many plain lines are printed from beginning to end."""
_MEASURE = 2.0
"""Seconds of training from which its length is foretold."""


@dataclass
class RunState:
    """State of a run that trains, as far as it is known.

    Attributes:
        name: The run's name.
        total_steps: Its steps.
        epochs: Its epochs.
        step: Steps done.
        begun: Steps done when it joined.
        loss: G's mean loss over the last epoch, or None before the first.
        score: The last score, or None before the first.
        lights: The warning lights that are on.
        printed: Which of its plain lines was the last.
        leaves: Whether it is about to leave before its last step.
    """

    name: str
    total_steps: int
    epochs: int
    step: int
    begun: int = 0
    loss: float | None = None
    score: Headline | None = None
    lights: frozenset[str] = field(default_factory=frozenset)
    printed: int = -1
    leaves: bool = False

    @property
    def steps_left(self) -> int:
        """Steps that it will still take."""
        return 0 if self.leaves else self.total_steps - self.step


class Progress:
    """Shows the epoch, the time left, losses, D(x), D(G(z)), score and warning lights of one run.

    It shows them on stderr, and adds plain lines to the run's log.

    Args:
        slots: How many runs can train together.
    """

    def __init__(self, slots: int = 1) -> None:
        self._slots = slots
        self._logs = RunLogs(slots)
        self._runs: dict[int, RunState] = {}
        self._pace = Pace()
        self._last: StepsFinished | None = None
        self._foretold = False
        self._shown = ExitStack()

    def on(self, k: int, event: RunEvent) -> None:
        """Show an event of run ``k``."""
        match event:
            case Joined():
                self._join(k, event)
            case StepsFinished():
                self._show_steps(k, event)
            case EpochFinished():
                self._show_epoch(k, event)
            case Scored(headline=best) if best is not None:
                self._runs[k].score = best
                self._logs.note(k, f"score     {in_words(best.name)} {best.value:.4g} after epoch {event.epoch}")
            case WarningsChanged():
                self._show_warnings(k, event)
            case Diverged():
                self._leave(k, f"failed: {event.reason}")
            case StoppedEarly():
                self._leave(k, f"ended: {event.reason}")
            case Ended():
                self._end(k, event)
        self._logs.on(k, event)

    def close(self) -> None:
        """Leave the last state of the live line where it was, as a plain one."""
        self._shown.close()
        if self._last is not None and is_live(sys.stderr):
            say(self._text(width(sys.stderr)))

    # Runs that come and go.

    def _join(self, k: int, event: Joined) -> None:
        """Begin with a run; what was shown of the one before it is over."""
        self._runs, self._pace, self._last, self._foretold = {}, Pace(), None, False
        self._shown.close()
        self._begin(k, event)

    def _begin(self, k: int, event: Joined) -> None:
        what, step = event.description, event.step
        self._runs[k] = RunState(what.name, what.total_steps, what.epochs, step, step)
        if self._last is None and step < what.total_steps:
            self._shown.close()
            self._shown.enter_context(busy("training the first steps"))

    def _leave(self, k: int, how: str) -> None:
        """Say how a run ended before the others; of a single run its last lines do."""

    def _end(self, k: int, event: Ended) -> None:
        """Forget a run that has ended; a single one stays to be shown."""

    # Steps: the live line, and how long it will take.

    def _show_steps(self, k: int, event: StepsFinished) -> None:
        self._take(k, event)
        self._foretell(event)
        redraw()

    def _take(self, k: int, event: StepsFinished) -> None:
        """Take in what a window says of a run; the first one begins the live line."""
        self._pace.note(k, len(event.generator_loss), event.steps_per_second, self._runs)
        self._runs[k].step = event.step
        first, self._last = self._last is None, event
        if first:
            self._shown.close()
            self._shown.enter_context(show(lambda columns, _: self._text(columns)))

    def _text(self, columns: int) -> str:
        """Return the live line or, where a log is silent for long, one that says that there is more to come."""
        line = self._line(columns)
        return line if columns < sys.maxsize else f"{line} …"

    def _line(self, columns: int) -> str:
        """Return what is to be said after the last steps."""
        assert self._last is not None
        last, (run,) = self._last, self._runs.values()
        losses = float(last.discriminator_loss.mean()), float(last.generator_loss.mean())
        means = [*losses, float(last.prob_real.mean()), float(last.prob_fake.mean())]
        bar = [] if columns == sys.maxsize else [parts.bar(run.step / run.total_steps)]
        return self._line_of(run, columns, last.epoch, last.steps_per_second, means, bar)

    def _line_of(
        self,
        run: RunState,
        columns: int,
        epoch: float,
        rate: float,
        means: Sequence[float],
        bar: Sequence[Part] = (),
    ) -> str:
        said: list[Part] = [
            parts.epochs_done(epoch, run.epochs),
            parts.time_left(self._left_of(run)),
            parts.losses(*means[:2]),
            parts.probabilities(*means[2:]),
            parts.score(run.score),
            parts.lights(run.lights),
        ]
        # A light's name says more than a third digit.
        return fit(said, columns, longer=(5, 4, 0), extras=[parts.rate(rate), *bar])

    def _left_of(self, run: RunState) -> float:
        """Return how many seconds a run will take from now."""
        return self._pace.left(run.total_steps - run.step, run.total_steps - run.step)

    def _left(self) -> float:
        """Return how many seconds everything will take from now."""
        return sum(map(self._left_of, self._runs.values()))

    def _foretell(self, event: StepsFinished) -> None:
        """Say how long training will take, as soon as enough was measured."""
        measured = self._pace.measured
        slow = len(event.generator_loss) / event.steps_per_second >= 2 * _MEASURE
        left = self._left()
        if self._foretold or not left or (measured < _MEASURE and not slow):
            return
        self._foretold = True
        seconds, what = self._foretelling(left)
        self._logs.say(f"time      about {duration(seconds)} for {what}")

    def _foretelling(self, left: float) -> tuple[float, str]:
        """Return the seconds that something will take as a whole, and what."""
        (run,) = self._runs.values()
        if run.begun == 0:
            return left + self._pace.passed, f"{run.epochs} epochs"
        epochs = (run.total_steps - run.begun) * run.epochs / run.total_steps
        return left, f"the {epochs:.0f} epochs that are left"

    # Epochs: plain lines.

    def _show_epoch(self, k: int, event: EpochFinished) -> None:
        run = self._runs[k]
        run.loss = event.metrics["loss/generator"]
        part = event.epoch * LINES // run.epochs
        if part == run.printed:
            return
        run.printed = part
        rate = event.metrics["speed/steps_per_second"]
        means = [event.metrics.get(name, float("nan")) for name in (*LOSSES, *PROBABILITIES)]
        line = self._line_of(run, sys.maxsize, event.epoch, rate, means)
        self._logs.note(k, line)
        if self._slots == 1 and not is_live(sys.stderr):
            say(line)

    def _show_warnings(self, k: int, event: WarningsChanged) -> None:
        run = self._runs[k]
        run.lights = frozenset(event.on)
        for light in event.new:
            line = f"warning   {in_words(light)}, since epoch {event.epoch}"
            self._logs.note(k, line, logging.WARNING)
            say(line if self._slots == 1 else f"{line}: {run.name}")
