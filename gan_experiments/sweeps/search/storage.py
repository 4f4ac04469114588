"""The study of a search: Optuna keeps it in a database, from which a search is resumed."""

from __future__ import annotations

from collections.abc import Mapping

import optuna
import sqlalchemy
from omegaconf import DictConfig
from optuna.distributions import BaseDistribution, check_distribution_compatibility

from gan_experiments.errors import UserError
from gan_experiments.reports.goals import directions
from gan_experiments.reports.ranking_metric import RankingMetric
from gan_experiments.tracking.mlflow.uri import check_database, database_uri
from gan_experiments.tracking.sweep_directory import SweepDirectory

_FILE = "optuna.db"
_STORAGE, _NAME = "hydra.sweeper.storage", "hydra.sweeper.study_name"
_METRICS = "metrics"
"""Name of an attribute of the study: the metrics it is judged by."""


def check_study(
    settings: DictConfig,
    directory: SweepDirectory,
    space: Mapping[str, BaseDistribution],
    goals: Mapping[str, RankingMetric],
) -> None:
    """Make sure that a study can be made, or that the existing one belongs to the same search.

    Args:
        settings: ``hydra.sweeper``.
        directory: The sweep's folder, which need not exist.
        space: What is searched.
        goals: The measures that it is judged by.

    Raises:
        UserError: It cannot, or it does not.
    """
    study = _find(settings, directory)
    if study is None:
        if directory.sweep.is_file() and "study" in (directory.content().get("search") or {}):
            raise UserError(f"{_STORAGE}={settings.storage}: the study of {directory.path} is not there any more")
        return
    given = f"{_NAME}={study.study_name}"
    metrics = study.user_attrs.get(_METRICS)
    # A study without metrics was made by another program, or a process was killed right after making it.
    alike = metrics in (None, list(goals))
    if not alike or [way.name.lower() for way in study.directions] != directions(goals):
        raise UserError(f"{given}: there is a study of this name, and it goes by {metrics}; take another name")
    for trial in study.get_trials(deepcopy=False)[-1:]:
        for key in space.keys() & trial.distributions.keys():
            try:
                check_distribution_compatibility(trial.distributions[key], space[key])
            except ValueError as error:
                raise UserError(
                    f"{given}: there is a study of this name, and of {key} it has {trial.distributions[key]};"
                    " take another name"
                ) from error


def open_study(settings: DictConfig, directory: SweepDirectory, goals: Mapping[str, RankingMetric]) -> optuna.Study:
    """Return the search's study; make it if there is none.

    Args:
        settings: ``hydra.sweeper``.
        directory: The sweep's folder.
        goals: The measures that it is judged by.
    """
    study = optuna.create_study(
        storage=_url(settings, directory),
        study_name=_name(settings, directory),
        directions=directions(goals),
        load_if_exists=True,
    )
    study.set_user_attr(_METRICS, list(goals))
    return study


def _find(settings: DictConfig, directory: SweepDirectory) -> optuna.Study | None:
    url, name = _url(settings, directory), _name(settings, directory)
    file = sqlalchemy.make_url(url).database if url.startswith("sqlite:") else None
    if name is None or (file is not None and not directory.path.joinpath(file).is_file()):
        return None
    try:
        return optuna.load_study(study_name=name, storage=url)
    except KeyError:
        return None


def _url(settings: DictConfig, directory: SweepDirectory) -> str:
    if settings.storage is not None:
        return check_database(settings.storage, _STORAGE)
    return database_uri(directory.path / _FILE)


def _name(settings: DictConfig, directory: SweepDirectory) -> str | None:
    """Return the study's name: the given one, or the sweep's; None if the sweep has no name yet."""
    if settings.study_name is not None:
        return settings.study_name
    return directory.content()["name"] if directory.sweep.is_file() else None
