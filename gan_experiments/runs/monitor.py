"""Judges a run while it trains: scores every few epochs, and warning lights."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from torch import nn

from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.evaluation.metrics.ranking import headline
from gan_experiments.evaluation.warning_light import WarningLights
from gan_experiments.training.events import EpochFinished

if TYPE_CHECKING:
    from gan_experiments.evaluation.evaluator import Evaluator
    from gan_experiments.tracking.recorder import Recorder


class Watch:
    """Scores one run's generator and switches its warning lights.

    Both are functions of the run alone, so that a run that was killed and resumed has the same.

    Args:
        evaluate: When to score.
        evaluator: Scores; several runs on the same data may share it.
        recorder: Where scores and lights are recorded; it is open.
        show: Shows the person the lights that are new, and all that are on.
        show_score: Shows the most telling score, by name.
        early_stop: Lights that end the run.
        logits_have_origin: As the objective declares it.
        latent_dim: Dimension of the generator's z.
        total_steps: Steps of the whole run.
    """

    def __init__(
        self,
        evaluate: EvaluateConfig,
        evaluator: Evaluator,
        recorder: Recorder,
        show: Callable[[Collection[str], Collection[str]], None],
        show_score: Callable[[str, float], None],
        *,
        early_stop: Collection[str],
        logits_have_origin: bool,
        latent_dim: int,
        total_steps: int,
    ) -> None:
        self._every, self._evaluator, self._recorder, self._show = evaluate.every, evaluator, recorder, show
        self._show_score = show_score
        self._early_stop, self._latent_dim, self._total_steps = early_stop, latent_dim, total_steps
        self._lights = WarningLights(logits_have_origin)
        for line in recorder.history():
            if line["key"] == "epoch":
                self._lights.epoch(line["step"], line["values"])
            else:
                self._lights.scores(line["step"], line["values"], evaluator.modes)
        show([], self._lights.on)

    def epoch(self, event: EpochFinished, generator: Callable[[], nn.Module]) -> str | None:
        """Look at a finished epoch; call this before the epoch's checkpoint.

        Args:
            event: What was measured.
            generator: Gives the generator as it is now; asked only where it is scored, for a stack has to copy it.

        Returns:
            The light for which the run should end now, or None.
        """
        new = self._lights.epoch(event.step, event.metrics)
        last = event.step == self._total_steps or self._hopeless is not None
        if self._evaluator.metrics and (last or (self._every is not None and event.epoch % self._every == 0)):
            scores = self._evaluator.score(generator(), self._latent_dim)
            self._recorder.score(
                event.step,
                event.epoch,
                metrics=scores.metrics(),
                tags=scores.tags(),
                details=scores.as_dict(),
                neighbours=scores.neighbours,
            )
            best = headline(scores.values)
            if best is not None:
                self._show_score(best, scores.values[best].value)
            new += self._lights.scores(event.step, scores.metrics(), self._evaluator.modes)
        self._recorder.warn(event.step, event.epoch, new)
        self._show(new, self._lights.on)
        return self._hopeless

    @property
    def _hopeless(self) -> str | None:
        return min(self._lights.on.intersection(self._early_stop), default=None)
