"""``hydra/launcher=ray``: each of a sweep's runs is a task of Ray.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf

from gan_experiments.launchers.launcher import Choice, SweepLauncher


class RayLauncher(SweepLauncher):
    """Hands the jobs to Ray and waits for them.

    Args:
        ray: ``init`` and ``remote``, the arguments of ``ray.init`` and ``ray.remote``.
    """

    package: ClassVar[str | None] = "ray"
    extra: ClassVar[str | None] = "ray"

    @classmethod
    def trains_here(cls, choice: Choice) -> bool:
        """Return whether Ray is started on this machine for the sweep; otherwise it is a cluster."""
        return choice.keys.ray.init.address == "local"

    def __init__(self, ray: DictConfig) -> None:
        self._parameters: dict[str, Any] = OmegaConf.to_container(ray, resolve=True)  # type: ignore[assignment]

    def run(self, jobs: Sequence[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """Run jobs, each by itself; return what each returned, in their order."""
        from gan_experiments.launchers.cluster.job import ClusterJob
        from gan_experiments.launchers.cluster.ray_jobs import run

        batch = [ClusterJob(self._context, self._task, self._config, number, own) for number, own in jobs]
        return run(batch, **self._parameters)
