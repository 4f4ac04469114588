"""Shows how far runs that train together are: all as one, or one by itself."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable

from gan_experiments.tracking import progress_parts as parts
from gan_experiments.tracking.journal import PAUSED
from gan_experiments.tracking.line_parts import Part, fit
from gan_experiments.tracking.run_events import Ended, Headline, Joined, Tally
from gan_experiments.tracking.run_progress import LINES, Progress, RunState
from gan_experiments.tracking.terminal import is_live, redraw, say, width
from gan_experiments.training.events import StepsFinished

_FRESH = 0.5
"""Seconds for which the runs that wait need not be counted again."""

_Score = tuple[Headline, str]
"""A score, and the name of the run whose it is."""


def progress_of(slots: int, tally: Callable[[], Tally] | None = None) -> Progress:
    """Return the progress display of one run, or of the runs that pass through the slots of a stack.

    Args:
        slots: How many runs can train together.
        tally: Counts the runs that wait, have ended, and were pruned; None where no run waits.
    """
    return Progress() if slots == 1 else StackProgress(slots, tally)


class StackProgress(Progress):
    """Shows the runs of a stack as one: slots in use, runs that wait and are done, the best so far, the time left.

    The best run is the one with the best score or, before there are scores, the one with the lowest loss of G. Each
    run's log has the lines that it would have alone.
    """

    def __init__(self, slots: int, tally: Callable[[], Tally] | None = None) -> None:
        super().__init__(slots)
        self._count = tally or self._counted_here
        self._done = self._pruned = self._joined = self._joined_steps = 0
        self._tally, self._counted = Tally(), -math.inf
        self._best: _Score | None = None
        self._lowest: tuple[float, str] | None = None
        self._printed = 0
        self._leader: int | None = None

    def close(self) -> None:
        """Leave a last line."""
        self._shown.close()
        if self._last is not None:
            self._recount()
            say(self._line(width(sys.stderr) if is_live(sys.stderr) else sys.maxsize))

    # Runs that come and go.

    def _join(self, k: int, event: Joined) -> None:
        self._begin(k, event)
        self._joined, self._joined_steps = self._joined + 1, self._joined_steps + event.description.total_steps
        self._recount()

    def _leave(self, k: int, how: str) -> None:
        run = self._runs[k]
        if not run.leaves:  # it has been told of already if it diverged in its last checkpoint
            run.leaves = True
            others = sum(not each.leaves for each in self._runs.values())
            say(f"{run.name} {how}; {others} still training")

    def _end(self, k: int, event: Ended) -> None:
        run = self._runs.pop(k)
        if event.status != PAUSED:
            self._done += 1
            self._pruned += event.pruned is not None
        if event.status != "FAILED":
            self._best, self._lowest = self._best_with([run]), self._lowest_with([run])
        self._recount()

    def _counted_here(self) -> Tally:
        return Tally(done=self._done, pruned=self._pruned)

    def _recount(self) -> None:
        self._tally, self._counted = self._count(), time.monotonic()

    def _best_with(self, runs: Iterable[RunState]) -> _Score | None:
        """Return the best score of those that have left and of some runs; of other names than the first, none."""
        best = self._best
        for run in runs:
            new = run.score is not None and (best is None or run.score.name == best[0].name)
            if new and run.score is not None and (best is None or run.score.better_than(best[0].value)):
                best = run.score, run.name
        return best

    def _lowest_with(self, runs: Iterable[RunState]) -> tuple[float, str] | None:
        """Return the lowest loss of G, of those that have left and of some runs."""
        found = [(run.loss, run.name) for run in runs if run.loss is not None and not math.isnan(run.loss)]
        return min([*found, *([self._lowest] if self._lowest else [])], default=None)

    # Steps.

    def _show_steps(self, k: int, event: StepsFinished) -> None:
        if self._leader not in self._runs:
            self._leader = k
        if k == self._leader and self._last is not None:
            self._look(event)
        self._take(k, event)

    def _look(self, event: StepsFinished) -> None:
        """Show all runs once a window: before the leader's, when all have told of the one before."""
        if time.monotonic() - self._counted > _FRESH:
            self._recount()
        self._foretell(event)
        part = int(self._share() * LINES)
        if part > self._printed:
            self._printed = part
            if not is_live(sys.stderr):
                say(self._line(sys.maxsize))
        redraw()

    def _line(self, columns: int) -> str:
        """Return what is to be said of all runs; the live line is drawn by a thread of its own."""
        runs, tally, left = [*self._runs.values()], self._tally, self._left()
        best, lowest = self._best_with(runs), self._lowest_with(runs)
        said: list[Part] = [
            parts.slots(len(runs), self._slots),
            parts.count(tally.waiting, "waiting"),
            parts.count(tally.done, "done"),
            parts.count(tally.pruned, "pruned"),
            parts.time_left(left) if left else [],
            parts.best_score(*best) if best else parts.lowest_loss(*lowest) if lowest else [],
            parts.warned(sum(bool(run.lights) for run in runs)),
        ]
        extras = [parts.rate(self._pace.rate, len(runs))] if runs else []
        bar = [] if columns == sys.maxsize else [parts.bar(self._share())]
        return fit(said, columns, longer=(5,), extras=[*extras, *bar])

    def _steps_left(self) -> float:
        tally = self._tally
        # Where nobody knows how long those that wait are, they are taken to be as long as those that came.
        waiting = tally.steps or tally.waiting * self._joined_steps / max(self._joined, 1)
        return sum(run.steps_left for run in [*self._runs.values()]) + waiting

    def _share(self) -> float:
        """Return how much is done of all steps that this process has to do, as far as they are known."""
        whole = self._pace.done + self._steps_left()
        return self._pace.done / whole if whole else 1.0

    def _left(self) -> float:
        longest = max((run.steps_left for run in [*self._runs.values()]), default=0)
        return self._pace.left(self._steps_left(), longest)

    def _foretelling(self, left: float) -> tuple[float, str]:
        runs = len(self._runs) + self._tally.waiting
        return left + self._pace.passed, f"{runs} runs"
