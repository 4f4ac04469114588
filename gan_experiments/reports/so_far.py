"""How far a sweep at work is, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from gan_experiments.evaluation.protocol import SCORES
from gan_experiments.reports.at_work import AtWork, Standings
from gan_experiments.reports.comparison import Comparison
from gan_experiments.reports.slot_use import share
from gan_experiments.tracking.naming import duration

_BEST = 5
"""Settings that are listed; the page has all."""
_COLUMNS = 80


def lines(comparison: Comparison, work: AtWork) -> Iterator[str]:
    """Yield what is done, what runs and what waits, how long it will take, and which settings lead."""
    for label, text in _facts(comparison, work):
        line = f"{label:<9} {text}"
        yield line if len(line) <= _COLUMNS else f"{line[: _COLUMNS - 1]}…"


def _facts(comparison: Comparison, work: AtWork) -> Iterator[tuple[str, str]]:
    yield "sweep", comparison.title
    yield "as of", f"{work.clock}, {duration(work.time - work.started)} after it began"
    yield "runs", work.runs_in_words
    yield "steps", work.steps_in_words
    if work.runs:
        epochs = [f"{run.epochs:.3g}" for run in sorted(work.runs, key=lambda run: run.epochs)]
        span = epochs[0] if epochs[0] == epochs[-1] else f"{epochs[0]} to {epochs[-1]}"
        totals = {run.params.get("train.epochs", "?") for run in work.runs}
        yield "running", f"at epoch {span}" + (f" of {totals.pop()}" if len(totals) == 1 else "")
    if comparison.slots is not None:
        used = share(comparison.slots["slot_steps_used_in_all"], comparison.slots["slot_steps_in_all"])
        yield "slots", f"{comparison.slots['slots']}, for {comparison.slots['runs']} runs; {used} of their steps used"
    if comparison.pruning is not None:
        rungs = ", ".join(f"{rung.arrived} at epoch {rung.epoch}" for rung in comparison.pruning.rungs)
        yield "pruned", f"{len(comparison.pruning.pruned)} runs; settings at the rungs: {rungs}"
    if comparison.unfinished:
        yield "failed", f"{len(comparison.unfinished)} runs; the first: {comparison.unfinished[0].outcome.reason}"
    if work.standings is not None:
        yield from _best(work.standings)


def _best(standings: Standings) -> Iterator[tuple[str, str]]:
    name = standings.metric.removeprefix(SCORES)
    yield "so far", f"the best by {name} after epoch {standings.epoch:g} ({standings.runs} runs):"
    for stand in standings.stands[:_BEST]:
        yield "", f"{stand.mean:<10.4g} {stand.label} ({stand.seeds} {'seed' if stand.seeds == 1 else 'seeds'})"
