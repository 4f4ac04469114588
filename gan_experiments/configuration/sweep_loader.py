"""Composes the jobs of a sweep: what Hydra does for each of a thousand is done once."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.hydra_internals import apply_to


def copier(config: DictConfig) -> Callable[[], DictConfig]:
    """Return a function that returns a copy of a configuration, as it is now, each time it is called."""
    try:
        content = pickle.dumps(config)
    except (pickle.PicklingError, AttributeError, TypeError):
        # Where Hydra has loaded its plugins anew, as in the process of a job, their classes cannot be pickled.
        original = copy.deepcopy(config)
        return lambda: copy.deepcopy(original)
    return lambda: pickle.loads(content)  # takes a quarter of the time of a deep copy


class SweepLoader(ConfigLoaderImpl):
    """Composes the jobs of a sweep: once for all that choose the same options, which differ in values alone.

    Hydra composes each job several times, and takes a third of a second for it. Values are applied after composition
    in any case, so the result is the same.

    Args:
        search_path: Where options are looked for.
    """

    def __init__(self, search_path: ConfigSearchPath) -> None:
        super().__init__(search_path)
        self._templates: dict[tuple[str, ...], Callable[[], DictConfig]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_templates": {}}  # a job in another process makes its own

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Compose a job.

        Args:
            master_config: The sweep's own configuration.
            sweep_overrides: The job's overrides.
        """
        parsed = [_parsed(line) for line in sweep_overrides]
        if any(override.is_sweep_override() for override in parsed):
            return super().load_sweep_config(master_config, sweep_overrides)  # it says what is wrong
        varied = self._varied(parsed, master_config)
        shared = [str(override.input_line) for override in parsed if override not in varied]
        kept = (*map(str, master_config.hydra.overrides.hydra), *shared)
        if kept not in self._templates:
            template = super().load_sweep_config(master_config, shared)
            template.hydra.overrides.task = [each.input_line for each in parsed if not each.is_hydra_override()]
            self._templates[kept] = copier(template)
        config = self._templates[kept]()
        try:
            apply_to(config, varied)
        except Exception:  # Hydra itself meets it again, and says it in its own words
            return super().load_sweep_config(master_config, sweep_overrides)
        self._describe(config, [override for override in parsed if not override.is_hydra_override()])
        OmegaConf.copy_cache(master_config, config)
        return config

    def _varied(self, parsed: Sequence[Override], master: DictConfig) -> list[Override]:
        """Return the overrides of a job that set values in which it may differ from others of its sweep.

        They can be applied last, unless another one is of the same key or of a part of it.
        """
        typed = frozenset(map(str, master.hydra.overrides.task))
        values = [override for override in parsed if self._is_value(override, master)]
        varied = [override for override in values if override.input_line not in typed]
        keys = [f"{override.key_or_group}." for override in varied]
        for override in values:
            key = f"{override.key_or_group}."
            if override not in varied and any(key.startswith(other) or other.startswith(key) for other in keys):
                return values
        return varied

    def _is_value(self, override: Override, config: DictConfig) -> bool:
        """Return whether an override sets a value of the run, rather than to choose an option or to direct Hydra."""
        key = override.key_or_group
        if override.package is not None or override.is_hydra_override() or "/" in key:
            return False
        return "." in key or (not OmegaConf.is_config(config.get(key)) and not self.repository.group_exists(key))

    @staticmethod
    def _describe(config: DictConfig, overrides: Sequence[Override]) -> None:
        """Write down in Hydra's part which overrides a job has, where those of its template differ."""
        hydra = config.hydra
        for place, (known, override) in enumerate(zip(hydra.overrides.task, overrides, strict=True)):
            if known != override.input_line:
                hydra.overrides.task[place] = override.input_line
        hydra.runtime.cwd = str(Path.cwd())
        style = hydra.job.config.override_dirname
        hydra.job.override_dirname = get_overrides_dirname(
            list(overrides), kv_sep=style.kv_sep, item_sep=style.item_sep, exclude_keys=style.exclude_keys
        )


@lru_cache(4096)
def _parsed(line: str) -> Override:
    return OverridesParser.create().parse_overrides([line])[0]  # jobs have most of their lines in common


def compose_jobs_at_once() -> None:
    """Have Hydra, which is about to start a sweep, compose the sweep's jobs by a ``SweepLoader``."""
    running = GlobalHydra.instance().hydra
    assert running is not None
    running.config_loader = SweepLoader(running.config_loader.get_search_path())
