"""``hydra/launcher=submitit_local`` and ``submitit_slurm``: each of a sweep's runs is a job of its own.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from hydra.core.utils import JobReturn

from gan_experiments.launchers.cluster import schema
from gan_experiments.launchers.cluster.launcher import ClusterLauncher

schema.register()


class SubmititLauncher(ClusterLauncher):
    """Hands the jobs to submitit, and waits for them.

    Args:
        parameters: Keys of the launcher's YAML.
    """

    cluster: ClassVar[str]

    def __init__(self, **parameters: Any) -> None:
        self._parameters = parameters

    def run(self, jobs: Sequence[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """Run jobs, each by itself; what each returned, in their order."""
        from gan_experiments.launchers.cluster.submitit_job import SubmititJob
        from gan_experiments.launchers.cluster.submitit_jobs import run

        batch = [SubmititJob(self._context, self._task, self._config, number, own) for number, own in jobs]
        return run(batch, self.cluster, self._parameters)


class LocalLauncher(SubmititLauncher):
    """On this machine."""

    cluster = "local"


class SlurmLauncher(SubmititLauncher):
    """On a cluster that SLURM runs."""

    cluster = "slurm"
