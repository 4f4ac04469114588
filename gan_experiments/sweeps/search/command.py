"""Short forms of a sweep that prunes, as the command line that they stand for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from gan_experiments.configuration.override import Override, read
from gan_experiments.configuration.store import CONFIG_DIR
from gan_experiments.errors import UserError

_PRUNE, _PRUNER, _SWEEPER = "sweep.prune", "hydra/sweeper/pruner", "hydra/sweeper"


def expanded(arguments: Namespace) -> Namespace:
    """Turn ``sweep.prune=asha`` and ``hydra.sweeper.pruner=asha`` into the choice of options that they mean.

    Args:
        arguments: Flags and overrides, as parsed.

    Raises:
        UserError: There is no such pruner, or the command line asks for no sweep.
    """
    overrides = read(arguments.overrides)
    texts: list[str] = []
    grid = False
    for each in overrides:
        if each.key == _PRUNE:
            _check(each, arguments, overrides)
            texts.append(f"{_PRUNER}={each.unquoted}")
            grid = each.unquoted != "none"
            if not grid and _typed_sweeper(overrides) != "optuna":
                texts.pop()
        elif each.key == _PRUNER.replace("/", "."):
            texts.append(f"{_PRUNER}={'none' if each.unquoted == 'null' else each.unquoted}")
        else:
            texts.append(each.text)
    if grid and _typed_sweeper(overrides) != "optuna":
        texts = [*(text for text in texts if not text.startswith(f"{_SWEEPER}=")), f"{_SWEEPER}=grid"]
    return Namespace(**vars(arguments) | {"overrides": texts})


def _check(given: Override, arguments: Namespace, overrides: list[Override]) -> None:
    folders = [CONFIG_DIR, *([Path(arguments.config_dir)] if arguments.config_dir else [])]
    options = sorted({file.stem for folder in folders for file in (folder / _PRUNER).glob("*.yaml")})
    if given.unquoted not in options:
        raise UserError(f"{given.text}: must be one of {', '.join(options)}")
    modes = [each.unquoted for each in overrides if each.key == "hydra.mode"]
    if not arguments.multirun and modes[-1:] != ["MULTIRUN"]:
        raise UserError(f"{given.text}: needs -m, which makes a sweep of it")


def _typed_sweeper(overrides: list[Override]) -> str | None:
    return next((each.unquoted for each in reversed(overrides) if each.key == _SWEEPER), None)
