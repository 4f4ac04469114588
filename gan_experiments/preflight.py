"""What is looked at before Hydra makes a folder: a run that cannot work leaves nothing behind."""

from __future__ import annotations

import copy
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

from gan_experiments import keys
from gan_experiments.command_line import user_errors
from gan_experiments.config import EvaluateConfig
from gan_experiments.errors import UserError
from gan_experiments.resume import state_to_resume
from gan_experiments.targets import load_data
from gan_experiments.validation import validate


class Preflight(Callback):
    """Refuses runs and sweeps before anything is written; ``hydra.callbacks`` in conf/config.yaml names it."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a single run."""
        with _not_swallowed(), user_errors():
            HydraConfig.instance().set_config(config)
            cfg = _without_hydra(config)
            check(cfg)
            check_folder("hydra.run.dir", config.hydra.run.dir)
            state_to_resume(cfg, Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check every run of a sweep; of a search, whose runs nobody knows yet, what they share."""
        with _not_swallowed(), user_errors():
            for cfg in _jobs(config):
                check(cfg)
                if cfg.train.resume not in (None, "auto"):
                    raise UserError(f"train.resume={cfg.train.resume}: must be auto or null in a sweep")
            check_folder("hydra.sweep.dir", config.hydra.sweep.dir)


@contextmanager
def _not_swallowed() -> Iterator[None]:
    """Hydra turns a callback's exceptions into warnings; a defect of ours must end the program all the same."""
    try:
        yield
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def _without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _jobs(config: DictConfig) -> Iterator[DictConfig]:
    """The configurations of a sweep's runs, as Hydra's own sweeper and launcher will compose them."""
    sweeper, given = (_plain(node) for node in (config.hydra.sweeper, config.hydra.overrides.task))
    if sweeper["_target_"].endswith(f".{BasicSweeper.__name__}"):
        overrides = _parsed([*(f"{key}={value}" for key, value in (sweeper["params"] or {}).items()), *given])
    else:
        overrides = [override for override in _parsed(given) if not override.is_sweep_override()]
    loader = GlobalHydra.instance().config_loader()
    composed: dict[tuple[str, ...], DictConfig] = {}
    (jobs,) = BasicSweeper.split_arguments(overrides, None)
    for number, job in enumerate(jobs):
        # Composing takes some 0.1 s; runs that choose the same options differ in values alone.
        options = tuple(line for line in job if keys.is_option(line))
        if options not in composed:
            composed[options] = loader.load_sweep_config(config, list(options))
        run = copy.deepcopy(composed[options])
        with open_dict(run.hydra):
            run.hydra.job.num, run.hydra.job.id = number, str(number)
        ConfigLoaderImpl._apply_overrides_to_config(_parsed([line for line in job if line not in options]), run)
        HydraConfig.instance().set_config(run)
        yield _without_hydra(run)


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=False)


def _parsed(overrides: list[str]) -> list[Override]:
    return OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(overrides)


def check(cfg: DictConfig) -> None:
    """Everything about one run that can be known before it starts.

    Raises:
        UserError: One line: the key, the value, what is allowed.
    """
    from gan_experiments.training.device import resolve_device

    validate(cfg)
    device = resolve_device(cfg.device)
    if cfg.train.precision == "tf32" and device.type != "cuda":
        raise UserError(f"train.precision=tf32: is a matter of CUDA, and this run is on {device}; fp32 and bf16 work")
    _check_uri(cfg.tracking.uri)
    dataset, batch = load_data(cfg.data), cfg.train.batch_size
    if batch > len(dataset):
        most = len(dataset)
        raise UserError(f"train.batch_size={batch}: must be at most {most}, for that many samples has the data set")
    if cfg.evaluate.metrics:
        from gan_experiments.evaluation.evaluator import Evaluator

        Evaluator(cast(EvaluateConfig, OmegaConf.to_object(cfg.evaluate)), dataset, device).check()


@lru_cache
def _check_uri(uri: str | None) -> None:
    from gan_experiments.tracking.destination import check_uri

    if uri is not None:
        check_uri(uri)


def check_folder(key: str, folder: str) -> None:
    """Make sure that a folder can be made, or written where it exists, without making it.

    Raises:
        UserError: It cannot.
    """
    path = Path(folder).absolute()
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    try:
        # Permissions alone do not tell: read-only mounts, full disks and special files refuse as well.
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise UserError(f"{key}={folder}: cannot be written ({error.strerror}: {existing})") from error
