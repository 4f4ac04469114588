"""What a search goes by: the scores that it reads from its runs' folders, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.errors import UserError
from gan_experiments.reports.measure import EQUILIBRIUM, Measure, headline_of, named

_OF_TRAINING = ("loss/discriminator", "loss/generator", "prob/real", "prob/fake", "accuracy/discriminator")
"""What every run has beside its scores."""
_DIRECTIONS = ("minimize", "maximize")
_WHY = "The search went by it."
_METRIC, _DIRECTION = "hydra.sweeper.metric", "hydra.sweeper.direction"


def metrics_of(cfg: DictConfig) -> list[str]:
    """Names of all that a run can be judged by, known before it trains; its own scores first."""
    from gan_experiments.data.load import load_data
    from gan_experiments.evaluation.evaluator import Evaluator
    from gan_experiments.training.device import resolve_device

    evaluate = cast(EvaluateConfig, OmegaConf.to_object(cfg.evaluate))
    scores = Evaluator(evaluate, load_data(cfg.data), resolve_device(cfg.device)).names
    return [*(f"eval/{name}" for name in scores), EQUILIBRIUM, *_OF_TRAINING]


def find_goals(metric: Any, direction: Any, names: Sequence[str]) -> dict[str, Measure]:
    """The measures that a search goes by, by the names of their metrics.

    Args:
        metric: ``hydra.sweeper.metric``: a name, several, or None for the score that the report ranks by.
        direction: ``hydra.sweeper.direction``: one or several, or None for what is better of each metric.
        names: What the runs will have.

    Raises:
        UserError: No run has such a metric, or the directions do not fit.
    """
    if metric is None:
        best = headline_of(names)
        if best is None:
            raise UserError(f"{_METRIC}=null: these runs have no score; name one of {', '.join(names)}")
        metric = best
    metrics = metric if isinstance(metric, list) else [metric]
    if not metrics or not set(metrics) <= set(names):
        raise UserError(f"{_METRIC}={shown(metric)}: no run has it; there are {', '.join(names)}")
    directions = direction if isinstance(direction, list | None) else [direction]
    if directions is None:
        return {name: named(name, _WHY) for name in metrics}
    if len(directions) != len(metrics):
        raise UserError(f"{_DIRECTION}={shown(direction)}: must be one a metric, and there are {len(metrics)}")
    return {name: _directed(name, way, direction) for name, way in zip(metrics, directions, strict=True)}


def _directed(name: str, way: Any, given: Any) -> Measure:
    if way not in _DIRECTIONS:
        raise UserError(f"{_DIRECTION}={shown(given)}: must be {' or '.join(_DIRECTIONS)}, or null")
    usual = named(name, _WHY)
    measure = replace(usual, larger_is_better=way == "maximize")
    if name.startswith("eval/") and measure.larger_is_better != usual.larger_is_better:
        raise UserError(f"{_DIRECTION}={shown(given)}: of {name} {usual.direction}; leave it null")
    return measure


def goals_of(sweep: Mapping[str, Any]) -> dict[str, Measure]:
    """The measures that a sweep went by, as sweep.json has them; none where it was no search."""
    search = sweep.get("search")  # folders that are no sweep's have nothing
    return {} if search is None else find_goals(search["metrics"], search["directions"], search["metrics"])


def directions(goals: Mapping[str, Measure]) -> list[Literal["minimize", "maximize"]]:
    """Which way is better of each, in Optuna's words."""
    return ["maximize" if measure.larger_is_better else "minimize" for measure in goals.values()]


def shown(value: Any) -> str:
    """A value as it is typed."""
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
