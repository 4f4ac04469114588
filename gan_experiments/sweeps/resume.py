"""Resuming a sweep: its command line again, in its own folder."""

from __future__ import annotations

from argparse import Namespace

from gan_experiments.configuration.override import Override, read, write
from gan_experiments.errors import UserError
from gan_experiments.tracking.sweep_directory import SweepDirectory

_KEY = "sweep.resume"
_FREE = ("device", "tracking.timeout", "hydra.sweeper.n_trials")
_FREE_BELOW = ("hydra/launcher", "hydra.launcher.")
"""Keys that may change when a sweep is resumed: where its runs train, and how long a search is, but not the runs."""


def continued(arguments: Namespace) -> Namespace:
    """Turn a command line with ``sweep.resume=SWEEP_DIR`` into the one that resumes that sweep.

    Finished jobs are not run again, started ones resume from their checkpoints, failed ones are tried again. A
    command line without ``sweep.resume`` is returned as it is.

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
    sweep = directory.content()
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
    texts = [*(override.text for override in kept), *here, *(override.text for override in new)]
    return Namespace(**vars(arguments) | {"overrides": texts, "multirun": True, "config_dir": sweep["config_dir"]})


def _may_change(override: Override) -> bool:
    return override.key in _FREE or override.key.startswith(_FREE_BELOW)
