"""Resuming a sweep: its command line again, in its own folder."""

from __future__ import annotations

from argparse import Namespace
from typing import cast

from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.begun import NAME as AS_BEGUN
from gan_experiments.configuration.begun import take_up
from gan_experiments.configuration.override import Override, read, write
from gan_experiments.errors import UserError
from gan_experiments.tracking.moved import command_folder, sweep_record
from gan_experiments.tracking.sweep_directory import SweepDirectory

_KEY = "sweep.resume"
_FREE = ("device", "tracking.timeout", "hydra.sweeper.n_trials")
_FREE_BELOW = ("hydra/launcher", "hydra.launcher.")
"""Keys that may change when a sweep is resumed: where its runs train, and how long a search is, but not the runs."""


def continued(arguments: Namespace) -> Namespace:
    """Turn a command line with ``sweep.resume=SWEEP_DIR`` into the one that resumes that sweep.

    The sweep's configuration is taken over as it was stored, whatever the defaults have become. Finished jobs are not
    run again, started ones resume from their checkpoints, failed ones are tried again. A command line without
    ``sweep.resume`` is returned as it is.

    Args:
        arguments: Flags and overrides, as parsed.

    Raises:
        UserError: There is no such sweep, or something is given that would make another sweep of it.
    """
    # 1. Find the sweep.
    overrides = read(arguments.overrides)
    given = next((override for override in overrides if override.key == _KEY), None)
    if given is None:
        return arguments
    directory = SweepDirectory(given.unquoted)
    if not directory.sweep.is_file():
        raise UserError(f"{given.text}: must be a sweep's folder, and {directory.path} has no {directory.sweep.name}")

    # 2. Refuse what would change its runs.
    new = [override for override in overrides if override is not given]
    flags = [
        f"--{name.replace('_', '-')}"
        for name, value in vars(arguments).items()
        if value and name not in ("overrides", "multirun")
    ]
    for text in [*flags, *(override.text for override in new if not _may_change(override))]:
        allowed = ", ".join(key.rstrip(".") for key in (_FREE[0], *_FREE_BELOW, *_FREE[1:]))
        raise UserError(f"{text}: does not go with {_KEY}; a sweep is resumed as it was, except for {allowed}")

    # 3. Take its own overrides, except those that are given anew.
    sweep = sweep_record(directory)
    ours = {"hydra.sweep.dir", "hydra.mode", "hydra.callbacks.sweep.resume"}
    again = ours | {override.key for override in new}
    before = read([*sweep["overrides"]["hydra"], *sweep["overrides"]["task"]])
    kept = [override for override in before if override.key not in again]
    for group in ("hydra/launcher", "hydra/launcher/through"):
        if group in again:  # another launcher has other keys
            below = (f"{group}/", f"{group.replace('/', '.')}.")
            kept = [override for override in kept if not override.key.startswith(below)]

    # 4. Put the command line together; what is given now comes last and wins.
    here = [write("hydra.sweep.dir", directory.path), "hydra.callbacks.sweep.resume=true"]
    place = {"tracking.uri": sweep["uri"], "tracking.experiment": sweep["experiment"]}
    kept = [override for override in kept if override.key not in place]
    texts, primary, folder = [override.text for override in kept], None, None
    if (begun := directory.begun_with()) is not None:
        anew = {*sweep["varied"], *(override.name for override in new)}
        texts = take_up(cast(DictConfig, OmegaConf.load(begun)), texts, anew, sweep["config_dir"], True, place)
        primary, folder = AS_BEGUN, command_folder(directory.path, begun)
    else:
        texts += [write(key, value) for key, value in place.items()]
    texts = [*texts, *here, *(override.text for override in new)]
    line = {"overrides": texts, "multirun": True, "config_dir": sweep["config_dir"]}
    return Namespace(**vars(arguments) | line | {"config_name": primary, "folder": folder})


def _may_change(override: Override) -> bool:
    return override.key in _FREE or override.key.startswith(_FREE_BELOW)
