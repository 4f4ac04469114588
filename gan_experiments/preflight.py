"""What is looked at before Hydra makes a folder: a run that cannot work leaves nothing behind."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from gan_experiments import launchers
from gan_experiments.command_line import not_swallowed, user_errors
from gan_experiments.config import EvaluateConfig
from gan_experiments.errors import UserError
from gan_experiments.resume import state_to_resume
from gan_experiments.sweeps import plan
from gan_experiments.targets import load_data
from gan_experiments.validation import validate


class Preflight(Callback):
    """Refuses runs and sweeps before anything is written; ``hydra.callbacks`` in conf/config.yaml names it."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a single run."""
        with not_swallowed(), user_errors():
            HydraConfig.instance().set_config(config)
            if "sweep" in config.hydra.runtime.choices:
                raise UserError(f"+sweep={config.hydra.runtime.choices.sweep}: needs -m, which makes a sweep of it")
            cfg = plan.without_hydra(config)
            check(cfg)
            check_folder("hydra.run.dir", config.hydra.run.dir)
            state_to_resume(cfg, Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check every run of a sweep; of a search, whose runs nobody knows yet, those that show all of its values."""
        with not_swallowed(), user_errors():
            launchers.check(config.hydra)
            here = launchers.trains_here(config.hydra)
            for cfg in plan.compose(config, plan.jobs(config)):
                check(cfg, here)
                if cfg.train.resume not in (None, "auto"):
                    raise UserError(f"train.resume={cfg.train.resume}: must be auto or null in a sweep")
            check_folder("hydra.sweep.dir", config.hydra.sweep.dir)
            if plan.is_own_search(config):
                from gan_experiments.sweeps.search.checks import check as check_search

                check_search(config)


def check(cfg: DictConfig, here: bool = True) -> None:
    """Everything about one run that can be known before it starts.

    Args:
        cfg: Its configuration.
        here: Whether it will run on this machine, so that its devices are those of the run.

    Raises:
        UserError: One line: the key, the value, what is allowed.
    """
    from gan_experiments.training.device import resolve_device

    validate(cfg)
    device = resolve_device(cfg.device if here else "cpu")
    if here and cfg.train.precision == "tf32" and device.type != "cuda":
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
