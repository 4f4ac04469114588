"""The command: ``python -m gan_experiments.run``. Composes, checks, trains, reports.

Nothing that takes long to import is imported before a run is known to start, so that help, ``--cfg job`` and tab
completion answer at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import env_override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration import command_line, store
from gan_experiments.configuration.compose import CONFIG_DIR
from gan_experiments.configuration.validation import validate
from gan_experiments.launchers import availability
from gan_experiments.sweeps.lifecycle import seen_out
from gan_experiments.sweeps.membership import join
from gan_experiments.sweeps.resume import continued as continued_sweep

_SPIN = {"GOMP_SPINCOUNT": "10000"}
"""How long torch's OpenMP threads wait actively for each other: some 0.3 ms. By default they burn whole time slices,
and two processes on the same cores then slow each other 30-fold; alone, a step takes as long as before."""


def main() -> None:
    """Run the command line in ``sys.argv``.

    Raises:
        SystemExit: Status 2 for what the person can mend, after one line on stderr.
    """
    store.register()
    availability.register()
    os.environ |= _SPIN | os.environ  # OpenMP reads it when torch is first imported
    if os.getcwd() not in sys.path:  # noqa: PTH109
        # A user's own model or data lies here; `python -m` does this by itself, the console command does not.
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    # Hydra would print its own account of an error, and exit, unless it is asked for the full one.
    with command_line.user_errors(), env_override({"HYDRA_FULL_ERROR": "1"}):
        sys.argv[1:] = continued_sweep(sys.argv[1:])
        arguments = command_line.parse(sys.argv[1:])
        if arguments.help:
            from gan_experiments.configuration import help

            print(help.text(arguments.overrides))
            return
        if not arguments.multirun:
            from gan_experiments.runs.resume import continued

            sys.argv[1:] = continued(sys.argv[1:])
            arguments = command_line.parse(sys.argv[1:])
        command_line.check_options(arguments.overrides)
        with seen_out():
            hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")(_train)()


def _train(cfg: DictConfig) -> float | None:
    settings = HydraConfig.get()
    if settings.mode == RunMode.MULTIRUN:
        return _run(cfg)
    with command_line.user_errors():  # in a single run Hydra has nothing to add
        return _run(cfg)


_train.trains_a_run = True  # type: ignore[attr-defined]  # tells launchers that they may train several as one


def _run(cfg: DictConfig) -> float | None:
    # A sweeper that searches chooses its values after the first check.
    validate(cfg)
    from gan_experiments.runs.run import Run
    from gan_experiments.runs.train import train_run

    settings = HydraConfig.get()
    overrides = cast("list[str]", OmegaConf.to_container(cast(Any, settings.overrides.task), resolve=False))
    folder = Path(settings.runtime.output_dir)
    if settings.mode != RunMode.MULTIRUN:
        return train_run(Run(cfg, folder, overrides))
    # With hydra.job.chdir a job works elsewhere.
    job = join(Path(settings.runtime.cwd, settings.sweep.dir), folder, overrides)
    if job.result is not None:
        return job.result
    cfg.train.resume = "auto"
    return train_run(Run(cfg, folder, overrides, job.name, job.tags))


if __name__ == "__main__":
    main()
