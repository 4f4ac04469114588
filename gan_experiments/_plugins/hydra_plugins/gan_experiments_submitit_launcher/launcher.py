"""``hydra/launcher=submitit_local`` and ``submitit_slurm``: each of a sweep's runs is a job of its own.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any, ClassVar

from hydra.core.utils import JobReturn

from gan_experiments.errors import UserError
from gan_experiments.launchers.cluster import schema
from gan_experiments.launchers.launcher import Choice, SweepLauncher

schema.register()


class SubmititLauncher(SweepLauncher):
    """Hands the jobs to submitit, and waits for them.

    Args:
        parameters: Keys of the launcher's YAML.
    """

    package: ClassVar[str | None] = "submitit"
    extra: ClassVar[str | None] = "slurm"
    cluster: ClassVar[str]

    def __init__(self, **parameters: Any) -> None:
        self._parameters = parameters

    def run(self, jobs: Sequence[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """Run jobs, each by itself; return what each returned, in their order."""
        from gan_experiments.launchers.cluster.submitit_job import SubmititJob
        from gan_experiments.launchers.cluster.submitit_jobs import run

        batch = [SubmititJob(self._context, self._task, self._config, number, own) for number, own in jobs]
        return run(batch, self.cluster, self._parameters)


class LocalLauncher(SubmititLauncher):
    """Launches processes on this machine."""

    cluster = "local"


class SlurmLauncher(SubmititLauncher):
    """Launches jobs on a cluster that SLURM runs."""

    cluster = "slurm"

    @classmethod
    def check(cls, choice: Choice) -> None:
        """Make sure that jobs can be submitted here."""
        if shutil.which("sbatch") is None:
            raise UserError(f"{choice}: there is no sbatch here; start the sweep where SLURM is")

    @classmethod
    def trains_here(cls, choice: Choice) -> bool:
        """Return False: this machine may be a login node."""
        return False
