"""Judges runs while they train: scores them every few epochs, and watches for signs of trouble."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.evaluation.metric import headline, larger_is_better
from gan_experiments.evaluation.protocol import SCORES
from gan_experiments.evaluation.warning_light import WarningLights
from gan_experiments.runs.run import Run
from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.naming import in_words
from gan_experiments.tracking.run_events import (
    Ended,
    Headline,
    Joined,
    Publish,
    RunEvent,
    Scored,
    StoppedEarly,
    WarningsChanged,
)
from gan_experiments.tracking.terminal import busy
from gan_experiments.training.events import EpochFinished
from gan_experiments.training.trainer import Trainer


class RunMonitor:
    """Scores the generators of runs, switches their warning lights, and stops those that are hopeless or good enough.

    Scores and lights are functions of the run alone, so that a run that was killed and resumed has the same.

    Args:
        runs: The runs that train now, by number.
        trainer: Trains them.
        evaluator: Scores generators; all runs learn the same data.
        publish: Called with each event that the monitor adds: scores, warnings, early stops.
        history: Returns a run's metrics of epochs, and scores, up to the step that it continues from.
        reached: Told of each run that is at a rung and goes on if it may.
    """

    def __init__(
        self,
        runs: Mapping[int, Run],
        trainer: Trainer,
        evaluator: Evaluator,
        publish: Publish,
        history: Callable[[int], Sequence[Line]],
        reached: Callable[[int, int], None],
    ) -> None:
        self._runs, self._trainer, self._evaluator = runs, trainer, evaluator
        self._publish, self._history, self._reached = publish, history, reached
        self._lights: dict[int, WarningLights] = {}

    def on(self, k: int, event: RunEvent) -> None:
        """Judge a finished epoch of run ``k``. The trainer reports the epoch's checkpoint after this returns."""
        match event:
            case Joined():
                self._recall(k, event)
            case EpochFinished():
                self._judge(k, event)
            case Ended():
                del self._lights[k]

    def _recall(self, k: int, event: Joined) -> None:
        """Restore the lights of a run that goes on from its checkpoint."""
        member = self._runs[k].member
        # A user's own objective need not declare it.
        has_origin = getattr(member.objective, "logits_have_origin", True)
        lights = self._lights[k] = WarningLights(has_origin, member.train.ema)
        epoch = 0
        for line in self._history(k):
            if line["key"] == "epoch":
                lights.epoch(line["step"], line["values"])
                epoch = int(line["epoch"])
            else:
                lights.scores(line["step"], line["values"], self._evaluator.modes)
        if lights.on:
            self._publish(k, WarningsChanged(event.step, epoch, [], frozenset(lights.on)))

    def _judge(self, k: int, event: EpochFinished) -> None:
        lights, run = self._lights[k], self._runs[k]
        before = set(lights.on)
        new = lights.epoch(event.step, event.metrics)
        last = self._trainer.slot(k).is_complete
        every, at_rung = run.cfg.evaluate.every, event.epoch in run.member.rungs
        enough: str | None = None
        due = last or at_rung or self._hopeless(k) is not None or (every is not None and event.epoch % every == 0)
        if due and self._evaluator.metrics:
            scored = self._score(k, event)
            self._publish(k, scored)
            new += lights.scores(event.step, scored.metrics, self._evaluator.modes)
            enough = self._enough(k, scored)
        if lights.on != before:
            self._publish(k, WarningsChanged(event.step, event.epoch, new, frozenset(lights.on)))
        light = self._hopeless(k)
        reason = in_words(light) if light is not None else enough
        if reason is not None and not last:
            self._trainer.end(k)
            self._publish(k, StoppedEarly(event.step, event.epoch, f"early stop after epoch {event.epoch}: {reason}"))
        elif at_rung and not last:
            self._reached(k, event.epoch)

    def _enough(self, k: int, scored: Scored) -> str | None:
        """Return the scores of ``train.stop_at`` with their values, if run ``k`` has reached them all, or None."""
        reached = []
        for name, goal in self._runs[k].cfg.train.stop_at.items():
            value = scored.metrics.get(f"{SCORES}{name}", math.nan)
            if not (value >= goal if larger_is_better(name) else value <= goal):
                return None
            reached.append(f"{in_words(name)} {value:.4g}")
        return f"reached {', '.join(reached)}" if reached else None

    def _score(self, k: int, event: EpochFinished) -> Scored:
        with busy("scoring the generator" if len(self._runs) == 1 else f"scoring {self._runs[k].name}"):
            scores = self._evaluator.score(self._trainer.generator(k), self._runs[k].member.networks.latent_dim)
        best = headline(scores.values)
        real = scores.floors.get(best) if best is not None else None
        return Scored(
            event.step,
            event.epoch,
            metrics=scores.metrics(),
            tags=scores.tags(),
            details=scores.as_dict(),
            neighbours=scores.neighbours,
            headline=None
            if best is None
            else Headline(best, scores.values[best].value, larger_is_better(best), real.value if real else None),
        )

    def _hopeless(self, k: int) -> str | None:
        """Return a light for which run ``k`` should end now, or None."""
        return min(self._lights[k].on.intersection(self._runs[k].cfg.train.early_stop), default=None)
