"""The goals of a search: metrics that it reads from its runs' folders, and the better direction of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.errors import UserError
from gan_experiments.evaluation.protocol import SCORES
from gan_experiments.reports.ranking_metric import EQUILIBRIUM, RankingMetric, headline_of, ranking_metric

_DIRECTIONS = ("minimize", "maximize")
_WHY = "The goal of the search."
_METRIC, _DIRECTION = "hydra.sweeper.metric", "hydra.sweeper.direction"


def metrics_of(cfg: DictConfig) -> list[str]:
    """Return the names of all metrics that a run can be judged by, before it trains; its scores first."""
    from gan_experiments.configuration.instantiate import takes_labels
    from gan_experiments.data.load import load_data
    from gan_experiments.evaluation.evaluator import Evaluator
    from gan_experiments.training.device import resolve_device
    from gan_experiments.training.events import LOSSES, PROBABILITIES

    evaluate = cast(EvaluateConfig, OmegaConf.to_object(cfg.evaluate))
    dataset = load_data(cfg.data)
    conditional = takes_labels(cfg.model, dataset.classes)
    scores = Evaluator(evaluate, dataset, resolve_device(cfg.device), conditional).names
    return [*(f"{SCORES}{name}" for name in scores), EQUILIBRIUM, *LOSSES, *PROBABILITIES, "accuracy/discriminator"]


def find_goals(metric: Any, direction: Any, names: Sequence[str]) -> dict[str, RankingMetric]:
    """Return the goals of a search, by name.

    Args:
        metric: ``hydra.sweeper.metric``: a name, several, or None for the score that the report ranks by.
        direction: ``hydra.sweeper.direction``: one or several, or None for the better direction of each metric.
        names: Metrics that the runs will have.

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
        return {name: ranking_metric(name, _WHY) for name in metrics}
    if len(directions) != len(metrics):
        raise UserError(f"{_DIRECTION}={shown(direction)}: must be one per metric, and there are {len(metrics)}")
    return {name: _directed(name, way, direction) for name, way in zip(metrics, directions, strict=True)}


def _directed(name: str, way: Any, given: Any) -> RankingMetric:
    if way not in _DIRECTIONS:
        raise UserError(f"{_DIRECTION}={shown(given)}: must be {' or '.join(_DIRECTIONS)}, or null")
    usual = ranking_metric(name, _WHY)
    goal = replace(usual, larger_is_better=way == "maximize")
    if name.startswith(SCORES) and goal.larger_is_better != usual.larger_is_better:
        raise UserError(f"{_DIRECTION}={shown(given)}: of {name} {usual.direction}; leave it null")
    return goal


def goals_of(sweep: Mapping[str, Any]) -> dict[str, RankingMetric]:
    """Read the goals of a sweep from the content of its sweep.json; none unless it was a search."""
    search = sweep.get("search")
    return {} if search is None else find_goals(search["metrics"], search["directions"], search["metrics"])


def directions(goals: Mapping[str, RankingMetric]) -> list[Literal["minimize", "maximize"]]:
    """Return the better direction of each goal, in Optuna's words."""
    return ["maximize" if goal.larger_is_better else "minimize" for goal in goals.values()]


def shown(value: Any) -> str:
    """Return a value as it is typed."""
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
