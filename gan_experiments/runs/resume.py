"""Resuming a run: its command line, its checkpoint, and whether both still fit each other."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import MISSING, DictConfig, OmegaConf

from gan_experiments.configuration.begun import NAME as AS_BEGUN
from gan_experiments.configuration.begun import take_up
from gan_experiments.configuration.compose import compose
from gan_experiments.configuration.instantiate import same_target
from gan_experiments.configuration.override import Override, read, write
from gan_experiments.configuration.schema import TrainConfig, default_of
from gan_experiments.errors import UserError
from gan_experiments.runs.same_data import check_same_data
from gan_experiments.tracking.destination import absolute
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.metadata import flatten
from gan_experiments.tracking.moved import command_folder, move_since, run_record
from gan_experiments.tracking.run_directory import RunDirectory

_KEY = "train.resume"
_OVERRIDES = Path(".hydra") / "overrides.yaml"
_HYDRA = Path(".hydra") / "hydra.yaml"
_PATHS = ("data.root", "evaluate.features", "train.start_from")
"""Keys whose values may be paths."""
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
    "data.root",
)
"""Keys that may change when a run is resumed: how long it trains, on what, how it is judged and recorded, and where
its data lie, but not what it learns: the data's contents are compared (``same_data.py``)."""


def continued(arguments: Namespace) -> Namespace:
    """Turn a command line with ``train.resume=RUN`` into the one that resumes that run, in its folder.

    The run's own configuration is taken over as it was stored, whatever the defaults have become, with the overrides
    that are given now. A command line without ``train.resume`` is returned as it is; one with ``auto`` only gets the
    defaults of the run in ``hydra.run.dir``.

    Args:
        arguments: Flags and overrides, as parsed.

    Raises:
        UserError: There is no such run, it has no checkpoint, or it should move to another folder.
    """
    # 1. Find the run.
    overrides = read(arguments.overrides)
    given = next((override for override in overrides if override.key == _KEY), None)
    if given is None or given.unquoted in ("", "null"):
        return arguments
    if given.unquoted == "auto":
        return _continued_there(arguments, overrides)
    new = [override for override in overrides if override.key != _KEY]
    folder, checkpoint = _find(given.unquoted, new)

    # 2. Refuse to move it.
    moved = next((override for override in new if override.key == "hydra.run.dir"), None)
    if moved:
        raise UserError(f"{moved.text}: does not go with {_KEY}; a run is resumed in its own folder, {folder}")

    # 3. Take its own overrides, except those that are given anew: keys, and what lies below options.
    options = {override.name for override in new if override.is_option}
    again = {override.key for override in new} | {_KEY}
    before = read(_stored_overrides(folder))
    place = _place_on_record(RunDirectory(folder), options, again)
    kept = [each for each in before if each.key not in again and each.key.partition(".")[0] not in options]
    kept = [each for each in kept if each.key not in place]

    # 4. Put the command line together. A run that ended before its first checkpoint starts again, in its own folder.
    config_dir = str(Path(arguments.config_dir).absolute()) if arguments.config_dir else config_dir_of(folder)
    texts = [override.text for override in kept]
    primary = arguments.config_name
    if (begun := _begun(folder)) is not None:
        if primary is not None:
            raise UserError(f"--config-name={primary}: does not go with {_KEY}; a run is resumed as it was")
        texts, primary = take_up(begun, texts, again | options, config_dir, False, place), AS_BEGUN
    else:
        texts += [write(key, value) for key, value in place.items()]
    here = [write(_KEY, checkpoint) if checkpoint.exists() else f"{_KEY}=auto", write("hydra.run.dir", folder)]
    began_in = command_folder(folder, folder / _HYDRA)
    texts = [*texts, *here, *(_as_given(override, began_in) for override in new)]
    line = {"overrides": texts, "config_dir": config_dir, "config_name": primary, "folder": began_in}
    return Namespace(**vars(arguments) | line)


def _place_on_record(directory: RunDirectory, options: Collection[str], again: Collection[str]) -> dict[str, Any]:
    """Return where a run goes on being recorded, by key: where it is on record, unless another place is asked for."""
    if "tracking" in options:
        return {}
    record = run_record(directory)
    keys = {f"tracking.{name}": record[name] for name in ("uri", "experiment") if name in record}
    if "asked_experiment" in record:  # `sync --experiment` may have chosen another since, where the run stays
        keys["tracking.experiment"] = record["asked_experiment"]
    return {key: value for key, value in keys.items() if key not in again}


def _as_given(override: Override, began_in: Path | None) -> str:
    """Return an override with a path that means the folder in which it is given, though the run began in another."""
    if began_in is None or began_in.samefile(Path.cwd()) or override.value is None:
        return override.text
    value = override.unquoted
    if override.key == "tracking.uri" and value not in ("", "null"):
        return write(override.key, absolute(value))
    if override.key in _PATHS and Path(value).exists():
        return write(override.key, Path(value).absolute())
    return override.text


def _continued_there(arguments: Namespace, overrides: Sequence[Override]) -> Namespace:
    """Return a command line with ``train.resume=auto``, with the defaults of the run that its folder holds."""
    place = next((override for override in reversed(overrides) if override.key == "hydra.run.dir"), None)
    folder = Path(place.unquoted) if place else None
    begun = _begun(folder) if folder and RunDirectory(folder).checkpoint.exists() else None
    if folder is None or begun is None or arguments.config_name is not None:
        return arguments
    config_dir = arguments.config_dir or config_dir_of(folder)
    anew = {each.name for each in overrides if each.is_option and each.text not in _stored_overrides(folder)}
    take_up(begun, _stored_overrides(folder), anew, config_dir, several=False)
    return Namespace(**vars(arguments) | {"config_dir": config_dir, "config_name": AS_BEGUN})


def _stored_overrides(folder: Path) -> list[str]:
    return yaml.safe_load((folder / _OVERRIDES).read_text(encoding="utf-8"))


def _begun(folder: Path) -> DictConfig | None:
    """Return the configuration that Hydra stored in a run's folder; None where it is not there."""
    files = [folder / ".hydra" / name for name in ("config.yaml", "hydra.yaml")]
    if not all(file.is_file() for file in files):
        return None
    return cast(DictConfig, OmegaConf.merge(*map(OmegaConf.load, files)))


def config_dir_of(folder: Path) -> str | None:
    """Return the ``--config-dir`` that the run in ``folder`` was started with, where it is now."""
    settings = yaml.safe_load((folder / _HYDRA).read_text(encoding="utf-8"))
    sources = settings["hydra"]["runtime"]["config_sources"]
    own = next((source["path"] for source in sources if source["provider"] == "command-line"), None)
    move = move_since(folder, folder / _HYDRA)
    return own if own is None or move is None else str(move.path(Path(own)))


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
    check_same_data(cfg.data, directory)
    _check_length(state["step"], cfg, path)
    return state


def _check_length(done: int, cfg: DictConfig, path: Path) -> None:
    """Make sure that a run has not gone further than it is asked to go."""
    from gan_experiments.data.load import load_data  # this and the next import torch, which a refusal does without
    from gan_experiments.training.run_length import RunLength

    length = RunLength.of(len(load_data(cfg.data)), cast(TrainConfig, OmegaConf.to_object(cfg.train)))
    if done > length.total_steps:
        least = -(-done * length.per_step // length.size)
        raise UserError(
            f"train.epochs={cfg.train.epochs}: must be at least {least}; the run of {path} is at step {done} already"
        )


def why_anew(run_dir: str) -> str:
    """Return one line that says why ``train.resume=auto`` starts a new run.

    Args:
        run_dir: ``hydra.run.dir`` as it stands in the configuration, with its interpolations.
    """
    if "${" in run_dir:
        return f"{_KEY}=auto: starts a new run, in a new folder; with hydra.run.dir=FOLDER the next start finds it"
    return f"{_KEY}=auto: {run_dir} has no checkpoint yet; the run starts anew"


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
    value = default_of(OmegaConf.get_type(OmegaConf.select(cfg, group)), name) if group else MISSING
    return None if value == MISSING else flatten({name: value})[name]
