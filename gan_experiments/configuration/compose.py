"""The configuration's folder, and composing a configuration from it outside of the run command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import hydra
from omegaconf import DictConfig

from gan_experiments.configuration import store

_PACKAGE = Path(__file__).resolve().parents[1]
CONFIG_DIR = next(
    folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if (folder / "config.yaml").is_file()
)
"""In a wheel the configuration lies inside the package, in a checkout next to it."""


def compose(overrides: Iterable[str] = (), with_hydra: bool = False) -> DictConfig:
    """Compose the configuration of a run; it is not validated yet.

    Args:
        overrides: As on the command line.
        with_hydra: Whether to include Hydra's own part, ``hydra``.
    """
    store.register()
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return hydra.compose("config", overrides=list(overrides), return_hydra_config=with_hydra)
