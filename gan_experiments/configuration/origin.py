"""The command line that a configuration stands for, after a program has changed its values too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.compose import composing, without_hydra
from gan_experiments.configuration.hydra_internals import origin_of, remember_origin
from gan_experiments.configuration.override import read, write
from gan_experiments.errors import UserError


@dataclass(frozen=True)
class Origin:
    """What a configuration was composed from.

    Attributes:
        overrides: As on the command line.
        config_dir: The folder that ``--config-dir`` names, absolute, or None.
    """

    overrides: tuple[str, ...]
    config_dir: Path | None = None

    def mark(self, cfg: DictConfig) -> DictConfig:
        """Let a configuration know that it comes from here, and return it; its copies and merges know it too."""
        remember_origin(cfg, self)
        return cfg

    def without(self, *keys: str) -> Origin:
        """Return an origin that does not set some keys."""
        return Origin(tuple(each.text for each in read(self.overrides) if each.key not in keys), self.config_dir)


def origin_with_changes(cfg: DictConfig) -> Origin:
    """Return the origin from which Hydra composes ``cfg`` as it is now, whatever was changed since.

    Raises:
        UserError: It comes from nowhere, or a change cannot be written as an override.
    """
    known = origin_of(cfg)
    if not isinstance(known, Origin):
        raise UserError("this configuration was not made by gan_experiments.compose(), nor is it a run's config")
    before, now = _values(_compose(known)), _values(cfg)
    changed = {key: value for key, value in now.items() if before.get(key, _Absent) != value}
    if not changed and before.keys() == now.keys():
        return known
    added = [("" if key in before else "+") + write(key, value) for key, value in changed.items()]
    changes = Origin((*known.without(*changed).overrides, *added), known.config_dir)
    reached = _values(_compose(changes))
    for key in reached | now:
        if reached.get(key, _Absent) != now.get(key, _Absent):
            raise UserError(f"{key}={now.get(key, 'nothing')}: cannot be changed afterwards; give it to compose()")
    return changes


class _Absent:
    """Stands for the value of a key that is not there."""


def _compose(origin: Origin) -> DictConfig:
    with composing(origin.overrides, origin.config_dir) as config:
        return without_hydra(config)


def _values(cfg: DictConfig) -> dict[str, Any]:
    """Return all values by their dotted keys, interpolations as they are written."""
    return _flat(cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=False)), "")


def _flat(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
