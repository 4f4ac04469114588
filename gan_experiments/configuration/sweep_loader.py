"""Composes the jobs of a sweep: what Hydra does for each of a thousand is done once."""

from __future__ import annotations

import pickle
from functools import lru_cache
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.hydra_internals import apply_to


class SweepLoader(ConfigLoaderImpl):
    """Composes the jobs of a sweep: once for all that choose the same options, which differ in values alone.

    Hydra composes each job several times, and takes a third of a second for it. Values are applied after composition
    in any case, so the result is the same.

    Args:
        search_path: Where options are looked for.
    """

    def __init__(self, search_path: ConfigSearchPath) -> None:
        super().__init__(search_path)
        self._composed: dict[tuple[str, ...], bytes] = {}

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Compose a job.

        Args:
            master_config: The sweep's own configuration.
            sweep_overrides: The job's overrides.
        """
        parsed = [_parsed(line) for line in sweep_overrides]
        values = [override for override in parsed if self._is_value(override, master_config)]
        if any(override.is_sweep_override() for override in values):
            return super().load_sweep_config(master_config, sweep_overrides)  # it says what is wrong
        options = [str(override.input_line) for override in parsed if override not in values]
        kept = (*map(str, master_config.hydra.overrides.hydra), *options)
        if kept not in self._composed:
            # Reading it back takes a quarter of the time of a deep copy.
            self._composed[kept] = pickle.dumps(super().load_sweep_config(master_config, options))
        config: DictConfig = pickle.loads(self._composed[kept])
        try:
            apply_to(config, values)
        except Exception:
            return super().load_sweep_config(master_config, sweep_overrides)
        of_task = [override for override in parsed if not override.is_hydra_override()]
        config.hydra.overrides.task = [override.input_line for override in of_task]
        config.hydra.runtime.cwd = str(Path.cwd())
        style = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            of_task, kv_sep=style.kv_sep, item_sep=style.item_sep, exclude_keys=style.exclude_keys
        )
        OmegaConf.copy_cache(master_config, config)
        return config

    def _is_value(self, override: Override, config: DictConfig) -> bool:
        """Return whether an override sets a value of the run, rather than to choose an option or to direct Hydra."""
        key = override.key_or_group
        if override.package is not None or override.is_hydra_override() or "/" in key:
            return False
        return "." in key or (not OmegaConf.is_config(config.get(key)) and not self.repository.group_exists(key))


@lru_cache(4096)
def _parsed(line: str) -> Override:
    return OverridesParser.create().parse_overrides([line])[0]  # jobs have most of their lines in common


def compose_jobs_at_once() -> None:
    """Have Hydra, which is about to start a sweep, compose the sweep's jobs by a ``SweepLoader``."""
    running = GlobalHydra.instance().hydra
    assert running is not None
    running.config_loader = SweepLoader(running.config_loader.get_search_path())
