"""``hydra/launcher=fused``: trains a sweep's runs together.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from hydra.core.utils import JobReturn, filter_overrides
from hydra.plugins.launcher import Launcher

from gan_experiments.launchers.launcher import SweepLauncher
from gan_experiments.tracking.terminal import busy

log = logging.getLogger(__name__)


class FusedLauncher(SweepLauncher):
    """Runs the jobs of ``gan_experiments.run`` as one program where possible, and all others one after another.

    Args:
        max_members: Most runs in one program.
        through: Launcher whose jobs such programs are; None to run them in this process.
    """

    def __init__(self, max_members: int, through: Launcher | None = None) -> None:
        self._max_members, self._through = max_members, through

    def run(self, jobs: Sequence[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """Run jobs, together where possible; return what each returned, in their order."""
        log.info(f"Launching {len(jobs)} jobs, together where possible")
        for number, overrides in jobs:
            log.info(f"\t#{number} : {' '.join(filter_overrides(overrides))}")
        if self._through is not None:
            from gan_experiments.launchers.fused import on_cluster

            return on_cluster.launch(self._through, self._context, self._task, self._config, self._max_members, jobs)
        with busy(f"composing {len(jobs)} runs"):
            from gan_experiments.launchers.fused.groups import compose
            from gan_experiments.launchers.fused.jobs import FusedJobs

            composed = [compose(self._context, self._config, number, overrides) for number, overrides in jobs]
        return FusedJobs(self._context, self._task, self._max_members).run(composed)
