"""Going on with a run: its command line, its checkpoint, and whether both still fit each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.compose import compose
from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.errors import UserError
from gan_experiments.tracking.mlflow.locate import folder_of_run, is_run_id
from gan_experiments.tracking.run_directory import RunDirectory

_KEY = "train.resume"
_OVERRIDES = Path(".hydra") / "overrides.yaml"
_CONFIG_DIR = ("--config-dir", "-cd")
_FREE = (
    "train.epochs",
    "train.resume",
    "train.checkpoint_every",
    "train.early_stop",
    "evaluate.",
    "tracking.",
    "fused.",
    "device",
    "data.download",
)
"""What may change when a run goes on: how long, on what, how it is judged and recorded, but not what is learnt."""


def continued(arguments: Sequence[str]) -> list[str]:
    """A command line with ``train.resume=RUN`` as the one that goes on with that run, in its folder.

    The run's own overrides come first, so that what is given now wins. A command line without ``train.resume``, or
    with ``auto``, is returned as it is.

    Args:
        arguments: Without the program's name.

    Raises:
        UserError: There is no such run, it has no checkpoint, or it should move to another folder.
    """
    own = [argument for argument in arguments if not argument.startswith(f"{_KEY}=")]
    if len(own) == len(arguments):
        return list(arguments)
    position, given = next((i, a) for i, a in enumerate(arguments) if a.startswith(f"{_KEY}="))
    reference = given.partition("=")[2].strip("'\"")
    if reference in ("", "null", "auto"):
        return list(arguments)
    folder, checkpoint = _find(reference, own)
    moved = next((argument for argument in own if argument.startswith("hydra.run.dir=")), None)
    if moved:
        raise UserError(f"{moved}: does not go with {_KEY}, for a run goes on in its own folder, {folder}")
    again = {_key_of(argument) for argument in own} | {_KEY}
    before: list[str] = yaml.safe_load((folder / _OVERRIDES).read_text(encoding="utf-8"))
    kept = [override for override in before if _key_of(override) not in again]
    # A run that was ended before its first checkpoint starts anew, in its own folder all the same.
    here = [f"{_KEY}={_quoted(checkpoint) if checkpoint.exists() else 'auto'}", f"hydra.run.dir={_quoted(folder)}"]
    flags = [] if any(argument.startswith(_CONFIG_DIR) for argument in own) else _config_dir_of(folder)
    return [*flags, *own[:position], *kept, *here, *own[position:]]


def _config_dir_of(folder: Path) -> list[str]:
    """The flag by which the run in ``folder`` was given options of its own."""
    settings = yaml.safe_load((folder / ".hydra" / "hydra.yaml").read_text(encoding="utf-8"))
    sources = settings["hydra"]["runtime"]["config_sources"]
    return next((["--config-dir", source["path"]] for source in sources if source["provider"] == "command-line"), [])


def _key_of(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _quoted(path: Path) -> str:
    return QuotedString(str(path), Quote.single).with_quotes()


def _find(reference: str, own: Sequence[str]) -> tuple[Path, Path]:
    """Folder and checkpoint of the run that a folder, a checkpoint or an MLflow run id names."""
    path = Path(reference).absolute()
    if is_run_id(reference) and not path.exists():
        tracking = [argument for argument in own if argument.startswith("tracking")]
        path = folder_of_run(reference, compose(tracking).tracking.uri)
    if not path.exists():
        raise UserError(f"{_KEY}={reference}: must be a run's folder, a checkpoint, an MLflow run id, auto or null")
    checkpoint = RunDirectory(path).checkpoint if path.is_dir() else path
    folder = checkpoint.parent
    if not (folder / _OVERRIDES).is_file():
        raise UserError(f"{_KEY}={reference}: {folder} has no run to go on with ({_OVERRIDES} is missing)")
    return folder, checkpoint


def state_to_resume(cfg: DictConfig, run_dir: Path) -> dict[str, Any] | None:
    """The state from which the run in ``run_dir`` goes on, or None where it starts anew.

    Raises:
        UserError: The checkpoint cannot be read, it is one of a run with other settings, or a new run would
            overwrite another.
    """
    directory = RunDirectory(run_dir)
    if cfg.train.resume is None:
        if directory.journal.exists():
            raise UserError(f"hydra.run.dir={run_dir}: holds a run already; train.resume=auto goes on with it")
        return None
    path = directory.checkpoint if cfg.train.resume == "auto" else Path(cfg.train.resume)
    if cfg.train.resume == "auto" and not path.exists():
        return None
    from gan_experiments.tracking.metadata import flatten
    from gan_experiments.training import checkpoint

    state = checkpoint.load(path)
    if "config" not in state:
        raise UserError(f"train.resume={path}: this holds weights alone; a run goes on from {directory.checkpoint}")
    then, now = flatten(state["config"]), flatten(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
    # A key that did not exist when the run was made had the effect of its default.
    then = flatten({"train": OmegaConf.to_container(OmegaConf.structured(TrainConfig))}) | then
    for key in then | now:
        if not key.startswith(_FREE) and then.get(key) != now.get(key):
            raise UserError(f"{key}={now.get(key)}: must be {then.get(key)} to go on with the run of {path}")
    return state
