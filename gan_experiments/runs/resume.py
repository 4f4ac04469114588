"""Resuming a run: its command line, its checkpoint, and whether both still fit each other."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import MISSING, is_dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.compose import compose
from gan_experiments.configuration.instantiate import same_target
from gan_experiments.configuration.override import Override, read, write
from gan_experiments.configuration.schema import fields_of
from gan_experiments.errors import UserError
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.metadata import flatten
from gan_experiments.tracking.run_directory import RunDirectory

_KEY = "train.resume"
_OVERRIDES = Path(".hydra") / "overrides.yaml"
_FREE = (
    "train.epochs",
    "train.resume",
    "train.checkpoint_every",
    "train.early_stop",
    "train.stop_at",
    "train.keep_",
    "evaluate.",
    "tracking.",
    "fused.",
    "device",
    "data.download",
)
"""Keys that may change when a run is resumed: how long it trains, on what, how it is judged and recorded, but not
what it learns."""


def continued(arguments: Namespace) -> Namespace:
    """Turn a command line with ``train.resume=RUN`` into the one that resumes that run, in its folder.

    The run's own overrides are taken over, except those that are given anew. A command line without ``train.resume``,
    or with ``auto``, is returned as it is.

    Args:
        arguments: Flags and overrides, as parsed.

    Raises:
        UserError: There is no such run, it has no checkpoint, or it should move to another folder.
    """
    # 1. Find the run.
    overrides = read(arguments.overrides)
    given = next((override for override in overrides if override.key == _KEY), None)
    if given is None or given.unquoted in ("", "null", "auto"):
        return arguments
    new = [override for override in overrides if override.key != _KEY]
    folder, checkpoint = _find(given.unquoted, new)

    # 2. Refuse to move it.
    moved = next((override for override in new if override.key == "hydra.run.dir"), None)
    if moved:
        raise UserError(f"{moved.text}: does not go with {_KEY}; a run is resumed in its own folder, {folder}")

    # 3. Put the command line together. A run that ended before its first checkpoint starts again, in its own folder.
    again = {override.key for override in new} | {_KEY}
    before = read(yaml.safe_load((folder / _OVERRIDES).read_text(encoding="utf-8")))
    kept = [override for override in before if override.key not in again]
    here = [write(_KEY, checkpoint) if checkpoint.exists() else f"{_KEY}=auto", write("hydra.run.dir", folder)]
    texts = [*(override.text for override in kept), *here, *(override.text for override in new)]
    config_dir = arguments.config_dir or _config_dir_of(folder)
    return Namespace(**vars(arguments) | {"overrides": texts, "config_dir": config_dir})


def _config_dir_of(folder: Path) -> str | None:
    """Return the ``--config-dir`` that the run in ``folder`` was started with."""
    settings = yaml.safe_load((folder / ".hydra" / "hydra.yaml").read_text(encoding="utf-8"))
    sources = settings["hydra"]["runtime"]["config_sources"]
    return next((source["path"] for source in sources if source["provider"] == "command-line"), None)


def _find(reference: str, new: list[Override]) -> tuple[Path, Path]:
    """Return folder and checkpoint of the run that a folder, a checkpoint or an MLflow run id names."""
    path = Path(reference)
    if not path.exists():
        tracking = [override.text for override in new if override.key.split(".")[0] == "tracking"]
        path = find_run(reference, compose(tracking).tracking.uri)
    path = path.absolute()
    if not path.exists():
        raise UserError(f"{_KEY}={reference}: must be a run's folder, a checkpoint, an MLflow run id, auto or null")
    checkpoint = RunDirectory(path).checkpoint if path.is_dir() else path
    folder = checkpoint.parent
    if not (folder / _OVERRIDES).is_file():
        raise UserError(f"{_KEY}={reference}: {folder} has no run to resume ({_OVERRIDES} is missing)")
    return folder, checkpoint


def state_to_resume(cfg: DictConfig, run_dir: Path) -> dict[str, Any] | None:
    """Return the state from which the run in ``run_dir`` is resumed, or None where it starts anew.

    Raises:
        UserError: The checkpoint cannot be read, it is one of a run with other settings, or a new run would
            overwrite another.
    """
    directory = RunDirectory(run_dir)
    if cfg.train.resume is None:
        if directory.journal.exists():
            raise UserError(f"hydra.run.dir={run_dir}: holds a run already; train.resume=auto resumes it")
        return None
    path = directory.checkpoint if cfg.train.resume == "auto" else Path(cfg.train.resume)
    if cfg.train.resume == "auto" and not path.exists():
        return None
    from gan_experiments.training import checkpoint

    state = checkpoint.load(path, f"{_KEY}={path}")
    if "config" not in state:
        raise UserError(f"train.resume={path}: this holds weights only; a run is resumed from {directory.checkpoint}")
    _check_same(state["config"], cfg, path)
    return state


def _check_same(stored: Mapping[str, Any], cfg: DictConfig, path: Path) -> None:
    """Make sure that a run is still what it was when its checkpoint was written."""
    now = flatten(cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True)))
    then = flatten(dict(stored))
    # Keys that have been added to the project since: the run trained with their defaults.
    then |= {key: text for key in now.keys() - then.keys() if (text := _default(cfg, key)) is not None}
    for key in then | now:
        same = then.get(key) == now.get(key)
        if not same and key.endswith("._target_") and key in then and key in now:
            same = same_target(then[key], now[key])
        if not same and not key.startswith(_FREE):
            raise UserError(f"{key}={now.get(key)}: must be {then.get(key)} to resume the run of {path}")


def _default(cfg: DictConfig, key: str) -> str | None:
    """Return the default of a key of the schema as ``flatten`` writes it; None where it has none."""
    group, _, name = key.rpartition(".")
    schema = OmegaConf.get_type(OmegaConf.select(cfg, group)) if group else None
    if not is_dataclass(schema) or name not in fields_of(schema):
        return None
    _, field = fields_of(schema)[name]
    value = field.default if field.default_factory is MISSING else field.default_factory()
    return None if value in (MISSING, "???") else flatten({name: value})[name]
