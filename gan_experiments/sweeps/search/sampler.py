"""Optuna's sampler, which chooses the trials, as ``hydra.sweeper.sampler`` describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import optuna
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from gan_experiments.errors import UserError

T = TypeVar("T")

_KEY = "hydra.sweeper.sampler"


def make_sampler(settings: DictConfig, number: int) -> BaseSampler:
    """Make the sampler that draws a trial.

    Its seed only depends on the search's seed and the trial's number, so that a resumed search asks what it would
    have asked, instead of repeating its first questions.

    Args:
        settings: ``hydra.sweeper.sampler``.
        number: Number of trials that the study has had so far.

    Raises:
        UserError: There is no such sampler, or it does not take these settings.
    """
    seed = settings.get("seed")
    if seed is not None and not (isinstance(seed, int) and seed >= 0):
        raise UserError(f"{_KEY}.seed={seed}: must be a whole number, at least 0, or null")
    own = {} if seed is None else {"seed": int(np.random.SeedSequence((seed, number)).generate_state(1)[0])}
    return make_part(_KEY, settings, BaseSampler, "optuna.samplers", **own)


def make_part(key: str, settings: Mapping[Any, Any] | DictConfig, kind: type[T], where: str, **own: Any) -> T:
    """Make a part of Optuna.

    Args:
        key: Its settings' key, for errors.
        settings: Its ``_target_`` and arguments.
        kind: The class that it must be of.
        where: The module that has such parts, for errors.
        own: Further arguments.

    Raises:
        UserError: There is no such part, or it does not take these settings.
    """
    given = f"{key}._target_={settings.get('_target_')}"
    try:
        part = instantiate(settings, **own)
    except InstantiationException as error:
        why = f"{error.__cause__ or error}".splitlines()[0]
        raise UserError(f"{given}: cannot be made ({why})") from error
    if not isinstance(part, kind):
        raise UserError(f"{given}: must be one of {where}")
    return part


def check_sampler(
    settings: DictConfig, space: dict[str, BaseDistribution], directions: Sequence[Literal["minimize", "maximize"]]
) -> None:
    """Make sure that a sampler can search a space, by asking it for a trial that is not run.

    Raises:
        UserError: It cannot.
    """
    study = optuna.create_study(directions=directions, sampler=make_sampler(settings, 0))
    try:
        study.ask(space)
    except (ValueError, RuntimeError, ImportError) as error:
        why = f"{error}".splitlines()[0]
        raise UserError(f"{_KEY}._target_={settings._target_}: cannot search this ({why})") from error
