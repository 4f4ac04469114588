"""The command line that a configuration stands for, after a program has changed its values too."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration import store
from gan_experiments.configuration.command_line import check_options
from gan_experiments.configuration.compose import without_hydra
from gan_experiments.configuration.hydra_internals import compose_run, origin_of, own_globals, remember_origin
from gan_experiments.configuration.override import read, write
from gan_experiments.configuration.store import CONFIG_DIR
from gan_experiments.errors import UserError
from gan_experiments.runs.resume import config_dir_of, continued
from gan_experiments.tracking.metadata import leaves


@dataclass(frozen=True)
class Origin:
    """Command line that a configuration is composed from.

    Attributes:
        overrides: As on the command line.
        config_dir: The folder that ``--config-dir`` names, absolute, or None.
    """

    overrides: tuple[str, ...]
    config_dir: Path | None = None

    @classmethod
    def of_run(cls, folder: Path) -> Origin | None:
        """Return the one of a run, as a new run would have it; None where Hydra's files are not in its folder."""
        file = folder / ".hydra" / "overrides.yaml"
        if not file.is_file():
            return None
        further = config_dir_of(folder)
        whole = cls(tuple(yaml.safe_load(file.read_text(encoding="utf-8"))), Path(further) if further else None)
        return whole.without("train.resume", "hydra.run.dir")

    def without(self, *keys: str) -> Origin:
        """Return an origin that does not set some keys."""
        return Origin(tuple(each.text for each in read(self.overrides) if each.key not in keys), self.config_dir)

    def mark(self, cfg: DictConfig) -> DictConfig:
        """Let a configuration know that it comes from here, and return it; its copies and merges know it too."""
        remember_origin(cfg, self)
        return cfg

    @contextmanager
    def composing(self) -> Iterator[DictConfig]:
        """Compose as the command does, with Hydra's own part, for use within, where all of it can be resolved.

        ``train.resume=RUN`` stands for the command line that resumes that run.
        """
        with own_globals():
            own = None if self.config_dir is None else str(self.config_dir)
            given = Namespace(overrides=list(self.overrides), config_dir=own, config_name=None)
            line = continued(given)
            check_options(line.overrides)
            store.register()
            further = None if line.config_dir is None else Path(line.config_dir).absolute()
            yield compose_run(line.config_name or "config", line.overrides, CONFIG_DIR, further)

    def compose(self) -> DictConfig:
        """Return what a run sees."""
        with self.composing() as config:
            return without_hydra(config)


def origin_with_changes(cfg: DictConfig) -> Origin:
    """Return the origin from which Hydra composes ``cfg`` as it is now, whatever was changed since.

    Raises:
        UserError: It comes from nowhere, or a change cannot be written as an override.
    """
    known = origin_of(cfg)
    if not isinstance(known, Origin):
        raise UserError("this configuration was not made by gan_experiments.compose(), nor is it a run's config")
    before, now = _values(known.compose()), _values(cfg)
    changed = {key: value for key, value in now.items() if before.get(key, _Absent) != value}
    if not changed and before.keys() == now.keys():
        return known
    added = [("" if key in before else "+") + write(key, value) for key, value in changed.items()]
    changes = Origin((*known.without(*changed).overrides, *added), known.config_dir)
    reached = _values(changes.compose())
    for key in reached | now:
        if reached.get(key, _Absent) != now.get(key, _Absent):
            raise UserError(f"{key}={now.get(key, 'nothing')}: cannot be changed afterwards; give it to compose()")
    return changes


class _Absent:
    """Stands for the value of a key that is not there."""


def _values(cfg: DictConfig) -> dict[str, Any]:
    """Return all values by their dotted keys, interpolations as they are written."""
    return leaves(cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=False)))
