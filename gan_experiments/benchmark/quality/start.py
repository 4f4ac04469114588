"""Starts a run, and ends before its first step: ``python -m gan_experiments.benchmark.quality.start OVERRIDES``."""

from __future__ import annotations

import sys
from pathlib import Path

from gan_experiments.benchmark.quality.contenders import configuration
from gan_experiments.configuration.command_line import user_errors
from gan_experiments.runs.run import Run
from gan_experiments.training.trainer import Trainer


def main() -> None:
    """Compose the configuration, load the data, and build networks and trainer, in a process that has just begun."""
    with user_errors():
        run = Run(configuration(sys.argv[1:]), Path(), sys.argv[1:])
        Trainer([run.member], run.dataset, device=run.device)


if __name__ == "__main__":
    main()
