"""A sweep's jobs, composed, and the groups of them that may each train as one program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from gan_experiments.configuration.validation import validate
from gan_experiments.launchers.fused.partition import chunks, structure
from gan_experiments.sweeps.task import TrainRun

if TYPE_CHECKING:
    from gan_experiments.runs.run import Run


@dataclass(eq=False)
class ComposedJob:
    """One job of a sweep, composed.

    Attributes:
        config: Its configuration, Hydra's part included.
        cfg: The task's part, without interpolations; None where it does not resolve.
        directory: Its output folder.
        overrides: Of the task.
        structure: What it shares with the jobs that may train as one program with it.
        run: The run, while it trains.
        returned: The result for Hydra, once the job has started.
    """

    config: DictConfig
    cfg: DictConfig | None
    directory: Path
    overrides: list[str]
    structure: str = ""
    run: Run | None = None
    returned: JobReturn | None = None

    @property
    def directory_of_sweep(self) -> Path:
        """The sweep's folder; the job may work in another one."""
        return Path(self.config.hydra.runtime.cwd, self.config.hydra.sweep.dir)

    @property
    def number(self) -> int:
        """Its number in the sweep."""
        return self.config.hydra.job.num


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
    with hydra_config(config):
        directory = Path(config.hydra.sweep.dir, str(config.hydra.sweep.subdir)).absolute()
        with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(directory)
        of_task: list[str] = OmegaConf.to_container(config.hydra.overrides.task)  # type: ignore[assignment]
        cfg = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        try:
            # Some interpolations ask for the current job, of which there are several once a group trains.
            OmegaConf.resolve(cfg)
        except Exception:  # the job reports it when it runs
            return ComposedJob(config, None, directory, of_task, f"job {number}")
        return ComposedJob(config, cfg, directory, of_task, _structure(cfg, number, task))


def groups(jobs: Sequence[ComposedJob], most: int) -> list[Sequence[ComposedJob]]:
    """Divide jobs into groups of equal structure, of at most ``most``; a job that must run alone is a group."""
    alike: dict[str, list[ComposedJob]] = {}
    for job in jobs:
        alike.setdefault(job.structure, []).append(job)
    return [part for same in alike.values() for part in chunks(same, most)]


def count(jobs: Sequence[ComposedJob]) -> str:
    """Say how many jobs, and which."""
    return f"{len(jobs)} runs (#{', #'.join(str(job.number) for job in jobs)})"


@contextmanager
def hydra_config(config: DictConfig) -> Iterator[None]:
    """Let Hydra's configuration be that of one job."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


def _structure(cfg: DictConfig, number: int, task: TaskFunction) -> str:
    alone = f"job {number}"
    # Another program's task may do anything.
    if not isinstance(task, TrainRun):
        return alone
    try:
        validate(cfg)
    except Exception:  # the job reports it when it runs
        return alone
    return structure(cfg)
