"""``hydra/launcher=joblib``: Hydra's published plugin, with what this project's launchers declare.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from hydra.core.utils import JobReturn

from gan_experiments.errors import UserError
from gan_experiments.launchers.launcher import Choice, SweepLauncher


class JoblibLauncher(SweepLauncher):
    """Runs the jobs in processes that share the cores of this machine.

    Args:
        arguments: Those of ``joblib.Parallel``.
    """

    package: ClassVar[str | None] = "hydra_plugins.hydra_joblib_launcher"
    extra: ClassVar[str | None] = "joblib"

    @classmethod
    def check(cls, choice: Choice) -> None:
        """Make sure that the number of processes is one."""
        n_jobs = choice.keys.n_jobs
        if not isinstance(n_jobs, int) or n_jobs == 0:
            raise UserError(
                f"{choice.key('n_jobs')}={n_jobs}: must be a whole number above 0, or -1 for one per core"
            )

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments

    def run(self, jobs: Sequence[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """Run jobs, numbered in succession; return what each returned, in their order."""
        from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher as PublishedLauncher

        published = PublishedLauncher(**self._arguments)
        published.setup(hydra_context=self._context, task_function=self._task, config=self._config)
        return published.launch([overrides for _, overrides in jobs], initial_job_idx=jobs[0][0])
