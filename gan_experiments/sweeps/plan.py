"""What runs a sweep will have, known before Hydra launches the first."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from gan_experiments.configuration import key_names
from gan_experiments.configuration.store import TARGET
from gan_experiments.errors import UserError

if TYPE_CHECKING:
    from gan_experiments.sweeps.search.space import Space


def is_search(config: DictConfig) -> bool:
    """Whether the sweeper chooses values as it goes, so that nobody knows its jobs beforehand."""
    return not config.hydra.sweeper._target_.endswith(f".{BasicSweeper.__name__}")


def varied(config: DictConfig) -> dict[str, str]:
    """Key and values, as they were written, of everything that the sweep varies."""
    found: dict[str, str] = {}
    for override in _overrides(config):
        key = override.get_key_element().lstrip("+")
        found.pop(key, None)  # the last of several settles it
        if override.is_sweep_override() and override.input_line is not None:
            found[key] = override.input_line.partition("=")[2]
    return found


def jobs(config: DictConfig) -> list[list[str]]:
    """The overrides of each job, in the order of their numbers.

    Of a search with Optuna, those of runs that show every value which must be right; of any other search, the one
    list that its jobs share.

    Raises:
        UserError: A sweep or a search cannot vary something in the way that is asked for.
    """
    if is_own_search(config):
        return space(config).probes()
    overrides = _overrides(config)
    if is_search(config):
        overrides = [override for override in overrides if not override.is_sweep_override()]
    for override in overrides:
        if override.is_interval_sweep():
            line = f"{override.get_key_element()}={override.get_value_string()}"
            raise UserError(f"{line}: an interval has no end of values; hydra/sweeper=optuna searches it")
    (found,) = BasicSweeper.split_arguments(overrides, None)
    return found


def is_own_search(config: DictConfig) -> bool:
    """Whether the sweeper is this project's ``optuna``."""
    return config.hydra.sweeper._target_ == TARGET


def space(config: DictConfig) -> Space:
    """What a search with Optuna may choose.

    Raises:
        UserError: Nothing, or something in a way that it cannot take, or Optuna is not installed.
    """
    if find_spec("optuna") is None:
        raise UserError("hydra/sweeper=optuna: is not installed; pip install 'gan-experiments[optuna]'")
    from gan_experiments.sweeps.search.space import find_space

    return find_space(_overrides(config))


def compose(config: DictConfig, jobs: Sequence[Sequence[str]]) -> Iterator[DictConfig]:
    """The configurations of jobs, without their ``hydra`` part, as Hydra's own launcher will compose them.

    Args:
        config: The sweep's own, which Hydra gives to ``on_multirun_start``.
        jobs: Overrides of each.
    """
    loader = GlobalHydra.instance().config_loader()
    composed: dict[tuple[str, ...], DictConfig] = {}
    for number, job in enumerate(jobs):
        # Composing takes some 0.1 s; runs that choose the same options differ in values alone.
        options = tuple(line for line in job if key_names.is_option(line))
        if options not in composed:
            composed[options] = loader.load_sweep_config(config, list(options))
        run = copy.deepcopy(composed[options])
        with open_dict(run.hydra):
            run.hydra.job.num, run.hydra.job.id = number, str(number)
        ConfigLoaderImpl._apply_overrides_to_config(_parsed([line for line in job if line not in options]), run)
        HydraConfig.instance().set_config(run)
        yield without_hydra(run)


def without_hydra(config: DictConfig) -> DictConfig:
    """The part of a configuration that a run sees."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _overrides(config: DictConfig) -> list[Override]:
    """The sweeper's own parameters first, so that what was typed wins."""
    params, given = _plain(config.hydra.sweeper).get("params"), _plain(config.hydra.overrides.task)
    return _parsed([*(f"{key}={value}" for key, value in (params or {}).items()), *given])


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=False)


def _parsed(overrides: list[str]) -> list[Override]:
    return OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(overrides)
