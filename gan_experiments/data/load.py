"""Loads the data set that a configuration asks for."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.instantiate import build, set_apart
from gan_experiments.data import fraction
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError


def load_data(node: DictConfig) -> Dataset:
    """Load the data set that the ``data`` group describes and keep the latest: runs of a sweep mostly share it.

    Raises:
        UserError: It cannot be had, or a custom loader returns something else.
    """
    return _load(json.dumps(OmegaConf.to_container(node, resolve=True)), Path.cwd())


@lru_cache(maxsize=1)
def _load(node: str, folder: Path) -> Dataset:
    """Load a data set; ``folder`` is the working directory, in which relative paths lie."""
    config: DictConfig = OmegaConf.create(json.loads(node))  # type: ignore[assignment]
    apart = set_apart("data", config)
    dataset = build(config)
    if not isinstance(dataset, Dataset):
        found = type(dataset).__name__
        raise UserError(
            f"data._target_={config._target_}: must return a Dataset (gan_experiments.data), not a {found}"
        )
    return fraction.take(dataset, apart.get("fraction", 1.0))
