"""What a sweep that prunes is asked for: its pruner, its rungs, its places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.hydra_internals import sweeps_a_grid
from gan_experiments.errors import UserError
from gan_experiments.reports.goals import directions, shown
from gan_experiments.reports.ranking_metric import RankingMetric
from gan_experiments.sweeps import plan
from gan_experiments.sweeps.search.asha import Asha
from gan_experiments.sweeps.search.lengths import Lengths
from gan_experiments.sweeps.search.schedule import Policy

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import FrozenTrial

_KEY = "hydra.sweeper.pruner"
_ASHA = f"{Asha.__module__}.{Asha.__qualname__}"
_OPTUNA = "optuna."
_TENTH = 10
_MOST_SLOTS = 64
"""Slots that ``auto`` may have."""


@dataclass(frozen=True)
class Pruning:
    """How a sweep prunes, as sweep.json has it.

    Attributes:
        pruner: Who decides: ``asha``, ``median``, or the name of another of ``optuna.pruners``.
        eta: One of so many goes on; None for pruners without.
        rungs: Epochs after which it is decided.
        epochs: Epochs in all.
        metric: The metric that is compared.
        places: How many settings are at work at once.
    """

    pruner: str
    eta: int | None
    rungs: Sequence[int]
    epochs: int
    metric: str
    places: int


def chosen(config: DictConfig) -> str:
    """Return the pruner as it is typed."""
    key = "sweep.prune" if sweeps_a_grid(config.hydra.sweeper) else _KEY
    return f"{key}={_name(config.hydra.sweeper.pruner)}"


def check(
    config: DictConfig, jobs: Sequence[Sequence[str]], goals: Mapping[str, RankingMetric], has_slots: bool
) -> None:
    """Make sure that a sweep can prune, before anything is written.

    Args:
        config: Hydra's configuration of the sweep.
        jobs: The jobs that are known, or some that show all that may be chosen.
        goals: The metrics by which it is judged.
        has_slots: Whether the launcher lets runs join and leave while others train.

    Raises:
        UserError: One line: the key, the value, what is allowed.
    """
    if not has_slots:
        raise UserError(
            f"{chosen(config)}: needs a launcher with slots, which runs can leave while others train:"
            " hydra/launcher=fused, without through"
        )
    pruning = describe(config, jobs, goals, places=1)
    make_policy(config, pruning, goals, "a check")


def describe(
    config: DictConfig, jobs: Sequence[Sequence[str]], goals: Mapping[str, RankingMetric], places: int
) -> Pruning:
    """Return how a sweep prunes.

    Args:
        config: Hydra's configuration of the sweep.
        jobs: As for ``check``.
        goals: The metrics by which it is judged.
        places: How many settings are at work at once.

    Raises:
        UserError: It cannot prune so.
    """
    settings, typed = config.hydra.sweeper.pruner, chosen(config)
    if len(goals) > 1:
        raise UserError(f"hydra.sweeper.metric={shown([*goals])}: must be one metric with {typed}")
    lengths = Lengths(config)
    epochs = {lengths.of(job).epochs for job in jobs}
    if len(epochs) > 1:
        swept = plan.varied(config).get("train.epochs", ",".join(map(str, sorted(epochs))))
        raise UserError(
            f"train.epochs={swept}: must be one value with {typed}, which compares runs after equal epochs"
        )
    (length,) = epochs
    (metric,) = goals
    eta = settings.eta if settings._target_ == _ASHA else None
    return Pruning(_name(settings), eta, rungs_of(settings, length), length, metric, places)


def places(config: DictConfig, seeds: int) -> int:
    """Return how many settings are at work at once in the launcher's slots.

    Args:
        config: Hydra's configuration of the sweep.
        seeds: Runs of each setting.
    """
    launcher = config.hydra.launcher
    slots = launcher.get("slots", "auto")
    if slots == "auto":
        slots = launcher.get("max_members") or _MOST_SLOTS
    return max(1, int(slots) // seeds)


def make_policy(
    config: DictConfig,
    pruning: Pruning,
    goals: Mapping[str, RankingMetric],
    name: str,
    before: Sequence[FrozenTrial] = (),
) -> Policy:
    """Return what decides at rungs.

    Args:
        config: Hydra's configuration of the sweep.
        pruning: How it prunes.
        goals: The metric that is compared.
        name: Of the sweep.
        before: Trials of other sweeps with which to compare.

    Raises:
        UserError: There is no such pruner, or it does not take its settings.
    """
    (goal,) = goals.values()
    if pruning.eta is not None:
        return Asha(pruning.eta, len(pruning.rungs), goal.larger_is_better)
    pruner = _make(config)
    from gan_experiments.sweeps.search.optuna_pruner import ByOptuna

    return ByOptuna(pruner, pruning.rungs, directions(goals)[0], name, before)


def as_json(pruning: Pruning) -> dict[str, Any]:
    """Return what sweep.json has of it."""
    return asdict(pruning)


def _make(config: DictConfig) -> BasePruner:
    settings = config.hydra.sweeper.pruner
    if find_spec("optuna") is None:
        raise UserError(f"{chosen(config)}: is not installed; pip install 'gan-experiments[optuna]'")
    from optuna.pruners import BasePruner

    from gan_experiments.sweeps.search.sampler import make_part

    own = {key: value for key, value in OmegaConf.to_container(settings, resolve=True).items() if key != "rungs"}  # type: ignore[union-attr]
    return make_part(_KEY, own, BasePruner, "optuna.pruners")


def _name(settings: DictConfig) -> str:
    return settings._target_.rpartition(".")[2].removesuffix("Pruner").lower()


def rungs_of(settings: DictConfig, epochs: int) -> list[int]:
    """Return the epochs after which a pruner decides.

    Args:
        settings: ``hydra.sweeper.pruner``.
        epochs: Epochs of all runs.

    Raises:
        UserError: There can be no such rungs.
    """
    return _rungs_of_asha(settings, epochs) if settings._target_ == _ASHA else _rungs_of_others(settings, epochs)


def _rungs_of_asha(settings: DictConfig, epochs: int) -> list[int]:
    eta, first = settings.eta, settings.min_epochs
    if not _is_whole(eta, 2):
        raise UserError(f"{_KEY}.eta={eta}: must be a whole number, at least 2")
    if first is None:
        first = math.ceil(epochs / eta**3)
    elif not _is_whole(first, 1):
        raise UserError(f"{_KEY}.min_epochs={first}: must be a whole number, at least 1, or null")
    if first >= epochs:
        raise UserError(f"{_KEY}.min_epochs={first}: must be below train.epochs={epochs}")
    rungs = [first]
    while rungs[-1] * eta < epochs:
        rungs.append(rungs[-1] * eta)
    return rungs


def _rungs_of_others(settings: DictConfig, epochs: int) -> list[int]:
    given = settings.get("rungs")
    if given is None:
        tenth = max(1, epochs // _TENTH)
        found = list(range(tenth, epochs, tenth))
        if not found:
            raise UserError(
                f"train.epochs={epochs}: must be at least 2 with a pruner, which needs a rung before the end"
            )
        return found
    rungs = OmegaConf.to_container(given) if OmegaConf.is_list(given) else [given]
    assert isinstance(rungs, list)
    fits = rungs and all(_is_whole(rung, 1) and rung < epochs for rung in rungs)
    if not fits or rungs != sorted(set(rungs)):
        raise UserError(
            f"{_KEY}.rungs={shown(rungs)}: must be epochs in ascending order, below train.epochs={epochs}, or null"
        )
    return rungs


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
