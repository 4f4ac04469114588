"""Composing a configuration outside of the run command."""

from __future__ import annotations

from collections.abc import Iterable

from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration import store
from gan_experiments.configuration.hydra_internals import compose_run, own_globals
from gan_experiments.configuration.store import CONFIG_DIR


def compose(overrides: Iterable[str] = (), with_hydra: bool = False) -> DictConfig:
    """Compose the configuration of a run; it is not validated yet.

    Args:
        overrides: As on the command line.
        with_hydra: Whether to include Hydra's own part, ``hydra``.
    """
    with own_globals():
        store.register()
        config = compose_run("config", list(overrides), CONFIG_DIR, None)
        return config if with_hydra else without_hydra(config)


def without_hydra(config: DictConfig) -> DictConfig:
    """Return the part of a configuration that a run sees."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
