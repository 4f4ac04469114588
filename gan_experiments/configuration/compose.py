"""Composing a configuration outside of the run command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

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
    with composing(list(overrides)) as config:
        return config if with_hydra else without_hydra(config)


@contextmanager
def composing(overrides: Sequence[str], config_dir: Path | None = None) -> Iterator[DictConfig]:
    """Compose the configuration of a run, Hydra's own part included, for use within: there it can be resolved.

    Args:
        overrides: As on the command line.
        config_dir: The folder that ``--config-dir`` names, absolute.
    """
    with own_globals():
        store.register()
        yield compose_run(overrides, CONFIG_DIR, config_dir)


def without_hydra(config: DictConfig) -> DictConfig:
    """Return the part of a configuration that a run sees."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
