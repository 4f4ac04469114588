"""Checks of one run before Hydra makes its folder: a run that cannot work leaves nothing behind."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.compose import without_hydra
from gan_experiments.configuration.instantiate import build, takes_labels
from gan_experiments.configuration.schema import EvaluateConfig, TrainConfig
from gan_experiments.configuration.validation import validate
from gan_experiments.data.load import load_data
from gan_experiments.errors import UserError
from gan_experiments.runs.resume import state_to_resume, why_anew
from gan_experiments.tracking.destination import unused
from gan_experiments.tracking.terminal import busy
from gan_experiments.tracking.writable_folder import check_folder, why_unwritable


def check_single(config: DictConfig) -> dict[str, Any] | None:
    """Check a run that is no job of a sweep, and return the checkpoint that it resumes from, if any.

    Args:
        config: Its configuration with Hydra's own part, while Hydra can resolve it.

    Raises:
        UserError: One line: the key, the value, what is allowed.
    """
    if "sweep" in config.hydra.runtime.choices:
        raise UserError(f"+sweep={config.hydra.runtime.choices.sweep}: needs -m, which makes a sweep of it")
    check_output(config)
    cfg = without_hydra(config)
    with busy("checking the run and loading its data"):
        check(cfg)
        check_folder("hydra.run.dir", config.hydra.run.dir)
        state = state_to_resume(cfg, Path(config.hydra.run.dir))
    sys.stderr.writelines(unused(cfg.tracking.uri))
    if cfg.train.resume == "auto" and state is None:
        given = cast("dict[str, str]", OmegaConf.to_container(config.hydra.run, resolve=False))
        sys.stderr.write(f"{why_anew(given['dir'])}\n")
    return state


def check(cfg: DictConfig, here: bool = True) -> None:
    """Check everything about one run that can be known before it starts.

    Args:
        cfg: Its configuration.
        here: Whether it will run on this machine, so that its devices are those of the run.

    Raises:
        UserError: One line: the key, the value, what is allowed.
    """
    from gan_experiments.models.conditioning import classes_for
    from gan_experiments.training.device import resolve_device
    from gan_experiments.training.optimizers.optimizer import check_optimizer
    from gan_experiments.training.schedules import check_schedules

    validate(cfg)
    train = cast(TrainConfig, OmegaConf.to_object(cfg.train))
    check_optimizer(train)
    check_schedules(train, train.penalty_final is not None and _has_penalty(cfg))
    device = resolve_device(cfg.device if here else "cpu")
    if here and cfg.train.precision == "tf32" and device.type != "cuda":
        raise UserError(f"train.precision=tf32: needs CUDA, and this run is on {device}; fp32 and bf16 work")
    if cfg.tracking.uri is not None:
        _check_destination(cfg.tracking.uri, cfg.tracking.experiment, tuple(cfg.tracking.tags.items()))
    dataset, batch = load_data(cfg.data), cfg.train.batch_size
    if batch > len(dataset):
        most = len(dataset)
        raise UserError(f"train.batch_size={batch}: must be at most {most}; the data set has no more samples")
    classes_for(cfg.model.get("condition", "none"), dataset.classes)
    augment = cfg.augment.get("name", cfg.augment.get("_target_"))
    if augment != "none" and not dataset.is_image:
        raise UserError(f"augment={augment}: must be none for points, which {dataset.name} has; images are augmented")
    measured: list[str] = []
    if cfg.evaluate.metrics:
        from gan_experiments.evaluation.evaluator import Evaluator

        evaluate = cast(EvaluateConfig, OmegaConf.to_object(cfg.evaluate))
        evaluator = Evaluator(evaluate, dataset, device, takes_labels(cfg.model, dataset.classes))
        evaluator.check()
        measured = evaluator.names
    _check_scores(cfg.train, measured)
    if cfg.train.start_from is not None and cfg.train.resume is None:
        from gan_experiments.runs.start_from import new_networks, starting_weights

        new_networks(cfg, dataset, starting_weights(cfg))


def _has_penalty(cfg: DictConfig) -> bool:
    return build(cfg.penalty) is not None or getattr(build(cfg.objective), "penalty", None) is not None


def _check_scores(train: DictConfig, measured: list[str]) -> None:
    """Make sure that what training waits for is measured."""
    allowed = (
        f"one of {', '.join(measured)}"
        if measured
        else "measured, and evaluate.metrics names no metric for this data"
    )
    for name, goal in train.stop_at.items():
        if name not in measured:
            raise UserError(f"train.stop_at.{name}={goal}: the score must be {allowed}")
    if train.keep_best and not measured:
        raise UserError(f"train.keep_best=true: the score must be {allowed}")


@lru_cache
def _check_destination(uri: str, experiment: str, tags: tuple[tuple[str, str], ...]) -> None:
    from gan_experiments.tracking.destination import check_names, check_uri

    check_names(check_uri(uri), experiment, dict(tags))


def check_file(key: str, file: Path) -> None:
    """Make sure that a file can be written in a folder that is there, without writing it.

    Raises:
        UserError: It cannot.
    """
    if file.is_dir():
        problem = "is a folder"
    elif file.exists():
        problem = None if os.access(file, os.W_OK) else "is protected"
    else:
        problem = why_unwritable(file.absolute().parent)
    if problem is not None:
        raise UserError(f"{key} {file}: cannot be written ({problem})")


def check_output(config: DictConfig) -> None:
    """Make sure that Hydra writes its files where a run that goes on looks for them.

    Raises:
        UserError: It does not.
    """
    if config.hydra.output_subdir != ".hydra":
        given = "null" if config.hydra.output_subdir is None else config.hydra.output_subdir
        raise UserError(f"hydra.output_subdir={given}: must be .hydra; a run is resumed from what lies there")
