"""A sweep's jobs, composed, and the groups of them that may each train as one program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from gan_experiments.configuration.hydra_internals import shown
from gan_experiments.configuration.sweep_loader import copier
from gan_experiments.configuration.validation import validate
from gan_experiments.launchers.fused.partition import chunks, structure
from gan_experiments.sweeps.task import TrainRun

if TYPE_CHECKING:
    from gan_experiments.runs.run import Run


@dataclass(eq=False)
class ComposedJob:
    """One job of a sweep, composed.

    Attributes:
        number: Its number in the sweep.
        directory: Its output folder.
        overrides: Of the task.
        compose: Returns its configuration, Hydra's part included: to keep a thousand of them would take a gigabyte.
        plain: The task's part as plain values; None where it does not resolve.
        structure: What it shares with the jobs that may train as one program with it.
        config: Its configuration, while the job is at work.
        run: The run, while it trains.
        returned: The result for Hydra, once the job has started.
    """

    number: int
    directory: Path
    overrides: list[str]
    compose: Callable[[], DictConfig]
    plain: dict[str, Any] | None
    structure: str
    config: DictConfig | None = None
    run: Run | None = None
    returned: JobReturn | None = None

    def open(self) -> DictConfig:
        """Return its configuration, which is kept from now on until ``close``."""
        self.config = self.config or self.compose()
        return self.config

    def close(self) -> None:
        """Free what the job needs while it is at work."""
        self.config = self.run = None

    @property
    def directory_of_sweep(self) -> Path:
        """The sweep's folder; the job may work in another one."""
        config = self.open()
        return Path(config.hydra.runtime.cwd, config.hydra.sweep.dir)


def compose(
    context: HydraContext, task: TaskFunction, sweep: DictConfig, number: int, overrides: Sequence[str]
) -> ComposedJob:
    """Compose one job of a sweep.

    Args:
        context: Hydra's.
        task: What a job runs by itself.
        sweep: The sweep's configuration.
        number: The job's number.
        overrides: The job's own.
    """
    config = context.config_loader.load_sweep_config(sweep, list(overrides))
    with open_dict(config):
        config.hydra.job.id = config.hydra.job.num = number
    with shown(config), read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
        folder = Path(config.hydra.sweep.dir, str(config.hydra.sweep.subdir)).absolute()
        config.hydra.runtime.output_dir = str(folder)
    copies = copier(config)
    of_task: list[str] = OmegaConf.to_container(config.hydra.overrides.task)  # type: ignore[assignment]
    alone = f"job {number}"
    with shown(config):  # some interpolations ask for the current job
        try:
            plain = {str(key): _plain(config[key]) for key in config if key != "hydra"}
        except Exception:  # the job reports it when it runs
            return ComposedJob(number, folder, of_task, copies, None, alone)
        return ComposedJob(number, folder, of_task, copies, plain, _structure(config, plain, task) or alone)


def for_the_task(job: ComposedJob) -> DictConfig:
    """Return the task's part of a job's configuration, without interpolations: some ask for the current job."""
    config = job.compose()
    with shown(config), open_dict(config), read_write(config):
        for key in [str(key) for key in config if key != "hydra"]:
            if OmegaConf.is_interpolation(config, key):
                config[key] = config[key]
            elif "${" in str(_plain(config[key], resolve=False)):  # to look costs a tenth of resolving
                OmegaConf.resolve(config[key])
        del config["hydra"]
    return config


def _plain(node: Any, resolve: bool = True) -> Any:
    return OmegaConf.to_container(node, resolve=resolve) if OmegaConf.is_config(node) else node


def groups(jobs: Sequence[ComposedJob], most: int) -> list[Sequence[ComposedJob]]:
    """Divide jobs into groups of equal structure, of at most ``most``; a job that must run alone is a group."""
    alike: dict[str, list[ComposedJob]] = {}
    for job in jobs:
        alike.setdefault(job.structure, []).append(job)
    return [part for same in alike.values() for part in chunks(same, most)]


def count(jobs: Sequence[ComposedJob]) -> str:
    """Say how many jobs, and which: ``5 runs (#0 to #3, #7)``."""
    return f"{len(jobs)} runs ({numbers(jobs)})"


def numbers(jobs: Sequence[ComposedJob]) -> str:
    """Say which jobs: ``#0 to #3, #7``."""
    in_turn = sorted(job.number for job in jobs)
    # Numbers that follow each other are equally far from their places in the list.
    parts = [[in_turn[i] for i in same] for _, same in groupby(range(len(in_turn)), lambda i: in_turn[i] - i)]
    spans = [[f"#{part[0]} to #{part[-1]}"] if len(part) > 2 else [f"#{number}" for number in part] for part in parts]
    return ", ".join(chain.from_iterable(spans))


def _structure(cfg: DictConfig, plain: dict[str, Any], task: TaskFunction) -> str | None:
    """Return what a job shares with others that may train as one program with it; None for one that runs alone."""
    # Another program's task may do anything.
    if not isinstance(task, TrainRun):
        return None
    try:
        validate(cfg)
    except Exception:  # the job reports it when it runs
        return None
    return structure(plain)
