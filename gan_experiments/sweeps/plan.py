"""The runs that a sweep will have, known before Hydra launches the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser import types
from omegaconf import DictConfig, OmegaConf, open_dict

from gan_experiments.configuration.hydra_internals import show, sweeps_a_grid, to_jobs
from gan_experiments.configuration.override import listed, parse
from gan_experiments.errors import UserError


def is_search(config: DictConfig) -> bool:
    """Return whether the sweeper chooses values as it goes, so that its jobs are not known in advance."""
    return not sweeps_a_grid(config.hydra.sweeper)


def varied(config: DictConfig) -> dict[str, str]:
    """Return key and values, as typed, of everything that the sweep varies."""
    found: dict[str, str] = {}
    for override in overrides(config):
        key = override.get_key_element().lstrip("+")
        found.pop(key, None)  # the last of several settles it
        if override.is_sweep_override() and override.input_line is not None:
            found[key] = override.input_line.partition("=")[2]
    return found


def jobs(config: DictConfig) -> list[list[str]]:
    """Return the overrides of each job, in order of number; for a search, the one list that all jobs share.

    Raises:
        UserError: The sweep cannot vary something in the way that is asked for.
    """
    given = overrides(config)
    if is_search(config):
        given = [override for override in given if not override.is_sweep_override()]
    for override in given:
        if override.is_interval_sweep():
            raise UserError(f"{_typed(override)}: an interval has no end of values; hydra/sweeper=optuna searches it")
    found = to_jobs(given)
    if not found:
        empty = next(override for override in given if not to_jobs([override]))
        raise UserError(f"{_typed(empty)}: has no values; a sweep needs one at least")
    return found


def _typed(override: types.Override) -> str:
    return f"{override.get_key_element()}={override.get_value_string()}"


def compose(config: DictConfig, jobs: Sequence[Sequence[str]]) -> Iterator[DictConfig]:
    """Yield the configurations of jobs, Hydra's part included, as Hydra's own launcher will compose them.

    Args:
        config: The sweep's own, which Hydra gives to ``on_multirun_start``.
        jobs: Overrides of each.
    """
    loader = GlobalHydra.instance().config_loader()
    for number, job in enumerate(jobs):
        run = loader.load_sweep_config(config, list(job))
        with open_dict(run.hydra):
            run.hydra.job.num, run.hydra.job.id = number, str(number)
        show(run)
        yield run


def overrides(config: DictConfig) -> list[types.Override]:
    """Return all overrides of a sweep: the sweeper's own parameters first, so that what was typed wins."""
    sweeper: dict[str, Any] = OmegaConf.to_container(config.hydra.sweeper, resolve=False)  # type: ignore[assignment]
    params = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    return parse([*params, *listed(config.hydra.overrides.task)], GlobalHydra.instance().config_loader())
