"""The command: ``python -m gan_experiments.run``. Composes, checks, trains, reports.

Nothing that takes long to import is imported before a run is known to start, so that help, ``--cfg job`` and tab
completion answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import chdir
from pathlib import Path

from hydra.core.utils import env_override

from gan_experiments.configuration import command_line, store
from gan_experiments.configuration.hydra_internals import run_hydra
from gan_experiments.sweeps import lifecycle
from gan_experiments.sweeps import resume as sweep_resume
from gan_experiments.sweeps.search.command import expanded
from gan_experiments.sweeps.task import TrainRun
from gan_experiments.tracking.terminal import busy


def main() -> None:
    """Run the command line in ``sys.argv``.

    Raises:
        SystemExit: Status 2 for what the user can fix, after one line on stderr.
    """
    # 1. Prepare the process.
    command_line.let_threads_rest()
    _importable(Path.cwd())  # `python -m` does this by itself, the console command does not
    store.register()

    # Hydra would print its own account of an error, and exit, unless it is asked for the full one.
    with command_line.user_errors(), env_override({"HYDRA_FULL_ERROR": "1"}):
        # 2. Read the command line; resuming a sweep or a run stands for a longer one, and so does pruning.
        arguments = command_line.parse(sys.argv[1:])
        arguments = expanded(sweep_resume.continued(arguments))
        if arguments.help:
            from gan_experiments.configuration import help

            print(help.text(arguments.overrides))
            command_line.end_of_printing()
            return
        starting = "" if _only_shows(arguments) else "starting"
        if not arguments.multirun:
            with busy(starting):
                from gan_experiments.runs import resume as run_resume

                arguments = run_resume.continued(arguments)
        command_line.check_options(arguments.overrides)
        command_line.check_alone(os.environ)
        # What goes on goes on in the folder in which it was begun: that is what its relative paths mean.
        place = getattr(arguments, "folder", None) or Path.cwd()
        _importable(place)

        # 3. Let Hydra compose, and call the callbacks (callbacks.py) and the task. Only Hydra knows whether this is a
        #    sweep: `hydra.mode` says so as well as `-m`.
        with chdir(place), lifecycle.closing_on_exit(), busy(starting, preliminary=True):
            run_hydra(TrainRun(), arguments, store.CONFIG_DIR)
        if arguments.cfg or arguments.info or arguments.hydra_help:
            command_line.end_of_printing()


def _importable(folder: Path) -> None:
    """Let a user's own model or data be found that lies in a folder."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _only_shows(arguments: argparse.Namespace) -> bool:
    """Return whether a command line asks Hydra to print something instead of running anything."""
    return any(getattr(arguments, flag) for flag in ("cfg", "info", "hydra_help", "shell_completion"))


if __name__ == "__main__":
    main()
