"""Composing a configuration outside of the run command."""

from __future__ import annotations

from collections.abc import Iterable

import hydra
from omegaconf import DictConfig

from gan_experiments.configuration import store
from gan_experiments.configuration.store import CONFIG_DIR


def compose(overrides: Iterable[str] = (), with_hydra: bool = False) -> DictConfig:
    """Compose the configuration of a run; it is not validated yet.

    Args:
        overrides: As on the command line.
        with_hydra: Whether to include Hydra's own part, ``hydra``.
    """
    store.register()
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return hydra.compose("config", overrides=list(overrides), return_hydra_config=with_hydra)
