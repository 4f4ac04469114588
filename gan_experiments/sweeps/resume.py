"""Going on with a sweep: its command line again, in its own folder."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.override_parser.types import Quote, QuotedString

from gan_experiments.errors import UserError
from gan_experiments.tracking.sweep_directory import SweepDirectory

_KEY = "sweep.resume"
_FREE = ("device=", "hydra/launcher", "hydra.launcher.", "tracking.timeout=", "hydra.sweeper.n_trials=")
"""What may change when a sweep goes on: on what its runs are computed, and how long a search is, but not what the
runs are."""


def continued(arguments: Sequence[str]) -> list[str]:
    """A command line with ``sweep.resume=SWEEP_DIR`` as the one that goes on with that sweep.

    Finished jobs are not run again, started ones go on from their checkpoints, failed ones are tried again. A
    command line without ``sweep.resume`` is returned as it is.

    Args:
        arguments: Without the program's name.

    Raises:
        UserError: There is no such sweep, or something is given that would make another sweep of it.
    """
    given = next((argument for argument in arguments if argument.startswith(f"{_KEY}=")), None)
    if given is None:
        return list(arguments)
    reference = given.partition("=")[2].strip("'\"")
    directory = SweepDirectory(reference)
    if not directory.sweep.is_file():
        raise UserError(f"{given}: must be a sweep's folder, and {directory.path} has no {directory.sweep.name}")
    own = [argument for argument in arguments if argument not in (given, "-m", "--multirun")]
    for argument in own:
        if not argument.lstrip("+").startswith(_FREE):
            allowed = ", ".join(key.rstrip("=.") for key in _FREE)
            raise UserError(f"{argument}: does not go with {_KEY}; a sweep goes on as it was, but for {allowed}")
    sweep = directory.content()
    ours = {"hydra.sweep.dir", "hydra.mode", "hydra.callbacks.sweep.resume"}
    again = ours | {_key_of(argument) for argument in own}
    before = [*sweep["overrides"]["hydra"], *sweep["overrides"]["task"]]
    kept = [override for override in before if _key_of(override) not in again]
    for group in ("hydra/launcher", "hydra/launcher/through"):
        if group in again:  # the keys of another
            below = (f"{group}/", f"{group.replace('/', '.')}.")
            kept = [override for override in kept if not _key_of(override).startswith(below)]
    flags = [] if sweep["config_dir"] is None else ["--config-dir", sweep["config_dir"]]
    folder = QuotedString(str(directory.path), Quote.single).with_quotes()
    return [*flags, "-m", *kept, f"hydra.sweep.dir={folder}", "hydra.callbacks.sweep.resume=true", *own]


def _key_of(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]
