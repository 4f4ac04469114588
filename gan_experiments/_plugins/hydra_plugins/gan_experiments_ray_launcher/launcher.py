"""``hydra/launcher=ray``: each of a sweep's runs is a task of Ray.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class RayLauncher(Launcher):
    """Hands the jobs to Ray, and waits for them.

    Args:
        ray: ``init`` and ``remote``, the arguments of ``ray.init`` and ``ray.remote``.
    """

    def __init__(self, ray: DictConfig) -> None:
        self._parameters: dict[str, Any] = OmegaConf.to_container(ray, resolve=True)  # type: ignore[assignment]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """As Hydra's launchers do."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; what each returned, in their order."""
        from gan_experiments.sweeps.cluster.job import ClusterJob
        from gan_experiments.sweeps.cluster.ray_jobs import run

        setup_globals()
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        Path(self._config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        jobs = [
            ClusterJob(self._context, self._task, self._config, number, list(overrides))
            for number, overrides in enumerate(job_overrides, initial_job_idx)
        ]
        return run(jobs, **self._parameters)
