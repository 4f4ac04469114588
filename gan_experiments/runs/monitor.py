"""Judges runs while they train: scores them every few epochs, and watches for signs of trouble."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.evaluation.metric import headline, larger_is_better
from gan_experiments.evaluation.protocol import SCORES
from gan_experiments.evaluation.warning_light import WarningLights
from gan_experiments.runs.run import Run
from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.naming import in_words
from gan_experiments.tracking.run_events import Headline, Publish, RunEvent, Scored, StoppedEarly, WarningsChanged
from gan_experiments.tracking.terminal import busy
from gan_experiments.training.events import EpochFinished
from gan_experiments.training.trainer import Trainer


class RunMonitor:
    """Scores the generators of runs, switches their warning lights, and stops those that are hopeless or good enough.

    Scores and lights are functions of the run alone, so that a run that was killed and resumed has the same.

    Args:
        runs: The runs.
        trainer: Trains them.
        evaluator: Scores generators; all runs learn the same data.
        publish: Called with each event that the monitor adds: scores, warnings, early stops.
    """

    def __init__(self, runs: Sequence[Run], trainer: Trainer, evaluator: Evaluator, publish: Publish) -> None:
        self._runs, self._trainer, self._evaluator, self._publish = runs, trainer, evaluator, publish
        # A user's own objective need not declare it.
        self._lights = [
            WarningLights(getattr(run.member.objective, "logits_have_origin", True), run.member.train.ema)
            for run in runs
        ]

    def recall(self, k: int, history: Sequence[Line]) -> None:
        """Restore the lights of a resumed run from its journal.

        Args:
            k: Number of the run.
            history: The journal's metrics of epochs, and scores, up to the checkpoint.
        """
        lights = self._lights[k]
        for line in history:
            if line["key"] == "epoch":
                lights.epoch(line["step"], line["values"])
            else:
                lights.scores(line["step"], line["values"], self._evaluator.modes)
        if lights.on:
            self._publish(k, WarningsChanged(self._trainer.step, self._trainer.epoch, [], frozenset(lights.on)))

    def on(self, k: int, event: RunEvent) -> None:
        """Judge a finished epoch of run ``k``. The trainer reports the epoch's checkpoint after this returns."""
        if not isinstance(event, EpochFinished):
            return
        lights = self._lights[k]
        before = set(lights.on)
        new = lights.epoch(event.step, event.metrics)
        last = event.step == self._trainer.length.total_steps
        every = self._runs[k].cfg.evaluate.every
        enough: str | None = None
        due = last or self._hopeless(k) is not None or (every is not None and event.epoch % every == 0)
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
